"""The keys of endpoints: sealed in the database, two of a kind valid while one replaces the other."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
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


KINDS: dict[str, tuple[str, ...]] = {"v1": ("v1",), "v1a": ("v1a",), "both": ("v1", "v1a")}
"""The kinds of key that each way of signing asks for."""


class Secret(Base):
    """One key of an endpoint. ``expires_at`` is null for the newest of its kind; older ones still sign until then.

    ``public_key``: what a receiver verifies with, null for a symmetric key.
    """

    __tablename__ = "webhook_secret"

    id: Mapped[Id]
    endpoint_id: Mapped[int] = mapped_column(
        sa.ForeignKey("webhook_endpoint.id", ondelete="CASCADE"), index=True
    )
    sealed: Mapped[bytes] = mapped_column(sa.LargeBinary)
    public_key: Mapped[str | None]
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


@dataclass(frozen=True)
class Shown:
    """What a receiver verifies with. ``secret``: whsec_…, shown this once, null where none was made.

    ``public_key``: whpk_…, null where none was made; it is no secret.
    """

    secret: str | None = None
    public_key: str | None = None


def add(
    tx: sa.Connection,
    vault: Vault,
    endpoint_id: int,
    overlap: timedelta = timedelta(0),
    signing: str = "v1",
) -> Shown:
    """Make new keys for a way of signing; those before them sign for ``overlap`` longer.

    The secret's text is not to be had again. Raises ``hub.errors.Invalid`` for an overlap that is negative or longer
    than a week.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        hours = overlap.total_seconds() / 3600
        raise Invalid(f"An overlap lasts 0 to 168 hours, not {hours:g}.", ("overlap_hours",))
    for kind in KINDS[signing]:
        _expire(tx, endpoint_id, kind, overlap)
    return _make(tx, vault, endpoint_id, KINDS[signing])


def provide(tx: sa.Connection, vault: Vault, endpoint_id: int, signing: str) -> Shown:
    """Make the keys that a way of signing asks for and that the endpoint has not; those it has stay as they are."""
    newest = tx.execute(
        sa.select(_kind()).where(Secret.endpoint_id == endpoint_id, Secret.expires_at.is_(None))
    )
    there = set(newest.scalars())
    return _make(tx, vault, endpoint_id, tuple(kind for kind in KINDS[signing] if kind not in there))


def sealed(tx: sa.Connection, endpoint_ids: Iterable[int]) -> dict[int, list[bytes]]:
    """The keys that sign now, in the way that each endpoint asks for, still sealed, the newest first, by endpoint."""
    rows = tx.execute(SIGNING, {"ids": list(endpoint_ids)})
    found: dict[int, list[bytes]] = defaultdict(list)
    for row in rows:
        found[row.endpoint_id].append(row.sealed)
    return found


def public_keys(endpoint_ids: Iterable[int]) -> sa.Select[int, str | None]:
    """Select ``endpoint_id`` and ``public_key`` of the keys that still sign, the newest first."""
    chosen = Secret.endpoint_id.in_(list(endpoint_ids)), Secret.public_key.is_not(None), _lives()
    return sa.select(Secret.endpoint_id, Secret.public_key).where(*chosen).order_by(Secret.id.desc())


SIGNING = sa.text(
    """
    SELECT s.endpoint_id, s.sealed
    FROM webhook_secret s JOIN webhook_endpoint e ON e.id = s.endpoint_id
    WHERE s.endpoint_id = ANY (:ids) AND (s.expires_at IS NULL OR s.expires_at > now())
        AND (e.signing = 'both' OR e.signing = CASE WHEN s.public_key IS NULL THEN 'v1' ELSE 'v1a' END)
    ORDER BY s.id DESC
    """
)


def _make(tx: sa.Connection, vault: Vault, endpoint_id: int, kinds: Iterable[str]) -> Shown:
    shown = Shown()
    for kind in kinds:
        if kind == "v1":
            text, public = signature.new_secret(), None
            shown = replace(shown, secret=text)
        else:
            text = signature.new_private_key()
            public = signature.public_key(text)
            shown = replace(shown, public_key=public)
        row = {"endpoint_id": endpoint_id, "sealed": vault.seal(endpoint_id, text), "public_key": public}
        tx.execute(sa.insert(Secret).values(row))
    return shown


def _expire(tx: sa.Connection, endpoint_id: int, kind: str, overlap: timedelta) -> None:
    own = sa.and_(Secret.endpoint_id == endpoint_id, _kind() == kind)
    end = sa.func.now() + overlap
    tx.execute(sa.delete(Secret).where(own, sa.not_(_lives())))
    tx.execute(
        sa.update(Secret)
        .where(own, sa.or_(Secret.expires_at.is_(None), Secret.expires_at > end))
        .values(expires_at=end)
    )


def _kind() -> sa.ColumnElement[str]:
    return sa.case((Secret.public_key.is_(None), "v1"), else_="v1a")


def _lives() -> sa.ColumnElement[bool]:
    return sa.or_(Secret.expires_at.is_(None), Secret.expires_at > sa.func.now())


def _bound(endpoint_id: int) -> bytes:
    return b"endpoint %d" % endpoint_id
