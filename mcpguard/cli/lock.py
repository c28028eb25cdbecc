"""`mcpguard lock`: write down what a server lists, to be reviewed. Never re-baselines silently."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from mcpguard.cli import listing, look, render
from mcpguard.cli.receipt.leaving import note, receipted
from mcpguard.cli.receipt.output import replace
from mcpguard.config import flags
from mcpguard.daemon import launch as launches
from mcpguard.daemon.probe import Eras
from mcpguard.errors import LockfileError, UsageError
from mcpguard.hosts.checks import argument_secrets
from mcpguard.lock import drift, lockfile
from mcpguard.lock.lockfile import Launch, Lockfile
from mcpguard.lock.surface import Surface
from mcpguard.model import Finding, ItemKind, RequestKind, Severity
from mcpguard.survey import locking
from mcpguard.survey.report import Survey

__all__ = ["Wish", "data_option", "lock", "requests_option", "review"]

NONE = "none"
"""The word that takes a repeatable option's locked values away."""

DOUBTED = "What a scan doubts in what it lists now:"
CHANGED = "What is not as it was locked:"
"""Headings, where both may be said: a doubt may be old, a change need not be doubtful."""

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be locked, and where. What is empty is taken from the lockfile that is there.

    `env` is taken from it only where it is None. `fail_on`: the mildest finding of a scan for which
    nothing is written.
    """

    output: Path
    command: Sequence[str]
    name: str = ""
    env: Sequence[str] | None = None
    requests: Sequence[str] = ()
    data: Sequence[str] = ()
    update: bool = False
    eras: Eras = Eras.BOTH
    fail_on: Severity | None = None
    timeout: float
    """Seconds each start of the server may take."""


def requests_option(function: _F) -> _F:
    """`--allow-request`."""
    return click.option(
        "--allow-request",
        "requests",
        multiple=True,
        type=click.Choice([*(each.value for each in RequestKind), NONE]),
        help="Let the server ask the host for this. Repeatable; anything else it asks is refused.",
    )(function)


def data_option(function: _F) -> _F:
    """`--data`."""
    return click.option(
        "--data",
        "data",
        multiple=True,
        metavar="ARGUMENT",
        help="This argument is a file that changes by nature, such as a database: its bytes are not"
        f" pinned. Repeatable; `{NONE}` takes it back.",
    )(function)


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog=render.examples(
        "mcpguard lock --name files --env API_KEY -- node server.js ~/Documents",
        "mcpguard lock --update",
    ),
)
@click.option(
    "-o",
    "--output",
    "output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=look.DEFAULT_LOCK,
    show_default=True,
    metavar="FILE",
    help="The lockfile to write.",
)
@click.option(
    "--name", default="", metavar="NAME", help="What to call the server. Default: its own name."
)
@click.option(
    "--env",
    "env",
    multiple=True,
    metavar="NAME",
    help="Pass this environment variable on, now and under `proxy`; only the name is written down."
    " Repeatable.",
)
@requests_option
@data_option
@click.option("--update", is_flag=True, help="Write the file although the server changed.")
@click.option(
    "--era",
    type=click.Choice([each.value for each in Eras]),
    default=Eras.BOTH.value,
    show_default=True,
    help="Which protocol era to lock: legacy (initialize), modern (server/discover).",
)
@click.option(
    "--fail-on-scan",
    type=click.Choice([each.value for each in Severity]),
    help="Write nothing when what the server lists is judged this bad, or worse.",
)
@look.timeout_option
@look.command_argument
@receipted("lock")
def lock(
    *,
    output: Path,
    name: str,
    env: Sequence[str],
    requests: Sequence[str],
    data: Sequence[str],
    update: bool,
    era: str,
    fail_on_scan: str | None,
    timeout: float,
    command: Sequence[str],
) -> int:
    """Write everything a server lists to a lockfile: the definitions themselves, to be reviewed.

    Where the lockfile exists it is compared first: what changed is shown and the file is left as it
    is, unless --update is given. Options that are not given keep what the file says; so does the
    command. Tiers, notes and `vary` entries are kept.

    What the server lists is judged as `mcpguard scan` does. Doubts are shown, for you to weigh;
    with --fail-on-scan nothing is written then.

    Exit codes: 0 written, or nothing changed; 1 the file was left as it is: the server changed, or
    what it lists was judged too bad; 2 the server could not be looked at, or the file could not be
    read or written.
    """  # fmt: skip
    wish = Wish(
        output=output,
        command=command,
        name=name,
        env=env or None,
        requests=requests,
        data=data,
        update=update,
        eras=Eras(era),
        fail_on=Severity(fail_on_scan) if fail_on_scan else None,
        timeout=timeout,
    )
    code, written = review(wish)
    if written:
        render.talk(
            "  next: read it, commit it, then start the server through it:",
            f"        mcpguard proxy --lock {output}",
        )
    return code


def review(wish: Wish) -> tuple[int, bool]:
    """Look at the server and lock it, saying what it lists or what changed.

    The exit code (1: it changed, and the file was left as it is), and whether the file was written.
    """
    note(lockfile=str(wish.output))
    _check_name(wish.name)
    _writable_place(wish.output)
    previous = _previous(wish.output)
    argv = flags.command(wish.command) or (previous.launch.argv if previous else ())
    data = _data(wish.data, argv, previous)
    launch = launches.describe(argv, _names(wish.env, previous), data)
    surface = look.surface_of(argv, launch.env, timeout=wish.timeout, eras=wish.eras)
    locked = lockfile.from_surface(
        surface,
        name=wish.name or (previous.name if previous else _own_name(surface, argv)),
        launch=launch,
        requests=_requests(wish.requests, previous),
        previous=previous,
    )
    note(server=locked.name)
    home = flags.data_dir()
    survey = locking.before(
        surface,
        locked,
        wish.output,
        home=home,
        today=datetime.now(UTC).date(),
        fail_on=wish.fail_on or Severity.CRITICAL,
        previous=previous,
    )
    _tell_doubts(survey, heading=previous is not None)
    if wish.fail_on is not None and survey.outcome != "clean":
        render.answer([f"{wish.output}: nothing was written: --fail-on-scan {wish.fail_on}"])
        return 1, False
    if previous is None:
        code, written = _write(wish.output, locked, "locked")
    else:
        code, written = _again(wish, previous, locked, surface)
    if written or locked == previous:
        problems = locking.remembered(home, locked, wish.output, survey)
        render.talk(*(f"mcpguard lock: {render.printable(each)}" for each in problems))
    return code, written


def _tell_doubts(survey: Survey, *, heading: bool) -> None:
    """What a reader of the lockfile should look at first, and apart from what has changed."""
    lines = [*listing.told_lines(survey.counting, named=False)]
    if lines and heading:
        render.talk(render.painted("bold", DOUBTED, sys.stderr))
    render.talk(*lines)
    if lines and heading:
        render.talk("")
    if survey.names_lost:
        render.talk(f"mcpguard lock: {render.printable(survey.names_lost)}")


def _again(wish: Wish, previous: Lockfile, locked: Lockfile, surface: Surface) -> tuple[int, bool]:
    """There is a lockfile: show what changed; write only when told to, and only a change."""
    output = wish.output
    findings = drift.compare(previous, surface, missing=Severity.MODERATE)
    note(drift=dict(render.counts(findings)))
    changes = _settings_changed(previous, locked)
    shown = render.finding_lines(findings) + changes
    if shown:
        render.answer([render.painted("bold", CHANGED), *shown, ""])
    if wish.update and locked.digest != previous.digest:
        return _write(output, locked, "updated")
    if not findings and not changes:
        render.answer([f"{output}: nothing changed; the file is left as it is"])
        return 0, False
    render.answer([f"{output}: this is not what is locked; the file is left as it is"])
    render.talk("  next: when this is what you want, the same command with --update")
    return 1, False


def _settings_changed(previous: Lockfile, locked: Lockfile) -> list[str]:
    """Sentences for what this command line would change and no server said."""
    pairs = (
        ("name", previous.name, locked.name),
        ("command", _shown(previous.launch.argv), _shown(locked.launch.argv)),
        ("environment", _shown(previous.launch.env), _shown(locked.launch.env)),
        ("allowed requests", _shown(previous.requests), _shown(locked.requests)),
    )
    lines = [f"{what}: was {old}, would be {new}" for what, old, new in pairs if old != new]
    return lines + _files_changed(previous.launch, locked.launch)


def _files_changed(old: Launch, new: Launch) -> list[str]:
    if old.argv != new.argv:
        return []
    return [
        f"file {render.printable(name)}: {_file_changed(old.files.get(name), new.files.get(name))}"
        for name in sorted(old.files.keys() | new.files.keys())
        if old.files.get(name) != new.files.get(name)
    ]


def _file_changed(old: str | None, new: str | None) -> str:
    if new == lockfile.DATA:
        return "would be data, its bytes not pinned"
    return (
        "was data, would be pinned" if old == lockfile.DATA else "not the bytes that were reviewed"
    )


def _shown(words: Sequence[str] | frozenset[str]) -> str:
    import shlex

    listed = list(words) if isinstance(words, tuple) else sorted(words)
    return render.printable(shlex.join(listed)) or NONE


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME or not name.isprintable():
        raise UsageError(
            f"{name!r} cannot be a server's name", hint=f"at most {MAX_NAME} printable characters"
        )


def _writable_place(output: Path) -> None:
    """Before a server is started for nothing: the directory must be there."""
    if not output.parent.is_dir():
        raise UsageError(
            f"{output}: the directory {output.parent} does not exist",
            hint="make it, or name another file with -o FILE",
        )
    if output.is_dir():
        raise UsageError(f"{output} is a directory", hint="name a file with -o FILE")


def _previous(output: Path) -> Lockfile | None:
    if not os.path.lexists(output):
        return None
    try:
        return look.read_lockfile(output)
    except LockfileError as error:
        raise LockfileError(
            f"{error.message}",
            hint="it is left as it is: restore the reviewed file, or move it away and lock anew",
        ) from error


def _names(env: Sequence[str] | None, previous: Lockfile | None) -> Sequence[str]:
    if env is not None:
        return env
    return previous.launch.env if previous else ()


def _data(given: Sequence[str], argv: Sequence[str], previous: Lockfile | None) -> Sequence[str]:
    if NONE in given and len(set(given)) > 1:
        raise UsageError("--data none goes alone", hint="name the arguments, or none of them")
    if not given and previous is not None:
        files = previous.launch.files
        return [name for name in files if files[name] == lockfile.DATA and name in argv]
    return [name for name in given if name != NONE]


def _requests(given: Sequence[str], previous: Lockfile | None) -> frozenset[RequestKind]:
    if NONE in given and len(set(given)) > 1:
        raise UsageError("--allow-request none goes alone", hint="name the kinds, or none of them")
    if not given and previous is not None:
        return previous.requests
    return frozenset(RequestKind(kind) for kind in given if kind != NONE)


def _own_name(surface: Surface, argv: Sequence[str]) -> str:
    """The server's name for itself where it is a plain word, else the program's."""
    name = surface.server.server_info.get("name")
    if isinstance(name, str) and 0 < len(name) <= MAX_NAME and _PLAIN.issuperset(name):
        return name
    return Path(argv[0]).name[:MAX_NAME]


MAX_NAME = 64
"""Characters of a server's name: it stands at the head of every log line."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@/")


def _secrets(argv: Sequence[str]) -> Iterator[Finding]:
    for kind in argument_secrets(argv):
        what = (
            f"an argument holds a credential ({kind}), which stands in the lockfile now: give it"
            " to the server in a variable instead, if it takes one"
        )
        yield Finding("launch.secret", Severity.MODERATE, "/launch/argv", what)


def _write(output: Path, locked: Lockfile, word: str) -> tuple[int, bool]:
    replace(output, lockfile.render(locked))
    what = render.counted({kind: len(locked.items[kind]) for kind in ItemKind})
    render.answer([f"{output}: {word} {render.printable(locked.name)}: {what}"])
    secrets = tuple(_secrets(locked.launch.argv))
    remarks = (*drift.remarks(locked), *launches.remarks(locked.launch), *secrets)
    render.talk(*render.finding_lines(remarks))
    return 0, True
