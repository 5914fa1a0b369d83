"""The bodies of requests to this API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from foundation.inputs import BoundedListField
from foundation.whole_numbers import INT64_MAX
from hub.accounts.models import AccessToken, Role, Visibility
from hub.accounts.services import SPEND_CAP_MAX_MICROS
from hub.repos.models import Kind

Body = serializers.Serializer[Any]

# More places than a person gives one token.
GRANTS_MAX = 1000
WATCHED_TYPES = [(word, word) for word in ("user", "org", *Kind.values)]


# ---- accounts ------------------------------------------------------------------------------------


class NewAccount(Body):
    name = serializers.CharField(max_length=96)
    password = serializers.CharField(max_length=256, trim_whitespace=False, write_only=True)
    email = serializers.EmailField(required=False, default="", allow_blank=True)
    full_name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)


class SignIn(Body):
    name = serializers.CharField(max_length=254, help_text="The user's name or e-mail address.")
    password = serializers.CharField(max_length=256, trim_whitespace=False, write_only=True)


class NewPassword(Body):
    old = serializers.CharField(
        max_length=256, trim_whitespace=False, write_only=True, allow_blank=True, default=""
    )
    new = serializers.CharField(max_length=256, trim_whitespace=False, write_only=True)


class ProfileChange(Body):
    full_name = serializers.CharField(max_length=120, required=False, allow_blank=True)
    details = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    website = serializers.URLField(required=False, allow_blank=True)
    default_visibility = serializers.ChoiceField(choices=Visibility.choices, required=False)


class Rename(Body):
    name = serializers.CharField(max_length=96)


# ---- tokens --------------------------------------------------------------------------------------


class GrantedRepository(Body):
    kind = serializers.ChoiceField(choices=Kind.choices)
    repo_id = serializers.CharField(max_length=193)


class NewGrant(Body):
    """One place: a whole namespace, or one repository."""

    namespace = serializers.CharField(max_length=96, required=False)
    repository = GrantedRepository(required=False)
    can_write = serializers.BooleanField(default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("namespace" in attrs) == ("repository" in attrs):
            raise serializers.ValidationError("A grant names either a namespace or a repository.")
        return attrs


class NewToken(Body):
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


class NewSshKey(Body):
    text = serializers.CharField(max_length=16 * 1024, help_text="A line as of id_ed25519.pub.")
    name = serializers.CharField(max_length=80, required=False, default="", allow_blank=True)


# ---- organizations -------------------------------------------------------------------------------


class NewOrganization(Body):
    name = serializers.CharField(max_length=96)
    full_name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    default_visibility = serializers.ChoiceField(choices=Visibility.choices, default=Visibility.PUBLIC)


class RoleChoice(Body):
    role = serializers.ChoiceField(choices=Role.choices)


# ---- repositories --------------------------------------------------------------------------------


class Restore(Body):
    name = serializers.CharField(
        max_length=96, required=False, help_text="Another name, where the old one is taken."
    )


class Archive(Body):
    is_archived = serializers.BooleanField()


# ---- notifications -------------------------------------------------------------------------------


class Mark(Body):
    ids = BoundedListField(
        child=serializers.IntegerField(min_value=1, max_value=INT64_MAX),
        required=False,
        allow_null=True,
        default=None,
        max_length=1000,
        help_text="Left out or null: all.",
    )
    is_read = serializers.BooleanField(default=True)


class WatchTarget(Body):
    """`user` and `org` take a name, the kinds of repositories an id."""

    type = serializers.ChoiceField(choices=WATCHED_TYPES)
    name = serializers.CharField(max_length=193)


class Watching(WatchTarget):
    is_watching = serializers.BooleanField()
