"""`mcpguard quarantine`: results that were kept from a model, for a person to read.

Looking needs no key, nor does dropping. Releasing is signed, as it lets text on that was stopped.
"""

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson

from mcpguard.cli import reach, render
from mcpguard.cli.receipt.output import PRIVATE, refuse_logs
from mcpguard.cli.signing import Phrases, signer_option, unlock
from mcpguard.cli.vault import acts
from mcpguard.control import client
from mcpguard.control.client import Found
from mcpguard.errors import ControlError, McpguardError, RefusalError, UsageError, VaultError
from mcpguard.model import Json, JsonObject
from mcpguard.vault.quarantine import Entry, Quarantine, typed

__all__ = ["quarantine"]

_HOUR = 3600
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_ID = click.argument("name", metavar="ID")

_RELEASED = {"text": "text", "retry": "text and one retry"}
"""What a release lets on, as its record says it -> as a person reads it."""


@click.group(invoke_without_command=True)
@click.pass_context
def quarantine(context: click.Context) -> None:
    """Read results that were kept from a model, and release or drop them."""
    render.needs_subcommand(context)


@quarantine.command(name="list")
@render.FORM
def list_command(*, form: str) -> None:
    """List what is kept, the oldest first, and what was released of it.

    Exit codes: 0 shown, also when there is nothing; 2 it could not be found out.
    """
    now = _now()
    entries = Quarantine(reach.home()).every(now)
    if form == "json":
        render.answer([render.json_text({"quarantined": [_facts(each, now) for each in entries]})])
    else:
        render.answer(_list_text(entries, now))


@quarantine.command(name="show")
@_ID
@render.FORM
def show_command(*, name: str, form: str) -> None:
    """Show one result in full.

    Nothing that a terminal would obey is in it.

    Exit codes: 0 shown; 1 there is none of that id; 2 it could not be found out.
    """
    now = _now()
    entry = _entry(name, now)
    if form == "json":
        render.answer([render.json_text({**_facts(entry, now), "body": entry.body})])
    else:
        render.answer(_shown(entry, now))


@quarantine.command(name="release")
@_ID
@click.option("--into", type=click.Path(path_type=Path), help="Write the text to this new file.")
@click.option("--retry", is_flag=True, help="Let one identical result pass within ten minutes.")
@signer_option
@click.pass_context
def release_command(
    context: click.Context,
    *,
    name: str,
    into: Path | None,
    retry: bool,
    by: str | None,
    said: Phrases,
) -> None:
    """Give the text of one result to you: to stdout, or to a new file.

    Shows it, asks, then asks for the passphrase of an approver key. With --retry a running session
    of its server is told, too: when the model makes its call again and the result is the same to
    the letter, it passes, once. A result that differs is judged anew.

    Exit codes: 0 released; 1 declined, refused, or none of that id; 2 it could not be done.
    """
    now = _now()
    entry = _entry(name, now)
    if into is not None and into.exists():
        raise UsageError(f"{into}: there is a file already", hint="name one that does not exist")
    if into is not None:
        refuse_logs(into)
    found = _session(entry) if retry else None
    reach.signable(context, by)
    render.talk(*_shown(entry, now))
    what = (
        "Release this text, and let one identical result pass?" if retry else "Release this text?"
    )
    if not render.agreed(what):
        raise RefusalError("nothing was released", hint=f"mcpguard quarantine drop {entry.id}")
    if found is None:
        _signed_here(entry, by, said)
    else:
        _signed_there(context, entry, found, by, said)
        render.talk("the next identical result passes, once, within ten minutes")
    _marked(entry, "retry" if retry else "text", now)
    _handed_over(entry, into)


@quarantine.command(name="drop")
@_ID
def drop_command(*, name: str) -> None:
    """Delete one result. Needs no key.

    Exit codes: 0 deleted; 1 there is none of that id; 2 it could not be done.
    """
    entry = _entry(name, _now())
    acts.recorded("quarantine.drop", name=entry.id, target=entry.target, digest=entry.digest)
    Quarantine(reach.home()).drop(entry.id)
    render.answer([f"dropped: {entry.id}"])


def _entry(name: str, now: int) -> Entry:
    entry = Quarantine(reach.home()).get(typed(name), now)
    if entry is None:
        raise RefusalError(
            f"nothing is quarantined as {name!r}: it was dropped, it has expired, or never was",
            hint="see what is: mcpguard quarantine list",
        )
    return entry


def _session(entry: Entry) -> Found:
    """The session that kept it, or another one of its server. Raises ControlError."""
    found = [each for each in client.find(reach.home()) if not each.problem]
    same = [each for each in found if each.session == entry.session]
    chosen = same or [each for each in found if each.server == entry.server]
    if not chosen:
        raise ControlError(
            f"no session of {entry.server} runs, so no result of it can pass",
            hint="release it without --retry, or start the host first",
        )
    return chosen[0]


def _signed_here(entry: Entry, by: str | None, said: Phrases) -> None:
    """No session is told: who opens an approver key is who is recorded."""
    signer = unlock(said, by)
    acts.recorded(
        "quarantine.release",
        by=signer.name,
        key=signer.key_id,
        name=entry.id,
        target=entry.target,
        digest=entry.digest,
        admits="text",
    )


def _signed_there(
    context: click.Context, entry: Entry, found: Found, by: str | None, said: Phrases
) -> None:
    signing = reach.unlocking(context, by, said)()
    args: JsonObject = {"name": entry.id, "target": entry.target, "digest": entry.digest}
    with client.connected(reach.home(), found.session) as line:
        reach.signed(signing, line, "release", args)


def _marked(entry: Entry, admits: str, now: int) -> None:
    """For the list. The release is recorded already, and holds without."""
    try:
        Quarantine(reach.home()).mark(entry.id, admits, now)
    except VaultError as error:
        told = f"released, but `mcpguard quarantine list` will not show it: {error.message}"
        render.talk(f"warning: {render.printable(told)}", f"  next: {error.hint}")


def _handed_over(entry: Entry, into: Path | None) -> None:
    raw = text_of(entry).encode("utf-8", "surrogatepass")
    if into is None:
        with render.written():
            sys.stdout.buffer.write(raw)
        return
    try:
        with os.fdopen(os.open(into, _NEW, PRIVATE), "wb") as file:
            file.write(raw)
    except OSError as error:
        raise McpguardError(
            f"{into}: cannot be written: {error.strerror}", hint="name a file that can be written"
        ) from error
    render.talk(f"written: {render.printable(str(into))}")


def text_of(entry: Entry) -> str:
    """The texts of a result, one after the other; as JSON where it holds anything else."""
    blocks = [*_blocks(entry.body)]
    texts = [each.get("text") for each in blocks if isinstance(each, dict)]
    if blocks and all(isinstance(each, str) for each in texts) and not entry.error:
        return "".join(f"{each}\n" for each in texts)
    return orjson.dumps(entry.body, option=orjson.OPT_INDENT_2).decode() + "\n"


def _blocks(body: JsonObject) -> Iterator[Json]:
    if "structuredContent" in body:
        return
    for key in ("content", "contents"):
        given = body.get(key)
        yield from given if isinstance(given, list) else ()


def _facts(entry: Entry, now: int) -> JsonObject:
    return {
        "id": entry.id,
        "server": entry.server,
        "principal": entry.principal,
        "session": entry.session,
        "method": entry.method,
        "target": entry.target,
        "at": _stamp(entry.at),
        "hours_left": max(0, entry.until - now) // _HOUR,
        "why": entry.why,
        "rules": [*entry.rules],
        "digest": entry.digest,
        "bytes": entry.size,
        "released": [{"admits": admits, "at": _stamp(at)} for admits, at in entry.released],
    }


def _list_text(entries: list[Entry], now: int) -> Iterator[str]:
    if not entries:
        yield "Nothing is quarantined."
        return
    yield from reach.rows(
        [
            ("ID", "SERVER", "RESULT OF", "WHY", "KEPT FOR", "RELEASED"),
            *(
                (
                    each.id,
                    each.server[:40],
                    f"{each.method} {each.target}"[:60],
                    each.why[:60],
                    f"{max(0, each.until - now) // _HOUR} h",
                    ", ".join(_RELEASED[admits] for admits, _ in each.released) or "-",
                )
                for each in entries
            ),
        ]
    )
    yield "Read one: mcpguard quarantine show ID. Then: mcpguard quarantine release|drop ID"


def _shown(entry: Entry, now: int) -> Iterator[str]:
    facts = _facts(entry, now)
    for key in ("id", "server", "principal", "method", "target", "at", "why", "digest"):
        yield f"{key:<12}{render.plain(facts[key]) or '-'}"
    told = (f"{_RELEASED[admits]} ({_stamp(at)})" for admits, at in entry.released)
    yield f"{'released':<12}{', '.join(told) or '-'}"
    yield f"{'signals':<12}{', '.join(entry.rules) or '-'}"
    yield "result"
    yield from ("  " + line for line in render.json_text(entry.body).split("\n"))


def _stamp(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _now() -> int:
    return int(datetime.now(UTC).timestamp())
