"""What is done for every record, in Python: what it is is said here."""

import os
from binascii import hexlify
from collections.abc import Callable, Sequence
from hashlib import blake2b, sha256
from typing import TypeAlias

from mcpguard.audit.record import DOMAIN, HASH_KEY, LINE_END, Form, Record
from mcpguard.audit.sync import Syncer
from mcpguard.model import Allowed

__all__ = [
    "BEGUN",
    "COMPILED",
    "DOMAIN",
    "HASH",
    "HASH_KEY",
    "KEYED",
    "LEAF",
    "LINE_END",
    "LONG_ARGS",
    "NEVER",
    "NODE",
    "Allowed",
    "Chained",
    "FastPath",
    "perfect",
]

COMPILED = "67cec9b2cf9ead69351dd093871870e5dd98507f0b0a16707f7a5ef3fda365fe"
"""SHA-256 of compiled.c, in hex. What was built of another one, and left beside it, is not used."""

BEGUN = sha256(DOMAIN)
"""What every line's hash begins with; a copy of it is made faster than a new one."""

KEYED = b"blake2b-keyed:"
"""Stands before the digest of arguments."""

LONG_ARGS = 64 * 1024
"""Bytes of arguments from which SHA-256, for which processors have instructions, goes over them
first: BLAKE2b alone takes 3 ms a megabyte, four times as long. They take the long way."""

NEVER = float("inf"), float("-inf")
"""No moment: the next write looks first."""

LEAF, NODE = b"\0", b"\1"
"""What is hashed first in the tree over a log, so that no leaf can be taken for a node. RFC 6962
section 2.1."""

HASH = sha256().digest_size
"""Bytes of a leaf, and of a node."""

Chained: TypeAlias = tuple[bytes, bytes, bytes]
"""Lines, the hash of the last, and those of all in hex."""

_LINE = b"%b" + HASH_KEY + b"%b" + LINE_END
"""BODY and hash as one line."""


class FastPath:
    """Where a log stands, as far as the usual record asks. `AuditLog` is one, and sets all of it.

    `seq`, `now`: of the last record that was written. `_second`, `_second_text`: a whole second,
    and its text. `_since`, `_until`: seconds after it between which nothing has to be looked at
    before a write. `_long`: the number of the next record that takes the long way. `_forms`: what
    was written before; `_told`: what was written here since `AuditLog.tell`. `_fresh`: the hashes
    of the lines in hex, while they are `_tracked`. `_excess`: bytes that a short write left.
    """

    __slots__ = (
        "_clock",
        "_excess",
        "_fd",
        "_forms",
        "_fresh",
        "_grouped",
        "_keyed",
        "_long",
        "_previous",
        "_second",
        "_second_text",
        "_since",
        "_size",
        "_told",
        "_tracked",
        "_until",
        "now",
        "seq",
        "syncer",
    )

    _clock: Callable[[], float]
    _excess: int
    _fd: int
    _forms: dict[Allowed, Form]
    _fresh: bytearray
    _grouped: bool
    _keyed: blake2b
    _long: int
    _previous: bytes
    _second: float
    _second_text: bytes
    _since: float
    _size: int
    _told: list[tuple[Allowed, Form]]
    _tracked: bool
    _until: float
    now: float
    seq: int
    syncer: Syncer

    def allow(self, told: Allowed, args: bytes) -> bool:
        """`AuditLog.write` of one record, if it is one of the usual at a usual moment.

        False: it is not, or it cannot be written; nothing of it is in the file, and `write` takes
        it or says why not.
        """
        now, seq, syncer = self._clock(), self.seq + 1, self.syncer
        past = now - self._second
        form = self._forms.get(told)
        if (
            form is None
            or not self._since <= past < self._until
            or seq >= self._long
            or syncer.failure
            or len(args) > LONG_ARGS
        ):
            return False
        digest = _digest(self._keyed, args)
        text = form.text(seq, self._second_text, int(past * 1e6), digest)
        previous = _link(self._previous, text)
        sealed = hexlify(previous)
        line = _LINE % (text, sealed)
        try:
            written = os.write(self._fd, line)
        except OSError:  # `write` meets it again, and says it
            written = 0
        if written != len(line):
            self._excess = written
            self._since, self._until = NEVER
            return False
        self._size += written
        self.seq, self._previous, self.now = seq, previous, now
        if not form.times:
            self._told.append((told, form))
        form.times += 1
        if self._tracked:
            self._fresh += sealed
        if self._grouped and not syncer.pending:
            syncer.wrote(seq)
        return True

    def usual(self, records: Sequence[Record], now: float) -> Chained | None:
        """The lines of `records` behind what is written, if `allow` would take each of them.

        None: they are not all of the usual, or it is another moment; nothing was done.
        """
        past = now - self._second
        if not self._since <= past < self._until:
            return None
        seq, previous = self.seq, self._previous
        lines: list[bytes] = []
        for told, args in records:
            if type(told) is not Allowed or type(args) is not bytes or len(args) > LONG_ARGS:
                return None
            form = self._forms.get(told)
            if form is None:
                return None
            seq += 1
            digest = _digest(self._keyed, args)
            text = form.text(seq, self._second_text, int(past * 1e6), digest)
            previous = _link(previous, text)
            lines += (text, HASH_KEY, hexlify(previous), LINE_END)
        return b"".join(lines), previous, b"".join(lines[2::4])


def _digest(keyed: blake2b, args: bytes) -> bytes:
    """Of arguments that are there, under the install's key."""
    if not args:
        return b""
    made = keyed.copy()
    made.update(args)
    return KEYED + hexlify(made.digest())


def _link(previous: bytes, text: bytes) -> bytes:
    """`record.link`, in less time."""
    hashed = BEGUN.copy()
    hashed.update(previous + text)
    return hashed.digest()


def perfect(leaves: bytes) -> bytes:
    """The root over `leaves` of `HASH` bytes, a power of two of them. RFC 6962 section 2.1.

    Raises ValueError for another number of bytes.
    """
    many, rest = divmod(len(leaves), HASH)
    if rest or many.bit_count() != 1:
        raise ValueError(f"{len(leaves)} bytes are no power of two of leaves")
    hashed = sha256
    level = [hashed(LEAF + leaves[at : at + HASH]).digest() for at in range(0, len(leaves), HASH)]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [hashed(NODE + left + right).digest() for left, right in pairs]
    return level[0]
