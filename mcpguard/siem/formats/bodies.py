"""Plain JSON, Splunk's HEC and OTLP logs: the record as it is, in the envelope of each."""

from collections.abc import Sequence
from typing import Final

import orjson

from mcpguard.model import Json, JsonObject
from mcpguard.siem.formats.event import PRODUCT, VERSION, Event
from mcpguard.siem.formats.otlp import NAMES, SEVERITIES, also

__all__ = ["concatenated", "hec", "json", "newlines", "otlp", "otlp_body"]


def json(event: Event) -> bytes:
    """The record as it stands in the log, with its hash: what a chain can be checked by."""
    return orjson.dumps(event.record)


def hec(event: Event) -> bytes:
    """An event for Splunk's HTTP Event Collector; `time` in seconds."""
    index: JsonObject = {"uid": event.uid, "severity": event.severity, "action": event.fate.word}
    return orjson.dumps(
        {
            "time": event.ms / 1000,
            **({"host": event.host} if event.host else {}),
            "source": PRODUCT,
            "sourcetype": f"{PRODUCT}:{'decision' if event.text('decision') else 'event'}",
            "event": event.record,
            "fields": index,
        }
    )


def otlp(event: Event) -> bytes:
    """A LogRecord in OTLP's JSON encoding: 64-bit integers are texts, names lowerCamelCase."""
    number, text = SEVERITIES[event.severity]
    named = {to: event.text(key) for key, to in NAMES.items() if event.text(key)}
    named |= {key: value for key, value in also(event).items() if value}
    if event.tool:
        named["gen_ai.tool.name"] = event.tool
    attributes: list[Json] = [_attribute(key, value) for key, value in named.items()]
    attributes.append({"key": "mcpguard.seq", "value": {"intValue": str(event.number("seq"))}})
    if event.text("trace_id"):
        named_ids = {"traceId": event.text("trace_id"), "spanId": event.text("span_id")}
    else:
        named_ids = {}
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
            **named_ids,
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
