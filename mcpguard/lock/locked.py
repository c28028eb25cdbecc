"""What a lockfile holds, and whether what a server lists is what it holds."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from mcpguard.lock.surface import ServerFacts, pinned, volatile
from mcpguard.lock.varying import Vary, expected
from mcpguard.model import ItemKind, Json, JsonObject, RequestKind
from mcpguard.wire.canonical import canonical, digest

__all__ = ["UNCHECKED", "VERSION", "Item", "Launch", "Lockfile", "Reviewed"]

VERSION = 1
"""The format of the file that this mcpguard reads and writes."""

UNCHECKED = "unchecked"
"""`arguments` of a tool whose input schema does not compile."""


class Item(NamedTuple):
    """One reviewed tool, prompt, resource or template. `definition` is in pinned form."""

    kind: ItemKind
    name: str
    definition: JsonObject
    digest: str
    tier: str = ""
    notes: str = ""
    arguments_checked: bool = True


class Launch(NamedTuple):
    """How the server was started: command, directory rule, environment names, file digests.

    `files` maps an argument that is a file to `sha256:` and its content's hex SHA-256.
    """

    argv: tuple[str, ...]
    cwd: str
    env: tuple[str, ...]
    files: Mapping[str, str]


class Reviewed(NamedTuple):
    """Who reviewed the file, when and why; only what a person gave."""

    by: str
    at: str
    why: str


@dataclass(frozen=True, slots=True)
class Lockfile:
    """A whole lockfile. `server` is what the server said of itself when it was locked."""

    version: int
    name: str
    server: ServerFacts
    launch: Launch
    requests: frozenset[RequestKind]
    items: Mapping[ItemKind, Mapping[str, Item]]
    vary: tuple[Vary, ...]
    reviewed: Reviewed | None

    @property
    def digest(self) -> str:
        """`sha256:` of the canonical file. Independent of how the file is laid out."""
        return digest(self.as_json())

    def as_json(self) -> JsonObject:
        """The file as a JSON value, in the order in which it is written."""
        return _as_json(self)

    def item(self, kind: ItemKind, name: str) -> Item | None:
        """The locked item of exactly this name."""
        return self.items.get(kind, {}).get(name)

    def same(self, kind: ItemKind, name: str, live: JsonObject) -> bool:
        """Whether `live` (as the server wrote it) is the locked definition, `vary` allowed for.

        Types count: `true` is not 1. Numbers are compared as RFC 8785 writes them: 1.0 is 1.
        """
        item = self.item(kind, name)
        return item is not None and self._is(item, pinned(kind, live))

    def shown(self, kind: ItemKind, name: str, live: JsonObject) -> JsonObject:
        """What the host is given for an item that is `same` as `live`.

        The locked definition, with the live text where `vary` allows it and with the live, well
        typed volatile keys (`size`, `lastModified`). Raises KeyError when it is not locked.
        """
        item = self.items[kind][name]
        reviewed = expected(self.vary, (kind.value, name), item.definition, live)
        return _with_volatile(kind, reviewed, live)

    def same_instructions(self, live: str) -> bool:
        """Whether the server's `instructions` are the locked ones, `vary` allowed for."""
        root = ("server", "instructions")
        return expected(self.vary, root, self.server.instructions, live) == live

    def same_server_info(self, live: JsonObject) -> bool:
        """Whether the server's `serverInfo` is the locked one, `vary` allowed for."""
        reviewed = expected(self.vary, ("server", "serverInfo"), self.server.server_info, live)
        try:
            return canonical(reviewed) == canonical(live)
        except ValueError:  # what cannot be written down exactly was never locked
            return False

    def _is(self, item: Item, seen: JsonObject) -> bool:
        try:
            if _same_bytes(item.definition, seen) or digest(seen) == item.digest:
                return True
            root = (item.kind.value, item.name)
            reviewed = expected(self.vary, root, item.definition, seen)
            return bool(self.vary) and canonical(reviewed) == canonical(seen)
        except ValueError:  # what cannot be written down exactly was never locked
            return False


def _same_bytes(one: Json, other: Json) -> bool:
    """Whether both are written alike: True == 1 in Python. A no may be wrong, a yes never."""
    try:
        sort = orjson.OPT_SORT_KEYS
        return orjson.dumps(one, option=sort) == orjson.dumps(other, option=sort)
    except orjson.JSONEncodeError:
        return False


def _with_volatile(kind: ItemKind, base: JsonObject, live: JsonObject) -> JsonObject:
    extra = volatile(kind, live)
    if not extra:
        return base
    merged = {**base, **extra}
    ours, theirs = base.get("annotations"), extra.get("annotations")
    if isinstance(ours, dict) and isinstance(theirs, dict):
        merged["annotations"] = {**ours, **theirs}
    return merged


def _as_json(lock: Lockfile) -> JsonObject:
    whole: JsonObject = {
        "version": lock.version,
        "server": _server_json(lock),
        "launch": _launch_json(lock.launch),
        "requests": [kind.value for kind in sorted(lock.requests)],
    }
    for kind in ItemKind:
        items = lock.items.get(kind, {})
        whole[kind.value] = {name: _item_json(items[name]) for name in sorted(items)}
    whole["vary"] = [{"pointer": each.pointer, "pattern": each.pattern} for each in lock.vary]
    if lock.reviewed is not None:
        by, at, why = lock.reviewed.by, lock.reviewed.at, lock.reviewed.why
        whole["reviewed"] = _present({"by": by, "at": at, "why": why}, needed={"by"})
    return _present(whole, needed={"version", "requests"})


def _server_json(lock: Lockfile) -> JsonObject:
    facts = lock.server
    whole: JsonObject = {
        "name": lock.name,
        "era": facts.era.value,
        "protocolVersion": facts.protocol_version,
        "serverInfo": _sorted(facts.server_info),
        "instructions": facts.instructions,
        "capabilities": _sorted(facts.capabilities),
    }
    return _present(whole, needed=whole.keys() - {"instructions"})


def _launch_json(launch: Launch) -> JsonObject:
    whole: JsonObject = {
        "argv": [*launch.argv],
        "cwd": launch.cwd,
        "env": [*launch.env],
        "files": {path: launch.files[path] for path in sorted(launch.files)},
    }
    return _present(whole, needed={"argv"})


def _item_json(item: Item) -> JsonObject:
    whole: JsonObject = {
        "definition": _sorted(item.definition),
        "digest": item.digest,
        "tier": item.tier,
        "notes": item.notes,
        "arguments": "" if item.arguments_checked else UNCHECKED,
    }
    return _present(whole, needed={"definition"})


def _present(whole: JsonObject, needed: Collection[str]) -> JsonObject:
    return {key: value for key, value in whole.items() if key in needed or value not in _EMPTY}


_EMPTY: tuple[Json, ...] = ("", [], {})


def _sorted(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(each) for each in value]
    return value
