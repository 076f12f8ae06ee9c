"""Example values for JSON Schemas: plausible where the name of a field says what it holds."""

from __future__ import annotations

from typing import Any

from strawberry.utils.str_converters import to_snake_case

from hub import ids
from hub.db import Json

MOMENT = "2026-01-31T12:00:00Z"
TEXTS = {
    "sku": "CUP-ESP-WHITE",
    "slug": "espresso-cup",
    "number": "WEB-1001",
    "name": "Espresso cup",
    "description": "A small cup of stoneware.",
    "currency": "EUR",
    "email": "ada@example.com",
    "phone": "+4930123456",
    "givenName": "Ada",
    "familyName": "Winter",
    "fullName": "Ada Winter",
    "street": "Lindenweg 7",
    "city": "Berlin",
    "postalCode": "10115",
    "country": "DE",
    "url": "https://example.com/cup.webp",
    "address": "https://example.com/cup.webp",
    "mediaType": "image/webp",
    "locale": "en",
    "channel": "web",
    "system": "erp",
    "source": "erp",
    "role": "gallery",
    "value": "white",
    "alt": "A white cup",
}
"""By the field's name; any other text says its own name."""

DECIMALS = {"taxRate": "0.19", "discount": "0.00"}
PLURALS = {"categories": "category", "addresses": "address"}
NUMBER = 1
PLAIN = {"integer": NUMBER, "number": NUMBER, "boolean": False, "null": None}
OUTSIDE = "4711"
"""An id in another system."""


def of(schema: Json, name: str = "", owner: str = "") -> Any:
    """A value that the schema allows. ``name``: the field that it stands in; ``owner``: the object around it."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    kinds = schema.get("type", "string")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object":
        return _object(schema["properties"], owner if name == "nodes" else _singular(name))
    if kind == "array":
        return [of(schema["items"], name, owner)]
    return PLAIN[kind] if kind in PLAIN else _text(schema, name, owner)


def _object(properties: Json, name: str) -> Json:
    name = properties.get("type", {}).get("const", name)
    return {key: of(each, key, name) for key, each in properties.items()}


def _text(schema: Json, name: str, owner: str) -> str:
    match schema.get("format"):
        case "date-time":
            return MOMENT
        case "decimal":
            return DECIMALS.get(name, "18.90")
    if name == "id":
        return OUTSIDE if owner == "externalId" else ids.encode(to_snake_case(owner), NUMBER)
    return TEXTS.get(name, f"{owner}-1" if name == "code" else name)


def _singular(name: str) -> str:
    return PLURALS.get(name, name.removesuffix("s"))
