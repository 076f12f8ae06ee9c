"""Identity: who is one person depends on the records, the rules and what people decided, and on nothing else."""

from __future__ import annotations

import random
from typing import Any

import pytest
import sqlalchemy as sa

from hub import source_record_add
from hub.db import Database, Json
from hub.errors import Code
from hub.save import Policy, Result
from tests.shop import WRITER, all_rows

SECRET = "the secret of these tests"
HOME = {"street": "Lindenstrasse 12", "postal_code": "53111", "city": "Bonn", "country": "DE"}
ADA: Json = {
    "system": "shop",
    "external_id": "1",
    "given_name": "Adalwine",
    "family_name": "Wintersteiner",
    "birth_date": "1984-07-21",
    "email": "ada@example.org",
    "addresses": [HOME],
}
SAME: Json = {
    "system": "till",
    "external_id": "t-1",
    "given_name": "Adelwine",
    "family_name": "Wintersteiner",
    "birth_date": "1984-07-21",
    "phone": "+4930901820",
    "addresses": [HOME | {"street": "Lindenstraße 12"}],
}
TWIN = SAME | {"external_id": "t-2", "given_name": "Roswitha"}


def added(database: Database, *rows: Json, policy: Policy = Policy.REJECT_ALL) -> list[Result]:
    with database.write(WRITER) as tx:
        return source_record_add.add(tx, rows, secret=SECRET, policy=policy)


def groups(database: Database) -> set[frozenset[str]]:
    """Who is one person, by what their records are called."""
    found = all_rows(
        database,
        "SELECT array_agg(name) FROM identity_record JOIN customer ON id = customer_id GROUP BY coalesce(merged_into_id, id)",
    )
    return {frozenset(names) for (names,) in found}


def test_records_of_one_person_are_one_customer_who_has_all_of_it(database: Database) -> None:
    assert [each.outcome for each in added(database, ADA, SAME)] == ["created", "created"]
    assert groups(database) == {frozenset({"shop 1", "till t-1"})}
    shown = all_rows(database, "SELECT given_name, email, phone FROM customer WHERE merged_into_id IS NULL")
    assert shown == [("Adelwine", "ada@example.org", "+4930901820")]
    (reasons,) = all_rows(database, "SELECT reasons FROM identity_link")[0]
    assert [(each["comparison"], each["level"]) for each in reasons] == [
        ("given_name", "near"),
        ("family_name", "same"),
        ("birth_date", "same"),
        ("address", "same"),
    ]


def test_the_same_record_again_changes_nothing(database: Database) -> None:
    added(database, ADA, SAME)
    before = all_rows(database, "SELECT count(*) FROM pending")
    assert [each.outcome for each in added(database, ADA, SAME)] == ["unchanged", "unchanged"]
    assert all_rows(database, "SELECT count(*) FROM pending") == before
    assert all_rows(database, "SELECT count(*) FROM source_record") == [(2,)]


def test_twins_are_asked_about_and_not_merged(database: Database) -> None:
    added(database, ADA, TWIN)
    assert len(groups(database)) == 2
    assert all_rows(database, "SELECT verdict FROM identity_link") == [("candidate",)]


def test_a_new_version_is_kept_beside_the_old_one_and_moves_its_customer(database: Database) -> None:
    added(database, ADA, SAME)
    other = {"given_name": "Kunibert", "family_name": "Zorn", "birth_date": "1950-01-02", "addresses": None}
    added(database, SAME | other)
    assert groups(database) == {frozenset({"shop 1"}), frozenset({"till t-1"})}
    assert all_rows(database, "SELECT count(*) FROM source_record") == [(3,)]
    assert all_rows(database, "SELECT given_name, phone FROM customer ORDER BY id") == [
        ("Adalwine", None),
        ("Kunibert", "+4930901820"),
    ]


def test_no_statement_changes_a_record(database: Database) -> None:
    added(database, ADA)
    for statement in ("UPDATE source_record SET payload = '{}'", "DELETE FROM source_record"):
        with pytest.raises(sa.exc.DBAPIError, match="stays as it came"), database.write(WRITER) as tx:
            tx.execute(sa.text(statement))


@pytest.mark.parametrize(
    ("wrong", "code", "path"),
    [
        ({"email": "ada"}, Code.INVALID, ("email",)),
        ({"phone": "0228 123"}, Code.INVALID, ("phone",)),
        ({"birth_date": "2999-01-01"}, Code.INVALID, ("birth_date",)),
        ({"birth_date": "1984-02-30"}, Code.INVALID, ("birth_date",)),
        ({"external_id": None}, Code.REQUIRED, ("external_id",)),
        ({"identifiers": [{"type": "shoe", "value": "42"}]}, Code.NOT_FOUND, ("identifiers", 0, "type")),
        (
            {"identifiers": [{"type": "card", "value": str(each)} for each in range(1, 5)]},
            Code.LIMIT,
            ("identifiers",),
        ),
        ({"observed_at": "2999-01-01T00:00:00Z"}, Code.INVALID, ("observed_at",)),
        ({"payload": {"text": "x" * 70_000}}, Code.LIMIT, ("payload",)),
        ({"addresses": [{"country": "Germany"}]}, Code.INVALID, ("addresses", 0, "country")),
        ({"hat": 1}, Code.INVALID, ("hat",)),
    ],
)
def test_a_bad_record_is_refused_and_nothing_is_half_done(
    database: Database, wrong: Json, code: Code, path: tuple[Any, ...]
) -> None:
    results = added(database, SAME, ADA | wrong)
    assert [(error.code, error.path) for error in results[1].errors] == [(code, path)]
    assert all_rows(database, "SELECT count(*) FROM source_record") == [(0,)]
    assert all_rows(database, "SELECT count(*) FROM customer") == [(0,)]


def test_a_version_that_came_with_other_content_is_refused(database: Database) -> None:
    added(database, ADA | {"version": "7"})
    (result,) = added(database, ADA | {"version": "7", "given_name": "Ida"})
    assert [error.code for error in result.errors] == [Code.CONFLICT]


def crowd(seed: int) -> list[Json]:
    """Records of few people with much in common: links, chains, twins, shared and too many cards."""
    chance = random.Random(seed)
    rows = []
    for number in range(14):
        row: Json = {
            "system": chance.choice(("shop", "till")),
            "external_id": str(number),
            "observed_at": f"2026-01-{chance.randrange(1, 28):02}T00:00:00Z",
            "given_name": chance.choice(("Anna", "Anne", "Otto", None)),
            "family_name": chance.choice(("Winter", "Wintr")),
            "birth_date": chance.choice(("1984-07-21", "1984-07-12", None)),
            "addresses": [HOME] if chance.random() < 0.8 else [],
            "identifiers": [
                {"type": "card", "value": chance.choice("abcdef")} for _ in range(chance.randrange(3))
            ],
        }
        rows.append(row)
    return rows


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_arrival_gives_the_same_customers(database: Database, seed: int) -> None:
    rows = crowd(seed)
    chance = random.Random(seed)
    outcomes = []
    for _ in range(3):
        with database.write(WRITER) as tx:
            tx.execute(sa.text("SELECT set_config('hub.order_way', 'erasure', true)"))
            for table in ("identity_record", "source_record", "customer_value", "customer_belonging"):
                tx.execute(sa.text(f"DELETE FROM {table}"))
            tx.execute(sa.text("DELETE FROM customer"))
        chance.shuffle(rows)
        left = list(rows)
        while left:
            size = chance.randrange(1, 6)
            added(database, *left[:size])
            left = left[size:]
        shown = all_rows(
            database,
            "SELECT s.given_name, s.family_name, s.birth_date, array_agg(r.name ORDER BY r.name) FROM identity_record r"
            " JOIN customer c ON c.id = r.customer_id JOIN customer s ON s.id = coalesce(c.merged_into_id, c.id)"
            " GROUP BY s.id ORDER BY 4",
        )
        outcomes.append(shown)
        cards = all_rows(
            database,
            "SELECT count(DISTINCT i->>'value') FROM identity_record r JOIN customer c ON c.id = r.customer_id"
            " JOIN source_record s ON s.id = r.record_id, jsonb_array_elements(s.fields->'identifiers') i"
            " GROUP BY coalesce(c.merged_into_id, c.id)",
        )
        assert max((count for (count,) in cards), default=0) <= 3
    assert outcomes[0] == outcomes[1] == outcomes[2]
