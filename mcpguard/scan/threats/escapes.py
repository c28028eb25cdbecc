"""Escapes and encodings: where they are in a text, and what they say."""

import binascii
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from unicodedata import category

from mcpguard.scan.needles import encodable, remembered, spans

__all__ = ["RUN", "TOKENS", "decoded", "first_text", "runs", "seen", "tokens"]

_SELECTORS = "\\x{180B}-\\x{180D}\\x{180F}\\x{FE00}-\\x{FE0F}\\x{E0100}-\\x{E01EF}"

_ESCAPES = (
    r"(?:\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][0-9;]*|[@-Z\\^_]))+",
    r"(?:%[0-9A-Fa-f][0-9A-Fa-f])+",
    r"(?:\\x[0-9A-Fa-f][0-9A-Fa-f])+",
    r"(?:\\u[0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f])+",
    r"(?:\\u\{[0-9A-Fa-f]+\})+",
    r"(?:\\U[0-9A-Fa-f]{8})+",
    r"(?:\\[0-3][0-7][0-7]){4,}",
    r"(?:\\[0-9A-Fa-f]{6} ?){4,}",
    r"(?:\\[0-9A-Fa-f]{2,6} ){4,}",
    r"(?:%u[0-9A-Fa-f]{4})+",
    r"(?:=[0-9A-F][0-9A-F]){4,}",
    r"(?:&#[0-9]+;?|&#[xX][0-9A-Fa-f]+;?)+",
    r"(?:&[A-Za-z][0-9A-Za-z]+;)+",
    r"(?:U\+[0-9A-Fa-f]{4,6}[ ,]?){4,}",
    r"[\x{E0000}-\x{E007F}]+",
    rf"[{_SELECTORS}][{_SELECTORS}]+",
)
TOKENS = "|".join(f"(?:{each})" for each in _ESCAPES)
"""Matches escapes of one kind on end; of an OSC sequence (ECMA-48) its beginning alone.

A terminal swallows what such a sequence holds, a model reads it.
"""

RUN = r"[A-Za-z0-9+/_-]{20}[A-Za-z0-9+/_-]*=*"
"""Matches what may be base64 or hex: 21 characters hold 15 bytes."""


def tokens(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Start, end, kind and reading of each escape, in order."""
    for start, end in spans(TOKENS, text):
        kind, says = _reading(text[start:end], text[start - 1 : start] if start else "")
        yield start, end, kind, says


def _reading(token: str, before: str) -> tuple[str, str]:
    """The kind of an escape and what it says; itself when it says nothing."""
    lead = token[0]
    if lead == "\x1b":
        return "ansi", ""
    if _TAGS <= ord(lead) < _TAGS + 0x80:
        flag = before == "\N{WAVING BLACK FLAG}"
        says = token.translate(_TAGGED)
        return ("flag", "") if flag and len(token) < _FLAG else ("tags", says.rstrip("\x7f"))
    for begins, reader in _READERS:
        if token.startswith(begins):
            says = reader(token)
            return "escape", says.translate(_TAGGED) if max(says, default="") > _FIRST else says
    return "selectors", _selected(token)


_FLAG = 9
"""Characters. A regional flag is spelt with fewer tags than that (UTS 51)."""


def _bytes(token: str, mark: str) -> str:
    raw = bytes.fromhex(token.lower().replace(mark, ""))
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _units(token: str) -> str:
    raw = bytes.fromhex(token.lower().replace("\\u", ""))
    return raw.decode("utf-16-be", "replace")


def _digits(token: str) -> str:
    """Bytes in octal, or code points in six digits of hex (CSS Syntax 3)."""
    digits = token.split("\\")[1:]
    if len(digits[0]) > len("377") or digits[0].endswith(" "):
        return "".join(_character(each.strip(" ").lstrip("0"), 16) for each in digits)
    return bytes(int(each, 8) for each in digits).decode("utf-8", "replace")


def _numbers(token: str) -> str:
    return "".join(_numbered(each.removesuffix(";")) for each in token.split("&#")[1:])


def _numbered(digits: str) -> str:
    base, digits = (16, digits[1:]) if digits[0] in "xX" else (10, digits)
    return _character(digits.lstrip("0"), base)


def _points(token: str) -> str:
    """Code points in hex, each behind a lead of two characters, some in brackets."""
    found = token.split(token[:2])[1:]
    return "".join(_character(each.strip("{} ,").lstrip("0"), 16) for each in found)


def _named(token: str) -> str:
    from html.entities import html5  # two thousand names

    return "".join(html5.get(name, f"&{name}") for name in token.split("&")[1:])


def _character(digits: str, base: int) -> str:
    point = int(digits or "0", base) if len(digits) < _DIGITS else 0
    return encodable(chr(point)) if 0 < point <= sys.maxunicode else "\N{REPLACEMENT CHARACTER}"


_DIGITS = 8
"""Digits. No code point has as many."""

_TAGS = 0xE0000
"""First of the tag characters, which repeat ASCII."""

_FIRST = chr(_TAGS)
_TAGGED = {_TAGS + point: chr(point) if point >= ord(" ") else None for point in range(0x80)}

_SELECTOR, _MORE_SELECTORS = 0xFE00, 0xE0100
"""First of the 16 variation selectors, and of the 240 others."""


def _selected(token: str) -> str:
    """What is written in variation selectors, one byte each."""
    raw = bytearray()
    for point in map(ord, token):
        if point >= _MORE_SELECTORS:
            raw.append(point - _MORE_SELECTORS + 16)
        elif point >= _SELECTOR:
            raw.append(point - _SELECTOR)
    return _printable(bytes(raw)) or ""


_READERS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("%u", _points),
    ("%", lambda token: _bytes(token, "%")),
    ("&#", _numbers),
    ("&", _named),
    ("\\x", lambda token: _bytes(token, "\\x")),
    ("\\u{", _points),
    ("\\u", _units),
    ("\\U", _points),
    ("\\", _digits),
    ("U+", _points),
    ("=", lambda token: _bytes(token, "=")),
)
"""How an escape begins, and what reads it: the first row that fits."""


_HEX = frozenset("0123456789abcdefABCDEF")
_LEAST = 20
"""Characters of a run."""

SHORTEST = 16
"""Characters of a text among what is none: as many that can be printed are no chance."""

_APART = bytes(
    each if chr(each).isalnum() or chr(each) in "+/_-" else ord(" ") for each in range(0x80)
).ljust(0x100)
"""Of each byte itself if it may stand in a run, else a blank."""


def runs(raw: bytes) -> list[str]:
    """What `RUN` matches in UTF-8, each without the `=` at its end. Takes half the time of RE2."""
    return [run.decode() for run in raw.translate(_APART).split() if len(run) >= _LEAST]


@remembered(256)
def decoded(run: str) -> str:
    """The text that a run of hex or base64 holds, or a part of it does; empty when there is none.

    What stands before or behind the text, and is none, may be letters that are glued to the run.
    """
    bare = run.rstrip("=")
    if bare.islower() and not bare.isalnum():
        return first_text(chain.from_iterable(map(_hexes, _DIGITS_IN(bare))))
    if _HEX.issuperset(bare):
        return first_text(_hexes(bare))
    bare = bare.replace("-", "+").replace("_", "/")
    return first_text(chain(_sixes(bare), *map(_hexes, _DIGITS_IN(bare))))


def _hexes(bare: str) -> Iterator[bytes]:
    """The bytes of hex, also of hex that begins with the second half of one."""
    for start in range(2):
        yield bytes.fromhex(bare[start : len(bare) - (len(bare) - start) % 2])


def _sixes(bare: str) -> Iterator[bytes]:
    """The bytes of base64, also of base64 that begins with a later quarter of three."""
    for start in range(4):
        size = len(bare) - start
        yield binascii.a2b_base64(bare[start : len(bare) - (size % 4 == 1)] + "==")


_DIGITS_IN = re.compile("[0-9A-Fa-f]{24,}").findall
_TEXT_IN = re.compile(rb"[\t\n\r -~]{%d,}" % SHORTEST).findall


def first_text(found: Iterable[bytes]) -> str:
    """The first of `found` that is text, else the most that is text in one of them.

    That is at least half of it: every program and certificate has some.
    """
    most = ""
    for raw in found:
        text = _printable(raw)
        if text:
            return text
        said = "\n".join(filter(None, map(_printable, _TEXT_IN(raw))))
        if len(said) > max(len(most), len(raw) // 2):
            most = said
    return most


def _printable(raw: bytes) -> str | None:
    """`raw` as text, when it is words and not chance."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    if len(text) < _FEWEST or not text.strip() or not all(map(seen, text)):
        return None
    if len(text) >= _LONG and text.isascii():
        return text  # it may be encoded once more
    letters = sum(each.isalpha() or each == " " or not each.isascii() for each in text)
    return text if letters * 4 >= len(text) * 3 or _WORDS_IN(text) else None


def seen(letter: str) -> bool:
    """Whether `letter` may be in a text: it is no control, and nobody's."""
    return letter.isprintable() or letter.isspace() or category(letter) == "Cf"


_WORDS_IN = re.compile(r"(?:[^\W\d_]{2,}[^\w]{1,6}){3}[^\W\d_]{2,}").search
"""Four words on end."""

_LONG = 24
"""Characters of ASCII: as many that can be printed are no chance, whatever they are."""

_FEWEST = 3
"""Characters. Fewer are letters by chance."""
