"""wrap, unwrap and hosts as functions: what they say and decide, on a file of their own."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from mcpguard.cli import main
from tests.tools import FIXTURES

Capture = pytest.CaptureFixture[str]
RECORDER = (sys.executable, "-I", str(FIXTURES / "servers" / "recorder.py"))


class Desk:
    """A home with Claude Desktop's file in it."""

    def __init__(self, home: Path, capture: Capture) -> None:
        self.file = home / "config" / "Claude" / "claude_desktop_config.json"
        self.file.parent.mkdir(parents=True)
        self._capture = capture

    def write(self, **servers: object) -> bytes:
        self.file.write_text(json.dumps({"mcpServers": servers}, indent=2))
        return self.file.read_bytes()

    def run(self, *argv: str, code: int = 0) -> str:
        ended = main(argv)
        captured = self._capture.readouterr()
        assert ended == code, captured.err
        return captured.out + captured.err


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Desk:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    return Desk(tmp_path, capsys)


def entry(tmp_path: Path, **more: object) -> dict[str, Any]:
    command, *args = RECORDER
    return {"command": command, "args": args, "env": {"RECORDER_LOG": str(tmp_path / "s")}, **more}


def test_advice_is_about_the_entry_and_not_about_options_of_lock(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_TOKEN", "x")
    for words in (["-c", "exit('DESK_TOKEN is not set')"], ["x.py"]):
        desk.write(notes={"command": sys.executable, "args": words})
        said = desk.run("wrap", "--yes", "notes", code=2)
        assert "\n  in    /\n" in said
        assert "claude_desktop_config.json: notes: " in said
        assert "a variable it needs stands in the entry's env" in said
        assert "--env" not in said


def test_a_dry_run_says_what_the_run_would_refuse(desk: Desk, tmp_path: Path) -> None:
    before = desk.write(notes=entry(tmp_path, env={"LD_PRELOAD": "x.so"}))
    for mode in ("--dry-run", "--yes"):
        assert "LD_PRELOAD is never passed" in desk.run("wrap", mode, "notes", code=2)
    assert desk.file.read_bytes() == before


def test_a_server_is_wrapped_once_locked_anew_and_put_back(desk: Desk, tmp_path: Path) -> None:
    before = desk.write(notes=entry(tmp_path))
    there, environ = Path.cwd(), dict(os.environ)
    assert "notes  not wrapped" in desk.run("hosts")
    assert "nothing was started" in desk.run("wrap", "--dry-run", "notes")
    assert "there is no terminal" in desk.run("wrap", "notes", code=2)
    assert "locked notes: 2 tools" in desk.run("wrap", "--yes", "notes")
    assert "already" in desk.run("wrap", "--yes", "notes")
    assert "nothing changed" in desk.run("wrap", "--yes", "--update", "notes")
    assert "leave --lock out" in desk.run("wrap", "--update", "--lock", "x", "notes", code=2)
    listed = json.loads(desk.run("hosts", "--format", "json"))
    assert listed[0]["servers"] == [{"name": "notes", "state": "wrapped", "why": ""}]
    assert "as it was before it was wrapped" in desk.run("unwrap", "notes")
    assert "no server called notes" in desk.run("unwrap", "notes", code=2)
    assert desk.file.read_bytes() == before
    assert (Path.cwd(), dict(os.environ)) == (there, environ)


def test_an_edited_entry_is_left_until_forced(desk: Desk, tmp_path: Path) -> None:
    before = desk.write(notes=entry(tmp_path))
    desk.run("wrap", "--yes", "notes")
    edited = desk.file.read_bytes().replace(b'"proxy"', b'"proxy",\n "--audit-only"')
    desk.file.write_bytes(edited)
    assert "was edited since it was wrapped:\n  args: was [" in desk.run("unwrap", "notes", code=1)
    assert "words that wrap did not write" in desk.run("wrap", "--yes", "notes", code=2)
    assert "wrapped, then edited" in desk.run("hosts")
    assert desk.file.read_bytes() == edited
    desk.run("unwrap", "--all", "--force")
    assert desk.file.read_bytes() == before
    assert "no server is wrapped" in desk.run("unwrap", "--all")


def test_an_entry_that_is_gone_or_put_back_is_forgotten(desk: Desk, tmp_path: Path) -> None:
    before = desk.write(a=entry(tmp_path), b=entry(tmp_path))
    desk.run("wrap", "--yes", "a")
    desk.run("wrap", "--yes", "b")
    desk.file.write_bytes(before)
    assert "already" in desk.run("unwrap", "a")
    desk.write(c={})
    assert "b is no longer there" in desk.run("unwrap", "--all", code=2)
    assert "is forgotten" in desk.run("unwrap", "--force", "b")


@pytest.mark.guarantee("hosts:no-dead-end")
def test_an_entry_whose_file_is_gone_can_be_forgotten(desk: Desk, tmp_path: Path) -> None:
    desk.write(notes=entry(tmp_path))
    desk.run("wrap", "--yes", "notes")
    desk.file.unlink()
    told = desk.run("unwrap", "notes", code=2)
    assert "there is no such file any more" in told
    assert "mcpguard unwrap --force notes" in told
    assert "is forgotten" in desk.run("unwrap", "--force", "notes")
    assert "no server is wrapped" in desk.run("unwrap", "--all")


@pytest.mark.guarantee("hosts:no-dead-end")
def test_a_damaged_record_says_how_it_is_forgotten_and_is_kept(desk: Desk, tmp_path: Path) -> None:
    desk.write(notes=entry(tmp_path))
    desk.run("wrap", "--yes", "notes")
    (record,) = (tmp_path / "data" / "hosts" / "wrapped").glob("*.json")
    record.write_text("{")
    told = desk.run("unwrap", "--all", code=2)
    command = f"mcpguard unwrap --forget {record.stem}"
    assert "hosts/backups in the data directory" in told
    assert command in told
    assert "alone" in desk.run(*command.split()[1:], "--all", code=2)
    assert "is forgotten, and kept as" in desk.run(*command.split()[1:])
    assert record.with_suffix(".forgotten").read_text() == "{"
    assert "no server is wrapped" in desk.run("unwrap", "--all")
    assert "there is no record" in desk.run(*command.split()[1:], code=2)


def test_local_servers_are_started_in_their_project(desk: Desk, tmp_path: Path) -> None:
    project = Path.cwd()
    (project / "server.py").write_bytes((FIXTURES / "servers" / "recorder.py").read_bytes())
    one = {**entry(tmp_path), "args": ["-I", "${SCRIPT:-server.py}"]}
    file = tmp_path / ".claude.json"
    file.write_text(json.dumps({"projects": {str(project): {"mcpServers": {"notes": one}}}}))
    before = file.read_bytes()
    assert "locked by their values" in desk.run("wrap", "--yes", "--scope", "local", "notes")
    assert f"  in {project}\n  notes  wrapped" in desk.run("hosts", "--host", "claude-code")
    desk.run("unwrap", "--scope", "local", "notes")
    assert file.read_bytes() == before


def test_equal_names_are_told_apart(desk: Desk, tmp_path: Path) -> None:
    data = desk.write(notes=entry(tmp_path))
    shared = Path.cwd() / ".mcp.json"
    shared.write_bytes(data)
    assert "2 servers are called notes" in desk.run("wrap", "--yes", "notes", code=2)
    assert "do not commit it" in desk.run("wrap", "--yes", "--config", ".mcp.json", "notes")
    desk.run("wrap", "--yes", "--host", "claude-desktop", "notes")
    desk.run("unwrap", "notes")  # the one of this project
    assert (shared.read_bytes(), desk.file.read_bytes() != data) == (data, True)


REFUSED = {
    "remote": ({"url": "https://x"}, "reached over the network"),
    "by hand": ({"command": "mcpguard", "args": ["proxy"]}, "words that wrap did not write"),
    "no directory": ({"command": "true", "cwd": "/nonexistent"}, "does not exist"),
    "no program": ({"command": "/nonexistent/x"}, "no such program"),
}


def test_a_file_that_is_not_json_is_named_with_what_to_do_next(desk: Desk) -> None:
    desk.file.write_text("nope {")
    listed = desk.run("hosts", code=2)
    assert f"{desk.file}: line 1 column 1: this is not JSON\n    next: mend it there" in listed


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_wrapped_is_left_as_it_is(desk: Desk, name: str) -> None:
    said, why = REFUSED[name]
    before = desk.write(notes=said)
    assert why in desk.run("wrap", "--yes", "notes", code=2)
    assert desk.file.read_bytes() == before
    desk.run("hosts")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("wrap", "nots"), "did you mean notes?"),
        (("wrap", "quite-another"), "there are: notes"),
        (("wrap", "--scope", "user", "notes"), "no servers are there"),
        (("wrap", "--host", "claude-desktop", "--scope", "user", "notes"), "has no scope user"),
        (("wrap", "--config", "x.json", "notes"), "whose file is this?"),
        (("wrap", "--config", ".mcp.json", "notes"), "there is no such file"),
        (("unwrap",), "name one server, or say --all"),
    ],
)
def test_a_wrong_name_or_place_says_what_next(
    desk: Desk, argv: tuple[str, ...], message: str
) -> None:
    desk.write(notes={"command": "true"})
    assert message in desk.run(*argv, code=2)


def test_a_variable_that_is_not_set_stops_it(desk: Desk) -> None:
    text = '{"mcpServers": {"notes": {"command": "true", "args": ["${UNSET_HERE}"]}}}'
    Path(".mcp.json").write_text(text)
    assert "the variable UNSET_HERE" in desk.run("wrap", "--yes", "notes", code=2)
    dollar = ("--lock", "${x}/lock.json")
    Path(".mcp.json").write_text(text.replace("${UNSET_HERE}", ""))
    assert "read ${ in it" in desk.run("wrap", "--yes", *dollar, "notes", code=2)


def test_a_file_that_cannot_be_read_is_shown_with_its_place(desk: Desk) -> None:
    desk.file.write_text("{")
    assert "line 1 column 2: a key is missing" in desk.run("hosts", code=2)
