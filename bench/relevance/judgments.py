"""Judgments: which products people found how relevant for a query."""

from __future__ import annotations

import csv
from pathlib import Path

from hub.errors import Invalid, NotFound

HIGHEST = 3
COLUMNS = {"query", "product_id", "rating"}

Ratings = dict[str, int]
"""What a product is called in the supplier's file → 0 (irrelevant) to 3 (exact)."""


def read(path: Path) -> dict[str, Ratings]:
    """The ratings by query, of the queries that have a positive one: no order is better than another for the rest."""
    if not path.is_file():
        raise NotFound(f'There is no "{path}": name a file with the columns query, product_id, rating.')
    found: dict[str, Ratings] = {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if COLUMNS - set(rows.fieldnames or ()):
            raise Invalid(f'"{path}" has not the columns query, product_id, rating.')
        for row in rows:
            found.setdefault(row["query"], {})[row["product_id"]] = _rating(
                path, rows.line_num, row["rating"]
            )
    return {query: ratings for query, ratings in found.items() if any(ratings.values())}


def _rating(path: Path, line: int, text: str) -> int:
    if text not in {str(rating) for rating in range(HIGHEST + 1)}:
        raise Invalid(f'"{path}", line {line}: rating "{text}" is none of 0 to {HIGHEST}.')
    return int(text)
