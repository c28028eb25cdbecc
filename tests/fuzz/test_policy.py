"""Policies under noise: rules or our own error with a place, and an outcome for every call.

A failure says `seed N`; repeat it with `pytest tests/fuzz --hypothesis-seed=N`.
"""

from random import Random

import pytest

from mcpguard.errors import PolicyError
from mcpguard.model import Call, JsonObject, Result
from mcpguard.policy.document import Node, read
from mcpguard.policy.loading import KEYS, check
from mcpguard.policy.rules import METHODS, Action, RuleSet
from tests.fuzz import noise
from tests.tools import ROOT
from tests.unit.policy.facts import facts

EXAMPLES = [path.read_text("utf-8") for path in sorted((ROOT / "fixtures/policy").glob("*.yaml"))]

PIECES = (
    *(f"{key}: " for key in KEYS),
    *("\n  - ", "\n    ", "\n", "  ", "- ", ": ", "{", "}", "[", "]", ",", "|\n", ">-\n", "'", '"'),
    *("&a ", "*a", "!!int ", "! ", "<<: ", "? ", "---\n", "...\n", "%YAML 1.2\n", "# ", "\t", "\0"),
    *(
        "no",
        "1:30",
        "010",
        "100/hour",
        "5/x",
        "deny",
        "block",
        "redact",
        "(?i)a*",
        "\\",
        "(",
        "\ud800",
    ),
    *(
        "call.tool",
        "call.arguments",
        ".a",
        ".b",
        " == ",
        " && ",
        " contains ",
        "count(",
        "has(",
        ")",
    ),
    *(
        ".exists(x, ",
        ".matches(",
        "'x'",
        "1",
        " > ",
        "result.text",
        "now.hour",
        "\x85",
        "\u2028",
        "é",
    ),
)


def text(rng: Random) -> str:
    """A policy with pieces put in, cut out and doubled, or only pieces."""
    if rng.random() < 0.2:
        return "".join(rng.choice(PIECES) for _ in range(rng.randrange(40)))
    whole = rng.choice(EXAMPLES)
    for _ in range(rng.randrange(1, 5)):
        start = rng.randrange(len(whole) + 1)
        end = min(len(whole), start + rng.choice((0, 0, 1, 5, 40)))
        whole = whole[:start] + rng.choice((*PIECES, "", whole[start:end] * 2)) + whole[end:]
    return whole


def judged(rules: RuleSet, rng: Random, seed: int) -> None:
    """Every outcome is one of the documented, and a faulty one is a denial."""
    target = rng.choice(("query", "read_file", "fetch", "bash", "x"))
    arguments: JsonObject = {
        rng.choice(("path", "url", "sql", "a", "headers", "paths")): noise.value(rng)
        for _ in range(3)
    }
    called = rules.judge_call(Call(rng.choice(METHODS), target, arguments), facts)
    answered = rules.judge_result(Result("tools/call", target, noise.mapping(rng)), facts)
    for outcome in (called, answered):
        assert outcome.action not in {Action.WARN, Action.AUDIT}, f"seed {seed}"
        assert not outcome.faulty or outcome.action is Action.DENY, f"seed {seed}"


@pytest.mark.guarantee("policy:any-text")
def test_any_text_is_a_policy_or_our_own_error(first: int) -> None:
    for seed in noise.seeds(first):
        rng = Random(seed)
        rules, problems = check(text(rng), "p")
        assert (rules is None) == bool(problems), f"seed {seed}"
        for problem in problems:
            assert problem.message.startswith("p"), f"seed {seed}"
        if rules is not None:
            judged(rules, rng, seed)


@pytest.mark.guarantee("policy:any-text")
def test_any_text_is_a_document_or_our_own_error(first: int) -> None:
    for seed in noise.seeds(first):
        rng = Random(seed)
        noisy = "".join(rng.choice((*PIECES, chr(rng.randrange(0x110000)))) for _ in range(30))
        try:
            node: Node | None = read(noisy, "p")
        except PolicyError:
            node = None
        assert node is None or node.source == "p", f"seed {seed}"
