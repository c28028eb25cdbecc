"""The arguments that a definition asks for, nested ones too, and the words of a name."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from mcpguard.model import Json, JsonObject

__all__ = ["Parameter", "does", "parameters", "words"]

MAX_PARAMETERS = 2000
"""Properties of one schema that are looked at one by one; their texts are looked at in any case."""


class Parameter(NamedTuple):
    """One property: its pointer, name, schema, and whether it has to be given."""

    where: str
    name: str
    schema: JsonObject
    required: bool

    @property
    def description(self) -> str:
        """What the schema says of it."""
        text = self.schema.get("description")
        return text if isinstance(text, str) else ""


def parameters(definition: JsonObject) -> list[Parameter]:
    """Every property of the input schema and every argument of a prompt, in the order written."""
    found: list[Parameter] = []
    for each in (
        *_properties(definition.get("inputSchema"), "/inputSchema", 0),
        *_arguments(definition),
    ):
        found.append(each)
        if len(found) >= MAX_PARAMETERS:
            break
    return found


def _arguments(definition: JsonObject) -> Iterator[Parameter]:
    listed = definition.get("arguments")
    for number, each in enumerate(listed if isinstance(listed, list) else ()):
        name = each.get("name") if isinstance(each, dict) else None
        if isinstance(each, dict) and isinstance(name, str):
            yield Parameter(f"/arguments/{number}", name, each, each.get("required") is True)


def _properties(schema: Json, where: str, depth: int) -> Iterator[Parameter]:
    if depth > _DEEPEST:
        return
    if isinstance(schema, list):
        for number, each in enumerate(schema):
            yield from _properties(each, f"{where}/{number}", depth + 1)
    elif isinstance(schema, dict):
        yield from _own(schema, where, depth)
        for key in _NESTING:
            if key in schema:
                yield from _properties(schema[key], f"{where}/{key}", depth + 1)
        for key in ("$defs", "definitions"):
            inner = schema.get(key)
            for name, each in inner.items() if isinstance(inner, dict) else ():
                yield from _properties(each, f"{where}/{key}/{name}", depth + 1)


def _own(schema: JsonObject, where: str, depth: int) -> Iterator[Parameter]:
    properties, required = schema.get("properties"), schema.get("required")
    needed = set(map(str, required)) if isinstance(required, list) else set()
    for name, below in properties.items() if isinstance(properties, dict) else ():
        here = f"{where}/properties/{name.replace('~', '~0').replace('/', '~1')}"
        own = below if isinstance(below, dict) else {}
        yield Parameter(here, name, own, name in needed)
        yield from _properties(own, here, depth + 1)


_DEEPEST = 64
_NESTING = (
    "items",
    "anyOf",
    "oneOf",
    "allOf",
    "additionalProperties",
    "then",
    "else",
    "prefixItems",
)


@lru_cache(maxsize=2048)
def words(name: str) -> tuple[str, ...]:
    """`userApiKey`, `user_api_key` and `USER-API-KEY` -> user, api, key."""
    name = name[:256]
    kept = "".join(each if each.isalnum() else " " for each in name)
    if not (kept.islower() or kept.isupper()):
        pairs = zip(f" {kept}", kept, strict=False)
        kept = "".join(f" {b}" if b.isupper() and not a.isupper() else b for a, b in pairs)
    return tuple(kept.lower().split())


def does(name: str) -> bool:
    """Whether this is the name of a tool, and not of a field or a constant: `send_note`."""
    if "_" not in name or not name.islower():
        return False
    named = words(name)
    if not named or named[-1] in _FIELDS:
        return False
    return named[0] in _DOING or named[-1] in _DONE


_DOING = frozenset(
    [
        *(
            "add",
            "analyze",
            "apply",
            "approve",
            "archive",
            "ask",
            "assign",
            "authorize",
            "block",
            "book",
        ),
        *(
            "buy",
            "call",
            "cancel",
            "change",
            "charge",
            "checkout",
            "clear",
            "clone",
            "close",
            "compose",
        ),
        *(
            "confirm",
            "convert",
            "copy",
            "create",
            "decrypt",
            "delete",
            "deploy",
            "disable",
            "download",
        ),
        *(
            "edit",
            "enable",
            "encrypt",
            "execute",
            "export",
            "fetch",
            "find",
            "forward",
            "get",
            "git",
        ),
        *(
            "grant",
            "http",
            "import",
            "insert",
            "install",
            "invite",
            "issue",
            "kill",
            "launch",
            "list",
        ),
        *(
            "load",
            "lock",
            "login",
            "lookup",
            "mail",
            "make",
            "merge",
            "modify",
            "move",
            "open",
            "order",
            "pay",
        ),
        *(
            "place",
            "post",
            "print",
            "publish",
            "pull",
            "push",
            "put",
            "query",
            "read",
            "refund",
            "register",
        ),
        *(
            "remove",
            "rename",
            "reply",
            "report",
            "request",
            "reset",
            "restart",
            "revoke",
            "run",
            "save",
        ),
        *(
            "schedule",
            "search",
            "select",
            "send",
            "set",
            "share",
            "show",
            "sign",
            "start",
            "stop",
            "store",
        ),
        *("submit", "subscribe", "summarize", "sync", "transfer", "translate", "trigger", "update"),
        *("upload", "verify", "view", "web", "write"),
    ]
)
"""First words of names of tools, and of little else."""

_DONE = frozenset({"send", "create", "delete", "update", "upload", "post", "publish", "deploy"})
"""Last ones."""

_FIELDS = frozenset({"id", "ids", "url", "at", "by", "count", "token", "key"})
"""Last words of names of fields."""
