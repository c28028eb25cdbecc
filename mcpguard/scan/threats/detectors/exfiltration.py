"""What is to be read, and where it is to go."""

from mcpguard.model import Severity
from mcpguard.scan.threats.signals import SAID, TOLD, Meaning, Part, Threat, ThreatDetector

__all__ = ["DETECTOR"]

DETECTOR = ThreatDetector(
    id="exfiltration",
    threat=Threat.TOOL_POISONING,
    severity=Severity.CRITICAL,
    owasp="MCP10:2025",
    agentic="ASI02",
    atlas="AML.T0057",
    explanation="It has the model read what is private and hand it over.",
    fix="Do not use the server. If it ran before, replace the keys and passwords it names.",
    meanings=(
        Meaning(
            "exfiltration.private-file",
            4,
            "has the model read a file where keys and passwords are kept",
            (
                "READ ~ PATH",
                "PATH ~ READ",
                "PATH ~~ SEND|PUT ~ PARAM|URL|MAIL|DEST|THIS|IDENT",
                "SEND|PUT ~ PATH",
                "MUST|ALWAYS|WHEN ~~ PATH",
            ),
            SAID - {Part.VALUE},
            deniable=True,
        ),
        Meaning(
            "exfiltration.read-then-send",
            4,
            "has the model read something and pass it on",
            (
                "READ ~ SECRET|CONV|SYSTEM|PATH ~~ SEND|PUT",
                "READ ~ FILE ~~ PUT|SEND ~ PARAM|URL|MAIL|DEST|IDENT",
                "SEND|PUT ~ READ ~ SECRET|CONV|SYSTEM|PATH",
                "SECRET|CONV|SYSTEM|PATH ~ READ ~ SEND|PUT",
                "READ ~ SEND ~ URL|MAIL|DEST",
                "PUT ~ READ FILE ~ PARAM",
                "FILE|SECRET|CONV ~ READ ~~ PUT|SEND ~ PARAM|URL|MAIL|DEST",
            ),
            SAID,
            deniable=True,
        ),
        Meaning(
            "exfiltration.to-somebody",
            4,
            "has the model hand private things over",
            (
                "SEND ~ SECRET|CONV|SYSTEM ~ URL|MAIL|DEST",
                "SEND ~ CONV|SYSTEM",
                "SECRET|CONV|SYSTEM ~~ SEND ~ URL|MAIL|DEST",
                "URL|MAIL|DEST ~ SEND ~ SECRET|CONV|SYSTEM",
                "SECRET|CONV ~ URL|MAIL|DEST ~ SEND",
                "PUT ~ CONV|SYSTEM ~ PARAM|URL|IDENT|THIS",
                "PUT ~ SECRET ~ PARAM|URL|RESP",
                "MUST|ALWAYS ~ PUT|SEND ~ CONV|SYSTEM",
                "SECRET|CONV|SYSTEM ~ PARAM ~ PUT",
                "READ|TELL ~ YOU ~ SYSTEM",
                "MUST ~ PUT|SEND ~ SECRET",
                "MUST SYSTEM",
            ),
            SAID,
            deniable=True,
        ),
        Meaning(
            "exfiltration.through-tool",
            2.5,
            "has the model send something with another tool",
            ("USE IDENT URL|MAIL", "PUT ~ USE IDENT ~ URL|MAIL"),
            TOLD,
        ),
        Meaning(
            "exfiltration.beside-the-point",
            3,
            "is about keys, passwords or the conversation, and the tool is not",
            (
                "PUT|SEND ~ SECRET|CONV|SYSTEM",
                "SECRET|CONV|SYSTEM ~ PUT|SEND",
                "READ ~ SECRET|PATH",
            ),
            TOLD,
            alien="SECRET|CONV|SYSTEM|LOGIN|PATH",
            deniable=True,
        ),
        Meaning(
            "exfiltration.users-files",
            3,
            "has the model fetch what is the user's, and the tool is not about that",
            ("READ ~ USER ~ LIFE|FILE", "READ ~ LIFE ~~ PUT|SEND", "PUT|SEND ~~ LIFE ~ USER|PARAM"),
            TOLD,
            alien="FILE|LIFE|USER",
        ),
        Meaning(
            "exfiltration.destination",
            3,
            "names where the model is to send things",
            (
                "MUST|ALWAYS|WHEN ~ SEND ~ URL|DEST",
                "SEND ~ PRIOR|YOU|USER ~ DEST|URL",
                "SEND ~ DEST",
                "DEST ~ SEND",
                "PUT ~ USE ~ URL|DEST",
                "WHEN PRIOR ~~ PUT|SEND ~ TOOL",
                "WHEN|ALWAYS PRIOR ~~ SEND ~ URL|MAIL|DEST|IDENT",
            ),
            SAID,
        ),
    ),
)
