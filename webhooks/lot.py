"""Deliveries that were taken together, with all that sending them needs: read in a few statements, rendered in one go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from hub.db import Json
from hub.feed import Feed
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
    row = lot.endpoints[number]
    viewer = endpoint.viewer(row)
    known = [(each, lot.records[each.sequence]) for each in missing if each.sequence in lot.records]
    try:
        shown = await body.data(answer, row["document"], known, viewer) if row["document"] else {}
    except Exception as wrong:  # noqa: BLE001 - whatever a document runs into holds back its own endpoint only
        done.blocked.extend((each, f"The payload document failed: {wrong}") for each in missing)
        return
    for each in missing:
        if each.sequence is not None and each.sequence not in lot.records:
            done.blocked.append((each, f"The feed no longer holds sequence {each.sequence}."))
            continue
        record = None if each.sequence is None else lot.records[each.sequence]
        done.new[each.id] = body.make(each, record, viewer, shown.get(each.id))
        done.ready.append(replace(each, body=done.new[each.id]))
