"""`FastPath` in Python: what it does is said here."""

import os
from binascii import hexlify
from collections.abc import Callable
from hashlib import blake2b, sha256

from mcpguard.audit.record import DOMAIN, HASH_KEY, LINE_END, Form
from mcpguard.audit.sync import Syncer
from mcpguard.model import Allowed

__all__ = [
    "BEGUN",
    "COMPILED",
    "DOMAIN",
    "HASH_KEY",
    "KEYED",
    "LINE_END",
    "LONG_ARGS",
    "NEVER",
    "FastPath",
]

COMPILED = "a5d59b3f1e9ed1665070c29cc5ba447ea5d4b6d6f5615dc5f4c2c9e8ac26e5e4"
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
        digest = b""
        if args:
            keyed = self._keyed.copy()
            keyed.update(args)
            digest = KEYED + hexlify(keyed.digest())
        text = form.text(seq, self._second_text, int(past * 1e6), digest)
        hashed = BEGUN.copy()
        hashed.update(self._previous + text)
        previous = hashed.digest()
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
