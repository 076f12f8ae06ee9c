"""Webhooks as those who operate them see them: what was sent, sending it again, and what an object is now."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa

from hub import feed, ids
from hub.direct import DIALECT
from hub.token import Wish
from tests.hooking import Endpoint, create, last, listening, quiet, received, registered
from tests.receiving import Receiver
from tests.running import Server, make_settings, serving, wait_until
from tests.shop import all_rows
from webhooks import check, delivery, figures

numbers = count(1)
MINE = "https://erp.example.com/hooks"

CATEGORY = """mutation ($input: CategoryInput!) { categoryCreate(input: $input) {
    category { id } userErrors { code message } } }"""
RESEND = """mutation ($ids: [ID!], $endpoint: ID, $filter: WebhookDeliveryFilter, $afterSequence: Long, $after: String,
    $occurredAfter: DateTime) {
    webhookResend(ids: $ids, endpoint: $endpoint, filter: $filter, afterSequence: $afterSequence, after: $after,
        occurredAfter: $occurredAfter) { count userErrors { field code message } } }"""
CURRENT = """mutation ($endpoint: ID!, $entity: ID!) { webhookSendCurrent(endpointId: $endpoint, entityId: $entity) {
    count webhookDeliveries { state purpose sequence type } userErrors { field code message } } }"""


@pytest.fixture(scope="module")
def hub(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(make_settings(module_database_url, tmp_path_factory.mktemp("var"))) as server:
        yield server


def category(hub: Server, code: str) -> str:
    answer = hub.data(CATEGORY, {"input": {"code": code}})["categoryCreate"]
    assert answer["userErrors"] == []
    return str(answer["category"]["id"])


def move(hub: Server, code: str, times: int = 1) -> None:
    """So many transactions, each with a version of its own."""
    for _ in range(times):
        with hub.database.engine.begin() as tx:
            tx.execute(
                sa.text("UPDATE category SET position = position + 1 WHERE code = :code"), {"code": code}
            )


def resend(hub: Server, **which: Any) -> Any:
    return hub.data(RESEND, which)["webhookResend"]


def current(endpoint: Endpoint, entity: str) -> Any:
    answer = endpoint.hub.data(CURRENT, {"endpoint": endpoint.id, "entity": entity})
    return answer["webhookSendCurrent"]


def park(endpoint: Endpoint, receiver: Receiver, code: str) -> str:
    """A category whose first delivery was given up, with two more behind it."""
    receiver.tell(status=500)
    made = category(endpoint.hub, code)
    wait_until(lambda: any(each["attempts"] for each in endpoint.deliveries()))
    with endpoint.hub.database.engine.begin() as tx:
        tx.execute(
            sa.text(
                "UPDATE webhook_delivery SET due_at = NULL, parked_at = now() WHERE aggregate_id = :id AND sequence IS NOT NULL"
            ),
            {"id": ids.decode(made)[1]},
        )
    receiver.tell(status=204)
    move(endpoint.hub, code, 2)
    last_one = last(endpoint.hub)
    wait_until(lambda: endpoint.now()["sequence"] >= last_one)
    assert endpoint.now()["parked"] == 1
    return made


# Looking.


def test_deliveries_are_found_by_every_condition_and_read_from_both_ends(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"]) as (endpoint, receiver):
        first = category(hub, "found-1")
        received(receiver, 1)
        quiet(endpoint)
        receiver.tell(status=503, answer="tired")
        second = category(hub, "found-2")
        wait_until(lambda: len(endpoint.deliveries(filter={"httpStatuses": [503]})) == 1)
        receiver.tell(status=204)
        good, bad = endpoint.deliveries(order="OLDEST")
        assert [each["entityId"] for each in endpoint.deliveries()] == [second, first]
        for wanted, found in (
            ({"ids": [bad["id"]]}, [bad]),
            ({"messageIds": [good["messageId"]]}, [good]),
            ({"entities": [first]}, [good]),
            ({"types": ["category.created"]}, [bad, good]),
            ({"types": ["category.*"], "states": ["DELIVERED"]}, [good]),
            ({"types": ["product.updated"]}, []),
            ({"states": ["DUE"]}, [bad]),
            ({"outcomes": ["REFUSED"]}, [bad]),
            ({"outcomes": ["DELIVERED"]}, [good]),
            ({"httpStatuses": [204, 404]}, [good]),
            ({"sequenceFrom": bad["sequence"]}, [bad]),
            ({"sequenceTo": good["sequence"]}, [good]),
            ({"sequenceFrom": good["sequence"], "sequenceTo": bad["sequence"]}, [bad, good]),
            ({"occurredFrom": "2020-01-01T00:00:00Z"}, [bad, good]),
            ({"occurredBefore": "2020-01-01T00:00:00Z"}, []),
            ({"purposes": ["TEST"]}, []),
            ({"endpoints": [endpoint.id], "purposes": ["CHANGE"]}, [bad, good]),
        ):
            nodes = endpoint.deliveries(filter=wanted)
            assert [each["id"] for each in nodes] == [each["id"] for each in found], wanted
        attempt = bad["attempts"][0]
        assert (attempt["outcome"], attempt["status"], attempt["response"]) == ("REFUSED", 503, "tired")
        assert good["attempts"][0]["outcome"] == "DELIVERED"
        headers = {each["name"]: each["value"] for each in attempt["request"]["headers"]}
        assert headers["webhook-id"] == bad["messageId"]
        assert headers["webhook-timestamp"].isdecimal()
        for order, expected in (("NEWEST", [bad, good]), ("OLDEST", [good, bad])):
            one = endpoint.page(order=order, first=1)
            two = endpoint.page(order=order, first=1, after=one["pageInfo"]["endCursor"])
            assert [each["id"] for each in (*one["nodes"], *two["nodes"])] == [
                each["id"] for each in expected
            ]
            assert (one["pageInfo"]["hasNextPage"], two["pageInfo"]["hasNextPage"]) == (True, False)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"ids": ["nonsense"]}, "INVALID"),
        ({"types": ["product.vanished"]}, "INVALID"),
        ({"entities": ["nonsense"]}, "INVALID"),
        ({"states": []}, "LIMIT"),
        ({"httpStatuses": list(range(101))}, "LIMIT"),
    ],
)
def test_wrong_conditions_are_refused(hub: Server, wanted: Any, code: str) -> None:
    query = "query ($filter: WebhookDeliveryFilter) { webhookDeliveries(filter: $filter) { nodes { id } } }"
    errors = hub.graphql(query, {"filter": wanted})["errors"]
    assert [each["extensions"]["code"] for each in errors] == [code]
    assert [each["code"] for each in resend(hub, filter=wanted)["userErrors"]] == [code]


def test_health_says_how_far_behind_an_endpoint_is(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"]) as (endpoint, receiver):
        category(hub, "health-1")
        quiet(endpoint, last(hub))
        wait_until(lambda: endpoint.now()["health"]["attemptsLastHour"] == 1)
        well = endpoint.now()["health"]
        assert (well["lagEvents"], well["lagSeconds"], well["oldestUndelivered"]) == (0, 0, None)
        assert (well["successRateLastHour"], well["breaker"], well["nextProbeAt"]) == (1, "CLOSED", None)
        receiver.tell(status=500)
        category(hub, "health-2")
        wait_until(lambda: endpoint.now()["status"] == "FAILING")
        time.sleep(0.1)
        ill = endpoint.now()["health"]
        assert (ill["lagEvents"], ill["successRateLastHour"]) == (1, 0.5)
        assert ill["lagSeconds"] > 0
        assert ill["failingSince"] is not None
        receiver.tell(status=204)
        endpoint.update(enabled=True)
        quiet(endpoint)
        wait_until(lambda: endpoint.now()["status"] == "ACTIVE")
        assert endpoint.now()["health"]["failingSince"] is None


def test_who_sees_less_than_an_endpoint_sees_no_bodies_of_it(hub: Server) -> None:
    narrow = hub.new_token(Wish(kind="app", name="looker", scopes=["webhooks:read", "stock:read"]))
    with listening(hub, eventTypes=["category.*"]) as (endpoint, receiver):
        category(hub, "unseen")
        received(receiver, 1)
        query = "query ($id: ID!) { webhookDeliveries(endpoint: $id) { nodes { type body } } }"
        nodes = hub.data(query, {"id": endpoint.id}, token=narrow)["webhookDeliveries"]["nodes"]
        assert nodes == [{"type": "category.created", "body": None}]


# Sending again.


def test_everything_since_a_cursor_a_sequence_or_a_time_is_resent_in_order(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"]) as (endpoint, receiver):
        category(hub, "since")
        middle = last(hub)
        move(hub, "since", 3)
        log = received(receiver, 4)
        quiet(endpoint)
        with hub.database.read() as tx:
            cursor = feed.read_ends(tx).cursor(middle)
        moment = log[0].body["timestamp"]
        ways: tuple[dict[str, Any], ...] = (
            {"afterSequence": middle},
            {"after": cursor},
            {"occurredAfter": moment},
        )
        for nth, which in enumerate(ways, start=1):
            answer = resend(hub, endpoint=endpoint.id, **which)
            assert (answer["count"], answer["userErrors"]) == (3, [])
            again = received(receiver, 4 + 3 * nth)[-3:]
            assert [each.id for each in again] == [each.id for each in log[1:]]
            assert [each.raw for each in again] == [each.raw for each in log[1:]]
            assert all(each.verified for each in again)
            quiet(endpoint)
        for which, code in (({"after": "nonsense"}, "INVALID"), ({"afterSequence": 10**9}, "NOT_FOUND")):
            assert [each["code"] for each in resend(hub, endpoint=endpoint.id, **which)["userErrors"]] == [
                code
            ]


def test_what_was_erased_is_not_sent_again(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"]) as (endpoint, receiver):
        category(hub, "erased")
        received(receiver, 1)
        quiet(endpoint)
        gone = endpoint.deliveries()[0]
        with hub.database.engine.begin() as tx:
            erase = "UPDATE webhook_delivery SET body = NULL, erased_at = now() WHERE message = :message"
            tx.execute(sa.text(erase), {"message": gone["messageId"]})
        refused = resend(hub, ids=[gone["id"]])["userErrors"]
        assert [(each["field"], each["code"]) for each in refused] == [(["ids", "0"], "GONE")]
        assert "webhookSendCurrent" in refused[0]["message"]
        assert [each["code"] for each in resend(hub, endpoint=endpoint.id)["userErrors"]] == ["NOT_FOUND"]
        unknown = ids.encode("webhook_delivery", 10**9)
        assert [each["code"] for each in resend(hub, ids=[unknown])["userErrors"]] == ["NOT_FOUND"]
        assert [each["code"] for each in resend(hub)["userErrors"]] == ["REQUIRED"]
        assert len(receiver.log()) == 1


def test_what_a_filter_stopped_can_be_asked_for_once_the_filter_is_gone(hub: Server) -> None:
    wanted = {"path": "/data/category/code", "eq": "something else"}
    with listening(hub, filter=wanted, eventTypes=["category.*"]) as (endpoint, receiver):
        made = category(hub, "asked-for")
        quiet(endpoint, last(hub))
        assert endpoint.deliveries()[0]["state"] == "FILTERED"
        assert endpoint.update(filter=None) == []
        assert resend(hub, endpoint=endpoint.id, filter={"states": ["FILTERED"]})["count"] == 1
        assert received(receiver, 1)[0].body["entity"]["id"] == made
        quiet(endpoint)
        assert endpoint.deliveries()[0]["state"] == "DELIVERED"


# What an object is now.


def test_current_state_clears_a_parked_lane_and_what_follows_comes_after_it(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"]) as (endpoint, receiver):
        made = park(endpoint, receiver, "cleared")
        assert [each["state"] for each in endpoint.deliveries()] == ["WAITING", "WAITING", "PARKED"]
        answer = current(endpoint, made)
        assert answer["userErrors"] == []
        assert [(each["purpose"], each["sequence"]) for each in answer["webhookDeliveries"]] == [
            ("STATE", None)
        ]
        wait_until(lambda: "state" in [each.body.get("purpose") for each in receiver.log()])
        move(hub, "cleared")
        quiet(endpoint, last(hub))
        state, change = (each.body for each in receiver.log()[-2:])
        assert (state["type"], state["purpose"], state["changed"]) == ("category.updated", "state", [])
        assert (state["entity"]["version"], state["data"]["category"]["version"]) == (3, 3)
        assert state["data"]["category"]["code"] == "cleared"
        assert change["entity"]["version"] == 4
        assert state["sequence"] == change["sequence"] - 1
        states = [each["state"] for each in endpoint.deliveries(order="OLDEST")]
        assert states == [*["SUPERSEDED"] * 3, "DELIVERED", "DELIVERED"]
        assert endpoint.now()["parked"] == 0


def test_what_waits_behind_the_current_state_is_no_fault_to_the_counter_check(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"]) as (endpoint, receiver):
        made = park(endpoint, receiver, "waiting-behind")
        receiver.tell(status=500)
        assert current(endpoint, made)["userErrors"] == []
        wait_until(lambda: endpoint.deliveries()[0]["attempts"])
        move(hub, "waiting-behind")
        last_one = last(hub)
        wait_until(lambda: endpoint.now()["sequence"] >= last_one)
        assert "WAITING" in [each["state"] for each in endpoint.deliveries()]
        with hub.database.engine.begin() as tx:
            (counted,) = check.counts(tx, 90, among=[ids.decode(endpoint.id)[1]])
        assert (counted.faults, counted.stuck) == (0, [])


def test_current_state_of_what_was_deleted_says_so(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"]) as (endpoint, receiver):
        made = park(endpoint, receiver, "buried")
        with hub.database.engine.begin() as tx:
            tx.execute(sa.text("DELETE FROM category WHERE code = 'buried'"))
        last(hub)
        before = len(receiver.log())
        assert current(endpoint, made)["userErrors"] == []
        body = received(receiver, before + 1)[before].body
        quiet(endpoint, last(hub))
        assert (body["type"], body["data"], body["purpose"]) == ("category.deleted", None, "state")


def test_current_state_does_not_overtake_what_is_on_its_way(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"]) as (endpoint, receiver):
        receiver.tell(delay=1.0)
        made = category(hub, "on-its-way")
        wait_until(lambda: endpoint.now()["undelivered"] == 1)
        refused = current(endpoint, made)["userErrors"]
        assert [(each["field"], each["code"]) for each in refused] == [(["entityId"], "CONFLICT")]
        receiver.tell(delay=0)
        quiet(endpoint)
        assert current(endpoint, made)["userErrors"] == []
        quiet(endpoint)
        assert [each.body["entity"]["version"] for each in receiver.log()] == [1, 1]


def test_current_state_of_what_is_not_there_or_not_theirs_is_refused(hub: Server) -> None:
    scopes = ["webhooks:read", "webhooks:write", "stock:read"]
    token = hub.new_token(Wish(kind="app", name="stock", scopes=scopes))
    made = category(hub, "not-theirs")
    with registered(hub, MINE) as wide, registered(hub, MINE, token) as narrow:
        for endpoint, entity, field, code in (
            (wide, "nonsense", "entityId", "INVALID"),
            (wide, ids.encode("category", 10**9), "entityId", "NOT_FOUND"),
            (wide, wide.id, "entityId", "FORBIDDEN"),
            (narrow, made, "entityId", "FORBIDDEN"),
            (Endpoint(hub, ids.encode("webhook_endpoint", 10**9), None), made, "endpointId", "NOT_FOUND"),
        ):
            refused = current(endpoint, entity)["userErrors"]
            assert [(each["field"], each["code"]) for each in refused] == [([field], code)]
        answer = hub.data(CURRENT, {"endpoint": wide.id, "entity": made}, token=token)["webhookSendCurrent"]
        assert [each["code"] for each in answer["userErrors"]] == ["FORBIDDEN"]
        assert wide.deliveries(filter={"purposes": ["STATE"]}) == []


# Paused.


def test_a_paused_endpoint_hears_everything_when_it_is_enabled(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"]) as (endpoint, receiver):
        assert endpoint.update(enabled=False) == []
        assert endpoint.now()["status"] == "PAUSED"
        made = category(hub, "paused")
        move(hub, "paused", 2)
        time.sleep(0.3)
        assert receiver.log() == []
        assert endpoint.update(enabled=True) == []
        quiet(endpoint, last(hub))
        assert [each.body["entity"] for each in receiver.log()] == [
            {"type": "category", "id": made, "version": version} for version in (1, 2, 3)
        ]


def test_an_expired_or_foreign_cursor_is_refused_for_a_new_endpoint(hub: Server) -> None:
    from uuid import uuid4

    category(hub, "cursor")
    move(hub, "cursor", 2)
    last(hub)
    with hub.database.read() as tx:
        ends = feed.read_ends(tx)
    foreign = feed.encode(feed.Position(1, uuid4()))
    for cursor, code in ((ends.cursor(ends.last + 1000), "INVALID"), (foreign, "INVALID")):
        refused = create(hub, url=MINE, startAfter=cursor)["userErrors"]
        assert [(each["field"], each["code"]) for each in refused] == [(["input", "startAfter"], code)]
    with hub.database.engine.begin() as tx:
        first = tx.scalar(sa.text("SELECT first FROM head"))
        tx.execute(sa.text("UPDATE head SET first = sequence"))
    try:
        refused = create(hub, url=MINE, startAfter=ends.cursor(0))["userErrors"]
        assert [each["code"] for each in refused] == ["GONE"]
        assert "snapshot" in json.dumps(refused)
    finally:
        with hub.database.engine.begin() as tx:
            tx.execute(sa.text("UPDATE head SET first = :first"), {"first": first})


# What cannot be told.

UNTOLD = "query ($id: ID!) { webhookEndpoint(id: $id) { health { untold } } }"


def test_an_endpoint_that_cannot_be_told_hinders_no_other(hub: Server) -> None:
    with listening(hub, eventTypes=["category.*"]) as (_, receiver), registered(hub, MINE) as sick:
        with hub.database.engine.begin() as tx:
            broken = sa.text("UPDATE webhook_endpoint SET filter = CAST(:filter AS jsonb) WHERE id = :id")
            tx.execute(broken, {"filter": '{"and": 1}', "id": ids.decode(sick.id)[1]})
        category(hub, "told")
        assert received(receiver, 1)
        wait_until(
            lambda: hub.data(UNTOLD, {"id": sick.id})["webhookEndpoint"]["health"]["untold"] is not None
        )
        with hub.database.engine.begin() as tx:
            tx.execute(broken, {"filter": "null", "id": ids.decode(sick.id)[1]})
            tx.execute(sa.text("UPDATE webhook_endpoint SET filter = NULL WHERE filter = 'null'"))
        move(hub, "told")
        wait_until(lambda: hub.data(UNTOLD, {"id": sick.id})["webhookEndpoint"]["health"]["untold"] is None)
        assert received(receiver, 2)


def test_a_cursor_that_is_none_says_where_one_is_found(hub: Server) -> None:
    (refused,) = create(hub, url=MINE, startAfter="nonsense")["userErrors"]
    assert "Take the endCursor of a page" in refused["message"]
    with registered(hub, MINE) as endpoint:
        (refused,) = resend(hub, endpoint=endpoint.id, after="nonsense")["userErrors"]
        assert "Take the endCursor of a page" in refused["message"]


def test_a_resent_state_comes_before_what_changed_since(hub: Server) -> None:
    """It has no sequence: whatever of its object has one waits for it again, and for nothing of another object."""
    with registered(hub, MINE, enabled=False, eventTypes=["category.*"]) as endpoint:
        with hub.database.engine.begin() as tx:
            add = """INSERT INTO webhook_delivery (endpoint_id, sequence, purpose, type, aggregate, aggregate_id,
                    occurred_at, due_at, delivered_at)
                SELECT :endpoint, each.sequence, each.purpose, 'category.updated', 'category', each.id, now(),
                    CASE WHEN each.purpose = 'change' THEN now() END, CASE WHEN each.purpose = 'state' THEN now() END
                FROM (VALUES (NULL, 'state', 1), (-2, 'change', 1), (-1, 'change', 2)) AS each (sequence, purpose, id)
                RETURNING id"""
            state, same, other = tx.scalars(sa.text(add), {"endpoint": ids.decode(endpoint.id)[1]})
            tx.execute(
                sa.text("UPDATE webhook_delivery SET sequence = 1000000 + id WHERE id = :id"), {"id": same}
            )
        assert resend(hub, ids=[ids.encode("webhook_delivery", state)])["userErrors"] == []
        rows = all_rows(
            hub.database,
            "SELECT id, due_at IS NOT NULL FROM webhook_delivery WHERE id = ANY (:ids)",
            ids=[state, same, other],
        )
    assert dict(tuple(row) for row in rows) == {state: True, same: False, other: True}


def test_nothing_that_operators_ask_walks_over_all_deliveries(hub: Server) -> None:
    from schema import webhook_health  # needs every table, as the server has by now
    from schema.webhook_delivery import deliveries
    from schema.webhook_delivery_filter import IN_STATE

    with registered(hub, MINE, enabled=False, eventTypes=["company.*"]) as endpoint:
        filled(hub, ids.decode(endpoint.id)[1], 60_000)
        asked = {
            **{state.name: compiled(deliveries(IN_STATE[state], 101)) for state in IN_STATE},
            "metrics": str(figures.STANDING),
            "ready": str(figures.NEGLECTED).replace(":seconds", "60"),
            "health": str(webhook_health.FIGURES).replace(":ids", "'{1,2}'"),
            "purge": str(delivery.PURGE).replace(":days", "90").replace(":limit", "5000"),
        }
        for name, statement in asked.items():
            plan = "\n".join(
                row[0] for row in all_rows(hub.database, f"EXPLAIN {statement}".replace(":", "\\:"))
            )
            for table in ("webhook_delivery", "webhook_attempt"):
                assert f"Seq Scan on {table}" not in plan, f"{name}: {plan}"


def compiled(statement: sa.Select[Any]) -> str:
    return str(statement.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True}))


def filled(hub: Server, endpoint: int, number: int) -> None:
    """So many deliveries with an attempt each: nearly all arrived over months, a few are in each other state."""
    with hub.database.engine.begin() as tx:
        tx.execute(sa.text(FILL), {"endpoint": endpoint, "number": number})
        tx.execute(sa.text(ATTEMPTS), {"endpoint": endpoint})
    with hub.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as tx:
        for table in ("webhook_delivery", "webhook_attempt"):
            tx.execute(sa.text(f"VACUUM ANALYZE {table}"))


FILL = """
    INSERT INTO webhook_delivery (endpoint_id, sequence, type, aggregate, aggregate_id, occurred_at, body,
        due_at, delivered_at, parked_at, skipped, attempts)
    SELECT :endpoint, n, 'company.updated', 'company', n, at, '{}',
        CASE kind WHEN 0 THEN at END, CASE WHEN kind > 2 THEN at END, CASE kind WHEN 1 THEN at END,
        CASE kind WHEN 3 THEN 'filtered' WHEN 4 THEN 'superseded' END, 1
    FROM generate_series(1, :number) AS n
    CROSS JOIN LATERAL (SELECT n % 500 AS kind, now() - make_interval(secs => (:number - n) * 80 * 86400.0 / :number) AS at) each
"""
ATTEMPTS = """
    INSERT INTO webhook_attempt (delivery_id, endpoint_id, number, started_at, milliseconds, outcome, status)
    SELECT id, endpoint_id, 1, occurred_at, 5, 'delivered', 204 FROM webhook_delivery WHERE endpoint_id = :endpoint
"""
