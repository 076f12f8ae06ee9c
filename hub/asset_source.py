"""The files of a folder or a ZIP, told by their paths in it, and copied out one by one.

Nothing is ever unpacked to where a name in a ZIP leads. Names that lead anywhere else than down are refused all the same:
who made such a ZIP meant no good.
"""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from hub.errors import Duplicate, HubError, Invalid, Limit, NotFound

MOST_FILES = 1_000_000
PIECE = 1024 * 1024
ENCRYPTED = 0x1
"""The flag of a member of a ZIP that needs a password."""


class Source(Protocol):
    """Where files come from. ``names``: their paths, in order. ``refused``: those that are not taken, and why."""

    names: list[str]
    refused: dict[str, HubError]

    def copy(self, name: str, target: Path, most_bytes: int) -> None:
        """Write a file to ``target``. Raises ``Limit`` for a longer one, ``Invalid`` for one that cannot be read."""


@contextmanager
def opened(place: Path) -> Iterator[Source]:
    """A folder or a ZIP. Raises ``NotFound`` or ``Invalid`` for what is neither."""
    if place.is_dir():
        yield Folder(place)
        return
    if not place.is_file():
        raise NotFound(f'"{place}" does not exist: name a folder or a ZIP.')
    try:
        packed = zipfile.ZipFile(place)
    except (zipfile.BadZipFile, OSError) as wrong:
        raise Invalid(f'"{place}" is neither a folder nor a ZIP: {wrong}.') from wrong
    with packed:
        yield Packed(packed)


def is_noise(name: str) -> bool:
    """Whether a file is one that a system leaves lying about."""
    parts = PurePosixPath(name).parts
    last = parts[-1].lower()
    return parts[:1] == ("__MACOSX",) or last == "thumbs.db" or (last[:1] == "." and last[:2] != "..")


class Folder:
    """A folder and those in it."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self.refused: dict[str, HubError] = {}
        found = sorted(
            Path(folder, name).relative_to(place).as_posix()
            for folder, _, names in os.walk(place)
            for name in names
        )
        self.names = [name for name in found if not is_noise(name)]
        for name in self.names:
            if not stat.S_ISREG((place / name).lstat().st_mode):
                self.refused[name] = Invalid(
                    f'File "{name}" is a link, or no plain file: put the file there.'
                )

    def copy(self, name: str, target: Path, most_bytes: int) -> None:
        """Write a file to ``target``."""
        path = self._place / name
        try:
            if path.stat().st_size > most_bytes:
                raise _too_long(name, most_bytes)
            shutil.copyfile(path, target)
        except OSError as wrong:
            raise Invalid(f'File "{name}" cannot be read: {wrong.strerror}.') from wrong


class Packed:
    """A ZIP."""

    def __init__(self, packed: zipfile.ZipFile) -> None:
        self._packed = packed
        self._members: dict[str, zipfile.ZipInfo] = {}
        self.refused: dict[str, HubError] = {}
        members = [each for each in packed.infolist() if not each.is_dir() and not is_noise(each.filename)]
        if len(members) > MOST_FILES:
            raise Limit(f"The ZIP holds {len(members)} files: at most {MOST_FILES} are taken; part it.")
        for member in members:
            wrong = _wrong(member, self._members)
            if wrong is not None:
                self.refused[member.orig_filename] = wrong
            self._members.setdefault(member.orig_filename, member)
        self.names = list(self._members)

    def copy(self, name: str, target: Path, most_bytes: int) -> None:
        """Write a file to ``target``. What the ZIP says of its size counts for nothing."""
        left = most_bytes
        try:
            with self._packed.open(self._members[name]) as member, target.open("wb") as file:
                while piece := member.read(PIECE):
                    left -= len(piece)
                    if left < 0:
                        raise _too_long(name, most_bytes)
                    file.write(piece)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as wrong:
            raise Invalid(f'File "{name}" cannot be unpacked: {wrong}.') from wrong


def _wrong(member: zipfile.ZipInfo, before: dict[str, zipfile.ZipInfo]) -> HubError | None:
    name = member.orig_filename
    if name in before:
        return Duplicate(f'The ZIP holds "{name}" twice: nobody can tell which one is meant.')
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in path.parts[0] or "\0" in name:
        return Invalid(f'The path "{name}" in the ZIP leads out of it: pack the files anew.')
    if stat.S_ISLNK(member.external_attr >> 16):
        return Invalid(f'File "{name}" in the ZIP is a link: pack the file itself.')
    if member.flag_bits & ENCRYPTED:
        return Invalid(f'File "{name}" in the ZIP needs a password: pack it without.')
    return None


def _too_long(name: str, most_bytes: int) -> Limit:
    return Limit(f'File "{name}" has more than {most_bytes} bytes: no more are taken (HUB_FILE_MEGABYTES).')
