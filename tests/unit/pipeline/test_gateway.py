"""The five steps of the gateway: their order, their sentences, and what happens when one breaks."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.lock.lockfile import Item
from mcpguard.model import (
    ALLOW,
    Answer,
    Call,
    Decision,
    Definition,
    Effect,
    ItemKind,
    JsonObject,
    Notice,
    Reason,
    Result,
    ServerRequest,
    Severity,
    Subject,
    SubjectKind,
    Verdict,
    Wait,
)
from mcpguard.pipeline import STAGES, decide
from mcpguard.pipeline.gateway import GatewayStage
from mcpguard.pipeline.terms import Binding, GatewayPolicy
from mcpguard.scan import DETECTORS
from mcpguard.scan.semantics import Resource, System
from tests.unit.pipeline.gateways import (
    CARD,
    CTX,
    DENY,
    LOCK,
    RECORD,
    REFUSED,
    SPENT,
    SSN,
    WILLING,
    Asked,
    call,
    scopes,
    stage,
)

WAIT = Wait("gateway", "1")

EVERYTHING = GatewayPolicy(
    deny=("bad_*",),
    allow=("ok_*", "bad_*"),
    detectors={"card": DENY, "ssn": RECORD},
    scopes=scopes("filesystem:/srv/** x read"),
    bindings=(Binding(("*",), "file", Resource.FILESYSTEM, "read"),),
    approve=("*",),
)
ORDER = [
    (Reason.TOOL_DENIED, []),
    (Reason.TOOL_NOT_ALLOWED, []),
    (Reason.SANITISED, []),
    (Reason.SCOPE, []),
    (Reason.BUDGET, ["take"]),
    (Reason.APPROVAL, ["take", "approve", "give back"]),
]


@pytest.mark.guarantee("gateway:five-steps")
@pytest.mark.parametrize("fails", list(product([False, True], repeat=6)))
def test_the_first_step_that_fails_decides_and_no_later_one_is_asked(
    fails: tuple[bool, ...],
) -> None:
    denied, unlisted, held, outside, spent, refused = fails
    policy = replace(EVERYTHING, allow=("ok_*",) if unlisted else EVERYTHING.allow)
    asked = Asked(SPENT if spent else ALLOW, REFUSED if refused else ALLOW)
    arguments: JsonObject = {
        "content": CARD if held else "x",
        "file": "/etc/passwd" if outside else "/srv/a",
    }
    tool = "bad_x" if denied else "x" if unlisted else "ok_x"
    verdict = stage(policy, asked).judge(call(arguments, tool), CTX)
    assert isinstance(verdict, Verdict)
    first = next((at for at, failed in enumerate(fails) if failed), None)
    if first is None:
        assert (verdict, asked.log) == (ALLOW, ["take", "approve"])
    else:
        reason, log = ORDER[first]
        assert (verdict.effect, verdict.reason, asked.log) == (Effect.DENY, reason, log)


BOUND = "the argument 'file' "
STEPS: dict[str, tuple[Call, Verdict]] = {
    "allowed": (call({"file": "/srv/a"}, "ok_x"), ALLOW),
    "denied": (
        call({}, "bad_x"),
        Verdict.deny(Reason.TOOL_DENIED, "the tool is on the gateway's deny list"),
    ),
    "not-allowed": (
        call({}, "other"),
        Verdict.deny(Reason.TOOL_NOT_ALLOWED, "the tool is not on the gateway's allow list"),
    ),
    "of-another-case": (
        call({}, "OK_x"),
        Verdict.deny(Reason.TOOL_NOT_ALLOWED, "the tool is not on the gateway's allow list"),
    ),
    "outside": (
        call({"file": "/etc/passwd"}, "ok_x"),
        Verdict.deny(Reason.SCOPE, BOUND + "is outside what the scopes of filesystem x read cover"),
    ),
    "unresolved": (
        call({"file": "/srv/%2e%2e/etc"}, "ok_x"),
        Verdict.deny(
            Reason.SCOPE,
            BOUND + "cannot be resolved: the path has an encoded separator or dot segment",
        ),
    ),
    "wrong-type": (
        call({"file": 5}, "ok_x"),
        Verdict.deny(Reason.SCOPE, BOUND + "is not a text"),
    ),
    "twin": (
        call({"file": "/srv/a", "File": "/etc/passwd"}, "ok_x"),
        Verdict.deny(Reason.KEY_FOLDING, BOUND + "has a twin that differs from it by case"),
    ),
    "absent": (call({}, "ok_x"), ALLOW),
    "null": (call({"file": None}, "ok_x"), ALLOW),
}


@pytest.mark.guarantee("gateway:five-steps")
@pytest.mark.parametrize(("subject", "verdict"), STEPS.values(), ids=STEPS)
def test_each_step_says_exactly_why(subject: Call, verdict: Verdict) -> None:
    gateway = stage(EVERYTHING)
    for _ in range(2):  # the second time from what it remembers
        assert gateway.judge(subject, CTX) == verdict


def test_a_denial_of_arguments_says_what_and_where_and_nothing_of_them() -> None:
    verdict = stage(EVERYTHING).judge(call({"content": f"x {CARD}"}, "ok_x"), CTX)
    assert isinstance(verdict, Verdict)
    assert verdict.detail == "an argument holds a payment card number"
    (found,) = verdict.findings
    assert (found.rule, found.severity, found.where) == (
        "scan.card",
        Severity.CRITICAL,
        "/arguments/content",
    )
    named = stage(replace(EVERYTHING, allow=None)).judge(call({"content": CARD}), CTX)
    assert isinstance(named, Verdict)
    assert named.detail == "the argument 'content' holds a payment card number"


def test_what_is_only_recorded_is_a_finding_of_whatever_is_decided() -> None:
    policy = replace(EVERYTHING, allow=None)
    for asked, effect in ((Asked(), Effect.ALLOW), (Asked(SPENT), Effect.DENY)):
        verdict = stage(policy, asked).judge(call({"content": SSN}), CTX)
        assert isinstance(verdict, Verdict)
        assert (verdict.effect, [each.rule for each in verdict.findings]) == (effect, ["scan.ssn"])
        assert verdict.rewrite is None
    verdict = stage(policy).judge(call({"content": SSN, "file": "/x"}), CTX)
    assert isinstance(verdict, Verdict)
    assert (verdict.reason, len(verdict.findings)) == (Reason.SCOPE, 1)
    assert stage(policy, Asked(approval=WAIT)).judge(call({"content": SSN}), CTX) == WAIT


@pytest.mark.parametrize("answer", [WAIT, REFUSED, Verdict(Effect.ABSTAIN)])
def test_a_call_that_is_not_approved_now_is_given_back_to_the_budgets(
    answer: Verdict | Wait,
) -> None:
    asked = Asked(approval=answer)
    assert stage(GatewayPolicy(approve=("w*",)), asked).judge(call({}), CTX) == answer
    assert asked.log == ["take", "approve", "give back"]


def test_nobody_is_asked_about_a_tool_that_needs_no_approval() -> None:
    asked = Asked()
    assert stage(GatewayPolicy(approve=("other",)), asked).judge(call({}), CTX) is ALLOW
    assert asked.log == ["take"]


def test_a_tool_that_needs_approval_is_denied_when_nobody_can_be_asked() -> None:
    verdict = GatewayStage(GatewayPolicy(approve=("*",)), LOCK).judge(call({}), CTX)
    assert isinstance(verdict, Verdict)
    assert (verdict.effect, verdict.reason) == (Effect.DENY, Reason.APPROVAL)


ANSWERS = st.sampled_from([ALLOW, SPENT, REFUSED, WAIT, Verdict(Effect.ABSTAIN), None])
BROKEN: list[Verdict | Wait | None] = [None, WAIT, Verdict(Effect.ABSTAIN)]


def resolver(answer: str | None) -> Callable[[str], str | None]:
    def resolve(path: str) -> str | None:
        if answer == "raise":
            raise OSError("the disk is gone")
        return path if answer == "ok" else answer

    return resolve


def allows(
    budget: Verdict | Wait | None, approval: Verdict | Wait | None, disk: str | None, tool: str
) -> bool:
    asked = Asked(budget, approval)
    gateway = GatewayStage(
        EVERYTHING,
        LOCK,
        budgets=asked,
        approve=asked.approve,
        system=System(resolver(disk)),
    )
    decision = decide({**WILLING, "gateway": gateway}, call({"file": "/srv/a"}, tool), CTX)
    return isinstance(decision, Decision) and decision.allowed


@pytest.mark.guarantee("gateway:breaks-closed")
@given(
    ANSWERS,
    ANSWERS,
    st.sampled_from(["ok", "/etc/a", None, "raise", "relative"]),
    st.sampled_from(["ok_x", "bad_x", "x"]),
    st.sampled_from(BROKEN),
)
def test_whatever_raises_stalls_or_abstains_never_turns_a_denial_into_an_allow(
    budget: Verdict | Wait | None,
    approval: Verdict | Wait | None,
    disk: str | None,
    tool: str,
    broken: Verdict | Wait | None,
) -> None:
    agreed = (budget, approval, disk, tool) == (ALLOW, ALLOW, "ok", "ok_x")
    assert allows(budget, approval, disk, tool) is agreed
    for less in (
        allows(broken, approval, disk, tool),
        allows(budget, broken, disk, tool),
        allows(budget, approval, None, tool),
        allows(budget, approval, "raise", tool),
    ):
        assert not less


SUBJECTS: list[Subject] = [
    call({}),
    Call("ping", "", {}),
    Definition(ItemKind.TOOL, "t", {"name": "t"}),
    Result("tools/call", "t", {"x": CARD}),
    ServerRequest("ping", {}),
    Answer("roots/list", {}),
    Notice("notifications/message", {"x": CARD}),
]


@pytest.mark.guarantee("gateway:no-policy-no-opinion")
@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_stage_that_nobody_configured_has_no_opinion(subject: Subject) -> None:
    bare = STAGES["gateway"](LOCK)
    assert bare.judge(subject, CTX) == Verdict(Effect.ABSTAIN)
    decision = decide({"surface": bare}, subject, CTX)
    assert isinstance(decision, Decision)
    assert (decision.allowed, decision.reason) == (False, Reason.STAGE_ABSTAINED)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_an_empty_policy_allows_and_leaves_other_subjects_to_other_stages(
    subject: Subject,
) -> None:
    assert GatewayStage(GatewayPolicy(), None).judge(subject, CTX) is ALLOW
    if not isinstance(subject, Call):
        strict = replace(EVERYTHING, detectors=dict.fromkeys(DETECTORS, DENY))
        asked = Asked()
        assert stage(strict, asked).judge(subject, CTX) is ALLOW
        assert asked.results == [subject] * isinstance(subject, Result)


ALONE: dict[str, tuple[GatewayPolicy, Verdict]] = {
    "nothing": (GatewayPolicy(), ALLOW),
    "a deny list": (
        GatewayPolicy(deny=("w*",)),
        Verdict.deny(Reason.TOOL_DENIED, "the tool is on the gateway's deny list"),
    ),
    "an allow list": (
        GatewayPolicy(allow=("other",)),
        Verdict.deny(Reason.TOOL_NOT_ALLOWED, "the tool is not on the gateway's allow list"),
    ),
    "an allow list with it": (GatewayPolicy(allow=("w*",)), ALLOW),
    "an approval": (
        GatewayPolicy(approve=("w*",)),
        Verdict.deny(Reason.APPROVAL, "it needs the approval of a person, and nobody is asked"),
    ),
}


@pytest.mark.guarantee("gateway:five-steps")
@pytest.mark.parametrize(("policy", "verdict"), ALONE.values(), ids=ALONE)
def test_each_step_holds_where_no_other_is_configured(
    policy: GatewayPolicy, verdict: Verdict
) -> None:
    gateway = GatewayStage(policy, LOCK)
    for _ in range(2):  # the second time from what it remembers
        assert gateway.judge(call({"content": "x"}), CTX) == verdict


RESULTS = frozenset({SubjectKind.RESULT})
DIRECTLY: dict[str, tuple[GatewayStage, frozenset[SubjectKind], set[SubjectKind]]] = {
    # who, which kinds pass whatever they hold, which may be judged directly
    "no budgets": (GatewayStage(GatewayPolicy(), LOCK), RESULTS, {SubjectKind.CALL}),
    "budgets": (stage(EVERYTHING), frozenset(), {SubjectKind.CALL}),
    "nobody configured it": (GatewayStage.unconfigured(LOCK), frozenset(), set()),
}


@pytest.mark.parametrize(("gateway", "unmoved", "directly"), DIRECTLY.values(), ids=DIRECTLY)
def test_what_a_pipeline_need_not_ask_or_may_ask_directly(
    gateway: GatewayStage, unmoved: frozenset[SubjectKind], directly: set[SubjectKind]
) -> None:
    assert (gateway.unmoved, set(gateway.by_kind)) == (unmoved, directly)
    for subject in SUBJECTS:
        if subject.kind in unmoved:
            assert gateway.judge(subject, CTX) is ALLOW
    for kind, judge in gateway.by_kind.items():
        for subject in (call({}, "ok_x"), call({}, "bad_x")):
            assert subject.kind is kind
            assert judge(subject, CTX) == gateway.judge(subject, CTX)


def test_an_allow_list_without_a_name_allows_no_tool() -> None:
    verdict = stage(GatewayPolicy(allow=())).judge(call({}), CTX)
    assert isinstance(verdict, Verdict)
    assert verdict.reason is Reason.TOOL_NOT_ALLOWED


def test_more_tools_than_are_remembered_are_judged_all_the_same() -> None:
    gateway = stage(GatewayPolicy(deny=("bad*",)))
    for number in range(5000):
        assert gateway.judge(call({}, f"ok{number}"), CTX) is ALLOW
    for name in ("bad", "bad" + "x" * 1000, "bad0"):
        assert gateway.judge(call({}, name), CTX) is not ALLOW


class Tools:
    """The locked tools, of which one is only ever looked up, and how often that was."""

    def __init__(self) -> None:
        self.looked = 0

    def get(self, name: str) -> Item | None:
        self.looked += 1
        return LOCK.items[ItemKind.TOOL].get(name)


def test_what_the_policy_says_of_a_tool_is_worked_out_once() -> None:
    tools = Tools()
    items = cast("Mapping[str, Item]", tools)
    gateway = stage(GatewayPolicy(), lock=replace(LOCK, items={ItemKind.TOOL: items}))

    def worked_out(*names: str) -> int:
        before = tools.looked
        for name in names:
            assert gateway.judge(call({}, name), CTX) is ALLOW
        return tools.looked - before

    names = [f"t{number}" for number in range(4095)]
    assert worked_out("x" * 512, *names) == 4096
    assert worked_out("x" * 512, *names) == 0
    assert worked_out("another", "another") == 1
    assert worked_out("x" * 512) == 1
    assert worked_out("x" * 513, "x" * 513) == 2
