"""What was done to a log: runs of lines that link to each other, put back in order.

Reading gives a new run wherever a line does not follow from the line before. The runs whose record
numbers rise, taken so that they hold the most lines, are the log; every other run was moved or
inserted, a number nobody holds was removed, and a break that none of this explains is a change.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mcpguard.audit.checkpoint import CHECKPOINT
from mcpguard.audit.record import GENESIS, HASH_KEY, SEAL_LENGTH, carried, link, seal
from mcpguard.model import MAX_SEQ, JsonObject

__all__ = ["MAX_RUNS", "Line", "Problem", "Runs", "split"]

MAX_RUNS = 1000
"""Runs. A log broken more often is not diagnosed further: a person needs the first few."""

LOOK_BACK = 64
"""Lines. How far back a line that does not follow from its neighbour is linked to."""

UNREADABLE = -1
"""The `seq` of a line that is not a record."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that was done to the log.

    `line` counts from 1; `what` is `changed`, `removed`, `inserted`, `reordered`, `spliced` or
    `forked`; of checkpoints `forged`, `foreign` (another key's), `unsigned`, `truncated`, `forked`.
    """

    line: int
    what: str
    message: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it stands in the file. `seq` is `UNREADABLE` when it is not a record."""

    number: int
    seq: int
    session: str
    event: str
    body: bytes
    digest: bytes
    bodies: tuple[bytes, ...]

    def follows(self, previous: bytes) -> bool:
        """Whether this line was chained onto the line with hash `previous`."""
        return self.digest == link(previous, self.body)


def split(number: int, text: bytes, record: JsonObject) -> Line:
    """The line `text` (newline included) taken apart; `record` is its JSON, or empty."""
    seq, session, event = (record.get(key) for key in ("seq", "session", "event"))
    try:
        digest = bytes.fromhex(carried(text).decode("ascii"))
    except ValueError:
        digest = b""
    body = text[:-SEAL_LENGTH]
    return Line(
        number=number,
        seq=seq if type(seq) is int and 0 < seq <= MAX_SEQ else UNREADABLE,
        session=session if isinstance(session, str) else "",
        event=event if isinstance(event, str) else "",
        # A line whose seal is misspelt follows from nothing, whatever its hash says.
        body=body if text == seal(body, digest) else b"",
        digest=digest,
        bodies=(body, text[: text.rfind(HASH_KEY)]),
    )


@dataclass(slots=True, eq=False)
class _Run:
    """Consecutive lines `first`..`last`, numbered `seq` upward, each linked to the one before.

    `linked`: it is known what the first line was chained onto. `head`: None in the part that was
    split off another run. `forks`: another record goes on from where it does.
    """

    first: int
    last: int
    seq: int
    linked: bool
    head: Line | None
    tail: bytes
    tail_session: str = ""
    tail_event: str = ""
    second_session: str = ""
    forks: bool = False

    @property
    def length(self) -> int:
        return self.last - self.first + 1

    @property
    def last_seq(self) -> int:
        return self.seq + self.length - 1

    @property
    def lines(self) -> str:
        return (
            f"line {self.first}" if self.first == self.last else f"lines {self.first}-{self.last}"
        )


class Runs:
    """Takes lines in file order, the first that does not follow onwards."""

    def __init__(
        self,
        recent: deque[tuple[int, bytes]],
        session: str,
        event: str,
        before: tuple[int, bytes] = (0, GENESIS),
    ) -> None:
        """The log is sound up to the last of `recent` (line, hash), which is of `session`.

        `before`: the number and the hash of the record that the first line goes on from.
        """
        number, digest = recent[-1]
        first = before[0] + 1
        self._before = before
        self._runs = [_Run(1, number, first, True, None, digest, session, event)] if number else []
        self._recent = recent
        self._alternates: tuple[bytes, ...] = ()

    @property
    def full(self) -> bool:
        """Whether it is broken so often that reading on names nothing more."""
        return len(self._runs) >= MAX_RUNS

    def take(self, line: Line) -> None:
        """Puts the next line where it belongs."""
        previous = self._recent[-1][1]
        if self._runs and self._follows(line, previous):
            self._extend(line)
        else:
            self._begin(line)
        # When a line is not what its hash says, the next may follow from what it should say.
        sound = line.follows(previous)
        self._alternates = () if sound else tuple(link(previous, body) for body in line.bodies)
        self._recent.append((line.number, line.digest))

    def _follows(self, line: Line, previous: bytes) -> bool:
        return line.follows(previous) or any(line.follows(other) for other in self._alternates)

    def _extend(self, line: Line) -> None:
        run = self._runs[-1]
        if run.length == 1 and not run.linked and line.seq > 1:
            run.seq = line.seq - 1  # what follows it shows which record it was
        if run.seq == UNREADABLE or line.seq != run.last_seq + 1:
            run = self._start(line, linked=True)
        elif run.length == 1:
            run.second_session = line.session
        run.last, run.tail = line.number, line.digest
        if line.event != CHECKPOINT:  # one stands behind the end of a session
            run.tail_session, run.tail_event = line.session, line.event

    def _begin(self, line: Line) -> None:
        origin = next((at for at, digest in self._recent if line.follows(digest)), None)
        forks = all(digest != line.digest for _, digest in self._recent)  # not a copy
        if origin is not None:
            self._split_after(origin, forks=forks)
        self._start(line, linked=origin is not None).forks = forks and origin is not None

    def _start(self, line: Line, *, linked: bool) -> _Run:
        at = line.number
        run = _Run(at, at, line.seq, linked, line, line.digest, line.session, line.event)
        self._runs.append(run)
        return run

    def _split_after(self, number: int, *, forks: bool) -> None:
        """Lines after `number` that this line passes over become a run of their own."""
        for at, run in enumerate(self._runs):
            if run.first <= number < run.last:
                seq = run.seq + number + 1 - run.first
                ends = run.tail, run.tail_session, run.tail_event
                rest = _Run(number + 1, run.last, seq, True, None, *ends, forks=forks)
                run.last, run.tail = number, dict(self._recent)[number]
                self._runs.insert(at + 1, rest)
                return

    def problems(self) -> tuple[Problem, ...]:
        """What was done, in file order."""
        return tuple(_name(self._runs, self._before))


def _name(runs: Sequence[_Run], begin: tuple[int, bytes]) -> Iterator[Problem]:
    kept = _longest([run for run in runs if run.seq != UNREADABLE])
    moved = _moved(runs, kept)
    ends = {run.last_seq: run.tail for run in (*kept, *moved)} | dict([begin])
    before: _Run | None = None
    garbled: list[_Run] = []
    for run in runs:
        if run.seq == UNREADABLE:
            garbled.append(run)
        elif run in moved:
            yield _reordered(run)
        elif run not in kept:
            yield _inserted(run)
        else:
            missing = _missing(range((before.last_seq if before else begin[0]) + 1, run.seq), moved)
            yield from _garbled(garbled, missing)
            gone = sum(map(len, missing)) - len(garbled)
            place = (before.last_seq, before.tail) if before else begin
            if gone > 0 and run.head is not None and _renumbered(run.head, place):
                yield _broken(run, run.head, before)
            elif gone > 0:
                yield _removed(run, missing, gone)
            elif run.head is not None and not garbled:
                yield from _linked(run, run.head, before, ends.get(run.seq - 1, b""))
            before, garbled = run, []
    ended = before is not None and before.tail_event == "session.end"
    yield from _garbled(garbled, [] if ended else [range(len(garbled))])


def _longest(runs: Sequence[_Run]) -> list[_Run]:
    """The runs with rising numbers that hold the most lines; linked ones, then early ones, win."""
    best: list[tuple[int, int]] = []
    for at, run in enumerate(runs):
        before = max(
            ((best[i][0], -i) for i in range(at) if runs[i].last_seq < run.seq), default=(0, 1)
        )
        best.append((before[0] + 2 * run.length + run.linked, -before[1]))
    chosen = []
    at = max(range(len(best)), key=lambda i: (best[i][0], -i), default=-1)
    while at >= 0:
        chosen.append(runs[at])
        at = best[at][1]
    return chosen[::-1]


def _moved(runs: Sequence[_Run], kept: Sequence[_Run]) -> list[_Run]:
    """Runs out of place whose numbers nobody else holds and that fit into the log."""
    found: list[_Run] = []
    for run in sorted(runs, key=lambda run: run.seq):
        placed = (*kept, *found)
        if run.seq == UNREADABLE or run in kept:
            continue
        if run.seq > max(other.last_seq for other in placed) + 1:
            continue
        if all(run.last_seq < other.seq or other.last_seq < run.seq for other in placed):
            found.append(run)
    return found


def _missing(numbers: range, moved: Iterable[_Run]) -> list[range]:
    """The stretches of `numbers` that no moved run holds."""
    stretches, at = [], numbers.start
    for run in sorted(moved, key=lambda run: run.seq):
        if numbers.start <= run.seq < numbers.stop:
            stretches.append(range(at, run.seq))
            at = run.last_seq + 1
    stretches.append(range(at, numbers.stop))
    return [stretch for stretch in stretches if stretch]


def _linked(run: _Run, head: Line, before: _Run | None, end: bytes) -> Iterator[Problem]:
    """What is wrong with a run that stands where its number belongs."""
    if not head.follows(end):
        yield _broken(run, head, before)


def _renumbered(head: Line, before: tuple[int, bytes]) -> bool:
    """Whether only the line's number was changed: with the next one in its place it is sound."""
    seq, end = before[0] + 1, before[1]
    right = head.body.replace(b'"seq":%d,' % head.seq, b'"seq":%d,' % seq, 1)
    return head.digest == link(end, right)


def _removed(run: _Run, missing: list[range], gone: int) -> Problem:
    count = "a record was" if gone == 1 else f"{gone} records were"
    numbers = ", ".join(
        f"{part.start}" if len(part) == 1 else f"{part.start} to {part[-1]}" for part in missing
    )
    return Problem(
        run.first, "removed", f"{count} removed before this line (seq {numbers} missing)"
    )


def _broken(run: _Run, head: Line, before: _Run | None) -> Problem:
    known = before.tail_session if before else ""
    if before and before.tail_event == "session.end" and head.event != "session.start":
        return Problem(
            run.first, "inserted", "inserted: it stands behind the end of a session, in none"
        )
    # One line of another session may be a changed name; two that agree are no accident.
    if run.second_session == head.session != known and head.event != "session.start":
        return Problem(run.first, "spliced", f"spliced: {run.lines} were written for another log")
    return Problem(run.first, "changed", "changed: its text does not give the hash it carries")


def _reordered(run: _Run) -> Problem:
    numbers = f"seq {run.seq}" if run.length == 1 else f"seq {run.seq} to {run.last_seq}"
    return Problem(run.first, "reordered", f"reordered: {run.lines} ({numbers}) stood elsewhere")


def _inserted(run: _Run) -> Problem:
    if run.seq == 1 and run.head is not None and run.head.follows(GENESIS):
        return Problem(run.first, "inserted", f"inserted: {run.lines} begin another log")
    if run.forks:
        said = f"forked: {run.lines} go on from record {run.seq - 1} as the log itself does"
        return Problem(run.first, "forked", said)
    said = f"inserted: the place of {run.lines} in the log (seq {run.seq}) is taken"
    return Problem(run.first, "inserted", said)


def _garbled(runs: Sequence[_Run], missing: Iterable[range]) -> Iterator[Problem]:
    """Lines that are no records: changed where a record is missing, otherwise inserted."""
    room = sum(map(len, missing))
    for at, run in enumerate(runs):
        if at < room:
            yield Problem(run.first, "changed", "changed: it is not an audit record any more")
        else:
            yield Problem(run.first, "inserted", "inserted: it is not an audit record")
