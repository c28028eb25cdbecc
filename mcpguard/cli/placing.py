"""Which host's file is meant: the options of `wrap`, `unwrap` and `hosts`, and one server found."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import click

from mcpguard.cli import hostfile
from mcpguard.cli.hostfile import HostFile
from mcpguard.errors import HostError, UsageError
from mcpguard.hosts.places import HOSTS, SCOPES, Bases, Scope, host_of_file, platform_of
from mcpguard.hosts.splice import Node, find
from mcpguard.survey.configs import words_here

__all__ = ["Place", "Target", "host_options", "locate", "names", "places"]

SHOWN = 12
"""Names of servers listed in one error."""

_F = TypeVar("_F", bound=Callable[..., Any])


def host_options(function: _F) -> _F:
    """`--host`, `--config` and `--scope`."""
    options = (
        click.option(
            "--host",
            type=click.Choice([*HOSTS]),
            help="Whose server it is. Needed only where several hosts have one of this name.",
        ),
        click.option(
            "--config",
            "config_file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="The host's file, where it is not in its usual place.",
        ),
        click.option(
            "--scope",
            type=click.Choice([*SCOPES]),
            help="Claude Code: all your projects (user), this one for you alone (local), or the"
            " .mcp.json of this one (project). This project is the working directory.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@dataclass(frozen=True, slots=True)
class Place:
    """One file of a host and the keys that lead to servers in it.

    `directory`: where the host starts them, when that is known. `usual`: not named by `--config`.
    """

    host: str
    scope: Scope
    file: Path
    path: tuple[str, ...]
    directory: Path | None
    usual: bool = True

    @property
    def title(self) -> str:
        """The host as a person calls it, with the scope."""
        title = HOSTS[self.host].title
        return f"{title}, {self.scope.name}" if self.scope.name else title


@dataclass(frozen=True, slots=True)
class Target:
    """One server's entry, found. `path`: all its keys."""

    place: Place
    file: HostFile
    path: tuple[str, ...]
    node: Node

    @property
    def bytes(self) -> bytes:
        """The entry as it stands in the file."""
        return self.file.data[self.node.start : self.node.end]


def _bases() -> Bases:
    words = words_here(os.environ)
    return Bases(**{each.name: words[each.name] for each in fields(Bases)})


def places(host: str | None, config_file: Path | None, scope: str | None) -> list[Place]:
    """Where to look, in the order of the table. Raises UsageError when nothing fits."""
    rows = [*_rows(host, config_file)]
    fitting = [(name, row) for name, row in rows if scope in {None, row.name}]
    if not fitting:
        raise UsageError(
            f"{_who(host, config_file)} has no scope {scope}",
            hint="leave --scope out, or see: mcpguard hosts",
        )
    bases = _bases()
    found = [_place(name, row, config_file, bases) for name, row in fitting]
    return [*{(each.file, each.path): each for each in reversed(found)}.values()][::-1]


def _rows(host: str | None, config_file: Path | None) -> Iterator[tuple[str, Scope]]:
    if host is None and config_file is not None:
        found = [*host_of_file(config_file.name)]
        if not found:
            raise UsageError(
                f"{config_file}: whose file is this? Its name does not say",
                hint="add --host " + " or --host ".join(HOSTS),
            )
        yield from found
        return
    for name in HOSTS if host is None else [host]:
        yield from ((name, scope) for scope in HOSTS[name].scopes)


def _who(host: str | None, config_file: Path | None) -> str:
    return HOSTS[host].title if host else str(config_file or "no host")


def _place(host: str, scope: Scope, config_file: Path | None, bases: Bases) -> Place:
    usual = scope.file(platform_of(sys.platform), bases)
    file = Path(usual if config_file is None else config_file).absolute()
    path = scope.servers(bases)
    directory = None
    if scope.in_project:
        directory = Path(bases.project) if bases.project in path else file.parent
    return Place(host, scope, file, path, directory, usual=config_file is None)


def names(file: HostFile, place: Place) -> list[str]:
    """The servers of `place`. Raises HostError when they are not an object."""
    servers = find(file.root, place.path)
    if servers is None:
        return []
    if servers.kind != "object":
        raise HostError(
            f"{place.file}: {place.path[-1]} is not an object", hint="mend the file first"
        )
    return [member.key for member in servers.members]


def locate(server: str, candidates: Sequence[Place]) -> Target:
    """The one entry called `server` in `candidates`. Raises UsageError, naming the nearest."""
    known: list[str] = []
    found: list[Target] = []
    files: dict[Path, HostFile] = {}
    for place in candidates:
        if place.usual and not os.path.lexists(place.file):
            continue
        file = files.get(place.file) or hostfile.read(place.file)
        files[place.file] = file
        known += names(file, place)
        path = (*place.path, server)
        node = find(file.root, path)
        if node is not None:
            found.append(Target(place, file, path, node))
    if len(found) > 1:
        raise _several(server, found)
    if not found:
        raise _unknown(server, known, candidates)
    return found[0]


def _several(server: str, found: Sequence[Target]) -> UsageError:
    which = "; ".join(f"{each.place.title} ({each.place.file})" for each in found)
    return UsageError(
        f"{len(found)} servers are called {server}: {which}",
        hint="say which with --host, --scope or --config",
    )


def _unknown(server: str, known: Sequence[str], candidates: Sequence[Place]) -> UsageError:
    near = get_close_matches(server, known, 1)
    where = ", ".join(dict.fromkeys(str(place.file) for place in candidates))
    if near:
        hint = f"did you mean {near[0]}?"
    elif known:
        hint = "there are: " + ", ".join(dict.fromkeys(known[:SHOWN]))
    else:
        hint = "no servers are there; see: mcpguard hosts, or name the file with --config FILE"
    return UsageError(f"no server is called {server} in {where}", hint=hint)
