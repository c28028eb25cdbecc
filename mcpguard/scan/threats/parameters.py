"""The arguments that a definition asks for, nested ones too, and the words of a name."""

from functools import lru_cache
from typing import NamedTuple

from mcpguard.model import Json, JsonObject

__all__ = ["Parameter", "does", "lettered", "parameters", "words"]

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
    _properties(definition.get("inputSchema"), "/inputSchema", 0, found)
    _arguments(definition.get("arguments"), found)
    return found[:MAX_PARAMETERS]


def _arguments(listed: Json, found: list[Parameter]) -> None:
    for number, each in enumerate(listed if isinstance(listed, list) else ()):
        name = each.get("name") if isinstance(each, dict) else None
        if isinstance(each, dict) and isinstance(name, str):
            needed = each.get("required") is True
            found.append(Parameter(f"/arguments/{number}", name, each, needed))


def _properties(schema: Json, where: str, depth: int, found: list[Parameter]) -> None:
    if depth > _DEEPEST or len(found) >= MAX_PARAMETERS:
        return
    if isinstance(schema, list):
        for number, each in enumerate(schema):
            _properties(each, f"{where}/{number}", depth + 1, found)
    elif isinstance(schema, dict) and not _HOLDING.isdisjoint(schema):
        _own(schema, where, depth, found)
        for key in _NESTING:
            if key in schema:
                _properties(schema[key], f"{where}/{key}", depth + 1, found)
        for key in _NAMED:
            inner = schema.get(key)
            for name, each in inner.items() if isinstance(inner, dict) else ():
                _properties(each, f"{where}/{key}/{name}", depth + 1, found)


def _own(schema: JsonObject, where: str, depth: int, found: list[Parameter]) -> None:
    properties, required = schema.get("properties"), schema.get("required")
    needed = set(map(str, required)) if isinstance(required, list) else set()
    for name, below in properties.items() if isinstance(properties, dict) else ():
        if len(found) >= MAX_PARAMETERS:
            return
        here = f"{where}/properties/{name.replace('~', '~0').replace('/', '~1')}"
        own = below if isinstance(below, dict) else {}
        found.append(Parameter(here, name, own, name in needed))
        _properties(own, here, depth + 1, found)


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
_NAMED = ("$defs", "definitions")
_HOLDING = frozenset(("properties", *_NESTING, *_NAMED))
"""Keys of a schema below which there may be properties."""


@lru_cache(maxsize=2048)
def words(name: str) -> tuple[str, ...]:
    """`userApiKey`, `user_api_key` and `USER-API-KEY` -> user, api, key."""
    kept = lettered(name[:256])
    if not (kept.islower() or kept.isupper()):
        pairs = zip(f" {kept}", kept, strict=False)
        kept = "".join([f" {b}" if b.isupper() and not a.isupper() else b for a, b in pairs])
    return tuple(kept.lower().split())


def lettered(text: str) -> str:
    """`text` with a blank for all that is neither letter nor digit."""
    if text.isascii():
        return text.translate(_BLANKS)
    return "".join([each if each.isalnum() else " " for each in text])


_BLANKS = {point: " " for point in range(0x80) if not chr(point).isalnum()}


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
