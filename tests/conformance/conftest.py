"""What every rule needs: a hub, and samples of its nouns."""

from __future__ import annotations

import pytest

from tests.conformance.sample import Sampler
from tests.running import Server


@pytest.fixture(scope="module")
def sampler(module_server: Server) -> Sampler:
    made = Sampler(module_server)
    made.open()
    return made
