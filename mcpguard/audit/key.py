"""Keys of this install, 32 random bytes: what makes digests unguessable, what signs logs."""

import os
from pathlib import Path

from mcpguard import private
from mcpguard.errors import AuditError

__all__ = ["DIGEST_KEY", "KEY_LENGTH", "SIGNING_KEY", "load_or_create_key"]

KEY_LENGTH = 32
"""Bytes. BLAKE2b takes up to 64; 32 is its strength at the digest length used here (RFC 7693). Of
an Ed25519 key it is the whole of it (RFC 8032)."""

DIGEST_KEY = "audit.key"
SIGNING_KEY = "audit-signing.key"
"""File names in the data directory."""


def load_or_create_key(path: Path, what: str = "audit key") -> bytes:
    """The 32-byte key in `path`, made on the first start (mode 0600, in a 0700 directory).

    Two first starts at once agree on one key: whoever links its file first wins, the other reads
    that one. Raises AuditError when the file is not 32 bytes, can be read by others, belongs to
    somebody else, or cannot be read or made. `what`: its name in errors.
    """
    try:
        return _load(path, what)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _unreadable(path, error, what) from error
    try:
        private.publish(path, os.urandom(KEY_LENGTH))
        return _load(path, what)
    except OSError as error:
        raise _unreadable(path, error, what) from error


def _load(path: Path, what: str) -> bytes:
    with private.regular(path) as file:
        fault = private.fault_of(path, os.fstat(file.fileno()))
        if fault:
            raise AuditError(f"{path}: the {what}: {fault.what}", hint=fault.hint)
        key = file.read(KEY_LENGTH + 1)
    if len(key) != KEY_LENGTH:
        raise AuditError(
            f"{path}: the {what} is {len(key)} bytes or more, it must be {KEY_LENGTH}",
            hint=f"move {path} away: a new key is made, what the old one made stays its own",
        )
    return key


def _unreadable(path: Path, error: OSError, what: str) -> AuditError:
    return AuditError(
        f"{path}: the {what} cannot be read or made: {error.strerror}",
        hint=f"make {path.parent} writable for this user; move away what is no file of this name",
    )
