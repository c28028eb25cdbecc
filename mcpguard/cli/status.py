"""`mcpguard status`: what runs now, under which lockfile, and how it goes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from mcpguard.cli import reach, render
from mcpguard.cli.reach import Outcome, field
from mcpguard.control import kill
from mcpguard.model import Json
from mcpguard.trust.score import word

__all__ = ["status"]


@click.command()
@reach.SESSION
@click.option("--stats", is_flag=True, help="The numbers of each session as well.")
@render.FORM
def status(*, session: str, stats: bool, form: str) -> int:
    """Show the sessions that run now.

    Server, process, lockfile, mode, preset, who calls and with which score, calls let through and
    denied, what waits for approval, and the audit log. Asks each session on its control socket;
    nothing is started or changed.

    Exit codes: 0 shown, also when nothing runs; 2 a session that is there could not be asked.
    """
    found = reach.chosen(session)
    outcomes = list(reach.each(found, lambda line: line.ask("status")))
    numbers = list(reach.each(found, lambda line: line.ask("stats"))) if stats else []
    switches = [*kill.engaged(reach.home())]
    if form == "json":
        told = reach.shown_json(outcomes, "status")
        for one, more in zip(told, reach.shown_json(numbers, "stats"), strict=False):
            if isinstance(one, dict) and isinstance(more, dict):
                one["stats"] = more.get("stats")
        render.answer([render.json_text({"sessions": told, "kill_switch": [*map(str, switches)]})])
    else:
        render.answer(_text(outcomes, numbers, switches))
    return reach.code_of([*outcomes, *numbers])


def _text(
    outcomes: Sequence[Outcome], numbers: Sequence[Outcome], switches: Sequence[Path]
) -> Iterator[str]:
    for path in switches:
        text = f"The kill switch is on: {path} (off: {kill.way_off(path)})"
        yield render.printable(text)
    if not outcomes:
        yield reach.NOBODY.capitalize()
        yield "A host starts its own; which are wrapped: mcpguard hosts"
    for at, one in enumerate(outcomes):
        yield from _session(one)
        if at < len(numbers):
            yield from _numbers(numbers[at])


def _session(one: Outcome) -> Iterator[str]:
    told = one.result
    if one.error is not None or not isinstance(told, dict):
        why = one.error.message if one.error else "it says nothing"
        yield f"session {one.found.session}: cannot be asked: {render.printable(why)}"
        return
    mode = ", ".join(filter(None, (field(told, "mode"), field(told, "preset"))))
    yield f"{field(told, 'server')}: {mode}, since {field(told, 'since')}"
    waiting = field(told, "waiting", "0")
    lines = {
        "session": f"{field(told, 'session')}, process {field(told, 'pid')}",
        "lockfile": _lockfile(told.get("lockfile")),
        "caller": _caller(told),
        "calls": _calls(told),
        "waiting": waiting + ("" if waiting == "0" else " (see: mcpguard approve list)"),
        "audit log": field(told, "audit_log") or "none",
    }
    for name, text in lines.items():
        yield f"  {name:<10}{text}"
    yield from _blocked(told.get("blocked"))
    yield from map(_policy, _rows(told.get("policies")))
    yield from _ignored(told.get("ignored"))
    if told.get("killed") is True:
        yield "  killed: it is ending"


def _calls(told: Json) -> str:
    text = f"{field(told, 'allowed', '0')} let through, {field(told, 'denied', '0')} denied"
    would = field(told, "would_deny", "0")
    return text if would == "0" else f"{text}; enforce would have denied {would} of them"


def _blocked(told: Json) -> Iterator[str]:
    """Who and what is blocked, one line each."""
    if not isinstance(told, dict):
        return
    names = [f"tool {render.printable(str(name))}" for name in _rows(told.get("tools"))]
    for what in [*(f"the {who}" for who in ("caller", "server") if told.get(who) is True), *names]:
        yield f"  {'blocked':<10}{what} (see: mcpguard trust blocks)"


def _rows(told: Json) -> Sequence[Json]:
    return told if isinstance(told, list) else ()


def _policy(told: Json) -> str:
    """One that approvers set beside the settings."""
    return f"  {'policy':<10}{field(told, 'glob')}: {field(told, 'fields')} by {field(told, 'key')}"


def _ignored(told: Json) -> Iterator[str]:
    """What stands in the store as a policy and is none."""
    if isinstance(told, dict) and told.get("count"):
        yield f"  {'ignored':<10}{field(told, 'count')} in the store (see: mcpguard trust policies)"


def _lockfile(told: Json) -> str:
    return " ".join(filter(None, (field(told, "path"), field(told, "digest")))) or "none"


def _caller(told: Json) -> str:
    score = told.get("score") if isinstance(told, dict) else None
    standing = f" ({word(max(0, score))})" if type(score) is int else ""
    who, level = field(told, "principal", "nobody"), field(told, "level", "0")
    return f"{who}, level {level}, score {field(told, 'score', '0')}{standing}"


def _numbers(one: Outcome) -> Iterator[str]:
    if isinstance(one.result, dict):
        yield from reach.numbers(one.result)
