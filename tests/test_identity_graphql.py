"""Who is who, over GraphQL: records come in, people are asked and decide, customers are merged and parted, or it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from hub import ids
from hub.token import Wish
from tests.running import Server
from tests.shop import all_rows, opened, written
from tests.test_customer_merge import customer
from tests.test_erasure import ERASE, RECORD_ADD

MERGE = """mutation ($id: ID!, $others: [ID!]!, $preview: Boolean! = false, $key: String) {
    customerMerge(id: $id, mergeIds: $others, preview: $preview, reason: "seen both", idempotencyKey: $key) {
        customerId values { field value rule fromId } moved { what count } userErrors { field code message } } }"""
UNMERGE = """mutation ($id: ID!) { customerUnmerge(id: $id, reason: "two people") {
    customerIds userErrors { field code message } } }"""
DECIDE = """mutation ($one: ID!, $other: ID!, $decision: IdentityDecisionKind!) {
    identityDecide(oneId: $one, otherId: $other, decision: $decision) { customerIds userErrors { field code message } } }"""
CANDIDATES = (
    "{ identityCandidates(first: 5) { oneId otherId score dropped reasons { comparison level weight } } }"
)
ORDERS = "query ($id: ID!) { customer(id: $id) { id orders { nodes { number } } } }"
TWINS = [
    {
        "system": "till",
        "externalId": name,
        "givenName": name,
        "familyName": "Wintersteiner",
        "birthDate": "1984-07-21",
        "addresses": [{"street": "Lindenstrasse 12", "postalCode": "53111", "city": "Bonn", "country": "DE"}],
    }
    for name in ("Adalwine", "Roswitha")
]


@pytest.fixture
def hub(server: Server) -> Server:
    opened(server.database)
    return server


def someone(hub: Server, name: str) -> str:
    return ids.encode("customer", customer(hub.database, name))


def codes(payload: Any) -> list[str]:
    return [each["code"] for each in payload["userErrors"]]


def merge(hub: Server, one: str, *others: str, **more: Any) -> Any:
    return hub.data(MERGE, {"id": one, "others": list(others), **more})["customerMerge"]


def numbers(hub: Server, who: str) -> list[str]:
    return [each["number"] for each in hub.data(ORDERS, {"id": who})["customer"]["orders"]["nodes"]]


def test_merge_and_unmerge_give_each_back_what_is_theirs(hub: Server) -> None:
    ada, ida = someone(hub, "ada"), someone(hub, "ida")
    foreseen = merge(hub, ada, ida, preview=True)
    assert foreseen["customerId"] == ada
    assert {"field": "given_name", "value": "ada", "rule": "written", "fromId": ada} in foreseen["values"]
    assert {"what": "order", "count": 1} in foreseen["moved"]
    assert numbers(hub, ada) == ["ada-1"]
    done = merge(hub, ada, ida, key="k")
    assert (done["customerId"], done["userErrors"]) == (ada, [])
    assert merge(hub, ada, ida, key="k") == done
    assert numbers(hub, ida) == ["ada-1", "ida-1"]
    parted = hub.data(UNMERGE, {"id": ida})["customerUnmerge"]
    assert (parted["customerIds"], parted["userErrors"]) == ([ada, ida], [])
    assert (numbers(hub, ada), numbers(hub, ida)) == (["ada-1"], ["ida-1"])


def test_merges_that_cannot_be_are_refused_with_a_code_and_change_nothing(hub: Server) -> None:
    ada, ida, gone = (someone(hub, name) for name in ("ada", "ida", "gone"))
    assert hub.data(ERASE, {"id": gone, "reason": "asked for"})["customerErase"]["userErrors"] == []
    many = [ids.encode("customer", 10_000 + each) for each in range(5_000)]
    nobody = ids.encode("customer", 999_999)
    for others, code, says in (
        ([ada], "INVALID", "cannot be merged with itself"),
        ([], "INVALID", "Nobody is named"),
        ([gone], "CONFLICT", "was erased"),
        ([nobody], "NOT_FOUND", "does not exist"),
        (many[:101], "LIMIT", "name at most 100"),
        ([ids.encode("order", 1)], "INVALID", "order"),
    ):
        refused = merge(hub, ada, *others)
        assert (codes(refused), refused["customerId"]) == ([code], None), refused
        assert says in refused["userErrors"][0]["message"]
    answer = hub.graphql(MERGE, {"id": ada, "others": many})
    assert answer.get("errors") or codes(answer["data"]["customerMerge"]) == ["LIMIT"]
    assert codes(hub.data(UNMERGE, {"id": ada})["customerUnmerge"]) == ["CONFLICT"]
    assert codes(hub.data(UNMERGE, {"id": gone})["customerUnmerge"]) == ["CONFLICT"]
    for other, code in ((ada, "INVALID"), (gone, "CONFLICT"), (nobody, "NOT_FOUND")):
        told = hub.data(DECIDE, {"one": ada, "other": other, "decision": "EXCLUDE"})["identityDecide"]
        assert codes(told) == [code]
    assert all_rows(hub.database, "SELECT count(*) FROM customer WHERE merged_into_id IS NOT NULL") == [(0,)]
    assert all_rows(hub.database, "SELECT count(*) FROM identity_decision") == [(0,)]
    assert numbers(hub, ida) == ["ida-1"]


def test_what_the_hub_asks_is_decided_and_not_asked_again(hub: Server) -> None:
    one, other = (
        each["customerId"] for each in hub.data(RECORD_ADD, {"rows": TWINS})["sourceRecordAdd"]["results"]
    )
    (asked,) = hub.data(CANDIDATES)["identityCandidates"]
    assert {asked["oneId"], asked["otherId"]} == {one, other}
    assert {each["comparison"]: each["level"] for each in asked["reasons"]}["birth_date"] == "same"
    assert asked["score"] == pytest.approx(sum(each["weight"] for each in asked["reasons"]), abs=0.1)
    for decision, shown, left in (
        ("EXCLUDE", [one, other], 0),
        ("WITHDRAW", [one, other], 1),
        ("INCLUDE", [one], 0),
    ):
        told = hub.data(DECIDE, {"one": one, "other": other, "decision": decision})["identityDecide"]
        assert (told["customerIds"], told["userErrors"]) == (shown, [])
        assert len(hub.data(CANDIDATES)["identityCandidates"]) == left
    assert hub.graphql(CANDIDATES.replace("5", "500"))["errors"][0]["extensions"]["code"] == "LIMIT"


def test_bad_records_are_told_by_their_place_and_none_is_half_added(hub: Server) -> None:
    wrong = TWINS[1] | {"email": "nobody"}
    answer = hub.data(RECORD_ADD, {"rows": [TWINS[0], wrong]})["sourceRecordAdd"]
    assert [each["outcome"] for each in answer["results"]] == ["refused", "refused"]
    (error,) = answer["results"][1]["userErrors"]
    assert (error["field"], error["code"]) == (["rows", "1", "email"], "INVALID")
    assert all_rows(hub.database, "SELECT count(*) FROM source_record") == [(0,)]


def test_who_is_who_is_for_staff_and_apps_with_the_scope(hub: Server) -> None:
    ada, ida = someone(hub, "ada"), someone(hub, "ida")
    shop = hub.new_token(Wish(kind="storefront", name="shop"))
    reader = hub.new_token(Wish(kind="app", name="reader", scopes=("customers:read",)))
    for token in (shop, reader):
        for document, given in (
            (MERGE, {"id": ada, "others": [ida]}),
            (UNMERGE, {"id": ada}),
            (DECIDE, {"one": ada, "other": ida, "decision": "INCLUDE"}),
            (RECORD_ADD, {"rows": TWINS}),
        ):
            (error,) = hub.graphql(document, given, token=token)["errors"]
            assert error["extensions"]["code"] == "FORBIDDEN"
    assert hub.graphql(CANDIDATES, token=shop)["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert hub.graphql(CANDIDATES, token=reader)["data"] == {"identityCandidates": []}
    written(hub.database, "customer", {"id": ids.decode(ada)[1], "family_name": "Still"})
