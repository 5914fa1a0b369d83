"""Steps of a `git push`: permission to push, and checks of its content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from foundation.errors import DeletedMeanwhile, Refusal
from hub.accounts.models import User
from hub.accounts.principals import Principal
from hub.gitstore import RefChanged, RefUpdate, names
from hub.gitstore.errors import InvalidRefName, TooManyBranches, TreeTooLarge
from hub.gitstore.incoming import RECORD_BYTES_MAX, Contents, Incoming
from hub.gitstore.paths import REF_BYTES_MAX, require_ref_name
from hub.gitstore.questions import Push
from hub.gitstore.ref_names import BRANCHES_MAX
from hub.lfs import links
from hub.repos import locking, quotas
from hub.repos.errors import (
    ProposalsFull,
    RepositoryArchived,
    RepositoryDisabled,
    RepositoryNotFound,
    StorageQuotaExceeded,
)
from hub.repos.models import Repository
from hub.revisions import moves, refs, uploads
from hub.revisions.errors import TooManyRefs
from hub.revisions.pull_refs import pull_request_number

CHANGES_MAX = 1_000
LISTED_MAX = 5
# (the repository, the refs to move) → why the actor may not move them, in words for people. Asked before the
# content is looked at, and again once the repository is locked.
Authorize = Callable[[Repository, Sequence[RefUpdate]], list[str]]


def deleted_meanwhile() -> str:
    return _("The repository was deleted in the meantime.")


def unusable_ref() -> str:
    return _("A ref name can have at most %(limit)d bytes and no control characters.") % {
        "limit": REF_BYTES_MAX
    }


def reasons_against(
    *,
    actor: Principal,
    repository: Repository,
    push: Push,
    authorize: Authorize,
    now: datetime,
) -> tuple[list[str], Contents]:
    """The reasons to refuse this push, as sentences, and the push's contents.

    With no reason against it, the objects that its pointers name are linked to the repository: from
    here on they cannot be collected, whatever becomes of the push.
    """
    current = Repository.objects.live().with_owner().filter(pk=repository.pk).first()
    if current is None:
        return [deleted_meanwhile()], Contents()
    reasons = _about_number(current, push.changes) or [
        *authorize(current, push.changes),
        *about_refs(current, push.changes),
    ]
    if reasons:
        return reasons, Contents()
    incoming = Incoming(current.storage, push.objects)
    tips = [change.new for change in push.changes if change.new is not None]
    for change in push.changes:
        if change.new is not None and incoming.commit_behind(change.new) is None:
            reasons.append(_("%(ref)s must lead to a commit.") % {"ref": change.ref})
    if reasons:
        return reasons, Contents()
    contents = incoming.contents(
        large_above=uploads.inline_bytes_max(), tree_entries_max=settings.GIT_TREE_ENTRIES_MAX
    )
    if contents.is_tree_too_large:
        return [str(TreeTooLarge(limit=settings.GIT_TREE_ENTRIES_MAX))], Contents()
    reasons = [
        *_about_records(contents),
        *_about_modes(contents),
        *_about_names(contents),
        *_about_large_files(incoming, contents, tips),
        *_about_pointers(actor, current, incoming, contents, tips),
    ]
    if contents.blob_bytes and not reasons:
        reasons = _about_moves(current, push.changes, incoming)
    proposer = quotas.proposer_of(actor, current)
    if not reasons:
        try:
            quotas.require_room_to_bring(proposer, current, contents.blob_bytes)
        except (StorageQuotaExceeded, ProposalsFull) as refusal:
            reasons = [str(refusal)]
    if not reasons:
        reasons = _link(current, {pointer.oid for pointer in contents.pointers.values()}, proposer, now)
    return reasons, contents


def _link(repository: Repository, oids: set[str], proposer: User | None, now: datetime) -> list[str]:
    """Link the large objects that a push names, if the repository may still change. Gives reasons against it.

    The refs move under a later lock: this one cannot wait for git, which takes the objects in meanwhile.
    """
    try:
        with transaction.atomic(durable=True):
            # The rights were asked just before, and are asked again where the refs move.
            locked = locking.lock_for_change(repository.pk, lambda _: None)
            links.link(locked, oids, now, proposer=proposer)
            linked = links.usable(locked.pk, None, oids)
    except (DeletedMeanwhile, RepositoryNotFound):
        return [deleted_meanwhile()]
    except (RepositoryArchived, RepositoryDisabled) as refusal:
        return [str(refusal)]
    # The collector took one between our look and our link; then it must be sent again.
    lost = sorted(oids - linked.keys())
    return [_("The LFS object %(oid)s was not uploaded.") % {"oid": oid} for oid in lost]


def about_refs(repository: Repository, changes: Sequence[RefUpdate]) -> list[str]:
    """Refs that nobody may push, whatever their rights."""
    reasons = [
        _("%(ref)s appears more than once.") % {"ref": ref}
        for ref, times in Counter(change.ref for change in changes).items()
        if times > 1
    ]
    for change in changes:
        if pull_request_number(change.ref) is not None:
            continue
        kind, _slash, name = change.ref.removeprefix("refs/").partition("/")
        if kind not in {"heads", "tags"}:
            reasons.append(_("Only branches and tags can be pushed, not %(ref)s.") % {"ref": change.ref})
        elif change.new is None and change.ref == f"refs/heads/{repository.default_branch}":
            reasons.append(_("%(ref)s is the default branch and cannot be deleted.") % {"ref": change.ref})
        else:
            try:
                require_ref_name(name, what="branch" if kind == "heads" else "tag")
            except InvalidRefName as refusal:
                reasons.append(str(refusal))
    return reasons


def _about_moves(repository: Repository, changes: Sequence[RefUpdate], incoming: Incoming) -> list[str]:
    """Refs that cannot move as the push says. Its files must not get in for refs that then do not hold them.

    A push without new files is let in: each of its refs moves or not, and is reported by itself.
    """
    _possible, refused = moves.sift(repository, changes, incoming.commit_behind)
    return [f"{ref}: {words_of(refusal)}" for ref, refusal in refused.items()]


def words_of(refusal: Refusal) -> str:
    """The reason why a ref did not move, as git shows it in brackets behind the ref's name."""
    return _("moved meanwhile, fetch first") if isinstance(refusal, RefChanged) else str(refusal)


def _about_names(contents: Contents) -> list[str]:
    """File names that no client could ask for."""
    if not contents.bad_names:
        return []
    reasons = [
        _("The file name “%(name)s” is not UTF-8.") % {"name": name}
        if problem == names.Problem.NOT_UTF8
        else _("The file name “%(name)s” holds a control character.") % {"name": name}
        for name, problem in contents.bad_names.items()
    ]
    return [*reasons, _("Rename it in every commit that is pushed, then push again.")]


def _about_number(repository: Repository, changes: Sequence[RefUpdate]) -> list[str]:
    """The number of refs that a push moves, and the number that the repository would then have."""
    if len(changes) > CHANGES_MAX:
        return [str(TooManyRefs(limit=CHANGES_MAX))]
    fresh = sum((change.old is None) - (change.new is None) for change in changes)
    if fresh > 0 and refs.names_of(repository).branches + fresh > BRANCHES_MAX:
        return [str(TooManyBranches(limit=BRANCHES_MAX))]
    return []


def _about_modes(contents: Contents) -> list[str]:
    """Entries of trees that are neither files, links, folders nor submodules for everybody who reads them."""
    return [
        _("“%(name)s” has the mode %(mode)s, which git does not write.") % {"name": name, "mode": mode}
        for name, mode in contents.bad_modes.items()
    ]


def _about_records(contents: Contents) -> list[str]:
    """Commits and tags whose messages no list could show."""
    return [
        _("The commit or tag %(oid)s has %(size)d bytes with its message; %(limit)d are allowed.")
        % {"oid": oid, "size": size, "limit": RECORD_BYTES_MAX}
        for oid, size in list(contents.long_records.items())[:LISTED_MAX]
    ]


def _about_large_files(incoming: Incoming, contents: Contents, tips: Sequence[str]) -> list[str]:
    if not contents.large:
        return []
    paths = incoming.paths_of(contents.large, tips)
    limit = uploads.inline_bytes_max()
    reasons = [
        _("%(path)s has %(size)d bytes; files of more than %(limit)d bytes go to Git LFS.")
        % {"path": paths.get(blob, blob), "size": size, "limit": limit}
        for blob, size in list(contents.large.items())[:LISTED_MAX]
    ]
    return [
        *reasons,
        _('Run "git lfs migrate import --above=%(limit)dB", then push again.') % {"limit": limit},
    ]


def _about_pointers(
    actor: Principal,
    repository: Repository,
    incoming: Incoming,
    contents: Contents,
    tips: Sequence[str],
) -> list[str]:
    named = {pointer.oid: blob for blob, pointer in contents.pointers.items()}
    sizes = links.usable(repository.pk, actor, list(named))
    missing = {named[oid]: oid for oid in named if oid not in sizes}
    wrong = [
        _("The pointer to %(oid)s says %(said)d bytes; the stored object has %(size)d.")
        % {"oid": pointer.oid, "said": pointer.size, "size": sizes[pointer.oid]}
        for pointer in contents.pointers.values()
        if sizes.get(pointer.oid, pointer.size) != pointer.size
    ][:LISTED_MAX]
    if not missing:
        return wrong
    paths = incoming.paths_of(missing, tips)
    reasons = [
        _("The LFS object of %(path)s was not uploaded: %(oid)s")
        % {"path": paths.get(blob, blob), "oid": oid}
        for blob, oid in list(missing.items())[:LISTED_MAX]
    ]
    if len(missing) > LISTED_MAX:
        reasons.append(_("… and %(count)d more.") % {"count": len(missing) - LISTED_MAX})
    return [*wrong, *reasons, _('Run "git lfs push --all origin", then push again.')]
