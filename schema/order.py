"""Orders: what was bought, as it was and cost at that moment."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

import strawberry

from hub import order as tables
from hub.order_line import OrderLine as LineTable
from schema import rule
from schema.declare import column, computed, connection, many, noun, one, scoped
from schema.look_up import by_column
from schema.node import Aggregate, Sourced
from schema.scalar import Long

if TYPE_CHECKING:
    from schema.channel import Channel
    from schema.company import Company
    from schema.connection import Connection
    from schema.customer import Customer
    from schema.fulfilment import Fulfilment
    from schema.order_amount import OrderDiscount, OrderPayment, OrderTax
    from schema.order_edit import OrderEdit
    from schema.order_event import OrderEvent
    from schema.order_note import OrderNote
    from schema.order_return import OrderReturn
    from schema.refund import Refund
    from schema.variant import Variant


@strawberry.enum(description="How far an order is.")
class OrderStatus(Enum):
    """How far an order is."""

    DRAFT = "draft"
    PLACED = "placed"
    CONFIRMED = "confirmed"
    PARTLY_FULFILLED = "partly_fulfilled"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"
    CLOSED = "closed"


@strawberry.enum(description="How far a line of an order is.")
class OrderLineStatus(Enum):
    """How far a line of an order is."""

    OPEN = strawberry.enum_value("open", description="Nothing of it was sent yet.")
    PARTLY_FULFILLED = "partly_fulfilled"
    FULFILLED = "fulfilled"
    RETURNED = strawberry.enum_value("returned", description="All that was sent came back.")
    CANCELLED = "cancelled"


def line_status(quantity: int, fulfilled: int, returned: int, cancelled: int) -> OrderLineStatus:
    """How far a line is; it follows from its pieces."""
    if cancelled == quantity:
        return OrderLineStatus.CANCELLED
    if fulfilled == 0:
        return OrderLineStatus.OPEN
    if returned == fulfilled:
        return OrderLineStatus.RETURNED
    complete = fulfilled + cancelled == quantity
    return OrderLineStatus.FULFILLED if complete else OrderLineStatus.PARTLY_FULFILLED


@strawberry.type(description="A postal address as it was when the order was placed.")
class PostalAddress:
    """A postal address as it was."""

    name: str | None = strawberry.field(description="Who it is addressed to; null where unknown.")
    company: str | None = strawberry.field(description="The company on the label; null without one.")
    street: str | None = strawberry.field(description="Street and number; null where unknown.")
    street2: str | None = strawberry.field(description="A second line; null without one.")
    postal_code: str | None = strawberry.field(description="Postal code; null where unknown.")
    city: str | None = strawberry.field(description="City; null where unknown.")
    region: str | None = strawberry.field(description="State or province; null without one.")
    country: str | None = strawberry.field(description="ISO 3166 code of two letters; null where unknown.")
    phone: str | None = strawberry.field(description="Phone number in E.164; null without one.")


def address(stored: dict[str, Any] | None, _: Any) -> PostalAddress | None:
    """The address that was stored with an order."""
    names = PostalAddress.__dataclass_fields__
    return None if stored is None else PostalAddress(**{name: stored.get(name) for name in names})


@noun(
    LineTable,
    "One line of an order: what it was called and cost when it was placed.",
    rows=rule.of_own_orders,
)
class OrderLine(Sourced):
    """One line of an order: what it was called and cost when it was placed."""

    position: int = column("Its place in the order.")
    variant: Variant | None = one(
        "Variant",
        "What was bought; null where the hub never had it, or this token does not see it now.",
        via="variant_id",
        filter=True,
    )
    sku: str | None = column("Its SKU then; null where it had none.", filter=True)
    name: str = column("Its name then.", filter=True)
    quantity: Long = column("How many pieces.", filter=True)
    unit_price: Decimal = column("For one piece, in the order's currency.")
    discount: Decimal = column("Taken off the line, in the order's currency.")
    tax_rate: Decimal | None = column("Tax as a fraction, 0.19 for 19 %; null where unknown.")
    total: Decimal = column("Quantity × unit price − discount, in the order's currency.")
    status: OrderLineStatus = computed("How far it is; it follows from its pieces.", line_status)
    fulfilled: Long = column("How many pieces were sent.", filter=True)
    returned: Long = column("How many of those came back.", filter=True)
    cancelled: Long = column("How many pieces will not be sent any more.", filter=True)


@noun(
    tables.Order,
    "A sale.",
    rows=rule.own_orders,
    single="order",
    plural="orders",
    look_ups={"number": by_column(tables.Order, "number", "Its number.")},
)
class Order(Aggregate):
    """A sale."""

    number: str = column("Its number, unique in the hub.", filter=True, sort=True)
    channel: Channel | None = one(
        "Channel",
        "Where it was placed; null for a token that does not see it.",
        via="channel_id",
        filter=True,
    )
    customer: Customer | None = one(
        "Customer", "Who bought; null for a guest.", via="customer_id", filter=True
    )
    company: Company | None = one(
        "Company", "The company that was bought for; null without one.", via="company_id", filter=True
    )
    currency: str = column("ISO 4217 code of all its amounts.", filter=True)
    status: OrderStatus = column("How far it is.", filter=True)
    placed_at: datetime | None = column("When it was placed; null for a draft.", filter=True, sort=True)
    email: str | None = column(
        "Where its messages go; null where unknown. Personal.", filter=True, requires="personal"
    )
    billing_address: PostalAddress | None = scoped(
        "Who pays, as it was then; null where unknown. Personal.",
        "billing_address",
        address,
        requires="personal",
    )
    shipping_address: PostalAddress | None = scoped(
        "Where it goes, as it was then; null where unknown. Personal.",
        "shipping_address",
        address,
        requires="personal",
    )
    tax_included: bool = column("Whether the amounts have the tax in them.")
    subtotal: Decimal = column("The lines together.")
    shipping_total: Decimal = column("For sending it.")
    tax_total: Decimal = column("The tax, in the amounts or on top of them.")
    total: Decimal = column("What is to be paid.", filter=True, sort=True)
    lines: list[OrderLine] = many(
        "OrderLine", "What was bought.", key="order_id", order=("position", "id"), filter=True
    )
    discounts: list[OrderDiscount] = many(
        "OrderDiscount",
        "What was taken off it; the lines' discounts hold it already.",
        key="order_id",
        order=("position", "id"),
    )
    taxes: list[OrderTax] = many("OrderTax", "Its tax by rate.", key="order_id", order=("position", "id"))
    payments: list[OrderPayment] = many(
        "OrderPayment",
        "Its payments, as far as the hub was told.",
        key="order_id",
        order=("id",),
        filter=True,
    )
    fulfilments: list[Fulfilment] = many(
        "Fulfilment", "What was sent of it, oldest first.", key="order_id", order=("id",), filter=True
    )
    returns: list[OrderReturn] = many(
        "OrderReturn", "What came back of it, oldest first.", key="order_id", order=("id",), filter=True
    )
    refunds: list[Refund] = many(
        "Refund", "What was paid back of it, oldest first.", key="order_id", order=("id",), filter=True
    )
    notes: list[OrderNote] = many(
        "OrderNote", "What was said of it, oldest first.", key="order_id", order=("id",), filter=True
    )
    edits: list[OrderEdit] = many(
        "OrderEdit",
        "How it was changed after it was placed, oldest first.",
        key="order_id",
        order=("id",),
        filter=True,
    )
    timeline: Connection[OrderEvent] = connection(
        "OrderEvent", "What happened to it, oldest first.", key="order_id", order=("id",)
    )
