"""The opening of a request: who asks, and the channels and locales that the query may name, read in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from hub import token
from hub.customer import Customer
from hub.direct import Made
from hub.token import Token
from schema.context import Ground, Place, every_locale, places

if TYPE_CHECKING:
    from hub.viewer import Viewer
    from schema.plan import Reads

MOST_CODES = 20
"""Channels that are read beforehand. A query that names more of them reads those itself."""


async def opened(
    database: Reads, keyed: bytes, codes: Sequence[str] = (), *, own: bool = True
) -> tuple[Viewer, Ground] | None:
    """Who asks by the token of a keyed hash, and what their query stands on; null without a valid token.

    ``codes``: the channels that the query names; ``own``: whether it also stands on the token's own, or on none.
    """
    made, names = _statement()
    rows = await database.read_made(made, {"hash": keyed, "codes": list(codes[:MOST_CODES]), "own": own})
    if not rows:
        return None
    row = dict(zip(names, rows[0], strict=True))
    return token.viewer(row), _ground(row)


async def ground(database: Reads) -> Ground:
    """Every channel and every locale, for those who answer many questions at one time."""
    made, names = _everything()
    (row,) = await database.read_made(made, {})
    return _ground(dict(zip(names, row, strict=True)) | {"company_id": None})


@cache
def _everything() -> tuple[Made, tuple[str, ...]]:
    every = places().subquery("place")
    found = sa.select(sa.func.jsonb_agg(_row(every))).scalar_subquery()
    locales = sa.func.array(every_locale().scalar_subquery(), type_=ARRAY(sa.Text))
    return Made.of(sa.select(found.label("places"), locales.label("every_locale"))), (
        "places",
        "every_locale",
    )


def _row(every: sa.Subquery) -> sa.ColumnElement[Any]:
    """A channel as a list of what a ``Place`` is made of."""
    return sa.func.jsonb_build_array(every.c.id, every.c.code, every.c.currency, every.c.locales)


def _ground(row: dict[str, Any]) -> Ground:
    found = [
        Place(number, code, currency, tuple(locales))
        for number, code, currency, locales in row["places"] or ()
    ]
    named: dict[str | int, Place] = {place.id: place for place in found}
    named |= {place.code: place for place in found}
    locales = row["every_locale"]
    return Ground(named, None if locales is None else tuple(locales), row["company_id"])


@cache
def _statement() -> tuple[Made, tuple[str, ...]]:
    """The statement, and the names of its columns."""
    own = sa.bindparam("own", type_=sa.Boolean)
    company = sa.select(Customer.company_id).where(Customer.id == Token.customer_id).scalar_subquery()
    locales = sa.case((own, sa.func.array(every_locale().scalar_subquery(), type_=ARRAY(sa.Text))))
    select = token.by_hash(sa.bindparam("hash", type_=sa.LargeBinary)).add_columns(
        _places(own).label("places"), locales.label("every_locale"), company.label("company_id")
    )
    return Made.of(select), tuple(column.name for column in select.selected_columns)


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
