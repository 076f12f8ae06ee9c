"""Locations: the places that hold stock."""

from __future__ import annotations

from hub.location import Location as Table
from schema.declare import column, noun, text
from schema.look_up import by_code
from schema.node import Aggregate


@noun(
    Table,
    "A warehouse, a shop or a supplier's store.",
    single="location",
    plural="locations",
    look_ups={"code": by_code(Table)},
)
class Location(Aggregate):
    """A warehouse, a shop or a supplier's store."""

    code: str = column("Its code.", filter=True, sort=True)
    name: str | None = text(
        "What it is called; null without a name in the locale chain.", filter=True, sort=True
    )
