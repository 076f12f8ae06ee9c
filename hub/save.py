"""The one way to write: rows of plain input become the fewest changes of the tables, a whole batch at once.

GraphQL mutations, imports and the demo all pass here. A row says what it knows: a field that it leaves out stays as it
is, null clears one. Nothing is raised for a bad row: its refusals stand in its result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

import sqlalchemy as sa

from hub import aggregate, compare, find, ownership, proposal, refusal, registry, row
from hub.db import Json
from hub.draft import Draft, read
from hub.errors import Conflict, Duplicate, HubError, NotFound, Required
from hub.ids import encode
from hub.reference import missing
from hub.registry import Part

Outcome = Literal["created", "updated", "unchanged", "deleted", "kept", "refused"]


class Mode(StrEnum):
    """Whether a row must be new, must exist, or may be either."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    UPSERT = "UPSERT"


class Policy(StrEnum):
    """What becomes of the good rows of a batch that holds bad ones."""

    REJECT_ALL = "REJECT_ALL"
    SKIP_INVALID = "SKIP_INVALID"


@dataclass(frozen=True)
class Result:
    """What became of one row. ``id`` is null for a row that was refused and names nothing that exists.

    ``proposed``: how many values were recorded as proposals instead of being written.
    """

    id: int | None
    outcome: Outcome
    errors: tuple[HubError, ...] = ()
    proposed: int = 0


@dataclass(eq=False)
class _Item:
    row: Json
    mode: Mode
    expected: int | None = None
    id: int | None = None
    exists: bool = False
    again: bool = False
    outcome: Outcome = "unchanged"
    proposed: int = 0
    errors: list[HubError] = field(default_factory=list)

    def result(self) -> Result:
        if self.errors:
            return Result(self.id if self.exists else None, "refused", tuple(self.errors))
        return Result(self.id, self.outcome, proposed=self.proposed)


def save(
    tx: sa.Connection,
    noun: str,
    rows: Sequence[Json],
    *,
    mode: Mode = Mode.UPSERT,
    policy: Policy = Policy.REJECT_ALL,
    if_version: Sequence[int | None] | None = None,
) -> list[Result]:
    """Create and update objects of a noun, one per row. One result per row, in their order.

    With ``REJECT_ALL`` nothing is written as soon as one row is refused.
    """
    expected = if_version or [None] * len(rows)
    items = [_Item(given, mode, version) for given, version in zip(rows, expected, strict=True)]
    with tx.begin_nested() as all_of_it:
        _attempt(tx, registry.part(noun), items)
        _attempt_lost(tx, registry.part(noun), items)
        if policy is Policy.REJECT_ALL and any(item.errors for item in items):
            all_of_it.rollback()
    return [item.result() for item in items]


def delete(
    tx: sa.Connection,
    noun: str,
    numbers: Sequence[int],
    *,
    if_version: Sequence[int | None] | None = None,
) -> list[Result]:
    """Delete objects of a noun, each with all that is part of it. One result per id, in their order."""
    expected = if_version or [None] * len(numbers)
    return [
        _delete(tx, registry.part(noun), number, version)
        for number, version in zip(numbers, expected, strict=True)
    ]


def _delete(tx: sa.Connection, part: Part, number: int, expected: int | None) -> Result:
    try:
        with tx.begin_nested():
            _remove(tx, part, number, expected)
    except HubError as refused:
        return Result(number, "refused", (refused,))
    except sa.exc.DBAPIError as error:
        if refusal.retryable(error):
            raise
        return Result(number, "refused", (_subject(tx, part, number, refusal.of(error)),))
    return Result(number, "deleted")


def _subject(tx: sa.Connection, part: Part, number: int, refused: HubError) -> HubError:
    """The refusal of a delete, naming what could not be deleted."""
    key: Any = encode(part.name, number)
    if part.kept.key:
        key = tx.execute(sa.select(part.table.c[part.kept.key]).where(part.table.c.id == number)).scalar()
    title = part.name.replace("_", " ").capitalize()
    refused.message = refused.message.replace("It is", f'{title} "{key}" is', 1)
    return refused


def _remove(tx: sa.Connection, part: Part, number: int, expected: int | None) -> None:
    stored = find.lock(tx, part, [number]).get(number)
    if stored is None:
        raise find.absent(part, number)
    if expected is not None:
        _check_version(tx, part, stored, expected)
    ownership.refuse_delete(tx, part, number)
    row.delete(tx, part.table, [number])


def _check_version(tx: sa.Connection, part: Part, stored: Mapping[str, Any], expected: int) -> None:
    """Raises ``Conflict`` where the object is at another version than expected."""
    current = aggregate.lock(tx, part.name, [stored["id"]]).get(stored["id"], 0)
    if current != expected:
        raise stale(part, stored, expected, current)


def stale(part: Part, stored: Mapping[str, Any], expected: int, current: int) -> Conflict:
    """The refusal of a write that was made from an older version. ``stored`` is the object's row."""
    title = part.name.replace("_", " ").capitalize()
    named = stored.get(part.kept.key or "") or encode(part.name, stored["id"])
    return Conflict(
        f'{title} "{named}" is at version {current}, not {expected}: read it again and retry.',
        version=current,
    )


def _attempt(tx: sa.Connection, part: Part, items: Sequence[_Item]) -> None:
    """Write what can be written. Where the database refuses, halve the batch until the row at fault is found."""
    drafts = {item: read(part, item.row) for item in items}
    _plan(tx, part, drafts)
    good = {item: draft for item, draft in drafts.items() if not draft.errors}
    for item, draft in drafts.items():
        item.errors.extend(draft.errors)
    try:
        with tx.begin_nested():
            _write(tx, part, good)
    except sa.exc.DBAPIError as error:
        if refusal.retryable(error):
            raise
        refused = refusal.of(error)
        if len(good) == 1:
            refused = refused.under(*refusal.place(error, *good.values()))
        _split(tx, part, list(good), refused)


def _attempt_lost(tx: sa.Connection, part: Part, items: Sequence[_Item]) -> None:
    """Rows may name a row further down. Where the batch was halved, that one was only made after they were refused."""
    lost = [
        item for item in items if item.errors and all(isinstance(error, NotFound) for error in item.errors)
    ]
    if lost and any(item.outcome == "created" and not item.errors for item in items):
        for item in lost:
            item.errors.clear()
        _attempt(tx, part, lost)


def _split(tx: sa.Connection, part: Part, items: list[_Item], refused: HubError) -> None:
    if len(items) == 1:
        _once_more(tx, part, items[0], refused)
        return
    middle = len(items) // 2
    for half in (items[:middle], items[middle:]):
        _attempt(tx, part, half)


def _once_more(tx: sa.Connection, part: Part, item: _Item, refused: HubError) -> None:
    """What an upsert did not find may have been made by another writer since: it is there now, and is updated."""
    if item.mode is Mode.UPSERT and not (item.exists or item.again) and isinstance(refused, Duplicate):
        item.again = True
        _attempt(tx, part, [item])
    else:
        item.errors.append(refused)


def _plan(tx: sa.Connection, part: Part, drafts: dict[_Item, Draft]) -> None:
    roots = list(drafts.values())
    find.match(tx, part, roots)
    _check_modes(part, drafts)
    _check_versions(tx, part, drafts)
    good = [draft for draft in roots if not draft.errors]
    stated = ownership.stated(good) if ownership.held(tx) else None
    compare.complete(tx, good)
    if stated is not None:
        ownership.enforce(tx, part, good, stated)


def _check_modes(part: Part, drafts: dict[_Item, Draft]) -> None:
    for item, draft in drafts.items():
        item.id, item.exists = draft.id, draft.current is not None
        if item.mode is Mode.CREATE and draft.current is not None:
            draft.refuse(_exists(part, draft), *((part.kept.key,) if part.kept.key in draft.values else ()))
        if item.mode is Mode.UPDATE and draft.current is None and not draft.errors:
            draft.refuse(_nothing(part, draft))


def _nothing(part: Part, draft: Draft) -> HubError:
    named = find.names(draft)
    if named:
        return missing(part.name, named[0])
    noun = part.name.replace("_", " ")
    return Required(f"No {noun} is named: give its {part.kept.key or 'id'} or an external id.")


def _exists(part: Part, draft: Draft) -> Duplicate:
    title = part.name.replace("_", " ").capitalize()
    named = draft.values.get(part.kept.key or "") or encode(part.name, draft.id or 0)
    return Duplicate(
        f'{title} "{named}" exists already: update it, or choose another {part.kept.key or "id"}.'
    )


def _check_versions(tx: sa.Connection, part: Part, drafts: dict[_Item, Draft]) -> None:
    expected = {
        draft.id: item.expected
        for item, draft in drafts.items()
        if item.expected is not None and draft.current is not None and draft.id is not None
    }
    versions = aggregate.lock(tx, part.name, sorted(expected)) if expected else {}
    for item, draft in drafts.items():
        if draft.id in expected and item.expected is not None and draft.current is not None:
            current = versions.get(draft.id, 0)
            if current != item.expected:
                draft.refuse(stale(part, draft.current, item.expected, current))


def _write(tx: sa.Connection, part: Part, drafts: dict[_Item, Draft]) -> None:
    changes = compare.Changes()
    for item, draft in drafts.items():
        before = changes.count
        changes.add(draft)
        if draft.current is None:
            item.outcome = "created"
        else:
            item.outcome = "unchanged" if changes.count == before else "updated"
        item.id, item.proposed = draft.id, len(draft.proposals)
    changes.write(tx)
    proposal.record(tx, [each for draft in drafts.values() for each in draft.proposals])
    compare.settle(tx, list(drafts.values()))
    for name in getattr(part.model, "__deferred__", ()):
        tx.execute(sa.text(f"SET CONSTRAINTS {name} IMMEDIATE"))
        tx.execute(sa.text(f"SET CONSTRAINTS {name} DEFERRED"))
