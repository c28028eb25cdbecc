"""What is said of arguments that hold what must not pass, and where it is said to be."""

from collections.abc import Mapping

import pytest

from mcpguard.errors import UsageError
from mcpguard.model import ALLOW, Call, Effect, Json, JsonObject, Reason, Verdict
from mcpguard.pipeline.gateway import GatewayStage
from mcpguard.pipeline.sanitise import MAX_FINDINGS, MAX_WHERE
from mcpguard.pipeline.terms import GatewayPolicy, Handling
from mcpguard.scan import DETECTORS
from mcpguard.scan.patterns import Action, Form, Pattern, Patterns
from mcpguard.vault.disguises import detector
from tests.unit.pipeline.gateways import (
    CARD,
    CTX,
    DENY,
    LOCK,
    RECORD,
    REDACT,
    SSN,
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


# What cannot be looked through


def deep(levels: int) -> Json:
    value: Json = "x"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.guarantee("scan:over-budget-raises")
@pytest.mark.parametrize(
    ("value", "why"),
    [
        (deep(70), "arguments: nested too deeply to be looked at"),
        ("x" * 8_400_000, "arguments: 8400001 characters, at most 8388608 are looked at"),
        (["x"] * 200_001, "arguments: 200002 texts, at most 200000 are looked at"),
        ([CARD] * 10_001, "arguments: more than 10000 things were found in them"),
    ],
)
@pytest.mark.parametrize("handling", Handling)
def test_arguments_that_cannot_be_looked_through_are_denied(
    value: Json, why: str, handling: Handling
) -> None:
    policy = GatewayPolicy(detectors={"card": handling})
    verdict = stage(policy).judge(call({"x": value}), CTX)
    assert verdict == Verdict.deny(Reason.UNSCANNED, f"what cannot be looked through: {why}")


def test_findings_are_few_and_their_places_short() -> None:
    policy = GatewayPolicy(detectors={"card": DENY})
    for length, shown in ((500, MAX_WHERE), (5000, len("/arguments"))):
        verdict = stage(policy).judge(call({"k" * length: [CARD] * 100}), CTX)
        assert isinstance(verdict, Verdict)
        assert len(verdict.findings) == MAX_FINDINGS
        assert {len(each.where) for each in verdict.findings} == {shown}


SECRETS = [CARD, SSN, "ghp_" + "aB3dE5fG7hJ9" * 3, "/srv/../../etc/passwd"]


@pytest.mark.guarantee("scan:no-text-in-findings")
@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("handling", Handling)
@pytest.mark.parametrize("place", ["key", "value", "path", "number"])
def test_no_verdict_repeats_what_it_found(secret: str, handling: Handling, place: str) -> None:
    values: dict[str, JsonObject] = {
        "key": {secret: 1},
        "value": {"content": [f"x {secret}"]},
        "path": {"path": secret},
        "number": {"n": 4111111111111111, secret: {secret: secret}},
    }
    policy = GatewayPolicy(detectors=dict.fromkeys(DETECTORS, handling))
    verdict = stage(policy).judge(call(values[place]), CTX)
    assert isinstance(verdict, Verdict)
    said = repr(verdict._replace(rewrite=None))
    assert not any(part in said for part in ("1111", SSN, "aB3dE5fG7", "etc/passwd"))


@pytest.mark.guarantee("scan:no-text-in-findings")
def test_the_place_of_a_finding_holds_nothing_that_another_rule_would_find() -> None:
    policy = GatewayPolicy(
        detectors={"path_traversal": DENY},
        patterns=Patterns.of([Pattern("p", Form.SUBSTRING, "tulip", Action.REDACT)]),
    )
    for key, place in ((CARD, "[mcpguard:card]"), ("tulip", "[mcpguard:pattern]"), ("\ud800", "�")):
        verdict = stage(policy).judge(call({key: {"path": "../../../../etc/passwd"}}), CTX)
        assert isinstance(verdict, Verdict)
        assert [each.where for each in verdict.findings] == [f"/arguments/{place}/path"]
