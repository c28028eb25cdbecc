"""The first seed of every target: 0, or what `--hypothesis-seed` says."""

import pytest


@pytest.fixture
def first(request: pytest.FixtureRequest) -> int:
    """Every round of the fuzz gate passes another one; a failure names the seed it came to."""
    given = request.config.getoption("hypothesis_seed", default=None)
    return int(given) if given is not None and str(given).isdecimal() else 0
