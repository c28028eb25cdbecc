"""The trust stage: six checks in order, claims that nobody reads, and what breaks denies."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.errors import UsageError
from mcpguard.model import (
    ALLOW,
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
    Json,
    Live,
    Notice,
    Principal,
    Proof,
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
from mcpguard.pipeline.trust import MAX_FINDINGS, MAX_KEYS, TrustStage
from mcpguard.trust.policy import PolicyTable, ToolPolicy


class NoSession:
    """Facts of a session that listed everything."""

    def item_state(self, kind: ItemKind, name: str) -> Reason:
        return Reason.OK


ME = Principal("local:default", 1, frozenset({"fs:*", "net:get"}), Proof.PROFILE)
ENROLLED = (Held(1, 500), Held(1, 650))


@dataclass(frozen=True)
class Group:
    """Parties whose standings are given."""

    caller: Principal = ME
    standings: Sequence[Held] = ENROLLED

    def held(self) -> Sequence[Held]:
        return self.standings


@dataclass(frozen=True)
class At:
    """A moment."""

    now: float
    call: int = 0
    again: Wait | None = None
    said: bool | None = None


class Counting:
    """Limits of one window, which remember what they were asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, float, int]] = []

    def take(self, principal: str, tool: str, live: Live, per_minute: int) -> Verdict | Wait:
        self.asked.append((principal, tool, live.now, per_minute))
        if len([one for one in self.asked if one[1] == tool]) > per_minute > 0:
            return Verdict.deny(Reason.SATURATED, "too many calls in a minute")
        return Verdict(Effect.ALLOW)


class Broken:
    """Parties, limits and blocked ids whose store is down."""

    caller = ME

    def held(self) -> Sequence[Held]:
        raise OSError("the store is down")

    def take(self, principal: str, tool: str, live: Live, per_minute: int) -> Verdict | Wait:
        raise OSError("the store is down")

    def __contains__(self, principal: object) -> bool:
        raise OSError("the store is down")


def context(parties: Group | Broken | None = None, now: float = 7.0) -> Context:
    return Context("files", "local", NoSession(), At(now), Group() if parties is None else parties)


def held(*standings: tuple[int, int]) -> Context:
    return context(Group(standings=[Held(*each) for each in standings]))


TABLE = PolicyTable(
    {
        "free": ToolPolicy(min_trust=0),
        "blocked": ToolPolicy(blocked=True),
        "six_hundred": ToolPolicy(min_trust=600),
        "proved": ToolPolicy(min_level=2),
        "both": ToolPolicy(min_trust=600, min_level=2),
        "writing": ToolPolicy(required_capabilities=("fs:write", "net:get")),
        "posting": ToolPolicy(required_capabilities=("fs:write", "net:post")),
        "twice": ToolPolicy(max_calls_per_minute=2),
        "looking": ToolPolicy(min_trust=0, tier=Tier.OBSERVE),
        "acting": ToolPolicy(min_trust=0, tier=Tier.ACT),
        "committing": ToolPolicy(min_trust=0, tier=Tier.COMMIT),
        "everything": ToolPolicy(
            min_trust=600,
            min_level=2,
            required_capabilities=("no:body",),
            blocked=True,
            max_calls_per_minute=1,
            tier=Tier.COMMIT,
        ),
    }
)


def stage(*, strict: bool = False, blocked: frozenset[str] = frozenset()) -> TrustStage:
    return TrustStage(TABLE, limits=Counting(), strict=strict, blocked=blocked)


def beside(*, server: bool) -> TrustStage:
    """A stage with a blocked caller, whose server may be blocked, too."""
    return TrustStage(TABLE, limits=Counting(), blocked={ME.id}, server=lambda: server)


def call(tool: str, arguments: dict[str, Json] | None = None, meta: Json = None) -> Call:
    return Call("tools/call", tool, arguments or {}, meta=meta)


def no(reason: Reason, detail: str) -> Verdict:
    return Verdict.deny(reason, detail)


NOT_TRUSTED = "the trust score of the caller is {}, {} is needed"
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
    answers: dict[str, Verdict | Wait] = {
        "acting": Wait("trust", "1"),
        "free": ALLOW,
        "committing": no(Reason.APPROVAL, "somebody said no"),
    }
    asked: list[str] = []

    def approve(one: Call, ctx: Context) -> Verdict | Wait:
        asked.append(one.target)
        return answers[one.target]

    one = TrustStage(TABLE, limits=Counting(), strict=True, approve=approve)
    ctx = held((1, 300), (1, 300))
    assert one.judge(call("acting"), ctx) == Wait("trust", "1")
    assert one.judge(call("free"), held((1, 0))) is ALLOW
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


# what passed before


class Reading:
    """Parties whose standings are read from a store, and how often they were."""

    caller = ME

    def __init__(self) -> None:
        self.standings: Sequence[Held] = ENROLLED
        self.read = 0

    def held(self) -> Sequence[Held]:
        self.read += 1
        return self.standings

    def cost(self, one: TrustStage, asked: Call) -> int:
        """How often a call that passes reads the standings."""
        before = self.read
        assert one.judge(asked, Context("files", "local", NoSession(), At(7.0), self)) is ALLOW
        return self.read - before


def unlimited(**policies: ToolPolicy) -> TrustStage:
    return TrustStage(PolicyTable({"free": ToolPolicy(min_trust=0), **policies}))


@pytest.mark.parametrize("one", [unlimited(), stage()], ids=["no limits", "limits"])
def test_a_call_like_one_that_passed_reads_the_standings_once(one: TrustStage) -> None:
    parties = Reading()
    assert parties.cost(one, call("t")) > 1
    assert [parties.cost(one, call("t")) for _ in range(2)] == [1, 1]
    assert parties.cost(one, call("another")) > 1
    parties.standings = [*ENROLLED]
    assert parties.cost(one, call("t")) > 1
    assert parties.cost(one, call("t")) > 1


def test_no_more_tools_are_remembered_than_a_server_may_well_have() -> None:
    one, parties = unlimited(), Reading()
    names = [f"t{number}" for number in range(MAX_KEYS + 1)]
    for name in names[:MAX_KEYS]:
        parties.cost(one, call(name))
    assert [parties.cost(one, call(name)) for name in names[:MAX_KEYS]] == [1] * MAX_KEYS
    assert parties.cost(one, call(names[-1])) > 1
    assert parties.cost(one, call(names[-1])) == 1
    assert parties.cost(one, call(names[0])) > 1


POOR = Group(standings=(Held(1, 0), Held(1, 0)))
ANOTHER = ME._replace(id="local:another", capabilities=frozenset())
LOW_SCORE = no(Reason.TRUST_SCORE, NOT_TRUSTED.format(0, 300))
BEFORE: dict[str, tuple[tuple[Call, Group], tuple[Call, Group], Verdict]] = {
    "standings that are lower now": ((call("t"), Group()), (call("t"), POOR), LOW_SCORE),
    "another caller": (
        (call("writing"), Group()),
        (call("writing"), Group(ANOTHER)),
        no(Reason.CAPABILITY, "the capability fs:write is needed"),
    ),
    "a prompt of the tool's name": (
        (call("free"), POOR),
        (Call("prompts/get", "free", {}), POOR),
        LOW_SCORE,
    ),
    "a tool of the prompt's name": (
        (Call("prompts/get", "blocked", {}), Group()),
        (call("blocked"), Group()),
        no(Reason.TOOL_BLOCKED, "the tool is blocked by its policy"),
    ),
}


@pytest.mark.guarantee("trust:six-checks")
@pytest.mark.parametrize(("first", "second", "expected"), BEFORE.values(), ids=BEFORE)
def test_what_passed_before_lets_nothing_else_pass(
    first: tuple[Call, Group], second: tuple[Call, Group], expected: Verdict
) -> None:
    one = stage()
    assert one.judge(first[0], context(first[1])) is ALLOW
    assert one.judge(second[0], context(second[1])) == expected


@pytest.mark.guarantee("trust:six-checks")
def test_what_changes_after_a_call_passed_counts_for_the_next() -> None:
    blocked, tools, standings = set[str](), set[str](), [*ENROLLED]
    one = TrustStage(PolicyTable(), blocked=blocked, tools=tools)
    parties, rewritten = context(), context(Group(standings=standings))
    assert one.judge(call("t"), parties) is ALLOW
    blocked.add(ME.id)
    assert one.judge(call("t"), parties) == no(
        Reason.PRINCIPAL_BLOCKED, "the operator has blocked the caller"
    )
    blocked.clear()
    assert one.judge(call("t"), parties) is ALLOW
    tools.add("t")
    assert one.judge(call("t"), parties) == no(
        Reason.TOOL_BLOCKED, "the operator has blocked the tool"
    )
    tools.clear()
    assert one.judge(call("t"), rewritten) is ALLOW
    standings[0] = Held(1, 0)
    assert one.judge(call("t"), rewritten) == LOW_SCORE


def test_a_person_is_asked_about_each_call_although_one_passed() -> None:
    answers = [ALLOW, no(Reason.APPROVAL, "somebody said no")]
    left = [*answers]
    one = TrustStage(TABLE, limits=Counting(), strict=True, approve=lambda *_: left.pop(0))
    parties = context(Group(standings=(Held(1, 0),)))
    assert [one.judge(call("free"), parties) for _ in answers] == answers


def test_the_matrix_is_not_asked_unless_that_is_configured() -> None:
    one = unlimited(committing=ToolPolicy(min_trust=0, tier=Tier.COMMIT))
    assert one.judge(call("committing"), held((1, 0))) is ALLOW


# claims


def claims(arguments: Json = None, meta: Json = None) -> list[str]:
    given_ = arguments if isinstance(arguments, dict) else {}
    verdict = stage().judge(call("free", given_, meta), context())
    assert isinstance(verdict, Verdict)
    assert verdict.effect is Effect.ALLOW
    said = "a message's own word for its trust; nobody reads it"
    assert verdict.findings == tuple(
        Finding("trust-claim", Severity.INFO, one.where, said) for one in verdict.findings
    )
    return [one.where for one in verdict.findings]


OWN_WORDS = (
    "trustScore trust_level Trust-Tier agentTrust agent_trust_score agent.trust.level"
    " peer-trust-score callerTrustScore CAPABILITIES agent_capabilities agent-did callerDID"
    " peer_did authLevel capiscio_caller_badge CapiscIO-Caller-API-Key"
)


@pytest.mark.guarantee("trust:never-from-a-message")
@pytest.mark.parametrize("key", OWN_WORDS.split())
def test_every_known_name_of_trust_is_a_claim(key: str) -> None:
    assert claims({key: 1}) == [f"/arguments/{key}"]
    assert claims({key + "!": 1, "my " + key: 1}) == []


@pytest.mark.guarantee("trust:never-from-a-message")
@pytest.mark.parametrize(
    ("arguments", "meta", "found"),
    [
        ({"path": "/trust_score", "note": "trust_score"}, None, []),
        ({"trust_score": 1000}, None, ["/arguments/trust_score"]),
        ({"Trust-Level": 4}, None, ["/arguments/Trust-Level"]),
        ({"agentDid": "did:key:z6Mk"}, None, ["/arguments/agentDid"]),
        ({"AGENT_TRUST_SCORE": 1}, None, ["/arguments/AGENT_TRUST_SCORE"]),
        ({"capabilities": ["*"]}, None, ["/arguments/capabilities"]),
        ({"a": [{"b/c": {"trust.score": 1}}]}, None, ["/arguments/a/0/b~1c/trust.score"]),
        ({"a~b": {"trust score": 1}}, None, ["/arguments/a~0b/trust score"]),
        ({"trust!score": 1}, None, []),
        ({}, {"trust_score": 1000}, ["/_meta/trust_score"]),
        ({}, {"x": {"capiscio_caller_badge": "e"}}, ["/_meta/x/capiscio_caller_badge"]),
        ({}, "trust_score", []),
        ({"trust_score_of_the_week": 1, "score": 1, "level": 2}, None, []),
    ],
)
def test_a_claim_in_a_message_is_a_finding(arguments: Json, meta: Json, found: list[str]) -> None:
    assert claims(arguments, meta) == found


values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(["trust_score", "agent_did", "x"]), below, max_size=3)
    ),
    max_leaves=12,
)


@pytest.mark.guarantee("trust:never-from-a-message")
@given(
    st.dictionaries(st.sampled_from(["trust_level", "capabilities", "a"]), values, max_size=3),
    values,
    st.sampled_from(sorted(TABLE.policies)),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1000)), max_size=3),
    st.booleans(),
)
def test_nothing_in_a_message_changes_the_verdict(
    arguments: dict[str, Json],
    meta: Json,
    tool: str,
    standings: list[tuple[int, int]],
    strict: bool,
) -> None:
    plain = stage(strict=strict).judge(call(tool), held(*standings))
    claimed = stage(strict=strict).judge(call(tool, arguments, meta), held(*standings))
    assert isinstance(plain, Verdict)
    assert isinstance(claimed, Verdict)
    assert claimed._replace(findings=()) == plain


def test_a_claim_is_named_beside_a_denial_too() -> None:
    verdict = stage().judge(call("blocked", {"trust_score": 1}), context())
    assert isinstance(verdict, Verdict)
    assert (verdict.effect, verdict.reason) == (Effect.DENY, Reason.TOOL_BLOCKED)
    assert [one.where for one in verdict.findings] == ["/arguments/trust_score"]


def test_looking_for_claims_is_bounded() -> None:
    deep: Json = {"trust_score": 1}
    for _ in range(500):
        deep = [deep]
    assert claims({"a": deep}) == []
    assert claims({"a": [0] * 100_000, "b": {"trust_score": 1}}) == ["/arguments/b/trust_score"]
    assert claims({**{f"a{n}": 1 for n in range(3000)}, "trust_score": 1}) == []
    assert len(claims({f"a{n}": {"trust_score": 1} for n in range(99)})) == MAX_FINDINGS
    assert claims({"trust_score" * 1000: 1}) == []
    assert claims({"x" * 10_000: {"trust_score": 1}}) == [f"/arguments/{'x' * 40}/trust_score"]


def below(levels: int) -> Json:
    """A claim inside so many lists."""
    value: Json = {"trust_score": 1}
    for _ in range(levels - 1):
        value = [value]
    return value


def fillers(count: int) -> dict[str, Json]:
    return {f"a{number}": 1 for number in range(count)}


LEVELS, KEYS = 32, 2000
LAST = "trust" + "_" * 30 + "score"
BOUNDS: dict[str, tuple[dict[str, Json], Json, int]] = {
    "the last level of arguments": ({"a": below(LEVELS)}, None, 1),
    "one level more": ({"a": below(LEVELS + 1)}, None, 0),
    "the last level of _meta": ({}, {"a": below(LEVELS)}, 1),
    "one level more of _meta": ({}, {"a": below(LEVELS + 1)}, 0),
    "the last key": ({**fillers(KEYS - 1), "trust_score": 1}, None, 1),
    "one key more": ({**fillers(KEYS), "trust_score": 1}, None, 0),
    "the last key, below": ({**fillers(KEYS - 2), "a": {"trust_score": 1}}, None, 1),
    "one key more, below": ({**fillers(KEYS - 1), "a": {"trust_score": 1}}, None, 0),
    "the longest claim": ({LAST: 1}, None, 1),
    "one character more": ({LAST + "_": 1}, None, 0),
    "all that are named": ({f"a{number}": {"trust_score": 1} for number in range(8)}, None, 8),
    "one claim more": ({f"a{number}": {"trust_score": 1} for number in range(9)}, None, 8),
}


@pytest.mark.parametrize(("arguments", "meta", "found"), BOUNDS.values(), ids=BOUNDS)
def test_claims_are_looked_for_up_to_each_bound(
    arguments: dict[str, Json], meta: Json, found: int
) -> None:
    assert len(claims(arguments, meta)) == found


def test_a_name_that_was_harmless_stays_so_and_hides_no_claim() -> None:
    one = stage()
    for number in range(2 * MAX_KEYS):
        assert one.judge(call("free", {"a": {"b": number}, f"k{number}": []}), context()) is ALLOW
    claimed = one.judge(call("free", {"a": {"trust_score": 1}}), context())
    assert isinstance(claimed, Verdict)
    assert [each.where for each in claimed.findings] == ["/arguments/a/trust_score"]


def test_a_caller_cannot_fill_the_memory_with_names() -> None:
    """To what is remembered there is one reference more than to the last one, which was not sent.

    Each time that as many are known as may be, it begins anew.
    """
    one = stage()
    names = [f"name {number}" for number in range(2 * MAX_KEYS + 2)]
    *sent, last = [sys.getrefcount(name) for name in names]
    assert set(sent) == {last}
    assert {one.judge(call("free", {name: []}), context()) for name in names[:-1]} == {ALLOW}
    *sent, last = [sys.getrefcount(name) for name in names]
    assert [count - last for count in sent] == [0] * (2 * MAX_KEYS) + [1]


def test_a_claim_is_named_although_the_same_tool_passed_before() -> None:
    one = unlimited()
    assert one.judge(call("t"), context()) is ALLOW
    claimed = one.judge(call("t", {"trust_score": 1}), context())
    assert isinstance(claimed, Verdict)
    assert [each.where for each in claimed.findings] == ["/arguments/trust_score"]


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
