"""Spans and metrics of a real session at a receiver that reads OTLP, and receivers that refuse."""

import os
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeAlias

import orjson
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from prometheus_client.parser import text_string_to_metric_families

from mcpguard.siem.shipping import Courier
from mcpguard.siem.sinks import target_of
from tests.faults.collectors import Receiver, free_port
from tests.tools import ROOT
from tests.unit.audit.logs import written
from tests.unit.daemon.test_run import INITIALIZE, SERVER, Place
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.faults

Object: TypeAlias = dict[str, Any]

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

TELLING = SERVER.replace(
    "    else:\n",
    '    elif m.get("method") == "tools/call":\n'
    '        text = json.dumps(m["params"])\n'
    '        r = {"content": [{"type": "text", "text": text}]}\n'
    "    else:\n",
)
"""A server whose tool says with which parameters it was called."""


def asked(given: int, name: str, **meta: object) -> bytes:
    params: Object = {"name": name, "arguments": {"b": 1.5, "a": "x"}}
    more = {"_meta": meta} if meta else {}
    request = {"id": given, "method": "tools/call", "params": {**params, **more}}
    return orjson.dumps({"jsonrpc": "2.0", **request}) + b"\n"


CALLS = (
    INITIALIZE
    + b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n'
    + asked(2, "echo", traceparent=f"00-{TRACE}-{PARENT}-01", tracestate="v=1", other=[1])
    + asked(3, "echo")
    + asked(4, "made-up", traceparent=f"00-{TRACE}-{PARENT}-01")
    + asked(5, "echo", traceparent=f"00-{TRACE}-{PARENT}-00")
)


def session(folder: Path, settings: str) -> tuple[Place, dict[int, Object]]:
    """A session of these calls; what it answered, by id."""
    place = Place(folder, TELLING)
    config = folder / "c.yaml"
    config.write_text(settings)
    done = place.run("--lock", str(place.lock), "--config", str(config), given=CALLS)
    assert done.returncode == 0, done.stderr
    answers = [orjson.loads(line) for line in done.stdout.splitlines()]
    return place, {each["id"]: each for each in answers}


def received(answer: Object) -> Object:
    """The parameters that the server was called with."""
    told: Object = orjson.loads(answer["result"]["content"][0]["text"])
    return told


def sink(name: str, receiver: Receiver) -> str:
    where = f"https://127.0.0.1:{receiver.port}/v1/{name}"
    form = "otlp" if name == "logs" else f"otlp-{name}"
    return f"    - {{name: {name}, to: '{where}', ca: {receiver.cert}, format: {form}}}\n"


def spans_of(receiver: Receiver) -> dict[str, Span]:
    """What arrived, by the id of the request."""
    made: dict[str, Span] = {}
    for post in receiver.posts:
        if post.path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(post.body).resource_spans:
                for span in resource.scope_spans[0].spans:
                    said = {each.key: each.value.string_value for each in span.attributes}
                    made[said["jsonrpc.request.id"]] = span
    return made


@pytest.mark.guarantee("telemetry:own-span-to-the-server")
def test_a_trace_goes_from_the_host_through_the_proxy_to_the_server(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path)
    names = ("logs", "traces", "metrics")
    sinks = "".join(sink(name, receiver) for name in names)
    _, answers = session(tmp_path, f"telemetry: {{trace: on}}\naudit:\n  sinks:\n{sinks}")
    until(lambda: {"1", "2", "3", "4"} <= spans_of(receiver).keys(), str(receiver.posts)[:500])
    until(lambda: {post.path for post in receiver.posts} >= {f"/v1/{name}" for name in names}, "")
    spans = spans_of(receiver)

    called, own = received(answers[2]), spans["2"]
    assert (own.trace_id.hex(), own.parent_span_id.hex()) == (TRACE, PARENT)
    assert called["_meta"] == {
        "traceparent": f"00-{TRACE}-{own.span_id.hex()}-01",
        "tracestate": "v=1",
        "other": [1],
    }
    assert list(called["arguments"].items()) == [("b", 1.5), ("a", "x")]
    assert own.name == "tools/call echo"
    assert 0 < own.end_time_unix_nano - own.start_time_unix_nano < 20 * 10**9

    first = spans["3"]
    assert first.parent_span_id == b""
    told = received(answers[3])["_meta"]["traceparent"]
    assert told == f"00-{first.trace_id.hex()}-{first.span_id.hex()}-03"

    denied = spans["4"]
    assert (denied.trace_id.hex(), denied.parent_span_id.hex()) == (TRACE, PARENT)
    assert (denied.status.code, denied.name) == (Status.STATUS_CODE_ERROR, "tools/call")

    assert received(answers[5])["_meta"]["traceparent"].endswith("-00")  # passed on, not sent
    assert "5" not in spans
    assert len({span.span_id for span in spans.values()}) == len(spans)

    logs = [post for post in receiver.posts if post.path == "/v1/logs"]
    assert all((each.coding == "gzip") is (len(each.body) >= 1024) for each in receiver.posts)
    first_batch = ExportLogsServiceRequest.FromString(logs[0].body).resource_logs[0].scope_logs[0]
    assert first_batch.log_records[0].event_name == "mcpguard.session.start"
    wanted = {"mcpguard.decisions", "mcpguard.denials", "mcp.server.operation.duration"}
    until(lambda: wanted <= last_counts(receiver), lambda: str(last_counts(receiver)))
    receiver.stop()


def last_counts(receiver: Receiver) -> set[str]:
    """The names of the metrics that came last: an early export has those that were counted."""
    counts = [post for post in receiver.posts if post.path == "/v1/metrics"]
    (scoped,) = ExportMetricsServiceRequest.FromString(counts[-1].body).resource_metrics
    return {each.name for each in scoped.scope_metrics[0].metrics}


@pytest.mark.guarantee("telemetry:untouched-when-off")
def test_without_the_setting_the_server_is_given_what_the_host_sent(tmp_path: Path) -> None:
    place, answers = session(tmp_path, "audit: {durability: grouped}\n")
    meta = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "v=1", "other": [1]}
    assert received(answers[2])["_meta"] == meta
    assert "_meta" not in received(answers[3])
    assert b"span_id" not in place.log().read_bytes()


# --- answers that are no plain yes ---------------------------------------------------------------


def courier(folder: Path, receiver: Receiver, records: int) -> tuple[Courier, list[str]]:
    written(folder / "log.jsonl", records)
    where = f"https://127.0.0.1:{receiver.port}/v1/logs"
    said: list[str] = []
    target = target_of({"name": "t", "to": where, "ca": str(receiver.cert), "format": "otlp"})
    made = Courier(folder / "log.jsonl", target, said.append)
    assert made.begin()
    return made, said


@pytest.mark.guarantee("telemetry:otlp-answers")
@pytest.mark.parametrize(
    ("status", "delivered", "given_up", "failing"),
    [
        (429, 0, 0, True),
        (502, 0, 0, True),
        (503, 0, 0, True),
        (504, 0, 0, True),
        (401, 0, 0, True),
        (404, 0, 0, True),
        (302, 0, 0, True),
        (500, 0, 5, False),
        (501, 0, 5, False),
        (418, 0, 5, False),
        (413, 5, 0, False),
        (400, 5, 0, False),
    ],
)
def test_a_status_says_whether_a_batch_comes_again_goes_in_parts_or_is_given_up(
    tmp_path: Path, status: int, delivered: int, given_up: int, failing: bool
) -> None:
    receiver = Receiver(tmp_path, answers=[status])
    made, _ = courier(tmp_path, receiver, 3)
    assert (made.step() > 0) is failing
    receiver.stop()
    made.end()
    assert (made.cursor.delivered, made.cursor.given_up) == (delivered, given_up)
    assert len(receiver.refused) == 1


@pytest.mark.guarantee("telemetry:otlp-answers")
def test_what_a_receiver_does_not_take_of_a_batch_is_counted_and_not_sent_again(
    tmp_path: Path,
) -> None:
    receiver = Receiver(tmp_path)
    answer = ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = 2
    answer.partial_success.error_message = "too \x1b[31mold"
    receiver.said = answer.SerializeToString()
    made, said = courier(tmp_path, receiver, 3)
    assert made.step() == 0.0
    assert made.step() > 0
    receiver.stop()
    made.end()
    assert (made.cursor.delivered, made.cursor.given_up, len(receiver.posts)) == (3, 2, 1)
    assert said[0].endswith("2 were not taken: too \x1b[31mold")


def counted(receiver: Receiver) -> list[int]:
    """Decisions that each message of metrics tells of."""
    found = []
    for post in receiver.posts:
        (made,) = ExportMetricsServiceRequest.FromString(post.body).resource_metrics
        by_name = {each.name: each for each in made.scope_metrics[0].metrics}
        points = by_name["mcpguard.decisions"].sum.data_points
        found.append(sum(point.as_int for point in points))
    return found


def test_metrics_are_sent_at_their_pace_and_the_rest_of_them_at_the_end(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path, answers=[200, 200, 503])
    log = tmp_path / "log.jsonl"
    where = f"https://127.0.0.1:{receiver.port}/v1/metrics"
    given = {"name": "m", "to": where, "ca": str(receiver.cert), "format": "otlp-metrics"}
    target = target_of(given)
    written(log, 600)
    made = Courier(log, target, sinks=[target])
    assert made.begin()
    assert made.step() == 0.0  # a whole batch: more waits
    assert made.step() == 0.0
    assert made.step() > 1
    written(log, 5)
    assert made.step() > 1
    assert counted(receiver) == [500 - 1, 600]
    assert made.step(last=True) > 0  # 503: nothing is lost, and nothing is counted twice
    assert made.step(last=True) == 0.0
    assert counted(receiver)[-1] == 605
    made.end()
    receiver.stop()


@pytest.mark.guarantee("telemetry:this-machine-alone")
def test_the_exporter_serves_a_sessions_counts_until_it_is_ended(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "audit"
    folder.mkdir(parents=True)
    written(folder / "log.jsonl", 3)
    place = f"127.0.0.1:{free_port()}"
    home = {"MCPGUARD_DATA_DIR": str(tmp_path / "data"), "MCPGUARD_CONFIG_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "mcpguard", "metrics", "--listen", place]
    env = {**os.environ, "PYTHONPATH": str(ROOT), **home}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=env) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            assert said == f"mcpguard: serving http://{place}/metrics\n".encode()
            line = HTTPConnection(place, timeout=PATIENCE)
            line.request("GET", "/metrics")
            body = line.getresponse().read().decode()
            line.close()
            found = {each.name for each in text_string_to_metric_families(body)}
            assert "mcpguard_decisions" in found
        finally:
            process.terminate()
        assert process.wait(PATIENCE) == 0


def test_a_proxy_without_telemetry_imports_nothing_of_it(tmp_path: Path) -> None:
    place = Place(tmp_path)
    code = (
        "import sys; from mcpguard.__main__ import main\nmain(sys.argv[1:])\n"
        "late = ('mcpguard.wire.tracing', 'mcpguard.siem', 'opentelemetry', 'prometheus_client')\n"
        "print([m for m in sys.modules if m.startswith(late)], file=sys.stderr)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, "proxy", "--lock", str(place.lock)],
        input=INITIALIZE, capture_output=True, check=True,
        env={**os.environ, "MCPGUARD_DATA_DIR": str(place.data)},
    )  # fmt: skip
    assert done.stderr == b"[]\n"
