"""One threat a file, the table of them, and what is to be thought of a definition.

Nothing that only judges results imports this: it would load words that no result needs.
"""

from collections.abc import Mapping
from functools import cache

from mcpguard.model import ItemKind, Json
from mcpguard.scan.threats.definition import Item, Known, View, plain_texts, texts_of
from mcpguard.scan.threats.detectors import (
    command_to_run,
    concealment,
    confused_deputy,
    deprecated_redirect,
    encoded_payload,
    exfiltration,
    explicit_instruction,
    fake_authority,
    hidden_unicode,
    impersonation,
    overcollecting_parameter,
    override,
    resemblance,
    rug_pull,
    schema_abuse,
    self_promotion,
    shadowing,
    side_effects,
)
from mcpguard.scan.threats.engine import Engine
from mcpguard.scan.threats.neighbours import Neighbours
from mcpguard.scan.threats.score import Outcome, Report
from mcpguard.scan.threats.signals import Part, Signal, Threat, ThreatDetector
from mcpguard.scan.threats.text import Hidden, Normal, normalise

__all__ = [
    "DETECTORS",
    "Hidden",
    "Item",
    "Known",
    "Neighbours",
    "Normal",
    "Outcome",
    "Report",
    "Signal",
    "Threat",
    "ThreatDetector",
    "judge_definition",
    "judge_texts",
    "normalise",
]

DETECTORS: dict[str, ThreatDetector] = {
    each.id: each
    for each in (
        explicit_instruction.DETECTOR,
        concealment.DETECTOR,
        shadowing.DETECTOR,
        override.DETECTOR,
        deprecated_redirect.DETECTOR,
        fake_authority.DETECTOR,
        self_promotion.DETECTOR,
        exfiltration.DETECTOR,
        command_to_run.DETECTOR,
        overcollecting_parameter.DETECTOR,
        schema_abuse.DETECTOR,
        hidden_unicode.DETECTOR,
        encoded_payload.DETECTOR,
        impersonation.DETECTOR,
        confused_deputy.DETECTOR,
        rug_pull.DETECTOR,
        side_effects.DETECTOR,
        resemblance.DETECTOR,
    )
}
"""Id -> detector."""


def judge_definition(
    kind: ItemKind | None, definition: Mapping[str, Json], *, known: Known | None = None
) -> Report:
    """What is to be thought of what a server lists.

    Args:
        kind: What it is; None for the server itself (`{"instructions": ...}`).
        definition: As the server wrote it. Every string and key of it is looked at.
        known: What other servers list and what was reviewed, for impersonation and changes.

    Raises:
        ScanError: it is too large to be looked at whole: deny.
    """
    view = View(kind, dict(definition), texts_of(definition), known or Known())
    return _engine().judge(view)


def judge_texts(texts: Mapping[str, str], *, part: Part = Part.OUTPUT) -> Report:
    """What is to be thought of texts that a tool or a prompt brought; JSON pointer -> text.

    Raises:
        ScanError: they are too large to be looked at whole.
    """
    return _engine().judge(View(None, {}, plain_texts(texts, part)))


@cache
def _engine() -> Engine:
    return Engine(tuple(DETECTORS.values()))
