"""Findings that a person has decided to live with, for a reason and until a day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

__all__ = ["Suppression", "Suppressions"]


@dataclass(frozen=True, slots=True)
class Suppression:
    """`rule`, `server`, `item`: patterns in which `*` is any text; all three must match.

    `item` is matched with an item's name and with its kind before it: `read_*`, `tool read_*`.
    `expires`: the last day on which it holds, in UTC. `origin`: `FILE:LINE`, for people.
    """

    rule: str
    reason: str
    expires: date
    server: str = "*"
    item: str = "*"
    origin: str = field(default="", compare=False)

    def covers(self, rule: str, server: str, item: str) -> bool:
        """Whether this is about a finding. `item`: `tool NAME`, or empty for none."""
        name = item.partition(" ")[2]
        return (
            _matches(self.rule, rule)
            and _matches(self.server, server)
            and (_matches(self.item, item) or _matches(self.item, name))
        )

    def expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return today > self.expires


@dataclass(frozen=True, slots=True)
class Suppressions:
    """All of a configuration, on one day."""

    rows: Sequence[Suppression]
    today: date

    def holding(self, rule: str, server: str, item: str) -> Suppression | None:
        """The one under which a finding does not count: the one that lasts longest."""
        found = [each for each in self._about(rule, server, item) if not each.expired(self.today)]
        return max(found, key=lambda each: each.expires, default=None)

    def run_out(self, rule: str, server: str, item: str) -> Suppression | None:
        """The one that held last, for a finding which counts again."""
        if self.holding(rule, server, item) is not None:
            return None
        return max(self._about(rule, server, item), key=lambda each: each.expires, default=None)

    def idle(self, seen: Iterable[tuple[str, str, str]]) -> list[Suppression]:
        """Those that are about none of `seen`, (rule, server, item) each."""
        known = list(seen)
        return [row for row in self.rows if not any(row.covers(*each) for each in known)]

    def _about(self, rule: str, server: str, item: str) -> list[Suppression]:
        return [row for row in self.rows if row.covers(rule, server, item)]


def _matches(pattern: str, text: str) -> bool:
    """Whether `pattern` is all of `text`, `*` for any part of it."""
    head, *rest = pattern.split("*")
    if not rest:
        return head == text
    *middle, tail = rest
    if not text.startswith(head) or len(text) < len(head) + len(tail):
        return False
    at, end = len(head), len(text) - len(tail)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return text.endswith(tail)
