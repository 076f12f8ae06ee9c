"""What became of an order: its parcels, what came back of it, what was paid back.

Parcels and returns of the past name no location: the levels of the shop's stock were counted after them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from random import Random

from hub.db import Json
from hub.demo import chance

CARRIERS = {"web": ("Post", "Post", "Courier"), "us": ("Courier",), "marketplace": ("Post",)}
SENT = ("partly_fulfilled", "fulfilled", "closed")
RETURNED, IN_TWO_PARCELS = 0.07, 0.1
"""The share of orders of which something came back, and of those that went out in two parcels."""

REASONS = {
    "changed_mind": 46,
    "damaged": 14,
    "defective": 12,
    "wrong_item": 9,
    "data_wrong": 9,
    "late": 6,
    "other": 4,
}
"""How many of a hundred returns have which reason."""

KEPT_AWAY = ("damaged", "defective")
"""What comes back for these reasons is not sold again."""

TOLD_WRONG = "colour"
"""The attribute that told customers something wrong, where the data was."""

CENT = Decimal("0.01")


def of(number: int, order: Json, today: datetime) -> Json:
    """Fulfilments, returns and refunds of order ``number``, for its row. Nothing of it lies after ``today``."""
    if order["status"] not in SENT:
        return {}
    draw = chance.of("after sale", number)
    parcels = _parcels(draw, number, order, today)
    back = chance.happens(draw, RETURNED) and _back(draw, order, parcels, today)
    return {"fulfilments": parcels} | (back or {})


def _parcels(draw: Random, number: int, order: Json, today: datetime) -> list[Json]:
    pieces = [(line["position"], line["quantity"]) for line in order["lines"]]
    first, rest = _halves(pieces)
    if order["status"] == "partly_fulfilled":
        packed = [first]
    else:
        packed = [first, rest] if rest and chance.happens(draw, IN_TWO_PARCELS) else [pieces]
    carrier, sent = draw.choice(CARRIERS[order["channel"]["key"]]), order["placed_at"]
    found = []
    for place, lines in enumerate(packed):
        sent = min(sent + timedelta(minutes=draw.randint(4 * 60, 50 * 60)), today)
        tracking = f"T{number + 1:08d}{place + 1}"
        parcel = _parcel(draw, tracking, carrier, sent, today)
        found.append({"number": f"F{place + 1}", "lines": _lines(lines)} | parcel)
    return found


def _halves(pieces: Sequence[tuple[int, int]]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """About half of the pieces, at least one, and what is left."""
    room = max(1, sum(quantity for _, quantity in pieces) // 2)
    first, rest = [], []
    for position, quantity in pieces:
        taken = min(quantity, room)
        room -= taken
        if taken:
            first.append((position, taken))
        if quantity > taken:
            rest.append((position, quantity - taken))
    return first, rest


def _parcel(draw: Random, tracking: str, carrier: str, sent: datetime, today: datetime) -> Json:
    arrived = sent + timedelta(minutes=draw.randint(20 * 60, 96 * 60))
    events = [{"at": sent, "code": "accepted"}, {"at": arrived, "code": "delivered"}]
    there = arrived <= today
    return {
        "status": "delivered" if there else "shipped",
        "carrier": carrier,
        "tracking_number": tracking,
        "shipped_at": sent,
        "events": events if there else events[:1],
    }


def _lines(pieces: Sequence[tuple[int, int]]) -> list[Json]:
    return [{"line": position, "quantity": quantity} for position, quantity in pieces]


def _back(draw: Random, order: Json, parcels: list[Json], today: datetime) -> Json:
    """One line comes back, whole or in part, some days after its parcel arrived; the money follows."""
    parcel = draw.choice(parcels)
    sent = draw.choice(parcel["lines"])
    quantity = draw.choice((sent["quantity"], draw.randint(1, sent["quantity"])))
    returned = parcel["events"][-1]["at"] + timedelta(minutes=draw.randint(3 * 1440, 24 * 1440))
    paid_back = returned + timedelta(minutes=draw.randint(60, 3 * 1440))
    reason = draw.choices(list(REASONS), list(REASONS.values()))[0]
    if paid_back > today or parcel["status"] != "delivered":
        return {}
    line = {"line": sent["line"], "quantity": quantity, "reason": reason, "restock": reason not in KEPT_AWAY}
    if reason == "data_wrong":
        line["attribute"] = {"key": TOLD_WRONG}
    amount = _worth(order, sent["line"], quantity)
    refund = {"number": "C1", "amount": str(amount), "reason": reason, "refunded_at": paid_back}
    return {"returns": [{"number": "R1", "returned_at": returned, "lines": [line]}], "refunds": [refund]}


def _worth(order: Json, position: int, quantity: int) -> Decimal:
    """What was paid for so many pieces of a line, its tax included, rounded down to the cent."""
    line = order["lines"][position]
    bought = int(line["quantity"])
    paid = Decimal(line["unit_price"]) * bought - Decimal(line["discount"])
    tax = Decimal(0) if order["tax_included"] else paid * Decimal(line["tax_rate"])
    return ((paid + tax) * quantity / bought).quantize(CENT, ROUND_DOWN)
