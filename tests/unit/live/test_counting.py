"""A call is counted once: whatever is judged again, whatever it waited for, whoever rewrote it."""

from dataclasses import dataclass

import pytest

from mcpguard.live.stages.counting import UNITS, UNREAD, Budgets, Rates, RuleLimits, rates_of
from mcpguard.model import (
    ALLOW,
    Call,
    Context,
    Held,
    ItemKind,
    JsonObject,
    Principal,
    Reason,
    Result,
    Wait,
)
from mcpguard.policy.rules import LimitUse
from mcpguard.store.ledger import Limit
from mcpguard.store.memory import MemoryStore
from mcpguard.trust.limits import Limiter, Limits, ask
from mcpguard.trust.policy import PolicyTable, ToolPolicy

MINUTE = 60_000
NEEDS = {stage: Wait(stage, UNITS) for stage in ("trust", "policy")}
PERSON = {stage: Wait(stage, "k3f9", "it waits for a person") for stage in ("trust", "gateway")}


@dataclass
class Moment:
    """`model.Live` of one call."""

    call: int = 1
    again: Wait | None = None
    said: bool | None = None
    now: float = 0.0


class Somebody:
    """`model.Parties` with a caller."""

    caller = Principal("local:default", 1)

    def held(self) -> list[Held]:
        return [Held(1, 500)]


class Nothing:
    """`model.SessionFacts` of a session that listed nothing."""

    def item_state(self, kind: ItemKind, name: str) -> Reason:
        return Reason.NOT_LISTED


def context(live: Moment) -> Context:
    return Context("files", "local:default", Nothing(), live, Somebody())


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def fed(limiter: Limiter, store: MemoryStore, clock: Clock) -> None:
    """What the worker does: ask for what is wanted."""
    for want in limiter.wanted(clock()):
        limiter.granted(want, ask(store, want), clock())


@pytest.mark.guarantee("control:counted-once")
def test_a_call_waits_for_its_units_and_is_then_counted_once() -> None:
    clock, store = Clock(), MemoryStore()
    limiter = Limiter(Limits(tool=(Limit(2, MINUTE),)), "files")
    rates = Rates(limiter, clock)

    def take(live: Moment) -> object:
        return rates.take("me", "read", live, 0)

    assert take(Moment(1)) == NEEDS["trust"]
    fed(limiter, store, clock)
    assert take(Moment(1, NEEDS["trust"])) is ALLOW
    assert take(Moment(1)) is ALLOW  # rewritten by a later stage: the same call
    assert take(Moment(1, NEEDS["policy"])) is ALLOW
    assert take(Moment(1, PERSON["gateway"])) is ALLOW
    assert take(Moment(1, PERSON["trust"])) is ALLOW
    fed(limiter, store, clock)
    assert take(Moment(2)) in {ALLOW, NEEDS["trust"]}
    fed(limiter, store, clock)
    assert take(Moment(2, NEEDS["trust"])) is ALLOW
    fed(limiter, store, clock)
    third = take(Moment(3))
    if third == NEEDS["trust"]:
        fed(limiter, store, clock)
        third = take(Moment(3, NEEDS["trust"]))
    assert getattr(third, "reason", None) is Reason.RATE_LIMIT


@pytest.mark.guarantee("control:counted-once", "control:counted-at-the-start")
def test_calls_that_came_before_the_store_was_read_are_counted_like_any_other() -> None:
    clock, store = Clock(), MemoryStore()
    limiter = Limiter(Limits(tool=(Limit(2, MINUTE),)), "files")
    rates = Rates(limiter, clock)
    decided = []
    for number in range(1, 5):
        found = rates.take("me", "read", Moment(number, UNREAD), 0)
        while isinstance(found, Wait):
            fed(limiter, store, clock)
            found = rates.take("me", "read", Moment(number, found), 0)
        decided.append(found.reason)
    assert decided == [Reason.OK] * 2 + [Reason.RATE_LIMIT] * 2


def test_a_tools_own_rate_holds_beside_the_others() -> None:
    policies = PolicyTable({"read*": ToolPolicy(max_calls_per_minute=5)})
    usual = (Limit(9, 1000),)
    given = Limits(tool=usual, tools={"read_b": (Limit(3, 1000),)})
    made = rates_of(given, policies, ["read_a", "read_b", "write"])
    assert made.tools == {
        "read_a": (*usual, Limit(5, MINUTE)),
        "read_b": (Limit(3, 1000), Limit(5, MINUTE)),
    }
    assert (made.tool, given.tools) == (usual, {"read_b": (Limit(3, 1000),)})


def uses(*keys: str) -> tuple[LimitUse, ...]:
    return tuple(LimitUse(key, f"rule-{key}", 1, 60) for key in keys)


@pytest.mark.guarantee("control:counted-once")
def test_what_a_rule_found_spent_stays_spent_for_the_call_that_waits_for_a_person() -> None:
    clock, store = Clock(), MemoryStore()
    limiter = Limiter(Limits(), "files")
    limits = RuleLimits(limiter, clock)
    assert limits.take(uses("a"), Moment(1)) == NEEDS["policy"]
    fed(limiter, store, clock)
    assert list(limits.take(uses("a"), Moment(1, NEEDS["policy"]))) == []  # type: ignore[arg-type]
    fed(limiter, store, clock)
    found = limits.take(uses("a"), Moment(2))
    if isinstance(found, Wait):
        fed(limiter, store, clock)
        found = limits.take(uses("a"), Moment(2, NEEDS["policy"]))
    assert found == {"a"}
    clock.now += 120.0
    person = Wait("policy", "k3f9", "it waits for a person")
    for again in (person, PERSON["gateway"], None):
        assert limits.take(uses("a", "b"), Moment(2, again)) == ["a"]


def test_rules_limits_are_taken_all_or_none() -> None:
    clock, store = Clock(), MemoryStore()
    limiter = Limiter(Limits(), "files")
    limits = RuleLimits(limiter, clock)
    for call, keys in ((1, ("a",)), (2, ("a", "b")), (3, ("b",))):
        found = limits.take(uses(*keys), Moment(call))
        while isinstance(found, Wait):
            fed(limiter, store, clock)
            found = limits.take(uses(*keys), Moment(call, NEEDS["policy"]))
        assert set(found) == ({"a"} if call == 2 else set())


@pytest.mark.guarantee("control:counted-once")
def test_a_rules_limit_counts_a_call_once_though_others_came_while_it_waited() -> None:
    clock, store = Clock(), MemoryStore()
    limiter = Limiter(Limits(), "files")
    limits = RuleLimits(limiter, clock)
    two = (LimitUse("a", "rule-a", 2, 60),)
    for number in (1, 2):
        while isinstance(limits.take(two, Moment(number)), Wait):
            fed(limiter, store, clock)
    for again in (PERSON["gateway"], Wait("policy", "k3f9", "it waits for a person")):
        assert limits.take(two, Moment(1, again)) == []


RESULT: JsonObject = {"content": []}


def answered(budgets: Budgets, call: int, body: JsonObject, *, error: bool = False) -> None:
    budgets.answered(Result("tools/call", "read", body, error), context(Moment(call)))


def call(**arguments: str) -> Call:
    return Call("tools/call", "read", {**arguments})


@pytest.mark.guarantee("control:counted-once")
def test_a_session_makes_as_many_calls_as_its_budget_and_no_more() -> None:
    budgets = Budgets(Limits(max_tool_calls=2), "files", Clock())
    assert budgets.take(call(), context(Moment(1))) is ALLOW
    for again in (None, PERSON["gateway"]):  # it waits for a person, and is judged again
        budgets.give_back(call(), context(Moment(1, again)))
        assert budgets.take(call(), context(Moment(1, PERSON["gateway"]))) is ALLOW
    assert budgets.take(call(), context(Moment(2))) is ALLOW
    assert budgets.take(call(), context(Moment(2))) is ALLOW
    refused = budgets.take(call(), context(Moment(3)))
    assert (refused.reason, refused.detail) == (
        Reason.BUDGET,
        "this session has made all the tool calls it may make",
    )
    budgets.reset()
    assert budgets.take(call(), context(Moment(4))) is ALLOW


@pytest.mark.parametrize(
    ("limits", "sent", "received"),
    [(Limits(max_bytes_in=40), 20, 0), (Limits(max_bytes_out=20), 0, 30)],
    ids=["in", "out"],
)
def test_bytes_are_counted_in_both_directions(limits: Limits, sent: int, received: int) -> None:
    budgets = Budgets(limits, "files", Clock())
    given = call(a="x" * sent)
    assert budgets.take(given, context(Moment(1))) is ALLOW
    answered(budgets, 1, {"content": "x" * received})
    assert budgets.take(given, context(Moment(2))).reason is Reason.BUDGET


FAILED: JsonObject = {"content": [], "isError": True}


@pytest.mark.guarantee("control:denial-of-wallet")
@pytest.mark.parametrize(("body", "error"), [(FAILED, False), ({"code": -1}, True)])
def test_the_same_call_that_fails_again_and_again_is_stopped(body: JsonObject, error: bool) -> None:
    clock = Clock()
    budgets = Budgets(Limits(failures=2, failure_window=60.0), "files", clock)
    for number in (1, 2):
        assert budgets.take(call(a="x"), context(Moment(number))) is ALLOW
        answered(budgets, number, body, error=error)
    assert budgets.take(call(a="x"), context(Moment(3))).reason is Reason.REPEATED_FAILURE
    assert budgets.take(call(a="y"), context(Moment(4))) is ALLOW
    clock.now += 61.0
    assert budgets.take(call(a="x"), context(Moment(5))) is ALLOW


def test_a_call_that_works_again_is_forgiven() -> None:
    budgets = Budgets(Limits(failures=2), "files", Clock())
    for number, body in enumerate((FAILED, RESULT, FAILED), 1):
        assert budgets.take(call(), context(Moment(number))) is ALLOW
        answered(budgets, number, body)
    assert budgets.take(call(), context(Moment(4))) is ALLOW
