"""Approvers with real keys and no passphrases, and calls to ask them about."""

from collections.abc import Callable
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mcpguard.approval.statement import Answer, Binding, Signed, Statement, bound, make_signed
from mcpguard.identity.keys import Signer, verifier
from mcpguard.identity.roster import Approver, fingerprint
from mcpguard.model import JsonObject

SESSION = "3f9a"
UNIX = 1_800_000_000
"""The Unix second at which the clock of these tests says 0."""

ARGUMENTS: JsonObject = {"path": "/srv/a", "mode": 1}
LOCK = "sha256:" + "1" * 64


def signer(name: str) -> Signer:
    private = Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest())
    return Signer(name, fingerprint(private.public_key().public_bytes_raw()), private)


def approver(name: str) -> Approver:
    private = Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest())
    public = private.public_key().public_bytes_raw()
    return Approver(name, fingerprint(public), public)


ANNA, BERT, CARL, EVE = map(signer, ("anna", "bert", "carl", "eve"))
COUNTING = verifier(map(approver, ("anna", "bert", "carl")))
"""Eve's key is nobody's."""


def call(tool: str = "delete_file", principal: str = "local:default", **changed: str) -> Binding:
    return bound(principal, "files", tool, ARGUMENTS, LOCK)._replace(**changed)


CALL = call()


def source() -> Callable[[int], bytes]:
    """Bytes that nobody would call random, and that never come twice."""
    count = iter(range(1_000_000))
    return lambda length: sha256(b"%d" % next(count)).digest()[:length]


def said(
    request: str,
    by: Signer = ANNA,
    answer: Answer = Answer.YES,
    *,
    at: int = 0,
    life: int = 600,
    binding: Binding = CALL,
    session: str = SESSION,
) -> Signed:
    """An answer, signed `at` seconds after the beginning."""
    statement = Statement(session, request, binding, answer, UNIX + at, UNIX + at + life)
    return make_signed(statement, by.key_id, by.sign)
