"""What every format says of a record: when, how bad, what became of it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from mcpguard import __version__
from mcpguard.model import Json, JsonObject, Reason
from mcpguard.siem.formats.controls import controls_of

__all__ = ["PRODUCT", "VERSION", "Event", "Fate", "Subject", "event_of", "rest_of"]

PRODUCT: Final = "mcpguard"
VERSION: Final = __version__

INFO, LOW, MEDIUM, HIGH = 1, 2, 3, 4

_EPOCH = datetime.fromtimestamp(0, UTC)
_LAST = 253_402_300_799_000
"""Milliseconds, Unix. The last second of the year 9999: no timestamp is later."""


class Fate(NamedTuple):
    """What became of what was judged. `word`: for people.

    `action`, `disposition`: OCSF's ids (security_control). `types`: of ECS. `outcome`: `success`,
    `failure` or `unknown`. `severity`: 1 informational to 5 critical, OCSF's scale.
    """

    word: str
    action: int
    disposition: int
    types: tuple[str, ...]
    outcome: str
    severity: int


_FATES: Final[Mapping[str, Fate]] = {
    "allow": Fate("allowed", 1, 1, ("access", "allowed"), "success", INFO),
    "approved": Fate("approved", 1, 8, ("access", "allowed"), "success", INFO),
    "changed": Fate("changed", 4, 11, ("change", "allowed"), "success", LOW),
    "deny": Fate("denied", 2, 2, ("access", "denied"), "failure", MEDIUM),
    "refused": Fate("refused by a person", 2, 25, ("access", "denied"), "failure", MEDIUM),
    "would_deny": Fate("would be denied", 3, 17, ("access", "allowed"), "success", MEDIUM),
    "drop": Fate("dropped", 2, 6, ("protocol", "denied"), "failure", LOW),
    "hold": Fate("held", 3, 14, ("info",), "unknown", INFO),
    "note": Fate("noted", 3, 17, ("info",), "unknown", INFO),
    "event": Fate("recorded", 3, 17, ("info",), "unknown", INFO),
}
"""By the `decision` of a record, where it says no more."""

_EVENTS: Final[Mapping[str, int]] = {
    "audit.gap": HIGH,
    "session.killed": HIGH,
    "session.crashed": HIGH,
    "control.kill": HIGH,
    "control.block": LOW,
    "control.unblock": LOW,
    "control.budget": LOW,
    "control.policy": LOW,
    "control.reload": LOW,
    "policy.ignored": MEDIUM,
    "trust.reset": LOW,
}
"""Severity of records that are no decision, where it is not 1."""

GRAVE: Final = frozenset(
    (Reason.DRIFTED, Reason.DOUBLED, Reason.AUDIT_UNWRITABLE, Reason.KILLED, Reason.CRASHED)
)
"""Reasons that mean more than that somebody asked for too much: severity 4."""

DRIFT: Final = frozenset((Reason.DRIFTED, Reason.DOUBLED))
"""Reasons that are a finding about the server, whichever message showed it."""


_KINDS: Final[Mapping[str, str]] = {
    "tool": "tool",
    "server": "server",
    "principal": "principal",
    "caller": "principal",
}
"""What the `name` of a person's change is, by the record's `kind`."""


class Subject(NamedTuple):
    """What a record is about. `kind`: tool, server, principal, or what a method is about."""

    kind: str
    name: str


class Event(NamedTuple):
    """One record, read.

    `uid`: session and number of the record, never the same of two. `ms`: Unix milliseconds.
    `name`: the method, or the event's name. `finding`: drift, or something a detector found.
    `severity`: 1-5. `controls`: see `controls.controls_of`. `subject`: see `Subject`. `host`: the
    name of the machine that exports it; empty: not known.
    """

    record: JsonObject
    uid: str
    ms: int
    name: str
    fate: Fate
    finding: bool
    severity: int
    controls: tuple[str, ...]
    subject: Subject
    host: str = ""

    def text(self, key: str) -> str:
        """The field as text; empty when there is none."""
        value = self.record.get(key, "")
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int:
        """The field as a whole number; 0 when it is none."""
        value = self.record.get(key, 0)
        return value if type(value) is int else 0

    @property
    def stamp(self) -> str:
        """RFC 3339 in UTC, milliseconds."""
        return datetime.fromtimestamp(self.ms / 1000, UTC).isoformat(timespec="milliseconds")

    @property
    def who(self) -> str:
        """Who did it: the person of a change, else the caller."""
        return self.text("by") or self.text("principal")

    @property
    def why(self) -> str:
        """The person's words, else the sentence of the decision."""
        return self.text("why") or self.text("detail")

    @property
    def server(self) -> str:
        """The server, also where the record is about another one than its session's."""
        return self.subject.name if self.subject.kind == "server" else self.text("server")

    @property
    def recorder(self) -> str:
        """The server of the session that recorded it, where it is about another one."""
        own = self.text("server")
        return own if own != self.server else ""

    @property
    def target(self) -> str:
        """The tool, prompt or URI; empty where it is about a server or a caller."""
        return "" if self.subject.kind in ("server", "principal") else self.subject.name

    @property
    def tool(self) -> str:
        """The tool that was called, or that a person decided about."""
        called = self.text("event") or self.text("method") == "tools/call"
        return self.subject.name if called and self.subject.kind == "tool" else ""

    @property
    def affected(self) -> str:
        """The caller whom a person's change is about."""
        principal = self.subject.kind == "principal"
        return self.subject.name if principal else self.text("caller")

    @property
    def sentence(self) -> str:
        """A line for people; what a peer wrote is in it."""
        target = f" {self.subject.name}" if self.subject.name else ""
        by = f" by {self.text('by')}" if self.text("by") else ""
        why = f": {self.why}" if self.why else ""
        return f"{self.name}{target} {self.fate.word}{by}{why}"


def event_of(record: JsonObject, host: str = "") -> Event:
    """Reads a record of any kind. A field that is missing or of another type says nothing.

    `host`: the machine's name.
    """
    reason, decision = _text(record, "reason"), _text(record, "decision")
    event = _text(record, "event")
    found = reason in DRIFT or bool(record.get("findings"))
    fate = _fate(record, decision, reason)
    severity = _EVENTS.get(event, INFO) if event else _severity(record, fate, reason, found=found)
    return Event(
        record=record,
        uid=f"{_text(record, 'session')}-{record.get('seq', 0)}",
        ms=_milliseconds(_text(record, "ts")),
        name=event or _text(record, "method") or "message",
        fate=fate,
        finding=found,
        severity=severity,
        controls=controls_of(reason) if decision != "allow" or found else (),
        subject=_subject(record, event),
        host=host,
    )


def _subject(record: JsonObject, event: str) -> Subject:
    target, method = _text(record, "target"), _text(record, "method")
    if not event or method:
        return Subject(method.partition("/")[0].removesuffix("s") or "item", target)
    if event.startswith("scan."):
        return Subject("server", target)
    if kind := _KINDS.get(_text(record, "kind")):
        return Subject(kind, _text(record, "name"))
    return Subject("tool", target or _text(record, "glob"))


def rest_of(event: Event, *said: str) -> JsonObject:
    """The fields of the record that a format has no place for; those it did `said` are left out.

    The caller's place is taken by the person of a change, the place of the session's server by the
    one that it is about: then these stand here.
    """
    taken = {"principal": event.text("by"), "server": event.recorder}
    said = tuple(each for each in said if not taken.get(each))
    left = {key: value for key, value in event.record.items() if key not in said and value != ""}
    return left | ({"controls": list[Json](event.controls)} if event.controls else {})


def _text(record: JsonObject, key: str) -> str:
    value = record.get(key, "")
    return value if isinstance(value, str) else ""


def _fate(record: JsonObject, decision: str, reason: str) -> Fate:
    if decision == "allow" and reason in (Reason.REDACTED, Reason.SANITISED):
        return _FATES["changed"]
    if decision == "allow" and record.get("approval", "none") not in ("none", ""):
        return _FATES["approved"]
    if decision == "deny" and reason == Reason.APPROVAL:
        return _FATES["refused"]
    return _FATES.get(decision, _FATES["event"])


def _severity(record: JsonObject, fate: Fate, reason: str, *, found: bool) -> int:
    if reason in GRAVE:
        return HIGH
    failed = LOW if record.get("outcome") else INFO
    return max(fate.severity, failed, LOW if found else INFO)


def _milliseconds(text: str) -> int:
    try:
        when = datetime.fromisoformat(text)
        return min(_LAST, max(0, round((when - _EPOCH).total_seconds() * 1000)))
    except (ValueError, TypeError, OverflowError):
        return 0
