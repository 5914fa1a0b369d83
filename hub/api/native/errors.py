"""The answer of this door to every refusal: JSON with a code for programs, a sentence for people."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from foundation import errors
from foundation.statuses import status_of
from hub.api.native.answers import Refused
from hub.api.refusals import say_when_to_return


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """The exception handler of every view here. Exceptions other than refusals and DRF's stay crashes."""
    if isinstance(error, DatabaseError | OSError):
        error = errors.refusal_of(error) or error
    if isinstance(error, errors.Refusal):
        return _refused(error)
    if isinstance(error, RequestDataTooBig):
        limit = getattr(error, "limit", settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        error = exceptions.ParseError(f"The body has more than {limit} bytes.")
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, exceptions.ValidationError):
        response.data = Refused(
            error="The request is not what this route takes.", code="invalid", fields=response.data
        )
    elif isinstance(error, exceptions.APIException):
        response.data = Refused(error=str(error.detail), code=str(error.default_code))
    else:
        response.data = Refused(error=str(error) or "Not found.", code="not_found")
    return response


def _refused(refusal: errors.Refusal) -> Response:
    status = status_of(refusal)
    details = {name: str(value) for name, value in refusal.details.items()}
    response = Response(Refused(error=str(refusal), code=refusal.code, details=details), status=status)
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    say_when_to_return(response, refusal)
    return response
