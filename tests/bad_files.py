"""Sixty files that are not what they should be, made here: each with what must become of it.

``expected``: the code of its refusal, or the size in pixels of the picture that is kept of it.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageCms

from tests.sending import picture

SECRET = b"Anna was here 52.5200N 13.4050E"
Size = tuple[int, int]


@dataclass(frozen=True)
class Bad:
    """One file: what it is called here, its bytes, its file's name, and what must become of it."""

    title: str
    data: bytes
    name: str | None
    expected: str | Size | None


def every() -> Iterator[Bad]:
    """All of them."""
    yield from _no_files()
    yield from _lies()
    yield from _cut()
    yield from _bombs()
    yield from _odd()
    yield from _told()
    yield from _others()


def _no_files() -> Iterator[Bad]:
    yield Bad("nothing", b"", None, "INVALID")
    yield Bad("one byte", b"\xff", None, "INVALID")
    yield Bad("zeros", bytes(5000), None, "INVALID")
    yield Bad("text", b"Hello", "hello.txt", "INVALID")
    for form in ("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "<svg/>"):
        yield Bad(f"svg {form[:9]}", form.encode(), "a.svg", "INVALID")
    yield Bad("svg as png", b"<?xml version='1.0'?><svg onload='alert(1)'/>", "a.png", "INVALID")
    yield Bad("html", b"<!DOCTYPE html><script>alert(1)</script>", "a.html", "INVALID")
    yield Bad("html as jpeg", b"<html><script>alert(1)</script>", "a.jpg", "INVALID")
    yield Bad("program", b"\x7fELF" + bytes(200), None, "INVALID")
    yield Bad("shell", b"#!/bin/sh\nrm -rf /\n", "a.png", "INVALID")
    yield Bad("bmp", picture(form="BMP"), "a.bmp", "INVALID")
    yield Bad("ico", picture((64, 64), "ICO"), "a.ico", "INVALID")
    yield Bad("postscript", picture(form="EPS"), "a.eps", "INVALID")


def _lies() -> Iterator[Bad]:
    yield Bad("png called jpg", picture(form="PNG"), "a.jpg", "INVALID")
    yield Bad("jpeg called png", picture(), "a.png", "INVALID")
    yield Bad("jpeg called pdf", picture(), "a.pdf", "INVALID")
    yield Bad("jpeg called html", picture(), "a.html", "INVALID")
    yield Bad("jpeg called exe", picture(), "a.exe", "INVALID")
    yield Bad("jpeg in capitals", picture(), "A.JPG", (600, 400))
    yield Bad("jpeg without an ending", picture(), "cup", (600, 400))
    yield Bad("only the start of a jpeg", b"\xff\xd8\xff\xe0" + bytes(100), "a.jpg", "INVALID")
    yield Bad("only the start of a png", b"\x89PNG\r\n\x1a\n" + b"<script>", "a.png", "INVALID")
    yield Bad("only the start of a gif", b"GIF89a<script>alert(1)</script>", "a.gif", "INVALID")
    yield Bad("a riff that is no webp", b"RIFF\x10\0\0\0WAVEfmt ", "a.webp", "INVALID")


def _cut() -> Iterator[Bad]:
    for form in ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF"):
        whole = picture(form=form)
        yield Bad(f"half of a {form}", whole[: len(whole) // 2], None, "INVALID")
        if form in ("JPEG", "PNG", "GIF", "WEBP"):
            yield Bad(f"a {form} without its last byte", whole[:-1], None, "INVALID")
    data = bytearray(picture(form="PNG"))
    data[len(data) // 2] ^= 0xFF
    yield Bad("a png with one byte changed", bytes(data), None, "INVALID")


def _bombs() -> Iterator[Bad]:
    for side in (30_000, 65_535, 2**31 - 1):
        yield Bad(
            f"a png of {side} squared by declaration",
            _declared(side, side),
            None,
            "LIMIT" if side < 2**31 - 1 else None,
        )
    yield Bad("a png without width", _declared(0, 10), None, "INVALID")
    real = Image.new("1", (20_000, 20_000))
    target = io.BytesIO()
    real.save(target, "PNG")
    yield Bad("a png that becomes 400 megapixels", target.getvalue(), None, "LIMIT")
    target = io.BytesIO()
    frames = [Image.new("RGB", (2, 2), (number % 2 * 200, 0, 0)) for number in range(1100)]
    frames[0].save(target, "GIF", save_all=True, append_images=frames[1:])
    yield Bad("a gif of 1,100 frames", target.getvalue(), None, "LIMIT")
    yield Bad(
        "a png with a packed text of 100 MB",
        _with_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8))),
        None,
        None,
    )
    yield Bad(
        "a png with a packed profile of 100 MB",
        _with_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(10**8))),
        None,
        None,
    )
    yield Bad("a document that becomes 4 GB", _packed_bomb(), "a.docx", "LIMIT")


def _odd() -> Iterator[Bad]:
    yield Bad("cmyk", picture(mode="CMYK"), "a.jpg", (600, 400))
    yield Bad("cmyk tiff", picture(form="TIFF", mode="CMYK"), "a.tif", (600, 400))
    deep = Image.new("I;16", (60, 40), 40_000)
    for form in ("PNG", "TIFF"):
        target = io.BytesIO()
        deep.save(target, form)
        yield Bad(f"sixteen bits {form}", target.getvalue(), None, (60, 40))
    target = io.BytesIO()
    Image.new("F", (60, 40), 0.5).save(target, "TIFF")
    yield Bad("fractions", target.getvalue(), None, "INVALID")
    yield Bad("grey", picture(mode="L"), None, (600, 400))
    yield Bad("two colours", picture(form="PNG", mode="1"), None, (600, 400))
    yield Bad("a palette", picture(form="PNG", mode="P"), None, (600, 400))
    yield Bad("see-through", picture(form="PNG", mode="RGBA"), None, (600, 400))
    yield Bad("progressive", picture(progressive=True), None, (600, 400))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    yield Bad("another space's profile", picture(icc_profile=profile), None, (600, 400))
    yield Bad("a broken profile", picture(icc_profile=b"no profile at all"), None, (600, 400))
    yield Bad("one pixel", picture((1, 1), "PNG"), None, (1, 1))
    yield Bad("very long", picture((10_000, 1), "PNG"), None, (10_000, 1))
    for form in ("GIF", "WEBP", "PNG"):
        target = io.BytesIO()
        frames = [Image.new("RGB", (60, 40), (number * 60, 0, 0)) for number in range(4)]
        frames[0].save(target, form, save_all=True, append_images=frames[1:])
        yield Bad(f"an animated {form}", target.getvalue(), None, (60, 40))


def _told() -> Iterator[Bad]:
    """Pictures that tell of people, and carry more than a picture."""
    for orientation in range(1, 9):
        size = (600, 400) if orientation < 5 else (400, 600)
        yield Bad(f"turned {orientation}", picture(exif=exif(orientation)), None, size)
    for form in ("PNG", "WEBP", "AVIF", "TIFF"):
        yield Bad(f"a {form} that tells", picture(form=form, exif=exif(6)), None, (400, 600))
    yield Bad("a jpeg's comment", picture(comment=SECRET), None, (600, 400))
    yield Bad("a png's text", _with_chunk(b"tEXt", b"Author\0" + SECRET), None, (600, 400))
    for form in ("JPEG", "PNG", "GIF", "WEBP"):
        page = b"<script>alert(1)</script>" + SECRET + _zipped({"a.txt": b"x"})
        yield Bad(
            f"a {form} with a page and an archive behind it", picture(form=form) + page, None, (600, 400)
        )


def _others() -> Iterator[Bad]:
    yield Bad("a pdf", b"%PDF-1.7\n%%EOF\n", "a.pdf", None)
    yield Bad("a pdf without its end", b"%PDF-1.7\n" + bytes(9000), "a.pdf", "INVALID")
    yield Bad("an archive", _zipped({"a.txt": b"x"}), "a.zip", "INVALID")
    office = {"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w/>"}
    yield Bad("a document", _zipped(office), "a.docx", None)
    yield Bad("a document called xlsx", _zipped(office), "a.xlsx", "INVALID")
    yield Bad("a document with macros", _zipped(office | {"word/vbaProject.bin": b"x"}), "a.docx", "INVALID")
    yield Bad("a cut archive", _zipped(office)[:-30], "a.docx", "INVALID")
    yield Bad("a film", _film(b"isom"), "a.mp4", None)
    yield Bad("a cut film", _film(b"isom")[:-5], "a.mp4", "INVALID")
    yield Bad("a film that is a box", struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0), "a.mp4", "INVALID")
    yield Bad("a webm's first bytes", b"\x1a\x45\xdf\xa3\x80", "a.webm", "INVALID")
    yield Bad("a model", _model(), "a.glb", None)
    yield Bad("a cut model", _model()[:-4], "a.glb", "INVALID")


def exif(orientation: int) -> bytes:
    """EXIF with an orientation, a place, and who took the picture."""
    made = Image.Exif()
    made[0x0112] = orientation
    made[0x013B] = SECRET.decode()
    made.get_ifd(0x8825)[1] = "N"
    return made.tobytes()


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _declared(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _with_chunk(name: bytes, content: bytes) -> bytes:
    whole = picture(form="PNG")
    return whole[:33] + _chunk(name, content) + whole[33:]


def _zipped(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return target.getvalue()


def _packed_bomb() -> bytes:
    data = bytearray(_zipped({"[Content_Types].xml": b"x", "word/document.xml": b"y"}))
    at = data.find(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 4_000_000_000)
    return bytes(data)


def _box(name: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def _film(brand: bytes) -> bytes:
    return _box(b"ftyp", brand + bytes(4)) + _box(b"moov", bytes(20)) + _box(b"mdat", bytes(100))


def _model() -> bytes:
    scene: dict[str, Any] = {"asset": {"version": "2.0"}}
    text = json.dumps(scene).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<4sII", b"glTF", 2, 20 + len(text)) + struct.pack("<I4s", len(text), b"JSON") + text
