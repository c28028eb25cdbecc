"""Paths read piece by piece: how they are spelt, where they climb, where they end."""

from enum import StrEnum
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

__all__ = ["DECODINGS", "LOOKALIKES", "MAX_PATH", "Spelling", "decoded", "pieces", "read"]

MAX_PATH = 4096
"""Characters; PATH_MAX of Linux, and more than Windows takes."""

DECODINGS = 3
"""Rounds of percent-decoding. What still changes after them is written to deceive."""


class Spelling(StrEnum):
    """Why a path is not spelt as people spell it; PLAIN: it is."""

    PLAIN = "plain"
    CONTROL = "a control character"
    ENCODED = "an encoded separator or dot segment"
    DEEP = "percent-encoding within percent-encoding"
    NOT_UTF8 = "percent-encoding that is not UTF-8"
    LOOKALIKE = "letters that look like dots or slashes"
    LONG = "more characters than a path has"


class Read(NamedTuple):
    """A path after decoding: `text`, and the first thing that is wrong with how it was spelt."""

    text: str
    spelling: Spelling


_DOTS = "\uff0e\u2024\ufe52"
_SLASHES = "\uff0f\u2044\u2215\u29f8"
_BACKSLASHES = "\uff3c\ufe68\u2216"
_ELLIPSES = {"\u2025": "..", "\u2026": "..."}

LOOKALIKES = _DOTS + _SLASHES + _BACKSLASHES + "\u2025"
"""Letters that compatibility folding, or a reader, takes for dots, slashes and backslashes."""

_FOLDING = str.maketrans(
    {
        **dict.fromkeys(_DOTS, "."),
        **dict.fromkeys(_SLASHES, "/"),
        **dict.fromkeys(_BACKSLASHES, "\\"),
        **_ELLIPSES,
    }
)


def read(path: str) -> Read:
    """Decode `path` as a lenient server might, and say whether that mattered."""
    if len(path) > MAX_PATH:
        return Read(path, Spelling.LONG)
    import unicodedata

    text, spelling = decoded(path)
    folded = text.translate(_FOLDING)
    if folded != text and pieces(folded) != pieces(text) and _climbs(folded):
        text, spelling = folded, Spelling.LOOKALIKE
    if any(unicodedata.category(each) in _UNSEEN for each in text):
        return Read(text, Spelling.CONTROL)
    return Read(text, spelling)


_UNSEEN = frozenset({"Cc", "Cs"})
"""Control characters, and halves of surrogate pairs: no file name has them in UTF-8."""


def decoded(path: str, rounds: int = DECODINGS) -> tuple[str, Spelling]:
    """`path` without percent-encoding; ENCODED when that made separators or dot segments.

    DEEP when the last of `rounds` still changed something.
    """
    text = path
    for number in range(rounds):
        if "%" not in text:
            break
        try:
            after = unquote_to_bytes(text).decode()
        except UnicodeDecodeError:
            return text, Spelling.NOT_UTF8
        except UnicodeEncodeError:
            return text, Spelling.CONTROL
        if after == text:
            break
        if number == rounds - 1:
            return after, Spelling.DEEP
        text = after
    if text != path and _structure(text) != _structure(path):
        return text, Spelling.ENCODED
    return text, Spelling.PLAIN


def _structure(path: str) -> tuple[int, list[int]]:
    """How many pieces, and which of them are dot segments."""
    parts = path.replace("\\", "/").split("/")
    return len(parts), [at for at, part in enumerate(parts) if part in {".", ".."}]


def pieces(path: str) -> list[str]:
    """Between slashes and backslashes, empty ones and `.` left out; `..;x` is `..`, as for some."""
    parts = path.replace("\\", "/").split("/")
    return [".." if part.startswith("..;") else part for part in parts if part not in {"", "."}]


def _climbs(path: str) -> bool:
    return ".." in pieces(path)
