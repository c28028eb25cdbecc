"""`mcpguard hosts`: where hosts keep their servers here, and which of these run behind mcpguard."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import click

from mcpguard.cli import hostfile, placing, render
from mcpguard.cli.hostfile import HostFile
from mcpguard.cli.placing import Place
from mcpguard.errors import HostError
from mcpguard.hosts import entry as entries
from mcpguard.hosts import undo
from mcpguard.hosts.splice import Node, find, value
from mcpguard.hosts.undo import State
from mcpguard.model import Json

__all__ = ["hosts"]

UNREADABLE = 2
"""Exit code when a file that is there could not be read."""


class Standing(StrEnum):
    """How a server stands to mcpguard."""

    WRAPPED = "wrapped"
    BY_HAND = "not wrapped here, but names mcpguard proxy"
    EDITED = "wrapped, then edited"
    OPEN = "not wrapped"
    NOT_WRAPPABLE = "not wrappable"


@dataclass(frozen=True, slots=True)
class _Server:
    name: str
    standing: Standing
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Seen:
    """One place as it is. `problem`: why its servers cannot be told; `hint`: what to do then."""

    place: Place
    exists: bool
    servers: tuple[_Server, ...] = ()
    problem: str = ""
    hint: str = ""


@click.command()
@placing.host_options
@render.FORM
def hosts(*, host: str | None, config_file: Path | None, scope: str | None, form: str) -> int:
    """List the hosts mcpguard knows, their files on this system, and each server in them.

    A server is wrapped, not wrapped, or not wrappable (reached over the network). Nothing is
    started. For Claude Code, `local` has every project that its file knows.

    Exit codes: 0 shown; 2 a file that is there could not be read.
    """
    found = [
        seen for place in placing.places(host, config_file, scope) for seen in _looked_at(place)
    ]
    if form == "json":
        render.answer([render.json_text([_as_json(each) for each in found])])
    else:
        render.answer(line for each in found for line in _as_text(each))
    return UNREADABLE if any(each.problem for each in found) else 0


def _looked_at(place: Place) -> Iterator[_Seen]:
    if place.usual and not os.path.lexists(place.file):
        yield _Seen(place, exists=False)
        return
    try:
        file = hostfile.read(place.file)
        for each in _every_project(place, file):
            servers = tuple(_servers(each, file))
            yield _Seen(each, exists=True, servers=servers)
    except HostError as error:
        yield _Seen(place, exists=True, problem=error.message, hint=error.hint)


def _every_project(place: Place, file: HostFile) -> Iterator[Place]:
    """The place itself, or one for each project that its file knows and that has servers."""
    if "{project}" not in place.scope.path:
        yield place
        return
    at = place.scope.path.index("{project}")
    known = find(file.root, place.path[:at])
    for member in known.members if known is not None else ():
        path = (*place.path[:at], member.key, *place.path[at + 1 :])
        each = replace(place, path=path, directory=Path(member.key))
        if placing.names(file, each):
            yield each


def _servers(place: Place, file: HostFile) -> Iterator[_Server]:
    for name in placing.names(file, place):
        path = (*place.path, name)
        node = find(file.root, path)
        if node is not None:
            yield _server(name, path, file, node)


def _server(name: str, path: tuple[str, ...], file: HostFile, node: Node) -> _Server:
    record = hostfile.kept(file.path, path)
    now = undo.state(file.data, file.root, record) if record is not None else State.ORIGINAL
    try:
        entry = entries.read(value(file.data, node))
    except HostError as error:
        return _Server(name, Standing.NOT_WRAPPABLE, error.message)
    behind = entries.behind_mcpguard(entry)
    if now is State.WRAPPED:
        return _Server(name, Standing.WRAPPED)
    if behind is None:
        return _Server(name, Standing.OPEN)
    return _Server(name, Standing.EDITED if now is State.EDITED else Standing.BY_HAND)


def _as_json(seen: _Seen) -> dict[str, Json]:
    place = seen.place
    return {
        "host": place.host,
        "scope": place.scope.name,
        "file": str(place.file),
        "path": [*place.path],
        "exists": seen.exists,
        "problem": seen.problem,
        "next": seen.hint,
        "servers": [
            {"name": each.name, "state": each.standing.value, "why": each.why}
            for each in seen.servers
        ],
    }


def _as_text(seen: _Seen) -> Iterator[str]:
    place = seen.place
    yield render.printable(f"{place.title}: {place.file}")
    if "{project}" in place.scope.path and seen.servers:
        yield render.printable(f"  in {place.directory}")
    if seen.problem:
        yield f"  {render.printable(seen.problem)}"
    elif not seen.servers:
        yield "  no servers" if seen.exists else "  no such file"
    if seen.hint:
        yield f"    next: {render.printable(seen.hint)}"
    width = max((len(render.printable(each.name)) for each in seen.servers), default=0)
    for each in seen.servers:
        why = f": {each.why}" if each.why else ""
        name = f"{render.printable(each.name):<{width}}"
        yield f"  {name}  {each.standing.value}{render.printable(why)}"
