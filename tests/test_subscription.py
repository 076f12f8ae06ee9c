"""Subscriptions: both protocols to the letter, nothing lost over reconnects, and no client that can hurt the hub."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from hub import feed, token
from hub.config import Settings
from hub.db import HUB, Database
from hub.feed import Position
from hub.follow import Follower
from hub.token import Wish
from schema import desk, subscription, subscription_events, subscription_socket
from tests import nodejs
from tests.running import Server, serving, wait_until
from tests.shop import WRITER, opened, written
from tests.test_changes import FEED, end

CHANGES = """subscription ($after: String, $types: [String!], $channel: String) {
    changes(after: $after, types: $types, channel: $channel) { sequence cursor type changedPaths { path } }
}"""
START = {"type": "connection_init"}
ACK = {"type": "connection_ack"}


@pytest.fixture(scope="module")
def hub(module_server: Server) -> Server:
    opened(module_server.database)
    end(module_server)
    return module_server


def made(hub: Server, *codes: str) -> None:
    for code in codes:
        written(hub.database, "category", {"code": code})


def app(hub: Server) -> tuple[int, str]:
    """The number and text of a token that reads the feed."""
    scopes = ("feed:read", "catalogue:read", "settings:read", "customers:read")
    with hub.database.write(HUB) as tx:
        return token.create(tx, hub.settings.secret, Wish(kind="app", name="app", scopes=scopes))


# A client that speaks by hand


@asynccontextmanager
async def plain(
    hub: Server, protocol: str = "graphql-transport-ws", **options: Any
) -> AsyncIterator[ClientConnection]:
    """A connection that has said nothing yet."""
    url = f"ws://127.0.0.1:{hub.settings.port}/graphql"
    async with connect(url, subprotocols=[protocol], **options) as socket:  # type: ignore[list-item]  # a name
        yield socket


@asynccontextmanager
async def talking(hub: Server, secret: str | None = None, **options: Any) -> AsyncIterator[ClientConnection]:
    """A connection that was acknowledged."""
    async with plain(hub, **options) as socket:
        await say(socket, START | {"payload": {"Authorization": f"Bearer {secret or hub.token}"}})
        assert await hear(socket) == ACK
        yield socket


async def say(socket: ClientConnection, message: Any) -> None:
    await socket.send(json.dumps(message))


async def hear(socket: ClientConnection, seconds: float = 30) -> Any:
    return json.loads(await asyncio.wait_for(socket.recv(), seconds))


def subscribe(number: str, query: str = CHANGES, **variables: Any) -> dict[str, Any]:
    return {"id": number, "type": "subscribe", "payload": {"query": query, "variables": variables}}


async def closed(socket: ClientConnection, seconds: float = 30) -> tuple[int, str]:
    """The code and reason of the close that comes, whatever comes before it."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(seconds):
            while True:
                await socket.recv()
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""


def ends_with(hub: Server, *messages: Any, acknowledged: bool = True) -> tuple[int, str]:
    """How the connection ends after these messages."""

    async def run() -> tuple[int, str]:
        async with (talking if acknowledged else plain)(hub) as socket:
            for message in messages:
                await (socket.send(message) if isinstance(message, str | bytes) else say(socket, message))
            return await closed(socket)

    return asyncio.run(run())


# The protocol of graphql-transport-ws


def test_another_subprotocol_is_not_acceptable(hub: Server) -> None:
    async def run() -> tuple[int, str]:
        url = f"ws://127.0.0.1:{hub.settings.port}/graphql"
        async with connect(url) as socket:
            return await closed(socket)

    assert asyncio.run(run()) == (4406, "Subprotocol not acceptable: speak graphql-transport-ws.")


def test_who_does_not_begin_in_time_is_sent_away(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription_socket, "INIT_SECONDS", 0.3)
    assert ends_with(hub, acknowledged=False) == (4408, "Connection initialisation timeout")
    assert ends_with(hub, {"type": "ping"}, acknowledged=False)[0] == 4408


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (subscribe("1"), 4401),
        (START, 4403),
        (START | {"payload": {"authorization": "Bearer nonsense"}}, 4403),
        (START | {"payload": "text"}, 4400),
    ],
)
def test_nobody_subscribes_before_saying_who_they_are(hub: Server, message: Any, code: int) -> None:
    assert ends_with(hub, message, acknowledged=False)[0] == code


def test_a_second_greeting_and_a_second_subscriber_end_the_connection(hub: Server) -> None:
    assert ends_with(hub, START) == (4429, "Too many initialisation requests")
    assert ends_with(hub, subscribe("a"), subscribe("a")) == (4409, "Subscriber for a already exists")


@pytest.mark.parametrize(
    "message",
    [
        "no json",
        b"bytes",
        "[]",
        "null",
        {"type": "start"},
        {"type": 1},
        {"id": "1", "type": "subscribe"},
        {"type": "subscribe", "payload": {"query": "{ __typename }"}},
        {"id": 1, "type": "subscribe", "payload": {"query": "{ __typename }"}},
        {"id": "1", "type": "subscribe", "payload": {"query": 1}},
        {"id": "1", "type": "subscribe", "payload": {"query": "{ __typename }", "variables": []}},
        {"type": "complete"},
        {"type": "ping", "payload": "text"},
    ],
)
def test_an_invalid_message_ends_the_connection(hub: Server, message: Any) -> None:
    code, reason = ends_with(hub, message)
    assert code == 4400
    assert reason


def test_a_ping_is_answered_also_before_the_greeting(hub: Server) -> None:
    async def run() -> None:
        async with plain(hub) as socket:
            await say(socket, {"type": "ping", "payload": {"n": 1}})
            assert await hear(socket) == {"type": "pong", "payload": {"n": 1}}
            await say(socket, {"type": "pong"})
            await say(socket, START | {"payload": {"authorization": f"Bearer {hub.token}"}})
            assert await hear(socket) == ACK
            await say(socket, {"type": "ping"})
            assert await hear(socket) == {"type": "pong"}

    asyncio.run(run())


def test_the_token_may_stand_in_the_header(hub: Server) -> None:
    async def run() -> None:
        async with plain(hub, additional_headers={"authorization": f"Bearer {hub.token}"}) as socket:
            await say(socket, START)
            assert await hear(socket) == ACK

    asyncio.run(run())


def test_queries_and_mutations_have_one_result(hub: Server) -> None:
    async def run() -> None:
        async with talking(hub) as socket:
            await say(socket, subscribe("q", "{ channel(key: 1) }"))
            refused = await hear(socket)
            assert (refused["type"], refused["id"]) == ("error", "q")
            assert refused["payload"][0]["message"]
            await say(socket, subscribe("q", "{ feed { lastSequence } }"))
            assert (await hear(socket))["payload"]["data"]["feed"]["lastSequence"] > 0
            assert await hear(socket) == {"id": "q", "type": "complete"}
            await say(
                socket,
                subscribe("m", 'mutation { categoryCreate(input: { code: "by-socket" }) { outcome } }'),
            )
            answered = await hear(socket)
            assert answered["payload"]["data"] == {"categoryCreate": {"outcome": "CREATED"}}
            assert (await hear(socket))["type"] == "complete"

    asyncio.run(run())


def test_operations_live_side_by_side_and_an_id_is_free_again_after_its_end(hub: Server) -> None:
    after = end(hub)

    async def run() -> None:
        async with talking(hub) as socket:
            await say(socket, subscribe("locations", types=["location.*"], after=after))
            await say(socket, subscribe("categories", types=["category.*"], after=after))
            await asyncio.to_thread(made, hub, "side-by-side")
            message = await hear(socket)
            assert (message["id"], message["type"]) == ("categories", "next")
            change = message["payload"]["data"]["changes"]
            assert feed.decode(change["cursor"]).sequence == change["sequence"]
            for each in ({"id": "categories", "type": "complete"}, {"id": "never-there", "type": "complete"}):
                await say(socket, each)
            await say(socket, subscribe("categories", types=["category.*"], after=change["cursor"]))
            await asyncio.to_thread(made, hub, "after-the-end")
            again = await hear(socket)
            assert (again["id"], again["type"]) == ("categories", "next")
            assert again["payload"]["data"]["changes"]["sequence"] > change["sequence"]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("variables", "code", "says"),
    [
        ({"after": "nonsense"}, "INVALID", "is not an id of this hub"),
        ({"after": feed.encode(Position(10**9))}, "INVALID", "was never given out by this hub"),
        ({"types": ["product.made"]}, "INVALID", 'Event type "product.made" does not exist'),
        ({"channel": "nowhere"}, "NOT_FOUND", 'Channel "nowhere" does not exist'),
        ({"after": 7.5}, "BAD_REQUEST", "String cannot represent"),
    ],
)
def test_what_cannot_be_followed_is_an_error_of_the_operation_alone(
    hub: Server, variables: Any, code: str, says: str
) -> None:
    async def run() -> Any:
        async with talking(hub) as socket:
            await say(socket, subscribe("s", **variables))
            message = await hear(socket)
            await say(socket, {"type": "ping"})
            assert await hear(socket) == {"type": "pong"}
            return message

    message = asyncio.run(run())
    (error,) = message["payload"]
    assert (message["id"], message["type"], error["extensions"]["code"]) == ("s", "error", code)
    assert says in error["message"]


def test_a_reader_whose_next_change_was_dropped_is_told_so(hub: Server) -> None:
    first = feed.encode(Position(0))
    with hub.database.engine.begin() as tx:
        tx.execute(sa.text("UPDATE head SET first = 4"))
    try:

        async def run() -> Any:
            async with talking(hub) as socket:
                await say(socket, subscribe("s", after=first))
                return await hear(socket)

        (error,) = asyncio.run(run())["payload"]
        assert error["extensions"]["code"] == "GONE"
        assert error["message"].endswith(feed.WAY_BACK)
    finally:
        with hub.database.engine.begin() as tx:
            tx.execute(sa.text("UPDATE head SET first = 1"))


def test_a_storefront_hears_nothing(hub: Server) -> None:
    secret = hub.new_token(Wish(kind="storefront", name="shop", channels=("web",)))

    async def run() -> Any:
        async with talking(hub, secret) as socket:
            await say(socket, subscribe("s"))
            return await hear(socket)

    assert asyncio.run(run())["payload"][0]["extensions"]["code"] == "FORBIDDEN"


def test_connections_of_a_token_and_operations_of_a_connection_have_limits(
    hub: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription_socket, "MOST_OPERATIONS", 2)
    _, secret = app(hub)

    async def run() -> tuple[Any, tuple[int, str]]:
        async with talking(hub, secret) as socket:
            for number in "abc":
                await say(socket, subscribe(number))
            error = await hear(socket)
            held = [await connect_(hub, secret) for _ in range(desk.MOST_CONNECTIONS - 1)]
            async with plain(hub) as one_more:
                await say(one_more, START | {"payload": {"authorization": f"Bearer {secret}"}})
                refused = await closed(one_more)
            for each in held:
                await each.close()
            return error, refused

    error, refused = asyncio.run(run())
    assert (error["id"], error["type"], error["payload"][0]["extensions"]["code"]) == ("c", "error", "LIMIT")
    assert refused[0] == 1013
    assert refused[1].startswith(f"This token has {desk.MOST_CONNECTIONS} connections for subscriptions")
    wait_until(lambda: "hub_feed_subscribers 0.0" in hub.get("/metrics")[1])


async def connect_(hub: Server, secret: str) -> ClientConnection:
    url = f"ws://127.0.0.1:{hub.settings.port}/graphql"
    socket = await connect(url, subprotocols=["graphql-transport-ws"])  # type: ignore[list-item]  # a name
    await say(socket, START | {"payload": {"authorization": f"Bearer {secret}"}})
    assert await hear(socket) == ACK
    return socket


@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_a_token_that_ends_takes_its_streams_with_it(
    hub: Server, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(desk, "CHECK_SECONDS", 0.2)
    number, secret = app(hub)

    async def run() -> tuple[Any, tuple[int, str]]:
        async with talking(hub, secret) as socket:
            await say(socket, subscribe("s"))
            await asyncio.sleep(0.5)
            await asyncio.to_thread(end_token, hub, number, how)
            return await hear(socket), await closed(socket)

    error, close = asyncio.run(run())
    assert (error["id"], error["type"]) == ("s", "error")
    assert error["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert close == (4403, "Forbidden: The token was revoked or has expired.")


def end_token(hub: Server, number: int, how: str) -> None:
    with hub.database.write(HUB) as tx:
        if how == "revoked":
            token.revoke(tx, number)
        else:
            tx.execute(sa.text("UPDATE token SET expires_at = now() WHERE id = :id"), {"id": number})


# The protocol of graphql-sse


def stream(
    hub: Server, query: str = CHANGES, secret: str | None = None, method: str = "POST", **variables: Any
) -> Any:
    """The open answer to a request for an event stream."""
    headers = {
        "accept": "text/event-stream",
        "content-type": "application/json",
        "authorization": f"Bearer {secret or hub.token}",
    }
    url, body = f"{hub.url}/graphql", None
    if method == "POST":
        body = json.dumps({"query": query, "variables": variables}).encode()
    else:
        url += "?" + urllib.parse.urlencode({"query": query, "variables": json.dumps(variables)})
    return urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=20)


def events(answer: Any) -> Iterator[tuple[str, Any]]:
    """The events of a stream: name and data. Comments are left out."""
    name = ""
    for line in answer:
        text = line.decode().rstrip("\n")
        if text.startswith("event: "):
            name = text.removeprefix("event: ")
        elif text.startswith("data:"):
            data = text.removeprefix("data:").strip()
            yield name, json.loads(data) if data else None


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_stream_of_events_holds_changes_until_the_client_goes(hub: Server, method: str) -> None:
    after = end(hub)
    made(hub, f"events-{method}-1", f"events-{method}-2")
    with stream(hub, method=method, after=after) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        coming = events(answer)
        sequences = [next(coming)[1]["data"]["changes"]["sequence"] for _ in range(2)]
        assert sequences[1] == sequences[0] + 1
        made(hub, f"events-{method}-3")
        name, body = next(coming)
        assert (name, body["data"]["changes"]["sequence"]) == ("next", sequences[1] + 1)
    wait_until(lambda: "hub_feed_subscribers 0.0" in hub.get("/metrics")[1], 20)


def test_a_query_over_events_has_one_result_and_is_complete(hub: Server) -> None:
    with stream(hub, "{ feed { lastSequence } }") as answer:
        (first, body), last = events(answer)
    assert (first, last) == ("next", ("complete", None))
    assert body["data"]["feed"]["lastSequence"] > 0


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("{ nothing }", {}, "BAD_REQUEST"),
        (CHANGES, {"types": ["product.made"]}, "INVALID"),
        (CHANGES, {"after": feed.encode(Position(10**9))}, "INVALID"),
    ],
)
def test_what_is_wrong_with_an_operation_comes_as_an_event(
    hub: Server, query: str, variables: Any, code: str
) -> None:
    with stream(hub, query, **variables) as answer:
        (first, body), last = events(answer)
    assert (first, last) == ("next", ("complete", None))
    assert body["errors"][0]["extensions"]["code"] == code


def test_what_is_wrong_with_a_request_is_its_status(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def status(**options: Any) -> int:
        with pytest.raises(urllib.error.HTTPError) as refused:
            stream(hub, **options)
        with refused.value as error:
            return error.code

    assert status(secret="nonsense") == 401
    assert status(query='mutation { categoryDelete(key: "x") { deletedId } }', method="GET") == 405
    _, secret = app(hub)
    held = [stream(hub, secret=secret) for _ in range(desk.MOST_CONNECTIONS)]
    assert status(secret=secret) == 429
    for each in held:
        each.close()


def test_a_subscription_needs_a_stream(hub: Server) -> None:
    (error,) = hub.graphql(CHANGES)["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert "text/event-stream" in error["message"]


def test_a_stream_says_that_its_token_ended(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "CHECK_SECONDS", 0.2)
    number, secret = app(hub)
    with stream(hub, secret=secret) as answer:
        assert answer.readline() == b":\n"
        end_token(hub, number, "revoked")
        (first, body), last = events(answer)
    assert (first, last) == ("next", ("complete", None))
    assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_a_quiet_stream_is_kept_alive(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription_events, "QUIET_SECONDS", 0.1)
    with stream(hub) as answer:
        assert [answer.readline() for _ in range(4)] == [b":\n", b"\n"] * 2


# A client that is slow, and a server that stops


@pytest.mark.parametrize("protocol", [pytest.param("socket", marks=pytest.mark.soak(only=True)), "events"])
def test_a_slow_reader_is_read_for_at_its_own_pace(
    hub: Server, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    after = end(hub)
    with hub.database.write(WRITER) as tx:
        # Random text: a connection packs what repeats itself.
        noise = "(SELECT string_agg(md5(random()::text || m || n), '') FROM generate_series(1, 600) m)"
        made = f"SELECT :name || n, jsonb_build_object('en', {noise}) FROM generate_series(1, 1200) n"
        tx.execute(sa.text(f"INSERT INTO category (code, name) {made}"), {"name": f"slow-{protocol}-"})
    last = feed.decode(end(hub)).sequence
    monkeypatch.setattr(subscription, "PAGE", 10)
    read = counted(monkeypatch)
    whole = CHANGES.replace("path }", "path new }")

    async def run() -> list[int]:
        async with talking(hub, max_queue=1, max_size=None) as socket:
            await say(socket, subscribe("s", whole, after=after))
            await asyncio.sleep(2)
            assert len(read) * 10 < 900
            return [(await hear(socket))["payload"]["data"]["changes"]["sequence"] for _ in range(1200)]

    def run_events() -> list[int]:
        with stream(hub, whole, after=after) as answer:
            time.sleep(2)
            assert len(read) * 10 < 900
            coming = events(answer)
            return [next(coming)[1]["data"]["changes"]["sequence"] for _ in range(1200)]

    found = asyncio.run(run()) if protocol == "socket" else run_events()
    assert found == list(range(last - 1199, last + 1))


def counted(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry for each page that was read."""
    pages: list[None] = []
    read = Follower.read

    async def counting(self: Follower, *args: Any) -> Any:
        pages.append(None)
        return await read(self, *args)

    monkeypatch.setattr(Follower, "read", counting)
    return pages


def test_a_server_that_stops_sends_its_clients_away_to_come_back(settings: Settings) -> None:
    async def run(hub: Server) -> tuple[int, str]:
        async with talking(hub) as socket:
            await say(socket, subscribe("s"))
            await asyncio.sleep(0.3)
            ready.set()
            return await closed(socket)

    ready, results = threading.Event(), []
    with serving(settings) as hub:
        opened(hub.database)
        answer = stream(hub)
        listening = threading.Thread(target=lambda: results.append(asyncio.run(run(hub))))
        listening.start()
        assert ready.wait(60)
        started = time.monotonic()
    listening.join()
    assert time.monotonic() - started < 40
    assert results == [(1012, "The server restarts: connect again.")]
    assert list(events(answer)) == []


# The published clients


@contextmanager
def following(
    hub: Server, protocol: str, folder: Path, secret: str | None = None, **variables: Any
) -> Iterator[Path]:
    """A Node program that follows the feed and writes down what it hears, a line each."""
    told = {
        "protocol": protocol,
        "url": f"{hub.url}/graphql",
        "token": secret or hub.token,
        "variables": variables,
    }
    output = folder / f"{protocol}.jsonl"
    with output.open("w") as log:
        process = subprocess.Popen([*nodejs.program("subscriber.mjs"), json.dumps(told)], stdout=log)
    try:
        yield output
    finally:
        process.kill()
        process.wait()


def said(output: Path) -> list[Any]:
    return [json.loads(line) for line in output.read_text().splitlines()]


def sequences(output: Path) -> list[int]:
    return [each["data"]["changes"]["sequence"] for each in said(output) if "data" in each]


@pytest.mark.parametrize("protocol", ["socket", "events"])
def test_the_published_client_goes_on_over_restarts_of_the_server(
    settings: Settings, database: Database, tmp_path: Path, protocol: str
) -> None:
    opened(database)
    stop = threading.Event()
    writing = threading.Thread(target=writes_until, args=(database, stop))
    writing.start()
    try:
        with serving(settings) as hub:
            start = hub.data(FEED)["feed"]["firstCursor"]
            secret = hub.token
            follows = following(hub, protocol, tmp_path, secret, after=start)
            output = follows.__enter__()
            wait_until(lambda: len(sequences(output)) > 50, 20)
        for _ in range(2):
            with serving(settings) as hub:
                heard = len(sequences(output))
                wait_until(lambda heard=heard: len(sequences(output)) > heard + 50, 20)  # type: ignore[misc]  # bound now
        stop.set()
        writing.join()
        with serving(settings) as hub:
            last = feed.decode(end(hub)).sequence
            wait_until(lambda: sequences(output)[-1:] == [last], 20)
    finally:
        stop.set()
        writing.join()
        follows.__exit__(None, None, None)
    assert sequences(output) == list(range(1, last + 1))
    assert not [each for each in said(output) if "error" in each or "complete" in each]


def writes_until(database: Database, stop: threading.Event) -> None:
    number = 0
    while not stop.wait(0.01):
        number += 1
        written(database, "category", {"code": f"written-{number}"})


@pytest.mark.parametrize("protocol", ["socket", "events"])
def test_the_published_client_hears_that_its_token_ended(
    hub: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, protocol: str
) -> None:
    monkeypatch.setattr(desk, "CHECK_SECONDS", 0.2)
    number, secret = app(hub)
    with following(hub, protocol, tmp_path, secret, after=end(hub)) as output:
        wait_until(lambda: {"connected": True} in said(output))
        made(hub, f"before-the-end-{protocol}")
        wait_until(lambda: len(sequences(output)) == 1)
        end_token(hub, number, "revoked")
        wait_until(lambda: "UNAUTHENTICATED" in output.read_text())


def test_the_published_clients_hear_a_channels_view(hub: Server, tmp_path: Path) -> None:
    after = end(hub)
    row = {"currency": "EUR", "order_prefix": "OTHER-"}
    written(hub.database, "channel", {"code": "other", **row}, {"code": "web", "name": {"en": "Web"}})
    with following(hub, "socket", tmp_path, after=after, channel="web") as output:
        wait_until(lambda: len(sequences(output)) == 1)
        assert said(output)[-1]["data"]["changes"]["type"] == "channel.updated"


# Nothing missed


@pytest.mark.soak
def test_a_subscriber_that_breaks_off_at_random_misses_nothing(
    server: Server, database: Database, soaking: bool
) -> None:
    chance, enough = random.Random(5), 10_000 if soaking else 2_500
    heard: list[int] = []
    after = server.data(FEED)["feed"]["firstCursor"]
    stop = threading.Event()
    writers = [threading.Thread(target=bursts, args=(database, number, stop)) for number in range(4)]
    for each in writers:
        each.start()

    async def follow() -> None:
        nonlocal after
        while len(heard) < enough:
            async with talking(server) as socket:
                await say(socket, subscribe("s", after=after))
                for _ in range(chance.choice((1, 50, 2_000))):
                    change = (await hear(socket))["payload"]["data"]["changes"]
                    heard.append(change["sequence"])
                    after = change["cursor"]

    try:
        asyncio.run(follow())
    finally:
        stop.set()
        for each in writers:
            each.join()
    assert heard == list(range(1, len(heard) + 1))


def bursts(database: Database, number: int, stop: threading.Event) -> None:
    chance, turn = random.Random(number), 0
    while not stop.is_set():
        turn += 1
        with database.engine.connect() as tx:
            made = "INSERT INTO category (code) SELECT :name || n FROM generate_series(1, :count) n"
            tx.execute(sa.text(made), {"name": f"b{number}-{turn}-", "count": chance.choice((1, 1, 5, 40))})
            time.sleep(chance.random() / 50)
            (tx.rollback if chance.random() < 0.1 else tx.commit)()
