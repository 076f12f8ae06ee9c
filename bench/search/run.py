"""One run: each shop filled and indexed, and its questions asked of each engine."""

from __future__ import annotations

import asyncio
import gc
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from starlette.applications import Starlette

from bench import Figures, Tell, engines, scratch
from bench.search import bulk, ground
from bench.search.asking import Client, Took, Watched
from bench.search.questions import DOCUMENT, questions
from bench.search.table import Table
from hub.app import YOUNG_OBJECTS
from hub.config import Settings
from hub.db import HUB, Database
from hub.product import Product
from hub.token import Wish, create
from schema.app import schema
from schema.router import Endpoint
from search.elasticsearch_index import ElasticsearchIndex
from search.engine import Index
from search.recording import Recorder

SHARES = (0.1, 0.5, 1.0)
WHOLE = 200_000
"""Documents at scale 1: each product has one in its channel and one for staff."""


@dataclass(frozen=True)
class Options:
    """What ``measure`` is asked for."""

    scale: float
    engine: str | None
    questions: int
    rounds: int
    keep: bool = False


def run(settings: Settings, tell: Tell, options: Options) -> Figures:
    """The figures of all shops, the smallest first."""
    rows: dict[str, Sequence[Took]] = {}
    figures: dict[str, Any] = {}
    for share in SHARES:
        products = max(int(WHOLE * options.scale * share / 2), 100)
        kept = f"bench-search-{products}" if options.keep else None
        with (
            scratch.database(settings, kept) as database,
            engines.opened(settings, database, options.engine, kept) as indexes,
        ):
            filled = _filled(database, indexes, products, tell)
            for name, index in indexes.items():
                rows[f"{name} {2 * products:,}"] = _asked(database, index, products, options)
                if share == 1.0 and name in filled.writing:
                    figures |= _rates(database, name, index, filled)
    return {"questions": Table(rows)} | figures


def _filled(database: Database, indexes: Mapping[str, Index], products: int, tell: Tell) -> ground.Filled:
    """Fill what is empty: nothing that another run left."""
    with database.read() as tx:
        empty = tx.scalar(sa.select(sa.func.count()).select_from(Product)) == 0
    if empty:
        ground.fill(database, products)
    missing = {name: index for name, index in indexes.items() if index.current() is None}
    return ground.index(database, missing, tell) if missing else ground.Filled(0, 0.0, {})


def _asked(database: Database, index: Index, products: int, options: Options) -> list[Took]:
    secret = secrets.token_hex(32)
    wish = Wish(kind="storefront", name=f"bench {secret[:8]}", channels=["web"], default_locale="en")
    with database.write(HUB) as tx:
        token = create(tx, secret, wish)[1]
    watched = Watched(database.url)
    recorder = Recorder(watched, secret, 0.0)
    endpoint = Endpoint(schema(), watched, secret, extras={"search": index, "recorder": recorder})
    client = Client(Starlette(routes=endpoint.routes()), token, watched)

    async def ask() -> list[Took]:
        asked = questions(options.questions, products)
        # The first round fills caches, which a server that has run for a while has.
        for variables in asked:
            await client.ask(DOCUMENT, variables)
        # As a server does when serving begins.
        gc.collect()
        gc.freeze()
        young = gc.get_threshold()
        gc.set_threshold(YOUNG_OBJECTS)
        found = [await client.ask(DOCUMENT, variables) for _ in range(options.rounds) for variables in asked]
        gc.set_threshold(*young)
        gc.unfreeze()
        await watched.aclose()
        return found

    try:
        return asyncio.run(ask())
    finally:
        recorder.close()


def _rates(database: Database, name: str, index: Index, filled: ground.Filled) -> Figures:
    writing = filled.documents / filled.writing[name]
    whole = filled.documents / (filled.making + filled.writing[name])
    figures: dict[str, Any] = {
        f"{name} documents_per_second": round(whole),
        f"{name} documents_per_second_written": round(writing),
    }
    if isinstance(index, ElasticsearchIndex):
        best = bulk.documents_per_second(database, index)
        figures |= {
            "bulk_helper_documents_per_second": round(best),
            "bulk_ratio": round(writing / best, 2),
            "bulk_ratio_with_reading": round(whole / best, 2),
        }
    return figures
