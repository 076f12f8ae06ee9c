"""Tokens: who may ask, and in which system's name they write."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast, get_args

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from hub import ids, value
from hub.channel import Channel
from hub.customer import Customer
from hub.db import Base, Id
from hub.errors import HubError, Invalid, NotFound, Required
from hub.viewer import ERASE, PREVIEW, Kind, Verb, Viewer

KINDS = ("staff", "app", "storefront", "customer")
PREFIXES = {"staff": "hubs", "app": "huba", "storefront": "hubp", "customer": "hubc"}
SCOPES = ("catalogue", "customers", "orders", "stock", "settings", "webhooks", "feed", "search")
VERBS: tuple[Verb, ...] = get_args(Verb)

EVERY_SCOPE = tuple(f"{family}:{verb}" for family in SCOPES for verb in VERBS)
OPEN_SCOPES = ("catalogue:read", "stock:read", "settings:read")
"""What a storefront may be given: its token stands in web pages."""

REACH: dict[str, tuple[str, ...]] = {
    "staff": (*EVERY_SCOPE, ERASE),
    "app": (*EVERY_SCOPE, ERASE),
    "storefront": (*OPEN_SCOPES, PREVIEW),
    "customer": (*OPEN_SCOPES, "customers:read", "orders:read", PREVIEW),
}
"""The scopes that a token of each kind may have; by default all but the preview. An app must name its own."""

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH = 36
CHECK_LENGTH = 6
SHAPE = re.compile(rf"hub[sapc]_[0-9A-Za-z]{{{RANDOM_LENGTH + CHECK_LENGTH}}}")


class Token(Base):
    """A key to the hub. Only a keyed hash of it is stored; the text is shown once.

    ``scopes`` holds ``noun family:verb`` entries; ``channels`` the ids it is bound to (null: all of them);
    ``system`` becomes the source of what it writes.
    """

    __tablename__ = "token"
    __table_args__ = (
        sa.CheckConstraint(f"kind IN {KINDS!r}", name="kind"),
        sa.CheckConstraint("(kind = 'customer') = (customer_id IS NOT NULL)", name="customer"),
    )

    id: Mapped[Id]
    kind: Mapped[str]
    name: Mapped[str]
    hash: Mapped[bytes] = mapped_column(sa.LargeBinary, unique=True)
    last_four: Mapped[str]
    system: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(sa.Text))
    channel_ids: Mapped[list[int] | None] = mapped_column(ARRAY(sa.BigInteger))
    default_channel_id: Mapped[int | None] = mapped_column(sa.ForeignKey("channel.id", ondelete="SET NULL"))
    default_locale: Mapped[str | None]
    customer_id: Mapped[int | None] = mapped_column(sa.ForeignKey("customer.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    expires_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    last_used_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))


@dataclass(frozen=True)
class Wish:
    """What a new token is to be.

    ``scopes``: null for all that its kind may have; an app must name its own. ``channels``: codes, null for all.
    ``system``: the source of what it writes, the name where null. ``expires_at``: null for never.
    """

    kind: Kind
    name: str
    scopes: Sequence[str] | None = None
    channels: Sequence[str] | None = None
    system: str | None = None
    default_channel: str | None = None
    default_locale: str | None = None
    customer_id: int | None = None
    expires_at: datetime | None = None


def create(tx: sa.Connection, secret: str, wish: Wish) -> tuple[int, str]:
    """Make a token; its id, and its text, which cannot be read again.

    Raises ``Invalid`` or ``Required`` for a wish that no token of the kind can have, ``NotFound`` for an unknown channel.
    """
    _check(wish)
    text = generate(wish.kind)
    channel_ids = None if wish.channels is None else list(_channels(tx, wish.channels).values())
    row = {
        "kind": wish.kind,
        "name": wish.name,
        "hash": keyed_hash(secret, text),
        "last_four": text[-4:],
        "system": wish.system or wish.name,
        "scopes": sorted({*REACH[wish.kind]} - {PREVIEW} if wish.scopes is None else set(wish.scopes)),
        "channel_ids": channel_ids,
        "default_channel_id": _default_channel(tx, wish, channel_ids),
        "default_locale": wish.default_locale,
        "customer_id": _customer(tx, wish),
        "expires_at": wish.expires_at,
    }
    return tx.execute(sa.insert(Token).values(row).returning(Token.id)).scalar_one(), text


def revoke(tx: sa.Connection, token_id: int) -> None:
    """Close a token from this moment on; a second time changes nothing. Raises ``NotFound``."""
    closed = sa.update(Token).where(Token.id == token_id)
    now = sa.func.coalesce(Token.revoked_at, sa.func.now())
    if tx.execute(closed.values(revoked_at=now)).rowcount == 0:
        raise NotFound(f"Token {token_id} does not exist: it may belong to another hub.", ("id",))


def generate(kind: str) -> str:
    """The text of a new token: prefix by kind, 214 random bits, and a checksum that scanners can verify."""
    body = f"{PREFIXES[kind]}_" + "".join(secrets.choice(DIGITS) for _ in range(RANDOM_LENGTH))
    return body + checksum(body)


def checksum(body: str) -> str:
    """CRC-32 of the text before it, in six digits of base 62."""
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECK_LENGTH):
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits


def well_formed(text: str) -> bool:
    """Whether the text can be a token at all: told without the database."""
    return bool(SHAPE.fullmatch(text)) and checksum(text[:-CHECK_LENGTH]) == text[-CHECK_LENGTH:]


def keyed_hash(secret: str, text: str) -> bytes:
    """What is stored of a token. Without the hub's secret a copy of the table opens nothing."""
    return hmac.digest(secret.encode(), text.encode(), hashlib.sha256)


def authenticate(secret: str, text: str) -> sa.Select[Any]:
    """Select the valid token of that text, or nothing.

    The search is by the keyed hash in a unique index: how long it takes tells nothing about other tokens.
    """
    return by_hash(keyed_hash(secret, text))


def by_hash(keyed: Any) -> sa.Select[Any]:
    """Select the valid token of a keyed hash, or of the parameter that stands for one."""
    return sa.select(Token.__table__).where(Token.hash == keyed, *_OPEN)


def valid(ids: Iterable[int]) -> sa.Select[Any]:
    """Select the ids of those tokens that are still valid."""
    return sa.select(Token.id).where(Token.id.in_(sorted(ids)), *_OPEN)


_OPEN = (
    Token.revoked_at.is_(None),
    sa.or_(Token.expires_at.is_(None), Token.expires_at > sa.func.now()),
)


READ = (
    "id",
    "kind",
    "scopes",
    "channel_ids",
    "default_channel_id",
    "default_locale",
    "system",
    "customer_id",
)
"""The columns that ``viewer`` reads."""


def viewer(row: Mapping[str, Any] | sa.RowMapping) -> Viewer:
    """Who asks with the token of a row that ``authenticate`` found."""
    channels = row["channel_ids"]
    return Viewer(
        token_id=row["id"],
        kind=cast("Kind", row["kind"]),
        scopes=frozenset(row["scopes"]),
        channel_ids=None if channels is None else frozenset(channels),
        default_channel_id=row["default_channel_id"],
        default_locale=row["default_locale"],
        system=row["system"],
        customer_id=row["customer_id"],
    )


def touch(tx: sa.Connection, ids: Iterable[int]) -> None:
    """Note that tokens were used, at most once a minute for each. Not to be called while someone waits for an answer."""
    quiet = sa.func.now() - sa.text("interval '1 minute'")
    tx.execute(
        sa.update(Token)
        .where(Token.id.in_(sorted(ids)), sa.or_(Token.last_used_at.is_(None), Token.last_used_at < quiet))
        .values(last_used_at=sa.func.now())
    )


def _check(wish: Wish) -> None:
    if wish.kind not in KINDS:
        raise Invalid(f'Kind "{wish.kind}" is not one of {", ".join(KINDS)}.', ("kind",))
    if not wish.name.strip():
        raise Required("A token needs a name that tells what uses it.", ("name",))
    if wish.kind == "app" and wish.scopes is None:
        raise Required("An app's token must name its scopes, for example catalogue:read.", ("scopes",))
    if (wish.kind == "customer") != (wish.customer_id is not None):
        raise Required("A customer's token names its customer, and no other kind does.", ("customer",))
    for place, scope in enumerate(wish.scopes or ()):
        if scope not in REACH[wish.kind]:
            allowed = ", ".join(REACH[wish.kind])
            raise Invalid(
                f'Scope "{scope}" is not open to {wish.kind} tokens: give {allowed}.', ("scopes", place)
            )
    if wish.default_locale is not None:
        try:
            value.locale(wish.default_locale)
        except HubError as wrong:
            raise wrong.under("default_locale") from wrong
    if wish.expires_at is not None and wish.expires_at <= datetime.now(UTC):
        raise Invalid(
            f"The token would have expired at {wish.expires_at}: give a later time.", ("expires_at",)
        )


def _channels(tx: sa.Connection, codes: Sequence[str]) -> dict[str, int]:
    """The ids of channels by code. Raises ``NotFound`` for the first code that no channel has."""
    found = dict(tx.execute(sa.select(Channel.code, Channel.id).where(Channel.code.in_(codes))).all())
    for place, code in enumerate(codes):
        if code not in found:
            raise NotFound(
                f'Channel "{code}" does not exist: make it first, or name another.', ("channels", place)
            )
    return found


def _customer(tx: sa.Connection, wish: Wish) -> int | None:
    """The customer that a customer's token is for. Raises ``NotFound``."""
    number = wish.customer_id
    if number is not None and tx.scalar(sa.select(Customer.id).where(Customer.id == number)) is None:
        raise NotFound(
            f'Customer with id "{ids.encode("customer", number)}" does not exist: name one that does.',
            ("customer",),
        )
    return number


def _default_channel(tx: sa.Connection, wish: Wish, channel_ids: list[int] | None) -> int | None:
    """The channel where a query names none: the one asked for, else the only one that the token is bound to."""
    if wish.default_channel is None:
        return channel_ids[0] if channel_ids and len(channel_ids) == 1 else None
    found = _channels(tx, [wish.default_channel])[wish.default_channel]
    if channel_ids is not None and found not in channel_ids:
        raise Invalid(
            f'Channel "{wish.default_channel}" is not one of the token\'s channels: add it to them.',
            ("default_channel",),
        )
    return found
