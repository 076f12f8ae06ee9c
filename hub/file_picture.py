"""Pictures looked at and made: measured, decoded once to the end, cleaned; and renditions in other sizes and forms.

It runs in a process of its own (``hub.file_process``): what arrives here was made by strangers.
"""

from __future__ import annotations

import io
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, ImageOps

from hub.errors import Invalid, Limit
from hub.file_clean import CLEANERS, UPRIGHT
from hub.file_type import FileType, damaged

FORMATS = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/avif": "AVIF",
    "image/tiff": "TIFF",
}
"""The one decoder that may look at a file of each type: with all of them, a file could be two things."""

MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr"})
DEEP_MODES = frozenset({"I;16", "I;16B", "I;16L", "I;16N"})
"""Sixteen bits of grey. Sixteen bits of each colour are made eight by Pillow itself."""

ORIENTATION = 0x0112
SIDEWAYS = 5
"""From this orientation on a picture's sides change places when it is turned upright."""

MOST_FRAMES = 1_000
MOST_SIDE = 30_000
"""Pixels on one side. JPEG ends at 65,535, WebP at 16,383."""

GAP = 3.0
"""How much larger than wanted a picture may still be when it is no longer simply halved: Pillow's word for "no loss seen"."""

AVIF_QUALITY = 95
"""Of an AVIF picture that told of more than its pixels, and had to be written anew."""

Image.MAX_IMAGE_PIXELS = None  # the limit is the operator's, and is asked before a pixel is decoded


@dataclass(frozen=True)
class Measures:
    """A picture that is fine: its size in pixels as it is shown, upright."""

    width: int
    height: int


@dataclass(frozen=True)
class Wish:
    """A rendition. ``width`` and ``height``: pixels, null for what follows from the other. ``focus_x``, ``focus_y``:
    what must stay in the picture when it is cut, in percent from the left and from the top.
    """

    width: int | None
    height: int | None
    fit: str
    format: str
    quality: int
    focus_x: int = 50
    focus_y: int = 50


def look(path: Path, type_: FileType, cleaned: Path, most_pixels: int) -> Measures:
    """Measure a picture, and write it without what does not belong to it to ``cleaned``.

    Raises ``Limit`` for too many pixels or frames, ``Invalid`` for what is no picture to its end.
    """
    with _opened(path, type_.media_type) as picture:
        _check_size(picture, most_pixels)
        orientation = _orientation(picture)
        cleaner = CLEANERS.get(type_.media_type)
        if cleaner is not None:
            cleaned.write_bytes(cleaner(path.read_bytes(), orientation))
        elif type_.media_type == "image/tiff":
            _write_tiff(picture, cleaned)
        else:
            _write_avif(picture, path, cleaned)
    with _opened(cleaned, type_.media_type) as picture:
        picture.load()
        width, height = picture.size
        sideways = _orientation(picture) >= SIDEWAYS
    return Measures(height, width) if sideways else Measures(width, height)


def make(path: Path, media_type: str, wish: Wish, target: Path) -> None:
    """Write a rendition of a picture to ``target``. It is never larger than the picture; of a film it is the first frame."""
    with _opened(path, media_type) as picture:
        box, size = _geometry(_upright_size(picture), wish)
        if media_type == "image/jpeg":
            box, size = _drafted(picture, box, size)
        upright = ImageOps.exif_transpose(picture)
        plain = _plain(upright)
        if (box, size) != ((0, 0, *plain.size), plain.size):
            plain = plain.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=GAP)
        shown = _in_srgb(plain, picture.info.get("icc_profile"))
        _write(_padded(shown, wish), wish, target)


def _opened(path: Path, media_type: str) -> Image.Image:
    try:
        return Image.open(path, formats=[FORMATS[media_type]])
    except (OSError, SyntaxError, ValueError) as wrong:
        raise damaged(media_type) from wrong


def _check_size(picture: Image.Image, most_pixels: int) -> None:
    width, height = picture.size
    if width * height > most_pixels or max(width, height) > MOST_SIDE:
        raise Limit(
            f"The picture has {width} × {height} pixels: at most {most_pixels // 1_000_000} million"
            f" and {MOST_SIDE} on one side are taken."
        )
    if getattr(picture, "is_animated", False) and picture.format in ("AVIF", "TIFF"):
        raise Limit("The file holds several pictures: send one, or an animation as WebP, GIF or video.")
    frames = getattr(picture, "n_frames", 1)
    if frames > MOST_FRAMES:
        raise Limit(f"The picture has {frames} frames: at most {MOST_FRAMES} are taken; send it as video.")
    if picture.mode not in MODES | DEEP_MODES:
        raise Invalid(f"The picture's colours are stored as {picture.mode}: save it as RGB, CMYK or grey.")


def _orientation(picture: Image.Image) -> int:
    value = picture.getexif().get(ORIENTATION, UPRIGHT)
    return value if isinstance(value, int) and UPRIGHT <= value <= 8 else UPRIGHT  # noqa: PLR2004 - there are eight


def _upright_size(picture: Image.Image) -> tuple[int, int]:
    width, height = picture.size
    return (height, width) if _orientation(picture) >= SIDEWAYS else (width, height)


def _write_tiff(picture: Image.Image, cleaned: Path) -> None:
    plain = Image.new(picture.mode, picture.size)
    plain.paste(picture)
    if picture.mode in ("P", "PA"):
        plain.putpalette(picture.getpalette() or [])
    upright = _turned(plain, _orientation(picture))
    upright.save(
        cleaned, "TIFF", compression="tiff_adobe_deflate", icc_profile=picture.info.get("icc_profile")
    )


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a picture of each orientation is turned upright (EXIF 2.32, 4.6.4)."""


def _turned(picture: Image.Image, orientation: int) -> Image.Image:
    return picture.transpose(TURNS[orientation]) if orientation in TURNS else picture


def _write_avif(picture: Image.Image, path: Path, cleaned: Path) -> None:
    """AVIF keeps what is no pixel in several places: where there is any, the picture is written anew."""
    if not picture.info.get("exif") and not picture.info.get("xmp"):
        cleaned.write_bytes(path.read_bytes())
        return
    profile = picture.info.get("icc_profile")
    upright = ImageOps.exif_transpose(picture)
    upright.info = {}
    upright.save(
        cleaned, "AVIF", quality=AVIF_QUALITY, subsampling="4:4:4", icc_profile=profile, exif=b"", xmp=b""
    )


def _geometry(own: tuple[int, int], wish: Wish) -> tuple[tuple[float, float, float, float], tuple[int, int]]:
    """The part of the upright picture that is shown, and the pixels that it becomes."""
    width, height = own
    box = (0.0, 0.0, float(width), float(height))
    if wish.fit == "cover" and wish.width and wish.height:
        box = _cut(own, wish.width / wish.height, wish.focus_x / 100, wish.focus_y / 100)
        shrink = min(1.0, wish.width / (box[2] - box[0]))
        size = (wish.width, wish.height) if shrink < 1 else (box[2] - box[0], box[3] - box[1])
        return box, _whole(size)
    shrink = min(1.0, (wish.width or math.inf) / width, (wish.height or math.inf) / height)
    return box, _whole((width * shrink, height * shrink))


def _cut(
    own: tuple[int, int], ratio: float, focus_x: float, focus_y: float
) -> tuple[float, float, float, float]:
    """The largest part of that ratio whose middle is as near to the focal point as the edges allow."""
    width, height = min(own[0], own[1] * ratio), min(own[1], own[0] / ratio)
    left = min(max(own[0] * focus_x - width / 2, 0), own[0] - width)
    top = min(max(own[1] * focus_y - height / 2, 0), own[1] - height)
    return left, top, left + width, top + height


def _whole(size: tuple[float, float]) -> tuple[int, int]:
    return max(1, round(size[0])), max(1, round(size[1]))


def _drafted(
    picture: Image.Image, box: tuple[float, float, float, float], size: tuple[int, int]
) -> tuple[tuple[float, float, float, float], tuple[int, int]]:
    """Let the decoder of JPEG leave out what would be shrunk away; the part shown, in the pixels that are left."""
    before = _upright_size(picture)
    factor = max(size[0] / (box[2] - box[0]), size[1] / (box[3] - box[1])) * 2  # twice as fine as wanted
    picture.draft(None, (math.ceil(picture.size[0] * factor), math.ceil(picture.size[1] * factor)))
    after = _upright_size(picture)
    across, down = after[0] / before[0], after[1] / before[1]
    return (
        box[0] * across,
        box[1] * down,
        min(box[2] * across, after[0]),
        min(box[3] * down, after[1]),
    ), size


def _plain(picture: Image.Image) -> Image.Image:
    """The picture in eight bits a colour, without a palette, so that pixels can be mixed."""
    if picture.mode in DEEP_MODES:
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if picture.mode in ("P", "PA", "1", "La", "RGBa", "RGBX") or "transparency" in picture.info:
        see_through = picture.mode in ("PA", "La", "RGBa") or "transparency" in picture.info
        return picture.convert("RGBA" if see_through else "RGB")
    return picture


def _in_srgb(picture: Image.Image, profile: Any) -> Image.Image:
    """The picture in the colours of the web, as its own profile says where it has one."""
    alpha = picture.getchannel("A") if picture.mode in ("LA", "RGBA") else None
    colours = {"LA": "L", "RGBA": "RGB", "YCbCr": "RGB"}.get(picture.mode, picture.mode)
    solid = picture if picture.mode == colours else picture.convert(colours)
    solid = _converted(solid, profile) if profile else solid
    solid = solid if solid.mode in ("L", "RGB") else solid.convert("RGB")
    if alpha is not None:
        solid = solid.convert("RGB")
        solid.putalpha(alpha)
    return solid


def _converted(picture: Image.Image, profile: bytes) -> Image.Image:
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        made = ImageCms.profileToProfile(picture, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):  # a broken profile, or one for other colours
        return picture
    return made if made is not None else picture


def _padded(picture: Image.Image, wish: Wish) -> Image.Image:
    """For the fit ``pad``: the picture in the middle of one that has exactly the size wanted."""
    if wish.fit != "pad" or not (wish.width and wish.height):
        return picture
    ground = Image.new("RGBA", (wish.width, wish.height), (255, 255, 255, 0))
    place = ((wish.width - picture.width) // 2, (wish.height - picture.height) // 2)
    ground.paste(picture.convert("RGBA"), place)
    return ground


def _write(picture: Image.Image, wish: Wish, target: Path) -> None:
    if wish.format == "jpeg" and picture.mode == "RGBA":
        white = Image.new("RGB", picture.size, (255, 255, 255))
        white.paste(picture, mask=picture.getchannel("A"))
        picture = white
    if wish.format in ("webp", "avif") and picture.mode == "L":
        picture = picture.convert("RGB")
    picture.info = {}
    options: dict[str, Any] = {
        "jpeg": {"quality": wish.quality, "progressive": True},
        "webp": {"quality": wish.quality, "method": 4},
        "avif": {"quality": wish.quality, "speed": 8},
        "png": {"compress_level": 6},
    }[wish.format]
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        picture.save(part, wish.format.upper(), **options)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
