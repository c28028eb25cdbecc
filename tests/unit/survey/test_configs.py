"""Every server of every host on a machine, with what its entry and its files show."""

import os
import shlex
import stat
from pathlib import Path

import pytest

from mcpguard.errors import HostError, UsageError
from mcpguard.model import Json, Severity
from mcpguard.survey import files
from mcpguard.survey.subjects import State
from tests.unit.survey.machine import Machine, servers

X = {"command": "/bin/true"}

HOSTS = {
    ".config/Claude/claude_desktop_config.json": ("Claude Desktop", servers(x=X)),
    ".claude.json": ("Claude Code, user", servers(x=X)),
    "project/.mcp.json": ("Claude Code, project", servers(x=X)),
    ".cursor/mcp.json": ("Cursor, user", servers(x=X)),
    "project/.vscode/mcp.json": ("VS Code, project", '{"servers": {"x": {"command": "a"},},}'),
    ".codeium/windsurf/mcp_config.json": ("Windsurf", servers(x=X)),
    ".config/zed/settings.json": ("Zed, user", {"context_servers": {"x": X}}),
    ".codex/config.toml": ("Codex, user", '[mcp_servers.x]\ncommand = "a"\n'),
    ".gemini/settings.json": ("Gemini CLI, user", servers(x=X)),
    ".lmstudio/mcp.json": ("LM Studio", servers(x=X)),
    ".config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json": (
        "Cline",
        servers(x=X),
    ),
    ".continue/mcpServers/one.yaml": (
        "Continue, blocks",
        "mcpServers:\n  - name: x\n    command: a\n",
    ),
    ".junie/mcp/mcp.json": ("Junie, user", servers(x=X)),
}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@pytest.mark.parametrize("path", HOSTS)
def test_the_servers_of_every_host_are_found(path: str, machine: Machine) -> None:
    host, said = HOSTS[path]
    file = machine.write(path, said)
    (one,), unread = machine.survey()
    assert (one.name, one.host, one.state, unread) == ("x", host, State.NEVER, [])
    assert one.place is not None
    assert one.place.file == file


def test_all_of_them_are_found_together_and_one_alone_when_named(machine: Machine) -> None:
    for path, (_, said) in HOSTS.items():
        machine.write(path, said)
    assert len(machine.survey()[0]) == len(HOSTS)
    assert [each.host for each in machine.survey("zed")[0]] == ["Zed, user"]
    other = machine.write("elsewhere/mcp.json", servers(y=X))
    assert [each.name for each in machine.survey(config=other)[0]] == ["y"]
    with pytest.raises(UsageError, match="whose file is this"):
        machine.survey(config=machine.write("notes.txt", ""))


def test_each_project_of_a_file_is_looked_at(machine: Machine) -> None:
    project = {"/a": {"mcpServers": {"x": X}}, "/b": {"mcpServers": {"y": {**X, "cwd": "c"}}}}
    machine.write(".claude.json", {"projects": project})
    found, _ = machine.survey()
    assert [(each.name, str(each.directory)) for each in found] == [("x", "/a"), ("y", "/b/c")]


@pytest.mark.guarantee("survey:unreadable-is-not-clean")
@pytest.mark.parametrize("said", ["{", '{"mcpServers": 1}', '{"a": 1, "a": 2}', "\0"])
def test_a_file_that_cannot_be_read_is_named_and_not_left_out(said: str, machine: Machine) -> None:
    file = machine.write(".cursor/mcp.json", said)
    found, (unread,) = machine.survey()
    assert (found, unread.file) == ([], file)
    assert (bool(unread.why), bool(unread.hint)) == (True, True)


def test_an_entry_that_cannot_be_understood_could_not_be_scanned(machine: Machine) -> None:
    machine.write(".cursor/mcp.json", servers(x={"args": []}, y=X))
    found, _ = machine.survey()
    assert [each.state for each in found] == [State.FAILED, State.NEVER]


@pytest.mark.parametrize("kind", ["directory", "pipe", "circle", "large"])
def test_what_is_no_file_is_never_waited_for(kind: str, machine: Machine) -> None:
    path = machine.write(".cursor/mcp.json", " " * 99)
    if kind == "large":
        with pytest.raises(HostError, match="it has more than 98 bytes"):
            files.read(path, most=98)
        return
    path.unlink()
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path)
    assert [each.file for each in machine.survey()[1]] == [path]


def rules(machine: Machine) -> set[tuple[str, str]]:
    (one,), _ = machine.survey()
    return {(each.finding.rule, each.finding.severity.value) for each in one.told}


def test_a_secret_weighs_more_where_others_can_read_it(machine: Machine) -> None:
    entry = servers(x={**X, "env": {"API_KEY": "9f8e7d6c5b4a39281706"}})
    machine.write("project/.mcp.json", entry)
    assert rules(machine) == {("config.secret", "critical")}
    (machine.project / ".mcp.json").unlink()
    machine.write(".cursor/mcp.json", entry)
    assert rules(machine) == {("config.secret", "info")}


@pytest.mark.parametrize("which", ["config", "program", "script", "directory"])
def test_what_others_can_change_is_found(which: str, machine: Machine) -> None:
    program = machine.write("bin/x", "#!/bin/sh\n", 0o755)
    code = machine.write("code/x.js", "")
    file = machine.write(
        ".cursor/mcp.json", servers(x={"command": str(program), "args": [str(code)]})
    )
    assert rules(machine) == set()
    target = {"config": file, "program": program, "script": code, "directory": code.parent}[which]
    target.chmod(target.stat().st_mode | stat.S_IWOTH)
    assert rules(machine) == {("config.writable", "critical")}


def test_a_program_in_a_temporary_directory_is_found_and_a_home_is_none(machine: Machine) -> None:
    command = {"command": str(machine.write("bin/x", "", 0o755))}
    machine.write(".cursor/mcp.json", servers(x=command))
    assert rules(machine) == set()
    machine.environ["TMPDIR"] = str(machine.home / "bin")
    assert rules(machine) == {("config.temporary", "critical")}


def test_a_sticky_directory_protects_the_files_of_others(machine: Machine) -> None:
    code = machine.write("code/x.js", "")
    machine.write(".cursor/mcp.json", servers(x={"command": "/bin/true", "args": [str(code)]}))
    code.parent.chmod(0o1777)
    assert rules(machine) == set()


def test_one_name_for_two_programs_is_told_and_the_same_twice_is_not(machine: Machine) -> None:
    machine.write(".cursor/mcp.json", servers(x=X, y=X))
    machine.write(".lmstudio/mcp.json", servers(x={"command": "/bin/false"}, y=X))
    found, _ = machine.survey()
    told = [(each.name, [told.finding.rule for told in each.told]) for each in found]
    twice = ["config.twice"]
    assert told == [("x", twice), ("y", []), ("x", twice), ("y", [])]


def test_a_server_behind_mcpguard_is_told_by_its_own_command(machine: Machine) -> None:
    behind = ["proxy", "--lock", "/l.json", "--", "npx", "-y", "pkg"]
    machine.write(".cursor/mcp.json", servers(x={"command": "/opt/mcpguard", "args": behind}))
    (one,), _ = machine.survey()
    assert (one.lock, one.server.words) == ("/l.json", ("npx", "-y", "pkg"))
    assert [told.finding.rule for told in one.told] == ["config.unpinned"]


WRAPPED = ("/opt/mcpguard", "proxy", "--lock", "/l.json", "--", "/opt/x")


@pytest.mark.guarantee("hosts:entry-steers-nothing")
@pytest.mark.parametrize(
    ("words", "env", "names"),
    [
        (WRAPPED, {"API_KEY": "k"}, []),
        (("/opt/x",), {"HOME": "/repo"}, []),
        (("/opt/mcpguard", "proxy", "--", "env", "HOME=/repo", "/opt/x"), {}, []),
        (WRAPPED, {"HOME": "/repo", "MCPGUARD_DATA_DIR": "/repo"}, ["HOME", "MCPGUARD_DATA_DIR"]),
        (("env", "XDG_DATA_HOME=/repo", "A=1", *WRAPPED), {}, ["XDG_DATA_HOME"]),
        (("env", "-S", f"HOME=/repo {shlex.join(WRAPPED)}"), {}, ["HOME"]),
        (("sh", "-c", f"HOME=/repo {shlex.join(WRAPPED)}"), {}, ["HOME"]),
    ],
)
def test_a_wrapped_entry_that_steers_mcpguard_is_critical(
    machine: Machine, words: tuple[str, ...], env: dict[str, str], names: list[str]
) -> None:
    command, *args = words
    entry: Json = {"command": command, "args": [*args], "env": {**env}}
    machine.write(".cursor/mcp.json", servers(x=entry))
    (one,), _ = machine.survey()
    found = [told.finding for told in one.told if told.finding.rule == "config.steered"]
    assert [(each.where, each.severity) for each in found] == [
        (f"/env/{name}" if name in env else "/args", Severity.CRITICAL) for name in names
    ]
