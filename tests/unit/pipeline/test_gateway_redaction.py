"""What is taken out of a call: stable, never out of a deed, held against the reviewed schema."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import (
    ALLOW,
    Call,
    Context,
    Decision,
    Effect,
    JsonObject,
    Reason,
    Subject,
    Verdict,
    Wait,
)
from mcpguard.pipeline import decide
from mcpguard.pipeline.gateway import GatewayStage
from mcpguard.pipeline.surface import SurfaceStage
from tests.unit.pipeline.gateways import (
    CARD,
    CTX,
    DENY,
    LOCK,
    REDACT,
    SSN,
    TAKEN,
    WILLING,
    Asked,
    call,
    stage,
)


def whole(gateway: GatewayStage, lock: Lockfile = LOCK) -> Callable[[Subject], Decision | Wait]:
    """Decisions of a pipeline of the surface stage and this one."""

    class Both:
        def judge(self, subject: Subject, ctx: Context) -> Verdict | Wait:
            first = SurfaceStage(lock).judge(subject, ctx)
            return gateway.judge(subject, ctx) if first is ALLOW else first

    return lambda subject: decide({**WILLING, "surface": Both()}, subject, CTX)


@pytest.mark.guarantee("gateway:redacted-is-stable")
def test_a_redacted_call_keeps_the_rest_and_passes_when_it_is_judged_again() -> None:
    asked = Asked()
    before = Call(
        "tools/call", "other", {"content": f"PROJECT X: {CARD}", "n": 4}, meta={"progressToken": 1}
    )
    decision = decide({**WILLING, "gateway": stage(TAKEN, asked)}, before, CTX)
    assert isinstance(decision, Decision)
    after: JsonObject = {"content": "[mcpguard:pattern]: [mcpguard:card]", "n": 4}
    assert (decision.allowed, decision.subject) == (True, before._replace(arguments=after))
    assert (decision.reason, decision.detail) == (
        Reason.REDACTED,
        "an argument holds a payment card number, which was taken out",
    )
    assert [each.rule for each in decision.findings] == ["scan.card", "scan.pattern:name"]
    assert asked.log == ["take"]


PIECES = st.sampled_from(
    [CARD, SSN, "415-555-2671", "Project X", "4111", "-", " ", "x", "[mcpguard:card]", "536-22"]
)
TEXTS = st.lists(PIECES, max_size=6).map("".join)


@pytest.mark.guarantee("gateway:redacted-is-stable")
@given(st.dictionaries(st.one_of(TEXTS, st.sampled_from(["content", "q"])), TEXTS, max_size=3))
def test_no_redaction_needs_a_second_one(arguments: JsonObject) -> None:
    """Whatever is only recorded stands between what is taken out."""
    gateway = stage(TAKEN)
    decision = decide({**WILLING, "gateway": gateway}, call(arguments, "other"), CTX)
    assert isinstance(decision, Decision)
    assert decision.allowed
    again = gateway.judge(decision.subject, CTX)
    assert isinstance(again, Verdict)
    assert (again.effect, again.rewrite) == (Effect.ALLOW, None)


FIXED: dict[str, tuple[Call, str]] = {
    "path": (call({"path": f"/srv/{CARD}"}), "a path"),
    "path-in-a-list": (call({"paths": ["a", CARD]}), "a path"),
    "url-by-format": (call({"where": f"https://a.example/?s={SSN}"}), "a URL"),
    "url": (call({"webhookUrl": CARD}), "a URL"),
    "command": (call({"command": f"rm {CARD}"}), "a command"),
    "pattern-in-a-command": (call({"args": ["-c", "project x"]}), "a command"),
    "bound": (call({"thing": f"/srv/{CARD}"}, "bound"), "what a scope is about"),
    "bound-below-no-object": (call({"thing": {"a": CARD}}, "bound"), "what a scope is about"),
}


@pytest.mark.guarantee("gateway:placeholder-is-no-deed")
@pytest.mark.parametrize(("subject", "where"), FIXED.values(), ids=FIXED)
def test_nothing_is_taken_out_of_what_is_run_opened_or_reached(subject: Call, where: str) -> None:
    verdict = stage(TAKEN).judge(subject, CTX)
    assert isinstance(verdict, Verdict)
    assert (verdict.effect, verdict.reason, verdict.rewrite) == (
        Effect.DENY,
        Reason.SANITISED,
        None,
    )
    assert verdict.detail.endswith(f", which cannot be taken out of {where}")
    assert verdict.findings


@pytest.mark.parametrize(
    "arguments",
    [{"number": 4111111111111111}, {"content": f"{SSN} {SSN} x"}],
)
def test_a_redaction_that_breaks_the_reviewed_schema_is_denied(arguments: JsonObject) -> None:
    policy = replace(TAKEN, detectors={"card": REDACT, "ssn": REDACT})
    decision = whole(stage(policy))(call(arguments))
    assert isinstance(decision, Decision)
    assert (decision.allowed, decision.reason) == (False, Reason.ARGUMENTS)
    assert decision.findings


def test_what_is_denied_is_denied_though_something_else_would_be_taken_out() -> None:
    policy = replace(TAKEN, detectors={"card": REDACT, "ssn": DENY})
    verdict = stage(policy).judge(call({"content": f"{CARD} {SSN}"}), CTX)
    assert isinstance(verdict, Verdict)
    assert (verdict.reason, [each.rule for each in verdict.findings]) == (
        Reason.SANITISED,
        ["scan.ssn"],
    )


def test_what_is_taken_out_is_what_the_bindings_of_other_arguments_do_not_read() -> None:
    verdict = stage(TAKEN).judge(call({"thing": "/srv/a", "content": CARD}, "bound"), CTX)
    assert isinstance(verdict, Verdict)
    assert verdict.rewrite == call({"thing": "/srv/a", "content": "[mcpguard:card]"}, "bound")
