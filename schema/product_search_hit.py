"""The products that a search names, read in one statement that is made once for everyone who sees alike."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from schema import sql
from schema.declare import NOUNS
from schema.fixed import Fixed
from schema.loader import build, remember, values
from schema.viewer_class import class_of

if TYPE_CHECKING:
    from hub.viewer import Viewer
    from schema.context import Context, Scope

CLASSES = 100
"""Permission classes whose statement is kept."""


async def products(context: Context, scope: Scope, ids: Sequence[int]) -> list[Any]:
    """The products in the order of their ids; null for one that the viewer does not see."""
    if not ids:
        return []
    noun = NOUNS["Product"]
    given = values(context, scope, keys=list(ids))
    rows = await _statement(class_of(context.viewer)).rows(context.database, given)
    found = {row["id"]: build(noun, row, scope) for row in rows}
    remember(context, noun, scope, list(found.values()))
    return [found.get(each) for each in ids]


@lru_cache(CLASSES)
def _statement(viewer: Viewer) -> Fixed:
    frame = sql.Frame(NOUNS["Product"])
    return Fixed(sql.by_keys(frame, "id", frame.seen_by(viewer)))
