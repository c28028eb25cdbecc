"""A defect of mcpguard ends the session: every open request is answered, and nothing goes on."""

import orjson
import pytest

from mcpguard.model import (
    Context,
    Decision,
    Json,
    JsonObject,
    Mode,
    RequestKind,
    Side,
    Subject,
    Wait,
)
from mcpguard.pipeline import Decide
from tests.unit.proxy.play import (
    Play,
    call,
    feed_host,
    feed_server,
    locked,
    opened,
    refused,
    usual,
    wire,
)

WHY = "mcpguard itself failed: ValueError at core.py:1"
TEXT = "mcpguard itself failed, and its session has ended: its log says how. Start it again."
NOT_RUN = TEXT + " Nothing was run."
SENT = TEXT + " The request had been sent to the server; what became of it is not known."
ALL = locked(requests=list(RequestKind))
ROOTS: JsonObject = {"id": "s", "method": "roots/list"}
RESULT: JsonObject = {"content": []}


class DefectError(Exception):
    """What the pipeline below runs into."""


def defective(kind: str) -> Decide:
    """The usual pipeline, which fails over subjects of one kind that are about `free`."""
    pipeline = usual(ALL)

    def decide(subject: Subject, ctx: Context) -> Decision | Wait:
        if subject.kind == kind and getattr(subject, "target", "") == "free":
            raise DefectError
        return pipeline(subject, ctx)

    return decide


def encoded(message: JsonObject) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", **message})


def crashed(session: Play) -> Play:
    """As the engine does it: what was being decided is thrown away."""
    session.session.crash(WHY, session.now, session.session.take())
    return session.resumes()


def unwritten(session: Play) -> Play:
    """As the engine does it when the defect is met over the records of what was decided."""
    lost = session.session.take()
    session.session.crash(WHY, session.now, lost)
    return session.resumes()


def denied(method: str = "tools/call") -> JsonObject:
    return {
        "direction": "host>server",
        "method": method,
        "target": "free",
        "decision": "deny",
        "stage": "wire",
        "rule": "wire.crashed",
        "reason": "crashed",
        "detail": WHY,
    }


ENDED: JsonObject = {"event": "session.crashed", "detail": WHY}
GAP: JsonObject = {"event": "audit.gap", "withheld": 1, "detail": WHY}
WITHHELD = TEXT + " The request was executed and its result withheld; do not retry."


@pytest.mark.parametrize("mode", Mode)
def test_every_request_in_flight_is_denied_and_recorded(mode: Mode) -> None:
    session = crashed(opened(mode=mode).host(call(7), call("8", _meta={})).forget())
    session.sends_host(refused(7, -32603, SENT), refused("8", -32603, SENT)).quiet().idle()
    assert session.records == [ENDED, denied(), denied()]
    assert session.stop is None  # the engine's part


@pytest.mark.parametrize("more", [{}, {"_meta": {}}], ids=["the-short-way", "the-long-way"])
def test_the_call_that_was_being_judged_is_told_that_it_never_ran(more: JsonObject) -> None:
    session = opened(ALL, decide=defective("call")).forget()
    with pytest.raises(DefectError):
        session.host(call(7, "free", {}, **more))
    crashed(session).sends_host(refused(7, -32603, NOT_RUN)).quiet().idle()
    assert session.records == [ENDED, denied()]


@pytest.mark.parametrize("more", [{}, {"_meta": {}}], ids=["the-short-way", "the-long-way"])
def test_the_call_whose_answer_was_being_judged_is_told_that_it_was_sent(more: JsonObject) -> None:
    session = opened(ALL, decide=defective("result")).host(call(7, "free", {}, **more)).forget()
    with pytest.raises(DefectError):
        session.server({"id": wire(0), "result": RESULT})
    crashed(session).sends_host(refused(7, -32603, SENT)).quiet().idle()
    assert session.records == [ENDED, {**denied(), "direction": "server>host"}]
    session.forget().server({"id": wire(0), "result": RESULT}).drops("unknown_id")


def test_the_end_of_the_server_ends_no_answer_twice() -> None:
    session = opened(ALL, decide=defective("result")).host(call(7, "free", {})).forget()
    with pytest.raises(DefectError):
        session.server({"id": wire(0), "result": RESULT})
    crashed(session).sends_host(refused(7, -32603, SENT)).forget()
    session.closes(Side.SERVER).quiet().unrecorded()


def test_an_answer_that_was_given_is_not_given_again() -> None:
    session = opened().host(call(7)).server({"id": wire(0), "result": RESULT}).forget()
    crashed(session).quiet().idle()
    assert session.records == [ENDED]


def test_what_the_server_asked_for_is_called_off_and_not_answered() -> None:
    params: Json = {"requestId": wire(0), "reason": "mcpguard: the session was ended"}
    session = crashed(opened(ALL).server(ROOTS).forget())
    session.sends_host({"method": "notifications/cancelled", "params": params}).quiet().idle()


def test_what_the_server_asked_for_and_nobody_heard_is_not_called_off() -> None:
    session = opened(ALL).forget()
    feed_server(session.session, encoded(ROOTS), session.now)
    crashed(session).quiet().idle()
    assert session.records == [GAP, ENDED]


def test_whoever_is_denied_in_a_turn_that_fails_later_hears_of_it_once() -> None:
    session = opened(ALL, decide=defective("call")).forget()
    feed_host(session.session, encoded(call(7, "exec")), session.now)
    with pytest.raises(DefectError):
        feed_host(session.session, encoded(call(8, "free", {})), session.now)
    crashed(session).sends_host(refused(7, -32602, "Unknown tool: exec"))
    session.sends_host(refused(8, -32603, NOT_RUN)).quiet().idle()


def test_whoever_asks_afterwards_is_told_why() -> None:
    session = crashed(opened()).forget().host(call(7))
    session.sends_host(refused(7, -32603, NOT_RUN)).quiet().idle()
    assert session.records == [denied()]


def test_a_call_that_was_decided_and_not_recorded_never_ran() -> None:
    session = opened().forget()
    feed_host(session.session, encoded(call(7, "free", {})), session.now)
    unwritten(session).sends_host(refused(7, -32603, NOT_RUN)).quiet().idle()
    assert session.records == [GAP, ENDED, denied()]


@pytest.mark.parametrize("more", [{}, {"_meta": {}}], ids=["the-short-way", "the-long-way"])
def test_a_result_that_was_decided_and_not_recorded_is_withheld(more: JsonObject) -> None:
    session = opened().host(call(7, "free", {}, **more)).forget()
    feed_server(session.session, encoded({"id": wire(0), "result": RESULT}), session.now)
    unwritten(session).sends_host(refused(7, -32603, WITHHELD)).quiet().idle()
    assert session.records == [GAP, ENDED, {**denied(), "direction": "server>host"}]


@pytest.mark.parametrize("error", [False, True])
def test_a_result_that_was_sent_is_not_withheld_for_a_later_defect(error: bool) -> None:
    result: JsonObject = {**RESULT, "isError": error}
    session = opened().host(call(7, "free", {})).server({"id": wire(0), "result": result})
    crashed(session.forget()).quiet().idle()


def test_what_was_said_to_people_before_the_defect_is_still_said() -> None:
    session = opened().forget()
    feed_host(session.session, encoded(call(7, "exec")), session.now)
    unwritten(session).sends_host(refused(7, -32602, "Unknown tool: exec")).quiet().idle()
    session.told("call.denied", target="exec")
