"""A call like one that passed: what is remembered of it, and what is asked anew."""

from collections.abc import Sequence

import pytest

from mcpguard.model import ALLOW, Call, Context, Held, Reason, Verdict
from mcpguard.pipeline.trust import MAX_KEYS, TrustStage
from mcpguard.trust.policy import PolicyTable
from tests.unit.pipeline.callers import (
    ENROLLED,
    ME,
    NOT_TRUSTED,
    TABLE,
    At,
    Counting,
    Group,
    NoSession,
    call,
    context,
    no,
    stage,
    unlimited,
)


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
