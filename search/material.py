"""Material: what the documents of some products are made of, read with a fixed number of statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from hub import availability
from hub.aggregate import Aggregate
from hub.asset import Asset, ProductAsset, VariantAsset
from hub.attribute import Attribute, AttributeOption
from hub.category import Category
from hub.channel import Channel, ChannelLocale, fallback
from hub.db import Json
from hub.external_id import ExternalId
from hub.listing import Listing
from hub.locale import Locale
from hub.price import lookup
from hub.product import Identifier, Product, ProductCategory, ProductCollection, Variant
from hub.product_type import ProductType
from search import wording
from search.document import Price
from search.wording import View

Rows = Sequence[sa.RowMapping]
ByProduct = dict[int, list[sa.RowMapping]]


@dataclass(frozen=True)
class Place:
    """A channel to build documents for, with a view for each of its locales. ``code`` is null for staff.

    Or staff (``id`` null): a view for each locale of the hub and one, ``*``, for what has none. There nothing falls back,
    so that a new locale changes no document.
    """

    id: int | None
    views: dict[str, View]
    code: str | None = None


@dataclass(frozen=True)
class Material:
    """Rows by product id, the attributes in use, the places, prices by channel and variant, and what is in stock where."""

    products: Rows
    variants: ByProduct
    identifiers: ByProduct
    external_ids: ByProduct
    listings: ByProduct
    categories: ByProduct
    collections: ByProduct
    assets: ByProduct
    attributes: wording.Attributes
    places: Sequence[Place]
    prices: dict[tuple[int, int], Price]
    available: frozenset[tuple[int | None, int]]


def gather(tx: sa.Connection, product_ids: Sequence[int]) -> Material:
    """The material of these products."""
    wanted = _array(product_ids)
    products = tx.execute(_products(wanted)).mappings().all()
    variants = tx.execute(_variants(wanted)).mappings().all()
    listings = tx.execute(_listings(wanted)).mappings().all()
    places = _places(tx)
    return Material(
        products=products,
        variants=_by_product(variants),
        identifiers=_by_product(tx.execute(_identifiers(wanted)).mappings()),
        external_ids=_by_product(tx.execute(_external_ids(wanted)).mappings()),
        listings=_by_product(listings),
        categories=_by_product(tx.execute(_categories(wanted)).mappings()),
        collections=_by_product(tx.execute(_collections(wanted)).mappings()),
        assets=_by_product(tx.execute(_assets(wanted)).mappings()),
        attributes=_attributes(tx, (*products, *variants)),
        places=places,
        prices=_prices(tx, listings, variants),
        available=available(tx, (place.id for place in places), (row["id"] for row in variants)),
    )


def available(
    tx: sa.Connection, places: Iterable[int | None], variants: Iterable[int]
) -> frozenset[tuple[int | None, int]]:
    """Each place (a channel's id, null for staff) with each variant of which any can be had there."""
    channels = sa.literal(list(places), ARRAY(sa.BigInteger))
    chosen = availability.in_stock(_array(variants), channels)
    return frozenset((channel, variant) for channel, variant in tx.execute(chosen))


def _array(numbers: Iterable[int]) -> sa.ColumnElement[Any]:
    return sa.literal(list(numbers), ARRAY(sa.BigInteger))


def _by_product(rows: Iterable[sa.RowMapping]) -> ByProduct:
    found: ByProduct = defaultdict(list)
    for row in rows:
        found[row["product_id"]].append(row)
    return found


def _products(wanted: sa.ColumnElement[Any]) -> sa.Executable:
    return (
        sa.select(
            Product.id,
            Product.name,
            Product.description,
            Product.attributes,
            ProductType.code.label("type_code"),
            ProductType.name.label("type_name"),
            Aggregate.created_at,
            Aggregate.updated_at,
            Aggregate.actor,
        )
        .join(ProductType, ProductType.id == Product.product_type_id)
        .outerjoin(Aggregate, sa.and_(Aggregate.type == "product", Aggregate.id == Product.id))
        .where(Product.id == sa.any_(wanted))
    )


def _variants(wanted: sa.ColumnElement[Any]) -> sa.Executable:
    columns = (Variant.id, Variant.product_id, Variant.sku, Variant.name, Variant.axes, Variant.attributes)
    return (
        sa.select(*columns)
        .where(Variant.product_id == sa.any_(wanted))
        .order_by(Variant.product_id, Variant.position, Variant.id)
    )


def _identifiers(wanted: sa.ColumnElement[Any]) -> sa.Executable:
    return (
        sa.select(Identifier.product_id, Identifier.value)
        .where(Identifier.product_id == sa.any_(wanted))
        .order_by(Identifier.product_id, Identifier.type, Identifier.value)
    )


def _external_ids(wanted: sa.ColumnElement[Any]) -> sa.Executable:
    return (
        sa.select(ExternalId.aggregate_id.label("product_id"), ExternalId.value)
        .where(ExternalId.aggregate == "product", ExternalId.aggregate_id == sa.any_(wanted))
        .order_by(ExternalId.aggregate_id, ExternalId.value)
    )


def _listings(wanted: sa.ColumnElement[Any]) -> sa.Executable:
    """Windows that hold the present or lie ahead: the others turn no more."""
    return (
        sa.select(Listing.product_id, Listing.channel_id, Listing.starts_at, Listing.ends_at, Listing.open)
        .where(Listing.product_id == sa.any_(wanted), sa.or_(Listing.open, Listing.turns_at.is_not(None)))
        .order_by(Listing.product_id, Listing.channel_id, Listing.starts_at.nulls_first())
    )


def _categories(wanted: sa.ColumnElement[Any]) -> sa.Executable:
    """The categories of the products with all their ancestors."""
    direct = sa.select(ProductCategory.product_id, ProductCategory.category_id).where(
        ProductCategory.product_id == sa.any_(wanted)
    )
    held = direct.cte("held", recursive=True)
    above = sa.select(held.c.product_id, Category.parent_id).join(Category, Category.id == held.c.category_id)
    held = held.union(above.where(Category.parent_id.is_not(None)))
    return (
        sa.select(held.c.product_id, Category.id, Category.parent_id, Category.name)
        .join(Category, Category.id == held.c.category_id)
        .order_by(held.c.product_id, Category.id)
    )


def _collections(wanted: sa.ColumnElement[Any]) -> sa.Executable:
    return (
        sa.select(ProductCollection.product_id, ProductCollection.collection_id)
        .where(ProductCollection.product_id == sa.any_(wanted))
        .order_by(ProductCollection.product_id, ProductCollection.collection_id)
    )


def _assets(wanted: sa.ColumnElement[Any]) -> sa.Executable:
    linked = sa.union(
        *(
            sa.select(link.product_id, link.asset_id).where(link.product_id == sa.any_(wanted))
            for link in (ProductAsset, VariantAsset)
        )
    ).subquery()
    return (
        sa.select(linked.c.product_id, Asset.alt)
        .join(Asset, Asset.id == linked.c.asset_id)
        .order_by(linked.c.product_id, Asset.id)
    )


def _attributes(tx: sa.Connection, holders: Iterable[sa.RowMapping]) -> wording.Attributes:
    """The attributes that these rows have values of; of searchable ones with the options that they name."""
    codes, chosen = set[str](), set[str]()
    for holder in holders:
        for said in (holder["attributes"], holder.get("axes") or {}):
            codes.update(said)
            for value in said.values():
                chosen.update(_strings(value))
    options: dict[int, dict[str, Json]] = defaultdict(dict)
    rows = tx.execute(_definitions(codes)).mappings().all()
    told = [row["id"] for row in rows if row["searchable"]]
    for option in tx.execute(_options(told, chosen)).mappings():
        options[option["attribute_id"]][option["code"]] = option["name"]
    return {row["code"]: _attribute(row, options[row["id"]]) for row in rows}


def _attribute(row: sa.RowMapping, options: dict[str, Json]) -> wording.Attribute:
    flags = {name: row[name] for name in ("searchable", "filterable", "facet", "localizable")}
    return wording.Attribute(row["code"], row["type"], options=options, **flags)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


def _definitions(codes: Iterable[str]) -> sa.Executable:
    flags = (Attribute.searchable, Attribute.filterable, Attribute.facet, Attribute.localizable)
    return sa.select(Attribute.id, Attribute.code, Attribute.type, *flags).where(
        Attribute.code == sa.any_(sa.literal(list(codes), ARRAY(sa.Text)))
    )


def _options(attribute_ids: Iterable[int], chosen: Iterable[str]) -> sa.Executable:
    return sa.select(AttributeOption.attribute_id, AttributeOption.code, AttributeOption.name).where(
        AttributeOption.attribute_id == sa.any_(_array(attribute_ids)),
        AttributeOption.code == sa.any_(sa.literal(list(chosen), ARRAY(sa.Text))),
    )


def _places(tx: sa.Connection) -> list[Place]:
    """Staff first, then every channel."""
    every = tx.scalars(sa.select(Locale.code).order_by(Locale.code)).all()
    spoken = sa.func.array_agg(sa.dialects.postgresql.aggregate_order_by(Locale.code, ChannelLocale.position))
    rows = tx.execute(
        sa.select(Channel.id, Channel.code, spoken.label("locales"))
        .join(ChannelLocale, ChannelLocale.channel_id == Channel.id)
        .join(Locale, Locale.id == ChannelLocale.locale_id)
        .group_by(Channel.id, Channel.code)
        .order_by(Channel.id)
    ).mappings()
    staff = {code: View(None, [code]) for code in (*every, wording.ALL)}
    return [Place(None, staff), *map(_channel, rows)]


def _channel(row: sa.RowMapping) -> Place:
    chains = {code: [*fallback(row["locales"], code), wording.ALL] for code in row["locales"]}
    return Place(row["id"], {code: View(row["code"], chain) for code, chain in chains.items()}, row["code"])


def _prices(tx: sa.Connection, listings: Rows, variants: Rows) -> dict[tuple[int, int], Price]:
    """What everyone pays for one piece, in each channel where the product is listed."""
    sold: dict[int, set[int]] = defaultdict(set)
    for listing in listings:
        sold[listing["channel_id"]].add(listing["product_id"])
    selects = [
        lookup(channel, _array(row["id"] for row in variants if row["product_id"] in products))
        .add_columns(sa.literal(channel).label("channel_id"))
        .subquery()
        for channel, products in sorted(sold.items())
    ]
    if not selects:
        return {}
    columns = ("channel_id", "variant_id", "amount", "currency")
    rows = tx.execute(sa.union_all(*(sa.select(*(each.c[name] for name in columns)) for each in selects)))
    return {
        (row.channel_id, row.variant_id): Price(f"{row.amount.normalize():f}", row.currency) for row in rows
    }
