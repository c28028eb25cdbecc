"""RFC 8785, and the digest made of it."""

import hashlib

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.model import Json
from mcpguard.wire.canonical import MAX_DEPTH, canonical, digest

FORMS: list[tuple[Json, bytes]] = [
    ({"b": 1, "a": [True, None]}, b'{"a":[true,null],"b":1}'),
    (1.0, b"1"),
    (-0.0, b"0"),
    (1e30, b"1e+30"),
    (0.000001, b"0.000001"),
    (1e-7, b"1e-7"),
    (1e21, b"1e+21"),
    (123456789012345680000.0, b"123456789012345680000"),
    (2**53 + 1, b"9007199254740993"),
    (-(2**70), b"-1180591620717411303424"),
    ('\x00\x1f\x7f"\\/\b\f\n\r\t', b'"\\u0000\\u001f\x7f\\"\\\\/\\b\\f\\n\\r\\t"'),
    ("é€\U0001f600", '"é€\U0001f600"'.encode()),
    # UTF-16 code units: the astral character sorts before U+FB33, though its code point is higher.
    ({"\ufb33": 1, "\U0001f600": 2, "\r": 3}, '{"\\r":3,"\U0001f600":2,"\ufb33":1}'.encode()),
    ([], b"[]"),
    ({}, b"{}"),
    ("", b'""'),
]


@pytest.mark.parametrize(("value", "form"), FORMS)
def test_a_value_has_one_canonical_form(value: Json, form: bytes) -> None:
    assert canonical(value) == form
    assert digest(value) == "sha256:" + hashlib.sha256(form).hexdigest()


def test_true_and_one_have_different_digests() -> None:
    assert digest({"a": True}) != digest({"a": 1})
    assert digest([False]) != digest([0])
    assert digest("1") != digest(1)
    assert digest(None) != digest("null")


def nested(levels: int) -> Json:
    value: Json = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), -float("inf"), "\ud800", {"\udfff": 1}, nested(MAX_DEPTH + 1)],
)
def test_what_has_no_canonical_form_is_refused(value: Json) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical(value)


def test_the_deepest_allowed_value_is_written() -> None:
    assert canonical(nested(MAX_DEPTH)) == b"[" * MAX_DEPTH + b"1" + b"]" * MAX_DEPTH


safe: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(safe)
def test_it_agrees_with_the_reference_wherever_that_one_has_an_answer(value: Json) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({"a": 1e21}, b'{"a":1e+21}'),
        ({"a": [{"b": 1.0}]}, b'{"a":[{"b":1}]}'),
        ([{"a": 1e21}], b'[{"a":1e+21}]'),
    ],
)
def test_a_number_inside_an_object_has_its_canonical_form_too(value: Json, form: bytes) -> None:
    assert canonical(value) == form


def test_objects_count_as_levels_too() -> None:
    value: Json = 1
    for _ in range(MAX_DEPTH):
        value = {"a": value}
    assert canonical(value).startswith(b'{"a":{"a":')
    with pytest.raises(ValueError, match="deeper"):
        canonical({"a": value})
