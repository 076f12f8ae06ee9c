"""A whole hub on a real port, for tests that speak to it as its users do."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from hub.config import Settings
from hub.db import HUB, Database
from hub.token import Wish
from hub.token import create as create_token

START_SECONDS = 60.0
"""How long to wait at most for what must happen: on a busy machine, ten times as long as usual."""


def make_settings(url: str, var: Path) -> Settings:
    """Settings of a server on the database at ``url``."""
    return Settings(
        var=var,
        port=free_port(),
        database_url=url,
        webhook_allowed_networks=(ip_network("127.0.0.0/8"),),
    )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Server:
    """A real server on a real port. ``token`` is a staff token, sent where a call names none."""

    url: str
    settings: Settings
    database: Database
    token: str

    def new_token(self, wish: Wish) -> str:
        """The text of another token."""
        with self.database.write(HUB) as tx:
            return create_token(tx, self.settings.secret, wish)[1]

    def get(self, path: str) -> tuple[int, str]:
        """The status and body of a GET."""
        return _fetch(urllib.request.Request(self.url + path))

    def graphql(
        self, query: str, variables: dict[str, Any] | None = None, *, token: str | None = None
    ) -> dict[str, Any]:
        """The whole answer to a GraphQL request: ``data``, ``errors`` and ``extensions``."""
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {token or self.token}"}
        _, text = _fetch(urllib.request.Request(self.url + "/graphql", body, headers))
        answer: dict[str, Any] = json.loads(text)
        return answer

    def data(self, query: str, variables: dict[str, Any] | None = None, *, token: str | None = None) -> Any:
        """The data of an answer that must have no errors."""
        answer = self.graphql(query, variables, token=token)
        assert not answer.get("errors"), answer["errors"]
        return answer["data"]


def _fetch(request: urllib.request.Request) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@contextmanager
def serving(settings: Settings, *, relay: bool = True) -> Iterator[Server]:
    """Serve in a thread, over real HTTP, until the block ends."""
    from hub import app as house  # most tests need no server, and all that it is made of

    uvicorn_server = house.Server(house.create_app(settings, relay=relay), settings)
    thread = threading.Thread(target=uvicorn_server.run, name="server")
    database = Database(str(settings.database_url))
    thread.start()
    try:
        wait_until(lambda: uvicorn_server.started or not thread.is_alive())
        with database.write(HUB) as tx:
            _, token = create_token(tx, settings.secret, Wish(kind="staff", name="tests"))
        yield Server(settings.url, settings, database, token)
    finally:
        uvicorn_server.should_exit = True
        thread.join()
        database.close()


def wait_until(condition: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    """Return as soon as the condition holds; fail where it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not come true within {seconds} s"
        time.sleep(0.01)
