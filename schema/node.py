"""What nouns have in common: the interfaces, and the small types that stand in all of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import strawberry

from schema.declare import column, identity, many, scoped
from schema.ownership import Ownership, owned
from schema.scalar import Long, moment

if TYPE_CHECKING:
    from schema.external_id import ExternalId  # noqa: TC004 - schema.nouns fills it in

OWN_NAME = "own name"
"""In ``many(where=…)``: the name of the noun that the field stands in."""


@strawberry.type(description="A text in one locale.")
class Translation:
    """A text in one locale."""

    locale: str = strawberry.field(description="BCP 47 tag.")
    text: str = strawberry.field(description="The text.")


@strawberry.type(description="Which system wrote a value, who, and when.")
class Provenance:
    """Which system wrote a value, who, and when."""

    path: str = strawberry.field(
        description="The value, as JSON Pointer. Empty: the row as it was first written, all that no other entry names."
    )
    source: str = strawberry.field(description="The system that the value comes from.")
    actor: str = strawberry.field(description="Who wrote it, for example token:7.")
    at: datetime = strawberry.field(description="When it was written.")


def provenance(stored: dict[str, list[str]], _: Any) -> list[Provenance]:
    """The entries of a row, the oldest path first."""
    return [
        Provenance(path="" if path == "*" else f"/{path}", source=source, actor=actor, at=moment(at))
        for path, (source, actor, at) in sorted(stored.items())
    ]


def where_from() -> Any:
    """The provenance of a row's values."""
    return scoped(
        "Which system wrote its values, who and when. Staff and apps only.",
        "provenance",
        provenance,
        requires="staff",
    )


@strawberry.interface(description="Anything with an id.")
class Node:
    """Anything with an id."""

    id: strawberry.ID = identity("Its id, opaque and the same in the API, the feed and webhooks.")


@strawberry.interface(description="A row whose values know where they come from.")
class Sourced(Node):
    """A row whose values know where they come from."""

    provenance: list[Provenance] | None = where_from()
    ownership: list[Ownership] | None = owned()


@strawberry.interface(description="What changes as one, and has a version.")
class Aggregate(Sourced):
    """What changes as one, and has a version."""

    version: Long = column(
        "Goes up by one with every transaction that changes the object or what is part of it.", of="aggregate"
    )
    created_at: datetime = column("When it was made.", of="aggregate", filter=True, sort=True)
    updated_at: datetime = column("When it was last changed.", of="aggregate", filter=True, sort=True)
    external_ids: list[ExternalId] = many(
        "ExternalId",
        "What other systems call it; `system` picks one system's.",
        key="entity_id",
        order=("system", "value"),
        where={"entity": OWN_NAME},
        match={"system": "system"},
    )
