"""Judges definitions and texts: one pass over all strings, then only what that pass points at."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mcpguard.scan.needles import SET_MEMORY, Meter, compiled, matches, told
from mcpguard.scan.threats.definition import View
from mcpguard.scan.threats.lexicon import form, read
from mcpguard.scan.threats.score import Report, report
from mcpguard.scan.threats.signals import Meaning, Signal, Text, ThreatDetector

if TYPE_CHECKING:
    import re2

__all__ = ["MAX_SIGNALS", "Engine"]

MAX_SIGNALS = 200
"""Signals of one definition: the score was decided long before."""

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
        self._structures = [row.structure for row in detectors if row.structure]
        self._by_meaning = _set_of([pattern for _, pattern in self._meanings])
        self._by_text = _set_of([pattern for _, pattern in self._texts])

    def judge(self, view: View) -> Report:
        """The report on `view`."""
        return report(self.signals(view))

    def signals(self, view: View) -> list[Signal]:
        """Every signal, at most `MAX_SIGNALS`."""
        found: list[Signal] = []
        for signal in self._all(view):
            found.append(signal)
            if len(found) >= MAX_SIGNALS:
                break
        return found

    def _all(self, view: View) -> Iterator[Signal]:
        for structure in self._structures:
            yield from structure.judge(view)
        text = view.text
        meter = Meter(MAX_SIGNALS * len(self._texts) + len(text))
        for number in told(self._by_text.Match(text), len(self._texts)):
            rule, pattern = self._texts[number]
            for start, end, *_ in matches(pattern, text, meter):
                yield from _at(view, rule, start, end)
        yield from self._meant(view, text)

    def _meant(self, view: View, text: str) -> Iterator[Signal]:
        raw = text.encode()
        reading = read(raw)
        if not reading.codes:
            return
        numbers = told(self._by_meaning.Match(reading.codes), len(self._meanings))
        for number in numbers:
            rule, pattern = self._meanings[number]
            for match in compiled(pattern).finditer(reading.codes.encode()):
                first, last = reading.spans[match.start()], reading.spans[match.end() - 1]
                start = len(raw[: first[0]].decode("utf-8", "ignore"))
                end = start + len(raw[first[0] : last[1]].decode("utf-8", "ignore"))
                yield from _at(view, rule, start, end)


def _at(view: View, rule: Meaning | Text, start: int, end: int) -> Iterator[Signal]:
    said, _ = view.at(start)
    if said.part in rule.parts:
        yield view.signal(rule.id, rule.weight, rule.message, start, end)


def _set_of(patterns: list[str]) -> "re2.Set":
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = SET_MEMORY
    found = re2.Set.SearchSet(options)
    for pattern in (*patterns, _ALWAYS):
        found.Add(pattern)
    found.Compile()
    return found
