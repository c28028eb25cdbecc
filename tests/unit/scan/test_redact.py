"""Looking through and taking out: places, shapes, budgets, and that nothing is left."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcpguard.errors import ScanError
from mcpguard.model import Json, JsonObject
from mcpguard.scan import DETECTORS, Budget, Hit, find, finding, redact
from mcpguard.scan.needles import LONG_WORD, Meter, Needles, encodable, matches, none_of, told
from mcpguard.scan.patterns import Action, Form, Pattern, Patterns
from mcpguard.scan.redact import merged, replaced
from mcpguard.scan.sites import Span
from tests.tools import FIXTURES

ALL = tuple(DETECTORS.values())
CARD = "4111 1111 1111 1111"
LINES: list[Json] = [
    orjson.loads(line)
    for path in sorted((FIXTURES / "scan").glob("*/bad.jsonl"))
    for line in path.read_text("utf-8").splitlines()
]


def clean(value: Json) -> Json:
    return redact(value, find(value, ALL))


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ({"text": f"pay {CARD} now"}, {"text": "pay [mcpguard:card] now"}),
        ({"text": f"é {CARD}"}, {"text": "é [mcpguard:card]"}),
        ({"text": f"\U0001f600{CARD}\U0001f600"}, {"text": "\U0001f600[mcpguard:card]\U0001f600"}),
        ({"text": f"\ud800 {CARD}"}, {"text": "\ud800 [mcpguard:card]"}),
        ([f"{CARD}", {"a": ["b", CARD]}], ["[mcpguard:card]", {"a": ["b", "[mcpguard:card]"]}]),
        (CARD, "[mcpguard:card]"),
        (4111111111111111, "[mcpguard:card]"),
        (-4111111111111111, "[mcpguard:card]"),
        ([4111111111111111.0, 0.5, CARD], ["[mcpguard:card]", 0.5, "[mcpguard:card]"]),
        ({"n": -4.111111111111111e15}, {"n": "[mcpguard:card]"}),
        ({"n": 411111111111111.1}, {"n": 411111111111111.1}),
        ([float("inf"), 1e300, CARD], [float("inf"), 1e300, "[mcpguard:card]"]),
        ({"n": 4111111111111112}, {"n": 4111111111111112}),
        ({"n": 10**4000, "x": CARD}, {"n": 10**4000, "x": "[mcpguard:card]"}),
        ([None, True, 1.5, {}, []], [None, True, 1.5, {}, []]),
        (f"{CARD}, 536-22-1234", "[mcpguard:card], [mcpguard:ssn]"),
    ],
)
def test_what_was_found_is_replaced_and_the_rest_stays(value: Json, left: Json) -> None:
    assert clean(value) == left


@pytest.mark.guarantee("scan:keys-too")
def test_keys_are_redacted_and_stay_apart() -> None:
    value: JsonObject = {CARD: 1, "a": 2, "4111-1111-1111-1111": 3, "[mcpguard:card-2]": 4}
    left = clean(value)
    assert left == {
        "[mcpguard:card]": 1,
        "a": 2,
        "[mcpguard:card-3]": 3,
        "[mcpguard:card-2]": 4,
    }
    assert isinstance(left, dict)
    assert list(left.values()) == [1, 2, 3, 4]
    assert find(left, ALL) == ()


def test_only_the_hits_that_are_given_are_taken_out() -> None:
    value = f"{CARD}, 536-22-1234"
    hits = [hit for hit in find(value, ALL) if hit.rule == "ssn"]
    assert redact(value, hits) == f"{CARD}, [mcpguard:ssn]"
    assert redact(value, ()) is value


@pytest.mark.guarantee("scan:nothing-left")
@pytest.mark.parametrize("value", LINES)
def test_no_detector_fires_on_what_redaction_left_of_a_bad_line(value: Json) -> None:
    assert find(clean(value), ALL) == ()


PIECES = st.sampled_from(
    f"{CARD}|4111|1111| |-|536-22-1234|DE89370400440532013000|AB12|ghp_|{'a1' * 18}|pwd=|4|xoxb-"
    "|Bearer |../|%2e|/etc/passwd|http://|127.1|@|a@b.example|+49 30|; rm -rf /|$(id)|`|\n|://u:"
    "|[mcpguard:card]|mcpguard|é|eyJ|password=|../../../..".split("|")
)
TEXTS = st.one_of(st.text(max_size=20), st.lists(PIECES, max_size=8).map("".join))
NAMES = st.one_of(
    TEXTS, st.sampled_from(["path", "url", "command", "content", "branch", "q", "password"])
)
NUMBERS = st.sampled_from([4111111111111111, -4111111111111111, 4111111111111111.0, -4.1e15])
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)


@pytest.mark.guarantee("scan:nothing-left")
@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_no_detector_fires_on_what_redaction_left(value: Json) -> None:
    assert find(clean(value), ALL) == ()


def shape(value: Json) -> object:
    """What redaction must keep: which values stand where, but for texts and numbers."""
    match value:
        case dict():
            return [shape(each) for each in value.values()]
        case list():
            return tuple(shape(each) for each in value)
        case bool() | None:
            return value
        case _:
            return "text or number"


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_redaction_keeps_the_shape(value: Json) -> None:
    assert shape(clean(value)) == shape(value)


@pytest.mark.guarantee("scan:nothing-left")
def test_what_only_shows_when_its_neighbour_is_gone_is_found_too() -> None:
    value = "415-555-2671-536-22-1234"
    hits = find(value, ALL)
    assert [(hit.rule, hit.start, hit.end) for hit in hits] == [("phone", 0, 12), ("ssn", 13, 24)]
    assert redact(value, hits) == "[mcpguard:phone]-[mcpguard:ssn]"


def test_overlapping_spans_become_one_with_the_type_of_the_first() -> None:
    spans = [Span(4, 9, "b"), Span(2, 6, "a"), Span(8, 10, "c"), Span(10, 11, "d")]
    assert merged(spans) == [Span(2, 10, "a"), Span(10, 11, "d")]
    assert replaced("0123456789xy", merged(spans)) == "01[mcpguard:a][mcpguard:d]y"


@pytest.mark.guarantee("scan:no-text-in-findings")
def test_hits_and_findings_hold_none_of_the_text() -> None:
    secret = "ghp_" + "aB3dE5fG7hJ9" * 3
    value: JsonObject = {secret: {"a": CARD}, "b/~": [secret]}
    hits = find(value, ALL)
    said = repr([(hit, finding(hit, ALL)) for hit in hits])
    assert secret not in said
    assert "4111" not in said
    assert [hit.where for hit in hits] == [
        "/[mcpguard:github-token]",
        "/[mcpguard:github-token]/a",
        "/b~1~0/0",
    ]
    assert [hit.key for hit in hits] == [True, False, False]


def test_a_finding_names_rule_place_and_severity() -> None:
    (hit,) = find({"a": f"x {CARD}"}, ALL)
    assert hit == Hit(1, "/a", False, 2, 21, "card", "card")
    made = finding(hit, ALL)
    assert (made.rule, made.where, made.severity) == ("scan.card", "/a", "critical")
    assert made.message == "the value of an argument: a payment card number"
    assert made.evidence == {"start": 2, "end": 21, "type": "card", "reference": "MCP10:2025"}


def nested(depth: int) -> Json:
    value: Json = CARD
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.guarantee("scan:over-budget-raises")
@pytest.mark.parametrize(
    ("value", "budget"),
    [
        (nested(65), Budget()),
        (nested(3), Budget(depth=2)),
        ("x" * 11, Budget(characters=10)),
        ({"x" * 6: "y" * 5}, Budget(characters=10)),
        (["a"] * 11, Budget(texts=10)),
        ([CARD] * 11, Budget(hits=10)),
        ((CARD + " ") * 11, Budget(hits=10)),
        (["4111111111111112"] * 11, Budget(matches=10)),
        ({"url": ["http://a.example/"] * 11}, Budget(matches=10)),
        ({f"password{n}": "x" * 3 for n in range(11)}, Budget(matches=10)),
    ],
)
def test_what_is_over_budget_is_an_error_and_never_clean(value: Json, budget: Budget) -> None:
    with pytest.raises(ScanError, match="arguments"):
        find(value, ALL, budget=budget)


def test_what_is_just_within_budget_is_looked_through() -> None:
    assert len(find(nested(64), ALL)) == 1
    assert (
        len(find([CARD] * 10, ALL, budget=Budget(hits=10, texts=10, characters=190, depth=1))) == 10
    )


@pytest.mark.guarantee("scan:automaton-fails-closed")
def test_an_automaton_that_gave_up_wakes_every_detector() -> None:
    assert told([3], 3) == []
    assert told([1, 3], 3) == [1]
    assert told([], 3) == [0, 1, 2]
    assert told([1], 3) == [0, 1, 2]


NEEDLES = [needle for each in ALL for needle in each.needles]
AUTOMATON = Needles(NEEDLES)
OPEN_ENDED = Needles(NEEDLES, open_ended=True)


@settings(deadline=None)
@given(TEXTS)
def test_the_automaton_finds_what_each_pattern_finds(text: str) -> None:
    plain = encodable(text)
    alone = [number for number, each in enumerate(NEEDLES) if any(matches(each, plain, Meter(1)))]
    assert sorted(AUTOMATON.within(plain)) == alone
    assert set(OPEN_ENDED.within(plain)) >= set(alone)


@pytest.mark.guarantee("scan:short-way-agrees")
def test_where_a_text_ends_hides_nothing_from_the_faster_automaton() -> None:
    values = [each for line in LINES if isinstance(line, dict) for each in line.values()]
    for plain in [encodable(each)[:100] for each in values if isinstance(each, str)]:
        for end in range(len(plain) + 1):
            assert set(OPEN_ENDED.within(plain[:end])) >= set(AUTOMATON.within(plain[:end]))


APART = none_of(
    [NEEDLES[::3], NEEDLES[1::3], [*NEEDLES[2::3], LONG_WORD]], b"dull-word-made-of-letters".__eq__
)
LONG = Needles([LONG_WORD], open_ended=True)


@pytest.mark.guarantee("scan:each-automaton-is-asked")
@settings(deadline=None)
@given(TEXTS)
def test_several_automata_find_what_one_finds(text: str) -> None:
    plain = encodable(text)
    none, found = APART(plain.encode()), OPEN_ENDED.within(plain)
    assert not (none and found)
    assert none or found or LONG.within(plain)


@pytest.mark.guarantee("scan:each-automaton-is-asked")
@pytest.mark.parametrize(
    ("text", "none"),
    [
        ("", True),
        ("-" * 70, True),
        ("a dull-word-made-of-letters and\tdull-word-made-of-letters", True),
        ("a dull-word-made-of-letters and other-word-made-of-letters", False),
        ("dull-word-made-of-letters mail a@b.example", False),
        ("dull-word-made-of-letters sk-" + "a" * 19, False),
    ],
)
def test_long_words_say_nothing_when_all_are_dull_and_nothing_else_is_there(
    text: str, *, none: bool
) -> None:
    assert APART(text.encode()) is none


@settings(deadline=None)
@given(VALUES)
def test_what_a_detector_finds_its_needles_announce(value: Json) -> None:
    for detector in ALL:
        loud = replace(detector, needles=("(?s).", *detector.needles))
        assert find(value, (loud,)) == find(value, (detector,))


@settings(deadline=None)
@given(st.text(alphabet="a1é\U0001f600 ", max_size=30))
def test_matches_count_characters_whatever_the_bytes(text: str) -> None:
    found = [(each.start, each.end) for each in matches("[a1]+", text, Meter(99))]
    assert "".join(text[start:end] for start, end in found) == "".join(x for x in text if x in "a1")


def test_patterns_and_detectors_are_taken_out_together() -> None:
    patterns = Patterns.of([Pattern("name", Form.SUBSTRING, "Project X", Action.REDACT)])
    value: Json = {"a": f"PROJECT x costs {CARD}", "b": "y"}
    hits = find(value, ALL, patterns)
    assert [hit.rule for hit in hits] == ["card", "pattern:name"]
    left = redact(value, hits)
    assert left == {"a": "[mcpguard:pattern] costs [mcpguard:card]", "b": "y"}
    assert find(left, ALL, patterns) == ()
    assert finding(hits[1], ALL).rule == "scan.pattern:name"


def test_many_keys_that_become_one_are_told_apart_in_time() -> None:
    value: JsonObject = {f"k{number}@b.example": number for number in range(1500)}
    left = clean(value)
    assert isinstance(left, dict)
    assert [*left.values()] == [*range(1500)]
    assert [*left][:2] == ["[mcpguard:email]", "[mcpguard:email-2]"]
    assert [*left][-1] == "[mcpguard:email-1500]"
