"""The table of hosts: the file of each, on every platform."""

import pytest

from mcpguard.hosts.places import HOSTS, SCOPES, Bases, host_of_file, platform_of

POSIX = Bases(
    home="/home/you", config="/home/you/.config", appdata="", claude="/home/you", project="/work/p"
)
WINDOWS = Bases(
    home="C:\\Users\\you",
    config="",
    appdata="C:\\Users\\you\\AppData\\Roaming",
    claude="C:\\Users\\you",
    project="C:\\work\\p",
)
FILES = {
    ("claude-desktop", "", "linux"): "/home/you/.config/Claude/claude_desktop_config.json",
    (
        "claude-desktop",
        "",
        "macos",
    ): "/home/you/Library/Application Support/Claude/claude_desktop_config.json",
    (
        "claude-desktop",
        "",
        "windows",
    ): "C:\\Users\\you\\AppData\\Roaming\\Claude\\claude_desktop_config.json",
    ("claude-code", "user", "linux"): "/home/you/.claude.json",
    ("claude-code", "user", "macos"): "/home/you/.claude.json",
    ("claude-code", "user", "windows"): "C:\\Users\\you\\.claude.json",
    ("claude-code", "local", "linux"): "/home/you/.claude.json",
    ("claude-code", "local", "macos"): "/home/you/.claude.json",
    ("claude-code", "local", "windows"): "C:\\Users\\you\\.claude.json",
    ("claude-code", "project", "linux"): "/work/p/.mcp.json",
    ("claude-code", "project", "macos"): "/work/p/.mcp.json",
    ("claude-code", "project", "windows"): "C:\\work\\p\\.mcp.json",
}


@pytest.mark.parametrize(("host", "scope", "platform"), FILES)
def test_each_host_has_its_file_on_each_platform(host: str, scope: str, platform: str) -> None:
    [row] = [each for each in HOSTS[host].scopes if each.name == scope]
    bases = WINDOWS if platform == "windows" else POSIX
    assert row.file(platform, bases) == FILES[host, scope, platform]


def test_the_table_above_has_every_row() -> None:
    rows = {
        (name, scope.name, platform)
        for name, host in HOSTS.items()
        for scope in host.scopes
        for platform in scope.files
    }
    assert rows == set(FILES)
    assert SCOPES == ("user", "local", "project")


def test_local_servers_stand_under_their_project() -> None:
    paths = {scope.name: scope.servers(POSIX) for scope in HOSTS["claude-code"].scopes}
    assert paths == {
        "user": ("mcpServers",),
        "local": ("projects", "/work/p", "mcpServers"),
        "project": ("mcpServers",),
    }


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("claude_desktop_config.json", [("claude-desktop", "")]),
        (".claude.json", [("claude-code", "user"), ("claude-code", "local")]),
        (".mcp.json", [("claude-code", "project")]),
        ("mcp.json", []),
    ],
)
def test_a_file_is_known_by_its_name(name: str, rows: list[tuple[str, str]]) -> None:
    assert [(host, scope.name) for host, scope in host_of_file(name)] == rows


@pytest.mark.parametrize(
    ("system", "platform"), [("darwin", "macos"), ("win32", "windows"), ("linux", "linux")]
)
def test_a_system_has_its_platform(system: str, platform: str) -> None:
    assert platform_of(system) == platform
