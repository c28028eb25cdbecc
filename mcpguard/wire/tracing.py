"""The span of one request: its parent is the host's, its child the server's (W3C Trace Context).

The host says in `_meta.traceparent` which span asks; the server is given the one that is made here.
What is known of it goes into the records of that request: whoever reads the log makes spans of them
(decision 0022). Without a tracer nothing of this runs.
"""

from collections.abc import Callable
from typing import Final

from mcpguard.model import Json, JsonObject

__all__ = ["PARENT", "STATE", "Span", "Tracer", "parent_of"]

PARENT: Final = "traceparent"
STATE: Final = "tracestate"
"""Keys of `_meta`, as MCP's conventions have them."""

_LENGTHS: Final = (2, 32, 16, 2)
"""Hexadecimal digits of version, trace id, parent id and flags (section 3.2.2)."""

_LENGTH: Final = sum(_LENGTHS) + 3
_HEX: Final = frozenset("0123456789abcdef")

_SAMPLED: Final = 0x01
_KNOWN: Final = 0x03
"""Sampled and random, which are passed on; other flags mean nothing yet (section 3.2.2.5)."""

TRACE_BYTES, SPAN_BYTES = 16, 8

_MICROSECONDS: Final = 1_000_000


class Span:
    """`trace`, `ident`, `parent`: lower-case hex, 32, 16 and 16 digits; no parent: it is the first.

    `begun`: when its request came, by the session's clock.
    """

    __slots__ = ("begun", "flags", "ident", "parent", "trace")

    def __init__(self, trace: str, ident: str, parent: str, flags: int, begun: float) -> None:
        self.trace = trace
        self.ident = ident
        self.parent = parent
        self.flags = flags
        self.begun = begun

    @property
    def header(self) -> str:
        """The `traceparent` of whoever is asked next."""
        return f"00-{self.trace}-{self.ident}-{self.flags:02x}"

    def carried(self, params: JsonObject) -> JsonObject:
        """`params` as the server is given them: `_meta.traceparent` names this span.

        A new trace takes no `tracestate` of an unreadable one along (section 3.3.1.1).
        """
        meta = params.get("_meta")
        shown: JsonObject = dict(meta) if isinstance(meta, dict) else {}
        if not self.parent:
            shown.pop(STATE, None)
        shown[PARENT] = self.header
        return {**params, "_meta": shown}

    def told(self) -> JsonObject:
        """What a record says of a request that goes on."""
        made: JsonObject = {"trace_id": self.trace, "span_id": self.ident}
        if self.parent:
            made["parent_id"] = self.parent
        if not self.flags & _SAMPLED:
            made["sampled"] = False
        return made

    def ended(self, now: float) -> JsonObject:
        """What the one record says with which it ends: how long it took."""
        return {**self.told(), "duration_us": max(0, round((now - self.begun) * _MICROSECONDS))}


def parent_of(given: Json) -> tuple[str, str, int] | None:
    """Trace id, span id and flags of a `traceparent`; None for what is none (section 3.2.2).

    Of a later version what version 00 says is read, and whatever stands behind it is not.
    """
    if not isinstance(given, str) or len(given) < _LENGTH:
        return None
    head, rest = given[:_LENGTH], given[_LENGTH:]
    parts = head.split("-")
    if tuple(map(len, parts)) != _LENGTHS or not _HEX.issuperset("".join(parts)):
        return None
    version, trace, ident, flags = parts
    if version == "ff" or (rest and (version == "00" or not rest.startswith("-"))):
        return None
    if not trace.strip("0") or not ident.strip("0"):
        return None
    return trace, ident, int(flags, 16)


class Tracer:
    """Gives each request of the host a span. `draw`: so many random bytes."""

    def __init__(self, draw: Callable[[int], bytes]) -> None:
        self._draw = draw

    def begin(self, meta: Json, now: float) -> Span:
        """The span of a request with this `_meta`: a child of the one that is named there.

        Where none is, it is the first of a new trace. Raises what `draw` raises, and ValueError for
        bytes that cannot be random.
        """
        known = parent_of(meta.get(PARENT)) if isinstance(meta, dict) else None
        trace, parent, flags = known or (self._id(TRACE_BYTES), "", _KNOWN)
        return Span(trace, self._id(SPAN_BYTES), parent, flags & _KNOWN, now)

    def _id(self, size: int) -> str:
        """A random id that is not all zeros, which would be none."""
        drawn = self._draw(size)
        if len(drawn) != size or not any(drawn):
            raise ValueError("the random source gives no id")
        return drawn.hex()
