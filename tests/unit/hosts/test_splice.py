"""A host's file as spans: read as every parser reads it, or refused with line and column."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.errors import HostError
from mcpguard.hosts.splice import MAX_DEPTH, Edit, find, parse, spliced, value
from mcpguard.wire import exact
from tests.unit.hosts.documents import VALUES, Document, documents


@given(VALUES, st.sampled_from([None, 2, "\t"]), st.booleans())
def test_a_value_is_what_the_standard_parser_reads(
    said: object, indent: int | str | None, plain: bool
) -> None:
    data = json.dumps(said, indent=indent, ensure_ascii=plain).encode()
    node = parse(data)
    assert (value(data, node), node.start, node.end) == (json.loads(data), 0, len(data))


@given(documents())
def test_an_entry_is_found_in_any_layout(document: Document) -> None:
    node = find(parse(document.data), document.path)
    assert node is not None
    assert document.data[node.start : node.start + 1] == b"{"
    assert document.data[node.end - 1 : node.end] == b"}"


@given(documents(), st.data())
def test_a_damaged_file_is_read_or_refused_with_its_place(
    document: Document, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(document.data)))
    bad = data.draw(st.binary(max_size=3))
    damaged = document.data[:at] + bad + document.data[at + data.draw(st.integers(0, 3)) :]
    said = ""
    try:
        parse(damaged)
    except HostError as error:
        said = error.message
    assert not said or said.startswith(("line ", "it is UTF-16"))


@given(
    VALUES, st.integers(0, 200), st.sampled_from([*'{}[],:"\\/ \n1e.-', "", "\0", "é", "\ud83d"])
)
def test_it_takes_what_the_strict_parser_takes_and_nothing_else(
    said: object, at: int, change: str
) -> None:
    text = json.dumps(said, indent=1, ensure_ascii=False)
    damaged = (text[:at] + change + text[at + 1 :]).encode("utf-8", "surrogatepass")
    assert _read(damaged) == _strictly_read(damaged)


def _read(data: bytes) -> str:
    try:
        return repr(value(data, parse(data)))
    except HostError:
        return "refused"


def _strictly_read(data: bytes) -> str:
    try:
        return repr(exact.strict_loads(data, max_depth=MAX_DEPTH, big_integers=True))
    except exact.ExactError:
        return "refused"


REFUSED = {
    "empty": (b"", "line 1 column 1: a value is missing (the file ends here)"),
    "only a comment": (b"// x", "line 1 column 5: a value is missing (the file ends here)"),
    "torn": (b'{"a": {', "line 1 column 8: a key is missing (the file ends here)"),
    "trailing comma": (b'{\n  "a": 1,\n}', "line 3 column 1: a comma before }"),
    "trailing comma in a list": (b"[1, ]", "line 1 column 5: a comma before ]"),
    "no comma": (b'{"a": 1 "b": 2}', "line 1 column 9: a comma or } is missing"),
    "no colon": (b'{"a" 1}', "line 1 column 6: a colon is missing"),
    "no value": (b'{"a": }', "line 1 column 7: a value is missing"),
    "two values": (b"{} {}", "line 1 column 4: more after the end of the value"),
    "same key twice": (b'{"a": 1,\r\n "a": 2}', "line 2 column 2: a key that this object"),
    "same key escaped": (b'{"a": 1, "\\u0061": 2}', "line 1 column 10: a key that this object"),
    "half a pair as a key": (b'{"\\ud800": 1}', "line 1 column 2: a value that cannot be used"),
    "bare word": (b'{"a": yes}', "line 1 column 7: this is not JSON"),
    "single quotes": (b"{'a': 1}", "line 1 column 2: this is not JSON"),
    "a line break in a string": (b'{"a": "\n"}', "line 1 column 7: this is not JSON"),
    "open string": (b'{"a": "x', "line 1 column 7: this is not JSON"),
    "open comment": (b"{} /* x", "line 1 column 4: this is not JSON"),
    "leading zero": (b"[01]", "line 1 column 3: a comma or ] is missing"),
    "NaN": (b"[NaN]", "line 1 column 2: this is not JSON"),
    "zero byte": (b'{"a": 1}\0', "line 1 column 9: this is not JSON"),
    "not UTF-8": (b'{"\xc3\xa9": "\xff"}', "line 1 column 8: bytes that are not UTF-8"),
    "UTF-16": ("{}".encode("utf-16"), "it is UTF-16"),
    "a mark within": (b'{"a": \xef\xbb\xbf1}', "line 1 column 7: this is not JSON"),
    "too deep": (b"[" * 200 + b"]" * 200, f"nested deeper than {MAX_DEPTH} levels"),
}


@pytest.mark.guarantee("hosts:doubt-is-refused")
@pytest.mark.parametrize("name", REFUSED)
def test_what_two_parsers_could_read_differently_is_refused_with_its_place(name: str) -> None:
    data, message = REFUSED[name]
    with pytest.raises(HostError) as caught:
        parse(data)
    assert message in caught.value.message
    assert caught.value.hint


def test_a_column_counts_characters_not_bytes() -> None:
    with pytest.raises(HostError, match=r"line 1 column 8: "):
        parse('{"éé": !}'.encode())


def test_keys_are_compared_unescaped() -> None:
    data = b'{"\\u0061": {"b": 1}}'
    node = find(parse(data), ["a", "b"])
    assert node is not None
    assert data[node.start : node.end] == b"1"


@pytest.mark.parametrize("path", [["b"], ["a", "b"], ["a", "0"]])
def test_what_is_not_there_is_none(path: list[str]) -> None:
    assert find(parse(b'{"a": [1]}'), path) is None


def test_edits_replace_their_own_bytes_and_no_other() -> None:
    edits = [Edit(0, 0, b"<"), Edit(2, 3, b""), Edit(4, 5, b"EE")]
    assert spliced(b"abcdef", edits) == b"<abdEEf"
