"""What was learned: a weight for each number of a feature, and what they say of a sentence."""

import zlib
from collections.abc import Collection, Sequence
from functools import cache
from math import sqrt
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from mcpguard.scan.threats.classifier.fastpath import BITS, ZERO, Sentence, worthy

__all__ = ["BESIDE", "Model", "learned", "packed", "unpacked"]

_PARTS = 1024
"""Parts of one in which numbers are kept."""

_HEAD = 12
"""Bytes before the weights."""

BESIDE = 0.15
"""What a feature of a sentence's manner counts, where one of a hundred of its words' counts 0.1."""


class Model(NamedTuple):
    """`bias`: log-odds of a sentence without features. `scale`: what a weight of one stands for.

    `weights`: a byte for each number, `ZERO` more than it weighs; `arguments`: what it weighs
    besides in what is said of an argument. `words`: what words alone weigh; `least`: what those of
    a sentence come to that is worth a second look.
    """

    bias: float
    scale: float
    least: float
    weights: bytes
    arguments: bytes
    words: bytes

    def worthy(self, told: Sequence[Sentence]) -> set[int]:
        """The places of those sentences that may steer: a few in a hundred."""
        return worthy(told, self.words, self.least)

    def log_odds(
        self, found: Collection[int], manner: Collection[int] = (), *, argument: bool = False
    ) -> float:
        """How much likelier the features are those of a sentence that steers than of another.

        Natural logarithm. A sentence counts by its features' mean, and longer ones a little more;
        those of its `manner` count `BESIDE` each, in a short one as in a long one.
        """
        count = len(found)
        total = _sum(self.weights, found)
        if argument:
            total += _sum(self.arguments, found)
            count *= 2
        beside = _sum(self.weights, manner)
        return self.bias + self.scale * (total / sqrt(count + 1) + BESIDE * beside)


def _sum(weights: bytes, found: Collection[int]) -> int:
    """What the numbers `found` weigh. All taken at once are two thirds of a list's time."""
    weighed = itemgetter(*found)(weights) if len(found) > 1 else map(weights.__getitem__, found)
    return sum(weighed) - ZERO * len(found)


def packed(bias: float, scale: float, least: float, weights: bytes) -> bytes:
    """The file of a model.

    `least`: in steps of `words`. `weights`: three bytes for each of the 2**BITS numbers, first all
    for any text, then all for arguments, then all for words alone; 128 for none.
    """
    head = (round(bias * _PARTS), round(scale * _PARTS * _PARTS), round(least * _PARTS))
    numbers = b"".join(each.to_bytes(4, "big", signed=True) for each in head)
    return numbers + zlib.compress(weights, 9)


def unpacked(data: bytes) -> Model:
    """The model that `packed` wrote. Raises ValueError for another number of weights."""
    bias, scale, least = (
        int.from_bytes(data[at : at + 4], "big", signed=True) for at in range(0, _HEAD, 4)
    )
    weights, size = zlib.decompress(data[_HEAD:]), 1 << BITS
    if len(weights) != 3 * size:
        raise ValueError(f"{len(weights)} weights, not {3 * size}")
    parts = (weights[at : at + size] for at in range(0, 3 * size, size))
    return Model(bias / _PARTS, scale / _PARTS / _PARTS, least / _PARTS, *parts)


@cache
def learned(name: str) -> Model:
    """The model `name` of this package: `definitions` or `outputs`. Written by scripts/train.

    It is part of the code, as a table in a module would be, and is read like one: once.
    """
    return unpacked(Path(__file__).with_name(f"{name}.bin").read_bytes())
