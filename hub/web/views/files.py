"""Files and versions: tree, file, history, commit."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from foundation import paging
from hub.gitstore import FileChange
from hub.markup import markdown, render
from hub.repos import policies
from hub.revisions import last_commits, reading
from hub.revisions import selectors as revisions
from hub.revisions.facts import front_matter
from hub.web import contents, links
from hub.web.rendering import diffs, files
from hub.web.repository_pages import RepositoryPage, repository_page
from hub.web.requests import page

HISTORY_PAGE = 40
DIFF_FILES_MAX = 60
# All rows of a diff page together, counted with the elements around each.
DIFF_CHARS_MAX = 60_000
DIFF_ROW_MARKUP_CHARS = 75
TREE_PAGE = 100


def crumbs(repo_page: RepositoryPage, revision: str, path: str) -> list[tuple[str, str]]:
    """(name, address) of each folder down to a path."""
    found, so_far = [], ""
    for part in path.split("/") if path else []:
        so_far = f"{so_far}/{part}" if so_far else part
        found.append((part, links.at(repo_page.repository, "tree", revision, so_far)))
    return found


@repository_page
def tree(
    request: HttpRequest, repo_page: RepositoryPage, revision: str | None = None, path: str = ""
) -> HttpResponse:
    if repo_page.gate:
        return HttpResponseRedirect(repo_page.address)
    shown, commit = repo_page.revision(revision)
    path = path.strip("/")
    context = repo_page.header("files")
    entry = reading.get_entry(repo_page.repository, commit, path)
    if entry.is_file:
        return HttpResponseRedirect(links.at(repo_page.repository, "blob", shown, path))
    pages = paging.page_of(request, repo_page.items(commit, path), TREE_PAGE)
    items = list(pages)
    last = last_commits.commits_of(repo_page.repository, commit, [*(item.path for item in items), path])
    entries = [(entry, last.get(entry.path)) for entry in reading.sized(repo_page.repository, items)]
    context |= {
        "revision": shown,
        "commit": commit,
        "path": path,
        "crumbs": crumbs(repo_page, shown, path),
        "entries": entries,
        "pages": pages,
        "latest": last.get(path) or reading.get_commit(repo_page.repository, commit),
        "refs": repo_page.refs(),
        "in_chunks": contents.held_in_chunks(repo_page.repository, [entry for entry, _ in entries]),
    }
    return page(request, "hub/repository/tree.html", context)


def number_in(request: HttpRequest, name: str) -> int:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 1


def line_numbers(view: files.View) -> str:
    """The column beside the source, one number a line."""
    count = view.text.count("\n") + (not view.text.endswith("\n"))
    return "\n".join(map(str, range(view.first_line, view.first_line + count)))


@repository_page
def blob(request: HttpRequest, repo_page: RepositoryPage, revision: str, path: str) -> HttpResponse:
    if repo_page.gate:
        return HttpResponseRedirect(repo_page.address)
    shown, commit = repo_page.revision(revision)
    path = path.strip("/")
    entry = revisions.get_file(
        actor=repo_page.actor, repository=repo_page.repository, commit=commit, path=path
    )
    read = contents.reader_of(actor=repo_page.actor, repository=repo_page.repository, entry=entry)
    view = files.view_of(path, read, page=number_in(request, "page"))
    card = ""
    if view.kind == "markdown":
        folder = path.rpartition("/")[0]
        prefix = f"{folder}/" if folder else ""
        base = markdown.Base(
            pages=links.at(repo_page.repository, "blob", shown) + f"/{prefix}",
            files=links.at(repo_page.repository, "resolve", shown) + f"/{prefix}",
        )
        card = render.markdown(front_matter.split(view.text)[1], base)
    notes = [cell for cell in view.cells if cell["kind"] == "markdown"]
    for cell, html in zip(notes, render.markdown_all([cell["text"] for cell in notes]), strict=True):
        cell["html"] = html
    context = repo_page.header("files") | {
        "revision": shown,
        "commit": commit,
        "path": path,
        "crumbs": crumbs(repo_page, shown, path),
        "entry": entry,
        "view": view,
        "card": card,
        "numbers": line_numbers(view),
        "in_chunks": contents.held_in_chunks(repo_page.repository, [entry]),
        "latest": last_commits.commits_of(repo_page.repository, commit, [path]).get(path),
        "can_edit": entry.pointer is None
        and view.kind in {"source", "markdown", "table", "notebook"}
        and entry.size <= files.TEXT_BYTES_MAX,
        "can_delete": policies.can_write(repo_page.actor, repo_page.repository),
    }
    return page(request, "hub/repository/blob.html", context)


@repository_page
def commits(request: HttpRequest, repo_page: RepositoryPage, revision: str | None = None) -> HttpResponse:
    """The history from a revision back; `?from=` a commit goes on from there."""
    if repo_page.gate:
        return HttpResponseRedirect(repo_page.address)
    shown, head = repo_page.revision(revision)
    start = request.GET.get("from") or head
    if start != head:
        start = revisions.resolve(repo_page.repository, start)
    found = revisions.history(
        actor=repo_page.actor, repository=repo_page.repository, commit=start, limit=HISTORY_PAGE + 1
    )
    context = repo_page.header("files") | {
        "revision": shown,
        "commits": found[:HISTORY_PAGE],
        "next": found[HISTORY_PAGE].oid if len(found) > HISTORY_PAGE else "",
        "refs": repo_page.refs(),
    }
    return page(request, "hub/repository/commits.html", context)


@dataclass(frozen=True, slots=True)
class ShownChange:
    """One file of a diff, with the rows that are shown of it."""

    change: FileChange
    rows: list[diffs.Row]
    is_cut: bool


def shown_changes(changes: list[FileChange]) -> list[ShownChange]:
    """The first files, with as many rows as one page bears; of the rest the name and the numbers."""
    shown, left = [], DIFF_CHARS_MAX
    for change in changes[:DIFF_FILES_MAX]:
        rows, is_cut = diffs.rows(change.patch) if left > 0 else ([], bool(change.patch))
        kept = []
        for row in rows:
            left -= DIFF_ROW_MARKUP_CHARS + files.weight_of(row.text)
            if left <= 0:
                break
            kept.append(row)
        shown.append(ShownChange(change, kept, is_cut or len(kept) < len(rows)))
    return shown


@repository_page
def commit(request: HttpRequest, repo_page: RepositoryPage, oid: str) -> HttpResponse:
    if repo_page.gate:
        return HttpResponseRedirect(repo_page.address)
    repository = repo_page.repository
    found = reading.get_commit(repository, revisions.resolve(repository, oid))
    changes = reading.changes(repository, found.parents[0] if found.parents else None, found.oid)
    context = repo_page.header("files") | {
        "commit": found,
        "changes": shown_changes(changes),
        "files_total": len(changes),
        "files_left_out": max(0, len(changes) - DIFF_FILES_MAX),
        "additions": sum(change.additions for change in changes),
        "deletions": sum(change.deletions for change in changes),
    }
    return page(request, "hub/repository/commit.html", context)
