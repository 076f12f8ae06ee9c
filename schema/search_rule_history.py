"""What a set of search rules said before, what changed each time, and the way back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
import strawberry
from strawberry.scalars import JSON
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import registry, search_rule
from hub.db import Json
from hub.errors import Invalid, Limit, NotFound
from hub.save import Mode
from hub.search_rule import SearchRuleRevision as Revision
from schema import payload
from schema.command import Request, Writing, answered, carry_out, write_rows
from schema.context import Context
from schema.mutation import IdempotencyKey, IfVersion, described, field, reading
from schema.search_rule import bound_sets

PART = "search_rule_set"
LARGEST_PAGE = 100
DEFAULT_PAGE = 20


@strawberry.type(description="A rule that one state has and the other has not.")
class SearchRuleChange:
    """A rule that one state has and the other has not."""

    kind: str = strawberry.field(
        description="Its kind: synonyms, stopWords, boosts, buries, pins, redirects."
    )
    removed: JSON | None = strawberry.field(description="The rule as it was; null where one was added.")
    added: JSON | None = strawberry.field(description="The rule as it is now; null where one was removed.")


@strawberry.type(name="SearchRuleRevision", description="A state that a set of search rules had.")
class SearchRuleState:
    """A state that a set of search rules had."""

    revision: int = strawberry.field(description="Its number, from 1 on.")
    at: datetime = strawberry.field(description="Since when.")
    actor: str = strawberry.field(description="Who made it: token:7.")
    source: str = strawberry.field(description="The system that it came from.")
    note: str | None = strawberry.field(description="What it was for; null without a note.")
    active: bool = strawberry.field(description="Whether the set held.")
    deleted: bool = strawberry.field(
        description="Whether the set was deleted then; searchRuleSetRestore makes it anew from any state before."
    )
    rules: JSON = strawberry.field(description="Its rules by kind.")
    changes: list[SearchRuleChange] = strawberry.field(
        description="In what its rules differ from those of the state before; of the oldest one shown, all of them"
        " where there is none before."
    )


async def revisions(
    info: Info,
    code: Annotated[str, strawberry.argument(description="The set's code.")],
    first: Annotated[
        int | None, strawberry.argument(description=f"How many: 1 to {LARGEST_PAGE}; {DEFAULT_PAGE} if null.")
    ] = None,
) -> list[SearchRuleState]:
    """The latest states of a set, newest first. Raises ``Forbidden``, ``NotFound``, ``Invalid`` or ``Limit``."""
    context: Context = info.context
    context.viewer.require("search", "read")
    size = DEFAULT_PAGE if first is None else first
    if size < 1:
        raise Invalid(f"first is {size}: give 1 to {LARGEST_PAGE}.", ("first",))
    if size > LARGEST_PAGE:
        raise Limit(f"first is {size}: at most {LARGEST_PAGE} revisions are given at once.", ("first",))
    number = await _number(context, code)
    rows = await context.database.rows(search_rule.revisions(number, size + 1))
    before: list[Json] = [*(row["rules"] for row in rows[1:]), {}]
    return [_state(row, old) for row, old in zip(rows[:size], before, strict=False)]


def _state(row: Any, old: Json) -> SearchRuleState:
    changes = [
        SearchRuleChange(kind=kind, removed=removed, added=added)
        for kind, removed, added in search_rule.difference(old, row["rules"])
    ]
    names = ("revision", "at", "actor", "source", "note", "active", "deleted", "rules")
    return SearchRuleState(changes=changes, **{name: row[name] for name in names})


async def _number(context: Context, code: str) -> int:
    """The set of a code, also one that was deleted."""
    named = search_rule.history(code).subquery()
    chosen = sa.select(named)
    bound = bound_sets(named.c, context.viewer)
    if bound is not None:
        chosen = chosen.where(bound)
    rows = await context.database.rows(chosen, _bound(context))
    if not rows:
        raise NotFound(f'Set of search rules "{code}" does not exist: searchRuleSets lists them.', ("code",))
    return int(rows[0]["id"])


def _bound(context: Context) -> dict[str, Any]:
    channels = context.viewer.channel_ids
    return {} if channels is None else {"rule_channels": sorted(channels)}


REVISIONS = strawberry.field(
    resolver=revisions,
    description="The states that a set of search rules had, newest first, each with what it changed. For staff and apps.",
)
"""The root field, which the query takes in."""


def fields() -> list[StrawberryField]:
    """The way back."""
    return [_restore()]


def _restore() -> StrawberryField:
    async def search_rule_set_restore(
        info: Info,
        code: str,
        revision: int,
        note: str | None = None,
        if_version: int | None = None,
        idempotency_key: str | None = None,
        channel: str | None = None,
        locale: str | None = None,
    ) -> Any:
        part = registry.part(PART)
        viewer = info.context.viewer
        viewer.require(part.kept.scope, "write")
        request = Request("search_rule_set_restore", [code, revision, note, if_version], idempotency_key)
        how = Writing(Mode.UPDATE, if_version=if_version)

        def restore(tx: sa.Connection) -> Json:
            row, lives = _row(tx, code, revision, note)
            return answered(write_rows(tx, viewer, part, [row], how if lives else Writing(Mode.CREATE)))

        answer = await carry_out(info.context, request, restore)
        return payload.one(part, answer, (channel, locale))

    return field(
        "search_rule_set_restore",
        search_rule_set_restore,
        "Make a set of search rules what it was: channel, locale, rules and whether it holds. It is a new revision,"
        " which can be undone like any other. One that was deleted is made anew.",
        payload.single(registry.part(PART)),
        **reading(
            code=described(str, "The set's code."),
            revision=described(int, "The number of the revision."),
            note=described(str | None, "What it is for; null says which revision was restored."),
            if_version=IfVersion,
            idempotency_key=IdempotencyKey,
        ),
    )


def _row(tx: sa.Connection, code: str, revision: int, note: str | None) -> tuple[Json, bool]:
    """The input that brings a state back, and whether the set is there. Raises ``NotFound`` or ``Invalid``."""
    named = search_rule.history(code).subquery()
    statement = sa.select(Revision.__table__, named.c.lives).join(named, named.c.id == Revision.rule_set_id)
    row = tx.execute(statement.where(Revision.revision == revision)).mappings().first()
    if row is None:
        raise NotFound(f'Set of search rules "{code}" has no revision {revision}.', ("revision",))
    if row["deleted"]:
        raise Invalid(
            f'Revision {revision} of "{code}" is that it was deleted: restore one before it.', ("revision",)
        )
    refers = {
        name: None if row[f"{name}_id"] is None else {"id": row[f"{name}_id"]}
        for name in ("channel", "locale")
    }
    named_by = {"id": row["rule_set_id"]} if row["lives"] else {"code": code}
    said = {"active": row["active"], "rules": row["rules"], "note": note or f"Restored revision {revision}."}
    return {**named_by, **refers, **said}, bool(row["lives"])
