"""Commands that the model shall run, spelt out."""

from mcpguard.model import Severity
from mcpguard.scan.threats.signals import TOLD, VALUES, Meaning, Threat, ThreatDetector

__all__ = ["DETECTOR"]

DETECTOR = ThreatDetector(
    id="command_to_run",
    threat=Threat.TOOL_POISONING,
    severity=Severity.CRITICAL,
    owasp="MCP05:2025",
    agentic="ASI05",
    atlas="AML.T0053",
    explanation="It spells out a command that the model is to run with another tool.",
    fix="Do not run it. A tool that needs something installed says so in its documentation.",
    meanings=(
        Meaning(
            "command.ordered",
            4,
            "orders a shell command to be run",
            (
                "MUST|ALWAYS|WHEN ~ RUN ~ SHELL",
                "MUST|ALWAYS|WHEN ~ SHELL",
                "WHEN ~ USE ~~ RUN ~ SHELL",
                "RUN ~ SHELL ~ SHELL",
                "SHELL ~ RUN ~ MUST|WHEN",
            ),
        ),
        Meaning(
            "command.spelt-out",
            2,
            "spells out a shell command",
            ("RUN ~ SHELL", "SHELL ~ SHELL", "SHELL ~ RUN"),
            TOLD,
        ),
        Meaning("command.in-value", 2, "offers a shell command as a value", ("SHELL",), VALUES),
    ),
)
