"""Evidence of calls, made of the audit log: one piece for each attempt.

The fields are those of CapiscIO RFC-006 (tool invocation), section 7.2.

Nothing is kept for it beside the log. A record of a session that has evidence switched on holds the
one thing that could not be had later, the hash of the parameters; all else it says anyway. So what
is made twice of the same log is the same, and each piece names its record by number and hash.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Final, NamedTuple

import orjson

from mcpguard.evidence.capture import HASH
from mcpguard.model import UP, Json, JsonObject, Reason

__all__ = ["CODES", "EVENT", "SCHEMA", "Compared", "Reader", "compare", "evidence_of"]

EVENT = "capiscio.tool_invocation"
SCHEMA = "capiscio:rfc-006:tool-invocation:v0.4"
"""Of the record's fields. Readers of the same major version take what a later minor one adds."""

UNKNOWN = "unknown"
"""The policy's version when the record of the session's start is not in the log any more."""

CODES: Final[Mapping[str, str]] = {
    Reason.NOT_LOCKED: "TOOL_NOT_FOUND",
    Reason.NOT_LISTED: "TOOL_NOT_FOUND",
    Reason.NO_PRINCIPAL: "TOOL_AUTH_MISSING",
    Reason.TRUST_SCORE: "TOOL_TRUST_INSUFFICIENT",
    Reason.TRUST_LEVEL: "TOOL_TRUST_INSUFFICIENT",
    Reason.TRUST_TIER: "TOOL_TRUST_INSUFFICIENT",
    Reason.CAPABILITY: "TOOL_SCOPE_INSUFFICIENT",
    Reason.SCOPE: "TOOL_SCOPE_INSUFFICIENT",
}
"""Reason -> `capiscio.deny_reason`; any other is `REFUSED`."""

REFUSED = "TOOL_POLICY_DENIED"

_DECIDED: Final = frozenset({"allow", "deny", "would_deny"})
_BADGE = 2
"""Level that only a badge gives (DESIGN, section 7)."""

_OWN = "mcpguard.audit."
"""What the fields begin with that name the record."""


class Reader:
    """Reads a log's records in order and gives the evidence of the calls among them.

    `log`: its file's name, in every piece. What a session said at its start holds for the records
    of that session, until somebody changed it.
    """

    def __init__(self, log: str) -> None:
        self._log = log
        self._sessions: dict[str, _Said] = {}

    def read(self, records: Iterable[JsonObject]) -> Iterator[JsonObject]:
        """The evidence in `records`."""
        for record in records:
            session = _text(record, "session")
            said = self._sessions.get(session, _NOTHING)
            if "event" in record:
                self._event(session, said, record)
            elif _is_attempt(record) and (HASH in record or said.evidence):
                yield evidence_of(record, self._log, said.policy, said.lock)

    def _event(self, session: str, said: "_Said", record: JsonObject) -> None:
        event = record["event"]
        if event == "session.start":
            on = record.get("evidence") is True
            policy = _text(record, "policy") or UNKNOWN
            self._sessions[session] = _Said(on, policy, _text(record, "lock"))
        elif event == "control.reload":
            self._sessions[session] = said._replace(policy=_text(record, "new") or UNKNOWN)
        elif event == "control.policy":
            policy = f"{said.policy}+{record.get('seq')}"
            self._sessions[session] = said._replace(policy=policy)
        elif event == "session.end":
            self._sessions.pop(session, None)


class _Said(NamedTuple):
    """What a session says of itself."""

    evidence: bool
    policy: str
    lock: str


_NOTHING: Final = _Said(False, UNKNOWN, "")


def _is_attempt(record: JsonObject) -> bool:
    """Whether it decides a call of a tool, one that broke a rule of the wire included."""
    way = record.get("direction"), record.get("method")
    return way == (UP, "tools/call") and _text(record, "decision") in _DECIDED


def evidence_of(record: JsonObject, log: str, policy: str, lock: str) -> JsonObject:
    """The evidence that `record` of the log `log` is.

    `policy`, `lock`: digests of the settings and of the lockfile it was decided by. A call that
    `filter-only` or `audit-only` let pass was executed, so it is no DENY: `mcpguard.would_deny`.
    """
    denied, seq = record.get("decision") == "deny", record.get("seq")
    told: JsonObject = {
        "schema": SCHEMA,
        "id": f"{_text(record, 'session')}-{seq}",
        "timestamp": _text(record, "ts"),
        "event.name": EVENT,
        "capiscio.agent.did": _text(record, "principal"),
        "capiscio.auth.level": _auth(record),
        "capiscio.target": _text(record, "target"),
        "capiscio.policy_version": policy,
        "capiscio.policy.decision_id": f"{_text(record, 'session')}-{seq}",
        "capiscio.decision": "DENY" if denied else "ALLOW",
    }
    if HASH in record:
        told["capiscio.tool.params_hash"] = record[HASH]
    if denied:
        told["capiscio.deny_reason"] = CODES.get(_text(record, "reason"), REFUSED)
    told["trust_level"] = record.get("level", 0)
    told["server_origin"] = _text(record, "server")
    if record.get("decision") == "would_deny":
        told["mcpguard.would_deny"] = True
    for name, value in (("rule", record.get("rule")), ("lock", lock)):
        if value:
            told[f"mcpguard.{name}"] = value
    own: JsonObject = {"log": log, "seq": seq, "hash": _text(record, "hash")}
    return told | {f"{_OWN}{key}": value for key, value in own.items()}


def _auth(record: JsonObject) -> str:
    """How the caller was proved. An operator's profile is nothing that a caller shows."""
    level = record.get("level")
    badge = type(level) is int and level >= _BADGE
    return "badge" if badge else "anonymous"


def _text(record: Mapping[str, Json], key: str) -> str:
    value = record.get(key, "")
    return value if isinstance(value, str) else ""


class Compared(NamedTuple):
    """`given` and `made`: how many pieces there were. `wrong`: how many of `given` do not fit.

    `told`: a sentence for each of the first ones.
    """

    given: int
    made: int
    wrong: int
    told: tuple[str, ...]


def compare(given: Iterable[Json], made: Callable[[], Iterable[JsonObject]], most: int) -> Compared:
    """Whether the evidence `given` is what the log gives, all or some, each once, in its order.

    `made`: all evidence of that log, which was verified before; asked twice, and of neither is more
    kept than a digest a piece. `most`: how many sentences are wanted.
    """
    marks = {str(each["id"]): (place, _mark(each)) for place, each in enumerate(made(), 1)}
    wrong: list[tuple[int, JsonObject]] = []
    number = count = last = 0
    for number, each in enumerate(given, 1):
        told = each if isinstance(each, dict) else {}
        place, mark = marks.get(_text(told, "id"), (0, b""))
        if place > last and mark == _mark(told):
            last = place
        else:
            count += 1
            wrong += [(number, told)] * (count <= most)
    names = {_text(told, "id") for _, told in wrong}.intersection(marks)
    ours = {str(each["id"]): each for each in made() if each["id"] in names} if names else {}
    return Compared(number, len(marks), count, tuple(_difference(*each, ours) for each in wrong))


def _difference(number: int, told: JsonObject, made: Mapping[str, JsonObject]) -> str:
    name = _text(told, "id")
    ours = made.get(name)
    if ours is None:
        return f"piece {number}: there is no such call in the log: {name[:80]!a}"
    every = ours.keys() | told.keys()
    keys = sorted(key for key in every if _mark(ours.get(key)) != _mark(told.get(key)))
    if not keys:
        return f"piece {number}: record {ours[_OWN + 'seq']} stands here again, or out of its order"
    return f"piece {number}: not what record {ours[_OWN + 'seq']} says: {', '.join(keys)}"


def _mark(value: Json) -> bytes:
    """The same of what is written the same; nothing for what no piece holds."""
    try:
        return blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=32).digest()
    except TypeError:  # nested too deep, half a character, an integer beyond 64 bits
        return b""
