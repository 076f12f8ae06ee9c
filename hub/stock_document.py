"""Documents of other systems: each line of one moves stock once, however often it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hub.db import Json
from hub.errors import Conflict, Required
from hub.stock_movement import StockMovement

if TYPE_CHECKING:
    from hub.draft import Draft

Name = tuple[str, str, str]
"""System, id and line of a document; the line is empty where it has only one."""


def name(document: Json) -> Name:
    """What tells a document's line from all others."""
    return document["system"], document["id"], document.get("line", "")


def shown(document: Json) -> str:
    """A document as messages show it."""
    line = f" line {document['line']}" if document.get("line") else ""
    return f'"{document["id"]}"{line} of {document["system"]}'


def known(tx: sa.Connection, documents: Iterable[Json]) -> dict[Name, list[Mapping[str, Any]]]:
    """The movements that stand on these documents already."""
    names = {name(each) for each in documents}
    found: dict[Name, list[Mapping[str, Any]]] = {}
    if not names:
        return found
    arrays = [sa.cast(list(each), sa.ARRAY(sa.Text)) for each in zip(*names, strict=True)]
    given = sa.func.unnest(*arrays).table_valued("system", "id", "line").render_derived("given")
    movement = StockMovement.__table__
    same = sa.and_(
        movement.c.document_system == given.c.system,
        movement.c.document_id == given.c.id,
        movement.c.document_line == given.c.line,
    )
    statement = sa.select(movement).join_from(movement, given, same).order_by(movement.c.id)
    for row in tx.execute(statement).mappings():
        key = (row["document_system"], row["document_id"], row["document_line"])
        found.setdefault(key, []).append(dict(row))
    return found


def drop_repeated(tx: sa.Connection, drafts: Sequence[Draft]) -> None:
    """Leave out of stated levels what their document stated before; refuse what it stated otherwise."""
    stated = known(tx, [draft.values["document"] for draft in drafts])
    for draft in drafts:
        document = draft.values["document"]
        if draft.values.get("on_hand") is None:
            draft.refuse(Required("A document states a level: give onHand with it."), "on_hand")
        elif before := stated.get(name(document)):
            if not _same(before, draft):
                draft.refuse(other(document, before), "document")
            del draft.values["on_hand"], draft.values["document"]


def _same(before: Sequence[Mapping[str, Any]], draft: Draft) -> bool:
    said = before[0]
    return (
        len(before) == 1
        and said["kind"] in ("counted", "corrected")
        and said["stock_id"] == draft.id
        and said["level_after"] == draft.values["on_hand"]
    )


def other(document: Json, before: Sequence[Mapping[str, Any]]) -> Conflict:
    """The refusal of a document that says something else than it said before."""
    said = before[0]
    meant = (
        f"counted {said['level_after']}"
        if said["kind"] == "counted"
        else f"{said['kind']} {said['quantity']}"
    )
    return Conflict(
        f"Document {shown(document)} said something else before ({meant}): give a new one its own id."
    )
