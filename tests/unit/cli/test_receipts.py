"""What commands leave behind: a receipt each, with every answer, and none begins where it must."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import orjson
import pytest
from click.testing import CliRunner

from mcpguard.cli import main, mcpguard_group
from mcpguard.config.flags import APPROVERS
from mcpguard.evidence.receipt import STATUSES, examine
from mcpguard.evidence.receiptlog import LOG, head_of, known_keys, lines_of
from mcpguard.identity.keys import approvers, create
from mcpguard.model import JsonObject
from tests.tools import FIXTURES
from tests.unit.control import desk as desks
from tests.unit.control.desk import CALL, KEY, Desk, served

ROOT = Path(__file__).parents[3]
SCRIPT = str(FIXTURES / "servers" / "probe_scripted.py")
TOOL = {"name": "write", "description": "Writes.", "inputSchema": {"type": "object"}}
SECRET = "ghp_" + "aZ3kQ9xW7mB2nV5tR8yU1pL6sD4fG0hJcEoI"
PHRASE = "correct horse battery"


class Place:
    """A working directory, and what was left in its data directory."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.data = base / "data"
        self.settings = base / "config" / "mcpguard" / "mcpguard.yaml"

    def told(self) -> list[JsonObject]:
        """The receipts, every one verified, without those of the signing key."""
        lines, torn = lines_of(self.data / LOG)
        report = examine(lines, known_keys(self.data), head_of(self.data))
        assert (report.problems, torn) == ((), 0)
        assert b"hunter2" not in b"".join(lines)
        assert SECRET.encode() not in b"".join(lines)
        return [each for each in report.receipts if each["command"] != "audit key"]

    def ended(self) -> list[tuple[Any, ...]]:
        """Of each: command, status, exit code and kind of error."""
        found = []
        for each in self.told():
            result: Any = each["result"]
            found.append((each["command"], *(result.get(k) for k in ("status", "exit_code"))))
        return found

    def set(self, text: str) -> None:
        self.settings.parent.mkdir(parents=True, exist_ok=True)
        self.settings.write_text(text)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place(tmp_path)
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(made.data))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PROBE_SURFACE", str(tmp_path / "surface.json"))
    monkeypatch.chdir(tmp_path)
    return made


class Signer:
    """An approver at the keyboard."""

    def __call__(self) -> "Signer":
        return self

    def operation(
        self, session: str, verb: str, args: JsonObject, nonce: str
    ) -> Sequence[JsonObject]:
        return desks.sign(verb, args, nonce)

    def approval(self, session: str, shown: JsonObject) -> JsonObject:
        return {"statement": {"session": session}, "key": KEY}


def run(*words: str, given: str = "") -> None:
    """A command whose passphrase is typed by `Signer`."""
    command = mcpguard_group.get_command(click.Context(mcpguard_group), words[0])
    assert command is not None
    CliRunner().invoke(command, words[1:], input=given, obj=Signer(), standalone_mode=False)


@pytest.mark.guarantee("evidence:receipt-when-no")
def test_lock_and_check_leave_one_whatever_they_find(place: Place) -> None:
    surface = place.base / "surface.json"
    server = ["--", sys.executable, "-I", SCRIPT, "surface"]
    surface.write_bytes(orjson.dumps({"tools": [TOOL]}))
    options = ["--era", "legacy", "--env", "PROBE_SURFACE", "--name", "mine"]
    assert main(["lock", *options, *server]) == 0
    surface.write_bytes(orjson.dumps({"tools": [{**TOOL, "description": SECRET}]}))
    assert main(["check"]) == 1
    assert main(["check", "--lock", "none.json"]) == 2
    assert main(["lock", "--timeout", "30", "--", sys.executable, "-c", f"exit('{SECRET}')"]) == 2
    assert place.ended() == [
        ("lock", "pass", 0),
        ("check", "fail", 1),
        ("check", "error", 2),
        ("lock", "error", 2),
    ]
    locked, checked, missing, _ = place.told()
    digest = hashlib.sha256(Path("mcp-lock.json").read_bytes()).hexdigest()
    file = {"path": "mcp-lock.json", "sha256": f"sha256:{digest}"}
    assert (locked["lockfile"], checked["lockfile"], locked["server"]) == (file, file, "mine")
    assert checked["drift"] == {"critical": 1, "moderate": 0, "info": 0}
    assert missing["lockfile"] == {"path": "none.json", "sha256": None}
    assert missing["result"] == {"status": "error", "exit_code": 2, "error": "lockfile"}


POLICY = "name: ours\nrules:\n  - {name: no-write, tools: [write], action: deny}\n"
CALLS = '{"tool": "write", "arguments": {"password": "hunter2"}, "decision": "%s"}\n'


@pytest.mark.guarantee("evidence:receipt-when-no")
def test_policy_commands_leave_one_whatever_they_find(place: Place) -> None:
    Path("good.yaml").write_text(POLICY)
    Path("bad.yaml").write_text("name: [")
    Path("calls.jsonl").write_text(CALLS % "allow")
    Path("same.jsonl").write_text(CALLS % "deny")
    assert main(["policy", "validate", "good.yaml"]) == 0
    assert main(["policy", "validate", "good.yaml", "bad.yaml"]) == 1
    assert main(["policy", "validate", "none.yaml"]) == 2
    assert main(["policy", "test", "--policy", "good.yaml", "same.jsonl"]) == 0
    assert main(["policy", "test", "--policy", "good.yaml", "calls.jsonl"]) == 1
    assert main(["policy", "test", "--policy", "good.yaml", "none.jsonl"]) == 2
    assert main(["policy", "test"]) == 2  # not understood: nothing began
    statuses = [each[1] for each in place.ended()]
    assert statuses == ["pass", "fail", "error"] * 2
    policies: list[Any] = [each["policy"] for each in place.told()]
    said = [each.get("status") for each in policies]
    assert said == ["valid", "invalid", None, "same", "changed", None]
    assert [each["path"] for each in policies[1]["files"]] == ["good.yaml", "bad.yaml"]
    (hit,) = policies[4]["rules_hit"]
    assert (hit["name"], hit["decision"], hit["calls"]) == ("no-write", "deny", 1)
    assert hit["control_refs"]


@pytest.mark.guarantee("evidence:receipt-when-no")
def test_approvals_and_changes_of_trust_leave_one_each(place: Place) -> None:
    place.data.mkdir(mode=0o700)
    ticket = str(CALL["ticket"])
    with served(place.data, Desk("ef56", "files"), desks.check):
        run("approve", "yes", ticket, given="n\n")
        run("approve", "no", "ZZZZ")
        run("approve", "no", ticket)
    with served(place.data, Desk("ab12cd34", "files"), desks.check):
        run("approve", "yes", ticket, given="y\n")
        run("trust", "block", "tool", "write", "--why", f"it said {SECRET}")
        run("trust", "unblock", "tool", "write")
        run("trust", "unblock", "tool", "never")
        run("trust", "reset", "server", "files")
        run("trust", "policy", "write", "min_trust=700", "--session", "ab12cd34")
        run("trust", "budgets")
        run("trust", "budgets", "--reset")
    assert [each[:2] for each in place.ended()] == [
        ("approve yes", "fail"),
        ("approve no", "fail"),
        ("approve no", "pass"),
        ("approve yes", "pass"),
        ("trust block", "pass"),
        ("trust unblock", "pass"),
        ("trust unblock", "fail"),
        ("trust reset", "pass"),
        ("trust policy", "pass"),
        ("trust budgets", "pass"),
    ]
    receipts = place.told()
    assert receipts[3]["approval"] == {
        "ticket": ticket,
        "session": "ab12cd34",
        "tool": str(CALL["tool"]),
        "principal": str(CALL["principal"]),
        "key": KEY,
    }
    assert receipts[4]["trust"] == {"kind": "tool", "name": "write"}
    assert receipts[8]["trust"] == {"kind": "tool", "name": "write", "fields": ["min_trust"]}


@pytest.mark.guarantee("evidence:receipt-when-no")
def test_changes_of_keys_leave_one_each(place: Place) -> None:
    def approver(*words: str) -> int:
        reading, writing = os.pipe()
        os.write(writing, PHRASE.encode() + b"\n")
        os.close(writing)
        try:
            return main(["approver", *words, "--passphrase-fd", str(reading)])
        finally:
            os.close(reading)

    place.data.mkdir(mode=0o700)
    anna = create(place.data / APPROVERS, "anna", PHRASE, work=10)
    codes = [
        approver("add", "anna"),
        approver("remove", "bert"),
        approver("remove", "anna"),
        approver("add", "carl"),
    ]
    assert codes == [2, 2, 0, 0]
    assert [each[1] for each in place.ended()] == ["error", "error", "pass", "pass"]
    (carl,) = approvers(place.data / APPROVERS)
    assert [each["key"] for each in place.told()] == [
        {"name": "anna"},
        {"name": "bert"},
        {"name": "anna", "id": anna.key_id},
        {"name": "carl", "id": carl.key_id},
    ]


READ_ONLY = {"on": (0, "there is no receipt of this"), "off": (0, ""), "required": (2, LOG)}


@pytest.mark.guarantee("evidence:receipt-required")
@pytest.mark.parametrize("chosen", READ_ONLY)
def test_where_none_can_be_written_only_a_required_one_stops_a_command(
    place: Place, capsys: pytest.CaptureFixture[str], chosen: str
) -> None:
    code, said = READ_ONLY[chosen]
    place.set(f"audit: {{receipts: {chosen}}}\n")
    (place.data / LOG).mkdir(parents=True)  # as unwritable for root as for anybody
    Path("good.yaml").write_text(POLICY)
    assert main(["policy", "validate", "good.yaml"]) == code
    out, err = capsys.readouterr()
    assert (bool(out), said in err, bool(err)) == (code == 0, True, bool(said))


def test_a_log_that_was_deleted_is_said_with_what_to_do(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("good.yaml").write_text(POLICY)
    assert main(["policy", "validate", "good.yaml"]) == 0
    (place.data / LOG).unlink()
    for _ in range(2):
        capsys.readouterr()
        assert main(["policy", "validate", "good.yaml"]) == 0
        why, *rest = capsys.readouterr().err.splitlines()
        assert why.endswith(
            f"{place.data / LOG}: it ends with receipt 0, and receipt 2 was written"
        )
        next_step = "run: mcpguard receipt verify; then move receipts.jsonl and receipts.head away"
        assert rest == [f"  next: {next_step}, and new ones begin"]


@pytest.mark.guarantee("evidence:receipt-required")
def test_a_required_receipt_that_fails_at_the_end_is_no_pass(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.set("audit: {receipts: required}\n")
    Path("bad.yaml").write_text("name: [")
    assert main(["policy", "validate", "bad.yaml"]) == 1
    assert main(["receipt", "verify"]) == 0
    place.set("audit: {receipts: odd}\n")  # who wrote it may have meant one
    (place.data / LOG).chmod(0o644)
    Path("good.yaml").write_text(POLICY)
    assert main(["policy", "validate", "good.yaml"]) == 2
    assert "open to others" in capsys.readouterr().err


def test_receipts_are_listed_shown_and_verified(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("good.yaml").write_text(POLICY)
    main(["policy", "validate", "good.yaml"])
    main(["policy", "validate", "none.yaml"])
    capsys.readouterr()
    assert main(["receipt", "list"]) == 0
    rows = [line.split()[:1] + line.split()[3:] for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        ["NUMBER", "RESULT", "OF"],
        ["1", "(new", "key)", "pass", "audit"],
        ["2", "policy", "validate", "pass", "good.yaml"],
        ["3", "policy", "validate", "error", "(2)", "none.yaml"],
    ]
    assert main(["receipt", "list", "--status", "error", "--format", "json"]) == 0
    (one,) = orjson.loads(capsys.readouterr().out)
    for wanted in ("3", one["op_id"], one["op_id"][:8].upper()):
        assert main(["receipt", "show", wanted]) == 0
        assert orjson.loads(capsys.readouterr().out) == one
    assert main(["receipt", "show", "9"]) == main(["receipt", "show", one["op_id"][:7]]) == 1
    assert main(["receipt", "schema"]) == 0
    capsys.readouterr()
    assert main(["receipt", "verify", "--format", "json"]) == 0
    told = orjson.loads(capsys.readouterr().out)
    assert (told["receipts"], told["outcome"], told["problems"]) == (3, "intact", [])
    assert main(["receipt", "verify", "--known", told["head"]]) == 0
    (key,) = place.data.glob("audit-*.pub")
    assert main(["receipt", "verify", "--key", str(key), "--file", str(place.data / LOG)]) == 0
    key.unlink()
    assert main(["receipt", "verify"]) == 2


@pytest.mark.parametrize("words", [["list"], ["verify"], ["show", "1"], []])
def test_without_receipts_there_is_nothing_to_find_out(place: Place, words: list[str]) -> None:
    assert main(["receipt", *words]) == 2


def proxy(place: Place, *words: str, given: bytes = b"") -> int:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "mcpguard", "proxy", *words]
    return subprocess.run(argv, input=given, env=env, capture_output=True, check=False).returncode


@pytest.mark.guarantee("evidence:receipt-when-no")
def test_a_session_leaves_one_and_so_does_one_that_was_refused(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    lives = [sys.executable, "-c", "import sys; sys.stdin.read(); sys.exit(3)"]
    assert proxy(place, "--audit-only", "--name", "odd", "--", *lives) == 3
    assert proxy(place, "--lock", "none.json") == 2
    assert proxy(place, "--nonsense") == 2
    ran, missing = place.told()
    assert ran["result"] == {"status": "pass", "exit_code": 3}
    assert (ran["server"], ran["policy"]) == ("odd", {"preset": "baseline", "mode": "audit-only"})
    assert missing["result"] == {"status": "error", "exit_code": 2, "error": "lockfile"}
    assert missing["lockfile"] == {"path": "none.json", "sha256": None}
    assert main(["receipt", "verify", "--audit"]) == 0
    log = Path(str(ran["audit"]["log"]))  # type: ignore[index,call-overload]
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    capsys.readouterr()
    for name in ("proxy", "run"):  # as one types it, and as the receipt has it
        assert main(["receipt", "list", "--command", name]) == 0
        _, *lines = capsys.readouterr().out.splitlines()
        assert [line.split()[3] for line in lines] == ["proxy", "proxy"]
    assert main(["receipt", "verify", "--audit"]) == 1
    assert "truncated: receipt 2 names record" in capsys.readouterr().out
    log.unlink()
    assert main(["receipt", "verify", "--audit"]) == 1
    assert main(["receipt", "verify"]) == 0


@pytest.mark.parametrize("word", ["bogus", "PASS", ""])
def test_a_word_that_is_no_status_is_an_error_that_names_those_that_are(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["receipt", "list", "--status", word]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert all(f"'{each}'" in told.err for each in STATUSES)
