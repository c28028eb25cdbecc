"""The live state behind a session's stages: who takes part, what is counted, what has changed.

Built from the settings, and asked at every message. Everything here happens on the session's own
thread; what needs the store is asked by `worker` beside it.
"""

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from mcpguard.config.flags import STATE
from mcpguard.config.plan import Plan
from mcpguard.config.settings import OnLoss, Settings
from mcpguard.errors import AuditError, ControlError, McpguardError, StoreError, UsageError
from mcpguard.live.examining import Examiner
from mcpguard.live.keeping import Keeping, Planted
from mcpguard.live.observing import Blocked, Observer, Parties
from mcpguard.live.stages.counting import Budgets
from mcpguard.live.stages.latency import SAMPLED, Latency
from mcpguard.live.stages.making import Around, Maker
from mcpguard.live.stages.tally import Tally
from mcpguard.live.stages.unread import AT_HAND, Unread
from mcpguard.model import Allowed, Call, Context, JsonObject, Mode, Principal, Verdict, Wait
from mcpguard.pipeline import Panel, Stage
from mcpguard.pipeline.scan import ScanStage
from mcpguard.pipeline.trust import Approve
from mcpguard.proxy.actions import Record
from mcpguard.store import BACKENDS
from mcpguard.store.clock import uptime
from mcpguard.trust.limits import Limiter

if TYPE_CHECKING:
    from mcpguard.audit import AuditLog
    from mcpguard.config.loading import Loaded
    from mcpguard.control.policies import Policy, Row
    from mcpguard.identity.roster import Roster
    from mcpguard.live.approvals import Approvals
    from mcpguard.live.reloading import Ruled
    from mcpguard.live.worker import Worker
    from mcpguard.store import Store

__all__ = ["UNSIGNED", "Governor"]

PATIENCE = 10.0
"""Seconds that a session's first calls wait for the store. Usually they wait for 20 ms; a store
that has forgotten everything is made again from the logs, and a gigabyte of those takes minutes.
Nobody whose score is not known yet is let through, so they are told; hosts give up after 60 s."""

UNSIGNED = "a user of the control socket"
"""By whom something was done that nobody signs."""

LEVEL = 1
"""Of a profile, and of a key: the operator enrolled it, by starting mcpguard or by pinning it."""


def _unheard(name: str, why: str) -> None:
    """Before the session runs there is nobody to be told."""


class Governor:
    """One session's stages, and the state they ask.

    `decide` is the session's pipeline, `parties` its parties. `settings` and `stages` change when
    a person reloads the configuration; the rest stays.
    """

    budgets: Budgets

    def __init__(
        self,
        plan: Plan,
        session: str,
        audit: "AuditLog | None",
        data: Callable[[], Path],
        roster: "Roster",
        *,
        program: bool = False,
    ) -> None:
        """`session`: its id. `audit`: its log, if it has one. `data`: finds the data directory.

        `roster`: the approvers who count in this session. `program`: it embeds the session and
        answers for its users.
        """
        self._program = program
        self.plan, self.session = plan, session
        self.audit, self._data = audit, data
        if audit is not None:
            audit.heard = self.counted
        self.settings = settings = plan.settings
        self.loaded = plan.loaded
        """What the files say now, beneath the policies that approvers set for all proxies."""
        self.ruled: Ruled | None = None
        self.roster = roster
        self._tally: Tally | None = None
        self.parties = Parties(
            _caller(plan, settings),
            1 if plan.lock is not None else 0,
            counts_server=settings.trust.servers,
        )
        self.blocked = Blocked(plan.name, _blocked(settings))
        self.observer = self._observer()
        self.examiner = Examiner()
        self.keeping = Keeping(
            plan,
            session,
            data,
            hours=lambda: self.settings.scan.keep,
            now=time.monotonic,
            unix=time.time,  # noqa: TID251 - as above
            tell=self._told,
        )
        self.planted = Planted(data, self._again, self._told)
        self._tell: Callable[[str, str], None] = _unheard
        self._approvals: Approvals | None = None
        self.limiters: tuple[Limiter, ...] = ()
        """Of rates and of rules."""
        self._maker = Maker(plan, self._around())
        self.panel = Panel({})
        self.decide = self.panel.decide
        self.latency: Latency | None = None
        """How long calls take, where a session's lines are timed."""
        self.held: Callable[[], Collection[int]] = tuple
        """The wire ids of the calls that wait; the session says."""
        self.worker: Worker | None = None
        self.govern(settings)
        if plan.mode is Mode.ENFORCE:
            self.panel.seat({"trust": Unread(lambda: self.observer.state)})

    def _observer(self) -> Observer:
        return Observer(
            self.parties,
            self.blocked,
            self.audit,
            session=self.session,
            server=self.plan.name,
            lock=self.plan.digest,
            clock=time.time,  # noqa: TID251 - the shell hands its clock in; nothing below reads one
            stir=self._hurried,
            rule=self.looked,
        )

    def _around(self) -> Around:
        return Around(
            self.parties,
            self.blocked,
            self.examiner,
            self.keeping,
            self.planted,
            self._approve,
            lambda: self.tally,
            self._hurried,
        )

    @property
    def tally(self) -> Tally | None:
        """Counts since there have been rules, which may read them."""
        self._recount()
        return self._tally

    def _recount(self) -> None:
        """What the log wrote by itself is counted."""
        if self.audit is not None:
            self.audit.tell()

    @property
    def stages(self) -> Mapping[str, Stage]:
        """The stages that judge now, by name."""
        return self.panel.stages

    @property
    def approvals(self) -> "Approvals":
        """The approvals of the session, made when a person is first asked or asks."""
        if self._approvals is None:
            from mcpguard.live.approvals import Approvals

            self._approvals = Approvals(
                self.settings.approvals,
                session=self.session,
                lock=self.plan.digest,
                approvers=self.roster.approvers,
                source=os.urandom,
                now=time.monotonic,
                unix=lambda: int(time.time()),  # noqa: TID251 - as above
                program=self._program,
                patterns=lambda: self.settings.gateway.patterns,
                tell=self._told,
            )
            if self.worker is not None:
                self.worker.share(self._approvals)
        return self._approvals

    def ready(self) -> bool:
        """Whether the stages can judge: the store was read, or will not be."""
        return not isinstance(self.stages["trust"], Unread) or self.observer.state not in AT_HAND

    def _approve(self, stage: str) -> Approve:
        """What `stage` asks of a person."""

        def approve(call: Call, ctx: Context) -> Verdict | Wait:
            return self.approvals.asking.of(stage)(call, ctx)

        return approve

    def govern(self, settings: Settings) -> None:
        """From now on the stages are those of `settings`. Raises UsageError, and nothing changes.

        Rates begin with what the store has counted; budgets anew where they are others.
        """
        same = bool(self.stages) and settings.gateway.budgets == self.settings.gateway.budgets
        made = self._maker.make(settings, self.budgets if same else None)
        stages = {**made.stages}
        # Nothing raises from here on.
        if isinstance(self.stages.get("trust"), Unread):
            stages["trust"] = self.stages["trust"]
        self.panel.seat(stages)
        self.examiner.forget()
        self._made = made.stages
        self.settings, self.budgets = settings, made.budgets
        if self.tally is None and settings.rules is not None:
            self._tally = Tally()
        self.limiters, before = made.limiters, self.limiters
        self.blocked.own = _blocked(settings)
        self.parties.caller = _caller(self.plan, settings)
        if self.worker is not None:
            self.worker.count_for(made.limiters, before)

    def over(self, loaded: "Loaded") -> "Loaded":
        """`loaded` beneath the policies that approvers set. Raises UsageError."""
        return loaded if self.ruled is None else self.ruled.over(loaded)

    def looked(self, told: "Sequence[Row]") -> None:
        """Take over what the store says of tools' policies, and record it; also what is ignored.

        `told`: all of it. Raises McpguardError, and nothing changes. What is known is no news.
        """
        if not told and self.ruled is None:
            return
        ruled = self._ruled()
        news = ruled.sift(told, self.roster.approvers)
        for each in ruled.unsaid():
            self._record(each.record())
            self._tell("policy.ignored", each.why)
        ruled.said()
        self._take_over(ruled, news)

    def rule(self, told: "Row") -> None:
        """Take over what one approver says, and record it. Raises McpguardError as `looked`."""
        ruled = self._ruled()
        if told.policy is not None and ruled.is_news(told, self.roster.approvers):
            self._take_over(ruled, [told.policy])

    def _ruled(self) -> "Ruled":
        from mcpguard.live.reloading import Ruled

        self.ruled = self.ruled or Ruled(self.plan.name)
        return self.ruled

    def _take_over(self, ruled: "Ruled", news: "Sequence[Policy]") -> None:
        if not news:
            return
        known, before = ruled.known, self.settings
        ruled.known = known | {each.about: each for each in news}
        try:
            self.govern(ruled.over(self.loaded).settings)
            for each in news:
                fields = orjson.dumps(each.fields, option=orjson.OPT_SORT_KEYS).decode()
                self.note("control.policy", (each.key,), glob=each.glob, policy=fields)
        except McpguardError:
            ruled.known = known
            self.govern(before)
            raise

    def note(self, event: str, keys: Sequence[str] = (), why: str = "", **what: str) -> None:
        """Record what a person changed; `keys`: who signed it.

        Raises ControlError when the session enforces and it cannot be written.
        """
        from mcpguard.audit.record import changed

        names = {each.key_id: each.name for each in self.roster.approvers}
        by = ", ".join(names.get(key, key) for key in keys) or UNSIGNED
        self._record(changed(event, by=by, key=keys[0] if keys else "", why=why, **what))

    def _record(self, record: JsonObject) -> None:
        """Raises ControlError when the session enforces and it cannot be written."""
        try:
            if self.audit is not None:
                self.audit.write([(record, b"")])
                self.written([(record, b"")], timed=False)
        except AuditError as error:
            if self.plan.mode is Mode.ENFORCE:
                raise ControlError(
                    f"it was not done, as it cannot be recorded: {error.message}", hint=error.hint
                ) from error

    def warm(self) -> None:
        """Load what the first result would wait for. From another thread."""
        stage = self.stages["scan"]
        if isinstance(stage, ScanStage):
            stage.warm()

    def _told(self, name: str, why: str) -> None:
        self._tell(name, why)

    def _again(self) -> None:
        """The same settings, other planted credentials."""
        self.govern(self.settings)

    def calls(self) -> dict[str, tuple[int, int]]:
        """Of each tool: its calls so far, and how many of them were denied. Empty without a log."""
        self._recount()
        watcher = self.observer.watcher
        return {} if watcher is None else watcher.calls()

    # beside the messages

    def written(self, records: Sequence[Record], *, timed: bool = True) -> None:
        """These records are in the log. `timed`: a line was read for them, not long ago."""
        if self._tally is not None:
            self._tally.count(records)
        watcher, audit = self.observer.watcher, self.audit
        if watcher is not None and audit is not None:
            watcher.seen(records, audit.seq, audit.now)
            if timed and self.latency is not None and not audit.seq & SAMPLED:
                self.latency.handled()

    def counted(self, allowed: Mapping[Allowed, int], seq: int, now: float) -> None:
        """Records the log wrote by itself, see `AuditLog.allow`."""
        if self._tally is not None:
            self._tally.counted(allowed)
        if self.observer.watcher is not None:
            self.observer.watcher.counted(allowed, seq, now)

    def stir(self) -> None:
        """Calls may have begun to wait, or have ended: those that still wait may need the store."""
        approvals = self._approvals
        if approvals is not None and (approvals.keep(self.held()) or approvals.urgent):
            self._hurried()

    def _hurried(self) -> None:
        """The store is to be told something before the next look."""
        if self.worker is not None:
            self.worker.stir()

    async def serve(self, resume: Callable[[], None], tell: Callable[[str, str], None]) -> None:
        """Ask the store until cancelled. `resume`: judge again what waits."""
        from mcpguard.live.sweeping import Sweep
        from mcpguard.live.worker import Worker  # brings anyio

        self._tell = tell

        def ready() -> None:
            unread = isinstance(self.stages["trust"], Unread)
            if unread and (self.observer.state == "known" or self._alone):
                self.panel.seat({"trust": self._made["trust"]})
            resume()

        self.worker = Worker(
            self.opened,
            self.limiters,
            [
                each
                for each in (self.observer, self._approvals, Sweep(), self.planted)
                if each is not None
            ],
            clock=uptime,
            tell=tell,
            local=self.settings.store.on_loss is OnLoss.LOCAL,
        )
        await self.worker.run(ready)

    async def hurry(self, resume: Callable[[], None]) -> None:
        """Tell those that wait for the store when it has taken `PATIENCE` seconds."""
        import anyio

        await anyio.sleep(PATIENCE)
        self.observer.hurry()
        resume()

    @property
    def _alone(self) -> bool:
        """The store cannot be read, and this proxy may go on by itself."""
        return self.observer.state == "lost" and self.settings.store.on_loss is OnLoss.LOCAL

    def end(self) -> None:
        """Tell the store what is left to tell. Blocks for as long as it does."""
        if self.worker is not None:
            approvals = self._approvals
            if approvals is None:
                self.worker.end()
                return
            partings = approvals.part()
            self.worker.end(lambda store: approvals.leave(store, partings))

    def stuck(self, seconds: float) -> bool:
        """Whether a thread is left with a store that does not answer for so long. Blocks."""
        return self.worker is not None and self.worker.stuck(seconds)

    def opened(self) -> "Store":
        """The store that the settings name. Blocks. Raises StoreError."""
        chosen = self.settings.store
        where = chosen.where
        if chosen.backend == "sqlite" and not where:
            try:
                where = str(self._data() / STATE)
            except UsageError as error:
                raise StoreError(error.message, hint=error.hint) from error
        return BACKENDS[chosen.backend](where)


def _caller(plan: Plan, settings: Settings) -> Principal:
    held = settings.principals.get(plan.principal)
    return Principal(plan.principal, LEVEL, held.capabilities if held else frozenset(), plan.proof)


def _blocked(settings: Settings) -> frozenset[str]:
    return frozenset(name for name, each in settings.principals.items() if each.blocked)
