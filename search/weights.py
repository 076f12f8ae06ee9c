"""Weights: how much each reason to show a product counts. One set for every engine, language and catalogue.

Those that matter were chosen by cross-validation over judged queries: ``hub bench relevance --cross-validate``. The
others part tiers, and only have to stand apart.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Weights:
    """Factors of BM25 by part of the text, and constant tiers.

    ``tie``: the share of a word's other parts in its score, beside its best one. ``identified``: the question is one of
    the product's numbers. ``begun``: such a number begins so. ``numbered``: a part of the question is such a number.
    ``every``: the product has all words. ``head``: it is what the question is for, by its name; ``kind``: by its product
    type or category. ``brand``: of the maker that is
    named. ``phrase``: its name has the words side by side. ``exact``: it has them in the form that was typed.
    ``joined``: it writes two words as one, or one as two. ``compound``: its name has a compound that ends in the word.
    ``parted``: the share that the parts of a compound count. ``respelled``: the share that a corrected word counts.
    """

    title: float = 5.0
    codes: float = 3.0
    labels: float = 1.0
    body: float = 2.0
    details: float = 0.5
    tie: float = 0.3
    identified: float = 10_000.0
    begun: float = 2_000.0
    numbered: float = 1_000.0
    every: float = 500.0
    head: float = 30.0
    kind: float = 20.0
    brand: float = 25.0
    phrase: float = 15.0
    exact: float = 10.0
    joined: float = 5.0
    compound: float = 3.0
    parted: float = 0.5
    respelled: float = 0.5


SHIPPED = Weights()
"""What the hub ranks by."""
