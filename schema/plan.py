"""Plans: documents compiled for everyone of one permission class, and what running them takes from each request."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, OperationDefinitionNode
from graphql.execution.values import VariableValues, get_variable_values

from hub.errors import HubError
from schema import attribute_level, rule
from schema import filter as filters
from schema.compiled_argument import Arguments
from schema.compiled_attribute import DEFINITIONS, definition
from schema.compiled_level import Level, Reading
from schema.compiled_page import Listing
from schema.compiled_root import Compiled, compiled, nouns_of
from schema.compiled_stage import Stage
from schema.compiled_value import Bail
from schema.compiler import Asked, Builder
from schema.selection import Selections, Unknown

if TYPE_CHECKING:
    import strawberry

    from hub.db import Database
    from hub.viewer import Viewer
    from schema.context import Context
    from schema.document import Document


log = logging.getLogger("hub.schema")


def class_of(viewer: Viewer) -> Viewer:
    """Who stands for everyone of a viewer's permission class.

    Everything of the viewer counts, but for what changes neither what is visible nor any statement's text. Of channels and customer it counts whether the viewer
    is bound to any: which ones is bound by name, with ``rule.values``.
    """
    bound = None if viewer.channel_ids is None else frozenset[int]()
    customer = None if viewer.customer_id is None else 0
    return replace(
        viewer,
        token_id=None,
        system="hub",
        default_channel_id=None,
        default_locale=None,
        channel_ids=bound,
        customer_id=customer,
    )


@dataclass(frozen=True)
class Request:
    """What a plan takes from a request."""

    context: Context
    variables: VariableValues

    @property
    def database(self) -> Database:
        """Where it reads."""
        return self.context.database


class Root:
    """One root field of a plan."""

    def __init__(self, found: Compiled, seer: Viewer) -> None:
        self._compiled = found
        self._seer = seer
        self.levels = found.builder.levels
        self._values = found.builder.values
        self._waves = _waves(self.levels, apart=found.builder.whole)

    async def read(self, request: Request, **more: Any) -> tuple[Any, int]:
        """The value of the field, and how many objects are in it. Raises whatever goes wrong: the ordinary executor says it better."""
        reading = await self._begun(request)
        for name, value in more.items():
            setattr(reading, name, value)
        await self._define(reading, request.database)
        for number, stages in enumerate(self._waves):
            for stage in stages:
                await stage.read(reading, request.database)
            await self._see(reading, number, request.database)
        return self._compiled.answer(reading)

    async def _begun(self, request: Request) -> Reading:
        arguments = Arguments(self._compiled.builder.given, request.variables)
        own = arguments[self._compiled.given.place]
        scope = await request.context.scope(own["channel"], own["locale"], own["as_of"])
        return Reading(
            self._seer, scope, arguments, rule.values(request.context.viewer, scope), levels=self.levels
        )

    async def _define(self, reading: Reading, database: Database) -> None:
        """Read the attributes that filters name."""
        named: set[str] = set()
        for level in self.levels:
            if isinstance(level, Listing):
                try:
                    named |= filters.attribute_codes(reading.arguments[level.given.place].get("filter"))
                except HubError as wrong:
                    reading.wrong[level.place] = wrong
        known = await _known(named, database)
        reading.definitions = {code: each.definition for code, each in known.items()}

    async def _see(self, reading: Reading, wave: int, database: Database) -> None:
        met = [each for each in self._values if each.level.wave == wave]
        if met:
            known = await _known({code for each in met for code in each.meet(reading)}, database)
            for each in met:
                each.see(reading, known)


async def _known(codes: set[str], database: Database) -> dict[str, attribute_level.Known]:
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
        waves[top.wave].append(Stage(some))
    return waves


@dataclass(frozen=True)
class Plan:
    """What answers an operation for one permission class: its root fields, or the text that one of them is."""

    roots: Mapping[str, Root | str]

    async def run(self, request: Request) -> tuple[dict[str, Any], int]:
        """The data of the answer, and how many objects are in it. Raises whatever goes wrong."""
        data: dict[str, Any] = {}
        objects = 0
        for key, each in self.roots.items():
            data[key], more = (each, 0) if isinstance(each, str) else await each.read(request)
            objects += more
        return data, objects


@dataclass(frozen=True)
class Refusal:
    """Why there is no plan."""

    cause: str


class Planner:
    """Makes and keeps the plans of one operation's document."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._schema = schema

    def variables(self, node: OperationDefinitionNode, given: dict[str, Any]) -> VariableValues:
        """The variables, coerced. Raises ``Bail`` where they are wrong."""
        found = get_variable_values(self._schema._schema, node.variable_definitions or (), given)  # noqa: SLF001 - has no public name
        if isinstance(found, list):
            raise Bail("variables")
        return found

    def plan(
        self, document: Document, node: OperationDefinitionNode, viewer: Viewer, variables: VariableValues
    ) -> Plan | Refusal:
        """The plan, kept with its document."""
        seer = class_of(viewer)
        included = {name: variables.coerced.get(name) for name in document.conditions}
        try:
            nouns = _nouns(document, variables)
        except Unknown as unknown:
            return Refusal(str(unknown))
        key: Hashable = (id(node), tuple(included.values()), seer, nouns)
        known: Plan | Refusal | None = document.plans.find(key)
        return known or document.plans.keep(key, self._made(document, node, seer, included, nouns))

    def _made(
        self,
        document: Document,
        node: OperationDefinitionNode,
        seer: Viewer,
        included: dict[str, Any],
        nouns: tuple[tuple[str, ...], ...],
    ) -> Plan | Refusal:
        assert document.node is not None, "A document without a tree is never planned."
        selections = Selections(self._schema._schema, document.node, included)  # noqa: SLF001 - has no public name
        try:
            return self._compiled(
                node, seer, selections, dict(zip(map(id, document.by_ids), nouns, strict=True))
            )
        except Unknown as unknown:
            return Refusal(str(unknown))
        except (GraphQLError, HubError, ValueError) as wrong:  # a constant argument is wrong
            return Refusal(type(wrong).__name__)
        except Exception:
            log.exception("A document could not be compiled, and is answered by the ordinary executor.")
            return Refusal("fault")

    def _compiled(
        self,
        node: OperationDefinitionNode,
        seer: Viewer,
        selections: Selections,
        nouns: Mapping[int, tuple[str, ...]],
    ) -> Plan:
        query = selections.schema.query_type
        assert query is not None, "The schema has queries."
        roots: dict[str, Root | str] = {}
        for key, nodes in selections.of([node.selection_set], query).items():
            name = nodes[0].name.value
            if name == "__typename":
                roots[key] = query.name
                continue
            if name not in query.fields:
                raise Unknown("introspection")
            builder = Builder(self._schema, selections, seer)
            found = compiled(builder, Asked(nodes, query.fields[name]), nouns.get(id(nodes[0]), ()))
            roots[key] = Root(found, seer)
        return Plan(roots)


def _nouns(document: Document, variables: VariableValues) -> tuple[tuple[str, ...], ...]:
    """The nouns of each field that finds by ids, in the order of the document."""
    return tuple(nouns_of(each, variables.coerced) for each in document.by_ids)
