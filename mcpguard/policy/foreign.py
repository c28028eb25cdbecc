"""Conditions in the words of other toolkits, and the CEL that means the same.

Nothing is translated silently: a condition that is no CEL fails the load, and where its meaning is
plain the error says what to write instead. `count(...)` is a `limit` here, not a condition.
"""

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["ACTIONS", "KEYS", "SETTINGS", "counted", "translated"]

ACTIONS: Mapping[str, str] = {
    "log": "write `audit`: it records and decides nothing",
    "mask": "write `redact`",
    "approve": "write `require_approval`",
    "escalate": "write `require_approval`",
}
"""Actions of other programs -> a hint. `block` needs none: it is read as `deny`."""

KEYS: Mapping[str, str] = {
    "id": "write `name`",
    "condition": "write `when`, in CEL",
    "conditions": "write one CEL text under `when`, its parts joined by && (all) or || (any)",
    "if": "write `when`, in CEL",
    "stage": "write `direction: call` or `direction: result`",
    "tool": "write `tools: [NAME, ...]`",
    "approvers": "approver keys belong to the configuration, not to a rule",
    "severity": "leave it out: the action says how much it matters",
    "rate_limit": 'write `limit: "100/hour"`',
    "default_action": "write a last rule with `action: deny`, `priority: -1000` and no `when`",
    "policies": "one policy a file, its `rules` at the top",
}
"""Keys of other programs -> what to write."""

SETTINGS: Mapping[str, str] = dict.fromkeys(
    (
        "preset", "mode", "profile", "identity", "zone", "principals", "tools", "limits", "trust",
        "gateway", "scan", "approvals", "audit", "store", "telemetry", "requests", "servers",
    ),
    "it belongs to mcpguard.yaml, which `mcpguard config validate FILE` checks with its rules; here"
    " is a policy: `name` and `rules` in a file of its own",
)  # fmt: skip
"""Keys of mcpguard.yaml that no policy has at its top -> what to do."""

_NAMES: Mapping[str, str] = {
    "tool": "call.tool",
    "tool_name": "call.tool",
    "params": "call.arguments",
    "args": "call.arguments",
    "arguments": "call.arguments",
    "output": "result.text",
    "response": "result.text",
    "response.text": "result.text",
    "response.size": "result.bytes",
    "peer_trust_score": "trust.score",
    "trust_score": "trust.score",
    "agent_did": "principal.id",
    "agent_id": "principal.id",
    "always": "true",
    "and": "&&",
    "or": "||",
    "not": "!",
    "True": "true",
    "False": "false",
    "None": "null",
}

_FRONTS: Mapping[str, str] = {
    "params.": "call.arguments.",
    "args.": "call.arguments.",
    "arguments.": "call.arguments.",
}
"""Beginnings of dotted names."""

_INFIX: Mapping[str, str] = {
    "contains": "contains",
    "starts_with": "startsWith",
    "startswith": "startsWith",
    "startsWith": "startsWith",
    "ends_with": "endsWith",
    "endswith": "endsWith",
    "endsWith": "endsWith",
    "matches": "matches",
}
"""Words between two values -> the method of the first that means the same."""

_PARTS = (
    r"""(?P<text>[rR]?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))"""
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)"
    r"|(?P<number>[0-9][0-9.]*)"
    r"|(?P<space>\s+)"
    r"|(?P<sign>.)"
)

_COUNT = r"\bcount\s*\("
_WINDOW = r"window\s*=\s*['\"]([0-9]*)\s*([smhd])['\"]\s*\)\s*>=?\s*([0-9]+)"
_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}


class _Token(NamedTuple):
    kind: str
    text: str

    @property
    def value(self) -> bool:
        """Whether a value may end or begin with it."""
        return self.kind in {"text", "name", "number"}


def counted(text: str) -> str:
    """What to write instead of `count(...) > N`; empty if `text` counts nothing."""
    import re2

    if re2.search(_COUNT, text) is None:
        return ""
    found = re2.search(_WINDOW, text)
    if found is None or found.group(1) not in {"", "1"}:
        return 'take the count out of the condition and give the rule a limit: "100/hour"'
    amount, unit = found.group(3), _UNITS[found.group(2)]
    return f'take the count out of the condition and give the rule: limit: "{amount}/{unit}"'


def translated(text: str) -> str | None:
    """`text` in CEL's words; None where its meaning is not plain or nothing would change.

    The caller compiles it: only what compiles is worth a hint.
    """
    tokens = [token for token in _tokens(text) if token.kind != "space"]
    made: list[str] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        after = tokens[at + 1] if at + 1 < len(tokens) else None
        if token.kind == "name" and token.text in _INFIX and made:
            before = tokens[at - 1]
            if not before.value or after is None or not after.value:
                return None
            made[-1] += f".{_INFIX[token.text]}({_word(after)})"
            at += 1
        elif token.text == "not" and (after is None or after.text != "("):
            return None  # `not a == b` is !(a == b) elsewhere and (!a) == b here
        else:
            made.append(_word(token))
        at += 1
    joined = _spaced(made)
    return None if joined == _spaced([token.text for token in tokens]) else joined


def _tokens(text: str) -> list[_Token]:
    import re2

    names = ("text", "name", "number", "space", "sign")
    found: list[_Token] = []
    for match in re2.finditer(_PARTS, text):
        kind = next(name for name in names if match.group(name) is not None)
        found.append(_Token(kind, match.group(0)))
    return found


def _word(token: _Token) -> str:
    if token.kind != "name":
        return token.text
    for front, ours in _FRONTS.items():
        if token.text.startswith(front):
            return ours + token.text[len(front) :]
    return _NAMES.get(token.text, token.text)


_TIGHT_BEFORE = frozenset("),].")
_TIGHT_AFTER = frozenset("([.!")
_PAIRS = frozenset(("==", "!=", "<=", ">=", "&&", "||"))


def _spaced(words: list[str]) -> str:
    """`words` as a person writes them."""
    text = before = ""
    for word in words:
        last = before[-1:]
        together = before + word in _PAIRS or before in _TIGHT_AFTER or word in _TIGHT_BEFORE
        called = word in {"(", "["} and before != "in" and (last.isalnum() or last in "_)]")
        text += word if not text or together or called else f" {word}"
        before = word
    return text
