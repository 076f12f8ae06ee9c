"""Rules that say which system owns which field."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import strawberry

from hub.field_owner import FieldOwner as Table
from schema import rule
from schema.declare import column, noun, one
from schema.look_up import by_code
from schema.node import Aggregate
from schema.order import OrderStatus

if TYPE_CHECKING:
    from schema.channel import Channel


@strawberry.enum(description="What becomes of what others than the owner write.")
class FieldOwnerOthers(Enum):
    """What becomes of what others than the owner write."""

    REFUSE = strawberry.enum_value("refuse", description="It is refused with FORBIDDEN.")
    PROPOSE = strawberry.enum_value("propose", description="It becomes a proposal, and the rest is written.")
    ALLOW = strawberry.enum_value("allow", description="It is written.")


@noun(
    Table,
    "A rule that says which system owns a field of a noun.",
    rows=rule.staff_only,
    single="fieldOwner",
    plural="fieldOwners",
    look_ups={"code": by_code(Table)},
)
class FieldOwner(Aggregate):
    """A rule that says which system owns a field of a noun."""

    code: str = column("Its code.", filter=True, sort=True)
    noun: str = column(
        "The noun that it is about, as in the names of events: product, stock, order.", filter=True
    )
    path: str = column(
        "The field, as inputs name it, with / between: name/de, attributes/colour, variants/prices. * stands for all.",
        filter=True,
    )
    channel: Channel | None = one(
        "Channel",
        "It holds of what belongs to this channel alone; null: of all.",
        via="channel_id",
        filter=True,
    )
    from_status: OrderStatus | None = column("Of orders: it holds from this status on; null: always.")
    system: str = column("The owner: the system of the tokens, or imports, that write.", filter=True)
    others: FieldOwnerOthers = column("What becomes of what other systems write.", filter=True)
    note: str | None = column("Why; null where nobody said.")
