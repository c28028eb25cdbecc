"""A key of this install: 32 random bytes. The audit log's makes its digests unguessable."""

import os
import stat
from pathlib import Path

from mcpguard.errors import AuditError

__all__ = ["KEY_LENGTH", "load_or_create_key"]

KEY_LENGTH = 32
"""Bytes. BLAKE2b takes up to 64; 32 is its strength at the digest length used here (RFC 7693)."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def load_or_create_key(path: Path, what: str = "audit key") -> bytes:
    """The 32-byte key in `path`, made on the first start (mode 0600, in a 0700 directory).

    Two first starts at once agree on one key: whoever links its file first wins, the other reads
    that one. Raises AuditError when the file is not 32 bytes, can be read by others, belongs to
    somebody else, or cannot be read or made. `what`: its name in errors.
    """
    try:
        return _load(path, what)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _unreadable(path, error, what) from error
    try:
        _create(path)
        return _load(path, what)
    except OSError as error:
        raise _unreadable(path, error, what) from error


def _load(path: Path, what: str) -> bytes:
    with path.open("rb", buffering=0) as file:
        _refuse_shared(path, os.fstat(file.fileno()), what)
        key = file.read(KEY_LENGTH + 1)
    if len(key) != KEY_LENGTH:
        raise AuditError(
            f"{path}: the {what} is {len(key)} bytes or more, it must be {KEY_LENGTH}",
            hint=f"move {path} away: a new key is made, older digests no longer compare",
        )
    return key


def _refuse_shared(path: Path, status: os.stat_result, what: str) -> None:
    if os.name == "nt":
        return
    if status.st_mode & _OTHERS:
        raise AuditError(
            f"{path}: the {what} can be read by others (mode {status.st_mode & 0o777:04o})",
            hint=f"run: chmod 600 {path}",
        )
    if status.st_uid != os.geteuid():
        raise AuditError(
            f"{path}: the {what} belongs to user {status.st_uid}, this is {os.geteuid()}",
            hint=f"run as the owner, or move {path} away so that a new key is made",
        )


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(os.urandom(KEY_LENGTH))
            file.flush()
            os.fsync(file.fileno())
        _publish(draft, path)
    finally:
        draft.unlink()


def _publish(draft: Path, path: Path) -> None:
    """Gives `draft` its name unless another start was first. A link never replaces a file."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return


def _unreadable(path: Path, error: OSError, what: str) -> AuditError:
    return AuditError(
        f"{path}: the {what} cannot be read or made: {error.strerror}",
        hint=f"make {path.parent} writable for this user",
    )
