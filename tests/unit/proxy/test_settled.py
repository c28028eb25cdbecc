"""Once calls have passed there is a shorter way for plain ones: nobody may notice it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.model import (
    Call,
    Context,
    Decision,
    JsonObject,
    Mode,
    Result,
    Side,
    Subject,
    Wait,
)
from mcpguard.wire.methods import RELATED_TASK, SUBSCRIPTION_ID
from tests.unit.proxy.play import (
    ENVELOPE,
    LATEST,
    LOCK,
    Play,
    call,
    handshake,
    line,
    opened,
    play,
    refused,
    usual,
    wire,
)


def settled(session: Play) -> Play:
    """The session after a call that passed; the next id drawn is `wire(0)`."""
    given = session.ids.next
    session.host(call("before", arguments={}))
    session.server({"id": given, "result": {"content": []}})
    return session.forget().renumber()


def long_way(request: JsonObject, mode: Mode = Mode.ENFORCE) -> Play:
    """A request that came before the lists, and so took the long way, as `wire(9)`."""
    session = play(LOCK, mode).initialize()
    session.ids.next = wire(9)
    return session.host(request).lists()


def short_way(request: JsonObject, mode: Mode = Mode.ENFORCE) -> Play:
    """A request that came after others had passed, as `wire(9)`."""
    session = settled(opened(mode=mode))
    session.ids.next = wire(9)
    return session.host(request)


def done(session: Play) -> tuple[object, ...]:
    """Everything the session did, but for its own lists."""
    records = [each for each in session.records if not str(each["method"]).endswith("/list")]
    return session.sends, records, session.events


BIG: JsonObject = {"text": "x", "deep": {"inner": "y"}}
REQUESTS: list[tuple[str, JsonObject]] = [
    ("tools/call", {"name": "free", "arguments": {"a": 1}}),
    ("tools/call", {"name": "free", "arguments": {}}),
    ("tools/call", {"arguments": BIG, "name": "echo"}),
    ("tools/call", {"name": "echo", "arguments": {"Text": "x"}}),
    ("tools/call", {"name": "echo", "arguments": {"text": 5}}),
    ("tools/call", {"name": "exec", "arguments": {}}),
    ("tools/call", {"name": "x" * 600, "arguments": {}}),
    ("tools/call", {"name": "free"}),
    ("tools/call", {"name": "free", "arguments": None}),
    ("tools/call", {"name": "free", "arguments": []}),
    ("tools/call", {"name": 5, "arguments": {}}),
    ("tools/call", {"name": None, "arguments": {}}),
    ("tools/call", {"arguments": {}}),
    ("tools/call", {}),
    ("tools/call", {"Name": "free", "name": "free", "arguments": {}}),
    ("tools/call", {"name": "free", "arguments": {}, "extra": 1}),
    ("tools/call", {"name": "free", "arguments": {}, "task": {}}),
    ("tools/call", {"name": "free", "arguments": {}, "requestState": "s"}),
    ("tools/call", {"name": "free", "arguments": {}, "_meta": {"progressToken": "t"}}),
    ("tools/call", {"name": "free", "arguments": {}, "_meta": 5}),
    ("tools/call", {"name": "free", "arguments": {}, "_meta": ENVELOPE}),
    ("prompts/get", {"name": "greet", "arguments": {"who": "x"}}),
    ("prompts/get", {"name": "free", "arguments": {}}),
    ("resources/read", {"uri": "file:///notes"}),
    ("ping", {}),
]
ANSWERS: list[JsonObject] = [
    {"result": {"content": []}},
    {"result": {"content": [{"type": "resource_link", "uri": "file:///no", "name": "n"}]}},
    {"result": {"content": [], "_meta": {RELATED_TASK: {"taskId": "t"}, SUBSCRIPTION_ID: 1}}},
    {"result": {"content": [], "resultType": "complete"}},
    {"result": {"content": [], "isError": True}},
    {"result": {"content": [], "isError": False}},
    {"result": {"content": [], "isError": "odd"}},
    {"result": {"content": [], "task": {"taskId": "t"}}},
    {"result": {"content": [], "requestState": "s"}},
    {"result": {"resultType": "task", "taskId": "t"}},
    {"error": {"code": 5, "message": "m"}},
    {"result": "garbled"},
]


@pytest.mark.guarantee("proxy:transparent")
@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(("method", "params"), REQUESTS)
def test_a_request_is_treated_the_same_after_others_have_passed(
    method: str, params: JsonObject, mode: Mode
) -> None:
    request: JsonObject = {"id": 1, "method": method, "params": params}
    first = long_way(request, mode)
    assert done(short_way(request, mode)) == done(first)
    assert first.sends != {Side.HOST: [], Side.SERVER: []}


@pytest.mark.guarantee("proxy:transparent")
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_treated_the_same_after_others_have_passed(answer: JsonObject) -> None:
    request = call(1, arguments={"a": 1})
    first = long_way(request).forget().server({"id": wire(9), **answer})
    later = short_way(request).forget().server({"id": wire(9), **answer})
    assert done(later) == done(first)
    assert len(first.sends[Side.HOST]) == 1


CALL_LINE = line(call(1, arguments={"a": [1, {"b": None}]}))
ANSWER_LINE = line(
    {"id": wire(9), "result": {"content": [{"type": "text", "text": "x"}], "isError": False}}
)
FRAGMENTS = [
    *(bytes([byte]) for byte in b'{}[]",:\\ \t\r019-.eu\xff\x00'),
    *(b'"id":2,', b'"Method":"x",', b'"method":"ping",', b'"name":"exec",', b'"error":null,'),
    *(b'"_meta":{},', b'"arguments":{},', b'"requestState":"s",', b'"jsonrpc":"2.0",'),
    *(b"null", b"1.0", b"1E2", b"-0", b"18446744073709551616", b"\\u0041", b"\\ud800", b"\xc3\xa9"),
    *(b"[" * 70, b"]" * 70, b"9" * 20, b"x" * 600, b" " * 4096),
]
edits = st.lists(
    st.tuples(st.integers(0, 120), st.integers(0, 8), st.sampled_from(FRAGMENTS)), max_size=3
)


def edited(given_line: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """The line with pieces of it replaced."""
    for at, length, fragment in changes:
        given_line = given_line[:at] + fragment + given_line[at + length :]
    return given_line


@pytest.mark.guarantee("proxy:transparent")
@given(edits)
def test_any_line_of_a_host_is_treated_the_same_after_others_have_passed(
    changes: list[tuple[int, int, bytes]],
) -> None:
    raw = edited(CALL_LINE, changes)
    first = play(LOCK).initialize()
    first.ids.next = wire(9)
    later = settled(opened())
    later.ids.next = wire(9)
    assert done(later.host(raw)) == done(first.host(raw).lists())


@pytest.mark.guarantee("proxy:transparent")
@given(edits)
def test_any_line_of_a_server_is_treated_the_same_after_others_have_passed(
    changes: list[tuple[int, int, bytes]],
) -> None:
    raw = edited(ANSWER_LINE, changes)
    request = call(1, arguments={"a": 1})
    later = short_way(request).forget().server(raw)
    assert done(later) == done(long_way(request).forget().server(raw))


@pytest.mark.guarantee("ids:cancel-translated")
def test_a_call_that_was_cancelled_after_others_have_passed_gets_no_answer() -> None:
    session = settled(opened()).host(call(1, arguments={}))
    session.host({"method": "notifications/cancelled", "params": {"requestId": 1}}).forget()
    session.server({"id": wire(0), "result": {"content": []}}).drops("late_answer").idle()


@pytest.mark.guarantee("pipeline:rewrites-are-sent")
def test_what_was_rewritten_is_sent_and_recorded_after_others_have_passed() -> None:
    pipeline = usual(LOCK)

    def decide(subject: Subject, ctx: Context) -> Decision | Wait:
        decision = pipeline(subject, ctx)
        if (
            isinstance(subject, Call)
            and isinstance(decision, Decision)
            and "a" in subject.arguments
        ):
            return decision._replace(subject=subject._replace(arguments={"b": 2}))
        if isinstance(subject, Result) and isinstance(decision, Decision) and "a" in subject.body:
            return decision._replace(subject=subject._replace(body={"b": 1e-7}))
        return decision

    session = settled(opened(decide=decide)).host(call(1, arguments={"a": 1}))
    session.sends_server(call(wire(0), arguments={"b": 2})).quiet()
    assert session.arguments() == b'{"b":2}'
    session.server({"id": wire(0), "result": {"a": 1}})
    session.sends_host({"id": 1, "result": {"b": 1e-7}}).quiet()


@pytest.mark.guarantee("pending:server-death-answers")
def test_a_call_to_a_server_that_ended_after_others_had_passed_is_answered_at_once() -> None:
    session = settled(opened()).closes(Side.SERVER)
    gone = "mcpguard: the server ended before it answered."
    for number in (1, 2):
        session.host(call(number, arguments={}))
        session.sends_host(refused(number, -32603, gone)).quiet().idle()
    session.ticks(1.0).host(call(3, arguments={})).sends_host(refused(3, -32603, gone)).quiet()


# a host that does not say `initialized`

NO_TOOL = refused(1, -32602, "Unknown tool: free")


def hasty(capabilities: JsonObject) -> Play:
    """A host calls before the handshake is answered and says no `initialized` afterwards."""
    params: JsonObject = {"protocolVersion": LATEST, "capabilities": {}, "clientInfo": {}}
    session = play(LOCK).host({"id": 0, "method": "initialize", "params": params}, call(1))
    return session.server({"id": wire(0), "result": handshake(capabilities)}).forget()


@pytest.mark.guarantee("pending:held-until-verified")
def test_a_host_that_does_not_say_initialized_is_waited_for_two_seconds() -> None:
    session = hasty({"tools": {}}).ticks(1.875).quiet()
    session.ticks(0.125).sends_server({"id": wire(2), "method": "tools/list"}).quiet()


def test_when_there_is_nothing_to_list_what_was_held_goes_on_in_the_same_moment() -> None:
    hasty({}).ticks(2.0).sends_host(NO_TOOL).quiet().idle()


def test_a_host_that_asks_nothing_is_not_hurried() -> None:
    params: JsonObject = {"protocolVersion": LATEST, "capabilities": {}, "clientInfo": {}}
    session = play(LOCK).host({"id": 0, "method": "initialize", "params": params})
    session.server({"id": wire(0), "result": handshake()}).forget().ticks(60.0).quiet().idle()
