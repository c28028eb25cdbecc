"""From the log into the sinks: a thread for each, which delivers, waits and tries again."""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mcpguard.errors import AuditError
from mcpguard.siem.formats import FORMATS, event_of, framed
from mcpguard.siem.machine import machine
from mcpguard.siem.metering import Meter
from mcpguard.siem.sinks import (
    SINKS,
    Out,
    SinkDownError,
    SinkPartlyError,
    SinkRefusedError,
    Target,
    open_sink,
)
from mcpguard.siem.spool import MAX_RECORDS, Claim, Cursor, Line, Spool, Taken, cursor_path

__all__ = ["GRACE", "Courier", "State", "follow", "once", "states"]

POLL: Final = 0.25
"""Seconds between two looks at a log that had nothing new: what a batch gathers meanwhile."""

FIRST_WAIT: Final = 0.25
LONGEST_WAIT: Final = 30.0
"""Seconds until a collector that is away is tried again: doubled each time, from the first up to
the second, each at random between half of it and all of it."""

PACE: Final = 10.0
"""Seconds between two messages of metrics, unless records come faster than a batch holds."""

SETTLE: Final = 3.0
"""Seconds for which a collector of syslog must go on taking what comes after a batch. One that is
stopped takes a last batch and throws it away, in peace: then all of this time is sent again."""

GRACE: Final = 10.0
"""Seconds in which what waits is still delivered after the session has ended; then the next session
or `audit ship` goes on."""

LAST: Final = 5.0
"""Seconds for a batch that is under way when we are asked to end."""

Say = Callable[[str], None]


class Courier:
    """One sink of one log. Of one thread; nobody else delivers the same while it holds the claim.

    `say`: is told once when the collector goes away, and when it is back. `sinks`: all of them.
    `host`: what the machine is called (`audit.host`); empty: as the system says.
    """

    def __init__(
        self,
        log: Path,
        target: Target,
        say: Say = lambda _: None,
        sinks: Sequence[Target] = (),
        host: str = "",
    ) -> None:
        self.log = log
        self.target = target
        self._spool = Spool(log)
        self._path = cursor_path(log, target.name)
        self._claim = Claim(log.with_name(f".{log.name}.{target.name}.lock"))
        self._say = say
        self._out: Out | None = None
        self._host = host or machine()
        self._failures = 0
        self._unread = ""
        self._meter = _meter(log, target, sinks, self._host)
        self._due = 0.0
        self._unsettled: deque[tuple[float, Cursor]] = deque()
        self.cursor = Cursor()

    def begin(self) -> bool:
        """Claims the sink and reads its cursor; False while another process has it."""
        if not self._claim.take():
            return False
        self.cursor = Cursor.load(self._path, self._say)
        return True

    def end(self) -> None:
        """Closes the sink and lets go of the claim."""
        if self._out is not None:
            self._out.close()
        self._claim.release()

    @property
    def failing(self) -> bool:
        """The last attempt failed, or the log cannot be read."""
        return self._failures > 0 or bool(self._unread)

    def step(self, *, last: bool = False) -> float:
        """Delivers the next batch. Seconds until the next one is worth a try; 0: at once.

        More than 0 means that there is nothing left, that the collector is away (`failing`), or
        that metrics are not due yet. `last`: these are due at once, nothing comes after them.
        """
        now = time.monotonic()
        if not last and now < self._due:
            return self._due - now
        taken = self._taken()
        if not taken.lines:
            return POLL
        if len(taken.lines) < MAX_RECORDS and self._meter is not None:
            self._due = now + PACE
        if taken.lost:
            self._say(f"{taken.lost} records were deleted before {self.target.name} had them")
        before = taken.begin(self.cursor)
        try:
            self.cursor = self._delivered(before, taken.lines)
        except SinkDownError as error:
            return self._down(error)
        self._settle(before)
        if self._failures:
            self._say(f"{self.target.name} is back")
        self._failures = 0
        self._keep()
        return 0.0

    def _taken(self) -> Taken:
        """What comes next: nothing of a log that cannot be read, which is said once."""
        try:
            taken = self._spool.take(self.cursor)
        except OSError as error:
            self._unreadable(f"{error.filename or self.log}: {error.strerror or error}")
            return Taken([])
        self._unread = ""
        return taken

    def _unreadable(self, why: str) -> None:
        if why != self._unread:
            self._say(f"{why}; {self.target.name} has nothing of it until it can be read")
        self._unread = why

    def _settle(self, before: Cursor) -> None:
        """A batch was taken: those that were taken long before it have arrived."""
        if not SINKS[self.target.kind].unsure:
            return
        now = time.monotonic()
        self._unsettled.append((now, before))
        while self._unsettled[0][0] < now - SETTLE:
            self._unsettled.popleft()

    def _down(self, error: SinkDownError) -> float:
        if self._unsettled:
            self.cursor = self._unsettled[0][1]
            self._unsettled.clear()
        self.cursor = replace(self.cursor, error=error.message)
        self._keep()
        if not self._failures:
            self._say(f"{error.message}; what waits is kept in the audit log")
        self._failures += 1
        longest = min(LONGEST_WAIT, FIRST_WAIT * float(1 << min(self._failures, 10)))
        return max(error.after, longest * (0.5 + secrets.randbelow(500) / 1000))

    def _delivered(self, cursor: Cursor, lines: Sequence[Line]) -> Cursor:
        """`cursor` behind `lines`. Raises SinkDownError; then `self.cursor` is behind what was."""
        sent: list[tuple[Line, bytes]] = []
        for line in lines:
            try:
                sent.append((line, self._rendered(line)))
            except ValueError:
                cursor = self._sent(cursor, sent)
                sent = []
                cursor = self._passed_over(cursor, line, "is no record")
        return self._sent(cursor, sent)

    def _sent(self, cursor: Cursor, batch: Sequence[tuple[Line, bytes]]) -> Cursor:
        told = [(line, each) for line, each in batch if each]
        if not told:  # nothing, or nothing that this format tells of
            return _behind(cursor, [line for line, _ in batch])
        try:
            self._opened().send(self._made([each for _, each in told]))
        except SinkRefusedError as error:
            return self._halved(cursor, batch, error)
        except SinkPartlyError as error:
            return self._partly(cursor, batch, error)
        except SinkDownError as error:
            done = told[: error.delivered]
            self.cursor = _behind(cursor, [line for line, _ in done])
            raise
        return _behind(cursor, [line for line, _ in batch])

    def _opened(self) -> Out:
        if self._out is None:
            self._refuse_itself()
            self._out = open_sink(self.target)
        return self._out

    def _made(self, rendered: Sequence[bytes]) -> Sequence[bytes]:
        """What is sent of these: themselves, or one message of what was counted until now."""
        return rendered if self._meter is None else [self._meter.message(rendered)]

    def _partly(
        self, cursor: Cursor, batch: Sequence[tuple[Line, bytes]], error: SinkPartlyError
    ) -> Cursor:
        """The collector took the others; which it did not take, it does not say."""
        self._say(error.message)
        moved = _behind(cursor, [line for line, _ in batch])
        given_up = min(error.rejected, len(batch)) if self._meter is None else 0
        return replace(
            moved, delivered=moved.delivered - given_up, given_up=moved.given_up + given_up
        )

    def _refuse_itself(self) -> None:
        """A file among the logs would be taken for one, and the log itself must stay as it is."""
        if self.target.kind == "file":
            folder = Path(self.target.place).parent
            if folder.resolve() == self.log.parent.resolve():
                raise SinkDownError(f"{self.target.place}: stands in the folder of the audit log")

    def _halved(
        self, cursor: Cursor, batch: Sequence[tuple[Line, bytes]], error: SinkRefusedError
    ) -> Cursor:
        """One record that is never taken must not hold up all that come after it."""
        if len(batch) == 1:
            return self._passed_over(cursor, batch[0][0], error.message)
        if error.whole or self._meter is not None:
            self._say(f"{error.message}: {len(batch)} records are given up")
            passed = batch[-1][0].passed(cursor)
            return replace(passed, given_up=passed.given_up + len(batch))
        middle = len(batch) // 2
        return self._sent(self._sent(cursor, batch[:middle]), batch[middle:])

    def _passed_over(self, cursor: Cursor, line: Line, why: str) -> Cursor:
        self._say(f"record {line.seq} of {self.log.name} is given up: {why}")
        return replace(line.passed(cursor), given_up=cursor.given_up + 1)

    def _rendered(self, line: Line) -> bytes:
        """What is sent of a line. Raises ValueError for one that is no record."""
        event = event_of(line.record(), self._host)
        form = FORMATS[self.target.format]
        made = form.render(event)
        if form.bare or not SINKS[self.target.kind].syslog:
            return made
        return framed(event, made)

    def _keep(self) -> None:
        try:
            self.cursor.save(self._path)
        except OSError as error:  # delivered is delivered: only a restart would repeat it
            self._say(f"{self._path}: the cursor cannot be kept: {error.strerror}")


def _meter(log: Path, target: Target, sinks: Sequence[Target], host: str) -> Meter | None:
    if not FORMATS[target.format].counts:
        return None
    return Meter(log, [each.name for each in sinks], host)


def _behind(cursor: Cursor, lines: Sequence[Line]) -> Cursor:
    if not lines:
        return cursor
    return replace(lines[-1].passed(cursor), delivered=cursor.delivered + len(lines))


# --- several of them -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class State:
    """How far one sink of one log is. `waiting`: records in the log that it has not had."""

    log: Path
    target: Target
    cursor: Cursor
    waiting: int


def states(logs: Sequence[Path], targets: Sequence[Target]) -> Iterator[State]:
    """Of every sink of every log, as its cursor says."""
    for log in logs:
        for target in targets:
            cursor = Cursor.load(cursor_path(log, target.name))
            yield State(log, target, cursor, Spool(log).waiting(cursor))


def once(logs: Sequence[Path], targets: Sequence[Target], say: Say, host: str = "") -> bool:
    """Delivers what waits. False when something still does, was given up, or is lost.

    A collector that is away keeps it waiting, and so does a log that cannot be read; a collector
    that refuses it for good has it given up; what was deleted before it was delivered is lost.

    Raises AuditError when another process delivers some of the same; the rest is done before.
    """
    whole = True
    held: list[str] = []
    for log in logs:
        for target in targets:
            courier = Courier(log, target, say, targets, host)
            if not courier.begin():
                held.append(f"{log}: another process delivers it to {target.name}")
                continue
            try:
                before = courier.cursor.missed
                while courier.step(last=True) == 0.0:
                    pass
            finally:
                courier.end()
            whole = whole and not courier.failing and courier.cursor.missed <= before
    if held:
        rest = "all else was delivered" if whole else "of all else not everything was delivered"
        raise AuditError(
            f"{'; '.join(held)}; {rest}",
            hint="it goes on there: mcpguard audit ship --status shows how far it is",
        )
    return whole


def follow(
    find: Callable[[], Sequence[Path]],
    targets: Sequence[Target],
    say: Say,
    stop: threading.Event,
    over: threading.Event | None = None,
    *,
    host: str = "",
) -> None:
    """Delivers until `stop` is set; with `over`: until that is and nothing waits, or for `GRACE`.

    `find`: the logs there are now. A thread a sink; one that hangs in a collector is left behind.
    """
    rounds = [_Rounds(find, target, say, _Ends(over), targets, host=host) for target in targets]
    threads = [
        threading.Thread(target=each.run, args=(stop,), daemon=True, name=each.target.name)
        for each in rounds
    ]
    for thread in threads:
        thread.start()
    end = _Ends(over)
    while not stop.is_set() and any(each.is_alive() for each in threads) and not end.passed():
        stop.wait(POLL)
    until = time.monotonic() + LAST
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))


class _Ends:
    """When a delivery that goes with a session ends."""

    def __init__(self, over: threading.Event | None) -> None:
        self._over = over
        self._until = float("inf")

    @property
    def over(self) -> bool:
        """The session has ended."""
        return self._over is not None and self._over.is_set()

    @property
    def left(self) -> float:
        """Seconds of the grace that are left; a minute while the session runs."""
        if self.over and self._until == float("inf"):
            self._until = time.monotonic() + GRACE
        return min(60.0, max(0.0, self._until - time.monotonic()))

    def passed(self) -> bool:
        """Whether the grace after the session's end is over."""
        return self.left == 0.0

    def wait(self, stop: threading.Event, seconds: float) -> None:
        """At most so long; not past the session's end, which there is a last look for."""
        early = stop if self._over is None or self._over.is_set() else self._over
        early.wait(min(seconds, self.left))


class _Rounds:
    """One sink of all logs, a batch of each in turn."""

    def __init__(
        self,
        find: Callable[[], Sequence[Path]],
        target: Target,
        say: Say,
        ends: _Ends,
        targets: Sequence[Target],
        *,
        host: str,
    ) -> None:
        self.target = target
        self._host = host
        self._targets = targets
        self._find = find
        self._say = say
        self._ends = ends
        self._couriers: dict[Path, Courier] = {}

    def run(self, stop: threading.Event) -> None:
        """Until `stop`, or the session's end."""
        try:
            while not stop.is_set():
                ended = self._ends.over  # before the look: what was written until then is seen
                whole, wait = self._round(stop)
                if (ended and whole) or self._ends.passed():
                    return
                self._ends.wait(stop, wait)
        finally:
            for courier in self._couriers.values():
                courier.end()

    def _round(self, stop: threading.Event) -> tuple[bool, float]:
        """Whether nothing is left to deliver, and how long to wait."""
        whole, wait = True, POLL
        for log in self._find():
            courier = self._couriers.get(log)
            if courier is None:
                courier = Courier(log, self.target, self._say, self._targets, self._host)
                if not courier.begin():
                    whole = False  # another process delivers it, and may end before it has
                    continue
                self._couriers[log] = courier
            rest = 0.0
            while not (rest or stop.is_set() or self._ends.passed()):
                rest = courier.step(last=self._ends.over)
            wait = max(wait, rest)
            whole = whole and not courier.failing
        return whole, wait
