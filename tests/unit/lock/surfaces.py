"""A small server's surface, and ways to change it."""

import copy
from collections.abc import Iterable

from hypothesis import strategies as st

from mcpguard.lock.lockfile import Launch, Lockfile, Vary, from_surface
from mcpguard.lock.surface import ServerFacts, Surface, collect
from mcpguard.model import Era, ItemKind, Json, JsonObject, RequestKind

FACTS = ServerFacts(
    era=Era.LEGACY,
    protocol_version="2025-11-25",
    server_info={"name": "files", "version": "1.2.0"},
    instructions="Ask before you write. Stay below the root.",
    capabilities={"tools": {"listChanged": True}, "resources": {}},
)
TOOL: JsonObject = {
    "name": "write_file",
    "title": "Write a file",
    "description": "Writes a file. Never leaves the root.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "Where to write."},
            "size": {"type": "integer", "minimum": 0, "maximum": 100},
            "encoding": {"type": "string", "enum": ["utf-8", "latin-1"], "default": "utf-8"},
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 10}},
        },
        "required": ["path"],
        "additionalProperties": False,
    },
    "outputSchema": {"type": "object", "properties": {"written": {"type": "integer"}}},
    "annotations": {"readOnlyHint": False, "destructiveHint": True},
}
PROMPT: JsonObject = {
    "name": "summarise",
    "description": "Summarises a file.",
    "arguments": [
        {"name": "path", "description": "Which file.", "required": True},
        {"name": "style"},
    ],
}
RESOURCE: JsonObject = {
    "uri": "file:///srv/readme.md",
    "name": "readme",
    "mimeType": "text/markdown",
    "size": 120,
    "annotations": {"audience": ["user"], "lastModified": "2025-01-12T15:00:58Z"},
}
TEMPLATE: JsonObject = {"uriTemplate": "file:///srv/{name}", "name": "any file"}
LAUNCH = Launch(("npx", "-y", "files@1.2.0", "/srv"), "", ("HOME",), {})

ITEMS: dict[ItemKind, JsonObject] = {
    ItemKind.TOOL: TOOL,
    ItemKind.PROMPT: PROMPT,
    ItemKind.RESOURCE: RESOURCE,
    ItemKind.TEMPLATE: TEMPLATE,
}


def surface(facts: ServerFacts = FACTS, **lists: Iterable[JsonObject]) -> Surface:
    """The sample's surface, with the kinds in `lists` (named as in the lockfile) replaced."""
    items: dict[ItemKind, Iterable[Json]] = {kind: [ITEMS[kind]] for kind in ItemKind}
    items |= {ItemKind(kind): list(listed) for kind, listed in lists.items()}
    return collect(facts, items)


def lock(
    seen: Surface | None = None, vary: Iterable[Vary] = (), previous: Lockfile | None = None
) -> Lockfile:
    """The lockfile of `seen`, or of the sample."""
    return from_surface(
        seen or surface(),
        name="files",
        launch=LAUNCH,
        requests=[RequestKind.ROOTS],
        vary=tuple(vary),
        previous=previous,
    )


def put(value: JsonObject, path: str, new: Json) -> JsonObject:
    """A copy of `value` with `new` at the slash-separated `path`."""
    changed = copy.deepcopy(value)
    *way, last = path.split("/")
    node: Json = changed
    for step in way:
        node = _child(node, step)
    if isinstance(node, dict):
        node[last] = new
    elif isinstance(node, list):
        node[int(last)] = new
    return changed


def cut(value: JsonObject, path: str) -> JsonObject:
    """A copy of `value` without the key at the slash-separated `path`."""
    changed = copy.deepcopy(value)
    *way, last = path.split("/")
    node: Json = changed
    for step in way:
        node = _child(node, step)
    assert isinstance(node, dict)
    del node[last]
    return changed


def _child(node: Json, step: str) -> Json:
    if isinstance(node, list):
        return node[int(step)]
    assert isinstance(node, dict)
    return node[step]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
json_values: st.SearchStrategy[Json] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)
json_objects: st.SearchStrategy[JsonObject] = st.dictionaries(texts, json_values, max_size=4)


def paths(value: Json, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every place in `value` below its root."""
    found: list[tuple[str, ...]] = []
    members = value.items() if isinstance(value, dict) else enumerate(_listed(value))
    for key, child in members:
        found += [(*at, str(key)), *paths(child, (*at, str(key)))]
    return found


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
