"""Deliveries that were taken together, with all that sending them needs: read in a few statements, rendered in one go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from hub.db import Json
from hub.feed import Feed, GoneError
from webhooks import body, endpoint, secret
from webhooks.body import Render
from webhooks.delivery import Claimed
from webhooks.endpoint import Endpoint
from webhooks.post import Target
from webhooks.secret import SealError, Vault


@dataclass(frozen=True)
class Lot:
    """What was taken. ``records``: the feed's, of those that have no body yet. ``shut``: why an endpoint cannot sign."""

    claimed: list[Claimed]
    endpoints: dict[int, Json]
    targets: dict[int, Target]
    records: dict[int, Json]
    shut: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rendered:
    """Deliveries with their bodies, which of them are ``new``, and why others have none."""

    ready: list[Claimed]
    new: dict[int, bytes]
    blocked: list[tuple[Claimed, str]]


def load(tx: sa.Connection, vault: Vault, claimed: list[Claimed]) -> Lot:
    """Read what sending needs."""
    numbers = {each.endpoint_id for each in claimed}
    rows = tx.execute(sa.select(Endpoint.__table__).where(Endpoint.id.in_(numbers))).mappings()
    endpoints = {row["id"]: dict(row) for row in rows}
    sequences = [each.sequence for each in claimed if each.body is None and each.sequence is not None]
    records = tx.execute(sa.select(Feed.__table__).where(Feed.sequence.in_(sequences))).mappings()
    targets, shut = _targets(tx, vault, endpoints)
    return Lot(claimed, endpoints, targets, {row["sequence"]: dict(row) for row in records}, shut)


def _targets(
    tx: sa.Connection, vault: Vault, endpoints: dict[int, Json]
) -> tuple[dict[int, Target], dict[int, str]]:
    targets, shut = {}, {}
    sealed = secret.sealed(tx, endpoints)
    for number, row in endpoints.items():
        try:
            secrets = [vault.open(number, each) for each in sealed[number]]
        except SealError as wrong:
            shut[number] = str(wrong)
        else:
            targets[number] = Target(row["url"], secrets, row["timeout"])
    return targets, shut


async def render(lot: Lot, answer: Render) -> Rendered:
    """Make the bodies that are missing, one reading of the payload document per endpoint and noun."""
    done = Rendered([each for each in lot.claimed if each.body is not None], {}, [])
    by_endpoint: dict[int, list[Claimed]] = defaultdict(list)
    for each in lot.claimed:
        if each.body is None:
            by_endpoint[each.endpoint_id].append(each)
    for number, missing in by_endpoint.items():
        await _render(lot, answer, number, missing, done)
    return done


async def _render(lot: Lot, answer: Render, number: int, missing: Sequence[Claimed], done: Rendered) -> None:
    """Render what one endpoint gets. What a document runs into for one object holds back that object only."""
    try:
        bodies = await _bodies(lot, answer, lot.endpoints[number], missing)
    except Exception as wrong:  # noqa: BLE001 - a document reads anything, so anything may go wrong in it
        if len(missing) == 1:
            done.blocked.append((missing[0], f"The payload cannot be made: {wrong}"))
            return
        for each in missing:
            await _render(lot, answer, number, [each], done)
        return
    done.new.update(bodies)
    done.ready.extend(replace(each, body=bodies[each.id]) for each in missing)


async def _bodies(lot: Lot, answer: Render, row: Json, missing: Sequence[Claimed]) -> dict[int, bytes]:
    viewer = endpoint.viewer(row)
    records = {each.id: _record(lot, each) for each in missing}
    happened = [(each, record) for each in missing if (record := records[each.id]) is not None]
    shown = {} if row["thin"] else await body.data(answer, row["document"], happened, viewer)
    return {each.id: body.make(each, records[each.id], viewer, shown.get(each.id)) for each in missing}


def _record(lot: Lot, each: Claimed) -> Json | None:
    """The feed's record of a delivery, null for a test. Raises ``GoneError`` where the feed dropped it."""
    if each.sequence is None:
        return None
    if each.sequence not in lot.records:
        raise GoneError(f"the feed no longer holds sequence {each.sequence}.")
    return lot.records[each.sequence]
