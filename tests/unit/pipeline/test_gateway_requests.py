"""Prompts, completions and resources: what is no call of a tool is looked through as well."""

import pytest

from mcpguard.model import Call, Effect, Reason, Verdict
from mcpguard.pipeline.terms import Binding, GatewayPolicy
from mcpguard.scan.semantics import Resource
from tests.unit.pipeline.gateways import (
    CARD,
    CTX,
    DENY,
    RECORD,
    REDACT,
    REFUSED,
    SPENT,
    SSN,
    Asked,
    scopes,
    stage,
)

LOOKED = GatewayPolicy(
    deny=("*",),
    allow=(),
    approve=("*",),
    detectors={"card": REDACT, "ssn": DENY, "phone": RECORD, "ssrf_url": DENY},
    scopes=scopes("network:*.example.org x connect", "network:169.254.169.254 x connect"),
    bindings=(Binding(("resources/read",), "uri", Resource.NETWORK, "connect"),),
)
OTHERS: dict[str, tuple[Call, Effect, Reason]] = {
    "prompt": (Call("prompts/get", "ask", {"text": "x"}), Effect.ALLOW, Reason.OK),
    "prompt-denied": (Call("prompts/get", "ask", {"text": SSN}), Effect.DENY, Reason.SANITISED),
    "prompt-redacted": (Call("prompts/get", "ask", {"text": CARD}), Effect.ALLOW, Reason.REDACTED),
    "prompt-recorded": (
        Call("prompts/get", "ask", {"text": "+49 30 901820"}),
        Effect.ALLOW,
        Reason.OK,
    ),
    "completion": (
        Call("completion/complete", "ask", {"ref": {"type": "ref/prompt"}, "argument": {}}),
        Effect.ALLOW,
        Reason.OK,
    ),
    "completion-denied": (
        Call("completion/complete", "ask", {"argument": {"name": "text", "value": SSN}}),
        Effect.DENY,
        Reason.SANITISED,
    ),
    "completion-denied-by-its-name": (
        Call("completion/complete", "ask", {"argument": {"name": "ssn", "value": "536221234"}}),
        Effect.DENY,
        Reason.SANITISED,
    ),
    "completion-context-denied": (
        Call("completion/complete", "ask", {"context": {"arguments": {"text": SSN}}}),
        Effect.DENY,
        Reason.SANITISED,
    ),
    "completion-of-another-shape": (
        Call("completion/complete", "ask", {"argument": [SSN]}),
        Effect.DENY,
        Reason.SANITISED,
    ),
    "completion-is-not-redacted": (
        Call("completion/complete", "ask", {"argument": {"name": "text", "value": CARD}}),
        Effect.DENY,
        Reason.SANITISED,
    ),
    "completion-ref-and-meta": (
        Call("completion/complete", "ask", {"ref": {"name": SSN}, "_meta": {"x": SSN}}),
        Effect.ALLOW,
        Reason.OK,
    ),
    "resource": (Call("resources/read", "https://a.example.org/x", {}), Effect.ALLOW, Reason.OK),
    "resource-outside": (
        Call("resources/read", "https://evil.example/x", {}),
        Effect.DENY,
        Reason.SCOPE,
    ),
    "resource-denied": (
        Call("resources/subscribe", "http://[::ffff:169.254.169.254]/", {}),
        Effect.DENY,
        Reason.SANITISED,
    ),
    "resource-that-was-reviewed": (
        Call("resources/read", "http://169.254.169.254/", {}),
        Effect.ALLOW,
        Reason.OK,
    ),
    "resource-is-not-redacted": (
        Call("resources/unsubscribe", f"https://a.example.org/{CARD.replace(' ', '')}", {}),
        Effect.DENY,
        Reason.SANITISED,
    ),
    "list": (Call("tools/list", "", {"cursor": SSN}), Effect.ALLOW, Reason.OK),
}


@pytest.mark.parametrize(("subject", "effect", "reason"), OTHERS.values(), ids=OTHERS)
def test_prompts_completions_and_resources_are_looked_through(
    subject: Call, effect: Effect, reason: Reason
) -> None:
    asked = Asked(SPENT, REFUSED)
    verdict = stage(LOOKED, asked).judge(subject, CTX)
    assert isinstance(verdict, Verdict)
    assert (verdict.effect, verdict.reason, asked.log) == (effect, reason, [])
    if reason is Reason.REDACTED:
        assert verdict.rewrite == subject._replace(arguments={"text": "[mcpguard:card]"})
    else:
        assert verdict.rewrite is None
