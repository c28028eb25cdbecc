"""Ed25519 (RFC 8032): public keys and signatures of 32 secret bytes, by the OpenSSL that is there.

The interpreter's own hashes come from an OpenSSL, which is in memory already. `cryptography` brings
a second one: 10 MiB and 20 ms, in a process that is judged by its size. So the first is asked, once
it has shown that it signs as RFC 8032 does, and `cryptography` wherever it cannot be reached: on
Windows, in interpreters with OpenSSL inside, under a policy that forbids Ed25519. A seed has one
signature over a text, so nobody can tell which of them made it.
"""

import base64
import ctypes
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

__all__ = ["Cryptography", "OpenSSL", "pem_of", "public_of", "sign", "signer_of", "sound"]

PUBLIC, SIGNATURE = 32, 64
"""Bytes. RFC 8032, section 5.1."""

_SPKI = bytes.fromhex("302a300506032b6570032100")
"""What stands before the raw key in DER. RFC 8410, section 4."""

_SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
_TEXT = b"\x72"
_SIGNED = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
"""RFC 8032, section 7.1, TEST 2."""

_INT, _AT, _BYTES, _SIZE = ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
_LENGTH = ctypes.POINTER(_SIZE)

_FUNCTIONS = (
    ("OBJ_sn2nid", _INT, (_BYTES,)),
    ("EVP_PKEY_new_raw_private_key", _AT, (_INT, _AT, _BYTES, _SIZE)),
    ("EVP_PKEY_get_raw_public_key", _INT, (_AT, _BYTES, _LENGTH)),
    ("EVP_PKEY_free", None, (_AT,)),
    ("EVP_MD_CTX_new", _AT, ()),
    ("EVP_MD_CTX_free", None, (_AT,)),
    ("EVP_DigestSignInit", _INT, (_AT, _AT, _AT, _AT, _AT)),
    ("EVP_DigestSign", _INT, (_AT, _BYTES, _LENGTH, _BYTES, _SIZE)),
)
"""Name, what it gives, what it takes. The same in OpenSSL from 1.1.1 on, and in LibreSSL."""


def public_of(seed: bytes) -> bytes:
    """The public key, 32 raw bytes, of the 32 secret bytes `seed`. Raises OSError."""
    return _chosen().public_of(seed)


def sign(seed: bytes, text: bytes) -> bytes:
    """The signature over `text`, 64 bytes, by the 32 secret bytes `seed`. Raises OSError."""
    return _chosen().sign(seed, text)


def pem_of(public: bytes) -> bytes:
    """The file of a raw public key: SubjectPublicKeyInfo (RFC 8410) in PEM (RFC 7468)."""
    text = base64.b64encode(_SPKI + public)
    return b"-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n" % text


class OpenSSL:
    """The library in memory. Each call has its own key and context: threads share nothing."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """Raises AttributeError when it is not all there."""
        self._call = {name: library[name] for name, _, _ in _FUNCTIONS}
        for name, gives, takes in _FUNCTIONS:
            self._call[name].restype, self._call[name].argtypes = gives, takes
        self._kind: int = self._call["OBJ_sn2nid"](b"ED25519")

    def public_of(self, seed: bytes) -> bytes:
        """See the function of that name."""
        made, size = ctypes.create_string_buffer(PUBLIC), _SIZE(PUBLIC)
        with self._key(seed) as key:
            self._done(self._call["EVP_PKEY_get_raw_public_key"](key, made, size))
        return made.raw

    def sign(self, seed: bytes, text: bytes) -> bytes:
        """See the function of that name."""
        made, size = ctypes.create_string_buffer(SIGNATURE), _SIZE(SIGNATURE)
        with (
            self._key(seed) as key,
            self._freed("EVP_MD_CTX", self._call["EVP_MD_CTX_new"]()) as at,
        ):
            self._done(self._call["EVP_DigestSignInit"](at, None, None, None, key))
            self._done(self._call["EVP_DigestSign"](at, made, size, text, len(text)))
        return made.raw

    @contextmanager
    def _key(self, seed: bytes) -> Iterator[int]:
        made = self._call["EVP_PKEY_new_raw_private_key"](self._kind, None, seed, len(seed))
        with self._freed("EVP_PKEY", made) as key:
            yield key

    @contextmanager
    def _freed(self, kind: str, at: int | None) -> Iterator[int]:
        if at is None:
            self._done(0)
        else:
            try:
                yield at
            finally:
                self._call[f"{kind}_free"](at)

    def _done(self, said: int) -> None:
        if said != 1:
            raise OSError(errno.EINVAL, "OpenSSL does not sign")


class Cryptography:
    """The same by the library of that name, loaded when it is asked."""

    def public_of(self, seed: bytes) -> bytes:
        """See the function of that name."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()

    def sign(self, seed: bytes, text: bytes) -> bytes:
        """See the function of that name."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(seed).sign(text)


def signer_of(path: str | None) -> OpenSSL | Cryptography:
    """The OpenSSL that the library at `path` needs, if it can be called and signs as it should."""
    if path is None:  # it is a part of the interpreter
        return Cryptography()
    try:
        own = OpenSSL(ctypes.CDLL(path))
        return own if sound(own) else Cryptography()
    except (AttributeError, OSError):
        return Cryptography()


def sound(signer: OpenSSL | Cryptography) -> bool:
    """Whether it signs as the standard says. Raises OSError."""
    return signer.sign(_SEED, _TEXT) == _SIGNED


@cache
def _chosen() -> OpenSSL | Cryptography:
    try:
        import _hashlib  # what `hashlib` itself has loaded, and with it the library
    except ImportError:
        return Cryptography()
    return signer_of(getattr(_hashlib, "__file__", None))
