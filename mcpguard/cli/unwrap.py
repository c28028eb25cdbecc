"""`mcpguard unwrap`: the entry of a host as it was before `wrap`, byte for byte."""

import os
import shlex
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import click

from mcpguard.cli import hostfile, placing, render
from mcpguard.cli.hostfile import HostFile
from mcpguard.errors import HostError, McpguardError, UsageError
from mcpguard.hosts import undo
from mcpguard.hosts.places import HOSTS
from mcpguard.hosts.undo import Record, State

__all__ = ["unwrap"]

LEFT = 1
"""Exit code when the entry was edited since, and left as it is."""

_WORDS = "leave it as it is, or give up what was edited: mcpguard unwrap --force"


@click.command()
@click.argument("server", required=False)
@click.option("--all", "everything", is_flag=True, help="Unwrap every server that was wrapped.")
@placing.host_options
@click.option("--force", is_flag=True, help="Put back an edited entry; forget one that is gone.")
@click.option("--forget", metavar="RECORD", help="Forget a damaged record; no host's file changes.")
def unwrap(
    *,
    server: str | None,
    everything: bool,
    host: str | None,
    config_file: Path | None,
    scope: str | None,
    force: bool,
    forget: str | None,
) -> int:
    """Put the entry of SERVER back as it was before `mcpguard wrap`, byte for byte.

    Whatever else changed in the file meanwhile stays. An entry that was edited itself since is
    shown and left as it is, unless --force is given. The lockfile stays, for the next time.

    An entry that is gone, or whose file is, is forgotten with --force. A record that cannot be read
    is named, and --forget sets it aside: then it is in nobody's way.

    Exit codes: 0 put back; 1 the entry was edited since, and was left as it is; 2 it could not be
    done, and was left as it is.
    """
    if forget is not None:
        if server is not None or everything or force:
            raise UsageError("--forget is about one record alone", hint="leave the others out")
        with hostfile.alone():
            _say(f"record {forget} is forgotten, and kept as {hostfile.set_aside(forget)}")
        return 0
    if (server is None) != everything:
        raise UsageError("name one server, or say --all", hint="mcpguard hosts lists them")
    with hostfile.alone():
        found, damaged = hostfile.records()
        for error in damaged:
            render.talk(*render.error_lines(error, "unwrap"))
        wrapped = _fitting(found, host, config_file, scope)
        if server is not None:
            return _one(_chosen(server, wrapped), force=force)
        return max([_all(wrapped, force=force), *(each.exit_code for each in damaged)])


def _fitting(
    wrapped: Sequence[Record], host: str | None, config_file: Path | None, scope: str | None
) -> list[Record]:
    file = None if config_file is None else str(config_file.resolve())
    return [
        each
        for each in wrapped
        if host in {None, each.host} and scope in {None, each.scope} and file in {None, each.file}
    ]


def _chosen(server: str, wrapped: Sequence[Record]) -> Record:
    found = [each for each in wrapped if each.path[-1] == server]
    here = [each for each in found if _is_here(each)]
    if len(found) > 1 and len(here) == 1:
        found = here
    if len(found) > 1:
        which = "; ".join(f"{_title(each)} ({each.file})" for each in found)
        raise UsageError(
            f"{len(found)} wrapped servers are called {server}: {which}",
            hint="say which with --host, --scope or --config",
        )
    if not found:
        names = [each.path[-1] for each in wrapped]
        near = get_close_matches(server, names, 1)
        hint = f"did you mean {near[0]}?" if near else "mcpguard hosts shows what is wrapped"
        raise UsageError(f"no server called {server} was wrapped here", hint=hint)
    return found[0]


def _is_here(record: Record) -> bool:
    """Whether the entry is in the scope of the working directory."""
    project = str(Path.cwd())
    return project in record.path or str(Path(record.file).parent) == project


def _title(record: Record) -> str:
    title = HOSTS[record.host].title if record.host in HOSTS else record.host
    return f"{title}, {record.scope}" if record.scope else title


def _all(wrapped: Sequence[Record], *, force: bool) -> int:
    if not wrapped:
        render.answer(["no server is wrapped"])
    codes = [0]
    for record in wrapped:
        try:
            codes.append(_one(record, force=force))
        except McpguardError as error:
            render.talk(*render.error_lines(error, "unwrap"))
            codes.append(error.exit_code)
    return max(codes)


def _one(record: Record, *, force: bool) -> int:
    what = f"{record.file}: {record.path[-1]}"
    if not os.path.lexists(record.file):
        return _without_file(record, force=force)
    file = hostfile.read(Path(record.file))
    match undo.state(file.data, file.root, record):
        case State.ORIGINAL:
            hostfile.forget(record)
            _say(f"{what} is as it was before it was wrapped already")
            return 0
        case State.GONE if force:
            hostfile.forget(record)
            _say(f"{what} is no longer there, and is forgotten")
            return 0
        case State.GONE:
            raise HostError(
                f"{what} is no longer there",
                hint="nothing is left to undo; to forget it: mcpguard unwrap --force",
            )
        case State.EDITED if not force:
            changes = undo.differences(file.data, file.root, record)
            _say(f"{what} was edited since it was wrapped:", *(f"  {line}" for line in changes))
            render.talk(f"  next: {_WORDS}")
            return LEFT
        case State.EDITED | State.WRAPPED:
            return _put_back(record, file)


def _without_file(record: Record, *, force: bool) -> int:
    """The host's file itself is gone."""
    if not force:
        raise HostError(
            f"{record.file}: there is no such file any more, so {record.path[-1]} is in no host",
            hint="put the file back, or forget that it was wrapped: mcpguard unwrap --force"
            f" {shlex.quote(record.path[-1])}; backups are in the data directory (hosts/backups)",
        )
    hostfile.forget(record)
    _say(f"{record.file}: {record.path[-1]} is no longer there, and is forgotten")
    return 0


def _put_back(record: Record, file: HostFile) -> int:
    saved = hostfile.write(file, undo.restored(file.data, file.root, record))
    hostfile.forget(record)
    _say(f"{record.file}: {record.path[-1]} is as it was before it was wrapped")
    render.talk(f"  backup: {saved}")
    if record.host in HOSTS:
        render.talk(f"  next: {HOSTS[record.host].restart}")
    return 0


def _say(*lines: str) -> None:
    render.answer(map(render.printable, lines))
