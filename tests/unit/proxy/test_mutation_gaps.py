"""What no other test of the room pins: found by scripts/mutation."""

import tracemalloc

import pytest

from mcpguard.model import (
    Context,
    Decision,
    ItemKind,
    Json,
    JsonObject,
    Mode,
    RequestKind,
    ServerRequest,
    Subject,
    Wait,
)
from mcpguard.pipeline import make_pipeline
from mcpguard.proxy import from_server
from mcpguard.wire.framing import Dropped
from mcpguard.wire.methods import RELATED_TASK, SUBSCRIPTION_ID
from tests.unit.proxy.play import (
    ELICIT,
    ENVELOPE,
    LOCK,
    SURFACE,
    TOOLS,
    Play,
    call,
    called,
    locked,
    modern,
    opened,
    play,
    refused,
    wire,
)

ALL = locked(requests=list(RequestKind))
ASKED: JsonObject = {"name": {"method": "elicitation/create", "params": ELICIT}}
LARGE = 100_000
"""Characters of one argument."""


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
    pipeline = make_pipeline(ALL)

    def decide(subject: Subject, ctx: Context) -> Decision | Wait:
        if isinstance(subject, ServerRequest):
            judged.append(subject.params)
        return pipeline(subject, ctx)

    session = opened(ALL, decide=decide).host(enveloped(1))
    session.server({"id": wire(0), "result": interrupted()})
    assert judged == [ELICIT]


def test_the_parameters_of_a_call_are_forgotten_once_it_was_sent() -> None:
    session = opened()
    tracemalloc.start()
    try:
        for number in range(100):
            session.host(call(number, arguments={"a": "x" * LARGE})).forget()
        current, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert current < 10 * LARGE


ROOTS: JsonObject = {"id": "s", "method": "roots/list"}


def asked() -> Play:
    return opened(ALL).server(ROOTS).forget()


def test_half_an_id_at_the_end_of_one_over_long_line_is_no_part_of_the_next() -> None:
    head, tail = f"{wire(0)}"[:-1].encode(), f"{wire(0)}"[-1:].encode()
    session = asked().host(Dropped(b"x" + head, first=True, end=True))
    session.host(Dropped(tail + b"x", first=True, end=True)).quiet()
    session.host(Dropped(head, first=True, end=False), Dropped(tail, first=False, end=True))
    session.sends_server(refused("s", -32603, "the host's answer could not be read")).quiet()


def test_a_drifted_item_is_told_with_what_changed() -> None:
    live = {**SURFACE, ItemKind.TOOL: {"free": {**TOOLS["free"], "description": "Else."}}}
    session = play(LOCK).initialize().lists(live)
    (why,) = [event.fields["why"] for event in session.events if event.name == "item.drifted"]
    assert "description" in str(why)


def test_a_subscription_may_ask_for_every_kind_of_list() -> None:
    filters: JsonObject = {
        "toolsListChanged": True,
        "promptsListChanged": True,
        "resourcesListChanged": True,
    }
    listen: JsonObject = {"notifications": filters, "_meta": ENVELOPE}
    session = modern().host({"id": 1, "method": "subscriptions/listen", "params": listen})
    session.sends_server({"id": wire(0), "method": "subscriptions/listen", "params": listen})


def test_an_over_long_line_is_recorded_without_a_method() -> None:
    session = opened().host(Dropped(b"x", first=True, end=True))
    session.recorded(method="", target="", decision="drop", reason="over_long").unrecorded()


def test_a_cancelled_request_waits_for_its_answer_past_the_next_tick() -> None:
    session = opened().host(call(1))
    session.host({"method": "notifications/cancelled", "params": {"requestId": 1}}).ticks(1.0)
    session.forget().server({"id": wire(0), "result": {}}).drops("late_answer").idle()


def test_a_change_that_is_announced_is_recorded() -> None:
    method = "notifications/tools/list_changed"
    record: JsonObject = {"direction": "server>host", "method": method, "target": ""}
    assert opened().server({"method": method}).records[-1] == {**record, "decision": "allow"}


def test_what_a_session_remembers_of_elicitations_is_bounded() -> None:
    assert from_server.MAX_ELICITATIONS == 1024


@pytest.mark.guarantee("modes:wire-rules-always-hold")
@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"jsonrpc":"2.0","id":"' + b"i" * 257 + b'","method":"ping"}', "bad_id"),
        (b'{"jsonrpc":"2.0","method":"no/such"}', "unknown_method"),
        (b'{"jsonrpc":"2.0","id":1,"result":{}}', "unknown_id"),
        (b"[]", "batch"),
        (b"noise", "parse"),
        (b"", "empty_line"),
        (Dropped(b"x", first=True, end=True), "over_long"),
    ],
)
def test_in_every_mode_a_line_that_breaks_a_wire_rule_goes_nowhere(
    mode: Mode, line: bytes | Dropped, reason: str
) -> None:
    opened(mode=mode).host(line).drops(reason).server(line).drops(reason).idle()


@pytest.mark.guarantee("modes:wire-rules-always-hold")
@pytest.mark.parametrize("mode", Mode)
def test_in_every_mode_the_server_sees_no_id_of_the_host_and_none_twice(mode: Mode) -> None:
    session = opened(mode=mode).host(call(7)).sends_server(call(wire(0)))
    session.host(call(7)).drops("duplicate_id")
