"""Renditions: a picture in another size and form, named by an address, made when it is first asked for, and kept.

An address is signed with a key of its file: only the hub makes them, so nobody can have it draw what no page shows.
What is kept is bounded as well: beyond that, what was not asked for longest goes, and is drawn again on demand.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import shutil
from pathlib import Path
from urllib.parse import quote

from hub.errors import Invalid, Limit
from hub.file import PREFIX, extension
from hub.file_picture import Wish
from hub.local_cache import LocalCache

FILES = "/files"
"""Where the contents of files are fetched."""

RENDITIONS = "/renditions"
"""Where renditions are fetched."""

LARGEST_SIDE = 4_096
BEST = 100
QUALITY = {"webp": 80, "avif": 60, "jpeg": 82, "png": BEST}
"""What is taken where no quality is named; PNG loses nothing."""

MEDIA_TYPES = {each: f"image/{each}" for each in QUALITY}

NAME = re.compile(
    r"w(?P<width>\d{0,5})h(?P<height>\d{0,5})-(?P<fit>contain|cover|pad)-x(?P<x>\d{1,3})y(?P<y>\d{1,3})"
    r"-q(?P<quality>\d{1,3})-(?P<signature>[0-9a-f]{32})\.(?P<format>webp|avif|jpeg|png)"
)

PARTS = re.compile(r"[^\w.-]+")


def file_address(content: str, media_type: str, name: str) -> str:
    """The path of a content below this server. ``name``: how it is called when it is saved; it opens nothing."""
    stem = PARTS.sub("-", name).strip("-.") or "file"
    ending = extension(media_type)
    return f"{FILES}/{content}/{quote(stem if stem.lower().endswith(ending) else stem + ending)}"


def address(content: str, key: str, wish: Wish) -> str:
    """The path of a rendition below this server."""
    return f"{RENDITIONS}/{content}/{_said(wish)}-{_signature(content, key, wish)}.{wish.format}"


def wished(width: int | None, height: int | None, fit: str, format_: str, quality: int | None) -> Wish:
    """A rendition as it was asked for. Raises ``Limit`` or ``Invalid`` for one that is not made."""
    for name, side in (("width", width), ("height", height)):
        if side is not None and side < 1:
            raise Invalid(f"{name} is {side}: give 1 to {LARGEST_SIDE} pixels.", (name,))
        if side is not None and side > LARGEST_SIDE:
            raise Limit(
                f"{name} is {side}: renditions have at most {LARGEST_SIDE} pixels on a side.", (name,)
            )
    if quality is not None and not 1 <= quality <= BEST:
        raise Invalid(f"quality is {quality}: give 1 to {BEST}.", ("quality",))
    if not (width and height):
        fit = "contain"
    best = BEST if format_ == "png" or quality is None else quality
    return Wish(width, height, fit, format_, QUALITY[format_] if quality is None else best)


def read(name: str) -> tuple[Wish, str] | None:
    """The rendition that the last part of a path names, and its signature; null for no such name."""
    found = NAME.fullmatch(name)
    if found is None:
        return None
    side = {each: int(found[each]) if found[each] else None for each in ("width", "height")}
    how = {"fit": found["fit"], "format": found["format"], "quality": int(found["quality"])}
    wish = Wish(**side, **how, focus_x=int(found["x"]), focus_y=int(found["y"]))  # type: ignore[arg-type] # by name
    return (wish, found["signature"]) if f"{_said(wish)}-" in name else None


def is_signed(content: str, key: str, wish: Wish, signature: str) -> bool:
    """Whether the hub made that address."""
    return hmac.compare_digest(_signature(content, key, wish), signature)


def _said(wish: Wish) -> str:
    x, y = (wish.focus_x, wish.focus_y) if wish.fit == "cover" else (50, 50)
    return f"w{wish.width or ''}h{wish.height or ''}-{wish.fit}-x{x}y{y}-q{wish.quality}"


def _signature(content: str, key: str, wish: Wish) -> str:
    told = f"{content}/{_said(wish)}.{wish.format}".encode()
    return hmac.new(key.encode(), told, hashlib.sha256).hexdigest()[:32]


def hash_of(address_: str) -> str | None:
    """The content that an asset's address names; null for an address elsewhere."""
    return address_.removeprefix(PREFIX) if address_.startswith(PREFIX) else None


class Cache(LocalCache):
    """Renditions on the disk of this machine."""

    def path(self, content: str, wish: Wish) -> Path:
        """Where a rendition lies, if it does."""
        return self.folder / content[:2] / content / f"{_said(wish)}.{wish.format}"

    def forget(self, content: str) -> None:
        """Drop every rendition of a content."""
        shutil.rmtree(self.folder / content[:2] / content, ignore_errors=True)
