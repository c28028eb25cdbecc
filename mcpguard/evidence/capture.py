"""What was said, in the record of the decision about it: redacted first, then cut.

The line that holds it is a line of the chain, so what was captured is as hard to change as what was
decided. Nothing of a session that captures nothing comes by here.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, cast

import orjson

from mcpguard.audit.record import Record, Told
from mcpguard.errors import AuditError, ScanError
from mcpguard.evidence.named import readable
from mcpguard.model import DOWN, UP, Allowed, Json, JsonObject
from mcpguard.scan import CONFIDENTIAL, Budget, find, redact
from mcpguard.scan.patterns import Patterns
from mcpguard.scan.redact import Hit, merged
from mcpguard.scan.sites import Span
from mcpguard.trust.policy import Glob
from mcpguard.wire.canonical import canonical
from mcpguard.wire.visible import printable

__all__ = ["MAX_LOOKED", "MAX_SHOWN", "Choice", "Witness", "brief", "params_hash"]

MAX_LOOKED = 64 * 1024
"""Bytes of JSON. What is larger is not looked through on a message's way (64 KiB of prose take ten
milliseconds), and what was not looked through is not shown: its size is."""

_BUDGET: Final = Budget(matches=500, hits=500)
"""Of one look: ten milliseconds of hostile text, during which no other call moves."""

MAX_SHOWN = 8 * 1024
"""Characters of one capture: escaped, and in UTF-8, at most 32 KiB of a line's 64."""

MAX_BRIEF = 400
"""Characters of arguments in a question: what a person reads before a click."""

MAX_KNOWN = 1024
"""Names of tools of which it is remembered whether they are captured."""

HASH, CAPTURED = "params_hash", "captured"
"""The fields that a record gets."""

_CALL = "tools/call"
_ABOUT: Final = ("direction", "method", "target")


class Writes(Protocol):
    """What records are written to."""

    def write(self, records: Sequence[Record]) -> None:
        """See `audit.AuditLog.write`."""

    def args_digest(self, encoded: bytes) -> str:
        """See `audit.AuditLog.args_digest`."""


class Choice:
    """Which tools, by globs. Asked for every call, so what was asked is remembered."""

    __slots__ = ("_globs", "_known")

    def __init__(self, globs: Sequence[str]) -> None:
        """Raises UsageError."""
        self._globs = tuple(map(Glob, globs))
        self._known: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._globs)

    def takes(self, tool: str) -> bool:
        """Whether `tool` is one of those."""
        known = self._known.get(tool)
        if known is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            known = self._known[tool] = any(glob.matches(tool) for glob in self._globs)
        return known


class Witness:
    """An audit log whose records say more. Stands between a session and its log.

    `arguments`: of which tools. `patterns`: the operator's own, which are taken out too. A record
    of a result that is to be captured comes with the whole line for the host, where one of a call
    comes with its arguments.
    """

    __slots__ = ("_arguments", "_evidence", "_log", "_patterns")

    def __init__(
        self,
        log: Writes,
        *,
        arguments: Choice,
        evidence: bool,
        patterns: Callable[[], Patterns | None],
    ) -> None:
        self._log = log
        self._arguments = arguments
        self._evidence = evidence
        self._patterns = patterns

    def write(self, records: Sequence[Record]) -> None:
        """See `audit.AuditLog.write`. No capture makes it fail, nor keeps a record out of the log.

        Evidence does: a call whose parameters cannot be hashed raises AuditError, and is denied.
        """
        self._log.write([self._told(*each) for each in records])

    @staticmethod
    def allow(_told: Allowed, _args: bytes) -> bool:
        """See `audit.AuditLog.allow`: no record is usual where more is said of each."""
        return False

    def _told(self, told: Told, encoded: bytes) -> Record:
        if type(told) is Allowed:  # nearly every one
            direction, method, target = told
        else:
            record = cast("JsonObject", told)
            direction, method, target = (str(record.get(key, "")) for key in _ABOUT)
            if record.get("stage") == "wire" and direction == UP:
                return told, encoded
        if direction == DOWN:
            more: JsonObject = {CAPTURED: self._result(encoded)} if encoded else {}
            return ({**_fields(told), **more}, b"") if more else (told, encoded)
        if (direction, method) != (UP, _CALL):
            return told, encoded
        more = self._of_call(target, encoded or b"{}")
        return ({**_fields(told), **more}, encoded) if more else (told, encoded)

    def _of_call(self, target: str, encoded: bytes) -> JsonObject:
        more: JsonObject = {}
        if self._evidence:
            more[HASH] = _hashed(encoded)
        if self._arguments.takes(target):
            more[CAPTURED] = self._shown("arguments", encoded)
        return more

    def _result(self, line: bytes) -> JsonObject:
        """Of the line that answers the host: its result, or its error."""
        try:
            message = orjson.loads(line)
            kind = "result" if "result" in message else "error"
            encoded = orjson.dumps(message[kind])
        except (ValueError, KeyError, TypeError):
            return _unread("result", len(line), "it is beyond what most readers of JSON take")
        return {**self._shown(kind, encoded), "digest": self._log.args_digest(encoded)}

    def _shown(self, kind: str, encoded: bytes) -> JsonObject:
        """`encoded` without what is confidential: `text`, and how much of it is not there."""
        if len(encoded) > MAX_LOOKED:
            return _unread(kind, len(encoded), f"more than {MAX_LOOKED} bytes")
        try:
            text, hits = _redacted(orjson.loads(encoded), self._patterns())
        except (ScanError, ValueError, RecursionError):
            return _unread(kind, len(encoded), "it cannot be looked through")
        cut = max(0, len(text) - MAX_SHOWN)
        told: JsonObject = {"what": kind, "text": text[:MAX_SHOWN], "size": len(encoded)}
        return {**told, "cut": cut, "redacted": hits}


def brief(arguments: JsonObject, patterns: Patterns | None) -> str:
    """A call's arguments for whoever has to decide about it: redacted as captures are, and short.

    Nothing in them is invisible. `patterns`: the operator's own, which are taken out too.
    """
    try:
        encoded = orjson.dumps(arguments)
        if len(encoded) > MAX_LOOKED:
            return f"{len(encoded)} bytes, too many to be shown"
        text = printable(_redacted(arguments, patterns)[0])
    except (ScanError, ValueError, TypeError, RecursionError):
        return "what cannot be shown"
    more = len(text) - MAX_BRIEF
    return text if more <= 0 else f"{text[:MAX_BRIEF]}... and {more} more characters"


def _redacted(value: Json, patterns: Patterns | None) -> tuple[str, int]:
    """`value` as JSON, and how many places are not in it any more.

    Deeds stay: they are what an investigator looks for. Looked through twice: as values, and as the
    text that a person reads.
    """
    seen, named = readable(value)
    hits = find(seen, CONFIDENTIAL, patterns, budget=_BUDGET)
    text = orjson.dumps(redact(seen, hits)).decode()
    again = find(text, CONFIDENTIAL, patterns, budget=_BUDGET)
    return str(redact(text, again)), named + _places(hits) + _places(again)


def _fields(told: Told) -> JsonObject:
    return told.fields() if isinstance(told, Allowed) else cast("JsonObject", told)


def _hashed(encoded: bytes) -> str:
    try:
        return params_hash(orjson.loads(encoded))
    except ValueError as error:
        raise AuditError(
            f"there is no hash of a call's parameters: {error}",
            hint="without it there is no evidence of the call: audit.evidence in mcpguard.yaml",
        ) from error


def _unread(kind: str, size: int, why: str) -> JsonObject:
    return {"what": kind, "text": "", "size": size, "cut": 0, "redacted": 0, "unread": why}


def _places(hits: Iterable[Hit]) -> int:
    """How many placeholders stand for `hits`: one for those that overlap."""
    spans: dict[int, list[Span]] = {}
    for hit in hits:
        spans.setdefault(hit.leaf, []).append(Span(hit.start, hit.end, hit.kind))
    return sum(len(merged(each)) for each in spans.values())


def params_hash(arguments: Json) -> str:
    """`sha256:` and the base64url SHA-256, unpadded, of the RFC 8785 form.

    CapiscIO RFC-006, section 7.2.1, says so. Integers beyond 2^53 are hashed as their digits: RFC
    8785 has no form for them. Raises ValueError for what it has none for either (NaN, lone
    surrogates).
    """
    made = hashlib.sha256(canonical(arguments)).digest()
    return "sha256:" + base64.urlsafe_b64encode(made).rstrip(b"=").decode()
