"""Schemas that say more than which values are valid: orders in defaults, sentences as names."""

from collections.abc import Iterator

from mcpguard.model import Severity
from mcpguard.scan.threats.definition import View
from mcpguard.scan.threats.parameters import words
from mcpguard.scan.threats.signals import (
    VALUES,
    Meaning,
    Part,
    Signal,
    Structure,
    Threat,
    ThreatDetector,
)

__all__ = ["DETECTOR"]

_LONG_NAME = 6
"""Words. The longest honest names have five."""


def _judge(view: View) -> Iterator[Signal]:
    for each in view.parameters:
        if len(words(each.name)) > _LONG_NAME:
            yield Signal(
                "schema.sentence-name",
                3,
                each.where,
                0,
                len(each.name),
                "has a sentence for a name",
            )


DETECTOR = ThreatDetector(
    id="schema_abuse",
    threat=Threat.DESCRIPTION_INJECTION,
    severity=Severity.CRITICAL,
    owasp="MCP03:2025",
    agentic="ASI02",
    atlas="AML.T0051.001",
    explanation="Its schema holds orders or values that the user never chose.",
    fix="Pin the argument's value with a policy rule, or do not use the tool.",
    meanings=(
        Meaning(
            "schema.order-in-value",
            4,
            "has an order where a value belongs",
            (
                "MUST|ALWAYS|WHEN ~ READ|SEND|PUT|CHANGE|RUN ~ USER|TOOL|FILE|SECRET|CONV|PATH|URL",
                "MUST|ALWAYS|WHEN ~ USE ~ USER|TOOL|FILE|SECRET|CONV|PATH|URL",
                "READ ~ SECRET|CONV|PATH",
                "NEG ~ TELL|ASK",
                "SEND ~ URL|MAIL|DEST|CONV|SECRET",
                "USER ~ CONV|SECRET",
                "RUN ~ INSTR",
            ),
            VALUES,
        ),
        Meaning(
            "schema.private-file-in-value",
            3,
            "fills in a file where keys and passwords are kept",
            ("PATH",),
            VALUES,
        ),
        Meaning(
            "schema.order-in-name",
            3,
            "has an order for a name",
            (
                "READ ~ PATH|SECRET ~ FILE",
                "NEG ~ TELL ~ USER",
                "IGNORE ~ PRIOR ~ INSTR",
            ),
            frozenset({Part.NAME}),
        ),
    ),
    structure=Structure(("schema.sentence-name",), _judge),
)
