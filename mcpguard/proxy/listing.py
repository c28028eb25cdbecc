"""Live verification: what this session listed, held against the lockfile, page by page.

An item is usable only when a complete listing of this session held it once and unchanged. What
drifted or doubled stays quarantined for the session, whatever later listings say. A list that the
server says has changed, and then does not give, is verified no more until it is given.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import Decision, Definition, ItemKind, Json, JsonObject, Reason
from mcpguard.proxy.denial import METHOD_NOT_FOUND
from mcpguard.proxy.pending import Entry
from mcpguard.wire.methods import LISTS, ListMethod

__all__ = ["Listings", "Outcome", "Run"]

MAX_PAGES = 1000
"""Pages of one listing; a server that goes on is not listing, it is feeding."""

MAX_ITEMS = 10_000
"""Items of one kind; with 8 MiB lines this bounds memory together with the pages."""

MAX_BYTES = 16 * 1024 * 1024
"""Bytes of all pages of one listing as lines; parsed they take about ten times that."""

MAX_CURSOR = 4096
"""Characters of a cursor; real ones have some dozens."""

RUN_TIMEOUT = 30.0
"""Seconds for one whole listing; held calls are denied when it passes."""

RUNS_A_SECOND = 4
"""Listings that `list_changed` may start a second, of each kind."""

RETRY_AFTER = (1.0, 5.0, 30.0)
"""Seconds from the start of a listing that left a kind unverified to the next, one after another:
an honest server's error passes. After the last, the server or the host has to begin."""

BY_KIND: Mapping[ItemKind, ListMethod] = {row.kind: row for row in LISTS.values()}

_OK = Reason.OK
"""On every call's way: a global is read fifty times faster than a member of an enumeration."""

_STICKY = frozenset({Reason.DRIFTED, Reason.DOUBLED})


@dataclass(slots=True)
class Run:
    """One listing in progress: the pages so far and who waits for the end."""

    deadline: float
    items: list[Json] = field(default_factory=list)
    cursors: set[str] = field(default_factory=set)
    meta: JsonObject = field(default_factory=dict)
    size: int = 0


@dataclass(slots=True)
class Outcome:
    """What a finished listing found. `error`: the server's own words when it would not list.

    `blocked`: nothing of the kind is verified. One that failed has judged the pages it was given.
    """

    kind: ItemKind
    decisions: list[tuple[Definition, Decision]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    error: JsonObject | None = None
    failure: str = ""
    blocked: bool = False
    unnamed: int = 0


@dataclass(slots=True)
class _Kind:
    states: dict[str, Reason] = field(default_factory=dict)
    usable: set[str] = field(default_factory=set)
    """Names of `states` that are locked, unchanged and not quarantined."""
    shown: list[Json] = field(default_factory=list)
    meta: JsonObject = field(default_factory=dict)
    done: bool = False
    settled: bool = False
    run: Run | None = None
    dirty: bool = False
    announced: bool = False
    """The server says that its list changed, and has not given it since."""
    failed: int = 0
    """Listings that failed since then."""
    starts: list[float] = field(default_factory=list)
    waiters: list[Entry] = field(default_factory=list)

    @property
    def retried(self) -> bool:
        """Whether another listing follows one that failed."""
        return 0 < self.failed <= len(RETRY_AFTER)


class Listings:
    """The four listings of a session.

    `ask` sends one page's request, given the kind, the cursor and the time until which the answer
    is awaited, and returns whether it could.

    `shows_all`: the mode does not filter, so the host sees every item as the server wrote it.
    """

    def __init__(
        self,
        lock: Lockfile,
        judge: Callable[[Definition], Decision],
        ask: Callable[[ItemKind, str, float], bool],
        *,
        shows_all: bool,
    ) -> None:
        self._lock = lock
        self._judge = judge
        self._ask = ask
        self._shows_all = shows_all
        self._kinds = {kind: _Kind() for kind in ItemKind}
        self._first: set[ItemKind] = set()
        self._ready = False
        self.started = False
        self.quarantine: dict[tuple[ItemKind, str], Reason] = {}

    # facts

    def item_state(self, kind: ItemKind, name: str) -> Reason:
        """`model.SessionFacts.item_state`."""
        listing = self._kinds[kind]
        if name in listing.usable:
            return _OK
        if self._lock.item(kind, name) is None:
            return Reason.NOT_LOCKED
        if (kind, name) in self.quarantine:
            return self.quarantine[kind, name]
        if not listing.done:
            return Reason.UNVERIFIED
        return listing.states.get(name) or Reason.NOT_LISTED

    @property
    def ready(self) -> bool:
        """Whether the first listings have all ended, well or badly."""
        if not self._ready:  # once they have, they have
            self._ready = self.started and all(self._kinds[kind].settled for kind in self._first)
        return self._ready

    @property
    def busy(self) -> bool:
        """Whether a listing runs or is due."""
        kinds = self._kinds.values()
        return any(kind.run is not None or kind.dirty or kind.retried for kind in kinds)

    # what starts one

    def start(self, now: float, capabilities: Json) -> None:
        """Ask for every kind that is locked or offered. `capabilities`: None when not known."""
        self.started = True
        locked = {kind for kind in ItemKind if self._lock.items.get(kind)}
        if isinstance(capabilities, dict):
            offered = {kind for kind in ItemKind if BY_KIND[kind].capability in capabilities}
            for kind in locked - offered:  # an absent capability is an empty list
                self._kinds[kind].done = self._kinds[kind].settled = True
            locked = offered
        self._first = locked
        for kind in sorted(locked):
            self.refresh(kind, now)

    def refresh(self, kind: ItemKind, now: float) -> None:
        """Begin a listing, unless one runs already."""
        listing = self._kinds[kind]
        if listing.run is None:
            listing.dirty = False
            listing.run = Run(now + RUN_TIMEOUT)
            listing.starts = [*listing.starts[1 - RUNS_A_SECOND :], now]
            if not self._ask(kind, "", listing.run.deadline):
                listing.run.deadline = now

    def doubt(self, kind: ItemKind, now: float) -> None:
        """The server says its list changed: look again, at most `RUNS_A_SECOND` times a second."""
        listing = self._kinds[kind]
        listing.dirty = listing.announced = True
        if self.started and listing.run is None and self._may_start(listing, now):
            self.refresh(kind, now)

    def _is_due(self, listing: _Kind, now: float) -> bool:
        if not self.started or listing.run is not None:
            return False
        if listing.dirty:
            return self._may_start(listing, now)
        return listing.retried and listing.starts[-1] + RETRY_AFTER[listing.failed - 1] <= now

    @staticmethod
    def _may_start(listing: _Kind, now: float) -> bool:
        return len(listing.starts) < RUNS_A_SECOND or listing.starts[0] <= now - 1.0

    def wait(self, kind: ItemKind, entry: Entry, now: float) -> None:
        """The host asks for the list: it gets the end of the one that runs, or of a new one."""
        self._kinds[kind].waiters.append(entry)
        self.refresh(kind, now)

    def tick(self, now: float) -> list[Outcome]:
        """Ends listings past their deadline, begins those that were put off."""
        ended = [
            self._fail(kind, "it did not answer in time")
            for kind, listing in self._kinds.items()
            if listing.run is not None and listing.run.deadline <= now
        ]
        for kind, listing in self._kinds.items():
            if self._is_due(listing, now):
                self.refresh(kind, now)
        return ended

    def abandon(self) -> None:
        """The server is gone: nothing runs, is due, or waits any more."""
        for listing in self._kinds.values():
            listing.run, listing.dirty, listing.failed = None, False, 0
            listing.waiters.clear()

    def take_waiters(self, kind: ItemKind) -> list[Entry]:
        """Host requests that the listing just ended answers."""
        waiters = self._kinds[kind].waiters
        self._kinds[kind].waiters = []
        return waiters

    def list_for(self, kind: ItemKind) -> tuple[list[Json], JsonObject]:
        """What the host may see: items, and the last page's `_meta`."""
        listing = self._kinds[kind]
        return listing.shown, listing.meta

    # what the server answers

    def page(self, kind: ItemKind, result: JsonObject, size: int) -> Outcome | None:
        """One page of `size` bytes arrived. None while there are more."""
        run = self._kinds[kind].run
        if run is None:
            return None
        page = result.get(BY_KIND[kind].key)
        if not isinstance(page, list):
            return self._fail(kind, f"its answer has no list of {kind}")
        run.items += page
        run.size += size
        meta = result.get("_meta")
        run.meta = meta if isinstance(meta, dict) else {}
        cursor = result.get("nextCursor")
        if cursor is None or cursor == "":
            return self._finish(kind, run)
        if not isinstance(cursor, str) or cursor in run.cursors or len(cursor) > MAX_CURSOR:
            return self._fail(kind, "its pages do not end")
        run.cursors.add(cursor)
        pages, items = len(run.cursors), run.items
        if pages >= MAX_PAGES or len(items) > MAX_ITEMS or run.size > MAX_BYTES:
            return self._fail(kind, "it lists more than can be verified")
        self._look(page, Outcome(kind))  # what drifted is refused from now on, not from the end on
        return (
            None
            if self._ask(kind, cursor, run.deadline)
            else self._fail(kind, "it could not be asked")
        )

    def refused(self, kind: ItemKind, error: JsonObject) -> Outcome | None:
        """The server answered a page with an error. -32601 is an empty list; no other error is."""
        listing = self._kinds[kind]
        if listing.run is None:
            return None
        if error.get("code") != METHOD_NOT_FOUND:
            outcome = self._fail(kind, "it answered with an error")
        else:
            outcome = self._finish(kind, Run(0.0))
        outcome.error = error
        return outcome

    def _fail(self, kind: ItemKind, why: str) -> Outcome:
        """What drifted on the pages it was given counts. Nothing passes that was said to change."""
        listing = self._kinds[kind]
        run, listing.run = listing.run, None
        listing.settled = True
        if listing.announced:
            listing.done = False
            listing.usable = set()
            listing.failed += 1
        outcome = Outcome(kind, failure=why, blocked=not listing.done)
        self._look(run.items if run is not None else [], outcome)
        return outcome

    def _look(self, items: list[Json], outcome: Outcome) -> None:
        """Judge what is locked among items of a list that has not ended."""
        kind = outcome.kind
        named, count = _named(kind, items)
        for name, item in named:
            if isinstance(item, dict) and name is not None and self._lock.item(kind, name):
                self._judged(Definition(kind, name, item, doubled=count[name] > 1), outcome)

    def _finish(self, kind: ItemKind, run: Run) -> Outcome:
        listing = self._kinds[kind]
        outcome = Outcome(kind)
        named, count = _named(kind, run.items)
        listing.states = {}
        listing.shown = []
        for name, item in named:
            if name is None or not isinstance(item, dict):
                outcome.unnamed += 1
                listing.shown += [item] if self._shows_all else []
                continue
            self._place(Definition(kind, name, item, doubled=count[name] > 1), outcome)
        locked = self._lock.items.get(kind, {})
        outcome.missing = [name for name in locked if not count[name]]
        listing.run, listing.meta = None, run.meta
        listing.done = listing.settled = True
        listing.announced, listing.failed = listing.dirty, 0
        listing.usable = {
            name
            for name, state in listing.states.items()
            if state is Reason.OK and name in locked and (kind, name) not in self.quarantine
        }
        return outcome

    def _place(self, definition: Definition, outcome: Outcome) -> None:
        kind, name = definition.item, definition.target
        listing = self._kinds[kind]
        decision = self._judged(definition, outcome)
        listing.states[name] = Reason.OK if decision.allowed else decision.reason
        if self._shows_all:
            listing.shown.append(definition.definition)
        elif decision.allowed and (kind, name) not in self.quarantine:
            listing.shown.append(self._lock.shown(kind, name, definition.definition))

    def _judged(self, definition: Definition, outcome: Outcome) -> Decision:
        """What drifted, or came twice, is quarantined at once."""
        kind, name = definition.item, definition.target
        decision = self._judge(definition)
        outcome.decisions.append((definition, decision))
        if not decision.allowed and decision.reason in _STICKY:
            self.quarantine[kind, name] = decision.reason
            self._kinds[kind].usable.discard(name)
        return decision


def _named(kind: ItemKind, items: list[Json]) -> tuple[list[tuple[str | None, Json]], Counter[str]]:
    """Items with their names, and how often each name comes."""
    named = [(_name(kind, item), item) for item in items]
    return named, Counter(name for name, _ in named if name is not None)


def _name(kind: ItemKind, item: Json) -> str | None:
    name = item.get(kind.name_key) if isinstance(item, dict) else None
    return name if isinstance(name, str) else None
