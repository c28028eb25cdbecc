"""Recorded calls against rules: what each would be decided now, and whether that is a change.

A record is one JSON object a line, in one of two forms: our own (`tool` and `arguments`, and what
else `KEYS` names) or a line of the audit log. That holds arguments only where they were captured
whole; elsewhere what a rule would say that reads them cannot be known. Limits are counted by the
records' own times.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import NamedTuple

import orjson

from mcpguard.errors import PolicyError
from mcpguard.model import UP, Call, Json, JsonObject, Result
from mcpguard.policy.cel import Facts, Moment
from mcpguard.policy.document import nearest
from mcpguard.policy.rules import METHODS, Action, Outcome, RuleSet

__all__ = ["KEYS", "Record", "Replayed", "moment", "read_records", "replay"]

KEYS: Mapping[str, str] = {
    "tool": "the tool's name; for other methods the prompt's name or the URI",
    "method": "tools/call if absent",
    "arguments": "an object; empty if absent",
    "result": "what came back: the result's body, an object",
    "error": "a JSON-RPC error that came back instead, an object",
    "principal": "who called: an id, or {id, level, score, capabilities}",
    "trust": "{level, score}: the lower of the caller's and the server's",
    "server": "the server's name in the lockfile",
    "annotations": "the tool's, as locked",
    "tier": "the tool's, as locked",
    "at": "when, as RFC 3339; for limits and for now.*",
    "decision": "what was decided then: allow, deny, redact, require_approval",
    "expected": "what is to be decided; instead of `decision`",
}
"""What a record of our own form may hold, and what it means."""

MAX_LINE = 16 * 1024 * 1024
"""Bytes of one record: a call and a result of the wire's largest size each."""

_DECISIONS: Mapping[str, str] = {
    "allow": "allow",
    "none": "allow",
    "deny": "deny",
    "would_deny": "deny",
    "redact": "redact",
    "require_approval": "require_approval",
}
"""Decision words of records -> what they are compared as."""

_TIME = "for example: 2026-12-31T10:00:00Z"
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Record(NamedTuple):
    """One recorded call. `seconds`: Unix time, 0 if none is recorded. `old`: empty if none is.

    `lacking`: why the arguments are not known, of a line of the audit log; empty when they are.
    `stage`: what denied it then, if that was not the rules.
    """

    line: int
    call: Call
    result: Result | None
    facts: Facts
    seconds: float
    old: str
    lacking: str
    stage: str


class Replayed(NamedTuple):
    """What a record would be now: deny, require_approval, redact, allow, none or unknown.

    `changed`: None when there is nothing to compare with, or it cannot be known.
    """

    record: Record
    new: str
    rule: str
    message: str
    remarks: tuple[str, ...]
    changed: bool | None


def moment(at: datetime) -> Moment:
    """`at` in its own zone."""
    return Moment(at.hour, at.minute, _WEEKDAYS[at.weekday()], at.date().isoformat())


# --- records -------------------------------------------------------------------------------------


def read_records(
    lines: Iterable[bytes], source: str, facts: Facts, zone: Callable[[JsonObject], tzinfo]
) -> Iterator[Record]:
    """The records of `lines`; what they do not say is taken from `facts`.

    `zone`: gives the one in which rules read the clock; it is shown every line, in order. Blank
    lines, and lines of the audit log that are about no call, are passed over. Raises PolicyError
    for anything else.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        reader = _Reader(source, number)
        entry = reader.entry(line)
        where = zone(entry)
        if "v" not in entry or "seq" not in entry:
            yield reader.record(entry, facts, where)
        elif _about_a_call(entry):
            yield reader.audited(entry, facts, where)


def _about_a_call(entry: JsonObject) -> bool:
    if entry.get("direction") != UP or entry.get("decision") not in _DECISIONS:
        return False
    return entry.get("method") in METHODS and entry.get("stage") != "wire"


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one line; its errors name it."""

    source: str
    number: int

    def error(self, what: str, hint: str = "") -> PolicyError:
        return PolicyError(self.source, self.number, 1, what, hint=hint)

    def entry(self, line: bytes) -> JsonObject:
        try:
            entry = orjson.loads(line) if len(line) <= MAX_LINE else None
        except orjson.JSONDecodeError as error:
            raise self.error(f"not JSON: {error}", "one object a line") from error
        if not isinstance(entry, dict):
            raise self.error("not a JSON object of a readable size", "one object a line")
        return entry

    def record(self, entry: JsonObject, facts: Facts, zone: tzinfo) -> Record:
        for key in entry:
            if key not in KEYS:
                raise self.error(f"unknown key `{key[:40]!a}`", nearest(key, KEYS))
        method = self._text(entry, "method", "tools/call")
        if method not in METHODS:
            raise self.error("no rule is ever about that `method`", nearest(method, METHODS))
        target = self._text(entry, "tool", "")
        seconds, known = self._time(entry.get("at"), facts, zone)
        return Record(
            self.number,
            Call(method, target, self._object(entry, "arguments")),
            self._result(entry, method, target),
            self._known(entry, known),
            seconds,
            self._old(entry),
            lacking="",
            stage="",
        )

    def audited(self, entry: JsonObject, facts: Facts, zone: tzinfo) -> Record:
        seconds, known = self._time(entry.get("ts"), facts, zone)
        stage = self._text(entry, "stage", "")
        old = _DECISIONS[self._text(entry, "decision", "")]
        level, score = self._whole(entry, "level", 0), self._whole(entry, "score", 0)
        known = replace(
            known,
            principal=self._text(entry, "principal", ""),
            server=self._text(entry, "server", ""),
            level=level,
            score=score or facts.score,
        )
        arguments, lacking = _captured(entry.get("captured"))
        return Record(
            self.number,
            Call(self._text(entry, "method", ""), self._text(entry, "target", ""), arguments),
            None,
            known,
            seconds,
            old,
            lacking=lacking,
            stage=stage if old == "deny" and stage != "policy" else "",
        )

    def _old(self, entry: JsonObject) -> str:
        word = self._text(entry, "expected", self._text(entry, "decision", ""))
        if word and word not in _DECISIONS:
            raise self.error("no such decision", nearest(word, _DECISIONS))
        return _DECISIONS[word] if word else ""

    def _result(self, entry: JsonObject, method: str, target: str) -> Result | None:
        if "result" in entry and "error" in entry:
            raise self.error("a call has a `result` or an `error`", "leave one out")
        for key in ("result", "error"):
            if key in entry:
                return Result(method, target, self._object(entry, key), error=key == "error")
        return None

    def _known(self, entry: JsonObject, facts: Facts) -> Facts:
        given = entry.get("principal", facts.principal)
        who: JsonObject = (
            {"id": given} if isinstance(given, str) else self._object(entry, "principal")
        )
        trust = self._object(entry, "trust")
        granted = who.get("capabilities", list(facts.capabilities))
        texts = tuple(
            each for each in (granted if isinstance(granted, list) else ()) if isinstance(each, str)
        )
        if not isinstance(granted, list) or len(texts) != len(granted):
            raise self.error("`capabilities` is a list of texts")
        level = self._whole(who, "level", facts.level)
        score = self._whole(who, "score", facts.score)
        return replace(
            facts,
            principal=self._text(who, "id", facts.principal),
            level=level,
            score=score,
            capabilities=texts,
            trust_level=self._whole(trust, "level", min(level, facts.trust_level)),
            trust_score=self._whole(trust, "score", min(score, facts.trust_score)),
            server=self._text(entry, "server", facts.server),
            annotations=self._object(entry, "annotations"),
            tier=self._text(entry, "tier", facts.tier),
        )

    def _time(self, given: Json, facts: Facts, zone: tzinfo) -> tuple[float, Facts]:
        if given is None:
            return 0.0, facts
        try:
            at = datetime.fromisoformat(str(given))
            local = moment(at.astimezone(zone))
        except (ValueError, OverflowError) as error:
            raise self.error("no time of RFC 3339", _TIME) from error
        if at.tzinfo is None:
            raise self.error("a time without its zone", _TIME)
        return at.timestamp(), replace(facts, moment=local)

    def _text(self, entry: JsonObject, key: str, absent: str) -> str:
        value = entry.get(key, absent)
        if not isinstance(value, str):
            raise self.error(f"`{key}` is a text")
        return value

    def _whole(self, entry: JsonObject, key: str, absent: int) -> int:
        value = entry.get(key, absent)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(f"`{key}` is a whole number")
        return value

    def _object(self, entry: JsonObject, key: str) -> JsonObject:
        value = entry.get(key, {})
        if not isinstance(value, dict):
            raise self.error(f"`{key}` is an object")
        return value


_LESS: Mapping[str, str] = {
    "unread": "which were not captured: {}",
    "cut": "of which the log holds only the beginning ({} characters were cut)",
    "redacted": "of which {} places were taken out before they were captured",
}
"""Keys of a capture that hold less than the arguments, and what is said of that."""


def _captured(told: Json) -> tuple[JsonObject, str]:
    """The arguments in a record of the audit log, or why they are not known.

    What was cut or redacted is not what the rules would have read.
    """
    if not isinstance(told, dict) or told.get("what") != "arguments":
        return {}, "which the log does not hold: audit.capture.arguments names tools whose it keeps"
    for key, why in _LESS.items():
        if told.get(key):
            return {}, why.format(told[key])
    try:
        arguments = orjson.loads(str(told.get("text")))
    except orjson.JSONDecodeError:
        arguments = None
    if not isinstance(arguments, dict):
        return {}, "and what was captured cannot be read"
    return arguments, ""


# --- against rules -------------------------------------------------------------------------------


@dataclass(slots=True)
class _Counting:
    """What the records so far used up."""

    taken: dict[str, deque[float]] = field(default_factory=dict)
    tools: Counter[str] = field(default_factory=Counter)
    denied: int = 0

    def facts(self, record: Record) -> Facts:
        return replace(
            record.facts,
            calls=self.tools.total(),
            tool_calls=self.tools[record.call.target],
            denied=self.denied,
        )

    def judge(self, rules: RuleSet, record: Record, facts: Facts) -> Outcome:
        """The outcome, asked again while it names a limit that is spent; then it is counted."""
        spent: set[str] = set()
        while True:
            outcome = rules.judge_call(record.call, lambda: facts, spent=spent)
            full = {
                use.key
                for use in outcome.limits
                if self._used(use.key, record.seconds - use.seconds) >= use.amount
            }
            if not full:
                break
            spent |= full
        for use in outcome.limits:
            self.taken.setdefault(use.key, deque()).append(record.seconds)
        return outcome

    def _used(self, key: str, since: float) -> int:
        times = self.taken.get(key, deque())
        while times and times[0] <= since:
            times.popleft()
        return len(times)


def replay(rules: RuleSet, records: Iterable[Record]) -> Iterator[Replayed]:
    """What each of `records`, in their order, would be under `rules`."""
    counting = _Counting()
    for record in records:
        found = _replayed(rules, record, counting)
        counting.tools[record.call.target] += 1
        counting.denied += found.new == "deny"
        yield found


def _replayed(rules: RuleSet, record: Record, counting: _Counting) -> Replayed:
    if record.stage:
        said = f"{record.stage} denied it before the rules were asked"
        return Replayed(record, "deny", "", said, (), changed=False)
    if record.lacking:
        reading = rules.reading_arguments(record.call.method, record.call.target)
        if reading:
            said = f"not known: {', '.join(reading)} read arguments, {record.lacking}"
            return Replayed(record, "unknown", "", said, (), changed=None)
    facts = counting.facts(record)
    outcome = counting.judge(rules, record, facts)
    remarks = [each.rule for each in outcome.remarks]
    if record.result is not None and outcome.action not in _STOPS:
        later = rules.judge_result(record.result, lambda: facts)
        remarks += [each.rule for each in later.remarks]
        outcome = later if later.action in _DECIDES_LATER else outcome
    new = outcome.action.value if outcome.action else "none"
    changed = _DECISIONS[new] != record.old if record.old else None
    return Replayed(record, new, outcome.rule, outcome.message, tuple(remarks), changed)


_STOPS = frozenset((Action.DENY, Action.REQUIRE_APPROVAL))
_DECIDES_LATER = frozenset((Action.DENY, Action.REDACT))
