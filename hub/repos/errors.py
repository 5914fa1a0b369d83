"""What this room refuses, and why."""

from django.utils.translation import gettext_lazy as _

from hub.errors import Conflict, Denied, Exhausted, Invalid, NotFound


class RepositoryNotFound(NotFound):
    """Missing, or hidden from the caller: the two cannot be told apart."""

    code = "repository_not_found"
    message = _("Repository not found: {repo_id}")


class RepositoryExists(Conflict):
    code = "repository_exists"
    message = _("You already created this {kind} repo: {repo_id}")


class RepositoryNameReserved(Conflict):
    code = "repository_name_reserved"
    message = _("{repo_id} leads to a repository that has moved; only an admin can use the name again.")


class RepositoryDenied(Denied):
    code = "repository_denied"
    message = _("You need the role “{role}” on “{repo_id}” for this.")


class RepositoryGated(Denied):
    """`details["why"]`: `anonymous`, `not_asked`, `pending` or `rejected`."""

    code = "repository_gated"
    message = _("Access to {kind} {repo_id} is restricted. {hint}")


class RepositoryDisabled(Denied):
    code = "repository_disabled"
    # The Hugging Face client knows a disabled repository by exactly this text.
    message = "Access to this resource is disabled."


class RepositoryArchived(Denied):
    code = "repository_archived"
    message = _("{repo_id} is archived: it can be read, not written.")


class RepositoryQuotaExceeded(Exhausted):
    code = "repository_quota_exceeded"
    message = _("{namespace} owns {used} repositories and may own {limit}.")


class StorageQuotaExceeded(Exhausted):
    code = "storage_quota_exceeded"
    message = _("{namespace} stores {used} bytes and may store {limit}; this needs {needed} more.")


class NotGated(Invalid):
    code = "not_gated"
    message = _("{repo_id} is not gated.")


class AccessRequestNotFound(NotFound):
    code = "access_request_not_found"
    message = _("{user} has not asked for access to {repo_id}.")


class AccessRequestHandled(Conflict):
    code = "access_request_handled"
    message = _("The request of {user} is {status} already.")


class NotRestorable(NotFound):
    code = "not_restorable"
    message = _("There is no deleted repository {repo_id} that can still be restored.")
