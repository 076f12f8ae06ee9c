"""References: naming an object by its id, its key, or what another system calls it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from hub import ids, registry
from hub.errors import HubError, Invalid, NotFound

Way = tuple[str, Any]
"""How an object is named: ``("id", 12)``, ``("key", "shoes")`` or ``("external_id", (system, id))``."""


def way(reference: Any, noun: str | None = None) -> Way:
    """The one way that a reference names its object; its ``type`` is the noun.

    Raises ``Invalid`` for none or several, and for a key where ``noun`` has none.
    """
    ways = (
        {how: named for how, named in reference.items() if how != "type"}
        if isinstance(reference, dict)
        else {}
    )
    if len(ways) != 1:
        raise Invalid("A reference names its object in one way: id, key or external id.")
    how, named = next(iter(ways.items()))
    if how == "external_id" and isinstance(named, dict) and set(named) == {"system", "id"}:
        named = (named["system"], named["id"])
        if all(map(_is_name, named)):
            return how, named
    if how == "key" and noun is not None:
        _key_column(registry.part(noun))
    if (how == "id" and _is_number(named)) or (how == "key" and _is_name(named)):
        return how, named
    raise Invalid("A reference names its object in one way: id, key or external id.")


def _is_name(named: Any) -> bool:
    return isinstance(named, str) and "\x00" not in named


def _is_number(named: Any) -> bool:
    return isinstance(named, int) and not isinstance(named, bool) and 0 <= named < ids.LIMIT


class Directory:
    """Finds the ids of named objects, a whole batch with one statement per noun and way."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx
        self._known: dict[str, dict[Way, int]] = defaultdict(dict)

    def add(self, noun: str, named: Way, number: int) -> None:
        """Make an object known that is only being made."""
        self._known[noun][named] = number

    def look_up(self, noun: str, ways: Iterable[Way]) -> None:
        """Read what is not known yet."""
        wanted: dict[str, set[Any]] = defaultdict(set)
        for how, named in ways:
            if (how, named) not in self._known[noun]:
                wanted[how].add(named)
        for how, names in wanted.items():
            for named, number in self._tx.execute(_statement(noun, how, names)):
                self._known[noun][how, named if how != "external_id" else tuple(named)] = number

    def find(self, noun: str, named: Way) -> int | None:
        """The id, or null where there is no such object."""
        return self._known[noun].get(named)

    def resolve(self, noun: str, reference: Any) -> int:
        """The id of a referred object. Raises ``NotFound`` or ``Invalid``."""
        named = way(reference, noun)
        if reference.get("type", noun) != noun:
            raise Invalid(f"It refers to a {noun}, and the id given is that of a {reference['type']}.")
        number = self.find(noun, named)
        if number is None:
            raise missing(noun, named)
        return number


def missing(noun: str, named: Way) -> HubError:
    """The refusal of a reference to nothing."""
    how, name = named
    title = noun.replace("_", " ").capitalize()
    if how == "id":
        return NotFound(f'{title} with id "{ids.encode(noun, name)}" does not exist.')
    if how == "external_id":
        return NotFound(f'{title} "{name[1]}" of system "{name[0]}" does not exist: create it first.')
    return NotFound(f'{title} "{name}" does not exist: create it first, or name one that does.')


def _statement(noun: str, how: str, names: set[Any]) -> sa.Select[Any]:
    part = registry.part(noun)
    table = part.table
    if how == "external_id":
        external = registry.part("external_id").table
        pairs = (
            sa.func.unnest(
                sa.cast([name[0] for name in names], sa.ARRAY(sa.Text)),
                sa.cast([name[1] for name in names], sa.ARRAY(sa.Text)),
            )
            .table_valued("system", "value")
            .render_derived()
        )
        return sa.select(
            sa.literal_column("ARRAY[external_id.system, external_id.value]").label("named"),
            external.c.entity_id,
        ).where(
            external.c.entity == noun,
            external.c.system == pairs.c.system,
            external.c.value == pairs.c.value,
        )
    column = table.c.id if how == "id" else _key_column(part)
    return sa.select(column, table.c.id).where(column == sa.any_(sa.cast(list(names), sa.ARRAY(column.type))))


def _key_column(part: registry.Part) -> sa.Column[Any]:
    if part.kept.key is None:
        raise Invalid(f"A {part.name} has no key: name it by id or external id.")
    column: sa.Column[Any] = part.table.c[part.kept.key]
    return column
