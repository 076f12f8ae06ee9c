"""The mutations that every noun has, made from the registry: create, update, delete, and upsert in bulk."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import sqlalchemy as sa
import strawberry
from strawberry.types import Info
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_camel_case

from hub import reference, registry, save
from hub.db import Json
from hub.errors import HubError, Invalid, Limit
from hub.registry import Part
from hub.save import Mode, Policy, Result
from schema import indexing, payload, reach
from schema import input as inputs
from schema.command import Request, Writing, answered, carry_out, write
from schema.input import ExternalIdInput, Given
from schema.scalar import Long

LARGEST_BATCH = 1_000
LARGEST_STOCK_BATCH = 10_000

BatchPolicy = strawberry.enum(
    Policy,
    name="BatchPolicy",
    description="What becomes of the good rows of a batch that holds bad ones: none is written, or all of them are.",
)

IfVersion = Annotated[
    Long | None,
    strawberry.argument(
        description="Refuse with CONFLICT unless the object is at this version; null: do not ask."
    ),
]
IdempotencyKey = Annotated[
    str | None,
    strawberry.argument(
        description="Up to 255 characters, kept for 7 days: the same input sent again under the same key is not carried"
        " out again but answered as the first time. Null: every request is a new one."
    ),
]
PolicyArgument = Annotated[
    BatchPolicy,  # type: ignore[valid-type]
    strawberry.argument(description="What becomes of the good rows when others are refused."),
]
InChannel = Annotated[
    str | None,
    strawberry.argument(
        description="Code of the channel that the answer is read in; null: the token's default."
    ),
]
InLocale = Annotated[
    str | None,
    strawberry.argument(
        description="BCP 47 tag of the locale that the answer is read in; null: the default."
    ),
]


def fields() -> list[StrawberryField]:
    """The mutations of every root noun of the registry that has no commands of its own."""
    makers = (_create, _update, _delete, _bulk_upsert)
    return [make(part) for part in registry.roots() if not part.kept.own_commands for make in makers]


def field(
    name: str, resolver: Callable[..., Any], description: str, returns: Any, **arguments: Any
) -> StrawberryField:
    """A mutation whose arguments' types are only known when the registry has been read."""
    annotations = {"info": Info, **arguments, "return": returns}
    signature = inspect.signature(resolver)
    resolver.__name__ = name
    resolver.__annotations__ = annotations
    # One that waits for the index stands around another, whose arguments it repeats in a signature of its own.
    resolver.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[
            each.replace(annotation=annotations[each.name]) for each in signature.parameters.values()
        ],
        return_annotation=returns,
    )
    made: StrawberryField = strawberry.mutation(
        resolver=resolver, name=to_camel_case(name), description=description
    )
    return made


def described(type_: Any, description: str) -> Any:
    """An argument's type with what it is for."""
    return Annotated[type_, strawberry.argument(description=description)]


def reading(**arguments: Any) -> dict[str, Any]:
    """Arguments, and those that say how the answer's objects are read."""
    return {**arguments, "channel": InChannel, "locale": InLocale}


def _create(part: Part) -> StrawberryField:
    async def create(
        info: Info,
        input: Given,  # noqa: A002 - the argument's name in the API
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request(f"{part.name}_create", input.raw, idempotency_key)
        return await _one(info, part, request, input, Writing(Mode.CREATE), (channel, locale))

    arguments = reading(
        input=described(inputs.of(part), f"What the new {_words(part)} is to be."),
        idempotency_key=IdempotencyKey,
        **indexing.arguments(part),
    )
    description = f"Make {_indefinite(part)}."
    return field(
        f"{part.name}_create", indexing.waiting(create, part), description, payload.single(part), **arguments
    )


def _update(part: Part) -> StrawberryField:
    async def update(
        info: Info,
        input: Given,  # noqa: A002 - the argument's name in the API
        if_version: int | None = None,
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request(f"{part.name}_update", [input.raw, if_version], idempotency_key)
        how = Writing(Mode.UPDATE, if_version=if_version)
        return await _one(info, part, request, input, how, (channel, locale))

    arguments = reading(
        input=described(
            inputs.of(part), f"Which {_words(part)}, by id, key or external id, and what changes."
        ),
        if_version=IfVersion,
        idempotency_key=IdempotencyKey,
        **indexing.arguments(part),
    )
    description = f"Change {_indefinite(part)}. What the input leaves out stays as it is."
    return field(
        f"{part.name}_update", indexing.waiting(update, part), description, payload.single(part), **arguments
    )


def _delete(part: Part) -> StrawberryField:
    async def delete(
        info: Info,
        id: str | None = None,  # noqa: A002 - the argument's name in the API
        key: str | None = None,
        external_id: ExternalIdInput | None = None,
        if_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> payload.DeletePayload:
        named = _named(id, key, external_id)
        request = Request(f"{part.name}_delete", [named, if_version], idempotency_key)
        info.context.viewer.require(part.kept.scope, "write")
        viewer = info.context.viewer
        answer = await carry_out(
            info.context, request, lambda tx: _remove(tx, viewer, part, named, if_version)
        )
        return payload.deleted(part, answer)

    return field(
        f"{part.name}_delete",
        indexing.waiting(delete, part),
        f"Delete {_indefinite(part)} with all that is part of it, named in one of three ways.",
        payload.DeletePayload,
        id=described(strawberry.ID | None, "Its id in this hub."),
        key=described(str | None, "What people know it by: code, slug or number."),
        external_id=described(ExternalIdInput | None, "What another system calls it."),
        if_version=IfVersion,
        idempotency_key=IdempotencyKey,
        **indexing.arguments(part),
    )


def _bulk_upsert(part: Part) -> StrawberryField:
    async def bulk_upsert(
        info: Info,
        rows: list[Given],
        policy: Policy = Policy.REJECT_ALL,
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        request = Request(f"{part.name}_bulk_upsert", [[row.raw for row in rows], policy], idempotency_key)
        return await batch(info, part, request, rows, policy, (channel, locale))

    return field(
        f"{part.name}_bulk_upsert",
        indexing.waiting(bulk_upsert, part),
        f"Create or change up to {LARGEST_BATCH} {_words(part)} objects, each found by id, key or external id.",
        payload.batch(part),
        **reading(
            rows=described(list[inputs.of(part)], "What each object is to be."),  # type: ignore[misc]
            policy=PolicyArgument,
            idempotency_key=IdempotencyKey,
            **indexing.arguments(part),
        ),
    )


async def _one(
    info: Info, part: Part, request: Request, given: Given, how: Writing, read_in: payload.ReadIn
) -> Any:
    viewer = info.context.viewer
    viewer.require(part.kept.scope, "write")
    answer = await carry_out(
        info.context, request, lambda tx: answered(write(tx, viewer, part, [given], how))
    )
    return payload.one(part, answer, read_in, "input")


async def batch(
    info: Info,
    part: Part,
    request: Request,
    rows: Sequence[Given],
    policy: Policy,
    read_in: payload.ReadIn,
    largest: int = LARGEST_BATCH,
) -> Any:
    """Carry out a batch. Raises ``Forbidden`` for a token without the scope."""
    viewer = info.context.viewer
    viewer.require(part.kept.scope, "write")
    if len(rows) > largest:
        refused = Limit(
            f"A batch of {len(rows)} rows is too large: send at most {largest} at once.", ("rows",)
        )
        return payload.many(part, answered([], refused), read_in)
    how = Writing(policy=policy)
    answer = await carry_out(info.context, request, lambda tx: answered(write(tx, viewer, part, rows, how)))
    return payload.many(part, answer, read_in)


def _named(global_id: str | None, key: str | None, external_id: ExternalIdInput | None) -> Json:
    """The one way in which an object is named, as a ``Reference`` would hold it."""
    ways: Json = {"id": global_id, "key": key}
    if external_id is not None:
        ways["externalId"] = {"system": external_id.system, "id": external_id.id}
    return {how: named for how, named in ways.items() if named is not None}


def _remove(tx: sa.Connection, viewer: Any, part: Part, named: Json, if_version: int | None) -> Json:
    try:
        number = found(tx, part.name, named)
        reach.check_delete(tx, viewer, part, number)
    except HubError as refused:
        return answered([Result(None, "refused", (refused,))])
    return answered(save.delete(tx, part.name, [number], if_version=[if_version]))


def found(tx: sa.Connection, noun: str, named: Json) -> int:
    """The id of the object that arguments name. Raises ``Invalid`` for none or several names, or ``NotFound``."""
    if len(named) != 1:
        raise Invalid("Name the object in one way: id, key or externalId.")
    row = inputs.reference(named, noun)
    way = reference.way(row, noun)
    directory = reference.Directory(tx)
    directory.look_up(noun, [way])
    number = directory.find(noun, way)
    if number is None:
        raise reference.missing(noun, way).under(way[0])
    return number


def _indefinite(part: Part) -> str:
    words = _words(part)
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _words(part: Part) -> str:
    return part.name.replace("_", " ")
