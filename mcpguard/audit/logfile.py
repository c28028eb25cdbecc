"""The file under an audit log: found or made, locked, its torn tail taken off; and the next one.

NAME.jsonl                  the log, held by one process
NAME.1.jsonl                another log, of a process that runs beside it
NAME~000000005000.jsonl     an earlier part of NAME.jsonl, up to record 5000
.NAME.jsonl.next            what NAME.jsonl becomes when it is exchanged
"""

import errno
import os
import stat
from binascii import hexlify, unhexlify
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from mcpguard import private
from mcpguard.audit.record import GENESIS, HASH_KEY, MAX_LINE, SEAL_LENGTH, carried, link
from mcpguard.errors import AuditError
from mcpguard.model import MAX_SEQ

__all__ = [
    "MAX_SIBLINGS",
    "LogFile",
    "earlier_name",
    "earlier_parts",
    "exchange",
    "is_part",
    "log_of",
    "logs_in",
    "next_of",
    "open_log",
]

MAX_SIBLINGS = 64
"""Files. Sessions that may share one log name at the same time."""

_DIGITS = len(str(MAX_SEQ))
"""Of the number in an earlier part's name, so that names sort as numbers do."""

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)

_ROOM = 9 * 10**11
"""Numbers that a record must leave to those that follow, or no session goes on from it."""

CHECKED = 128 * 1024
"""Bytes of a log's end that are checked before a session goes on with it."""

_TORN_TEXT = 256
"""Characters of a torn tail that the next opening record repeats."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """An open, locked log. `previous` and `seq` are those of its last whole line.

    `torn` bytes were taken off its end; `torn_text` is how they began. `skipped` says which names
    were tried first, and why not taken. `continues`: it holds no line yet, `seq` and `previous` are
    those of the end of this earlier part. `altered`: a line near its end is not as it was written.
    """

    path: Path
    fd: int
    size: int
    seq: int
    previous: bytes
    torn: int = 0
    torn_text: str = ""
    skipped: tuple[tuple[str, str], ...] = ()
    continues: str = ""
    altered: bool = False

    @property
    def damaged(self) -> str:
        """The first name that is no log, and why not; empty when none was tried."""
        return next((f"{name}: {why}" for name, why in self.skipped if why.startswith("dam")), "")


class _NotThisOneError(Exception):
    """This name cannot be continued; try the next."""


def open_log(path: Path) -> LogFile:
    """Opens `path`, or the first sibling (`name.1.jsonl`, ...) that can be continued.

    A sibling is taken when another process holds the lock or when the last line is not a record:
    nothing is ever written behind a line that cannot be chained from. Raises AuditError when the
    directory or file cannot be made, is not a regular file, or all siblings are taken.
    """
    skipped: list[tuple[str, str]] = []
    for candidate in _names(path):
        try:
            return _open_one(candidate, tuple(skipped))
        except _NotThisOneError as why:
            skipped.append((candidate.name, str(why)))
        except OSError as error:
            raise AuditError(
                f"{candidate}: the audit log cannot be opened: {error.strerror}",
                hint="make the directory writable for this user, or name another --audit-log",
            ) from error
    raise AuditError(
        f"{path}: {MAX_SIBLINGS} audit logs of this name are in use or damaged",
        hint="run: mcpguard audit verify on them, move damaged ones away",
    )


def _names(path: Path) -> Iterator[Path]:
    yield path
    for number in range(1, MAX_SIBLINGS):
        yield path.with_name(f"{path.stem}.{number}{path.suffix}")


def _open_one(path: Path, skipped: tuple[tuple[str, str], ...]) -> LogFile:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(path, _FLAGS, 0o600)
    try:
        _claim(path, fd)
        return _recover(path, fd, skipped)
    except BaseException:
        os.close(fd)
        raise


def _claim(path: Path, fd: int) -> None:
    """Locks `fd` and makes sure that it is still what `path` names."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise AuditError(f"{path}: not a regular file", hint="name a file for --audit-log")
    try:
        private.lock(fd)
    except OSError as error:
        raise _NotThisOneError("held by another process") from error
    _still(path, fd)  # between open and lock its last holder may have moved or deleted it


def _still(path: Path, fd: int) -> None:
    status, named = os.fstat(fd), path.stat()
    if (named.st_ino, named.st_dev) != (status.st_ino, status.st_dev):
        raise _NotThisOneError("replaced while it was opened")


def _recover(path: Path, fd: int, skipped: tuple[tuple[str, str], ...]) -> LogFile:
    """Takes off what stands after the last newline: a write that never finished, never acted on."""
    size = os.fstat(fd).st_size
    tail, cut = _tail(fd, size)
    torn = tail[cut:]
    seq, previous = _last(tail[:cut])
    continues = ""
    if not tail[:cut]:
        seq, previous, continues = _end_of_earlier(path)
        # Who set that part aside may have put the next one in place just before letting go of it.
        _still(path, fd)
    if torn:
        os.ftruncate(fd, size - len(torn))
    text = torn.decode(errors="replace")[:_TORN_TEXT]
    begin = max(0, cut - CHECKED)
    if begin:  # within a line: whole ones alone carry what the next is compared with
        begin = tail.find(b"\n", begin, cut) + 1
    altered = _altered(tail[begin:cut])
    return LogFile(
        path, fd, size - len(torn), seq, previous, len(torn), text, skipped, continues, altered
    )


def _altered(end: bytes) -> bool:
    """Whether a line of `end`, the first apart, does not carry the hash of itself and the former.

    `end`: whole lines.

    Only what takes a millisecond to find: the rest is for `audit verify`.
    """
    lines = [line + b"\n" for line in end.split(b"\n")[:-1]]
    hashes = [carried(line) for line in lines]
    try:
        return any(
            hexlify(link(unhexlify(before), line[:-SEAL_LENGTH])) != own
            for before, line, own in zip(hashes, lines[1:], hashes[1:], strict=False)
        )
    except ValueError:  # what stands there is no hash
        return True


def _tail(fd: int, size: int) -> tuple[bytes, int]:
    """The end of the file, at least its last line, and where in it the last whole line ends."""
    window = min(size, 2 * MAX_LINE)
    tail = _read_at(fd, size - window, window)
    cut = tail.rfind(b"\n") + 1
    if cut == 0 and window < size:
        raise _NotThisOneError("damaged: its end is not a record")
    return tail, cut


def _end_of_earlier(path: Path) -> tuple[int, bytes, str]:
    """Where the chain stands when the log itself has no line: after its newest earlier part.

    Its last holder died while it exchanged them, or the log was taken away.
    """
    parts = earlier_parts(path)
    if not parts:
        return 0, GENESIS, ""
    with private.regular(parts[-1]) as file:
        fd = file.fileno()
        _claim(parts[-1], fd)  # whoever holds it is about to go on with it
        tail, cut = _tail(fd, os.fstat(fd).st_size)
        return *_last(tail[:cut]), parts[-1].name


def earlier_parts(path: Path) -> list[Path]:
    """The parts of the log at `path` that were set aside, oldest first."""
    lead, end, names = f"{path.stem}~", path.suffix, [each.name for each in path.parent.iterdir()]
    parts = [each for each in names if each.startswith(lead) and each.endswith(end)]
    numbers = {each: each[len(lead) : len(each) - len(end)] for each in parts}
    right = [each for each, text in numbers.items() if len(text) == _DIGITS and text.isdecimal()]
    return [path.with_name(each) for each in sorted(right)]


def is_part(path: Path) -> bool:
    """Whether `path` is by its name an earlier part of a log."""
    number = path.stem.rpartition("~")[2]
    return number != path.stem and len(number) == _DIGITS and number.isdecimal()


def earlier_name(path: Path, seq: int) -> Path:
    """What the log at `path` is called once record `seq` is its last."""
    return path.with_name(f"{path.stem}~{seq:0{_DIGITS}}{path.suffix}")


def next_of(path: Path) -> Path:
    """What becomes the log at `path` when that is exchanged."""
    return path.with_name(f".{path.name}.next")


def logs_in(folder: Path) -> list[Path]:
    """The logs in `folder` by name, one whose parts alone are left included. Raises OSError."""
    found = set[Path]()
    for each in folder.iterdir():
        if each.suffix == ".jsonl" and not each.name.startswith("."):
            found.add(log_of(each))
    return sorted(found)


def log_of(path: Path) -> Path:
    """The log that the file at `path` is a part of: another one, or itself."""
    return path.with_name(path.stem.rpartition("~")[0] + path.suffix) if is_part(path) else path


def exchange(path: Path, aside: Path, first: bytes) -> int:
    """A new file with the line `first` is the log at `path`; what was, is `aside`. Its locked fd.

    The caller holds the lock of what was, before and after: nobody goes on with it meanwhile.
    Raises OSError or AuditError, and then nothing was exchanged.
    """
    if os.path.lexists(aside):
        raise AuditError(f"{aside}: is there already", hint="move it away")
    made = next_of(path)
    made.unlink(missing_ok=True)
    fd = os.open(made, _FLAGS | os.O_EXCL, 0o600)
    try:
        private.lock(fd)
        if os.write(fd, first) != len(first):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301 - as for the rest
        path.rename(aside)
        try:
            made.rename(path)
        except OSError:
            aside.rename(path)
            raise
    except BaseException:
        os.close(fd)
        raise
    return fd


def _read_at(fd: int, offset: int, length: int) -> bytes:
    os.lseek(fd, offset, os.SEEK_SET)
    chunks = []
    while length and (chunk := os.read(fd, length)):
        chunks.append(chunk)
        length -= len(chunk)
    return b"".join(chunks)


def _last(whole: bytes) -> tuple[int, bytes]:
    """`seq` and hash of the last line of `whole`, which ends with a newline or is empty.

    A number that no log reaches is no record's: whatever followed it would be refused elsewhere.
    """
    if not whole:
        return 0, GENESIS
    line = whole[whole.rfind(b"\n", 0, -1) + 1 :]
    try:
        seq = orjson.loads(line)["seq"]
        digest = bytes.fromhex(carried(line).decode())
        sealed = line[-SEAL_LENGTH:].startswith(HASH_KEY)
        known = sealed and type(seq) is int and 0 < seq <= MAX_SEQ - _ROOM
    except (ValueError, KeyError, TypeError):
        known, seq, digest = False, 0, b""
    if not known:
        raise _NotThisOneError("damaged: its last line is not a record")
    return seq, digest
