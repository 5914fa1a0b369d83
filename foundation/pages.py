"""Common handling of requests of pages in both houses: run a form's use case, render a template or a part of
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from foundation.errors import Refusal, Unauthenticated

T = TypeVar("T")


def submit(
    request: HttpRequest,
    form: BaseForm,
    use_case: Callable[[dict[str, Any]], T],
    *,
    fields: Mapping[str, str] | None = None,
    codes: Mapping[str, str] | None = None,
) -> T | None:
    """Run the use case with the form's cleaned data; what it refuses becomes the form's error.

    `fields`: what the rooms call a field → what the form calls it; a refusal that names one stands there.
    `codes`: code of a refusal that names no field → the field of the form at which it stands.
    Gives None when the request is no submission, the form is invalid, or the use case refused.
    """
    if request.method != "POST" or not form.is_valid():
        return None
    try:
        return use_case(form.cleaned_data)
    except Unauthenticated as refusal:
        if type(refusal) is Unauthenticated:
            raise
        add_refusal(form, refusal, fields=fields, codes=codes)
    except Refusal as refusal:
        add_refusal(form, refusal, fields=fields, codes=codes)
    return None


def add_refusal(
    form: BaseForm,
    refusal: Refusal,
    *,
    fields: Mapping[str, str] | None = None,
    codes: Mapping[str, str] | None = None,
) -> None:
    """Make a refusal an error of the form: at the field that it names, if the form has that field."""
    field = (fields or {}).get(str(refusal.details.get("field", "")))
    if field in form.fields:
        form.add_error(field, str(refusal.details["reason"]))
    else:
        form.add_error((codes or {}).get(refusal.code), str(refusal))


def page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    fragment: str = "",
    form: BaseForm | None = None,
) -> HttpResponse:
    """Render a page, or the named fragment of it when htmx asks for one. 422 when the form has errors."""
    is_htmx = bool(getattr(request, "htmx", False)) and not request.htmx.boosted  # type: ignore[attr-defined]
    name = f"{template}#{fragment}" if fragment and is_htmx else template
    status = 422 if form is not None and form.is_bound and form.errors else 200
    response = render(request, name, context, status=status)
    if fragment:
        response.headers["Vary"] = ", ".join(filter(None, [response.headers.get("Vary"), "HX-Request"]))
    return response
