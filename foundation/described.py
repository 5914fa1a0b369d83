"""The description of declared answers in OpenAPI: a component for each struct, made of its fields."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Any, get_args, get_origin

import msgspec
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.hooks import postprocess_schema_enums
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent

from foundation.answers import Answer

COMPONENTS = "#/components/schemas/"
METHODS = frozenset({"get", "post", "put", "patch", "delete"})


def declared(answer: type[Answer] = Answer) -> Iterator[type[Answer]]:
    """Every answer that the code declares."""
    for each in answer.__subclasses__():
        yield each
        yield from declared(each)


def components(answer: type[Answer]) -> dict[str, dict[str, Any]]:
    """The schemas of an answer and of the answers in it, by name."""
    _, found = msgspec.json.schema_components([answer], ref_template=COMPONENTS + "{name}")
    for schema in found.values():
        schema.pop("title", None)
    return found


class AnswerExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """An `Answer` where a view names what it answers."""

    target_class = "foundation.answers.Answer"
    match_subclasses = True

    def get_name(self, auto_schema: AutoSchema, direction: str) -> str:
        name: str = self.target.__name__
        return name

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        """The schema of the struct; those of the structs in it become components too."""
        found = components(self.target)
        own = found.pop(self.target.__name__)
        classes = {answer.__name__: answer for answer in declared()}
        for name, schema in found.items():
            auto_schema.registry.register_on_missing(
                ResolvedComponent(name, ResolvedComponent.SCHEMA, schema, classes[name])  # type: ignore[no-untyped-call]
            )
        return own


class AnswerSchema(AutoSchema):
    """Describes a view. As a response, `list[A]` is a JSON array, and `A | B` is one of two."""

    def _is_list_view(self, serializer: Any = None) -> bool:
        if serializer is None and get_origin(self.get_response_serializers()) is list:
            return True
        return bool(super()._is_list_view(serializer))

    def _get_response_for_code(
        self, serializer: Any, status_code: str, media_types: Any = None, direction: str = "response"
    ) -> Any:
        answers = get_args(serializer) if get_origin(serializer) is list else [serializer]
        if isinstance(serializer, UnionType):
            answers = get_args(serializer)
        response, *others = [
            super(AnswerSchema, self)._get_response_for_code(answer, status_code, media_types, direction)  # type: ignore[no-untyped-call]
            for answer in answers
        ]
        for media_type, content in response.get("content", {}).items():
            if get_origin(serializer) is list:
                content["schema"] = {"type": "array", "items": content["schema"]}
            elif others:
                several = [content["schema"], *(other["content"][media_type]["schema"] for other in others)]
                content["schema"] = {"anyOf": several}
        return response


def name_enumerations(result: dict[str, Any], generator: Any, request: Any, public: Any) -> dict[str, Any]:
    """A hook of the description: enumerations of requests become components.

    Those of answers stay where they are: many fields of answers are called `state`, and each means another.
    """
    schemas = result["components"]["schemas"]
    names = {answer.__name__ for answer in declared()}
    result["components"]["schemas"] = {name: each for name, each in schemas.items() if name not in names}
    postprocess_schema_enums(result, generator, request=request, public=public)  # type: ignore[no-untyped-call]
    named = result["components"]["schemas"]
    answers = {name: each for name, each in schemas.items() if name in names}
    result["components"]["schemas"] = dict(sorted({**named, **answers}.items()))
    return result


def add_refusals(
    operation: dict[str, Any], refusals: dict[str, str], *, answer: type[Answer], media_type: str
) -> None:
    """Describe refusals of an operation, given as texts by status, all of one form."""
    schema = {"$ref": f"{COMPONENTS}{answer.__name__}"}
    for status, text in sorted(refusals.items()):
        operation["responses"].setdefault(
            status, {"description": text, "content": {media_type: {"schema": schema}}}
        )
