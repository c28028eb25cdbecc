"""Telephone numbers, international or North American. For redaction, not a reason to deny."""

from collections.abc import Iterator

from mcpguard.model import Severity
from mcpguard.scan.needles import matches
from mcpguard.scan.sites import Detector, Site, Span

__all__ = ["DETECTOR"]

_GAP = r"[ .\-\x{00A0}\x{2011}]?"
_INTERNATIONAL = rf"\+[1-9](?:{_GAP}(?:[0-9]|\([0-9]+\)))+"
_AMERICAN = r"\([2-9][0-9]{2}\) ?[2-9][0-9]{2}[ .\-][0-9]{4}|\b[2-9][0-9]{2}-[2-9][0-9]{2}-[0-9]{4}"
_NEEDLES = (r"\+[1-9][ .\-\x{00A0}\x{2011}(]?[0-9]", r"[0-9]{3}[)\-] ?[0-9]{3}[ .\-][0-9]{4}")


def _spans(text: str, site: Site) -> Iterator[Span]:
    """E.164: seven to fifteen digits after a plus sign; or the North American plan's ten."""
    for start, end, *_ in matches(f"{_INTERNATIONAL}|{_AMERICAN}", text, site.meter):
        digits = sum(map(str.isdigit, text[start:end]))
        around = text[max(0, start - 1) : start] + text[end : end + 1]
        if 7 <= digits <= 15 and not any(map(str.isalnum, around)):  # noqa: PLR2004 - E.164
            yield Span(start, end, "phone")


DETECTOR = Detector(
    id="phone",
    finds="a telephone number",
    severity=Severity.INFO,
    reference="MCP10:2025",
    needles=_NEEDLES,
    spans=_spans,
    blocking=False,
)
