"""What is waiting: products to index anew that one change touches by the thousand, and documents that were refused.

A renamed category must not hold up the changes behind it: its products wait here and are worked off in batches between
them. A document that the engine refuses waits with its reason until somebody looks, and stops nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base
from search.document import Key
from search.engine import Refused

STAFF = 0
"""The channel of the document of staff."""


class SearchWork(Base):
    """A product that one generation of the index has to take up anew. ``repair``: what is there is wrong."""

    __tablename__ = "search_work"

    generation: Mapped[str] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    repair: Mapped[bool] = mapped_column(server_default="false")
    added_at: Mapped[datetime] = mapped_column(
        sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp()
    )


class SearchParked(Base):
    """A document that the engine refused. ``channel_id`` is 0 for the one of staff."""

    __tablename__ = "search_parked"

    product_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    channel_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[str]
    attempts: Mapped[int] = mapped_column(server_default="1")
    parked_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


@dataclass(frozen=True)
class Waiting:
    """Products taken from the queue, and those of them that are to be repaired. ``until``: when the newest was put in."""

    product_ids: tuple[int, ...] = ()
    repair: tuple[int, ...] = ()
    until: datetime | None = None


def add(tx: sa.Connection, generation: str, product_ids: Iterable[int], *, repair: bool = False) -> None:
    """Put products into a generation's queue; one that waits already goes to its end."""
    wanted = sa.func.unnest(sa.literal(sorted(set(product_ids)), ARRAY(sa.BigInteger)))
    rows = sa.select(sa.literal(generation), wanted, sa.literal(repair))
    put = insert(SearchWork).from_select(["generation", "product_id", "repair"], rows)
    again = {
        "added_at": sa.func.clock_timestamp(),
        "repair": sa.or_(SearchWork.repair, put.excluded.repair),
    }
    tx.execute(put.on_conflict_do_update(index_elements=["generation", "product_id"], set_=again))


def first(tx: sa.Connection, generation: str, limit: int) -> Waiting:
    """The products that have waited longest, what is to be repaired before all."""
    rows = tx.execute(
        sa.select(SearchWork.product_id, SearchWork.repair, SearchWork.added_at)
        .where(SearchWork.generation == generation)
        .order_by(SearchWork.repair.desc(), SearchWork.added_at, SearchWork.product_id)
        .limit(limit)
    ).all()
    return Waiting(
        tuple(row.product_id for row in rows),
        tuple(row.product_id for row in rows if row.repair),
        max((row.added_at for row in rows), default=None),
    )


def done(tx: sa.Connection, generation: str, waiting: Waiting) -> None:
    """Take products out of the queue, those excepted that were put in again meanwhile."""
    tx.execute(
        sa.delete(SearchWork).where(
            SearchWork.generation == generation,
            SearchWork.product_id == sa.any_(sa.literal(waiting.product_ids, ARRAY(sa.BigInteger))),
            SearchWork.added_at <= waiting.until,
        )
    )


def length(tx: sa.Connection, generation: str) -> int:
    """How many products wait."""
    rows = sa.select(sa.func.count()).select_from(SearchWork).where(SearchWork.generation == generation)
    return tx.scalar(rows) or 0


def forget(tx: sa.Connection, keep: Collection[str]) -> None:
    """Empty the queues of all other generations."""
    tx.execute(sa.delete(SearchWork).where(SearchWork.generation.not_in(list(keep))))


def park(tx: sa.Connection, product_ids: Sequence[int], refused: Iterable[Refused]) -> None:
    """Note what was refused of these products; what was parked of them before and was taken now is parked no more."""
    said = {(each.key[0], each.key[1] or STAFF): each.reason for each in refused}
    held = sa.tuple_(SearchParked.product_id, SearchParked.channel_id)
    tx.execute(
        sa.delete(SearchParked).where(
            SearchParked.product_id == sa.any_(sa.literal(list(product_ids), ARRAY(sa.BigInteger))),
            held.not_in(list(said)) if said else sa.true(),
        )
    )
    if not said:
        return
    rows = [{"product_id": key[0], "channel_id": key[1], "reason": reason} for key, reason in said.items()]
    put = insert(SearchParked).values(rows)
    again = {
        "reason": put.excluded.reason,
        "attempts": SearchParked.attempts + 1,
        "parked_at": sa.func.now(),
    }
    tx.execute(put.on_conflict_do_update(index_elements=["product_id", "channel_id"], set_=again))


def parked(
    tx: sa.Connection, limit: int = 1000, *, after: tuple[int, int] | None = None
) -> Sequence[sa.RowMapping]:
    """The documents that were refused, by product and channel. ``after``: those behind this product and channel."""
    statement = sa.select(SearchParked.__table__).order_by(SearchParked.product_id, SearchParked.channel_id)
    if after is not None:
        statement = statement.where(sa.tuple_(SearchParked.product_id, SearchParked.channel_id) > after)
    return tx.execute(statement.limit(limit)).mappings().all()


def parked_of(tx: sa.Connection, product_ids: Collection[int]) -> set[Key]:
    """Which documents of some products were refused."""
    keys = sa.select(SearchParked.product_id, SearchParked.channel_id).where(
        SearchParked.product_id == sa.any_(sa.literal(list(product_ids), ARRAY(sa.BigInteger)))
    )
    return {(product, channel or None) for product, channel in tx.execute(keys)}


def parked_count(tx: sa.Connection) -> int:
    """How many documents were refused."""
    return tx.scalar(sa.select(sa.func.count()).select_from(SearchParked)) or 0


def retry(
    tx: sa.Connection,
    generation: str,
    product_ids: Collection[int] | None = None,
    *,
    limit: int | None = None,
) -> int:
    """Put products with a parked document back into the queue; gives how many there were.

    ``product_ids``: only these; null for all. ``limit``: at most so many.
    """
    chosen = sa.select(SearchParked.product_id).distinct().limit(limit)
    if product_ids is not None:
        chosen = chosen.where(SearchParked.product_id.in_(list(product_ids)))
    products = list(tx.scalars(chosen))
    add(tx, generation, products, repair=True)
    return len(products)
