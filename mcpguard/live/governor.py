"""The live state behind a session's stages: who takes part, what is counted, what has changed.

Built from the settings, and asked at every message. Everything here happens on the session's own
thread; what needs the store is asked by `worker` beside it.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from mcpguard.config.flags import STATE
from mcpguard.config.plan import Plan
from mcpguard.config.settings import OnLoss, Settings
from mcpguard.errors import StoreError, UsageError
from mcpguard.live.counting import UNREAD, Budgets, Rates, RuleLimits, rates_of
from mcpguard.live.examining import Examiner
from mcpguard.live.keeping import Keeping, Planted
from mcpguard.live.observing import Blocked, Observer, Parties
from mcpguard.model import (
    ALLOW,
    Allowed,
    Call,
    Context,
    Effect,
    ItemKind,
    JsonObject,
    Mode,
    Principal,
    Proof,
    Reason,
    Result,
    Subject,
    Tier,
    Verdict,
    Wait,
)
from mcpguard.pipeline import NoRules, Panel, Stage, make_stages
from mcpguard.pipeline.gateway import GatewayStage
from mcpguard.pipeline.scan import ScanStage
from mcpguard.pipeline.trust import TIERS, Approve, TrustStage
from mcpguard.policy.suppress import Suppressions
from mcpguard.scan.semantics import System
from mcpguard.store import BACKENDS
from mcpguard.store.clock import uptime
from mcpguard.trust.limits import Limiter, Limits

if TYPE_CHECKING:
    from mcpguard.audit import AuditLog
    from mcpguard.identity.roster import Roster
    from mcpguard.live.approvals import Approvals
    from mcpguard.live.worker import Job, Worker
    from mcpguard.policy.cel import Facts
    from mcpguard.store import Store

__all__ = ["Governor"]

Told: TypeAlias = tuple[Allowed | JsonObject, bytes]
"""A record and a call's encoded arguments, as a session gives them to the log."""

PATIENCE = 10.0
"""Seconds that a session's first calls wait for the store. Usually they wait for 20 ms; a store
that has forgotten everything is made again from the logs, and a gigabyte of those takes minutes.
Nobody whose score is not known yet is let through, so they are told; hosts give up after 60 s."""

LEVEL = 1
"""Of a profile: the operator enrolled it by starting mcpguard (DESIGN section 7)."""


class Tally:
    """What was decided in this session so far, as far as conditions may read it."""

    def __init__(self) -> None:
        self._allowed: Counter[Allowed] = Counter()
        self._others: Counter[tuple[str, bool]] = Counter()

    def count(self, records: Sequence[Told]) -> None:
        """Records that were written."""
        allowed = self._allowed
        for record, _ in records:
            if type(record) is Allowed:
                allowed[record] += 1
            else:
                self._other(cast("JsonObject", record))

    def _other(self, record: JsonObject) -> None:
        decision = record.get("decision")
        about = record.get("direction") == _UP and record.get("method") == "tools/call"
        if about and decision in _DECIDED and record.get("stage") != "wire":
            self._others[str(record["target"]), decision != "allow"] += 1

    def of(self, tool: str) -> tuple[int, int, int]:
        """Calls of tools, those of them of `tool`, and those that were denied."""
        calls = [(one.target, n) for one, n in self._allowed.items() if one[:2] == _CALL_UP]
        calls += [(target, n) for (target, _), n in self._others.items()]
        denied = sum(n for (_, was), n in self._others.items() if was)
        return sum(n for _, n in calls), sum(n for name, n in calls if name == tool), denied


_UP = "host>server"
_CALL_UP = (_UP, "tools/call")
_DECIDED = frozenset({"allow", "deny", "would_deny"})


_AT_HAND = frozenset({"loading", "known"})
"""States in which the answer comes, or has come and is taken over in the same turn of the worker: a
call that came in between was denied for a store that had just been read."""


class Unread:
    """The trust stage until the store was read: whoever is blocked is written there.

    `state`: of the observer. Calls of tools wait; when the store cannot be read they are denied.
    """

    def __init__(self, state: Callable[[], str]) -> None:
        self._state = state

    def judge(self, subject: Subject, ctx: Context) -> Verdict | Wait:
        """See `Stage.judge`."""
        if not isinstance(subject, Call) or not subject.target:
            return ALLOW
        state = self._state()
        if state in _AT_HAND:
            return UNREAD
        return Verdict.deny(Reason.STORE_LOST, _SLOW if state == "slow" else _UNREADABLE)


_UNREADABLE = "the store that says who is blocked cannot be read"
_SLOW = "scores are still being made from the audit logs: it works when they are, try again then"


class Sweep:
    """A `worker.Keeper`: once a session, deletes from the store what of approvals has expired."""

    urgent = False

    def __init__(self) -> None:
        self._looks = 0

    def job(self) -> "Job":
        """See `worker.Keeper`. At the second look: for the first one calls wait."""
        self._looks += 1
        return _swept if self._looks == SWEPT_AT else lambda _: _nothing

    def lost(self) -> None:
        """See `worker.Keeper`. Another session will do it."""


SWEPT_AT = 2


def _swept(store: "Store") -> Callable[[], None]:
    from mcpguard.approval import orphans, shared  # in the worker's thread

    now = int(time.time())  # noqa: TID251 - the shell's clock
    shared.sweep(store, now)
    orphans.sweep_left(store, now)
    return _nothing


def _nothing() -> None:
    """Nothing was asked, so there is nothing to take."""


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
    ) -> None:
        """`session`: its id. `audit`: its log, if it has one. `data`: finds the data directory.

        `roster`: the approvers who count in this session.
        """
        self.plan, self.session = plan, session
        self.audit, self._data = audit, data
        self.settings = settings = plan.settings
        self.roster = roster
        self.tally: Tally | None = None
        """Counts since there have been rules, which may read them."""
        self.parties = Parties(
            _caller(plan.principal, settings),
            1 if plan.lock is not None else 0,
            counts_server=settings.trust.servers,
        )
        self.blocked = Blocked(plan.name, _blocked(settings))
        self.observer = Observer(
            self.parties,
            self.blocked,
            audit,
            session=session,
            server=plan.name,
            lock=plan.digest,
            clock=time.time,  # noqa: TID251 - the shell hands its clock in; nothing below reads one
        )
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
        self.panel = Panel({})
        self.decide = self.panel.decide
        self.held: Callable[[], Collection[int]] = tuple
        """The wire ids of the calls that wait; the session says."""
        self.worker: Worker | None = None
        self.govern(settings)
        if plan.mode is Mode.ENFORCE:
            self.panel.seat({"trust": Unread(lambda: self.observer.state)})

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
            )
            if self.worker is not None:
                self.worker.keep(self._approvals)
        return self._approvals

    def ready(self) -> bool:
        """Whether the stages can judge: the store was read, or will not be."""
        return not isinstance(self.stages["trust"], Unread) or self.observer.state not in _AT_HAND

    def _approve(self, stage: str) -> Approve:
        """What `stage` asks of a person."""

        def approve(call: Call, ctx: Context) -> Verdict | Wait:
            return self.approvals.asking.of(stage)(call, ctx)

        return approve

    # the stages

    def govern(self, settings: Settings) -> None:
        """From now on the stages are those of `settings`. Raises UsageError, and nothing changes.

        Rates begin with what the store has counted; budgets anew where they are others.
        """
        lock, server = self.plan.lock, self.plan.name
        tools = tuple(settings.tools.policies if lock is None else lock.items[ItemKind.TOOL])
        rates = rates_of(settings.limits, settings.tools, tools)
        # A rate of a tool that this server does not have is no reason not to start.
        counted = rates != Limits() or settings.tools.rated() is not None
        limiters = (Limiter(rates, server), Limiter(Limits(), server))
        limits = settings.gateway.budgets
        same = bool(self.stages) and limits == self.settings.gateway.budgets
        budgets = self.budgets if same else Budgets(limits, server, uptime)
        made: dict[str, Stage] = {
            "trust": self._trust(settings, limiters[0] if counted else None),
            "policy": self._policy(settings, limiters[1]),
            "scan": self._scan(settings),
            "gateway": self._gateway(settings, budgets),
        }
        stages = make_stages(lock, made)
        # Nothing raises from here on.
        if isinstance(self.stages.get("trust"), Unread):
            stages["trust"] = self.stages["trust"]
        self.panel.seat(stages)
        self.examiner.forget()
        self._made = made
        self.settings, self.budgets = settings, budgets
        if self.tally is None and settings.rules is not None:
            self.tally = Tally()
        self.limiters, before = limiters, self.limiters
        self.blocked.own = _blocked(settings)
        self.parties.caller = _caller(self.plan.principal, settings)
        if self.worker is not None:
            self.worker.count_for(limiters, before)

    def _trust(self, settings: Settings, limiter: Limiter | None) -> Stage:
        return TrustStage(
            settings.tools,
            limits=None if limiter is None else Rates(limiter, uptime),
            blocked=self.blocked,
            tools=self.blocked.tools,
            tiers=self._tiers(),
            strict=settings.trust.tiers,
            approve=self._approve("trust"),
        )

    def _tiers(self) -> dict[str, Tier]:
        """What the reviewed tools may do at least: as locked, and more if they are destructive."""
        found: dict[str, Tier] = {}
        lock = self.plan.lock
        for name, item in (lock.items[ItemKind.TOOL] if lock is not None else {}).items():
            noted = item.definition.get("annotations")
            raised = isinstance(noted, dict) and noted.get("destructiveHint") is True
            least = [Tier.ACT] * raised + ([Tier(item.tier)] if item.tier else [])
            if least:
                found[name] = max(least, key=TIERS.index)
        return found

    def _gateway(self, settings: Settings, budgets: Budgets) -> Stage:
        policy = settings.gateway
        return GatewayStage(
            policy,
            self.plan.lock,
            budgets=budgets if policy.budgets != Limits() else None,
            approve=self._approve("gateway"),
            system=_system(),
            planted=self.planted.detector,
        )

    def _scan(self, settings: Settings) -> Stage:
        enforces = self.plan.mode is Mode.ENFORCE
        return ScanStage(
            settings.scan if enforces else settings.scan.watching(),
            self.plan.lock,
            keep=self.keeping if enforces else None,
            aside=self.examiner.aside,
            planted=self.planted.detector,
            accepted=self._accepted(settings),
        )

    def _accepted(self, settings: Settings) -> Callable[[str, str], bool]:
        """Which findings do not count today: a session may last beyond a suppression's last day."""

        def holds(rule: str, item: str) -> bool:
            day = Suppressions(settings.suppress, datetime.now(UTC).date())
            return day.holding(rule, self.plan.name, item) is not None

        return holds

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

    def _policy(self, settings: Settings, limiter: Limiter) -> Stage:
        if settings.rules is None:
            return NoRules()
        from mcpguard.pipeline.policy import PolicyStage  # brings CEL

        return PolicyStage(
            settings.rules,
            self._facts,
            RuleLimits(limiter, uptime),
            approve=self._approve("policy"),
            default=Effect.ALLOW,
            clock=uptime,
        )

    def _facts(self, subject: Call | Result, ctx: Context) -> "Facts":
        from mcpguard.policy.cel import Facts
        from mcpguard.policy.replay import moment

        caller, parties = ctx.parties.caller, self.parties
        calls, of_tool, denied = self.tally.of(subject.target) if self.tally else (0, 0, 0)
        lock = self.plan.lock
        item = lock.item(ItemKind.TOOL, subject.target) if lock is not None else None
        noted = item.definition.get("annotations") if item is not None else None
        least = parties.effective
        return Facts(
            principal=caller.id,
            level=caller.level,
            score=parties.of_caller.score,
            capabilities=tuple(sorted(caller.capabilities)),
            trust_level=least.level,
            trust_score=least.score,
            annotations=noted if isinstance(noted, dict) else {},
            tier=item.tier if item is not None else "",
            server=self.plan.name,
            moment=moment(datetime.now().astimezone()),
            calls=calls,
            tool_calls=of_tool,
            denied=denied,
        )

    def calls(self) -> dict[str, tuple[int, int]]:
        """Of each tool: its calls so far, and how many of them were denied. Empty without a log."""
        watcher = self.observer.watcher
        return {} if watcher is None else watcher.calls()

    # beside the messages

    def written(self, records: Sequence[Told]) -> None:
        """These records are in the log."""
        if self.tally is not None:
            self.tally.count(records)
        watcher, audit = self.observer.watcher, self.audit
        if watcher is not None and audit is not None:
            watcher.seen(records, audit.seq, audit.now)

    def stir(self) -> None:
        """After every turn of the session: its counters and waiting calls may need the store."""
        approvals, urgent = self._approvals, False
        if approvals is not None:
            urgent = approvals.keep(self.held()) or approvals.urgent
        rates, rules = self.limiters
        if urgent or rates.hungry or rules.hungry:
            worker = self.worker
            if worker is not None:
                worker.stir()

    async def serve(self, resume: Callable[[], None], tell: Callable[[str, str], None]) -> None:
        """Ask the store until cancelled. `resume`: judge again what waits."""
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


def _caller(name: str, settings: Settings) -> Principal:
    held = settings.principals.get(name)
    return Principal(name, LEVEL, held.capabilities if held else frozenset(), Proof.PROFILE)


def _blocked(settings: Settings) -> frozenset[str]:
    return frozenset(name for name, each in settings.principals.items() if each.blocked)


def _system() -> System:
    """What paths are resolved against: this machine's own, and never the working directory."""
    return System(resolve=os.path.realpath, home=str(Path.home()), windows=sys.platform == "win32")
