"""Keeper: signs a running log's checkpoints and sets its parts aside. Beside the messages.

What is quick is done where the log is written (`due`, `take`, `commit`), what is not in a thread
(`sign`, and what `commit` gives back). One at a time, in this order.
"""

import threading
from binascii import unhexlify
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import orjson

from mcpguard import private
from mcpguard.audit.chain import AuditLog
from mcpguard.audit.checkpoint import (
    CHECKPOINT,
    CONTINUED,
    SET_ASIDE,
    Checkpoint,
    Signer,
    read_checkpoint,
)
from mcpguard.audit.logfile import LogFile, earlier_name, earlier_parts
from mcpguard.audit.merkle import BLOCK, HASH, Tree
from mcpguard.audit.record import MAX_LINE, Record, carried
from mcpguard.errors import AuditError
from mcpguard.model import JsonObject

__all__ = ["CHECKPOINT_RECORDS", "CHECKPOINT_SECONDS", "Keeper", "Rotation"]

CHECKPOINT_SECONDS = 60.0
"""Seconds of the clock from one checkpoint to the next, while there are records."""

CHECKPOINT_RECORDS = 10_000
"""Records after which one is due at once: half a second of the busiest session."""

LATE = 200_000
"""Records that a session's end still hashes, in under a second; more wait for the next session."""

MAX_WAITING = 1_000_000
"""Records, 32 bytes each, that wait for a signature that does not come; then the session has none.
"""

PAUSE = 0.0005
"""Seconds after each `BLOCK` of hashes, in which the messages have the interpreter."""

WINDOW = 2 * MAX_LINE
"""Bytes at the end of a log in which its last checkpoint is looked for first."""

_MARK = b'"event":"audit.c'
"""In every line that may hold a checkpoint, and few others."""


class Rotation(NamedTuple):
    """When a part is set aside, and how many are kept. 0: never, and all.

    `size`: bytes; looked at about once a second, so a part is somewhat larger. `age`: seconds since
    its first record.
    """

    size: int = 0
    age: int = 0
    keep: int = 0


class _StoppedError(Exception):
    """The session ends: what is left is for `last`."""


class Keeper:
    """Of one `AuditLog` that is tracked. `failure`: why the newest checkpoint is missing."""

    def __init__(
        self,
        log: AuditLog,
        signer: Signer,
        rotation: Rotation | None = None,
        anchors: Path | None = None,
    ) -> None:
        """`anchors`: a folder that keeps a copy of the newest checkpoint of every log."""
        self._log = log
        self._signer = signer
        self._rotation = rotation or Rotation()
        self._anchors = anchors
        self._began = _began(log.path, log.time())
        self._last = log.time()
        self._own = log.origin.seq
        self._tree: Tree | None = None
        self._batch = bytearray()
        self._seq = log.origin.seq
        self._signed: Checkpoint | None = None
        self._busy = threading.Lock()
        self._stopping = threading.Event()
        self.failure = ""

    def due(self) -> bool:
        """Whether there is something to do. Reads the clock, nothing else."""
        rested = not 0 <= self._log.time() - self._last < CHECKPOINT_SECONDS
        if self.failure:
            return rested
        if self._tree is None:
            return True
        news = self._log.seq - self._own
        return news > 0 and (rested or news >= CHECKPOINT_RECORDS or self._outgrown())

    def take(self) -> None:
        """Takes over what was written since. Before `sign`, where the log is written."""
        lost = len(self._batch) > MAX_WAITING * HASH and bool(self.failure)
        self._batch += self._log.fresh(on=not lost)
        self._seq = self._log.seq
        if lost:
            self._batch.clear()

    def sign(self) -> None:
        """Makes the checkpoint of what was taken. May run in another thread; never raises."""
        with self._busy:
            try:
                self._signed = self._made(pause=PAUSE)
                self.failure = ""
            except _StoppedError:
                return
            except (AuditError, OSError, ValueError) as error:
                self.failure = str(error)

    def commit(self) -> Callable[[], None]:
        """Writes what was signed, and sets the log aside when it is time.

        What is given back may run in another thread. Raises AuditError; then a record is missing,
        or the log goes on as it is.
        """
        signed, self._signed = self._signed, None
        if signed is None and not self.failure:
            return _nothing  # only what was there is read
        self._last = self._log.time()
        if signed:
            self._log.write([({"event": CHECKPOINT, **signed.fields()}, b"")])
        finish = self._set_aside() if self._outgrown() else _nothing
        self._own = self._log.seq
        return finish

    def last(self) -> Sequence[Record]:
        """The record of the last checkpoint, of everything; none when `failure` says why not."""
        self._stopping.set()
        with self._busy:
            self.take()
            if len(self._batch) > LATE * HASH:
                self.failure = f"{len(self._batch) // HASH} records are still to be hashed"
                return []
            try:
                signed = self._made(pause=0.0)
            except (AuditError, OSError, ValueError) as error:
                self.failure = str(error)
                return []
        return [({"event": CHECKPOINT, **signed.fields()}, b"")] if signed else []

    def _outgrown(self) -> bool:
        size, age, _ = self._rotation
        return 0 < size <= self._log.size or 0 < age <= self._log.time() - self._began

    # --- what may take long ----------------------------------------------------------------------

    def _made(self, pause: float) -> Checkpoint | None:
        if self._tree is None:
            self._tree = self._found(pause)
            if pause:
                return None  # nothing of this session is due yet
        tree = self._grown(self._tree, pause)
        self._log.sync()  # what is known elsewhere must be on this disk
        signed = self._signer.sign(tree)
        if self._anchors is not None:
            _anchor(self._anchors, self._log.path, signed)
        return signed

    def _grown(self, tree: Tree, pause: float) -> Tree:
        while self._batch:
            self._wait(pause)
            some = bytes(self._batch[: BLOCK * HASH])
            tree.extend(some)
            del self._batch[: len(some)]
        if tree.size != self._seq:
            raise AuditError(f"{self._log.path}: {tree.size} records are hashed, not {self._seq}")
        return tree

    def _wait(self, pause: float) -> None:
        if pause and self._stopping.wait(pause):
            raise _StoppedError

    def _found(self, pause: float) -> Tree:
        """The tree over what stood in the log when it was opened."""
        file = self._log.origin
        if not file.seq:
            return Tree()
        tree = _followed(_end_of(file), _nothing)
        if tree is None or tree.size != file.seq:
            if not pause:
                raise AuditError(f"{file.path}: the session was too short to read what was there")
            tree = _followed(_all_of(file), lambda: self._wait(pause))
        if tree is None or tree.size != file.seq:
            raise AuditError(
                f"{file.path}: earlier parts of this log are gone, and no checkpoint tells of them",
                hint="move the log away: a new one is signed from its first record",
            )
        return tree

    # --- parts -----------------------------------------------------------------------------------

    def _set_aside(self) -> Callable[[], None]:
        """The log is a part now, and a new one goes on. Raises AuditError, and then it is not."""
        log = self._log
        aside = earlier_name(log.path, log.seq + 1)
        log.write([({"event": SET_ASIDE, "file": aside.name}, b"")])
        told: JsonObject = {"event": CONTINUED, "file": aside.name, "previous": log.head.hex()}
        if self._tree is not None and not self.failure:
            self.take()
            signed = self._signer.sign(self._grown(self._tree, 0.0))
            told |= signed.fields()
        finish = log.exchange(aside, told)
        self._began = self._last
        return lambda: self._finish(finish)

    def _finish(self, finish: Callable[[], None]) -> None:
        finish()
        if self._rotation.keep:
            for part in earlier_parts(self._log.path)[: -self._rotation.keep]:
                part.unlink(missing_ok=True)


def _nothing() -> None:
    """Nothing is left to do."""


def _began(path: Path, now: float) -> float:
    """When the file's first record was written; `now` for a record that does not say."""
    try:
        with private.regular(path) as file:
            return datetime.fromisoformat(orjson.loads(file.readline(MAX_LINE))["ts"]).timestamp()
    except (OSError, ValueError, KeyError, TypeError):
        return now


def _anchor(folder: Path, log: Path, signed: Checkpoint) -> None:
    """Keeps `signed` in `folder` as the newest one of `log`."""
    text = orjson.dumps({"event": CHECKPOINT, "log": str(log), **signed.fields()}) + b"\n"
    private.rewrite(folder / f"{log.name}.anchor", text)


def _end_of(file: LogFile) -> Iterator[bytes]:
    """The last whole lines of what was there when the log was opened; of the part before too."""
    if file.size < WINDOW:
        for part in earlier_parts(file.path)[-1:]:
            yield from _last_lines(part, part.stat().st_size)
    yield from _last_lines(file.path, file.size)


def _last_lines(path: Path, size: int) -> list[bytes]:
    with private.regular(path) as opened:
        opened.seek(max(0, size - WINDOW))
        if size > WINDOW:
            opened.readline()
        return opened.read(size - opened.tell()).splitlines(keepends=True)


def _all_of(file: LogFile) -> Iterator[bytes]:
    for path in (*earlier_parts(file.path), file.path):
        left = file.size if path == file.path else path.stat().st_size
        with private.regular(path) as opened:
            while left > 0 and (line := opened.readline(min(left, MAX_LINE))):
                left -= len(line)
                yield line


def _followed(lines: Iterable[bytes], pause: Callable[[], None]) -> Tree | None:
    """The tree over everything up to the last of `lines`; None when none of them says how.

    It begins with record 1, or with a checkpoint.
    """
    tree: Tree | None = None
    waiting = bytearray()
    first = 0
    for line in lines:
        try:
            first = first or int(orjson.loads(line)["seq"])
            waiting += _hash_in(line)
            if tree is None:
                tree = Tree() if first == 1 else _told(line, first, waiting)
        except (ValueError, KeyError, TypeError):
            return None
        if tree is not None and len(waiting) >= BLOCK * HASH:
            pause()
            tree.extend(bytes(waiting))
            waiting.clear()
    if tree is not None:
        tree.extend(bytes(waiting))
    return tree


def _hash_in(line: bytes) -> bytes:
    """The 32-byte hash that a line carries. Raises ValueError for what is no line."""
    made = unhexlify(carried(line))
    if len(made) != HASH:
        raise ValueError(f"a hash of {len(made)} bytes")
    return made


def _told(line: bytes, first: int, waiting: bytearray) -> Tree | None:
    """The tree of a checkpoint in `line`; what it covers is taken off `waiting`."""
    found = read_checkpoint(orjson.loads(line)) if _MARK in line else None
    if found is None or found.size < first - 1:
        return None
    del waiting[: (found.size + 1 - first) * HASH]
    return found.tree()
