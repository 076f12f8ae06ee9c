"""The sender's transactions: short ones, each in a thread, repeated where they must not be lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa

from hub.db import Database

T = TypeVar("T")
P = ParamSpec("P")

THREADS = 4
DOWN_SECONDS = 1.0

log = logging.getLogger(__name__)


class Transactions:
    """Threads of their own for one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="webhooks")

    async def write(
        self, work: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **more: P.kwargs
    ) -> T:
        """One transaction."""

        def run() -> T:
            with self._database.engine.begin() as tx:
                return work(tx, *args, **more)

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    async def persist(
        self, work: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **more: P.kwargs
    ) -> T:
        """Do it, however often the database has to be waited for. What it refuses for good is raised."""
        while True:
            try:
                return await self.write(work, *args, **more)
            except (sa.exc.DataError, sa.exc.IntegrityError):
                raise
            except Exception as error:  # noqa: BLE001 - it must go on, whatever it was
                say("The sender cannot note what it did and tries again", error)
                await asyncio.sleep(DOWN_SECONDS)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()


def say(what: str, error: Exception) -> None:
    """Log it: a database that is away in a line, anything else in full."""
    if isinstance(error, sa.exc.OperationalError):
        log.warning("%s: %s", what, error.orig)
    else:
        log.error("%s.", what, exc_info=error)
