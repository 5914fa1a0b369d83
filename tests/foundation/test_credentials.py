"""Credentials of a request, in each of the ways that clients use."""

from __future__ import annotations

import base64

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.test import RequestFactory

from foundation import credentials
from foundation.credentials import Authorization, Scheme


def request_with(header: str | None) -> HttpRequest:
    return RequestFactory().get("/", **({} if header is None else {"HTTP_AUTHORIZATION": header}))


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


class TestHeader:
    @pytest.mark.parametrize(
        ("header", "found"),
        [
            (None, None),
            ("", None),
            ("Bearer hf_a", Authorization(Scheme.BEARER, "hf_a")),
            ("  bearer   hf_a ", Authorization(Scheme.BEARER, "hf_a")),
            ("token hf_a", Authorization(Scheme.TOKEN, "hf_a")),
            (basic("ada:hf_a"), Authorization(Scheme.BASIC, "hf_a")),
            (basic("hf_a:"), Authorization(Scheme.BASIC, "hf_a")),
            (basic("hf_a:x-oauth-basic"), Authorization(Scheme.BASIC, "hf_a")),
        ],
    )
    def test_is_read(self, header: str | None, found: Authorization | None) -> None:
        assert credentials.of_header(request_with(header)) == found

    @pytest.mark.parametrize(
        "header", ["Bearer", "Bearer  ", "Digest a", "hf_a", "Basic !", basic(":"), "Basic /w=="]
    )
    def test_is_refused(self, header: str) -> None:
        with pytest.raises(credentials.MalformedAuthorization):
            credentials.of_header(request_with(header))
        assert credentials.bearer_token(request_with(header)) is None

    @pytest.mark.parametrize(
        ("header", "token"),
        [("Bearer hf_a", "hf_a"), ("token hf_a", None), (basic("a:b"), None), (None, None)],
    )
    def test_gives_what_came_as_bearer(self, header: str | None, token: str | None) -> None:
        assert credentials.bearer_token(request_with(header)) == token


def test_a_cookie_is_read_and_an_empty_one_is_none() -> None:
    request = RequestFactory().get("/")
    request.COOKIES = {"m_session_id": "a", "other": ""}
    assert credentials.of_cookie(request, "m_session_id") == "a"
    assert credentials.of_cookie(request, "other") is None
    assert credentials.of_cookie(request, "none") is None


class TestSession:
    def test_of_nobody_is_none(self) -> None:
        request = RequestFactory().get("/")
        assert credentials.of_session(request) is None
        request.user = AnonymousUser()
        assert credentials.of_session(request) is None

    @pytest.mark.parametrize("method", sorted(credentials.SAFE_METHODS))
    def test_may_look_without_a_csrf_token(self, method: str) -> None:
        assert credentials.csrf_problem(RequestFactory().generic(method, "/")) == ""

    def test_may_change_something_with_a_csrf_token_only(self) -> None:
        request = RequestFactory().post("/")
        assert "CSRF cookie" in credentials.csrf_problem(request)
        secret = "a" * 32
        request = RequestFactory().post("/", headers={"X-CSRFToken": secret})
        request.COOKIES["csrftoken"] = secret
        assert credentials.csrf_problem(request) == ""
