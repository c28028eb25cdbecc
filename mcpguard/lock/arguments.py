"""Arguments checked against a pinned JSON Schema, without ever following a reference outside it."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple, NoReturn, TypeGuard

from mcpguard.model import Json, JsonObject

__all__ = ["Check", "SchemaError", "compile_schema", "simple"]


def _never(_: JsonObject) -> bool:
    return False


class Check(NamedTuple):
    """Whether arguments are valid, and what is `wrong` with those that are not, as a phrase.

    The phrase holds none of their values; it is empty when they are valid. `by_shape`: whether all
    arguments of the same keys, declared ones alone, and types are valid as these are.
    """

    valid: Callable[[JsonObject], bool]
    wrong: Callable[[JsonObject], str]
    by_shape: Callable[[JsonObject], bool] = _never


_SHOWN = 120
"""Characters of a JSON pointer in a message; deeper paths are cut."""


class SchemaError(ValueError):
    """The schema does not compile (or refers to something outside itself)."""


def _refuse(uri: str) -> NoReturn:
    raise SchemaError(f"a $ref to {uri[:_SHOWN]} is not followed")


def compile_schema(schema: JsonObject, whole: str = "the arguments") -> Check:
    """A check for `schema` (JSON Schema; 2020-12 unless `$schema` says otherwise).

    `whole`: what a phrase calls that which is checked. The validator's default would open `http:`
    and `file:` references; this one refuses them. Of a schema that is `simple` it is made for the
    first arguments that are not plainly valid.

    Raises:
        SchemaError: the schema cannot be compiled.
    """
    plainly = simple(schema)
    made = cache(partial(_validator, schema))
    if plainly is None:
        made()

    def wrong(arguments: JsonObject) -> str:
        errors = iter(made().iter_errors(arguments))
        return next((_phrase(error, _declared(schema), whole) for error in errors), "")

    if plainly is None:
        return Check(made().is_valid, wrong)
    quick = plainly

    def valid(arguments: JsonObject) -> bool:
        return quick(arguments) or bool(made().is_valid(arguments))

    easy = _easy(schema)

    def by_shape(arguments: JsonObject) -> bool:
        scalar = _SCALARS.issuperset(map(type, arguments.values()))
        return scalar and easy.issuperset(arguments) and quick(arguments)

    return Check(valid, wrong, by_shape)


_SCALARS = frozenset({str, int, float, bool, type(None)})
"""Types of values below which there is nothing to look at."""


def _easy(schema: JsonObject) -> frozenset[str]:
    """The properties of which a schema asks for no more than a type."""
    properties = schema.get("properties")
    named = properties.items() if isinstance(properties, dict) else ()
    kinds = {name: _kind(below, MAX_LEVELS) for name, below in named}
    return frozenset(name for name, kind in kinds.items() if kind is not None and not kind.also)


def _validator(schema: JsonObject) -> Any:  # noqa: ANN401 - each draft has a class of its own
    import jsonschema_rs  # 17 ms and 6 MiB that most sessions never pay

    try:
        return jsonschema_rs.validator_for(schema, retriever=_refuse)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise SchemaError("the schema does not compile") from error


# schemas that need no validator to see that arguments are valid


class _Kind(NamedTuple):
    """What a simple schema asks of a value: its type, and what is below it or which one it is."""

    types: frozenset[type]
    also: Callable[[Any], bool] | None


_TYPES: dict[Json, frozenset[type]] = {
    "string": frozenset({str}),
    "integer": frozenset({int}),
    "number": frozenset({int, float}),
    "boolean": frozenset({bool}),
    "null": frozenset({type(None)}),
    "array": frozenset({list}),
    "object": frozenset({dict}),
}
"""JSON Schema's type -> the types of the parser that are one in every draft. 1.0 is an integer in
some: that is for the validator to say."""

_SAID = {"title": str, "description": str}
_WORDS = {
    "array": frozenset({"items"}),
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "string": frozenset({"enum"}),
}
"""Keywords that simple schemas of a type may have, beside `type`, `default` and those that say
something to people."""

_DRAFTS = frozenset({
    "https://json-schema.org/draft/2020-12/schema",
    "http://json-schema.org/draft-07/schema#",
})  # fmt: skip
"""What `$schema` may be: in these the words above mean the same."""

MAX_LEVELS = 8
"""Levels of a simple schema."""


def simple(schema: JsonObject) -> Callable[[JsonObject], bool] | None:
    """Whether arguments are plainly valid, for a schema of ordinary words; None for any other.

    What it says yes to every validator allows; a no means nothing. The schema compiles.
    """
    bare = {key: value for key, value in schema.items() if key != "$schema"}
    if schema.get("$schema", "") not in {"", *_DRAFTS} or schema.get("type") != "object":
        return None
    kind = _kind(bare, MAX_LEVELS)
    return None if kind is None else kind.also or _anything


def _anything(_: JsonObject) -> bool:
    return True


def _kind(schema: Json, levels: int) -> _Kind | None:
    if not isinstance(schema, dict) or not levels:
        return None
    named = schema.get("type")
    types = _TYPES.get(named) if isinstance(named, str) else None
    if types is None or not isinstance(named, str):
        return None
    words = schema.keys() - {"type", "default", *_SAID}
    if not words <= _WORDS.get(named, frozenset()):
        return None
    if not all(isinstance(schema.get(word, ""), said) for word, said in _SAID.items()):
        return None
    if not words:
        return _Kind(types, None)
    also = _BELOW[named](schema, levels - 1)
    return None if also is None else _Kind(types, also)


def _members(schema: JsonObject, levels: int) -> Callable[[JsonObject], bool] | None:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    more = schema.get("additionalProperties", True)
    if not isinstance(properties, dict) or not _names(required) or not isinstance(more, bool):
        return None
    kinds: dict[str, _Kind] = {}
    for name, below in properties.items():
        kind = _kind(below, levels)
        if kind is None:
            return None
        kinds[name] = kind
    needed = frozenset(required)

    def valid(value: JsonObject) -> bool:
        for name, child in value.items():
            kind = kinds.get(name)
            if kind is None:
                if not more:
                    return False
            elif type(child) not in kind.types or (kind.also is not None and not kind.also(child)):
                return False
        return needed <= value.keys()

    return valid


def _elements(schema: JsonObject, levels: int) -> Callable[[list[Json]], bool] | None:
    kind = _kind(schema["items"], levels)
    if kind is None:
        return None
    types, also = kind

    def valid(value: list[Json]) -> bool:
        return types.issuperset(map(type, value)) and (also is None or all(map(also, value)))

    return valid


def _one_of(schema: JsonObject, _: int) -> Callable[[str], bool] | None:
    names = schema["enum"]
    return frozenset(names).__contains__ if names and _names(names) else None


def _names(value: Json) -> TypeGuard[list[str]]:
    """Whether it is an array of texts, none of them twice."""
    texts = isinstance(value, list) and all(isinstance(each, str) for each in value)
    return texts and isinstance(value, list) and len({str(each) for each in value}) == len(value)


_BELOW: dict[str, Callable[[JsonObject, int], Callable[[Any], bool] | None]] = {
    "array": _elements,
    "object": _members,
    "string": _one_of,
}


def _declared(schema: Json) -> set[Json]:
    """Every property name anywhere in the schema: what a phrase may repeat."""
    names: set[Json] = set()
    queue = [schema]
    for node in queue:  # grows while it is walked
        if isinstance(node, dict):
            properties = node.get("properties")
            names |= properties.keys() if isinstance(properties, dict) else set()
            queue += node.values()
        elif isinstance(node, list):
            queue += node
    return names


def _phrase(error: Any, names: set[Json], whole: str) -> str:  # noqa: ANN401 - its kinds have no type
    """Where and which keyword, never a value or an undeclared key: it may be a secret."""
    steps = (
        step if isinstance(step, int) or step in names else "*" for step in error.instance_path
    )
    where = "".join(f"/{step}" for step in steps)[:_SHOWN] or whole
    kind = error.kind
    keyword = str(error.schema_path[-1]) if error.schema_path else "schema"
    if keyword == "required":
        return f"{where}: missing {getattr(kind, 'property', 'a required property')!r}"
    return f"{where}: does not satisfy {keyword!r}"
