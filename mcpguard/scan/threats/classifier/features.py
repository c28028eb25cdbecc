"""A text as sentences, and a sentence as the numbers of its features.

Features are words, pairs of words, stems, and the concepts of the lexicon with those that follow,
so that a sentence in a language or in words that were never seen still has some; and what is said
around it. Each is hashed to a number (feature hashing: Weinberger et al., ICML 2009), so that no
vocabulary is kept.
"""

import zlib
from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

from mcpguard.scan.needles import compiled, remembered
from mcpguard.scan.threats.text import ENDS, PAUSE, lowered

__all__ = [
    "BITS",
    "MOST_KNOWN",
    "Numbers",
    "Sentence",
    "Topic",
    "glance",
    "sentences",
    "shared",
    "topic",
    "units",
]

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
) -> list[Sentence]:
    """The sentences of `text` in order; `concepts` and `spans`: as the lexicon reads it. Linear."""
    low, found = lowered(text), list[Sentence]()
    short = compiled(_LONG).search(low.encode("ascii", "replace")) is None
    easy = short and low.isascii()
    parts = _ended(text, low).split(ENDS)
    meant = _shares(parts, concepts, [start for start, _ in spans]) if spans else repeat("")
    end = -1
    for part, codes in zip(parts, meant, strict=False):
        end += len(part) + 1
        own = part.replace(PAUSE, " , ").split()
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


def _shares(parts: Sequence[str], concepts: str, starts: Sequence[int]) -> Iterator[str]:
    """The concepts of each of the `parts` of a text; `starts`: where each concept does there."""
    at = first = last = 0
    for part in parts:
        at += len(part) + 1
        first, last = last, bisect_left(starts, at, lo=last)
        yield concepts[first:last].replace("_", "").replace(".", "") if first < last else ""


_LONG = rf"\S{{{LETTERS + 1}}}"
"""What may be a word of more letters than are read."""


def _ended(text: str, low: str) -> str:
    """`low`, with `ENDS` for each end of a line of `text` but where the next one goes on."""
    lines, begin, at = list[str](), 0, 0
    for line in text.split("\n"):
        if at > begin and not line.lstrip(_LEADS)[:1].islower():
            lines.append(low[begin : at - 1])
            begin = at
        at += len(line) + 1
    lines.append(low[begin:])
    return ENDS.join(lines)


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


MOST_KNOWN = 8192
"""Words that are remembered; then it begins anew, as a stranger chooses them."""


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
    return 0 if word in _COMMON else zlib.crc32(word[:STEM].encode()) & _MASK


def _near_of(word: str) -> int:
    """Number of the word's stem in a sentence near by; `_NONE` where it has none."""
    stem = _stem_of(word)
    return (stem * _NEAR) & _MASK if stem else _NONE


_NONE = -1
_NUMBERS, _STEMS_OF, _NEAR_TO = Numbers(_number_of), Numbers(_stem_of), Numbers(_near_of)


def _stems(words: Iterable[str]) -> Iterator[int]:
    """The number of each stem among `words`, in order."""
    return filter(None, map(_STEMS_OF.__getitem__, words))


class Topic(NamedTuple):
    """What the whole is about: the numbers of the stems, and the letters of the concepts."""

    stems: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()


def topic(text: str, concepts: str) -> Topic:
    """What `text`, which says it in these concepts, is about."""
    stems = {stem for each in sentences(text) for stem in _stems(each.words)}
    return Topic(
        frozenset((each * _TOPIC) & _MASK for each in stems),
        frozenset(concepts) - {"_", "."},
    )


def shared(sentence: Sentence, about: Topic) -> tuple[int, int]:
    """How many stems of `sentence` are those of what the whole is about, and how many it has."""
    stems = set(_stems(sentence.words))
    return sum((each * _TOPIC) & _MASK in about.stems for each in stems), len(stems)


def glance(words: Sequence[str]) -> set[int]:
    """The numbers of the words alone: what tells quickly whether the rest is worth making."""
    return set(map(_NUMBERS.__getitem__, words))


def units(
    told: Sequence[Sentence],
    about: Topic = Topic(),  # noqa: B008 - it cannot be changed
    chosen: Container[int] | None = None,
) -> Iterator[tuple[int, set[int]]]:
    """The number of each sentence that is `chosen` and those of its features, below 2**BITS.

    Those are its own, the stems of the sentences around it, and what the whole is about.
    """
    beside: dict[str, list[int]] = {}
    near: dict[int, set[int]] = {}
    for at, each in enumerate(told):
        if chosen is not None and at not in chosen:
            continue
        found = _own(each)
        found.update(about.stems)
        for other in range(max(0, at - AROUND), min(len(told), at + AROUND + 1)):
            if other not in near:
                near[other] = set(map(_NEAR_TO.__getitem__, told[other].words))
            found |= near[other]
        found.discard(_NONE)
        for code in each.codes:
            if code not in beside:
                beside[code] = _beside(code, about)
            found.update(beside[code])
        yield at, found


def _beside(code: str, about: Topic) -> list[int]:
    """A concept with each of those that the whole is about."""
    return [(ord(each) * _ABOUT + (ord(code) << 9) * _CODES) & _MASK for each in about.codes]


def _own(sentence: Sentence) -> set[int]:
    found = set[int]()
    add, last = found.add, 1
    for each in map(_NUMBERS.__getitem__, sentence.words):
        add(each)
        add((last * _PAIR + each) & _MASK)
        last = each
    last = 1
    for each in _stems(sentence.words):
        add((each * _STEM) & _MASK)
        add((last * _STEMS + each) & _MASK)
        last = each
    if sentence.codes:
        found.update(_meaning(sentence.codes))
    return found


@remembered(1024)
def _meaning(letters: str) -> list[int]:
    """The numbers of concepts, and of those that follow one another."""
    codes = list(map(ord, letters))
    found = [(each * _CODE) & _MASK for each in codes]
    for ahead in range(1, AHEAD + 1):
        pairs = zip(codes, codes[ahead:], strict=False)
        found += [((a << 7 | b) * _CODES) & _MASK for a, b in pairs]
    triples = zip(codes, codes[1:], codes[2:], strict=False)
    return found + [((a << 14 | b << 7 | c) * _TRIPLE) & _MASK for a, b, c in triples]
