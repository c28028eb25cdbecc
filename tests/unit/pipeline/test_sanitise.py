"""What is said of arguments that hold what must not pass, and where it is said to be."""

from collections.abc import Mapping

import pytest

from mcpguard.errors import UsageError
from mcpguard.model import ALLOW, Call, Effect, JsonObject, Reason, Verdict
from mcpguard.pipeline.gateway import GatewayStage
from mcpguard.pipeline.terms import GatewayPolicy, Handling
from mcpguard.scan import DETECTORS
from mcpguard.vault.disguises import detector
from tests.unit.pipeline.test_gateway import (
    CARD,
    CTX,
    DENY,
    LOCK,
    RECORD,
    REDACT,
    TAKEN,
    TEMPLATED,
    call,
    stage,
)

BAIT = "k0rvZXo57PpQcNjAWNMh"


def places(verdict: object) -> list[str]:
    assert isinstance(verdict, Verdict)
    return [each.where for each in verdict.findings]


@pytest.mark.parametrize("detectors", [{}, {"card": RECORD}, {"card": REDACT}, {"card": DENY}])
def test_a_planted_credential_in_arguments_is_denied_whatever_else_is_looked_for(
    detectors: Mapping[str, Handling],
) -> None:
    policy = GatewayPolicy(detectors=detectors)
    gateway = GatewayStage(policy, LOCK, planted=detector([BAIT]))
    for subject, argument, place in (
        (call({"content": f"x {BAIT}"}), "the argument 'content'", "/arguments/content"),
        (Call("prompts/get", "ask", {"text": BAIT}), "an argument", "/arguments/text"),
        (call({BAIT: "x"}), "an argument", "/arguments/[mcpguard:secret]"),
    ):
        verdict = gateway.judge(subject, CTX)
        assert isinstance(verdict, Verdict)
        assert (verdict.reason, verdict.detail) == (
            Reason.SANITISED,
            f"{argument} holds a credential",
        )
        assert [(each.rule, each.where) for each in verdict.findings] == [("scan.canary", place)]
    assert gateway.judge(call({"content": "x"}), CTX) is ALLOW
    without = GatewayStage(policy, LOCK)
    assert without.judge(call({"content": BAIT}), CTX) is ALLOW


HINTS = {"cards": "did you mean card?", "xyz": f"one of: {', '.join(DETECTORS)}"}


@pytest.mark.parametrize(("name", "hint"), HINTS.items())
def test_an_unknown_detector_is_named_with_what_may_be_meant(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        stage(GatewayPolicy(detectors={name: DENY}))
    assert raised.value.message == f"gateway.detectors.{name}: there is no such detector"
    assert raised.value.hint == hint


CARDS = GatewayPolicy(detectors={"card": DENY})
SAID: dict[str, tuple[JsonObject, str, str]] = {
    "a reviewed argument": (
        {"content": CARD},
        "the argument 'content' holds a payment card number",
        "/arguments/content",
    ),
    "below a reviewed argument": (
        {"content": [{"a": CARD}]},
        "the argument 'content' holds a payment card number",
        "/arguments/content/0/a",
    ),
    "another argument": (
        {"other": CARD},
        "an argument holds a payment card number",
        "/arguments/other",
    ),
    "below steps that are only together what is looked for": (
        {"..": {"..": {"..": {"..": {"etc": {"passwd": CARD}}}}}},
        "an argument holds a payment card number",
        "/arguments/../../../../etc/passwd",
    ),
    "the longest place that is repeated": (
        {"k" * 1023: CARD},
        "an argument holds a payment card number",
        "/arguments/" + "k" * 245,
    ),
    "a longer place": (
        {"k" * 1024: CARD},
        "an argument holds a payment card number",
        "/arguments",
    ),
}


@pytest.mark.parametrize(("arguments", "detail", "where"), SAID.values(), ids=SAID)
def test_what_is_said_of_what_was_found(arguments: JsonObject, detail: str, where: str) -> None:
    verdict = stage(CARDS).judge(call(arguments), CTX)
    assert isinstance(verdict, Verdict)
    assert (verdict.reason, verdict.detail, places(verdict)) == (Reason.SANITISED, detail, [where])


@pytest.mark.parametrize(("held", "told"), [(16, 16), (17, 16)])
def test_sixteen_findings_of_a_call_are_told(held: int, told: int) -> None:
    verdict = stage(CARDS).judge(call({"content": [CARD] * held}), CTX)
    assert len(places(verdict)) == told


def test_the_place_of_what_a_person_has_typed_and_of_what_a_template_holds() -> None:
    """Neither stands as such in the request; the log says what it was taken for."""
    gateway = stage(GatewayPolicy(detectors={"ssn": DENY, "ssrf_url": DENY}))
    typed: JsonObject = {"argument": {"name": "ssn", "value": "536221234"}}
    verdict = gateway.judge(Call("completion/complete", "ask", typed), CTX)
    assert places(verdict) == ["/arguments/named/ssn"]
    gateway = GatewayStage(GatewayPolicy(detectors={"ssrf_url": DENY}), TEMPLATED)
    verdict = gateway.judge(Call("resources/read", "doc:///a?url=169.254.169.254", {}), CTX)
    assert places(verdict) == ["/arguments/variables/0/2/url/0"]


def test_nothing_is_taken_out_beside_what_a_binding_cannot_read() -> None:
    arguments: JsonObject = {"thing": "/srv/a", "Thing": "/etc", "content": CARD}
    verdict = stage(TAKEN).judge(call(arguments, "bound"), CTX)
    assert isinstance(verdict, Verdict)
    assert (verdict.effect, verdict.reason, verdict.rewrite) == (
        Effect.DENY,
        Reason.SANITISED,
        None,
    )
    assert verdict.detail == (
        "an argument holds a payment card number, which cannot be taken out of what a scope is"
        " about"
    )
    assert places(verdict) == ["/arguments/content"]
