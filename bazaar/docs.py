"""The OpenAPI schema, and the page that shows it: with assets from a package, and no script in the page."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.utils import translation
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SCHEMA_KWARGS, SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# The forms in which the schema is written, times the languages, with room to spare.
TEXTS_MAX = 32


class Schema(SpectacularAPIView):
    """The schema, which is the same for everybody.

    To write it takes a second of processor time, so a process writes it once in each form and language, and
    answers with that text whatever else the query holds.
    """

    @extend_schema(**SCHEMA_KWARGS)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        wanted = request.GET.get("lang", "")
        language = wanted if wanted in dict(settings.LANGUAGES) else translation.get_language()
        renderer = request.accepted_renderer
        charset = f"; charset={renderer.charset}" if renderer.charset else ""
        response = HttpResponse(
            _text(renderer.format, language or settings.LANGUAGE_CODE),
            content_type=f"{renderer.media_type}{charset}",
        )
        name = f"{spectacular_settings.TITLE}.{renderer.format}"
        response["Content-Disposition"] = f'inline; filename="{name}"'
        return response


@lru_cache(TEXTS_MAX)
def _text(form: str, language: str) -> bytes:
    """The schema as `yaml` or `json`."""
    renderer = next(known for known in Schema.renderer_classes if known.format == form)
    with translation.override(language):
        schema = Schema.generator_class().get_schema(public=True)  # type: ignore[no-untyped-call]
        text = renderer().render(schema, renderer_context={})
    return text.encode() if isinstance(text, str) else bytes(text)


class Docs(SpectacularSwaggerSplitView):
    url_name = "schema"
    # DRF would describe a page by rendering it without a template.
    http_method_names = ("get", "head")

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        response["Content-Security-Policy"] = POLICY
        return response
