"""A search being answered: words, filters, facets and an order, found by the index and told by the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

import strawberry

from hub import search_event
from hub.errors import Forbidden, Invalid, Required
from schema import (
    product_search,
    product_search_attribute,
    product_search_hit,
    search_facet_level,
    search_filter,
    search_filter_known,
)
from schema import product_search_answer as answers
from schema.connection import PageInfo, Paging
from schema.product_search_answer import ProductSearchConnection, SearchStep
from schema.search_facet import SearchFacet, SearchFacetInput, SearchFacetKind, Wish, check, wish
from schema.search_facet_answer import Answering
from schema.search_filter import ProductSearchFilter, Reading
from schema.search_rule_applied import applied, redirect
from schema.sort import SortDirection
from search import condition, query
from search.condition import AllOf
from search.operand import UNCOMPARABLE
from search.product import BRANDS

if TYPE_CHECKING:
    from schema.context import Context, Scope
    from schema.product_search_attribute import Named
    from schema.search_facet_level import Level

MOST_DEFAULTS = 40
"""Attributes that are counted by without being asked for."""


@strawberry.enum(description="What the hits of a search are ordered by.")
class ProductSearchSortField(Enum):
    """What hits are ordered by."""

    RELEVANCE = strawberry.enum_value("relevance", description="By how well they fit, the best first.")
    NAME = strawberry.enum_value("name", description="By name, in the reader's locale.")
    PRICE = strawberry.enum_value("price", description="By the price of the cheapest variant in the channel.")
    NEWEST = strawberry.enum_value("created", description="By when they were made, the latest first.")
    CHANGED = strawberry.enum_value(
        "changed", description="By when they changed last, the latest first. For staff and apps."
    )
    ATTRIBUTE = strawberry.enum_value("attribute", description="By an attribute; options by their code.")


LATEST_FIRST = (ProductSearchSortField.NEWEST, ProductSearchSortField.CHANGED)


@strawberry.input(
    description="The order of hits. What has no value comes last. In any order but RELEVANCE only those with all words are "
    "shown, where there are any."
)
class ProductSearchSort:
    """The order of hits."""

    field: ProductSearchSortField = strawberry.field(description="What to order by.")
    attribute: str | None = strawberry.field(
        description="Code of the attribute; with ATTRIBUTE, and only then.", default=None
    )
    direction: SortDirection | None = strawberry.field(
        description="Which end comes first; null: ASC, and DESC for NEWEST and CHANGED. Not with RELEVANCE.",
        default=None,
    )


@dataclass(frozen=True)
class Wanted:
    """What a search asks for. ``facets``: null for those that tell something, empty for none."""

    text: str = ""
    filter: ProductSearchFilter | None = None
    facets: Sequence[SearchFacetInput] | None = ()
    sort: ProductSearchSort | None = None
    paging: Paging = field(default_factory=Paging)
    explain: bool = False
    session: str | None = None


@dataclass(frozen=True)
class Searched:
    """What the index said: the conditions and facets that it was asked with, and what it found.

    ``query_id``: what events call the answer.
    """

    conditions: AllOf
    wishes: list[Wish]
    question: query.Question
    found: query.Found
    query_id: str


@dataclass
class Search:
    """One search being answered."""

    context: Context
    scope: Scope
    wanted: Wanted
    known: dict[str, Named] = field(default_factory=dict)
    places: dict[search_filter.Named, int] = field(default_factory=dict)
    level: Level | None = None

    @property
    def channel_id(self) -> int | None:
        """The channel whose offer is searched; null for staff, who search everything unless they want what is listed."""
        narrowed = self.wanted.filter is not None and self.wanted.filter.listed is True
        if self.scope.channel is None or (self.context.viewer.sees_unlisted and not narrowed):
            return None
        return self.scope.channel.id

    async def check(self) -> None:
        """Raises ``hub.errors.HubError`` for what could not be asked of the index, without asking it."""
        conditions = await self._conditions()
        query.check(self._question(conditions, await self._wishes(conditions)))

    async def searched(self) -> Searched:
        """What the index says. Raises ``hub.errors.HubError`` for what cannot be asked so."""
        wanted, size = self.wanted, self.wanted.paging.size
        check(wanted.facets or ())
        conditions = await self._conditions()
        wishes = await self._wishes(conditions)
        question = self._question(conditions, wishes)
        found = await product_search.ask(self.context, question, first=size, after=wanted.paging.after)
        return Searched(conditions, wishes, question, found, self._noted(found))

    async def answer(self, searched: Searched) -> ProductSearchConnection:
        """The page, with the products as the ordinary executor reads them."""
        found = searched.found
        nodes = await product_search_hit.products(self.context, self.scope, found.ids)

        async def facets() -> list[SearchFacet]:
            return await self.facets(searched, [node.__dict__ for node in nodes if node])

        async def having() -> int:
            return await product_search.having_all_words(self.context, searched.question, found)

        edges = answers.edges(found, nodes, self.scope, explained=self.wanted.explain, scored=self.is_scored)
        return self.connection(searched, edges, facets, having)

    async def _conditions(self) -> AllOf:
        wanted = self.wanted
        codes = search_filter.attributes(wanted.filter)
        codes |= {each.attribute for each in wanted.facets or () if each.attribute is not None}
        codes |= {wanted.sort.attribute} if wanted.sort and wanted.sort.attribute else set()
        options = search_filter_known.options(wanted.filter)
        self.known = await product_search_attribute.named(self.context, codes, options)
        everything = self.channel_id is None
        await search_filter_known.check_options(
            self.context, wanted.filter, self.known, everything=everything
        )
        named = search_filter_known.named(wanted.filter)
        named |= {("category", "code", each.parent) for each in wanted.facets or () if each.parent}
        self.places = await search_filter_known.found(self.context, named)
        reading = Reading(self.scope, everything, self.context.viewer.sees_unlisted, self.places)
        return search_filter.read(wanted.filter, reading)

    async def _wishes(self, conditions: AllOf) -> list[Wish]:
        asked = self.wanted.facets
        if asked is None:
            asked = await self._defaults()
        wishes = []
        for each in asked:
            made = self._wish(each)
            wishes.append(await self._by_level(made, conditions) if made.given.by is CATEGORY else made)
        return wishes

    def _wish(self, given: SearchFacetInput) -> Wish:
        known = self.known.get(given.attribute or "")
        return wish(given, known, self.scope, everything=self.channel_id is None)

    async def _defaults(self) -> list[SearchFacetInput]:
        kinds = [CATEGORY, SearchFacetKind.BRAND, SearchFacetKind.AVAILABLE]
        if self.channel_id is not None:
            kinds.append(SearchFacetKind.PRICE)
        known = await product_search_attribute.facets(self.context, MOST_DEFAULTS)
        return [SearchFacetInput(by=kind) for kind in kinds] + self._by_attribute(known or {})

    def _by_attribute(self, known: dict[str, Named]) -> list[SearchFacetInput]:
        """Facets by attributes that can be counted by; makers are a facet of their own."""
        self.known |= known
        return [
            SearchFacetInput(attribute=code)
            for code, each in known.items()
            if code not in BRANDS and each.definition.type not in UNCOMPARABLE
        ]

    async def _by_level(self, made: Wish, conditions: AllOf) -> Wish:
        """The facet by category: of the categories on one level alone."""
        if made.given.parent is not None:
            start = self.places["category", "code", made.given.parent]
            self.level = await search_facet_level.level(self.context, start, fixed=True)
        else:
            picked = [each for each in conditions.conditions if isinstance(each, condition.InCategory)]
            alone = picked[0].ids[0] if len(picked) == 1 and len(picked[0].ids) == 1 else None
            self.level = await search_facet_level.level(self.context, alone, fixed=False)
        return replace(made, asked=replace(made.asked, only=tuple(self.level.categories)))

    def _question(self, conditions: AllOf, wishes: Sequence[Wish]) -> query.Question:
        order, descending = self._order()
        return query.Question(
            self.wanted.text,
            channel_id=self.channel_id,
            locale=product_search.locale(self.scope),
            moment=self.scope.as_of,
            filter=conditions,
            facets=tuple(each.asked for each in wishes),
            order=order,
            descending=descending,
            explain=self.wanted.explain,
            definitions={code: each.definition for code, each in self.known.items()},
        )

    def _order(self) -> tuple[str, bool]:
        sort = self.wanted.sort
        if sort is None:
            return "relevance", False
        by = sort.field
        if by is ProductSearchSortField.RELEVANCE and sort.direction is not None:
            raise Invalid("By relevance the best comes first: leave out direction.", ("sort",))
        if by is ProductSearchSortField.CHANGED and not self.context.viewer.sees_unlisted:
            raise Forbidden("CHANGED is closed to this token: it is for staff and apps.", ("sort",))
        if (by is ProductSearchSortField.ATTRIBUTE) != (sort.attribute is not None):
            raise Required("A sort by ATTRIBUTE names one in attribute, any other names none.", ("sort",))
        order = f"attribute:{sort.attribute}" if sort.attribute is not None else str(by.value)
        descending = by in LATEST_FIRST if sort.direction is None else sort.direction is SortDirection.DESC
        return order, descending

    async def facets(self, searched: Searched, rows: Sequence[Mapping[str, Any]]) -> list[SearchFacet]:
        """The facets; where attributes are many, those that the products on the page have are counted afterwards.

        ``rows``: the attributes of those products.
        """
        found, wishes = searched.found, searched.wishes
        answering = Answering(self.context, self.scope, searched.conditions.conditions, rows, self.level)
        told = await answering.told(wishes, found.facets)
        if self.wanted.facets is not None:
            return told
        if not any(each.known for each in wishes) and rows:
            more = self._by_attribute(
                await product_search_attribute.facets_of(self.context, rows, MOST_DEFAULTS)
            )
            wishes = [self._wish(each) for each in more]
            question = self._question(searched.conditions, wishes)
            counted = await product_search.ask(self.context, question, first=0)
            told += await answering.told(wishes, counted.facets)
        return [each for each in told if _tells(each, found.total)]

    @property
    def is_scored(self) -> bool:
        """Whether hits have scores that mean something."""
        return bool(self.wanted.text.strip()) and self._order()[0] == "relevance"

    def connection(
        self,
        searched: Searched,
        edges: list[answers.ProductSearchEdge],
        facets: answers.Facets,
        having: answers.Having,
    ) -> ProductSearchConnection:
        """The page, with the products that the viewer sees."""
        found = searched.found
        return ProductSearchConnection(
            counting=facets,
            nodes=[each.node for each in edges],
            edges=edges,
            page_info=PageInfo(
                has_next_page=found.has_next,
                has_previous_page=self.wanted.paging.after is not None,
                start_cursor=found.hits[0].cursor if found.hits else None,
                end_cursor=found.hits[-1].cursor if found.hits else None,
            ),
            total=answers.total(found, having),
            step=SearchStep(found.step.value),
            did_you_mean=answers.did_you_mean(self.wanted.text, found),
            spellings=answers.spellings(found),
            taken_apart=answers.taken_apart(found),
            notice=found.notice,
            query_id=searched.query_id,
            redirect=redirect(found.redirect),
            applied_rules=(
                [applied(each) for each in found.applied] if self.context.viewer.sees_unlisted else None
            ),
        )

    def _noted(self, found: query.Found) -> str:
        """What events call this answer. Queries are noted with their first page, beside the answer."""
        recorder = self.context.extras.get("recorder")
        if recorder is None or self.wanted.paging.after is not None:
            return search_event.new_id(self.context.extras.get("secret", ""))
        place = (self.channel_id, product_search.locale(self.scope))
        number: str = recorder.query(
            self.wanted.text,
            *place,
            found.total,
            self.wanted.session,
            filtered=self.wanted.filter is not None,
        )
        return number


CATEGORY = SearchFacetKind.CATEGORY


def _tells(facet: SearchFacet, total: int) -> bool:
    """Whether a facet can narrow the hits: it has what some have and others have not, was chosen from, or leads deeper."""
    if any(each.selected or each.has_children for each in facet.values):
        return True
    if facet.values:
        return len(facet.values) > 1 or facet.values[0].count < total
    return facet.min is not None and facet.min != facet.max
