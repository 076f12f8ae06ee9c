"""The colours that the shop's things come in."""

from __future__ import annotations

from dataclasses import dataclass

from hub.demo.text import Texts, texts


@dataclass(frozen=True)
class Colour:
    """A colour: its option code, its name, and how it is drawn."""

    code: str
    name: Texts
    paint: tuple[int, int, int]


ALL = (
    Colour("white", texts("White", "Weiß", "Blanc"), (238, 234, 226)),
    Colour("black", texts("Black", "Schwarz", "Noir"), (48, 47, 52)),
    Colour("red", texts("Red", "Rot", "Rouge"), (190, 62, 56)),
    Colour("blue", texts("Blue", "Blau", "Bleu"), (58, 98, 158)),
    Colour("green", texts("Green", "Grün", "Vert"), (84, 134, 96)),
    Colour("yellow", texts("Yellow", "Gelb", "Jaune"), (230, 180, 72)),
    Colour("sand", texts("Sand", "Sand", "Sable"), (206, 178, 140)),
    Colour("grey", texts("Grey", "Grau", "Gris"), (140, 144, 150)),
    Colour("mint", texts("Mint", "Minze", "Menthe"), (150, 204, 184)),
    Colour("copper", texts("Copper", "Kupfer", "Cuivre"), (184, 112, 76)),
)
BY_CODE = {colour.code: colour for colour in ALL}
