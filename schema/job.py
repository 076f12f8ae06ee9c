"""Jobs in the API: exports in bulk, asked for, watched, fetched and cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, cast

import sqlalchemy as sa
import strawberry
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import asset_fetch, export_job, feed, idempotency, ids, job, snapshot, states
from hub.errors import HubError, Invalid, Limit, NotFound
from hub.job import NOUN, Job
from schema.connection import PageInfo
from schema.context import Context
from schema.errors import UserError, stored, user_error
from schema.input import local_id
from schema.mutation import IdempotencyKey
from schema.scalar import Long

LARGEST_PAGE = 100
DEFAULT_PAGE = 20

Work = Callable[[sa.Connection], int]


@strawberry.enum(
    description="What a job does. EXPORT: it writes the states of objects into a file. FETCH: it fetches the files of assets"
    " that lie elsewhere, and writes a report of them."
)
class JobKind(StrEnum):
    """What a job does."""

    EXPORT = export_job.KIND
    FETCH = asset_fetch.KIND


@strawberry.enum(
    description="How far a job is. QUEUED: it waits for a relay. FAILED: it cannot be done, error says why."
)
class JobStatus(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@strawberry.type(description="How far a job is, in objects.")
class JobProgress:
    """How far a job is."""

    done: Long = strawberry.field(description="Objects that are done.")
    total: Long | None = strawberry.field(
        description="About how many there are; exactly once the job is done, null before it has counted them."
    )


@strawberry.type(name="Job", description="Work that takes longer than a request.")
class JobNode:
    """Work that takes longer than a request."""

    id: strawberry.ID = strawberry.field(description="Its id.")
    kind: JobKind = strawberry.field(description="What it does.")
    status: JobStatus = strawberry.field(description="How far it is.")
    progress: JobProgress = strawberry.field(description="How far it is, in objects.")
    url: str | None = strawberry.field(
        description="Where the result is fetched, below this server, without a token, by Range too: keep it secret."
        " Null before the job is done, after the result has expired, and for other tokens than the job's own."
    )
    size: Long | None = strawberry.field(description="Bytes of the result; null while there is none.")
    expires_at: datetime | None = strawberry.field(
        description="When the result is removed; null before it is there."
    )
    error: str | None = strawberry.field(description="Why it failed; null where it did not.")
    cursor: str | None = strawberry.field(
        description="Where the feed goes on behind the result: give it to changes as after. Null before it is done."
    )
    attempts: int = strawberry.field(
        description="How often it was begun: a relay that dies leaves it to another one."
    )
    created_at: datetime = strawberry.field(description="When it was asked for.")
    started_at: datetime | None = strawberry.field(description="When it was first begun; null before.")
    finished_at: datetime | None = strawberry.field(description="When it ended, well or not; null before.")


@strawberry.type(description="A job with the cursor after it.")
class JobEdge:
    """A job with the cursor after it."""

    cursor: str = strawberry.field(description="Give it as after to read on from here.")
    node: JobNode = strawberry.field(description="The job.")


@strawberry.type(description="A page of jobs, the latest first.")
class JobConnection:
    """A page of jobs."""

    nodes: list[JobNode] = strawberry.field(description="The jobs.")
    edges: list[JobEdge] = strawberry.field(description="The jobs, each with its cursor.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.type(description="What a command on a job answers.")
class JobPayload:
    """What a command on a job answers."""

    job: JobNode | None = strawberry.field(description="The job as it is now; null when it was refused.")
    user_errors: list[UserError] = strawberry.field(description="Why it was refused; empty when it was done.")


@strawberry.input(description="Which jobs to list. What is left out does not narrow it down.")
class JobFilter:
    """Which jobs to list."""

    kind: JobKind | None = strawberry.field(description="Only of this kind.", default=None)
    status: list[JobStatus] | None = strawberry.field(
        description="Only in one of these states.", default=None
    )


@strawberry.input(description="What to export.")
class BulkExportInput:
    """What to export."""

    types: list[str] | None = strawberry.field(
        description="Types of objects, such as product and order; null for all that this token may read.",
        default=None,
    )
    since: str | None = strawberry.field(
        description="Only what changed after this cursor of the feed, with a line also for each object that is gone;"
        " null for everything.",
        default=None,
    )


Id = Annotated[strawberry.ID, strawberry.argument(description="The job's id.")]


async def single(info: Info, id: Id) -> JobNode | None:  # noqa: A002 - the API's name
    """One job."""
    context: Context = info.context
    found = await _jobs(context, Job.id == local_id(id, NOUN), 1)
    return found[0][1] if found else None


async def plural(
    info: Info,
    filter: Annotated[  # noqa: A002 - the API's name
        JobFilter | None, strawberry.argument(description="Which jobs; null for all.")
    ] = None,
    first: Annotated[
        int | None, strawberry.argument(description=f"How many: 1 to {LARGEST_PAGE}; {DEFAULT_PAGE} if null.")
    ] = None,
    after: Annotated[
        str | None, strawberry.argument(description="Cursor to read on from; null for the latest.")
    ] = None,
) -> JobConnection:
    """Jobs, the latest first. Raises ``Invalid`` or ``Limit``."""
    chosen = [*_chosen(filter)]
    if after is not None:
        chosen.append(Job.id < local_id(after, "cursor", ("after",)))
    size = _size(first)
    found = await _jobs(info.context, sa.and_(sa.true(), *chosen), size + 1)
    edges = [JobEdge(cursor=ids.encode("cursor", number), node=node) for number, node in found[:size]]
    page = PageInfo(
        has_next_page=len(found) > size,
        has_previous_page=after is not None,
        start_cursor=edges[0].cursor if edges else None,
        end_cursor=edges[-1].cursor if edges else None,
    )
    return JobConnection(nodes=[edge.node for edge in edges], edges=edges, page_info=page)


async def bulk_export(
    info: Info,
    input: Annotated[BulkExportInput, strawberry.argument(description="What to export.")],  # noqa: A002 - the API's name
    idempotency_key: IdempotencyKey = None,
) -> JobPayload:
    """Queue an export. Raises ``Forbidden`` for types that the token may not read."""
    context: Context = info.context
    try:
        names = states.nouns(context.viewer, input.types)
    except NotFound as unknown:
        return JobPayload(job=None, user_errors=[user_error(stored(unknown), ("input",))])
    given = {"types": names, "since": input.since}

    def queue(tx: sa.Connection) -> int:
        if input.since is not None:
            _check(tx, input.since)
        kept = idempotency.once(
            tx,
            context.viewer.token_id,
            idempotency_key,
            {"command": "bulk_export", "input": given},
            lambda: {"id": job.create(tx, context.viewer, export_job.KIND, given)},
        )
        return cast("int", kept["id"])

    return await told(context, queue, "input")


async def job_cancel(info: Info, id: Id) -> JobPayload:  # noqa: A002 - the API's name
    """End a job that is not done."""
    context: Context = info.context

    def end(tx: sa.Connection) -> int:
        number = local_id(id, NOUN)
        job.cancel(tx, context.viewer, number)
        return number

    return await told(context, end)


SINGLE = strawberry.field(
    resolver=single,
    description="A job of this token; staff that may read settings see all. Null where there is none.",
)
PLURAL = strawberry.field(
    resolver=plural,
    description="The jobs of this token, the latest first; staff that may read settings see all. An ended job is"
    f" listed for {job.KEPT.days} days.",
)
"""The root fields, which the query takes in."""


def fields() -> list[StrawberryField]:
    """The mutations of jobs."""
    return [
        strawberry.mutation(
            resolver=bulk_export,
            description="Write the state of every object of some types, as this token may see it, into a file of JSON"
            " lines, with the cursor of the feed at which it is true. The job says where to fetch it.",
        ),
        strawberry.mutation(
            resolver=job_cancel, description="End a job that is not done. One that has ended stays as it is."
        ),
    ]


def _check(tx: sa.Connection, since: str) -> None:
    try:
        feed.read_ends(tx).check(snapshot.decoded(since))
    except HubError as refused:
        raise refused if refused.path else refused.under("since") from refused


async def told(context: Context, work: Work, *prefix: str) -> JobPayload:
    """Carry out a command on a job in a transaction, and answer with the job as it is then."""

    def run() -> int:
        with context.database.write(context.viewer.writer) as tx:
            return work(tx)

    try:
        number = await asyncio.to_thread(run)
    except HubError as refused:
        return JobPayload(job=None, user_errors=[user_error(stored(refused), prefix)])
    context.forget()
    found = await _jobs(context, Job.id == number, 1)
    return JobPayload(job=found[0][1] if found else None, user_errors=[])


def _size(first: int | None) -> int:
    if first is None:
        return DEFAULT_PAGE
    if first < 1:
        raise Invalid(f"first is {first}: give 1 to {LARGEST_PAGE}.", ("first",))
    if first > LARGEST_PAGE:
        raise Limit(f"first is {first}: at most {LARGEST_PAGE} jobs are given at once.", ("first",))
    return first


def _chosen(wanted: JobFilter | None) -> list[sa.ColumnElement[bool]]:
    chosen: list[sa.ColumnElement[bool]] = []
    if wanted is not None and wanted.kind is not None:
        chosen.append(Job.kind == wanted.kind.value)
    if wanted is not None and wanted.status is not None:
        chosen.append(Job.status.in_([status.value for status in wanted.status]))
    return chosen


async def _jobs(context: Context, chosen: sa.ColumnElement[bool], limit: int) -> list[tuple[int, JobNode]]:
    statement = (
        sa.select(Job.__table__).where(chosen, job.seen(context.viewer)).order_by(Job.id.desc()).limit(limit)
    )
    return [(row["id"], _job(context, row)) for row in await context.database.rows(statement)]


def _job(context: Context, row: Any) -> JobNode:
    own = row["token_id"] == context.viewer.token_id
    there = row["file"] is not None and row["expires_at"] > datetime.now(row["expires_at"].tzinfo)
    fetched = (context.extras["secret"], row["id"], row["file"], row["expires_at"])
    return JobNode(
        id=strawberry.ID(ids.encode(NOUN, row["id"])),
        kind=JobKind(row["kind"]),
        status=JobStatus(row["status"]),
        progress=JobProgress(done=row["done"], total=row["total"]),
        url=export_job.address(*fetched) if there and own else None,
        size=row["bytes"] if there else None,
        **{
            name: row[name]
            for name in (
                "expires_at",
                "error",
                "cursor",
                "attempts",
                "created_at",
                "started_at",
                "finished_at",
            )
        },
    )
