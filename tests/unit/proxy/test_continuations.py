"""2026-07-28: what a call interrupted by questions carries, and what its retry must name."""

from base64 import b64encode

import orjson
import pytest

from mcpguard.model import (
    Answer,
    Context,
    Decision,
    Era,
    ItemKind,
    Json,
    JsonObject,
    Mode,
    RequestKind,
    ServerRequest,
    Side,
    Subject,
    Wait,
)
from mcpguard.pipeline.scan import ScanStage
from mcpguard.pipeline.terms import Response, ScanPolicy
from mcpguard.proxy import from_server
from mcpguard.wire.methods import RELATED_TASK, SUBSCRIPTION_ID
from tests.unit.proxy.play import (
    ALL,
    ELICIT,
    ENVELOPE,
    SURFACE,
    TOOLS,
    call,
    called,
    judging,
    locked,
    modern,
    opened,
    usual,
    wire,
)

ELICITED: JsonObject = {"method": "elicitation/create", "params": ELICIT}
ASKED: JsonObject = {"name": ELICITED}
ROOTS: JsonObject = {"method": "roots/list"}
TOKEN = "ghp_" + "aB3dE5fG7hJ9" * 3


def interrupted(**more: Json) -> JsonObject:
    return {"resultType": "input_required", "inputRequests": ASKED, "requestState": "s", **more}


def enveloped(given: int | str) -> JsonObject:
    params = called("free", _meta=ENVELOPE)
    return {"id": given, "method": "tools/call", "params": params}


@pytest.mark.guarantee("tasks:ids-translated")
def test_an_interruption_names_no_task_and_no_subscription_as_the_server_does() -> None:
    session = opened(ALL).host(enveloped(1)).forget()
    meta: JsonObject = {RELATED_TASK: {"taskId": "srv-1"}, SUBSCRIPTION_ID: 5, "x": 1}
    session.server({"id": wire(0), "result": interrupted(_meta=meta)})
    shown: JsonObject = {"x": 1, SUBSCRIPTION_ID: 1}
    session.sends_host({"id": 1, "result": interrupted(_meta=shown)}).quiet()


@pytest.mark.guarantee("requests:input-required")
def test_the_parameters_of_a_question_in_a_result_are_what_is_judged() -> None:
    judged: list[JsonObject] = []
    pipeline = usual(ALL)

    def decide(subject: Subject, ctx: Context) -> Decision | Wait:
        if isinstance(subject, ServerRequest):
            judged.append(subject.params)
        return pipeline(subject, ctx)

    session = opened(ALL, decide=decide).host(enveloped(1))
    session.server({"id": wire(0), "result": interrupted()})
    assert judged == [ELICIT]


QUESTIONS: dict[str, tuple[Json, Json]] = {
    "members of no question": (
        {**ELICITED, "METHOD": "sampling/createMessage", "note": "x"},
        ELICITED,
    ),
    "parameters that it does not have": (
        {**ELICITED, "params": {**ELICIT, "task": {"ttl": 1}, "extra": "x"}},
        ELICITED,
    ),
    "parameters that are none": ({"method": "roots/list", "params": "x"}, {**ROOTS, "params": {}}),
    "no parameters": (ROOTS, ROOTS),
    "the server's names": (
        {
            **ROOTS,
            "params": {
                "_meta": {
                    "progressToken": 5,
                    SUBSCRIPTION_ID: 6,
                    RELATED_TASK: {"taskId": "srv-1"},
                    "x": 1,
                }
            },
        },
        {**ROOTS, "params": {"_meta": {"x": 1}}},
    ),
}


@pytest.mark.guarantee("requests:questions-as-judged")
@pytest.mark.parametrize(("given", "passed"), QUESTIONS.values(), ids=QUESTIONS)
def test_the_host_is_asked_what_was_judged_and_nothing_else(given: Json, passed: Json) -> None:
    session = opened(ALL).host(enveloped(1)).forget()
    session.server({"id": wire(0), "result": interrupted(inputRequests={"a": given})})
    session.sends_host({"id": 1, "result": interrupted(inputRequests={"a": passed})}).quiet()


@pytest.mark.guarantee("requests:questions-as-judged")
def test_what_is_taken_out_of_a_question_is_not_in_what_the_host_is_asked() -> None:
    stage = ScanStage(ScanPolicy(secrets=Response.REDACT), ALL)
    session = opened(ALL, decide=usual(ALL, scan=stage)).host(enveloped(1)).forget()
    session.server({"id": wire(0), "result": interrupted(inputRequests={"a": sampled(TOKEN)})})
    kept = interrupted(inputRequests={"a": sampled("[mcpguard:github-token]")})
    session.sends_host({"id": 1, "result": kept}).quiet()


def sampled(said: str) -> JsonObject:
    """A question about a text that comes as base64."""
    resource: JsonObject = {
        "uri": "file:///x",
        "mimeType": "text/plain",
        "blob": b64encode(f"key {said} end".encode()).decode(),
    }
    content: JsonObject = {"type": "resource", "resource": resource}
    params: JsonObject = {"messages": [{"role": "user", "content": content}], "maxTokens": 1}
    return {"method": "sampling/createMessage", "params": params}


@pytest.mark.guarantee("requests:input-required")
def test_audit_only_passes_a_question_of_an_unknown_kind_as_it_is() -> None:
    asked: JsonObject = {"a": {"method": "x/y", "params": {"z": 1}, "more": 1}, "b": 5}
    session = opened(ALL, mode=Mode.AUDIT_ONLY).host(enveloped(1)).forget()
    session.server({"id": wire(0), "result": interrupted(inputRequests=asked)})
    session.sends_host({"id": 1, "result": interrupted(inputRequests=asked)}).quiet()


@pytest.mark.guarantee("requests:input-required")
@pytest.mark.parametrize(
    ("method", "params"),
    [
        (
            "completion/complete",
            {
                "ref": {"type": "ref/prompt", "name": "greet"},
                "argument": {"name": "who", "value": "x"},
            },
        ),
        ("server/discover", {}),
        ("subscriptions/listen", {"notifications": {}}),
    ],
)
def test_a_request_that_takes_no_answers_is_not_interrupted(
    method: str, params: JsonObject
) -> None:
    session = modern(locked(requests=list(RequestKind), era=Era.DUAL)).forget()
    session.host({"id": 1, "method": method, "params": {**params, "_meta": ENVELOPE}})
    (sent,) = session.sends[Side.SERVER]
    session.server({"id": orjson.loads(sent)["id"], "result": interrupted()})
    session.recorded(decision="deny", reason="unknown_result_type", method=method)
    (told,) = session.sends[Side.HOST]
    assert b"inputRequests" not in told


@pytest.mark.guarantee("requests:continuations-bound")
@pytest.mark.parametrize(
    ("method", "key", "interrupted_name", "other"),
    [
        ("tools/call", "name", "free", "open"),
        ("prompts/get", "name", "greet", "bow"),
        ("resources/read", "uri", "file:///notes", "log:///monday"),
    ],
)
def test_a_retry_must_name_what_was_interrupted(
    method: str, key: str, interrupted_name: str, other: str
) -> None:
    live: dict[ItemKind, dict[str, JsonObject]] = {
        kind: dict(items) for kind, items in SURFACE.items()
    }
    live[ItemKind.TOOL]["open"] = {**TOOLS["free"], "name": "open"}
    live[ItemKind.PROMPT]["bow"] = {"name": "bow"}
    session = modern(locked(live, requests=list(RequestKind), era=Era.DUAL), live=live)

    def request(given: int, name: str, **more: Json) -> JsonObject:
        return {"id": given, "method": method, "params": {key: name, **more, "_meta": ENVELOPE}}

    session.host(request(1, interrupted_name)).forget()
    session.server({"id": wire(0), "result": interrupted()}).forget()
    answers: JsonObject = {"inputResponses": {}, "requestState": "s"}
    session.host(request(2, other, **answers)).recorded(decision="deny", reason="unknown_state")
    assert session.sends[Side.SERVER] == []
    session.forget().host(request(3, interrupted_name, **answers))
    session.sends_server(request(wire(2), interrupted_name, **answers)).quiet()


@pytest.mark.guarantee("requests:input-required")
def test_a_complete_result_carries_no_questions() -> None:
    result: JsonObject = {"content": [], "inputRequests": ASKED, "requestState": "s", "x": 1}
    session = opened(ALL).host(call(1)).forget().server({"id": wire(0), "result": result})
    session.sends_host({"id": 1, "result": {"content": [], "x": 1}}).quiet()


def elicited(number: int) -> JsonObject:
    return {
        "method": "notifications/elicitation/complete",
        "params": {"elicitationId": f"e{number}"},
    }


@pytest.mark.guarantee("requests:input-required")
def test_the_end_of_a_thousand_elicitations_is_passed_on_and_of_no_more() -> None:
    asked: list[Json] = [
        {"mode": "url", "elicitationId": f"e{number}", "url": "https://x/", "message": "m"}
        for number in range(from_server.MAX_ELICITATIONS + 1)
    ]
    error: JsonObject = {"code": -32042, "message": "m", "data": {"elicitations": asked}}
    session = opened(ALL).host(call(1)).server({"id": wire(0), "error": error}).forget()
    session.server(elicited(from_server.MAX_ELICITATIONS)).drops("unknown_id").forget()
    last = elicited(from_server.MAX_ELICITATIONS - 1)
    session.server(last).sends_host(last).quiet()


@pytest.mark.guarantee("requests:answers-judged")
def test_every_answer_inside_a_repeated_request_is_judged_as_it_is() -> None:
    judged: list[Subject] = []
    asked: JsonObject = {**ASKED, "roots": {"method": "roots/list"}}
    session = opened(ALL, decide=judging(Answer, judged)).host(enveloped(1))
    session.server({"id": wire(0), "result": {**interrupted(), "inputRequests": asked}})
    answers: JsonObject = {"name": {"action": "accept"}, "roots": 5}
    params = called("free", inputResponses=answers, requestState="s", _meta=ENVELOPE)
    session.host({"id": 2, "method": "tools/call", "params": params})
    assert judged == [
        Answer("tools/call", {"action": "accept"}),
        Answer("tools/call", {"value": 5}),
    ]
