"""Template tags of both houses: icons, sizes, numbers, times."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bazaar import avatars, icons
from compute_market.amounts import credits_of, rounded

register = template.Library()


@register.simple_tag
def icon(name: str) -> SafeString:
    """A decorative icon; the words beside it say what it means."""
    return format_html(
        '<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="{}"/></svg>',
        icons.PATHS.get(name, icons.PATHS["file"]),
    )


@register.simple_tag
def avatar(name: object, size_px: int = 24) -> SafeString:
    return avatars.tile(str(name), size_px=size_px)


@register.filter
def compact(number: float | None) -> str:
    """1234 → 1.23k, 8030261248 → 8.03B: three digits, as people write them."""
    if number is None:
        return ""
    value = float(number)
    for unit in ("", "k", "M", "B", "T"):
        if abs(value) < 999.5 or unit == "T":
            break
        value /= 1000
    if unit == "":
        return f"{value:g}"
    return f"{value:.3g}{unit}"


@register.filter
def bytesize(size: float | None) -> str:
    """Decimal units, as the clients print them: 1.2 GB."""
    value = float(size or 0)
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if value < 999.5 or unit == "PB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"


def _ago(seconds: float) -> str:
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 60:
        return _("just now")
    if hours < 1:
        return ngettext("%(n)d minute ago", "%(n)d minutes ago", int(minutes)) % {"n": minutes}
    if days < 1:
        return ngettext("%(n)d hour ago", "%(n)d hours ago", int(hours)) % {"n": hours}
    if days < 31:
        return ngettext("%(n)d day ago", "%(n)d days ago", int(days)) % {"n": days}
    if days < 365:
        return ngettext("%(n)d month ago", "%(n)d months ago", int(days // 30)) % {"n": days // 30}
    return ngettext("%(n)d year ago", "%(n)d years ago", int(days // 365)) % {"n": days // 365}


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """The time since a moment, with the exact time as a tooltip and for programs."""
    if moment is None:
        return ""
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        moment.isoformat(timespec="seconds"),
        moment.strftime("%Y-%m-%d %H:%M"),
        _ago((timezone.now() - moment).total_seconds()),
    )


@register.filter
def period(length: timedelta) -> str:
    """A span in its largest whole unit: 90 s, 10 min, 6 h."""
    seconds = int(length.total_seconds())
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


@register.filter
def span(length: timedelta | int | None) -> str:
    """A length of time, given in minutes or as one, in its two largest units: 58 min, 2 h 53 min, 3 d 4 h."""
    if length is None:
        return ""
    minutes = int(length.total_seconds()) // 60 if isinstance(length, timedelta) else length
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    counted = ((days, _("%(n)d d")), (hours, _("%(n)d h")), (rest, _("%(n)d min")))
    words = [text % {"n": number} for number, text in counted if number]
    return " ".join(words[:2]) or _("%(n)d min") % {"n": 0}


@register.filter
def until(moment: datetime, now: datetime) -> str:
    """The time from now to a moment that is to come, as `span` writes it."""
    return span(moment - now)


@register.filter
def credits(micros: int | None) -> str:  # noqa: A001 - the word that people read
    """Micro-credits → credits with two decimals, as plain text for drawings and sentences: 1250000 → 1.25."""
    return "" if micros is None else rounded(micros)


@register.filter
def money(micros: int | None, form: str = "") -> SafeString | str:
    """Micro-credits → credits with two decimals and the unit; the exact amount is in the tooltip.

    With the form "number" the unit is left out: the heading or the label says it.
    """
    if micros is None:
        return ""
    exact = credits_of(micros)
    number = rounded(micros)
    return format_html(
        '<data value="{}" title="{}">{}</data>',
        exact.replace(",", ""),
        _("%(amount)s credits") % {"amount": exact},
        number if form == "number" else _("%(amount)s credits") % {"amount": number},
    )
