"""An ordinary working day without a denial, and what is hostile denied for what it is."""

from pathlib import Path

import orjson
import pytest

from mcpguard.model import Call, Effect, Reason, Verdict
from mcpguard.pipeline.terms import GatewayPolicy
from tests.tools import FIXTURES
from tests.unit.pipeline.gateways import CTX, DENY, RECORD, call, stage

BASELINE = GatewayPolicy(
    detectors={
        "shell_injection": DENY,
        "path_traversal": DENY,
        "ssrf_url": DENY,
        "ssn": RECORD,
        "card": RECORD,
        "iban": RECORD,
        "secrets": RECORD,
    }
)


def rows(name: str) -> list[tuple[Call, set[str]]]:
    """The calls of a file of fixtures, and the rules that they say they fire."""
    lines = [
        orjson.loads(line) for line in Path(FIXTURES / "scan" / name).read_bytes().splitlines()
    ]
    return [
        (call(line["arguments"], line["tool"]), {f"scan.{rule}" for rule in line.get("hits", ())})
        for line in lines
    ]


@pytest.mark.guarantee("scan:ordinary-passes")
@pytest.mark.parametrize(
    ("name", "least"),
    [("ordinary.jsonl", 400), ("ordinary-day.jsonl", 140), ("ordinary-private.jsonl", 15)],
)
def test_an_ordinary_day_sees_no_denial_and_no_change(name: str, least: int) -> None:
    gateway = stage(BASELINE)
    ordinary = rows(name)
    assert len(ordinary) >= least
    for subject, rules in ordinary:
        verdict = gateway.judge(subject, CTX)
        assert isinstance(verdict, Verdict)
        assert (subject, verdict.effect, verdict.rewrite) == (subject, Effect.ALLOW, None)
        assert {each.rule for each in verdict.findings} == rules


def test_what_is_hostile_is_denied_for_what_it_is() -> None:
    gateway = stage(BASELINE)
    hostile = rows("hostile.jsonl")
    assert len(hostile) >= 60
    for subject, rules in hostile:
        verdict = gateway.judge(subject, CTX)
        assert isinstance(verdict, Verdict)
        assert (subject, verdict.effect) == (subject, Effect.DENY)
        assert verdict.reason is Reason.SANITISED
        assert rules <= {each.rule for each in verdict.findings}
