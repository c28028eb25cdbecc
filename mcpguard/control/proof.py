"""Whether a request is signed by approvers who count: the `Check` of a real session."""

import base64
import binascii
from collections.abc import Sequence

from mcpguard.approval.statement import Operation, Verify, operation_payload
from mcpguard.control.operations import Check, Signature
from mcpguard.errors import RefusalError
from mcpguard.model import JsonObject

__all__ = ["proven"]


def proven(session: str, verify: Verify) -> Check:
    """A `Check` that asks `verify` about each signature of a request to `session`.

    Its answer: the ids of the keys. One signature that does not count refuses the request.
    """

    def check(
        verb: str, args: JsonObject, nonce: str, signatures: Sequence[Signature]
    ) -> Sequence[str]:
        text = operation_payload(Operation(session, nonce, verb, args))
        for each in signatures:
            if not verify(each.key, text, _decoded(each.signature)):
                raise RefusalError(
                    f"{verb}: a signature is not that of an approver who counts in this session",
                    hint="see who does: mcpguard approver list; a new key counts after a restart",
                )
        return [each.key for each in signatures]

    return check


def _decoded(text: str) -> bytes:
    """The bytes of base64 (RFC 4648 section 4); empty, which no key has signed, for other text."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
