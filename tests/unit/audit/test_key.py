import os
import threading
from pathlib import Path

import pytest

from mcpguard.audit import load_or_create_key
from mcpguard.errors import AuditError


@pytest.mark.guarantee("audit:private-key")
def test_the_first_start_makes_a_private_key_and_later_ones_read_it(tmp_path: Path) -> None:
    path = tmp_path / "data" / "audit.key"
    key = load_or_create_key(path)
    assert len(key) == 32
    assert load_or_create_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_two_installs_have_two_keys(tmp_path: Path) -> None:
    assert load_or_create_key(tmp_path / "a") != load_or_create_key(tmp_path / "b")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
@pytest.mark.guarantee("audit:private-key")
def test_a_key_that_others_can_reach_is_refused_with_the_command_that_helps(
    tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "audit.key"
    load_or_create_key(path)
    path.chmod(mode)
    with pytest.raises(AuditError, match=f"mode 0{mode:o}") as caught:
        load_or_create_key(path)
    assert caught.value.hint.endswith(f"run: chmod go= {path}")


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_length_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "audit.key"
    path.write_bytes(bytes(size))
    path.chmod(0o600)
    with pytest.raises(AuditError, match="must be 32"):
        load_or_create_key(path)


def test_a_key_that_cannot_be_made_or_read_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AuditError, match="Not a directory"):
        load_or_create_key(tmp_path / "file" / "audit.key")
    with pytest.raises(AuditError, match="Is a directory"):
        load_or_create_key(tmp_path)


@pytest.mark.guarantee("private:regular-only")
def test_a_pipe_in_the_place_of_a_key_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    os.mkfifo(path, 0o600)
    with pytest.raises(AuditError, match="not a regular file") as caught:
        load_or_create_key(path)
    assert "move away what is no file of this name" in caught.value.hint


def test_first_starts_at_the_same_time_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    gate = threading.Barrier(8)
    keys: list[bytes] = []

    def start() -> None:
        gate.wait()
        keys.append(load_or_create_key(path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert set(keys) == {path.read_bytes()}
    assert list(tmp_path.iterdir()) == [path]
