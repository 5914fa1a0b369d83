"""The refusals of this room."""

from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from foundation.errors import Conflict, Denied, Exhausted, Invalid, NotFound, QuotaExceeded


class RepositoryNotFound(NotFound):
    """Missing, or hidden from the caller: both give the same answer. Clients compare the message."""

    code = "repository_not_found"
    message = _("Repository not found")


class RepositoryExists(Conflict):
    code = "repository_exists"
    message = _("You already created this {kind} repo: {repo_id}")


class RepositoryNameReserved(Conflict):
    code = "repository_name_reserved"
    message = _("{repo_id} redirects to a renamed repository; only an admin can use the name again.")


class RepositoryNameTaken(RepositoryExists):
    """Another repository has the name that one is to be moved to."""

    message = _("A {kind} repository called {repo_id} already exists")


class RepositoryDenied(Denied):
    code = "repository_denied"
    message = _("You need the role “{role}” on “{repo_id}” to do this.")


class RepositoryGated(Denied):
    """`details["why"]`: `anonymous`, `not_asked`, `pending` or `rejected`. The messages are Hugging Face's.

    `details["page"]` is the repository's address where a door knows it.
    """

    code = "repository_gated"
    MESSAGES: ClassVar[dict[str, str | Promise]] = {
        "anonymous": _(
            "Access to {kind} {repo_id} is restricted. "
            "You must have access to it and be authenticated to access it. Please log in."
        ),
        "not_asked": _(
            "Access to {kind} {repo_id} is restricted and you are not in the authorized list. "
            "Visit {page} to ask for access."
        ),
        "pending": _("Your request to access {kind} {repo_id} is awaiting a review from the repo authors."),
        "rejected": _("Your request to access {kind} {repo_id} has been rejected by the repo's authors."),
    }

    def __init__(self, *, kind: str, repo_id: str, why: str) -> None:
        super().__init__(kind=kind, repo_id=repo_id, why=why, page=_("its page"))

    def __str__(self) -> str:
        return str(self.MESSAGES[self.details["why"]]).format_map(self.details)


class RepositoryDisabled(Denied):
    code = "repository_disabled"
    # The Hugging Face client knows a disabled repository by exactly this text.
    message = _("Access to this resource is disabled.")


class RepositoryArchived(Denied):
    code = "repository_archived"
    message = _("{repo_id} is archived and read-only.")


class RepositoryQuotaExceeded(QuotaExceeded):
    code = "repository_quota_exceeded"
    message = _("{namespace} owns {used} of at most {limit} repositories.")


class StorageQuotaExceeded(QuotaExceeded):
    code = "storage_quota_exceeded"
    message = _("{namespace} stores {used} of at most {limit} bytes; this needs {needed} more.")


class ProposalsFull(Exhausted):
    code = "proposals_full"
    message = _("Your open proposals use {used} of at most {limit} bytes; this needs {needed} more.")


class NotGated(Invalid):
    code = "not_gated"
    message = _("{repo_id} is not gated.")


class AccessRequestNotFound(NotFound):
    code = "access_request_not_found"
    message = _("{user} hasn't requested access to {repo_id}.")


class AccessRequestHandled(Conflict):
    code = "access_request_handled"
    message = _("The request from {user} is already {status}.")


class NotRestorable(NotFound):
    code = "not_restorable"
    message = _("No deleted repository {repo_id} can be restored.")
