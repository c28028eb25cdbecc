"""`mcpguard quarantine` and `mcpguard canary`: what they show, write and refuse."""

import os
import re
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from mcpguard.audit.verify import verify
from mcpguard.cli import main, mcpguard_group
from mcpguard.config.flags import DATA_DIR_VARIABLE
from mcpguard.identity.keys import create
from mcpguard.model import Json, JsonObject
from mcpguard.vault.canaries import planted
from mcpguard.vault.quarantine import Entry, Quarantine

PHRASE = "correct horse battery"
LATER = 2**40
TEXT = "OBEY \x1b[31mred\u202e"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory that is new."""
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def kept(home: Path, **more: Json) -> str:
    body: JsonObject = {"content": [{"type": "text", "text": TEXT}], **more}
    rules = ("scan.override",)
    error = "code" in more
    return Quarantine(home).put(
        Entry(
            "", "files", "local:me", "s1", "tools/call", "read", 5, LATER, "why", rules, error, body
        )
    )


def run(*args: str, given: str = "y\n") -> Result:
    return CliRunner().invoke(mcpguard_group, args, input=given)


def piped(phrase: str) -> str:
    reading, writing = os.pipe()
    os.write(writing, f"{phrase}\n".encode())
    os.close(writing)
    return str(reading)


def acts(home: Path) -> list[JsonObject]:
    log = home / "audit" / "operator" / "acts.jsonl"
    assert verify(log).problems == ()
    records = [orjson.loads(line) for line in log.read_bytes().splitlines()]
    return [each for each in records if "." in each["event"] and each["event"][:7] != "session"]


def listed(name: str) -> tuple[str, list[str]]:
    """What the list says was released of that entry: as text, and as JSON."""
    heads, *rows = run("quarantine", "list").stdout.splitlines()
    (text,) = (row[heads.index("RELEASED") :] for row in rows if row.startswith(name))
    every = orjson.loads(run("quarantine", "list", "--format", "json").stdout)["quarantined"]
    (told,) = (each["released"] for each in every if each["id"] == name)
    assert all(re.fullmatch(r"2.{9}T.{8}Z", each["at"]) for each in told)
    return text, [each["admits"] for each in told]


def test_what_is_quarantined_is_listed_and_shown_with_nothing_a_terminal_obeys(home: Path) -> None:
    assert run("quarantine", "list").stdout == "Nothing is quarantined.\n"
    name = kept(home)
    listed = run("quarantine", "list").stdout
    assert (name in listed, "tools/call read" in listed, "OBEY" in listed) == (True, True, False)
    shown = run("quarantine", "show", name.upper()).stdout
    assert "OBEY" in shown
    assert "scan.override" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    told = orjson.loads(run("quarantine", "show", name, "--format", "json").stdout)
    assert told["body"]["content"][0]["text"] == TEXT
    (row,) = orjson.loads(run("quarantine", "list", "--format", "json").stdout)["quarantined"]
    assert (row["id"], row["digest"]) == (name, told["digest"])
    assert main(["quarantine", "show", "zzzzzzzz"]) == 1


@pytest.mark.guarantee("scan:release-admits-one")
def test_a_release_takes_a_key_and_a_yes_and_is_recorded(home: Path, tmp_path: Path) -> None:
    name, into = kept(home), tmp_path / "out.txt"
    assert run("quarantine", "release", name, given="n\n").exit_code != 0
    assert run("quarantine", "release", name, "--into", str(into)).exit_code != 0
    create(home / "approvers", "ana", PHRASE, work=10)
    release = ("quarantine", "release", name, "--into", str(into), "--passphrase-fd")
    assert run(*release, piped("a wrong passphrase")).exit_code != 0
    assert run(*release, piped(PHRASE), given="n\n").exit_code != 0
    assert not into.exists()
    assert listed(name) == ("-", [])
    assert not (home / "audit").exists()
    assert run(*release, piped(PHRASE)).exit_code == 0
    assert into.read_bytes() == f"{TEXT}\n".encode()
    assert into.stat().st_mode & 0o777 == 0o600
    assert run(*release, piped(PHRASE)).exit_code != 0  # the file is there
    assert listed(name) == ("text", ["text"])
    (act,) = acts(home)
    assert (act["event"], act["by"], act["name"], act["admits"]) == (
        "quarantine.release",
        "ana",
        name,
        "text",
    )
    assert str(act["key"]).startswith("ed25519:")
    done = run("quarantine", "release", name, "--passphrase-fd", piped(PHRASE))
    assert done.stdout.encode() == f"{TEXT}\n".encode()
    assert listed(name) == ("text", ["text"])
    assert "released    text (2" in run("quarantine", "show", name).stdout
    retry = run("quarantine", "release", name, "--retry", "--passphrase-fd", piped(PHRASE))
    assert retry.exit_code != 0  # no session runs


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, f"{TEXT}\n"),
        ({"contents": [{"uri": "a:b", "text": "more"}]}, f"{TEXT}\nmore\n"),
        ({"structuredContent": {"n": 1}}, None),
        ({"code": 5, "message": "no"}, None),
        ({"contents": [{"uri": "a:b", "blob": "AA=="}]}, None),
    ],
)
def test_what_is_handed_over_is_the_text_or_all_of_it(
    home: Path, more: JsonObject, text: str | None
) -> None:
    name = kept(home, **more)
    create(home / "approvers", "ana", PHRASE, work=10)
    done = run("quarantine", "release", name, "--passphrase-fd", piped(PHRASE))
    if text is not None:
        assert done.stdout == text
    else:
        assert orjson.loads(done.stdout)["content"][0]["text"] == TEXT


def test_a_release_that_cannot_be_marked_holds_and_says_so(home: Path) -> None:
    name = kept(home)
    (home / "quarantine" / f".{name}").mkdir()
    create(home / "approvers", "ana", PHRASE, work=10)
    done = run("quarantine", "release", name, "--passphrase-fd", piped(PHRASE))
    assert (done.exit_code, done.stdout) == (0, f"{TEXT}\n")
    assert "warning: released, but `mcpguard quarantine list` will not show it" in done.stderr
    assert listed(name) == ("-", [])


def test_dropping_needs_no_key_and_is_recorded(home: Path) -> None:
    name = kept(home)
    assert run("quarantine", "drop", name).stdout == f"dropped: {name}\n"
    assert Quarantine(home).every(10) == []
    assert main(["quarantine", "drop", name]) == 1
    assert [each["event"] for each in acts(home)] == ["quarantine.drop"]


@pytest.mark.parametrize("before", [None, "A=1", "A=1\n", ""])
def test_a_credential_is_planted_at_the_end_of_a_file(
    home: Path, tmp_path: Path, before: str | None
) -> None:
    path = tmp_path / ".env"
    if before is not None:
        path.write_text(before)
    done = run("canary", "new", "--type", "stripe", "--into", str(path), "--note", "bait")
    assert (done.exit_code, done.stdout) == (0, "")
    *first, line = path.read_text().splitlines()
    assert first == (["A=1"] if before else [])
    assert line.startswith("STRIPE_SECRET_KEY=sk_live_")
    assert path.read_text().endswith("\n")
    (canary,) = planted(home)
    assert (canary.kind, canary.note, canary.into) == ("stripe", "bait", str(path))
    listed = run("canary", "list").stdout
    assert canary.id in listed
    assert line.partition("=")[2] not in listed + (home / "canaries.json").read_text()
    assert orjson.loads(run("canary", "list", "--format", "json").stdout)["planted"][0]["into"]
    assert "It still stands in" in run("canary", "drop", canary.id).stdout
    assert planted(home) == ()
    assert [each["event"] for each in acts(home)] == ["canary.new", "canary.drop"]
    assert main(["canary", "drop", canary.id]) == 1


def test_a_credential_can_be_printed_instead(home: Path) -> None:
    told = orjson.loads(run("canary", "new", "--type", "github", "--format", "json").stdout)
    assert told["lines"].startswith("GITHUB_TOKEN=ghp_")
    assert "AKIA" in run("canary", "new", "--type", "aws").stdout
    assert len(planted(home)) == 2


def test_what_cannot_be_planted_is_not_watched_for(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / "link", tmp_path / "no" / "folder", tmp_path):
        assert main(["canary", "new", "--type", "npm", "--into", str(path)]) == 2
    assert planted(home) == ()
    assert not (tmp_path / "elsewhere").exists()
    assert main(["canary", "new", "--type", "npm", "--note", "two\nlines"]) == 2


@pytest.mark.guarantee("audit:never-an-output")
def test_nothing_is_put_into_a_log(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = kept(home)
    run("canary", "new", "--type", "npm")
    log = home / "audit" / "operator" / "acts.jsonl"
    before = log.read_bytes()
    for command in (
        ("canary", "new", "--type", "npm", "--into", str(log)),
        ("quarantine", "release", name, "--into", str(home / "audit" / "new.jsonl")),
        ("scan", "--lock", "none.json", "-o", str(log)),
    ):
        assert main([*command]) == 2
        assert "nothing is written there" in capsys.readouterr().err
    assert (log.read_bytes(), [*(home / "audit").iterdir()]) == (before, [log.parent])


@pytest.mark.parametrize("group", ["quarantine", "canary"])
def test_without_a_subcommand_help_is_shown(home: Path, group: str) -> None:
    assert run(group).exit_code == 2
