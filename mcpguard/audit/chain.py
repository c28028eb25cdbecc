"""AuditLog: the chained, locked, append-only log of one session."""

import contextlib
import os
from binascii import hexlify, unhexlify
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Literal, TypeAlias, cast

from mcpguard.audit.fastpath import BEGUN, KEYED, LONG_ARGS, NEVER, Chained, FastPath
from mcpguard.audit.logfile import LogFile, exchange, open_log
from mcpguard.audit.record import HASH_KEY, LINE_END, Encoder, Field, Record, link, seal
from mcpguard.audit.sync import Syncer, datasync
from mcpguard.errors import AuditError
from mcpguard.model import Allowed, Json, JsonObject

__all__ = ["AuditLog", "Durability"]

Durability: TypeAlias = Literal["grouped", "strict", "none"]
"""When the disk is asked: by a thread beside the session, in each write, or never."""

LOOK_SECONDS = 0.05
"""Seconds of the clock after which a write looks whether the path still names this log, as it was
left. Looking every time would cost more than the record: the kernel writes the file's times with
the next one."""

LONG_WAY = 15
"""A mask of the record's number: one in 16 is left to `write` though `allow` could take it, for
those who look at what is written there."""

SETTLED = 1024
"""Records of a session from which on it is `RARELY`: what is looked for is known well by then."""

RARELY = 63
"""A mask like `LONG_WAY`: one in 64."""

_PERSON = b"mcpguard args v1"
"""BLAKE2b personalisation, 16 bytes: this key's digests of anything else never equal these."""


class AuditLog(FastPath):
    """One session's audit log. Not thread-safe: one caller writes.

    Nothing a record is about may go on before `write` returned. When it raises, none of the records
    is in the file and the chain stands where it stood, so later ones may succeed; they then begin
    with an `audit.gap` record that says how many were withheld.
    """

    __slots__ = (
        "_before",
        "_closed",
        "_counts",
        "_durability",
        "_encoder",
        "_gap",
        "_where",
        "_why",
        "heard",
        "origin",
        "path",
        "skipped",
    )

    def __init__(
        self,
        file: LogFile,
        *,
        key: bytes,
        encoder: Encoder,
        clock: Callable[[], float],
        durability: Durability,
        tracked: bool,
    ) -> None:
        """Use `open`. `file` is locked and stays this object's own."""
        self.origin = file
        self._fresh = bytearray()
        self._tracked = tracked
        self.path = file.path
        self.skipped = file.skipped
        self._fd = file.fd
        self._where = file.path.absolute()
        self._since, self._until = NEVER
        self._second, self._second_text = 0.0, b""
        self._size = file.size
        self.seq = file.seq
        """Of the last record that was written."""
        self.now = 0.0
        """Unix seconds of the last records; of those that could not be written, too."""
        self._before = file.seq
        self._long = self._next_long(file.seq)
        self._previous = file.previous
        self._keyed = blake2b(digest_size=32, key=key, person=_PERSON)
        self._encoder = encoder
        self._forms = {} if durability == "strict" else encoder.known
        self._told = []
        self.heard: Callable[[Mapping[Allowed, int], int, float], None] = _unheard
        """Is told of what `allow` wrote: how often what, the number and the time of the last."""
        self._clock = clock
        self._durability = durability
        self._grouped = durability == "grouped"
        self.syncer = Syncer(file.fd)
        self._counts: Counter[str] = Counter()
        self._gap = 0
        self._why = ""
        self._excess = 0
        self._closed = False

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        key: bytes,
        session: str,
        server: str,
        principal: str,
        clock: Callable[[], float],
        durability: Durability = "grouped",
        tracked: bool = False,
        defaults: Mapping[str, Json] | None = None,
        facts: Mapping[str, Json] | None = None,
        prove: Callable[[JsonObject, bytes], JsonObject] | None = None,
    ) -> "AuditLog":
        """Opens and locks `path`, continues its chain and writes the `session.start` record.

        Args:
            path: The log; `name.1.jsonl` and so on when another process holds it. `.path` tells.
            key: 32 bytes of this install, see `load_or_create_key`.
            session: The session's id, in every record.
            server: The server's name, in every record.
            principal: Who the host is, in every record.
            clock: Unix seconds. May stand still or go back: `seq` orders, not `ts`.
            durability: When the disk is asked.
            tracked: The hashes of the lines are collected for a `Keeper`, see `fresh`.
            defaults: What decision records hold where nothing is said: mode, level, score.
            facts: More for the `session.start` record: lock digest, version, mode.
            prove: What that record says beside what is in it, as it is read back, and the hash of
                the line before it: a proof of who the principal is.

        Raises:
            AuditError: The log cannot be opened or the first record cannot be written.
        """
        encoder = Encoder(
            session=session, server=server, principal=principal, defaults=dict(defaults or {})
        )
        file = open_log(path)
        log = cls(
            file, key=key, encoder=encoder, clock=clock, durability=durability, tracked=tracked
        )
        try:
            if file.continues:
                log.write([(_continuing(file.continues, file.previous), b"")])
            told: JsonObject = {"event": "session.start", **_opening(file), **(facts or {})}
            if prove is not None:
                told |= prove(encoder.read_back(told), log.head)
                # A long text may be cut to make room for the proof, which then is of the cut one.
                told |= prove(encoder.read_back(told), log.head)
            log.write([(told, b"")])
        except BaseException:
            log._release()
            raise
        return log

    def restate(self, level: int, score: int) -> None:
        """What decision records state from now on: see `Encoder.restate`.

        `level`: of the caller. `score`: the least of caller and server, what the trust stage holds
        against a threshold.
        """
        self._encoder.restate(level, score)

    def write(self, records: Sequence[Record]) -> None:
        """Chains `records` and writes them with one write.

        Raises AuditError, with nothing of them in the file; ValueError, before anything is written,
        for a field that only the log itself writes (`seq`, `ts`, `hash`, ...).
        """
        self.tell()
        now = self.now = self._clock()
        if self._gap:
            gap: JsonObject = {"event": "audit.gap", "withheld": self._gap, "detail": self._why}
            records = [(gap, b""), *records]
        try:
            written, usual, previous, hashes = self._put(records, now)
            self.seq, self._previous = self.seq + len(records), previous
            self._size += written  # last: what is written and not noted is a file of another size
            self._long = self._next_long(self.seq)
            if self._tracked:
                self._fresh += hashes
            if not usual:
                self._count(records)
            if self._durability == "grouped":
                self.syncer.wrote(self.seq)
        except BaseException:
            self._since, self._until = NEVER  # the next write sees how far this one came
            raise

    def _put(self, records: Sequence[Record], now: float) -> tuple[int, bool, bytes, bytes]:
        """Writes the lines of `records`: how many bytes, whether all were usual, their hashes."""
        try:
            if self.syncer.failure or not self._since <= now - self._second < self._until:
                self._look(now)
            usual = self.usual(records, now)
            data, previous, hashes = usual or self._chained(records, now)
            written = os.write(self._fd, data)
            if written != len(data) or self._durability == "strict":
                self._finish(written, len(data))
        except OSError as error:
            raise self._withhold(records, error.strerror or str(error)) from error
        except AuditError as error:
            raise self._withhold(records, error.message, error.hint) from error
        return written, usual is not None, previous, hashes

    def _chained(self, records: Sequence[Record], now: float) -> Chained:
        """As `usual`, of whatever records, at whatever moment. Raises ValueError, see `write`."""
        body, seq, previous = self._encoder.body, self.seq, self._previous
        lines: list[bytes] = []
        for told, args in records:
            seq += 1
            text = body(seq, now, told, self._digest(args) if args else b"")
            hashed = BEGUN.copy()  # `record.link` and `record.seal`, spared their calls
            hashed.update(previous + text)
            previous = hashed.digest()
            lines += (text, HASH_KEY, hexlify(previous), LINE_END)
        return b"".join(lines), previous, b"".join(lines[2::4])

    def _next_long(self, seq: int) -> int:
        every = LONG_WAY if seq - self._before < SETTLED else RARELY
        return (seq | every) + 1  # the next multiple

    def tell(self) -> None:
        """Tells `heard` of what `allow` wrote since it was told last."""
        if self._told:
            allowed = {told: form.times for told, form in self._told}
            for _, form in self._told:
                form.times = 0
            self._told.clear()
            self.heard(allowed, self.seq, self.now)

    def _count(self, records: Sequence[Record]) -> None:
        """What other records than allowed ones decided: what is not counted here is one of those.

        No more is missing than is said in them.
        """
        self._gap = 0
        for told, _ in records:
            if type(told) is not Allowed:
                decision = cast("Mapping[str, Field]", told).get("decision")
                self._counts[decision if isinstance(decision, str) else ""] += 1

    def _finish(self, written: int, wanted: int) -> None:
        """What a short write left is no record; under `strict` a whole one waits for the disk."""
        self._excess = written
        if written != wanted:
            raise AuditError(
                f"only {written} of {wanted} bytes were written", hint="make room on the disk"
            )
        datasync(self._fd)
        self._excess = 0

    def _recover(self) -> None:
        """What went wrong before is undone, or said."""
        if self._closed:
            raise AuditError("the log is closed")
        if self._excess:
            self._undo()
        if self.syncer.failure:
            why, self.syncer.failure = self.syncer.failure, ""
            raise AuditError(f"the disk did not take earlier records: {why}", hint="check the disk")

    def _look(self, now: float) -> None:
        """Refuses to write where nobody will read: the name must still be this file, as it was.

        A log that was moved away still holds its records, but the next reader looks here.
        """
        self._since, self._until = NEVER  # whatever is wrong is looked at again by the next write
        self._recover()
        opened = os.fstat(self._fd)
        if opened.st_size != self._size:
            raise AuditError(
                f"somebody else changed the log: {opened.st_size} bytes, {self._size} were written",
                hint="run: mcpguard audit verify on it, then start a new session",
            )
        if not opened.st_nlink:
            raise AuditError("the log was deleted or replaced", hint="start a new session")
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(self._where.stat(), opened):
                self._second, self._second_text = self._encoder.second(now)
                past = now - self._second
                if past >= 0.0 <= self._second:  # before 1970 seconds are cut upward
                    self._since, self._until = past, min(past + LOOK_SECONDS, 1.0)
                return
        raise AuditError("the log was moved away", hint="start a new session")

    def _withhold(self, records: Sequence[Record], why: str, hint: str = "") -> AuditError:
        """Counts what was not written and undoes, after a short write, what is in the file."""
        self._gap += len(records) - (1 if self._gap else 0)
        self._why = why
        self._since, self._until = NEVER
        if self._excess and not self._closed:
            with contextlib.suppress(OSError):  # tried again before the next write
                self._undo()
        return AuditError(
            f"{self.path}: the audit log cannot be written: {why}",
            hint=hint or "make room on the disk, or make the file writable",
        )

    def _undo(self) -> None:
        """Takes off what a failed write left at the end, and not a byte of what was there."""
        os.ftruncate(self._fd, os.fstat(self._fd).st_size - self._excess)
        self._excess = 0

    def args_digest(self, encoded: bytes) -> str:
        """`blake2b-keyed:` and 64 hex: BLAKE2b-256 of `encoded` under this install's key.

        Of more than `LONG_ARGS` bytes it is `blake2b-keyed-sha256:`, and of their SHA-256. Equal
        arguments have equal digests in one install; without the key a guess cannot be checked.
        RFC 7693.
        """
        return self._digest(encoded).decode()

    def _digest(self, encoded: bytes) -> bytes:
        made, kind = self._keyed.copy(), KEYED
        if len(encoded) > LONG_ARGS:
            encoded, kind = sha256(encoded).digest(), b"blake2b-keyed-sha256:"
        made.update(encoded)
        return kind + hexlify(made.digest())

    def fresh(self, *, on: bool = True) -> bytes:
        """The hashes, 32 bytes each, of the lines written since this was asked last.

        `on`: collect further ones.
        """
        made, self._fresh, self._tracked = self._fresh, bytearray(), on
        return unhexlify(made)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._size

    @property
    def head(self) -> bytes:
        """The hash of the last record, 32 bytes."""
        return self._previous

    def time(self) -> float:
        """The clock's time, Unix seconds."""
        return self._clock()

    def sync(self) -> None:
        """The disk has every record, unless it is never to be asked. Raises OSError."""
        if self._durability != "none":
            datasync(self._fd)

    def exchange(self, aside: Path, told: JsonObject) -> Callable[[], None]:
        """Goes on in a new file of the same name, whose first record is `told`; the old is `aside`.

        What is given back finishes the old one, and may take as long as a disk does. Raises
        AuditError, and then the old file goes on.
        """
        if self._closed or self._excess or self._gap:
            raise AuditError(
                f"{self.path}: the audit log cannot be written, nor exchanged",
                hint="make room on the disk",
            )
        self.tell()
        seq, at = self.seq + 1, self._clock()
        text = self._encoder.body(seq, at, told, b"")
        digest = link(self._previous, text)
        line = seal(text, digest)
        try:
            self._look(at)
            fd = exchange(self.path, aside, line)
        except OSError as error:
            raise AuditError(
                f"{self.path}: the audit log cannot be exchanged: {error.strerror}",
                hint="make its folder writable, with room on the disk",
            ) from error
        old, syncer = self._fd, self.syncer
        self._fd, self.syncer, self._size = fd, Syncer(fd), len(line)
        self.seq, self._previous = seq, digest
        self._since, self._until = NEVER
        if self._tracked:
            self._fresh += hexlify(digest)
        self._counts[""] += 1
        if self._durability == "grouped":
            self.syncer.wrote(seq)
        return lambda: self._finish_old(old, syncer)

    def _finish_old(self, fd: int, syncer: Syncer) -> None:
        try:
            syncer.stop()
            if syncer.failure:
                self.syncer.failure = syncer.failure  # the next write says so
            self._sync_old(fd)
        finally:
            os.close(fd)

    def _sync_old(self, fd: int) -> None:
        if self._durability == "none":
            return
        try:
            datasync(fd)
            _sync_folder(self._where.parent)
        except OSError as error:
            self.syncer.failure = error.strerror or str(error)

    def close(self, last: Callable[[], Sequence[Record]] = tuple) -> None:
        """Writes `session.end`, and what `last` then gives; syncs, unlocks. Twice is once.

        Raises AuditError when the closing record could not be written; the file is closed anyway.
        """
        if self._closed:
            return
        try:
            self.write([(self._closing(), b"")])
            self.write(last())
        finally:
            self._release()

    def _closing(self) -> JsonObject:
        written, told = self.seq - self._before, self._counts.copy()
        told["allow"] += written - told.total()
        decisions: JsonObject = {key: n for key, n in told.items() if key and n}
        return {"event": "session.end", "records": written + 1, "decisions": decisions}

    def _release(self) -> None:
        """Ends the thread, syncs what is left, unlocks. An OSError of the last sync is raised."""
        self._closed = True
        self._since, self._until = NEVER  # whoever writes again is told so
        try:
            self.syncer.stop()
            if self._durability != "none":
                self._last_sync()
        finally:
            os.close(self._fd)

    def _last_sync(self) -> None:
        why = self.syncer.failure  # the kernel says it once; asking again would be answered well
        try:
            datasync(self._fd)
        except OSError as error:
            why = error.strerror or str(error)
        if why:
            raise AuditError(
                f"{self.path}: the disk did not take the last records: {why}",
                hint="check the disk",
            )


def _unheard(_allowed: Mapping[Allowed, int], _seq: int, _now: float) -> None:
    """Nobody counts."""


def _continuing(name: str, previous: bytes) -> JsonObject:
    """The first record of a file that goes on with the chain of `name`, after its holder died."""
    return {"event": "audit.continue", "file": name, "previous": previous.hex()}


def _sync_folder(path: Path) -> None:
    """The disk has the names too. Windows has no such thing."""
    if os.name == "nt":
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _opening(file: LogFile) -> JsonObject:
    """What the opening record says of the file it stands in: only what is out of the ordinary."""
    told: JsonObject = {}
    if file.torn:
        told["torn"] = file.torn
        told["torn_text"] = file.torn_text
    if file.skipped:
        told["skipped"] = [{"file": name, "why": why} for name, why in file.skipped]
    return told
