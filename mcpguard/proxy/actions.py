"""What a session wants done. The daemon does it in this order: records, then sends, then stop.

And what its records say of a decision.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from mcpguard.model import (
    APPROVED,
    CANARY,
    OFF_SCHEMA,
    REMARK,
    Allowed,
    Decision,
    Finding,
    ItemKind,
    JsonObject,
    Mode,
    Reason,
    RequestKind,
    Severity,
    Side,
    Wait,
)
from mcpguard.proxy.pending import Entry
from mcpguard.wire.framing import Dropped

__all__ = [
    "FATES",
    "SHOWN",
    "Batch",
    "Event",
    "Feed",
    "Passing",
    "Record",
    "Role",
    "Send",
    "Stop",
    "Told",
    "heard",
    "held",
    "list_fate",
    "missed",
    "outcome_of",
    "record_of",
]

SHOWN = 512
"""Characters of a target or a detail in a record."""

MAX_FINDINGS = 8
"""Findings of one decision that its record names."""


FATES = {
    Mode.ENFORCE: "blocked",
    Mode.FILTER_ONLY: "hidden, though filter-only lets it be used",
    Mode.AUDIT_ONLY: "let through, as audit-only blocks nothing",
}
"""What becomes of a denied item, as the sentence about it says it."""

_LIST_FATES = {
    Mode.ENFORCE: "stay blocked",
    Mode.FILTER_ONLY: "are not listed, though filter-only lets them be used",
    Mode.AUDIT_ONLY: "are not listed, though audit-only lets them be used",
}
"""Likewise, of the items of a list that cannot be verified."""


class Role(Enum):
    """What a line is: decides what goes out in its stead when its record cannot be written."""

    OWN = auto()
    """mcpguard's own words: always sent."""
    REQUEST = auto()
    """A host request for the server."""
    RESULT = auto()
    """A server's answer for the host."""
    SERVER_REQUEST = auto()
    """A server request for the host."""
    ANSWER = auto()
    """A host's answer for the server."""
    NOTICE = auto()
    """A notification, either way: dropped."""


Send: TypeAlias = tuple[Side, bytes, Role, Entry | None]
"""To whom; one whole line, newline included; what it is; the request it belongs to. A plain tuple:
a named one takes four times as long to make, and there is one for every message."""


Told: TypeAlias = JsonObject | Allowed
"""What a record says; of what was allowed without remark, three words."""

Record: TypeAlias = tuple[Told, bytes]
"""What the log is to say, and a call's encoded arguments, of which it keeps only a keyed digest."""


Passing: TypeAlias = tuple[Allowed, bytes, Side, bytes, Role, Entry]
"""A line that was allowed without remark, and nothing else is to be done: `Record` and `Send` in
one, as two and the lists they go into are a tenth of what such a line costs."""

Feed: TypeAlias = Callable[[bytes | Dropped, float], Passing | None]
"""Takes a line without its newline, or a piece of one that is over the limit, and the time. What
there is to do is in the `Batch`, unless it comes back."""


@dataclass(slots=True)
class Event:
    """Something a person should hear of, by name, with typed fields; `log` holds the sentences."""

    name: str
    fields: dict[str, str | int]
    level: str


@dataclass(slots=True)
class Stop:
    """The session must end with exit code `code`."""

    code: int
    why: str


class Batch:
    """Everything to do since the last `take`, in order."""

    __slots__ = ("events", "records", "sends", "stop")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.sends: list[Send] = []
        self.events: list[Event] = []
        self.stop: Stop | None = None

    def add(self, passing: Passing) -> None:
        """One more line that passes."""
        record, args, to, data, role, entry = passing
        self.records.append((record, args))
        self.sends.append((to, data, role, entry))

    def clear(self) -> None:
        """All of it is done."""
        self.records.clear()
        self.sends.clear()
        self.events.clear()
        self.stop = None


def list_fate(mode: Mode, *, verified: bool) -> str:
    """What becomes of the items of a list that cannot be verified. `verified`: an earlier was."""
    if verified and mode is Mode.ENFORCE:
        return "stay as they were verified before"
    return _LIST_FATES[mode]


def outcome_of(body: JsonObject) -> str:
    """The `outcome` of a record: `tool_error` for the tool's own `isError`, empty for others.

    The two that no result has: `error`, a JSON-RPC error; `asked`, one that asks for a person.
    `off_schema` is a result, passed on as it came, that its tool's `outputSchema` does not permit.
    """
    return "tool_error" if "isError" in body and body["isError"] is not False else ""


def record_of(
    allowed: Allowed, decision: Decision, outcome: str = "", *, stops: bool
) -> JsonObject:
    """The record of a decision that is more than a permission without remark.

    `outcome`: see `outcome_of`. `stops`: the mode holds its subject up.
    """
    record = allowed.fields()
    if decision.stage:  # a denial, or a permission with a rewrite
        record["stage"] = decision.stage
        record["rule"] = decision.rule
        record["reason"] = decision.reason
        record["detail"] = decision.detail[:SHOWN]
    if outcome:
        record["outcome"] = outcome
    elif not decision.stage and any(each.rule == OFF_SCHEMA for each in decision.findings):
        record["outcome"] = "off_schema"
    if decision.findings:
        _tell_findings(record, decision.findings)
    if not decision.allowed:
        record["decision"] = "deny" if stops else "would_deny"
    return record


def held(allowed: Allowed, wait: Wait) -> JsonObject:
    """The record of a call that waits for a person: which, and what holds it."""
    record = allowed.fields()
    record["decision"] = "hold"
    record["stage"] = wait.stage
    record["rule"] = f"{wait.stage}.{Reason.APPROVAL}"
    record["reason"] = Reason.WAITING
    record["detail"] = wait.detail[:SHOWN]
    return record


def heard(
    direction: str, said: Mapping[str, str | int], findings: Sequence[Finding]
) -> Iterator[Event]:
    """What a person should hear of the findings of one decision, whatever was decided.

    `said`: see `denial.said_of`.
    """
    if any(each.rule == CANARY for each in findings):
        yield Event("canary.seen", {"direction": direction, "method": said["method"]}, "error")
    for each in findings:
        if each.rule.startswith(REMARK) and each.severity is not Severity.INFO:
            remark = {"rule": each.rule[:SHOWN], "detail": each.message[:SHOWN]}
            yield Event("rule.warned", {**said, **remark}, "warning")


def missed(kind: ItemKind, names: Sequence[str], unoffered: Sequence[RequestKind]) -> list[Event]:
    """What a person should hear of locked items that the server does not list.

    `unoffered`: what the server was not told that it may ask for. Some list more where they may, so
    what is missing then is one sentence, which blames nobody.
    """
    if not names:
        return []
    if not unoffered:
        return [
            Event("item.missing", {"kind": kind.singular, "name": each}, "info") for each in names
        ]
    said: dict[str, str | int] = {"kind": kind.singular, "count": len(names)}
    said |= {"names": ", ".join(names)[:SHOWN], "unoffered": ", ".join(unoffered)}
    return [Event("items.unoffered", said, "info")]


def _tell_findings(record: JsonObject, findings: Sequence[Finding]) -> None:
    """The findings of a decision in its record, `MAX_FINDINGS` of them; and who approved it."""
    others = [each for each in findings if each.rule != APPROVED]
    if others:
        told = [f"{each.rule} {each.where}".rstrip() for each in others[:MAX_FINDINGS]]
        record["findings"] = [each[:SHOWN] for each in told]
    remarks = [each.message for each in findings if each.rule.startswith(REMARK)]
    if remarks:
        decided = [str(record["detail"])] if record.get("detail") else []
        record["detail"] = "; ".join(decided + remarks)[:SHOWN]
    for each in findings:
        if each.rule == APPROVED:
            record["approval"] = f"{each.where} {each.message}"[:SHOWN]
