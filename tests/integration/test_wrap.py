"""wrap, unwrap and hosts: the installed command on a host's file, and the entry it leaves."""

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcpguard.cli import hostfile
from mcpguard.lock import lockfile
from tests import tools
from tests.integration.host import RECORDER, SERVERS, Place, Session, call, said
from tests.waiting import PATIENCE

pytestmark = pytest.mark.integration

SURFACE = (sys.executable, "-I", str(SERVERS / "probe_scripted.py"), "surface")
SECRET = "s3cret-t0ken"
TOOL = {"name": "look", "description": "Looks.", "inputSchema": {"type": "object"}}
TEMPLATE = """\
{{
\t// what I use
\t"globalShortcut": "é{pad}",
\t"mcpServers": {{
\t\t"web": {{ "type": "http", "url": "https://mcp.example/" }},
\t\t"notes": {entry}
\t}}, "z":[1.0,  2e3]
}}"""
"""A file as a person leaves it: tabs, a comment, odd spaces, no newline at the end."""


DESKTOP = "home/.config/Claude/claude_desktop_config.json"


class Desk:
    """A home with a host's file in it."""

    def __init__(self, base: Path, file: str = DESKTOP) -> None:
        self.place = Place(base, RECORDER)
        self.base, self.home = base, base / "home"
        self.file = base / file
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.state = self.home / ".local" / "share" / "mcpguard" / "hosts"
        self.seen = base / "seen"

    def entry(self, *words: str, **more: object) -> dict[str, Any]:
        command, *args = words or RECORDER
        env = {"RECORDER_LOG": str(self.seen), "API_KEY": SECRET}
        return {"command": command, "args": args, "env": env, **more}

    def write(self, entry: object, pad: str = "") -> bytes:
        """The file with `entry` under "notes"; its bytes."""
        return self.write_text(TEMPLATE.format(entry=json.dumps(entry), pad=pad))

    def write_text(self, text: str) -> bytes:
        self.file.write_bytes(text.encode().replace(b"\n", b"\r\n"))
        return self.file.read_bytes()

    def run(self, *argv: str, code: int = 0, **env: str) -> str:
        """Everything the command said; it must end with `code`."""
        done = self.place.mcpguard(*argv, **env)
        told = (done.stdout + done.stderr).decode()
        assert done.returncode == code, told
        assert SECRET not in told
        return told

    def wrap(self, *options: str, code: int = 0) -> str:
        return self.run("wrap", "--yes", *options, "notes", code=code)

    def now(self) -> dict[str, Any]:
        """The entry as the host reads it."""
        text = self.file.read_text("utf-8").replace("// what I use", "")
        found: dict[str, Any] = json.loads(text)["mcpServers"]["notes"]
        return found

    def started(self, entry: dict[str, Any], cwd: Path = Path("/"), **env: str) -> Session:
        """What the host starts for `entry`, with the little environment that it has itself."""
        minimal = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", **env}
        return Session([entry["command"], *entry["args"]], cwd, {**minimal, **entry["env"]})

    def works(self, entry: dict[str, Any], cwd: Path = Path("/"), **env: str) -> None:
        """Handshake, list, an allowed call, a refused one, the end."""
        with self.started(entry, cwd, **env) as session:
            assert session.start()["serverInfo"]["name"] == "recorder"
            assert session.names() == ["echo", "hold"]
            assert session.exchange(call(1, "echo", text="hi"), 1) == said(1, '{"text": "hi"}')
            assert b"Unknown tool: rm" in session.exchange(call(2, "rm"), 2)
            assert session.finish()[0] == 0, session.stderr.decode()

    def files(self, folder: str) -> list[Path]:
        return sorted((self.state / folder).glob("*"))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_wrapped_entry_starts_verbatim_behind_the_proxy_and_comes_back(desk: Desk) -> None:
    before = desk.write(desk.entry())
    desk.file.chmod(0o640)
    told = desk.wrap()
    assert "locked notes: 2 tools" in told
    entry = desk.now()
    [lock] = desk.files("locks")
    assert entry["command"] == str(tools.MCPGUARD)
    assert entry["args"] == ["proxy", "--lock", str(lock), "--", *RECORDER]
    assert entry["env"] == desk.entry()["env"]
    desk.works(entry)
    assert (desk.home / ".local/share/mcpguard").exists()
    assert "is as it was" in desk.run("unwrap", "notes")
    assert (desk.file.read_bytes(), desk.file.stat().st_mode & 0o777) == (before, 0o640)
    assert desk.files("wrapped") == []


def test_a_server_that_needs_another_home_is_given_one_by_env(desk: Desk) -> None:
    own, told = desk.base / "own", desk.base / "told"
    words = ("/bin/sh", "-c", 'printf %s "$HOME" > "$0"; exec "$@"', str(told), *RECORDER)
    desk.write(desk.entry("env", f"HOME={own}", *words))
    desk.run("wrap", "--yes", "--data", str(told), "notes")
    desk.works(desk.now())
    assert told.read_text("utf-8") == str(own)
    assert (desk.home / ".local/share/mcpguard").exists()
    assert not own.exists()


@pytest.mark.guarantee("hosts:values-stay")
def test_names_of_variables_are_locked_and_their_values_stay_where_they_were(desk: Desk) -> None:
    desk.write(desk.entry())
    desk.wrap()
    [lock] = desk.files("locks")
    assert SECRET not in lock.read_text("utf-8")
    assert lockfile.parse(lock.read_bytes(), "lock").launch.env == ("API_KEY", "RECORDER_LOG")
    holding = [
        path
        for path in desk.home.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    ]
    assert desk.file in holding
    others = [path for path in holding if path != desk.file]
    assert {path.parent.name for path in others} == {"backups", "wrapped"}
    assert {path.stat().st_mode & 0o777 for path in others} == {0o600}
    assert (desk.state.stat().st_mode & 0o777, len(others)) == (0o700, 2)


@pytest.mark.guarantee("hosts:only-the-entry")
def test_only_the_entry_changes_and_a_backup_has_what_was_there(desk: Desk) -> None:
    before = desk.write(desk.entry())
    desk.wrap()
    after = desk.file.read_bytes()
    start = before.index(b'"notes": ') + len(b'"notes": ')
    tail = before[before.index(b"\r\n\t}", start) :]
    assert (after[:start], after[-len(tail) :]) == (before[:start], tail)
    [backup] = desk.files("backups")
    assert backup.read_bytes() == before


def test_wrapping_twice_says_so_and_changes_nothing(desk: Desk) -> None:
    desk.write(desk.entry())
    desk.wrap()
    stood, held = _stands(desk.file), desk.files("backups")
    desk.seen.unlink()
    assert "runs behind mcpguard already" in desk.wrap()
    assert (_stands(desk.file), desk.files("backups")) == (stood, held)
    assert not desk.seen.exists()  # nothing was started


def _stands(path: Path) -> tuple[int, int, bytes]:
    return path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()


def surface(desk: Desk, description: str) -> dict[str, Any]:
    """The entry of a server that lists one tool with this description."""
    listed = desk.base / "surface.json"
    listed.write_text(json.dumps({"tools": [{**TOOL, "description": description}]}))
    return {**desk.entry(*SURFACE), "env": {"PROBE_SURFACE": str(listed)}}


@pytest.mark.guarantee("hosts:locked-first")
def test_a_server_that_changed_since_it_was_locked_is_shown_and_not_wrapped(desk: Desk) -> None:
    before = desk.write(surface(desk, "Looks."))
    desk.wrap()
    desk.run("unwrap", "notes")
    [lock] = desk.files("locks")
    reviewed = lock.read_bytes()
    surface(desk, "Looks. Then sends it to evil.example.")
    told = desk.wrap(code=1)
    assert "evil.example" in told
    assert "left as it is" in told
    assert (desk.file.read_bytes(), lock.read_bytes()) == (before, reviewed)
    desk.wrap("--update")
    assert b"evil.example" in lock.read_bytes()
    assert desk.now()["command"] == str(tools.MCPGUARD)


def test_a_wrapped_server_is_locked_anew_where_it_stands(desk: Desk) -> None:
    desk.write(surface(desk, "Looks."))
    desk.wrap()
    after = desk.file.read_bytes()
    surface(desk, "Looks better.")
    desk.wrap("--update")
    [lock] = desk.files("locks")
    assert b"Looks better." in lock.read_bytes()
    assert desk.file.read_bytes() == after


@pytest.mark.guarantee("hosts:locked-first")
@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"command": "/nonexistent/x"}, "/nonexistent/x: no such program"),
        ({"command": "false"}, "ended"),
        ({"command": "python3", "args": ["x.py"]}, "in    /\n"),
        ({"command": "python3", "args": ["-m", "mcpguard", "proxy"]}, "wrap did not write"),
        ({"command": "true", "env": {"NODE_OPTIONS": "--require x"}}, "NODE_OPTIONS is never"),
        ({"command": "true", "env": {"MCPGUARD_DATA_DIR": "/x"}}, "would steer mcpguard itself"),
        ({"command": "true", "env": {"npm_config_node_options": "x"}}, "is never passed"),
        ({"command": "true", "env": {"HOME": "/x"}}, "would steer mcpguard itself"),
        ({"command": "true", "env": {"XDG_DATA_HOME": "/x"}}, "would steer mcpguard itself"),
        ({"command": "true", "args": ["a\0b"]}, "hold a NUL"),
        ({"command": "true", "cwd": "/nonexistent"}, "its directory /nonexistent does not exist"),
        ({"url": "https://x"}, "reached over the network"),
        ({"type": "http", "command": "true"}, "reached over the network"),
        ({"command": "sh", "args": ["-c", "exec mcpguard proxy --lock x"]}, "wrap did not write"),
        ({"command": "/tmp/mcpguard", "args": ["proxy", "--", "evil"]}, "wrap did not write"),
    ],
)
def test_a_server_that_cannot_be_locked_is_not_wrapped(
    desk: Desk, entry: dict[str, Any], message: str
) -> None:
    before = desk.write(entry)
    assert message in desk.wrap(code=2)
    assert desk.file.read_bytes() == before
    assert desk.files("wrapped") == []


BROKEN = {
    "torn": ('{"mcpServers": {', "line 1 column 17: a key is missing"),
    "a key twice": ('{"mcpServers": {"notes": 1, "notes": 2}}', "line 1 column 29: a key that"),
    "a trailing comma": ('{"mcpServers": {"notes": {},}}', "line 1 column 29: a comma before }"),
    "no servers": ("{}", "no server is called notes"),
    "a list of servers": ('{"mcpServers": []}', "mcpServers is not an object"),
    "another name": ('{"mcpServers": {"note": {}}}', "did you mean note?"),
    "an empty file": ("", "line 1 column 1: a value is missing"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_understood_is_left_as_it_is(desk: Desk, name: str) -> None:
    text, message = BROKEN[name]
    before = desk.write_text(text)
    told = desk.wrap(code=2)
    assert message in told
    assert "next: " in told
    assert desk.file.read_bytes() == before


def test_a_file_that_cannot_be_read_or_is_read_only_is_left_as_it_is(desk: Desk) -> None:
    before = desk.write(desk.entry())
    desk.file.chmod(0o400)
    assert "it is read-only" in desk.wrap(code=2)
    os.link(desk.file, desk.base / "second")
    desk.file.chmod(0o600)
    assert "hard links" in desk.wrap(code=2)
    assert desk.file.read_bytes() == before
    missing = desk.base / "claude_desktop_config.json"
    assert "there is no such file" in desk.wrap("--config", str(missing), code=2)
    missing.mkdir()
    assert "cannot be read: Is a directory" in desk.wrap("--config", str(missing), code=2)
    missing.rmdir()
    missing.symlink_to(missing.name)
    assert "cannot be read" in desk.wrap("--config", str(missing), code=2)


def test_a_link_stays_one_and_its_target_is_rewritten(desk: Desk) -> None:
    before = desk.write(desk.entry())
    real = desk.base / "dotfiles.json"
    shutil.move(desk.file, real)
    desk.file.symlink_to(real)
    desk.wrap()
    assert desk.file.is_symlink()
    assert desk.now()["command"] == str(tools.MCPGUARD)
    desk.run("unwrap", "notes")
    assert (desk.file.is_symlink(), real.read_bytes()) == (True, before)


@pytest.mark.guarantee("hosts:changed-meanwhile")
def test_a_file_that_changed_while_the_server_was_looked_at_is_not_written_over(
    desk: Desk,
) -> None:
    # The server itself writes to the file, which is when a host would, too.
    script = f'echo >> \'{desk.file}\'; exec "$0" "$@"'
    before = desk.write(desk.entry("/bin/sh", "-c", script, *RECORDER))
    assert "it was changed meanwhile" in desk.wrap(code=2)
    assert desk.file.read_bytes().rstrip(b"\n") == before
    assert [path.name for path in desk.file.parent.iterdir()] == [desk.file.name]
    assert desk.files("wrapped") == []


@pytest.mark.parametrize("blocks", [4, 100], ids=["the lockfile", "the backup"])
def test_a_full_disk_leaves_the_file_as_it_was_and_nothing_half_written(
    desk: Desk, blocks: int
) -> None:
    # The limit on a file's size stands for the disk's: blocks of 512 bytes.
    before = desk.write(desk.entry(), pad="x" * 100_000)
    done = subprocess.run(
        ["/bin/sh", "-c", f'ulimit -f {blocks}; exec "$0" "$@"', str(tools.MCPGUARD), "wrap",
         "--yes", "notes"],
        cwd=desk.base, env=desk.place.env, capture_output=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert (done.returncode, b"cannot be written: File too large" in done.stderr) == (2, True)
    assert (desk.file.read_bytes(), desk.files("wrapped"), desk.files("backups")) == (
        before,
        [],
        [],
    )
    assert [path.name for path in desk.file.parent.iterdir()] == [desk.file.name]
    desk.wrap()


def test_two_of_them_do_not_run_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    before = desk.write(desk.entry())
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(desk.state.parent))
    with hostfile.alone():
        assert "another mcpguard wrap or unwrap is running" in desk.wrap(code=2)
        assert "another mcpguard wrap" in desk.run("unwrap", "notes", code=2)
    assert desk.file.read_bytes() == before
    desk.wrap()


def test_a_dry_run_starts_and_writes_nothing(desk: Desk) -> None:
    before = desk.write(desk.entry())
    told = desk.run("wrap", "--dry-run", "notes")
    assert f"then  {tools.MCPGUARD} proxy --lock " in told
    assert "API_KEY" in told
    assert (desk.file.read_bytes(), desk.seen.exists()) == (before, False)
    assert [path for path in desk.state.rglob("*") if path.is_file()] == []


def test_without_a_terminal_nothing_is_started_unless_told(desk: Desk) -> None:
    before = desk.write(desk.entry())
    assert "add --yes" in desk.run("wrap", "notes", code=2)
    assert (desk.file.read_bytes(), desk.seen.exists()) == (before, False)


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 1), (b"\n", 1), (b"y\n", 0)])
def test_a_person_is_asked_before_the_server_is_started(
    desk: Desk, answer: bytes, code: int
) -> None:
    before = desk.write(desk.entry())
    terminal, stdin = pty.openpty()
    os.write(terminal, answer)
    done = subprocess.run(
        [str(tools.MCPGUARD), "wrap", "notes"],
        cwd=desk.base, env=desk.place.env, stdin=stdin, capture_output=True,
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    os.close(stdin)
    os.close(terminal)
    assert done.returncode == code, done.stderr.decode()
    assert b"Start it, lock what it lists and rewrite the entry?" in done.stderr
    assert (desk.seen.exists(), desk.file.read_bytes() == before) == (code == 0, code == 1)


@pytest.mark.guarantee("hosts:byte-exact-undo")
def test_edits_elsewhere_stay_when_the_entry_is_put_back(desk: Desk) -> None:
    before = desk.write(desk.entry())
    desk.wrap()
    desk.file.write_bytes(desk.file.read_bytes().replace(b"what I use", b"what we use"))
    desk.run("unwrap", "notes")
    assert desk.file.read_bytes() == before.replace(b"what I use", b"what we use")


@pytest.mark.guarantee("hosts:byte-exact-undo")
def test_an_entry_that_was_edited_is_shown_and_left_unless_forced(desk: Desk) -> None:
    before = desk.write(desk.entry())
    desk.wrap()
    edited = desk.file.read_bytes().replace(b'"API_KEY"', b'"API_KEY_2"')
    desk.file.write_bytes(edited)
    told = desk.run("unwrap", "notes", code=1)
    assert "env API_KEY: taken away" in told
    assert "env API_KEY_2: added" in told
    assert desk.file.read_bytes() == edited
    assert "wrapped, then edited" in desk.run("hosts")
    desk.run("unwrap", "--force", "notes")
    assert desk.file.read_bytes() == before


Entry = dict[str, Any]
LOOKALIKES: dict[str, Callable[[Entry], Entry]] = {
    "another program": lambda entry: {**entry, "command": "/tmp/evil/mcpguard"},
    "a weaker mode": lambda entry: {**entry, "args": ["proxy", "--audit-only", *entry["args"][1:]]},
    "another lockfile": lambda entry: {**entry, "args": ["proxy", "--lock", "x", "--", "evil"]},
}
"""What somebody else may make of a wrapped entry, for example in a project's own file."""


@pytest.mark.guarantee("hosts:no-lookalike")
@pytest.mark.parametrize("name", LOOKALIKES)
def test_an_entry_whose_own_words_changed_is_not_called_wrapped(desk: Desk, name: str) -> None:
    desk.write(desk.entry())
    desk.wrap()
    desk.seen.unlink()
    before = desk.write(LOOKALIKES[name](desk.now()))
    for options in ((), ("--update",)):
        assert "words that wrap did not write" in desk.wrap(*options, code=2)
    assert "notes  wrapped\n" not in desk.run("hosts")
    assert (desk.file.read_bytes(), desk.seen.exists()) == (before, False)


def test_a_wrapped_entry_with_a_variable_more_can_be_locked_anew(desk: Desk) -> None:
    desk.write(desk.entry())
    desk.wrap()
    entry = desk.now()
    before = desk.write({**entry, "env": {**entry["env"], "MORE": "x"}})
    assert "already" in desk.wrap()
    assert "leave --lock out" in desk.wrap("--update", "--lock", "other.json", code=2)
    desk.wrap("--update")
    [lock] = desk.files("locks")
    assert "MORE" in lockfile.parse(lock.read_bytes(), "lock").launch.env
    assert desk.file.read_bytes() == before


def test_all_are_unwrapped_and_one_that_is_gone_is_named(desk: Desk) -> None:
    one = json.dumps(desk.entry())
    before = desk.write_text(f'{{"mcpServers": {{"notes": {one}, "more": {one}}}}}')
    desk.wrap()
    desk.run("wrap", "--yes", "more")
    wrapped = desk.file.read_bytes()
    desk.file.write_bytes(wrapped.replace(b'"more"', b'"less"'))
    assert "more is no longer there" in desk.run("unwrap", "--all", code=2)
    assert "did you mean more?" in desk.run("unwrap", "mor", code=2)
    desk.file.write_bytes(desk.file.read_bytes().replace(b'"less"', b'"more"'))
    desk.run("unwrap", "--all")
    assert desk.file.read_bytes() == before
    assert "no server is wrapped" in desk.run("unwrap", "--all")


def test_unwrap_wants_one_name_or_all(desk: Desk) -> None:
    assert "name one server, or say --all" in desk.run("unwrap", code=2)
    assert "name one server, or say --all" in desk.run("unwrap", "--all", "notes", code=2)
    assert "no server called notes was wrapped here" in desk.run("unwrap", "notes", code=2)


def test_an_entry_put_back_by_hand_is_forgotten(desk: Desk) -> None:
    before = desk.write(desk.entry())
    desk.wrap()
    desk.file.write_bytes(before)
    assert "not wrapped" in desk.run("hosts")
    assert "as it was before it was wrapped already" in desk.run("unwrap", "notes")
    assert desk.files("wrapped") == []


def code_desk(base: Path, file: str) -> Desk:
    desk = Desk(base, file)
    shutil.copy(SERVERS / "recorder.py", base / "server.py")
    return desk


@pytest.mark.parametrize(
    ("scope", "file"), [("user", "home/.claude.json"), ("project", ".mcp.json")]
)
def test_claude_code_user_and_project_servers_are_wrapped(
    tmp_path: Path, scope: str, file: str
) -> None:
    desk = code_desk(tmp_path, file)
    script = "server.py" if scope == "project" else str(tmp_path / "server.py")
    words = ("${PY:-/nonexistent}", "-I", script)
    before = desk.write(desk.entry(*words, type="stdio"))
    desk.run("wrap", "--yes", "--scope", scope, "notes", PY=sys.executable)
    entry = desk.now()
    assert entry["args"][4:] == list(words)
    filled = [each.replace("${PY:-/nonexistent}", sys.executable) for each in entry["args"]]
    desk.works({**entry, "args": filled}, tmp_path)
    desk.run("unwrap", "--host", "claude-code", "notes")
    assert desk.file.read_bytes() == before


def test_a_local_server_of_claude_code_is_wrapped_in_its_project(tmp_path: Path) -> None:
    desk = code_desk(tmp_path, "home/.claude.json")
    entry = desk.entry(sys.executable, "-I", "server.py")
    projects = {str(tmp_path): {"mcpServers": {"notes": entry}}, "/else": {"history": [1]}}
    desk.file.write_text(json.dumps({"numStartups": 3, "projects": projects}, indent=2))
    before = desk.file.read_bytes()
    assert f"  in {tmp_path}\n  notes  not wrapped" in desk.run("hosts")
    desk.wrap()
    # The host writes its file anew whenever it likes, in its own layout.
    said_now = json.loads(desk.file.read_bytes())
    desk.works(said_now["projects"][str(tmp_path)]["mcpServers"]["notes"], tmp_path)
    desk.file.write_text(json.dumps({**said_now, "numStartups": 4}))
    assert "notes  wrapped" in desk.run("hosts", "--scope", "local")
    desk.run("unwrap", "notes")
    assert json.loads(desk.file.read_bytes()) == {**json.loads(before), "numStartups": 4}


def test_a_name_that_several_hosts_have_must_be_told_apart(desk: Desk) -> None:
    entry = json.dumps(desk.entry())
    before = desk.write_text(f'{{"mcpServers": {{"notes": {entry}}}}}')
    (desk.base / ".mcp.json").write_bytes(before)
    told = desk.wrap(code=2)
    assert "2 servers are called notes: Claude Desktop (" in told
    assert "--host" in told
    desk.wrap("--host", "claude-code")
    desk.wrap("--config", str(desk.file))
    assert "2 wrapped servers are called notes" in Desk(desk.base / "x").run(
        "unwrap", "notes", code=2, HOME=str(desk.home)
    )
    desk.run("unwrap", "--config", ".mcp.json", "notes")
    assert (desk.base / ".mcp.json").read_bytes() == before
    assert desk.file.read_bytes() != before


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--host", "claude-desktop", "--scope", "user"), "Claude Desktop has no scope user"),
        (("--config", "other.json"), "whose file is this?"),
        (("--host", "cursor"), "invalid value"),
        (("--config", "other.json", "--host", "claude-desktop"), "there is no such file"),
    ],
)
def test_a_place_that_does_not_exist_is_said(
    desk: Desk, argv: tuple[str, ...], message: str
) -> None:
    desk.write(desk.entry())
    assert message in desk.wrap(*argv, code=2)


def test_hosts_shows_every_host_and_how_its_servers_stand(desk: Desk) -> None:
    desk.write(desk.entry())
    told = desk.run("hosts")
    assert f"Claude Desktop: {desk.file}\n  web    not wrappable: " in told
    assert "  notes  not wrapped\n" in told
    assert f"Claude Code, user: {desk.home}/.claude.json\n  no such file\n" in told
    desk.wrap()
    listed = json.loads(desk.run("hosts", "--format", "json"))
    assert [each["host"] for each in listed] == ["claude-desktop", *["claude-code"] * 3]
    states = {each["name"]: each["state"] for each in listed[0]["servers"]}
    assert states == {"web": "not wrappable", "notes": "wrapped"}
    desk.file.write_text("{")
    assert "line 1 column 2: a key is missing" in desk.run("hosts", code=2)


def test_the_command_is_found_when_run_as_a_module(desk: Desk) -> None:
    desk.write(desk.entry())
    done = subprocess.run(
        [sys.executable, "-m", "mcpguard", "wrap", "--dry-run", "notes"],
        cwd=tools.ROOT, env={**desk.place.env}, capture_output=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert f"then  {tools.MCPGUARD} proxy" in done.stdout.decode(), done.stderr.decode()
