"""Runs jobs, each in a process of its own: takes one, keeps its lease, hears how far it is, and notes how it ended."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import UUID, uuid4

import orjson
import sqlalchemy as sa

from hub import export_job, job
from hub.config import Settings
from hub.db import HUB, Database, Json
from hub.job import LEASE, Result

AT_ONCE = 2
"""Jobs that one relay runs at the same time, so that a long one does not hold up a short one."""

LOOK_SECONDS = 0.3
"""How often a relay looks for jobs."""

BEAT_SECONDS = 0.3
"""How often a running job is looked after: how late it hears that it was cancelled."""

AGAIN = timedelta(seconds=2)
"""How long a job waits that lost the database or its process."""

log = logging.getLogger(__name__)


class Runner:
    """One place at which a relay runs jobs, one after another."""

    def __init__(self, database: Database, settings: Settings, stop: Event) -> None:
        self._database, self._settings, self._stop = database, settings, stop

    def run(self) -> None:
        """Run jobs until stopped."""
        while not self._stop.is_set():
            row = None
            try:
                row = self._claim()
                if row is not None:
                    _Work(self._database, self._settings, dict(row)).run(self._stop)
            except sa.exc.DBAPIError as error:
                log.warning("The jobs lost the database and try again: %s", error.orig)
            except Exception:  # a pool without a free connection, or whatever else: the thread must go on
                log.exception("A job failed to run and is tried again.")
            if row is None:
                self._stop.wait(LOOK_SECONDS)

    def _claim(self) -> sa.RowMapping | None:
        # Looking first costs nothing; claiming writes.
        with self._database.read() as tx:
            if tx.scalar(sa.select(job.Job.id).where(job.Job.finished_at.is_(None)).limit(1)) is None:
                return None
        with self._database.write(HUB) as tx:
            return job.claim(tx, uuid4())


class _Work:
    """One job and its process."""

    def __init__(self, database: Database, settings: Settings, row: Json) -> None:
        self._database, self._settings, self._row = database, settings, row
        self._number: int = row["id"]
        self._worker: UUID = row["worker"]
        self._told: Json = {"done": 0, "total": None}

    def run(self, stop: Event) -> None:
        with subprocess.Popen(
            [sys.executable, "-m", "hub.job_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            start_new_session=True,  # an interrupt at the terminal is the relay's to pass on
        ) as process:
            listening = Thread(target=self._listen, args=(process,), daemon=True)
            listening.start()
            try:
                self._order(process)
                goes_on = self._look_after(process, stop)
            finally:
                process.kill()
                listening.join()
        if stop.is_set():
            self._write(job.release, again_in=timedelta(), counts=False)
        elif goes_on:
            self._end()
        else:
            self._clean()

    def _order(self, process: subprocess.Popen[bytes]) -> None:
        row = {name: self._row[name] for name in ("id", "kind", "input", "token_id", "attempts")}
        order = {
            "job": row,
            "database": self._database.url,
            "settings": self._settings.told(),
        }
        assert process.stdin is not None
        process.stdin.write(orjson.dumps(order) + b"\n")
        process.stdin.flush()

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with suppress(orjson.JSONDecodeError):  # the last line of a process that was killed
                self._told |= orjson.loads(line)

    def _look_after(self, process: subprocess.Popen[bytes], stop: Event) -> bool:
        """Keep the lease until the process ends; false where it is lost, and the job is no longer ours."""
        alive = time.monotonic()
        while not stop.is_set():
            with suppress(subprocess.TimeoutExpired):
                process.wait(BEAT_SECONDS)
                return True
            try:
                if not self._beat():
                    return False
                alive = time.monotonic()
            except sa.exc.DBAPIError:
                if time.monotonic() - alive > LEASE.total_seconds():
                    return False
        return True

    def _beat(self) -> bool:
        with self._database.write(HUB) as tx:
            return job.beat(tx, self._number, self._worker, self._told["done"], self._told["total"])

    def _end(self) -> None:
        told = self._told
        if "file" in told:
            if not self._beat() or not self._succeed(Result(told["file"], told["bytes"], told["cursor"])):
                self._clean()
        elif "refused" in told:
            self._write(job.fail, error=told["refused"])
            self._clean()
        else:
            log.warning("Job %s is begun again: %s", self._number, told.get("lost", "its process ended"))
            self._write(job.release, again_in=AGAIN, counts=True)

    def _succeed(self, result: Result) -> bool:
        keep = timedelta(hours=self._settings.export_hours)
        with self._database.write(HUB) as tx:
            return job.succeed(tx, self._number, self._worker, result, keep)

    def _write(self, command: Any, **how: Any) -> None:
        with self._database.write(HUB) as tx:
            command(tx, self._number, self._worker, **how)

    def _clean(self) -> None:
        """Remove this attempt's files; another worker may be at the next one."""
        place = export_job.folder(self._settings.var, self._number)
        for file in place.glob(f"*-{self._row['attempts']}.*"):
            file.unlink(missing_ok=True)
        with suppress(OSError):
            place.rmdir()


def threads(database: Database, settings: Settings, stop: Event) -> list[Thread]:
    """The threads in which a relay runs jobs until ``stop`` is set, to be started."""
    runners = [Runner(database, settings, stop) for _ in range(AT_ONCE)]
    return [Thread(target=each.run, name="jobs", daemon=True) for each in runners]


def tidy(database: Database, settings: Settings) -> None:
    """Remove results that have expired, and folders of jobs that are gone."""
    with database.write(HUB) as tx:
        job.forget(tx)
    places = {
        int(place.name): place for place in (settings.var / "exports").glob("*") if place.name.isdigit()
    }
    with database.read() as tx:
        needed = job.of_folders(tx, list(places))
    for number in places.keys() - needed:
        shutil.rmtree(places[number], ignore_errors=True)
