"""The bench's writer as a program of its own: so many transactions a second, whether or not they are slow."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import psycopg

CONNECTIONS = 4


def write(job: dict[str, Any]) -> dict[int, float]:
    """Change one object per transaction; when each was sent, in seconds since 1970."""
    sent: dict[int, float] = {}
    due: SimpleQueue[int | None] = SimpleQueue()
    threads = [Thread(target=work, args=(job, due, sent)) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    pace(job, due)
    for _ in threads:
        due.put(None)
    for thread in threads:
        thread.join()
    return sent


def pace(job: dict[str, Any], due: SimpleQueue[int | None]) -> None:
    """Hand out the numbers 1, 2, 3 … at their moments."""
    began, number = time.monotonic(), 0
    while (now := time.monotonic() - began) < job["seconds"]:
        while number < now * job["rate"]:
            number += 1
            due.put(number)
        time.sleep(0.001)


def work(job: dict[str, Any], due: SimpleQueue[int | None], sent: dict[int, float]) -> None:
    """Write what is due, on a connection of its own. The number is the new value."""
    ids = job["ids"]
    update = f"UPDATE {job['table']} SET {job['column']} = %s WHERE id = %s"
    with psycopg.connect(
        job["address"], autocommit=True, prepare_threshold=1, application_name="bench writer"
    ) as connection:
        while (number := due.get()) is not None:
            sent[number] = time.time()
            connection.execute(update, [str(number), ids[number % len(ids)]])


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    Path(asked["target"]).write_text(json.dumps(write(asked)))
