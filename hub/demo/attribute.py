"""The shop's attributes, one at least of every type, and which kinds of things have them."""

from __future__ import annotations

from typing import Any

from hub.db import Json
from hub.demo.colour import ALL as COLOURS
from hub.demo.text import Texts, texts

SIZES = ("S", "M", "L", "XL")
SHOE_SIZES = ("37", "38", "39", "40", "41", "42", "43", "44")
ROASTS = {
    "light": texts("Light", "Hell", "Claire"),
    "medium": texts("Medium", "Mittel", "Moyenne"),
    "dark": texts("Dark", "Dunkel", "Foncée"),
}
FLAVOURS = {
    "chocolate": texts("Chocolate", "Schokolade", "Chocolat"),
    "hazelnut": texts("Hazelnut", "Haselnuss", "Noisette"),
    "berry": texts("Berry", "Beere", "Fruits rouges"),
    "citrus": texts("Citrus", "Zitrus", "Agrumes"),
    "caramel": texts("Caramel", "Karamell", "Caramel"),
    "jasmine": texts("Jasmine", "Jasmin", "Jasmin"),
    "smoke": texts("Smoke", "Rauch", "Fumé"),
}
MATERIALS = {
    "stoneware": texts("Stoneware", "Steinzeug", "Grès"),
    "porcelain": texts("Porcelain", "Porzellan", "Porcelaine"),
    "steel": texts("Stainless steel", "Edelstahl", "Inox"),
    "cotton": texts("Cotton", "Baumwolle", "Coton"),
    "linen": texts("Linen", "Leinen", "Lin"),
    "leather": texts("Leather", "Leder", "Cuir"),
    "cork": texts("Cork", "Kork", "Liège"),
    "oak": texts("Oak", "Eiche", "Chêne"),
    "paper": texts("Paper", "Papier", "Papier"),
}
RULINGS = {
    "lined": texts("Lined", "Liniert", "Ligné"),
    "dotted": texts("Dotted", "Punktiert", "Pointillé"),
    "blank": texts("Blank", "Blanko", "Uni"),
}


def _one(code: str, type_: str, name: Texts, **more: Any) -> Json:
    return {"code": code, "type": type_, "name": name, **more}


def _options(named: dict[str, Texts]) -> list[Json]:
    return [{"code": code, "name": name, "position": at} for at, (code, name) in enumerate(named.items())]


def _plain(codes: tuple[str, ...]) -> list[Json]:
    return [{"code": code, "name": texts(code, code, code), "position": at} for at, code in enumerate(codes)]


def rows() -> list[Json]:
    """The definitions of all attributes."""
    return [*_choices(), *_words(), *_numbers(), *_measures(), *_moments(), *_links()]


def _choices() -> list[Json]:
    seen = {"searchable": True, "filterable": True, "facet": True}
    colours = {colour.code: colour.name for colour in COLOURS}
    return [
        _one("colour", "choice", texts("Colour", "Farbe", "Couleur"), options=_options(colours), **seen),
        _one("size", "choice", texts("Size", "Größe", "Taille"), options=_plain(SIZES), **seen),
        _one("shoe_size", "choice", texts("Size", "Größe", "Pointure"), options=_plain(SHOE_SIZES), **seen),
        _one("ruling", "choice", texts("Ruling", "Lineatur", "Réglure"), options=_options(RULINGS), **seen),
        _one("roast", "choice", texts("Roast", "Röstung", "Torréfaction"), options=_options(ROASTS), **seen),
        _one("flavours", "choices", texts("Flavours", "Aromen", "Arômes"), options=_options(FLAVOURS), **seen),
        _one(
            "materials", "choices", texts("Materials", "Materialien", "Matières"), options=_options(MATERIALS), **seen
        ),
    ]  # fmt: skip


def _words() -> list[Json]:
    return [
        _one("origin", "text", texts("Origin", "Herkunft", "Origine"), localizable=True, searchable=True),
        _one("maker", "text", texts("Maker", "Hersteller", "Fabricant"), searchable=True, filterable=True),
        _one(
            "claim",
            "text",
            texts("Claim", "Werbezeile", "Accroche"),
            localizable=True,
            per_channel=True,
            rules={"max_length": 80},
        ),
        _one("care", "rich_text", texts("Care", "Pflege", "Entretien"), localizable=True),
    ]


def _numbers() -> list[Json]:
    return [
        _one("strength", "integer", texts("Strength", "Stärke", "Intensité"), rules={"min": 0, "max": 5}, facet=True),
        _one("guarantee_years", "integer", texts("Guarantee in years", "Garantie in Jahren", "Garantie en années")),
        _one("pages", "integer", texts("Pages", "Seiten", "Pages"), filterable=True),
        _one("caffeine", "decimal", texts("Caffeine in %", "Koffein in %", "Caféine en %"), rules={"min": 0, "max": 5}),
        _one("organic", "boolean", texts("Organic", "Bio", "Biologique"), filterable=True, facet=True),
        _one(
            "dishwasher_safe",
            "boolean",
            texts("Dishwasher-safe", "Spülmaschinenfest", "Passe au lave-vaisselle"),
            filterable=True,
        ),
        _one("deposit", "money", texts("Deposit", "Pfand", "Consigne")),
    ]  # fmt: skip


def _measures() -> list[Json]:
    said = (
        ("net_weight", "mass", "g", texts("Net weight", "Füllmenge", "Poids net")),
        ("weight", "mass", "g", texts("Weight", "Gewicht", "Poids")),
        ("capacity", "volume", "ml", texts("Capacity", "Inhalt", "Contenance")),
        ("height", "length", "cm", texts("Height", "Höhe", "Hauteur")),
        ("power", "power", "W", texts("Power", "Leistung", "Puissance")),
        ("pressure", "pressure", "bar", texts("Pressure", "Druck", "Pression")),
        ("brightness", "luminous_flux", "lm", texts("Brightness", "Lichtstrom", "Flux lumineux")),
        ("paper_weight", "paper_weight", "g/m2", texts("Paper weight", "Papiergewicht", "Grammage")),
    )
    return [
        _one(code, "measurement", name, unit_family=family, unit=unit, filterable=True)
        for code, family, unit, name in said
    ]


def _moments() -> list[Json]:
    return [
        _one("harvest", "date", texts("Harvest", "Ernte", "Récolte"), filterable=True),
        _one("launched_at", "datetime", texts("Launched", "Erschienen", "Lancement")),
    ]


def _links() -> list[Json]:
    return [
        _one("goes_with", "reference", texts("Goes with", "Passt zu", "Va avec"), rules={"to": "product"}),
        _one("label", "reference", texts("Label", "Etikett", "Étiquette"), rules={"to": "asset"}),
        _one(
            "nutrition",
            "table",
            texts("Nutrition", "Nährwerte", "Valeurs nutritives"),
            rules={"columns": {"nutrient": "text", "amount": "decimal", "unit": "text"}},
        ),
        _one(
            "size_chart",
            "table",
            texts("Size chart", "Größentabelle", "Guide des tailles"),
            rules={"columns": {"size": "text", "chest_cm": "integer", "length_cm": "integer"}},
        ),
    ]


SHARED = ("maker", "claim", "care", "weight", "launched_at", "goes_with")
"""What every kind has."""

OWN: dict[str, tuple[str, ...]] = {
    "coffee": ("net_weight", "origin", "roast", "flavours", "strength", "caffeine", "organic", "harvest", "label", "nutrition"),
    "tea": ("net_weight", "origin", "flavours", "strength", "caffeine", "organic", "harvest", "label", "deposit"),
    "cup": ("colour", "materials", "capacity", "height", "dishwasher_safe", "deposit"),
    "machine": ("colour", "materials", "power", "pressure", "height", "guarantee_years"),
    "shirt": ("colour", "size", "materials", "organic", "size_chart"),
    "shoe": ("shoe_size", "colour", "materials", "height"),
    "lamp": ("colour", "materials", "power", "brightness", "height", "guarantee_years"),
    "stationery": ("ruling", "colour", "pages", "paper_weight", "materials"),
}  # fmt: skip
"""What each kind has beside it, axes included."""

NEEDED: dict[str, tuple[str, ...]] = {
    "coffee": ("origin", "roast"),
    "tea": ("origin",),
    "cup": ("capacity",),
    "machine": ("power",),
    "shirt": ("materials",),
    "shoe": ("materials",),
    "lamp": ("brightness",),
    "stationery": ("pages",),
}
"""What a product of the kind must say before it is ready for the web shop."""
