"""How ``productSearch`` is compiled: the index names the products, the plan's statement reads them.

The index is asked before anything is read, once for a request: ``product_search_once.searched``. What else the answer
says of the search stands in plain objects, which the ordinary executor completes field by field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from graphql import GraphQLObjectType, get_named_type

from schema import product_search_answer as answers
from schema.compiled_field import row
from schema.compiled_level import ById
from schema.compiler import Asked, Builder, Seat
from schema.declare import NOUNS
from schema.product_search_answer import ProductSearchConnection
from schema.product_search_once import searched
from schema.search_facet import SearchFacetKind
from schema.selection import Unknown

if TYPE_CHECKING:
    from hub.direct import Row
    from schema.compiled_argument import Given
    from schema.compiled_level import Reading
    from schema.context import Context
    from schema.product_search_field import Search, Searched
    from schema.search_facet import SearchFacet
    from search.query import Hit

Pair = tuple["Hit", "Row"]
"""A hit with the row of its product."""


@dataclass
class Hits:
    """What the index found, and what was read of it. ``pairs``: the hits whose products the viewer sees, in order."""

    search: Search
    searched: Searched
    answer: ProductSearchConnection
    scored: bool
    pairs: list[Pair] = field(default_factory=list)
    facets: list[SearchFacet] = field(default_factory=list)

    def highlights(self, texts: Sequence[Any]) -> list[answers.SearchHighlight]:
        """Where a product's texts say what was searched."""
        return answers.highlights(self.searched.found, self.search.scope, texts)

    def score(self, pair: Pair) -> float | None:
        """How well a hit fits; null where that means nothing."""
        return pair[0].score if self.scored else None


@dataclass(frozen=True)
class Searching:
    """The steps of a search around those of its plan. ``attributes``: the place of the products', null without facets."""

    given: Given
    key: str
    level: ById
    attributes: int | None

    async def begin(self, context: Context, reading: Reading) -> None:
        """Ask the index. Raises ``HubError``, and ``GraphQLError`` while it does not answer."""
        arguments = reading.arguments[self.given.place]
        counting = self.attributes is not None
        search, found = await searched(context, self.key, arguments, counting=counting)
        answer = search.connection(found, [], list, _nobody)
        reading.hits = Hits(search, found, answer, search.is_scored)

    async def end(self, reading: Reading) -> None:
        """Put the rows to the hits, and call the facets by their names."""
        hits = reading.hits
        assert hits is not None, "It began."
        rows = reading.index[self.level.place]
        every = ((hit, rows.get(str(hit.product_id))) for hit in hits.searched.found.hits)
        hits.pairs = [(hit, found) for hit, found in every if found is not None]
        if self.attributes is not None:
            hits.facets = await hits.search.facets(hits.searched, self._stated(hits))

    def _stated(self, hits: Hits) -> list[dict[str, Any]]:
        """What the products say of themselves, where facets ask for it."""
        assert self.attributes is not None, "There are facets."
        asked = hits.search.wanted.facets
        if asked is not None and not any(each.by is SearchFacetKind.BRAND for each in asked):
            return []
        return [{"attributes": orjson.loads(found[self.attributes])} for _, found in hits.pairs]


def search(builder: Builder, asked: Asked, given: Given) -> tuple[str, Searching]:
    """The expression of the answer, and what has to be done for it. Raises ``Unknown``."""
    noun = NOUNS["Product"]
    builder.opened(noun)
    if "savedSearch" in given.names:
        raise Unknown("saved search")
    level = builder.level("root", lambda place: ById(place, noun))
    assert isinstance(level, ById)
    level.keys_from = _keys
    seat = Seat(level, noun)
    seat.place("id")  # a statement needs a column, also where nothing is asked for
    made = _Answer(builder, seat)
    type_ = get_named_type(asked.type)
    assert isinstance(type_, GraphQLObjectType)
    page = builder.object("s", type_, asked.nodes, made.field)
    attributes = seat.place("attributes") if made.counts else None
    node = asked.nodes[0]
    key = node.alias.value if node.alias else node.name.value
    return f"{page}(v.hits)", Searching(given, key, level, attributes)


async def _nobody() -> int:
    """Nobody asks a compiled answer how many hits have all words: that takes another question."""
    return 0


def _keys(reading: Reading) -> dict[str, Any]:
    assert reading.hits is not None, "The search comes first."
    return {"keys": reading.hits.searched.found.ids}


class _Answer:
    """Compiles the fields of the answer, in terms of ``s``, the hits, and ``p``, one of them with its row."""

    def __init__(self, builder: Builder, seat: Seat) -> None:
        self._builder = builder
        self._seat = seat
        self.counts = False

    def field(self, asked: Asked) -> str:
        """The expression of one field."""
        if asked.name == "nodes":
            found = row(self._builder, self._seat, asked.nodes)
            one = self._builder.source.function("p", f"{found}(p[1])")
            return f"list(map({one}, s.pairs))"
        if asked.name == "edges":
            type_ = get_named_type(asked.type)
            assert isinstance(type_, GraphQLObjectType)
            return f"list(map({self._builder.object('p', type_, asked.nodes, self._edge)}, s.pairs))"
        if asked.name == "facets":
            self.counts = True
            return self._plain(asked, "s.facets")
        if not asked.field.is_basic_field:
            raise Unknown(f"field {asked.name}")
        return self._plain(asked, f"s.answer.{asked.field.python_name}")

    def _edge(self, asked: Asked) -> str:
        match asked.name:
            case "node":
                return f"{row(self._builder, self._seat, asked.nodes)}(p[1])"
            case "cursor":
                return self._plain(asked, "p[0].cursor")
            case "score":
                return self._plain(asked, "v.hits.score(p)")
            case "highlights":
                cells = [f"loads({self._seat.cell(name)})" for name in answers.TEXTS]
                texts = self._builder.source.function("r", f"[{', '.join(cells)}]")
                return self._plain(asked, f"v.hits.highlights({texts}(p[1]))")
        raise Unknown(f"field {asked.name}")

    def _plain(self, asked: Asked, expression: str) -> str:
        return self._builder.plain(asked.definition.type, asked.nodes, expression)
