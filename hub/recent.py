"""A dictionary that forgets what was not used for longest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(OrderedDict[K, V], Generic[K, V]):
    """A dictionary that keeps the ``most`` entries used last."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def find(self, key: K) -> V | None:
        """The entry, which is then the one used last; null without one."""
        try:
            self.move_to_end(key)
            return self[key]
        except KeyError:  # another thread may have made it go meanwhile
            return None

    def keep(self, key: K, value: V) -> V:
        """Keep an entry."""
        self[key] = value
        if len(self) > self._most:
            self.popitem(last=False)
        return value
