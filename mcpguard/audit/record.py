"""One audit record: fields in, the line's BODY bytes out.

The order of keys is fixed at the front (`v`, `seq`, `session`, `ts`, `server`, `principal`), so
that a line can be read by eye and the constant part is encoded once a session.
"""

import contextlib
import hashlib
import time
from binascii import hexlify
from collections.abc import Mapping
from typing import TypeAlias, cast

import orjson

from mcpguard.model import Allowed, Json, JsonObject

__all__ = [
    "BLANK",
    "CONTROL",
    "DECISIONS",
    "DOMAIN",
    "GENESIS",
    "HASH_KEY",
    "LINE_END",
    "MAX_BODY",
    "MAX_LINE",
    "VERSION",
    "Encoder",
    "Form",
    "Record",
    "Told",
    "carried",
    "changed",
    "link",
    "recorded",
    "seal",
]

Field: TypeAlias = "Json | bytes"
"""A record's value. What is no JSON, bytes included, is named in the line, never written."""

Told: TypeAlias = "Mapping[str, Field] | Allowed"
"""What a record says, beside what the log itself writes into it."""

Record: TypeAlias = tuple[Told, bytes]
"""What it says, and a call's encoded arguments: written as `args_digest`, never themselves."""

VERSION = 1
"""The `v` of every record. A reader refuses a number it does not know."""

DOMAIN = b"mcpguard audit v1\x00"
"""Bytes hashed before everything else, so no hash made for another purpose fits a line."""

GENESIS = hashlib.sha256(DOMAIN + b"genesis").digest()
"""32 bytes. What the first line of every log chains from. Guarantee: audit:first-line-covered."""

HASH_KEY = b',"hash":"'
LINE_END = b'"}\n'
SEAL_LENGTH = len(HASH_KEY) + 64 + len(LINE_END)
"""Bytes after BODY in every line, the newline included."""

_CARRIED = slice(-64 - len(LINE_END), -len(LINE_END))

MAX_BODY = 64 * 1024
"""Bytes. Beyond it long texts are cut: a peer must not fill the disk with one line."""

MAX_LINE = 512 * 1024
"""Bytes. No line is longer: 64 fields of `MAX_TEXT` characters, name and value, each escaped."""

MAX_TEXT = 512
"""Characters kept of a text in a record that is too long or not encodable."""

MAX_ITEMS = 64
"""Entries kept of a list or object in such a record."""

MAX_NESTING = 8
"""Levels kept of such a record; deeper values are named, not written."""

DECISIONS = ("allow", "deny", "would_deny", "drop", "note", "hold")
"""What a record's `decision` may be; of one that is an event it is empty."""

BLANK: JsonObject = {
    "level": 0,
    "score": 0,
    "direction": "",
    "method": "",
    "target": "",
    "decision": "",
    "stage": "",
    "rule": "",
    "reason": "",
    "mode": "",
    "approval": "none",
    "args_digest": "",
    "detail": "",
}
"""A decision record's fields, with what stands where the caller says nothing."""

CONTROL: Mapping[str, tuple[str, ...]] = {
    "control.block": ("kind", "name"),
    "control.unblock": ("kind", "name"),
    "control.budget": ("kind", "name"),
    "control.policy": ("glob", "policy"),
    "control.reload": ("old", "new"),
    "control.kill": ("scope",),
    "trust.reset": ("kind", "name"),
    "quarantine.release": ("name", "target", "digest", "admits"),
    "quarantine.drop": ("name", "target", "digest"),
    "canary.new": ("kind", "name", "into"),
    "canary.drop": ("kind", "name"),
    "approval.yes": ("caller", "target", "args_digest", "lock"),
    "approval.no": ("caller", "target", "args_digest", "lock"),
}
"""What a person changed, and the fields that say what. Every one also says `by`, `key`, `why`.

`by`: who, as the command knows it. `key`: the id of the approver key that signed it, or empty where
nothing must be signed; a `trust.reset` without one moves no score. `why`: the person's words.
`kind`: `principal`, `tool` or `server`; of `trust.reset` the role: `caller` or `server`. `name`:
which of them. `glob`, `policy`: whose, and the fields set, as JSON. `old`, `new`: digests of the
settings. `scope`: `session` or `all`. Of what was quarantined: the id, the tool or URI, what a
release is bound to, and `text`, or `retry` when one identical result may pass. Of a planted
credential: its kind and id, and the file. Of an approval: whose call of which tool with which
arguments behind which lockfile.
"""

FRONT = frozenset(("v", "seq", "session", "ts", "server", "principal", "hash", "args"))
"""Keys only the log itself writes, or nobody (`args`); a caller that passes one has a bug."""

MAX_DEPTH = 254
"""Levels of objects and lists in a line: no more are written, and what reads on may rely on it."""

MAX_KNOWN = 256
"""Decisions remembered in their encoded form. A session repeats a few of them."""

MAX_KNOWN_BODY = 1024
"""Bytes of one that is remembered, so that invented names fill at most 256 KiB."""

INT_BITS = 63
"""Bits of the largest integer a line holds as a number, sign apart; readers differ beyond it."""

_LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z, the last second RFC 3339 can write."""


def changed(event: str, *, by: str, key: str = "", why: str = "", **what: str) -> JsonObject:
    """The record of what a person changed. Raises ValueError for other fields than `CONTROL`'s."""
    if event not in CONTROL or what.keys() != set(CONTROL[event]):
        raise ValueError(f"{event} says {CONTROL.get(event)}, not {sorted(what)}")
    return {"event": event, "by": by, "key": key, "why": why, **what}


def carried(line: bytes) -> bytes:
    """The hash that a whole line carries, in hex; of no record, what stands in its place."""
    return line[_CARRIED]


def recorded(line: bytes) -> JsonObject:
    """The object in `line`; empty for what is none, or is nested deeper than a line is written."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return record if isinstance(record, dict) and not _deep(line, record) else {}


def _deep(line: bytes, record: JsonObject) -> bool:
    """Whether it has more than `MAX_DEPTH` levels, which its text rules out for all but a few."""
    if line.count(b"{") + line.count(b"[") <= MAX_DEPTH:
        return False
    level: list[JsonObject | list[Json]] = [record]
    for _ in range(MAX_DEPTH):
        inner = [each.values() if isinstance(each, dict) else each for each in level]
        level = [each for some in inner for each in some if isinstance(each, dict | list)]
    return bool(level)


def link(previous: bytes, body: bytes) -> bytes:
    """The 32-byte hash of a line: SHA-256(DOMAIN, `previous` (32 bytes), `body`). FIPS 180-4."""
    return hashlib.sha256(DOMAIN + previous + body).digest()


def seal(body: bytes, digest: bytes) -> bytes:
    """The whole line of `body`, newline included."""
    return b"".join((body, HASH_KEY, hexlify(digest), LINE_END))


class Form:
    """What the records of one decision say, in parts between what still changes.

    `parts`: four of them, as UTF-8. `times`: how many of the records their writer has not told of.
    """

    __slots__ = ("parts", "times")

    def __init__(self, parts: tuple[bytes, bytes, bytes, bytes]) -> None:
        self.parts = parts
        self.times = 0

    def text(self, seq: int, second: bytes, micros: int, args_digest: bytes) -> bytes:
        """BODY of record `seq` at this second and microsecond."""
        first, then, after, last = self.parts
        return b"%b%d%b%b%06d%b%b%b" % (first, seq, then, second, micros, after, args_digest, last)


class Encoder:
    """Encodes the records of one session.

    Holds what is constant, the last second's text, and the decisions that were written before, as
    forms of what still changes: seq, second, microsecond and the digest of the arguments.
    """

    __slots__ = ("_decision", "_event", "_second", "_second_text", "known")

    def __init__(
        self, *, session: str, server: str, principal: str, defaults: Mapping[str, Json]
    ) -> None:
        """`defaults` stand in for the fields a decision record does not name (level, mode...)."""
        who: JsonObject = {"session": session, "ts": "", "server": server, "principal": principal}
        self._event: dict[str, Field] = {"v": VERSION, "seq": 0, **who}
        self._decision: dict[str, Field] = {**self._event, **BLANK, **defaults}
        self.known: dict[Allowed, Form] = {}
        self._second = 0.0  # no integer: it is subtracted from a time for every record
        self._second_text = _second_text(0)

    def restate(self, level: int, score: int) -> None:
        """What decisions state from now on; the forms that state something else are forgotten."""
        if (self._decision["level"], self._decision["score"]) != (level, score):
            self._decision.update(level=level, score=score)
            self.known.clear()

    def body(self, seq: int, now: float, told: Told, args_digest: bytes = b"") -> bytes:
        """BODY of record `seq` at `now` (Unix seconds): no closing brace, no hash.

        A record with an `event` holds just its own fields; any other is a decision and holds all of
        `BLANK`, and `args_digest` if it is given. Raises ValueError for a key in `FRONT`.
        """
        if type(told) is not Allowed:
            return self._new(seq, now, cast("Mapping[str, Field]", told), args_digest)
        known = self.known.get(told)
        if known is None:
            self._remember(told)
            return self._new(seq, now, told.fields(), args_digest)
        past = now - self._second
        if 0.0 <= past < 1.0:
            return known.text(seq, self._second_text, int(past * 1e6), args_digest)
        return known.text(seq, *self._moment(now), args_digest)

    def read_back(self, told: Told) -> JsonObject:
        """What a reader finds in the record of `told`, but for its number, time and hash."""
        read: JsonObject = orjson.loads(self.body(0, 0.0, told) + b"}")
        return read

    def _new(self, seq: int, now: float, fields: Mapping[str, Field], args_digest: bytes) -> bytes:
        """`body` of a record written out."""
        if not FRONT.isdisjoint(fields):
            raise ValueError(f"the log itself writes {sorted(FRONT & fields.keys())}")
        record = (self._event if "event" in fields else self._decision).copy()
        record["seq"] = seq
        record["ts"] = self.stamp(now)
        record.update(fields)
        if args_digest:
            record["args_digest"] = args_digest.decode()
        return _text(record)[:-1]

    def _remember(self, told: Allowed) -> None:
        """Keep the form of a decision that may come again."""
        if len(self.known) >= MAX_KNOWN:
            self.known.clear()
        record = {**self._decision, **told.fields()}
        with contextlib.suppress(TypeError):  # a lone surrogate
            text = b"{" + b",".join(_member(key, value) for key, value in record.items())
            if len(text) <= MAX_KNOWN_BODY:
                first, then, after, last = text.split(_CHANGES)
                self.known[told] = Form((first, then, after, last))

    def stamp(self, now: float) -> str:
        """`now` as RFC 3339 in UTC with microseconds. A clock out of its range reads 1970."""
        return (b"%b%06dZ" % self._moment(now)).decode()

    def second(self, now: float) -> tuple[float, bytes]:
        """The whole second of `now`, and what stands before the microseconds in it."""
        self._moment(now)
        return self._second, self._second_text

    def _moment(self, now: float) -> tuple[bytes, int]:
        """The text of `now` up to its whole second, and the microseconds after that."""
        try:
            second = int(now)
        except (ValueError, OverflowError):
            second, now = 0, 0.0
        if second != self._second:
            self._second_text = _second_text(second)
            self._second = float(second)
        return self._second_text, int((now - second) * 1e6) % 1_000_000


_CHANGES = b"\0"
"""Stands in a form for what changes; no JSON holds one."""

_CHANGING = {"seq": b"\0", "ts": b'"\0Z"', "args_digest": b'"\0"'}
"""What changes, in this order."""


def _member(key: str, value: Field) -> bytes:
    """One member of a decision's form. Raises TypeError for what orjson does not write."""
    return orjson.dumps(key) + b":" + (_CHANGING.get(key) or orjson.dumps(value))


def _text(record: Mapping[str, Field]) -> bytes:
    """`record` as one JSON object, its long texts cut if it would be longer than `MAX_BODY`."""
    try:
        text = orjson.dumps(record)
    except TypeError:
        text = orjson.dumps(_plain(record, MAX_NESTING))
    if len(text) > MAX_BODY:
        text = orjson.dumps(_plain(record, MAX_NESTING))
    if len(text) > MAX_BODY:
        text = orjson.dumps(_plain(record, 1))
    return text


def _second_text(second: int) -> bytes:
    known = second if 0 <= second <= _LAST_SECOND else 0
    return time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(known)).encode()


def _plain(value: "Field | Mapping[str, Field]", depth: int) -> Json:
    """`value` cut to what a line has room for, in JSON's words; never raises, never loops."""
    match value:
        case list() | dict() if depth == 0:
            return "too deep to record"
        case list():
            return [_plain(item, depth - 1) for item in value[:MAX_ITEMS]]
        case dict():
            kept = list(value.items())[:MAX_ITEMS]
            return {_cut(key): _plain(item, depth - 1) for key, item in kept}
        case _:
            return _atom(value)


def _atom(value: object) -> Json:
    match value:
        case str():
            return _cut(value)
        case bool() | float() | None:
            return value
        case int():
            return value if value.bit_length() <= INT_BITS else f"{value.bit_length()}-bit integer"
        case _:
            return f"{type(value).__name__} not recorded"


def _cut(text: str) -> str:
    """At most `MAX_TEXT` characters, the rest counted; lone surrogates become U+FFFD."""
    kept = text[:MAX_TEXT].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    more = len(text) - MAX_TEXT
    return kept if more <= 0 else f"{kept}... ({more} more characters)"
