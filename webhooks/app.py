"""The webhooks' share of the relay: fan-out and sender, in one thread of their own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from threading import Event, Thread

import sqlalchemy as sa

from hub.config import Settings
from hub.db import HUB, Database
from hub.wake import SEQUENCED
from webhooks import delivery, lane
from webhooks.body import Render
from webhooks.delivery import Tried
from webhooks.figures import Figures
from webhooks.post import Post
from webhooks.secret import Vault
from webhooks.sender import Sender, Ways

QUIET_SECONDS = 0.25
"""How late a change may be told that was numbered by another process."""

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
        tidying = asyncio.create_task(_tidying(database, settings.feed_days))
        await _fanning(database, stop, sender)
        ending.set()
        await sending
        tidying.cancel()
    await database.aclose()


async def _fanning(database: Database, stop: Event, sender: Sender) -> None:
    while not stop.is_set():
        heard = SEQUENCED.rings
        try:
            moved = await asyncio.to_thread(_fan_out, database, sender.endpoints)
        except Exception:
            log.exception("The webhooks' lane stopped and tries again.")
            moved = 0
            await asyncio.sleep(DOWN_SECONDS)
        if moved:
            sender.ring()
        else:
            await SEQUENCED.heard(heard, QUIET_SECONDS)


def _fan_out(database: Database, endpoints: list[int]) -> int:
    with database.write(HUB) as tx:
        return lane.step(tx, endpoints)


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
