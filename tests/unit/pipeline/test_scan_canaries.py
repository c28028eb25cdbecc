"""A planted credential passes nowhere."""

from dataclasses import replace

import pytest

from mcpguard.model import (
    ALLOW,
    Answer,
    Call,
    Finding,
    Json,
    JsonObject,
    Notice,
    Reason,
    Result,
    ServerRequest,
    Severity,
    Verdict,
)
from mcpguard.pipeline.gateway import GatewayStage
from mcpguard.pipeline.scan import ScanStage
from mcpguard.pipeline.terms import GatewayPolicy, Response
from tests.unit.pipeline.scanning import (
    BAIT,
    CTX,
    LOCK,
    NOTHING,
    PLANTED,
    REDACTING,
    TOKEN,
    Quarantine,
    b64,
    blob,
    called,
    judged,
    picture,
    stage,
)


@pytest.mark.guarantee("scan:canary-never-passes")
@pytest.mark.parametrize("response", [Response.QUARANTINE, Response.BLOCK])
@pytest.mark.parametrize("text", [BAIT, BAIT.upper(), "\u200b".join(BAIT), BAIT.encode().hex()])
def test_a_result_with_a_planted_credential_does_not_pass(text: str, response: Response) -> None:
    decision = judged(called(text), stage(replace(NOTHING, canary=response), Quarantine()))
    assert not decision.allowed
    assert [each.rule for each in decision.findings] == ["scan.canary"]
    assert decision.findings[0].severity == "critical"
    assert "canary" not in decision.detail


BAITED: dict[str, JsonObject] = {
    "blob": blob(b64(BAIT)),
    "blob of bytes": blob(b64(b"\x00\xff" + BAIT.encode()), mimeType="image/png"),
    "blob as it is": blob(BAIT),
    "blob of hexadecimal": blob(b64(BAIT.encode().hex())),
    "picture": picture(b64(BAIT)),
    "picture as it is": picture(BAIT),
    "_meta": {"content": [], "_meta": {"a/b": [BAIT]}},
    "_meta of a block": {"content": [{"type": "text", "text": "x", "_meta": {BAIT: 1}}]},
    "state": {"requestState": b64("x" + BAIT)},
    "key": {"content": [], "structuredContent": {"n": 1, BAIT: 2}},
    "what was asked for": {"contents": [{"uri": f"a:{BAIT}", "text": "x"}]},
}


@pytest.mark.guarantee("scan:canary-never-passes")
@pytest.mark.parametrize("body", BAITED.values(), ids=BAITED)
def test_a_planted_credential_passes_nowhere_in_a_message(body: JsonObject) -> None:
    for subject in (
        Result("resources/read", f"a:{BAIT}", body),
        Notice("notifications/message", body),
        ServerRequest("sampling/createMessage", body),
    ):
        decision = judged(subject, stage())
        assert not decision.allowed
        assert [each.rule for each in decision.findings] == ["scan.canary"]


@pytest.mark.guarantee("scan:canary-never-passes")
def test_an_answer_of_the_hosts_with_a_planted_credential_does_not_pass() -> None:
    baited = Answer("sampling/createMessage", {"text": BAIT})
    decision = judged(baited, stage())
    assert (decision.allowed, decision.detail) == (False, "it holds a credential")
    (found,) = decision.findings
    assert found == Finding(
        "scan.canary", Severity.CRITICAL, "/text", "a text of the answer: secret"
    )
    assert judged(Answer("sampling/createMessage", {"text": "x"}), stage()).allowed
    without = ScanStage(NOTHING, LOCK)
    assert judged(Answer("sampling/createMessage", {"text": BAIT}), without).allowed


CALLS: dict[str, Call] = {
    "arguments": Call("tools/call", "t", {"a": BAIT}),
    "_meta": Call("tools/call", "t", {}, meta={"a/b": [BAIT]}),
    "a key of _meta": Call("tools/call", "t", {}, meta={BAIT: 1}),
    "task": Call("tools/call", "t", {}, more={"task": {"ttl": 1, "x": BAIT}}),
    "state": Call("tools/call", "t", {}, more={"requestState": BAIT}),
    "_meta of a prompt": Call("prompts/get", "p", {}, meta={"x": BAIT}),
    "_meta of a resource": Call("resources/read", "a:b", {}, meta={"x": BAIT}),
    "_meta of a ping": Call("ping", "", {}, meta={"x": BAIT}),
}


@pytest.mark.guarantee("gateway:canary-beside-arguments")
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_planted_credential_goes_to_no_server_beside_the_arguments(call: Call) -> None:
    gateway = GatewayStage(GatewayPolicy(), LOCK, planted=PLANTED)
    verdict = gateway.judge(call, CTX)
    assert isinstance(verdict, Verdict)
    assert verdict.reason is Reason.SANITISED
    assert [each.rule for each in verdict.findings] == ["scan.canary"]
    harmless = call._replace(
        arguments={}, meta={"x": TOKEN} if call.meta else None, more={"task": {}}
    )
    assert gateway.judge(harmless, CTX) is ALLOW
    assert GatewayStage(GatewayPolicy(), LOCK).judge(call, CTX) is ALLOW


def nested(value: Json) -> JsonObject:
    """`value` deeper than is looked."""
    for _ in range(70):
        value = [value]
    return {"text": value}


def test_an_answer_that_is_too_much_to_be_looked_through_does_not_pass() -> None:
    answer = Answer("sampling/createMessage", nested("x"))
    denied = Verdict.deny(Reason.UNSCANNED, "it is too much to be looked through")
    assert stage().judge(answer, CTX) == denied


def test_what_cannot_be_taken_out_of_an_announcement_is_withheld() -> None:
    announced = Notice("notifications/message", blob("*".join(b64(TOKEN))))
    decision = judged(announced, stage(REDACTING))
    assert (decision.allowed, decision.reason) == (False, Reason.SENSITIVE)
    assert decision.detail == "it holds a credential"
    assert {each.rule for each in decision.findings} == {"scan.secrets"}
