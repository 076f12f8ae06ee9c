"""What the hub measures: one module or package a bench, found by ``hub bench``."""

from collections.abc import Callable, Mapping
from typing import Any

Figures = Mapping[str, Any]
"""What was measured, by name: a number, or a text where a figure needs words."""

Tell = Callable[[int, int | None], None]
"""How far a bench is: done, of how many; null while that is unknown."""
