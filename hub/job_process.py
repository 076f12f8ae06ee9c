"""The process that does one job: so that a long one takes nothing from those who are being answered.

Its order comes as one line of JSON on its input, which stays open as long as the relay that started it lives. It tells
how far it is, and how it ended, in lines of JSON.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from threading import Thread
from typing import Any

import orjson
import psycopg
import sqlalchemy as sa

from hub import asset_fetch, export_job
from hub.config import Settings
from hub.db import Database, Json
from hub.errors import HubError
from hub.file_store import AwayError
from hub.job import Result
from hub.snapshot import Tell

NICE = 5
"""It stands behind whoever answers requests."""

KINDS: dict[str, Callable[[Database, Settings, Json, Tell], Result]] = {
    export_job.KIND: export_job.run,
    asset_fetch.KIND: asset_fetch.run,
}
"""What does each kind of job."""


def main() -> None:
    """Do the job that the input names."""
    order = orjson.loads(sys.stdin.buffer.readline())
    Thread(target=_end_with_parent, daemon=True).start()
    os.nice(NICE)
    row, settings = order["job"], Settings(**order["settings"])
    database = Database(
        order["database"], pool_size=asset_fetch.AT_ONCE
    )  # none is opened before it is needed
    try:
        result = KINDS[row["kind"]](database, settings, row, lambda done, total: _say(done=done, total=total))
        _say(file=result.file, bytes=result.bytes, cursor=result.cursor)
    except AwayError as away:
        _say(lost=away.message)
    except HubError as refused:
        _say(refused=refused.message)
    except (sa.exc.DBAPIError, psycopg.Error) as error:
        if not lost(error):
            raise
        _say(lost=str(getattr(error, "orig", error)).partition("\n")[0])


def lost(error: Exception) -> bool:
    """Whether the database went away, and the same may well succeed when it is back."""
    original = getattr(error, "orig", error)
    return isinstance(original, psycopg.OperationalError | psycopg.InterfaceError)


def _say(**told: Any) -> None:
    sys.stdout.buffer.write(orjson.dumps(told) + b"\n")
    sys.stdout.buffer.flush()


def _end_with_parent() -> None:
    # Below Python's own buffer, which a thread that is reading would keep locked when the process ends.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
