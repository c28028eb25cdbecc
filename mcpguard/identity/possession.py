"""Proof of possession: who holds the key of a principal began this session, in this place.

What is signed is read off the record that opens the session, so that the record alone, wherever it
was shipped, shows who vouches for it:

    DOMAIN, and in the form of RFC 8785 an object of
        principal, session, server, lock   as the record has them
        previous                           hex: the hash of the line before, in its log
        log_key                            the did:key of the key that signs its checkpoints
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Final

from mcpguard.errors import IdentityError
from mcpguard.identity.did import did_of, public_of
from mcpguard.identity.ed25519 import public_of as public_key
from mcpguard.identity.holder import Holder
from mcpguard.identity.roster import holds
from mcpguard.model import Json, JsonObject, Proof
from mcpguard.wire.canonical import canonical

__all__ = ["check", "prove", "prover", "statement"]

DOMAIN: Final = b"mcpguard session v1\n"
"""A line of text. What is signed begins so: a signature over a session is one of nothing else."""

_TOLD: Final = ("principal", "session", "server", "lock")
_OWN: Final = ("previous", "log_key")
_PROOF: Final = frozenset({"did", "session", "signature", *_OWN})


def statement(record: Mapping[str, Json], proof: Mapping[str, Json]) -> bytes:
    """What is signed of an opening record and its proof. Raises ValueError for what is no text."""
    said = {key: record.get(key) for key in _TOLD} | {key: proof.get(key) for key in _OWN}
    if not all(isinstance(value, str) for value in said.values()):
        raise ValueError("a member is missing, or no text")
    return DOMAIN + canonical({**said})


def prover(holder: Holder, seed: bytes) -> Callable[[JsonObject, bytes], JsonObject]:
    """`prove` for sessions of `holder`. `seed`: 32 bytes of the key that signs the log."""
    key = did_of(public_key(seed))
    return lambda record, previous: prove(holder, record, previous, key)


def prove(holder: Holder, record: JsonObject, previous: bytes, log_key: str) -> JsonObject:
    """The members that an opening record has beside `record`, as it will be read. Raises OSError.

    `previous`: the 32-byte hash of the line before. `log_key`: the did:key of the log's own key.
    """
    proof: JsonObject = {"did": holder.did, "session": record["session"]}
    proof |= {"previous": previous.hex(), "log_key": log_key}
    signature = holder.sign(statement(record, proof))
    return {"proof": {**proof, "signature": base64.b64encode(signature).decode()}}


def check(record: Mapping[str, Json], previous: bytes) -> bytes:
    """The key of the log that the proof in an opening record vouches for, 32 raw bytes.

    `previous`: the hash of the line before. Raises IdentityError when it does not hold there.
    """
    proof = record.get("proof")
    if not isinstance(proof, dict) or proof.keys() != _PROOF:
        raise IdentityError("the proof is not whole" if proof else "there is no proof of it")
    if record.get("proved") != Proof.KEY:
        raise IdentityError("there is a proof, and the record says that it was proved otherwise")
    if (proof["did"], proof["session"]) != (record.get("principal"), record.get("session")):
        raise IdentityError("the proof is of another principal or session")
    if not _signed(record, proof):
        raise IdentityError("the signature of the proof is not that key's over this session")
    if proof["previous"] != previous.hex():
        raise IdentityError("the proof is of another place or log")
    return public_of(str(proof["log_key"]))


def _signed(record: Mapping[str, Json], proof: Mapping[str, Json]) -> bool:
    try:
        signature = base64.b64decode(str(proof["signature"]), validate=True)
        return holds(public_of(str(proof["did"])), statement(record, proof), signature)
    except (binascii.Error, ValueError, IdentityError):
        return False
