"""Merging customers and parting them again: nothing is lost, and everyone has back what is theirs."""

from __future__ import annotations

from typing import Any

import pytest

from hub import customer_merge, ids
from hub.db import Database, Json
from hub.errors import Conflict, HubError, Invalid, Limit, NotFound
from tests.running import Server
from tests.shop import WRITER, all_rows, opened, written
from tests.test_identity import ADA, SAME, added, groups

TABLES = (
    "customer",
    "customer_identifier",
    "customer_address",
    "order",
    "cart",
    "external_id",
    "customer_belonging",
)


@pytest.fixture
def shop(database: Database) -> Database:
    opened(database)
    return database


def state(database: Database) -> dict[str, list[Any]]:
    """Every row of what belongs to customers, as it is, but for who wrote it."""
    return {
        table: all_rows(database, f"SELECT to_jsonb(t) - 'provenance' FROM \"{table}\" t ORDER BY 1")
        for table in TABLES
    }


def customer(database: Database, name: str, **more: Any) -> int:
    row: Json = {
        "given_name": name,
        "identifiers": [
            {"type": "email", "value": f"{name}@example.org", "verified": True},
            {"type": "phone", "value": "+4930901820"},
        ],
        "addresses": [
            {"code": "home", "street": f"{name}strasse 1", "country": "DE"},
            {"code": "office", "street": "Markt 1", "country": "DE"},
        ],
        "external_ids": [{"system": "crm", "id": name}],
    }
    (made,) = written(database, "customer", row | more)
    assert made.id is not None, made
    ordered(database, f"{name}-1", {"id": made.id})
    return made.id


def ordered(database: Database, number: str, who: Json) -> None:
    row = {
        "number": number,
        "status": "placed",
        "channel": {"key": "web"},
        "customer": who,
        "lines": [{"name": "Shirt", "quantity": 1, "unit_price": "5"}],
    }
    (made,) = written(database, "order", row)
    assert made.outcome == "created", made


def merged(database: Database, survivor: int, *others: int) -> int:
    with database.write(WRITER) as tx:
        return customer_merge.merge(tx, survivor, others, "one person")


def parted(database: Database, number: int) -> int:
    with database.write(WRITER) as tx:
        return customer_merge.unmerge(tx, number, "two people")


def owners(database: Database) -> dict[str, int]:
    return dict(all_rows(database, 'SELECT number, customer_id FROM "order" ORDER BY 1'))


def test_merging_and_parting_again_is_nothing(shop: Database) -> None:
    ada, ida = customer(shop, "ada"), customer(shop, "ida", family_name="Winter")
    before = state(shop)
    assert merged(shop, ada, ida) == ada
    assert owners(shop) == {"ada-1": ada, "ida-1": ada}
    assert all_rows(shop, "SELECT family_name FROM customer WHERE merged_into_id IS NULL") == [("Winter",)]
    streets = all_rows(shop, f"SELECT street FROM customer_address WHERE customer_id = {ada} ORDER BY 1")
    assert streets == [("Markt 1",), ("adastrasse 1",), ("idastrasse 1",)]
    assert parted(shop, ida) == ada
    assert state(shop) == before


def test_a_chain_gives_each_back_what_came_by_them_also_later(shop: Database) -> None:
    a, b, c = (customer(shop, name) for name in "abc")
    merged(shop, b, a)
    merged(shop, c, b)
    ordered(shop, "a-2", {"external_id": {"system": "crm", "id": "a"}})
    ordered(shop, "b-2", {"id": b})
    ordered(shop, "c-2", {"id": c})
    assert set(owners(shop).values()) == {c}
    assert parted(shop, a) == c
    assert owners(shop) == {"a-1": a, "a-2": a, "b-1": c, "b-2": c, "c-1": c, "c-2": c}
    parted(shop, b)
    assert owners(shop) == {"a-1": a, "a-2": a, "b-1": b, "b-2": b, "c-1": c, "c-2": c}


def test_parting_the_middle_of_a_chain_takes_along_who_was_merged_into_it(shop: Database) -> None:
    a, b, c = (customer(shop, name) for name in "abc")
    merged(shop, b, a)
    before = state(shop)
    merged(shop, c, b)
    parted(shop, b)
    assert state(shop) == before


def test_what_somebody_wrote_since_stays(shop: Database) -> None:
    ada, ida = customer(shop, "ada"), customer(shop, "ida", family_name="Winter")
    merged(shop, ada, ida)
    written(shop, "customer", {"id": ada, "family_name": "Sommer", "given_name": "Ada"})
    parted(shop, ida)
    rows = all_rows(shop, "SELECT given_name, family_name FROM customer ORDER BY id")
    assert rows == [("Ada", "Sommer"), ("ida", "Winter")]


def test_people_decide_against_every_rule(shop: Database) -> None:
    added(shop, ADA, SAME)
    (first, second) = [
        number for (number,) in all_rows(shop, "SELECT customer_id FROM identity_record ORDER BY 1")
    ]
    parted(shop, second)
    assert len(groups(shop)) == 2
    added(shop, SAME | {"phone": "+4930901821"})
    assert len(groups(shop)) == 2
    merged(shop, first, second)
    assert len(groups(shop)) == 1


@pytest.mark.parametrize(
    ("others", "error"),
    [
        (lambda me, _: [me], Invalid),
        (lambda *_: [], Invalid),
        (lambda *_: [999_999], NotFound),
        (lambda *_: list(range(5_000)), Limit),
    ],
)
def test_a_merge_that_cannot_be_changes_nothing(shop: Database, others: Any, error: type[HubError]) -> None:
    me = customer(shop, "ada")
    before = state(shop)
    with pytest.raises(error):
        merged(shop, me, *others(me, None))
    with pytest.raises(Conflict):
        parted(shop, me)
    assert state(shop) == before


def test_a_preview_says_what_a_merge_makes_and_makes_nothing(shop: Database) -> None:
    ada, ida = customer(shop, "ada"), customer(shop, "ida", family_name="Winter")
    before = state(shop)
    with shop.write(WRITER) as tx:
        told = customer_merge.preview(tx, ada, [ida])
    assert told["moved"] == {"customer_address": 1, "customer_identifier": 1, "order": 1}
    assert told["row"]["family_name"] == "Winter"
    assert state(shop) == before


def test_an_old_id_finds_whom_they_were_merged_into(server: Server) -> None:
    opened(server.database)
    ada, ida = customer(server.database, "ada"), customer(server.database, "ida")
    merged(server.database, ada, ida)
    asked = """query ($id: ID!) {
        customer(id: $id) { id givenName orders { nodes { number } } }
        node(id: $id) { id }
        byExternal: customer(externalId: {system: "crm", id: "ida"}) { id }
        byEmail: customer(email: "ida@example.org") { id }
        customers { nodes { id } }
    }"""
    data = server.data(asked, {"id": ids.encode("customer", ida)})
    shown = {"id": ids.encode("customer", ada)}
    assert data["customer"] == shown | {
        "givenName": "ada",
        "orders": {"nodes": [{"number": "ada-1"}, {"number": "ida-1"}]},
    }
    assert data["node"] == data["byExternal"] == data["byEmail"] == shown
    assert data["customers"]["nodes"] == [shown]
