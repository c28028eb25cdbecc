"""Digits as people write them: any script's, with blanks, hyphens or nothing between."""

__all__ = ["DIGIT", "GAP", "ascii_digits"]

DIGIT = r"[0-9\x{0660}-\x{0669}\x{06F0}-\x{06F9}\x{0966}-\x{096F}\x{FF10}-\x{FF19}]"
"""Latin, Arabic, Persian, Devanagari and full-width digits."""

GAP = r"[ .\-\x{00A0}\x{00AD}\x{2007}-\x{2015}\x{202F}\x{2060}\x{2212}\x{FEFF}]"
"""One separator: blank, full stop, hyphens, no-break and zero-width ones."""

_BLANKED = "".join(chr(code) if chr(code).isdigit() else " " for code in range(128))


def ascii_digits(text: str) -> str:
    """Digits of any script as 0-9; everything else becomes a blank. As long as `text`."""
    if text.isascii():
        return text.translate(_BLANKED)
    import unicodedata  # 0.8 MiB that ASCII does without

    return "".join(str(unicodedata.decimal(each, " ")) for each in text)
