"""Tools' policies that approvers set while sessions run, in the store that all proxies share.

Whoever can write the store cannot set one: each is signed by an approver, and every session checks
that itself. One key a server and pattern; a policy without fields is the end of the one before, and
stays, so that taking the key away ends nothing for a session that has seen it. Every function that
takes a store blocks.
"""

import base64
import hashlib
from collections.abc import Callable
from typing import Final, NamedTuple

from mcpguard.errors import StoreError, UsageError
from mcpguard.model import Json, JsonObject
from mcpguard.store import ABSENT, Store
from mcpguard.wire.canonical import canonical

__all__ = ["PREFIX", "Policy", "add", "as_json", "every", "payload", "read", "signed"]

PREFIX: Final = "policy/"

TRIES = 16
"""Times a change is tried while others change the same key. Each that fails was somebody's turn."""

MAX_TEXT = 512
"""Characters of a server's name or a pattern."""

MAX_FIELDS = 16
"""Fields of a policy; there are seven."""

MAX_POLICIES = 256
"""Policies of one store that are looked at, in the order of their keys: a screenful is many."""

_SIGNATURE = 64
"""Bytes of one by Ed25519 (RFC 8032)."""


class Policy(NamedTuple):
    """`server`: whose tools; empty: of every server. `fields`: as in the settings; empty: ended.

    `at`: Unix seconds; of two of one server and pattern the later counts. `key`: who signed.
    """

    server: str
    glob: str
    fields: JsonObject
    at: int
    key: str = ""
    signature: bytes = b""

    @property
    def about(self) -> tuple[str, str]:
        """Of which there is one policy."""
        return self.server, self.glob


def payload(policy: Policy) -> bytes:
    """The bytes to sign. Raises ValueError for fields without a canonical form."""
    told: JsonObject = {
        "server": policy.server,
        "glob": policy.glob,
        "fields": policy.fields,
        "at": policy.at,
    }
    return b"mcpguard policy v1\0" + canonical(told)


def signed(policy: Policy, key: str, sign: Callable[[bytes], bytes]) -> Policy:
    """`policy`, signed. Raises ValueError as `payload` does."""
    return policy._replace(key=key, signature=sign(payload(policy)))


def as_json(policy: Policy) -> JsonObject:
    """As it is sent and stored. `read` gives it back."""
    return {**policy._asdict(), "signature": base64.b64encode(policy.signature).decode()}


def read(value: Json) -> Policy | None:
    """A policy of `as_json`; None for anything else. Verifies no signature."""
    match value:
        case {
            "server": str(server),
            "glob": str(glob),
            "fields": dict(fields),
            "at": int(at),
            "key": str(key),
            "signature": str(text),
            **rest,
        } if not rest and type(at) is int:
            try:
                signature = base64.b64decode(text, validate=True)
            except ValueError:
                return None
            fits = max(len(server), len(glob)) <= MAX_TEXT and len(fields) <= MAX_FIELDS
            whole = len(signature) == _SIGNATURE and 0 <= at < 2**53
            return Policy(server, glob, fields, at, key, signature) if fits and whole else None
        case _:
            return None


def add(store: Store, policy: Policy) -> Policy | None:
    """Puts it in place of an earlier one, which it gives back. Raises StoreError, UsageError."""
    key = PREFIX + hashlib.sha256("\0".join(policy.about).encode()).hexdigest()
    for _ in range(TRIES):
        held = store.get(key)
        before = read(held.value) if held is not None else None
        if before is not None and before.at > policy.at:
            raise UsageError(
                f"a later policy of {policy.glob[:100]} is there already",
                hint="see it with: mcpguard trust policies",
            )
        if store.put(key, as_json(policy), held.version if held else ABSENT) is not None:
            return before
    raise StoreError(f"the policy of {policy.glob[:100]} is being changed by others", hint="again")


def every(store: Store) -> tuple[Policy, ...]:
    """All that can be read, those that ended among them. Raises StoreError."""
    held = list(store.list(PREFIX).values())[:MAX_POLICIES]
    return tuple(each for each in map(read, (one.value for one in held)) if each is not None)
