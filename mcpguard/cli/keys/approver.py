"""`mcpguard approver`: the keys of those who may allow what mcpguard asks a person about."""

from collections.abc import Iterator

import click

from mcpguard.cli import render
from mcpguard.cli.receipt.leaving import note, receipted
from mcpguard.cli.signing import Phrases, folder, signer_option, unlock
from mcpguard.errors import IdentityError
from mcpguard.identity.keys import create, remove, roster
from mcpguard.identity.roster import Roster, usable
from mcpguard.model import Json

__all__ = ["approver"]

_RELOAD = "Proxies that are running know nothing of it until they are restarted or reloaded."


@click.group(invoke_without_command=True)
@click.pass_context
def approver(context: click.Context) -> None:
    """The keys that approve: each under a passphrase that only its owner knows.

    A yes to a call, and whatever else lets more through, is signed by an approver's key, because a
    server or the shell of an agent runs as the same user as you. Without the passphrase it can
    neither sign nor add a key of its own. What it can do is delete all keys and begin anew; proxies
    that run keep to those they saw at their start, and `approver list` shows others. Nor does
    anything tell who adds the first key: add yours before an agent runs.
    """
    render.needs_subcommand(context)


@approver.command(name="add")
@click.argument("name")
@signer_option
@receipted("approver add")
def add_command(name: str, by: str | None, said: Phrases) -> None:
    """Make a key for NAME, under a passphrase of at least 12 characters.

    The first key is made as it is asked for. Each further one needs the passphrase of an approver
    who is there already, asked for first.

    Exit codes: 0 made, 2 not possible.
    """
    note(key={"name": name})
    place = folder()
    known = roster(place)
    _refuse(known, name)
    vouching = unlock(said, by, known) if known.approvers else None
    made = create(place, name, said.choose(f"New passphrase for {name}"), vouching)
    note(key={"name": made.name, "id": made.key_id})
    render.answer([f"{made.name} may approve now, with the key {made.key_id}"])
    render.talk(f"It is in {place}. A lost passphrase cannot be recovered.", _RELOAD)


@approver.command(name="list")
@render.FORM
def list_command(form: str) -> None:
    """Show who may approve, the first added first.

    Exit codes: 0 shown, 2 the keys cannot be read or relied on.
    """
    known = roster(folder())
    if form == "json":
        render.answer([render.json_text(_as_json(known))])
    else:
        render.answer(_as_text(known))


@approver.command(name="remove")
@click.argument("name")
@signer_option
@receipted("approver remove")
def remove_command(name: str, by: str | None, said: Phrases) -> None:
    """End the key of NAME for good; it may be your own.

    Needs the passphrase of an approver: of NAME, or of another (--by).

    Exit codes: 0 removed, 2 not possible.
    """
    note(key={"name": name})
    place = folder()
    known = roster(place)
    if known.named(name) is None:
        there = ", ".join(each.name for each in known.approvers)
        raise IdentityError(
            f"there is no approver {name!r}", hint=f"there are: {there or 'none at all'}"
        )
    gone = remove(place, name, unlock(said, by, known))
    note(key={"name": gone.name, "id": gone.key_id})
    render.answer([f"{gone.name} may approve no more; the key was {gone.key_id}"])
    render.talk(_RELOAD)


def _refuse(known: Roster, name: str) -> None:
    """Before a passphrase is typed in vain; `create` refuses it again."""
    if not usable(name) or known.named(name) is not None:
        raise IdentityError(
            f"{name!r} cannot be added: it is taken, or no name for an approver",
            hint="use 1 to 32 lower-case letters, digits, - and _, a letter or digit first",
        )


def _as_json(known: Roster) -> Json:
    rows: list[Json] = [{"name": each.name, "key": each.key_id} for each in known.approvers]
    return {"approvers": rows, "head": known.head}


def _as_text(known: Roster) -> Iterator[str]:
    if not known.approvers:
        yield "nobody may approve yet; make a key with: mcpguard approver add NAME"
    width = max((len(each.name) for each in known.approvers), default=0)
    for each in known.approvers:
        yield f"{each.name:<{width}}  {each.key_id}"
