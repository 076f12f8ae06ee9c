"""Commands through GraphQL: what they write, what they answer, and how far a token reaches."""

from __future__ import annotations

from typing import Any

import pytest

from hub import ids
from hub.db import Json
from hub.save import Result, delete
from hub.token import Wish
from tests.running import Server, wait_until
from tests.shop import WRITER, all_rows, opened, shirt, written

ERRORS = "userErrors { field code message version }"


@pytest.fixture(scope="module")
def shop(module_server: Server) -> Server:
    database = module_server.database
    opened(database)
    more: dict[str, list[Json]] = {
        "price_list": [{"code": "market-prices", "currency": "USD"}, {"code": "shared", "currency": "EUR"}],
        "channel": [
            {
                "code": "market",
                "currency": "USD",
                "order_prefix": "M-",
                "locales": [{"locale": {"key": "en"}}],
                "price_lists": [{"price_list": {"key": "market-prices"}}, {"price_list": {"key": "shared"}}],
            },
            {
                "code": "web",
                "price_lists": [{"price_list": {"key": code}} for code in ("club", "retail", "shared")],
            },
        ],
        "attribute": [
            {"code": "note", "type": "text"},
            {"code": "count", "type": "integer"},
            {"code": "ratio", "type": "decimal"},
            {"code": "since", "type": "date"},
            {"code": "at", "type": "datetime"},
            {"code": "tags", "type": "choices", "options": [{"code": "a"}, {"code": "b"}]},
            {"code": "deposit", "type": "money"},
            {"code": "twin", "type": "reference", "rules": {"to": "product"}},
            {"code": "sizes", "type": "table", "rules": {"columns": {"size": "text", "chest": "integer"}}},
        ],
        "location": [{"code": "north"}, {"code": "south"}],
        "customer": [{"email": "ann@example.com", "external_ids": [{"system": "crm", "id": "7"}]}],
        "asset": [{"code": code, "address": f"https://example.com/{code}.jpg"} for code in ("back", "side")],
        "product": [shirt("plain"), shirt("striped")],
    }
    for noun, rows in more.items():
        assert not any(result.errors for result in written(database, noun, *rows))
    return module_server


def ask(shop: Server, text: str, *, token: str | None = None, **variables: Any) -> Any:
    """The data of a mutation or query whose field is called ``answer``."""
    return shop.data(text, variables, token=token)["answer"]


def product(shop: Server, slug: str, selection: str, **arguments: str) -> Any:
    more = "".join(f', {name}: "{value}"' for name, value in arguments.items())
    return ask(shop, f'{{ answer: product(slug: "{slug}"{more}) {{ {selection} }} }}')


def test_every_type_of_attribute_value_is_written_and_read(shop: Server) -> None:
    given = {
        "note": {"text": "soft"},
        "count": {"integer": 2**40},
        "ratio": {"decimal": "0.10"},
        "organic": {"boolean": False},
        "since": {"date": "2026-01-31"},
        "at": {"dateTime": "2026-01-31T12:00:00+02:00"},
        "colour": {"choice": "01"},
        "tags": {"choices": ["b", "a", "b"]},
        "weight": {"measurement": {"amount": "180", "unit": "g"}},
        "deposit": {"money": {"amount": "1.5", "currency": "EUR"}},
        "twin": {"reference": {"key": "striped"}},
        "sizes": {"table": [{"size": "M", "chest": 96}]},
        "rating": {"notApplicable": True},
    }
    text = f"""mutation($input: ProductInput!) {{ answer: productUpdate(input: $input) {{ {ERRORS} product {{ id }} }} }}"""
    attributes = [{"code": code, "value": value} for code, value in given.items()]
    assert ask(shop, text, input={"slug": "plain", "attributes": attributes})["userErrors"] == []
    stored = all_rows(shop.database, "SELECT attributes FROM product WHERE slug = 'plain'")[0][0]
    striped = all_rows(shop.database, "SELECT id FROM product WHERE slug = 'striped'")[0][0]
    assert {code: value["*"]["*"] for code, value in stored.items()} == {
        "note": "soft",
        "count": 2**40,
        "ratio": "0.1",
        "organic": False,
        "since": "2026-01-31",
        "at": "2026-01-31T10:00:00Z",
        "colour": "01",
        "tags": ["b", "a"],
        "weight": {"amount": "180", "unit": "g", "base": "0.18", "base_unit": "kg"},
        "deposit": {"amount": "1.50", "currency": "EUR"},
        "twin": {"type": "product", "id": striped},
        "sizes": [{"size": "M", "chest": 96}],
        "rating": {"not_applicable": True},
    }
    gone = [{"code": code, "value": None} for code in given]
    assert ask(shop, text, input={"slug": "plain", "attributes": gone})["userErrors"] == []
    assert all_rows(shop.database, "SELECT attributes FROM product WHERE slug = 'plain'") == [({},)]


def test_values_per_channel_and_locale_stand_beside_each_other(shop: Server) -> None:
    text = (
        "mutation($input: ProductInput!) { answer: productUpdate(input: $input) { userErrors { message } } }"
    )
    values = [
        {"code": "care", "locale": "de", "value": {"text": "von Hand"}},
        {"code": "care", "locale": "en", "value": {"text": "by hand"}},
        {"code": "claim", "channel": "web", "value": {"text": "new"}},
        {"code": "claim", "value": {"text": "good"}},
    ]
    for value in values:
        assert ask(shop, text, input={"slug": "striped", "attributes": [value]})["userErrors"] == []
    assert all_rows(shop.database, "SELECT attributes FROM product WHERE slug = 'striped'")[0][0] == {
        "care": {"*": {"de": "von Hand", "en": "by hand"}},
        "claim": {"web": {"*": "new"}, "*": {"*": "good"}},
    }


def test_a_reference_is_by_id_key_or_external_id(shop: Server) -> None:
    number = all_rows(shop.database, "SELECT id FROM customer")[0][0]
    text = f"mutation($input: OrderInput!) {{ answer: orderCreate(input: $input) {{ {ERRORS} order {{ customer {{ id }} }} }} }}"
    customer = ids.encode("customer", number)
    for reference in ({"id": customer}, {"externalId": {"system": "crm", "id": "7"}}):
        answer = ask(shop, text, input={"channel": {"key": "web"}, "customer": reference})
        assert answer == {"userErrors": [], "order": {"customer": {"id": customer}}}
    for wrong in ({}, {"id": customer, "key": "x"}, {"key": None}):
        errors = shop.graphql(text, {"input": {"customer": wrong}})["errors"]
        assert len(errors) >= 1


def test_a_reference_by_key_to_a_noun_without_one_is_refused(shop: Server) -> None:
    text = f"mutation($input: OrderInput!) {{ answer: orderCreate(input: $input) {{ {ERRORS} }} }}"
    error = ask(shop, text, input={"channel": {"key": "web"}, "customer": {"key": "ann"}})["userErrors"][0]
    assert (error["code"], error["field"]) == ("INVALID", ["input", "customer"])


def test_later_mutations_of_a_document_see_what_earlier_ones_wrote(shop: Server) -> None:
    answer = shop.data(
        """mutation {
            first: categoryCreate(input: {code: "series", name: [{locale: "en", text: "One"}]}, locale: "en") {
                category { name version } }
            second: categoryUpdate(input: {code: "series", name: [{locale: "en", text: "Two"}]}, locale: "en") {
                category { name version } }
            third: categoryCreate(input: {code: "below", parent: {key: "series"}}, locale: "en") {
                category { parent { name version } } }
        }"""
    )
    assert answer["first"]["category"] == {"name": "One", "version": 1}
    assert answer["second"]["category"] == {"name": "Two", "version": 2}
    assert answer["third"]["category"] == {"parent": {"name": "Two", "version": 2}}


def test_the_answer_is_read_in_the_channel_and_locale_asked_for(shop: Server) -> None:
    text = """mutation($locale: String) { answer: productUpdate(input: {slug: "plain"}, locale: $locale, channel: "web") {
        outcome product { name nameLocale } } }"""
    assert ask(shop, text, locale="de") == {
        "outcome": "UNCHANGED",
        "product": {"name": "Hemd", "nameLocale": "de"},
    }
    assert ask(shop, text, locale="en")["product"] == {"name": "Shirt", "nameLocale": "en"}


def test_who_wrote_and_in_whose_name_is_noted_with_every_value(shop: Server) -> None:
    token = shop.new_token(
        Wish(kind="app", name="nightly", system="erp", scopes=["catalogue:write", "catalogue:read"])
    )
    text = """mutation { answer: productUpdate(input: {slug: "striped", description: [{locale: "en", text: "Two colours"}]}) {
        product { provenance { path source actor } } } }"""
    marks = ask(shop, text, token=token)["product"]["provenance"]
    mark = next(each for each in marks if each["path"] == "/description/en")
    assert mark["source"] == "erp"
    assert mark["actor"].startswith("token:")


def test_a_listing_is_made_changed_and_ended(shop: Server) -> None:
    text = f"""mutation($input: ListingInput!) {{ answer: listingUpsert(product: {{key: "plain"}}, input: $input) {{
        outcome {ERRORS} product {{ version }} }} }}"""
    listing = {"channel": {"key": "market"}, "startsAt": "2026-01-01T00:00:00Z"}
    first = ask(shop, text, input=listing)
    assert (first["outcome"], first["userErrors"]) == ("UPDATED", [])
    assert ask(shop, text, input=listing)["outcome"] == "UNCHANGED"
    error = ask(shop, text, input={**listing, "channel": {"key": "moon"}})["userErrors"][0]
    assert (error["code"], error["field"]) == ("NOT_FOUND", ["input", "channel"])
    end = """mutation($at: DateTime) { answer: listingEnd(product: {key: "plain"}, channel: "market", at: $at) {
        outcome userErrors { code field } } }"""
    before = ask(shop, end, at="2025-12-31T00:00:00Z")
    assert before["userErrors"] == [{"code": "NOT_FOUND", "field": ["at"]}]
    assert ask(shop, end, at="2026-06-01T00:00:00Z")["outcome"] == "UPDATED"
    rows = (
        "SELECT starts_at::date::text, ends_at::date::text FROM listing JOIN product p ON p.id = product_id"
    )
    assert all_rows(shop.database, f"{rows} WHERE p.slug = 'plain'") == [("2026-01-01", "2026-06-01")]
    moon = ask(shop, end.replace('"market"', '"moon"'))
    assert moon["userErrors"] == [{"code": "NOT_FOUND", "field": ["channel", "key"]}]


def test_a_listing_is_removed_or_it_is_said_which_there_are(shop: Server) -> None:
    text = f"""mutation($input: ListingInput!) {{ answer: listingUpsert(product: {{key: "striped"}}, input: $input) {{
        outcome {ERRORS} }} }}"""
    windows = [("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"), ("2027-01-01T00:00:00Z", None)]
    market = {"channel": {"key": "market"}}
    for start, end in windows:
        assert ask(shop, text, input={**market, "startsAt": start, "endsAt": end})["outcome"] == "UPDATED"
    error = ask(shop, text, input={**market, "remove": True})["userErrors"][0]
    assert (error["code"], error["field"]) == ("NOT_FOUND", ["input", "startsAt"])
    assert (
        "from 2026-01-01T00:00:00Z to 2026-02-01T00:00:00Z, from 2027-01-01T00:00:00Z to ever"
        in error["message"]
    )
    missed = ask(shop, text, input={**market, "startsAt": "2026-01-02T00:00:00Z", "remove": True})
    assert missed["userErrors"][0]["code"] == "NOT_FOUND"
    gone = ask(shop, text, input={**market, "startsAt": windows[0][0], "remove": True})
    assert gone == {"outcome": "UPDATED", "userErrors": []}
    rows = "SELECT count(*) FROM listing JOIN product p ON p.id = product_id WHERE p.slug = 'striped'"
    assert all_rows(shop.database, rows) == [(1,)]
    # The only one is meant, whenever it starts.
    assert ask(shop, text, input={**market, "remove": True})["outcome"] == "UPDATED"
    assert all_rows(shop.database, rows) == [(0,)]
    none = ask(shop, text, input={**market, "remove": True})["userErrors"][0]
    assert (none["code"], none["field"]) == ("NOT_FOUND", ["input", "channel"])


def test_a_price_is_given_and_changed(shop: Server) -> None:
    text = f"""mutation($input: PriceInput!) {{ answer: priceUpsert(variant: {{key: "plain-red"}}, input: $input) {{
        outcome {ERRORS} }} }}"""
    price = {"priceList": {"key": "retail"}, "amount": "19.90"}
    assert ask(shop, text, input=price) == {"outcome": "UPDATED", "userErrors": []}
    assert ask(shop, text, input={**price, "amount": 18.9}) == {"outcome": "UPDATED", "userErrors": []}
    assert all_rows(shop.database, "SELECT amount::text, currency FROM price") == [("18.9", "EUR")]
    error = ask(shop, text, input={**price, "priceList": {"key": "none"}})["userErrors"][0]
    assert error["field"] == ["input", "priceList"]
    missing = ask(shop, text.replace("plain-red", "plain-green"), input=price)["userErrors"]
    assert [(each["code"], each["field"]) for each in missing] == [("NOT_FOUND", ["variant", "key"])]
    assert all_rows(shop.database, "SELECT count(*) FROM price") == [(1,)]


def test_assets_are_set_as_a_whole_and_in_order(shop: Server) -> None:
    text = f"""mutation($assets: [ProductAssetInput!]!) {{
        answer: productAssetsSet(product: {{key: "plain"}}, assets: $assets) {{ outcome {ERRORS} }} }}"""
    rows = """SELECT a.code, l.position FROM product_asset l JOIN asset a ON a.id = l.asset_id ORDER BY l.position"""

    def setting(*codes: str) -> Any:
        return ask(shop, text, assets=[{"asset": {"key": code}} for code in codes])

    assert setting("front", "back")["outcome"] == "UPDATED"
    assert setting("front", "back")["outcome"] == "UNCHANGED"
    assert all_rows(shop.database, rows) == [("front", 0), ("back", 1)]
    assert setting("side", "front")["outcome"] == "UPDATED"
    assert all_rows(shop.database, rows) == [("side", 0), ("front", 1)]
    error = setting("front", "nowhere")["userErrors"][0]
    assert (error["code"], error["field"]) == ("NOT_FOUND", ["assets", "1", "asset"])
    assert all_rows(shop.database, rows) == [("side", 0), ("front", 1)]


def test_a_variant_is_made_changed_and_taken_away(shop: Server) -> None:
    make = f"""mutation($input: VariantInput!) {{ answer: variantCreate(product: {{key: "striped"}}, input: $input) {{
        outcome {ERRORS} }} }}"""
    assert ask(shop, make, input={"sku": "striped-xl"}) == {"outcome": "UPDATED", "userErrors": []}
    again = ask(shop, make, input={"sku": "striped-xl"})["userErrors"][0]
    assert (again["code"], again["field"]) == ("DUPLICATE", ["input", "sku"])
    change = f"""mutation($input: VariantInput!) {{ answer: variantUpdate(variant: {{key: "striped-xl"}}, input: $input) {{
        outcome {ERRORS} }} }}"""
    assert ask(shop, change, input={"name": [{"locale": "en", "text": "XL"}]})["outcome"] == "UPDATED"
    wrong = ask(shop, change, input={"identifiers": [{"type": "GTIN", "value": "1"}]})["userErrors"][0]
    assert wrong["field"] == ["input", "identifiers", "0", "value"]
    away = """mutation { answer: variantDelete(variant: {key: "striped-xl"}) { outcome userErrors { code field } } }"""
    assert ask(shop, away) == {"outcome": "UPDATED", "userErrors": []}
    assert ask(shop, away)["userErrors"] == [{"code": "NOT_FOUND", "field": ["variant", "key"]}]
    assert all_rows(shop.database, "SELECT count(*) FROM variant WHERE sku = 'striped-xl'") == [(0,)]


def test_a_part_named_by_its_id_may_change_what_it_is_else_found_by(shop: Server) -> None:
    written(shop.database, "product", shirt("renamed"))
    red = ids.encode(
        "variant", all_rows(shop.database, "SELECT id FROM variant WHERE sku = 'renamed-red'")[0][0]
    )
    text = f"mutation($input: ProductInput!) {{ answer: productUpdate(input: $input) {{ {ERRORS} }} }}"
    assert (
        ask(shop, text, input={"slug": "renamed", "variants": [{"id": red, "sku": "crimson"}]})["userErrors"]
        == []
    )
    change = f"""mutation($id: ID!, $input: VariantInput!) {{
        answer: variantUpdate(variant: {{id: $id}}, input: $input) {{ {ERRORS} }} }}"""
    assert ask(shop, change, id=red, input={"sku": "scarlet"})["userErrors"] == []
    taken = ask(shop, change, id=red, input={"sku": "plain-red"})["userErrors"]
    assert [(each["code"], each["field"]) for each in taken] == [("DUPLICATE", ["input", "sku"])]
    rows = "SELECT sku FROM variant v JOIN product p ON p.id = v.product_id WHERE p.slug = 'renamed' ORDER BY sku"
    assert all_rows(shop.database, rows) == [("renamed-blue",), ("scarlet",)]
    foreign = ask(shop, text, input={"slug": "plain", "variants": [{"id": red, "sku": "x"}]})["userErrors"]
    assert [(each["code"], each["field"]) for each in foreign] == [
        ("NOT_FOUND", ["input", "variants", "0", "id"])
    ]


def test_stock_is_set_for_many_variants_and_places(shop: Server) -> None:
    text = f"""mutation($rows: [StockInput!]!, $policy: BatchPolicy!) {{ answer: stockSet(rows: $rows, policy: $policy) {{
        results {{ outcome stock {{ onHand version }} }} {ERRORS} }} }}"""

    def level(sku: str, place: str, on_hand: int) -> Json:
        return {"variant": {"key": sku}, "location": {"key": place}, "onHand": on_hand}

    rows = [
        level("plain-red", "north", 5),
        level("plain-red", "south", 0),
        level("plain-blue", "north", 2**33),
    ]
    first = ask(shop, text, rows=rows, policy="REJECT_ALL")
    assert [each["outcome"] for each in first["results"]] == ["CREATED"] * 3
    assert [each["stock"]["onHand"] for each in first["results"]] == [5, 0, 2**33]
    second = ask(
        shop,
        text,
        rows=[rows[0], level("plain-red", "south", 3), level("plain-red", "west", 1)],
        policy="SKIP_INVALID",
    )
    assert [each["outcome"] for each in second["results"]] == ["UNCHANGED", "UPDATED", "REFUSED"]
    assert second["userErrors"][0]["field"] == ["rows", "2", "location"]
    with_one_bad = ask(
        shop, text, rows=[level("plain-red", "north", 9), level("x", "north", 1)], policy="REJECT_ALL"
    )
    assert [each["outcome"] for each in with_one_bad["results"]] == ["REFUSED"] * 2
    assert all_rows(shop.database, "SELECT sum(on_hand) FROM stock") == [(5 + 3 + 2**33,)]


def test_ten_thousand_levels_are_set_at_once(shop: Server) -> None:
    text = "mutation($rows: [StockInput!]!) { answer: stockSet(rows: $rows) { userErrors { code } results { index } } }"
    rows = [{"variant": {"key": "plain-red"}, "location": {"key": "north"}, "onHand": 1}] * 10_001
    assert ask(shop, text, rows=rows) == {"results": [], "userErrors": [{"code": "LIMIT"}]}


def test_an_order_is_placed_with_what_is_fixed_then(shop: Server) -> None:
    text = f"""mutation($input: OrderInput!, $key: String) {{ answer: orderPlace(input: $input, idempotencyKey: $key) {{
        {ERRORS} order {{ number status placedAt total currency lines {{ name quantity total }} }} }} }}"""
    order = {
        "channel": {"key": "web"},
        "email": "Ann@Example.com",
        "shippingTotal": "4.90",
        "lines": [
            {"variant": {"key": "plain-red"}, "quantity": 2, "unitPrice": "19.90"},
            {"name": "Gift wrap", "quantity": 1, "unitPrice": "2.00"},
        ],
    }
    listing = {"channel": {"key": "web"}, "starts_at": "2020-01-01T00:00:00Z"}
    written(shop.database, "product", {"slug": "plain", "listings": [listing]})
    answer = ask(shop, text, input=order, key="basket-1")
    assert answer["userErrors"] == []
    placed = answer["order"]
    assert (placed["status"], placed["total"], placed["currency"]) == ("PLACED", "46.70", "EUR")
    assert placed["number"].startswith("WEB-")
    assert placed["placedAt"] is not None
    assert [(each["name"], each["total"]) for each in placed["lines"]] == [
        ("Hemd", "39.80"),
        ("Gift wrap", "2.00"),
    ]
    assert ask(shop, text, input=order, key="basket-1")["order"]["number"] == placed["number"]
    assert ask(shop, text, input=order, key="basket-2")["order"]["number"] != placed["number"]
    wrong = ask(shop, text, input={**order, "total": "1.00"})["userErrors"][0]
    assert wrong["code"] == "INVALID"


def bound(shop: Server) -> str:
    """A token for the market alone."""
    scopes = [
        f"{family}:{verb}"
        for family in ("catalogue", "orders", "settings", "feed")
        for verb in ("read", "write")
    ]
    return shop.new_token(Wish(kind="app", name="market", scopes=scopes, channels=["market"]))


OTHERS: list[tuple[str, Json, list[str]]] = [
    ("Product", {"slug": "plain", "listings": [{"channel": {"key": "web"}}]}, ["listings", "0", "channel"]),
    (
        "Product",
        {"slug": "plain", "attributes": [{"code": "claim", "channel": "web", "value": {"text": "x"}}]},
        ["attributes", "0", "channel"],
    ),
    (
        "Product",
        {
            "slug": "plain",
            "variants": [{"sku": "plain-red", "prices": [{"priceList": {"key": "retail"}, "amount": 1}]}],
        },
        ["variants", "0", "prices", "0", "priceList"],
    ),
    (
        "Product",
        {
            "slug": "plain",
            "variants": [{"sku": "plain-red", "prices": [{"priceList": {"key": "shared"}, "amount": 1}]}],
        },
        ["variants", "0", "prices", "0", "priceList"],
    ),
    ("Channel", {"code": "web", "name": [{"locale": "en", "text": "x"}]}, []),
    ("PriceList", {"code": "retail", "name": [{"locale": "en", "text": "x"}]}, []),
    ("PriceList", {"code": "shared", "name": [{"locale": "en", "text": "x"}]}, []),
    ("Order", {"number": "FOREIGN-1", "email": "x@example.com"}, []),
    ("Order", {"number": "NEW-1", "channel": {"key": "web"}}, ["channel"]),
]


@pytest.mark.parametrize(("noun", "given", "path"), OTHERS)
def test_a_token_bound_to_a_channel_does_not_write_to_others(
    shop: Server, noun: str, given: Json, path: list[str]
) -> None:
    written(shop.database, "order", {"number": "FOREIGN-1", "channel": {"key": "web"}})
    name = noun[0].lower() + noun[1:]
    text = f"mutation($rows: [{noun}Input!]!) {{ answer: {name}BulkUpsert(rows: $rows) {{ userErrors {{ code field }} }} }}"
    before = all_rows(shop.database, "SELECT sum(version) FROM aggregate")
    assert ask(shop, text, rows=[given], token=bound(shop))["userErrors"] == [
        {"code": "FORBIDDEN", "field": ["rows", "0", *path]}
    ]
    assert all_rows(shop.database, "SELECT sum(version) FROM aggregate") == before


def test_a_token_bound_to_a_channel_writes_to_its_own(shop: Server) -> None:
    token = bound(shop)
    text = f"mutation($input: ProductInput!) {{ answer: productUpdate(input: $input) {{ {ERRORS} }} }}"
    own = {
        "slug": "striped",
        "listings": [{"channel": {"key": "market"}}],
        "attributes": [{"code": "claim", "channel": "market", "value": {"text": "cheap"}}],
        "variants": [
            {"sku": "striped-red", "prices": [{"priceList": {"key": "market-prices"}, "amount": "9.99"}]}
        ],
    }
    assert ask(shop, text, input=own, token=token)["userErrors"] == []
    place = f"mutation($input: OrderInput!) {{ answer: orderPlace(input: $input) {{ {ERRORS} order {{ number }} }} }}"
    line = {"name": "Gift wrap", "quantity": 1, "unitPrice": "2.00"}
    order = ask(shop, place, input={"channel": {"key": "market"}, "lines": [line]}, token=token)
    assert order["userErrors"] == []
    assert order["order"]["number"].startswith("M-")


def test_a_token_bound_to_a_channel_does_not_delete_what_another_one_lists(shop: Server) -> None:
    written(
        shop.database,
        "product",
        shirt("elsewhere") | {"listings": [{"channel": {"key": "web"}}]},
        shirt("free"),
    )
    text = 'mutation { answer: productDelete(key: "%s") { userErrors { code } } }'
    token = bound(shop)
    assert ask(shop, text % "elsewhere", token=token)["userErrors"] == [{"code": "FORBIDDEN"}]
    assert ask(shop, text % "free", token=token)["userErrors"] == []


def test_a_token_makes_no_token_that_reaches_further(shop: Server) -> None:
    text = """mutation($input: TokenInput!) { answer: tokenCreate(input: $input) { id token userErrors { code field } } }"""
    token = bound(shop)
    beyond = ask(
        shop,
        text,
        input={"kind": "APP", "name": "x", "scopes": ["customers:read"], "channels": ["market"]},
        token=token,
    )
    assert beyond == {
        "id": None,
        "token": None,
        "userErrors": [{"code": "FORBIDDEN", "field": ["input", "scopes"]}],
    }
    wide = ask(shop, text, input={"kind": "APP", "name": "x", "scopes": ["orders:read"]}, token=token)
    assert wide["userErrors"] == [{"code": "FORBIDDEN", "field": ["input", "channels"]}]
    foreign = ask(
        shop,
        text,
        input={"kind": "APP", "name": "x", "scopes": ["orders:read"], "channels": ["web"]},
        token=token,
    )
    assert foreign["userErrors"] == [{"code": "FORBIDDEN", "field": ["input", "channels"]}]
    names = [row[0] for row in all_rows(shop.database, "SELECT name FROM token")]
    assert "x" not in names


def test_a_token_is_made_used_and_revoked(shop: Server) -> None:
    text = """mutation($input: TokenInput!) { answer: tokenCreate(input: $input) { id token userErrors { code field } } }"""
    made = ask(shop, text, input={"kind": "STOREFRONT", "name": "shop window", "channels": ["web"]})
    assert made["token"].startswith("hubp_")
    assert shop.data("{ __typename }", token=made["token"]) == {"__typename": "Query"}
    revoke = "mutation($id: ID!) { answer: tokenRevoke(id: $id) { deletedId userErrors { code } } }"
    assert ask(shop, revoke, id=made["id"]) == {"deletedId": made["id"], "userErrors": []}
    assert (
        shop.graphql("{ __typename }", token=made["token"])["errors"][0]["extensions"]["code"]
        == "UNAUTHENTICATED"
    )
    assert ask(shop, revoke, id=ids.encode("token", 999))["userErrors"] == [{"code": "NOT_FOUND"}]
    wrong = ask(shop, text, input={"kind": "STOREFRONT", "name": "x", "scopes": ["orders:read"]})[
        "userErrors"
    ]
    assert wrong == [{"code": "INVALID", "field": ["input", "scopes", "0"]}]


def seen(shop: Server, scopes: list[str], channels: list[str] | None = None) -> set[tuple[str, int]]:
    """What a token with these scopes and channels finds in the whole feed: nouns and ids."""
    token = shop.new_token(Wish(kind="app", name="feed", scopes=scopes, channels=channels))
    text = """query($after: String) { answer: changes(after: $after, first: 1000) {
        nodes { entityId } pageInfo { hasNextPage endCursor } } }"""
    found: set[tuple[str, int]] = set()
    after = None
    while True:
        page = ask(shop, text, token=token, after=after)
        found |= {ids.decode(each["entityId"]) for each in page["nodes"]}
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return found


def test_the_feed_hides_what_the_token_may_not_see(shop: Server) -> None:
    orders = [
        ids_of(written(shop.database, "order", {"number": f"SEEN-{code}", "channel": {"key": code}}))
        for code in ("web", "market")
    ]
    gone = ids_of(written(shop.database, "order", {"number": "SEEN-gone", "channel": {"key": "market"}}))
    with shop.database.write(WRITER) as tx:
        assert not delete(tx, "order", [gone])[0].errors
    wait_until(lambda: ("order", gone) in seen(shop, ["feed:read", "orders:read"]))
    assert {noun for noun, _ in seen(shop, ["feed:read", "orders:read"])} == {"order"}
    assert "order" not in {noun for noun, _ in seen(shop, ["feed:read", "catalogue:read"])}
    market = seen(shop, ["feed:read", "orders:read"], ["market"])
    assert ("order", orders[0]) not in market
    assert {("order", orders[1]), ("order", gone)} <= market
    storefront = shop.new_token(Wish(kind="storefront", name="shop", channels=["web"]))
    answer = shop.graphql("{ changes { nodes { sequence } } }", token=storefront)
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def ids_of(results: list[Result]) -> int:
    """The id of the one object that was written."""
    assert results[0].id is not None
    return results[0].id


def test_the_feed_is_read_page_by_page_to_its_end(shop: Server) -> None:
    text = """query($after: String, $types: [String!]) { answer: changes(after: $after, first: 7, types: $types) {
        nodes { sequence } edges { cursor node { sequence } } pageInfo { hasNextPage endCursor startCursor } } }"""
    found, after = [], None
    while True:
        page = ask(shop, text, after=after)
        found += [each["sequence"] for each in page["nodes"]]
        assert [each["node"] for each in page["edges"]] == page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert found == list(range(1, len(found) + 1))
    empty = ask(shop, text, after=after)
    assert (empty["nodes"], empty["pageInfo"]["endCursor"] is not None) == ([], True)
    # A page that its types leave empty still leads on to the end.
    none = ask(shop, text, types=["company.deleted"])
    assert (none["nodes"], none["pageInfo"]["hasNextPage"], none["pageInfo"]["endCursor"]) == (
        [],
        False,
        after,
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("first: 0", "INVALID"),
        ("first: 1001", "LIMIT"),
        ('after: "nonsense"', "INVALID"),
        ('after: "Y2hhbmdlOjk5OTk5OTk"', "INVALID"),
    ],
)
def test_a_page_of_the_feed_that_cannot_be_is_refused(shop: Server, arguments: str, code: str) -> None:
    answer = shop.graphql(f"{{ changes({arguments}) {{ nodes {{ sequence }} }} }}")
    assert answer["errors"][0]["extensions"]["code"] == code


def test_ten_thousand_levels_are_taken_and_two_of_the_same_are_not(shop: Server) -> None:
    products = [
        {"slug": f"bulk-{number}", "type": {"key": "shirt"}, "variants": [{"sku": f"bulk-{number}"}]}
        for number in range(5_000)
    ]
    assert not any(result.errors for result in written(shop.database, "product", *products))
    text = "mutation($rows: [StockInput!]!) { answer: stockSet(rows: $rows) { userErrors { code field } results { outcome } } }"
    rows = [
        {"variant": {"key": f"bulk-{number}"}, "location": {"key": place}, "onHand": number}
        for number in range(5_000)
        for place in ("north", "south")
    ]
    for outcome in ("CREATED", "UNCHANGED"):
        assert {each["outcome"] for each in ask(shop, text, rows=rows)["results"]} == {outcome}
    twice = ask(shop, text, rows=[{**rows[0], "onHand": 7}, {**rows[0], "onHand": 8}])
    assert twice["userErrors"] == [{"code": "DUPLICATE", "field": ["rows", "1"]}]
    total = "SELECT sum(on_hand) FROM stock s JOIN variant v ON v.id = s.variant_id WHERE v.sku LIKE 'bulk-%'"
    assert all_rows(shop.database, total) == [(2 * sum(range(5_000)),)]
