"""Puts the house together: the only file of the hub, beside the command line, that looks outward."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from threading import Event

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST

import hub.relay
import search.app
import webhooks.app
from hub import health, listening, migrations
from hub.config import Settings
from hub.db import Database
from hub.health import Check
from hub.metrics import Measured, Metrics
from hub.relay import Stop
from schema import payload_document
from schema.app import schema
from schema.download import Downloads
from schema.router import Endpoint
from search.engine import Index
from webhooks import figures
from webhooks.figures import Figures

log = logging.getLogger(__name__)


def create_app(settings: Settings, *, relay: bool = True) -> FastAPI:
    """The server. ``relay``: whether it runs the relay too while it serves."""
    database = migrations.prepared(settings)
    _say_what_is_idle(settings)
    index = search.app.opened(settings, database)
    sending = Figures(database)
    metrics = Metrics(database, sending)
    lifespan = _lifespan(
        database, lambda: start_relay(database, settings, sending) if relay else hub.relay.hear(database)
    )
    app = FastAPI(title="Commerce hub", openapi_url=None, lifespan=lifespan)
    app.add_middleware(Measured, metrics=metrics)
    app.router.routes.append(_endpoint(database, settings, index).route())
    app.router.routes.append(Downloads(database, settings.secret, settings.var).route())
    _add_probes(app, _checks(database, settings, index), metrics)
    _add_files(app, settings)
    return app


def _say_what_is_idle(settings: Settings) -> None:
    """A setting that is taken and not used yet must not pass for one that works."""
    for name in ("database_read_urls",):
        if getattr(settings, name):
            log.warning("HUB_%s is set, and not used by this version: see docs/limits.md.", name.upper())


def _add_files(app: FastAPI, settings: Settings) -> None:
    """The files that the hub keeps itself, as ``hub.asset.url`` names them."""
    folder = settings.var / "assets"
    folder.mkdir(parents=True, exist_ok=True)
    app.mount("/assets", StaticFiles(directory=folder))


def start_relay(database: Database, settings: Settings, sending: Figures | None = None) -> Stop:
    """Start every part of the relay; gives what stops them all. ``sending`` counts what the webhooks do."""
    renderer = payload_document.of(schema()).renderer
    return _stopping(
        [
            hub.relay.hear(database),
            hub.relay.start(database, settings),
            search.app.start(database, settings),
            webhooks.app.start(database, settings, renderer, sending),
        ]
    )


def serve(settings: Settings, *, relay: bool = True) -> None:
    """Serve until interrupted. Raises ``HubError`` where the port is taken."""
    listening.check(settings)
    app = create_app(settings, relay=relay)
    print(f"Serving {settings.url}/graphql", flush=True)  # noqa: T201 - the one line that a person waits for
    uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning", access_log=False)


def relay(settings: Settings) -> None:
    """Run the relay alone until interrupted."""
    database = migrations.prepared(settings)
    interrupted = Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: interrupted.set())
    stop = start_relay(database, settings)
    interrupted.wait()
    stop()
    database.close()


def _stopping(stops: Sequence[Stop]) -> Stop:
    def stop() -> None:
        for each in reversed(stops):
            each()

    return stop


def _lifespan(
    database: Database, start: Callable[[], Stop]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        stop = start()
        try:
            yield
        finally:
            await asyncio.to_thread(stop)
            await database.aclose()

    return lifespan


def _endpoint(database: Database, settings: Settings, index: Index) -> Endpoint:
    extras = {"search": index, "webhook_networks": settings.webhook_allowed_networks}
    return Endpoint(schema(), database, settings.secret, development=settings.development, extras=extras)


def _checks(database: Database, settings: Settings, index: Index) -> dict[str, Check]:
    def searchable() -> str:
        found = search.app.ready(database, index)
        if found.problem:
            raise health.UnreadyError(found.problem)
        return f"Search answers from {found.documents} documents, {found.lag or 0} changes behind."

    own = health.checks(database, lag_seconds=settings.relay_lag_seconds)
    return own | {"search": searchable, "webhooks": figures.check(database, settings.relay_lag_seconds)}


def _add_probes(app: FastAPI, checks: Mapping[str, Check], metrics: Metrics) -> None:
    @app.get("/health")
    def alive() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready")
    def ready() -> JSONResponse:
        found = health.findings(checks)
        well = all(finding.ok for finding in found.values())
        body = {"ready": well, "checks": {name: asdict(finding) for name, finding in found.items()}}
        return JSONResponse(body, 200 if well else 503)

    @app.get("/metrics")
    def measured() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)
