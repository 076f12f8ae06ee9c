"""What is done beside the turns of a sender: endpoints far behind catch up, old deliveries are forgotten, all is counted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from hub import feed
from hub.db import Database
from webhooks import check, delivery, lane
from webhooks.figures import Figures
from webhooks.sender import Sender

QUIET_SECONDS = 0.5
"""How often it is looked whether an endpoint is far behind."""

DOWN_SECONDS = 1.0
TIDY_SECONDS = 600.0
CHECK_SECONDS = 60.0
CHECKED = 20_000
"""The latest records over which is counted; ``hub webhooks verify`` counts over all."""

log = logging.getLogger(__name__)


def tasks(database: Database, sender: Sender, figures: Figures, days: int) -> list[asyncio.Task[None]]:
    """Begin it all. ``days``: how long delivered deliveries are kept."""

    def catch_up(tx: sa.Connection) -> bool:
        moved = lane.catch_up(tx, sender.endpoints) > 0
        if moved:
            sender.wake()
        return moved

    def tidy(tx: sa.Connection) -> bool:
        return delivery.purge(tx, days) > 0

    def count(tx: sa.Connection) -> bool:
        figures.faults = _faults(tx, days, sender.endpoints)
        return False

    return [
        asyncio.create_task(each)
        for each in (
            _repeat(database, catch_up, QUIET_SECONDS),
            _repeat(database, tidy, TIDY_SECONDS),
            _repeat(database, count, CHECK_SECONDS),
        )
    ]


async def _repeat(database: Database, work: Callable[[sa.Connection], bool], pause: float) -> None:
    """Do it again and again; at once where there may be more to do."""

    def once() -> bool:
        with database.engine.begin() as tx:
            return work(tx)

    while True:
        try:
            again = await asyncio.to_thread(once)
        except sa.exc.OperationalError as error:
            log.warning("The webhooks' housekeeping lost the database and tries again: %s", error.orig)
            again = False
            await asyncio.sleep(DOWN_SECONDS)
        except Exception:
            log.exception("The webhooks' housekeeping failed and is tried again.")
            again = False
            await asyncio.sleep(DOWN_SECONDS)
        if not again:
            await asyncio.sleep(pause)


def _faults(tx: sa.Connection, days: int, endpoints: Sequence[int]) -> int:
    """How many faults the counter check finds in the latest records; each is logged."""
    tx.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
    tx.execute(sa.text("SET LOCAL statement_timeout = '30s'"))
    found = 0
    for count in check.counts(tx, days, feed.ends(tx)[1] - CHECKED, endpoints):
        found += count.faults
        for sentence in count.sentences():
            log.error(sentence)
    return found
