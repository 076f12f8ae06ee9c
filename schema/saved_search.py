"""Saved searches in the API: kept, changed, listed; ``productSearch(savedSearch:)`` runs one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

import sqlalchemy as sa
import strawberry
from graphql import GraphQLInputType
from graphql.utilities import coerce_input_value
from strawberry.scalars import JSON
from strawberry.types import Info
from strawberry.types.arguments import convert_argument
from strawberry.types.base import has_object_definition
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_camel_case

from hub import ids, saved_search
from hub.channel import Channel
from hub.db import Json
from hub.errors import HubError, NotFound
from hub.saved_search import NOUN
from hub.saved_search import SavedSearch as Table
from schema.context import Context
from schema.declare import check_storable
from schema.errors import UserError, stored, user_error
from schema.filter import NAMES
from schema.input import local_id
from schema.payload import DeletePayload
from schema.product_search_field import ProductSearchSort, Search, Wanted
from schema.scalar import plain, stamp
from schema.search_filter import ProductSearchFilter


@strawberry.type(name="SavedSearch", description="A search of products under a name, for staff and apps.")
class SavedSearch:
    """A search of products under a name."""

    id: strawberry.ID = strawberry.field(description="Its id; give it to productSearch as savedSearch.")
    name: str = strawberry.field(description="What its owner calls it; one owner has each name once.")
    owner: str = strawberry.field(description="The system of the token that saved it.")
    shared: bool = strawberry.field(description="Whether others than its owner see, run and change it.")
    channel: str | None = strawberry.field(
        description="Code of the channel that it reads in; null: that of whoever runs it."
    )
    locale: str | None = strawberry.field(description="Its locale; null: that of whoever runs it.")
    query: str | None = strawberry.field(description="Its words; null for all products.")
    filter: JSON | None = strawberry.field(
        description="Its filter, in the form of ProductSearchFilter; null without one."
    )
    sort: JSON | None = strawberry.field(
        description="Its order, in the form of ProductSearchSort; null: the best first."
    )
    version: int = strawberry.field(description="How often it was saved; give it as ifVersion.")
    created_at: datetime = strawberry.field(description="When it was saved first.")
    updated_at: datetime = strawberry.field(description="When it was changed last.")


def _given(description: str) -> Any:
    return strawberry.field(description=description, default=strawberry.UNSET)


@strawberry.input(description="A search to keep. In an update, what is left out stays as it is.")
class SavedSearchInput:
    """A search to keep."""

    name: str | None = _given("What to call it, at most 200 characters; a new one needs a name.")
    shared: bool | None = _given("Whether others see it too; false unless said.")
    channel: str | None = _given("Code of the channel to read in; null: that of whoever runs it.")
    locale: str | None = _given("The locale; null: that of whoever runs it.")
    query: str | None = _given("Words; null for all products.")
    filter: ProductSearchFilter | None = _given("The filter; null for none.")
    sort: ProductSearchSort | None = _given("The order; null: the best first.")


@strawberry.type(description="What a command on a saved search answers.")
class SavedSearchPayload:
    """What a command on a saved search answers."""

    saved_search: SavedSearch | None = strawberry.field(
        description="The saved search as it is now; null when it was refused."
    )
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was done.")


Id = Annotated[strawberry.ID, strawberry.argument(description="The saved search's id.")]


async def saved_search_(info: Info, id: Id) -> SavedSearch | None:  # noqa: A002 - the API's name
    """One of them."""
    saved_search.require(info.context.viewer, "read")
    found = await _read(info.context, Table.id == local_id(id, NOUN))
    return _shown(found[0]) if found else None


async def saved_searches(info: Info) -> list[SavedSearch]:
    """All that the token sees."""
    saved_search.require(info.context.viewer, "read")
    return [_shown(row) for row in await _read(info.context, sa.true())]


async def saved_search_create(
    info: Info,
    input: Annotated[SavedSearchInput, strawberry.argument(description="The search.")],  # noqa: A002 - the API's name
) -> SavedSearchPayload:
    """Keep a search."""
    viewer = info.context.viewer
    return await _saved(info, input, lambda tx, row: saved_search.create(tx, viewer, row))


async def saved_search_update(
    info: Info,
    id: Id,  # noqa: A002 - the API's name
    input: Annotated[SavedSearchInput, strawberry.argument(description="What is to be different.")],  # noqa: A002 - the API's name
    if_version: Annotated[
        int | None,
        strawberry.argument(description="Refuse unless it is at this version; null: whatever it is at."),
    ] = None,
) -> SavedSearchPayload:
    """Change one."""
    viewer = info.context.viewer

    def update(tx: sa.Connection, row: Json) -> int:
        number = local_id(id, NOUN)
        saved_search.update(tx, viewer, number, row, if_version)
        return number

    return await _saved(info, input, update)


async def saved_search_delete(info: Info, id: Id) -> DeletePayload:  # noqa: A002 - the API's name
    """Forget one."""
    context: Context = info.context
    saved_search.require(context.viewer, "write")
    try:
        number = local_id(id, NOUN)
        await _write(context, lambda tx: saved_search.delete(tx, context.viewer, number))
    except HubError as refused:
        return DeletePayload(deleted_id=None, user_errors=[user_error(stored(refused))])
    return DeletePayload(deleted_id=id, user_errors=[])


SINGLE = strawberry.field(
    resolver=saved_search_,
    description="A saved search; null where there is none of that id that this token sees.",
)
PLURAL = strawberry.field(
    resolver=saved_searches,
    description="The saved searches of this token's system, and those that are shared, by name. For staff and apps.",
)
"""The root fields, which the query takes in."""


def fields() -> list[StrawberryField]:
    """The mutations of saved searches."""
    described = (
        (saved_search_create, "Keep a search of products under a name. It is checked as if it were run."),
        (saved_search_update, "Change a saved search, one's own or a shared one."),
        (saved_search_delete, "Forget a saved search, one's own or a shared one."),
    )
    return [strawberry.mutation(resolver=resolver, description=text) for resolver, text in described]


async def _saved(
    info: Info, given: SavedSearchInput, save: Callable[[sa.Connection, Json], int]
) -> SavedSearchPayload:
    context: Context = info.context
    saved_search.require(context.viewer, "write")
    try:
        row = await _row(context, given)
        number = await _write(context, lambda tx: save(tx, row))
    except HubError as refused:
        prefix = () if refused.path[:1] in (("id",), ("if_version",)) else ("input",)
        return SavedSearchPayload(saved_search=None, user_errors=[user_error(stored(refused), prefix)])
    return SavedSearchPayload(
        saved_search=_shown((await _read(context, Table.id == number))[0]), user_errors=[]
    )


async def _row(context: Context, given: SavedSearchInput) -> Json:
    """What is given as it is kept. Raises ``HubError`` where the search could not be run."""
    said = {name: each for name, each in vars(given).items() if each is not strawberry.UNSET}
    check_storable(list(said.values()))
    scope = await context.scope(said.get("channel"), said.get("locale"))
    wanted = Wanted(said.get("query") or "", said.get("filter"), (), said.get("sort"))
    try:
        await Search(context, scope, wanted).check()
    except HubError as refused:
        if refused.path == ("search",):  # what the words are called in products(search:)
            refused.path = ("query",)
        raise
    if "channel" in said:
        named = said.pop("channel")
        said["channel_id"] = scope.channel.id if named is not None and scope.channel else None
    return said | {name: _plain(said[name]) for name in ("filter", "sort") if name in said}


def _plain(given: Any) -> Any:
    """An input as JSON, in the names of the API."""
    match given:
        case Enum():
            return given.name
        case datetime():
            return stamp(given)
        case Decimal():
            return plain(given)
        case list():
            return [_plain(each) for each in given]
    if not has_object_definition(given):
        return given
    said: Json = dict(vars(given))
    return {
        NAMES.get(name) or to_camel_case(name): _plain(each)
        for name, each in said.items()
        if each is not strawberry.UNSET
    }


async def _write(context: Context, work: Callable[[sa.Connection], Any]) -> Any:
    def run() -> Any:
        with context.database.write(context.viewer.writer) as tx:
            return work(tx)

    return await asyncio.to_thread(run)


async def _read(context: Context, chosen: sa.ColumnElement[bool]) -> list[Any]:
    statement = (
        sa.select(Table.__table__, Channel.code.label("channel"))
        .select_from(Table.__table__)
        .outerjoin(Channel.__table__, Channel.id == Table.channel_id)
        .where(chosen, saved_search.seen(context.viewer))
        .order_by(Table.name, Table.id)
    )
    return list(await context.database.rows(statement))


def _shown(row: Any) -> SavedSearch:
    names = ("name", "owner", "shared", "channel", "locale", "query", "filter", "sort", "version")
    return SavedSearch(
        id=strawberry.ID(ids.encode(NOUN, row["id"])),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        **{name: row[name] for name in names},
    )


async def merged(info: Any, global_id: str, arguments: Json) -> Json:
    """The arguments of a search with those of a saved one in the place of missing ones; both filters hold.

    Raises ``NotFound`` for one that the viewer does not see.
    """
    context: Context = info.context
    saved_search.require(context.viewer, "read")
    found = await _read(context, Table.id == local_id(global_id, NOUN, ("saved_search",)))
    if not found:
        raise NotFound(
            f'"{global_id}" is no saved search that this token sees: savedSearches lists those.',
            ("saved_search",),
        )
    row = found[0]
    own = {name: row[name] for name in ("channel", "locale", "query")}
    own |= {
        "filter": _input(info, ProductSearchFilter, row["filter"]),
        "sort": _input(info, ProductSearchSort, row["sort"]),
    }
    asked = {name: own[name] for name in own if arguments[name] is None}
    if own["filter"] is not None and arguments["filter"] is not None:
        asked["filter"] = _both(own["filter"], arguments["filter"])
    return arguments | asked


def _both(saved: ProductSearchFilter, given: ProductSearchFilter) -> ProductSearchFilter:
    """Both filters; what makes a search one of what is listed is said on top."""
    both = ProductSearchFilter(and_=[saved, given])
    if saved.listed is True or given.listed is True:
        both.listed = True
    return both


def _input(info: Any, type_: Any, kept: Any) -> Any:
    """An input as it was given. What the schema no longer takes is refused with the library's sentence."""
    if kept is None:
        return None
    schema = info.schema
    declared: GraphQLInputType = schema._schema.type_map[type_.__name__]  # noqa: SLF001 - has no public name
    coerced = coerce_input_value(kept, declared)
    registry = schema.schema_converter.scalar_registry
    return convert_argument(coerced, type_, registry, schema.config)
