"""`mcpguard approve`: calls that wait for a person, and the answer to them.

A yes is shown in full before it is asked for, and signed; a no needs nothing.
"""

from collections.abc import Iterator, Sequence

import click

from mcpguard.approval.tickets import typed
from mcpguard.cli import reach, render
from mcpguard.cli.reach import Outcome, field
from mcpguard.cli.signing import Phrases, signer_option
from mcpguard.control import client
from mcpguard.control.client import Found
from mcpguard.errors import ControlError, RefusalError
from mcpguard.model import Json, JsonObject

__all__ = ["approve"]

MISUSED = 2
"""Exit code without a subcommand: nothing was found out."""

_TICKET = click.argument("ticket")


@click.group(invoke_without_command=True)
@click.pass_context
def approve(context: click.Context) -> None:
    """Answer calls that wait for a person."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(MISUSED)


@approve.command(name="list")
@reach.SESSION
@reach.FORM
@click.pass_context
def list_command(context: click.Context, *, session: str, form: str) -> None:
    """List the calls that wait, in all running sessions.

    Exit codes: 0 shown, also when nothing waits; 2 a session that is there could not be asked.
    """
    outcomes = list(reach.each(reach.chosen(session), lambda line: line.ask("pending")))
    if form == "json":
        told = reach.shown_json(outcomes, "waiting")
        render.answer([render.json_text({"sessions": told})])
    else:
        render.answer(_list_text(outcomes))
    context.exit(reach.code_of(outcomes))


@approve.command(name="show")
@_TICKET
@reach.SESSION
@reach.FORM
def show_command(*, ticket: str, session: str, form: str) -> None:
    """Show the call that waits under TICKET in full.

    Exit codes: 0 shown; 1 no such call waits; 2 it could not be found out.
    """
    found, told = _shown(ticket, session)
    if form == "json":
        render.answer([render.json_text({"session": found.session, **told})])
    else:
        render.answer(_call(told))


@approve.command(name="yes")
@_TICKET
@reach.SESSION
@reach.FORM
@signer_option
@click.pass_context
def yes_command(
    context: click.Context, *, ticket: str, session: str, form: str, by: str | None, said: Phrases
) -> None:
    """Let the call that waits under TICKET through, once.

    Shows it, asks, then asks for the passphrase of an approver key. What is signed is what was
    shown: this principal, server, tool, arguments and lockfile, and nothing else passes by it.

    Exit codes: 0 approved; 1 declined, or the session refused; 2 it could not be found out.
    """
    found, told = _shown(ticket, session)
    ticket = str(told["ticket"])
    render.talk(*_call(told))
    if not click.confirm("Let this one call through?", err=True):
        raise RefusalError("nothing was approved", hint=f"say no: mcpguard approve no {ticket}")
    signing = reach.unlocking(context, by, said)()
    args: JsonObject = {
        "ticket": ticket,
        "yes": True,
        "statement": signing.approval(found.session, told),
    }
    with client.connected(reach.home(), found.session) as line:
        result = reach.signed(signing, line, "decide", args)
    _answered(found, result, form, _approved(ticket, result))


@approve.command(name="no")
@_TICKET
@click.option("--all-like", is_flag=True, help="Every waiting call of the same tool and principal.")
@reach.SESSION
@reach.FORM
def no_command(*, ticket: str, all_like: bool, session: str, form: str) -> None:
    """Deny the call that waits under TICKET. Needs no key.

    Exit codes: 0 denied; 1 no such call waits; 2 it could not be found out.
    """
    found, told = _shown(ticket, session)
    ticket = str(told["ticket"])
    with client.connected(reach.home(), found.session) as line:
        if all_like:
            result = line.ask("refuse_like", {"ticket": ticket})
        else:
            result = line.ask("decide", {"ticket": ticket, "yes": False})
    count = field(result, "refused", "1") if all_like else "1"
    _answered(found, result, form, f"denied: {count} {'call' if count == '1' else 'calls'}")


def _answered(found: Found, result: Json, form: str, text: str) -> None:
    told: JsonObject = {"session": found.session, "server": found.server, "result": result}
    render.answer([render.json_text(told) if form == "json" else text])


def _approved(ticket: str, result: Json) -> str:
    missing = field(result, "missing", "0")
    if missing == "0":
        return f"approved: {render.printable(ticket)} may run once"
    return f"said yes to {render.printable(ticket)}: {missing} more approvers have to"


def _shown(ticket: str, wanted: str) -> tuple[Found, JsonObject]:
    """The session in which `ticket` waits, and the call. Raises RefusalError, ControlError."""
    outcomes = list(reach.each(reach.chosen(wanted), lambda line: line.ask("pending")))
    ticket = _as_meant(ticket, outcomes)
    holding = [one.found for one in outcomes if ticket in map(_ticket, _waiting(one))]
    if len(holding) > 1:
        names = ", ".join(each.session for each in holding)
        raise ControlError(
            f"{ticket} waits in {len(holding)} sessions: {names}", hint="name one: --session ID"
        )
    if not holding:
        _tell_unasked(outcomes)
        raise RefusalError(
            f"no call waits under {ticket!r}: it was answered, it has ended, or never was",
            hint="see what waits with: mcpguard approve list",
        )
    with client.connected(reach.home(), holding[0].session) as line:
        told = line.ask("show", {"ticket": ticket})
    if not isinstance(told, dict) or told.get("ticket") != ticket:
        raise ControlError(f"session {holding[0].session} shows another call than {ticket!r}")
    return holding[0], told


def _as_meant(ticket: str, outcomes: Sequence[Outcome]) -> str:
    """`ticket` as it waits, typed in whatever case."""
    waiting = [_ticket(told) for one in outcomes for told in _waiting(one)]
    return ticket if ticket in waiting else typed(ticket)


def _tell_unasked(outcomes: Sequence[Outcome]) -> None:
    """Raises the error of a session that could not be asked: the call may wait there."""
    for one in outcomes:
        if one.error is not None:
            raise one.error


def _waiting(one: Outcome) -> list[Json]:
    return one.result if isinstance(one.result, list) else []


def _ticket(told: Json) -> Json:
    return told.get("ticket") if isinstance(told, dict) else None


def _list_text(outcomes: Sequence[Outcome]) -> Iterator[str]:
    waiting = [told for one in outcomes for told in _waiting(one)]
    for one in outcomes:
        if one.error is not None:
            yield f"session {one.found.session}: {render.printable(one.error.message)}"
    if not waiting:
        yield "No call waits for approval."
        return
    yield from reach.rows(
        [
            ("TICKET", "SERVER", "TOOL", "CALLED BY", "TIME LEFT"),
            *(
                (
                    field(told, "ticket"),
                    field(told, "server")[:40],
                    field(told, "tool")[:60],
                    field(told, "principal")[:60],
                    f"{field(told, 'left', '?')} s",
                )
                for told in waiting
            ),
        ]
    )
    yield "See one in full: mcpguard approve show TICKET. Answer: mcpguard approve yes|no TICKET"


def _call(told: JsonObject) -> Iterator[str]:
    """A call as an approver has to see it: nothing cut, nothing that a terminal would obey."""
    names = {
        "tool": "tool",
        "server": "server",
        "principal": "called by",
        "why": "waits because",
        "lock": "lockfile",
        "left": "seconds left",
    }
    for key, name in names.items():
        yield f"{name:<14}{field(told, key, '-')}"
    yield "arguments"
    text = render.json_text(told.get("arguments"))
    yield from ("  " + line for line in text.split("\n"))
