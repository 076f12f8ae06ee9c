"""The body of a delivery: what happened, and what the endpoint's own document makes of it.

It is rendered once, at the first attempt; the bytes are kept and signed anew for each attempt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from hub import change, ids
from hub.db import Json
from hub.viewer import Viewer
from webhooks.delivery import Claimed

Render = Callable[[str | None, str, Sequence[int], Viewer], Awaitable[Mapping[int, Any]]]
"""``render(document, noun, ids, viewer)`` gives the document's answer for each id that the viewer can see.

Without a document it is the default one of the noun.
"""


def make(delivery: Claimed, record: Json | None, viewer: Viewer, data: Any) -> bytes:
    """The bytes. ``record`` is the feed's; a test has none. ``data`` is null where there is nothing to show."""
    body = _happened(delivery, record, viewer) if record else _test(delivery)
    return orjson.dumps({**body, "data": data})


async def data(
    render: Render, document: str | None, deliveries: Sequence[tuple[Claimed, Json]], viewer: Viewer
) -> dict[int, Any]:
    """The document's answers by delivery, read in one go per noun; nothing for what is deleted."""
    wanted: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for delivery, record in deliveries:
        if record["kind"] != "DELETED":
            wanted[delivery.aggregate][delivery.aggregate_id].append(delivery.id)
    answers: dict[int, Any] = {}
    for noun, by_id in wanted.items():
        found = await render(document, noun, list(by_id), viewer)
        answers |= {each: found.get(number) for number, each_of in by_id.items() for each in each_of}
    return answers


def _happened(delivery: Claimed, record: Json, viewer: Viewer) -> Json:
    return {
        "type": record["type"],
        "events": record["events"],
        "timestamp": _stamp(record["occurred_at"]),
        "sequence": record["sequence"],
        "entity": _entity(delivery, record["version"]),
        "changed": [
            {"path": each.path, "old": each.old, "new": each.new}
            for each in change.seen(record["changes"], viewer)
        ],
        "source": record["source"],
    }


def _test(delivery: Claimed) -> Json:
    return {
        "type": delivery.type,
        "events": [delivery.type],
        "timestamp": _stamp(delivery.occurred_at),
        "sequence": None,
        "entity": _entity(delivery, None),
        "changed": [],
        "source": None,
    }


def _entity(delivery: Claimed, version: int | None) -> Json:
    number = ids.encode(delivery.aggregate, delivery.aggregate_id)
    return {"type": delivery.aggregate, "id": number, "version": version}


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
