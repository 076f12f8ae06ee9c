"""Who is one person: records come in, people decide what the hub asks them, customers are merged and parted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any

import sqlalchemy as sa
import strawberry
from strawberry.scalars import JSON
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import (
    customer_merge,
    identity,
    identity_candidate,
    identity_estimate,
    ids,
    source_record_add,
)
from hub.db import Json
from hub.errors import Forbidden, Limit
from hub.save import Policy
from hub.viewer import Viewer
from schema.command import Request, answered, carry_out
from schema.context import Context
from schema.errors import UserError, user_error
from schema.input import local_id
from schema.mutation import IdempotencyKey

MOST_ROWS = 1_000
MOST_CANDIDATES = 100

Id = Annotated[strawberry.ID, strawberry.argument(description="The customer's id.")]
Reason = Annotated[
    str | None, strawberry.argument(description="Why, for whoever looks at it later; null: not told.")
]


def _given(description: str) -> Any:
    return strawberry.field(description=description, default=strawberry.UNSET)


@strawberry.input(description="An identifier that a record names.")
class SourceIdentifierInput:
    """An identifier that a record names."""

    type: str = strawberry.field(description="Code of its type: email, phone, card, device …")
    value: str = strawberry.field(description="The identifier.")
    verified: bool = strawberry.field(
        description="Whether the system knows that it is theirs.", default=False
    )


@strawberry.input(description="An address that a record names.")
class SourceAddressInput:
    """An address that a record names."""

    code: str | None = _given("What tells it from the others; null: by its place.")
    name: str | None = _given("Who it is addressed to.")
    company: str | None = _given("The company on the label.")
    street: str | None = _given("Street and number.")
    street2: str | None = _given("A second line.")
    postal_code: str | None = _given("Postal code.")
    city: str | None = _given("City.")
    region: str | None = _given("State or province.")
    country: str | None = _given("ISO 3166 code of two letters; null: unknown, which is kept as ZZ.")
    phone: str | None = _given("Phone number, in E.164.")


@strawberry.input(description="A record of a person, as a system has it.")
class SourceRecordInput:
    """A record of a person."""

    system: str = strawberry.field(description="The system it comes from.")
    external_id: str = strawberry.field(description="Its id there.")
    version: str | None = _given("Its version there; null: taken from its content.")
    observed_at: datetime | None = _given("When the system saw it so; null: now.")
    payload: JSON | None = _given("The record as it came; null: what is given here.")
    given_name: str | None = _given("Given name.")
    family_name: str | None = _given("Family name.")
    birth_date: date | None = _given("Day of birth.")
    email: str | None = _given("E-mail address.")
    phone: str | None = _given("Phone number, in E.164.")
    identifiers: list[SourceIdentifierInput] | None = _given(
        "What else they are known by, and what was verified."
    )
    addresses: list[SourceAddressInput] | None = _given("Their addresses.")


@strawberry.type(description="What became of one record.")
class SourceRecordResult:
    """What became of one record."""

    record_id: strawberry.ID | None = strawberry.field(
        description="The record's id; null when it was refused."
    )
    customer_id: strawberry.ID | None = strawberry.field(
        description="The customer that its person is shown as now; null when it was refused."
    )
    outcome: str = strawberry.field(description="created, unchanged (that version was there) or refused.")
    user_errors: list[UserError] = strawberry.field(description="Why it was refused.")


@strawberry.type(description="What sourceRecordAdd answers.")
class SourceRecordAddPayload:
    """What sourceRecordAdd answers."""

    results: list[SourceRecordResult] = strawberry.field(description="One for each row, in their order.")
    user_errors: list[UserError] = strawberry.field(description="What is wrong with all of it.")


@strawberry.enum(description="What somebody decided about two customers.")
class IdentityDecisionKind(Enum):
    """What somebody decided about two customers."""

    INCLUDE = "include"
    EXCLUDE = "exclude"
    WITHDRAW = "withdraw"


@strawberry.type(description="What a command on who is who answers.")
class IdentityPayload:
    """What a command on who is who answers."""

    customer_ids: list[strawberry.ID] = strawberry.field(
        description="Whom they are shown as now, each once; empty when it was refused."
    )
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was done.")


@strawberry.type(description="A value that a merged customer shows.")
class CustomerShownValue:
    """A value that a merged customer shows."""

    field: str = strawberry.field(description="The field.")
    value: str | None = strawberry.field(description="The value.")
    rule: str = strawberry.field(
        description="Why this one: newest, priority, trusted, written (by somebody, for the one who is shown) or filled"
        " (nobody else knew one)."
    )
    from_id: strawberry.ID = strawberry.field(description="The customer, as they came, whom it is from.")


@strawberry.type(description="How many of something a merge moves.")
class MovedCount:
    """How many of something a merge moves."""

    what: str = strawberry.field(description="Of what: order, customer_address, cart …")
    count: int = strawberry.field(description="How many.")


@strawberry.type(description="What customerMerge answers.")
class CustomerMergePayload:
    """What customerMerge answers."""

    customer_id: strawberry.ID | None = strawberry.field(
        description="Whom they are shown as; null when it was refused."
    )
    values: list[CustomerShownValue] = strawberry.field(
        description="With preview: the values that would be shown; otherwise empty."
    )
    moved: list[MovedCount] = strawberry.field(description="With preview: what would move; otherwise empty.")
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was done.")


@strawberry.type(description="One comparison of two records, with what it weighs.")
class IdentityReason:
    """One comparison."""

    comparison: str = strawberry.field(description="What was compared.")
    level: str = strawberry.field(description="How well it agrees: same, near, partly, place or other.")
    weight: float | None = strawberry.field(
        description="Bits; null for an identifier that alone says who it is."
    )


@strawberry.type(description="Two customers who may be one person.")
class IdentityCandidate:
    """Two customers who may be one person."""

    one_id: strawberry.ID = strawberry.field(description="One of them.")
    other_id: strawberry.ID = strawberry.field(description="The other.")
    score: float = strawberry.field(description="What speaks for one person, in bits.")
    dropped: str | None = strawberry.field(
        description="Of a link that was not taken, why: excluded, limit or contradiction; null for a candidate."
    )
    reasons: list[IdentityReason] = strawberry.field(description="The score in its parts.")


async def source_record_add_(
    info: Info,
    rows: Annotated[list[SourceRecordInput], strawberry.argument(description="At most 1,000.")],
    skip_invalid: Annotated[
        bool, strawberry.argument(description="Add the good ones where some are bad; false: none of them.")
    ] = False,
    idempotency_key: IdempotencyKey = None,
) -> SourceRecordAddPayload:
    """Add records."""
    _writer(info)
    given = [_plain(row) for row in rows]
    secret = info.context.extras["secret"]
    policy = Policy.SKIP_INVALID if skip_invalid else Policy.REJECT_ALL

    def work(tx: sa.Connection) -> Json:
        if len(given) > MOST_ROWS:
            raise Limit(f"{len(given)} records are too many at once: add at most {MOST_ROWS}.", ("rows",))
        results = source_record_add.add(tx, given, secret=secret, policy=policy)
        shown = source_record_add.shown_as(tx, [each.id for each in results if each.id is not None])
        return answered(results) | {"shown": {str(number): customer for number, customer in shown.items()}}

    answer = await carry_out(
        info.context, Request("source_record_add", [given, skip_invalid], idempotency_key), work
    )
    return SourceRecordAddPayload(
        results=[
            SourceRecordResult(
                record_id=_id("source_record", each["id"]),
                customer_id=_id("customer", answer["shown"].get(str(each["id"]))),
                outcome=each["outcome"],
                user_errors=[user_error(error, ("rows", place)) for error in each["errors"]],
            )
            for place, each in enumerate(answer["results"])
        ],
        user_errors=[user_error(each) for each in answer["errors"]],
    )


async def identity_decide(
    info: Info,
    one_id: Id,
    other_id: Id,
    decision: Annotated[
        IdentityDecisionKind,
        strawberry.argument(description="INCLUDE: one person; EXCLUDE: two; WITHDRAW: as the rules say."),
    ],
    reason: Reason = None,
    idempotency_key: IdempotencyKey = None,
) -> IdentityPayload:
    """Decide about two customers."""
    _writer(info)
    kind = decision.value

    def work(tx: sa.Connection) -> list[int]:
        pair = local_id(one_id, "customer", ("one_id",)), local_id(other_id, "customer", ("other_id",))
        return customer_merge.decide(tx, pair, kind, reason)

    return await _told(
        info, Request("identity_decide", [one_id, other_id, kind, reason], idempotency_key), work
    )


async def identity_estimate_(info: Info, idempotency_key: IdempotencyKey = None) -> IdentityPayload:
    """Fit the weights to the records and look at all of them again."""
    _writer(info)

    def work(tx: sa.Connection) -> list[int]:
        identity_estimate.refresh(tx)
        return []

    return await _told(info, Request("identity_estimate", [], idempotency_key), work)


async def customer_merge_(
    info: Info,
    id: Id,  # noqa: A002 - the API's name
    merge_ids: Annotated[
        list[strawberry.ID], strawberry.argument(description="Who is the same person, at most 100.")
    ],
    preview: Annotated[
        bool, strawberry.argument(description="Only say what would come of it; nothing is changed.")
    ] = False,
    reason: Reason = None,
    idempotency_key: IdempotencyKey = None,
) -> CustomerMergePayload:
    """Merge customers."""
    _writer(info)

    def work(tx: sa.Connection) -> Json:
        survivor = local_id(id, "customer")
        others = [local_id(each, "customer", ("merge_ids", place)) for place, each in enumerate(merge_ids)]
        if preview:
            return answered([]) | {"preview": customer_merge.preview(tx, survivor, others)}
        return answered([]) | {"customer": customer_merge.merge(tx, survivor, others, reason)}

    asked = [id, list(merge_ids), preview, reason]
    answer = await carry_out(info.context, Request("customer_merge", asked, idempotency_key), work)
    told = answer.get("preview") or {"customer_id": answer.get("customer"), "values": [], "moved": {}}
    return CustomerMergePayload(
        customer_id=_id("customer", told["customer_id"]),
        values=[
            CustomerShownValue(
                field=each["field"],
                value=each["value"],
                rule=each["rule"],
                from_id=strawberry.ID(ids.encode("customer", each["from_id"])),
            )
            for each in told["values"]
        ],
        moved=[MovedCount(what=what, count=count) for what, count in sorted(told["moved"].items())],
        user_errors=[user_error(each) for each in answer["errors"]],
    )


async def customer_unmerge(
    info: Info,
    id: Id,  # noqa: A002 - the API's name
    reason: Reason = None,
    idempotency_key: IdempotencyKey = None,
) -> IdentityPayload:
    """Part a customer from those they are shown with."""
    _writer(info)

    def work(tx: sa.Connection) -> list[int]:
        number = local_id(id, "customer")
        head = customer_merge.unmerge(tx, number, reason)
        shown = identity.groups(tx, {number, head})
        return sorted({shown[number], shown[head]})

    return await _told(info, Request("customer_unmerge", [id, reason], idempotency_key), work)


async def identity_candidates(
    info: Info,
    first: Annotated[int, strawberry.argument(description="How many, at most 100.")] = 20,
    dropped: Annotated[
        bool, strawberry.argument(description="Also links that were not taken, with why.")
    ] = False,
) -> list[IdentityCandidate]:
    """What people are asked, the likeliest first."""
    viewer: Viewer = info.context.viewer
    _staff(viewer)
    viewer.require("customers", "read")
    if not 0 < first <= MOST_CANDIDATES:
        raise Limit(f"first is {first}: give 1 to {MOST_CANDIDATES}.", ("first",))
    rows = await info.context.database.rows(identity_candidate.open_ones(first, dropped=dropped))
    return [
        IdentityCandidate(
            one_id=strawberry.ID(ids.encode("customer", each["one_id"])),
            other_id=strawberry.ID(ids.encode("customer", each["other_id"])),
            score=each["score"],
            dropped=each["dropped"],
            reasons=[
                IdentityReason(
                    comparison=reason["comparison"], level=reason["level"], weight=reason.get("weight")
                )
                for reason in each["reasons"]
            ],
        )
        for each in rows
    ]


CANDIDATES = strawberry.field(
    resolver=identity_candidates,
    description="Pairs of customers who may be one person and about whom nobody has decided, the likeliest first. For"
    " staff and apps.",
)
"""The root field, which the query takes in."""


def fields() -> list[StrawberryField]:
    """The mutations."""
    described: tuple[tuple[str, Any, str], ...] = (
        (
            "sourceRecordAdd",
            source_record_add_,
            "Add records of people as systems have them. Each is kept untouched; records of one person are shown as one"
            " customer.",
        ),
        (
            "identityDecide",
            identity_decide,
            "Decide whether two customers are one person. It holds against every rule until somebody decides otherwise.",
        ),
        (
            "identityEstimate",
            identity_estimate_,
            "Fit the weights of the comparisons to the hub's own records, and look at all of them again.",
        ),
        (
            "customerMerge",
            customer_merge_,
            "Show customers as one. What came by each stays known, so that they can be parted; old ids find them for ever.",
        ),
        (
            "customerUnmerge",
            customer_unmerge,
            "Part a customer from those they are shown with: orders, addresses and all that came by them go back, also what"
            " came since.",
        ),
    )
    return [
        strawberry.mutation(resolver=resolver, name=name, description=text)
        for name, resolver, text in described
    ]


def _staff(viewer: Viewer) -> None:
    if not viewer.sees_unlisted:
        raise Forbidden("Who is who is for staff and apps.")


def _writer(info: Info) -> Viewer:
    viewer: Viewer = info.context.viewer
    _staff(viewer)
    viewer.require("customers", "write")
    return viewer


async def _told(info: Info, request: Request, work: Callable[[sa.Connection], list[int]]) -> IdentityPayload:
    context: Context = info.context
    answer = await carry_out(context, request, lambda tx: answered([]) | {"customers": work(tx)})
    return IdentityPayload(
        customer_ids=[strawberry.ID(ids.encode("customer", each)) for each in answer.get("customers", ())],
        user_errors=[user_error(each) for each in answer["errors"]],
    )


def _id(noun: str, number: int | None) -> strawberry.ID | None:
    return None if number is None else strawberry.ID(ids.encode(noun, number))


def _plain(given: Any) -> Any:
    """An input as plain values, without what was not given."""
    if isinstance(given, list):
        return [_plain(each) for each in given]
    if isinstance(given, date | datetime):
        return given.isoformat()
    if hasattr(type(given), "__strawberry_definition__"):
        return {name: _plain(each) for name, each in vars(given).items() if each is not strawberry.UNSET}
    return given
