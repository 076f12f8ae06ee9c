"""How far a token that is bound to channels reaches when it writes.

It may not touch what belongs to another channel: a listing, a value kept per channel, an order, the channel itself,
nor a price list that another channel sells by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from hub.channel import ChannelPriceList
from hub.db import Json
from hub.draft import shapes
from hub.errors import Forbidden, HubError, Path
from hub.listing import Listing
from hub.reference import Directory, Way, way
from hub.registry import Part
from hub.viewer import Viewer

Named = tuple[Path, str, Json]
"""Where a row names an object, its noun, and the reference."""

BOUND = ("channel", "price_list")
"""The nouns that a token bound to channels may lack the reach for."""


def check(tx: sa.Connection, viewer: Viewer, part: Part, rows: Sequence[Json]) -> list[HubError | None]:
    """For each row the first thing in it that the viewer's token does not reach; null for none."""
    if viewer.channel_ids is None:
        return [None] * len(rows)
    named = [list(_named(part, row)) for row in rows]
    allowed = _Allowed(tx, viewer, [each for row in named for each in row])
    own = _own(tx, viewer, part, rows)
    return [own[place] or allowed.refusal(found) for place, found in enumerate(named)]


def check_delete(tx: sa.Connection, viewer: Viewer, part: Part, number: int) -> None:
    """Raises ``Forbidden`` for an object that is another channel's, or a product that another channel lists."""
    if viewer.channel_ids is None:
        return
    refused = check(tx, viewer, part, [{"id": number}])[0]
    if refused is not None:
        raise refused
    if part.name == "product":
        listed = sa.select(Listing.channel_id).where(Listing.product_id == number)
        if not viewer.channel_ids.issuperset(tx.execute(listed).scalars()):
            raise Forbidden("Another channel lists this product: end your own listing instead.", ("id",))


class _Allowed:
    """What of the named channels and price lists the token reaches, read once for a whole batch."""

    def __init__(self, tx: sa.Connection, viewer: Viewer, named: Sequence[Named]) -> None:
        self._viewer = viewer
        self._directory = Directory(tx)
        for noun in BOUND:
            self._directory.look_up(noun, [way(reference) for _, each, reference in named if each == noun])
        self._sellers = _sellers(tx) if any(noun == "price_list" for _, noun, _ in named) else {}

    def refusal(self, named: Sequence[Named]) -> HubError | None:
        for path, noun, reference in named:
            number = self._directory.find(noun, way(reference))
            if number is not None and not self._reaches(noun, number):
                return beyond(noun, reference, path)
        return None

    def _reaches(self, noun: str, number: int) -> bool:
        channels = {number} if noun == "channel" else self._sellers.get(number, set())
        return bool(channels) and all(self._viewer.reaches(each) for each in channels)


def beyond(noun: str, reference: Json, path: Path = ()) -> Forbidden:
    """The refusal of something that belongs to another channel."""
    title = noun.replace("_", " ").capitalize()
    shown = f' "{reference["key"]}"' if "key" in reference else ""
    return Forbidden(f"{title}{shown} is not within this token's channels: use a token bound to it.", path)


def _named(part: Part, row: Json, path: Path = ()) -> Iterator[Named]:
    """Every channel and price list that a row names, at any depth."""
    shape = shapes()[part.name]
    for name, (_, declared) in shape.fields.items():
        if declared.refers in BOUND and isinstance(row.get(name), dict):
            yield (*path, name), declared.refers, row[name]
        if declared.kind == "attributes":
            for place, each in enumerate(row.get(name) or ()):
                if each.get("channel") is not None:
                    yield (*path, name, place, "channel"), "channel", {"key": each["channel"]}
    for name, child in shape.collections.items():
        for place, each in enumerate(row.get(name) or ()):
            yield from _named(child, each, (*path, name, place))


def _own(tx: sa.Connection, viewer: Viewer, part: Part, rows: Sequence[Json]) -> list[HubError | None]:
    """For each row whether the object that it is about belongs to another channel."""
    if part.name not in (*BOUND, "order", "cart", "search_rule_set"):
        return [None] * len(rows)
    numbers = _find(tx, part, rows)
    channels = _channels(tx, part, [number for number in numbers if number is not None])
    return [
        _new(part, row) if number is None else _foreign(viewer, part, row, channels.get(number, set()))
        for row, number in zip(rows, numbers, strict=True)
    ]


def _new(part: Part, row: Json) -> HubError | None:
    """A new order or cart names its channel; a new channel or price list belongs to none that the token is bound to.

    Rules of search without a channel would hold in all of them.
    """
    if part.name in ("order", "cart") or (part.name == "search_rule_set" and row.get("channel") is not None):
        return None
    return beyond(part.name, {})


def _foreign(viewer: Viewer, part: Part, row: Json, channels: set[int]) -> HubError | None:
    if channels and all(viewer.reaches(each) for each in channels):
        return None
    key = row.get(part.kept.key or "")
    return beyond(part.name, {} if key is None else {"key": key})


def _channels(tx: sa.Connection, part: Part, numbers: Sequence[int]) -> dict[int, set[int]]:
    """The channels that stored objects belong to, by the objects' ids."""
    if part.name == "channel":
        return {number: {number} for number in numbers}
    if part.name == "price_list":
        return _sellers(tx)
    table = part.table
    statement = sa.select(table.c.id, table.c.channel_id).where(table.c.id.in_(numbers))
    return {number: {channel} for number, channel in tx.execute(statement) if channel is not None}


def _find(tx: sa.Connection, part: Part, rows: Sequence[Json]) -> list[int | None]:
    """The ids of the stored objects that rows name; null for a new one."""
    directory = Directory(tx)
    ways = [list(_ways(part, row)) for row in rows]
    directory.look_up(part.name, [each for row in ways for each in row])
    return [
        next((found for each in row if (found := directory.find(part.name, each)) is not None), None)
        for row in ways
    ]


def _ways(part: Part, row: Json) -> Iterator[Way]:
    if row.get("id") is not None:
        yield "id", row["id"]
        return
    if row.get(part.kept.key or "") is not None:
        yield "key", row[part.kept.key or ""]
    for each in row.get("external_ids") or ():
        if not each.get("remove"):
            yield "external_id", (each["system"], each["id"])


def _sellers(tx: sa.Connection) -> dict[int, set[int]]:
    """The channels that sell by each price list."""
    found: dict[int, set[int]] = {}
    for list_id, channel_id in tx.execute(
        sa.select(ChannelPriceList.price_list_id, ChannelPriceList.channel_id)
    ):
        found.setdefault(list_id, set()).add(channel_id)
    return found
