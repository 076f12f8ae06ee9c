"""Locales: the languages and regions that texts are kept in."""

from __future__ import annotations

from hub.locale import Locale as Table
from schema.declare import column, noun, text
from schema.look_up import by_code
from schema.node import Aggregate


@noun(
    Table,
    "A language or region that texts are kept in.",
    single="locale",
    plural="locales",
    look_ups={"code": by_code(Table)},
)
class Locale(Aggregate):
    """A language or region that texts are kept in."""

    code: str = column("BCP 47 tag, for example de-AT.", filter=True, sort=True)
    name: str | None = text("What people call it; null without a name.")
