"""A text as sentences, and a sentence as the numbers of its features.

Features are words, pairs of words, stems, and the concepts of the lexicon with those that follow,
so that a sentence in a language or in words that were never seen still has some; and what is said
around it. Each is hashed to a number (feature hashing: Weinberger et al., ICML 2009), so that no
vocabulary is kept.
"""

from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

from mcpguard.scan.needles import remembered
from mcpguard.scan.threats.classifier.fastpath import BITS, Sentence, divided, stems, wording
from mcpguard.scan.threats.text import lowered

__all__ = [
    "Topic",
    "sentences",
    "shared",
    "topic",
    "units",
]

_MASK = (1 << BITS) - 1

AHEAD = 4
"""Concepts after one that are paired with it."""

_CODE, _CODES, _TRIPLE, _TOPIC, _ABOUT = 0x27D4EB2F, 0x165667B1, 0xD3A2646D, 0x51ED270B, 0x1234567
"""Odd numbers that keep the kinds of features apart."""


def sentences(
    text: str, concepts: str = "", spans: Sequence[tuple[int, int]] = ()
) -> list[Sentence]:
    """The sentences of `text` in order; `concepts` and `spans`: as the lexicon reads it. Linear."""
    return divided(text, lowered(text), concepts, [start for start, _ in spans])


class Topic(NamedTuple):
    """What the whole is about: the numbers of the stems, and the letters of the concepts."""

    stems: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()


def topic(text: str, concepts: str) -> Topic:
    """What `text`, which says it in these concepts, is about."""
    said = {stem for each in sentences(text) for stem in stems(each.words)}
    return Topic(
        frozenset((each * _TOPIC) & _MASK for each in said),
        frozenset(concepts) - {"_", "."},
    )


def shared(sentence: Sentence, about: Topic) -> tuple[int, int]:
    """How many stems of `sentence` are those of what the whole is about, and how many it has."""
    own = set(stems(sentence.words))
    return sum((each * _TOPIC) & _MASK in about.stems for each in own), len(own)


def units(
    told: Sequence[Sentence],
    about: Topic = Topic(),  # noqa: B008 - it cannot be changed
    chosen: Container[int] | None = None,
) -> Iterator[tuple[int, set[int]]]:
    """The number of each sentence that is `chosen` and those of its features, below 2**BITS.

    Those are its own, the stems of the sentences around it, and what the whole is about.
    """
    beside: dict[str, list[int]] = {}
    for at, each in enumerate(told):
        if chosen is not None and at not in chosen:
            continue
        found = wording(told, at)
        found.update(about.stems)
        if each.codes:
            found.update(_meaning(each.codes))
        for code in each.codes:
            if code not in beside:
                beside[code] = _beside(code, about)
            found.update(beside[code])
        yield at, found


def _beside(code: str, about: Topic) -> list[int]:
    """A concept with each of those that the whole is about."""
    return [(ord(each) * _ABOUT + (ord(code) << 9) * _CODES) & _MASK for each in about.codes]


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
