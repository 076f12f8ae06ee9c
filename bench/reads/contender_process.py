"""A contender's process. Each imports only what it is made of, so that its memory is its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import uvicorn

from bench.reads.contender import COMPILED, HAND, ORDINARY, PLAIN
from hub.config import Settings


def _hub(settings: Settings, *, compiled: bool) -> Any:
    from hub.app import create_app
    from schema.router import Endpoint

    app = create_app(settings, relay=False)
    for route in app.router.routes:
        endpoint = getattr(getattr(route, "endpoint", None), "__self__", None)
        if isinstance(endpoint, Endpoint):
            endpoint.execution.compiled = compiled
    return app


def _by_hand(settings: Settings) -> Any:
    from bench.reads import by_hand

    return by_hand.app(str(settings.database_url))


def _plain(settings: Settings) -> Any:
    from bench.reads import plain

    return plain.app(str(settings.database_url))


APPS: dict[str, Callable[[Settings], Any]] = {
    HAND: _by_hand,
    ORDINARY: lambda settings: _hub(settings, compiled=False),
    PLAIN: _plain,
    COMPILED: lambda settings: _hub(settings, compiled=True),
}


def serve(name: str) -> None:
    """Serve until the process is ended."""
    settings = Settings()
    uvicorn.run(
        APPS[name](settings), host=settings.host, port=settings.port, log_level="warning", access_log=False
    )


if __name__ == "__main__":
    serve(sys.argv[1])
