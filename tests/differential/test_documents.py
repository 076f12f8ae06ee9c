"""Documents made by chance from the schema get the same answer from both executors, and never an internal error."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hub.db import Database
from tests.differential.comparing import Pair, pair, readable
from tests.shop import LONGER

CORPUS = int(240 * LONGER)
"""Questions that are the same on every run."""
NEW = int(40 * LONGER)
"""Questions that hypothesis draws, and shrinks where one fails."""


@pytest.fixture(scope="module")
def both(module_database: Database) -> Iterator[Pair]:
    with pair(module_database) as opened:
        yield opened


@pytest.mark.soak
def test_a_fixed_corpus_gets_the_same_answers(both: Pair) -> None:
    for seed in range(CORPUS):
        both.check(*both.draw(Random(seed), known=both.reached))
    print(both.summary())
    assert both.counts["asked"] - both.counts["with errors"] - both.counts["never begun"] > CORPUS / 3
    missed = readable() - both.reached
    assert len(missed) < len(readable()) / 4, sorted(missed)


@pytest.mark.soak
@settings(
    max_examples=NEW,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    database=None,
)
@given(chance=st.randoms(use_true_random=False))
def test_new_documents_get_the_same_answers(both: Pair, chance: Random) -> None:
    both.check(*both.draw(chance))
