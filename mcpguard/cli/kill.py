"""`mcpguard kill`: the kill switch. Ends sessions now, and keeps new ones from starting."""

import shlex
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click

from mcpguard.cli import known, reach, render
from mcpguard.cli.reach import Outcome
from mcpguard.cli.signing import Phrases, signer_option
from mcpguard.control import blocks, client, stuck
from mcpguard.control import kill as switch
from mcpguard.control.blocks import EVERYTHING, KILL, Block
from mcpguard.control.client import Found
from mcpguard.errors import ControlError, RefusalError, UsageError
from mcpguard.model import Json, JsonObject

__all__ = ["kill"]


@click.command()
@click.option("--all", "everything", is_flag=True, help="Every session, and every new one.")
@click.option("--server", metavar="NAME", help="Every session of this server, and every new one.")
@click.option("--session", metavar="ID", help="This session alone; a new one may start.")
@click.option("--reason", default="", metavar="TEXT", help="For the audit log and the message.")
@click.option("--fleet", is_flag=True, help="With --all, --server or --off: on every machine.")
@click.option("--off", is_flag=True, help="Let sessions start again (all, or those of --server).")
@render.FORM
@signer_option
@click.pass_context
def kill(
    context: click.Context,
    *,
    everything: bool,
    server: str | None,
    session: str | None,
    reason: str,
    fleet: bool,
    off: bool,
    form: str,
    by: str | None,
    said: Phrases,
) -> int:
    """End sessions now: what waits is denied, nothing more reaches a server, which is stopped.

    --all and --server turn on a switch, a file in the data directory: sessions that cannot be
    reached end within a second of seeing it, and new ones refuse to start until it is off. Alone,
    kill asks, then does what --all does. It needs no key; nor does --off, as whoever may delete
    that file can turn it off without mcpguard. A server may be one that nothing here has yet: that
    is said.

    --fleet turns it on in the store that all proxies share, too: sessions of other machines end
    within a few seconds, and new ones as soon as they have read the store, before any call that
    their mode could deny. With --off it needs the passphrase of an approver key.

    A session that does not answer --session is ended by signals to its process: SIGUSR1, and after
    three seconds SIGKILL.

    Exit codes: 0 done; 1 declined, or a session refused; 2 it could not be done or found out.
    """
    if sum((everything, server is not None, session is not None)) > 1:
        raise UsageError("--all, --server and --session exclude each other", hint="give one")
    if fleet and not (everything or off or server is not None):
        raise UsageError("--fleet alone says not what", hint="add --all, or --server NAME")
    why = switch.clean(reason) or "mcpguard kill"
    if off and fleet:
        reach.unlocking(context, by, said)()
        return _free(server, form)
    if off:
        return _off(server, session, form)
    if session is not None:
        return _one(session, why, form)
    if server is None and not everything:
        _ask()
    off_by = "mcpguard kill --off" + " --fleet" * fleet
    off_by += f" --server {shlex.quote(server)}" if server is not None else ""
    found = _switch(server, why, form, off_by)
    if fleet:  # afterwards: a store that is away keeps nobody from ending what runs here
        _share(server, why)
    if server is not None:  # last: no switch waits for a look at what is known
        _doubt(server, found, off_by)
    return 0


def _ask() -> None:
    if not sys.stdin.isatty():
        raise UsageError(
            "kill needs to know what: nobody is here to be asked",
            hint="mcpguard kill --all, --server NAME or --session ID",
        )
    if not render.agreed("End every session and let no new one start?"):
        raise RefusalError("nothing was ended", hint="mcpguard kill --session ID ends one")


def _share(server: str | None, why: str) -> None:
    """The store's switch. One that is on already stays as it is."""
    made = Block(KILL, server or EVERYTHING, why, int(datetime.now(UTC).timestamp()), "kill")
    with closing(reach.open_store()) as store:
        blocks.add(store, made)
    render.talk("The kill switch of the shared store is on: mcpguard trust blocks shows it.")


def _free(server: str | None, form: str) -> int:
    with closing(reach.open_store()) as store:
        ended = blocks.remove(store, KILL, server or EVERYTHING)
    if ended is None:
        render.talk("The kill switch of the shared store was not on.")
    else:
        render.talk("The kill switch of the shared store is off. Each machine's own may be on.")
    return _off(server, None, form)


def _switch(server: str | None, why: str, form: str, off_by: str) -> list[Found]:
    """The file first: it works though a session cannot be asked. The sessions that ran."""
    path = switch.engage(reach.home(), server, why)
    found = _found()
    outcomes = _ended(found, server, why)
    if form == "json":
        told: JsonObject = {"switch": str(path), "sessions": reach.shown_json(outcomes)}
        render.answer([render.json_text(told)])
        return found
    render.answer([f"The kill switch is on: {render.printable(str(path))}"])
    _tell(outcomes, "it sees the switch within a second; if it does not: mcpguard kill --session")
    count = sum(one.error is None for one in outcomes)
    told_text = f"{count} running {'session was' if count == 1 else 'sessions were'} ended;"
    told_text += " one that has just begun ends within a second."
    render.answer([f"{told_text} New ones do not start until: {render.printable(off_by)}"])
    return found


def _doubt(server: str, found: Sequence[Found], off_by: str) -> None:
    """Says that nothing here knows a server of this name, if so: the switch is on all the same."""
    others = known.others("server", server, found)
    if others is not None:
        does = "no session of it was ended, and none of exactly this name will start"
        way = f"if it is misspelt: {off_by}, and end the right one"
        render.talk(*known.warning("server", server, others, does, way))


def _found() -> list[Found]:
    try:
        return client.find(reach.home())
    except ControlError as error:  # no sockets here: the file does it
        render.talk(*render.error_lines(error, "kill"))
        return []


def _ended(found: Sequence[Found], server: str | None, why: str) -> list[Outcome]:
    meant = [each for each in found if server is None or each.problem or each.server == server]
    return list(reach.each(meant, lambda line: line.ask("kill", {"why": why})))


def _one(session: str, why: str, form: str) -> int:
    found = client.one(reach.home(), session)
    outcomes = list(reach.each([found], lambda line: line.ask("kill", {"why": why})))
    if isinstance(outcomes[0].error, ControlError):
        outcomes = [_signalled(outcomes[0], outcomes[0].error)]
    if form == "json":
        render.answer([render.json_text({"switch": None, "sessions": reach.shown_json(outcomes)})])
    else:
        _tell(outcomes, outcomes[0].error.hint if outcomes[0].error else "")
        if outcomes[0].error is None:
            of = f" of {render.printable(found.server)}" if found.server else ""
            how = _how(outcomes[0].result)
            text = f"ended: session {found.session}{of}{how}. Its host may start a new one;"
            render.answer([f"{text} keep it from that with: --server NAME"])
    return reach.code_of(outcomes)


def _signalled(outcome: Outcome, error: ControlError) -> Outcome:
    """The end of a session that could not be told to end; or why there was none."""
    found = outcome.found
    try:
        now = datetime.now(UTC).timestamp()
        who = stuck.holder(reach.home(), found.session, now)
        ended = stuck.end(who)
    except ControlError as other:
        told = f"{error.message}; {other.message}"
        return Outcome(found, error=ControlError(told, hint=other.hint))
    return Outcome(found, {"session": found.session, "pid": who.pid, "signal": ended})


def _how(result: Json) -> str:
    name, pid = reach.field(result, "signal"), reach.field(result, "pid")
    return f", which did not answer, by {name} to its process {pid}" if name else ""


def _off(server: str | None, session: str | None, form: str) -> int:
    if session is not None:
        raise UsageError(
            "--off is for the switch, and --session turns none on",
            hint="mcpguard kill --off, or with --server NAME",
        )
    path = switch.release(reach.home(), server)
    left = [str(each) for each in switch.engaged(reach.home())]
    if form == "json":
        told: JsonObject = {"deleted": str(path) if path else None, "still_on": [*left]}
        render.answer([render.json_text(told)])
        return 0
    render.answer(["The kill switch was not on." if path is None else _deleted(path)])
    render.answer(f"Still on: {render.printable(each)}" for each in left)
    return 0


def _deleted(path: Path) -> str:
    return f"The kill switch is off: {render.printable(str(path))} was deleted."


def _tell(outcomes: list[Outcome], still: str) -> None:
    """What went wrong, and what becomes of that session."""
    for one in outcomes:
        if one.error is not None:
            name = f"session {one.found.session}"
            render.talk(f"{name}: {render.printable(one.error.message)}; {still}")
