"""What loading rules refuses, where it stands and why; and what rules may be."""

import pytest

from mcpguard.errors import PolicyError
from mcpguard.policy.document import read
from mcpguard.policy.loading import KEYS, MAX_RULES, check, load, rules_of
from mcpguard.policy.rules import Action
from tests.unit.policy.facts import facts
from tests.unit.policy.rulesets import DENY, READ, outcome, rules

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
        ("preset: strict\nrules: []", "p:1:1: unknown key `preset`"),
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
