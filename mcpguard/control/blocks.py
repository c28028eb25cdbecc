"""Who and what is blocked, in the store that all proxies share: it holds while none runs, too.

One key a block. That the key is there is what blocks; what it holds is for people. Every function
blocks while the store is asked, so it is called from a worker thread or a command.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from mcpguard.errors import StoreError, UsageError
from mcpguard.model import Json, JsonObject
from mcpguard.store import ABSENT, Store

__all__ = [
    "ALONE",
    "EVERYTHING",
    "KILL",
    "KINDS",
    "PREFIX",
    "Block",
    "add",
    "as_json",
    "every",
    "remove",
]

KINDS: Final = ("principal", "tool", "server")
"""What can be blocked."""

KILL: Final = "kill"
"""The kind of a block that ends the sessions of the server it names, wherever they run."""

EVERYTHING: Final = "*"
"""The name in a `KILL` that means every server."""

PREFIX: Final = "block/"

ALONE: Final = "is blocked in this session alone"
"""What a session says that could not tell the store."""

TRIES = 16
"""Times a change is tried while others change the same key. Each that fails was somebody's turn."""

MAX_NAME = 512
"""Characters of what is blocked."""


class Block(NamedTuple):
    """`kind`: one of `KINDS`, or `KILL`. `at`: Unix seconds. `by`: who did it, if that is known."""

    kind: str
    name: str
    why: str = ""
    at: int = 0
    by: str = ""


def add(store: Store, block: Block) -> bool:
    """Whether it was not blocked before; else the block that is there stays. Raises StoreError."""
    value: JsonObject = {"why": block.why, "at": block.at, "by": block.by}
    return store.put(_key(block.kind, block.name), value, ABSENT) is not None


def remove(store: Store, kind: str, name: str) -> Block | None:
    """Ends a block; what it was, or None when there was none. Raises StoreError."""
    key = _key(kind, name)
    for _ in range(TRIES):
        held = store.get(key)
        if held is None:
            return None
        if store.delete(key, held.version) is not None:
            return _block(kind, name, held.value)
    raise StoreError(f"{kind} {name} is being changed by others", hint="try again")


def every(store: Store) -> tuple[Block, ...]:
    """All blocks, in the order of kind and name. Raises StoreError."""
    return tuple(_every(store))


def _every(store: Store) -> Iterator[Block]:
    for key, held in store.list(PREFIX).items():
        kind, _, name = key.removeprefix(PREFIX).partition("/")
        yield _block(kind, name, held.value)


def as_json(block: Block) -> JsonObject:
    """A block under its documented keys."""
    return dict(block._asdict())


def _key(kind: str, name: str) -> str:
    if kind not in {*KINDS, KILL} or not 0 < len(name) <= MAX_NAME:
        raise UsageError(
            f"{kind[:40]} of a name of {len(name)} characters cannot be blocked",
            hint=f"block one of: {', '.join(KINDS)}, with a name of 1 to {MAX_NAME} characters",
        )
    return f"{PREFIX}{kind}/{name}"


def _block(kind: str, name: str, value: Json) -> Block:
    told = value if isinstance(value, dict) else {}
    why, at, by = told.get("why"), told.get("at"), told.get("by")
    return Block(
        kind,
        name,
        why if isinstance(why, str) else "",
        at if type(at) is int else 0,
        by if isinstance(by, str) else "",
    )
