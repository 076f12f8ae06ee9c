"""The handshake that an endpoint may ask for: it hears nothing before it has echoed a challenge.

So a mistyped address is not told of anything, and nobody can point the hub at a receiver that did not agree. The
challenge goes out like any delivery, signed and repeated; the answer must carry it, alone or as ``challenge`` in JSON.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import orjson
import sqlalchemy as sa

from hub.errors import Invalid
from webhooks import body, event
from webhooks.delivery import Delivery
from webhooks.endpoint import NOUN, Endpoint

PURPOSE = "verification"
CHALLENGE_BYTES = 24


def begin(tx: sa.Connection, endpoint_id: int) -> int:
    """Send a new challenge; the ones before it are void. Gives its delivery's id."""
    challenge = secrets.token_urlsafe(CHALLENGE_BYTES)
    own = sa.update(Endpoint).where(Endpoint.id == endpoint_id)
    tx.execute(own.values(challenge=challenge, verified_at=None))
    void = sa.delete(Delivery).where(
        Delivery.endpoint_id == endpoint_id, Delivery.purpose == PURPOSE, Delivery.delivered_at.is_(None)
    )
    tx.execute(void)
    row = {
        "endpoint_id": endpoint_id,
        "purpose": PURPOSE,
        "type": event.VERIFICATION,
        "aggregate": NOUN,
        "aggregate_id": endpoint_id,
        "occurred_at": sa.func.now(),
        "due_at": sa.func.now(),
        "body": orjson.dumps(
            body.about_itself(event.VERIFICATION, endpoint_id, datetime.now(UTC), challenge)
        ),
    }
    return tx.execute(sa.insert(Delivery).values(row).returning(Delivery.id)).scalar_one()


def echoes(sent: bytes, response: str | None) -> bool:
    """Whether an answer carries the challenge of the body that it answers."""
    challenge = orjson.loads(sent)["challenge"]
    said = (response or "").strip()
    try:
        told = orjson.loads(said)
    except orjson.JSONDecodeError:
        told = said
    answered = told.get("challenge") if isinstance(told, dict) else told
    return isinstance(answered, str) and secrets.compare_digest(answered.encode(), challenge.encode())


def passed(tx: sa.Connection, endpoint_id: int, sent: bytes) -> None:
    """Note that the endpoint echoed; from now on it hears everything, from where it was registered.

    Only the latest challenge counts: an earlier one may have gone to another address, which answers late.
    """
    latest = Endpoint.challenge == orjson.loads(sent)["challenge"]
    own = sa.update(Endpoint).where(Endpoint.id == endpoint_id, Endpoint.verified_at.is_(None), latest)
    tx.execute(own.values(verified_at=sa.func.now(), challenge=None))


def again(tx: sa.Connection, row: dict[str, object], endpoint_id: int) -> int:
    """Challenge an endpoint anew. Raises ``hub.errors.Invalid`` for one that asks for no handshake."""
    if not row["verify"]:
        raise Invalid("The endpoint asks for no verification: set verify first.", ("id",))
    return begin(tx, endpoint_id)
