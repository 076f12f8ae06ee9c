"""Customers: the people that orders are for."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

import sqlalchemy as sa
import strawberry

from hub import customer as tables
from hub import value
from schema import rule
from schema.declare import column, computed, connection, many, noun, one
from schema.node import Aggregate, Sourced
from schema.spec import LookUp

if TYPE_CHECKING:
    from schema.company import Company
    from schema.connection import Connection
    from schema.locale import Locale
    from schema.order import Order


@strawberry.enum(description="How a customer is reached.")
class ContactType(Enum):
    """How a customer is reached."""

    EMAIL = "email"
    PHONE = "phone"


@noun(
    tables.CustomerIdentifier,
    "An e-mail address or phone number that a customer is known by.",
    rows=rule.of_own_customer,
)
class CustomerIdentifier(Sourced):
    """An e-mail address or phone number that a customer is known by."""

    type: ContactType = column("What it is.", filter=True)
    value: str = column("The address in lower case, or the number in E.164.", filter=True)
    verified: bool = column(
        "Whether the customer proved that it is theirs. It names one customer then.", filter=True
    )


@noun(tables.CustomerAddress, "A postal address of a customer.", rows=rule.of_own_customer)
class CustomerAddress(Sourced):
    """A postal address of a customer."""

    code: str = column("Tells it from the customer's others, for example home.")
    name: str | None = column("Who it is addressed to; null: the customer.")
    company: str | None = column("The company on the label; null without one.")
    street: str | None = column("Street and number; null where unknown.")
    street2: str | None = column("A second line; null without one.")
    postal_code: str | None = column("Postal code; null where unknown.", filter=True)
    city: str | None = column("City; null where unknown.", filter=True)
    region: str | None = column("State or province; null without one.")
    country: str = column("ISO 3166 code of two letters.", filter=True)
    phone: str | None = column("Phone number for the delivery in E.164; null without one.")
    position: int = column("Its place among the addresses.")


def _by_contact(type_: str, description: str) -> LookUp:
    table = tables.CustomerIdentifier.__table__
    # Of two who were merged, one may have proved what the other has too.
    shown = tables.Customer.__table__.alias()
    return LookUp(
        type=str,
        description=description,
        select=lambda given: sa.select(sa.func.coalesce(shown.c.merged_into_id, shown.c.id)).where(
            shown.c.id == table.c.customer_id, table.c.type == type_, table.c.value == given, table.c.verified
        ),
        read=value.email if type_ == "email" else value.phone,
    )


def full_name(given_name: str | None, family_name: str | None) -> str | None:
    """Both names, as far as they are known."""
    return " ".join(name for name in (given_name, family_name) if name) or None


@noun(
    tables.Customer,
    "A person who buys, for themselves or for a company.",
    rows=rule.own_customer,
    single="customer",
    plural="customers",
    look_ups={
        "email": _by_contact("email", "A verified e-mail address."),
        "phone": _by_contact("phone", "A verified phone number, in E.164."),
    },
)
class Customer(Aggregate):
    """A person who buys, for themselves or for a company."""

    given_name: str | None = column("Given name; null where unknown.", filter=True, sort=True)
    family_name: str | None = column("Family name; null where unknown.", filter=True, sort=True)
    full_name: str | None = computed("Given and family name; null where neither is known.", full_name)
    email: str | None = column("The e-mail address to write to; null where unknown.", filter=True, sort=True)
    phone: str | None = column("The phone number to call, in E.164; null where unknown.", filter=True)
    birth_date: str | None = column(
        "Day of birth, YYYY-MM-DD; null where unknown. Personal.", requires="personal"
    )
    locale: Locale | None = one(
        "Locale", "The locale they are addressed in; null where unknown.", via="locale_id"
    )
    company: Company | None = one(
        "Company", "The company they buy for; null: for themselves.", via="company_id", filter=True
    )
    erased_at: datetime | None = column(
        "Since when nothing personal is known of them, nor taken in; null for all others."
    )
    identifiers: list[CustomerIdentifier] = many(
        "CustomerIdentifier", "What they are known by.", key="customer_id", filter=True
    )
    addresses: list[CustomerAddress] = many(
        "CustomerAddress",
        "Their addresses in order.",
        key="customer_id",
        order=("position", "id"),
        filter=True,
    )
    orders: Connection[Order] | None = connection(
        "Order", "Their orders; null for a token without orders:read.", key="customer_id", filter=True
    )
