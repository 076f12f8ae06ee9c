"""One writer that moves stock as fast as it can: a process of its own, so that it can be killed.

Variants with an even number are only promised, released, shipped and received: they must never be promised below what
lies there. The others are counted and moved as well, which is a fact whatever was promised.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import orjson
import sqlalchemy as sa

from hub import refusal, reservation, stock_move
from hub.db import Database, Writer
from hub.reservation import Shipment, Wanted
from hub.save import save
from hub.stock_move import Move

WRITER = Writer(actor="attack", source="erp")


class Attack:
    """What one writer does. ``counts``: how often what was done, or ended by the database for another's sake."""

    def __init__(self, database: Database, seed: int) -> None:
        self.database = database
        self.chance = random.Random(seed)
        self.counts: Counter[str] = Counter()
        with database.read() as tx:
            self.variants = list(tx.scalars(sa.text("SELECT id FROM variant ORDER BY id")))
            self.locations = list(tx.scalars(sa.text("SELECT id FROM location ORDER BY id")))
            lines = tx.execute(sa.text("SELECT id, variant_id FROM order_line ORDER BY id")).all()
        self.lines = [(line, variant) for line, variant in lines if line % 8 == seed % 8]

    def step(self) -> None:
        """One transaction."""
        acts = (
            self.reserve,
            self.reserve,
            self.order,
            self.ship,
            self.release,
            self.push,
            self.sql,
            self.move,
        )
        act = self.chance.choice(acts)
        try:
            with self.database.write(WRITER) as tx, tx.begin_nested() as inner:
                act(tx)
                if self.chance.random() < 0.05:
                    inner.rollback()
                    self.counts["rolled back"] += 1
        except sa.exc.DBAPIError as error:
            if not refusal.retryable(error):
                raise
            self.counts["retried"] += 1
        else:
            self.counts[act.__name__] += 1

    def pick(self, many: int) -> list[int]:
        return self.chance.sample(self.variants, many)

    def reserve(self, tx: sa.Connection) -> None:
        ends = datetime.now(UTC) + timedelta(seconds=self.chance.choice((0.1, 1, 100)))
        holder = f"cart {self.chance.randrange(40)}"
        wanted = [
            Wanted(variant_id=each, quantity=self.chance.randint(1, 6), holder=holder, expires_at=ends)
            for each in self.pick(3)
        ]
        if reservation.reserve(tx, wanted, partly=self.chance.random() < 0.5):
            self.counts["short"] += 1

    def order(self, tx: sa.Connection) -> None:
        line, variant = self.chance.choice(self.lines)
        if reservation.reserve(tx, [Wanted(variant_id=variant, quantity=2, order_line_id=line)]):
            self.counts["short"] += 1

    def ship(self, tx: sa.Connection) -> None:
        """Only what was promised, from where it was promised."""
        held = sa.text(
            "SELECT r.order_line_id, s.variant_id, s.location_id, r.quantity FROM reservation r JOIN stock s ON s.id = stock_id"
            " WHERE order_line_id = ANY (:lines) AND s.backorder IS FALSE ORDER BY random() LIMIT 2"
        )
        names = ("order_line_id", "variant_id", "location_id", "quantity")
        found = tx.execute(held, {"lines": [line for line, _ in self.lines]})
        reservation.ship(tx, [Shipment(**dict(zip(names, row, strict=True))) for row in found])

    def release(self, tx: sa.Connection) -> None:
        reservation.release(
            tx, holders=[f"cart {self.chance.randrange(40)}"], quantity=self.chance.randint(1, 9)
        )
        reservation.expire(tx)

    def push(self, tx: sa.Connection) -> None:
        rows = [
            {"variant": {"id": each}, "location": {"id": place}, "on_hand": self.chance.randint(0, 30)}
            for each in self.pick(12)
            if each % 2
            for place in self.locations
        ]
        if rows:
            save(tx, "stock", rows)

    def sql(self, tx: sa.Connection) -> None:
        tx.execute(
            sa.text("UPDATE stock SET on_hand = on_hand + :n, safety = :s WHERE variant_id = :v"),
            {"n": self.chance.randint(1, 4), "s": 0, "v": self.chance.choice(self.variants)},
        )

    def move(self, tx: sa.Connection) -> None:
        here, there = self.chance.sample(self.locations, 2)
        odd = [each for each in self.pick(8) if each % 2]
        moves = [Move(each, here, 2, "moved", to_location_id=there) for each in odd]
        document = {"system": "wms", "id": str(self.chance.randrange(200))}
        received = Move(self.variants[0], here, 3, "received", document=document)
        stock_move.move(tx, [*moves, received])


def main(url: str, seconds: float, seed: int) -> None:
    """Wait for the word, attack for so long, then tell what was done."""
    database = Database(url, pool_size=1)
    attack = Attack(database, seed)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        attack.step()
    database.close()
    sys.stdout.write(orjson.dumps(attack.counts).decode())


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
