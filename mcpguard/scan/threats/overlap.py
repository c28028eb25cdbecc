"""A tool whose name another server's tool has too, or one read as it: a host may call either.

Real servers share names, so a name alone is told and no more; a description that goes with it, or
a name that only looks the same, is for a person. It stands beside the score and adds nothing to it.
"""

from mcpguard.model import JsonObject, Severity
from mcpguard.scan.threats.definition import Item, Known
from mcpguard.scan.threats.detectors.impersonation import copied, nearly
from mcpguard.scan.threats.neighbours import glance, neighbours, skeleton
from mcpguard.scan.threats.signals import Signal, Threat, ThreatDetector

__all__ = ["DETECTOR", "SEVERITIES", "overlap"]

SEVERITIES = {
    "overlap.same-name": Severity.INFO,
    "overlap.near-name": Severity.INFO,
    "overlap.look-alike": Severity.MODERATE,
    "overlap.copied": Severity.MODERATE,
}
"""Rule -> how much it is worth of a person's time."""

_SAID = {
    "overlap.same-name": "has this name too",
    "overlap.near-name": "has nearly this name",
    "overlap.look-alike": "has a name that looks like this one",
    "overlap.copied": "has this name or nearly, and this description",
}


def overlap(definition: JsonObject, known: Known) -> Signal | None:
    """The worst of what the tool has in common with one of another server's; None: nothing.

    Of the same publisher's servers only another tool of the same name is one.
    """
    name = definition.get("name")
    if not isinstance(name, str) or not name or not known.items:
        return None
    worst: Signal | None = None
    for item in neighbours(known.items).near(name):
        rule = "" if item.server == known.server else _rule(name, definition, item)
        ours = bool(item.publisher) and item.publisher == known.publisher
        if not rule or (ours and rule != "overlap.same-name"):
            continue
        if worst is None or SEVERITIES[rule].rank > SEVERITIES[worst.rule].rank:
            worst = _signal(rule, name, item)
    return worst


def _rule(name: str, definition: JsonObject, item: Item) -> str:
    other = str(item.definition.get("name"))
    near = name == other or skeleton(name) == skeleton(other) or nearly(name, other)
    if near and copied(definition, item.definition):
        return "overlap.copied"
    if name == other:
        return "overlap.same-name"
    if skeleton(name) != skeleton(other) and glance(name) == glance(other):
        return "overlap.look-alike"
    return "overlap.near-name" if near else ""


def _signal(rule: str, name: str, item: Item) -> Signal:
    what = f"the tool {item.definition.get('name')!r} of the server {item.server!r} {_SAID[rule]}"
    return Signal(rule, 0.0, "/name", 0, len(name), f"overlap: {what}; a host may call either")


DETECTOR = ThreatDetector(
    id="overlap",
    threat=Threat.CROSS_SERVER_ATTACK,
    severity=Severity.INFO,
    owasp="MCP09:2025",
    agentic="ASI04",
    atlas="AML.T0073",
    explanation="Tools of two servers have one name, or names that are taken for each other.",
    fix="Find out which one you meant. Give a host only one of them, or lock only one.",
)
"""For explanations: its rules are those of `SEVERITIES`."""
