"""What is said of the products: values for the attributes of their kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from hub.db import Json
from hub.demo import chance
from hub.demo.attribute import FLAVOURS, OWN, ROASTS
from hub.demo.item import Item
from hub.demo.text import Texts, texts

ORIGINS = (
    texts("Yirgacheffe, Ethiopia", "Yirgacheffe, Äthiopien", "Yirgacheffe, Éthiopie"),
    texts("Huila, Colombia", "Huila, Kolumbien", "Huila, Colombie"),
    texts("Nyeri, Kenya", "Nyeri, Kenia", "Nyeri, Kenya"),
    texts("Antigua, Guatemala", "Antigua, Guatemala", "Antigua, Guatemala"),
    texts("Minas Gerais, Brazil", "Minas Gerais, Brasilien", "Minas Gerais, Brésil"),
    texts("Sumatra, Indonesia", "Sumatra, Indonesien", "Sumatra, Indonésie"),
)
GARDENS = (
    texts("Darjeeling, India", "Darjeeling, Indien", "Darjeeling, Inde"),
    texts("Uji, Japan", "Uji, Japan", "Uji, Japon"),
    texts("Fujian, China", "Fujian, China", "Fujian, Chine"),
    texts("Nuwara Eliya, Sri Lanka", "Nuwara Eliya, Sri Lanka", "Nuwara Eliya, Sri Lanka"),
)
MAKERS = (
    "Ostwind",
    "Kern & Sohn",
    "Atelier Roux",
    "Hofmann",
    "Petit Jour",
    "Lagerhaus 9",
    "Mila Novak",
    "Tarn",
)
CLAIMS = (
    texts("Our favourite this season", "Unser Liebling der Saison", "Notre favori de la saison"),
    texts("Made to last", "Gemacht, um zu bleiben", "Fait pour durer"),
    texts("Back at last", "Endlich wieder da", "Enfin de retour"),
)
MATERIALS = {
    "cup": ("stoneware", "porcelain"),
    "machine": ("steel",),
    "shirt": ("cotton", "linen"),
    "shoe": ("leather", "cork", "cotton"),
    "lamp": ("steel", "oak", "paper"),
    "stationery": ("paper", "linen"),
}

Say = Callable[[Random, Item, datetime], Any]


def values(item: Item, today: datetime) -> list[Json]:
    """The attribute values of a product. The French ones are missing where its translation is."""
    axes = {axis for axis, _, _ in item.kind.axes}
    found = list(_shared(item, today))
    for code in OWN[item.kind.code]:
        if code not in axes and not _silent(item, code):
            found.extend(_leaves(code, SAY[code](chance.of(code, item.number), item, today), item))
    return found


def untranslated(item: Item) -> bool:
    """Whether its French is still to be written."""
    return item.every(17, at=3)


def _silent(item: Item, code: str) -> bool:
    """Whether someone has yet to look this one up."""
    return item.rank > 0 and chance.happens(chance.of("silent", item.number, code), 0.08)


def _leaves(code: str, value: Any, item: Item) -> Iterator[Json]:
    if value is None:
        return
    if code not in ("origin", "care"):
        yield {"code": code, "value": value}
        return
    for locale, text in value.items():
        if locale != "fr" or not untranslated(item):
            yield {"code": code, "locale": locale, "value": text}


def _shared(item: Item, today: datetime) -> Iterator[Json]:
    draw = chance.of("shared", item.number)
    yield {"code": "maker", "value": draw.choice(MAKERS)}
    yield {"code": "launched_at", "value": _moment(draw, today)}
    yield from _leaves("care", item.kind.care, item)
    if item.rank == 0 or chance.happens(draw, 0.3):
        yield from _claims(draw.choice(CLAIMS))


def _claims(claim: Texts) -> Iterator[Json]:
    """The same everywhere, but the marketplace wants it sober."""
    for locale, text in claim.items():
        yield {"code": "claim", "locale": locale, "value": f"{text}!"}
    for locale in ("de", "fr"):
        yield {"code": "claim", "channel": "marketplace", "locale": locale, "value": claim[locale]}


def _moment(draw: Random, today: datetime) -> str:
    return (today - timedelta(days=draw.randint(5, 900), minutes=draw.randrange(1440))).isoformat()


def _measured(low: int, high: int, step: int, unit: str) -> Say:
    return lambda draw, _, __: {"amount": str(draw.randrange(low, high, step)), "unit": unit}


def _origin(draw: Random, item: Item, _: datetime) -> Texts:
    return draw.choice(ORIGINS if item.kind.code == "coffee" else GARDENS)


def _decaffeinated(item: Item) -> bool:
    return chance.each(12, item.rank, at=1)


def _caffeine(draw: Random, item: Item, _: datetime) -> Any:
    """Decaffeinated ones have no figure to give, which is not the same as an unknown one."""
    if _decaffeinated(item):
        return {"not_applicable": True}
    return f"{draw.randint(100, 240) / 100:.2f}"


def _strength(draw: Random, item: Item, _: datetime) -> int:
    return 0 if _decaffeinated(item) else draw.randint(1, 5)


def _flavours(draw: Random, _: Item, __: datetime) -> list[str]:
    return draw.sample(list(FLAVOURS), draw.randint(1, 3))


def _materials(draw: Random, item: Item, _: datetime) -> list[str]:
    known = MATERIALS[item.kind.code]
    return draw.sample(known, draw.randint(1, min(2, len(known))))


def _harvest(draw: Random, _: Item, today: datetime) -> str:
    return date(today.year - draw.randint(0, 1), draw.randint(1, 10), draw.randint(1, 28)).isoformat()


def _deposit(draw: Random, item: Item, _: datetime) -> Json | None:
    """Some things come back: tins and cups on loan."""
    if item.rank and chance.happens(draw, 0.8):
        return None
    return {"amount": draw.choice(("1.00", "1.50", "2.00")), "currency": "EUR"}


def _label(_: Random, item: Item, __: datetime) -> Json | None:
    return {"key": item.pictures[0].code} if item.pictures else None


def _nutrition(draw: Random, _: Item, __: datetime) -> list[Json]:
    return [
        {"nutrient": "Energy", "amount": str(draw.randint(2, 9)), "unit": "kJ"},
        {"nutrient": "Fat", "amount": f"{draw.randint(0, 9) / 10:.1f}", "unit": "g"},
        {"nutrient": "Protein", "amount": f"{draw.randint(1, 9) / 10:.1f}", "unit": "g"},
    ]


def _size_chart(draw: Random, _: Item, __: datetime) -> list[Json]:
    chest, length = draw.randint(92, 98), draw.randint(68, 72)
    return [
        {"size": size, "chest_cm": chest + 6 * at, "length_cm": length + 2 * at}
        for at, size in enumerate(("S", "M", "L", "XL"))
    ]


SAY: dict[str, Say] = {
    "origin": _origin,
    "roast": lambda draw, _, __: draw.choice(list(ROASTS)),
    "flavours": _flavours,
    "strength": _strength,
    "caffeine": _caffeine,
    "organic": lambda draw, _, __: chance.happens(draw, 0.4),
    "harvest": _harvest,
    "label": _label,
    "nutrition": _nutrition,
    "deposit": _deposit,
    "materials": _materials,
    "capacity": _measured(60, 420, 10, "ml"),
    "height": _measured(6, 48, 1, "cm"),
    "dishwasher_safe": lambda draw, _, __: chance.happens(draw, 0.8),
    "power": _measured(5, 1600, 5, "W"),
    "pressure": _measured(8, 16, 1, "bar"),
    "guarantee_years": lambda draw, _, __: draw.choice((0, 2, 3, 5, 10)),
    "brightness": _measured(200, 1600, 50, "lm"),
    "size_chart": _size_chart,
    "pages": lambda draw, _, __: draw.choice((48, 96, 128, 192, 240)),
    "paper_weight": _measured(80, 120, 10, "g/m2"),
}
"""How each attribute that is not an axis gets its value; null where the product has none."""
