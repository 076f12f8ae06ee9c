"""What the index said lately, kept for some seconds: it changes slowly and is asked for with every question."""

from __future__ import annotations

import time
from collections.abc import Iterable
from threading import Lock
from typing import Generic, TypeVar

KEPT_SECONDS = 10.0
"""So much later what is new counts."""

MOST_KEPT = 50_000

T = TypeVar("T")


class Kept(Generic[T]):
    """Answers by name. Threads share it."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[float, T]] = {}
        self._lock = Lock()

    def recalled(self, names: Iterable[str]) -> dict[str, T]:
        """Those of the names that were asked for lately, with what was said."""
        oldest = time.monotonic() - KEPT_SECONDS
        found = ((name, self._said.get(name)) for name in names)
        return {name: each[1] for name, each in found if each and each[0] > oldest}

    def kept(self, said: dict[str, T]) -> dict[str, T]:
        """Keep what was said, and give it back."""
        now = time.monotonic()
        with self._lock:
            if len(self._said) + len(said) > MOST_KEPT:
                self._said.clear()
            self._said.update({name: (now, each) for name, each in said.items()})
        return said
