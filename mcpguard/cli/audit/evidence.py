"""`mcpguard audit evidence`: evidence of calls, made of a log, or checked against it."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click

from mcpguard.audit.verify import read
from mcpguard.cli import render
from mcpguard.cli.audit.choosing import files_of, sound_files_of
from mcpguard.errors import AuditError
from mcpguard.evidence.invocation import Reader, compare
from mcpguard.model import Json, JsonObject
from mcpguard.private import regular
from mcpguard.wire.exact import ExactError, strict_loads

__all__ = ["evidence_command"]

SHOWN = 20
"""Pieces that do not fit the log which are named; the first ones matter."""

_PATH = click.Path(path_type=Path)


@click.command(name="evidence", short_help="Write evidence of calls, or check some.")
@click.argument("file", type=_PATH)
@click.option("--id", "wanted", default="", metavar="ID", help="Only this piece: SESSION-NUMBER.")
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "json"]), default="jsonl", show_default=True
)
@click.option(
    "--check", "given", type=_PATH, metavar="EVIDENCE", help="Instead: whether this is of FILE."
)
@click.pass_context
def evidence_command(
    context: click.Context, *, file: Path, wanted: str, form: str, given: Path | None
) -> None:
    """Write the evidence of every call that the log FILE decided, with its earlier parts.

    One object for each attempt, allowed or denied, of sessions that ran with `audit.evidence: on`,
    with the fields of CapiscIO RFC-006 (tool invocation).
    It names the record it is made of by number and hash; made again of the same log it is the same.

    With --check, the log's chain is verified, and what stands in EVIDENCE (jsonl, or json) must be
    what the log gives, all of it or some, each piece once and in the log's order.

    Exit codes: 0 written, or it fits; 1 the log or a piece was changed, or there is no such ID; 2
    it could not be found out: unreadable, or there is no evidence in FILE.
    """
    if given is not None:
        context.exit(_checked(file, given))
    found = _evidence(file)
    if wanted:
        found = _only(found, wanted)
    count = _list(found) if form == "json" else _lines(found)
    if wanted and not count:
        render.talk(f"mcpguard audit: no evidence {render.printable(wanted)} in {file}")
        context.exit(1)
    if not count:
        raise _none(file)


def _only(found: Iterator[JsonObject], wanted: str) -> Iterator[JsonObject]:
    return (each for each in found if each["id"] == wanted)


def _lines(found: Iterator[JsonObject]) -> int:
    count = 0
    for each in found:
        render.answer([render.json_text(each, indent=False)])
        count += 1
    return count


def _list(found: Iterator[JsonObject]) -> int:
    """As one JSON document, of which no more than a piece is held; 0 when nothing is in it."""
    last = ""
    for each in found:
        render.answer([f"{last}," if last else "["])
        last = "  " + render.json_text(each).replace("\n", "\n  ")
    render.answer([last, "]"] if last else ["[]"])
    return int(bool(last))


def _evidence(file: Path) -> Iterator[JsonObject]:
    records = (record for part in files_of(file) for record in read(part))
    return Reader(file.name).read(records)


def _none(file: Path) -> AuditError:
    return AuditError(
        f"{file}: there is no evidence of a call in it",
        hint="write audit.evidence: on into mcpguard.yaml; what ran before cannot be had any more",
    )


def _checked(file: Path, given: Path) -> int:
    sound_files_of(file)
    found = compare(_pieces(given), lambda: _evidence(file), SHOWN)
    if not (found.made and found.given):
        raise _none(given if found.made else file)
    for text in found.told:
        render.answer([render.printable(f"{given}: {text}")])
    if found.wrong > SHOWN:
        render.answer([render.printable(f"{given}: {found.wrong - SHOWN} more")])
    if not found.wrong:
        told = f"{given}: {found.given} of the log's {found.made} pieces, as {file} says"
        render.answer([render.printable(told)])
    return int(found.wrong > 0)


def _pieces(given: Path) -> Iterator[Json]:
    """The pieces in `given`: one object a line; or a list in JSON, which is read whole."""
    try:
        with regular(given) as file:
            first = file.readline()
            if first.lstrip()[:1] == b"[":
                yield from cast("list[Json]", strict_loads(first + file.read()))
            elif first:
                yield strict_loads(first)
                yield from map(strict_loads, file)
    except OSError as error:
        raise AuditError(
            f"{given}: the evidence cannot be read: {error.strerror}", hint="check the name"
        ) from error
    except ExactError as error:
        raise AuditError(
            f"{given}: not JSON: {error}", hint="name what `mcpguard audit evidence` wrote"
        ) from error
