"""Hosts' files on the disk: whose they are, replaced whole, backed up, never written over."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mcpguard.cli import hostfile
from mcpguard.errors import HostError, UsageError
from mcpguard.hosts.splice import parse
from mcpguard.hosts.undo import Record

RECORD = Record(
    host="claude-desktop",
    scope="",
    file="/f",
    path=("mcpServers", "a"),
    original='{"command": "x"}',
    wrapped='{"command": "y"}',
    lock="/l",
    at="2026-11-21T12:00:00Z",
)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data directory of its own, and a umask that hides nothing."""
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(tmp_path / "data"))
    mask = os.umask(0)
    yield tmp_path / "data"
    os.umask(mask)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "host" / "config.json"
    path.parent.mkdir()
    path.write_bytes(b'{"a": 1}')
    return path


def test_a_file_is_replaced_with_its_mode_and_group_kept_and_a_backup_left(path: Path) -> None:
    path.chmod(0o604)
    group = 12345 if os.geteuid() == 0 else path.stat().st_gid
    os.chown(path, -1, group)
    saved = hostfile.write(hostfile.read(path), b"{}")
    status = path.stat()
    assert (path.read_bytes(), saved.read_bytes()) == (b"{}", b'{"a": 1}')
    assert (status.st_mode & 0o777, status.st_gid) == (0o604, group)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.guarantee("hosts:values-stay")
def test_everything_kept_is_for_its_user_alone(path: Path, data: Path) -> None:
    hostfile.write(hostfile.read(path), b"{}")
    hostfile.save(RECORD)
    with hostfile.alone():
        found = {each.stat().st_mode & 0o777 for each in data.rglob("*") if each.is_file()}
    assert found == {0o600}
    assert {each.stat().st_mode & 0o777 for each in data.rglob("*") if each.is_dir()} == {0o700}


@pytest.mark.guarantee("hosts:changed-meanwhile")
def test_a_file_that_changed_since_it_was_read_is_not_written_over(path: Path) -> None:
    file = hostfile.read(path)
    path.write_bytes(b'{"a": 2}')
    with pytest.raises(HostError, match="changed meanwhile"):
        hostfile.write(file, b"{}")
    assert path.read_bytes() == b'{"a": 2}'
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_file_of_another_user_is_refused(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        path = Path("/etc/passwd")
    file = hostfile.HostFile(path, path.read_bytes(), parse(b"{}"))
    with pytest.raises(HostError, match="it belongs to another user"):
        hostfile.write(file, b"{}")
    assert path.read_bytes() == file.data


def test_a_file_in_a_directory_that_cannot_be_written_says_so(path: Path) -> None:
    file = hostfile.read(path)
    gone = path.parent.rename(path.parent.with_name("gone"))
    path.parent.symlink_to("/proc/self")
    file = hostfile.HostFile(Path("/proc/self/comm"), file.data, file.root)
    with pytest.raises(HostError) as caught:
        hostfile.write(file, b"{}")
    assert caught.value.hint
    assert (gone / path.name).read_bytes() == b'{"a": 1}'


def test_a_file_that_is_too_large_is_refused(path: Path) -> None:
    os.truncate(path, hostfile.MAX_FILE + 1)
    with pytest.raises(HostError, match="it has more than"):
        hostfile.read(path)


def test_backups_of_one_second_have_names_of_their_own(path: Path) -> None:
    saved = [hostfile.write(hostfile.read(path), b"[%d]" % number) for number in range(4)]
    assert len({*saved}) == 4
    assert [each.read_bytes() for each in saved] == [b'{"a": 1}', b"[0]", b"[1]", b"[2]"]


def test_records_are_kept_and_forgotten() -> None:
    assert hostfile.kept(Path("/f"), RECORD.path) is None
    hostfile.save(RECORD)
    hostfile.save(RECORD)
    assert hostfile.records() == ([RECORD], [])
    assert hostfile.kept(Path("/f"), RECORD.path) == RECORD
    hostfile.forget(RECORD)
    hostfile.forget(RECORD)
    assert hostfile.records() == ([], [])


def test_a_damaged_record_is_named_and_never_taken_for_none(data: Path) -> None:
    hostfile.save(RECORD)
    [stored] = (data / "hosts" / "wrapped").iterdir()
    stored.write_bytes(b"{")
    other = replace(RECORD, path=("mcpServers", "b"))
    hostfile.save(other)
    found, [damaged] = hostfile.records()
    assert (found, stored.name in damaged.message) == ([other], True)
    with pytest.raises(HostError, match=stored.name):
        hostfile.kept(Path("/f"), RECORD.path)


def test_only_one_at_a_time(data: Path) -> None:
    second = hostfile.alone()
    with hostfile.alone(), pytest.raises(UsageError, match="another mcpguard wrap"):
        second.__enter__()
    with hostfile.alone():
        assert (data / "hosts" / "busy").exists()
