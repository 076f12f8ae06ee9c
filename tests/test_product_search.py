"""``products(search:)``: the index finds and ranks, PostgreSQL tells, and whoever may not see it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.db import Database
from hub.errors import Code
from hub.viewer import Viewer
from search.rebuild import rebuild
from search.tantivy_index import TantivyIndex
from tests.reading import PREVIEWING, STAFF, STOREFRONT, Asking, asking, fill, names


@pytest.fixture(scope="module")
def ask(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    fill(module_database)
    index = TantivyIndex(tmp_path_factory.mktemp("search"))
    rebuild(module_database, index)
    with asking(module_database) as opened:
        opened.extras["search"] = index
        yield opened


def found(ask: Asking, arguments: str, viewer: Viewer = STAFF) -> list[str]:
    return names(ask(f"{{ products({arguments}) {{ nodes {{ slug }} }} }}", viewer)["products"])


def test_a_search_finds_by_text_and_by_number(ask: Asking) -> None:
    assert found(ask, 'search: "beta shirt", channel: "web", locale: "en"')[0] == "beta"
    assert found(ask, 'search: "4006381333931", channel: "web"') == ["alpha"]
    assert found(ask, 'search: "alpha-blue", channel: "web"')[0] == "alpha"


def test_a_storefront_searches_what_is_on_offer(ask: Asking) -> None:
    assert set(found(ask, 'search: "shirt", channel: "web", locale: "en"', STOREFRONT)) == {"alpha", "beta"}
    assert found(ask, 'search: "shirt", channel: "us", locale: "en"', STOREFRONT) == []
    later = 'search: "shirt", channel: "web", locale: "en", asOf: "2032-01-01T00:00:00Z"'
    assert set(found(ask, later, PREVIEWING)) == {"alpha", "gamma"}


def test_staff_search_everything_and_narrow_it_by_filters(ask: Asking) -> None:
    assert set(found(ask, 'search: "shirt"')) == {"alpha", "beta", "gamma"}
    assert set(found(ask, 'search: "shirt", channel: "web", locale: "en", filter: {listed: true}')) == {
        "alpha",
        "beta",
    }
    arguments = 'search: "shirt", channel: "web", locale: "en", filter: {attribute: {code: "rating", eq: 5}}'
    assert found(ask, arguments) == ["beta"]


def test_a_search_pages_by_cursor_and_counts(ask: Asking) -> None:
    query = """query($after: String) { products(search: "shirt", first: 1, after: $after) {
        totalCount totalCountCapped nodes { slug } edges { cursor node { slug } }
        pageInfo { hasNextPage hasPreviousPage endCursor } } }"""
    whole, seen, after = found(ask, 'search: "shirt"'), [], None
    for place in range(3):
        page = ask(query, after=after)["products"]
        assert (page["totalCount"], page["totalCountCapped"]) == (3, False)
        assert page["edges"][0]["node"] == page["nodes"][0]
        assert page["pageInfo"]["hasNextPage"] is (place < 2)
        seen += names(page)
        after = page["pageInfo"]["endCursor"]
    assert seen == whole


@pytest.mark.parametrize("step", [1, 2, 1_000])
def test_a_filter_that_takes_very_many_is_asked_of_the_hits(
    ask: Asking, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = """query($after: String, $first: Int) { products(search: "shirt", filter: {not: {slug: {eq: "beta"}}},
        first: $first, after: $after) { totalCount totalCountCapped nodes { slug } pageInfo { hasNextPage endCursor } } }"""
    whole = ask(query, first=10)["products"]
    assert set(names(whole)) == {"alpha", "gamma"}
    monkeypatch.setattr("schema.product_search.MOST_WITHIN", 1)
    monkeypatch.setattr("schema.product_search.STEP", step)
    again = ask(query, first=10)["products"]
    assert {**again, "pageInfo": None} == {**whole, "pageInfo": None}
    seen, after = list[str](), None
    for place in range(2):
        page = ask(query, first=1, after=after)["products"]
        assert (page["totalCount"], page["pageInfo"]["hasNextPage"]) == (2, place == 0)
        seen += names(page)
        after = page["pageInfo"]["endCursor"]
    assert seen == names(whole)


def test_hits_are_asked_of_up_to_where_one_can_page(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schema.product_search.MOST_WITHIN", 0)
    monkeypatch.setattr("schema.product_search.STEP", 1)
    monkeypatch.setattr("search.query.DEEPEST", 2)
    query = '{ products(search: "shirt", filter: {not: {slug: {eq: "none"}}}) { totalCount totalCountCapped nodes { slug } } }'
    page = ask(query)["products"]
    assert (page["totalCount"], page["totalCountCapped"], len(names(page))) == (2, True, 2)


def test_a_search_takes_no_other_order(ask: Asking) -> None:
    for more in ("sort: {field: NAME}", "last: 2", 'before: "x"'):
        refusal = ask.refused(f'{{ products(search: "shirt", {more}) {{ nodes {{ slug }} }} }}')
        assert refusal.code is Code.INVALID


def test_what_the_index_still_names_is_not_shown_to_a_storefront(ask: Asking) -> None:
    """The index lags behind: a listing that ended since must not show."""
    query = '{ products(search: "beta", channel: "web", locale: "en") { nodes { slug } } }'
    assert names(ask(query, STOREFRONT)["products"]) == ["beta"]
    with ask.database.engine.begin() as tx:
        beta = "(SELECT id FROM product WHERE slug = 'beta')"
        tx.exec_driver_sql(f"UPDATE listing SET ends_at = now() WHERE product_id = {beta}")
    assert names(ask(query, STOREFRONT)["products"]) == []


def test_without_an_index_only_the_search_is_refused(ask: Asking, tmp_path: Path) -> None:
    working, ask.extras["search"] = ask.extras["search"], TantivyIndex(tmp_path)
    answer = ask.answer('{ products(search: "shirt") { nodes { slug } } product(slug: "alpha") { slug } }')
    ask.extras["search"] = working
    assert answer.data == {"products": None, "product": {"slug": "alpha"}}
    (error,) = answer.errors
    assert error.extensions["code"] == "SEARCH_UNAVAILABLE"
    assert "hub search rebuild" in error.message
