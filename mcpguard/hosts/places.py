"""The table of hosts: where each keeps its servers, on every platform. A host more is a row more.

Sources: the hosts' own documentation; Claude Desktop names no path for Linux, and the one here is
where its unofficial builds and Electron's own rule put it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Final

__all__ = ["HOSTS", "SCOPES", "Bases", "Host", "Scope", "host_of_file", "platform_of"]


@dataclass(frozen=True, slots=True)
class Bases:
    """The directories that the table's paths begin with, absolute.

    `claude`: CLAUDE_CONFIG_DIR, else the home. `config`: XDG_CONFIG_HOME, else `~/.config`.
    `appdata`: APPDATA, on Windows. `project`: the directory that counts as the open project.
    """

    home: str
    config: str
    appdata: str
    claude: str
    project: str


@dataclass(frozen=True, slots=True)
class Scope:
    """One place where a host keeps servers.

    `name`: as the host calls it, or empty where there is only one. `files`: platform -> path, with
    the names of `Bases` in braces. `path`: the keys that lead to the servers. `in_project`: its
    servers are started in the project's directory. `remark`: what to know once one is wrapped.
    """

    name: str
    files: Mapping[str, str]
    path: tuple[str, ...] = ("mcpServers",)
    in_project: bool = False
    remark: str = ""

    def file(self, platform: str, bases: Bases) -> str:
        """The file on `platform` (`linux`, `macos` or `windows`)."""
        pure = PureWindowsPath if platform == "windows" else PurePosixPath
        parts = self.files[platform].split("/")
        return str(pure(*(part.format(**_words(bases)) for part in parts)))

    def servers(self, bases: Bases) -> tuple[str, ...]:
        """The keys that lead to the servers, the project filled in."""
        return tuple(bases.project if key == "{project}" else key for key in self.path)


@dataclass(frozen=True, slots=True)
class Host:
    """A program that starts MCP servers. `expands`: `${NAME}` in an entry means a variable."""

    title: str
    scopes: tuple[Scope, ...]
    expands: bool = False
    restart: str = ""


def _everywhere(path: str) -> Mapping[str, str]:
    return dict.fromkeys(("linux", "macos", "windows"), path)


HOSTS: Final[Mapping[str, Host]] = {
    "claude-desktop": Host(
        "Claude Desktop",
        (
            Scope(
                "",
                {
                    "linux": "{config}/Claude/claude_desktop_config.json",
                    "macos": (
                        "{home}/Library/Application Support/Claude/claude_desktop_config.json"
                    ),
                    "windows": "{appdata}/Claude/claude_desktop_config.json",
                },
            ),
        ),
        restart="quit Claude Desktop and start it again",
    ),
    "claude-code": Host(
        "Claude Code",
        (
            Scope("user", _everywhere("{claude}/.claude.json")),
            Scope(
                "local",
                _everywhere("{claude}/.claude.json"),
                ("projects", "{project}", "mcpServers"),
                in_project=True,
            ),
            Scope(
                "project",
                _everywhere("{project}/.mcp.json"),
                in_project=True,
                remark="the entry has paths of this machine now: do not commit it for others",
            ),
        ),
        expands=True,
        restart="start a new session of Claude Code",
    ),
}
"""Name -> host, in the order in which they are listed."""

SCOPES: Final = tuple(
    dict.fromkeys(scope.name for host in HOSTS.values() for scope in host.scopes if scope.name)
)
"""Every scope that some host has."""


def platform_of(system: str) -> str:
    """The table's word for `sys.platform`."""
    return {"darwin": "macos", "win32": "windows"}.get(system, "linux")


def host_of_file(name: str) -> Iterator[tuple[str, Scope]]:
    """Host and scope for each row whose file is called `name`."""
    for host, row in HOSTS.items():
        for scope in row.scopes:
            if any(path.rpartition("/")[2] == name for path in scope.files.values()):
                yield host, scope


def _words(bases: Bases) -> dict[str, str]:
    return {
        "home": bases.home,
        "config": bases.config,
        "appdata": bases.appdata,
        "claude": bases.claude,
        "project": bases.project,
    }
