"""The rows of products and of their pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from hub.db import Json
from hub.demo import chance, price, said
from hub.demo.frame import COLLECTIONS
from hub.demo.item import Choice, Item
from hub.demo.wares import KINDS

AMERICAN = (0, 1, 2)
"""Which of five products in a row the US shop has; the marketplace has the others."""

TIERED = ("coffee", "tea", "stationery")
HEAVY = {"machine": 9000, "lamp": 1400, "shoe": 700, "cup": 300, "shirt": 220, "stationery": 340}
PAIRS = {"coffee": 2, "tea": 2, "cup": -2, "machine": -3, "shirt": 1, "shoe": -1, "lamp": 1, "stationery": -1}
"""Where the thing stands that goes with one of the kind, counted in products from it."""


def row(number: int, today: datetime) -> Json:
    """Product ``number`` with all that is part of it, as ``hub.save`` takes it. Windows lie around ``today``."""
    item = Item(number)
    found = {
        "slug": item.slug,
        "type": {"key": item.kind.code},
        "name": {k: v for k, v in item.name.items() if k != "fr" or not said.untranslated(item)},
        "description": _description(item),
        "attributes": said.values(item, today),
        "categories": [{"category": {"key": _category(item)}}],
        "collections": [{"collection": {"key": code}} for code in _collections(item)],
        "assets": [{"asset": {"key": picture.code}} for picture in item.pictures],
        "listings": list(_listings(item, today)),
        "variants": [_variant(item, at, choice, today) for at, choice in enumerate(item.choices)],
    }
    if number % 4 == 0:
        found["external_ids"] = [{"system": "erp", "id": f"{100000 + number}"}]
    return found


def assets(number: int, address: Callable[[str], str]) -> list[Json]:
    """The pictures of product ``number``. ``address``: where the file of that name is kept."""
    return [
        {
            "code": picture.code,
            "address": address(picture.file),
            "file_name": picture.file,
            "alt": picture.alt,
        }
        for picture in Item(number).pictures
    ]


def links(number: int, count: int) -> Json | None:
    """What product ``number`` says of others, to be written when all ``count`` are there; null for most."""
    item = Item(number)
    other = number + PAIRS[item.kind.code]
    if other >= count or (item.rank and number % 3):
        return None
    goes_with = {"key": Item(other).slug}
    relations = [{"type": {"key": "goes-together"}, "product": goes_with}]
    better = number + len(KINDS)
    if better < count:
        kind = chance.of("relation", number).choice(("up-sell", "accessory", "replacement"))
        relations.append({"type": {"key": kind}, "product": {"key": Item(better).slug}})
    return {
        "slug": item.slug,
        "attributes": [{"code": "goes_with", "value": goes_with}],
        "relations": relations,
    }


def _description(item: Item) -> Json:
    """Three of the kind's sentences. Every nineteenth product has none yet."""
    if item.every(19, at=5):
        return {}
    lines = item.kind.lines
    start = item.rank % len(lines)
    chosen = [lines[(start + step) % len(lines)] for step in range(3)]
    locales = ("en", "de") if said.untranslated(item) else ("en", "de", "fr")
    return {locale: " ".join(line[locale] for line in chosen) for locale in locales}


def _category(item: Item) -> str:
    return item.kind.categories[item.rank % len(item.kind.categories)]


def _collections(item: Item) -> list[str]:
    if item.rank == 0:
        return ["staff-picks"]
    draw = chance.of("collection", item.number)
    return [code for code in COLLECTIONS if chance.happens(draw, 0.06)]


def _listings(item: Item, today: datetime) -> Iterator[Json]:
    """Where it is on offer: nowhere (a draft), once, not yet, again after a pause, or now."""
    if item.every(23, at=4):
        return
    yield from ({"channel": {"key": "web"}, **window} for window in _windows(item, today))
    if item.rank == 0 or item.number % 5 in AMERICAN:
        yield {"channel": {"key": "us"}, "starts_at": today - timedelta(days=400)}
    if item.rank == 0 or item.number % 5 not in AMERICAN:
        yield {"channel": {"key": "marketplace"}}


def _windows(item: Item, today: datetime) -> list[Json]:
    start = today - timedelta(days=chance.of("listing", item.number).randint(200, 700))
    if item.every(29, at=7):
        return [{"starts_at": start, "ends_at": today - timedelta(days=30)}]
    if item.every(31, at=8):
        return [{"starts_at": today + timedelta(days=14)}]
    if item.every(37, at=9):
        paused, again = today - timedelta(days=120), today - timedelta(days=20)
        return [{"starts_at": start, "ends_at": paused}, {"starts_at": again}]
    return [{"starts_at": start}]


def _variant(item: Item, at: int, choice: Choice, today: datetime) -> Json:
    return {
        "sku": choice.sku,
        "position": at,
        "axes": {axis: _picked(axis, pick) for axis, pick in choice.picks.items()},
        "attributes": _weight(item, choice),
        "identifiers": [
            {"type": "gtin", "value": choice.gtin},
            *([{"type": "mpn", "value": f"M-{choice.sku}"}] if item.kind.code in ("machine", "lamp") else ()),
        ],
        "prices": _prices(item, choice, today),
        "assets": [
            {"asset": {"key": picture.code}}
            for picture in item.pictures
            if picture.colour == choice.picks.get("colour")
        ],
    }


def _picked(axis: str, pick: str) -> Json | str:
    if axis != "net_weight":
        return pick
    amount, unit = pick.split()
    return {"amount": amount, "unit": unit}


def _weight(item: Item, choice: Choice) -> list[Json]:
    if item.kind.code not in HEAVY:
        return []
    draw = chance.of("weight", item.number, choice.sku)
    grams = HEAVY[item.kind.code] * draw.randint(90, 110) // 100
    return [{"code": "weight", "value": {"amount": str(grams), "unit": "g"}}]


def _prices(item: Item, choice: Choice, today: datetime) -> list[Json]:
    """Every thirty-first product waits for its price."""
    if item.every(31, at=11):
        return []
    return price.rows(item.number, choice.euros, today, tiers=item.kind.code in TIERED)
