"""What a session tells the trust stage, and what its records tell the score."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from mcpguard.model import (
    ALLOW,
    NOBODY,
    Held,
    Json,
    JsonObject,
    Live,
    Mode,
    Principal,
    Proof,
    Verdict,
    Wait,
)
from mcpguard.pipeline import Decide
from mcpguard.pipeline.trust import TrustStage
from mcpguard.trust.fold import SERVER, Party, fold
from mcpguard.trust.policy import PolicyTable, ToolPolicy
from tests.unit.proxy.play import LATEST, LOCK, Play, call, opened, play, usual, wire

DOWN = "server>host"
TEXT: JsonObject = {"content": [{"type": "text", "text": "x"}]}
FAILED: JsonObject = {**TEXT, "isError": True}


@dataclass
class Known:
    """Parties whose standings change while the session runs."""

    caller: Principal
    scores: list[int]

    def held(self) -> Sequence[Held]:
        return [Held(1, score) for score in self.scores]


class Clock:
    """Limits that only look at the time."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def take(self, principal: str, tool: str, live: Live, per_minute: int) -> Verdict | Wait:
        self.times.append(live.now)
        return ALLOW


def trusted(limits: Clock | None = None) -> Decide:
    """The pipeline with a trust stage that counts."""
    policies = PolicyTable({"free": ToolPolicy(max_calls_per_minute=9)})
    return usual(LOCK, trust=TrustStage(policies, limits=limits or Clock()))


def session(limits: Clock | None = None, scores: list[int] | None = None) -> Play:
    caller = Principal("local:default", 1, proof=Proof.PROFILE)
    parties = Known(caller, [500, 500] if scores is None else scores)
    return opened(decide=trusted(limits), parties=parties)


def test_a_stage_knows_when_the_message_came_on_the_short_way_and_on_the_long_one() -> None:
    limits = Clock()
    one = session(limits).host(call(1, arguments={})).after(2.5).host(call(2, _meta={}))
    assert limits.times == [one.now - 2.5, one.now]


def test_a_stage_knows_the_standings_as_they_are_when_it_is_asked() -> None:
    scores = [500, 500]
    one = session(scores=scores).host(call(1, arguments={})).recorded(decision="allow")
    scores[1] = 200
    one.host(call(2, arguments={}))
    one.recorded(decision="deny", reason="trust_score")


def test_a_session_that_was_told_of_nobody_trusts_nobody() -> None:
    one = play(LOCK, decide=trusted(), parties=NOBODY).host(
        {"id": 1, "method": "initialize", "params": {"protocolVersion": LATEST}}
    )
    one.recorded(method="initialize", decision="deny", reason="no_principal")


@pytest.mark.guarantee("trust:never-from-a-message")
@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"arguments": {"trust_score": 1000}}, ["trust-claim /arguments/trust_score"]),
        (
            {"arguments": {}, "_meta": {"agent_did": "did:key:z"}},
            ["trust-claim /_meta/agent_did"],
        ),
        ({"arguments": {"x": 1}}, None),
    ],
)
def test_a_claim_is_in_the_record_and_the_call_goes_on_as_it_was(
    more: dict[str, Json], found: list[str] | None
) -> None:
    one = session().host(call(1, **more))  # type: ignore[arg-type]
    one.sends_server({"id": wire(0), "method": "tools/call", "params": {"name": "free", **more}})
    assert one.records[-1].get("findings") == found
    assert one.records[-1]["decision"] == "allow"


@pytest.mark.guarantee("trust:never-from-a-message")
def test_a_claim_beside_a_request_that_names_nothing_is_in_the_record() -> None:
    params: JsonObject = {"level": "info", "_meta": {"agent_did": "did:key:z"}}
    one = session().host({"id": 1, "method": "logging/setLevel", "params": params})
    assert one.records[-1]["findings"] == ["trust-claim /_meta/agent_did"]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"result": TEXT}, None),
        ({"result": {**TEXT, "isError": False}}, None),
        ({"result": FAILED}, "tool_error"),
        ({"result": {**FAILED, "_meta": {"x": 1}}}, "tool_error"),
        ({"error": {"code": -32000, "message": "x"}}, "error"),
    ],
)
@pytest.mark.guarantee("trust:events")
def test_the_record_of_an_answer_says_whether_it_was_a_success(
    answer: JsonObject, outcome: str | None
) -> None:
    one = opened().host(call(1, arguments={})).server({"id": wire(0), **answer})
    assert one.records[-1]["decision"] == "allow"
    assert one.records[-1].get("outcome") == outcome


@pytest.mark.guarantee("trust:events")
def test_a_result_that_its_schema_does_not_permit_passes_and_is_no_success() -> None:
    one = opened().host(call(1, "echo", {"text": "x"}))
    one.server({"id": wire(0), "result": TEXT}).sends_host({"id": 1, "result": TEXT})
    assert one.records[-1]["decision"] == "allow"
    assert one.records[-1]["outcome"] == "off_schema"
    assert one.records[-1]["findings"] == ["surface.output_schema /structuredContent"]


def test_an_error_that_asks_for_a_person_is_no_failure() -> None:
    asked: JsonObject = {
        "mode": "url",
        "elicitationId": "e",
        "url": "https://x.example",
        "message": "",
    }
    error: JsonObject = {"code": -32042, "message": "x", "data": {"elicitations": [asked]}}
    one = opened(mode=Mode.AUDIT_ONLY).host(call(1, arguments={}))
    one.server({"id": wire(0), "error": error})
    assert one.records[-1]["outcome"] == "asked"


def test_no_answer_to_a_cancelled_request_is_only_noted() -> None:
    cancel: JsonObject = {"method": "notifications/cancelled", "params": {"requestId": 1}}
    one = opened().host(call(1, arguments={}), call(2, arguments={}), cancel).forget()
    one.ticks(4000.0)
    assert sorted(str(told["decision"]) for told in one.records) == ["deny", "note"]


def score(one: Play) -> int:
    """The server's score after what `one` recorded."""
    front: JsonObject = {"session": "s", "ts": "2026-11-21T12:00:00Z", "server": "files"}
    records = [{**front, "seq": n, **told, "principal": "me"} for n, told in enumerate(one.records)]
    return fold(records)[Party(SERVER, "files")].score


@pytest.mark.guarantee("trust:events")
def test_what_a_server_does_in_a_session_moves_its_score() -> None:
    one = opened().host(*(call(n, arguments={}) for n in range(5)))
    assert score(one) == 500
    one.server({"id": wire(0), "result": TEXT})
    assert score(one) == 510
    one.server({"id": wire(1), "result": FAILED})
    assert score(one) == 510
    one.server({"id": wire(2), "error": {"code": -32000, "message": "x"}})
    assert score(one) == 490
    one.server({"id": wire(2), "result": TEXT})
    assert score(one) == 190


def test_a_server_that_answers_after_its_time_is_slow_and_no_forger() -> None:
    one = opened().host(call(1, arguments={})).ticks(4000.0)
    one.server({"id": wire(0), "result": TEXT})
    assert score(one) == 490


def test_an_error_of_a_server_that_could_not_read_a_line_is_not_forged() -> None:
    one = opened().server({"id": None, "error": {"code": -32700, "message": "x"}})
    assert score(one) == 500


@pytest.mark.guarantee("trust:denials-move-nobody")
def test_a_host_that_keeps_asking_for_what_it_may_not_have_moves_nobody() -> None:
    one = opened()
    for number in range(20):
        one.host(call(number, "unknown"), call(f"a{number}", "free", {"path": 7}))
    assert score(one) == 500
