"""Before 2026-07-28: a host's user is asked in mcpguard's own request, while the call waits."""

from collections.abc import Callable
from typing import Any

import pytest

from mcpguard.approval.asking import Asking
from mcpguard.approval.queue import Queue
from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import Json, JsonObject, RequestKind, Side, Wait
from mcpguard.pipeline.gateway import GatewayStage
from mcpguard.pipeline.terms import GatewayPolicy
from mcpguard.proxy.core import MAX_WAIT
from tests.unit.proxy.play import (
    LOCK,
    Play,
    blocked,
    call,
    locked,
    opened,
    play,
    refused,
    usual,
    wire,
)

ALL = locked(requests=list(RequestKind))
ABLE: JsonObject = {"elicitation": {}}
SAY: JsonObject = {"text": "hello"}
ECHO = call(1, "echo", SAY)
YES: JsonObject = {"action": "accept", "content": {"allow": True}}
ROOTS: JsonObject = {"id": "s", "method": "roots/list"}
METHOD = "elicitation/create"

REFUSED = (
    "Blocked by mcpguard [gateway.approval]: a person refused exactly this call of the tool echo. "
    "Do not retry; ask the operator to allow it."
)


def question(number: int) -> JsonObject:
    """What the host is sent, under the id that is drawn at `number`."""
    params: JsonObject = {
        "message": "mcpguard: allow this one call of the tool echo?",
        "requestedSchema": {
            "type": "object",
            "properties": {"allow": {"type": "boolean", "title": "Allow this one call"}},
            "required": ["allow"],
        },
    }
    return {"id": wire(number), "method": METHOD, "params": params}


def taken_back(number: int, why: str) -> JsonObject:
    params: JsonObject = {"requestId": wire(number), "reason": f"mcpguard: {why}"}
    return {"method": "notifications/cancelled", "params": params}


def noted(direction: str, detail: str) -> JsonObject:
    """The record of a question or of its answer."""
    return {
        "direction": direction,
        "method": METHOD,
        "target": "echo",
        "decision": "note",
        "stage": "wire",
        "rule": "wire.ok",
        "reason": "ok",
        "detail": detail,
    }


ASKED, SAID_YES, SAID_NO = (
    noted("server>host", "mcpguard asks the host's user"),
    noted("host>server", "yes"),
    noted("host>server", "no"),
)


def asking(
    able: Json = ABLE,
    low_risk: str = "echo",
    lock: Lockfile = LOCK,
    **given: Any,  # noqa: ANN401 - fields of SessionSettings
) -> Play:
    """A session in which `echo` needs approval, and no approver has a key."""
    numbers = iter(range(10_000))
    queue = Queue("s", lambda *_: "", lambda size: next(numbers).to_bytes(size, "big"))
    whom = Asking(queue, lock="", low_risk=lambda tool: tool == low_risk, retry=600)
    stage = GatewayStage(GatewayPolicy(approve=("echo",)), lock, approve=whom.of("gateway"))
    return opened(lock, decide=usual(lock, gateway=stage), able=able, **given)


@pytest.mark.guarantee("proxy:waiting-never-runs")
def test_a_yes_of_the_hosts_user_lets_the_call_go_which_waits_for_it() -> None:
    session = asking().host(ECHO).sends_host(question(1)).quiet()
    asked, held = session.records
    assert asked == ASKED
    detail = (
        "the tool echo waits for the approval of a person, ticket 000000: "
        "mcpguard approve show 000000"
    )
    assert held == {
        "direction": "host>server",
        "method": "tools/call",
        "target": "echo",
        "decision": "hold",
        "stage": "gateway",
        "rule": "gateway.approval",
        "reason": "waiting",
        "detail": detail,
    }
    assert session.events == []  # people are told when the store has no yes for it
    session.forget().host({"id": wire(1), "result": YES})
    session.sends_server({**ECHO, "id": wire(0)}).quiet()
    said, went = session.records
    assert said == SAID_YES
    assert (went["decision"], went["target"]) == ("allow", "echo")
    session.server({"id": wire(0), "result": {"content": []}})
    session.sends_host({"id": 1, "result": {"content": []}}).quiet().idle()


NOES: list[JsonObject] = [
    {"result": {"action": "decline"}},
    {"result": {"action": "cancel"}},
    {"result": {"action": "accept"}},
    {"result": {"action": "accept", "content": {"allow": False}}},
    {"result": {"action": "accept", "content": {"allow": "true"}}},
    {"result": {"action": "accept", "content": {"allow": 1}}},
    {"result": {"action": "accept", "content": [True]}},
    {"result": {"action": "decline", "content": {"allow": True}}},
    {"result": {"content": {"allow": True}}},
    {"result": {}},
    {"error": {"code": -32601, "message": "Method not found"}},
]


@pytest.mark.guarantee("proxy:waiting-never-runs")
@pytest.mark.parametrize("answer", NOES)
def test_whatever_else_the_hosts_user_says_refuses_it(answer: JsonObject) -> None:
    session = asking().host(ECHO).forget().host({"id": wire(1), **answer})
    session.sends_host(blocked(1, REFUSED)).quiet().idle()
    said, denied = session.records
    assert said == SAID_NO
    assert (denied["decision"], denied["rule"]) == ("deny", "gateway.approval")


@pytest.mark.guarantee("proxy:waiting-never-runs")
def test_an_answer_is_about_the_call_that_was_asked_about_and_no_other() -> None:
    second = call(2, "echo", {"text": "bye"})
    session = asking().host(ECHO, second).sends_host(question(1), question(3)).forget()
    session.host({"id": wire(3), "result": YES}).sends_server({**second, "id": wire(2)}).quiet()
    assert list(session.session.held_calls) == [wire(0)]
    session.host({"id": wire(1), "result": {"action": "decline"}})
    session.sends_host(blocked(1, REFUSED)).quiet()
    session.host(call(3, "echo", {"text": "more"})).sends_host(question(5)).quiet()


@pytest.mark.guarantee("proxy:waiting-never-runs")
def test_an_answer_counts_once() -> None:
    session = asking().host(ECHO).host({"id": wire(1), "result": YES}).forget()
    session.host({"id": wire(1), "result": YES}).drops("unknown_id")


UNABLE: list[Json] = [{}, {"sampling": {}}, {"elicitation": True}, {"elicitation": None}, None, []]


@pytest.mark.parametrize("able", UNABLE)
def test_a_host_whose_user_cannot_be_asked_is_not(able: Json) -> None:
    session = asking(able).host(ECHO).quiet()
    assert list(session.session.held_calls) == [wire(0)]  # it waits for an approver


def test_nor_is_one_about_a_tool_that_is_not_low_risk() -> None:
    session = asking(low_risk="free").host(ECHO).quiet()
    assert list(session.session.held_calls) == [wire(0)]


def test_nor_is_one_that_never_said_what_it_can_do() -> None:
    wait = Wait("gateway", "k", "it waits", "allow it?")
    session = play(None, decide=lambda *_: wait).host(ECHO).quiet()
    assert list(session.session.held_calls) == [wire(0)]


CANCEL: JsonObject = {"method": "notifications/cancelled", "params": {"requestId": 1}}
EXPIRED = (
    "Blocked by mcpguard [gateway.stage_timeout]: nobody decided in time. "
    "Find out more with: mcpguard check."
)
GONE = "mcpguard: the server ended before it answered."
KILLED = (
    "Blocked by mcpguard [wire.killed]: the session was ended by its operator. Do not retry."
    " Nothing was run."
)

ENDS: dict[str, tuple[Callable[[Play], object], list[JsonObject]]] = {
    "taken back by the host": (lambda session: session.host(CANCEL), []),
    "waited for too long": (
        lambda session: session.ticks(MAX_WAIT + 1),
        [blocked(1, EXPIRED)],
    ),
    "the server ended": (
        lambda session: session.closes(Side.SERVER),
        [refused(1, -32603, GONE)],
    ),
    "killed": (
        lambda session: session.then(lambda one: one.session.kill("why", 1, one.now)).resumes(),
        [refused(1, -31001, KILLED)],
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_question_about_a_call_that_ended_is_taken_back(name: str) -> None:
    end, answers = ENDS[name]
    session = asking().host(ECHO).forget()
    end(session)
    session.sends_host(taken_back(1, "it is decided"), *answers).quiet().idle()
    session.forget().host({"id": wire(1), "result": YES}).drops("unknown_id")


def test_a_question_nobody_answers_ends_and_its_call_waits_on_for_an_approver() -> None:
    session = asking(timeout=20.0).host(ECHO).forget().ticks(19.0).quiet()
    session.ticks(1.0).sends_host(taken_back(1, "no answer in time")).quiet()
    (record,) = session.records
    assert (record["direction"], record["method"]) == ("host>server", METHOD)
    assert (record["decision"], record["reason"]) == ("deny", "timeout")
    assert list(session.session.held_calls) == [wire(0)]
    session.resumes().quiet()  # nobody is asked twice about one call


def test_a_question_that_cannot_be_opened_is_recorded_and_its_call_waits_for_an_approver() -> None:
    session = asking(lock=ALL, max_pending=4)
    session.server(*({**ROOTS, "id": number} for number in range(4))).forget().host(ECHO).quiet()
    text = "4 requests are in flight; wait for an answer"
    assert session.records[0] == {
        **ASKED,
        "decision": "deny",
        "rule": "wire.saturated",
        "reason": "saturated",
        "detail": text,
    }
    assert list(session.session.held_calls) == [wire(4)]
