"""Events of search: recorded, counted once, told of nobody, and forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hub import search_event
from hub.db import HUB, Database
from hub.erasure import Person
from hub.ids import encode
from hub.token import Wish
from search.recording import Recorder
from tests.running import Server, wait_until
from tests.searching import SHOP, WEB, Shop, eventually
from tests.shop import all_rows

SEARCH = """query($query: String!, $session: String) {
  productSearch(query: $query, channel: "web", locale: "de", session: $session) { queryId nodes { id } } }"""
SEND = """mutation($events: [SearchEventInput!]!) { searchEvent(events: $events, channel: "web", locale: "de") {
  recorded known userErrors { field code message } } }"""
REPORT = """query($kind: SearchReportKind!, $since: DateTime, $until: DateTime) {
  searchReport(kind: $kind, channel: "web", since: $since, until: $until) {
    query asked sessions withoutResults results clicked clicks carts orders clickRate position } }"""


@pytest.fixture(scope="module")
def shop(module_server: Server) -> Shop:
    made = Shop(module_server.database, module_server.settings.var / "search")
    made.write(SHOP)
    wait_until(lambda: module_server.get("/ready")[0] == 200)
    for name in ("Lampe rot", "Lampe blau"):
        made.product({"de": name})
    eventually(lambda: len(made.ask("lampe")) == 2)
    return made


@pytest.fixture
def hub(module_server: Server, shop: Shop) -> Server:
    shop.write("DELETE FROM search_event")
    return module_server


@pytest.fixture(scope="module")
def storefront(module_server: Server, shop: Shop) -> str:
    assert shop.database is module_server.database
    return module_server.new_token(Wish(kind="storefront", name="shop", channels=("web",)))


def test_who_names_an_answer_that_there_is_not_is_told(hub: Server, storefront: str) -> None:
    told = SEND.replace("recorded known", "recorded known unknown")
    own = hub.data(SEARCH, {"query": "Lampe"}, token=storefront)["productSearch"]
    product = own["nodes"][0]["id"]
    click = {"kind": "CLICK", "product": product}
    query = {"kind": "QUERY", "queryId": "elsewhere", "query": "Lampe"}

    def unknown(*events: Any) -> int:
        answer = hub.data(told, {"events": list(events)}, token=storefront)["searchEvent"]
        assert (answer["recorded"], answer["userErrors"]) == (len(events), [])
        return int(answer["unknown"])

    # The hub's own is known before it is noted.
    assert unknown({**click, "queryId": own["queryId"]}) == 0
    assert unknown({**click, "queryId": "elsewhere"}, {**click, "queryId": own["queryId"][::-1]}) == 2
    assert unknown(query, {**click, "queryId": "elsewhere"}) == 0
    assert unknown({**click, "queryId": "elsewhere"}) == 0
    # The query is noted beside its answer: not among the events of whoever comes next.
    wait_until(lambda: count(hub) == 7)


def count(hub: Server) -> int:
    return int(all_rows(hub.database, "SELECT count(*) FROM search_event")[0][0])


def send(hub: Server, token: str, *events: Any) -> Any:
    return hub.data(SEND, {"events": list(events)}, token=token)["searchEvent"]


def report(hub: Server, kind: str, **period: Any) -> Any:
    return hub.data(REPORT, {"kind": kind, **period})["searchReport"]


def test_queries_are_noted_and_what_came_of_them_is_told(hub: Server, storefront: str) -> None:
    answers = [
        hub.data(SEARCH, {"query": text, "session": session}, token=storefront)["productSearch"]
        for text, session in (("Lampe", "a"), ("lampe ", "b"), ("Drache", "a"))
    ]
    wait_until(lambda: count(hub) == 3)
    first = answers[0]
    clicked = {"queryId": first["queryId"], "product": first["nodes"][1]["id"], "session": "a"}
    events = [{**clicked, "kind": "CLICK", "position": 2}, {**clicked, "kind": "ORDER"}]
    assert send(hub, storefront, *events) == {"recorded": 2, "known": 0, "userErrors": []}
    top = report(hub, "TOP")
    assert top[0] == {
        "query": "lampe",
        "asked": 2,
        "sessions": 2,
        "withoutResults": 0,
        "results": 2.0,
        "clicked": 1,
        "clicks": 1,
        "carts": 0,
        "orders": 1,
        "clickRate": 0.5,
        "position": 2.0,
    }
    assert [(row["query"], row["withoutResults"]) for row in report(hub, "ZERO_RESULTS")] == [("drache", 1)]


def test_rarely_clicked_queries_come_first(hub: Server, storefront: str) -> None:
    def query(text: str, number: int, results: int = 5) -> Any:
        return {"kind": "QUERY", "queryId": f"{text}-{number}", "query": text, "results": results}

    product = encode("product", 1)
    events = [query(text, number) for text in ("good", "bad") for number in range(6)]
    events += [
        {"kind": "CLICK", "queryId": f"good-{each}", "product": product, "position": 1} for each in range(6)
    ]
    events += [query("rare", 1), *(query("nothing", number, 0) for number in range(6))]
    assert send(hub, storefront, *events)["recorded"] == len(events)
    assert [(row["query"], row["clickRate"]) for row in report(hub, "LOW_CLICKS")] == [
        ("bad", 0),
        ("good", 1),
    ]


def test_an_event_that_is_sent_again_counts_once(hub: Server, storefront: str) -> None:
    event = {"kind": "CLICK", "queryId": "q", "product": encode("product", 1), "key": "k1"}
    assert send(hub, storefront, event)["recorded"] == 1
    assert send(hub, storefront, event, {**event, "key": "k2"}) == {
        "recorded": 1,
        "known": 1,
        "userErrors": [],
    }
    assert count(hub) == 2


@pytest.mark.parametrize(
    ("event", "code", "field"),
    [
        ({"kind": "CLICK", "queryId": "q"}, "REQUIRED", "product"),
        ({"kind": "QUERY", "queryId": "q"}, "REQUIRED", "query"),
        ({"kind": "CLICK", "queryId": "", "product": encode("product", 1)}, "INVALID", "queryId"),
        ({"kind": "CLICK", "queryId": "q", "product": "x"}, "INVALID", "product"),
        (
            {"kind": "CLICK", "queryId": "q", "product": encode("product", 1), "position": 0},
            "INVALID",
            "position",
        ),
        (
            {"kind": "CLICK", "queryId": "q", "product": encode("product", 1), "at": "2001-01-01T00:00:00Z"},
            "INVALID",
            "at",
        ),
    ],
)
def test_wrong_events_are_refused_all_together(
    hub: Server, storefront: str, event: Any, code: str, field: str
) -> None:
    good = {"kind": "CLICK", "queryId": "q", "product": encode("product", 1)}
    answer = send(hub, storefront, good, event)
    assert [(each["code"], each["field"]) for each in answer["userErrors"]] == [
        (code, ["events", "1", field])
    ]
    assert (answer["recorded"], count(hub)) == (0, 0)


def test_reports_are_for_staff(hub: Server, storefront: str) -> None:
    plain = hub.new_token(Wish(kind="app", name="plain", scopes=("catalogue:read",)))
    for token in (storefront, plain):
        answer = hub.graphql(REPORT, {"kind": "TOP"}, token=token)
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    wrong = hub.graphql(
        REPORT, {"kind": "TOP", "since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
    )
    assert wrong["errors"][0]["extensions"]["code"] == "INVALID"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Rote   LAMPE ", "rote lampe"),
        ("lamp ada.lovelace@example.com please", "lamp [e-mail] please"),
        ("call +43 664 123 45 67", "call [number]"),
        ("4006381333931", "4006381333931"),
        ("card 4111 1111 1111 1111", "card [number]"),
        ("iphone 15 128", "iphone 15 128"),
        ("a\0b", "a b"),
    ],
)
def test_addresses_and_long_numbers_are_covered(typed: str, kept: str) -> None:
    assert search_event.covered(typed) == kept


def test_no_session_is_kept_as_it_was_sent(hub: Server, storefront: str) -> None:
    event = {"kind": "CLICK", "queryId": "q", "product": encode("product", 1), "session": "ada@example.com"}
    send(hub, storefront, event)
    ((kept,),) = all_rows(hub.database, "SELECT session FROM search_event")
    assert bytes(kept) == search_event.session_hash(hub.settings.secret, "ada@example.com")
    assert b"ada" not in bytes(kept)


def test_what_waits_is_written_when_the_server_stops(hub: Server) -> None:
    recorder = Recorder(hub.database, "secret")
    for number in range(2_500):
        recorder.query(f"word{number}", WEB, "de", 1, None)
    recorder.close()
    assert count(hub) == 2_500


def test_a_share_of_all_queries_may_be_noted(hub: Server) -> None:
    recorder = Recorder(hub.database, "secret", 0.0)
    assert recorder.query("word", WEB, "de", 1, None)
    recorder.close()
    assert count(hub) == 0


def test_queries_wait_while_the_database_is_away(hub: Server) -> None:
    away = Database(str(hub.settings.database_url).rsplit("/", 1)[0] + "/nowhere")
    recorder = Recorder(away, "secret")
    recorder.query("word", WEB, "de", 1, None)
    assert recorder._write() is False
    recorder._database = hub.database
    recorder.close()
    away.close()
    assert count(hub) == 1


def test_old_events_are_forgotten_and_erasure_reaches_them(hub: Server, shop: Shop) -> None:
    old = datetime.now(UTC) - timedelta(days=91)
    base = {"kind": "query", "query_id": "q", "channel_id": WEB, "results": 1}
    with shop.database.write(HUB) as tx:
        rows = [
            {**base, "query": "ada lovelace", "at": datetime.now(UTC)},
            {**base, "query": "old", "at": old},
        ]
        search_event.record(tx, rows)
        assert search_event.purge(tx, 90) is False
        assert list(tx.scalars(sa.text("SELECT query FROM search_event"))) == ["ada lovelace"]
        person = Person((), (), (("ada", "lovelace"),))
        assert search_event.erase(tx, person)["search_event"] == 1
    assert count(hub) == 0


def test_what_words_are_not_to_blame_for_is_no_query_without_results(hub: Server, storefront: str) -> None:
    def query(text: str, **more: Any) -> Any:
        return {"kind": "QUERY", "queryId": text, "query": text, "results": 0, **more}

    filtered = """{ productSearch(query: "lampe", channel: "web", locale: "de", filter: { price: { gt: "9000" } }) {
      nodes { id } } }"""
    assert hub.data(filtered, token=storefront)["productSearch"]["nodes"] == []
    for text in ("\u0007\u001b", "?!*", "zebra"):
        hub.data(SEARCH, {"query": text}, token=storefront)
    send(hub, storefront, query("!!!"), query("kanne", filtered=True), query("a\u0007b"))
    eventually(lambda: count(hub) == 5)
    assert {row["query"] for row in report(hub, "ZERO_RESULTS")} == {"zebra", "a b"}
    assert {row["query"] for row in report(hub, "TOP")} >= {"lampe", "kanne"}
