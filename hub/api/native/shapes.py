"""The shapes of this door: what requests hold, and how rows are shown."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from foundation.inputs import BoundedListField
from foundation.whole_numbers import INT64_MAX
from hub.accounts.models import AccessToken, Membership, Namespace, Role, SshKey, User, Visibility
from hub.accounts.services import SPEND_CAP_MAX_MICROS
from hub.community.models import Notification
from hub.repos.models import Collaborator, Kind, Repository
from hub.repos.policies import can_see

Shape = serializers.Serializer[Any]

# More places than a person gives one token.
GRANTS_MAX = 1000
WATCHED_TYPES = [(word, word) for word in ("user", "org", *Kind.values)]


class Refused(Shape):
    """Every answer that is not a success."""

    error = serializers.CharField(help_text="A sentence for people.")
    code = serializers.CharField(help_text="A word for programs.")
    details = serializers.DictField(child=serializers.CharField(), required=False)


# ---- accounts ------------------------------------------------------------------------------------


class NewAccount(Shape):
    name = serializers.CharField(max_length=96)
    password = serializers.CharField(max_length=256, trim_whitespace=False, write_only=True)
    email = serializers.EmailField(required=False, default="", allow_blank=True)
    full_name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)


class SignIn(Shape):
    name = serializers.CharField(max_length=254, help_text="The user's name or e-mail address.")
    password = serializers.CharField(max_length=256, trim_whitespace=False, write_only=True)


class NewPassword(Shape):
    old = serializers.CharField(
        max_length=256, trim_whitespace=False, write_only=True, allow_blank=True, default=""
    )
    new = serializers.CharField(max_length=256, trim_whitespace=False, write_only=True)


class NamespaceShape(serializers.ModelSerializer[Namespace]):
    class Meta:
        model = Namespace
        fields = ("name", "kind", "full_name", "details", "website", "is_verified", "created_at")


class UserShape(serializers.ModelSerializer[User]):
    name = serializers.CharField()
    full_name = serializers.CharField(source="namespace.full_name")
    details = serializers.CharField(source="namespace.details")
    website = serializers.CharField(source="namespace.website")

    class Meta:
        model = User
        fields = ("name", "full_name", "email", "details", "website", "is_staff", "created_at")


class OrganizationOfUser(serializers.ModelSerializer[Membership]):
    name = serializers.CharField(source="organization.name")
    full_name = serializers.CharField(source="organization.full_name")

    class Meta:
        model = Membership
        fields = ("name", "full_name", "role")


class Session(Shape):
    """The caller, and the scopes of the credentials. `user` null: nobody is signed in."""

    user = UserShape(allow_null=True)
    organizations = OrganizationOfUser(many=True)
    scopes = serializers.ListField(child=serializers.CharField())
    is_fine_grained = serializers.BooleanField()


class ProfileChange(Shape):
    full_name = serializers.CharField(max_length=120, required=False, allow_blank=True)
    details = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    website = serializers.URLField(required=False, allow_blank=True)
    default_visibility = serializers.ChoiceField(choices=Visibility.choices, required=False)


class Rename(Shape):
    name = serializers.CharField(max_length=96)


class Quota(Shape):
    """Of a namespace; a limit of 0 is none."""

    storage_used_bytes = serializers.IntegerField()
    storage_limit_bytes = serializers.IntegerField()
    repositories_used = serializers.IntegerField()
    repositories_limit = serializers.IntegerField()


class Storage(Shape):
    """Of a repository's large files. `ratio`: logical bytes for one stored byte."""

    logical_bytes = serializers.IntegerField()
    stored_bytes = serializers.IntegerField()
    ratio = serializers.FloatField()


# ---- tokens --------------------------------------------------------------------------------------


class GrantedRepository(Shape):
    kind = serializers.ChoiceField(choices=Kind.choices)
    repo_id = serializers.CharField(max_length=193)


class NewGrant(Shape):
    """One place: a whole namespace, or one repository."""

    namespace = serializers.CharField(max_length=96, required=False)
    repository = GrantedRepository(required=False)
    can_write = serializers.BooleanField(default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("namespace" in attrs) == ("repository" in attrs):
            raise serializers.ValidationError("A grant names either a namespace or a repository.")
        return attrs


class NewToken(Shape):
    name = serializers.CharField(max_length=80)
    scopes = BoundedListField(
        child=serializers.ChoiceField(choices=AccessToken.Scope.choices), allow_empty=False, max_length=4
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    spend_cap_micros = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        max_value=SPEND_CAP_MAX_MICROS,
        help_text="With the scope deploy: the most that the token may spend in all, in micro-credits.",
    )
    grants = BoundedListField(child=NewGrant(), required=False, default=list, max_length=GRANTS_MAX)


class Grant(Shape):
    namespace = serializers.CharField(source="namespace.name")
    repository = serializers.SerializerMethodField()
    can_write = serializers.BooleanField()

    def get_repository(self, grant: Any) -> str | None:
        """Its id; an empty text where the user cannot see it any more, for it may have another name now."""
        if grant.repository is None:
            return None
        return grant.repository.full_name if can_see(self.context["actor"], grant.repository) else ""


class NewSshKey(Shape):
    text = serializers.CharField(max_length=16 * 1024, help_text="A line as of id_ed25519.pub.")
    name = serializers.CharField(max_length=80, required=False, default="", allow_blank=True)


class SshKeyRow(serializers.ModelSerializer[SshKey]):
    class Meta:
        model = SshKey
        fields = ("id", "name", "kind", "fingerprint", "last_used_at", "created_at")


class Token(serializers.ModelSerializer[AccessToken]):
    grants = Grant(many=True)

    class Meta:
        model = AccessToken
        fields = (
            "id",
            "name",
            "hint",
            "scopes",
            "is_fine_grained",
            "grants",
            "spend_cap_micros",
            "expires_at",
            "last_used_at",
            "created_at",
        )


class CreatedToken(Token):
    secret = serializers.CharField(help_text="The token itself. It is shown this once.")

    class Meta(Token.Meta):
        fields = (*Token.Meta.fields, "secret")  # type: ignore[assignment]


# ---- organizations -------------------------------------------------------------------------------


class NewOrganization(Shape):
    name = serializers.CharField(max_length=96)
    full_name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    default_visibility = serializers.ChoiceField(choices=Visibility.choices, default=Visibility.PUBLIC)


class Member(serializers.ModelSerializer[Membership]):
    name = serializers.CharField(source="user.name")
    full_name = serializers.CharField(source="user.namespace.full_name")

    class Meta:
        model = Membership
        fields = ("name", "full_name", "role", "created_at")


class RoleChoice(Shape):
    role = serializers.ChoiceField(choices=Role.choices)


# ---- repositories --------------------------------------------------------------------------------


class DeletedRepository(serializers.ModelSerializer[Repository]):
    repo_id = serializers.CharField(source="full_name")

    class Meta:
        model = Repository
        fields = ("id", "kind", "repo_id", "visibility", "size_bytes", "deleted_at")


class Restore(Shape):
    name = serializers.CharField(
        max_length=96, required=False, help_text="Another name, where the old one is taken."
    )


class RepositoryShape(serializers.ModelSerializer[Repository]):
    repo_id = serializers.CharField(source="full_name")

    class Meta:
        model = Repository
        fields = ("kind", "repo_id", "visibility", "is_archived", "created_at", "updated_at")


class Archive(Shape):
    is_archived = serializers.BooleanField()


class CollaboratorShape(serializers.ModelSerializer[Collaborator]):
    name = serializers.CharField(source="user.name")

    class Meta:
        model = Collaborator
        fields = ("name", "role", "created_at")


# ---- notifications -------------------------------------------------------------------------------


class NotificationShape(serializers.ModelSerializer[Notification]):
    kind = serializers.CharField(source="discussion.repository.kind")
    repo_id = serializers.CharField(source="discussion.repository.full_name")
    number = serializers.IntegerField(source="discussion.number")
    title = serializers.CharField(source="discussion.title")
    is_pull_request = serializers.BooleanField(source="discussion.is_pull_request")

    class Meta:
        model = Notification
        fields = (
            "id",
            "kind",
            "repo_id",
            "number",
            "title",
            "is_pull_request",
            "reason",
            "is_read",
            "updated_at",
        )


class Notifications(Shape):
    items = NotificationShape(many=True)
    next = serializers.IntegerField(allow_null=True)
    unread = serializers.IntegerField()


class Mark(Shape):
    ids = BoundedListField(
        child=serializers.IntegerField(min_value=1, max_value=INT64_MAX),
        required=False,
        allow_null=True,
        default=None,
        max_length=1000,
        help_text="Left out or null: all.",
    )
    is_read = serializers.BooleanField(default=True)


class Marked(Shape):
    changed = serializers.IntegerField()


class WatchTarget(Shape):
    """`user` and `org` take a name, the kinds of repositories an id."""

    type = serializers.ChoiceField(choices=WATCHED_TYPES)
    name = serializers.CharField(max_length=193)


class Watching(WatchTarget):
    is_watching = serializers.BooleanField()


# ---- statistics ----------------------------------------------------------------------------------


class Statistics(Shape):
    """Counts over everything that is public."""

    users = serializers.IntegerField()
    organizations = serializers.IntegerField()
    repositories = serializers.DictField(child=serializers.IntegerField(), help_text="By kind.")
    downloads_total = serializers.IntegerField()
    likes = serializers.IntegerField()
    discussions = serializers.IntegerField()
    collections = serializers.IntegerField()
