"""Rules on a floor: neither loosens the other."""

from collections.abc import Sequence

import pytest

from mcpguard.policy.rules import Action, RuleSet
from tests.unit.policy.facts import facts, result
from tests.unit.policy.rulesets import (
    ALLOW,
    ASK,
    AUDIT,
    DENY,
    READ,
    REDACT,
    WARN,
    outcome,
    rules,
    with_priority,
)

RESTRICTIVE = {"deny": 0, "require_approval": 1, "redact": 2, "allow": 3, "None": 3}


def on_a_floor(own: Sequence[str], floor: Sequence[str]) -> RuleSet:
    return RuleSet("p", rules(*own).rules, floor=RuleSet("floor", rules(*floor).rules))


@pytest.mark.guarantee("policy:floor-holds")
@pytest.mark.parametrize("priority", [-1000, 1000])
@pytest.mark.parametrize("low", [DENY, ASK, REDACT, ALLOW])
@pytest.mark.parametrize("own", [DENY, ASK, REDACT, ALLOW])
def test_no_rule_loosens_what_it_stands_on_nor_is_loosened_by_it(
    own: str, low: str, priority: int
) -> None:
    found = on_a_floor([with_priority(own, priority)], [low]).judge_call(READ, facts)
    alone = [outcome(own), outcome(low)]
    ranks = [RESTRICTIVE[str(each.action)] for each in alone]
    assert RESTRICTIVE[str(found.action)] == min(ranks)
    if found.action is not Action.DENY:
        assert len(found.redactions) == sum(len(each.redactions) for each in alone)


def test_an_allow_of_the_floor_is_no_opinion_and_without_rules_the_floor_decides() -> None:
    assert on_a_floor([], [ALLOW]).judge_call(READ, facts).action is None
    assert on_a_floor([], [DENY, WARN]).judge_call(READ, facts).rule == "d"
    assert on_a_floor([WARN], [AUDIT]).judge_call(READ, facts).remarks[1].rule == "n"
    said = on_a_floor([], ["{name: x, direction: result, action: deny}"])
    assert said.judge_result(result("read", "a"), facts).rule == "x"


def test_limits_of_both_are_counted_apart() -> None:
    entry = "{name: l, action: deny, limit: 2/hour}"
    found = on_a_floor([entry], [entry])
    first, second = found.judge_call(READ, facts).limits
    assert first.key != second.key
    for spent in (first.key, second.key):
        assert found.judge_call(READ, facts, spent=(spent,)).action is Action.DENY


def test_a_floors_conditions_are_among_those_that_read_arguments() -> None:
    entry = "{name: y, action: deny, when: 'call.arguments.path == \"/a\"'}"
    assert on_a_floor([], [entry]).reading_arguments("tools/call", "read") == ("y",)
