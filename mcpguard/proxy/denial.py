"""How a no is said on the wire: a result the model can read, or a JSON-RPC error."""

import re
from enum import StrEnum

from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import Decision, ItemKind, JsonObject, Reason
from mcpguard.proxy.pending import Entry
from mcpguard.wire.jsonrpc import encode_error, encode_result
from mcpguard.wire.uri import is_normal

__all__ = [
    "DENIED",
    "INTERNAL",
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "METHOD_NOT_FOUND",
    "SATURATED",
    "TIMED_OUT",
    "UNSUPPORTED_VERSION",
    "DenyStyle",
    "denial",
    "error_line",
    "said_of",
    "sentence",
    "withheld",
]

INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL = -32603
UNSUPPORTED_VERSION = -32022
"""MCP 2026-07-28's own code, with `data.supported`."""

DENIED = -31001
SATURATED = -31002
TIMED_OUT = -31003
"""mcpguard's codes: outside -32768..-32000, which JSON-RPC and MCP keep for themselves."""

_SHOWN = 200
"""Characters of a name the host sent that are repeated to it."""

_DETAIL = 512
"""Characters of a reason in an event, as in a record."""

_ITEMS = {
    "tools/call": ItemKind.TOOL,
    "prompts/get": ItemKind.PROMPT,
    "resources/read": ItemKind.RESOURCE,
    "resources/subscribe": ItemKind.RESOURCE,
}
"""What a method's target is in the lockfile."""

_OF_URIS = frozenset(
    {"resources/read", "resources/subscribe", "resources/unsubscribe", "completion/complete"}
)
"""Methods whose target is or may be a URI."""

_SCHEME = re.compile("[A-Za-z][A-Za-z0-9+.-]*:")
"""What a URI begins with (RFC 3986 section 3.1), and a prompt's name does not."""


class DenyStyle(StrEnum):
    """How a refused call of a locked tool is answered."""

    RESULT = "result"
    JSONRPC = "jsonrpc"


_UNKNOWN: dict[str, str] = {
    "tools/call": "Unknown tool: ",
    "prompts/get": "Unknown prompt: ",
    "resources/read": "Unknown resource: ",
    "resources/subscribe": "Unknown resource: ",
    "resources/unsubscribe": "Unknown resource: ",
    "completion/complete": "Unknown reference: ",
}
"""What a server that never had the item would say, by method."""

_ABSENT = frozenset({Reason.NOT_LOCKED, Reason.NOT_LISTED})
"""Reasons that look exactly like an item that does not exist."""

_NEXT: dict[Reason, str] = {
    Reason.DRIFTED: "See what changed with: mcpguard diff --lock FILE. Accept it with: "
    "mcpguard lock --update -o FILE",
    Reason.DOUBLED: "Report it to the server's author, or lock a fixed version",
    Reason.UNVERIFIED: "Ask the server for its list again, or restart it",
    Reason.ARGUMENTS: "Change the arguments to fit the reviewed input schema",
    Reason.KEY_FOLDING: "Spell the arguments exactly as the input schema does",
    Reason.OVER_LONG: "Ask for less at once",
    Reason.URI_FORM: "Use the URI's normal form (RFC 3986 section 6)",
    Reason.LINK_NOT_LOCKED: "Do not retry; add the resource with: mcpguard lock --update -o FILE",
    Reason.AMBIGUOUS: "Do not retry; report it to the server's author",
    Reason.REQUEST_KIND: "Allow it with: mcpguard lock --update -o FILE --allow-request KIND",
    Reason.NO_PRINCIPAL: "Name the caller's profile in the operator's configuration",
    Reason.PRINCIPAL_BLOCKED: "Do not retry; the operator has to end the block",
    Reason.TOOL_BLOCKED: "Do not retry; use another tool",
    Reason.TRUST_SCORE: "Do not retry; see what the score is made of with: mcpguard trust show",
    Reason.TRUST_LEVEL: "Do not retry; the caller or the server has to prove who it is",
    Reason.TRUST_TIER: "Do not retry; see what the score is made of with: mcpguard trust show",
    Reason.CAPABILITY: "Do not retry; the operator has to grant it to the caller",
    Reason.APPROVAL: "Do not retry; ask the operator to allow it",
    Reason.RULE: "Do not retry; whoever runs mcpguard can change the rule",
    Reason.RULE_FAULT: "Whoever runs mcpguard finds out more with: mcpguard policy test",
    Reason.TOOL_DENIED: "Do not retry; use another tool. The operator denies this one",
    Reason.TOOL_NOT_ALLOWED: "Do not retry; use another tool, or ask the operator to allow it",
    Reason.SANITISED: "Leave that out of the arguments, or do not retry",
    Reason.UNSCANNED: "Send less, or ask for less, at once, in smaller and flatter values",
    Reason.SCOPE: "Use one inside the operator's scopes, written plainly, or do not retry",
    Reason.INJECTION: "Do not retry; go on without it, and tell the user",
    Reason.SENSITIVE: "Do not retry; whoever runs mcpguard can change what is withheld",
    Reason.QUARANTINED: "Do not retry now; tell the user, who reads it with: mcpguard quarantine",
    Reason.RATE_LIMIT: "Wait, then try again; whoever runs mcpguard can change the limit",
    Reason.STORE_LOST: "Whoever runs mcpguard has to mend the store; try again then",
    Reason.BUDGET: "Do not retry in this session; the operator can reset its budgets",
    Reason.REPEATED_FAILURE: "Do not repeat the same call; change it, or wait a minute",
    Reason.WAITING: "Do not repeat it before the user has answered",
    Reason.AUDIT_UNWRITABLE: "Make room for the audit log, or check its permissions",
    Reason.KILLED: "Do not retry; whoever runs mcpguard ended it",
    Reason.UNKNOWN_RESULT_TYPE: "Do not retry; update mcpguard if the server is newer",
}
"""What to do about it, by reason; the rest names the check that finds out more.

`FILE`: the lockfile, whose path is no business of a model's. Events for people name it.
"""

_NEXT_DEFAULT = "Find out more with: mcpguard check"


def sentence(decision: Decision) -> str:
    """The sentence a person or a model reads: which rule, why, what to do."""
    step = _NEXT.get(decision.reason, _NEXT_DEFAULT)
    return f"Blocked by mcpguard [{decision.rule}]: {decision.detail}. {step}."


def said_of(
    method: str, target: str, decision: Decision, lock: Lockfile | None
) -> dict[str, str | int]:
    """Fields of the event of a denial. `what`: the method, and the item it asks for.

    A name that nobody reviewed is a peer's text: it is cut, quoted in `what`, and of a URI what may
    be a secret is left out. The audit log has it whole.
    """
    kind = _ITEMS.get(method)
    known = kind is not None and lock is not None and lock.item(kind, target) is not None
    name = target if known else _bare(method, target)[:_SHOWN]
    shown = name if known else repr(name)
    return {
        "method": method,
        "target": name,
        "what": f"{method} {shown}" if name else method,
        "rule": decision.rule,
        "detail": decision.detail[:_DETAIL],
    }


def _bare(method: str, target: str) -> str:
    """A URI without its user, query and fragment; any other target as it is.

    Of one that is not in normal form even then only the scheme: nobody can say where its user ends.
    """
    if method not in _OF_URIS or not (scheme := _SCHEME.match(target)):
        return target
    rest = target[scheme.end() :].partition("#")[0].partition("?")[0]
    slashes = "//" * rest.startswith("//")
    authority, slash, path = rest.removeprefix("//").partition("/")
    bare = f"{scheme[0]}{slashes}{authority.rpartition('@')[2]}{slash}{path}"
    return bare if is_normal(bare) else scheme[0]


def denial(entry: Entry, decision: Decision, style: DenyStyle) -> bytes:
    """The line that answers a refused request of the host."""
    method = entry.row.name
    if decision.reason in _ABSENT and method in _UNKNOWN:
        return error_line(entry, INVALID_PARAMS, _UNKNOWN[method] + entry.target[:_SHOWN])
    return _refusal(entry, sentence(decision), style)


def withheld(entry: Entry, decision: Decision, style: DenyStyle) -> bytes:
    """The line that answers a request that ran, but whose result may not pass."""
    text = sentence(decision)
    if entry.row.name == "tools/call":
        text = f"{text} The tool ran; only its result was withheld."
    return _refusal(entry, text, style)


def _refusal(entry: Entry, text: str, style: DenyStyle) -> bytes:
    judged = entry.judged_as or (entry.row.name, "")
    if judged[0] != "tools/call" or style is DenyStyle.JSONRPC:
        return error_line(entry, DENIED, text)
    result: JsonObject = {"content": [{"type": "text", "text": text}], "isError": True}
    if entry.modern:
        result["resultType"] = "complete"
    return encode_result(entry.given, result)


def error_line(entry: Entry, code: int, message: str) -> bytes:
    """A JSON-RPC error under the sender's own id."""
    return encode_error(entry.given, {"code": code, "message": message})
