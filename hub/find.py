"""Finding what an input is about: the stored objects that its rows name, and the rows below them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from hub.draft import Draft, shapes
from hub.errors import Duplicate, NotFound
from hub.ids import encode
from hub.reference import Directory, Way, missing
from hub.registry import Part
from hub.row import default, new_ids

Stored = dict[str, Any]


def lock(tx: sa.Connection, part: Part, numbers: Iterable[int]) -> dict[int, Stored]:
    """The stored rows of a root, locked against other writers until the transaction ends.

    Sorted, so that two writers of the same objects wait for each other instead of deadlocking; locked, so that a
    merge into a JSONB column cannot lose what another one just merged.
    """
    table = part.table
    wanted = sa.cast(sorted(set(numbers)), sa.ARRAY(sa.BigInteger))
    statement = (
        sa.select(table)
        .where(table.c.id == sa.any_(wanted))
        .order_by(table.c.id)
        .with_for_update(key_share=True)
    )
    return {stored["id"]: dict(stored) for stored in tx.execute(statement).mappings()}


def absent(part: Part, number: int) -> NotFound:
    """The refusal of an id that names nothing."""
    title = part.name.replace("_", " ").capitalize()
    return NotFound(f'{title} with id "{encode(part.name, number)}" does not exist.', ("id",))


def match(tx: sa.Connection, part: Part, drafts: Sequence[Draft]) -> None:
    """Give every draft its stored row or a new id, and turn its references into ids."""
    directory = Directory(tx)
    if part.kept.match:
        _resolve(directory, drafts)
        _match_by_columns(tx, part, drafts)
    else:
        _match_by_name(tx, part, drafts, directory)
    _give_ids(tx, part, [draft for draft in drafts if draft.current is None])
    for draft in drafts:
        for named in names(draft):
            directory.add(part.name, named, draft.id or 0)
    _resolve(directory, drafts)
    _match_parts(tx, part, drafts)


def names(draft: Draft) -> list[Way]:
    """The ways in which a root's input names its own object."""
    key = draft.part.kept.key
    found: list[Way] = []
    if key is not None and draft.values.get(key) is not None:
        found.append(("key", draft.values[key]))
    found.extend(
        ("external_id", (external.values["system"], external.values["value"]))
        for external in draft.parts.get("external_ids", ())
        if {"system", "value"} <= external.values.keys() and not external.remove
    )
    return found


def _match_by_name(tx: sa.Connection, part: Part, drafts: Sequence[Draft], directory: Directory) -> None:
    unnamed = [draft for draft in drafts if draft.id is None]
    directory.look_up(part.name, (named for draft in unnamed for named in names(draft)))
    for draft in unnamed:
        found = (directory.find(part.name, named) for named in names(draft))
        draft.id = next((number for number in found if number is not None), None)
    _take_current(part, drafts, lock(tx, part, (draft.id for draft in drafts if draft.id is not None)))
    _refuse_repeats(part, drafts)


def _take_current(part: Part, drafts: Sequence[Draft], stored: dict[int, Stored]) -> None:
    for draft in drafts:
        if draft.id is None:
            continue
        draft.current = stored.get(draft.id)
        if draft.current is None:
            draft.refuse(absent(part, draft.id))


def _refuse_repeats(part: Part, drafts: Sequence[Draft]) -> None:
    """Two rows of a batch about one object: the second one is refused, for their order would decide."""
    seen: set[object] = set()
    for draft in drafts:
        named = names(draft)
        if (draft.id is not None and draft.id in seen) or not seen.isdisjoint(named):
            draft.refuse(_repeated(part, next((name for name in named if name in seen), None)))
        seen.update(named)
        seen.add(draft.id or object())


def _repeated(part: Part, named: Way | None) -> Duplicate:
    noun = part.name.replace("_", " ")
    if named is None or named[0] != "key":
        return Duplicate(f"Another row of the same batch is about the same {noun}: leave one out.")
    return Duplicate(
        f'Another row of the same batch is about {noun} "{named[1]}" too: leave one out.',
        (part.kept.key or "id",),
    )


def _twice(part: Part) -> Duplicate:
    title = part.name.replace("_", " ")
    return Duplicate(f"Another row of the same batch is about the same {title}: leave one out.")


def _match_by_columns(tx: sa.Connection, part: Part, drafts: Sequence[Draft]) -> None:
    columns = [part.fields()[name][0] for name in part.kept.match]
    named = [draft for draft in drafts if draft.id is None and not draft.errors]
    pairs = [tuple(draft.values.get(column.name) for column in columns) for draft in named]
    # Arrays, not a list of pairs: a statement of ten thousand pairs is more than PostgreSQL's stack takes.
    lists = zip(columns, zip(*pairs, strict=True), strict=True) if pairs else ()
    arrays = [sa.cast(list(values), sa.ARRAY(column.type)) for column, values in lists]
    given = sa.func.unnest(*arrays).table_valued(*(column.name for column in columns)).render_derived("given")
    same = sa.and_(*(column == given.c[column.name] for column in columns))
    found = sa.select(part.table.c.id, *columns).join_from(part.table, given, same)
    known = {tuple(values): number for number, *values in (tx.execute(found) if pairs else ())}
    seen: set[tuple[Any, ...]] = set()
    for draft, pair in zip(named, pairs, strict=True):
        draft.id = known.get(pair)
        if pair in seen:
            draft.refuse(_twice(part))
        seen.add(pair)
    _take_current(part, drafts, lock(tx, part, (draft.id for draft in drafts if draft.id is not None)))


def _give_ids(tx: sa.Connection, part: Part, drafts: Sequence[Draft]) -> None:
    new = [draft for draft in drafts if draft.id is None]
    if new:
        for draft, number in zip(new, new_ids(tx, part.table, len(new)), strict=True):
            draft.id = number


def _resolve(directory: Directory, drafts: Sequence[Draft]) -> None:
    wanted: dict[str, list[Way]] = defaultdict(list)
    every = [draft for root in drafts for draft in root.walk() if draft.references]
    for draft in every:
        for noun, named, _ in draft.references.values():
            wanted[noun].append(named)
    for noun, ways in wanted.items():
        directory.look_up(noun, ways)
    for draft in every:
        _fill_in(directory, draft)


def _fill_in(directory: Directory, draft: Draft) -> None:
    for column, (noun, named, name) in draft.references.items():
        number = directory.find(noun, named)
        if number is None:
            draft.refuse(missing(noun, named), name)
        else:
            draft.values[column] = number
    draft.references = {}


def _match_parts(tx: sa.Connection, part: Part, drafts: Sequence[Draft]) -> None:
    """Match the lists of the drafts, level by level."""
    lists: dict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        for name in draft.parts:
            lists[name].append(draft)
    for name, parents in lists.items():
        child = shapes()[part.name].collections[name]
        stored = _stored(tx, child, parents)
        new = [new for parent in parents for new in _match_list(parent, name, child, stored[parent.id or 0])]
        _give_ids(tx, child, new)
        _match_parts(tx, child, [draft for parent in parents for draft in parent.parts[name]])


def _stored(tx: sa.Connection, child: Part, parents: Sequence[Draft]) -> dict[int, list[Stored]]:
    """The stored rows of a collection, by the id of the row that they hang on."""
    column = child.table.c[child.kept.parent or child.kept.root]
    numbers = [parent.id for parent in parents if parent.current is not None]
    found: dict[int, list[Stored]] = defaultdict(list)
    if not numbers:
        return found
    statement = sa.select(child.table).where(column == sa.any_(sa.cast(numbers, sa.ARRAY(sa.BigInteger))))
    if child.kept.aggregate is None:
        statement = statement.where(child.table.c.entity == parents[0].part.name)
    if child.kept.deep:  # merged into, as the root is: what SQL writes there meanwhile must not be lost
        statement = statement.order_by(child.table.c.id).with_for_update(key_share=True)
    for stored in tx.execute(statement).mappings():
        found[stored[column.name]].append(dict(stored))
    return found


def _match_list(parent: Draft, name: str, child: Part, stored: Sequence[Stored]) -> list[Draft]:
    """Match one list; what is left of a whole collection is to be removed. Gives the drafts of new rows."""
    columns = child.match_columns
    known = {tuple(row[column.name] for column in columns): row for row in stored}
    keys = {row["id"]: key for key, row in known.items()}
    kept: dict[tuple[Any, ...], Draft] = {}
    for draft in parent.parts[name]:
        if draft.id is not None and draft.id not in keys:
            draft.refuse(absent(child, draft.id))
            continue
        key = tuple(_value(draft, column) for column in columns) if draft.id is None else keys[draft.id]
        if key in kept:
            _repeat(draft, child)
            continue
        kept[key] = draft
        draft.current = known.pop(key, None)
        draft.id = None if draft.current is None else draft.current["id"]
    parent.parts[name] = list(kept.values())
    if child.kept.whole and child.kept.aggregate is not None:
        parent.parts[name] += [_removed(parent, child, row) for row in known.values()]
    return [draft for draft in kept.values() if draft.current is None and not draft.remove]


def _value(draft: Draft, column: sa.Column[Any]) -> Any:
    if column.name in draft.values:
        return draft.values[column.name]
    return default(column)


def _repeat(draft: Draft, child: Part) -> None:
    """A repeated link or identifier says nothing new; a repeated variant or price contradicts itself."""
    if not child.kept.whole:
        said = ", ".join(
            f'{name} "{draft.values.get(child.fields()[name][0].name)}"' for name in child.kept.match
        )
        draft.refuse(Duplicate(f"{child.kept.collection} names {said} twice: leave one out."))


def _removed(parent: Draft, child: Part, stored: Stored) -> Draft:
    return Draft(child, (), parent, id=stored["id"], remove=True, current=stored)
