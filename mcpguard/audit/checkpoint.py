"""Checkpoints: a log's size and the root over its lines, signed with Ed25519 (RFC 8032).

The record that holds one is a line of the chain like any other, and covered by the next. It carries
the tree's peaks too, from which the tree goes on without what lies before.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mcpguard import private
from mcpguard.audit.merkle import HASH, Tree, root_of
from mcpguard.errors import AuditError
from mcpguard.identity import ed25519
from mcpguard.identity.roster import fingerprint, holds
from mcpguard.model import MAX_SEQ, Json, JsonObject

__all__ = [
    "CHECKPOINT",
    "CONTINUED",
    "SET_ASIDE",
    "Checker",
    "Checkpoint",
    "Keys",
    "Signer",
    "load_public",
    "payload",
    "read_checkpoint",
]

CHECKPOINT = "audit.checkpoint"
"""The event of a record that holds one."""

CONTINUED = "audit.continue"
"""The event of the first record of a file that goes on with an earlier one's chain. Holds one of
all before it, where the earlier file could be signed."""

SET_ASIDE = "audit.rotate"
"""The event of the last record of a part: the chain goes on in the next file."""

MAX_PUBLIC = 4096
"""Bytes of a public key's file. One has 113."""

_DOMAIN = b"mcpguard audit checkpoint v1\n"
"""What is signed begins so: a signature over one is one over nothing else."""

_SIGNATURE = 64

Keys = Mapping[str, bytes]
"""Key id -> raw public key, 32 bytes."""


class Checkpoint(NamedTuple):
    """`size`: records, the first `size` of the chain. `key`: `ed25519:` and 16 hex digits."""

    size: int
    root: bytes
    peaks: tuple[bytes, ...]
    key: str
    signature: bytes

    def fields(self) -> JsonObject:
        """As a record holds it: hashes in hex, the signature in base64."""
        return {
            "size": self.size,
            "root": self.root.hex(),
            "peaks": [peak.hex() for peak in self.peaks],
            "key": self.key,
            "signature": base64.b64encode(self.signature).decode(),
        }

    def signed_by(self, keys: Keys) -> bool:
        """Whether one of `keys` made the signature."""
        public = keys.get(self.key)
        return public is not None and holds(public, payload(self.size, self.root), self.signature)

    def tree(self) -> Tree:
        """The tree that it stands for, to go on from."""
        return Tree(self.size, self.peaks)


def payload(size: int, root: bytes) -> bytes:
    """What is signed: three lines of text."""
    return _DOMAIN + b"%d\n%s\n" % (size, root.hex().encode())


def read_checkpoint(record: Json) -> Checkpoint | None:
    """The checkpoint in `record`; None when it holds none, or not a whole one that fits itself."""
    if not isinstance(record, dict):
        return None
    size, key = record.get("size"), record.get("key")
    try:
        root, signature = _hashed(record.get("root")), _decoded(record.get("signature"))
        given = record.get("peaks")
        peaks = tuple(map(_hashed, given if isinstance(given, list) else [None]))
    except ValueError:
        return None
    if type(size) is not int or not 0 < size <= MAX_SEQ or not isinstance(key, str):
        return None
    if len(peaks) != size.bit_count() or root_of(peaks) != root:
        return None
    return Checkpoint(size, root, peaks, key, signature)


def _hashed(value: Json) -> bytes:
    made = bytes.fromhex(value) if isinstance(value, str) else b""
    if len(made) != HASH:
        raise ValueError("no hash")
    return made


def _decoded(value: Json) -> bytes:
    made = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    if len(made) != _SIGNATURE:
        raise ValueError("no signature")
    return made


class Checker:
    """Goes through a log's records beside its chain, and holds its checkpoints against them.

    `count`: checkpoints. `newest`: the last whose root is that of the records before it and whose
    signature is one of `keys`, where these are given. `wrong`: line, what, and the sentence.
    `vouched`: the public key that who began the session names as its log's; empty: nobody did.
    `sealed`: the size of the newest checkpoint that is right and by a key vouched for.
    """

    def __init__(self, keys: Keys | None = None, anchor: Checkpoint | None = None) -> None:
        """`anchor`: a checkpoint that is known from elsewhere."""
        self.count = 0
        self.newest: Checkpoint | None = None
        self.wrong: list[tuple[int, str, str]] = []
        self.tree: Tree | None = Tree()
        self.vouched = b""
        self.sealed = 0
        self._keys = keys
        self._anchor = anchor
        self._waiting = bytearray()

    @property
    def size(self) -> int:
        """Records so far."""
        return (self.tree.size if self.tree else 0) + len(self._waiting) // HASH

    def begin(self, tree: Tree | None) -> None:
        """The log goes on from `tree`; None: what lies before is not known, so no root can be."""
        self.tree = tree.copy() if tree else None

    def add(self, digest: bytes, line: int, record: JsonObject) -> None:
        """The next sound record. `digest`: its 32-byte hash."""
        event = record.get("event")
        if event == CHECKPOINT or (event == CONTINUED and "size" in record):
            self.count += 1
            what, fault = self._fault(record)
            if fault:
                self.wrong.append((line, what, f"forged: {fault}"))
        if self.tree is None:
            return
        self._waiting += digest
        if len(self._waiting) >= 2 * _BEHIND * HASH:
            self._grow(self.tree, self.tree.size + _BEHIND, line)

    def end(self, line: int, *, last: bool) -> None:
        """That was all; of the whole log when `last`."""
        if self.tree is None:
            return
        self._grow(self.tree, self.size, line)
        if last and self._anchor and self._anchor.size > self.size:
            gone = f"records {self.size + 1} to {self._anchor.size} were cut off"
            told = f"truncated: {gone}: a checkpoint of {self._anchor.size} records is known"
            self.wrong.append((line, "truncated", told))

    def _fault(self, record: JsonObject) -> tuple[str, str]:
        """What is wrong with the checkpoint in `record`; it is the newest if nothing is."""
        found = read_checkpoint(record)
        if found is None:
            return "forged", "it holds no whole checkpoint"
        if self.vouched and not found.signed_by({fingerprint(self.vouched): self.vouched}):
            told = "the checkpoint is not signed with the key that the session vouches for"
            return "forged", told
        if self._keys is not None and found.key not in self._keys:
            told = f"the checkpoint is signed with {found.key[:40]!a}, no key that was given"
            return "foreign", told
        if self._keys is not None and not found.signed_by(self._keys):
            return "forged", "the signature of the checkpoint is not that key's"
        if self.tree is None:
            return "", ""  # its root is of records that are not here: it shows nothing of these
        return "forged", self._misfit(found, self.tree)

    def _misfit(self, found: Checkpoint, tree: Tree) -> str:
        if not tree.size <= found.size <= self.size:
            return f"a checkpoint of {found.size} records cannot stand here"
        self._grow(tree, found.size, 0)
        if tree.root != found.root:
            return "the checkpoint is not one of the records before it"
        self.newest = found
        if self.vouched:
            self.sealed = found.size
        return ""

    def _grow(self, tree: Tree, size: int, line: int) -> None:
        anchor = self._anchor
        if anchor is not None and tree.size < anchor.size <= size:
            self._take(tree, anchor.size)
            if tree.root != anchor.root:
                told = f"forked: the known checkpoint of {anchor.size} records is of others"
                self.wrong.append((line, "forked", told))
        self._take(tree, size)

    def _take(self, tree: Tree, size: int) -> None:
        taken = (size - tree.size) * HASH
        tree.extend(bytes(self._waiting[:taken]))
        del self._waiting[:taken]


_BEHIND = 1 << 17
"""Records that a checkpoint may stand behind the last one it covers: seconds of a busy session."""


class Signer:
    """Signs with the key of this install.

    The public key is published in `folder` with the first signature, under its id, so that those
    of old logs stay.
    """

    __slots__ = ("_folder", "_seed", "key")

    def __init__(self, seed: bytes, folder: Path) -> None:
        """`seed`: 32 bytes, see `key.load_or_create_key`."""
        self._seed = seed
        self._folder = folder
        self.key = ""

    def sign(self, tree: Tree) -> Checkpoint:
        """The checkpoint of all that is in `tree`. Raises AuditError, OSError."""
        root = tree.root
        signature = self.over(payload(tree.size, root))
        return Checkpoint(tree.size, root, tuple(tree.peaks), self.key, signature)

    def over(self, text: bytes) -> bytes:
        """The signature over `text`, 64 bytes: it begins with a domain that is no checkpoint's.

        Raises AuditError, OSError.
        """
        self.named()
        return ed25519.sign(self._seed, text)

    def named(self) -> str:
        """The id of the key. Raises AuditError, OSError."""
        if not self.key:
            public = ed25519.public_of(self._seed)
            self._publish(fingerprint(public), public)
            self.key = fingerprint(public)
        return self.key

    def _publish(self, key: str, public: bytes) -> None:
        path, pem = public_path(self._folder, key), ed25519.pem_of(public)
        if _content(path) == pem or private.publish(path, pem):
            return
        if load_public(path) != (key, public):
            raise AuditError(
                f"{path}: another public key than the one it is named after",
                hint="move it away, the right one is written anew",
            )


def public_path(folder: Path, key: str) -> Path:
    """Where the public key with the id `key` is."""
    return folder / f"audit-{key.replace(':', '-')}.pub"


def _content(path: Path) -> bytes:
    """What `path` begins with; empty where there is none, or none to read."""
    try:
        with private.regular(path) as file:
            return file.read(MAX_PUBLIC)
    except OSError:
        return b""


def load_public(path: Path) -> tuple[str, bytes]:
    """The key id and the 32 raw bytes of the public key (PEM, SPKI) at `path`. Raises AuditError.

    RFC 8410.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        with private.regular(path) as file:
            loaded = load_pem_public_key(file.read(MAX_PUBLIC))
    except OSError as error:
        raise AuditError(
            f"{path}: the public key cannot be read: {error.strerror}",
            hint="name a file audit-ed25519-....pub of the data directory that the log was made in",
        ) from error
    except (ValueError, UnsupportedAlgorithm):
        loaded = None
    if not isinstance(loaded, Ed25519PublicKey):
        raise AuditError(
            f"{path}: not a public key of Ed25519 in PEM",
            hint="name a file audit-ed25519-....pub of the data directory that the log was made in",
        )
    public = loaded.public_bytes_raw()
    return fingerprint(public), public
