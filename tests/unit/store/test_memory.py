"""What is memory's own: it has no place, and forgets what says nothing any more."""

import pytest

from mcpguard.errors import StoreError
from mcpguard.store import BACKENDS
from mcpguard.store.ledger import Kind, Limit
from mcpguard.store.memory import SWEEP, MemoryStore
from tests.unit.store.backends import Hands


def test_it_is_nowhere() -> None:
    store = BACKENDS["memory"]("")
    assert store.take("k", Limit(3, 1000), 9, 100).units == 3
    with pytest.raises(StoreError, match="no place"):
        BACKENDS["memory"]("/srv/store.db")


@pytest.mark.parametrize("kind", Kind)
def test_sweeping_changes_nothing_that_anybody_can_see(kind: Kind) -> None:
    clock = Hands()
    store = MemoryStore(clock)
    limit = Limit(5, 1000, kind)
    for number in range(3 * SWEEP):
        assert store.take(f"k{number}", limit, 9, 100).units == 5
        assert store.take(f"k{number}", limit, 9, 100).units == 0
        clock.go(1)
    latest = [store.take(f"k{number}", limit, 9, 100).units for number in range(3 * SWEEP)]
    assert latest[: 2 * SWEEP - 200] == [5] * (2 * SWEEP - 200)
    assert latest[-900:] == [0] * 900 if kind is Kind.SLIDING else latest[-1] == 0
