"""From a commit to the receiver's hands: writers, a relay, PostgreSQL and a receiver, each a process of its own."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from bench import Figures, Tell, scratch
from bench.webhooks import cpu
from bench.webhooks.ground import CUSTOMER, STOCK, Shop, endpoints, shop
from hub.config import Settings
from hub.db import Database

HERE = Path(__file__).parent
WARM_SECONDS = 3
"""The first seconds are not counted: statements are prepared and connections opened in them."""

PATIENCE_SECONDS = 60.0

Rate = Annotated[
    int, typer.Option(help="Deliveries a second; 0 for each of 500, 1000 and 1000 to a hundred endpoints.")
]
Seconds = Annotated[int, typer.Option(help="How long each run writes.")]
Endpoints = Annotated[
    int, typer.Option(help="Endpoints that share the rate: each change is told to all of them.")
]
Indexed = Annotated[
    bool, typer.Option(help="Write stock, which the relay indexes too, in place of customers.")
]
Documents = Annotated[bool, typer.Option(help="Give each endpoint a payload document of its own.")]


STAGES = sa.text(
    """
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM f.sequenced_at - f.occurred_at)) * 1000
            AS stage_numbered_ms,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM d.created_at - f.sequenced_at)) * 1000
            AS stage_told_ms,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM a.started_at - d.created_at)) * 1000
            AS stage_made_ms,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY a.milliseconds) AS stage_sent_ms,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM d.delivered_at - a.started_at) * 1000 - a.milliseconds)
            AS stage_noted_ms
    FROM webhook_delivery d JOIN webhook_attempt a ON a.delivery_id = d.id JOIN feed f ON f.sequence = d.sequence
    """
)


@dataclass(frozen=True)
class Run:
    """``rate``: deliveries a second, over all ``endpoints``. ``documents``: whether each has a document of its own.

    ``indexed``: write what the relay has to index for the search too.
    """

    rate: int
    endpoints: int = 1
    documents: bool = False
    indexed: bool = False

    @property
    def name(self) -> str:
        """How its figures are called."""
        return f"{self.rate}_to_{self.endpoints}" + ("_with_documents" if self.documents else "")


RUNS = (Run(500), Run(1_000), Run(1_000, 100, documents=True))


def measure(
    settings: Settings,
    tell: Tell,
    *,
    rate: Rate = 0,
    seconds: Seconds = 20,
    endpoints: Endpoints = 1,
    documents: Documents = False,
    indexed: Indexed = False,
) -> Figures:
    """Milliseconds from before the writing statement is sent until the receiver has read the body, per run.

    ``lost`` and ``wrong`` (refused by the published verifier) must be 0. ``load`` is the machine's, of one minute.
    """
    chosen = (Run(rate, endpoints, documents, indexed),) if rate else RUNS
    figures: dict[str, Any] = {"cores": os.cpu_count()}
    for place, run in enumerate(chosen):
        tell(place, len(chosen))
        figures |= {f"{run.name}_{name}": value for name, value in _measured(settings, run, seconds).items()}
    return figures


def _measured(settings: Settings, run: Run, seconds: int) -> Figures:
    with (
        scratch.database(settings) as database,
        TemporaryDirectory() as folder,
        _receiver() as (address, receiver),
    ):
        ready = shop(database, settings, STOCK if run.indexed else CUSTOMER)
        secrets = endpoints(database, ready, address, run.endpoints, documents=run.documents)
        _ask(f"{address}/secrets", secrets)
        with _relay(settings, database, Path(folder)) as relay:
            _ask(f"{address}/forget")
            sent, used = _written(
                database, ready, run, seconds, Path(folder), {"relay": relay, "receiver": receiver}
            )
            log = _awaited(address, len(sent) * run.endpoints)
            time.sleep(1)  # the last answers are noted
        stages = _stages(database)
    return {**_figures(sent, log, run, seconds), **stages, **used}


def _figures(sent: dict[int, float], log: dict[str, Any], run: Run, seconds: int) -> Figures:
    counted = {number for number, at in sent.items() if at >= min(sent.values()) + WARM_SECONDS}
    came: dict[tuple[str, int], float] = {}
    for path, number, at in log["came"]:
        came.setdefault((path, number), at)
    delays = sorted((at - sent[number]) * 1000 for (_, number), at in came.items() if number in counted)
    return {
        "p50_ms": round(_share(delays, 0.50), 1),
        "p95_ms": round(_share(delays, 0.95), 1),
        "p99_ms": round(_share(delays, 0.99), 1),
        "max_ms": round(delays[-1], 1),
        "per_second": round(len(sent) * run.endpoints / (max(sent.values()) - min(sent.values())), 1),
        "lost": len(sent) * run.endpoints - len(came),
        "twice": len(log["came"]) - len(came),
        "verified": log["verified"],
        "wrong": log["wrong"],
        "seconds": seconds,
        "load": round(os.getloadavg()[0], 2),
    }


def _stages(database: Database) -> Figures:
    """Where the time goes: the median milliseconds of each stage, by the database's clock and the relay's."""
    with database.read() as tx:
        row = tx.execute(STAGES).mappings().one()
    return {name: round(value, 1) for name, value in row.items()}


def _share(delays: Sequence[float], share: float) -> float:
    """The nearest-rank percentile."""
    return delays[max(0, math.ceil(share * len(delays)) - 1)]


@contextmanager
def _receiver() -> Iterator[tuple[str, int]]:
    program = [sys.executable, str(HERE / "receiver.py")]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - the bench's own
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}", process.pid
        finally:
            process.kill()


@contextmanager
def _relay(settings: Settings, database: Database, folder: Path) -> Iterator[int]:
    environment = os.environ | {
        "HUB_VAR": str(folder),
        "HUB_DATABASE_URL": database.url,
        "HUB_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "HUB_SECRET_KEY": settings.secret,
    }
    with subprocess.Popen([sys.executable, "-m", "hub", "relay"], env=environment) as process:
        try:
            _until_held(database)
            yield process.pid
        finally:
            process.terminate()
            process.wait(30)


def _until_held(database: Database) -> None:
    """Wait until the relay sends: its start is not what is measured."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    held = sa.text("SELECT count(*) FILTER (WHERE holder IS NULL) = 0 AND count(*) > 0 FROM webhook_line")
    while time.monotonic() < deadline:
        with database.read() as tx:
            if tx.scalar(held):
                time.sleep(2)
                return
        time.sleep(0.1)
    raise TimeoutError("The relay did not start.")


def _written(
    database: Database, ready: Shop, run: Run, seconds: int, folder: Path, processes: dict[str, int]
) -> tuple[dict[int, float], Figures]:
    """Have the writer write: when it sent each change, by the change's number; and who used what meanwhile.

    What is used is counted after the first seconds, until just before the writer ends and its connections with it.
    """
    target = folder / "sent.json"
    job = {
        "address": ready.address,
        "ids": ready.ids,
        "table": ready.noun.table,
        "column": ready.noun.column,
        "rate": run.rate / run.endpoints,
        "seconds": seconds + WARM_SECONDS,
        "target": str(target),
    }
    program = [sys.executable, str(HERE / "writer.py"), json.dumps(job)]
    with subprocess.Popen(program) as writer:  # noqa: S603 - the bench's own
        processes = {**processes, "writer": writer.pid}
        time.sleep(WARM_SECONDS)
        began, before = _counted(database, processes)
        time.sleep(max(seconds - 1, 1))
        ended, after = _counted(database, processes)
        assert writer.wait() == 0
    per_second = {"transactions_per_second": round((ended[1] - began[1]) / (ended[0] - began[0]))}
    sent = {int(number): at for number, at in json.loads(target.read_bytes()).items()}
    return sent, {**cpu.between(before, after, ended[0] - began[0]), **per_second}


def _counted(database: Database, processes: dict[str, int]) -> tuple[tuple[float, int], cpu.Seconds]:
    with database.read() as tx:
        committed = tx.scalar(
            sa.text("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        )
    return (time.monotonic(), committed), cpu.used(database, processes)


def _awaited(address: str, expected: int) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        count = int(_ask(f"{address}/count"))
        if count >= expected or time.monotonic() > deadline:
            return dict(json.loads(_ask(f"{address}/log")))
        time.sleep(0.1)


def _ask(url: str, body: object = None) -> bytes:
    request = urllib.request.Request(url, json.dumps(body).encode(), method="PUT")  # noqa: S310 - the bench's own receiver
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - the same
        answer: bytes = response.read()
    return answer
