"""What deliveries hold of a person, and how it goes."""

from __future__ import annotations

import sqlalchemy as sa

from hub.erasure import Person
from webhooks.delivery import Attempt, Delivery, lock_bodies, lock_lanes


def erase(tx: sa.Connection, person: Person) -> dict[str, int]:
    """Erase the bodies of deliveries that tell of a person, and what receivers answered to them.

    What has arrived is not sent again. What is still on its way has its body made anew, from what is left. All are looked
    through while others store bodies; then nobody does until this transaction ends, and the latest are looked through again.
    """
    text = sa.func.convert_from(Delivery.body, "UTF8")
    theirs = sa.tuple_(Delivery.aggregate, Delivery.aggregate_id).in_(list(person.subjects))
    told = sa.or_(theirs, sa.and_(Delivery.body.is_not(None), person.named_in(text)))
    arrived = sa.case((Delivery.delivered_at.is_not(None), sa.func.now()))
    looked = sa.select(Delivery.id, Delivery.endpoint_id).where(told)
    found = set(tx.execute(looked).all())
    tx.execute(lock_bodies(alone=True))
    latest = sa.or_(Delivery.delivered_at.is_(None), Delivery.delivered_at >= sa.func.now())
    found.update(tx.execute(looked.where(latest)).all())
    # Whoever notes or moves on holds this lock: neither waits for the other's rows in a ring.
    lock_lanes(tx, {row.endpoint_id for row in found})
    these = Delivery.id == sa.any_(sa.literal([row.id for row in found], sa.ARRAY(sa.BigInteger)))
    emptied = sa.update(Delivery).where(these).values(body=None, erased_at=arrived).returning(Delivery.id)
    numbers = list(tx.scalars(emptied))
    attempts = sa.update(Attempt).where(
        Attempt.delivery_id == sa.any_(sa.literal(numbers, sa.ARRAY(sa.BigInteger)))
    )
    heard = sa.or_(Attempt.response.is_not(None), Attempt.error.is_not(None))
    count = tx.execute(attempts.where(heard).values(response=None, error=None)).rowcount
    return {"delivery": len(numbers), "attempt": count}
