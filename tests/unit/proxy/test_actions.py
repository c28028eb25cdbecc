"""What findings leave: fields of a decision's record, and events for people."""

import pytest

from mcpguard.model import (
    APPROVED,
    CANARY,
    OFF_SCHEMA,
    REMARK,
    Allowed,
    Call,
    Decision,
    Finding,
    JsonObject,
    Severity,
)
from mcpguard.proxy.actions import MAX_FINDINGS, SHOWN, Event, heard, record_of

UP = Allowed("up", "tools/call", "echo")
CALL = Call("tools/call", "echo", {})
SAID: dict[str, str | int] = {"method": "tools/call", "what": "tools/call echo"}


def finding(rule: str, where: str = "", message: str = "", level: str = "critical") -> Finding:
    return Finding(rule, Severity(level), where, message)


WARNS = finding(f"{REMARK}w", "", "careful (rule w)", "moderate")
HEARD: dict[str, tuple[tuple[Finding, ...], list[Event]]] = {
    "nothing": ((), []),
    "what a stage found": ((finding("scan.url", "/a", "text"),), []),
    "a canary, once": (
        (finding(CANARY, "/a"), finding(CANARY, "/b")),
        [Event("canary.seen", {"direction": "up", "method": "tools/call"}, "error")],
    ),
    "a rule that warns": (
        (WARNS,),
        [
            Event(
                "rule.warned",
                {**SAID, "rule": f"{REMARK}w", "detail": "careful (rule w)"},
                "warning",
            )
        ],
    ),
    "a rule that only records": ((finding(f"{REMARK}a", "", "seen", "info"),), []),
}


@pytest.mark.parametrize(("findings", "expected"), HEARD.values(), ids=HEARD)
def test_what_people_hear_of_findings(findings: tuple[Finding, ...], expected: list[Event]) -> None:
    assert list(heard("up", SAID, findings)) == expected


RECORDED: dict[str, tuple[tuple[Finding, ...], JsonObject]] = {
    "who approved it, which is no finding": (
        (finding(APPROVED, "ada", "key 1"),),
        {"approval": "ada key 1"},
    ),
    "as many findings as a record names": (
        tuple(finding(f"scan.{number}", "/a") for number in range(9)),
        {"findings": [f"scan.{number} /a" for number in range(8)]},
    ),
    "no longer than a detail": (
        (finding("scan.long", "x" * 600),),
        {"findings": [f"scan.long {'x' * 502}"]},
    ),
    "what a rule remarks": (
        (WARNS, finding(f"{REMARK}b", "", "and this (rule b)")),
        {
            "findings": [f"{REMARK}w", f"{REMARK}b"],
            "detail": "careful (rule w); and this (rule b)",
        },
    ),
    "a result against its schema": (
        (finding(OFF_SCHEMA, "/x"),),
        {"findings": [f"{OFF_SCHEMA} /x"], "outcome": "off_schema"},
    ),
}


@pytest.mark.parametrize(("findings", "expected"), RECORDED.values(), ids=RECORDED)
def test_what_a_record_says_of_findings(
    findings: tuple[Finding, ...], expected: JsonObject
) -> None:
    decision = Decision(allowed=True, subject=CALL, findings=findings)
    assert record_of(UP, decision, stops=True) == {**UP.fields(), **expected}


def test_the_limits_of_a_record_are_those_that_are_documented() -> None:
    assert (MAX_FINDINGS, SHOWN) == (8, 512)
