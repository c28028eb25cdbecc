"""What an approver signs: an answer to one call, or an operation on one running session.

The signed bytes are a domain, NUL, and RFC 8785 JSON of every field, so a signature over one kind
of statement is never one over another. Whoever verifies builds the bytes again from the fields it
was given, and compares those with what it knows itself: nothing is believed because it was signed.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from mcpguard.model import Json, JsonObject
from mcpguard.wire.canonical import canonical

__all__ = [
    "MAX_LIFE",
    "MAX_TEXT",
    "SKEW",
    "WITH_MORE",
    "Answer",
    "Binding",
    "Flaw",
    "Operation",
    "Signed",
    "Statement",
    "Verify",
    "arguments_digest",
    "binding_digest",
    "bound",
    "clean",
    "envelope",
    "fresh",
    "make_signed",
    "opened",
    "operation_payload",
    "plain_tool",
    "sign_operation",
    "signers",
    "statement_payload",
]

SKEW = 30
"""Seconds that the clocks of two machines may differ. More of the future is not believed."""

MAX_LIFE = 3600
"""Seconds from signing to expiry at most, whatever is configured: a yes is for now."""

MAX_TEXT = 1024
"""Characters of one field: the longest names and URIs that are locked are shorter."""

WITH_MORE = " (more than arguments)"
"""Ends the tool of a binding whose call has more than arguments, so that a yes for one is for no
other whose arguments look the same. Nobody is asked about a tool whose own name ends so."""

_SIGNATURE = 64
"""Bytes, RFC 8032 section 5.1.6."""


class Answer(StrEnum):
    """What a person says."""

    YES = "yes"
    NO = "no"


class Flaw(StrEnum):
    """Why a statement does not count. Each is what a person is told."""

    MALFORMED = "it is not a whole statement"
    FUTURE = "it was signed in the future: compare the clocks of both machines"
    EXPIRED = "it has expired"
    TOO_LONG = "it would count for longer than a statement may"
    OTHER_CALL = "it is about another call"
    UNSIGNED = "no approver who counts signed it"


class Binding(NamedTuple):
    """The call that an approval is for. `arguments`: see `arguments_digest`.

    `lock`: the lockfile's digest, empty without one.
    """

    principal: str
    server: str
    tool: str
    arguments: str
    lock: str


class Statement(NamedTuple):
    """One answer to one call. `request`: the full id of the asking, not only its ticket.

    `at`, `until`: Unix seconds; the answer counts before `until`.
    """

    session: str
    request: str
    binding: Binding
    answer: Answer
    at: int
    until: int


class Operation(NamedTuple):
    """One change of a running session. `nonce`: given by that session, for this once."""

    session: str
    nonce: str
    verb: str
    arguments: JsonObject


class Signed(NamedTuple):
    """A statement as it arrives. `key`: the key id of who says to have signed it."""

    statement: Statement
    key: str
    signature: bytes


Verify: TypeAlias = Callable[[str, bytes, bytes], str]
"""Key id, bytes and signature to the name of the approver whose signature it is, or empty."""


def clean(text: str) -> bool:
    """Whether a field may hold `text`: of a bearable length, and with a UTF-8 form."""
    surrogate = not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)
    return len(text) <= MAX_TEXT and not surrogate


def arguments_digest(arguments: JsonObject) -> str:
    """`sha256:` and hex, over a domain and RFC 8785. Raises ValueError without such a form."""
    return _digest(b"mcpguard arguments v1\0", arguments)


def binding_digest(binding: Binding) -> str:
    """`sha256:` and hex of all fields of a binding."""
    return _digest(b"mcpguard binding v1\0", dict(binding._asdict()))


def bound(principal: str, server: str, tool: str, arguments: JsonObject, lock: str) -> Binding:
    """The binding of a call. Raises ValueError for arguments without a canonical form."""
    return Binding(principal, server, tool, arguments_digest(arguments), lock)


def plain_tool(binding: Binding) -> str:
    """The tool as the server has it: of calls with more than arguments, too."""
    return binding.tool.removesuffix(WITH_MORE)


def statement_payload(said: Statement) -> bytes:
    """The bytes to sign."""
    return b"mcpguard approval v1\0" + canonical(_fields(said))


def operation_payload(said: Operation) -> bytes:
    """The bytes to sign. Raises ValueError for arguments without a canonical form."""
    return b"mcpguard operation v1\0" + canonical(dict(said._asdict()))


def fresh(said: Statement, now: int, life: int = MAX_LIFE) -> Flaw | None:
    """Why a statement does not count at `now` (Unix seconds), or None.

    `life`: seconds from signing to expiry at most; never more than `MAX_LIFE`.
    """
    if said.until - said.at > min(life, MAX_LIFE) or said.until <= said.at:
        return Flaw.TOO_LONG
    if said.at > now + SKEW:
        return Flaw.FUTURE
    return Flaw.EXPIRED if now >= said.until else None


def make_signed(said: Statement, key: str, sign: Callable[[bytes], bytes]) -> Signed:
    """Sign a statement."""
    return Signed(said, key, sign(statement_payload(said)))


def envelope(signed: Signed) -> JsonObject:
    """As it is sent and stored. `opened` reads it."""
    signature = base64.b64encode(signed.signature).decode()
    return {"statement": _fields(signed.statement), "key": signed.key, "signature": signature}


def opened(value: Json) -> Signed | Flaw:
    """A signed statement of an `envelope`; a flaw for anything else. Verifies no signature."""
    parts = _unwrapped(value)
    said = _statement(parts[0]) if parts else None
    return Signed(said, parts[1], parts[2]) if parts and said else Flaw.MALFORMED


def sign_operation(said: Operation, key: str, sign: Callable[[bytes], bytes]) -> JsonObject:
    """`{"key": id, "signature": base64}`. Raises ValueError for arguments of no canonical form."""
    signature = sign(operation_payload(said))
    return {"key": key, "signature": base64.b64encode(signature).decode()}


def signers(
    said: Operation, signatures: Iterable[tuple[str, str]], verify: Verify
) -> tuple[str, ...]:
    """The key ids of those who signed an operation, each once; nobody when any signature is bad.

    `signatures`: key id and base64 each, as they were sent.
    """
    keys: dict[str, None] = {}
    for key, text in signatures:
        try:
            known = verify(key, operation_payload(said), base64.b64decode(text, validate=True))
        except ValueError:
            known = ""
        if not known:
            return ()
        keys[key] = None
    return tuple(keys)


def _digest(domain: bytes, value: Json) -> str:
    return "sha256:" + hashlib.sha256(domain + canonical(value)).hexdigest()


def _fields(said: Statement) -> JsonObject:
    return {
        "session": said.session,
        "request": said.request,
        **said.binding._asdict(),
        "answer": said.answer.value,
        "at": said.at,
        "until": said.until,
    }


_TEXTS = ("session", "request", "principal", "server", "tool", "arguments", "lock", "answer")
_STATEMENT = frozenset((*_TEXTS, "at", "until"))
_ENVELOPE = frozenset(Signed._fields)


def _unwrapped(value: Json) -> tuple[JsonObject, str, bytes] | None:
    if not isinstance(value, dict) or set(value) != _ENVELOPE:
        return None
    fields, key, text = value["statement"], value["key"], value["signature"]
    if not (isinstance(fields, dict) and _texts(key, text) and isinstance(key, str)):
        return None
    try:
        signature = base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        return None
    return (fields, key, signature) if len(signature) == _SIGNATURE else None


def _statement(fields: JsonObject) -> Statement | None:
    if set(fields) != _STATEMENT or not _texts(*(fields[name] for name in _TEXTS)):
        return None
    session, request, principal, server, tool, arguments, lock, answer = (
        str(fields[name]) for name in _TEXTS
    )
    at, until = fields["at"], fields["until"]
    if answer not in set(Answer) or not (_second(at) and _second(until)):
        return None
    binding = Binding(principal, server, tool, arguments, lock)
    return Statement(session, request, binding, Answer(answer), int(str(at)), int(str(until)))


def _texts(*values: Json) -> bool:
    """Strings that a field may hold."""
    return all(isinstance(each, str) and clean(each) for each in values)


def _second(value: Json) -> bool:
    return type(value) is int and 0 <= value < 2**53
