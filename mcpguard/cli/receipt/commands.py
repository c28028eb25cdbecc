"""`mcpguard receipt`: what commands did on this machine, and whether that is what they wrote."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from mcpguard.audit.checkpoint import Keys, load_public
from mcpguard.audit.verify import parts_of, read
from mcpguard.cli import render
from mcpguard.cli.reach import rows
from mcpguard.config.flags import data_dir
from mcpguard.errors import AuditError, UsageError
from mcpguard.evidence.receipt import STATUSES, Problem, Report, examine, read_line, schema_text
from mcpguard.evidence.receiptlog import LOG, head_of, known_keys, lines_of
from mcpguard.model import Json, JsonObject

__all__ = ["receipt"]

SHOWN = 20
"""Problems in the text answer: the first ones matter. `--format json` has all of them."""

LAST = 20
"""Receipts that `list` shows when no number is given."""

DIGITS = 8
"""Characters of an id that are enough to name a receipt."""

_PATH = click.Path(path_type=Path)
_FILE = click.option(
    "--file", "file", type=_PATH, metavar="FILE", help="Another log. Default: this user's."
)
_SUBJECTS: Final = ("lockfile", "policy", "approval", "trust", "key", "server")
_NAMES: Final = ("path", "ticket", "name")


@click.group(invoke_without_command=True)
@click.pass_context
def receipt(context: click.Context) -> None:
    """Receipts: what commands did, signed and chained, also when the answer was no."""
    render.needs_subcommand(context)


@receipt.command(name="list")
@click.option("--command", "command", default="", metavar="NAME", help="Only of this command.")
@click.option("--status", type=click.Choice(STATUSES), help="Only those that ended so.")
@click.option(
    "--limit", type=click.IntRange(0, render.MOST), default=LAST, help="The newest N; 0: all."
)
@_FILE
@render.FORM
def list_command(
    *, command: str, status: str | None, limit: int, file: Path | None, form: str
) -> None:
    """Show the newest receipts, a line each. Says nothing of their truth: `verify` does.

    Exit codes: 0 shown, 2 they cannot be read.
    """
    found = [
        each
        for each in _read(file)
        if (not command or command in (each.get("command"), _command(each)))
        and (not status or _status(each) == status)
    ]
    chosen = found[-limit:] if limit else found
    if form == "json":
        render.answer([render.json_text(list[Json](chosen))])
    else:
        render.answer(rows([("NUMBER", "TIME", "COMMAND", "RESULT", "OF"), *map(_row, chosen)]))


@receipt.command(name="show")
@click.argument("wanted", metavar="NUMBER|ID")
@_FILE
def show_command(*, wanted: str, file: Path | None) -> None:
    """Show one receipt as it is.

    By its number, or by the first 8 or more characters of its op_id.

    Exit codes: 0 shown; 1 there is no such receipt; 2 they cannot be read.
    """
    found = [each for each in _read(file) if _named(each, wanted)]
    if len(found) != 1:
        told = f"{len(found)} receipts are" if found else "no receipt is"
        render.talk(f"mcpguard receipt: {told} {render.printable(wanted)}")
        raise click.exceptions.Exit(1)
    render.answer([render.json_text(found[0])])


@receipt.command(name="verify")
@click.option(
    "--key", "keys", type=_PATH, multiple=True, metavar="KEY.pub", help="Who may have signed."
)
@click.option(
    "--known",
    default="",
    metavar="NUMBER:HASH",
    help="A head that was kept elsewhere: the log must go as far, and agree.",
)
@click.option("--audit", is_flag=True, help="The audit logs that receipts name, too.")
@_FILE
@render.FORM
@click.pass_context
def verify_command(
    context: click.Context,
    *,
    keys: tuple[Path, ...],
    known: str,
    audit: bool,
    file: Path | None,
    form: str,
) -> None:
    """Check that every receipt is there, and as it was signed.

    Names what was changed, removed, reordered, repeated or cut off. Without --key, the public keys
    beside the log count: whoever can put one there can sign as well. With --audit, a session's
    audit log must still hold the record at which the session ended.

    Exit codes: 0 all is as it was written; 1 something is not; 2 it could not be found out
    (unreadable, there are none, no key).
    """
    path = _path(file)
    head = head_of(path.parent)
    # A log that is gone altogether is one that was cut, for the head says so.
    lines, torn = lines_of(path) if head is None or path.exists() else ([], 0)
    chosen = dict(load_public(each) for each in keys) if keys else _beside(path)
    report = examine(lines, chosen, head, _mark(known))
    if audit:
        more = tuple(_against_logs(report.receipts))
        report = report._replace(problems=report.problems + more)
    if not lines and not report.problems:
        raise AuditError(f"{path}: there is no receipt in it", hint="run a command that leaves one")
    if form == "json":
        render.answer([render.json_text(_as_json(path, report, torn))])
    else:
        render.answer(_as_text(path, report, torn, chosen))
    context.exit(int(bool(report.problems)))


@receipt.command(name="schema")
def schema_command() -> None:
    """Print the JSON Schema (2020-12) of a receipt.

    Exit codes: 0 printed.
    """
    render.answer([schema_text().rstrip("\n")])


# --- reading -------------------------------------------------------------------------------------


def _path(file: Path | None) -> Path:
    return file or data_dir() / LOG


def _read(file: Path | None) -> list[JsonObject]:
    path = _path(file)
    lines, _torn = lines_of(path)
    found = [read_line(line) for line in lines]
    unread = found.count(None)
    if unread:
        render.talk(
            f"mcpguard receipt: {unread} lines are no receipts; run: mcpguard receipt verify"
        )
    return [each for each in found if each is not None]


def _beside(path: Path) -> Keys:
    found = known_keys(path.parent)
    if not found:
        raise AuditError(
            f"{path.parent}: there is no public key beside the receipts",
            hint="name the one that signed them: --key audit-ed25519-....pub",
        )
    return found


def _mark(text: str) -> tuple[int, str] | None:
    number, colon, digest = text.partition(":")
    if not text:
        return None
    if not (colon and number.isascii() and number.isdigit() and len(number) < 16):  # noqa: PLR2004
        raise UsageError(
            f"--known {text!r}: no NUMBER:HASH", hint="as verify prints it: 12:sha256:..."
        )
    return int(number), digest


def _against_logs(receipts: Sequence[JsonObject]) -> Iterator[Problem]:
    """What the audit logs that `receipts` name do not hold any more."""
    wanted: dict[Path, dict[int, tuple[Json, Json]]] = {}
    for each in receipts:
        told = each.get("audit")
        if isinstance(told, dict) and type(told.get("seq")) is int:
            place = wanted.setdefault(Path(str(told.get("log"))), {})
            place[int(str(told["seq"]))] = (each["seq"], told.get("hash"))
    for log, records in sorted(wanted.items()):
        yield from _against_log(log, records)


def _against_log(log: Path, wanted: Mapping[int, tuple[Json, Json]]) -> Iterator[Problem]:
    try:
        hashes = {
            record.get("seq"): record.get("hash") for part in parts_of(log) for record in read(part)
        }
    except AuditError as error:
        numbers = ", ".join(str(number) for number, _ in wanted.values())
        yield Problem(0, "unread", f"unread: the audit log of receipt {numbers}: {error.message}")
        return
    for seq, (number, digest) in sorted(wanted.items()):
        found = hashes.get(seq)
        if found is None:
            told = f"receipt {number} names record {seq} of {log}, which is not there"
            yield Problem(0, "truncated", f"truncated: {told}")
        elif f"sha256:{found}" != digest:
            told = f"record {seq} of {log} is not the one that receipt {number} names"
            yield Problem(0, "forked", f"forked: {told}")


# --- showing -------------------------------------------------------------------------------------


def _named(each: JsonObject, wanted: str) -> bool:
    if wanted.isascii() and wanted.isdigit() and len(wanted) < DIGITS:
        return str(each.get("seq")) == wanted
    return len(wanted) >= DIGITS and str(each.get("op_id")).startswith(wanted.lower())


def _status(each: JsonObject) -> str:
    result = each.get("result")
    return str(result.get("status")) if isinstance(result, dict) else ""


def _row(each: JsonObject) -> tuple[str, ...]:
    result = each.get("result")
    code = result.get("exit_code") if isinstance(result, dict) else ""
    status = _status(each)
    told = f"{status} ({code})" if code else status
    time = str(each.get("ts_end"))[:19].replace("T", " ") + "Z"
    return str(each.get("seq")), time, _command(each), told, _subject(each)


_SAID = {"run": "proxy", "audit key": "(new key)"}
"""What the schema calls otherwise than the command line, or what no command of its own did."""


def _command(each: JsonObject) -> str:
    told = str(each.get("command"))
    return _SAID.get(told, told)


def _subject(each: JsonObject) -> str:
    """What a receipt is about, in a word."""
    for key in _SUBJECTS:
        told = each.get(key)
        if isinstance(told, str):
            return told
        listed = told.get("files") if isinstance(told, dict) else None
        first = listed[0] if isinstance(listed, list) and listed else told
        named = [first[name] for name in _NAMES if name in first] if isinstance(first, dict) else []
        if named:
            return str(named[0])
    return ""


def _as_json(path: Path, report: Report, torn: int) -> JsonObject:
    return {
        "file": str(path),
        "receipts": len(report.receipts),
        "head": report.head,
        "torn": torn,
        "outcome": "changed" if report.problems else "intact",
        "problems": [
            {"line": each.line, "what": each.what, "message": each.message}
            for each in report.problems
        ],
    }


def _as_text(path: Path, report: Report, torn: int, keys: Keys) -> Iterator[str]:
    name = render.printable(str(path))
    for each in report.problems[:SHOWN]:
        place = f"line {each.line}: " if each.line else ""
        yield f"{name}: {place}{render.printable(each.message)}"
    if len(report.problems) > SHOWN:
        yield f"{name}: {len(report.problems) - SHOWN} more problems"
    count = len(report.receipts)
    if not report.problems:
        good = render.painted("good", "intact")
        yield f"{name}: {good}, {count} receipts, each as it was signed"
    if torn:
        yield f"  torn      {torn} bytes behind the last line: a command was killed as it wrote"
    yield f"  head      {report.head}"
    yield f"  keys      {', '.join(sorted(keys))}"
