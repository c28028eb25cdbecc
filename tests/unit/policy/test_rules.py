"""How rules combine, what loading refuses, what redaction leaves; the table of `policy.rules`."""

import itertools
from base64 import b64encode
from collections.abc import Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.errors import PolicyError
from mcpguard.model import Call, Json, JsonObject, Result
from mcpguard.policy.cel import Direction, Program, compared_with, compile_condition
from mcpguard.policy.document import read
from mcpguard.policy.loading import KEYS, MAX_RULES, check, load, rules_of
from mcpguard.policy.redaction import Redaction, compile_pattern, redacted, redacted_result
from mcpguard.policy.rules import METHODS, NO_OPINION, Action, Outcome, RuleSet
from tests.unit.policy.facts import call, facts, result

READ = call("read", path="/a")


def rules(*entries: str) -> RuleSet:
    """A policy of rules in flow style: `{name: a, action: deny}`."""
    listed = "".join(f"\n  - {each}" for each in entries) or " []"
    return load(f"name: p\nrules:{listed}", "p.yaml")


def outcome(*entries: str, subject: Call | Result = READ, spent: Sequence[str] = ()) -> Outcome:
    found = rules(*entries)
    if isinstance(subject, Result):
        return found.judge_result(subject, facts)
    keys = [use.key for use in found.judge_call(subject, facts).limits if use.rule in spent]
    return found.judge_call(subject, facts, spent=keys)


def decided(*entries: str, subject: Call | Result = READ, spent: Sequence[str] = ()) -> str:
    found = outcome(*entries, subject=subject, spent=spent)
    remarks = "".join(f" +{each.rule}" for each in found.remarks)
    return (f"{found.action} {found.rule}" if found.action else "none") + remarks


DENY = "{name: d, action: deny}"
ASK = "{name: q, action: require_approval}"
REDACT = "{name: r, action: redact, redact: [z]}"
ALLOW = "{name: a, action: allow}"
WARN = "{name: w, action: warn}"
AUDIT = "{name: n, action: audit}"


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


def with_priority(entry: str, priority: int) -> str:
    return entry.replace("}", f", priority: {priority}}}")


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


# --- loading -------------------------------------------------------------------------------------

UNASKED = "no effect: this rule is never asked about the method"
OF_TASKS = "the result of a task is judged as its call's: call.method == 'tools/call'"
REFUSED: list[tuple[str, str, str]] = [
    (
        "{name: x, action: deny, direction: result, when: \"call.method == 'tasks/get'\"}",
        f"{UNASKED} `tasks/get`",
        OF_TASKS,
    ),
    (
        "{name: x, action: deny, when: 'true && r\"tasks/list\" != call.method'}",
        f"{UNASKED} `tasks/list`",
        OF_TASKS,
    ),
    (
        "{name: x, action: deny, when: \"call.method in ['tools/call', 'tasks/cancel']\"}",
        f"{UNASKED} `tasks/cancel`",
        OF_TASKS,
    ),
    (
        "{name: x, action: deny, when: \"call.method == 'tool/call'\"}",
        f"{UNASKED} `tool/call`",
        "rules are about tools/call, prompts/get",
    ),
    (
        "{name: x, action: deny, tools: [a], when: \"call.method == 'prompts/get'\"}",
        f"{UNASKED} `prompts/get`",
        "it is about tools/call: see `methods` and `tools`",
    ),
    ("{action: deny}", "3:5: `name` is missing", "add"),
    ("{name: x}", "3:5: `action` is missing", "add"),
    ("{name: 'x y', action: deny}", "3:12: a name has letters", "for example"),
    ("{name: x, action: blok}", "3:23: unknown action `blok`", "`block`"),
    ("{name: x, action: log}", "3:23: unknown action `log`", "`audit`"),
    ("{name: x, action: DENY}", "3:23: unknown action `DENY`", "known here: deny"),
    ("{name: x, action: deny, messag: y}", "3:29: unknown key `messag`", "`message`"),
    ("{name: x, action: deny, conditions: [y]}", "3:29: unknown key", "`when`"),
    ("{name: x, action: deny, condition: y}", "3:29: unknown key", "write `when`, in CEL"),
    ("{name: x, action: deny, severity: high}", "3:29: unknown key", "leave it out"),
    ("{name: x, action: deny, direction: out}", "3:40: unknown word `out`", "known here: call"),
    ("{name: x, action: deny, tools: []}", "3:36: the list is empty", "leave"),
    ("{name: x, action: deny, tools: bash}", "3:36: a list belongs here", "[a, b]"),
    ("{name: x, action: deny, methods: []}", "3:38: the list is empty", "leave it out"),
    ("{name: x, action: deny, methods: [tools/cal]}", "3:39: unknown word", "`tools/call`"),
    ("{name: x, action: deny, tools: [a], methods: [prompts/get]}", "3:50: `tools` are", "leave"),
    ("{name: x, action: deny, when: true}", "3:35: a condition is a text", "leave `when` out"),
    ("{name: x, action: deny, when: call.tol == 1}", "3:39: unknown name `call.tol`", "call.tool"),
    ("{name: x, action: deny, when: tool == 'a'}", "3:35: unknown name", "write call.tool == 'a'"),
    ("{name: x, action: deny, when: tool > 5}", "3:35: unknown name `tool`", "`tool.tier`"),
    ("{name: x, action: deny, when: 'call.tool'}", "3:35: the condition is not true", "compare"),
    ("{name: x, action: deny, when: '1 + nope'}", "nope` (line 1, character 5 of it)", "known"),
    (
        "{name: x, action: deny, when: params.a contains 'b'}",
        "3:44: not CEL",
        "write call.arguments.a.contains('b')",
    ),
    (
        "{name: x, action: deny, when: output contains 'b'}",
        "3:42: not CEL",
        "give the rule `direction: result` and write result.text.contains('b')",
    ),
    ("{name: x, action: deny, when: count(a) > 3}", "3:41: unknown name", "100/hour"),
    ("{name: x, action: deny, limit: 5}", "3:36: `5` is no limit", "100/hour"),
    ("{name: x, action: deny, limit: 5/fortnight}", "3:36: unknown unit `fortnight`", "second"),
    ("{name: x, action: deny, limit: 5/hours}", "3:36: unknown unit `hours`", "`hour`"),
    ("{name: x, action: deny, limit: 5 per hour}", "3:36: `5 per hour` is no limit", "/hour"),
    ("{name: x, action: deny, limit: -5/hour}", "3:36: `-5/hour` is no limit", "/hour"),
    ("{name: x, action: deny, limit: 0/hour}", "3:36: 0 is not from 1", "/hour"),
    ("{name: x, action: deny, limit: 9999999/hour}", "3:36: 9999999 is not from 1", "/hour"),
    ("{name: x, action: warn, limit: 5/hour}", "3:36: a call rule with `warn`", "allow, deny"),
    ("{name: x, action: deny, direction: result, limit: 5/hour}", "takes no limit", "calls"),
    ("{name: x, action: deny, per: call.tool}", "3:34: `per` says how a limit", "add `limit:`"),
    ("{name: x, action: deny, limit: 5/day, per: call.bytes}", "3:48: calls are counted", "string"),
    ("{name: x, action: deny, limit: 5/day, per: nope}", "3:48: unknown name `nope`", "known"),
    ("{name: x, action: redact}", "3:5: `redact` and `action: redact` belong", "both"),
    ("{name: x, action: deny, redact: [a]}", "3:37: `redact` and", "both"),
    ("{name: x, action: redact, redact: []}", "3:39: the list is empty", "pattern"),
    ("{name: x, action: redact, redact: ['(']}", "3:40: the pattern is no regular", "RE2"),
    ("{name: x, action: redact, redact: ['a*']}", "3:40: the pattern matches the empty", "+"),
    ("{name: x, action: redact, redact: [ed]}", "3:40: a pattern of this rule matches", "`with`"),
    ("{name: x, action: redact, redact: [b, {pattern: z, with: b}]}", "3:43: a pattern", "with"),
    ("{name: x, action: redact, redact: [{with: a}]}", "3:40: `pattern` is missing", "add"),
    ("{name: x, action: require_approval, direction: result}", "happened already", "deny"),
    ("{name: x, action: deny, priority: 1001}", "3:39: 1001 is not from -1000 to 1000", ""),
    ("{name: x, action: deny, priority: high}", "3:39: a whole number belongs here", ""),
    ("{name: x, action: deny, enabled: no}", "3:38: true or false belongs here", "write false"),
    ('{name: x, action: deny, message: "a\\nb"}', "3:38: a message is one line", "one line"),
    ("{name: x, action: deny, message: ''}", "3:38: the text is empty", "leave"),
    ("deny", "3:5: a mapping belongs here, not the text `deny`", "known here: name"),
]


@pytest.mark.guarantee("policy:bad-rule-fails-load")
@pytest.mark.parametrize(("entry", "message", "hint"), REFUSED)
def test_a_rule_that_is_wrong_fails_the_load_where_it_stands(
    entry: str, message: str, hint: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        rules(entry)
    assert caught.value.message.startswith("p.yaml:3:")
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "p:1:1: a mapping belongs here, not nothing"),
        ("name: a", "p:1:1: `rules` is missing"),
        ("rules: []", "p:1:1: `name` is missing"),
        ("name: a\nrules: {}", "p:2:8: a list belongs here, not a mapping"),
        ("name: a\nrules: []\ndefault_action: deny", "p:3:1: unknown key `default_action`"),
        ("name: a\nrules: [" + "{}," * (MAX_RULES + 1) + "]", "p:2:8: 501 entries"),
        ("policies: []", "p:1:1: unknown key `policies`"),
    ],
)
def test_what_is_no_policy_fails_the_load(text: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load(text, "p")
    assert caught.value.message.startswith(message)


def test_everything_that_is_wrong_is_told_at_once_in_order() -> None:
    text = "name: p\nrules:\n" + "".join(f"  - {entry}\n" for entry, _, _ in REFUSED)
    found, problems = check(text, "p")
    assert found is None
    assert [problem.line for problem in problems] == list(range(3, 3 + len(REFUSED)))


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(PolicyError) as caught:
        rules(DENY, DENY)
    assert caught.value.message == "p.yaml:4:12: a second rule is called `d`"
    assert caught.value.hint == "the first is in line 3; rename one"


def test_rules_are_read_out_of_a_larger_document() -> None:
    node = read(f"policy:\n  - {DENY}", "c").items()["policy"]
    assert rules_of(node, "c").judge_call(READ, facts).rule == "d"
    wrong = read("- {name: x}", "c")
    with pytest.raises(PolicyError, match="c:1:3: `action` is missing"):
        rules_of(wrong, "c")
    with pytest.raises(PolicyError, match="c:1:3"):
        rules_of(read("- 7", "c").sequence(1)[0], "c")  # not a list


def test_a_rule_may_have_every_key() -> None:
    entry = (
        "{name: x, description: why, direction: call, tools: [read], methods: [tools/call],"
        " when: call.bytes > 1, action: block, message: No., priority: 7, limit: 1/second,"
        " per: principal.id, enabled: true}"
    )
    assert set(KEYS) - {"redact"} == set(read(entry, "p").items())
    assert outcome(entry, spent=["x"])[:3] == (Action.DENY, "x", "No")


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


# --- redaction -----------------------------------------------------------------------------------


def redactions(*patterns: str) -> tuple[Redaction, ...]:
    found = [compile_pattern(each) for each in patterns]
    return tuple(Redaction(each, r"<\a>") for each in found if each is not None)


REDACTED: list[tuple[Json, Json]] = [
    ("a1b22c", r"a<\a>b<\a>c"),
    ([1, "1", None, True], [1, r"<\a>", None, True]),
    ({"k": {"l": ["1"]}}, {"k": {"l": [r"<\a>"]}}),
    ({"1": 0, "2": 1}, {r"<\a>": 0, r"<\a>+": 1}),
    ({r"<\a>": 0, "2": 1}, {r"<\a>": 0, r"<\a>+": 1}),
    ({"2": 1, r"<\a>": 0}, {r"<\a>": 1, r"<\a>+": 0}),
    ("a\x001", "a\x00<\\a>"),
    ("\ud8001", "\ufffd<\\a>"),
]


@pytest.mark.parametrize(("value", "expected"), REDACTED)
def test_every_text_is_redacted_and_nothing_is_lost(value: Json, expected: Json) -> None:
    assert redacted(value, redactions(r"(\d+)")) == expected


def test_what_holds_no_match_stays_the_same_object() -> None:
    body: JsonObject = {"content": [{"type": "text", "text": "a"}], "structuredContent": {"b": []}}
    assert redacted_result(body, redactions("x")) is body
    assert redacted(body, redactions("z")) is body


def test_a_results_own_words_are_kept_and_the_servers_are_not() -> None:
    body: JsonObject = {
        "content": [
            {"type": "text", "text": "text"},
            {"type": "resource", "resource": {"uri": "text:a", "text": "a text"}},
        ],
        "structuredContent": {"text": "a", "type": "text"},
        "isError": False,
    }
    assert redacted_result(body, redactions("text")) == {
        "content": [
            {"type": "text", "text": r"<\a>"},
            {"type": "resource", "resource": {"uri": r"<\a>:a", "text": r"a <\a>"}},
        ],
        "structuredContent": {r"<\a>": "a", "type": r"<\a>"},
        "isError": False,
    }


def test_what_the_server_chose_is_redacted_wherever_it_stands() -> None:
    body: JsonObject = {
        "code": -1,
        "message": "m 1",
        "data": {"type": "t1", "k1": [{"type": "text1"}]},
        "content": [{"type": "x1", "text": "a", "odd1": 1}, {"type": "text", "_meta": {"m1": 1}}],
        "top1": "1",
        "top2": "2",
    }
    assert redacted_result(body, redactions("[0-9]")) == {
        "code": -1,
        "message": r"m <\a>",
        "data": {"type": r"t<\a>", r"k<\a>": [{"type": r"text<\a>"}]},
        "content": [
            {"type": r"x<\a>", "text": "a", r"odd<\a>": 1},
            {"type": "text", "_meta": {r"m<\a>": 1}},
        ],
        r"top<\a>": r"<\a>",
        r"top<\a>+": r"<\a>",
    }


FORM: JsonObject = {
    "type": "object",
    "properties": {"k1": {"type": "string", "title": "t1", "enum": ["1", "x"]}},
    "required": ["k1", "n1"],
}
FORM_LEFT: JsonObject = {
    "type": "object",
    "properties": {"k1": {"type": "string", "title": r"t<\a>", "enum": [r"<\a>", "x"]}},
    "required": ["k1", r"n<\a>"],
}


@pytest.mark.guarantee("policy:continuation-kept")
@pytest.mark.parametrize(
    ("pattern", "asked", "left"),
    [
        ("[0-9]", {"message": "m1", "requestedSchema": FORM}, (r"m<\a>", FORM_LEFT)),
        ("object|string|form", {"mode": "form", "requestedSchema": FORM}, (None, FORM)),
        ("elicit|input|create", {"message": "input"}, (r"<\a>", None)),
    ],
)
def test_what_the_host_must_give_back_is_kept(
    pattern: str, asked: JsonObject, left: tuple[str | None, Json]
) -> None:
    message, schema = left
    told = {"message": message, "requestedSchema": schema}
    params = {**asked, **{key: each for key, each in told.items() if each is not None}}

    def interrupted(params: JsonObject) -> JsonObject:
        asking: JsonObject = {"method": "elicitation/create", "params": params}
        requests: JsonObject = {"ask1-input": asking}
        state = "state 1 input"
        return {"resultType": "input_required", "inputRequests": requests, "requestState": state}

    assert redacted_result(interrupted(asked), redactions(pattern)) == interrupted(params)


def base64_of(text: str) -> str:
    return b64encode(text.encode()).decode()


LATIN = b64encode("1 é".encode("latin-1")).decode()
BLOBS: list[tuple[JsonObject, JsonObject]] = [
    ({"blob": base64_of("a 1")}, {"blob": base64_of(r"a <\a>")}),
    (
        {"blob": base64_of("a 1"), "mimeType": "text/plain"},
        {"blob": base64_of(r"a <\a>"), "mimeType": "text/plain"},
    ),
    (
        {"type": "image", "data": base64_of("k1"), "mimeType": "text/plain"},
        {"type": "image", "data": base64_of(r"k<\a>"), "mimeType": "text/plain"},
    ),
    (
        {"blob": LATIN, "mimeType": "text/plain"},
        {"blob": base64_of(r"<\a>"), "mimeType": "text/plain"},
    ),
    ({"blob": LATIN, "mimeType": "image/png"}, {"blob": LATIN, "mimeType": "image/png"}),
    ({"blob": "~~ 1 ~~"}, {"blob": base64_of(r"<\a>")}),
]


@pytest.mark.guarantee("policy:redact-base64")
@pytest.mark.parametrize(("block", "left"), BLOBS)
@pytest.mark.parametrize("member", ["contents", "content"])
def test_base64_of_a_text_is_redacted_as_that_text(
    block: JsonObject, left: JsonObject, member: str
) -> None:
    assert redacted_result({member: [block]}, redactions("1")) == {member: [left]}
    resource: JsonObject = {member: [{"type": "resource", "resource": block}]}
    assert redacted_result(resource, redactions("1")) == {
        member: [{"type": "resource", "resource": left}]
    }


@given(
    st.recursive(
        st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_no_match_is_left_anywhere(value: Json) -> None:
    def texts(each: Json) -> list[str]:
        if isinstance(each, dict):
            return [*each, *(text for inner in each.values() for text in texts(inner))]
        if isinstance(each, list):
            return [text for inner in each for text in texts(inner)]
        return [str(each)]

    found = redacted(value, redactions("[0-9b-m]+"))
    pattern = compile_pattern("[0-9b-m]+")
    assert pattern is not None
    left = [text.replace(r"<\a>", "") for text in texts(found)]
    assert not any(pattern.search(text) for text in left)


# rules on a floor

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
