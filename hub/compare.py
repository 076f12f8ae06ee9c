"""Comparing drafts with what is stored: only what differs is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from hub import attribute_input, registry, row
from hub.draft import Draft
from hub.errors import Invalid, Required


def complete(tx: sa.Connection, roots: Sequence[Draft]) -> None:
    """Fill in what follows from the rest of the input, and refuse what is missing."""
    drafts = [draft for root in roots for draft in root.walk() if not draft.remove]
    _merge_texts(tx, drafts)
    attribute_input.take(tx, drafts)
    by_part: dict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        by_part[draft.part.name].append(draft)
    for same in reversed(by_part.values()):  # what lies deepest first: an order's sums come from its lines
        fill = getattr(same[0].part.model, "complete", None)
        if fill is not None:
            fill(tx, same)
        for draft in same:
            _require(draft)
            _check_window(draft)


def _merge_texts(tx: sa.Connection, drafts: Sequence[Draft]) -> None:
    known: frozenset[str] | None = None
    for draft in drafts:
        for name, (column, declared) in draft.part.fields().items():
            if declared.kind != "texts" or column.name not in draft.values:
                continue
            known = known if known is not None else attribute_input.locales(tx)
            given = draft.values[column.name]
            for code in set(given) - known:
                draft.refuse(attribute_input.unknown_locale(code), name)
            stored = {} if draft.current is None else draft.current[column.name]
            draft.values[column.name] = {k: v for k, v in (stored | given).items() if v is not None}


def _require(draft: Draft) -> None:
    if draft.current is not None:
        return
    for name, (column, declared) in draft.part.fields().items():
        if declared.required and draft.values.get(column.name) is None and not draft.root.errors:
            title = draft.part.name.replace("_", " ")
            draft.refuse(Required(f"A new {title} needs {name}: give it."), name)


def _check_window(draft: Draft) -> None:
    """The database refuses a window that ends before it starts; here it is said with both its ends."""
    starts, ends = (
        draft.get(name) if name in draft.part.fields() else None for name in ("starts_at", "ends_at")
    )
    if starts is not None and ends is not None and starts >= ends:
        said = f"The window ends at {ends.isoformat()}, not after its start at {starts.isoformat()}"
        draft.refuse(Invalid(f"{said}: give a later end."), "ends_at")


def settle(tx: sa.Connection, roots: Sequence[Draft]) -> None:
    """Let what was written have its consequences for other aggregates: pieces that were sent leave the stock."""
    by_part: dict[str, list[Draft]] = defaultdict(list)
    for root in roots:
        for draft in root.walk():
            if hasattr(draft.part.model, "settle") and not draft.remove:
                by_part[draft.part.name].append(draft)
    for same in by_part.values():
        same[0].part.model.settle(tx, same)


class Changes:
    """The inserts, updates and deletes of a batch, by table."""

    def __init__(self) -> None:
        self._insert: dict[str, list[row.Row]] = defaultdict(list)
        self._update: dict[str, list[row.Row]] = defaultdict(list)
        self._delete: dict[str, list[int]] = defaultdict(list)
        self.count = 0

    def add(self, root: Draft) -> None:
        """Add what makes the stored aggregate like the draft."""
        for draft in root.walk():
            if draft.remove:
                self._remove(draft)
            elif draft.current is None:
                self._make(draft)
            else:
                self._change(draft)

    def _remove(self, draft: Draft) -> None:
        if draft.current is not None:
            self._delete[draft.part.name].append(draft.current["id"])
            self.count += 1

    def _make(self, draft: Draft) -> None:
        self._insert[draft.part.name].append({**draft.values, **_ties(draft), "id": draft.id})
        self.count += 1

    def _change(self, draft: Draft) -> None:
        current = draft.current or {}
        changed = {name: given for name, given in draft.values.items() if given != current[name]}
        if changed:
            self._update[draft.part.name].append({**changed, "id": draft.id})
            self.count += 1

    def write(self, tx: sa.Connection) -> None:
        """Write them: what goes first, so that a value can move from one row to another in one step."""
        tables = [part.table for part in registry.parts()]
        for table in reversed(tables):
            if numbers := self._delete.get(table.name):
                row.delete(tx, table, numbers)
        for table in tables:
            if rows := self._update.get(table.name):
                row.update(tx, table, rows)
            if rows := self._insert.get(table.name):
                row.insert(tx, table, rows)


def _ties(draft: Draft) -> dict[str, Any]:
    """The columns that tie a row to its aggregate and to the row that it hangs on."""
    kept, parent, root = draft.part.kept, draft.parent, draft.root
    if parent is None:
        return {}
    if kept.aggregate is None:
        return {
            "entity": parent.part.name,
            "entity_id": parent.id,
            "aggregate": root.part.name,
            "aggregate_id": root.id,
        }
    ties = {kept.root: root.id}
    return ties | {kept.parent: parent.id} if kept.parent is not None else ties
