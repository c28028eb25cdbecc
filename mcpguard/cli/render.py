"""How answers look: stdout is the answer, stderr the talk; a server's text is made printable.

Colour only on a terminal, never with NO_COLOR. JSON has every invisible character escaped.
"""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from errno import EPIPE
from typing import Final, TextIO

import click
import orjson

from mcpguard.daemon.log import printable
from mcpguard.errors import McpguardError, UsageError
from mcpguard.model import Finding, ItemKind, Json, Severity
from mcpguard.wire import exact

__all__ = [
    "FORM",
    "MOST",
    "PLURALS",
    "OutputError",
    "agreed",
    "answer",
    "as_json",
    "counted",
    "counts",
    "error_lines",
    "examples",
    "finding_lines",
    "hung",
    "json_text",
    "needs_subcommand",
    "painted",
    "plain",
    "printable",
    "talk",
    "width",
    "written",
]

MOST = 2**31 - 1
"""The greatest number of things that an option may ask for: what any list can hold."""

MISUSED = 2
"""Exit code without a subcommand: nothing was found out."""

MAX_WIDTH = 100
"""Columns. Longer lines are hard to read; a narrower terminal is followed."""

_CODES: Final[Mapping[str, str]] = {
    "bold": "1",
    "dim": "2",
    "critical": "1;31",
    "moderate": "33",
    "info": "36",
    "good": "32",
}

PLURALS: Final[Mapping[ItemKind, str]] = {
    ItemKind.TOOL: "tools",
    ItemKind.PROMPT: "prompts",
    ItemKind.RESOURCE: "resources",
    ItemKind.TEMPLATE: "resource templates",
}
"""The words for several of a kind."""


FORM = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
"""`--format`, of commands whose answer is for a person or for a program."""


def needs_subcommand(context: click.Context) -> None:
    """Of a group that was given none: ends the command with its help, as talk, and exit code 2."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(MISUSED)


def agreed(question: str) -> bool:
    """Whether a person says yes. Raises UsageError when nobody answers; Abort at Ctrl-C."""
    try:
        return click.confirm(question, err=True)
    except click.exceptions.Abort as error:
        if not isinstance(error.__context__, EOFError):
            raise
        talk("")
        raise UsageError(
            "nobody is here to be asked: the input has ended", hint="run it in a terminal"
        ) from None


def answer(lines: Iterable[str]) -> None:
    """Write `lines` to stdout. Raises OutputError."""
    told = list(lines)
    with written():
        _write(sys.stdout, told)


@contextmanager
def written() -> Iterator[None]:
    """What is written to stdout in it, is, or OutputError says that it is not."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        raise OutputError(error.errno) from error


def unwritten(more: str = "") -> "OutputError | None":
    """That what was written to stdout until now, and `more`, cannot be; None when it is."""
    try:
        sys.stdout.write(more)
        sys.stdout.flush()
    except OSError as error:
        return OutputError(error.errno)
    return None


def abandon() -> None:
    """Nothing more goes to stdout: what it holds, and the interpreter's end, fail no further."""
    with suppress(OSError):  # a stream that has no descriptor holds nothing back
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class OutputError(McpguardError):
    """Nobody has the answer: stdout takes nothing any more, for the reason `number` (an errno)."""

    def __init__(self, number: int | None) -> None:
        self.closed = number == EPIPE
        super().__init__(
            f"the output cannot be written: {os.strerror(number or 0)}",
            hint="what was to be found out is not known by this; write it elsewhere",
        )


def talk(*lines: str) -> None:
    """Write `lines` to stderr; where nobody listens, the exit code alone tells."""
    with suppress(OSError):
        if sys.stderr is not None:
            _write(sys.stderr, lines)


def _write(stream: TextIO, lines: Iterable[str]) -> None:
    # What the terminal's encoding lacks is shown as an escape, never an error.
    encoding = stream.encoding or "utf-8"
    text = "".join(line + "\n" for line in lines)
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def painted(style: str, text: str, stream: TextIO | None = None) -> str:
    """`text` in a style of `_CODES` where `stream` (stdout if None) shows colours."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if _colours(stream or sys.stdout) else text


def _colours(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def width() -> int:
    """Columns to fill."""
    return min(shutil.get_terminal_size((MAX_WIDTH, 24)).columns, MAX_WIDTH)


def error_lines(error: McpguardError, command: str = "") -> list[str]:
    """What went wrong and where, then what to do next."""
    head, *rest = error.message.split("\n")
    who = f"mcpguard {command}".strip()
    lines = [f"{painted('critical', who, sys.stderr)}: {printable(head)}"]
    lines += ["  " + printable(line.strip()) for line in rest]
    if error.hint:
        lines.append(f"  next: {printable(error.hint)}")
    return lines


def examples(*commands: str) -> str:
    """The end of a command's help: `commands`, a line each, as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {each}" for each in commands)])


def json_text(value: Json, *, indent: bool = True) -> str:
    """`value` as JSON in which nothing is invisible or obeyed by a terminal."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else 0).decode()
    except orjson.JSONEncodeError:  # lone surrogates, integers beyond 64 bits
        dump = exact.dumps_indented if indent else exact.dumps_exact
        text = dump(value).decode().rstrip("\n")
    return "\n".join("".join(map(_json_char, line)) for line in text.split("\n"))


def _json_char(char: str) -> str:
    """Only strings hold such characters, so the escape of JSON (RFC 8259 section 7) always fits."""
    if printable(char) == char:
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def as_json(findings: Sequence[Finding]) -> list[Json]:
    """Findings under their documented keys."""
    return [
        {
            "rule": each.rule,
            "severity": each.severity.value,
            "where": each.where,
            "message": each.message,
            "evidence": dict(each.evidence),
        }
        for each in findings
    ]


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """How many findings of each severity."""
    return {each.value: sum(f.severity is each for f in findings) for each in Severity}


def counted(numbers: Mapping[ItemKind, int]) -> str:
    """`19 tools, 4 prompts`: what there is, without what there is not."""
    parts = [
        f"{number} {PLURALS[kind] if number != 1 else kind.singular}"
        for kind, number in numbers.items()
        if number
    ]
    return ", ".join(parts) or "nothing"


def finding_lines(findings: Sequence[Finding], *, evidence: bool = False) -> list[str]:
    """One block a finding, in the given order: severity and sentence, then where."""
    lines: list[str] = []
    for each in findings:
        label = painted(each.severity.value, f"{each.severity.value:<9}")
        lines += hung(label, 10, printable(each.message))
        if each.where:
            lines.append(" " * 10 + painted("dim", printable(each.where)))
        if evidence:
            lines += [" " * 10 + line for line in _evidence_lines(each.evidence)]
    return lines


_MARKS: Final[Mapping[str, str]] = {"before": "-", "after": "+"}


def _evidence_lines(evidence: Mapping[str, Json]) -> list[str]:
    lines: list[str] = []
    for key, value in evidence.items():
        mark = _MARKS.get(key)
        if mark is not None and value is not None:
            lines += _wrapped(f"{mark} ", plain(value))
    return lines


def plain(value: Json) -> str:
    """A string as it is, anything else as JSON; printable, on one line."""
    return printable(value if isinstance(value, str) else json_text(value, indent=False))


def _wrapped(prefix: str, text: str) -> list[str]:
    columns = max(width() - 10 - len(prefix), 20)
    parts = textwrap.wrap(text, columns, break_on_hyphens=False) or [""]
    return [prefix + part for part in parts]


def hung(label: str, indent: int, text: str) -> list[str]:
    """`text` wrapped behind `label`, further lines at `indent`."""
    parts = textwrap.wrap(text, max(width() - indent, 20), break_on_hyphens=False) or [""]
    return [f"{label} {parts[0]}", *(" " * indent + part for part in parts[1:])]
