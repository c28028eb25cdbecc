"""`mcpguard trust`: scores explained by their events, and computed again."""

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from mcpguard.audit.keeper import Rotation
from mcpguard.audit.logfile import earlier_parts
from mcpguard.cli import main
from mcpguard.cli.trust import trust
from mcpguard.errors import AuditError, TamperError
from mcpguard.hosts.declared import Server
from mcpguard.live import standings
from mcpguard.model import JsonObject
from mcpguard.store.sqlite import SqliteStore
from mcpguard.survey import history
from mcpguard.survey.subjects import Subject
from mcpguard.trust.account import Entry, Party
from tests.unit.audit.logs import keep, kept, opened, ticking, write

DOWN: JsonObject = {
    "direction": "server>host",
    "method": "tools/call",
    "target": "read_file",
    "decision": "allow",
}
DRIFT: JsonObject = {
    **DOWN,
    "method": "tools/list",
    "target": "rm\x1b[2J",
    "decision": "deny",
    "stage": "surface",
    "reason": "drifted",
}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(trust, arguments)


def log(path: Path, *records: JsonObject, session: str = "s1", step: float = 0.5) -> Path:
    audit = opened(path, session, ticking(step=step))
    for record in records:
        write(audit, record)
    audit.close()
    return path


def test_show_explains_a_score_by_its_events_newest_first(tmp_path: Path) -> None:
    path = log(tmp_path / "a.jsonl", DOWN, {**DOWN, "outcome": "error"}, DRIFT)
    result = run("show", str(path))
    assert result.exit_code == 0
    assert result.stdout == (
        "caller local:default: score 510 (standard), level 1\n"
        "  competence 510, integrity 500, availability 500, predictability 500, transparency 500\n"
        "  2026-09-21T14:13:20Z    +10  success  read_file\n"
        "server files: score 190 (untrusted), level 1\n"
        "  competence 510, integrity 480, availability 500, predictability 200, transparency 500\n"
        "  2026-09-21T14:13:21Z   -300  drift  rm<U+001B>[2J  an attack\n"
        "  2026-09-21T14:13:21Z    -20  failure  read_file\n"
        "  2026-09-21T14:13:20Z    +10  success  read_file\n"
    )


def test_show_bounds_its_text_and_gives_all_it_remembers_as_json(tmp_path: Path) -> None:
    failed = {**DOWN, "outcome": "error"}
    path = log(tmp_path / "a.jsonl", *[failed] * 20, step=20_000.0)
    text = run("show", str(path)).stdout
    assert "  nothing has moved it yet\n" in text
    assert "  and 10 before: --format json lists them\n" in text
    told = orjson.loads(run("show", str(path), "--format", "json").stdout)["parties"]
    assert list(told[1]) == [
        "role",
        "name",
        "level",
        "score",
        "standing",
        "dimensions",
        "events",
        "recent",
    ]
    assert (told[1]["role"], told[1]["events"], len(told[1]["recent"])) == ("server", 20, 20)
    newest, oldest = told[1]["recent"][0], told[1]["recent"][-1]
    assert newest["at"] > oldest["at"]
    assert (newest["event"], newest["delta"], newest["about"]) == ("failure", -20, "read_file")


def test_show_counts_all_logs_of_the_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(tmp_path))
    (tmp_path / "audit").mkdir()
    for name in ("one", "two"):
        log(tmp_path / "audit" / f"{name}.jsonl", DOWN, session=name)
    assert "caller local:default: score 520 " in run("show").stdout
    assert (
        "caller local:default: score 510 "
        in run("show", str(tmp_path / "audit" / "one.jsonl")).stdout
    )


def test_what_scans_found_is_about_nobodys_standing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(tmp_path))
    found = Subject(name="s", server=Server(words=("/bin/s",)), place=None)
    assert history.record(tmp_path, "scan", [found], "clean") == ""
    assert run("show").stdout == "no record says anything of anybody yet\n"


@pytest.mark.guarantee("control:scores-are-the-fold")
def test_show_prefers_what_the_proxies_share_and_says_where_the_logs_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(tmp_path))
    (tmp_path / "audit").mkdir()
    log(tmp_path / "audit" / "one.jsonl", DOWN)
    alone = run("show")
    store = SqliteStore(tmp_path / "state.db")
    standings.load(store, [Party("server", "files")], tmp_path / "audit")
    same = run("show")
    assert (same.stdout, same.stderr) == (alone.stdout, "")
    elsewhere = Entry(Party("server", "files"), 1_790_000_001_000_000, "s2", 9, "forgery")
    standings.publish(store, [elsewhere], tmp_path / "audit")
    store.close()
    shown = run("show")
    assert "caller local:default: score 510 " in shown.stdout
    assert "server files: score 210 (untrusted)" in shown.stdout
    assert "-300  forgery" in shown.stdout
    assert "server files: the logs of this data directory alone give 510" in shown.stderr


def test_show_counts_the_events_that_moved_nothing(tmp_path: Path) -> None:
    shown = run("show", str(log(tmp_path / "a.jsonl", *[DOWN] * 8))).stdout
    assert "caller local:default: score 550 " in shown
    assert "  and 3 that moved nothing, of 8 in all\n" in shown


@pytest.mark.parametrize(
    ("store", "what"),
    [
        ("{backend: redis, where: 'redis://127.0.0.1:1'}", "Redis"),
        ("{backend: sqlite, where: %s/none/state.db}", ""),
        ("{backend: sqlite, where: %s}", "store"),
        ("{backend: memory}", ""),
    ],
    ids=["away", "not there yet", "no file", "nobody's"],
)
def test_a_store_that_cannot_be_reached_is_no_store_of_nobody(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    store: str,
    what: str,
) -> None:
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MCPGUARD_CONFIG_DIR", str(tmp_path))
    settings = tmp_path / "mcpguard.yaml"
    settings.write_text("store: " + store.replace("%s", str(tmp_path)))
    settings.chmod(0o600)
    (tmp_path / "audit").mkdir()
    log(tmp_path / "audit" / "one.jsonl", DOWN)
    assert main(["trust", "show"]) == (2 if what else 0)
    captured = capsys.readouterr()
    assert bool(captured.out) is not bool(what)
    assert what in captured.err


def test_without_any_log_nothing_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(tmp_path))
    assert main(["trust", "show"]) == 2
    assert "there is no audit log" in capsys.readouterr().err
    assert isinstance(run("show", str(tmp_path / "none.jsonl")).exception, AuditError)


def test_without_a_subcommand_the_help_is_shown_and_nothing_is_found_out() -> None:
    result = run()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "verify" in result.stderr


@pytest.mark.guarantee("trust:verify-recomputes")
def test_verify_finds_scores_that_are_what_the_log_gives(tmp_path: Path) -> None:
    path = log(tmp_path / "a.jsonl", DOWN, {**DOWN, "score": 510}, {**DOWN, "score": 520})
    result = run("verify", str(path))
    assert (result.exit_code, result.stdout) == (
        0,
        "the same: 3 records state the score that the log gives\n",
    )


def test_verify_says_so_in_json_and_show_says_when_there_is_nothing(tmp_path: Path) -> None:
    path = log(tmp_path / "a.jsonl", DOWN)
    told = orjson.loads(run("verify", str(path), "--format", "json").stdout)
    assert told == {"result": "same", "compared": 1, "difference": None}
    path.write_bytes(b"")
    assert run("show", str(path)).stdout == "no record says anything of anybody yet\n"


def rotated(path: Path) -> list[Path]:
    """A log in three parts, each of whose scores is what the parts before it give."""
    audit, keeper = kept(path, "s1", ticking(), Rotation(size=1))
    for score in (500, 510, 520):
        write(audit, {**DOWN, "score": score})
        keep(keeper)
    audit.close(keeper.last)
    return [*earlier_parts(path), path]


@pytest.mark.guarantee("trust:verify-recomputes")
@pytest.mark.parametrize(
    "named", [["a.jsonl"], ["."], [".", "a.jsonl"], ["a.jsonl", "parts"], ["oldest"]]
)
def test_verify_takes_the_earlier_parts_along(tmp_path: Path, named: list[str]) -> None:
    *earlier, log_file = rotated(tmp_path / "a.jsonl")
    places = {"parts": earlier, "oldest": earlier[:1], ".": [tmp_path], "a.jsonl": [log_file]}
    files = [str(file) for name in named for file in places[name]]
    result = run("verify", *files)
    assert (result.exit_code, result.stdout) == (
        0,
        "the same: 3 records state the score that the log gives\n",
    )
    assert "server files: score 530 " in run("show", *files).stdout


@pytest.mark.guarantee("trust:verify-recomputes")
def test_without_the_earliest_parts_no_score_is_wrong_and_none_is_right(tmp_path: Path) -> None:
    oldest, *_, log_file = rotated(tmp_path / "a.jsonl")
    oldest.unlink()
    result = run("verify", str(tmp_path))
    assert isinstance(result.exception, AuditError)
    lost = f"{log_file}: records 1 to {int(oldest.stem[-12:])} are in no file here"
    assert str(result.exception) == f"{lost}, so no score can be computed again"
    assert result.exception.exit_code == 2
    shown = run("show", str(log_file))
    assert "score 510 " in shown.stdout
    assert f"{lost}; what they moved is not counted" in shown.stderr


@pytest.mark.guarantee("trust:verify-recomputes")
@pytest.mark.parametrize("gone", [1, -1])
def test_a_part_that_is_missing_behind_another_is_tampering(tmp_path: Path, gone: int) -> None:
    rotated(tmp_path / "a.jsonl")[gone].unlink()
    assert isinstance(run("verify", str(tmp_path)).exception, TamperError)


@pytest.mark.guarantee("trust:verify-recomputes")
def test_verify_names_the_first_score_that_is_not(tmp_path: Path) -> None:
    path = log(tmp_path / "a.jsonl", DOWN, DRIFT, {**DOWN, "score": 799})
    result = run("verify", str(path))
    assert result.exit_code == 1
    assert result.stdout.startswith(
        "record 4 of session s1 states the score 799, the log gives 210\n"
    )
    told = orjson.loads(run("verify", str(path), "--format", "json").stdout)
    assert told == {
        "result": "differs",
        "compared": 3,
        "difference": {"session": "s1", "seq": 4, "stated": 799, "computed": 210},
    }


def test_verify_compares_nothing_where_nothing_is_stated(tmp_path: Path) -> None:
    path = log(tmp_path / "a.jsonl", {**DOWN, "level": 0, "score": 0})
    result = run("verify", str(path))
    assert (result.exit_code, result.stdout) == (
        2,
        "no record states a score, so there is nothing to compare\n",
    )


@pytest.mark.parametrize("command", ["verify", "show"])
def test_what_is_no_file_is_no_log(command: str) -> None:
    result = run(command, "/dev/zero")
    assert isinstance(result.exception, AuditError)
    assert (
        str(result.exception) == "/dev/zero: the audit log cannot be read: it is not a regular file"
    )


@pytest.mark.guarantee("trust:verify-recomputes")
def test_verify_refuses_a_log_that_is_not_what_was_written(tmp_path: Path) -> None:
    path = log(tmp_path / "a.jsonl", DRIFT, DOWN)
    path.write_bytes(path.read_bytes().replace(b'"reason":"drifted"', b'"reason":"no_lock"'))
    result = run("verify", str(path))
    assert isinstance(result.exception, TamperError)
    assert str(result.exception).startswith(f"{path}: line 2: changed: its text does not give")
