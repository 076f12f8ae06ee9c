"""One turn of a sender in the database: what was sent is noted, what happened is told, what is due is taken.

It is one transaction. Its commit waits for the disk only where something became due that may be sent as it is. All else
has its body stored before it is sent, and that commit waits: with it everything that was committed before is there for
good, too. If PostgreSQL falls before that and forgets a turn, it is done again: what it had noted is sent once more. Endpoints
whose lanes somebody else works on at this moment are left for the next turn.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import sqlalchemy as sa

from webhooks import due, lane, lot
from webhooks.delivery import Tried, commit_lazily, try_lanes
from webhooks.lot import Lot
from webhooks.secret import Vault


@dataclass(frozen=True)
class Ask:
    """``tried``: outcomes to note. ``among``: endpoints to tell of what happened. ``rooms``: how many deliveries to
    take for each endpoint, ``taken`` being taken already. ``careful``: see ``lane.follow``.
    """

    tried: Sequence[Tried] = ()
    among: Sequence[int] = ()
    rooms: Mapping[int, int] = field(default_factory=dict)
    taken: Collection[int] = ()
    careful: bool = False


@dataclass(frozen=True)
class Result:
    """``noted``: the outcomes that are stored now. ``found``: what was taken, null for nothing. ``sick``: whether an
    endpoint cannot be told of what happened.
    """

    noted: list[Tried]
    found: Lot | None = None
    sick: bool = False


def do(tx: sa.Connection, holder: UUID, vault: Vault, ask: Ask) -> Result:
    """Do a turn."""
    free = try_lanes(tx, {*ask.among, *(each.delivery.endpoint_id for each in ask.tried)})
    noted = [each for each in ask.tried if each.delivery.endpoint_id in free]
    freed = bool(noted) and due.note(tx, holder, noted)
    among = [number for number in ask.among if number in free]
    sick = bool(among) and bool(lane.follow(tx, among, careful=ask.careful))
    claimed = due.look(tx, holder, ask.rooms, ask.taken) if ask.rooms else []
    if (noted or among) and not freed:
        commit_lazily(tx)
    return Result(noted, lot.load(tx, vault, claimed) if claimed else None, sick)
