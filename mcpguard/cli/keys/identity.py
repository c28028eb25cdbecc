"""`mcpguard identity`: the key that says who a host is, to whoever reads its log."""

from collections.abc import Iterator
from pathlib import Path

import click

from mcpguard.cli import render
from mcpguard.identity.holder import Holder, create, opened

__all__ = ["identity"]

_FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group(invoke_without_command=True)
@click.pass_context
def identity(context: click.Context) -> None:
    """The private key that a session is begun with: its did:key is the principal.

    The settings name the file under `identity` and pin the did:key under `principals`. Each session
    then signs its first record, so `audit verify` tells, of a log that was shipped anywhere, whose
    key began which session. Whoever can read the file can sign as well: it has no passphrase, as no
    host types one.
    """
    render.needs_subcommand(context)


@identity.command(
    name="new", epilog=render.examples("mcpguard identity new ~/.config/mcpguard/identity.pem")
)
@_FILE
def new_command(file: Path) -> None:
    """Make a key in the new file FILE, and say what pins it.

    The file is PKCS #8 in PEM, without a passphrase, for its user alone. One that is
    there is never written over.

    Exit codes: 0 made, 2 not possible.
    """
    holder = create(file)
    render.answer([f"{render.printable(str(file))} holds the key of {holder.did}"])
    render.talk(*_next(holder, file))


@identity.command(name="show")
@_FILE
@render.FORM
def show_command(file: Path, form: str) -> None:
    """Show whose key FILE holds: its did:key, which anybody may know.

    Exit codes: 0 shown, 2 it holds no such key, or others can read it.
    """
    holder = opened(file)
    if form == "json":
        render.answer([render.json_text({"did": holder.did, "file": str(file.absolute())})])
    else:
        render.answer([holder.did])
        render.talk(*_next(holder, file))


def _next(holder: Holder, file: Path) -> Iterator[str]:
    yield "To begin sessions with it, write into mcpguard.yaml:"
    yield f"identity: {_quoted(str(file.absolute()))}"
    yield "principals:"
    yield f"  {_quoted(holder.did)}: {{capabilities: []}}"


def _quoted(text: str) -> str:
    return render.json_text(text, indent=False)
