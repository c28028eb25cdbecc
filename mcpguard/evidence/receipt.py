"""Receipts: what a command did and how it ended, also when the answer was no. Signed and chained.

A line is the receipt's RFC 8785 form, so there is one way to write it. Each is signed alone, and
names the hash of the line before: one that was changed, taken out or moved shows by itself. The
head, signed too and written behind every line, shows that the last ones were cut off.
"""

import base64
import binascii
import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

import orjson

import mcpguard
from mcpguard.audit.checkpoint import Keys
from mcpguard.errors import ScanError
from mcpguard.identity.roster import holds
from mcpguard.model import Json, JsonObject
from mcpguard.scan import DETECTORS, find, redact
from mcpguard.wire.canonical import canonical

__all__ = [
    "GENESIS",
    "MAX_LINE",
    "STATUSES",
    "VERSION",
    "Draft",
    "Head",
    "Problem",
    "Report",
    "digest_of",
    "examine",
    "faults",
    "head_line",
    "line_of",
    "read_head",
    "read_line",
    "schema_text",
    "stamp",
    "whole",
]

VERSION = "2.0"

MAX_LINE = 512 * 1024
"""Bytes. 64 rules and 64 files, of 512 characters each in four bytes, are most of it."""

MAX_TEXT = 512
"""Characters of a text in a receipt."""

MAX_ITEMS = 64
"""Entries of a list in one."""

_DOMAIN = b"mcpguard receipt v2\0"
_HEAD_DOMAIN = b"mcpguard receipts head v2\0"
"""What is signed begins so: a signature over one is one over nothing else."""

GENESIS: Final = "sha256:" + hashlib.sha256(_DOMAIN + b"genesis").hexdigest()
"""What the first receipt of every log follows."""

_SECRETS: Final = (DETECTORS["secrets"],)
_STATUS: Final[Mapping[int, str]] = {0: "pass", 1: "fail"}
STATUSES: Final = (*_STATUS.values(), "error", "interrupted")
"""What a receipt's `result.status` may be."""

_INTERRUPTED = range(129, 160)
"""128 + n after signal n."""


class Draft:
    """A receipt that is being made. `facts`: the schema's own members, such as `lockfile`."""

    def __init__(self, command: str, begun: datetime) -> None:
        self.command = command
        self.begun = begun
        self.op_id = str(uuid.uuid4())
        self.facts: JsonObject = {}

    def ended(self, code: int, at: datetime, *, error: str = "", status: str = "") -> JsonObject:
        """All but its place in a log. `error`: the kind. `status`: if not as `code` says."""
        told = status or _STATUS.get(code, "interrupted" if code in _INTERRUPTED else "error")
        result: JsonObject = {"status": told, "exit_code": code}
        if error:
            result["error"] = error
        return {
            **{key: clean(value) for key, value in self.facts.items()},
            "schema_version": VERSION,
            "op_id": self.op_id,
            "ts_start": stamp(self.begun),
            "ts_end": stamp(at),
            "command": self.command,
            "mcpguard_version": mcpguard.__version__,
            "result": result,
        }


def stamp(at: datetime) -> str:
    """RFC 3339 in UTC, with microseconds."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def clean(value: Json) -> Json:
    """`value` with short texts, and without credentials: a path or a name may hold one."""
    if isinstance(value, dict):
        return {key: clean(each) for key, each in value.items()}
    if isinstance(value, list):
        return [clean(each) for each in value[:MAX_ITEMS]]
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> str:
    kept = "".join(char if char.isprintable() else "\ufffd" for char in text)
    try:
        left = str(redact(kept, find(kept, _SECRETS)))
    except ScanError:
        return "[not looked through]"
    return left if len(left) <= MAX_TEXT else left[: MAX_TEXT - 3] + "..."


# --- lines ---------------------------------------------------------------------------------------


def whole(
    body: JsonObject, seq: int, previous: str, signer: str, sign: Callable[[bytes], bytes]
) -> JsonObject:
    """The receipt `body` in its place. `signer`: the id of the key that `sign` signs with."""
    receipt: JsonObject = {**body, "seq": seq, "previous": previous, "signer": signer}
    return {**receipt, "signature": base64.b64encode(sign(_payload(receipt))).decode()}


def _payload(receipt: JsonObject) -> bytes:
    return _DOMAIN + canonical({key: receipt[key] for key in receipt if key != "signature"})


def line_of(receipt: JsonObject) -> bytes:
    """Its line, newline included."""
    return canonical(receipt) + b"\n"


def digest_of(line: bytes) -> str:
    """What the next receipt names: `sha256:` and 64 hex digits."""
    return "sha256:" + hashlib.sha256(_DOMAIN + line).hexdigest()


def read_line(line: bytes) -> JsonObject | None:
    """The receipt in `line`, if that is exactly what is written of it; its truth is another matter.

    None for anything else.
    """
    try:
        receipt = orjson.loads(line)
        same = isinstance(receipt, dict) and line_of(receipt) == line
    except (ValueError, RecursionError):
        return None
    if not same or "previous" not in receipt:
        return None
    seq = receipt.get("seq")
    return receipt if type(seq) is int and seq > 0 else None


class Head(NamedTuple):
    """How far a log went: `seq` receipts, the last with the hash `digest`. Signed by `signer`."""

    seq: int
    digest: str
    signer: str
    signature: bytes

    def payload(self) -> bytes:
        """What is signed."""
        return _HEAD_DOMAIN + b"%d\n%s\n" % (self.seq, self.digest.encode())


def head_line(seq: int, digest: str, signer: str, sign: Callable[[bytes], bytes]) -> bytes:
    """The content of the head's file."""
    made = sign(Head(seq, digest, signer, b"").payload())
    told: JsonObject = {"seq": seq, "hash": digest, "signer": signer}
    return canonical({**told, "signature": base64.b64encode(made).decode()}) + b"\n"


def read_head(data: bytes) -> Head | None:
    """The head in `data`; None when that is none."""
    try:
        told = orjson.loads(data)
        seq, digest, signer = told["seq"], told["hash"], told["signer"]
        signature = base64.b64decode(told["signature"], validate=True)
    except (ValueError, KeyError, TypeError):
        return None
    sound = type(seq) is int and seq >= 0 and isinstance(digest, str) and isinstance(signer, str)
    return Head(seq, digest, signer, signature) if sound else None


# --- what is wrong -------------------------------------------------------------------------------


class Problem(NamedTuple):
    """One thing that is wrong. `line`: from 1; 0: with the log as a whole. `what`: in one word."""

    line: int
    what: str
    message: str


class Report(NamedTuple):
    """`receipts`: those that are signed, in the order of the file."""

    receipts: tuple[JsonObject, ...]
    problems: tuple[Problem, ...]
    head: str


class _Line(NamedTuple):
    number: int
    receipt: JsonObject | None
    fault: str
    digest: str

    @property
    def seq(self) -> int:
        """Its number; 0 when nobody signed it."""
        seq = self.receipt["seq"] if self.receipt and not self.fault else 0
        return seq if isinstance(seq, int) else 0

    @property
    def previous(self) -> Json:
        return self.receipt["previous"] if self.receipt else None


def examine(
    lines: Sequence[bytes], keys: Keys, head: Head | None, known: tuple[int, str] | None = None
) -> Report:
    """What is wrong with a log of receipts, each thing named.

    `keys`: who may have signed. `head`: what the head's file holds. `known`: number and hash of a
    receipt, kept elsewhere.
    """
    read = [_read(number, line, keys) for number, line in enumerate(lines, 1)]
    sound = [each for each in read if each.seq]
    problems = [*_in_order(read), *_shapes(sound)]
    digests = {each.seq: each.digest for each in sound}
    last = max(digests, default=0)
    if lines or head is not None:
        problems += _at_end(head, keys, digests)
    if known is not None:
        problems += _against(known, digests)
    problems.sort()
    receipts = tuple(each.receipt for each in sound if each.receipt is not None)
    return Report(receipts, tuple(problems), f"{last}:{digests.get(last, GENESIS)}")


def _read(number: int, line: bytes, keys: Keys) -> _Line:
    receipt = read_line(line)
    digest = digest_of(line)
    if receipt is None:
        return _Line(number, None, "it is not what is written of a receipt", digest)
    return _Line(number, receipt, _unsigned(receipt, keys), digest)


def _unsigned(receipt: JsonObject, keys: Keys) -> str:
    """Why it is signed by none of `keys`, or empty."""
    signer, given = receipt.get("signer"), receipt.get("signature")
    if not isinstance(signer, str) or not isinstance(given, str):
        return "it is not signed"
    public = keys.get(signer)
    if public is None:
        return f"it is signed with {signer[:40]!a}, no key that was given"
    try:
        signature = base64.b64decode(given, validate=True)
    except binascii.Error:
        signature = b""
    sound = holds(public, _payload(receipt), signature)
    return "" if sound else "its signature is not of what it says"


def _in_order(read: Sequence[_Line]) -> Iterator[Problem]:
    digests = {each.seq: each.digest for each in read if each.seq} | {0: GENESIS}
    seen: set[int] = set()
    wanted = 1
    for each in read:
        if not each.seq:
            told = f"receipt {wanted}" if wanted not in digests else "a line between two receipts"
            yield Problem(each.number, "changed", f"changed: {told}: {each.fault}")
            wanted += wanted not in digests
            continue
        if each.seq < wanted:
            what = "repeated" if each.seq in seen else "reordered"
            yield Problem(each.number, what, f"{what}: receipt {each.seq} stands here")
        elif gone := _gone(wanted, each.seq, digests):
            yield Problem(each.number, "removed", f"removed: {_span(gone)} before this line")
        if each.previous != digests.get(each.seq - 1, each.previous):
            told = f"receipt {each.seq} follows another receipt {each.seq - 1}"
            yield Problem(each.number, "forked", f"forked: {told}")
        seen.add(each.seq)
        wanted = max(wanted, each.seq + 1)


def _gone(wanted: int, seq: int, digests: Mapping[int, str]) -> range:
    """From the first to the last receipt that is missing in `wanted` up to `seq`.

    Counts what the file holds, not up to a number that it names.
    """
    first, last = wanted, seq - 1
    while first < seq and first in digests:
        first += 1
    while last > first and last in digests:
        last -= 1
    return range(first, last + 1)


def _span(gone: Sequence[int]) -> str:
    first, last = gone[0], gone[-1]
    return f"receipt {first}" if first == last else f"receipts {first} to {last}"


def _shapes(sound: Sequence[_Line]) -> Iterator[Problem]:
    for each in sound:
        for fault in faults(each.receipt)[:1]:
            yield Problem(each.number, "shape", f"no receipt of version {VERSION}: {fault}")


def _at_end(head: Head | None, keys: Keys, digests: Mapping[int, str]) -> Iterator[Problem]:
    if head is None:
        yield Problem(0, "headless", "headless: the file that says how far the log went is gone")
        return
    public = keys.get(head.signer)
    if public is None or not holds(public, head.payload(), head.signature):
        yield Problem(0, "forged", "forged: none of the keys signed how far the log went")
        return
    yield from _against((head.seq, head.digest), digests)


def _against(known: tuple[int, str], digests: Mapping[int, str]) -> Iterator[Problem]:
    seq, digest = known
    last = max(digests, default=0)
    if seq > last:
        gone = _span(range(last + 1, seq + 1))
        yield Problem(0, "truncated", f"truncated: {gone} cut off the end")
    elif seq and digests.get(seq, digest) != digest:
        yield Problem(0, "forked", f"forked: receipt {seq} is not the one that is known")


# --- the schema ----------------------------------------------------------------------------------


@cache
def schema_text() -> str:
    """The JSON Schema (2020-12) of a receipt."""
    from importlib.resources import files  # 5 ms, for who asks for it

    return (files("mcpguard.evidence") / "schema.json").read_text("utf-8")


@cache
def _validator() -> Any:  # noqa: ANN401 - jsonschema-rs says no more
    import jsonschema_rs  # 17 ms, for who verifies

    return jsonschema_rs.validator_for(orjson.loads(schema_text()))


def faults(receipt: Json) -> list[str]:
    """Where `receipt` is not of the schema; a few words each, none of its own."""
    found = _validator().iter_errors(receipt)
    return ["/" + "/".join(map(str, each.instance_path)) for each in found]
