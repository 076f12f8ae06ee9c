"""Pictures without what does not belong to them: place and time, camera, thumbnails, comments, and whatever follows.

The compressed pixels are copied as they are, so a cleaned picture is the same picture to the last bit. What stays is
what says how it is to look: colours, transparency, frames, and which way is up.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from hub.file_type import damaged

UPRIGHT = 1
EXIF = b"Exif\0\0"


def exif(orientation: int) -> bytes:
    """The smallest EXIF block: it says which way is up (1 to 8), and nothing else."""
    return b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HH", orientation, 0) + b"\0" * 4


def jpeg(data: bytes, orientation: int) -> bytes:
    """A JPEG file, of which other segments than those that decode it are dropped. Raises ``Invalid``."""
    made = [b"\xff\xd8"]
    if orientation != UPRIGHT:
        made.append(_segment(0xE1, EXIF + exif(orientation)))
    at = 2
    while True:
        marker, at = _marker(data, at)
        if marker == 0xD9:  # noqa: PLR2004 - end of image
            break
        length = int.from_bytes(data[at : at + 2], "big")
        content = data[at + 2 : at + length]
        if length < 2 or at + length > len(data):  # noqa: PLR2004 - a length counts itself
            raise damaged("image/jpeg")
        at += length
        made.extend(_kept(marker, content))
        if marker == 0xDA:  # noqa: PLR2004 - start of scan
            end = _scan_ends(data, at)
            made.append(data[at:end])
            at = end
    return b"".join([*made, b"\xff\xd9"])


def _marker(data: bytes, at: int) -> tuple[int, int]:
    if data[at : at + 1] != b"\xff":
        raise damaged("image/jpeg")
    while data[at : at + 1] == b"\xff":
        at += 1
    if at >= len(data):
        raise damaged("image/jpeg")
    return data[at], at + 1


def _kept(marker: int, content: bytes) -> Iterator[bytes]:
    if marker == 0xE0 and content.startswith(b"JFIF\0"):  # noqa: PLR2004 - the form itself
        yield _segment(marker, content[:12].ljust(12, b"\0") + b"\0\0")  # without a thumbnail
    elif marker == 0xE2:  # noqa: PLR2004 - the colour profile
        if content.startswith(b"ICC_PROFILE\0"):
            yield _segment(marker, content)
    elif marker == 0xEE:  # noqa: PLR2004 - how Adobe's colours are stored
        if content.startswith(b"Adobe"):
            yield _segment(marker, content[:12])
    elif not 0xE0 <= marker <= 0xEF and marker != 0xFE:  # noqa: PLR2004 - other applications' and comments
        yield _segment(marker, content)


def _segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def _scan_ends(data: bytes, at: int) -> int:
    """Where the compressed pixels end: at the next marker that is neither stuffing nor a restart."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise damaged("image/jpeg")
        follows = data[at + 1]
        if follows == 0xFF:  # noqa: PLR2004 - fill bytes before a marker
            at += 1
        elif follows == 0 or 0xD0 <= follows <= 0xD7:  # noqa: PLR2004 - stuffing, restarts
            at += 2
        else:
            return at


PNG_KEPT = frozenset(b"IHDR PLTE IDAT tRNS cHRM gAMA iCCP sBIT sRGB cICP pHYs bKGD acTL fcTL fdAT".split())


def png(data: bytes, orientation: int) -> bytes:
    """A PNG file without texts, times and private chunks. Raises ``Invalid``."""
    made, at = [data[:8]], 8
    while True:
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 12 + length
        name, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if end > len(data) or zlib.crc32(name + content) != int.from_bytes(data[end - 4 : end], "big"):
            raise damaged("image/png")
        if name == b"IDAT" and orientation != UPRIGHT:
            made.append(_chunk(b"eXIf", exif(orientation)))
            orientation = UPRIGHT
        if name in PNG_KEPT:
            made.append(data[at:end])
        at = end
        if name == b"IEND":
            return b"".join([*made, _chunk(b"IEND", b"")])


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


GIF_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


def gif(data: bytes, _: int) -> bytes:
    """A GIF file without comments and other applications' blocks. Raises ``Invalid``."""
    at = 13 + _palette(data, 10)
    made = [data[:at]]
    while True:
        start, block = at, data[at : at + 1]
        if block == b";":
            return b"".join([*made, b";"])
        if block == b"!":
            at = _blocks_end(data, at + 2)
            label = data[start + 1 : start + 2]
            if label == b"\xf9" or (label == b"\xff" and data[start + 3 : start + 14] in GIF_LOOPS):
                made.append(data[start:at])
        elif block == b",":
            at = _blocks_end(data, at + 10 + _palette(data, at + 9) + 1)
            made.append(data[start:at])
        else:
            raise damaged("image/gif")


def _palette(data: bytes, at: int) -> int:
    """The bytes of the palette that the flags at ``at`` tell of."""
    if at >= len(data):
        raise damaged("image/gif")
    return 3 << ((data[at] & 7) + 1) if data[at] & 0x80 else 0


def _blocks_end(data: bytes, at: int) -> int:
    while at < len(data) and data[at]:
        at += 1 + data[at]
    if at >= len(data):
        raise damaged("image/gif")
    return at + 1


WEBP_KEPT = frozenset(b"VP8X ALPH ANIM ANMF ICCP VP8L".split()) | {b"VP8 "}
HAS_EXIF, HAS_XMP = 0x08, 0x04


def webp(data: bytes, orientation: int) -> bytes:
    """A WebP file without EXIF, XMP and unknown chunks. Raises ``Invalid``."""
    ends = 8 + int.from_bytes(data[4:8], "little")
    if ends > len(data):
        raise damaged("image/webp")
    made, at = [], 12
    while at + 8 <= ends:
        name, length = struct.unpack("<4sI", data[at : at + 8])
        end = at + 8 + length + (length & 1)
        if at + 8 + length > ends:
            raise damaged("image/webp")
        content = data[at + 8 : at + 8 + length]
        if name == b"VP8X" and content:
            turned = HAS_EXIF if orientation != UPRIGHT else 0
            content = bytes([content[0] & ~(HAS_EXIF | HAS_XMP) | turned]) + content[1:]
        if name in WEBP_KEPT:
            made.append(_riff(name, content))
        at = end
    if orientation != UPRIGHT:
        made.append(_riff(b"EXIF", exif(orientation)))
    return _riff(b"RIFF", b"WEBP" + b"".join(made))


def _riff(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) & 1)


CLEANERS = {"image/jpeg": jpeg, "image/png": png, "image/gif": gif, "image/webp": webp}
"""What cleans pictures of each form without looking at their pixels: given their bytes and orientation."""
