"""Why this tool and no other: preference manipulation.

A description that praises itself, or says that it comes before all others, is written for the
choice and not for the use.
"""

from mcpguard.model import Severity
from mcpguard.scan.threats.signals import TOLD, Meaning, Threat, ThreatDetector

__all__ = ["DETECTOR"]

DETECTOR = ThreatDetector(
    id="self_promotion",
    threat=Threat.DESCRIPTION_INJECTION,
    severity=Severity.MODERATE,
    owasp="MCP03:2025",
    agentic="ASI02",
    atlas="AML.T0051.001",
    explanation="It is written to be chosen before the tools of others.",
    fix="Compare it with what you have; if you keep it, lock the servers you meant to use.",
    meanings=(
        Meaning(
            "promotion.over-others",
            3.5,
            "says that it goes before other tools",
            (
                "ALWAYS|MUST|BEST ~ USE ~ THIS ~~ INSTEAD|OTHER",
                "BEST|USE ~ THIS ~ INSTEAD ~ OTHER|TOOL|IDENT|PRIOR",
                "BEST ~ INSTEAD ~ PRIOR|OTHER ~ TOOL",
                "THIS ~ BEST ~ INSTEAD ~ PRIOR|OTHER|TOOL",
                "THIS ~ INSTEAD ~ PRIOR OTHER|TOOL",
                "NEG ~ USE ~ OTHER ~ TOOL",
                "OTHER TOOL ~ MUST NEG",
                "USE THIS ~ WHEN INSTEAD ~ OTHER",
                "BEST ~ THIS ~ INSTEAD|OTHER",
                "INSTEAD ~ USE ~ OTHER ~ TOOL",
                "USE THIS ~ WHEN ~ OTHER|PRIOR TOOL",
            ),
            TOLD,
        ),
        Meaning(
            "promotion.always-this",
            2,
            "asks to be chosen every time",
            (
                "ALWAYS ~ USE ~ THIS",
                "MUST ~ USE ~ THIS TOOL",
                "MUST ALWAYS ~ USE",
                "THIS ~ MUST ~ USE ~ ALWAYS|WHEN",
                "THIS ~ MUST ~ ALWAYS ~ USE",
                "ALWAYS BEST ~ THIS|TOOL",
                "THIS TOOL ~ ALWAYS|MUST ~ BEST|USE",
                "USE THIS TOOL ~ ALWAYS",
                "MUST ~ BEST ~ THIS",
            ),
            TOLD,
        ),
        Meaning(
            "promotion.best-of-all",
            3,
            "ranks itself above every other tool",
            ("THIS BEST TOOL", "THIS TOOL BEST", "BEST TOOL ~ PRIOR|OTHER", "BEST THIS TOOL"),
            TOLD,
        ),
        Meaning(
            "promotion.praise",
            2,
            "praises itself",
            (
                "THIS ~ BEST ~ TOOL",
                "THIS TOOL ~ BEST",
                "BEST ~ TOOL ~ THIS",
                "BEST TOOL",
                "BEST BEST",
                "BEST ~ PRIOR ~ TOOL|OTHER",
            ),
            TOLD,
        ),
        Meaning(
            "promotion.others-worse",
            3,
            "talks other tools down",
            (
                "OTHER ~ TOOL ~ GONE|FAIL|NEG",
                "OTHER ~ GONE ~ TOOL",
                "TOOL ~ OTHER ~ GONE",
                "BEST ~~ OTHER TOOL ~ NEG|GONE|FAIL",
                "GONE ~ OTHER TOOL",
            ),
            TOLD,
        ),
    ),
)
