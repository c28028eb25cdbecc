"""Text that is written as numbers: its bytes in hex, decimal, octal or binary digits.

Whatever signs part the numbers, and what no text has among them, is left out.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter

from mcpguard.scan.threats.escapes import seen

__all__ = ["NEEDLES", "NUMBERS", "sentence_like"]

_APART = r"[^0-9A-Za-z]"
"""What may stand between numbers."""

_BYTE = r"(?:0?[xX])?[0-9A-Fa-f]{2}[hH]?"
_GROUP = r"(?:0[xX])?[0-9A-Fa-f]{4}(?:[0-9A-Fa-f]{2})*"
_DECIMAL = r"[0-9][0-9][0-9]?"
_BITS = r"(?:0[bB])?[01]{8}"
_SEVEN = r"(?:0[bB])?[01]{7}"
_FOUR = r"[01]{4}"

NEEDLES = (
    rf"(?:{_BYTE}{_APART}+){{11}}",
    rf"(?:{_GROUP}{_APART}+){{6}}",
    rf"(?:{_DECIMAL}{_APART}+){{11}}",
    rf"{_BITS}{_APART}*{_BITS}",
    rf"(?:{_SEVEN}{_APART}+){{11}}",
    rf"(?:{_FOUR}{_APART}+){{22}}",
)
"""RE2 patterns, one of which is in every text with a run of these that holds an order."""

_DUMP = (
    r"(?:[0-9A-Fa-f]{4,16}:?[ \t]+(?:[0-9A-Fa-f]{2,8}[ \t]{1,2}){2,16}[^\n]*\n?[ \t]*){2,}"
    r"(?:[0-9A-Fa-f]{4,16}:?[ \t]+(?:[0-9A-Fa-f]{2,8}(?:[ \t]{1,2}|\z|\n)){1,16})?"
)
"""Lines of a place, some groups of digits, and often what they say."""


def _hex(run: str) -> Iterator[bytes]:
    yield bytes.fromhex("".join(_pairs(run)))


_pairs = re.compile("([0-9A-Fa-f]{2})[hH]?(?![0-9A-Za-z])").findall


def _groups(run: str) -> Iterator[bytes]:
    """As they stand, and without the place at the start of each line."""
    for digits in (run, _PLACE.sub("", run)):
        yield bytes.fromhex("".join(_grouped(digits)))


_PLACE = re.compile("^[ \t]*[0-9A-Fa-f]{4,16}(?::|[ \t]{2,})", re.MULTILINE)
_grouped = re.compile("(?:[0-9A-Fa-f]{2})+(?![0-9A-Za-z])").findall


def _dump(run: str) -> Iterator[bytes]:
    yield bytes.fromhex("".join(_grouped(" ".join(_dumped(run)))))


_dumped = re.compile(
    r"^[ \t]*[0-9A-Fa-f]{4,16}:?[ \t]+((?:[0-9A-Fa-f]{2,8}(?:[ \t]{1,2}|$))+)", re.MULTILINE
).findall


def _decimal(run: str) -> Iterator[bytes]:
    """As decimal numbers, and as octal ones where all may be."""
    numbers = _NUMBER(run)
    yield bytes(each for each in map(int, numbers) if each <= _LAST)
    if not _NO_OCTAL.intersection(run):
        yield bytes(each for each in (int(number, 8) for number in numbers) if each <= _LAST)


_NUMBER = re.compile("[0-9]+").findall
_NO_OCTAL = frozenset("89")
_LAST = 0xFF


def _binary(run: str) -> Iterator[bytes]:
    """Eight digits each, from each of eight places: what stands before them may be no part."""
    bits = "".join(_BIT(run.replace("0b", "").replace("0B", "")))
    for at in range(min(8, len(bits) - 8 * SHORTEST + 1)):
        size = (len(bits) - at) // 8
        yield int(bits[at : at + 8 * size], 2).to_bytes(size)


_BIT = re.compile("[01]+").findall

SHORTEST = 12
"""Characters. No order is shorter."""


def _seven(run: str) -> Iterator[bytes]:
    yield bytes(int(each[-7:], 2) for each in _BIT(run))


_Read = Callable[[str], Iterable[bytes]]


def _said(read: _Read) -> Callable[[str], str]:
    """What a run says by the first of its readings of which least has to be left out.

    It says nothing if that is most of it, and the rest is no sentence.
    """

    def says(run: str) -> str:
        text, share = max(map(_text, read(run)), key=itemgetter(1), default=_NOTHING)
        return text if share > _HALF or sentence_like(text) else ""

    return says


_NOTHING = "", 0.0
_HALF = 0.5


def _text(raw: bytes) -> tuple[str, float]:
    """What of `raw` is text, and the share of it that is."""
    kept = raw.translate(None, _UNSEEN)
    text = kept.decode(errors="ignore")
    if not text.isascii():
        text = "".join(filter(seen, text))
    return text, len(text.encode()) / max(1, len(raw))


_ASCII = bytes(range(0x80))
_UNSEEN = bytes(point for point in _ASCII if not seen(chr(point)))
_UNLETTERED = bytes(point for point in _ASCII if not (chr(point).isalpha() or chr(point) == " "))


def _lettered(text: str) -> float:
    """The share of letters and blanks."""
    count = (
        len(text.encode().translate(None, _UNLETTERED))
        if text.isascii()
        else sum(each.isalpha() or each == " " for each in text)
    )
    return count / max(1, len(text))


_MOSTLY = 0.75
_BLANKS = 1 / 16


def sentence_like(text: str) -> bool:
    """Whether `text` has letters and blanks as a sentence does: measured values have not."""
    letters = _lettered(text) >= _MOSTLY
    return letters and (not text.isascii() or text.count(" ") >= _BLANKS * len(text))


NUMBERS: tuple[tuple[str, str, Callable[[str], str]], ...] = (
    ("binary", rf"{_BITS}(?:{_APART}*{_BITS})+", _said(_binary)),
    ("seven bits", rf"(?:{_SEVEN}{_APART}+){{11,}}{_SEVEN}", _said(_seven)),
    ("four bits", rf"(?:{_FOUR}{_APART}+){{23,}}{_FOUR}", _said(_binary)),
    ("hex dump", _DUMP, _said(_dump)),
    ("hex bytes", rf"(?:{_BYTE}{_APART}+){{11,}}{_BYTE}", _said(_hex)),
    ("hex groups", rf"(?:{_GROUP}{_APART}+){{5,}}{_GROUP}(?:[0-9A-Fa-f]{{2}})?", _said(_groups)),
    ("numbers", rf"(?:{_DECIMAL}{_APART}+){{11,}}{_DECIMAL}", _said(_decimal)),
)
"""Name, pattern and reader of each form."""
