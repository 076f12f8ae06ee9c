"""Who may see what: row rules and field rules, named once and given in the declarations.

A row rule is a predicate over the noun's columns, so it stands in the SQL of every way that leads to a row. Its values
are bound by name (``values``), so that a statement is the same text for every viewer of a kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from hub import registry
from hub.asset import ProductAsset, VariantAsset
from hub.cart import Cart
from hub.channel import ChannelPriceList
from hub.customer import Customer
from hub.errors import Forbidden, Required
from hub.listing import Listing
from hub.order import Order
from hub.product import Variant

if TYPE_CHECKING:
    from hub.viewer import Viewer
    from schema.context import Scope
    from schema.declare import Noun
    from schema.spec import Rows

CHANNEL = sa.bindparam("rule_channel", type_=sa.BigInteger)
CHANNELS = sa.bindparam("rule_channels", type_=ARRAY(sa.BigInteger))
CUSTOMER = sa.bindparam("rule_customer", type_=sa.BigInteger)
MOMENT = sa.func.coalesce(sa.bindparam("rule_moment", type_=sa.DateTime(timezone=True)), sa.func.now())

FIELD_RULES: dict[str, tuple[Callable[[Viewer], bool], str]] = {
    "staff": (lambda viewer: viewer.sees_unlisted, "only staff and apps see it"),
    "personal": (
        lambda viewer: viewer.sees_personal,
        'it is personal data, for tokens with the scope "customers:read"',
    ),
}
"""Field rules by name: who passes, and what the refusal says."""


def values(viewer: Viewer, scope: Scope) -> dict[str, Any]:
    """What the names in row rules stand for."""
    return {
        "rule_channel": scope.channel.id if scope.channel else None,
        "rule_channels": sorted(viewer.channel_ids or ()),
        "rule_customer": viewer.customer_id,
        "rule_moment": scope.as_of,
    }


def opened(viewer: Viewer, noun: Noun) -> None:
    """Raises ``Forbidden`` where the viewer's scopes do not open the noun."""
    if noun.scope is not None:
        viewer.require(noun.scope, "read")


def passed(viewer: Viewer, requires: str | None, field: str) -> None:
    """Raises ``Forbidden`` where the field rule refuses the viewer."""
    if requires is None:
        return
    allows, because = FIELD_RULES[requires]
    if not allows(viewer):
        raise Forbidden(f'Field "{field}" is closed to this token: {because}.')


def within(starts_at: Any, ends_at: Any) -> sa.ColumnElement[bool]:
    """Whether a half-open window holds the reader's moment: now, or ``asOf``."""
    return sa.and_(
        sa.or_(starts_at.is_(None), starts_at <= MOMENT), sa.or_(ends_at.is_(None), ends_at > MOMENT)
    )


def listed(product_id: Any) -> sa.ColumnElement[bool]:
    """Whether the product is on offer in the reader's channel at the reader's moment."""
    listing = Listing.__table__.alias()
    rows: sa.Select[Any] = sa.select(sa.literal_column("1")).where(
        listing.c.product_id == product_id,
        listing.c.channel_id == CHANNEL,
        within(listing.c.starts_at, listing.c.ends_at),
    )
    # OFFSET 0 keeps PostgreSQL from joining all listings up to a page: it looks up those of each product instead.
    return rows.offset(sa.literal_column("0")).exists()


def listed_products(row: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """Products: a storefront sees what is on offer."""
    return None if viewer.sees_unlisted else listed(row.id)


def of_listed_products(row: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """Parts of products: a storefront sees those of what is on offer."""
    return None if viewer.sees_unlisted else listed(row.product_id)


def of_listed_variants(row: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """What hangs on a variant elsewhere: a storefront sees it for what is on offer."""
    if viewer.sees_unlisted:
        return None
    variant = Variant.__table__.alias()
    return sa.exists().where(variant.c.id == row.variant_id, listed(variant.c.product_id))


def shown_assets(row: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """Assets: a storefront sees those of what is on offer."""
    if viewer.sees_unlisted:
        return None
    product, variant = ProductAsset.__table__.alias(), VariantAsset.__table__.alias()
    return sa.or_(
        sa.exists().where(product.c.asset_id == row.id, listed(product.c.product_id)),
        sa.exists().where(variant.c.asset_id == row.id, listed(variant.c.product_id)),
    )


def staff_only(_: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """What a storefront never sees as a list: price lists, other channels' windows."""
    return None if viewer.sees_unlisted else sa.false()


def bound_messages(row: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """Kept messages: a token that is bound to channels sees those of senders that reach no further."""
    if not viewer.sees_unlisted:
        return sa.false()
    return None if viewer.channel_ids is None else row.channel_ids.contained_by(CHANNELS)


def readable_proposals(row: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """Proposals: those about nouns whose scopes the token has; what is proposed of orders may be personal."""
    if not viewer.sees_unlisted or viewer.channel_ids is not None:
        return sa.false()
    scopes = {part.name: part.kept.scope for part in registry.roots()}
    closed = [name for name, scope in scopes.items() if not viewer.may(scope, "read")]
    closed += ["order"] if not viewer.sees_personal else []
    # No list whose length the text depends on: a page's cursors could not be bound late beside it.
    return row.noun != sa.all_(sa.cast(sorted(set(closed)), ARRAY(sa.Text))) if closed else None


def bound_listings(row: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """Listings: staff and apps see those of the channels that their token is bound to."""
    if not viewer.sees_unlisted:
        return sa.false()
    return None if viewer.channel_ids is None else row.channel_id == sa.any_(CHANNELS)


def bound_prices(row: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """Prices: staff and apps see those of the lists that their token's channels sell by."""
    return _of_bound_lists(row.price_list_id, viewer)


def bound_price_lists(row: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """Price lists: staff and apps see those that their token's channels sell by."""
    return _of_bound_lists(row.id, viewer)


def _of_bound_lists(price_list_id: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    if not viewer.sees_unlisted:
        return sa.false()
    if viewer.channel_ids is None:
        return None
    sold = ChannelPriceList.__table__.alias()
    return sa.exists().where(sold.c.price_list_id == price_list_id, sold.c.channel_id == sa.any_(CHANNELS))


def own_channels(row: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """Channels: those that the token is bound to."""
    return None if viewer.channel_ids is None else row.id == sa.any_(CHANNELS)


def own_customer(row: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """Customers: a customer's token sees its own."""
    return None if viewer.sees_unlisted else row.id == CUSTOMER


def own_company(row: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """Companies: a customer's token sees the one that it buys for."""
    if viewer.sees_unlisted:
        return None
    customer = Customer.__table__.alias()
    return sa.exists().where(customer.c.id == CUSTOMER, customer.c.company_id == row.id)


def own_orders(row: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """Orders: of the token's channels; a customer's token sees its own."""
    rules = []
    if not viewer.sees_unlisted:
        rules.append(row.customer_id == CUSTOMER)
    if viewer.channel_ids is not None:
        rules.append(row.channel_id == sa.any_(CHANNELS))
    return sa.and_(*rules) if rules else None


def of_own_orders(row: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """Parts of orders: those of the orders that the viewer sees."""
    order = Order.__table__.alias()
    rule = own_orders(order.c, viewer)
    return None if rule is None else sa.exists().where(order.c.id == row.order_id, rule)


def of_own_carts(row: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """Parts of carts: those of the carts that the viewer sees."""
    cart = Cart.__table__.alias()
    rule = own_orders(cart.c, viewer)
    return None if rule is None else sa.exists().where(cart.c.id == row.cart_id, rule)


def of_own_notes(row: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """Notes on orders: a customer's token sees the public ones of its own orders."""
    rule = of_own_orders(row, viewer)
    return rule if rule is None or viewer.sees_unlisted else sa.and_(row.public, rule)


def of_own_customer(row: Any, viewer: Viewer) -> sa.ColumnElement[bool] | None:
    """Parts of customers: a customer's token sees its own."""
    return None if viewer.sees_unlisted else row.customer_id == CUSTOMER


FOLLOWS: dict[Rows, tuple[str, Rows, str]] = {
    of_listed_products: ("product_id", listed_products, "id"),
    of_own_customer: ("customer_id", own_customer, "id"),
    of_own_orders: ("order_id", own_orders, "id"),
}
"""Row rules that hold of what a column ties to a row which another rule lets through: the column, that rule, its column."""


def follows(noun: Noun, key: str | None, owner: Noun, here: str) -> bool:
    """Whether everyone who sees a row of the owner sees the rows of a noun whose ``key`` holds the owner's ``here``.

    A row rule that follows from another one need not be asked again below a row that was seen.
    """
    if noun.rows is None:
        return True
    return owner.rows is not None and FOLLOWS.get(noun.rows) == (key, owner.rows, here)


def no_channel(name: str) -> Required:
    """The refusal of something that means nothing without a channel."""
    return Required(f"{name} is about a channel: name one in the argument channel.", ("channel",))
