"""A sheet to draw on: a hundred units wide and high, whatever its size in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

Paint = tuple[int, int, int]
Box = tuple[float, float, float, float]

SIDE = 400
"""Width and height of a finished picture in pixels."""

FINENESS = 2
"""How many pixels are drawn for each one kept, so that edges come out smooth."""

INK: Paint = (58, 50, 46)


def shade(paint: Paint, by: float) -> Paint:
    """The paint lighter (``by`` above 0, 1 is white) or darker (below 0, -1 is black)."""
    goal = 255 if by > 0 else 0
    red, green, blue = (round(part + (goal - part) * abs(by)) for part in paint)
    return red, green, blue


class Sheet:
    """One drawing in the making. All measures are in units of the sheet."""

    def __init__(self, ground: Paint) -> None:
        self._pixels = SIDE * FINENESS
        self._image = Image.new("RGB", (self._pixels, self._pixels), ground)
        self._pen = ImageDraw.Draw(self._image)

    def oval(self, box: Box, paint: Paint) -> None:
        """A filled ellipse."""
        self._pen.ellipse(self._scaled(box), fill=paint)

    def ring(self, box: Box, paint: Paint, width: float) -> None:
        """The outline of an ellipse."""
        self._pen.ellipse(self._scaled(box), outline=paint, width=self._length(width))

    def block(self, box: Box, paint: Paint, corner: float = 0) -> None:
        """A filled rectangle with round corners."""
        self._pen.rounded_rectangle(self._scaled(box), self._length(corner), fill=paint)

    def shape(self, points: Sequence[tuple[float, float]], paint: Paint) -> None:
        """A filled polygon."""
        self._pen.polygon([self._scaled(point) for point in points], fill=paint)

    def stroke(self, points: Sequence[tuple[float, float]], paint: Paint, width: float) -> None:
        """A line through the points."""
        self._pen.line([self._scaled(point) for point in points], paint, self._length(width), joint="curve")

    def save(self, path: Path) -> None:
        """Write the picture as WebP; a reader never finds half of it."""
        image = self._image.reduce(FINENESS)
        part = path.with_suffix(".part")
        image.save(part, format="WEBP", quality=82, method=2)
        part.replace(path)

    def _scaled(self, numbers: Sequence[float]) -> tuple[float, ...]:
        return tuple(number * self._pixels / 100 for number in numbers)

    def _length(self, units: float) -> int:
        return max(1, round(units * self._pixels / 100))
