"""Placeholders in place of what was found."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mcpguard.model import Json, JsonObject
from mcpguard.scan.sites import Role, Span

__all__ = ["Hit", "merged", "number_text", "placeholder", "redact", "replaced"]


SHORTEST_NUMBER = 10**11
"""Numbers below it are no card numbers and are not looked at."""

_LONGEST_FLOAT = 10**16
"""From here on a float has not the digits that were written."""


class Hit(NamedTuple):
    """One thing that was found; holds none of the text.

    `leaf`: its text's number in the order of the walk. `where`: RFC 6901 pointer, whose own keys
    are redacted. `key`: the text is the key that ends `where`, not the value under it. `start`,
    `end`: characters of the text. `rule`: a detector's id or `pattern:NAME`. `kind`: the
    placeholder's type. `role`: what the text is used for.
    """

    leaf: int
    where: str
    key: bool
    start: int
    end: int
    rule: str
    kind: str
    role: Role = Role.UNKNOWN


def placeholder(kind: str) -> str:
    """What stands for a redacted text; no detector fires on it."""
    return f"[mcpguard:{kind}]"


def merged(spans: Iterable[Span]) -> list[Span]:
    """Ordered spans without overlap; one that overlaps others has the first one's type."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda each: (each.start, -each.end, each.kind)):
        if kept and span.start < kept[-1].end:
            last = kept[-1]
            kept[-1] = Span(last.start, max(last.end, span.end), last.kind)
        else:
            kept.append(span)
    return kept


def replaced(text: str, spans: Sequence[Span]) -> str:
    """`text` with a placeholder for each of `spans`, which are ordered and do not overlap."""
    pieces: list[str] = []
    at = 0
    for span in spans:
        pieces += text[at : span.start], placeholder(span.kind)
        at = span.end
    return "".join([*pieces, text[at:]])


def redact(value: Json, hits: Iterable[Hit]) -> Json:
    """`value` with a typed placeholder, `[mcpguard:card]`, in place of every hit's span.

    The shape stays: same arrays, same objects, as many members in the same order. A number in
    which something was found becomes a string. Keys are redacted like values; two that become
    equal are told apart by a number, `[mcpguard:card-2]`. `hits` are those of `find` on this very
    value, all or some of them.
    """
    spans: dict[int, list[Span]] = {}
    for hit in hits:
        spans.setdefault(hit.leaf, []).append(Span(hit.start, hit.end, hit.kind))
    return _Redaction(spans).of(value) if spans else value


class _Redaction:
    """Walks in the order of `walk.find`, so that leaves have the same numbers."""

    def __init__(self, spans: dict[int, list[Span]]) -> None:
        self._spans = spans
        self._leaf = 0

    def of(self, value: Json) -> Json:
        if isinstance(value, dict):
            return self._members(value)
        if isinstance(value, list):
            return [self.of(each) for each in value]
        if isinstance(value, str):
            return self._text(value)
        digits = number_text(value)
        text = self._text(digits) if digits else digits
        return value if text == digits else text

    def _text(self, text: str) -> str:
        spans = self._spans.get(self._leaf)
        self._leaf += 1
        return replaced(text, merged(spans)) if spans else text

    def _members(self, value: JsonObject) -> JsonObject:
        members: list[tuple[str, str, Json]] = []
        for key, below in value.items():
            renamed = self._text(key)  # a key comes before what is under it
            members.append((key, renamed, self.of(below)))
        taken = {key for key, renamed, _ in members if renamed == key}
        made: JsonObject = {}
        numbers: dict[str, int] = {}
        for key, renamed, below in members:
            made[key if renamed == key else _free(renamed, taken, numbers)] = below
        return made


def _free(key: str, taken: set[str], numbers: dict[str, int]) -> str:
    """`key`, or its first placeholder with the first number that no other key has.

    `numbers`: the last one that each key got, so that many equal ones take no longer than few.
    """
    number, free = numbers.get(key, 1), key
    while free in taken:
        number += 1
        free = key.replace("]", f"-{number}]", 1)
    numbers[key] = number
    taken.add(free)
    return free


def number_text(value: Json) -> str:
    """The digits of a card-sized whole number, however written; empty for what is no text.

    The sign of a number says nothing: a program that reads it as text has the digits all the same.
    """
    if isinstance(value, int):
        return str(abs(value)) if SHORTEST_NUMBER <= abs(value) < SHORTEST_NUMBER**2 else ""
    if isinstance(value, float) and value.is_integer():
        return str(abs(int(value))) if SHORTEST_NUMBER <= abs(value) < _LONGEST_FLOAT else ""
    return ""
