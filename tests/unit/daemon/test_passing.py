"""Lines that pass one by one: recorded the short way, before they are sent, or not sent at all."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from mcpguard.audit import AuditLog
from mcpguard.audit.verify import read, verify
from mcpguard.daemon.engine import CRASHED, Engine
from mcpguard.daemon.flow import FAR_MARK
from mcpguard.model import DOWN, UP, Allowed, Side
from mcpguard.proxy.actions import Passing, Record
from mcpguard.wire.framing import MAX_LINE, Dropped
from tests.unit.audit.logs import NOON, opened
from tests.unit.proxy import play

ARGUMENTS = {"secret": "swordfish"}


def line(number: int) -> bytes:
    """A call, as the host writes it."""
    params = {"name": "free", "arguments": ARGUMENTS}
    message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
    return orjson.dumps(message) + b"\n"


class Heard:
    """Nobody listens."""

    def event(self, name: str, level: str, fields: Mapping[str, object]) -> None:
        """See `Events`."""


class Log:
    """The log, its governor and who is told: fails at one moment, and notes what went when."""

    def __init__(self, audit: AuditLog) -> None:
        self.audit = audit
        self.fails = ""
        self.short: list[tuple[str, bool]] = []
        self.events: list[str] = []
        self.engine = Engine(play.opened().session, self, self, self)

    def meet(self, moment: str) -> None:
        if self.fails == moment:
            raise ZeroDivisionError("a defect")

    def allow(self, told: Allowed, args: bytes) -> bool:
        self.meet("before")
        sent = any(sink.size for sink in self.engine.sinks.values())
        done = self.audit.allow(told, args)
        if done:
            self.short.append((told.direction, sent))
            self.meet("behind")
        return done

    def write(self, records: Sequence[Record]) -> None:
        self.audit.write(records)

    def written(self, records: Sequence[Record]) -> None:
        """Nothing counts here."""

    def stir(self) -> None:
        self.meet("stir")

    def event(self, name: str, level: str, fields: Mapping[str, object]) -> None:
        self.events.append(name)

    # what happens

    def call(self, number: int) -> list[Any]:
        """What the server gets of it."""
        self.engine.feed(Side.HOST, line(number))
        return self.sent(Side.SERVER)

    def answer(self, wire_id: int) -> list[Any]:
        """What the host gets of it."""
        message = {"jsonrpc": "2.0", "id": wire_id, "result": {"content": []}}
        self.engine.feed(Side.SERVER, orjson.dumps(message) + b"\n")
        return self.sent(Side.HOST)

    def sent(self, side: Side) -> list[Any]:
        sink = self.engine.sinks[side]
        data = bytes(sink.next())
        sink.wrote(len(data))
        return [orjson.loads(line) for line in data.splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """A call and its answer have passed, so the log knows how the next are said."""
    audit = opened(tmp_path / "audit.jsonl", clock=lambda: NOON)
    made = Log(audit)
    (call,) = made.call(1)
    made.answer(call["id"])
    assert made.short == []
    yield made
    audit.close()


@pytest.mark.guarantee("audit:written-before-sent", "audit:one-record-a-decision")
def test_calls_and_answers_are_recorded_the_short_way_before_they_are_sent(log: Log) -> None:
    for number in (2, 3, 4):
        (call,) = log.call(number)
        assert [each["id"] for each in log.answer(call["id"])] == [number]
    assert log.short == [(UP, False), (DOWN, False)] * 3
    calls = [record for record in read(log.audit.path) if "event" not in record]
    assert [record["direction"] for record in calls] == [UP, DOWN] * 4
    digest = log.audit.args_digest(orjson.dumps(ARGUMENTS))
    assert [record["args_digest"] for record in calls] == [digest, ""] * 4
    assert verify(log.audit.path).intact


def test_what_has_passed_leaves_nothing_to_be_done_once_it_is_written(log: Log) -> None:
    reader, writer = os.pipe()
    sink = log.engine.sinks[Side.SERVER]
    try:
        assert log.engine.feed(Side.HOST, line(2)) is False  # it waits for the driver
        sink.wrote(sink.size)
        sink.fd = writer
        assert log.engine.feed(Side.HOST, line(3)) is None
        assert sink.size == 0
        (call,) = [orjson.loads(each) for each in os.read(reader, 4096).splitlines()]
        assert call["params"]["arguments"] == ARGUMENTS
        assert log.engine.feed(Side.HOST, line(4) + line(5)) is False
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.guarantee("flow:nothing-lost")
def test_a_line_that_comes_alone_waits_behind_those_that_wait(log: Log) -> None:
    host = log.engine.sinks[Side.HOST]
    host.add(b"x" * FAR_MARK)
    assert log.engine.feed(Side.HOST, line(2) + line(3)) is True
    assert log.engine.feed(Side.HOST, line(4)) is True
    assert log.sent(Side.SERVER) == []
    host.wrote(FAR_MARK)
    assert log.engine.feed(Side.HOST, line(5)) is False
    records = [each for each in read(log.audit.path) if each.get("args_digest")]
    assert len(log.sent(Side.SERVER)) == 4
    assert len(records) == 5
    assert not log.engine.waiting(Side.HOST)


def test_a_carriage_return_is_no_part_of_a_line(log: Log) -> None:
    (call,) = log.call(2)
    result = b'{"content": [], "x": 123456789012345678901234567890}'
    answer = b'{"jsonrpc": "2.0", "id": %d, "result": %b}\r\n' % (call["id"], result)
    log.engine.feed(Side.SERVER, answer)
    told = bytes(log.engine.sinks[Side.HOST].next())
    assert b"123456789012345678901234567890" in told
    assert b"\r" not in told


@pytest.mark.parametrize(
    ("fails", "last"), [("before", line(2)), ("stir", line(2) + line(3))], ids=["one", "two"]
)
def test_nothing_goes_on_after_the_end(log: Log, fails: str, last: bytes) -> None:
    log.fails = fails
    log.engine.feed(Side.HOST, last)
    log.fails = ""
    assert log.engine.exit_code == CRASHED
    told, records = len(log.sent(Side.HOST)), log.audit.seq
    assert log.engine.feed(Side.HOST, line(4)) is False
    assert log.engine.feed(Side.HOST, line(5) + line(6)) is False
    assert log.engine.feed(Side.HOST, line(7)) is False
    assert (told, log.sent(Side.HOST), log.audit.seq) == (last.count(b"\n"), [], records)


MOMENTS = ("before", "behind")


@pytest.mark.guarantee("session:defect-in-record")
@pytest.mark.parametrize("fails", MOMENTS)
def test_a_call_at_whose_record_we_failed_is_denied_and_never_run(log: Log, fails: str) -> None:
    log.fails = fails
    assert log.call(2) == []
    (told,) = log.sent(Side.HOST)
    assert (told["id"], told["error"]["code"]) == (2, -32603)
    assert "Nothing was run" in told["error"]["message"]
    assert log.engine.exit_code == CRASHED


@pytest.mark.guarantee("session:defect-in-record")
@pytest.mark.parametrize("fails", MOMENTS)
def test_a_result_at_whose_record_we_failed_is_withheld_and_said_to_have_run(
    log: Log, fails: str
) -> None:
    (call,) = log.call(2)
    log.fails = fails
    (told,) = log.answer(call["id"])
    assert (told["id"], told["error"]["code"]) == (2, -32603)
    assert "do not retry" in told["error"]["message"]
    assert log.engine.exit_code == CRASHED


@pytest.mark.guarantee("session:defect-in-record")
@pytest.mark.parametrize(
    "cut",
    [lambda data: [data], lambda data: [data[:20], data[20:]], lambda data: [data[:-1] + b"\r\n"]],
    ids=["whole", "in-pieces", "carriage-return"],
)
def test_the_log_says_that_a_record_is_missing_however_its_line_came(
    tmp_path: Path, cut: Callable[[bytes], list[bytes]]
) -> None:
    audit = opened(tmp_path / "audit.jsonl", clock=lambda: NOON)
    session = play.opened().session
    usual = session.host

    def host(data: bytes | Dropped, now: float) -> Passing | None:
        passing = usual(data, now)
        if passing is not None:
            session.batch.add(passing)
            raise ZeroDivisionError("a defect")
        return None

    session.host = host
    engine = Engine(session, audit, Heard())
    for chunk in cut(line(7)):
        engine.feed(Side.HOST, chunk)
    audit.close()
    told = [(each["event"], each.get("withheld")) for each in read(audit.path) if "event" in each]
    assert told[-3:-1] == [("audit.gap", 1), ("session.crashed", None)]
    assert engine.exit_code == CRASHED


def test_a_whole_line_over_the_limit_is_refused_in_one_piece_too(log: Log) -> None:
    params = {"name": "free", "arguments": {"a": "x" * MAX_LINE}}
    message = {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params}
    log.engine.feed(Side.HOST, orjson.dumps(message) + b"\n")
    assert log.sent(Side.SERVER) == []
    (told,) = log.sent(Side.HOST)
    assert told["error"]["code"] == -32600


def test_of_calls_that_were_on_their_way_when_we_failed_nobody_knows_whether_they_ran(
    log: Log,
) -> None:
    log.fails = "stir"
    log.engine.feed(Side.HOST, line(2) + line(3))
    told = log.sent(Side.HOST)
    assert [(each["id"], each["error"]["code"]) for each in told] == [(2, -32603), (3, -32603)]
    assert all("not known" in each["error"]["message"] for each in told)
