import os
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from mcpguard.cli.audit import audit
from mcpguard.errors import AuditError
from tests.unit.audit.logs import opened, written


def run(*arguments: str) -> Result:
    return CliRunner().invoke(audit, ["verify", *arguments])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    written(path, 3, "one")
    written(path, 3, "two")
    return path


@pytest.mark.guarantee("audit:verify-exit-codes")
def test_an_intact_log_exits_0_and_says_what_it_holds(path: Path) -> None:
    result = run(str(path))
    head = orjson.loads(path.read_bytes().splitlines()[-1])["hash"]
    assert result.exit_code == 0
    assert result.stdout == (
        f"{path}: intact, every record is as it was written\n"
        "  records   10\n"
        "  sessions  2\n"
        "  from      2026-09-21T14:13:20.250000Z\n"
        "  to        2026-09-21T14:13:22.250000Z\n"
        f"  head      sha256:{head}\n"
    )


@pytest.mark.guarantee("audit:verify-exit-codes")
def test_a_tampered_log_exits_1_names_each_problem_and_says_what_next(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"allow", b"denys")
    path.write_bytes(b"".join(lines[:6] + lines[7:]))
    result = run(str(path))
    assert result.exit_code == 1
    assert result.stdout.startswith(
        f"{path}: TAMPERED, this is not what was written\n"
        "  line 2: changed: its text does not give the hash it carries\n"
        "  line 7: a record was removed before this line (seq 7 missing)\n"
    )
    assert "Lines before 2 are as written. Keep a copy" in result.stdout


def test_many_problems_are_counted_not_all_shown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x\n" * 30)
    result = run(str(path))
    assert "  and 10 more: --format json lists them\n" in result.stdout
    assert len(orjson.loads(run(str(path), "--format", "json").stdout)["problems"]) == 30


@pytest.mark.guarantee("audit:verify-exit-codes")
@pytest.mark.parametrize("data", [b"", b'{"v":1,"seq":1,"sess'])
def test_a_log_without_a_record_proves_nothing_and_exits_2(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    result = run(str(path))
    assert result.exit_code == 2
    assert result.stdout.startswith(f"{path}: no whole record in it, so it proves nothing\n")


@pytest.mark.guarantee("audit:verify-exit-codes")
def test_what_cannot_be_read_is_an_error_of_exit_code_2(tmp_path: Path) -> None:
    result = run(str(tmp_path / "none"))
    assert isinstance(result.exception, AuditError)
    assert result.exception.exit_code == 2
    assert run("x", "--format", "xml").exit_code == 2


@pytest.mark.guarantee("audit:open-session-named", "audit:torn-tail-marked")
@pytest.mark.parametrize("device", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "{pipe}"),
        ("verify", "--proof", "{pipe}"),
        ("verify", "{log}", "--anchor", "{pipe}"),
        ("verify", "{log}", "--key", "{pipe}"),
        ("evidence", "{log}", "--check", "{pipe}"),
        ("show", "{pipe}"),
        ("tail", "--follow", "{pipe}"),
    ],
)
@pytest.mark.guarantee("private:regular-only")
def test_what_never_begins_or_never_ends_is_refused_and_not_waited_for(
    path: Path, arguments: tuple[str, ...], device: bool
) -> None:
    written(path, 1)
    pipe = Path("/dev/zero") if device else path.with_name("pipe")
    if not device:
        os.mkfifo(pipe)
    told = [each.format(log=path, pipe=pipe) for each in arguments]
    result = CliRunner().invoke(audit, told)
    assert isinstance(result.exception, AuditError)
    assert f"{pipe}: " in str(result.exception)
    assert "not a regular file" in str(result.exception)


@pytest.mark.parametrize("command", ["verify", "show", "stats", "tail"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_in_a_log_is_obeyed_by_a_terminal(path: Path, command: str, form: str) -> None:
    evil = "\x1b]0;pwned\x07\x9b2J\u202e"
    seal = "0" * 64
    fields = ("ts", "seq", "session", "server", "event", "decision", "stage", "rule", "target")
    lines = [
        orjson.dumps(
            {"v": 1, "seq": 7, "session": "s", "ts": "t", "decision": "deny"} | {key: evil}
        )
        for key in fields
    ]
    path.write_bytes(b"".join(line[:-1] + f',"hash":"{seal}"}}\n'.encode() for line in lines))
    shown = CliRunner().invoke(audit, [command, str(path), "--format", form]).output
    assert shown
    assert [char for char in shown if char != "\n" and not char.isprintable()] == []


def test_an_open_session_and_a_torn_line_are_notes_of_an_intact_log(path: Path) -> None:
    log = opened(path, "live\x1b[2J")
    with path.open("ab") as file:
        file.write(b'{"v":1,"seq":12')
    result = run(str(path))
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{path}: intact up to line 11, and not whole behind it\n")
    assert (
        "  torn: line 12 is the beginning of a record: its write did not finish (a crash), the end"
        " of the log was cut off, or somebody wrote it; the file does not show which\n"
    ) in result.stdout
    assert "  open: session live<U+001B>[2J has no closing record: it still runs" in result.stdout
    path.write_bytes(path.read_bytes()[:-15])
    log.close()


@pytest.mark.guarantee("audit:torn-tail-marked", "audit:verify-exit-codes")
def test_a_whole_record_without_its_line_end_and_appended_zeros_are_named_as_such(
    path: Path,
) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes(50))
    result = run(str(path))
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{path}: intact up to line 9, and not whole behind it\n")
    assert "  torn: line 10 is a whole record without its line end: its write" in result.stdout
    assert "  zeros: the file ends with 50 zero bytes: a file system leaves" in result.stdout
    path.write_bytes(data + bytes(3))
    result = run(str(path))
    assert (result.exit_code, "torn:" in result.stdout) == (0, False)
    assert "ends with 3 zero bytes" in result.stdout


def test_without_a_subcommand_the_help_is_shown_and_nothing_is_found_out() -> None:
    result = CliRunner().invoke(audit, [])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: audit [OPTIONS] [COMMAND] [ARGS]...")
    assert "verify" in result.stderr


def test_json_holds_the_whole_report(path: Path) -> None:
    result = run(str(path), "--format", "json")
    told = orjson.loads(result.stdout)
    assert list(told) == [
        "file",
        "result",
        "records",
        "sessions",
        "first",
        "last",
        "head",
        "torn",
        "tail",
        "zeros",
        "proved",
        "loose",
        "unclosed",
        "complete",
        "start",
        "parts",
        "checkpoints",
        "signed",
        "signer",
        "uncovered",
        "signature",
        "problems",
    ]
    assert (told["result"], told["records"], told["problems"]) == ("intact", 10, [])
