"""Suggestions while somebody types."""

from __future__ import annotations

from typing import Any

import pytest

from hub.token import Wish
from schema import search_suggest
from search import suggest
from tests.running import Server, wait_until
from tests.searching import MARKET, SHOP, WEB, Shop, eventually

SUGGEST = """query($text: String!, $channel: String, $locale: String, $first: Int) {
  searchSuggest(text: $text, channel: $channel, locale: $locale, first: $first) {
    queries { text highlighted } categories { text highlighted code count } brands { text count }
    products { text highlighted product { id name } } corrected } }"""


@pytest.fixture(scope="module")
def shop(module_server: Server) -> Shop:
    made = Shop(module_server.database, module_server.settings.var / "search")
    made.write(SHOP)
    made.write("UPDATE attribute SET filterable = true, searchable = true WHERE code = 'brand'")
    made.write("INSERT INTO category (code, name) VALUES ('empty', '{\"de\": \"Küchenleer\"}')")
    wait_until(lambda: module_server.get("/ready")[0] == 200)
    kettle = made.product(
        {"de": "Wasserkocher <rot>"}, attributes={"brand": {"*": {"*": "007"}}}, channels=(WEB,)
    )
    made.write("INSERT INTO product_category (product_id, category_id) VALUES (%s, 2)", kettle)
    made.product({"de": "Öko Wasserfilter"}, channels=(WEB,))
    made.product({"de": "Wasserwaage, geheim"}, channels=())
    made.product({"en": "Water bottle"}, channels=(MARKET,))
    eventually(lambda: len(made.ask("wasserfilter")) == 1)
    eventually(lambda: len(made.ask("bottle", MARKET, "en")) == 1)
    return made


@pytest.fixture(scope="module")
def storefront(module_server: Server, shop: Shop) -> str:
    assert shop.database is module_server.database
    return module_server.new_token(Wish(kind="storefront", name="shop", channels=("web", "market")))


class Typing:
    def __init__(self, server: Server, token: str) -> None:
        self.server, self.token = server, token

    def __call__(self, text: str, channel: str = "web", locale: str = "de", **more: Any) -> Any:
        variables = {"text": text, "channel": channel, "locale": locale, **more}
        return self.server.data(SUGGEST, variables, token=self.token)["searchSuggest"]

    def names(self, text: str, **more: Any) -> list[str]:
        return sorted(each["text"] for each in self(text, **more)["products"])


@pytest.fixture
def typing(module_server: Server, storefront: str) -> Typing:
    return Typing(module_server, storefront)


def test_any_word_of_a_name_may_be_begun(typing: Typing) -> None:
    assert typing.names("wass") == ["Wasserkocher <rot>", "Öko Wasserfilter"]
    assert typing.names("oko w") == ["Öko Wasserfilter"]
    assert typing.names("rot wasserk") == ["Wasserkocher <rot>"]


def test_what_was_typed_is_marked_and_the_rest_is_safe(typing: Typing) -> None:
    (found,) = typing("wasserk")["products"]
    assert found["highlighted"] == "<mark>Wasserk</mark>ocher &lt;rot&gt;"
    assert found["product"]["name"] == "Wasserkocher <rot>"


def test_a_slip_in_the_last_word_is_forgiven(typing: Typing) -> None:
    answer = typing("Wasserkoxher")
    assert ([each["text"] for each in answer["products"]], answer["corrected"]) == (
        ["Wasserkocher <rot>"],
        "wasserkocher",
    )
    assert typing.names("wasserfilfer") == ["Öko Wasserfilter"]
    assert typing("wass")["corrected"] is None


def test_a_number_may_be_begun(typing: Typing, shop: Shop) -> None:
    shop.product({"de": "Dichtung"}, sku="DI-4711-X")
    eventually(lambda: typing.names("di-471") == ["Dichtung"])


def test_categories_and_makers_with_something_on_offer_are_suggested(typing: Typing) -> None:
    answer = typing("küch")
    assert answer["categories"] == [
        {"text": "Küchen", "highlighted": "<mark>Küch</mark>en", "code": "kitchen", "count": 1}
    ]
    assert typing("wohn")["categories"][0]["count"] == 1
    assert typing("nordl")["brands"] == [{"text": "Nordlicht", "count": 1}]
    assert typing("acm")["brands"] == []
    assert typing("küch", "market", "en")["categories"] == []


def test_only_what_is_listed_is_suggested(typing: Typing, module_server: Server) -> None:
    assert typing.names("wasserwaage") == []
    assert typing.names("water", channel="market", locale="en") == ["Water bottle"]
    assert typing.names("water") == typing.names("wasserwaa") == []
    staff = Typing(module_server, module_server.token)
    assert staff.names("wasserwaage") == ["Wasserwaage, geheim"]


def test_queries_of_several_sessions_are_suggested(
    typing: Typing, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub import search_event
    from hub.db import HUB

    monkeypatch.setattr(search_suggest, "KEPT_SECONDS", 0.0)

    def ask(text: str, sessions: int, results: int = 3) -> None:
        rows = [
            {
                "kind": "query",
                "query_id": f"{text} {number}",
                "channel_id": WEB,
                "locale": "de",
                "query": search_event.covered(text),
                "results": results,
                "session": bytes([number]),
            }
            for number in range(sessions)
        ]
        with shop.database.write(HUB) as tx:
            search_event.record(tx, rows)

    ask("kaffee für büro", 4)
    ask("kaffee allein", 2)
    ask("kaffee ohne treffer", 5, results=0)
    ask("kaffee für ada@example.com", 5)
    ask("kaffee 0664 123 45 67", 5)
    with shop.database.write(HUB) as tx:
        search_event.popularise(tx)
    assert typing("kaf")["queries"] == [
        {"text": "kaffee für büro", "highlighted": "<mark>kaf</mark>fee für büro"}
    ]
    assert typing("kaf", "market", "en")["queries"] == []


def test_bad_input_is_told(module_server: Server, typing: Typing) -> None:
    empty: dict[str, Any] = {"queries": [], "categories": [], "brands": [], "products": [], "corrected": None}
    for text in ("", "  ", "?!*", "\u0000", "\U0001f600", '"'):
        assert typing(text) == empty
    for text in ("a*", "(((x", 'x"y', "[a-z]{9}", "x" * 60):
        assert typing.names(text) is not None
    for variables, code in (
        ({"text": "x" * 201}, "LIMIT"),
        ({"text": "x", "first": 21}, "LIMIT"),
        ({"text": "x", "first": 0}, "INVALID"),
    ):
        answer = module_server.graphql(SUGGEST, {"channel": "web", **variables}, token=typing.token)
        assert answer["errors"][0]["extensions"]["code"] == code


def test_a_slip_is_compared_with_beginnings() -> None:
    assert suggest.closest_beginning("wasserkox", ["wasserkocher", "wasserfilter"]) == "wasserkoc"
    assert suggest.closest_beginning("kocher", ["wasserkocher"]) is None
