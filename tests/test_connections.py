"""Pages by key: forwards, backwards, at their edges, over ties and nulls, and while rows come and go."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from hub.db import Database
from hub.errors import Code
from schema import sql
from tests.reading import Asking, asking, fill, names
from tests.shop import all_rows, opened, shirt, written

COUNT = 23
SORTS = [
    "{field: ID}",
    "{field: ID, direction: DESC}",
    "{field: SLUG}",
    "{field: NAME}",
    "{field: NAME, direction: DESC}",
    "{field: UPDATED_AT}",
    "{field: UPDATED_AT, direction: DESC}",
]


@pytest.fixture(scope="module")
def ask(module_database: Database) -> Iterator[Asking]:
    """Products whose names repeat, or are missing."""
    opened(module_database)
    texts = [{"en": "One"}, {"en": "two"}, {}, {"en": "ONE"}, {"de": "Öhr"}]
    rows = [shirt(f"p{number:02}", name=texts[number % 5], variants=[]) for number in range(COUNT)]
    written(module_database, "product", *rows)
    variants = [{"sku": f"v{number:02}", "position": number % 3} for number in range(7)]
    written(
        module_database,
        "product",
        *({"slug": slug, "variants": _own(variants, slug)} for slug in ("p00", "p01")),
    )
    with asking(module_database) as asks:
        yield asks


def _own(variants: list[dict[str, Any]], slug: str) -> list[dict[str, Any]]:
    return [
        each | {"sku": f"{slug}-{each['sku']}", "axes": {"colour": "01"} if n == 0 else {}}
        for n, each in enumerate(variants)
    ]


def page(ask: Asking, arguments: str, fields: str = "nodes { slug }") -> Any:
    info = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
    return ask(f'{{ products({arguments}, channel: "web") {{ {fields} {info} edges {{ cursor }} }} }}')[
        "products"
    ]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("size", [1, 4, 23, 24])
def test_pages_forwards_give_the_whole_list_once(ask: Asking, sort: str, size: int) -> None:
    whole = names(page(ask, f"sort: {sort}, first: 100"))
    assert sorted(whole) == [f"p{number:02}" for number in range(COUNT)]
    seen: list[str] = []
    after = ""
    while True:
        found = page(ask, f"sort: {sort}, first: {size}{after}")
        seen += names(found)
        assert found["pageInfo"]["hasPreviousPage"] is bool(after)
        if not found["pageInfo"]["hasNextPage"]:
            break
        after = f', after: "{found["pageInfo"]["endCursor"]}"'
    assert seen == whole


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("size", [1, 4, 24])
def test_pages_backwards_give_the_same_list(ask: Asking, sort: str, size: int) -> None:
    whole = names(page(ask, f"sort: {sort}, first: 100"))
    seen: list[str] = []
    before = ""
    while True:
        found = page(ask, f"sort: {sort}, last: {size}{before}")
        seen = names(found) + seen
        assert found["pageInfo"]["hasNextPage"] is bool(before)
        if not found["pageInfo"]["hasPreviousPage"]:
            break
        before = f', before: "{found["pageInfo"]["startCursor"]}"'
    assert seen == whole


@pytest.mark.parametrize("sort", SORTS)
def test_every_cursor_splits_the_list_at_its_row(ask: Asking, sort: str) -> None:
    found = page(ask, f"sort: {sort}, first: 100")
    whole, cursors = names(found), [edge["cursor"] for edge in found["edges"]]
    for place in (0, 9, COUNT - 1):
        assert names(page(ask, f'sort: {sort}, first: 100, after: "{cursors[place]}"')) == whole[place + 1 :]
        assert names(page(ask, f'sort: {sort}, last: 100, before: "{cursors[place]}"')) == whole[:place]
    between = f'sort: {sort}, after: "{cursors[4]}", before: "{cursors[8]}"'
    assert names(page(ask, f"{between}, first: 2")) == whole[5:7]
    assert names(page(ask, f"{between}, last: 2")) == whole[6:8]


def test_nulls_come_last_in_either_direction(ask: Asking) -> None:
    for direction in ("ASC", "DESC"):
        shown = page(ask, f"sort: {{field: NAME, direction: {direction}}}, first: 100", "nodes { name }")
        found = names(shown, "name")
        assert found[-5:].count(None) == found.count(None) > 0


def test_edges_of_pages(ask: Asking) -> None:
    empty = page(ask, "first: 0")
    assert empty["nodes"] == []
    assert empty["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": None,
        "endCursor": None,
    }
    none = page(ask, 'filter: {slug: {eq: "none"}}')
    assert none["pageInfo"]["hasNextPage"] is False
    assert len(page(ask, "first: null")["nodes"]) == 20
    assert len(page(ask, "sort: null, filter: null")["nodes"]) == 20
    whole = page(ask, f"first: {COUNT}")
    assert (len(whole["nodes"]), whole["pageInfo"]["hasNextPage"]) == (COUNT, False)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ("first: 101", Code.LIMIT, "101"),
        ("last: 101", Code.LIMIT, "101"),
        ("first: -1", Code.INVALID, "-1"),
        ("first: 1, last: 1", Code.INVALID, "first and last"),
        ('after: ""', Code.INVALID, "cursor"),
        ('after: "zzzz"', Code.INVALID, "zzzz"),
        ('before: "bnVsbA"', Code.INVALID, "bnVsbA"),
    ],
)
def test_a_page_that_is_none_is_refused_by_name(ask: Asking, arguments: str, code: Code, says: str) -> None:
    refusal = ask.refused(f'{{ products({arguments}, channel: "web") {{ nodes {{ slug }} }} }}')
    assert refusal.code is code
    assert says in refusal.message


def test_a_cursor_of_another_order_is_refused(ask: Asking) -> None:
    by_id = page(ask, "first: 1")["pageInfo"]["endCursor"]
    for other in ("sort: {field: NAME}", "sort: {field: ID, direction: DESC}", "sort: {field: UPDATED_AT}"):
        refusal = ask.refused(
            f'{{ products({other}, after: "{by_id}", channel: "web") {{ nodes {{ slug }} }} }}'
        )
        assert "belongs to another list or order" in refusal.message
    by_name = page(ask, "first: 1, sort: {field: NAME}")["pageInfo"]["endCursor"]
    query = '{{ products(sort: {{field: NAME}}, after: "{0}", channel: "web", locale: "en") {{ nodes {{ slug }} }} }}'
    assert ask.refused(query.format(by_name)).code is Code.INVALID


@pytest.mark.parametrize("value", [2**63, -(2**63), 1.5, "x", None, True, [1]])
def test_a_forged_cursor_never_reaches_the_database(ask: Asking, value: Any) -> None:
    cursor = page(ask, "first: 1")["pageInfo"]["endCursor"]
    mark, _ = orjson.loads(base64.urlsafe_b64decode(cursor + "=="))
    forged = base64.urlsafe_b64encode(orjson.dumps([mark, value])).decode().rstrip("=")
    refusal = ask.refused(f'{{ products(after: "{forged}", channel: "web") {{ nodes {{ slug }} }} }}')
    assert refusal.code is Code.INVALID


def test_a_page_stays_where_it_is_while_rows_come_and_go(database: Database) -> None:
    fill(database)
    with asking(database) as asks:
        first = page(asks, "sort: {field: SLUG}, first: 2")
        assert names(first) == ["alpha", "beta"]
        written(database, "product", shirt("aaa", variants=[]))
        with database.engine.begin() as tx:
            tx.exec_driver_sql("DELETE FROM product_relation; DELETE FROM product WHERE slug = 'beta'")
        rest = page(asks, f'sort: {{field: SLUG}}, first: 2, after: "{first["pageInfo"]["endCursor"]}"')
        assert names(rest) == ["draft", "gamma"]


def test_a_list_below_pages_by_itself(ask: Asking) -> None:
    query = """query($after: String) { products(first: 2, channel: "web") { nodes { slug
        variants(first: 3, after: $after) { totalCount totalCountCapped nodes { sku position }
            pageInfo { hasNextPage hasPreviousPage endCursor } } } } }"""
    one, two = ask(query)["products"]["nodes"]
    for shown, slug in ((one, "p00"), (two, "p01")):
        assert shown["variants"]["totalCount"] == 7
        assert shown["variants"]["totalCountCapped"] is False
        assert names(shown["variants"], "sku") == [f"{slug}-v00", f"{slug}-v03", f"{slug}-v06"]
        assert shown["variants"]["pageInfo"]["hasNextPage"] is True
    after = one["variants"]["pageInfo"]["endCursor"]
    more = ask(query, after=after)["products"]["nodes"][0]["variants"]
    assert names(more, "sku") == ["p00-v01", "p00-v04", "p00-v02"]
    assert more["pageInfo"]["hasPreviousPage"] is True
    backwards = ask(
        '{ product(slug: "p00") { variants(last: 2) { nodes { sku } pageInfo { hasPreviousPage } } } }'
    )
    shown = backwards["product"]["variants"]
    assert names(shown, "sku") == ["p00-v02", "p00-v05"]
    assert shown["pageInfo"]["hasPreviousPage"] is True


def test_the_total_does_not_depend_on_the_page(ask: Asking) -> None:
    cursor = page(ask, "first: 5")["pageInfo"]["endCursor"]
    for arguments in ("first: 1", f'first: 1, after: "{cursor}"', "last: 3"):
        assert page(ask, arguments, "totalCount totalCountCapped") | {"pageInfo": 0, "edges": 0} == {
            "totalCount": COUNT,
            "totalCountCapped": False,
            "pageInfo": 0,
            "edges": 0,
        }


def test_a_total_says_when_it_stopped_counting(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    query = '{ products(channel: "web") { totalCount totalCountCapped } }'
    monkeypatch.setattr(sql, "COUNT_CAP", COUNT)
    assert ask(query)["products"] == {"totalCount": COUNT, "totalCountCapped": False}
    monkeypatch.setattr(sql, "COUNT_CAP", COUNT - 1)
    assert ask(query)["products"] == {"totalCount": COUNT - 1, "totalCountCapped": True}
    below = '{ products(first: 1, channel: "web") { nodes { variants { totalCount totalCountCapped } } } }'
    monkeypatch.setattr(sql, "COUNT_CAP", 6)
    assert ask(below)["products"]["nodes"][0]["variants"] == {"totalCount": 6, "totalCountCapped": True}


def test_a_page_reads_one_row_more_than_it_shows(ask: Asking) -> None:
    """The golden text of a page: keys first, one row more, the rows after."""
    from schema.context import Scope
    from schema.nouns import load
    from schema.sort import ordering

    frame = sql.Frame(load()["Locale"])
    keys = ordering(frame, Scope(), None)
    text = str(sql.page(frame, [], keys, sql.Window(limit=3, after=(7,))))
    assert " ".join(text.split()).startswith("SELECT locale_1.id AS id")
    chosen = text[text.index("FROM (") :]
    assert "locale_2.id > " in chosen
    assert chosen.index("LIMIT") < chosen.index("AS page")
    assert all_rows(ask.database, "SELECT count(*) FROM locale") == [(2,)]
