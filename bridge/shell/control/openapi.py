"""The OpenAPI document of the control API, made from its routes and the structs of their bodies."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct, json

from bridge.observers.live.view import CallDetails, Calls
from bridge.shell.control.verbs import VERBS, Place


class Done(Struct, frozen=True):
    """It is done. `word`: the name of the line in the call's journal."""

    word: str
    call: str


class Placed(Struct, frozen=True):
    """The telephone rings, or is about to."""

    id: str


class ProblemDetails(Struct, frozen=True):
    """Why a request was refused (RFC 9457). `state`: of the call, where it is in the way."""

    title: str
    status: int
    detail: str = ""
    state: str = ""


PROBLEMS = {
    "400": "The body is refused: the detail names the field, what is wrong, and what was expected",
    "401": "A token is missing, wrong or expired",
    "403": "The token may not do it, or a page of another site asks",
    "404": "No such call; or the control API is off",
    "409": "The state of the call forbids it",
    "413": "The body is too long",
    "422": "The Idempotency-Key was used for another request",
    "429": "Too many requests: see Retry-After",
}

OF_PLACING = {
    "502": "The carrier did not place the call; or its error does not say whether it did, see the detail",
    "504": "The carrier did not say whether it placed the call: it may have been placed",
}
"""Besides, where a carrier is asked to place a call."""

SEEN = ("401", "403", "404", "429")

_REF = "#/components/schemas/{name}"


def _content(name: str, kind: str = "application/json") -> dict[str, Any]:
    return {"content": {kind: {"schema": {"$ref": _REF.format(name=name)}}}}


def _operation(
    summary: str, status: str, answer: Mapping[str, Any], problems: tuple[str, ...], **more: Any
) -> dict[str, Any]:
    refused = {
        code: {"description": (PROBLEMS | OF_PLACING)[code]}
        | _content("ProblemDetails", "application/problem+json")
        for code in problems
    }
    return {"summary": summary, "responses": {status: answer, **refused}} | more


def _stream(summary: str, problems: tuple[str, ...], **more: Any) -> dict[str, Any]:
    events = {"text/event-stream": {"schema": {"type": "string"}}}
    return _operation(
        summary, "200", {"description": "Server-sent events", "content": events}, problems, **more
    )


_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
_KEY = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}}


def _body(kind: type[Struct], *, required: bool) -> dict[str, Any]:
    return {"requestBody": {"required": required} | _content(kind.__name__)}


@lru_cache
def document() -> bytes:
    """The document, as JSON."""
    _, schemas = json.schema_components(
        [Calls, CallDetails, Place, Placed, Done, ProblemDetails, *{verb.body for verb in VERBS}],
        ref_template=_REF,
    )
    ok = {"description": "The calls under way"}
    paths: dict[str, dict[str, Any]] = {
        "/calls": {
            "get": _operation("All calls under way", "200", ok | _content("Calls"), SEEN),
            "post": _operation(
                "Place a call",
                "202",
                {"description": "It is being placed"} | _content("Placed"),
                (*PROBLEMS, *OF_PLACING),
                parameters=[_KEY],
                **_body(Place, required=True),
            ),
        },
        "/calls/events": {"get": _stream("What happens in all calls", SEEN)},
        "/calls/{id}": {
            "get": _operation(
                "One call, with its words", "200", ok | _content("CallDetails"), SEEN, parameters=[_ID]
            )
        },
        "/calls/{id}/events": {"get": _stream("What happens in one call", SEEN, parameters=[_ID])},
        "/openapi.json": {
            "get": _operation(
                "This document",
                "200",
                {"description": "OpenAPI 3.1", "content": {"application/json": {}}},
                SEEN,
            )
        },
    }
    done = {"description": "It is done"} | _content("Done")
    for verb in VERBS:
        needs_body = bool(verb.body.__struct_fields__)
        paths.setdefault(f"/calls/{{id}}{verb.path}", {})[verb.method.lower()] = _operation(
            verb.summary,
            "202",
            done,
            tuple(PROBLEMS),
            parameters=[_ID, _KEY],
            description=f"Needs `{verb.can}`.",
            **(_body(verb.body, required=True) if needs_body else {}),
        )
    return json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "voicebridge control", "version": "1"},
            "security": [{"bearer": []}],
            "paths": paths,
            "components": {
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
                "schemas": schemas,
            },
        }
    )
