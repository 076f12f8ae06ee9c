"""Orders over GraphQL: the commands, what they answer, and who may see what."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from hub import ids
from hub.token import Wish
from tests.running import Server
from tests.shop import all_rows, opened, shirt, written

numbers = count(1)
ERRORS = "userErrors { field code message version }"
ORDER = """order { number status version total lines { position status quantity fulfilled returned cancelled }
    fulfilments { number status carrier lines { line quantity } events { code site } } returns { number lines { reason note } }
    refunds { number amount note } payments { reference state } notes { text public }
    edits { status pieces amount lines { position before { quantity } after { quantity total } } }
    timeline(first: 50) { nodes { kind code subject actor } } }"""
COMMANDS = {
    "orderTransition": "order: $order, to: $to",
    "fulfilmentCreate": "order: $order, input: $fulfilment",
    "fulfilmentUpdate": "order: $order, input: $fulfilment",
    "returnCreate": "order: $order, input: $back",
    "refundCreate": "order: $order, input: $refund",
    "orderNoteAdd": "order: $order, text: $text, public: $public",
    "orderEditStage": "order: $order, input: $edit, ifVersion: $version",
    "orderEditApply": "order: $order, ifVersion: $version",
    "orderEditDiscard": "order: $order, ifVersion: $version",
}
TYPES = {
    "order": "Reference!",
    "to": "OrderStatus!",
    "fulfilment": "FulfilmentInput!",
    "back": "OrderReturnInput!",
    "refund": "RefundInput!",
    "edit": "OrderInput!",
    "text": "String!",
    "public": "Boolean!",
    "version": "Long",
    "key": "String",
}


@pytest.fixture(scope="module")
def shop(module_server: Server) -> Server:
    opened(module_server.database)
    prices = [{"price_list": {"key": "retail"}, "amount": "10.00", "currency": "EUR"}]
    listing = {"channel": {"key": "web"}, "starts_at": "2020-01-01T00:00:00Z"}
    row = shirt(listings=[listing])
    row["variants"] = [{**each, "prices": prices} for each in row["variants"]]
    assert not written(module_server.database, "product", row)[0].errors
    assert not written(module_server.database, "customer", {"given_name": "Ann"}, {"given_name": "Bob"})[
        0
    ].errors
    return module_server


def place(shop: Server, **more: Any) -> str:
    """The number of a new order of three red shirts and a gift wrap."""
    number = f"O-{next(numbers)}"
    lines = [
        {"variant": {"key": "shirt-1-red"}, "quantity": 3, "taxRate": "0.2"},
        {"name": "Gift wrap", "quantity": 1, "unitPrice": "2.00", "taxRate": "0.1"},
    ]
    given = {"number": number, "channel": {"key": "web"}, "lines": lines} | more
    text = f"mutation($input: OrderInput!) {{ answer: orderPlace(input: $input) {{ {ERRORS} order {{ number }} }} }}"
    answer = shop.data(text, {"input": given})["answer"]
    assert answer["userErrors"] == [], answer
    return number


def do(shop: Server, command: str, number: str, token: str | None = None, **arguments: Any) -> Any:
    variables = {"order": {"key": number}} | arguments
    head = ", ".join(f"${name}: {TYPES[name]}" for name in variables)
    given = ", ".join(
        each for each in COMMANDS[command].split(", ") if each.partition("$")[2] in variables
    ) + (", idempotencyKey: $key" if "key" in variables else "")
    text = f"mutation({head}) {{ answer: {command}({given}) {{ outcome {ERRORS} {ORDER} }} }}"
    return shop.data(text, variables, token=token)["answer"]


def done(shop: Server, command: str, number: str, **arguments: Any) -> Any:
    answer = do(shop, command, number, **arguments)
    assert answer["userErrors"] == [], answer["userErrors"]
    return answer["order"]


def refused(shop: Server, command: str, number: str, **arguments: Any) -> tuple[str, list[str], str]:
    answer = do(shop, command, number, **arguments)
    (error,) = answer["userErrors"]
    assert answer["order"] is None
    return error["code"], error["field"], error["message"]


def test_an_order_lives_from_placing_to_closing(shop: Server) -> None:
    number = place(shop)
    assert done(shop, "orderTransition", number, to="CONFIRMED")["status"] == "CONFIRMED"
    parcel = {"number": "P1", "carrier": "Post", "lines": [{"line": 0, "quantity": 2}]}
    order = done(shop, "fulfilmentCreate", number, fulfilment=parcel)
    assert (order["status"], [line["status"] for line in order["lines"]]) == (
        "PARTLY_FULFILLED",
        ["PARTLY_FULFILLED", "OPEN"],
    )
    assert do(shop, "fulfilmentCreate", number, fulfilment=parcel)["outcome"] == "UNCHANGED"
    scan = {"at": "2026-01-01T10:00:00Z", "code": "in_transit", "site": "Linz"}
    order = done(
        shop, "fulfilmentUpdate", number, fulfilment={"number": "P1", "status": "DELIVERED", "events": [scan]}
    )
    assert order["fulfilments"][0] | {"lines": []} == {
        "number": "P1",
        "status": "DELIVERED",
        "carrier": "Post",
        "lines": [],
        "events": [{"code": "in_transit", "site": "Linz"}],
    }
    rest = {"lines": [{"line": 0, "quantity": 1}, {"line": 1, "quantity": 1}]}
    assert done(shop, "fulfilmentCreate", number, fulfilment=rest)["status"] == "FULFILLED"
    back = {
        "lines": [
            {
                "line": 0,
                "quantity": 3,
                "reason": "DATA_WRONG",
                "attribute": {"key": "colour"},
                "note": "blue!",
            }
        ]
    }
    order = done(shop, "returnCreate", number, back=back)
    assert order["returns"] == [{"number": "R1", "lines": [{"reason": "DATA_WRONG", "note": "blue!"}]}]
    assert order["lines"][0]["status"] == "RETURNED"
    order = done(shop, "refundCreate", number, refund={"amount": "30.00", "reason": "DATA_WRONG"})
    assert [each["amount"] for each in order["refunds"]] == ["30.00"]
    done(shop, "orderNoteAdd", number, text="Sorry!", public=True)
    order = done(shop, "orderTransition", number, to="CLOSED")
    told = [(each["kind"], each["code"], each["subject"]) for each in order["timeline"]["nodes"]]
    assert [each for each in told if each[0] != "STATUS"] == [
        ("FULFILMENT", "shipped", "P1"),
        ("FULFILMENT", "delivered", "P1"),
        ("DELIVERY", "in_transit", "P1"),
        ("FULFILMENT", "shipped", "F1"),
        ("RETURN", "returned", "R1"),
        ("REFUND", "refunded", "C1"),
        ("NOTE", "public", None),
    ]
    assert [code for kind, code, _ in told if kind == "STATUS"] == [
        "draft", "placed", "confirmed", "partly_fulfilled", "fulfilled", "closed"
    ]  # fmt: skip


def test_refusals_say_where_why_and_what_would_be_right(shop: Server) -> None:
    number = place(shop)
    pieces = {"lines": [{"line": 0, "quantity": 4}]}
    assert refused(shop, "fulfilmentCreate", number, fulfilment=pieces) == (
        "INVALID",
        ["input", "lines", "0", "quantity"],
        'Of line 0 ("shirt-1-red") 3 pieces are left to send, not 4: give at most 3.',
    )
    code, path, message = refused(shop, "returnCreate", number, back={"lines": [{"line": 0, "quantity": 1}]})
    assert (code, path) == ("INVALID", ["input", "lines", "0", "quantity"])
    assert "0 pieces are sent and not yet returned, not 1" in message
    assert refused(shop, "fulfilmentCreate", number, fulfilment={})[:2] == ("REQUIRED", ["input", "lines"])
    assert refused(shop, "fulfilmentCreate", "nothing", fulfilment=pieces)[:2] == (
        "NOT_FOUND",
        ["order", "key"],
    )
    assert refused(shop, "fulfilmentUpdate", number, fulfilment={"number": "X"})[:2] == (
        "NOT_FOUND",
        ["input", "number"],
    )
    assert refused(shop, "orderTransition", number, to="CLOSED") == (
        "CONFLICT",
        ["to"],
        f'Order "{number}" is placed and cannot become closed: it can become cancelled, confirmed.',
    )
    code, path, message = refused(shop, "orderTransition", number, to="FULFILLED")
    assert (code, path) == ("INVALID", ["to"])
    assert "make a fulfilment" in message
    assert refused(shop, "refundCreate", number, refund={"amount": "99"})[0] == "INVALID"
    assert refused(shop, "orderNoteAdd", number, text=" ", public=False)[0] == "REQUIRED"
    assert refused(shop, "orderEditApply", number)[0] == "NOT_FOUND"
    assert refused(shop, "orderEditStage", number, edit={"email": "x@example.com"})[:2] == (
        "INVALID",
        ["input", "email"],
    )
    assert refused(shop, "orderEditStage", number, edit={}, version=99)[0] == "CONFLICT"


def test_the_same_key_does_it_once(shop: Server) -> None:
    number = place(shop)
    for _ in range(2):
        order = done(shop, "refundCreate", number, refund={"amount": "1.00"}, key=f"refund {number}")
        assert len(order["refunds"]) == 1
    assert (
        refused(shop, "refundCreate", number, refund={"amount": "2.00"}, key=f"refund {number}")[0]
        == "IDEMPOTENCY_MISMATCH"
    )


def test_an_edit_shows_its_difference_before_it_is_applied(shop: Server) -> None:
    number = place(shop)
    edit = {
        "lines": [{"position": 0, "quantity": 1}, {"variant": {"key": "shirt-1-blue"}, "quantity": 4}],
        "shippingTotal": "5.00",
    }
    order = done(shop, "orderEditStage", number, edit=edit)
    assert order["edits"] == [
        {
            "status": "STAGED",
            "pieces": 2,
            "amount": "25.00",
            "lines": [
                {"position": 0, "before": {"quantity": 3}, "after": {"quantity": 1, "total": "10.00"}},
                {"position": 2, "before": None, "after": {"quantity": 4, "total": "40.00"}},
            ],
        }
    ]
    assert order["total"] == "32.00"
    assert refused(shop, "orderEditApply", number, version=order["version"] + 1)[:2] == (
        "CONFLICT",
        ["ifVersion"],
    )
    applied = done(shop, "orderEditApply", number, version=order["version"])
    assert (applied["total"], applied["edits"][0]["status"]) == ("57.00", "APPLIED")
    done(shop, "orderEditStage", number, edit={"lines": [{"position": 0, "quantity": 2}]})
    assert done(shop, "orderEditDiscard", number)["edits"][1]["status"] == "DISCARDED"


def test_customers_see_their_own_orders_without_what_is_internal(shop: Server) -> None:
    ann, bob = (number for (number,) in all_rows(shop.database, "SELECT id FROM customer ORDER BY id"))
    number = place(shop, customer={"id": ids.encode("customer", ann)})
    done(shop, "orderNoteAdd", number, text="between us", public=False)
    done(shop, "orderNoteAdd", number, text="for you", public=True)
    done(shop, "fulfilmentCreate", number, fulfilment={"lines": [{"line": 0, "quantity": 1}]})
    text = """query($number: String) { order(number: $number, channel: "web") { notes { text actor } fulfilments { number lines { quantity } }
        timeline { nodes { kind } } } }"""
    mine, other = (
        shop.new_token(Wish(kind="customer", name="c", customer_id=each, channels=["web"]))
        for each in (ann, bob)
    )
    answer = shop.graphql(text, {"number": number}, token=mine)
    assert answer["data"]["order"]["notes"] == [{"text": "for you", "actor": None}]
    assert answer["data"]["order"]["fulfilments"] == [{"number": "F1", "lines": [{"quantity": 1}]}]
    assert shop.graphql(text, {"number": number}, token=other)["data"] == {"order": None}


def test_commands_need_the_scope_and_stay_within_the_tokens_channels(shop: Server) -> None:
    number = place(shop)
    written(
        shop.database, "channel", {"code": "other", "currency": "EUR", "locales": [{"locale": {"key": "en"}}]}
    )
    reader = shop.new_token(Wish(kind="app", name="r", scopes=["orders:read"]))
    text = 'mutation($order: Reference!) { orderNoteAdd(order: $order, text: "x") { outcome } }'
    answer = shop.graphql(text, {"order": {"key": number}}, token=reader)
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    bound = shop.new_token(
        Wish(kind="app", name="b", scopes=["orders:read", "orders:write"], channels=["other"])
    )
    answer = do(shop, "orderTransition", number, to="CANCELLED", token=bound)
    assert [each["code"] for each in answer["userErrors"]] == ["FORBIDDEN"]
