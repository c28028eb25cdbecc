"""Signatures that count, and everything that looks like one."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mcpguard.approval.statement import Operation, operation_payload
from mcpguard.control.operations import Signature
from mcpguard.control.proof import proven
from mcpguard.errors import RefusalError
from mcpguard.identity.keys import verifier
from mcpguard.identity.roster import Approver, fingerprint
from mcpguard.model import JsonObject

ARGS: JsonObject = {"kind": "tool", "name": "rm"}
NONCE = "s1:00"


class Person:
    def __init__(self, name: str) -> None:
        self.key = Ed25519PrivateKey.generate()
        public = self.key.public_key().public_bytes_raw()
        self.approver = Approver(name, fingerprint(public), public)

    def signs(self, said: Operation) -> Signature:
        raw = self.key.sign(operation_payload(said))
        return Signature(self.approver.key_id, base64.b64encode(raw).decode())


ANA, BO, EVE = Person("ana"), Person("bo"), Person("eve")
CHECK = proven("s1", verifier([ANA.approver, BO.approver]))
SAID = Operation("s1", NONCE, "unblock", ARGS)
GOOD = ANA.signs(SAID)


@pytest.mark.guarantee("control:widening-is-signed")
def test_the_keys_of_good_signatures_are_told() -> None:
    assert CHECK("unblock", ARGS, NONCE, [GOOD]) == (ANA.approver.key_id,)
    both = CHECK("unblock", ARGS, NONCE, [GOOD, BO.signs(SAID)])
    assert both == (ANA.approver.key_id, BO.approver.key_id)
    assert CHECK("unblock", ARGS, NONCE, []) == ()


BAD = {
    "other-verb": ANA.signs(SAID._replace(verb="reload")),
    "other-arguments": ANA.signs(SAID._replace(arguments={"kind": "tool", "name": "other"})),
    "other-nonce": ANA.signs(SAID._replace(nonce="s1:01")),
    "other-session": ANA.signs(SAID._replace(session="s2")),
    "stranger": EVE.signs(SAID),
    "anothers-name": GOOD._replace(key=BO.approver.key_id),
    "strangers-signature": EVE.signs(SAID)._replace(key=ANA.approver.key_id),
    "no-base64": GOOD._replace(signature="!!" + GOOD.signature),
    "cut": GOOD._replace(signature=GOOD.signature[:-8]),
    "empty": Signature("", ""),
    "white-space": GOOD._replace(signature=GOOD.signature + "\n"),
}


@pytest.mark.guarantee("control:widening-is-signed")
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_one_signature_that_does_not_count_refuses_all(bad: Signature) -> None:
    for signatures in ([bad], [GOOD, bad]):
        with pytest.raises(RefusalError, match="not that of an approver who counts"):
            CHECK("unblock", ARGS, NONCE, signatures)
