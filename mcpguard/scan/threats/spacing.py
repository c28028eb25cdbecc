"""Words that something else than blanks parts, or nothing; and letters that something parts.

A model reads "Ignore*all*that" and "I.g.n.o.r.e" as it reads the words; a table of words does not.
Latin, Greek and Cyrillic letters: other scripts are written without blanks, or are joined.
"""

import re
from collections.abc import Callable
from functools import cache
from itertools import chain

from mcpguard.scan.needles import compiled, spans
from mcpguard.scan.threats.prefixes import Tree, longest, tree
from mcpguard.scan.threats.text import normalise
from mcpguard.scan.threats.words import CONCEPTS
from mcpguard.scan.threats.words.orders import SPACED

__all__ = ["NEEDLES", "SPACINGS", "TAGGED", "Form", "bare", "joined"]

Form = tuple[str, str, Callable[[str], str]]
"""Name, RE2 pattern of what shows it, and the way back."""

_RANGES = (
    ("A", "Z"),
    ("a", "z"),
    ("\xc0", "\xd6"),
    ("\xd8", "\xf6"),
    ("\xf8", "\u024f"),
    ("\u0388", "\u03f5"),
    ("\u03f7", "\u0481"),
    ("\u048a", "\u052f"),
)
_LETTERS = "".join(f"{first}-{last}" for first, last in _RANGES)
_LETTER = f"[{_LETTERS}]"

_BLANKS = r"\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
_SIGN = rf"[^{_BLANKS}!-~{_LETTERS}]"
"""What is no ASCII, no blank and none of these letters: signs, emoji, and what nobody sees."""

_MARKED = rf"(?:[!-~{_LETTERS}]+ ?{_SIGN}+ ?){{4,}}[!-~{_LETTERS}]*"

_MARKS = "!;?$%&+\\~'"
"""ASCII that is between words in addresses and paths, but four times on end seldom elsewhere."""

_ASCII_MARKED = "|".join(
    rf"(?:[A-Za-z]+(?: ?{each}|{each} ?){each}?){{4,}}[A-Za-z]+" for each in map(re.escape, _MARKS)
)
_NUMBERED = r"(?:[A-Za-z'][A-Za-z']+[0-9][0-9]?){8,}[A-Za-z']*"

_GLUED = rf"{_LETTER}{{20}}{_LETTER}{{16,}}"
"""More letters on end than a word has."""

_SPREAD = rf"(?:{_LETTER}{{1,2}}[^0-9{_LETTERS}]+){{14,}}{_LETTER}{{1,2}}"
"""Letters by ones and twos, as no sentence has them."""

_TAG = r"<[!/A-Za-z][^<>]*>"
TAGGED = rf"{_LETTER}(?:{_TAG})+{_LETTER}"

_JOINED = rf"[A-Za-z]{{20}}[A-Za-z]{{16}}|{_NUMBERED}"

NEEDLES = (
    r"(?:[A-Za-z]{1,2}(?:\\[nrt]|[^0-9A-Za-z])+){14}",
    r"[A-Za-z]<[!/A-Za-z][^<>]*>[A-Za-z]",
)
"""RE2 patterns, one of which is in every ASCII text, or JSON of it, where letters stand apart."""


def joined(word: str) -> bool:
    """Whether `word`, of ASCII, may be several: without blanks, or with digits in their place."""
    return compiled(_JOINED).search(word.encode()) is not None


def _signless(run: str) -> str:
    return _worded(_SIGNS.sub(" ", run))


def _gathered(run: str) -> str:
    """Letters that stand apart as words; what parts the words is wider."""
    parts = _APART.split(run)
    least = min(map(len, parts[1::2]))
    between = ("" if len(each) == least else " " for each in parts[1::2])
    return _worded("".join(chain.from_iterable(zip(parts[::2], (*between, ""), strict=True))))


_SIGNS = re.compile(f"[^{_LETTERS}]+")
_APART = re.compile(f"([^{_LETTERS}]+)")


def _worded(text: str) -> str:
    """`text` as it reads, with blanks around the known words of what is longer than a word."""
    said = normalise(text).text.split()
    return " ".join(each if len(each) < _WORD else _parted(each.lower()) for each in said)


_WORD = 20
"""Letters. Hardly a word is longer."""


def _parted(word: str) -> str:
    """`word` with blanks around the known words in it: from the left, the longest each time."""
    parts, done = list[str](), 0
    for start, end, known in longest(_known(), word):
        parts += (word[done:start], known)
        done = end
    return " ".join(filter(None, (*parts, word[done:])))


@cache
def _known() -> Tree:
    """The words that are looked for anywhere."""
    listed = " ".join((*SPACED.values(), *CONCEPTS.values()))
    return tree({word: word for word in filter(_telling, _WORDS.findall(listed))})


_WORDS = re.compile(r"[^\W\d_]+")


def _telling(word: str) -> bool:
    return len(word) > _SHORT or word in _COMMON


_SHORT = 2
_COMMON = frozenset(
    (
        "an",
        "as",
        "at",
        "by",
        "do",
        "if",
        "in",
        "is",
        "it",
        "me",
        "my",
        "no",
        "of",
        "on",
        "or",
        "so",
        "to",
        "up",
        "we",
    )
)


SPACINGS: tuple[Form, ...] = (
    ("signs between words", _MARKED, _signless),
    ("signs between words", _ASCII_MARKED, _signless),
    ("digits between words", _NUMBERED, _signless),
    ("words without blanks", _GLUED, _worded),
    ("letters apart", _SPREAD, _gathered),
)


def bare(text: str) -> str:
    """`text` without its tags, so that what these part is one again; then with words apart."""
    text = _TAGS.sub("", _ENDING_TAGS.sub(" ", text))
    for _, pattern, back in SPACINGS:
        parts, done = list[str](), 0
        for start, end in spans(pattern, text):
            parts += (text[done:start], back(text[start:end]))
            done = end
        text = "".join((*parts, text[done:]))
    return text


_TAGS = re.compile(_TAG)
_ENDING_TAGS = re.compile(
    r"(?i)</?(?:address|article|aside|br|button|caption|dd|div|dl|dt|footer|form|h[1-6]|header|hr|li"
    r"|main|nav|ol|option|p|pre|section|select|table|tbody|td|tfoot|th|thead|tr|ul)\b[^<>]*>"
)
"""What ends a word where it is shown: it stands on a line of its own, or in a cell."""
