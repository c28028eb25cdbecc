"""Results that go to the log with their records: of which tools, and exactly what the host gets."""

from collections.abc import Callable
from typing import Any

import pytest

from mcpguard.model import (
    ALLOW,
    Context,
    Decision,
    Effect,
    Finding,
    JsonObject,
    Reason,
    Result,
    Severity,
    Side,
    Subject,
    Verdict,
    Wait,
)
from mcpguard.wire.tracing import Tracer
from tests.unit.proxy.play import (
    LOCK,
    Play,
    call,
    feed_host,
    feed_server,
    line,
    opened,
    usual,
    wire,
)

RESULT: JsonObject = {"content": [{"type": "text", "text": "done"}]}
FAILED: JsonObject = {**RESULT, "isError": True}
PLAIN = call(1, arguments={"a": 1})
LONG = call(1, arguments={"a": 1}, _meta={"x": 1})
SHOWN = {"direction": "server>host", "method": "tools/call", "target": "free", "decision": "allow"}


def capturing(*tools: str, stage: Callable[[Result], Verdict | Wait] | None = None) -> Play:
    """A session that captures the results of `tools`; `stage` judges them."""

    def decide(subject: Subject, ctx: Context) -> Decision | Wait:
        if stage is not None and isinstance(subject, Result):
            return judged(subject, ctx)
        return pipeline(subject, ctx)

    class Judge:
        def judge(self, subject: Subject, _: Context) -> Verdict | Wait:
            assert stage is not None
            return stage(subject) if isinstance(subject, Result) else ALLOW

    pipeline, judged = usual(LOCK), usual(LOCK, scan=Judge())
    return opened(decide=decide, captured=lambda tool: tool in tools)


def answered(asked: JsonObject, answer: JsonObject, session: Play) -> dict[str, Any]:
    """The one record of the answer; what was captured is under `args`."""
    session.host(asked).forget().server({"id": wire(0), **answer})
    (record,) = session.records
    return dict(record)


def sent(session: Play) -> bytes:
    (data,) = session.sends[Side.HOST]
    return data + b"\n"


ANSWERS: dict[str, tuple[JsonObject, JsonObject, JsonObject]] = {
    "the short way": (PLAIN, {"result": RESULT}, {}),
    "the long way": (LONG, {"result": RESULT}, {}),
    "a tool's error": (PLAIN, {"result": FAILED}, {"outcome": "tool_error"}),
    "an error": (PLAIN, {"error": {"code": 5, "message": "no"}}, {"outcome": "error"}),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_the_line_of_an_answer_goes_to_the_log_with_its_record(name: str) -> None:
    asked, answer, more = ANSWERS[name]
    session = capturing("free")
    record = answered(asked, answer, session)
    assert record == {**SHOWN, **more, "args": sent(session)}
    assert sent(session) == line({"id": 1, **answer}) + b"\n"


@pytest.mark.parametrize("name", ANSWERS)
def test_the_line_of_another_tool_does_not(name: str) -> None:
    asked, answer, more = ANSWERS[name]
    assert answered(asked, answer, capturing("echo", "")) == {**SHOWN, **more}


def test_every_answer_of_several_has_its_own_line() -> None:
    session = capturing("free").host(call(1, arguments={}), call(2, arguments={})).forget()
    for number, text in ((1, "second"), (0, "first")):
        session.server({"id": wire(number), "result": {"content": [], "text": text}})
    assert [record.get("args", b"") for record in session.records] == [
        line({"id": 2, "result": {"content": [], "text": "second"}}) + b"\n",
        line({"id": 1, "result": {"content": [], "text": "first"}}) + b"\n",
    ]


def test_what_is_captured_is_what_the_host_gets_and_not_what_the_server_sent() -> None:
    def rewritten(result: Result) -> Verdict:
        if result.body == RESULT:
            return Verdict(Effect.ALLOW, rewrite=result._replace(body={"content": []}))
        return ALLOW

    session = capturing("free", stage=rewritten)
    record = answered(PLAIN, {"result": RESULT}, session)
    assert record["args"] == line({"id": 1, "result": {"content": []}}) + b"\n"
    assert sent(session) == record["args"]


def test_what_was_found_in_a_result_stands_in_the_record_beside_its_line() -> None:
    finding = Finding("scan.x", Severity.INFO, "content", "x")
    session = capturing("free", stage=lambda _: Verdict(Effect.ALLOW, findings=(finding,)))
    record = answered(PLAIN, {"result": RESULT}, session)
    assert record == {**SHOWN, "findings": ["scan.x content"], "args": sent(session)}


def test_a_withheld_result_is_not_captured() -> None:
    session = capturing("free", stage=lambda _: Verdict.deny(Reason.APPROVAL, "no"))
    record = answered(PLAIN, {"result": RESULT}, session)
    assert (record["decision"], "args" in record) == ("deny", False)


OTHERS: list[JsonObject] = [
    {"id": 1, "method": "ping"},
    {"id": 1, "method": "prompts/get", "params": {"name": "greet", "arguments": {"who": "x"}}},
    {"id": 1, "method": "resources/read", "params": {"uri": "file:///notes"}},
]


@pytest.mark.parametrize("asked", OTHERS)
def test_nothing_but_the_answer_of_a_tool_is_captured(asked: JsonObject) -> None:
    session = capturing("", "greet", "file:///notes")
    assert "args" not in answered(asked, {"result": {}}, session)


NOTICE: JsonObject = {"method": "notifications/message", "params": {"level": "info", "data": "x"}}
SERVERS: list[JsonObject | bytes] = [
    {"id": wire(7), "result": RESULT},
    NOTICE,
    {"id": "s", "method": "ping"},
    b"noise",
    b"",
]


@pytest.mark.parametrize("said", SERVERS)
def test_no_other_line_of_the_server_is_captured(said: JsonObject | bytes) -> None:
    session = capturing("free", "").host(PLAIN).forget().server(said)
    assert session.records
    assert [record for record in session.records if "args" in record] == []


def test_lines_that_are_committed_together_keep_each_its_own() -> None:
    session = capturing("free").host(call(1, arguments={}), call(2, arguments={})).forget()
    for data in (
        line(NOTICE),
        line({"id": wire(0), "result": RESULT}),
        line({"id": wire(9), "result": RESULT}),
    ):
        feed_server(session.session, data, session.now)
    feed_host(session.session, line(call(3, arguments={})), session.now)
    session.server({"id": wire(1), "result": {"content": []}})
    assert [record.get("args", b"") for record in session.records] == [
        b"",
        line({"id": 1, "result": RESULT}) + b"\n",
        b"",
        b"",
        line({"id": 2, "result": {"content": []}}) + b"\n",
    ]


def test_a_traced_session_captures_the_same() -> None:
    tracer = Tracer(lambda size: b"\1" * size)
    session = opened(captured=lambda tool: tool == "free", tracer=tracer)
    record = answered(PLAIN, {"result": RESULT}, session)
    assert record["args"] == sent(session) == line({"id": 1, "result": RESULT}) + b"\n"
