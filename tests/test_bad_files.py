"""Bad files each end in a code or in a right picture, and nothing of a person ever leaves."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from hub.errors import HubError
from hub.file_picture import Wish
from hub.file_pool import Inspected, Pool
from tests.bad_files import SECRET, Bad, every

ALL = list(every())
SMALL = 100


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    opened = Pool(most_pixels=80_000_000)
    yield opened
    opened.close()


def looked(pool: Pool, bad: Bad, folder: Path) -> Inspected | str:
    """What becomes of it: what it is, or the code of its refusal."""
    (folder / "sent").write_bytes(bad.data)
    try:
        return pool.inspect(folder / "sent", folder / "kept", bad.name)
    except HubError as refused:
        return refused.code.value


def test_there_are_sixty_of_them() -> None:
    assert len({bad.title for bad in ALL}) == len(ALL) >= 60


@pytest.mark.parametrize("bad", ALL, ids=lambda bad: bad.title)
def test_a_bad_file_ends_in_a_code_or_in_a_right_picture(bad: Bad, pool: Pool, tmp_path: Path) -> None:
    found = looked(pool, bad, tmp_path)
    if isinstance(bad.expected, str):
        assert found == bad.expected
        return
    if isinstance(found, str):
        assert bad.expected is None
        assert found in ("INVALID", "LIMIT")
        return
    if found.kind != "image":
        return
    kept = (tmp_path / "kept").read_bytes()
    for told in (SECRET, SECRET[:8], b"<script>", b"PK\x03\x04"):
        assert told not in kept
    if bad.expected is not None:
        assert (found.width, found.height) == bad.expected
    for form in ("webp", "jpeg", "png"):
        pool.render(
            tmp_path / "kept", found.media_type, Wish(SMALL, SMALL, "contain", form, 80), tmp_path / form
        )
        made = Image.open(io.BytesIO((tmp_path / form).read_bytes()))
        made.load()
        assert made.format == form.upper()
        assert made.mode in ("RGB", "RGBA", "L")
        assert max(made.size) == min(SMALL, max(found.width or 0, found.height or 0))
        assert not made.getexif()
        assert not {"exif", "xmp", "comment", "icc_profile"} & set(made.info)


def test_each_orientation_is_turned_upright(pool: Pool, tmp_path: Path) -> None:
    """A picture whose upright form is known is stored in each of the eight ways."""
    from hub.file_picture import TURNS
    from tests.bad_files import exif

    upright = Image.new("RGB", (80, 40), (255, 255, 255))
    upright.paste((255, 0, 0), (0, 0, 40, 20))
    for orientation in range(1, 9):
        ways = [upright, *(upright.transpose(turn) for turn in Image.Transpose)]
        turned = [way if orientation == 1 else way.transpose(TURNS[orientation]) for way in ways]
        stored = ways[[each.tobytes() for each in turned].index(upright.tobytes())]
        target = io.BytesIO()
        stored.save(target, "JPEG", quality=95, exif=exif(orientation))
        found = looked(pool, Bad("", target.getvalue(), None, None), tmp_path)
        assert isinstance(found, Inspected)
        assert (found.width, found.height) == (80, 40)
        pool.render(tmp_path / "kept", "image/jpeg", Wish(40, None, "contain", "png", 100), tmp_path / "out")
        made = Image.open(tmp_path / "out").convert("RGB")
        red, white = made.getpixel((5, 5)), made.getpixel((35, 15))
        assert isinstance(red, tuple)
        assert (red[0] > 200, red[1] < 60) == (True, True), (orientation, red)
        assert isinstance(white, tuple)
        assert min(white) > 200, (orientation, white)


def test_grey_of_sixteen_bits_keeps_its_brightness(pool: Pool, tmp_path: Path) -> None:
    Image.new("I;16", (20, 20), 0x8000).save(tmp_path / "deep.png")
    pool.render(tmp_path / "deep.png", "image/png", Wish(10, 10, "contain", "png", 100), tmp_path / "out")
    assert Image.open(tmp_path / "out").convert("L").getpixel((5, 5)) == 0x80


def test_a_process_that_takes_too_long_is_ended_and_another_takes_its_place(tmp_path: Path) -> None:
    big = Image.effect_noise((4000, 4000), 80)
    big.save(tmp_path / "big.png")
    hasty = Pool(most_pixels=80_000_000, at_once=1, seconds=0.05)
    with pytest.raises(HubError, match="could not be looked at"):
        hasty.inspect(tmp_path / "big.png", tmp_path / "kept")
    hasty.close()
