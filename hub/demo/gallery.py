"""The shop's pictures as files that the hub keeps: drawn beside everything else, each once for all products that show it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from hub import file
from hub.db import Database, Writer
from hub.demo import picture
from hub.file import Content
from hub.file_pool import Inspected
from hub.file_store import Store, hashed

DEMO = Writer(actor="demo", source="demo")
SHOWN = Inspected("image/webp", "image", picture.SIDE, picture.SIDE)


class Gallery:
    """Draws pictures in a thread of its own; ``address`` waits for the one that is asked for."""

    def __init__(
        self, database: Database, store: Store, files: Iterable[str], drawn: Callable[[int], None]
    ) -> None:
        self._database, self._store, self._drawn = database, store, drawn
        self._files = list(dict.fromkeys(files))
        self._addresses: dict[str, Future[str]] = {}
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="pictures")

    def __enter__(self) -> Self:
        self._folder = TemporaryDirectory()
        for number, name in enumerate(self._files, start=1):
            self._addresses[name] = self._beside.submit(self._draw, name, number)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beside.shutdown(cancel_futures=kind is not None)
        self._folder.cleanup()

    def __len__(self) -> int:
        return len(self._files)

    def address(self, name: str) -> str:
        """The address of the asset that shows a picture."""
        return self._addresses[name].result()

    def _draw(self, name: str, number: int) -> str:
        path = Path(self._folder.name) / name
        picture.draw(path)
        content = Content(path, hashed(path), path.stat().st_size, SHOWN, name)
        with self._database.write(DEMO) as tx:
            address = file.keep(tx, self._store, content)
        path.unlink()
        self._drawn(number)
        return address
