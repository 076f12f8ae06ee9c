"""Stock over GraphQL: levels, movements, promises, availability and proposals."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from hub.db import Json
from hub.token import Wish
from tests.running import Server
from tests.searching import eventually
from tests.shop import all_rows, opened, shirt, written

ERRORS = "userErrors { field code message }"
LEVEL = "stock { onHand reserved available incoming incomingAt document { system id line } deliveries { reference quantity } }"
SET = f"mutation($rows: [StockInput!]!) {{ answer: stockSet(rows: $rows) {{ results {{ outcome {LEVEL} }} {ERRORS} }} }}"
MOVE = f"mutation($rows: [StockMoveInput!]!) {{ answer: stockMove(rows: $rows) {{ results {{ outcome {LEVEL} }} {ERRORS} }} }}"
RESERVE = f"""mutation($input: ReservationInput!) {{ answer: reservationCreate(input: $input) {{
    reservations {{ id quantity holder expiresAt level {{ location {{ code }} }} }} {ERRORS} }} }}"""
RELEASE = f"""mutation($id: ID, $holder: String, $variant: Reference, $quantity: Long) {{
    answer: reservationRelease(id: $id, holder: $holder, variant: $variant, quantity: $quantity) {{ released {ERRORS} }} }}"""
numbers = count(1)


@pytest.fixture(scope="module")
def hub(module_server: Server) -> Server:
    """A channel, and two locations."""
    opened(module_server.database)
    written(module_server.database, "location", {"code": "hall"}, {"code": "attic"})
    return module_server


@pytest.fixture
def sku(hub: Server) -> str:
    """A new variant, listed in the channel, 10 of which lie in the hall and 5 in the attic."""
    slug = f"shirt-{next(numbers)}"
    written(hub.database, "product", shirt(slug, listings=[{"channel": {"key": "web"}}]))
    red = f"{slug}-red"
    ask(hub, SET, rows=[level(red, 10), level(red, 5, "attic")])
    return red


def ask(hub: Server, text: str, **variables: Any) -> Any:
    """The field ``answer``."""
    return hub.data(text, variables)["answer"]


def level(sku: str, on_hand: int, location: str = "hall", **more: Any) -> Json:
    """A row of stockSet."""
    return {"variant": {"key": sku}, "location": {"key": location}, "onHand": on_hand, **more}


def moved(sku: str, kind: str, quantity: int, location: str = "hall", **more: Any) -> Json:
    """A row of stockMove."""
    return {
        "variant": {"key": sku},
        "location": {"key": location},
        "kind": kind,
        "quantity": quantity,
        **more,
    }


def codes(answer: Json) -> list[tuple[str, list[str]]]:
    """Code and field of each refusal."""
    return [(each["code"], each["field"]) for each in answer["userErrors"]]


def test_a_push_compares_and_knows_its_document(hub: Server, sku: str) -> None:
    paper = {"system": "erp", "id": f"count {sku}"}
    lost = ask(hub, SET, rows=[level(sku, 8, ifOnHand=9), level(sku, 4, "attic", ifVersion=7)])
    assert codes(lost) == [("CONFLICT", ["rows", "0", "ifOnHand"]), ("CONFLICT", ["rows", "1", "ifVersion"])]
    done = ask(hub, SET, rows=[level(sku, 8, ifOnHand=10, document=paper)])["results"][0]
    assert (done["outcome"], done["stock"]["onHand"]) == ("UPDATED", 8)
    assert done["stock"]["document"] == {**paper, "line": None}
    ask(hub, MOVE, rows=[moved(sku, "SCRAPPED", 1)])
    again = ask(hub, SET, rows=[level(sku, 8, ifOnHand=None, document=paper)])["results"][0]
    assert (again["outcome"], again["stock"]["onHand"]) == ("UNCHANGED", 7)
    other = ask(hub, SET, rows=[level(sku, 9, document=paper)])
    assert codes(other) == [("CONFLICT", ["rows", "0", "document"])]
    assert "said something else before (counted 8)" in other["userErrors"][0]["message"]


def test_movements_are_written_down_all_or_none(hub: Server, sku: str) -> None:
    paper = {"system": "wms", "id": sku, "line": "1"}
    rows = [
        moved(sku, "RECEIVED", 4, document=paper, reason="late"),
        moved(sku, "MOVED", 3, to={"key": "attic"}, document={**paper, "line": "2"}),
        moved(sku, "SCRAPPED", 1, "attic"),
        moved(sku, "CORRECTED", -2),
    ]
    answer = ask(hub, MOVE, rows=rows)
    assert answer["userErrors"] == []
    assert [each["stock"]["onHand"] for each in answer["results"]] == [9, 9, 7, 9]
    again = ask(hub, MOVE, rows=rows[:2])
    assert [each["outcome"] for each in again["results"]] == ["UNCHANGED"] * 2
    wrong = ask(
        hub,
        MOVE,
        rows=[
            moved(sku, "RECEIVED", 5, document=paper),
            moved(sku, "RETURNED", 1),
        ],
    )
    assert codes(wrong) == [("CONFLICT", ["rows", "0", "document"])]
    assert [each["outcome"] for each in wrong["results"]] == ["REFUSED"] * 2
    query = f"""{{ answer: stockMovements(filter: {{level: {{variant: {{sku: {{eq: "{sku}"}}}}}}, kind: {{in: [MOVED, RECEIVED]}}}},
        sort: {{field: AT}}) {{ nodes {{ quantity kind levelAfter documentLine reason source level {{ location {{ code }} }} }} }} }}"""
    shown = ask(hub, query)["nodes"]
    assert [(each["quantity"], each["kind"], each["levelAfter"]) for each in shown] == [
        (4, "RECEIVED", 14),
        (-3, "MOVED", 11),
        (3, "MOVED", 8),
    ]


@pytest.mark.parametrize(
    ("row", "code", "place"),
    [
        ({"kind": "RECEIVED", "quantity": 0}, "INVALID", "quantity"),
        ({"kind": "SCRAPPED", "quantity": -1}, "INVALID", "quantity"),
        ({"kind": "MOVED"}, "INVALID", "to"),
        ({"kind": "MOVED", "to": {"key": "hall"}}, "INVALID", "to"),
        ({"kind": "SHIPPED", "to": {"key": "attic"}}, "INVALID", "to"),
        ({"kind": "RETURNED", "delivery": "PO-1"}, "INVALID", "delivery"),
        ({"location": {"key": "nowhere"}}, "NOT_FOUND", "location"),
        ({"variant": {"key": "nothing"}}, "NOT_FOUND", "variant"),
        ({"document": {"system": "", "id": "1"}}, "INVALID", "document"),
    ],
)
def test_what_cannot_have_happened_is_refused(
    hub: Server, sku: str, row: Json, code: str, place: str
) -> None:
    answer = ask(hub, MOVE, rows=[moved(sku, "RECEIVED", 1) | row])
    assert codes(answer) == [(code, ["rows", "0", place])]
    assert all_rows(hub.database, f"SELECT sum(on_hand) FROM stock s JOIN variant v ON v.id = s.variant_id WHERE sku = '{sku}'") == [(15,)]  # fmt: skip


def test_a_holder_reserves_states_again_and_releases(hub: Server, sku: str) -> None:
    wanted = {"variant": {"key": sku}, "quantity": 12, "holder": f"offer {sku}"}
    for _ in range(2):
        held = ask(hub, RESERVE, input=wanted)["reservations"]
        assert [(each["quantity"], each["level"]["location"]["code"]) for each in held] == [
            (10, "hall"),
            (2, "attic"),
        ]
    short = ask(hub, RESERVE, input={**wanted, "quantity": 16})
    assert codes(short) == [("OUT_OF_STOCK", ["input", "quantity"])]
    assert short["userErrors"][0]["message"].startswith(f'Of "{sku}" 15 can be promised, not 16')
    held = ask(hub, RESERVE, input={**wanted, "quantity": 9, "expiresAt": "2100-01-01T00:00:00Z"})[
        "reservations"
    ]
    assert [(each["quantity"], each["expiresAt"][:4]) for each in held] == [(9, "2100")]
    assert ask(hub, RELEASE, id=held[0]["id"], quantity=2) == {"released": 2, "userErrors": []}
    assert ask(hub, RELEASE, holder=wanted["holder"], variant={"key": sku})["released"] == 7
    assert ask(hub, RELEASE, holder=wanted["holder"])["released"] == 0
    assert codes(ask(hub, RELEASE, id=held[0]["id"])) == [("CONFLICT", ["id"])]
    assert codes(ask(hub, RELEASE)) == [("INVALID", [])]
    assert codes(ask(hub, RESERVE, input={**wanted, "holder": "stated"})) == [
        ("INVALID", ["input", "holder"])
    ]
    assert codes(ask(hub, RESERVE, input={**wanted, "quantity": 0})) == [("INVALID", ["input", "quantity"])]
    assert codes(ask(hub, RESERVE, input={**wanted, "channel": "x"})) == [("NOT_FOUND", ["input", "channel"])]


def test_the_relay_frees_what_nobody_came_for(hub: Server, sku: str) -> None:
    wanted = {"variant": {"key": sku}, "quantity": 1, "holder": sku, "expiresAt": "2020-01-01T00:00:00Z"}
    ask(hub, RESERVE, input=wanted)
    gone = f"SELECT count(*) FROM reservation WHERE holder = '{sku}'"
    assert eventually(lambda: all_rows(hub.database, gone) == [(0,)])


def test_a_storefront_sees_what_its_channel_can_promise(hub: Server, sku: str) -> None:
    fields = "availability { available inStock backorder incoming incomingAt }"
    query = f'{{ answer: variant(sku: "{sku}", channel: "web") {{ {fields} }} }}'
    storefront = hub.new_token(Wish(kind="storefront", name=sku, channels=["web"]))
    expected = {"available": 15, "inStock": True, "backorder": False, "incoming": 0, "incomingAt": None}
    assert hub.data(query, token=storefront)["answer"] == {"availability": expected}
    written(hub.database, "channel", {"code": "web", "locations": [{"location": {"key": "attic"}}]})
    try:
        ask(
            hub, SET, rows=[level(sku, 5, "attic", safety=5, deliveries=[{"reference": "PO", "quantity": 4}])]
        )
        empty = {**expected, "available": 0, "inStock": False, "incoming": 4}
        assert hub.data(query, token=storefront)["answer"] == {"availability": empty}
        ask(hub, SET, rows=[level(sku, 5, "attic", backorder=True)])
        assert hub.data(query, token=storefront)["answer"]["availability"]["inStock"] is True
        everywhere = hub.data(f'{{ answer: variant(sku: "{sku}") {{ {fields} }} }}')["answer"]["availability"]
        assert everywhere["available"] == 10
        hidden = "{ stockMovements { nodes { id } } reservations { nodes { id } } reorderProposals { nodes { id } } }"
        shown = hub.data(hidden, token=storefront)
        assert [each["nodes"] for each in shown.values()] == [[], [], []]
    finally:
        written(hub.database, "channel", {"code": "web", "locations": []})
    catalogue = hub.new_token(Wish(kind="app", name=f"c {sku}", scopes=["catalogue:read"]))
    answer = hub.graphql(query, token=catalogue)
    assert answer["data"]["answer"]["availability"] is None


def test_a_proposal_is_shown_dismissed_and_closed(hub: Server, sku: str) -> None:
    ask(hub, SET, rows=[level(sku, 2, reorderPoint=3, reorderQuantity=40)])
    query = f"""{{ answer: reorderProposals(filter: {{closedAt: {{eq: null}}, dismissedAt: {{eq: null}},
        level: {{variant: {{sku: {{eq: "{sku}"}}}}}}}}) {{ nodes {{ id quantity available level {{ onHand }} }} }} }}"""
    found = ask(hub, query)["nodes"]
    assert [(each["quantity"], each["available"]) for each in found] == [(40, 2)]
    dismiss = f"mutation($id: ID!) {{ answer: reorderProposalDismiss(id: $id) {{ dismissed {ERRORS} }} }}"
    assert ask(hub, dismiss, id=found[0]["id"]) == {"dismissed": True, "userErrors": []}
    assert ask(hub, dismiss, id=found[0]["id"])["dismissed"] is False
    assert ask(hub, query)["nodes"] == []
    assert codes(ask(hub, dismiss, id="nonsense"))[0][0] == "INVALID"


def test_an_order_is_not_released_by_the_way(hub: Server, sku: str) -> None:
    line = {"variant": {"key": sku}, "name": "Shirt", "quantity": 2, "unit_price": "0"}
    written(hub.database, "order", {"channel": {"key": "web"}, "lines": [line]})
    insert = """INSERT INTO reservation (stock_id, order_line_id, quantity)
        SELECT min(s.id), max(l.id), 2 FROM stock s JOIN order_line l USING (variant_id) WHERE l.sku = '%s'"""
    hub.database.close()
    with hub.database.engine.begin() as tx:
        tx.exec_driver_sql(insert % sku)
    query = f"""{{ answer: reservations(filter: {{level: {{variant: {{sku: {{eq: "{sku}"}}}}}}}}) {{
        nodes {{ id quantity orderLine {{ sku }} }} }} }}"""
    found = ask(hub, query)["nodes"]
    assert found[0]["orderLine"] == {"sku": sku}
    assert codes(ask(hub, RELEASE, id=found[0]["id"])) == [("IN_USE", ["id"])]


def test_writing_needs_the_scope(hub: Server, sku: str) -> None:
    reader = hub.new_token(Wish(kind="app", name=f"r {sku}", scopes=["stock:read"]))
    for text, variables in (
        (MOVE, {"rows": [moved(sku, "RECEIVED", 1)]}),
        (RESERVE, {"input": {"variant": {"key": sku}, "quantity": 1, "holder": "x"}}),
        (RELEASE, {"holder": "x"}),
    ):
        answer = hub.graphql(text, variables, token=reader)
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
