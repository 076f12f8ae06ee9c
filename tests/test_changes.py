"""The feed as it is pulled: cursors and their refusals, events, a channel's view, and waiting for what comes."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa

from hub import feed, ids, sequencer, states, verify, window
from hub.db import HUB, Database
from hub.feed import Feed, Position
from hub.postgres import libpq
from hub.token import Wish
from schema.change import LONGEST_WAIT
from schema.desk import MOST_WAITERS
from tests.running import Server, make_settings, serving, wait_until
from tests.shop import WRITER, all_rows, opened, shirt, written

PAGE = """query ($after: String, $types: [String!], $channel: String, $first: Int, $wait: Int! = 0) {
    changes(after: $after, types: $types, channel: $channel, first: $first, wait: $wait) {
        nodes { sequence cursor type events entityType entityId entityVersion changedPaths { path old new } }
        edges { cursor }
        pageInfo { hasNextPage hasPreviousPage endCursor }
    }
}"""
FEED = "{ feed { epoch firstSequence lastSequence firstCursor lastCursor } }"


@pytest.fixture(scope="module")
def hub(module_server: Server) -> Server:
    opened(module_server.database)
    rows = [
        {
            "code": code,
            "currency": "EUR",
            "order_prefix": f"{code.upper()}-",
            "price_lists": [{"price_list": {"key": code}}],
        }
        for code in ("market", "till")
    ]
    written(module_server.database, "price_list", *({"code": row["code"], "currency": "EUR"} for row in rows))
    written(module_server.database, "channel", *rows)
    settled(module_server)
    return module_server


def settled(hub: Server) -> None:
    """Everything that was committed has its sequence."""
    wait_until(lambda: not waiting(hub.database))


def waiting(database: Database) -> bool:
    with database.read() as tx:
        return tx.scalar(sa.text("SELECT EXISTS (SELECT FROM pending)")) is True


def page(hub: Server, token: str | None = None, **variables: Any) -> Any:
    return hub.data(PAGE, variables, token=token)["changes"]


def all_of(hub: Server, token: str | None = None, **variables: Any) -> list[Any]:
    """Every change, page by page."""
    nodes: list[Any] = []
    while True:
        found = page(hub, token, **variables)
        nodes += found["nodes"]
        variables["after"] = found["pageInfo"]["endCursor"]
        if not found["pageInfo"]["hasNextPage"]:
            return nodes


def end(hub: Server) -> str:
    settled(hub)
    return str(hub.data(FEED)["feed"]["lastCursor"])


def refusal(hub: Server, token: str | None = None, **variables: Any) -> tuple[str, str]:
    (error,) = hub.graphql(PAGE, variables, token=token)["errors"]
    return error["extensions"]["code"], error["message"]


def bound(hub: Server, *channels: str) -> str:
    scopes = ("feed:read", "catalogue:read", "orders:read", "stock:read", "settings:read", "customers:read")
    return hub.new_token(Wish(kind="app", name="app", scopes=scopes, channels=channels))


def paths(nodes: list[Any]) -> list[str]:
    return [path["path"] for node in nodes for path in node["changedPaths"]]


def event(nodes: list[Any]) -> list[list[str]]:
    return [node["events"] for node in nodes]


# Cursors


def test_the_feed_names_its_ends_and_both_cursors_read(hub: Server) -> None:
    ends = hub.data(FEED)["feed"]
    assert len(all_of(hub, after=ends["firstCursor"])) == ends["lastSequence"] - ends["firstSequence"] + 1
    later = page(hub, after=end(hub))
    assert later["nodes"] == []
    assert later["pageInfo"] == {"hasNextPage": False, "hasPreviousPage": True, "endCursor": end(hub)}


def test_each_change_has_the_cursor_behind_it(hub: Server) -> None:
    first, second, *_ = page(hub)["nodes"]
    assert page(hub, after=first["cursor"], first=1)["nodes"] == [second]
    assert page(hub, first=1)["edges"] == [{"cursor": first["cursor"]}]
    assert feed.decode(first["cursor"]).sequence == first["sequence"] == 1


def test_a_cursor_from_before_epochs_still_works(hub: Server) -> None:
    assert page(hub, after=feed.encode(Position(1)), first=1)["nodes"][0]["sequence"] == 2


@pytest.mark.parametrize(
    ("position", "code", "says"),
    [
        (lambda last: Position(last + 1), "INVALID", "was never given out by this hub"),
        (lambda _: Position(1, uuid4()), "INVALID", "The cursor is of another database's feed"),
        (lambda last: Position(last + 9, uuid4()), "INVALID", "The cursor is of another database's feed"),
    ],
)
def test_a_cursor_that_leads_nowhere_names_the_way_back(
    hub: Server, position: Callable[[int], Position], code: str, says: str
) -> None:
    settled(hub)
    last = hub.data(FEED)["feed"]["lastSequence"]
    found, message = refusal(hub, after=feed.encode(position(last)))
    assert found == code
    assert says in message
    assert message.endswith(feed.WAY_BACK)


def test_what_is_no_cursor_is_refused(hub: Server) -> None:
    for text in ("", "17", "nonsense", page(hub, first=1)["nodes"][0]["entityId"]):
        assert refusal(hub, after=text)[0] == "INVALID"


def test_an_expired_cursor_is_gone_and_names_the_way_back(
    hub: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    after = page(hub, first=1)["nodes"][0]["cursor"]
    with hub.database.engine.begin() as tx:
        tx.execute(sa.text("UPDATE head SET first = 5"))
    try:
        code, message = refusal(hub, after=after)
        assert (code, message) == (
            "GONE",
            f"The feed starts at sequence 5 now, what follows 1 is gone: {feed.WAY_BACK}",
        )
        assert page(hub, first=1)["nodes"][0]["sequence"] == 5
        assert hub.data(FEED)["feed"]["firstSequence"] == 5
    finally:
        with hub.database.engine.begin() as tx:
            tx.execute(sa.text("UPDATE head SET first = 1"))


def test_a_renewed_feed_refuses_the_cursors_from_before(hub: Server) -> None:
    before = end(hub)
    with hub.database.engine.begin() as tx:
        feed.renew(tx)
    assert "another database" in refusal(hub, after=before)[1]
    assert page(hub, after=end(hub))["nodes"] == []


# What is asked for


def test_unknown_events_are_refused_with_the_nearest(hub: Server) -> None:
    code, message = refusal(hub, types=["product.updatd"])
    assert code == "INVALID"
    assert "product.updated" in message
    assert refusal(hub, types=[])[0] == "INVALID"
    assert {node["type"] for node in all_of(hub, types=["channel.*"])} == {"channel.created"}


def test_a_rare_event_is_looked_for_in_parts(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from hub import follow

    monkeypatch.setattr(follow, "SCAN", 3)
    monkeypatch.setattr(follow, "SCAN_SECONDS", 0.0)
    first = page(hub, types=["channel.created"], first=1)
    assert (first["nodes"], first["pageInfo"]["hasNextPage"]) == ([], True)
    assert len(all_of(hub, types=["channel.created"])) == 3
    assert [node["sequence"] for node in all_of(hub)] == [*range(1, len(all_of(hub)) + 1)]


def test_the_feed_is_closed_to_storefronts(hub: Server) -> None:
    token = hub.new_token(Wish(kind="storefront", name="shop", channels=("web",)))
    for query in (PAGE, FEED):
        assert hub.graphql(query, token=token)["errors"][0]["extensions"]["code"] == "FORBIDDEN"


# A channel's view


def listed(slug: str, *channels: str) -> dict[str, Any]:
    return shirt(slug, listings=[{"channel": {"key": code}} for code in channels])


def test_a_product_concerns_the_channels_where_it_is_or_once_was_listed(hub: Server) -> None:
    after = end(hub)
    written(
        hub.database, "product", listed("both", "web", "market"), listed("web-only", "web"), listed("none")
    )
    settled(hub)
    for channel, expected in (("web", 2), ("market", 1), ("till", 0)):
        for token, asked in ((None, channel), (bound(hub, channel), None)):
            nodes = all_of(hub, token, after=after, channel=asked)
            assert len(nodes) == expected
            assert sum("/listings/" in path for path in paths(nodes)) == expected
    with hub.database.write(WRITER) as tx:
        tx.execute(
            sa.text("DELETE FROM listing WHERE channel_id = (SELECT id FROM channel WHERE code = 'market')")
        )
    after = end(hub)
    written(
        hub.database,
        "product",
        {"slug": "both", "name": {"en": "Later"}},
        {"slug": "web-only", "name": {"en": "Later"}},
    )
    with hub.database.write(WRITER) as tx:
        tx.execute(sa.text("DELETE FROM product WHERE slug = 'both'"))
    settled(hub)
    assert event(all_of(hub, after=after, channel="market"))[0] == ["product.updated"]
    assert event(all_of(hub, after=after, channel="market"))[1][0] == "product.deleted"
    assert len(all_of(hub, after=after, channel="web")) == 3


def test_of_a_product_other_channels_listings_prices_and_values_are_left_out(hub: Server) -> None:
    written(hub.database, "product", listed("shared", "web", "market"))
    after = end(hub)

    def price(price_list: str, amount: str) -> None:
        variant = {"sku": "shared-red", "prices": [{"price_list": {"key": price_list}, "amount": amount}]}
        written(hub.database, "product", {"slug": "shared", "variants": [variant]})

    price("retail", "5")
    price("market", "6")
    price("market", "7")
    values = [{"attribute": "claim", "channel": code, "value": f"for {code}"} for code in ("web", "market")]
    with hub.database.write(WRITER) as tx:
        claim = json.dumps({"claim": {each["channel"]: {"*": each["value"]} for each in values}})
        tx.execute(
            sa.text("UPDATE product SET attributes = CAST(:claim AS jsonb) WHERE slug = 'shared'"),
            {"claim": claim},
        )
        tx.execute(
            sa.text(
                "UPDATE listing SET ends_at = '2030-01-01Z' WHERE product_id = (SELECT id FROM product WHERE slug = 'shared')"
            )
        )
    settled(hub)
    everything = all_of(hub, after=after)
    assert len(everything) == 4
    web, market = (all_of(hub, bound(hub, code), after=after) for code in ("web", "market"))
    assert [[each for each in node["events"] if each == "price.changed"] for node in web] == [
        ["price.changed"],
        [],
    ]
    assert len(market) == 3
    assert [path.rpartition("/")[2] for path in paths(market)[1:2]] == ["amount"]
    for own, other, nodes in (("web", "market", web), ("market", "web", market)):
        shown = json.dumps(nodes)
        assert f"for {own}" in shown
        assert f"for {other}" not in shown
        assert sum("/listings/" in path for path in paths(nodes)) == 1
    assert all_of(hub, after=after, channel="till") == []


def test_a_turning_window_is_an_event_of_its_own_channel_alone(hub: Server) -> None:
    row = shirt("turning", listings=[{"channel": {"key": "web"}}, {"channel": {"key": "market"}}])
    written(hub.database, "product", row)
    after = end(hub)
    with hub.database.write(WRITER) as tx:
        tx.execute(
            sa.text(
                "UPDATE listing SET ends_at = now() + interval '1 second' WHERE channel_id ="
                " (SELECT id FROM channel WHERE code = 'market') AND product_id ="
                " (SELECT id FROM product WHERE slug = 'turning')"
            )
        )
    wait_until(
        lambda: ["product.updated", "product.unlisted"] in event(all_of(hub, after=after, channel="market")),
        10,
    )
    assert all_of(hub, after=after, channel="web") == []
    assert all_of(hub, bound(hub, "web"), after=after, types=["product.unlisted"]) == []


def test_orders_channels_price_lists_and_stock_concern_their_channels(hub: Server) -> None:
    written(hub.database, "product", listed("stocked", "market"))
    written(hub.database, "location", {"code": "hall"})
    after = end(hub)
    lines = [{"name": "Shirt", "quantity": 1, "unit_price": "5"}]
    for code in ("web", "market"):
        written(hub.database, "order", {"number": f"of-{code}", "channel": {"key": code}, "lines": lines})
        written(hub.database, "channel", {"code": code, "name": {"en": f"The {code}"}})
    written(
        hub.database,
        "price_list",
        {"code": "market", "name": {"en": "M"}},
        {"code": "club", "name": {"en": "C"}},
    )
    written(
        hub.database, "stock", {"variant": {"key": "stocked-red"}, "location": {"key": "hall"}, "on_hand": 3}
    )
    written(hub.database, "category", {"code": "shared-by-all"})
    with hub.database.write(WRITER) as tx:
        tx.execute(sa.text("DELETE FROM \"order\" WHERE number = 'of-market'"))
    settled(hub)
    market = [node["type"] for node in all_of(hub, after=after, channel="market")]
    assert market == [
        "order.created",
        "channel.updated",
        "pricelist.updated",
        "stock.created",
        "category.created",
        "order.deleted",
    ]
    web = [node["type"] for node in all_of(hub, bound(hub, "web"), after=after)]
    assert web == ["order.created", "channel.updated", "pricelist.updated", "category.created"]


def test_a_bound_token_asks_for_its_own_channels_only(hub: Server) -> None:
    token = bound(hub, "web", "till")
    assert refusal(hub, token, channel="market")[0] == "FORBIDDEN"
    assert refusal(hub, channel="nowhere")[0] == "NOT_FOUND"
    assert page(hub, token, channel="till", first=1)["nodes"]


def test_whom_aggregates_concern_is_read_from_a_feed_that_was_there_before(hub: Server) -> None:
    from hub import audience

    settled(hub)
    with hub.database.engine.begin() as tx:
        kept = set(tx.execute(sa.select(audience.Audience.__table__)).all())
        tx.execute(sa.delete(audience.Audience))
        audience.install(tx)
        assert set(tx.execute(sa.select(audience.Audience.__table__)).all()) == kept
    assert kept


# Waiting


def test_a_waiting_page_answers_as_soon_as_something_that_matches_comes(hub: Server) -> None:
    after = end(hub)
    with ThreadPoolExecutor() as pool:
        started = time.monotonic()
        answer = pool.submit(page, hub, after=after, types=["location.created"], wait=20)
        time.sleep(0.5)
        written(hub.database, "category", {"code": "not-asked-for"})
        time.sleep(0.5)
        assert not answer.done()
        with psycopg.connect(libpq(hub.database.url)) as plain:
            plain.execute("INSERT INTO location (code, name) VALUES ('asked-for', '{}')")
        committed = time.monotonic()
        (node,) = answer.result()["nodes"]
        assert node["type"] == "location.created"
        # Long before the wait would have ended.
        assert time.monotonic() - committed < 10
        assert time.monotonic() - started < 18


def test_a_waiting_page_ends_empty_in_time_and_moves_on(hub: Server) -> None:
    after = end(hub)
    started = time.monotonic()
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(page, hub, after=after, types=["location.deleted"], wait=2)
        time.sleep(0.5)
        written(hub.database, "category", {"code": "meanwhile"})
        found = answer.result()
    assert 1.9 < time.monotonic() - started < 15
    assert found["nodes"] == []
    assert feed.decode(found["pageInfo"]["endCursor"]).sequence >= feed.decode(after).sequence
    assert page(hub, after=found["pageInfo"]["endCursor"], types=["location.deleted"])["nodes"] == []


def test_a_page_with_something_does_not_wait(hub: Server) -> None:
    started = time.monotonic()
    assert page(hub, wait=LONGEST_WAIT)["nodes"]
    assert time.monotonic() - started < LONGEST_WAIT
    for wrong in (-1, LONGEST_WAIT + 1):
        assert refusal(hub, wait=wrong)[0] == "INVALID"


def test_a_token_has_only_so_many_requests_that_wait(hub: Server) -> None:
    after = end(hub)
    token = bound(hub, "web")
    with ThreadPoolExecutor(MOST_WAITERS) as pool:
        waiters = [pool.submit(page, hub, token, after=after, wait=6) for _ in range(MOST_WAITERS)]
        wait_until(lambda: f"hub_feed_waiters {MOST_WAITERS}.0" in hub.get("/metrics")[1])
        code, message = refusal(hub, token, after=after, wait=5)
        assert code == "LIMIT"
        assert message.startswith(f"This token has {MOST_WAITERS} requests that wait")
        before = connections(hub.database)
        written(hub.database, "category", {"code": "for-all-who-wait"})
        assert [len(each.result()["nodes"]) for each in waiters] == [1] * MOST_WAITERS
    assert before < MOST_WAITERS
    assert "hub_feed_waiters 0.0" in hub.get("/metrics")[1]


def connections(database: Database) -> int:
    """Connections that do not lie idle in a pool."""
    with database.read() as tx:
        counted = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
        )
        return int(tx.scalar(sa.text(counted)) or 0)


def test_a_client_that_goes_waits_no_more(hub: Server) -> None:
    after = end(hub)
    body = json.dumps({"query": PAGE, "variables": {"after": after, "wait": 30}}).encode()
    head = (
        f"POST /graphql HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {hub.token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", hub.settings.port)) as client:
        client.sendall(head.encode() + body)
        wait_until(lambda: "hub_feed_waiters 1.0" in hub.get("/metrics")[1])
    wait_until(lambda: "hub_feed_waiters 0.0" in hub.get("/metrics")[1])


def test_a_server_without_a_relay_hears_of_what_others_sequence(hub: Server, tmp_path: Any) -> None:
    with (
        serving(make_settings(hub.database.url, tmp_path), relay=False) as other,
        ThreadPoolExecutor() as pool,
    ):
        after = end(other)
        answer = pool.submit(page, other, after=after, wait=20)
        time.sleep(1)
        written(hub.database, "category", {"code": "by-another-process"})
        committed = time.monotonic()
        assert len(answer.result()["nodes"]) == 1
        assert time.monotonic() - committed < 10


# Nothing missed


WRITES = (
    "INSERT INTO category (code) SELECT :name || n FROM generate_series(1, :count) n",
    "UPDATE category SET position = position + 1 WHERE id % 7 = :number",
)


@pytest.fixture
def writers(database: Database) -> Iterator[threading.Event]:
    """Four writers with short, long and rolled-back transactions, which overlap, until told to stop."""
    stop = threading.Event()

    def write(number: int) -> None:
        chance = random.Random(number)
        turn = 0
        while not stop.is_set():
            turn += 1
            with database.engine.connect() as tx:
                values = {
                    "name": f"w{number}-{turn}-",
                    "count": chance.choice((1, 1, 5, 40)),
                    "number": number,
                }
                tx.execute(sa.text(WRITES[0]), values)
                if chance.random() < 0.2:
                    time.sleep(chance.random() / 20)
                if chance.random() < 0.1:
                    tx.rollback()
                else:
                    tx.commit()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    yield stop
    stop.set()
    for thread in threads:
        thread.join()


@pytest.mark.soak
@pytest.mark.parametrize("wait", [0, 2])
def test_a_reader_at_random_moments_misses_nothing(
    database: Database, server: Server, writers: threading.Event, wait: int, soaking: bool
) -> None:
    chance, enough = random.Random(wait), 10_000 if soaking else 2_500
    after, read = server.data(FEED)["feed"]["firstCursor"], []
    while True:
        found = page(server, after=after, first=chance.choice((1, 10, 100, 1000)), wait=wait)
        read += [node["sequence"] for node in found["nodes"]]
        after = found["pageInfo"]["endCursor"]
        time.sleep(chance.random() / 50)
        if len(read) >= enough:
            writers.set()
        if (
            writers.is_set()
            and not waiting(database)
            and not found["pageInfo"]["hasNextPage"]
            and not found["nodes"]
        ):
            break
    assert read == list(range(1, len(read) + 1))
    with database.read() as tx:
        assert tx.scalar(sa.text("SELECT count(*) FROM feed")) == len(read)
        assert tx.scalar(sa.text("SELECT count(*) FROM category")) == tx.scalar(
            sa.text("SELECT count(DISTINCT aggregate_id) FROM feed WHERE aggregate = 'category'")
        )


# Retention


def test_a_missing_partition_stalls_the_feed_and_loses_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer, "DOWN_SECONDS", 0.05)
    stop = threading.Event()
    with database.engine.begin() as tx:
        for name in tx.scalars(
            sa.text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'feed'::regclass")
        ).all():
            tx.execute(sa.text(f"ALTER TABLE feed DETACH PARTITION {name}"))
    monkeypatch.setattr(sequencer, "prepare", lambda *_: 10**9)
    loop = threading.Thread(target=sequencer.run, args=(database, stop))
    loop.start()
    try:
        written(database, "category", {"code": "waits-for-a-partition"})
        time.sleep(0.5)
        assert waiting(database)
        assert loop.is_alive()
        monkeypatch.undo()
        with database.engine.begin() as tx:
            tx.execute(sa.text("DROP TABLE IF EXISTS feed_000000000001, feed_000000250001"))
        wait_until(lambda: not waiting(database))
        with database.read() as tx:
            assert tx.execute(sa.text("SELECT sequence FROM feed")).all() == [(1,)]
    finally:
        stop.set()
        loop.join()


def test_who_fell_behind_what_is_kept_is_told_the_way_back(
    database: Database, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Partitions of ten records, and twenty of thirty-five records too old: a page, a subscriber and an endpoint."""
    monkeypatch.setattr(sequencer, "PARTITION", 10)
    monkeypatch.setattr(sequencer, "BATCH", 10)
    with database.engine.begin() as tx:
        tx.execute(sa.text("DROP TABLE feed_000000000001, feed_000000250001"))
    with serving(settings) as hub:
        endpoint = "mutation ($url: String!) { webhookEndpointCreate(input: { url: $url }) { webhookEndpoint { id } userErrors { message } } }"
        answer = hub.data(endpoint, {"url": "http://127.0.0.1:9000/"})["webhookEndpointCreate"]
        assert answer["userErrors"] == []
        made = answer["webhookEndpoint"]
        update = "mutation ($id: ID!, $on: Boolean!) { webhookEndpointUpdate(id: $id, input: { enabled: $on }) { userErrors { message } } }"
        hub.data(update, {"id": made["id"], "on": False})
        for place in range(35):
            written(database, "category", {"code": f"c{place}"})
        settled(hub)
        after = hub.data(FEED)["feed"]["firstCursor"]
        with database.engine.begin() as tx:
            tx.execute(
                sa.text("UPDATE feed SET sequenced_at = now() - interval '91 days' WHERE sequence <= 20")
            )
            assert sequencer.drop_old(tx, 90) == 2
        says = f"The feed starts at sequence 21 now, what follows 0 is gone: {feed.WAY_BACK}"
        assert refusal(hub, after=after) == ("GONE", says)
        assert refusal(hub, after=after, wait=5) == ("GONE", says)
        assert [node["sequence"] for node in all_of(hub)] == [*range(21, 36)]
        hub.data(update, {"id": made["id"], "on": True})
        query = "{ webhookEndpoints { disabledReason } }"
        wait_until(lambda: hub.data(query)["webhookEndpoints"][0]["disabledReason"] == says)


# Time


def test_windows_that_turned_while_the_hub_was_down_are_told_once(database: Database) -> None:
    opened(database)
    soon = "now() + interval '400 milliseconds'"
    rows = [shirt(f"turns-{place}", listings=[{"channel": {"key": "web"}}]) for place in range(20)]
    written(database, "product", *rows)
    with database.write(WRITER) as tx:
        tx.execute(sa.text(f"UPDATE listing SET starts_at = {soon}, ends_at = NULL WHERE id % 2 = 0"))
        tx.execute(sa.text(f"UPDATE listing SET starts_at = NULL, ends_at = {soon} WHERE id % 2 = 1"))
    with database.engine.begin() as tx:
        sequencer.step(tx)
        last = feed.ends(tx)[1]
    time.sleep(0.6)

    def turn() -> int:
        with database.write(HUB) as tx:
            return window.turn(tx)

    with ThreadPoolExecutor(4) as relays:
        assert sum(relays.map(lambda _: turn(), range(4))) == 20
    assert turn() == 0
    with database.engine.begin() as tx:
        assert sequencer.step(tx) == 20
        turned = [events for (events,) in tx.execute(sa.select(Feed.events).where(Feed.sequence > last))]
    assert turned.count(["product.updated", "product.listed"]) == 10
    assert turned.count(["product.updated", "product.unlisted"]) == 10


def test_an_external_id_names_what_it_belongs_to_by_its_public_id(hub: Server) -> None:
    before = first(hub)["lastCursor"]
    row = shirt("named", external_ids=[{"system": "erp", "id": "P-1"}])
    row["variants"][0]["external_ids"] = [{"system": "erp", "id": "V-1"}]
    (made,) = written(hub.database, "product", row)
    red, blue = all_rows(
        hub.database, "SELECT id FROM variant WHERE product_id = :id ORDER BY id", id=made.id
    )
    settled(hub)
    assert belongings(hub, before) == {
        (None, ids.encode("product", made.id or 0)),
        (None, ids.encode("variant", red[0])),
    }
    before = first(hub)["lastCursor"]
    with hub.database.write(HUB) as tx:
        move = "UPDATE external_id SET entity_id = :blue WHERE entity = 'variant' AND entity_id = :red"
        tx.execute(sa.text(move), {"red": red[0], "blue": blue[0]})
    settled(hub)
    assert belongings(hub, before) == {(ids.encode("variant", red[0]), ids.encode("variant", blue[0]))}
    with states.snapshot(hub.database) as tx:
        wanted = states.Wanted("product", states.NOW, after=(made.id or 0) - 1, through=made.id or 0)
        (state,) = states.stream(tx, states.EVERYTHING, wanted)
    assert state.state is not None
    assert {each["entity_id"] for each in state.state["external_ids"].values()} == {
        ids.encode("product", made.id or 0),
        ids.encode("variant", blue[0]),
    }
    assert verify.verify(hub.database).faults == []


def first(hub: Server) -> Any:
    return hub.data(FEED)["feed"]


def belongings(hub: Server, after: str) -> set[tuple[Any, Any]]:
    """What external ids belong to, before and after, as the feed says it."""
    changes = hub.data(PAGE, {"after": after, "types": ["product.*"]})["changes"]["nodes"]
    found = set()
    for path in (each for change in changes for each in change["changedPaths"]):
        if path["path"].endswith("/entity_id"):
            found.add((path["old"], path["new"]))
        elif path["path"].startswith("/external_ids/"):
            found.add((None, path["new"]["entity_id"]))
    return found


@pytest.mark.parametrize("number", ["1e400", "-1e400"])
def test_a_number_that_nobody_can_read_is_refused(hub: Server, number: str) -> None:
    (made,) = written(hub.database, "product", shirt(f"vast{number[0]}"))
    write = sa.text("UPDATE product SET attributes = CAST(:attributes AS jsonb) WHERE id = :id")
    for attributes in (
        f'{{"a": {{"*": {{"*": {number}}}}}}}',
        f'{{"a": {{"*": {{"*": [{{"b": {number}}}]}}}}}}',
    ):
        with (
            pytest.raises(sa.exc.IntegrityError, match="ck_product_attributes_numbers"),
            hub.database.write(HUB) as tx,
        ):
            tx.execute(write, {"attributes": attributes, "id": made.id})
    rules = f'mutation {{ attributeCreate(input: {{ code: "vast", type: TABLE, rules: {{ min: {number} }} }}) {{ userErrors {{ code }} }} }}'
    answer = hub.graphql(rules)
    assert answer.get("errors") or answer["data"]["attributeCreate"]["userErrors"][0]["code"] == "INVALID"
