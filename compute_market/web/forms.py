"""The shapes of what traders send. People write credits; the market counts micro-credits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from compute_market.amounts import MICROS_PER_CREDIT, credits_of
from compute_market.ledger.services import KEY_CHARS_MAX
from compute_market.matching.models import SELF_TRADE_CHOICES, Order
from compute_market.offers import names
from compute_market.offers.models import Product
from foundation.clock import HOUR


def amount_of(micros: int) -> str:
    """An amount as a number field wants it: in credits, without the thousands' commas."""
    return credits_of(micros).replace(",", "")


class CreditsField(forms.DecimalField):
    """An amount in credits, as exact micro-credits."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=Decimal("0.000001"), max_digits=18, decimal_places=6, **kwargs)

    def clean(self, value: Any) -> int | None:
        amount = super().clean(value)
        return None if amount is None else int(amount * MICROS_PER_CREDIT)


class MomentField(forms.DateTimeField):
    """A moment in UTC, as the browser's own control gives it: on the minute.

    Years beyond 9000 are refused, so that any length of time can be added to it.
    """

    step_seconds = 60
    YEAR_MAX = 9000

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateTimeInput(
            attrs={"type": "datetime-local", "step": str(self.step_seconds)}, format="%Y-%m-%dT%H:%M"
        )
        super().__init__(widget=widget, **kwargs)

    def clean(self, value: Any) -> datetime | None:
        moment: datetime | None = super().clean(value)
        if moment is None:
            return None
        if moment.year > self.YEAR_MAX:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return moment.replace(tzinfo=UTC)


class HourField(MomentField):
    """A full hour."""

    step_seconds = 3600


class TicketForm(forms.Form):
    """A buy. An empty start means now; what few change is folded away under `MORE`."""

    template_name = "market/product/ticket.html"
    MORE = ("same_node", "expires_at", "post_only", "self_trade")

    gpus = forms.IntegerField(label=_("GPUs"), min_value=1, max_value=100_000, initial=1)
    start = HourField(
        label=_("Start (UTC)"), required=False, help_text=_("On the hour. Leave blank to start now.")
    )
    hours = forms.IntegerField(label=_("Duration (hours)"), min_value=1, max_value=24 * 366, initial=24)
    price = CreditsField(label=_("Limit price (credits per GPU-hour)"))
    time_in_force = forms.TypedChoiceField(
        label=_("If not filled immediately"),
        coerce=int,
        choices=[
            (Order.TimeInForce.GTC.value, _("keep open (GTC)")),
            (Order.TimeInForce.IOC.value, _("fill what's available, cancel the rest (IOC)")),
            (Order.TimeInForce.FOK.value, _("all or nothing (FOK)")),
        ],
    )
    same_node = forms.TypedChoiceField(
        label=_("Placement"),
        required=False,
        coerce=lambda value: value == "one",
        empty_value=None,
        choices=[
            ("", _("one machine if possible")),
            ("one", _("one machine")),
            ("any", _("any machines")),
        ],
    )
    expires_at = MomentField(
        label=_("Expires (UTC)"),
        required=False,
        help_text=_("Leave blank to keep it open until its window starts."),
    )
    post_only = forms.BooleanField(
        label=_("Post only"), required=False, help_text=_("Reject instead of filling immediately.")
    )
    self_trade = forms.TypedChoiceField(
        label=_("If it matches your own order"),
        coerce=int,
        required=False,
        choices=SELF_TRADE_CHOICES,
        initial=str(Order.SelfTrade.CANCEL_NEWEST.value),
    )
    client_order_id = forms.CharField(max_length=64, widget=forms.HiddenInput)

    @property
    def has_more(self) -> bool:
        """True if a field in the folded part was changed, or is wrong."""
        changed = {*self.changed_data, *self.errors} if self.is_bound else set()
        return not changed.isdisjoint(self.MORE)

    def force(self) -> int:
        """The time in force: an order that waits until a time is good-till-date."""
        force = int(self.cleaned_data["time_in_force"])
        if force == Order.TimeInForce.GTC and self.cleaned_data["expires_at"]:
            return Order.TimeInForce.GTD.value
        return force

    def window(self, now: datetime) -> tuple[datetime | None, datetime]:
        """(start or None for now, end): the market trades to the full hour, so the end is the nearest one."""
        start: datetime | None = self.cleaned_data["start"]
        end = (start or now) + timedelta(hours=self.cleaned_data["hours"]) + HOUR / 2
        return start, end.replace(minute=0, second=0, microsecond=0)

    def take_at_once(self, price_micros: int) -> None:
        """Put a limit into a form that was sent and is valid, and have it cancel the rest."""
        changed = {
            "price": (price_micros, amount_of(price_micros)),
            "time_in_force": (Order.TimeInForce.IOC.value, str(Order.TimeInForce.IOC.value)),
            "post_only": (False, ""),
            "expires_at": (None, ""),
        }
        self.data = self.data.copy()  # type: ignore[attr-defined]
        for name, (value, text) in changed.items():
            self.cleaned_data[name] = value
            self.data[name] = text  # type: ignore[index]

    def begin_at(self, start: datetime) -> None:
        """Put another start into a form that was sent and is valid."""
        self.cleaned_data["start"] = start
        self.data = self.data.copy()  # type: ignore[attr-defined]
        self.data["start"] = start.strftime("%Y-%m-%dT%H:%M")  # type: ignore[index]


class OfferForm(forms.Form):
    """A sell of a node's GPUs."""

    node = forms.TypedChoiceField(label=_("Node"), coerce=int)
    gpus = forms.IntegerField(label=_("GPUs"), min_value=1, max_value=100_000)
    start = HourField(
        label=_("Start (UTC)"), required=False, help_text=_("On the hour. Leave blank to start now.")
    )
    end = HourField(label=_("End (UTC)"))
    price = CreditsField(label=_("Price (credits per GPU-hour)"))
    client_order_id = forms.CharField(max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: Any, nodes: list[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        node = self.fields["node"]
        assert isinstance(node, forms.ChoiceField)
        node.choices = nodes


class SellBackForm(forms.Form):
    """A sell of what is left of a lease."""

    gpus = forms.IntegerField(label=_("GPUs"), min_value=1)
    start = HourField(
        label=_("From (UTC)"), required=False, help_text=_("On the hour. Leave blank to start now.")
    )
    price = CreditsField(label=_("Price (credits per GPU-hour)"))
    client_order_id = forms.CharField(max_length=64, widget=forms.HiddenInput)


class AmendForm(forms.Form):
    gpus = forms.IntegerField(label=_("Total GPUs"), min_value=0)
    price = CreditsField(label=_("Price (credits per GPU-hour)"))
    version = forms.IntegerField(widget=forms.HiddenInput)


class QuoteForm(forms.Form):
    """The buyer's requirements, and the possible start times."""

    gpu = forms.ChoiceField(label=_("GPU"), required=False)
    memory_gb = forms.IntegerField(
        label=_("Min. memory per GPU (GB)"), min_value=1, max_value=2048, required=False
    )
    region = forms.ChoiceField(label=_("Region"), required=False)
    gpus = forms.IntegerField(label=_("GPUs"), min_value=1, max_value=4096, initial=8)
    hours = forms.IntegerField(label=_("Duration (hours)"), min_value=1, max_value=24 * 92, initial=24)
    days = forms.IntegerField(label=_("Start within (days)"), min_value=1, max_value=14, initial=7)

    def __init__(self, *args: Any, products: list[Product], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, any_label in (("gpu", _("any")), ("region", _("any"))):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            values = sorted({getattr(product, name) for product in products})
            field.choices = [("", any_label), *((value, value) for value in values)]


class EnrolForm(forms.Form):
    product = forms.ChoiceField(label=_("Machine type"))
    name = forms.CharField(label=_("Node name"), max_length=80)
    gpus = forms.IntegerField(label=_("GPUs"), min_value=1, max_value=256, initial=8)

    def __init__(self, *args: Any, products: list[Product], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        product = self.fields["product"]
        assert isinstance(product, forms.ChoiceField)
        groups: dict[str, list[tuple[str, str]]] = {}
        for found in products:
            label = f"{names.name_of(found)} ({found.slug})"
            name = names.machine_of(found)
            groups.setdefault(name, []).append((found.slug, label))
        product.choices = sorted(groups.items())


class NoticeForm(forms.Form):
    """A provider takes the GPUs of a lease back."""

    minutes = forms.IntegerField(label=_("Notice (minutes)"), min_value=1, max_value=60 * 24 * 7, initial=30)
    reason = forms.CharField(label=_("Reason (shown to the buyer)"), max_length=300)


class BondForm(forms.Form):
    """The form for a provider's bond, which covers its leases."""

    amount = CreditsField(label=_("Amount (credits)"))
    key = forms.CharField(max_length=KEY_CHARS_MAX, widget=forms.HiddenInput)


class BalanceAlertForm(forms.Form):
    """The threshold below which people are notified."""

    threshold = CreditsField(
        label=_("Notify me below (credits)"), required=False, help_text=_("Leave blank for no notification.")
    )


class MoneyForm(forms.Form):
    """Money in or out, as an operator books it."""

    IN, OUT = "deposit", "withdrawal"

    account = forms.CharField(label=_("Account"), max_length=96, help_text=_("A user or an organization."))
    way = forms.ChoiceField(label=_("Transfer"), choices=[(IN, _("deposit")), (OUT, _("withdrawal"))])
    amount = CreditsField(label=_("Amount (credits)"))
    key = forms.CharField(max_length=KEY_CHARS_MAX, widget=forms.HiddenInput)
