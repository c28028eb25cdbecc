"""What an approver signs from the command line: a change of a session, a yes to a call."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from mcpguard.approval.statement import (
    Answer,
    Operation,
    Statement,
    bound,
    envelope,
    make_signed,
    operation_payload,
)
from mcpguard.errors import ControlError
from mcpguard.model import Json, JsonObject

__all__ = ["Approver", "Key"]


class Key(Protocol):
    """An opened approver key: `identity.keys.Signer`."""

    @property
    def key_id(self) -> str:
        """What the key is known by."""

    def sign(self, text: bytes) -> bytes:
        """The signature over `text`."""


class Approver:
    """A `reach.Signing` with one opened key."""

    def __init__(self, key: Key) -> None:
        self._key = key

    def operation(
        self, session: str, verb: str, args: JsonObject, nonce: str
    ) -> Sequence[JsonObject]:
        """See `reach.Signing.operation`."""
        text = operation_payload(Operation(session, nonce, verb, args))
        signature = base64.b64encode(self._key.sign(text)).decode()
        return [{"key": self._key.key_id, "signature": signature}]

    def approval(self, session: str, shown: JsonObject) -> JsonObject:
        """See `reach.Signing.approval`. The digest is made of the arguments that were shown.

        Raises ControlError when `shown` lacks what has to be signed.
        """
        arguments, life = shown.get("arguments"), shown.get("life")
        if not isinstance(arguments, dict) or type(life) is not int:
            raise _incomplete()
        who = (_text(shown.get(key)) for key in ("principal", "server", "tool"))
        principal, server, tool = who
        try:
            binding = bound(principal, server, tool, arguments, _text(shown.get("lock")))
        except ValueError as error:
            raise _incomplete() from error
        now = int(datetime.now(UTC).timestamp())
        request = _text(shown.get("request"))
        said = Statement(session, request, binding, Answer.YES, now, now + life)
        return envelope(make_signed(said, self._key.key_id, self._key.sign))


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise _incomplete()
    return value


def _incomplete() -> ControlError:
    return ControlError(
        "the session does not show all that has to be signed",
        hint="use the same version of mcpguard as the session",
    )
