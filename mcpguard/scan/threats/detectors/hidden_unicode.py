"""Characters, comments and styled words that a person does not see and a model reads."""

from collections.abc import Iterator

from mcpguard.model import Severity
from mcpguard.scan.threats.definition import Said, View
from mcpguard.scan.threats.signals import Signal, Structure, Text, Threat, ThreatDetector

__all__ = ["DETECTOR"]

_WEIGHTS = {
    "tags": 6.0,
    "selectors": 6.0,
    "bidi": 4.0,
    "control": 3.0,
    "ansi": 4.0,
    "look-alike": 4.0,
    "styled": 3.0,
    "filler": 4.0,
    "zero-width": 4.0,
    "comment": 3.0,
    "overflow": 3.0,
}
"""Kind -> weight: how rarely an honest text has it."""

_SAYS = {
    "tags": "holds a text in tag characters, which nobody sees",
    "selectors": "holds a text in variation selectors, which nobody sees",
    "bidi": "holds marks that change the order in which it is shown",
    "control": "holds control characters",
    "ansi": "holds terminal escapes",
    "look-alike": "holds a word with letters of another alphabet that look alike",
    "styled": "holds words in letters that only look like Latin ones",
    "filler": "holds characters that take space and show nothing",
    "zero-width": "holds characters of no width inside words",
    "comment": "holds a comment that is not shown where the text is rendered",
    "overflow": "holds more that is escaped or encoded than was read",
}

_SENTENCE = 3
"""Words. A shorter comment is a mark of a template."""

_PADDING = 20
"""Empty lines, or 200 spaces, in a row: what follows is out of a reader's sight."""

_GAPS = ("\n" * _PADDING, " " * (10 * _PADDING), "\t" * (5 * _PADDING))

_UNSEEN = (
    r"display ?: ?none|visibility ?: ?hidden|font-size ?: ?0|opacity ?: ?0(?:[^.0-9]|\.0|$)",
    r"[^-a-z]color ?[:=] ?[\"']?(?:white|transparent|#fff(?:fff)?)(?:[^0-9a-z]|$)",
    r"[^-a-z]hidden[ />=]",
)
"""Attributes of an element that keep its words from who looks at the page."""


def _judge(view: View) -> Iterator[Signal]:
    gaps = [gap for gap in _GAPS if gap in view.text]
    for said in view.said if gaps else view.hiding:
        yield from _unseen(said)
        yield from _padded(said, gaps)


def _unseen(said: Said) -> Iterator[Signal]:
    for kind, start, end, says in said.normal.hidden:
        if kind == "comment" and len(says.split()) < _SENTENCE:
            continue
        if kind in _WEIGHTS:
            weight, message = _WEIGHTS[kind], _SAYS[kind]
            yield Signal(f"hidden.{kind}", weight, said.where, start, end, message, says)


def _padded(said: Said, gaps: list[str]) -> Iterator[Signal]:
    text = said.normal.text
    for gap in gaps:
        at = text.find(gap)
        if at >= 0 and text[at:].strip():
            span = said.normal.span(at, at + len(gap))
            message = "hides text far below or far right"
            yield Signal("hidden.padding", 3.0, said.where, *span, message)


DETECTOR = ThreatDetector(
    id="hidden_unicode",
    threat=Threat.HIDDEN_INSTRUCTION,
    severity=Severity.CRITICAL,
    owasp="MCP03:2025",
    agentic="ASI01",
    atlas="AML.T0068",
    explanation="What a person reads is not what the model reads.",
    fix="Look at what is shown as hidden. Unless the author explains it, do not use the server.",
    texts=(
        Text(
            "hidden.by-style",
            3.0,
            "styles words so that a reader does not see them",
            (rf"<[a-z]+[^<>]*(?:{'|'.join(_UNSEEN)})",),
        ),
    ),
    structure=Structure((*(f"hidden.{kind}" for kind in _WEIGHTS), "hidden.padding"), _judge),
)
