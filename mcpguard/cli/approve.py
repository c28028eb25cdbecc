"""`mcpguard approve`: calls that wait for a person, and the answer to them.

A yes is shown in full before it is asked for, and signed; a no needs nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import click

from mcpguard.approval.texts import span
from mcpguard.approval.tickets import typed
from mcpguard.cli import leftover, reach, render
from mcpguard.cli.reach import Outcome, field
from mcpguard.cli.receipt.leaving import note, receipted
from mcpguard.cli.signing import Phrases, signer_option
from mcpguard.control import client
from mcpguard.control.client import Found
from mcpguard.control.places import offered
from mcpguard.errors import ControlError, McpguardError, RefusalError
from mcpguard.model import Json, JsonObject

__all__ = ["approve"]

_TICKET = click.argument("ticket")


@click.group(invoke_without_command=True)
@click.pass_context
def approve(context: click.Context) -> None:
    """Answer calls that wait for a person."""
    render.needs_subcommand(context)


@approve.command(name="list")
@reach.SESSION
@render.FORM
@click.pass_context
def list_command(context: click.Context, *, session: str, form: str) -> None:
    """List the calls that wait.

    Of all running sessions, and of ended ones: a call that waited in vain may come again within ten
    minutes, in another session too.

    Exit codes: 0 shown, also when nothing waits; 2 a session that is there could not be asked.
    """
    outcomes = list(reach.each(reach.chosen(session), lambda line: line.ask("pending")))
    remaining = [] if session else [told for _, told in leftover.every()]
    if form == "json":
        told = reach.shown_json(outcomes, "waiting")
        render.answer([render.json_text({"sessions": told, "left": [*remaining]})])
    else:
        render.answer(_list_text(outcomes, remaining))
    context.exit(reach.code_of(outcomes))


@approve.command(name="show")
@_TICKET
@reach.SESSION
@render.FORM
def show_command(*, ticket: str, session: str, form: str) -> None:
    """Show the call that waits under TICKET in full.

    Exit codes: 0 shown; 1 no such call waits; 2 it could not be found out.
    """
    found, told = _shown(ticket, session)
    if form == "json":
        render.answer([render.json_text({**told, "session": found.session})])
    else:
        render.answer(_call(told))


@approve.command(
    name="yes",
    epilog=render.examples("mcpguard approve yes T3EJ7Q", "mcpguard approve yes T3EJ7Q --by ana"),
)
@_TICKET
@reach.SESSION
@render.FORM
@signer_option
@click.pass_context
@receipted("approve yes")
def yes_command(
    context: click.Context, *, ticket: str, session: str, form: str, by: str | None, said: Phrases
) -> None:
    """Let the call that waits under TICKET through, once.

    Shows it, asks, then asks for the passphrase of an approver key. What is signed is what was
    shown: this principal, server, tool, arguments and lockfile, and nothing else passes by it.

    Exit codes: 0 approved; 1 declined, or the session refused; 2 it could not be found out.
    """
    note(approval={"ticket": ticket})
    found, told = _shown(ticket, session)
    ticket = str(told["ticket"])
    _note(found, told)
    reach.signable(context, by)
    render.talk(*_call(told))
    if not render.agreed("Let this one call through?"):
        raise RefusalError("nothing was approved", hint=f"say no: mcpguard approve no {ticket}")
    signing = reach.unlocking(context, by, said)()
    statement = signing.approval(found.session, told)
    _note(found, told, statement)
    args: JsonObject = {"ticket": ticket, "yes": True, "statement": statement}
    if found.ended:
        result: Json = leftover.approved(statement)
    else:
        with client.connected(reach.home(), found.session) as line:
            result = reach.signed(signing, line, "decide", args)
    _answered(found, result, form, _approved(told, result))


@approve.command(name="no")
@_TICKET
@click.option("--all-like", is_flag=True, help="Every waiting call of the same tool and principal.")
@reach.SESSION
@render.FORM
@receipted("approve no")
def no_command(*, ticket: str, all_like: bool, session: str, form: str) -> None:
    """Deny the call that waits under TICKET. Needs no key.

    Exit codes: 0 denied; 1 no such call waits; 2 it could not be found out.
    """
    note(approval={"ticket": ticket})
    outcomes = _asked(session)
    given, ticket = ticket, _as_meant(ticket, outcomes)
    found = _holder(ticket, outcomes)
    told = _waiting_call(ticket, outcomes)
    if found is None:
        if not _taken_back(ticket, outcomes, all_like=all_like):
            raise _unknown(given, outcomes)
        found, result = _nobody(), None
    else:
        verb = "refuse_like" if all_like else "decide"
        args: JsonObject = {"ticket": ticket} if all_like else {"ticket": ticket, "yes": False}
        with client.connected(reach.home(), found.session) as line:
            result = line.ask(verb, args)
    count = field(result, "refused", "1") if all_like else "1"
    of = f" of {field(told, 'tool')}" if field(told, "tool") else ""
    calls = f", {count} {'call' if count == '1' else 'calls'}{of}" if all_like else of
    _answered(found, result, form, f"denied: {render.printable(ticket)}{calls}")


def _note(found: Found, told: JsonObject, statement: JsonObject | None = None) -> None:
    """Whose call of which tool, for the receipt; not its arguments."""
    facts: JsonObject = {"ticket": field(told, "ticket"), "session": found.session}
    facts |= {key: field(told, key) for key in ("tool", "principal")}
    if statement is not None:
        facts["key"] = field(statement, "key")
    note(approval=facts, server=field(told, "server"))


def _taken_back(ticket: str, outcomes: Sequence[Outcome], *, all_like: bool) -> bool:
    """A no to what no session holds: a yes not used yet, or what an ended session left."""
    done = not all_like and leftover.taken_back(ticket)
    for one in outcomes if not (done or all_like) else ():
        with suppress(McpguardError), client.connected(reach.home(), one.found.session) as line:
            line.ask("decide", {"ticket": ticket, "yes": False})
            done = True
    return done


def _answered(found: Found, result: Json, form: str, text: str) -> None:
    told: JsonObject = {"session": found.session, "server": found.server, "result": result}
    render.answer([render.json_text(told) if form == "json" else text])


def _approved(told: JsonObject, result: Json) -> str:
    ticket, missing = field(told, "ticket"), field(result, "missing", "0")
    if missing != "0":
        who = "more approver has" if missing == "1" else "more approvers have"
        return f"said yes to {ticket}: {missing} {who} to"
    if told.get("held") is False:
        life = told.get("life")
        within = f" within {span(life)}" if type(life) is int else ""
        return f"approved: {ticket} may run once, when the same call comes again{within}"
    return f"approved: {ticket} may run once"


def _shown(ticket: str, wanted: str) -> tuple[Found, JsonObject]:
    """The session in which `ticket` waits, and the call. Raises RefusalError, ControlError."""
    outcomes = _asked(wanted)
    given, ticket = ticket, _as_meant(ticket, outcomes)
    found = _holder(ticket, outcomes)
    if found is None:
        remaining = {} if wanted else {each[1]["ticket"]: each for each in leftover.every()}
        one = remaining.get(ticket)
        if one is None:
            raise _unknown(given, outcomes)
        session, told = one
        return Found(session, {"server": told["server"]}, ended=True), told
    with client.connected(reach.home(), found.session) as line:
        shown = line.ask("show", {"ticket": ticket})
    if not isinstance(shown, dict) or shown.get("ticket") != ticket:
        raise ControlError(
            f"session {found.session} shows another call than {ticket!r}",
            hint="use the same mcpguard as the session; see what waits: mcpguard approve list",
        )
    return found, shown


def _nobody() -> Found:
    return Found("", {}, ended=True)


def _asked(wanted: str) -> list[Outcome]:
    found = reach.chosen(wanted) if wanted or offered() else []
    return list(reach.each(found, lambda line: line.ask("pending")))


def _holder(ticket: str, outcomes: Sequence[Outcome]) -> Found | None:
    """The running session in which `ticket` waits. Raises ControlError for more than one."""
    holding = [one.found for one in outcomes if ticket in map(_ticket, _waiting(one))]
    if len(holding) > 1:
        names = ", ".join(each.session for each in holding)
        raise ControlError(
            f"{ticket} waits in {len(holding)} sessions: {names}", hint="name one: --session ID"
        )
    return holding[0] if holding else None


def _unknown(ticket: str, outcomes: Sequence[Outcome]) -> McpguardError:
    """Of a session that could not be asked, where the call may wait, or that there is none."""
    unasked = [one.error for one in outcomes if one.error is not None]
    return next(
        iter(unasked),
        RefusalError(
            f"no call waits under {ticket!r}: it was answered, it has ended, or never was",
            hint="see what waits with: mcpguard approve list",
        ),
    )


def _as_meant(ticket: str, outcomes: Sequence[Outcome]) -> str:
    """`ticket` as it waits, typed in whatever case."""
    waiting = [_ticket(told) for one in outcomes for told in _waiting(one)]
    return ticket if ticket in waiting else typed(ticket)


def _waiting(one: Outcome) -> list[Json]:
    return one.result if isinstance(one.result, list) else []


def _ticket(told: Json) -> Json:
    return told.get("ticket") if isinstance(told, dict) else None


def _waiting_call(ticket: str, outcomes: Sequence[Outcome]) -> Json:
    """What is told of the call that waits under `ticket`; None when none does."""
    waiting = (told for one in outcomes for told in _waiting(one))
    return next((told for told in waiting if _ticket(told) == ticket), None)


def _list_text(outcomes: Sequence[Outcome], remaining: Sequence[Json]) -> Iterator[str]:
    waiting = [*(told for one in outcomes for told in _waiting(one)), *remaining]
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
        if key != "why" or key in told:
            yield f"{name:<14}{field(told, key, '-')}"
    yield "arguments"
    text = render.json_text(told.get("arguments"))
    yield from ("  " + line for line in text.split("\n"))
