"""Plans: documents compiled for everyone of one permission class, and what running them takes from each request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from hub.direct import Made, Row
from hub.errors import HubError
from schema import attribute_level, rule
from schema import filter as filters
from schema.compiled_argument import Arguments
from schema.compiled_attribute import DEFINITIONS, definition
from schema.compiled_level import Level, Reading
from schema.compiled_page import Listing
from schema.compiled_root import Compiled
from schema.compiled_stage import Stage
from schema.opening import Stale

if TYPE_CHECKING:
    from graphql.execution.values import VariableValues

    from hub.viewer import Viewer
    from schema.context import Context
    from schema.opening import Check


class Reads(Protocol):
    """Where statements are run."""

    async def read_made(self, statement: Made, values: Mapping[str, Any]) -> Sequence[Row]:
        """The rows of a statement."""


@dataclass(frozen=True)
class Request:
    """What a plan takes from a request. ``check``: what makes sure that who asks is who they were before."""

    context: Context
    variables: VariableValues
    database: Reads
    check: Check | None = None


class Root:
    """One root field of a plan."""

    def __init__(self, found: Compiled, seer: Viewer) -> None:
        self._compiled = found
        self._seer = seer
        self.levels = found.builder.levels
        self._values = found.builder.values
        self._apart = found.builder.whole
        self._waves = _waves(self.levels, apart=self._apart)
        self._filtered = [
            level for level in self.levels if isinstance(level, Listing) and "filter" in level.given.names
        ]

    async def read(
        self, request: Request, wanted: Sequence[int] = (), keys: Sequence[int] = ()
    ) -> tuple[Any, int]:
        """The value of the field, and how many objects are in it. Raises whatever goes wrong: the ordinary executor says it better.

        ``wanted``: of a payload document, the ids of the objects that are shown; ``keys``: those that are read.
        """
        reading = await self._begun(request)
        reading.wanted, reading.keys, reading.check = wanted, keys, request.check
        searching = self._compiled.searching
        if searching is not None:
            await searching.begin(request.context, reading)
        await self._define(reading, request.database)
        for number, stages in enumerate(self._waves):
            for stage in stages:
                await stage.read(reading, request.database)
            await self._see(reading, number, request.database)
        if searching is not None:
            await searching.end(reading)
        return self._compiled.answer(reading)

    @property
    def searches(self) -> bool:
        """Whether it asks the search engine."""
        return self._compiled.searching is not None

    async def _begun(self, request: Request) -> Reading:
        arguments = Arguments(self._compiled.builder.given, request.variables)
        own = arguments[self._compiled.given.place]
        scope = await request.context.scope(own["channel"], own["locale"], own["as_of"])
        return Reading(
            self._seer, scope, arguments, rule.values(request.context.viewer, scope), levels=self.levels
        )

    async def _define(self, reading: Reading, database: Reads) -> None:
        """Read the attributes that filters name."""
        named: set[str] = set()
        for level in self._filtered:
            try:
                named |= filters.attribute_codes(reading.arguments[level.given.place].get("filter"))
            except HubError as wrong:
                reading.wrong[level.place] = wrong
        known = await _known(named, database)
        reading.definitions = {code: each.definition for code, each in known.items()}

    async def _see(self, reading: Reading, wave: int, database: Reads) -> None:
        met = [each for each in self._values if each.level.wave == wave]
        for each in met:
            each.meet(reading)
        if self._apart:
            codes = {code for each in met for code in each.codes_met(reading)}
            reading.known = await _known(codes, database)
        for each in met:
            each.see(reading, reading.known)


async def _known(codes: set[str], database: Reads) -> dict[str, attribute_level.Known]:
    if not codes:
        return {}
    rows = await database.read_made(DEFINITIONS, {"codes": sorted(codes)})
    found = [definition(row) for row in rows]
    return {each.definition.code: each for each in found}


def _waves(levels: Sequence[Level], *, apart: bool) -> list[list[Stage]]:
    """The stages in their order: a wave's keys come from the values that the wave before has chosen."""
    tops: dict[Level, list[Level]] = {}
    top_of: dict[Level, Level] = {}
    for level in levels:
        alone = apart or level.parent is None or level.keys_from is not None
        top = level if alone or level.parent is None else top_of[level.parent]
        top_of[level] = top
        tops.setdefault(top, []).append(level)
    waves: list[list[Stage]] = [[] for _ in range(1 + max((level.wave for level in levels), default=0))]
    for top, some in tops.items():
        waves[top.wave].append(Stage(sorted(some, key=lambda level: level.last)))
    return waves


@dataclass(frozen=True)
class Plan:
    """What answers an operation for one permission class: its root fields, or the text that one of them is."""

    roots: Mapping[str, Root | str]

    @property
    def searches(self) -> bool:
        """Whether a field asks the search engine: that is for those alone whose token was read before."""
        return any(each.searches for each in self.roots.values() if isinstance(each, Root))

    async def run(self, request: Request) -> tuple[dict[str, Any], int]:
        """The data of the answer, and how many objects are in it. Raises whatever goes wrong."""
        data: dict[str, Any] = {}
        objects = 0
        for key, each in self.roots.items():
            data[key], more = (each, 0) if isinstance(each, str) else await each.read(request)
            objects += more
        if request.check is not None and not request.check.passed:
            raise Stale
        return data, objects

    async def run_many(
        self, request: Request, wanted: Sequence[int], keys: Sequence[int]
    ) -> dict[int, dict[str, Any] | None]:
        """The data of a payload document for each wanted id; null for an object that is not seen."""
        ((name, root),) = self.roots.items()
        assert isinstance(root, Root), "A payload document finds an object."
        found, _ = await root.read(request, wanted, keys)
        return {number: None if each is None else {name: each} for number, each in found.items()}
