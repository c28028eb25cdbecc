"""Whether a request is signed by approvers who count: the `Check` of a real session."""

from collections.abc import Sequence

from mcpguard.approval.statement import Operation, Verify, signers
from mcpguard.control.operations import Check, Signature
from mcpguard.errors import RefusalError
from mcpguard.model import JsonObject

__all__ = ["proven"]


def proven(session: str, verify: Verify) -> Check:
    """A `Check` that asks `verify` about each signature of a request to `session`.

    Its answer: the ids of the keys, each once. A signature that does not count refuses the request.
    """

    def check(
        verb: str, args: JsonObject, nonce: str, signatures: Sequence[Signature]
    ) -> Sequence[str]:
        keys = signers(Operation(session, nonce, verb, args), signatures, verify)
        if signatures and not keys:
            raise RefusalError(
                f"{verb}: a signature is not that of an approver who counts in this session",
                hint="see who does: mcpguard approver list; a new key counts after a restart",
            )
        return keys

    return check
