"""The reviewed launch: written down by `lock`, checked before every start."""

import os
from pathlib import Path

import pytest

from mcpguard.daemon import launch
from mcpguard.errors import LaunchError, UnreachableError, UsageError
from mcpguard.lock.lockfile import Launch

DIGEST_OF_ONE = "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a script, a program, a data directory, and a PATH with launchers."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("node", "python3.11", "npx.cmd", "custom-server"):
        (tools / name).write_text("1")
        (tools / name).chmod(0o755)
    (tmp_path / "server.js").write_text("1")
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tools))
    return tmp_path


@pytest.mark.guarantee("launch:as-reviewed")
@pytest.mark.parametrize(
    ("argv", "files"),
    [
        (("node", "server.js"), {"server.js"}),
        (("python3.11", "-m", "server"), set()),
        (("npx.cmd", "-y", "pkg", "data"), set()),
        (("custom-server",), {"custom-server"}),
        (("tools/node",), {"tools/node"}),
        (("node", "--config=server.js", "--dir=data"), {"--config=server.js"}),
        (("node", "-y", "", "a\0b", "n" * 5000), set()),
    ],
)
def test_every_argument_that_is_a_file_is_pinned_and_launchers_are_known_by_name(
    here: Path, argv: tuple[str, ...], files: set[str]
) -> None:
    found = launch.describe(argv, ("B", "A", "B"))
    assert found == Launch(argv, "inherit", ("A", "B"), dict.fromkeys(files, DIGEST_OF_ONE))
    launch.verify(found, argv)
    launch.verify(found)


@pytest.mark.guarantee("launch:as-reviewed")
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("python3.11", "server.js", "-v"), "the program is 'python3.11', the lockfile has 'node'"),
        (("node", "other.js", "-v"), "argument 1 is 'other.js', the lockfile has 'server.js'"),
        (("node", "server.js"), "argument 2 is missing, the lockfile has '-v'"),
        (("node", "server.js", "-v", "-x"), "argument 3 is '-x', the lockfile ends before"),
    ],
)
def test_another_command_is_refused_and_the_first_difference_is_named(
    here: Path, given: tuple[str, ...], words: str
) -> None:
    locked = launch.describe(("node", "server.js", "-v"))
    with pytest.raises(LaunchError) as caught:
        launch.verify(locked, given)
    assert caught.value.message == words
    assert caught.value.exit_code == 1
    assert "lock --update" in caught.value.hint


def changed(here: Path) -> None:
    (here / "server.js").write_text("2")


def missing(here: Path) -> None:
    (here / "server.js").unlink()


def appeared(here: Path) -> None:
    (here / "index").write_text("1")


@pytest.mark.guarantee("launch:as-reviewed")
@pytest.mark.parametrize(
    ("meanwhile", "words"),
    [
        (changed, "server.js is not the reviewed file: its bytes changed"),
        (missing, "server.js is not the reviewed file: it is missing here"),
        (appeared, "index is a file now and was none at the review"),
    ],
)
def test_a_file_that_is_not_the_reviewed_one_is_refused_by_name(
    here: Path, meanwhile: object, words: str
) -> None:
    locked = launch.describe(("node", "server.js", "index"))
    assert callable(meanwhile)
    meanwhile(here)
    with pytest.raises(LaunchError) as caught:
        launch.verify(locked)
    assert caught.value.message == words


def test_an_unknown_directory_rule_is_refused(here: Path) -> None:
    with pytest.raises(LaunchError, match=r"launch\.cwd"):
        launch.verify(Launch(("node",), "/srv", (), {}))


def test_a_missing_program_is_unreachable_not_refused(here: Path) -> None:
    with pytest.raises(UnreachableError, match="no such program on PATH"):
        launch.describe(("absent", "server.js"))


def test_an_unreadable_file_is_unreachable(here: Path) -> None:
    os.mkfifo(here / "tools" / "pipe")
    (here / "tools" / "pipe").chmod(0o755)
    with pytest.raises(UnreachableError, match="no such program"):
        launch.describe(("pipe",))


@pytest.mark.parametrize(("argv", "names"), [((), ()), (("node",), ("LD_PRELOAD",))])
def test_an_empty_command_and_a_refused_variable_are_usage_errors(
    here: Path, argv: tuple[str, ...], names: tuple[str, ...]
) -> None:
    with pytest.raises(UsageError):
        launch.describe(argv, names)
