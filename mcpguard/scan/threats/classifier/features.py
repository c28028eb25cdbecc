"""A text as sentences, and a sentence as the numbers of its features.

Features are words, pairs of words, stems, and the concepts of the lexicon with those that follow,
so that a sentence in a language or in words that were never seen still has some; and what is said
around it. Each is hashed to a number (feature hashing: Weinberger et al., ICML 2009), so that no
vocabulary is kept.
"""

import zlib
from bisect import bisect_left
from collections.abc import Container, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from mcpguard.scan.threats.text import ENDS, PAUSE, lowered

__all__ = ["BITS", "Sentence", "Topic", "glance", "sentences", "shared", "topic", "units"]

BITS = 18
"""Of a feature's number."""

_MASK = (1 << BITS) - 1

LONGEST = 60
"""Words that are read as one sentence; a longer one is several."""

LETTERS = 24
"""Of a word that are read: what is remembered of words stays small."""

AHEAD = 4
"""Concepts after one that are paired with it."""

AROUND = 3
"""Sentences before and after one that say what it is said among."""

STEM = 5
"""Letters of a word that stand for all its forms."""

_SMALL = "a an the of to in on at for and or is are be as by with this that it its from ,"
_COMMON = frozenset(_SMALL.split())
"""Words that are left out between stems."""

_PAIR, _STEM, _STEMS, _CODE, _CODES = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1
_TRIPLE, _NEAR, _TOPIC, _ABOUT = (
    0xD3A2646D,
    0x2545F491,
    0x51ED270B,
    0x1234567,
)
"""Odd numbers that keep the kinds of features apart."""


class Sentence(NamedTuple):
    """Characters `start` to `end` of a text: the words there, and the letters of the concepts."""

    start: int
    end: int
    words: list[str]
    codes: str


def sentences(
    text: str, concepts: str = "", spans: Sequence[tuple[int, int]] = ()
) -> Iterator[Sentence]:
    """The sentences of `text` in order; `concepts` and `spans`: as the lexicon reads it. Linear."""
    low, starts = lowered(text), [start for start, _ in spans]
    plain = low.isascii() and max(map(len, low.split()), default=0) <= LETTERS
    first = last = 0
    codes = ""
    for begin, finish in _lines(text):
        at = begin
        for part in low[begin:finish].split(ENDS):
            start, at = at, at + len(part) + 1
            if starts:
                last = bisect_left(starts, at, lo=first)
                codes = concepts[first:last].replace("_", "").replace(".", "")
                first = last
            words = (part.replace(PAUSE, " , ") if PAUSE in part else part).split()
            if words:
                start += len(part) - len(part.lstrip())
                whole = Sentence(start, at - 1, words if plain else _told(words), codes)
                if len(whole.words) <= LONGEST:
                    yield whole
                else:
                    yield from _cut(whole)


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """The lines of `text`, as characters from and to; one that goes on in the next is not ended."""
    begin = at = 0
    for line in text.split("\n"):
        if at > begin and not line.lstrip(_LEADS)[:1].islower():
            yield begin, at - 1
            begin = at
        at += len(line) + 1
    yield begin, at - 1


_LEADS = ' \t#/*>|;"'
"""What a line may begin with that goes on: indentation, quotation, comments."""


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


@lru_cache(maxsize=8192)
def _ids(word: str) -> tuple[int, int]:
    """Number of the word, and of its stem; 0 where it has none."""
    stem = 0 if word in _COMMON else zlib.crc32(word[:STEM].encode()) & _MASK
    return zlib.crc32(word.encode()) & _MASK, stem


@lru_cache(maxsize=8192)
def _number(word: str) -> int:
    return _ids(word)[0]


class Topic(NamedTuple):
    """What the whole is about: the numbers of the stems, and the letters of the concepts."""

    stems: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()


def topic(text: str, concepts: str) -> Topic:
    """What `text`, which says it in these concepts, is about."""
    stems = {_ids(word)[1] for each in sentences(text) for word in each.words}
    return Topic(
        frozenset((each * _TOPIC) & _MASK for each in stems if each),
        frozenset(concepts) - {"_", "."},
    )


def shared(sentence: Sentence, about: Topic) -> tuple[int, int]:
    """How many stems of `sentence` are those of what the whole is about, and how many it has."""
    stems = {stem for _, stem in map(_ids, sentence.words) if stem}
    return sum((each * _TOPIC) & _MASK in about.stems for each in stems), len(stems)


def glance(words: Sequence[str]) -> set[int]:
    """The numbers of the words alone: what tells quickly whether the rest is worth making."""
    return set(map(_number, words))


def units(
    told: Sequence[Sentence],
    about: Topic = Topic(),  # noqa: B008 - it cannot be changed
    chosen: Container[int] | None = None,
) -> Iterator[tuple[int, set[int]]]:
    """The number of each sentence that is `chosen` and those of its features, below 2**BITS.

    Those are its own, the stems of the sentences around it, and what the whole is about.
    """
    near: dict[int, set[int]] = {}
    beside = {
        code: [(ord(one) * _ABOUT + (ord(code) << 9) * _CODES) & _MASK for one in about.codes]
        for code in {code for each in told for code in each.codes}
    }
    for at, each in enumerate(told):
        if chosen is not None and at not in chosen:
            continue
        found = _own(each)
        found.update(about.stems)
        for other in range(max(0, at - AROUND), min(len(told), at + AROUND + 1)):
            if other not in near:
                stems = (stem for _, stem in map(_ids, told[other].words) if stem)
                near[other] = {(stem * _NEAR) & _MASK for stem in stems}
            found |= near[other]
        found.update(*map(beside.__getitem__, each.codes))
        yield at, found


def _own(sentence: Sentence) -> set[int]:
    ids = [_ids(each) for each in sentence.words]
    whole = [number for number, _ in ids]
    stems = [stem for _, stem in ids if stem]
    codes = [ord(each) for each in sentence.codes]
    found = set(whole)
    found.update([(a * _PAIR + b) & _MASK for a, b in zip([1, *whole], whole, strict=False)])
    found.update([(each * _STEM) & _MASK for each in stems])
    found.update([(a * _STEMS + b) & _MASK for a, b in zip([1, *stems], stems, strict=False)])
    found.update([(each * _CODE) & _MASK for each in codes])
    for ahead in range(1, AHEAD + 1):
        pairs = zip(codes, codes[ahead:], strict=False)
        found.update([((a << 7 | b) * _CODES) & _MASK for a, b in pairs])
    triples = zip(codes, codes[1:], codes[2:], strict=False)
    found.update([((a << 14 | b << 7 | c) * _TRIPLE) & _MASK for a, b, c in triples])
    return found
