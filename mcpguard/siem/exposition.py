"""The counts for Prometheus: of all logs of this machine, as text, on a port of this machine alone.

One exporter reads what every session writes: a session opens no port, and its counts outlive it
(decision 0022). Needs the extra `otel`.
"""

import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, ClassVar, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from mcpguard.errors import UsageError
from mcpguard.siem.formats.tally import (
    BOUNDS,
    COUNTER,
    GAUGE,
    HISTOGRAM,
    Durations,
    Metric,
    Queue,
    Tally,
)
from mcpguard.siem.shipping import states
from mcpguard.siem.sinks import Target
from mcpguard.siem.spool import Cursor, Spool

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric as Family

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

__all__ = ["Exporter", "Gathering", "text"]

REQUEST_TIME = 10.0
"""Seconds for a request to arrive: nobody holds a thread by saying nothing."""

_NAMES: Final = ("127.0.0.1", "[::1]", "localhost")
"""What a request may call this machine. A web page that has its own name lead here may not read."""

_PORT_DIGITS: Final = 5
"""Of the largest port, 65535."""

_UNITS: Final = {"s": "_seconds"}
"""What Prometheus adds to a name for its unit."""

Waiting = Callable[[], Mapping[str, int]]
"""Calls that wait for a person, by server, as running sessions say."""


class Gathering:
    """Counts of all logs that `find` finds, from their beginning on. Of any thread.

    `targets`: the sinks whose queues are told. `waiting`: asked at each look.
    """

    def __init__(
        self, find: Callable[[], Sequence[Path]], targets: Sequence[Target], waiting: Waiting
    ) -> None:
        self._find = find
        self._targets = targets
        self._waiting = waiting
        self._cursors: dict[Path, Cursor] = {}
        self._tally = Tally()
        self._lock = threading.Lock()

    def collect(self) -> "Iterable[Family]":
        """What was counted until now; prometheus_client asks for it."""
        with self._lock:
            logs = self._find()
            for log in logs:
                self._read(log)
            queues = [
                Queue(each.log.stem, each.target.name, each.waiting, each.cursor.missed)
                for each in states(logs, self._targets)
            ]
            return _families(self._tally, queues, self._waiting())

    def describe(self) -> "Iterable[Family]":
        """Nothing is read for it."""
        return ()

    def _read(self, log: Path) -> None:
        spool, cursor = Spool(log), self._cursors.get(log, Cursor())
        with suppress(OSError):  # what cannot be read counts as nothing
            while lines := spool.take(cursor).lines:
                for line in lines:
                    cursor = line.passed(cursor)
                    with suppress(ValueError):  # neither does what is no record
                        self._tally.take(line.record())
        self._cursors[log] = cursor


def _families(tally: Tally, queues: Sequence[Queue], waiting: Mapping[str, int]) -> "list[Family]":
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    kinds: dict[str, Callable[..., Any]] = {
        COUNTER: CounterMetricFamily,
        GAUGE: GaugeMetricFamily,
        HISTOGRAM: HistogramMetricFamily,
    }
    made: dict[Metric, Any] = {}
    for metric, labels, value in tally.points(queues, waiting):
        if metric not in made:
            name = metric.name.replace(".", "_") + _UNITS.get(metric.unit, "")
            named = [label.replace(".", "_") for label in metric.labels]
            made[metric] = kinds[metric.kind](name, metric.help, labels=named)
        if isinstance(value, Durations):
            made[metric].add_metric(labels, [*_buckets(value.buckets)], value.total)
        else:
            made[metric].add_metric(labels, value)
    return list(made.values())


def _buckets(counts: Sequence[int]) -> Iterator[tuple[str, int]]:
    """Upper bound, and how many were not above it."""
    below = 0
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), counts, strict=True):
        below += count
        yield bound, below


def registry(gathering: Gathering) -> "CollectorRegistry":
    """With these counts alone."""
    from prometheus_client import CollectorRegistry

    made = CollectorRegistry(auto_describe=False)
    made.register(gathering)
    return made


def text(gathering: Gathering) -> str:
    """The counts now, in Prometheus' text format."""
    from prometheus_client import generate_latest

    return generate_latest(registry(gathering)).decode()


class Exporter:
    """Serves `/metrics` at a place of this machine. Raises UsageError when it cannot be had."""

    def __init__(self, gathering: Gathering, host: str, port: int) -> None:
        kind = _Server6 if ":" in host else _Server
        try:
            self._server = kind((host, port), _Request)
        except OSError as error:
            raise UsageError(
                f"{host}:{port}: nothing can listen there: {error.strerror}",
                hint="one exporter serves all sessions of a machine: is it running already?",
            ) from error
        self.port: int = self._server.server_port
        self._server.set_app(_guarded(registry(gathering)))

    def run(self, stop: threading.Event) -> None:
        """Until `stop`."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True, name="metrics")
        thread.start()
        stop.wait()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family: int = socket.AF_INET6


class _Request(WSGIRequestHandler):
    timeout: ClassVar[float | None] = REQUEST_TIME

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Who asked what is nobody's business."""


def _guarded(counts: "CollectorRegistry") -> Callable[..., Iterable[bytes]]:
    """The library's application, for requests that call this machine by its own name."""
    from prometheus_client import make_wsgi_app

    app = make_wsgi_app(counts)

    def guarded(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if not _is_ours(str(environ.get("HTTP_HOST", ""))):
            start("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"this is for 127.0.0.1 alone\n"]
        answer: Iterable[bytes] = app(environ, start)
        return answer

    return guarded


def _is_ours(host: str) -> bool:
    """Whether it is one of `_NAMES`, alone or with a port (RFC 9110 section 7.2), and no more."""
    rest = next((host[len(name) :] for name in _NAMES if host.lower().startswith(name)), None)
    if not rest:
        return rest == ""
    port = rest[1:]
    digits = port.isascii() and port.isdigit() and len(port) <= _PORT_DIGITS
    return rest[0] == ":" and (digits or not port)
