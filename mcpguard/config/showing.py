"""Settings as a person reads them: the same YAML that they are read from, with who said what.

What is printed can be saved as `mcpguard.yaml` and says the same; only a password in a store's
address is left out.
"""

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

import orjson

from mcpguard.config.loading import Loaded, preset_values
from mcpguard.config.plan import Plan
from mcpguard.config.rows import PER_SERVER, ROWS, Path, Row, Values, row_of
from mcpguard.config.settings import Preset, Settings
from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import ItemKind, Json, JsonObject, Mode
from mcpguard.trust.policy import Glob

__all__ = ["Stops", "as_json", "effective", "key_lines", "lines"]

COLUMN = 44
"""Where origins begin, at most: a longer line has its origin behind it."""

_Tree: TypeAlias = "dict[str, _Tree | Path]"
_Line: TypeAlias = tuple[str, str]
"""A line, and the origin of what it says."""

_FREE: Final[Mapping[Path, str]] = {
    ("principals",): "PRINCIPAL",
    ("tools",): "PATTERN",
    ("limits", "tools"): "TOOL",
    ("gateway", "detect"): "DETECTOR",
}
"""What a free word is called."""

_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_PLAIN: Final = _LETTERS | frozenset("0123456789./-*?")
_OTHERWISE: Final = frozenset({"true", "false", "null"})
"""Words that would not be read as texts."""


class Stops(NamedTuple):
    """What keeps a session from what it may, beside its settings.

    `every`: why nothing at all is allowed, a sentence each. `tools`: names that are blocked.
    """

    every: tuple[str, ...] = ()
    tools: Collection[str] = ()


def effective(plan: Plan, environment: Iterable[str], stops: Stops = Stops()) -> Iterator[str]:  # noqa: B008 - immutable
    """What the session of `plan` would allow, and its settings, as lines.

    `environment`: names of the variables that its server would get.
    """
    lock = plan.lock
    yield f"mode: {plan.mode}"
    yield f"caller: {plan.principal}, proved by {plan.proof}"
    known = plan.settings.principals.get(plan.principal)
    own = (f"the caller {plan.principal} is blocked by the settings",)
    for why in (*stops.every, *(own if known is not None and known.blocked else ())):
        yield f"{_fate(plan.mode)}: everything: {why}"
    if lock is None:
        yield f"command: {shlex.join(plan.flags.command)}"
    else:
        yield f"server: {plan.name}"
        yield f"lockfile: {plan.flags.lock} {plan.digest}"
        yield f"command: {shlex.join(lock.launch.argv)}"
        yield f"environment: {', '.join(sorted(environment))}"
        yield f"server may ask for: {_asked(plan.mode, lock)}"
        for kind, items in lock.items.items():
            for name in sorted(items):
                rule = _rule(plan.settings, kind, name, stops)
                mark = f"  # {_fate(plan.mode)}: {rule}" if rule else ""
                yield f"{kind.singular}: {name}{mark}"
    yield "settings:"
    yield from (f"  {line}" for line in lines(plan.loaded, origin=True))


def _fate(mode: Mode) -> str:
    return "denied" if mode is Mode.ENFORCE else f"let through in {mode}, else denied"


def _rule(settings: Settings, kind: ItemKind, name: str, stops: Stops) -> str:
    """What denies every call of a locked item, or empty."""
    if kind is not ItemKind.TOOL:
        return "blocked for whatever `tools` does not name" * settings.tools.default.blocked
    gateway = settings.gateway
    allow = ("*",) if gateway.allow is None else gateway.allow
    rules = {
        "mcpguard trust block tool": name in stops.tools,
        "blocked under `tools`": settings.tools.of(name).blocked,
        "in gateway.deny": any(Glob(text).matches(name) for text in gateway.deny),
        "not in gateway.allow": not any(Glob(text).matches(name) for text in allow),
    }
    return next(filter(rules.get, rules), "")


def _asked(mode: Mode, lock: Lockfile) -> str:
    locked = ", ".join(sorted(lock.requests)) or "nothing"
    return (
        locked if mode is Mode.ENFORCE else f"anything, as the mode lets it pass; locked: {locked}"
    )


def lines(loaded: Loaded, *, origin: bool = False) -> list[str]:
    """The settings as the text of an `mcpguard.yaml`, with each value's origin as a comment."""
    made = [*_lines(_values(loaded))]
    told = _aligned(made) if origin else [text for text, _ in made]
    if not loaded.floor:
        return told
    held = [*_lines(_apart(loaded.floor))]
    if not held:
        return told
    below = _aligned(held) if origin else [text for text, _ in held]
    head = "# Held beside these, for the system's file says it; the stricter of both counts:"
    return [*told, head, *(f"#   {line}" for line in below)]


def key_lines() -> Iterator[tuple[str, str]]:
    """Every key with what it is; one that a server's section may hold too has a `*` before it."""
    for row in ROWS:
        mark = "*" if row.path[0] in PER_SERVER else " "
        words = (_FREE[row.path[:at]] if key == "*" else key for at, key in enumerate(row.path))
        yield f"{mark} {'.'.join(words)}", row.help


def as_json(loaded: Loaded) -> JsonObject:
    """`files`, `settings`, `system` (what the system's file holds beside them), `origins`."""
    return {
        "files": [str(path) for path in loaded.files],
        "settings": _nested(_values(loaded)),
        "system": _nested(_apart(loaded.floor)),
        "origins": dict(Loaded(loaded.settings, loaded.files, _values(loaded)).origins),
    }


def _values(loaded: Loaded) -> Values:
    return loaded.values or preset_values(Preset.BASELINE)


_FLOOR = frozenset({"tools", "rules"})
_FENCE = frozenset({("gateway", "scopes"), ("gateway", "arguments")})


def _apart(floor: Values) -> Values:
    """What tightens as a floor: tools, rules and scopes."""
    return {path: held for path, held in floor.items() if path[0] in _FLOOR or path[:2] in _FENCE}


def _ordered(values: Values) -> _Tree:
    """The paths of `values` as a tree, in the order of the table."""
    tree: _Tree = {}
    for row in ROWS:
        for path in values:
            if row_of(path) is row:
                at = tree
                for key in path[:-1]:
                    below = at.setdefault(key, {})
                    if isinstance(below, dict):
                        at = below
                at[path[-1]] = path
    return tree


def _nested(values: Values) -> JsonObject:
    def plain(tree: _Tree) -> JsonObject:
        return {
            key: plain(each) if isinstance(each, dict) else _json(values, each)
            for key, each in tree.items()
        }

    return plain(_ordered(values))


def _json(values: Values, path: Path) -> Json:
    entries: list[Json] = [_shown(path, held.plain) for held in values[path]]
    return entries if row_of(path).many else entries[0]


def _lines(values: Values) -> Iterator[_Line]:
    yield from _branch(_ordered(values), values, "")


def _branch(tree: _Tree, values: Values, indent: str) -> Iterator[_Line]:
    for key, each in tree.items():
        if isinstance(each, dict):
            yield f"{indent}{_scalar(key)}:", ""
            yield from _branch(each, values, indent + "  ")
        else:
            yield from _leaf(f"{indent}{_scalar(key)}:", each, row_of(each), values)


def _leaf(head: str, path: Path, row: Row, values: Values) -> Iterator[_Line]:
    held = values[path]
    if not row.many:
        yield f"{head} {_flow(_shown(path, held[0].plain))}", held[0].origin
    elif not held:
        yield f"{head} []", ""
    else:
        yield head, ""
        indent = " " * (len(head) - len(head.lstrip()) + 2)
        for each in held:
            yield f"{indent}- {_flow(each.plain)}", each.origin


def _aligned(made: list[_Line]) -> list[str]:
    longest = max((len(text) for text, origin in made if origin), default=0)
    column = min(longest, COLUMN)
    return [f"{text:<{column}}  # {origin}" if origin else text for text, origin in made]


def _shown(path: Path, plain: Json) -> Json:
    """The value, without the password of a store's address."""
    if path != ("store", "where") or not isinstance(plain, str):
        return plain
    address, question, _ = plain.partition("?")
    scheme, slashes, rest = address.partition("://")
    user, at, host = rest.rpartition("@")
    if slashes and at and ":" in user:
        address = f"{scheme}://{user.partition(':')[0]}:***@{host}"
    return f"{address}?***" if slashes and question else plain if not at else address


def _flow(value: Json) -> str:
    """`value` on one line, as `policy.document` reads it back."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_scalar(key)}: {_flow(each)}" for key, each in value.items())
        return "{" + inner + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: bool | float | str | None) -> str:
    """A text as a plain word where every reader takes it for one, else quoted."""
    if isinstance(value, str) and value[:1] in _LETTERS and set(value) <= _PLAIN:
        return value if value.casefold() not in _OTHERWISE else f'"{value}"'
    return orjson.dumps(value).decode()
