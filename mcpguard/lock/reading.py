"""Reading a lockfile, strictly: what is unknown, doubled or does not add up is an error.

On the way to a session's first byte: orjson and hashlib only, nothing heavy imported.
"""

from collections.abc import Callable, Collection
from typing import TypeVar

import orjson

from mcpguard.errors import LockfileError
from mcpguard.lock.locked import UNCHECKED, VERSION, Item, Launch, Lockfile, Reviewed
from mcpguard.lock.surface import ServerFacts, volatile
from mcpguard.lock.varying import MAX_PATTERN, Vary, at, compiled, matches, tokens
from mcpguard.model import Era, ItemKind, Json, JsonObject, RequestKind
from mcpguard.wire import exact
from mcpguard.wire.canonical import MAX_DEPTH, digest

__all__ = ["DATA", "parse", "why_not"]

_FILE_DEPTH = MAX_DEPTH + 8
"""Levels of a lockfile: a definition's own, and those it is wrapped in."""

DATA = "data"
"""In place of a file's digest: a person said that its bytes may change."""

_HEX = frozenset("0123456789abcdef")
_VARYING_FACTS = frozenset({"instructions", "serverInfo"})


class _BadError(Exception):
    """Something at `path` is wrong; `parse` adds the file's name."""

    def __init__(self, path: str, why: str, hint: str = "") -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why
        self.hint = hint


_T = TypeVar("_T")
_HINT = "restore the reviewed file, or move it away and write a new one with: mcpguard lock"
_EDITED = "the file was edited by hand: undo that, or move the file away and lock the server anew"

_TOP = frozenset({"version", "server", "launch", "requests", "vary", "reviewed"}) | frozenset(
    kind.value for kind in ItemKind
)
_SERVER = frozenset(
    {"name", "era", "protocolVersion", "serverInfo", "instructions", "capabilities"}
)
_LAUNCH = frozenset({"argv", "cwd", "env", "files"})
_ITEM = frozenset({"definition", "digest", "tier", "notes", "arguments"})
_VARY = frozenset({"pointer", "pattern"})
_REVIEWED = frozenset({"by", "at", "why"})


def parse(data: bytes, where: str) -> Lockfile:
    """The lockfile in `data`; `where` names the file in errors.

    Raises:
        LockfileError: Not JSON, an unknown or doubled key, a wrong type, a digest that is not its
            definition's, a `vary` entry that cannot apply. Names the place in the file.
    """
    try:
        return _lockfile(_loaded(data))
    except _BadError as bad:
        place = f" {bad.path}" if bad.path else ""
        raise LockfileError(f"{where}:{place} {bad.why}", hint=bad.hint or _HINT) from None


def _loaded(data: bytes) -> Json:
    if (value := _as_rendered(data)) is not None:
        return value
    try:
        return exact.strict_loads(data, max_depth=_FILE_DEPTH, big_integers=True)
    except exact.DuplicateKeyError as error:
        raise _BadError("", f"the key {error.key!a} is there twice in one object") from None
    except ValueError as error:
        raise _BadError("", f"not readable as JSON: {error}") from None


def _as_rendered(data: bytes) -> Json:
    """The value, if printing it gives `data` back: no doubled key, no rounded integer; or None."""
    option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    try:
        value: Json = orjson.loads(data)
        return value if orjson.dumps(value, option=option) == data else None
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None  # the strict reader says what is wrong, and where


def _lockfile(value: Json) -> Lockfile:
    top = _object(value, "", _TOP, {"version", "server", "launch"})
    if type(top["version"]) is not int or top["version"] != VERSION:
        why = f"is not {VERSION}, the one version this mcpguard reads"
        raise _BadError("version", why, "update mcpguard, or move the file away and lock anew")
    name, facts = _server(top["server"])
    lock = Lockfile(
        version=VERSION,
        name=name,
        server=facts,
        launch=_launch(top["launch"]),
        requests=_requests(top.get("requests", [])),
        items={kind: _items(kind, top.get(kind.value, {})) for kind in ItemKind},
        vary=_each(top.get("vary", []), "vary", _vary),
        reviewed=_reviewed(top["reviewed"]) if "reviewed" in top else None,
    )
    for index, vary in enumerate(lock.vary):
        _check_vary(lock, vary, f"vary[{index}]")
    return lock


def _server(value: Json) -> tuple[str, ServerFacts]:
    server = _object(value, "server", _SERVER, _SERVER - {"instructions"})
    era = _text(server["era"], "server.era")
    if era not in set(Era):
        raise _BadError("server.era", f"is none of {', '.join(Era)}")
    facts = ServerFacts(
        Era(era),
        _text(server["protocolVersion"], "server.protocolVersion"),
        _any_object(server["serverInfo"], "server.serverInfo"),
        _text(server.get("instructions", ""), "server.instructions"),
        _any_object(server["capabilities"], "server.capabilities"),
    )
    return _text(server["name"], "server.name"), facts


def _launch(value: Json) -> Launch:
    launch = _object(value, "launch", _LAUNCH, {"argv"})
    argv = _each(launch["argv"], "launch.argv", _word)
    if not argv:
        raise _BadError("launch.argv", "is empty; it is the command to start")
    files = _any_object(launch.get("files", {}), "launch.files")
    return Launch(
        argv,
        _text(launch.get("cwd", ""), "launch.cwd"),
        _each(launch.get("env", []), "launch.env", _text),
        {path: _pin(each, _below("launch.files", path)) for path, each in files.items()},
    )


def _word(value: Json, path: str) -> str:
    word = _text(value, path)
    if "\0" in word:
        raise _BadError(path, "holds a NUL, which no program can be given")
    return word


def _pin(value: Json, path: str) -> str:
    return DATA if value == DATA else _digest(value, path)


def _requests(value: Json) -> frozenset[RequestKind]:
    return frozenset(_each(value, "requests", _request))


def _request(value: Json, path: str) -> RequestKind:
    if _text(value, path) not in set(RequestKind):
        raise _BadError(path, f"is none of {', '.join(RequestKind)}")
    return RequestKind(_text(value, path))


def _items(kind: ItemKind, value: Json) -> dict[str, Item]:
    members = _any_object(value, kind.value)
    return {name: _item(kind, name, each) for name, each in members.items()}


def _item(kind: ItemKind, name: str, value: Json) -> Item:
    path = _below(kind.value, name)
    item = _object(value, path, _ITEM, {"definition", "digest"})
    definition = _any_object(item["definition"], f"{path}.definition")
    if definition.get(kind.name_key) != name:
        raise _BadError(f"{path}.definition.{kind.name_key}", "is not the name it is filed under")
    if volatile(kind, definition):
        raise _BadError(f"{path}.definition", "holds size or lastModified, which are never locked")
    stated = _digest(item["digest"], f"{path}.digest")
    if _actual_digest(definition, path) != stated:
        raise _BadError(f"{path}.digest", "is not the digest of its definition", _EDITED)
    if item.get("arguments", UNCHECKED) != UNCHECKED:
        raise _BadError(f"{path}.arguments", f'can only be "{UNCHECKED}"')
    return Item(
        kind,
        name,
        definition,
        stated,
        _text(item.get("tier", ""), f"{path}.tier"),
        _text(item.get("notes", ""), f"{path}.notes"),
        arguments_checked="arguments" not in item,
    )


def _actual_digest(definition: JsonObject, path: str) -> str:
    try:
        return digest(definition)
    except ValueError as error:
        raise _BadError(f"{path}.definition", f"cannot be digested: {error}") from None


def _vary(value: Json, path: str) -> Vary:
    vary = _object(value, path, _VARY, _VARY)
    return Vary(
        _text(vary["pointer"], f"{path}.pointer"), _text(vary["pattern"], f"{path}.pattern")
    )


def _check_vary(lock: Lockfile, vary: Vary, path: str) -> None:
    why = why_not(lock, vary)
    if why:
        raise _BadError(path, why, "correct or remove this entry")


def why_not(lock: Lockfile, vary: Vary) -> str:
    """Why this exception cannot apply to this lockfile; empty when it can."""
    if len(vary.pattern) > MAX_PATTERN:
        return f"pattern is {len(vary.pattern)} characters, {MAX_PATTERN} are allowed"
    try:
        compiled(vary.pattern)
        path = tokens(vary.pointer)
    except ValueError as error:
        return f"{error}"
    locked = _locked_string(lock, path)
    if locked is None:
        return "pointer leads to no string that may vary"
    return "" if matches(vary.pattern, locked) else "pattern does not match the locked string"


def _locked_string(lock: Lockfile, path: tuple[str, ...]) -> str | None:
    if len(path) > 1 and path[0] == "server" and path[1] in _VARYING_FACTS:
        facts: JsonObject = {
            "instructions": lock.server.instructions,
            "serverInfo": lock.server.server_info,
        }
        return _string(at(facts, path[1:]))
    if len(path) > 2 and path[0] in set(ItemKind):  # noqa: PLR2004 - kind, name, and a way in
        kind = ItemKind(path[0])
        item = lock.item(kind, path[1])
        if item is not None and path[2:] != (kind.name_key,):
            return _string(at(item.definition, path[2:]))
    return None


def _string(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _reviewed(value: Json) -> Reviewed:
    reviewed = _object(value, "reviewed", _REVIEWED, {"by"})
    return Reviewed(
        _text(reviewed["by"], "reviewed.by"),
        _text(reviewed.get("at", ""), "reviewed.at"),
        _text(reviewed.get("why", ""), "reviewed.why"),
    )


def _any_object(value: Json, path: str) -> JsonObject:
    if not isinstance(value, dict):
        raise _BadError(path, f"is {_kind_of(value)}, an object is needed")
    return value


def _object(value: Json, path: str, known: frozenset[str], needed: Collection[str]) -> JsonObject:
    found = _any_object(value, path)
    for key in found:
        if key not in known:
            raise _BadError(_below(path, key), "is not a key this mcpguard knows")
    for key in sorted(needed):
        if key not in found:
            raise _BadError(_below(path, key), "is missing")
    return found


def _below(path: str, key: str) -> str:
    shown = key if key.isascii() and key.isprintable() else ascii(key)
    return f"{path}.{shown}" if path else shown


def _each(value: Json, path: str, read: Callable[[Json, str], _T]) -> tuple[_T, ...]:
    if not isinstance(value, list):
        raise _BadError(path, f"is {_kind_of(value)}, a list is needed")
    return tuple(read(each, f"{path}[{index}]") for index, each in enumerate(value))


def _text(value: Json, path: str) -> str:
    if not isinstance(value, str):
        raise _BadError(path, f"is {_kind_of(value)}, a string is needed")
    return value


def _digest(value: Json, path: str) -> str:
    text = _text(value, path)
    scheme, _, hexadecimal = text.partition(":")
    if scheme != "sha256" or len(hexadecimal) != 64 or not _HEX.issuperset(hexadecimal):  # noqa: PLR2004
        raise _BadError(path, "is not sha256: and 64 lower-case hexadecimal digits")
    return text


_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    type(None): "null",
}


def _kind_of(value: Json) -> str:
    return _KINDS.get(type(value), "a number")
