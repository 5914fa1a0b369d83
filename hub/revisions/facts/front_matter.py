"""The YAML between the first two `---` lines of a README, read without trusting it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import yaml

BYTES_MAX = 2 * 1024 * 1024
# A node that an alias names counts each time it is named: this is what defuses a "billion laughs".
NODES_MAX = 100_000
DEPTH_MAX = 64
INTEGER_DIGITS_MAX = 30
FENCE = re.compile(r"\A\ufeff?[ \t\r\n]*---[ \t]*\r?\n((?:.*?\n)??)---[ \t]*(?:\r?\n|\Z)", re.DOTALL)


class _Loader(yaml.CSafeLoader):
    """YAML 1.2's plain scalars: `no` is Norwegian, `2024-01-01` and `1:30` are text."""


_Loader.yaml_implicit_resolvers = {}
for _pattern, _tag, _first in (
    (r"true|True|TRUE|false|False|FALSE", "bool", "tTfF"),
    (rf"[-+]?[0-9]{{1,{INTEGER_DIGITS_MAX}}}", "int", "-+0123456789"),
    (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "float",
        "-+.0123456789",
    ),
    (r"null|Null|NULL|~|", "null", "nN~\0"),
    (r"<<", "merge", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}",
        re.compile(rf"\A(?:{_pattern})\Z"),
        [*_first.replace("\0", ""), *([""] if "\0" in _first else [])],
    )


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    """Decimal always: `007` is seven, and no number in another base costs time."""
    return int(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


class Refused(Exception):
    """The block cannot be used; the text says why, for the person who wrote it."""


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """`data` is None without a block and after an error; `body` is the text below the block."""

    data: dict[str, Any] | None
    body: str
    error: str = ""
    line: int | None = None


def split(text: str) -> tuple[str | None, str]:
    """The block's YAML (None without one) and the text below it."""
    match = FENCE.match(text)
    if match is None:
        return None, text
    return match[1], text[match.end() :]


def read(text: str) -> FrontMatter:
    """Parse a README. The result is JSON: strings without NUL, finite numbers, string keys."""
    block, body = split(text)
    if block is None:
        return FrontMatter(None, body)
    try:
        data = _load(block)
    except Refused as error:
        return FrontMatter(None, body, str(error))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 2 if mark is not None else None
        problem = error.problem or error.context or "cannot be read"
        where = f" (line {line})" if line is not None else ""
        return FrontMatter(None, body, f"bad YAML: {problem}{where}", line)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError, AttributeError) as error:
        return FrontMatter(None, body, f"bad YAML: {str(error)[:200]}")
    if data is None:
        return FrontMatter({}, body)
    if not isinstance(data, dict):
        return FrontMatter(None, body, "the metadata must be a mapping of names to values.")
    return FrontMatter(data, body)


def _load(block: str) -> Any:
    """Raises: Refused, yaml.YAMLError, and what PyYAML lets through."""
    if len(block) > BYTES_MAX:
        raise Refused(f"the metadata has more than {BYTES_MAX} characters.")
    # Each value ends a line or stands before a comma or a bracket: so many are not even parsed.
    if sum(map(block.count, ("\n", ",", "[", "{"))) > NODES_MAX:
        raise Refused(f"the metadata has more than {NODES_MAX} values.")
    _require_flat(block)
    loader = _Loader(block)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, {}, set(), 0)
        return clean(loader.construct_document(node))
    finally:
        loader.dispose()


def _require_flat(block: str) -> None:
    """Refuse nesting before the parser, which recurses, sees it."""
    depth = deepest = 0
    for character in block:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth = max(0, depth - 1)
    dashes = max((len(match[0]) // 2 for match in re.finditer(r"(?:[-?] +){2,}", block)), default=0)
    if deepest > DEPTH_MAX * 4 or dashes > DEPTH_MAX * 4:
        raise Refused("the metadata is nested too deeply.")


def _measure(node: yaml.Node, sizes: dict[int, int], open_nodes: set[int], depth: int) -> int:
    """The number of nodes when every alias is expanded. Raises: Refused above the limit."""
    known = sizes.get(id(node))
    if known is not None:
        return known
    if id(node) in open_nodes:
        raise Refused("the metadata refers to itself.")
    if depth > DEPTH_MAX:
        raise Refused("the metadata is nested too deeply.")
    open_nodes.add(id(node))
    size = 1
    children: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        children = node.value
    elif isinstance(node, yaml.MappingNode):
        children = [part for pair in node.value for part in pair]
    for child in children:
        size += _measure(child, sizes, open_nodes, depth + 1)
        if size > NODES_MAX:
            raise Refused(f"the metadata has more than {NODES_MAX} values, aliases written out.")
    open_nodes.discard(id(node))
    sizes[id(node)] = size
    return size


def clean(value: Any) -> Any:
    """The value as JSON that both databases take: no NUL, no lone surrogates, no NaN, string keys."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(_key_text(key)): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [clean(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int)):
        return value
    return clean_text(str(value))


def _key_text(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)


def clean_text(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode()
