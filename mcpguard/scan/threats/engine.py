"""Judges definitions and texts: one pass over all strings, then only what that pass points at."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from mcpguard.scan.needles import SET_MEMORY, Meter, compiled, matches, told
from mcpguard.scan.threats.definition import View, texts_of
from mcpguard.scan.threats.lexicon import CODES, Reading, form, letters, read
from mcpguard.scan.threats.parameters import does, words
from mcpguard.scan.threats.score import Placed, Report, report
from mcpguard.scan.threats.signals import Meaning, Text, ThreatDetector

if TYPE_CHECKING:
    import re2

__all__ = ["MAX_SIGNALS", "Engine", "own_reading"]

MAX_SIGNALS = 300
"""Signals of one definition: the score was decided long before."""

MOST_EACH = 4
"""Times that one pattern is told in one definition: the score counts it once."""

DENIED = 0.5
"""Times. What an order weighs that is denied: not nothing, as "it cannot work without sending" is
written like one."""

MEMORY = 2 * SET_MEMORY
"""Bytes that the automaton of all meanings may grow to: it needs three quarters of them for five
thousand tools. With half as many it is forgotten and made anew, at ten times the time."""

_NOT = letters("NEG")
_IDENT = CODES["IDENT"]
INTRODUCED = "rug-pull.introduced"
_SINCE = "says what it did not say when it was reviewed"
_RUG_PULL = "rug_pull"
_ALWAYS = r"(?:)"


class Engine:
    """The rules of some detectors, in two automata."""

    def __init__(self, detectors: tuple[ThreatDetector, ...]) -> None:
        self.detectors = detectors
        self._meanings = [
            (rule, form(each)) for row in detectors for rule in row.meanings for each in rule.forms
        ]
        self._texts = [
            (rule, f"(?i){each}")
            for row in detectors
            for rule in row.texts
            for each in rule.patterns
        ]
        self._owners = {rule: row for row in detectors for rule in row.rules}
        self._alike = next((row.likeness for row in detectors if row.likeness), None)
        self._structures = [row.structure for row in detectors if row.structure]
        self._by_meaning = _set_of([pattern for _, pattern in self._meanings], MEMORY)
        self._by_text = _set_of([pattern for _, pattern in self._texts], SET_MEMORY)

    def judge(self, view: View) -> Report:
        """The report on `view`, of at most `MAX_SIGNALS` signals."""
        found = list(islice(self._all(view), MAX_SIGNALS))
        if view.known.locked is not None:
            found += self._introduced(view, found)
        return report(found, self._owners)

    def _introduced(self, view: View, found: list[Placed]) -> list[Placed]:
        """What the definition says now and did not say when it was reviewed."""
        locked = view.known.locked or {}
        before = View(view.kind, locked, texts_of(locked), replace(view.known, locked=None))
        known = {each.signal.rule for each in islice(self._all(before), MAX_SIGNALS)}
        new = (
            each.signal
            for each in found
            if each.signal.rule not in known and self._owners[each.signal.rule].id != _RUG_PULL
        )
        return [
            Placed(each._replace(rule=INTRODUCED, weight=3.0, message=_SINCE), None)
            for each in islice(new, 1)
        ]

    def _all(self, view: View) -> Iterator[Placed]:
        counts: Counter[str] = Counter()
        for structure in self._structures:
            for signal in structure.judge(view):
                counts[signal.rule] += 1
                if counts[signal.rule] <= MOST_EACH:
                    yield Placed(signal, None)
        text = view.text
        for number in told(self._by_text.Match(text), len(self._texts)):
            rule, pattern = self._texts[number]
            spans = matches(pattern, text, Meter(len(text) + 1))
            places = ((each.start, each.end) for each in spans)
            yield from _placed(view, rule, rule.weight, places)
        reading = own_reading(view)
        if reading.codes:
            yield from self._meant(view, text, reading)
        if self._alike is not None:
            yield from self._alike.judge(view, reading)

    def _meant(self, view: View, text: str, reading: Reading) -> Iterator[Placed]:
        codes, spans = reading
        raw = codes.encode()
        for number in told(self._by_meaning.Match(raw), len(self._meanings)):
            rule, pattern = self._meanings[number]
            if rule.alien:
                about = frozenset(view.about)
                if not about.isdisjoint(letters(rule.alien)):
                    continue
            found = [match.span() for match in compiled(pattern).finditer(raw)]
            deniable = rule.deniable and bool(found)
            weight = rule.weight * _said(codes, found) if deniable else rule.weight
            places = ((spans[first][0], spans[last - 1][1]) for first, last in found)
            yield from _placed(view, rule, weight, places)


def own_reading(view: View) -> Reading:
    """What `view` says, where a tool that names itself says "this", and its arguments are such.

    The other tools of its server, where they are known, are none of somebody else's; and then a
    name that begins with a verb is a stranger's.
    """
    text = view.text
    codes, spans = read(text)
    if _IDENT not in codes or not view.definition:
        return Reading(codes, spans)
    name = view.definition.get("name")
    arguments = {each.name.lower() for each in view.parameters}
    siblings = {words(each) for each in view.known.siblings}
    found = list(codes)
    number = codes.find(_IDENT)
    while number >= 0:
        said = text[slice(*spans[number])].strip("`()")
        if isinstance(name, str) and said.lower() == name.lower():
            found[number] = CODES["THIS"]
        elif said.lower() in arguments:
            found[number] = CODES["PARAM"]
        elif siblings and words(said) in siblings:
            found[number] = CODES["KIN"]
        elif siblings and does(said):
            found[number] = CODES["STRANGER"]
        number = codes.find(_IDENT, number + 1)
    return Reading("".join(found), spans)


def _said(codes: str, found: list[tuple[int, int]]) -> float:
    """One; less where all of `found` is what must not be done: "never send the key"."""
    denied = (
        first > 0 and codes[first - 1] in _NOT and codes[first] not in _NOT for first, _ in found
    )
    return DENIED if all(denied) else 1.0


def _placed(
    view: View, rule: Meaning | Text, weight: float, spans: Iterator[tuple[int, int]]
) -> Iterator[Placed]:
    """The first of `spans` that stand where the rule holds: others do not use up its turns."""
    valid = (each for each in spans if view.at(each[0])[0].part in rule.parts)
    for start, end in islice(valid, MOST_EACH):
        yield Placed(view.signal(rule.id, weight, rule.message, start, end), start)


def _set_of(patterns: list[str], memory: int) -> "re2.Set":
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory
    found = re2.Set.SearchSet(options)
    for pattern in (*patterns, _ALWAYS):
        found.Add(pattern)
    found.Compile()
    return found
