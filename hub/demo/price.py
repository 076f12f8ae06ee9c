"""What the shop's things cost: lists, windows, quantities, and what a company has agreed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from hub.db import Json
from hub.demo import chance
from hub.demo.frame import CITIES, TRADES, company
from hub.demo.wares import KINDS

DOLLARS = Decimal("1.12")
CENT = Decimal("0.01")
REDUCED = Decimal("0.80")
BY_TEN = Decimal("0.92")
CONTRACT = Decimal("0.85")
FEE = Decimal("1.08")
YEARS = timedelta(days=1000)


def _list(name: str, amount: Decimal, **more: object) -> Json:
    return {"price_list": {"key": name}, "amount": str(amount.quantize(CENT)), **more}


def dollars(euros: Decimal) -> Decimal:
    """The price in the US shop, before tax."""
    return Decimal(round(euros * DOLLARS)) - Decimal("0.05")


def rows(product: int, euros: Decimal, today: datetime, *, tiers: bool) -> list[Json]:
    """The prices of a variant whose price in the web shop is ``euros``."""
    found = list(_everyone(product, euros, today))
    found.append(_list("retail-usd", dollars(euros), tax_included=False))
    if tiers:
        found.append(_list("retail-eur", euros * BY_TEN, min_quantity=10))
        found.append(_list("retail-usd", dollars(euros) * BY_TEN, min_quantity=10, tax_included=False))
    if product % 3 == 0:
        found.append(_list("marketplace-eur", euros * FEE))
    if product % 25 == 0:
        agreed = company(CITIES[product // 25 % len(CITIES)], TRADES[product // 250 % len(TRADES)])
        found.append(_list("retail-eur", euros * CONTRACT, company={"key": agreed}))
    return found


def _everyone(product: int, euros: Decimal, today: datetime) -> Iterator[Json]:
    """The web shop's price. Every seventh product is reduced for some weeks: over, now, or to come."""
    draw = chance.of("sale", product)
    if not chance.each(7, product, at=6) or product < len(KINDS):
        was = (
            {"compare_at": str((euros * Decimal("1.25")).quantize(CENT))}
            if chance.each(11, product, at=10)
            else {}
        )
        yield _list("retail-eur", euros, **was)
        return
    starts = today + timedelta(days=draw.choice((-90, -10, 20)))
    ends = starts + timedelta(days=draw.choice((14, 28, 42)))
    yield _list("retail-eur", euros, starts_at=today - YEARS, ends_at=starts)
    yield _list("retail-eur", euros * REDUCED, compare_at=str(euros), starts_at=starts, ends_at=ends)
    yield _list("retail-eur", euros, starts_at=ends)
