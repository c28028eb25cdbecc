"""Arguments against a pinned schema: checked here, never by following a reference outside it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema_rs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcpguard.lock.arguments import MAX_LEVELS, SchemaError, compile_schema, simple
from mcpguard.lock.folding import Names
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


TEXT: JsonObject = {"type": "string"}
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
OBJECT: JsonObject = {"type": "object"}

ORDINARY: dict[str, JsonObject] = {
    "nothing": OBJECT,
    "a-text": {**OBJECT, "properties": {"path": TEXT}, "required": ["path"]},
    "draft-7-and-closed": {
        **OBJECT,
        "$schema": DRAFT_7,
        "properties": {"path": TEXT, "head": {"type": "number", "description": "first lines"}},
        "required": ["path"],
        "additionalProperties": False,
    },
    "below": {
        **OBJECT,
        "title": "Edit",
        "properties": {
            "edits": {
                "type": "array",
                "items": {**OBJECT, "properties": {"old": TEXT}, "required": ["old"]},
            },
            "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
            "dry": {"type": "boolean", "default": False},
        },
    },
}


@pytest.mark.parametrize("schema", ORDINARY.values(), ids=ORDINARY)
def test_a_schema_of_ordinary_words_needs_no_validator_for_valid_arguments(
    schema: JsonObject,
) -> None:
    plainly = simple(schema)
    assert plainly is not None
    given: JsonObject = {"path": "x", "head": 1.5}
    filled: JsonObject = {"edits": [{"old": "x", "new": 1}, {"old": ""}], "kind": "b", "dry": True}
    assert plainly(filled if schema is ORDINARY["below"] else given)


OTHERS: dict[str, JsonObject] = {
    "no-type": {"properties": {"a": TEXT}},
    "another-type": {"type": "string"},
    "types": {"type": ["object", "null"]},
    "another-draft": {**OBJECT, "$schema": "http://json-schema.org/draft-04/schema#"},
    "another-word": {**OBJECT, "minProperties": 1},
    "a-word-below": {**OBJECT, "properties": {"a": {"type": "string", "minLength": 1}}},
    "a-word-of-another-type": {**OBJECT, "properties": {"a": {"type": "integer", "enum": ["a"]}}},
    "a-draft-below": {**OBJECT, "properties": {"a": {**TEXT, "$schema": DRAFT_7}}},
    "a-reference": {**OBJECT, "properties": {"a": {"$ref": "#"}}},
    "more-of-a-kind": {**OBJECT, "additionalProperties": {"type": "string"}},
    "false": {**OBJECT, "properties": {"a": False}},
    "numbers-to-choose": {**OBJECT, "properties": {"a": {"type": "string", "enum": [1]}}},
    "nothing-to-choose": {**OBJECT, "properties": {"a": {"type": "string", "enum": []}}},
    "required-twice": {**OBJECT, "required": ["a", "a"]},
    "required-number": {**OBJECT, "required": [1]},
    "title-of-no-text": {**OBJECT, "title": 1},
    "elements-of-many-kinds": {
        **OBJECT,
        "properties": {"a": {"type": "array", "items": [TEXT]}},
    },
}


@pytest.mark.parametrize("schema", OTHERS.values(), ids=OTHERS)
def test_any_other_schema_is_left_to_the_validator(schema: JsonObject) -> None:
    assert simple(schema) is None


def test_a_deep_schema_is_left_to_the_validator() -> None:
    schema: JsonObject = {**OBJECT, "properties": {"a": TEXT}}
    for _ in range(MAX_LEVELS - 2):
        schema = {**OBJECT, "properties": {"a": schema}}
    assert simple(schema) is not None
    assert simple({**OBJECT, "properties": {"a": schema}}) is None


KEYS = st.sampled_from(["a", "b", "A", "$ref", "type"])
LEAVES: st.SearchStrategy[Json] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.sampled_from([0.0, 1.0, 1.5, -2.0, 1e300]),
    st.sampled_from(["", "a", "b", "A"]),
)
ARGUMENTS: st.SearchStrategy[Json] = st.recursive(
    LEAVES,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(KEYS, below, max_size=3)),
    max_leaves=6,
)
OBJECTS = st.dictionaries(KEYS, ARGUMENTS, max_size=4)
TYPES = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])


def of_words(below: st.SearchStrategy[JsonObject]) -> st.SearchStrategy[JsonObject]:
    """Schemas of ordinary words; some hold one that is none of its type's."""
    words: dict[str, st.SearchStrategy[Json]] = {
        "properties": st.dictionaries(KEYS, below, max_size=3),
        "required": st.lists(KEYS, max_size=2),
        "additionalProperties": st.booleans(),
    }
    kind: dict[str, st.SearchStrategy[Json]] = {"type": st.just("object")}
    objects: st.SearchStrategy[JsonObject] = st.fixed_dictionaries(kind, optional=words)
    lists: st.SearchStrategy[JsonObject] = st.builds(
        lambda items: {"type": "array", "items": items}, below
    )
    return st.one_of(objects, objects, lists)


CHOICE: JsonObject = {"type": "string", "enum": ["a", "b"]}
MANY: JsonObject = {"type": "array", "items": CHOICE}
CHOICES: st.SearchStrategy[JsonObject] = st.builds(
    lambda texts: {"type": "string", "enum": texts}, st.lists(KEYS, min_size=1, max_size=3)
)
ANY_SCHEMA: st.SearchStrategy[JsonObject] = st.recursive(
    st.one_of(st.builds(lambda name: {"type": name}, TYPES), CHOICES), of_words, max_leaves=6
)


@pytest.mark.guarantee("schema:plainly-valid-is-valid")
@example({**OBJECT, "additionalProperties": False}, {}, [{"a": 1}])
@example({**OBJECT, "required": ["a", "b"]}, {}, [{"a": 1}, {"a": 1, "b": None}])
@example({**OBJECT, "properties": {"a": CHOICE}}, {}, [{"a": "b"}, {"a": "A"}, {"a": 1}])
@example({**OBJECT, "properties": {"a": MANY}}, {}, [{"a": ["b", "A"]}, {"a": "b"}, {"a": [1]}])
@given(of_words(ANY_SCHEMA), st.sampled_from([{}, {"$schema": DRAFT_7}]), st.lists(OBJECTS))
def test_what_is_plainly_valid_is_valid(
    schema: JsonObject, draft: JsonObject, each: list[JsonObject]
) -> None:
    plainly = simple({**schema, **draft})
    if plainly is None:
        return
    validator = jsonschema_rs.validator_for({**schema, **draft})
    check = compile_schema({**schema, **draft})
    for arguments in [{}, *each]:
        assert not plainly(arguments) or validator.is_valid(arguments)
        assert check.valid(arguments) is validator.is_valid(arguments)
        assert bool(check.wrong(arguments)) is not validator.is_valid(arguments)


SAME: dict[type, tuple[Json, ...]] = {
    str: ("", "a", "zz"),
    int: (0, -(2**63), 2**64 - 1),
    float: (0.5, 1.0, -1e300),
    bool: (False, True, True),
    type(None): (None, None, None),
}
"""Of a type: other values of it."""


@pytest.mark.guarantee("schema:shape-decides")
@example({**OBJECT, "properties": {"a": CHOICE}}, [{"a": "b"}])
@example({**OBJECT, "properties": {"a": {"type": "integer"}}}, [{"a": 1.0}, {"a": 1}])
@example({**OBJECT, "properties": {"a": {**OBJECT, "required": ["b"]}}}, [{"a": {"b": 1}}])
@given(of_words(ANY_SCHEMA), st.lists(OBJECTS))
def test_where_the_shape_of_arguments_decides_their_values_do_not(
    schema: JsonObject, each: list[JsonObject]
) -> None:
    if simple(schema) is None:
        return
    validator, check = jsonschema_rs.validator_for(schema), compile_schema(schema)
    for arguments in [{}, *each]:
        for number in range(3) if check.by_shape(arguments) else ():
            others = {key: SAME[type(value)][number] for key, value in arguments.items()}
            assert validator.is_valid(others)
            assert Names(schema, schema).folding(others) == ""


def test_of_another_schema_no_shape_decides() -> None:
    assert not compile_schema(PERSON).by_shape({"name": "n"})
