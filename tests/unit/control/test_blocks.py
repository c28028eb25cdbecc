"""Blocks in the shared store: that the key is there is what counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.control import blocks
from mcpguard.control.blocks import Block
from mcpguard.control.operations import KINDS
from mcpguard.errors import StoreError, UsageError
from mcpguard.model import Json
from mcpguard.store import ABSENT
from mcpguard.store.memory import MemoryStore

ONE = Block("tool", "rm", "drill", 1_800_000_000, "somebody")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_the_first_block_stays_until_it_is_removed_once(store: MemoryStore) -> None:
    assert blocks.add(store, ONE)
    assert not blocks.add(store, ONE._replace(why="another"))
    assert blocks.every(store) == (ONE,)
    assert blocks.remove(store, "tool", "rm") == ONE
    assert blocks.remove(store, "tool", "rm") is None
    assert blocks.every(store) == ()


@pytest.mark.guarantee("control:blocks-outlive-sessions")
@pytest.mark.parametrize("value", [None, 1, "x", [], {"why": 1, "at": True, "by": []}])
def test_a_block_whose_value_somebody_spoiled_still_blocks(store: MemoryStore, value: Json) -> None:
    store.put("block/tool/rm", value, ABSENT)
    assert blocks.every(store) == (Block("tool", "rm"),)
    assert not blocks.add(store, ONE)


@pytest.mark.parametrize(
    ("kind", "name"), [("all", "x"), ("", "x"), ("tool/x", "y"), ("tool", ""), ("tool", "x" * 513)]
)
def test_what_cannot_be_named_is_not_blocked(store: MemoryStore, kind: str, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be blocked"):
        blocks.add(store, Block(kind, name))


@given(st.sets(st.tuples(st.sampled_from(KINDS), st.text("a/%. \u2028b", min_size=1, max_size=6))))
def test_blocks_are_apart_whatever_their_names_hold(named: set[tuple[str, str]]) -> None:
    store = MemoryStore()
    for kind, name in named:
        assert blocks.add(store, Block(kind, name))
    assert {(each.kind, each.name) for each in blocks.every(store)} == named


def test_a_store_that_is_down_raises(store: MemoryStore) -> None:
    store.close()
    for ask in (blocks.every, lambda store: blocks.add(store, ONE)):
        with pytest.raises(StoreError):
            ask(store)
