"""Pictures of the shop's things: each kind is drawn in some designs and all its colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from hub.demo import chance
from hub.demo.colour import BY_CODE
from hub.demo.sheet import INK, SIDE, Paint, Sheet, shade

__all__ = ["SIDE", "draw"]

GROUNDS: tuple[Paint, ...] = ((244, 238, 228), (232, 238, 240), (240, 234, 238), (234, 240, 230))
STEEL: Paint = (188, 192, 196)


def draw(path: Path) -> None:
    """Draw one picture; its file's name says what of (``cup-03-white.webp``)."""
    kind, design, colour = path.stem.split("-")
    look = chance.of("drawing", kind, design)
    ground = look.choice(GROUNDS)
    sheet = Sheet(ground)
    sheet.block((0, 74, 100, 100), shade(ground, -0.05))
    sheet.oval((18, 76, 82, 88), shade(ground, -0.14))
    _DRAWN[kind](sheet, look, BY_CODE[colour].paint)
    sheet.save(path)


def _bag(sheet: Sheet, look: Random, paint: Paint) -> None:
    half = look.uniform(18, 24)
    left, right, top = 50 - half, 50 + half, look.uniform(16, 26)
    sheet.block((left, top + 4, right, 84), paint, 3)
    sheet.shape([(right - 7, top + 6), (right, top + 4), (right, 82), (right - 7, 84)], shade(paint, -0.18))
    sheet.block((left - 1, top, right + 1, top + 9), shade(paint, -0.28), 2)
    label = shade(paint, 0.82)
    sheet.block((left + 6, 42, right - 10, 70), label, 2)
    sheet.oval((44, 47, 54, 61), INK)
    sheet.stroke([(50, 47), (47.5, 54), (50, 61)], label, 1)
    sheet.stroke([(left + 9, 65), (right - 13, 65)], shade(INK, 0.4), 1.2)


def _tin(sheet: Sheet, look: Random, paint: Paint) -> None:
    half, top = look.uniform(17, 23), look.uniform(26, 36)
    left, right = 50 - half, 50 + half
    sheet.oval((left, 77, right, 88), shade(paint, -0.2))
    sheet.block((left, top, right, 83), paint)
    sheet.block((right - 8, top, right, 83), shade(paint, -0.14))
    sheet.block((left, 50, right, 66), shade(paint, 0.75))
    sheet.shape([(50, 52), (57, 58), (50, 64), (43, 58)], (92, 128, 84))
    sheet.block((left - 1, top - 8, right + 1, top + 2), shade(paint, -0.3), 1)
    sheet.oval((left - 1, top - 13, right + 1, top - 3), shade(paint, -0.12))
    sheet.oval((left + 3, top - 11.5, right - 3, top - 5), shade(paint, 0.1))


def _cup(sheet: Sheet, look: Random, paint: Paint) -> None:
    half, top = look.uniform(18, 25), look.uniform(34, 46)
    left, right, foot = 50 - half, 50 + half, half * look.uniform(0.55, 0.85)
    if chance.happens(look, 0.6):
        sheet.oval((50 - half - 12, 76, 50 + half + 12, 88), shade(paint, -0.1))
        sheet.oval((50 - half - 6, 77.5, 50 + half + 6, 85), shade(paint, 0.15))
    sheet.ring((right - 6, top + 8, right + 13, top + 27), shade(paint, -0.16), 4)
    sheet.shape([(left, top), (right, top), (50 + foot, 80), (50 - foot, 80)], paint)
    sheet.oval((50 - foot, 76, 50 + foot, 84), shade(paint, -0.1))
    sheet.shape([(right - 9, top), (right, top), (50 + foot, 80), (50 + foot - 6, 80)], shade(paint, -0.1))
    if chance.happens(look, 0.5):
        sheet.block((left + 3, top + 14, right - 3, top + 18), shade(paint, -0.3))
    sheet.oval((left, top - 6, right, top + 6), shade(paint, 0.25))
    sheet.oval((left + 3, top - 4, right - 3, top + 4.5), (92, 58, 38))
    sheet.oval((left + 7, top - 1.5, right - 12, top + 3), (150, 104, 66))


def _machine(sheet: Sheet, look: Random, paint: Paint) -> None:
    half, top = look.uniform(24, 30), look.uniform(20, 28)
    left, right = 50 - half, 50 + half
    sheet.block((left, 76, right, 86), shade(paint, -0.25), 2)
    sheet.block((left, top + 6, left + 20, 80), shade(paint, -0.1), 2)
    sheet.block((left, top, right, top + 22), paint, 4)
    sheet.block((left + 3, top + 18, right, top + 22), shade(paint, -0.2))
    sheet.oval((left + 5, top + 5, left + 17, top + 17), shade(STEEL, 0.5))
    sheet.stroke([(left + 11, top + 11), (left + 14, top + 7)], INK, 1)
    sheet.block((right - 22, top + 22, right - 8, top + 28), STEEL, 1)
    sheet.block((right - 16, top + 25, right + 10, top + 28), INK, 1.5)
    if chance.happens(look, 0.5):
        sheet.stroke([(right - 15, top), (right - 11, top - 16)], STEEL, 2)
        sheet.oval((right - 14, top - 20, right - 8, top - 14), INK)
    sheet.block((right - 21, 62, right - 9, 76), shade(STEEL, 0.6), 2)
    sheet.block((left + 22, 74, right, 77), STEEL)


def _shirt(sheet: Sheet, look: Random, paint: Paint) -> None:
    sleeve = look.choice((46, 50, 68))
    dark = shade(paint, -0.14)
    sheet.shape([(34, 20), (12, sleeve - 8), (23, sleeve), (38, 38)], dark)
    sheet.shape([(66, 20), (88, sleeve - 8), (77, sleeve), (62, 38)], dark)
    sheet.shape([(33, 20), (67, 20), (70, 84), (30, 84)], paint)
    sheet.shape([(42, 18), (58, 18), (50, 32)], shade(paint, -0.4))
    sheet.shape([(40, 17), (50, 31), (44, 35), (35, 21)], shade(paint, 0.2))
    sheet.shape([(60, 17), (50, 31), (56, 35), (65, 21)], shade(paint, 0.2))
    sheet.stroke([(50, 33), (50, 84)], shade(paint, -0.22), 0.8)
    for height in range(40, 82, 9):
        sheet.oval((48.9, height, 51.1, height + 2.2), shade(paint, 0.6))
    if chance.happens(look, 0.6):
        sheet.block((55, 42, 65, 53), shade(paint, -0.08), 1)
        sheet.block((55, 42, 65, 44.5), shade(paint, -0.2), 0.5)


def _shoe(sheet: Sheet, look: Random, paint: Paint) -> None:
    high = look.choice((26, 34, 42))
    sheet.shape([(16, high), (40, high - 2), (46, 58), (14, 72)], paint)
    sheet.shape([(16, 52), (44, 50), (66, 60), (84, 66), (88, 75), (14, 75)], paint)
    sheet.oval((64, 58, 90, 86), shade(paint, -0.1))
    sheet.block((12, 75, 91, 88), shade(paint, 0), 3)
    sheet.block((12, 75, 91, 83), (246, 242, 234), 4)
    sheet.block((12, 80, 91, 83), (170, 132, 96), 1)
    sheet.oval((15, high - 4, 41, high + 4), shade(paint, -0.4))
    for step in range(4):
        at = (42 + step * 6, high + 12 + step * (52 - high) / 5)
        sheet.stroke([(at[0] - 5, at[1] + 3), (at[0] + 4, at[1] - 2)], (250, 248, 244), 1.4)
    sheet.shape([(14, 60), (24, 58), (24, 75), (13, 75)], shade(paint, -0.22))


def _lamp(sheet: Sheet, look: Random, paint: Paint) -> None:
    wide, top, lean = look.uniform(15, 24), look.uniform(16, 24), look.uniform(-8, 8)
    crown = look.uniform(6, 12)
    low = top + look.uniform(18, 26)
    middle = 50 + lean
    sheet.shape([(middle - wide, low), (middle + wide, low), (82, 80), (18, 80)], (252, 240, 206))
    sheet.stroke([(middle, low - 6), (50, 56), (50, 82)], INK, 2)
    sheet.oval((36, 78, 64, 87), shade(paint, -0.3))
    sheet.oval((36, 76, 64, 84), shade(paint, -0.1))
    sheet.oval((middle - 5, low - 4, middle + 5, low + 6), (255, 224, 140))
    sheet.shape(
        [(middle - crown, top), (middle + crown, top), (middle + wide, low), (middle - wide, low)], paint
    )
    sheet.shape(
        [(middle + crown - 4, top), (middle + crown, top), (middle + wide, low), (middle + wide - 8, low)],
        shade(paint, -0.14),
    )


def _stationery(sheet: Sheet, look: Random, paint: Paint) -> None:
    left, top, right, low = look.uniform(24, 30), look.uniform(16, 24), look.uniform(70, 76), 84.0
    sheet.block((left + 3, top + 2, right + 3, low + 2), (250, 246, 236), 2)
    sheet.block((left, top, right, low), paint, 3)
    sheet.block((left, top, left + 6, low), shade(paint, -0.22), 2)
    sheet.block((left + 14, top + 12, right - 10, top + 26), shade(paint, 0.8), 1.5)
    sheet.stroke([(left + 18, top + 17), (right - 14, top + 17)], shade(INK, 0.3), 1)
    sheet.stroke([(left + 18, top + 21), (right - 22, top + 21)], shade(INK, 0.5), 1)
    if chance.happens(look, 0.6):
        sheet.block((right - 6, top, right - 4, low), shade(paint, -0.45))
    if chance.happens(look, 0.6):
        sheet.shape(
            [
                (left + 24, low),
                (left + 28, low),
                (left + 28, low + 8),
                (left + 26, low + 5),
                (left + 24, low + 8),
            ],
            (190, 62, 56),
        )


_DRAWN: dict[str, Callable[[Sheet, Random, Paint], None]] = {
    "coffee": _bag,
    "tea": _tin,
    "cup": _cup,
    "machine": _machine,
    "shirt": _shirt,
    "shoe": _shoe,
    "lamp": _lamp,
    "stationery": _stationery,
}
