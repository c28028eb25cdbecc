"""The checks of the trust stage, in their order, and that whatever breaks denies."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.errors import UsageError
from mcpguard.model import (
    ALLOW,
    APPROVED,
    NOBODY,
    Answer,
    Call,
    Context,
    Decision,
    Definition,
    Effect,
    Finding,
    Held,
    ItemKind,
    Live,
    Notice,
    Principal,
    Reason,
    Result,
    ServerRequest,
    Severity,
    Subject,
    SubjectKind,
    Tier,
    Verdict,
    Wait,
)
from mcpguard.pipeline import Stage, decide
from mcpguard.pipeline.trust import TrustStage
from mcpguard.trust.policy import PolicyTable, ToolPolicy
from tests.unit.pipeline.callers import (
    ME,
    NOT_TRUSTED,
    TABLE,
    Broken,
    Counting,
    Group,
    NoSession,
    call,
    context,
    held,
    no,
    stage,
    unlimited,
)


def beside(*, server: bool) -> TrustStage:
    """A stage with a blocked caller, whose server may be blocked, too."""
    return TrustStage(TABLE, limits=Counting(), blocked={ME.id}, server=lambda: server)


CALLS: dict[str, tuple[Call, Context, Verdict]] = {
    "an ordinary call": (call("anything"), context(), ALLOW),
    "nobody was introduced": (
        call("free"),
        Context("files", "local", NoSession()),
        no(Reason.NO_PRINCIPAL, "nobody is known to be calling"),
    ),
    "a caller without a name": (
        call("free"),
        context(Group(Principal("", 4))),
        no(Reason.NO_PRINCIPAL, "nobody is known to be calling"),
    ),
    "a blocked caller": (
        call("free"),
        context(Group(Principal("local:bad", 4))),
        no(Reason.PRINCIPAL_BLOCKED, "the operator has blocked the caller"),
    ),
    "a blocked tool": (
        call("blocked"),
        context(),
        no(Reason.TOOL_BLOCKED, "the tool is blocked by its policy"),
    ),
    "exactly the default trust": (call("t"), held((1, 300), (1, 300)), ALLOW),
    "just below the default trust": (
        call("t"),
        held((1, 500), (1, 299)),
        no(Reason.TRUST_SCORE, NOT_TRUSTED.format(299, 300)),
    ),
    "a server that is trusted less than its caller": (
        call("t"),
        held((1, 900), (1, 0)),
        no(Reason.TRUST_SCORE, NOT_TRUSTED.format(0, 300)),
    ),
    "a server whose score is not enough says so": (
        call("t"),
        context(Group(standings=[Held(1, 500), Held(1, 220, "the server")])),
        no(Reason.TRUST_SCORE, "the trust score of the server is 220, 300 is needed"),
    ),
    "a server whose level is not enough says so": (
        call("proved"),
        context(Group(standings=[Held(2, 500), Held(1, 600, "the server")])),
        no(Reason.TRUST_LEVEL, "the trust level of the server is 1, 2 is needed"),
    ),
    "a delegator that is trusted less than both": (
        call("t"),
        held((1, 900), (1, 900), (1, 299)),
        no(Reason.TRUST_SCORE, NOT_TRUSTED.format(299, 300)),
    ),
    "no trust asked for": (call("free"), held((1, 0), (0, 0)), ALLOW),
    "standings of nobody": (
        call("t"),
        held(),
        no(Reason.TRUST_SCORE, "the trust score of nobody is 0, 300 is needed"),
    ),
    "a tool with a threshold": (
        call("six_hundred"),
        context(),
        no(Reason.TRUST_SCORE, NOT_TRUSTED.format(500, 600)),
    ),
    "a tool that asks for proof": (
        call("proved"),
        held((2, 500), (1, 500)),
        no(Reason.TRUST_LEVEL, "the trust level of the caller is 1, 2 is needed"),
    ),
    "proof of nobody": (
        call("proved alone"),
        held(),
        no(Reason.TRUST_LEVEL, "the trust level of nobody is 0, 2 is needed"),
    ),
    "enough proof of everybody": (call("proved"), held((2, 500), (3, 500)), ALLOW),
    "score before level": (
        call("both"),
        context(),
        no(Reason.TRUST_SCORE, NOT_TRUSTED.format(500, 600)),
    ),
    "capabilities that are held": (call("writing"), context(), ALLOW),
    "one capability that is not": (
        call("posting"),
        context(),
        no(Reason.CAPABILITY, "the capability net:post is needed"),
    ),
    "a prompt for somebody trusted": (Call("prompts/get", "p", {}), context(), ALLOW),
    "a prompt is held to the default": (
        Call("prompts/get", "p", {}),
        held((1, 299)),
        no(Reason.TRUST_SCORE, NOT_TRUSTED.format(299, 300)),
    ),
    "a prompt by a tool's name is no tool": (Call("prompts/get", "blocked", {}), context(), ALLOW),
    "a request that names nothing": (Call("ping", "", {}), held((0, 0)), ALLOW),
    "a request that names nothing, of nobody": (
        Call("ping", "", {}),
        context(Group(Principal(""))),
        no(Reason.NO_PRINCIPAL, "nobody is known to be calling"),
    ),
    "a request that names nothing, of somebody blocked": (
        Call("tools/list", "", {}),
        context(Group(Principal("local:bad", 1))),
        no(Reason.PRINCIPAL_BLOCKED, "the operator has blocked the caller"),
    ),
    "the matrix decides nothing when it is not asked": (
        call("committing"),
        held((1, 0)),
        ALLOW,
    ),
}


@pytest.mark.guarantee("trust:six-checks")
@pytest.mark.parametrize(("one", "ctx", "expected"), CALLS.values(), ids=CALLS)
def test_every_check_by_its_verdict(one: Call, ctx: Context, expected: Verdict) -> None:
    assert stage(blocked=frozenset({"local:bad"})).judge(one, ctx) == expected


@pytest.mark.parametrize(("server", "who"), [(True, "server"), (False, "caller")])
def test_a_denial_says_who_is_blocked(*, server: bool, who: str) -> None:
    told = no(Reason.PRINCIPAL_BLOCKED, f"the operator has blocked the {who}")
    assert beside(server=server).judge(call("t"), context()) == told


@pytest.mark.guarantee("trust:six-checks")
def test_the_order_of_the_checks_and_that_only_the_last_one_counts() -> None:
    """What fails in everything is let further step by step."""
    table, limits, blocked = dict(TABLE.policies), Counting(), {"local:default"}
    policy = table["everything"]
    parties = Group(Principal(""), [Held(1, 0)])
    seen: list[Reason] = []

    def ask() -> None:
        one = TrustStage(
            PolicyTable({"everything": policy}), limits=limits, blocked=blocked, strict=True
        )
        verdict = one.judge(call("everything"), context(parties))
        assert isinstance(verdict, Verdict)
        seen.append(verdict.reason)

    ask()
    parties = replace(parties, caller=ME)
    ask()
    blocked.clear()
    ask()
    policy = replace(policy, blocked=False)
    ask()
    parties = replace(parties, standings=[Held(1, 600)])
    ask()
    policy = replace(policy, min_level=1, min_trust=0)
    parties = replace(parties, standings=[Held(1, 599)])
    ask()
    parties = replace(parties, standings=[Held(1, 600)])
    ask()
    assert limits.asked == []
    policy = replace(policy, required_capabilities=())
    ask()
    ask()
    assert seen == [
        Reason.NO_PRINCIPAL,
        Reason.PRINCIPAL_BLOCKED,
        Reason.TOOL_BLOCKED,
        Reason.TRUST_SCORE,
        Reason.TRUST_LEVEL,
        Reason.TRUST_TIER,
        Reason.CAPABILITY,
        Reason.APPROVAL,
        Reason.SATURATED,
    ]
    assert limits.asked == [("local:default", "everything", 7.0, 1)] * 2


def test_the_rate_is_asked_with_the_time_of_the_message_and_only_for_tools() -> None:
    limits = Counting()
    one = TrustStage(TABLE, limits=limits)
    answers = [one.judge(call("twice"), context(now=now)) for now in (1.5, 2.5, 3.5)]
    assert answers == [ALLOW, ALLOW, no(Reason.SATURATED, "too many calls in a minute")]
    assert one.judge(Call("prompts/get", "twice", {}), context()) is ALLOW
    assert limits.asked == [("local:default", "twice", now, 2) for now in (1.5, 2.5, 3.5)]


class Remote:
    """Limits that have to ask elsewhere first."""

    def take(self, principal: str, tool: str, live: Live, per_minute: int) -> Verdict | Wait:
        return Wait("trust", "asked")


def test_limits_that_have_to_ask_elsewhere_are_waited_for() -> None:
    one = TrustStage(TABLE, limits=Remote())
    assert one.judge(call("free", {"trust_score": 1}), context()) == Wait("trust", "asked")


def test_a_rate_that_nobody_counts_is_an_error_when_it_is_loaded() -> None:
    with pytest.raises(UsageError, match=r"^tools.'twice'.max_calls_per_minute: there is nothing"):
        TrustStage(TABLE)
    TrustStage(PolicyTable({"t": ToolPolicy(min_trust=1)}))


D, A = Effect.DENY, Effect.ALLOW
LOW, ASK = Reason.TRUST_TIER, Reason.APPROVAL
STRICT: Sequence[tuple[str, int, Effect, Reason]] = [
    ("looking", 0, A, Reason.OK),
    ("free", 0, D, ASK),
    ("free", 300, A, Reason.OK),
    ("acting", 299, D, LOW),
    ("acting", 300, D, ASK),
    ("acting", 599, D, ASK),
    ("acting", 600, A, Reason.OK),
    ("committing", 599, D, LOW),
    ("committing", 600, D, ASK),
    ("committing", 1000, D, ASK),
]


@pytest.mark.guarantee("trust:six-checks")
@pytest.mark.parametrize(("tool", "score", "effect", "reason"), STRICT)
def test_the_matrix_decides_when_strict(
    tool: str, score: int, effect: Effect, reason: Reason
) -> None:
    ctx = held((1, score), (1, 1000))
    verdict = stage(strict=True).judge(call(tool), ctx)
    assert isinstance(verdict, Verdict)
    assert (verdict.effect, verdict.reason) == (effect, reason)
    assert stage().judge(call(tool), ctx) is ALLOW


def test_what_the_matrix_leaves_to_a_person_is_asked_of_one() -> None:
    yes = Verdict(Effect.ALLOW, findings=(Finding(APPROVED, Severity.INFO, "ticket", "by ann"),))
    answers: dict[str, Verdict | Wait] = {
        "acting": Wait("trust", "1"),
        "free": yes,
        "committing": no(Reason.APPROVAL, "somebody said no"),
    }
    asked: list[str] = []

    def approve(one: Call, ctx: Context) -> Verdict | Wait:
        asked.append(one.target)
        return answers[one.target]

    one = TrustStage(TABLE, limits=Counting(), strict=True, approve=approve)
    ctx = held((1, 300), (1, 300))
    assert one.judge(call("acting"), ctx) == Wait("trust", "1")
    assert one.judge(call("free"), held((1, 0))) == yes  # its record says who
    assert one.judge(call("committing"), held((1, 700))) == answers["committing"]
    assert one.judge(call("looking"), ctx) is ALLOW
    assert asked == ["acting", "free", "committing"]


OTHERS: Sequence[Subject] = [
    Definition(ItemKind.TOOL, "blocked", {"trust_score": 1}),
    Result("tools/call", "blocked", {"trust_score": 1}),
    ServerRequest("roots/list", {"trust_score": 1}),
    Answer("roots/list", {}),
    Notice("notifications/message", {}),
]


@pytest.mark.parametrize("subject", OTHERS, ids=lambda one: one.kind.value)
def test_only_calls_are_judged(subject: Subject) -> None:
    nobody = Context("files", "local", NoSession(), NOBODY, NOBODY)
    assert stage().judge(subject, nobody) is ALLOW


def test_a_pipeline_may_ask_about_calls_directly() -> None:
    one = stage()
    assert set(one.by_kind) == {SubjectKind.CALL}
    for asked in (call("free"), call("blocked"), call("posting", {"trust_score": 1})):
        assert one.by_kind[SubjectKind.CALL](asked, context()) == one.judge(asked, context())


def test_the_matrix_is_not_asked_unless_that_is_configured() -> None:
    one = unlimited(committing=ToolPolicy(min_trust=0, tier=Tier.COMMIT))
    assert one.judge(call("committing"), held((1, 0))) is ALLOW


# what breaks denies


BROKEN: dict[str, tuple[Stage, Context]] = {
    "parties": (TrustStage(TABLE, limits=Counting()), context(Broken())),
    "limits": (TrustStage(TABLE, limits=Broken()), context()),
    "blocked ids": (TrustStage(TABLE, limits=Counting(), blocked=Broken()), context()),
}


@pytest.mark.guarantee("trust:six-checks")
@pytest.mark.parametrize(("one", "ctx"), BROKEN.values(), ids=BROKEN)
def test_whatever_breaks_denies(one: Stage, ctx: Context) -> None:
    # `decide` asks whoever stands where a required stage is wanted.
    decision = decide({"surface": one}, call("free"), ctx)
    assert decision == Decision(
        False, call("free"), "surface", Reason.STAGE_FAILED, "it raised OSError"
    )


class Breaking:
    """A stage that fails in one way, or answers as another one does."""

    def __init__(self, stage_: Stage, way: str) -> None:
        self._stage, self._way = stage_, way

    def judge(self, subject: Subject, ctx: Context) -> Verdict | Wait:
        if self._way == "raises":
            raise RuntimeError
        if self._way == "stalls":
            return Wait("trust", "for ever")
        return self._stage.judge(subject, ctx)


@pytest.mark.guarantee("pipeline:removal-only-tightens")
@given(
    st.sampled_from([row[0] for row in CALLS.values()]),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1000)), max_size=3),
    st.sampled_from(["removed", "raises", "stalls"]),
    st.booleans(),
)
def test_a_trust_stage_that_is_gone_raises_or_stalls_allows_nothing(
    one: Call, standings: list[tuple[int, int]], way: str, strict: bool
) -> None:
    whole: dict[str, Stage] = {"surface": stage(strict=strict)}
    broken: dict[str, Stage] = (
        {} if way == "removed" else {"surface": Breaking(whole["surface"], way)}
    )
    less = decide(broken, one, held(*standings))
    assert isinstance(less, Wait) or not less.allowed


@given(
    st.sampled_from(sorted(TABLE.policies)),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1000)), min_size=1, max_size=3),
    st.tuples(st.integers(0, 4), st.integers(0, 1000)),
)
def test_another_delegator_never_turns_a_denial_into_an_allow(
    tool: str, standings: list[tuple[int, int]], more: tuple[int, int]
) -> None:
    for strict in (False, True):
        alone = stage(strict=strict).judge(call(tool), held(*standings))
        together = stage(strict=strict).judge(call(tool), held(*standings, more))
        assert alone is ALLOW or together is not ALLOW


@pytest.mark.parametrize(("least", "allowed"), [(500, True), (501, False)])
def test_what_is_no_tool_is_held_to_the_tables_default(least: int, allowed: bool) -> None:
    judge = TrustStage(PolicyTable(default=ToolPolicy(min_trust=least))).judge
    read = Call("resources/read", "file:///a", {})
    assert (judge(read, held((1, 500), (1, 500))) is ALLOW) is allowed
    assert judge(Call("ping", "", {}), held((1, 0))) is ALLOW
