"""Headers that every answer carries, from any door."""

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings

from bazaar.edge import EdgeMiddleware


class TestRequestId:
    def test_echoes_the_trace_id_that_clients_send(self, client: Client) -> None:
        response = client.get("/healthz", headers={"X-Amzn-Trace-Id": "trace-1"})
        assert response.headers["X-Request-Id"] == "trace-1"

    def test_prefers_the_id_that_a_caller_chose(self, client: Client) -> None:
        headers = {"X-Amzn-Trace-Id": "trace-1", "X-Request-Id": "mine"}
        assert client.get("/healthz", headers=headers).headers["X-Request-Id"] == "mine"

    def test_makes_one_where_none_is_given(self, client: Client) -> None:
        first, second = (client.get("/healthz").headers["X-Request-Id"] for _ in range(2))
        assert first != second

    @pytest.mark.parametrize("bad", ["with space", "a" * 201, "line\nbreak", "中文"])
    def test_replaces_one_that_could_spoil_a_log_or_a_header(self, bad: str) -> None:
        request = RequestFactory().get("/healthz")
        request.META["HTTP_X_REQUEST_ID"] = bad
        response = EdgeMiddleware(lambda _: HttpResponse())(request)
        assert response.headers["X-Request-Id"] != bad

    def test_is_on_refusals_too(self, client: Client) -> None:
        response = client.get("/no/such/page/anywhere/at/all", headers={"X-Amzn-Trace-Id": "trace-1"})
        assert response.status_code == 404
        assert response.headers["X-Request-Id"] == "trace-1"


class TestHeaders:
    def test_a_page_may_only_run_our_own_scripts(self) -> None:
        request = RequestFactory().get("/")
        response = EdgeMiddleware(lambda _: HttpResponse("<p>", content_type="text/html"))(request)
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Frame-Options"] == "DENY"

    def test_a_view_that_set_its_own_policy_keeps_it(self) -> None:
        page = HttpResponse("<p>", headers={"Content-Security-Policy": "sandbox"})
        response = EdgeMiddleware(lambda _: page)(RequestFactory().get("/"))
        assert response.headers["Content-Security-Policy"] == "sandbox"

    def test_an_answer_that_is_whole_says_its_length(self, client: Client) -> None:
        assert client.get("/healthz").headers["Content-Length"] == "3"


class TestAccessLog:
    def test_has_one_line_a_request_with_its_id(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO", "bazaar.access")
        EdgeMiddleware(lambda _: HttpResponse(status=204))(RequestFactory().get("/x"))
        assert len(caplog.records) == 1
        assert "204" in caplog.text

    @override_settings(LOG_ACCESS=False)
    def test_can_be_turned_off(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO", "bazaar.access")
        EdgeMiddleware(lambda _: HttpResponse())(RequestFactory().get("/x"))
        assert not caplog.records


class TestCallersAddress:
    def test_is_not_what_anybody_claims(self) -> None:
        request = RequestFactory().get("/", headers={"X-Forwarded-For": "9.9.9.9"})
        EdgeMiddleware(lambda _: HttpResponse())(request)
        assert request.META["REMOTE_ADDR"] == "127.0.0.1"

    @override_settings(BEHIND_FRONT_SERVER=True)
    def test_is_what_the_front_server_saw(self) -> None:
        request = RequestFactory().get("/", headers={"X-Forwarded-For": "1.1.1.1, 9.9.9.9"})
        EdgeMiddleware(lambda _: HttpResponse())(request)
        assert request.META["REMOTE_ADDR"] == "9.9.9.9"
