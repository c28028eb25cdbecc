"""The state of one process: for tests, for one proxy alone, and when another store is lost."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import orjson

from mcpguard.errors import StoreError
from mcpguard.model import Json
from mcpguard.store import ABSENT, MAX_COUNT, Value, check_amount, check_key, check_prefix, packed
from mcpguard.store.clock import Clock, advanced, here
from mcpguard.store.ledger import LEDGERS, Grant, Ledger, Limit, check

__all__ = ["SWEEP", "MemoryStore"]

SWEEP = 1024
"""Takes after which ledgers that say nothing any more are looked for."""


class _Kept(NamedTuple):
    ledger: Ledger
    limit: Limit


class MemoryStore:
    """A `Store` of one process. Ends with it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._lock = threading.Lock()
        self._clock = clock or here()
        self._last = self._clock()
        self._now = 0
        self._takes = 0
        self._version = 0
        self._closed = False
        self._ledgers: dict[str, _Kept] = {}
        self._values: dict[str, tuple[bytes, int]] = {}
        self._counters: dict[str, int] = {}

    def take(self, key: str, limit: Limit, units: int, ttl: int) -> Grant:
        check_key(key)
        check(limit, units, ttl)
        with self._held():
            now = self._time()
            self._sweep(now)
            ledger = self._ledger(key, limit, now)
            return ledger.take(limit, os.urandom(8).hex(), units, ttl, now)

    def give_back(self, key: str, limit: Limit, lease: str, unused: int) -> None:
        check_key(key)
        check(limit, 1, 1)
        with self._held():
            if key in self._ledgers:
                now = self._time()
                self._ledger(key, limit, now).give_back(limit, lease, unused, now)

    def get(self, key: str) -> Value | None:
        check_key(key)
        with self._held():
            raw, version = self._values.get(key, (b"", ABSENT))
        return None if version == ABSENT else Value(orjson.loads(raw), version)

    def put(self, key: str, value: Json, expected: int) -> int | None:
        check_key(key)
        raw = packed(value)
        with self._held():
            if not self._is_at(key, expected):
                return None
            self._version += 1
            self._values[key] = (raw, self._version)
            return self._version

    def delete(self, key: str, expected: int) -> int | None:
        check_key(key)
        with self._held():
            if not self._is_at(key, expected) or key not in self._values:
                return None
            self._version += 1
            del self._values[key]
            return self._version

    def list(self, prefix: str) -> dict[str, Value]:
        check_prefix(prefix)
        with self._held():
            rows = sorted(row for row in self._values.items() if row[0].startswith(prefix))
        return {key: Value(orjson.loads(raw), version) for key, (raw, version) in rows}

    def version(self) -> int:
        with self._held():
            return self._version

    def add(self, counter: str, by: int, most: int = MAX_COUNT) -> int | None:
        check_key(counter)
        check_amount(by)
        with self._held():
            count = self._counters.get(counter, 0) + by
            if count > min(most, MAX_COUNT):
                return None
            self._counters[counter] = count
            return count

    def counts(self, prefix: str) -> dict[str, int]:
        check_prefix(prefix)
        with self._held():
            rows = sorted(self._counters.items())
        return {key: count for key, count in rows if count and key.startswith(prefix)}

    def reset(self, counter: str) -> int:
        check_key(counter)
        with self._held():
            return self._counters.pop(counter, 0)

    def close(self) -> None:
        with self._lock:
            self._closed = True

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise StoreError("the memory store is closed", hint="open another one")
            yield

    def _time(self) -> int:
        seen = self._clock()
        self._now = advanced(self._now, self._last, seen)
        self._last = seen
        return self._now

    def _ledger(self, key: str, limit: Limit, now: int) -> Ledger:
        kept = self._ledgers.get(key)
        if kept is None:
            kept = _Kept(LEDGERS[limit.kind](limit, now), limit)
        elif (kept.ledger.kind, kept.ledger.window) != (limit.kind, limit.window):
            raise other_limit(key)
        self._ledgers[key] = _Kept(kept.ledger, limit)
        return kept.ledger

    def _sweep(self, now: int) -> None:
        self._takes += 1
        if self._takes % SWEEP:
            return
        ledgers = self._ledgers.items()
        for key in [key for key, kept in ledgers if kept.ledger.idle(kept.limit, now) <= now]:
            del self._ledgers[key]

    def _is_at(self, key: str, expected: int) -> bool:
        return self._values.get(key, (b"", ABSENT))[1] == expected


def other_limit(key: str) -> StoreError:
    """A key was counted in one way and is asked for in another."""
    return StoreError(
        f"{key!r} was counted with another window or kind of limit",
        hint="put the kind and the window into the key",
    )
