"""``products(search:)``: the index finds and ranks, the database tells.

A page is in the order of the ranks. What the index names and the viewer may not see, or is gone, is left out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from graphql import GraphQLError
from sqlalchemy.dialects.postgresql import ARRAY

from hub.errors import Invalid
from schema import search_rule_held, sql
from schema.connection import Connection, Counted, PageInfo
from schema.loader import by_id, values
from search import query
from search.asking import ASKING
from search.engine import UnavailableError

if TYPE_CHECKING:
    from schema.context import Context, Scope
    from schema.ordinary import Listed

T = TypeVar("T")

DESCRIPTION = (
    "Words to search for, best hits first: names, texts, attributes, numbers such as SKU and GTIN, in the locale of the "
    "query. A storefront searches what is on offer in its channel; staff and apps search everything, and name the "
    "channel and filter by listed to see what a storefront finds. Goes with filter, first and after."
)


async def page(listed: Listed, text: str) -> Connection[Any]:
    """The page of hits. Raises ``Invalid`` for arguments that ranks do not go with."""
    paging = listed.paging
    if listed.sort is not None or paging.last is not None or paging.before is not None:
        raise Invalid("A search has its own order: leave out sort, last and before.", ("search",))
    within = await _within(listed)
    question = query.Question(
        text,
        channel_id=_offered_in(listed),
        locale=locale(listed.scope),
        moment=listed.scope.as_of,
        within=None if within is None or len(within) > MOST_WITHIN else within,
    )
    if within is not None and question.within is None:
        sieve = Sieve(listed, question)
        found, counting = await sieve.page(paging.size, paging.after), sieve.total
    else:
        found, counting = await ask(listed.context, question, first=paging.size, after=paging.after), None
    nodes = await by_id(listed.context, listed.noun, listed.scope).load_many(found.ids)
    return _connection(found, nodes, counting, after=paging.after is not None)


def _offered_in(listed: Listed) -> int | None:
    """The channel whose offer is searched; null for those for whom a channel is only the context."""
    scope = listed.scope
    return scope.channel.id if scope.channel and not listed.context.viewer.sees_unlisted else None


def _connection(
    found: query.Found, nodes: list[Any], total: Counting | None, *, after: bool
) -> Connection[Any]:
    shown = [(hit.cursor, node) for hit, node in zip(found.hits, nodes, strict=True) if node is not None]

    async def counting() -> Counted:
        return Counted(found.total, capped=not found.exact) if total is None else await total()

    return Connection(
        nodes=[node for _, node in shown],
        cursors=[cursor for cursor, _ in shown],
        counting=counting,
        page_info=PageInfo(
            has_next_page=found.has_next,
            has_previous_page=after,
            start_cursor=found.hits[0].cursor if found.hits else None,
            end_cursor=found.hits[-1].cursor if found.hits else None,
        ),
    )


def locale(scope: Scope) -> str | None:
    """The locale whose texts are searched: of a channel the first of the chain that it has."""
    if scope.channel is None:
        return scope.wanted
    return next((each for each in scope.locales if each in scope.channel.locales), None)


MOST_WITHIN = 10_000
"""Products that a filter takes and that are named to the engine. Of more, the hits are asked whether it takes them."""

Counting = Callable[[], Awaitable[Counted]]


async def _within(listed: Listed) -> list[int] | None:
    """The products that the filter takes, one more than are named at most; null without a filter."""
    if listed.filter is None:
        return None
    frame = sql.Frame(listed.noun)
    statement = sql.ids(frame, await listed.conditions(frame)).limit(MOST_WITHIN + 1)
    rows = await listed.context.database.rows(statement, values(listed.context, listed.scope))
    return [row["id"] for row in rows]


@dataclass(frozen=True)
class Sieve:
    """Hits, some at a time, of which a filter keeps those that it takes: for filters that take very many products.

    Each step is one question and one statement, and ``query.DEEPEST`` hits are looked at at most.
    """

    listed: Listed
    question: query.Question

    async def page(self, size: int, after: str | None) -> query.Found:
        """The first so many hits behind a cursor that the filter takes."""
        kept: list[query.Hit] = []
        async for found, some in self._steps(after):
            kept += some
            if len(kept) > size or not found.has_next:
                break
        return replace(found, hits=tuple(kept[:size]), has_next=len(kept) > size)

    async def total(self) -> Counted:
        """How many hits the filter takes: of all of them, or at least so many."""
        count, more = 0, False
        async for found, some in self._steps(None):
            count, more = count + len(some), found.has_next
        return Counted(count, capped=more)

    async def _steps(self, after: str | None) -> AsyncIterator[tuple[query.Found, list[query.Hit]]]:
        rank = query.rank_of(self.question, after)
        while True:
            first = min(STEP, query.DEEPEST - rank)
            found = await ask(self.listed.context, self.question, first=first, after=after)
            rank += len(found.hits)
            yield found, await self._kept(found.hits)
            if not found.has_next or not found.hits or rank >= query.DEEPEST:
                return
            after = found.hits[-1].cursor

    async def _kept(self, hits: Sequence[query.Hit]) -> list[query.Hit]:
        """Those of the hits that the filter takes."""
        if not hits:
            return []
        listed = self.listed
        frame = sql.Frame(listed.noun)
        named = frame.c.id == sa.any_(sa.literal([hit.product_id for hit in hits], ARRAY(sa.BigInteger)))
        statement = sql.ids(frame, [named, *await listed.conditions(frame)])
        rows = await listed.context.database.rows(statement, values(listed.context, listed.scope))
        taken = {row["id"] for row in rows}
        return [hit for hit in hits if hit.product_id in taken]


STEP = 1_000
"""Hits that a filter looks at together."""


async def ask(
    context: Context, question: query.Question, *, first: int, after: str | None = None
) -> query.Found:
    """What the index finds, under the rules of search that hold. Raises as ``answered``."""
    rules = await search_rule_held.of(context, question.channel_id, question.locale)
    return await answered(context, replace(question, rules=rules), first=first, after=after)


async def answered(
    context: Context, question: query.Question, *, first: int, after: str | None = None
) -> query.Found:
    """What the index finds. Raises ``GraphQLError`` with the code SEARCH_UNAVAILABLE while it does not answer."""
    index = context.extras["search"]
    return await _asked(lambda: query.find(index, question, first=first, after=after))


async def having_all_words(context: Context, question: query.Question, found: query.Found) -> int:
    """How many of what was found have all words. Raises as ``answered``."""
    index = context.extras["search"]
    return await _asked(lambda: query.having_all_words(index, question, found))


async def _asked(work: Callable[[], T]) -> T:
    try:
        return await ASKING.ask(work)
    except UnavailableError as down:
        raise GraphQLError(str(down), extensions={"code": "SEARCH_UNAVAILABLE"}) from down
