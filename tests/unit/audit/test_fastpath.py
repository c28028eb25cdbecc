"""The short way of a record: what it leaves to the long one, and that the bytes are the same.

Of a log as it is, which is compiled where that was built, and of one that is Python throughout.
"""

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.audit import AuditLog
from mcpguard.audit.chain import LONG_WAY, LOOK_SECONDS, RARELY, SETTLED, Durability
from mcpguard.audit.fastpath import LONG_ARGS, python
from mcpguard.audit.record import Record
from mcpguard.audit.verify import read, verify
from mcpguard.errors import AuditError
from mcpguard.model import DOWN, UP, Allowed
from tests.unit.audit.logs import CALL, NOON, opened, pass_on, write

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

READ = Allowed(UP, "tools/call", "read")
ANSWER = Allowed(DOWN, "tools/call", "read")
ODD = Allowed(UP, "tools/call", '100 % \U0001f600 "')


class InPython(AuditLog):
    """The short way as it is said in Python."""

    __slots__ = ()
    allow = python.FastPath.allow
    usual = python.FastPath.usual


class LongAlone(AuditLog):
    """One that finds nothing usual."""

    __slots__ = ()

    @override
    def allow(self, _told: Allowed, _args: bytes, /) -> bool:
        return False

    @override
    def usual(self, _records: object, _now: float, /) -> None:
        return None


kinds = pytest.mark.parametrize("kind", [AuditLog, InPython])


@dataclass
class Clock:
    """Says what it is told to."""

    now: float = NOON

    def __call__(self) -> float:
        return self.now


@dataclass
class Counted:
    """Who counts what the log writes by itself."""

    times: Counter[Allowed] = field(default_factory=Counter)
    last: tuple[int, float] = (0, 0.0)

    def __call__(self, allowed: Mapping[Allowed, int], seq: int, now: float) -> None:
        self.times.update(allowed)
        self.last = (seq, now)


def warm(
    path: Path, clock: Clock, kind: type[AuditLog], durability: Durability = "none"
) -> AuditLog:
    """A log that has written `READ`, and would take the next one the short way."""
    log = opened(path, clock=clock, durability=durability, kind=kind)
    log.write([(READ, b"")])
    log.write([(READ, b"")])
    return log


steps = st.lists(
    st.tuples(
        st.sampled_from([READ, ANSWER, ODD]),
        st.sampled_from([b"", b"{}", b'{"path":"a"}', b"x" * (LONG_ARGS + 1)]),
        st.sampled_from([0.0, 1e-6, 0.001, LOOK_SECONDS - 0.01, LOOK_SECONDS, 0.8, -0.01, -2.0]),
    ),
    max_size=60,
)


@kinds
@pytest.mark.guarantee("audit:short-way-same-bytes")
@given(steps, st.sampled_from([NOON, 0.0, 1_790_000_000.9999995, 253_402_300_799.5, -5.0]))
def test_both_ways_write_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    kind: type[AuditLog],
    given_: list[tuple[Allowed, bytes, float]],
    start: float,
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    clock, counted, short = Clock(start), Counted(), Counter[Allowed]()
    both, long_alone = (
        opened(folder / f"{each.__name__}.jsonl", clock=clock, tracked=True, kind=each)
        for each in (kind, LongAlone)
    )
    both.heard = counted
    for told, args, later in given_:
        clock.now += later
        short[told] += pass_on(both, told, args)
        long_alone.write([(told, args)])
        assert (both.seq, both.head) == (long_alone.seq, long_alone.head)
        assert both.size == both.path.stat().st_size
    assert both.fresh() == long_alone.fresh()
    both.close()
    long_alone.close()
    assert both.path.read_bytes() == long_alone.path.read_bytes()
    assert verify(both.path).intact
    assert counted.times == +short


@kinds
@pytest.mark.guarantee("audit:short-way-same-bytes")
@given(
    st.lists(steps, max_size=12),
    st.booleans(),
    st.sampled_from([NOON, 0.0, 1_790_000_000.9999995, 253_402_300_799.5, -5.0]),
)
def test_records_written_together_are_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    kind: type[AuditLog],
    given_: list[list[tuple[Allowed, bytes, float]]],
    mixed: bool,
    start: float,
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    clock = Clock(start)
    both, long_alone = (
        opened(folder / f"{each.__name__}.jsonl", clock=clock, tracked=True, kind=each)
        for each in (kind, LongAlone)
    )
    for some in given_:
        records: list[Record] = [(told, args) for told, args, _ in some]
        if mixed and len(records) % 2:
            records.append((CALL, b"{}"))
        for log in (both, long_alone):
            log.write(records)
        assert (both.seq, both.head, both.size) == (
            long_alone.seq,
            long_alone.head,
            long_alone.size,
        )
        clock.now += sum(later for _, _, later in some) / 10
    assert both.fresh() == long_alone.fresh()
    both.close()
    long_alone.close()
    assert both.path.read_bytes() == long_alone.path.read_bytes()
    assert verify(both.path).intact


SEVERAL: dict[str, tuple[list[Record], bool]] = {
    "none": ([], True),
    "one": ([(READ, b"")], True),
    "many": ([(READ, b'{"path":"a"}')] * 300, True),
    "one that was not written before": ([(READ, b""), (ANSWER, b"")], False),
    "one that says more": ([(READ, b""), (CALL, b"")], False),
    "long arguments": ([(READ, b""), (READ, b"x" * (LONG_ARGS + 1))], False),
}


@kinds
@pytest.mark.parametrize(("records", "usual"), SEVERAL.values(), ids=SEVERAL)
def test_several_are_usual_when_each_of_them_is(
    tmp_path: Path, kind: type[AuditLog], records: list[Record], usual: bool
) -> None:
    log = warm(tmp_path / "audit.jsonl", Clock(), kind)
    seq, left = log.seq, log.path.read_bytes()
    made = log.usual(records, NOON)
    assert (log.seq, log.path.read_bytes()) == (seq, left)
    assert (made is not None) is usual
    if made is not None:
        lines, last, hashes = made
        assert len(hashes) == 64 * len(records)
        assert lines.count(b"\n") == len(records)
        log.write(records)
        assert (log.path.read_bytes(), log.head) == (left + lines, last)
    log.close()


def test_what_is_compiled_is_of_this_source() -> None:
    """Say its new digest in python.py when compiled.c changes."""
    source = Path(python.__file__).with_name("compiled.c").read_bytes()
    assert sha256(source).hexdigest() == python.COMPILED


def nothing(log: AuditLog, clock: Clock) -> None:
    """It is the usual moment."""


def until_the_sixteenth(log: AuditLog, clock: Clock) -> None:
    while (log.seq + 1) & LONG_WAY:
        write(log, CALL)


def a_look_is_due(log: AuditLog, clock: Clock) -> None:
    clock.now += LOOK_SECONDS + 1e-6


def the_clock_goes_back(log: AuditLog, clock: Clock) -> None:
    clock.now -= 0.001


def the_clock_says_nothing(log: AuditLog, clock: Clock) -> None:
    clock.now = float("nan")


def another_second(log: AuditLog, clock: Clock) -> None:
    clock.now = NOON + 0.75 - LOOK_SECONDS / 4
    write(log, CALL)
    clock.now += LOOK_SECONDS / 2  # not yet time for a look


def long_after_the_beginning(log: AuditLog, clock: Clock) -> None:
    while log.seq < SETTLED or (log.seq + 1) & LONG_WAY or not (log.seq + 1) & RARELY:
        write(log, CALL)


def the_sixty_fourth_after_the_beginning(log: AuditLog, clock: Clock) -> None:
    while log.seq < SETTLED or (log.seq + 1) & RARELY:
        write(log, CALL)


def the_score_changes(log: AuditLog, clock: Clock) -> None:
    log.restate(2, 310)


def a_sync_failed(log: AuditLog, clock: Clock) -> None:
    log.syncer.failure = "Input/output error"


def it_was_exchanged(log: AuditLog, clock: Clock) -> None:
    log.exchange(log.path.with_name("aside.jsonl"), {"event": "audit.continue"})()


def it_is_closed(log: AuditLog, clock: Clock) -> None:
    log.close()


MOMENTS: list[tuple[Callable[[AuditLog, Clock], None], bool, bool]] = [
    (nothing, True, True),
    (until_the_sixteenth, False, True),
    (long_after_the_beginning, True, True),
    (the_sixty_fourth_after_the_beginning, False, True),
    (a_look_is_due, False, False),
    (the_clock_goes_back, False, False),
    (the_clock_says_nothing, False, False),
    (another_second, False, False),
    (the_score_changes, False, False),
    (a_sync_failed, False, True),  # whoever writes them looks at it
    (it_was_exchanged, False, False),
    (it_is_closed, False, False),
]


@kinds
@pytest.mark.parametrize(("happens", "usual", "several"), MOMENTS)
def test_what_is_not_the_usual_moment_is_left_to_the_long_way(
    tmp_path: Path,
    kind: type[AuditLog],
    happens: Callable[[AuditLog, Clock], None],
    usual: bool,
    several: bool,
) -> None:
    clock = Clock()
    log = warm(tmp_path / "audit.jsonl", clock, kind)
    happens(log, clock)
    seq, left = log.seq, log.path.read_bytes()
    assert (log.usual([(READ, b"")] * 2, clock.now) is not None) is several
    assert log.allow(READ, b"") is usual
    assert log.seq == seq + usual
    assert (log.path.read_bytes() == left) is not usual
    log.syncer.failure = ""
    log.close()


@kinds
@pytest.mark.parametrize(("told", "usual"), [(READ, True), (ANSWER, False)])
def test_what_was_not_written_before_is_left_to_the_long_way(
    tmp_path: Path, kind: type[AuditLog], told: Allowed, usual: bool
) -> None:
    log = warm(tmp_path / "audit.jsonl", Clock(), kind)
    assert log.allow(told, b"") is usual
    log.close()


@kinds
def test_a_session_that_goes_on_with_a_long_log_has_its_own_beginning(
    tmp_path: Path, kind: type[AuditLog]
) -> None:
    clock = Clock()
    log = warm(tmp_path / "audit.jsonl", clock, kind)
    long_after_the_beginning(log, clock)
    log.close()
    log = warm(tmp_path / "audit.jsonl", clock, kind)
    assert log.seq > SETTLED
    while (log.seq + 1) & LONG_WAY or not (log.seq + 1) & RARELY:
        write(log, CALL)
    assert not log.allow(READ, b"")
    log.close()


@kinds
def test_what_is_said_otherwise_after_a_while_is_counted_with_the_rest(
    tmp_path: Path, kind: type[AuditLog]
) -> None:
    log, counted = warm(tmp_path / "audit.jsonl", Clock(), kind), Counted()
    log.heard = counted
    assert log.allow(READ, b"")
    log.restate(2, 310)
    log.restate(1, 500)
    assert not pass_on(log, READ)
    for _ in range(2):
        assert log.allow(READ, b"")
    log.tell()
    log.tell()
    assert counted.times == {READ: 3}
    log.close()


@kinds
def test_a_log_that_waits_for_the_disk_knows_no_short_way(
    tmp_path: Path, kind: type[AuditLog]
) -> None:
    log = warm(tmp_path / "audit.jsonl", Clock(), kind, "strict")
    assert not log.allow(READ, b"")
    log.close()


@kinds
def test_a_record_of_the_short_way_is_synced_with_its_group(
    tmp_path: Path, kind: type[AuditLog]
) -> None:
    log = warm(tmp_path / "audit.jsonl", Clock(), kind, "grouped")
    log.syncer.pending = False  # as after a sync
    assert log.allow(READ, b"")
    assert log.syncer.pending
    log.close()


@kinds
@pytest.mark.parametrize("odd", [(), (({"seq": 1}, b""),)], ids=["at once", "after a failure"])
def test_after_what_was_withheld_the_long_way_says_so_first(
    tmp_path: Path, kind: type[AuditLog], odd: tuple[Record, ...]
) -> None:
    log = warm(tmp_path / "audit.jsonl", Clock(), kind)
    log.syncer.failure = "Input/output error"
    with pytest.raises(AuditError):
        pass_on(log, READ)
    for each in odd:
        with pytest.raises(ValueError, match="seq"):
            log.write([each])
    assert not pass_on(log, READ)
    assert pass_on(log, READ)
    log.close()
    told = [record.get("event") or record["decision"] for record in read(log.path)]
    assert told == ["session.start", "allow", "allow", "audit.gap", "allow", "allow", "session.end"]


class Unmeasured(bytes):
    """Lines that can be written, and not be looked at afterwards."""

    @override
    def __len__(self) -> int:
        raise MemoryError


class Unnoted(AuditLog):
    """Fails between a write and its noting, once."""

    __slots__ = ("failed",)

    @override
    def usual(self, records: Sequence[Record], now: float, /) -> python.Chained | None:
        made = super().usual(records, now)
        if made is None or hasattr(self, "failed"):
            return made
        self.failed = True
        return Unmeasured(made[0]), *made[1:]


def test_no_number_is_written_twice_when_a_record_could_not_be_noted(tmp_path: Path) -> None:
    log = opened(tmp_path / "audit.jsonl", clock=Clock(), kind=Unnoted)
    log.write([(ANSWER, b""), (CALL, b"")])
    with pytest.raises(MemoryError):
        log.write([(ANSWER, b"")] * 2)
    assert not log.allow(ANSWER, b"")
    for _ in range(2):
        with pytest.raises(AuditError, match="somebody else changed the log"):
            log.write([(ANSWER, b"")])
    with pytest.raises(AuditError):
        log.close()
    assert [record["seq"] for record in read(log.path)] == [1, 2, 3, 4, 5]
    assert verify(log.path).intact


@kinds
def test_who_counts_is_told_before_any_other_record_and_when_asked(
    tmp_path: Path, kind: type[AuditLog]
) -> None:
    log, counted = warm(tmp_path / "audit.jsonl", Clock(), kind), Counted()
    log.heard = counted
    assert [pass_on(log, READ) for _ in range(3)] == [True] * 3
    assert not counted.times
    write(log, CALL)
    assert (counted.times, counted.last) == ({READ: 3}, (log.seq - 1, NOON))
    assert pass_on(log, READ)
    log.tell()
    log.tell()
    assert (counted.times, counted.last) == ({READ: 4}, (log.seq, NOON))
    assert pass_on(log, READ)
    log.exchange(log.path.with_name("aside.jsonl"), {"event": "audit.continue"})()
    assert (counted.times, counted.last) == ({READ: 5}, (log.seq - 1, NOON))
    log.close()
