"""Hands files to processes that look at them and make renditions, a few at a time.

Each process does one order after another. One that takes too long is ended, and what it was at is refused: a picture
that cannot be decoded in that time is an attack, or too large for a shop.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Semaphore, Timer
from typing import Any, cast

import orjson

from hub import errors
from hub.errors import Code, HubError, Limit

SECONDS = 30.0
"""How long one order may take."""

AT_ONCE = 2
"""Processes at one time."""

MOST_WAITING = 200
"""Orders that may wait: more are refused, since their askers would have gone before their turn."""

LONGEST_LIFE = 500
"""Orders after which a process is replaced: decoders keep memory that they once had."""

Order = Mapping[str, Any]


@dataclass(frozen=True)
class Inspected:
    """What a file is. ``width`` and ``height``: pixels of a picture as it is shown, null for everything else."""

    media_type: str
    kind: str
    width: int | None
    height: int | None


class Busy(Limit):
    """Too many wait for a rendition: ask again in a moment."""


class Pool:
    """The processes. Asking blocks, so servers ask from ``threads``."""

    def __init__(self, most_pixels: int, at_once: int = AT_ONCE, seconds: float = SECONDS) -> None:
        self._most_pixels, self._seconds = most_pixels, seconds
        self._places = Semaphore(at_once)
        self._free: LifoQueue[_Worker] = LifoQueue()
        self._waiting = Semaphore(MOST_WAITING)
        self.threads = ThreadPoolExecutor(at_once, thread_name_prefix="files")

    def inspect(
        self, path: Path, cleaned: Path, name: str | None = None, media_type: str | None = None
    ) -> Inspected:
        """Look at a file; a picture is written without what does not belong to it to ``cleaned``.

        Raises ``hub.errors.Invalid`` or ``Limit`` for a file that is not taken.
        """
        said = {"name": name, "media_type": media_type, "most_pixels": self._most_pixels}
        return Inspected(**self._ask({"do": "inspect", "path": str(path), "cleaned": str(cleaned), **said}))

    def render(self, path: Path, media_type: str, wish: Any, target: Path) -> None:
        """Write a rendition of a picture; ``wish`` is a ``hub.file_picture.Wish``. Raises ``hub.errors.HubError``."""
        order = {"path": str(path), "media_type": media_type, "wish": asdict(wish), "target": str(target)}
        self._ask({"do": "render", **order})

    def close(self) -> None:
        """End the processes."""
        self.threads.shutdown(wait=True, cancel_futures=True)
        with suppress(Empty):
            while True:
                self._free.get_nowait().end()

    def _ask(self, order: Order) -> Any:
        if not self._waiting.acquire(blocking=False):
            raise Busy("Too many files wait to be looked at: ask again in a moment.")
        try:
            with self._places:
                told = self._told(order)
        finally:
            self._waiting.release()
        if "code" in told:
            raise _refusal(told)
        return told

    def _told(self, order: Order) -> dict[str, Any]:
        try:
            worker = self._free.get_nowait()
        except Empty:
            worker = _Worker()
        told = worker.ask(order, self._seconds)
        if told is None:
            worker.end()
            raise Limit(
                f"The file could not be looked at within {self._seconds:g} s and the memory for it: send a smaller one."
            )
        if worker.asked < LONGEST_LIFE:
            self._free.put(worker)
        else:
            worker.end()
        return told


class _Worker:
    """One process."""

    def __init__(self) -> None:
        self.asked = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hub.file_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # decoders complain there of what is refused anyway
            cwd=Path(__file__).parent.parent,
            start_new_session=True,  # an interrupt at the terminal is the server's to pass on
        )

    def ask(self, order: Order, seconds: float) -> dict[str, Any] | None:
        """What it answers; null where it took too long, or died of it."""
        self.asked += 1
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        watch = Timer(seconds, self._process.kill)
        watch.daemon = True
        watch.start()
        try:
            self._process.stdin.write(orjson.dumps(order) + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            return None
        finally:
            watch.cancel()
        return cast("dict[str, Any]", orjson.loads(line)) if line.endswith(b"\n") else None

    def end(self) -> None:
        """Kill it, and wait until it is gone."""
        self._process.kill()
        with suppress(OSError):
            self._process.communicate()


def _refusal(told: Mapping[str, Any]) -> HubError:
    kind = {Code.LIMIT.value: Limit, Code.INVALID.value: errors.Invalid}[told["code"]]
    return kind(told["message"], told["path"])
