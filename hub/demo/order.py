"""The rows of orders: two years of sales, more of them of late, with lines as they were when placed."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from random import Random

from hub.db import Json
from hub.demo import after_sale, chance, customer, price
from hub.demo.frame import PREFIXES
from hub.demo.item import Item
from hub.order import FIRST_NUMBER

DAYS = 730
ROUND = ("web", "web", "us", "web", "marketplace", "web", "us", "web", "marketplace", "web")
"""The channels of ten orders in a row."""

LANGUAGE = {"web": "en", "us": "en", "marketplace": "de"}
STATUSES: tuple[tuple[float, dict[str, int]], ...] = (
    (0.01, {"draft": 15, "placed": 45, "confirmed": 40}),
    (0.03, {"partly_fulfilled": 38, "fulfilled": 58, "cancelled": 4}),
    (1.00, {"closed": 77, "fulfilled": 19, "cancelled": 4}),
)
"""How many of a hundred orders stand how, by the share of orders that came after them."""

FREE_FROM = 50
POSTAGE = Decimal("4.90")
CENT = Decimal("0.01")
VAT = Decimal("0.20")
SALES_TAX = Decimal("0.07")


_item = lru_cache(maxsize=20_000)(Item)


def channel(number: int) -> str:
    """Where order ``number`` was placed."""
    return ROUND[number % len(ROUND)]


def label(number: int) -> str:
    """The order number that the hub will give it, when the orders are written in their order."""
    name = channel(number)
    before = number // len(ROUND) * ROUND.count(name) + ROUND[: number % len(ROUND)].count(name)
    return f"{PREFIXES[name]}{FIRST_NUMBER + before}"


def row(number: int, count: int, products: int, customers: int, today: datetime) -> Json:
    """Order ``number`` of ``count``, for ``hub.save``; the oldest comes first. Its number is drawn by the hub."""
    draw = chance.of("order", number)
    status = _status(draw, number, count)
    buyer = customer.ADA if chance.each(400, number, at=399) else draw.randrange(customers)
    guest = chance.happens(draw, 0.08)
    found = {
        "channel": {"key": channel(number)},
        "status": status,
        "placed_at": None if status == "draft" else _moment(draw, number, count, today),
        "customer": None if guest else {"external_id": {"system": "shop", "id": f"C-{buyer + 1:06d}"}},
        "email": customer.email(buyer),
        "billing_address": customer.address(buyer),
        "shipping_address": customer.address(buyer),
    }
    found |= _sums(draw, channel(number), products)
    return found | after_sale.of(number, found, today)


def _moment(draw: Random, number: int, count: int, today: datetime) -> datetime:
    """Orders grow denser with time; within their stretch they come when they come."""
    since = ((number + draw.random()) / count) ** 0.8
    return today - timedelta(days=DAYS) + timedelta(minutes=int(since * DAYS * 1440))


def _status(draw: Random, number: int, count: int) -> str:
    """What is old is settled; the last hundredth is on its way."""
    left = (count - number) / count
    shares = next(shares for until, shares in STATUSES if left <= until)
    return draw.choices(list(shares), list(shares.values()))[0]


def _sums(draw: Random, name: str, products: int) -> Json:
    abroad = name == "us"
    lines = [_line(draw, at, name, products) for at in range(draw.choice((1, 1, 2, 2, 3, 4)))]
    subtotal = sum((_total(line) for line in lines), Decimal(0))
    shipping = Decimal(0) if subtotal >= FREE_FROM else POSTAGE
    tax = _tax(subtotal + shipping, included=not abroad)
    return {
        "lines": lines,
        "shipping_total": str(shipping),
        "tax_total": str(tax),
        "tax_included": not abroad,
    }


def _tax(amount: Decimal, *, included: bool) -> Decimal:
    """The tax within an amount, or the one that comes on top."""
    share = VAT / (1 + VAT) if included else SALES_TAX
    return (amount * share).quantize(CENT)


def _line(draw: Random, at: int, name: str, products: int) -> Json:
    item = _item(_bought(draw, name, products))
    choice = draw.choice(item.choices)
    amount = price.dollars(choice.euros) if name == "us" else choice.euros
    quantity = draw.choice((1, 1, 1, 2, 2, 3, 6))
    less = (amount * quantity * Decimal("0.1")).quantize(CENT) if chance.happens(draw, 0.1) else Decimal(0)
    return {
        "position": at,
        "variant": {"key": choice.sku},
        "sku": choice.sku,
        "name": item.name[LANGUAGE[name]],
        "quantity": quantity,
        "unit_price": str(amount),
        "discount": str(less),
        "tax_rate": str(SALES_TAX if name == "us" else VAT),
    }


def _bought(draw: Random, name: str, products: int) -> int:
    """One of the products; in the US shop one that it has."""
    product = draw.randrange(products)
    return min(product - product % 5 + draw.randrange(3), products - 1) if name == "us" else product


def _total(line: Json) -> Decimal:
    return Decimal(line["unit_price"]) * int(line["quantity"]) - Decimal(line["discount"])
