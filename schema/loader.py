"""Rows of any noun by id, each read once in a request, and the instances that they become."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from schema import rule, sql
from schema.spec import Identity

if TYPE_CHECKING:
    from strawberry.dataloader import DataLoader

    from schema.context import Context, Scope
    from schema.declare import Noun


def build(noun: Noun, row: Any, scope: Scope) -> Any:
    """The instance of a row."""
    made = object.__new__(noun.type)
    made.__dict__.update(row)
    made.__dict__["scope"] = scope
    return made


def values(context: Context, scope: Scope, **more: Any) -> dict[str, Any]:
    """What the names in a statement stand for."""
    return rule.values(context.viewer, scope) | more


def by_id(context: Context, noun: Noun, scope: Scope) -> DataLoader[int, Any]:
    """Loads rows of a noun by id, each once in a request; null for one that the viewer does not see."""

    async def batch(keys: list[int]) -> list[Any]:
        frame = sql.Frame(noun)
        statement = sql.by_keys(frame, "id", frame.seen_by(context.viewer))
        rows = await context.database.rows(statement, values(context, scope, keys=keys))
        found = {row["parent"]: build(noun, row, scope) for row in rows}
        return [found.get(key) for key in keys]

    return context.loader(("id", noun.title, scope), batch)


def remember(context: Context, noun: Noun, scope: Scope, instances: Sequence[Any]) -> None:
    """Keep instances for whoever asks for them by id."""
    if not isinstance(noun.specs.get("id"), Identity):
        return
    loader = by_id(context, noun, scope)
    for each in instances:
        loader.prime(each.id, each)
