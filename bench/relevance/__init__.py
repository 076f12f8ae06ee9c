"""Relevance on judged queries: nDCG@10, condensed nDCG@10 and P@10 of each engine, and the choice of weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from bench import Figures, Tell
from hub.config import Settings
from hub.errors import Invalid

File = Annotated[Path | None, typer.Option(help="Ratings: CSV with the columns query, product_id, rating.")]
Engine = Annotated[str | None, typer.Option(help="tantivy or elasticsearch; both without it.")]
Other = Annotated[Path | None, typer.Option(help="JSON with other weights, to compare with those that ship.")]
Cross = Annotated[
    bool, typer.Option("--cross-validate", help="Choose weights on some queries, score the others by them.")
]


def measure(
    settings: Settings,
    tell: Tell,
    judgments: File = None,
    engine: Engine = None,
    weights: Other = None,
    cross_validate: Cross = False,
) -> Figures:
    """Import the judged catalogue into a database of its own, index it, and ask every query with a positive rating."""
    from bench.relevance.ground import judged  # brings the whole hub
    from bench.relevance.judgments import read
    from bench.relevance.table import Table, difference
    from search.weights import SHIPPED

    ratings = read(judgments or settings.data / "icecat" / "judgments.csv")
    other = None if weights is None else _weights(weights)
    figures: dict[str, Any] = {}
    with judged(settings, tell, engine) as engines:
        for name, ground in engines.items():
            scores = ground.scores(ratings, SHIPPED)
            figures[name] = Table(scores)
            if other is not None:
                others = ground.scores(ratings, other)
                figures[f"{name} with {weights}"] = Table(others)
                figures[f"{name} difference"] = difference(scores, others)
            if cross_validate:
                figures |= _chosen(name, ground, ratings, tell)
    return figures


def _chosen(name: str, ground: Any, ratings: Any, tell: Tell) -> Figures:
    from bench.relevance.choosing import GRID, choose
    from bench.relevance.table import Table

    choice = choose(ground, ratings, tell)
    said = ", ".join(f"{weight} {getattr(choice.chosen, weight):g}" for weight in GRID)
    return {
        f"{name} unseen queries": Table(choice.unseen),
        f"{name} chosen": f"{said} (of {choice.sets} sets; {choice.times} folds agree)",
    }


def _weights(path: Path) -> Any:
    from search.weights import SHIPPED, Weights

    try:
        said = orjson.loads(path.read_bytes())
        numbers = {name: float(value) for name, value in said.items()}
        return Weights(**{**SHIPPED.__dict__, **numbers})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise Invalid(f'"{path}" does not hold weights: {error}.') from error
