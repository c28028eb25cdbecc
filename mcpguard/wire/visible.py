"""Text of somebody else made safe to show: nothing in it is hidden, or obeyed by a terminal."""

__all__ = ["printable", "shows"]

_INVISIBLE = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that take room and show nothing."""

_SELECTORS = (range(0xFE00, 0xFE0F), range(0xE0100, 0xE01F0))
"""Variation selectors: invisible, and able to carry any byte. The emoji one (FE0F) may pass."""


def printable(text: str) -> str:
    """`text` with whatever a terminal would obey or hide as an escape.

    Control codes, ANSI, bidirectional and zero-width marks, tags, variation selectors, line breaks,
    odd spaces.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if shows(char) else _escape(char) for char in text)


def shows(char: str) -> bool:
    """Whether a person sees `char` where it stands, and no terminal obeys it."""
    return char.isprintable() and char not in _INVISIBLE and not _selects(ord(char))


def _selects(code: int) -> bool:
    return any(code in each for each in _SELECTORS)


def _escape(char: str) -> str:
    if char in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[char]
    return f"<U+{ord(char):04X}>"
