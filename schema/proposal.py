"""Proposals: what a system would have a field be that another one owns."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import strawberry
from strawberry.scalars import JSON

from hub import ids
from hub.proposal import Proposal as Table
from schema import rule
from schema.declare import column, computed, noun
from schema.node import Aggregate


@strawberry.enum(description="What became of a proposal.")
class ProposalStatus(Enum):
    """What became of a proposal."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"


def subject(noun: str, object_id: int) -> strawberry.ID:
    """The global id of the object that a proposal is about."""
    return strawberry.ID(ids.encode(noun, object_id))


@noun(
    Table,
    "A value that was not written, because another system owns its field.",
    rows=rule.readable_proposals,
    single="proposal",
    plural="proposals",
)
class Proposal(Aggregate):
    """A value that was not written, because another system owns its field."""

    noun: str = column("The noun of the object that it is about.", filter=True)
    subject: strawberry.ID = computed("The id of that object, for `node`.", subject)
    path: str = column(
        "Where the value stands, as the paths of changes do. A row that would be new stands as new: with what tells it"
        " apart.",
        filter=True,
    )
    value: JSON | None = column("What it is to be; null: it is to go.")
    was: JSON | None = column("What stood there then; null: nothing.")
    owner: str = column("The system that owns the field.", filter=True)
    source: str = column("The system that proposes.", filter=True)
    actor: str = column("Who proposes, for example token:7.")
    status: ProposalStatus = column("What became of it.", filter=True)
    proposed_at: datetime = column("When it was said last.", filter=True, sort=True)
    decided_by: str | None = column("Who decided; null while it is open.")
    decided_at: datetime | None = column("When it was decided; null while it is open.", filter=True)
