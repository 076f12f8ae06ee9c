"""A PostgreSQL of a soak's own, that can be made to crash."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hub import postgres

GONE_SECONDS = 60


@dataclass(frozen=True)
class Cluster:
    """A server in ``folder``."""

    folder: Path
    server: Mapping[str, str]

    def start(self) -> str:
        """Start it, or start it again; the address of its database."""
        return postgres.embedded(self.folder, server=dict(self.server))

    def crash(self) -> None:
        """Stop it as if the machine had failed: nothing is finished, and the next start must recover."""
        file = self.folder / "postmaster.pid"
        os.kill(int(file.read_text().splitlines()[0]), signal.SIGQUIT)
        until = time.monotonic() + GONE_SECONDS
        while file.exists():  # its last act is to remove it
            if time.monotonic() > until:
                raise TimeoutError(f"PostgreSQL did not stop within {GONE_SECONDS} s.")
            time.sleep(0.02)


@contextmanager
def running(folder: Path, server: Mapping[str, str]) -> Iterator[Cluster]:
    """A server until the block ends."""
    cluster = Cluster(folder, server)
    cluster.start()
    try:
        yield cluster
    finally:
        postgres.release(folder)
