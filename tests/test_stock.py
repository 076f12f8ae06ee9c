"""Stock: levels and their journal, promises, deliveries and reorder proposals, attacked by SQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hub import migrations, refusal, reorder_proposal, reservation, stock_check
from hub.db import Database
from hub.errors import Code
from hub.reservation import Shipment, Wanted
from hub.stock_movement import Movement, write
from tests.shop import WRITER, all_rows, opened, shirt, written


@pytest.fixture
def shop(database: Database, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Two variants and three locations: 10 and 5 of the red one lie in the hall and in the attic.

    Whatever a test did, the sums are right at its end.
    """
    opened(database)
    written(database, "product", shirt())
    written(database, "location", {"code": "hall"}, {"code": "attic"}, {"code": "cellar"})
    written(database, "stock", level(10), level(5, "attic"))
    yield database
    if "plant" not in request.fixturenames:
        assert faults(database) == []


def level(on_hand: int, location: str = "hall", sku: str = "shirt-1-red", **more: Any) -> dict[str, Any]:
    """A level as an input states it."""
    return {"variant": {"key": sku}, "location": {"key": location}, "on_hand": on_hand, **more}


def run(database: Database, statement: str, **values: Any) -> None:
    """One statement as somebody in ``psql`` writes it."""
    with database.engine.begin() as tx:
        tx.execute(sa.text(statement), values)


def refused(database: Database, statement: str) -> str:
    """The message by which the database refuses a statement."""
    with pytest.raises(sa.exc.DBAPIError) as error:
        run(database, statement)
    return str(refusal.of(error.value).message)


def state(database: Database, location: str = "hall") -> tuple[Any, ...]:
    """On hand, reserved and incoming of the red shirt at a location."""
    rows = all_rows(
        database,
        "SELECT on_hand, reserved, incoming FROM stock s JOIN location l ON l.id = location_id"
        " JOIN variant v ON v.id = variant_id WHERE l.code = :code AND sku = 'shirt-1-red'",
        code=location,
    )
    return rows[0]


def journal(database: Database) -> list[tuple[Any, ...]]:
    """All movements, the oldest first."""
    return all_rows(database, "SELECT quantity, kind, level_after FROM stock_movement ORDER BY id")


def ids(database: Database) -> dict[str, int]:
    """Ids of what the shop has, by code."""
    query = "SELECT sku, id FROM variant UNION ALL SELECT code, id FROM location UNION ALL SELECT code, id FROM channel"
    return dict(all_rows(database, query))


def faults(database: Database) -> list[str]:
    """What the independent count finds wrong."""
    with database.read() as tx:
        return stock_check.faults(tx)


def test_a_stated_level_is_a_movement_and_a_movement_changes_its_level(shop: Database) -> None:
    assert journal(shop) == [(10, "counted", 10), (5, "counted", 5)]
    run(shop, "UPDATE stock SET on_hand = on_hand - 3 WHERE on_hand = 10")
    run(
        shop,
        "INSERT INTO stock_movement (stock_id, quantity, kind) SELECT id, 4, 'received' FROM stock WHERE on_hand = 7",
    )
    assert journal(shop)[2:] == [(-3, "corrected", 7), (4, "received", 11)]
    assert state(shop) == (11, 0, 0)


def test_many_movements_in_one_statement_tell_the_level_after_each(shop: Database) -> None:
    run(
        shop,
        "INSERT INTO stock_movement (stock_id, quantity, kind) SELECT s.id, n, 'corrected' FROM stock s, generate_series(1, 3) n"
        " WHERE on_hand = 10 ORDER BY n",
    )
    assert journal(shop)[2:] == [(1, "corrected", 11), (2, "corrected", 13), (3, "corrected", 16)]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE stock_movement SET quantity = 1", "A movement of stock is not changed"),
        ("UPDATE stock_movement SET level_after = 1", "A movement of stock is not changed"),
        ("DELETE FROM stock_movement", "A movement of stock is not deleted"),
        ("TRUNCATE stock_movement", "cannot be truncated"),
        ("UPDATE stock SET incoming = 3", "is the sum of its deliveries"),
        ("UPDATE stock SET incoming_at = now()", "is the sum of its deliveries"),
        (
            "INSERT INTO stock_movement (stock_id, quantity, kind) SELECT id, 0, 'received' FROM stock",
            "quantity",
        ),
        ("INSERT INTO stock_movement (stock_id, quantity, kind) SELECT id, 1, 'found' FROM stock", "kind"),
        (
            "INSERT INTO reservation (stock_id, holder, quantity) SELECT id, 'x', 11 FROM stock WHERE on_hand = 10",
            'Of "shirt-1-red" at "hall" 10 can be promised, not 11',
        ),
        ("INSERT INTO reservation (stock_id, quantity) SELECT id, 1 FROM stock", "holder"),
    ],
)
def test_sql_cannot_break_the_sums(shop: Database, statement: str, said: str) -> None:
    with pytest.raises(sa.exc.DBAPIError, match=said):
        run(shop, statement)


def test_a_setting_left_behind_does_not_switch_the_rules_off(shop: Database) -> None:
    with shop.engine.connect() as tx:
        tx.execute(sa.text("SET hub.deriving = 'on'"))
        tx.commit()
        tx.execute(sa.text("UPDATE stock SET on_hand = on_hand + 1, reserved = 2"))
        tx.commit()
        tx.execute(sa.text("RESET hub.deriving"))
        tx.commit()
    assert state(shop) == (11, 2, 0)


def test_a_session_of_a_replica_keeps_the_sums_too(shop: Database) -> None:
    with shop.engine.begin() as tx:
        tx.execute(sa.text("SET LOCAL session_replication_role = replica"))
        tx.execute(sa.text("UPDATE stock SET on_hand = 3 WHERE on_hand = 10"))
        tx.execute(
            sa.text("INSERT INTO reservation (stock_id, holder, quantity) SELECT id, 'x', 2 FROM stock")
        )
    assert state(shop) == (3, 2, 0)


def test_what_is_rolled_back_leaves_nothing_and_the_rules_on(shop: Database) -> None:
    with shop.engine.begin() as tx:
        tx.execute(sa.text("SAVEPOINT here"))
        with pytest.raises(sa.exc.DBAPIError):
            tx.execute(
                sa.text("INSERT INTO reservation (stock_id, holder, quantity) SELECT id, 'x', 99 FROM stock")
            )
        tx.execute(sa.text("ROLLBACK TO here"))
        tx.execute(sa.text("UPDATE stock SET on_hand = 8 WHERE on_hand = 10"))
    assert state(shop) == (8, 0, 0)


def test_stated_promises_are_one_reservation_and_counts_below_them_are_facts(shop: Database) -> None:
    written(shop, "stock", level(10, reserved=4))
    written(shop, "stock", level(2, reserved=6))
    assert all_rows(shop, "SELECT holder, quantity FROM reservation") == [("stated", 6)]
    run(shop, "UPDATE stock SET reserved = 0")
    assert all_rows(shop, "SELECT count(*) FROM reservation") == [(0,)]
    with shop.write(WRITER) as tx:
        known = ids(shop)
        assert not reservation.reserve(tx, [Wanted(variant_id=known["shirt-1-red"], quantity=1, holder="a")])
    assert "The hub itself has promised 1" in refused(
        shop, "UPDATE stock SET reserved = 0 WHERE reserved = 1"
    )


def test_promises_are_spread_over_the_locations_of_the_channel(shop: Database) -> None:
    known = ids(shop)
    red, web = known["shirt-1-red"], known["web"]
    with shop.write(WRITER) as tx:
        assert not reservation.reserve(tx, [Wanted(variant_id=red, channel_id=web, quantity=12, holder="a")])
    assert (state(shop), state(shop, "attic")) == ((10, 10, 0), (5, 2, 0))
    written(shop, "channel", {"code": "web", "locations": [{"location": {"key": "attic"}}]})
    with shop.write(WRITER) as tx:
        wanted = [Wanted(variant_id=red, channel_id=web, quantity=4, holder="b")]
        short = reservation.reserve(tx, wanted)
        assert [(each.sku, each.wanted, each.available) for each in short] == [("shirt-1-red", 4, 3)]
        assert "3 can be promised, not 4" in short[0].message
        reservation.reserve(tx, wanted, partly=True)
    assert state(shop, "attic") == (5, 5, 0)
    with shop.write(WRITER) as tx:
        assert reservation.release(tx, holders=["a"], quantity=3) == 3
    assert (state(shop), state(shop, "attic")) == ((10, 9, 0), (5, 3, 0))


def test_safety_is_kept_back_and_backorder_goes_below(shop: Database) -> None:
    known = ids(shop)
    written(shop, "stock", level(10, safety=8), level(5, "attic", safety=5))
    wanted = [Wanted(variant_id=known["shirt-1-red"], quantity=3, holder="a")]
    with shop.write(WRITER) as tx:
        assert [each.available for each in reservation.reserve(tx, wanted)] == [2]
    written(shop, "stock", level(5, "attic", backorder=True))
    with shop.write(WRITER) as tx:
        assert not reservation.reserve(tx, wanted)
    assert (state(shop), state(shop, "attic")) == ((10, 2, 0), (5, 1, 0))


def test_what_runs_out_of_time_is_free_again(shop: Database) -> None:
    red = ids(shop)["shirt-1-red"]
    past = datetime.now(UTC) - timedelta(seconds=1)
    with shop.write(WRITER) as tx:
        reservation.reserve(tx, [Wanted(variant_id=red, quantity=15, holder="a", expires_at=past)])
    with shop.write(WRITER) as tx:  # also before the relay looks
        assert not reservation.reserve(tx, [Wanted(variant_id=red, quantity=15, holder="b", expires_at=past)])
    with shop.write(WRITER) as tx:
        assert reservation.expire(tx) == 2
        assert reservation.expire(tx) == 0
    assert state(shop) == (10, 0, 0)


def test_shipping_keeps_the_promise_and_writes_the_movement(shop: Database) -> None:
    known = ids(shop)
    red = known["shirt-1-red"]
    line = order_line(shop)
    with shop.write(WRITER) as tx:
        reservation.reserve(tx, [Wanted(variant_id=red, quantity=12, order_line_id=line)])
    with shop.write(WRITER) as tx:
        for location, quantity in (("attic", 3), ("cellar", 1)):
            document = {"system": "wms", "id": location}
            reservation.ship(
                tx,
                [
                    Shipment(
                        order_line_id=line,
                        variant_id=red,
                        location_id=known[location],
                        quantity=quantity,
                        document=document,
                    )
                ],
            )
    assert [state(shop, each) for each in ("hall", "attic", "cellar")] == [(10, 8, 0), (2, 0, 0), (-1, 0, 0)]
    assert "are promised to orders" in refused(shop, "DELETE FROM stock WHERE reserved > 0").replace(
        "pieces promised", "pieces are promised"
    )
    run(shop, 'UPDATE "order" SET subtotal = 0, total = 0; DELETE FROM order_line')
    assert state(shop) == (10, 0, 0)


def order_line(shop: Database) -> int:
    """The id of a line of a draft for the red shirt."""
    line = {"variant": {"key": "shirt-1-red"}, "name": "Shirt", "quantity": 20, "unit_price": "0"}
    written(shop, "order", {"channel": {"key": "web"}, "lines": [line]})
    return int(all_rows(shop, "SELECT max(id) FROM order_line")[0][0])


def test_promises_of_a_cart_become_those_of_the_order(shop: Database) -> None:
    red, line = ids(shop)["shirt-1-red"], order_line(shop)
    soon = datetime.now(UTC) + timedelta(minutes=5)
    with shop.write(WRITER) as tx:
        reservation.reserve(tx, [Wanted(variant_id=red, quantity=12, cart_line_id=7, expires_at=soon)])
        reservation.hand_over(tx, {7: line})
    found = all_rows(
        shop, "SELECT order_line_id, cart_line_id, expires_at, quantity FROM reservation ORDER BY id"
    )
    assert found == [(line, None, None, 10), (line, None, None, 2)]


def test_deliveries_are_expected_received_and_over(shop: Database) -> None:
    deliveries = [
        {"reference": "PO-1", "quantity": 20, "expected_at": "2030-01-02T00:00:00Z"},
        {"reference": "PO-2", "quantity": 5, "expected_at": "2030-01-01T00:00:00Z"},
    ]
    written(shop, "stock", {**level(10), "deliveries": deliveries})
    assert state(shop) == (10, 0, 25)
    number = all_rows(shop, "SELECT id FROM stock WHERE incoming > 0")[0][0]
    with shop.write(WRITER) as tx:
        write(
            tx,
            [
                Movement(number, 15, "received", delivery="PO-1"),
                Movement(number, 9, "received", delivery="PO-2"),
            ],
        )
    assert state(shop) == (34, 0, 5)
    written(shop, "stock", {**level(34), "deliveries": [{"reference": "PO-1", "remove": True}]})
    assert state(shop) == (34, 0, 0)
    assert all_rows(shop, "SELECT incoming_at FROM stock WHERE on_hand = 34") == [(None,)]


def test_one_proposal_is_open_until_the_delivery_lifts_the_level(shop: Database) -> None:
    written(shop, "stock", level(10, reorder_point=8, reorder_quantity=50))
    for on_hand in (7, 6, 5, 8):
        written(shop, "stock", level(on_hand))
    opened_ = "SELECT quantity, available, incoming, closed_at IS NULL FROM reorder_proposal ORDER BY id"
    assert all_rows(shop, opened_) == [(50, 7, 0, True)]
    written(shop, "stock", {**level(8), "deliveries": [{"reference": "PO-1", "quantity": 50}]})
    assert all_rows(shop, opened_) == [(50, 7, 0, False)]
    number = all_rows(shop, "SELECT id FROM stock WHERE incoming > 0")[0][0]
    with shop.write(WRITER) as tx:
        write(tx, [Movement(number, 50, "received", delivery="PO-1")])
    assert all_rows(shop, opened_) == [(50, 7, 0, False)]
    written(shop, "stock", level(3))
    assert all_rows(shop, opened_) == [(50, 7, 0, False), (50, 3, 0, True)]
    events = all_rows(shop, "SELECT events FROM pending WHERE 'stock.low' = ANY (events)")
    assert len(events) == 2


def test_a_dismissed_proposal_is_not_made_again_before_the_level_was_lifted(shop: Database) -> None:
    written(shop, "stock", level(3, reorder_point=8))
    number = all_rows(shop, "SELECT id FROM reorder_proposal")[0][0]
    with shop.write(WRITER) as tx:
        assert reorder_proposal.dismiss(tx, number)
        assert not reorder_proposal.dismiss(tx, number)
    written(shop, "stock", level(2))
    assert all_rows(shop, "SELECT count(*) FROM reorder_proposal") == [(1,)]
    written(shop, "stock", level(9))
    written(shop, "stock", level(2))
    assert all_rows(shop, "SELECT count(*) FROM reorder_proposal") == [(2,)]


def test_a_document_states_a_level_once(shop: Database) -> None:
    paper = {"system": "erp", "id": "count-1", "line": "1"}
    assert [each.outcome for each in written(shop, "stock", level(7, document=paper))] == ["updated"]
    run(shop, "UPDATE stock SET on_hand = 5 WHERE on_hand = 7")
    assert [each.outcome for each in written(shop, "stock", level(7, document=paper))] == ["unchanged"]
    assert state(shop)[0] == 5
    answer = written(shop, "stock", level(8, document=paper))[0]
    assert [(error.code, error.path) for error in answer.errors] == [(Code.CONFLICT, ("document",))]
    # A count that finds what was expected is written down too: it may come again when the level is another.
    confirmed = {"system": "erp", "id": "count-2"}
    written(shop, "stock", level(5, document=confirmed))
    run(shop, "UPDATE stock SET on_hand = 4 WHERE on_hand = 5")
    assert [each.outcome for each in written(shop, "stock", level(5, document=confirmed))] == ["unchanged"]
    assert state(shop)[0] == 4


def test_conditions_of_a_row_are_checked_against_the_locked_level(shop: Database) -> None:
    answer = written(shop, "stock", level(7, if_on_hand=9))[0]
    assert [(error.code, error.path) for error in answer.errors] == [(Code.CONFLICT, ("if_on_hand",))]
    assert "There are 10 on hand, not 9" in answer.errors[0].message
    assert written(shop, "stock", level(7, if_on_hand=10, if_version=1))[0].outcome == "updated"
    answer = written(shop, "stock", level(6, if_version=1))[0]
    assert answer.errors[0].message == "The level is at version 2, not 1: read it again and retry."


def test_deleting_a_variant_takes_its_level_journal_and_promises(shop: Database) -> None:
    with shop.write(WRITER) as tx:
        reservation.reserve(tx, [Wanted(variant_id=ids(shop)["shirt-1-red"], quantity=3, cart_line_id=1)])
    assert "still used" in refused(shop, "DELETE FROM location WHERE code = 'hall'")
    run(shop, "DELETE FROM product")
    for table in ("stock", "stock_movement", "reservation"):
        assert all_rows(shop, f"SELECT count(*) FROM {table}") == [(0,)]


def test_levels_from_before_the_journal_open_it(shop: Database) -> None:
    with shop.engine.begin() as tx:
        for table in ("stock", "stock_movement", "reservation"):
            tx.execute(sa.text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        tx.execute(sa.text("DELETE FROM stock_movement"))
        tx.execute(sa.text("UPDATE stock SET on_hand = 9, reserved = 2 WHERE on_hand = 10"))
        for table in ("stock", "stock_movement", "reservation"):
            tx.execute(sa.text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
    assert len(faults(shop)) == 3
    migrations.upgrade(shop.url)
    migrations.upgrade(shop.url)
    assert journal(shop) == [(9, "counted", 9), (5, "counted", 5)]
    assert state(shop) == (9, 2, 0)


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        ("UPDATE stock SET on_hand = on_hand + 1 WHERE on_hand = 10", "movements add up to 10"),
        ("UPDATE stock_movement SET quantity = 4 WHERE quantity = 5", "movements add up to 4"),
        ("UPDATE stock SET reserved = 1 WHERE on_hand = 10", "reservations add up to 0"),
        ("UPDATE stock SET incoming = 1 WHERE on_hand = 10", "deliveries add up to 0"),
    ],
)
def test_the_check_finds_what_is_planted(shop: Database, plant: str, said: str) -> None:
    with shop.engine.begin() as tx:
        tx.execute(sa.text("ALTER TABLE stock DISABLE TRIGGER USER"))
        tx.execute(sa.text("ALTER TABLE stock_movement DISABLE TRIGGER USER"))
        tx.execute(sa.text(plant))
    assert len(faults(shop)) == 1
    assert said in faults(shop)[0]
