"""`mcpguard config`: what it prints, and its exit codes."""

import re
from pathlib import Path

import orjson
import pytest

from mcpguard.cli import main
from mcpguard.config.files import places
from mcpguard.config.rows import ROWS
from tests.integration import readme
from tests.tools import ROOT

Capture = pytest.CaptureFixture[str]
WRONG = "trust:\n  min_trsut: 5\nmode: loud\n"


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's file, which is not there yet."""
    monkeypatch.setenv("MCPGUARD_CONFIG_DIR", str(tmp_path))
    return tmp_path / "mcpguard.yaml"


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    return path


def test_show_prints_the_settings_as_yaml(user: Path, capsys: Capture) -> None:
    written(user, "approvals: {hold: 9}\nservers: {files: {approvals: {hold: 7}}}")
    assert main(["config", "show", "--server", "files"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"# the preset baseline\n# {user}\npreset: baseline\n")
    assert "  hold: 7\n" in shown
    saved = written(user.with_name("saved.yaml"), shown)
    assert main(["config", "show", "--config", str(saved)]) == 0
    assert capsys.readouterr().out.replace(str(saved), str(user)) == shown


def test_show_says_who_said_what(user: Path, capsys: Capture) -> None:
    written(user, "preset: strict\nprofile: work")
    assert main(["config", "show", "--origin", "--policy", "permissive"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split("  # ")[-1] == "--policy permissive"
    assert lines[3].split("  # ")[-1] == f"{user}:2"
    assert lines[5].split("  # ")[-1] == "preset permissive"


def test_show_has_a_json_answer(user: Path, capsys: Capture) -> None:
    written(user, "gateway: {deny: [rm]}")
    assert main(["config", "show", "--format", "json"]) == 0
    told = orjson.loads(capsys.readouterr().out)
    assert told["files"] == [str(user)]
    assert told["settings"]["gateway"]["deny"] == ["rm"]
    assert told["origins"]["gateway.deny[0]"] == f"{user}:1"
    assert (told["origins"]["profile"], told["system"]) == ("preset baseline", {})


@pytest.mark.parametrize(
    ("tag", "flags"),
    [("yaml team mcpguard.yaml", []), ("yaml /etc/mcpguard/mcpguard.yaml", ["--system"])],
)
def test_the_files_of_the_page_for_teams_have_nothing_wrong(
    tag: str, flags: list[str], user: Path, tmp_path: Path, capsys: Capture
) -> None:
    text = readme.block(tag)
    for each in ("/etc/ssl/certs/corp-ca.pem", "/etc/mcpguard/hec-token"):
        there = tmp_path / Path(each).name
        there.write_text("as the page says: put there beforehand")
        text = text.replace(each, str(there))
    file = written(user, text)
    assert main(["config", "validate", *flags, str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: nothing wrong\n"


def test_the_page_for_teams_names_all_that_the_systems_file_cannot_hold() -> None:
    page = (ROOT / "docs" / "team.md").read_text("utf-8")
    [said] = re.findall(r"^It cannot hold (.*?): they have no", page, re.MULTILINE | re.DOTALL)
    loose = {".".join(row.path) for row in ROWS if not row.tightens}
    named = set(re.findall(r"`([a-z_.]+)`", said.replace("`capabilities` of principals", "")))
    assert named | {"principals.*.capabilities"} == loose


def test_validate_names_everything_that_is_wrong(user: Path, capsys: Capture) -> None:
    written(user, WRONG)
    right = written(user.with_name("right.yaml"), "mode: enforce")
    for argv in ([], [str(user)]):
        assert main(["config", "validate", *argv]) == 1
        assert capsys.readouterr().out == (
            f"{user}:2:3: unknown key `min_trsut`\n"
            "  next: did you mean `min_trust`?\n"
            f"{user}:3:7: unknown word `loud`\n"
            "  next: known here: enforce, filter-only, audit-only\n"
        )
    assert main(["config", "validate", str(right)]) == 0
    assert capsys.readouterr().out == f"{right}: nothing wrong\n"


def test_validate_without_any_file_says_so(user: Path, capsys: Capture) -> None:
    assert main(["config", "validate"]) == 0
    assert "the preset baseline holds" in capsys.readouterr().out


def test_validate_has_a_json_answer(user: Path, capsys: Capture) -> None:
    written(user, WRONG)
    assert main(["config", "validate", str(user), "--format", "json"]) == 1
    (told,) = orjson.loads(capsys.readouterr().out)
    assert (told["file"], told["valid"], len(told["problems"])) == (str(user), False, 2)
    assert told["problems"][1] == {
        "line": 3,
        "column": 7,
        "message": "unknown word `loud`",
        "hint": "known here: enforce, filter-only, audit-only",
    }


def test_validate_reads_a_file_as_the_systems(user: Path, capsys: Capture) -> None:
    written(user, "profile: work")
    assert main(["config", "validate", str(user)]) == 0
    assert main(["config", "validate", "--system", str(user)]) == 1
    assert "`profile` cannot be tightened" in capsys.readouterr().out


def test_path_says_where_settings_are_read_from(user: Path, capsys: Capture) -> None:
    system = places().system
    assert main(["config", "path"]) == 0
    absent = capsys.readouterr().out.splitlines()
    assert absent[0].split() == ["user", "not", "there", str(user)]
    assert absent[1].split()[:: len(absent[1].split()) - 1] == ["system", str(system)]
    written(user, "mode: enforce")
    assert main(["config", "path", "--format", "json"]) == 0
    first, second = orjson.loads(capsys.readouterr().out)
    assert first == {"file": str(user), "of": "user", "exists": True}
    assert (second["file"], second["of"]) == (str(system), "system")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["show", "--config", "absent.yaml"], "absent.yaml: no such file"),
        (["show", "--policy", "strikt"], "neither a preset nor a file"),
        (["show", "--config", "."], ".: it is a directory"),
        (["show"], "mcpguard.yaml:2:3: unknown key"),
        (["validate", "absent.yaml"], "absent.yaml: no such file"),
        (["validate", "."], ".: it is a directory"),
        (["validate", "open.yaml"], "others than its owner can write it"),
        (["validate", "bytes.yaml"], "bytes.yaml: not UTF-8"),
        (["validate", "--system"], "--system says what FILE is"),
        ([], ""),
    ],
)
def test_what_cannot_be_read_exits_2(
    argv: list[str],
    message: str,
    user: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.chdir(user.parent)
    written(user, WRONG)
    written(user.with_name("open.yaml"), "mode: enforce").chmod(0o666)
    (user.parent / "bytes.yaml").write_bytes(b"\xff")
    assert main(["config", *argv]) == 2
    assert message in capsys.readouterr().err


def test_keys_lists_every_key_and_marks_those_of_a_server(capsys: Capture) -> None:
    assert main(["config", "keys"]) == 0
    lines = capsys.readouterr().out.splitlines()
    keys = [" ".join(line.split("  ")[line[:2] == "  "].split()) for line in lines]
    assert {"* tools.PATTERN.min_trust", "* gateway.detect.DETECTOR", "store.where"} <= {*keys}
    assert sum(bool(key) for key in keys) == len(ROWS)
    assert all(len(line) <= 100 for line in lines)
