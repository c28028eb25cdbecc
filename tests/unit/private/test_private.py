import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mcpguard import private
from mcpguard.private import READERS, WRITERS, regular


@pytest.mark.guarantee("private:whole-or-not")
def test_a_published_file_is_whole_private_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "made" / "key"
    assert private.publish(path, b"content")
    assert path.read_bytes() == b"content"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.guarantee("private:whole-or-not")
def test_what_has_the_name_already_stays(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"first")
    assert not private.publish(path, b"second")
    assert path.read_bytes() == b"first"
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    assert not private.publish(link, b"through it")
    assert not (tmp_path / "nowhere").exists()
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.guarantee("private:whole-or-not")
def test_of_many_at_once_one_is_first_and_the_file_is_that_one(tmp_path: Path) -> None:
    path = tmp_path / "key"
    gate = threading.Barrier(8)
    first: list[int] = []

    def start(number: int) -> None:
        gate.wait()
        if private.publish(path, b"%d" % number * 1000):
            first.append(number)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == b"%d" % first[0] * 1000
    assert (len(first), list(tmp_path.iterdir())) == (1, [path])


def test_a_rewritten_file_is_the_new_one_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    for content in (b"first", b"second"):
        private.rewrite(path, content)
        assert path.read_bytes() == content
    path.chmod(0o644)
    private.rewrite(path, b"third")
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_rewritten_stays_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.mkdir()
    (path / "inside").touch()
    with pytest.raises(OSError, match="kept"):
        private.rewrite(path, b"content")
    assert [*tmp_path.iterdir()] == [path]


def test_a_draft_is_gone_also_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(ValueError, match="why"), private.draft(path) as made:  # noqa: PT012
        assert made.stat().st_mode & 0o777 == 0o600
        raise ValueError("why")
    assert list(tmp_path.iterdir()) == []


def a_file(path: Path) -> None:
    path.write_bytes(b"")


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "why"),
    [(a_folder, "Is a directory"), (a_pipe, "it is not a regular file"), (None, "No such file")],
)
@pytest.mark.guarantee("private:regular-only")
def test_what_is_no_regular_file_is_refused_at_once(
    tmp_path: Path, make: Callable[[Path], None] | None, why: str
) -> None:
    path = tmp_path / "x"
    if make:
        make(path)
    with pytest.raises(OSError, match=why):
        regular(path)
    with pytest.raises(OSError, match="it is not a regular file"):
        regular(Path("/dev/zero"))
    (tmp_path / "file").write_bytes(b"a\r\nb")
    with regular(tmp_path / "file") as file:
        assert file.read() == b"a\r\nb"


@pytest.mark.guarantee("private:regular-only")
def test_a_link_is_followed_unless_the_caller_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with regular(tmp_path / "link") as file:
        assert file.read() == b"a"
    with pytest.raises(OSError, match="link"):
        regular(tmp_path / "link", links=False)
    with regular(tmp_path / "file", links=False) as file:
        assert file.read() == b"a"


@pytest.mark.parametrize(
    ("make", "mode", "refused", "kind", "what"),
    [
        (a_file, 0o600, READERS, stat.S_ISREG, None),
        (a_file, 0o640, READERS, stat.S_ISREG, "open to others (mode 0640)"),
        (a_file, 0o601, READERS, stat.S_ISREG, "open to others (mode 0601)"),
        (a_file, 0o644, WRITERS, stat.S_ISREG, None),
        (a_file, 0o646, WRITERS, stat.S_ISREG, "open to others (mode 0646)"),
        (a_folder, 0o700, READERS, stat.S_ISDIR, None),
        (a_folder, 0o770, WRITERS, stat.S_ISDIR, "open to others (mode 0770)"),
        (a_folder, 0o700, READERS, stat.S_ISREG, "not a plain file or folder"),
        (a_pipe, 0o600, READERS, stat.S_ISREG, "not a plain file or folder"),
    ],
)
@pytest.mark.guarantee("private:refuses-others")
def test_what_others_can_reach_is_named_with_what_to_do(  # noqa: PLR0917 - one row of a table
    tmp_path: Path,
    make: Callable[[Path], None],
    mode: int,
    refused: int,
    kind: Callable[[int], bool],
    what: str | None,
) -> None:
    path = tmp_path / "it"
    make(path)
    path.chmod(mode)
    found = private.fault_of(path, path.stat(), refused=refused, kind=kind)
    assert (found.what if found else None) == what
    assert found is None or found.hint


@pytest.mark.guarantee("private:refuses-others")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(b"")
    path.chmod(0o600)
    told = list(path.stat())
    told[stat.ST_UID] = os.geteuid() + 1
    found = private.fault_of(path, os.stat_result(told))
    assert found is not None
    assert found.what == f"belongs to user {os.geteuid() + 1}, this is {os.geteuid()}"
