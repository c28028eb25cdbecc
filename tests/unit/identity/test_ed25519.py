"""Signatures by the interpreter's OpenSSL: those of `cryptography`, byte for byte."""

import _hashlib
import sys
from importlib import import_module

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.identity.ed25519 import (
    Cryptography,
    OpenSSL,
    pem_of,
    public_of,
    sign,
    signer_of,
    sound,
)
from mcpguard.identity.roster import holds

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

SEEDS = st.binary(min_size=32, max_size=32)
SIGNERS = [signer_of(_hashlib.__file__), Cryptography()]

VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155",
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac",
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
"""RFC 8032, section 7.1: TEST 1 and 3. Secret, public, text, the halves of the signature."""


@pytest.mark.parametrize("signer", SIGNERS)
@pytest.mark.parametrize("vector", VECTORS)
def test_both_ways_sign_as_the_standard_does(
    signer: OpenSSL | Cryptography, vector: tuple[str, ...]
) -> None:
    seed, public, text, first, second = map(bytes.fromhex, vector)
    assert signer.public_of(seed) == public
    assert signer.sign(seed, text) == first + second


@pytest.mark.guarantee("identity:one-signature")
@given(seed=SEEDS, text=st.binary(max_size=300))
def test_whichever_library_signs_the_signature_is_the_same_and_holds(
    seed: bytes, text: bytes
) -> None:
    public, signature = public_of(seed), sign(seed, text)
    assert (public, signature) == (
        Cryptography().public_of(seed),
        Cryptography().sign(seed, text),
    )
    assert holds(public, text, signature)
    assert not holds(public, text + b".", signature)


@given(seed=SEEDS)
def test_the_file_of_a_public_key_is_what_every_tool_reads(seed: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert pem_of(public_of(seed)) == pem


@pytest.mark.guarantee("identity:one-signature")
@pytest.mark.parametrize(
    "path",
    [None, "/nowhere/_hashlib.so", import_module("orjson.orjson").__file__],
    ids=["inside", "none", "another"],
)
def test_where_openssl_cannot_be_called_the_other_library_signs(path: str | None) -> None:
    assert isinstance(signer_of(path), Cryptography)


class Wrong(Cryptography):
    """Signs something else."""

    @override
    def sign(self, seed: bytes, text: bytes) -> bytes:
        return super().sign(seed, text + b"\0")


@pytest.mark.guarantee("identity:one-signature")
def test_a_library_that_signs_anything_else_is_not_used() -> None:
    assert all(map(sound, SIGNERS))
    assert not sound(Wrong())


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_secret_of_another_length_signs_nothing(length: int) -> None:
    with pytest.raises((OSError, ValueError)):
        sign(bytes(length), b"")
