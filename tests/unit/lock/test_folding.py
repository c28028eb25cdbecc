"""Argument names that Go would take for declared ones are found wherever the schema says so."""

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.lock.folding import MAX_DEPTH, Names
from mcpguard.model import Json, JsonObject


def names(schema: Json) -> Names:
    return Names(schema, schema)


def props(*keys: str) -> JsonObject:
    return {"type": "object", "properties": {key: {} for key in keys}}


def at(schema: JsonObject) -> JsonObject:
    """`schema` for the property `at`."""
    return {"properties": {"at": schema}}


INNER = props("path")
TREE: JsonObject = {
    "properties": {"name": {}, "left": {"$ref": "#"}, "right": {"$ref": "#"}},
}

CASES: dict[str, tuple[Json, JsonObject, str]] = {
    "exact": (props("path"), {"path": 1}, ""),
    "case": (props("path"), {"Path": 1}, "path"),
    "long-s": (props("arguments"), {"argumentſ": 1}, "arguments"),
    "kelvin": (props("key"), {"\u212aey": 1}, "key"),
    "both": (props("path"), {"path": 1, "PATH": 2}, "path"),
    "declared-in-both-spellings": (props("path", "Path"), {"path": 1, "Path": 2}, ""),
    "undeclared": (props("path"), {"other": 1}, ""),
    "full-width-is-another-letter": (props("path"), {"ｐath": 1}, ""),
    "nested": (at(INNER), {"at": {"Path": 1}}, "path"),
    "nested-elsewhere": (at(INNER), {"to": {"Path": 1}}, ""),
    "value-that-is-no-object": (at(INNER), {"at": "Path"}, ""),
    "items": (at({"items": INNER}), {"at": [{"path": 1}, {"Path": 1}]}, "path"),
    "items-of-items": (at({"items": {"items": INNER}}), {"at": [[{"Path": 1}]]}, "path"),
    "prefix-items": (at({"prefixItems": [{}, INNER]}), {"at": [{}, {"Path": 1}]}, "path"),
    "old-items-list": (at({"items": [{}, INNER]}), {"at": [{}, {"Path": 1}]}, "path"),
    "additional-items": (
        at({"items": [{}], "additionalItems": INNER}),
        {"at": [1, {"Path": 1}]},
        "path",
    ),
    "contains": (at({"contains": INNER}), {"at": [{"Path": 1}]}, "path"),
    "unevaluated-items": (at({"unevaluatedItems": INNER}), {"at": [{"Path": 1}]}, "path"),
    "items-true": (at({"items": True}), {"at": [{"Path": 1}]}, ""),
    "all-of": ({"allOf": [{}, INNER]}, {"Path": 1}, "path"),
    "any-of": ({"anyOf": [props("a"), INNER]}, {"Path": 1}, "path"),
    "one-of": ({"oneOf": [INNER]}, {"Path": 1}, "path"),
    "branches-below": (at({"anyOf": [{"type": "null"}, INNER]}), {"at": {"Path": 1}}, "path"),
    "spelling-of-another-branch": ({"anyOf": [props("path"), props("Path")]}, {"Path": 1}, ""),
    "if": ({"if": INNER}, {"Path": 1}, "path"),
    "then": ({"then": INNER}, {"Path": 1}, "path"),
    "else": ({"else": INNER}, {"Path": 1}, "path"),
    "dependent-schemas": ({"dependentSchemas": {"a": INNER}}, {"Path": 1}, "path"),
    "dependencies": ({"dependencies": {"a": INNER, "b": ["c"]}}, {"Path": 1}, "path"),
    "additional-properties": (
        {"additionalProperties": INNER},
        {"anything": {"Path": 1}},
        "path",
    ),
    "additional-properties-are-not-for-declared": (
        {"properties": {"at": {}}, "additionalProperties": INNER},
        {"at": {"Path": 1}},
        "",
    ),
    "unevaluated-properties": ({"unevaluatedProperties": INNER}, {"x": {"Path": 1}}, "path"),
    "pattern-properties": ({"patternProperties": {"^x": INNER}}, {"x1": {"Path": 1}}, "path"),
    "pattern-properties-of-declared": (
        {"properties": {"x1": {}}, "patternProperties": {"^x": INNER}},
        {"x1": {"Path": 1}},
        "path",
    ),
    "reference": (at({"$ref": "#/$defs/p"}) | {"$defs": {"p": INNER}}, {"at": {"Path": 1}}, "path"),
    "reference-to-a-reference": (
        at({"$ref": "#/$defs/p"}) | {"$defs": {"p": {"$ref": "#/$defs/q"}, "q": INNER}},
        {"at": {"Path": 1}},
        "path",
    ),
    "reference-into-a-list": (
        at({"$ref": "#/allOf/1"}) | {"allOf": [{}, at({}) | INNER]},
        {"at": {"Path": 1}},
        "path",
    ),
    "reference-escaped": (
        at({"$ref": "#/$defs/a~1b~0c"}) | {"$defs": {"a/b~c": INNER}},
        {"at": {"Path": 1}},
        "path",
    ),
    "reference-in-a-circle": (
        at({"$ref": "#/$defs/a"}) | {"$defs": {"a": {"$ref": "#/$defs/a", **INNER}}},
        {"at": {"Path": 1}},
        "path",
    ),
    "recursive": (TREE, {"left": {"right": {"left": {"Name": 1}}}}, "name"),
    "by-anchor": (
        at({"$ref": "#p"}) | {"$defs": {"x": {"$anchor": "p", **INNER}}},
        {"at": {"Path": 1}},
        "path",
    ),
    "by-id": (
        at({"$ref": "item.json"}) | {"$defs": {"x": [{"$id": "item.json", **INNER}]}},
        {"at": {"Path": 1}},
        "path",
    ),
    "by-dynamic-reference": (
        at({"$dynamicRef": "#p"}) | {"$defs": {"x": {"$dynamicAnchor": "p", **INNER}}},
        {"at": {"Path": 1}},
        "path",
    ),
    "percent-encoded-pointer": (
        at({"$ref": "#/%24defs/p"}) | {"$defs": {"p": INNER}},
        {"at": {"Path": 1}},
        "path",
    ),
    "pointer-past-the-end": (
        at({"$ref": "#/allOf/9"}) | {"allOf": [INNER]},
        {"at": {"Path": 1}},
        "path",
    ),
    "pointer-through-a-text": ({"$ref": "#/title/x", "title": "t", **INNER}, {"Path": 1}, "path"),
    "reference-of-another-type": ({"$ref": 5, **INNER}, {"Path": 1}, "path"),
    "not-is-not-looked-at": ({"not": INNER}, {"Path": 1}, ""),
    "no-schema": (None, {"Path": {"x": [1]}}, ""),
    "true-schema": (True, {"Path": 1}, ""),
    "properties-of-a-list": ({"properties": ["path"]}, {"Path": 1}, ""),
}


@pytest.mark.guarantee("fold:arguments")
@pytest.mark.parametrize(("schema", "arguments", "name"), CASES.values(), ids=CASES)
def test_a_key_that_folds_onto_a_declared_name_is_found(
    schema: Json, arguments: JsonObject, name: str
) -> None:
    assert names(schema).folding(arguments) == name


def deep(depth: int, key: str) -> JsonObject:
    value: JsonObject = {key: 1}
    for _ in range(depth):
        value = {"left": value}
    return value


@pytest.mark.guarantee("fold:arguments")
def test_it_looks_as_deep_as_a_host_line_can_be() -> None:
    assert names(TREE).folding(deep(MAX_DEPTH, "Name")) == "name"
    assert names(TREE).folding(deep(MAX_DEPTH + 1, "Name")) == ""
    assert names({"items": TREE}).folding_any([deep(10, "Name")], 1) == ""


@pytest.mark.guarantee("fold:arguments")
def test_a_recursive_schema_costs_no_memory_per_path() -> None:
    def full(depth: int) -> JsonObject:
        return {"left": full(depth - 1), "right": full(depth - 1)} if depth else {"name": 1}

    before = instances()
    found = names(TREE)
    assert found.folding(full(10)) == ""
    assert instances() - before <= 3


def instances() -> int:
    return sum(type(each) is Names for each in gc.get_objects())


keys = st.sampled_from(["name", "Name", "left", "LEFT", "x"])
trees = st.recursive(
    st.none() | st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3),
)


@pytest.mark.guarantee("fold:arguments")
@given(st.dictionaries(keys, trees, max_size=3))
def test_on_a_recursive_schema_every_folding_key_is_found(arguments: JsonObject) -> None:
    def odd(value: Json) -> bool:
        if not isinstance(value, dict):
            return False
        return any(key in {"Name", "LEFT"} for key in value) or odd(value.get("left"))

    assert bool(names(TREE).folding(arguments)) is odd(arguments)
