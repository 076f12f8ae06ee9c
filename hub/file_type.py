"""What a file is, told by its bytes: neither its name nor what its sender says of it counts.

Only forms that the hub knows from their first byte to their last are taken. Web pages and SVG are not among them: a
browser runs what stands in those.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import orjson

from hub.errors import HubError, Invalid, Limit

HEAD = 512
"""Bytes that tell what a file claims to be."""

TAIL = 2048
"""Bytes at the end of a PDF among which its end must be marked."""

MOST_UNPACKED = 2 * 1024**3
"""Bytes that a packed document may become."""

MOST_MEMBERS = 10_000


@dataclass(frozen=True)
class FileType:
    """A form of files. ``extensions``: how their names end, the first one as the hub names them.

    ``inline``: whether a browser may show it where it is linked; everything else is saved.
    """

    media_type: str
    kind: str
    extensions: tuple[str, ...]
    inline: bool = False


TYPES = (
    FileType("image/jpeg", "image", ("jpg", "jpeg", "jpe", "jfif"), inline=True),
    FileType("image/png", "image", ("png", "apng"), inline=True),
    FileType("image/gif", "image", ("gif",), inline=True),
    FileType("image/webp", "image", ("webp",), inline=True),
    FileType("image/avif", "image", ("avif",), inline=True),
    FileType("image/tiff", "image", ("tif", "tiff")),
    FileType("video/mp4", "video", ("mp4", "m4v"), inline=True),
    FileType("video/quicktime", "video", ("mov", "qt")),
    FileType("video/webm", "video", ("webm",), inline=True),
    FileType("application/pdf", "document", ("pdf",)),
    FileType(
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "document", ("docx",)
    ),
    FileType("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "document", ("xlsx",)),
    FileType(
        "application/vnd.openxmlformats-officedocument.presentationml.presentation", "document", ("pptx",)
    ),
    FileType("model/gltf-binary", "model", ("glb",)),
    FileType("model/vnd.usdz+zip", "model", ("usdz",)),
)
BY_MEDIA_TYPE = {each.media_type: each for each in TYPES}
BY_EXTENSION = {extension: each for each in TYPES for extension in each.extensions}

TAKEN = "JPEG, PNG, GIF, WebP, AVIF, TIFF, MP4, MOV, WebM, PDF, DOCX, XLSX, PPTX, GLB, USDZ"

MAIN_PARTS = {"word/": "docx", "xl/": "xlsx", "ppt/": "pptx"}


def of(path: Path) -> FileType:
    """The type of a file. Raises ``Invalid`` for one that is none of ``TYPES`` from start to end, ``Limit`` for a bomb."""
    with path.open("rb") as file:
        head = file.read(HEAD)
        found = claimed(head)
        if found is None:
            raise _unknown(head)
        check = CHECKS.get(found)
        if check is None:
            return BY_MEDIA_TYPE[found]
        file.seek(0)
        try:
            return BY_MEDIA_TYPE[check(file, path.stat().st_size)]
        except (struct.error, zipfile.BadZipFile, OSError, NotImplementedError, UnicodeError) as wrong:
            raise damaged(found) from wrong


def claimed(head: bytes) -> str | None:
    """The media type that the first bytes claim; null for none that the hub takes."""
    for start, media_type in STARTS:
        if head.startswith(start):
            return media_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        brands = {head[8:12], *(head[at : at + 4] for at in range(16, _ftyp_end(head), 4))}
        if brands & {b"avif", b"avis"}:
            return "image/avif"
        return "video/quicktime" if head[8:12] == b"qt  " else "video/mp4"
    return None


STARTS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"glTF", "model/gltf-binary"),
)


def check_name(found: FileType, name: str | None, media_type: str | None = None) -> None:
    """Raises ``Invalid`` where a file's name or its sender says that it is something else than its bytes are."""
    extension = PurePosixPath(name or "").suffix[1:].lower()
    if extension and BY_EXTENSION.get(extension) is not found:
        raise Invalid(
            f'File "{name}" holds {found.media_type}, which is not what a name ending in .{extension} says:'
            f" name it .{found.extensions[0]}.",
            ("file_name",),
        )
    if media_type is not None and media_type.lower() != found.media_type:
        raise Invalid(
            f'The file holds {found.media_type}, not "{media_type}" as was said: leave the media type out.',
            ("media_type",),
        )


def damaged(media_type: str) -> Invalid:
    """The refusal of a file that is not whole."""
    return Invalid(f"The file begins as {media_type} and is not one to its end: send it whole.")


def _unknown(head: bytes) -> HubError:
    if not head:
        return Invalid("The file is empty: send one with something in it.")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml", b"<!doctype svg")) and b"<svg" in text:
        return Invalid("SVG is not taken, since a browser runs what stands in it: save it as PNG or WebP.")
    if text.startswith((b"<!doctype html", b"<html", b"<script")):
        return Invalid("Web pages are not taken, since a browser runs them: save it as PDF.")
    return Invalid(f"The file is of no form that is taken: send {TAKEN}.")


def _ftyp_end(head: bytes) -> int:
    return min(int.from_bytes(head[:4], "big"), len(head) - 3)


def boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of an ISO media file: type, where the content starts, where it ends. Raises ``struct.error``."""
    at = 0
    while at < size:
        file.seek(at)
        length, type_ = struct.unpack(">I4s", file.read(8))
        start = at + 8
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8))
            start += 8
        end = size if length == 0 else at + length
        if end < start or end > size:
            raise struct.error("a box ends outside the file")
        yield type_, start, end
        at = end


def _iso(file: BinaryIO, size: int) -> str:
    file.seek(0)
    media_type = claimed(file.read(HEAD)) or ""
    types = [type_ for type_, _, _ in boxes(file, size)]
    needed = {b"meta"} if media_type == "image/avif" else {b"moov"}
    if not needed <= set(types) or b"mdat" not in types:
        raise damaged(media_type)
    return media_type


def _number(file: BinaryIO, *, marked: bool) -> tuple[int, bool]:
    """A number of EBML, and whether it stands for "unknown". ``marked``: an id keeps its length's mark."""
    (first,) = struct.unpack("B", file.read(1))
    length = 9 - first.bit_length()
    if first == 0:
        raise struct.error("no number of EBML")
    rest = file.read(length - 1)
    if len(rest) != length - 1:
        raise struct.error("the file ends in a number")
    plain = first if marked else first & (0xFF >> length)
    value = int.from_bytes(bytes([plain]) + rest, "big")
    return value, not marked and value == (1 << 7 * length) - 1


EBML, DOC_TYPE, SEGMENT, VOID = 0x1A45DFA3, 0x4282, 0x18538067, 0xEC


def _webm(file: BinaryIO, size: int) -> str:
    """A header that says webm, then one segment to the end of the file."""
    _number(file, marked=True)
    length, _ = _number(file, marked=False)
    header_ends, doc_type = file.tell() + length, b""
    while file.tell() < header_ends:
        element, (length, _) = _number(file, marked=True)[0], _number(file, marked=False)
        value = file.read(length)
        doc_type = value.rstrip(b"\0") if element == DOC_TYPE else doc_type
    element, (length, unknown) = _number(file, marked=True)[0], _number(file, marked=False)
    whole = unknown or file.tell() + length == size
    if doc_type != b"webm" or element != SEGMENT or not whole:
        raise damaged("video/webm")
    return "video/webm"


def _pdf(file: BinaryIO, size: int) -> str:
    file.seek(max(0, size - TAIL))
    if b"%%EOF" not in file.read():
        raise damaged("application/pdf")
    return "application/pdf"


def _packed(file: BinaryIO, _: int) -> str:
    with zipfile.ZipFile(file) as packed:
        members = packed.infolist()
        unpacked = sum(member.file_size for member in members)
        if unpacked > MOST_UNPACKED or len(members) > MOST_MEMBERS:
            raise Limit(
                f"The packed file would become {unpacked} bytes in {len(members)} parts: at most"
                f" {MOST_UNPACKED} bytes in {MOST_MEMBERS} parts are taken."
            )
        names = [member.filename for member in members]
        stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
        if names and names[0].lower().endswith((".usd", ".usda", ".usdc")) and stored:
            return "model/vnd.usdz+zip"
        if any(name.lower().endswith("vbaproject.bin") for name in names):
            raise Invalid("The document holds macros: save it without.")
        parts = [made for start, made in MAIN_PARTS.items() if any(name.startswith(start) for name in names)]
        if "[Content_Types].xml" not in names or len(parts) != 1:
            raise Invalid(f"The file is a packed one of no form that is taken: send {TAKEN}.")
        return BY_EXTENSION[parts[0]].media_type


def _glb(file: BinaryIO, size: int) -> str:
    _, version, length = struct.unpack("<4sII", file.read(12))
    first, type_ = struct.unpack("<I4s", file.read(8))
    try:
        scene = orjson.loads(file.read(first)) if type_ == b"JSON" else None
    except orjson.JSONDecodeError:
        scene = None
    if version != 2 or length != size or not isinstance(scene, dict) or "asset" not in scene:  # noqa: PLR2004 - glTF 2.0
        raise damaged("model/gltf-binary")
    return "model/gltf-binary"


CHECKS = {
    "image/avif": _iso,
    "video/mp4": _iso,
    "video/quicktime": _iso,
    "video/webm": _webm,
    "application/pdf": _pdf,
    "application/zip": _packed,
    "model/gltf-binary": _glb,
}
"""What looks at the rest of a file. Pictures whose form is not here are looked at by ``hub.file_clean``."""
