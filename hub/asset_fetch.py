"""The job that fetches the files of assets which lie elsewhere, and reports of each.

An asset whose address is another one by the time that its file is there keeps that. Begun anew, the job goes on with
those whose files still lie elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson
import sqlalchemy as sa

from hub import export_job, file, file_store, find, ids, refusal, registry, save, snapshot
from hub.asset import Asset
from hub.asset_upload import looked_at
from hub.config import Settings
from hub.db import Database, Json
from hub.errors import Conflict, HubError
from hub.file_fetch import Fetcher
from hub.file_pool import Pool
from hub.file_store import AwayError, Store
from hub.job import Result
from hub.snapshot import Tell
from hub.viewer import Viewer

KIND = "fetch"
AT_ONCE = 4
"""Files that one job fetches at one time."""

BATCH = 500
"""Assets that are read at one time."""


@dataclass(frozen=True)
class Fetching:
    """What one job fetches with."""

    database: Database
    store: Store
    pool: Pool
    viewer: Viewer
    incoming: Path


def run(database: Database, settings: Settings, row: Json, tell: Tell) -> Result:
    """Fetch the files of a job, and write its report. Raises ``hub.errors.HubError`` where it cannot be done."""
    with database.read() as tx:
        viewer = export_job.asking(tx, row["token_id"])
    viewer.require("catalogue", "write")
    path = export_job.emptied(settings.var, row["id"]) / f"fetched-{row['attempts']}.jsonl.gz"
    pool = Pool(settings.file_megapixels * 1_000_000)
    store, incoming = file_store.opened(settings), settings.var / "incoming"
    fetching = Fetching(database, store, pool, viewer, incoming)
    try:
        with snapshot.writing(path) as report:
            asyncio.run(_all(fetching, settings, row["input"]["codes"], report, tell))
    finally:
        pool.close()
    return Result(path.name, path.stat().st_size)


async def _all(
    fetching: Fetching, settings: Settings, codes: Sequence[str] | None, report: IO[bytes], tell: Tell
) -> None:
    total = await asyncio.to_thread(_count, fetching.database, codes)
    done, places = 0, asyncio.Semaphore(AT_ONCE)
    tell(done, total)
    async with Fetcher(settings.webhook_allowed_networks, settings.file_megabytes * 1_000_000) as fetcher:

        async def one(asset: sa.RowMapping) -> None:
            nonlocal done
            async with places:
                told = await _one(fetching, fetcher, asset)
            report.write(orjson.dumps(told) + b"\n")
            done += 1
            tell(done, max(total, done))

        async for batch in _batches(fetching.database, codes):
            await asyncio.gather(*map(one, batch))


async def _one(fetching: Fetching, fetcher: Fetcher, asset: sa.RowMapping) -> Json:
    """What became of one asset."""
    told: Json = {"id": ids.encode("asset", asset["id"]), "code": asset["code"], "address": asset["address"]}
    try:
        with file.incoming(fetching.incoming) as path:
            await fetcher.fetch(asset["address"], path)
            kept = await asyncio.to_thread(_take, fetching, asset, path)
    except AwayError:
        raise
    except HubError as refused:
        error = {"code": refused.code.value, "message": refused.message}
        return told | {"outcome": "refused", "error": error}
    return told | {"outcome": "fetched", "file": kept}


def _take(fetching: Fetching, asset: sa.RowMapping, path: Path) -> str:
    """Keep the file, and have the asset show it; its address there."""
    with looked_at(fetching.pool, path) as content:
        try:
            with fetching.database.write(fetching.viewer.writer) as tx:
                stands = find.lock(tx, registry.part("asset"), [asset["id"]]).get(asset["id"], {})
                if stands.get("address") != asset["address"]:
                    raise Conflict(
                        f'Asset "{asset["code"]}" has another address by now: nothing was changed.'
                    )
                address = file.keep(tx, fetching.store, content)
                row = {"id": asset["id"], "address": address}
                for error in save.save(tx, "asset", [row], mode=save.Mode.UPDATE)[0].errors:
                    raise error
        except sa.exc.IntegrityError as error:
            raise refusal.of(error) from error
        return address


def _count(database: Database, codes: Sequence[str] | None) -> int:
    with database.read() as tx:
        return tx.scalar(sa.select(sa.func.count()).select_from(Asset).where(*_elsewhere(codes))) or 0


async def _batches(database: Database, codes: Sequence[str] | None) -> AsyncIterator[Sequence[sa.RowMapping]]:
    after = 0
    while batch := await asyncio.to_thread(_batch, database, codes, after):
        yield batch
        after = batch[-1]["id"]


def _batch(database: Database, codes: Sequence[str] | None, after: int) -> Sequence[sa.RowMapping]:
    wanted = sa.select(Asset.id, Asset.code, Asset.address).where(*_elsewhere(codes), Asset.id > after)
    with database.read() as tx:
        return tx.execute(wanted.order_by(Asset.id).limit(BATCH)).mappings().all()


def _elsewhere(codes: Sequence[str] | None) -> list[sa.ColumnElement[Any]]:
    """Those whose file lies elsewhere."""
    found: list[sa.ColumnElement[Any]] = [Asset.address.regexp_match("^https?://")]
    return (
        found if codes is None else [*found, Asset.code == sa.any_(sa.cast(list(codes), sa.ARRAY(sa.Text)))]
    )
