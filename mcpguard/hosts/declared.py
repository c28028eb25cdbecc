"""The servers that a host's file declares, whatever its form: names, lines, what would be started.

Strict and bounded: a key twice, half a file, a file of another form or a deeper one than any host
writes is a HostError with its place and without a word of the file, never a shorter list.
"""

import shlex
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from mcpguard.errors import HostError, PolicyError
from mcpguard.hosts import splice
from mcpguard.hosts.known import ANY, Form
from mcpguard.model import Json, JsonObject
from mcpguard.policy import document

__all__ = ["MAX_SERVERS", "Declared", "Server", "declared", "server"]

MAX_SERVERS = 1000
"""Servers of one file. A person has a few dozen; more is no configuration but an attack on us."""

MAX_DEPTH = 60
"""Levels of a TOML table. Hosts' files have five."""

MAX_TABLES = 1024 * 1024
"""Bytes of a TOML file. Codex keeps its settings in it, and a trust level for each project."""

MAX_DOTS = 64
"""Parts of a dotted TOML key: the reader is quadratic in them, and a file has many lines."""

_MEND = "mend it there first; nothing was changed"


@dataclass(frozen=True, slots=True)
class Declared:
    """One entry of a file. `path`: the keys that lead to it. `line`: from 1. `said`: all of it."""

    name: str
    path: tuple[str, ...]
    line: int
    said: Json


@dataclass(frozen=True, slots=True)
class Server:
    """What an entry starts (`words`: the command and its arguments) or reaches (`url`).

    `off`: the host does not start it. `unasked`: the tools that run without asking, `*` for all.
    `problem`: why the entry cannot be understood; the other fields then mean nothing.
    """

    words: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    cwd: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    off: bool = False
    unasked: tuple[str, ...] = ()
    problem: str = ""


# --- files ---------------------------------------------------------------------------------------


def declared(data: bytes, form: Form, path: tuple[str, ...]) -> list[Declared]:
    """The entries under `path` in `data`, in the order of the file. Raises HostError."""
    read = {Form.TOML: _toml, Form.YAML: _yaml}.get(form)
    found = read(data, path) if read else _json(data, form, path)
    listed: list[Declared] = []
    for each in found:
        if len(listed) == MAX_SERVERS:
            raise HostError(f"more than {MAX_SERVERS} servers", hint="is it the right file?")
        listed.append(each)
    return listed


def _json(data: bytes, form: Form, path: tuple[str, ...]) -> Iterator[Declared]:
    if not data.strip():
        return  # hosts leave an empty file where there is nothing to say
    root = splice.parse(data, trailing_commas=form is Form.JSONC)
    if root.kind != "object":
        raise HostError("it is not an object", hint=_MEND)
    for keys, node in _below(root, (), path):
        if node.kind != "object":
            raise HostError(f"{'.'.join(keys)} is not an object", hint=_MEND)
        for member in node.members:
            line = data.count(b"\n", 0, member.start) + 1
            yield Declared(member.key, (*keys, member.key), line, splice.value(data, member.node))


def _below(
    node: splice.Node, keys: tuple[str, ...], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], splice.Node]]:
    """Every object that `path` leads to, `*` for any key; none where a key is missing."""
    if not path:
        yield keys, node
        return
    for member in node.members:
        if path[0] in {ANY, member.key}:
            yield from _below(member.node, (*keys, member.key), path[1:])


def _toml(data: bytes, path: tuple[str, ...]) -> Iterator[Declared]:
    if len(data) > MAX_TABLES:
        raise HostError(f"larger than {MAX_TABLES} bytes", hint="is it the right file?")
    try:
        text = data.decode()
        if any(_dots(line) > MAX_DOTS for line in text.split("\n")):
            raise HostError(f"a key of more than {MAX_DOTS} parts", hint=_MEND)
        said: Json = _plain(tomllib.loads(text), MAX_DEPTH)
    except UnicodeDecodeError as error:
        raise HostError("it is not UTF-8", hint="save it as UTF-8") from error
    except (ValueError, RecursionError) as error:
        place = str(error).rpartition("(")[2].rstrip(")")
        where = f" ({place})" if place.startswith("at ") else ""
        raise HostError(f"it is not TOML{where}", hint=_MEND) from error
    for key in path:
        said = said.get(key, {}) if isinstance(said, dict) else None
    if not isinstance(said, dict):
        raise HostError(f"{'.'.join(path)} is not a table", hint=_MEND)
    for name, entry in said.items():
        yield Declared(name, (*path, name), _toml_line(text, path, name), entry)


def _dots(line: str) -> int:
    """Those of a key or a table's name; a comment has none."""
    return line.partition("=")[0].count(".") if not line.lstrip().startswith("#") else 0


def _plain(value: object, depth: int) -> Json:
    """A TOML value as JSON has it: a date is its text. Raises ValueError when it is too deep."""
    if depth == 0:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return {str(key): _plain(each, depth - 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, depth - 1) for each in value]
    return value if isinstance(value, bool | int | float | str) else str(value)


def _toml_line(text: str, path: tuple[str, ...], name: str) -> int:
    """Where a table's header is, or the first line that has its name; 1 when neither is there.

    The reader tells no places, so this is for a person to look at, never for a decision.
    """
    heads = tuple(f"[{'.'.join(path)}.{quote}{name}{quote}" for quote in ("", '"', "'"))
    lines = text.split("\n")
    for wanted in (heads, (name, f'"{name}"')):
        for number, line in enumerate(lines, 1):
            if line.strip().replace(" ", "").startswith(wanted):
                return number
    return 1


def _yaml(data: bytes, path: tuple[str, ...]) -> Iterator[Declared]:
    try:
        node = document.read(data.decode(), "")
    except UnicodeDecodeError as error:
        raise HostError("it is not UTF-8", hint="save it as UTF-8") from error
    except PolicyError as error:
        raise HostError(
            f"line {error.line} column {error.column}: it cannot be read strictly", hint=_MEND
        ) from error
    for key in path:
        inner = node.value.get(key) if isinstance(node.value, dict) else None
        if inner is None:
            return
        node = inner
    if isinstance(node.value, dict):
        pairs = [*node.value.items()]
    elif isinstance(node.value, tuple):
        pairs = [(_name(each, number), each) for number, each in enumerate(node.value)]
    else:
        raise HostError(f"{'.'.join(path)} is not a list", hint=_MEND)
    for name, entry in pairs:
        yield Declared(name, (*path, name), entry.place[0], entry.plain())


def _name(entry: document.Node, number: int) -> str:
    named = entry.value.get("name") if isinstance(entry.value, dict) else None
    said = named.value if named is not None else None
    return said if isinstance(said, str) and said else f"[{number}]"


# --- one entry -----------------------------------------------------------------------------------

_ADDRESSES: Final = ("url", "serverUrl", "httpUrl", "uri")
_UNASKED: Final = ("autoApprove", "alwaysAllow")


def server(said: Json) -> Server:
    """What the entry `said` means to its host. Total: see `Server.problem`."""
    if not isinstance(said, dict):
        return Server(problem="the entry is not an object")
    try:
        return _server(said)
    except ValueError as error:
        return Server(problem=str(error))


def _server(said: JsonObject) -> Server:
    off, unasked = _off(said), _asks_nobody(said)
    url = next((said[key] for key in _ADDRESSES if key in said), "")
    if url:
        if not isinstance(url, str):
            raise ValueError("its address is not a text")
        headers = _texts(said.get("headers") or said.get("http_headers"), "headers")
        return Server(url=url, headers=headers, off=off, unasked=unasked)
    inner = said["command"] if isinstance(said.get("command"), dict) else said
    assert isinstance(inner, dict)  # noqa: S101 - one of the two
    command = inner.get("path" if inner is not said else "command")
    if not isinstance(command, str) or not command.strip():
        raise ValueError("the entry has no command and no address")
    cwd = said.get("cwd") or ""
    return Server(
        words=_words(command, inner.get("args")),
        env=_texts(inner.get("env"), "env"),
        cwd=cwd if isinstance(cwd, str) else "",
        off=off,
        unasked=unasked,
    )


def _words(command: str, args: Json) -> tuple[str, ...]:
    """The command with its arguments; one text with everything in it is split as a shell would."""
    if args is None or args == []:
        try:
            return tuple(shlex.split(command, posix="\\" not in command)) or (command,)
        except ValueError:
            return (command,)
    if not isinstance(args, list) or not all(isinstance(each, str | int) for each in args):
        raise ValueError("args is not a list of texts")
    return (command, *map(str, args))


def _texts(said: Json, what: str) -> Mapping[str, str]:
    if said is None:
        return {}
    if not isinstance(said, dict):
        raise ValueError(f"{what} is not an object")  # noqa: TRY004 - of what a file says
    return {
        name: each if isinstance(each, str) else str(each)
        for name, each in said.items()
        if each is not None
    }


def _off(said: JsonObject) -> bool:
    return said.get("disabled") is True or said.get("enabled") is False


def _asks_nobody(said: JsonObject) -> tuple[str, ...]:
    """Tools that the host lets run without asking: Gemini's `trust`, Cline's lists."""
    if said.get("trust") is True:
        return (ANY,)
    listed = next((said[key] for key in _UNASKED if said.get(key)), [])
    return tuple(str(each) for each in listed) if isinstance(listed, list) else (ANY,)
