"""Waiting for one's own write: a mutation that answers once search shows what it wrote, or says that it does not yet."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import sqlalchemy as sa
import strawberry
from strawberry.types import Info

from hub import feed
from hub.db import Database
from hub.outbox import Pending
from hub.registry import Part
from search import lane, queue
from search.affected import SHOWN_BY
from search.engine import Index, UnavailableError

LONGEST_SECONDS = 5.0
SHORTEST_PAUSE = 0.01
LONGEST_PAUSE = 0.1

NOUNS = frozenset({"product", "stock", *SHOWN_BY})
"""Root nouns that documents show: whoever writes one can wait."""

NAME = "wait_for_index"
WaitForIndex = Annotated[
    bool,
    strawberry.argument(
        description=f"Answer once search shows what was written, after {LONGEST_SECONDS:.0f} seconds at most; see indexed."
    ),
]
INDEXED = "Whether search shows what was written; null where it was not waited for, or nothing was written."
NOTICE = "Why indexed is false, and what becomes of it; null otherwise."


@dataclass(frozen=True)
class Waited:
    """What waiting came to."""

    indexed: bool | None = None
    notice: str | None = None


def arguments(part: Part) -> dict[str, Any]:
    """The argument that a noun's mutations take; none where no document shows it."""
    return {NAME: WaitForIndex} if part.name in NOUNS else {}


def waiting(resolver: Callable[..., Any], part: Part) -> Callable[..., Any]:
    """The resolver of a noun's mutation with this argument; its payload has ``indexed`` and ``notice``."""
    if part.name not in NOUNS:
        return resolver

    async def resolve(info: Info, wait_for_index: bool = False, **given: Any) -> Any:
        answer = await resolver(info, **given)
        if wait_for_index and _wrote(answer):
            queued = part.name in SHOWN_BY
            waited = await wait(info.context.database, info.context.extras["search"], queued=queued)
            answer.indexed, answer.notice = waited.indexed, waited.notice
        return answer

    own = inspect.signature(resolver)
    added = inspect.Parameter(NAME, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=False)
    resolve.__signature__ = own.replace(parameters=[*own.parameters.values(), added])  # type: ignore[attr-defined]
    return resolve


def _wrote(answer: Any) -> bool:
    """Whether anything was carried out."""
    if hasattr(answer, "deleted_id"):
        return answer.deleted_id is not None
    results = getattr(answer, "results", (answer,))
    return any(result.outcome.value != "refused" for result in results)


async def wait(database: Database, index: Index, *, queued: bool = False) -> Waited:
    """Wait until search shows all that is committed now. ``queued``: also what one change touches by the thousand."""
    deadline, pause = time.monotonic() + LONGEST_SECONDS, SHORTEST_PAUSE
    until = await asyncio.to_thread(_committed, database)
    while not await asyncio.to_thread(_is_shown, database, index, until, queued=queued):
        if time.monotonic() > deadline:
            notice = (
                f"It is written, and search did not show it within {LONGEST_SECONDS:g} seconds: it will, without your doing."
                " /ready says how far search is behind."
            )
            return Waited(indexed=False, notice=notice)
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
    return Waited(indexed=True)


@dataclass
class _Until:
    """What has to be dealt with: a change without a sequence, and once it has one the feed as far as that."""

    pending: int | None
    sequence: int


def _committed(database: Database) -> _Until:
    with database.read() as tx:
        pending = tx.scalar(sa.select(sa.func.max(Pending.id)))
        return _Until(pending, feed.ends(tx)[1])


def _is_shown(database: Database, index: Index, until: _Until, *, queued: bool) -> bool:
    with database.read() as tx:
        if until.pending is not None:
            if tx.scalar(sa.select(sa.exists().where(Pending.id <= until.pending))):
                return False
            until.pending, until.sequence = None, feed.ends(tx)[1]
        if (feed.position(tx, lane.NAME) or 0) < until.sequence:
            return False
    return not queued or _queue_is_empty(database, index)


def _queue_is_empty(database: Database, index: Index) -> bool:
    try:
        generation = index.current()
    except UnavailableError:
        return False
    with database.read() as tx:
        return generation is not None and queue.length(tx, generation) == 0
