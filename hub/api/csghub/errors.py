"""Answers to refusals in this dialect: never HTML, and never 200 (docs/wire/opencsg.md#refusals)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from foundation import errors
from foundation.statuses import status_of
from hub.api.json import json_response
from hub.api.refusals import say_when_to_return

# The client stays quiet about an existing repository only when it reads this.
EXISTS = "duplicate key value violates unique constraint"


def render(refusal: errors.Refusal, request: HttpRequest) -> HttpResponse:
    message = str(refusal)
    if refusal.code == "repository_exists":
        message = f"{message} ({EXISTS})"
    response = json_response({"code": refusal.code, "msg": message}, status=status_of(refusal))
    say_when_to_return(response, refusal)
    return response
