"""Plain JSON, Splunk's HEC and OTLP logs: the record as it is, in the envelope of each."""

from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from mcpguard.model import Json, JsonObject
from mcpguard.siem.formats.event import PRODUCT, VERSION, Event

__all__ = ["concatenated", "hec", "json", "newlines", "otlp", "otlp_body"]

_OTLP_SEVERITY: Final[Mapping[int, tuple[int, str]]] = {
    1: (9, "INFO"),
    2: (10, "INFO2"),
    3: (13, "WARN"),
    4: (17, "ERROR"),
    5: (18, "ERROR2"),
}
"""SeverityNumber and its short name, of the OpenTelemetry logs data model."""

_OTLP_NAMES: Final = {
    "method": "mcp.method.name",
    "session": "mcpguard.session.id",
    "principal": "mcpguard.principal",
    "server": "mcpguard.server",
    "decision": "mcpguard.decision",
    "stage": "mcpguard.stage",
    "rule": "mcpguard.rule",
    "reason": "mcpguard.reason",
    "mode": "mcpguard.mode",
    "hash": "mcpguard.hash",
}


def json(event: Event) -> bytes:
    """The record as it stands in the log, with its hash: what a chain can be checked by."""
    return orjson.dumps(event.record)


def hec(event: Event) -> bytes:
    """An event for Splunk's HTTP Event Collector; `time` in seconds."""
    index: JsonObject = {"uid": event.uid, "severity": event.severity, "action": event.fate.word}
    return orjson.dumps(
        {
            "time": event.ms / 1000,
            "source": PRODUCT,
            "sourcetype": f"{PRODUCT}:{'decision' if event.text('decision') else 'event'}",
            "event": event.record,
            "fields": index,
        }
    )


def otlp(event: Event) -> bytes:
    """A LogRecord in OTLP's JSON encoding: 64-bit integers are texts, names lowerCamelCase."""
    number, text = _OTLP_SEVERITY[event.severity]
    named = {to: event.text(key) for key, to in _OTLP_NAMES.items() if event.text(key)}
    if event.text("method") == "tools/call" and event.text("target"):
        named["gen_ai.tool.name"] = event.text("target")
    attributes: list[Json] = [_attribute(key, value) for key, value in named.items()]
    attributes.append({"key": "mcpguard.seq", "value": {"intValue": str(event.number("seq"))}})
    nanoseconds = str(event.ms * 1_000_000)
    return orjson.dumps(
        {
            "timeUnixNano": nanoseconds,
            "observedTimeUnixNano": nanoseconds,
            "severityNumber": number,
            "severityText": text,
            "eventName": f"mcpguard.{event.text('event') or 'decision'}",
            "body": {"stringValue": orjson.dumps(event.record).decode()},
            "attributes": attributes,
        }
    )


def _attribute(key: str, value: str) -> JsonObject:
    return {"key": key, "value": {"stringValue": value}}


def newlines(rendered: Sequence[bytes]) -> bytes:
    """One a line (NDJSON, when they are JSON)."""
    return b"".join(each + b"\n" for each in rendered)


def concatenated(rendered: Sequence[bytes]) -> bytes:
    """One behind the other, as the HEC takes several."""
    return b"".join(rendered)


_RESOURCE: Final[JsonObject] = {
    "attributes": [
        _attribute("service.name", PRODUCT),
        _attribute("service.version", VERSION),
    ]
}
_SCOPE: Final[JsonObject] = {"name": f"{PRODUCT}.audit", "version": VERSION}


def otlp_body(rendered: Sequence[bytes]) -> bytes:
    """An ExportLogsServiceRequest with these LogRecords."""
    begin = b'{"resourceLogs":[{"resource":%b,"scopeLogs":[{"scope":%b,"logRecords":['
    return begin % (orjson.dumps(_RESOURCE), orjson.dumps(_SCOPE)) + b",".join(rendered) + b"]}]}]}"
