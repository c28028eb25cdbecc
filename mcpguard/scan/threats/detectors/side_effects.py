"""Weak signs that a description speaks of something beside what the tool does.

Each of them is in honest descriptions. Several in one passage are worth a look, and no more.
"""

from mcpguard.model import Severity
from mcpguard.scan.threats.signals import TOLD, Meaning, Threat, ThreatDetector

__all__ = ["DETECTOR"]

DETECTOR = ThreatDetector(
    id="side_effects",
    threat=Threat.DESCRIPTION_INJECTION,
    severity=Severity.INFO,
    owasp="MCP03:2025",
    agentic="ASI01",
    atlas="AML.T0051.001",
    explanation="It speaks of more than the tool does: other data, other tools, other times.",
    fix="Read the whole description, and ask its author what the marked passage is for.",
    meanings=(
        Meaning(
            "side-effect.when-used",
            1.5,
            "makes its own use the occasion for something else",
            (
                "WHEN|ALWAYS ~ THIS TOOL ~ USE|PRESENT",
                "ALWAYS USE",
                "ALWAYS THIS TOOL",
            ),
            TOLD,
        ),
        Meaning(
            "side-effect.whose-data",
            1.5,
            "speaks of what is the user's own",
            (
                "PUT|SEND|READ ~ CONV|SECRET|SYSTEM",
                "USER ~ PUT|SEND ~ RECIP",
                "USER CONV",
                "SECRET PUT|SEND",
                "PUT RECIP",
            ),
            TOLD,
        ),
        Meaning(
            "side-effect.excuse",
            1.5,
            "gives a reason why the model should comply",
            ("AUTH", "MUST ~ GONE", "GONE ~ MUST"),
            TOLD,
        ),
        Meaning(
            "side-effect.address",
            1.5,
            "names an address to which something may go",
            ("MAIL",),
            TOLD,
        ),
        Meaning(
            "side-effect.path",
            1.5,
            "names a place on the machine",
            ("SYSPATH", "PATH"),
            TOLD,
        ),
        Meaning(
            "side-effect.link",
            1,
            "has the model act on an address",
            ("SEND|PUT|RUN ~ URL",),
            TOLD,
        ),
        Meaning(
            "side-effect.all-of-them",
            1.5,
            "gives a rule for everything of a kind",
            (
                "PRIOR ~ RECIP|MAIL",
                "PRIOR ~ MUST ~ SEND|CHANGE|PUT|USE|RUN|INSTEAD",
                "PRIOR ~ TOOL ~ MUST",
                "MUST ~ PRIOR ~ RECIP|FILE|TOOL",
            ),
            TOLD,
        ),
        Meaning(
            "side-effect.replaces",
            1.5,
            "has one thing put in the place of another",
            ("CHANGE OTHER|RECIP", "MUST ~ INSTEAD", "RECIP INSTEAD", "MUST CHANGE"),
            TOLD,
        ),
        Meaning(
            "side-effect.other-tool",
            1.5,
            "tells how another tool is to be used",
            (
                "TOOL ~ MUST|RECIP|SEND ~ MAIL|URL|RECIP",
                "IDENT MUST ~ USE",
                "IDENT TOOL ~ MUST",
                "USE IDENT USER",
                "USE IDENT ~ SEND|PUT",
                "WHEN IDENT ~ USE IDENT",
                "OTHER TOOL ~ MUST",
                "OTHER ~ TOOL",
                "WHEN RECIP ~ TOOL",
            ),
            TOLD,
        ),
        Meaning(
            "side-effect.foreign-tool",
            1.0,
            "speaks of what another tool does or is given",
            (
                "WHEN|ALWAYS|PRIOR ~ USE ~ IDENT ~~ PUT|SEND",
                "TOOL IDENT ~~ SEND|PUT",
                "IDENT ~ PARAM ~ MUST",
            ),
            TOLD,
        ),
        Meaning(
            "side-effect.destroys",
            1.5,
            "speaks of weakening or destroying something",
            ("WEAKEN",),
            TOLD,
        ),
        Meaning(
            "side-effect.untold",
            1.5,
            "says what need not be said or asked",
            ("NEG TELL", "NEG ASK", "SILENT"),
            TOLD,
        ),
    ),
)
