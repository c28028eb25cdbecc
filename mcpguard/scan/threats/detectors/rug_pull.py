"""What a definition says now and did not say when it was reviewed.

Any difference is drift, and the lockfile stops it. This says which drift is an attack.
"""

from collections.abc import Iterator

from mcpguard.model import JsonObject, Severity
from mcpguard.scan.threats.definition import View
from mcpguard.scan.threats.parameters import parameters
from mcpguard.scan.threats.signals import Signal, Structure, Threat, ThreatDetector

__all__ = ["DETECTOR"]


def _judge(view: View) -> Iterator[Signal]:
    locked = view.known.locked
    if locked is None:
        return
    before, after = _hints(locked), _hints(view.definition)
    for hint, safe in _SAFE.items():
        if before.get(hint) is safe and after.get(hint) is not safe:
            where = f"/annotations/{hint}"
            yield Signal(
                "rug-pull.less-safe", 3, where, 0, 0, f"was reviewed as {hint}: {str(safe).lower()}"
            )
    known = {each.name for each in parameters(locked)}
    for each in view.parameters:
        if each.required and each.name not in known:
            yield Signal(
                "rug-pull.new-required",
                2,
                each.where,
                0,
                len(each.name),
                "needs an argument that was not there",
            )


_SAFE = {"readOnlyHint": True, "destructiveHint": False, "openWorldHint": False}


def _hints(definition: JsonObject) -> JsonObject:
    hints = definition.get("annotations")
    return hints if isinstance(hints, dict) else {}


DETECTOR = ThreatDetector(
    id="rug_pull",
    threat=Threat.RUG_PULL,
    severity=Severity.CRITICAL,
    owasp="MCP03:2025",
    agentic="ASI04",
    atlas="AML.T0010",
    explanation="It was harmless when it was reviewed, and no longer is.",
    fix="Keep the lock as it is, stop the server, and ask its author what changed.",
    structure=Structure(
        ("rug-pull.less-safe", "rug-pull.new-required", "rug-pull.introduced"), _judge
    ),
)
