"""The flags of `proxy` and the rule for commands."""

import dataclasses
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.config import flags
from mcpguard.config.flags import OPTIONS, ProxySettings, command, data_dir, parse_proxy
from mcpguard.errors import UsageError
from mcpguard.model import Mode

LOCK = ("--lock", "lock.json")

GOOD = [
    ((*LOCK,), {"lock": Path("lock.json")}),
    ((*LOCK, "--", "npx", "-y", "pkg"), {"command": ("npx", "-y", "pkg")}),
    ((*LOCK, "npx", "--lock"), {"command": ("npx", "--lock")}),
    ((*LOCK, "--", "--lock"), {"command": ("--lock",)}),
    (("--lock=a=b.json",), {"lock": Path("a=b.json")}),
    ((*LOCK, "--", "npx -y 'my pkg'"), {"command": ("npx", "-y", "my pkg")}),
    ((*LOCK, "--filter-only"), {"mode": Mode.FILTER_ONLY}),
    ((*LOCK, "--audit-only"), {"mode": Mode.AUDIT_ONLY}),
    (("--audit-only", "--", "cat"), {"mode": Mode.AUDIT_ONLY, "lock": None}),
    ((*LOCK, "--print-effective"), {"print_effective": True}),
    ((*LOCK, "--deny-style", "jsonrpc"), {"deny_style": "jsonrpc"}),
    ((*LOCK, "--audit-log=log.jsonl"), {"audit_log": Path("log.jsonl")}),
    ((*LOCK, "--timeout", "0.5"), {"timeout": 0.5}),
    ((*LOCK, "--name", "files"), {"name": "files"}),
    (("--audit-only", "--env", "A", "--env=B", "--", "cat"), {"env": ("A", "B")}),
    ((*LOCK, "--log-format", "jsonl"), {"log_format": "jsonl"}),
    ((*LOCK, "--log-output", "out.log"), {"log_output": Path("out.log")}),
    ((*LOCK, "--config", "own.yaml"), {"config": Path("own.yaml")}),
    ((*LOCK, "--policy", "strict"), {"policy": "strict"}),
    ((*LOCK, "--policy=./own.yaml"), {"policy": "./own.yaml"}),
]

BAD = [
    ((), "needs a lockfile", "mcpguard lock"),
    (("--filter-only", "--", "cat"), "needs a lockfile", "mcpguard lock"),
    (("--audit-only",), "no command", "-- CMD"),
    (("--lokc", "x"), "no option --lokc", "did you mean --lock?"),
    (("--zzzzzzzz",), "no option --zzzzzzzz", "--help"),
    (("-l", "x"), "no option -l", ""),
    (("--lock",), "--lock needs a value", "--lock FILE"),
    (("--lock", "--audit-only"), "--lock needs a value", "--lock FILE"),
    (("--lock", ""), "--lock: ''", "the name of a file"),
    ((*LOCK, *LOCK), "--lock is given twice", "once"),
    ((*LOCK, "--audit-only", "--filter-only"), "exclude each other", "one of them"),
    ((*LOCK, "--audit-only=yes"), "takes no value", "--audit-only alone"),
    ((*LOCK, "--timeout", "0"), "--timeout: '0'", "above 0 and at most 2592000"),
    ((*LOCK, "--timeout", "-1"), "--timeout: '-1'", "above 0 and at most 2592000"),
    ((*LOCK, "--timeout", "nan"), "--timeout: 'nan'", "above 0 and at most 2592000"),
    ((*LOCK, "--timeout", "inf"), "--timeout: 'inf'", "above 0 and at most 2592000"),
    ((*LOCK, "--timeout", "soon"), "--timeout: 'soon'", "above 0 and at most 2592000"),
    ((*LOCK, "--deny-style", "loud"), "'loud' is not a choice", "result, jsonrpc"),
    ((*LOCK, "--config", ""), "--config: ''", "the name of a file"),
    ((*LOCK, "--policy", ""), "--policy: ''", "a preset's name"),
    ((*LOCK, "--name", "a\nb"), "--name", "printable"),
    ((*LOCK, "--env", "A"), "without a lockfile", "lock --update"),
    ((*LOCK, "--", "npx 'pkg"), "cannot be split", "close the quotes"),
]


@pytest.mark.guarantee("config:flags-take-effect")
@pytest.mark.parametrize(("argv", "wanted"), GOOD)
def test_every_flag_sets_its_setting(argv: tuple[str, ...], wanted: dict[str, object]) -> None:
    settings = parse_proxy(argv)
    assert {name: getattr(settings, name) for name in wanted} == wanted


@pytest.mark.guarantee("cli:errors-say-what-next")
@pytest.mark.parametrize(("argv", "what", "following"), BAD)
def test_a_wrong_line_is_named_with_what_to_type(
    argv: tuple[str, ...], what: str, following: str
) -> None:
    with pytest.raises(UsageError) as caught:
        parse_proxy(argv)
    assert what in caught.value.message
    assert following in caught.value.hint
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_the_table_names_every_setting_and_tests_every_flag() -> None:
    settings = {option.setting for option in OPTIONS} | {"command"}
    assert settings == {field.name for field in dataclasses.fields(ProxySettings)}
    used = {word.partition("=")[0] for argv, _ in GOOD for word in argv}
    assert {option.flag for option in OPTIONS} <= used


@given(st.lists(st.sampled_from([o.flag for o in OPTIONS]) | st.text(max_size=20), max_size=6))
def test_any_line_gives_settings_or_a_usage_error(argv: list[str]) -> None:
    try:
        settings = parse_proxy(argv)
    except UsageError:
        return
    assert settings.lock is not None or settings.mode is Mode.AUDIT_ONLY


@pytest.mark.guarantee("config:quoted-command")
@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        ((), ()),
        (("npx",), ("npx",)),
        (("npx", "-y", "a b"), ("npx", "-y", "a b")),
        (("npx -y pkg /dir",), ("npx", "-y", "pkg", "/dir")),
        (("sh -c 'echo $HOME; ls *'",), ("sh", "-c", "echo $HOME; ls *")),
        (("a\tb",), ("a", "b")),
        (("x " + "y" * 5000,), ("x", "y" * 5000)),
    ],
)
def test_one_quoted_word_is_split_once_and_nothing_is_expanded(
    argv: tuple[str, ...], wanted: tuple[str, ...]
) -> None:
    assert command(argv) == wanted
    assert command(command(argv)) == command(argv) or len(wanted) == 1


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (("node s.js /d", "--name", "files"), "... --name files -- node s.js /d;"),
        (("node s.js /d", "more"), "... [OPTIONS] -- node s.js /d;"),
    ],
)
def test_a_quoted_command_with_more_behind_it_says_how_to_write_it(
    argv: tuple[str, ...], hint: str
) -> None:
    with pytest.raises(UsageError, match=r"'node s\.js /d' is no program") as caught:
        command(argv)
    assert hint in caught.value.hint
    with pytest.raises(UsageError, match="a quoted command stands alone"):
        parse_proxy(["--audit-only", *argv])


def test_a_program_with_a_blank_in_its_name_is_not_split(tmp_path: Path) -> None:
    program = tmp_path / "my server"
    program.touch()
    assert command((str(program),)) == (str(program),)
    assert command((str(program), "--name")) == (str(program), "--name")


def test_the_data_directory_is_private_and_can_be_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(flags.DATA_DIR_VARIABLE, str(tmp_path / "a" / "b"))
    assert data_dir() == tmp_path / "a" / "b"
    assert stat.S_IMODE(data_dir().stat().st_mode) == 0o700
    monkeypatch.delenv(flags.DATA_DIR_VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    assert data_dir().is_relative_to(tmp_path)
    assert data_dir().name == "mcpguard"


@pytest.mark.guarantee("config:never-the-working-directory")
@pytest.mark.parametrize("chosen", [".", "here", "../here"])
def test_the_data_directory_is_never_in_the_working_directory(
    chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MCPGUARD_DATA_DIR", chosen)
    with pytest.raises(UsageError, match="not an absolute path"):
        data_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_data_directory_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(flags.DATA_DIR_VARIABLE, str(tmp_path / "file" / "data"))
    with pytest.raises(UsageError, match="cannot be made"):
        data_dir()
