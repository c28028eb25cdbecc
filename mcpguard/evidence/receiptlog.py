"""The log of receipts: one file of a data directory, one line a command, whoever writes it.

receipts.jsonl   the receipts, oldest first
receipts.head    how far it went: there from before the first receipt on, written behind every one

A command that was killed between the two leaves a head that is one behind, which is told from a
log that was cut by that: then the head is ahead.
"""

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from mcpguard import private
from mcpguard.audit.checkpoint import Keys, Signer, load_public
from mcpguard.audit.key import SIGNING_KEY, load_or_create_key
from mcpguard.errors import AuditError
from mcpguard.evidence.receipt import (
    GENESIS,
    MAX_LINE,
    Draft,
    Head,
    digest_of,
    head_line,
    line_of,
    read_head,
    read_line,
    whole,
)
from mcpguard.model import JsonObject

__all__ = ["LOG", "append", "head_of", "known_keys", "lines_of", "ready"]

LOG, HEAD = "receipts.jsonl", "receipts.head"

USUAL = 16 * 1024
"""Bytes at the end of the log that hold its last line, unless that is a very long one."""

MAX_HEAD = 4096
"""Bytes of a head's file. One has some 250."""

LOCK_SECONDS = 2.0
"""Seconds to wait for another command that writes its receipt, which takes milliseconds."""

LOCK_LOOK = 0.005
"""Seconds between two tries."""

_FLAGS = (
    os.O_RDWR
    | os.O_APPEND
    | os.O_CREAT
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
)
_CHANGED = f"run: mcpguard receipt verify; then move {LOG} and {HEAD} away, and new ones begin"


class _End(NamedTuple):
    """The last receipt: its number, hash and signer; the bytes up to its end."""

    seq: int
    digest: str
    signer: str
    size: int


def append(home: Path, draft: Draft, body: JsonObject, at: datetime) -> JsonObject:
    """Writes the receipt `body` of `draft` into the log of `home`; gives it with its signature.

    A key that signs for the first time is told of first, in a receipt of its own. Raises AuditError
    when the receipt cannot be written, and then none of it is.
    """
    with _opened(home) as (fd, end):
        signer = _signer(home)
        bodies = [body]
        if end.signer != signer.key:
            bodies.insert(0, _new_key(draft, end.signer, signer.key, at))
        lines: list[bytes] = []
        seq, digest, receipt = end.seq, end.digest, body
        for each in bodies:
            seq += 1
            receipt = whole(each, seq, digest, signer.key, signer.over)
            lines.append(line_of(receipt))
            digest = digest_of(lines[-1])
        head = head_line(seq, digest, signer.key, signer.over)
        _write(fd, b"".join(lines), end.size, lambda: _put_head(home, head))
    return receipt


def ready(home: Path, patience: float = LOCK_SECONDS) -> None:
    """Raises AuditError when no receipt could be written now. `patience`: seconds for the lock."""
    with _opened(home, patience):
        _signer(home)


def _signer(home: Path) -> Signer:
    signer = Signer(load_or_create_key(home / SIGNING_KEY, "key that signs"), home)
    signer.named()
    return signer


def _new_key(draft: Draft, before: str, now: str, at: datetime) -> JsonObject:
    made = Draft("audit key", draft.begun)
    made.facts = {"key": {"name": "audit", "id": now, "before": before}}
    return made.ended(0, at)


# --- the files -----------------------------------------------------------------------------------


@contextmanager
def _opened(home: Path, patience: float = LOCK_SECONDS) -> Iterator[tuple[int, _End]]:
    """The log, locked, and where it ends. Raises AuditError, also for an OSError of the body."""
    path = home / LOG
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, _FLAGS, 0o600)
        try:
            fault = private.fault_of(path, os.fstat(fd))
            if fault:
                raise AuditError(f"{path}: {fault.what}", hint=fault.hint)
            _lock(fd, path, patience)
            yield fd, _end(home, fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise AuditError(
            f"{path}: the receipt cannot be written: {error.strerror or error}",
            hint=f"make {home} writable for this user, with room on the disk",
        ) from error


def _lock(fd: int, path: Path, patience: float) -> None:
    until = time.monotonic() + patience
    while True:
        try:
            private.lock(fd)
        except OSError as error:
            if time.monotonic() > until:
                raise AuditError(
                    f"{path}: another process has held it for {patience:g} s",
                    hint="find out which; it writes a receipt, or has stopped in the middle",
                ) from error
            time.sleep(LOCK_LOOK)
        else:
            return


def _end(home: Path, fd: int) -> _End:
    """Where the log ends. Raises AuditError for one that is not what was written last."""
    size = os.fstat(fd).st_size
    line, torn = _last_line(fd, size)
    head = _head_or_new(home, empty=not size)
    found = _Last(line)
    if found.seq < head.seq or (found.seq == head.seq and found.digest != head.digest):
        raise AuditError(
            f"{home / LOG}: it ends with receipt {found.seq}, and receipt {head.seq} was written",
            hint=_CHANGED,
        )
    if line and not found.seq:
        raise AuditError(f"{home / LOG}: its last line is no receipt", hint=_CHANGED)
    return _End(found.seq, found.digest, found.signer, size - torn)


def _last_line(fd: int, size: int) -> tuple[bytes, int]:
    """The last whole line of the `size` bytes, empty for none, and the bytes behind it."""
    for window in (USUAL, 2 * MAX_LINE):
        os.lseek(fd, max(0, size - window), os.SEEK_SET)
        tail = os.read(fd, window)
        end = tail.rfind(b"\n") + 1
        begin = tail.rfind(b"\n", 0, max(0, end - 1)) + 1
        if begin or window >= size:
            return tail[begin:end], len(tail) - end
    return b"?", 0  # longer than any receipt


class _Last:
    """What the last line says."""

    def __init__(self, line: bytes) -> None:
        receipt = read_line(line) or {}
        seq, signer = receipt.get("seq"), receipt.get("signer")
        self.seq = seq if isinstance(seq, int) else 0
        self.signer = signer if isinstance(signer, str) else ""
        self.digest = digest_of(line) if receipt else GENESIS


def _head_or_new(home: Path, *, empty: bool) -> Head:
    head = head_of(home)
    if head is None and empty:
        signer = _signer(home)
        _put_head(home, head_line(0, GENESIS, signer.key, signer.over))
        head = head_of(home)
    if head is None:
        raise AuditError(
            f"{home / HEAD}: the file that says how far the receipts went is gone", hint=_CHANGED
        )
    return head


def _write(fd: int, data: bytes, size: int, then: Callable[[], None]) -> None:
    """All of `data` behind the first `size` bytes, on the disk, and `then`; or nothing of it.

    Raises OSError.
    """
    os.ftruncate(fd, size)  # what a command that was killed left of its line
    try:
        if os.write(fd, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301 - as for the rest
        os.fsync(fd)
        then()
    except OSError:
        os.ftruncate(fd, size)
        raise


def _put_head(home: Path, data: bytes) -> None:
    made = home / f".{HEAD}.{os.getpid()}"
    fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    made.replace(home / HEAD)


# --- reading -------------------------------------------------------------------------------------


def lines_of(path: Path) -> tuple[list[bytes], int]:
    """The whole lines of the log at `path`, and the bytes behind the last. Raises AuditError."""
    data = _read(path)
    end = data.rfind(b"\n") + 1
    return data[:end].splitlines(keepends=True), len(data) - end


def head_of(home: Path) -> Head | None:
    """What the head's file in `home` says; None when there is none, or nothing in it."""
    path = home / HEAD
    if not path.exists():
        return None
    return read_head(_read(path, MAX_HEAD))


def known_keys(home: Path) -> Keys:
    """The public keys that this install ever signed with, by their ids. Raises AuditError."""
    return dict(load_public(path) for path in sorted(home.glob("audit-ed25519-*.pub")))


def _read(path: Path, most: int = -1) -> bytes:
    """What is in the regular file at `path`: `most` bytes, or all. Raises AuditError."""
    try:
        with private.regular(path) as file:
            return file.read(most)
    except OSError as error:
        raise AuditError(
            f"{path}: the receipts cannot be read: {error.strerror}",
            hint="move away what is no file; a command such as mcpguard check makes it",
        ) from error
