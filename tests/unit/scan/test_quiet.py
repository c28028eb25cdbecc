"""The short way: it finds what `find` finds, whatever the arguments, their names and the schema."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcpguard.errors import ScanError
from mcpguard.model import Json, JsonObject
from mcpguard.scan import DETECTORS, Hit, find
from mcpguard.scan.patterns import Action, Form, Pattern, Patterns
from mcpguard.scan.quiet import MAX_DEPTH, MAX_KEY, MAX_KNOWN, MAX_SIZE, Finder
from mcpguard.scan.sites import Role
from tests.unit.scan.test_detectors import SCAN, lines
from tests.unit.scan.test_redact import CARD, TEXTS, VALUES

ALL = tuple(DETECTORS.values())
BLOCKING = tuple(each for each in ALL if each.blocking)
SCHEMA: JsonObject = {
    "properties": {
        "content": {"type": "string", "format": "uri"},
        "q": {"items": {"format": "path", "properties": {"a": {"format": "uri"}}}},
        "path": {"properties": {"q": {"format": "no such"}}},
        "url": True,
    }
}
NAMES = st.sampled_from(
    ["path", "url", "command", "content", "branch", "q", "a", "password", "ssn", "api_key"]
)
ARGUMENTS: st.SearchStrategy[JsonObject] = st.dictionaries(
    st.one_of(NAMES, TEXTS), st.one_of(VALUES, TEXTS), max_size=4
)
BAD = [(name, line) for name in DETECTORS for line in lines(SCAN / name / "bad.jsonl")]


def outcome(search: Finder | None, value: Json, schema: Json = None) -> tuple[Hit, ...] | str:
    try:
        return find(value, ALL, schema=schema) if search is None else search.find(value)
    except ScanError as error:
        return str(error)


@pytest.mark.guarantee("scan:short-way-agrees")
@settings(max_examples=300, deadline=None)
@given(ARGUMENTS, st.sampled_from([None, SCHEMA, {"items": {}}]))
def test_the_short_way_finds_what_the_long_one_finds(value: JsonObject, schema: Json) -> None:
    fresh, used = Finder(ALL, None, schema), Finder(ALL, None, schema)
    used.quiet(dict.fromkeys(value, "a"))  # it has met texts under these keys
    for finder in (fresh, fresh, used):  # what it learnt changes nothing
        assert outcome(finder, value) == outcome(None, value, schema)


@pytest.mark.guarantee("scan:short-way-agrees")
@pytest.mark.parametrize("schema", [None, SCHEMA])
def test_one_finder_for_everything_finds_every_bad_line(schema: Json) -> None:
    finder = Finder(ALL, None, schema)
    for name, line in BAD:
        for value in (line, {"z": "a", **line, "path": "a"}):
            finder.quiet(dict.fromkeys(value, "a"))
            assert outcome(finder, value) == outcome(None, value, schema)
        if schema is None:
            assert {hit.rule for hit in finder.find(line)} >= {name}
            assert not finder.quiet(line)


def deep(levels: int, leaf: Json) -> Json:
    value = leaf
    for _ in range(levels):
        value = {"a": [value]}
    return value


LOUD: dict[str, Json] = {
    "a-card-in-a-key": {CARD: 1},
    "a-card-as-a-number": {"a": 4111111111111111},
    "a-card-in-a-list": {"a": ["x", [CARD]]},
    "a-card-as-a-float": {"a": 4111111111111111.0},
    "a-card-below-zero": {"a": [-4111111111111111]},
    "a-card-number-in-a-list": {"a": [1, 4111111111111111]},
    "a-card-far-down": deep(MAX_DEPTH + 3, CARD),
    "a-card-behind-half-a-pair": {"a": f"\ud800 {CARD}"},
    "a-card-under-half-a-pair": {"\ud800": CARD},
    "a-card-far-on": {"a": "x" * (MAX_SIZE - 64) + f" {CARD}"},
    "under-a-long-key": {"k" * (MAX_KEY + 1): CARD},
    "a-password-by-its-name": {"password": "Tr0ub4dor"},
    "a-password-in-a-list-by-its-name": {"password": ["zzzz", "Tr0ub4dor"]},
    "at-the-end-of-a-text": {"branch": "x; rm", "z": 1},
    "at-the-end-before-another": {"branch": "x; rm", "ref": "y"},
    "not-an-object": CARD,
    "in-a-tuple-of-objects": {"a": {"b": {"c": {"content": CARD}}}},
}


@pytest.mark.guarantee("scan:short-way-agrees")
@pytest.mark.parametrize("value", LOUD.values(), ids=LOUD)
def test_nothing_is_too_odd_to_be_found(value: Json) -> None:
    finder = Finder(ALL)
    assert finder.find(value) == find(value, ALL) != ()
    assert not finder.quiet(value)


@pytest.mark.guarantee("scan:over-budget-raises")
@pytest.mark.parametrize("value", [deep(70, 1), {"a": ["x"] * 200_001}, {"a": "x" * 8_400_000}])
def test_what_is_over_budget_is_over_budget_on_the_short_way_too(value: Json) -> None:
    finder = Finder(ALL)
    assert finder.quiet({"a": "a"})
    with pytest.raises(ScanError, match="arguments"):
        finder.find(value)


QUIET: list[Json] = [
    {},
    {"path": "/srv/docs/a.txt"},
    {"path": "/srv/docs/2026-01-02/a.txt", "content": "def f(x):\n    return x; y\n"},
    {"edits": [{"oldText": "see http://localhost/", "newText": "../../x"}], "dryRun": False},
    {"cmd": "git log", "id": "a", "format": "x", "env": {"find": "y"}},
    {"a": None, "b": 1.5, "c": [True, None, 3], "d": {}, "e": []},
    deep(3, "x"),
    {"paths": ["/srv/2026-01-02/a.txt", "C:\\x\\10.0.txt", "a.txt", "b c"], "dir": "./metadata"},
]


@pytest.mark.parametrize("value", QUIET)
def test_ordinary_arguments_take_the_short_way(value: Json) -> None:
    assert Finder(BLOCKING).quiet(value)


def test_keys_that_are_known_may_hold_anything_the_next_time() -> None:
    finder, found = Finder(BLOCKING), 0
    values: list[Json] = [
        "a",
        CARD,
        "a",
        [CARD],
        [CARD.replace(" ", "\u00a0")],
        7,
        4111111111111111,
    ]
    besides: list[Json] = ["a", {"path": "a"}, "\ud800", CARD]
    for value in values:
        for beside in besides:
            held: JsonObject = {"a": value, "path": beside, "b": "b"}
            assert outcome(finder, held) == outcome(None, held)
            found += bool(finder.find(held))
    assert 0 < found < 32


def test_a_caller_who_invents_keys_finds_an_end_of_what_is_learnt() -> None:
    finder = Finder(BLOCKING)
    letters = ["".join(each) for each in product("abcdefghijklm", repeat=3)]
    many: JsonObject = dict.fromkeys(letters[: MAX_KNOWN + 1], 1)
    assert finder.quiet(dict.fromkeys(letters[:MAX_KNOWN], 1))
    assert not finder.quiet(many)
    assert finder.find({**many, "z": CARD}) == find({**many, "z": CARD}, BLOCKING) != ()


def test_patterns_always_take_the_long_way() -> None:
    patterns = Patterns.of([Pattern("p", Form.GLOB, "project *", Action.DENY)])
    finder = Finder(ALL, patterns)
    assert not finder.quiet({"a": "x"})
    assert [hit.rule for hit in finder.find({"a": "Project X"})] == ["pattern:p"]
    assert Finder(ALL, Patterns.of(())).quiet({"a": "x"})


@pytest.mark.parametrize("role", Role)
def test_a_detector_finds_nothing_where_it_does_not_look(role: Role) -> None:
    names = {
        Role.COMMAND: "command",
        Role.PATH: "path",
        Role.TEXT: "content",
        Role.UNKNOWN: "zzz",
        Role.URL: "url",
        Role.WORD: "branch",
    }
    for name, line in BAD:
        for text in filter(None, map(str, line.values())):
            hits = find({names[role]: text}, (DETECTORS[name],))
            assert not hits or role in DETECTORS[name].roles
            assert {hit.role for hit in hits} <= {role}
