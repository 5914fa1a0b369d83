"""The presentation of a file on its page, chosen by its name and its first bytes."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from typing import Any

from django.utils.html import escape

from foundation.byte_ranges import ReadRange
from hub.markup import render
from hub.revisions.facts import safetensors

TEXT_BYTES_MAX = 512 * 1024
# A page of source: so much of it with colours stays a page that a phone loads at once.
SOURCE_PAGE_BYTES = 32 * 1024
SOURCE_PIECE_CHARS = 2_000
SOURCE_PAGE_LINES = 1_200
HTML_CHARS_MAX = 80_000
TABLE_ROWS_MAX = 100
TABLE_COLUMNS_MAX = 40
TABLE_CHARS_MAX = 50_000
CELL_CHARS_MAX = 300
CELL_MARKUP_CHARS = len("<td></td>")
TENSORS_MAX = 400
OUTPUT_CHARS_MAX = 10_000
NOTEBOOK_CHARS_MAX = 60_000
HEADER_BYTES_MAX = 4 * 1024 * 1024
NOTEBOOK_CELLS_MAX = 300
IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".avif", ".bmp", ".ico")
SOUNDS = (".wav", ".mp3", ".ogg", ".flac", ".m4a")
FILMS = (".mp4", ".webm", ".mov")


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
    # Of source: which page of how many, and the number of its first line.
    page: int = 1
    pages: int = 1
    first_line: int = 1


def view_of(path: str, read: ReadRange | None, *, page: int = 1) -> View:
    """`read` None: the hub does not hold the bytes, so only the name says anything.

    `page` counts from 1 and matters for source alone; one that is not there becomes the nearest.
    """
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
            text, name, page, is_cut=is_cut
        )
    if name.endswith((".jsonl", ".ndjson")):
        return _json_lines(text, is_cut=is_cut) or _source(text, name, page, is_cut=is_cut)
    if name.endswith(".ipynb") and not is_cut:
        return _notebook(text) or _source(text, name, page, is_cut=is_cut)
    if name.endswith((".md", ".markdown")):
        return View("markdown", text=text, is_cut=is_cut)
    return _source(text, name, page, is_cut=is_cut)


def _decoded(data: bytes) -> str | None:
    if b"\0" in data[:8192]:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        # The cut may lie inside a character; anything earlier means that this is no UTF-8.
        return data[: error.start].decode() if len(data) - error.start < 4 and error.start else None


def _source(text: str, name: str, page: int, *, is_cut: bool) -> View:
    pages = _pages(text)
    page = max(1, min(page, len(pages)))
    shown = pages[page - 1]
    html = render.code(shown, filename=name)
    return View(
        "source",
        text=shown,
        html=html if len(html) <= HTML_CHARS_MAX else escape(shown),
        lines=text.count("\n") + (not text.endswith("\n")),
        is_cut=is_cut,
        page=page,
        pages=len(pages),
        first_line=1 + sum(before.count("\n") for before in pages[: page - 1]),
    )


def _pages(text: str) -> list[str]:
    """The text in pieces that each make a light page, divided at lines where lines are not longer."""
    pages: list[list[str]] = [[]]
    room = SOURCE_PAGE_BYTES
    for line in text.splitlines(keepends=True):
        for at in range(0, len(line), SOURCE_PIECE_CHARS):
            piece = line[at : at + SOURCE_PIECE_CHARS]
            weight = weight_of(piece)
            if pages[-1] and (weight > room or len(pages[-1]) >= SOURCE_PAGE_LINES):
                pages.append([])
                room = SOURCE_PAGE_BYTES
            pages[-1].append(piece)
            room -= weight
    return ["".join(pieces) for pieces in pages]


def weight_of(text: str) -> int:
    """The bytes that a text adds to a page."""
    return len(escape(text).encode("utf-8", "replace"))


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= CELL_CHARS_MAX else text[:CELL_CHARS_MAX] + "…"


def _table(text: str, delimiter: str, *, is_cut: bool) -> View | None:
    rows: list[list[str]] = []
    chars = 0
    try:
        for row in csv.reader(io.StringIO(text), delimiter=delimiter):
            rows.append([_cell(value) for value in row[:TABLE_COLUMNS_MAX]])
            chars += sum(map(weight_of, rows[-1])) + CELL_MARKUP_CHARS * len(rows[-1])
            if len(rows) > TABLE_ROWS_MAX or chars > TABLE_CHARS_MAX:
                break
    except csv.Error:
        return None
    if not rows or len(rows[0]) < 2:
        return None
    is_cut = is_cut or len(rows) > TABLE_ROWS_MAX or chars > TABLE_CHARS_MAX
    width = max(map(len, rows))
    columns, *body = [row + [""] * (width - len(row)) for row in rows]
    return View("table", columns=columns, rows=body, is_cut=is_cut)


def _json_lines(text: str, *, is_cut: bool) -> View | None:
    records: list[dict[str, Any]] = []
    chars = 0
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
        chars += sum(weight_of(_cell(value)) + CELL_MARKUP_CHARS for value in record.values())
        if len(records) >= TABLE_ROWS_MAX or chars > TABLE_CHARS_MAX:
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
        found = [_notebook_cell(cell) for cell in notebook["cells"][:NOTEBOOK_CELLS_MAX]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    cells = _within(found)
    sources = [cell for cell in cells if cell["kind"] == "code"]
    colours = render.code_all([render.Code(cell["source"], language=language) for cell in sources])
    for cell, html in zip(sources, colours, strict=True):
        cell["html"] = html
    cells = _within(cells)
    return View("notebook", cells=cells, is_cut=len(notebook["cells"]) > len(cells))


def _within(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first cells, as many as one page bears."""
    chars = 0
    for number, cell in enumerate(cells):
        chars += _chars_of(cell)
        if chars > NOTEBOOK_CHARS_MAX:
            return cells[: number + 1]
    return cells


def _chars_of(cell: dict[str, Any]) -> int:
    """The length that a cell adds to the page; its images are not counted."""
    texts = [
        cell.get("text", ""),
        cell.get("html", cell.get("source", "")),
        *(o.get("text", "") for o in cell.get("outputs", ())),
    ]
    return sum(map(weight_of, texts))


def _joined(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _notebook_cell(cell: dict[str, Any]) -> dict[str, Any]:
    source = _joined(cell.get("source"))[:NOTEBOOK_CHARS_MAX]
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
                {"text": (_joined(output.get("text")) or _joined(data.get("text/plain")))[:OUTPUT_CHARS_MAX]}
            )
    return {
        "kind": "code",
        "source": source,
        "outputs": outputs,
        "number": cell.get("execution_count"),
    }


def _safetensors(read: ReadRange) -> View | None:
    """The header's table: name, dtype, shape, number of parameters."""
    header = safetensors.read_tensors(read, bytes_max=HEADER_BYTES_MAX)
    if header is None:
        return None
    shown = header.tensors[:TENSORS_MAX]
    rows = [[_cell(t.name), t.dtype, " × ".join(map(str, t.shape)), f"{t.parameters:,}"] for t in shown]
    note = ", ".join(f"{key}: {_cell(value)}" for key, value in list(header.metadata.items())[:100])
    return View(
        "tensors",
        rows=rows,
        lines=len(header.tensors),
        is_cut=len(header.tensors) > TENSORS_MAX,
        note=note[:1000],
    )
