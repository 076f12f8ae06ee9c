"""Puts the house together: the only file of the hub, beside the command line, that looks outward."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from threading import Event

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

import hub.relay
import search.app
from hub import health, migrations
from hub.config import Settings
from hub.db import Database
from hub.metrics import Measured, Metrics
from hub.relay import Stop
from schema.app import schema
from schema.router import Endpoint


def create_app(settings: Settings, *, relay: bool = True) -> FastAPI:
    """The server. ``relay``: whether it runs the relay too while it serves."""
    database = migrations.prepared(settings)
    metrics = Metrics(database)
    app = FastAPI(title="Commerce hub", openapi_url=None, lifespan=_lifespan(database, settings, relay=relay))
    app.add_middleware(Measured, metrics=metrics)
    app.router.routes.append(
        Endpoint(schema(), database, settings.secret, development=settings.development).route()
    )
    _add_probes(app, database, settings)

    @app.get("/metrics")
    def figures() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return app


def start_relay(database: Database, settings: Settings) -> Stop:
    """Start every part of the relay; gives what stops them all."""
    return _stopping([part.start(database, settings) for part in (hub.relay, search.app)])


def serve(settings: Settings, *, relay: bool = True) -> None:
    """Serve until interrupted."""
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
    database: Database, settings: Settings, *, relay: bool
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        stop = start_relay(database, settings) if relay else _stopping(())
        try:
            yield
        finally:
            stop()
            await database.aclose()

    return lifespan


def _add_probes(app: FastAPI, database: Database, settings: Settings) -> None:
    index = search.app.opened(settings)

    def searchable() -> str:
        found = search.app.ready(database, index)
        if found.problem:
            raise health.UnreadyError(found.problem)
        return f"Search answers from {found.documents} documents, {found.lag or 0} changes behind."

    checks = health.checks(database, lag_seconds=settings.relay_lag_seconds) | {"search": searchable}

    @app.get("/health")
    def alive() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready")
    def ready() -> JSONResponse:
        found = health.findings(checks)
        well = all(finding.ok for finding in found.values())
        body = {"ready": well, "checks": {name: asdict(finding) for name, finding in found.items()}}
        return JSONResponse(body, 200 if well else 503)
