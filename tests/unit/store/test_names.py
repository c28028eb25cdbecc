"""The registry of names: what is remembered of each lockfile, in every kind of store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.errors import StoreError
from mcpguard.store import Store, names
from mcpguard.store.memory import MemoryStore
from mcpguard.store.names import Named, Registered
from mcpguard.store.sqlite import SqliteStore


def row(
    lock: str = "/a.json", digest: str = "d", count: int = 2, text: str = "Reads."
) -> Registered:
    items = tuple(Named("tools", f"t{number}", text) for number in range(count))
    return Registered("files", "@scope", lock, digest, "c", items)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    file = tmp_path / "names.db"
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore(file)
    yield made
    made.close()


def test_what_is_registered_is_read_back_and_written_once(store: Store) -> None:
    assert names.read(store) == []
    assert names.register(store, row())
    assert not names.register(store, row())
    assert names.register(store, row("/b.json"))
    assert sorted(names.read(store), key=lambda each: each.lock) == [row(), row("/b.json")]


def test_a_lockfile_that_changed_replaces_what_was_known_of_it(store: Store) -> None:
    names.register(store, row(count=400, text="é" * 2000))
    assert names.register(store, row(digest="e", count=1))
    assert names.read(store) == [row(digest="e", count=1)]
    assert len(store.list("name-items/")) == 1
    names.forget(store, "/a.json")
    assert names.read(store) == []


def test_a_server_with_much_to_say_is_kept_in_parts(store: Store) -> None:
    names.register(store, row(count=400, text="é" * 2000))
    (read,) = names.read(store)
    assert [each.name for each in read.items] == [f"t{number}" for number in range(400)]
    assert {each.description for each in read.items} == {"é" * names.MAX_DESCRIPTION}


def test_the_registry_does_not_grow_without_end() -> None:
    store = MemoryStore()
    for number in range(names.MAX_SERVERS):
        names.register(store, row(f"/{number}", count=0))
    with pytest.raises(StoreError, match="500 servers"):
        names.register(store, row("/more"))
    names.register(store, row("/0", digest="new"))


@given(st.text(max_size=300), st.text(max_size=50))
def test_any_name_and_description_can_be_kept(name: str, text: str) -> None:
    store = MemoryStore()
    items = (Named("tools", name, text + "\ud800"),)
    names.register(store, Registered("s", "", "/l", "d", "c", items))
    (read,) = names.read(store)
    assert read.items[0].name == name[: names.MAX_NAME]


def test_what_another_program_wrote_is_read_as_little(store: Store) -> None:
    names.register(store, row())
    store.put("name-server/x", [1], 0)
    store.put("name-items/x/0000", {"a": 1}, 0)
    assert [each.server for each in names.read(store)] == ["files", ""]
