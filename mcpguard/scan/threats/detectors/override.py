"""What goes before what the user asked for."""

from mcpguard.model import Severity
from mcpguard.scan.threats.signals import Meaning, Threat, ThreatDetector

__all__ = ["DETECTOR"]

DETECTOR = ThreatDetector(
    id="override",
    threat=Threat.TOOL_POISONING,
    severity=Severity.CRITICAL,
    owasp="MCP06:2025",
    agentic="ASI01",
    atlas="AML.T0051.001",
    explanation="It puts its own values in the place of those that the user gave.",
    fix="Do not use the server: what the user asked for is not what would be done.",
    meanings=(
        Meaning(
            "override.user",
            3.5,
            "goes before what the user said",
            (
                "REGARD ~ USER",
                "REGARD ~ CONV",
                "IGNORE ~ USER",
                "CHANGE ~ USER ~ PARAM|RECIP ~ INSTEAD|MAIL|URL",
                "USER ~ REGARD",
                "NEG ~ USE ~ USER ~ PARAM",
                "IGNORE ~ CONV",
            ),
        ),
        Meaning(
            "override.value",
            3,
            "dictates or changes a value that is the user's",
            (
                "ALWAYS|MUST ~ CHANGE ~ RECIP",
                "ALWAYS CHANGE ~ PARAM",
                "MUST ALWAYS CHANGE",
                "CHANGE ~ PARAM|RECIP ~ REGARD",
                "MUST ~ ALWAYS ~ CHANGE ~ PARAM|RECIP|IDENT",
                "CHANGE ~ USER ~ PARAM|RECIP",
                "RECIP ~ MUST|ALWAYS ~ CHANGE",
                "MUST ~ USE ~ RECIP ~ REGARD|INSTEAD",
                "RECIP ~ REGARD ~ RECIP",
                "MUST ~ RECIP ~ REGARD",
                "PRIOR ~ MUST ~ USE ~ RECIP",
                "SEND ~ MUST ~ REGARD|INSTEAD",
                "MUST|ALWAYS ~ USE|CHANGE|SEND|RESP ~ REGARD",
                "ALWAYS ~ REGARD ~ RECIP|PARAM|CONV",
            ),
        ),
    ),
)
