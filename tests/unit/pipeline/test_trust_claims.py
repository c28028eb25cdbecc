"""What a message says of its own trust: named as a finding, never believed."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.model import ALLOW, Effect, Finding, Json, Reason, Severity, Verdict
from mcpguard.pipeline.trust import MAX_FINDINGS, MAX_KEYS
from tests.unit.pipeline.callers import TABLE, call, context, held, stage, unlimited


def claims(arguments: Json = None, meta: Json = None) -> list[str]:
    given_ = arguments if isinstance(arguments, dict) else {}
    verdict = stage().judge(call("free", given_, meta), context())
    assert isinstance(verdict, Verdict)
    assert verdict.effect is Effect.ALLOW
    said = "a message's own word for its trust; nobody reads it"
    assert verdict.findings == tuple(
        Finding("trust-claim", Severity.INFO, one.where, said) for one in verdict.findings
    )
    return [one.where for one in verdict.findings]


OWN_WORDS = (
    "trustScore trust_level Trust-Tier agentTrust agent_trust_score agent.trust.level"
    " peer-trust-score callerTrustScore CAPABILITIES agent_capabilities agent-did callerDID"
    " peer_did authLevel capiscio_caller_badge CapiscIO-Caller-API-Key"
)


@pytest.mark.guarantee("trust:never-from-a-message")
@pytest.mark.parametrize("key", OWN_WORDS.split())
def test_every_known_name_of_trust_is_a_claim(key: str) -> None:
    assert claims({key: 1}) == [f"/arguments/{key}"]
    assert claims({key + "!": 1, "my " + key: 1}) == []


@pytest.mark.guarantee("trust:never-from-a-message")
@pytest.mark.parametrize(
    ("arguments", "meta", "found"),
    [
        ({"path": "/trust_score", "note": "trust_score"}, None, []),
        ({"trust_score": 1000}, None, ["/arguments/trust_score"]),
        ({"Trust-Level": 4}, None, ["/arguments/Trust-Level"]),
        ({"agentDid": "did:key:z6Mk"}, None, ["/arguments/agentDid"]),
        ({"AGENT_TRUST_SCORE": 1}, None, ["/arguments/AGENT_TRUST_SCORE"]),
        ({"capabilities": ["*"]}, None, ["/arguments/capabilities"]),
        ({"a": [{"b/c": {"trust.score": 1}}]}, None, ["/arguments/a/0/b~1c/trust.score"]),
        ({"a~b": {"trust score": 1}}, None, ["/arguments/a~0b/trust score"]),
        ({"trust!score": 1}, None, []),
        ({}, {"trust_score": 1000}, ["/_meta/trust_score"]),
        ({}, {"x": {"capiscio_caller_badge": "e"}}, ["/_meta/x/capiscio_caller_badge"]),
        ({}, "trust_score", []),
        ({"trust_score_of_the_week": 1, "score": 1, "level": 2}, None, []),
    ],
)
def test_a_claim_in_a_message_is_a_finding(arguments: Json, meta: Json, found: list[str]) -> None:
    assert claims(arguments, meta) == found


values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(["trust_score", "agent_did", "x"]), below, max_size=3)
    ),
    max_leaves=12,
)


@pytest.mark.guarantee("trust:never-from-a-message")
@given(
    st.dictionaries(st.sampled_from(["trust_level", "capabilities", "a"]), values, max_size=3),
    values,
    st.sampled_from(sorted(TABLE.policies)),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1000)), max_size=3),
    st.booleans(),
)
def test_nothing_in_a_message_changes_the_verdict(
    arguments: dict[str, Json],
    meta: Json,
    tool: str,
    standings: list[tuple[int, int]],
    strict: bool,
) -> None:
    plain = stage(strict=strict).judge(call(tool), held(*standings))
    claimed = stage(strict=strict).judge(call(tool, arguments, meta), held(*standings))
    assert isinstance(plain, Verdict)
    assert isinstance(claimed, Verdict)
    assert claimed._replace(findings=()) == plain


def test_a_claim_is_named_beside_a_denial_too() -> None:
    verdict = stage().judge(call("blocked", {"trust_score": 1}), context())
    assert isinstance(verdict, Verdict)
    assert (verdict.effect, verdict.reason) == (Effect.DENY, Reason.TOOL_BLOCKED)
    assert [one.where for one in verdict.findings] == ["/arguments/trust_score"]


def test_looking_for_claims_is_bounded() -> None:
    deep: Json = {"trust_score": 1}
    for _ in range(500):
        deep = [deep]
    assert claims({"a": deep}) == []
    assert claims({"a": [0] * 100_000, "b": {"trust_score": 1}}) == ["/arguments/b/trust_score"]
    assert claims({**{f"a{n}": 1 for n in range(3000)}, "trust_score": 1}) == []
    assert len(claims({f"a{n}": {"trust_score": 1} for n in range(99)})) == MAX_FINDINGS
    assert claims({"trust_score" * 1000: 1}) == []
    assert claims({"x" * 10_000: {"trust_score": 1}}) == [f"/arguments/{'x' * 40}/trust_score"]


def below(levels: int) -> Json:
    """A claim inside so many lists."""
    value: Json = {"trust_score": 1}
    for _ in range(levels - 1):
        value = [value]
    return value


def fillers(count: int) -> dict[str, Json]:
    return {f"a{number}": 1 for number in range(count)}


LEVELS, KEYS = 32, 2000
LAST = "trust" + "_" * 30 + "score"
BOUNDS: dict[str, tuple[dict[str, Json], Json, int]] = {
    "the last level of arguments": ({"a": below(LEVELS)}, None, 1),
    "one level more": ({"a": below(LEVELS + 1)}, None, 0),
    "the last level of _meta": ({}, {"a": below(LEVELS)}, 1),
    "one level more of _meta": ({}, {"a": below(LEVELS + 1)}, 0),
    "the last key": ({**fillers(KEYS - 1), "trust_score": 1}, None, 1),
    "one key more": ({**fillers(KEYS), "trust_score": 1}, None, 0),
    "the last key, below": ({**fillers(KEYS - 2), "a": {"trust_score": 1}}, None, 1),
    "one key more, below": ({**fillers(KEYS - 1), "a": {"trust_score": 1}}, None, 0),
    "the longest claim": ({LAST: 1}, None, 1),
    "one character more": ({LAST + "_": 1}, None, 0),
    "all that are named": ({f"a{number}": {"trust_score": 1} for number in range(8)}, None, 8),
    "one claim more": ({f"a{number}": {"trust_score": 1} for number in range(9)}, None, 8),
}


@pytest.mark.parametrize(("arguments", "meta", "found"), BOUNDS.values(), ids=BOUNDS)
def test_claims_are_looked_for_up_to_each_bound(
    arguments: dict[str, Json], meta: Json, found: int
) -> None:
    assert len(claims(arguments, meta)) == found


def test_a_name_that_was_harmless_stays_so_and_hides_no_claim() -> None:
    one = stage()
    for number in range(2 * MAX_KEYS):
        assert one.judge(call("free", {"a": {"b": number}, f"k{number}": []}), context()) is ALLOW
    claimed = one.judge(call("free", {"a": {"trust_score": 1}}), context())
    assert isinstance(claimed, Verdict)
    assert [each.where for each in claimed.findings] == ["/arguments/a/trust_score"]


def test_a_caller_cannot_fill_the_memory_with_names() -> None:
    """To what is remembered there is one reference more than to the last one, which was not sent.

    Each time that as many are known as may be, it begins anew.
    """
    one = stage()
    names = [f"name {number}" for number in range(2 * MAX_KEYS + 2)]
    *sent, last = [sys.getrefcount(name) for name in names]
    assert set(sent) == {last}
    assert {one.judge(call("free", {name: []}), context()) for name in names[:-1]} == {ALLOW}
    *sent, last = [sys.getrefcount(name) for name in names]
    assert [count - last for count in sent] == [0] * (2 * MAX_KEYS) + [1]


def test_a_claim_is_named_although_the_same_tool_passed_before() -> None:
    one = unlimited()
    assert one.judge(call("t"), context()) is ALLOW
    claimed = one.judge(call("t", {"trust_score": 1}), context())
    assert isinstance(claimed, Verdict)
    assert [each.where for each in claimed.findings] == ["/arguments/trust_score"]
