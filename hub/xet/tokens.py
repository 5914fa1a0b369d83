"""Short-lived access to the Xet store: signed, bound to one repository, one user and read or write.

The token is a claim, not a permission: permissions are checked again at every call, so a revoked membership
or access token also ends its uploads and downloads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.core import signing
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_lazy as _

from foundation.errors import Denied, Unauthenticated
from hub.accounts import selectors as accounts
from hub.accounts.principals import Principal
from hub.repos import policies as repository_policies
from hub.repos.models import Repository

TOKEN_SALT = "hub.xet.token"  # noqa: S105 - separates signatures by purpose; it is no secret
RANGE_SALT = "hub.xet.range"
# Clients renew a token in time, but give up for good when one ends while a request is underway: on a slow
# link, or while a front server gathers the 64 MiB of a xorb. So a token is honoured longer than it says.
UNDERWAY_S = 600


class InvalidXetToken(Unauthenticated):
    code = "invalid_xet_token"
    message = _("The Xet token is missing, altered or expired. Request a new one.")


class ReadOnlyToken(Denied):
    code = "read_only_token"
    message = _("This Xet token is read-only.")


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """The text of a token and when it ends."""

    text: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Access:
    """The claim of a token: the actor, the repository, and whether uploads are allowed."""

    actor: Principal
    repository: Repository
    can_write: bool

    def require_write(self) -> None:
        """Raises ReadOnlyToken."""
        if not self.can_write:
            raise ReadOnlyToken


def issue_read_token(*, actor: Principal, repository: Repository, now: datetime) -> IssuedToken:
    """Issue a token to an actor who may fetch the repository's files. Raises what
    `require_content` raises.
    """
    repository_policies.require_content(actor, repository)
    return _issue(actor, repository, can_write=False, now=now)


def issue_write_token(
    *, actor: Principal, repository: Repository, is_proposal: bool, now: datetime
) -> IssuedToken:
    """Issue a token to an actor who may commit or, for a pull request, propose.

    Raises what `require_write` or `require_propose` raises.
    """
    if is_proposal:
        repository_policies.require_propose(actor, repository)
    else:
        repository_policies.require_write(actor, repository)
    return _issue(actor, repository, can_write=True, now=now)


def find_write_token(*, actor: Principal, repository: Repository, now: datetime) -> IssuedToken | None:
    """A write token for a caller who may commit; None for every other caller."""
    if not repository_policies.can_write(actor, repository):
        return None
    return _issue(actor, repository, can_write=True, now=now)


def _issue(actor: Principal, repository: Repository, *, can_write: bool, now: datetime) -> IssuedToken:
    expires_at = (now + timedelta(seconds=settings.XET_TOKEN_SECONDS)).replace(microsecond=0)
    claim = {
        "u": actor.user_id,
        "t": actor.token.pk if actor.token else None,
        "r": repository.pk,
        "w": can_write,
        "e": int(expires_at.timestamp()),
    }
    return IssuedToken(signing.dumps(claim, salt=TOKEN_SALT), expires_at)


def read_token(text: str, *, now: datetime) -> Access:
    """The claim of a token. Raises InvalidXetToken, also if the user or repository is gone."""
    try:
        claim = signing.loads(text, salt=TOKEN_SALT)
    except signing.BadSignature:
        raise InvalidXetToken from None
    if claim["e"] + UNDERWAY_S <= now.timestamp():
        raise InvalidXetToken
    repository = Repository.objects.live().with_owner().filter(pk=claim["r"]).first()
    if repository is None:
        raise InvalidXetToken
    actor = accounts.principal_by_ids(user_id=claim["u"], token_id=claim["t"], now=now)
    if actor is None:
        raise InvalidXetToken
    return Access(actor, repository, claim["w"])


@dataclass(frozen=True, slots=True)
class SignedRange:
    """Permission to fetch bytes start..end (exclusive) of a stored xorb until a moment (Unix seconds).

    It was given to somebody (0: anonymous) for a file of a repository, and holds while they may fetch
    from it.
    """

    xorb: str
    start: int
    end: int
    expires_s: int
    repository_id: int
    user_id: int = 0
    token_id: int = 0

    @property
    def signature(self) -> str:
        """Over all of it."""
        return signing.Signer(salt=RANGE_SALT).signature(
            f"{self.xorb}.{self.start}.{self.end}.{self.expires_s}"
            f".{self.repository_id}.{self.user_id}.{self.token_id}"
        )

    def is_valid(self, signature: str, now: datetime) -> bool:
        """True if it was signed by this hub, has not expired, and its holder may still fetch."""
        moment = datetime.fromtimestamp(self.expires_s, UTC)
        return constant_time_compare(signature, self.signature) and now < moment and self._may_fetch(now)

    def _may_fetch(self, now: datetime) -> bool:
        actor = accounts.principal_by_ids(
            user_id=self.user_id or None, token_id=self.token_id or None, now=now
        )
        repository = Repository.objects.live().with_owner().filter(pk=self.repository_id).first()
        return (
            actor is not None and repository is not None and repository_policies.can_fetch(actor, repository)
        )
