"""United States social security numbers, in the ranges that are given out."""

from collections.abc import Iterator

from mcpguard.model import Severity
from mcpguard.scan.digits import DIGIT, ascii_digits
from mcpguard.scan.needles import matches
from mcpguard.scan.sites import Detector, Site, Span

__all__ = ["DETECTOR"]

_GAP = r"[ \-\x{00A0}\x{2010}-\x{2015}\x{202F}\x{2212}]"
_WRITTEN = rf"{DIGIT}{{3}}{_GAP}{DIGIT}{{2}}{_GAP}{DIGIT}{{4}}"
_BARE = rf"{DIGIT}{{9}}"
_BY_NAME = frozenset({"ssn", "socialsecuritynumber", "socialsecurity", "ssnumber"})

_ADVERTISED = frozenset({"078051120", "219099999", "457555462"})
"""Printed in advertisements for years, and void since; 987-65-432x is out of range anyway."""


def _spans(text: str, site: Site) -> Iterator[Span]:
    """With two equal separators; nine bare digits only under a name that says what they are."""
    named = "".join(filter(str.isalpha, site.name.lower())) in _BY_NAME
    for start, end, *_ in matches(f"{_WRITTEN}|{_BARE}" if named else _WRITTEN, text, site.meter):
        if _alone(text, start, end) and _given_out(text[start:end], named):
            yield Span(start, end, "ssn")


def _alone(text: str, start: int, end: int) -> bool:
    """Whether no digit, letter or further group stands next to it."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before[-1:].isalnum() or after[:1].isalnum():
        return False
    grouped = before[-1:] in _HYPHENS and before[:1].isalnum()
    return not grouped and not (after[:1] in _HYPHENS and after[1:].isalnum())


_GROUPED = 11
"""Characters of one that is written with separators."""

_HYPHENS = frozenset("-_./")


def _given_out(written: str, named: bool) -> bool:
    """Never given out: area 000, 666 and 900 up, group 00, serial 0000 (SSA, RN 01105)."""
    plain = written if written.isascii() else ascii_digits(written)
    grouped = len(written) == _GROUPED
    if (grouped and written[3] != written[6]) or not (grouped or named):
        return False
    area, group, serial = plain[:3], plain[4:6] if grouped else plain[3:5], plain[-4:]
    if area + group + serial in _ADVERTISED:
        return False
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


DETECTOR = Detector(
    id="ssn",
    finds="a United States social security number",
    severity=Severity.CRITICAL,
    reference="MCP10:2025",
    needles=(_WRITTEN, _BARE),
    spans=_spans,
)
