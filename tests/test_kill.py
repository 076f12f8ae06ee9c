"""The kill test: everybody writes, everything dies, and a judge of its own compares what everyone wrote down.

The attack is that of ``hub bench soak``. Faults are planted to see that the judge finds them.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bench.soak import judge
from bench.soak.attack import Outcome, Ways
from bench.soak.endpoints import PLANS, Plan
from bench.soak.judge import Committed, Effect, Evidence, Receipt, Told, Window
from bench.soak.stage import attack, attack_on
from hub import postgres, triggers, verify
from hub.db import Database

HEALTHY = tuple(replace(plan, mood="well", late=0.0, dies=False) for plan in PLANS[:2])


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_nothing_is_lost_while_everything_dies(soak_seconds: float) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    # Not in pytest's own folder: another run of pytest closes that to the user that the server runs as.
    with tempfile.TemporaryDirectory(prefix="hub-kill-") as folder:
        outcome = attack(Path(folder), Ways(seconds=soak_seconds, seed=seed, tell=print))
    print(dict(outcome.counts))
    assert outcome.faults == []
    died = {"relays killed", "receivers killed", "servers killed", "PostgreSQL crashed"}
    assert min(outcome.counts[each] for each in (*died, "committed", "taken back")) > 0
    assert all(told.receipts for told in outcome.evidence.told)


# Faults that are planted in the database or in its sequencer: each turns the judge red. An attack takes long: make test runs
# three, and the judge itself on evidence made by hand.


def planted(
    url: str,
    folder: Path,
    fault: str,
    *,
    sequencer: Mapping[str, str] | None = None,
    peace: float = 4,
    plans: Sequence[Plan] = HEALTHY,
) -> Outcome:
    """A short attack in which nothing dies, with a fault in it. ``peace``: how long everything may take to arrive."""
    if sequencer:
        fault += _rewritten(url, "hub_sequence", sequencer)
    writers = ("sql1", "sql2")
    ways = Ways(
        seconds=2,
        seed=1,
        kills=False,
        writers=writers,
        plans=plans,
        planted=fault,
        peace=peace,
        late=0.3,
        least=80,
    )
    return attack_on(url, folder, ways)


def _rewritten(url: str, function: str, changes: Mapping[str, str]) -> str:
    with psycopg.connect(postgres.libpq(url)) as connection:
        row = connection.execute("SELECT pg_get_functiondef(%s::regproc)", [function]).fetchone()
    assert row is not None
    text = str(row[0])
    for old, new in changes.items():
        assert old in text, f"{function} is written otherwise now: plant the fault anew."
        text = text.replace(old, new)
    # Sealed anew: else a relay would notice, and put back what it knows.
    seal = f"EXECUTE format('COMMENT ON TABLE tx_open IS %L', ({triggers.FUNCTIONS}));"
    return f"{text}; DO $seal$ BEGIN {seal} END $seal$;"


def found(outcome: Outcome, text: str) -> list[str]:
    return [fault for fault in outcome.faults if text in fault]


def test_without_a_fault_the_judge_finds_none(database_url: str, tmp_path: Path) -> None:
    outcome = planted(database_url, tmp_path, "", peace=60)
    assert outcome.faults == []
    assert len(outcome.evidence.changes) > outcome.evidence.since
    assert all(told.receipts for told in outcome.evidence.told)


@pytest.mark.soak(only=True)
def test_a_trigger_that_is_missing_is_found(database_url: str, tmp_path: Path) -> None:
    outcome = planted(database_url, tmp_path, "DROP TRIGGER hub_capture_u ON price")
    assert found(outcome, "left other changes than it made")
    assert found(outcome, "/amount")
    assert verify.verify(Database(database_url)).faults


@pytest.mark.soak(only=True)
def test_a_cursor_over_ids_without_a_sequence_is_found(database_url: str, tmp_path: Path) -> None:
    """Who asks for ids above the last one misses what drew its id early and committed late."""
    outcome = planted(
        database_url,
        tmp_path,
        "CREATE TABLE soak_cursor AS SELECT 0::bigint AS seen;",
        sequencer={
            "SELECT id FROM pending ORDER BY id": "SELECT id FROM pending WHERE id > (SELECT seen FROM soak_cursor) ORDER BY id",
            "), heard AS (": """), seen AS (
                UPDATE soak_cursor SET seen = (SELECT max(id) FROM batch) WHERE EXISTS (SELECT FROM batch)
            ), heard AS (""",
        },
    )
    assert found(outcome, "committed changes have no sequence")
    assert found(outcome, "left other changes than it made")


def test_a_sequencer_that_drops_one_is_found(database_url: str, tmp_path: Path) -> None:
    outcome = planted(
        database_url,
        tmp_path,
        "",
        sequencer={
            "WITH batch AS (": """DELETE FROM pending WHERE id = (SELECT min(id) FROM pending) AND random() < 0.1;
            WITH batch AS ("""
        },
    )
    # Which of the two it is depends on whether the object changed again after the one that was dropped.
    assert found(outcome, "left other changes than it made") or found(outcome, "after version")


@pytest.mark.soak(only=True)
def test_versions_out_of_order_are_found(database_url: str, tmp_path: Path) -> None:
    outcome = planted(
        database_url,
        tmp_path,
        "",
        sequencer={
            "OVER (ORDER BY id)": "OVER (ORDER BY id DESC)",
            "moved := 0;": "moved := 0; PERFORM pg_sleep(0.3);",
        },
    )
    assert found(outcome, "after version")


DELIVERIES = """
CREATE FUNCTION soak_planted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$;
CREATE TRIGGER soak_planted BEFORE INSERT ON webhook_delivery FOR EACH ROW EXECUTE FUNCTION soak_planted();
"""


@pytest.mark.soak(only=True)
def test_a_lane_that_skips_is_found(database_url: str, tmp_path: Path) -> None:
    body = "IF NEW.sequence % 7 = 0 THEN RETURN NULL; END IF;"
    outcome = planted(database_url, tmp_path, DELIVERIES.format(body=body))
    assert found(outcome, "deliveries for")
    assert found(outcome, "never took")


def test_a_delivery_that_was_never_sent_is_found(database_url: str, tmp_path: Path) -> None:
    body = "IF NEW.sequence % 7 = 0 THEN NEW.delivered_at := now(); NEW.due_at := NULL; END IF;"
    outcome = planted(database_url, tmp_path, DELIVERIES.format(body=body))
    assert found(outcome, "never took")
    assert not found(outcome, "deliveries for")


@pytest.mark.soak(only=True)
def test_a_lane_that_does_not_wait_is_found(database_url: str, tmp_path: Path) -> None:
    """Every delivery is due at a moment of its own, whatever of its object is still on its way."""
    slow = (replace(HEALTHY[0], mood="crawling"),)
    body = "IF NEW.due_at IS NULL THEN NEW.due_at := now() + random() * interval '2 s'; END IF;"
    outcome = planted(database_url, tmp_path, DELIVERIES.format(body=body), peace=30, plans=slow)
    assert found(outcome, "came after version")


# Evidence made by hand, for what cannot be planted: PostgreSQL itself keeps what was rolled back from being seen.


def change(sequence: int, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "sequence": sequence,
        "type": "category.updated",
        "events": ["category.updated"],
        "entityId": "c",
        "entityVersion": sequence,
        "kind": "UPDATED",
        "changedPaths": [
            {"path": "/name/de", "old": f"n{sequence - 1}" if sequence > 1 else None, "new": f"n{sequence}"}
        ],
        "reason": None,
    }
    return made | more


def receipt(
    of: Mapping[str, Any], *, taken: bool = True, verified: bool = True, id_: str | None = None
) -> Receipt:
    body = {
        "sequence": of["sequence"],
        "type": of["type"],
        "entity": {"id": of["entityId"], "version": of["entityVersion"]},
        "changed": of["changedPaths"],
    }
    return Receipt(id_ or f"m{of['sequence']}", verified, taken, body)


CHANGES = [change(1), change(2), change(3)]
TOLD = Told("e", None, 0, 3, 0, [receipt(each) for each in CHANGES])
TRUE = Evidence(
    changes=CHANGES,
    committed=[Committed("w-1", None, (Effect("c", "UPDATED", ("n2",)),))],
    undone=["never"],
    told=[TOLD],
    state={("c", "/name/de"): "n3"},
    read=[1, 2, 3],
)


def told(*receipts: Receipt, **more: Any) -> Evidence:
    return replace(TRUE, told=[replace(TOLD, receipts=list(receipts), **more)])


def test_evidence_without_a_fault_has_none() -> None:
    assert judge.faults(TRUE) == []


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (replace(TRUE, undone=["n2"]), "n2 was taken back, and is in the feed"),
        (replace(TRUE, undone=["category.updated"]), "was taken back, and endpoint e was told of it"),
        (replace(TRUE, changes=CHANGES[:2]), "has 3 deliveries for 2 matching changes"),
        (replace(TRUE, changes=[CHANGES[0], CHANGES[2]]), "The feed is not 1 to 2: missing 2"),
        (replace(TRUE, read=[1, 3]), "The reader outside saw 2 of 3 changes: missing 2"),
        (replace(TRUE, read=[1, 2, 2, 3]), "The reader outside saw 4 of 3"),
        (replace(TRUE, waiting=1), "1 committed changes have no sequence"),
        (replace(TRUE, state={("c", "/name/de"): "n4"}), "c has /name/de = 'n4', and 'n3' by the feed"),
        (
            replace(TRUE, changes=[change(1), change(2, entityVersion=4), change(3)]),
            "is version 4, after version 1",
        ),
        (
            replace(TRUE, committed=[Committed("w-2", None, (Effect("d", "UPDATED", ("n2",)),))]),
            "tells of something else",
        ),
        (
            replace(TRUE, committed=[Committed("w-3", None, (Effect("c", None, ("n2", "n3")),))]),
            "which one change must tell",
        ),
        (
            replace(TRUE, committed=[Committed("w-4", "w-4", (Effect("c", "UPDATED", ()),))]),
            "left other changes",
        ),
        (replace(TRUE, changes=[change(1), change(2), change(3, reason="w-9")]), "w-9 was never committed"),
        (replace(TRUE, windows=[Window("c", "/listings/1/open", opens=True)]), "turned on 0 times"),
        (told(receipt(CHANGES[0]), receipt(CHANGES[2])), "never took 1 of 3 changes: 2"),
        (told(*TOLD.receipts, undelivered=2), "still waits for 2"),
        (
            told(receipt(CHANGES[0]), receipt(CHANGES[2]), receipt(CHANGES[1])),
            "version 2 of c came after version 3",
        ),
        (told(*TOLD.receipts[:2], receipt(CHANGES[2], verified=False)), "does not verify"),
        (told(*TOLD.receipts, receipt(CHANGES[2], id_="other")), "under two ids"),
        (told(*TOLD.receipts, receipt(change(9))), "which it did not ask for"),
        (
            told(receipt(change(1, type="category.created")), *TOLD.receipts[1:]),
            "something else of sequence 1",
        ),
        (told(*TOLD.receipts[:2], receipt(CHANGES[2], taken=False)), "never took 1 of 3 changes: 3"),
    ],
)
def test_every_fault_in_the_evidence_is_told(given: Evidence, fault: str) -> None:
    assert any(fault in each for each in judge.faults(given)), judge.faults(given)


def test_a_repeated_request_is_no_fault() -> None:
    first, second, third = TOLD.receipts
    assert judge.faults(told(first, first, second, first, replace(second, taken=False), third, third)) == []
