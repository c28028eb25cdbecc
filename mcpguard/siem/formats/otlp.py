"""OTLP in protobuf: log records, and the spans of the requests that records tell of.

Needs the extra `otel`, which is imported when the first record is rendered. Names are those of
OpenTelemetry's conventions for MCP (in development, so they are written down here), else under
`mcpguard`. Nothing of a request's arguments or of its result is in a record, so nothing is here.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import orjson

from mcpguard.model import JsonObject
from mcpguard.siem.formats.event import PRODUCT, VERSION, Event

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource

__all__ = [
    "MEDIA",
    "NAMES",
    "SEVERITIES",
    "also",
    "attributes",
    "error_type",
    "log",
    "logs_body",
    "nanoseconds",
    "rejected",
    "scope",
    "span",
    "spans_body",
]

MEDIA: Final = "application/x-protobuf"

SEVERITIES: Final[Mapping[int, tuple[int, str]]] = {
    1: (9, "INFO"),
    2: (10, "INFO2"),
    3: (13, "WARN"),
    4: (17, "ERROR"),
    5: (18, "ERROR2"),
}
"""SeverityNumber and its short name, of the OpenTelemetry logs data model."""

NAMES: Final = {
    "method": "mcp.method.name",
    "session": "mcp.session.id",
    "principal": "mcpguard.principal",
    "server": "mcpguard.server",
    "decision": "mcpguard.decision",
    "stage": "mcpguard.stage",
    "rule": "mcpguard.rule",
    "reason": "mcpguard.reason",
    "mode": "mcpguard.mode",
    "hash": "mcpguard.hash",
    "request_id": "jsonrpc.request.id",
    "by": "user.name",
    "key": "user.id",
    "why": "mcpguard.why",
}
"""A record's field, and the attribute that holds it."""

_TARGETS: Final = {
    "tools/call": "gen_ai.tool.name",
    "prompts/get": "gen_ai.prompt.name",
    "resources/read": "mcp.resource.uri",
    "resources/subscribe": "mcp.resource.uri",
    "resources/unsubscribe": "mcp.resource.uri",
}
"""What a method's target is called."""

_IN_NAMES: Final = frozenset(("gen_ai.tool.name", "gen_ai.prompt.name"))
"""Those that stand in a span's name; URIs are too many."""

_UNKNOWN: Final = frozenset(("surface", "wire"))
"""Stages that deny names nobody reviewed: as part of a span's name they would be without number."""

_OUTCOMES: Final = {"tool_error": "tool_error", "error": "jsonrpc_error"}
"""`error.type` of an answer that says it failed."""

_REMOTE: Final = 0x300
"""Span flags: the parent is known to be of another process (SpanFlags in trace.proto)."""

_TRACE, _SPAN = 16, 8
"""Bytes of an id."""

_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LAST: Final = 2**64 - 1
"""Nanoseconds, Unix. What a fixed64 holds, in which OTLP has its times: until the year 2554."""


def nanoseconds(text: str) -> int:
    """Since 1970, of an RFC 3339 time, as far as OTLP can tell it; 0 for what is none."""
    try:
        return _told((datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND * 1000)
    except (ValueError, TypeError, OverflowError):
        return 0


def _told(time: int) -> int:
    return min(_LAST, max(0, time))


def attributes(named: Mapping[str, str | int]) -> "list[KeyValue]":
    """As OTLP has them; empty texts are left out. What no UTF-8 can be made of is replaced."""
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

    made = []
    for key, value in named.items():
        if isinstance(value, int):
            made.append(KeyValue(key=key, value=AnyValue(int_value=value)))
        elif value:
            text = value.encode("utf-8", "replace").decode()
            made.append(KeyValue(key=key, value=AnyValue(string_value=text)))
    return made


def _resource() -> "Resource":
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource

    said = {"service.name": PRODUCT, "service.version": VERSION}
    return Resource(attributes=attributes(said))


def scope(name: str) -> "InstrumentationScope":
    """Who made it: a part of mcpguard."""
    from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope

    return InstrumentationScope(name=f"{PRODUCT}.{name}", version=VERSION)


def _id(event: Event, key: str, size: int) -> bytes:
    """Of so many bytes, or none. Raises ValueError for another text."""
    found = bytes.fromhex(event.text(key))
    if found and len(found) != size:
        raise ValueError(f"{key} is of {len(found)} bytes, not {size}")
    return found


def also(event: Event) -> dict[str, str]:
    """The attributes that are no field of the record as it is; empty where it has none."""
    return {"host.name": event.host, "mcpguard.server": event.server}


def _method(event: Event) -> str:
    return event.text("request_method") or event.text("method")


def _named(event: Event) -> dict[str, str | int]:
    """The attributes of a record."""
    named: dict[str, str | int] = {to: event.text(key) for key, to in NAMES.items()}
    method, target = _method(event), event.text("target")
    named["mcp.method.name"] = method
    named |= also(event)
    if target and method in _TARGETS:
        named[_TARGETS[method]] = target
    elif event.tool:
        named["gen_ai.tool.name"] = event.tool
    named["mcpguard.seq"] = event.number("seq")
    return named


# --- logs ----------------------------------------------------------------------------------------


def log(event: Event) -> bytes:
    """A LogRecord with the record as it is in its body."""
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

    number, text = SEVERITIES[event.severity]
    when = nanoseconds(event.text("ts"))
    made = LogRecord(
        time_unix_nano=when,
        observed_time_unix_nano=when,
        severity_number=number,  # type: ignore[arg-type]  # an enumeration's number is one
        severity_text=text,
        event_name=f"{PRODUCT}.{event.text('event') or 'decision'}",
        body=AnyValue(string_value=orjson.dumps(event.record).decode()),
        attributes=attributes(_named(event)),
        trace_id=_id(event, "trace_id", _TRACE),
        span_id=_id(event, "span_id", _SPAN),
    )
    return made.SerializeToString()


def logs_body(rendered: Sequence[bytes]) -> bytes:
    """An ExportLogsServiceRequest."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

    records = [LogRecord.FromString(each) for each in rendered]
    scoped = ScopeLogs(scope=scope("audit"), log_records=records)
    resource = ResourceLogs(resource=_resource(), scope_logs=[scoped])
    return ExportLogsServiceRequest(resource_logs=[resource]).SerializeToString()


# --- spans ---------------------------------------------------------------------------------------


def span(event: Event) -> bytes:
    """The Span of a record with which a request ended; nothing for any other, or one not sampled.

    Raises ValueError for ids that are none.
    """
    record = event.record
    if type(record.get("duration_us")) is not int or record.get("sampled") is False:
        return b""
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    parent = _id(event, "parent_id", _SPAN)
    ended = nanoseconds(event.text("ts"))
    made = Span(
        trace_id=_id(event, "trace_id", _TRACE),
        span_id=_id(event, "span_id", _SPAN),
        parent_span_id=parent,
        flags=1 | (_REMOTE if parent else 0),
        name=_span_name(event),
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=_told(ended - event.number("duration_us") * 1000),
        end_time_unix_nano=ended,
        attributes=attributes(_span_attributes(event)),
    )
    if error := error_type(event.record):
        made.status.code = made.status.STATUS_CODE_ERROR
        made.status.message = event.text("rule") or error
    return made.SerializeToString() if made.trace_id and made.span_id else b""


def _span_name(event: Event) -> str:
    """`tools/call NAME` where the name was reviewed, else the method."""
    method, target = _method(event), event.text("target")
    known = event.text("decision") == "allow" or event.text("stage") not in _UNKNOWN
    if target and known and _TARGETS.get(method) in _IN_NAMES:
        return f"{method} {target}".encode("utf-8", "replace").decode()
    return method or "request"


def _span_attributes(event: Event) -> dict[str, str | int]:
    named = _named(event)
    named["network.transport"] = "pipe"
    if _method(event) == "tools/call":
        named["gen_ai.operation.name"] = "execute_tool"
    named["error.type"] = error_type(event.record)
    return named


def error_type(record: JsonObject) -> str:
    """`error.type`: what failed; empty where nothing did."""
    if record.get("decision") == "deny":
        return f"{PRODUCT}.{record.get('reason', '')}"
    return _OUTCOMES.get(str(record.get("outcome", "")), "")


def spans_body(rendered: Sequence[bytes]) -> bytes:
    """An ExportTraceServiceRequest."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

    spans = [Span.FromString(each) for each in rendered]
    scoped = ScopeSpans(scope=scope("proxy"), spans=spans)
    resource = ResourceSpans(resource=_resource(), scope_spans=[scoped])
    return ExportTraceServiceRequest(resource_spans=[resource]).SerializeToString()


# --- what the collector answers ------------------------------------------------------------------


def rejected(signal: str, media: str, body: bytes) -> tuple[int, str]:
    """How many of a batch it did not take for good, and why (OTLP, "Partial Success").

    `signal`: logs, traces or metrics. An answer that cannot be read says nothing: it was 2xx.
    """
    if not body:
        return 0, ""
    if media.partition(";")[0].strip() == "application/json":
        return _rejected_json(signal, body)
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    try:
        if signal == "logs":
            logs = logs_service_pb2.ExportLogsServiceResponse.FromString(body).partial_success
            return max(0, logs.rejected_log_records), logs.error_message
        if signal == "traces":
            spans = trace_service_pb2.ExportTraceServiceResponse.FromString(body).partial_success
            return max(0, spans.rejected_spans), spans.error_message
        points = metrics_service_pb2.ExportMetricsServiceResponse.FromString(body).partial_success
        return max(0, points.rejected_data_points), points.error_message
    except DecodeError:
        return 0, ""


_COUNTS: Final = {
    "logs": "rejectedLogRecords",
    "traces": "rejectedSpans",
    "metrics": "rejectedDataPoints",
}
"""Names in the JSON encoding, where a 64-bit integer is a text."""


def _rejected_json(signal: str, body: bytes) -> tuple[int, str]:
    try:
        partial = orjson.loads(body)["partialSuccess"]
        return max(0, int(partial.get(_COUNTS[signal], 0))), str(partial.get("errorMessage", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return 0, ""
