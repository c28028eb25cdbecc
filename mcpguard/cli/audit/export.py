"""`mcpguard audit export`: the log in a security team's formats."""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import click

from mcpguard.cli import render
from mcpguard.cli.audit.choosing import Choice, files_of, logs, records
from mcpguard.cli.receipt import output as outputs
from mcpguard.config.loading import load
from mcpguard.model import JsonObject
from mcpguard.siem.formats import FORMATS
from mcpguard.siem.formats import render as rendered
from mcpguard.siem.machine import machine

__all__ = ["export_command"]

PIECE = 1000
"""Records of a body that is written as one: OTLP's."""

WRITTEN = {name: row for name, row in FORMATS.items() if not row.needs}
"""Formats whose records are lines."""


@click.command(name="export")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, metavar="[FILE]...")
@click.option(
    "--format", "form", type=click.Choice([*WRITTEN]), required=True, help="One of the table below."
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="A file, written whole or not at all; default: stdout.",
)
@click.option("--host", default="", help="The machine that the logs are of; default: this one.")
def export_command(files: tuple[Path, ...], form: str, output: Path | None, host: str) -> None:
    """Write records in another format, one a line.

    Of the logs FILE with their earlier parts, of the logs in a folder, or of all logs of this user;
    of several logs by their times. Sends nothing. Names this machine (`audit.host`) unless --host
    names that on which they were written. Says nothing of the records' truth: run `mcpguard audit
    verify` first. `--format hec` can be posted to a collector as it is, of `otlp-json` each line is
    one request.

    With --output the file is for this user alone. It takes the place of another file once all is
    written, never that of a log.

    Exit codes: 0 written, 2 a file cannot be read or written.
    """
    chosen = logs(files)
    found = records(chosen, Choice())
    host = host or load().settings.audit.host or machine()
    if output is None:
        with render.written():
            _export(found, form, host, sys.stdout.buffer)
        return
    outputs.refuse_logs(output, [part for file in chosen for part in files_of(file)])
    with outputs.opened(output, outputs.PRIVATE) as made:
        _export(found, form, host, made)


def _export(found: Iterator[JsonObject], form: str, host: str, to: BinaryIO) -> None:
    lines = (rendered(form, record, host) for record in found)
    if FORMATS[form].otlp == "":
        to.writelines(each + b"\n" for each in lines)
        return
    while piece := list(islice(lines, PIECE)):
        to.write(FORMATS[form].body(piece) + b"\n")


export_command.epilog = "\b\n" + "\n".join(f"{key:<11}{row.help}" for key, row in WRITTEN.items())
