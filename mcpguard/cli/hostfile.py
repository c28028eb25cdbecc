"""Hosts' configuration files as they lie on the disk: read with care, replaced whole or not at all.

Everything mcpguard keeps about them is in one directory of the data directory, 0700: backups, the
records of what was wrapped, lockfiles, and the lock that keeps two commands apart.
"""

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from mcpguard.cli.receipt.output import replace
from mcpguard.config.files import plain_bytes
from mcpguard.config.flags import data_dir
from mcpguard.errors import HostError, UsageError
from mcpguard.hosts import splice, undo
from mcpguard.hosts.splice import Node
from mcpguard.hosts.undo import Record
from mcpguard.private import lock, rewrite

__all__ = [
    "HostFile",
    "alone",
    "check_replaceable",
    "forget",
    "identity",
    "kept",
    "read",
    "records",
    "save",
    "set_aside",
    "state_directory",
    "write",
]

MAX_FILE = 64 * 1024 * 1024
"""Bytes. Claude Code keeps its history in the same file; more is no configuration."""

MAX_BACKUPS = 1000
"""Backups of one file in one second."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class HostFile:
    """A file as it was read. `path`: where its bytes are, symbolic links followed."""

    path: Path
    data: bytes
    root: Node


def state_directory(*names: str) -> Path:
    """`hosts/` in the data directory, or a directory in it, made 0700. Raises UsageError."""
    path = data_dir()
    for name in ("hosts", *names):
        path /= name
        try:
            path.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{path}: cannot be made: {error.strerror}", hint="make room for it, and try again"
            ) from error
    return path


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """No other wrap or unwrap runs meanwhile. Raises UsageError when one does already."""
    path = state_directory() / "busy"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be opened: {error.strerror}", hint="make it writable for this user"
        ) from error
    try:
        _lock_or_refuse(fd)
        yield
    finally:
        os.close(fd)


def _lock_or_refuse(fd: int) -> None:
    try:
        lock(fd)
    except OSError as error:
        raise UsageError(
            "another mcpguard wrap or unwrap is running",
            hint="wait until it has ended, then try again",
        ) from error


def read(path: Path) -> HostFile:
    """The file at `path`, its symbolic links followed, and what it says. Raises HostError."""
    try:
        target = path.resolve(strict=True)
        data = plain_bytes(target, MAX_FILE)
    except FileNotFoundError as error:
        raise HostError(
            f"{path}: there is no such file",
            hint="mcpguard hosts shows where each host keeps its servers",
        ) from error
    except (OSError, RuntimeError) as error:  # a circle of links is a RuntimeError before 3.13
        why = getattr(error, "strerror", None) or str(error)
        raise HostError(
            f"{path}: cannot be read: {why}",
            hint="name a host's file that you may read: --config FILE",
        ) from error
    try:
        return HostFile(target, data, splice.parse(data))
    except HostError as error:
        raise HostError(f"{path}: {error.message}", hint=error.hint) from error


def check_replaceable(file: HostFile) -> None:
    """Raise HostError when `file` is not ours to write: another's, read-only, or with two names."""
    status = file.path.stat()
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        raise HostError(
            f"{file.path}: it belongs to another user (number {status.st_uid})",
            hint="run mcpguard as the user whose file it is",
        )
    if not status.st_mode & stat.S_IWUSR:
        raise HostError(f"{file.path}: it is read-only", hint="make it writable if it is yours")
    if status.st_nlink > 1:
        raise HostError(
            f"{file.path}: it has {status.st_nlink} names (hard links), which would be parted",
            hint="leave it one name, or use symbolic links",
        )


def write(file: HostFile, data: bytes) -> Path:
    """Replace `file` by `data`, keeping mode and owner, after a backup, whose path this gives.

    Raises HostError when it is not ours to write, or not what was read any more.
    """
    check_replaceable(file)
    saved = _backup(file)
    status = file.path.stat()

    def last(temporary: str) -> None:
        if hasattr(os, "chown") and os.stat(temporary).st_gid != status.st_gid:  # noqa: PTH116
            os.chown(temporary, -1, status.st_gid)
        if plain_bytes(file.path, MAX_FILE) != file.data:
            raise HostError(
                f"{file.path}: it was changed meanwhile; it is left as it is",
                hint="quit the host, and try again",
            )

    try:
        replace(file.path, data, last=last)
    except UsageError as error:
        raise HostError(
            error.message, hint="make the file and its directory writable for this user"
        ) from error
    return saved


def _backup(file: HostFile) -> Path:
    """A copy of the bytes that were read, 0600, named by the file and the time (UTC)."""
    directory = state_directory("backups")
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for number in range(MAX_BACKUPS):
        path = directory / f"{file.path.name}.{stamp}.{number}"
        with contextlib.suppress(FileExistsError):
            _write_new(path, file.data)
            return path
    raise HostError(f"{directory}: {MAX_BACKUPS} backups in one second", hint="try again")


def _write_new(path: Path, data: bytes) -> None:
    """A file that was not there, whole and 0600, or none. Raises FileExistsError, HostError."""
    try:
        handle = os.open(path, _NEW, 0o600)
    except FileExistsError:
        raise
    except OSError as error:
        raise _unwritten(path, error) from error
    try:
        with os.fdopen(handle, "wb") as output:
            output.write(data)
            output.flush()
            os.fsync(output.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _unwritten(path, error) from error


def _unwritten(path: Path, error: OSError) -> HostError:
    return HostError(
        f"{path}: cannot be written: {error.strerror}",
        hint="make room or make it writable; the host's file is as it was",
    )


def identity(file: Path, path: tuple[str, ...]) -> str:
    """32 hexadecimal digits for one entry of one file (links followed)."""
    return hashlib.sha256(orjson.dumps([str(file), *path])).hexdigest()[:32]


def _record_path(file: Path, path: tuple[str, ...]) -> Path:
    return state_directory("wrapped") / f"{identity(file, path)}.json"


def save(record: Record) -> None:
    """Keep `record`, in the place of an older one of the same entry. 0600.

    Raises HostError, UsageError.
    """
    path = _record_path(Path(record.file), record.path)
    try:
        rewrite(path, undo.render(record))
    except OSError as error:
        raise _unwritten(path, error) from error


def kept(file: Path, path: tuple[str, ...]) -> Record | None:
    """The record of one entry, if it was wrapped. Raises HostError for a damaged one."""
    stored = _record_path(file, path)
    return _load(stored) if stored.exists() else None


def forget(record: Record) -> None:
    """The entry of `record` is what it was: nothing is left to undo."""
    _record_path(Path(record.file), record.path).unlink(missing_ok=True)


def set_aside(name: str) -> Path:
    """Count the record `name` no more; where it is kept. Raises UsageError.

    It may hold the only copy of an entry, so it is not deleted.
    """
    directory = state_directory("wrapped")
    known = sorted(path.stem for path in directory.glob("*.json"))
    if name not in known:
        hint = f"there are: {', '.join(known[:8])}" if known else "mcpguard hosts lists servers"
        raise UsageError(f"{directory}: there is no record {name}", hint=hint)
    left = directory / f"{name}.forgotten"
    try:
        (directory / f"{name}.json").replace(left)
    except OSError as error:
        raise UsageError(
            f"{left}: cannot be written: {error.strerror}", hint="make room for it, and try again"
        ) from error
    return left


def records() -> tuple[list[Record], list[HostError]]:
    """Every entry that was wrapped, by file and name; and what is wrong with damaged records."""
    found: list[Record] = []
    damaged: list[HostError] = []
    for path in sorted(state_directory("wrapped").glob("*.json")):
        try:
            found.append(_load(path))
        except HostError as error:
            damaged.append(error)
    return sorted(found, key=lambda record: (record.file, record.path)), damaged


def _load(path: Path) -> Record:
    try:
        data = plain_bytes(path, MAX_FILE)
    except OSError as error:
        raise HostError(
            f"{path}: cannot be read: {error.strerror}",
            hint=f"make it readable for this user, or: {undo.forgetting(str(path))}",
        ) from error
    return undo.load(data, str(path))
