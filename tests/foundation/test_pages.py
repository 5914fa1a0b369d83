"""Pages of every house run the use case of a form, and show its refusal."""

from __future__ import annotations

from typing import Any

import pytest
from django import forms
from django.http import HttpRequest
from django.test import RequestFactory

from foundation.errors import Invalid, Unauthenticated
from foundation.pages import submit


class Form(forms.Form):
    name = forms.CharField()


class NameTaken(Invalid):
    pass


def sent(name: str = "ada") -> tuple[HttpRequest, Form]:
    request = RequestFactory().post("/", {"name": name})
    return request, Form(request.POST)


def test_a_use_case_gets_what_the_form_has_checked() -> None:
    request, form = sent()
    assert submit(request, form, lambda data: f"{data['name']}!") == "ada!"


def test_a_use_case_is_not_run_without_a_valid_form() -> None:
    request, form = sent("")
    assert submit(request, form, lambda _: "done") is None
    assert submit(RequestFactory().get("/"), Form({"name": "ada"}), lambda _: "done") is None


@pytest.mark.parametrize(("fields", "place"), [({"full_name": "name"}, "name"), (None, "__all__")])
def test_a_refusal_stands_at_its_field(fields: dict[str, str] | None, place: str) -> None:
    def refuse(_: dict[str, Any]) -> None:
        raise NameTaken(field="full_name", reason="taken")

    request, form = sent()
    assert submit(request, form, refuse, fields=fields) is None
    assert form.errors == {place: ["taken"]}


def test_anonymous_visitors_are_sent_to_sign_in() -> None:
    def refuse(_: dict[str, Any]) -> None:
        raise Unauthenticated

    request, form = sent()
    with pytest.raises(Unauthenticated):
        submit(request, form, refuse)
