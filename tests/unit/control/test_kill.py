"""The kill switch's file: what turns it on, what a session says, what turns it off."""

import os
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.control import kill
from mcpguard.errors import ControlError, KilledError


def touch(path: Path) -> None:
    path.touch()


def with_reason(path: Path) -> None:
    path.write_text("drill \x1b[2J today\nsecond line")


def not_text(path: Path) -> None:
    path.write_bytes(b"\xff\x00" * 5000)


def a_folder(path: Path) -> None:
    path.mkdir()


def a_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


PUT: dict[Callable[[Path], None], str] = {
    touch: "",
    with_reason: ": drill ?[2J today",
    a_folder: "",
    a_dangling_link: "",
    a_pipe: "",
}


@pytest.mark.guarantee("control:kill-file")
@pytest.mark.parametrize("put", PUT)
@pytest.mark.parametrize("place", ["kill", "kill.d/files"])
def test_whatever_stands_at_the_switchs_place_kills_and_is_named(
    tmp_path: Path, put: Callable[[Path], None], place: str
) -> None:
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    put(path)
    assert kill.check(tmp_path, "files") == f"the kill switch {path} is on{PUT[put]}"
    with pytest.raises(KilledError, match="files is not started") as caught:
        kill.refuse(tmp_path, "files")
    assert (caught.value.exit_code, str(path) in caught.value.message) == (1, True)


def test_a_reason_that_is_no_text_is_bounded_and_printable(tmp_path: Path) -> None:
    not_text(tmp_path / "kill")
    told = kill.check(tmp_path, "files")
    assert told is not None
    assert told.isprintable()
    assert len(told) < len(str(tmp_path)) + 300


def test_no_switch_no_kill(tmp_path: Path) -> None:
    touch(tmp_path / "killed")
    (tmp_path / "kill.d").mkdir()
    touch(tmp_path / "kill.d" / "other")
    assert kill.check(tmp_path, "files") is None
    assert kill.check(tmp_path / "absent", "files") is None
    kill.refuse(tmp_path, "files")


@pytest.mark.guarantee("control:kill-file")
def test_a_switch_that_cannot_be_looked_at_counts_as_on(tmp_path: Path) -> None:
    (tmp_path / "kill.d").symlink_to("kill.d")  # a circle: ELOOP, for root as well
    told = kill.check(tmp_path, "files")
    assert told is not None
    assert "cannot be looked at" in told


def test_a_switch_is_turned_on_twice_and_off_once(tmp_path: Path) -> None:
    for server, place in ((None, "kill"), ("a/b", "kill.d/a%2Fb")):
        path = tmp_path / place
        assert kill.engage(tmp_path, server, "drill\nnow") == path
        assert path.read_text() == "drill?now\n"
        assert path.stat().st_mode & 0o777 == 0o600
        assert kill.engage(tmp_path, server, "again") == path
        assert path.read_text() == "drill?now\n"
        assert list(kill.engaged(tmp_path)) == [path]
        assert kill.release(tmp_path, server) == path
        assert kill.release(tmp_path, server) is None
        assert list(kill.engaged(tmp_path)) == []


def test_a_link_in_the_switchs_place_is_not_written_through(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("mine")
    (tmp_path / "kill").symlink_to(target)
    assert kill.engage(tmp_path, None, "drill") == tmp_path / "kill"
    assert target.read_text() == "mine"
    kill.release(tmp_path, None)
    assert target.exists()


def test_what_cannot_be_turned_on_or_off_says_what_else_to_do(tmp_path: Path) -> None:
    touch(tmp_path / "kill.d")
    with pytest.raises(ControlError, match="cannot be turned on") as caught:
        kill.engage(tmp_path, "files", "")
    assert "kill -USR1" in caught.value.hint
    a_folder(tmp_path / "kill")
    with pytest.raises(ControlError, match="stays on"):
        kill.release(tmp_path, None)


NAMES = st.text(min_size=1, max_size=12)


@given(NAMES, NAMES)
def test_no_two_servers_share_a_file_and_none_is_hidden_or_elsewhere(one: str, two: str) -> None:
    first, second = kill.file_name(one), kill.file_name(two)
    assert (first == second) == (one == two)
    assert "/" not in first
    assert not first.startswith(".")
    assert 0 < len(first.encode()) < 256


def test_names_stay_apart_where_only_their_escapes_or_ends_differ() -> None:
    odd = ["", ".", "..", "a%2Fb", "a/b", "A", "a", "x" * 150, "x" * 151, "x" * 152, "%", "\ud800"]
    assert len({kill.file_name(each) for each in odd}) == len(odd)


def test_the_watch_kills_once_when_the_look_says_something() -> None:
    killed: list[str] = []
    anyio.run(kill.watch, lambda: "because", killed.append)
    assert killed == ["because"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("kill", "mcpguard kill --off"),
        ("kill.d/files", "mcpguard kill --off --server files"),
        ("kill.d/my%20files%2Fa", "mcpguard kill --off --server 'my files/a'"),
        ("kill.d/" + "x" * 300, "delete the file"),
        ("kill.d/not quoted", "delete the file"),
    ],
)
def test_the_way_off_is_a_command_that_names_this_switch(name: str, said: str) -> None:
    assert kill.way_off(Path("/data") / name) == said
