"""Stages: the levels that are read in one statement, and so in one snapshot.

A level's statement becomes a WITH query; those below it take their keys from there. The rows of all levels come back one
after the other, each with the number of its level and the key of its parent, every column as text.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from hub.direct import Fragment, Made, Text
from hub.errors import HubError
from hub.recent import Recent
from schema.compiled_level import FIRST_CELL, Level, Reading, Shaped

if TYPE_CHECKING:
    from hub.direct import Row
    from schema.opening import Check
    from schema.plan import Reads

STATEMENTS = 16
"""Statements that a stage remembers."""
TEXTS: Recent[str, Made] = Recent(1_000)
"""The statements of all stages by their texts, so that documents that read the same share one."""
SHARED = "rule_"
"""What the names of values begin with that are the same for all levels."""


Part = tuple[Level, Fragment, dict[str, Any]]
"""A level with its statement and the values that the statement leaves open."""


class Stage:
    """Levels that are read together; all but the first hang on others of them."""

    def __init__(self, levels: Sequence[Level]) -> None:
        self.levels = levels
        self._statements: Recent[Hashable, Made] = Recent(STATEMENTS)

    async def read(self, reading: Reading, database: Reads) -> None:
        """Read the rows of all levels. Raises whatever goes wrong."""
        keys = self._keys(reading)
        without = any(keys.get(name) == [] for name in ("keys", "attributes"))
        asked = [] if without else self._asked(reading)
        rows: Sequence[Row] = ()
        if asked:
            made = self._made(reading, asked)
            rows = await database.read_made(made, self._values(reading, asked, keys))
        if asked and reading.check is not None:
            rows = _checked(reading.check, rows, len(asked))
        self._arrange(reading, [level for level, _, _ in asked], rows)

    def _keys(self, reading: Reading) -> dict[str, Any]:
        """The keys of the first level, where they come from no column of this stage."""
        first = self.levels[0]
        if first.keys_from is not None:
            return first.keys_from(reading)
        if first.parent is None or first.via is None:
            return {}
        found = {row[first.via] for row in reading.rows[first.parent.place]} - {None}
        return {"keys": sorted(map(int, found))}

    def _asked(self, reading: Reading) -> list[Part]:
        """The levels that have something to ask: none below one that has nothing."""
        found: dict[int, Part] = {}
        for level in self.levels:
            first = level is self.levels[0]
            if first and level.place in reading.wrong:
                raise reading.wrong[level.place]
            if first or (level.parent is not None and level.parent.place in found):
                made = level.fragment(reading) if first else _unless_wrong(level, reading)
                if made is not None:
                    found[level.place] = (level, *made)
        return list(found.values())

    def _made(self, reading: Reading, asked: Sequence[Part]) -> Made:
        open_ = reading.check is not None and not reading.check.passed
        key = (open_, *((level.place, fragment) for level, fragment, _ in asked))
        known = self._statements.find(key)
        return known or self._statements.keep(key, _shared(_together(reading, asked)))

    def _values(
        self,
        reading: Reading,
        asked: Sequence[Part],
        keys: dict[str, Any],
    ) -> dict[str, Any]:
        found = dict(reading.rules)
        found |= {f"{name}_0": value for name, value in keys.items()}
        for number, (level, _, given) in enumerate(asked):
            late = level.late(reading)
            if given or late:
                found |= {f"{name}_{number}": value for name, value in (given | late).items()}
        if reading.check is not None:
            found |= {f"{name}_{len(asked)}": value for name, value in reading.check.values.items()}
        return found

    def _arrange(self, reading: Reading, asked: Sequence[Level], rows: Sequence[Row]) -> None:
        buckets: list[list[Row]] = [[] for _ in asked]
        for number, together in groupby(rows, itemgetter(0)):
            buckets[number].extend(together)
        numbers = {level.place: number for number, level in enumerate(asked)}
        for level in self.levels:
            if level.place in numbers:
                some = buckets[numbers[level.place]]
                reading.rows[level.place] = level.arrange(reading, some)
            else:
                _check(level, reading)
                reading.rows[level.place] = ()
                reading.index[level.place] = level.nothing()


def _shared(made: Made) -> Made:
    """The statement, or another one that is the same."""
    known = TEXTS.find(made.text)
    return known if known is not None and known.slots == made.slots else TEXTS.keep(made.text, made)


def _checked(check: Check, rows: Sequence[Row], place: int) -> Sequence[Row]:
    """The rows without that of the opening, which comes last. Raises ``Stale``."""
    if check.passed:
        return rows
    check.hold([row[FIRST_CELL] for row in rows[-1:] if row[0] == place])
    return rows[:-1]


def _unless_wrong(level: Level, reading: Reading) -> Shaped | None:
    """The statement of a level below others. What is wrong with its arguments does not matter without parents."""
    try:
        if level.place in reading.wrong:
            return None
        return level.fragment(reading)
    except HubError as wrong:
        reading.wrong[level.place] = wrong
        return None


def _check(level: Level, reading: Reading) -> None:
    """Raises what is wrong with a level's arguments, where there are parents for it."""
    wrong = reading.wrong.get(level.place)
    if wrong is not None and _has_parents(level, reading):
        raise wrong


def _has_parents(level: Level, reading: Reading) -> bool:
    """Whether anything is there that the level hangs on: a joined row that is not there leaves its id null."""
    if level.parent is None:
        return True
    rows = reading.rows[level.parent.place]
    return any(level.via is None or row[level.via] is not None for row in rows)


def _together(reading: Reading, asked: Sequence[Part]) -> Made:
    """The statement of all levels."""
    text = Text()
    names = {level.place: f"level_{number}" for number, (level, _, _) in enumerate(asked)}
    for number, (level, fragment, _) in enumerate(asked):
        text.add(f"{', ' if number else 'WITH '}level_{number} AS (")
        text.take(fragment, _renamed(fragment, number), level.inlined(reading, names))
        text.add(")")
    opening = reading.check is not None and not reading.check.passed
    if reading.check is not None and opening:
        text.add(f", level_{len(asked)} AS (")
        text.take(reading.check.fragment, _renamed(reading.check.fragment, len(asked)))
        text.add(")")
    columns = [level.columns(reading) for level, _, _ in asked]
    width = max(1, *map(len, columns))
    for number, (level, _, _) in enumerate(asked):
        text.add(" UNION ALL " if number else " ")
        text.add(_branch(number, level.key, columns[number], width))
    if opening:
        text.add(" UNION ALL " + _branch(len(asked), None, ["c0"], width))
    return text.made()


def _renamed(fragment: Fragment, number: int) -> dict[str, str]:
    return {name: f"{name}_{number}" for name in fragment.names if not name.startswith(SHARED)}


def _branch(number: int, key: str | None, columns: Sequence[str], width: int) -> str:
    shown = [f"{key}::text" if key else "NULL::text", *(f"{column}::text" for column in columns)]
    shown += ["NULL::text"] * (width - len(columns))
    return f"SELECT {number}, {', '.join(shown)} FROM level_{number}"
