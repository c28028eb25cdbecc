"""Calls that a stage cannot decide yet: held, judged again, and never sent before they may be."""

from collections.abc import Callable

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.model import (
    ALLOW,
    Call,
    Context,
    Json,
    JsonObject,
    Mode,
    Notice,
    Reason,
    Result,
    Side,
    Subject,
    Verdict,
    Wait,
)
from mcpguard.proxy.core import MAX_WAIT
from tests.unit.proxy.play import (
    ENVELOPE,
    LOCK,
    Play,
    blocked,
    call,
    opened,
    play,
    refused,
    usual,
    wire,
)

PERSON = Wait("trust", "k3f9", "free waits for a person: mcpguard approve yes k3f9")
STORE = Wait("trust", "units")
NO = Verdict.deny(Reason.APPROVAL, "a person said no")
NO_TEXT = (
    "Blocked by mcpguard [trust.approval]: a person said no. "
    "Do not retry; ask the operator to allow it."
)
RESULT: JsonObject = {"content": [{"type": "text", "text": "x"}]}


class Asking:
    """A stage that waits with the calls of tools until it is told what to say."""

    def __init__(self, wait: Wait = PERSON, kind: type[Subject] = Call) -> None:
        self.answer: Verdict | Wait = wait
        self.kind = kind
        self.seen: list[tuple[int, Wait | None]] = []

    def judge(self, subject: Subject, ctx: Context) -> Verdict | Wait:
        if not isinstance(subject, self.kind) or getattr(subject, "target", "free") != "free":
            return ALLOW
        self.seen.append((ctx.live.call, ctx.live.again))
        return self.answer


def asking(stage: Asking, mode: Mode = Mode.ENFORCE) -> Play:
    return opened(mode=mode, decide=usual(LOCK, trust=stage))


PARAMS: JsonObject = {"name": "free", "arguments": {"a": 1}}
ASKED: JsonObject = {"id": 1, "method": "tools/call", "params": PARAMS}
FREE: JsonObject = {**ASKED, "id": wire(0)}


@pytest.mark.guarantee("proxy:waiting-never-runs")
@pytest.mark.parametrize("more", [{}, {"_meta": {"x": 1}}], ids=["the-short-way", "the-long-way"])
def test_a_call_that_waits_is_sent_once_it_may_be_and_only_then(more: JsonObject) -> None:
    stage = Asking()
    session = asking(stage).host({**ASKED, "params": {**PARAMS, **more}})
    held: JsonObject = {"method": "tools/call", "target": "free", "rule": "trust.approval"}
    session.quiet().recorded(decision="hold", reason="waiting", detail=PERSON.detail, **held)
    session.resumes().quiet().unrecorded()
    stage.answer = ALLOW
    sent: JsonObject = {**FREE, "params": {**PARAMS, **more}}
    session.resumes().sends_server(sent).recorded(decision="allow", target="free")
    session.server({"id": wire(0), "result": RESULT}).sends_host({"id": 1, "result": RESULT})
    session.resumes().quiet().idle()
    assert stage.seen == [(wire(0), None), (wire(0), PERSON), (wire(0), PERSON)]


@pytest.mark.guarantee("proxy:waiting-never-runs")
def test_a_call_that_a_person_refused_is_answered_and_never_sent() -> None:
    stage = Asking()
    session = asking(stage).host(call(1))
    stage.answer = NO
    session.resumes().sends_host(blocked(1, NO_TEXT)).recorded(decision="deny", reason="approval")
    stage.answer = ALLOW
    session.resumes().quiet().idle()


@pytest.mark.guarantee("proxy:waiting-never-runs")
def test_a_call_that_was_cancelled_while_it_waited_is_never_sent() -> None:
    stage = Asking()
    session = asking(stage).host(call(1))
    session.host({"method": "notifications/cancelled", "params": {"requestId": 1}})
    stage.answer = ALLOW
    session.resumes().quiet().idle()
    session.host(call(1)).sends_server({**FREE, "id": wire(1), "params": {"name": "free"}})


@pytest.mark.guarantee("proxy:waiting-never-runs")
def test_nobody_is_waited_for_for_ever() -> None:
    stage = Asking()
    session = asking(stage).host(call(1))
    session.ticks(MAX_WAIT).quiet()
    session.ticks(0.1).sends_host(
        blocked(
            1,
            "Blocked by mcpguard [trust.stage_timeout]: nobody decided in time. "
            "Find out more with: mcpguard check.",
        )
    )
    session.idle()
    stage.answer = ALLOW
    assert not session.resumes().quiet().session.holding


def test_a_call_that_waited_is_no_other_calls_second_look() -> None:
    stage = Asking()
    session = asking(stage).host(call(1))
    stage.answer = ALLOW
    session.resumes().after(1.0).host(call(2))
    assert stage.seen == [(wire(0), None), (wire(0), PERSON), (wire(1), None)]
    assert session.session.now == session.now


def test_the_servers_time_begins_when_the_call_is_sent() -> None:
    stage = Asking()
    session = opened(decide=usual(LOCK, trust=stage), timeout=200.0).host(call(1))
    session.after(150.0)
    stage.answer = ALLOW
    session.resumes().sends_server(FREE | {"params": {"name": "free"}})
    session.ticks(199.0).quiet()


def test_a_call_whose_time_is_over_while_it_waits_is_answered() -> None:
    session = opened(decide=usual(LOCK, trust=Asking()), timeout=20.0).host(call(1))
    session.ticks(21.0)
    session.sends_host(refused(1, -31003, "mcpguard: the server did not answer in 20 s"))
    session.idle()


def test_a_wait_for_a_store_is_no_news() -> None:
    stage = Asking(STORE)
    session = asking(stage).host(call(1)).quiet().unrecorded()
    assert list(session.session.held_calls) == [wire(0)]
    stage.answer = ALLOW
    session.ticks().sends_server(FREE | {"params": {"name": "free"}})


@pytest.mark.parametrize("mode", [Mode.FILTER_ONLY, Mode.AUDIT_ONLY])
def test_a_mode_that_blocks_no_call_holds_none_up(mode: Mode) -> None:
    session = asking(Asking(), mode).host(call(1, arguments={"a": 1})).sends_server(FREE)
    session.recorded(decision="would_deny", reason="waiting", detail=PERSON.detail)


def test_a_notice_cannot_wait() -> None:
    session = opened(decide=usual(LOCK, surface=Asking(kind=Notice))).forget()
    session.server({"method": "notifications/message", "params": {"level": "info", "data": "x"}})
    assert session.quiet().records == [
        {
            "direction": "server>host",
            "method": "notifications/message",
            "target": "",
            "decision": "deny",
            "stage": "trust",
            "rule": "trust.stage_timeout",
            "reason": "stage_timeout",
            "detail": "nobody can answer in this session",
        }
    ]


def answering(stage: Asking, settle: Callable[[], None] = lambda: None) -> Play:
    """A call of a tool whose answer `stage` waits with."""
    stage.kind = Result
    session = opened(decide=usual(LOCK, surface=stage), settle=settle)
    return session.host(call(1, _meta={})).forget()


ANSWER = {"id": wire(0), "result": RESULT}
WITHHELD = (
    "Blocked by mcpguard [trust.stage_timeout]: nobody decided in time. "
    "Find out more with: mcpguard check. The tool ran; only its result was withheld."
)
FAILED = {"id": wire(0), "error": {"code": 5, "message": "no"}}


@pytest.mark.guarantee("scan:large-beside")
@pytest.mark.parametrize(
    ("given", "sent"), [(ANSWER, {"result": RESULT}), (FAILED, {"error": FAILED["error"]})]
)
@pytest.mark.parametrize("how", [Play.resumes, Play.ticks])
def test_an_answer_that_cannot_be_judged_yet_is_held_and_then_sent_whole(
    given: JsonObject, sent: JsonObject, how: Callable[[Play], Play]
) -> None:
    stage = Asking()
    session = answering(stage).server(given).quiet().unrecorded()
    assert session.session.waiting
    assert session.session.holding
    how(session).quiet()
    stage.answer = ALLOW
    how(session).sends_host({"id": 1, **sent}).idle()
    session.resumes().quiet()
    assert not session.session.waiting


@pytest.mark.guarantee("scan:large-beside")
def test_an_answer_that_waited_may_be_denied() -> None:
    stage = Asking()
    session = answering(stage).server(ANSWER).quiet()
    stage.answer = NO
    session.resumes().recorded(decision="deny", reason="approval")
    assert "only its result was withheld" in str(session.sends)
    assert [(each.name, each.level) for each in session.events] == [("result.withheld", "warning")]


@pytest.mark.guarantee("scan:large-beside")
def test_an_answer_nobody_decides_in_time_is_withheld() -> None:
    session = answering(Asking()).server(ANSWER).ticks(MAX_WAIT).quiet().unrecorded()
    session.ticks(0.25).sends_host(blocked(1, WITHHELD)).quiet().idle()
    assert session.records == [
        {
            "direction": "server>host",
            "method": "tools/call",
            "target": "free",
            "decision": "deny",
            "stage": "trust",
            "rule": "trust.stage_timeout",
            "reason": "stage_timeout",
            "detail": "nobody decided in time",
        }
    ]


def test_an_answer_that_waited_and_was_given_is_not_given_again_at_a_defect() -> None:
    stage = Asking()
    session = answering(stage).server(ANSWER)
    stage.answer = ALLOW
    session.resumes().sends_host({"id": 1, "result": RESULT}).forget()
    session.session.crash("why", session.now, session.session.take())
    session.resumes().quiet().idle()
    assert session.records == [{"event": "session.crashed", "detail": "why"}]


def ended(reason: str, detail: str) -> JsonObject:
    """The record of an answer that nobody is given."""
    return {
        "direction": "server>host",
        "method": "tools/call",
        "target": "free",
        "decision": "deny",
        "stage": "wire",
        "rule": f"wire.{reason}",
        "reason": reason,
        "detail": detail,
    }


def test_an_answer_that_waits_is_ended_with_the_session() -> None:
    session = answering(Asking()).server(ANSWER).quiet()
    session.session.kill("drill", 77, session.now)
    assert not session.session.waiting
    text = (
        "Blocked by mcpguard [wire.killed]: the session was ended by its operator. Do not retry. "
        "The request had been sent to the server; what became of it is not known."
    )
    session.ticks().sends_host(refused(1, -31001, text)).quiet().idle()
    killed: JsonObject = {"event": "session.killed", "detail": "drill"}
    assert session.records == [killed, ended("killed", "drill")]


@pytest.mark.guarantee("scan:large-beside")
def test_a_server_that_ends_after_its_answer_has_answered() -> None:
    stage = Asking()

    def settle() -> None:
        stage.answer = ALLOW

    session = answering(stage, settle).server(ANSWER).quiet()
    session.closes(Side.SERVER).sends_host({"id": 1, "result": RESULT})


def test_an_answer_that_waits_when_the_server_ends_is_refused_if_nobody_decides() -> None:
    session = answering(Asking()).server(ANSWER).quiet().closes(Side.SERVER)
    session.sends_host(refused(1, -32603, "mcpguard: the server ended before it answered."))
    assert session.quiet().idle().records == [ended("server_gone", "the server ended")]


def test_an_end_of_the_server_answers_what_waits() -> None:
    stage = Asking()
    session = asking(stage).host(call(1)).closes(Side.SERVER)
    session.sends_host(refused(1, -32603, "mcpguard: the server ended before it answered."))
    stage.answer = ALLOW
    session.resumes().quiet().idle()


def test_a_host_that_asked_for_progress_is_told_every_ten_seconds_what_is_waited_for() -> None:
    session = asking(Asking()).host(call(1, _meta={"progressToken": "p"}), call(2))
    for number in (1, 2):
        session.ticks(9.75).quiet()
        session.ticks(0.25).sends_host(
            {
                "method": "notifications/progress",
                "params": {
                    "progressToken": "p",
                    "progress": number * 0.001,
                    "message": f"mcpguard: {PERSON.detail}",
                },
            }
        ).quiet()


def test_a_continued_request_that_waited_is_still_held_to_what_the_server_asked() -> None:
    stage = Asking()
    session = asking(stage)
    session.host(call(1, requestState="forged", _meta=ENVELOPE))
    stage.answer = ALLOW
    session.resumes().recorded(decision="deny", reason="unknown_state")


Step = Callable[[Play, Asking], object]
STEPS: dict[str, Step] = {
    "call": lambda s, _: s.host(call(s.ids.next)),
    "cancel": lambda s, _: s.host(
        {"method": "notifications/cancelled", "params": {"requestId": s.ids.next - 1}}
    ),
    "wait": lambda _, stage: setattr(stage, "answer", PERSON),
    "yes": lambda _, stage: setattr(stage, "answer", ALLOW),
    "no": lambda _, stage: setattr(stage, "answer", NO),
    "resume": lambda s, _: s.resumes(),
    "tick": lambda s, _: s.ticks(40.0),
}


def ids(session: Play, side: Side) -> list[Json]:
    """The ids of what was sent to `side`, notifications apart. A call's two ids are alike here."""
    return [each["id"] for each in map(orjson.loads, session.sends[side]) if "id" in each]


@pytest.mark.guarantee("proxy:waiting-never-runs")
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=25))
def test_whatever_happens_while_it_waits_a_call_is_sent_or_answered_or_cancelled_once(
    steps: list[str],
) -> None:
    stage = Asking()
    session = asking(stage)
    first, cancelled = session.ids.next, set[Json]()
    for step in steps:
        before = set(session.session.held_calls)
        STEPS[step](session, stage)
        cancelled |= before - set(session.session.held_calls) if step == "cancel" else set()
    stage.answer = NO
    session.resumes()
    ended = [*ids(session, Side.SERVER), *ids(session, Side.HOST), *cancelled]
    assert sorted(map(str, ended)) == [str(each) for each in range(first, session.ids.next)]


def test_what_waits_when_nobody_has_shaken_hands_is_refused_first() -> None:
    session = play(LOCK, decide=usual(LOCK, trust=Asking())).host(call(1))
    session.recorded(decision="deny", reason="handshake")


@pytest.mark.guarantee("proxy:waiting-never-runs")
def test_nothing_is_asked_of_the_server_until_the_stages_can_judge() -> None:
    known = [False]
    session = play(LOCK, ready=lambda: known[0]).initialize()
    session.host(call(1), {"id": 2, "method": "tools/list"}, call(3)).quiet().unrecorded()
    session.resumes().ticks(5.0).quiet()
    session.host({"id": 4, "method": "ping"}).sends_server({"id": wire(4), "method": "ping"})
    known[0] = True
    assert session.session.holding
    sent = [orjson.loads(each)["method"] for each in session.resumes().sends[Side.SERVER]]
    assert {each.partition("/")[2] for each in sent} == {"list", "templates/list"}
    assert not session.session.holding


@pytest.mark.guarantee("proxy:waiting-never-runs")
def test_the_lists_are_asked_for_once_the_stages_can_judge_though_nothing_waits_for_them() -> None:
    known = [False]
    session = play(LOCK, ready=lambda: known[0]).initialize().quiet()
    known[0] = True
    sent = [orjson.loads(each)["method"] for each in session.resumes().sends[Side.SERVER]]
    assert {each.partition("/")[2] for each in sent} == {"list", "templates/list"}


@pytest.mark.guarantee("proxy:waiting-never-runs")
def test_what_needs_no_lists_goes_on_once_the_stages_can_judge() -> None:
    known = [False]
    session = play(LOCK, ready=lambda: known[0]).initialize()
    session.host({"id": 2, "method": "logging/setLevel", "params": {"level": "info"}}).quiet()
    known[0] = True
    sent = [orjson.loads(each)["method"] for each in session.resumes().sends[Side.SERVER]]
    assert "logging/setLevel" in sent
