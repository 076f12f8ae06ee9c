"""Channels: where the shop sells, in which currency and languages, at which prices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub import channel as tables
from hub.location import ChannelLocation as LocationTable
from schema import rule
from schema.declare import column, many, noun, one, text
from schema.look_up import by_code
from schema.node import Aggregate, Sourced

if TYPE_CHECKING:
    from schema.locale import Locale
    from schema.location import Location
    from schema.price_list import PriceList


@noun(tables.ChannelLocale, "A locale of a channel.")
class ChannelLocale(Sourced):
    """A locale of a channel."""

    locale: Locale = one("Locale", "The locale.", via="locale_id")
    position: int = column("Its place in the fallback chain, from 0; the first one is the default.")


@noun(tables.ChannelPriceList, "A price list that a channel sells by.", rows=rule.staff_only)
class ChannelPriceList(Sourced):
    """A price list that a channel sells by."""

    price_list: PriceList | None = one(
        "PriceList", "The price list; null for a token that does not see it.", via="price_list_id"
    )
    position: int = column("Where two lists price the same variant, the lower position wins.")


@noun(LocationTable, "A location that serves a channel.", rows=rule.staff_only)
class ChannelLocation(Sourced):
    """A location that serves a channel."""

    location: Location | None = one(
        "Location", "The location; null for a token without stock:read.", via="location_id"
    )
    position: int = column("Its place in the order in which locations promise, from 0.")


@noun(
    tables.Channel,
    "A storefront, a marketplace or a till.",
    rows=rule.own_channels,
    single="channel",
    plural="channels",
    look_ups={"code": by_code(tables.Channel)},
)
class Channel(Aggregate):
    """A storefront, a marketplace or a till."""

    code: str = column("Its name in queries, for example web.", filter=True, sort=True)
    name: str | None = text("What people call it; null without a name.", filter=True, sort=True)
    currency: str = column("ISO 4217 code of the currency that it sells in.", filter=True)
    order_prefix: str = column("What its order numbers start with.")
    locales: list[ChannelLocale] = many(
        "ChannelLocale",
        "Its locales in the order of the fallback chain.",
        key="channel_id",
        order=("position", "id"),
    )
    price_lists: list[ChannelPriceList] = many(
        "ChannelPriceList",
        "The price lists it sells by, the winning one first. Empty for storefronts.",
        key="channel_id",
        order=("position", "id"),
    )
    locations: list[ChannelLocation] = many(
        "ChannelLocation",
        "The locations that serve it, the one that promises first in front; empty: all of them do. Empty for storefronts.",
        key="channel_id",
        order=("position", "id"),
    )
