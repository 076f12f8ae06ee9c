"""What a transaction of the soak is about to have done, object by object, while it can still be taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from hub import ids

Object = tuple[str, int]
"""Noun and number."""


@dataclass
class Touched:
    """``kind``: CREATED, UPDATED or DELETED. ``tokens``: the last text written to each place."""

    kind: str
    tokens: dict[str, str] = field(default_factory=dict)


@dataclass
class Draft:
    """Folds as the feed must: what is overwritten or taken back is never told."""

    name: str
    touched: dict[Object, Touched] = field(default_factory=dict)
    never: list[str] = field(default_factory=list)
    windows: list[dict[str, Any]] = field(default_factory=list)
    _count: int = 0

    def token(self) -> str:
        """A text that nobody else writes."""
        self._count += 1
        return f"{self.name}.{self._count}"

    def amount(self) -> str:
        """A price that nobody else writes."""
        self._count += 1
        writer, _, number = self.name.partition("-")
        return f"{writer[-1]}{int(number) % 10**6:06}{self._count % 100:02}.5"

    def listed(self, product: int, listing: int, *, opens: bool) -> None:
        """A listing will open, or close, by time alone."""
        path = f"/listings/{ids.encode('listing', listing)}/open"
        self.windows.append({"entity": ids.encode("product", product), "path": path, "opens": opens})

    def wrote(self, noun: str, number: int, place: str, text: str, *, kind: str = "UPDATED") -> None:
        """An object's value became ``text``."""
        tokens = self.touched.setdefault((noun, number), Touched(kind)).tokens
        if place in tokens:
            self.never.append(tokens[place])
        tokens[place] = text

    def deleted(self, noun: str, number: int) -> None:
        """An object is gone; one that this transaction made never was."""
        found = self.touched.pop((noun, number), Touched("UPDATED"))
        self.never += found.tokens.values()
        if found.kind != "CREATED":
            self.touched[noun, number] = Touched("DELETED")

    @contextmanager
    def taken_back(self) -> Iterator[None]:
        """What happens inside is rolled back."""
        before = deepcopy(self.touched)
        yield
        kept = {text for each in before.values() for text in each.tokens.values()}
        self.never = [text for text in (*self.never, *self._texts()) if text not in kept]
        self.touched = before

    def line(self) -> dict[str, Any]:
        """Its line in the journal."""
        effects = [
            {"entity": ids.encode(*thing), "kind": each.kind, "tokens": list(each.tokens.values())}
            for thing, each in self.touched.items()
        ]
        return {"name": self.name, "effects": effects, "never": self.never, "windows": self.windows}

    def _texts(self) -> list[str]:
        return [text for each in self.touched.values() for text in each.tokens.values()]
