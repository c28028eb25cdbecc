"""Signals add up: no single hint blocks an honest tool, several do not pass as chance."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from mcpguard.model import Severity
from mcpguard.scan.threats.calibration import BLOCK, REVIEW, SHARES
from mcpguard.scan.threats.signals import Signal, ThreatDetector

__all__ = ["MILD", "WINDOW", "Outcome", "Placed", "Report", "report", "weighed"]


class Outcome(StrEnum):
    """What follows from a score."""

    ALLOW = "allow"
    REVIEW = "review"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Report:
    """A verdict and every signal behind it, the heaviest first."""

    outcome: Outcome
    score: float
    signals: tuple[Signal, ...]


def weighed(signal: Signal) -> Signal:
    """`signal` with the share of its weight that the last calibration left to its rule."""
    share = SHARES.get(signal.rule)
    return signal if share is None else signal._replace(weight=round(signal.weight * share, 2))


WINDOW = 1000
"""Characters. What belongs together stands together: a manual of many pages may say one thing here
and another there."""


class Placed(NamedTuple):
    """A signal and where it stands in all that was read; None: it is about the whole."""

    signal: Signal
    at: int | None


MILD = 4.5
"""Most that a detector of less than critical severity adds: what praises itself, or sends the model
from one tool to another, is for a person to judge, unless there is more. What is of severity info
never lifts a score beyond the line of review."""


def report(placed: Iterable[Placed], owners: Mapping[str, ThreatDetector]) -> Report:
    """The verdict on one definition: the heaviest passage of it, and what is about the whole.

    A rule counts once, however often it is met. `owners`: rule -> the detector it is of.
    """
    found = [Placed(weighed(each.signal), each.at) for each in placed]
    score = round(_score(found, owners), 2)
    signals = tuple(
        sorted((each.signal for each in found), key=lambda each: (-each.weight, each.where))
    )
    if score >= BLOCK:
        return Report(Outcome.BLOCK, score, signals)
    return Report(Outcome.REVIEW if score >= REVIEW else Outcome.ALLOW, score, signals)


def _score(found: list[Placed], owners: Mapping[str, ThreatDetector]) -> float:
    whole = [each.signal for each in found if each.at is None]
    local = sorted((each.at, each.signal) for each in found if each.at is not None)
    passages = [
        [other for place, other in local if at <= place <= at + WINDOW]
        for at in sorted({place for place, _ in local})
    ]
    return max(_sum(whole + passage, owners) for passage in (passages or [[]]))


def _sum(signals: Iterable[Signal], owners: Mapping[str, ThreatDetector]) -> float:
    heaviest: dict[str, float] = {}
    for each in signals:
        heaviest[each.rule] = max(each.weight, heaviest.get(each.rule, 0.0))
    total, hints = 0.0, 0.0
    mild: dict[str, float] = {}
    for rule, weight in heaviest.items():
        owner = owners.get(rule)
        if owner is None or owner.severity is Severity.CRITICAL:
            total += weight
        elif owner.severity is Severity.INFO:
            hints += weight
        else:
            mild[owner.id] = mild.get(owner.id, 0.0) + weight
    total += sum(min(MILD, each) for each in mild.values())
    return max(total, min(REVIEW, total + hints))
