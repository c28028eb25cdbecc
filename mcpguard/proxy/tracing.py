"""The span of one request: its parent is the host's, its child the server's (W3C Trace Context).

The host says in `_meta.traceparent` which span asks; the server is given the one that is made here.
What is known of it goes into the records of that request: whoever reads the log makes spans of them
(decision 0022). Without a tracer nothing of this runs.
"""

from collections.abc import Callable
from typing import Final

from mcpguard.model import Json, JsonObject, Reason
from mcpguard.proxy.pending import Entry, RefusedError

__all__ = ["PARENT", "STATE", "Span", "Tracer", "parent_of"]

PARENT: Final = "traceparent"
STATE: Final = "tracestate"
"""Keys of `_meta`, as MCP's conventions have them."""

_LENGTHS: Final = (2, 32, 16, 2)
"""Hexadecimal digits of version, trace id, parent id and flags (section 3.2.2)."""

_LENGTH: Final = sum(_LENGTHS) + 3
_HEX: Final = frozenset("0123456789abcdef")

_SAMPLED, _RANDOM = 0x01, 0x02
"""Flags that are passed on; others have no meaning yet, so they are not (section 3.2.2.5)."""

TRACE_BYTES, SPAN_BYTES = 16, 8

MAX_ID = 64
"""Characters of a request's id in its span: what a host numbers or names with a UUID fits."""

MAX_TARGET = 512
"""Characters of what it is about, as in every record."""

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
    """Gives each request of the host a span. `draw`: so many random bytes; raising denies."""

    def __init__(self, draw: Callable[[int], bytes]) -> None:
        self._draw = draw

    def begin(self, entry: Entry, now: float) -> None:
        """The span of `entry`: a child of the one its sender names, else the first of a new trace.

        Raises:
            RefusedError: nothing random can be drawn.
        """
        meta = entry.params.get("_meta")
        known = parent_of(meta.get(PARENT)) if isinstance(meta, dict) else None
        trace, parent, flags = known or (self._id(TRACE_BYTES), "", _SAMPLED | _RANDOM)
        flags &= _SAMPLED | _RANDOM
        entry.span = Span(trace, self._id(SPAN_BYTES), parent, flags, now)

    def _id(self, size: int) -> str:
        """A random id that is not all zeros, which would be none."""
        try:
            drawn = self._draw(size)
        except Exception as error:
            raise RefusedError(Reason.RNG_FAILED, "no random id can be drawn") from error
        if len(drawn) != size or not any(drawn):
            raise RefusedError(Reason.RNG_FAILED, "the random source gives no id")
        return drawn.hex()

    @staticmethod
    def carried(entry: Entry, params: JsonObject) -> JsonObject:
        """`params` as the server is given them: `_meta.traceparent` names our span.

        A new trace takes no `tracestate` of an unreadable one along (section 3.3.1.1).
        """
        span = _span(entry)
        if span is None:
            return params
        meta = params.get("_meta")
        shown: JsonObject = dict(meta) if isinstance(meta, dict) else {}
        if not span.parent:
            shown.pop(STATE, None)
        shown[PARENT] = span.header
        return {**params, "_meta": shown}

    @staticmethod
    def told(entry: Entry) -> JsonObject:
        """What a record says of a request that goes on."""
        span = _span(entry)
        if span is None:
            return {}
        made: JsonObject = {"trace_id": span.trace, "span_id": span.ident}
        if span.parent:
            made["parent_id"] = span.parent
        if not span.flags & _SAMPLED:
            made["sampled"] = False
        return made

    def ended(self, entry: Entry, now: float, *, apart: bool = False) -> JsonObject:
        """What the one record says with which it ends: what it was about, and how long it took.

        `apart`: that record is about another method, so it names the request's too.
        """
        span = _span(entry)
        if span is None:
            return {}
        made = self.told(entry)
        if apart:
            made["request_method"] = entry.row.name
        made["target"] = entry.target[:MAX_TARGET]
        made["request_id"] = str(entry.given)[:MAX_ID]
        made["duration_us"] = max(0, round((now - span.begun) * _MICROSECONDS))
        del entry.span  # a second end finds nothing
        return made


def _span(entry: Entry) -> Span | None:
    """Only a traced request has one: nothing is set in an entry where nobody traces."""
    return getattr(entry, "span", None)
