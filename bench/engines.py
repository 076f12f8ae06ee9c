"""Search engines for a bench: an index of each, in a place of its own that is gone afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

from hub.config import Settings
from hub.db import Database
from hub.errors import Invalid
from search.engine import Index
from search.tantivy_index import TantivyIndex

NAMES = ("tantivy", "elasticsearch")
NODE = "9.5.0"
"""The version of the node that is started where no Elasticsearch is named."""

START_SECONDS = 300.0


@contextmanager
def opened(
    settings: Settings, database: Database, only: str | None, kept: str | None = None
) -> Iterator[dict[str, Index]]:
    """An empty index of each engine by its name, or of one alone. Raises ``Invalid`` for a name that is none.

    ``kept``: the name of indexes that stay, with what is in them; those of a node that is started go with it.
    Elasticsearch is the one that the settings name; in the hub's own source folder, a node is started for the bench
    where they name none.
    """
    if only not in (None, *NAMES):
        raise Invalid(f'There is no engine "{only}": there are {" and ".join(NAMES)}.')
    with ExitStack() as stack:
        found: dict[str, Index] = {}
        for name in NAMES if only is None else (only,):
            make = _tantivy if name == "tantivy" else _elasticsearch
            found[name] = stack.enter_context(make(settings, database, kept))
        yield found


@contextmanager
def _tantivy(settings: Settings, _: Database, kept: str | None) -> Iterator[Index]:
    if kept is not None:
        yield TantivyIndex(settings.var / kept)
        return
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as folder:
        yield TantivyIndex(Path(folder))


@contextmanager
def _elasticsearch(settings: Settings, database: Database, kept: str | None) -> Iterator[Index]:
    from search.elasticsearch_index import of

    with _address(settings) as url:
        prefix = kept or f"bench-{uuid4().hex[:12]}"
        index = of(
            settings.model_copy(update={"elasticsearch_url": url, "elasticsearch_prefix": prefix}), database
        )
        try:
            yield index
        finally:
            for generation in (index.current(), *index.unfinished()) if kept is None else ():
                if generation:
                    index.drop(generation)


@contextmanager
def _address(settings: Settings) -> Iterator[str]:
    if settings.elasticsearch_url:
        yield settings.elasticsearch_url
        return
    source = Path(__file__).parent.parent
    if not (source / "tests" / "elasticsearch_node.py").is_file():
        raise Invalid("There is no Elasticsearch to measure: set HUB_ELASTICSEARCH_URL.")
    with tempfile.TemporaryDirectory(prefix="hub-bench-node-") as folder:
        # The node's own user must be able to enter it.
        Path(folder).chmod(0o755)
        yield from _node(source, Path(folder))


def _node(source: Path, folder: Path) -> Iterator[str]:
    """A node that ends with this process, or before."""
    keeper = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    command = [sys.executable, "-m", "tests.elasticsearch_node", NODE, str(folder / "at"), str(keeper.pid)]
    with (folder / "output").open("wb") as output:
        serving = subprocess.Popen(  # noqa: S603 # our own module, with our own paths
            command, cwd=source, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait(serving, folder)
        yield (folder / "at" / "url").read_text()
    finally:
        keeper.communicate()
        serving.wait(60)


def _wait(serving: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not (folder / "at" / "url").exists():
        if serving.poll() is not None or time.monotonic() > deadline:
            said = (folder / "output").read_text(errors="replace").strip().splitlines()
            raise Invalid(
                "There is no Elasticsearch to measure: set HUB_ELASTICSEARCH_URL, or install Maven and a JDK."
                f" Starting a node said: {said[-1] if said else 'nothing'}{os.linesep}"
            )
        time.sleep(0.2)
