"""Texts that are written so that a model can read them and a pattern cannot.

Base64, hex, percent, escapes and entities are read by `threats.text`; here are the others: base32,
binary, base85, ROT13, digits for letters, and letters in reverse.
"""

import base64
import binascii
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import NamedTuple

from mcpguard.scan.needles import Needles, compiled, told

__all__ = [
    "BYTES",
    "KEYWORD_FORMS",
    "LINES",
    "MAX_RUNS",
    "Decoded",
    "decoded",
    "may_hold",
    "respelt",
]

MAX_RUNS = 16
"""Runs of one kind that are read in one text: each costs as much as the text that it holds."""

MAX_RUN = 8192
"""Characters of a run that are read; a text that is longer is not there to be overlooked."""

SHORTEST = 12
"""Characters. No order is shorter."""

_KEYWORDS = (
    *("ignore", "disregard", "forget", "override", "previous", "instructions", "instruction"),
    *("prompt", "system", "password", "assistant", "reveal", "developer", "exfiltrate"),
    *("credentials", "forward", "execute"),
)
"""English words of orders to a model, looked for in ROT13, in reverse and with digits."""

_LEET = {"o": "0", "i": "1", "e": "3", "a": "4", "s": "5", "t": "7"}
_PLAIN = str.maketrans({digit: letter for letter, digit in _LEET.items()} | {"@": "a", "$": "s"})
_ROT = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "nopqrstuvwxyzabcdefghijklmNOPQRSTUVWXYZABCDEFGHIJKLM",
)


class Decoded(NamedTuple):
    """`says` is what `start` to `end` of a text hold, in this `form`."""

    form: str
    start: int
    end: int
    says: str


def _disguised(word: str) -> Iterator[str]:
    """Every spelling of `word` with digits for some of its letters."""
    choices = [(letter, _LEET[letter]) if letter in _LEET else (letter,) for letter in word]
    yield from ("".join(each) for each in product(*choices) if "".join(each) != word)


def _words(forms: Iterator[str]) -> str:
    return rf"(?i)\b(?:{'|'.join(forms)})\b"


@cache
def _whole() -> tuple[tuple[str, str, Callable[[str], str]], ...]:
    """Name, what shows it, and the way back, of what is done to a text as a whole."""
    return (
        ("rot13", _words(each.translate(_ROT) for each in _KEYWORDS), _rotated),
        ("reversed", _words(each[::-1] for each in _KEYWORDS), _reversed),
        ("digits", _words(form for each in _KEYWORDS for form in _disguised(each)), _spelt),
        ("joined words", _JOINED, _parted),
        ("spread letters", rf"(?i)\b(?:{'|'.join(map(_spread, _SPREAD))})", _gathered),
    )


_JOINED = (
    r"(?i)\b(?:ignore|disregard|forget|override)[-_/.](?:all|any|the|your|every|everything|previous"
    r"|prior|above|earlier|system)[-_/.]"
)
_SPREAD = ("ignore", "disregard", "forget", "override", "previous", "instruction", "password")


def _spread(word: str) -> str:
    return "[ ._*-]".join(word)


def _parted(text: str) -> str:
    return text.translate(str.maketrans("-_/.", "    "))


def _gathered(text: str) -> str:
    """Letters with one mark between each as words; what parts the words is wider."""
    for gap in ("   ", ". .", "- -", "_ _", "* *"):
        text = text.replace(gap, "\x00")
    return text.translate(_TOGETHER)


_TOGETHER: dict[int, str | None] = {**dict.fromkeys(map(ord, " ._*-")), 0: " "}


def _rotated(text: str) -> str:
    return text.translate(_ROT)


def _reversed(text: str) -> str:
    return text[::-1]


def _spelt(text: str) -> str:
    return text.translate(_PLAIN)


def _base32(run: str) -> bytes:
    bare = run.rstrip("=")
    bare = bare[: len(bare) - (len(bare) % 8 in {1, 3, 6})]
    return base64.b32decode(bare + "=" * (-len(bare) % 8))


def _binary(run: str) -> bytes:
    bits = "".join(run.split())
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) - 7, 8))


def _ascii85(run: str) -> bytes:
    return base64.a85decode(run[2:-2])


_BREAK = r"(?:\r?\n|(?:\\r)?\\n)"
"""The end of a line, also as JSON has it."""

LINES = rf"(?:[A-Za-z0-9+/]{{8,19}}=*{_BREAK}){{3}}"
"""Three short lines of nothing but what base64, base32 and hex are written in."""

BYTES = r"(?:(?:0x)?[0-9A-Fa-f]{2}[ ,:]{1,2}){11}"
"""Eleven bytes in hex, apart."""

_LINES = rf"(?:[A-Za-z0-9+/]{{8,19}}=*{_BREAK}[ \t]*){{3,}}[A-Za-z0-9+/]*=*"
_BYTES = r"(?:(?:0x)?[0-9A-Fa-f]{2}[ ,:]{1,2}){11,}(?:0x)?[0-9A-Fa-f]{2}"


def _wrapped(run: str) -> bytes:
    """A run in short lines: hex, base32 or base64, whichever gives text; a word may follow it."""
    lines = run.replace("\\r", "").replace("\\n", " ").split()
    for bare in ("".join(lines), "".join(lines[:-1])):
        for read in (bytes.fromhex, _base32, _base64):
            raw = _tried(read, bare)
            if raw:
                return raw
    return b""


def _tried(read: Callable[[str], bytes], bare: str) -> bytes:
    try:
        raw = read(bare)
        return raw if raw.decode().isprintable() else b""
    except (ValueError, binascii.Error):
        return b""


def _base64(run: str) -> bytes:
    bare = run.rstrip("=")
    return binascii.a2b_base64(bare[: len(bare) - (len(bare) % 4 == 1)] + "==")


def _apart(run: str) -> bytes:
    return bytes.fromhex("".join(each for each in run.replace("0x", "") if each.isalnum()))


_RUNS: tuple[tuple[str, str, Callable[[str], bytes]], ...] = (
    ("base32", r"[A-Z2-7]{16}[A-Z2-7]*=*", _base32),
    ("binary", r"[01]{8}(?:\s?[01]{8})+", _binary),
    ("base85", r"<~[!-u\s]+~>", _ascii85),
    ("short lines", _LINES, _wrapped),
    ("hex bytes", _BYTES, _apart),
    (
        "base85",
        r"[0-9A-Za-z!#$%&()*+\-;<=>?@^_`{|}~]{19}[0-9A-Za-z!#$%&()*+\-;<=>?@^_`{|}~]+",
        base64.b85decode,
    ),
)
"""Name, pattern and decoder of what stands as a run among other text."""


KEYWORD_FORMS = tuple(pattern for _, pattern, _ in _whole())
"""RE2 patterns of keywords in ROT13, in reverse and with digits for letters."""


def respelt(text: str) -> Iterator[Decoded]:
    """What `text`, a reading, says as a whole when letters are turned back."""
    raw = text.encode()
    for number in _within(1, raw):
        form, pattern, back = _whole()[number]
        if compiled(pattern).search(raw):
            yield Decoded(form, 0, len(text), back(text))


def decoded(text: str) -> Iterator[Decoded]:
    """What runs of `text`, as it was written, hold."""
    raw = text.encode()
    for number in _within(0, raw):
        form, pattern, read = _RUNS[number]
        for count, match in enumerate(compiled(pattern).finditer(raw)):
            if count >= MAX_RUNS:
                break
            says = _read(match.group().decode(), form, read)
            if says:
                start = len(raw[: match.start()].decode())
                yield Decoded(form, start, start + len(match.group().decode()), says)


@cache
def _known(forms: int) -> Needles:
    patterns = KEYWORD_FORMS if forms else [pattern for _, pattern, _ in _RUNS]
    return Needles(patterns, open_ended=True)


def _within(forms: int, raw: bytes) -> list[int]:
    """The numbers of the forms, or of the runs, whose pattern may be in `raw`."""
    known = _known(forms)
    return told(known.found(raw + known.end.encode()) or [], *known.nothing)


_RARE = frozenset("!#$%&()*+;<>?@^`{|}~")
_VARIED = 3
"""Different ones of these that a run of base85 has; names and paths have fewer."""

_THIRTY_TWO = {
    each: " " for each in range(0x80) if chr(each) not in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
}
_LEAST = 16
"""Characters of a run of base32, and of binary digits."""


def may_hold(word: str) -> bool:
    """Whether `decoded` may read something in a word of ASCII without blanks. Fast."""
    if len(_RARE.intersection(word)) >= _VARIED:
        return True
    return any(len(run) >= _LEAST for run in word.translate(_THIRTY_TWO).split())


def _read(run: str, form: str, read: Callable[[str], bytes]) -> str:
    """What `run` says; nothing when it is no text."""
    if form == "base85" and len(_RARE.intersection(run)) < _VARIED:
        return ""
    try:
        says = read(run[:MAX_RUN]).decode()
    except (ValueError, binascii.Error):
        return ""
    return says if len(says) >= SHORTEST and says.isprintable() else ""
