"""Asking: what a request says, and why it is refused before GraphQL sees it."""

from __future__ import annotations

from typing import Any

import orjson

from schema.execution import Asked

STATUS = {
    "BAD_REQUEST": 400,
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "METHOD": 405,
    "TOO_LARGE": 413,
    "MEDIA": 415,
    "THROTTLED": 429,
}
"""The HTTP status of each refusal that comes before GraphQL."""


class Refused(Exception):
    """A request that is answered before GraphQL sees it."""

    def __init__(self, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def json(text: bytes) -> Any:
    """The JSON of a text. Raises ``Refused`` for what is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as wrong:
        raise Refused("BAD_REQUEST", f"The request is not JSON: {wrong}.") from wrong


def asked_in(given: Any, *, accepts_graphql_json: bool = False) -> Asked:
    """What a GraphQL request asks. Raises ``Refused`` where it is none."""
    if not isinstance(given, dict):
        raise Refused("BAD_REQUEST", "The request is not a JSON object: send one with a query.")
    for name, type_, word in (
        ("query", str, "text"),
        ("operationName", str, "text"),
        ("variables", dict, "object"),
        ("extensions", dict, "object"),
    ):
        if given.get(name) is not None and not isinstance(given[name], type_):
            raise Refused("BAD_REQUEST", f'"{name}" is not a JSON {word}.')
    if not given.get("query"):
        raise Refused("BAD_REQUEST", 'The request has no "query": send a GraphQL document.')
    return Asked(
        given["query"], given.get("variables") or {}, given.get("operationName"), accepts_graphql_json
    )
