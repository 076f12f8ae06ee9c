"""One request: the database, who asks, and the loaders; and the scope that a root field opens for all below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from strawberry.dataloader import DataLoader

from hub import value
from hub.channel import Channel, ChannelLocale, fallback
from hub.customer import Customer
from hub.errors import Forbidden, NotFound, Required
from hub.locale import Locale
from hub.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from hub.db import Database
    from hub.viewer import Viewer

    Batch = Callable[[list[Any]], Awaitable[Sequence[Any]]]

SCOPES = 16
"""Scopes that are kept with what they were opened on."""


@dataclass(frozen=True)
class Place:
    """A channel as reads know it, with its locales in the order of its fallback chain."""

    id: int
    code: str
    currency: str
    locales: tuple[str, ...]


@dataclass(frozen=True)
class Scope:
    """What a root field says for everything below it.

    ``channel``: null reads without a channel. ``locales``: the fallback chain, the wanted locale first. ``as_of``: the
    moment that windows are read at, null for now. ``company_id``: whose prices are looked up unless a field says more.
    ``wanted``: the locale asked for, null for the channel's own order.
    """

    channel: Place | None = None
    locales: tuple[str, ...] = ()
    as_of: datetime | None = None
    company_id: int | None = None
    wanted: str | None = None


@dataclass(frozen=True)
class Ground:
    """What was read of scopes together with the token. ``places``: channels by code and by id, not all there are.

    ``locales``: every locale, null where they were not read; ``company_id``: the one that the viewer buys for.
    """

    places: Mapping[str | int, Place]
    locales: tuple[str, ...] | None
    company_id: int | None
    scopes: Recent[Hashable, Scope] = field(default_factory=lambda: Recent(SCOPES), compare=False)
    """Those of this moment that were opened on it, by who asks and what they name."""

    def holds(self, scope: Scope) -> bool:
        """Whether all of a scope was read with it: what was read later may be otherwise the next time."""
        if scope.channel is None:
            return self.locales is not None
        return self.places.get(scope.channel.id) is scope.channel


@dataclass
class Context:
    """What the resolvers of one request share. ``ground``: null where the token was not read with it."""

    database: Database
    viewer: Viewer
    extras: dict[str, Any] = field(default_factory=dict)
    ground: Ground | None = None
    _loaders: dict[Hashable, DataLoader[Any, Any]] = field(default_factory=dict)

    def loader(self, key: Hashable, batch: Batch) -> DataLoader[Any, Any]:
        """The loader of that key; ``batch`` makes it the first time."""
        if key not in self._loaders:
            self._loaders[key] = DataLoader(batch)
        return self._loaders[key]

    def forget(self) -> None:
        """Drop what was loaded: a mutation calls this after its commit, so that its payload reads the new rows."""
        self._loaders.clear()

    async def scope(
        self, channel: str | None = None, locale: str | None = None, as_of: datetime | None = None
    ) -> Scope:
        """The scope that root arguments open, the token's defaults standing in for missing ones.

        Raises ``NotFound`` for an unknown channel, ``Forbidden`` for one that the token is not bound to and for a
        moment that it may not read at, ``Required`` where a storefront's token names none and has no default, and ``Invalid`` for what is no locale.
        """
        if self.ground is None or as_of is not None:
            return await self._scope(channel, locale, as_of)
        key = (self.viewer, channel, locale)
        known = self.ground.scopes.find(key)
        if known is not None:
            return known
        opened = await self._scope(channel, locale, None)
        return self.ground.scopes.keep(key, opened) if self.ground.holds(opened) else opened

    async def _scope(self, channel: str | None, locale: str | None, as_of: datetime | None) -> Scope:
        self.viewer.require_moment(as_of, ("asOf",))
        place = await self._place(channel)
        if place is None and not self.viewer.sees_unlisted:
            raise Required("This token reads a channel: name one in the argument channel.", ("channel",))
        wanted = self.viewer.default_locale if locale is None else value.locale(locale)
        return Scope(place, await self._chain(place, wanted), as_of, await self._company(), wanted)

    async def _place(self, code: str | None) -> Place | None:
        wanted = code if code is not None else self._default_channel()
        if wanted is None:
            return None
        place = self.ground.places.get(wanted) if self.ground else None
        if place is None:
            place = await self.loader("channel", self._places).load(wanted)
        if place is None:
            raise NotFound(f'Channel "{wanted}" does not exist: channels lists those that do.', ("channel",))
        if not self.viewer.reaches(place.id):
            raise Forbidden(f'Channel "{place.code}" is closed to this token.', ("channel",))
        return place

    def _default_channel(self) -> int | None:
        bound = self.viewer.channel_ids
        if self.viewer.default_channel_id is None and bound and len(bound) == 1:
            return next(iter(bound))
        return self.viewer.default_channel_id

    async def _chain(self, place: Place | None, wanted: str | None) -> tuple[str, ...]:
        known = place.locales if place else await self._every_locale()
        return tuple(fallback(known, wanted)) if wanted else tuple(known)

    async def _every_locale(self) -> Sequence[str]:
        if self.ground and self.ground.locales is not None:
            return self.ground.locales
        return await self.loader("locales", self._locales).load(0)  # type: ignore[no-any-return]

    async def _company(self) -> int | None:
        if self.viewer.customer_id is None:
            return None
        if self.ground is not None:
            return self.ground.company_id
        company: int | None = await self.loader("company", self._companies).load(self.viewer.customer_id)
        return company

    async def _places(self, wanted: list[str | int]) -> list[Place | None]:
        found = [
            Place(row["id"], row["code"], row["currency"], tuple(row["locales"]))
            for row in await self.database.rows(_places(wanted))
        ]
        by_name: dict[str | int, Place] = {place.id: place for place in found}
        by_name |= {place.code: place for place in found}
        return [by_name.get(each) for each in wanted]

    async def _locales(self, asked: list[int]) -> list[list[str]]:
        rows = await self.database.rows(every_locale())
        return [[row["code"] for row in rows] for _ in asked]

    async def _companies(self, customers: list[int]) -> list[int | None]:
        rows = await self.database.rows(
            sa.select(Customer.id, Customer.company_id).where(Customer.id.in_(customers))
        )
        companies = {row["id"]: row["company_id"] for row in rows}
        return [companies.get(each) for each in customers]


def _places(wanted: Sequence[str | int]) -> sa.Select[Any]:
    return places().where(
        sa.or_(
            Channel.code.in_([each for each in wanted if isinstance(each, str)]),
            Channel.id.in_([each for each in wanted if isinstance(each, int)]),
        )
    )


def every_locale() -> sa.Select[Any]:
    """The locales in the order in which texts fall back without a channel."""
    return sa.select(Locale.code).order_by(Locale.id)


def places() -> sa.Select[Any]:
    """Channels with what a ``Place`` needs."""
    locales = (
        sa.select(Locale.code)
        .join(ChannelLocale, ChannelLocale.locale_id == Locale.id)
        .where(ChannelLocale.channel_id == Channel.id)
        .order_by(ChannelLocale.position, ChannelLocale.id)
        .correlate(Channel)
        .scalar_subquery()
    )
    return sa.select(Channel.id, Channel.code, Channel.currency, sa.func.array(locales).label("locales"))
