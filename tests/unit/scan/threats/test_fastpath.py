"""What is done for every sentence and word: as it was built, in Python, and as it is said.

The long way here is the plainest that says the same.
"""

import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.scan.threats.classifier import fastpath, learned
from mcpguard.scan.threats.classifier.fastpath import Sentence, glance, python
from mcpguard.scan.threats.classifier.fastpath.python import (
    AROUND,
    BITS,
    COMMON,
    LEADS,
    LETTERS,
    LONGEST,
    NEAR,
    PAIR,
    STEM,
    STEM_PAIR,
    STEMMED,
    ZERO,
)
from mcpguard.scan.threats.lexicon import read
from mcpguard.scan.threats.text import ENDS, PAUSE, lowered

forms = pytest.mark.parametrize("form", [fastpath, python], ids=["as built", "in Python"])
SIZE = 1 << BITS

PIECES = [
    *["a", "B", "word ", "Send it ", "never tell the user ", "ignore ", "_", "`a`", "the "],
    *[" ", ".", ". ", "\n", "\n\n", "\n- ", "# ", "/*", ">", "|", ";", '"', "\r\n", "\t"],
    *[",", ":", "(", "?", "!", ENDS, PAUSE, "\x03", "\x0b", "\x1c", "\x85", "\xa0", "\u3000"],
    *[
        "é",
        "ß",
        "İ",
        "ﬁ",
        "删除文件",
        "ก",
        "한국",
        "ا",
        "😀",
        "\u0dff",
        "\u0e00",
        "\uffdc",
        "\uffdd",
    ],
    *["x" * (LETTERS - 1), "x" * (LETTERS + 1), "é" * (LETTERS + 1), "删" * (LETTERS + 9)],
    "one more of many " * LONGEST,
]
texts = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


def lines_ended(text: str, low: str) -> str:
    """`low` with a mark for each line end but before a line that goes on."""
    marked = list(low)
    for at, letter in enumerate(text):
        if (
            letter == "\n"
            and not text[at + 1 :].split("\n", maxsplit=1)[0].lstrip(LEADS)[:1].islower()
        ):
            marked[at] = ENDS
    return "".join(marked)


def parted(word: str) -> list[str]:
    word = word[:LETTERS]
    spaced = word.isascii() or not "\u0e00" <= word[0] <= "\uffdc" or len(word) == 1
    return [word] if spaced else [a + b for a, b in pairwise(word)]


def the_long_way(text: str, concepts: str, starts: Sequence[int]) -> list[Sentence]:
    found, begin = list[Sentence](), 0
    for part in lines_ended(text, lowered(text)).split(ENDS):
        end = begin + len(part)
        words = [each for word in part.replace(PAUSE, " , ").split() for each in parted(word)]
        own = [code for code, at in zip(concepts, starts, strict=True) if begin <= at <= end]
        codes = "".join(each for each in own if each not in "_.")
        start = begin + len(part) - len(part.lstrip())
        count = -(-len(words) // LONGEST)
        for piece in range(count):
            first, last = (len(codes) * each // count for each in (piece, piece + 1))
            share = words[piece * LONGEST : (piece + 1) * LONGEST]
            found.append(Sentence(start, end, share, codes[first:last]))
        begin = end + 1
    return found


@pytest.mark.guarantee("scan:same-however-built")
@forms
@given(text=texts)
def test_a_text_is_divided_as_it_is_said(form: ModuleType, text: str) -> None:
    codes, spans = read(text)
    starts = [start for start, _ in spans]
    low = lowered(text)
    assert form.divided(text, low, codes, starts) == the_long_way(text, codes, starts)
    assert form.divided(text, low) == the_long_way(text, "", ())
    assert all(type(each) is Sentence for each in form.divided(text, low))


@forms
def test_a_concept_at_an_end_belongs_to_the_sentence_that_ends(form: ModuleType) -> None:
    text = f"ab{ENDS}cd{ENDS}{ENDS}ef"
    told = form.divided(text, text, "AB_CDE.", [0, 2, 2, 3, 5, 7, 8])
    assert [each.codes for each in told] == ["AB", "CD", "E"]


def number(text: str) -> int:
    return zlib.crc32(text.encode()) % SIZE


@pytest.mark.guarantee("scan:same-however-built")
@forms
@given(text=texts, least=st.floats(-60, 60))
def test_the_words_of_a_sentence_tell_whether_it_is_looked_at(
    form: ModuleType, text: str, least: float
) -> None:
    told, weights = form.divided(text, lowered(text)), learned("outputs").words
    chosen = set[int]()
    for at, each in enumerate(told):
        found = {number(word) for word in each.words}
        assert found == set(glance(each.words))
        if sum(weights[one] - ZERO for one in found) >= least * sqrt(len(found) + 1):
            chosen.add(at)
    assert form.worthy(told, weights, least) == chosen


def one_of_each(told: Sequence[Sentence], at: int) -> set[int]:
    def stems(words: Sequence[str]) -> list[int]:
        return [one for each in words if each not in COMMON and (one := number(each[:STEM]))]

    numbers, own = [*map(number, told[at].words)], stems(told[at].words)
    around = told[max(0, at - AROUND) : at + AROUND + 1]
    beside = [one for each in around for one in stems(each.words)]
    return {
        *numbers,
        *((a * PAIR + b) % SIZE for a, b in pairwise([1, *numbers])),
        *(one * STEMMED % SIZE for one in own),
        *((a * STEM_PAIR + b) % SIZE for a, b in pairwise([1, *own])),
        *(one * NEAR % SIZE for one in beside),
    }


@pytest.mark.guarantee("scan:same-however-built")
@forms
@given(text=texts)
def test_the_words_of_a_sentence_and_around_it_are_its_features(
    form: ModuleType, text: str
) -> None:
    told = form.divided(text, lowered(text))
    for at in range(0, len(told), 3):
        assert form.wording(told, at) == one_of_each(told, at)


NUMBERED_0 = "afvfi"
"""A stem whose number is 0: none is told of it."""


@forms
def test_a_stem_whose_number_is_0_is_none(form: ModuleType) -> None:
    assert number(NUMBERED_0) == 0
    told = [Sentence(0, 5, [NUMBERED_0], "")]
    assert form.wording(told, 0) == {0, PAIR % SIZE} == one_of_each(told, 0)


@forms
@pytest.mark.parametrize("at", [-1, 1, 2**40])
def test_there_is_no_sentence_before_the_first_or_behind_the_last(
    form: ModuleType, at: int
) -> None:
    with pytest.raises(IndexError):
        form.wording([Sentence(0, 1, ["a"], "")], at)


@forms
def test_half_a_surrogate_pair_is_no_word(form: ModuleType) -> None:
    told = [Sentence(0, 1, ["a", "\ud800"], "")]
    asked: list[Callable[[], object]] = [
        lambda: form.worthy(told, bytes(SIZE), 0.0),
        lambda: form.wording(told, 0),
    ]
    for ask in asked:
        with pytest.raises(UnicodeEncodeError):
            ask()


@forms
def test_of_a_word_near_by_its_first_letters_are_read(form: ModuleType) -> None:
    told = [Sentence(0, 1, ["a"], ""), Sentence(2, 9, ["éénvoud\ud800"], "")]
    assert form.wording(told, 0) == {*one_of_each(told[:1], 0), number("éénvo") * NEAR % SIZE}


@forms
def test_what_weighs_no_number_chooses_nothing(form: ModuleType) -> None:
    assert form.worthy([Sentence(0, 1, ["a"], "")], bytes(SIZE), float("nan")) == set()


@forms
def test_a_lowered_text_of_another_length_is_an_error(form: ModuleType) -> None:
    with pytest.raises(ValueError, match="another length"):
        form.divided("one", "one, two")


@forms
def test_fewer_weights_than_numbers_are_an_error(form: ModuleType) -> None:
    with pytest.raises(ValueError, match=f"{SIZE - 1} weights, not {SIZE}"):
        form.worthy([], bytes(SIZE - 1), 0.0)
