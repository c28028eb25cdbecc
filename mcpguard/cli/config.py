"""`mcpguard config`: what the settings are, who said so, and whether a file of them is right."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from mcpguard.cli import look, render
from mcpguard.config import showing
from mcpguard.config.files import places, text_of
from mcpguard.config.flags import APPROVERS, data_dir
from mcpguard.config.loading import Loaded, doubts, load, problems_of, problems_of_all
from mcpguard.errors import IdentityError, PolicyError, UsageError
from mcpguard.identity.keys import approvers
from mcpguard.model import Json

__all__ = ["config"]

_config = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The user's file. Default: mcpguard.yaml in the configuration directory.",
)


@click.group(invoke_without_command=True)
@click.pass_context
def config(context: click.Context) -> None:
    """Settings: which files are read, what they come to, and whether one can be used."""
    render.needs_subcommand(context)


@config.command(name="show")
@_config
@click.option(
    "--policy",
    metavar="NAME|FILE",
    help="What the settings are laid over: permissive, baseline, strict, or a file of settings.",
)
@click.option(
    "--server", default="", metavar="NAME", help="With the section of this server on top."
)
@click.option("--origin", is_flag=True, help="Say behind each value which file and line it is of.")
@render.FORM
def show_command(
    file: Path | None, policy: str | None, server: str, origin: bool, form: str
) -> None:
    """Print the settings of a session.

    They are printed as the YAML that they are written in, and can be saved as a file that says the
    same; only the password of a store's address is left out.

    Exit codes: 0 shown, 2 a file cannot be read or used.
    """
    loaded = load(file, policy, server, origins=True)
    if form == "json":
        render.answer([render.json_text(showing.as_json(loaded))])
        return
    lines = [*_head(loaded), *showing.lines(loaded, origin=origin)]
    render.answer(map(render.printable, lines))


def _head(loaded: Loaded) -> Iterator[str]:
    """What was laid over what, as comments."""
    yield f"# the preset {loaded.settings.preset}"
    for path in loaded.files:
        yield f"# {path}"


@config.command(name="validate")
@click.argument("file", type=click.Path(path_type=Path), required=False, metavar="[FILE]")
@click.option("--system", is_flag=True, help="FILE is to be the system's, which only tightens.")
@click.option(
    "--lock",
    type=click.Path(path_type=Path),
    metavar="LOCK",
    help="Warn of patterns that fit no tool of this lockfile.",
)
@render.FORM
@click.pass_context
def validate_command(
    context: click.Context, file: Path | None, system: bool, lock: Path | None, form: str
) -> None:
    """Check FILE, or the files that are read.

    FILE is checked whole, and once more for each server that it has a section for. Warnings name
    what can be used and takes a protection away, or has no effect.

    Exit codes: 0 it can be used, 1 something in it is wrong, 2 it cannot be read.
    """
    if file is None and system:
        raise UsageError(
            "--system says what FILE is", hint="mcpguard config validate --system FILE"
        )
    own = [] if file is None else [(file, problems_of(file, system=system))]
    found = own or problems_of_all(places())
    held = look.read_lockfile(lock) if lock is not None else None
    keys = _keys()
    warned = {path: [] if wrong or system else doubts(path, held, keys) for path, wrong in found}
    if form == "json":
        render.answer([render.json_text([_as_json(*each, warned[each[0]]) for each in found])])
    else:
        for each in found:
            render.answer(_checked(*each, warned[each[0]]))
        if not found:
            render.answer(["there is no file of settings; the preset baseline holds"])
    context.exit(int(any(wrong for _, wrong in found)))


def _keys() -> int | None:
    """How many approvers there are; None where that is another command's trouble."""
    try:
        return len(approvers(data_dir() / APPROVERS))
    except IdentityError:
        return None


def _checked(
    file: Path, wrong: Sequence[PolicyError], warned: Sequence[PolicyError]
) -> Iterator[str]:
    if not wrong:
        count = f", {len(warned)} warning{'s' * (len(warned) != 1)}" if warned else ""
        yield f"{render.printable(str(file))}: nothing wrong{count}"
    for problem in warned:
        place = f"{problem.source}:{problem.line}:{problem.column}"
        yield render.printable(f"{place}: warning: {problem.what}")
        yield f"  next: {render.printable(problem.hint)}"
    for problem in wrong:
        yield render.printable(problem.message)
        if problem.hint:
            yield f"  next: {render.printable(problem.hint)}"


def _as_json(file: Path, wrong: Sequence[PolicyError], warned: Sequence[PolicyError]) -> Json:
    return {
        "file": str(file),
        "valid": not wrong,
        "problems": [_told(each) for each in wrong],
        "warnings": [_told(each) for each in warned],
    }


def _told(each: PolicyError) -> Json:
    return {"line": each.line, "column": each.column, "message": each.what, "hint": each.hint}


@config.command(name="path")
@_config
@render.FORM
def path_command(file: Path | None, form: str) -> None:
    """Print where settings are looked for.

    Exit codes: 0 printed, 2 a file is there and cannot be read.
    """
    found = places()
    rows = [("user", file or found.user), ("system", found.system)]
    told = [(who, path, text_of(path) is not None) for who, path in rows]
    if form == "json":
        rows_json: list[Json] = [
            {"file": str(path), "of": who, "exists": exists} for who, path, exists in told
        ]
        render.answer([render.json_text(rows_json)])
        return
    for who, path, exists in told:
        state = "read" if exists else "not there"
        render.answer([f"{who:<6}  {state:<9}  {render.printable(str(path))}"])


@config.command(name="keys")
def keys_command() -> None:
    """List every key and what it is.

    Keys with a * may stand under `servers: NAME:` too, for the server of that name.

    Exit codes: 0.
    """
    told = [*showing.key_lines()]
    width = max(len(key) for key, _ in told)
    for key, what in told:
        render.answer(render.hung(f"{key:<{width}} ", width + 2, what))
