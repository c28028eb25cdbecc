"""What follows from each class of what is found: the responses, quarantine, what was accepted."""

from dataclasses import replace

import pytest

from mcpguard.model import (
    ALLOW,
    Decision,
    Definition,
    Effect,
    Finding,
    ItemKind,
    Reason,
    Result,
    Severity,
    Subject,
)
from mcpguard.pipeline.scan import ScanStage
from mcpguard.pipeline.terms import Response, Responses, ScanPolicy
from tests.unit.pipeline.scanning import (
    BAIT,
    CTX,
    LOCK,
    NOTED,
    NOTHING,
    ORDERS,
    POISONED,
    TOKEN,
    Quarantine,
    Said,
    Sign,
    called,
    judge,
    judged,
    needles,
    outcomes,
    stage,
)

CARD = "4111 1111 1111 1111"


@pytest.mark.parametrize(
    "given",
    [
        called("an ordinary line"),
        called('line\nline\ttab "quoted" C:\\path'),
        called(structuredContent={"n": 1}),
        Result("tools/call", "t", {"content": [], "n": 2**70}),
        Result("tools/call", "t", {"content": [{"type": "text", "text": "half \ud800"}]}),
        Result("tools/call", "t", {"code": 1, "message": "no"}, error=True),
    ],
)
def test_an_ordinary_result_passes_as_it_is(given: Result) -> None:
    made = stage(ScanPolicy())
    assert made.judge(given, CTX) == ALLOW
    assert judged(given, made).subject is given


@pytest.mark.guarantee("scan:flagged-results-answered")
@pytest.mark.parametrize(
    ("response", "reason", "allowed"),
    [
        (Response.OFF, Reason.OK, True),
        (Response.RECORD, Reason.OK, True),
        (Response.ANNOTATE, Reason.ANNOTATED, True),
        (Response.QUARANTINE, Reason.QUARANTINED, False),
        (Response.BLOCK, Reason.INJECTION, False),
    ],
)
def test_what_follows_from_text_that_directs_the_model(
    response: Response, reason: Reason, allowed: bool
) -> None:
    decision = judged(ORDERS, stage(outcomes(response), Quarantine()))
    assert (decision.allowed, decision.reason) == (allowed, reason)
    rules = [each.rule for each in decision.findings]
    assert rules[:1] == ([] if response is Response.OFF else ["scan.override"])
    assert "OBEY" not in repr(decision._replace(subject=ORDERS._replace(body={})))


@pytest.mark.guarantee("scan:flagged-results-answered")
@pytest.mark.parametrize("text", [TOKEN, f"line\n{TOKEN}", f"\\ \u202e{TOKEN}", f"\x00 {TOKEN}"])
@pytest.mark.parametrize(
    ("response", "reason", "allowed"),
    [
        (Response.OFF, Reason.OK, True),
        (Response.RECORD, Reason.OK, True),
        (Response.ANNOTATE, Reason.ANNOTATED, True),
        (Response.REDACT, Reason.REDACTED, True),
        (Response.QUARANTINE, Reason.QUARANTINED, False),
        (Response.BLOCK, Reason.SENSITIVE, False),
    ],
)
def test_what_follows_from_a_credential(
    text: str, response: Response, reason: Reason, allowed: bool
) -> None:
    decision = judged(called(text), stage(replace(NOTHING, secrets=response), Quarantine()))
    assert (decision.allowed, decision.reason) == (allowed, reason)
    assert bool(decision.findings) is (response is not Response.OFF)
    assert isinstance(decision.subject, Result)
    assert (TOKEN in str(decision.subject.body)) is (response is not Response.REDACT)


def test_the_severest_response_holds_and_the_findings_of_all_are_told() -> None:
    policy = replace(outcomes(Response.ANNOTATE), secrets=Response.REDACT, pii=Response.RECORD)
    decision = judged(called(f"OBEY {TOKEN} {CARD}"), stage(policy))
    assert decision.allowed
    assert isinstance(decision.subject, Result)
    assert decision.subject.body["content"] == [
        NOTED,
        {"type": "text", "text": f"OBEY [mcpguard:github-token] {CARD}"},
    ]
    rules = {each.rule for each in decision.findings}
    assert rules == {"scan.secrets", "scan.card", "scan.override"}
    blocking = replace(policy, pii=Response.BLOCK)
    assert judged(called(f"OBEY {TOKEN} {CARD}"), stage(blocking)).reason is Reason.SENSITIVE


def test_a_mode_that_changes_nothing_records_what_would_be_annotated_or_redacted() -> None:
    policy = ScanPolicy(secrets=Response.REDACT, pii=Response.BLOCK).watching()
    assert policy.results == Responses(Response.RECORD, Response.RECORD)
    assert (policy.secrets, policy.pii) == (Response.RECORD, Response.BLOCK)
    decision = judged(called(f"OBEY {TOKEN}"), stage(policy))
    assert (decision.allowed, decision.reason) == (True, Reason.OK)
    assert {each.rule for each in decision.findings} == {"scan.secrets", "scan.override"}


def test_a_class_in_which_nothing_is_found_leaves_all_as_it_is() -> None:
    policy = replace(NOTHING, secrets=Response.REDACT, pii=Response.RECORD)
    given_ = called(f"pay with {CARD}")
    message = "a text of the text: card"
    found = Finding("scan.card", Severity.CRITICAL, "/content/0/text", message)
    assert judged(given_, stage(policy)) == Decision(True, given_, findings=(found,))


@pytest.mark.guarantee("scan:release-admits-one")
def test_what_is_quarantined_is_kept_whole_and_the_model_gets_its_id() -> None:
    keep = Quarantine()
    given_ = called("OBEY", TOKEN, structuredContent={"n": 1})
    decision = judged(given_, stage(outcomes(Response.QUARANTINE), keep))
    (kept,) = keep.kept
    assert (kept.method, kept.target, kept.body, kept.error) == given_[:4]
    assert kept.rules == ("scan.override",)
    assert decision.detail == (
        "its text reads like instructions to the model; a person can read it as q1 and release it"
    )


def test_what_cannot_be_kept_is_withheld_all_the_same() -> None:
    keep = Quarantine()
    keep.full = True
    decision = judged(ORDERS, stage(outcomes(Response.QUARANTINE), keep))
    assert (decision.allowed, decision.reason) == (False, Reason.INJECTION)
    assert "could not be kept" in decision.detail
    assert not judged(ORDERS, stage(outcomes(Response.QUARANTINE))).allowed


@pytest.mark.guarantee("scan:release-admits-one")
def test_a_release_admits_exactly_that_result_once() -> None:
    keep = Quarantine()
    made = stage(outcomes(Response.QUARANTINE), keep)
    keep.admitted.append(ORDERS.body)
    assert not judged(called("OBEY me!"), made).allowed
    decision = judged(ORDERS, made)
    assert (decision.allowed, decision.subject) == (True, ORDERS)
    assert decision.findings[-1] == Finding(
        "scan.released", Severity.INFO, "", "a person has released exactly this"
    )
    assert not judged(ORDERS, made).allowed


ACCEPTED: dict[str, tuple[Subject, str]] = {
    "a result": (called("OBEY"), "tool t"),
    "a result of a prompt": (Result("prompts/get", "p", called("OBEY").body), "prompt p"),
    "a result of a resource": (
        Result("resources/read", "a:b", {"contents": [{"uri": "a:b", "text": "OBEY"}]}),
        "resource a:b",
    ),
    "a definition": (Definition(ItemKind.TOOL, "t", POISONED), "tool t"),
    "instructions": (
        Result("initialize", "", {"instructions": POISONED["description"]}),
        "instructions",
    ),
}


@pytest.mark.guarantee("scan:accepted-live-until-the-day")
@pytest.mark.parametrize("what", ACCEPTED)
def test_what_was_accepted_does_not_count_until_its_last_day_is_over(what: str) -> None:
    subject, item = ACCEPTED[what]
    live: set[str] = {item}
    blocking = Responses(Response.OFF, Response.BLOCK)
    made = ScanStage(
        replace(NOTHING, definitions=blocking, results=blocking),
        LOCK,
        judge=judge,
        needles=needles,
        accepted=lambda rule, about: rule.startswith("scan.") and about in live,
    )
    passed = judged(subject, made)
    assert (passed.allowed, passed.findings, passed.subject) == (True, (), subject)
    live.clear()
    counted = judged(subject, made)
    assert (counted.allowed, counted.subject == subject) != (True, True)


def test_what_was_accepted_in_part_counts_as_before() -> None:
    made = ScanStage(
        outcomes(Response.BLOCK),
        LOCK,
        judge=lambda _: Said("block", (Sign("override"), Sign("leak"))),
        needles=needles,
        accepted=lambda rule, _: rule == "scan.leak",
    )
    assert not judged(called("OBEY"), made).allowed


def test_a_verdict_says_nothing_of_the_subject() -> None:
    decision = judged(called(f"OBEY {TOKEN} {BAIT}"), stage(outcomes(Response.BLOCK)))
    told = repr(decision._replace(subject=ORDERS._replace(body={})))
    assert not [each for each in (TOKEN, BAIT, "OBEY") if each in told]
    assert decision.findings[0].message
    assert Effect.ALLOW
