"""The README's part on rules is the code's own tables, and its example is a policy."""

import re

from mcpguard.policy.cel import VARIABLES
from mcpguard.policy.loading import KEYS, load
from tests.tools import papers
from tests.unit.policy.facts import call, facts

TEXT = papers().partition("## Policy rules")[2].partition("\n## ")[0]


def test_the_keys_of_a_rule_are_those_that_are_read() -> None:
    rows = re.findall(r"^\| `([a-z]+)` \| (.+) \|$", TEXT, re.MULTILINE)
    assert dict(rows) == dict(KEYS)


def test_the_names_that_conditions_read_are_those_that_are_declared() -> None:
    rows = re.findall(r"^\| `([a-z_.]+\.[a-z_]+)` \| (\w+) \| (.+) \|$", TEXT, re.MULTILINE)
    assert {name: (kind, what) for name, kind, what in rows} == dict(VARIABLES)


def test_the_example_does_what_it_says() -> None:
    example = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[0]
    rules = load(example, "README.md")
    assert rules.judge_call(call("read_file", path="/etc/a"), facts).rule == "below-data"
    assert rules.judge_call(call("write_file", path="/data/a"), facts).rule == "writing"
