"""Drift is never silent: whatever differs is found, and only that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.lock.drift import compare_item
from mcpguard.lock.wording import RULES
from mcpguard.model import ItemKind, Json, JsonObject
from mcpguard.wire.canonical import digest
from tests.unit.lock.drifts import CRITICAL, of_tool, told
from tests.unit.lock.surfaces import (
    ITEMS,
    TOOL,
    json_objects,
    json_values,
    lock,
    paths,
    put,
    surface,
)


@pytest.mark.guarantee("drift:nothing-in-silence")
@given(st.data())
def test_every_change_of_a_definition_is_found(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(ItemKind)))
    name = str(ITEMS[kind][kind.name_key])
    item = lock().item(kind, name)
    assert item is not None
    places = [path for path in paths(item.definition) if "/" not in path]
    path = "/".join(data.draw(st.sampled_from(places)))
    live = put(item.definition, path, data.draw(json_values))
    findings = compare_item(kind, item, live)
    assert bool(findings) == (digest(live) != digest(item.definition))
    assert bool(findings) != lock().same(kind, name, live)
    for finding in findings:
        assert finding.rule in RULES
        assert finding.message.isprintable()


@pytest.mark.guarantee("drift:nothing-in-silence")
@given(json_objects, json_objects)
def test_every_difference_between_two_schemas_is_found(one: JsonObject, other: JsonObject) -> None:
    made = lock(surface(tools=[put(TOOL, "inputSchema", one)]))
    item = made.item(ItemKind.TOOL, "write_file")
    assert item is not None
    findings = compare_item(ItemKind.TOOL, item, put(TOOL, "inputSchema", other))
    assert bool(findings) == (digest(one) != digest(other))


KEYWORDS = st.sampled_from(
    [
        "type",
        "enum",
        "required",
        "properties",
        "items",
        "anyOf",
        "oneOf",
        "allOf",
        "$defs",
        "minimum",
        "maxLength",
        "const",
        "not",
        "$ref",
        "additionalProperties",
        "description",
        "uniqueItems",
        "propertyNames",
        "additionalItems",
        "patternProperties",
        "prefixItems",
    ]
)
schemas: st.SearchStrategy[Json] = st.recursive(
    st.booleans() | st.integers(0, 2) | st.sampled_from(["string", "number", "integer", "a", ""]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(KEYWORDS | st.sampled_from(["a", "b"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@pytest.mark.guarantee("drift:nothing-in-silence")
@given(
    st.dictionaries(KEYWORDS, schemas, max_size=3), st.dictionaries(KEYWORDS, schemas, max_size=3)
)
def test_every_difference_between_two_likely_schemas_is_found(
    one: JsonObject, other: JsonObject
) -> None:
    made = lock(surface(tools=[put(TOOL, "inputSchema", one)]))
    item = made.item(ItemKind.TOOL, "write_file")
    assert item is not None
    findings = compare_item(ItemKind.TOOL, item, put(TOOL, "inputSchema", other))
    assert bool(findings) == (digest(one) != digest(other))


@pytest.mark.parametrize("live", [put(TOOL, "x", "\ud800"), put(TOOL, "x", float("nan"))])
def test_what_cannot_be_written_down_is_critical(live: JsonObject) -> None:
    ((severity, message),) = told(of_tool(live))
    assert severity is CRITICAL
    assert message.startswith("tool write_file: cannot be written down exactly")
