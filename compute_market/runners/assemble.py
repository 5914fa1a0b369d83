"""The agent in one file: the modules of this room one after another. A node needs that file and Python.

    python -m compute_market.runners.assemble PATH

The file is made where it is needed and kept nowhere else: the hub gives it to providers (`/market/agent`),
the supervisor starts it for this machine's processors, `script/agent` starts it in a checkout.
"""

from __future__ import annotations

import ast
import os
import sys
from functools import cache
from pathlib import Path

MODULES = (
    *("clocks", "loops", "base", "cpu_slices", "records", "descendants", "supervisor"),
    *(
        "supervised_process",
        "supervised_container",
        "supervised",
        "process",
        "gpu_flags",
        "container",
        "fake",
    ),
    *("devices", "deadlines", "hub_link", "assignments", "output", "works"),
    *("hub_sockets", "targets", "streams", "tunnels", "sessions", "sftp", "reach"),
    *("polling", "wakeups", "agent", "command_line"),
)
# Modules that are called by name where they are used keep it, as a namespace.
NAMESPACES = ("devices",)
HEADER = '''#!/usr/bin/env python3
"""The agent of a node that supplies GPUs to a Model Bazaar. One file, standard library only.

    agent --hub https://hub.example.org --key mbe_…     the first time, with the one-time key
    agent --hub https://hub.example.org                 from then on

Made from compute_market/runners by `python -m compute_market.runners.assemble`; change it there.
"""

# ruff: noqa
# mypy: ignore-errors
'''


@cache
def assemble() -> str:
    """The text of the file. It is made once in a process."""
    imports: set[str] = set()
    bodies = []
    for name in MODULES:
        module_imports, body = _split((Path(__file__).parent / f"{name}.py").read_text())
        imports |= module_imports
        bodies.append(f"# ---- {name} {'-' * (90 - len(name))}\n\n{body.strip()}\n")
        if name in NAMESPACES:
            bodies.append(f"{name} = sys.modules[__name__]\n")
    plain = sorted(line for line in imports if line.startswith("import "))
    named = sorted(line for line in imports if line.startswith("from "))
    head = "\n".join(["from __future__ import annotations", "", *plain, *named])
    tail = 'if __name__ == "__main__":\n    sys.exit(main())\n'
    return "\n\n".join([HEADER + "\n" + head, *bodies, tail])


def write(path: Path) -> None:
    """Put the file there, executable and in one step: nobody reads half of it.

    Raises: OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_text(assemble())
    new.chmod(0o755)
    new.replace(path)


def _split(source: str) -> tuple[set[str], str]:
    """The imports of other packages, and the module without any imports, its docstring and its start."""
    tree = ast.parse(source)
    lines = source.splitlines()
    imports = set()
    for index, statement in enumerate(tree.body):
        is_docstring = index == 0 and isinstance(statement, ast.Expr)
        is_import = isinstance(statement, ast.Import | ast.ImportFrom)
        is_start = isinstance(statement, ast.If) and "__main__" in ast.unparse(statement.test)
        if not (is_docstring or is_import or is_start):
            continue
        text = ast.unparse(statement)
        if is_import and "compute_market" not in text and "__future__" not in text:
            imports.add(text)
        for number in range(statement.lineno - 1, statement.end_lineno or statement.lineno):
            lines[number] = ""
    return imports, "\n".join(lines)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
