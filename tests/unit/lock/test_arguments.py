"""Arguments against a pinned schema: checked here, never by following a reference outside it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.lock.arguments import SchemaError, compile_schema
from mcpguard.model import Json, JsonObject

PERSON: JsonObject = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "age": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        "home": {"$ref": "#/$defs/address"},
        "kind": {"enum": ["a", "b"]},
        "a/b": {"type": "string"},
    },
    "required": ["name"],
    "additionalProperties": {"type": "boolean"},
    "$defs": {
        "address": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "next": {"$ref": "#/$defs/address"}},
            "required": ["city"],
        }
    },
}

PHRASES: dict[str, tuple[JsonObject, JsonObject, str]] = {
    "valid": (PERSON, {"name": "n", "age": 3, "tags": ["x"], "home": {"city": "c"}}, ""),
    "required": (PERSON, {}, "the arguments: missing 'name'"),
    "type": (PERSON, {"name": 5}, "/name: does not satisfy 'type'"),
    "string-is-no-integer": (PERSON, {"name": "n", "age": "3"}, "/age: does not satisfy 'type'"),
    "bool-is-no-integer": (PERSON, {"name": "n", "age": True}, "/age: does not satisfy 'type'"),
    "one-point-zero-is-an-integer": (PERSON, {"name": "n", "age": 1.0}, ""),
    "null": (PERSON, {"name": None}, "/name: does not satisfy 'type'"),
    "min-length": (PERSON, {"name": ""}, "/name: does not satisfy 'minLength'"),
    "element": (PERSON, {"name": "n", "tags": ["a", 2]}, "/tags/1: does not satisfy 'type'"),
    "max-items": (PERSON, {"name": "n", "tags": ["a"] * 3}, "/tags: does not satisfy 'maxItems'"),
    "enum": (PERSON, {"name": "n", "kind": "secret"}, "/kind: does not satisfy 'enum'"),
    "local-reference": (PERSON, {"name": "n", "home": {}}, "/home: missing 'city'"),
    "recursive-reference": (
        PERSON,
        {"name": "n", "home": {"city": "c", "next": {"city": "c", "next": {"city": 1}}}},
        "/home/next/next/city: does not satisfy 'type'",
    ),
    "undeclared-key-is-not-shown": (
        PERSON,
        {"name": "n", "sk-secret": "x"},
        "/*: does not satisfy 'type'",
    ),
    "closed": (
        {"additionalProperties": False, "properties": {"a": {}}},
        {"sk-secret": 1},
        "the arguments: does not satisfy 'additionalProperties'",
    ),
    "false-schema": ({"properties": {"a": False}}, {"a": 1}, "/a: does not satisfy 'a'"),
    "any-of": (
        {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {},
        "the arguments: does not satisfy 'anyOf'",
    ),
    "root-reference": (
        {"properties": {"child": {"$ref": "#"}, "n": {"type": "integer"}}},
        {"child": {"child": {"n": "x"}}},
        "/child/child/n: does not satisfy 'type'",
    ),
    "draft-7": (
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "definitions": {"s": {"type": "string"}},
            "properties": {"a": {"$ref": "#/definitions/s"}},
        },
        {"a": 1},
        "/a: does not satisfy 'type'",
    ),
    "long-paths-are-cut": (
        {"properties": {"p" * 200: {"type": "string"}}},
        {"p" * 200: 1},
        "/" + "p" * 119 + ": does not satisfy 'type'",
    ),
    "empty-schema": ({}, {"anything": [1]}, ""),
    "formats-are-notes": ({"properties": {"a": {"format": "email"}}}, {"a": "x"}, ""),
}


@pytest.mark.guarantee("schema:arguments-checked")
@pytest.mark.parametrize(("schema", "arguments", "phrase"), PHRASES.values(), ids=PHRASES)
def test_the_phrase_says_where_and_what_never_which_value(
    schema: JsonObject, arguments: JsonObject, phrase: str
) -> None:
    check = compile_schema(schema)
    assert check.wrong(arguments) == phrase
    assert check.valid(arguments) is not bool(phrase)


def nested(depth: int) -> JsonObject:
    schema: JsonObject = {}
    for _ in range(depth):
        schema = {"properties": {"a": schema}}
    return schema


HOSTILE: dict[str, JsonObject] = {
    "unknown-type": {"type": "nonsense"},
    "type-of-a-number": {"type": 12},
    "required-of-a-string": {"required": "name"},
    "bad-pattern": {"properties": {"a": {"pattern": "("}}},
    "dangling-reference": {"$ref": "#/$defs/none"},
    "unknown-meta-schema": {"$schema": "https://evil.example/schema"},
    "properties-of-a-list": {"properties": []},
    "too-deep": nested(200),
    "too-deep-for-anything": nested(5000),
}


@pytest.mark.guarantee("schema:hostile-refused")
@pytest.mark.parametrize("schema", HOSTILE.values(), ids=HOSTILE)
def test_a_schema_that_does_not_compile_is_our_own_error(schema: JsonObject) -> None:
    with pytest.raises(SchemaError, match="does not compile"):
        compile_schema(schema)


@contextmanager
def listener() -> Iterator[socket.socket]:
    """A port on loopback that takes connections and answers none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


REFERENCES: dict[str, JsonObject] = {
    "ref": {"$ref": "URL/schema.json"},
    "nested-ref": {"properties": {"a": {"items": {"$ref": "URL/x#/$defs/a"}}}},
    "dynamic-ref": {"$dynamicRef": "URL/x"},
    "relative-to-an-id": {"$id": "URL/base/", "$ref": "other.json"},
    "meta-schema": {"$schema": "URL/meta"},
    "draft-7-ref": {"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "URL/x"},
    "in-a-definition": {"$defs": {"a": {"$ref": "URL/x"}}, "$ref": "#/$defs/a"},
    "unused-definition": {"$defs": {"a": {"$ref": "URL/x"}}},
    "in-a-condition": {"if": {"$ref": "URL/x"}, "then": False},
}


def with_url(value: Json, url: str) -> Json:
    if isinstance(value, dict):
        return {key: with_url(each, url) for key, each in value.items()}
    if isinstance(value, list):
        return [with_url(each, url) for each in value]
    return value.replace("URL", url) if isinstance(value, str) else value


@pytest.mark.guarantee("schema:no-remote-reference")
@pytest.mark.parametrize("template", REFERENCES.values(), ids=REFERENCES)
def test_a_reference_to_the_network_is_refused_and_nothing_connects(template: JsonObject) -> None:
    with listener() as server:
        host, port = server.getsockname()
        schema = with_url(template, f"http://{host}:{port}")
        assert isinstance(schema, dict)
        with pytest.raises(SchemaError, match="does not compile"):
            compile_schema(schema)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.guarantee("schema:no-remote-reference")
@pytest.mark.parametrize("template", REFERENCES.values(), ids=REFERENCES)
def test_a_reference_to_a_file_is_refused_although_the_file_would_do(
    template: JsonObject, tmp_path: Path
) -> None:
    for name in ("schema.json", "x", "other.json", "meta"):
        (tmp_path / name).write_text("{}", "utf-8")
    schema = with_url(template, tmp_path.as_uri())
    assert isinstance(schema, dict)
    with pytest.raises(SchemaError, match="does not compile"):
        compile_schema(schema)


LOOPS: dict[str, JsonObject] = {
    "to-itself": {"$ref": "#"},
    "in-a-circle": {
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
        "$ref": "#/$defs/a",
    },
    "all-of-itself": {"allOf": [{"$ref": "#"}]},
}


@pytest.mark.guarantee("schema:hostile-refused")
@pytest.mark.parametrize("schema", LOOPS.values(), ids=LOOPS)
def test_a_schema_that_refers_to_itself_ends(schema: JsonObject) -> None:
    assert compile_schema(schema).wrong({"a": {"a": 1}}) == ""


@pytest.mark.guarantee("schema:hostile-refused")
@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(?=a)(a|aa)+\\1$", "^((a|a)(?=a|b))+$"])
def test_a_pattern_that_explodes_elsewhere_ends_here(pattern: str) -> None:
    check = compile_schema({"properties": {"a": {"pattern": pattern}}})
    assert check.wrong({"a": "a" * 60 + "!"}) == "/a: does not satisfy 'pattern'"


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=4)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "home", "city", "next", "x"]), inner)
    ),
)
keywords = st.sampled_from(
    ["type", "properties", "required", "$ref", "items", "allOf", "enum", "pattern", "maximum", "if"]
)
schemas = st.dictionaries(
    keywords,
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.sampled_from(["string", "#", "#/items", "("]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keywords, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@pytest.mark.guarantee("schema:arguments-checked")
@given(st.dictionaries(st.sampled_from(["name", "home", "x"]), values))
def test_any_arguments_get_a_phrase_or_pass(arguments: JsonObject) -> None:
    phrase = compile_schema(PERSON).wrong(arguments)
    assert phrase == "" or ": " in phrase
    assert "\n" not in phrase


@pytest.mark.guarantee("schema:hostile-refused")
@given(schemas, st.dictionaries(st.sampled_from(["type", "items"]), values, max_size=2))
def test_any_schema_compiles_or_is_our_own_error(schema: JsonObject, arguments: JsonObject) -> None:
    try:
        check = compile_schema(schema)
    except SchemaError:
        return
    assert isinstance(check.wrong(arguments), str)
