"""What a session observes of its parties, and what others observed and blocked meanwhile.

Records are counted as they are written; the worker publishes what they mean and brings back where
caller and server stand now, and what is blocked. Records state the score that was held last, and
none before the store was read.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from mcpguard.config.flags import STATE, data_place
from mcpguard.config.plan import Plan
from mcpguard.control import blocks, policies
from mcpguard.control.kill import check, clean
from mcpguard.control.policies import Row
from mcpguard.errors import AuditError, McpguardError, StoreError, UsageError
from mcpguard.live import standings
from mcpguard.live.worker import Job
from mcpguard.model import Held, Principal
from mcpguard.store import BACKENDS, Store
from mcpguard.store.clock import uptime
from mcpguard.trust.account import CALLER, SERVER, Entry, Party
from mcpguard.trust.score import Standing, effective
from mcpguard.trust.watch import Watcher

if TYPE_CHECKING:
    from mcpguard.audit import AuditLog
    from mcpguard.config.showing import Stops

__all__ = ["Blocked", "Observer", "Parties", "stops"]

HASTE = 0.25
"""Seconds between two times that attacks are told of before the next look: the first one at once,
and a flood of them is no flood of writes."""

MAX_KEPT = 100_000
"""Entries kept for a store that is lost: an hour of calls. The logs hold them all."""


class Parties:
    """`model.Parties` of a session: on whose behalf it was started, and the server.

    `counts_server`: the server's own standing is held against the thresholds as well.
    """

    def __init__(self, caller: Principal, server_level: int, *, counts_server: bool) -> None:
        self.caller = caller
        self._counts_server = counts_server
        self.now_stand(Standing.new(caller.level), Standing.new(server_level))

    def now_stand(self, caller: Standing, server: Standing) -> None:
        """What was observed has changed."""
        self.of_caller, self.of_server = caller, server
        both = (caller.held, server.held._replace(of="the server"))
        self._held = both if self._counts_server else both[:1]
        self.effective = effective(both)
        """The least of both, whatever counts: what records state."""

    def held(self) -> Sequence[Held]:
        """See `model.Parties`. The same tuple until something changes."""
        return self._held


class Blocked:
    """What may not call, or be called. As a container: the principals, all if the server is.

    `name`: the server's. `own`: what the settings block. `tools`: names, always the same set.
    `killed`: why the session has to end, by the store that all proxies share; None if it may go on.
    """

    def __init__(self, name: str, own: frozenset[str] = frozenset()) -> None:
        self._name = name
        self.own = own
        self.tools: set[str] = set()
        self._principals: set[str] = set()
        self._server = False
        self.killed: str | None = None
        self._there: set[tuple[str, str]] = set()
        self._here: set[tuple[str, str]] = set()
        """What this session blocked and the store was not seen to hold yet: no look undoes it."""

    def server(self) -> bool:
        """Whether the server is, so that nobody may call."""
        return self._server

    def caller(self, principal: object) -> bool:
        """Whether `principal` is, whatever holds of the server."""
        return principal in self._principals or principal in self.own

    def __contains__(self, principal: object) -> bool:
        return self._server or principal in self._principals or principal in self.own

    def now(self, every: Sequence[blocks.Block]) -> None:
        """All blocks of the store."""
        self._there = {(each.kind, each.name) for each in every}
        self._here -= self._there
        self.killed = next(filter(None, map(self._kill, every)), None)
        self._apply()

    def _kill(self, each: blocks.Block) -> str | None:
        if each.kind != blocks.KILL or each.name not in {blocks.EVERYTHING, self._name}:
            return None
        why = clean(each.why)
        return "the kill switch of the shared store is on" + (f": {why}" if why else "")

    def block(self, kind: str, name: str) -> None:
        """From now on, before the store has it."""
        self._here.add((kind, name))
        self._apply()

    def unblock(self, kind: str, name: str) -> None:
        """From now on; a look at the store that began before may block it for one look more."""
        self._here.discard((kind, name))
        self._there.discard((kind, name))
        self._apply()

    def holds(self, kind: str, name: str) -> bool:
        """Whether that block is known here."""
        return (kind, name) in self._there | self._here

    def _apply(self) -> None:
        every = self._there | self._here
        named = {kind: {name for of, name in every if of == kind} for kind in blocks.KINDS}
        self._principals = named["principal"]
        self._server = self.killed is not None or self._name in named["server"]
        prefix = f"{self._name}/"
        about = {name.removeprefix(prefix) for name in named["tool"]} | named["tool"]
        self.tools.intersection_update(about)
        self.tools.update(about)


def _unstirred() -> None:
    """What is urgent waits for the next look."""


def _unruled(_: Sequence[Row]) -> None:
    """Nobody sets policies of tools."""


class Observer:
    """A `worker.Sharer` of standings and blocks. Its own thread only.

    `server`: its name. `lock`: the lockfile's digest, or empty. `clock`: Unix seconds, the log's.
    `now`: seconds that never go back. `stir`: the worker is to look whether something is urgent.
    `rule`: takes over policies of tools, or raises; then nobody is let through who was not before.
    """

    def __init__(
        self,
        parties: Parties,
        blocked: Blocked,
        audit: "AuditLog | None",
        *,
        session: str,
        server: str,
        lock: str,
        clock: Callable[[], float],
        now: Callable[[], float] = uptime,
        stir: Callable[[], None] = _unstirred,
        rule: Callable[[Sequence[Row]], None] = _unruled,
    ) -> None:
        self.parties, self.blocked = parties, blocked
        self._now, self._stir, self._rule = now, stir, rule
        self._attacked, self._away, self._hasty = False, False, float("-inf")
        self._audit = audit
        self._server = server
        self._names = (Party(CALLER, parties.caller.id), Party(SERVER, server))
        self._clock = clock
        self.state = "loading"
        """`loading`, then `known`; `slow` when that takes long, `lost` when it cannot be."""
        self._pending: list[Entry] = []
        self.watcher: Watcher | None = None
        """Is told of the records that were written; None without a log."""
        if audit is not None:
            self.watcher = Watcher(
                session=session,
                server=server,
                principal=parties.caller.id,
                level=parties.caller.level,
                lock=lock,
                seq=audit.seq,
                now=clock(),
                alarm=self._alarm,
            )

    def _alarm(self) -> None:
        """An attack was seen: every proxy is to know what its party fell to."""
        self._attacked = True
        self._stir()

    @property
    def urgent(self) -> bool:
        """An attack was seen that the store was not told of."""
        return self._attacked and not self._away and self._now() - self._hasty >= HASTE

    def job(self) -> Job:
        """See `worker.Sharer`."""
        if self._attacked:
            self._attacked, self._hasty = False, self._now()
        if self.watcher is not None and self._audit is not None:
            self._audit.tell()
            self._pending += self.watcher.drain()
            del self._pending[:-MAX_KEPT]
        entries, names = tuple(self._pending), self._names
        logs = self._audit.path.parent if self._audit is not None else Path()

        def ask(store: Store) -> Callable[[], None]:
            try:
                found = standings.load(store, names, logs)
                if entries:
                    found |= standings.publish(store, entries, logs)
            except AuditError as error:  # the copy cannot be made again: scores are not known
                raise StoreError(error.message, hint=error.hint) from error
            every, ruled = blocks.every(store), policies.rows(store)

            def take() -> None:
                del self._pending[: len(entries)]
                self.parties.now_stand(found[names[0]], found[names[1]])
                self.blocked.now(every)
                self._state_score()
                try:
                    self._rule(ruled)
                except McpguardError as error:
                    raise StoreError(error.message, hint=error.hint) from error
                self.state, self._away = "known", False

            return take

        return ask

    def lost(self) -> None:
        """See `worker.Sharer`."""
        self._away = True
        if self.state != "known":
            self.state = "lost"

    def hurry(self) -> None:
        """Whoever waits has waited long enough."""
        if self.state == "loading":
            self.state = "slow"

    def _state_score(self) -> None:
        if self._audit is not None:
            self._audit.restate(self.parties.caller.level, self.parties.effective.score)


def stops(plan: Plan) -> "Stops":
    """What the kill switch and the blocks of the store stop now. Makes no file."""
    from mcpguard.config.showing import Stops

    try:
        home = data_place()
    except UsageError:  # there is none, so nothing in it
        return Stops()
    blocked = Blocked(plan.name)
    switch = check(home, plan.name)
    why = [f"{switch}: no session starts"] if switch else []
    try:
        blocked.now(_blocks_of(plan, home))
    except McpguardError as error:
        why.append(f"the store that says who is blocked cannot be read: {error.message}")
    return Stops((*why, *_everybody(plan, blocked)), frozenset(blocked.tools))


def _blocks_of(plan: Plan, home: Path) -> Sequence[blocks.Block]:
    chosen = plan.settings.store
    where = chosen.where
    if chosen.backend == "sqlite":
        where = where or str(home / STATE)
        if not Path(where).exists():
            return ()
    elif chosen.backend == "memory":
        return ()
    with closing(BACKENDS[chosen.backend](where)) as store:
        return blocks.every(store)


def _everybody(plan: Plan, blocked: Blocked) -> Iterator[str]:
    if blocked.killed:
        yield f"{blocked.killed}: no session goes on"
    elif blocked.server():
        yield f"the server {plan.name} is blocked (mcpguard trust blocks)"
    if blocked.caller(plan.principal):
        yield f"the caller {plan.principal} is blocked (mcpguard trust blocks)"
