"""The one table of what can be set: each key, how it is read, and how layers of it combine.

    general keys     a file's own, and once more under `servers: NAME:` for that server
    laid over        a layer above sets what it names; lists of `adds` rows are put together
    tightened        what the system's file says; a row without a way to tighten is refused there

A key is a row: nothing else is read, and what no row names is an error.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from mcpguard.config import values as read
from mcpguard.config.settings import OnLoss, Preset
from mcpguard.errors import UsageError
from mcpguard.model import Json, Mode, RequestKind, Tier
from mcpguard.policy.document import Node
from mcpguard.store import BACKENDS
from mcpguard.trust.policy import MAX_CALLS, both
from mcpguard.trust.score import LEVELS, MAX_SCORE

__all__ = [
    "PER_SERVER",
    "ROWS",
    "TREE",
    "Held",
    "Path",
    "Row",
    "Step",
    "Tree",
    "Values",
    "row_of",
]

MAX_SECONDS = 86_400
"""Of waiting for a person, and of the time a yes holds: a day."""

MAX_QUORUM = 16
"""Approver keys that must agree; more people cannot be found within minutes."""

MAX_BUDGET = 2**53 - 1
"""Calls or bytes of one session: exact in every reader's numbers."""

MAX_PAIRS = 10_000
"""Pairs of patterns of two allow lists: each takes up to some milliseconds, all of them seconds."""

Path: TypeAlias = tuple[str, ...]
"""The keys that lead to a value: `("tools", "read_*", "min_trust")`."""


@dataclass(frozen=True, slots=True)
class Held:
    """One value, or one entry of a list: as read, as written, who said it, and where."""

    value: Any
    plain: Json
    origin: str
    node: Node


Values: TypeAlias = dict[Path, tuple[Held, ...]]
"""What a layer says. One `Held` where a key has one value, any number where it has a list."""

Tighten = Callable[[tuple[Held, ...] | None, tuple[Held, ...]], tuple[Held, ...]]
"""What holds of a file's values (None: not set) and the system's."""


@dataclass(frozen=True, slots=True)
class Row:
    """A key. `path`: with `*` for any word. `item`: reads the value, or each entry of a list.

    `many`: how many entries; 0: it is one value. `adds`: a layer's list is put behind the one
    below, else in its place. `tighten`: what holds beside the system's file; `apart`: what it says
    is not mixed with the others, `layers` puts it beneath them. Neither: it cannot hold the key.
    """

    path: Path
    item: Callable[[Node], Any]
    many: int = 0
    adds: bool = False
    tighten: Tighten | None = None
    apart: bool = False

    @property
    def tightens(self) -> bool:
        """Whether the system's file can hold it."""
        return self.apart or self.tighten is not None


# --- how the system's file tightens --------------------------------------------------------------


def _most(key: Callable[[Any], Any] = lambda value: value) -> Tighten:
    """The value whose `key` is highest holds."""

    def choose(below: tuple[Held, ...] | None, system: tuple[Held, ...]) -> tuple[Held, ...]:
        if below is None or key(system[0].value) > key(below[0].value):
            return system
        return below

    return choose


def _rank(*words: str) -> Tighten:
    """The later word holds."""
    return _most(words.index)


def _added(below: tuple[Held, ...] | None, system: tuple[Held, ...]) -> tuple[Held, ...]:
    return (below or ()) + system


def _common(below: tuple[Held, ...] | None, system: tuple[Held, ...]) -> tuple[Held, ...]:
    """The words in both."""
    if below is None:
        return system
    known = {held.value for held in system}
    return tuple(held for held in below if held.value in known)


def _meeting(below: tuple[Held, ...] | None, system: tuple[Held, ...]) -> tuple[Held, ...]:
    """Patterns of what both match."""
    if below is None:
        return system
    if len(below) * len(system) > MAX_PAIRS:
        raise system[0].node.error(
            f"{len(system)} patterns here and {len(below)} in the user's list are too many to"
            " compare",
            hint="name fewer patterns",
        )
    made: dict[str, Held] = {}
    for one in system:
        for other in below:
            for text in _both(one, other):
                origin = one.origin if text == one.value else f"{other.origin}, {one.origin}"
                known = other if text == other.value else Held(text, text, origin, one.node)
                made.setdefault(text, known)
    return tuple(made.values())


def _both(one: Held, other: Held) -> tuple[str, ...]:
    try:
        return both(one.value, other.value)
    except UsageError as error:
        raise one.node.error(error.message, hint=error.hint) from None


def _failing(below: tuple[Held, ...] | None, system: tuple[Held, ...]) -> tuple[Held, ...]:
    """As few failures and as long a time as either says."""
    if below is None:
        return system
    (one,), (other,) = system, below
    count, within = min(one.value[0], other.value[0]), max(one.value[1], other.value[1])
    if (count, within) in {one.value, other.value}:
        return system if (count, within) == one.value else below
    plain: Json = {"count": count, "within": int(within)}
    return (Held((count, within), plain, f"{other.origin}, {one.origin}", one.node),)


_HIGHER: Final = _most()
_LOWER: Final = _most(lambda value: -value)
_DETECT: Final = ("off", "record", "redact", "deny")
_DURABILITY: Final = ("none", "grouped", "strict")
_TIERS: Final = ("record", "decide")
_SERVERS: Final = ("record", "hold")

ROWS: Final = (
    Row(("preset",), read.word(Preset)),
    Row(("mode",), read.word(Mode), tighten=_rank("audit-only", "filter-only", "enforce")),
    Row(("profile",), read.name),
    Row(("principals", "*", "capabilities"), read.capability(grant=True), many=256),
    Row(("principals", "*", "blocked"), Node.flag, tighten=_HIGHER),
    Row(("trust", "min_trust"), read.integer(0, MAX_SCORE), tighten=_HIGHER),
    Row(("trust", "tiers"), read.choice(*_TIERS), tighten=_rank(*_TIERS)),
    Row(("trust", "servers"), read.choice(*_SERVERS), tighten=_rank(*_SERVERS)),
    Row(("tools", "*", "min_trust"), read.integer(0, MAX_SCORE), apart=True),
    Row(("tools", "*", "min_level"), read.integer(0, len(LEVELS) - 1), apart=True),
    Row(
        ("tools", "*", "required_capabilities"),
        read.capability(grant=False),
        many=64,
        apart=True,
    ),
    Row(("tools", "*", "blocked"), Node.flag, apart=True),
    Row(("tools", "*", "max_calls_per_minute"), read.integer(0, MAX_CALLS), apart=True),
    Row(("tools", "*", "description"), read.text, apart=True),
    Row(("tools", "*", "tier"), read.word(Tier), apart=True),
    Row(("limits", "tool"), read.rate, many=8, apart=True),
    Row(("limits", "principal"), read.rate, many=8, tighten=_added),
    Row(("limits", "server"), read.rate, many=8, tighten=_added),
    Row(("limits", "tools", "*"), read.rate, many=8, apart=True),
    Row(("gateway", "deny"), read.glob, many=1000, adds=True, tighten=_added),
    Row(("gateway", "allow"), read.glob, many=1000, tighten=_meeting),
    Row(("gateway", "detect", "*"), read.choice(*_DETECT), tighten=_rank(*_DETECT)),
    Row(("gateway", "patterns"), read.pattern, many=200, adds=True, tighten=_added),
    Row(("gateway", "scopes"), read.scope, many=1000),
    Row(("gateway", "arguments"), read.binding, many=1000, adds=True),
    Row(("gateway", "budgets", "tool_calls"), read.integer(1, MAX_BUDGET), tighten=_LOWER),
    Row(("gateway", "budgets", "bytes_in"), read.integer(1, MAX_BUDGET), tighten=_LOWER),
    Row(("gateway", "budgets", "bytes_out"), read.integer(1, MAX_BUDGET), tighten=_LOWER),
    Row(("gateway", "budgets", "repeated_failures"), read.failures, tighten=_failing),
    Row(("gateway", "approve"), read.glob, many=1000, adds=True, tighten=_added),
    Row(("approvals", "hold"), read.integer(1, MAX_SECONDS), tighten=_LOWER),
    Row(("approvals", "retry"), read.integer(0, MAX_SECONDS), tighten=_LOWER),
    Row(("approvals", "quorum"), read.integer(1, MAX_QUORUM), tighten=_HIGHER),
    Row(("approvals", "elicit"), read.glob, many=1000, tighten=_meeting),
    Row(("rules",), read.rule, many=500, adds=True, apart=True),
    Row(("requests",), read.word(RequestKind), many=8, tighten=_common),
    Row(("audit", "log"), read.absolute),
    Row(("audit", "durability"), read.choice(*_DURABILITY), tighten=_rank(*_DURABILITY)),
    Row(("store", "backend"), read.choice(*BACKENDS)),
    Row(("store", "where"), read.place),
    Row(("store", "on_loss"), read.word(OnLoss), tighten=_rank("local", "closed")),
)
"""Every key, in the order in which `config show` prints them."""

PER_SERVER: Final = (
    "tools", "limits", "gateway", "approvals", "rules", "requests", "trust",
)  # fmt: skip
"""What `servers: NAME:` may hold; the others are for a whole user or session."""

Step: TypeAlias = "dict[str, Step] | Row"
Tree: TypeAlias = dict[str, Step]
"""The rows by the keys that lead to them, `*` for any word."""


def _planted() -> Tree:
    tree: Tree = {}
    for row in ROWS:
        at = tree
        for key in row.path[:-1]:
            branch = at.setdefault(key, {})
            assert isinstance(branch, dict)  # noqa: S101 - no row's path goes on another's
            at = branch
        at[row.path[-1]] = row
    return tree


TREE: Final[Mapping[str, Step]] = MappingProxyType(_planted())
"""All rows."""


def row_of(path: Path) -> Row:
    """The row of a value that was read."""
    at: Any = TREE
    for key in path:
        at = at["*"] if "*" in at else at[key]
    row: Row = at
    return row
