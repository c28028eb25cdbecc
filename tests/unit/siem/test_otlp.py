"""OTLP in protobuf, read with the official messages: log records, spans, and what is answered."""

import sys
from typing import Any

import orjson
import pytest
from hypothesis import given
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from mcpguard.errors import UsageError
from mcpguard.model import JsonObject
from mcpguard.siem.formats import FORMATS, render
from mcpguard.siem.formats.otlp import rejected
from mcpguard.siem.sinks import target_of
from tests.unit.siem.test_formats import RECORDS, few, records

TRACE, PARENT, OWN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "b7ad6b7169203331"

ANSWERED: JsonObject = {
    **RECORDS[1],
    "direction": "server>host",
    "trace_id": TRACE,
    "span_id": OWN,
    "parent_id": PARENT,
    "request_id": "7",
    "duration_us": 822_336,
}


def named(attributes: Any) -> dict[str, str | int]:  # noqa: ANN401 - a repeated field
    made: dict[str, str | int] = {}
    each: KeyValue
    for each in attributes:
        kind = each.value.WhichOneof("value")
        made[each.key] = each.value.int_value if kind == "int_value" else each.value.string_value
    return made


def only(record: JsonObject) -> Span:
    """The span of `record`, out of a whole request."""
    body = FORMATS["otlp-traces"].body([render("otlp-traces", record)])
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    (scope,) = resource.scope_spans
    (span,) = scope.spans
    return span


# --- logs ----------------------------------------------------------------------------------------


def test_an_otlp_body_is_a_request_of_the_official_messages() -> None:
    body = FORMATS["otlp"].body([render("otlp", record) for record in RECORDS])
    (resource,) = ExportLogsServiceRequest.FromString(body).resource_logs
    assert named(resource.resource.attributes)["service.name"] == "mcpguard"
    (scope,) = resource.scope_logs
    assert scope.scope.name == "mcpguard.audit"
    assert [orjson.loads(each.body.string_value) for each in scope.log_records] == RECORDS
    denied = scope.log_records[3]
    assert (denied.severity_text, denied.event_name) == ("WARN", "mcpguard.decision")
    assert denied.time_unix_nano == 1795308118_832242_000
    said = named(denied.attributes)
    assert (said["mcp.method.name"], said["gen_ai.tool.name"]) == ("tools/call", "exec_shell")
    assert (said["mcpguard.reason"], said["mcpguard.seq"]) == ("not_locked", 4)


def test_a_log_record_of_a_traced_request_names_its_span() -> None:
    body = FORMATS["otlp"].body([render("otlp", ANSWERED)])
    (record,) = ExportLogsServiceRequest.FromString(body).resource_logs[0].scope_logs[0].log_records
    assert (record.trace_id.hex(), record.span_id.hex()) == (TRACE, OWN)
    told = orjson.loads(render("otlp-json", ANSWERED))
    assert (told["traceId"], told["spanId"]) == (TRACE, OWN)


@few
@given(record=records)
def test_whatever_a_record_says_its_log_record_is_one_of_the_official_messages(
    record: JsonObject,
) -> None:
    body = FORMATS["otlp"].body([render("otlp", record)])
    (made,) = ExportLogsServiceRequest.FromString(body).resource_logs[0].scope_logs[0].log_records
    assert orjson.loads(made.body.string_value) == record
    assert render("otlp-traces", record) == b""


# --- spans ---------------------------------------------------------------------------------------


def test_a_record_that_ends_a_request_is_a_span_between_host_and_server() -> None:
    span = only(ANSWERED)
    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
    assert ids == (TRACE, OWN, PARENT)
    assert (span.name, span.kind) == ("tools/call read_note", Span.SPAN_KIND_SERVER)
    assert span.start_time_unix_nano == 1795308118_000000_000
    assert span.end_time_unix_nano == 1795308118_822336_000
    assert span.flags == 0x301
    assert span.status.code == Status.STATUS_CODE_UNSET
    said = named(span.attributes)
    assert (
        said.items()
        >= {
            "mcp.method.name": "tools/call",
            "gen_ai.tool.name": "read_note",
            "gen_ai.operation.name": "execute_tool",
            "jsonrpc.request.id": "7",
            "mcp.session.id": "ef6e9d6488b0550c",
            "network.transport": "pipe",
            "mcpguard.decision": "allow",
            "mcpguard.server": "notes",
        }.items()
    )
    assert "error.type" not in said


@pytest.mark.parametrize(
    ("change", "name", "error"),
    [
        ({"outcome": "tool_error"}, "tools/call read_note", "tool_error"),
        ({"outcome": "error"}, "tools/call read_note", "jsonrpc_error"),
        ({"outcome": "off_schema"}, "tools/call read_note", ""),
        (
            {"decision": "deny", "stage": "surface", "rule": "surface.not_locked",
             "reason": "not_locked", "target": "made-up"},
            "tools/call", "mcpguard.not_locked",
        ),
        (
            {"decision": "deny", "stage": "policy", "rule": "policy.rule", "reason": "rule"},
            "tools/call read_note", "mcpguard.rule",
        ),
        (
            {"method": "notifications/cancelled", "request_method": "tools/call"},
            "tools/call read_note", "",
        ),
        ({"method": "resources/read", "target": "file:///etc"}, "resources/read", ""),
        ({"method": "prompts/get", "target": "greet"}, "prompts/get greet", ""),
    ],
)  # fmt: skip
def test_a_span_is_named_after_what_was_reviewed_and_fails_for_what_failed(
    change: JsonObject, name: str, error: str
) -> None:
    span = only({**ANSWERED, **change})
    assert span.name == name
    assert named(span.attributes).get("error.type", "") == error
    failed = Status.STATUS_CODE_ERROR if error else Status.STATUS_CODE_UNSET
    assert span.status.code == failed


@pytest.mark.parametrize(
    "change",
    [
        {"sampled": False},
        {"duration_us": "7"},
        {"duration_us": True},
        {"trace_id": ""},
        {"span_id": ""},
    ],
)
def test_what_was_not_sampled_or_is_no_end_is_no_span(change: JsonObject) -> None:
    assert render("otlp-traces", {**ANSWERED, **change}) == b""


@pytest.mark.parametrize("change", [{"trace_id": "zz"}, {"span_id": OWN[:-2]}, {"parent_id": "0"}])
def test_ids_that_are_none_are_refused(change: JsonObject) -> None:
    with pytest.raises(ValueError, match=r"hex|bytes"):
        render("otlp-traces", {**ANSWERED, **change})


def test_a_first_span_has_no_parent() -> None:
    span = only({key: value for key, value in ANSWERED.items() if key != "parent_id"})
    assert (span.parent_span_id, span.flags) == (b"", 1)


# --- answers -------------------------------------------------------------------------------------

LOGS, SPANS = ExportLogsServiceResponse, ExportTraceServiceResponse
POINTS = ExportMetricsServiceResponse
PROTOBUF, JSON = "application/x-protobuf", "application/json; charset=utf-8"


def partly(kind: Any, **counts: int) -> bytes:  # noqa: ANN401 - a generated class
    made = kind()
    made.partial_success.error_message = "too old"
    for key, value in counts.items():
        setattr(made.partial_success, key, value)
    data: bytes = made.SerializeToString()
    return data


@pytest.mark.parametrize(
    ("signal", "media", "body", "read"),
    [
        ("logs", PROTOBUF, b"", (0, "")),
        ("logs", PROTOBUF, partly(LOGS, rejected_log_records=3), (3, "too old")),
        ("traces", PROTOBUF, partly(SPANS, rejected_spans=2), (2, "too old")),
        ("metrics", PROTOBUF, partly(POINTS, rejected_data_points=1), (1, "too old")),
        ("logs", PROTOBUF, partly(LOGS, rejected_log_records=-3), (0, "too old")),
        ("logs", PROTOBUF, b"\xff<html>", (0, "")),
        ("logs", JSON, b'{"partialSuccess":{"rejectedLogRecords":"4"}}', (4, "")),
        ("logs", JSON, b'{"partialSuccess":{"errorMessage":"just so"}}', (0, "just so")),
        ("traces", JSON, b'{"partialSuccess":{"rejectedSpans":5}}', (5, "")),
        ("logs", JSON, b"{}", (0, "")),
        ("logs", JSON, b'{"partialSuccess":[]}', (0, "")),
        ("logs", JSON, b'{"partialSuccess":{"rejectedLogRecords":"many"}}', (0, "")),
        ("logs", JSON, b"<html>", (0, "")),
    ],
)  # fmt: skip
def test_an_answer_says_how_many_were_not_taken(
    signal: str, media: str, body: bytes, read: tuple[int, str]
) -> None:
    assert rejected(signal, media, body) == read


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [name for name, row in FORMATS.items() if row.needs])
@pytest.mark.parametrize("to", ["udp://h", "file:///o/out", "stderr:", "tls://h"])
def test_protobuf_goes_over_http_alone(form: str, to: str) -> None:
    with pytest.raises(UsageError, match="over HTTP alone"):
        target_of({"name": "x", "to": to, "format": form})


@pytest.mark.parametrize("form", [name for name, row in FORMATS.items() if row.needs])
def test_without_its_packages_a_format_is_an_error_that_says_what_to_install(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.proto")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(UsageError, match="the extra `otel`") as caught:
        target_of({"name": "x", "to": "https://h/", "format": form})
    assert "otlp-json" in caught.value.hint
