"""The process that looks at files and makes renditions: what strangers made is only ever decoded here.

Orders come as lines of JSON on its input, each is answered by one. Its memory is bounded by the system: a file that
needs more ends in a refusal, or at worst in the end of this process.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from hub import file_type
from hub.errors import HubError, Limit
from hub.file_picture import Wish, look, make

MOST_MEMORY = 2 * 1024**3
"""Bytes of address space."""

NICE = 5
"""It stands behind whoever answers requests."""

Json = dict[str, Any]


def main() -> None:
    """Answer orders until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    os.nice(NICE)
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(orjson.dumps(_answer(orjson.loads(line))) + b"\n")
        sys.stdout.buffer.flush()


def _answer(order: Json) -> Json:
    name = order.pop("do")
    try:
        return ORDERS[name](**order)
    except HubError as refused:
        return _told(refused)
    except MemoryError:
        return _told(Limit("The picture needs more memory than is given to one: send it with fewer pixels."))
    except Exception as wrong:  # noqa: BLE001 - decoders fail in every way there is on what is no picture
        damaged = file_type.damaged(order.get("media_type") or "one of the forms that are taken")
        return _told(damaged) | {"cause": repr(wrong)[:300]}


def _told(refused: HubError) -> Json:
    return {"code": refused.code.value, "message": refused.message, "path": list(refused.path)}


def _inspect(path: str, cleaned: str, name: str | None, media_type: str | None, most_pixels: int) -> Json:
    """What a file is. ``cleaned``: where a picture is written without what does not belong to it."""
    found = file_type.of(Path(path))
    file_type.check_name(found, name, media_type)
    told: Json = {"media_type": found.media_type, "kind": found.kind, "width": None, "height": None}
    if found.kind == "image":
        measures = look(Path(path), found, Path(cleaned), most_pixels)
        told |= {"width": measures.width, "height": measures.height}
    return told


def _render(path: str, media_type: str, wish: Json, target: str) -> Json:
    make(Path(path), media_type, Wish(**wish), Path(target))
    return {}


ORDERS: dict[str, Callable[..., Json]] = {"inspect": _inspect, "render": _render}

if __name__ == "__main__":
    main()
