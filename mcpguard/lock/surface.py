"""What a server lists, and the part of each definition that is pinned."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from mcpguard.errors import SurfaceError
from mcpguard.model import Era, ItemKind, Json, JsonObject
from mcpguard.wire.canonical import canonical

__all__ = [
    "MAX_NAME",
    "Items",
    "ServerFacts",
    "Surface",
    "collect",
    "pinned",
    "volatile",
]

MAX_NAME = 4096
"""UTF-8 bytes of a name or URI. Tool names should have 128 characters at most; URIs run longer."""

MAX_SIZE = 2**53
"""Bytes. The largest `size` taken for a size: more digits would be room for a message."""

Items: TypeAlias = Mapping[ItemKind, Mapping[str, JsonObject]]

# Fixed lengths and single classes: linear on any text, and no room for words.
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)

_DATED = frozenset({ItemKind.RESOURCE, ItemKind.TEMPLATE})


class ServerFacts(NamedTuple):
    """What a server says of itself in its `initialize` or `server/discover` result."""

    era: Era
    protocol_version: str
    server_info: JsonObject
    instructions: str
    capabilities: JsonObject


class Surface(NamedTuple):
    """Everything a server lists: its facts, and per kind each name's definition as it wrote it."""

    server: ServerFacts
    items: Items

    def of(self, kind: ItemKind) -> Mapping[str, JsonObject]:
        """The definitions of one kind by name; empty when the server lists none."""
        return self.items.get(kind, _NONE)


_NONE: Mapping[str, JsonObject] = MappingProxyType({})


def collect(server: ServerFacts, lists: Mapping[ItemKind, Iterable[Json]]) -> Surface:
    """The surface made of the listed items (all pages, as parsed).

    Raises:
        SurfaceError: An item is not an object, has no usable name, is listed twice or cannot be
            written as canonical JSON.
    """
    return Surface(server, {kind: _by_name(kind, listed) for kind, listed in lists.items()})


def _by_name(kind: ItemKind, listed: Iterable[Json]) -> dict[str, JsonObject]:
    found: dict[str, JsonObject] = {}
    for index, item in enumerate(listed):
        definition, name = _named(kind, index, item)
        if name in found:
            raise _unpinnable(kind, index, "has the name of another one")
        found[name] = definition
    return found


def _named(kind: ItemKind, index: int, item: Json) -> tuple[JsonObject, str]:
    if not isinstance(item, dict):
        raise _unpinnable(kind, index, "is not an object")
    name = item.get(kind.name_key)
    if not isinstance(name, str) or not name:
        raise _unpinnable(kind, index, f"has no {kind.name_key}")
    try:
        canonical(item)
    except ValueError as error:
        raise _unpinnable(kind, index, f"cannot be written down exactly: {error}") from error
    if len(name.encode()) > MAX_NAME:
        raise _unpinnable(kind, index, f"has a {kind.name_key} of more than {MAX_NAME} bytes")
    return item, name


def _unpinnable(kind: ItemKind, index: int, why: str) -> SurfaceError:
    return SurfaceError(
        f"the server's {kind.singular} number {index + 1} {why}",
        hint="report it to the server's author; nothing that cannot be named can be allowed",
    )


def pinned(kind: ItemKind, definition: JsonObject) -> JsonObject:
    """`definition` without its volatile keys: what is locked, digested and compared.

    Volatile only when well-typed: a resource's `size` (a count of bytes) and `lastModified` (an
    RFC 3339 date) in the annotations of resources and templates. Anything else stays, and drifts.
    """
    skip = volatile(kind, definition)
    if not skip:
        return definition
    kept = {key: value for key, value in definition.items() if key not in skip}
    annotations = definition.get("annotations")
    if "annotations" in skip and isinstance(annotations, dict):
        rest = {key: value for key, value in annotations.items() if key != "lastModified"}
        if rest:
            kept["annotations"] = rest
    return kept


def volatile(kind: ItemKind, definition: JsonObject) -> JsonObject:
    """Only the well-typed volatile keys of `definition`, in their places; empty for most."""
    found: JsonObject = {}
    if kind is ItemKind.RESOURCE and _is_size(definition.get("size")):
        found["size"] = definition["size"]
    annotations = definition.get("annotations")
    if kind in _DATED and isinstance(annotations, dict):
        stamp = annotations.get("lastModified")
        if isinstance(stamp, str) and _RFC3339.fullmatch(stamp):
            found["annotations"] = {"lastModified": stamp}
    return found


def _is_size(value: Json) -> bool:
    return type(value) is int and 0 <= value <= MAX_SIZE
