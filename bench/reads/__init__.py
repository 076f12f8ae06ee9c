"""Nested reads over HTTP: the hub, compiled and not, beside one SQL statement by hand and a plain Strawberry server."""

from __future__ import annotations

from typing import Annotated

import typer

from bench import Figures, Tell
from hub.config import Settings

Scale = Annotated[
    float, typer.Option(min=0.005, help="Size of the shop; 1 is 20,000 products and 200,000 orders.")
]
Seconds = Annotated[float, typer.Option(min=0.2, help="How long a slot is.")]
Rounds = Annotated[int, typer.Option(min=1, help="How often every slot comes round.")]
Keep = Annotated[bool, typer.Option("--keep", help="Leave the filled database for the next run.")]
Only = Annotated[str | None, typer.Option(help="One question alone: list, detail or customers.")]
Known = Annotated[bool, typer.Option("--known", help="Leave out the documents that were never seen before.")]


def measure(
    settings: Settings,
    tell: Tell,
    scale: Scale = 1.0,
    seconds: Seconds = 3.0,
    rounds: Rounds = 2,
    keep: Keep = False,
    only: Only = None,
    known: Known = False,
) -> Figures:
    """Ask all contenders in turn, on the same data. Raises ``AssertionError`` where their data differ.

    ``ratios``: total CPU of a request in times of the statement by hand, and how many times less than the plain server.
    """
    from bench.reads.run import (  # brings the whole hub, and servers of other kinds import this package too
        Options,
        run,
    )

    return run(settings, tell, Options(scale, seconds, rounds, only, keep=keep, known=known))
