from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from compute_market import runners
from compute_market.runners import devices
from compute_market.runners.assemble import MODULES, assemble, write
from compute_market.runners.output import whole_characters

ROOT = Path(__file__).resolve().parents[3]


class TestTheOneFile:
    def test_imports_the_standard_library_only(self) -> None:
        statements = ast.parse(assemble()).body
        named = [statement.module or "" for statement in statements if isinstance(statement, ast.ImportFrom)]
        plain = [statement for statement in statements if isinstance(statement, ast.Import)]
        named += [alias.name for statement in plain for alias in statement.names]
        imported = {name.partition(".")[0] for name in named}
        assert imported
        assert imported <= sys.stdlib_module_names

    def test_has_all_modules_of_the_room(self) -> None:
        others = {"__init__", "assemble"}
        assert {path.stem for path in Path(runners.__path__[0]).glob("*.py")} - others == set(MODULES)

    def test_runs_where_nothing_else_is(self, tmp_path: Path) -> None:
        write(tmp_path / "agent")
        words = [sys.executable, "-I", "-S", tmp_path / "agent", "--help"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "--hub" in done.stdout

    def test_is_started_in_a_checkout(self) -> None:
        """By its script, which makes it anew."""
        env = {"PATH": os.environ["PATH"], "BAZAAR_PYTHON": sys.executable}
        words = [str(ROOT / "script" / "agent"), "--help"]
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
        assert "--hub" in done.stdout
        assert (ROOT / "build" / "agent").read_text() == assemble()


class TestProbe:
    def test_reads_what_nvidia_smi_prints(self) -> None:
        output = (
            "0, NVIDIA H100 80GB HBM3, 81559, 550.54.15, GPU-11\n"
            "1, NVIDIA H100 80GB HBM3, 81559, 550.54.15, GPU-22\n"
        )
        found = devices.read_nvidia_smi(output)
        assert [device["index"] for device in found] == [0, 1]
        assert found[0] == {
            "index": 0,
            "model": "NVIDIA H100 80GB HBM3",
            "memory_mb": 81559,
            "driver": "550.54.15",
            "uuid": "GPU-11",
        }

    def test_reads_what_rocm_smi_prints(self) -> None:
        output = (
            '{"card0": {"Card series": "AMD Instinct MI300X OAM", "VRAM Total Memory (B)": "206141652992",'
            ' "Unique ID": "0x1"}, "system": {"Driver version": "6.7.0"}}'
        )
        (device,) = devices.read_rocm_smi(output)
        assert (device["model"], device["memory_mb"]) == ("AMD Instinct MI300X OAM", 196592)

    def test_reads_what_npu_smi_prints(self) -> None:
        output = """
+------------------------------------------------------------------------------------------------+
| npu-smi 23.0.0                   Version: 23.0.0                                               |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     910B3               | OK            | 92.5        36                0    / 0             |
| 0                         | 0000:C1:00.0  | 0           0    / 0          3162 / 65536         |
+===========================+===============+====================================================+
"""
        (device,) = devices.read_npu_smi(output)
        assert device == {
            "index": 0,
            "model": "Ascend 910B3",
            "memory_mb": 65536,
            "driver": "23.0.0",
            "uuid": "0000:C1:00.0",
        }

    def test_declares_honestly_and_refuses_what_is_no_device(self) -> None:
        found = devices.declare("h100-sxm-80g", gpus=2)
        assert [(device["index"], device["memory_mb"]) for device in found] == [(0, 81920), (1, 81920)]
        with pytest.raises(ValueError, match="no device"):
            devices.declare("H100", gpus=1)


class TestOutput:
    @pytest.mark.parametrize(
        ("piece", "whole"),
        [
            (b"abc", b"abc"),
            ("价".encode(), "价".encode()),
            (b"a" + "价".encode()[:2], b"a"),
            (b"a" + "价".encode()[:1], b"a"),
            ("é价".encode(), "é价".encode()),
            (b"\x80\x80\x80\x80\x80", b"\x80\x80\x80\x80\x80"),
            (b"", b""),
        ],
    )
    def test_is_cut_between_characters(self, piece: bytes, whole: bytes) -> None:
        assert whole_characters(piece, final=False) == whole
        assert whole_characters(piece, final=True) == piece


class TestNames:
    def test_no_two_modules_define_the_same(self) -> None:
        """In the one file the second would replace the first."""
        owners: dict[str, set[str]] = {}
        for module in MODULES:
            tree = ast.parse((ROOT / "compute_market" / "runners" / f"{module}.py").read_text())
            for name in defined(tree):
                owners.setdefault(name, set()).add(module)
        assert {name: modules for name, modules in owners.items() if len(modules) > 1} == {}


def defined(tree: ast.Module) -> set[str]:
    """The names that a module's own statements bind, imports aside."""
    found: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            found.add(statement.name)
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        found |= {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    return found
