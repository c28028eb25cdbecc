"""Orders about other tools.

A tool has no business with how another one is used. What rewires another tool works even when the
poisoned one is never called.
"""

from mcpguard.model import Severity
from mcpguard.scan.threats.signals import TOLD, Meaning, Threat, ThreatDetector

__all__ = ["DETECTOR"]

DETECTOR = ThreatDetector(
    id="shadowing",
    threat=Threat.CROSS_SERVER_ATTACK,
    severity=Severity.CRITICAL,
    owasp="MCP03:2025",
    agentic="ASI02",
    atlas="AML.T0051.001",
    explanation="It changes how the model uses other tools, whether it is called itself or not.",
    fix="Do not use the server; remove it from the host, as listing it is enough to be affected.",
    meanings=(
        Meaning(
            "shadowing.redirects",
            5,
            "sends to somebody else what other tools send",
            (
                "RECIP|OTHER|PRIOR ~ MUST|ALWAYS ~ SEND ~ MAIL|URL|DEST",
                "CHANGE ~ RECIP|PARAM ~ MAIL|URL|DEST",
                "SEND ~ PRIOR|ALWAYS ~ RECIP|TOOL|OTHER ~ MAIL|URL|DEST",
                "PUT ~ MAIL ~ RECIP|SEND",
                "ALWAYS|MUST|WHEN ~ PUT|SEND ~ MAIL",
                "WHEN ~ USE|SEND ~~ MUST|ALWAYS ~ SEND|PUT|CHANGE ~ MAIL|DEST|URL",
                "SEND ~ RECIP ~ MAIL ~ INSTEAD",
                "SEND ~ DEST|URL|MAIL ~ INSTEAD",
                "SEND ~ PRIOR ~~ URL|DEST|MAIL",
                "RECIP|OTHER TOOL ~ SEND ~ MAIL|URL|DEST",
            ),
        ),
        Meaning(
            "shadowing.rewires",
            4,
            "says how another tool is to be used",
            (
                "WHEN|ALWAYS ~ USE|RUN ~ OTHER ~ TOOL ~~ MUST|ALWAYS ~ CHANGE|PUT|SEND|READ|USE",
                "WHEN|ALWAYS ~ USE|RUN ~ IDENT ~~ MUST|ALWAYS ~ CHANGE|SEND",
                "MUST|ALWAYS ~ CHANGE ~ PARAM|RECIP ~ IDENT|OTHER ~ TOOL",
                "IDENT TOOL ~ MUST|ALWAYS ~ CHANGE|SEND|PUT",
                "OTHER TOOL ~ MUST ~ INSTEAD|THIS",
                "ALWAYS ~ USE ~ TOOL ~ CHANGE ~ PARAM|RECIP",
                "OTHER TOOL ~ MUST ~ CHANGE|SEND|PUT|USE",
                "CHANGE ~ RECIP|PARAM ~ IDENT TOOL",
                "CHANGE ~ OTHER TOOL",
                "WHEN ~ THIS ~ TOOL ~ PRESENT",
                "WHEN THIS ~ PRESENT",
                "PRIOR USE ~ IDENT ~ MUST|CHANGE|SEND|PUT",
                "WHEN|ALWAYS PRIOR USE ~ IDENT|TOOL ~ USE|RUN|SEND|PUT",
                "PRIOR USE TOOL ~ PUT|SEND|CHANGE|MUST",
                "PRIOR USE ~ TOOL PUT|SEND|CHANGE",
                "WHEN ~ USE|PUT|SEND IDENT ~ PUT|SEND|CHANGE ~ MAIL",
                "NEG RUN|USE ~ IDENT ~ IDENT ~ USE",
                "PRIOR ~ IDENT MUST PUT|CHANGE|SEND",
                "WHEN ~ OTHER TOOL ~ USE ~~ CHANGE|PUT|SEND",
                "WHEN ~ OTHER TOOL ~~ RECIP ~ CHANGE",
                "WHEN ~ OTHER ~~ MUST ~ CHANGE|SEND RECIP",
                "USE ~ OTHER ~~ MUST|ALWAYS ~ CHANGE|SEND RECIP",
            ),
        ),
        Meaning(
            "shadowing.gate",
            2.5,
            "has to be called before, after or with every other tool",
            (
                "USE ~ THIS ~ WHEN|ALWAYS ~ OTHER|PRIOR ~ TOOL",
                "WHEN ~ USE ~ OTHER|PRIOR ~ TOOL ~~ USE|RUN ~ THIS|TOOL",
                "WHEN USE ~ OTHER TOOL USE",
                "WHEN OTHER TOOL ~ USE|MUST",
                "ALWAYS|PRIOR ~ TOOL ~ USE ~ MUST ~ THIS",
                "MUST ~ USE ~ WHEN|INSTEAD ~ OTHER|PRIOR ~ TOOL",
            ),
            TOLD,
        ),
    ),
)
