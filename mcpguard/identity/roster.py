"""Who may approve: a chain of signed entries, from the first key to the latest change.

Each entry covers the one before it and is signed by a key that counted then; an added key signs the
same bytes itself. So nobody can add a key, take one out, or put an entry in between without a
passphrase of somebody who counts, and nobody can build another chain around a key that is not his.
What the chain cannot show is that its end was cut off, or that all of it was thrown away and begun
anew: whoever runs as the same user can do that. A proxy therefore keeps the `Roster` that it read
at its start, and takes a later one only if that `extends` it.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from mcpguard.errors import IdentityError
from mcpguard.model import Json, JsonObject
from mcpguard.wire.canonical import canonical

__all__ = [
    "EMPTY",
    "MAX_ENTRIES",
    "MAX_NAME",
    "Approver",
    "Entry",
    "Roster",
    "entry_line",
    "fingerprint",
    "fold",
    "holds",
    "payload",
    "usable",
]

DOMAIN = b"mcpguard approver v1\0"
"""What a signature over an entry begins with: it is one of nothing else."""

MAX_ENTRIES = 512
"""Changes of one install's approvers. Each costs two verifications at every start."""

MAX_NAME = 32
"""Characters of a name: it is a file's name, and stands in lists and records."""

_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_KEYS = frozenset({"by", "key", "name", "number", "own", "previous", "signature", "v", "verb"})


class Approver(NamedTuple):
    """A key that may approve. `key_id`: `ed25519:` and 16 hex digits. `public`: 32 raw bytes."""

    name: str
    key_id: str
    public: bytes


class Roster(NamedTuple):
    """Who counts after all entries. `heads`: the SHA-256 (hex) of every entry, the first first."""

    approvers: tuple[Approver, ...]
    heads: tuple[str, ...]

    @property
    def head(self) -> str:
        """The hash that stands for the whole chain; empty for none."""
        return self.heads[-1] if self.heads else ""

    def extends(self, other: "Roster") -> bool:
        """Whether everything `other` consists of is still there, in the same order."""
        return self.heads[: len(other.heads)] == other.heads

    def named(self, name: str) -> Approver | None:
        """The approver of that name who counts."""
        return next((each for each in self.approvers if each.name == name), None)


EMPTY = Roster((), ())


class Entry(NamedTuple):
    """One change. `verb`: `add` or `remove` of `name` and its `public` key, signed by `by`."""

    number: int
    verb: str
    name: str
    public: bytes
    by: str
    previous: str


def usable(name: str) -> bool:
    """Whether an approver may have that name: lower-case letters, digits, `-` and `_`."""
    return 0 < len(name) <= MAX_NAME and set(name) <= _NAME and name[0].isalnum()


def fingerprint(public: bytes) -> str:
    """The key id of a raw public key: 64 bits of its SHA-256. A roster holds each only once."""
    return "ed25519:" + hashlib.sha256(public).hexdigest()[:16]


def holds(public: bytes, text: bytes, signature: bytes) -> bool:
    """Whether `signature` is that key's over `text` (RFC 8032). False for whatever is malformed."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def payload(entry: Entry) -> bytes:
    """What is signed of an entry."""
    return DOMAIN + canonical(_body(entry))


def entry_line(entry: Entry, own: bytes, signature: bytes) -> bytes:
    """The content of an entry's file. `own`: the added key's signature; empty for a removal."""
    signed: JsonObject = {"own": _text(own), "signature": _text(signature)}
    return canonical({**_body(entry), **signed}) + b"\n"


def fold(files: Sequence[bytes]) -> Roster:
    """Who counts after `files`, the content of the entries in order.

    Raises IdentityError for the first entry that does not follow from those before it.
    """
    if len(files) > MAX_ENTRIES:
        raise IdentityError(f"more than {MAX_ENTRIES} changes of approvers", hint=_ANEW)
    approvers: dict[str, Approver] = {}
    known: set[str] = set()
    heads: list[str] = []
    for number, raw in enumerate(files, 1):
        entry, own, signature = _read(number, raw)
        flaw = _flaw(entry, number, heads, approvers, known) or _unsigned(
            entry, own, signature, approvers
        )
        if flaw:
            raise IdentityError(f"change {number} of the approvers: {flaw}", hint=_ANEW)
        key_id = fingerprint(entry.public)
        if entry.verb == "add":
            approvers[key_id] = Approver(entry.name, key_id, entry.public)
        else:
            del approvers[key_id]
        known.add(key_id)
        heads.append(hashlib.sha256(raw).hexdigest())
    return Roster(tuple(approvers.values()), tuple(heads))


_ANEW = (
    "nobody counts as approver until this is cleared up: find out who wrote there, then restore the"
    " folder from a backup, or move it away and add every approver again"
)


def _flaw(
    entry: Entry, number: int, heads: list[str], approvers: dict[str, Approver], known: set[str]
) -> str:
    """Why an entry cannot follow, whoever signed it; or empty."""
    key_id = fingerprint(entry.public)
    if (entry.number, entry.previous) != (number, heads[-1] if heads else ""):
        return "it does not follow the one before it"
    if entry.verb == "remove":
        named = approvers.get(key_id)
        return "" if named and named.name == entry.name else "it removes a key that does not count"
    if key_id in known:
        return "it adds a key that was there before"
    if any(each.name == entry.name for each in approvers.values()):
        return "it adds a name that another key has"
    return ""


def _unsigned(entry: Entry, own: bytes, signature: bytes, approvers: dict[str, Approver]) -> str:
    """Whose signature is missing; or empty. The first key of all vouches for itself."""
    text = payload(entry)
    agreed = holds(entry.public, text, own) if entry.verb == "add" else not own
    if not agreed:
        return "the added key did not sign it"
    if approvers:
        signer = approvers.get(entry.by)
        public = signer.public if signer else b""
    else:
        public = entry.public if entry.by == fingerprint(entry.public) else b""
    return "" if holds(public, text, signature) else "no key that counted then signed it"


def _read(number: int, raw: bytes) -> tuple[Entry, bytes, bytes]:
    """An entry, its own and its signer's signature, if `raw` is exactly what is written of it."""
    try:
        read = orjson.loads(raw)
        entry = Entry(
            read["number"],
            read["verb"],
            read["name"],
            _bytes(read["key"]),
            read["by"],
            read["previous"],
        )
        own, signature = _bytes(read["own"]), _bytes(read["signature"])
        same = set(read) == _KEYS and entry_line(entry, own, signature) == raw
        texts = all(type(each) is str for each in (entry.name, entry.by, entry.previous))
        sound = same and texts and type(entry.number) is int and usable(entry.name)
        sound = sound and entry.verb in {"add", "remove"}
    except (ValueError, TypeError, KeyError, RecursionError):
        sound = False
    else:
        if sound and len(entry.public) == 32:  # noqa: PLR2004 - RFC 8032, section 5.1.5
            return entry, own, signature
    raise IdentityError(f"change {number} of the approvers cannot be read", hint=_ANEW)


def _body(entry: Entry) -> JsonObject:
    return {
        "v": 1,
        "number": entry.number,
        "verb": entry.verb,
        "name": entry.name,
        "key": _text(entry.public),
        "by": entry.by,
        "previous": entry.previous,
    }


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: Json) -> bytes:
    if not isinstance(text, str):
        raise TypeError
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(text) from error
