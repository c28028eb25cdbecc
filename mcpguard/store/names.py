"""The machine's registry of names: what each locked server lists, to hold the others against.

A store like any other, in a file of its own that a session's limits never wait for. One value a
server, and its items in parts below `MAX_VALUE`. Never read or written on a message's way.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from mcpguard.errors import StoreError
from mcpguard.model import Json
from mcpguard.store import ABSENT, MAX_VALUE, Store

__all__ = ["FILE", "MAX_ITEMS", "MAX_SERVERS", "Named", "Registered", "forget", "read", "register"]

FILE = "names.db"
"""In the data directory."""

MAX_SERVERS = 500
"""Servers of one machine that are remembered; the next one is refused, with a sentence."""

MAX_ITEMS = 1000
"""Items of one server. Real ones have up to two hundred."""

MAX_NAME = 256
"""Characters kept of a name."""

MAX_DESCRIPTION = 1024
"""Characters kept of a description: what two tools have in common shows in fewer."""

_SERVERS, _ITEMS = "name-server/", "name-items/"


@dataclass(frozen=True, slots=True)
class Named:
    """One item: its kind (`tools`, `prompts`...), name and description."""

    kind: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Registered:
    """A server. `publisher`: who its code is from, empty when its command does not tell.

    `lock`: the absolute path of the lockfile that says so. `digest`: of that lockfile. `command`:
    a digest of what starts it.
    """

    server: str
    publisher: str
    lock: str
    digest: str
    command: str
    items: tuple[Named, ...]


def register(store: Store, row: Registered) -> bool:
    """Remember `row` in the place of what was known of its lockfile; whether anything changed.

    Raises StoreError, also when there are too many servers.
    """
    identity = _identity(row.lock)
    known = store.get(_SERVERS + identity)
    if known is not None and _text(known.value, "digest") == row.digest:
        return False
    if known is None and len(store.list(_SERVERS)) >= MAX_SERVERS:
        raise StoreError(
            f"the registry of names has {MAX_SERVERS} servers, the most it keeps",
            hint="see them: mcpguard scan --names; remove lockfiles that are not used any more",
        )
    parts = [*_parts(row.items)]
    for number, part in enumerate(parts):
        _put(store, f"{_ITEMS}{identity}/{number:04}", part)
    for key in [*store.list(f"{_ITEMS}{identity}/")][len(parts) :]:
        _drop(store, key)
    head: Json = {
        "server": row.server, "publisher": row.publisher, "lock": row.lock, "digest": row.digest,
        "command": row.command, "parts": len(parts),
    }  # fmt: skip
    _put(store, _SERVERS + identity, head)
    return True


def read(store: Store) -> list[Registered]:
    """Everything that is remembered. Raises StoreError."""
    parts = store.list(_ITEMS)
    rows: list[Registered] = []
    for key, held in store.list(_SERVERS).items():
        identity, head = key.removeprefix(_SERVERS), held.value
        number = head.get("parts") if isinstance(head, dict) else None
        wanted = [f"{_ITEMS}{identity}/{at:04}" for at in range(_number(number))]
        items = tuple(
            named for each in wanted if each in parts for named in _named(parts[each].value)
        )
        said = {name: _text(head, name) for name in _TEXTS}
        rows.append(Registered(items=items, **said))
    return rows


_TEXTS = ("server", "publisher", "lock", "digest", "command")


def forget(store: Store, lock: str) -> None:
    """Nothing is known of the lockfile at `lock` any more. Raises StoreError."""
    identity = _identity(lock)
    for key in [_SERVERS + identity, *store.list(f"{_ITEMS}{identity}/")]:
        _drop(store, key)


def _drop(store: Store, key: str) -> None:
    held = store.get(key)
    if held is not None:
        store.delete(key, held.version)


def _identity(lock: str) -> str:
    return hashlib.sha256(lock.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _put(store: Store, key: str, value: Json) -> None:
    """Whoever comes last holds: two writers of one lockfile write the same."""
    held = store.get(key)
    store.put(key, value, ABSENT if held is None else held.version)


def _parts(items: Sequence[Named]) -> Iterator[Json]:
    """Lists of items, each small enough for one value."""
    part: list[Json] = []
    size = 2
    for each in items[:MAX_ITEMS]:
        row = [each.kind, _whole(each.name, MAX_NAME), _whole(each.description, MAX_DESCRIPTION)]
        more = len(orjson.dumps(row)) + 1
        if part and size + more > MAX_VALUE:
            yield part
            part, size = [], 2
        part.append([*row])
        size += more
    if part:
        yield part


def _whole(text: str, most: int) -> str:
    """At most `most` characters, without halves of one."""
    return text[:most].encode("utf-8", "replace").decode()


def _named(part: Json) -> Iterable[Named]:
    for row in part if isinstance(part, list) else []:
        if isinstance(row, list) and len(row) == len(_ROW) and all(isinstance(x, str) for x in row):
            yield Named(*(str(each) for each in row))


_ROW = ("kind", "name", "description")


def _text(head: Json, name: str) -> str:
    said = head.get(name) if isinstance(head, dict) else None
    return said if isinstance(said, str) else ""


def _number(said: Json) -> int:
    return said if type(said) is int and 0 <= said <= MAX_ITEMS else 0
