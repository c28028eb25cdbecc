"""YAML with places: what is read, what is refused, and where an error says it is."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.errors import PolicyError
from mcpguard.model import Json
from mcpguard.policy.document import MAX_CHARACTERS, MAX_VALUES, Node, nearest, read

READ: list[tuple[str, Json]] = [
    ("", None),
    ("# nothing", None),
    ("a: 1", {"a": 1}),
    ("a: -7", {"a": -7}),
    ("a: 1.5", {"a": 1.5}),
    ("a: -0.25", {"a": -0.25}),
    ("a: 9223372036854775807", {"a": 2**63 - 1}),
    ("a: true\nb: False", {"a": True, "b": False}),
    ("a:\nb: ~\nc: null", {"a": None, "b": None, "c": None}),
    ("on: yes\nno: off\ny: n", {"on": "yes", "no": "off", "y": "n"}),
    ("a: 100/hour", {"a": "100/hour"}),
    ("ip: 127.0.0.1\nv: 1.2.3", {"ip": "127.0.0.1", "v": "1.2.3"}),
    ("a: -rf\nb: '010'\nc: \"1:30\"", {"a": "-rf", "b": "010", "c": "1:30"}),
    ("a: ! 010\nb: !!str 2026-01-01", {"a": "010", "b": "2026-01-01"}),
    ("- a\n- [b, {c: d}]", ["a", ["b", {"c": "d"}]]),
    ("a: |\n  b\n  c\n", {"a": "b\nc\n"}),
    ("a: >-\n  b\n  c\n", {"a": "b c"}),
    ("'1': x", {"1": "x"}),
    ("\ufeffa: b", {"a": "b"}),
]


@pytest.mark.parametrize(("text", "expected"), READ)
def test_plain_yaml_is_read(text: str, expected: Json) -> None:
    assert repr(read(text, "p").plain()) == repr(expected)


REFUSED = {
    "a: 1\nb: 2\na: 3": ("p:3:1: the key `a` is here a second time", "it stands in line 1 already"),
    "{a: 1, 'a': 2}": ("p:1:8: the key `a` is here a second time", "it stands in line 1"),
    "a: &x 1": ("p:1:4: anchors and aliases are not read", "write the value out"),
    "a: *x": ("p:1:4: anchors and aliases", "write the value out"),
    "a: {<<: b}": ("p:1:5: readers of YAML disagree about what `<<` is", "put a text in quotes"),
    "a: !!int 3": ("p:1:4: tags are not read", "leave the `!` word out"),
    "!!python/object/apply:os.system [x]": ("p:1:1: tags are not read", "leave"),
    "!!set {a}": ("p:1:1: tags are not read", "leave"),
    "1: x": ("p:1:1: a key is a text", "write a word, or put it in quotes"),
    "true: x": ("p:1:1: a key is a text", ""),
    "? [a]\n: b": ("p:1:3: a key is a text", ""),
    "a\n---\nb": ("p:2:1: a second document begins here", "keep one file for each"),
    "a:\n\t- b": ("p:2:1: not YAML: found character", "check the indentation"),
    "a: b: c": ("p:1:5: not YAML: mapping values are not allowed here", "quote texts"),
    "a: [1": ("p:1:6: not YAML: expected", ""),
    "a:\n  b\x00": ("p:2:4: a character that YAML does not allow", "remove it"),
    'a: "\\uD800"': ("p:1:4: half a surrogate pair", ""),
    'a: "\\UFFFFFFFF"': ("p: not YAML", ""),
    "[" * 17: ("p:1:17: nested deeper than 16 levels", "make it flatter"),
    "[" * 200_000: ("p:1:17: nested deeper than 16 levels", ""),
    f"[{'a,' * MAX_VALUES}]": (f"p:1:{2 * MAX_VALUES}: more than {MAX_VALUES} values", "split"),
    "a" * (MAX_CHARACTERS + 1): (f"p: {MAX_CHARACTERS + 1} characters", "split it"),
}


@pytest.mark.guarantee("policy:one-reading")
@pytest.mark.parametrize(("text", "expected"), REFUSED.items(), ids=range(len(REFUSED)))
def test_what_is_no_plain_yaml_is_refused_where_it_stands(
    text: str, expected: tuple[str, str]
) -> None:
    with pytest.raises(PolicyError) as caught:
        read(text, "p")
    assert caught.value.message.startswith(expected[0])
    assert expected[1] in caught.value.hint


AMBIGUOUS = (
    *("010", "+1", "00", "-01", "0x1F", "0o17", "0b11", "1_000", "1,000", "1e3", "1.5e3", "1."),
    *(".5", "+.5", ".inf", "-.INF", ".nan", "1:30", "190:20:30", "1:30.5", "2026-01-01"),
    *("2026-01-01 10:00:00", "2026-1-1T10:00:00Z", "9223372036854775808", "=", "1" * 5000),
)


@pytest.mark.guarantee("policy:one-reading")
@pytest.mark.parametrize("word", AMBIGUOUS)
def test_words_that_readers_of_yaml_disagree_about_are_refused(word: str) -> None:
    with pytest.raises(PolicyError, match=r"disagree|beyond 64 bits") as caught:
        read(f"a:\n  - {word}", "p")
    assert (caught.value.line, caught.value.column) == (2, 5)
    assert read(f"a: '{word}'", "p").plain() == {"a": word}


@given(st.text(max_size=60))
def test_any_text_is_a_document_or_our_own_error(text: str) -> None:
    with suppress(PolicyError):
        assert isinstance(read(text, "p"), Node)


NODE = read("t: text\nn: 5\nf: true\nw: no\nl: [a, b]\nm: {k: v}\ne: ''\nz:\n", "p").items()


def test_a_value_of_another_kind_is_an_error_that_says_what_belongs_there() -> None:
    cases: list[tuple[Callable[[], object], str, str]] = [
        (lambda: NODE["n"].text(9), "p:2:4: a text belongs here, not a number", "quotes"),
        (lambda: NODE["f"].text(9), "p:3:4: a text belongs here, not true or false", "quotes"),
        (
            lambda: NODE["f"].choice(("on", "off")),
            "p:3:4: one of a few words belongs here, not true or false",
            "did you mean `on`?",
        ),
        (lambda: NODE["f"].choice(("sql", "iban")), "p:3:4: one of a few words", "sql, iban"),
        (lambda: NODE["f"].choice(("true", "x")), "p:3:4: a text belongs here", "quotes"),
        (lambda: NODE["e"].text(9), "p:7:4: the text is empty", "leave the key out"),
        (lambda: NODE["t"].text(3), "p:1:4: 4 characters, at most 3 are read", ""),
        (lambda: NODE["f"].integer(0, 9), "p:3:4: a whole number belongs here", ""),
        (lambda: NODE["n"].integer(0, 4), "p:2:4: 5 is not from 0 to 4", ""),
        (NODE["w"].flag, "p:4:4: true or false belongs here, not the text `no`", "false"),
        (NODE["n"].flag, "p:2:4: true or false belongs here, not a number", "without"),
        (lambda: NODE["t"].sequence(9), "p:1:4: a list belongs here, not the text `text`", "- "),
        (lambda: NODE["l"].sequence(1), "p:5:4: 2 entries, at most 1 are read", ""),
        (NODE["z"].items, "p:8:3: a mapping belongs here, not nothing", ""),
        (lambda: NODE["l"].table(("k",)), "p:5:4: a mapping belongs here, not a list", "known"),
        (lambda: NODE["m"].table(("kk",)), "p:6:5: unknown key `k`", "did you mean `kk`?"),
        (lambda: NODE["m"].table(("a",)), "p:6:5: unknown key `k`", "known here: a"),
        (lambda: NODE["m"].table(("k", "a"), required=("a",)), "p:6:4: `a` is missing", "add `a:`"),
        (lambda: NODE["t"].choice(("test", "x")), "p:1:4: unknown word `text`", "`test`"),
    ]
    for ask, message, hint in cases:
        with pytest.raises(PolicyError) as caught:
            ask()
        assert caught.value.message.startswith(message)
        assert hint in caught.value.hint


def test_a_value_of_its_kind_is_given() -> None:
    assert (NODE["t"].text(4), NODE["n"].integer(5, 5), NODE["f"].flag()) == ("text", 5, True)
    assert [each.plain() for each in NODE["l"].sequence(2)] == ["a", "b"]
    assert NODE["m"].table(("k",), required=("k",))["k"].choice(("v",)) == "v"


def test_other_words_are_told_what_to_write() -> None:
    with pytest.raises(PolicyError) as caught:
        NODE["m"].table(("x",), other_words={"k": "write `x`"})
    assert caught.value.hint == "write `x`"


@pytest.mark.parametrize(
    ("text", "verbatim"),
    [("a: b c", True), ("a: b\n  c", False), ("a: 'b'", False), ("a: |\n  b", False)],
)
def test_a_text_is_verbatim_when_an_offset_into_it_is_a_column(text: str, verbatim: bool) -> None:
    assert read(text, "p").items()["a"].verbatim is verbatim


def test_an_error_shows_no_control_characters_and_no_more_than_a_line() -> None:
    node = Node("p", (1, 1), "a\x1b[31m" + "b" * 100)
    with pytest.raises(PolicyError) as caught:
        node.choice(("a",))
    assert caught.value.message == f"p:1:1: unknown word `a?[31m{'b' * 34}...`"


def test_the_nearest_word_is_named_or_all_of_them() -> None:
    assert nearest("actoin", ("action", "name")) == "did you mean `action`?"
    assert nearest("q", ("action", "name")) == "known here: action, name"
