"""A call that several stages ask a person about: one yes, for exactly it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from mcpguard.approval.asking import Asking
from mcpguard.approval.outcome import Refusal
from mcpguard.approval.queue import Queue
from mcpguard.approval.statement import WITH_MORE, Binding, bound
from mcpguard.model import (
    APPROVED,
    Call,
    Context,
    Effect,
    Held,
    ItemKind,
    JsonObject,
    Principal,
    Proof,
    Reason,
    Verdict,
    Wait,
)
from tests.unit.approval.people import (
    ARGUMENTS,
    COUNTING,
    LOCK,
    SESSION,
    UNIX,
    said,
    source,
)

CALLER = Principal("local:default", 1, frozenset(), Proof.PROFILE)


@dataclass
class Moment:
    """What changes: the time, the call that is judged, and on whose behalf."""

    now: float = 0.0
    call: int = 1
    again: Wait | None = None
    said: bool | None = None
    caller: Principal = CALLER

    def held(self) -> Sequence[Held]:
        return ()

    def item_state(self, kind: ItemKind, name: str) -> Reason:
        return Reason.OK


def allowed(answer: Verdict | Wait) -> bool:
    """A yes, with the finding that says whose it was."""
    if isinstance(answer, Wait) or answer.effect is not Effect.ALLOW:
        return False
    (finding,) = answer.findings
    return finding.rule == APPROVED and finding.message.startswith("approved by ")


class Play:
    """A session's approvals, and stages that ask."""

    def __init__(self) -> None:
        self.queue = Queue(SESSION, COUNTING, source())
        self.asking = Asking(self.queue, lock=LOCK, low_risk=lambda tool: tool == "low", retry=600)
        self.moment = Moment()
        self.ctx = Context("files", "local:default", self.moment, self.moment, self.moment)

    def asks(
        self,
        wire_id: int = 1,
        now: float = 0.0,
        *,
        stage: str = "trust",
        call: Call | None = None,
    ) -> Verdict | Wait:
        self.moment.call, self.moment.now = wire_id, now
        return self.asking.of(stage)(call or tool(), self.ctx)

    def yes(self, now: float = 1.0) -> None:
        """To the one call that waits."""
        (row,) = self.queue.pending(now)
        shown = self.queue.show(row.ticket, now)
        assert shown is not None
        at = int(now)
        signed = said(shown.request, at=at, binding=shown.binding)
        self.queue.answer(signed, now, UNIX + at)


def tool(name: str = "delete_file", arguments: JsonObject = ARGUMENTS) -> Call:
    return Call("tools/call", name, arguments)


def waits(asked: Verdict | Wait) -> Wait:
    assert isinstance(asked, Wait)
    return asked


def denied(asked: Verdict | Wait) -> tuple[Reason, str]:
    assert isinstance(asked, Verdict)
    assert not allowed(asked)
    return asked.reason, asked.detail


@pytest.mark.guarantee("approval:pending-never-runs")
def test_a_call_waits_until_a_person_said_yes() -> None:
    play = Play()
    wait = waits(play.asks())
    assert (wait.stage, wait.token) == ("trust", play.asking.token(1))
    assert wait.detail.startswith("the tool delete_file waits for the approval of a person, ticket")
    assert play.asks(now=0.5) == wait
    play.yes()
    assert allowed(play.asks(now=1.0))


@pytest.mark.guarantee("approval:single-use")
def test_one_yes_is_enough_for_all_stages_of_one_call_and_for_no_other() -> None:
    play = Play()
    waits(play.asks())
    play.yes()
    assert all(allowed(play.asks(stage=stage)) for stage in ("trust", "policy", "gateway", "trust"))
    assert waits(play.asks(2, stage="gateway")).stage == "gateway"
    play.asking.still([1, 2])
    assert allowed(play.asks(1))
    play.asking.still([2])
    waits(play.asks(1))


@pytest.mark.guarantee("approval:bound-to-the-call")
def test_a_call_whose_arguments_were_rewritten_needs_another_yes() -> None:
    play = Play()
    waits(play.asks())
    play.yes()
    assert allowed(play.asks())
    waits(play.asks(call=tool(arguments={"path": "redacted"})))


@pytest.mark.guarantee("approval:bound-to-the-call")
def test_a_yes_is_for_the_principal_the_server_the_method_and_the_lockfile() -> None:
    play = Play()
    waits(play.asks(call=Call("prompts/get", "delete_file", ARGUMENTS)))
    (row,) = play.queue.pending(0.0)
    shown = play.queue.show(row.ticket, 0.0)
    assert shown is not None
    name = "prompts/get delete_file"
    assert shown.binding == bound("local:default", "files", name, ARGUMENTS, LOCK)
    assert isinstance(shown.binding, Binding)
    play.yes()
    waits(play.asks())
    play.moment.caller = Principal("local:other")
    waits(play.asks(call=Call("prompts/get", "delete_file", ARGUMENTS)))


def test_a_call_that_waited_in_vain_is_told_what_to_do_and_its_retry_goes() -> None:
    play = Play()
    wait = waits(play.asks())
    assert not play.asking.over(44.0)
    assert play.asking.over(45.0)
    reason, text = denied(play.asks(now=45.0))
    assert reason is Reason.WAITING
    assert text.endswith("Then repeat exactly this call, once, within 10 minutes")
    assert "/srv/a" not in text + wait.detail
    play.asking.still([])
    play.yes(60.0)
    assert allowed(play.asks(2, 61.0))
    play.asking.still([])
    waits(play.asks(3, 62.0))


@pytest.mark.guarantee("approval:one-no-ends-it")
def test_a_no_denies_the_call_that_waits_and_the_same_again() -> None:
    play = Play()
    waits(play.asks())
    play.queue.refuse(play.queue.pending(1.0)[0].ticket, 1.0)
    no = (Reason.APPROVAL, "a person refused exactly this call of the tool delete_file")
    assert denied(play.asks(now=1.0)) == no
    assert denied(play.asks(2, 2.0)) == no


@pytest.mark.guarantee("approval:cancelled-never-runs")
def test_a_call_that_waits_no_more_is_cancelled() -> None:
    play = Play()
    waits(play.asks())
    play.asking.still([1])
    assert len(play.queue.pending(1.0)) == 1
    play.asking.still([])
    assert play.queue.pending(1.0) == ()
    assert play.asking.token(1) == ""


MORE: list[JsonObject] = [
    {"inputResponses": {"q": {"action": "accept", "content": {"n": 1}}}, "requestState": "s"},
    {"inputResponses": {"q": {"action": "accept", "content": {"n": 2}}}, "requestState": "s"},
    {"inputResponses": {"q": {"action": "accept", "content": {"n": 1}}}, "requestState": "t"},
    {"task": {"ttl": 1}},
]


@pytest.mark.guarantee("approval:bound-to-the-call")
def test_a_yes_is_for_all_that_the_server_is_told_and_all_of_it_is_shown() -> None:
    play = Play()
    whole = [tool()._replace(more=more) for more in (None, *MORE)]
    alike = [tool(arguments={"arguments": ARGUMENTS, **more}) for more in MORE]
    for approved in whole:
        play.asks(now=1.0, call=approved)
        (row,) = play.queue.pending(1.0)
        shown = play.queue.show(row.ticket, 1.0)
        assert shown is not None
        more = approved.more
        assert shown.arguments == ({"arguments": ARGUMENTS, **more} if more else ARGUMENTS)
        play.yes()
        for wire_id, other in enumerate([*whole, *alike], start=2):
            if other is not approved:
                waits(play.asks(wire_id, 1.0, call=other))
                play.queue.cancel(play.asking.token(wire_id))
        assert allowed(play.asks(now=1.0, call=approved))


@pytest.mark.guarantee("approval:bound-to-the-call")
def test_nobody_is_asked_about_a_tool_that_is_named_like_a_call_with_more() -> None:
    play = Play()
    named = tool("delete_file" + WITH_MORE, {"arguments": ARGUMENTS, **MORE[0]})
    assert denied(play.asks(call=named)) == (Reason.APPROVAL, Refusal.UNSHOWN)
    assert play.queue.pending(1.0) == ()


def test_the_hosts_user_may_answer_for_low_risk_tools_only() -> None:
    play = Play()
    for wire_id, name in ((1, "low"), (2, "high")):
        waits(play.asks(wire_id, call=tool(name)))
    waits(play.asks(3, call=Call("prompts/get", "low", {})))
    play.moment.said = True
    assert allowed(play.asks(1, call=tool("low")))
    waits(play.asks(2, call=tool("high")))
    waits(play.asks(3, call=Call("prompts/get", "low", {})))


@pytest.mark.guarantee("approval:unsigned-by-what-holds-now")
@pytest.mark.parametrize("yes", [True, False], ids=["yes", "no"])
def test_what_the_hosts_user_may_answer_is_decided_when_the_answer_comes(yes: bool) -> None:
    play = Play()
    assert waits(play.asks(1, call=tool("low"))).question
    assert not waits(play.asks(2, call=tool("high"))).question
    play.queue.change(COUNTING, hold=45, retry=600, quorum=1)
    play.asking.change(low_risk=lambda name: name == "high", retry=600, nobody="")
    play.moment.said = yes
    now_risky, now_low = play.asks(1, call=tool("low")), play.asks(2, call=tool("high"))
    if yes:
        assert not waits(now_risky).question
        assert allowed(now_low)
    else:
        assert [denied(each)[0] for each in (now_risky, now_low)] == [Reason.APPROVAL] * 2


@pytest.mark.parametrize("arguments", [{"a": "\ud800"}, {"a": float("nan")}])
def test_what_cannot_be_shown_exactly_is_denied(arguments: JsonObject) -> None:
    play = Play()
    reason, text = denied(play.asks(call=tool(arguments=arguments)))
    assert reason is Reason.APPROVAL
    assert text == "what it is about cannot be shown exactly to whoever approves"
