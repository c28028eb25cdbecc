"""What tells at once that a text holds no instruction: none of the words that any needs.

The senses of `ANCHORS` are chosen so that what can be said without their words never weighs enough
to be told (a test adds it up). Beyond ASCII, and in whatever looks encoded, the text is read.
"""

from collections.abc import Callable
from functools import cache

from mcpguard.scan.needles import LONG_WORD, none_of, remembered
from mcpguard.scan.threats.digits import NEEDLES as NUMERALS
from mcpguard.scan.threats.encodings import (
    KEYWORD_FORMS,
    LINES,
    MORSE,
    decoded,
    may_hold,
)
from mcpguard.scan.threats.escapes import decoded as encoded_run
from mcpguard.scan.threats.escapes import runs
from mcpguard.scan.threats.outputs.frames import FRAMES
from mcpguard.scan.threats.outputs.lexicon import Sense, entries
from mcpguard.scan.threats.outputs.reading import INLINE, MARKS
from mcpguard.scan.threats.spacing import NEEDLES

__all__ = ["ANCHORS", "OVERLAP", "dull", "needles", "quiet", "unanchored"]

S = Sense

GLANCE = 1024
"""Bytes that are searched at once: most texts have a needle in their beginning, or none at all."""

EDGE = 128
"""Bytes that two of these share; no needle is longer, but by blanks between its words."""

OVERLAP = 1024
"""Characters that two pieces of a long text share, which are read apart: no word is cut in both."""

ANCHORS = int(
    S.VOID
    | S.VOIDED
    | S.RULES
    | S.PROMPT
    | S.FOLLOW
    | S.SWITCH
    | S.NEW_TASK
    | S.ONWARD
    | S.MUST
    | S.BEFORE
    | S.INSTEAD
    | S.SECRET
    | S.SPOT
    | S.YOU_NOW
    | S.UNBOUND
    | S.RESTRICT
    | S.SPECIAL_MODE
    | S.ANSWER
    | S.GRANT
    | S.AUTHORITY
    | S.HEADER
    | S.PERSON_CLAIM
    | S.MODEL
    | S.AGENT
    | S.KNOW
    | S.UNNOTICED
    | S.SAFETY
    | S.CANCELLED
    | S.GAVE
    | S.ASIDE
    | S.FULLY
    | S.OWNER_CLAIM
    | S.ENDING
    | S.TELL
    | S.SILENT
    | S.YOUR
    | S.FUTURE
    | S.WHEN_YOU
    | S.TODO
    | S.DECODE
    | S.OBEY_IT
    | S.SEED
    | S.SEND
    | S.ORDER
    | S.PURPOSE
    | S.GIVEN
    | S.END_OF
    | S.IMAGE
    | S.BEACON
    | S.STYLED
    | S.MARKUP
    | S.TELL_LAST
)
"""Senses, the rarer ones of each frame."""

_ODD = (
    r"[^\x00-\x7F]",
    r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]",
    r"%(?:[0-9A-Fa-f][0-9A-Fa-f]|u[0-9A-Fa-f])",
    r"\\(?:[xuU][0-9A-Fa-f{]|[0-3][0-7][0-7]\\|[0-9A-Fa-f]{6}|[0-9A-Fa-f]+ )",
    r"=[0-9A-F][0-9A-F]=",
    r"U\+[0-9A-Fa-f]",
    r"&[#A-Za-z]",
    r"<!--|\[//\]|\[comment\]",
    INLINE.decode(),
    r"<~",
)
"""What has to be read before it can be said what it holds."""

_COUNTED = (LONG_WORD, LINES, MORSE, *NUMERALS, *NEEDLES)
"""The same, told by so many characters of a kind."""


def unanchored() -> float:
    """What a text can weigh without any word of `ANCHORS`."""
    heaviest: dict[str, float] = {}
    for frame in FRAMES:
        if all(step.senses & ~ANCHORS for step in frame.steps):
            heaviest[frame.topic] = max(frame.weight, heaviest.get(frame.topic, 0.0))
    return sum(heaviest.values())


def needles() -> tuple[tuple[str, ...], ...]:
    """RE2 patterns, one of which is in every text, or JSON of texts, that weighs enough.

    In groups: few states, thousands of words, counted characters.
    """
    plain = {entry for entry, sense in entries() if sense & ANCHORS and entry.isascii()}
    inner = sorted(each for each in plain if each[0].isalnum())
    outer = sorted(each for each in plain if not each[0].isalnum())
    return (
        (
            rf"(?i)(?:{'|'.join(map(_written, outer))})",
            *(pattern.decode() for _, pattern in MARKS),
            *KEYWORD_FORMS,
            *_ODD,
        ),
        (rf"(?i)\b(?:{'|'.join(map(_written, inner))})(?:n't)?\b",),
        _COUNTED,
    )


@cache
def _none() -> Callable[[bytes], bool]:
    return none_of(needles(), lambda _: False)


@cache
def _none_but_dull() -> Callable[[bytes], bool]:
    return none_of(needles(), dull)


def quiet(text: str) -> bool:
    """Whether no needle is in `text` but long words that are `dull`.

    What has none is told by pieces; then nobody else who looks for the same needles finds one.
    """
    if not text.isascii():
        return False
    raw, none_in = text.encode(), _none()
    pieces = range(0, len(raw) or 1, GLANCE)
    return all(none_in(raw[at : at + GLANCE + EDGE]) for at in pieces) or _none_but_dull()(raw)


@remembered(2048)
def dull(word: bytes) -> bool:
    """Whether no reader of encodings makes anything of this word of ASCII.

    Then a text of such words, with no needle but `LONG_WORD`, reads as it stands. A word that the
    judge may cut in two is none: he may read a part of it.
    """
    if len(word) > OVERLAP:
        return False
    if any(map(encoded_run, runs(word))):
        return False
    text = word.decode()
    return not may_hold(text) or next(decoded(text), None) is None


def _written(entry: str) -> str:
    """A word or phrase as RE2 reads it; between the words of a phrase is anything but words.

    `not` may stand at the end of a word, as "n't".
    """
    first, *others = entry.split("+")
    begins = r"(?:not|\w*n't)" if first == "not" else _escaped(first)
    return begins + "".join(
        rf"(?:{_BETWEEN}not|n't)" if word == "not" else _BETWEEN + _escaped(word) for word in others
    )


_BETWEEN = r"[^0-9A-Za-z]+"


def _escaped(word: str) -> str:
    return "".join(letter if letter.isalnum() else f"\\{letter}" for letter in word)
