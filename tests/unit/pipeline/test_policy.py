"""The stage of the rules: each outcome as a verdict, and limits counted once or not at all."""

import subprocess
import sys
from collections import Counter
from collections.abc import Collection

import pytest

from mcpguard.model import (
    ALLOW,
    Answer,
    Call,
    Context,
    Decision,
    Effect,
    Finding,
    ItemKind,
    Live,
    Notice,
    Reason,
    Result,
    Severity,
    Subject,
    Verdict,
    Wait,
)
from mcpguard.pipeline import STAGES, NoRules, Stage, decide
from mcpguard.pipeline.policy import PolicyStage
from mcpguard.pipeline.trust import no_approval
from mcpguard.policy.cel import Facts
from mcpguard.policy.loading import load
from mcpguard.policy.rules import LimitUse
from tests.unit.policy.facts import call, facts, result


class NoSession:
    """Facts of a session that listed nothing."""

    def item_state(self, kind: ItemKind, name: str) -> Reason:
        return Reason.NOT_LISTED


CTX = Context("files", "local", NoSession())


class Counted:
    """Limits in memory that never come back."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()

    def take(self, uses: tuple[LimitUse, ...], live: Live) -> Collection[str]:
        spent = [use.key for use in uses if self.taken[use.key] >= use.amount]
        if not spent:
            self.taken.update(use.key for use in uses)
        return spent


def known(_: Call | Result, __: Context) -> Facts:
    return facts()


def stage(*entries: str, default: Effect = Effect.ABSTAIN) -> PolicyStage:
    listed = "".join(f"\n  - {each}" for each in entries) or " []"
    rules = load(f"name: p\nrules:{listed}", "p.yaml")
    return PolicyStage(rules, known, Counted(), default=default)


READ = call("read", path="/a1")
ANSWER = result("read", "key 1")

CASES: list[tuple[str, Subject, Verdict | Wait]] = [
    (
        "{name: d, action: deny, message: No.}",
        READ,
        Verdict.deny(Reason.RULE, "No (rule d)"),
    ),
    (
        "{name: f, action: allow, when: call.arguments.gone == 1}",
        READ,
        Verdict.deny(
            Reason.RULE_FAULT,
            "the rule f could not be evaluated: something that it reads is not there: guard it"
            " with has(...) (rule f)",
        ),
    ),
    ("{name: q, action: require_approval}", READ, no_approval(READ, CTX)),
    ("{name: a, action: allow}", READ, ALLOW),
    ("{name: o, action: deny, tools: [other]}", READ, Verdict(Effect.ABSTAIN)),
    (
        "{name: w, action: warn, message: Odd}",
        READ,
        Verdict(
            Effect.ABSTAIN, findings=(Finding("policy.w", Severity.MODERATE, "", "Odd (rule w)"),)
        ),
    ),
    (
        "{name: n, action: audit}",
        READ,
        Verdict(
            Effect.ABSTAIN,
            findings=(Finding("policy.n", Severity.INFO, "", "the rule n matches"),),
        ),
    ),
    (
        "{name: r, action: redact, redact: ['[0-9]']}",
        READ,
        Verdict(
            Effect.ALLOW,
            Reason.REDACTED,
            "the rule r took something out",
            rewrite=call("read", path="/a[redacted]"),
        ),
    ),
    ("{name: r, action: redact, redact: ['[4-9]']}", READ, ALLOW),
    (
        "{name: r, action: redact, direction: result, redact: ['[0-9]']}",
        ANSWER,
        Verdict(
            Effect.ALLOW,
            Reason.REDACTED,
            "the rule r took something out",
            rewrite=result("read", "key [redacted]"),
        ),
    ),
    ("{name: r, action: deny, direction: result}", READ, Verdict(Effect.ABSTAIN)),
    ("{name: d, action: allow}", Answer("roots/list", {}), Verdict(Effect.ABSTAIN)),
    ("{name: d, action: allow}", Notice("notifications/message", {}), Verdict(Effect.ABSTAIN)),
]


@pytest.mark.parametrize(("entry", "subject", "expected"), CASES)
def test_an_outcome_becomes_a_verdict(
    entry: str, subject: Subject, expected: Verdict | Wait
) -> None:
    assert stage(entry).judge(subject, CTX) == expected


def test_without_an_opinion_the_default_stands_with_its_remarks() -> None:
    assert stage(default=Effect.ALLOW).judge(READ, CTX) is ALLOW
    warned = stage("{name: w, action: warn}", default=Effect.ALLOW).judge(READ, CTX)
    assert isinstance(warned, Verdict)
    assert (warned.effect, warned.findings[0].rule) == (Effect.ALLOW, "policy.w")


@pytest.mark.parametrize(
    "answer", [ALLOW, Wait("policy", "k3f9"), Verdict.deny(Reason.APPROVAL, "a person said no")]
)
def test_what_a_rule_leaves_to_a_person_is_what_the_person_says(answer: Verdict | Wait) -> None:
    listed = "name: p\nrules:\n  - {name: q, action: require_approval}\n"
    asked: list[Call] = []

    def approve(call: Call, _: Context) -> Verdict | Wait:
        asked.append(call)
        return answer

    policy = PolicyStage(load(listed, "p"), known, Counted(), approve=approve)
    assert (policy.judge(READ, CTX), asked) == (answer, [READ])


def test_limits_that_have_to_ask_elsewhere_first_make_the_call_wait() -> None:
    class Remote:
        def take(self, uses: tuple[LimitUse, ...], live: Live) -> Wait:
            return Wait("policy", "units")

    rules = load("name: p\nrules: [{name: a, action: allow, limit: 1/day}]", "p")
    assert PolicyStage(rules, known, Remote()).judge(READ, CTX) == Wait("policy", "units")


def test_a_pipeline_of_an_operator_without_rules_loads_none() -> None:
    code = (
        "import sys; from mcpguard.pipeline import NoRules, make_pipeline\n"
        "make_pipeline(None, {'policy': NoRules()})\n"
        "assert not [name for name in sys.modules if name.startswith('mcpguard.policy')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_stage_without_rules_has_no_opinion() -> None:
    unruled = STAGES["policy"](None)
    assert unruled.judge(READ, CTX) == unruled.judge(ANSWER, CTX) == Verdict(Effect.ABSTAIN)


@pytest.mark.guarantee("policy:limit-holds")
def test_a_limit_lets_just_as_many_calls_through() -> None:
    limited = stage("{name: a, action: allow, limit: 3/hour}")
    found = [limited.judge(READ, CTX) for _ in range(5)]
    spent = Verdict.deny(Reason.RULE, "the limit of 3/hour is spent (rule a)")
    assert found == [ALLOW, ALLOW, ALLOW, spent, spent]


@pytest.mark.guarantee("policy:limit-holds")
def test_a_call_that_is_refused_uses_up_no_other_limit() -> None:
    both = stage(
        "{name: a, action: deny, tools: [read], limit: 1/hour}",
        "{name: b, action: deny, limit: 2/hour}",
        default=Effect.ALLOW,
    )
    found = [both.judge(each, CTX) for each in (READ, READ, READ, call("write"), call("write"))]
    assert [getattr(each, "effect", None) for each in found] == [
        *(Effect.ALLOW, Effect.DENY, Effect.DENY, Effect.ALLOW, Effect.DENY),
    ]


def test_a_call_that_is_rewritten_is_counted_once() -> None:
    policy = stage(
        "{name: a, action: deny, limit: 2/hour}",
        "{name: r, action: redact, redact: ['[0-9]']}",
    )
    stages: dict[str, Stage] = {**dict.fromkeys(STAGES, NoRules()), "policy": policy}
    decisions = [decide(stages, READ, CTX) for _ in range(3)]
    assert [isinstance(each, Decision) and each.allowed for each in decisions] == [
        *(True, True, False),
    ]


def test_limits_that_answer_nonsense_deny() -> None:
    class Stubborn:
        def take(self, uses: tuple[LimitUse, ...], live: Live) -> Collection[str]:
            return ["unknown"]

    rules = load("name: p\nrules: [{name: a, action: allow, limit: 1/day}]", "p")
    found = PolicyStage(rules, known, Stubborn()).judge(READ, CTX)
    assert found == Verdict.deny(Reason.RULE_FAULT, "its limits cannot be counted")


def test_a_store_that_is_down_denies() -> None:
    class Down:
        def take(self, uses: tuple[LimitUse, ...], live: Live) -> Collection[str]:
            raise OSError("down")

    rules = load("name: p\nrules: [{name: a, action: allow, limit: 1/day}]", "p")
    found = decide({"surface": PolicyStage(rules, known, Down())}, READ, CTX)
    assert isinstance(found, Decision)
    assert (found.allowed, found.reason) == (False, Reason.STAGE_FAILED)
