"""Strict and exact JSON: what orjson would hide is refused, or carried unchanged."""

import contextlib
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.model import Json
from mcpguard.wire import exact

REFUSED = [
    (b'{"a":1,"a":2}', exact.DuplicateKeyError),
    (b'{"a":1,"\\u0061":2}', exact.DuplicateKeyError),
    (b'[{"x":{"a":1,"b":2,"a":1}}]', exact.DuplicateKeyError),
    (b"18446744073709551616", exact.NumberRangeError),
    (b"-9223372036854775809", exact.NumberRangeError),
    (b"NaN", exact.NotFiniteError),
    (b"[Infinity]", exact.NotFiniteError),
    (b"-Infinity", exact.NotFiniteError),
    (b"1e400", exact.NotFiniteError),
    (b"[" * 65 + b"]" * 65, exact.DepthError),
    (b'{"a":' * 65 + b"1" + b"}" * 65, exact.DepthError),
    (b'"\\ud800"', exact.ExactError),
    (b'{"\\udc00":1}', exact.ExactError),
    (b'"\xff"', exact.ExactError),
    (b"\xef\xbb\xbf1", exact.ExactError),
    (b'"\x01"', exact.ExactError),
    (b"1 2", exact.ExactError),
    (b"{'a':1}", exact.ExactError),
    (b"", exact.ExactError),
]


@pytest.mark.guarantee("parse:host-differentials")
@pytest.mark.parametrize(("data", "error"), REFUSED)
def test_what_two_parsers_could_read_differently_is_refused(
    data: bytes, error: type[Exception]
) -> None:
    with pytest.raises(exact.ExactError) as caught:
        exact.strict_loads(data)
    assert type(caught.value) is error


KEPT: list[tuple[bytes, Json]] = [
    (b"18446744073709551615", 2**64 - 1),
    (b"-9223372036854775808", -(2**63)),
    (b'"\\ud83d\\ude00"', "\U0001f600"),
    (b'{"[[[[":"]{"}', {"[[[[": "]{"}),
    (b'["\\"[", "\\\\", []]', ['"[', "\\", []]),
    (b"[" * 64 + b"]" * 64, None),
    (b'{"a":1,"A":2}', {"a": 1, "A": 2}),
]


@pytest.mark.parametrize(("data", "value"), KEPT)
def test_what_everybody_reads_alike_is_read(data: bytes, value: Json) -> None:
    assert exact.strict_loads(data) == (value if value is not None else orjson.loads(data))


def test_a_negative_zero_is_kept_apart_from_zero() -> None:
    for load in (exact.strict_loads, exact.loads_exact):
        value = load(b"-0")
        assert type(value) is float
        assert str(value) == "-0.0"


def test_big_integers_are_read_when_they_are_asked_for() -> None:
    assert exact.strict_loads(b"[%d]" % 2**80, big_integers=True) == [2**80]
    with pytest.raises(exact.NumberRangeError, match="4300"):
        exact.strict_loads(b"1" * 4301, big_integers=True)


def test_the_first_doubled_key_is_named() -> None:
    with pytest.raises(exact.DuplicateKeyError) as caught:
        exact.strict_loads(b'{"b":1,"a":1,"a":2,"b":2}')
    assert caught.value.key == "b"


CARRIED: list[tuple[bytes, Json, bytes]] = [
    (b"[%d]" % 10**40, [10**40], b"[%d]" % 10**40),
    (b'["\\ud800"]', ["\ud800"], b'["\\ud800"]'),
    (b'{"\\uDFFF":1}', {"\udfff": 1}, b'{"\\udfff":1}'),
    (b'"a\xffb"', "a\ufffdb", '"a\ufffdb"'.encode()),
    (b'{"a":1,"a":2}', {"a": 2}, b'{"a":2}'),
    ('["é", 1.50]'.encode(), ["é", 1.5], '["é",1.5]'.encode()),
]


@pytest.mark.guarantee("parse:server-exact")
@pytest.mark.parametrize(("data", "value", "written"), CARRIED)
def test_what_a_host_would_have_understood_is_carried(
    data: bytes, value: Json, written: bytes
) -> None:
    assert exact.loads_exact(data) == value
    assert exact.dumps_exact(value) == written


@pytest.mark.parametrize("data", [b"NaN", b"1e999", b"-Infinity", b"[", b"1" * 4301])
def test_what_no_host_understands_is_not_carried(data: bytes) -> None:
    with pytest.raises(exact.ExactError):
        exact.loads_exact(data)


def test_nesting_beyond_the_interpreter_is_our_own_error() -> None:
    with pytest.raises(exact.DepthError):
        exact.loads_exact(b"[" * 200_000)
    deep: Json = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(exact.DepthError):
        exact.dumps_exact(deep)


def test_not_a_number_is_not_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        exact.dumps_exact([float("nan")])


values: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**90), 2**90)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_whatever_is_written_exactly_reads_back_the_same(value: Json) -> None:
    assert exact.loads_exact(exact.dumps_exact(value)) == value
    assert exact.loads_exact(exact.dumps_indented(value)) == value


@given(values, st.integers(0, 8))
def test_the_depth_is_counted_without_parsing(value: Json, limit: int) -> None:
    def depth(node: Json) -> int:
        if isinstance(node, dict):
            return 1 + max(map(depth, node.values()), default=0)
        if isinstance(node, list):
            return 1 + max(map(depth, node), default=0)
        return 0

    written = json.dumps(value).encode()
    assert exact.too_deep(written, limit) == (depth(value) > limit)


@given(st.binary(max_size=60))
def test_any_bytes_give_a_value_or_our_own_error(data: bytes) -> None:
    for load in (exact.strict_loads, exact.loads_exact):
        with contextlib.suppress(exact.ExactError):
            load(data)


SHALLOW_OR_DEEP: list[tuple[bytes, bool]] = [
    (b'["\\\\",' + b"[" * 70 + b"]" * 70 + b"]", True),
    (b'["\\"",' + b"[" * 70 + b"]" * 70 + b"]", True),
    (b'["' + b"[" * 70 + b'"]', False),
    (b'["\\\\",' + b"[]," * 70 + b"[]]", False),
    (b"[" + b"[!]," * 70 + b"[]]", False),
    (b"[" * 64 + b"]" * 64, False),
    (b"[" * 65 + b"]" * 65, True),
    (b'{"a":' * 65 + b"1" + b"}" * 65, True),
]


@pytest.mark.parametrize(("data", "deep"), SHALLOW_OR_DEEP)
def test_brackets_in_strings_are_not_levels(data: bytes, deep: bool) -> None:
    assert exact.too_deep(data, 64) is deep


def test_indented_is_laid_out_with_two_spaces_a_level() -> None:
    assert exact.dumps_indented({"a": [1]}) == b'{\n  "a": [\n    1\n  ]\n}\n'


def test_a_doubled_key_is_an_error_that_says_so() -> None:
    assert str(exact.DuplicateKeyError("a")) == "an object holds the same key twice"


def test_equal_values_under_different_keys_are_no_duplicates() -> None:
    assert exact.strict_loads(b'[{"a":1,"b":1},{"a":1}]') == [{"a": 1, "b": 1}, {"a": 1}]
