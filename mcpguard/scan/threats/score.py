"""Signals add up: no single hint blocks an honest tool, several do not pass as chance."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from mcpguard.scan.threats.calibration import BLOCK, REVIEW, WEIGHTS
from mcpguard.scan.threats.signals import Signal

__all__ = ["WINDOW", "Outcome", "Placed", "Report", "report", "weighed"]


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


WINDOW = 2500
"""Characters. What belongs together stands together: a manual of many pages may say one thing here
and another there."""


class Placed(NamedTuple):
    """A signal and where it stands in all that was read; None: it is about the whole."""

    signal: Signal
    at: int | None


def report(placed: Iterable[Placed]) -> Report:
    """The verdict on one definition: the heaviest passage of it, and what is about the whole.

    A rule counts once, however often it is met.
    """
    found = [Placed(weighed(each.signal), each.at) for each in placed]
    score = round(_score(found), 2)
    signals = tuple(
        sorted((each.signal for each in found), key=lambda each: (-each.weight, each.where))
    )
    if score >= BLOCK:
        return Report(Outcome.BLOCK, score, signals)
    return Report(Outcome.REVIEW if score >= REVIEW else Outcome.ALLOW, score, signals)


def _score(found: list[Placed]) -> float:
    whole = _sum(each.signal for each in found if each.at is None)
    local = sorted((each.at, each.signal) for each in found if each.at is not None)
    return whole + max(
        (_sum(other for place, other in local if at <= place <= at + WINDOW) for at, _ in local),
        default=0.0,
    )


def _sum(signals: Iterable[Signal]) -> float:
    heaviest: dict[str, float] = {}
    for each in signals:
        heaviest[each.rule] = max(each.weight, heaviest.get(each.rule, 0.0))
    return sum(heaviest.values())
