"""Puts the house together: the only file of the hub, beside the command line, that looks outward."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict
from socket import socket
from threading import Event, Thread

import orjson
import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.routing import BaseRoute

import hub.relay
import search.app
import search.figures
import webhooks.app
import webhooks.erasure
from hub import file_store, health, listening, migrations, search_event
from hub.config import Settings
from hub.db import Database
from hub.errors import HubError
from hub.file_pool import Pool
from hub.health import Check
from hub.metrics import Measured, Metrics
from hub.relay import Stop
from hub.rendition import Cache
from schema import event_schema, payload_document
from schema.app import schema
from schema.asset_upload import Uploads
from schema.desk import Desk
from schema.download import Downloads
from schema.file_answer import Files
from schema.router import Endpoint
from search.asking import ASKING
from search.engine import Index
from search.recording import Recorder
from webhooks import event, figures
from webhooks.figures import Figures

GRACE_SECONDS = 60
"""How long requests may go on when the server is told to stop: as long as any may take."""

YOUNG_OBJECTS = 20_000
"""New objects after which a server looks for garbage among them: with Python's 700, long answers that are made side by side
were walked many times each."""

FAREWELL_SECONDS = 0.1
"""How long clients whose connections are held open have to be told why they end."""

SWITCH_SECONDS = 0.0005
"""How long one of a relay's threads may compute while another waits: its turns ask the database much and compute little,
and would wait the usual five milliseconds after each answer."""

log = logging.getLogger(__name__)


def create_app(settings: Settings, *, relay: bool = True) -> FastAPI:
    """The server. ``relay``: whether it runs the relay too while it serves."""
    database = migrations.prepared(settings)
    _say_what_is_idle(settings)
    index = search.app.opened(settings, database)
    sending = Figures(database)
    desk = Desk(database)
    pool = Pool(settings.file_megapixels * 1_000_000)
    endpoint = _endpoint(database, settings, index, desk)
    searching = search.figures.SearchFigures(database, index)
    metrics = Metrics(database, sending, desk, endpoint.execution.figures, searching, ASKING)
    lifespan = _lifespan(
        database,
        lambda: _stopping(
            [
                endpoint.extras["recorder"].close,
                pool.close,
                start_relay(database, settings, sending) if relay else hub.relay.hear(database),
            ]
        ),
    )
    app = FastAPI(title="Commerce hub", openapi_url=None, lifespan=lifespan)
    app.add_middleware(Measured, metrics=metrics)
    app.state.close = desk.close
    app.router.routes.extend(endpoint.routes())
    app.router.routes.append(Downloads(database, settings.secret, settings.var).route())
    _add_probes(app, _checks(database, settings, index), metrics)
    app.router.routes.extend(_file_routes(database, settings, pool))
    _add_schemas(app)
    return app


def _say_what_is_idle(settings: Settings) -> None:
    """A setting that is taken and not used yet must not pass for one that works."""
    for name in ("database_read_urls",):
        if getattr(settings, name):
            log.warning("HUB_%s is set, and not used by this version: see docs/limits.md.", name.upper())


def _file_routes(database: Database, settings: Settings, pool: Pool) -> list[BaseRoute]:
    """Where files are fetched and sent."""
    store = file_store.opened(settings)
    cache = Cache(settings.var / "renditions", int(settings.rendition_gigabytes * 1e9))
    uploads = Uploads(database, settings, store, pool)
    return [*Files(database, store, pool, cache).routes(), uploads.route()]


def _add_schemas(app: FastAPI) -> None:
    """What the bodies of webhooks look like, for whoever writes a receiver: it is no secret."""

    @app.get("/schema/events.json")
    def events() -> Response:
        return Response(event_schema.catalogue(), media_type="application/json")

    @app.get("/schema/events/{name}.json")
    def one(name: str) -> Response:
        try:
            found = event_schema.of(event.one(name))
        except HubError as refused:
            return JSONResponse({"message": refused.message}, 404)
        return Response(orjson.dumps(found), media_type="application/schema+json")


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
    Server(app, settings).run()


class Server(uvicorn.Server):
    """Uvicorn's server, which before it stops sends away whoever holds a connection open: else it would wait for them."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._close = app.state.close

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Stop listening, end what would not end by itself, and wait for the rest."""
        self._close()
        await asyncio.sleep(FAREWELL_SECONDS)
        await super().shutdown(sockets)


def relay(settings: Settings) -> None:
    """Run the relay alone until interrupted. Raises ``HubError`` where the port of its metrics is taken."""
    if settings.relay_metrics_port is not None:
        listening.check(settings, "relay_metrics_port")
    database = migrations.prepared(settings)
    interrupted = Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: interrupted.set())
    sending = Figures(database)
    sys.setswitchinterval(SWITCH_SECONDS)
    stop = _stopping([start_relay(database, settings, sending), _probed(database, settings, sending)])
    interrupted.wait()
    stop()
    database.close()


def _probed(database: Database, settings: Settings, sending: Figures) -> Stop:
    """Answer ``/health``, ``/ready`` and ``/metrics`` for a relay alone, where it was given a port."""
    if settings.relay_metrics_port is None:
        return _stopping(())
    app = FastAPI(title="Commerce hub's relay", openapi_url=None)
    searching = search.figures.SearchFigures(database, search.app.opened(settings, database))
    _add_probes(app, _relay_checks(database, settings), Metrics(database, sending, searching))
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.relay_metrics_port,
            log_level="warning",
            access_log=False,
        )
    )
    thread = Thread(target=server.run, name="probes", daemon=True)
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join()

    return stop


def _stopping(stops: Sequence[Stop]) -> Stop:
    """All at once: each waits for work that is under way, and none for another's."""

    def stop() -> None:
        with ThreadPoolExecutor(max(len(stops), 1)) as ending:
            for ended in [ending.submit(each) for each in stops]:
                ended.result()

    return stop


def _lifespan(
    database: Database, start: Callable[[], Stop]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        stop = start()
        # What stands when serving begins stays: walking the schema in every collection doubled the cost of a long answer.
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS)
        try:
            yield
        finally:
            await asyncio.to_thread(stop)
            await database.aclose()

    return lifespan


def _endpoint(database: Database, settings: Settings, index: Index, desk: Desk) -> Endpoint:
    extras = {
        "desk": desk,
        "file_bytes": settings.file_megabytes * 1_000_000,
        "erasers": (webhooks.erasure.erase, search_event.erase),
        "search": index,
        "recorder": Recorder(database, settings.secret, settings.search_event_share),
        "webhook_networks": settings.webhook_allowed_networks,
    }
    return Endpoint(schema(), database, settings.secret, development=settings.development, extras=extras)


def _checks(database: Database, settings: Settings, index: Index) -> dict[str, Check]:
    return _relay_checks(database, settings) | {"search": lambda: search.figures.check(database, index)}


def _relay_checks(database: Database, settings: Settings) -> dict[str, Check]:
    own = health.checks(database, lag_seconds=settings.relay_lag_seconds)
    return own | {"webhooks": figures.check(database, settings.relay_lag_seconds)}


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
