"""Which files are read, and which are refused."""

import os
import stat
import sys
from pathlib import Path

import pytest

from mcpguard.config.files import (
    MAX_BYTES,
    NAME,
    config_dir,
    lock_bytes,
    places,
    plain_bytes,
    text_of,
)
from mcpguard.config.loading import load
from mcpguard.errors import McpguardError, PolicyError, UsageError
from tests.unit.config.documents import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert text_of(tmp_path / "absent") is None
    assert text_of(tmp_path / "absent" / NAME) is None
    (tmp_path / "file").write_bytes(b"")
    assert text_of(tmp_path / "file" / NAME) is None


def test_the_text_is_the_files(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes("# ü\n".encode())
    path.chmod(0o644)
    assert text_of(path) == "# ü\n"


def test_a_plain_file_is_read_whole_and_nothing_else_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_bytes(b"a\r\nb")
    assert plain_bytes(path, 4) == b"a\r\nb"
    with pytest.raises(OSError, match="more than 3 bytes"):
        plain_bytes(path, 3)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(OSError, match="not a regular file"):
            plain_bytes(tmp_path / name)
    with pytest.raises(IsADirectoryError):
        plain_bytes(tmp_path)
    with pytest.raises(FileNotFoundError):
        plain_bytes(tmp_path / "absent")


@pytest.mark.guarantee("config:own-files-only")
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o664])
def test_a_file_that_others_can_write_is_refused(home: Home, mode: int) -> None:
    path = home.user("mode: enforce")
    path.chmod(mode)
    with pytest.raises(UsageError) as caught:
        load(where=home.places)
    assert caught.value.message == (f"{path}: others than its owner can write it (mode {mode:04o})")
    assert caught.value.hint == f"run: chmod go-w {path}"


@pytest.mark.guarantee("config:own-files-only")
def test_a_file_of_somebody_else_is_refused(home: Home) -> None:
    path = home.system("mode: enforce")
    if os.geteuid() == 0:  # only root can give a file away; to others, root's own are trusted
        os.chown(path, 4242, -1)
        with pytest.raises(UsageError, match="it belongs to user 4242"):
            load(where=home.places)
    else:
        assert text_of(Path("/etc/passwd")) is not None


@pytest.mark.guarantee("config:own-files-only")
def test_a_file_in_a_directory_where_anybody_can_put_another_is_refused(home: Home) -> None:
    path = home.user("mode: enforce")
    path.parent.chmod(0o777)
    with pytest.raises(UsageError, match="anybody can put other settings there") as caught:
        load(where=home.places)
    assert caught.value.hint == f"run: chmod o-w {path.parent}"
    path.parent.chmod(0o777 | stat.S_ISVTX)  # as /tmp: only the owner can take it away
    assert load(where=home.places).settings.mode == "enforce"


@pytest.fixture
def lockfile(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    path = folder / "mcp-lock.json"
    path.write_bytes(b"{}")
    return path


@pytest.mark.guarantee("config:lockfile-not-for-everybody")
@pytest.mark.parametrize(
    ("mode", "folder", "said"),
    [
        (0o644, 0o755, ""),
        (0o664, 0o775, ""),
        (0o644, 0o777 | stat.S_ISVTX, ""),
        (0o666, 0o755, "anybody can write this lockfile"),
        (0o602, 0o700, "anybody can write this lockfile"),
        (0o644, 0o777, "anybody can put another lockfile there"),
    ],
)
def test_a_lockfile_that_anybody_can_write_or_replace_is_refused(
    lockfile: Path, mode: int, folder: int, said: str
) -> None:
    lockfile.chmod(mode)
    lockfile.parent.chmod(folder)
    link = lockfile.parent.parent / "link.json"
    link.symlink_to(lockfile)
    for path in (lockfile, link):
        if not said:
            assert lock_bytes(path) == b"{}"
            continue
        with pytest.raises(UsageError, match=said) as caught:
            lock_bytes(path)
        assert "chmod o-w" in caught.value.hint


@pytest.mark.guarantee("config:lockfile-not-for-everybody")
def test_a_lockfile_of_somebody_else_is_refused_only_where_anybody_could_have_put_it(
    lockfile: Path,
) -> None:
    if os.geteuid() == 0:  # only root can give a file away
        os.chown(lockfile, 4242, -1)
    else:
        lockfile = Path("/etc/passwd")
    assert lock_bytes(lockfile)
    if os.geteuid() == 0:
        lockfile.parent.chmod(0o777 | stat.S_ISVTX)
        with pytest.raises(UsageError, match="it belongs to user 4242"):
            lock_bytes(lockfile)


def odd(home: Home, kind: str) -> Path:
    path = home.places.user
    path.parent.mkdir()
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path, 0o600)
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    elif kind == "circle":
        path.symlink_to(path)
    elif kind == "large":
        home.user(b"#" * (MAX_BYTES + 1))
    elif kind == "characters":
        home.user(b"#" * (MAX_BYTES // 2))
    else:
        home.user(b"mode: \xff")
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("directory", "it is a directory"),
        ("pipe", "it is not a regular file"),
        ("dangling link", "a link to nothing"),
        ("circle", "the settings cannot be read: "),
        ("large", f"more than {MAX_BYTES} bytes"),
        ("characters", "at most 262144 are read"),
        ("bytes", "not UTF-8, at byte 6"),
    ],
)
def test_what_is_no_text_of_settings_is_an_error_and_not_nothing(
    home: Home, kind: str, message: str
) -> None:
    path = odd(home, kind)
    with pytest.raises(McpguardError) as caught:
        load(where=home.places)
    assert caught.value.message.startswith(f"{path}: ")
    assert message in caught.value.message
    assert (caught.value.exit_code, bool(caught.value.hint)) == (2, True)


def test_a_file_that_is_named_must_be_there(home: Home) -> None:
    with pytest.raises(UsageError, match="no such file"):
        load(home.places.user, where=home.places)


def test_a_file_that_is_named_stands_in_the_place_of_the_users(home: Home, tmp_path: Path) -> None:
    home.user("profile: a")
    other = tmp_path / "other.yaml"
    other.write_bytes(b"mode: enforce")
    other.chmod(0o600)
    found = load(other, where=home.places)
    assert (found.settings.profile, found.files) == ("default", (other,))


def test_a_bad_file_of_the_system_is_an_error_for_everybody(home: Home) -> None:
    home.system("mod: enforce")
    with pytest.raises(PolicyError, match="unknown key `mod`"):
        load(where=home.places)


def test_the_users_directory_is_the_variables_or_the_platforms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCPGUARD_CONFIG_DIR", str(tmp_path))
    assert config_dir() == tmp_path
    assert places().user == tmp_path / "mcpguard.yaml"
    monkeypatch.delenv("MCPGUARD_CONFIG_DIR")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "x"))
    if sys.platform == "linux":
        assert config_dir() == tmp_path / "x" / "mcpguard"


@pytest.mark.guarantee("config:never-the-working-directory")
def test_the_working_directory_is_never_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mcpguard.yaml").write_text("mode: audit-only", "utf-8")
    (tmp_path / "baseline.yaml").write_text("mode: audit-only", "utf-8")
    (tmp_path / "strict").write_text("mode: audit-only", "utf-8")
    monkeypatch.chdir(tmp_path)
    home = Home(tmp_path / "home")
    assert load(where=home.places).settings.mode is None
    assert load(policy="strict", where=home.places).settings.mode is None
    for relative in (".", "config"):
        monkeypatch.setenv("MCPGUARD_CONFIG_DIR", relative)
        with pytest.raises(UsageError, match="not an absolute path"):
            places()


@pytest.mark.guarantee("config:system-only-tightens")
def test_no_variable_moves_the_systems_file(monkeypatch: pytest.MonkeyPatch) -> None:
    before = places().system
    for name in ("MCPGUARD_CONFIG_DIR", "XDG_CONFIG_DIRS", "XDG_CONFIG_HOME", "HOME"):
        monkeypatch.setenv(name, "/nowhere")
    assert places().system == before
    if sys.platform == "linux":
        assert before == Path("/etc/mcpguard/mcpguard.yaml")
