"""Carts: what somebody means to buy, until it is ordered or left behind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from hub.aggregate import Aggregate
from hub.db import Base, Id, belongs, written
from hub.order import Order
from hub.provenance import Sourced
from hub.registry import Event, Kept, KeptModel

if TYPE_CHECKING:
    from hub.draft import Draft

ABANDONED_AT_ONCE = 1_000


class Cart(KeptModel, Sourced, Base):
    """What a visitor or customer means to buy in a channel. It holds nothing personal and no prices.

    ``abandoned_at``: since when nobody has come back to it; null while it is alive, and again when it is changed.
    """

    __tablename__ = "cart"
    __kept__: ClassVar[Kept] = Kept(
        "cart",
        scope="orders",
        audience=("cart", "id"),
        derived=("abandoned_at",),
        owner="shop",
        events=(
            Event(
                "CASE WHEN op = 'U' AND n->>'abandoned_at' IS NOT NULL THEN 'cart.abandoned' END",
                says="Nobody has changed a cart for a while, and it was not ordered.",
            ),
        ),
    )

    id: Mapped[Id]
    channel_id: Mapped[int] = written(
        sa.ForeignKey("channel.id"), refers="channel", name="channel", required=True, index=True
    )
    customer_id: Mapped[int | None] = written(
        sa.ForeignKey("customer.id", ondelete="CASCADE"), refers="customer", name="customer", index=True
    )
    company_id: Mapped[int | None] = written(
        sa.ForeignKey("company.id", ondelete="SET NULL"), refers="company", name="company", index=True
    )
    note: Mapped[str | None] = written(kind="line")
    abandoned_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))

    @classmethod
    def complete(cls, _: sa.Connection, drafts: Sequence[Draft]) -> None:
        """Whoever changes a cart has come back to it."""
        for draft in drafts:
            draft.values["abandoned_at"] = None


class CartLine(KeptModel, Sourced, Base):
    """So many pieces of a variant. What they cost is looked up whenever it is asked for."""

    __tablename__ = "cart_line"
    __kept__: ClassVar[Kept] = Kept(
        "cart", scope="orders", root="cart_id", collection="lines", match=("variant",), owner="shop"
    )
    __table_args__ = (
        sa.UniqueConstraint("cart_id", "variant_id"),
        sa.CheckConstraint("quantity > 0", name="quantity"),
    )

    id: Mapped[Id]
    cart_id: Mapped[int] = belongs("cart.id")
    position: Mapped[int] = written(server_default="0")
    variant_id: Mapped[int] = written(
        sa.ForeignKey("variant.id", ondelete="CASCADE"),
        refers="variant",
        name="variant",
        required=True,
        index=True,
    )
    quantity: Mapped[int] = written(required=True, kind="count")


RULES = """
CREATE OR REPLACE FUNCTION rule_cart_ordered_{suffix}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong text;
BEGIN
    SELECT o.number INTO wrong FROM ({rows}) changed JOIN "order" o ON o.cart_id = changed.cart_id
    JOIN cart c ON c.id = changed.cart_id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'The cart became order "%": it changes no more, make another cart.', wrong
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER rule_cart_ordered_{suffix} AFTER {operation} ON cart_line REFERENCING {tables}
    FOR EACH STATEMENT EXECUTE FUNCTION rule_cart_ordered_{suffix}();
"""


def scripts() -> list[str]:
    """The SQL that keeps an ordered cart as it was."""
    changed = (
        "SELECT o.cart_id FROM new_rows n JOIN old_rows o USING (id)"
        " WHERE (n.variant_id, n.quantity) IS DISTINCT FROM (o.variant_id, o.quantity)"
    )
    each = (
        ("i", "INSERT", "NEW TABLE AS new_rows", "SELECT cart_id FROM new_rows"),
        # A variant that is deleted goes from ordered carts too: the order knows what it was.
        ("u", "UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows", changed),
    )
    return [
        RULES.format(suffix=suffix, operation=operation, tables=tables, rows=rows)
        for suffix, operation, tables, rows in each
    ]


def abandon(tx: sa.Connection, minutes: float) -> int:
    """Note which carts nobody has changed for so long; gives how many. There may be more.

    Empty carts and those that were ordered are left alone.
    """
    old = (
        sa.select(Cart.id)
        .join(Aggregate, sa.and_(Aggregate.type == "cart", Aggregate.id == Cart.id))
        .where(
            Cart.abandoned_at.is_(None),
            Aggregate.updated_at < sa.func.now() - timedelta(minutes=minutes),
            sa.exists().where(CartLine.cart_id == Cart.id),
            ~sa.exists().where(Order.cart_id == Cart.id),
        )
        .order_by(Cart.id)
        .limit(ABANDONED_AT_ONCE)
        .with_for_update(of=Cart, skip_locked=True)
    )
    left = sa.update(Cart).where(Cart.id.in_(old.scalar_subquery()))
    return tx.execute(left.values(abandoned_at=sa.func.now())).rowcount
