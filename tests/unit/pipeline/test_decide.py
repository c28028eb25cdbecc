"""`decide`: deny unless every required stage allows; taking one away only tightens."""

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.model import (
    ALLOW,
    PASSED,
    Answer,
    Call,
    Context,
    Decision,
    Definition,
    Effect,
    Finding,
    ItemKind,
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
from mcpguard.pipeline import REQUIRED, STAGES, NoRules, Panel, Stage, decide, make_pipeline

Judge = Callable[[Subject], Verdict | Wait]


class NoSession:
    """Facts of a session that listed nothing."""

    def item_state(self, kind: ItemKind, name: str) -> Reason:
        return Reason.NOT_LISTED


CTX = Context("files", "local", NoSession())
CALL = Call("tools/call", "t", {"a": 1})
FINDING = Finding("r", Severity.INFO, "/tools/t", "m")
DENY = Verdict.deny(Reason.DRIFTED, "it changed", FINDING)
WAIT = Wait("surface", "token")


class Scripted:
    """A stage that answers what it was given, and remembers what it was asked."""

    def __init__(self, judge: Judge) -> None:
        self.judge_with = judge
        self.asked: list[Subject] = []

    def judge(self, subject: Subject, ctx: Context) -> Verdict | Wait:
        assert ctx is CTX
        self.asked.append(subject)
        return self.judge_with(subject)


def always(answer: Verdict | Wait) -> Scripted:
    return Scripted(lambda _: answer)


def willing() -> dict[str, Stage]:
    """Every stage behind the first one, with nothing against anything."""
    return {name: always(ALLOW) for name in STAGES if name != "surface"}


def rewriting(new: Subject, *findings: Finding) -> Verdict:
    return Verdict(Effect.ALLOW, Reason.LINK_NOT_LOCKED, "a link went", findings, new)


def raising(_: Subject) -> Verdict:
    raise RuntimeError("secret text of an attacker")


def once(subject: Subject) -> Verdict:
    """Rewrites the original call, is content with what came of it."""
    return rewriting(CHANGED) if subject is CALL else ALLOW


def both(stages: Mapping[str, Stage], subject: Subject) -> Decision | Wait:
    """What `decide` says, and a panel of these stages says as well, asking the same questions."""
    scripted = [each for each in stages.values() if isinstance(each, Scripted)]
    for each in scripted:
        each.asked = []
    said = decide(stages, subject, CTX)
    asked = [each.asked for each in scripted]
    for each in scripted:
        each.asked = []
    panel = Panel(stages).decide(subject, CTX)
    assert (Decision(True, subject) if panel is PASSED else panel) == said
    assert [each.asked for each in scripted] == asked
    return said


CHANGED = Call("tools/call", "t", {"a": 2})

PATHS: dict[str, tuple[Mapping[str, Stage], Decision | Wait]] = {
    "allow": ({"surface": always(ALLOW)}, Decision(True, CALL)),
    "allow-with-a-finding": (
        {"surface": always(Verdict(Effect.ALLOW, findings=(FINDING,)))},
        Decision(True, CALL, findings=(FINDING,)),
    ),
    "deny": (
        {"surface": always(DENY)},
        Decision(False, CALL, "surface", Reason.DRIFTED, "it changed", (FINDING,)),
    ),
    "missing": (
        {},
        Decision(False, CALL, "surface", Reason.STAGE_MISSING, "a required stage is not there"),
    ),
    "another-stage-does-not-stand-in": (
        {"scan": always(ALLOW)},
        Decision(False, CALL, "surface", Reason.STAGE_MISSING, "a required stage is not there"),
    ),
    "abstain": (
        {"surface": always(Verdict(Effect.ABSTAIN, findings=(FINDING,)))},
        Decision(
            False,
            CALL,
            "surface",
            Reason.STAGE_ABSTAINED,
            "the stage surface did not decide",
            (FINDING,),
        ),
    ),
    "raise": (
        {"surface": Scripted(raising)},
        Decision(False, CALL, "surface", Reason.STAGE_FAILED, "it raised RuntimeError"),
    ),
    "wait": ({"surface": always(WAIT)}, WAIT),
    "rewrite-once": (
        {"surface": Scripted(once)},
        Decision(True, CHANGED, "surface", Reason.LINK_NOT_LOCKED, "a link went"),
    ),
    "rewrite-then-deny": (
        {"surface": Scripted(lambda s: rewriting(CHANGED, FINDING) if s is CALL else DENY)},
        Decision(False, CHANGED, "surface", Reason.DRIFTED, "it changed", (FINDING, FINDING)),
    ),
    "rewrite-then-wait": (
        {"surface": Scripted(lambda s: rewriting(CHANGED) if s is CALL else WAIT)},
        WAIT,
    ),
    "rewrite-for-ever": (
        {"surface": always(rewriting(CHANGED))},
        Decision(
            False,
            CHANGED,
            "surface",
            Reason.REWRITE_LOOP,
            "the stages do not agree on a rewrite",
        ),
    ),
    "rewrite-of-another-type": (
        {"surface": always(rewriting(Notice("n", {})))},
        Decision(False, CALL, "surface", Reason.STAGE_FAILED, "a rewrite changed what is judged"),
    ),
    "deny-with-a-rewrite-is-a-denial": (
        {"surface": always(Verdict(Effect.DENY, Reason.ARGUMENTS, "no", rewrite=CHANGED))},
        Decision(False, CALL, "surface", Reason.ARGUMENTS, "no"),
    ),
}


@pytest.mark.guarantee("pipeline:deny-unless-permit")
@pytest.mark.parametrize(("stages", "expected"), PATHS.values(), ids=PATHS)
def test_every_path_through_decide(stages: Mapping[str, Stage], expected: Decision | Wait) -> None:
    fresh = {name: always(ALLOW) for name in willing()}
    assert both({**fresh, **stages}, CALL) == expected


@pytest.mark.guarantee("pipeline:deny-unless-permit")
def test_a_raising_stage_is_a_denial_wherever_it_sits() -> None:
    for name in REQUIRED[SubjectKind.CALL]:
        decision = both({"surface": always(ALLOW), **willing(), name: Scripted(raising)}, CALL)
        text = "it raised RuntimeError"
        assert decision == Decision(False, CALL, name, Reason.STAGE_FAILED, text)


def test_who_allows_all_of_a_kind_is_not_asked_about_it() -> None:
    panel = Panel({"surface": always(ALLOW), **willing(), "policy": NoRules()})
    assert panel.decide(CALL, CTX) is PASSED
    assert panel.decide(SUBJECTS[SubjectKind.RESULT], CTX) is PASSED


class Direct:
    """A stage that allows all results, has an own judge for calls, and breaks when it is asked."""

    unmoved = frozenset({SubjectKind.RESULT})

    def __init__(self, verdict: Verdict) -> None:
        self.by_kind = {SubjectKind.CALL: lambda _subject, _ctx: verdict}

    def judge(self, subject: Subject, ctx: Context) -> Verdict | Wait:
        raise RuntimeError


def test_a_stage_is_asked_as_it_says_it_may_be() -> None:
    panel = Panel({"surface": always(ALLOW), **willing(), "policy": Direct(ALLOW)})
    assert panel.decide(CALL, CTX) is PASSED
    assert panel.decide(SUBJECTS[SubjectKind.RESULT], CTX) is PASSED
    panel.seat({"policy": Direct(DENY)})
    denied = Decision(False, CALL, "policy", Reason.DRIFTED, "it changed", (FINDING,))
    assert panel.decide(CALL, CTX) == denied


def test_without_a_configuration_nobody_who_is_unknown_may_call() -> None:
    judge = STAGES["trust"](None).judge
    denied = Verdict.deny(Reason.NO_PRINCIPAL, "nobody is known to be calling")
    assert judge(CALL, CTX) == denied


def test_who_is_seated_later_judges_from_then_on() -> None:
    panel = Panel({"surface": always(ALLOW), **willing()})
    assert panel.decide(CALL, CTX) is PASSED
    panel.seat({"trust": always(DENY)})
    decision = panel.decide(CALL, CTX)
    assert isinstance(decision, Decision)
    assert (decision.allowed, decision.stage) == (False, "trust")
    panel.seat({"trust": always(ALLOW)})
    assert panel.decide(CALL, CTX) is PASSED


class Moody:
    """A stage that allows what it is asked first, and then does what it was given."""

    unmoved = frozenset[SubjectKind]()

    def __init__(self, then: Judge) -> None:
        self.asked = 0
        self.then = then
        self.by_kind = {SubjectKind.CALL: self.judge}

    def judge(self, subject: Subject, _: Context) -> Verdict | Wait:
        self.asked += 1
        return ALLOW if self.asked == 1 else self.then(subject)


@pytest.mark.parametrize(
    ("then", "reason"),
    [(lambda _: DENY, Reason.DRIFTED), (raising, Reason.STAGE_FAILED)],
    ids=["deny", "raise"],
)
@pytest.mark.parametrize("second", ["trust", "policy", "gateway"])
def test_a_stage_with_two_names_decides_in_the_one_it_was_asked_by(
    second: str, then: Judge, reason: Reason
) -> None:
    stage = Moody(then)
    decision = Panel({**willing(), "surface": stage, second: stage}).decide(CALL, CTX)
    assert isinstance(decision, Decision)
    assert (decision.stage, decision.reason) == (second, reason)
    assert stage.asked == 2  # and no more


@pytest.mark.guarantee("pipeline:removal-only-tightens")
@pytest.mark.parametrize("seated", [("surface",), ("surface", "trust"), ("gateway",)])
@pytest.mark.parametrize("answer", [DENY, WAIT], ids=["deny", "wait"])
def test_whoever_is_seated_while_a_stage_judges_takes_nothing_from_its_answer(
    answer: Verdict | Wait, seated: tuple[str, ...]
) -> None:
    panel = Panel({"surface": always(ALLOW), **willing()})
    unmoved = Moody(lambda _: ALLOW)
    unmoved.unmoved = frozenset({SubjectKind.CALL})

    def judge(_: Subject) -> Verdict | Wait:
        panel.seat(dict.fromkeys(seated, unmoved))
        return answer

    panel.seat({"gateway": Scripted(judge)})
    decision = panel.decide(CALL, CTX)
    denied = Decision(False, CALL, "gateway", Reason.DRIFTED, "it changed", (FINDING,))
    assert decision == (denied if answer is DENY else answer)


def test_a_rewrite_is_judged_again_exactly_once() -> None:
    stage = always(rewriting(CHANGED))
    decide({"surface": stage}, CALL, CTX)
    assert stage.asked == [CALL, CHANGED]


def test_the_rule_of_a_decision_is_its_stage_and_reason() -> None:
    decision = decide({"surface": always(DENY)}, CALL, CTX)
    assert isinstance(decision, Decision)
    assert decision.rule == "surface.drifted"
    assert Decision(True, CALL).rule == ""


SUBJECTS: dict[SubjectKind, Subject] = {
    SubjectKind.CALL: CALL,
    SubjectKind.DEFINITION: Definition(ItemKind.TOOL, "t", {"name": "t"}),
    SubjectKind.RESULT: Result("tools/call", "t", {}),
    SubjectKind.SERVER_REQUEST: ServerRequest("ping", {}),
    SubjectKind.ANSWER: Answer("roots/list", {}),
    SubjectKind.NOTICE: Notice("notifications/message", {}),
}


@pytest.mark.guarantee("pipeline:deny-unless-permit")
@pytest.mark.parametrize("kind", SubjectKind)
def test_every_kind_of_subject_needs_at_least_one_stage_that_exists(kind: SubjectKind) -> None:
    assert REQUIRED[kind]
    assert set(REQUIRED[kind]) <= set(STAGES)
    decision = decide({}, SUBJECTS[kind], CTX)
    assert isinstance(decision, Decision)
    assert (decision.allowed, decision.reason) == (False, Reason.STAGE_MISSING)


@pytest.mark.guarantee("pipeline:deny-unless-permit")
@pytest.mark.parametrize("kind", SubjectKind)
def test_without_a_lockfile_nothing_is_allowed(kind: SubjectKind) -> None:
    decision = make_pipeline(None)(SUBJECTS[kind], CTX)
    assert isinstance(decision, Decision)
    assert (decision.allowed, decision.reason) == (False, Reason.NO_LOCK)


answers: st.SearchStrategy[Verdict | Wait] = st.sampled_from(
    [
        ALLOW,
        DENY,
        Verdict(Effect.ABSTAIN),
        Verdict(Effect.ALLOW, findings=(FINDING,)),
        rewriting(CHANGED),
        rewriting(Notice("n", {})),
        WAIT,
    ]
)


def allows(decision: Decision | Wait) -> bool:
    return isinstance(decision, Decision) and decision.allowed


@pytest.mark.guarantee("pipeline:removal-only-tightens")
@given(
    st.dictionaries(st.sampled_from([*STAGES, "scan"]), answers),
    st.sampled_from([*STAGES, "scan"]),
    st.sampled_from(list(SUBJECTS.values())),
)
def test_taking_a_stage_away_never_turns_a_denial_into_an_allow(
    script: dict[str, Verdict | Wait], gone: str, subject: Subject
) -> None:
    whole = {name: always(answer) for name, answer in script.items()}
    less = {name: stage for name, stage in whole.items() if name != gone}
    if not allows(both(whole, subject)):
        assert not allows(both(less, subject))


@pytest.mark.guarantee("pipeline:deny-unless-permit")
@given(
    st.dictionaries(st.sampled_from([*STAGES, "scan"]), answers), st.sampled_from(list(SUBJECTS))
)
def test_allowed_means_that_every_required_stage_allowed_exactly_what_is_sent(
    script: dict[str, Verdict | Wait], kind: SubjectKind
) -> None:
    stages = {name: always(answer) for name, answer in script.items()}
    decision = decide(stages, SUBJECTS[kind], CTX)
    if isinstance(decision, Decision) and decision.allowed:
        for name in REQUIRED[kind]:
            answer = script[name]
            assert isinstance(answer, Verdict)
            assert answer.effect is Effect.ALLOW
            assert stages[name].asked[-1] is decision.subject
