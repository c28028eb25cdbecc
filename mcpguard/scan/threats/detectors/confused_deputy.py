"""Whose authority a call has, when the caller may choose it.

A server that acts with its own rights for whomever an argument names, or that takes a credential
and an address to use it at, can be made to act for somebody who may not.
"""

from collections.abc import Iterator

from mcpguard.model import Severity
from mcpguard.scan.threats.definition import View
from mcpguard.scan.threats.parameters import parameters, words
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
    asked = [(each, set(words(each.name))) for each in parameters(view.definition)]
    credentials = [each for each, named in asked if _any(_CREDENTIAL, named)]
    addresses = [each for each, named in asked if _any(_ADDRESS, named)]
    for each, named in asked:
        if _any(_ACTING, named):
            yield Signal(
                "deputy.acting-as",
                2.5,
                each.where,
                0,
                len(each.name),
                "lets the caller choose in whose name it acts",
            )
            break
    if credentials and addresses:
        at = credentials[0]
        yield Signal(
            "deputy.passed-through",
            2,
            at.where,
            0,
            len(at.name),
            "takes a credential and the address to use it at",
        )
    for each, named in asked:
        if _any(_CALLBACK, named):
            yield Signal(
                "deputy.callback",
                1,
                each.where,
                0,
                len(each.name),
                "lets the caller choose who is told the result",
            )
            break


def _any(sets: tuple[set[str], ...], named: set[str]) -> bool:
    return any(each <= named for each in sets)


DETECTOR = ThreatDetector(
    id="confused_deputy",
    threat=Threat.CONFUSED_DEPUTY,
    severity=Severity.MODERATE,
    owasp="MCP07:2025",
    agentic="ASI03",
    atlas="AML.T0053",
    explanation="Whoever calls it chooses with whose rights it acts, or where its rights go.",
    fix="Pin the argument with a policy rule, or give the server an account of its own with less rights.",
    meanings=(
        Meaning(
            "deputy.elevated",
            2.5,
            "says that it acts with more rights than its caller",
            (
                "ELEVATED ~ RUN|USE|READ|SEND|TOOL",
                "RUN|USE|READ|SEND ~ ELEVATED",
                "IGNORE ~ ELEVATED",
            ),
        ),
    ),
    structure=Structure(("deputy.acting-as", "deputy.passed-through", "deputy.callback"), _judge),
)
