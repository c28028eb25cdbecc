"""Proofs about a signed log for somebody who has neither the log nor mcpguard's word.

An inclusion proof shows that one record is in what a checkpoint signs, and nothing of any other. A
consistency proof shows that the log of a later checkpoint begins with all of an earlier one's, so
that nothing was taken back in between.
"""

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import orjson

from mcpguard.audit.checkpoint import Checkpoint, Keys, payload, read_checkpoint
from mcpguard.audit.merkle import Leaves, consistency, consistent, included, inclusion
from mcpguard.audit.record import SEAL_LENGTH, carried, link, seal
from mcpguard.audit.verify import begin_of, parts_of, read_lines
from mcpguard.errors import AuditError
from mcpguard.identity.roster import holds
from mcpguard.model import Json, JsonObject

__all__ = ["FORMAT", "Answer", "check", "prove_consistency", "prove_inclusion"]

FORMAT = "mcpguard audit proof v1"
"""What the `format` of every proof says."""

MAX_STEPS = 128
"""Hashes of a path: twice what 2^53 records take."""

SHORTEST = 8
"""Hexadecimal digits of a record's hash by which it may be named."""


class Answer(NamedTuple):
    """Whether a proof holds, in a sentence. `signed`: a key that was given made the signature."""

    holds: bool
    signed: bool
    told: str


class _Read(NamedTuple):
    """What one reading of a log gives for proofs of it."""

    leaves: Leaves
    checkpoints: list[Checkpoint]
    record: bytes
    seq: int
    previous: bytes


def prove_inclusion(path: Path, name: str) -> JsonObject:
    """The proof that the record named `name` is in the newest checkpoint of the log at `path`.

    `name`: its number, or the first digits of its hash (8 at least). Raises AuditError when there
    is no such record, no checkpoint covers it, or the log is not as it was written.
    """
    wanted = _wanted(name)
    found = _read(path, wanted)
    if not found.record:
        raise AuditError(
            f"{path}: there is no record {name}", hint="see them with: mcpguard audit show"
        )
    newest = max((each for each in found.checkpoints), key=lambda each: each.size, default=None)
    if newest is None or newest.size < found.seq:
        raise AuditError(
            f"{path}: no checkpoint covers record {found.seq} yet",
            hint="a session signs once a minute and at its end: try again then",
        )
    with _broken(path):
        proof: JsonObject = {
            "format": FORMAT,
            "kind": "inclusion",
            "record": found.record[:-1].decode(),
            "previous": found.previous.hex(),
            "path": [each.hex() for each in inclusion(found.leaves, found.seq - 1, newest.size)],
            "checkpoint": _as_json(newest),
        }
    return _sound(path, proof)


def prove_consistency(path: Path, first: int, second: int) -> JsonObject:
    """The proof between the checkpoints of `first` and `second` records; 0 for the newest.

    Raises AuditError when there is no such checkpoint or the log is not as it was written.
    """
    found = _read(path, lambda _seq, _line: False)
    known = {each.size: each for each in found.checkpoints}
    second = second or max(known, default=0)
    for size in (first, second):
        if size not in known:
            sizes = ", ".join(map(str, sorted(known)[-12:])) or "none"
            raise AuditError(
                f"{path}: there is no checkpoint of {size} records",
                hint=f"the newest are of: {sizes}",
            )
    if first > second:
        raise AuditError(f"{path}: {first} records are more than {second}", hint="exchange them")
    with _broken(path):
        proof: JsonObject = {
            "format": FORMAT,
            "kind": "consistency",
            "old": _as_json(known[first]),
            "new": _as_json(known[second]),
            "path": [each.hex() for each in consistency(found.leaves, first, second)],
        }
    return _sound(path, proof)


def _wanted(name: str) -> Callable[[int, bytes], bool]:
    digits = name.lower()
    if name.isascii() and name.isdigit() and len(name) < 2 * SHORTEST:
        number = int(name)
        return lambda seq, _line: seq == number
    if len(digits) >= SHORTEST and set(digits) <= set("0123456789abcdef"):
        start = digits.encode()
        return lambda _seq, line: carried(line).startswith(start)
    raise AuditError(
        f"{name!r} names no record", hint="give its number (seq), or the first digits of its hash"
    )


def _read(path: Path, wanted: Callable[[int, bytes], bool]) -> _Read:
    parts = parts_of(path)
    seam = begin_of(parts[0])
    if seam.tree is None:
        raise AuditError(
            f"{parts[0]}: nothing tells of the records before it",
            hint="name a log whose earlier parts are there",
        )
    leaves, previous, seq = Leaves(seam.tree), seam.digest, seam.seq
    found: tuple[bytes, int, bytes] = (b"", 0, b"")
    checkpoints: list[Checkpoint] = []
    for line in _lines(parts):
        seq += 1
        if not found[0] and wanted(seq, line):
            found = line, seq, previous
        with _broken(path):
            told = read_checkpoint(orjson.loads(line)) if _MARK in line else None
            previous = _digest(carried(line).decode("ascii"))
        checkpoints += [told] if told else []
        leaves.add(previous)
    return _Read(leaves, checkpoints, *found)


@contextmanager
def _broken(path: Path) -> Iterator[None]:
    """What does not fit together is an AuditError: the log is not as it was written."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise AuditError(
            f"{path}: nothing can be proved with this log: it is not as it was written",
            hint=f"run: mcpguard audit verify {path}",
        ) from error


_MARK = b'"event":"audit.c'
"""In every line that may hold a checkpoint, and few others."""


def _lines(parts: Sequence[Path]) -> Iterator[bytes]:
    for part in parts:
        yield from read_lines(part)


def _as_json(checkpoint: Checkpoint) -> JsonObject:
    told = checkpoint.fields()
    del told["peaks"]
    return told


def _sound(path: Path, proof: JsonObject) -> JsonObject:
    """`proof`, if it shows what it says: it does not when the log was changed."""
    answer = check(proof)
    if not answer.holds:
        raise AuditError(
            f"{path}: nothing can be proved with this log: {answer.told}",
            hint=f"run: mcpguard audit verify {path}",
        )
    return proof


# --- without the log -----------------------------------------------------------------------------


def check(proof: Json, keys: Keys | None = None) -> Answer:
    """Whether `proof` holds, with a signature by one of `keys` where these are given.

    Needs nothing else. Raises AuditError for what is no proof at all.
    """
    try:
        told = _object(proof)
        kind = f"{_text(told, 'format')}: {_text(told, 'kind')}"
        return _CHECKS[kind](told, keys)
    except (ValueError, KeyError, TypeError) as error:
        raise AuditError(
            f"not a proof that can be read: {error}",
            hint="make one with: mcpguard audit prove FILE RECORD",
        ) from error


def _check_inclusion(told: JsonObject, keys: Keys | None) -> Answer:
    line = _text(told, "record").encode() + b"\n"
    previous = _hash(told, "previous")
    body = line[:-SEAL_LENGTH]
    digest = link(previous, body)
    record = orjson.loads(line)
    seq = record.get("seq") if isinstance(record, dict) else None
    size, root, _ = _mark(told, "checkpoint")
    if line != seal(body, digest) or type(seq) is not int:
        return Answer(False, False, "the record is not what its hash says")
    if not included(digest, seq - 1, size, _path(told), root):
        return Answer(False, False, f"record {seq} is not in the checkpoint of {size} records")
    what = f"record {seq} is one of the first {size} records of the log, as it stands here"
    return _signed(told, ("checkpoint",), keys, what)


def _check_consistency(told: JsonObject, keys: Keys | None) -> Answer:
    old, old_root, _ = _mark(told, "old")
    new, new_root, _ = _mark(told, "new")
    if not consistent(old, new, old_root, new_root, _path(told)):
        return Answer(False, False, f"the log of {new} records does not begin with those {old}")
    what = f"the log of {new} records begins with the same {old} records"
    return _signed(told, ("old", "new"), keys, what)


_CHECKS = {
    f"{FORMAT}: inclusion": _check_inclusion,
    f"{FORMAT}: consistency": _check_consistency,
}
"""What a proof says that it is, and what it then has to show."""


def _signed(told: JsonObject, names: tuple[str, ...], keys: Keys | None, what: str) -> Answer:
    if keys is None:
        return Answer(True, False, what)
    for name in names:
        size, root, (key, signature) = _mark(told, name)
        if key not in keys:
            return Answer(False, False, f"signed with {key[:40]!a}, no key that was given")
        if not holds(keys[key], payload(size, root), signature):
            return Answer(False, False, f"the signature over {size} records is not that key's")
    return Answer(True, True, what)


class _Mark(NamedTuple):
    """A checkpoint without its peaks."""

    size: int
    root: bytes
    by: tuple[str, bytes]


def _mark(told: JsonObject, name: str) -> _Mark:
    """Raises ValueError."""
    given = _object(told[name])
    size = given["size"]
    if type(size) is not int:
        raise ValueError(f"{name}.size is no number")
    signature = base64.b64decode(_text(given, "signature"), validate=True)
    return _Mark(size, _hash(given, "root"), (_text(given, "key"), signature))


def _object(value: Json) -> JsonObject:
    if not isinstance(value, dict):
        raise TypeError("it is no object")
    return value


def _text(told: JsonObject, key: str) -> str:
    value = told[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is no text")
    return value


def _hash(told: JsonObject, key: str) -> bytes:
    return _digest(_text(told, key))


def _digest(value: Json) -> bytes:
    made = bytes.fromhex(value) if isinstance(value, str) else b""
    if len(made) != len(link(b"", b"")):
        raise ValueError("not a hash of 32 bytes")
    return made


def _path(told: JsonObject) -> list[bytes]:
    given = told["path"]
    if not isinstance(given, list) or len(given) > MAX_STEPS:
        raise ValueError("path is no list of hashes")
    return [_digest(each) for each in given]
