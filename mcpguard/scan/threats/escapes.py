"""Escapes and encodings: where they are in a text, and what they say."""

import binascii
import sys
from collections.abc import Callable, Iterator

from mcpguard.scan.needles import Meter, encodable, matches, remembered

__all__ = ["RUN", "TOKENS", "decoded", "runs", "tokens"]

_SELECTORS = "\\x{180B}-\\x{180D}\\x{180F}\\x{FE00}-\\x{FE0F}\\x{E0100}-\\x{E01EF}"

_ESCAPES = (
    r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][0-9;]*|[@-Z\\^_])",
    r"(?:%[0-9A-Fa-f][0-9A-Fa-f])+",
    r"(?:\\x[0-9A-Fa-f][0-9A-Fa-f])+",
    r"(?:\\u[0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f])+",
    r"(?:&#[0-9]+;|&#[xX][0-9A-Fa-f]+;)+",
    r"&(?:lt|gt|amp|quot|apos|nbsp|period|comma|colon|excl|lowbar|sol|num|ZeroWidthSpace);",
    r"[\x{E0000}-\x{E007F}]+",
    rf"[{_SELECTORS}][{_SELECTORS}]+",
)
TOKENS = "|".join(f"(?:{each})" for each in _ESCAPES)
"""Matches one escape of any kind; of an OSC sequence (ECMA-48) its beginning alone.

A terminal swallows what such a sequence holds, a model reads it.
"""

RUN = r"[A-Za-z0-9+/_-]{20}[A-Za-z0-9+/_-]*=*"
"""Matches what may be base64 or hex: 21 characters hold 15 bytes."""


def tokens(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Start, end, kind and reading of each escape, in order."""
    for start, end, *_ in matches(TOKENS, text, Meter(len(text))):
        kind, says = _reading(text[start:end], text[start - 1 : start] if start else "")
        yield start, end, kind, says


def _reading(token: str, before: str) -> tuple[str, str]:
    """The kind of an escape and what it says; itself when it says nothing."""
    lead = token[0]
    if lead == "\x1b":
        return "ansi", ""
    if _TAGS <= ord(lead) < _TAGS + 0x80:
        flag = before == "\N{WAVING BLACK FLAG}"
        points = (ord(each) - _TAGS for each in token)
        says = "".join(chr(point) for point in points if point >= ord(" "))
        return ("flag", "") if flag and len(token) < _FLAG else ("tags", says.rstrip("\x7f"))
    reader = _READERS.get(token[:2].lower(), _READERS.get(lead))
    if reader is None:
        return "selectors", _selected(token)
    return "escape", reader(token)


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


def _numbers(token: str) -> str:
    return "".join(map(_character, token.removesuffix(";").split(";")))


def _named(token: str) -> str:
    from html.entities import html5  # two thousand names, for the dozen of `_ESCAPES`

    return html5.get(token[1:], token)[:1]


def _character(entity: str) -> str:
    digits = entity[2:]
    base = 10
    if digits[:1] in ("x", "X"):
        digits, base = digits[1:], 16
    point = int(digits, base) if len(digits) < _DIGITS else 0
    return encodable(chr(point)) if 0 < point <= sys.maxunicode else "\N{REPLACEMENT CHARACTER}"


_DIGITS = 8
"""Digits. No code point has as many."""

_TAGS = 0xE0000
"""First of the tag characters, which repeat ASCII."""

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


_READERS: dict[str, Callable[[str], str]] = {
    "%": lambda token: _bytes(token, "%"),
    "\\x": lambda token: _bytes(token, "\\x"),
    "\\u": _units,
    "&#": _numbers,
    "&": _named,
}


_HEX = frozenset("0123456789abcdefABCDEF")
_LEAST = 20
"""Characters of a run."""

_APART = bytes(
    each if chr(each).isalnum() or chr(each) in "+/_-" else ord(" ") for each in range(0x80)
).ljust(0x100)
"""Of each byte itself if it may stand in a run, else a blank."""


def runs(raw: bytes) -> list[str]:
    """What `RUN` matches in UTF-8, each without the `=` at its end. Takes half the time of RE2."""
    return [run.decode() for run in raw.translate(_APART).split() if len(run) >= _LEAST]


@remembered(256)
def decoded(run: str) -> str:
    """The text that a run of hex or base64 holds; empty when it holds none."""
    bare = run.rstrip("=")
    if bare.islower() and not bare.isalnum():
        return ""
    if len(bare) % 2 == 0 and _HEX.issuperset(bare):
        return _printable(bytes.fromhex(bare)) or ""
    bare = bare.replace("-", "+").replace("_", "/")
    try:
        raw = binascii.a2b_base64(bare[: len(bare) - (len(bare) % 4 == 1)] + "==")
    except binascii.Error:
        return ""
    return _printable(raw) or ""


def _printable(raw: bytes) -> str | None:
    """`raw` as text, when it is words and not chance."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    if not text.strip() or not all(each.isprintable() or each in "\n\r\t" for each in text):
        return None
    letters = sum(each.isalpha() or each == " " or not each.isascii() for each in text)
    return text if letters * 4 >= len(text) * 3 and len(text) >= _FEWEST else None


_FEWEST = 3
"""Characters. Fewer are letters by chance."""
