"""Channels: where the shop sells, in which currency and languages, at which prices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub.db import Base, Id, Json, belongs, written
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel

if TYPE_CHECKING:
    from hub.draft import Draft

NO_LETTER = re.compile(r"[^A-Z0-9]")


class Channel(KeptModel, Sourced, Base):
    """A storefront, a marketplace or a till."""

    __tablename__ = "channel"
    __kept__: ClassVar[Kept] = Kept("channel", scope="settings", key="code", deep=("name",))
    __table_args__ = (sa.CheckConstraint("code ~ '^[a-z0-9][a-z0-9_-]*$'", name="code"),)

    id: Mapped[Id]
    code: Mapped[str] = written(unique=True, required=True, kind="code")
    name: Mapped[Json] = written(server_default="{}", kind="texts")
    currency: Mapped[str] = written(required=True, kind="currency")
    order_prefix: Mapped[str] = written(unique=True, kind="prefix")

    @classmethod
    def complete(cls, _: sa.Connection, drafts: Sequence[Draft]) -> None:
        """A new channel that names no prefix of its orders' numbers gets one from its code: ``web`` gives ``WEB-``."""
        for draft in drafts:
            if draft.current is None and draft.values.get("code"):
                draft.values.setdefault(
                    "order_prefix", f"{NO_LETTER.sub('-', draft.values['code'].upper())[:11]}-"
                )


class ChannelLocale(KeptModel, Sourced, Base):
    """A locale of a channel. Position orders the fallback chain; the first one is the default."""

    __tablename__ = "channel_locale"
    __kept__: ClassVar[Kept] = Kept(
        "channel", scope="settings", root="channel_id", collection="locales", match=("locale",)
    )
    __table_args__ = (sa.UniqueConstraint("channel_id", "locale_id"),)

    id: Mapped[Id]
    channel_id: Mapped[int] = belongs("channel.id")
    locale_id: Mapped[int] = written(
        sa.ForeignKey("locale.id"), refers="locale", name="locale", required=True, index=True
    )
    position: Mapped[int] = written(server_default="0")


class ChannelPriceList(KeptModel, Sourced, Base):
    """A price list that the channel sells by. Where two lists price the same variant, the lower position wins."""

    __tablename__ = "channel_price_list"
    __kept__: ClassVar[Kept] = Kept(
        "channel",
        scope="settings",
        root="channel_id",
        collection="price_lists",
        match=("price_list",),
        audience=("price_list", "price_list_id"),
    )
    __table_args__ = (sa.UniqueConstraint("channel_id", "price_list_id"),)

    id: Mapped[Id]
    channel_id: Mapped[int] = belongs("channel.id")
    price_list_id: Mapped[int] = written(
        sa.ForeignKey("price_list.id"), refers="price_list", name="price_list", required=True, index=True
    )
    position: Mapped[int] = written(server_default="0")


def fallback(locales: Sequence[str], wanted: str) -> list[str]:
    """The locales to try for a text, in order: the wanted one, its language, then the channel's own order.

    ``de-AT`` falls back to ``de`` only where the channel has it (RFC 4647, section 3.4, within the channel's locales).
    """
    parents = [wanted.rsplit("-", cut)[0] for cut in range(wanted.count("-") + 1)]
    return list(dict.fromkeys([wanted, *(tag for tag in parents if tag in locales), *locales]))
