"""Tools' policies that approvers set while sessions run, in the store that all proxies share.

Whoever can write the store cannot set one: each is signed by an approver, and every session checks
that itself. One key a server and pattern; a policy without fields is the end of the one before, and
stays, so that taking the key away ends nothing for a session that has seen it. Every function that
takes a store blocks.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from mcpguard.errors import StoreError, UsageError
from mcpguard.model import Json, JsonObject
from mcpguard.store import ABSENT, Store
from mcpguard.wire.canonical import canonical

if TYPE_CHECKING:
    from mcpguard.identity.roster import Approver

__all__ = [
    "LOST",
    "MAX_POLICIES",
    "MISPLACED",
    "NOT_LATER",
    "PREFIX",
    "STRANGER",
    "UNREADABLE",
    "WRONG",
    "Policy",
    "Row",
    "add",
    "as_json",
    "flaw",
    "payload",
    "place_of",
    "read",
    "row_of",
    "rows",
    "signed",
]

PREFIX: Final = "policy/"

TRIES = 16
"""Times a change is tried while others change the same key. Each that fails was somebody's turn."""

MAX_TEXT = 512
"""Characters of a server's name or a pattern."""

MAX_FIELDS = 16
"""Fields of a policy; there are seven."""

MAX_POLICIES = 256
"""Policies of one store, those that ended among them: a screenful is many. A store that holds more
cannot be read, since nobody could say which of them to leave out."""

UNREADABLE: Final = "it is no policy"
MISPLACED: Final = "it stands in the place of another"
STRANGER: Final = "signed by nobody we know"
WRONG: Final = "its signature is wrong"
NOT_LATER: Final = "a later one was seen and holds"
LOST: Final = "the store has lost it, so what was seen holds"
"""Why a policy of the store is not in force, or one that is in force is not there."""

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


class Row(NamedTuple):
    """What the store holds in one place. `policy`: None when it is none.

    `place`: the key, `PREFIX` left out. `mark`: SHA-256 of key and content; another content has
    another one.
    """

    place: str
    policy: Policy | None
    mark: bytes


def place_of(policy: Policy) -> str:
    """Where the store holds the policy of this server and pattern."""
    return hashlib.sha256("\0".join(policy.about).encode()).hexdigest()


def rows(store: Store) -> tuple[Row, ...]:
    """All that stand in the place of policies, in order. Raises StoreError, also for too many."""
    held = store.list(PREFIX)
    if len(held) > MAX_POLICIES:
        raise StoreError(
            f"the store holds {len(held)} policies of tools, at most {MAX_POLICIES} are read",
            hint="whoever can write the store has filled it: take them out, or use another store",
        )
    return tuple(row_of(key.removeprefix(PREFIX), one.value) for key, one in held.items())


def row_of(place: str, value: Json) -> Row:
    """What stands in `place`."""
    try:
        content = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # nested deeper than it is written
        return Row(place, None, hashlib.sha256(place.encode()).digest())
    return Row(place, read(value), hashlib.sha256(place.encode() + b"\0" + content).digest())


def flaw(row: Row, among: "Sequence[Approver]") -> str:
    """Why the row is no policy that one of `among` has set; empty when it is."""
    from mcpguard.identity.keys import verify  # in a session that sees a policy

    policy = row.policy
    if policy is None:
        return UNREADABLE
    if row.place != place_of(policy):
        return MISPLACED
    if not any(each.key_id == policy.key for each in among):
        return STRANGER
    try:
        return "" if verify(among, policy.key, payload(policy), policy.signature) else WRONG
    except ValueError:  # no canonical form, so nobody signed it
        return WRONG


def add(store: Store, policy: Policy, stands: Callable[[Row], bool]) -> Policy | None:
    """Puts it in place of an earlier one, which it gives back. Raises StoreError, UsageError.

    `stands`: whether what is there counts. What does not is replaced, whatever it says of itself.
    """
    place = place_of(policy)
    for _ in range(TRIES):
        held = store.get(PREFIX + place)
        if held is None and len(store.list(PREFIX)) >= MAX_POLICIES:
            raise _full()
        row = row_of(place, held.value) if held is not None else None
        before = row.policy if row is not None and stands(row) else None
        if before is not None and before.at > policy.at:
            raise UsageError(
                f"a later policy of {policy.glob[:100]} is there already",
                hint="see it with: mcpguard trust policies",
            )
        if store.put(PREFIX + place, as_json(policy), held.version if held else ABSENT) is not None:
            return before
    raise StoreError(f"the policy of {policy.glob[:100]} is being changed by others", hint="again")


def _full() -> UsageError:
    return UsageError(
        f"the store holds {MAX_POLICIES} policies of tools, and no session reads more",
        hint="set one that is there anew, or write into mcpguard.yaml what holds for good",
    )
