"""The refusals of this room."""

from django.utils.translation import gettext_lazy as _

from foundation.errors import Conflict, Denied, Exhausted, Invalid, NotFound, Unauthenticated


class NamespaceNotFound(NotFound):
    code = "namespace_not_found"
    message = _("No user or organization is named “{name}”.")


class NameTaken(Conflict):
    code = "name_taken"
    message = _("The name “{name}” is taken.")


class NameReserved(Conflict):
    code = "name_reserved"
    message = _("The name “{name}” redirects to a renamed account; only its owner can use it again.")


class SignUpClosed(Denied):
    code = "sign_up_closed"
    message = _("Sign-up is closed on this hub. Contact an administrator.")


class WeakPassword(Invalid):
    code = "weak_password"
    message = "{reason}"


class BadCredentials(Unauthenticated):
    code = "bad_credentials"
    message = _("Incorrect username or password.")


class TooManySignIns(Exhausted):
    code = "too_many_sign_ins"
    message = _("Too many failed sign-ins. Try again in {retry_after_s} seconds.")


class TooManySignUps(Exhausted):
    code = "too_many_sign_ups"
    message = _("Too many new accounts from this address. Try again in {retry_after_s} seconds.")


class InvalidToken(Unauthenticated):
    code = "invalid_token"
    # The Hugging Face client tells a bad token from a missing repository by exactly this text.
    message = _("Invalid credentials in Authorization header")


class ScopeMissing(Denied):
    code = "scope_missing"
    message = _("This access token lacks the scope “{scope}”.")


class NamespaceDenied(Denied):
    code = "namespace_denied"
    message = _("You need the role “{role}” in “{namespace}” to do this.")


class MemberNotFound(NotFound):
    code = "member_not_found"
    message = _("“{user}” is not a member of “{organization}”.")


class LastAdmin(Conflict):
    code = "last_admin"
    message = _("“{organization}” needs at least one admin.")


class TokenNotFound(NotFound):
    code = "token_not_found"
    message = _("Access token not found.")


class TokenTaken(Conflict):
    code = "token_taken"
    message = _("This access token belongs to another user.")


class SshKeyInvalid(Invalid):
    code = "ssh_key_invalid"
    message = _("This key can't be used: {reason}.")


class SshKeyTaken(Conflict):
    code = "ssh_key_taken"
    message = _("This key is already in use; a key belongs to one account.")


class SshKeyNotFound(NotFound):
    code = "ssh_key_not_found"
    message = _("Key not found.")
