"""The webhooks' share of the relay: fan-out and sender, in one thread of their own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from threading import Event, Thread

import sqlalchemy as sa

from hub.config import Settings
from hub.db import HUB, Database
from webhooks import delivery, lane
from webhooks.body import Render
from webhooks.delivery import Tried
from webhooks.figures import Figures
from webhooks.post import Post
from webhooks.secret import Vault
from webhooks.sender import Sender, Ways

QUIET_SECONDS = 0.5
"""How often it is looked whether an endpoint is far behind."""

DOWN_SECONDS = 1.0
TIDY_SECONDS = 600.0
CONNECTIONS = 6

Renderer = Callable[[Database], Render]
"""Makes the function that answers payload documents, on a database whose connections belong to this thread."""

Stop = Callable[[], None]

log = logging.getLogger(__name__)


def start(database: Database, settings: Settings, renderer: Renderer, figures: Figures | None = None) -> Stop:
    """Run until the function that comes back is called; it returns when all has ended."""
    stop = Event()
    ways = Ways(failing_days=settings.webhook_failing_days, noted=figures.note if figures else _quiet)
    work = Thread(
        target=lambda: asyncio.run(run(database.url, settings, renderer, stop, ways)),
        name="webhooks",
        daemon=True,
    )
    work.start()

    def end() -> None:
        stop.set()
        work.join()

    return end


def _quiet(_: Tried) -> None:
    """Nobody counts."""


async def run(url: str, settings: Settings, renderer: Renderer, stop: Event, ways: Ways) -> None:
    """Fan out and send until ``stop`` is set, with connections of this loop's own."""
    database = Database(url, pool_size=CONNECTIONS)
    ending = asyncio.Event()
    async with Post(settings.webhook_allowed_networks) as post:
        sender = Sender(database, Vault(settings.secret), post, renderer(database), ways)
        sending = asyncio.create_task(sender.run(ending))
        beside = [
            asyncio.create_task(_tidying(database, settings.feed_days)),
            asyncio.create_task(_catching_up(database, sender)),
        ]
        await asyncio.to_thread(stop.wait)
        ending.set()
        await sending
        for task in beside:
            task.cancel()
    await database.aclose()


async def _catching_up(database: Database, sender: Sender) -> None:
    """Tell endpoints that are far behind, which is slow, beside the turns of those that are not."""
    while True:
        moved = 0
        try:
            moved = await asyncio.to_thread(_catch_up, database, sender.endpoints)
        except Exception:
            log.exception("The webhooks' lane stopped and tries again.")
            await asyncio.sleep(DOWN_SECONDS)
        if moved:
            sender.ring()
        else:
            await asyncio.sleep(QUIET_SECONDS)


def _catch_up(database: Database, endpoints: list[int]) -> int:
    with database.engine.begin() as tx:
        return lane.catch_up(tx, endpoints)


async def _tidying(database: Database, days: int) -> None:
    while True:
        try:
            while await asyncio.to_thread(_purge, database, days):
                pass
        except sa.exc.SQLAlchemyError as error:
            log.warning("Old deliveries could not be forgotten: %s", error)
        await asyncio.sleep(TIDY_SECONDS)


def _purge(database: Database, days: int) -> int:
    with database.write(HUB) as tx:
        return delivery.purge(tx, days)
