"""Companies: the businesses that customers buy for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.company import Company as Table
from schema import rule
from schema.declare import column, connection, noun, one
from schema.look_up import by_code
from schema.node import Aggregate

if TYPE_CHECKING:
    from schema.connection import Connection
    from schema.customer import Customer
    from schema.order import Order


@noun(
    Table,
    "A business that customers buy for.",
    rows=rule.own_company,
    single="company",
    plural="companies",
    look_ups={"code": by_code(Table)},
)
class Company(Aggregate):
    """A business that customers buy for."""

    code: str = column("Its code.", filter=True, sort=True)
    name: str = column("Its name.", filter=True, sort=True)
    parent: Company | None = one(
        "Company", "The company that it belongs to; null without one.", via="parent_id", filter=True
    )
    customers: Connection[Customer] = connection("Customer", "Those who buy for it.", key="company_id")
    orders: Connection[Order] | None = connection(
        "Order", "Its orders; null for a token without orders:read.", key="company_id"
    )
