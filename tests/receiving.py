"""Receivers of webhooks for tests: separate processes that verify with the published packages."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import nodejs

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Received:
    """One request as it came. ``verified``: what the published package said. ``sent``: every header."""

    id: str
    timestamp: str
    signature: str
    raw: bytes
    path: str
    verified: bool
    status: int
    arrived: float
    sent: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> Any:
        """The JSON of the body."""
        return json.loads(self.raw)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that the signature is about."""
        return {
            "webhook-id": self.id,
            "webhook-timestamp": self.timestamp,
            "webhook-signature": self.signature,
        }


@dataclass(frozen=True)
class Receiver:
    """A running receiver."""

    url: str

    def tell(self, **control: Any) -> None:
        """Say how it is to behave."""
        _request(f"{self.url}/control", json.dumps(control).encode(), method="PUT")

    def post(self, received: Received, raw: bytes | None = None, **headers: str) -> int:
        """Send it a request that it had, with changes; the status that it answers."""
        changed = received.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        body = received.raw if raw is None else raw
        return _request(f"{self.url}/again", body, headers=changed)[0]

    def log(self) -> list[Received]:
        """What came, in the order in which it came; not what ``post`` sent."""
        rows = json.loads(_request(f"{self.url}/log")[1])
        found = [Received(raw=base64.b64decode(row.pop("body")), **row) for row in rows]
        return [each for each in found if each.path != "/again"]


def _request(url: str, data: bytes | None = None, **options: Any) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, **options), timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@contextmanager
def receiving(language: str = "python", port: int = 0) -> Iterator[Receiver]:
    """Run a receiver until the block ends."""
    with subprocess.Popen([*_program(language), str(port)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Receiver(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.kill()


def _program(language: str) -> list[str]:
    if language == "python":
        return [sys.executable, str(HERE / "receiver.py")]
    return nodejs.program("receiver.mjs")
