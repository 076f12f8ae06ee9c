"""``customerErase``: what is told of a person goes, and a proof of it stays."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import sqlalchemy as sa
import strawberry
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import erasure, ids
from hub.db import Json
from hub.viewer import ERASE
from schema.command import Request, answered, carry_out
from schema.context import Context
from schema.errors import UserError, user_error
from schema.input import local_id
from schema.mutation import IdempotencyKey


@strawberry.type(description="How many of something were erased.")
class ErasedCount:
    """How many of something were erased."""

    what: str = strawberry.field(
        description="What it was: a table such as customer or order, record (of the feed), delivery, answer …"
    )
    count: int = strawberry.field(description="How many.")


@strawberry.type(description="The proof of an erasure. It names nobody.")
class Erasure:
    """The proof of an erasure."""

    id: strawberry.ID = strawberry.field(description="Its id.")
    erased_at: datetime = strawberry.field(description="When it was done.")
    counts: list[ErasedCount] = strawberry.field(description="What was erased.")


@strawberry.type(description="What customerErase answers.")
class CustomerErasePayload:
    """What customerErase answers."""

    erased_id: strawberry.ID | None = strawberry.field(
        description="The customer's id; null when it was refused."
    )
    erasure: Erasure | None = strawberry.field(
        description="The proof that is kept; null when it was refused."
    )
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was done.")


async def customer_erase(
    info: Info,
    id: Annotated[strawberry.ID, strawberry.argument(description="The customer's id.")],  # noqa: A002 - the API's name
    reason: Annotated[
        str, strawberry.argument(description="Why, for the proof and the feed; it must not name the person.")
    ],
    idempotency_key: IdempotencyKey = None,
) -> CustomerErasePayload:
    """Erase a customer. Raises ``Forbidden`` for a token without the scope."""
    context: Context = info.context
    context.viewer.require_scope(ERASE)
    number = local_id(id, "customer")
    asked = erasure.Asked(number, reason, context.extras["secret"], others=context.extras["erasers"])

    def work(tx: sa.Connection) -> Json:
        return answered([]) | {"erased": erasure.erase(tx, context.viewer, asked)}

    answer = await carry_out(context, Request("customer_erase", [id, reason], idempotency_key), work)
    return _payload(id, answer)


def fields() -> list[StrawberryField]:
    """The mutation."""
    return [
        strawberry.mutation(
            resolver=customer_erase,
            description="Erase all that is told of a person: in the customer, their orders, the feed, deliveries and answers. "
            "Amounts, lines and dates of orders stay. It cannot be undone. Needs the scope customers:erase.",
        )
    ]


def _payload(customer_id: strawberry.ID, answer: Json) -> CustomerErasePayload:
    errors = [user_error(each) for each in answer["errors"]]
    if errors:
        return CustomerErasePayload(erased_id=None, erasure=None, user_errors=errors)
    done = answer["erased"]
    counts = [ErasedCount(what=what, count=count) for what, count in sorted(done["counts"].items())]
    proof = Erasure(
        id=strawberry.ID(ids.encode("erasure", done["id"])),
        erased_at=datetime.fromisoformat(done["erased_at"]),
        counts=counts,
    )
    return CustomerErasePayload(erased_id=customer_id, erasure=proof, user_errors=[])
