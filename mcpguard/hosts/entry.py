"""One server's entry in a host's file: what it starts, and which of its bytes change.

`command` becomes mcpguard, the old command moves to the front of `args` behind
`proxy --lock FILE --`. Every other byte of the entry stays.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import orjson

from mcpguard.errors import HostError
from mcpguard.hosts.splice import Edit, Node, find, parse, spliced, value
from mcpguard.model import Json, JsonObject

__all__ = [
    "Entry",
    "Proxied",
    "behind_mcpguard",
    "expanded",
    "read",
    "refuse_steering",
    "rewritten",
    "steers",
]

STDIO = "stdio"
"""The one `type` of an entry that the host starts as a process; it may be left out."""

_ADDRESSES: Final = ("url", "serverUrl")
"""Keys of an entry for a server that is reached over the network."""

_STEERING_PREFIXES: Final = ("MCPGUARD_", "WIN_PD_OVERRIDE_")
"""Name prefixes. Variables that steer mcpguard itself, which the rewritten entry starts."""

_STEERING: Final = frozenset(
    {
        "HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
        "ALLUSERSPROFILE", "APPDATA", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PROGRAMDATA",
        "USERPROFILE",
    }
)  # fmt: skip
"""Names. Like the prefixes: they say where settings, keys, log and kill switch are."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a host starts: the command with its arguments, variables set, the directory or empty."""

    words: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str = ""


def read(said: Json) -> Entry:
    """The entry `said`. Raises HostError with why it cannot run behind mcpguard."""
    if not isinstance(said, dict):
        raise HostError("the entry is not an object", hint="mend the entry first")
    _refuse_remote(said)
    command = said.get("command")
    if not isinstance(command, str) or not command:
        raise HostError("the entry has no command to start", hint="mend the entry first")
    args, env, cwd = said.get("args", []), said.get("env", {}), said.get("cwd", "")
    if not isinstance(args, list) or not all(isinstance(each, str) for each in args):
        raise HostError("args is not a list of strings", hint="mend the entry first")
    if not isinstance(env, dict) or not all(isinstance(each, str) for each in env.values()):
        raise HostError("env is not an object of strings", hint="mend the entry first")
    if not isinstance(cwd, str):
        raise HostError("cwd is not a string", hint="mend the entry first")
    refuse_steering(env)
    words = (command, *(str(each) for each in args))
    entry = Entry(words, {name: str(each) for name, each in env.items()}, cwd)
    if any("\0" in each for each in (*words, *entry.env, *entry.env.values())):
        raise HostError(
            "its command, args or env hold a NUL, which no program can be given",
            hint="mend the entry first",
        )
    return entry


def steers(name: str) -> bool:
    """Whether the variable `name` tells mcpguard what to do, or where its own files are."""
    upper = name.upper()  # Windows does not tell cases apart
    return upper in _STEERING or upper.startswith(_STEERING_PREFIXES)


def refuse_steering(env: Iterable[str]) -> None:
    """Raise HostError for a name in an entry's `env` that mcpguard would be steered by."""
    for name in filter(steers, env):
        raise HostError(
            f"env sets {name}, which would steer mcpguard itself, not the server alone",
            hint="take it out of the entry first: the server gets yours; where it needs another,"
            f' and there is `env`: "command": "env", "args": ["{name}=VALUE", COMMAND, ARGS...]',
        )


def _refuse_remote(said: JsonObject) -> None:
    kind = said.get("type", STDIO)
    address = next((key for key in _ADDRESSES if key in said), "")
    if kind == STDIO and not address:
        return
    how = f"it has {address}" if address else f"its type is {kind or 'empty'}"
    raise HostError(
        f"the server is reached over the network ({how}): the host starts no process for it",
        hint="mcpguard stands in front of servers that a host starts (stdio) only",
    )


@dataclass(frozen=True, slots=True)
class Proxied:
    """What an entry has mcpguard run: the lockfile, and the server's command behind `--`.

    Both are empty where they do not stand in the entry's own words, such as inside those of `sh`.
    """

    lock: str = ""
    words: tuple[str, ...] = ()


def behind_mcpguard(entry: Entry) -> Proxied | None:
    """What `entry` runs behind `mcpguard proxy`, or None when it does not."""
    rest = list(entry.words[1:])
    if not _starts_proxy(entry.words[:2]):
        later = any(map(_starts_proxy, pairwise(rest)))  # of python -m, uv run and their like
        return Proxied() if later or any("mcpguard proxy " in word for word in rest) else None
    own = rest[: rest.index("--")] if "--" in rest else rest
    lock = own[own.index("--lock") + 1 :][:1] if "--lock" in own else []
    return Proxied("".join(lock), tuple(rest[len(own) + 1 :]))


def _starts_proxy(words: Sequence[str]) -> bool:
    """Whether `words` are a program called mcpguard, and `proxy`."""
    if tuple(words[1:]) != ("proxy",):
        return False
    name = words[0].replace("\\", "/").rpartition("/")[2].lower()
    return name.removesuffix(".exe") == "mcpguard"


def expanded(entry: Entry, environ: Mapping[str, str]) -> Entry:
    """`entry` with `${NAME}` and `${NAME:-default}` replaced, as a host does that expands them.

    Raises HostError for a variable that `environ` has not and that has no default.
    """
    words = tuple(_filled(word, environ) for word in entry.words)
    env = {name: _filled(text, environ) for name, text in entry.env.items()}
    return Entry(words, env, entry.cwd)


def _filled(text: str, environ: Mapping[str, str]) -> str:
    head, opening, rest = text.partition("${")
    parts = [head]
    while opening:
        inside, closing, after = rest.partition("}")
        parts.append(_variable(inside, environ) if closing else opening + rest)
        head, opening, rest = after.partition("${")
        parts.append(head)
    return "".join(parts)


def _variable(inside: str, environ: Mapping[str, str]) -> str:
    name, has_default, default = inside.partition(":-")
    if name in environ:
        return environ[name]
    if has_default:
        return default
    raise HostError(
        f"the entry needs the variable {name}, which is not set here",
        hint=f"set {name} as the host has it, and wrap again",
    )


def rewritten(entry: bytes, program: str, before: Sequence[str]) -> bytes:
    """The bytes of an entry that starts `program` with `before`, then what `entry` started.

    `entry` must be one that `read` takes. The result was read again and says exactly that. Raises
    HostError when it would not.
    """
    node = parse(entry)
    said = value(entry, node)
    words = (program, *before, *read(said).words)
    new = spliced(entry, tuple(_edits(entry, node, program, before)))
    if value(new, parse(new)) != _with_words(said, words):
        raise HostError(
            "the entry cannot be rewritten safely", hint="write its args on lines of their own"
        )
    return new


def _with_words(said: Json, words: Sequence[str]) -> Json:
    if not isinstance(said, dict):
        return said
    command, *args = words
    return {**said, "command": command, "args": [*args]}


def _edits(data: bytes, node: Node, program: str, before: Sequence[str]) -> Iterator[Edit]:
    command, args = find(node, ["command"]), find(node, ["args"])
    if command is None:
        raise HostError("the entry has no command to start", hint="mend the entry first")
    moved = [*map(orjson.dumps, before), data[command.start : command.end]]
    replaced = Edit(command.start, command.end, orjson.dumps(program))
    if args is None:
        yield replaced._replace(new=replaced.new + _new_args(data, node, moved))
        return
    yield from sorted((replaced, _inserted(data, args, moved)))


def _inserted(data: bytes, args: Node, words: Sequence[bytes]) -> Edit:
    """`words` before the first item, laid out as that is."""
    if not args.items:
        return Edit(args.start + 1, args.start + 1, b", ".join(words))
    at = args.items[0].start
    gap = data[args.start + 1 : at]
    between = b"," + (gap if gap.isspace() and b"\n" in gap else b" ")
    return Edit(at, at, between.join([*words, b""]))


def _new_args(data: bytes, node: Node, words: Sequence[bytes]) -> bytes:
    """An `args` member to stand behind `command`, laid out as the entry's first member is."""
    gap = data[node.start + 1 : node.members[0].start]
    return b"," + (gap if gap.isspace() else b" ") + b'"args": [' + b", ".join(words) + b"]"
