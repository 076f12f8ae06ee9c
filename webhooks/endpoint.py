"""Endpoints: who is told, of what, in which words, and how far they may see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub import feed, ids
from hub.channel import Channel
from hub.db import Base, Id, Json
from hub.errors import Forbidden, HubError, Invalid, Limit, NotFound, Required
from hub.viewer import Viewer
from webhooks import delivery, event, guard, secret
from webhooks.guard import Network
from webhooks.secret import Vault

NOUN = "webhook_endpoint"
"""How its global ids call it."""

TIMEOUTS = range(1, 31)
IN_FLIGHT = range(1, 257)
LONGEST_DOCUMENT = 20_000


class Endpoint(Base):
    """An address that deliveries go to.

    ``event_types``: the events asked for, null for all. ``channel_id``: the channel in which the payload document
    reads; null for none. ``document``: the GraphQL document whose answer is the payload's ``data``; null for the
    default one of its noun. ``thin``: whether there is no ``data`` at all. ``filter``: what a body must say to be sent, null for anything (``webhooks.filter``).
    ``ignore_sources``: the systems whose own changes it is not told of.
    ``scopes``, ``channel_ids``: what the payload may show, at most what its maker could see.

    How it is sent to. ``headers``: sealed JSON object of its own headers, null for none; ``header_names`` are not
    secret. ``signing``: the signatures that deliveries carry. ``timeout``: seconds. ``rate``: requests per second, null
    without a limit. ``in_flight``: requests at one time. ``ordered``: whether the changes of one object wait for
    each other.

    How it stands. ``disabled_at``: since when nothing is sent, with the reason; its cursor stays. ``paused``: whether
    somebody wanted it so, and not the hub. ``verify``: whether it must echo ``challenge`` before anything else is sent;
    ``verified_at``: when it did. ``failing_since``: the first failure since the last success, null for none.
    ``breaker``: ``open`` lets nothing through until ``breaker_until``, ``half_open`` one probe; ``breaker_failures``
    counts failures in a row.
    """

    __tablename__ = "webhook_endpoint"
    __table_args__ = (
        sa.CheckConstraint("(disabled_at IS NULL) = (disabled_reason IS NULL)", name="disabled"),
        sa.CheckConstraint("NOT paused OR disabled_at IS NOT NULL", name="paused"),
        sa.CheckConstraint("cardinality(event_types) > 0", name="event_types"),
        sa.CheckConstraint("signing IN ('v1', 'v1a', 'both')", name="signing"),
        sa.CheckConstraint("breaker IN ('closed', 'open', 'half_open')", name="breaker"),
        sa.CheckConstraint("rate > 0", name="rate"),
        sa.CheckConstraint("NOT thin OR document IS NULL", name="thin"),
    )

    id: Mapped[Id]
    url: Mapped[str]
    description: Mapped[str | None]
    event_types: Mapped[list[str] | None] = mapped_column(ARRAY(sa.Text))
    channel_id: Mapped[int | None] = mapped_column(sa.ForeignKey("channel.id", ondelete="SET NULL"))
    document: Mapped[str | None]
    thin: Mapped[bool] = mapped_column(server_default=sa.false())
    filter: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    ignore_sources: Mapped[list[str] | None] = mapped_column(ARRAY(sa.Text))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(sa.Text))
    channel_ids: Mapped[list[int] | None] = mapped_column(ARRAY(sa.BigInteger))
    headers: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    header_names: Mapped[list[str]] = mapped_column(ARRAY(sa.Text), server_default="{}")
    signing: Mapped[str] = mapped_column(server_default="v1")
    timeout: Mapped[int] = mapped_column(server_default="15")
    rate: Mapped[float | None]
    in_flight: Mapped[int] = mapped_column(server_default="16")
    ordered: Mapped[bool] = mapped_column(server_default=sa.true())
    disabled_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    disabled_reason: Mapped[str | None]
    paused: Mapped[bool] = mapped_column(server_default=sa.false())
    verify: Mapped[bool] = mapped_column(server_default=sa.false())
    challenge: Mapped[str | None]
    verified_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    failing_since: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    breaker: Mapped[str] = mapped_column(server_default="closed")
    breaker_until: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    breaker_failures: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    created_by: Mapped[str]


@dataclass(frozen=True)
class Keeper:
    """What saving an endpoint needs to know of the house.

    ``check_document``: raises ``hub.errors.Invalid`` for a payload document that the viewer cannot run.
    """

    vault: Vault
    check_document: Callable[[str, Viewer], None]
    allowed: Sequence[Network] = ()


def viewer(row: Mapping[str, Any]) -> Viewer:
    """Who an endpoint is when its payload is read."""
    channel_ids = row["channel_ids"]
    return Viewer(
        token_id=None,
        kind="app",
        scopes=frozenset(row["scopes"]),
        channel_ids=None if channel_ids is None else frozenset(channel_ids),
        default_channel_id=row["channel_id"],
    )


def create(tx: sa.Connection, keeper: Keeper, who: Viewer, given: Json) -> tuple[int, str | None]:
    """Register an endpoint that hears what happens from now on; its id and its secret, which is shown only here.

    ``given`` holds columns, and ``channel`` as a code. Raises ``hub.errors.HubError`` for a wrong one.
    """
    who.require("webhooks", "write")
    if who.kind not in ("staff", "app"):
        raise Forbidden("Endpoints are registered with a staff or app token: this one is neither.")
    if not given.get("url"):
        raise Required("An endpoint needs an address: give url.", ("url",))
    row = _checked(tx, keeper, given, {"channel_id": None} | _own(who))
    number = tx.execute(sa.insert(Endpoint).values(row).returning(Endpoint.id)).scalar_one()
    feed.advance(tx, cursor(number), feed.ends(tx)[1])
    return number, secret.add(tx, keeper.vault, number, signing=row.get("signing", "v1")).secret


def update(tx: sa.Connection, keeper: Keeper, who: Viewer, number: int, given: Json) -> None:
    """Change what is given. ``enabled``: false pauses it; true sends again, from where it stood."""
    stands = reach(tx, who, number)
    row = _checked(tx, keeper, given, stands)
    if given.get("enabled") is not None:
        row |= _switch(stands, given["enabled"], who)
        if given["enabled"]:
            delivery.hurry(tx, number)
    tx.execute(sa.update(Endpoint).where(Endpoint.id == number).values(row))
    secret.provide(tx, keeper.vault, number, row["signing"])


def delete(tx: sa.Connection, who: Viewer, number: int) -> None:
    """Remove an endpoint with its deliveries."""
    reach(tx, who, number)
    tx.execute(sa.delete(Endpoint).where(Endpoint.id == number))
    tx.execute(sa.delete(feed.Cursor).where(feed.Cursor.name == cursor(number)))


def reach(tx: sa.Connection, who: Viewer, number: int) -> Json:
    """The endpoint's row, locked, for someone who may see all that it may see.

    Otherwise a token could turn an endpoint that sees more than itself to an address of its own.
    """
    who.require("webhooks", "write")
    found = tx.execute(sa.select(Endpoint.__table__).where(Endpoint.id == number).with_for_update())
    row = next((dict(each) for each in found.mappings()), None)
    if row is None:
        raise NotFound(f'Endpoint "{ids.encode(NOUN, number)}" does not exist.', ("id",))
    if not covers(who, row):
        needed = ", ".join(row["scopes"])
        raise Forbidden(f"Endpoint {row['url']} sees more than this token: use one with {needed}.", ("id",))
    return row


def disable(tx: sa.Connection, number: int, reason: str) -> None:
    """Stop sending to it. What is undelivered waits, and its cursor stays."""
    running = sa.update(Endpoint).where(Endpoint.id == number, Endpoint.disabled_at.is_(None))
    tx.execute(running.values(disabled_at=sa.func.now(), disabled_reason=reason))


def cursor(number: int) -> str:
    """The name of an endpoint's cursor on the feed."""
    return f"webhook:{number}"


def _own(who: Viewer) -> Json:
    """An endpoint reads what its maker may read, and no more."""
    return {
        "scopes": sorted(scope for scope in who.scopes if scope.endswith(":read")),
        "channel_ids": None if who.channel_ids is None else sorted(who.channel_ids),
        "created_by": who.writer.actor,
    }


def covers(who: Viewer, row: Mapping[str, Any]) -> bool:
    """Whether someone may see all that the endpoint may see."""
    channel_ids = row["channel_ids"]
    within = who.channel_ids is None or (channel_ids is not None and who.channel_ids.issuperset(channel_ids))
    return within and set(row["scopes"]) <= who.scopes


def _checked(tx: sa.Connection, keeper: Keeper, given: Json, stands: Json) -> Json:
    """The row that comes of it: what stands, and over it what is given."""
    row = {name: value for name, value in stands.items() if name in _columns()}
    for name, check in _CHECKS.items():
        if given.get(name) is not None:
            with under(name):
                row[name] = check(given[name], keeper)
        elif name in given and Endpoint.__table__.columns[name].nullable:
            row[name] = None
    if "channel" in given:
        row["channel_id"] = _channel(tx, given["channel"], row["channel_ids"])
    if row.get("document") is not None:
        with under("document"):
            keeper.check_document(row["document"], viewer(row))
    return row


def _columns() -> set[str]:
    return set(Endpoint.__table__.columns.keys()) - {"id"}


def _document(text: str, _keeper: Keeper) -> str:
    if len(text) > LONGEST_DOCUMENT:
        raise Limit(f"A payload document has at most {LONGEST_DOCUMENT} characters, not {len(text)}.")
    return text


def _range(what: str, numbers: range) -> Callable[[int, Keeper], int]:
    def check(value: int, _keeper: Keeper) -> int:
        if value not in numbers:
            raise Invalid(f"{what} is {numbers.start} to {numbers.stop - 1}, not {value}.")
        return value

    return check


_CHECKS: dict[str, Callable[[Any, Keeper], Any]] = {
    "url": lambda text, keeper: guard.address(text, keeper.allowed),
    "description": lambda text, _: text,
    "event_types": lambda asked, _: event.check(asked),
    "document": _document,
    "timeout": _range("A timeout in seconds", TIMEOUTS),
    "in_flight": _range("The number of requests at one time", IN_FLIGHT),
}
"""What may be given, and how it is checked. A null clears what may be null."""


def _channel(tx: sa.Connection, code: str | None, within: list[int] | None) -> int | None:
    if code is None:
        return None
    number = tx.scalar(sa.select(Channel.id).where(Channel.code == code))
    if number is None or (within is not None and number not in within):
        raise NotFound(f'Channel "{code}" does not exist: take one that the token reaches.', ("channel",))
    return number


def _switch(stands: Json, enabled: bool, who: Viewer) -> Json:
    if enabled:
        return {"disabled_at": None, "disabled_reason": None}
    if stands["disabled_at"] is not None:
        return {}
    return {"disabled_at": sa.func.now(), "disabled_reason": f"Paused by {who.writer.actor}."}


@contextmanager
def under(name: str) -> Iterator[None]:
    """Refusals inside are about this part of the input."""
    try:
        yield
    except HubError as refused:
        raise refused.under(name) from None
