"""The client's process: it reads one order a line from its input, and writes one line with what it saw."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

from bench.reads.client import slot


def serve() -> None:
    """Carry out orders until the input ends."""
    known: dict[str, Any] = {}
    for line in sys.stdin:
        order = json.loads(line)
        path = order.pop("requests")
        if path not in known:
            known[path] = pickle.loads(Path(path).read_bytes())  # noqa: S301 - written by the bench itself
        seen = slot(requests=known[path], **order)
        sys.stdout.write(json.dumps(seen.__dict__) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
