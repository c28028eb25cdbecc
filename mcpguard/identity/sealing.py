"""A private key under a passphrase: PKCS #8 (RFC 5958), PBES2 with scrypt (RFC 7914) and AES-256.

cryptography writes PKCS #8 with 2048 rounds of PBKDF2, which a stolen file's reader tries by the
million; what it reads is stronger. So the envelope is written here, and read there.
"""

import base64
import os
import textwrap
from typing import TYPE_CHECKING

from mcpguard.errors import IdentityError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["LONGEST", "SHORTEST", "WORK", "prepared", "seal", "unseal"]

SHORTEST = 12
"""Characters of a passphrase. The file can be tried offline by whatever runs as the same user."""

LONGEST = 256
"""Characters of a passphrase. More is a file that was piped in by mistake."""

WORK = 16
"""Log 2 of scrypt's N: 64 MiB, about half a second a try (OWASP: N 2^16, r 8, p 2)."""

_BLOCK, _PARALLEL = 8, 2

_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_SCRYPT = bytes.fromhex("06092b06010401da47040b")
_AES_256_CBC = bytes.fromhex("060960864801650304012a")
_SEQUENCE, _OCTETS, _INTEGER = 0x30, 0x04, 0x02
_LONG = 0x80


def prepared(passphrase: str) -> bytes:
    """The passphrase as it is used: NFC, UTF-8. Raises IdentityError when it is too short."""
    import unicodedata  # not on the way of a proxy

    text = unicodedata.normalize("NFC", passphrase)
    if not SHORTEST <= len(text) <= LONGEST:
        raise IdentityError(
            f"the passphrase must have {SHORTEST} to {LONGEST} characters",
            hint="four or five unrelated words are easy to remember and long enough",
        )
    if not text.isprintable():
        raise IdentityError(
            "the passphrase holds a character that is not printable", hint="choose another one"
        )
    return text.encode()


def seal(private: "Ed25519PrivateKey", passphrase: str, work: int = WORK) -> bytes:
    """The PEM text of `private`, encrypted. `work`: see `WORK`. Raises IdentityError."""
    from cryptography.hazmat.primitives import serialization

    secret = prepared(passphrase)
    plain = private.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    salt, start = os.urandom(16), os.urandom(16)
    body = _encrypted(plain, _derived(secret, salt, work), start)
    cost = [_der(_INTEGER, _number(each)) for each in (1 << work, _BLOCK, _PARALLEL)]
    derivation = _sequence(_SCRYPT, _sequence(_der(_OCTETS, salt), *cost))
    scheme = _sequence(derivation, _sequence(_AES_256_CBC, _der(_OCTETS, start)))
    return _pem(_sequence(_sequence(_PBES2, scheme), _der(_OCTETS, body)))


def unseal(pem: bytes, passphrase: str, where: str) -> "Ed25519PrivateKey":
    """The key in `pem`, the text of the file `where`. Raises IdentityError."""
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret = prepared(passphrase)
    try:
        key = serialization.load_pem_private_key(pem, secret)
    except (ValueError, TypeError, MemoryError, InternalError, UnsupportedAlgorithm) as error:
        raise IdentityError(
            f"{where}: the key cannot be opened: the passphrase is wrong, or the file is damaged",
            hint="try again; a lost passphrase cannot be recovered: another approver can remove the"
            " key; without one, move the folder away and add everybody again",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise IdentityError(f"{where}: not an Ed25519 key", hint="put the file back that was made")
    return key


def _derived(secret: bytes, salt: bytes, work: int) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return Scrypt(salt=salt, length=32, n=1 << work, r=_BLOCK, p=_PARALLEL).derive(secret)


def _encrypted(plain: bytes, key: bytes, start: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(start)).encryptor()
    return encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()


def _sequence(*parts: bytes) -> bytes:
    return _der(_SEQUENCE, b"".join(parts))


def _der(tag: int, body: bytes) -> bytes:
    """X.690 section 8.1, for bodies of at most 255 bytes: longer ones do not occur here."""
    length = [len(body)] if len(body) < _LONG else [0x81, len(body)]
    return bytes([tag, *length]) + body


def _number(value: int) -> bytes:
    """A positive integer's shortest form, X.690 section 8.3."""
    return value.to_bytes(value.bit_length() // 8 + 1, "big")


def _pem(der: bytes) -> bytes:
    """RFC 7468."""
    lines = textwrap.wrap(base64.b64encode(der).decode(), 64)
    label = "ENCRYPTED PRIVATE KEY"
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()
