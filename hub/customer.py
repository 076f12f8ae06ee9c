"""Customers: the people that orders are for."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from hub import value
from hub.db import Base, Id, belongs, written
from hub.provenance import Sourced
from hub.registry import Event, Kept, KeptModel

KINDS = {"email": value.email, "phone": value.phone}
"""What a customer is known by, and the form that it is kept in."""


class Customer(KeptModel, Sourced, Base):
    """A person who buys, for themselves or for a company. ``erased_at``: since when nothing personal is known of them.

    ``birth_date``: ``YYYY-MM-DD``. ``merged_into_id``: the customer who they turned out to be (``hub.customer_group``).
    """

    __tablename__ = "customer"
    __kept__: ClassVar[Kept] = Kept(
        "customer",
        scope="customers",
        personal=frozenset({"given_name", "family_name", "email", "phone", "birth_date"}),
        derived=("erased_at", "merged_into_id"),
        owner="shop",
        events=(
            Event(
                "CASE WHEN n->>'erased_at' IS NOT NULL THEN 'customer.erased' END",
                says="They were erased: forget what you know of them.",
            ),
            Event(
                "CASE WHEN n->>'merged_into_id' IS NOT NULL THEN 'customer.merged' END",
                says="They turned out to be another customer, whom their id names from now on.",
            ),
            Event(
                "CASE WHEN op = 'U' AND n ? 'merged_into_id' AND n->>'merged_into_id' IS NULL"
                " THEN 'customer.unmerged' END",
                says="They are a customer of their own again.",
            ),
        ),
    )

    __table_args__ = (
        sa.CheckConstraint("merged_into_id <> id", name="merged_into"),
        sa.Index("ix_customer_erased", "id", postgresql_where=sa.text("erased_at IS NOT NULL")),
    )

    id: Mapped[Id]
    given_name: Mapped[str | None] = written(kind="line")
    family_name: Mapped[str | None] = written(kind="line")
    email: Mapped[str | None] = written(index=True, kind="email")
    phone: Mapped[str | None] = written(index=True, kind="phone")
    locale_id: Mapped[int | None] = written(
        sa.ForeignKey("locale.id"), refers="locale", name="locale", index=True
    )
    company_id: Mapped[int | None] = written(
        sa.ForeignKey("company.id"), refers="company", name="company", index=True
    )
    birth_date: Mapped[str | None] = written(kind="birth_date")
    erased_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    merged_into_id: Mapped[int | None] = mapped_column(sa.ForeignKey("customer.id"), index=True)


class CustomerIdentifier(KeptModel, Sourced, Base):
    """An e-mail address or phone number that the customer is known by. A verified one names one customer."""

    __tablename__ = "customer_identifier"
    __kept__: ClassVar[Kept] = Kept(
        "customer",
        scope="customers",
        root="customer_id",
        collection="identifiers",
        match=("type", "value"),
        personal=frozenset({"value"}),
        owner="shop",
    )
    __table_args__ = (
        sa.CheckConstraint("type IN ('email', 'phone')", name="type"),
        sa.UniqueConstraint("customer_id", "type", "value"),
        sa.Index(
            "uq_customer_identifier_verified",
            "type",
            "value",
            unique=True,
            postgresql_where=sa.text("verified"),
        ),
    )

    id: Mapped[Id]
    customer_id: Mapped[int] = belongs("customer.id")
    type: Mapped[str] = written(required=True, kind="contact_type")
    value: Mapped[str] = written(required=True, kind="line")
    verified: Mapped[bool] = written(server_default="false")

    @classmethod
    def prepare(cls, row: dict[str, Any]) -> None:
        """Bring the value to the one form that it is compared in. Raises ``hub.errors.Invalid`` for a wrong one."""
        if row.get("value") is not None and row.get("type") in KINDS:
            row["value"] = KINDS[row["type"]](row["value"])


class CustomerAddress(KeptModel, Sourced, Base):
    """A postal address of a customer; ``code`` tells it from the customer's others (``home``, ``office``)."""

    __tablename__ = "customer_address"
    __kept__: ClassVar[Kept] = Kept(
        "customer",
        scope="customers",
        root="customer_id",
        collection="addresses",
        match=("code",),
        personal=frozenset(
            {"name", "company", "street", "street2", "postal_code", "city", "region", "phone"}
        ),
        owner="shop",
    )
    __table_args__ = (
        sa.UniqueConstraint("customer_id", "code"),
        sa.CheckConstraint("country ~ '^[A-Z]{2}$'", name="country"),
    )

    id: Mapped[Id]
    customer_id: Mapped[int] = belongs("customer.id")
    code: Mapped[str] = written(required=True, kind="code")
    name: Mapped[str | None] = written(kind="line")
    company: Mapped[str | None] = written(kind="line")
    street: Mapped[str | None] = written(kind="line")
    street2: Mapped[str | None] = written(kind="line")
    postal_code: Mapped[str | None] = written(kind="line")
    city: Mapped[str | None] = written(kind="line")
    region: Mapped[str | None] = written(kind="line")
    country: Mapped[str] = written(required=True, kind="country")
    phone: Mapped[str | None] = written(kind="phone")
    position: Mapped[int] = written(server_default="0")
