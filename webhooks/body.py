"""The body of a delivery: what happened, and what the endpoint's own document makes of it.

It is rendered once, at the first attempt; the bytes are kept and signed anew for each attempt.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from hub import change, ids
from hub.db import Json
from hub.viewer import Viewer
from webhooks import filter  # noqa: A004 - the noun
from webhooks.delivery import Claimed


def make(delivery: Claimed, record: Json | None, viewer: Viewer, data: Any) -> bytes:
    """The bytes. ``record`` is the feed's, or says what the object is now; null for what is about the endpoint itself.

    ``data`` is null where there is nothing to show.
    """
    if record is None:
        return orjson.dumps(about_itself(delivery.type, delivery.endpoint_id, delivery.occurred_at))
    body = told(delivery.aggregate, delivery.aggregate_id, record, viewer, data)
    return orjson.dumps(body if delivery.purpose == "change" else {**body, "purpose": delivery.purpose})


def told(aggregate: str, number: int, record: Json, viewer: Viewer, data: Any) -> Json:
    """The body of what happened to an object."""
    return {
        "type": record["type"],
        "events": record["events"],
        "timestamp": _stamp(record["occurred_at"]),
        "sequence": record["sequence"],
        "entity": _entity(aggregate, number, record["version"]),
        "changed": [
            {"path": each.path, "old": each.old, "new": each.new}
            for each in change.seen(record["changes"], viewer)
        ],
        "source": record["source"],
        "data": data,
    }


def passes(delivery: Claimed, made: bytes, tree: Json | None) -> bool:
    """Whether the endpoint's filter lets a body through. What somebody asked for by hand is sent in any case."""
    return tree is None or delivery.purpose != "change" or filter.passes(tree, orjson.loads(made))


def about_itself(type_: str, endpoint_id: int, at: datetime, challenge: str | None = None) -> Json:
    """The body of what is about the endpoint itself: a test, or the challenge that it has to echo."""
    told: Json = {
        "type": type_,
        "events": [type_],
        "timestamp": _stamp(at),
        "sequence": None,
        "entity": _entity("webhook_endpoint", endpoint_id, None),
        "changed": [],
        "source": "hub",
        "data": None,
    }
    return told if challenge is None else {**told, "challenge": challenge}


def _entity(aggregate: str, number: int, version: int | None) -> Json:
    return {"type": aggregate, "id": ids.encode(aggregate, number), "version": version}


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
