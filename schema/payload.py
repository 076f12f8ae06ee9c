"""What mutations answer: the object as it is after the commit, and why something was refused."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from typing import Any

import strawberry
from strawberry.types import Info

from hub import ids
from hub.db import Json
from hub.registry import Part
from schema import declare, indexing
from schema.context import Context
from schema.errors import UserError, user_error
from schema.loader import by_id

PROPOSED = "How many values became proposals, because another system owns their fields."

ReadIn = tuple[str | None, str | None]
"""Channel and locale that the objects of a payload are read in."""


@strawberry.enum(
    description="What became of one row. KEPT: a message that waits until it can be carried out."
)
class Outcome(StrEnum):
    """What became of one row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    KEPT = "kept"
    REFUSED = "refused"


@strawberry.type(description="What a deletion answers.")
class DeletePayload:
    """What a deletion answers."""

    deleted_id: strawberry.ID | None = strawberry.field(
        description="The id of the object that is gone; null when it was refused."
    )
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was done.")
    indexed: bool | None = strawberry.field(description=indexing.INDEXED, default=None)
    notice: str | None = strawberry.field(description=indexing.NOTICE, default=None)


@cache
def single(part: Part) -> type[Any]:
    """The payload of a noun's create and update: ``ProductPayload``."""
    title = _title(part)
    namespace = _object(
        part, f"The {_words(part)} as it is now; null when it was refused or may not be read."
    )
    namespace |= {
        "outcome": strawberry.field(description="What became of it."),
        "user_errors": strawberry.field(description="Why it was refused; empty when it was done."),
        "proposed": strawberry.field(description=PROPOSED, default=0),
    }
    annotations = {
        "outcome": Outcome,
        "user_errors": list[UserError],
        "proposed": int,
        **_awaited(part, namespace),
    }
    return _type(f"{title}Payload", f"What a command on one {_words(part)} answers.", namespace, annotations)


@cache
def row(part: Part) -> type[Any]:
    """What became of one row of a batch: ``ProductResult``."""
    title = _title(part)
    namespace = _object(
        part, f"The {_words(part)} as it is now; null when it was refused or may not be read."
    )
    namespace |= {
        "index": strawberry.field(description="The row's place in the input, counted from 0."),
        "outcome": strawberry.field(description="What became of it."),
        "user_errors": strawberry.field(description="Why it was refused; empty when it was done."),
        "proposed": strawberry.field(description=PROPOSED, default=0),
    }
    annotations = {"index": int, "outcome": Outcome, "user_errors": list[UserError], "proposed": int}
    return _type(f"{title}Result", f"What became of one row of {_words(part)} input.", namespace, annotations)


@cache
def batch(part: Part) -> type[Any]:
    """The payload of a noun's bulk upsert: ``ProductBulkPayload``."""
    namespace = {
        "results": strawberry.field(description="One for each row, in the order of the rows."),
        "user_errors": strawberry.field(description="The refusals of all rows together."),
    }
    annotations = {
        "results": list[row(part)],  # type: ignore[misc]
        "user_errors": list[UserError],
        **_awaited(part, namespace),
    }
    title = f"{_title(part)}BulkPayload"
    return _type(title, f"What a batch of {_words(part)} rows answers.", namespace, annotations)


def one(part: Part, answer: Json, read_in: ReadIn, *prefix: str | int) -> Any:
    """The payload for one result; ``prefix`` is where its refusals' paths start in the arguments."""
    result = answer["results"][0] if answer["results"] else {"id": None, "outcome": "refused", "errors": []}
    return _filled(single(part), result, read_in, prefix, answer["errors"])


def many(part: Part, answer: Json, read_in: ReadIn, argument: str = "rows") -> Any:
    """The payload for the results of a batch."""
    rows = [
        _filled(row(part), each, read_in, (argument, place), index=place)
        for place, each in enumerate(answer["results"])
    ]
    refused = [user_error(each) for each in answer["errors"]]
    return batch(part)(
        results=rows, user_errors=[*refused, *(error for each in rows for error in each.user_errors)]
    )


def deleted(part: Part, answer: Json) -> DeletePayload:
    """The payload for a deletion."""
    errors = [*answer["errors"], *(error for each in answer["results"] for error in each["errors"])]
    gone = None if errors else strawberry.ID(ids.encode(part.name, answer["results"][0]["id"]))
    return DeletePayload(deleted_id=gone, user_errors=[user_error(each) for each in errors])


def _filled(
    type_: type[Any],
    result: Json,
    read_in: ReadIn,
    prefix: tuple[str | int, ...],
    errors: Sequence[Json] = (),
    **more: Any,
) -> Any:
    made = type_(
        outcome=Outcome(result["outcome"]),
        user_errors=[
            *(user_error(each) for each in errors),
            *(user_error(each, prefix) for each in result["errors"]),
        ],
        **more,
    )
    # A refused object is not shown: what it is now is not what was asked for.
    made.number = None if made.user_errors else result["id"]
    made.read_in = read_in
    made.proposed = 0 if made.user_errors else result.get("proposed", 0)
    return made


def _awaited(part: Part, namespace: dict[str, Any]) -> dict[str, Any]:
    """What waiting for the index came to, for nouns that it shows: fields into the namespace, and their types."""
    if part.name not in indexing.NOUNS:
        return {}
    namespace |= {
        "indexed": strawberry.field(description=indexing.INDEXED, default=None),
        "notice": strawberry.field(description=indexing.NOTICE, default=None),
    }
    return {"indexed": bool | None, "notice": str | None}


def _object(part: Part, description: str) -> dict[str, Any]:
    """The field with the object itself, read from what is committed."""
    noun = declare.by_name(part.name)
    if noun is None:
        raise LookupError(f"{part.name} has no GraphQL type: declare it under schema/.")

    async def resolve(root: Any, info: Info) -> Any:
        return None if root.number is None else await read(info.context, noun, root.number, *root.read_in)

    resolve.__annotations__ = {"root": Any, "info": Info, "return": noun.type | None}
    return {part.name: strawberry.field(resolver=resolve, description=description)}


async def read(
    context: Context, noun: declare.Noun, number: int, channel: str | None, locale: str | None
) -> Any:
    """One object as the viewer sees it; null where its scopes or the row rule hide it."""
    if noun.scope is not None and not context.viewer.may(noun.scope, "read"):
        return None
    return await by_id(context, noun, await context.scope(channel, locale)).load(number)


def _type(title: str, description: str, namespace: dict[str, Any], annotations: dict[str, Any]) -> type[Any]:
    made = type(title, (), {"__annotations__": annotations, "__module__": __name__, **namespace})
    return strawberry.type(made, description=description)


def _title(part: Part) -> str:
    return str(part.model.__name__)


def _words(part: Part) -> str:
    return part.name.replace("_", " ")
