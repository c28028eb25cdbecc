"""Which tool asks for how much: policies under globs of tool names, the most specific one wins.

In a glob `*` stands for any run of characters, none and `/` included, and `?` for exactly one;
everything else for itself, in its case. The most specific glob that matches decides alone, nothing
is merged: a name without `*` and `?` comes first, then the glob with more characters of its own,
then the one with fewer `*`, then the one with more `?`. Two different policies as specific as each
other, under globs that some name matches both, are an error when they are loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from itertools import combinations, groupby
from operator import attrgetter
from typing import Final

from mcpguard.errors import UsageError
from mcpguard.model import Json, Tier
from mcpguard.trust.score import LEVELS, MAX_SCORE

__all__ = ["DEFAULT", "Glob", "PolicyTable", "ToolPolicy", "covers", "read_policies"]

MAX_GLOB = 256
"""Characters of a glob. One step of matching is one operation on an integer of so many bits."""

MAX_POLICIES = 1000
"""Policies of one table. Loading compares those that are as specific as each other."""

MAX_KNOWN = 4096
"""Tool names whose policy is remembered; then it begins anew. A lockfile holds far fewer."""

MAX_NAME = 512
"""Characters of a name that is remembered: what is remembered stays below some megabytes."""

MAX_CALLS = 1_000_000
"""Calls a minute. More than any pipe carries: a larger number is a mistake."""


@dataclass(frozen=True, slots=True)
class ToolPolicy:
    """What a caller needs to call a tool.

    `min_trust`: effective score, 0-1000; 0 asks for none. `min_level`: effective level, 0-4.
    `required_capabilities`: all of them, see `covers`. `max_calls_per_minute`: 0 sets no limit of
    its own. `tier`: what the tool may do. `description`: for people.
    """

    min_trust: int = 300
    min_level: int = 0
    required_capabilities: tuple[str, ...] = ()
    blocked: bool = False
    max_calls_per_minute: int = 0
    description: str = ""
    tier: Tier = Tier.PREPARE


DEFAULT: Final = ToolPolicy()
"""For a tool that no glob names."""

_SPECIFICITY: Final = attrgetter("specificity")
_KEYS: Final = tuple(field.name for field in fields(ToolPolicy))


class Glob:
    """A pattern of tool names. Matching takes one step a character of the name, whatever it is.

    `parts`: its characters without `*`. `loops`: a bit for every number of parts before a `*`.
    `specificity`: larger is more specific.
    """

    __slots__ = ("_any", "_end", "_is", "loops", "parts", "specificity", "text")

    def __init__(self, text: str) -> None:
        """Raises UsageError for one that is empty or longer than `MAX_GLOB`."""
        if not 0 < len(text) <= MAX_GLOB:
            raise UsageError(
                f"a tool's pattern is {len(text)} characters, it can have 1 to {MAX_GLOB}",
                hint="name the tool, or use * for any run of characters",
            )
        parts = [part for part in text if part != "*"]
        ends = [len(text[:at].replace("*", "")) for at, part in enumerate(text) if part == "*"]
        own = sum(part != "?" for part in parts)
        self.text = text
        self.specificity = (own == len(text), own, -text.count("*"), text.count("?"))
        self.parts = parts
        self.loops = sum(1 << end for end in set(ends))
        self._any = sum(1 << at for at, part in enumerate(parts) if part == "?")
        self._is: dict[str, int] = {}
        for at, part in enumerate(parts):
            if part != "?":
                self._is[part] = self._is.get(part, 0) | 1 << at
        self._end = 1 << len(parts)

    def matches(self, name: str) -> bool:
        """Whether the whole of `name` fits.

        A set bit is a part of the pattern that may come next; all of them move at once.
        """
        state, loops, anything = 1, self.loops, self._any
        for char in name:
            state = (state & (self._is.get(char, 0) | anything)) << 1 | state & loops
            if not state:
                return False
        return bool(state & self._end)

    def meets(self, other: "Glob") -> bool:
        """Whether some name fits both."""
        todo, seen = [(0, 0)], {(0, 0)}
        ends = len(self.parts), len(other.parts)
        while todo:
            place = todo.pop()
            if place == ends:
                return True
            for after in self._steps(other, *place):
                if after not in seen:
                    seen.add(after)
                    todo.append(after)
        return False

    def _steps(self, other: "Glob", at: int, there: int) -> list[tuple[int, int]]:
        """Where one more character can lead from part `at` of this and `there` of the other."""
        mine, its = self.part(at), other.part(there)
        steps = []
        if mine and its and (mine == its or "?" in {mine, its}):
            steps.append((at + 1, there + 1))
        if its and self.loops >> at & 1:
            steps.append((at, there + 1))
        if mine and other.loops >> there & 1:
            steps.append((at + 1, there))
        return steps

    def part(self, at: int) -> str:
        """Part number `at`; empty at the end."""
        return self.parts[at] if at < len(self.parts) else ""


class PolicyTable:
    """The policy of every tool. `of` is a look-up for a name that was asked for before."""

    __slots__ = ("_globs", "_known", "policies")

    def __init__(self, policies: Mapping[str, ToolPolicy] | None = None) -> None:
        """`policies`: by pattern. Raises UsageError for one that cannot be, or a tie."""
        self.policies: Mapping[str, ToolPolicy] = dict(policies or {})
        if len(self.policies) > MAX_POLICIES:
            raise UsageError(
                f"there are {len(self.policies)} tool policies, the limit is {MAX_POLICIES}",
                hint="put tools with the same policy under one pattern",
            )
        self._globs = sorted(map(Glob, self.policies), key=_SPECIFICITY, reverse=True)
        for _, equals in groupby(self._globs, _SPECIFICITY):
            for one, other in combinations(equals, 2):
                self._refuse_tie(one, other)
        self._known: dict[str, ToolPolicy] = {}

    def _refuse_tie(self, one: Glob, other: Glob) -> None:
        if self.policies[one.text] != self.policies[other.text] and one.meets(other):
            raise UsageError(
                f"tools.{one.text!r} and tools.{other.text!r} are as specific as each other, differ"
                " and match the same names",
                hint="make one of them more specific, or both the same",
            )

    def of(self, tool: str) -> ToolPolicy:
        """The policy of `tool`: the most specific one, else `DEFAULT`."""
        known = self._known.get(tool)
        if known is None:
            known = self._found(tool)
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            if len(tool) <= MAX_NAME:
                self._known[tool] = known
        return known

    def _found(self, tool: str) -> ToolPolicy:
        for glob in self._globs:
            if glob.matches(tool):
                return self.policies[glob.text]
        return DEFAULT


def covers(granted: str, required: str) -> bool:
    """Whether the capability `granted` covers `required`.

    Segments stand between colons. A grant covers itself, and `a:*` whatever begins with `a:` and
    goes on. An empty segment never matches, in either; a `*` stands only at a grant's end and after
    another segment.
    """
    if not _whole(granted, grant=True) or not _whole(required, grant=False):
        return False
    if granted.endswith(":*"):
        return required.startswith(granted[:-1])
    return granted == required


def _whole(capability: str, *, grant: bool) -> bool:
    """Whether every segment says something. Only a grant's last one, not its only one, is `*`."""
    segments = capability.split(":")
    plain = segments[:-1] if grant and len(segments) > 1 and segments[-1] == "*" else segments
    return all(segment and "*" not in segment for segment in plain)


def read_policies(given: Json, where: str = "tools") -> PolicyTable:
    """The table of a configuration's `tools`: patterns to mappings of `ToolPolicy`'s fields.

    Raises UsageError that names the key: `tools.'read_*'.min_trust`.
    """
    if not isinstance(given, dict):
        raise UsageError(f"{where}: {_kind(given)} stands where patterns of tools are wanted")
    policies: dict[str, ToolPolicy] = {}
    for pattern, fields_ in given.items():
        place = f"{where}.{pattern!r}"
        try:
            Glob(pattern)
        except UsageError as error:
            raise UsageError(f"{place}: {error.message}", hint=error.hint) from None
        policies[pattern] = _policy(fields_, place)
    return PolicyTable(policies)


def _policy(given: Json, where: str) -> ToolPolicy:
    if not isinstance(given, dict):
        raise UsageError(f"{where}: {_kind(given)} stands where a policy is wanted")
    for key in given:
        if key not in _KEYS:
            near = get_close_matches(key, _KEYS, 1)
            hint = f"did you mean {near[0]}?" if near else "one of: " + ", ".join(_KEYS)
            raise UsageError(f"{where}.{key[:64]}: a tool's policy has no such key", hint=hint)
    return ToolPolicy(
        min_trust=_number(given, "min_trust", MAX_SCORE, where),
        min_level=_number(given, "min_level", len(LEVELS) - 1, where),
        required_capabilities=_capabilities(given, "required_capabilities", where),
        blocked=_flag(given, "blocked", where),
        max_calls_per_minute=_number(given, "max_calls_per_minute", MAX_CALLS, where),
        description=_text(given, "description", where),
        tier=_tier(given, "tier", where),
    )


def _number(given: Mapping[str, Json], key: str, most: int, where: str) -> int:
    default: int = getattr(DEFAULT, key)
    value = given.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        text = f"{where}.{key}: it is {_kind(value)}, not a whole number from 0 to {most}"
        raise UsageError(text, hint="write digits without quotes, or leave the key out")
    return value


def _flag(given: Mapping[str, Json], key: str, where: str) -> bool:
    value = given.get(key, False)
    if not isinstance(value, bool):
        raise UsageError(f"{where}.{key}: it is {_kind(value)}", hint="write true or false")
    return value


def _text(given: Mapping[str, Json], key: str, where: str) -> str:
    value = given.get(key, "")
    if not isinstance(value, str):
        raise UsageError(f"{where}.{key}: it is {_kind(value)}", hint="write a text")
    return value


def _tier(given: Mapping[str, Json], key: str, where: str) -> Tier:
    value = given.get(key, DEFAULT.tier)
    for tier in Tier:
        if value == tier:
            return tier
    raise UsageError(f"{where}.{key}: there is no such tier", hint="one of: " + ", ".join(Tier))


def _capabilities(given: Mapping[str, Json], key: str, where: str) -> tuple[str, ...]:
    value = given.get(key, [])
    if not isinstance(value, list):
        raise UsageError(f"{where}.{key}: it is {_kind(value)}", hint="write a list of texts")
    names = []
    for at, name in enumerate(value):
        if not isinstance(name, str) or not _whole(name, grant=False):
            raise UsageError(
                f"{where}.{key}[{at}]: it is no capability: a text of segments like fs:read,"
                " none of them empty, none with *",
                hint="a * belongs into what a principal holds, not into what a tool requires",
            )
        names.append(name)
    return tuple(names)


def _kind(value: Json) -> str:
    """What a value is, for an error: a number itself, else its kind."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)[:24]
    kinds = {dict: "a mapping", list: "a list", str: "a text", bool: "true or false"}
    return kinds.get(type(value), "nothing")
