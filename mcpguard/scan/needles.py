"""RE2, as this room uses it: one pattern, or one automaton over many. And what is remembered."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, wraps
from operator import methodcaller
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from mcpguard.errors import ScanError

if TYPE_CHECKING:
    import re2

__all__ = [
    "LONGEST",
    "LONG_WORD",
    "Match",
    "Meter",
    "Needles",
    "compiled",
    "encodable",
    "matches",
    "none_of",
    "remembered",
    "spans",
    "told",
]

SET_MEMORY = 12 * 1024 * 1024
"""Bytes that the automaton of a set may grow to; beyond, RE2 forgets it and starts over. Then a
byte costs a hundred times as much, so what is looked for together must need less: see `none_of`."""

_LONG = 20
"""Characters. What is encoded in fewer is no order."""

_WORDLY = r"0-9A-Za-z!#$%&()*+\-/;<=>?@^_`{|}~"

LONG_WORD = rf"[{_WORDLY}]{{{_LONG}}}(?:[^{_WORDLY}]|\z)"
"""The end of what may be encoded: in base64, hex, base32, base85. Matches once a word, as each
match costs RE2 as much as a byte."""

_APART = bytes(
    each if chr(each).isalnum() or chr(each) in "!#$%&()*+-/;<=>?@^_`{|}~" else ord(" ")
    for each in range(0x80)
).ljust(0x100)
"""Of each byte itself if it may stand in such a word, else a blank."""

_ALWAYS = r"(?:)"
"""Matches every text. Its absence from an answer means that RE2 ran out of memory."""

END = "\n\t\r\t"
"""Matched instead, behind every text: after each byte with a match RE2 looks closer at what it has,
so a pattern that matches from the first one on doubles the time. Begins with a line end."""


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> "re2._Regexp[str]":
    """The RE2 pattern, compiled once. Raises ValueError."""
    import re2  # not on the way of a proxy that sanitises nothing

    try:
        return re2.compile(pattern, _options())
    except (re2.error, UnicodeEncodeError) as error:
        raise ValueError("it is not a pattern that RE2 reads") from error


def _options() -> "re2.Options":
    import re2

    options = re2.Options()
    options.log_errors = False
    return options


class Match(NamedTuple):
    """Characters of a match, and of its first group (its own, when the pattern has none)."""

    start: int
    end: int
    inner: int
    inner_end: int


class Meter:
    """How many matches may still be looked at. One for a whole value."""

    __slots__ = ("_left",)

    def __init__(self, left: int) -> None:
        self._left = left

    def spend(self) -> None:
        """One match. Raises ScanError when there were too many."""
        self._left -= 1
        if self._left < 0:
            raise ScanError("arguments: too much in them looks like what detectors look for")


def matches(pattern: str, text: str, meter: Meter) -> Iterator[Match]:
    """Every match of `pattern`, in order. Searches bytes: twenty times faster than `str` in RE2.

    Raises:
        ScanError: `meter` ran out.
    """
    regex = compiled(pattern)
    if not regex.groups:
        for span in spans(pattern, text):
            meter.spend()
            yield Match(*span, *span)
        return
    raw = text.encode()
    ascii_only = len(raw) == len(text)
    at = seen = 0
    for match in regex.finditer(raw):
        meter.spend()
        start, end = match.span()
        if ascii_only:
            yield Match(start, end, *match.span(1))
            continue
        first = seen + len(raw[at:start].decode())
        at, seen = end, first + len(raw[start:end].decode())
        begin, close = match.span(1)
        inner = first + len(raw[start:begin].decode())
        yield Match(first, seen, inner, inner + len(raw[begin:close].decode()))


def spans(pattern: str, text: str) -> Iterator[tuple[int, int]]:
    """Start and end of every match of `pattern`, in order."""
    raw = text.encode()
    found = map(_SPAN, compiled(pattern).finditer(raw))
    if len(raw) == len(text):
        yield from found
        return
    at = seen = 0
    for start, end in found:
        first = seen + len(raw[at:start].decode())
        at, seen = end, first + len(raw[start:end].decode())
        yield first, seen


_SPAN = methodcaller("span")


class Needles:
    """Which of many patterns occur in a text, in one pass over it. Patterns must compile.

    `open_ended`: none of them asks where a text ends, but for a word boundary or where a line end
    would do as well. Then one look takes half the time, and may find a line end behind the text.
    """

    def __init__(self, patterns: Sequence[str], *, open_ended: bool = False) -> None:
        import re2

        options = _options()
        options.max_mem = SET_MEMORY
        self.end = END if open_ended else ""
        """What stands behind each text that is searched."""
        self._set = re2.Set.SearchSet(options)
        for pattern in (*patterns, END[1:] if open_ended else _ALWAYS):
            self._set.Add(pattern)
        self._set.Compile()
        self._count = len(patterns)
        self.found: Callable[[bytes], list[int] | None] = _beneath(self._set).Match
        """What RE2 says of UTF-8 with `end` behind it: `nothing`, or more; none when it gave up."""
        self.nothing = [self._count]

    def within(self, text: str) -> list[int]:
        """The numbers of the patterns in `text`; all of them when RE2 could not find it out."""
        return told(self.found((text + self.end).encode()) or [], self._count)


def _beneath(patterns: "re2.Set") -> "re2.Set":
    """The set that `re2.Set` wraps: the wrapper encodes a `str`, and costs a quarter."""
    beneath: re2.Set = getattr(patterns, "_set", patterns)
    return beneath


def none_of(
    groups: Sequence[Sequence[str]], dull: Callable[[bytes], bool]
) -> Callable[[bytes], bool]:
    """Whether a UTF-8 text holds none of the patterns in `groups`, which are `open_ended`.

    One automaton for each group. States multiply: one that counts characters beside one of a
    thousand words has a state for every count in every word, and then outgrows `SET_MEMORY` with
    every text.
    `LONG_WORD` alone, of the last group, may be in a text that says nothing. That are the rules of
    tables, one character again and again, and paths, names, digests: words of ASCII that are all
    `dull`.
    """
    *others, last = [Needles(each, open_ended=True) for each in groups]
    looks, found, end = [(each.found, each.nothing) for each in others], last.found, END.encode()
    alone = [*(at for at, each in enumerate(groups[-1]) if each == LONG_WORD), *last.nothing]

    def none(raw: bytes) -> bool:
        text = raw + end
        for look, nothing in looks:
            if look(text) != nothing:
                return False
        seen = found(text)
        if seen == last.nothing:
            return True
        if seen != alone:
            return False
        for run in text.split():
            if len(run) >= _LONG and run != run[:1] * len(run):
                words = run.translate(_APART).split()
                if not all(dull(word) for word in words if len(word) >= _LONG):
                    return False
        return True

    return none


def told(matched: list[int], count: int) -> list[int]:
    """A set's answer without the pattern `count`, which is in every text; all when it is missing.

    RE2 answers "nothing" when it runs out of memory. Then anything may be in the text.
    """
    if matched == [count]:
        return []
    if count not in matched:
        return list(range(count))
    return [number for number in matched if number != count]


_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")


def encodable(text: str) -> str:
    """`text`, of the same length, with U+FFFD for halves of surrogate pairs: RE2 reads UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.translate(_SURROGATES)
    return text


# What is remembered of what strangers write

LONGEST = 256
"""Characters or bytes of what is remembered. A stranger who writes a thousand different texts of a
megabyte each must not have them kept."""

T = TypeVar("T", str, bytes)
R = TypeVar("R")


def remembered(entries: int) -> Callable[[Callable[[T], R]], Callable[[T], R]]:
    """Remember what a function of one text gave for at most so many short ones, used last."""

    def remembering(work: Callable[[T], R]) -> Callable[[T], R]:
        known = lru_cache(maxsize=entries)(work)

        @wraps(work)
        def asked(text: T) -> R:
            return known(text) if len(text) <= LONGEST else work(text)

        return asked

    return remembering
