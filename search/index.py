"""The index: where it lies on the disk, which generation of it is in use, and who may write to it."""

from __future__ import annotations

from pathlib import Path


class Unavailable(Exception):
    """Search cannot answer at the moment. Reads by id still work."""


class Index:
    """The index under ``folder`` (``$HUB_VAR/search``). Cheap to make, safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def unavailable(self) -> Unavailable:
        """What is said while there is no index."""
        return Unavailable('Search has no index yet: wait for the relay to make it, or run "hub search rebuild".')
