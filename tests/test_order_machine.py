"""An order against a model of a few numbers: whatever is done in whatever order, both agree, or it is refused."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hub import order_edit, order_place
from hub.db import Database, Json
from hub.errors import HubError
from hub.order_transition import TRANSITIONS
from tests.shop import LONGER, WRITER, all_rows, opened, shirt, written

numbers = count(1)
SKUS = ("shirt-1-red", "shirt-1-blue")
PLACES = st.integers(0, 1)
PIECES = st.integers(1, 5)
OPEN = ("placed", "confirmed", "partly_fulfilled")


@pytest.fixture(scope="module")
def shop(module_database: Database) -> Database:
    """Two variants, a million of each at home."""
    opened(module_database)
    listing = {"channel": {"key": "web"}, "starts_at": "2020-01-01T00:00:00Z"}
    written(module_database, "product", shirt(listings=[listing]))
    written(module_database, "location", {"code": "home"})
    levels = [{"variant": {"key": sku}, "location": {"key": "home"}, "on_hand": 10**6} for sku in SKUS]
    written(module_database, "stock", *levels)
    return module_database


class Machine(RuleBasedStateMachine):
    """The model: per line how many pieces are ordered, sent and back; the status; what was refunded."""

    database: Database

    @initialize(quantities=st.tuples(PIECES, PIECES))
    def place(self, quantities: tuple[int, int]) -> None:
        self.number = f"M-{next(numbers)}"
        lines = [
            {"variant": {"key": sku}, "quantity": quantity, "unit_price": "10.00"}
            for sku, quantity in zip(SKUS, quantities, strict=True)
        ]
        self.before = self.stock()
        with self.database.write(WRITER) as tx:
            row = {"number": self.number, "channel": {"key": "web"}, "lines": lines}
            result = order_place.place(tx, row)
        assert result.errors == ()
        self.id = result.id or 0
        self.ordered, self.sent, self.back, self.restocked = list(quantities), [0, 0], [0, 0], [0, 0]
        self.status, self.refunded = "placed", 0

    def stock(self) -> list[tuple[int, int]]:
        return all_rows(
            self.database,
            "SELECT on_hand, reserved FROM stock s JOIN variant v ON v.id = variant_id ORDER BY sku DESC",
        )

    def change(self, **row: object) -> bool:
        return not written(self.database, "order", {"number": self.number} | row)[0].errors

    @rule(place=PLACES, pieces=PIECES)
    def send(self, place: int, pieces: int) -> None:
        parcel: Json = {"location": {"key": "home"}, "lines": [{"line": place, "quantity": pieces}]}
        fits = self.status in OPEN and self.sent[place] + pieces <= self.ordered[place]
        assert self.change(fulfilments=[parcel]) == fits
        if fits:
            self.sent[place] += pieces
            self.status = "fulfilled" if self.sent == self.ordered else "partly_fulfilled"

    @rule(place=PLACES, pieces=PIECES, restock=st.booleans())
    def take_back(self, place: int, pieces: int, restock: bool) -> None:
        lines = [{"line": place, "quantity": pieces, "restock": restock}]
        fits = self.back[place] + pieces <= self.sent[place]
        assert self.change(returns=[{"location": {"key": "home"}, "lines": lines}]) == fits
        if fits:
            self.back[place] += pieces
            self.restocked[place] += pieces if restock else 0

    @rule(to=st.sampled_from(("placed", "confirmed", "cancelled", "closed", "fulfilled", "draft")))
    def step(self, to: str) -> None:
        if to != self.status and (self.status, to, "command") not in TRANSITIONS:
            with pytest.raises(HubError, match="become"), self.database.write(WRITER) as tx:
                order_place.transition(tx, self.id, to)
            return
        with self.database.write(WRITER) as tx:
            assert order_place.transition(tx, self.id, to).errors == ()
        self.status = to

    @rule(place=PLACES, pieces=PIECES)
    def edit(self, place: int, pieces: int) -> None:
        if self.status not in OPEN:
            return
        given = {"lines": [{"position": place, "quantity": pieces}]}
        with self.database.write(WRITER) as tx:
            result = order_edit.stage(tx, self.id, given, None)
            if not result.errors and result.outcome == "updated":
                result = order_edit.apply(tx, self.id)
        assert (result.errors == ()) == (pieces >= self.sent[place])
        if not result.errors:
            self.ordered[place] = pieces

    @rule(amount=st.integers(1, 60))
    def refund(self, amount: int) -> None:
        fits = self.refunded + amount <= 10 * sum(self.ordered)
        assert self.change(refunds=[{"amount": str(amount)}]) == fits
        self.refunded += amount if fits else 0

    @invariant()
    def they_agree(self) -> None:
        lines = all_rows(
            self.database,
            "SELECT quantity, fulfilled, returned, cancelled FROM order_line WHERE order_id = :id ORDER BY position",
            id=self.id,
        )
        over = self.status in ("cancelled", "closed")
        gone = [(a - b) if over else 0 for a, b in zip(self.ordered, self.sent, strict=True)]
        assert lines == list(zip(self.ordered, self.sent, self.back, gone, strict=True))
        held = all_rows(self.database, 'SELECT status, total FROM "order" WHERE id = :id', id=self.id)
        assert held == [(self.status, 10 * sum(self.ordered))]
        for place, (on_hand, reserved) in enumerate(self.stock()):
            was_on_hand, was_reserved = self.before[place]
            assert on_hand == was_on_hand - self.sent[place] + self.restocked[place]
            assert reserved - was_reserved == (0 if over else self.ordered[place] - self.sent[place])


def test_an_order_and_its_model_agree(shop: Database) -> None:
    Machine.database = shop
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=int(15 * LONGER),
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
