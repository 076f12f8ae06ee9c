"""What a read gives: values, locales, scopes, inheritance, and to whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from hub.db import Database
from hub.errors import Code
from hub.ids import encode
from schema.declare import NOUNS
from tests.reading import PREVIEWING, STAFF, STOREFRONT, Asking, asking, customer_viewer, fill, names, scoped
from tests.shop import written


@pytest.fixture(scope="module")
def ask(module_database: Database) -> Iterator[Asking]:
    fill(module_database)
    with asking(module_database) as opened:
        yield opened


def product(ask: Asking, fields: str, arguments: str = 'slug: "alpha", channel: "web"', **more: Any) -> Any:
    return ask(f"{{ product({arguments}) {{ {fields} }} }}", **more)["product"]


def attributes(ask: Asking, fields: str, codes: str, **more: Any) -> Any:
    found = product(ask, f"attributes(codes: {codes}) {{ code {fields} }}", **more)["attributes"]
    return {each.pop("code"): each for each in found}


def test_every_noun_has_what_all_nouns_have(ask: Asking) -> None:
    for noun in NOUNS.values():
        # What hangs on an aggregate has no version of its own, also where it can be listed by itself.
        if noun.plural is None or noun.aggregate is None:
            continue
        fields = (
            "id version createdAt updatedAt provenance { path source actor at } externalIds { system id }"
        )
        page = ask(f"{{ {noun.plural}(first: 1) {{ nodes {{ {fields} }} }} }}")[noun.plural]
        assert page["nodes"], noun.title
        first = page["nodes"][0]
        assert first["id"] == encode(noun.name, ask.runner.run(_first_id(ask, noun.name))), noun.title
        assert first["version"] >= 1
        assert first["createdAt"].endswith("Z")
        assert first["provenance"][0]["path"] == ""
        assert first["provenance"][0]["source"] == "erp"
        by_id = ask("query($id: ID!) { node(id: $id) { __typename id } }", id=first["id"])["node"]
        assert by_id == {"__typename": noun.title, "id": first["id"]}


async def _first_id(ask: Asking, table: str) -> int:
    import sqlalchemy as sa

    rows = await ask.database.rows(sa.text(f'SELECT min(id) AS id FROM "{table}"'))
    return int(rows[0]["id"])


def test_nodes_keep_the_order_and_say_null_for_what_is_not_there(ask: Asking) -> None:
    alpha, beta = ask.id("product", "slug", "alpha"), ask.id("product", "slug", "beta")
    wanted = [beta, encode("product", 4711), alpha, ask.id("variant", "sku", "alpha-red")]
    found = ask("query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", ids=wanted)["nodes"]
    assert found == [
        {"__typename": "Product", "id": beta},
        None,
        {"__typename": "Product", "id": alpha},
        {"__typename": "Variant", "id": wanted[3]},
    ]


@pytest.mark.parametrize(
    "wrong", ["", "nonsense", encode("product", 2**70), encode("token", 1), "cHJvZHVjdDox="]
)
def test_an_id_that_is_none_is_refused_by_name(ask: Asking, wrong: str) -> None:
    refusal = ask.refused("query($id: ID!) { node(id: $id) { id } }", id=wrong)
    assert refusal.code is Code.INVALID
    assert wrong in refusal.message


def test_an_id_of_another_noun_is_refused(ask: Asking) -> None:
    variant = ask.id("variant", "sku", "alpha-red")
    refusal = ask.refused("query($id: ID!) { product(id: $id) { id } }", id=variant)
    assert refusal.message == f'"{variant}" is the id of a variant: give the id of a product.'


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ('product(slug: "alpha") { found: slug }', "alpha"),
        ('product(externalId: {system: "erp", id: "A-1"}) { found: slug }', "alpha"),
        ('variant(sku: "alpha-red") { found: sku }', "alpha-red"),
        ('variant(gtin: "4006381333931") { found: sku }', "alpha-red"),
        ('variant(gtin: "04006381333931") { found: sku }', "alpha-red"),
        ('variant(externalId: {system: "erp", id: "V-1"}) { found: sku }', "alpha-red"),
        ('customer(email: "ADA@example.com") { found: givenName }', "Ada"),
        ('customer(phone: "+431234567") { found: givenName }', "Ada"),
        ('customer(externalId: {system: "shop", id: "C1"}) { found: givenName }', "Ada"),
        ('order(number: "WEB-1") { found: number }', "WEB-1"),
        ('category(code: "tops") { found: code }', "tops"),
        ('collection(slug: "summer") { found: code }', "summer"),
        ('channel(code: "web") { found: code }', "web"),
        ('locale(code: "de") { found: code }', "de"),
        ('attribute(code: "net") { found: code }', "net"),
        ('productType(code: "shirt") { found: code }', "shirt"),
        ('asset(code: "front") { found: code }', "front"),
        ('priceList(code: "retail") { found: code }', "retail"),
        ('company(code: "acme") { found: code }', "acme"),
        ('location(code: "north") { found: code }', "north"),
        ('relationType(code: "pair") { found: code }', "pair"),
    ],
)
def test_things_are_found_by_what_people_have(ask: Asking, query: str, field: str) -> None:
    (found,) = ask(f"{{ {query} }}").values()
    assert found == {"found": field}


def test_an_unverified_address_finds_nobody(ask: Asking) -> None:
    assert ask('{ customer(email: "shared@example.com") { id } }') == {"customer": None}


def test_a_look_up_needs_exactly_one_way(ask: Asking) -> None:
    assert "given no ways" in ask.refused("{ product { id } }").message
    assert "given 2 ways" in ask.refused('{ product(slug: "alpha", id: "x") { id } }').message


def test_a_wrong_gtin_is_refused_with_its_check_digit(ask: Asking) -> None:
    assert "check digit is 1" in ask.refused('{ variant(gtin: "4006381333932") { id } }').message


def test_texts_fall_back_and_say_where_they_come_from(ask: Asking) -> None:
    fields = "name nameLocale nameTranslations { locale text } description descriptionLocale"
    shown = product(ask, fields, 'slug: "beta", channel: "web", locale: "de"')
    assert shown == {
        "name": "Beta shirt",
        "nameLocale": "en",
        "nameTranslations": [{"locale": "en", "text": "Beta shirt"}],
        "description": None,
        "descriptionLocale": None,
    }
    assert product(ask, "name nameLocale") == {"name": "Älpha-Hemd", "nameLocale": "de"}
    in_english = product(ask, "name", 'slug: "alpha", channel: "web", locale: "en"')
    assert in_english == {"name": "Alpha shirt"}
    austrian = product(ask, "name nameLocale", 'slug: "alpha", channel: "web", locale: "de-AT"')
    assert austrian == {"name": "Älpha-Hemd", "nameLocale": "de"}


def test_the_scope_of_the_root_holds_below(ask: Asking) -> None:
    query = """{ de: category(code: "shirts", channel: "web", locale: "de") { products { nodes { name } } }
                 en: category(code: "shirts", channel: "web", locale: "en") { products { nodes { name } } } }"""
    shown = ask(query)
    assert names(shown["de"]["products"], "name") == ["Älpha-Hemd"]
    assert names(shown["en"]["products"], "name") == ["Alpha shirt"]


def test_the_token_stands_in_for_missing_arguments(ask: Asking) -> None:
    web = ask.number("channel", "code", "web")
    token = replace(STAFF, default_channel_id=web, default_locale="en")
    assert product(ask, "name listed", 'slug: "alpha"', viewer=token) == {
        "name": "Alpha shirt",
        "listed": True,
    }


def test_an_unknown_channel_is_refused_by_name(ask: Asking) -> None:
    refusal = ask.refused('{ products(channel: "moon") { nodes { id } } }')
    assert refusal.code is Code.NOT_FOUND
    assert '"moon"' in refusal.message


@pytest.mark.parametrize("wrong", ["", "banana!", "de_", "zz-ZZZZZZZZZ"])
def test_what_is_no_locale_is_refused_by_name(ask: Asking, wrong: str) -> None:
    refusal = ask.refused("query($l: String) { products(locale: $l) { nodes { id } } }", l=wrong)
    assert refusal.code is Code.INVALID
    assert wrong in refusal.message


@pytest.mark.parametrize(
    "query",
    [
        'product(slug: "a\\u0000b") { id }',
        'product(externalId: {system: "erp", id: "\\u0000"}) { id }',
        'products(channel: "\\u0000") { nodes { id } }',
        'products { nodes { externalIds(system: "\\u0000") { id } } }',
        'product(slug: "alpha") { attributes(codes: ["\\u0000"]) { code } }',
        'products(filter: {or: [{attribute: {code: "colour", in: ["red", "\\u0000"]}}]}) { nodes { id } }',
    ],
)
def test_a_text_that_cannot_be_stored_never_reaches_the_database(ask: Asking, query: str) -> None:
    errors = ask.answer(f"{{ {query} }}").errors
    assert errors
    for error in errors:
        assert error.original_error.code is Code.INVALID
        assert "U+0000" in error.message


def test_a_token_reads_only_the_channels_it_is_bound_to(ask: Asking) -> None:
    bound = replace(STAFF, channel_ids=frozenset({ask.number("channel", "code", "web")}))
    assert ask.refused('{ products(channel: "us") { nodes { id } } }', bound).code is Code.FORBIDDEN
    shown = ask("{ channels { nodes { code } } orders { nodes { number } } }", bound)
    assert names(shown["channels"], "code") == ["web"]
    assert names(shown["orders"], "number") == ["WEB-1"]


def test_attribute_values_have_their_types(ask: Asking) -> None:
    query = """{ product(slug: "alpha", channel: "web", locale: "en") { attributes {
        __typename code ... on TextValue { text } ... on RichTextValue { text } ... on IntegerValue { integer }
        ... on DecimalValue { decimal } ... on BooleanValue { boolean } ... on DateValue { date }
        ... on DateTimeValue { dateTime } ... on ChoicesValue { choices { code } }
        ... on MeasurementValue { measurement { amount unit baseAmount baseUnit } }
        ... on MoneyValue { money { amount currency } } ... on TableValue { table } } } }"""
    shown = {each.pop("code"): each for each in ask(query)["product"]["attributes"]}
    weight = {"amount": "250", "unit": "g", "baseAmount": "0.25", "baseUnit": "kg"}
    assert shown == {
        "born": {"__typename": "DateValue", "date": "2024-05-01"},
        "care": {"__typename": "TextValue", "text": "30 degrees"},
        "checked": {"__typename": "DateTimeValue", "dateTime": "2024-05-01T10:00:00Z"},
        "claim": {"__typename": "TextValue", "text": "For the web"},
        "fee": {"__typename": "MoneyValue", "money": {"amount": "1.50", "currency": "EUR"}},
        "net": {"__typename": "DecimalValue", "decimal": "12.5"},
        "organic": {"__typename": "BooleanValue", "boolean": True},
        "rating": {"__typename": "IntegerValue", "integer": 4},
        "sizes": {"__typename": "TableValue", "table": [{"size": "M", "chest": "98.5"}]},
        "story": {"__typename": "RichTextValue", "text": "<p>Once</p>"},
        "tags": {"__typename": "ChoicesValue", "choices": [{"code": "eco"}, {"code": "sale"}]},
        "weight": {"__typename": "MeasurementValue", "measurement": weight},
    }


def test_values_say_their_channel_and_locale(ask: Asking) -> None:
    shown = attributes(ask, "channel locale value", '["care", "claim", "rating"]')
    assert shown == {
        "care": {"channel": None, "locale": "de", "value": "30 Grad"},
        "claim": {"channel": "web", "locale": None, "value": "For the web"},
        "rating": {"channel": None, "locale": None, "value": 4},
    }
    elsewhere = attributes(ask, "channel value", '["claim"]', arguments='slug: "alpha", channel: "us"')
    assert elsewhere == {"claim": {"channel": None, "value": "For all"}}


def test_values_keep_the_order_asked_for_and_leave_out_what_is_not_there(ask: Asking) -> None:
    codes = '["rating", "nothing", "care", "rating", "colour"]'
    assert list(attributes(ask, "value", codes)) == ["rating", "care"]
    assert product(ask, 'attribute(code: "rating") { value }') == {"attribute": {"value": 4}}
    assert product(ask, 'attribute(code: "nothing") { value }') == {"attribute": None}


def test_not_applicable_is_a_value_and_zero_and_false_are_too(ask: Asking) -> None:
    shown = attributes(ask, "value notApplicable", '["net", "organic"]', arguments='slug: "beta"')
    assert shown == {
        "net": {"value": None, "notApplicable": True},
        "organic": {"value": False, "notApplicable": False},
    }


def test_a_reference_leads_to_its_object(ask: Asking) -> None:
    fields = 'attribute(code: "goes_with") { value ... on ReferenceValue { reference { id ... on Product { slug } } } }'
    alpha = ask.id("product", "slug", "alpha")
    shown = product(ask, fields, 'slug: "beta"')["attribute"]
    assert shown == {
        "value": {"type": "product", "id": alpha},
        "reference": {"id": alpha, "slug": "alpha"},
    }


def test_variants_inherit_what_they_do_not_say_themselves(ask: Asking) -> None:
    fields = 'nodes { sku attributes(codes: ["colour", "rating", "care"]) { code value inherited } axes { code value } }'
    red, blue = product(ask, f"variants {{ {fields} }}")["variants"]["nodes"]
    assert red == {
        "sku": "alpha-red",
        "axes": [{"code": "colour", "value": "red"}],
        "attributes": [
            {"code": "colour", "value": "red", "inherited": False},
            {"code": "rating", "value": 4, "inherited": True},
            {"code": "care", "value": "30 Grad", "inherited": True},
        ],
    }
    assert blue["attributes"][1] == {"code": "rating", "value": 2, "inherited": False}


def test_values_know_who_wrote_them(ask: Asking) -> None:
    variant = (
        'variant(sku: "alpha-red") { attributes(codes: ["colour", "rating"]) { source actor writtenAt } }'
    )
    for each in ask(f"{{ {variant} }}")["variant"]["attributes"]:
        assert (each["source"], each["actor"]) == ("erp", "test")
        assert each["writtenAt"].endswith("Z")


def test_a_value_changed_later_knows_its_own_writer(database: Database) -> None:
    fill(database)
    with asking(database) as ask:
        changed = {"slug": "alpha", "name": {"en": "New"}, "attributes": [{"code": "rating", "value": 3}]}
        written(database, "product", changed)
        shown = product(ask, 'version provenance { path } attribute(code: "rating") { value source }')
    assert shown["version"] == 2
    assert [each["path"] for each in shown["provenance"]] == ["", "/attributes/rating/*/*", "/name/en"]
    assert shown["attribute"] == {"value": 3, "source": "erp"}


def test_money_is_text_and_large_numbers_are_numbers(ask: Asking) -> None:
    shown = ask(
        '{ stockLevels(filter: {variant: {sku: {eq: "alpha-red"}}}) { nodes { onHand reserved available } } }'
    )
    assert shown["stockLevels"]["nodes"] == [
        {"onHand": 7, "reserved": 2, "available": 5},
        {"onHand": 3_000_000_000, "reserved": 0, "available": 3_000_000_000},
    ]
    assert ask('{ order(number: "WEB-1") { total subtotal taxTotal } }') == {
        "order": {"total": "49.90", "subtotal": "49.90", "taxTotal": "0"}
    }


def test_prices_by_quantity_company_and_moment(ask: Asking) -> None:
    acme = ask.id("company", "code", "acme")
    query = """query($acme: ID!) { variant(sku: "alpha-red", channel: "web") {
        one: price { amount currency minQuantity } ten: price(quantity: 10) { amount }
        acme: price(company: $acme) { amount } }
        before: variant(sku: "gamma-one", channel: "web") { price { amount } }
        after: variant(sku: "gamma-one", channel: "web", asOf: "2032-01-01T00:00:00Z") { price { amount } }
        at: variant(sku: "gamma-one", channel: "web") { price(at: "2032-01-01T00:00:00Z") { amount } }
        nowhere: variant(sku: "alpha-red") { price { amount } }
        elsewhere: variant(sku: "alpha-red", channel: "us") { price { amount } } }"""
    assert ask(query, acme=acme) == {
        "variant": {
            "one": {"amount": "20.00", "currency": "EUR", "minQuantity": 1},
            "ten": {"amount": "18.00"},
            "acme": {"amount": "15.00"},
        },
        "before": {"price": None},
        "after": {"price": {"amount": "5.00"}},
        "at": {"price": {"amount": "5.00"}},
        "nowhere": {"price": None},
        "elsewhere": {"price": None},
    }
    refusal = ask.refused('{ variant(sku: "alpha-red", channel: "web") { price(quantity: 0) { amount } } }')
    assert refusal.code is Code.INVALID


def test_assets_of_a_variant_come_before_those_of_its_product(ask: Asking) -> None:
    shown = ask('{ variant(sku: "alpha-red") { assets { role inherited asset { code kind } } } }')
    assert [(each["role"], each["inherited"]) for each in shown["variant"]["assets"]] == [
        ("swatch", False),
        ("gallery", True),
        ("manual", True),
    ]
    assert shown["variant"]["assets"][0]["asset"] == {"code": "front", "kind": "IMAGE"}
    written_by = ask('{ variant(sku: "alpha-red") { assets { provenance { source } } } }')
    assert written_by["variant"]["assets"] == [{"provenance": [{"source": "erp"}]}] * 3
    only = ask('{ variant(sku: "alpha-red") { assets(role: "manual") { role } } }')
    assert only["variant"]["assets"] == [{"role": "manual"}]


def test_two_way_relations_show_at_both_ends(ask: Asking) -> None:
    fields = "relations { type { code } product { slug } }"
    assert product(ask, fields)["relations"] == [{"type": {"code": "pair"}, "product": {"slug": "beta"}}]
    shown = product(ask, fields, 'slug: "beta"')["relations"]
    assert sorted(each["type"]["code"] for each in shown) == ["pair", "spare"]


def test_a_two_way_relation_kept_at_both_ends_is_one(database: Database) -> None:
    fill(database)
    written(
        database,
        "product",
        {"slug": "alpha", "relations": [{"type": {"key": "pair"}, "product": {"key": "beta"}}]},
    )
    query = """{ products(filter: {slug: {in: ["alpha", "beta"]}}) {
        nodes { slug relations { type { code } product { slug } } } } }"""
    with asking(database) as ask:
        shown = {each["slug"]: each["relations"] for each in ask(query)["products"]["nodes"]}
    pair, spare = {"type": {"code": "pair"}}, {"type": {"code": "spare"}}
    assert shown["alpha"] == [pair | {"product": {"slug": "beta"}}]
    assert sorted(shown["beta"], key=str) == [
        pair | {"product": {"slug": "alpha"}},
        spare | {"product": {"slug": "alpha"}},
    ]


def test_an_old_slug_answers_with_the_product_of_today(database: Database) -> None:
    fill(database)
    with asking(database) as ask:
        number = ask.number("product", "slug", "alpha")
        written(database, "product", {"id": number, "slug": "omega"})
        found = ask('{ old: product(slug: "alpha") { slug } new: product(slug: "omega") { slug } }')
        assert found == {"old": {"slug": "omega"}, "new": {"slug": "omega"}}
        written(database, "product", {"slug": "alpha", "type": {"key": "shirt"}, "name": {"en": "Another"}})
        assert ask('{ product(slug: "alpha") { name } }') == {"product": {"name": "Another"}}


def test_customer_to_asset_in_one_request(ask: Asking) -> None:
    query = """{ customer(email: "ada@example.com") { fullName company { code } locale { code }
        addresses { code city } identifiers { type value verified }
        orders { nodes { number status placedAt email billingAddress { city country street }
            lines { name quantity unitPrice total variant { product { assets { asset { address } } } } } } } } }"""
    shown = ask(query)["customer"]
    address = {"asset": {"address": "https://example.com/front.jpg"}}
    assert shown["fullName"] == "Ada Stone"
    assert shown["orders"]["nodes"] == [
        {
            "number": "WEB-1",
            "status": "PLACED",
            "placedAt": "2026-01-02T03:04:05Z",
            "email": "ada@example.com",
            "billingAddress": {"city": "Wien", "country": "AT", "street": None},
            "lines": [
                {
                    "name": "Alpha",
                    "quantity": 2,
                    "unitPrice": "20.00",
                    "total": "40.00",
                    "variant": {"product": {"assets": [address, address]}},
                },
                {"name": "Gift wrap", "quantity": 1, "unitPrice": "9.90", "total": "9.90", "variant": None},
            ],
        }
    ]


# Who may see what.


def test_a_storefront_sees_what_is_listed_now(ask: Asking) -> None:
    query = '{ products(channel: "web") { totalCount nodes { slug listed } } variants(channel: "web") { nodes { sku } } }'
    shown = ask(query, STOREFRONT)
    assert shown["products"] == {
        "totalCount": 2,
        "nodes": [{"slug": "alpha", "listed": True}, {"slug": "beta", "listed": True}],
    }
    assert names(shown["variants"], "sku") == ["alpha-red", "alpha-blue", "beta-one"]
    assert names(ask('{ products(channel: "us") { nodes { slug } } }', STOREFRONT)["products"]) == []


def test_an_app_bound_to_a_channel_sees_its_listings_and_prices_alone(ask: Asking) -> None:
    query = """{ product(slug: "alpha") { listings { channel { code } } }
        variant(sku: "alpha-red") { prices { currency } } priceLists { nodes { currency } } }"""
    free, bound = (
        ask(query, replace(STAFF, kind="app", channel_ids=ids))
        for ids in (None, frozenset({ask.number("channel", "code", "us")}))
    )
    assert {each["channel"]["code"] for each in free["product"]["listings"]} == {"web"}
    assert bound["product"]["listings"] == []
    assert {each["currency"] for each in free["variant"]["prices"]} == {"EUR"}
    assert bound["variant"]["prices"] == []
    assert "EUR" in names(free["priceLists"], "currency")
    assert "EUR" not in names(bound["priceLists"], "currency")


def test_as_of_moves_the_windows_half_open(ask: Asking) -> None:
    def at(moment: str) -> list[str]:
        query = 'query($at: DateTime) { products(channel: "web", asOf: $at) { nodes { slug } } }'
        return names(ask(query, PREVIEWING, at=moment)["products"])

    assert at("2029-12-31T23:59:59.999999Z") == ["alpha", "beta"]
    assert at("2030-01-01T00:00:00Z") == ["alpha"]
    assert at("2030-12-31T23:59:59.999999Z") == ["alpha"]
    assert at("2031-01-01T00:00:00Z") == ["alpha", "gamma"]


@pytest.mark.parametrize(
    ("way", "argument"),
    [
        ('products(channel: "web", asOf: "2031-01-01T00:00:00Z") { nodes { slug } }', "asOf"),
        ('variant(sku: "alpha-red", channel: "web") { price(at: "2031-01-01T00:00:00Z") { amount } }', "at"),
    ],
)
def test_a_storefront_does_not_read_tomorrow(ask: Asking, way: str, argument: str) -> None:
    refused = ask.refused(f"{{ {way} }}", STOREFRONT)
    assert (refused.code, refused.message) == (
        Code.FORBIDDEN,
        f'This token reads what is on offer now: {argument} needs the scope "catalogue:preview".',
    )


@pytest.mark.parametrize(
    "way",
    [
        'product(slug: "draft", channel: "web") { id }',
        'variant(sku: "draft-one", channel: "web") { id }',
        'variant(sku: "gamma-one", channel: "web") { id }',
        'product(slug: "alpha", channel: "us") { id }',
    ],
)
def test_no_way_leads_a_storefront_to_what_is_not_listed(ask: Asking, way: str) -> None:
    assert list(ask(f"{{ {way} }}", STOREFRONT).values()) == [None]


def test_no_id_leads_a_storefront_to_what_is_not_listed(ask: Asking) -> None:
    wanted = [
        ask.id("product", "slug", "draft"),
        ask.id("variant", "sku", "draft-one"),
        ask.id("product", "slug", "alpha"),
    ]
    query = 'query($ids: [ID!]!) { nodes(ids: $ids, channel: "web") { id } }'
    assert ask(query, STOREFRONT, ids=wanted)["nodes"] == [None, None, {"id": wanted[2]}]


def test_relations_stock_and_assets_of_a_storefront_stay_within_what_is_listed(ask: Asking) -> None:
    query = """{ stockLevels(channel: "web") { nodes { variant { sku } } }
        assets(channel: "us") { nodes { code } }
        categories(channel: "us") { nodes { products { totalCount nodes { slug } } } } }"""
    shown = ask(query, STOREFRONT)
    assert {each["variant"]["sku"] for each in shown["stockLevels"]["nodes"]} == {"alpha-red"}
    assert names(shown["assets"], "code") == []
    assert all(each["products"] == {"totalCount": 0, "nodes": []} for each in shown["categories"]["nodes"])


def test_a_small_list_below_keeps_its_row_rule(ask: Asking) -> None:
    query = '{ channel(code: "web", channel: "web") { priceLists { position } } }'
    assert len(ask(query)["channel"]["priceLists"]) == 2
    assert ask(query, STOREFRONT)["channel"]["priceLists"] == []


def test_a_filter_through_a_relation_keeps_its_row_rule(ask: Asking) -> None:
    """A token bound to one channel cannot learn from a filter who ordered in another one."""
    query = '{ customers(filter: {orders: {number: {startsWith: "US"}}}) { nodes { givenName } } }'
    bound = replace(STAFF, channel_ids=frozenset({ask.number("channel", "code", "web")}))
    assert names(ask(query)["customers"], "givenName") == ["Bo"]
    assert names(ask(query, bound)["customers"], "givenName") == []


@pytest.mark.parametrize(
    "query",
    [
        'product(slug: "alpha", channel: "web") { provenance { path } }',
        'product(slug: "alpha", channel: "web") { listings { startsAt } }',
        'product(slug: "alpha", channel: "web") { attributes { source } }',
        'variant(sku: "alpha-red", channel: "web") { prices { amount } }',
        'priceLists(channel: "web") { nodes { code } }',
        'customers(channel: "web") { nodes { id } }',
        'orders(channel: "web") { nodes { id } }',
        'company(code: "acme", channel: "web") { id }',
        'products(channel: "web", filter: {listings: {open: true}}) { nodes { id } }',
    ],
)
def test_what_a_storefront_may_not_see_is_refused(ask: Asking, query: str) -> None:
    errors = ask.answer(f"{{ {query} }}", STOREFRONT).errors
    assert errors
    assert {error.original_error.code for error in errors} == {Code.FORBIDDEN}


def test_a_storefront_cannot_ask_for_another_companys_price(ask: Asking) -> None:
    acme = ask.id("company", "code", "acme")
    query = 'query($c: ID!) { variant(sku: "alpha-red", channel: "web") { price(company: $c) { amount } } }'
    assert ask.refused(query, STOREFRONT, c=acme).code is Code.FORBIDDEN


def test_a_storefront_names_a_channel(ask: Asking) -> None:
    assert ask.refused("{ products { nodes { id } } }", STOREFRONT).code is Code.REQUIRED
    bound = replace(STOREFRONT, channel_ids=frozenset({ask.number("channel", "code", "web")}))
    assert names(ask("{ products { nodes { slug } } }", bound)["products"]) == ["alpha", "beta"]


def test_a_customer_sees_their_own_and_pays_their_companys_price(ask: Asking) -> None:
    ada = customer_viewer(ask.number("customer", "given_name", "Ada"))
    query = """{ customers(channel: "web") { nodes { givenName } } orders(channel: "web") { nodes { number } }
        companies(channel: "web") { nodes { code } }
        other: customer(externalId: {system: "shop", id: "C2"}, channel: "web") { id }
        order(number: "US-1", channel: "web") { id }
        variant(sku: "alpha-red", channel: "web") { price { amount } } }"""
    assert ask(query, ada) == {
        "customers": {"nodes": [{"givenName": "Ada"}]},
        "orders": {"nodes": [{"number": "WEB-1"}]},
        "companies": {"nodes": [{"code": "acme"}]},
        "other": None,
        "order": None,
        "variant": {"price": {"amount": "15.00"}},
    }


def test_a_customers_old_order_does_not_open_what_is_no_longer_listed(ask: Asking) -> None:
    ada = customer_viewer(ask.number("customer", "given_name", "Ada"))
    query = '{ order(number: "WEB-1", channel: "us") { lines { name variant { sku } } } }'
    lines = ask(query, ada)["order"]["lines"]
    assert lines[0] == {"name": "Alpha", "variant": None}


def test_scopes_open_nouns_and_what_they_lead_to(ask: Asking) -> None:
    erp = scoped(STAFF, "stock:read", kind="app")
    assert ask.refused("{ products { nodes { id } } }", erp).code is Code.FORBIDDEN
    query = "{ stockLevels(filter: {onHand: {eq: 7}}) { nodes { onHand variant { sku } } } }"
    answer = ask.answer(query, erp)
    assert answer.data == {"stockLevels": {"nodes": [{"onHand": 7, "variant": None}]}}
    assert [error.path for error in answer.errors] == [["stockLevels", "nodes", 0, "variant"]]
    through_filter = '{ stockLevels(filter: {variant: {sku: {eq: "alpha-red"}}}) { nodes { id } } }'
    assert ask.refused(through_filter, erp).code is Code.FORBIDDEN


def test_personal_data_of_orders_needs_the_customers_scope(ask: Asking) -> None:
    shop = scoped(STAFF, "orders:read", kind="app")
    answer = ask.answer('{ order(number: "WEB-1") { number email billingAddress { city } } }', shop)
    assert answer.data == {"order": {"number": "WEB-1", "email": None, "billingAddress": None}}
    assert {error.path[-1] for error in answer.errors} == {"email", "billingAddress"}
    guess = '{ orders(filter: {email: {startsWith: "ada"}}) { nodes { number } } }'
    assert ask.refused(guess, shop).code is Code.FORBIDDEN
