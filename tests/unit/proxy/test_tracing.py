"""Spans: what of the host's trace reaches the server, and what the records say of each request."""

import itertools
from collections.abc import Callable
from typing import Any, TypeAlias

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import JsonObject, Mode, Side, Wait
from mcpguard.wire.tracing import Tracer, parent_of
from tests.unit.proxy.play import (
    ALL,
    ELICIT,
    ENVELOPE,
    LOCK,
    MODERN,
    TOOLS,
    Play,
    call,
    called,
    line,
    modern,
    opened,
    play,
    wire,
)

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HOSTS = f"00-{TRACE}-{PARENT}-01"

Object: TypeAlias = dict[str, Any]


class Bytes:
    """Draws 1, 2, 3, ... as so many bytes, unless it is broken."""

    def __init__(self) -> None:
        self.count = itertools.count(1)
        self.broken: Callable[[int], bytes] | None = None

    def __call__(self, size: int) -> bytes:
        return self.broken(size) if self.broken else next(self.count).to_bytes(size)


def number(value: int, digits: int = 16) -> str:
    return f"{value:0{digits}x}"


def traced(**more: Any) -> Play:  # noqa: ANN401 - fields of SessionSettings
    """A verified session whose next ids are 1, 2, 3, ..."""
    draw = Bytes()
    made = opened(tracer=Tracer(draw), **more)
    draw.count = itertools.count(1)
    return made


def sent(made: Play) -> Object:
    """The one message that the server was given."""
    (data,) = made.sends[Side.SERVER]
    made.sends[Side.SERVER].clear()
    message: Object = orjson.loads(data)
    return message


# --- what the server is given --------------------------------------------------------------------


@pytest.mark.guarantee("telemetry:own-span-to-the-server")
@pytest.mark.parametrize(
    ("meta", "shown"),
    [
        (None, {"traceparent": f"00-{number(1, 32)}-{number(2)}-03"}),
        ({}, {"traceparent": f"00-{number(1, 32)}-{number(2)}-03"}),
        ({"traceparent": HOSTS}, {"traceparent": f"00-{TRACE}-{number(1)}-01"}),
        (
            {"a": 1, "traceparent": HOSTS, "tracestate": "v=1", "baggage": "k=v", "z": [1.5]},
            {"a": 1, "traceparent": f"00-{TRACE}-{number(1)}-01", "tracestate": "v=1",
             "baggage": "k=v", "z": [1.5]},
        ),
        (
            {"traceparent": f"00-{TRACE}-{PARENT}-ff"},
            {"traceparent": f"00-{TRACE}-{number(1)}-03"},
        ),
        (
            {"tracestate": "v=1", "baggage": "k=v", "traceparent": "00-nonsense"},
            {"baggage": "k=v", "traceparent": f"00-{number(1, 32)}-{number(2)}-03"},
        ),
        ({"traceparent": {"a": 1}}, {"traceparent": f"00-{number(1, 32)}-{number(2)}-03"}),
    ],
    ids=["no-meta", "empty", "child", "in-its-place", "flags", "restarted", "no-text"],
)  # fmt: skip
def test_the_server_is_given_our_span_and_else_what_the_host_sent(
    meta: JsonObject | None, shown: JsonObject
) -> None:
    more: JsonObject = {} if meta is None else {"_meta": meta}
    arguments: JsonObject = {"b": 1.25, "a": 2**53, "é": ["\u2028", None]}
    params = {**called("free", arguments), **more}
    made = traced().host({"id": 7, "method": "tools/call", "params": params})
    wanted = {"id": wire(0), "method": "tools/call", "params": {**params, "_meta": shown}}
    made.sends_server(wanted)  # to the byte: order of keys and numbers too


@pytest.mark.parametrize("meta", [{"traceparent": HOSTS, "tracestate": "v=1"}, {"traceparent": 7}])
def test_without_a_tracer_nothing_of_a_trace_is_touched_or_recorded(meta: JsonObject) -> None:
    made = opened().host(call(7, "free", {"a": 1}, _meta=meta), call(8, "free", {"a": 1}))
    made.sends_server(
        {"id": wire(0), "method": "tools/call", "params": called("free", {"a": 1}, _meta=meta)},
        {"id": wire(1), "method": "tools/call", "params": called("free", {"a": 1})},
    )
    made.server({"id": wire(0), "result": {"content": []}})
    assert not any(
        {"trace_id", "span_id", "duration_us"} & record.keys() for record in made.records
    )


@settings(max_examples=40, deadline=None)
@given(
    arguments=st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=4,
        ),
        max_size=4,
    ),
    meta=st.dictionaries(st.sampled_from(["a", "traceparent", "baggage"]), st.text(max_size=4)),
)
@pytest.mark.guarantee("telemetry:own-span-to-the-server")
def test_but_for_the_parent_a_traced_call_is_the_untraced_one(
    arguments: JsonObject, meta: JsonObject
) -> None:
    asked = call(7, "free", arguments, _meta=meta)
    with_it, without = sent(traced().host(asked)), sent(opened().host(asked))
    told = with_it["params"].get("_meta", {})
    assert parent_of(told.pop("traceparent")) is not None
    meta.pop("traceparent", None)
    assert [*told.items()] == [*meta.items()]
    for message in (with_it, without):
        del message["params"]["_meta"]
    assert orjson.dumps(with_it) == orjson.dumps(without)


def test_each_forwarded_request_and_no_notification_has_a_span() -> None:
    made = traced()
    made.host({"id": 1, "method": "ping"})
    assert sent(made)["params"] == {"_meta": {"traceparent": f"00-{number(1, 32)}-{number(2)}-03"}}
    made.host(
        {"id": 2, "method": "prompts/get", "params": {"name": "greet", "arguments": {"who": "x"}}}
    )
    assert parent_of(sent(made)["params"]["_meta"]["traceparent"]) is not None
    made.host({"method": "notifications/cancelled", "params": {"requestId": 2}})
    assert "_meta" not in sent(made)["params"]


def test_an_enveloped_request_keeps_its_envelope() -> None:
    draw = Bytes()
    made = modern(tracer=Tracer(draw))
    made.host(call(7, "free", {}, _meta=ENVELOPE))
    shown = sent(made)["params"]["_meta"]
    assert {key: shown[key] for key in ENVELOPE} == ENVELOPE
    assert parent_of(shown["traceparent"]) is not None


# --- what the records say ------------------------------------------------------------------------


def spans(made: Play) -> list[JsonObject]:
    return [record for record in made.records if "duration_us" in record]


RESULT: JsonObject = {"content": [{"type": "text", "text": "done"}]}
FAILED: JsonObject = {**RESULT, "isError": True}
ASKED = call(7, "free", {}, _meta={"traceparent": HOSTS})

MISSHAPEN: JsonObject = {
    "id": 7,
    "method": "tools/call",
    "params": {"name": "free", "arguments": [], "_meta": {"traceparent": HOSTS}},
}

ENDS: dict[str, tuple[Callable[[Play], object], JsonObject]] = {
    "answered": (
        lambda made: made.host(ASKED).after(0.25).server({"id": wire(0), "result": RESULT}),
        {"method": "tools/call", "target": "free", "decision": "allow", "duration_us": 250_000},
    ),
    "tool-error": (
        lambda made: made.host(ASKED).server({"id": wire(0), "result": FAILED}),
        {"outcome": "tool_error", "decision": "allow"},
    ),
    "error": (
        lambda made: made.host(ASKED).server(
            {"id": wire(0), "error": {"code": -32000, "message": "no"}}
        ),
        {"outcome": "error", "decision": "allow"},
    ),
    "denied": (
        lambda made: made.host(call(7, "unknown", {}, _meta={"traceparent": HOSTS})),
        {"decision": "deny", "reason": "not_locked", "target": "unknown", "duration_us": 0},
    ),
    "misshapen": (
        lambda made: made.host(MISSHAPEN),
        {"decision": "deny", "stage": "wire"},
    ),
    "cancelled": (
        lambda made: made.host(
            ASKED, {"method": "notifications/cancelled", "params": {"requestId": 7}}
        ).server({"id": wire(0), "result": RESULT}),
        {"method": "notifications/cancelled", "request_method": "tools/call", "target": "free"},
    ),
    "expired": (
        lambda made: made.host(ASKED).ticks(3601),
        {"decision": "deny", "reason": "timeout", "target": "free", "duration_us": 3_601_000_000},
    ),
    "server-gone": (
        lambda made: made.host(ASKED).after(2.0).closes(Side.SERVER),
        {"decision": "deny", "reason": "server_gone", "duration_us": 2_000_000},
    ),
    "killed": (
        lambda made: made.host(ASKED).after(2.0).then(
            lambda one: one.session.kill("why", 1, one.now)
        ).ticks(),
        {"decision": "deny", "reason": "killed", "duration_us": 2_000_000},
    ),
    "garbled": (
        lambda made: made.host(ASKED).server(b'{"jsonrpc":"2.0","id":%d,"result":{]' % wire(0)),
        {"decision": "deny", "reason": "parse"},
    ),
    "listed": (
        lambda made: made.host(
            {"id": 7, "method": "tools/list", "params": {"_meta": {"traceparent": HOSTS}}}
        ).server({"id": wire(1), "result": {"tools": [*TOOLS.values()]}}),
        {"event": "request.ended", "method": "tools/list", "outcome": ""},
    ),
    "list-malformed": (
        lambda made: made.host(
            {"id": 7, "method": "tools/list", "params": {"_meta": {"traceparent": HOSTS}}}
        ).server({"id": wire(1), "result": {"tools": 7}}),
        {"event": "request.ended", "method": "tools/list", "outcome": "error"},
    ),
    "page-refused": (
        lambda made: made.host(
            {"id": 7, "method": "tools/list",
             "params": {"_meta": {"traceparent": HOSTS}, "cursor": "x"}}
        ),
        {"decision": "deny", "method": "tools/list"},
    ),
}  # fmt: skip


@pytest.mark.guarantee("telemetry:one-span-a-request")
@pytest.mark.parametrize("name", ENDS)
def test_a_request_ends_in_one_record_with_its_span(name: str) -> None:
    end, wanted = ENDS[name]
    made = traced()
    end(made)
    (record,) = spans(made)
    ids = {"trace_id": TRACE, "parent_id": PARENT, "span_id": number(1), "request_id": "7"}
    assert (ids | wanted).items() <= record.items()
    assert sum("span_id" in each for each in made.records) <= 2
    assert "args" not in record


def test_the_record_of_a_call_that_goes_on_names_its_span_without_an_end() -> None:
    made = traced().host(ASKED)
    (record,) = made.records
    assert record["span_id"] == number(1)
    assert "duration_us" not in record
    assert spans(made.server({"id": wire(0), "result": RESULT}))[0]["span_id"] == number(1)


@pytest.mark.parametrize("over", [0, 1])
def test_a_span_names_a_target_and_an_id_as_long_as_a_record_does(over: int) -> None:
    target, given = "t" * (512 + over), "i" * (64 + over)
    (record,) = spans(traced().host(call(given, target, {})))
    assert (record["target"], record["request_id"]) == (target[:512], given[:64])


def test_the_record_of_a_call_that_waits_names_its_span_without_an_end() -> None:
    wait = Wait("trust", "k", "free waits for a person")
    session = play(None, tracer=Tracer(Bytes()), decide=lambda *_: wait).host(ASKED)
    assert session.records == [
        {
            "direction": "host>server",
            "method": "tools/call",
            "target": "free",
            "decision": "hold",
            "stage": "trust",
            "rule": "trust.approval",
            "reason": "waiting",
            "detail": "free waits for a person",
            "trace_id": TRACE,
            "parent_id": PARENT,
            "span_id": number(1),
        }
    ]


def test_what_the_host_does_not_sample_is_said_and_passed_on() -> None:
    asked = call(7, "free", {}, _meta={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    made = traced().host(asked).server({"id": wire(0), "result": RESULT})
    assert sent(made)["params"]["_meta"]["traceparent"].endswith("-00")
    assert spans(made)[0]["sampled"] is False


def test_a_request_without_a_parent_begins_a_trace_and_names_none() -> None:
    made = traced().host(call(7, "free", {})).server({"id": wire(0), "result": RESULT})
    (record,) = spans(made)
    assert record["trace_id"] == number(1, 32)
    assert "parent_id" not in record


@pytest.mark.guarantee("telemetry:one-span-a-request")
@pytest.mark.parametrize(
    "later",
    [
        lambda made: made.ticks(3601),
        lambda made: made.closes(Side.SERVER),
        lambda made: made.server({"id": wire(0), "error": {"code": 1, "message": "no"}}),
    ],
    ids=["expired", "server-gone", "answered"],
)
def test_what_becomes_of_a_cancelled_request_ends_it_no_second_time(
    later: Callable[[Play], object],
) -> None:
    made = traced().host(ASKED, {"method": "notifications/cancelled", "params": {"requestId": 7}})
    later(made)
    assert len(spans(made)) == 1


def test_in_audit_only_a_call_that_would_be_denied_goes_on_with_its_span() -> None:
    made = traced(mode=Mode.AUDIT_ONLY).host(call(7, "unknown", {}, _meta={"traceparent": HOSTS}))
    assert made.records[-1]["decision"] == "would_deny"
    assert not spans(made)
    made.server({"id": wire(0), "result": RESULT})
    assert len(spans(made)) == 1


def test_what_is_not_recorded_has_no_span() -> None:
    made = traced().unaudited().host(ASKED)
    assert b"audit.unwritable" in made.sends[Side.HOST][0]
    assert made.sends[Side.SERVER] == []


def _raises(_: int) -> bytes:
    raise OSError("no entropy")


@pytest.mark.parametrize("broken", [_raises, bytes, lambda _: b"", lambda _: b"\1"])
def test_without_randomness_a_request_is_denied(broken: Callable[[int], bytes]) -> None:
    draw = Bytes()
    made = opened(tracer=Tracer(draw))
    draw.broken = broken
    made.host(call(7, "free", {}))
    assert made.sends[Side.SERVER] == []
    assert b'"id":7,"error"' in made.sends[Side.HOST][0]
    assert made.records[-1]["reason"] == "rng_failed"


def test_a_session_from_its_first_line_on_is_traced_and_answered_as_ever() -> None:
    with_it, without = play(LOCK, tracer=Tracer(Bytes())), play(LOCK)
    for made in (with_it, without):
        made.initialize().lists()
        made.host(
            {"id": 1, "method": "tools/list"}, call(2, "free", {}), b"[]", call(3, "echo", {})
        )
        made.server(line({"id": wire(5), "result": RESULT}))
    assert with_it.sends[Side.HOST] == without.sends[Side.HOST]
    assert len(with_it.sends[Side.SERVER]) == len(without.sends[Side.SERVER])


@pytest.mark.parametrize("lock", [ALL, MODERN], ids=["let-through", "withheld"])
def test_what_a_server_asks_in_a_result_ends_the_span_where_it_is_withheld(lock: Lockfile) -> None:
    draw = Bytes()
    made = modern(lock, tracer=Tracer(draw))
    made.host(call(7, "free", {}, _meta={**ENVELOPE, "traceparent": HOSTS})).forget()
    question: JsonObject = {"method": "elicitation/create", "params": ELICIT}
    asked: JsonObject = {"resultType": "input_required", "inputRequests": {"q": question}}
    record = made.server({"id": wire(0), "result": asked}).records[0]
    assert record["method"] == "elicitation/create"
    assert ("duration_us" in record) == (lock is MODERN)
    assert record.get("request_method") == ("tools/call" if lock is MODERN else None)


@pytest.mark.parametrize("kind", ["input_required", "other"])
def test_a_kind_of_result_nobody_knows_ends_the_span(kind: str) -> None:
    made = traced().host(ASKED).forget()
    record = made.server({"id": wire(0), "result": {"resultType": kind}}).records[0]
    assert (record["decision"], record["reason"]) == ("deny", "unknown_result_type")
    assert "duration_us" in record
