"""`mcpguard audit show` and `tail`: records as lines for people, or as they are for programs."""

import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path
from typing import Self, Unpack

import click
import orjson

from mcpguard.audit.record import MAX_LINE, recorded
from mcpguard.cli import render
from mcpguard.cli.audit.choosing import Choice, Given, choice_of, choosing, logs, newest, records
from mcpguard.errors import AuditError
from mcpguard.model import UP, Json, JsonObject
from mcpguard.private import regular

__all__ = ["line_of", "show_command", "tail_command"]

SHOWN = 50
"""Records on a terminal when no number is given; a program gets all."""

LAST = 10
"""Records that `tail` begins with."""

AT_ONCE = 500
"""Lines of one write."""

LOOK_SECONDS = 0.25
"""Seconds between two looks of `tail -f`: soon for a person, nothing for the machine."""

TARGET = 28
"""Columns of what a record is about; more is cut."""

CALLER, SESSION = 14, 6
"""Columns of who called, and of the beginning of the session's id."""

COLUMNS = 160
"""Of a line on a terminal that is no wider; more is cut. Elsewhere nothing is: see `_columns`."""

_STYLES = {"allow": "good", "deny": "critical", "would_deny": "moderate", "drop": "moderate"}
_FORM = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "jsonl"]),
    help="Default: text on a terminal, jsonl otherwise.",
)
_FILES = click.argument("files", type=click.Path(path_type=Path), nargs=-1, metavar="[FILE]...")


@click.command(
    name="show",
    short_help="Show records, by time, tool or decision.",
    epilog=render.examples(
        "mcpguard audit show --since 2h --decision deny",
        "mcpguard audit show files.jsonl --tool 'read_*' --limit 20",
    ),
)
@_FILES
@choosing
@click.option(
    "--limit", type=click.IntRange(0, render.MOST), metavar="N", help="The newest N; 0: all."
)
@_FORM
def show_command(
    files: tuple[Path, ...], limit: int | None, form: str | None, **given: Unpack[Given]
) -> None:
    """Show the records of the logs FILE with their earlier parts, or of all logs of this user.

    On a terminal the newest 50, a line each; otherwise all, as they stand in the log (jsonl). Every
    option that can be given several times takes what any of them names.

    Exit codes: 0 shown, 2 it could not be found out.
    """
    as_text = _as_text(form)
    most = limit if limit is not None else SHOWN if as_text else 0
    chosen = logs(files)
    choice = choice_of(given)
    found = newest(chosen, choice, most) if most else records(chosen, choice)
    if not _print(found, as_text=as_text, named=len(chosen) > 1):
        _tell_none()


@click.command(name="tail", short_help="Show the newest records, and those to come.")
@_FILES
@choosing
@click.option("-n", "--limit", type=click.IntRange(0, render.MOST), default=LAST, show_default=True)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@_FORM
def tail_command(
    files: tuple[Path, ...], limit: int, follow: bool, form: str | None, **given: Unpack[Given]
) -> None:
    """Show the newest records of the logs FILE, or of all logs of this user.

    With -f it goes on until it is interrupted, also in the file that follows one set aside.

    Exit codes: 0 shown, 2 it could not be found out.
    """
    as_text, choice, chosen = _as_text(form), choice_of(given), logs(files)
    with ExitStack() as stack:
        # Before the newest are read, so that nothing falls between the two.
        live = [each for each in chosen if each in files or each.exists()] if follow else []
        ends = [stack.enter_context(_End(file)) for file in live]
        begun = newest(chosen, choice, limit)
        _print(begun, as_text=as_text, named=len(chosen) > 1)
        if not begun and limit and not follow:
            _tell_none()
        told = {str(record.get("hash")) for record in begun}
        stack.enter_context(suppress(KeyboardInterrupt))  # how it ends
        while ends:
            for end in ends:
                fresh = (each for each in end.new(choice) if str(each.get("hash")) not in told)
                _print(fresh, as_text=as_text, named=len(chosen) > 1)
            time.sleep(LOOK_SECONDS)


class _End:
    """The end of one log: gives what is written behind it."""

    def __init__(self, path: Path) -> None:
        """Raises AuditError when it cannot be read."""
        self._path = path
        self._rest = b""
        try:
            self._file = regular(path)
        except OSError as error:
            raise AuditError(
                f"{path}: the audit log cannot be read: {error.strerror}",
                hint="check the name and the permissions",
            ) from error
        self._file.seek(0, 2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def new(self, choice: Choice) -> Iterator[JsonObject]:
        """The records since the last look. In the next file too, when this one was set aside."""
        while True:
            moved = self._moved()  # before reading: what it says is then all there is
            for line in self._lines():
                record = recorded(line)
                if record and choice.takes(record):
                    yield record
            if not moved:
                return
            self._file.close()
            self._file, self._rest = regular(self._path), b""

    def _lines(self) -> list[bytes]:
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        if len(self._rest) > MAX_LINE:
            self._rest = b""
        return lines

    def _moved(self) -> bool:
        try:
            named = self._path.stat()
        except FileNotFoundError:
            return False  # between two names
        opened = self._file
        return (named.st_dev, named.st_ino) != _identity(opened.fileno())


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def _as_text(form: str | None) -> bool:
    return form == "text" or (form is None and sys.stdout.isatty())


def _print(found: Iterable[JsonObject], *, as_text: bool, named: bool) -> int:
    """How many there were."""
    most = _columns()
    lines = (
        line_of(each, named=named, columns=most) if as_text else _as_json(each) for each in found
    )
    count = 0
    while some := list(islice(lines, AT_ONCE)):
        render.answer(some)
        count += len(some)
    return count


def _columns() -> int | None:
    """Of a line on this terminal; None where a program reads, or a file is written."""
    if not sys.stdout.isatty():
        return None
    return max(COLUMNS, shutil.get_terminal_size().columns)


def _tell_none() -> None:
    """An empty answer is one: it is not mistaken for a command that did nothing."""
    render.talk("mcpguard audit: no record fits")


def _as_json(record: JsonObject) -> str:
    """As it stands in the log, unless a terminal would obey some of it."""
    text = orjson.dumps(record).decode()
    plain = text.isascii() and text.isprintable()
    return text if plain else render.json_text(record, indent=False)


# --- a line for people ---------------------------------------------------------------------------


def line_of(record: JsonObject, *, named: bool, columns: int | None = COLUMNS) -> str:
    """`record` on one line: when (UTC), which, who, what became of what, and why.

    `named`: and the server. `columns`: what is beyond is cut; None: what it is about and why stand
    whole.
    """
    at = _text(record, "ts")[:19].replace("T", " ")
    session = _cut(render.printable(_text(record, "session")), SESSION, more="")
    head = render.printable(f"{at}Z  {_text(record, 'seq')[:20]:>6}  ")
    head += f"{session:<{SESSION}}  "
    if named:
        head += f"{render.printable(_text(record, 'server'))[:12]:<12}  "
    if "event" in record:
        return head + render.painted("dim", _within(_event(record), columns, len(head)))
    head += f"{_cut(render.printable(_text(record, 'principal')), CALLER):<{CALLER}}  "
    word = _text(record, "decision")
    label = f"{render.printable(word[:20]):<10}"
    decision = render.painted(_STYLES[word], label) if word in _STYLES else label
    arrow = "->" if record.get("direction") == UP else "<-"
    target = _text(record, "target")
    about = _text(record, "method") + (f" {target}" if target else "")
    shown = f"{_within(render.printable(about), columns and TARGET):<{TARGET}}"
    rest = f"  {arrow} {shown}  {_why(record)}".rstrip()
    rest = _within(rest, columns, len(head) + len(label))
    return (head + decision + rest).rstrip()


def _within(text: str, columns: int | None, used: int = 0) -> str:
    return text if columns is None else _cut(text, columns - used)


def _cut(text: str, most: int, more: str = "…") -> str:
    return text if len(text) <= most else text[: most - len(more)] + more


def _why(record: JsonObject) -> str:
    """The rule that decided, or those that remarked on it, and the sentence.

    No stage for what was simply allowed.
    """
    rule, stage, reason = (_text(record, key) for key in ("rule", "stage", "reason"))
    if not rule and record.get("decision") == "allow":
        rule = _remarks(record)
    elif not rule:
        rule = f"{stage}.{reason}"
    told = (f"[{rule}]" if rule else "", _text(record, "detail"))
    return render.printable(" ".join(each for each in told if each))


def _remarks(record: JsonObject) -> str:
    """The rules of its findings, each `RULE WHERE`."""
    found = record.get("findings")
    rules = [str(each).partition(" ")[0] for each in found] if isinstance(found, list) else []
    return ", ".join(dict.fromkeys(rules))


_LATER = {
    "v",
    "seq",
    "session",
    "ts",
    "server",
    "principal",
    "event",
    "hash",
    "previous",
    "root",
    "peaks",
    "signature",
}


def _event(record: JsonObject) -> str:
    """An event's name, and what it says in few words."""
    rest = {
        key: value
        for key, value in record.items()
        if key not in _LATER and value not in ("", {}, [])
    }
    told = ", ".join(f"{key} {_short(value)}" for key, value in rest.items() if _words(value))
    return render.printable(f"{_text(record, 'event')}  {told}".rstrip())


def _short(value: Json) -> str:
    return _cut(render.printable(_words(value)), 2 * TARGET)


def _words(value: Json) -> str:
    """A field in words; of counts those that are not 0, of findings their rules."""
    match value:
        case dict() if "rule" in value:
            return _words(value["rule"])
        case dict():
            each = [f"{_words(number)} {name}" for name, number in value.items() if number]
            return " and ".join(each)
        case list():
            return " and ".join(dict.fromkeys(map(_words, value)))
        case str():
            return value
        case _:
            return render.plain(value)


def _text(record: JsonObject, key: str) -> str:
    value = record.get(key)
    return "" if value is None else str(value)
