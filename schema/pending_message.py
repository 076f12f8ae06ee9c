"""Messages of other systems about orders: those that wait for their order, and what became of the others."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry.scalars import JSON
from strawberry.utils.str_converters import to_camel_case

from hub import pending_message as tables
from hub import value
from hub.errors import Code, HubError
from schema import rule
from schema.declare import column, noun, one, scoped
from schema.errors import ErrorCode
from schema.node import Aggregate

if TYPE_CHECKING:
    from hub.db import Json
    from hub.viewer import Viewer
    from schema.order import Order


@strawberry.input(description="What makes a command the message of another system, carried out once.")
class MessageInput:
    """What makes a command the message of another system, carried out once."""

    id: str = strawberry.field(
        description="The message's or document's id there. With the same content again it changes nothing; with other"
        " content it is refused with CONFLICT."
    )
    system: str | None = strawberry.field(
        description="The other system's name; null: that of the token.", default=None
    )
    keep: bool = strawberry.field(
        description="Keep the message where the order is not there yet, or another message has to come first, and carry it"
        " out then. False: refuse it.",
        default=True,
    )

    def known(self, viewer: Viewer) -> tables.Message:
        """The message of a viewer. Raises ``Invalid`` for names that are none."""
        system = viewer.system if self.system is None else self.system
        try:
            value.key(system), value.key(self.id)
        except HubError as wrong:
            raise wrong.under("message") from None
        return tables.Message(system, self.id, self.keep, viewer.channel_ids)


MessageArgument = Annotated[
    MessageInput | None,
    strawberry.argument(description="The message of another system that says so; null: it is none."),
]


def told(message: MessageInput | None) -> Json | None:
    """A message as requests are compared by."""
    return None if message is None else asdict(message)


@strawberry.enum(description="How far a message is.")
class PendingMessageStatus(Enum):
    """How far a message is."""

    WAITING = strawberry.enum_value(
        "waiting", description="Until its order is there, or what must come first."
    )
    APPLIED = strawberry.enum_value("applied", description="It was carried out.")
    REFUSED = strawberry.enum_value("refused", description="It was kept, and could not be carried out then.")
    EXPIRED = strawberry.enum_value("expired", description="It waited too long.")
    DISMISSED = strawberry.enum_value("dismissed", description="Somebody decided not to carry it out.")


@strawberry.type(description="Why a message could not be carried out.")
class PendingMessageRefusal:
    """Why a message could not be carried out."""

    code: ErrorCode = strawberry.field(description="Why, for programs.")  # type: ignore[valid-type]
    message: str = strawberry.field(description="Why, for people.")


def command(stored: str, _: Any) -> str:
    """A command's name in the API."""
    return to_camel_case(stored)


def refusal(stored: dict[str, str] | None, _: Any) -> PendingMessageRefusal | None:
    """Why it was refused."""
    return (
        None
        if stored is None
        else PendingMessageRefusal(code=Code(stored["code"]), message=stored["message"])
    )


@noun(
    tables.PendingMessage,
    "A message of another system about an order. It waits until its order is there, and is known for some time after.",
    rows=rule.bound_messages,
    single="pendingMessage",
    plural="pendingMessages",
)
class PendingMessage(Aggregate):
    """A message of another system about an order."""

    system: str = column("The system that it comes from.", filter=True)
    message: str = column("Its id there.", filter=True)
    command: str = scoped("The mutation that it asks for.", "command", command)
    status: PendingMessageStatus = column("How far it is.", filter=True)
    order_system: str | None = column(
        "The system by whose id it names its order; null where it names it by its number.", filter=True
    )
    order_name: str = column("The number or id that it names its order by.", filter=True)
    order: Order | None = one(
        "Order",
        "Its order; null where it is not there, or this token does not see it.",
        via="order_id",
        filter=True,
    )
    given: JSON | None = column("What it says; null once it has ended. Personal.", requires="personal")
    refusal: PendingMessageRefusal | None = scoped(
        "Why it was refused; null where it was not.", "refusal", refusal
    )
    received_at: datetime = column("When it came.", filter=True, sort=True)
    ended_at: datetime | None = column("When it was carried out or ended otherwise; null while it waits.")
