"""Products as documents: built for many at once, with the same number of statements for one as for a thousand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import sqlalchemy as sa

from hub import feed
from hub.db import Json
from search import document, identifier, values, wording
from search.document import Batch, Document, Facts, Window, distinct
from search.material import Material, Place, gather
from search.wording import View

BRANDS = ("brand", "supplier", "manufacturer", "vendor")
"""Codes of attributes that name a maker: such a name in a question speaks for the maker's products."""

Named = dict[str, tuple[str, ...]]
"""Locale → names."""

Say = Callable[[wording.Attributes, Json, Json, View], Iterator[str]]


def build(tx: sa.Connection, product_ids: Iterable[int]) -> Batch:
    """The documents of these products as they are now. One whose product is gone is left out."""
    wanted = tuple(dict.fromkeys(product_ids))
    # Read first: whatever is committed later has a higher sequence and comes again.
    sequence = feed.ends(tx)[1]
    material = gather(tx, wanted)
    documents = (each for product in material.products for each in _documents(product, material, sequence))
    channels = tuple(place.id for place in material.places if place.id is not None)
    return Batch(sequence, wanted, tuple(documents), channels)


def _documents(product: sa.RowMapping, material: Material, sequence: int) -> Iterator[Document]:
    for place in material.places:
        windows = _windows(product["id"], place, material)
        if place.id is None or windows:
            yield _document(product, place, windows, material, sequence)


def _windows(product_id: int, place: Place, material: Material) -> tuple[Window, ...]:
    rows = material.listings[product_id]
    return tuple((row["starts_at"], row["ends_at"]) for row in rows if row["channel_id"] == place.id)


def _document(
    product: sa.RowMapping, place: Place, windows: tuple[Window, ...], material: Material, sequence: int
) -> Document:
    codes = _codes(product, place, material)
    variants = material.variants[product["id"]]
    terms, numbers = values.gathered(
        material.attributes, _holders(product, material), place.views, place.code
    )
    return Document(
        product_id=product["id"],
        channel_id=place.id,
        sequence=sequence,
        windows=windows,
        identifiers=identifier.normals(codes),
        codes=tuple(codes),
        texts={
            locale: said for locale, view in place.views.items() if (said := _texts(product, view, material))
        },
        variants=tuple(_variant(row, place, material) for row in variants),
        facts=_facts(product, place, material),
        values=terms,
        numbers=numbers,
        names={
            locale: name
            for locale, view in place.views.items()
            if (name := wording.shown(product["name"], view))
        },
    )


def _holders(product: sa.RowMapping, material: Material) -> list[tuple[Json, Json]]:
    variants = material.variants[product["id"]]
    return [(product["attributes"], {}), *((row["attributes"], row["axes"]) for row in variants)]


def _facts(product: sa.RowMapping, place: Place, material: Material) -> Facts:
    number = product["id"]
    kinds, above = _kinds(product, place, material)
    shared = Facts(
        type=product["type_code"],
        categories=tuple(row["id"] for row in material.categories[number]),
        collections=tuple(row["collection_id"] for row in material.collections[number]),
        brands=tuple(_brands(product, place, material)),
        kinds=kinds,
        above=above,
        created=product["created_at"],
    )
    if place.id is not None:
        return shared
    listed = {row["channel_id"] for row in material.listings[number] if row["open"]}
    return replace(
        shared, listed=tuple(sorted(listed)), updated=product["updated_at"], actor=product["actor"]
    )


def _kinds(product: sa.RowMapping, place: Place, material: Material) -> tuple[Named, Named]:
    """What kind of thing the product is, and what the categories above its own are called."""
    rows = material.categories[product["id"]]
    parents = {row["parent_id"] for row in rows}
    own = [product["type_name"], *(row["name"] for row in rows if row["id"] not in parents)]
    return _by_locale(own, place), _by_locale([row["name"] for row in rows if row["id"] in parents], place)


def _by_locale(names: list[Json], place: Place) -> Named:
    found = {
        code: distinct(wording.shown(name, view) for name in names) for code, view in place.views.items()
    }
    return {code: tuple(said) for code, said in found.items() if said}


def _brands(product: sa.RowMapping, place: Place, material: Material) -> list[str]:
    makers = {code: material.attributes[code] for code in BRANDS if code in material.attributes}
    named = (
        (say(makers, attributes, axes, view))
        for attributes, axes in (_holders(product, material) if makers else ())
        for view in place.views.values()
        for say in (wording.labels, wording.details)
    )
    return distinct(name for names in named for name in names)


def _variant(row: sa.RowMapping, place: Place, material: Material) -> document.Variant:
    price = None if place.id is None else material.prices.get((place.id, row["id"]))
    return document.Variant(row["id"], row["sku"], price, (place.id, row["id"]) in material.available)


def _codes(product: sa.RowMapping, place: Place, material: Material) -> list[str]:
    """Numbers that shoppers know; what other systems call the product is for staff."""
    found = [row["sku"] for row in material.variants[product["id"]]]
    found += [row["value"] for row in material.identifiers[product["id"]]]
    if place.id is None:
        found += [row["value"] for row in material.external_ids[product["id"]]]
    return distinct(found)


def _texts(product: sa.RowMapping, view: View, material: Material) -> dict[str, list[str]]:
    holders = _holders(product, material)
    said: dict[str, list[str | None]] = {
        "title": [wording.shown(product["name"], view)],
        "labels": [*_names(product, view, material), *_each(wording.labels, holders, view, material)],
        "body": [_body(product, view), *_shown(material.assets[product["id"]], "alt", view)],
        "details": list(_each(wording.details, holders, view, material)),
    }
    return {part: texts for part, given in said.items() if (texts := distinct(given))}


def _names(product: sa.RowMapping, view: View, material: Material) -> Iterator[str | None]:
    yield wording.shown(product["type_name"], view)
    yield from _shown(material.categories[product["id"]], "name", view)
    yield from _shown(material.variants[product["id"]], "name", view)


def _body(product: sa.RowMapping, view: View) -> str | None:
    text = wording.shown(product["description"], view)
    return text and wording.plain(text)


def _shown(rows: Iterable[sa.RowMapping], column: str, view: View) -> Iterator[str | None]:
    return (wording.shown(row[column], view) for row in rows)


def _each(say: Say, holders: Iterable[tuple[Json, Json]], view: View, material: Material) -> Iterator[str]:
    for attributes, axes in holders:
        if attributes or axes:
            yield from say(material.attributes, attributes, axes, view)
