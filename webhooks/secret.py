"""The secrets of endpoints: sealed in the database, two of them valid while one replaces the other."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Base, Id
from hub.errors import Invalid
from webhooks import signature

FORM = b"\x01"
"""The first byte of what is sealed: how it is sealed, so that another way can stand beside this one."""

NONCE_BYTES = 12
LONGEST_OVERLAP = timedelta(days=7)


class SealError(Exception):
    """What is stored was not sealed with this key."""


class Secret(Base):
    """One secret of an endpoint. ``expires_at`` is null for the newest; older ones still sign until then."""

    __tablename__ = "webhook_secret"

    id: Mapped[Id]
    endpoint_id: Mapped[int] = mapped_column(
        sa.ForeignKey("webhook_endpoint.id", ondelete="CASCADE"), index=True
    )
    sealed: Mapped[bytes] = mapped_column(sa.LargeBinary)
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    expires_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))


class Vault:
    """Seals and opens secrets with a key that is derived from ``HUB_SECRET_KEY``."""

    def __init__(self, secret_key: str) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"webhook secrets")
        self._cipher = AESGCM(derived.derive(secret_key.encode()))

    def seal(self, endpoint_id: int, secret: str) -> bytes:
        """The sealed secret. It opens for its own endpoint only."""
        nonce = os.urandom(NONCE_BYTES)
        return FORM + nonce + self._cipher.encrypt(nonce, secret.encode(), _bound(endpoint_id))

    def open(self, endpoint_id: int, sealed: bytes) -> str:
        """The secret. Raises ``SealError`` where it was sealed with another key or for another endpoint."""
        nonce, rest = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, rest, _bound(endpoint_id)).decode()
        except InvalidTag as wrong:
            raise SealError(
                f"The secret of endpoint {endpoint_id} was sealed under another HUB_SECRET_KEY:"
                " give that key back, or rotate the secret."
            ) from wrong


def add(tx: sa.Connection, vault: Vault, endpoint_id: int, overlap: timedelta = timedelta(0)) -> str:
    """Make a new secret; those before it sign for ``overlap`` longer. The text is not to be had again.

    Raises ``hub.errors.Invalid`` for an overlap that is negative or longer than a week.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        hours = overlap.total_seconds() / 3600
        raise Invalid(f"An overlap lasts 0 to 168 hours, not {hours:g}.", ("overlap_hours",))
    _expire(tx, endpoint_id, overlap)
    made = signature.new_secret()
    tx.execute(sa.insert(Secret).values(endpoint_id=endpoint_id, sealed=vault.seal(endpoint_id, made)))
    return made


def sealed(tx: sa.Connection, endpoint_ids: Iterable[int]) -> dict[int, list[bytes]]:
    """The secrets that sign now, still sealed, the newest first, by endpoint."""
    rows = tx.execute(
        sa.select(Secret.endpoint_id, Secret.sealed)
        .where(Secret.endpoint_id.in_(list(endpoint_ids)), _lives())
        .order_by(Secret.id.desc())
    )
    found: dict[int, list[bytes]] = defaultdict(list)
    for row in rows:
        found[row.endpoint_id].append(row.sealed)
    return found


def _expire(tx: sa.Connection, endpoint_id: int, overlap: timedelta) -> None:
    own = Secret.endpoint_id == endpoint_id
    end = sa.func.now() + overlap
    tx.execute(sa.delete(Secret).where(own, sa.not_(_lives())))
    tx.execute(
        sa.update(Secret)
        .where(own, sa.or_(Secret.expires_at.is_(None), Secret.expires_at > end))
        .values(expires_at=end)
    )


def _lives() -> sa.ColumnElement[bool]:
    return sa.or_(Secret.expires_at.is_(None), Secret.expires_at > sa.func.now())


def _bound(endpoint_id: int) -> bytes:
    return b"endpoint %d" % endpoint_id
