"""Text in a form that only a machine reads: base64, hex, escapes."""

from collections.abc import Iterator

from mcpguard.model import Severity
from mcpguard.scan.threats.definition import View
from mcpguard.scan.threats.signals import Meaning, Signal, Structure, Threat, ThreatDetector

__all__ = ["DETECTOR"]

_WORDS = 3
"""Words from which decoded text is a sentence and not a sample value."""


def _judge(view: View) -> Iterator[Signal]:
    for said in view.hiding:
        for each in said.normal.hidden:
            if each.kind == "encoded" and len(each.says.split()) >= _WORDS:
                yield Signal(
                    "encoded.sentence",
                    3.5,
                    said.where,
                    each.start,
                    each.end,
                    "holds an encoded sentence",
                    each.says,
                )


DETECTOR = ThreatDetector(
    id="encoded_payload",
    threat=Threat.HIDDEN_INSTRUCTION,
    severity=Severity.MODERATE,
    owasp="MCP03:2025",
    agentic="ASI01",
    atlas="AML.T0068",
    explanation="It holds words that nobody can read without decoding them.",
    fix="Read what it says, which is shown decoded. A description has no reason to be encoded.",
    meanings=(
        Meaning(
            "encoded.decode",
            3,
            "tells the model to decode and follow something",
            ("DECODE ~ RUN|USE|INSTR", "DECODE ~ MUST|ALWAYS", "MUST|ALWAYS|WHEN ~ DECODE ~ RUN"),
        ),
    ),
    structure=Structure(("encoded.sentence",), _judge),
)
