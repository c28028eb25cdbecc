"""`mcpguard diff`: all that changed, in full, and a `vary` entry for what never stays the same."""

from collections.abc import Sequence
from pathlib import Path

import click

from mcpguard.cli import compare, look, render
from mcpguard.config import flags
from mcpguard.lock import drift
from mcpguard.lock.lockfile import Lockfile, Vary
from mcpguard.lock.surface import Surface, pinned
from mcpguard.model import ItemKind, Json

__all__ = ["diff"]


@click.command(context_settings={"allow_interspersed_args": False})
@look.lock_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    show_default=True,
)
@look.timeout_option
@look.command_argument
def diff(*, lock: Path, form: str, timeout: float, command: Sequence[str]) -> int:
    """Show every difference between a server and its lockfile. Without CMD, of the locked command.

    The command is started even where it, or a file it runs, is not the reviewed one.
    Where only texts differ the server is started once more: a text that differs between two runs of
    the same server is proposed as a `vary` entry, to be reviewed and added to the lockfile by hand.

    Exit codes: 0 no difference; 1 there is one; 2 it could not be found out.
    """
    argv = flags.command(command)
    locked = look.read_lockfile(lock)
    seen = compare.drift_of(locked, argv, timeout=timeout, unreviewed=True)
    proposed: Sequence[Vary] = ()
    if seen.surface is not None and seen.findings and _only_texts(locked, seen.surface):
        again = compare.drift_of(locked, argv, timeout=timeout, unreviewed=True)
        if again.surface is not None:
            proposed = drift.propose_vary(seen.surface, again.surface)
    _FORMS[form](locked, lock, seen, proposed)
    if form == "text" and seen.findings and not proposed:
        words = ("--", *argv) if argv else ()
        update = flags.typed("lock", "--update", "-o", str(lock), *words)
        render.talk(render.printable(f"  next: when the change is meant: {update}"))
    return int(bool(seen.findings))


def _text(locked: Lockfile, lock: Path, seen: compare.Seen, proposed: Sequence[Vary]) -> None:
    name = render.printable(locked.name)
    if not seen.findings:
        render.answer([f"{name}: no difference from {lock}"])
        return
    render.answer(render.finding_lines(seen.findings, evidence=True))
    numbers = ", ".join(f"{n} {word}" for word, n in render.counts(seen.findings).items() if n)
    render.answer(["", f"{name}: {numbers} against {lock}"])
    if proposed:
        render.answer(
            [
                "",
                "Two runs of the server differ in these places. Where that is meant, review",
                f"this and add it to {lock}:",
                render.json_text({"vary": _vary_json(proposed)}),
            ]
        )


def _json(locked: Lockfile, lock: Path, seen: compare.Seen, proposed: Sequence[Vary]) -> None:
    document: Json = {
        "server": locked.name,
        "lockfile": str(lock),
        "drift": render.as_json(seen.findings),
        "summary": dict(render.counts(seen.findings)),
        "vary": _vary_json(proposed),
    }
    render.answer([render.json_text(document)])


def _sarif(_locked: Lockfile, lock: Path, seen: compare.Seen, _vary: Sequence[Vary]) -> None:
    render.answer([compare.sarif_text(seen.findings, lock)])


_FORMS = {"text": _text, "json": _json, "sarif": _sarif}


def _vary_json(proposed: Sequence[Vary]) -> list[Json]:
    return [{"pointer": each.pointer, "pattern": each.pattern} for each in proposed]


def _only_texts(locked: Lockfile, live: Surface) -> bool:
    """The same names with definitions of the same shape: nothing but strings can differ."""
    return all(
        locked.items[kind].keys() == live.of(kind).keys()
        and all(
            _shape(item.definition) == _shape(pinned(kind, live.of(kind)[name]))
            for name, item in locked.items[kind].items()
        )
        for kind in ItemKind
    )


def _shape(value: Json) -> Json:
    """`value` with every string emptied."""
    if isinstance(value, dict):
        return {key: _shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_shape(each) for each in value]
    return "" if isinstance(value, str) else value
