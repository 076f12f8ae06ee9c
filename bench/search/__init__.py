"""Search over GraphQL: what each engine, the database and the hub take of a question, and how fast is indexed."""

from __future__ import annotations

from typing import Annotated

import typer

from bench import Figures, Tell
from hub.config import Settings

Scale = Annotated[
    float,
    typer.Option(
        min=0.005, help="Size of the largest shop; 1 is 200,000 documents. The others are a tenth and a half."
    ),
]
Engine = Annotated[str | None, typer.Option(help="tantivy or elasticsearch; both without it.")]
Count = Annotated[int, typer.Option("--questions", min=20, help="Different questions.")]
Keep = Annotated[
    bool, typer.Option("--keep", help="Leave databases and indexes for the next run, which only asks.")
]
Rounds = Annotated[int, typer.Option(min=1, help="How often each is asked.")]


def measure(
    settings: Settings,
    tell: Tell,
    scale: Scale = 1.0,
    engine: Engine = None,
    questions: Count = 100,
    rounds: Rounds = 3,
    keep: Keep = False,
) -> Figures:
    """Ask a hundred mixed questions with facets for 24 hits each, of three shops. ``bulk_ratio``: indexing in times of
    the client library's bulk helper with documents that are ready."""  # noqa: D209 - it reads as one
    from bench.search.run import Options, run  # brings the whole hub

    return run(settings, tell, Options(scale, engine, questions, rounds, keep))
