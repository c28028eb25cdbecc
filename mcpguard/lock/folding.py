"""Argument names that a case-folding parser (Go's encoding/json) would take for declared ones."""

from collections.abc import Iterator
from typing import Final

from mcpguard.model import Json, JsonObject

__all__ = ["Names"]

MAX_DEPTH = 64
"""Levels of arguments looked at; a host's line is never deeper."""

_ELEMENT: Final = 0
_OTHER: Final = 1
"""Ways down that are no declared property: a list's elements, and every other key's value."""

_BRANCHES = ("allOf", "anyOf", "oneOf")
_NAMED_BRANCHES = ("dependentSchemas", "dependencies")
_CONDITIONS = ("if", "then", "else")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_ELEMENTS = ("items", "additionalItems", "contains", "unevaluatedItems")
_OTHERS = ("additionalProperties", "unevaluatedProperties")
_MAX_SCHEMAS = 4096
"""Subschemas merged for one object; a reviewed schema with more is checked for the first ones."""


class Names:
    """The property names an object may have, and the same for what is below it.

    Merges every subschema that may apply to the object: references inside the document, and the
    branches of allOf, anyOf, oneOf and if. Equal sets of subschemas share one instance, so that
    a recursive schema costs no memory per path of the arguments.
    """

    __slots__ = ("_below", "_folded", "_root", "_schemas", "_shared", "known")

    def __init__(
        self, root: Json, *schemas: Json, shared: "dict[frozenset[int], Names] | None" = None
    ) -> None:
        self._root = root
        self._schemas = tuple(_applying(root, schemas))
        self._shared: dict[frozenset[int], Names] = {} if shared is None else shared
        names = [name for schema in self._schemas for name in _mapping(schema, "properties")]
        self.known = frozenset(names)
        self._folded = {name.casefold(): name for name in names}
        self._below: dict[str | int, Names] = {}

    def folding(self, value: JsonObject, depth: int = MAX_DEPTH) -> str:
        """The declared name that some key of `value` equals only after case folding; or empty."""
        if self.known.issuperset(value):
            if _FLAT(map(type, value.values())):  # nearly all arguments are
                return ""
        else:
            for key in value:
                name = self._folded.get(key.casefold())
                if name is not None and key not in self.known:
                    return name
        for key, child in value.items():
            if type(child) in _NESTED and depth:
                below = self._child(key if key in self.known else _OTHER)
                found = below.folding_any(child, depth - 1)
                if found:
                    return found
        return ""

    def folding_any(self, value: Json, depth: int) -> str:
        """As `folding`, for a value that may be a list of objects."""
        if isinstance(value, dict):
            return self.folding(value, depth)
        if isinstance(value, list) and depth:
            element = self._child(_ELEMENT)
            found = (element.folding_any(child, depth - 1) for child in value)
            return next(filter(None, found), "")
        return ""

    def _child(self, way: str | int) -> "Names":
        """Names below a property, the elements or the other keys; made when needed."""
        names = self._below.get(way)
        if names is None:
            schemas = [below for schema in self._schemas for below in _inner(schema, way)]
            same = frozenset(map(id, schemas))
            names = self._shared.get(same)
            if names is None:
                names = self._shared[same] = Names(self._root, *schemas, shared=self._shared)
            self._below[way] = names
        return names


_NESTED = (dict, list)
_FLAT = frozenset({str, int, float, bool, type(None)}).issuperset


def _mapping(schema: JsonObject, key: str) -> JsonObject:
    value = schema.get(key)
    return value if isinstance(value, dict) else {}


def _listed(schema: JsonObject, key: str) -> list[Json]:
    value = schema.get(key)
    return value if isinstance(value, list) else []


def _inner(schema: JsonObject, way: str | int) -> list[Json]:
    """The subschemas one level down. Patterns are not matched: each may apply to any key."""
    if way == _ELEMENT:
        inner = [*_listed(schema, "prefixItems"), *_listed(schema, "items")]
        inner += [schema.get(key) for key in _ELEMENTS]
    else:
        inner = [*_mapping(schema, "patternProperties").values()]
        properties = _mapping(schema, "properties")
        if isinstance(way, str) and way in properties:
            inner.append(properties[way])
        else:
            inner += [schema.get(key) for key in _OTHERS]
    return [each for each in inner if isinstance(each, dict)]


def _applying(root: Json, schemas: tuple[Json, ...]) -> Iterator[JsonObject]:
    """Every subschema that may apply to one value, each once, breadth first."""
    queue = list(schemas)
    seen: set[int] = set()
    for schema in queue:  # grows while it is walked
        if not isinstance(schema, dict) or id(schema) in seen or len(seen) == _MAX_SCHEMAS:
            continue
        seen.add(id(schema))
        yield schema
        for key in _REFERENCES:
            queue += _referred(root, schema.get(key))
        queue += [schema.get(key) for key in _CONDITIONS]
        for key in _BRANCHES:
            queue += _listed(schema, key)
        for key in _NAMED_BRANCHES:
            queue += _mapping(schema, key).values()


def _referred(root: Json, ref: Json) -> list[Json]:
    """What a reference may point at: by anchor or `$id` it could be anything in the document."""
    if not isinstance(ref, str):
        return []
    if ref == "#":
        return [root]
    node = _pointed(root, ref) if ref.startswith("#/") else None
    return _everything(root) if node is None else [node]


def _pointed(root: Json, ref: str) -> Json:
    node = root
    for step in ref.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(node, list):
            node = node[int(name)] if name.isdecimal() and int(name) < len(node) else None
        else:
            node = node.get(name) if isinstance(node, dict) else None
    return node


def _everything(root: Json) -> list[Json]:
    """Every object of the document; one that is no schema adds no names that matter."""
    queue: list[Json] = [root]
    for node in queue:  # grows while it is walked
        if isinstance(node, dict):
            queue += node.values()
        elif isinstance(node, list):
            queue += node
    return [node for node in queue if isinstance(node, dict)]
