"""Arguments checked against a pinned JSON Schema, without ever following a reference outside it."""

from collections.abc import Callable
from typing import Any, NoReturn

from mcpguard.model import Json, JsonObject

__all__ = ["Check", "SchemaError", "compile_schema"]

Check = Callable[[JsonObject], str]
"""Arguments to what is wrong with them, as a phrase without their values; empty when valid."""

_SHOWN = 120
"""Characters of a JSON pointer in a message; deeper paths are cut."""


class SchemaError(ValueError):
    """The schema does not compile (or refers to something outside itself)."""


def _refuse(uri: str) -> NoReturn:
    raise SchemaError(f"a $ref to {uri[:_SHOWN]} is not followed")


def compile_schema(schema: JsonObject, whole: str = "the arguments") -> Check:
    """A check for `schema` (JSON Schema; 2020-12 unless `$schema` says otherwise).

    `whole`: what a phrase calls that which is checked. The validator's default would open `http:`
    and `file:` references; this one refuses them.

    Raises:
        SchemaError: the schema cannot be compiled.
    """
    import jsonschema_rs  # 17 ms and 5 MiB that a session without calls never pays

    try:
        validator = jsonschema_rs.validator_for(schema, retriever=_refuse)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise SchemaError("the schema does not compile") from error

    def check(arguments: JsonObject) -> str:
        if validator.is_valid(arguments):
            return ""
        return _phrase(next(iter(validator.iter_errors(arguments))), _declared(schema), whole)

    return check


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
