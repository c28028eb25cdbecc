"""What `config validate` warns of: each row of the table, and that what is meant is left alone."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from mcpguard.cli import main
from mcpguard.config.loading import PRESETS, doubts, problems_of
from mcpguard.lock.lockfile import render
from mcpguard.model import ItemKind
from tests.unit.lock.surfaces import lock

BOUND = (
    'gateway: {scopes: ["filesystem:/srv/** x read"],'
    ' arguments: [{tools: ["*"], argument: %s, is: filesystem, action: read, base: /srv}]}'
)
DID = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
WEAK = [
    ("mode: audit-only", "no session blocks anything"),
    ("mode: filter-only", "calls are let through"),
    ("audit: {on_failure: continue}", "passes unrecorded"),
    ("audit: {durability: none}", "loses records"),
    ("store: {on_loss: local}", "each proxy counts alone"),
    ("gateway: {approve: [x]}\napprovals: {elicit: ['*']}", "the host's own user is asked"),
    ("trust: {min_trust: 0}", "no score is too low for any tool"),
    ("tools: {pay: {min_trust: 0}}", "no score is too low for it"),
    ("gateway: {detect: {secrets: off}}", "not even recorded"),
    ("gateway: {detect: {ssrf_url: off}}", "a cloud's credentials"),
    ("servers: {files: {gateway: {detect: {ssrf_url: off}}}}", "a cloud's credentials"),
]
IDLE = [
    ("audit: {keep: 3, rotate_size: 0}", "no file is ever set aside"),
    ("audit: {log: /var/log/a/x.jsonl, anchors: /var/log/a}", "lie beside the log"),
    ("approvals: {elicit: [pay]}", "no tool of which anybody is asked"),
    ("principals: {'local:me': {blocked: true}}", "a session's host is local:default"),
    ("gateway: {deny: ['[de]xec*']}", "in [de]xec* all but * and ? stand for themselves"),
    ("gateway: {deny: ['{exec,rm}']}", "in {exec,rm} all but * and ?"),
    ("tools: {'^send': {blocked: true}}", "in ^send all but * and ?"),
    ("rules: [{name: r, tools: [a, 'exec|rm'], action: deny}]", "in exec|rm all but * and ?"),
]
UNREADY = [
    ("tls://h, ca: /nowhere/ca.pem", "/nowhere/ca.pem cannot be read: No such file"),
    ("https://h/x, token_file: /nowhere/t", "/nowhere/t cannot be read: No such file"),
    (
        "https://h/x, token_env: NOT_SET_HERE",
        "the environment variable NOT_SET_HERE is not",
    ),
]
"""A sink that can deliver nothing, where that stands, and why."""

MEANT = [
    "mode: enforce",
    "audit: {keep: 3}",
    "audit: {keep: 3, rotate_size: 0, rotate_age: 60}",
    "audit: {log: /var/log/a/x.jsonl, anchors: /mnt/b}",
    "audit: {log: /dev/shm/x.jsonl}",
    "gateway: {approve: [pay]}\napprovals: {elicit: [pay]}",
    "preset: strict\napprovals: {elicit: [pay]}",
    "profile: me\nprincipals: {'local:me': {blocked: true}}",
    f"principals: {{'{DID}': {{capabilities: ['a:b']}}}}",
    "gateway: {detect: {email: off}}",
    "gateway: {deny: [mail.send, a-b_c/*, 'x?']}",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mcpguard.yaml"


def told(file: Path, text: str) -> list[str]:
    file.write_text(text, "utf-8")
    file.chmod(0o600)
    assert problems_of(file) == []
    return [each.what for each in doubts(file)]


@pytest.mark.guarantee("config:weak-is-said")
@pytest.mark.parametrize(("text", "what"), [*WEAK, *IDLE])
def test_what_weakens_or_does_nothing_is_said_once_where_it_stands(
    file: Path, text: str, what: str
) -> None:
    (found,) = told(file, text)
    assert what in found


def test_a_store_whose_package_is_not_there_is_said_where_it_stands(file: Path) -> None:
    text = "store: {backend: redis, where: 'redis://localhost:6379/0'}"
    assert told(file, text) == []
    code = (
        "import sys\n"
        "sys.modules['redis'] = None\n"
        "from mcpguard.__main__ import main\n"
        "sys.exit(main(['config', 'validate', sys.argv[1]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, file], capture_output=True, text=True, check=True
    )
    column = text.index("redis") + 1
    assert f"{file}:1:{column}: warning: no session can open this store here" in done.stdout
    assert "mcpguard-daemon[redis]" in done.stdout


@pytest.mark.guarantee("siem:unready-is-said")
@pytest.mark.parametrize(("sink", "why"), UNREADY)
def test_a_sink_that_can_deliver_nothing_is_said_where_it_stands(
    file: Path, sink: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    to, more = sink.split(", ")
    text = f"audit: {{sinks: [{{name: soc, to: '{to}', {more}}}]}}"
    (what,) = told(file, text)
    assert what.startswith(f"the sink soc delivers nothing here: {why}")
    assert main(["config", "validate", str(file)]) == 0
    column = text.index(more.partition(" ")[2]) + 1
    assert f"{file}:1:{column}: warning: the sink soc" in capsys.readouterr().out


@pytest.mark.parametrize("text", MEANT)
def test_what_is_meant_is_left_alone(file: Path, text: str) -> None:
    assert told(file, text) == []


def test_nothing_that_a_stricter_preset_says_is_doubted(file: Path) -> None:
    for word in ("baseline", "strict"):
        assert told(file, (PRESETS / f"{word}.yaml").read_text("utf-8")) == []


@pytest.mark.guarantee("config:log-keeps")
@pytest.mark.parametrize("path", ["/dev/null", "/dev/stdout", "/proc/self/fd/1", "/sys/x"])
def test_a_log_that_keeps_nothing_is_refused(file: Path, path: str) -> None:
    file.write_text(f"audit: {{on_failure: continue, log: {path}}}", "utf-8")
    (problem,) = problems_of(file)
    assert (problem.line, problem.what) == (1, f"{path} keeps nothing")


ARGUMENTS = "[{tools: [open], argument: p, is: filesystem, action: read}]"
PATTERNS = [
    ("gateway: {deny: [rm]}", "has no tool rm"),
    ("gateway: {deny: ['*'], allow: [wirte_*]}", "has no tool wirte_*"),
    ("tools: {rm: {blocked: true}}", "has no tool rm"),
    ("limits: {tools: {rm: [5/minute]}}", "has no tool rm"),
    (
        f"gateway: {{scopes: ['filesystem:/a x read'], arguments: {ARGUMENTS}}}",
        "has no tool open",
    ),
    ("requests: [sampling, roots]", "does not permit sampling"),
    ("rules: [{name: a, tools: ['pay_*'], action: deny}]", "no tool pay_*"),
    ("audit: {capture: {arguments: [pay]}}", "no tool pay"),
    ("audit: {capture: {results: ['pay*']}}", "no tool pay*"),
    (BOUND % "pth", "has the argument pth"),
    (BOUND % "/pth/*", "has the argument /pth/*"),
]


@pytest.mark.guarantee("config:weak-is-said")
@pytest.mark.parametrize(("text", "what"), PATTERNS)
def test_beside_a_lockfile_patterns_of_no_tool_are_named(file: Path, text: str, what: str) -> None:
    assert told(file, text) == []
    (found,) = doubts(file, lock())
    assert what in found.what


@pytest.mark.parametrize(
    ("quorum", "keys", "doubted"), [(2, 1, 1), (1, 0, 1), (2, 2, 0), (1, 3, 0)]
)
def test_more_approvers_to_agree_than_there_are_is_said(
    file: Path, quorum: int, keys: int, doubted: int
) -> None:
    assert told(file, f"approvals: {{quorum: {quorum}}}") == []
    found = [each.what for each in doubts(file, approvers=keys)]
    say = f"nothing can be approved: {quorum} have to agree, and there are {keys}"
    assert found == [say] * doubted


def test_patterns_that_fit_a_locked_tool_are_left_alone(file: Path) -> None:
    (name, *_) = lock().items[ItemKind.TOOL]
    assert told(file, f"gateway: {{deny: [{name}, '*'], approve: ['{name[:2]}*']}}") == []
    assert doubts(file, lock()) == []


@pytest.mark.parametrize("argument", ["path", "/path", "/tags/*", "/tags/0"])
def test_arguments_that_a_locked_tool_takes_are_left_alone(file: Path, argument: str) -> None:
    assert told(file, BOUND % argument) == []
    assert doubts(file, lock()) == []


def test_the_uri_of_what_is_read_is_the_argument_of_no_tool(file: Path) -> None:
    assert told(file, (BOUND % "uri").replace('"*"', '"*", resources/read')) == []
    assert doubts(file, lock()) == []


def test_a_typing_error_in_an_argument_is_answered_with_the_tools_arguments(file: Path) -> None:
    told(file, BOUND % "pth")
    (found,) = doubts(file, lock())
    assert "encoding, path, size, tags" in found.hint


def test_the_command_warns_and_passes(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told(file, "mode: audit-only\ngateway: {deny: [rm]}")
    held = tmp_path / "mcp-lock.json"
    held.write_bytes(render(lock()))
    assert main(["config", "validate", str(file), "--lock", str(held)]) == 0
    assert capsys.readouterr().out == (
        f"{file}: nothing wrong, 2 warnings\n"
        f"{file}:1:7: warning: weaker than the default: no session blocks anything\n"
        "  next: mode: enforce\n"
        f"{file}:2:18: warning: no effect: files has no tool rm\n"
        "  next: mcpguard proxy --lock FILE --print-effective lists its tools\n"
    )
    assert main(["config", "validate", str(file), "--format", "json"]) == 0
    (shown,) = orjson.loads(capsys.readouterr().out)
    assert (shown["valid"], shown["problems"]) == (True, [])
    assert [each["line"] for each in shown["warnings"]] == [1]
