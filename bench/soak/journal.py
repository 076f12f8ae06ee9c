"""What each process of a soak writes down about itself: lines of JSON that survive its death."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson


class Journal:
    """One process's own file. Every line is handed to the system before the process goes on."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, **line: Any) -> None:
        """Write one line."""
        os.write(self._file, orjson.dumps(line) + b"\n")


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a journal, oldest first; nothing where there is none. A line cut short by a kill is left out."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield orjson.loads(line)
