"""Messages about orders: carried out once, kept until their order comes, in the order in which they came."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from itertools import count
from typing import Any

import pytest

from hub import pending_message
from hub.db import HUB, Database
from hub.ids import encode
from hub.token import Wish
from tests.running import Server, wait_until
from tests.shop import all_rows, opened, written

numbers = count(1)
ANSWER = "outcome order { number status notes { text } returns { number } } userErrors { field code message }"
TRANSITION = f"""mutation ($order: Reference!, $to: OrderStatus!, $message: MessageInput) {{
    orderTransition(order: $order, to: $to, message: $message) {{ {ANSWER} }} }}"""
NOTE = f"""mutation ($order: Reference!, $text: String!, $message: MessageInput) {{
    orderNoteAdd(order: $order, text: $text, message: $message) {{ {ANSWER} }} }}"""
FULFIL = f"""mutation ($order: Reference!, $input: FulfilmentInput!, $message: MessageInput) {{
    fulfilmentCreate(order: $order, input: $input, message: $message) {{ {ANSWER} }} }}"""
DELIVERED = FULFIL.replace("fulfilmentCreate", "fulfilmentUpdate")
RETURN = FULFIL.replace("fulfilmentCreate", "returnCreate").replace("FulfilmentInput", "OrderReturnInput")
PENDING = """query ($name: String!) { pendingMessages(filter: {orderName: {eq: $name}}, sort: {field: RECEIVED_AT}) {
    nodes { id message system status command order { number } refusal { code message } given endedAt } } }"""


@pytest.fixture(scope="module")
def shop(module_server: Server) -> Server:
    opened(module_server.database)
    return module_server


def place(shop: Server, number: str, **more: Any) -> None:
    """A placed order of three pieces without stock."""
    lines = [{"name": "Cup", "quantity": 3, "unit_price": "5.00"}]
    row = {"number": number, "channel": {"key": "web"}, "status": "placed", "lines": lines, **more}
    assert not written(shop.database, "order", row)[0].errors


def send(shop: Server, mutation: str, order: str, message: str | None, **given: Any) -> Any:
    named = None if message is None else {"id": message, "system": "erp"}
    answer = shop.data(mutation, {"order": {"key": order}, "message": named, **given})
    return next(iter(answer.values()))


def messages(shop: Server, order: str) -> list[dict[str, Any]]:
    return list(shop.data(PENDING, {"name": order})["pendingMessages"]["nodes"])


def statuses(shop: Server, order: str) -> list[str]:
    return [each["status"] for each in messages(shop, order)]


def new() -> str:
    return f"P-{next(numbers)}"


def test_messages_before_their_order_are_kept_and_carried_out_in_turn(shop: Server) -> None:
    order = new()
    sent = {"number": "F1", "lines": [{"line": 0, "quantity": 3}]}
    back = {"number": "R1", "lines": [{"line": 0, "quantity": 1}]}
    answers = [
        send(shop, TRANSITION, order, f"{order}-1", to="CONFIRMED"),
        send(shop, FULFIL, order, f"{order}-2", input=sent),
        send(shop, RETURN, order, f"{order}-3", input=back),
        send(shop, NOTE, order, f"{order}-4", text="Packed."),
    ]
    assert [(each["outcome"], each["order"], each["userErrors"]) for each in answers] == [
        ("KEPT", None, [])
    ] * 4
    waiting = messages(shop, order)
    assert [each["status"] for each in waiting] == ["WAITING"] * 4
    assert waiting[3]["given"] == {"text": "Packed.", "public": False}
    assert waiting[0]["command"] == "orderTransition"

    place(shop, order)
    wait_until(lambda: statuses(shop, order) == ["APPLIED"] * 4)
    found = shop.data(
        "query ($number: String!) { order(number: $number) { status notes { text } lines { fulfilled returned }"
        " timeline(first: 20) { nodes { kind code } } } }",
        {"number": order},
    )["order"]
    assert found["status"] == "FULFILLED"
    assert found["lines"] == [{"fulfilled": 3, "returned": 1}]
    codes = [each["code"] for each in found["timeline"]["nodes"]]
    assert codes[:3] == ["placed", "confirmed", "shipped"]
    assert all(each["given"] is None and each["endedAt"] for each in messages(shop, order))


def test_a_message_sent_again_changes_nothing_and_other_content_is_refused(shop: Server) -> None:
    order = new()
    place(shop, order)
    for _ in range(3):
        answer = send(shop, NOTE, order, f"{order}-1", text="Once.")
        assert answer["order"]["notes"] == [{"text": "Once."}]
    other = send(shop, NOTE, order, f"{order}-1", text="Twice.")
    assert other["userErrors"] == [
        {
            "field": ["message", "id"],
            "code": "CONFLICT",
            "message": f'Message "{order}-1" of "erp" said something else before: give a new message its own id.',
        }
    ]
    unseen = new()
    send(shop, NOTE, unseen, f"{unseen}-1", text="Kept.")
    assert send(shop, NOTE, unseen, f"{unseen}-1", text="Kept.")["outcome"] == "KEPT"
    assert send(shop, NOTE, unseen, f"{unseen}-1", text="Else.")["userErrors"][0]["code"] == "CONFLICT"
    assert len(messages(shop, unseen)) == 1


def test_an_order_is_named_by_an_external_id_too(shop: Server) -> None:
    order = new()
    mine = {"externalId": {"system": "market", "id": order}}
    given = {"order": mine, "to": "CONFIRMED", "message": {"id": order}}
    assert shop.data(TRANSITION, given)["orderTransition"]["outcome"] == "KEPT"
    place(shop, order, external_ids=[{"system": "market", "id": order}])
    wait_until(lambda: statuses(shop, order) == ["APPLIED"])
    assert messages(shop, order)[0]["system"] == "tests", "the token's own system"


def test_without_keep_and_by_id_an_unknown_order_is_refused(shop: Server) -> None:
    order = new()
    named = {"order": {"key": order}, "to": "CONFIRMED"}
    refused = shop.data(TRANSITION, {**named, "message": {"id": order, "keep": False}})["orderTransition"]
    assert refused["userErrors"][0]["code"] == "NOT_FOUND"
    assert refused["userErrors"][0]["field"] == ["order"]
    assert send(shop, TRANSITION, order, None, to="CONFIRMED")["userErrors"][0]["code"] == "NOT_FOUND"
    assert messages(shop, order) == []


def test_what_is_wrong_with_a_message_itself_is_said_at_once(shop: Server) -> None:
    order = new()
    answer = send(shop, FULFIL, order, order, input={"lines": [{"line": 0, "quantity": -1}]})
    assert answer["userErrors"][0]["field"] == ["input", "lines", "0", "quantity"]
    assert messages(shop, order) == []


def test_late_and_early_statuses(shop: Server) -> None:
    order = new()
    place(shop, order)
    early = send(shop, TRANSITION, order, f"{order}-close", to="CLOSED")
    assert early["outcome"] == "KEPT"
    send(shop, FULFIL, order, f"{order}-f", input={"number": "F1", "lines": [{"line": 0, "quantity": 3}]})
    wait_until(lambda: statuses(shop, order) == ["APPLIED", "APPLIED"])
    late = send(shop, TRANSITION, order, f"{order}-confirm", to="CONFIRMED")
    assert (late["outcome"], late["order"]["status"]) == ("UNCHANGED", "CLOSED")
    never = send(shop, TRANSITION, order, f"{order}-cancel", to="CANCELLED")
    assert never["userErrors"][0]["code"] == "CONFLICT"
    assert len(messages(shop, order)) == 3, "a refused message leaves nothing behind"


def test_tracking_before_its_fulfilment_waits(shop: Server) -> None:
    order = new()
    place(shop, order)
    told = {"number": "F9", "status": "DELIVERED"}
    assert send(shop, DELIVERED, order, f"{order}-1", input=told)["outcome"] == "KEPT"
    send(shop, FULFIL, order, f"{order}-2", input={"number": "F9", "lines": [{"line": 0, "quantity": 1}]})
    wait_until(lambda: statuses(shop, order) == ["APPLIED", "APPLIED"])
    assert all_rows(shop.database, "SELECT status FROM fulfilment WHERE number = 'F9'") == [("delivered",)]


def test_what_cannot_be_carried_out_is_shown_tried_again_or_dismissed(shop: Server) -> None:
    order = new()
    sent = {"number": "F1", "lines": [{"line": 0, "quantity": 9}]}
    send(shop, FULFIL, order, f"{order}-1", input=sent)
    place(shop, order)
    wait_until(lambda: statuses(shop, order) == ["REFUSED"])
    refused = messages(shop, order)[0]
    assert refused["refusal"]["code"] == "INVALID"
    assert "3 pieces are left to send, not 9" in refused["refusal"]["message"]
    end = "mutation ($id: ID!) { %s(id: $id) { outcome pendingMessage { status } userErrors { code } } }"
    again = shop.data(end % "pendingMessageRetry", {"id": refused["id"]})["pendingMessageRetry"]
    assert again["pendingMessage"]["status"] == "WAITING"
    wait_until(lambda: statuses(shop, order) == ["REFUSED"])
    done = shop.data(end % "pendingMessageDismiss", {"id": refused["id"]})["pendingMessageDismiss"]
    assert done == {"outcome": "UPDATED", "pendingMessage": {"status": "DISMISSED"}, "userErrors": []}
    gone = shop.data(end % "pendingMessageRetry", {"id": refused["id"]})["pendingMessageRetry"]
    assert gone["userErrors"] == [{"code": "CONFLICT"}]


def test_what_waits_too_long_expires_with_an_event(shop: Server) -> None:
    order = new()
    send(shop, NOTE, order, order, text="Nobody will read it.")
    with shop.database.write(HUB) as tx:
        assert pending_message.expire(tx, 30) == 0
        tx.exec_driver_sql(
            f"UPDATE pending_message SET received_at = now() - interval '31 days' WHERE message = '{order}'"
        )
        assert pending_message.expire(tx, 30) == 1
    assert statuses(shop, order) == ["EXPIRED"]
    told = "SELECT count(*) FROM (SELECT events FROM pending UNION ALL SELECT events FROM feed) e WHERE '%s' = ANY (events)"
    assert all_rows(shop.database, told % "message.expired") == [(1,)]
    assert all_rows(shop.database, told % "message.kept")[0][0] > 1
    assert send(shop, NOTE, order, order, text="Nobody will read it.")["outcome"] == "KEPT", (
        "it may be sent again"
    )


def test_a_token_bound_to_channels_reaches_no_other_order_by_a_message(shop: Server) -> None:
    written(
        shop.database, "channel", {"code": "shop", "currency": "EUR", "locales": [{"locale": {"key": "en"}}]}
    )
    bound = shop.new_token(
        Wish(kind="app", name="bound", scopes=["orders:read", "orders:write"], channels=["shop"])
    )
    order = new()
    given = {"order": {"key": order}, "to": "CONFIRMED", "message": {"id": order}}
    assert shop.data(TRANSITION, given, token=bound)["orderTransition"]["outcome"] == "KEPT"
    place(shop, order)
    wait_until(lambda: statuses(shop, order) == ["REFUSED"])
    assert messages(shop, order)[0]["refusal"]["code"] == "FORBIDDEN"
    seen = shop.data("{ pendingMessages(first: 50) { nodes { message } } }", token=bound)["pendingMessages"][
        "nodes"
    ]
    assert seen == [{"message": order}]


def test_the_sender_stays_the_writer(shop: Server) -> None:
    order = new()
    send(shop, NOTE, order, order, text="Mine.")
    place(shop, order)
    wait_until(lambda: statuses(shop, order) == ["APPLIED"])
    rows = all_rows(
        shop.database,
        "SELECT n.actor, n.provenance->'*'->>0 FROM order_note n JOIN \"order\" o ON o.id = n.order_id WHERE o.number = :n",
        n=order,
    )
    assert [(actor.startswith("token:"), source) for actor, source in rows] == [(True, "tests")]


def test_the_same_message_by_many_at_once_is_carried_out_once(shop: Server) -> None:
    order = new()
    place(shop, order)
    threads = [
        threading.Thread(target=send, args=(shop, NOTE, order, order), kwargs={"text": "Once."})
        for _ in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = 'SELECT count(*) FROM order_note n JOIN "order" o ON o.id = n.order_id WHERE o.number = :number'
    assert all_rows(shop.database, found, number=order) == [(1,)]


def deliver(url: str) -> None:
    database = Database(url)
    while True:
        pending_message.deliver(database)


def test_a_relay_that_dies_delivers_each_message_once(shop: Server) -> None:
    """Deliverers are killed again and again while orders come; every note is there once, in its order."""
    orders = [new() for _ in range(30)]
    for order in orders:
        for place_ in range(3):
            send(shop, NOTE, order, f"{order}-{place_}", text=str(place_))
    process = multiprocessing.get_context("spawn").Process
    for some in (orders[:10], orders[10:20], orders[20:]):
        deliverer = process(target=deliver, args=(shop.database.url,))
        deliverer.start()
        for order in some:
            place(shop, order)
        assert deliverer.pid is not None
        os.kill(deliverer.pid, signal.SIGKILL)
        deliverer.join()
    wait_until(lambda: all(statuses(shop, order) == ["APPLIED"] * 3 for order in orders))
    notes = (
        "SELECT string_agg(n.text, '' ORDER BY n.id) FROM order_note n JOIN \"order\" o ON o.id = n.order_id"
        " WHERE o.number = ANY (:numbers) GROUP BY o.id"
    )
    assert all_rows(shop.database, notes, numbers=orders) == [("012",)] * 30


def test_an_erasure_ends_what_waits_and_tells_of_the_person(shop: Server) -> None:
    order, other = new(), new()
    (ann,) = written(shop.database, "customer", {"given_name": "Ann", "email": "ann.late@example.org"})
    assert ann.id is not None
    send(shop, NOTE, order, f"{order}-1", text="Call ann.late@example.org first")
    send(shop, NOTE, other, f"{other}-1", text="Leave it at the door")
    erase = 'mutation ($id: ID!) { customerErase(id: $id, reason: "asked for") { userErrors { message } } }'
    assert shop.data(erase, {"id": encode("customer", ann.id)})["customerErase"]["userErrors"] == []
    assert (statuses(shop, order), statuses(shop, other)) == (["dismissed".upper()], ["WAITING"])
    assert messages(shop, order)[0]["given"] is None
    again = send(shop, NOTE, order, f"{order}-1", text="Call ann.late@example.org first")
    assert again["userErrors"] == [], "it has ended, and is not kept anew"
    assert messages(shop, order)[0]["given"] is None
