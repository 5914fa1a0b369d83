"""Namespaces, users, memberships and access tokens."""

from __future__ import annotations

import re
from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from foundation.stored_texts import is_storable


class Role(models.TextChoices):
    """The roles in an organization; each includes those before it."""

    READ = "read", _("read")
    CONTRIBUTOR = "contributor", _("contributor")
    WRITE = "write", _("write")
    ADMIN = "admin", _("admin")

    @property
    def rank(self) -> int:
        return list(Role).index(self)

    def includes(self, other: Role) -> bool:
        return self.rank >= other.rank


class Visibility(models.TextChoices):
    PUBLIC = "public", _("public")
    PRIVATE = "private", _("private")


def name_key(name: str) -> str:
    """The form under which a name is unique: ASCII names differ by more than letter case."""
    return name.lower()


class Namespace(models.Model):
    """The first half of every repository id: a user's or an organization's name."""

    class Kind(models.TextChoices):
        USER = "user", _("user")
        ORGANIZATION = "organization", _("organization")

    name = models.CharField(max_length=96)
    key = models.CharField(max_length=96, unique=True, help_text="The name in lower case.")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    full_name = models.CharField(max_length=120, blank=True)
    details = models.TextField(max_length=2000, blank=True)
    website = models.URLField(blank=True)
    default_visibility = models.CharField(max_length=8, choices=Visibility.choices, default=Visibility.PUBLIC)
    is_verified = models.BooleanField(default=False)
    storage_quota_bytes = models.BigIntegerField(
        null=True, blank=True, help_text="Empty: the hub's default. 0: no limit."
    )
    repository_quota = models.IntegerField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(key=models.functions.Lower("name")), name="namespace_key_is_lower_name"
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_organization(self) -> bool:
        return self.kind == self.Kind.ORGANIZATION


class NamespaceRedirect(models.Model):
    """A name that a namespace had before. It leads to the namespace and stays reserved for its admins."""

    key = models.CharField(max_length=96, unique=True)
    namespace = models.ForeignKey(Namespace, on_delete=models.CASCADE, related_name="redirects")
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.key} → {self.namespace_id}"


class UserManager(BaseUserManager["User"]):
    def with_email(self, email: str) -> models.QuerySet[User]:
        """Those who gave this e-mail address, in any letter case, the oldest account first."""
        given = self.select_related("namespace").alias(email_key=models.functions.Lower("email"))
        return given.filter(email_key=email.strip().lower()).order_by("pk")

    def get_by_natural_key(self, username: str | None) -> User:
        """People sign in with the name of their namespace, in any case, or with their e-mail address."""
        text = (username or "").strip()
        if not is_storable(text):
            raise self.model.DoesNotExist
        if re.fullmatch(r"[^@\s]+@[^@\s]+", text):
            found = self.with_email(text).first()
            if found is None:
                raise self.model.DoesNotExist
            return found
        return self.select_related("namespace").get(namespace__key=name_key(text))


class User(AbstractBaseUser, PermissionsMixin):
    """A person (or a robot) who can sign in. The name is the namespace's."""

    namespace = models.OneToOneField(Namespace, on_delete=models.PROTECT, related_name="user")
    email = models.EmailField(blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="May enter the operator's pages.")
    language = models.CharField(max_length=12, blank=True, choices=settings.LANGUAGES)
    created_at = models.DateTimeField(db_default=Now())

    USERNAME_FIELD = "namespace"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        # Not unique: refusing a second account would tell strangers whose addresses the hub knows.
        indexes = (
            models.Index(models.functions.Lower("email"), name="user_by_email", condition=~Q(email="")),
        )

    def __str__(self) -> str:
        return self.namespace.name

    def clean(self) -> None:
        """The inherited check would write the name where the namespace stands."""
        self.email = User.objects.normalize_email(self.email)

    def get_username(self) -> str:
        return self.namespace.name

    @property
    def name(self) -> str:
        return self.namespace.name


class Membership(models.Model):
    """One user's role in one organization."""

    organization = models.ForeignKey(Namespace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role.choices)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (models.UniqueConstraint(fields=["organization", "user"], name="membership_once"),)

    def __str__(self) -> str:
        return f"{self.user_id} in {self.organization_id}: {self.role}"


class AccessTokenQuerySet(models.QuerySet["AccessToken"]):
    def live(self, now: datetime) -> AccessTokenQuerySet:
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), user__is_active=True)


class AccessToken(models.Model):
    """A bearer secret. Only its SHA-256 is kept; the text is shown once, when it is made."""

    class Scope(models.TextChoices):
        READ = "read", _("read repositories")
        WRITE = "write", _("write repositories")
        TRADE = "trade", _("trade on the compute market")
        DEPLOY = "deploy", _("buy GPU time up to a limit, and run jobs on it")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="access_tokens")
    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the token, hex.")
    hint = models.CharField(max_length=8, help_text="The last characters, to tell tokens apart.")
    scopes = models.JSONField(default=list, help_text="A list of read, write, trade, deploy.")
    is_fine_grained = models.BooleanField(
        default=False, help_text="Reaches only what its grants name, besides what is public."
    )
    spend_cap_micros = models.BigIntegerField(
        null=True, blank=True, help_text="With the scope deploy: the most it may spend in all, micro-credits."
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = AccessTokenQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                name="access_token_cap_positive",
                condition=Q(spend_cap_micros__isnull=True) | Q(spend_cap_micros__gt=0),
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} (…{self.hint})"


class SshKey(models.Model):
    """A public key that logs its user in to the leases that the user holds."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="ssh_keys")
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=40, help_text="The key's type, as ssh-ed25519.")
    body = models.TextField(help_text="The public key in base64.")
    fingerprint = models.CharField(max_length=64, unique=True, help_text="SHA256:… of the key.")
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.name} ({self.fingerprint})"


class TokenGrant(models.Model):
    """The reach of a fine-grained token: a namespace, or one repository in it."""

    token = models.ForeignKey(AccessToken, on_delete=models.CASCADE, related_name="grants")
    namespace = models.ForeignKey(Namespace, on_delete=models.CASCADE, related_name="+")
    repository = models.ForeignKey(
        "repos.Repository", on_delete=models.CASCADE, related_name="+", null=True, blank=True
    )
    can_write = models.BooleanField(default=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["token", "repository"], name="token_grant_once_a_repository"),
            models.UniqueConstraint(
                fields=["token", "namespace"],
                name="token_grant_once_a_namespace",
                condition=Q(repository=None),
            ),
        )

    def __str__(self) -> str:
        return f"{self.token_id}: {self.namespace_id}/{self.repository_id or '*'}"
