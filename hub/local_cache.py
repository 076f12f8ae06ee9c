"""Files on the disk of this machine that can be had again: at most so many bytes, those that were used last."""

from __future__ import annotations

import os
import time
from pathlib import Path
from threading import Lock

USED_SECONDS = 3600.0
"""How often it is noted that a file was asked for."""

KEPT_SHARE = 0.8
"""How much of the bound is left full when it was reached."""


class LocalCache:
    """Two folders deep: ``folder/ab/…/file``. Its files may be deleted at any time."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder, self._most = folder, most_bytes
        self._held: int | None = None
        self._lock = Lock()

    def found(self, path: Path) -> bool:
        """Whether a file is there; it counts as used then."""
        try:
            if time.time() - path.stat().st_mtime > USED_SECONDS:
                os.utime(path)
        except FileNotFoundError:
            return False
        return True

    def made(self, path: Path) -> None:
        """Take note of a new file, and drop old ones where there are too many."""
        with self._lock:
            if self._held is None:
                self._held = sum(each.stat().st_size for each in self._every())
            else:
                self._held += path.stat().st_size
            if self._held > self._most:
                self._held = self._drop()

    def _every(self) -> list[Path]:
        return [each for each in self.folder.glob("??/*/*") if each.is_file()]

    def _drop(self) -> int:
        """Drop those that were not used longest; the bytes that are left."""
        stands = sorted((each.stat().st_mtime, each.stat().st_size, each) for each in self._every())
        held = sum(size for _, size, _ in stands)
        for _, size, path in stands:
            if held <= self._most * KEPT_SHARE:
                break
            path.unlink(missing_ok=True)
            held -= size
        return held
