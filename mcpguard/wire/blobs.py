"""What a host may show as text of what MCP has as base64: a `blob`, or the `data` of a picture."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

from mcpguard.model import Json, JsonObject

__all__ = ["PICTURES", "packed", "packed_in", "texts"]

PICTURES: Final = frozenset({"audio", "image"})
"""Types of blocks whose `data` is base64."""

_TEXTUAL: Final = ("text/", "application/json", "application/xml", "application/javascript")
"""What the media type of a text begins with; where none is said, it may be one."""

_STANDARD: Final = str.maketrans("-_", "+/")
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9+/]+")


def packed_in(block: JsonObject) -> tuple[str, ...]:
    """The members of a block, or of a resource's contents, that are base64."""
    kind = block.get("type")
    return _PICTURED if isinstance(kind, str) and kind in PICTURES else _PLAIN


_PLAIN, _PICTURED = ("blob",), ("blob", "data")


def texts(blob: str, media: Json) -> tuple[str, ...]:
    """Every text that a host may make of `blob`, which is of the media type `media`.

    Its bytes, where they are UTF-8, or where `media` says that they are text; none of a picture.
    Of what is not base64 to the letter, each way in which decoders read it, and what is written.
    """
    raw = _exact(blob)
    if raw is None:
        found = [text for read in _lenient(blob) if (text := _text(read, media)) is not None]
        return *dict.fromkeys(found), blob
    text = _text(raw, media)
    if text is None:
        return ()
    return (text,) if text.encode() == raw else (text, blob)


def _text(raw: bytes, media: Json) -> str | None:
    """`raw` as a host shows it; None where it is no text, and is not said to be one."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode(errors="replace") if _textual(media) else None


def packed(text: str) -> str:
    """The base64 of `text`."""
    return base64.b64encode(text.encode()).decode()


def _exact(blob: str) -> bytes | None:
    """What every decoder says that `blob` is the base64 of; None where they may differ.

    Line breaks and missing padding are as good as none.
    """
    joined = blob.replace("\r", "").replace("\n", "")
    try:
        return binascii.a2b_base64(joined + "=" * (-len(joined) % 4), strict_mode=True)
    except ValueError:
        return None


def _lenient(blob: str) -> Iterator[bytes]:
    """What decoders make of `blob` that read the alphabet of RFC 4648, 5, and skip other letters.

    Some end at a `=`, some skip it too; a letter that is left over is dropped.
    """
    for part in (blob.partition("=")[0], blob):
        letters = _FOREIGN.sub("", part.translate(_STANDARD))
        letters = letters[: len(letters) - (len(letters) % 4 == 1)]
        yield binascii.a2b_base64(letters + "=" * (-len(letters) % 4))


def _textual(media: Json) -> bool:
    return not isinstance(media, str) or not media or media.lower().startswith(_TEXTUAL)
