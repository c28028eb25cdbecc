"""JSON-RPC 2.0 messages as MCP uses them: strict from the host, tolerant but exact from the server.

The two differ on purpose. A host line that any two parsers could read differently is refused; a
server line is never corrupted where the host would have understood it.
"""

import re
from functools import cache
from typing import NamedTuple, TypeGuard

import orjson

from mcpguard.errors import WireError
from mcpguard.model import Json, JsonObject, Reason
from mcpguard.wire import exact

__all__ = [
    "MAX_DEPTH",
    "MAX_ID_BYTES",
    "MAX_SAFE_INTEGER",
    "SHORT",
    "Id",
    "Message",
    "Notification",
    "Request",
    "Response",
    "encode_error",
    "encode_notification",
    "encode_request",
    "encode_result",
    "folds_onto",
    "holds_long_integer",
    "is_id",
    "may_nest",
    "parse_host",
    "parse_server",
]

Id = int | str

MAX_DEPTH = 64
"""Levels of arrays and objects in a host line. Python servers stop near 200, orjson at 1024."""

MAX_SERVER_DEPTH = 254
"""Levels of arrays and objects in a server line: what orjson can write again."""

SHORT = 4096
"""Bytes of a line in which counting a byte costs nothing to speak of."""

MAX_ID_BYTES = 256
"""UTF-8 bytes of a string id. Ids are held for as long as a request is in flight."""

MAX_SAFE_INTEGER = 2**53 - 1
"""ECMAScript's Number.MAX_SAFE_INTEGER: above it the TypeScript SDK silently rejects an id."""

_ENVELOPE = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
_made = tuple.__new__
"""A named tuple of a tuple, without the Python frame of its own constructor."""

_LONG_INTEGER = re.compile(rb"[0-9]{19}")  # fixed length, one class: linear on any text


class Request(NamedTuple):
    """A request with its sender's own id. `exact`: holds what only the exact encoder can write."""

    id: Id
    method: str
    params: JsonObject
    exact: bool = False
    dropped: tuple[str, ...] = ()


class Notification(NamedTuple):
    """A message that wants no answer."""

    method: str
    params: JsonObject
    exact: bool = False
    dropped: tuple[str, ...] = ()


class Response(NamedTuple):
    """An answer. Exactly one of `result` and `error` is not None."""

    id: Id
    result: JsonObject | None
    error: JsonObject | None
    exact: bool = False
    dropped: tuple[str, ...] = ()


Message = Request | Notification | Response


def is_id(value: Json) -> TypeGuard[Id]:
    """Whether `value` may be an id: a short string or an integer that every peer holds exactly."""
    if type(value) is int:
        return -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER
    return type(value) is str and len(value) <= MAX_ID_BYTES and _utf8_length(value) <= MAX_ID_BYTES


def _utf8_length(text: str) -> int:
    try:
        return len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:  # a lone surrogate cannot be written back
        return MAX_ID_BYTES + 1


def parse_host(line: bytes) -> Message:
    """The message in a host's line.

    Raises:
        WireError: with the id to answer when the line was a request with a usable id.
    """
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise WireError(Reason.PARSE, "not one JSON object in UTF-8") from error
    try:
        plain = orjson.dumps(value) == line
    except orjson.JSONEncodeError:  # nested too deep for it
        plain = False
    if not plain:
        value = _closer_look(line, value)
    if type(value) is not dict:
        raise _not_an_object(value)
    if may_nest(line) and _deeper_than(value, MAX_DEPTH):
        raise _refusal(Reason.DEPTH, f"nested deeper than {MAX_DEPTH} levels", value)
    return _message(value, False)


def parse_server(line: bytes) -> Message:
    """The message in a server's line; invalid UTF-8 is read as U+FFFD, as the SDKs do.

    Raises:
        WireError: never carries an id; nothing is answered to a server's bad line.
    """
    exact_form = False
    try:
        value = orjson.loads(line)
        if orjson.dumps(value) != line and holds_long_integer(line):
            value, exact_form = _exactly(line), True
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # or nested too deep for orjson
        value, exact_form = _exactly(line), True
    if type(value) is not dict:
        raise _not_an_object(value)
    return _message(value, exact_form)


def holds_long_integer(line: bytes) -> bool:
    """Whether `line` holds as many digits in a row as an integer that orjson would round."""
    return _LONG_INTEGER.search(line) is not None


def _exactly(line: bytes) -> Json:
    if exact.too_deep(line, MAX_SERVER_DEPTH):
        raise WireError(Reason.DEPTH, f"nested deeper than {MAX_SERVER_DEPTH} levels")
    try:
        return exact.loads_exact(line)
    except ValueError as error:
        raise WireError(Reason.PARSE, "not one JSON object") from error


def _closer_look(line: bytes, value: Json) -> Json:
    """Runs only when the line is not what its parsed form would print as: why not?"""
    try:
        return exact.strict_loads(line, max_depth=MAX_DEPTH)
    except exact.DuplicateKeyError as error:
        raise _refusal(Reason.DUPLICATE_KEY, "an object holds the same key twice", value) from error
    except exact.NumberRangeError as error:
        raise _refusal(Reason.NUMBER_RANGE, "a number is outside 64 bits", value) from error
    except exact.DepthError as error:
        text = f"nested deeper than {MAX_DEPTH} levels"
        raise _refusal(Reason.DEPTH, text, value) from error
    except ValueError as error:
        raise WireError(Reason.PARSE, "not one JSON object in UTF-8") from error


def _not_an_object(value: Json) -> WireError:
    if type(value) is list:
        return WireError(Reason.BATCH, "a batch; no MCP revision since 2025-06-18 has them")
    return WireError(Reason.PARSE, "not a JSON object")


def _refusal(reason: Reason, text: str, value: Json) -> WireError:
    """The error for a host line whose meaning is in doubt, answerable if it was a request."""
    if type(value) is dict and "method" in value and is_id(given := value.get("id")):
        return WireError(reason, text, request_id=given)
    return WireError(reason, text)


def may_nest(line: bytes) -> bool:
    """Whether `line` holds more brackets than a value of MAX_DEPTH levels needs."""
    if len(line) <= SHORT:
        return line.count(b"{") + line.count(b"[") > MAX_DEPTH
    found = 0
    for bracket in (b"{", b"["):  # searching is thirty times faster than counting
        at = line.find(bracket)
        while at >= 0:
            found += 1
            if found > MAX_DEPTH:
                return True
            at = line.find(bracket, at + 1)
    return False


def _deeper_than(value: Json, limit: int) -> bool:
    level: list[Json] = [value]
    for _ in range(limit):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return False
    return any(isinstance(node, dict | list) for node in level)


def folds_onto(key: str, known: frozenset[str]) -> bool:
    """Whether `key` is not in `known` but equals one of them for a case-folding parser (Go's)."""
    return key not in known and key.casefold() in _folded(known)


@cache
def _folded(known: frozenset[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in known)


def _message(value: JsonObject, exact_form: bool) -> Message:
    dropped = () if _ENVELOPE.issuperset(value) else _dropped(value)
    if value.get("jsonrpc") != "2.0":
        raise _refusal(Reason.ENVELOPE, 'jsonrpc is not "2.0"', value)
    if "method" not in value:
        return _response(value, exact_form, dropped)
    method, params = value["method"], value.get("params", {})
    if type(method) is not str or type(params) is not dict or "result" in value or "error" in value:
        raise _refusal(Reason.ENVELOPE, _wrong(value), value)
    if "id" not in value:
        return Notification(method, params, exact_form, dropped)
    given = value["id"]
    if not is_id(given):
        raise WireError(Reason.BAD_ID, "id is not a short string or a safe integer")
    return _made(Request, (given, method, params, exact_form, dropped))


def _wrong(value: JsonObject) -> str:
    """What keeps `value` from being a request."""
    if "result" in value or "error" in value:
        return "a request and an answer in one message"
    if type(value["method"]) is not str:
        return "method is not a string"
    return "params is not an object"


def _dropped(value: JsonObject) -> tuple[str, ...]:
    """Keys of an envelope that mean nothing. One that another parser would know is an error."""
    dropped = tuple(key for key in value if key not in _ENVELOPE)
    if any(folds_onto(key, _ENVELOPE) for key in dropped):
        raise _refusal(Reason.ENVELOPE, "a key that differs from a known one by case", value)
    return dropped


def _response(value: JsonObject, exact_form: bool, dropped: tuple[str, ...]) -> Response:
    result, error = value.get("result"), value.get("error")
    given = value.get("id")
    if not is_id(given):
        raise WireError(Reason.BAD_ID, "an answer without a usable id")
    if type(result) is dict and error is None:  # `"error": null` beside a result is a result
        return _made(Response, (given, result, None, exact_form, dropped))
    if type(error) is dict and result is None:
        return Response(given, None, error, exact_form, dropped)
    raise WireError(Reason.ENVELOPE, "an answer needs one object: result or error")


def encode_request(
    wire_id: Id, method: str, params: JsonObject, *, exact_form: bool = False
) -> bytes:
    """One line with its newline. Empty params are left out, as the SDKs do."""
    line: JsonObject = {"jsonrpc": "2.0", "id": wire_id, "method": method}
    if params:
        line["params"] = params
    return _line(line, exact_form)


def encode_notification(method: str, params: JsonObject, *, exact_form: bool = False) -> bytes:
    """One line with its newline."""
    line: JsonObject = {"jsonrpc": "2.0", "method": method}
    if params:
        line["params"] = params
    return _line(line, exact_form)


def encode_result(given: Id, result: JsonObject, *, exact_form: bool = False) -> bytes:
    """One line with its newline."""
    return _line({"jsonrpc": "2.0", "id": given, "result": result}, exact_form)


def encode_error(given: Id | float, error: JsonObject, *, exact_form: bool = False) -> bytes:
    """One line with its newline; `error` is `{code, message, data?}`."""
    return _line({"jsonrpc": "2.0", "id": given, "error": error}, exact_form)


def _line(message: JsonObject, exact_form: bool) -> bytes:
    if not exact_form:
        try:
            return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)
        except orjson.JSONEncodeError:  # a list or a notice that was kept: beyond orjson
            pass
    return exact.dumps_exact(message) + b"\n"
