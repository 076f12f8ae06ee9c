"""The one list of what the hub keeps: every table says here what it is part of, and who may see it.

Capture triggers, permissions, inputs, history and the conformance suite all read this. Nothing keeps such a list twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, ClassVar

from sqlalchemy import Column, Table

from hub import models
from hub.db import Base
from hub.field import Field

Scope = str
"""Which family of tokens opens a table: ``catalogue``, ``customers``, ``orders``, ``stock`` or ``settings``."""


@dataclass(frozen=True)
class Event:
    """Something that a changed row means beyond "its aggregate was updated".

    ``when`` is SQL over ``op`` ('I', 'U' or 'D'), ``o`` and ``n`` (JSONB of the old and new columns; an update holds
    only the changed ones). It yields the event's name, or null when the change does not mean it.
    ``says``: the event in words. ``endings``: what completes a name that ends in its dot (``order.placed``).
    """

    when: str
    says: str
    endings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kept:
    """What one table is to the hub.

    ``aggregate``: the aggregate that its rows belong to. Null in ``external_id`` alone, whose rows name theirs.
    ``root``: the column that holds the aggregate's id; ``id`` on the aggregate's own table.
    ``scope``: which token scopes open it.
    ``collection``: its name in change paths and inputs (``variants``, ``prices``); null on the aggregate's own table.
    ``parent``: the column that names the row it hangs on, where that is not the aggregate itself.
    ``match``: the columns (or input fields) that tell its rows apart within the parent: how an input finds its row.
    ``whole``: an input's list is the whole collection; otherwise only the rows it names are touched.
    ``key``: on a root, the column that people know it by (code, slug, number); null where there is none.
    ``deep``: JSONB columns captured key by key.
    ``derived``: columns that the database computes; captured, but never written by an input.
    ``hidden``: columns that are not captured at all.
    ``personal``: columns that hold personal data.
    ``within``: the column with the channel or price list that the row is for. Changes of the row name it too, and those
    who see some channels only see the rows that are for them.
    ``audience``: an aggregate's type, and the column with its id: it concerns the row's ``channel_id`` from then on.
    ``owner``: the kind of system that owns its fields until a rule says otherwise (``pim``, ``erp``, ``shop``).
    ``own_commands``: on a root, that inputs do not make it: commands of its own do.
    """

    aggregate: str | None
    scope: Scope
    root: str = "id"
    collection: str | None = None
    parent: str | None = None
    match: tuple[str, ...] = ()
    whole: bool = True
    key: str | None = None
    deep: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    personal: frozenset[str] = frozenset()
    within: str | None = None
    audience: tuple[str, str] | None = None
    owner: str = "pim"
    own_commands: bool = False
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Part:
    """One kept table, with its place in the registry."""

    table: Table
    kept: Kept
    model: type[Any] = field(compare=False)

    @property
    def name(self) -> str:
        """The table's name; for a root also the aggregate's and the noun's."""
        return self.table.name

    @property
    def is_root(self) -> bool:
        """Whether its rows are the aggregates themselves."""
        return self.kept.collection is None

    def fields(self) -> dict[str, tuple[Column[Any], Field]]:
        """The columns that inputs write, by the input's field name."""
        return self._fields

    @cached_property
    def match_columns(self) -> tuple[Column[Any], ...]:
        """The columns that tell its rows apart within the row that they hang on."""
        return tuple(self._fields[name][0] for name in self.kept.match)

    @cached_property
    def _fields(self) -> dict[str, tuple[Column[Any], Field]]:
        found: dict[str, tuple[Column[Any], Field]] = {}
        for column in self.table.columns:
            declared = column.info.get("field")
            if isinstance(declared, Field):
                found[declared.name or column.name] = (column, declared)
        return found


class KeptModel:
    """Mixed into every kept table's class; carries its entry."""

    __kept__: ClassVar[Kept]


@cache
def parts() -> list[Part]:
    """Every kept table, roots before what hangs on them, in a fixed order."""
    models.load()
    found = [
        Part(mapper.local_table, mapper.class_.__kept__, mapper.class_)  # type: ignore[arg-type]
        for mapper in Base.registry.mappers
        if hasattr(mapper.class_, "__kept__")
    ]
    order = {table.name: place for place, table in enumerate(Base.metadata.sorted_tables)}
    # External ids name rows of any table without a foreign key: they come when all those rows are there.
    return sorted(found, key=lambda part: (not part.is_root, part.kept.aggregate is None, order[part.name]))


@cache
def part(name: str) -> Part:
    """The kept table of that name. Raises ``KeyError`` for a name that is not kept."""
    return {each.name: each for each in parts()}[name]


def roots() -> list[Part]:
    """The aggregates' own tables: the nouns that are created, read, updated and deleted by themselves."""
    return [each for each in parts() if each.is_root]


def children(parent: Part) -> list[Part]:
    """The tables whose rows an input writes inside ``parent``."""
    return [each for each in parts() if not each.is_root and each.fields() and _hangs_on(each) == parent.name]


def _hangs_on(child: Part) -> str | None:
    column = child.table.columns.get(child.kept.parent or child.kept.root)
    if column is None:
        return None
    return next((key.column.table.name for key in column.foreign_keys), None)
