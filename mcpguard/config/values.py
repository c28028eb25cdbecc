"""One value of a configuration: text with its place in, what a room wants out.

Each reader takes the node of one value or one entry of a list, and raises PolicyError there.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, tzinfo
from enum import StrEnum
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Final, TypeVar

from mcpguard.errors import UsageError
from mcpguard.pipeline.terms import Binding
from mcpguard.policy.document import Node
from mcpguard.policy.loading import rules_of
from mcpguard.policy.rules import Rule
from mcpguard.policy.suppress import Suppression
from mcpguard.scan.patterns import MAX_PATTERN, Action, Form, Pattern, Patterns
from mcpguard.scan.semantics import ACTIONS, Resource, Scope
from mcpguard.store.ledger import MAX_AMOUNT, Kind, Limit
from mcpguard.trust.limits import RATE_HINT, parse_rate
from mcpguard.trust.policy import MAX_GLOB, is_capability

if TYPE_CHECKING:  # most sessions send nothing anywhere
    from mcpguard.siem.sinks import Target

__all__ = [
    "absolute",
    "binding",
    "capability",
    "choice",
    "failures",
    "glob",
    "integer",
    "listener",
    "machine",
    "name",
    "own_file",
    "pattern",
    "place",
    "place_of",
    "rate",
    "rule",
    "scope",
    "sink",
    "size",
    "suppression",
    "text",
    "word",
]

MAX_NAME = 64
"""Characters of a profile's or pattern's name: it stands in every audit record."""

MAX_HOST = 253
"""Characters of a host name (RFC 1035, its dots included)."""

MAX_ENTRIES = 64
"""Patterns of tools of one binding."""

MAX_TEXT = 2000
"""Characters of a path, a URL, a description."""

MAX_EXACT = 2**53 - 1
"""Exact in every reader's numbers."""

MAX_TOOL = 256
"""Characters of a tool's name; MCP advises 128."""

MAX_WITHIN = 86_400
"""Seconds in which failures are counted: a day."""

MIN_FILE, MAX_FILE = 64 * 1024, 2**53 - 1
"""Bytes of a file of records before the next one: one record fits, and every reader's numbers."""

MAX_FILES = 1000
"""Files of records that are kept beside the newest."""

LOOPBACK = ("127.0.0.1", "::1")
"""Where alone something listens: a name could mean another machine, another 127. a container's."""

UTC_ZONE = "UTC"
"""The zone of rules for which none is named: what a program has in its environment names none."""

RULES = "rules"
"""What the counters of the rules' limits are kept under."""

_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_NO_FILES: Final = frozenset(("dev", "proc", "sys"))
"""Folders of / that hold no files, but for /dev/shm."""

_NO_ZONES: Final = frozenset(("Factory", "localtime", "posixrules"))
"""Files of the database that are no zone, or another one on each machine."""

_T = TypeVar("_T")
_Word = TypeVar("_Word", bound=StrEnum)


def told(node: Node, make: Callable[[], _T]) -> _T:
    """What `make` gives; its UsageError becomes one at `node`."""
    try:
        return make()
    except UsageError as error:
        raise node.error(error.message, hint=error.hint) from None


def word(kind: type[_Word]) -> Callable[[Node], _Word]:
    """A reader of the words of an enumeration."""
    return lambda node: kind(node.choice([each.value for each in kind]))


def choice(*words: str) -> Callable[[Node], str]:
    """A reader of one of `words`."""
    return lambda node: node.choice(words)


def integer(low: int, high: int) -> Callable[[Node], int]:
    """A reader of a whole number from `low` to `high`."""
    return lambda node: node.integer(low, high)


def size(least: int) -> Callable[[Node], int]:
    """A reader of 0, for none, or a whole number from `least` on."""

    def read(node: Node) -> int:
        value = node.integer(0, MAX_EXACT)
        if 0 < value < least:
            raise node.error(f"at least {least}, or 0 for never")
        return value

    return read


def text(node: Node) -> str:
    """A line for people."""
    value = node.text(MAX_TEXT)
    if not value.isprintable():
        raise node.error("a line of printable text belongs here", hint="put it on one line")
    return value


def name(node: Node) -> str:
    """Letters, digits, `.`, `_` and `-`."""
    value = node.text(MAX_NAME)
    if not set(value) <= _NAME:
        raise node.error("a name has letters, digits, `.`, `_` and `-` only")
    return value


def glob(node: Node) -> str:
    """A pattern of tool names, see `trust.policy.Glob`."""
    return node.text(MAX_GLOB)


def capability(*, grant: bool) -> Callable[[Node], str]:
    """A reader of `a:b`; of `a:*` too when it is to be held."""

    def read(node: Node) -> str:
        value = node.text(MAX_TOOL)
        if is_capability(value, grant=grant):
            return value
        what = "no capability: segments like fs:read, none of them empty"
        if grant:
            raise node.error(f"{what}, and * only as the last one", hint="for example: fs:*")
        hint = "a * belongs into what a principal holds, not into what a tool requires"
        raise node.error(f"{what}, none with *", hint=hint)

    return read


def absolute(node: Node) -> str:
    """An absolute path of this or the other kind of system."""
    value = text(node)
    if not PurePosixPath(value).is_absolute() and not PureWindowsPath(value).is_absolute():
        raise node.error("an absolute path belongs here", hint="begin it with /")
    return value


def own_file(node: Node) -> str:
    """An absolute path of a file that keeps what is written to it."""
    value = absolute(node)
    _, top, *below = *PurePosixPath(value).parts, ""
    if top in _NO_FILES and below[0] != "shm":
        raise node.error(f"{value} keeps nothing", hint="name a file on a disk")
    return value


def machine(node: Node) -> str:
    """A host name: letters, digits, `.`, `_` and `-`."""
    value = node.text(MAX_HOST)
    if not set(value) <= _NAME:
        raise node.error("a host name has letters, digits, `.`, `_` and `-` only")
    return value


def place(node: Node) -> str:
    """Where a store is; whether its backend can use that is known when both are."""
    return text(node)


def rate(node: Node) -> Limit:
    """`60/minute`, sliding; or a token bucket `{rate: 10/second, burst: 20}`."""
    if not isinstance(node.value, dict):
        if isinstance(node.value, int | float):
            raise node.error(f"`{node.shown()}` is no rate", hint=RATE_HINT)
        given = node.text(MAX_NAME)
        return told(node, lambda: parse_rate(given))
    table = node.table(("rate", "burst"), required=("rate", "burst"))
    given, burst = table["rate"].text(MAX_NAME), table["burst"].integer(1, MAX_AMOUNT)
    return told(table["rate"], lambda: parse_rate(given, Kind.BUCKET, burst))


def failures(node: Node) -> tuple[int, float]:
    """`{count, within}`: how often, in how many seconds."""
    table = node.table(("count", "within"), required=("count", "within"))
    return table["count"].integer(1, MAX_AMOUNT), float(table["within"].integer(1, MAX_WITHIN))


def pattern(node: Node) -> Pattern:
    """`{name, form, text, action}`, tried."""
    keys = ("name", "form", "text", "action")
    table = node.table(keys, required=keys)
    row = Pattern(
        name=name(table["name"]),
        form=word(Form)(table["form"]),
        text=table["text"].text(MAX_PATTERN),
        action=word(Action)(table["action"]),
    )
    try:
        Patterns.of((row,))
    except UsageError as error:
        what = error.message.partition(": ")[2]
        raise table["text"].error(what, hint=error.hint) from None
    return row


def scope(node: Node) -> Scope:
    """`filesystem:/data/** x read`."""
    value = text(node)
    return told(node, lambda: Scope.parse(value))


def zone(node: Node) -> str:
    """`Europe/Berlin`."""
    value = text(node)
    told(node, lambda: zone_of(value))
    return value


def zone_of(name: str) -> tzinfo:
    """The time zone of that name in the IANA database. Raises UsageError."""
    if name == UTC_ZONE:
        return UTC  # which needs no database
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # most sessions name no zone

    try:
        return ZoneInfo("" if name in _NO_ZONES else name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"{name[:MAX_NAME]!r}: no such zone in this machine's time zone database",
            hint="for example: Europe/Berlin, or UTC",
        ) from error


def sink(node: Node) -> "Target":
    """`{name, to, format, ...}`, see `siem.sinks`."""
    from mcpguard.siem.formats import FORMATS
    from mcpguard.siem.sinks import KEYS, target_of

    table = node.table(KEYS, required=("name", "to"))
    readers: dict[str, Callable[[Node], str | int]] = {
        "name": name,
        "format": choice(*FORMATS),
        "token_env": name,
        "size": integer(MIN_FILE, MAX_FILE),
        "keep": integer(1, MAX_FILES),
        **dict.fromkeys(("ca", "cert", "key", "token_file"), absolute),
    }
    given = {key: readers.get(key, text)(each) for key, each in table.items()}
    return told(node, lambda: target_of(given))


def listener(node: Node) -> str:
    """`127.0.0.1:9464`: a port that nobody reaches from elsewhere."""
    value = text(node)
    told(node, lambda: place_of(value))
    return value


def place_of(said: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:9464` or `[::1]:9464`. Raises UsageError for any other place."""
    from urllib.parse import urlsplit  # most sessions say no place

    try:
        parts = urlsplit(f"//{said}")
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        host, port = "", 0
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if host not in LOOPBACK or not port or said != shown:
        raise UsageError(
            f"{said!r} is no port of this machine alone", hint="write 127.0.0.1:9464 or [::1]:9464"
        )
    return host, port


def binding(node: Node) -> Binding:
    """`{tools, argument, is, action, base}`."""
    required = ("tools", "argument", "is", "action")
    table = node.table((*required, "base"), required=required)
    tools = tuple(map(glob, table["tools"].sequence(MAX_ENTRIES)))
    if not tools:
        raise table["tools"].error("the list is empty, so it is about nothing", hint='write ["*"]')
    resource = word(Resource)(table["is"])
    action = table["action"].choice(sorted(ACTIONS[resource]))
    if "base" in table and resource is not Resource.FILESYSTEM:
        raise table["base"].error(
            f"only paths have a base, not {resource}", hint="leave `base` out"
        )
    return Binding(
        tools=tools,
        argument=_argument(table["argument"]),
        resource=resource,
        action=action,
        base=absolute(table["base"]) if "base" in table else "",
    )


def _argument(node: Node) -> str:
    """A name, or a JSON pointer (RFC 6901): of `~` only `~0` and `~1`."""
    value = text(node)
    rest = value.replace("~0", "").replace("~1", "")
    if value.startswith("/") and "~" in rest:
        raise node.error("in a JSON pointer `~` is written ~0, and `/` in a name ~1")
    if not value.startswith("/") and not set(value).isdisjoint(".["):
        steps = (each for each in re.split(r"[.\[\]]+", value.removeprefix("$.")) if each)
        raise node.error(
            f"`{node.shown()}` is no path into the arguments",
            hint=f"write a JSON pointer: {_pointer(*steps)}, with * for every entry of a list; for"
            f" an argument of that very name: {_pointer(value)}",
        )
    return value


def _pointer(*steps: str) -> str:
    return "".join("/" + each.replace("~", "~0").replace("/", "~1") for each in steps)


def rule(node: Node) -> tuple[Rule, ...]:
    """One rule as `policy.loading` reads it: none when it is not enabled, two for some."""
    return rules_of(replace(node, value=(node,)), RULES).rules


def suppression(node: Node) -> Suppression:
    """`{rule, server, item, reason, expires}`: a finding of `mcpguard scan` that does not count."""
    required = ("rule", "reason", "expires")
    table = node.table((*required, "server", "item"), required=required)
    return Suppression(
        rule=text(table["rule"]),
        reason=text(table["reason"]),
        expires=_day(table["expires"]),
        server=text(table["server"]) if "server" in table else "*",
        item=text(table["item"]) if "item" in table else "*",
        origin=f"{node.source}:{node.place[0]}",
    )


def _day(node: Node) -> date:
    """`"2026-12-31"` (RFC 3339, full-date); of what else ISO 8601 knows, nothing."""
    said = node.text(MAX_NAME)
    try:
        day = date.fromisoformat(said)
    except ValueError:
        day = None
    if day is None or day.isoformat() != said:
        raise node.error("no day", hint='write the last day on which it holds: "2026-12-31"')
    return day
