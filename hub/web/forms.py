"""The shapes of what people send. Rules are the rooms'; here are only types, lengths and labels."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from foundation.errors import Refusal
from hub.accounts.models import AccessToken, Namespace, Role, Visibility
from hub.accounts.names import require_namespace_name
from hub.accounts.services import require_strong
from hub.community.models import NoticeKind, NoticeSettings
from hub.repos.models import Gating, Kind

LICENSE_ID = re.compile(r"[a-z0-9][a-z0-9.+-]*", re.ASCII)
PAGE_KINDS = (Kind.MODEL, Kind.DATASET, Kind.SPACE)


class SignUpForm(forms.Form):
    name = forms.CharField(
        label=_("Username"),
        max_length=96,
        help_text=_("Your models will be published under this name. Use letters, digits, “-”, “_” and “.”."),
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    email = forms.EmailField(label=_("Email"), widget=forms.EmailInput(attrs={"autocomplete": "email"}))
    password = forms.CharField(
        label=_("Password"),
        max_length=1000,
        strip=False,
        help_text=_("At least 10 characters."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_name(self) -> str:
        """Its spelling, before anything else is asked: all that is wrong is said at once."""
        return _checked(require_namespace_name, str(self.cleaned_data["name"]))

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        _checked(require_strong, password)
        return password


def _checked(rule: Callable[[str], object], text: str) -> str:
    """The text, if it keeps a rule of a room. Raises: ValidationError with what the rule says."""
    try:
        rule(text)
    except Refusal as refusal:
        raise forms.ValidationError(str(refusal)) from None
    return text


class SignInForm(forms.Form):
    name = forms.CharField(
        label=_("Username or email"),
        max_length=254,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "username",
                "autocapitalize": "none",
                "spellcheck": "false",
                "autofocus": True,
            }
        ),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class ProfileForm(forms.Form):
    full_name = forms.CharField(label=_("Full name"), max_length=120, required=False)
    details = forms.CharField(
        label=_("About"), max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 4})
    )
    website = forms.URLField(
        label=_("Website"),
        required=False,
        assume_scheme="https",
        widget=forms.URLInput(attrs={"placeholder": "https://"}),
    )
    default_visibility = forms.ChoiceField(
        label=_("Visibility of new repositories"), choices=Visibility.choices
    )


class PasswordForm(forms.Form):
    old = forms.CharField(
        label=_("Current password"),
        max_length=1000,
        strip=False,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    new = forms.CharField(
        label=_("New password"),
        max_length=1000,
        strip=False,
        help_text=_("At least 10 characters."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


LIFETIMES: tuple[tuple[str, str | Promise], ...] = (
    ("7", _("7 days")),
    ("30", _("30 days")),
    ("90", _("90 days")),
    ("365", _("1 year")),
    ("", _("Never")),
)


class SshKeyForm(forms.Form):
    text = forms.CharField(
        label=_("Public key"),
        max_length=16 * 1024,
        widget=forms.Textarea(
            attrs={"rows": 4, "class": "mono", "spellcheck": "false", "placeholder": "ssh-ed25519 AAAA…"}
        ),
        help_text=_("The line in ~/.ssh/id_ed25519.pub; “ssh-keygen -t ed25519” creates one."),
    )
    name = forms.CharField(label=_("Name"), max_length=80, required=False)


class NoticeSettingsForm(forms.Form):
    """One switch per kind of notification, and the frequency of mails."""

    wanted = forms.MultipleChoiceField(
        label=_("Notify me when"),
        choices=NoticeKind.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    digest = forms.ChoiceField(
        label=_("Email me unread notifications"), choices=NoticeSettings.Digest.choices
    )


class TokenForm(forms.Form):
    name = forms.CharField(
        label=_("Name"), max_length=80, widget=forms.TextInput(attrs={"placeholder": _("laptop, CI, …")})
    )
    scopes = forms.MultipleChoiceField(
        label=_("Permissions"),
        choices=AccessToken.Scope.choices,
        initial=[AccessToken.Scope.READ],
        widget=forms.CheckboxSelectMultiple,
    )
    spend_cap = forms.DecimalField(
        label=_("Spending limit (credits)"),
        required=False,
        min_value=Decimal("0.000001"),
        max_digits=17,
        decimal_places=6,
        help_text=_("For “deploy” without “trade”: the total that the token can ever spend."),
    )
    reach = forms.ChoiceField(
        label=_("Scope"),
        required=False,
        help_text=_("A token limited to one place can still read everything that is public."),
    )
    days = forms.ChoiceField(label=_("Expiration"), choices=LIFETIMES, initial="90", required=False)

    def __init__(self, *args: Any, places: list[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        reach = self.fields["reach"]
        assert isinstance(reach, forms.ChoiceField)
        reach.choices = [
            ("", _("All my repositories and organizations")),
            *((str(pk), name) for pk, name in places),
        ]


class OrganizationForm(forms.Form):
    name = forms.CharField(
        label=_("Name"),
        max_length=96,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )
    full_name = forms.CharField(label=_("Full name"), max_length=120, required=False)
    default_visibility = forms.ChoiceField(
        label=_("Visibility of new repositories"), choices=Visibility.choices
    )


class MemberForm(forms.Form):
    user = forms.CharField(
        label=_("Username"),
        max_length=96,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)


class NewRepositoryForm(forms.Form):
    kind = forms.ChoiceField(
        label=_("Type"), choices=[(k.value, k.label) for k in PAGE_KINDS], widget=forms.RadioSelect
    )
    owner = forms.ChoiceField(label=_("Owner"))
    name = forms.CharField(
        label=_("Name"),
        max_length=96,
        widget=forms.TextInput(
            attrs={"autocapitalize": "none", "spellcheck": "false", "placeholder": "my-model"}
        ),
    )
    license = forms.CharField(
        label=_("License"),
        max_length=64,
        required=False,
        help_text=_("For example apache-2.0 or mit. Saved in the card."),
        widget=forms.TextInput(attrs={"list": "licenses"}),
    )

    def clean_license(self) -> str:
        license_id = str(self.cleaned_data["license"]).strip().lower()
        if license_id and not LICENSE_ID.fullmatch(license_id):
            raise forms.ValidationError(_("Letters, digits, “.”, “+” and “-” only, such as apache-2.0."))
        return license_id

    visibility = forms.ChoiceField(
        label=_("Visibility"),
        choices=[
            (Visibility.PUBLIC, _("Public")),
            (Visibility.PRIVATE, _("Private")),
        ],
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, owners: list[Namespace], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        owner = self.fields["owner"]
        assert isinstance(owner, forms.ChoiceField)
        owner.choices = [(found.name, found.name) for found in owners]


class RepositorySettingsForm(forms.Form):
    description = forms.CharField(label=_("Short description"), max_length=500, required=False)
    visibility = forms.ChoiceField(label=_("Visibility"), choices=Visibility.choices)
    gating = forms.ChoiceField(
        label=_("Access to files"),
        choices=Gating.choices,
        required=False,
        help_text=_("Everyone can see a gated repository; only approved users can download its files."),
    )
    discussions_disabled = forms.BooleanField(label=_("Disable discussions"), required=False)
    is_archived = forms.BooleanField(label=_("Archive (read-only)"), required=False)


class MoveForm(forms.Form):
    to = forms.CharField(
        label=_("New name"),
        max_length=193,
        help_text=_("namespace/name. The old URL will redirect."),
    )


class ConfirmForm(forms.Form):
    """The id typed again, for what cannot be taken back easily."""

    confirmation = forms.CharField(max_length=193)

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected
        self.fields["confirmation"].label = _("Type %(id)s to confirm") % {"id": expected}
        self.fields["confirmation"].widget.attrs.update(
            {"data-must-equal": expected, "autocomplete": "off", "spellcheck": "false"}
        )

    def clean_confirmation(self) -> str:
        text = str(self.cleaned_data["confirmation"])
        if text != self.expected:
            raise forms.ValidationError(_("This isn't the repository's ID."))
        return text


class CollaboratorForm(forms.Form):
    user = forms.CharField(label=_("Username"), max_length=96)
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)


class AccessRequestForm(forms.Form):
    """The owner's questions to people who ask for access: one text for each named field."""

    def __init__(self, *args: Any, names: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for number, name in enumerate(names):
            self.fields[f"field_{number}"] = forms.CharField(label=name, max_length=2000)
        self.names = names

    def answers(self) -> dict[str, str]:
        return {name: self.cleaned_data[f"field_{number}"] for number, name in enumerate(self.names)}


class EditForm(forms.Form):
    path = forms.CharField(label=_("Path"), max_length=4096)
    content = forms.CharField(
        label=_("Content"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"class": "code", "spellcheck": "false", "rows": 28}),
    )
    message = forms.CharField(label=_("Commit message"), max_length=500, required=False)
    parent = forms.CharField(max_length=40, required=False, widget=forms.HiddenInput)
    as_pull_request = forms.BooleanField(label=_("Open a pull request instead"), required=False)


class DiscussionForm(forms.Form):
    title = forms.CharField(label=_("Title"), max_length=200)
    text = forms.CharField(
        label=_("Text"),
        max_length=65_536,
        required=False,
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text=_("Markdown. Mention people with @name."),
    )


class CommentForm(forms.Form):
    text = forms.CharField(
        label=_("Comment"), max_length=65_536, required=False, widget=forms.Textarea(attrs={"rows": 5})
    )


class WebhookForm(forms.Form):
    url = forms.URLField(label=_("URL"), assume_scheme="https", max_length=500)
    secret = forms.CharField(label=_("Secret"), max_length=200, required=False)


class CollectionSettingsForm(forms.Form):
    title = forms.CharField(label=_("Title"), max_length=59)
    description = forms.CharField(label=_("Short description"), max_length=150, required=False)
    is_private = forms.BooleanField(label=_("Private"), required=False)


class CollectionForm(CollectionSettingsForm):
    owner = forms.ChoiceField(label=_("Owner"))
    field_order = ("owner", "title", "description", "is_private")

    def __init__(self, *args: Any, owners: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        owner = self.fields["owner"]
        assert isinstance(owner, forms.ChoiceField)
        owner.choices = [(name, name) for name in owners]
