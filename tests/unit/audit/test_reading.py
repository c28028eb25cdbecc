"""`mcpguard audit show | tail | stats | prove | replay`, and `verify` with keys and parts."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from mcpguard.audit import AuditLog
from mcpguard.audit.keeper import Rotation
from mcpguard.audit.record import DECISIONS, link, seal
from mcpguard.audit.verify import read
from mcpguard.cli.audit import audit
from mcpguard.cli.audit.choosing import Choice
from mcpguard.cli.audit.show import line_of
from mcpguard.errors import AuditError, UsageError
from mcpguard.model import JsonObject
from tests.tools import ROOT
from tests.unit.audit.logs import CALL, NOON, keep, kept, signed, write, written

WHY: JsonObject = {
    **CALL,
    "direction": "host>server",
    "target": "exec",
    "decision": "deny",
    "stage": "policy",
    "rule": "no-shell",
    "reason": "rule",
    "detail": "nobody\x1b[2J runs a shell",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two parts and the log: ten records a minute, one of them denied."""
    path = tmp_path / "audit.jsonl"
    now = [NOON]
    log, keeper = kept(path, clock=lambda: now[0], rotation=Rotation(age=60))
    keep(keeper)
    for _ in range(2):
        write(log, *[{**CALL, "direction": "host>server", "method": "tools/call"}] * 5, WHY)
        now[0] += 60
        keep(keeper)
    log.close(keeper.last)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(audit, list(map(str, arguments)))


def shown(*arguments: object) -> list[JsonObject]:
    result = run("show", *arguments)
    assert result.exit_code == 0, result.exception
    return [orjson.loads(line) for line in result.stdout.splitlines()]


def public(path: Path) -> Path:
    (file,) = path.parent.glob("*.pub")
    return file


@pytest.mark.guarantee("audit:shown-as-written")
def test_a_pipe_gets_every_record_of_every_part_as_it_stands_in_the_log(path: Path) -> None:
    files = [*sorted(path.parent.glob("audit~*")), path]
    assert len(files) == 3
    assert shown(path) == [record for file in files for record in read(file)]
    quiet = [line for line in run("show", path).stdout.splitlines() if "\\u001b" not in line]
    assert set(quiet) <= {line for file in files for line in file.read_text().splitlines()}


CHOICES: dict[str, tuple[list[str], int]] = {
    "nothing": ([], 21),
    "a decision": (["--decision", "deny"], 2),
    "two decisions": (["--decision", "deny", "--decision", "allow"], 12),
    "a tool": (["--tool", "read_*"], 10),
    "a rule": (["--rule", "no-shell"], 2),
    "a reason": (["--rule", "policy.rule"], 2),
    "a reason alone": (["--rule", "ok"], 10),
    "a principal": (["--principal", "local:default"], 21),
    "nobody": (["--principal", "local:other"], 0),
    "a session": (["--session", "s1"], 21),
    "no session": (["--session", "s2"], 0),
    "a time on": (["--since", "2026-09-21T14:14:20Z"], 14),
    "a day of UTC": (["--since", "2026-09-21"], 21),
    "before a time": (["--until", "2026-09-21T14:14:20+00:00"], 7),
    "from minutes ago": (["--since", "15m", "--until", "1m"], 0),
    "several": (["--tool", "exec", "--decision", "deny", "--until", "2026-09-21T14:14:00Z"], 1),
    "the newest": (["--limit", "3"], 3),
    "all": (["--limit", "0"], 21),
}


@pytest.mark.parametrize(("options", "count"), CHOICES.values(), ids=CHOICES)
def test_records_are_chosen(path: Path, options: list[str], count: int) -> None:
    assert len(shown(path, *options)) == count


@pytest.mark.parametrize("count", [1, 3, 200, 900, 2000])
def test_the_newest_are_the_same_however_far_back_they_are(tmp_path: Path, count: int) -> None:
    path = tmp_path / "audit.jsonl"
    written(path, 1000)
    whole = shown(path)
    assert shown(path, "--limit", count) == whole[-count:]
    calls = [record for record in whole if record.get("decision") == "allow"]
    assert shown(path, "--limit", count, "--decision", "allow") == calls[-count:]


@pytest.mark.parametrize("given", ["yesterday", "3x", "2026-13-01", "h", "²h", "9999999999999d"])
def test_a_time_that_is_none_is_an_error_that_names_the_option(path: Path, given: str) -> None:
    result = run("show", path, "--since", given)
    assert isinstance(result.exception, UsageError)
    assert result.exception.message.startswith("--since ")
    assert "2h" in result.exception.hint


@pytest.mark.parametrize("command", ["show", "tail", "stats"])
def test_a_word_that_is_no_decision_is_an_error_that_names_those_that_are(
    path: Path, command: str
) -> None:
    result = run(command, path, "--decision", "denied")
    assert (result.exit_code, result.stdout) == (2, "")
    assert all(f"'{word}'" in result.stderr for word in DECISIONS)


@pytest.mark.parametrize("command", ["show", "tail"])
@pytest.mark.parametrize("options", [["--decision", "hold"], ["--tool", "rm", "--limit", "5"]])
def test_that_no_record_fits_is_said(path: Path, command: str, options: list[str]) -> None:
    result = run(command, path, *options)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "mcpguard audit: no record fits\n"
    assert run(command, path).stderr == ""


def test_a_record_is_a_line_for_people_and_what_a_terminal_would_obey_is_shown(path: Path) -> None:
    lines = run("show", path, "--format", "text").stdout.splitlines()
    assert len(lines) == 21
    who = "s1      local:default "
    assert lines[1] == f"2026-09-21 14:13:20Z       2  {who}  allow       -> tools/call read_file"
    assert lines[6] == (
        f"2026-09-21 14:13:20Z       7  {who}  deny        -> tools/call exec             "
        "  [no-shell] nobody<U+001B>[2J runs a shell"
    )
    assert "audit.rotate  file audit~000000000009.jsonl" in lines[8]
    record: JsonObject = {**WHY, "rule": "", "server": "a" * 20, "seq": 1, "ts": "t"}
    assert " aaaaaaaaaaaa                  deny " in line_of(record, named=True)
    assert "[policy.rule]" in line_of(record, named=False)
    assert line_of({}, named=False)
    long: JsonObject = {**record, "detail": "why " * 100, "target": "t" * 100, "session": "s" * 16}
    assert len(line_of(long, named=True)) == 160


@pytest.mark.parametrize("rule", ["w", "policy.w"])
@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"decision": "allow", "findings": ["policy.w"]}, True),
        ({"decision": "allow", "findings": ["policy.w "]}, True),
        ({"decision": "allow", "findings": ["policy.ww"]}, False),
        ({"stage": "policy", "reason": "rule", "detail": "the limit is spent (rule w)"}, True),
        ({"stage": "policy", "reason": "rule", "detail": "no (rule w); odd (rule v)"}, True),
        ({"stage": "policy", "detail": "the rule w took something out"}, True),
        ({"stage": "policy", "reason": "rule", "detail": "no (rule ww)"}, False),
        ({"stage": "scan", "reason": "rule", "detail": "no (rule w)"}, False),
        ({}, False),
    ],
)
def test_a_rule_of_the_policy_finds_what_it_decided_and_remarked(
    said: JsonObject, rule: str, *, found: bool
) -> None:
    assert Choice(rule=(rule,)).takes(said) is found


def test_only_a_terminal_cuts_lines(path: Path) -> None:
    long: JsonObject = {**CALL, "ts": "t", "target": "t" * 100, "detail": "why " * 100 + "end"}
    whole = line_of(long, named=False, columns=None)
    assert "t" * 100 in whole
    assert whole.endswith(" end")
    assert len(line_of(long, named=False, columns=200)) == 200


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, "read_file"),
        ({"findings": ["policy.watch-reads "]}, "  [policy.watch-reads]"),
        ({"findings": ["scan.pii /a", "scan.pii /b", "policy.x "]}, "  [scan.pii, policy.x]"),
        ({"stage": "policy", "rule": "policy.redacted", "detail": "taken", "findings": ["p.x "]},
         "  [policy.redacted] taken"),
        ({"findings": "policy.x "}, "read_file"),
        ({"decision": "deny", "stage": "s", "reason": "r", "findings": ["p.x "]}, "  [s.r]"),
    ],
)  # fmt: skip
def test_a_line_names_the_rule_also_of_what_was_allowed(said: JsonObject, told: str) -> None:
    call = {**CALL, "direction": "host>server", "method": "tools/call", "target": "read_file"}
    assert line_of({**call, **said}, named=False).endswith(told)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"summary": {"critical": 0, "high": 1, "low": 2}}, "summary 1 high and 2 low"),
        ({"summary": {"critical": 0}, "state": "seen"}, "scan.server  state seen"),
        ({"decisions": {"allow": 11, "deny": 1}}, "decisions 11 allow and 1 deny"),
        ({"findings": [{"rule": "a.b", "where": "/x"}, {"rule": "a.b"}]}, "findings a.b"),
        ({"suppressed": 0, "names": ["a", "b"]}, "suppressed 0, names a and b"),
    ],
)
def test_an_event_is_told_in_words(said: JsonObject, told: str) -> None:
    line = line_of({"event": "scan.server", **said}, named=False)
    assert line.endswith(told)
    assert not set(line) & set('{}[]"')


@pytest.mark.guarantee("audit:shown-as-written")
@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_text_in_colour_unless_that_is_not_wanted(
    path: Path, no_color: str, coloured: bool
) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "mcpguard", "audit", "show", str(path), "--decision", "deny"],
        stdout=theirs,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": no_color, "TERM": "xterm"},
    )
    os.close(theirs)
    text = b""
    while b"shell" not in text.partition(b"shell")[2]:
        text += os.read(ours, 4096)
    assert done.wait() == 0
    os.close(ours)
    assert (b"\x1b[1;31mdeny" in text) == coloured
    assert not text.startswith(b"{")


def test_the_tail_is_the_newest_and_follows_what_comes_into_the_next_file_too(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.jsonl"
    now = [NOON]
    log, keeper = kept(path, clock=lambda: now[0], rotation=Rotation(age=60))
    keep(keeper)
    write(log, *[CALL] * 4)
    assert [
        record["seq"]
        for record in map(orjson.loads, run("tail", path, "-n", "2").stdout.splitlines())
    ] == [4, 5]
    with subprocess.Popen(
        [sys.executable, "-m", "mcpguard", "audit", "tail", "-f", "-n", "1", str(path)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        try:
            seqs = [orjson.loads(process.stdout.readline())["seq"]]
            for _ in range(3):
                write(log, CALL, CALL)
                now[0] += 60
                keep(keeper)
                while seqs[-1] != log.seq:
                    seqs.append(orjson.loads(process.stdout.readline())["seq"])
        finally:
            process.terminate()
    assert seqs == list(range(5, log.seq + 1))
    log.close()


def test_counts_are_of_what_was_chosen(path: Path) -> None:
    told = orjson.loads(run("stats", path, "--format", "json").stdout)
    assert told["records"] == 21
    assert told["decisions"] == {"allow": 10, "deny": 2}
    assert told["calls"] == {"exec": {"deny": 2}, "read_file": {"allow": 10}}
    assert told["rules"] == {"no-shell": 2}
    assert told["principals"] == {"local:default": 12}
    text = run("stats", path).stdout
    assert text.startswith("21 records of 1 session\nfrom 2026-09-21T14:13:20Z to ")
    assert "         10  read_file\n" in text
    assert "          2  exec                                      2 deny\n" in text
    assert run("stats", path, "--session", "x").stdout == "no record of that kind\n"


def test_a_call_that_waited_is_counted_once_and_its_wait_apart(tmp_path: Path) -> None:
    path = tmp_path / "held.jsonl"
    call = {**CALL, "direction": "host>server", "method": "tools/call", "target": "pay"}
    rule = {"stage": "gateway", "rule": "gateway.approval", "reason": "waiting"}
    held: JsonObject = {**call, **rule, "decision": "hold"}
    log, keeper = kept(path)
    write(log, held, call, held)
    log.close(keeper.last)
    told = orjson.loads(run("stats", path, "--format", "json").stdout)
    assert (told["calls"], told["decisions"]) == ({"pay": {"allow": 1}}, {"allow": 1})
    assert (told["held"], told["rules"]) == ({"pay": 2}, {})
    assert "waited for a person\n          2  pay\n" in run("stats", path).stdout
    lines = run("show", path, "--tool", "pay", "--format", "jsonl").stdout.splitlines()
    assert [orjson.loads(each)["decision"] for each in lines] == ["hold", "allow", "hold"]


def test_what_is_no_log_is_an_error(tmp_path: Path) -> None:
    for command in ("show", "tail", "stats"):
        result = run(command, tmp_path / "none")
        assert isinstance(result.exception, AuditError)
        assert result.exception.hint


POLICY = """
name: new
rules:
  - {name: no-reading, tools: ["read_*"], action: deny, message: nothing is read}
  - {name: no-shell, tools: [exec], action: deny}
"""


def test_replay_names_what_would_change_and_by_which_rule(path: Path, tmp_path: Path) -> None:
    rules = tmp_path / "new.yaml"
    rules.write_text(POLICY)
    result = run("replay", path, "--policy", rules)
    assert result.exit_code == 1
    assert result.stdout.count("allow -> deny  no-reading\n         nothing is read\n") == 10
    assert result.stdout.endswith("10 of 12 compared would change\n")
    rules.write_text(POLICY.replace("read_*", "write_*"))
    assert run("replay", path, "--policy", rules).exit_code == 0
    assert run("replay", path, "--policy", tmp_path / "none").exit_code == 1
    told = orjson.loads(run("replay", path, "--policy", rules, "--format", "json").stdout)
    assert (told["summary"]["compared"], len(told["calls"])) == (12, 12)


def test_a_proof_is_written_and_checked_without_the_log(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    result = run("prove", path, 12)
    assert result.exit_code == 0
    file.write_text(result.stdout)
    key = tmp_path / "key.pub"
    key.write_bytes(public(path).read_bytes())
    for part in (*path.parent.glob("audit~*"), path):
        part.unlink()
    told = run("verify", "--proof", file, "--key", key)
    assert told.exit_code == 0
    assert "proved: record 12 is one of the first" in told.stdout
    assert "signature was not checked" in run("verify", "--proof", file).stdout
    file.write_text(result.stdout.replace("read_file", "read_fire"))
    told = run("verify", "--proof", file, "--key", key)
    assert (told.exit_code, "NOT PROVED: the record is not" in told.stdout) == (1, True)
    answer = orjson.loads(run("verify", "--proof", file, "--format", "json").stdout)
    assert (answer["result"], answer["signature"]) == ("refuted", "unchecked")
    file.write_text("[]")
    assert isinstance(run("verify", "--proof", file).exception, AuditError)


def test_a_proof_is_of_a_record_or_of_two_checkpoints(path: Path) -> None:
    sizes = [record["size"] for record in shown(path) if "root" in record]
    proof = orjson.loads(run("prove", path, "--since", sizes[0]).stdout)
    assert (proof["old"]["size"], proof["new"]["size"]) == (sizes[0], sizes[-1])
    assert isinstance(run("prove", path).exception, UsageError)
    assert isinstance(run("prove", path, 3, "--since", 3).exception, UsageError)


@pytest.mark.guarantee("audit:verify-exit-codes", "audit:signed-checkpoints")
def test_verify_takes_all_parts_and_says_up_to_where_they_are_signed(path: Path) -> None:
    result = run("verify", path, "--key", public(path))
    assert result.exit_code == 0
    assert (
        "  files     3, the oldest is audit~000000000009.jsonl\n  records   21\n" in result.stdout
    )
    assert result.stdout.startswith(f"{path}: intact, signed with that key up to record 20\n")
    assert "  signed    up to record 20 of 21 by ed25519:" in result.stdout
    assert "  uncovered the last record: chained, and in no checkpoint that" in result.stdout
    part = path.parent / "audit~000000000009.jsonl"
    data = part.read_bytes()
    part.write_bytes(data.replace(b"exec", b"look"))
    result = run("verify", path)
    assert result.exit_code == 1
    assert "  audit~000000000009.jsonl: line 7: changed: its text does not give" in result.stdout
    assert run("verify", path, "--alone").exit_code == 0
    part.unlink()
    result = run("verify", path, "--key", public(path))
    assert result.exit_code == 0
    assert "  earlier: records 1 to 9 are in no file here; their checkpoint is\n" in result.stdout
    from_ten = f"{path}: intact from record 10 on, "
    lost = "; records 1 to 9 are in no file here\n"
    assert result.stdout.startswith(f"{from_ten}signed with that key up to record 20{lost}")
    bare = run("verify", path).stdout
    assert bare.startswith(f"{from_ten}every record there is as it was written{lost}")
    with path.open("ab") as file:
        file.write(b'{"v":1')
    assert "behind it; records 1 to 9 are in no file here\n" in run("verify", path).stdout


@pytest.mark.guarantee("audit:verify-exit-codes", "audit:signed-checkpoints")
def test_a_log_that_another_key_signed_proves_nothing_for_this_one(
    path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "audit.jsonl"
    signed(other)
    public(other).rename(tmp_path / "same.pub")
    result = run("verify", path, "--key", tmp_path / "same.pub")
    assert result.exit_code == 0  # both logs have the same signer in these tests
    text = (tmp_path / "same.pub").read_text().splitlines()
    text[1] = text[1][:-4] + "AAA="
    (tmp_path / "wrong.pub").write_text("\n".join(text))
    result = run("verify", path, "--key", tmp_path / "wrong.pub")
    assert result.exit_code == 2
    assert "NOT SIGNED with that key" in result.stdout
    assert "  signed    nothing\n" in result.stdout
    for harm in ("", "text", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"):
        (tmp_path / "wrong.pub").write_text(harm)
        result = run("verify", path, "--key", tmp_path / "wrong.pub")
        assert isinstance(result.exception, AuditError)
    assert isinstance(run("verify", path, "--key", tmp_path / "none").exception, AuditError)


@pytest.mark.parametrize("forged", [0, 1, 3])
@pytest.mark.guarantee("audit:inherited-signature-covers-nothing")
def test_a_signature_that_a_file_brings_from_the_one_before_says_nothing_of_its_own_records(
    path: Path, tmp_path: Path, forged: int
) -> None:
    """`forged`: records that anybody could have written behind the first."""
    first = path.read_bytes().splitlines(keepends=True)[0]
    seq = orjson.loads(first)["seq"]
    lines, digest = [first], bytes.fromhex(orjson.loads(first)["hash"])
    for number in range(seq + 1, seq + 1 + forged):
        made = orjson.dumps({**orjson.loads(first), "seq": number, "event": "call"})
        body = made[: made.rindex(b',"hash"')]
        digest = link(digest, body)
        lines.append(seal(body, digest))
    path.write_bytes(b"".join(lines))
    result = run("verify", path, "--alone", "--key", public(path))
    assert result.exit_code == 2
    assert result.stdout.startswith(f"{path}: NOT SIGNED with that key")
    assert "  uncovered all of them: " in result.stdout
    assert run("verify", path, "--alone").exit_code == 0
    result = run("verify", path, "--key", public(path), "--format", "json")
    told = orjson.loads(result.stdout)
    assert (result.exit_code, told["signed"], told["uncovered"]) == (0, seq - 1, forged + 1)
    signed(tmp_path / "other.jsonl")
    many = run("verify", tmp_path, "--key", public(path)).stdout
    assert f"signed up to {seq - 1}, {forged + 1} behind it not\n" in many


@pytest.mark.guarantee("audit:tail-cut-shows")
def test_a_log_that_was_cut_shows_against_a_line_that_was_kept(path: Path, tmp_path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    anchor = tmp_path / "anchor"
    anchor.write_bytes(lines[-1])
    assert run("verify", path, "--key", public(path), "--anchor", anchor).exit_code == 0
    path.write_bytes(lines[0])
    assert run("verify", path, "--key", public(path)).exit_code == 0
    result = run("verify", path, "--key", public(path), "--anchor", anchor)
    assert result.exit_code == 1
    assert "truncated: records 20 to 20 were cut off" in result.stdout
    anchor.write_bytes(lines[0])
    anchor.write_bytes(b'{"size":1}')
    assert isinstance(run("verify", path, "--anchor", anchor).exception, AuditError)
    anchor.write_bytes(b"[")
    assert isinstance(run("verify", path, "--anchor", anchor).exception, AuditError)
    signed(tmp_path / "other.jsonl")
    assert isinstance(run("verify", tmp_path, "--anchor", anchor).exception, UsageError)


@pytest.mark.guarantee("audit:verify-exit-codes")
def test_several_logs_or_a_folder_get_a_line_each_and_the_worst_counts(
    path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.jsonl"
    signed(other)
    for given in ([path, other], [path, path, other], [tmp_path]):
        result = run("verify", *given)
        assert result.exit_code == 0
        assert result.stdout == (
            f"{path}: intact, 21 records in 3 files, signed up to 20\n"
            f"{other}: intact, 10 records, signed up to 9\n"
            "2 logs: 2 intact\n"
        )
    told = orjson.loads(run("verify", tmp_path, "--format", "json").stdout)
    assert [(log["file"], log["result"]) for log in told["logs"]] == [
        (str(path), "intact"), (str(other), "intact"),
    ]  # fmt: skip
    other.write_bytes(b"")
    assert run("verify", path, other).exit_code == 2
    path.write_bytes(path.read_bytes()[5:])
    assert run("verify", path, other).exit_code == 1


@pytest.mark.guarantee("audit:verify-exit-codes")
def test_a_log_that_cannot_be_read_does_not_hide_that_another_is_tampered(
    path: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.jsonl").write_text("shopping\n")
    result = run("verify", tmp_path)
    assert result.exit_code == 2
    assert f"{tmp_path / 'notes.jsonl'}: NOT READ: " in result.stdout
    assert result.stdout.endswith("\n2 logs: 1 intact, 1 unreadable\n")
    path.write_bytes(path.read_bytes().replace(b"files", b"filed", 1))
    result = run("verify", tmp_path)
    assert result.exit_code == 1
    assert ": TAMPERED, this is not what was written\n" in result.stdout
    told = orjson.loads(run("verify", tmp_path, "--format", "json").stdout)["logs"]
    assert [log["result"] for log in told] == ["tampered", "unreadable"]
    assert told[1]["message"]


def test_a_folder_stands_for_its_logs_in_every_command_that_reads_them(
    path: Path, tmp_path: Path
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    assert isinstance(run("show", inside).exception, AuditError)
    signed(inside / "other.jsonl")
    path.rename(inside / path.name)
    for part in tmp_path.glob("audit~*"):
        part.rename(inside / part.name)
    assert len(shown(inside)) == 31
    assert "31 records" in run("stats", inside).stdout
    assert len(run("export", inside, "--format", "json").stdout.splitlines()) == 31
    assert len(run("tail", inside, "-n", "40").stdout.splitlines()) == 31


@pytest.mark.guarantee("audit:one-chain-across-files")
def test_a_part_that_is_missing_shows_wherever_it_was(path: Path, tmp_path: Path) -> None:
    first, second, _ = files = [*sorted(tmp_path.glob("audit~*")), path]
    kept = {each: each.read_bytes() for each in files}
    for gone, code, said in (
        (first, 0, "earlier: records 1 to 9 are in no file here"),
        (second, 1, "removed"),
        (
            path,
            1,
            "truncated: it says that the log goes on, and there is nothing of it in audit.jsonl",
        ),
    ):
        gone.unlink()
        for given in ([path], [tmp_path]):
            result = run("verify", *given, "--key", public(path))
            assert (result.exit_code, said in result.stdout) == (code, True), result.stdout
        gone.write_bytes(kept[gone])
    path.rename(path.with_name(".audit.jsonl.next"))  # whoever exchanged them died
    assert run("verify", path).exit_code == 0


ADDED: dict[str, tuple[str, bytes]] = {
    "zeros behind a part": ("audit~000000000018.jsonl", bytes(64)),
    "the beginning of a record behind a part": ("audit~000000000018.jsonl", b'{"v":1,"seq":'),
    "a part without a record": ("audit~000000000001.jsonl", b""),
}


@pytest.mark.guarantee("audit:one-chain-across-files")
@pytest.mark.parametrize("what", ADDED)
def test_what_is_added_to_earlier_parts_shows(path: Path, tmp_path: Path, what: str) -> None:
    name, data = ADDED[what]
    with (tmp_path / name).open("ab") as file:
        file.write(data)
    for given in ([path], [tmp_path]):
        result = run("verify", *given, "--key", public(path))
        assert (result.exit_code, f"{name}: line" in result.stdout) == (1, True), result.stdout
    if data:
        assert run("verify", tmp_path / name, "--alone").exit_code == 1


@pytest.mark.guarantee("audit:one-chain-across-files")
@pytest.mark.parametrize("planted", ["audit.jsonl", ".audit.jsonl.next"])
def test_an_empty_file_in_the_place_of_the_newest_does_not_hide_that_it_is_gone(
    path: Path, tmp_path: Path, planted: str
) -> None:
    path.unlink()
    (tmp_path / planted).touch()
    for given in ([path], [tmp_path]):
        result = run("verify", *given, "--key", public(path))
        assert (result.exit_code, "truncated" in result.stdout) == (1, True), result.stdout


@pytest.mark.guarantee("audit:open-session-named")
def test_of_several_logs_each_says_what_it_says_alone(path: Path, tmp_path: Path) -> None:
    log = AuditLog.open(
        tmp_path / "b.jsonl", key=bytes(32), session="still-open", server="s", principal="p",
        clock=lambda: 1.79e9, durability="none",
    )  # fmt: skip
    min(tmp_path.glob("audit~*")).unlink()
    result = run("verify", path, log.path)
    log.close()
    assert f"{path}: intact from record 10 on, 12 records in 2 files, " in result.stdout
    assert "  earlier: records 1 to 9 are in no file here" in result.stdout
    assert "  open: session still-open has no closing record" in result.stdout
