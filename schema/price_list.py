"""Price lists: prices that go together, in one currency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.price_list import PriceList as Table
from schema import rule
from schema.declare import column, connection, noun, text
from schema.look_up import by_code
from schema.node import Aggregate

if TYPE_CHECKING:
    from schema.connection import Connection
    from schema.price import Price


@noun(
    Table,
    "Prices that go together, in one currency.",
    rows=rule.bound_price_lists,
    requires="staff",
    single="priceList",
    plural="priceLists",
    look_ups={"code": by_code(Table)},
)
class PriceList(Aggregate):
    """Prices that go together, in one currency."""

    code: str = column("Its code.", filter=True, sort=True)
    name: str | None = text(
        "What it is called; null without a name in the locale chain.", filter=True, sort=True
    )
    currency: str = column("ISO 4217 code of the currency of its prices.", filter=True)
    prices: Connection[Price] = connection(
        "Price", "Its prices, past and future ones too.", key="price_list_id"
    )
