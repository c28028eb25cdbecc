"""`mcpguard proxy` as a process: what it refuses, what it says, what it does not import."""

import os
import subprocess
import sys
from pathlib import Path
from time import monotonic

import orjson
import pytest

from mcpguard.audit.verify import read, verify
from mcpguard.config.flags import STATE
from mcpguard.control.blocks import Block, add
from mcpguard.control.kill import engage
from mcpguard.daemon import launch
from mcpguard.lock import lockfile
from mcpguard.lock.surface import ServerFacts, Surface
from mcpguard.model import Era, ItemKind, JsonObject
from mcpguard.store.sqlite import SqliteStore
from tests.unit.audit.logs import written
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[3]
INITIALIZE = (
    b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",'
    b'"capabilities":{},"clientInfo":{"name":"t","version":"1"}}}\n'
)
SERVER = """
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    if m.get("method") == "initialize":
        r = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}
        r["serverInfo"] = {"name": "s", "version": "1"}
    elif m.get("method") == "tools/list":
        r = {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": r}), flush=True)
"""


class Place:
    """A directory with a server, its lockfile and a data directory."""

    def __init__(self, folder: Path, program: str = SERVER) -> None:
        self.server = folder / "server.py"
        self.server.write_text(program)
        self.lock = folder / "mcp-lock.json"
        self.data = folder / "data"
        self.argv = (sys.executable, str(self.server))
        facts = ServerFacts(
            Era.LEGACY, "2025-06-18", {"name": "s", "version": "1"}, "", {"tools": {}}
        )
        tool: JsonObject = {"name": "echo", "inputSchema": {"type": "object"}}
        surface = Surface(facts, {ItemKind.TOOL: {"echo": tool}})
        made = lockfile.from_surface(
            surface, name="s", launch=launch.describe(self.argv), requests=frozenset()
        )
        self.lock.write_bytes(lockfile.render(made))

    def run(
        self, *args: str, given: bytes = b"", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        full = {**os.environ, "PYTHONPATH": str(ROOT), "MCPGUARD_DATA_DIR": str(self.data)}
        command = (sys.executable, "-m", "mcpguard", "proxy", *args)
        return subprocess.run(
            command,
            input=given,
            env={**full, **(env or {})},
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )

    def log(self) -> Path:
        (path,) = (self.data / "audit").iterdir()
        return path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.guarantee("daemon:locked-session")
@pytest.mark.parametrize("driver", ["uvloop", "asyncio", "threads", "trio"])
@pytest.mark.parametrize("named", [False, True], ids=["locked-command", "given-command"])
def test_a_locked_server_answers_through_the_proxy_and_every_step_is_recorded(
    place: Place, driver: str, named: bool
) -> None:
    command = ("--", *place.argv) if named else ()
    env = {"MCPGUARD_DRIVER": driver}
    done = place.run("--lock", str(place.lock), *command, given=INITIALIZE, env=env)
    assert done.stderr == b""
    assert orjson.loads(done.stdout)["id"] == 1
    assert done.returncode == 0
    assert verify(place.log()).intact
    assert [r["event"] for r in read(place.log()) if "event" in r] == [
        "session.start",
        "session.end",
        "audit.checkpoint",
    ]


def test_a_session_without_a_receipt_says_why_and_what_to_do(place: Place) -> None:
    (place.data / "receipts.jsonl").mkdir(parents=True)
    done = place.run("--lock", str(place.lock), given=INITIALIZE)
    assert done.returncode == 0
    why, what = done.stderr.decode().splitlines()
    assert why.startswith("mcpguard: there is no receipt of this session: ")
    assert what.startswith("  next: ")


@pytest.mark.guarantee("daemon:cold-start")
def test_the_lean_way_imports_no_command_line_library(place: Place) -> None:
    code = (
        "import sys; from mcpguard.__main__ import main\n"
        "main(sys.argv[1:])\n"
        "heavy = {'click', 'cryptography', 'structlog', 'pydantic', 'jsonschema_rs', 'mcp'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT), "MCPGUARD_DATA_DIR": str(place.data)}
    done = subprocess.run(
        (sys.executable, "-c", code, "proxy", "--lock", str(place.lock)),
        input=INITIALIZE,
        env=env,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stderr == b"[]\n"


def spoil_lock(place: Place) -> None:
    place.lock.write_text("{")


def remove_lock(place: Place) -> None:
    place.lock.unlink()


def endless_lock(place: Place) -> None:
    place.lock.unlink()
    place.lock.symlink_to("/dev/zero")


def folder_as_lock(place: Place) -> None:
    place.lock.unlink()
    place.lock.mkdir()


def word_with_nul(place: Place) -> None:
    text = place.lock.read_text()
    place.lock.write_text(text.replace('"argv": [', '"argv": ["a\\u0000b", '))


def env_that_splits(place: Place) -> None:
    text = place.lock.read_text()
    place.lock.write_text(text.replace('"argv": [', '"argv": ["env", "-S", '))


def piped_lock(place: Place) -> None:
    place.lock.unlink()
    os.mkfifo(place.lock)


def change_server(place: Place) -> None:
    place.server.write_text(SERVER + "# more")


def block_log(place: Place) -> None:
    place.data.mkdir()
    (place.data / "audit").write_text("a file where the directory should be")


def nothing(place: Place) -> None:
    """The place is as it should be."""


@pytest.mark.guarantee("daemon:refuses-to-start")
@pytest.mark.parametrize(
    ("spoil", "command", "code", "words"),
    [
        (remove_lock, (), 2, "there is no such file\n  next: make it: mcpguard lock -o"),
        (spoil_lock, (), 2, "mcp-lock.json"),
        (endless_lock, (), 2, "it is not a regular file"),
        (endless_lock, (), 2, "name a lockfile that you may read"),
        (folder_as_lock, (), 2, "name a lockfile that you may read"),
        (word_with_nul, (), 2, "launch.argv[0] holds a NUL"),
        (env_that_splits, (), 2, "it cannot be told what is started"),
        (piped_lock, (), 2, "it is not a regular file"),
        (change_server, (), 1, "server.py is not the reviewed file: its bytes changed"),
        (nothing, ("--", "cat"), 1, "the program is 'cat'"),
        (nothing, ("--timeout", "never"), 2, "--timeout"),
        (nothing, ("--log-output", "/no/such/dir/log"), 2, "--log-output"),
        (block_log, (), 2, "nothing is let through unrecorded"),
    ],
)
def test_what_was_not_reviewed_or_cannot_be_recorded_does_not_run(
    place: Place, spoil: object, command: tuple[str, ...], code: int, words: str
) -> None:
    assert callable(spoil)
    spoil(place)
    done = place.run("--lock", str(place.lock), *command, given=INITIALIZE)
    assert (done.returncode, done.stdout) == (code, b"")
    assert words in done.stderr.decode()
    assert done.stderr.startswith(b"mcpguard: ")
    assert b"Traceback" not in done.stderr


@pytest.mark.guarantee("daemon:refuses-to-start")
def test_a_program_that_is_not_there_is_unreachable(place: Place) -> None:
    done = place.run("--audit-only", "--", "no-such-program-here")
    assert done.returncode == 2
    assert b"no such program on PATH" in done.stderr


@pytest.mark.guarantee("daemon:refuses-to-start")
def test_without_a_lockfile_only_a_recording_session_runs(place: Place) -> None:
    refused = place.run("--", *place.argv, given=INITIALIZE)
    assert refused.returncode == 2
    assert b"mcpguard lock -o" in refused.stderr
    done = place.run("--audit-only", "--", *place.argv, given=INITIALIZE)
    assert orjson.loads(done.stdout)["id"] == 1
    assert place.log().exists()


def test_a_session_that_blocks_nothing_goes_on_without_a_log_and_says_so(place: Place) -> None:
    block_log(place)
    done = place.run("--audit-only", "--", *place.argv, given=INITIALIZE)
    assert orjson.loads(done.stdout)["id"] == 1
    assert b"mcpguard: no audit log" in done.stderr


@pytest.mark.guarantee("audit:signed-checkpoints")
def test_a_running_session_sets_its_log_aside_as_its_settings_say(place: Place) -> None:
    config, anchors = place.data.parent / "config", place.data.parent / "anchors"
    config.mkdir()
    anchors.mkdir()
    settings = {"rotate_size": 65_536, "keep": 1, "anchors": str(anchors)}
    (config / "mcpguard.yaml").write_bytes(orjson.dumps({"audit": settings}))
    log = place.data / "audit" / "s.jsonl"
    oldest = log.with_name("s~000000000001.jsonl")
    written(log, 300)
    oldest.write_bytes(b"")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "MCPGUARD_DATA_DIR": str(place.data)}
    env["MCPGUARD_CONFIG_DIR"] = str(config)
    command = (sys.executable, "-m", "mcpguard", "proxy", "--lock", str(place.lock))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as proxy:
        assert proxy.stdin is not None
        assert proxy.stdout is not None
        proxy.stdin.write(INITIALIZE)
        proxy.stdin.flush()
        assert orjson.loads(proxy.stdout.readline())["id"] == 1
        give_up = monotonic() + 25
        while oldest.exists():
            assert monotonic() < give_up
            os.sched_yield()
        proxy.stdin.close()
    (key,) = place.data.glob("*.pub")
    (anchor,) = anchors.iterdir()
    check = ("audit", "verify", str(log), "--key", str(key), "--anchor", str(anchor))
    done = subprocess.run(
        (sys.executable, "-m", "mcpguard", *check), env=env, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b""), done.stdout
    assert b"  files     2, the oldest is s~0000" in done.stdout


def test_who_chose_to_go_on_without_a_log_goes_on_and_is_told(place: Place) -> None:
    block_log(place)
    config = place.data.parent / "config"
    config.mkdir()
    (config / "mcpguard.yaml").write_text("audit: {on_failure: continue}\n")
    env = {"MCPGUARD_CONFIG_DIR": str(config)}
    done = place.run("--lock", str(place.lock), given=INITIALIZE, env=env)
    assert orjson.loads(done.stdout)["id"] == 1
    assert b"mcpguard: no audit log" in done.stderr


@pytest.mark.guarantee("pending:server-death-answers")
def test_a_server_that_ends_at_once_is_answered_with_what_it_did_not_get(place: Place) -> None:
    env = {"MY_API_TOKEN": "x"}
    done = place.run(
        "--audit-only", "--", "sh", "-c", "read line; exit 3", given=INITIALIZE, env=env
    )
    assert done.returncode == 3
    text = orjson.loads(done.stdout)["error"]["message"]
    assert "MY_API_TOKEN" in text or "and" in text


def test_an_unknown_protocol_version_is_said_once(place: Place) -> None:
    other = place.server.with_name("other.py")
    other.write_text(SERVER.replace('"2025-06-18"', '"2099-01-01"'))
    done = place.run("--audit-only", "--", sys.executable, str(other), given=INITIALIZE)
    assert done.returncode == 1
    assert done.stderr.count(b"speaks a protocol version mcpguard does not know") == 1


@pytest.mark.guarantee("cli:printable-only")
def test_neither_the_effective_rules_nor_an_error_steer_a_terminal_or_forge_a_line(
    place: Place,
) -> None:
    hostile = "two words\nmode: audit-only\x1b[2J\u202e"
    shown = place.run("--audit-only", "--print-effective", "--", "cat", hostile).stdout.decode()
    assert shown.splitlines()[:4] == [
        "mode: audit-only",
        "caller: local:default, proved by profile",
        "command: cat 'two words\\nmode: audit-only<U+001B>[2J<U+202E>'",
        "settings:",
    ]
    said = place.run("--audit-only", "--", hostile, "x").stderr.decode()
    assert said.startswith(r"mcpguard: 'two words\nmode: audit-only\x1b[2J\u202e' is no program")
    spaceless = hostile.replace(" ", "")
    said += place.run("--audit-only", "--", spaceless.replace("\n", ""), "x").stderr.decode()
    assert "mcpguard: twowordsmode:audit-only<U+001B>[2J<U+202E>: no such" in said
    assert said.count("\n") == 4
    assert said.replace("\n", "").isprintable()


def test_the_effective_rules_are_printed_and_nothing_is_started(place: Place) -> None:
    done = place.run("--lock", str(place.lock), "--print-effective")
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert lines[:2] == ["mode: enforce", "caller: local:default, proved by profile"]
    assert "tool: echo" in lines
    assert "server may ask for: nothing" in lines
    assert not place.data.exists()
    for mode in ("--filter-only", "--audit-only"):
        done = place.run("--lock", str(place.lock), mode, "--print-effective")
        assert b"\nserver may ask for: anything, as the mode lets it pass; locked: nothing\n" in (
            done.stdout
        )
    bare = place.run("--audit-only", "--print-effective", "--", "cat")
    assert bare.stdout.startswith(
        b"mode: audit-only\ncaller: local:default, proved by profile\ncommand: cat\n"
        b"settings:\n  preset: baseline "
    )


@pytest.mark.guarantee("cli:effective-says-what-is-denied")
@pytest.mark.parametrize(
    ("settings", "mode", "lines"),
    [
        ("gateway: {deny: [ec*]}", [], ["tool: echo  # denied: in gateway.deny"]),
        ("gateway: {allow: [x]}", [], ["tool: echo  # denied: not in gateway.allow"]),
        ("tools: {echo: {blocked: true}}", [], ["tool: echo  # denied: blocked under `tools`"]),
        (
            "gateway: {deny: [echo]}", ["--audit-only"],
            ["tool: echo  # let through in audit-only, else denied: in gateway.deny"],
        ),
        (
            "principals: {local:default: {blocked: true}}", [],
            ["denied: everything: the caller local:default is blocked by the settings"],
        ),
        ("gateway: {allow: [e*]}", [], ["tool: echo"]),
    ],
)  # fmt: skip
def test_the_effective_rules_mark_what_the_settings_deny(
    settings: str, mode: list[str], lines: list[str], place: Place
) -> None:
    file = place.lock.with_name("given.yaml")
    file.write_text(settings)
    given = ("--lock", str(place.lock), "--config", str(file), *mode, "--print-effective")
    assert set(lines) <= set(place.run(*given).stdout.decode().splitlines())


@pytest.mark.guarantee("cli:effective-says-what-is-denied")
def test_the_effective_rules_say_what_blocks_and_the_kill_switch_stop(place: Place) -> None:
    name = lockfile.parse(place.lock.read_bytes(), "").name
    place.data.mkdir(mode=0o700)
    store = SqliteStore(place.data / STATE)
    for block in (("tool", "echo"), ("server", name), ("principal", "local:default")):
        add(store, Block(*block))
    store.close()
    switch = engage(place.data, None, "a drill")
    done = place.run("--lock", str(place.lock), "--print-effective")
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert "tool: echo  # denied: mcpguard trust block tool" in lines
    assert [line for line in lines if line.startswith("denied: everything: ")] == [
        f"denied: everything: {why}"
        for why in (
            f"the kill switch {switch} is on: a drill: no session starts",
            f"the server {name} is blocked (mcpguard trust blocks)",
            "the caller local:default is blocked (mcpguard trust blocks)",
        )
    ]


@pytest.mark.parametrize("locked", [True, False])
def test_a_server_that_ends_at_once_says_how_it_gets_a_variable(
    locked: bool, tmp_path: Path
) -> None:
    place = Place(tmp_path, "import sys; sys.stdin.readline()")
    chosen = ("--lock", str(place.lock)) if locked else ("--audit-only", "--", *place.argv)
    params: JsonObject = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}}
    asked = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    done = place.run(*chosen, given=orjson.dumps(asked) + b"\n", env={"AAA_TOKEN": "x"})
    said = orjson.loads(done.stdout)["error"]["message"]
    assert "not passed to it: AAA_TOKEN" in said
    assert said.endswith(
        "(mcpguard lock --update -o FILE --env NAME)" if locked else "(--env NAME)"
    )


def test_settings_that_cannot_be_read_start_nothing(place: Place, tmp_path: Path) -> None:
    settings = tmp_path / "mcpguard.yaml"
    settings.write_text("gateway: {denny: [a]}\n")
    done = place.run("--lock", str(place.lock), "--config", str(settings))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == (
        f"mcpguard: {settings}:1:11: unknown key `denny`\n  next: did you mean `deny`?\n"
    )
    assert not (place.data / "audit").exists()


@pytest.mark.guarantee("driver:any-stdio")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_host_that_closed_our_stdio_does_no_harm(place: Place, closed: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "MCPGUARD_DATA_DIR": str(place.data)}
    line = f"'{sys.executable}' -m mcpguard proxy --lock '{place.lock}' {closed} </dev/null"
    done = subprocess.run(
        ("sh", "-c", line if "<&-" not in closed else line.removesuffix(" </dev/null")),
        env=env,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
