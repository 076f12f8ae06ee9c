"""A writer of the soak that knows nothing of the hub: SQL, as somebody's script would send it."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from multiprocessing.synchronize import Event

import psycopg

from bench.soak.acts import ACTS, Acts
from bench.soak.draft import Draft
from bench.soak.ground import Ground
from bench.soak.journal import Journal

BACK_SECONDS = 0.1
LISTED = 0.1
SAVED = 0.2
ROLLED_BACK = 0.15

UNDONE = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.UniqueViolation,
    psycopg.errors.ExclusionViolation,
)
"""What writers who know nothing of each other run into: PostgreSQL has taken the transaction back."""


class SqlWriter:
    """One connection. ``late``: its transactions stay open for up to this many seconds before they commit."""

    def __init__(self, ground: Ground, name: str, seed: int, late: float) -> None:
        self.ground, self.name, self.late = ground, name, late
        self.journal = Journal(ground.journal(name))
        self.chance = random.Random(seed)
        self.connection = ground.connect()
        self.count = 0

    def run(self, stop: Event) -> None:
        """Write until told to stop."""
        while not stop.is_set():
            self.count += 1
            draft = Draft(f"{self.name}-{self.count}")
            try:
                self._transaction(draft)
            except psycopg.OperationalError as error:
                if isinstance(error, UNDONE):
                    self.journal.note(fate="undone", **draft.line())
                else:
                    self._settle(draft)
            except UNDONE:
                self.journal.note(fate="undone", **draft.line())
            time.sleep(self.chance.uniform(0, 0.06))

    def _transaction(self, draft: Draft) -> None:
        rolled_back = self.chance.random() < ROLLED_BACK
        with self.connection.cursor() as cursor:
            try:
                cursor.execute(f"BEGIN ISOLATION LEVEL {self._isolation()}".encode())
                acts = self._act(cursor, draft)
                if self.late:
                    acts.flush()
                    time.sleep(self.chance.uniform(0, self.late))
                cursor.execute(b"ROLLBACK" if rolled_back else b"COMMIT")
            except BaseException:
                with suppress(psycopg.OperationalError):
                    self.connection.rollback()
                raise
        self.journal.note(fate="undone" if rolled_back else "committed", **draft.line())

    def _isolation(self) -> str:
        return self.chance.choice(("READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"))

    def _act(self, cursor: psycopg.Cursor, draft: Draft) -> Acts:
        acts = Acts(cursor, self.chance, draft)
        cursor.execute("SET LOCAL lock_timeout = '5s'")
        cursor.execute("SELECT set_config('hub.reason', %s, true)", [draft.name])
        cursor.execute("INSERT INTO soak_done VALUES (%s)", [draft.name])
        if not self.late and self.chance.random() < LISTED:
            acts.list_for_a_while()
        for _ in range(self.chance.randint(1, 4)):
            self.chance.choice(ACTS)(acts)
            if self.chance.random() < SAVED:
                cursor.execute("SAVEPOINT s")
                with draft.taken_back():
                    self.chance.choice(ACTS)(acts)
                cursor.execute("ROLLBACK TO s")
        return acts

    def _settle(self, draft: Draft) -> None:
        """The connection broke, perhaps while committing: only the database knows what became of it."""
        while True:
            try:
                self.connection = self.ground.connect()
                done = self.connection.execute(
                    "SELECT FROM soak_done WHERE name = %s", [draft.name]
                ).fetchone()
            except psycopg.OperationalError:
                time.sleep(BACK_SECONDS)
            else:
                self.journal.note(fate="committed" if done is not None else "undone", **draft.line())
                return


def write(ground: Ground, name: str, seed: int, late: float, stop: Event) -> None:
    """A process that writes SQL."""
    SqlWriter(ground, name, seed, late).run(stop)
