"""Joins framing, session and audit log: bytes in, bytes out, a record before every effect."""

import traceback
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Protocol

from mcpguard.control.kill import KILLED
from mcpguard.daemon.flow import READ_SIZE, Sink, below_marks, other
from mcpguard.daemon.log import Events
from mcpguard.errors import AuditError
from mcpguard.model import Allowed, Side
from mcpguard.proxy.actions import Batch, Feed, Record, Role, Send
from mcpguard.proxy.session import Session
from mcpguard.wire.framing import Dropped, Framer

__all__ = ["LINES_A_TURN", "Engine"]

CRASHED = 70
"""Exit code after a defect of mcpguard itself (EX_SOFTWARE of sysexits.h): nothing passed by it."""

LINES_A_TURN = 256
"""Lines of one side handled before the other side has its turn. 64 KiB of small calls are 600."""


UNWRITABLE = "audit.unwritable"
"""The event of a log that cannot be written: once, until it can be written again."""


class Recording(Protocol):
    """The audit log, or what stands before it."""

    def allow(self, told: Allowed, args: bytes) -> bool:
        """The usual record is in the log. False: nothing was done, `write` is to do it."""

    def write(self, records: Sequence[Record]) -> None:
        """All of `records`, or none and AuditError."""


class Governing(Protocol):
    """What is kept beside the messages: counters and standings, which a store shares."""

    def written(self, records: Sequence[Record]) -> None:
        """These records are in the log."""

    def stir(self) -> None:
        """A turn has ended in which more happened than that one line passed."""


def _unusual(_told: Allowed, _args: bytes) -> bool:
    """For a session without a log: whatever is counted is counted by `Governing`."""
    return False


def _unkept(_: Sequence[Record]) -> None:
    """For a session without a log, or beside which nothing is kept."""


def _unstirred() -> None:
    """For the latter."""


_CR = b"\r"[0]
"""As a number: whether bytes are within bytes is asked by way of a TypeError that nobody sees."""


class _Way:
    """What comes from one side: cut into lines, which may have to wait, and given to `feed`."""

    __slots__ = ("amid", "feed", "framer", "lines")

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.framer = Framer()
        self.lines: deque[bytes | Dropped] = deque()
        self.amid = False
        """What comes next is more than a line: lines wait, one has begun, or all is over."""


class Engine:
    """A `flow.Relay` around one session. Event-loop thread only.

    Order, always: the lines of one read, their records in one write, then what they send. When the
    records cannot be written, the session says what to send instead.
    """

    __slots__ = (
        "_allow",
        "_batch",
        "_failing",
        "_log",
        "_record",
        "_session",
        "_stir",
        "_ways",
        "_written",
        "exit_code",
        "sinks",
    )

    def __init__(
        self,
        session: Session,
        audit: Recording | None,
        log: Events,
        governing: Governing | None = None,
    ) -> None:
        self._session = session
        self._batch = session.batch
        self._record = audit.write if audit is not None else _unkept
        self._allow = audit.allow if audit is not None else _unusual
        self._log = log
        self._written = governing.written if governing is not None else _unkept
        self._stir = governing.stir if governing is not None else _unstirred
        self._failing = False
        self._ways = {Side.HOST: _Way(session.host), Side.SERVER: _Way(session.server)}
        self.sinks = {side: Sink() for side in Side}
        self.exit_code: int | None = None

    @property
    def busy(self) -> bool:
        """Something is held or in flight."""
        return self._session.busy

    def feed(self, side: Side, chunk: bytes) -> bool | None:
        """See `Relay.feed`."""
        way = self._ways[side]
        line, newline, rest = chunk.partition(b"\n")
        if rest or not newline or way.amid or _CR in line or len(line) > READ_SIZE:
            return self._feed(side, way, chunk)
        session, passing = way.feed, None
        try:  # one whole line: the usual case, and the one that is timed
            passing = session(line, monotonic())
            if passing is not None:
                record, args, to, data, _, _ = passing
                allow = self._allow
                if allow(record, args):
                    passing = None
                    return None if self.sinks[to].add(data) else False
                self._batch.add(passing)
                passing = None
            self._commit()
        except Exception as error:  # noqa: BLE001 - a defect of ours must not let anything pass
            if passing is not None:
                self._batch.add(passing)
            self.crash(error)
        return False

    def _feed(self, side: Side, way: _Way, chunk: bytes) -> bool:
        """`feed` of what is not one line alone."""
        lines = way.framer.feed(chunk)
        if self.exit_code is not None:
            return False
        way.lines.extend(lines)
        try:
            self._turn(side, way)
            self._commit()
        except Exception as error:  # noqa: BLE001 - a defect of ours must not let anything pass
            self.crash(error)
            return False
        finally:
            over = self.exit_code is not None
            way.amid = over or bool(way.lines) or way.framer.begun
        return bool(way.lines)

    def _turn(self, side: Side, way: _Way) -> None:
        """Lines up to the mark of a sink; each one's bytes are counted before the next is read."""
        now = monotonic()
        ahead, back = self.sinks[other(side)].size, self.sinks[side].size
        feed, next_line, records, sends = way.feed, way.lines.popleft, *self._lists
        for _ in range(min(len(way.lines), LINES_A_TURN)):
            if not below_marks(ahead, back):
                break
            whole, counted = len(records), len(sends)
            try:
                passing = feed(next_line(), now)
            except Exception:
                self._commit_before(whole, counted)
                raise
            if passing is not None:  # what `Batch.add` does
                record, args, to, data, role, entry = passing
                records.append((record, args))
                sends.append((to, data, role, entry))
            for to, data, _, _ in sends[counted:]:
                if to is side:
                    back += len(data)
                else:
                    ahead += len(data)

    @property
    def _lists(self) -> tuple[list[Record], list[Send]]:
        return self._batch.records, self._batch.sends

    def _commit_before(self, whole: int, counted: int) -> None:
        """The lines before the one that met a defect are decided; what it left is kept."""
        records, sends = self._lists
        told, own = records[whole:], sends[counted:]
        del records[whole:], sends[counted:]
        try:
            self._commit()
        finally:
            self._batch.records += told
            self._batch.sends += own

    def _into_batch(self, way: _Way, line: bytes | Dropped, now: float) -> None:
        passing = way.feed(line, now)
        if passing is not None:
            self._batch.add(passing)

    @property
    def answering(self) -> bool:
        """A request of the host still has an answer to come."""
        return self._session.waiting

    def waiting(self, side: Side) -> bool:
        """Lines from `side` wait for room or their turn."""
        return bool(self._ways[side].lines) and self.exit_code is None

    def tick(self) -> None:
        """Deadlines."""
        try:
            self._session.tick(monotonic())
            self._commit()
        except Exception as error:  # noqa: BLE001 - as in `feed`
            self.crash(error)

    def closed(self, side: Side) -> None:
        """End of file from `side`. An unfinished last line is no message: it is lost."""
        try:
            self._session.closed(side, monotonic())
            self._commit()
        except Exception as error:  # noqa: BLE001 - as in `feed`
            self.crash(error)

    def resume(self) -> None:
        """A person or a store has answered: what waits for it is judged again."""
        if not self._session.holding or self.exit_code is not None:
            return
        try:
            self._session.resume(monotonic())
            self._commit()
        except Exception as error:  # noqa: BLE001 - as in `feed`
            self.crash(error)

    def tell(self, name: str, detail: str) -> None:
        """An event of what goes on beside the messages."""
        self._log.event(name, "warning", {"detail": detail})

    def kill(self, why: str) -> None:
        """What waits for the server is thrown away; what waits for an answer is denied."""
        if self.exit_code is not None:
            return
        self.sinks[Side.SERVER].close()
        try:
            self._session.kill(why, KILLED, monotonic())
            self._commit()
        except Exception as error:  # noqa: BLE001 - as in `feed`
            self.crash(error)

    def crash(self, error: Exception) -> None:
        """Fail closed: what was being decided or recorded is not sent; the session ends, in error.

        Who waits for an answer is told so; the log is, too. What waits for the server is thrown
        away. Each line that was read already has its own commit: one that meets a defect again
        takes no other's denial with it, and what cannot be recorded is denied without a record.
        """
        lost = self._session.take()
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(frame.filename).name}:{frame.lineno}"
        fields = {"what": type(error).__name__, "where": where}
        self._salvage(lambda: self._log.event("session.crashed", "error", fields))
        if self.exit_code is not None:
            self._owed(lost)
            return
        self._end(CRASHED)
        self.sinks[Side.SERVER].close()
        host, now = self._ways[Side.HOST], monotonic()
        why = f"mcpguard itself failed: {fields['what']} at {where}"
        self._salvage(partial(self._session.crash, why, now, lost))
        while host.lines:
            self._salvage(partial(self._into_batch, host, host.lines.popleft(), now))

    def _end(self, code: int) -> None:
        self.exit_code = code
        for way in self._ways.values():
            way.amid = True

    def _salvage(self, step: Callable[[], None]) -> None:
        """One step after a defect, done and committed; or nothing of it but our own words."""
        try:
            step()
            self._commit()
        except Exception:  # noqa: BLE001 - the same defect again, or one that it led to
            self._owed(self._session.take())

    def _owed(self, lost: Batch) -> None:
        """Our own words to the host: whoever asked is not left waiting, whatever else fails."""
        for to, data, role, _ in lost.sends:
            if to is Side.HOST and role is Role.OWN:
                self.sinks[Side.HOST].add(data)

    def _commit(self) -> None:
        batch = self._batch
        records, sends = batch.records, batch.sends
        if records:
            try:
                self._record(records)
            except AuditError as error:
                self._unwritable(error)
                batch = self._session.withdraw(self._session.take())
                sends = batch.sends
            else:
                self._failing = False
                try:
                    self._written(records)
                finally:
                    records.clear()  # they are in the log, whatever became of the rest
        if len(sends) == 1:
            to, data, _, _ = sends.pop()
            self.sinks[to].add(data)
        elif sends:
            for side, sink in self.sinks.items():
                if data := b"".join([data for to, data, _, _ in sends if to is side]):
                    sink.add(data)
            sends.clear()
        if batch.events or batch.stop is not None:
            self._tell(batch)
            batch.clear()
        self._stir()

    def _unwritable(self, error: AuditError) -> None:
        """Said once, until the log can be written again."""
        if not self._failing:
            self._log.event(UNWRITABLE, "error", {"detail": error.message})
        self._failing = True

    def _tell(self, batch: Batch) -> None:
        for event in batch.events:
            if event.name != UNWRITABLE:  # said above, once and with the reason
                self._log.event(event.name, event.level, event.fields)
        if batch.stop is not None and self.exit_code is None:
            self._end(batch.stop.code)
            self._log.event("session.ended", "error", {"why": batch.stop.why})
