"""The live state behind a session's stages: who takes part, what is counted, what has changed.

Built from the settings once, and asked at every message. Everything here happens on the session's
own thread; what needs the store is asked by `worker` beside it.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from mcpguard.config.plan import Plan
from mcpguard.config.settings import OnLoss
from mcpguard.control.counting import Budgets, Rates, RuleLimits, rates_of
from mcpguard.errors import StoreError, UsageError
from mcpguard.model import (
    Allowed,
    Call,
    Context,
    Effect,
    Held,
    ItemKind,
    JsonObject,
    Principal,
    Proof,
    Result,
)
from mcpguard.pipeline import NoRules, Stage, decide, make_stages
from mcpguard.pipeline.gateway import GatewayStage
from mcpguard.pipeline.trust import TrustStage
from mcpguard.scan.semantics import System
from mcpguard.store import BACKENDS
from mcpguard.store.clock import uptime
from mcpguard.trust.limits import Limiter, Limits
from mcpguard.trust.score import Standing, effective

if TYPE_CHECKING:
    from mcpguard.audit import AuditLog
    from mcpguard.control.worker import Worker
    from mcpguard.policy.cel import Facts
    from mcpguard.store import Store

__all__ = ["Governor", "Parties"]

Told: TypeAlias = tuple[Allowed | JsonObject, bytes]
"""A record and a call's encoded arguments, as a session gives them to the log."""

STATE = "state.db"
"""Name of the SQLite store in the data directory, unless the settings name another."""

LEVEL = 1
"""Of a profile: the operator enrolled it by starting mcpguard (DESIGN section 7)."""


class Parties:
    """`model.Parties` of a session: the profile that started it, and the server.

    `counts_server`: the server's own standing is held against the thresholds as well.
    """

    def __init__(self, caller: Principal, server_level: int, *, counts_server: bool) -> None:
        self.caller = caller
        self._counts_server = counts_server
        self.now_stand(Standing.new(caller.level), Standing.new(server_level))

    def now_stand(self, caller: Standing, server: Standing) -> None:
        """What was observed has changed."""
        self.of_caller, self.of_server = caller, server
        both = (caller.held, server.held)
        self._held = both if self._counts_server else both[:1]
        self.effective = effective(both)
        """The least of both, whatever counts: what records state."""

    def held(self) -> Sequence[Held]:
        """See `model.Parties`. The same tuple until something changes."""
        return self._held


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


class Governor:
    """One session's stages, and the state they ask.

    `decide` is the session's pipeline, `parties` its parties; `stages` may be changed in place.
    """

    def __init__(
        self,
        plan: Plan,
        session: str,
        audit: "AuditLog | None",
        data: Callable[[], Path],
    ) -> None:
        """`session`: its id. `audit`: its log, if it has one. `data`: finds the data directory."""
        self.plan, self.session = plan, session
        self.settings = settings = plan.settings
        self._audit, self._data = audit, data
        self._lock = lock = plan.lock
        self._server = server = plan.name
        self.tally = Tally()
        profile = plan.principal
        held = settings.principals.get(profile)
        self.parties = Parties(
            Principal(profile, LEVEL, held.capabilities if held else frozenset(), Proof.PROFILE),
            1 if lock is not None else 0,
            counts_server=settings.trust.servers,
        )
        self.blocked: set[str] = {
            name for name, each in settings.principals.items() if each.blocked
        }
        self._rates = Limiter(rates_of(settings.limits, settings.tools, self._tools()), server)
        self._rules = Limiter(Limits(), server)
        self.budgets = Budgets(settings.gateway.budgets, server, uptime)
        self.stages = make_stages(lock, self._configured())
        self.decide = partial(decide, self.stages)
        self.worker: Worker | None = None

    def _tools(self) -> Sequence[str]:
        return tuple(self._lock.items[ItemKind.TOOL]) if self._lock is not None else ()

    def _configured(self) -> dict[str, Stage]:
        return {"trust": self._trust(), "policy": self._policy(), "gateway": self._gateway()}

    def _gateway(self) -> Stage:
        policy = self.settings.gateway
        budgets = self.budgets if policy.budgets != Limits() else None
        return GatewayStage(policy, self._lock, budgets=budgets, system=_system())

    def _trust(self) -> Stage:
        settings = self.settings
        counted = rates_of(settings.limits, settings.tools, self._tools()) != Limits()
        return TrustStage(
            settings.tools,
            limits=Rates(self._rates, uptime) if counted else None,
            blocked=self.blocked,
            strict=settings.trust.tiers,
        )

    def _policy(self) -> Stage:
        if not self.settings.rules.rules:
            return NoRules()
        from mcpguard.pipeline.policy import PolicyStage  # brings CEL

        return PolicyStage(
            self.settings.rules,
            self._facts,
            RuleLimits(self._rules, uptime),
            default=Effect.ALLOW,
            clock=uptime,
        )

    def _facts(self, subject: Call | Result, ctx: Context) -> "Facts":
        from mcpguard.policy.cel import Facts
        from mcpguard.policy.replay import moment

        caller, parties = ctx.parties.caller, self.parties
        calls, of_tool, denied = self.tally.of(subject.target)
        item = self._lock.item(ItemKind.TOOL, subject.target) if self._lock is not None else None
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
            server=self._server,
            moment=moment(datetime.now().astimezone()),
            calls=calls,
            tool_calls=of_tool,
            denied=denied,
        )

    # beside the messages

    def written(self, records: Sequence[Told]) -> None:
        """These records are in the log."""
        self.tally.count(records)

    def stir(self) -> None:
        """After every turn of the session: its counters may need the store."""
        if self.worker is not None and (self._rates.hungry or self._rules.hungry):
            self.worker.stir()

    async def serve(self, resume: Callable[[], None], tell: Callable[[str, str], None]) -> None:
        """Ask the store until cancelled. `resume`: judge again what waits."""
        from mcpguard.control.worker import Worker  # brings anyio

        self.worker = Worker(
            self._opened,
            (self._rates, self._rules),
            (),
            clock=uptime,
            tell=tell,
            local=self.settings.store.on_loss is OnLoss.LOCAL,
        )
        await self.worker.run(resume)

    def end(self) -> None:
        """Give back what is leased. Blocks for as long as the store does."""
        if self.worker is not None:
            self.worker.end()

    def _opened(self) -> "Store":
        chosen = self.settings.store
        where = chosen.where
        if chosen.backend == "sqlite" and not where:
            try:
                where = str(self._data() / STATE)
            except UsageError as error:
                raise StoreError(error.message, hint=error.hint) from error
        return BACKENDS[chosen.backend](where)


def _system() -> System:
    """What paths are resolved against: this machine's own, and never the working directory."""
    return System(resolve=os.path.realpath, home=str(Path.home()), windows=sys.platform == "win32")
