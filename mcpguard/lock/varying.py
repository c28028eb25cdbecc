"""Reviewed exceptions: spots where a definition may say something else on another machine.

A server that writes the local time zone into a description would drift wherever it moves. Its
reviewer can let exactly that string vary, as far as a short RE2 pattern goes.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from mcpguard.lock.surface import Surface, pinned
from mcpguard.model import ItemKind, Json, JsonObject

if TYPE_CHECKING:
    import re2

__all__ = [
    "MAX_PATTERN",
    "Vary",
    "at",
    "compiled",
    "expected",
    "joined",
    "matches",
    "propose_vary",
    "replaced",
    "tokens",
]

MAX_PATTERN = 64
"""Characters of a `vary` pattern: short enough to be read in a review."""

_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/+.:@-")
_WORD_CLASS = r"[\w/+.:@-]*"
"""What a time zone, a path, an account or a version is made of: no blanks, so no sentences."""

_SLACK = 40
"""Characters that a varying text may be longer than the longer of the two that were seen."""

_REPEAT = 1000
"""RE2's limit for a counted repetition."""


class Vary(NamedTuple):
    """A reviewed exception: the string at `pointer` may be whatever `pattern` (RE2) matches whole.

    `pointer` (RFC 6901) is `/tools/NAME/...` down to a string of the definition (so without
    `definition` in it), or below `/server/instructions` or `/server/serverInfo`.
    """

    pointer: str
    pattern: str


@cache
def compiled(pattern: str) -> "re2._Regexp[str]":
    """The RE2 pattern. Raises ValueError."""
    import re2  # lockfiles without `vary` need no RE2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise ValueError("pattern is not one that RE2 reads") from error


def matches(pattern: str, text: str) -> bool:
    """Whether `pattern` matches the whole of `text`. Raises ValueError if it is no pattern."""
    try:
        return compiled(pattern).fullmatch(text) is not None
    except UnicodeEncodeError:  # half a surrogate pair: RE2 reads UTF-8
        return False


_Locked = TypeVar("_Locked", str, JsonObject)


def expected(vary: Iterable[Vary], root: tuple[str, ...], locked: _Locked, live: Json) -> _Locked:
    """`locked`, which is at `root` in the file, with the live text wherever `vary` allows it."""
    for each in vary:
        path = tokens(each.pointer)
        if path[: len(root)] != root:
            continue
        spot = path[len(root) :]
        theirs = at(live, spot)
        if isinstance(theirs, str) and matches(each.pattern, theirs):
            # A string takes the place of a string, so what comes out is of the type that went in.
            locked = cast("_Locked", replaced(locked, spot, theirs))
    return locked


def propose_vary(first: Surface, second: Surface) -> tuple[Vary, ...]:
    """Exceptions that would make two runs of one server the same; empty when none would do.

    Only for what differs in nothing but strings, one entry each: its unchanging beginning and end
    as they stand, and what is between them. To be reviewed by a person before it is locked.
    """
    found: list[Vary] = []
    facts = (("instructions", "instructions"), ("serverInfo", "server_info"))
    for key, field in facts:
        one, other = getattr(first.server, field), getattr(second.server, field)
        found += _proposed(("server", key), one, other)
    for kind in ItemKind:
        for name in sorted(first.of(kind).keys() & second.of(kind).keys()):
            one, other = pinned(kind, first.of(kind)[name]), pinned(kind, second.of(kind)[name])
            found += _proposed((kind.value, name), one, other)
    return tuple(found)


class _NotOnlyTextError(Exception):
    """The two differ in something other than a string."""


def _proposed(root: tuple[str, ...], one: Json, other: Json) -> list[Vary]:
    try:
        spots = list(_differing(one, other, root))
    except _NotOnlyTextError:
        return []
    patterns = [(path, _pattern(before, after)) for path, before, after in spots]
    if any(pattern is None for _, pattern in patterns):
        return []
    return [Vary(joined("", *path), pattern or "") for path, pattern in patterns]


def _differing(
    one: Json, other: Json, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str, str]]:
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            raise _NotOnlyTextError
        for key in one:
            yield from _differing(one[key], other[key], (*path, key))
    elif isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            raise _NotOnlyTextError
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from _differing(*pair, (*path, str(index)))
    elif isinstance(one, str) and isinstance(other, str):
        if one != other:
            yield path, one, other
    elif type(one) is not type(other) or one != other:
        raise _NotOnlyTextError


def _pattern(one: str, other: str) -> str | None:
    """A pattern of at most `MAX_PATTERN` characters for both strings, as narrow as it can be."""
    start = _whole_words(_common(one, other), from_end=True)
    rest = _common(one[len(start) :][::-1], other[len(start) :][::-1])[::-1]
    end = _whole_words(rest, from_end=False)
    middles = [text[len(start) : len(text) - len(end)] for text in (one, other)]
    only_words = all(_WORD.issuperset(middle) for middle in middles)
    candidates = [_literal(start) + _WORD_CLASS + _literal(end)] if only_words else []
    candidates.append(_shortened(start, end, max(map(len, middles))))
    for pattern in candidates:
        if len(pattern) <= MAX_PATTERN and matches(pattern, one) and matches(pattern, other):
            return pattern
    return None


def _common(one: str, other: str) -> str:
    length = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        length += 1
    return one[:length]


def _whole_words(text: str, *, from_end: bool) -> str:
    """`text` without the part of a word next to the difference: Europe/ is part of what varies."""
    while text and (text[-1] if from_end else text[0]) in _WORD:
        text = text[:-1] if from_end else text[1:]
    return text


def _shortened(start: str, end: str, middle: int) -> str:
    """As much of the beginning and the end as fits, and one line of bounded length between."""
    room = MAX_PATTERN - len(_anything(_REPEAT))
    whole = len(start) + len(end)
    while start and len(_literal(start)) > room - min(len(_literal(end)), room // 2):
        start = start[:-1]
    while end and len(_literal(start)) + len(_literal(end)) > room:
        end = end[1:]
    length = middle + whole - len(start) - len(end) + _SLACK
    return _literal(start) + _anything(min(length, _REPEAT)) + _literal(end)


def _anything(length: int) -> str:
    return rf"[^\n]{{0,{length}}}"


def _literal(text: str) -> str:
    """`text` as an RE2 pattern for itself."""
    return "".join(_escape(each) for each in text)


def _escape(char: str) -> str:
    if char == "\n":
        return "\\n"
    return "\\" + char if char in "\\.+*?()|[]{}^$" else char


# --- JSON pointers (RFC 6901) --------------------------------------------------------------------


def _escaped_token(token: str) -> str:
    """One reference token as it is written in a pointer. RFC 6901 section 3."""
    return token.replace("~", "~0").replace("/", "~1")


def joined(base: str, *names: str | int) -> str:
    """The pointer to `names` below the pointer `base`."""
    return base + "".join("/" + _escaped_token(str(name)) for name in names)


def tokens(pointer: str) -> tuple[str, ...]:
    """The unescaped tokens of `pointer`.

    Raises:
        ValueError: It is not empty and does not start with a slash, or `~` is not followed by
            0 or 1.
    """
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise ValueError("a JSON pointer starts with a slash")
    return tuple(_unescaped(token) for token in pointer[1:].split("/"))


def _unescaped(token: str) -> str:
    if "~" in token.replace("~0", "").replace("~1", ""):
        raise ValueError("in a JSON pointer `~` is followed by 0 or 1")
    return token.replace("~1", "/").replace("~0", "~")


def at(value: Json, path: tuple[str, ...]) -> Json:
    """What is at `path` in `value`; None also when there is nothing."""
    for token in path:
        if isinstance(value, dict):
            value = value.get(token)
        elif isinstance(value, list):
            value = value[int(token)] if _is_index(token, len(value)) else None
        else:
            return None
    return value


def _is_index(token: str, length: int) -> bool:
    """RFC 6901 section 4: ASCII digits without leading zeros. Bounded before `int` reads it."""
    if len(token) > len(str(length)) or not (token.isascii() and token.isdigit()):
        return False
    return (token == "0" or token[0] != "0") and int(token) < length  # noqa: S105 - an index


def replaced(value: Json, path: tuple[str, ...], new: Json) -> Json:
    """A copy of `value` with `new` at `path`, which exists. Only what is on the way is copied."""
    if not path:
        return new
    if isinstance(value, dict):
        return {**value, path[0]: replaced(value[path[0]], path[1:], new)}
    if isinstance(value, list):
        index = int(path[0])
        return [*value[:index], replaced(value[index], path[1:], new), *value[index + 1 :]]
    raise KeyError(path[0])
