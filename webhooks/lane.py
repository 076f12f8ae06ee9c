"""The fan-out: each record of the feed becomes one delivery for every endpoint that asked for its events.

Every endpoint has a cursor of its own on the feed. Its deliveries and the cursor's step are one transaction: nothing
is left out and nothing comes twice, whenever this process dies. The cursor of an endpoint that is disabled, or has not
echoed its challenge yet, stands still.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from hub import feed
from hub.db import Json
from hub.direct import wire
from hub.feed import AheadError, GoneError
from webhooks import endpoint, event, filter_sql
from webhooks.delivery import lock_lanes

log = logging.getLogger(__name__)

BATCH = 1_000
"""Records of the feed that are dealt with at one time for one endpoint; for many together it is fewer."""

ROWS = 5_000
"""Deliveries that are made at one time: while they are, nothing of these endpoints can be noted."""

NEAR = 500
"""Records within which an endpoint is not behind: it is told together with the others, at once."""

BEHIND = sa.text(
    """
    SELECT e.id, e.scopes, e.channel_ids, e.channel_id, e.filter, c.sequence, line.untold
    FROM webhook_endpoint e JOIN cursor c ON c.name = 'webhook:' || e.id
    LEFT JOIN webhook_line line ON line.endpoint_id = e.id
    WHERE e.disabled_at IS NULL AND (NOT e.verify OR e.verified_at IS NOT NULL) AND c.sequence < :head
        AND e.id = ANY (CAST(:among AS bigint[]))
    ORDER BY e.id FOR UPDATE OF c SKIP LOCKED
    """
)

FAN_OUT = """
    INSERT INTO webhook_delivery (endpoint_id, sequence, type, aggregate, aggregate_id, occurred_at, due_at)
    SELECT m.endpoint_id, m.sequence, m.type, m.aggregate, m.aggregate_id, m.occurred_at,
        CASE WHEN NOT m.ordered OR m.place = 1 AND NOT EXISTS (
            SELECT FROM webhook_delivery earlier
            WHERE earlier.endpoint_id = m.endpoint_id AND earlier.aggregate = m.aggregate
                AND earlier.aggregate_id = m.aggregate_id AND earlier.delivered_at IS NULL
        ) THEN now() END
    FROM (
        SELECT e.id AS endpoint_id, e.ordered, f.sequence, f.type, f.aggregate, f.aggregate_id, f.occurred_at,
            row_number() OVER (PARTITION BY e.id, f.aggregate, f.aggregate_id ORDER BY f.sequence) AS place
        {matching}
    ) m
    ON CONFLICT (endpoint_id, sequence) DO NOTHING
    """

# What a change is to an endpoint's channels is only looked at where it has some: OFFSET keeps the function from being
# called for everyone. Events are looked at before that, and after, when some may be no concern of the channels.
MATCHING = """
        FROM unnest(CAST(:ids AS bigint[]), CAST(:aggregates AS text[])) AS seen (id, aggregate)
        JOIN webhook_endpoint e ON e.id = seen.id
        JOIN feed f ON f.aggregate = seen.aggregate AND f.sequence > :after AND f.sequence <= :through
            AND (e.event_types IS NULL OR f.events && e.event_types
                OR split_part(f.type, '.', 1) || '.*' = ANY (e.event_types))
        CROSS JOIN LATERAL (SELECT CASE WHEN e.channel_id IS NULL THEN e.channel_ids ELSE ARRAY[e.channel_id] END
            AS channels) hears
        LEFT JOIN LATERAL (
            SELECT * FROM hub_view(f.aggregate, f.aggregate_id, f.type, f.events, f.changes, hears.channels)
            WHERE hears.channels IS NOT NULL OFFSET 0) shown ON true
        CROSS JOIN LATERAL (SELECT CASE WHEN hears.channels IS NULL THEN f.events ELSE shown.events END AS events) told
        WHERE told.events IS NOT NULL
        AND (e.event_types IS NULL OR told.events && e.event_types
            OR split_part(f.type, '.', 1) || '.*' = ANY (e.event_types))
        AND (e.ignore_sources IS NULL OR f.source <> ALL (e.ignore_sources))
        AND {filter}
    """
"""The records ``f`` that an endpoint ``e`` asks for. ``filter``: SQL for as much of a filter as a record alone tells."""

UNTOLD = sa.text(
    "UPDATE webhook_line SET untold = :why WHERE endpoint_id = ANY (CAST(:ids AS bigint[])) AND untold IS DISTINCT FROM :why"
)
ADVANCE = sa.text("UPDATE cursor SET sequence = :through, moved_at = now() WHERE name = ANY (:names)")


def follow(tx: sa.Connection, among: Sequence[int], *, careful: bool = False) -> set[int]:
    """Tell the endpoints that are near the feed's head of everything up to it; gives those that cannot be told.

    The caller holds their lanes' lock. Those that are further behind are left to ``catch_up``, so that they delay
    nobody. ``careful``: let one that cannot be told hinder no other, which takes two more statements for each group;
    without it whatever goes wrong is raised.
    """
    first, head = _ends(tx)
    sick: set[int] = set()
    for after, group in _groups(tx, among, head, max(first - 1, head - NEAR), head).items():
        through = min(head, after + max(ROWS // len(group), 1))
        if careful:
            sick |= _tell_carefully(tx, group, after, through)
        else:
            _tell(tx, group, after, through)
    return sick


def catch_up(tx: sa.Connection, among: Sequence[int]) -> int:
    """Tell the endpoints that stand furthest back of the next records; gives how many records that were.

    An endpoint that fell behind what the feed keeps is disabled with the reason.
    """
    first, head = _ends(tx)
    groups = _groups(tx, among, head, -1, max(head - NEAR, first - 1))
    if not groups:
        return 0
    after, *others = sorted(groups, key=lambda after: (all(row["untold"] for row in groups[after]), after))
    group = groups[after]
    if after < first - 1:
        _give_up(tx, [row["id"] for row in group], after)
        return 1
    batch = max(min(BATCH, ROWS // len(group)), 1)
    through = min(after + batch, head, *(other for other in others if other > after))
    lock_lanes(tx, [row["id"] for row in group])
    sick = _tell_carefully(tx, group, after, through)
    return 0 if len(sick) == len(group) else int(through - after)


def _ends(tx: sa.Connection) -> tuple[int, int]:
    """The feed's ends, which stay until the transaction does: no partition is dropped between this look and the reading."""
    tx.execute(sa.text("LOCK TABLE ONLY feed IN ACCESS SHARE MODE"))
    return feed.ends(tx)


def _groups(
    tx: sa.Connection, among: Sequence[int], head: int, least: int, end: int
) -> dict[int, list[Json]]:
    """The endpoints whose cursor stands at ``least`` or later and before ``end``, by where it stands."""
    found: dict[int, list[Json]] = defaultdict(list)
    for row in tx.execute(BEHIND, {"head": head, "among": wire(list(among))}).mappings():
        if least <= row["sequence"] < end:
            found[row["sequence"]].append(dict(row))
    return found


def _tell(tx: sa.Connection, group: list[Json], after: int, through: int) -> None:
    _fan_out(tx, group, after, through)
    tx.execute(ADVANCE, {"through": through, "names": [endpoint.cursor(row["id"]) for row in group]})


def _tell_carefully(tx: sa.Connection, group: list[Json], after: int, through: int) -> set[int]:
    """Tell what can be told, if need be one by one; gives who cannot be told, and notes why."""
    try:
        with tx.begin_nested():
            _tell(tx, group, after, through)
    except sa.exc.OperationalError:
        raise
    except Exception as wrong:  # noqa: BLE001 - whatever one endpoint asks for, the others are told
        if len(group) > 1:
            return {sick for row in group for sick in _tell_carefully(tx, [row], after, through)}
        return {_note_untold(tx, group[0], wrong)}
    well = [row["id"] for row in group if row["untold"] is not None]
    if well:
        tx.execute(UNTOLD, {"ids": wire(well), "why": None})
    return set()


def _note_untold(tx: sa.Connection, row: Json, wrong: Exception) -> int:
    number: int = row["id"]
    why = f"It cannot be told of changes after sequence {row['sequence']}: {type(wrong).__name__}."
    if row["untold"] != why:
        log.error("Endpoint %s: %s", number, why, exc_info=wrong)
        tx.execute(UNTOLD, {"ids": wire([number]), "why": why})
    return number


def _fan_out(tx: sa.Connection, group: list[Json], after: int, through: int) -> None:
    """One statement for all endpoints whose filters ask the same of a record: mostly nothing."""
    alike: dict[str, list[Json]] = defaultdict(list)
    for row in group:
        condition, values = filter_sql.condition(row["filter"])
        alike[f"{condition} {values}"].append(row)
    for rows in alike.values():
        matching, values = asked(rows, after, through)
        tx.execute(sa.text(FAN_OUT.format(matching=matching)), values)


def asked(rows: Sequence[Json], after: int, through: int) -> tuple[str, Json]:
    """The records after a sequence and up to another that endpoints with one filter ask for, as SQL with its values."""
    condition, values = filter_sql.condition(rows[0]["filter"])
    seen = [(row["id"], name) for row in rows for name in event.seen_by(endpoint.viewer(row))]
    about = {"ids": wire([number for number, _ in seen]), "aggregates": [name for _, name in seen]}
    return MATCHING.format(filter=condition), {**values, **about, "after": after, "through": through}


def _give_up(tx: sa.Connection, ids: list[int], after: int) -> None:
    try:
        feed.check(tx, after)
    except (GoneError, AheadError) as gone:
        for number in ids:
            endpoint.disable(tx, number, str(gone))
