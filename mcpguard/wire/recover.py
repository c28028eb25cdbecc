"""Finds ids in lines too long, broken or unusual to be taken, so that nobody is left hanging."""

import re

import orjson

from mcpguard.model import Json
from mcpguard.wire.jsonrpc import MAX_ID_BYTES, MAX_SAFE_INTEGER, Id, is_id

__all__ = ["RequestIdFinder", "WireIdFinder", "answerable"]

MAX_BATCH = 1024
"""Messages of a batch whose ids are told: no session has more requests in flight."""

MAX_ECHO = 8192
"""Characters of an id that is no usable one, but is given back with an error."""

MAX_TOKENS = 100_000
"""Structural bytes looked at in one over-long line (about 20 ms); past it the id is not sought."""

_TOO_LONG = 6 * MAX_ID_BYTES + 3
"""Bytes of a key or a scalar that is not kept: a usable id has two quotes, and may be escaped."""

_IN_STRING = re.compile(rb'["\\]')
_OUTSIDE = re.compile(rb'["{}\[\],:]')
_WIRE_ID = re.compile(rb"[0-9]{16}")

WIRE_ID_DIGITS = 16
"""Decimal digits of every wire id (2**52 <= id < 2**53)."""


def answerable(line: bytes) -> list[Id | float]:
    """The ids under which a host may wait for what this line asks, usable or not.

    Of a batch (JSON-RPC 2.0 section 6) those of its requests. None of `null`, which the section 4
    advises against and no host of MCP sends, nor of what cannot be an id.
    """
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return []
    messages = value[:MAX_BATCH] if type(value) is list else [value]
    given = (
        each["id"] for each in messages if type(each) is dict and {"id", "method"} <= each.keys()
    )
    return [*dict.fromkeys(filter(_echoes, given))]


def _echoes(given: Json) -> bool:
    if type(given) is float:  # an integer beyond 64 bits is read as one, and not exactly
        return abs(given) <= MAX_SAFE_INTEGER
    return type(given) is int or (type(given) is str and len(given) <= MAX_ECHO)


class WireIdFinder:
    """Runs of 16 digits in a stream of pieces: what a wire id looks like. Linear, any text."""

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, piece: bytes) -> list[int]:
        """Candidates that end in `piece`; the border to the piece before is covered."""
        text = self._tail + piece
        self._tail = text[-(WIRE_ID_DIGITS - 1) :]
        return [int(match) for match in _WIRE_ID.findall(text)]


class RequestIdFinder:
    """The top-level `id` of a request, from pieces of its line; bounded in time and memory.

    Of every request where a line holds several objects, each by itself: whoever wrote it waits for
    all of them, and an `id` of one object with a `method` of another would be nobody's.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._string = self._escaped = self._is_value = False
        self._text = bytearray()
        self._tokens = 0
        self._found: dict[Id, bool] = {}
        self._begin()

    def feed(self, piece: bytes) -> list[Id]:
        """The ids of which `id` and `method` have now both been seen at the top level of one."""
        position, known = 0, len(self._found)
        while position < len(piece) and self._tokens < MAX_TOKENS and known < MAX_BATCH:
            self._tokens += 1
            position = (
                self._inside(piece, position) if self._string else self._step(piece, position)
            )
        return list(self._found)[known:MAX_BATCH]

    def _keep(self, data: bytes) -> None:
        if self._depth == 1 and len(self._text) < _TOO_LONG:
            self._text += data[:_TOO_LONG]

    def _inside(self, piece: bytes, start: int) -> int:
        if self._escaped:
            self._escaped = False
            self._keep(piece[start : start + 1])
            return start + 1
        match = _IN_STRING.search(piece, start)
        end = match.end() if match else len(piece)
        self._keep(piece[start:end])
        if match:
            self._escaped = match.group() == b"\\"
            self._string = self._escaped
        return end

    def _step(self, piece: bytes, start: int) -> int:
        match = _OUTSIDE.search(piece, start)
        if match is None:
            self._keep(piece[start:])
            return len(piece)
        self._keep(piece[start : match.start()])
        self._token(match.group())
        return match.end()

    def _token(self, token: bytes) -> None:
        if token == b'"':
            self._string = True
            self._keep(token)
        elif token in b"{[":
            if not self._depth:
                self._begin()
            self._keep(token)  # an id that is followed by one of these is none
            self._depth += 1
        elif token == b":" and self._depth == 1:
            self._key = self._taken()
        elif self._depth == 1 and token in b",}":
            self._member(self._key, self._taken())
            self._key = b""
            self._depth -= token == b"}"
        elif token in b"}]" and self._depth:  # one that closes nothing hides no object behind it
            self._depth -= 1

    def _begin(self) -> None:
        """Nothing of the object before it counts for another one."""
        self._text.clear()
        self._key = self._id = b""
        self._request = self._told = False

    def _taken(self) -> bytes:
        """The text since the last border; empty when some of it was not kept."""
        text = bytes(self._text) if len(self._text) < _TOO_LONG else b""
        self._text.clear()
        return text.strip()

    def _member(self, key: bytes, value: bytes) -> None:
        if key == b'"id"':
            self._id = value
        elif key == b'"method"':
            self._request = True
        if self._request and self._id and not self._told:
            self._tell()

    def _tell(self) -> None:
        given, self._id = self._id, b""
        try:
            value = orjson.loads(given)
        except orjson.JSONDecodeError:
            return
        if is_id(value):
            self._told = self._found[value] = True
