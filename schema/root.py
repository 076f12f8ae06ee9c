"""Root fields: one of a noun by what people have, and lists of it. They open the scope for all that is below."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import strawberry

from hub import ids
from hub.errors import Invalid
from schema import external_id, rule, sql
from schema import filter as filters
from schema.declare import Field, Noun, Resolver, by_name
from schema.errors import outside
from schema.loader import build, by_id, remember, values
from schema.ordinary import Listed, listing
from schema.spec import Argument, Identity, LookUp, Spec

if TYPE_CHECKING:
    from schema.context import Context, Scope

SCOPE: dict[str, Argument] = {
    "channel": Argument(
        type=str | None,
        description="Code of the channel to read in: listings, prices, the locales to fall back on; null: the token's own.",
    ),
    "locale": Argument(
        type=str | None,
        description="BCP 47 tag of the wanted locale; null: the token's own, or the channel's first. Texts fall back "
        "along the channel's locales.",
    ),
    "as_of": Argument(
        type=datetime | None,
        description="The moment at which listings and prices are read; null: now. It moves windows, not content. "
        "A storefront needs the scope catalogue:preview for it.",
    ),
}
"""The arguments that open a scope."""


async def opened(context: Context, arguments: dict[str, Any]) -> Scope:
    """The scope of a root field's arguments."""
    return await context.scope(arguments["channel"], arguments["locale"], arguments["as_of"])


def look_ups(noun: Noun) -> dict[str, LookUp]:
    """What one of a noun is found by, beside its id."""
    found = dict(noun.look_ups)
    if noun.aggregate is not None:
        found["external_id"] = external_id.look_up(noun)
    return found


def single(noun: Noun) -> Field:
    """``product(id, slug, externalId)``."""
    ways = {"id": Argument(type=strawberry.ID | None, description="Its id.")}
    ways |= {
        name: Argument(type=each.type | None, description=each.description)
        for name, each in look_ups(noun).items()
    }
    spec = Spec(
        description=f"{noun.description} Give one way to find it; null where there is none that this token sees.",
        requires=noun.requires,
        arguments={**ways, **SCOPE},
    )
    return Field(spec=spec, resolver=_single(noun, list(ways)))


def _single(noun: Noun, ways: list[str]) -> Resolver:
    found_by = look_ups(noun)

    async def resolve(_: Any, info: Any, arguments: dict[str, Any]) -> Any:
        context = info.context
        rule.opened(context.viewer, noun)
        rule.passed(context.viewer, noun.requires, noun.single or noun.name)
        scope = await opened(context, arguments)
        given = [name for name in ways if arguments.get(name) is not None]
        if len(given) != 1:
            named = ", ".join(map(outside, ways))
            raise Invalid(
                f"{noun.single} was given {len(given) or 'no'} ways to find it: give one of {named}."
            )
        value = arguments[given[0]]
        if given[0] == "id":
            return await by_id(context, noun, scope).load(filters.number_of(value, noun))
        return await _found(context, noun, scope, found_by[given[0]], value)

    return resolve


async def _found(context: Context, noun: Noun, scope: Scope, way: LookUp, value: Any) -> Any:
    frame = sql.Frame(noun)
    statement = sql.chosen_by(frame, way.select(way.read(value)), frame.seen_by(context.viewer))
    instances = [
        build(noun, row, scope) for row in await context.database.rows(statement, values(context, scope))
    ]
    remember(context, noun, scope, instances)
    return next(iter(instances), None)


def plural(noun: Noun) -> Field:
    """``products(filter, sort, first, …)``."""
    spec = Spec(
        description=f"{noun.description} All that this token sees, page by page.",
        requires=noun.requires,
        arguments={**_searching(noun), **listing(noun), **SCOPE},
    )
    return Field(spec=spec, resolver=_plural(noun))


def _searching(noun: Noun) -> dict[str, Argument]:
    return (
        {}
        if noun.search is None
        else {"search": Argument(type=str | None, description=noun.search.description)}
    )


def _plural(noun: Noun) -> Resolver:
    async def resolve(_: Any, info: Any, arguments: dict[str, Any]) -> Any:
        context = info.context
        rule.opened(context.viewer, noun)
        rule.passed(context.viewer, noun.requires, noun.plural or noun.name)
        listed = Listed(context, noun, await opened(context, arguments), arguments)
        text = arguments.get("search")
        return (
            await listed.root()
            if text is None or noun.search is None
            else await noun.search.page(listed, text)
        )

    return resolve


def node() -> Field:
    """``node(id)``."""
    arguments = {"id": Argument(type=strawberry.ID, description="The id.", default=strawberry.UNSET), **SCOPE}

    async def resolve(_: Any, info: Any, given: dict[str, Any]) -> Any:
        return (await _nodes(info.context, [given["id"]], given))[0]

    spec = Spec(description="Any object by its id; null where this token sees none.", arguments=arguments)
    return Field(spec=spec, resolver=resolve)


def nodes() -> Field:
    """``nodes(ids)``."""
    wanted = Argument(type=list[strawberry.ID], description="The ids, at most 100.", default=strawberry.UNSET)

    async def resolve(_: Any, info: Any, given: dict[str, Any]) -> Any:
        return await _nodes(info.context, given["ids"], given)

    spec = Spec(
        description="Objects by their ids, in the same order; null for each that this token does not see.",
        arguments={"ids": wanted, **SCOPE},
    )
    return Field(spec=spec, resolver=resolve)


async def _nodes(context: Context, wanted: list[str], arguments: dict[str, Any]) -> list[Any]:
    if len(wanted) > filters.LARGEST_LIST:
        raise filters.too_many("ids", len(wanted))
    named = [_noun_of(each) for each in wanted]
    for noun, _ in named:
        rule.opened(context.viewer, noun)
        rule.passed(context.viewer, noun.requires, noun.name)
    scope = await opened(context, arguments)
    loading = [by_id(context, noun, scope).load(number) for noun, number in named]
    return [await each for each in loading]


def _noun_of(global_id: str) -> tuple[Noun, int]:
    try:
        name, _ = ids.decode(global_id)
    except ValueError as wrong:
        raise Invalid(str(wrong), ("id",)) from wrong
    noun = by_name(name)
    if noun is None or not isinstance(noun.specs.get("id"), Identity):
        raise Invalid(f'"{global_id}" is the id of a {name}, which cannot be read by id.', ("id",))
    return noun, filters.number_of(global_id, noun)
