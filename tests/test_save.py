"""The write engine: what a row says is what is stored, and nothing else changes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from hub.db import Database, Json
from hub.errors import Code, HubError
from hub.save import Mode, Policy, delete, save
from tests.shop import OPENING, WRITER, all_rows, opened, shirt, written


@pytest.fixture
def shop(database: Database) -> Database:
    opened(database)
    return database


def refused(database: Database, noun: str, row: Json, **options: Any) -> HubError:
    result = written(database, noun, row, **options)[0]
    assert result.outcome == "refused"
    return result.errors[0]


def pending(database: Database) -> int:
    return int(all_rows(database, "SELECT count(*) FROM pending")[0][0])


def test_the_same_row_again_changes_nothing_and_leaves_no_change(shop: Database) -> None:
    row = shirt(
        attributes=[{"code": "weight", "value": {"amount": "0.20", "unit": "kg"}}],
        external_ids=[{"system": "erp", "id": "007"}],
        categories=[{"category": {"key": "shirts"}}],
        listings=[{"channel": {"key": "web"}, "starts_at": "2026-01-01T00:00:00+01:00"}],
        assets=[{"asset": {"key": "front"}}],
    )
    assert written(shop, "product", row)[0].outcome == "created"
    before = pending(shop)
    assert written(shop, "product", row)[0].outcome == "unchanged"
    assert pending(shop) == before


def test_every_noun_of_the_opening_is_unchanged_by_itself(shop: Database) -> None:
    before = pending(shop)
    for noun, rows in OPENING.items():
        assert {result.outcome for result in written(shop, noun, *rows)} == {"unchanged"}, noun
    assert pending(shop) == before


def test_a_field_left_out_stays_and_null_clears_it(shop: Database) -> None:
    written(shop, "product", shirt())
    written(shop, "product", {"slug": "shirt-1", "name": {"de": None}})
    assert all_rows(shop, "SELECT name, slug FROM product") == [({"en": "Shirt"}, "shirt-1")]


def test_attributes_are_merged_leaf_by_leaf(shop: Database) -> None:
    written(shop, "product", shirt(attributes=[{"code": "care", "locale": "en", "value": "Wash cold"}]))
    written(
        shop,
        "product",
        {"slug": "shirt-1", "attributes": [{"code": "care", "locale": "de", "value": "Kalt waschen"}]},
    )
    both = {"care": {"*": {"en": "Wash cold", "de": "Kalt waschen"}}}
    assert all_rows(shop, "SELECT attributes FROM product") == [(both,)]
    written(
        shop,
        "product",
        {
            "slug": "shirt-1",
            "attributes": [{"code": "care", "locale": each, "value": None} for each in ("de", "en")],
        },
    )
    assert all_rows(shop, "SELECT attributes FROM product") == [({},)]


def test_false_and_not_applicable_are_values(shop: Database) -> None:
    values = [{"code": "organic", "value": False}, {"code": "rating", "value": {"not_applicable": True}}]
    written(shop, "product", shirt(attributes=values))
    assert all_rows(shop, "SELECT attributes FROM product") == [
        ({"organic": {"*": {"*": False}}, "rating": {"*": {"*": {"not_applicable": True}}}},)
    ]


def test_a_whole_list_replaces_and_a_partial_one_adds(shop: Database) -> None:
    written(
        shop, "product", shirt(categories=[{"category": {"key": "shirts"}}, {"category": {"key": "tops"}}])
    )
    written(
        shop,
        "product",
        {"slug": "shirt-1", "categories": [{"category": {"key": "tops"}}], "variants": [{"sku": "third"}]},
    )
    assert all_rows(shop, "SELECT count(*) FROM product_category") == [(1,)]
    assert all_rows(shop, "SELECT count(*) FROM variant") == [(3,)]
    written(shop, "product", {"slug": "shirt-1", "variants": [{"sku": "third", "remove": True}]})
    assert all_rows(shop, "SELECT count(*) FROM variant") == [(2,)]


def test_rows_of_one_batch_refer_to_each_other_in_any_order(shop: Database) -> None:
    results = written(shop, "category", {"code": "leaf", "parent": {"key": "twig"}}, {"code": "twig"})
    assert [result.outcome for result in results] == ["created", "created"]


def test_an_object_is_found_by_its_external_id(shop: Database) -> None:
    made = written(shop, "product", shirt(external_ids=[{"system": "erp", "id": "1"}]))[0]
    again = written(shop, "product", {"external_ids": [{"system": "erp", "id": "1"}], "name": {"en": "New"}})[
        0
    ]
    assert (again.id, again.outcome) == (made.id, "updated")


def test_one_bad_row_of_many_is_found_and_the_rest_is_kept(shop: Database) -> None:
    written(shop, "product", shirt("taken"))
    rows = [shirt(f"shirt-{number}") for number in range(20)]
    rows[13]["variants"][0]["sku"] = "taken-red"
    results = written(shop, "product", *rows, policy=Policy.SKIP_INVALID)
    assert [number for number, result in enumerate(results) if result.outcome == "refused"] == [13]
    assert results[13].errors[0].message == (
        'Variant with sku "taken-red" exists already: change that one, or choose another value.'
    )
    assert all_rows(shop, "SELECT count(*) FROM product") == [(20,)]


def test_rejecting_all_leaves_nothing(shop: Database) -> None:
    before = pending(shop)
    results = written(shop, "product", shirt("a"), {"slug": "b"})
    assert [result.outcome for result in results] == ["created", "refused"]
    assert all_rows(shop, "SELECT count(*) FROM product") == [(0,)]
    assert pending(shop) == before


@pytest.mark.parametrize(
    ("row", "code", "path", "message"),
    [
        ({"slug": "x"}, Code.REQUIRED, ("type",), "A new product needs type: give it."),
        (
            shirt(type={"key": "hat"}),
            Code.NOT_FOUND,
            ("type",),
            'Product type "hat" does not exist: create it first, or name one that does.',
        ),
        (
            shirt(name={"fr": "Chemise"}),
            Code.NOT_FOUND,
            ("name",),
            'Locale "fr" is not one of the hub\'s: create it first.',
        ),
        (shirt(colour="red"), Code.INVALID, ("colour",), '"colour" is not a field of product.'),
        (
            shirt(attributes=[{"code": "size", "value": 1}]),
            Code.NOT_FOUND,
            ("attributes", 0),
            'Attribute "size" is not defined: create it first.',
        ),
        (
            shirt(attributes=[{"code": "rating", "value": 6}]),
            Code.INVALID,
            ("attributes", 0),
            'Attribute "rating" (integer): 6 is more than 5.',
        ),
        (
            shirt(attributes=[{"code": "weight", "value": {"amount": "1", "unit": "cm"}}]),
            Code.INVALID,
            ("attributes", 0),
            'Attribute "weight" (measurement): Unit "cm" measures length, not mass.',
        ),
        (
            shirt(
                listings=[
                    {
                        "channel": {"key": "web"},
                        "starts_at": "2026-02-01T00:00:00Z",
                        "ends_at": "2026-01-01T00:00:00Z",
                    }
                ]
            ),
            Code.INVALID,
            ("listings", 0, "ends_at"),
            "The window ends at 2026-01-01T00:00:00+00:00, not after its start at 2026-02-01T00:00:00+00:00: give a later end.",
        ),
        (
            shirt(variants=[{"sku": "s", "prices": [{"price_list": {"key": "retail"}, "amount": "1.005"}]}]),
            Code.INVALID,
            ("variants", 0, "prices", 0, "amount"),
            "1.005 EUR has more than 2 decimals: round it first.",
        ),
        (
            shirt(variants=[{"sku": "s", "identifiers": [{"type": "gtin", "value": "4006381333932"}]}]),
            Code.INVALID,
            ("variants", 0, "identifiers", 0, "value"),
            'GTIN "4006381333932" ends in 2, but its check digit is 1.',
        ),
        (
            shirt(
                variants=[{"sku": "a", "axes": {"colour": "red"}}, {"sku": "b", "axes": {"colour": "red"}}]
            ),
            Code.DUPLICATE,
            (),
            "Two variants of the product have the same axis values.",
        ),
        (
            shirt(variants=[{"sku": "s"}, {"sku": "s"}]),
            Code.DUPLICATE,
            ("variants", 1),
            'variants names sku "s" twice: leave one out.',
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(
    shop: Database, row: Json, code: Code, path: tuple[str | int, ...], message: str
) -> None:
    error = refused(shop, "product", row)
    assert (error.code, error.path, error.message) == (code, path, message)
    assert all_rows(shop, "SELECT count(*) FROM product") == [(0,)]


def test_windows_of_one_channel_do_not_overlap(shop: Database) -> None:
    both = [{"channel": {"key": "web"}}, {"channel": {"key": "web"}, "starts_at": "2026-02-01T00:00:00Z"}]
    error = refused(shop, "product", shirt(listings=both))
    assert (
        error.message
        == "Two listings of the product in one channel overlap: end one before the other starts."
    )


def test_the_tree_has_no_circle(shop: Database) -> None:
    error = refused(shop, "category", {"code": "tops", "parent": {"key": "shirts"}})
    assert error.message == 'Category "tops" would be above itself: choose another parent.'


def test_what_is_used_cannot_be_deleted(shop: Database) -> None:
    written(shop, "product", shirt(assets=[{"asset": {"key": "front"}}]))
    number = all_rows(shop, "SELECT id FROM asset")[0][0]
    with shop.write(WRITER) as tx:
        result = delete(tx, "asset", [number])[0]
    assert (result.errors[0].code, result.errors[0].message) == (
        Code.IN_USE,
        'Asset "front" is still used by at least one product asset: remove it there first.',
    )


@pytest.mark.parametrize(
    "using",
    [
        {"attributes": [{"code": "colour", "value": "01"}]},
        {"variants": [{"sku": "one", "axes": {"colour": "01"}}]},
    ],
    ids=["value", "axis"],
)
def test_an_option_in_use_stays(shop: Database, using: Json) -> None:
    written(shop, "product", shirt(**using))
    row = {"code": "colour", "options": [{"code": "01", "remove": True}]}
    error = refused(shop, "attribute", row)
    assert error.code is Code.IN_USE
    assert error.message.startswith('Option "01" of attribute "colour" is still used by "')
    unused = {"code": "colour", "options": [{"code": "blue", "remove": True}]}
    written(shop, "product", {"slug": "shirt-1", "variants": [{"sku": "shirt-1-blue", "remove": True}]})
    assert written(shop, "attribute", unused)[0].outcome == "updated"


def test_a_row_that_names_a_later_one_outlives_the_halving_of_its_batch(shop: Database) -> None:
    rows: list[Json] = [
        {"code": "leaf", "parent": {"key": "twig"}},
        {"code": "first", "slug": "same"},
        {"code": "second", "slug": "same"},
        {"code": "twig"},
    ]
    results = written(shop, "category", *rows, policy=Policy.SKIP_INVALID)
    assert [result.outcome for result in results] == ["created", "created", "refused", "created"]


def test_a_channel_that_names_no_prefix_of_its_orders_gets_one(shop: Database) -> None:
    assert written(shop, "channel", {"code": "pop-up_1", "currency": "EUR"})[0].errors == ()
    assert all_rows(shop, "SELECT order_prefix FROM channel WHERE code = 'pop-up_1'") == [("POP-UP-1-",)]


def test_a_stale_version_is_refused_with_the_current_one(shop: Database) -> None:
    number = written(shop, "product", shirt())[0].id
    written(shop, "product", {"slug": "shirt-1", "name": {"en": "Newer"}})
    with shop.write(WRITER) as tx:
        result = save(tx, "product", [{"id": number, "name": {"en": "Late"}}], if_version=[1])[0]
    assert (result.errors[0].code, getattr(result.errors[0], "version", None)) == (Code.CONFLICT, 2)
    assert all_rows(shop, "SELECT name->>'en' FROM product") == [("Newer",)]


def test_create_refuses_what_exists_and_update_what_does_not(shop: Database) -> None:
    written(shop, "product", shirt())
    assert refused(shop, "product", shirt(), mode=Mode.CREATE).code is Code.DUPLICATE
    assert refused(shop, "product", {"slug": "none", "name": {}}, mode=Mode.UPDATE).code is Code.NOT_FOUND


def test_an_order_takes_names_and_sums_from_what_it_holds(shop: Database) -> None:
    written(shop, "product", shirt())
    lines = [
        {"variant": {"key": "shirt-1-red"}, "quantity": 3, "unit_price": "9.90", "discount": "1.00"},
        {"name": "Gift wrap", "quantity": 1, "unit_price": "2"},
    ]
    made = {"channel": {"key": "web"}, "status": "placed", "shipping_total": "4.90", "lines": lines}
    assert written(shop, "order", made)[0].outcome == "created"
    assert all_rows(shop, 'SELECT number, currency, subtotal::text, total::text FROM "order"') == [
        ("WEB-1001", "EUR", "30.70", "35.60")
    ]
    assert all_rows(shop, "SELECT name, sku FROM order_line ORDER BY position") == [
        ("Hemd", "shirt-1-red"),
        ("Gift wrap", None),
    ]


def test_an_order_that_does_not_add_up_is_refused(shop: Database) -> None:
    row = {
        "channel": {"key": "web"},
        "subtotal": "5",
        "lines": [{"name": "a", "quantity": 1, "unit_price": "4"}],
    }
    assert (
        refused(shop, "order", row).message
        == 'The subtotal of order "WEB-1001" is 5, but its lines add up to 4.'
    )


def test_a_line_that_moves_by_sql_must_leave_both_orders_adding_up(shop: Database) -> None:
    line = {"name": "a", "quantity": 1, "unit_price": "5"}
    for number in ("o-1", "o-2"):
        written(shop, "order", {"number": number, "channel": {"key": "web"}, "lines": [line]})
    moved = """
        WITH own AS (SELECT id FROM "order" WHERE number = 'o-1'),
            other AS (UPDATE "order" SET subtotal = 10, total = 10 WHERE number = 'o-2' RETURNING id)
        UPDATE order_line SET position = 9, order_id = other.id FROM own, other WHERE order_id = own.id
    """
    with pytest.raises(sa.exc.IntegrityError, match='subtotal of order "o-1" is 5'):
        _run(shop, moved)


def _run(database: Database, statement: str) -> None:
    with database.write(WRITER) as tx:
        tx.execute(sa.text(statement))


def test_one_number_and_one_address_have_one_form_also_by_sql(shop: Database) -> None:
    written(shop, "product", shirt())
    gtin = "INSERT INTO identifier (product_id, variant_id, type, value) SELECT product_id, id, 'gtin', '{}' FROM variant WHERE sku = '{}'"
    _run(shop, gtin.format("4006381333931", "shirt-1-red"))
    with pytest.raises(sa.exc.IntegrityError, match="uq_identifier_gtin"):
        _run(shop, gtin.format("04006381333931", "shirt-1-blue"))
    first, second = (
        one.id for one in written(shop, "customer", {"given_name": "Ada"}, {"given_name": "Eve"})
    )
    email = "INSERT INTO customer_identifier (customer_id, type, value, verified) VALUES ({}, 'email', '{}', true)"
    _run(shop, email.format(first, "Ada@example.com"))
    with pytest.raises(sa.exc.IntegrityError, match="uq_customer_identifier_verified"):
        _run(shop, email.format(second, "ada@example.com"))


@pytest.mark.parametrize(
    "texts", ['{"de": {"a": 1}}', '{"de": ["a"]}', '{"de": 5}', '{"de": null}', '["de"]']
)
def test_a_text_is_a_text_also_by_sql(shop: Database, texts: str) -> None:
    written(shop, "product", shirt())
    with pytest.raises(sa.exc.IntegrityError, match="ck_product_name_"):
        _run(shop, f"UPDATE product SET name = '{texts}'".replace(":", "\\:"))


def test_what_sql_writes_into_a_variant_meanwhile_is_not_lost(shop: Database) -> None:
    written(shop, "product", shirt())
    later = shirt(variants=[{"sku": "shirt-1-red", "attributes": [{"code": "rating", "value": 4}]}])
    with ThreadPoolExecutor(1) as pool, shop.write(WRITER) as tx:
        tx.execute(
            sa.text("""UPDATE variant SET attributes = attributes || '{"organic": {"*": {"*": true}}}'""")
        )
        waiting = pool.submit(written, shop, "product", later)
        with pytest.raises(TimeoutError):
            waiting.result(0.5)
        tx.commit()
        assert waiting.result(10)[0].outcome == "updated"
    (stored,) = all_rows(shop, "SELECT attributes FROM variant WHERE sku = 'shirt-1-red'")[0]
    assert stored == {"organic": {"*": {"*": True}}, "rating": {"*": {"*": 4}}}


@pytest.mark.parametrize("row", [{"slug": "shirt-1"}, {"external_ids": [{"system": "erp", "id": "1"}]}])
def test_two_upserts_of_one_new_object_make_it_once_and_update_it(shop: Database, row: Json) -> None:
    first, second = ({**row, "type": {"key": "shirt"}, "name": {code: "Shirt"}} for code in ("en", "de"))
    with ThreadPoolExecutor(1) as pool, shop.write(WRITER) as tx:
        made = save(tx, "product", [first])[0]
        waiting = pool.submit(written, shop, "product", second)
        with pytest.raises(TimeoutError):
            waiting.result(0.5)
        tx.commit()
        later = waiting.result(10)[0]
    assert (made.outcome, later.outcome, later.id) == ("created", "updated", made.id)
    assert all_rows(shop, "SELECT name FROM product") == [({"en": "Shirt", "de": "Shirt"},)]


@pytest.mark.parametrize(
    ("type_", "rules", "said"),
    [
        ("decimal", {"min": "abc"}, '"abc" is not a decimal number'),
        ("date", {"max": "tomorrow"}, '"tomorrow" is not a date'),
        ("text", {"pattern": "("}, "no regular expression"),
        ("text", {"max_length": "x"}, "not a whole number"),
        ("reference", {"to": "stock"}, '"stock" is not one of product, asset'),
        ("table", {"columns": ["size"]}, "names no columns"),
        ("table", {"columns": {"size": "nonsense"}}, '"nonsense" is not one of'),
    ],
)
def test_a_rule_that_no_value_could_be_held_against_is_refused(
    shop: Database, type_: str, rules: Json, said: str
) -> None:
    error = refused(shop, "attribute", {"code": "new", "type": type_, "rules": rules})
    assert (error.code, error.path) == (Code.INVALID, ("rules",))
    assert said in error.message


@pytest.mark.parametrize(
    "reference",
    [
        {"id": 2**63},
        {"id": True},
        {"key": "a\x00"},
        {"external_id": {"system": [], "id": "1"}},
        {"external_id": {"system": "erp", "id": 1}},
    ],
)
def test_what_names_nothing_is_refused_and_not_asked_for(shop: Database, reference: Json) -> None:
    written(shop, "attribute", {"code": "goes_with", "type": "reference", "rules": {"to": "product"}})
    for row in ({"type": reference}, {"attributes": [{"code": "goes_with", "value": reference}]}):
        assert refused(shop, "product", shirt(**row)).code is Code.INVALID


@pytest.mark.parametrize(
    ("type_", "least", "before"),
    [
        ("date", "2020-01-01", "2019-12-31"),
        ("datetime", "2020-01-01T01:00:00+01:00", "2019-12-31T23:59:59.5Z"),
    ],
)
def test_dates_keep_their_limits(shop: Database, type_: str, least: str, before: str) -> None:
    written(shop, "attribute", {"code": "since", "type": type_, "rules": {"min": least}})
    good, bad = (shirt(attributes=[{"code": "since", "value": one}]) for one in (least, before))
    assert "is before" in refused(shop, "product", bad).message
    assert written(shop, "product", good)[0].outcome == "created"


def test_a_moment_that_no_calendar_has_is_refused(shop: Database) -> None:
    listing = {"channel": {"key": "web"}, "starts_at": "0001-01-01T00:00:00+14:00"}
    assert refused(shop, "product", shirt(listings=[listing])).code is Code.INVALID


def test_a_slug_that_was_leads_on_until_it_is_taken(shop: Database) -> None:
    number = written(shop, "product", shirt())[0].id
    written(shop, "product", {"id": number, "slug": "renamed"})
    assert all_rows(shop, "SELECT slug, entity_id FROM former_slug") == [("shirt-1", number)]
    written(shop, "product", shirt("shirt-1", variants=[]))
    assert all_rows(shop, "SELECT * FROM former_slug") == []


def test_every_value_knows_who_wrote_it(shop: Database) -> None:
    written(shop, "product", shirt())
    with shop.write(WRITER) as tx:
        save(tx, "product", [{"slug": "shirt-1", "attributes": [{"code": "rating", "value": 4}]}])
    (provenance,) = all_rows(shop, "SELECT provenance FROM product")[0]
    assert provenance["*"][:2] == ["erp", "test"]
    assert provenance["attributes/rating/*/*"][:2] == ["erp", "test"]
