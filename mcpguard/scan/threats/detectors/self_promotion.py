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
            "says that it goes before every other tool",
            (
                "ALWAYS|MUST|BEST|PREFER|USE ~ THIS ~ INSTEAD ~ OTHER|PRIOR",
                "USE ALWAYS ~ INSTEAD ~ OTHER|PRIOR",
                "ALWAYS USE ~ INSTEAD ~ OTHER|PRIOR",
                "BEST|PREFER ~ INSTEAD ~ PRIOR|OTHER ~ TOOL",
                "THIS ~ BEST|PREFER ~ INSTEAD ~ PRIOR|OTHER",
                "THIS ~ INSTEAD ~ PRIOR|OTHER ~ TOOL",
                "NEG ~ USE ~ OTHER ~ TOOL",
                "NEG ~ USE OTHER",
                "BEST|PREFER ~ INSTEAD OTHER",
                "OTHER|PRIOR TOOL ~ USE THIS",
                "WHEN OTHER ~ USE|PREFER ~ THIS",
                "OTHER ~ GONE ~ / ~ USE ~ THIS",
                "USE ~ THIS WHEN OTHER",
                "THIS ~ INSTEAD OTHER YOU",
                "INSTEAD OTHER ~ YOU",
                "NEG ~ OTHER TOOL ~ USE",
                "OTHER TOOL ~ MUST ~ NEG",
                "BEST|PREFER ~ THIS ~ OTHER ~ TOOL",
                "INSTEAD ~ USE ~ OTHER ~ TOOL",
                "THIS ~ PREFER ~ OTHER|PRIOR ~ TOOL",
                "PRIOR|OTHER ~ TOOL INSTEAD ~ THIS ~ PREFER|USE",
                "OTHER ~ TOOL ~ INSTEAD ~ THIS ~ PREFER|USE|BEST",
                "THIS TOOL ~ OTHER ~ TOOL ~ PREFER|BEST",
            ),
            TOLD,
        ),
        Meaning(
            "promotion.over-named",
            2,
            "says that it goes before a tool that it names",
            (
                "BEST|USE|PREFER ~ THIS ~ INSTEAD ~ IDENT",
                "THIS ~ INSTEAD ~ IDENT",
                "PREFER|BEST ~ INSTEAD ~ IDENT",
            ),
            TOLD,
        ),
        Meaning(
            "promotion.every-time",
            3,
            "asks to be called every time",
            (
                "ALWAYS USE|PREFER THIS TOOL",
                "MUST ~ USE ~ PRIOR ~ CONV",
                "USE ~ PRIOR ~ CONV",
                "BEST ~ / USE ~ ALWAYS",
                "BEST ~ USE ~ ALWAYS",
                "ALWAYS USE THIS TOOL",
                "MUST ~ PREFER ~ PRIOR ~ CONV|TOOL",
                "THIS TOOL ~ MUST ~ PREFER ~ PRIOR",
            ),
            TOLD,
        ),
        Meaning(
            "promotion.always-this",
            2,
            "asks to be chosen every time",
            (
                "ALWAYS ~ USE|PREFER ~ THIS",
                "MUST ~ USE|PREFER ~ THIS TOOL",
                "MUST ALWAYS ~ USE|PREFER",
                "THIS ~ MUST ~ USE ~ ALWAYS|WHEN",
                "THIS ~ MUST ~ ALWAYS ~ USE",
                "THIS TOOL ~ ALWAYS|MUST ~ PREFER|USE",
                "USE THIS TOOL ~ ALWAYS",
                "MUST ~ PREFER ~ THIS",
                "THIS ~ PREFER ~ TOOL",
                "ALWAYS ~ PREFER|USE ~ THIS|TOOL",
            ),
            TOLD,
        ),
        Meaning(
            "promotion.best-of-all",
            3,
            "ranks itself above every other tool",
            (
                "THIS ~ BEST TOOL",
                "THIS TOOL BEST",
                "BEST TOOL ~ PRIOR|OTHER|ALWAYS",
                "THIS BEST",
                "BEST ~ BEST ~ TOOL",
            ),
            TOLD,
        ),
        Meaning(
            "promotion.praise",
            1.5,
            "praises itself",
            ("THIS ~ BEST", "BEST TOOL", "BEST BEST", "BEST ~ PRIOR ~ TOOL|OTHER", "TOOL BEST"),
            TOLD,
        ),
        Meaning(
            "promotion.others-worse",
            3,
            "talks other tools down",
            (
                "OTHER ~ TOOL ~ GONE|FAIL",
                "OTHER ~ GONE ~ TOOL",
                "TOOL ~ OTHER ~ GONE",
                "OTHER GONE",
                "OTHER TOOL GONE",
                "TOOL ~ OTHER ~ GONE",
                "BEST ~~ OTHER TOOL ~ NEG|GONE|FAIL",
                "GONE ~ OTHER TOOL",
            ),
            TOLD,
        ),
    ),
)
