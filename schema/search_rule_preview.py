"""Rules of search tried before they are saved: what a query finds now, and what it would find."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry.types import Info

from hub.db import Json
from hub.errors import HubError, Invalid, Limit, Required
from hub.search_rule_check import checked
from schema import product_search, rule, search_rule_held
from schema.declare import NOUNS
from schema.errors import UserError, stored, user_error
from schema.loader import by_id
from schema.product_search_answer import SearchShare, share
from schema.search_rule_applied import SearchRedirect, SearchRuleApplied, applied, redirect
from schema.search_rule_input import SearchRulesInput, read
from search import query
from search.rule import Rules

if TYPE_CHECKING:
    from schema.context import Context, Scope
    from schema.product import Product  # noqa: TC004 - strawberry loads it by PRODUCT

PRODUCT = strawberry.lazy("schema.product")

LARGEST = 100
DEFAULT = 20
DRAFT = "draft"
"""What a draft that replaces no set is called where rules are named."""


@strawberry.type(description="A hit in a preview.")
class SearchPreviewHit:
    """A hit in a preview."""

    product: Annotated[Product, PRODUCT] = strawberry.field(description="The product.")
    score: float = strawberry.field(description="Its score.")
    shares: list[SearchShare] = strawberry.field(description="What the score is made of, the most first.")


@strawberry.type(description="What a query finds under some rules.")
class SearchPreviewSide:
    """What a query finds under some rules."""

    hits: list[SearchPreviewHit] = strawberry.field(description="The first hits.")
    total: int = strawberry.field(description="How many there are, or at least so many.")
    redirect: SearchRedirect | None = strawberry.field(
        description="Where it leads instead; null: nowhere else."
    )
    applied: list[SearchRuleApplied] = strawberry.field(description="The rules that hold for it.")


@strawberry.type(description="A product that stands elsewhere under the draft.")
class SearchPreviewMove:
    """A product that stands elsewhere under the draft."""

    product: Annotated[Product, PRODUCT] = strawberry.field(description="The product.")
    before: int | None = strawberry.field(description="Its place now, from 1 on; null: not among the first.")
    after: int | None = strawberry.field(
        description="Its place under the draft, from 1 on; null: not among the first."
    )


@strawberry.type(description="What a query finds now, and what it would find.")
class SearchRulesPreview:
    """What a query finds now, and what it would find."""

    live: SearchPreviewSide | None = strawberry.field(
        description="As it is; null when the draft was refused."
    )
    draft: SearchPreviewSide | None = strawberry.field(
        description="As it would be; null when the draft was refused."
    )
    moved: list[SearchPreviewMove] = strawberry.field(
        description="What stands elsewhere, by its place under the draft."
    )
    user_errors: list[UserError] = strawberry.field(
        description="Why the draft would be refused; empty when it would be saved."
    )


async def _preview(
    info: Info,
    query: Annotated[str, strawberry.argument(description="The query; empty for the list without words.")],
    draft: Annotated[SearchRulesInput, strawberry.argument(description="The rules to try.")],
    channel: Annotated[str | None, strawberry.argument(description="Code of the channel.")] = None,
    locale: Annotated[str | None, strawberry.argument(description="BCP 47 tag of the locale.")] = None,
    replaces: Annotated[
        str | None,
        strawberry.argument(description="Code of the set that the draft stands for; null: it is a set more."),
    ] = None,
    first: Annotated[
        int | None,
        strawberry.argument(description=f"How many hits: 1 to {LARGEST}; {DEFAULT} if null."),
    ] = None,
) -> SearchRulesPreview:
    """Try rules. Raises ``Forbidden``, ``Required``, ``Invalid`` or ``Limit``; what is wrong with the draft is answered."""
    context: Context = info.context
    context.viewer.require("search", "read")
    rule.opened(context.viewer, NOUNS["Product"])
    size = _size(first)
    scope = await context.scope(channel, locale)
    if scope.channel is None:
        raise Required("A preview is of a channel: name it.", ("channel",))
    try:
        rules = await asyncio.to_thread(_checked, context, dict(draft))  # type: ignore[call-overload]
    except HubError as refused:
        errors = [user_error(stored(refused), ("draft",))]
        return SearchRulesPreview(live=None, draft=None, moved=[], user_errors=errors)
    return await Preview(context, scope, query, size).of(rules, replaces)


FIELD = strawberry.field(
    resolver=_preview,
    description="What a query finds in a channel now, and what it would find under a draft of rules, without saving it:"
    " for tokens with search:read.",
)
"""The root field, which the query takes in."""


class Preview:
    """One query under the rules that hold, and under a draft."""

    def __init__(self, context: Context, scope: Scope, text: str, size: int) -> None:
        assert scope.channel is not None
        self._context, self._scope, self._text, self._size = context, scope, text, size
        self._place = (scope.channel.id, product_search.locale(scope))

    async def of(self, rules: Json, replaces: str | None) -> SearchRulesPreview:
        """Both answers, and what stands elsewhere."""
        held = await search_rule_held.sets(self._context, *self._place)
        drafted = _replaced(held, rules, replaces)
        live, draft = [
            await self._found(await search_rule_held.compiled(self._context, sets, *self._place))
            for sets in (held, drafted)
        ]
        return SearchRulesPreview(
            live=await self._side(live),
            draft=await self._side(draft),
            moved=await self._moved(live, draft),
            user_errors=[],
        )

    async def _found(self, rules: Rules) -> query.Found:
        channel_id, locale = self._place
        question = query.Question(
            self._text, channel_id, locale, moment=self._scope.as_of, rules=rules, explain=True
        )
        return await product_search.answered(self._context, question, first=self._size)

    async def _nodes(self, numbers: Sequence[int]) -> dict[int, Any]:
        nodes = await by_id(self._context, NOUNS["Product"], self._scope).load_many(list(numbers))
        return {number: node for number, node in zip(numbers, nodes, strict=True) if node is not None}

    async def _side(self, found: query.Found) -> SearchPreviewSide:
        nodes = await self._nodes([hit.product_id for hit in found.hits])
        hits = [
            SearchPreviewHit(product=nodes[hit.product_id], score=hit.score, shares=_shares(hit.shares))
            for hit in found.hits
            if hit.product_id in nodes
        ]
        return SearchPreviewSide(
            hits=hits,
            total=found.total,
            redirect=redirect(found.redirect),
            applied=[applied(each) for each in found.applied],
        )

    async def _moved(self, live: query.Found, draft: query.Found) -> list[SearchPreviewMove]:
        before, after = (
            {hit.product_id: place for place, hit in enumerate(found.hits, start=1)}
            for found in (live, draft)
        )
        moved = [number for number in before | after if before.get(number) != after.get(number)]
        moved.sort(key=lambda number: (after.get(number, self._size + 1), before.get(number, 0)))
        nodes = await self._nodes(moved)
        return [
            SearchPreviewMove(product=nodes[each], before=before.get(each), after=after.get(each))
            for each in moved
            if each in nodes
        ]


def _shares(shares: Mapping[str, float]) -> list[SearchShare]:
    return [
        share(name, score) for name, score in sorted(shares.items(), key=lambda each: (-each[1], each[0]))
    ]


def _replaced(held: Sequence[Mapping[str, Any]], rules: Json, code: str | None) -> list[Mapping[str, Any]]:
    drafted = {"code": code or DRAFT, "rules": rules}
    if code is not None and any(each["code"] == code for each in held):
        return [drafted if each["code"] == code else each for each in held]
    return [drafted, *held]


def _checked(context: Context, raw: Mapping[str, Any]) -> Json:
    with context.database.read() as tx:
        return checked(tx, read(raw, (), []))


def _size(first: int | None) -> int:
    size = DEFAULT if first is None else first
    if size < 1:
        raise Invalid(f"first is {size}: give 1 to {LARGEST}.", ("first",))
    if size > LARGEST:
        raise Limit(f"first is {size}: a preview shows {LARGEST} hits at most.", ("first",))
    return size
