"""The audit log as the queue of a sink: what comes after a cursor, in order, through its parts.

What is not delivered stands in the log already, so nothing is copied and nothing fills the memory.
A cursor names the last record that was delivered by its number and hash; where it was is a hint. So
a log that was set aside is found again, and one that was replaced is not taken for the same.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import orjson

from mcpguard.audit.logfile import earlier_parts
from mcpguard.audit.record import MAX_LINE, SEAL_LENGTH, carried
from mcpguard.model import MAX_SEQ, Json, JsonObject
from mcpguard.private import lock, regular, rewrite

__all__ = ["Claim", "Cursor", "Line", "Spool", "Taken", "cursor_path"]

MAX_RECORDS = 500
"""Of a batch."""

MAX_BYTES = 512 * 1024
"""Of a batch, before it is rendered; one record may be as long as a line may be."""

MAX_CURSOR = 64 * 1024
"""Bytes of a cursor's file, which has some hundred, and what a collector said."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a sink is. `seq`, `hash`: of the last record that needs no delivery any more.

    Of lost ones there is no hash: then it is that of the record before them. `inode`, `offset`:
    where the next one is, if nobody moved it. `delivered`: records. `given_up`: records that the
    collector never takes. `lost`: that were deleted before they were delivered. `error`: why the
    last attempt failed; empty after one that did not.
    """

    seq: int = 0
    hash: str = ""
    inode: int = 0
    offset: int = 0
    delivered: int = 0
    given_up: int = 0
    lost: int = 0
    error: str = ""

    @classmethod
    def load(cls, path: Path, say: Callable[[str], None] = lambda _: None) -> "Cursor":
        """The cursor in the file at `path`; one at the beginning when there is none to be read.

        `say`: is told of one that is there and is none.
        """
        try:
            with regular(path) as file:
                told = orjson.loads(file.read(MAX_CURSOR))
            fields = {key: _number_of(told[key], most) for key, most in _NUMBERS.items()}
            digest = _text_of(told["hash"])
            digest.encode("latin-1")
            return cls(**fields, hash=digest, error=_text_of(told["error"]))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, TypeError, KeyError) as error:
            why = (isinstance(error, OSError) and error.strerror) or "it is not as it was written"
            say(f"{path}: the cursor cannot be read: {why}; delivery begins anew, some comes twice")
            return cls()

    @property
    def missed(self) -> int:
        """Records that the sink will never have: given up, or deleted before it had them."""
        return self.given_up + self.lost

    def save(self, path: Path) -> None:
        """Whole or not at all. Raises OSError."""
        rewrite(path, orjson.dumps({name: getattr(self, name) for name in self.__slots__}))


_NUMBERS: Final = {
    "seq": MAX_SEQ,
    "inode": 2**64 - 1,
    "offset": 2**63 - 1,
    "delivered": MAX_SEQ,
    "given_up": MAX_SEQ,
    "lost": MAX_SEQ,
}
"""The numbers of a cursor, and the greatest that each may be."""


def _number_of(value: Json, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError("number")
    return value


def _text_of(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("text")
    return value


def cursor_path(log: Path, sink: str) -> Path:
    """Where the cursor of a sink for that log is kept, by its name: beside the log."""
    return log.with_name(f".{log.name}.{sink}.cursor")


class Claim:
    """A lock on the file at `path`: of two processes one delivers. Ends with its process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def take(self) -> bool:
        """False while another process has it, and where no file can be made."""
        with suppress(OSError):
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            lock(self._fd)
            return True
        self.release()
        return False

    def release(self) -> None:
        """Twice is once."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


class Line(NamedTuple):
    """One record: its bytes, and where the next one begins."""

    text: bytes
    seq: int
    hash: str
    inode: int
    end: int

    def record(self) -> JsonObject:
        """What it says. Raises ValueError for a line that is no record."""
        told = orjson.loads(self.text)
        if not isinstance(told, dict) or "seq" not in told:
            raise ValueError("no record")
        return told

    def passed(self, cursor: Cursor) -> Cursor:
        """`cursor` behind this line."""
        return replace(
            cursor, seq=self.seq, hash=self.hash, inode=self.inode, offset=self.end, error=""
        )


class Taken(NamedTuple):
    """What comes next. `lost`: records that should come before them and are gone."""

    lines: list[Line]
    lost: int = 0

    def begin(self, cursor: Cursor) -> Cursor:
        """`cursor` behind the lost ones, which the next try does not count again."""
        return replace(cursor, seq=cursor.seq + self.lost, lost=cursor.lost + self.lost)


class Spool:
    """Of the log at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def take(self, cursor: Cursor) -> Taken:
        """The next records behind `cursor`, at most a batch; none when there are none yet.

        A log that is not there, or is just being set aside, has none. Raises OSError for one that
        cannot be read.
        """
        try:
            parts = self._parts()
            with self._at(parts, cursor) as file:
                lines = _lines(file, cursor.seq)
            if parts != self._parts():
                return Taken([])  # it was set aside meanwhile: that part comes first
        except FileNotFoundError:
            return Taken([])
        return Taken(lines, max(0, lines[0].seq - cursor.seq - 1) if lines else 0)

    def waiting(self, cursor: Cursor) -> int:
        """Records in the log behind `cursor`: looks at the last one only."""
        try:
            with regular(self._parts()[-1]) as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - 2 * MAX_LINE))
                whole = file.read().rpartition(b"\n")[0].rpartition(b"\n")[2]
            return max(0, int(orjson.loads(whole)["seq"]) - cursor.seq)
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _parts(self) -> list[Path]:
        """The files there are, oldest first. Raises OSError when there is none."""
        earlier = earlier_parts(self.path)
        return [*earlier, self.path] if self.path.exists() or not earlier else earlier

    def _at(self, parts: list[Path], cursor: Cursor) -> BinaryIO:
        """The part in which the next record stands or will stand, there. Raises OSError."""
        for number, part in enumerate(parts):
            file = regular(part)
            if os.fstat(file.fileno()).st_ino == cursor.inode and _ends_there(file, cursor):
                if number + 1 == len(parts) or file.peek(1):
                    return file
                file.close()
                return regular(parts[number + 1])
            file.close()
        return self._searched(parts, cursor)

    def _searched(self, parts: list[Path], cursor: Cursor) -> BinaryIO:
        """Where `cursor` is by its number and hash. Another log is read from its beginning."""
        for part in parts:
            file = regular(part)
            if not cursor.seq or _first(file) > cursor.seq:
                return file
            if _found(file, cursor):
                if file.peek(1) or part == parts[-1]:
                    return file
                file.close()
                return regular(parts[parts.index(part) + 1])
            file.close()
        return regular(parts[0])


def _ends_there(file: BinaryIO, cursor: Cursor) -> bool:
    """Whether the record of `cursor` ends at its offset, by its hash. Leaves the file there.

    What stands where a hash should be, of a line that is no record, is compared likewise.
    """
    if cursor.offset > os.fstat(file.fileno()).st_size:
        return False
    file.seek(max(0, cursor.offset - SEAL_LENGTH))
    seal = file.read(min(cursor.offset, SEAL_LENGTH))
    file.seek(cursor.offset)
    return seal.endswith(b"\n") and seal[:-3].endswith(cursor.hash.encode("latin-1"))


def _first(file: BinaryIO) -> int:
    """The number of the first record; 0 when there is none. Leaves the file at its beginning."""
    line = file.readline(MAX_LINE)
    file.seek(0)
    return _number(line) or 0


def _found(file: BinaryIO, cursor: Cursor) -> bool:
    """Reads on to behind the record of `cursor`; False when it is not in the file."""
    while (line := file.readline(MAX_LINE)).endswith(b"\n"):
        if _number(line) == cursor.seq:
            return carried(line) == cursor.hash.encode()
    return False


def _number(line: bytes) -> int | None:
    try:
        return _number_of(orjson.loads(line)["seq"], MAX_SEQ)
    except (ValueError, KeyError, TypeError):
        return None


def _skipped(file: BinaryIO) -> bytes:
    """Reads to the end of a line; that end, or nothing where there is none yet."""
    while piece := file.readline(MAX_LINE):
        if piece.endswith(b"\n"):
            return b"\n"
    return b""


def _lines(file: BinaryIO, before: int) -> list[Line]:
    """Whole lines from here on. A line that is no record counts as the next number."""
    inode = os.fstat(file.fileno()).st_ino
    made: list[Line] = []
    seq, size = before, 0
    while len(made) < MAX_RECORDS and size < MAX_BYTES:
        text = file.readline(MAX_LINE)
        if len(text) == MAX_LINE and not text.endswith(b"\n"):
            text = _skipped(file)  # no record is so long
        if not text.endswith(b"\n"):
            break
        size += len(text)
        number = _number(text)
        seq = number if number is not None else seq + 1
        digest = carried(text).decode("latin-1")
        made.append(Line(text[:-1], seq, digest, inode, file.tell()))
    return made
