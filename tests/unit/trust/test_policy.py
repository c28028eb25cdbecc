"""Tool policies: globs, the most specific one, capabilities, and what a load error names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.errors import UsageError
from mcpguard.model import Tier
from mcpguard.trust.policy import (
    DEFAULT,
    MAX_GLOB,
    MAX_KNOWN,
    MAX_POLICIES,
    Glob,
    PolicyTable,
    ToolPolicy,
    both,
    covers,
    stricter,
    ties,
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


def test_the_defaults_are_the_documented_ones() -> None:
    assert ToolPolicy(300, 0, (), False, 0, "", Tier.PREPARE) == DEFAULT


# what two patterns both match


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("read_*", "*_file", ("read_*_file", "read_file")),
        ("read_*", "*", ("read_*",)),
        ("a?", "?b", ("ab",)),
        ("a", "a", ("a",)),
        ("a", "b", ()),
        ("a*", "b*", ()),
        ("**", "*", ("*",)),
        ("??", "*", ("??",)),
    ],
)
def test_what_two_patterns_both_match(one: str, other: str, found: tuple[str, ...]) -> None:
    assert both(one, other) == both(other, one) == found


@given(globs, globs, names)
def test_the_patterns_of_both_match_just_what_both_match(one: str, other: str, name: str) -> None:
    either = any(Glob(each).matches(name) for each in both(one, other))
    assert either is (Glob(one).matches(name) and Glob(other).matches(name))


def test_two_patterns_that_meet_in_too_many_ways_are_refused() -> None:
    with pytest.raises(UsageError, match="takes more than 32 patterns"):
        both("*a*b*c*d*e*", "*f*g*h*i*j*")


# floors

policies_of_any_kind = st.builds(
    ToolPolicy,
    min_trust=st.integers(0, 3),
    min_level=st.integers(0, 2),
    required_capabilities=st.sampled_from([(), ("a:b",), ("c:d", "a:b")]),
    blocked=st.booleans(),
    max_calls_per_minute=st.integers(0, 2),
    tier=st.sampled_from(Tier),
)


def asks(policy: ToolPolicy) -> tuple[object, ...]:
    """What can only grow when a policy is tightened."""
    rate = -policy.max_calls_per_minute if policy.max_calls_per_minute else -(10**6)
    return (policy.min_trust, policy.min_level, policy.blocked, rate, list(Tier).index(policy.tier))


@given(policies_of_any_kind, policies_of_any_kind)
def test_the_stricter_of_two_asks_for_all_that_either_asks(
    one: ToolPolicy, other: ToolPolicy
) -> None:
    made = stricter(one, other)
    for each in (one, other):
        grown = zip(asks(made), asks(each), strict=True)
        assert all(mine >= its for mine, its in grown)  # type: ignore[operator]  # numbers all
        assert set(made.required_capabilities) >= set(each.required_capabilities)
    assert asks(stricter(other, one)) == asks(made)


@given(
    st.dictionaries(globs, policies_of_any_kind, max_size=3),
    st.dictionaries(globs, policies_of_any_kind, max_size=3),
    names,
)
def test_no_table_loosens_what_it_stands_on(
    own: dict[str, ToolPolicy], below: dict[str, ToolPolicy], name: str
) -> None:
    if [*ties(own)] or [*ties(below)]:
        return
    floor = PolicyTable(below)
    table = PolicyTable(own, floor=floor)
    assert stricter(table.of(name), floor.of(name)) == table.of(name)
    assert stricter(PolicyTable(own).of(name), floor.of(name)) == table.of(name)


def test_the_default_is_the_tables_own_and_not_below_its_floors() -> None:
    low, high = ToolPolicy(min_trust=0), ToolPolicy(min_trust=700)
    assert PolicyTable(default=low).of("t") == low
    assert PolicyTable(default=low, floor=PolicyTable(default=high)).of("t").min_trust == 700
    assert PolicyTable(default=low, floor=PolicyTable(default=high)).default.min_trust == 700


def test_a_rate_is_found_on_the_floor_too() -> None:
    rated = PolicyTable({"slow": ToolPolicy(max_calls_per_minute=1)})
    assert (PolicyTable(floor=rated).rated(), PolicyTable().rated()) == ("slow", None)
