"""Contender (c): Strawberry, SQLAlchemy's ORM and DataLoaders, as their documentation shows them, all by default.

Its models are of its own, over the same tables. It asks for no token, and has no limits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from strawberry.dataloader import DataLoader
from strawberry.fastapi import GraphQLRouter
from strawberry.scalars import JSON
from strawberry.types import Info

from bench.reads.plain_models import (
    AssetModel,
    CustomerModel,
    LineModel,
    LinkModel,
    ListingModel,
    OrderModel,
    PriceModel,
    ProductModel,
    SoldModel,
    VariantModel,
)
from bench.reads.questions import number
from hub import ids

LOCALES = ("de", "en")
CHANNEL = 1


Sessions = async_sessionmaker[AsyncSession]


async def _grouped(sessions: Sessions, statement: Any, keys: Sequence[int], by: str) -> list[list[Any]]:
    """The rows of a statement, for each key those whose column holds it."""
    found: dict[int, list[Any]] = defaultdict(list)
    async with sessions() as session:
        for row in (await session.execute(statement)).scalars():
            found[getattr(row, by)].append(row)
    return [found[key] for key in keys]


async def _by_id(sessions: Sessions, model: Any, keys: Sequence[int]) -> list[Any]:
    async with sessions() as session:
        rows = (await session.execute(select(model).where(model.id.in_(keys)))).scalars()
        found = {row.id: row for row in rows}
    return [found.get(key) for key in keys]


class Loaders:
    """The loaders of one request."""

    def __init__(self, sessions: Sessions) -> None:
        def many(model: Any, by: str, *order: Any) -> DataLoader[int, list[Any]]:
            column = getattr(model, by)
            return DataLoader(
                lambda keys: _grouped(
                    sessions, select(model).where(column.in_(keys)).order_by(*order), keys, by
                )
            )

        def one(model: Any) -> DataLoader[int, Any]:
            return DataLoader(lambda keys: _by_id(sessions, model, keys))

        self.sessions = sessions
        self.variants_of = many(VariantModel, "product_id", VariantModel.position, VariantModel.id)
        self.links_of = many(LinkModel, "product_id", LinkModel.position, LinkModel.id)
        self.orders_of = many(OrderModel, "customer_id", OrderModel.id)
        self.lines_of = many(LineModel, "order_id", LineModel.position, LineModel.id)
        self.asset, self.variant, self.product = one(AssetModel), one(VariantModel), one(ProductModel)
        self.price: DataLoader[int, PriceModel | None] = DataLoader(self._prices)

    async def _prices(self, keys: list[int]) -> list[PriceModel | None]:
        now = datetime.now().astimezone()
        statement = (
            select(PriceModel)
            .join(SoldModel, SoldModel.price_list_id == PriceModel.price_list_id)
            .where(
                SoldModel.channel_id == CHANNEL,
                PriceModel.variant_id.in_(keys),
                PriceModel.company_id.is_(None),
                PriceModel.min_quantity <= 1,
                (PriceModel.starts_at.is_(None)) | (PriceModel.starts_at <= now),
                (PriceModel.ends_at.is_(None)) | (PriceModel.ends_at > now),
            )
            .order_by(
                SoldModel.position,
                PriceModel.starts_at.is_(None),
                PriceModel.min_quantity.desc(),
                PriceModel.id,
            )
        )
        found = await _grouped(self.sessions, statement, keys, "variant_id")
        return [next(iter(each), None) for each in found]


def _localised(texts: dict[str, Any]) -> Any:
    return next((texts[locale] for locale in LOCALES if texts.get(locale) is not None), None)


@strawberry.type
class PageInfo:
    """Where a page stands."""

    has_next_page: bool


@strawberry.type
class AttributeValue:
    """An attribute's value."""

    code: str
    value: JSON | None


@strawberry.type
class Asset:
    """A file."""

    url: str
    alt: str | None


@strawberry.type
class AssetLink:
    """A file as it is shown."""

    role: str
    asset_id: strawberry.Private[int]

    @strawberry.field
    async def asset(self, info: Info) -> Asset:
        """The file."""
        row = await info.context["loaders"].asset.load(self.asset_id)
        return Asset(url=row.address, alt=_localised(row.alt))


@strawberry.type
class Price:
    """A price."""

    amount: Decimal
    currency: str


@strawberry.type
class Variant:
    """A variant."""

    sku: str
    name: str | None
    number: strawberry.Private[int]
    product_id: strawberry.Private[int]

    @classmethod
    def of(cls, row: VariantModel) -> Variant:
        """The variant of a row."""
        return cls(sku=row.sku, name=_localised(row.name), number=row.id, product_id=row.product_id)

    @strawberry.field
    async def price(self, info: Info) -> Price | None:
        """Its price."""
        row = await info.context["loaders"].price.load(self.number)
        return None if row is None else Price(amount=row.amount, currency=row.currency)

    @strawberry.field
    async def product(self, info: Info) -> Product:
        """Its product."""
        return Product.of(await info.context["loaders"].product.load(self.product_id))


@strawberry.type
class Variants:
    """Variants."""

    nodes: list[Variant]


@strawberry.type
class Product:
    """A product."""

    id: strawberry.ID
    slug: str | None
    name: str | None
    row: strawberry.Private[ProductModel]

    @classmethod
    def of(cls, row: ProductModel) -> Product:
        """The product of a row."""
        own = strawberry.ID(ids.encode("product", row.id))
        return cls(id=own, slug=row.slug, name=_localised(row.name), row=row)

    @strawberry.field
    def attributes(self) -> list[AttributeValue]:
        """Its values."""
        return [
            AttributeValue(code=code, value=next(each["*"][at] for at in (*LOCALES, "*") if at in each["*"]))
            for code, each in sorted(self.row.attributes.items())
        ]

    @strawberry.field
    async def assets(self, info: Info) -> list[AssetLink]:
        """Its files."""
        rows = await info.context["loaders"].links_of.load(self.row.id)
        return [AssetLink(role=row.role, asset_id=row.asset_id) for row in rows]

    @strawberry.field
    async def variants(self, info: Info, first: int = 20) -> Variants:
        """Its variants."""
        rows = await info.context["loaders"].variants_of.load(self.row.id)
        return Variants(nodes=[Variant.of(row) for row in rows[:first]])


@strawberry.type
class Products:
    """A page of products."""

    nodes: list[Product]
    page_info: PageInfo


@strawberry.type
class Line:
    """A line of an order."""

    name: str
    quantity: int
    unit_price: Decimal
    total: Decimal
    variant_id: strawberry.Private[int | None]

    @strawberry.field
    async def variant(self, info: Info) -> Variant | None:
        """What was bought."""
        if self.variant_id is None:
            return None
        return Variant.of(await info.context["loaders"].variant.load(self.variant_id))


@strawberry.type
class Order:
    """An order."""

    number: str
    placed_at: str | None
    total: Decimal
    currency: str
    own: strawberry.Private[int]

    @strawberry.field
    async def lines(self, info: Info) -> list[Line]:
        """Its lines."""
        return [
            Line(
                name=row.name,
                quantity=row.quantity,
                unit_price=row.unit_price,
                total=row.total,
                variant_id=row.variant_id,
            )
            for row in await info.context["loaders"].lines_of.load(self.own)
        ]


@strawberry.type
class Orders:
    """Orders."""

    nodes: list[Order]


@strawberry.type
class Customer:
    """A customer."""

    id: strawberry.ID
    full_name: str | None
    email: str | None
    own: strawberry.Private[int]

    @strawberry.field
    async def orders(self, info: Info, first: int = 20) -> Orders:
        """Their orders."""
        rows = await info.context["loaders"].orders_of.load(self.own)
        return Orders(
            nodes=[
                Order(
                    number=row.number,
                    placed_at=row.placed_at and row.placed_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    total=row.total,
                    currency=row.currency,
                    own=row.id,
                )
                for row in rows[:first]
            ]
        )


@strawberry.type
class Customers:
    """A page of customers."""

    nodes: list[Customer]
    page_info: PageInfo


def _listed() -> Any:
    now = datetime.now().astimezone()
    return (
        select(ListingModel.id)
        .where(
            ListingModel.product_id == ProductModel.id,
            ListingModel.channel_id == CHANNEL,
            (ListingModel.starts_at.is_(None)) | (ListingModel.starts_at <= now),
            (ListingModel.ends_at.is_(None)) | (ListingModel.ends_at > now),
        )
        .exists()
    )


@strawberry.type
class Query:
    """What can be asked."""

    @strawberry.field
    async def products(self, info: Info, first: int = 20, after: str | None = None) -> Products:
        """A page of products."""
        statement = (
            select(ProductModel)
            .where(ProductModel.id > number(after), _listed())
            .order_by(ProductModel.id)
            .limit(first + 1)
        )
        async with info.context["sessions"]() as session:
            rows = (await session.execute(statement)).scalars().all()
        return Products(
            nodes=[Product.of(row) for row in rows[:first]],
            page_info=PageInfo(has_next_page=len(rows) > first),
        )

    @strawberry.field
    async def product(self, info: Info, slug: str) -> Product | None:
        """One product."""
        async with info.context["sessions"]() as session:
            row = (
                await session.execute(select(ProductModel).where(ProductModel.slug == slug, _listed()))
            ).scalar()
        return None if row is None else Product.of(row)

    @strawberry.field
    async def customers(self, info: Info, first: int = 20, after: str | None = None) -> Customers:
        """A page of customers."""
        statement = (
            select(CustomerModel)
            .where(CustomerModel.id > number(after))
            .order_by(CustomerModel.id)
            .limit(first + 1)
        )
        async with info.context["sessions"]() as session:
            rows = (await session.execute(statement)).scalars().all()
        nodes = [
            Customer(
                id=strawberry.ID(ids.encode("customer", row.id)),
                full_name=" ".join(filter(None, (row.given_name, row.family_name))) or None,
                email=row.email,
                own=row.id,
            )
            for row in rows[:first]
        ]
        return Customers(nodes=nodes, page_info=PageInfo(has_next_page=len(rows) > first))


def app(url: str) -> FastAPI:
    """The server."""
    engine = create_async_engine(url, connect_args={"options": "-c timezone=UTC"})
    sessions: Sessions = async_sessionmaker(engine, expire_on_commit=False)

    async def context() -> dict[str, Any]:
        return {"sessions": sessions, "loaders": Loaders(sessions)}

    made = FastAPI()
    made.include_router(GraphQLRouter(strawberry.Schema(Query), context_getter=context), prefix="/graphql")
    return made
