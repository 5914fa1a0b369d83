"""The refusals of this room."""

from django.utils.translation import gettext_lazy as _

from foundation.errors import Conflict, Denied, Exhausted, Invalid, NotFound


class DiscussionNotFound(NotFound):
    code = "discussion_not_found"
    message = _("There is no discussion or pull request {number} in {repo_id}.")


class CommentNotFound(NotFound):
    code = "comment_not_found"
    message = _("Comment not found.")


class DiscussionsDisabled(Denied):
    code = "discussions_disabled"
    message = _("Discussions are disabled for this repository.")


class DiscussionDenied(Denied):
    code = "discussion_denied"
    message = _("Only the author and people with write access to {repo_id} can do this.")


class CommentHidden(Conflict):
    code = "comment_hidden"
    message = _("This comment was permanently hidden.")


class StatusRefused(Conflict):
    code = "status_refused"
    message = _("The status can't change from {old} to {new}.")


class NotAPullRequest(Invalid):
    code = "not_a_pull_request"
    message = _("{number} is a discussion, not a pull request.")


class PullRequestFinished(Conflict):
    code = "pull_request_finished"
    message = _("Pull request {number} is {status}; nothing can be added to it.")


class PullRequestConflicts(Conflict):
    code = "pull_request_conflicts"
    message = _("These files were changed on both sides: {files}. Resolve that in refs/pr/{number} first.")


class CollectionNotFound(NotFound):
    code = "collection_not_found"
    message = _("Collection not found: {slug}")


class CollectionExists(Conflict):
    """`details["slug"]` names the one that is there."""

    code = "collection_exists"
    message = _("You already have a collection with this title: {slug}")


class CollectionItemNotFound(NotFound):
    code = "collection_item_not_found"
    message = _("This collection has no such item.")


class CollectionItemExists(Conflict):
    code = "collection_item_exists"
    message = _("{item_id} is already in this collection.")


class CollectionFull(Exhausted):
    code = "collection_full"
    message = _("A collection can have at most {limit} items.")


class LinkedNotFound(NotFound):
    code = "linked_not_found"
    message = _("There is no {type} {item_id}.")


class WebhookNotFound(NotFound):
    code = "webhook_not_found"
    message = _("Webhook not found.")


class DeliveryNotFound(NotFound):
    code = "delivery_not_found"
    message = _("Delivery not found.")


class AddressForbidden(Invalid):
    """Calling it would let a webhook reach into the network that the hub itself lives in."""

    code = "address_forbidden"
    message = _("{host} is not a public address. Webhooks can only call public addresses.")


class NoticeNotFound(NotFound):
    code = "notice_not_found"
    message = _("Notification not found.")
