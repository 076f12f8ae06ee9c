"""Deliveries that were taken together, with all that sending them needs: read in a few statements, rendered in one go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import sqlalchemy as sa

from hub.db import Json
from hub.direct import wire
from hub.feed import GoneError
from webhooks import body, endpoint, state
from webhooks.delivery import Claimed
from webhooks.post import Target
from webhooks.rendering import Rendering, Shown, Wanted
from webhooks.secret import SealError, Vault


@dataclass(frozen=True)
class Way:
    """An endpoint as it stands, and how to reach it. ``target`` is null where it cannot be signed for: ``shut`` says why."""

    row: Json
    target: Target | None
    shut: str | None = None


@dataclass(frozen=True)
class Lot:
    """What was taken. ``records``: what is told by those that have no body yet, by delivery."""

    claimed: list[Claimed]
    ways: dict[int, Way]
    records: dict[int, Json]


@dataclass(frozen=True)
class Rendered:
    """Deliveries with their bodies, which of them are ``new``, why others have none, and which are not to be sent."""

    ready: list[Claimed] = field(default_factory=list)
    new: dict[int, bytes] = field(default_factory=dict)
    blocked: list[tuple[Claimed, str]] = field(default_factory=list)
    filtered: list[Claimed] = field(default_factory=list)

    @property
    def all(self) -> list[Claimed]:
        """Every delivery in it."""
        return [*self.ready, *(each for each, _ in self.blocked), *self.filtered]


REMEMBERED = 4_096
"""Endpoints whose secrets are kept opened."""

NOTHING = Shown()

# What hears in channels is told what a change is to them; OFFSET keeps the function from being called for others.
RECORDS = sa.text(
    """
    SELECT w.place, f.sequence, f.type, f.version, f.kind, f.source, f.occurred_at,
        CASE WHEN hears.channels IS NULL THEN f.events ELSE shown.events END AS events,
        CASE WHEN hears.channels IS NULL THEN f.changes ELSE shown.changes END AS changes
    FROM unnest(CAST(:sequences AS bigint[]), CAST(:hears AS text[])) WITH ORDINALITY AS w (sequence, hears, place)
    JOIN feed f ON f.sequence = w.sequence
    CROSS JOIN LATERAL (SELECT CAST(w.hears AS bigint[]) AS channels) hears
    LEFT JOIN LATERAL (
        SELECT * FROM hub_view(f.aggregate, f.aggregate_id, f.type, f.events, f.changes, hears.channels)
        WHERE hears.channels IS NOT NULL OFFSET 0) shown ON true
    """
)

# How long the breaker and the receiver's own wish hold is said in seconds: clocks of two machines need not agree.
WAYS = sa.text(
    """
    SELECT e.*, extract(epoch FROM e.breaker_until - clock_timestamp())::double precision AS breaker_wait,
        extract(epoch FROM line.resume_at - clock_timestamp())::double precision AS resume_wait, line.failed_at,
        ARRAY(SELECT s.sealed FROM webhook_secret s
            WHERE s.endpoint_id = e.id AND (s.expires_at IS NULL OR s.expires_at > now())
                AND (e.signing = 'both' OR e.signing = CASE WHEN s.public_key IS NULL THEN 'v1' ELSE 'v1a' END)
            ORDER BY s.id DESC) AS sealed
    FROM webhook_endpoint e LEFT JOIN webhook_line line ON line.endpoint_id = e.id
    WHERE e.id = ANY (CAST(:ids AS bigint[]))
    """
)


def load(tx: sa.Connection, vault: Vault, claimed: list[Claimed]) -> Lot:
    """Read what sending needs."""
    found = ways(tx, vault, {each.endpoint_id for each in claimed})
    return Lot(claimed, found, {**_happened(tx, claimed, found), **state.records(tx, claimed)})


def _happened(tx: sa.Connection, claimed: Collection[Claimed], found: Mapping[int, Way]) -> dict[int, Json]:
    """The records, each read once for all who hear in the same channels."""
    alike: dict[tuple[int, str | None], list[int]] = defaultdict(list)
    for each in claimed:
        if each.body is None and each.sequence is not None and each.endpoint_id in found:
            alike[each.sequence, _hears(found[each.endpoint_id].row)].append(each.id)
    if not alike:
        return {}
    asked = {
        "sequences": wire([sequence for sequence, _ in alike]),
        "hears": [channels for _, channels in alike],
    }
    groups = list(alike.values())
    rows = [dict(row) for row in tx.execute(RECORDS, asked).mappings()]
    return {number: row for row in rows for number in groups[row["place"] - 1]}


def _hears(row: Json) -> str | None:
    """The channels in which an endpoint hears, as PostgreSQL writes a list; null for all."""
    channels = row["channel_ids"] if row["channel_id"] is None else [row["channel_id"]]
    return None if channels is None else "{" + ",".join(map(str, sorted(channels))) + "}"


def ways(tx: sa.Connection, vault: Vault, ids: Collection[int]) -> dict[int, Way]:
    """The endpoints as they stand at this moment."""
    rows = [dict(row) for row in tx.execute(WAYS, {"ids": wire(list(ids))}).mappings()]
    return {row["id"]: _way(vault, row) for row in rows}


def _way(vault: Vault, row: Json) -> Way:
    sealed = tuple(bytes(each) for each in row["sealed"])
    headers = None if row["headers"] is None else bytes(row["headers"])
    try:
        return Way(row, _target(vault, row["id"], row["url"], row["timeout"], sealed, headers))
    except SealError as wrong:
        return Way(row, None, str(wrong))


@lru_cache(REMEMBERED)
def _target(
    vault: Vault, number: int, url: str, timeout: int, sealed: tuple[bytes, ...], headers: bytes | None
) -> Target:
    """Where an endpoint's deliveries go, opened once for the same seals."""
    secrets = [vault.open(number, each) for each in sealed]
    return Target(url, secrets, timeout, endpoint.headers(vault, number, headers))


async def render(lot: Lot, rendering: Rendering) -> Rendered:
    """Make the bodies that are missing, of all endpoints in one round. What goes wrong for one holds back that one only.

    Raises only where nothing can be read at all.
    """
    done = Rendered([each for each in lot.claimed if each.body is not None])
    told = _told(lot, done)
    shown = await _shown(lot, told, rendering)
    for each, record in told:
        row = lot.ways[each.endpoint_id].row
        found = shown.get((each.endpoint_id, each.aggregate), NOTHING)
        try:
            _finish(each, record, row, found, done)
        except Exception as wrong:  # noqa: BLE001 - a document answers anything, and a filter looks at it
            done.blocked.append((each, f"The payload cannot be made: {wrong}"))
    return done


def _told(lot: Lot, done: Rendered) -> list[tuple[Claimed, Json | None]]:
    """What each delivery without a body tells of."""
    told: list[tuple[Claimed, Json | None]] = []
    for each in lot.claimed:
        if each.body is None:
            try:
                told.append((each, _record(lot, each)))
            except GoneError as gone:
                done.blocked.append((each, f"The payload cannot be made: {gone}"))
    return told


async def _shown(
    lot: Lot, told: Sequence[tuple[Claimed, Json | None]], rendering: Rendering
) -> dict[tuple[int, str], Shown]:
    """What the documents answer, by endpoint and noun; nothing is asked about what is deleted."""
    numbers: dict[tuple[int, str], dict[int, None]] = defaultdict(dict)
    for each, record in told:
        if record is not None and record["kind"] != "DELETED" and not lot.ways[each.endpoint_id].row["thin"]:
            numbers[each.endpoint_id, each.aggregate][each.aggregate_id] = None
    wanted = []
    for (number, noun), some in numbers.items():
        row = lot.ways[number].row
        wanted.append(Wanted(row["document"], noun, tuple(some), endpoint.viewer(row)))
    return dict(zip(numbers, await rendering.many(wanted), strict=True)) if wanted else {}


def _finish(each: Claimed, record: Json | None, row: Json, found: Shown, done: Rendered) -> None:
    """Make the bytes, and see whether the endpoint's filter lets them through."""
    if record is not None and record["kind"] != "DELETED" and each.aggregate_id in found.failed:
        raise found.failed[each.aggregate_id]
    data = None if record is None or record["kind"] == "DELETED" else found.shown.get(each.aggregate_id)
    made = body.make(each, record, endpoint.viewer(row), data)
    if body.passes(each, made, row["filter"]):
        done.new[each.id] = made
        done.ready.append(replace(each, body=made))
    else:
        done.filtered.append(each)


def _record(lot: Lot, each: Claimed) -> Json | None:
    """What a delivery tells of, null for a test. Raises ``GoneError`` where the feed dropped it.

    What is no concern of the endpoint's channels any more is told without what changed.
    """
    if each.purpose not in ("change", "state"):
        return None
    if each.id not in lot.records:
        raise GoneError(f"the feed no longer holds sequence {each.sequence}.")
    record = lot.records[each.id]
    if record["events"] is None:
        return {**record, "events": [record["type"]], "changes": []}
    return record
