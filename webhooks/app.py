"""The webhooks' share of the relay, in one thread of its own."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import sqlalchemy as sa
import uvloop

from hub.config import Settings
from hub.db import Database
from webhooks import housekeeping
from webhooks.figures import Figures
from webhooks.post import Post
from webhooks.rendering import Rendering
from webhooks.secret import Vault
from webhooks.sender import Sender, Ways

log = logging.getLogger(__name__)

CONNECTIONS = 6
DOWN_SECONDS = 1.0
STOP_SECONDS = 0.05
"""How late it is seen that the relay is to stop."""

RENDER_MILLISECONDS = 15_000
"""How long a statement of a payload document may take."""

IDLE = "SET idle_in_transaction_session_timeout = '10s'"
"""A process that is halted in the middle of a transaction must not keep the lanes locked."""

Renderer = Callable[[Database], Rendering]
"""Makes the function that answers payload documents, on a database whose connections belong to this thread."""

Stop = Callable[[], None]


def start(database: Database, settings: Settings, renderer: Renderer, figures: Figures | None = None) -> Stop:
    """Run until the function that comes back is called; it returns when all has ended."""
    stop = Event()
    shown = figures or Figures(database)
    work = Thread(
        target=_work, args=(database.url, settings, renderer, stop, shown), name="webhooks", daemon=True
    )
    work.start()

    def end() -> None:
        stop.set()
        work.join()

    return end


def _work(url: str, settings: Settings, renderer: Renderer, stop: Event, figures: Figures) -> None:
    """Begin again what ended before it was told to: nobody else would send in this process."""
    while not stop.is_set():
        try:
            uvloop.run(run(url, settings, renderer, stop, figures))
        except Exception:
            log.exception("Sending ended unforeseen and begins again.")
            stop.wait(DOWN_SECONDS)


async def run(url: str, settings: Settings, renderer: Renderer, stop: Event, figures: Figures) -> None:
    """Tell and send until ``stop`` is set, with connections of this loop's own."""
    database = Database(url, pool_size=CONNECTIONS, tries=False)
    sa.event.listen(database.engine, "connect", _prepare)
    reading = Database(url, pool_size=CONNECTIONS, statement_timeout_ms=RENDER_MILLISECONDS)
    ways = Ways(failing_days=settings.webhook_failing_days, noted=figures.note)
    ending = asyncio.Event()
    try:
        async with Post(settings.webhook_allowed_networks) as post:
            sender = Sender(database, Vault(settings.secret), post, renderer(reading), ways)
            # The schema stands by now: walking it in every collection would halt all deliveries for a third of a second.
            gc.collect()
            gc.freeze()
            figures.in_flight = lambda: sender.in_flight
            sending = asyncio.create_task(sender.run(ending))
            beside = housekeeping.tasks(database, sender, figures, settings.feed_days)
            try:
                # A thread that waited for it would keep a process that fails from ending.
                while not stop.is_set() and not sending.done():  # noqa: ASYNC110 - it is another thread's event
                    await asyncio.sleep(STOP_SECONDS)
                ending.set()
                await sending
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)
    finally:
        await reading.aclose()
        await database.aclose()


def _prepare(connection: Any, _: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(IDLE)
    connection.commit()
