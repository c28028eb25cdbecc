"""Ids out of lines that are too long to parse: found in any chunking, only where they are ids."""

from itertools import pairwise

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcpguard.model import Json
from mcpguard.wire.jsonrpc import Id, is_id
from mcpguard.wire.recover import (
    MAX_BATCH,
    MAX_ECHO,
    MAX_TOKENS,
    RequestIdFinder,
    WireIdFinder,
    answerable,
)


def found(pieces: list[bytes]) -> list[Id]:
    finder = RequestIdFinder()
    return [each for piece in pieces for each in finder.feed(piece)]


def cut(line: bytes, places: list[int]) -> list[bytes]:
    borders = [0, *sorted(place % (len(line) + 1) for place in places), len(line)]
    return [line[a:b] for a, b in pairwise(borders)]


BIG = '"' + "x" * 500 + '"'

LINES: dict[str, tuple[str, Id | list[Id] | None]] = {
    "id-first": ('{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":' + BIG, 7),
    "id-last": ('{"method":"m","params":{"a":' + BIG + '},"id":7}', 7),
    "id-last-without-end": ('{"method":"m","params":{"a":' + BIG + '},"id":7', None),
    "string-id": ('{"id":"7","method":"m","params":{', "7"),
    "string-id-with-escapes": ('{"id":"a\\"b\\\\\\u0041","method":"m","params":{', 'a"b\\A'),
    "zero": ('{"id":0,"method":"m","params":{', 0),
    "empty-string": ('{"id":"","method":"m","params":{', ""),
    "negative": ('{"id":-5,"method":"m","params":{', -5),
    "spaces": ('{ "id" : 7 , "method" : "m" , "params" : {', 7),
    "id-of-256-bytes": ('{"id":"' + "y" * 256 + '","method":"m",', "y" * 256),
    "id-of-257-bytes": ('{"id":"' + "y" * 257 + '","method":"m",', None),
    "id-of-1000-bytes": ('{"id":"' + "y" * 1000 + '","method":"m",', None),
    "id-of-1000-digits": ('{"id":' + "9" * 1000 + ',"method":"m",', None),
    "id-of-256-bytes-escaped": ('{"id":"' + "\\u0041" * 256 + '","method":"m",', "A" * 256),
    "id-of-257-bytes-escaped": ('{"id":"' + "\\u0041" * 257 + '","method":"m",', None),
    "id-null": ('{"id":null,"method":"m",', None),
    "id-true": ('{"id":true,"method":"m",', None),
    "id-float": ('{"id":1.0,"method":"m",', None),
    "id-object": ('{"id":{"id":7},"method":"m",', None),
    "id-list": ('{"id":[7],"method":"m",', None),
    "id-then-object": ('{"id":7{},"method":"m",', None),
    "id-in-two-parts": ('{"id":7 8,"method":"m",', None),
    "no-id": ('{"method":"m","params":{"id":7},', None),
    "nested-id": ('{"method":"m","params":{"id":7,"method":"x","y":[{"id":8}]},', None),
    "id-in-a-string": ('{"method":"m","x":"\\"id\\":7,","y":1,', None),
    "response": ('{"jsonrpc":"2.0","id":7,"result":{"method":"m","a":' + BIG + "}}", None),
    "error-response": ('{"id":7,"error":{"method":"m"},"x":"method",', None),
    "method-as-value": ('{"id":7,"a":"method","b":1,', None),
    "batch": ('[{"id":7,"method":"m","params":{}}]', None),
    "id-of-another-case": ('{"ID":7,"method":"m",', None),
    "escaped-key": ('{"\\u0069d":7,"method":"m",', None),
    "brackets-in-strings": ('{"a":"{[","method":"m","b":"]}","id":7,', 7),
    "values-before": ('{"a":[1,{"b":[]}],"c":{},"method":"m","id":7,', 7),
    "empty": ("", None),
    "garbage": ('\\\\"}{][:,', None),
    "comma-doubled": ('{"id":7,,"method":"m",', 7),
    "method-behind-the-end": ('{"id":7},"method":"m",', None),
    "closed-by-another-bracket": ('{"id":7],"method":"m",', None),
    "two-requests": (
        '{"id":7,"method":"m"}{"id":"8","method":"n"} {"method":"m","id":9}',
        [7, "8", 9],
    ),
    "one-twice": ('{"id":7,"method":"m"}{"id":7,"method":"n"}', 7),
    "a-notification-and-an-answer": ('{"method":"m"}{"id":7,"result":{}}', None),
    "an-answer-and-a-notification": ('{"id":7,"result":{}}{"method":"m"}', None),
    "an-answer-closed-wrongly": ('{"id":7]{"method":"m","x":1}', None),
    "an-unfinished-key": ('{"id":7,"met}{"id":8,"method":"m",', None),
    "an-answer-and-a-request": ('{"id":7,"result":{}}\r{"id":8,"method":"m"}', 8),
    "a-request-in-text": ('{"id":7,"method":"m"}"{\\"id\\":8,\\"method\\":\\"m\\"}"', 7),
    "a-request-and-a-batch": ('{"id":7,"method":"m"}[{"id":8,"method":"m"}]', 7),
    "closing-first": ('}]}{"id":7,"method":"m",', 7),
    "closing-between": ('{"id":7}]{"id":8,"method":"m"}', 8),
}


@pytest.mark.guarantee("ids:over-long-request-answered")
@pytest.mark.parametrize(("line", "given_id"), LINES.values(), ids=LINES)
def test_the_id_of_a_request_is_found_whole_and_byte_by_byte(
    line: str, given_id: Id | list[Id] | None
) -> None:
    data = line.encode()
    if not isinstance(given_id, list):
        given_id = [] if given_id is None else [given_id]
    assert repr(found([data])) == repr(given_id)
    assert repr(found([data[i : i + 1] for i in range(len(data))])) == repr(given_id)
    assert repr(found([data[i : i + 7] for i in range(0, len(data), 7)])) == repr(given_id)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)
ids = st.integers(1 - 2**53, 2**53 - 1) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=40
)
printable = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
members = st.dictionaries(printable, printable | st.integers(0, 9), max_size=3)


@pytest.mark.guarantee("ids:over-long-request-answered")
@given(ids, members, st.permutations(["id", "method", "params"]), st.lists(st.integers(0, 999)))
@example("\\", {}, ["id", "method", "params"], [8])
def test_any_request_in_any_order_and_chunking_gives_its_id(
    given_id: Id, params: dict[str, Json], order: list[str], places: list[int]
) -> None:
    whole = {"id": given_id, "method": "m", "params": {"id": 1, "method": "x", **params}}
    line = orjson.dumps({key: whole[key] for key in order}) + b" " * 20
    assert repr(found(cut(line, places))) == repr([given_id])


@given(ids, values, st.booleans(), st.lists(st.integers(0, 999)))
def test_an_answer_never_gives_one(
    given_id: Id, value: Json, failed: bool, places: list[int]
) -> None:
    key = "error" if failed else "result"
    whole: dict[str, Json] = {"id": given_id, key: {"method": "m", "id": 3, "value": str(value)}}
    line = orjson.dumps(whole, option=orjson.OPT_INDENT_2)
    assert found(cut(line, places)) == []


@given(
    st.lists(
        st.sampled_from(list(b'{}[]",:\\ ')).map(lambda b: bytes([b]))
        | st.binary(max_size=3)
        | st.sampled_from([b'"id"', b'"method"', b":7,", b'"a"'])
    ),
    st.lists(st.integers(0, 99), max_size=5),
)
def test_garbage_gives_an_id_or_nothing_in_any_chunking(
    parts: list[bytes], places: list[int]
) -> None:
    line = b"".join(parts)
    whole = found([line])
    assert all(map(is_id, whole))
    assert repr(found(cut(line, places))) == repr(whole)


@pytest.mark.guarantee("ids:over-long-request-answered")
def test_the_search_gives_up_after_a_bounded_number_of_tokens() -> None:
    finder = RequestIdFinder()
    assert finder.feed(b"{" + b'"a":1,' * MAX_TOKENS) == []
    assert finder.feed(b'"id":7,"method":"m",') == []


def test_half_of_that_many_tokens_are_looked_at() -> None:
    filler = b'"a":1,' * (MAX_TOKENS // 6)
    assert RequestIdFinder().feed(b"{" + filler + b'"id":7,"method":"m",') == [7]


def test_so_many_ids_of_one_line_are_found() -> None:
    line = b"".join(b'{"id":%d,"method":"m"}' % each for each in range(2000))
    assert RequestIdFinder().feed(line) == [*range(1024)]
    assert found(cut(line, [*range(5000, 30_000, 5000)]))[:1024] == [*range(1024)]


def test_an_id_too_long_to_be_one_does_not_hide_the_one_after_it() -> None:
    line = b'{"method":"m","id":"' + b"a" * (6 * 256 + 1) + b'","id":5}'
    assert RequestIdFinder().feed(line) == [5]


# --- ids that are answered though no request can have them ---------------------------------------

ASKED: dict[str, tuple[Json, list[Id | float]]] = {
    # name: what a line holds, the ids of its requests
    "request": ({"id": 7, "method": "m"}, [7]),
    "more-than-that": ({"jsonrpc": "2.0", "id": 7, "method": "m", "params": {}}, [7]),
    "negative": ({"id": -5, "method": "m"}, [-5]),
    "longest-text": ({"id": "i" * MAX_ECHO, "method": "m"}, ["i" * MAX_ECHO]),
    "too-long-a-text": ({"id": "i" * (MAX_ECHO + 1), "method": "m"}, []),
    "greatest-number": ({"id": 2.0**53 - 1, "method": "m"}, [2.0**53 - 1]),
    "least-number": ({"id": 1 - 2.0**53, "method": "m"}, [1 - 2.0**53]),
    "number-that-may-be-rounded": ({"id": 2.0**53, "method": "m"}, []),
    "fraction": ({"id": 0.5, "method": "m"}, [0.5]),
    "integer-beyond": ({"id": 2**63, "method": "m"}, [2**63]),
    "null": ({"id": None, "method": "m"}, []),
    "true": ({"id": True, "method": "m"}, []),
    "list": ({"id": [7], "method": "m"}, []),
    "no-id": ({"method": "m"}, []),
    "no-method": ({"id": 7, "result": {}}, []),
    "another-case": ({"Id": 7, "Method": "m"}, []),
    "no-object": ("id method", []),
    "batch": ([{"id": 2, "method": "m"}, {"id": "a", "method": "m"}], [2, "a"]),
    "some-of-a-batch": (
        [{"id": 1, "result": {}}, 7, [], "id", {"id": 3, "method": "m"}, {"id": 3, "method": "n"}],
        [3],
    ),
    "first-of-a-batch": (
        [{"id": each, "method": "m"} for each in range(MAX_BATCH + 1)],
        [*range(MAX_BATCH)],
    ),
    "batch-in-a-batch": ([[{"id": 1, "method": "m"}]], []),
}


@pytest.mark.guarantee("ids:unusable-ids-answered")
@pytest.mark.parametrize(("held", "ids"), ASKED.values(), ids=ASKED)
def test_whoever_asks_is_answered_under_an_id_that_can_be_given_back(
    held: Json, ids: list[Id | float]
) -> None:
    assert repr(answerable(orjson.dumps(held))) == repr(ids)


@pytest.mark.parametrize("line", [b"", b"{", b'{"id":7,"method":"m"', b"\xff"])
def test_what_is_no_json_asks_for_nothing(line: bytes) -> None:
    assert answerable(line) == []


# --- wire ids in a server's bytes ----------------------------------------------------------------

WIRE_ID = 4_503_599_627_370_497


def candidates(pieces: list[bytes]) -> list[int]:
    finder = WireIdFinder()
    return [each for piece in pieces for each in finder.feed(piece)]


@pytest.mark.guarantee("ids:garbled-answer-answered")
@given(
    st.binary(max_size=40).map(lambda data: bytes(b for b in data if not 48 <= b <= 57)),
    st.sampled_from(['"id":%d,', '"id": %d }', '"%d"', "%d"]),
    st.lists(st.integers(0, 99)),
)
def test_a_wire_id_is_found_in_any_chunking(noise: bytes, form: str, places: list[int]) -> None:
    line = noise + (form % WIRE_ID).encode() + noise
    assert WIRE_ID in candidates(cut(line, places))


def test_a_wire_id_is_found_once_however_the_bytes_after_it_come() -> None:
    assert candidates([b'"id":%d' % WIRE_ID, b",", b'"', b"result"]) == [WIRE_ID]


def test_shorter_numbers_are_no_wire_ids() -> None:
    assert candidates([b'{"id":123456789012345,"a":99999999}']) == []


@given(st.lists(st.binary(max_size=20)))
def test_any_bytes_give_only_sixteen_digit_numbers(pieces: list[bytes]) -> None:
    assert all(len(str(each)) <= 16 for each in candidates(pieces))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"method":"m","params":{"id":1},"id":2}', 2),
        (b'{"method":"m","params":[{"id":1},{"id":3}],"id":2}', 2),
        (b'{"id":2,"params":{"method":"m"}}', None),
        (b'{"method":"m","id":{"id":1}}', None),
        (b'{"method":"m","id":[1]}', None),
        (b'{"method":"m","x":"id","id":2}', 2),
        (b'{"method":"m","x":"\\"id\\":1","id":2}', 2),
        (b'{ "method" : "m" , "id" : 2 }', 2),
        (b'{"method":"m","id":"' + b"a" * 256 + b'"}', "a" * 256),
        (b'{"method":"m","id":"' + b"a" * 400 + b'"}', None),
        (b'{"id":1,"method":"m","id":2}', 1),
        (b'{"id":[],"method":"m","id":2}', 2),
        (b'{"id":01,"method":"m","id":2}', 2),
        (b'{"id":2}{"method":"m"}', None),
        (b'{"method":"m"}{"id":2}', None),
        (b'{"id":1}{"method":"m","id":2}', 2),
        (b'{"id":[],"method":"m"}{"id":2,"method":"m"}', 2),
        (b'{"x":7]{"id":2,"method":"m"}', 2),
        (b'{"id"}{:2,"method":"m"}', None),
    ],
)
def test_an_id_is_the_top_level_one(line: bytes, found: Json) -> None:
    assert RequestIdFinder().feed(line) == ([] if found is None else [found])
