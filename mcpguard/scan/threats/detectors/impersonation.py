"""A tool that passes for another server's: a name almost the same, a description almost the same.

Two git servers both list `git_add`, honestly. What counts is another publisher with a name that is
meant to be mistaken, or with a description that was copied.
"""

from collections.abc import Iterator
from functools import lru_cache

from mcpguard.model import JsonObject, Severity
from mcpguard.scan.threats.definition import Item, View
from mcpguard.scan.threats.neighbours import bare, neighbours, plain_words, skeleton
from mcpguard.scan.threats.parameters import lettered
from mcpguard.scan.threats.signals import Signal, Structure, Threat, ThreatDetector
from mcpguard.scan.threats.text import normalise

__all__ = ["DETECTOR", "compared", "content", "copied", "nearly"]

_COPIED = 0.75
"""Share of common words from which one description was copied from the other."""

_ALIKE = 0.3
"""Share of common words from which two tools with nearly one name do the same."""

_FEW = 5
"""Words. Shorter descriptions are alike by chance."""

_SWAPPED = 2

_SHORT_NAME = 5
"""Characters. Shorter names differ by a letter by chance."""


def _judge(view: View) -> Iterator[Signal]:
    name = _text(view.definition, "name")
    if not name or not view.known.items:
        return
    near = neighbours(view.known.items).near(name)
    others = [item for item in near if not _same(view, item)]
    if not others:
        return
    told = content(_text(view.definition, "description"))
    best: Signal | None = None
    for item in others:
        signal = compared(name, told, item)
        if signal and (best is None or signal.weight > best.weight):
            best = signal
    if best:
        yield best


def _same(view: View, item: Item) -> bool:
    """Whether the item is of the same server, or of the same publisher."""
    known = view.known
    return item.server == known.server or (
        bool(item.publisher) and item.publisher == known.publisher
    )


def compared(name: str, told: frozenset[str], item: Item) -> Signal | None:
    """Why a tool of this name, with these words of its description, may be taken for `item`."""
    other = _text(item.definition, "name")
    if name == other:
        # Two honest servers of one kind list the same names; a host tells them apart by server.
        whole = _shared(told, item) >= _COPIED
        return _signal("impersonation.same-name", 2 if whole else 1, name, other, item)
    if not name.isascii() and skeleton(name) == skeleton(other):
        return _signal("impersonation.look-alike", 4.5, name, other, item)
    if skeleton(name) == skeleton(other) or nearly(name, other):
        alike = _shared(told, item) >= _ALIKE
        return _signal("impersonation.near-name", 3.5 if alike else 1, name, other, item)
    if len(told) >= _FEW and bare(name) & bare(other) and _shared(told, item) >= _COPIED:
        return _signal("impersonation.copied", 3, name, other, item)
    return None


def copied(one: JsonObject, other: JsonObject) -> bool:
    """Whether one description was made of the other: of nearly the same words, and of enough."""
    told = content(_text(one, "description"))
    share = _share(told, content(_text(other, "description")))
    return share >= _COPIED and len(told) >= _FEW


def _signal(rule: str, weight: float, name: str, other: str, item: Item) -> Signal:
    message = f"is easily taken for the tool {other!r} of the server {item.server!r}"
    return Signal(rule, weight, "/name", 0, len(name), message)


def _text(definition: JsonObject, key: str) -> str:
    text = definition.get(key)
    return text if isinstance(text, str) else ""


_STOP = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "to",
        "in",
        "for",
        "and",
        "or",
        "is",
        "are",
        "be",
        "by",
        "with",
        "from",
        "on",
        "at",
        "as",
        "this",
        "that",
        "it",
        "its",
        "into",
        "given",
        "tool",
        "returns",
        "return",
        "get",
        "use",
        "used",
        "using",
        "will",
        "can",
        "your",
        "you",
        "if",
        "when",
        "which",
        "all",
        "any",
    ]
)


@lru_cache(maxsize=4096)
def content(text: str) -> frozenset[str]:
    """The words of a description that say what it is about."""
    kept = lettered(normalise(text[:2000]).text.lower())
    return frozenset(kept.split()).difference(_STOP)


def _shared(told: frozenset[str], item: Item) -> float:
    return _share(told, content(_text(item.definition, "description")))


def _share(one: frozenset[str], other: frozenset[str]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common) if common else 0.0


def nearly(one: str, other: str) -> bool:
    """Whether the names are one edit, two swapped letters, or words without meaning apart."""
    if plain_words(one) == plain_words(other) and plain_words(one):
        return True
    a, b = skeleton(one), skeleton(other)
    if min(len(a), len(b)) < _SHORT_NAME or abs(len(a) - len(b)) > 1:
        return False
    if len(a) == len(b):
        differ = [place for place, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]
        swapped = (
            len(differ) == _SWAPPED
            and differ[1] == differ[0] + 1
            and a[differ[0]] == b[differ[1]]
            and a[differ[1]] == b[differ[0]]
        )
        return len(differ) == 1 or swapped
    short, long = sorted((a, b), key=len)
    return any(long[:place] + long[place + 1 :] == short for place in range(len(long)))


DETECTOR = ThreatDetector(
    id="impersonation",
    threat=Threat.CROSS_SERVER_ATTACK,
    severity=Severity.MODERATE,
    owasp="MCP09:2025",
    agentic="ASI04",
    atlas="AML.T0073",
    explanation="It is easily taken for a tool of another server.",
    fix="Find out which one you meant, and lock only that one.",
    structure=Structure(
        (
            "impersonation.same-name",
            "impersonation.look-alike",
            "impersonation.near-name",
            "impersonation.copied",
        ),
        _judge,
    ),
)
