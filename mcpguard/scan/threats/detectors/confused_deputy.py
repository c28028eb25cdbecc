"""Whose authority a call has, when the caller may choose it.

A server that acts with its own rights for whomever an argument names, or that takes a credential
and an address to use it at, can be made to act for somebody who may not.
"""

from collections.abc import Iterator
from functools import lru_cache

from mcpguard.model import Severity
from mcpguard.scan.threats.definition import View
from mcpguard.scan.threats.parameters import Parameter, words
from mcpguard.scan.threats.signals import Meaning, Signal, Structure, Threat, ThreatDetector

__all__ = ["DETECTOR"]

_ACTING = (
    {"behalf"},
    {"impersonate"},
    {"impersonated"},
    {"impersonation"},
    {"acting", "as"},
    {"act", "as"},
    {"as", "user"},
    {"run", "as"},
    {"sudo"},
    {"assume", "role"},
    {"delegate"},
    {"effective", "user"},
    {"elevated"},
    {"as", "admin"},
    {"bypass", "auth"},
    {"override", "user"},
    {"skip", "auth"},
    {"caller", "identity"},
    {"role", "arn"},
    {"escalate"},
    {"admin", "token"},
)
_CREDENTIAL = (
    {"access", "token"},
    {"auth", "token"},
    {"user", "token"},
    {"bearer"},
    {"authorization"},
    {"session", "cookie"},
    {"oauth", "token"},
    {"session", "token"},
    {"id", "token"},
    {"refresh", "token"},
    {"api", "key"},
    {"jwt"},
    {"auth", "header"},
    {"credential"},
    {"credentials"},
)
_ADDRESS = (
    {"callback"},
    {"webhook"},
    {"redirect", "uri"},
    {"redirect", "url"},
    {"notify", "url"},
    {"target", "url"},
    {"forward", "to"},
    {"endpoint"},
    {"base", "url"},
    {"proxy"},
    {"server", "url"},
    {"host"},
)
_CALLBACK = (
    {"callback"},
    {"webhook"},
    {"notify", "url"},
    {"report", "url"},
    {"forward", "to"},
    {"telemetry", "url"},
    {"log", "url"},
)


def _judge(view: View) -> Iterator[Signal]:
    first: dict[str, Parameter] = {}
    for each in view.parameters:
        named = words(each.name)
        for kind in () if _TELLING.isdisjoint(named) else _kinds(named):
            first.setdefault(kind, each)
    for kind, (rule, weight, message) in _RULES.items():
        if kind in first and ("address" in first or kind != "credential"):
            at = first[kind]
            yield Signal(rule, weight, at.where, 0, len(at.name), message)


_RULES = {
    "acting": ("deputy.acting-as", 3, "lets the caller choose in whose name it acts"),
    "credential": ("deputy.passed-through", 1, "takes a credential and the address to use it at"),
    "callback": ("deputy.callback", 1, "lets the caller choose who is told the result"),
}
_SETS = (
    ("acting", _ACTING),
    ("credential", _CREDENTIAL),
    ("address", _ADDRESS),
    ("callback", _CALLBACK),
)


_TELLING = frozenset(word for _, sets in _SETS for each in sets for word in each)
"""A name without any of these words is of no kind."""


@lru_cache(maxsize=2048)
def _kinds(named: tuple[str, ...]) -> tuple[str, ...]:
    held = set(named)
    return tuple(kind for kind, sets in _SETS if any(each <= held for each in sets))


DETECTOR = ThreatDetector(
    id="confused_deputy",
    threat=Threat.CONFUSED_DEPUTY,
    severity=Severity.MODERATE,
    owasp="MCP07:2025",
    agentic="ASI03",
    atlas="AML.T0053",
    explanation="Whoever calls it chooses with whose rights it acts, or where its rights go.",
    fix="Pin the argument with a policy rule, or give the server an account with fewer rights.",
    meanings=(
        Meaning(
            "deputy.elevated",
            3,
            "says that it acts with more rights than its caller",
            (
                "ELEVATED ~ RUN|USE|READ|SEND|TOOL",
                "RUN|USE|READ|SEND ~ ELEVATED",
                "ELEVATED ~ PRIOR",
                "ELEVATED ELEVATED",
                "IGNORE ~ ELEVATED",
            ),
        ),
    ),
    structure=Structure(("deputy.acting-as", "deputy.passed-through", "deputy.callback"), _judge),
)
