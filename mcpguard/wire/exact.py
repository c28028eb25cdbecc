"""JSON where orjson would hide or change something: the one door to the standard library's parser.

orjson keeps the last of two equal keys, turns integers beyond 64 bits into floats and refuses lone
surrogates and invalid UTF-8. `strict_loads` refuses what two parsers could read differently;
`loads_exact` and `dumps_exact` carry what a host would have understood, unchanged.
"""

import json  # noqa: TID251 - the one file that owns it
import math
from collections import Counter
from collections.abc import Callable
from typing import NoReturn

from mcpguard.model import Json

__all__ = [
    "MAX_DIGITS",
    "DepthError",
    "DuplicateKeyError",
    "ExactError",
    "NotFiniteError",
    "NumberRangeError",
    "dumps_exact",
    "dumps_indented",
    "loads_exact",
    "strict_loads",
    "too_deep",
]

MAX_DEPTH = 64
"""Levels. The default of `strict_loads`: Python servers stop near 200, orjson at 1024."""

MAX_DIGITS = 4300
"""Characters of an integer that is kept exactly: CPython's own limit, above which it raises."""

_INT64_MIN = -(2**63)
_UINT64_MAX = 2**64 - 1
_ALL_BUT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ONE_BRACKET = bytes.maketrans(b"{}", b"[]")


class ExactError(ValueError):
    """The bytes are not one acceptable JSON value. The subclasses say why."""


class DuplicateKeyError(ExactError):
    """An object holds the same key twice. `key` is that key."""

    def __init__(self, key: str) -> None:
        super().__init__("an object holds the same key twice")
        self.key = key


class NumberRangeError(ExactError):
    """A number that some peers cannot hold: an integer outside 64 bits, a float that overflows."""


class NotFiniteError(NumberRangeError):
    """NaN, Infinity, or a float that overflows to infinity."""


class DepthError(ExactError):
    """Arrays and objects are nested deeper than the limit."""


def strict_loads(data: bytes, *, max_depth: int = MAX_DEPTH, big_integers: bool = False) -> Json:
    """The one JSON value in `data` (UTF-8), read the way every parser reads it, or an error.

    An integer written `-0` comes out as the float -0.0. Lone surrogates are an error. RFC 8259.

    Args:
        data: The whole text.
        max_depth: Levels of arrays and objects.
        big_integers: Keep integers outside 64 bits exactly instead of refusing them.

    Raises:
        DuplicateKeyError: Two equal keys in one object (compared after unescaping).
        NumberRangeError: An integer outside 64 bits, NaN, Infinity or an overflowing float.
        DepthError: Nested deeper than `max_depth`.
        ExactError: Anything else; also the base of the three above.
    """
    if too_deep(data, max_depth):
        raise DepthError(f"nested deeper than {max_depth} levels")
    integer = _integer if big_integers else _integer64
    value = _parse(_decoded(data), _unique, integer)
    if b"\\u" in data:
        _refuse_lone_surrogates(value)
    return value


def loads_exact(data: bytes) -> Json:
    """The JSON value in `data`: big integers exact, lone surrogates kept, bad UTF-8 as U+FFFD.

    An integer written `-0` comes out as the float -0.0. Of two equal keys the last one stays.

    Raises:
        NumberRangeError: NaN, Infinity, an overflowing float, more than `MAX_DIGITS` digits.
        DepthError: Too deep for the interpreter.
        ExactError: Not JSON.
    """
    return _parse(data.decode(errors="replace"), dict, _integer)


def dumps_exact(value: Json) -> bytes:
    r"""Compact UTF-8 JSON of what `loads_exact` gave; a lone surrogate is written `\udxxx`.

    Raises:
        ValueError: NaN or infinity, or nested too deep.
    """
    return _dumped(value, indent=None)


def dumps_indented(value: Json) -> bytes:
    """`dumps_exact` with two spaces a level, laid out as orjson does, and a newline at the end."""
    return _dumped(value, indent=2) + b"\n"


def too_deep(data: bytes, limit: int) -> bool:
    """Whether the JSON text `data` nests deeper than `limit`, without parsing it.

    Strings are cut out, then the innermost bracket pairs are removed once per level.
    """
    if data.count(b"[") + data.count(b"{") <= limit:
        return False
    unescaped = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside = b"".join(unescaped.split(b'"')[::2])
    rest = outside.translate(_ONE_BRACKET, _ALL_BUT_BRACKETS)
    for _ in range(limit):
        shorter = rest.replace(b"[]", b"")
        if len(shorter) == len(rest):
            break
        rest = shorter
    return rest.count(b"[") > 0


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ExactError(f"invalid UTF-8 at byte {error.start}") from error


def _parse(
    text: str,
    pairs: Callable[[list[tuple[str, Json]]], dict[str, Json]],
    integer: Callable[[str], int | float],
) -> Json:
    try:
        value: Json = json.loads(
            text,
            object_pairs_hook=pairs,
            parse_int=integer,
            parse_float=_float,
            parse_constant=_no_constant,
        )
    except json.JSONDecodeError as error:
        raise ExactError(f"{error.msg} at line {error.lineno} column {error.colno}") from error
    except RecursionError as error:
        raise DepthError("nested too deep to read") from error
    return value


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        ((key, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise DuplicateKeyError(key)
    return found


def _integer(text: str) -> int | float:
    if text == "-0":  # kept apart from 0: as an id it is refused, as a value it is written back
        return -0.0
    if len(text) > MAX_DIGITS:
        raise NumberRangeError(f"an integer of more than {MAX_DIGITS} digits")
    return int(text)


def _integer64(text: str) -> int | float:
    value = _integer(text)
    if not _INT64_MIN <= value <= _UINT64_MAX:
        raise NumberRangeError("an integer outside 64 bits")
    return value


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise NotFiniteError("a number that overflows to infinity")
    return value


def _no_constant(name: str) -> NoReturn:
    raise NotFiniteError(f"{name} is not a JSON number")


def _refuse_lone_surrogates(value: Json) -> None:
    # A raw surrogate cannot come out of UTF-8, so only an escape makes one.
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ExactError("a string holds half of a surrogate pair") from error


def _dumped(value: Json, indent: int | None) -> bytes:
    separators = (",", ":") if indent is None else (",", ": ")
    try:
        text = json.dumps(
            value, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators
        )
    except RecursionError as error:
        raise DepthError("nested too deep to write") from error
    # For a surrogate, and nothing else UTF-8 cannot hold, this writes exactly JSON's own escape.
    return text.encode(errors="backslashreplace")
