"""What is done for every sentence and word, in Python: what it is is said here.

A text is divided into sentences, and their words alone tell which of them are worth a closer look:
a few in a hundred are. The words of those, and of what is around them, are most of their features.
"""

import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from math import sqrt
from typing import NamedTuple

from mcpguard.scan.needles import compiled
from mcpguard.scan.threats.text import ENDS, PAUSE

__all__ = [
    "AROUND",
    "BITS",
    "COMMA",
    "COMMON",
    "COMPILED",
    "LEADS",
    "LETTERS",
    "LONGEST",
    "MOST_KNOWN",
    "NEAR",
    "PAIR",
    "STEM",
    "STEMMED",
    "STEM_PAIR",
    "ZERO",
    "Numbers",
    "Sentence",
    "divided",
    "glance",
    "stems",
    "wording",
    "worthy",
]

COMPILED = "826829d436209494ae8521980f2e9001882a0161c1bc496ea769399aa593e11d"
"""SHA-256 of compiled.c, in hex. What was built of another one, and left beside it, is not used."""

BITS = 18
"""Of a feature's number."""

_MASK = (1 << BITS) - 1

LONGEST = 60
"""Words that are read as one sentence; a longer one is several."""

LETTERS = 24
"""Of a word that are read: what is remembered of words stays small."""

LEADS = ' \t#/*>|;"'
"""What a line may begin with that goes on: indentation, quotation, comments. All are ASCII."""

COMMA = ","
"""The word that stands for a pause."""

ZERO = 128
"""The byte of a weight of nothing."""

AROUND = 3
"""Sentences before and after one that say what it is said among."""

STEM = 5
"""Letters of a word that stand for all its forms."""

_SMALL = "a an the of to in on at for and or is are be as by with this that it its from"
COMMON = frozenset((*_SMALL.split(), COMMA))
"""Words that are left out between stems."""

PAIR, STEMMED, STEM_PAIR, NEAR = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x2545F491
"""Odd numbers that keep the kinds of features apart."""

MOST_KNOWN = 8192
"""Words that are remembered; then it begins anew, as a stranger chooses them."""


class Sentence(NamedTuple):
    """Characters `start` to `end` of a text: the words there, and the letters of the concepts."""

    start: int
    end: int
    words: list[str]
    codes: str


# --- sentences -----------------------------------------------------------------------------------


def divided(text: str, low: str, concepts: str = "", starts: Sequence[int] = ()) -> list[Sentence]:
    """The sentences of `text` in order. Linear.

    `low`: `text`, `lowered`. `concepts`: letters, each of a concept that begins where the number of
    the same place in `starts` says, in order; without `starts` no sentence has any.

    A sentence ends with `ENDS` and with a line, but where the next one goes on with a small letter.
    A word ends with a blank (`str.isspace`) and a `PAUSE`, which is a word itself.
    Raises ValueError for a `low` of another length.
    """
    if len(low) != len(text):
        raise ValueError("the lowered text has another length")
    short = compiled(_LONG).search(low.encode("ascii", "replace")) is None
    easy = short and low.isascii()
    found = list[Sentence]()
    parts = _ended(text, low).split(ENDS)
    meant = _shares(parts, concepts, starts) if starts else repeat("")
    end = -1
    for part, codes in zip(parts, meant, strict=False):
        end += len(part) + 1
        own = part.replace(PAUSE, f" {COMMA} ").split()
        if not own:
            continue
        known = easy or (part.isascii() and (short or len(part) <= LETTERS))
        words = own if known else _told(own)
        whole = Sentence(end - len(part.lstrip()), end, words, codes)
        if len(words) <= LONGEST:
            found.append(whole)
        else:
            found += _cut(whole)
    return found


_LONG = rf"\S{{{LETTERS + 1}}}"
"""What may be a word of more letters than are read."""


def _shares(parts: Sequence[str], concepts: str, starts: Sequence[int]) -> Iterator[str]:
    """The concepts of each of the `parts` of a text; `starts`: where each concept does there."""
    at = first = last = 0
    for part in parts:
        at += len(part) + 1
        first, last = last, bisect_left(starts, at, lo=last)
        yield concepts[first:last].replace("_", "").replace(".", "") if first < last else ""


def _ended(text: str, low: str) -> str:
    """`low`, with `ENDS` for each end of a line of `text` but where the next one goes on."""
    lines, begin, at = list[str](), 0, 0
    for line in text.split("\n"):
        if at > begin and not line.lstrip(LEADS)[:1].islower():
            lines.append(low[begin : at - 1])
            begin = at
        at += len(line) + 1
    lines.append(low[begin:])
    return ENDS.join(lines)


def _cut(whole: Sentence) -> Iterator[Sentence]:
    """`whole`, or pieces of it that are not too long, each with its share of the concepts."""
    count = -(-len(whole.words) // LONGEST)
    for piece in range(count):
        share = len(whole.codes) * piece // count, len(whole.codes) * (piece + 1) // count
        words = whole.words[piece * LONGEST : (piece + 1) * LONGEST]
        yield whole._replace(words=words, codes=whole.codes[slice(*share)])


def _told(words: list[str]) -> list[str]:
    """`words`; of a script without spaces its pairs of characters."""
    if max(map(len, words)) > LETTERS:
        words = [each[:LETTERS] for each in words]
    if all(map(str.isascii, words)):
        return words
    return [part for word in words for part in _parts(word)]


def _parts(word: str) -> Sequence[str]:
    if word.isascii() or not "\u0e00" <= word[0] <= "\uffdc" or len(word) < len("ab"):
        return (word,)
    return [word[at : at + 2] for at in range(len(word) - 1)]


# --- their words ---------------------------------------------------------------------------------


class Numbers(dict[str, int]):
    """The numbers of words, as they are asked for: `of` gives that of one."""

    def __init__(self, of: Callable[[str], int]) -> None:
        super().__init__()
        self._of = of

    def __missing__(self, word: str) -> int:
        if len(self) >= MOST_KNOWN:
            self.clear()
        number = self[word] = self._of(word)
        return number


def _number_of(word: str) -> int:
    return zlib.crc32(word.encode()) & _MASK


def _stem_of(word: str) -> int:
    """Number of the word's stem; 0 where it has none."""
    return 0 if word in COMMON else _number_of(word[:STEM])


_NUMBERS, _STEMS = Numbers(_number_of), Numbers(_stem_of)


def stems(words: Iterable[str]) -> Iterator[int]:
    """The number of each stem among `words`, in order: as of a word, and never 0."""
    return filter(None, map(_STEMS.__getitem__, words))


def glance(words: Iterable[str]) -> Iterator[int]:
    """The number of each of `words`, below 2**BITS: the low bits of its CRC-32 in UTF-8."""
    return map(_NUMBERS.__getitem__, words)


def worthy(told: Sequence[Sentence], weights: bytes, least: float) -> set[int]:
    """The places of those sentences whose words alone weigh enough for a closer look.

    Each number of a word (`glance`) counts once, with the byte of `weights` at its place less
    `ZERO`; of n numbers they are `least` times the root of n + 1, or more.
    Raises ValueError for fewer than 2**BITS weights.
    """
    if len(weights) < 1 << BITS:
        raise ValueError(f"{len(weights)} weights, not {1 << BITS}")
    chosen = set[int]()
    for at, each in enumerate(told):
        found = set(glance(each.words))
        weight = sum([weights[number] for number in found]) - ZERO * len(found)
        if weight >= least * sqrt(len(found) + 1):
            chosen.add(at)
    return chosen


def wording(told: Sequence[Sentence], at: int) -> set[int]:
    """The numbers of the features that the words of the sentence `at` and of those around it give.

    Of its own words each, each after the one before, their stems likewise; of the `AROUND`
    sentences before and after it, and of itself, the stems. Raises IndexError where there is none.
    """
    if at < 0:
        raise IndexError(at)
    found = set[int]()
    add, last = found.add, 1
    for each in glance(told[at].words):
        add(each)
        add((last * PAIR + each) & _MASK)
        last = each
    last = 1
    for each in stems(told[at].words):
        add((each * STEMMED) & _MASK)
        add((last * STEM_PAIR + each) & _MASK)
        last = each
    for other in told[max(0, at - AROUND) : at + AROUND + 1]:
        found.update([(each * NEAR) & _MASK for each in stems(other.words)])
    return found
