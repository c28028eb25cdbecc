"""What is counted: every metric, with labels nobody outside can add to, for OTLP and Prometheus."""

import threading
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from prometheus_client.parser import text_string_to_metric_families

from mcpguard.audit import AuditLog
from mcpguard.cli.audit.metrics import metrics
from mcpguard.errors import PolicyError, UsageError
from mcpguard.model import JsonObject
from mcpguard.siem.exposition import Exporter, Gathering, text
from mcpguard.siem.formats.tally import (
    BOUNDS,
    DECISIONS,
    DENIALS,
    DURATION,
    FINDINGS,
    MAX_SERIES,
    METRICS,
    OTHER,
    WAITING,
    Durations,
    Metric,
    Queue,
    Tally,
    message,
)
from mcpguard.siem.metering import Meter
from mcpguard.siem.sinks import target_of
from mcpguard.siem.spool import Cursor, cursor_path
from tests.unit.config.documents import Home
from tests.waiting import PATIENCE

UP, DOWN = "host>server", "server>host"
OWN = "b7ad6b7169203331"


def record(**more: Any) -> JsonObject:  # noqa: ANN401 - a record's fields
    told = {"ts": "2026-11-22T00:42:00Z", "server": "notes", "direction": UP,
            "method": "tools/call", "target": "read", "decision": "allow"}  # fmt: skip
    return {**told, **more}


def tallied(*records: JsonObject) -> Tally:
    made = Tally()
    for each in records:
        made.take(each)
    return made


def series(made: Tally, metric: Metric) -> dict[tuple[str, ...], Any]:
    return {labels: value for each, labels, value in made.points() if each is metric}


DENIED = record(target="made-up", decision="deny", stage="surface", reason="not_locked")
FOUND = record(
    decision="deny", stage="scan", reason="rule", findings=["scan.secret /a", "scan.pii /b"]
)
HELD = record(decision="hold", stage="gateway", reason="waiting", span_id=OWN)


@pytest.mark.parametrize(
    ("records", "metric", "counted"),
    [
        ([record(), record()], DECISIONS, {("notes", UP, "tools/call", "allow"): 2}),
        ([record(method="x/y")], DECISIONS, {("notes", UP, OTHER, "allow"): 1}),
        ([record(direction="a>b")], DECISIONS, {("notes", OTHER, "tools/call", "allow"): 1}),
        ([record(decision="?")], DECISIONS, {("notes", UP, "tools/call", OTHER): 1}),
        ([record(event="session.start")], DECISIONS, {}),
        ([record(server=7)], DECISIONS, {("", UP, "tools/call", "allow"): 1}),
        ([DENIED, record()], DENIALS, {("notes", "surface", "not_locked"): 1}),
        ([record(decision="would_deny", reason="odd")], DENIALS, {("notes", OTHER, OTHER): 1}),
        ([FOUND, FOUND], FINDINGS, {("notes", "scan.secret"): 2, ("notes", "scan.pii"): 2}),
        ([record(findings="no list")], FINDINGS, {}),
        ([HELD, HELD], WAITING, {("notes",): 1}),
        ([HELD, record(span_id=OWN)], WAITING, {("notes",): 0}),
        ([HELD, record(event="session.start")], WAITING, {("notes",): 0}),
        ([record(decision="hold")], WAITING, {}),
    ],
)  # fmt: skip
def test_a_record_counts_once_where_it_belongs(
    records: list[JsonObject], metric: Metric, counted: Mapping[tuple[str, ...], int]
) -> None:
    assert series(tallied(*records), metric) == counted


@pytest.mark.guarantee("telemetry:bounded-labels")
def test_names_that_nobody_reviewed_make_no_series() -> None:
    made = Tally()
    for number in range(3 * MAX_SERIES):
        made.take({**DENIED, "target": f"t{number}", "duration_us": 5, "method": "tools/call"})
        made.take(record(target=f"t{number}", direction=DOWN, duration_us=5))
        made.take(record(method=f"m{number}", reason=f"r{number}", decision="deny", stage="wire"))
    assert sum(1 for _ in made.points()) < 10
    assert {labels[2] for labels in series(made, DURATION)} == {OTHER}


@pytest.mark.guarantee("telemetry:bounded-labels")
def test_even_words_of_the_configuration_make_no_more_series_than_fit() -> None:
    made = Tally()
    for number in range(MAX_SERIES + 500):
        made.take(record(server=f"s{number}", duration_us=1, findings=[f"f{number} /a"]))
    for metric in (DECISIONS, FINDINGS, DURATION):
        found = series(made, metric)
        assert len(found) == MAX_SERIES + 1
        assert (OTHER,) * len(metric.labels) in found


def test_a_duration_is_in_the_bucket_it_is_not_above() -> None:
    asked = record(stage="trust", decision="would_deny")
    made = tallied(
        asked,
        *(record(direction=DOWN, duration_us=each) for each in (0, 10_000, 10_001, 10**12, -5)),
    )
    (held,) = series(made, DURATION).values()
    assert held.buckets[:2] == [3, 1]
    assert held.buckets[-1] == 1
    assert series(made, DURATION).keys() == {("notes", "tools/call", "read", "")}


# --- OTLP ----------------------------------------------------------------------------------------


def exported(data: bytes) -> dict[str, Any]:
    (resource,) = ExportMetricsServiceRequest.FromString(data).resource_metrics
    (scope,) = resource.scope_metrics
    return {each.name: each for each in scope.metrics}


def test_the_sums_are_a_request_of_the_official_messages() -> None:
    made = tallied(record(), DENIED, FOUND, HELD, record(direction=DOWN, duration_us=30_000))
    found = exported(message(made, "here", [Queue("log", "soc", 3, 1)]))
    assert {*found} == {metric.name for metric in METRICS}
    point = found["mcp.server.operation.duration"].histogram.data_points[0]
    assert (point.count, point.sum, len(point.bucket_counts)) == (1, 0.03, len(BOUNDS) + 1)
    assert [*point.explicit_bounds] == [*BOUNDS]
    assert point.start_time_unix_nano == 1795308120_000000_000
    decisions = found["mcpguard.decisions"].sum
    assert (decisions.is_monotonic, decisions.aggregation_temporality) == (True, 2)
    assert sum(point.as_int for point in decisions.data_points) == 5
    assert found["mcpguard.sink.queued"].gauge.data_points[0].as_int == 3


def test_a_batch_that_comes_again_counts_once(tmp_path: Path) -> None:
    meter = Meter(tmp_path / "a.jsonl", ["soc"])
    Cursor(seq=1, given_up=4, lost=1).save(cursor_path(tmp_path / "a.jsonl", "soc"))
    batch = [orjson.dumps({**record(), "seq": at, "hash": f"h{at}"}) for at in (1, 2, 3)]
    first, again = meter.message(batch), meter.message(batch[1:])
    assert first == again
    found = exported(meter.message([orjson.dumps({**record(), "seq": 4, "hash": "h4"})]))
    assert found["mcpguard.decisions"].sum.data_points[0].as_int == 4
    assert found["mcpguard.sink.queued"].gauge.data_points[0].as_int == 3
    assert found["mcpguard.sink.dropped"].gauge.data_points[0].as_int == 5


# --- Prometheus ----------------------------------------------------------------------------------


def written(path: Path, *records: JsonObject, server: str = "notes") -> None:
    log = AuditLog.open(
        path, key=bytes(32), session="s1", server=server, principal="local:x",
        clock=lambda: 1.79e9, durability="none",
    )  # fmt: skip
    front = ("ts", "server")
    log.write([({k: v for k, v in each.items() if k not in front}, b"") for each in records])
    log.close()


def parsed(shown: str) -> dict[str, dict[tuple[str, ...], float]]:
    """By the official parser: name of a sample -> values of its labels, by their names -> value."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(shown):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_all_logs_are_told_in_the_text_format_and_what_is_new_is_added(tmp_path: Path) -> None:
    odd = 'a"b\\c\nd'
    log = tmp_path / "a.jsonl"
    written(log, record(), DENIED, FOUND, record(direction=DOWN, duration_us=30_000))
    written(tmp_path / "b.jsonl", record(), server=odd)
    target = target_of({"name": "soc", "to": "udp://127.0.0.1"})
    gathering = Gathering(lambda: [log, tmp_path / "b.jsonl"], [target], lambda: {"notes": 2})
    found = parsed(text(gathering))
    assert found["mcpguard_decisions_total"]["tools/call", "allow", UP, "notes"] == 1
    assert found["mcpguard_decisions_total"]["tools/call", "allow", UP, odd] == 1
    assert found["mcpguard_denials_total"]["not_locked", "notes", "surface"] == 1
    buckets = found["mcp_server_operation_duration_seconds_bucket"]
    assert buckets["", "read", "0.02", "tools/call", "notes"] == 0
    assert buckets["", "read", "0.05", "tools/call", "notes"] == 1
    assert buckets["", "read", "+Inf", "tools/call", "notes"] == 1
    assert found["mcp_server_operation_duration_seconds_sum"].popitem()[1] == 0.03
    assert found["mcpguard_approvals_waiting"] == {("notes",): 2}
    assert found["mcpguard_sink_queued"] == {("a", "soc"): 6, ("b", "soc"): 3}
    written(log, record())
    again = parsed(text(gathering))
    assert again["mcpguard_decisions_total"]["tools/call", "allow", UP, "notes"] == 2


def get(port: int, host: str, path: str = "/metrics") -> tuple[int, bytes]:
    line = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    line.request("GET", path, headers={"Host": host})
    answer = line.getresponse()
    body = answer.read()
    line.close()
    return answer.status, body


NAMED_RIGHT = ("localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:", "[::1]", "[::1]:9464")
NAMED_WRONG = (
    "evil.example", "evil.example:9464", "127.0.0.1.evil.example", "", "[::1", "::1", ":9464",
    "x@127.0.0.1", "x:y@localhost:9464", "@localhost", "localhost@evil.example", "localhost.",
    "localhost:9464@evil.example", "127.0.0.1/", "127.0.0.1/@evil.example", "localhost?", "[::1]x",
    "127.0.0.1#x", "127.0.0.1:x", "127.0.0.1:-1", "127.0.0.1:123456", "127.0.0.1:80:80",
    "127.0.0.1 evil.example", "evil.example, localhost", "[localhost]", "[127.0.0.1]", "127.1",
    "[::1%25lo]", "[0:0::1]", "2130706433", "//localhost", "\xb2localhost", "localhost:\xb2",
)  # fmt: skip


@pytest.mark.guarantee("telemetry:this-machine-alone")
def test_a_port_of_this_machine_serves_them_to_whoever_calls_it_by_its_name(tmp_path: Path) -> None:
    written(tmp_path / "a.jsonl", record())
    exporter = Exporter(Gathering(lambda: [tmp_path / "a.jsonl"], [], dict), "127.0.0.1", 0)
    stop = threading.Event()
    thread = threading.Thread(target=exporter.run, args=(stop,))
    thread.start()
    try:
        status, body = get(exporter.port, f"127.0.0.1:{exporter.port}")
        assert (status, len(parsed(body.decode())) > 0) == (200, True)
        for host in NAMED_RIGHT:
            assert get(exporter.port, host)[0] == 200, host
        for host in NAMED_WRONG:
            assert get(exporter.port, host)[0] == 403, host
        with pytest.raises(UsageError, match="nothing can listen there"):
            Exporter(Gathering(list, [], dict), "127.0.0.1", exporter.port)
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.mark.guarantee("telemetry:this-machine-alone")
@pytest.mark.parametrize(
    "place",
    [
        "0.0.0.0:9464", "[::]:9464", ":9464", "9464", "localhost:9464", "127.0.0.2:9464",
        "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", "127.0.0.1:9464/metrics", "10.0.0.1:9464",
        "127.0.0.1.example:9464", "a@127.0.0.1:9464", "[::1:9464", "2130706433:9464", "0x7f.1:9464",
        "[::ffff:127.0.0.1]:9464", "127.0.0.1:09464", "http://127.0.0.1:9464", "/run/metrics.sock",
    ],
)  # fmt: skip
def test_no_other_place_is_listened_at(tmp_path: Path, place: str) -> None:
    with pytest.raises(PolicyError, match="no port of this machine alone") as caught:
        Home(tmp_path).load(user=f"telemetry:\n  listen: '{place}'")
    assert ":2:" in str(caught.value)


@pytest.mark.parametrize("place", ["127.0.0.1:9464", "[::1]:9464"])
def test_a_port_of_this_machine_is_a_setting(tmp_path: Path, place: str) -> None:
    settings = Home(tmp_path).load(user=f"telemetry: {{listen: '{place}', trace: on}}").settings
    assert (settings.telemetry.listen, settings.telemetry.trace) == (place, True)


def test_spans_for_nobody_are_an_error_at_the_sink(tmp_path: Path) -> None:
    sink = "{name: t, to: 'http://127.0.0.1:4318/v1/traces', format: otlp-traces}"
    given = f"audit:\n  sinks:\n    - {sink}\n"
    with pytest.raises(PolicyError, match="no spans to send to `t`"):
        Home(tmp_path).load(user=given)
    loaded = Home(tmp_path).load(user=given + "telemetry: {trace: on}")
    assert loaded.settings.audit.sinks[0].format == "otlp-traces"


def test_the_system_can_have_sessions_traced_and_no_user_turns_it_off(tmp_path: Path) -> None:
    loaded = Home(tmp_path).load(user="telemetry: {trace: off}", system="telemetry: {trace: on}")
    assert loaded.settings.telemetry.trace


def test_without_a_port_the_command_prints_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MCPGUARD_CONFIG_DIR", str(tmp_path))
    written(tmp_path / "a.jsonl", record())
    done = CliRunner().invoke(metrics, [str(tmp_path / "a.jsonl")], catch_exceptions=False)
    assert done.exit_code == 0
    assert parsed(done.stdout)["mcpguard_decisions_total"]["tools/call", "allow", UP, "notes"] == 1


def test_a_log_that_is_not_there_is_no_log_without_records(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such log"):
        CliRunner().invoke(metrics, [str(tmp_path / "no.jsonl")], catch_exceptions=False)


def test_durations_begin_at_none() -> None:
    assert Durations().buckets == [0] * (len(BOUNDS) + 1)
