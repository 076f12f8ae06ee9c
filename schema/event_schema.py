"""What a webhook's body looks like for each event: its JSON Schema, and an example of it.

Both are read from the registry, the nouns' declarations and the payload documents: nothing describes them a second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson

from hub import registry
from hub.db import Json
from hub.token import EVERY_SCOPE
from hub.viewer import Viewer
from schema import example, payload_default, payload_document
from schema.payload_shape import nullable
from webhooks import endpoint, event
from webhooks.event import EventType

DIALECT = "https://json-schema.org/draft/2020-12/schema"
STAMP: Json = {"type": "string", "format": "date-time"}
NOTHING: Json = {"type": "null"}
ANY_CHANNEL = 1
"""Stands for some channel: which one does not change what is read."""


def of(about: EventType, data: Json | None = None) -> Json:
    """The JSON Schema of the bodies that tell of an event. ``data``: that of the answer to the endpoint's own document."""
    kinds = [about.kind] if about.kind else list(event.KINDS)
    shown = (
        nullable(default(about.aggregate)) if data is None else data if data is NOTHING else nullable(data)
    )
    return {
        "$schema": DIALECT,
        "title": about.name,
        "description": about.says,
        **_object(
            type={
                "description": "What befell the object.",
                "enum": [event.of(about.aggregate, each) for each in kinds],
            },
            events={
                "description": "Everything that the change means.",
                "type": "array",
                "items": {"type": "string"},
                "contains": {"const": about.name},
            },
            timestamp={"description": "When the change was committed.", **STAMP},
            sequence={"description": "Its place in the feed.", "type": "integer", "minimum": 1},
            entity=_entity(about.aggregate),
            changed=_changed(),
            source={"description": "The system that the new values come from.", "type": "string"},
            data=NOTHING if about.kind == "deleted" else shown,
        ),
    }


@cache
def default(aggregate: str) -> Json:
    """The JSON Schema of ``data`` where the endpoint gives no document.

    What only some endpoints see, or only with or without a channel, need not be there.
    """
    own = f"{registry.part(aggregate).kept.scope}:read"
    viewers = [
        Viewer(token_id=None, kind="app", scopes=frozenset(scopes), default_channel_id=channel)
        for scopes in (EVERY_SCOPE, (own,))
        for channel in (None, ANY_CHANNEL)
    ]
    first, *others = [answer(payload_default.text(aggregate, viewer)) for viewer in viewers]
    for other in others:
        first = _either(first, other)
    return first


def answer(document: str) -> Json:
    """The JSON Schema of the answer to a valid document."""
    from schema.app import schema  # the whole schema imports this module

    return payload_document.of(schema()).shape(document)


def bodies(row: Mapping[str, Any]) -> list[Json]:
    """The JSON Schemas of what an endpoint gets. ``row``: its columns."""
    seen = event.seen_by(endpoint.viewer(row))
    return [body(row, about) for about in event.asked(row["event_types"]) if about.aggregate in seen]


def body(row: Mapping[str, Any], about: EventType) -> Json:
    """The JSON Schema of the bodies by which an endpoint is told of an event."""
    return of(about, _data(row, about))


def _data(row: Mapping[str, Any], about: EventType) -> Json:
    from schema.app import schema

    if row["thin"]:
        return NOTHING
    if row["document"] is None:
        return answer(payload_default.text(about.aggregate, endpoint.viewer(row)))
    reads = payload_document.of(schema()).noun(row["document"])
    return answer(row["document"]) if reads in (None, about.aggregate) else NOTHING


def example_of(about: EventType) -> Json:
    """A body as it may come, with the default document."""
    made: Json = example.of(of(about))
    made["type"] = event.of(about.aggregate, about.kind or "updated")
    made["events"] = list(dict.fromkeys((made["type"], about.name)))
    key = registry.part(about.aggregate).kept.key or "position"
    made["changed"] = [{"path": f"/{key}", "old": None, "new": example.of({}, key)}]
    return made


@cache
def catalogue() -> bytes:
    """Every event with its schema and an example, as the file ``schema/events.json`` has it.

    What is the same for several events stands once, under ``$defs``.
    """
    shared: Json = {"entity": _entity(None), "changed": _changed()}
    shared |= {f"data.{root.name}": default(root.name) for root in registry.roots()}
    events = {
        about.name: {"description": about.says, "schema": _referring(about), "example": example_of(about)}
        for about in event.types().values()
    }
    whole = {"$schema": DIALECT, "title": "Webhook bodies", "$defs": shared, "events": events}
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _referring(about: EventType) -> Json:
    found = of(about)
    found.pop("$schema")
    fields = found["properties"]
    fields["changed"] = {"$ref": "#/$defs/changed"}
    if about.kind != "deleted":
        fields["data"] = {"anyOf": [{"$ref": f"#/$defs/data.{about.aggregate}"}, {"type": "null"}]}
    return found


def _entity(aggregate: str | None) -> Json:
    return {
        "description": "The object, and its version with this change.",
        **_object(
            type={"type": "string"} if aggregate is None else {"const": aggregate},
            id={"type": "string"},
            version={"type": "integer", "minimum": 1},
        ),
    }


def _changed() -> Json:
    entry = _object(path={"description": "A JSON Pointer into the object.", "type": "string"}, old={}, new={})
    return {
        "description": "The values that changed, as far as the endpoint may see them.",
        "type": "array",
        "items": entry,
    }


def _object(**properties: Any) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _either(one: Json, other: Json) -> Json:
    """What fits answers of both forms."""
    merged = {**other, **one}
    if "properties" in one and "properties" in other:
        ours, theirs = one["properties"], other["properties"]
        merged["properties"] = {
            name: _either(ours.get(name, found), theirs.get(name, found))
            for name, found in {**theirs, **ours}.items()
        }
        merged["required"] = [name for name in one["required"] if name in other["required"]]
    if "items" in one and "items" in other:
        merged["items"] = _either(one["items"], other["items"])
    return merged
