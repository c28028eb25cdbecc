"""`mcpguard wrap`: lock one server of a host, and have the host start it behind the proxy."""

import contextlib
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click

from mcpguard.cli import hostfile, lock, look, placing, render
from mcpguard.cli.placing import Target
from mcpguard.daemon.environment import BASE, BASE_PREFIXES, refuse_names
from mcpguard.errors import HostError, McpguardError, UnreachableError, UsageError
from mcpguard.hosts import entry as entries
from mcpguard.hosts import undo
from mcpguard.hosts.entry import Entry, Proxied
from mcpguard.hosts.places import HOSTS
from mcpguard.hosts.splice import Edit, parse, spliced, value
from mcpguard.hosts.undo import Record, State

__all__ = ["wrap"]

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")
"""Characters that are a file's name as they stand, also where case does not count."""

MAX_STEM = 40
"""Characters of a server's name in its lockfile's: file systems take 255 bytes."""

DECLINED = 1
"""Exit code when a person said no."""


@dataclass(frozen=True, slots=True)
class _Options:
    lock: Path | None
    update: bool
    data: Sequence[str]
    requests: Sequence[str]
    timeout: float


@dataclass(frozen=True, slots=True)
class _Plan:
    """What will be done. `entry`: the server as the host starts it, its variables filled in.

    `new`: the bytes of the entry as they will be; those of a server which is wrapped stay.
    """

    target: Target
    entry: Entry
    lock: Path
    new: bytes


@click.command(
    epilog=render.examples(
        "mcpguard wrap --dry-run docs", "mcpguard wrap --host claude-desktop --yes docs"
    )
)
@click.argument("server")
@placing.host_options
@click.option(
    "--lock",
    "lock_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The lockfile to write or to compare with. Default: in the data directory, by host and"
    " server.",
)
@click.option("--update", is_flag=True, help="Lock the server anew although it changed.")
@lock.requests_option
@lock.data_option
@look.timeout_option
@click.option(
    "--dry-run", is_flag=True, help="Show what would be changed; start and write nothing."
)
@click.option("--yes", is_flag=True, help="Do not ask before the server is started.")
def wrap(
    *,
    server: str,
    host: str | None,
    config_file: Path | None,
    scope: str | None,
    lock_file: Path | None,
    update: bool,
    requests: Sequence[str],
    data: Sequence[str],
    timeout: float,
    dry_run: bool,
    yes: bool,
) -> int:
    """Rewrite the entry of SERVER in its host's file so that it runs behind mcpguard.

    The server is started first, as the host starts it, and all it lists is locked; where the
    lockfile exists, it is compared, and nothing is changed when it differs (--update accepts it).
    Then `command` becomes mcpguard and the old command moves behind `proxy --lock FILE --`. Every
    other byte of the file stays. A backup is kept; `mcpguard unwrap SERVER` puts the entry back.

    Exit codes: 0 wrapped, or it was already; 1 the server changed, or you said no; 2 it could not
    be done. With 1 and 2 the host's file is as it was.
    """
    options = _Options(lock_file, update, data, requests, timeout)
    with contextlib.nullcontext() if dry_run else hostfile.alone():
        target = placing.locate(server, placing.places(host, config_file, scope))
        entry = _entry(target)
        record = _wrapped_already(target, entry)
        if record is not None and not update:
            _say(f"{target.place.file}: {server} runs behind mcpguard already")
            return 0
        plan = _planned(target, entry, options, record)
        refuse_names(plan.entry.env)
        _show(plan)
        if dry_run:
            render.talk("mcpguard wrap: a dry run: nothing was started, nothing was changed")
            return 0
        if not yes and not _agreed():
            render.talk("mcpguard wrap: nothing was changed")
            return DECLINED
        return _wrap(plan, options)


def _say(line: str) -> None:
    render.answer([render.printable(line)])


def _entry(target: Target) -> Entry:
    """What the host starts. Raises HostError, saying where, when it cannot run behind mcpguard."""
    try:
        entry = entries.read(value(target.file.data, target.node))
    except HostError as error:
        raise _at(target, error) from error
    return entry


def _at(target: Target, error: McpguardError) -> HostError:
    where = f"{target.place.file}: {target.path[-1]}"
    return HostError(f"{where}: {error.message}", hint=error.hint)


def _filled(target: Target, entry: Entry) -> Entry:
    if not HOSTS[target.place.host].expands:
        return entry
    try:
        return entries.expanded(entry, os.environ)
    except HostError as error:
        raise _at(target, error) from error


def _wrapped_already(target: Target, entry: Entry) -> Record | None:
    """The record of an entry that `wrap` wrote, edited since or not; None when there is none.

    Raises HostError for other words that name mcpguard: what they start was not looked at. Of an
    edited entry, mcpguard and its own words must still be those that were written.
    """
    record = hostfile.kept(target.file.path, target.path)
    now = State.ORIGINAL
    if record is not None:
        now = undo.state(target.file.data, target.file.root, record)
    if now is State.WRAPPED:
        return record
    if entries.behind_mcpguard(entry) is None:
        return None
    if now is State.EDITED and record is not None and _own(record, entry.words):
        return record
    raise _at(
        target,
        HostError(
            "the entry starts `mcpguard proxy` in words that wrap did not write; it is left as is",
            hint="to have it wrapped, put the server's own command there first",
        ),
    )


def _own(record: Record, words: Sequence[str]) -> bool:
    data = record.wrapped.encode()
    written = entries.read(value(data, parse(data))).words
    own = written.index("--") + 1
    return tuple(words[:own]) == written[:own]


def _planned(target: Target, entry: Entry, options: _Options, record: Record | None) -> _Plan:
    if record is not None:
        if options.lock is not None and options.lock.absolute() != Path(record.lock):
            raise UsageError(
                f"{target.path[-1]} is wrapped with the lockfile {record.lock}",
                hint="leave --lock out, or unwrap it first",
            )
        behind = entries.behind_mcpguard(entry) or Proxied()
        inner = replace(entry, words=behind.words)
        return _Plan(target, _filled(target, inner), Path(record.lock), target.bytes)
    hostfile.check_replaceable(target.file)
    path = (options.lock or _default_lock(target)).absolute()
    program = _executable()
    if HOSTS[target.place.host].expands:
        _refuse_dollars(program, str(path))
    before = ("proxy", "--lock", str(path), "--")
    try:
        new = entries.rewritten(target.bytes, program, before)
    except HostError as error:
        raise _at(target, error) from error
    return _Plan(target, _filled(target, entry), path, new)


def _refuse_dollars(*paths: str) -> None:
    for path in paths:
        if "${" in path:
            raise UsageError(
                f"{path}: the host would read ${{ in it as a variable", hint="use another directory"
            )


def _default_lock(target: Target) -> Path:
    """One file for each entry; its bare name for a plain name in the host's own file."""
    place, name = target.place, target.path[-1]
    plain = "".join(char if char in PLAIN else "-" for char in name)[:MAX_STEM]
    stem = f"{place.host}-{plain}"
    if plain != name or not place.usual or place.scope.in_project:
        stem += f"-{hostfile.identity(target.file.path, target.path)[:8]}"
    return hostfile.state_directory("locks") / f"{stem}.json"


def _executable() -> str:
    """The absolute path of the `mcpguard` command. A link stays one: an upgrade moves its target.

    Raises UsageError when it cannot be told.
    """
    called = Path(sys.argv[0])
    if called.stem == "mcpguard" and called.name == str(called):
        called = Path(shutil.which(str(called)) or called)
    beside = Path(sys.executable).with_name("mcpguard.exe" if os.name == "nt" else "mcpguard")
    for path in (called, beside):
        named = path.name in {"mcpguard", beside.name}
        if named and path.is_file() and os.access(path, os.X_OK):
            return str(path.absolute())
    raise UsageError(
        "where the command mcpguard is cannot be told",
        hint="run it by its full path, not python -m",
    )


def _show(plan: _Plan) -> None:
    target = plan.target
    old, new = _entry(target), entries.read(value(plan.new, parse(plan.new)))
    lines = [
        f"{target.place.title}: {target.path[-1]}, in {target.place.file}",
        f"  now   {shlex.join(old.words)}",
        f"  then  {shlex.join(new.words)}" if new != old else f"  lock  {plan.lock}, anew",
        f"  in    {_start(plan.entry, target)}",
    ]
    if old.env:
        lines.append(f"  env   {', '.join(old.env)} (stays in the entry; only names are locked)")
    render.answer([render.printable(line) for line in lines])


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            "there is no terminal to ask whether the server may be started",
            hint="look at it with --dry-run, then add --yes",
        )
    return render.agreed("Start it, lock what it lists and rewrite the entry?")


def _wrap(plan: _Plan, options: _Options) -> int:
    target = plan.target
    code = _locked(target, plan.entry, plan.lock, options)
    if code:
        render.talk(render.printable(f"  the entry in {target.place.file} is left as it is"))
        return code
    if plan.new == target.bytes:
        return 0
    saved = _written(plan)
    name = render.printable(target.path[-1])
    _say(f"{target.place.file}: {target.path[-1]} runs behind mcpguard now")
    render.talk(
        f"  backup: {saved}",
        *[f"  {target.place.scope.remark}"] * bool(target.place.scope.remark),
        f"  next: {HOSTS[target.place.host].restart}; to undo: mcpguard unwrap {shlex.quote(name)}",
    )
    return 0


def _written(plan: _Plan) -> Path:
    """Write the record, then the file; the backup's path."""
    target = plan.target
    record = Record(
        host=target.place.host,
        scope=target.place.scope.name,
        file=str(target.file.path),
        path=target.path,
        original=target.bytes.decode(),
        wrapped=plan.new.decode(),
        lock=str(plan.lock),
        at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    hostfile.save(record)  # first: a rewritten entry without its record could not be undone
    node = target.node
    try:
        return hostfile.write(
            target.file, spliced(target.file.data, (Edit(node.start, node.end, plan.new),))
        )
    except McpguardError:
        hostfile.forget(record)
        raise


def _locked(target: Target, entry: Entry, path: Path, options: _Options) -> int:
    """Lock the server as the host starts it: its variables, its directory. The exit code."""
    name = target.path[-1]
    said = _entry(target)
    if HOSTS[target.place.host].expands and any("${" in word for word in said.words):
        render.talk("mcpguard wrap: the variables in its arguments are locked by their values")
    with _as_the_host(entry, target):
        try:
            code, _ = lock.review(
                lock.Wish(
                    output=path.absolute(),
                    command=entry.words,
                    name=name if len(name) <= lock.MAX_NAME and name.isprintable() else "",
                    env=[each for each in entry.env if not _base(each)],
                    requests=options.requests,
                    data=options.data,
                    update=options.update,
                    timeout=options.timeout,
                )
            )
        except UnreachableError as error:
            hint = _MEND if "--env" in error.hint else error.hint
            raise _at(target, HostError(error.message, hint=hint)) from error
    return code


_MEND = "run the command alone, in that directory; a variable it needs stands in the entry's env"
"""Where the advice for other commands is an option that this one has not."""


def _base(name: str) -> bool:
    return name in BASE or name.startswith(BASE_PREFIXES)


def _start(entry: Entry, target: Target) -> Path:
    """The directory in which the host starts it; the root where none is known, as on macOS."""
    return (target.place.directory or Path(Path.home().anchor)) / entry.cwd


@contextlib.contextmanager
def _as_the_host(entry: Entry, target: Target) -> Iterator[None]:
    """Its directory and the entry's variables."""
    start = _start(entry, target)
    if not start.is_dir():
        raise _at(target, HostError(f"its directory {start} does not exist", hint="make it first"))
    before = dict(os.environ)
    try:
        with contextlib.chdir(start):
            os.environ.update(entry.env)
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)
