"""The refusals of this room."""

from django.utils.translation import gettext_lazy as _

from foundation.errors import Conflict, Denied, Invalid, NotFound


class NothingToDelete(NotFound):
    code = "entry_not_found"
    message = _("A file with this name doesn't exist: {path}")


class DefaultBranchProtected(Denied):
    code = "default_branch_protected"
    message = _("Cannot delete {ref}")


class LfsObjectMissing(Invalid):
    code = "lfs_object_missing"
    message = _(
        "Your push was rejected because an LFS pointer pointed to a file that does not exist. "
        "Upload the object first: {oid} ({path})"
    )


class LfsSizeMismatch(Invalid):
    code = "lfs_size_mismatch"
    message = _("{path} is said to have {size} bytes; the stored object has {stored}.")


class BranchBusy(Conflict):
    code = "branch_busy"
    message = _("Too many simultaneous commits to {ref}; try again.")


class TooManyOperations(Invalid):
    code = "too_many_operations"
    message = _("A commit can have at most {limit} operations.")


class NotAFile(NotFound):
    code = "entry_not_found"
    message = _("{path} is not a file.")


class HistoryTooLong(Invalid):
    code = "history_too_long"
    message = _("Only the first {limit} commits are listed; start from an older commit.")


class TooManyRefs(Invalid):
    code = "too_many_refs"
    message = _("A push can move at most {limit} refs at once.")


class NotACommit(Invalid):
    code = "not_a_commit"
    message = _("A branch holds a commit itself, not an annotated tag: {ref}")
