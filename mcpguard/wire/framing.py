"""Newline framing with a hard limit (MCP stdio transport: one JSON object a line)."""

from dataclasses import dataclass

__all__ = ["MAX_LINE", "Dropped", "Framer"]

MAX_LINE = 8 * 1024 * 1024
"""Bytes. Below the TypeScript SDK's 10 MiB, at which it closes the transport."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A piece of a line that is over the limit. `first` and `end` mark its borders."""

    data: bytes
    first: bool
    end: bool


class Framer:
    """Splits a byte stream into lines; holds at most `limit` bytes of an unfinished one."""

    __slots__ = ("_dropping", "_limit", "_part")

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._part = bytearray()
        self._dropping = False

    def feed(self, chunk: bytes) -> list[bytes | Dropped]:
        """Lines completed by `chunk`, in order, without their newline and one carriage return.

        A line over the limit comes as `Dropped` pieces up to the next newline.
        """
        pieces = chunk.split(b"\n")
        tail = pieces.pop()
        odd = self._part or self._dropping or b"\r" in chunk or len(chunk) > self._limit
        lines: list[bytes | Dropped]
        lines = [self._finish(piece) for piece in pieces] if odd else [*pieces]
        if tail:
            self._extend(tail, lines)
        return lines

    def _finish(self, piece: bytes) -> bytes | Dropped:
        if self._dropping:
            self._dropping = False
            return Dropped(piece, first=False, end=True)
        if self._part:
            self._part += piece
            piece = bytes(self._part)
            self._part.clear()
        if len(piece) > self._limit:
            return Dropped(piece, first=True, end=True)
        return piece[:-1] if piece[-1:] == b"\r" else piece

    def _extend(self, tail: bytes, lines: list[bytes | Dropped]) -> None:
        if self._dropping:
            lines.append(Dropped(tail, first=False, end=False))
            return
        self._part += tail
        if len(self._part) > self._limit:
            lines.append(Dropped(bytes(self._part), first=True, end=False))
            self._part.clear()
            self._dropping = True

    @property
    def unfinished(self) -> int:
        """Bytes of a line that has not ended yet (what is lost when the stream ends here)."""
        return len(self._part)
