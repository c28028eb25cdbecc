"""Sentences that read like those that steer a model, whatever their words: what was learned."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mcpguard.model import Severity
from mcpguard.scan.threats.calibration import LEAST, SLOPE
from mcpguard.scan.threats.classifier import (
    Sentence,
    Topic,
    learned,
    listed,
    sentences,
    topic,
)
from mcpguard.scan.threats.definition import APART, Said, View
from mcpguard.scan.threats.lexicon import Reading
from mcpguard.scan.threats.parameters import words as words_of
from mcpguard.scan.threats.score import Placed
from mcpguard.scan.threats.signals import Likeness, Part, Threat, ThreatDetector

__all__ = ["DETECTOR", "INSTRUCTED", "MOST", "Told", "told_in", "weight_of"]

_RULE = "resemblance.steers"
_MESSAGE = "reads like what steers a model, in whatever words"

MOST = 5.5
"""Most that it weighs: nothing is hidden for what was learned alone."""

INSTRUCTED = 2.5
"""How much less it weighs in a server's instructions, which honestly tell the model what to do."""


def weight_of(log_odds: float) -> float:
    """What a sentence weighs in the score."""
    return round(min(MOST, max(0.0, SLOPE * (log_odds - LEAST))), 2)


class Told(NamedTuple):
    """What a definition says: its sentences, what it is about, and what each sentence is about.

    `arguments`: the JSON pointer of an argument; empty where the sentence is about none.
    """

    sentences: list[Sentence]
    arguments: list[str]
    about: Topic


def told_in(view: View, reading: Reading) -> Told:
    """What `view` says of its tool, but for what it says of results.

    The name of an argument belongs to what is said of it.
    """
    return _about(view, *_said_in(view, reading))


def _about(view: View, said: list[Sentence], places: list[str]) -> Told:
    arguments = {where: _argument(where) for where in set(places)}
    return Told(said, [arguments[where] for where in places], topic(view.first, view.about))


def _said_in(view: View, reading: Reading) -> tuple[list[Sentence], list[str]]:
    """The sentences that count, and the pointer of the text in which each stands."""
    found, places = list[Sentence](), list[str]()
    where, named, end = "", list[str](), 0
    for each in sentences(view.text, *reading):
        if each.start >= end:
            said, inside = view.at(each.start)
            where, named = said.where, [*_named(said)]
            end = each.start - inside + len(said.normal.text) + len(APART)
        if not where.startswith("/outputSchema"):
            start, stop, words, codes = each.start, each.end, each.words, each.codes
            found.append(Sentence(start, stop, named + words, codes) if named else each)
            places.append(where)
    return found, places


def _argument(where: str) -> str:
    if not where.startswith(("/inputSchema", "/arguments")):
        return ""
    return "/".join(where.split("/", _DEEP)[:_DEEP])


_DEEP = 4
"""Parts of a pointer that name an argument: `/inputSchema/properties/NAME`."""


def _named(said: Said) -> Sequence[str]:
    """The words of the name of the argument that `said` is about; none where it is about none."""
    if said.part is not Part.ARGUMENT:
        return ()
    return words_of(said.where.rsplit("/", 2)[-2])


def _judged(view: View, reading: Reading) -> Iterator[Placed]:
    model, (said, places) = learned("definitions"), _said_in(view, reading)
    chosen = model.worthy(said)
    if not chosen:
        return
    told = _about(view, said, places)
    for at, found, manner in listed(view.text, *told, chosen):
        start, end = told.sentences[at].start, told.sentences[at].end
        weight = weight_of(model.log_odds(found, manner, argument=bool(told.arguments[at])))
        if view.at(start)[0].part is Part.INSTRUCTIONS:
            weight = round(weight - INSTRUCTED, 2)
        if weight > 0:
            yield Placed(view.signal(_RULE, weight, _MESSAGE, start, end), start)


DETECTOR = ThreatDetector(
    id="resemblance",
    threat=Threat.TOOL_POISONING,
    severity=Severity.CRITICAL,
    owasp="MCP03:2025",
    agentic="ASI01",
    atlas="AML.T0051.001",
    explanation="It is worded like definitions that were written to steer a model.",
    fix="Read the sentence as if a stranger said it to your model. Lock the tool if it may.",
    likeness=Likeness((_RULE,), _judged),
)
