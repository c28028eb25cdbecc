"""The arithmetic of leases: how many units of a limit may be handed out now. Pure integers.

A lease is a promise that its units are used before it expires, so what is handed out is counted
from the moment of the grant to the last moment at which it may have been used. Memory and SQLite
keep these ledgers; `redis.py` has the same arithmetic in Lua.

Times are whole milliseconds of the store's own clock, which never goes back.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from mcpguard.errors import StoreError
from mcpguard.model import Json

__all__ = [
    "GRAIN",
    "LEDGERS",
    "MAX_AMOUNT",
    "MAX_TTL",
    "MAX_WINDOW",
    "Bucket",
    "Grant",
    "Kind",
    "Ledger",
    "Limit",
    "Sliding",
    "check",
    "load",
]

MAX_AMOUNT = 1_000_000
"""Units. With `MAX_WINDOW` every product stays below 2^53, where Lua's doubles are exact."""

MAX_WINDOW = 86_400_000
"""Milliseconds: a day, the longest unit a rate can name."""

MAX_TTL = 3_600_000
"""Milliseconds a lease may last. A holder that died keeps its units from others for so long."""

GRAIN = 256
"""Parts of a window to which the end of a used unit is rounded up: so many rows a key at most."""


class Kind(StrEnum):
    """How a limit counts."""

    SLIDING = "sliding"
    BUCKET = "bucket"


class Limit(NamedTuple):
    """`amount` units a `window` (milliseconds).

    Sliding: never more than `amount` uses in any window. Bucket: never more than `burst` (`amount`
    when 0) plus what flows in at `amount` a window, over any stretch of time.
    """

    amount: int
    window: int
    kind: Kind = Kind.SLIDING
    burst: int = 0

    @property
    def size(self) -> int:
        """Units of a full bucket."""
        return self.burst or self.amount


class Grant(NamedTuple):
    """0 to n units. `ttl`: milliseconds from the asking within which they may be used.

    `retry`: with 0 units, milliseconds after which some may be free; `lease` is empty then.
    """

    lease: str
    units: int
    ttl: int
    retry: int = 0


def check(limit: Limit, units: int, ttl: int) -> None:
    """Raises StoreError for numbers outside of what the arithmetic is exact for."""
    for name, value, most in (
        ("amount", limit.amount, MAX_AMOUNT),
        ("window", limit.window, MAX_WINDOW),
        ("burst", limit.size, MAX_AMOUNT),
        ("units", units, MAX_AMOUNT),
        ("ttl", ttl, MAX_TTL),
    ):
        if type(value) is not int or not 0 < value <= most:
            raise StoreError(
                f"a limit's {name} is {value!r}, it must be 1 to {most}",
                hint="name a limit such as 100/hour",
            )


class Ledger(Protocol):
    """What one key has handed out."""

    window: int

    @property
    def kind(self) -> Kind:
        """A key keeps its kind and window for good."""

    def take(self, limit: Limit, lease: str, units: int, ttl: int, now: int) -> Grant:
        """Up to `units`, under the new name `lease`."""

    def give_back(self, limit: Limit, lease: str, unused: int, now: int) -> None:
        """Closes a lease. An unknown one, or one given back before, changes nothing."""

    def idle(self, limit: Limit, now: int) -> int:
        """The time from which this ledger says nothing that an empty one does not."""

    def dump(self) -> list[Json]:
        """For `load`."""


Opened = dict[str, tuple[int, int]]
"""Lease -> units, and the time at which it expires."""


class Sliding:
    """Units count until a window after their last possible use."""

    __slots__ = ("opened", "spent", "window")
    kind: Final = Kind.SLIDING

    def __init__(self, window: int, opened: Opened, spent: dict[int, int]) -> None:
        self.window = window
        self.opened = opened
        self.spent = spent

    @classmethod
    def empty(cls, limit: Limit, now: int) -> "Sliding":  # noqa: ARG003 - as `Bucket.empty`
        """Nothing handed out."""
        return cls(limit.window, {}, {})

    def take(self, limit: Limit, lease: str, units: int, ttl: int, now: int) -> Grant:
        self._forget(now)
        held = sum(count for count, _ in self.opened.values()) + sum(self.spent.values())
        granted = min(units, limit.amount - held)
        if granted <= 0:
            return Grant("", 0, 0, max(1, self._next() - now))
        # One more: `now` was rounded down.
        self.opened[lease] = (granted, now + ttl + 1)
        return Grant(lease, granted, ttl)

    def give_back(self, limit: Limit, lease: str, unused: int, now: int) -> None:
        units, expires = self.opened.pop(lease, (0, 0))
        used = units - max(0, min(unused, units))
        if used:
            until = min(now + 1, expires) + self.window
            grain = max(1, self.window // GRAIN)
            until = -(-until // grain) * grain
            self.spent[until] = self.spent.get(until, 0) + used

    def idle(self, limit: Limit, now: int) -> int:
        opened = (expires + self.window for _, expires in self.opened.values())
        return max([now, *opened, *self.spent])

    def dump(self) -> list[Json]:
        opened: dict[str, Json] = {lease: [*row] for lease, row in self.opened.items()}
        return [self.kind.value, self.window, opened, [[*row] for row in self.spent.items()]]

    def _next(self) -> int:
        opened = [expires + self.window for _, expires in self.opened.values()]
        return min([*opened, *self.spent])

    def _forget(self, now: int) -> None:
        window = self.window
        gone = [name for name, (_, expires) in self.opened.items() if expires + window <= now]
        for lease in gone:
            del self.opened[lease]
        for until in [until for until in self.spent if until <= now]:
            del self.spent[until]


class Bucket:
    """A token bucket whose room for new tokens is what is not on lease.

    Tokens on lease may be used at any moment until they expire, so they flow in again only from
    then on: for every stretch of time [a, b], what can be used in it is at most the tokens on lease
    and in the bucket at a, together at most its size, and what flows in until b.

    `level` is in units times window: what flows in at every millisecond is then a whole number.
    """

    __slots__ = ("at", "level", "opened", "window")
    kind: Final = Kind.BUCKET

    def __init__(self, window: int, opened: Opened, level: int, at: int) -> None:
        self.window = window
        self.opened = opened
        self.level = level
        self.at = at

    @classmethod
    def empty(cls, limit: Limit, now: int) -> "Bucket":
        """Nothing handed out: a full bucket."""
        return cls(limit.window, {}, limit.size * limit.window, now)

    def take(self, limit: Limit, lease: str, units: int, ttl: int, now: int) -> Grant:
        self._advance(limit, now)
        granted = min(units, self.level // self.window)
        if granted <= 0:
            return Grant("", 0, 0, self._wait(limit, now))
        self.level -= granted * self.window
        self.opened[lease] = (granted, now + ttl + 1)
        return Grant(lease, granted, ttl)

    def give_back(self, limit: Limit, lease: str, unused: int, now: int) -> None:
        self._advance(limit, now)
        units, _ = self.opened.pop(lease, (0, 0))
        self.level += max(0, min(unused, units)) * self.window

    def idle(self, limit: Limit, now: int) -> int:
        last = max([now, *(expires for _, expires in self.opened.values())])
        return last - (-limit.size * self.window // limit.amount)

    def dump(self) -> list[Json]:
        opened: dict[str, Json] = {lease: [*row] for lease, row in self.opened.items()}
        return [self.kind.value, self.window, opened, self.level, self.at]

    def _advance(self, limit: Limit, now: int) -> None:
        """Expiries in their order: what flows in before one finds less room than after it."""
        due = sorted((row[1], lease) for lease, row in self.opened.items() if row[1] <= now)
        for expires, lease in due:
            self._flow(limit, expires)
            del self.opened[lease]
        self._flow(limit, now)

    def _flow(self, limit: Limit, to: int) -> None:
        room = max(0, limit.size - sum(count for count, _ in self.opened.values()))
        more = limit.amount * max(0, to - self.at)
        self.level = min(self.level + more, room * self.window)
        self.at = max(self.at, to)

    def _wait(self, limit: Limit, now: int) -> int:
        missing = -(-(self.window - self.level) // limit.amount)
        on_lease = sum(count for count, _ in self.opened.values())
        if on_lease < limit.size:
            return max(1, missing)
        return max(1, min(expires for _, expires in self.opened.values()) - now + missing)


LEDGERS: Mapping[Kind, Callable[[Limit, int], Ledger]] = {
    Kind.SLIDING: Sliding.empty,
    Kind.BUCKET: Bucket.empty,
}
"""How to begin a ledger of each kind, for a limit and a time."""


def load(dumped: Json) -> Ledger:
    """The ledger that `dump` gave. Raises StoreError for anything else."""
    match dumped:
        case [Kind.SLIDING, int(window), dict(opened), list(spent)]:
            return Sliding(window, _opened(opened), dict(_pair(row) for row in spent))
        case [Kind.BUCKET, int(window), dict(opened), int(level), int(at)]:
            return Bucket(window, _opened(opened), level, at)
        case _:
            raise StoreError("a ledger is not what a store writes", hint=DAMAGED)


DAMAGED = "move the store away: a new one begins with nothing counted, blocked or approved"


def _opened(rows: dict[str, Json]) -> Opened:
    return {lease: _pair(row) for lease, row in rows.items()}


def _pair(row: Json) -> tuple[int, int]:
    match row:
        case [int(first), int(second)]:
            return first, second
        case _:
            raise StoreError("a ledger's row is not two numbers", hint=DAMAGED)
