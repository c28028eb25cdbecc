"""What an entry was before it was wrapped, and whether that can be put back.

A record holds the entry's own bytes, so that undoing gives back exactly these. They may hold
secrets (`env`): a record is kept 0600, like every file of the data directory.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import PurePath

import orjson

from mcpguard.errors import HostError
from mcpguard.hosts.splice import Edit, Node, find, parse, spliced, value
from mcpguard.model import Json, JsonObject
from mcpguard.wire import exact

__all__ = [
    "Record",
    "State",
    "differences",
    "forgetting",
    "load",
    "render",
    "restored",
    "state",
]

VERSION = 1

SHOWN = ("command", "args", "cwd", "type")
"""Keys of an entry whose values are shown when they differ; another may hold a secret."""


class State(StrEnum):
    """How the entry of a record stands in the host's file now."""

    WRAPPED = "wrapped"
    """As it was written, or laid out anew with the same meaning."""
    EDITED = "edited"
    """Changed since by somebody else."""
    ORIGINAL = "original"
    """As it was before."""
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Record:
    """One wrapped entry. `path`: its keys in `file`, outermost first. `at`: RFC 3339, UTC.

    `original` and `wrapped`: the bytes of the entry before and after, as text.
    """

    host: str
    scope: str
    file: str
    path: tuple[str, ...]
    original: str
    wrapped: str
    lock: str
    at: str


def render(record: Record) -> bytes:
    """`record` as a file."""
    body = {each.name: getattr(record, each.name) for each in fields(record)}
    return orjson.dumps({"version": VERSION, **body}, option=orjson.OPT_INDENT_2) + b"\n"


def load(data: bytes, where: str) -> Record:
    """The record in `data`, a file named `where`. Raises HostError when it is not one."""
    try:
        said = exact.strict_loads(data)
        record = _record(said)
        parse(record.original.encode())
        parse(record.wrapped.encode())
    except (ValueError, TypeError, KeyError, HostError) as error:
        raise HostError(
            f"{where}: this is not the record of a wrapped entry",
            hint=f"put its entry back by hand, from {BACKUPS}; then: {forgetting(where)}",
        ) from error
    return record


BACKUPS = "the backups of its file (hosts/backups in the data directory)"


def forgetting(where: str) -> str:
    """The command that forgets the record in the file `where`."""
    return f"mcpguard unwrap --forget {PurePath(where).stem}"


def _record(said: Json) -> Record:
    if not isinstance(said, dict) or said.pop("version", None) != VERSION:
        raise ValueError("another version")
    path = said.pop("path")
    texts = {name: each for name, each in said.items() if isinstance(each, str)}
    if not isinstance(path, list) or not path or len(texts) != len(said):
        raise ValueError("wrong types")
    if not all(isinstance(each, str) for each in path):
        raise ValueError("wrong types")
    return Record(path=tuple(str(each) for each in path), **texts)


def state(data: bytes, root: Node, record: Record) -> State:
    """How the entry of `record` stands in `data`, parsed as `root`."""
    node = find(root, record.path)
    if node is None:
        return State.GONE
    now = data[node.start : node.end]
    if now == record.wrapped.encode():
        return State.WRAPPED
    if now == record.original.encode():
        return State.ORIGINAL
    said = value(data, node)
    same = {_said(record.wrapped): State.WRAPPED, _said(record.original): State.ORIGINAL}
    return same.get(_canonical(said), State.EDITED)


def restored(data: bytes, root: Node, record: Record) -> bytes:
    """`data` with the entry's original bytes in the place of what is there. Its state is yours."""
    node = find(root, record.path)
    if node is None:
        raise HostError(
            f"there is no entry {record.path[-1]} any more",
            hint="forget it: mcpguard unwrap --force SERVER",
        )
    return spliced(data, (Edit(node.start, node.end, record.original.encode()),))


def differences(data: bytes, root: Node, record: Record) -> list[str]:
    """What was edited in the entry since: one line a key, and no value that may be a secret."""
    node = find(root, record.path)
    now = None if node is None else value(data, node)
    wrapped = record.wrapped.encode()
    then = value(wrapped, parse(wrapped))
    if not isinstance(now, dict) or not isinstance(then, dict):
        return ["the entry is not an object any more"]
    return [
        line
        for key in dict.fromkeys([*then, *now])
        if then.get(key) != now.get(key) or (key in then) != (key in now)
        for line in _key_lines(key, then, now)
    ]


def _key_lines(key: str, then: JsonObject, now: JsonObject) -> list[str]:
    old, new = then.get(key), now.get(key)
    if key == "env" and isinstance(old, dict) and isinstance(new, dict):
        names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        return [f"env {name}: {_what(name, old, new)}" for name in names]
    if key in SHOWN and key in then and key in now:
        return [f"{key}: was {_text(old)}, is {_text(new)}"]
    return [f"{key}: {_what(key, then, now)}"]


def _what(key: str, then: JsonObject, now: JsonObject) -> str:
    if key not in now:
        return "taken away"
    return "changed" if key in then else "added"


def _text(said: Json) -> str:
    return exact.dumps_exact(said).decode()


def _said(entry: str) -> bytes:
    data = entry.encode()
    return _canonical(value(data, parse(data)))


def _canonical(said: Json) -> bytes:
    """The same bytes for the same meaning; the order of keys counts for nothing."""
    if isinstance(said, dict):
        pairs = (exact.dumps_exact(key) + b":" + _canonical(said[key]) for key in sorted(said))
        return b"{" + b",".join(pairs) + b"}"
    if isinstance(said, list):
        return b"[" + b",".join(map(_canonical, said)) + b"]"
    return exact.dumps_exact(said)
