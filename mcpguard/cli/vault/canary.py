"""`mcpguard canary`: fake credentials, planted where nobody honest reads, and watched for."""

import errno
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from mcpguard.cli import reach, render
from mcpguard.cli.receipt.output import refuse_logs
from mcpguard.cli.vault import acts
from mcpguard.errors import McpguardError, RefusalError, UsageError
from mcpguard.vault import canaries
from mcpguard.vault.canaries import KINDS, Canary

__all__ = ["canary"]


@click.group(invoke_without_command=True)
@click.pass_context
def canary(context: click.Context) -> None:
    """Plant fake credentials that give away who reads them."""
    render.needs_subcommand(context)


@canary.command(
    name="new",
    epilog=render.examples(
        "mcpguard canary new --type aws --into ~/.aws/credentials.bak",
        "mcpguard canary new --type github --note 'in the wiki'",
    ),
)
@click.option(
    "--type", "kind", type=click.Choice([*KINDS]), required=True, help="What it looks like."
)
@click.option("--into", type=click.Path(path_type=Path), help="Add it to this file.")
@click.option("--note", default="", help="For you: why it is there.")
@render.FORM
def new_command(*, kind: str, into: Path | None, note: str, form: str) -> None:
    """Make a credential that is valid nowhere, and watch for it.

    Prints it, or adds it to the end of a file, which is made (mode 0600) if it is not there.
    Running sessions know it within seconds. A call that holds it is denied, a result with it is
    kept from the model, and both are critical findings: somebody read what nobody asked for.

    Exit codes: 0 planted; 2 it could not be done.
    """
    where = str(into.absolute()) if into is not None else ""
    if not note.isprintable() or len(note) > canaries.MAX_NOTE:
        raise UsageError(
            f"the note is one line of at most {canaries.MAX_NOTE} characters", hint="shorten it"
        )
    if into is not None:
        refuse_logs(into)
    made, text = canaries.made(reach.home(), kind, at=_now(), note=note, into=where)
    acts.recorded("canary.new", kind=kind, name=made.id, into=where)
    canaries.remember(reach.home(), made)
    if into is not None:
        _planted(into, text, made)
    if form == "json":
        told = {"id": made.id, "kind": kind, "into": where, "lines": None if where else text}
        render.answer([render.json_text({**told})])
        return
    if into is None:
        render.answer([text])
    render.talk(f"planted: {made.id} ({kind}){f' in {render.printable(where)}' if where else ''}")


def _planted(path: Path, text: str, made: Canary) -> None:
    """Adds lines to a regular file, and to nothing a link leads to."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    try:
        fd = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o600)
        with os.fdopen(fd, "rb+", buffering=0) as file:
            file.write(("\n" * _begun(fd) + text + "\n").encode())
    except OSError as error:
        canaries.drop(reach.home(), made.id)
        raise McpguardError(
            f"{path}: the credential cannot be planted there: {error.strerror}",
            hint="name a file that this user may write to, or leave out --into and paste it",
        ) from error


def _begun(fd: int) -> bool:
    """Whether the file ends within a line. Raises OSError when it is no regular file."""
    told = os.fstat(fd)
    if not stat.S_ISREG(told.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    return told.st_size > 0 and os.pread(fd, 1, told.st_size - 1) != b"\n"


@canary.command(name="list")
@render.FORM
def list_command(*, form: str) -> None:
    """List what is planted, and where. The credentials themselves are not kept.

    Exit codes: 0 shown, also when there is nothing; 2 it could not be found out.
    """
    known = canaries.planted(reach.home())
    if form == "json":
        rows = [
            {
                "id": each.id,
                "kind": each.kind,
                "at": _stamp(each.at),
                "into": each.into,
                "note": each.note,
            }
            for each in known
        ]
        render.answer([render.json_text({"planted": [{**row} for row in rows]})])
    else:
        render.answer(_list_text(known))


def _list_text(known: tuple[Canary, ...]) -> Iterator[str]:
    if not known:
        yield "Nothing is planted. Plant one: mcpguard canary new --type aws --into FILE"
        return
    rows = [(each.id, each.kind, _stamp(each.at), each.into or "-", each.note) for each in known]
    yield from reach.rows([("ID", "TYPE", "PLANTED", "FILE", "NOTE"), *rows])


@canary.command(name="drop")
@click.argument("name", metavar="ID")
def drop_command(*, name: str) -> None:
    """Watch for one no more. The file it was planted in stays as it is: take it out there.

    Exit codes: 0 done; 1 there is none of that id; 2 it could not be done.
    """
    known = {each.id: each for each in canaries.planted(reach.home())}
    if name not in known:
        raise RefusalError(
            f"nothing is planted as {name!r}", hint="see what is: mcpguard canary list"
        )
    acts.recorded("canary.drop", kind=known[name].kind, name=name)
    canaries.drop(reach.home(), name)
    where = known[name].into
    left = f" It still stands in {render.printable(where)}." if where else ""
    render.answer([f"dropped: {name}.{left}"])


def _stamp(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _now() -> int:
    return int(datetime.now(UTC).timestamp())
