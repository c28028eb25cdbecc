"""What the engine and the drivers share: sinks of bytes, and the marks that bound them."""

import os
from collections.abc import Mapping
from typing import Protocol

from mcpguard.model import Side
from mcpguard.wire.framing import MAX_LINE

__all__ = ["FAR_MARK", "MARK", "READ_SIZE", "Relay", "Sink", "below_marks", "has_room", "other"]

READ_SIZE = 65536
"""Bytes a read. From 128 KiB on, malloc maps fresh pages and a read costs 15 times as much."""

MARK = 1024 * 1024
"""Bytes waiting in a sink at which the side that mainly feeds it is no longer read."""

FAR_MARK = MARK + MAX_LINE + 3 * MARK
"""Bytes waiting in a sink at which the side they are for is no longer read: its requests are denied
into its own sink. More than MARK and one longest line, so that what is relayed never gets there: a
peer that must write before it reads is always heard out."""


class Sink:
    """Bytes waiting for one file descriptor, oldest first. `size`: how many.

    `closed`: nothing will read them, they are thrown away. `blocked`: a driver's note that the last
    write was short. `fd`: where a write never blocks, the driver says so by it: what finds nothing
    waiting is written at once. -1: everything waits for the driver.
    """

    __slots__ = ("_chunks", "blocked", "closed", "fd", "size")

    def __init__(self) -> None:
        self._chunks: list[bytes | memoryview] = []
        self.size = 0
        self.closed = False
        self.blocked = False
        self.fd = -1

    def add(self, data: bytes) -> bool:
        """Append `data`. True: it is written, and nothing waits."""
        if self.size or self.fd < 0:
            self._keep(data)
            return False
        try:
            written = os.write(self.fd, data)
        except OSError:  # the driver's own write finds out which
            written = 0
        if written == len(data):
            return True
        self._keep(memoryview(data)[written:])
        return False

    def _keep(self, data: bytes | memoryview) -> None:
        if data and not self.closed:
            self._chunks.append(data)
            self.size += len(data)

    def write(self, fd: int) -> bool:
        """One write of what waits to `fd`. False: it would block, or took only a part.

        Raises OSError when nobody can read from `fd` any more; what waits then still waits.
        """
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else self.next()
        try:
            written = os.write(fd, data)
        except (BlockingIOError, InterruptedError):
            return False
        if written == self.size:  # the usual case: nothing more to remember
            chunks.clear()
            self.size = 0
            return True
        self.wrote(written)
        return written == len(data)

    def next(self) -> bytes | memoryview:
        """What to write next: the rest of an unfinished write alone, else everything, joined."""
        chunks = self._chunks
        if len(chunks) > 1 and type(chunks[0]) is bytes:
            chunks[:] = [b"".join(chunks)]
        return chunks[0] if chunks else b""

    def wrote(self, count: int) -> None:
        """`count` bytes of what `next` gave are gone; its rest comes first."""
        if self.closed or not count:
            return
        self.size -= count
        data = self._chunks[0]
        if count == len(data):
            del self._chunks[0]
        else:  # a view, not a slice: copying what is left of 8 MiB each time is quadratic
            self._chunks[0] = memoryview(data)[count:]

    def close(self) -> None:
        """Throw away what waits, and everything added later."""
        self._chunks.clear()
        self.size = 0
        self.closed = True
        self.fd = -1


class Relay(Protocol):
    """The engine as a driver sees it. Called from the event loop's thread alone."""

    @property
    def sinks(self) -> Mapping[Side, Sink]:
        """The bytes to write to each side; the driver drains them after every call."""

    @property
    def busy(self) -> bool:
        """Something is held or in flight: `tick` is wanted once a second."""

    @property
    def answering(self) -> bool:
        """A request of the host still has an answer to come: the end of a session waits for it."""

    @property
    def exit_code(self) -> int | None:
        """Not None: the session must end with this code, after the sinks are drained."""

    def feed(self, side: Side, chunk: bytes) -> bool | None:
        """Bytes from `side`; empty: go on with lines that waited. True: lines still wait.

        None: the one line that they are has passed and is written; nothing is left to be done.
        """

    def waiting(self, side: Side) -> bool:
        """Lines from `side` wait for room or their turn: `feed(side, b"")` when there is room."""

    def tick(self) -> None:
        """A second has passed."""

    def closed(self, side: Side) -> None:
        """End of file from `side`. Called once a side."""

    def kill(self, why: str) -> None:
        """A person ends the session now: `exit_code` is set, nothing more is for the server."""


def other(side: Side) -> Side:
    """The peer of `side`."""
    return Side.SERVER if side is Side.HOST else Side.HOST


def has_room(sinks: Mapping[Side, Sink], side: Side) -> bool:
    """Whether bytes from `side` may be read: the sinks that they feed are below their marks."""
    return below_marks(sinks[other(side)].size, sinks[side].size)


def below_marks(ahead: int, back: int) -> bool:
    """`ahead`: bytes waiting for the peer of a side; `back`: bytes waiting for that side itself."""
    return ahead < MARK and back < FAR_MARK
