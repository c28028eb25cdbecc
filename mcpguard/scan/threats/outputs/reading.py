"""A text as the words that mean something in an instruction, and where each of them stands."""

import re
from functools import cache
from itertools import compress, repeat
from operator import add, contains
from typing import NamedTuple

from mcpguard.scan.needles import Needles, compiled
from mcpguard.scan.threats.outputs.lexicon import Sense, phrases, spaceless, words
from mcpguard.scan.threats.text import replacing

__all__ = ["INLINE", "MARKS", "Reading", "folded", "read"]


_STOPS = "!?;\u3002\u0964\u061f\u061b"
_EDGES = '\n\r\t"`()[]{}<>|=*^\u3001\u2022\u201c\u201d\u2026\u2014'
_COMMAS = ",\u060c"
_BLANKS = "'\u2019\u00a0"
_replaced = replacing(
    {
        **dict.fromkeys(_EDGES, "\x01"),
        **dict.fromkeys(_STOPS, "\x0e"),
        **dict.fromkeys(_COMMAS, "\x02"),
        ":": "\x03",
        "#": "\x04",
        **dict.fromkeys(_BLANKS, " "),
    }
)
_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_SPACELESS = re.compile(f"[{_UNSPACED}][{_UNSPACED} ]*")
_ARABIC = re.compile("[\u0620-\u064a]")


def folded(text: str) -> str:
    """`text` in lower case with a mark, apart from words, for each edge, comma, colon and hash."""
    text = _marked(text).lower()
    if not text.isascii():
        text = _spaced(text)
    text = _replaced(text.replace("\n\n", "\x0e").replace("n't", " not"))
    text = text.replace("\x01\x01", "\x01").replace("\x01\x01", "\x01")
    for mark in "\x01\x02\x03\x04\x0e@":
        if mark in text:
            text = text.replace(mark, f" {mark} ")
    return f"{text} ".replace(". ", " \x0e ")


_MARKUP = (
    rb"(?i)\n\n(?:human|assistant): |###\s*(?:instruction|response|system|assistant): *\n"
    rb"|<\|[a-z_]+\|>|\[/?INST\]|<</?SYS>>|\[/?tool_(?:result|response|output)s?\]"
    rb"|</?(?:tool_result|tool_response|tool_output|function_results|function_result|tool_call|function_calls|user_input|system_prompt"
    rb"|important|information|system|admin|override|instructions?)>"
)
_IMAGE = (
    rb"!\[[^\]]*\]\(https?://[^)\s]*[?&][^)\s=]*=(?:\{|%7[Bb]|<|\[|\$|[A-Z][A-Z0-9]*_[A-Z0-9_]+)"
)

_BEACON = rb"https?://[^)\s]*[?&][^)\s=]*=(?:\{[^\"%]|<|\[)"
"""An address with a place to fill in; an object of JSON, as install links carry, is none."""

_STYLED = (
    rb"(?i)(?:color:\s*(?:white|#fff|transparent)|font-size:\s*0|display:\s*none|opacity:\s*0"
    rb"|visibility:\s*hidden)\b"
)


INLINE = rb"(?i)</?(?:b|i|u|s|a|em|strong|span|font|mark|small|sub|sup|wbr|code)>"
"""Tags that stand within a sentence and show nothing."""

MARKS = ((1, _MARKUP), (2, _IMAGE), (3, _BEACON), (4, _STYLED))
"""Number of the mark that is put, and the pattern in whose place."""


@cache
def _marks() -> Needles:
    return Needles([pattern.decode() for _, pattern in MARKS], open_ended=True)


def _marked(text: str) -> str:
    """`text` with a mark for each token of a chat format and each address that carries data off."""
    raw = text.encode()
    if b"</" in raw:
        raw = _without_tags(raw)
    marks = _marks()
    for number, pattern in MARKS if marks.found(raw + marks.end.encode()) != marks.nothing else ():
        if compiled(pattern).search(raw):
            raw = compiled(pattern).sub(rb" \x0f%d " % number, raw)
    return raw.decode()


def _without_tags(raw: bytes) -> bytes:
    """`raw` with a blank for each tag of `INLINE`; RE2's `sub` takes twice the time."""
    parts, done = list[bytes](), 0
    for match in compiled(INLINE).finditer(raw):
        start, end = match.span()
        parts.append(raw[done:start])
        done = end
    return b" ".join((*parts, raw[done:]))


def _spaced(text: str) -> str:
    """`text` with blanks around the terms of languages that have none; Arabic without articles."""
    if text.isascii():
        return text
    there = " ".join(_SPACELESS.findall(text))
    if there:
        begun = {*there, *map(add, there, there[1:])}
        for number, (term, _) in enumerate(spaceless()):
            if term[:2] in begun and term in there:
                text = text.replace(term, f" \x05{number} ")
    if _ARABIC.search(text):
        for joined in (" وال", " بال", " ال", " لل"):
            text = f" {text}".replace(joined, " ")
        text = " ".join(map(_parted, text.split(" ")))
    return text


def _parted(word: str) -> str:
    """An Arabic word with its "and" apart, where the rest is a word that means something."""
    return f"ثم {word[1:]}" if word[:1] in {"و", "ف"} and word[1:] in words() else word


class Reading(NamedTuple):
    """The words of a text that mean something: number, senses and length (words) of each."""

    at: list[int]
    senses: list[int]
    size: dict[int, int]


_TOOL = int(Sense.TOOL)


@cache
def _first() -> dict[str, dict[str, list[tuple[tuple[str, ...], int]]]]:
    """First word of a phrase -> second word -> the rest and the senses."""
    made: dict[str, dict[str, list[tuple[tuple[str, ...], int]]]] = {}
    for first, ends in phrases().items():
        for rest, senses in ends:
            made.setdefault(first, {}).setdefault(rest[0], []).append((rest, senses))
    return made


@cache
def _senses() -> dict[str, int]:
    """Words that mean something; those that may begin a phrase have one bit more."""
    begins = dict.fromkeys(phrases(), _PHRASE)
    return {word: words().get(word, 0) | begins.get(word, 0) for word in {*words(), *begins}}


_PHRASE = 1 << (len(Sense) + 1)


def read(text: str) -> Reading:
    """The words of folded `text` that mean something, in order."""
    spelt = text.split()
    means = list(map(_senses().get, spelt))
    if "_" in text:
        for at in compress(range(len(spelt)), map(contains, spelt, repeat("_"))):
            means[at] = means[at] or _TOOL
    found = list(compress(range(len(spelt)), means))
    senses = list(filter(None, means))
    size: dict[int, int] = {}
    first = _first()
    spelt.append("")
    for number in compress(range(len(found)), map(first.__contains__, compress(spelt, means))):
        at = found[number]
        ends = first[spelt[at]]
        senses[number] ^= _PHRASE
        if spelt[at + 1] in ends:
            senses[number] = _phrase(senses[number], at, spelt, ends, size)
    return Reading(found, senses, size)


def _phrase(
    sense: int,
    at: int,
    spelt: list[str],
    ends: dict[str, list[tuple[tuple[str, ...], int]]],
    size: dict[int, int],
) -> int:
    """The senses of the word at `at` with those of the phrases that it begins; notes their size."""
    for rest, means in ends[spelt[at + 1]]:
        if tuple(spelt[at + 1 : at + 1 + len(rest)]) == rest:
            sense |= means
            size[at] = max(size.get(at, 1), len(rest) + 1)
    return sense
