"""Sinks keep every byte in order, whatever a write takes."""

import contextlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.daemon.flow import FAR_MARK, MARK, Sink, below_marks, has_room, other
from mcpguard.model import Side
from mcpguard.wire.framing import MAX_LINE

STEPS = st.lists(st.binary(min_size=1, max_size=40) | st.integers(0, 60), max_size=40)


@pytest.mark.guarantee("flow:nothing-lost")
@given(STEPS)
def test_bytes_leave_in_the_order_they_came_whatever_each_write_takes(
    steps: list[bytes | int],
) -> None:
    sink, put, got = Sink(), b"", b""
    for step in [*steps, *[60] * 100]:
        if isinstance(step, bytes):
            sink.add(step)
            put += step
        elif sink.size:
            data = sink.next()
            taken = bytes(data[:step])
            sink.wrote(len(taken))
            got += taken
        assert sink.size == len(put) - len(got)
    assert got == put


@pytest.mark.guarantee("flow:nothing-lost")
def test_a_full_pipe_takes_a_part_and_the_rest_comes_first() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    sink = Sink()
    text = bytes(range(256)) * 2000
    sink.add(text)
    assert sink.write(writer) is False
    sink.add(b"end")
    assert sink.write(writer) is False
    got = b""
    while sink.size:
        got += os.read(reader, 65536)
        sink.write(writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        got += stream.read()
    assert got == text + b"end"


@pytest.mark.guarantee("flow:nothing-lost")
@given(st.lists(st.integers(0, 200_000) | st.none(), max_size=12))
def test_what_is_written_at_once_is_written_in_order_too(steps: list[int | None]) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.set_blocking(reader, False)
    sink, put, got = Sink(), b"", b""
    sink.fd = writer
    for number, step in enumerate([*steps, *[None] * 40]):
        if step is not None:
            data = bytes([number]) * step
            sink.add(data)
            put += data
        else:
            with contextlib.suppress(BlockingIOError):
                got += os.read(reader, 1 << 20)
            while sink.size and sink.write(writer):
                pass
        assert sink.size <= len(put) - len(got)
    assert (got, sink.size) == (put, 0)
    os.close(reader)
    sink.add(b"nobody reads this")
    assert sink.size == 17
    with pytest.raises(BrokenPipeError):
        sink.write(writer)
    sink.close()
    sink.add(b"more")
    assert (sink.size, sink.fd) == (0, -1)
    os.close(writer)


def test_a_closed_sink_keeps_nothing() -> None:
    sink = Sink()
    sink.add(b"abc")
    sink.close()
    sink.wrote(1)
    sink.add(b"more")
    assert (sink.size, sink.closed, bytes(sink.next())) == (0, True, b"")


def test_writing_to_nobody_raises() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    sink = Sink()
    sink.add(b"x")
    for _ in range(2):  # what could not be written still counts, and is still there
        with pytest.raises(BrokenPipeError):
            sink.write(writer)
        assert sink.size == 1
    sink.add(b"y")
    with pytest.raises(BrokenPipeError):
        sink.write(writer)
    assert (sink.size, bytes(sink.next())) == (2, b"xy")
    os.close(writer)


@pytest.mark.guarantee("flow:bounded-memory")
@pytest.mark.parametrize(
    ("ahead", "back", "room"),
    [
        (0, 0, True),
        (MARK - 1, FAR_MARK - 1, True),
        (MARK, 0, False),
        (0, FAR_MARK, False),
        (0, MARK + MAX_LINE, True),
    ],
)
def test_a_side_is_read_while_what_it_feeds_is_below_the_marks(
    ahead: int, back: int, room: bool
) -> None:
    assert below_marks(ahead, back) is room
    for side in Side:
        sinks = {each: Sink() for each in Side}
        sinks[other(side)].size, sinks[side].size = ahead, back
        assert has_room(sinks, side) is room
