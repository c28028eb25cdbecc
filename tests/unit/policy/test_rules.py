"""How rules combine, what limits do, and which rules concern a call."""

import itertools
from collections.abc import Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.errors import PolicyError
from mcpguard.model import Call, Json, Result
from mcpguard.policy.cel import Direction, Program, compared_with, compile_condition
from mcpguard.policy.rules import METHODS, NO_OPINION, Action
from tests.unit.policy.facts import call, facts, result
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


def decided(*entries: str, subject: Call | Result = READ, spent: Sequence[str] = ()) -> str:
    found = outcome(*entries, subject=subject, spent=spent)
    remarks = "".join(f" +{each.rule}" for each in found.remarks)
    return (f"{found.action} {found.rule}" if found.action else "none") + remarks


@pytest.mark.guarantee("policy:most-restrictive")
@pytest.mark.parametrize("order", list(itertools.permutations((DENY, ASK, REDACT, ALLOW))))
def test_within_a_priority_the_most_restrictive_wins_in_any_order(order: tuple[str, ...]) -> None:
    assert decided(*order) == "deny d"
    rest = [each for each in order if each != DENY]
    assert decided(*rest) == "require_approval q"
    rest.remove(ASK)
    assert decided(*rest) == "redact r"
    rest.remove(REDACT)
    assert decided(*rest) == "allow a"


@pytest.mark.parametrize("low", [DENY, ASK, REDACT, ALLOW])
@pytest.mark.parametrize("high", [DENY, ASK, REDACT, ALLOW])
def test_the_higher_priority_decides_whatever_is_below(high: str, low: str) -> None:
    above = with_priority(high.replace("name: ", "name: x"), 1)
    expected = decided(above)
    assert decided(low, above) == decided(above, low) == expected
    assert decided(above, with_priority(low, -5)) == expected


def test_a_higher_rule_that_does_not_match_leaves_it_to_the_lower() -> None:
    above = "{name: x, action: allow, priority: 9, when: 'call.tool == \"other\"'}"
    assert decided(above, DENY) == "deny d"


def test_nothing_that_matches_is_no_opinion() -> None:
    assert outcome("{name: x, action: deny, tools: [other]}") is NO_OPINION
    assert decided("{name: x, action: deny, when: 'false'}") == "none"
    assert decided() == "none"


def test_remarks_never_decide_and_are_never_lost() -> None:
    assert decided(WARN, AUDIT) == "none +w +n"
    assert decided(DENY, WARN) == "deny d +w"
    assert decided(with_priority(ALLOW, 9), with_priority(AUDIT, -9)) == "allow a +n"
    found = outcome("{name: w, action: warn, message: Odd.}")
    assert (found.remarks[0].action, found.remarks[0].message) == (Action.WARN, "Odd")


def test_redactions_of_the_deciding_priority_come_together() -> None:
    found = outcome(
        "{name: r1, action: redact, redact: [x], priority: 1}",
        "{name: r2, action: redact, redact: [y], priority: 1}",
        "{name: r3, action: redact, redact: [z]}",
    )
    assert (found.rule, len(found.redactions)) == ("r1", 2)
    asked = outcome(ASK, REDACT)
    assert (asked.rule, len(asked.redactions)) == ("q", 1)
    assert outcome(DENY, REDACT).redactions == ()


FAULTY = "{name: f, action: ACTION, when: call.arguments.gone == 1}"


@pytest.mark.guarantee("policy:fault-denies")
@pytest.mark.parametrize("action", ["deny", "allow", "require_approval", "warn", "audit"])
def test_a_rule_that_cannot_be_evaluated_denies_whatever_its_action(action: str) -> None:
    found = outcome(FAULTY.replace("ACTION", action), "{name: z, action: allow, priority: -1}")
    assert (found.action, found.rule, found.faulty) == (Action.DENY, "f", True)
    assert found.message == (
        "the rule f could not be evaluated: something that it reads is not there: guard it with"
        " has(...)"
    )


def test_a_faulty_rule_below_the_deciding_priority_is_not_asked() -> None:
    below = with_priority(FAULTY.replace("ACTION", "deny"), -1)
    assert decided(ALLOW, below) == "allow a"
    remark = with_priority(FAULTY.replace("ACTION", "warn"), -1)
    assert decided(ALLOW, remark) == "deny f"


@pytest.mark.guarantee("policy:whole-text")
def test_a_call_whose_text_ends_at_a_nul_for_conditions_is_denied() -> None:
    guard = "{name: g, action: deny, when: \"!call.arguments.path.startsWith('/data/')\"}"
    assert decided(guard, subject=call("read", path="/data/a")) == "none"
    found = outcome(guard, subject=call("read", path="/data/a\0/../../etc/passwd"))
    assert (found.action, found.faulty) == (Action.DENY, True)
    named = outcome(guard, subject=call("read\0", path="/data/a"))
    assert (named.action, named.faulty) == (Action.DENY, True)


@pytest.mark.guarantee("policy:fault-denies")
def test_rules_that_take_too_long_deny() -> None:
    ticks = itertools.count(step=0.2)
    found = rules(
        "{name: x, action: allow, when: call.bytes > 1}",
        "{name: y, action: warn, when: call.bytes > 2}",
    ).judge_call(READ, facts, clock=lambda: next(ticks))
    assert (found.action, found.rule, found.faulty) == (Action.DENY, "y", True)
    assert "longer than 0.25 seconds" in found.message


def test_facts_that_fail_are_not_swallowed() -> None:
    def broken() -> None:
        raise OSError("the store is down")

    found = rules("{name: x, action: allow, when: now.hour > 3}")
    with pytest.raises(OSError, match="store"):
        found.judge_call(READ, broken)  # type: ignore[arg-type]


# --- limits --------------------------------------------------------------------------------------


def test_a_limit_is_named_and_says_nothing_until_it_is_spent() -> None:
    entry = "{name: x, action: deny, limit: 5/minute}"
    found = outcome(entry)
    assert (found.action, [use[1:] for use in found.limits]) == (None, [("x", 5, 60)])
    spent = outcome(entry, spent=["x"])
    assert (spent.action, spent.message, spent.limits) == (
        Action.DENY,
        "the limit of 5/minute is spent",
        (),
    )
    assert decided(entry.replace("deny", "require_approval"), spent=["x"]) == "require_approval x"


def test_an_allow_with_a_limit_denies_beyond_it() -> None:
    entry = "{name: x, action: allow, limit: 1/day, message: Enough for today}"
    found = outcome(entry)
    assert (found.action, len(found.limits)) == (Action.ALLOW, 1)
    beyond = outcome(entry, spent=["x"])
    assert (beyond.action, beyond.rule, beyond.message) == (Action.DENY, "x", "Enough for today")


def test_a_limit_below_the_deciding_priority_counts_nothing() -> None:
    found = outcome(with_priority(ALLOW, 1), "{name: x, action: deny, limit: 1/day}")
    assert found.limits == ()


def test_a_limit_above_the_deciding_priority_counts_what_passes() -> None:
    limit = "{name: x, action: deny, limit: 1/day, priority: 1}"
    assert [use.rule for use in outcome(limit, ALLOW).limits] == ["x"]
    assert outcome(limit, DENY).limits == ()
    assert decided(limit, ALLOW, spent=["x"]) == "deny x"


def test_a_limit_counts_by_principal_or_by_what_it_says() -> None:
    def key(entry: str, principal: str = "p", **arguments: Json) -> str:
        found = rules(entry).judge_call(
            call("read", **arguments), lambda: facts(principal=principal)
        )
        return found.limits[0].key

    plain = "{name: x, action: deny, limit: 1/day}"
    path = "{name: x, action: deny, limit: 1/day, per: call.arguments.path}"
    assert key(plain, "p") != key(plain, "q")
    assert key(plain, "p", path="a") == key(plain, "p", path="b")
    assert key(path, "p", path="a") == key(path, "q", path="a") != key(path, "p", path="b")
    assert key(plain) != key(plain.replace("name: x", "name: y"))
    assert len(key(plain)) == 32


@pytest.mark.guarantee("policy:fault-denies")
def test_a_limit_that_cannot_be_counted_denies() -> None:
    entry = "{name: x, action: allow, limit: 1/day, per: call.arguments.gone}"
    assert outcome(entry).faulty
    assert outcome(entry.replace("gone", "path"), subject=call("read", path=7)).faulty


# --- which rules concern a subject ---------------------------------------------------------------

NAMES: list[tuple[str, str, bool]] = [
    ("read", "read", True),
    ("read", "Read", False),
    ("read", "read_file", False),
    ("read*", "read_file", True),
    ("*file", "read_file", True),
    ("r?ad", "read", True),
    ("r?ad", "rad", False),
    ("*", "", True),
    ("a.b", "axb", False),
    ("a[bc]", "ab", False),
    ("a[bc]", "a[bc]", True),
    ("(?i)read", "READ", False),
    ("a*", "a\nb", True),
    ("*", "\0", True),
    ("re\u0061d", "read", True),
]


@pytest.mark.parametrize(("pattern", "name", "concerned"), NAMES)
def test_tools_are_named_whole_and_by_case(pattern: str, name: str, concerned: bool) -> None:
    found = decided(f"{{name: x, action: deny, tools: ['{pattern}']}}", subject=call(name))
    assert found == ("deny x" if concerned else "none")


def test_tools_are_about_tools_call_alone_and_the_rest_about_any_method() -> None:
    tools = "{name: x, action: deny, tools: ['*']}"
    methods = "{name: x, action: deny, methods: [prompts/get, resources/read]}"
    for method in METHODS:
        subject = Call(method, "a", {})
        assert decided(DENY, subject=subject) == "deny d"
        assert decided(tools, subject=subject) == ("deny x" if method == "tools/call" else "none")
        named = method in {"prompts/get", "resources/read"}
        assert decided(methods, subject=subject) == ("deny x" if named else "none")
    assert decided(DENY, subject=Call("initialize", "", {})) == "none"


def test_directions_are_apart() -> None:
    output = "{name: o, action: deny, direction: result}"
    assert decided(output) == decided(DENY, subject=result("a", "b")) == "none"
    assert decided(output, subject=result("a", "b")) == "deny o"


def test_a_rule_that_is_not_enabled_says_nothing_but_is_checked() -> None:
    assert decided("{name: x, action: deny, enabled: false}") == "none"
    with pytest.raises(PolicyError, match="unknown name"):
        rules("{name: x, action: deny, enabled: false, when: nope}")


def test_invented_names_fill_no_memory() -> None:
    found = rules("{name: x, action: deny, tools: [bad]}")
    for number in range(3000):
        found.judge_call(call(f"tool{number}"), facts)
    assert len(found._known) <= 1024  # noqa: SLF001 - the bound is the promise
    assert found.judge_call(call("bad"), facts).action is Action.DENY


def test_a_call_that_no_rule_names_asks_for_no_facts_and_no_condition() -> None:
    def never() -> None:
        raise AssertionError("nobody needs to know")

    found = rules("{name: x, action: deny, tools: [bad], when: now.hour > 3}")
    assert found.judge_call(READ, never) is NO_OPINION  # type: ignore[arg-type]
    assert found.judge_result(result("bad", "x"), never) is NO_OPINION  # type: ignore[arg-type]
    plain = rules("{name: x, action: deny, tools: [read]}")
    assert plain.judge_call(READ, never).rule == "x"  # type: ignore[arg-type]


SAID = [
    """'call.method == "x"' == call.tool""",
    """r'"x" == call.method' != call.tool""",
    """"call.method in ['x'] \\"" == call.tool""",
    """'''it's "call.method == 'x'" ''' == call.tool""",
    """call.tool == 'a' // call.method == 'x'""",
    """'\u00e9 matches("(")' == call.tool""",
]
"""Conditions that hold, in a literal or a comment, what would be an error as code."""


@pytest.mark.parametrize("condition", SAID)
def test_what_a_literal_or_a_comment_says_is_no_condition(condition: str) -> None:
    made = compile_condition(condition, Direction.CALL)
    assert isinstance(made, Program)
    assert compared_with(condition, "call.method", Direction.CALL) == []
    assert compared_with(
        f"{condition}\n || call.method == r'\u00e9'", "call.method", Direction.CALL
    ) == ["\u00e9"]
    assert (
        len(rules(f"{{name: x, action: deny, when: {orjson.dumps(condition).decode()}}}").rules)
        == 1
    )


def test_it_is_known_which_rules_read_the_arguments() -> None:
    found = rules(
        "{name: x, action: deny, tools: [a], when: call.arguments.b == 1}",
        "{name: y, action: deny, tools: [a], when: now.hour > 30}",
        "{name: z, action: allow, tools: [a], limit: 1/day, per: call.arguments.b}",
    )
    assert found.reading_arguments("tools/call", "a") == ("x", "z")
    assert found.reading_arguments("tools/call", "b") == ()


ENTRIES = st.lists(
    st.tuples(
        st.sampled_from((DENY, ASK, REDACT, ALLOW, WARN, AUDIT)),
        st.integers(-2, 2),
        st.sampled_from(("true", "false", "call.arguments.gone == 1")),
    ),
    max_size=6,
)


@pytest.mark.guarantee("policy:most-restrictive")
@given(ENTRIES)
def test_order_in_the_file_changes_nothing_and_a_deny_more_never_loosens(
    entries: list[tuple[str, int, str]],
) -> None:
    made = [
        entry.replace("name: ", f"name: n{number}").replace(
            "}", f", priority: {priority}, when: '{when}'}}"
        )
        for number, (entry, priority, when) in enumerate(entries)
    ]
    first = outcome(*made)
    turned = outcome(*made[::-1])
    assert (turned.action, len(turned.redactions)) == (first.action, len(first.redactions))
    assert outcome(*made, with_priority(DENY, 3)).action is Action.DENY
    if first.action is Action.DENY:
        assert outcome(*made, with_priority(DENY, -3)).action is Action.DENY
