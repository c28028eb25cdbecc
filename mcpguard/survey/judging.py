"""What a server lists, judged: the scanner's reports as findings with places and quotations."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Final, NamedTuple

from mcpguard.errors import ScanError
from mcpguard.hosts import checks
from mcpguard.lock.lockfile import Lockfile
from mcpguard.lock.surface import Surface, pinned
from mcpguard.model import Finding, ItemKind, Json, JsonObject, Severity
from mcpguard.scan.threats.detectors import (
    DETECTORS,
    Item,
    Known,
    Neighbours,
    Outcome,
    Report,
    Signal,
    ThreatDetector,
    judge_definition,
)
from mcpguard.scan.threats.detectors.impersonation import DETECTOR as IMPERSONATION
from mcpguard.scan.threats.overlap import DETECTOR as OVERLAP
from mcpguard.scan.threats.overlap import SEVERITIES, overlap
from mcpguard.store.names import Registered
from mcpguard.survey.subjects import Place, Told

__all__ = ["UNSCANNED", "Explained", "Listed", "explained", "items_known", "judged", "listed"]

UNSCANNED: Final = "scan.unscanned"
"""Rule of a definition that is too large to be looked through: that is not a pass."""

MAX_KNOWN = 5000
"""Items of other servers that definitions are held against."""

MAX_QUOTED = 300
"""Characters of a definition quoted in a finding, around what was found."""

AROUND = 60
"""Characters on either side of it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What one server lists. `publisher`: whose code it runs; empty when that is not known.

    `place`: where an item (kind, name; None for the server's own words) is written.
    """

    server: str
    publisher: str
    instructions: str
    items: Mapping[ItemKind, Mapping[str, JsonObject]]
    locked: Lockfile | None = None
    place: Callable[[ItemKind | None, str], Place | None] = field(default=lambda *_: None)

    @property
    def counts(self) -> dict[ItemKind, int]:
        """How many of each kind."""
        return {kind: len(self.items.get(kind, {})) for kind in ItemKind}


def listed(
    server: str, publisher: str, seen: Surface | Lockfile, locked: Lockfile | None = None
) -> Listed:
    """What a look at a server showed, or what its lockfile holds."""
    if isinstance(seen, Lockfile):
        items = {
            kind: {name: item.definition for name, item in rows.items()}
            for kind, rows in seen.items.items()
        }
    else:
        items = {kind: dict(seen.of(kind)) for kind in ItemKind}
    return Listed(server, publisher, seen.server.instructions, items, locked)


def items_known(rows: Iterable[Registered], beside: Iterable[Listed]) -> Neighbours:
    """What other servers list: registered ones, and those of the same survey."""
    return Neighbours(islice(_known(rows, beside), MAX_KNOWN))


def _known(rows: Iterable[Registered], beside: Iterable[Listed]) -> Iterator[Item]:
    for row in rows:
        for each in row.items:
            if each.kind == ItemKind.TOOL:
                said: JsonObject = {"name": each.name, "description": each.description}
                yield Item(row.server, row.publisher, said)
    for one in beside:
        for definition in one.items.get(ItemKind.TOOL, {}).values():
            yield Item(one.server, one.publisher, definition)


def judged(one: Listed, known: Neighbours | tuple[Item, ...]) -> tuple[Told, ...]:
    """Every reason to doubt what `one` lists, worst first. Total: too much is a finding too."""
    return tuple(sorted(_judged(one, known), key=lambda told: -told.finding.severity.rank))


def _judged(one: Listed, known: Neighbours | tuple[Item, ...]) -> Iterator[Told]:
    if one.instructions:
        words: JsonObject = {"instructions": one.instructions}
        yield from _told(one, None, "", words, _scope(one, known, None))
    for kind in ItemKind:
        for name, definition in one.items.get(kind, {}).items():
            item = one.locked.item(kind, name) if one.locked is not None else None
            reviewed = item.definition if item is not None else None
            scope = _scope(one, known, reviewed)
            yield from _told(one, kind, name, pinned(kind, definition), scope)


def _scope(one: Listed, known: Neighbours | tuple[Item, ...], reviewed: JsonObject | None) -> Known:
    siblings = frozenset(one.items.get(ItemKind.TOOL, {}))
    return Known(one.server, one.publisher, known, reviewed, siblings)


def _told(
    one: Listed, kind: ItemKind | None, name: str, definition: JsonObject, known: Known
) -> Iterator[Told]:
    item = f"{kind.singular} {name}" if kind else "instructions"
    pointer = f"/{kind.value}/{_escaped(name)}" if kind else "/server"
    place = one.place(kind, name)
    try:
        report = judge_definition(kind, definition, known=known)
    except ScanError as error:
        what = f"{item}: {error.message}: it was not looked through"
        yield Told(Finding(UNSCANNED, Severity.CRITICAL, pointer, what), item, place)
        return
    told = [] if report.outcome is Outcome.ALLOW else _first_of_each(report.signals)
    for number, signal in enumerate(told):
        severity = _severity(report, signal, heaviest=number == 0)
        evidence = _evidence(definition, report, signal)
        what = f"{item}: {signal.message}"
        where = pointer + signal.where
        yield Told(Finding(f"scan.{signal.rule}", severity, where, what, evidence), item, place)
    if kind is ItemKind.TOOL and not any(map(_imitates, told)):
        shared = overlap(definition, known)
        if shared is not None:
            rule, severity = f"scan.{shared.rule}", SEVERITIES[shared.rule]
            what = f"{item}: {shared.message}"
            yield Told(Finding(rule, severity, pointer + shared.where, what), item, place)


def _imitates(signal: Signal) -> bool:
    """Whether it says already that the tool is taken for another server's."""
    return signal.rule in IMPERSONATION.rules


def _first_of_each(signals: Sequence[Signal]) -> list[Signal]:
    """The heaviest signal of each rule."""
    return [*{each.rule: each for each in reversed(signals)}.values()][::-1]


def _severity(report: Report, signal: Signal, *, heaviest: bool) -> Severity:
    """Of a blocked definition the detector's own, and critical for the heaviest reason."""
    detector = _detectors().get(signal.rule)
    own = detector.severity if detector is not None else Severity.MODERATE
    if report.outcome is Outcome.BLOCK:
        return Severity.CRITICAL if heaviest else own
    return min(own, Severity.MODERATE, key=lambda each: each.rank)


@cache
def _detectors() -> Mapping[str, ThreatDetector]:
    """Rule -> the detector that has it."""
    found = dict.fromkeys(SEVERITIES, OVERLAP)
    for detector in DETECTORS.values():
        found |= dict.fromkeys(detector.rules, detector)
    return found


def _evidence(definition: JsonObject, report: Report, signal: Signal) -> JsonObject:
    return {
        "outcome": report.outcome.value,
        "score": report.score,
        "weight": signal.weight,
        "text": _quoted(definition, signal),
        "shown": signal.shown,
    }


def _quoted(definition: JsonObject, signal: Signal) -> str:
    """The part of the original text that the signal is about, and a little around it."""
    text: Json = definition
    last = ""
    for part in signal.where.split("/")[1:]:
        last = part.replace("~1", "/").replace("~0", "~")
        text = _below(text, last)
    said = text if isinstance(text, str) else last
    first, end = max(0, signal.start - AROUND), min(len(said), signal.end + AROUND)
    cut = said[first : min(end, first + MAX_QUOTED)]
    return f"{'...' if first else ''}{cut}{'...' if first + len(cut) < len(said) else ''}"


def _below(value: Json, key: str) -> Json:
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
        return value[int(key)]
    return None


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


class Explained(NamedTuple):
    """`sentence`: what the rule finds. `fix`: what to do next. `references`: of public lists.

    `threat`: which of the six of `signals.Threat`; empty for what is about no definition's words.
    """

    sentence: str
    fix: str
    references: tuple[str, ...]
    threat: str = ""


def explained(rule: str) -> Explained:
    """The explanation of `rule`; of an unknown one, its own name."""
    row = checks.RULES.get(rule)
    if row is not None:
        return Explained(row.sentence, row.fix, (f"OWASP {row.reference}",))
    threat = _detectors().get(rule.removeprefix("scan."))
    if threat is not None:
        lists = (("OWASP", threat.owasp), ("OWASP", threat.agentic), ("ATLAS", threat.atlas))
        references = tuple(f"{name} {entry}" for name, entry in lists if entry)
        return Explained(threat.explanation, threat.fix, references, threat.threat.value)
    if rule == UNSCANNED:
        return Explained(_TOO_MUCH, "Look at it by hand: mcpguard scan --list -- CMD", ())
    return Explained(rule, "", ())


_TOO_MUCH = "A definition is too large to be looked through, so nobody knows what it says."
