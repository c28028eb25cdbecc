"""The commands of `mcpguard trust` that change something: blocks, budgets, policies, scores."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import TypeVar

import click

from mcpguard.cli import known, reach, render
from mcpguard.cli.reach import Outcome, Signing
from mcpguard.cli.receipt.leaving import note, receipted
from mcpguard.cli.signing import Phrases, folder, signer_option
from mcpguard.control import blocks, client, policies
from mcpguard.control.blocks import Block
from mcpguard.control.operations import KINDS, PARTIES
from mcpguard.control.places import offered
from mcpguard.control.policies import Policy, Row
from mcpguard.errors import (
    ControlError,
    McpguardError,
    RefusalError,
    StoreError,
    UsageError,
)
from mcpguard.identity.keys import approvers
from mcpguard.model import Json, JsonObject
from mcpguard.store import Store

__all__ = ["COMMANDS"]

UNKNOWN = 2
"""Exit code when something could not be asked or told."""

MAX_SHOWN = 60
"""Characters of a name in a table that somebody else may have filled."""

PLACE = 12
"""Characters of a key of the store that are shown; JSON shows all."""

MAX_DIGITS = 16
"""Digits of a number. Longer ones are no setting."""

Kept = TypeVar("Kept")

_KIND = click.argument("kind", type=click.Choice(KINDS))
_NAME = click.argument("name")


@click.command(
    name="block",
    short_help="Block a principal, a tool or a server.",
    epilog=render.examples(
        "mcpguard trust block tool exec_shell --why 'nobody asked for it'",
        "mcpguard trust block server mail",
    ),
)
@_KIND
@_NAME
@click.option("--why", default="", metavar="TEXT", help="For whoever wonders later.")
@click.option("--literal", is_flag=True, help="NAME has * or ? in it, and is no pattern.")
@render.FORM
@click.pass_context
@receipted("trust block")
def block_command(
    context: click.Context, *, kind: str, name: str, why: str, literal: bool, form: str
) -> None:
    """Block a principal, a tool or a server, from now on and everywhere.

    Running sessions are told at once. Then it is written to the store that all proxies share, so
    it holds for sessions that start later, too. NAME is literal, and may be one that nothing here
    has yet: that is said. Needs no key.

    Exit codes: 0 blocked; 2 the store or a running session could not be told.
    """
    note(trust={"kind": kind, "name": name})
    _printable(name, why)
    if not literal:
        _no_pattern(kind, name)
    made = Block(kind, name, why, int(datetime.now(UTC).timestamp()), "mcpguard trust block")
    args: JsonObject = {"kind": kind, "name": name, "why": why}
    outcomes: list[Outcome] = []
    unasked = None
    try:  # a store that is held by others keeps nobody from being told
        outcomes += reach.each(_running(), lambda line: line.ask("block", args))
    except McpguardError as error:
        unasked = error
    try:
        new = _stored(lambda store: blocks.add(store, made))
    except McpguardError as error:
        for one in outcomes:
            if one.error is not None:
                render.talk(f"session {one.found.session}: {render.printable(one.error.message)}")
        count = sum(one.error is None or blocks.ALONE in one.error.message for one in outcomes)
        told = f"{error.message}; not blocked for sessions that start later"
        raise StoreError(f"{told}; running sessions told: {count}", hint=error.hint) from error
    if unasked is not None:
        raise unasked
    new = new or any(isinstance(r := one.result, dict) and r.get("new") is True for one in outcomes)
    text = f"{kind} {name} is blocked" + ("" if new else ", as it was before")
    others = known.others(kind, name, [one.found for one in outcomes])
    answer: JsonObject = {"kind": kind, "name": name, "new": new, "known": others is None}
    _done(answer, text, outcomes, form)
    if others is not None:
        way = f"mcpguard trust unblock {kind} {shlex.quote(name)}, and block the right one"
        does = "the block holds for exactly this name, should it come"
        render.talk(*known.warning(kind, name, others, does, f"if it is misspelt: {way}"))
    context.exit(UNKNOWN if reach.code_of(outcomes) else 0)


def _no_pattern(kind: str, name: str) -> None:
    """Raises UsageError for a pattern: a block is of one name, and it would block nothing."""
    if not set(name).isdisjoint("*?"):
        way = f"mcpguard trust policy {shlex.quote(name)} blocked=true"
        raise UsageError(
            f"{name!r} looks like a pattern, and names are literal here: only a {kind} of exactly"
            " this name would be blocked",
            hint=(f"for a pattern of tools: {way}" if kind == "tool" else f"block each {kind}")
            + "; if that is its name: add --literal",
        )


@click.command(name="unblock")
@_KIND
@_NAME
@render.FORM
@signer_option
@click.pass_context
@receipted("trust unblock")
def unblock_command(
    context: click.Context, *, kind: str, name: str, form: str, by: str | None, said: Phrases
) -> None:
    """End a block. Needs the passphrase of an approver key.

    Exit codes: 0 not blocked any more; 1 it was not blocked, or a session refused; 2 the store or a
    running session could not be told.
    """
    note(trust={"kind": kind, "name": name})
    _printable(name, "")
    signing = reach.unlocking(context, by, said)()
    args: JsonObject = {"kind": kind, "name": name}
    outcomes = list(
        reach.each(_running(), lambda line: reach.signed(signing, line, "unblock", args))
    )
    # Who runs decides whether the signature counts; the first to do it leaves nothing to the rest.
    done = [one for one in outcomes if one.error is None]
    if outcomes and not done and outcomes[0].error is not None:
        raise outcomes[0].error
    if _stored(lambda store: blocks.remove(store, kind, name)) is None and not done:
        raise RefusalError(
            f"{kind} {name} is not blocked", hint="see what is: mcpguard trust blocks"
        )
    told = [one for one in outcomes if not isinstance(one.error, RefusalError)]
    _done({"kind": kind, "name": name}, f"{kind} {name} is not blocked any more", told, form)
    context.exit(reach.code_of(told))


@click.command(name="blocks", short_help="List what is blocked.")
@render.FORM
def blocks_command(*, form: str) -> None:
    """List what is blocked in the store that all proxies share.

    Exit codes: 0 shown, also when nothing is blocked; 2 the store could not be read.
    """
    every = _stored(blocks.every)
    if form == "json":
        render.answer([render.json_text({"blocks": [blocks.as_json(each) for each in every]})])
    elif not every:
        render.answer(["Nothing is blocked."])
    else:
        table = [(each.kind, each.name, _moment(each.at), each.why) for each in every]
        render.answer(reach.rows([("KIND", "NAME", "SINCE", "WHY"), *table]))


@click.command(name="budgets", short_help="Show what sessions used; begin again.")
@click.option("--reset", is_flag=True, help="Begin the budgets again. Needs an approver key.")
@reach.SESSION
@render.FORM
@signer_option
@click.pass_context
def budgets_command(
    context: click.Context, *, reset: bool, session: str, form: str, by: str | None, said: Phrases
) -> None:
    """Show what running sessions have used of their budgets, and the calls of each caller and tool.

    Exit codes: 0 shown or reset; 1 a session refused; 2 one could not be asked.
    """
    if reset:
        context.exit(_budgets_reset(reach.unlocking(context, by, said), session, form))
    outcomes = list(reach.each(reach.chosen(session), lambda line: line.ask("counts")))
    _told(outcomes, form, "No session runs now, so nothing is counted.", "")
    context.exit(reach.code_of(outcomes))


@click.command(name="policy", short_help="Set a policy of tools, or end it.")
@click.argument("glob")
@click.argument("fields", nargs=-1, metavar="FIELD=VALUE...")
@click.option("--server", default="", metavar="NAME", help="Of this server's tools alone.")
@click.option("--remove", is_flag=True, help="End the policy that was set for GLOB.")
@reach.SESSION
@render.FORM
@signer_option
@click.pass_context
@receipted("trust policy")
def policy_command(
    context: click.Context,
    *,
    glob: str,
    fields: tuple[str, ...],
    server: str,
    remove: bool,
    session: str,
    form: str,
    by: str | None,
    said: Phrases,
) -> None:
    """Set the policy of the tools that GLOB names, from now on and everywhere.

    FIELD is one of the configuration's, such as min_trust=700, blocked=true or
    max_calls_per_minute=10. Needs an approver key, by which it is signed: written to the store that
    all proxies share, it holds for sessions that start later, too. With --session it holds in that
    one session alone, until it ends or reloads.

    Exit codes: 0 set; 1 a session refused; 2 the store or a session could not be told, or it is no
    such field.
    """
    if bool(fields) is remove or (session and (remove or server)):
        raise UsageError(
            "a policy is set with FIELD=VALUE, or ended with --remove",
            hint="--session goes with fields alone",
        )
    told = dict(map(_field, fields))
    note(trust={"kind": "tool", "name": glob, "fields": list[Json](told)})
    if session:
        args: JsonObject = {"glob": glob, "fields": told}
        outcomes = reach.change(reach.unlocking(context, by, said), session, "set_policy", args)
        _told(outcomes, form, "", "set")
        context.exit(reach.code_of(outcomes))
    _printable(glob + server, "")
    if told:
        _readable(glob, told)
    signing = reach.unlocking(context, by, said)()
    policy = _kept_policy(signing, server, glob, told)
    args = {"policy": policies.as_json(policy)}
    outcomes = list(reach.each(_running(), lambda line: reach.signed(signing, line, "rule", args)))
    text = f"the policy of {glob} " + ("is set" if told else "has ended")
    _done({"glob": glob, "server": server, "fields": told}, text, outcomes, form)
    context.exit(reach.code_of(outcomes))


def _readable(glob: str, fields: JsonObject) -> None:
    """Raises UsageError for what no session could take over."""
    from mcpguard.config.loading import load
    from mcpguard.live.reloading import with_policy

    with_policy(load(), glob, fields)


def _kept_policy(signing: Signing, server: str, glob: str, fields: JsonObject) -> Policy:
    """The policy, signed and in the store. Raises RefusalError when there is none to end."""
    stands = _standing()

    def keep(store: Store) -> Policy:
        held = [row.policy for row in policies.rows(store) if stands(row)]
        before = [each for each in held if each is not None and each.about == (server, glob)]
        if not fields and not any(each.fields for each in before):
            raise RefusalError(
                f"no policy of {glob} was set", hint="see those that are: mcpguard trust policies"
            )
        after = max((each.at for each in before), default=0)
        made = signing.policy(server, glob, fields, after=after)
        policies.add(store, made, stands)
        return made

    return _stored(keep)


@click.command(name="policies", short_help="List the policies that were set.")
@render.FORM
def policies_command(*, form: str) -> None:
    """List the policies of tools that approvers set in the store that all proxies share.

    What stands among them without the signature of one of this machine's approvers is not in force
    here, and shown apart with the reason.

    Exit codes: 0 shown, also when none is set or in force; 2 the store could not be read, or holds
    more than any session reads.
    """
    rows, among = _stored(policies.rows), approvers(folder())
    judged = [(row, policies.flaw(row, among)) for row in rows]
    held = [row.policy for row, why in judged if row.policy is not None and not why]
    _show_policies(
        [each for each in held if each.fields], [(row, why) for row, why in judged if why], form
    )


def _show_policies(held: Sequence[Policy], wrong: Sequence[tuple[Row, str]], form: str) -> None:
    if form == "json":
        render.answer([render.json_text(_policies_json(held, wrong))])
        return
    if not held:
        render.answer(["No policy is set beside the settings."])
    else:
        table = [(*_about(each), _moment(each.at), each.key, _fields(each)) for each in held]
        render.answer(reach.rows([("TOOLS", "SERVER", "SINCE", "KEY", "POLICY"), *table]))
    if wrong:
        others = [(*_about(row.policy), row.place[:PLACE], why) for row, why in wrong]
        render.answer(["", "Not in force:"])
        render.answer(reach.rows([("TOOLS", "SERVER", "PLACE", "WHY"), *others]))


def _policies_json(held: Sequence[Policy], wrong: Sequence[tuple[Row, str]]) -> JsonObject:
    return {
        "policies": [policies.as_json(each) for each in held],
        "ignored": [
            {
                "place": row.place,
                "why": why,
                "policy": policies.as_json(row.policy) if row.policy is not None else None,
            }
            for row, why in wrong
        ],
    }


def _about(policy: Policy | None) -> tuple[str, str]:
    if policy is None:
        return "-", "-"
    return policy.glob[:MAX_SHOWN], policy.server[:MAX_SHOWN] or "every"


def _standing() -> Callable[[Row], bool]:
    """Whether one of our approvers signed what stands there."""
    among = approvers(folder())
    return lambda row: not policies.flaw(row, among)


def _fields(policy: Policy) -> str:
    return " ".join(f"{key}={render.plain(value)}" for key, value in policy.fields.items())


@click.command(name="reset", short_help="Begin a score anew.")
@click.argument("kind", type=click.Choice(PARTIES))
@_NAME
@click.option("--why", default="", metavar="TEXT", help="For whoever wonders later.")
@reach.SESSION
@render.FORM
@signer_option
@click.pass_context
@receipted("trust reset")
def reset_command(
    context: click.Context,
    *,
    kind: str,
    name: str,
    why: str,
    session: str,
    form: str,
    by: str | None,
    said: Phrases,
) -> None:
    """Begin the score of a caller or a server anew, by a record that says who did and why.

    What was recorded before stays in the log. A running session writes the record; name one of that
    server, or of any for a caller. NAME may be one that nothing here has yet: that is said before
    the passphrase is asked for. Needs that of an approver key.

    Exit codes: 0 reset; 1 the session refused; 2 it could not be asked.
    """
    note(trust={"kind": kind, "name": name})
    _printable(name, why)
    wanted = session or (name if kind == "server" else "")
    # One session writes it: the same reset in two logs would count twice.
    found = reach.chosen(wanted)[:1]
    if not found:
        raise ControlError(reach.NOBODY, hint="start one: its log takes the record")
    others = known.others(kind, name, _running())
    if others is not None:  # before somebody signs it
        does = "the score of exactly this name begins anew, and of nobody else"
        way = f"if it is misspelt: mcpguard trust reset {kind} with the right name"
        render.talk(*known.warning(kind, name, others, does, way))
    args: JsonObject = {"kind": kind, "name": name, "why": why}
    signing = reach.unlocking(context, by, said)()
    outcomes = list(
        reach.each(found, lambda line: reach.signed(signing, line, "reset_trust", args))
    )
    _told(outcomes, form, "", f"{kind} {render.printable(name)} begins anew")
    context.exit(reach.code_of(outcomes))


@receipted("trust budgets")
def _budgets_reset(unlock: reach.Unlock, session: str, form: str) -> int:
    note(trust={"kind": "session", "name": session})
    outcomes = reach.change(unlock, session, "reset_budgets", {})
    _told(outcomes, form, "", "reset")
    return reach.code_of(outcomes)


COMMANDS = (
    block_command,
    unblock_command,
    blocks_command,
    budgets_command,
    policy_command,
    policies_command,
    reset_command,
)
"""Added to the group `mcpguard trust`."""


def _stored(work: Callable[[Store], Kept]) -> Kept:
    with closing(reach.open_store()) as store:
        return work(store)


def _running() -> list[client.Found]:
    """Running sessions; none where there are no sockets: the store is what they all look at."""
    return client.find(reach.home()) if offered() else []


def _printable(name: str, why: str) -> None:
    if not (name + why).isprintable():
        raise UsageError("a name or reason holds what does not print", hint="leave it out")


def _done(told: JsonObject, text: str, outcomes: Sequence[Outcome], form: str) -> None:
    if form == "json":
        render.answer([render.json_text({**told, "sessions": reach.shown_json(outcomes)})])
        return
    count = sum(one.error is None for one in outcomes)
    running = f"; {count} running {'session knows' if count == 1 else 'sessions know'}"
    render.answer([render.printable(text) + (running if outcomes else "")])
    for one in outcomes:
        if one.error is not None:
            render.talk(f"session {one.found.session}: {render.printable(one.error.message)}")


def _told(outcomes: Sequence[Outcome], form: str, nothing: str, did: str) -> None:
    if form == "json":
        render.answer([render.json_text({"sessions": reach.shown_json(outcomes)})])
        return
    render.answer([nothing] * (not outcomes))
    for one in outcomes:
        render.answer(_lines(one, did))


def _lines(one: Outcome, did: str) -> Iterator[str]:
    name = f"{render.printable(one.found.server or '?')} ({one.found.session})"
    if one.error is not None:
        yield f"{name}: {render.printable(one.error.message)}"
        yield from [f"  next: {render.printable(one.error.hint)}"] * bool(one.error.hint)
        return
    yield f"{name}: {did}" if did else name
    if isinstance(one.result, dict):
        yield from reach.numbers(one.result)


def _field(text: str) -> tuple[str, Json]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"{text!r} is no FIELD=VALUE", hint="such as min_trust=700")
    words: dict[str, Json] = {"true": True, "false": False}
    if value in words:
        return name, words[value]
    if value.isascii() and value.isdigit() and len(value) < MAX_DIGITS:
        return name, int(value)
    return name, value


def _moment(at: int) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if at else "-"
    except (OverflowError, OSError, ValueError):
        return "-"
