"""The contenders, each a server process of its own with the same settings of uvicorn."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.reads.process import Tree

HAND, ORDINARY, PLAIN, COMPILED = "by hand", "ordinary", "plain", "compiled"
NAMES = (HAND, ORDINARY, PLAIN, COMPILED)
START_SECONDS = 60.0


@dataclass(frozen=True)
class Contender:
    """A running server."""

    name: str
    port: int
    tree: Tree


@contextmanager
def running(name: str, url: str, var: Path, secret: str) -> Iterator[Contender]:
    """A contender on the database at ``url``, until the block ends."""
    port = _free_port()
    known = {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}
    own = {"HUB_DATABASE_URL": url, "HUB_VAR": str(var), "HUB_SECRET_KEY": secret, "HUB_PORT": str(port)}
    command = [sys.executable, "-m", "bench.reads.contender_process", name]
    process = subprocess.Popen(command, env=known | own)  # noqa: S603 - a module of this package
    try:
        _wait(port, process)
        yield Contender(name, port, Tree(process.pid))
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"The contender ended with code {process.returncode} before it listened.")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"The contender did not listen within {START_SECONDS} s.")
