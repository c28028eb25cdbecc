"""`mcpguard reload`: running sessions read their configuration again."""

from collections.abc import Iterator, Sequence

import click

from mcpguard.cli import reach, render
from mcpguard.cli.reach import Outcome, field
from mcpguard.cli.signing import Phrases, signer_option

__all__ = ["reload"]


@click.command()
@reach.SESSION
@render.FORM
@signer_option
@click.pass_context
def reload(
    context: click.Context, *, session: str, form: str, by: str | None, said: Phrases
) -> int:
    """Have running sessions read mcpguard.yaml again, without a restart.

    Signed with an approver key, as a new configuration may allow more. A configuration that has an
    error changes nothing: the session keeps the old one and says where the error is. The lockfile
    is not read again; that takes a new session.

    Exit codes: 0 all have reloaded; 1 one keeps its old configuration; 2 one could not be asked.
    """
    outcomes = reach.change(reach.unlocking(context, by, said), session, "reload", {})
    if form == "json":
        render.answer([render.json_text({"sessions": reach.shown_json(outcomes)})])
    else:
        render.answer(_text(outcomes))
    return reach.code_of(outcomes)


def _text(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for one in outcomes:
        name = f"{render.printable(one.found.server or '?')} ({one.found.session})"
        if one.error is None:
            yield f"{name}: reloaded, {_changed(one)}"
            continue
        yield f"{name}: not reloaded: {render.printable(one.error.message)}"
        if one.error.hint:
            yield f"  next: {render.printable(one.error.hint)}"


def _changed(one: Outcome) -> str:
    changed = one.result.get("changed") if isinstance(one.result, dict) else None
    if isinstance(changed, list):
        return ", ".join(map(render.plain, changed)) or "nothing has changed"
    return field(one.result, "changed", "nothing has changed")
