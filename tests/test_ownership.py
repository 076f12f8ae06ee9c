"""Who owns which field: others are refused, or propose, or write; the owner writes as before, and nobody pays for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hub.db import Json, Writer
from hub.ids import encode
from hub.save import Mode, Policy, Result, save
from hub.token import Wish
from tests.running import Server
from tests.shop import all_rows, opened, shirt, written

PROPOSALS = """{ proposals(filter: {status: {eq: OPEN}}, sort: {field: PROPOSED_AT}) {
    nodes { id noun subject path value was owner source actor status } } }"""


@pytest.fixture(scope="module")
def house(module_server: Server) -> Server:
    opened(module_server.database)
    prices = [{"price_list": {"key": "retail"}, "amount": "10.00"}]
    row = shirt()
    row["variants"] = [{**each, "prices": prices} for each in row["variants"]]
    assert not said(module_server, "pim", "product", row)[0].errors
    assert not said(module_server, "erp", "location", {"code": "main"})[0].errors
    return module_server


@pytest.fixture
def shop(house: Server) -> Iterator[Server]:
    yield house
    with house.database.write(Writer("test", "hub")) as tx:
        tx.exec_driver_sql("DELETE FROM field_owner")
        tx.exec_driver_sql("DELETE FROM proposal")


def said(shop: Server, source: str, noun: str, *rows: Json, mode: Mode = Mode.UPSERT) -> list[Result]:
    """Save rows as a system."""
    with shop.database.write(Writer(f"test:{source}", source)) as tx:
        return save(tx, noun, list(rows), mode=mode, policy=Policy.REJECT_ALL)


def rule(shop: Server, noun: str, path: str, system: str, others: str = "REFUSE", **more: Any) -> None:
    given = {"code": f"{noun}.{path.replace('/', '.').replace('*', 'all')}", "noun": noun, "path": path}
    text = "mutation ($input: FieldOwnerInput!) { fieldOwnerCreate(input: $input) { userErrors { field code message } } }"
    answer = shop.data(text, {"input": given | {"system": system, "others": others} | more})
    assert answer["fieldOwnerCreate"]["userErrors"] == []


def proposals(shop: Server) -> list[Json]:
    return list(shop.data(PROPOSALS)["proposals"]["nodes"])


def product(shop: Server) -> Any:
    return all_rows(shop.database, "SELECT name->>'en', attributes FROM product WHERE slug = 'shirt-1'")[0]


def decide(shop: Server, verb: str, number: str, token: str | None = None) -> Any:
    text = "mutation ($id: ID!) { answer: proposal%s(id: $id) { outcome userErrors { field code message } } }"
    return shop.data(text % verb, {"id": number}, token=token)["answer"]


def test_what_another_system_owns_is_refused_with_its_place(shop: Server) -> None:
    rule(shop, "product", "variants/prices", "erp")
    variant = {"sku": "shirt-1-red", "prices": [{"price_list": {"key": "retail"}, "amount": "11.00"}]}
    (refused,) = said(shop, "shop", "product", {"slug": "shirt-1", "variants": [variant]})
    assert [(error.code.value, error.path) for error in refused.errors] == [
        ("FORBIDDEN", ("variants", 0, "prices", 0, "amount"))
    ]
    assert refused.errors[0].message == (
        '"amount" belongs to system "erp" (rule "product.variants.prices"), not to "shop": change it there.'
    )
    (done,) = said(shop, "erp", "product", {"slug": "shirt-1", "variants": [variant]})
    assert done.outcome == "updated"
    (same,) = said(shop, "shop", "product", {"slug": "shirt-1", "variants": [variant]})
    assert same.outcome == "unchanged", "to say what is there already is no write"
    new = {"sku": "shirt-1-red", "prices": [{"price_list": {"key": "club"}, "amount": "9.00"}]}
    assert (
        said(shop, "shop", "product", {"slug": "shirt-1", "variants": [new]})[0].errors[0].code == "FORBIDDEN"
    )


def test_the_longest_path_decides(shop: Server) -> None:
    rule(shop, "product", "*", "pim")
    rule(shop, "product", "attributes/rating", "shop")
    rule(shop, "product", "attributes", "lab")
    rating = {"slug": "shirt-1", "attributes": [{"code": "rating", "value": 5}]}
    organic = {"slug": "shirt-1", "attributes": [{"code": "organic", "value": True}]}
    assert said(shop, "shop", "product", rating)[0].outcome == "updated"
    assert said(shop, "pim", "product", organic)[0].errors[0].code == "FORBIDDEN"
    assert said(shop, "lab", "product", organic)[0].outcome == "updated"
    assert (
        said(shop, "lab", "product", {"slug": "new", "type": {"key": "shirt"}})[0].errors[0].code
        == "FORBIDDEN"
    )
    mine = {"slug": "shirt-1", "external_ids": [{"system": "lab", "id": "L1"}]}
    assert said(shop, "lab", "product", mine)[0].outcome == "updated", "its own name for it"


def test_a_value_is_proposed_the_rest_is_written_and_accepting_writes_it(shop: Server) -> None:
    rule(shop, "product", "name", "pim", "PROPOSE")
    before = product(shop)[0]
    row = {"slug": "shirt-1", "name": {"en": "Blouse"}, "attributes": [{"code": "rating", "value": 2}]}
    (result,) = said(shop, "shop", "product", row)
    assert (result.outcome, result.proposed, product(shop)[0]) == ("updated", 1, before)
    (open_,) = proposals(shop)
    assert (open_["path"], open_["value"], open_["was"]) == ("/name/en", "Blouse", before)
    assert (open_["owner"], open_["source"], open_["actor"]) == ("pim", "shop", "test:shop")
    said(shop, "shop", "product", {"slug": "shirt-1", "name": {"en": "Chemise"}})
    (open_,) = proposals(shop)
    assert open_["value"] == "Chemise", "the last word of a system stands"

    app = shop.new_token(Wish(kind="app", name="shop", scopes=["catalogue:read", "catalogue:write"]))
    assert decide(shop, "Accept", open_["id"], app)["userErrors"][0]["code"] == "FORBIDDEN"
    assert decide(shop, "Accept", open_["id"])["userErrors"] == []
    assert product(shop)[0] == "Chemise"
    marks = all_rows(shop.database, "SELECT provenance->'name/en'->>0 FROM product WHERE slug = 'shirt-1'")
    assert marks == [("pim",)], "it is the owner's value now"
    assert decide(shop, "Accept", open_["id"])["userErrors"][0]["code"] == "CONFLICT"


def test_new_rows_and_their_end_are_proposed(shop: Server) -> None:
    rule(shop, "product", "variants", "pim", "PROPOSE")
    kept = {"sku": "shirt-1-red"}
    rows = [
        kept,
        {"sku": "shirt-1-green", "axes": {"colour": "01"}, "attributes": [{"code": "rating", "value": 1}]},
    ]
    (result,) = said(shop, "shop", "product", {"slug": "shirt-1", "variants": rows})
    assert result.proposed == 1
    (new,) = proposals(shop)
    assert new["path"] == "/variants/new:shirt-1-green"
    assert decide(shop, "Accept", new["id"])["userErrors"] == []
    found = "SELECT axes->>'colour', attributes->'rating'->'*'->>'*' FROM variant WHERE sku = 'shirt-1-green'"
    assert all_rows(shop.database, found) == [("01", "1")]
    said(shop, "shop", "product", {"slug": "shirt-1", "variants": [{"sku": "shirt-1-green", "remove": True}]})
    (gone,) = proposals(shop)
    assert gone["value"] is None
    assert decide(shop, "Accept", gone["id"])["userErrors"] == []
    assert all_rows(shop.database, found) == []


def test_a_proposal_is_dismissed_and_told_of(shop: Server) -> None:
    rule(shop, "stock", "on_hand", "erp", "PROPOSE")
    level = {"variant": {"key": "shirt-1-red"}, "location": {"key": "main"}}
    said(shop, "erp", "stock", {**level, "on_hand": 7})
    document = {"system": "shop", "id": "count-1"}
    (result,) = said(shop, "shop", "stock", {**level, "on_hand": 3, "safety": 1, "document": document})
    assert (result.outcome, result.proposed) == ("updated", 1)
    assert all_rows(shop.database, "SELECT on_hand, safety FROM stock") == [(7, 1)]
    (open_,) = proposals(shop)
    assert decide(shop, "Dismiss", open_["id"])["outcome"] == "UPDATED"
    assert proposals(shop) == []
    told = "SELECT count(*) FROM (SELECT events FROM pending UNION ALL SELECT events FROM feed) e WHERE '%s' = ANY (events)"
    assert all_rows(shop.database, told % "proposal.opened")[0][0] > 0
    assert all_rows(shop.database, told % "proposal.dismissed") == [(1,)]
    move = """mutation { stockMove(rows: [{variant: {key: "shirt-1-red"}, location: {key: "main"}, kind: RECEIVED, quantity: 1}]) {
        userErrors { code } } }"""
    assert shop.data(move)["stockMove"]["userErrors"] == [{"code": "FORBIDDEN"}]


def test_an_orders_status_belongs_to_the_erp_once_it_is_confirmed(shop: Server) -> None:
    rule(shop, "order", "status", "erp", fromStatus="CONFIRMED")
    lines = [{"name": "Cup", "quantity": 1, "unit_price": "5.00"}]
    order = {"number": "O-1", "channel": {"key": "web"}, "lines": lines, "status": "placed"}
    assert said(shop, "shop", "order", order)[0].outcome == "created"
    assert said(shop, "shop", "order", {"number": "O-1", "status": "confirmed"})[0].outcome == "updated"
    refused = shop.data(
        'mutation { orderTransition(order: {key: "O-1"}, to: CANCELLED) { userErrors { field code } } }'
    )
    assert refused["orderTransition"]["userErrors"] == [{"field": ["status"], "code": "FORBIDDEN"}]
    assert said(shop, "erp", "order", {"number": "O-1", "status": "cancelled"})[0].outcome == "updated"


def test_a_rule_may_be_for_one_channel(shop: Server) -> None:
    written(
        shop.database, "channel", {"code": "b2b", "currency": "EUR", "locales": [{"locale": {"key": "de"}}]}
    )
    rule(shop, "product", "attributes/claim", "market", channel={"key": "web"})

    def claim(channel: str | None) -> Result:
        one = {"code": "claim", "value": f"new in {channel}"} | ({"channel": channel} if channel else {})
        return said(shop, "shop", "product", {"slug": "shirt-1", "attributes": [one]})[0]

    assert claim("web").errors[0].code == "FORBIDDEN"
    assert claim("b2b").outcome == claim(None).outcome == "updated"


def test_a_customers_address_belongs_to_the_shop(shop: Server) -> None:
    rule(shop, "customer", "addresses", "shop")
    home = {"code": "home", "city": "Wien", "country": "AT"}
    (made,) = said(shop, "shop", "customer", {"given_name": "Ann", "addresses": [home]})
    moved = {"id": made.id, "addresses": [{"code": "home", "city": "Linz"}]}
    assert said(shop, "erp", "customer", moved)[0].errors[0].code == "FORBIDDEN"
    gone: Json = {"id": made.id, "addresses": []}
    assert said(shop, "erp", "customer", gone)[0].errors[0].code == "FORBIDDEN"
    assert said(shop, "erp", "customer", {"id": made.id, "given_name": "Anna"})[0].outcome == "updated"


def test_proposals_go_with_their_object_and_with_the_person(shop: Server) -> None:
    rule(shop, "customer", "*", "shop", "PROPOSE")
    rule(shop, "product", "name", "pim", "PROPOSE")
    made = [said(shop, "shop", "customer", {"given_name": name})[0].id for name in ("Bo", "Cy", "Di")]
    for each in made:
        said(shop, "erp", "customer", {"id": each, "email": "someone@example.org", "given_name": "Eve"})
    said(shop, "pim", "product", {"slug": "gone", "type": {"key": "shirt"}, "name": {"en": "Gone"}})
    said(shop, "erp", "product", {"slug": "gone", "name": {"en": "Gown"}})
    assert len(proposals(shop)) == 7
    assert (
        shop.data('mutation { productDelete(key: "gone") { userErrors { code } } }')["productDelete"][
            "userErrors"
        ]
        == []
    )
    with shop.database.write(Writer("test", "shop")) as tx:
        tx.exec_driver_sql(f"DELETE FROM customer WHERE id = {made[0]}")
    assert len(proposals(shop)) == 4
    erase = 'mutation ($id: ID!) { customerErase(id: $id, reason: "asked for") { userErrors { message } } }'
    erased = shop.data(erase, {"id": encode("customer", made[1] or 0)})
    assert erased["customerErase"]["userErrors"] == []
    left = proposals(shop)
    assert {each["subject"] for each in left} == {encode("customer", made[2] or 0)}
    assert len(left) == 2
    (late,) = said(shop, "erp", "customer", {"id": made[1], "email": "again@example.org"})
    assert late.errors[0].code == "FORBIDDEN"
    assert len(proposals(shop)) == 2
    told = "SELECT count(*) FROM (SELECT changes FROM pending UNION ALL SELECT changes FROM feed) c WHERE changes::text ~ 'someone@'"
    assert all_rows(shop.database, told) == [(0,)], "no feed has what was only proposed"


def test_all_of_a_noun_may_belong_to_one(shop: Server) -> None:
    rule(shop, "location", "*", "erp")
    assert said(shop, "shop", "location", {"code": "new"})[0].errors[0].code == "FORBIDDEN"
    text = 'mutation { locationDelete(key: "main") { userErrors { code message } } }'
    (refused,) = shop.data(text)["locationDelete"]["userErrors"]
    assert refused == {
        "code": "FORBIDDEN",
        "message": 'Location "main" belongs to system "erp": delete it there.',
    }


def test_one_row_of_a_batch_is_refused_alone(shop: Server) -> None:
    rule(shop, "category", "parent", "pim")
    rows = [
        {"code": f"c{place}", **({"parent": {"key": "tops"}} if place == 3 else {})} for place in range(6)
    ]
    with shop.database.write(Writer("test", "shop")) as tx:
        results = save(tx, "category", rows, policy=Policy.SKIP_INVALID)
    assert [bool(each.errors) for each in results] == [False, False, False, True, False, False]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"noun": "brand"}, 'The hub has no noun "brand"'),
        ({"noun": "product", "path": "variants/weight"}, '"variants/weight" leads to no field of variant'),
        ({"noun": "product", "path": "slug/de"}, 'Nothing lies below "slug" of product'),
        ({"noun": "product", "fromStatus": "PLACED"}, "Only orders have statuses"),
        ({"noun": "order", "others": "PROPOSE"}, "The fields of an order add up"),
    ],
)
def test_rules_that_nobody_can_hold_to_are_refused(shop: Server, given: Json, message: str) -> None:
    text = (
        "mutation ($input: FieldOwnerInput!) { fieldOwnerCreate(input: $input) { userErrors { message } } }"
    )
    answer = shop.data(text, {"input": {"code": "bad", "system": "erp", **given}})
    assert answer["fieldOwnerCreate"]["userErrors"][0]["message"].startswith(message)


def test_every_value_shows_its_owner_and_its_writer(shop: Server) -> None:
    rule(shop, "product", "variants/prices", "erp")
    rule(shop, "product", "name/en", "pim", "ALLOW")
    said(shop, "shop", "product", {"slug": "shirt-1", "name": {"en": "Top"}})
    text = """{ product(slug: "shirt-1") {
        ownership { path owner rule source actor }
        variants(first: 1) { nodes { ownership { path owner } prices { ownership { path owner } } } } } }"""
    found = shop.data(text)["product"]
    values = {each["path"]: each for each in found["ownership"]}
    assert values["/name/en"] == {
        "path": "/name/en", "owner": "pim", "rule": "product.name.en", "source": "shop", "actor": "test:shop"
    }  # fmt: skip
    assert (values["/slug"]["owner"], values["/slug"]["source"]) == (None, "pim")
    variant = found["variants"]["nodes"][0]
    prices = variant["prices"][0]["ownership"]
    assert {each["owner"] for each in prices} == {"erp"}
    assert {each["owner"] for each in variant["ownership"]} == {None}


def test_without_rules_a_write_asks_nothing_more(shop: Server) -> None:
    def statements() -> int:
        before = shop.database.statements
        said(shop, "erp", "category", *({"code": f"n{place}", "position": place} for place in range(50)))
        return shop.database.statements - before

    said(shop, "erp", "category", {"code": "n0"})
    first = statements()
    rule(shop, "category", "name", "pim", "PROPOSE")
    with_rules = statements()
    assert with_rules <= first + 3, "two questions for a whole batch"
