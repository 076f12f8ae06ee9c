"""The figures of a question, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One contender. Milliseconds, except ``per_second`` and ``memory`` in megabytes.

    ``p50`` and ``p99`` are of one connection; the rest is of several at once. ``database`` and ``server`` are CPU for
    each request; ``spread``: the greatest total CPU of a round in times of the smallest.
    """

    p50: float
    p99: float
    per_second: float
    busy_p99: float
    server: float
    database: float
    memory: float
    client: float
    requests: int
    failed: int
    spread: float

    @property
    def cpu(self) -> float:
        """CPU of server and database for each request."""
        return self.server + self.database


HEAD = (
    f"{'':<10}{'p50 ms':>9}{'p99 ms':>9}{'req/s':>9}{'p99 busy':>10}{'CPU ms':>9}{'server':>9}{'database':>10}"
    f"{'RSS MB':>8}{'CPU ratio':>11}{'spread':>8}"
)


class Table(dict[str, Any]):
    """The rows of a question by contender, and its ratios; as text it is a table."""

    def __init__(self, rows: Mapping[str, Row], first: str, ratios: Mapping[str, float]) -> None:
        shown = {name: asdict(row) | {"cpu": row.cpu} for name, row in rows.items()}
        super().__init__({name: _rounded(row) for name, row in shown.items()} | {"ratios": _rounded(ratios)})
        self._rows = rows
        self._first = rows[first]
        self._ratios = ratios

    def __format__(self, _: str) -> str:
        lines = [HEAD, *(self._line(name, row) for name, row in self._rows.items())]
        told = ", ".join(f"{name} {value:.2f}" for name, value in self._ratios.items())
        return "\n" + "\n".join([*lines, told])

    def _line(self, name: str, row: Row) -> str:
        return (
            f"{name:<10}{row.p50:>9.2f}{row.p99:>9.2f}{row.per_second:>9.1f}{row.busy_p99:>10.1f}{row.cpu:>9.2f}"
            f"{row.server:>9.2f}{row.database:>10.2f}{row.memory:>8.0f}{row.cpu / self._first.cpu:>11.2f}{row.spread:>8.2f}"
        )


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}
