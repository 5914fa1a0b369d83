"""What a file looks like on its page, chosen by its name and its first bytes."""

from __future__ import annotations

import csv
import io
import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hub.markup.code import coloured

TEXT_BYTES_MAX = 512 * 1024
TABLE_ROWS_MAX = 100
TABLE_COLUMNS_MAX = 40
CELL_CHARS_MAX = 300
TENSORS_MAX = 2_000
HEADER_BYTES_MAX = 8 * 1024 * 1024
NOTEBOOK_CELLS_MAX = 300
IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".avif", ".bmp", ".ico")
SOUNDS = (".wav", ".mp3", ".ogg", ".flac", ".m4a")
FILMS = (".mp4", ".webm", ".mov")

# (start, length) → those bytes of the file, or fewer at its end.
ReadRange = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class View:
    """One way to show a file. `kind` names the template's branch; the other fields are what it needs."""

    kind: str
    text: str = ""
    html: str = ""
    lines: int = 0
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    cells: list[dict[str, Any]] = field(default_factory=list)
    is_cut: bool = False
    note: str = ""


def view_of(path: str, size: int, read: ReadRange | None) -> View:
    """`read` None: the hub does not hold the bytes, so only the name says anything."""
    name = path.rpartition("/")[2].lower()
    if read is None:
        return View("missing")
    for kind, endings in (("image", IMAGES), ("audio", SOUNDS), ("video", FILMS)):
        if name.endswith(endings):
            return View(kind)
    if name.endswith(".safetensors"):
        return _safetensors(read) or View("binary")
    data = read(0, TEXT_BYTES_MAX + 1)
    is_cut = len(data) > TEXT_BYTES_MAX
    data = data[:TEXT_BYTES_MAX]
    text = _decoded(data)
    if text is None:
        return View("binary")
    if name.endswith((".csv", ".tsv")):
        return _table(text, "\t" if name.endswith(".tsv") else ",", is_cut=is_cut) or _source(
            text, name, is_cut=is_cut
        )
    if name.endswith((".jsonl", ".ndjson")):
        return _json_lines(text, is_cut=is_cut) or _source(text, name, is_cut=is_cut)
    if name.endswith(".ipynb") and not is_cut:
        return _notebook(text) or _source(text, name, is_cut=is_cut)
    if name.endswith((".md", ".markdown")):
        return View("markdown", text=text, is_cut=is_cut)
    return _source(text, name, is_cut=is_cut)


def _decoded(data: bytes) -> str | None:
    if b"\0" in data[:8192]:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        # The cut may lie inside a character; anything earlier means that this is no UTF-8.
        return data[: error.start].decode() if len(data) - error.start < 4 and error.start else None


def _source(text: str, name: str, *, is_cut: bool) -> View:
    html = coloured(text, filename=name)
    return View(
        "source", text=text, html=html, lines=text.count("\n") + (not text.endswith("\n")), is_cut=is_cut
    )


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= CELL_CHARS_MAX else text[:CELL_CHARS_MAX] + "…"


def _table(text: str, delimiter: str, *, is_cut: bool) -> View | None:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text), delimiter=delimiter):
            rows.append([_cell(value) for value in row[:TABLE_COLUMNS_MAX]])
            if len(rows) > TABLE_ROWS_MAX:
                break
    except csv.Error:
        return None
    if not rows or len(rows[0]) < 2:
        return None
    return View("table", columns=rows[0], rows=rows[1:], is_cut=is_cut or len(rows) > TABLE_ROWS_MAX)


def _json_lines(text: str, *, is_cut: bool) -> View | None:
    records: list[dict[str, Any]] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(record, dict):
            return None
        records.append(record)
        if len(records) >= TABLE_ROWS_MAX:
            is_cut = True
            break
    columns = list(dict.fromkeys(key for record in records for key in record))[:TABLE_COLUMNS_MAX]
    if not columns:
        return None
    rows = [[_cell(record.get(column, "")) for column in columns] for record in records]
    return View("table", columns=columns, rows=rows, is_cut=is_cut)


def _notebook(text: str) -> View | None:
    try:
        notebook = json.loads(text)
        language = str(notebook.get("metadata", {}).get("kernelspec", {}).get("language", "python"))
        cells = [_notebook_cell(cell, language) for cell in notebook["cells"][:NOTEBOOK_CELLS_MAX]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return View("notebook", cells=cells, is_cut=len(notebook["cells"]) > NOTEBOOK_CELLS_MAX)


def _joined(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _notebook_cell(cell: dict[str, Any], language: str) -> dict[str, Any]:
    source = _joined(cell.get("source"))
    if cell.get("cell_type") == "markdown":
        return {"kind": "markdown", "text": source}
    outputs = []
    for output in cell.get("outputs", [])[:50]:
        data = output.get("data", {})
        png = _joined(data.get("image/png")).replace("\n", "")
        if png and len(png) < 400_000 and png.replace("=", "").replace("+", "").replace("/", "").isalnum():
            outputs.append({"image": png})
        else:
            outputs.append(
                {"text": (_joined(output.get("text")) or _joined(data.get("text/plain")))[:20_000]}
            )
    return {
        "kind": "code",
        "html": coloured(source, language=language),
        "outputs": outputs,
        "number": cell.get("execution_count"),
    }


def _safetensors(read: ReadRange) -> View | None:
    """The header's table: name, dtype, shape, number of parameters."""
    try:
        (length,) = struct.unpack("<Q", read(0, 8))
        if not 2 <= length <= HEADER_BYTES_MAX:
            return None
        tensors = json.loads(read(8, length))
        metadata = tensors.pop("__metadata__", {})
        rows = [
            [name, str(t["dtype"]), " × ".join(map(str, t["shape"])), f"{math.prod(t['shape']):,}"]
            for name, t in tensors.items()
        ]
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    note = (
        ", ".join(f"{key}: {_cell(value)}" for key, value in metadata.items())
        if isinstance(metadata, dict)
        else ""
    )
    return View(
        "tensors", rows=rows[:TENSORS_MAX], lines=len(rows), is_cut=len(rows) > TENSORS_MAX, note=note[:1000]
    )
