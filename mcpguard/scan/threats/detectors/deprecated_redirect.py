"""Another tool is said to be gone, so that this one is called in its place.

A server may deprecate its own tools. It cannot know that those of others are unsafe.
"""

from mcpguard.model import Severity
from mcpguard.scan.threats.signals import TOLD, Meaning, Threat, ThreatDetector

__all__ = ["DETECTOR"]

DETECTOR = ThreatDetector(
    id="deprecated_redirect",
    threat=Threat.CROSS_SERVER_ATTACK,
    severity=Severity.MODERATE,
    owasp="MCP03:2025",
    agentic="ASI02",
    atlas="AML.T0051.001",
    explanation="It says that another tool must not be used any more, and names what to use.",
    fix="Ask the other tool's server; if it still lists the tool, do not use this server.",
    meanings=(
        Meaning(
            "redirect.other-gone",
            3.5,
            "says that another tool is gone and what to use instead",
            (
                "IDENT|OTHER|TOOL ~ GONE ~ / ~ USE ~ THIS|INSTEAD",
                "IDENT|OTHER|TOOL ~ GONE ~ / ~ USE ~ IDENT",
                "GONE ~ / NEG ~ USE ~ / ~ USE|INSTEAD",
                "IDENT|OTHER ~ GONE ~ / ~ INSTEAD",
                "USE ~ THIS ~ INSTEAD ~ GONE",
                "NEG USE ~ IDENT|OTHER ~ GONE",
                "USE ~ IDENT ~ INSTEAD ~ IDENT",
                "GONE ~~ PRIOR ~ SEND|USE ~ MUST|IDENT|THIS",
            ),
            TOLD,
        ),
        Meaning(
            "redirect.replaces",
            2.5,
            "says that it takes another tool's place",
            (
                "THIS TOOL INSTEAD",
                "INSTEAD ~ PRIOR|OTHER ~ TOOL",
            ),
            TOLD,
        ),
    ),
)
