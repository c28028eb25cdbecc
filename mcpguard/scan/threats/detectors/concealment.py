"""What the user shall not know of: no honest tool says that."""

from mcpguard.model import Severity
from mcpguard.scan.threats.signals import SAID, Meaning, Threat, ThreatDetector

__all__ = ["DETECTOR"]

DETECTOR = ThreatDetector(
    id="concealment",
    threat=Threat.HIDDEN_INSTRUCTION,
    severity=Severity.CRITICAL,
    owasp="MCP03:2025",
    agentic="ASI01",
    atlas="AML.T0051.001",
    explanation="It tells the model to keep something from the user.",
    fix="Do not use the server. Nothing that serves the user has to be kept from the user.",
    meanings=(
        Meaning(
            "concealment.from-user",
            6,
            "tells the model not to tell the user",
            (
                "NEG ~ TELL|SHOW ~ USER",
                "TELL|SHOW USER ~ NEG TELL",
                "USER ~ NEG TELL|SHOW",
                "SILENT ~ USER",
            ),
            SAID,
        ),
    ),
)
