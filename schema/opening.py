"""The opening of a request: who asks, and the channels and locales that the query may name, read in one statement.

What it gave is remembered under the token's keyed hash. The next request of that token is answered as if it still held,
and the same opening is read again in the statement that reads the answer: only where it says the same to the letter does
the answer leave. So a token that is revoked opens nothing from that moment on, and an opening costs no statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from hub import token
from hub.customer import Customer
from hub.direct import Fragment, Made, Text
from hub.recent import Recent
from hub.token import Token
from schema.context import Ground, Place, every_locale, places

if TYPE_CHECKING:
    from hub.viewer import Viewer
    from schema.plan import Reads

MOST_CODES = 20
"""Channels that are read beforehand. A query that names more of them reads those itself."""
REMEMBERED = 10_000
"""Openings that a server remembers."""


class Stale(Exception):
    """An opening that was taken for granted does not hold any more, or nobody looked."""


@dataclass(frozen=True)
class Asked:
    """What is read to open a request.

    ``keyed``: the token's keyed hash; ``codes``: the channels that the query names; ``own``: whether it also stands on
    the token's own, or on none.
    """

    keyed: bytes
    codes: tuple[str, ...] = ()
    own: bool = True

    @property
    def values(self) -> dict[str, Any]:
        """The values of ``FRAGMENT``."""
        return {"hash": self.keyed, "codes": list(self.codes[:MOST_CODES]), "own": self.own}


@dataclass(frozen=True)
class Opening:
    """Who asks, and what their query stands on. ``text``: how PostgreSQL said it."""

    asked: Asked
    text: str
    viewer: Viewer
    ground: Ground


class Check:
    """Holds an opening that was taken for granted against what is read with the answer."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self.passed = False

    @property
    def fragment(self) -> Fragment:
        """The statement: one column ``c0``, no row without a valid token."""
        return fragment()

    @property
    def values(self) -> dict[str, Any]:
        """The values that the statement is read with."""
        return self._opening.asked.values

    def hold(self, texts: Sequence[str]) -> None:
        """Raises ``Stale`` where the opening reads otherwise now."""
        if list(texts) != [self._opening.text]:
            raise Stale
        self.passed = True


class Door:
    """Opens requests, and remembers how."""

    def __init__(self, database: Reads) -> None:
        self._database = database
        self._known: Recent[Asked, Opening] = Recent(REMEMBERED)

    def remembered(self, asked: Asked) -> Opening | None:
        """How it opened the last time; null where it did not."""
        return self._known.find(asked)

    async def opened(self, asked: Asked) -> Opening | None:
        """The opening; null without a valid token."""
        rows = await self._database.read_made(_made(), asked.values)
        if not rows:
            return None
        ((text,),) = rows
        row = orjson.loads(text)
        return self._known.keep(asked, Opening(asked, text, token.viewer(row), _ground(row)))


async def ground(database: Reads) -> Ground:
    """Every channel and every locale, for those who answer many questions at one time."""
    ((text,),) = await database.read_made(_everything(), {})
    return _ground(orjson.loads(text))


def _ground(row: Mapping[str, Any]) -> Ground:
    found = [
        Place(number, code, currency, tuple(locales))
        for number, code, currency, locales in row["places"] or ()
    ]
    named: dict[str | int, Place] = {place.id: place for place in found}
    named |= {place.code: place for place in found}
    locales = row["every_locale"]
    return Ground(named, None if locales is None else tuple(locales), row["company_id"])


@cache
def fragment() -> Fragment:
    """The statement that opens a request, by ``:hash``, ``:codes`` and ``:own``."""
    own = sa.bindparam("own", type_=sa.Boolean)
    company = sa.select(Customer.company_id).where(Customer.id == Token.customer_id).scalar_subquery()
    found = {
        **{name: Token.__table__.c[name] for name in token.READ},
        "places": _places(own),
        "every_locale": sa.case((own, _locales())),
        "company_id": company,
    }
    select = token.by_hash(sa.bindparam("hash", type_=sa.LargeBinary)).with_only_columns(
        sa.cast(_object(found), sa.Text).label("c0")
    )
    return Fragment.of(select)


@cache
def _made() -> Made:
    text = Text()
    text.take(fragment())
    return text.made()


@cache
def _everything() -> Made:
    every = places().subquery("place")
    found = sa.select(sa.func.jsonb_agg(_row(every))).scalar_subquery()
    own = {"places": found, "every_locale": _locales(), "company_id": sa.null()}
    return Made.of(sa.select(sa.cast(_object(own), sa.Text)))


def _object(found: Mapping[str, Any]) -> sa.ColumnElement[Any]:
    parts: list[Any] = []
    for name, value in found.items():
        parts += [sa.literal_column(f"'{name}'"), value]
    return sa.func.jsonb_build_object(*parts)


def _locales() -> sa.ColumnElement[Any]:
    return sa.func.array(every_locale().scalar_subquery(), type_=ARRAY(sa.Text))


def _row(every: sa.Subquery) -> sa.ColumnElement[Any]:
    """A channel as a list of what a ``Place`` is made of."""
    return sa.func.jsonb_build_array(every.c.id, every.c.code, every.c.currency, every.c.locales)


def _places(own: sa.ColumnElement[bool]) -> sa.ScalarSelect[Any]:
    """The channels named, or the token's own."""
    every = places().subquery("place")
    named = every.c.code == sa.any_(sa.bindparam("codes", type_=ARRAY(sa.Text)))
    bound = sa.or_(every.c.id == Token.default_channel_id, every.c.id == sa.any_(Token.channel_ids))
    return (
        sa.select(sa.func.jsonb_agg(_row(every)))
        .where(sa.or_(named, sa.and_(own, bound)))
        .correlate(Token)
        .scalar_subquery()
    )
