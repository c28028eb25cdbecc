"""All stages together: a call that fails in every check is denied by the first that is left."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pytest

from mcpguard.lock.lockfile import Launch, Lockfile, from_surface
from mcpguard.lock.surface import ServerFacts, collect
from mcpguard.model import (
    ALLOW,
    Call,
    Context,
    Decision,
    Effect,
    Era,
    Held,
    ItemKind,
    Json,
    JsonObject,
    Live,
    Principal,
    Proof,
    Reason,
    Result,
    SubjectKind,
    Verdict,
    Wait,
)
from mcpguard.pipeline import REQUIRED, Stage, decide
from mcpguard.pipeline.gateway import GatewayStage
from mcpguard.pipeline.policy import PolicyStage
from mcpguard.pipeline.surface import SurfaceStage
from mcpguard.pipeline.terms import Binding, GatewayPolicy, Handling
from mcpguard.pipeline.trust import TrustStage
from mcpguard.policy.cel import Facts
from mcpguard.policy.loading import load
from mcpguard.policy.rules import LimitUse
from mcpguard.scan.semantics import Resource, Scope, System
from mcpguard.trust.limits import Limits
from mcpguard.trust.policy import PolicyTable, ToolPolicy
from tests.unit.policy.facts import facts

SCHEMA: JsonObject = {"type": "object", "properties": {"path": {"type": "string"}}}
LOCK: Lockfile = from_surface(
    collect(
        ServerFacts(Era.LEGACY, "2025-11-25", {"name": "s", "version": "1"}, "", {"tools": {}}),
        {ItemKind.TOOL: [{"name": "read", "inputSchema": SCHEMA}]},
    ),
    name="s",
    launch=Launch(("server",), "", (), {}),
    requests=(),
)
SYSTEM = System(lambda path: path, home="/home/u")
STALLS = Wait("somebody", "k3f9")


class Listed:
    """Facts of a session in which every tool has this state."""

    def __init__(self, state: Reason) -> None:
        self.state = state

    def item_state(self, kind: ItemKind, name: str) -> Reason:
        return self.state


@dataclass(frozen=True)
class Moment:
    """`model.Live` of the one call."""

    now: float = 7.0
    call: int = 1
    again: Wait | None = None
    said: bool | None = None


@dataclass(frozen=True)
class Parties:
    """`model.Parties` whose standing is given, or cannot be told."""

    caller: Principal
    standing: Held | None

    def held(self) -> Sequence[Held]:
        if self.standing is None:
            raise OSError("the store is down")
        return (self.standing,)


def said(answer: Verdict | Wait | None) -> Verdict | Wait:
    """The answer of whoever is asked; None: it raises."""
    if answer is None:
        raise OSError("the store is down")
    return answer


@dataclass(frozen=True)
class Counters:
    """The limits of the trust stage, and a person: both as they are told."""

    rate: Verdict | Wait | None
    person: Verdict | Wait | None

    def take(self, *_: object) -> Verdict | Wait:
        return said(self.rate)

    def approve(self, call: Call, ctx: Context) -> Verdict | Wait:
        return said(self.person)


@dataclass(frozen=True)
class RuleCounter:
    """`pipeline.policy.Limits`."""

    spent: Collection[str] | Wait | None

    def take(self, uses: tuple[LimitUse, ...], live: Live) -> Collection[str] | Wait:
        if self.spent is None:
            raise OSError("the store is down")
        if isinstance(self.spent, Wait):
            return self.spent
        return [use.key for use in uses if self.spent]


@dataclass(frozen=True)
class Budgets:
    """`pipeline.gateway.Budgets`."""

    left: Verdict | Wait | None

    def take(self, call: Call, ctx: Context) -> Verdict | Wait:
        return said(self.left)

    def give_back(self, call: Call, ctx: Context) -> None: ...

    def answered(self, result: Result, ctx: Context) -> None: ...


OVER = Verdict.deny(Reason.RATE_LIMIT, "too often")
SPENT = Verdict.deny(Reason.BUDGET, "no calls are left")
REFUSED = Verdict.deny(Reason.APPROVAL, "a person said no")
NOBODY = Principal("", 0)
WEAK = Held(0, 100)
ME = Principal("local:default", 1, frozenset({"fs:read"}), Proof.PROFILE)


@dataclass(frozen=True)
class World:
    """Everything that a call is judged by; the defaults are all against it."""

    state: Reason = Reason.DRIFTED
    argument: Json = 5
    caller: Principal = NOBODY
    blocked: frozenset[str] = frozenset({ME.id})
    tools: frozenset[str] = frozenset({"read"})
    standing: Held | None = WEAK
    rate: Verdict | Wait | None = OVER
    rule: str = "action: deny"
    spent: Collection[str] | Wait | None = ("all",)
    deny: tuple[str, ...] = ("re*",)
    allow: tuple[str, ...] | None = ("write",)
    handling: Handling = Handling.DENY
    scope: str = "/data/**"
    budget: Verdict | Wait | None = SPENT
    person: Verdict | Wait | None = REFUSED

    def stages(self) -> dict[str, Stage]:
        counters = Counters(self.rate, self.person)
        policy = ToolPolicy(min_trust=300, min_level=1, required_capabilities=("fs:read",))
        rows = f"- {{name: a, {self.rule}}}\n- {{name: b, action: deny, limit: 1/hour}}"
        rules = f"name: p\nrules:\n{rows}"
        return {
            "surface": SurfaceStage(LOCK),
            "trust": TrustStage(
                PolicyTable({"read": policy}),
                limits=counters,
                blocked=self.blocked,
                tools=self.tools,
            ),
            "policy": PolicyStage(
                load(rules, "p.yaml"), _facts, RuleCounter(self.spent), default=Effect.ALLOW
            ),
            "gateway": GatewayStage(
                GatewayPolicy(
                    deny=self.deny,
                    allow=self.allow,
                    detectors={"path_traversal": self.handling},
                    scopes=(Scope.parse(f"filesystem:{self.scope} x read"),),
                    bindings=(Binding(("read",), "path", Resource.FILESYSTEM, "read"),),
                    budgets=Limits(max_tool_calls=1),
                    approve=("read",),
                ),
                LOCK,
                budgets=Budgets(self.budget),
                approve=counters.approve,
                system=SYSTEM,
            ),
        }

    def decided(self, *, without: str = "") -> Decision | Wait:
        call = Call("tools/call", "read", {"path": self.argument})
        parties = Parties(self.caller, self.standing)
        ctx = Context("files", "local", Listed(self.state), Moment(), parties)
        stages = {name: stage for name, stage in self.stages().items() if name != without}
        return decide(stages, call, ctx)


def _facts(*_: object) -> Facts:
    return facts()


CLIMBING = "/data/../../../etc/passwd"

STEPS: list[tuple[dict[str, object], str]] = [
    ({}, "surface.drifted"),
    ({"state": Reason.OK}, "surface.arguments"),
    ({"argument": CLIMBING}, "trust.no_principal"),
    ({"caller": ME._replace(capabilities=frozenset())}, "trust.principal_blocked"),
    ({"blocked": frozenset()}, "trust.tool_blocked"),
    ({"tools": frozenset()}, "trust.trust_score"),
    ({"standing": Held(0, 500)}, "trust.trust_level"),
    ({"standing": Held(1, 500)}, "trust.capability"),
    ({"caller": ME}, "trust.rate_limit"),
    ({"rate": ALLOW}, "policy.rule"),
    ({"rule": "action: warn, when: call.arguments.nothing == 1"}, "policy.rule_fault"),
    ({"rule": "action: require_approval"}, "policy.rule"),  # the other rule, whose limit is spent
    ({"spent": ()}, "policy.approval"),
    ({"rule": "action: warn"}, "gateway.tool_denied"),
    ({"deny": ()}, "gateway.tool_not_allowed"),
    ({"allow": None}, "gateway.sanitised"),
    ({"handling": Handling.RECORD}, "gateway.scope"),
    ({"argument": "/data/a"}, "gateway.budget"),
    ({"budget": ALLOW}, "gateway.approval"),
    ({"person": ALLOW}, ""),
]
"""What is put right, one after the other, and the rule that then decides."""


def worlds() -> list[tuple[World, str]]:
    """The world after each of `STEPS`, and who denies in it."""
    made, world = [], World()
    for change, rule in STEPS:
        world = replace(world, **change)  # type: ignore[arg-type]
        made.append((world, rule))
    return made


RIGHT = worlds()[-1][0]


@pytest.mark.guarantee("pipeline:whole-order")
@pytest.mark.parametrize(("world", "rule"), worlds(), ids=[rule or "ok" for _, rule in STEPS])
def test_the_first_check_that_fails_decides_and_the_next_when_it_is_put_right(
    world: World, rule: str
) -> None:
    decision = world.decided()
    assert isinstance(decision, Decision)
    assert (decision.allowed, decision.rule if rule else "") == (not rule, rule)


@pytest.mark.parametrize("stage", REQUIRED[SubjectKind.CALL])
def test_a_call_that_all_allow_needs_each_of_them(stage: str) -> None:
    decision = RIGHT.decided(without=stage)
    assert isinstance(decision, Decision)
    assert (decision.allowed, decision.rule) == (False, f"{stage}.stage_missing")


@pytest.mark.parametrize(
    ("field", "stage"),
    [("standing", "trust"), ("rate", "trust"), ("budget", "gateway"), ("person", "gateway")],
)
def test_a_store_or_callback_that_raises_denies(field: str, stage: str) -> None:
    decision = replace(RIGHT, **{field: None}).decided()  # type: ignore[arg-type]
    assert isinstance(decision, Decision)
    assert (decision.allowed, decision.rule) == (False, f"{stage}.stage_failed")


def test_a_counter_of_the_rules_that_raises_denies() -> None:
    decision = replace(RIGHT, spent=None).decided()
    assert isinstance(decision, Decision)
    assert (decision.allowed, decision.rule) == (False, "policy.stage_failed")


@pytest.mark.parametrize("field", ["rate", "spent", "budget", "person"])
def test_a_store_or_a_person_that_has_not_answered_lets_nothing_go(field: str) -> None:
    assert replace(RIGHT, **{field: STALLS}).decided() is STALLS  # type: ignore[arg-type]
