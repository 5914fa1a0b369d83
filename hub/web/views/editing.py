"""New repositories, uploads from the browser, editing and deleting a file."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from hub.accounts import selectors as accounts
from hub.accounts.models import Role
from hub.accounts.policies import role_in
from hub.community.services import NewPullRequest, Placed, Target, open_target
from hub.markup import markdown, render
from hub.repos import kinds, policies
from hub.repos import services as repos
from hub.repos.models import Kind, Repository
from hub.revisions import reading
from hub.revisions import selectors as revisions
from hub.revisions.facts import front_matter
from hub.revisions.facts.card import validate_card
from hub.revisions.operations import DeleteFile, Operation
from hub.revisions.services import NewCommit
from hub.web import contents, links
from hub.web.forms import EditForm, NewRepositoryForm
from hub.web.rendering.files import TEXT_BYTES_MAX
from hub.web.repository_pages import RepositoryPage, repository_page
from hub.web.requests import actor_of, page, signed_in, submit

LICENSES = (
    "apache-2.0",
    "mit",
    "bsd-3-clause",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "openrail",
    "gpl-3.0",
    "other",
)


def new(request: HttpRequest) -> HttpResponse:
    """Make a repository, with a card that names its license."""
    user = signed_in(request)
    actor = actor_of(request)
    owners = [user.namespace] + [
        member.organization
        for member in accounts.organizations_of(user)
        if (role := role_in(actor, member.organization_id)) and role.includes(Role.CONTRIBUTOR)
    ]
    asked_kind, asked_owner = request.GET.get("kind", Kind.MODEL), request.GET.get("owner", user.name)
    owner = next((found for found in owners if found.name == asked_owner), user.namespace)
    form = NewRepositoryForm(
        request.POST or None,
        owners=owners,
        initial={"kind": asked_kind, "owner": owner.name, "visibility": owner.default_visibility},
    )

    def create(data: dict[str, Any]) -> Repository:
        license_id = data["license"].strip()
        card = (
            f"---\nlicense: {license_id}\n---\n\n# {data['name']}\n"
            if license_id.isascii() and license_id
            else ""
        )
        asked = repos.NewRepository(
            kind=data["kind"],
            repo_id=f"{data['owner']}/{data['name']}",
            visibility=data["visibility"],
            files={"README.md": card.encode()} if card else None,
        )
        return repos.create_repository(actor=actor, request=asked, now=timezone.now())

    made = submit(request, form, create)
    if made is not None:
        return HttpResponseRedirect(links.at(made, "upload", made.default_branch) + "?new=1")
    return page(request, "hub/new.html", {"form": form, "licenses": LICENSES}, form=form)


@repository_page
def upload(request: HttpRequest, repo_page: RepositoryPage, revision: str, path: str = "") -> HttpResponse:
    """Drag files here. The script speaks the clients' own wire; without it a form takes a few files."""
    signed_in(request)
    policies.require_propose(repo_page.actor, repo_page.repository)
    shown, _head = repo_page.revision(revision)
    can_write = policies.can_write(repo_page.actor, repo_page.repository)
    if request.method == "POST":
        return _upload_form(request, repo_page, shown, path.strip("/"))
    context = repo_page.header("files") | {
        "revision": shown,
        "path": path.strip("/"),
        "can_commit": can_write,
        "bytes_max": settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        "wire": f"/api/{kinds.PLURAL_OF[repo_page.repository.kind]}/{repo_page.repository.full_name}",
        "git": f"/{kinds.path_of(repo_page.repository.kind, repo_page.repository.full_name)}.git",
    }
    return page(request, "hub/repository/upload.html", context)


def _upload_form(request: HttpRequest, repo_page: RepositoryPage, revision: str, folder: str) -> HttpResponse:
    """The way without scripts: all files in one request, staged as they were received."""
    now = timezone.now()
    target = _target(repo_page, revision, is_proposal=request.POST.get("propose") == "1")
    prefix = f"{folder}/" if folder else ""
    with target.staging(now) as staging:
        operations: list[Operation] = [
            staging.add(prefix + str(file.name), file.chunks()) for file in request.FILES.getlist("files")
        ]
    title = request.POST.get("message", "").strip() or _("Upload files")
    placed = target.commit(NewCommit(operations=operations, title=title), now)
    return HttpResponseRedirect(_outcome(repo_page, target, placed))


def _target(repo_page: RepositoryPage, revision: str, *, is_proposal: bool) -> Target:
    """Raises: what `open_target` raises."""
    return open_target(
        actor=repo_page.actor,
        repository=repo_page.repository,
        revision=revision,
        is_new_pull_request=is_proposal,
    )


def _outcome(repo_page: RepositoryPage, target: Target, placed: Placed) -> str:
    """The address that shows what became of a commit: the new pull request, or the files."""
    if isinstance(target, NewPullRequest) and placed.pull_request is not None:
        return f"{repo_page.address}/discussions/{placed.pull_request.number}"
    return links.at(repo_page.repository, "tree", target.revision)


@repository_page
def edit(request: HttpRequest, repo_page: RepositoryPage, revision: str, path: str = "") -> HttpResponse:
    """Write a text file. A user without write access proposes it; if the branch moved meanwhile, the page
    says so.
    """
    signed_in(request)
    policies.require_propose(repo_page.actor, repo_page.repository)
    shown, commit = repo_page.revision(revision)
    path = path.strip("/")
    can_write = policies.can_write(repo_page.actor, repo_page.repository)
    is_new = request.GET.get("new") == "1"
    initial = {
        "path": f"{path}/" if is_new and path else path,
        "parent": commit,
        "as_pull_request": not can_write,
    }
    if not is_new:
        initial["content"] = _text_at(repo_page, commit, path)
    form = EditForm(request.POST or None, initial=initial)

    def save(data: dict[str, Any]) -> str:
        name = data["path"].strip().strip("/")
        text = data["content"].replace("\r\n", "\n")
        is_proposal = data["as_pull_request"] or not can_write
        now, target = timezone.now(), _target(repo_page, shown, is_proposal=is_proposal)
        with target.staging(now) as staging:
            operations: list[Operation] = [staging.add(name, [text.encode()])]
        if not is_new and name != path:
            operations.append(DeleteFile(path, missing_ok=True))
        asked = NewCommit(
            operations=operations,
            title=data["message"].strip() or _("Update %(path)s") % {"path": name},
            parent=None if is_proposal else data["parent"] or None,
        )
        return _outcome(repo_page, target, target.commit(asked, now))

    address = submit(request, form, save)
    if address is not None:
        return HttpResponseRedirect(address)
    context = repo_page.header("files") | {
        "form": form,
        "revision": shown,
        "path": path,
        "is_new": is_new,
        "can_commit": can_write,
        "is_markdown": path.lower().endswith(".md"),
    }
    return page(request, "hub/repository/edit.html", context, form=form)


def _text_at(repo_page: RepositoryPage, commit: str, path: str) -> str:
    """The present text of the file; a new card starts with a template. Raises: NotAFile."""
    entry = reading.find_entry(repo_page.repository, commit, path)
    if entry is None:
        return (
            f"---\nlicense: apache-2.0\ntags: []\n---\n\n# {repo_page.repository.name}\n"
            if path == "README.md"
            else ""
        )
    found = revisions.get_file(
        actor=repo_page.actor, repository=repo_page.repository, commit=commit, path=path
    )
    read = contents.reader_of(actor=repo_page.actor, repository=repo_page.repository, entry=found)
    return read(0, TEXT_BYTES_MAX).decode("utf-8", "replace") if read else ""


@require_POST
@repository_page
def preview(request: HttpRequest, repo_page: RepositoryPage) -> HttpResponse:
    """The card as it would look, and what is wrong with its front matter."""
    text = request.POST.get("content", request.POST.get("text", ""))
    address, branch = repo_page.address, repo_page.repository.default_branch
    base = markdown.Base(pages=f"{address}/blob/{branch}/", files=f"{address}/resolve/{branch}/")
    is_card = request.POST.get("path") == "README.md"
    errors, warnings = validate_card(text, repo_page.repository.kind) if is_card else ([], [])
    context = {
        "html": render.markdown(front_matter.split(text)[1] if is_card else text, base, mentions=not is_card),
        "errors": errors,
        "warnings": warnings,
    }
    return page(request, "hub/repository/preview.html", context)


@repository_page
def delete(request: HttpRequest, repo_page: RepositoryPage, revision: str, path: str) -> HttpResponse:
    """Asked once, then one commit that takes the file away."""
    signed_in(request)
    policies.require_write(repo_page.actor, repo_page.repository)
    shown, commit = repo_page.revision(revision)
    path = path.strip("/")
    if request.method == "POST":
        asked = NewCommit(
            operations=[DeleteFile(path)],
            title=request.POST.get("message", "").strip() or _("Delete %(path)s") % {"path": path},
            parent=commit,
        )
        target = _target(repo_page, shown, is_proposal=False)
        return HttpResponseRedirect(_outcome(repo_page, target, target.commit(asked, timezone.now())))
    return page(
        request, "hub/repository/delete.html", repo_page.header("files") | {"revision": shown, "path": path}
    )
