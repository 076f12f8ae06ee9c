"""The judge of a soak: knows nothing of how the hub works, and compares what everyone wrote down.

The writers say what they committed and what they took back, the feed says what happened, the receivers say what
reached them. Every fault is a sentence.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Change = Mapping[str, Any]
"""A node of ``changes`` as GraphQL gives it."""


@dataclass(frozen=True)
class Effect:
    """What a transaction did to one object: the change's kind (null: any), and texts that nobody else writes."""

    entity: str
    kind: str | None
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class Committed:
    """A transaction that its writer knows to be committed. ``reason``: the name it signed with; null for none."""

    name: str
    reason: str | None
    effects: tuple[Effect, ...]


@dataclass(frozen=True)
class Window:
    """A value that had to turn once, by time alone."""

    entity: str
    path: str
    opens: bool


@dataclass(frozen=True)
class Receipt:
    """One request that reached a receiver, in the order of arrival. ``taken``: answered with 2xx in time."""

    id: str
    verified: bool
    taken: bool
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Told:
    """An endpoint: the events it asked for (null: all), and after which sequence it began."""

    name: str
    types: tuple[str, ...] | None
    since: int
    deliveries: int
    undelivered: int
    receipts: Sequence[Receipt]

    def asked_for(self, change: Change) -> bool:
        """Whether a change is for this endpoint."""
        if change["sequence"] <= self.since:
            return False
        noun = change["type"].partition(".")[0]
        return self.types is None or any(
            wanted in change["events"] or wanted == f"{noun}.*" for wanted in self.types
        )


@dataclass
class Evidence:
    """All that the judge is given.

    ``undone``: texts of transactions that were taken back. ``state``: values as the tables hold them now, by object
    and path. ``read``: the sequences that a reader outside saw, in its order. ``waiting``: changes without a sequence.
    ``since``: the last sequence before the attack.
    """

    changes: Sequence[Change]
    since: int = 0
    committed: Sequence[Committed] = ()
    undone: Iterable[str] = ()
    windows: Sequence[Window] = ()
    told: Sequence[Told] = ()
    state: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    read: Sequence[int] | None = None
    waiting: int = 0


def faults(given: Evidence) -> list[str]:
    """Everything that is wrong; empty when every promise was kept."""
    return [
        *_numbered(given),
        *_versions(given.changes),
        *_values(given),
        *_recorded(given),
        *_unsaid(given),
        *_turned(given),
        *(fault for each in given.told for fault in _delivered(each, given)),
    ]


def _numbered(given: Evidence) -> Iterator[str]:
    """1, 2, 3 … without a gap, for the reader outside too."""
    found = [change["sequence"] for change in given.changes]
    if given.waiting:
        yield f"{given.waiting} committed changes have no sequence."
    if found != list(range(1, len(found) + 1)):
        gaps = sorted(set(range(1, max(found) + 1)) - set(found))
        twice = [sequence for sequence, times in Counter(found).items() if times > 1]
        yield f"The feed is not 1 to {len(found)}: missing {_some(gaps)}, twice {_some(twice)}."
    if given.read is not None and list(given.read) != found:
        lost = sorted(set(found) - set(given.read))
        yield f"The reader outside saw {len(given.read)} of {len(found)} changes: missing {_some(lost)}."


def _versions(changes: Sequence[Change]) -> Iterator[str]:
    """1, 2, 3 … for each object, in the order of the feed."""
    last: dict[str, int] = defaultdict(int)
    for change in changes:
        entity, version = change["entityId"], change["entityVersion"]
        if version != last[entity] + 1:
            yield f"{_called(change)} is version {version}, after version {last[entity]}."
        last[entity] = version


def _values(given: Evidence) -> Iterator[str]:
    """Each old value is the one before it, and the last new value is what the table holds."""
    objects: dict[str, _Values] = defaultdict(_Values)
    for change in given.changes:
        now = objects[change["entityId"]]
        for each in change["changedPaths"]:
            if now.get(each["path"]) != each["old"]:
                yield (
                    f"{_called(change)} says that {each['path']} was {each['old']!r},"
                    f" and by the feed it was {now.get(each['path'])!r}."
                )
            now.set(each["path"], each["new"])
    for (entity, path), value in given.state.items():
        if objects[entity].get(path) != value:
            yield f"{entity} has {path} = {value!r}, and {objects[entity].get(path)!r} by the feed."


class _Values:
    """An object's values by path; what lies inside a row that came whole is found in it."""

    def __init__(self) -> None:
        self._by_path: dict[str, Any] = {}

    def get(self, path: str) -> Any:
        if path in self._by_path:
            return self._by_path[path]
        place, keys = self._row(path)
        value = self._by_path.get(place)
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def set(self, path: str, value: Any) -> None:
        place, keys = self._row(path)
        if not keys:
            self._by_path = {
                each: old for each, old in self._by_path.items() if not each.startswith(f"{path}/")
            }
            self._by_path[path] = value
            return
        self._by_path[place] = _with(self._by_path[place], keys, value)

    def _row(self, path: str) -> tuple[str, list[str]]:
        """The longest path above that holds a whole row, and the keys that lead on from it."""
        parts = path.split("/")
        for length in range(len(parts) - 1, 1, -1):
            above = "/".join(parts[:length])
            if isinstance(self._by_path.get(above), dict):
                return above, [part.replace("~1", "/").replace("~0", "~") for part in parts[length:]]
        return path, []


def _with(row: Any, keys: Sequence[str], value: Any) -> dict[str, Any]:
    inner = dict(row) if isinstance(row, dict) else {}
    inner[keys[0]] = value if len(keys) == 1 else _with(inner.get(keys[0]), keys[1:], value)
    return inner


def _recorded(given: Evidence) -> Iterator[str]:
    """Each committed transaction left one change for each object, and there is none that nobody committed."""
    said: dict[str, set[int]] = defaultdict(set)
    signed: dict[str, list[Change]] = defaultdict(list)
    by_sequence = {change["sequence"]: change for change in given.changes}
    for change in given.changes:
        for each in change["changedPaths"]:
            for text in _texts(each["new"]):
                said[text].add(change["sequence"])
        if change["reason"] and change["sequence"] > given.since:
            signed[change["reason"]].append(change)
    known = {each.reason for each in given.committed}
    for reason in signed:
        if reason not in known:
            yield f"{reason} was never committed, and is in the feed: {_called(signed[reason][0])}."
    for transaction in given.committed:
        for effect in transaction.effects:
            yield from _effect(transaction, effect, said, by_sequence)
        if transaction.reason is not None:
            yield from _once(transaction, signed[transaction.reason])


def _effect(
    transaction: Committed, effect: Effect, said: Mapping[str, set[int]], by_sequence: Mapping[int, Change]
) -> Iterator[str]:
    told = {frozenset(said.get(token, ())) for token in effect.tokens}
    if not told:
        return
    sequences = frozenset().union(*told)
    if told != {sequences} or len(sequences) != 1:
        found = ", ".join(f"{token} in {sorted(said.get(token, ())) or 'none'}" for token in effect.tokens)
        yield f"{transaction.name} changed {effect.entity}, which one change must tell: {found}."
        return
    change = by_sequence[next(iter(sequences))]
    if change["entityId"] != effect.entity or effect.kind not in (None, change["kind"]):
        yield f"{transaction.name} changed {effect.entity} ({effect.kind}): {_called(change)} tells of something else."


def _once(transaction: Committed, changes: Sequence[Change]) -> Iterator[str]:
    wanted = Counter((effect.entity, effect.kind) for effect in transaction.effects)
    found = Counter((change["entityId"], change["kind"]) for change in changes)
    if wanted != found:
        missing, more = sorted(wanted - found, key=str), sorted(found - wanted, key=str)
        yield f"{transaction.name} left other changes than it made: missing {_some(missing)}, too many {_some(more)}."


def _unsaid(given: Evidence) -> Iterator[str]:
    """What was taken back stands nowhere: not in the feed, and in no request."""
    undone = set(given.undone)
    for change in given.changes:
        for each in change["changedPaths"]:
            for text in undone.intersection((*_texts(each["old"]), *_texts(each["new"]))):
                yield f"{text} was taken back, and is in the feed: {_called(change)}."
    for each in given.told:
        for receipt in each.receipts:
            for text in undone.intersection(_texts(receipt.body)):
                yield f"{text} was taken back, and endpoint {each.name} was told of it."


def _turned(given: Evidence) -> Iterator[str]:
    turns: Counter[tuple[str, str, bool]] = Counter(
        (change["entityId"], each["path"], each["new"])
        for change in given.changes
        for each in change["changedPaths"]
        if each["path"].endswith("/open")
    )
    for window in given.windows:
        times = turns[window.entity, window.path, window.opens]
        if times != 1:
            yield f"{window.entity}{window.path} turned {'on' if window.opens else 'off'} {times} times in the feed."


def _delivered(told: Told, given: Evidence) -> Iterator[str]:
    """Every matching change at least once, each object's in the order of versions, and nothing else."""
    wanted = {change["sequence"]: change for change in given.changes if told.asked_for(change)}
    changes = [receipt for receipt in told.receipts if receipt.body.get("sequence") is not None]
    taken = {receipt.body["sequence"] for receipt in changes if receipt.taken}
    if told.deliveries != len(wanted):
        yield f"Endpoint {told.name} has {told.deliveries} deliveries for {len(wanted)} matching changes."
    if told.undelivered:
        yield f"Endpoint {told.name} still waits for {told.undelivered} deliveries."
    missing = sorted(set(wanted) - taken)
    if missing:
        yield f"Endpoint {told.name} never took {len(missing)} of {len(wanted)} changes: {_some(missing)}."
    for receipt in told.receipts:
        if not receipt.verified:
            yield f"Endpoint {told.name} got {receipt.id}, which the published package does not verify."
    yield from _alike(told, changes, wanted)
    yield from _in_order(told.name, "first arrivals", changes)
    yield from _in_order(told.name, "first ones taken", [each for each in changes if each.taken])


def _alike(told: Told, receipts: Sequence[Receipt], wanted: Mapping[int, Change]) -> Iterator[str]:
    """Each request says what the feed says, and a repeated one has the same id."""
    ids: dict[int, str] = {}
    for receipt in receipts:
        body, sequence = receipt.body, receipt.body["sequence"]
        change = wanted.get(sequence)
        if change is None:
            yield f"Endpoint {told.name} was told of sequence {sequence}, which it did not ask for."
        elif (body["type"], body["entity"]["id"], body["entity"]["version"], body["changed"]) != (
            change["type"],
            change["entityId"],
            change["entityVersion"],
            change["changedPaths"],
        ):
            yield f"Endpoint {told.name} was told something else of sequence {sequence} than the feed says."
        if ids.setdefault(sequence, receipt.id) != receipt.id:
            yield f"Endpoint {told.name} was told of sequence {sequence} under two ids."


def _in_order(name: str, what: str, receipts: Sequence[Receipt]) -> Iterator[str]:
    last: dict[str, int] = defaultdict(int)
    seen: set[int] = set()
    for receipt in receipts:
        entity, sequence = receipt.body["entity"], receipt.body["sequence"]
        if sequence in seen:
            continue
        seen.add(sequence)
        if entity["version"] < last[entity["id"]]:
            yield (
                f"Endpoint {name}, {what}: version {entity['version']} of {entity['id']} came"
                f" after version {last[entity['id']]}."
            )
        last[entity["id"]] = max(last[entity["id"]], entity["version"])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _called(change: Change) -> str:
    return f"Sequence {change['sequence']} ({change['type']} {change['entityId']})"


def _some(found: Sequence[Any], most: int = 5) -> str:
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(map(str, found[:most])) + more if found else "none"
