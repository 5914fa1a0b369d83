"""Refusals of git itself."""

from django.utils.translation import gettext_lazy as _

from foundation.errors import Conflict, Invalid, NotFound, Unavailable


class RevisionNotFound(NotFound):
    code = "revision_not_found"
    message = _("Invalid rev id: {revision}")


class EntryNotFound(NotFound):
    code = "entry_not_found"
    message = _("Entry not found: {path}")


class TooManyFolders(Invalid):
    code = "too_many_folders"
    message = _("A commit can change at most {limit} folders. Split it into several commits.")


class TreeTooLarge(Invalid):
    code = "tree_too_large"
    message = _("A commit may hold {limit} files and folders, in folders of ordinary depth; this is more.")


class InvalidPath(Invalid):
    code = "invalid_path"
    message = _("The path “{path}” can't be stored: {reason}")


class InvalidRefName(Invalid):
    code = "invalid_ref_name"
    message = _("Invalid reference for a {what}: {name}")


class MessageTooLong(Invalid):
    code = "message_too_long"
    message = _("A commit or tag message can have at most {limit} bytes.")


class RefExists(Conflict):
    code = "ref_exists"
    message = _("Reference {ref} already exists")


class TooManyBranches(Invalid):
    code = "too_many_branches"
    message = _("A repository can have at most {limit} branches and tags.")


class RefChanged(Conflict):
    """Somebody else moved the ref between our reading and our writing it."""

    code = "ref_changed"
    message = _("The branch was updated since you opened this page. Please refresh and try again.")


class ObjectNotVisible(Unavailable):
    """An object that a ref leads to is not to be seen: another node wrote it just now, or it is damaged."""

    code = "object_not_visible"
    message = _("The files of this revision are not available on this server yet. Try again in a moment.")


class FolderNotVisible(ObjectNotVisible, FileNotFoundError):
    """The folder of a repository is not to be seen. Readers pass over it as over a missing one."""


class GitFailed(Unavailable):
    """git could not be started, or ended without an answer."""

    code = "git_failed"
    message = _("Git did not respond. The hub's log has details.")
