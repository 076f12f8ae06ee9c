"""A dictionary that forgets what was not used for longest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Keeps the entries used last: at most ``most`` of them, weighing at most ``heaviest`` together.

    Threads may share it.
    """

    def __init__(self, most: int, heaviest: int | None = None) -> None:
        self._most = most
        self._heaviest = heaviest
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._weight = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def weight(self) -> int:
        """What the entries weigh together."""
        return self._weight

    def find(self, key: K) -> V | None:
        """The entry, which is then the one used last; null without one."""
        try:
            self._entries.move_to_end(key)
            return self._entries[key][0]
        except KeyError:  # never there, or gone since another thread kept something
            return None

    def keep(self, key: K, value: V, weight: int = 0) -> V:
        """Keep an entry, and let those go that are too many or too much."""
        with self._lock:
            self._weight += weight - self._entries.pop(key, (None, 0))[1]
            self._entries[key] = (value, weight)
            while self._is_full():
                _, (_, gone) = self._entries.popitem(last=False)
                self._weight -= gone
        return value

    def _is_full(self) -> bool:
        too_heavy = self._heaviest is not None and self._weight > self._heaviest
        return len(self._entries) > self._most or (too_heavy and len(self._entries) > 1)
