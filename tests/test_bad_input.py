"""What is refused: each time with a code, a path, and a sentence naming thing, value and remedy. Nothing partial stays."""

from __future__ import annotations

from typing import Any

import pytest

from hub.db import Json
from tests.running import Server
from tests.shop import all_rows, opened, written

CREATE = """mutation($input: ProductInput!) {
    answer: productCreate(input: $input) { product { id } userErrors { field code message } } }"""


@pytest.fixture(scope="module")
def shop(module_server: Server) -> Server:
    opened(module_server.database)
    results = written(
        module_server.database,
        "attribute",
        {"code": "deposit", "type": "money"},
        {"code": "born", "type": "date"},
        {"code": "twin", "type": "reference", "rules": {"to": "product"}},
    )
    assert not any(result.errors for result in results)
    taken = {"slug": "taken", "type": {"key": "shirt"}, "variants": [{"sku": "TAKEN"}]}
    taken["variants"][0]["identifiers"] = [{"type": "gtin", "value": "4006381333931"}]  # type: ignore[index]
    assert not written(module_server.database, "product", taken)[0].errors
    return module_server


def state(shop: Server) -> list[tuple[Any, ...]]:
    """What would differ if anything stayed behind."""
    tables = ("product", "variant", "identifier", "price", "listing", "category", "external_id", "aggregate")
    return [all_rows(shop.database, f'SELECT count(*) FROM "{table}"')[0] for table in tables] + all_rows(
        shop.database, "SELECT sum(version) FROM aggregate"
    )


def refused(shop: Server, given: Json) -> list[Json]:
    """Why a new product is refused; it must leave nothing behind."""
    before = state(shop)
    answer = shop.data(CREATE, {"input": {"type": {"key": "shirt"}, "slug": "new", **given}})["answer"]
    assert answer["product"] is None
    assert state(shop) == before
    errors: list[Json] = answer["userErrors"]
    assert errors
    return errors


def variant(**more: Any) -> Json:
    return {"variants": [{"sku": "new-1", **more}]}


def price(**more: Any) -> Json:
    return variant(prices=[{"priceList": {"key": "retail"}, "amount": "10.00", **more}])


def attribute(code: str, value: Json, **more: Any) -> Json:
    return {"attributes": [{"code": code, "value": value, **more}]}


CASES: dict[str, tuple[Json, str, list[str], tuple[str, ...]]] = {
    "SKU twice in the input": (
        {"variants": [{"sku": "twice"}, {"sku": "twice"}]},
        "DUPLICATE",
        ["input", "variants"],
        ('"twice"', "leave one out"),
    ),
    "SKU of another product": (
        {"variants": [{"sku": "TAKEN"}]},
        "DUPLICATE",
        ["input", "variants", "0", "sku"],
        ('"TAKEN"', "exists already", "choose another"),
    ),
    "GTIN of another variant": (
        variant(identifiers=[{"type": "GTIN", "value": "4006381333931"}]),
        "DUPLICATE",
        ["input", "variants", "0", "identifiers", "0", "value"],
        ("04006381333931", "belongs to another variant", "remove it there"),
    ),
    "GTIN of 11 digits": (
        variant(identifiers=[{"type": "GTIN", "value": "40063813339"}]),
        "INVALID",
        ["input", "variants", "0", "identifiers", "0", "value"],
        ('"40063813339"', "11 digits", "give 8, 12, 13 or 14"),
    ),
    "GTIN with a wrong check digit": (
        variant(identifiers=[{"type": "GTIN", "value": "4006381333932"}]),
        "INVALID",
        ["input", "variants", "0", "identifiers", "0", "value"],
        ('"4006381333932"', "check digit is 1"),
    ),
    "unknown attribute": (
        attribute("sheen", {"text": "dull"}),
        "NOT_FOUND",
        ["input", "attributes", "0"],
        ('"sheen"', "create it first"),
    ),
    "text for an integer": (
        attribute("rating", {"text": "good"}),
        "INVALID",
        ["input", "attributes", "0"],
        ('"rating" (integer)', '"good"', "whole number"),
    ),
    "integer for a text": (
        attribute("care", {"integer": 30}, locale="en"),
        "INVALID",
        ["input", "attributes", "0"],
        ('"care" (text)', '"30"', "not a text"),
    ),
    "integer beyond its rule": (
        attribute("rating", {"integer": 6}),
        "INVALID",
        ["input", "attributes", "0"],
        ("6 is more than 5",),
    ),
    "no such option": (
        attribute("colour", {"choice": "mauve"}),
        "INVALID",
        ["input", "attributes", "0"],
        ('"mauve"', "add the option first"),
    ),
    "unknown unit": (
        attribute("weight", {"measurement": {"amount": "3", "unit": "stone"}}),
        "INVALID",
        ["input", "attributes", "0"],
        ('"stone"', "the hub has m, "),
    ),
    "unit of another family": (
        attribute("weight", {"measurement": {"amount": "3", "unit": "cm"}}),
        "INVALID",
        ["input", "attributes", "0"],
        ('"cm"', "measures length, not mass"),
    ),
    "reference to another noun": (
        attribute("twin", {"reference": {"id": "YXNzZXQ6MQ"}}),
        "INVALID",
        ["input", "attributes", "0"],
        ("refers to a product", "asset"),
    ),
    "unknown locale of a text": (
        {"name": [{"locale": "fr", "text": "Chemise"}]},
        "NOT_FOUND",
        ["input", "name"],
        ('"fr"', "create it first"),
    ),
    "no locale at all": (
        {"name": [{"locale": "klingon", "text": "x"}]},
        "INVALID",
        ["input", "name"],
        ('"klingon"', 'write it like "de"'),
    ),
    "a locale twice": (
        {"name": [{"locale": "de", "text": "Hemd"}, {"locale": "de", "text": "Bluse"}]},
        "INVALID",
        ["input", "name", "1", "locale"],
        ('"de"', "twice"),
    ),
    "unknown locale of an attribute": (
        attribute("care", {"text": "à la main"}, locale="fr"),
        "NOT_FOUND",
        ["input", "attributes", "0"],
        ('"fr"', "create it first"),
    ),
    "no locale for a localizable attribute": (
        attribute("care", {"text": "by hand"}),
        "INVALID",
        ["input", "attributes", "0"],
        ('"care"', "per locale", "name the locale"),
    ),
    "unknown channel of an attribute": (
        attribute("claim", {"text": "new!"}, channel="moon"),
        "NOT_FOUND",
        ["input", "attributes", "0"],
        ('"moon"', "create it first"),
    ),
    "money with a third decimal": (
        attribute("deposit", {"money": {"amount": "1.005", "currency": "EUR"}}),
        "INVALID",
        ["input", "attributes", "0"],
        ("1.005 EUR", "more than 2 decimals"),
    ),
    "yen with decimals": (
        attribute("deposit", {"money": {"amount": "1.5", "currency": "JPY"}}),
        "INVALID",
        ["input", "attributes", "0"],
        ("1.5 JPY", "more than 0 decimals"),
    ),
    "unknown currency": (
        attribute("deposit", {"money": {"amount": "1", "currency": "XXQ"}}),
        "INVALID",
        ["input", "attributes", "0"],
        ('"XXQ"', "ISO 4217"),
    ),
    "price with a third decimal": (
        price(amount="10.001"),
        "INVALID",
        ["input"],
        ("10.001 EUR", "more than 2 decimals", "round it"),
    ),
    "price in another currency": (price(currency="USD"), "INVALID", ["input"], ("currency",)),
    "negative price": (
        price(amount="-1"),
        "INVALID",
        ["input", "variants", "0", "prices", "0"],
        ("negative", "give 0 or more"),
    ),
    "price that ends before it starts": (
        price(startsAt="2026-02-01T00:00:00Z", endsAt="2026-01-01T00:00:00Z"),
        "INVALID",
        ["input"],
        ("ends at 2026-01-01", "start at 2026-02-01", "give a later end"),
    ),
    "listing that ends before it starts": (
        {
            "listings": [
                {
                    "channel": {"key": "web"},
                    "startsAt": "2026-02-01T00:00:00Z",
                    "endsAt": "2026-01-01T00:00:00Z",
                }
            ]
        },
        "INVALID",
        ["input"],
        ("ends at 2026-01-01", "start at 2026-02-01", "give a later end"),
    ),
    "listings that overlap": (
        {
            "listings": [
                {"channel": {"key": "web"}},
                {"channel": {"key": "web"}, "startsAt": "2026-01-01T00:00:00Z"},
            ]
        },
        "INVALID",
        ["input"],
        ("overlap", "end one"),
    ),
    "unknown category": (
        {"categories": [{"category": {"key": "hats"}}]},
        "NOT_FOUND",
        ["input", "categories", "0", "category"],
        ('"hats"', "create it first"),
    ),
    "unknown type": (
        {"type": {"key": "hat"}},
        "NOT_FOUND",
        ["input", "type"],
        ('"hat"', "create it first"),
    ),
    "no type": ({"type": None}, "INVALID", ["input", "type"], ("cannot be empty",)),
    "an id that no hub gave": (
        {"type": {"id": "nonsense"}},
        "INVALID",
        ["input", "type", "id"],
        ('"nonsense"',),
    ),
    "a cell of 10 MB": (
        {"description": [{"locale": "en", "text": "x" * 10_000_000}]},
        "LIMIT",
        ["input", "description"],
        ("10000000 characters", "at most 200000"),
    ),
    "an attribute of 10 MB": (
        attribute("care", {"text": "x" * 10_000_000}, locale="en"),
        "LIMIT",
        ["input", "attributes", "0"],
        ('"care"', "10000000 characters"),
    ),
    "a key of 10 MB": (
        {"variants": [{"sku": "x" * 10_000_000}]},
        "LIMIT",
        ["input", "variants", "0", "sku"],
        ("10000000 characters",),
    ),
    "a NUL character": (
        {"name": [{"locale": "en", "text": "a\0b"}]},
        "INVALID",
        ["input", "name"],
        ("NUL",),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused(shop: Server, case: str) -> None:
    given, code, path, said = CASES[case]
    error = refused(shop, given)[0]
    assert (error["code"], error["field"][: len(path)]) == (code, path), error
    for words in said:
        assert words in error["message"], error["message"]
    assert len(error["message"]) < 1_000


def test_everything_that_is_wrong_is_told_at_once(shop: Server) -> None:
    errors = refused(
        shop,
        {"slug": "Not a slug", **variant(identifiers=[{"type": "GTIN", "value": "1"}])},
    )
    assert {tuple(error["field"][:2]) for error in errors} == {("input", "slug"), ("input", "variants")}


def test_a_category_cannot_stand_below_itself(shop: Server) -> None:
    text = """mutation($parent: Reference) {
        answer: categoryUpdate(input: {code: "tops", parent: $parent}) { userErrors { field code message } } }"""
    for key in ("shirts", "tops"):
        error = shop.data(text, {"parent": {"key": key}})["answer"]["userErrors"][0]
        assert error["code"] == "INVALID"
        assert "itself" in error["message"] or "own parent" in error["message"]
    assert all_rows(shop.database, "SELECT parent_id FROM category WHERE code = 'tops'") == [(None,)]


def test_two_moves_cannot_close_a_circle_in_one_batch(shop: Server) -> None:
    text = """mutation($rows: [CategoryInput!]!) { answer: categoryBulkUpsert(rows: $rows) {
        results { outcome } userErrors { code } } }"""
    rows = [{"code": "a", "parent": {"key": "b"}}, {"code": "b", "parent": {"key": "a"}}]
    answer = shop.data(text, {"rows": rows})["answer"]
    assert {each["outcome"] for each in answer["results"]} == {"REFUSED"}
    assert all_rows(shop.database, "SELECT code FROM category WHERE code IN ('a', 'b')") == []


@pytest.mark.parametrize(
    ("noun", "key", "by"),
    [
        ("productType", "shirt", "product"),
        ("category", "tops", "category"),
        ("attribute", "colour", "product type attribute"),
        ("priceList", "retail", "channel price list"),
        ("locale", "de", "channel locale"),
    ],
)
def test_what_is_used_cannot_be_deleted(shop: Server, noun: str, key: str, by: str) -> None:
    before = state(shop)
    text = f'mutation {{ answer: {noun}Delete(key: "{key}") {{ deletedId userErrors {{ code message }} }} }}'
    answer = shop.data(text)["answer"]
    assert answer["deletedId"] is None
    assert [error["code"] for error in answer["userErrors"]] == ["IN_USE"]
    assert f"at least one {by}" in answer["userErrors"][0]["message"]
    assert state(shop) == before


def test_what_has_no_key_is_named_by_the_id_that_the_api_shows(shop: Server) -> None:
    text = 'mutation { answer: customerCreate(input: {email: "used@example.com"}) { customer { id } } }'
    customer = shop.data(text)["answer"]["customer"]["id"]
    text = (
        'mutation { answer: orderCreate(input: {number: "USED-1", channel: {key: "web"},'
        f' customer: {{id: "{customer}"}}, lines: [{{name: "Gift", quantity: 1, unitPrice: "5.00"}}]'
        " }) { userErrors { message } } }"
    )
    assert shop.data(text)["answer"] == {"userErrors": []}
    text = f'mutation {{ answer: customerDelete(id: "{customer}") {{ userErrors {{ message }} }} }}'
    message = shop.data(text)["answer"]["userErrors"][0]["message"]
    assert message.startswith(f'Customer "{customer}" is still used by at least one order:')


@pytest.mark.parametrize(
    ("arguments", "code"),
    [("", "INVALID"), ('key: "taken", id: "cHJvZHVjdDox"', "INVALID"), ('key: "nothing"', "NOT_FOUND")],
)
def test_what_is_to_be_deleted_is_named_in_one_way(shop: Server, arguments: str, code: str) -> None:
    arguments = f"({arguments})" if arguments else ""
    answer = shop.data(
        f"mutation {{ answer: productDelete{arguments} {{ deletedId userErrors {{ code }} }} }}"
    )["answer"]
    assert answer == {"deletedId": None, "userErrors": [{"code": code}]}


def test_a_batch_has_a_largest_size(shop: Server) -> None:
    before = state(shop)
    text = """mutation($rows: [ProductInput!]!) { answer: productBulkUpsert(rows: $rows) {
        results { index } userErrors { field code message } } }"""
    rows = [{"slug": f"many-{number}", "type": {"key": "shirt"}} for number in range(1_001)]
    answer = shop.data(text, {"rows": rows})["answer"]
    assert answer["results"] == []
    assert [(each["field"], each["code"]) for each in answer["userErrors"]] == [(["rows"], "LIMIT")]
    assert "1001" in answer["userErrors"][0]["message"]
    assert "1000" in answer["userErrors"][0]["message"]
    assert state(shop) == before


def test_a_batch_skips_what_is_wrong_and_says_which(shop: Server) -> None:
    text = """mutation($rows: [ProductInput!]!) { answer: productBulkUpsert(rows: $rows, policy: SKIP_INVALID) {
        results { index outcome product { slug } userErrors { field code } } } }"""
    good = {"type": {"key": "shirt"}}
    rows = [
        {**good, "slug": "skip-0"},
        {**good, "slug": "skip-1", "variants": [{"sku": "TAKEN"}]},
        {**good, "slug": "skip-2", "type": {"id": "nonsense"}},
        {**good, "slug": "skip-3"},
    ]
    results = shop.data(text, {"rows": rows})["answer"]["results"]
    assert [each["outcome"] for each in results] == ["CREATED", "REFUSED", "REFUSED", "CREATED"]
    assert [each["product"] for each in results] == [{"slug": "skip-0"}, None, None, {"slug": "skip-3"}]
    assert results[1]["userErrors"][0]["code"] == "DUPLICATE"
    assert results[2]["userErrors"][0]["field"] == ["rows", "2", "type", "id"]


def test_two_rows_of_a_batch_cannot_have_the_same_sku(shop: Server) -> None:
    text = """mutation($rows: [ProductInput!]!) { answer: productBulkUpsert(rows: $rows, policy: SKIP_INVALID) {
        results { outcome userErrors { field code } } } }"""
    rows = [{"slug": f"pair-{n}", "type": {"key": "shirt"}, "variants": [{"sku": "pair"}]} for n in range(2)]
    results = shop.data(text, {"rows": rows})["answer"]["results"]
    assert [each["outcome"] for each in results] == ["CREATED", "REFUSED"]
    assert results[1]["userErrors"] == [{"field": ["rows", "1", "variants", "0", "sku"], "code": "DUPLICATE"}]
