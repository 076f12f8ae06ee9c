"""Of every value of a row: which system owns it, which one wrote it, who, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import strawberry

from hub import field_owner, ownership, registry, state
from hub.field_owner import Rule
from hub.registry import Part
from schema import rule
from schema.declare import Field
from schema.scalar import moment
from schema.spec import Spec

if TYPE_CHECKING:
    from schema.context import Context


@dataclass(frozen=True, eq=False, kw_only=True)
class Owned(Spec):
    """The owners and writers of a row's values."""


@strawberry.type(description="Which system owns a value, which one wrote it, who, and when.")
class Ownership:
    """Which system owns a value, which one wrote it, who, and when."""

    path: str = strawberry.field(description="The value, as JSON Pointer from its row.")
    owner: str | None = strawberry.field(description="The system that owns it; null where no rule says.")
    rule: str | None = strawberry.field(description="The code of the rule that says so; null without one.")
    source: str = strawberry.field(description="The system that the value comes from.")
    actor: str = strawberry.field(description="Who wrote it, for example token:7.")
    at: datetime = strawberry.field(description="When it was written.")


def owned() -> Any:
    """The owners and writers of a row's values."""
    said = "Of each of its values which system owns it, and which one wrote it, who and when. Staff and apps only."
    return Field(spec=Owned(description=said, requires="staff"), resolver=_resolve)


async def _resolve(source: Any, info: Any, _: Any) -> list[Ownership]:
    context: Context = info.context
    rule.passed(context.viewer, "staff", "ownership")
    noun, row = source.__noun__, source.__dict__
    part = registry.part(noun.name)
    named, above = ownership.place(part)
    loader = context.loader("field_owner", lambda nouns: _rules(context, nouns))
    rules: list[Rule] = await loader.load(named)
    channel = row.get("channel_id")
    codes = None if channel is None or not rules else await _codes(context, channel)
    status = row.get("status") if part.name == "order" else None
    return [
        _value(
            path,
            row["provenance"],
            ownership.decides(rules, (*above, *own), codes or ownership.channel_of(own), status),
        )
        for path, own in _paths(part, row["provenance"])
    ]


async def _rules(context: Context, nouns: Sequence[str]) -> list[list[Rule]]:
    return [field_owner.read(await context.database.rows(field_owner.of_noun(noun))) for noun in nouns]


async def _codes(context: Context, channel: int) -> frozenset[str]:
    table = registry.part("channel").table
    rows = await context.database.rows(table.select().where(table.c.id == channel))
    return frozenset(row["code"] for row in rows)


def _paths(part: Part, stored: dict[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    """The values of a row: as provenance has them, and as rules do."""
    names = state.names_of(part)
    found = {column.name for column, _ in part.fields().values()} | {each for each in stored if each != "*"}
    steps = {path: path.split("/") for path in sorted(found)}
    return [(path, (names.get(own[0], own[0]), *own[1:])) for path, own in steps.items()]


def _value(path: str, stored: dict[str, list[str]], by: Rule | None) -> Ownership:
    written, here = stored.get(path), path
    while written is None:
        here = here.rpartition("/")[0]
        written = stored.get(here or "*")
    source, actor, at = written
    return Ownership(
        path=f"/{path}",
        owner=None if by is None else by.system,
        rule=None if by is None else by.code,
        source=source,
        actor=actor,
        at=moment(at),
    )
