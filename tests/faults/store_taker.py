"""A process of its own that takes units as fast as it can, for tests that kill it or its store.

`python store_taker.py NAME PLACE TAKES SEED`: waits for a line on stdin, then makes TAKES takes of
the limits below, and goes on until its stdin ends. It uses what it gets at once or a little later,
and sometimes gives the rest back. It writes a line for every use, `KEY MILLISECONDS UNITS`, for
every take that failed, `lost MS 0`, and `done 0 0` at its end.
"""

import os
import random
import select
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from mcpguard.errors import StoreError
from mcpguard.store import Store
from mcpguard.store.clock import uptime
from mcpguard.store.ledger import Kind, Limit
from mcpguard.store.redis import RedisStore
from mcpguard.store.sqlite import SqliteStore
from tests.waiting import PATIENCE

STORES: dict[str, Callable[[str], Store]] = {
    "sqlite": lambda place: SqliteStore(Path(place), busy=PATIENCE),
    "redis": lambda place: RedisStore(f"{place}?socket_timeout={PATIENCE}"),
}
"""A store that is slow because the machine is must not be one that is lost."""

LIMITS = {
    "few": Limit(7, 1_000),
    "short": Limit(40, 50),
    "many": Limit(300, 400),
    "bucket": Limit(30, 300, Kind.BUCKET),
    "burst": Limit(200, 2_000, Kind.BUCKET, burst=20),
    "day": Limit(500, 86_400_000),
}
TTL = 30
"""Milliseconds a lease lasts, at least."""

TAKES_LONG = 8
"""Takes that a lease lasts: on a slow machine, too, most of what is got is used."""


def now() -> float:
    return uptime() * 1000


class Taker:
    """`held`: the leases not used up, each with what is needed to use it or give it back.

    `took`: milliseconds of the latest take.
    """

    def __init__(self, store: Store, seed: int) -> None:
        self.store = store
        self.chance = random.Random(seed)
        self.held: list[tuple[str, str, int, float]] = []
        self.took = 0.0

    def ttl(self, limit: Limit) -> int:
        """More for `day`, whose units do not come back: nobody is to be late for them."""
        return max(TTL, limit.window // 1000, round(TAKES_LONG * self.took))

    def take(self) -> None:
        key = self.chance.choice(list(LIMITS))
        asked = now()
        ttl = self.ttl(LIMITS[key])
        grant = self.store.take(key, LIMITS[key], self.chance.randint(1, 6), ttl)
        self.took = now() - asked
        if grant.units:
            self.held.append((key, grant.lease, grant.units, asked + grant.ttl))
        if len(self.held) > self.chance.randint(0, 3):
            self.use(*self.held.pop(0))

    def use(self, key: str, lease: str, units: int, end: float) -> None:
        used = self.chance.randint(0, units)
        when = now()
        if used and when < end:
            write(f"{key} {when} {used}")
        else:
            used = 0
        if self.chance.random() < 0.8:
            self.store.give_back(key, LIMITS[key], lease, units - used)


def write(line: str) -> None:
    """Whole and at once: what a killed process used is known."""
    os.write(1, f"{line}\n".encode())


def main(name: str, place: str, takes: str, seed: str) -> None:
    taker = Taker(STORES[name](place), int(seed))
    write("ready 0 0")
    sys.stdin.readline()
    for number in count():
        if number >= int(takes) and select.select([sys.stdin], [], [], 0)[0]:
            break
        try:
            taker.take()
        except StoreError:
            write(f"lost {now()} 0")
    write("done 0 0")


if __name__ == "__main__":
    main(*sys.argv[1:])
