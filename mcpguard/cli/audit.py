"""`mcpguard audit`: what was recorded. `verify` says whether it still is what was written."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import click
import orjson

from mcpguard.audit.verify import VerifyReport, verify
from mcpguard.cli.siem import export_command, ship_command
from mcpguard.model import JsonObject

__all__ = ["audit"]

SHOWN = 20
"""Problems in the text answer: the first ones matter. `--format json` has all that were found."""

QUIET_SECONDS = 1.0
"""Seconds before progress is shown."""

MISUSED = 2
"""Exit code without a subcommand: nothing was found out."""

_RESULTS = {"intact": 0, "tampered": 1, "empty": 2}
"""What verify says, and the exit code. An empty log proves nothing, so it is not a pass."""


@click.group(invoke_without_command=True)
@click.pass_context
def audit(context: click.Context) -> None:
    """The audit log: one chained record for every decision."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(MISUSED)


@audit.command(name="verify")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def verify_command(context: click.Context, file: Path, form: str) -> None:
    """Check that FILE is what was written, from its first byte to its last.

    Finds and names lines that were changed, removed, inserted, reordered or taken from another log.
    Needs nothing but the file. Cannot see that the end was cut off (a last line that is not whole
    and a session without its closing record are named) nor that the whole log was computed anew.

    Exit codes: 0 intact, 1 tampered, 2 it could not be found out (unreadable, empty, no audit log).
    """
    with _progress() as progress:
        report = verify(file, progress)
    result = _result(report)
    if form == "json":
        click.echo(orjson.dumps(_as_json(file, result, report), option=orjson.OPT_INDENT_2))
    else:
        for line in _as_text(file, result, report):
            click.echo(line)
    context.exit(_RESULTS[result])


def _result(report: VerifyReport) -> str:
    if report.problems:
        return "tampered"
    return "intact" if report.records else "empty"


def _as_json(file: Path, result: str, report: VerifyReport) -> JsonObject:
    return {
        "file": str(file),
        "result": result,
        "records": report.records,
        "sessions": report.sessions,
        "first": report.first,
        "last": report.last,
        "head": report.head,
        "torn": report.torn,
        "tail": report.tail,
        "zeros": report.zeros,
        "unclosed": list(report.unclosed),
        "complete": report.complete,
        "problems": [
            {"line": problem.line, "what": problem.what, "message": problem.message}
            for problem in report.problems
        ],
    }


def _as_text(file: Path, result: str, report: VerifyReport) -> Iterator[str]:
    headline = _HEADLINES[result]
    if result == "intact" and report.torn:
        headline = f"intact up to line {report.records}, and not whole behind it"
    yield f"{file}: {headline}"
    for problem in report.problems[:SHOWN]:
        yield f"  line {problem.line}: {problem.message}"
    if len(report.problems) > SHOWN:
        yield f"  and {len(report.problems) - SHOWN} more: --format json lists them"
    if not report.complete:
        yield f"  broken so often that reading stopped after line {report.records}"
    if report.records:
        yield from _facts(report)
    yield from _notes(report)
    if report.problems:
        yield from _next_steps(report.problems[0].line)


_HEADLINES = {
    "intact": "intact, every record is as it was written",
    "tampered": "TAMPERED, this is not what was written",
    "empty": "no whole record in it, so it proves nothing",
}


_TAILS = {
    "begun": "the beginning of a record",
    "unended": "a whole record without its line end",
}
_CAUSES = (
    "its write did not finish (a crash), the end of the log was cut off, or somebody wrote it; the"
    " file does not show which"
)


def _facts(report: VerifyReport) -> Iterator[str]:
    yield f"  records   {report.records:,}"
    yield f"  sessions  {report.sessions:,}"
    yield f"  from      {report.first}"
    yield f"  to        {report.last}"
    yield f"  head      sha256:{report.head}"


def _notes(report: VerifyReport) -> Iterator[str]:
    if report.tail:
        yield f"  torn: line {report.records + 1} is {_TAILS[report.tail]}: {_CAUSES}"
    if report.zeros:
        yield (
            f"  zeros: the file ends with {report.zeros} zero bytes: a file system leaves that"
            " after a power cut, or somebody appended them"
        )
    for session in report.unclosed[:SHOWN]:
        yield (
            f"  open: session {_printable(session)} has no closing record: it still runs, it was "
            "killed, or the log was cut"
        )
    if len(report.unclosed) > SHOWN:
        yield f"  and {len(report.unclosed) - SHOWN} more open sessions"


def _next_steps(line: int) -> Iterator[str]:
    sound = (
        f"Lines before {line} are as written." if line > 1 else "No line of it can be relied on."
    )
    yield f"{sound} Keep a copy of the file as it is, compare it with your last backup,"
    yield "and find out who could write to it. Moved away, it makes room for a new log."


def _printable(text: str) -> str:
    """Text of a file that may be an attacker's, without what a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in text[:100])


@contextmanager
def _progress() -> Iterator[Callable[[int], None] | None]:
    """Counts on stderr when it is a terminal and reading takes longer than `QUIET_SECONDS`."""
    if not sys.stderr.isatty():
        yield None
        return
    began, shown = monotonic(), False

    def show(records: int) -> None:
        nonlocal shown
        if monotonic() - began > QUIET_SECONDS:
            shown = True
            click.echo(f"\r{records:,} records", nl=False, err=True)

    try:
        yield show
    finally:
        if shown:
            click.echo("\r" + " " * 40 + "\r", nl=False, err=True)


audit.add_command(export_command)
audit.add_command(ship_command)
