"""Settings that can be used and are probably not meant: a protection that is off, or no effect.

Each is said where it stands in the file, and no session is refused for it: who writes
`on_failure: continue` may want just that. A preset's own values are nobody's doubt.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path as FilePath
from pathlib import PurePath
from typing import Final, NamedTuple

from mcpguard.config.rows import Held, Path, Values
from mcpguard.errors import IdentityError, PolicyError
from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import ItemKind, Json
from mcpguard.siem.sinks import lacking
from mcpguard.trust.policy import Glob

__all__ = ["doubts_of"]


class _Weak(NamedTuple):
    """A value of the key `path` (`*` for any word), and what it gives up."""

    path: Path
    when: Callable[[object], bool]
    what: str
    hint: str


def _is(word: object) -> Callable[[object], bool]:
    return lambda value: value == word


def _every(value: object) -> bool:
    """Whether a pattern is of every tool."""
    return not str(value).strip("*")


_WEAK: Final = (
    _Weak(("mode",), _is("audit-only"), "no session blocks anything", "mode: enforce"),
    _Weak(("mode",), _is("filter-only"), "calls are let through", "mode: enforce"),
    _Weak(
        ("audit", "on_failure"),
        _is("continue"),
        "what cannot be recorded passes unrecorded",
        "on_failure: deny",
    ),
    _Weak(
        ("audit", "durability"),
        _is("none"),
        "a power cut loses records of calls that went through",
        "durability: grouped costs next to nothing",
    ),
    _Weak(
        ("store", "on_loss"),
        _is("local"),
        "while the store is gone each proxy counts alone, so limits are as many as proxies",
        "on_loss: closed",
    ),
    _Weak(
        ("approvals", "elicit"),
        _every,
        "the host's own user is asked about every low-risk tool, and no approver",
        "name the tools",
    ),
    _Weak(("trust", "min_trust"), _is(0), "no score is too low for any tool", "leave it out"),
    _Weak(("tools", "*", "min_trust"), _is(0), "no score is too low for it", "leave it out"),
    *(
        _Weak(("gateway", "detect", name), _is("off"), "it is not even recorded", f"{name}: record")
        for name in ("ssn", "card", "iban", "secrets", "shell_injection", "path_traversal")
    ),
    _Weak(
        ("gateway", "detect", "ssrf_url"),
        _is("off"),
        "a call may ask for a cloud's credentials, and nobody hears of it",
        "ssrf_url: deny",
    ),
    _Weak(("scan", "canary"), _is("off"), "a planted credential may leave", "canary: quarantine"),
)
"""What takes away something that every preset, or the default, gives."""


def doubts_of(
    layers: list[Values], lock: Lockfile | None = None, approvers: int | None = None
) -> list[PolicyError]:
    """What is doubtful in one file: its general values, then its sections for servers.

    `lock`: of the server that it is for; patterns that fit none of its tools are doubtful then.
    `approvers`: how many keys there are, if that is known. The errors are for showing, not for
    raising.
    """
    found: list[PolicyError] = []
    for values in layers:
        found += _weak(values)
        found += _idle({**layers[0], **values}, values)
        found += _unready(values)
        found += _absent(values)
        found += _unpinned(values)
        found += _literal(values)
        if lock is not None:
            found += _unmatched(values, lock)
        if approvers is not None:
            found += _unreached(values, approvers)
    places = {(each.line, each.column, each.what): each for each in found}
    return [places[key] for key in sorted(places)]


def _weak(values: Values) -> Iterator[PolicyError]:
    for path, held in values.items():
        for row in _WEAK:
            if _fits(row.path, path):
                for each in held:
                    if row.when(each.value):
                        yield each.node.error(f"weaker than the default: {row.what}", hint=row.hint)


def _fits(pattern: Path, path: Path) -> bool:
    pairs = zip(pattern, path, strict=False)
    return len(pattern) == len(path) and all(word in {"*", own} for word, own in pairs)


# --- no effect -----------------------------------------------------------------------------------


def _idle(known: Values, own: Values) -> Iterator[PolicyError]:
    """What changes nothing beside what else is set. `known`: with what the section stands on."""
    keep = own.get(("audit", "keep"))
    if keep and keep[0].value and _zero(known, "rotate_size") and _zero(known, "rotate_age", 0):
        told = "no effect: no file is ever set aside, so none is deleted"
        yield keep[0].node.error(told, hint="set rotate_size or rotate_age")
    anchors, log = own.get(("audit", "anchors")), known.get(("audit", "log"))
    if anchors and log and PurePath(anchors[0].value) == PurePath(log[0].value).parent:
        told = "the checkpoints lie beside the log that they are to show the cut of"
        yield anchors[0].node.error(told, hint="name a folder on another disk, or a share")
    asks = known.get(("gateway", "approve")) or ("rules",) in known
    decides = any(each.value == "decide" for each in known.get(("trust", "tiers"), ()))
    strict = any(each.value == "strict" for each in known.get(("preset",), ()))
    for held in own.get(("approvals", "elicit"), ()):
        if not (asks or decides or strict):
            told = "no effect: there is no tool of which anybody is asked"
            yield held.node.error(told, hint="name it under gateway.approve")
    yield from _nobodys(known, own)


def _unreached(own: Values, approvers: int) -> Iterator[PolicyError]:
    for held in own.get(("approvals", "quorum"), ()):
        if held.value > approvers:
            told = f"nothing can be approved: {held.value} have to agree, and there are {approvers}"
            yield held.node.error(told, hint="mcpguard approver add NAME, or a smaller quorum")


def _unready(own: Values) -> Iterator[PolicyError]:
    """Sinks that can deliver nothing here: records wait until they can."""
    for held in own.get(("audit", "sinks"), ()):
        for key, why in lacking(held.value, os.environ):
            told = f"the sink {held.value.name} delivers nothing here: {why}"
            hint = "what is recorded waits in the log; put it there, or correct the entry"
            yield held.node.items().get(key, held.node).error(told, hint=hint)


def _absent(own: Values) -> Iterator[PolicyError]:
    """A store that cannot be opened here: whatever needs it is denied, or counted alone."""
    for held in own.get(("store", "backend"), ()):
        if held.value == "redis" and find_spec("redis") is None:
            told = "no session can open this store here: the package redis is not installed"
            yield held.node.error(told, hint="install mcpguard-daemon[redis]")


def _unpinned(own: Values) -> Iterator[PolicyError]:
    """An identity with which no session starts, as far as this file says."""
    for held in own.get(("identity",), ()):
        from mcpguard.identity.holder import opened  # most files name none

        try:
            did = opened(FilePath(held.value)).did
        except IdentityError as error:
            yield held.node.error(f"no session starts here: {error.message}", hint=error.hint)
        else:
            if not any(path[:2] == ("principals", did) for path in own):
                told = f"no session starts unless another file pins its key, {did}"
                hint = f'add: principals: {{"{did}": {{capabilities: []}}}}'
                yield held.node.error(told, hint=hint)


def _zero(known: Values, key: str, default: int = 1) -> bool:
    held = known.get(("audit", key))
    return not (held[0].value if held else default)


def _nobodys(known: Values, own: Values) -> Iterator[PolicyError]:
    """Profiles that no host is of under this file; a program may name them."""
    profile, identity = known.get(("profile",)), known.get(("identity",))
    host = f"local:{profile[0].value if profile else 'default'}"
    host = f"the key in {identity[0].value}" if identity else host
    others = {path[1]: held for path, held in own.items() if path[0] == "principals"}
    for name, held in others.items():
        if name.startswith("local:") and name != host:
            told = f"no host is {name} under this file: a session's host is {host}"
            hint = f"it counts in programs (mcpguard.embed), and with profile: {name[6:]}"
            yield held[0].node.error(told, hint=hint)


def _literal(own: Values) -> Iterator[PolicyError]:
    """Patterns in the words of regular expressions or of a shell, which fit no usual name here."""
    for path, held in own.items():
        for each, globs in _patterns(path, held):
            for glob in globs:
                if not _FOREIGN.isdisjoint(glob):
                    told = (
                        f"no effect on usual names: in {glob} all but * and ? stand for themselves"
                    )
                    yield each.node.error(
                        told, hint="write one pattern for each, with * and ? alone"
                    )


_FOREIGN: Final = frozenset("[]{}|^$\\")
"""Of no name that MCP advises for a tool: letters, digits, `_`, `-`, `.` and `/`."""


# --- no such tool --------------------------------------------------------------------------------


def _unmatched(values: Values, lock: Lockfile) -> Iterator[PolicyError]:
    """Patterns that fit nothing that the lockfile holds, and asks that it does not permit."""
    names = [*lock.items[ItemKind.TOOL]]
    for path, held in values.items():
        for each, globs in _patterns(path, held):
            if not any(glob.matches(name) for glob in map(Glob, globs) for name in names):
                told = f"no effect: {lock.name or 'the lockfile'} has no tool {', '.join(globs)}"
                yield each.node.error(told, hint=_LISTED)
    yield from _undeclared(values, lock)
    for each in values.get(("requests",), ()):
        if each.value not in lock.requests:
            told = f"no effect: the lockfile does not permit {each.value}"
            hint = f"mcpguard lock --update -o FILE --allow-request {each.value}"
            yield each.node.error(told, hint=hint)


def _undeclared(values: Values, lock: Lockfile) -> Iterator[PolicyError]:
    """Arguments that are held to scopes, and that no tool of the binding is locked with."""
    for each in values.get(("gateway", "arguments"), ()):
        globs = [*map(Glob, each.value.tools)]
        schemas = [
            item.definition.get("inputSchema")
            for name, item in lock.items[ItemKind.TOOL].items()
            if any(glob.matches(name) for glob in globs)
        ]
        steps = each.value.steps
        if steps == ("uri",) and "resources/read" in each.value.tools:
            continue
        if schemas and not any(_declares(schema, steps) for schema in schemas):
            tops = sorted({name for schema in schemas for name in _properties(schema)})
            hint = f"its arguments: {', '.join(tops[:MAX_SHOWN]) or 'none'}"
            told = f"no effect: no locked tool of it has the argument {each.value.argument}"
            yield each.node.error(told, hint=f"{hint}; one inside another is a pointer: /paths/*")


def _properties(schema: Json) -> Mapping[str, Json]:
    held = schema.get("properties") if isinstance(schema, dict) else None
    return held if isinstance(held, dict) else {}


def _declares(schema: Json, steps: tuple[str, ...], depth: int = 0) -> bool:
    """Whether a value may stand at `steps`, as far as `schema` tells; what it leaves open may.

    Only a name that is absent beside others is a doubt: a top-level object that lists properties.
    """
    if not steps or not isinstance(schema, dict) or depth > MAX_DEPTH:
        return True
    if any(word in schema for word in _ELSEWHERE):
        return True
    step, rest = steps[0], steps[1:]
    if "items" in schema and (step == "*" or step.isdigit()):
        return _declares(schema["items"], rest, depth + 1)
    known = _properties(schema)
    if step in known:
        return _declares(known[step], rest, depth + 1)
    return depth > 0 and not known


_ELSEWHERE: Final = ("$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "patternProperties", "if")
"""Words of JSON Schema that put properties elsewhere: what they say is not looked into."""

MAX_DEPTH = 32
"""Steps of a pointer that are followed."""

MAX_TOOLS = 1000
"""Patterns of one rule; fewer can be read."""

MAX_SHOWN = 8
"""Names of arguments in a hint."""

_LISTED: Final = "mcpguard proxy --lock FILE --print-effective lists its tools"

_LISTS: Final = {
    ("gateway", "deny"),
    ("gateway", "allow"),
    ("gateway", "approve"),
    ("approvals", "elicit"),
    ("audit", "capture", "arguments"),
    ("audit", "capture", "results"),
}


def _patterns(path: Path, held: tuple[Held, ...]) -> Iterator[tuple[Held, tuple[str, ...]]]:
    """What names tools, each with its patterns."""
    if path in _LISTS:
        yield from ((each, (str(each.value),)) for each in held)
    elif path == ("gateway", "arguments"):
        tools = ((each, each.value.tools) for each in held)
        yield from ((each, globs) for each, globs in tools if "resources/read" not in globs)
    elif path == ("rules",):
        for each in held:
            named = each.node.items().get("tools")
            if named is not None:
                yield each, tuple(str(one.value) for one in named.sequence(MAX_TOOLS))
    elif path[0] == "tools" or path[:2] == ("limits", "tools"):
        yield held[0], (path[1] if path[0] == "tools" else path[2],)
