"""Recording: queries are noted beside the answer, never before it."""

from __future__ import annotations

import logging
import random
from collections import deque
from threading import Condition, Thread

import sqlalchemy as sa

from hub import search_event
from hub.db import HUB, Database, Json

PAUSE_SECONDS = 1.0
MOST_WAITING = 20_000
"""Queries that wait while the database is away; beyond, the oldest are forgotten, and the log says so."""

AT_ONCE = 1_000

log = logging.getLogger(__name__)


class Recorder:
    """Writes what was asked, some at a time, in a thread of its own. ``share``: how many of all answers are noted."""

    def __init__(self, database: Database, secret: str, share: float = 1.0) -> None:
        self._database = database
        self._secret = secret
        self._share = share
        self._waiting: deque[Json] = deque()
        self._ready = Condition()
        self._closing = False
        self._forgotten = 0
        self._thread: Thread | None = None

    def query(
        self,
        text: str,
        channel_id: int | None,
        locale: str | None,
        results: int,
        session: str | None,
        *,
        filtered: bool = False,
    ) -> str:
        """Note what was asked and how much was found; gives what events call the answer.

        Neither staff's questions are noted nor those without a letter or digit. ``filtered``: filters narrowed it.
        """
        number = search_event.new_id(self._secret)
        if channel_id is None or search_event.says_nothing(text) or random.random() >= self._share:  # noqa: S311 - a sample
            return number
        row: Json = {
            "kind": "query",
            "query_id": number,
            "channel_id": channel_id,
            "locale": locale,
            "query": search_event.covered(text),
            "results": search_event.counted(text, results, filtered=filtered),
            "session": search_event.session_hash(self._secret, session),
        }
        self._add(row)
        return number

    def close(self) -> None:
        """Write what waits, and end."""
        with self._ready:
            self._closing = True
            self._ready.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _add(self, row: Json) -> None:
        with self._ready:
            self._waiting.append(row)
            if len(self._waiting) > MOST_WAITING:
                self._waiting.popleft()
                self._forgotten += 1
            if self._thread is None and not self._closing:
                self._thread = Thread(target=self._run, name="search events", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._ready:
                if not self._closing:
                    self._ready.wait(PAUSE_SECONDS)
                closing = self._closing
            written = self._write()
            if closing and (not written or not self._waiting):
                return

    def _write(self) -> bool:
        """Write what waits; whether the database took it."""
        while self._waiting:
            with self._ready:
                rows = [self._waiting.popleft() for _ in range(min(len(self._waiting), AT_ONCE))]
                forgotten, self._forgotten = self._forgotten, 0
            if forgotten:
                log.warning("%d queries were not noted: the database was away for too long.", forgotten)
            try:
                with self._database.write(HUB) as tx:
                    search_event.record(tx, rows)
            except sa.exc.IntegrityError:
                log.warning("%d queries were not noted: their channel is gone.", len(rows))
            except sa.exc.SQLAlchemyError as error:
                log.warning("Queries wait to be noted: %s", error)
                with self._ready:
                    self._waiting.extendleft(reversed(rows))
                return False
        return True
