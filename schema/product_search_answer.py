"""What a search answers: hits with what is to be said of each, the total, the facets, and how it was answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry.types import Info

from hub.errors import Forbidden
from schema import rule
from schema.connection import PageInfo
from schema.product_search_attribute import label
from schema.product_search_variant import matching
from schema.search_facet import SearchFacet
from schema.search_rule_applied import SearchRedirect, SearchRuleApplied
from search import analysis, query, wording
from search.document import PARTS
from search.fields import CODES
from search.highlight import highlighted

if TYPE_CHECKING:
    from schema.context import Scope
    from schema.product import Product  # noqa: TC004 - strawberry loads it by PRODUCT
    from schema.variant import Variant  # noqa: TC004 - strawberry loads it by VARIANT

# Nouns are declared in an order of their own: nothing else may load them before.
PRODUCT, VARIANT = strawberry.lazy("schema.product"), strawberry.lazy("schema.variant")

TEXTS = ("name", "description")
"""The fields of a product whose texts are highlighted."""


@strawberry.enum(description="How far a total can be relied on.")
class SearchTotalAccuracy(Enum):
    """How far a total can be relied on."""

    EXACT = strawberry.enum_value("EXACT", description="So many there are.")
    AT_LEAST = strawberry.enum_value("AT_LEAST", description="There are more: counting stopped here.")


@strawberry.enum(description="How a search was answered: the first of these that found something.")
class SearchStep(Enum):
    """How a search was answered."""

    ALL_WORDS = strawberry.enum_value(
        "ALL_WORDS",
        description="Some product has all words: such stand first, and total.allWords counts them; those behind have some. "
        "Or no words were asked.",
    )
    TAKEN_APART = strawberry.enum_value(
        "TAKEN_APART",
        description="As ALL_WORDS, once a word that no name or label has is taken for the words it is made of: see takenApart.",
    )
    RESPELLED = strawberry.enum_value(
        "RESPELLED", description="A word that no product has was replaced by close ones: see spellings."
    )
    SOME_WORDS = strawberry.enum_value(
        "SOME_WORDS", description="No product has all words; these have some of them."
    )
    BEGINNINGS = strawberry.enum_value(
        "BEGINNINGS", description="No product has any word; in these, words begin so."
    )
    NOTHING = strawberry.enum_value("NOTHING", description="Nothing was found.")


Having = Callable[[], Awaitable[int]]
"""Counts the hits that have all words."""


async def _all_words(root: strawberry.Parent[SearchTotal]) -> int:
    return await root.having()


@strawberry.type(description="How many products a search finds.")
class SearchTotal:
    """How many products a search finds."""

    having: strawberry.Private[Having]

    count: int = strawberry.field(description="So many, or at least so many.")
    accuracy: SearchTotalAccuracy = strawberry.field(description="Which of the two.")
    all_words: int = strawberry.field(
        resolver=_all_words,
        description="How many of them have all words, or the number that was typed; they stand first, and the others have "
        "some of the words. Without words all of them. Counted where it is asked for, as accurately as count.",
    )


@strawberry.type(
    description="A word that no product has, and the close ones that were searched in its place."
)
class SearchSpelling:
    """A corrected word."""

    word: str = strawberry.field(description="The word as it was typed.")
    closest: list[str] = strawberry.field(description="The close words, the closest first.")


@strawberry.type(
    description="A word that no name or label has, and the words it is made of, which were searched."
)
class SearchParts:
    """A word that was taken apart."""

    word: str = strawberry.field(description="The word as it was typed.")
    parts: list[str] = strawberry.field(description="Its parts in order.")


@strawberry.type(description="Where a text of a hit says what was searched.")
class SearchHighlight:
    """Where a text says what was searched."""

    field: str = strawberry.field(description="The field of the product: name or description.")
    fragments: list[str] = strawberry.field(
        description="HTML that is safe to show: the text with every match in <mark>, everything else escaped; of a long "
        "text the part around its first match."
    )


@strawberry.type(description="A part of a hit's score.")
class SearchShare:
    """A part of a hit's score."""

    name: str = strawberry.field(description="What counts: a field with a word, or a rule of the ranking.")
    field: str | None = strawberry.field(
        description="The field of the index that a word stands in: title, labels, codes, body or details; null for a rule."
    )
    word: str | None = strawberry.field(description="The word; null for a rule.")
    score: float = strawberry.field(
        description="What it adds at most. Of one word's fields the best counts fully, the others in part."
    )


def _highlights(root: strawberry.Parent[ProductSearchEdge]) -> list[SearchHighlight]:
    row: Mapping[str, Any] = root.node.__dict__
    return highlights(root.found, root.scope, [row[name] for name in TEXTS])


def highlights(found: query.Found, scope: Scope, texts: Iterable[Mapping[str, str]]) -> list[SearchHighlight]:
    """Where a product's ``TEXTS``, given by locale, say what was searched."""
    sought = found.text
    if sought is None:
        return []
    shown = ((name, label(each, scope)) for name, each in zip(TEXTS, texts, strict=True))
    marked = ((name, highlighted(wording.plain(text), sought)) for name, text in shown if text is not None)
    return [SearchHighlight(field=name, fragments=[text]) for name, text in marked if text is not None]


def _explanation(root: strawberry.Parent[ProductSearchEdge], info: Info) -> list[SearchShare] | None:
    rule.passed(info.context.viewer, "staff", "explanation")
    if not root.explained:
        return None
    shares = sorted(root.hit.shares.items(), key=lambda share: (-share[1], share[0]))
    return [share(name, score) for name, score in shares]


def share(name: str, score: float) -> SearchShare:
    """A named clause's part of a score."""
    field, _, word = name.partition(": ")
    if field not in (*PARTS, CODES):
        return SearchShare(name=name, field=None, word=None, score=score)
    return SearchShare(name=name, field=field, word=word, score=score)


async def _matching(
    root: strawberry.Parent[ProductSearchEdge], info: Info
) -> list[Annotated[Variant, VARIANT]]:
    identifiers = root.found.text.identifiers if root.found.text else ()
    return await matching(info.context, root.scope, root.hit.product_id, identifiers)


@strawberry.type(description="A hit with its cursor.")
class ProductSearchEdge:
    """A hit with its cursor."""

    found: strawberry.Private[query.Found]
    hit: strawberry.Private[query.Hit]
    scope: strawberry.Private[Any]
    explained: strawberry.Private[bool]

    cursor: str = strawberry.field(
        description="Names this place in this search; give it as after, with the same other arguments."
    )
    node: Annotated[Product, PRODUCT] = strawberry.field(description="The product.")
    score: float | None = strawberry.field(
        description="How well it fits, for comparing hits of one search; null without words and in another order."
    )
    highlights: list[SearchHighlight] = strawberry.field(
        resolver=_highlights, description="Where its texts say what was searched."
    )
    matching_variants: list[Annotated[Variant, VARIANT]] = strawberry.field(
        resolver=_matching,
        description="Its variants whose SKU, GTIN or MPN is what was typed; empty for a search by words.",
    )
    explanation: list[SearchShare] | None = strawberry.field(
        resolver=_explanation,
        description="What its score is made of, with the argument explain; null without it. Staff and apps only.",
    )


Facets = Callable[[], Any]


async def _facets(root: strawberry.Parent[ProductSearchConnection]) -> list[SearchFacet]:
    return await root.counting()  # type: ignore[no-any-return]


@strawberry.type(
    description="A page of what a search finds, best first, and what there is to say of all of it."
)
class ProductSearchConnection:
    """A page of what a search finds."""

    counting: strawberry.Private[Facets]

    nodes: list[Annotated[Product, PRODUCT]] = strawberry.field(description="The products of the page.")
    edges: list[ProductSearchEdge] = strawberry.field(
        description="The products of the page, each with its cursor, score and highlights."
    )
    page_info: PageInfo = strawberry.field(description="Where the page stands. There is no way back.")
    total: SearchTotal = strawberry.field(description="How many products it finds in all.")
    step: SearchStep = strawberry.field(description="How it was answered.")
    did_you_mean: str | None = strawberry.field(
        description="The query with the closest spellings in it, which is what was searched; null where nothing was corrected."
    )
    spellings: list[SearchSpelling] = strawberry.field(description="The words that were corrected.")
    taken_apart: list[SearchParts] = strawberry.field(
        description="The words that no name or label has, and the known words that they are made of."
    )
    notice: str | None = strawberry.field(
        description="A sentence where the query holds nothing to search for; otherwise null."
    )
    query_id: str = strawberry.field(
        description="What searchEvent calls this answer: send it with clicks, carts and orders that come of it."
    )
    redirect: SearchRedirect | None = strawberry.field(
        description="Where the rules of search lead the query instead of its hits; null: nowhere else."
    )
    applied_rules: list[SearchRuleApplied] | None = strawberry.field(
        description="The rules of search that held for the query, of those that move hits; null for storefronts."
    )
    facets: list[SearchFacet] = strawberry.field(
        resolver=_facets,
        description="What the hits are counted by: as asked for; without the argument facets by category, maker, price, "
        "stock and the attributes that are facets, those that tell nothing left out.",
    )


def total(found: query.Found, having: Having) -> SearchTotal:
    """The total."""
    accuracy = SearchTotalAccuracy.EXACT if found.exact else SearchTotalAccuracy.AT_LEAST
    return SearchTotal(having=having, count=found.total, accuracy=accuracy)


def spellings(found: query.Found) -> list[SearchSpelling]:
    """The words that were corrected."""
    return [SearchSpelling(word=word, closest=close) for word, close in found.spellings.items()]


def taken_apart(found: query.Found) -> list[SearchParts]:
    """The words that were taken apart."""
    made_of = found.text.taken_apart if found.text else {}
    return [SearchParts(word=word, parts=parts) for word, parts in made_of.items()]


def did_you_mean(text: str, found: query.Found) -> str | None:
    """The query with the closest spelling of each corrected word; null where there is none."""
    if not found.spellings:
        return None
    return "".join(_corrected(text, found.spellings))


def _corrected(text: str, close: Mapping[str, list[str]]) -> Iterator[str]:
    at = 0
    for word in analysis.words(text):
        if word.start >= at and close.get(word.text):
            yield text[at : word.start]
            yield close[word.text][0]
            at = word.end
    yield text[at:]


def refuse_explaining(viewer: Any) -> None:
    """Raises ``Forbidden`` for a storefront: what a rank is made of is the shop's own business, and costs much."""
    if not viewer.sees_unlisted:
        raise Forbidden(
            "explain is closed to this token: only staff and apps see what a score is made of.", ("explain",)
        )


def edges(
    found: query.Found, nodes: list[Any], scope: Scope, *, explained: bool, scored: bool
) -> list[ProductSearchEdge]:
    """The hits that the reader sees: what the index still names and the database does not show is left out."""
    return [
        ProductSearchEdge(
            found=found,
            hit=hit,
            scope=scope,
            explained=explained,
            cursor=hit.cursor,
            node=node,
            score=hit.score if scored else None,
        )
        for hit, node in zip(found.hits, nodes, strict=True)
        if node is not None
    ]
