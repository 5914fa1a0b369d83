"""Answers to refusals in this dialect: never HTML, and never 200 (docs/wire/opencsg.md#refusals)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from foundation import errors
from foundation.statuses import status_of
from hub.api.csghub.answers import Refused
from hub.api.refusals import say_when_to_return
from hub.api.structs import answer_with

# The client stays quiet about an existing repository only when it reads this.
EXISTS = "duplicate key value violates unique constraint"


def render(refusal: errors.Refusal, request: HttpRequest) -> HttpResponse:
    message = str(refusal)
    if refusal.code == "repository_exists":
        message = f"{message} ({EXISTS})"
    response = answer_with(Refused(code=refusal.code, msg=message), status=status_of(refusal))
    say_when_to_return(response, refusal)
    return response
