"""Signals add up: no single hint blocks an honest tool, several do not pass as chance."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from mcpguard.scan.threats.calibration import BLOCK, REVIEW, WEIGHTS
from mcpguard.scan.threats.signals import Signal

__all__ = ["Outcome", "Report", "report", "weighed"]


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
    """`signal` with the weight that the last calibration gave its rule, if it did."""
    weight = WEIGHTS.get(signal.rule)
    return signal if weight is None else signal._replace(weight=weight)


def report(signals: Iterable[Signal]) -> Report:
    """The verdict on one definition. A rule counts once, however often it is met."""
    found = sorted(map(weighed, signals), key=lambda each: (-each.weight, each.where, each.start))
    heaviest: dict[str, float] = {}
    for each in found:
        heaviest.setdefault(each.rule, each.weight)
    score = round(sum(heaviest.values()), 2)
    if score >= BLOCK:
        return Report(Outcome.BLOCK, score, tuple(found))
    return Report(Outcome.REVIEW if score >= REVIEW else Outcome.ALLOW, score, tuple(found))
