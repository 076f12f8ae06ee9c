"""One product of the shop, as far as everything else depends on it: its kind, name, variants and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import product as crossed

from hub import gtin
from hub.demo import chance
from hub.demo.colour import BY_CODE
from hub.demo.kind import SERIES, Kind
from hub.demo.text import Texts, texts
from hub.demo.wares import KINDS

DESIGNS = 12
"""How many drawings there are of a kind, in every colour."""

WRAPPERS = ("sand", "black", "red", "green", "blue", "yellow")


@dataclass(frozen=True)
class Choice:
    """One variant: its SKU, what it chose on each axis, and its price in the web shop in euros."""

    sku: str
    gtin: str
    picks: dict[str, str]
    euros: Decimal


@dataclass(frozen=True)
class Picture:
    """One picture: the code of its asset, its file's name, and what it shows."""

    code: str
    file: str
    colour: str
    alt: Texts


@dataclass(frozen=True)
class Item:
    """Product ``number`` of the shop, from 0. The first one of every kind has nothing missing."""

    number: int

    @cached_property
    def kind(self) -> Kind:
        """What it is."""
        return KINDS[self.number % len(KINDS)]

    @property
    def rank(self) -> int:
        """Its place among those of its kind."""
        return self.number // len(KINDS)

    def every(self, nth: int, *, at: int) -> bool:
        """Whether it is one of those that something is wrong with on purpose: each ``nth``, from ``at`` on."""
        return self.rank > 0 and chance.each(nth, self.number, at=at)

    @cached_property
    def name(self) -> Texts:
        """What it is called."""
        if self.rank == 0:
            return self.kind.first.name
        series = SERIES[self.rank % len(SERIES)]
        phrases = self.kind.phrases
        phrase = phrases[self.rank // len(SERIES) % len(phrases)]
        edition = self.rank // (len(SERIES) * len(phrases))
        last = f" {edition + 1}" if edition else ""
        noun = self.kind.noun
        return texts(
            f"{series} {noun['en']}, {phrase['en']}{last}",
            f"{noun['de']} {series}, {phrase['de']}{last}",
            f"{noun['fr']} {series}, {phrase['fr']}{last}",
        )

    @property
    def slug(self) -> str:
        """Its address in the shops: the English name."""
        if self.rank == 0:
            return self.kind.first.slug
        words = "".join(letter if letter.isalnum() else " " for letter in self.name["en"].lower())
        return "-".join(words.split())

    @property
    def stem(self) -> str:
        """How its SKUs begin."""
        return self.kind.first.stem if self.rank == 0 else f"{self.kind.stem}-{self.rank:04d}"

    @cached_property
    def choices(self) -> list[Choice]:
        """Its variants, in the shop's order."""
        taken = [self._taken(axis, codes, most) for axis, codes, most in self.kind.axes]
        names = [axis for axis, _, _ in self.kind.axes]
        return [
            self._choice(at, dict(zip(names, picks, strict=True))) for at, picks in enumerate(crossed(*taken))
        ]

    def _taken(self, axis: str, codes: tuple[str, ...], most: int) -> list[str]:
        draw = chance.of("axis", self.number, axis)
        if self.rank == 0:
            return list(codes[:most])
        count = draw.randint(max(1, most - 1), most)
        return sorted(draw.sample(codes, count), key=codes.index)

    def _choice(self, at: int, picks: dict[str, str]) -> Choice:
        sku = "-".join((self.stem, *(_short(pick) for pick in picks.values())))
        digits = f"20{self.number:07d}{at:03d}"
        return Choice(sku, digits + gtin.check_digit(digits), picks, self._euros(picks))

    def _euros(self, picks: dict[str, str]) -> Decimal:
        """The price: bags by weight, with something off for the large ones; everything else one price."""
        low, high = self.kind.price
        base = chance.of("price", self.number).randint(low, high)
        times = {"250 g": 1, "500 g": 2, "1 kg": 4, "100 g": 1}.get(picks.get("net_weight", ""), 1)
        whole = Decimal(base * times) * (Decimal("0.9") if times > 1 else 1)
        return Decimal(int(whole)) + Decimal("0.90")

    @property
    def colours(self) -> list[str]:
        """The colours it comes in; for a bag, that of its wrapper."""
        chosen = dict.fromkeys(choice.picks["colour"] for choice in self.choices if "colour" in choice.picks)
        return list(chosen) or [chance.of("wrapper", self.number).choice(WRAPPERS)]

    @cached_property
    def pictures(self) -> list[Picture]:
        """One picture for each colour. Every thirteenth product has none yet."""
        if self.every(13, at=9):
            return []
        design = chance.of("design", self.number).randrange(DESIGNS)
        return [self._picture(design, colour) for colour in self.colours]

    def _picture(self, design: int, colour: str) -> Picture:
        said = BY_CODE[colour].name
        alt = {locale: f"{name} – {said[locale]}" for locale, name in self.name.items()}
        return Picture(f"{self.slug}-{colour}", f"{self.kind.code}-{design:02d}-{colour}.webp", colour, alt)


def _short(pick: str) -> str:
    return pick.replace(" ", "").upper()
