"""Ownership is held to here, for every write that passes the write engine: mutations, bulk, imports, kept messages.

Where no rule is there, nothing is asked: the statement that signs a transaction tells so. Otherwise a batch reads the
rules of its noun once, and looks only at what would change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from hub import field_owner, ids, registry
from hub.attribute_value import ALL
from hub.channel import Channel, ChannelPriceList
from hub.db import HUB, Json
from hub.draft import Draft
from hub.errors import Forbidden
from hub.field_owner import Rule
from hub.flat import levels
from hub.registry import Part

Path = tuple[str, ...]
Stated = dict[Draft, set[str]]
"""The columns that an input states of each row, before what follows from them is filled in."""


def held(tx: sa.Connection) -> bool:
    """Whether there is any rule at all. Unknown for a transaction that nobody signed: then there may be."""
    return bool(tx.info.get("owned", True))


def stated(roots: Sequence[Draft]) -> Stated:
    """What the inputs say of each row."""
    return {
        draft: {*draft.values}
        | ({"attributes"} if draft.attributes is not None else set())
        | ({"axes"} if draft.axes is not None else set())
        for root in roots
        for draft in root.walk()
    }


def enforce(tx: sa.Connection, part: Part, roots: Sequence[Draft], said: Stated) -> None:
    """Refuse what another system owns, or take it out of the drafts and note it as proposed there, as its rule says."""
    rules = field_owner.rules(tx, part.name)
    only = bool(tx.info.get("only_own"))
    if not rules and not only:
        return
    source = _source(tx)
    if source is None:
        return
    places = _Places(tx) if any(rule.channel for rule in rules) else None
    for root in roots:
        if not root.errors:
            _Holding(rules, source, places, root, said, only=only).take(root, ())


@contextmanager
def only_own(tx: sa.Connection) -> Iterator[None]:
    """Within, a write changes only what the writing system owns by a rule; all else of it is left out, and not told."""
    held_before = tx.info.get("owned", True)
    tx.info.update(owned=True, only_own=True)
    try:
        yield
    finally:
        tx.info.update(owned=held_before, only_own=False)


def owns_all(rules: Sequence[Rule], system: str) -> bool:
    """Whether a system owns a whole noun, so that it may make objects of it."""
    return all(rule.system == system for rule in rules) and any(
        not rule.path and rule.channel is None for rule in rules
    )


@cache
def place(part: Part) -> tuple[str, Path]:
    """The noun that a table belongs to, and the collections that lead to its rows."""
    if part.is_root or part.kept.aggregate is None:
        return part.name, ()
    column = part.table.columns[part.kept.parent or part.kept.root]
    above = next(key.column.table.name for key in column.foreign_keys)
    noun, path = place(registry.part(above))
    return noun, (*path, str(part.kept.collection))


def rule_path(changed: str) -> Path:
    """A changed path (a JSON Pointer of ``hub.change``) as rules name it: without ids, with all collections above."""
    steps = tuple(step.replace("~1", "/").replace("~0", "~") for step in changed.split("/")[1:])
    below = next((part for part in registry.parts() if _is_row(part, steps)), None)
    return steps if below is None else (*place(below)[1], *steps[2:])


def _is_row(part: Part, steps: Path) -> bool:
    """Whether a changed path begins with a row of this table."""
    if part.is_root or len(steps) == 1 or steps[0] != part.kept.collection:
        return False
    try:
        return ids.decode(steps[1])[0] == part.name
    except ValueError:
        return False


def channel_of(path: Path) -> frozenset[str] | None:
    """The channel that an attribute's value is kept for."""
    long = len(path) > len(("attributes", "code"))
    return frozenset({path[2]}) if path[0] == "attributes" and long else None


def refuse_delete(tx: sa.Connection, part: Part, number: int) -> None:
    """Raises ``Forbidden`` for an object of which another system owns everything."""
    if not held(tx):
        return
    source = _source(tx)
    whole = [rule for rule in field_owner.rules(tx, part.name) if not rule.path and rule.channel is None]
    for rule in whole:
        if rule.begun(None) and source not in (rule.system, None) and rule.others != "allow":
            named = _name(tx, part, number)
            raise Forbidden(f'{named} belongs to system "{rule.system}": delete it there.', ("id",))


def refuse_moves(tx: sa.Connection) -> None:
    """Raises ``Forbidden`` where another system owns how many pieces lie somewhere."""
    if not held(tx):
        return
    source = _source(tx)
    rule = decides(field_owner.rules(tx, "stock"), ("on_hand",), None, None)
    if rule is not None and source not in (rule.system, None) and rule.others != "allow":
        said = f'What lies in stock belongs to system "{rule.system}" (rule "{rule.code}")'
        raise Forbidden(f"{said}: have the movement come from there.")


def _source(tx: sa.Connection) -> str | None:
    """The system that a transaction writes for; null for the hub's own work, which no rule is about.

    A token whose system is called like the hub is no part of it: the actor decides.
    """
    actor, source = tx.execute(sa.select(sa.func.hub_actor(), sa.func.hub_source())).one()
    return None if actor == HUB.actor else str(source)


def decides(
    rules: Sequence[Rule], path: Path, channels: frozenset[str] | None, status: str | None
) -> Rule | None:
    """The rule that decides about a path; null where nobody's does. ``channels``: those that the value belongs to.

    ``rules`` stand in the order of their ranks.
    """
    for rule in rules:
        reaches = rule.channel is None or (channels is not None and rule.channel in channels)
        if reaches and path[: len(rule.path)] == rule.path and rule.begun(status):
            return rule
    return None


def _name(tx: sa.Connection, part: Part, number: int) -> str:
    named: Any = ids.encode(part.name, number)
    if part.kept.key:
        named = tx.scalar(sa.select(part.table.c[part.kept.key]).where(part.table.c.id == number))
    return f'{part.name.replace("_", " ").capitalize()} "{named}"'


class _Places:
    """Which channels rows belong to, by their channel or price list."""

    def __init__(self, tx: sa.Connection) -> None:
        self._codes: dict[int, str] = dict(tx.execute(sa.select(Channel.id, Channel.code)).all())
        self._sellers: dict[int, set[str]] = {}
        for list_id, channel_id in tx.execute(
            sa.select(ChannelPriceList.price_list_id, ChannelPriceList.channel_id)
        ):
            self._sellers.setdefault(list_id, set()).add(self._codes[channel_id])

    def of(self, draft: Draft) -> frozenset[str] | None:
        """The channels that a row is for; null where it is for none in particular."""
        columns = draft.part.table.columns
        if "channel_id" in columns:
            code = self._codes.get(draft.get("channel_id") or 0)
            return None if code is None else frozenset({code})
        if "price_list_id" in columns:
            return frozenset(self._sellers.get(draft.get("price_list_id") or 0, ()))
        return None


@dataclass
class _Leaf:
    """One value that would be written. ``entry``: what of an input writes it; ``put_back`` takes it out of the draft."""

    path: Path
    channel: str | None
    was: Any
    value: Any
    entry: Json
    put_back: Callable[[], None]


class _Holding:
    """What is needed to judge one object."""

    def __init__(
        self,
        rules: Sequence[Rule],
        source: str,
        places: _Places | None,
        root: Draft,
        said: Stated,
        *,
        only: bool,
    ) -> None:
        self._only = only
        self._rules = rules
        self._source = source
        self._places = places
        self._root = root
        self._said = said
        status = None if root.current is None else root.current.get("status")
        self._status = status if root.part.name == "order" else None

    def take(self, draft: Draft, path: Path) -> None:
        """Judge a row that stays, then all that hangs on it. ``path``: the collections that lead to it."""
        channels = None if self._places is None else self._places.of(draft)
        for leaf in _leaves(draft, self._said.get(draft, set())):
            own = channels if leaf.channel is None else frozenset({leaf.channel})
            if self._only and not self._mine((*path, *leaf.path), own):
                leaf.put_back()
                continue
            rule = self._foreign((*path, *leaf.path), own)
            if rule is not None:
                self._judge(rule, draft, leaf)
        for name, drafts in draft.parts.items():
            draft.parts[name] = [each for each in drafts if self._stays(each, (*path, name))]

    def _stays(self, draft: Draft, path: Path) -> bool:
        """Whether a row of a list is written as it is said, in part at least."""
        if draft.current is not None and not draft.remove:
            self.take(draft, path)
            return True
        if draft.current is None and draft.remove:
            return True
        if self._only and not self._mine(path, None if self._places is None else self._places.of(draft)):
            return False
        rule = self._of_row(draft, path)
        if rule is None or self._own_name(draft):
            return True
        if rule.others == "refuse" or (self._root.current or {}).get("erased_at") is not None:
            draft.refuse(self._refused(rule, path))
            return True
        new = draft.current is None
        self._propose(rule, draft, None if new else _whole(draft), _whole(draft) if new else None)
        return False

    def _own_name(self, draft: Draft) -> bool:
        """What a system calls an object is its own."""
        return draft.part.name == "external_id" and draft.get("system") == self._source

    def _of_row(self, draft: Draft, path: Path) -> Rule | None:
        """The rule against a row that comes or goes: that of the list, or of anything in the row."""
        channels = None if self._places is None else self._places.of(draft)
        paths = [path]
        if draft.current is None:
            keys = {column.name for column in draft.part.match_columns}
            paths += [(*path, *leaf.path) for leaf in _leaves(draft, self._said.get(draft, set()) - keys)]
            paths += [(*path, name) for name, rows in draft.parts.items() if rows]
        else:
            paths += [rule.path for rule in self._rules if rule.path[: len(path)] == path]
        found = (self._foreign(each, channels) for each in paths)
        return next((rule for rule in found if rule is not None), None)

    def _mine(self, path: Path, channels: frozenset[str] | None) -> bool:
        rule = decides(self._rules, path, channels, self._status)
        return rule is not None and rule.system == self._source

    def _foreign(self, path: Path, channels: frozenset[str] | None) -> Rule | None:
        rule = decides(self._rules, path, channels, self._status)
        if rule is None or rule.system == self._source or rule.others == "allow":
            return None
        return rule

    def _judge(self, rule: Rule, draft: Draft, leaf: _Leaf) -> None:
        field_ = leaf.path[0]
        # Of who was erased nothing personal is noted: the write is refused as any other system's.
        if rule.others == "refuse" or (self._root.current or {}).get("erased_at") is not None:
            draft.refuse(self._refused(rule, leaf.path), field_)
            return
        declared = draft.part.fields()[field_][1]
        if draft.current is None and declared.required:
            said = (
                f'"{field_}" of a new {draft.part.name.replace("_", " ")} belongs to system "{rule.system}"'
            )
            draft.refuse(Forbidden(f"{said}, and there is none without it: make it there."), field_)
            return
        leaf.put_back()
        self._note(rule, draft, pointer(draft, *leaf.path), leaf.was, leaf.value, leaf.entry)

    def _refused(self, rule: Rule, path: Path) -> Forbidden:
        said = f'"{"/".join(path)}" belongs to system "{rule.system}" (rule "{rule.code}"), not to "{self._source}"'
        return Forbidden(f"{said}: change it there.")

    def _propose(self, rule: Rule, draft: Draft, was: Json | None, value: Json | None) -> None:
        """Propose a whole row, new or gone."""
        entry = dict(value) if value is not None else {"remove": True}
        self._note(rule, draft, pointer(draft), was, value, entry)

    def _note(self, rule: Rule, draft: Draft, path: str, was: Any, value: Any, entry: Json) -> None:
        self._root.proposals.append(
            {
                "noun": self._root.part.name,
                "object_id": self._root.id,
                "path": path,
                "was": was,
                "value": value,
                "change": _nested(draft, entry),
                "owner": rule.system,
            }
        )


def pointer(draft: Draft, *steps: str) -> str:
    """The path of a row or of a value in it, as the paths of changes have it."""
    own: list[str] = []
    while draft.parent is not None:
        keys = (str(draft.get(column.name)) for column in draft.part.match_columns)
        named = ids.encode(draft.part.name, draft.id) if draft.current is not None and draft.id else None
        own = [str(draft.part.kept.collection), named or "new:" + ",".join(keys), *own]
        draft = draft.parent
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in (*own, *steps))


def _nested(draft: Draft, entry: Json) -> Json:
    """The input of the whole object that says just this of one row."""
    known = draft.current is not None or draft.parent is None
    row = {**({"id": draft.id} if known else {}), **entry}
    while draft.parent is not None:
        parent = draft.parent
        row = {"id": parent.id, str(draft.part.kept.collection): [row]}
        draft = parent
    return row


def _whole(draft: Draft) -> Json:
    """A row as an input would say it, with all that hangs on it."""
    row: Json = {}
    for name, (column, declared) in draft.part.fields().items():
        if declared.kind == "attributes" and draft.attributes is not None:
            row[name] = draft.attributes
        elif declared.kind == "axes" and draft.axes is not None:
            row[name] = draft.axes
        elif declared.kind not in ("attributes", "axes"):
            value = draft.get(column.name)
            if value is not None:
                row[name] = value if declared.refers is None else {"id": value}
    for name, rows in draft.parts.items():
        row[name] = [_whole(each) for each in rows if not each.remove]
    return row


def _leaves(draft: Draft, said: set[str]) -> Iterator[_Leaf]:
    """The values of a row that would change; of a new row, those that its input states."""
    current = draft.current or {}
    for name, (column, _) in draft.part.fields().items():
        if column.name not in draft.values or column.name not in said:
            continue
        value, was = draft.values[column.name], current.get(column.name)
        if value == was or (draft.current is None and value in (None, {})):
            continue
        if column.name in draft.part.kept.deep:
            yield from _below(draft, name, column, was or {}, value)
        else:
            entry = {each: _given(draft, each) for each in (name, *_together(draft, name))}
            yield _Leaf((name,), None, was, value, entry, _Back(draft, column.name))


def _together(draft: Draft, name: str) -> tuple[str, ...]:
    """What means nothing without a field, and is written with it or not at all."""
    named: dict[str, tuple[str, ...]] = getattr(draft.part.model, "__together__", {})
    return tuple(each for each in named.get(name, ()) if each in draft.values)


def _given(draft: Draft, name: str) -> Any:
    column, declared = draft.part.fields()[name]
    value = draft.values[column.name]
    return value if declared.refers is None or value is None else {"id": value}


def _below(draft: Draft, name: str, column: sa.Column[Any], was: Json, value: Json) -> Iterator[_Leaf]:
    """The values below a column that is captured key by key."""
    for keys in sorted({*_keys(was, levels(column.name)), *_keys(value, levels(column.name))}):
        old, new = _at(was, keys), _at(value, keys)
        if old != new:
            channel = keys[1] if len(keys) == len(("code", "channel", "locale")) and keys[1] != ALL else None
            back = _Back(draft, column.name, keys, old)
            yield _Leaf((name, *keys), channel, old, new, _entry(draft, name, keys, new), back)


def _entry(draft: Draft, name: str, keys: Path, new: Any) -> Json:
    """What of an input says the value under these keys."""
    if name == "attributes":
        code, channel, locale = keys
        place = (code, channel, locale.lower())
        given = [one for one in draft.attributes or () if _place(one) == place]
        gone = {"code": code, "value": None} | {
            named: key for named, key in (("channel", channel), ("locale", locale)) if key != ALL
        }
        return {name: given or [gone]}
    if name == "axes":
        return {name: {keys[0]: (draft.axes or {}).get(keys[0])}}
    return {name: {keys[0]: new}}


def _place(one: Json) -> tuple[str, str, str]:
    """Where an input says that a value is to stand."""
    return one["code"], one.get("channel") or ALL, (one.get("locale") or ALL).replace("_", "-").lower()


class _Back:
    """Takes a value out of a draft again."""

    def __init__(self, draft: Draft, column: str, keys: Path = (), old: Any = None) -> None:
        self._draft, self._column, self._keys, self._old = draft, column, keys, old

    def __call__(self) -> None:
        values = self._draft.values
        if not self._keys:
            for name in (self._column, *_together(self._draft, self._column)):
                del values[name]
        else:
            values[self._column] = _put(values[self._column], self._keys, self._old)


def _put(values: Json, keys: Path, value: Any) -> Json:
    first, rest = keys[0], keys[1:]
    below = _put(values.get(first) or {}, rest, value) if rest else value
    made = {**values, first: below}
    return {key: each for key, each in made.items() if each is not None and each != {}}


def _keys(values: Json, depth: int) -> Iterator[Path]:
    for key, value in values.items():
        if depth == 1:
            yield (key,)
        else:
            for below in _keys(value, depth - 1):
                yield (key, *below)


def _at(values: Json, keys: Path) -> Any:
    found: Any = values
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found
