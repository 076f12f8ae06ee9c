"""As much of a filter as the feed's record alone tells, in SQL: what cannot pass becomes no delivery at all.

It never judges more strictly than the filter itself: what hangs on the body's data is left to the rendered body.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hub.db import Json

TEXTS = {"/source": "f.source", "/type": "f.type", "/entity/type": "f.aggregate"}
NUMBERS = {"/entity/version": "f.version", "/sequence": "f.sequence"}
EVENTS = "/events/*"
COMPARE = {"eq": "=", "ne": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
NEGATED = {"ne": "eq", "notIn": "in"}


@dataclass(frozen=True)
class Judged:
    """Conditions in SQL: ``may`` holds wherever the filter can pass, ``must`` nowhere where it can fail."""

    may: str
    must: str


UNKNOWN = Judged("true", "false")


def condition(tree: Json | None) -> tuple[str, dict[str, Any]]:
    """The condition on ``f``, a record, and ``told``, its events; with its values."""
    reading = _Reading()
    return ("true" if tree is None else reading.judged(tree).may), reading.values


@dataclass
class _Reading:
    values: dict[str, Any] = field(default_factory=dict)

    def judged(self, tree: Json) -> Judged:
        return _joined(
            "AND",
            [self._one(name, given, tree.get("path")) for name, given in tree.items() if name != "path"],
        )

    def _one(self, name: str, given: Any, path: str | None) -> Judged:
        if name in ("and", "or"):
            return _joined(name.upper(), [self.judged(each) for each in given])
        if name == "not":
            inner = self.judged(given)
            return Judged(f"NOT {inner.must}", f"NOT {inner.may}")
        exact = None if path is None else self._exact(name, given, path)
        return UNKNOWN if exact is None else Judged(exact, exact)

    def _exact(self, name: str, given: Any, path: str) -> str | None:
        if name in NEGATED:
            positive = self._exact(NEGATED[name], given, path)
            return None if positive is None else f"NOT {positive}"
        wanted = given if name == "in" else [given]
        if path in NUMBERS and all(type(each) in (int, float) for each in wanted):
            return self._compared(NUMBERS[path], name, given, "numeric")
        if path in TEXTS and name in ("eq", "in") and all(isinstance(each, str) for each in wanted):
            return self._compared(TEXTS[path], name, given, "text")
        if path == EVENTS and name in ("eq", "in") and all(isinstance(each, str) for each in wanted):
            return f"(told.events && {self._value(wanted, 'text[]')})"
        return None

    def _compared(self, column: str, name: str, given: Any, type_: str) -> str | None:
        if name == "in":
            return f"({column} = ANY ({self._value(given, f'{type_}[]')}))"
        return f"({column} {COMPARE[name]} {self._value(given, type_)})" if name in COMPARE else None

    def _value(self, given: Any, type_: str) -> str:
        name = f"filter_{len(self.values)}"
        self.values[name] = given
        return f"CAST(:{name} AS {type_})"


def _joined(word: str, parts: list[Judged]) -> Judged:
    return Judged(
        f"({f' {word} '.join(each.may for each in parts)})",
        f"({f' {word} '.join(each.must for each in parts)})",
    )
