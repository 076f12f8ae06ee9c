"""External ids: what other systems call the hub's objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hub.external_id import ExternalId as Table
from schema.declare import column, noun
from schema.input import ExternalIdInput
from schema.spec import LookUp
from schema.sql import MERGED

if TYPE_CHECKING:
    from schema.declare import Noun


@noun(Table, "What another system calls an object.")
class ExternalId:
    """What another system calls an object."""

    system: str = column("The other system's name, for example erp.")
    id: str = column("The object's id there.", name="value")


def look_up(owner: Noun) -> LookUp:
    """By the id that another system has for it."""
    merged = MERGED in owner.table.c

    def select(given: Any) -> sa.Select[Any]:
        named = sa.and_(Table.entity == owner.name, Table.system == given.system, Table.value == given.id)
        if not merged:
            return sa.select(Table.entity_id).where(named)
        row = owner.table.alias()
        return sa.select(sa.func.coalesce(row.c[MERGED], row.c.id)).where(row.c.id == Table.entity_id, named)

    return LookUp(type=ExternalIdInput, description="What another system calls it.", select=select)
