"""E-mail addresses. Ordinary in arguments: for redaction, not a reason to deny."""

from collections.abc import Iterator

from mcpguard.model import Severity
from mcpguard.scan.needles import matches
from mcpguard.scan.sites import Detector, Site, Span

__all__ = ["DETECTOR"]

_ADDRESS = r"[A-Za-z0-9._%+\-]+@(?:[A-Za-z0-9\-]+\.)+[A-Za-z]{2}[A-Za-z]*"
_NEEDLE = r"[A-Za-z0-9._%+\-]@[A-Za-z0-9\-]"


def _spans(text: str, site: Site) -> Iterator[Span]:
    """RFC 5321 lengths: 64 characters before the @, 254 in all."""
    for start, end, *_ in matches(_ADDRESS, text, site.meter):
        local = text.index("@", start) - start
        if local <= 64 and end - start <= 254:  # noqa: PLR2004 - the lengths of the RFC
            yield Span(start, end, "email")


DETECTOR = Detector(
    id="email",
    finds="an e-mail address",
    severity=Severity.INFO,
    reference="MCP10:2025",
    needles=(_NEEDLE,),
    spans=_spans,
    blocking=False,
)
