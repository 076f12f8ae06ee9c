"""Attack the hub for some minutes: writers, kills, crashes, sick receivers; then judge whether anything was lost."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from bench import Figures, Tell
from hub.config import Settings

Minutes = Annotated[float, typer.Option(min=0.1, help="How long to attack.")]
SHOWN = 20
"""More faults than this are counted, but not told one by one."""

Seed = Annotated[
    int | None, typer.Option(help="The seed of an earlier attack, to choose alike; left out: a new one.")
]


def measure(
    settings: Settings,  # noqa: ARG001 - every bench is given them; this one has a server of its own
    tell: Tell,
    minutes: Minutes = 1.0,
    seed: Seed = None,
) -> Figures:
    """Attack for so many minutes, on a PostgreSQL of its own. ``faults`` counts what was lost, doubled or out of order."""
    from bench.soak.attack import Ways  # brings the whole hub
    from bench.soak.stage import attack

    began, seconds = time.monotonic(), minutes * 60
    ways = Ways(
        seconds=seconds,
        seed=random.randrange(10**6) if seed is None else seed,
        tell=lambda said: _say(said, tell, time.monotonic() - began, seconds),
    )
    with tempfile.TemporaryDirectory(prefix="hub-soak-") as folder:
        outcome = attack(Path(folder), ways)
    told = {f"fault {place}": text for place, text in enumerate(outcome.faults[:SHOWN], start=1)}
    return {"seed": ways.seed, **outcome.counts, "faults": len(outcome.faults), **told}


def _say(said: str, tell: Tell, passed: float, seconds: float) -> None:
    tell(round(min(passed, seconds)), round(seconds))
    sys.stderr.write(f"{passed:.0f} s: {said}\n")
