"""How often a tool may be called: rates, budgets of a session, and calls that fail again and again.

A rate is shared by many proxies through a store, which hands out leases of a few units. The
`Limiter` of a session answers every call from the leases it holds, so that an ordinary call asks
nobody; a worker thread asks the store for what `wanted` names and hands the answers to `granted`.

    take -> allowed                                    the leases hold a unit of every limit
    take -> needs units                                wait for the worker, then take again
    take -> a reason                                   the limit is reached; nothing is consumed

`now` is everywhere the seconds of a clock that never goes back and counts the machine's sleep
(`mcpguard.store.clock.uptime`).
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mcpguard.errors import UsageError
from mcpguard.model import Reason
from mcpguard.store import Store
from mcpguard.store.ledger import MAX_AMOUNT, Grant, Kind, Limit

__all__ = [
    "ALLOWED",
    "BATCHES",
    "MAX_FAILING",
    "MAX_KEYS",
    "MAX_TTL",
    "MIN_TTL",
    "NEEDS_UNITS",
    "RECHECK",
    "UNITS",
    "Limiter",
    "Limits",
    "Taken",
    "Want",
    "ask",
    "parse_rate",
]

UNITS = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
"""The units of a rate, in milliseconds."""

BATCHES = 8
"""Parts of a limit that one lease takes: what other proxies miss at most, times two a proxy."""

MIN_TTL = 0.2
"""Seconds a lease lasts at least: a few round trips of the worker."""

MAX_TTL = 30.0
"""Seconds a lease lasts at most: so long are units missing that a killed proxy held."""

TTL_PART = 10
"""Parts of a window that a lease lasts: units come back so much later than they were used."""

MARGIN = 0.99
"""Part of a lease's time in which it is used: two clocks' seconds differ, by far less than 1 %."""

RECHECK = 1.0
"""Seconds after which a reached limit is asked about again at most: others may have given back."""

MAX_KEYS = 4096
"""Keys of one session's limits. Identities that anybody can make must not fill the memory."""

MAX_FAILING = 4096
"""Failing calls that are remembered, the latest ones."""


class Taken(NamedTuple):
    """The answer to `take`. Only `ALLOWED` has the reason OK; only `NEEDS_UNITS` has `wait`."""

    reason: Reason
    detail: str = ""
    wait: bool = False


ALLOWED = Taken(Reason.OK)
NEEDS_UNITS = Taken(Reason.RATE_LIMIT, "no units of a limit are at hand", wait=True)

_TOO_MANY = Taken(Reason.SATURATED, "too many principals and tools are counted at once")
_CALLS = Taken(Reason.BUDGET, "this session has made all the tool calls it may make")
_BYTES_IN = Taken(Reason.BUDGET, "this session has sent all the bytes it may send")
_BYTES_OUT = Taken(Reason.BUDGET, "this session has received all the bytes it may receive")
_AGAIN = Taken(Reason.REPEATED_FAILURE, "the same call has failed too often in a short time")
_LOST = Taken(Reason.STORE_LOST, "the store that counts a limit cannot be used")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one session is held to. An empty tuple or None is no limit.

    `tools`: rates per principal and tool, by tool; `tool`: those of every other tool. `principal`:
    over all tools and servers. `server`: over all principals. The same call that failed `failures`
    times within `failure_window` seconds is refused until the first of them is older.
    """

    tools: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict)
    tool: tuple[Limit, ...] = ()
    principal: tuple[Limit, ...] = ()
    server: tuple[Limit, ...] = ()
    max_tool_calls: int | None = None
    max_bytes_in: int | None = None
    max_bytes_out: int | None = None
    failures: int | None = None
    failure_window: float = 60.0


class Want(NamedTuple):
    """What to ask the store: give `back` these leases (name, unused), then lease `units`, if any.

    `ttl` in milliseconds; `asked`: the time from which it counts.
    """

    key: str
    limit: Limit
    units: int
    ttl: int
    back: tuple[tuple[str, int], ...]
    asked: float


def parse_rate(text: str, kind: Kind = Kind.SLIDING, burst: int = 0) -> Limit:
    """A limit from `100/hour`: an amount, a slash, `second`, `minute`, `hour` or `day`.

    Raises UsageError for anything else: a unit nobody knows must not become another one.
    """
    amount, _, unit = text.partition("/")
    if unit not in UNITS:
        raise UsageError(
            f"{text!r} is no rate: the unit must be one of {', '.join(UNITS)}", hint=RATE_HINT
        )
    digits = amount.isascii() and amount.isdigit() and len(amount) <= len(str(MAX_AMOUNT))
    if not digits or not 0 < int(amount) <= MAX_AMOUNT:
        raise UsageError(
            f"{text!r} is no rate: the amount must be 1 to {MAX_AMOUNT}", hint=RATE_HINT
        )
    if burst and (kind is not Kind.BUCKET or not 0 < burst <= MAX_AMOUNT):
        raise UsageError(
            f"{text!r}: a burst of {burst}, it must be 1 to {MAX_AMOUNT} and of a token bucket",
            hint="leave out the burst: it is then the amount",
        )
    return Limit(int(amount), UNITS[unit], kind, burst)


RATE_HINT = "write a rate such as 5/second, 60/minute, 100/hour or 1000/day"


def ask(store: Store, want: Want) -> Grant | None:
    """Does at the store what `want` says. None when it was only to give back.

    Blocks: for the worker thread. Raises StoreError, which is `Limiter.lost`'s to know.
    """
    for lease, unused in want.back:
        store.give_back(want.key, want.limit, lease, unused)
    return store.take(want.key, want.limit, want.units, want.ttl) if want.units else None


def _unheard() -> None:
    """Nobody waits to be told."""


class Limiter:
    """The limits of one session.

    Not thread-safe: the worker's answers come in on the session's own thread.
    """

    def __init__(self, limits: Limits, server: str, wake: Callable[[], None] = _unheard) -> None:
        """`wake` is called when `hungry` becomes true."""
        self._limits = limits
        self._server = server
        self._wake = wake
        self._stocks: dict[str, _Stock] = {}
        self._paths: dict[tuple[str, str], tuple[_Stock, ...]] = {}
        self._failing: dict[tuple[str, str, bytes], deque[float]] = {}
        self._calls_left = _most(limits.max_tool_calls)
        self._in_left = _most(limits.max_bytes_in)
        self._out_left = _most(limits.max_bytes_out)
        self.hungry = False
        """Whether `wanted` has something new to say: wake the worker."""

    def take(
        self, principal: str, tool: str, now: float, size: int = 0, digest: bytes = b""
    ) -> Taken:
        """One call of `size` bytes, whose arguments have this `digest`. All limits or none."""
        stocks = self._paths.get((principal, tool))
        if stocks is None:
            stocks = self._route(principal, tool)
            if stocks is None:
                self._starve()
                return _TOO_MANY
        if self._calls_left <= 0 or size > self._in_left or self._out_left <= 0:
            return self._over_budget()
        if self._failing and self._fails_again((principal, tool, digest), now):
            return _AGAIN
        for stock in stocks:
            if (stock.left <= 0 or now >= stock.expires) and not stock.turn(now):
                return self._short(stocks, now)
        for stock in stocks:
            stock.left = left = stock.left - 1
            if left == stock.low:
                self._starve()
        self._calls_left -= 1
        self._in_left -= size
        return ALLOWED

    def take_each(self, wanted: Iterable[tuple[str, Limit]], now: float) -> frozenset[str] | None:
        """One call under every key of `wanted`, or under none: then the keys that are spent.

        None: units have to be asked for first, take again. For limits that are no part of
        `Limits`: their keys begin with `rule/`.
        """
        if len(self._stocks) >= MAX_KEYS:
            self._starve()
            return frozenset(key for key, _ in wanted)
        stocks = {key: self._stock(key, limit) for key, limit in wanted}
        empty = {key: stock for key, stock in stocks.items() if not stock.ready(now)}
        spent = frozenset(key for key, stock in empty.items() if now < stock.refused_until)
        if spent:
            return spent
        for stock in empty.values():
            stock.waiting += 1
        if empty:
            self._starve()
            return None
        for stock in stocks.values():
            stock.left -= 1
            if stock.left == stock.low:
                self._starve()
        return spent

    def _starve(self) -> None:
        if not self.hungry:
            self.hungry = True
            self._wake()

    def unmade(self, size: int) -> None:
        """A call of `size` bytes that was counted is not made: its budgets are as they were."""
        self._calls_left += 1
        self._in_left += size

    def received(self, size: int) -> None:
        """A result of `size` bytes came; it counts against the budget of bytes out."""
        self._out_left -= size

    def failed(self, principal: str, tool: str, digest: bytes, now: float) -> None:
        """An allowed call failed: an error, a crash, a time-out."""
        if not self._limits.failures:
            return
        call = (principal, tool, digest)
        times = self._failing.pop(call, None) or deque(maxlen=self._limits.failures)
        times.append(now)
        self._failing[call] = times
        if len(self._failing) > MAX_FAILING:
            del self._failing[next(iter(self._failing))]

    def succeeded(self, principal: str, tool: str, digest: bytes) -> None:
        """An allowed call did not fail, so its failures before were not for good."""
        if self._failing:
            self._failing.pop((principal, tool, digest), None)

    def left(self) -> dict[str, int]:
        """What is left of each budget that there is, in calls or bytes; never below 0."""
        rows = {
            "tool_calls": self._calls_left,
            "bytes_in": self._in_left,
            "bytes_out": self._out_left,
        }
        return {name: max(0, int(left)) for name, left in rows.items() if left != float("inf")}

    def reset_budgets(self) -> None:
        """Begins the budgets of calls and bytes again. Rates are the store's."""
        self._calls_left = _most(self._limits.max_tool_calls)
        self._in_left = _most(self._limits.max_bytes_in)
        self._out_left = _most(self._limits.max_bytes_out)

    def wanted(self, now: float) -> list[Want]:
        """What to ask the store for, each to be answered by one `granted` or `lost`.

        Leases that run low or out and are in use, units that a call waits for, and leases to end.
        """
        self.hungry = False
        wants = [want for stock in self._stocks.values() if (want := stock.want(now))]
        self._forget(now)
        return wants

    def due(self, now: float) -> float | None:
        """When to call `wanted` again though nobody called a tool; None when no lease is held."""
        return min((at for stock in self._stocks.values() for at in stock.due(now)), default=None)

    def granted(self, want: Want, grant: Grant | None, now: float) -> None:
        """What the store answered to `want`."""
        if grant is not None:
            self._stock(want.key, want.limit).granted(want, grant, now)

    def lost(self, want: Want, now: float) -> None:
        """The store could not be asked: calls that need it are denied until it can."""
        if want.units:
            self._stock(want.key, want.limit).refuse(_LOST, now + RECHECK)

    def give_back(self, now: float) -> list[Want]:
        """Ends every lease: what to tell the store at the end of a session.

        What is granted to a question that is still open is given back by calling this once more.
        """
        for stock in self._stocks.values():
            stock.shelve_all()
        return [want for stock in self._stocks.values() if (want := stock.to_end(now))]

    def _over_budget(self) -> Taken:
        if self._calls_left <= 0:
            return _CALLS
        return _BYTES_OUT if self._out_left <= 0 else _BYTES_IN

    def _fails_again(self, call: tuple[str, str, bytes], now: float) -> bool:
        times = self._failing.get(call)
        if times is None or len(times) < (self._limits.failures or 0):
            return False
        return now - times[0] < self._limits.failure_window

    def _short(self, stocks: Iterable["_Stock"], now: float) -> Taken:
        """Not every limit has a unit: denied when one of them is known to have none."""
        empty = [stock for stock in stocks if not stock.ready(now)]
        for stock in empty:
            if now < stock.refused_until:
                return stock.refusal
        for stock in empty:
            stock.waiting += 1
        self._starve()
        return NEEDS_UNITS

    def _route(self, principal: str, tool: str) -> "tuple[_Stock, ...] | None":
        """The limits of a call; None when there is no room for more keys."""
        if len(self._paths) >= MAX_KEYS:
            self._paths.clear()
        if len(self._stocks) >= MAX_KEYS:
            return None
        limits, server = self._limits, _quoted(self._server)
        levels = (
            (f"tool/{server}/{_quoted(principal)}/{_quoted(tool)}", limits.tools.get(tool)),
            (f"principal/{_quoted(principal)}", limits.principal),
            (f"server/{server}", limits.server),
        )
        keyed = [
            (f"{name}/{limit.kind}/{limit.window}/{limit.burst}", limit)
            for name, rates in levels
            for limit in (limits.tool if rates is None else rates)
        ]
        # Two rates of one key: the lower one holds, and comes last.
        keyed.sort(key=lambda row: -row[1].amount)
        stocks = tuple(self._stock(key, limit) for key, limit in dict(keyed).items())
        self._paths[principal, tool] = stocks
        return stocks

    def _stock(self, key: str, limit: Limit) -> "_Stock":
        stock = self._stocks.get(key)
        if stock is None:
            stock = self._stocks[key] = _Stock(key, limit)
        return stock

    def _forget(self, now: float) -> None:
        idle = [key for key, stock in self._stocks.items() if stock.idle(now)]
        for key in idle:
            del self._stocks[key]
        if idle:
            self._paths.clear()


class _Stock:
    """The leases held of one limit: one in use, others behind it, and those to give back."""

    __slots__ = (
        "asking",
        "back",
        "behind",
        "expires",
        "key",
        "lease",
        "left",
        "limit",
        "low",
        "reached",
        "refusal",
        "refused_until",
        "ttl",
        "units",
        "waiting",
    )

    def __init__(self, key: str, limit: Limit) -> None:
        self.key = key
        self.limit = limit
        self.ttl = min(MAX_TTL, max(MIN_TTL, limit.window / 1000 / TTL_PART))
        self.reached = Taken(Reason.RATE_LIMIT, _reached(key, limit))
        self.lease, self.units, self.left, self.expires = _NO_LEASE
        self.low = 0
        self.behind: list[_Lease] = []
        self.back: list[tuple[str, int]] = []
        self.asking = False
        self.waiting = 0
        self.refusal = self.reached
        self.refused_until = 0.0

    def ready(self, now: float) -> bool:
        return (self.left > 0 and now < self.expires) or self.turn(now)

    def turn(self, now: float) -> bool:
        """Goes on to the next lease with a unit; False when there is none."""
        self._shelve()
        while self.behind:
            self.lease, self.units, self.left, self.expires = self.behind.pop(0)
            self.low = self.units // 2
            if now < self.expires:
                return True
            self._shelve()
        return False

    def want(self, now: float) -> Want | None:
        self._end_early(now)
        units = 0
        if not self.asking and now >= self.refused_until and self._runs_low(now):
            units = min(self.limit.amount, max(1, self.limit.amount // BATCHES, self.waiting))
            self.asking = True
            self.waiting = 0
        return self._told(units, now) if units or self.back else None

    def to_end(self, now: float) -> Want | None:
        return self._told(0, now) if self.back else None

    def granted(self, want: Want, grant: Grant, now: float) -> None:
        self.asking = False
        self.waiting = 0
        if not grant.units:
            self.refuse(self.reached, now + min(RECHECK, grant.retry / 1000))
            return
        self.refused_until = 0.0
        expires = want.asked + grant.ttl / 1000 * MARGIN
        self.behind.append(_Lease(grant.lease, grant.units, grant.units, expires))

    def refuse(self, why: Taken, until: float) -> None:
        self.asking = False
        self.waiting = 0
        self.refusal = why
        self.refused_until = until

    def due(self, now: float) -> Iterable[float]:
        """The two moments at which a lease in stock is looked at before it expires."""
        for expires in (self.expires, *(lease.expires for lease in self.behind)):
            if expires:
                soon = expires - self.ttl / 4
                yield soon if soon > now else expires - self.ttl / 8

    def shelve_all(self) -> None:
        self._shelve()
        self.back += [(lease.name, lease.left) for lease in self.behind]
        self.behind = []

    def idle(self, now: float) -> bool:
        held = self.lease or self.behind or self.back or self.asking or self.waiting
        return not held and now >= self.refused_until

    def _told(self, units: int, now: float) -> Want:
        back, self.back = tuple(self.back), []
        return Want(self.key, self.limit, units, round(self.ttl * 1000), back, now)

    def _runs_low(self, now: float) -> bool:
        """A call waits, or the lease in use is half used or about to end, with none behind it."""
        if self.waiting:
            return True
        used = self.left < self.units
        ending = now >= self.expires - self.ttl / 4
        return used and not self.behind and (self.left <= self.low or ending)

    def _end_early(self, now: float) -> None:
        """Shelves what is used up or would expire unused, so that others get it before that."""
        idle = self.left == self.units
        if self.lease and now >= self.expires - self.ttl / (4 if idle else 8):
            self._shelve()
        late = [lease for lease in self.behind if now >= lease.expires - self.ttl / 8]
        self.back += [(lease.name, lease.left) for lease in late]
        self.behind = [lease for lease in self.behind if lease not in late]

    def _shelve(self) -> None:
        if self.lease:
            self.back.append((self.lease, self.left))
            self.lease, self.units, self.left, self.expires = _NO_LEASE


class _Lease(NamedTuple):
    name: str
    units: int
    left: int
    expires: float


_NO_LEASE = _Lease("", 0, 0, 0.0)


def _most(budget: int | None) -> float:
    return float("inf") if budget is None else budget


def _quoted(name: str) -> str:
    """`name` without the slash between names, so that no two pairs of names are one key."""
    return name.replace("%", "%25").replace("/", "%2F")


_WHO = {
    "tool": "to this tool by this principal",
    "principal": "by this principal",
    "server": "to this server",
    "rule": "counted by a rule",
}
_WORDS = {1_000: "a second", 60_000: "a minute", 3_600_000: "an hour", 86_400_000: "a day"}


def _reached(key: str, limit: Limit) -> str:
    window = _WORDS.get(limit.window, f"in {limit.window} ms")
    return f"the limit of {limit.amount} calls {window} {_WHO[key.partition('/')[0]]} is reached"
