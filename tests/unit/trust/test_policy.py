"""Tool policies: globs, the most specific one, capabilities, and what a load error names."""

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.errors import UsageError
from mcpguard.model import Json, Tier
from mcpguard.trust.policy import (
    DEFAULT,
    MAX_GLOB,
    MAX_KNOWN,
    MAX_POLICIES,
    Glob,
    PolicyTable,
    ToolPolicy,
    covers,
    read_policies,
)


def translated(glob: str) -> str:
    """The glob as a regular expression, for comparison."""
    parts = {"*": "(?s:.*)", "?": "(?s:.)"}
    return "".join(parts.get(char, re.escape(char)) for char in glob)


globs = st.text("ab*?/", min_size=1, max_size=8)
names = st.text("abA/.", max_size=9)


@given(globs, names)
def test_a_glob_matches_what_its_words_say(glob: str, name: str) -> None:
    assert Glob(glob).matches(name) is (re.fullmatch(translated(glob), name) is not None)


@pytest.mark.parametrize(
    ("glob", "name", "fits"),
    [
        ("read_*", "read_file", True),
        ("read_*", "read_", True),
        ("read_*", "Read_file", False),
        ("*", "", True),
        ("?", "", False),
        ("?", "\U0001f600", True),
        ("a*b*c", "a/x/b/y/c", True),
        ("a*b*c", "acb", False),
        ("[ab]", "a", False),
        ("[ab]", "[ab]", True),
        ("a.c", "abc", False),
        ("a\\*", "a*", False),
    ],
)
def test_globs_by_example(glob: str, name: str, fits: bool) -> None:
    assert Glob(glob).matches(name) is fits


def test_matching_takes_as_many_steps_as_the_name_is_long() -> None:
    hostile = Glob("*a" * (MAX_GLOB // 2))
    assert not hostile.matches("a" * 100_000 + "b")
    assert hostile.matches("a" * 100_000)


@given(globs, globs)
def test_two_globs_meet_exactly_when_some_name_fits_both(one: str, other: str) -> None:
    meets = Glob(one).meets(Glob(other))
    assert meets is Glob(other).meets(Glob(one))
    witness = re.compile(translated(one)), re.compile(translated(other))
    tries = {one, other, *crossed(one, other)}
    found = any(all(each.fullmatch(name) for each in witness) for name in tries)
    assert meets or not found
    assert found or not meets or not small(one, other)


def small(*globs_: str) -> bool:
    return sum(map(len, globs_)) <= 6


def crossed(one: str, other: str) -> set[str]:
    """Every name of at most six characters that the globs' own letters can make, when few."""
    if not small(one, other):
        return set()
    letters = sorted(set(one + other) - set("*?")) or ["a"]
    made = {""}
    for _ in range(6):
        made |= {name + letter for name in made for letter in letters}
    return made


P = {name: ToolPolicy(description=name) for name in "abcdefg"}


@pytest.mark.guarantee("trust:most-specific-policy")
@pytest.mark.parametrize(
    ("policies", "tool", "expected"),
    [
        ({}, "x", DEFAULT),
        ({"y": P["a"]}, "x", DEFAULT),
        ({"*": P["a"]}, "x", P["a"]),
        ({"*": P["a"], "x": P["b"]}, "x", P["b"]),
        ({"rea*": P["a"], "read_*": P["b"], "*": P["c"]}, "read_file", P["b"]),
        ({"rea*": P["a"], "read_*": P["b"], "*": P["c"]}, "reap", P["a"]),
        ({"a?c": P["a"], "*bc": P["b"]}, "abc", P["a"]),
        ({"a*c": P["a"], "a?c": P["b"]}, "abc", P["b"]),
        ({"a*": P["a"], "a?*": P["b"]}, "abc", P["b"]),
        ({"abc": P["a"], "abc*": P["b"]}, "abc", P["a"]),
        ({"abcdefgh*": P["a"], "a?????????": P["b"]}, "abcdefghij", P["a"]),
    ],
)
def test_the_most_specific_policy_decides_alone(
    policies: dict[str, ToolPolicy], tool: str, expected: ToolPolicy
) -> None:
    for table in (PolicyTable(policies), PolicyTable(dict(reversed(policies.items())))):
        assert table.of(tool) == expected
        assert table.of(tool) is table.of(tool)


tables = st.dictionaries(globs, st.sampled_from(list(P.values())[:2]), max_size=5)


@pytest.mark.guarantee("trust:most-specific-policy")
@given(tables, names)
def test_no_order_of_loading_changes_what_a_tool_asks_for(
    policies: dict[str, ToolPolicy], name: str
) -> None:
    try:
        table = PolicyTable(policies)
    except UsageError:
        return
    backwards = PolicyTable(dict(reversed(policies.items())))
    assert table.of(name) == backwards.of(name)
    fitting = [glob for glob in policies if Glob(glob).matches(name)]
    best = max((Glob(glob).specificity for glob in fitting), default=None)
    wanted = {policies[glob] for glob in fitting if Glob(glob).specificity == best}
    assert wanted <= {table.of(name)}


@pytest.mark.guarantee("trust:most-specific-policy")
def test_a_tie_that_matters_is_an_error_that_names_both() -> None:
    with pytest.raises(UsageError, match=re.escape("tools.'a_*' and tools.'*_b' are as specific")):
        PolicyTable({"a_*": P["a"], "*_b": P["b"]})


@pytest.mark.parametrize(
    "policies",
    [
        {"a_*": P["a"], "*_b": P["a"]},
        {"a_*": P["a"], "b_*": P["b"]},
        {"ab": P["a"], "ba": P["b"]},
    ],
)
def test_a_tie_that_decides_nothing_is_none(policies: dict[str, ToolPolicy]) -> None:
    assert len(PolicyTable(policies).policies) == 2


def test_names_that_were_asked_for_are_remembered_within_a_bound() -> None:
    table = PolicyTable({"t*": P["a"]})
    for number in range(MAX_KNOWN + 10):
        assert table.of(f"t{number}") is P["a"]
    assert table.of("other") is DEFAULT
    assert table.of("t" * 100_000) is P["a"]


def test_too_many_policies_or_a_pattern_too_long_are_errors() -> None:
    with pytest.raises(UsageError, match=r"there are 1001 tool policies, the limit is 1000"):
        PolicyTable({f"t{n}": DEFAULT for n in range(MAX_POLICIES + 1)})
    for text in ("", "x" * (MAX_GLOB + 1)):
        with pytest.raises(UsageError, match="a tool's pattern is"):
            Glob(text)


@pytest.mark.guarantee("trust:capability-segments")
@pytest.mark.parametrize(
    ("granted", "required", "covered"),
    [
        ("fs:read", "fs:read", True),
        ("fs:read", "fs:write", False),
        ("fs:read", "fs:read:deep", False),
        ("fs:read", "fs", False),
        ("fs:read", "FS:READ", False),
        ("fs:*", "fs:read", True),
        ("fs:*", "fs:read:deep", True),
        ("fs:*", "fs", False),
        ("fs:*", "fsx:read", False),
        ("fs:*", "fs:", False),
        ("fs:*", "fs::read", False),
        ("fs:*", "fs:*", False),
        ("fs:", "fs:", False),
        ("fs::read", "fs::read", False),
        (":", ":", False),
        ("", "", False),
        ("*", "fs:read", False),
        ("*", "*", False),
        (":*", ":read", False),
        ("fs:*:deep", "fs:read:deep", False),
        ("f*", "fs", False),
        ("fs:re*", "fs:read", False),
        ("a:b:*", "a:b:c", True),
        ("a:b:*", "a:c:c", False),
    ],
)
def test_what_a_capability_covers(granted: str, required: str, covered: bool) -> None:
    assert covers(granted, required) is covered


@pytest.mark.guarantee("trust:capability-segments")
@given(st.text("ab:*", max_size=8), st.text("ab:*", max_size=8))
def test_an_empty_segment_never_matches(granted: str, required: str) -> None:
    if covers(granted, required):
        assert "" not in granted.split(":") + required.split(":")
        assert "*" not in required
        assert required == granted or required.startswith(granted.removesuffix("*"))


def test_a_whole_policy_is_read() -> None:
    table = read_policies(
        {
            "write_*": {
                "min_trust": 0,
                "min_level": 2,
                "required_capabilities": ["fs:write"],
                "blocked": True,
                "max_calls_per_minute": 10,
                "description": "writes",
                "tier": "T2_act",
            },
            "read_*": {},
        }
    )
    assert table.of("write_file") == ToolPolicy(0, 2, ("fs:write",), True, 10, "writes", Tier.ACT)
    assert (table.of("read_file"), table.of("other")) == (DEFAULT, DEFAULT)


def test_the_defaults_are_the_documented_ones() -> None:
    assert ToolPolicy(300, 0, (), False, 0, "", Tier.PREPARE) == DEFAULT


def test_no_trust_asked_for_means_none() -> None:
    assert read_policies({"t": {"min_trust": 0}}).of("t").min_trust == 0


BAD: Mapping[str, tuple[Json, str]] = {
    "no mapping": ([], "tools: a list stands where patterns"),
    "no policy": ({"t": 5}, "tools.'t': 5 stands where a policy is wanted"),
    "an empty pattern": ({"": {}}, "tools.'': a tool's pattern is 0 characters"),
    "an unknown key": ({"t": {"min_trsut": 1}}, "tools.'t'.min_trsut: a tool's policy has no such"),
    "too much trust": (
        {"t": {"min_trust": 1001}},
        "tools.'t'.min_trust: it is 1001, not a whole number from 0 to 1000",
    ),
    "negative trust": ({"t": {"min_trust": -1}}, "tools.'t'.min_trust: it is -1"),
    "a fraction": ({"t": {"min_trust": 300.0}}, "tools.'t'.min_trust: it is 300.0"),
    "a flag for a number": ({"t": {"min_trust": True}}, "tools.'t'.min_trust: it is true or false"),
    "a text for a number": ({"t": {"min_trust": "300"}}, "tools.'t'.min_trust: it is a text"),
    "nothing for a number": ({"t": {"min_trust": None}}, "tools.'t'.min_trust: it is nothing"),
    "no such level": ({"t": {"min_level": 5}}, "tools.'t'.min_level: it is 5, not a whole number"),
    "too many calls": ({"t": {"max_calls_per_minute": 10**7}}, "tools.'t'.max_calls_per_minute"),
    "a number for a flag": ({"t": {"blocked": 1}}, "tools.'t'.blocked: it is 1"),
    "a text for a flag": ({"t": {"blocked": "no"}}, "tools.'t'.blocked: it is a text"),
    "no such tier": ({"t": {"tier": "T4"}}, "tools.'t'.tier: there is no such tier"),
    "a mapping for a tier": ({"t": {"tier": {}}}, "tools.'t'.tier: there is no such tier"),
    "a number for a text": ({"t": {"description": 1}}, "tools.'t'.description: it is 1"),
    "a text for a list": (
        {"t": {"required_capabilities": "fs:read"}},
        "tools.'t'.required_capabilities: it is a text",
    ),
    "an empty segment": (
        {"t": {"required_capabilities": ["fs:read", "fs:"]}},
        "tools.'t'.required_capabilities[1]: it is no capability",
    ),
    "a wildcard that is required": (
        {"t": {"required_capabilities": ["fs:*"]}},
        "tools.'t'.required_capabilities[0]: it is no capability",
    ),
    "a number for a capability": (
        {"t": {"required_capabilities": [1]}},
        "tools.'t'.required_capabilities[0]: it is no capability",
    ),
}


@pytest.mark.parametrize(("given_", "told"), BAD.values(), ids=BAD)
def test_what_cannot_be_read_names_its_key(given_: Json, told: str) -> None:
    with pytest.raises(UsageError, match="^" + re.escape(told)):
        read_policies(given_)


def test_an_unknown_key_is_told_the_nearest_one() -> None:
    with pytest.raises(UsageError) as caught:
        read_policies({"t": {"min_trsut": 1}})
    assert caught.value.hint == "did you mean min_trust?"
    with pytest.raises(UsageError) as caught:
        read_policies({"t": {"xyz": 1}})
    assert caught.value.hint.startswith("one of: min_trust, min_level, ")
