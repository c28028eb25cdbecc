"""What the user shall not know of: nothing honest has to be kept from its user."""

from mcpguard.model import Severity
from mcpguard.scan.threats.signals import SAID, Meaning, Threat, ThreatDetector

__all__ = ["DETECTOR"]

DETECTOR = ThreatDetector(
    id="concealment",
    threat=Threat.HIDDEN_INSTRUCTION,
    severity=Severity.CRITICAL,
    owasp="MCP03:2025",
    agentic="ASI09",
    atlas="AML.T0051.001",
    explanation="It tells the model to keep something from the user, or to act without asking.",
    fix="Do not use the server. Nothing that serves the user has to be kept from the user.",
    meanings=(
        Meaning(
            "concealment.from-user",
            6,
            "tells the model to keep something from the user",
            (
                "NEG ~ TELL ~ USER",
                "NEG SHOW ~ USER",
                "TELL|SHOW ~ USER ~ NEG TELL",
                "TELL USER NEG",
                "USER ~ NEG ~ TELL",
                "TELL ~ USER ~ NEGP",
                "SILENT ~ USER",
                "NEG USER TELL",
                "USER TELL NEG",
            ),
            SAID,
        ),
        Meaning(
            "concealment.unasked",
            2.5,
            "tells the model not to ask the user",
            ("NEG ASK ~ USER", "NEG WHEN ASK", "NEG USER ASK", "NEG ASK USER ASK"),
            SAID,
        ),
        Meaning(
            "concealment.no-consent",
            3,
            "tells the model to act without asking",
            (
                "NEG ASK ~ READ|SEND|RUN|USE|CHANGE",
                "USER NEG ASK",
                "SEND|READ|RUN|PUT|CHANGE ~ NEG ASK",
            ),
            SAID,
            deniable=True,
        ),
        Meaning(
            "concealment.silent",
            3,
            "tells the model to act unseen",
            (
                "SILENT ~ READ|SEND|PUT|CHANGE|RUN|USE|PATH|SECRET|CONV",
                "READ|SEND|PUT|CHANGE|USE|SECRET|CONV SILENT",
                "NEG ~ TELL ~ INSTR|TOOL ~ RESP",
                "NEG TELL THIS",
                "NEG ~ TELL ~ RESP",
            ),
            SAID,
        ),
    ),
)
