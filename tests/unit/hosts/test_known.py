"""The table of all hosts: every place on every platform, and whose file a name is."""

import pytest

from mcpguard.hosts.known import KNOWN, Form, files_of, sources_of_file

UNIX = {
    "home": "/home/u", "config": "/home/u/.config", "appdata": "", "project": "/p",
    "claude": "/home/u", "codex": "/home/u/.codex",
}  # fmt: skip
WINDOWS = dict.fromkeys(UNIX, "C:\\Users\\u") | {"appdata": "C:\\Users\\u\\AppData\\Roaming"}

PLACES = {
    ("claude-desktop", 0, "linux"): "/home/u/.config/Claude/claude_desktop_config.json",
    ("claude-desktop", 0, "macos"): (
        "/home/u/Library/Application Support/Claude/claude_desktop_config.json"
    ),
    ("claude-desktop", 0, "windows"): (
        "C:\\Users\\u\\AppData\\Roaming\\Claude\\claude_desktop_config.json"
    ),
    ("claude-code", 0, "linux"): "/etc/claude-code/managed-mcp.json",
    ("claude-code", 0, "windows"): "C:\\Program Files\\ClaudeCode\\managed-mcp.json",
    ("claude-code", 1, "linux"): "/home/u/.claude.json",
    ("claude-code", 3, "macos"): "/p/.mcp.json",
    ("cursor", 0, "windows"): "C:\\Users\\u\\.cursor\\mcp.json",
    ("vscode", 0, "macos"): "/home/u/Library/Application Support/Code/User/mcp.json",
    ("vscode", 1, "linux"): "/p/.vscode/mcp.json",
    ("windsurf", 0, "linux"): "/home/u/.codeium/windsurf/mcp_config.json",
    ("zed", 0, "linux"): "/home/u/.config/zed/settings.json",
    ("zed", 0, "windows"): "C:\\Users\\u\\AppData\\Roaming\\Zed\\settings.json",
    ("codex", 0, "linux"): "/home/u/.codex/config.toml",
    ("gemini", 0, "linux"): "/home/u/.gemini/settings.json",
    ("lm-studio", 0, "linux"): "/home/u/.lmstudio/mcp.json",
    ("cline", 0, "linux"): (
        "/home/u/.config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/"
        "cline_mcp_settings.json"
    ),
    ("continue", 0, "linux"): "/home/u/.continue/config.yaml",
    ("continue", 2, "linux"): "/p/.continue/mcpServers/*.yaml",
    ("junie", 1, "linux"): "/p/.junie/mcp/mcp.json",
}


@pytest.mark.parametrize(("host", "number", "platform"), PLACES)
def test_every_host_has_its_place_on_each_platform(host: str, number: int, platform: str) -> None:
    words = WINDOWS if platform == "windows" else UNIX
    place = files_of(KNOWN[host].sources[number], platform, words)
    assert place == PLACES[host, number, platform]


def test_every_row_is_complete() -> None:
    assert {host for host, *_ in PLACES} == set(KNOWN)
    for host in KNOWN.values():
        for source in host.sources:
            assert set(source.files) == {"linux", "macos", "windows"}
            assert source.shared == all("{project}" in each for each in source.files.values())


@pytest.mark.parametrize(
    ("name", "hosts"),
    [
        ("claude_desktop_config.json", {"claude-desktop"}),
        ("config.toml", {"codex"}),
        ("mcp.json", {"cursor", "vscode", "lm-studio", "junie"}),
        (".mcp.json", {"claude-code"}),
        ("any.yaml", {"continue"}),
        ("notes.txt", set()),
    ],
)
def test_a_files_name_says_whose_it_may_be(name: str, hosts: set[str]) -> None:
    assert {host for host, _ in sources_of_file(name)} == hosts


def test_the_hosts_that_permit_comments_and_commas_are_read_so() -> None:
    lenient = {n for n, k in KNOWN.items() if any(s.form is Form.JSONC for s in k.sources)}
    assert lenient == {"vscode", "zed", "gemini"}
