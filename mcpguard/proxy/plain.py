"""The short way of a tool's call and of its answer, once the lists are known.

Nearly every line of a session is one of the two. What `wire.jsonrpc`, `from_host` and `from_server`
do for all messages is done here for these in one go: the same checks, the same pipeline, the same
records, the same bytes. A line that is not exactly of this shape is left to them, untouched.
"""

from collections.abc import Callable

import orjson

from mcpguard.model import (
    DOWN,
    PASSED,
    UP,
    Allowed,
    Call,
    Decision,
    JsonObject,
    Result,
    Side,
    SubjectKind,
)
from mcpguard.proxy.actions import Feed, Passing, Role
from mcpguard.proxy.core import SHOWN, Core
from mcpguard.proxy.pending import Entry, RefusedError
from mcpguard.wire.framing import Dropped
from mcpguard.wire.jsonrpc import (
    MAX_DEPTH,
    MAX_SAFE_INTEGER,
    SHORT,
    holds_long_integer,
    is_id,
    may_nest,
)
from mcpguard.wire.methods import REQUESTS

__all__ = ["CONTINUING", "CapturedAnswers", "PlainAnswers", "PlainCalls"]

CONTINUING = frozenset({"inputRequests", "requestState"})
"""What only an interrupted result (2026-07-28) may hold; in a complete one nobody judged it."""

_ROW = REQUESTS[Side.HOST]["tools/call"]
_NOTHING_ELSE = (CONTINUING | {"resultType", "_meta", "task"}).isdisjoint
"""Whether a result holds nothing that is translated, judged or left out on its way."""

_CALL_KEYS = 4 + 2
"""Members of a call's envelope and of its parameters."""

_ANSWER_KEYS = 3
"""Members of an answer's envelope."""

_SHORTEST = b'{"jsonrpc":"2.0","id":0,"method":"tools/call","params":{"name":"","arguments":{}}}'
_ROOMY = len(_SHORTEST) + 2 * (MAX_DEPTH - 3)
"""Bytes. A plain call has three levels; one of more than MAX_DEPTH is longer by their brackets."""

_NEWLINE = orjson.OPT_APPEND_NEWLINE
_made = tuple.__new__
"""A named tuple of a tuple, without the Python frame of its own constructor."""

_HOST, _SERVER, _REQUEST, _RESULT = Side.HOST, Side.SERVER, Role.REQUEST, Role.RESULT
_CALL, _RESULTS = SubjectKind.CALL, SubjectKind.RESULT
"""On every call's way: a global is read fifty times faster than a member of an enumeration."""

MAX_KNOWN = 1024
"""Tools whose records are kept: one that is the same object is made once and found faster."""


class _Records:
    """The records of calls allowed without remark, or of their results."""

    __slots__ = ("_direction", "known")

    def __init__(self, direction: str) -> None:
        self._direction = direction
        self.known: dict[str, Allowed] = {}

    def of(self, target: str) -> Allowed:
        """That of `target`, from now on among `known`."""
        if len(self.known) >= MAX_KNOWN:
            self.known.clear()
        record = self.known[target] = Allowed(self._direction, "tools/call", target)
        return record


class PlainCalls:
    """Calls of a tool with nothing but its name and arguments.

    `judged` goes on with one that the stages denied, remarked on, rewrote or found something in,
    `otherwise` with every other line.
    """

    __slots__ = ("_core", "_judged", "_otherwise", "_records")

    def __init__(
        self,
        core: Core,
        judged: Callable[[Entry, Call, Decision], None],
        otherwise: Feed,
    ) -> None:
        self._core = core
        self._judged = judged
        self._otherwise = otherwise
        self._records = _Records(UP)

    def feed(self, line: bytes | Dropped, now: float) -> Passing | None:
        """See `Feed`."""
        core = self._core
        if not core.settled or type(line) is not bytes or len(line) > SHORT:
            return self._otherwise(line, now)
        try:
            message = orjson.loads(line)
            given, params = message["id"], message["params"]
            target, arguments = params["name"], params["arguments"]
            record = self._records.known.get(target)
            if (
                message["method"] != "tools/call"
                or message["jsonrpc"] != "2.0"
                or len(message) + len(params) != _CALL_KEYS
                or type(arguments) is not dict
                or orjson.dumps(message) != line
                or (len(line) > _ROOMY and may_nest(line))
                or (record is None and (type(target) is not str or len(target) > SHOWN))
                or not ((type(given) is int and 0 <= given <= MAX_SAFE_INTEGER) or is_id(given))
            ):
                return self._otherwise(line, now)
            entry = core.calls.open(given, _ROW, now)
        except (ValueError, TypeError, KeyError, RefusedError):
            return self._otherwise(line, now)
        core.now = now
        entry.plain = True
        entry.target = target
        call = _made(Call, ("tools/call", target, arguments, _CALL, None, None))
        core.call = entry.wire_id
        decide = core.decide
        answer = decide(call, core.ctx)
        if answer is not PASSED:
            entry.params = params
            decision = core.taken(entry, call, answer)
            if decision is not None:  # else it waits, and is judged again
                self._judged(entry, call, decision)
            return None
        if record is None:
            record = self._records.of(target)
        encoded = orjson.dumps(arguments) if arguments else b""
        entry.sent = True
        passed = {"jsonrpc": "2.0", "id": entry.wire_id, "method": "tools/call", "params": params}
        data = orjson.dumps(passed, option=_NEWLINE)
        return record, encoded, _SERVER, data, _REQUEST, entry


class PlainAnswers:
    """Results of plain calls.

    `judged` goes on with one that the stages denied, remarked on, rewrote or found something in,
    `otherwise` with every other line.
    """

    __slots__ = ("_core", "_judged", "_otherwise", "_records")

    def __init__(
        self,
        core: Core,
        judged: Callable[[Entry, JsonObject, Decision, bool], None],
        otherwise: Feed,
    ) -> None:
        self._core = core
        self._judged = judged
        self._otherwise = otherwise
        self._records = _Records(DOWN)

    def feed(self, line: bytes | Dropped, now: float) -> Passing | None:
        """See `Feed`."""
        if type(line) is not bytes or len(line) > SHORT:
            return self._otherwise(line, now)
        core = self._core
        try:
            message = orjson.loads(line)
            result = message["result"]
            entry = core.calls.sent(message["id"])
            if (
                entry is None
                or not entry.plain
                or entry.cancelled
                or message["jsonrpc"] != "2.0"
                or len(message) != _ANSWER_KEYS
                or type(result) is not dict
                or not _NOTHING_ELSE(result)
                or (orjson.dumps(message) != line and holds_long_integer(line))
            ):
                return self._otherwise(line, now)
        except (ValueError, TypeError, KeyError):
            return self._otherwise(line, now)
        core.now = now
        core.calls.close(entry)  # before anything is sent: a second answer finds nothing
        core.answering = entry
        target = entry.target
        core.took.append((target, now - entry.deadline))
        core.call = entry.wire_id
        answer = _made(Result, ("tools/call", target, result, False, _RESULTS))
        decide = core.decide
        decision = decide(answer, core.ctx)
        if decision is not PASSED or result.get("isError", False) is not False:
            self._judged(entry, result, core.final(answer, decision), False)
            core.answering = None
            return None
        record = self._records.known.get(target) or self._records.of(target)
        passed = {"jsonrpc": "2.0", "id": entry.given, "result": result}
        data = orjson.dumps(passed, option=_NEWLINE)  # nothing in it that was not written above
        core.answering = None
        return record, b"", _HOST, data, _RESULT, entry


class CapturedAnswers:
    """`answers`, in a session that captures results of some tools: their records get the line."""

    __slots__ = ("_answers", "_core")

    def __init__(self, core: Core, answers: Feed) -> None:
        self._core = core
        self._answers = answers

    def feed(self, line: bytes | Dropped, now: float) -> None:
        """See `Feed`. What does not come back from `answers` has its line already."""
        passing = self._answers(line, now)
        if passing is not None:
            record, _, _, data, _, _ = passing
            self._core.batch.add(passing)
            self._core.capture(record.method, record.target, data)
