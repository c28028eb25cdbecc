"""Keyed state that many proxies share: leases of limits, small values, counters.

Every call blocks, so it is made from a worker thread, never on a message's way. A store may be used
by many threads at once, and not after a fork. Whatever cannot be done raises StoreError.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import orjson

from mcpguard.errors import StoreError
from mcpguard.model import Json
from mcpguard.store.ledger import Grant, Limit

__all__ = [
    "ABSENT",
    "BACKENDS",
    "MAX_COUNT",
    "MAX_KEY",
    "MAX_VALUE",
    "Store",
    "Value",
    "check_amount",
    "check_key",
    "check_prefix",
    "packed",
]

ABSENT = 0
"""The version of a key that holds nothing."""

MAX_KEY = 1024
"""Characters. A level, a server, a principal and a tool; longer is not a name."""

MAX_VALUE = 65536
"""Bytes of JSON. A score, a block, a grant; larger things belong in a file."""

MAX_COUNT = 2**53 - 1
"""Where a counter stays: Lua's numbers are exact up to here, and it never begins again at 0."""


class Value(NamedTuple):
    """`version` grows with every change of anything in the store, so it never comes twice."""

    value: Json
    version: int


class Store(Protocol):
    """Every method is atomic over all threads, processes and machines that share the store."""

    def take(self, key: str, limit: Limit, units: int, ttl: int) -> Grant:
        """Leases 0 to `units` of `limit`; they may be used within `ttl` ms of the asking.

        Never more than the limit over all takers, whatever they do with their leases. A key
        belongs to one kind and window; its amount may change.
        """

    def give_back(self, key: str, limit: Limit, lease: str, unused: int) -> None:
        """Ends a lease: `unused` units are free again, the others were used until now.

        A second time, or after the units counted no more, it changes nothing.
        """

    def get(self, key: str) -> Value | None:
        """None when there is no such key."""

    def put(self, key: str, value: Json, expected: int) -> int | None:
        """The new version, or None when the key's version is not `expected` (`ABSENT`: no key)."""

    def delete(self, key: str, expected: int) -> int | None:
        """The store's new version, or None when the key's version is not `expected`."""

    def list(self, prefix: str) -> dict[str, Value]:
        """All keys that begin with `prefix`, in order, as they are at one moment."""

    def version(self) -> int:
        """Of the latest put or delete of any key: the cheap question whether to list again."""

    def add(self, counter: str, by: int, most: int = MAX_COUNT) -> int | None:
        """The new count, or None and no change when it would be above `most`."""

    def counts(self, prefix: str) -> dict[str, int]:
        """All counters that begin with `prefix` and are not 0, in order."""

    def reset(self, counter: str) -> int:
        """Sets a counter to 0. What it was."""

    def close(self) -> None:
        """Whatever is called later raises StoreError."""


def _memory(where: str) -> Store:
    from mcpguard.store.memory import MemoryStore

    if where:
        raise StoreError("the memory store has no place", hint="leave out the store's location")
    return MemoryStore()


def _sqlite(where: str) -> Store:
    from mcpguard.store.sqlite import SqliteStore

    return SqliteStore(Path(where))


def _redis(where: str) -> Store:
    try:
        from mcpguard.store.redis import RedisStore
    except ImportError as error:
        raise StoreError(
            "the Redis store needs the package redis: install mcpguard-daemon[redis]",
            hint="or set another store.backend",
        ) from error
    return RedisStore(where)


BACKENDS: Mapping[str, Callable[[str], Store]] = {
    "memory": _memory,
    "sqlite": _sqlite,
    "redis": _redis,
}
"""Name -> opens the store at a place: nothing, a file, a `redis://`, `rediss://`, `unix://` URL."""


def check_key(key: str) -> None:
    """Raises StoreError for a key that is empty or not a prefix."""
    if not key:
        raise StoreError("a key is empty", hint="use another name")
    check_prefix(key)


def check_prefix(prefix: str) -> None:
    """Raises StoreError for what is too long, or not the same text in every backend."""
    if len(prefix) > MAX_KEY:
        raise StoreError(
            f"a key of {len(prefix)} characters, at most {MAX_KEY} are kept", hint="shorten it"
        )
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in prefix):
        raise StoreError("a key holds NUL or half a character", hint="use another name")


def check_amount(by: int) -> None:
    """Raises StoreError for what a counter cannot grow by."""
    if not 0 <= by <= MAX_COUNT:
        raise StoreError(f"a counter cannot grow by {by}", hint="counters go up, or are reset")


def packed(value: Json) -> bytes:
    """JSON bytes of `value`. Raises StoreError when another reader would read something else."""
    try:
        raw = orjson.dumps(value)
        same = orjson.loads(raw) == value
    except (TypeError, ValueError) as error:
        raise StoreError(f"a value is not JSON: {error}", hint="store plain values") from error
    if not same or len(raw) > MAX_VALUE:
        raise StoreError(
            f"a value of {len(raw)} bytes is over {MAX_VALUE} or does not come back the same",
            hint="store smaller, plain values",
        )
    return raw
