"""What questions took, as a table and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.search.asking import Took

PARTS = ("total", "engine", "transport", "database", "ours", "finding")
HEAD = f"{'milliseconds':<26}" + "".join(f"{part + ' p50':>14}{'p95':>8}" for part in PARTS)


class Table(dict[str, Any]):
    """Milliseconds at p50 and p95 by part, each engine and size a row; as text it is a table."""

    def __init__(self, rows: Mapping[str, Sequence[Took]]) -> None:
        super().__init__(
            {
                name: {part: _ends([getattr(each, part) for each in took]) for part in PARTS}
                for name, took in rows.items()
            }
        )

    def __format__(self, _: str) -> str:
        return "\n" + "\n".join([HEAD, *(_line(name, row) for name, row in self.items())])


def _ends(seconds: Sequence[float]) -> dict[str, float]:
    parts = statistics.quantiles(seconds, n=20)
    return {"p50": round(1000 * statistics.median(seconds), 2), "p95": round(1000 * parts[-1], 2)}


def _line(name: str, row: Mapping[str, Mapping[str, float]]) -> str:
    told = "".join(f"{row[part]['p50']:>14.2f}{row[part]['p95']:>8.2f}" for part in PARTS)
    return f"{name:<26}{told}"
