"""Tokens: who may ask, and in which system's name they write."""

from __future__ import annotations

from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

import hashlib
import hmac
import secrets
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.dialects.postgresql import ARRAY

from hub.db import Base, Id

KINDS = ("staff", "app", "storefront", "customer")
PREFIXES = {"staff": "hubs", "app": "huba", "storefront": "hubp", "customer": "hubc"}
SCOPES = ("catalogue", "customers", "orders", "stock", "settings", "webhooks", "feed")
VERBS = ("read", "write")


class Token(Base):
    """A key to the hub. Only a keyed hash of it is stored; the text is shown once.

    ``scopes`` holds ``noun family:verb`` entries; ``channels`` the ids it is bound to (null: all of them);
    ``system`` becomes the source of what it writes.
    """

    __tablename__ = "token"
    __table_args__ = (
        sa.CheckConstraint(f"kind IN {KINDS!r}", name="kind"),
        sa.CheckConstraint("(kind = 'customer') = (customer_id IS NOT NULL)", name="customer"),
    )

    id: Mapped[Id]
    kind: Mapped[str]
    name: Mapped[str]
    hash: Mapped[bytes] = sa.orm.mapped_column(sa.LargeBinary, unique=True)
    last_four: Mapped[str]
    system: Mapped[str]
    scopes: Mapped[list[str]] = sa.orm.mapped_column(ARRAY(sa.Text))
    channel_ids: Mapped[list[int] | None] = sa.orm.mapped_column(ARRAY(sa.BigInteger))
    default_channel_id: Mapped[int | None] = sa.orm.mapped_column(
        sa.ForeignKey("channel.id", ondelete="SET NULL")
    )
    default_locale: Mapped[str | None]
    customer_id: Mapped[int | None] = sa.orm.mapped_column(sa.ForeignKey("customer.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = sa.orm.mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    expires_at: Mapped[datetime | None] = sa.orm.mapped_column(sa.DateTime(timezone=True))
    last_used_at: Mapped[datetime | None] = sa.orm.mapped_column(sa.DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = sa.orm.mapped_column(sa.DateTime(timezone=True))
