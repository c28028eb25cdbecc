"""What is counted of records: one table of metrics, for OpenTelemetry and for Prometheus.

What stands in a label is a word of ours, of the configuration or of a lockfile; a name that was
never reviewed is `_OTHER`, so that whoever makes names up makes no series.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from mcpguard.audit import record as records
from mcpguard.model import DOWN, UP, JsonObject, Reason
from mcpguard.siem.formats.otlp import attributes, error_type, nanoseconds
from mcpguard.wire.methods import NOTIFICATIONS, REQUESTS

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

__all__ = [
    "BOUNDS",
    "COUNTER",
    "GAUGE",
    "HISTOGRAM",
    "METRICS",
    "OTHER",
    "Durations",
    "Metric",
    "Queue",
    "Tally",
    "message",
]

OTHER: Final = "_OTHER"
"""What OpenTelemetry's conventions put in the place of a value that is not one of a few."""

BOUNDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds: upper bounds of the buckets, as MCP's conventions advise."""

MAX_SERIES = 2000
"""Of one metric. Beyond it all labels are `_OTHER`: twenty servers of a hundred tools fit."""

MAX_WAITING = 1024
"""Calls that are remembered as waiting for a person: as many as a session holds."""

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"

_SERVER, _METHOD = "mcpguard.server", "mcp.method.name"


class Metric(NamedTuple):
    """`name` as OpenTelemetry has it. `unit`: UCUM. `labels`: in the order of a series' values."""

    name: str
    kind: str
    unit: str
    help: str
    labels: tuple[str, ...]


DECISIONS: Final = Metric(
    "mcpguard.decisions",
    COUNTER,
    "{decision}",
    "Messages that were judged, by what was decided.",
    (_SERVER, "mcpguard.direction", _METHOD, "mcpguard.decision"),
)
DENIALS: Final = Metric(
    "mcpguard.denials",
    COUNTER,
    "{denial}",
    "What was denied, or would have been, by the stage and its reason.",
    (_SERVER, "mcpguard.stage", "mcpguard.reason"),
)
FINDINGS: Final = Metric(
    "mcpguard.findings",
    COUNTER,
    "{finding}",
    "What detectors found in arguments and results.",
    (_SERVER, "mcpguard.rule"),
)
DURATION: Final = Metric(
    "mcp.server.operation.duration",
    HISTOGRAM,
    "s",
    "From a request of the host to its answer; with telemetry.trace.",
    (_SERVER, _METHOD, "gen_ai.tool.name", "error.type"),
)
WAITING: Final = Metric(
    "mcpguard.approvals.waiting",
    GAUGE,
    "{call}",
    "Calls that wait for a person now.",
    (_SERVER,),
)
QUEUED: Final = Metric(
    "mcpguard.sink.queued",
    GAUGE,
    "{record}",
    "Records of the audit log that a sink has not had yet.",
    ("mcpguard.log", "mcpguard.sink"),
)
DROPPED: Final = Metric(
    "mcpguard.sink.dropped",
    GAUGE,
    "{record}",
    "Records that a sink never gets: its collector refused them, or they were deleted before.",
    ("mcpguard.log", "mcpguard.sink"),
)

METRICS: Final = (DECISIONS, DENIALS, FINDINGS, DURATION, WAITING, QUEUED, DROPPED)
"""Every metric, in the order in which they are shown."""

Labels: TypeAlias = tuple[str, ...]


class Queue(NamedTuple):
    """How far a sink of a log is: records it has not had, and records it never gets."""

    log: str
    sink: str
    queued: int
    dropped: int


class Durations:
    """How many were how long: counts by `BOUNDS` and above; `total` in seconds."""

    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.total = 0.0


_METHODS: Final = frozenset(
    name for table in (REQUESTS, NOTIFICATIONS) for side in table.values() for name in side
)
_DECISIONS: Final = frozenset(records.DECISIONS)
_DIRECTIONS: Final = frozenset((UP, DOWN))
_REASONS: Final = frozenset(map(str, Reason))
_REVIEWED: Final = frozenset(("trust", "scan", "policy", "gateway"))
"""Stages that are asked about what the surface let through."""


class Tally:
    """Counts of records, from none on. The same records in the same order give the same counts."""

    def __init__(self) -> None:
        self.counts: dict[Metric, dict[Labels, int]] = defaultdict(dict)
        self.durations: dict[Labels, Durations] = {}
        self._tools: dict[str, set[str]] = defaultdict(set)
        self._waiting: dict[str, str] = {}
        self.first = self.last = 0
        """Nanoseconds since 1970, of the oldest and the newest record."""

    def take(self, record: JsonObject) -> None:
        """Count `record`. One of another kind than a decision says little."""
        now = nanoseconds(_text(record, "ts"))
        self.first, self.last = self.first or now, max(self.last, now)
        if _text(record, "event") in {
            "session.start",
            "session.end",
            "session.killed",
            "session.crashed",
        }:
            self._waiting.clear()  # of one log: a session that was killed leaves none behind
        if "decision" in record and "event" not in record:
            self._decided(record)
        if type(record.get("duration_us")) is int:
            self._ended(record)

    def _decided(self, record: JsonObject) -> None:
        server, decision = _text(record, "server"), _text(record, "decision")
        direction, reason = _text(record, "direction"), _text(record, "reason")
        self._learn(server, record)
        labels = (server, _of(direction, _DIRECTIONS), _method(record), _of(decision, _DECISIONS))
        self.add(DECISIONS, labels)
        if decision in {"deny", "would_deny"}:
            self.add(DENIALS, (server, _text(record, "stage") or OTHER, _of(reason, _REASONS)))
        found = record.get("findings")
        for each in found if isinstance(found, list) else ():
            self.add(FINDINGS, (server, str(each).partition(" ")[0] or OTHER))
        self._waits(server, decision, _text(record, "span_id"))

    def _learn(self, server: str, record: JsonObject) -> None:
        """A tool that the surface let through is in the lockfile."""
        passed = record["decision"] == "allow" or _text(record, "stage") in _REVIEWED
        asked = _text(record, "direction") == UP
        if passed and asked and _text(record, "method") == "tools/call":
            tools = self._tools[server]
            if len(tools) < MAX_SERIES:
                tools.add(_text(record, "target"))

    def _waits(self, server: str, decision: str, span: str) -> None:
        """Which call waits is known by its span alone."""
        if not span:
            return
        if decision == "hold" and len(self._waiting) < MAX_WAITING:
            self._waiting[span] = server
        elif decision != "hold":
            self._waiting.pop(span, None)

    def _ended(self, record: JsonObject) -> None:
        server, method = _text(record, "server"), _method(record)
        tool = _text(record, "target") if method == "tools/call" else ""
        if tool and tool not in self._tools[server]:
            tool = OTHER
        labels: Labels = (server, method, tool, error_type(record))
        if labels not in self.durations and len(self.durations) >= MAX_SERIES:
            labels = _all_other(DURATION)
        held = self.durations.setdefault(labels, Durations())
        duration = record["duration_us"]
        seconds = max(0, duration if isinstance(duration, int) else 0) / 1e6
        held.buckets[bisect_left(BOUNDS, seconds)] += 1
        held.total += seconds

    def add(self, metric: Metric, labels: Labels, count: int = 1) -> None:
        """`count` more of a series."""
        series = self.counts[metric]
        if labels not in series and len(series) >= MAX_SERIES:
            labels = _all_other(metric)
        series[labels] = series.get(labels, 0) + count

    def waiting(self) -> dict[str, int]:
        """Calls that wait for a person, by server: of those that have a span."""
        made = dict.fromkeys(self._tools, 0)
        for server in self._waiting.values():
            made[server] = made.get(server, 0) + 1
        return made

    def points(
        self, queues: Sequence[Queue] = (), waiting: Mapping[str, int] | None = None
    ) -> Iterator[tuple[Metric, Labels, int | Durations]]:
        """Every series of every metric. `waiting`: where somebody knows it better."""
        for metric in (DECISIONS, DENIALS, FINDINGS):
            for labels, count in self.counts[metric].items():
                yield metric, labels, count
        for labels, held in self.durations.items():
            yield DURATION, labels, held
        for server, count in (self.waiting() if waiting is None else waiting).items():
            yield WAITING, (server,), count
        for queue in queues:
            yield QUEUED, (queue.log, queue.sink), queue.queued
            yield DROPPED, (queue.log, queue.sink), queue.dropped


def _all_other(metric: Metric) -> Labels:
    return (OTHER,) * len(metric.labels)


def _text(record: JsonObject, key: str) -> str:
    value = record.get(key, "")
    return value if isinstance(value, str) else ""


def _of(word: str, known: frozenset[str]) -> str:
    return word if word in known else OTHER


def _method(record: JsonObject) -> str:
    return _of(_text(record, "request_method") or _text(record, "method"), _METHODS)


# --- as OTLP has it ------------------------------------------------------------------------------


def message(tally: Tally, name: str, queues: Sequence[Queue] = (), host: str = "") -> bytes:
    """An ExportMetricsServiceRequest: sums since the tally's first record (cumulative).

    `name`: tells this tally's series from those of others (`service.instance.id`). `host`: the
    machine.
    """
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )
    from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource

    from mcpguard.siem.formats.event import PRODUCT, VERSION
    from mcpguard.siem.formats.otlp import scope

    made: dict[Metric, pb.Metric] = {}
    for metric, labels, value in tally.points(queues):
        if metric not in made:
            made[metric] = _empty(metric)
        named = dict(zip(metric.labels, labels, strict=True))
        _point(made[metric], metric, tally, value, named)
    said = {"service.name": PRODUCT, "service.version": VERSION, "service.instance.id": name}
    said["host.name"] = host
    scoped = pb.ScopeMetrics(scope=scope("metrics"), metrics=made.values())
    resource = pb.ResourceMetrics(
        resource=Resource(attributes=attributes(said)), scope_metrics=[scoped]
    )
    return ExportMetricsServiceRequest(resource_metrics=[resource]).SerializeToString()


def _empty(metric: Metric) -> "pb.Metric":
    from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

    made = pb.Metric(name=metric.name, unit=metric.unit, description=metric.help)
    cumulative = pb.AGGREGATION_TEMPORALITY_CUMULATIVE
    if metric.kind == COUNTER:
        made.sum.aggregation_temporality = cumulative
        made.sum.is_monotonic = True
    elif metric.kind == HISTOGRAM:
        made.histogram.aggregation_temporality = cumulative
    return made


def _point(
    to: "pb.Metric", metric: Metric, tally: Tally, value: int | Durations, named: Mapping[str, str]
) -> None:
    labels = attributes(named)
    if isinstance(value, Durations):
        to.histogram.data_points.add(
            attributes=labels,
            start_time_unix_nano=tally.first,
            time_unix_nano=tally.last,
            count=sum(value.buckets),
            sum=value.total,
            bucket_counts=value.buckets,
            explicit_bounds=BOUNDS,
        )
    elif metric.kind == COUNTER:
        to.sum.data_points.add(
            attributes=labels,
            start_time_unix_nano=tally.first,
            time_unix_nano=tally.last,
            as_int=value,
        )
    else:
        to.gauge.data_points.add(attributes=labels, time_unix_nano=tally.last, as_int=value)
