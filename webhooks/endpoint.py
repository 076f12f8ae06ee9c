"""Endpoints: who is told, of what, in which words, and how far they may see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub import feed, ids
from hub.channel import Channel
from hub.db import Base, Id, Json
from hub.errors import Forbidden, HubError, Invalid, NotFound, Path, Required
from hub.outside import Allowed
from hub.viewer import Viewer
from webhooks import delivery, filter_check, header, lease, secret, setting
from webhooks.secret import Shown, Vault

NOUN = "webhook_endpoint"
"""How its global ids call it."""


class Endpoint(Base):
    """An address that deliveries go to.

    ``event_types``: the events asked for, null for all. ``channel_id``: the channel in which the payload document
    reads; null for none. ``document``: the GraphQL document whose answer is the payload's ``data``; null for the
    default one of its noun. ``thin``: whether there is no ``data`` at all. ``filter``: what a body must say to be sent
    (``webhooks.filter``), null for anything. ``ignore_sources``: the systems whose own changes it is not told of.
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
    channel_id: Mapped[int | None] = mapped_column(sa.ForeignKey("channel.id"))
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


class Status(StrEnum):
    """How an endpoint stands."""

    ACTIVE = "active"
    FAILING = "failing"
    UNVERIFIED = "unverified"
    PAUSED = "paused"
    DISABLED = "disabled"


def status(row: Mapping[str, Any]) -> Status:
    """How an endpoint stands: what keeps everything from it counts before what went wrong."""
    if row["disabled_at"] is not None:
        return Status.PAUSED if row["paused"] else Status.DISABLED
    if row["verify"] and row["verified_at"] is None:
        return Status.UNVERIFIED
    return Status.FAILING if row["failing_since"] is not None or row["breaker"] != "closed" else Status.ACTIVE


@dataclass(frozen=True)
class Keeper:
    """What saving an endpoint needs to know of the house.

    ``check_document``: raises ``hub.errors.Invalid`` for a payload document that the viewer cannot run. ``bodies``: the
    JSON Schemas of what an endpoint will get, from its row. ``challenge``: sends the challenge that it has to echo.
    """

    vault: Vault
    check_document: Callable[[str, Viewer], None]
    bodies: Callable[[Mapping[str, Any]], Sequence[Json]]
    challenge: Callable[[sa.Connection, int], object]
    allowed: Allowed = ()


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


def create(tx: sa.Connection, keeper: Keeper, who: Viewer, given: Json) -> tuple[int, Shown]:
    """Register an endpoint that hears what happens from now on, or after the cursor ``start_after``.

    Gives its id and what verifies its deliveries; a secret is shown only here. ``given`` holds columns, and ``channel``
    as a code. Raises ``hub.errors.HubError`` for a wrong one.
    """
    who.require("webhooks", "write")
    if who.kind not in ("staff", "app"):
        raise Forbidden("Endpoints are registered with a staff or app token: this one is neither.")
    if not given.get("url"):
        raise Required("An endpoint needs an address: give url.", ("url",))
    row = _checked(tx, keeper, given, _blank() | _own(who))
    number = tx.execute(sa.insert(Endpoint).values(row).returning(Endpoint.id)).scalar_one()
    feed.advance(tx, cursor(number), _start(tx, given))
    lease.count_from_here(tx, number)
    _seal(tx, keeper, number, given, {})
    if row["verify"]:
        keeper.challenge(tx, number)
    return number, secret.provide(tx, keeper.vault, number, row["signing"])


def update(tx: sa.Connection, keeper: Keeper, who: Viewer, number: int, given: Json) -> Shown:
    """Change what is given. ``enabled``: false pauses it; true sends again, from where it stood.

    Gives the keys that a new way of signing made.
    """
    stands = reach(tx, who, number)
    row = _checked(tx, keeper, given, stands)
    if given.get("enabled") is not None:
        row |= _switch(stands, given["enabled"], who)
    tx.execute(sa.update(Endpoint).where(Endpoint.id == number).values(row))
    if any(row[name] != stands[name] for name in CHOOSING):
        lease.count_from_here(tx, number)
    _seal(tx, keeper, number, given, stands)
    if given.get("enabled"):
        delivery.hurry(tx, number)
    if row["ordered"] != stands["ordered"]:
        delivery.line_up(tx, number, ordered=row["ordered"])
    if row["verify"] and (not stands["verify"] or row["url"] != stands["url"]):
        keeper.challenge(tx, number)
    return secret.provide(tx, keeper.vault, number, row["signing"])


def imagined(tx: sa.Connection, keeper: Keeper, who: Viewer, number: int | None, given: Json) -> Json:
    """An endpoint's row as it would be with what is given, or a new one's; nothing is saved. Raises as saving does."""
    stands = _blank() | _own(who) if number is None else seen(tx, who, number, ("endpoint_id",))
    return stands | _checked(tx, keeper, given, stands)


def switch(tx: sa.Connection, who: Viewer, numbers: Sequence[int], *, enabled: bool) -> None:
    """Pause or enable several endpoints, all of them or none. Raises as ``reach`` does."""
    for place, number in enumerate(numbers):
        with under("ids", place):
            changes = _switch(reach(tx, who, number, ()), enabled, who)
        if changes:
            tx.execute(sa.update(Endpoint).where(Endpoint.id == number).values(changes))
        if enabled:
            delivery.hurry(tx, number)


def delete(tx: sa.Connection, who: Viewer, number: int) -> None:
    """Remove an endpoint with its deliveries."""
    reach(tx, who, number)
    delivery.lock_lanes(tx, [number])
    tx.execute(sa.delete(Endpoint).where(Endpoint.id == number))
    tx.execute(sa.delete(feed.Cursor).where(feed.Cursor.name == cursor(number)))


def reach(tx: sa.Connection, who: Viewer, number: int, path: Path = ("id",)) -> Json:
    """The endpoint's row, locked, for someone who may see all that it may see.

    Otherwise a token could turn an endpoint that sees more than itself to an address of its own.
    """
    who.require("webhooks", "write")
    return seen(tx, who, number, path, lock=True)


def seen(tx: sa.Connection, who: Viewer, number: int, path: Path = ("id",), *, lock: bool = False) -> Json:
    """The endpoint's row, for someone who may see all that it may see. Raises ``NotFound`` or ``Forbidden``."""
    statement = sa.select(Endpoint.__table__).where(Endpoint.id == number)
    # Whoever tells it of something meanwhile only refers to the row, and need not wait.
    found = tx.execute(statement.with_for_update(key_share=True) if lock else statement)
    row = next((dict(each) for each in found.mappings()), None)
    if row is None:
        raise NotFound(f'Endpoint "{ids.encode(NOUN, number)}" does not exist.', path)
    if not covers(who, row):
        needed = ", ".join(row["scopes"])
        raise Forbidden(f"Endpoint {row['url']} sees more than this token: use one with {needed}.", path)
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


def _blank() -> Json:
    """A new endpoint where nothing is said."""
    nothing = dict.fromkeys(("channel_id", "document", "filter", "event_types", "ignore_sources", "rate"))
    return nothing | {"thin": False, "signing": "v1", "ordered": True, "verify": False}


def _checked(tx: sa.Connection, keeper: Keeper, given: Json, stands: Json) -> Json:
    """The row that comes of it: what stands, and over it what is given."""
    row = {name: value for name, value in stands.items() if name in SAVED}
    for name, check in setting.CHECKS.items():
        if given.get(name) is not None:
            with under(name):
                row[name] = check(given[name], keeper.allowed)
        elif name in given and Endpoint.__table__.columns[name].nullable:
            row[name] = None
    if "channel" in given:
        row["channel_id"] = _channel(tx, given["channel"], row["channel_ids"])
    _check_payload(keeper, row)
    return row


def _check_payload(keeper: Keeper, row: Json) -> None:
    """What is sent is judged as a whole: a filter asks for what a document selects."""
    if row["thin"] and row["document"] is not None:
        raise Invalid("A thin endpoint gets no data: leave out the document, or thin.", ("thin",))
    if row["document"] is not None:
        with under("document"):
            keeper.check_document(row["document"], viewer(row))
    if row["filter"] is not None:
        with under("filter"):
            row["filter"] = filter_check.check(row["filter"], keeper.bodies(row))


SAVED = frozenset(Endpoint.__table__.columns.keys()) - {
    *("id", "headers", "header_names", "challenge", "verified_at", "failing_since"),
    *("breaker", "breaker_until", "breaker_failures", "created_at"),
}
"""The columns that saving writes; the others are the senders' or have a way of their own."""


def _seal(tx: sa.Connection, keeper: Keeper, number: int, given: Json, stands: Json) -> None:
    """Store the headers, sealed for this endpoint alone."""
    if "headers" not in given:
        return
    with under("headers"):
        wanted = header.check(given["headers"] or (), headers(keeper.vault, number, stands.get("headers")))
    sealed = keeper.vault.seal(number, orjson.dumps(wanted).decode()) if wanted else None
    own = sa.update(Endpoint).where(Endpoint.id == number)
    tx.execute(own.values(headers=sealed, header_names=sorted(wanted)))


def headers(vault: Vault, number: int, sealed: bytes | None) -> dict[str, str]:
    """An endpoint's own headers. Raises ``webhooks.secret.SealError`` where they were sealed under another key."""
    return orjson.loads(vault.open(number, bytes(sealed))) if sealed else {}


def _start(tx: sa.Connection, given: Json) -> int:
    """The sequence after which a new endpoint hears everything."""
    if given.get("start_after") is None:
        return feed.ends(tx)[1]
    with under("start_after"):
        return position(tx, given["start_after"])


def position(tx: sa.Connection, text: str) -> int:
    """The sequence of a cursor of the feed. Raises ``hub.errors.HubError`` for one from which one cannot go on."""
    try:
        at = feed.decode(text)
    except ValueError as wrong:
        raise Invalid(f"{wrong} {feed.CURSORS}") from wrong
    feed.read_ends(tx).check(at)
    return at.sequence


def _channel(tx: sa.Connection, code: str | None, within: list[int] | None) -> int | None:
    if code is None:
        return None
    number = tx.scalar(sa.select(Channel.id).where(Channel.code == code))
    if number is None or (within is not None and number not in within):
        raise NotFound(f'Channel "{code}" does not exist: take one that the token reaches.', ("channel",))
    return number


WELL = {"failing_since": None, "breaker": "closed", "breaker_until": None, "breaker_failures": 0}
"""How an endpoint stands of which nothing bad is known: who enables it, says that its receiver is back."""

CHOOSING = ("event_types", "filter", "ignore_sources", "channel_id", "channel_ids", "scopes")
"""What decides which changes it is told of."""


def _switch(stands: Json, enabled: bool, who: Viewer) -> Json:
    if enabled:
        return {"disabled_at": None, "disabled_reason": None, "paused": False, **WELL}
    if stands["disabled_at"] is not None:
        return {}
    return {"disabled_at": sa.func.now(), "disabled_reason": f"Paused by {who.writer.actor}.", "paused": True}


@contextmanager
def under(*path: str | int) -> Iterator[None]:
    """Refusals inside are about this part of the input."""
    try:
        yield
    except HubError as refused:
        raise refused.under(*path) from None
