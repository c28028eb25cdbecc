"""Who holds the private key of a did:key: the file it is in, made once, and opened by a session.

The file is PKCS #8 in PEM (RFC 8410, RFC 7468), without a passphrase, as nobody is there to type
one when a host starts a server. It is of its user alone (0600), and never written over.
"""

import base64
import binascii
import os
import re
import stat
from pathlib import Path

from mcpguard.errors import IdentityError
from mcpguard.identity import ed25519
from mcpguard.identity.did import did_of
from mcpguard.private import fault_of, publish, regular

__all__ = ["Holder", "create", "opened"]

_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")
"""What stands before the 32 secret bytes in DER. RFC 8410, section 7."""

_SEED = 32

_PEM = re.compile(
    rb"\s*-----BEGIN PRIVATE KEY-----\s+([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----\s*"
)

MAX_FILE = 4096
"""Bytes of the file. What is made here has 119."""

_ANEW = "make one: mcpguard identity new FILE"

_OTHERS = (
    (b"ENCRYPTED PRIVATE KEY", "the key is under a passphrase, which no host types"),
    (b"PUBLIC KEY", "this is a public key, and the private one belongs here"),
)
"""What else may be in a file of PEM, by its label."""


class Holder:
    """An opened private key. `did`: the name of its public key."""

    __slots__ = ("_seed", "did")

    def __init__(self, seed: bytes) -> None:
        """`seed`: 32 secret bytes. Raises OSError."""
        self._seed = seed
        self.did = did_of(ed25519.public_of(seed))

    def sign(self, text: bytes) -> bytes:
        """The Ed25519 signature over `text`, 64 bytes (RFC 8032). Raises OSError."""
        return ed25519.sign(self._seed, text)


def create(path: Path) -> Holder:
    """Makes a key in the new file `path`. Raises IdentityError, also when there is one."""
    seed = os.urandom(_SEED)
    text = base64.b64encode(_PKCS8 + seed)
    pem = b"-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n" % text
    try:
        holder = Holder(seed)
        made = publish(path, pem)
    except OSError as error:
        raise IdentityError(
            f"{path}: the key cannot be made: {error.strerror}",
            hint="name a new file in a folder of this user, with room",
        ) from error
    if not made:
        raise IdentityError(
            f"{path}: is there already, and is not written over",
            hint=f"name another file; whose it is says: mcpguard identity show {path}",
        )
    return holder


def opened(path: Path) -> Holder:
    """The key in the file `path`.

    Raises IdentityError for one that is not there, that others can reach, that belongs to somebody
    else, or that holds no such key.
    """
    try:
        with regular(path, links=False) as file:
            fault = fault_of(path, os.fstat(file.fileno()), kind=stat.S_ISREG)
            if fault:
                raise IdentityError(f"{path}: the key: {fault.what}", hint=fault.hint)
            raw = file.read(MAX_FILE + 1)
        return Holder(_seed(raw, path))
    except FileNotFoundError as error:
        raise IdentityError(f"{path}: there is no such key", hint=_ANEW) from error
    except OSError as error:
        raise IdentityError(
            f"{path}: the key cannot be read: {error.strerror}",
            hint="name a plain file of this user, and no link; " + _ANEW,
        ) from error


def _seed(raw: bytes, path: Path) -> bytes:
    found = _PEM.fullmatch(raw) if len(raw) <= MAX_FILE else None
    try:
        der = base64.b64decode(b"".join(found[1].split()), validate=True) if found else b""
    except binascii.Error:
        der = b""
    if der.startswith(_PKCS8) and len(der) == len(_PKCS8) + _SEED:
        return der.removeprefix(_PKCS8)
    what = next((told for label, told in _OTHERS if b"-----BEGIN " + label in raw), "")
    raise IdentityError(
        f"{path}: {what or 'not a private key of Ed25519 in PEM (PKCS #8)'}", hint=_ANEW
    )
