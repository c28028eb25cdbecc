"""The short way of a tool's call and of its answer, once the lists are known.

Nearly every line of a session is one of the two. What `wire.jsonrpc`, `from_host` and `from_server`
do for all messages is done here for these in one go: the same checks, the same pipeline, the same
records, the same bytes. A line that is not exactly of this shape is left to them, untouched.
"""

from collections.abc import Callable

import orjson

from mcpguard.model import Allowed, Call, Decision, JsonObject, Result, Side, SubjectKind
from mcpguard.proxy.actions import Role, Send
from mcpguard.proxy.core import DOWN, SHOWN, UP, Core
from mcpguard.proxy.pending import Entry, RefusedError
from mcpguard.wire.jsonrpc import (
    MAX_DEPTH,
    MAX_SAFE_INTEGER,
    SHORT,
    encode_result,
    holds_long_integer,
    is_id,
    may_nest,
)
from mcpguard.wire.methods import REQUESTS

__all__ = ["CONTINUING", "PlainAnswers", "PlainCalls"]

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

_made = tuple.__new__
"""A named tuple of a tuple, without the Python frame of its own constructor."""

_HOST, _SERVER, _REQUEST, _RESULT = Side.HOST, Side.SERVER, Role.REQUEST, Role.RESULT
_CALL, _RESULTS = SubjectKind.CALL, SubjectKind.RESULT
"""On every call's way: a global is read fifty times faster than a member of an enumeration."""


class PlainCalls:
    """Calls of a tool with nothing but its name and arguments.

    `judged` goes on with one that the stages denied, remarked on, rewrote or found something in.
    """

    __slots__ = ("_core", "_judged")

    def __init__(self, core: Core, judged: Callable[[Entry, Call, Decision], None]) -> None:
        self._core = core
        self._judged = judged

    def take(self, line: bytes, now: float) -> bool:
        """Handle `line` if it is such a call. False: it is not, and nothing was done."""
        core = self._core
        if not core.settled or len(line) > SHORT:
            return False
        try:
            message = orjson.loads(line)
            if orjson.dumps(message) != line or (len(line) > _ROOMY and may_nest(line)):
                return False
            given, params = message["id"], message["params"]
            target, arguments = params["name"], params["arguments"]
            if (
                message["method"] != "tools/call"
                or message["jsonrpc"] != "2.0"
                or len(message) + len(params) != _CALL_KEYS
                or type(target) is not str
                or len(target) > SHOWN
                or type(arguments) is not dict
                or not ((type(given) is int and 0 <= given <= MAX_SAFE_INTEGER) or is_id(given))
            ):
                return False
            entry = core.calls.open(given, _ROW, now)
        except (ValueError, TypeError, KeyError, RefusedError):
            return False
        core.now = now
        entry.plain = True
        entry.target = target
        call = _made(Call, ("tools/call", target, arguments, _CALL, None))
        decision = core.ask(entry, call)
        if decision is None or not (
            decision.subject is call and not decision.stage and not decision.findings
        ):
            entry.params = params
            if decision is not None:  # else it waits, and is judged again
                self._judged(entry, call, decision)
            return True
        batch = core.batch
        record = _made(Allowed, (UP, "tools/call", target))
        batch.records.append((record, orjson.dumps(arguments) if arguments else b""))
        entry.sent = True
        passed = {"jsonrpc": "2.0", "id": entry.wire_id, "method": "tools/call", "params": params}
        data = orjson.dumps(passed, option=orjson.OPT_APPEND_NEWLINE)
        batch.sends.append(_made(Send, (_SERVER, data, _REQUEST, entry)))
        return True


class PlainAnswers:
    """Results of plain calls.

    `judged` goes on with one that the stages denied, remarked on, rewrote or found something in.
    """

    __slots__ = ("_core", "_judged")

    def __init__(
        self, core: Core, judged: Callable[[Entry, JsonObject, Decision, bool], None]
    ) -> None:
        self._core = core
        self._judged = judged

    def take(self, line: bytes, now: float) -> bool:
        """Handle `line` if it is such an answer. False: it is not, and nothing was done."""
        core = self._core
        if len(line) > SHORT:
            return False
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
                return False
        except (ValueError, TypeError, KeyError):
            return False
        core.now = now
        core.calls.close(entry)  # before anything is sent: a second answer finds nothing
        target = entry.target
        core.call = entry.wire_id
        answer = _made(Result, ("tools/call", target, result, False, _RESULTS))
        decision = core.judge(answer)
        failed = result.get("isError", False) is not False  # its record says so
        if failed or decision.stage or decision.subject is not answer or decision.findings:
            self._judged(entry, result, decision, False)
            return True
        batch = core.batch
        batch.records.append((_made(Allowed, (DOWN, "tools/call", target)), b""))
        data = encode_result(entry.given, result)
        batch.sends.append(_made(Send, (_HOST, data, _RESULT, entry)))
        return True
