"""The one table of formats: each makes bytes of one record, and a body of several.

event.py     what every format says of a record
ocsf.py ecs.py lines.py syslog.py bodies.py    the formats
otlp.py      OpenTelemetry's protobuf: log records, spans of requests
tally.py     what is counted of records, for OpenTelemetry and Prometheus
controls.py  risks and controls that a denial is about

Nothing here does I/O or reads a clock.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from mcpguard.model import JsonObject
from mcpguard.siem.formats import bodies, lines, otlp
from mcpguard.siem.formats.ecs import ecs
from mcpguard.siem.formats.event import Event, event_of
from mcpguard.siem.formats.ocsf import ocsf
from mcpguard.siem.formats.syslog import framed, syslog

__all__ = ["FORMATS", "Event", "Format", "event_of", "framed", "render"]


_LIBRARY: Final = "opentelemetry.proto"


class Format(NamedTuple):
    """`render`: one record, without a line end. `body`: several, for HTTP, of type `media`.

    `bare`: it is a syslog frame itself; every other is put into one where a sink is syslog.
    `otlp`: the signal of OTLP that it is; a collector's answer is read accordingly. `needs`: a
    module of the extra `otel`; such a format is of bytes, for HTTP alone, and rendered to nothing
    where a record does not concern it. `counts`: what is sent is not records, but their tally.
    """

    help: str
    render: Callable[[Event], bytes]
    media: str
    body: Callable[[Sequence[bytes]], bytes] = bodies.newlines
    bare: bool = False
    otlp: str = ""
    needs: str = ""
    counts: bool = False


FORMATS: Final[Mapping[str, Format]] = {
    "ocsf": Format(
        "OCSF 1.8.0: API Activity; Detection Finding for drift and scan findings",
        ocsf,
        "application/x-ndjson",
    ),
    "ecs": Format("Elastic Common Schema 9.4", ecs, "application/x-ndjson"),
    "hec": Format(
        "Splunk HTTP Event Collector", bodies.hec, "application/json", bodies.concatenated
    ),
    "cef": Format("ArcSight CEF:0", lines.cef, "text/plain; charset=utf-8"),
    "leef": Format("QRadar LEEF 2.0", lines.leef, "text/plain; charset=utf-8"),
    "syslog": Format(
        "RFC 5424 with structured data; the record as JSON in the message",
        syslog,
        "text/plain; charset=utf-8",
        bare=True,
    ),
    "otlp": Format(
        "OpenTelemetry log records in protobuf, over HTTP (the extra `otel`)",
        otlp.log,
        otlp.MEDIA,
        otlp.logs_body,
        otlp="logs",
        needs=_LIBRARY,
    ),
    "otlp-json": Format(
        "the same in OTLP's JSON encoding, which needs no extra",
        bodies.otlp,
        "application/json",
        bodies.otlp_body,
        otlp="logs",
    ),
    "otlp-traces": Format(
        "OpenTelemetry spans, one a request, with `telemetry.trace` (`otel`)",
        otlp.span,
        otlp.MEDIA,
        otlp.spans_body,
        otlp="traces",
        needs=_LIBRARY,
    ),
    "otlp-metrics": Format(
        "OpenTelemetry metrics of what was decided, every ten seconds (`otel`)",
        bodies.json,
        otlp.MEDIA,
        b"".join,
        otlp="metrics",
        needs=_LIBRARY,
        counts=True,
    ),
    "json": Format("the record as it is in the log", bodies.json, "application/x-ndjson"),
}
"""Name, as in `audit.sinks` and `audit export --format`."""


def render(name: str, record: JsonObject, host: str = "") -> bytes:
    """One record of the machine `host` in the format of that name, without a line end."""
    return FORMATS[name].render(event_of(record, host))
