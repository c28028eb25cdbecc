"""`mcpguard audit ship`: the audit log in a security team's tools."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import click
import orjson

from mcpguard.audit.logfile import logs_in
from mcpguard.audit.verify import begin_of
from mcpguard.cli import render
from mcpguard.cli.audit import choosing
from mcpguard.cli.audit.choosing import files_of
from mcpguard.config.flags import data_dir
from mcpguard.config.loading import load
from mcpguard.errors import UsageError
from mcpguard.model import JsonObject
from mcpguard.siem import shipping
from mcpguard.siem.sinks import lacking, target_of

__all__ = ["found", "ship_command"]

LAST_LINES = 1.0
"""Seconds after a session in which its stderr still gets what a sink writes there."""

MAX_ORDER = 1024 * 1024
"""Bytes of what a session says should be delivered."""


@click.command(name="ship")
@click.argument("logs", nargs=-1, type=click.Path(path_type=Path))
@click.option("--config", type=click.Path(path_type=Path), help="The user's file of settings.")
@click.option("--once", is_flag=True, help="Deliver what waits, and end.")
@click.option("--status", is_flag=True, help="Deliver nothing; show how far each sink is.")
@click.option("--session", is_flag=True, hidden=True)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="Of --status."
)
@click.pass_context
def ship_command(  # noqa: PLR0917 - one option each
    context: click.Context,
    logs: tuple[Path, ...],
    config: Path | None,
    once: bool,
    status: bool,
    session: bool,
    form: str,
) -> None:
    """Deliver the audit log to its sinks (`audit.sinks`).

    Sessions start this by themselves for their own log. By hand it delivers what is left of
    sessions that have ended, or runs as a service for all of them: LOGS, by default every log in
    the data directory, until it is ended. Nothing is sent twice: a cursor beside the log says how
    far each sink is.

    Exit codes: 0 delivered; 1 not all of it: records still wait for a collector, were refused by
    it or were deleted before it had them, or a log cannot be read; 2 no sink is configured, a log
    that was named cannot be read, or another process delivers one: what is free is delivered first.
    """
    if session:
        _for_session()
        return
    audit = load(config).settings.audit
    targets = audit.sinks
    if not targets:
        raise UsageError(
            "no sink is configured",
            hint="name one under `audit.sinks`; `mcpguard config path` says in which file",
        )
    find = found(logs, audit.log)
    if status:
        _show([*shipping.states(find(), targets)], form)
    elif once:
        context.exit(0 if shipping.once(find(), targets, _say, audit.host) else 1)
    else:
        stop = _stopped_by_signals()
        shipping.follow(find, targets, _say, stop, host=audit.host)


def found(logs: Sequence[Path], configured: str) -> Callable[[], list[Path]]:
    """Finds the logs that are meant: `logs`, else every one of the data directory, and ours."""
    if logs:
        named = choosing.logs(logs)
        for each in named:
            begin_of(files_of(each)[-1])
        return lambda: [*named]
    folder = data_dir() / "audit"
    own = Path(configured) if configured else None

    def find() -> list[Path]:
        beside = _family(own) if own is not None else []
        return [*dict.fromkeys([*_logs_in(folder), *beside])]

    return find


def _family(log: Path) -> list[Path]:
    """The log and its siblings, of sessions that ran beside each other."""
    near = _logs_in(log.parent)
    return [each for each in near if each == log or _is_sibling(each, log)]


def _logs_in(folder: Path) -> list[Path]:
    """Those there are now, one whose parts alone are left included: the folder may come later."""
    with suppress(OSError):
        return logs_in(folder)
    return []


def _is_sibling(path: Path, log: Path) -> bool:
    lead, _, number = path.stem.rpartition(".")
    return lead == log.stem and number.isdecimal() and path.suffix == log.suffix


def _stopped_by_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _for_session() -> None:
    """What a session asks for, in one line on stdin; its end is the end of stdin."""
    line = sys.stdin.buffer.readline(MAX_ORDER)
    if not line.endswith(b"\n"):
        return  # it ended before it had a log
    order = orjson.loads(line)
    targets = [target_of(each) for each in order["sinks"]]
    over = threading.Event()
    threading.Thread(target=_await_end, args=(over,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the session
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    log = Path(order["log"])
    say = _say if order["tell"] else _quiet
    shipping.follow(lambda: [log], targets, say, stop, over, host=order["host"])


def _await_end(over: threading.Event) -> None:
    while sys.stdin.buffer.read(MAX_ORDER):
        pass
    over.set()
    threading.Event().wait(LAST_LINES)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the host waits for the end of what we inherited


def _say(text: str) -> None:
    render.talk(f"mcpguard: {render.printable(text)}")


def _quiet(_: str) -> None:
    """The session's stderr is not ours."""


def _show(states: Sequence[shipping.State], form: str) -> None:
    if form == "json":
        render.answer([render.json_text([_as_json(each) for each in states])])
        return
    render.answer(_as_text(states))


def _as_json(state: shipping.State) -> JsonObject:
    return {
        "log": str(state.log),
        "sink": state.target.name,
        "to": state.target.to,
        "format": state.target.format,
        "delivered": state.cursor.delivered,
        "waiting": state.waiting,
        "given_up": state.cursor.given_up,
        "lost": state.cursor.lost,
        "error": _trouble(state),
    }


def _as_text(states: Sequence[shipping.State]) -> Iterator[str]:
    for log in dict.fromkeys(state.log for state in states):
        yield render.printable(str(log))
        for state in (each for each in states if each.log == log):
            cursor = state.cursor
            yield (
                f"  {state.target.name}: {cursor.delivered:,} delivered, {state.waiting:,} waiting,"
                f" {cursor.given_up:,} given up, {cursor.lost:,} lost"
            )
            if trouble := _trouble(state):
                yield f"    {render.printable(trouble)}"


def _trouble(state: shipping.State) -> str:
    """Why it delivers nothing: what it lacks now, else what the last delivery said."""
    target = state.target
    lacks = [f"{target.name}: {why}" for _, why in lacking(target, os.environ)]
    return "; ".join(lacks) or state.cursor.error
