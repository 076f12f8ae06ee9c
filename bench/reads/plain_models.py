"""The models of the plain server, over the hub's tables: of each the columns that it reads."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Numeric
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The models' common ground."""


class ProductModel(Base):
    """A product."""

    __tablename__ = "product"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str | None]
    name: Mapped[dict[str, str]] = mapped_column(JSONB)
    attributes: Mapped[dict[str, Any]] = mapped_column(JSONB)


class ListingModel(Base):
    """When a product is on offer."""

    __tablename__ = "listing"
    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    channel_id: Mapped[int]
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]


class AssetModel(Base):
    """A file."""

    __tablename__ = "asset"
    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str]
    alt: Mapped[dict[str, str]] = mapped_column(JSONB)


class LinkModel(Base):
    """A file as a product shows it."""

    __tablename__ = "product_asset"
    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    asset_id: Mapped[int] = mapped_column(ForeignKey("asset.id"))
    role: Mapped[str]
    position: Mapped[int]


class VariantModel(Base):
    """A variant."""

    __tablename__ = "variant"
    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    sku: Mapped[str]
    position: Mapped[int]
    name: Mapped[dict[str, str]] = mapped_column(JSONB)


class SoldModel(Base):
    """A price list of a channel."""

    __tablename__ = "channel_price_list"
    id: Mapped[int] = mapped_column(primary_key=True)
    channel_id: Mapped[int]
    price_list_id: Mapped[int]
    position: Mapped[int]


class PriceModel(Base):
    """A price."""

    __tablename__ = "price"
    id: Mapped[int] = mapped_column(primary_key=True)
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    price_list_id: Mapped[int]
    company_id: Mapped[int | None]
    min_quantity: Mapped[int]
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    amount: Mapped[Decimal] = mapped_column(Numeric)
    currency: Mapped[str]


class CustomerModel(Base):
    """A customer."""

    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    given_name: Mapped[str | None]
    family_name: Mapped[str | None]
    email: Mapped[str | None]


class OrderModel(Base):
    """An order."""

    __tablename__ = "order"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customer.id"))
    number: Mapped[str]
    placed_at: Mapped[datetime | None]
    total: Mapped[Decimal] = mapped_column(Numeric)
    currency: Mapped[str]


class LineModel(Base):
    """A line of an order."""

    __tablename__ = "order_line"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id"))
    variant_id: Mapped[int | None] = mapped_column(ForeignKey("variant.id"))
    position: Mapped[int]
    name: Mapped[str]
    quantity: Mapped[int]
    unit_price: Mapped[Decimal] = mapped_column(Numeric)
    total: Mapped[Decimal] = mapped_column(Numeric)
