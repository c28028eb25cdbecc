"""Every text of a JSON value: keys, strings and numbers, with what each is used for."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from mcpguard.errors import ScanError
from mcpguard.model import Finding, Json, JsonObject, Severity
from mcpguard.scan.needles import Meter, Needles, encodable
from mcpguard.scan.patterns import Patterns
from mcpguard.scan.redact import Hit, merged, number_text, placeholder, replaced
from mcpguard.scan.sites import Detector, Role, Site, Span, role_of

__all__ = ["BUDGET", "Budget", "awake", "below", "find", "finding", "looking", "needles_of", "sub"]


class Budget(NamedTuple):
    """How much one value may hold: nesting, characters of all its texts, texts, hits.

    `matches`: how often something may look like what a detector looks for, and how many texts it
    may look at; each costs microseconds, found or not, so this bounds what hostile text takes.
    """

    depth: int = 64
    characters: int = 8 * 1024 * 1024
    texts: int = 200_000
    hits: int = 10_000
    matches: int = 50_000


BUDGET = Budget()
"""The wire's own limits (depth 64, 8 MiB a line): what it lets in is looked through whole."""

ROUNDS = 4
"""How often a text is looked through again with what was found taken out, before all of it goes."""

SHORTEST = 3
"""Characters. No detector finds anything in less; patterns may."""

LONGEST_NAME = 256
"""Characters of a key that say what is under it: half from its start, half from its end. It is
looked at with each text there, so a longer one would take its length times as many."""

LONGEST_POINTER = 2048
"""Characters of a pointer; the rest of a longer one is left out."""

_PATTERN_SEVERITY = Severity.MODERATE


def find(
    value: Json,
    detectors: tuple[Detector, ...],
    patterns: Patterns | None = None,
    *,
    schema: Json = None,
    budget: Budget = BUDGET,
) -> tuple[Hit, ...]:
    """What `detectors` and `patterns` find in the texts of `value`, in the order of the walk.

    Looked at: every string, every key, and whole numbers long enough for a card's. `schema` is the
    JSON Schema of `value`; of it, `format` beside `properties` and `items` is used.
    `redact(value, hits)` holds nothing that these rules find again.

    Raises:
        ScanError: `value` is over `budget`. It was not looked through: deny.
    """
    texts = _texts(value, budget)
    if not patterns and not awake(detectors, encodable("\n".join(texts))):
        return ()
    search = _Search(detectors, patterns, budget)
    search.value(value, schema, search.top, "")
    return tuple(search.hits)


def finding(hit: Hit, detectors: Sequence[Detector]) -> Finding:
    """What a person and the log are told of `hit`: the rule, the place, never the text."""
    known = next((each for each in detectors if each.id == hit.rule), None)
    what = known.finds if known else "what a configured pattern matches"
    severity = known.severity if known else _PATTERN_SEVERITY
    place = "the key of" if hit.key else "the value of"
    evidence: dict[str, Json] = {"start": hit.start, "end": hit.end, "type": hit.kind}
    if known:
        evidence["reference"] = known.reference
    return Finding(
        f"scan.{hit.rule}", severity, hit.where, f"{place} an argument: {what}", evidence
    )


class _Found(NamedTuple):
    start: int
    end: int
    rule: str
    kind: str


class _Search:
    """One walk. Counts texts as `_gather` and `redact` do."""

    def __init__(
        self, detectors: tuple[Detector, ...], patterns: Patterns | None, budget: Budget
    ) -> None:
        self._detectors = detectors
        self._patterns = patterns
        self._limit = budget.hits
        self.top = Site("", Role.UNKNOWN, Meter(budget.matches))
        self._key = self.top._replace(role=Role.WORD)
        self._leaf = 0
        self.hits: list[Hit] = []

    def value(self, value: Json, schema: Json, site: Site, where: str) -> None:
        form = schema.get("format") if isinstance(schema, dict) else None
        if isinstance(form, str):
            site = below(site, site.name, form)
        if isinstance(value, dict):
            self._members(value, sub(schema, "properties"), site, where)
        elif isinstance(value, list):
            items = sub(schema, "items")
            for number, each in enumerate(value):
                self.value(each, items, site, _step(where, str(number)))
        elif isinstance(value, str):
            self._look(value, site, where)
        elif digits := number_text(value):
            self._look(digits, site, where)

    def _members(self, value: JsonObject, properties: Json, site: Site, where: str) -> None:
        for key, child in value.items():
            shown = self._look(key, self._key, where, key=True)
            here = _step(where, shown)
            self.value(child, sub(properties, key), below(site, encodable(shown)), here)

    def _look(self, text: str, site: Site, where: str, *, key: bool = False) -> str:
        """Note what is in `text`; gives what is left of it, which is all a pointer may hold."""
        leaf, self._leaf = self._leaf, self._leaf + 1
        if len(text) < SHORTEST and not self._patterns:
            return text
        found = self._settled(encodable(text), site)
        if not found:
            return text
        left = replaced(text, _spans(found))
        place = _step(where, left) if key else where
        self.hits += (Hit(leaf, place, key, *each, site.role) for each in found)
        self._limited(self.hits)
        return left

    def _settled(self, text: str, site: Site) -> list[_Found]:
        """What is in `text`, and in what is left of it without that, until nothing is."""
        new = found = self._once(text, site)
        for _ in range(ROUNDS):
            if not new:
                return found
            spans = _spans(found)
            origin = _Origin(spans)
            new = [origin.of(each) for each in self._once(replaced(text, spans), site)]
            found = found + new
        return [*found, found[-1]._replace(start=0, end=len(text))] if new else found

    def _once(self, text: str, site: Site) -> list[_Found]:
        found: list[_Found] = []
        for detector in awake(looking(self._detectors, site.role), f"{site.name}\n{text}"):
            site.meter.spend()
            for start, end, kind in detector.spans(text, site):
                found.append(_Found(start, end, detector.id, kind))
                self._limited(found)
        if self._patterns:
            found += (_Found(*each) for each in self._patterns.spans(text, site.meter))
            self._limited(found)
        return found

    def _limited(self, found: Sequence[object]) -> None:
        if len(found) > self._limit:
            raise ScanError(f"arguments: more than {self._limit} things were found in them")


def below(site: Site, name: str, form: str = "") -> Site:
    """The site of what is under `name`; a name that says nothing has its parent's role."""
    role = role_of(name, form)
    if len(name) > LONGEST_NAME:
        name = name[: LONGEST_NAME // 2] + name[-LONGEST_NAME // 2 :]
    return Site(name, site.role if role is Role.UNKNOWN else role, site.meter)


def sub(schema: Json, key: str) -> Json:
    """The part of a schema under `key`; None where there is none."""
    return schema.get(key) if isinstance(schema, dict) else None


def _step(where: str, token: str) -> str:
    """The pointer (RFC 6901) to what is under `token` at `where`, as long as it may be."""
    return f"{where}/{token.replace('~', '~0').replace('/', '~1')}"[:LONGEST_POINTER]


def _spans(found: Iterable[_Found]) -> list[Span]:
    return merged(Span(each.start, each.end, each.kind) for each in found)


class _Origin:
    """Leads positions of a replaced text back to the original."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._starts: list[int] = []
        self._ends: list[int] = []
        shift = 0
        for span in spans:
            self._starts.append(span.start + shift)
            self._ends.append(span.start + shift + len(placeholder(span.kind)))
            shift = self._ends[-1] - span.end

    def of(self, found: _Found) -> _Found:
        """`found` in the original; what reaches into a placeholder takes its whole span in."""
        start = self._start(found.start)
        return found._replace(start=start, end=max(start, self._end(found.end)))

    def _start(self, at: int) -> int:
        before = bisect_right(self._starts, at) - 1
        if before < 0:
            return at
        span, end = self._spans[before], self._ends[before]
        return span.start if at < end else at - end + span.end

    def _end(self, at: int) -> int:
        before = bisect_left(self._starts, at) - 1
        if before < 0:
            return at
        span, end = self._spans[before], self._ends[before]
        return span.end if at <= end else at - end + span.end


@lru_cache(maxsize=16)
def looking(detectors: tuple[Detector, ...], role: Role) -> tuple[Detector, ...]:
    """Those of `detectors` that find anything in a text of this role."""
    found = tuple(each for each in detectors if role in each.roles)
    return tuple(each.for_paths or each for each in found) if role is Role.PATH else found


@lru_cache(maxsize=16)
def needles_of(detectors: tuple[Detector, ...]) -> tuple[Needles, tuple[Detector, ...]]:
    """One automaton over every needle, and whose needle each is."""
    pairs = [(needle, each) for each in detectors for needle in each.needles]
    return Needles([needle for needle, _ in pairs], open_ended=True), tuple(
        owner for _, owner in pairs
    )


def awake(detectors: tuple[Detector, ...], text: str) -> tuple[Detector, ...]:
    """Those of `detectors` that may find something in `text`; all of them if RE2 gave up."""
    needles, owners = needles_of(detectors)
    within = needles.within(text)
    if not within:
        return ()
    named = {owners[number] for number in within}
    return tuple(each for each in detectors if each in named)


def _texts(value: Json, budget: Budget) -> list[str]:
    """The texts of `value` in the order in which hits count them. Raises ScanError over budget."""
    texts: list[str] = []
    _gather(value, texts, budget.depth)
    if len(texts) > budget.texts:
        raise ScanError(f"arguments: {len(texts)} texts, at most {budget.texts} are looked at")
    size = sum(map(len, texts))
    if size > budget.characters:
        raise ScanError(f"arguments: {size} characters, at most {budget.characters} are looked at")
    return texts


def _gather(value: Json, texts: list[str], depth: int) -> None:
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, dict | list):
        if not depth:
            raise ScanError("arguments: nested too deeply to be looked at")
        if isinstance(value, dict):
            for key, below in value.items():
                texts.append(key)
                _gather(below, texts, depth - 1)
        else:
            for each in value:
                _gather(each, texts, depth - 1)
    elif digits := number_text(value):
        texts.append(digits)
