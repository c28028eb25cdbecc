"""Newline framing with a hard limit (MCP stdio transport: one JSON object a line)."""

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["MAX_LINE", "Dropped", "Framer"]

MAX_LINE = 8 * 1024 * 1024
"""Bytes. Below the TypeScript SDK's 10 MiB, at which it closes the transport."""

SMALL = 16 * 1024
"""Bytes. Pieces of an unfinished line that are shorter are gathered in one buffer."""


class Dropped(NamedTuple):
    """A piece of a line that is over the limit. `first` and `end` mark its borders."""

    data: bytes
    first: bool
    end: bool


class Framer:
    """Splits a byte stream into lines; holds at most `limit` bytes of an unfinished one."""

    __slots__ = ("_dropping", "_limit", "_parts", "begun", "unfinished")

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._parts: list[bytes | bytearray] = []
        self._dropping = False
        self.unfinished = 0
        """Bytes of a line that has not ended yet (what is lost when the stream ends here)."""
        self.begun = False
        """What comes next goes on with a line that has begun."""

    def feed(self, chunk: bytes) -> Sequence[bytes | Dropped]:
        """Lines completed by `chunk`, in order, without their newline and one carriage return.

        A line over the limit comes as `Dropped` pieces up to the next newline.
        """
        lines: list[bytes | Dropped] = []
        if b"\n" not in chunk:  # forty times faster than a split that finds nothing
            if chunk:
                self._extend(chunk, lines)
            return lines
        whole = not self.begun and b"\r" not in chunk
        *pieces, tail = chunk.split(b"\n")
        lines += pieces if whole and len(chunk) <= self._limit else map(self._finish, pieces)
        self.begun = False
        if tail:
            self._extend(tail, lines)
        return lines

    def _finish(self, piece: bytes) -> bytes | Dropped:
        if self._dropping:
            self._dropping = False
            return Dropped(piece, first=False, end=True)
        if self.unfinished:
            piece = self._joined(piece)
        if len(piece) > self._limit:
            return Dropped(piece, first=True, end=True)
        return piece[:-1] if piece[-1:] == b"\r" else piece

    def _extend(self, tail: bytes, lines: list[bytes | Dropped]) -> None:
        self.begun = True
        if self._dropping:
            lines.append(Dropped(tail, first=False, end=False))
            return
        if self.unfinished + len(tail) > self._limit:
            lines.append(Dropped(self._joined(tail), first=True, end=False))
            self._dropping = True
        else:
            self._keep(tail)

    def _keep(self, tail: bytes) -> None:
        """Large pieces are joined once, at the end; small ones at once, or each would cost 50 B."""
        parts = self._parts
        self.unfinished += len(tail)
        if len(tail) >= SMALL:
            parts.append(tail)
        elif parts and isinstance(parts[-1], bytearray):
            parts[-1] += tail
        else:
            parts.append(bytearray(tail))

    def _joined(self, end: bytes) -> bytes:
        """The unfinished line and `end`, which leaves none."""
        line = b"".join((*self._parts, end))
        self._parts.clear()
        self.unfinished = 0
        return line
