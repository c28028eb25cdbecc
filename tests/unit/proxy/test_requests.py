"""What the server asks of the host, and what the host answers."""

from collections.abc import Callable

import orjson
import pytest

from mcpguard.model import Json, JsonObject, Mode, RequestKind, Side
from mcpguard.wire import exact
from mcpguard.wire.methods import CLIENT_CAPABILITIES, RELATED_TASK, SUBSCRIPTION_ID
from tests.unit.proxy.play import (
    ELICIT,
    ENVELOPE,
    LOCK,
    MODERN,
    SAMPLE,
    Play,
    blocked,
    call,
    called,
    line,
    locked,
    modern,
    opened,
    refused,
    wire,
)

KINDS: dict[str, tuple[RequestKind, JsonObject]] = {
    "roots/list": (RequestKind.ROOTS, {}),
    "sampling/createMessage": (RequestKind.SAMPLING, SAMPLE),
    "elicitation/create": (RequestKind.ELICITATION, ELICIT),
}
ALL = locked(requests=list(RequestKind))


def ask(given: int | str, method: str, params: JsonObject) -> JsonObject:
    return {"id": given, "method": method, **({"params": params} if params else {})}


@pytest.mark.guarantee("requests:denied-unless-locked")
@pytest.mark.parametrize("method", KINDS)
def test_a_server_request_that_is_not_allowed_looks_unsupported(method: str) -> None:
    others = [kind for name, (kind, _) in KINDS.items() if name != method]
    for lock in (LOCK, locked(requests=others)):
        session = opened(lock).server(ask("s", method, KINDS[method][1]))
        session.sends_server(refused("s", -32601, "Method not found")).quiet().idle()
        session.recorded(decision="deny", reason="request_kind", method=method)
        session.told("request.denied", method=method, rule="surface.request_kind")


@pytest.mark.guarantee("requests:allowed-translated")
@pytest.mark.parametrize("method", KINDS)
@pytest.mark.parametrize("given", [0, "a-server-id"])
def test_a_server_request_that_is_allowed_passes_and_its_answer_returns(
    method: str, given: int | str
) -> None:
    kind, params = KINDS[method]
    (
        opened(locked(requests=[kind]))
        .server(ask(given, method, params))
        .sends_host(ask(wire(0), method, params))
        .recorded(decision="allow", method=method, direction="server>host")
        .quiet()
        .host({"id": wire(0), "result": {"a": 1, "_meta": {"x": 1}}})
        .sends_server({"id": given, "result": {"a": 1, "_meta": {"x": 1}}})
        .recorded(decision="allow", method=method, direction="host>server")
        .quiet()
        .idle()
    )


@pytest.mark.guarantee("requests:allowed-translated")
@pytest.mark.parametrize(
    "error", [{"code": -1, "message": "no"}, {"code": 1, "message": "", "data": {"x": [1]}}]
)
def test_an_error_of_the_host_returns_to_the_server(error: JsonObject) -> None:
    (
        opened(ALL)
        .server(ask(3, "roots/list", {}))
        .forget()
        .host({"id": wire(0), "error": error})
        .sends_server({"id": 3, "error": error})
        .quiet()
        .idle()
    )


@pytest.mark.guarantee("requests:unknown-methods")
@pytest.mark.parametrize(
    "method", ["tools/call", "tools/list", "Ping", "roots/List", "no/such", "", "server/discover"]
)
def test_a_method_no_server_has_is_refused(method: str) -> None:
    (
        opened(ALL)
        .server({"id": "s", "method": method})
        .sends_server(refused("s", -32601, "Method not found"))
        .recorded(decision="deny", reason="unknown_method", method=method)
        .quiet()
    )


@pytest.mark.guarantee("requests:unknown-methods")
@pytest.mark.parametrize(
    "method", ["roots/list", "Tools/list", "tools/Call", "no/such", "", "tasks/update"]
)
def test_a_method_no_host_has_is_refused(method: str) -> None:
    (
        opened()
        .host({"id": 1, "method": method})
        .sends_host(refused(1, -32601, "Method not found"))
        .recorded(decision="deny", reason="unknown_method", method=method)
        .quiet()
    )


ELSEWHEN: list[tuple[str, JsonObject]] = [
    ("subscriptions/listen", {"notifications": {}}),
    ("ping", {"_meta": ENVELOPE}),
    ("logging/setLevel", {"level": "info", "_meta": ENVELOPE}),
    ("resources/subscribe", {"uri": "file:///notes", "_meta": ENVELOPE}),
    ("resources/unsubscribe", {"uri": "file:///notes", "_meta": ENVELOPE}),
    ("tasks/get", {"taskId": "t", "_meta": ENVELOPE}),
    ("tasks/result", {"taskId": "t", "_meta": ENVELOPE}),
    ("tasks/cancel", {"taskId": "t", "_meta": ENVELOPE}),
    ("tasks/list", {"_meta": ENVELOPE}),
]


@pytest.mark.guarantee("requests:era")
@pytest.mark.parametrize("begin", [opened, modern])
@pytest.mark.parametrize(("method", "params"), ELSEWHEN)
def test_a_method_of_the_other_era_is_refused(
    method: str, params: JsonObject, begin: Callable[[], Play]
) -> None:
    session = begin().host({"id": 1, "method": method, "params": params})
    session.sends_host(refused(1, -32601, "Method not found")).quiet().idle()
    session.recorded(decision="deny", reason="unknown_method", method=method)


@pytest.mark.guarantee("parse:envelope-rebuilt")
def test_unknown_parameters_and_tasks_do_not_reach_the_host() -> None:
    params: JsonObject = {**ELICIT, "task": {"ttl": 5}, "evil": 1, "Message": "x"}
    opened(ALL).server(ask(1, "elicitation/create", params)).sends_host(
        ask(wire(0), "elicitation/create", ELICIT)
    ).quiet()


@pytest.mark.parametrize("meta", [None, 5, [], {}, {"x": 1}])
def test_other_meta_passes_as_it_is(meta: Json) -> None:
    opened(ALL).server(ask(1, "roots/list", {"_meta": meta})).sends_host(
        ask(wire(0), "roots/list", {"_meta": meta})
    )


@pytest.mark.parametrize("mode", [Mode.FILTER_ONLY, Mode.AUDIT_ONLY])
def test_where_requests_are_not_blocked_they_are_recorded(mode: Mode) -> None:
    (
        opened(mode=mode)
        .server(ask(1, "roots/list", {}))
        .sends_host(ask(wire(0), "roots/list", {}))
        .recorded(decision="would_deny", reason="request_kind")
        .quiet()
    )


@pytest.mark.guarantee("parse:server-exact")
def test_numbers_and_surrogates_of_a_server_request_pass_exactly() -> None:
    params: JsonObject = {**SAMPLE, "metadata": {"big": 2**70, "half": "\ud800"}}
    asked = exact.dumps_exact({"jsonrpc": "2.0", **ask(1, "sampling/createMessage", params)})
    shown = exact.dumps_exact({"jsonrpc": "2.0", **ask(wire(0), "sampling/createMessage", params)})
    opened(ALL).server(asked).sends_host(shown).recorded(decision="note", reason="parser_fallback")


# 2026-07-28: questions inside results

INPUT: JsonObject = {
    "roots": {"method": "roots/list"},
    "name": {"method": "elicitation/create", "params": ELICIT},
}
REQUEST_KIND = (
    "Blocked by mcpguard [surface.request_kind]: the lockfile does not let this server ask for "
    "{kind}. Allow it with: mcpguard lock --update -o FILE --allow-request KIND."
)
RAN = " The tool ran; only its result was withheld."


def interrupted(asks: Json = None, state: Json = "opaque", **more: Json) -> JsonObject:
    result: JsonObject = {"resultType": "input_required", "inputRequests": asks or INPUT}
    return {**result, "requestState": state, **more}


def modern_blocked(given: int | str, sentence: str) -> JsonObject:
    content: list[Json] = [{"type": "text", "text": sentence}]
    return {"id": given, "result": {"content": content, "isError": True, "resultType": "complete"}}


def asking(requests: list[RequestKind], mode: Mode = Mode.ENFORCE) -> Play:
    """A modern session whose host called `free`; the server is asked under `wire(0)`."""
    lock = locked(requests=requests, era=MODERN.server.era)
    return modern(lock, mode).host(first()).forget()


def first(given: int | str = 1, **more: Json) -> JsonObject:
    return {
        "id": given,
        "method": "tools/call",
        "params": {**called("free", {"a": 1}), **more, "_meta": ENVELOPE},
    }


BOTH = [RequestKind.ROOTS, RequestKind.ELICITATION]


@pytest.mark.guarantee("requests:input-required")
def test_questions_in_a_result_pass_when_every_kind_is_allowed() -> None:
    (
        asking(BOTH)
        .server({"id": wire(0), "result": interrupted(extra=1, _meta={"x": 1})})
        .sends_host({"id": 1, "result": interrupted(_meta={"x": 1})})
        .quiet()
        .host(first(2, inputResponses={"roots": {"roots": []}}, requestState="opaque"))
        .sends_server(
            first(wire(1), inputResponses={"roots": {"roots": []}}, requestState="opaque")
        )
        .quiet()
        .server({"id": wire(1), "result": {"resultType": "complete", "content": []}})
        .sends_host({"id": 2, "result": {"resultType": "complete", "content": []}})
        .idle()
    )


@pytest.mark.guarantee("requests:input-required")
@pytest.mark.parametrize(("allowed", "kind"), [([RequestKind.ROOTS], "elicitation"), ([], "roots")])
def test_a_question_that_is_not_allowed_withholds_the_result(
    allowed: list[RequestKind], kind: str
) -> None:
    session = asking(allowed).server({"id": wire(0), "result": interrupted()})
    session.sends_host(modern_blocked(1, REQUEST_KIND.format(kind=kind) + RAN)).quiet().idle()
    session.recorded(decision="deny", reason="request_kind")
    retry = first(2, inputResponses={}, requestState="opaque")
    session.host(retry).recorded(decision="deny", reason="unknown_state")


@pytest.mark.guarantee("requests:input-required")
@pytest.mark.parametrize(
    "odd", [5, None, {}, {"method": 5}, {"method": "ping"}, {"method": "tools/call"}]
)
def test_a_question_of_no_kind_withholds_the_result(odd: Json) -> None:
    session = asking(list(RequestKind))
    session.server({"id": wire(0), "result": interrupted({"a": odd})})
    sentence = (
        "Blocked by mcpguard [surface.request_kind]: it asks the host for something unknown. "
        "Allow it with: mcpguard lock --update -o FILE --allow-request KIND."
    )
    session.sends_host(modern_blocked(1, sentence + RAN)).quiet()


UNKNOWN_STATE = (
    "Blocked by mcpguard [surface.unknown_state]: it continues a request the server never "
    "interrupted. Find out more with: mcpguard check."
)


@pytest.mark.guarantee("requests:continuations-bound")
@pytest.mark.parametrize(
    "changes",
    [
        {"requestState": "other"},
        {"requestState": None},
        {"requestState": "opaque", "inputResponses": {"roots": {}, "foreign": {}}},
        {"requestState": "opaque", "inputResponses": [1]},
        {"requestState": "opaque", "arguments": {"a": 2}},
        {"requestState": "opaque", "arguments": {}},
        {"requestState": "opaque", "name": "echo", "arguments": {"text": "x"}},
        {"inputResponses": {"roots": {}}},
    ],
)
def test_a_retry_must_repeat_the_request_that_was_interrupted(changes: JsonObject) -> None:
    session = asking(BOTH).server({"id": wire(0), "result": interrupted()}).forget()
    session.host(first(2, **changes)).sends_host(modern_blocked(2, UNKNOWN_STATE)).quiet().idle()
    session.recorded(decision="deny", reason="unknown_state")


@pytest.mark.guarantee("requests:continuations-bound")
def test_a_state_may_be_absent_and_answers_may_be_too() -> None:
    result: JsonObject = {"resultType": "input_required", "inputRequests": {}}
    session = asking(BOTH).server({"id": wire(0), "result": result})
    session.sends_host({"id": 1, "result": result}).quiet()
    session.host(first(2, inputResponses={})).sends_server(first(wire(1), inputResponses={}))
    session.host(first(3, inputResponses=5)).sends_host(modern_blocked(3, UNKNOWN_STATE)).quiet()


@pytest.mark.guarantee("requests:continuations-bound")
def test_a_state_of_any_shape_breaks_nothing() -> None:
    odd: Json = {"big": 2**70, "half": "\ud800"}
    result = exact.dumps_exact({"jsonrpc": "2.0", "id": wire(0), "result": interrupted(state=odd)})
    shown = exact.dumps_exact({"jsonrpc": "2.0", "id": 1, "result": interrupted(state=odd)})
    asking(BOTH).server(result).sends_host(shown).quiet()


def test_answers_that_are_no_objects_are_judged_and_pass() -> None:
    session = asking(BOTH).server({"id": wire(0), "result": interrupted()}).forget()
    retry: JsonObject = {"inputResponses": {"roots": 5}, "requestState": "opaque"}
    session.host(first(2, **retry)).sends_server(first(wire(1), **retry)).quiet()


@pytest.mark.guarantee("requests:input-required")
@pytest.mark.parametrize(
    "result",
    [
        {"resultType": "task", "taskId": "t"},
        {"resultType": "Complete", "content": []},
        {"resultType": 5, "content": []},
        {"resultType": "", "content": []},
        {"resultType": "input_required", "inputRequests": 5},
    ],
)
def test_a_kind_of_result_that_is_not_known_is_withheld(result: JsonObject) -> None:
    sentence = (
        "Blocked by mcpguard [wire.unknown_result_type]: the server answered with a kind of "
        "result mcpguard does not know. Do not retry; update mcpguard if the server is newer."
    )
    session = asking(BOTH).server({"id": wire(0), "result": result})
    session.sends_host(modern_blocked(1, sentence + RAN)).quiet().idle()
    session.recorded(decision="deny", reason="unknown_result_type")
    session.told("result.withheld", what="tools/call free", rule="wire.unknown_result_type")
    for mode in (Mode.FILTER_ONLY, Mode.AUDIT_ONLY):
        open_ = asking(BOTH, mode).server({"id": wire(0), "result": result})
        open_.sends_host({"id": 1, "result": result}).quiet()
        open_.recorded(decision="would_deny", reason="unknown_result_type")


def test_a_prompt_and_a_resource_may_be_interrupted_too() -> None:
    lock = locked(requests=BOTH, era=MODERN.server.era)
    for method, params in (
        ("prompts/get", {"name": "greet"}),
        ("resources/read", {"uri": "file:///notes"}),
    ):
        request: JsonObject = {"method": method, "params": {**params, "_meta": ENVELOPE}}
        session = modern(lock).host({"id": 1, **request}).forget()
        session.server({"id": wire(0), "result": interrupted()})
        session.sends_host({"id": 1, "result": interrupted()}).quiet()


# 2025-11-25: elicitations inside an error

ELICITATIONS: JsonObject = {
    "elicitations": [{"mode": "url", "elicitationId": "e1", "url": "https://x/", "message": "m"}]
}
COMPLETE: JsonObject = {
    "method": "notifications/elicitation/complete",
    "params": {"elicitationId": "e1"},
}


@pytest.mark.guarantee("requests:input-required")
def test_elicitations_in_an_error_pass_only_when_they_are_allowed() -> None:
    error: JsonObject = {"code": -32042, "message": "Go there.", "data": ELICITATIONS}
    (
        opened(ALL)
        .server(COMPLETE)
        .drops("unknown_id")
        .host(call(1))
        .forget()
        .server({"id": wire(0), "error": error})
        .sends_host({"id": 1, "error": error})
        .server(COMPLETE)
        .sends_host(COMPLETE)
        .forget()
        .server(COMPLETE)
        .drops("unknown_id")
    )
    denied = opened().host(call(1)).forget().server({"id": wire(0), "error": error})
    denied.sends_host(blocked(1, REQUEST_KIND.format(kind="elicitation") + RAN)).quiet()
    denied.recorded(decision="deny", reason="request_kind")


GREET: JsonObject = {"name": "greet", "arguments": {"who": "you"}}
ASKED: list[tuple[str, JsonObject]] = [
    ("ping", {}),
    ("logging/setLevel", {"level": "info"}),
    ("tools/list", {}),
    ("prompts/list", {}),
    ("resources/list", {}),
    ("resources/templates/list", {}),
    ("tools/call", called("free")),
    ("prompts/get", GREET),
    ("resources/read", {"uri": "file:///notes"}),
    ("resources/subscribe", {"uri": "file:///notes"}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {}}),
    ("tasks/list", {}),
]


@pytest.mark.guarantee("requests:input-required")
@pytest.mark.parametrize(("method", "params"), ASKED, ids=[method for method, _ in ASKED])
def test_elicitations_are_denied_in_whatever_error_they_come(
    method: str, params: JsonObject
) -> None:
    error: JsonObject = {"code": -32042, "message": "Go there.", "data": ELICITATIONS}
    for lock, passes in ((LOCK, False), (ALL, True)):
        session = opened(lock).host({"id": 1, "method": method, "params": params})
        given = orjson.loads(session.sends[Side.SERVER][-1])["id"]
        session.forget().server({"id": given, "error": error})
        (answer,) = session.sends[Side.HOST]
        assert (b"https://x/" in answer) is passes
        session.recorded(decision="allow" if passes else "deny", method=method, outcome="asked")
        said = [event.fields["method"] for event in session.events if "withheld" in event.name]
        assert said == ([] if passes else [method])
        session.server(COMPLETE)
        assert (line(COMPLETE) in session.sends[Side.HOST]) is passes


@pytest.mark.guarantee("requests:input-required")
@pytest.mark.parametrize(
    "data",
    [{"elicitations": [5]}, {"elicitations": [{}]}, {"elicitations": [{"elicitationId": 5}]}],
)
def test_odd_elicitations_are_denied_like_others(data: JsonObject) -> None:
    error: JsonObject = {"code": -32042, "message": "m", "data": data}
    opened().host(call(1)).forget().server({"id": wire(0), "error": error}).recorded(
        decision="deny", reason="request_kind"
    )


@pytest.mark.guarantee("ids:server-ids-stay")
@pytest.mark.parametrize("more", [{}, {"other": 1}])
def test_an_elicitation_in_an_error_holds_what_a_request_may_and_no_name_of_the_servers(
    more: JsonObject,
) -> None:
    names: JsonObject = {
        "progressToken": 5,
        SUBSCRIPTION_ID: 7,
        RELATED_TASK: {"taskId": "srv-1"},
        "kept": {"taskId": "its own"},
    }
    asked: JsonObject = {"mode": "url", "elicitationId": "e1", "url": "https://x/", "message": "m"}
    kept: JsonObject = {"kept": {"taskId": "its own"}}

    def error(meta: JsonObject, **others: Json) -> JsonObject:
        data: JsonObject = {"elicitations": [{**asked, "_meta": meta, **others}, asked], **more}
        return {"code": -32042, "message": "Go there.", "data": data}

    given = error(names, Url="https://y/", task={})
    opened(ALL).host(call(1)).forget().server({"id": wire(0), "error": given}).sends_host(
        {"id": 1, "error": error(kept)}
    )


@pytest.mark.parametrize("data", [None, 5, {}, {"elicitations": 5}, {"elicitations": []}])
def test_an_error_that_asks_nothing_passes(data: Json) -> None:
    error: JsonObject = {"code": -32042, "message": "m", "data": data}
    opened().host(call(1)).forget().server({"id": wire(0), "error": error}).sends_host(
        {"id": 1, "error": error}
    ).quiet()


@pytest.mark.parametrize("odd", [["e1"], {"e1": 1}, 1.5, None, True])
def test_an_elicitation_of_an_odd_id_is_not_the_one_that_completes(odd: Json) -> None:
    """An id of any JSON type stands in what the server asks."""
    params: JsonObject = {"mode": "url", "elicitationId": odd, "url": "https://x/", "message": "m"}
    session = opened(ALL).server(ask(1, "elicitation/create", params)).forget()
    session.server(COMPLETE).quiet()
    complete: JsonObject = {**COMPLETE, "params": {"elicitationId": odd}}
    session.server(complete).quiet()


def test_an_elicitation_that_was_asked_for_may_be_completed() -> None:
    params: JsonObject = {"mode": "url", "elicitationId": "e1", "url": "https://x/", "message": "m"}
    (
        opened(ALL)
        .server(ask(1, "elicitation/create", params))
        .forget()
        .server(COMPLETE)
        .sends_host(COMPLETE)
        .quiet()
    )


def test_the_capabilities_of_an_envelope_are_stripped_for_the_server() -> None:
    meta: JsonObject = {**ENVELOPE, CLIENT_CAPABILITIES: {"sampling": {}, "roots": {}}}
    shown: JsonObject = {**ENVELOPE, CLIENT_CAPABILITIES: {}}
    modern().host(call(1, _meta=meta)).sends_server(call(wire(0), _meta=shown)).quiet()
