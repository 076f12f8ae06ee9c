"""The embedded index on the disk: which generation of it is in use, and whose turn it is to write.

``current`` names the folder in use. A rebuild fills a folder of its own and is taken into use by renaming one file;
readers in every process notice with their next question.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from search import tantivy_schema
from search.damage import BrokenIndexError, sound
from search.engine import Health, MissingError, State, UnavailableError
from search.tantivy_reader import TantivyReader
from search.tantivy_writer import BULK_BYTES, WRITER_BYTES, TantivyWriter, make

BROKEN = "broken"
"""Put into a folder by whoever could not read it, for the process whose turn it is to write."""


log = logging.getLogger(__name__)


class FileTurn:
    """A turn that a file lock holds: it ends with the process, and cannot be lost before."""

    def check(self) -> None:
        """Nothing can have taken it."""


class TantivyIndex:
    """The index under ``folder`` (``$HUB_VAR/search``)."""

    engine = "tantivy"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._reader: TantivyReader | None = None
        self._sound: object = None
        self._lock = threading.Lock()

    def mapping(self) -> str:
        """A fingerprint of everything that decides how a document becomes terms."""
        return tantivy_schema.mapping()

    def current(self) -> str | None:
        """The generation in use; null while there is none."""
        try:
            return (self.folder / "current").read_text()
        except FileNotFoundError:
            return None

    @contextmanager
    def reading(self) -> Iterator[TantivyReader]:
        """Questions to the last commit of the generation in use.

        One that cannot be read is marked, so that the relay builds it anew; a question that fails on a sound one marks
        nothing.
        """
        generation = self.current()
        if generation is None:
            raise MissingError(
                'Search has no index yet: wait for the relay to make it, or run "hub search rebuild".'
            )
        try:
            with sound():
                yield self._shared(generation)
        except BrokenIndexError as error:
            if not self._is_damaged(generation):
                log.exception("The search engine failed at a question.")
                raise UnavailableError("The search engine cannot answer this question.") from error
            # A folder that was replaced meanwhile may well be gone.
            if generation == self.current() and (self.folder / generation).is_dir():
                (self.folder / generation / BROKEN).touch()
            raise UnavailableError(
                'The search index cannot be read: the relay builds it anew, "hub search rebuild" does it at once.'
            ) from error

    def _is_damaged(self, generation: str) -> bool:
        """Whether the files are at fault when something failed. Each commit is looked at once: that reads all of it."""
        reader = self._reader
        seen = (generation, reader and reader.seen)
        if seen == self._sound:
            return False
        try:
            with sound():
                TantivyReader(self.folder / generation).check()
        except BrokenIndexError:
            return True
        self._sound = seen
        return False

    def _shared(self, generation: str) -> TantivyReader:
        with self._lock:
            if self._reader is None or self._reader.generation != generation:
                self._reader = TantivyReader(self.folder / generation)
            self._reader.refresh()
            return self._reader

    def opened(self, generation: str) -> TantivyReader:
        """Questions to any generation. Raises ``BrokenIndexError``."""
        with sound():
            return TantivyReader(self.folder / generation)

    @contextmanager
    def writing(self) -> Iterator[FileTurn | None]:
        """This process's turn to write, until the end of the block."""
        with self._turn("writer") as turn:
            yield turn

    @contextmanager
    def building(self) -> Iterator[FileTurn | None]:
        """This process's turn to build another generation."""
        with self._turn("builder") as turn:
            yield turn

    def create(self, state: State) -> str:
        """Make an empty generation."""
        name = secrets.token_hex(6)
        make(self.folder / name, state)
        return name

    def unfinished(self) -> list[str]:
        """Generations that are not in use; which of them were begun, their state says."""
        current = self.current()
        return [path.name for path in self.folder.glob("*") if path.is_dir() and path.name != current]

    def writer(self, generation: str, *, bulk: bool = False) -> TantivyWriter:
        """The writer of a generation."""
        return TantivyWriter(self.folder / generation, heap=BULK_BYTES if bulk else WRITER_BYTES)

    def adopt(self, generation: str) -> None:
        """Take a generation into use by renaming a file, so that readers see the old name or the new one."""
        self._replace(self.folder / "current", generation.encode())

    def drop(self, generation: str) -> None:
        """Remove a generation."""
        shutil.rmtree(self.folder / generation, ignore_errors=True)

    def tidy(self, keep: Collection[str] = ()) -> None:
        """Remove the generations that were in use before; what is being built stays."""
        for generation in self.unfinished():
            try:
                with sound():
                    filled = self.opened(generation).state().filled
            except BrokenIndexError:
                self._drop_nameless(generation)
                continue
            if filled is None and generation not in keep:
                self.drop(generation)

    def _drop_nameless(self, generation: str) -> None:
        """Remove what does not say what it is, unless somebody is just making it."""
        with self.building() as turn:
            if turn:
                self.drop(generation)

    def is_spoilt(self, generation: str) -> bool:
        """Whether a reader found it damaged."""
        return (self.folder / generation / BROKEN).exists()

    def admits(self, generation: str) -> bool:  # noqa: ARG002 - the contract's
        """One of other fields cannot even be opened; any that can takes these rules' documents."""
        return True

    def health(self) -> Health:
        """Files are there, or damaged: which ``reading`` tells."""
        return "green"

    @contextmanager
    def _turn(self, name: str) -> Iterator[FileTurn | None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        # flock, because it also parts the threads of one process: the relay in a server, and a repair beside it.
        with (self.folder / f"{name}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield FileTurn()

    def _replace(self, path: Path, content: bytes) -> None:
        """Write a file so that readers see all of it or nothing, also after a power failure."""
        new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
