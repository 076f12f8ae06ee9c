"""Files of assets that lie elsewhere, fetched into the hub by a job."""

from __future__ import annotations

from typing import Annotated, Any, cast

import sqlalchemy as sa
import strawberry
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from hub import asset_fetch, idempotency, job
from hub.errors import Limit
from schema.context import Context
from schema.job import JobPayload, told
from schema.mutation import IdempotencyKey

MOST_CODES = 10_000


async def fetch(
    info: Info,
    codes: Annotated[
        list[str] | None,
        strawberry.argument(
            description=f"Codes of the assets, at most {MOST_CODES}; null for every asset whose file lies elsewhere."
        ),
    ] = None,
    idempotency_key: IdempotencyKey = None,
) -> JobPayload:
    """Queue the fetching of files. Raises ``Forbidden`` without the scope to write the catalogue."""
    context: Context = info.context
    context.viewer.require("catalogue", "write")
    given: dict[str, Any] = {"codes": codes}

    def queue(tx: sa.Connection) -> int:
        if codes is not None and len(codes) > MOST_CODES:
            raise Limit(f"{len(codes)} codes are too many: give at most {MOST_CODES}, or null.", ("codes",))
        kept = idempotency.once(
            tx,
            context.viewer.token_id,
            idempotency_key,
            {"command": "asset_fetch", "input": given},
            lambda: {"id": job.create(tx, context.viewer, asset_fetch.KIND, given)},
        )
        return cast("int", kept["id"])

    return await told(context, queue)


def fields() -> list[StrawberryField]:
    """The mutation."""
    return [
        strawberry.mutation(
            resolver=fetch,
            name="assetFetch",
            description="Fetch the files of assets whose address is one elsewhere, as a job: each is looked at as an upload is,"
            " and the asset has it from then on. The job's file is a report of JSON lines, one for each asset. Private"
            " addresses are refused when connecting, unless HUB_WEBHOOK_ALLOWED_NETWORKS names them.",
        )
    ]
