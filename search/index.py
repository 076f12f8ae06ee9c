"""The index on the disk: which generation of it is in use, and whose turn it is to write.

``current`` names the folder in use. A rebuild fills a folder of its own and is taken into use by renaming one file;
readers in every process notice with their next question.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from search.damage import BrokenIndexError, sound
from search.tantivy_engine import Reader

BUILDING = ".building"
BROKEN = "broken"
"""Put into a folder by whoever could not read it, for the process whose turn it is to write."""


class UnavailableError(Exception):
    """Search cannot answer at the moment. Reads by id still work."""


class Index:
    """The index under ``folder`` (``$HUB_VAR/search``). Cheap to make; threads may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._reader: tuple[Path, Reader] | None = None
        self._lock = threading.Lock()

    def current(self) -> Path | None:
        """The folder in use; null while there is none."""
        try:
            return self.folder / (self.folder / "current").read_text()
        except FileNotFoundError:
            return None

    def reader(self) -> Reader:
        """Questions to the last commit of the folder in use. Raises ``BrokenIndexError`` or ``UnavailableError``."""
        with self._lock:
            folder = self.current()
            if folder is None:
                raise UnavailableError(
                    'Search has no index yet: wait for the relay to make it, or run "hub search rebuild".'
                )
            with sound():
                return self._opened(folder)

    def _opened(self, folder: Path) -> Reader:
        if self._reader is None or self._reader[0] != folder:
            self._reader = folder, Reader(folder)
        self._reader[1].refresh()
        return self._reader[1]

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """The same, where an index that cannot be read is ``UnavailableError``, and the relay told to build it anew."""
        folder = self.current()
        try:
            with sound():
                yield self.reader()
        except BrokenIndexError as error:
            # A folder that was replaced meanwhile may well be gone.
            if folder == self.current():
                self._tell(folder)
            raise UnavailableError(
                'The search index cannot be read: the relay builds it anew, "hub search rebuild" does it at once.'
            ) from error

    def _tell(self, folder: Path | None) -> None:
        if folder is not None and folder.is_dir():
            (folder / BROKEN).touch()

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """Whether it is this process's turn to write, until the end of the block."""
        with self._turn("writer") as mine:
            yield mine

    @contextmanager
    def building(self) -> Iterator[Path | None]:
        """An empty folder for another generation; null while another process builds one."""
        with self._turn("builder") as mine:
            if mine:
                self._sweep(built=False)
            yield self.folder / f"{secrets.token_hex(6)}{BUILDING}" if mine else None

    def adopt(self, built: Path) -> Path:
        """Take a folder that was built into use."""
        adopted = built.with_suffix("")
        built.rename(adopted)
        self._replace(self.folder / "current", adopted.name.encode())
        return adopted

    def tidy(self) -> None:
        """Remove the folders that are no longer in use. Only for the process whose turn it is to write."""
        self._sweep(built=True)

    def request(self, product_ids: list[int]) -> Path:
        """Ask the process that writes to index these products anew. It removes the file when it has."""
        path = self.folder / f"{secrets.token_hex(6)}.request"
        self._replace(path, orjson.dumps(product_ids))
        return path

    def requests(self) -> dict[Path, list[int]]:
        """What other processes ask for."""
        return {path: orjson.loads(path.read_bytes()) for path in self.folder.glob("*.request")}

    @contextmanager
    def _turn(self, name: str) -> Iterator[bool]:
        self.folder.mkdir(parents=True, exist_ok=True)
        # flock, because it also parts the threads of one process: the relay in a server, and a repair beside it.
        with (self.folder / f"{name}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def _sweep(self, *, built: bool) -> None:
        current = self.current()
        for path in self.folder.iterdir():
            if path.is_dir() and path != current and (path.suffix != BUILDING) is built:
                shutil.rmtree(path, ignore_errors=True)

    def _replace(self, path: Path, content: bytes) -> None:
        """Write a file so that readers see all of it or nothing, also after a power failure."""
        new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
