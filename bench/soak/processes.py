"""The hub's own processes in a soak. Imported once by a fork server, so that a new relay is there in a moment."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

import hub.app
from bench.soak.ground import Ground
from schema.app import schema

schema()

Plant = Callable[[], None]
"""A fault planted in a process before it starts, for the tests of the judge."""


def serve(ground: Ground) -> None:
    """The server without a relay."""
    _to_file(ground, "server")
    hub.app.serve(ground.settings, relay=False)


def relay(ground: Ground, plant: Plant | None) -> None:
    """A relay; it ends only by being killed."""
    _to_file(ground, "relay")
    if plant is not None:
        plant()
    hub.app.relay(ground.settings)


def _to_file(ground: Ground, name: str) -> None:
    """What it has to say goes to a file beside the journals."""
    file = os.open(ground.folder / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    logging.basicConfig(stream=sys.stderr, format=f"%(asctime)s {os.getpid()} %(name)s: %(message)s")
