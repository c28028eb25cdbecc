"""What a host may show as text of what MCP has as base64: a `blob`, or the `data` of a picture."""

import base64
import binascii
from typing import Final

from mcpguard.model import Json

__all__ = ["PICTURES", "packed", "texts"]

PICTURES: Final = frozenset({"audio", "image"})
"""Types of blocks whose `data` is base64."""

_TEXTUAL: Final = ("text/", "application/json", "application/xml", "application/javascript")
"""What the media type of a text begins with; where none is said, it may be one."""

_STANDARD: Final = str.maketrans("-_", "+/")


def texts(blob: str, media: Json) -> tuple[str, ...]:
    """Every text that a host may make of `blob`, which is of the media type `media`.

    Its bytes, where they are UTF-8, or where `media` says that they are text. What is written,
    where it is not base64 to the letter, or no text comes of it although `media` says so. None of
    a picture.
    """
    raw, exact = _bytes(blob)
    if raw is None:
        return (blob,)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        if not _textual(media):
            return () if exact else (blob,)
        return raw.decode("utf-8", "replace"), blob
    return (text,) if exact else (text, blob)


def packed(text: str) -> str:
    """The base64 of `text`."""
    return base64.b64encode(text.encode()).decode()


def _bytes(blob: str) -> tuple[bytes | None, bool]:
    """What `blob` is the base64 of, and whether every decoder says so; None: it is of nothing.

    Line breaks and missing padding are as good as none. Others skip what is not of the alphabet,
    and read that of RFC 4648, 5.
    """
    joined = blob.replace("\r", "").replace("\n", "")
    try:
        return binascii.a2b_base64(joined + "=" * (-len(joined) % 4), strict_mode=True), True
    except ValueError:
        pass
    try:
        return binascii.a2b_base64(joined.translate(_STANDARD) + "=="), False
    except ValueError:
        return None, False


def _textual(media: Json) -> bool:
    return not isinstance(media, str) or not media or media.lower().startswith(_TEXTUAL)
