"""The stages that judge in a session: made of its settings, its lockfile and what is kept for it.

Nothing of the session changes while they are made, so settings that cannot be used change nothing.
"""

import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mcpguard.config.plan import Plan
from mcpguard.config.settings import Settings
from mcpguard.live.examining import Examiner
from mcpguard.live.keeping import Keeping, Planted
from mcpguard.live.observing import Blocked, Parties
from mcpguard.live.stages.counting import Budgets, Rates, RuleLimits, rates_of
from mcpguard.live.stages.tally import Tally
from mcpguard.model import Call, Context, Effect, ItemKind, Mode, Result, Tier
from mcpguard.pipeline import NoRules, Stage, make_stages
from mcpguard.pipeline.gateway import GatewayStage
from mcpguard.pipeline.scan import ScanStage
from mcpguard.pipeline.trust import TIERS, Approve, TrustStage
from mcpguard.scan.semantics import System
from mcpguard.store.clock import uptime
from mcpguard.trust.limits import Limiter, Limits

if TYPE_CHECKING:
    from mcpguard.policy.cel import Facts

__all__ = ["Around", "Made", "Maker"]


class Around(NamedTuple):
    """What the stages of a session ask, whatever its settings are.

    `approve`: a stage's name -> what it asks of a person. `tally`: what conditions may count.
    `hurried`: the store is to be asked something now.
    """

    parties: Parties
    blocked: Blocked
    examiner: Examiner
    keeping: Keeping
    planted: Planted
    approve: Callable[[str], Approve]
    tally: Callable[[], Tally | None]
    hurried: Callable[[], None]


class Made(NamedTuple):
    """`stages`: all of them. `limiters`: of rates, and of rules."""

    stages: dict[str, Stage]
    limiters: tuple[Limiter, Limiter]
    budgets: Budgets


def _never(_rule: str, _item: str) -> bool:
    return False


class Maker:
    """Makes the stages of one session."""

    def __init__(self, plan: Plan, around: Around) -> None:
        self._plan, self._around = plan, around

    def make(self, settings: Settings, budgets: Budgets | None) -> Made:
        """The stages of `settings`. Raises UsageError for what cannot be.

        Rates begin with what the store has counted. `budgets`: those that go on; None: anew.
        """
        lock, server = self._plan.lock, self._plan.name
        tools = tuple(settings.tools.policies if lock is None else lock.items[ItemKind.TOOL])
        rates = rates_of(settings.limits, settings.tools, tools)
        # A rate of a tool that this server does not have is no reason not to start.
        counted = rates != Limits() or settings.tools.rated() is not None
        hurried = self._around.hurried
        limiters = (Limiter(rates, server, hurried), Limiter(Limits(), server, hurried))
        budgets = budgets or Budgets(settings.gateway.budgets, server, uptime)
        made: dict[str, Stage] = {
            "trust": self._trust(settings, limiters[0] if counted else None),
            "policy": self._policy(settings, limiters[1]),
            "scan": self._scan(settings),
            "gateway": self._gateway(settings, budgets),
        }
        return Made(make_stages(lock, made), limiters, budgets)

    def _trust(self, settings: Settings, limiter: Limiter | None) -> Stage:
        blocked = self._around.blocked
        return TrustStage(
            settings.tools,
            limits=None if limiter is None else Rates(limiter, uptime),
            blocked=blocked,
            server=blocked.server,
            tools=blocked.tools,
            tiers=self._tiers(),
            strict=settings.trust.tiers,
            approve=self._around.approve("trust"),
        )

    def _tiers(self) -> Mapping[str, Tier]:
        """What the reviewed tools may do at least: as locked, and more if they are destructive."""
        found: dict[str, Tier] = {}
        lock = self._plan.lock
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
            self._plan.lock,
            budgets=budgets if policy.budgets != Limits() else None,
            approve=self._around.approve("gateway"),
            system=_system(),
            planted=self._around.planted.detector,
        )

    def _scan(self, settings: Settings) -> Stage:
        enforces = self._plan.mode is Mode.ENFORCE
        return ScanStage(
            settings.scan if enforces else settings.scan.watching(),
            self._plan.lock,
            keep=self._around.keeping if enforces else None,
            aside=self._around.examiner.aside,
            planted=self._around.planted.detector,
            accepted=self._accepted(settings),
        )

    def _accepted(self, settings: Settings) -> Callable[[str, str], bool]:
        """Which findings do not count today: a session may last beyond a suppression's last day."""
        if not settings.suppress:
            return _never
        from mcpguard.policy.suppress import Suppressions

        def holds(rule: str, item: str) -> bool:
            day = Suppressions(settings.suppress, datetime.now(UTC).date())
            return day.holding(rule, self._plan.name, item) is not None

        return holds

    def _policy(self, settings: Settings, limiter: Limiter) -> Stage:
        if settings.rules is None:
            return NoRules()
        from mcpguard.config.values import zone_of
        from mcpguard.pipeline.policy import PolicyStage  # brings CEL

        return PolicyStage(
            settings.rules,
            partial(self._facts, zone_of(settings.zone)),
            RuleLimits(limiter, uptime),
            approve=self._around.approve("policy"),
            default=Effect.ALLOW,
            clock=uptime,
        )

    def _facts(self, zone: tzinfo, subject: Call | Result, ctx: Context) -> "Facts":
        from mcpguard.policy.cel import Facts
        from mcpguard.policy.replay import moment

        caller, parties, tally = ctx.parties.caller, self._around.parties, self._around.tally()
        calls, of_tool, denied = tally.of(subject.target) if tally else (0, 0, 0)
        lock = self._plan.lock
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
            server=self._plan.name,
            moment=moment(datetime.now(zone)),
            calls=calls,
            tool_calls=of_tool,
            denied=denied,
        )


def _system() -> System:
    """What paths are resolved against: this machine's own, and never the working directory."""
    return System(resolve=os.path.realpath, home=str(Path.home()), windows=sys.platform == "win32")
