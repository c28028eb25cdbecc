"""Rules out of their YAML, and what they say of a call."""

from collections.abc import Sequence

from mcpguard.model import Call, Result
from mcpguard.policy.loading import load
from mcpguard.policy.rules import Outcome, RuleSet
from tests.unit.policy.facts import call, facts

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


DENY = "{name: d, action: deny}"
ASK = "{name: q, action: require_approval}"
REDACT = "{name: r, action: redact, redact: [z]}"
ALLOW = "{name: a, action: allow}"
WARN = "{name: w, action: warn}"
AUDIT = "{name: n, action: audit}"


def with_priority(entry: str, priority: int) -> str:
    return entry.replace("}", f", priority: {priority}}}")
