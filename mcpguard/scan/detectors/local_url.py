"""Plainly written addresses of this machine and network.

Ordinary for a developer (`http://localhost:3000`), so not a reason to deny by itself; where a
server must not reach inside, configure it to deny.
"""

from collections.abc import Iterator
from dataclasses import replace

from mcpguard.model import Severity
from mcpguard.scan.addresses import Reach
from mcpguard.scan.detectors.ssrf_url import NEEDLES, PATH_NEEDLES, ROLES, targets
from mcpguard.scan.sites import Detector, Site, Span

__all__ = ["DETECTOR"]


def _spans(text: str, site: Site) -> Iterator[Span]:
    for target in targets(text, site):
        if any(each.reach is not Reach.PUBLIC for each in target.addresses):
            yield Span(target.start, target.end, "url")


_DETECTOR = Detector(
    id="local_url",
    finds="an address of this machine or a private network",
    severity=Severity.MODERATE,
    reference="MCP05:2025",
    needles=NEEDLES,
    spans=_spans,
    blocking=False,
    roles=ROLES,
)
DETECTOR = replace(_DETECTOR, for_paths=replace(_DETECTOR, needles=PATH_NEEDLES))
