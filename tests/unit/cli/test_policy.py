"""`mcpguard policy`: what it prints, and its exit codes."""

import os
from pathlib import Path

import orjson
import pytest

from mcpguard.cli import main
from mcpguard.model import JsonObject
from tests.tools import ROOT

Capture = pytest.CaptureFixture[str]
POLICIES = ROOT / "fixtures" / "policy"
WRONG = "name: a\nrules:\n  - {name: b, action: deny, when: tool == 'x'}\n  - {name: c}\n"


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG, "utf-8")
    return path


@pytest.mark.guarantee("policy:examples-work")
def test_the_example_policies_have_nothing_wrong(capsys: Capture) -> None:
    files = sorted(POLICIES.glob("*.yaml"))
    assert main(["policy", "validate", *map(str, files)]) == 0
    out = capsys.readouterr().out
    assert out == (
        f"{POLICIES}/api.yaml: 7 rules, nothing wrong\n"
        f"{POLICIES}/default.yaml: 8 rules, nothing wrong\n"
        f"{POLICIES}/filesystem.yaml: 9 rules, nothing wrong\n"
    )


def test_what_is_wrong_is_named_with_its_place_and_exits_1(wrong: Path, capsys: Capture) -> None:
    good = POLICIES / "default.yaml"
    assert main(["policy", "validate", str(wrong), str(good)]) == 1
    assert capsys.readouterr().out == (
        f"{wrong}:3:35: unknown name `tool`\n"
        "  next: write call.tool == 'x'\n"
        f"{wrong}:4:5: `action` is missing\n"
        "  next: add `action:`\n"
        f"{good}: 8 rules, nothing wrong\n"
    )


def test_validate_has_a_json_answer(wrong: Path, capsys: Capture) -> None:
    assert main(["policy", "validate", str(wrong), "--format", "json"]) == 1
    (found,) = orjson.loads(capsys.readouterr().out)
    assert (found["valid"], found["name"]) == (False, None)
    assert found["problems"][1] == {
        "line": 4,
        "column": 5,
        "message": "`action` is missing",
        "hint": "add `action:`",
    }


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["validate", "absent.yaml"], "absent.yaml: No such file"),
        (["validate", "."], ".: Is a directory"),
        (["validate", "bytes"], "bytes: not UTF-8, at byte 0"),
        (["validate"], "missing argument"),
        (["validate", "pipe"], "pipe: it is not a regular file"),
        (["test", "pipe", "--policy", "good.yaml"], "pipe: it is not a regular file"),
        (["test", "/dev/zero", "--policy", "good.yaml"], "/dev/zero: it is not a regular file"),
        (["test", "absent", "--policy", "good.yaml"], "absent: No such file"),
        (["test", "calls", "--policy", "absent.yaml"], "absent.yaml: No such file"),
        (["test", "calls", "--policy", "bad.yaml"], "bad.yaml:3:5: `action` is missing"),
        (["test", "bytes", "--policy", "good.yaml"], "bytes:1:1: not JSON"),
        (["test", "calls", "--policy", "good.yaml", "--zone", "Mars/Olympus"], "no such zone"),
        (["test", "calls"], "missing option '--policy'"),
    ],
)
def test_what_cannot_be_read_exits_2(
    argv: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bytes").write_bytes(b"\xff\n")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "calls").write_text('{"tool": "a"}\n', "utf-8")
    (tmp_path / "good.yaml").write_text("name: a\nrules: []", "utf-8")
    (tmp_path / "bad.yaml").write_text("name: a\nrules:\n  - {name: b}", "utf-8")
    assert main(["policy", *argv]) == 2
    captured = capsys.readouterr()
    assert (captured.out, message in captured.err.lower() or message in captured.err) == ("", True)


def test_a_group_without_a_command_shows_its_help_and_exits_2(capsys: Capture) -> None:
    assert main(["policy"]) == 2
    assert "validate" in capsys.readouterr().err


@pytest.mark.guarantee("policy:examples-work")
def test_recorded_calls_are_shown_with_what_is_decided(capsys: Capture) -> None:
    argv = ["policy", "test", f"{POLICIES}/calls.jsonl", "--policy", f"{POLICIES}/default.yaml"]
    assert main(argv) == 0
    assert capsys.readouterr().out == (
        "     1   query                         allow -> allow (no rule decides)\n"
        "     2   query                         deny -> deny  destructive-sql\n"
        "         Statements that change the database itself are not run through here\n"
        "     3   query                         require_approval -> require_approval"
        "  unbounded-delete\n"
        "         A statement without WHERE touches every row\n"
        "     4   read_file                     redact -> redact  secrets\n"
        "     5   note                          deny -> deny  trusted-enough\n"
        "         The caller or the server has lost too much trust\n"
        "default: 5 calls: 5 as before\n"
        "0 of 5 compared would change\n"
    )


def test_a_change_exits_1_and_is_marked(tmp_path: Path, capsys: Capture) -> None:
    calls = tmp_path / "calls.jsonl"
    calls.write_text('{"tool": "fetch\\u001b[31m", "decision": "allow"}\n', "utf-8")
    policy = tmp_path / "p.yaml"
    policy.write_text("name: p\nrules: [{name: x, action: deny}]", "utf-8")
    assert main(["policy", "test", str(calls), "--policy", str(policy)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("     1 * fetch")
    assert "allow -> deny  x" in out
    assert "\x1b" not in out
    assert main(["policy", "test", str(calls), "--policy", str(policy), "--format", "json"]) == 1
    found = orjson.loads(capsys.readouterr().out)
    assert found["summary"] == {
        "calls": 1,
        "compared": 1,
        "changed": 1,
        "unknown": 0,
        "decisions": {"deny": 1},
        "changes": {"newly denied": 1},
    }
    assert found["calls"][0]["changed"] is True


def test_the_summary_counts_changes_and_no_denial_that_another_stage_made(
    tmp_path: Path, capsys: Capture
) -> None:
    audited: JsonObject = {"v": 1, "seq": 1, "direction": "host>server", "method": "tools/call"}
    lines: list[JsonObject] = [
        {"tool": "x", "decision": "allow"},
        {"tool": "y", "decision": "deny"},
        {"tool": "y", "decision": "redact"},
        {"tool": "y", "decision": "allow"},
        {"tool": "x"},
        {"tool": "y"},
        {**audited, "target": "x", "decision": "deny", "stage": "surface"},
    ]
    calls, policy = tmp_path / "calls.jsonl", tmp_path / "p.yaml"
    calls.write_bytes(b"\n".join(map(orjson.dumps, lines)))
    policy.write_text("name: p\nrules: [{name: r, tools: [x], action: deny}]", "utf-8")
    main(["policy", "test", str(calls), "--policy", str(policy)])
    assert capsys.readouterr().out.splitlines()[-2] == (
        "p: 7 calls: 1 newly denied, 1 no longer denied by a rule, 1 no longer redacted,"
        " 2 as before, 1 denied, 1 allowed"
    )


def test_nothing_that_is_known_exits_2(tmp_path: Path, capsys: Capture) -> None:
    line = (
        b'{"v":1,"seq":1,"direction":"host>server","method":"tools/call","target":"a",'
        b'"decision":"allow","stage":""}\n'
    )
    calls = tmp_path / "audit.jsonl"
    calls.write_bytes(line)
    policy = tmp_path / "p.yaml"
    policy.write_text("name: p\nrules: [{name: x, action: deny, when: call.bytes > 9}]", "utf-8")
    assert main(["policy", "test", str(calls), "--policy", str(policy)]) == 2
    assert "not known: x read arguments" in capsys.readouterr().out
    calls.write_bytes(b"")
    assert main(["policy", "test", str(calls), "--policy", str(policy)]) == 2


@pytest.mark.guarantee("policy:one-zone")
@pytest.mark.parametrize(
    ("recorded", "options", "code"),
    [
        ({}, (), 0),
        ({"zone": "Asia/Tokyo"}, (), 1),
        ({"zone": "Asia/Tokyo"}, ("--zone", "UTC"), 0),
        ({}, ("--zone", "Asia/Tokyo"), 1),
        ({"zone": "Mars/Olympus"}, (), 2),
        ({"zone": "Mars/Olympus"}, ("--zone", "UTC"), 0),
    ],
)
def test_a_record_is_read_in_the_zone_that_its_session_stated(
    recorded: dict[str, str], options: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    at = {"v": 1, "ts": "2026-11-18T23:30:00Z"}
    start = {**at, "seq": 1, "event": "session.start", **recorded}
    call = {"direction": "host>server", "method": "tools/call", "target": "a", "decision": "allow"}
    calls, policy = tmp_path / "audit.jsonl", tmp_path / "p.yaml"
    calls.write_bytes(
        b"".join(orjson.dumps(each) + b"\n" for each in (start, {**at, "seq": 2, **call}))
    )
    policy.write_text("name: p\nrules: [{name: x, action: deny, when: now.hour == 8}]", "utf-8")
    named = ("--policy", str(policy), *options)
    assert main(["policy", "test", str(calls), *named]) == code
    assert main(["audit", "replay", str(calls), *named]) == code


@pytest.mark.parametrize(("zone", "code"), [("UTC", 0), ("Asia/Tokyo", 1)])
def test_the_zone_is_the_one_that_is_asked_for(zone: str, code: int, tmp_path: Path) -> None:
    calls = tmp_path / "calls.jsonl"
    calls.write_text('{"tool": "a", "at": "2026-11-18T23:30:00Z", "expected": "none"}', "utf-8")
    policy = tmp_path / "p.yaml"
    policy.write_text("name: p\nrules: [{name: x, action: deny, when: now.hour == 8}]", "utf-8")
    argv = ["policy", "test", str(calls), "--policy", str(policy), "--zone", zone]
    assert main(argv) == code
