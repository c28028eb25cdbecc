"""Orders to the model in what should describe a tool.

A description says what a tool does. One that speaks to the model, sets aside its rules or makes the
reading of files a condition gives orders.
"""

from mcpguard.model import Severity
from mcpguard.scan.threats.signals import SAID, TOLD, Meaning, Threat, ThreatDetector

__all__ = ["DETECTOR"]

DETECTOR = ThreatDetector(
    id="explicit_instruction",
    threat=Threat.TOOL_POISONING,
    severity=Severity.CRITICAL,
    owasp="MCP03:2025",
    agentic="ASI01",
    atlas="AML.T0051.001",
    explanation="It gives the model orders that have nothing to do with what the tool is for.",
    fix="Do not use the server until its author has explained the text; then lock it again.",
    meanings=(
        Meaning(
            "instruction.ignore-rules",
            6,
            "tells the model to set its instructions aside",
            (
                "IGNORE ~ PRIOR ~ INSTR|SYSTEM",
                "IGNORE ~ YOU|MODEL|SYSTEM ~ INSTR",
                "IGNORE ~ SYSTEM",
                "PRIOR ~ INSTR ~ IGNORE",
                "INSTR ~ PRIOR ~ IGNORE",
                "NEG ~ USE|RUN ~ PRIOR ~ INSTR",
            ),
            SAID,
        ),
        Meaning(
            "instruction.ignores-some",
            3,
            "speaks of setting instructions aside",
            ("IGNORE ~ INSTR", "IGNORE ~ USER|MODEL", "MUST ~ IGNORE"),
            TOLD,
            alien="IGNORE|INSTR",
        ),
        Meaning(
            "instruction.when-user",
            2.5,
            "makes what the user says the occasion to send something",
            (
                "WHEN USER ~~ SEND ~ FILE|URL|MAIL|CONV|DEST",
                "WHEN USER ~~ PUT|SEND ~~ SEND|URL|MAIL",
            ),
            TOLD,
        ),
        Meaning(
            "instruction.new-role",
            3,
            "gives the model another role or task",
            (
                "ROLE ~ YOU|MODEL|MUST|NEG|USE|IGNORE|ALWAYS|INSTR",
                "YOU|MODEL ~ ROLE",
                "WHEN ROLE",
                "MUST ~ ROLE",
            ),
            SAID,
        ),
        Meaning(
            "instruction.tag",
            3.5,
            "marks a part of the text as if the host had written it",
            ("TAG",),
            SAID,
        ),
        Meaning(
            "instruction.precondition",
            3,
            "makes something else a condition of using the tool",
            (
                "WHEN USE|RUN ~ THIS|TOOL ~ MUST|ALWAYS ~ READ|SEND|PUT|RUN|CHANGE",
                "WHEN USE|RUN ~ THIS|TOOL ~ YOU ~ MUST|ALWAYS",
                "MUST|ALWAYS ~ READ|RUN|SEND ~ FILE|PATH|SECRET ~~ WHEN USE|RUN",
                "WHEN USE|RUN ~ TOOL ~ READ|RUN|SEND ~ FILE|PATH|SECRET|SHELL|CONV",
                "MODEL|YOU ~ MUST ~ READ ~ PRIOR ~ FILE|SECRET|PATH",
                "THIS TOOL ~ MUST ~ READ|SEND|RUN ~ FILE|PATH|SECRET|CONV",
            ),
        ),
        Meaning(
            "instruction.to-model",
            1.5,
            "speaks to the model, not about the tool",
            (
                "MODEL ~ MUST|ALWAYS ~ READ|SEND|PUT|RUN|CHANGE|USE|IGNORE",
                "YOU ~ MUST|ALWAYS ~ SEND|IGNORE",
                "MUST ~ YOU ~ SEND|READ FILE|PATH|SECRET|CONV",
            ),
            TOLD,
        ),
        Meaning(
            "instruction.scripted",
            3,
            "dictates an answer, whatever the tool gives",
            (
                "WHEN USER ~ RESP ~ PRIOR|IDENT|USE|RECIP|PUT|WHEN",
                "WHEN ~ USER ~ ALWAYS|MUST ~ RESP",
                "WHEN ~ ALWAYS ~ REGARD",
                "WHEN USER RESP",
            ),
        ),
        Meaning(
            "instruction.weakens",
            3,
            "orders something that weakens security or destroys data",
            (
                "MUST|ALWAYS|AUTH ~~ WEAKEN",
                "WEAKEN ~~ WHEN ~ USE|RUN ~ THIS|TOOL",
                "WEAKEN ~ WHEN ~ THIS TOOL",
                "WHEN ~ USE ~~ WEAKEN",
                "USE IDENT ~ WEAKEN",
            ),
        ),
        Meaning(
            "instruction.concrete",
            2.5,
            "orders a particular file to be used",
            (
                "MUST|ALWAYS ~ READ|USE|RUN|PUT|SEND ~ SYSPATH",
                "USE|RUN ~ IDENT ~ SYSPATH|PATH",
                "WHEN ~ USE|RUN ~ IDENT ~ FILE ~ READ",
                "WHEN ~ PUT|SEND|READ ~ SYSPATH ~ WHEN|ALWAYS",
                "WHEN PRIOR ~~ PUT|SEND ~ SYSPATH",
                "PRIOR ~ MUST ~ SYSPATH",
                "IDENT ~ MUST ~ SYSPATH",
                "PUT ~ SYSPATH ~ WHEN RESP",
                "PRIOR ~ PUT ~ SYSPATH",
                "WHEN ~ PUT READ|SEND ~ SYSPATH",
            ),
            TOLD,
        ),
        Meaning(
            "instruction.or-else",
            1.5,
            "threatens that things fail unless the order is followed",
            (
                "MUST|ALWAYS ~~ FAIL",
                "NEG ~ PUT|SEND|READ ~~ FAIL",
                "FAIL ~~ NEG|MUST ~ PUT|SEND|READ",
            ),
        ),
        Meaning(
            "instruction.every-response",
            3,
            "dictates what the model says in its answers",
            (
                "ALWAYS|MUST ~ PUT|CHANGE|SEND ~ YOU|PRIOR ~ RESP",
                "ALWAYS|MUST ~ RESP ~ MUST ~ PUT|CHANGE",
                "YOU ~ RESP ~ MUST ~ PUT",
                "PUT ~~ YOU RESP",
                "PUT ~ RESP ~ URL|MAIL",
                "RESP ~ PUT ~ URL|MAIL",
                "PUT ~ URL ~ RESP",
            ),
            SAID,
        ),
    ),
)
