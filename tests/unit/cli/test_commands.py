"""The command line itself: the table, help, and how every error ends."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

import mcpguard
from mcpguard.cli import COMMANDS, main, mcpguard_group
from mcpguard.cli.receipt import output
from mcpguard.config.flags import OPTIONS, parse_proxy

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, a home and a data directory beside it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(tmp_path / "data"))
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.mark.parametrize("name", COMMANDS)
def test_every_row_of_the_table_is_a_command(name: str) -> None:
    command = getattr(import_module(COMMANDS[name].module), name)
    assert isinstance(command, click.Command)
    assert command.name == name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: Capture) -> None:
    assert main([name, "--help"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"Usage: mcpguard {name}")
    assert captured.err == ""


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_help_names_every_command_in_its_group(argv: list[str], capsys: Capture) -> None:
    assert main(argv) == 0
    out = capsys.readouterr().out
    for name, row in COMMANDS.items():
        assert f"{row.section}:" in out
        assert f"  {name} " in out


def _below(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The words of every group, the outermost first."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        yield words
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _below(inner, (*words, name))


@pytest.mark.parametrize("words", [*_below(mcpguard_group, ())], ids=" ".join)
def test_no_line_of_a_groups_listing_is_cut(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*words, "--help"]) == 0
    usage, _, listing = capsys.readouterr().out.partition("\n")
    assert usage.startswith("Usage: ")
    assert [line for line in listing.splitlines() if line.endswith("...")] == []


@pytest.mark.parametrize(
    "words",
    [
        *("scan", "lock", "check", "proxy", "wrap"),
        *("audit show", "trust block", "canary new", "approve yes"),
    ],
)
def test_help_ends_with_examples_that_are_understood(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*words.split(), "--help"]) == 0
    shown = capsys.readouterr().out.partition("\n  Examples:\n")[2].splitlines()
    assert len(shown) == 2
    for line in shown:
        example = line.strip().partition(" > ")[0]
        assert example.startswith(f"mcpguard {words} ")
        given = shlex.split(example)[1 + len(words.split()) :]
        if words == "proxy":
            parse_proxy(given)
        else:
            _command(words.split()).make_context(words, given)


def _command(words: list[str]) -> click.Command:
    command: click.Command | None = mcpguard_group
    for word in words:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
    assert command is not None
    return command


def test_the_help_of_proxy_has_every_option_of_its_table(capsys: Capture) -> None:
    assert main(["proxy", "--help"]) == 0
    out = capsys.readouterr().out
    assert [option.flag for option in OPTIONS if f"  {option.flag}" not in out] == []


def test_version_is_the_packages(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"mcpguard, version {mcpguard.__version__}\n"


@pytest.mark.parametrize(
    ("argv", "message", "hint"),
    [
        (["nonsense"], "mcpguard: no such command 'nonsense'", "mcpguard --help"),
        (["chek"], "mcpguard: no such command 'chek'", "mcpguard check --help"),
        (["--nonsense"], "mcpguard: no such option", "mcpguard --help"),
        (["scan", "--nonsense"], "mcpguard scan: no such option", "mcpguard scan --help"),
        (["scan", "--list"], "mcpguard scan: --list shows what one command lists", "-- CMD ARGS"),
        (["scan", "--hosts", "--", "x"], "mcpguard scan: --hosts does not go", "one of the two"),
        (["scan", "--lock", "x", "--start"], "--lock does not go with --start", "one of the two"),
        (["scan", "--yes"], "mcpguard scan: --yes and --trust-project are", "add --start"),
        (["scan", "--env", "A"], "mcpguard scan: --env is about the server", "put CMD after --"),
        (["scan", "--lock", "/nonexistent/x"], "mcpguard scan: /nonexistent/x: ", "mcpguard lock"),
        (["scan", "--config", "x.txt"], "x.txt: whose file is this", "add --host"),
        (["scan", "--timeout", "-1", "--", "x"], "mcpguard scan: invalid value", "scan --help"),
        (["scan", "--format", "yaml", "--", "x"], "mcpguard scan: invalid value", "scan --help"),
        (["scan", "--", "'unclosed quote"], "mcpguard scan: the command", "close the quotes"),
        (["scan", "--", "/nonexistent/x"], "mcpguard scan: /nonexistent/x", "check the command"),
        (["scan", "--env", "UNSET_HERE", "--", "true"], "UNSET_HERE", "set UNSET_HERE"),
        (["scan", "--env", "LD_PRELOAD", "--", "true"], "LD_PRELOAD is never passed", "script"),
        (
            ["check", "--lock", "missing.json"],
            "missing.json: there is no such file",
            "mcpguard lock",
        ),
        (["check", "--lock", "."], ".: the lockfile cannot be read", "that you may read"),
        (["trust", "policy"], "mcpguard trust: missing argument", "trust policy --help"),
        (["audit", "prove"], "mcpguard audit: missing argument", "audit prove --help"),
        (["trust", "nonsense"], "mcpguard trust: no such command", "mcpguard trust --help"),
        (["check", "--fail-on", "warning"], "mcpguard check: invalid value", "check --help"),
        (
            ["diff", "--lock", "missing.json"],
            "missing.json: there is no such file",
            "mcpguard lock",
        ),
        (["lock", "-o", "missing/x.json", "--", "true"], "directory missing does not", "make it"),
        (["lock", "-o", ".", "--", "true"], "directory", "--help"),
        (["lock", "--name", "a\nb", "--", "true"], "cannot be a server's name", "printable"),
        (["lock"], "there is no command to run", "put it after --"),
        (["lock", "--allow-request", "everything", "--", "true"], "invalid value", "lock --help"),
    ],
)
@pytest.mark.guarantee("cli:errors-say-what-next")
def test_a_wrong_command_line_is_exit_2_and_says_what_next(
    argv: list[str], message: str, hint: str, capsys: Capture, empty_place: Path
) -> None:
    assert main(argv) == 2
    captured = capsys.readouterr()
    said, _, following = captured.err.partition("\n  next: ")
    assert message in said
    assert hint in following
    assert "next: " not in following
    assert captured.out == ""
    assert list(empty_place.iterdir()) == []


NUL = ["check", "--lock", "a\0b"]
"""No shell can say this; pathlib answers with an error that nobody foresaw."""


@pytest.mark.guarantee("cli:option-once")
@pytest.mark.parametrize(
    "argv",
    [
        ["check", "--lock", "a.json", "--lock", "b.json"],
        ["check", "--lock=a.json", "--fail-on", "info", "--lock", "a.json", "--", "server"],
        ["diff", "--format", "json", "--format", "text"],
        ["lock", "-o", "a.json", "--output", "b.json", "--", "server"],
        ["scan", "--hosts", "--hosts"],
        ["trust", "block", "tool", "x", "--why", "a", "--why", "b"],
        ["audit", "show", "--since", "2h", "--since", "3h"],
        ["proxy", "--lock", "a.json", "--lock", "b.json"],
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("empty_place")
def test_an_option_of_one_value_is_not_given_twice(argv: list[str], capsys: Capture) -> None:
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert " is given twice" in captured.err
    assert (captured.out, captured.err.splitlines()[1:]) == ("", ["  next: give it once"])


@pytest.mark.usefixtures("empty_place")
def test_what_follows_the_dashes_and_what_is_repeatable_may_stand_twice(capsys: Capture) -> None:
    missing = ["--lock", "no.json", "--", "server", "--lock", "--lock"]
    assert main(["check", *missing]) == 2
    assert main(["audit", "show", "--tool", "a", "--tool", "b"]) == 2
    assert main(["check", "--help", "--help"]) == 0
    assert "given twice" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["wr"], ["wrap"]),
        (["wrap", "--host", ""], ["claude-code", "claude-desktop"]),
        (["check", "--format", "s"], ["sarif"]),
        (["check", "--format", "json", "--format", "s"], ["sarif"]),
        (["trust", "block", "t"], ["tool"]),
        (["proxy", "--deny"], ["--deny-style"]),
    ],
    ids=" ".join,
)
def test_a_shell_completes_words_and_values_of_options(
    words: list[str], offered: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("_MCPGUARD_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", shlex.join(["mcpguard", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    assert main([]) == 0
    captured = capsys.readouterr()
    assert sorted(line.partition(",")[2] for line in captured.out.splitlines()) == offered
    assert captured.err == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_completion_in_a_shell_is_printed(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("_MCPGUARD_COMPLETE", f"{shell}_source")
    assert main([]) == 0
    assert "_MCPGUARD_COMPLETE" in capsys.readouterr().out


def test_an_unexpected_error_is_one_line_and_exit_2(capsys: Capture) -> None:
    assert main(NUL) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("mcpguard check: unexpected ValueError: ")
    assert "MCPGUARD_DEBUG" in captured.err
    assert captured.out == ""


def test_an_unexpected_error_shows_its_traceback_when_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MCPGUARD_DEBUG", "1")
    with pytest.raises(ValueError, match="null"):
        main(NUL)


def test_a_lockfile_that_cannot_be_read_is_not_written_over(
    capsys: Capture, tmp_path: Path
) -> None:
    path = tmp_path / "mcp-lock.json"
    path.write_bytes(b'{"version": 1, "version": 1}')
    assert main(["lock", "-o", str(path), "--update", "--", "true"]) == 2
    assert "restore the reviewed file" in capsys.readouterr().err
    assert path.read_bytes() == b'{"version": 1, "version": 1}'


def test_a_symbolic_link_to_nowhere_is_not_written_over(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "mcp-lock.json"
    path.symlink_to(tmp_path / "elsewhere.json")
    assert main(["lock", "-o", str(path), "--", "true"]) == 2
    assert "there is no such file" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["mcp-lock.json"]


@pytest.mark.guarantee("lock:written-whole-or-not")
def test_a_file_is_replaced_whole_with_its_mode_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    with real.open("rb") as reader:
        output.replace(link, b"new")
        assert reader.read() == b"old"  # whoever has the old file open reads it whole
    assert (real.read_bytes(), real.stat().st_mode & 0o777, link.is_symlink()) == (
        b"new",
        0o640,
        True,
    )
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.json", "real.json"]


@pytest.mark.guarantee("lock:written-whole-or-not")
def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "busy"
    target.mkdir()
    (target / "inside").touch()
    with pytest.raises(mcpguard.errors.UsageError, match="cannot be written"):
        output.replace(target, b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["busy"]


def a_closed_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def a_full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def nothing_to_write_to() -> int:
    return os.open(os.devnull, os.O_RDONLY)


UNWRITTEN = b"the output cannot be written: "


@pytest.mark.parametrize(
    ("opened", "code", "told"),
    [
        (a_closed_pipe, 141, b""),
        (a_full_disk, 2, UNWRITTEN + b"No space left on device"),
        (nothing_to_write_to, 2, UNWRITTEN + b"Bad file descriptor"),
    ],
)
@pytest.mark.parametrize("argv", [["--help"], ["audit", "verify", "--help"], ["config", "show"]])
@pytest.mark.guarantee("cli:unread-is-no-answer")
def test_an_answer_that_nobody_gets_is_no_answer(
    empty_place: Path, opened: Callable[[], int], code: int, told: bytes, argv: list[str]
) -> None:
    stdout = opened()
    child = [sys.executable, "-m", "mcpguard", *argv]
    ended = subprocess.run(child, stdout=stdout, stderr=subprocess.PIPE, check=False)
    os.close(stdout)
    assert (ended.returncode, told in ended.stderr) == (code, True)
    assert (ended.stderr == b"") is (told == b"")
    assert b"defect" not in ended.stderr


def test_without_a_stdout_at_all_the_answer_cannot_be_written(empty_place: Path) -> None:
    program = (
        "import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    child = [sys.executable, "-c", program, "-m", "mcpguard", "config", "show"]
    ended = subprocess.run(child, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, UNWRITTEN in ended.stderr) == (2, True)


LONG = "a" * 300


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["audit", "verify", LONG], "File name too long"),
        (["audit", "show", LONG], "File name too long"),
        (["audit", "stats", LONG], "File name too long"),
        (["trust", "show", LONG], "File name too long"),
        (["metrics", LONG], "File name too long"),
        (["audit", "show", "--limit", "9" * 20, "x"], "is not in the range"),
        (["audit", "tail", "--limit", "9" * 20, "x"], "is not in the range"),
        (["check", "--timeout", "nan", "--", "x"], "nan is no number of seconds"),
        (["check", "--timeout", "inf", "--", "x"], "is not in the range"),
    ],
)
def test_what_cannot_be_meant_is_an_error_of_who_asked(
    empty_place: Path, argv: list[str], told: str, capsys: Capture
) -> None:
    assert main(argv) == 2
    shown = capsys.readouterr().err
    assert told in shown
    assert "defect" not in shown
