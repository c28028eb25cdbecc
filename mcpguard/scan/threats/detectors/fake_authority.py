"""Whose order this is said to be: the system's, the company's, the law's."""

from mcpguard.model import Severity
from mcpguard.scan.threats.signals import SAID, Meaning, Text, Threat, ThreatDetector

__all__ = ["DETECTOR"]

_SHOUTED = (
    r"(?-i:\b(?:SYSTEM|ADMIN(?:ISTRATOR)?|INTERNAL|SECURITY|DEV(?:ELOPER)?|COMPLIANCE|OPERATOR"
    r"|OFFICIAL|OVERRIDE|URGENT|ASSISTANT|AI|MODEL|AGENT)(?:[ _-][A-Z][A-Z]+)*\]?\s?:)"
)
_HEADING = (
    r"(?:^|\n)\s*(?:\W+\s*)?"
    r"(?:system|administrator|developer|internal|security|compliance|official)"
    r"(?: dev| developer| admin)? (?:update|notice|note|message|prompt|override|instructions?"
    r"|alert|directive|requirement|policy)\s*:"
)

DETECTOR = ThreatDetector(
    id="fake_authority",
    threat=Threat.DESCRIPTION_INJECTION,
    severity=Severity.MODERATE,
    owasp="MCP06:2025",
    agentic="ASI09",
    atlas="AML.T0051.001",
    explanation="It borrows an authority that a tool's description does not have.",
    fix="Ask whoever is named. A real policy reaches the host's settings, not a description.",
    meanings=(
        Meaning(
            "authority.orders",
            3,
            "gives an order in the name of an authority",
            (
                "AUTH ~ MUST|ALWAYS ~ READ|SEND|PUT|RUN|CHANGE|USE",
                "AUTH ~~ MUST|ALWAYS|PRIOR ~ SEND|TOOL|RECIP|PUT|CONV",
                "MUST|ALWAYS ~ SEND|PUT|READ|RUN|CHANGE|USE ~~ AUTH",
                "AUTH ~ SEND|READ|RUN|CHANGE ~ PRIOR|FILE|PATH|SECRET|CONV|RECIP|URL|MAIL|DEST",
                "AUTH ~ GONE",
                "GONE ~ AUTH",
                "AUTH ~ IGNORE|INSTEAD|REGARD",
                "AUTH ~ PRIOR ~ USER|TOOL|OTHER ~ MUST",
            ),
            SAID,
        ),
        Meaning(
            "authority.for-data",
            3,
            "asks for data in the name of an authority",
            (
                "AUTH ~ CONV|SYSTEM|SECRET",
                "YOU ~ SECRET|CONV|SYSTEM ~ AUTH",
                "PUT|SEND|READ ~ CONV|SYSTEM|SECRET ~~ AUTH",
            ),
        ),
    ),
    texts=(
        Text(
            "authority.label",
            2.5,
            "is labelled as a message of the system or the operator",
            (_SHOUTED, _HEADING),
            SAID,
        ),
    ),
)
