"""`mcpguard metrics`: counts of all sessions of this machine, for Prometheus."""

import signal
import threading
from collections import Counter
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import click

from mcpguard.cli import reach, render
from mcpguard.cli.audit.ship import found
from mcpguard.config.loading import load
from mcpguard.config.values import place_of
from mcpguard.errors import UsageError

__all__ = ["metrics"]


@click.command()
@click.argument("logs", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--listen", metavar="HOST:PORT", help="Serve them at a port of 127.0.0.1 or ::1, until ended."
)
@click.option("--once", is_flag=True, help="Print them, whatever the settings say.")
@click.option("--config", type=click.Path(path_type=Path), help="The user's file of settings.")
def metrics(logs: tuple[Path, ...], listen: str | None, config: Path | None, *, once: bool) -> int:
    """Count what was decided, in Prometheus' text format.

    Reads the audit logs LOGS, by default every one of this machine's sessions, and asks the
    sessions that run how many calls wait for a person. With --listen, or `telemetry.listen` in the
    settings, it serves /metrics there; one of it is for all sessions. Else it prints them once.

    Exit codes: 0 shown, or ended by a signal; 2 it could not be found out.
    """
    if find_spec("prometheus_client") is None:
        raise UsageError(
            "metrics for Prometheus need the packages of the extra `otel`",
            hint="install mcpguard-daemon[otel]",
        )
    from mcpguard.siem.exposition import Exporter, Gathering, text

    for log in logs:
        if not log.is_file():
            raise UsageError(f"{log}: there is no such log", hint="see: mcpguard audit show")
    settings = load(config).settings
    place = "" if once else listen or settings.telemetry.listen
    gathering = Gathering(found(logs, settings.audit.log), settings.audit.sinks, _waiting)
    if not place:
        render.answer(text(gathering).splitlines())
        return 0
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    exporter = Exporter(gathering, *place_of(place))
    render.talk(f"mcpguard: serving http://{place}/metrics")
    exporter.run(stop)
    return 0


def _waiting() -> Mapping[str, int]:
    """As the sessions that run say; one that does not answer says nothing."""
    waiting: Counter[str] = Counter()
    for one in reach.each(reach.chosen(""), lambda line: line.ask("status")):
        told = one.result
        count = told.get("waiting") if isinstance(told, dict) else None
        if isinstance(count, int):
            waiting[one.found.server] += count
    return waiting
