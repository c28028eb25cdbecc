"""Which tool asks for how much: policies under globs of tool names, the most specific one wins.

In a glob `*` stands for any run of characters, none and `/` included, and `?` for exactly one;
everything else for itself, in its case. The most specific glob that matches decides alone, nothing
is merged: a name without `*` and `?` comes first, then the glob with more characters of its own,
then the one with fewer `*`, then the one with more `?`. Two different policies as specific as each
other, under globs that some name matches both, are an error when they are loaded.

A table may stand on a floor, another table: of each tool the stricter of both policies holds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, groupby
from operator import attrgetter
from typing import Final, TypeAlias

from mcpguard.errors import UsageError
from mcpguard.model import Tier

__all__ = [
    "DEFAULT",
    "MAX_CALLS",
    "MAX_GLOB",
    "MAX_POLICIES",
    "Glob",
    "PolicyTable",
    "ToolPolicy",
    "both",
    "covers",
    "is_capability",
    "stricter",
    "ties",
]

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

MAX_BOTH = 32
"""Patterns that stand for what two patterns both match; `*` upon `*` makes many more."""

_TIERS: Final = tuple(Tier)
_SPECIFICITY: Final = attrgetter("specificity")


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


_Tails: TypeAlias = frozenset[str] | None
"""Ends of patterns; None: too many."""


def both(one: str, other: str) -> tuple[str, ...]:
    """Patterns that together match just the names that `one` and `other` both match; maybe none.

    Raises UsageError when that takes more than `MAX_BOTH` of them.
    """
    for name, pattern in ((one, other), (other, one)):
        if not set(name) & _WILD:
            return (name,) if Glob(pattern).matches(name) else ()
    one, other = _single(one), _single(other)
    rows: list[list[_Tails]] = [[]] * (len(one) + 1)
    for at in range(len(one), -1, -1):
        row: list[_Tails] = [frozenset()] * (len(other) + 1)
        for there in range(len(other), -1, -1):
            below = rows[at + 1] if at < len(one) else []
            row[there] = _tails(one[at:], other[there:], below[there:], row[there + 1 :])
        rows[at] = row
    found = rows[0][0]
    if found is None:
        raise UsageError(
            f"what {one!r} and {other!r} both match takes more than {MAX_BOTH} patterns",
            hint="name the tools in one of the two lists",
        )
    return tuple(sorted({_single(each) for each in found}))


def _tails(one: str, other: str, below: list[_Tails], right: list[_Tails]) -> _Tails:
    """What both match, from here on.

    `below[n]`: the same without the first part of `one` and `n` parts of `other`; `right[0]`:
    without the first part of `other` alone.
    """
    if not one and not other:
        return frozenset(("",))
    mine, its = one[:1], other[:1]
    if mine == its == "*":
        return _joined(("*", below[0]), ("*", right[0]))
    if mine == "*":  # it is nothing here, or takes the other's part
        return _joined(("", below[0]), (its, right[0] if its else _NONE))
    if its == "*":
        return _joined(("", right[0]), (mine, below[0] if mine else _NONE))
    if mine and its and (mine == its or "?" in {mine, its}):
        return _joined((its if mine == "?" else mine, below[1]))
    return _NONE


_NONE: Final[frozenset[str]] = frozenset()
_WILD: Final = frozenset("*?")


def _joined(*ways: tuple[str, _Tails]) -> _Tails:
    """Every way's tails behind its part."""
    made: set[str] = set()
    for part, tails in ways:
        if tails is None:
            return None
        made |= {part + tail for tail in tails}
    return frozenset(made) if len(made) <= MAX_BOTH else None


def _single(pattern: str) -> str:
    """`**` is `*`."""
    while "**" in pattern:
        pattern = pattern.replace("**", "*")
    return pattern


def stricter(one: ToolPolicy, other: ToolPolicy) -> ToolPolicy:
    """What asks for all that both ask for. The description is `one`'s, if it has any."""
    needed = (*one.required_capabilities, *other.required_capabilities)
    rates = [each.max_calls_per_minute for each in (one, other) if each.max_calls_per_minute]
    return ToolPolicy(
        min_trust=max(one.min_trust, other.min_trust),
        min_level=max(one.min_level, other.min_level),
        required_capabilities=tuple(dict.fromkeys(needed)),
        blocked=one.blocked or other.blocked,
        max_calls_per_minute=min(rates, default=0),
        description=one.description or other.description,
        tier=max(one.tier, other.tier, key=_TIERS.index),
    )


class PolicyTable:
    """The policy of every tool. `of` is a look-up for a name that was asked for before.

    `default`: of tools that no pattern names, and of what is no tool.
    """

    __slots__ = ("_globs", "_known", "default", "floor", "policies")

    def __init__(
        self,
        policies: Mapping[str, ToolPolicy] | None = None,
        *,
        default: ToolPolicy = DEFAULT,
        floor: "PolicyTable | None" = None,
    ) -> None:
        """`policies`: by pattern. Raises UsageError for one that cannot be, or a tie."""
        self.policies: Mapping[str, ToolPolicy] = dict(policies or {})
        self.floor: PolicyTable | None = floor
        self.default: ToolPolicy = default if floor is None else stricter(default, floor.default)
        if len(self.policies) > MAX_POLICIES:
            raise UsageError(
                f"there are {len(self.policies)} tool policies, the limit is {MAX_POLICIES}",
                hint="put tools with the same policy under one pattern",
            )
        self._globs = sorted(map(Glob, self.policies), key=_SPECIFICITY, reverse=True)
        for one, other in ties(self.policies):
            raise UsageError(
                f"tools.{one!r} and tools.{other!r} are as specific as each other, differ"
                " and match the same names",
                hint="make one of them more specific, or both the same",
            )
        self._known: dict[str, ToolPolicy] = {}

    def of(self, tool: str) -> ToolPolicy:
        """The policy of `tool`: the most specific one, else the default; not below the floor's."""
        known = self._known.get(tool)
        if known is None:
            known = self._found(tool)
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            if len(tool) <= MAX_NAME:
                self._known[tool] = known
        return known

    def _found(self, tool: str) -> ToolPolicy:
        found = self.default
        for glob in self._globs:
            if glob.matches(tool):
                found = self.policies[glob.text]
                break
        return found if self.floor is None else stricter(found, self.floor.of(tool))

    def rated(self) -> str | None:
        """A pattern whose policy has a rate of its own, the floor's too; None: there is none."""
        for pattern, policy in self.policies.items():
            if policy.max_calls_per_minute:
                return pattern
        return None if self.floor is None else self.floor.rated()


def ties(policies: Mapping[str, ToolPolicy]) -> Iterator[tuple[str, str]]:
    """Patterns as specific as each other, with different policies, that some name matches both."""
    globs = sorted(map(Glob, policies), key=_SPECIFICITY, reverse=True)
    for _, equals in groupby(globs, _SPECIFICITY):
        for one, other in combinations(equals, 2):
            if policies[one.text] != policies[other.text] and one.meets(other):
                yield one.text, other.text


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


def is_capability(text: str, *, grant: bool) -> bool:
    """Whether it can be held (`grant`) or asked for: `a:b`, and `a:*` only to be held."""
    return _whole(text, grant=grant)


def _whole(capability: str, *, grant: bool) -> bool:
    """Whether every segment says something. Only a grant's last one, not its only one, is `*`."""
    segments = capability.split(":")
    plain = segments[:-1] if grant and len(segments) > 1 and segments[-1] == "*" else segments
    return all(segment and "*" not in segment for segment in plain)
