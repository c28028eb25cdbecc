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

from mcpguard.approval.shared import MAX_ANSWERS
from mcpguard.approval.statement import MAX_LIFE
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
"""Of waiting for a person: a day."""

MAX_KEPT = 8_760
"""Hours that a quarantined text is kept: a year."""

MAX_BUDGET = 2**53 - 1
"""Calls or bytes of one session: exact in every reader's numbers."""

MIN_PART = 64 * 1024
"""Bytes of a log that may be set aside: two hundred records."""

MIN_AGE = 60
"""Seconds after which a log may be set aside."""

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
    """A key. `path`: with `*` for any word. `help`: what it is, for people.

    `item`: reads the value, or each entry of a list. `many`: how many entries; 0: it is one value.
    `adds`: a layer's list is put behind the one below, else in its place. `tighten`: what holds
    beside the system's file; `apart`: what that says is not mixed with the others, `layers` puts it
    beneath them. Neither: it cannot hold the key.
    """

    path: Path
    help: str
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


def _the_systems(_: tuple[Held, ...] | None, system: tuple[Held, ...]) -> tuple[Held, ...]:
    return system


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
_RESULTS: Final = ("off", "record", "annotate", "quarantine", "block")
_CLASSES: Final = ("off", "record", "annotate", "redact", "quarantine", "block")
_REQUESTS: Final = ("off", "record", "block")
_CANARY: Final = ("quarantine", "block")
_DURABILITY: Final = ("none", "grouped", "strict")
_ON_FAILURE: Final = ("continue", "deny")
_TRACE: Final = ("off", "on")
_EVIDENCE: Final = ("off", "on")
_RECEIPTS: Final = ("off", "on", "required")
_TIERS: Final = ("record", "decide")
_SERVERS: Final = ("record", "hold")

ROWS: Final = (
    Row(
        ("preset",),
        "what everything else is laid over: permissive, baseline or strict",
        read.word(Preset),
    ),
    Row(
        ("mode",),
        "enforce, filter-only or audit-only; a flag wins",
        read.word(Mode),
        tighten=_rank("audit-only", "filter-only", "enforce"),
    ),
    Row(("profile",), "the host is the principal local:PROFILE", read.name),
    Row(
        ("identity",),
        "the absolute path of a private key: the host is the principal of its did:key",
        read.absolute,
    ),
    Row(
        ("zone",),
        "the time zone of now.* in rules, such as Europe/Berlin; UTC if none is named",
        read.zone,
        tighten=_the_systems,
    ),
    Row(
        ("principals", "*", "capabilities"),
        "what a principal (local:PROFILE or a did:key) holds: a:b or a:*",
        read.capability(grant=True),
        many=256,
    ),
    Row(
        ("principals", "*", "blocked"),
        "true: this principal may call nothing",
        Node.flag,
        tighten=_HIGHER,
    ),
    Row(
        ("trust", "min_trust"),
        "0-1000: the score that a caller needs where a tool's policy names none",
        read.integer(0, MAX_SCORE),
        tighten=_HIGHER,
    ),
    Row(
        ("trust", "tiers"),
        "record or decide: whether score and tier decide about a call",
        read.choice(*_TIERS),
        tighten=_rank(*_TIERS),
    ),
    Row(
        ("trust", "servers"),
        "record or hold: whether the server's own score counts too",
        read.choice(*_SERVERS),
        tighten=_rank(*_SERVERS),
    ),
    Row(
        ("tools", "*", "min_trust"),
        "0-1000: the score that a caller needs",
        read.integer(0, MAX_SCORE),
        apart=True,
    ),
    Row(
        ("tools", "*", "min_level"),
        "0-4: what must be proved of a caller",
        read.integer(0, len(LEVELS) - 1),
        apart=True,
    ),
    Row(
        ("tools", "*", "required_capabilities"),
        "what a caller must hold, all of it",
        read.capability(grant=False),
        many=64,
        apart=True,
    ),
    Row(("tools", "*", "blocked"), "true: nobody may call it", Node.flag, apart=True),
    Row(
        ("tools", "*", "max_calls_per_minute"),
        "by one principal; 0 for no limit of its own",
        read.integer(0, MAX_CALLS),
        apart=True,
    ),
    Row(("tools", "*", "description"), "for whoever reads the file", read.text, apart=True),
    Row(
        ("tools", "*", "tier"),
        "T0_observe, T1_prepare, T2_act or T3_commit: what it may do",
        read.word(Tier),
        apart=True,
    ),
    Row(
        ("limits", "tool"),
        "rates of one principal and tool: 60/minute, {rate: 10/second, burst: 20}",
        read.rate,
        many=8,
        apart=True,
    ),
    Row(
        ("limits", "principal"),
        "rates of one principal over all servers",
        read.rate,
        many=8,
        tighten=_added,
    ),
    Row(
        ("limits", "server"),
        "rates of this server over all principals",
        read.rate,
        many=8,
        tighten=_added,
    ),
    Row(
        ("limits", "tools", "*"),
        "rates of a tool by its name, in place of limits.tool",
        read.rate,
        many=8,
        apart=True,
    ),
    Row(
        ("gateway", "deny"),
        "patterns of tools that nobody may call",
        read.glob,
        many=1000,
        adds=True,
        tighten=_added,
    ),
    Row(
        ("gateway", "allow"),
        "patterns of the only tools that may be called",
        read.glob,
        many=1000,
        tighten=_meeting,
    ),
    Row(
        ("gateway", "detect", "*"),
        "off, record, redact or deny what a detector finds in arguments",
        read.choice(*_DETECT),
        tighten=_rank(*_DETECT),
    ),
    Row(
        ("gateway", "patterns"),
        "texts no argument may hold: {name, form: substring, glob or re2, text, action}",
        read.pattern,
        many=200,
        adds=True,
        tighten=_added,
    ),
    Row(
        ("gateway", "scopes"),
        "what is open: filesystem:/data/** x read, network:HOST x connect, command:git x run",
        read.scope,
        many=1000,
        apart=True,
    ),
    Row(
        ("gateway", "arguments"),
        "what is held to the scopes: {tools, argument, is, action, base}; argument: a name at the"
        " top, or a JSON pointer such as /paths/* or /opt/file",
        read.binding,
        many=1000,
        adds=True,
        apart=True,
    ),
    Row(
        ("gateway", "budgets", "tool_calls"),
        "calls of one session",
        read.integer(1, MAX_BUDGET),
        tighten=_LOWER,
    ),
    Row(
        ("gateway", "budgets", "bytes_in"),
        "bytes of arguments of one session",
        read.integer(1, MAX_BUDGET),
        tighten=_LOWER,
    ),
    Row(
        ("gateway", "budgets", "bytes_out"),
        "bytes of results of one session",
        read.integer(1, MAX_BUDGET),
        tighten=_LOWER,
    ),
    Row(
        ("gateway", "budgets", "repeated_failures"),
        "{count, within}: refuses a call that failed so often in so many seconds",
        read.failures,
        tighten=_failing,
    ),
    Row(
        ("gateway", "approve"),
        "patterns of tools of which a person is asked at each call",
        read.glob,
        many=1000,
        adds=True,
        tighten=_added,
    ),
    Row(
        ("scan", "results", "review"),
        "off, record, annotate, quarantine or block a result that may direct the model",
        read.choice(*_RESULTS),
        tighten=_rank(*_RESULTS),
    ),
    Row(
        ("scan", "results", "block"),
        "the same for a result that plainly tries to direct the model",
        read.choice(*_RESULTS),
        tighten=_rank(*_RESULTS),
    ),
    Row(
        ("scan", "definitions", "review"),
        "off, record or block what a server lists, if its text may direct the model",
        read.choice(*_REQUESTS),
        tighten=_rank(*_REQUESTS),
    ),
    Row(
        ("scan", "definitions", "block"),
        "the same for a listed text that plainly tries to direct the model",
        read.choice(*_REQUESTS),
        tighten=_rank(*_REQUESTS),
    ),
    Row(
        ("scan", "requests", "review"),
        "off, record or block what a server asks or announces, likewise",
        read.choice(*_REQUESTS),
        tighten=_rank(*_REQUESTS),
    ),
    Row(
        ("scan", "requests", "block"),
        "the same for a text that plainly tries to direct the model",
        read.choice(*_REQUESTS),
        tighten=_rank(*_REQUESTS),
    ),
    Row(
        ("scan", "secrets"),
        "off, record, annotate, redact, quarantine or block a result with a credential",
        read.choice(*_CLASSES),
        tighten=_rank(*_CLASSES),
    ),
    Row(
        ("scan", "pii"),
        "the same for numbers and addresses of persons",
        read.choice(*_CLASSES),
        tighten=_rank(*_CLASSES),
    ),
    Row(
        ("scan", "canary"),
        "quarantine or block a result with a planted credential",
        read.choice(*_CANARY),
        tighten=_rank(*_CANARY),
    ),
    Row(
        ("scan", "keep"),
        "hours that a quarantined result is kept",
        read.integer(1, MAX_KEPT),
        tighten=_LOWER,
    ),
    Row(
        ("approvals", "hold"),
        "seconds that a call waits for a person",
        read.integer(1, MAX_SECONDS),
        tighten=_LOWER,
    ),
    Row(
        ("approvals", "retry"),
        "seconds in which a yes admits one identical call",
        read.integer(1, MAX_LIFE),
        tighten=_LOWER,
    ),
    Row(
        ("approvals", "quorum"),
        "approver keys that must say yes",
        read.integer(1, MAX_ANSWERS),
        tighten=_HIGHER,
    ),
    Row(
        ("approvals", "elicit"),
        "patterns of low-risk tools about which the host may ask its user",
        read.glob,
        many=1000,
        tighten=_meeting,
    ),
    Row(
        ("rules",),
        "rules with conditions, as in a policy file",
        read.rule,
        many=500,
        adds=True,
        apart=True,
    ),
    Row(
        ("scan", "suppress"),
        "findings that do not count: {rule, server, item, reason, expires}",
        read.suppression,
        many=500,
        adds=True,
    ),
    Row(
        ("requests",),
        "roots, sampling, elicitation: what a server may ask, if its lockfile allows it too",
        read.word(RequestKind),
        many=8,
        tighten=_common,
    ),
    Row(("audit", "log"), "the absolute path of the audit log", read.own_file),
    Row(
        ("audit", "durability"),
        "none, grouped or strict: when the disk has a record",
        read.choice(*_DURABILITY),
        tighten=_rank(*_DURABILITY),
    ),
    Row(
        ("audit", "sinks"),
        "where records are sent: {name, to, format} and what that kind takes",
        read.sink,
        many=16,
        adds=True,
        tighten=_added,
    ),
    Row(
        ("audit", "host"),
        "what this machine is called in what is exported; else as the system says",
        read.machine,
    ),
    Row(
        ("audit", "on_failure"),
        "deny or continue: what becomes of that which cannot be recorded",
        read.choice(*_ON_FAILURE),
        tighten=_rank(*_ON_FAILURE),
    ),
    Row(
        ("audit", "rotate_size"),
        "bytes of the log after which it is set aside and a new file goes on; 0: never",
        read.size(MIN_PART),
    ),
    Row(
        ("audit", "rotate_age"),
        "seconds after which it is set aside; 0: never",
        read.size(MIN_AGE),
    ),
    Row(
        ("audit", "keep"),
        "files of one log that are set aside and kept, the oldest deleted first; 0: all",
        read.integer(0, MAX_BUDGET),
        tighten=_most(lambda kept: kept or MAX_BUDGET + 1),
    ),
    Row(
        ("audit", "anchors"),
        "the absolute path of a folder that keeps each log's newest signed checkpoint",
        read.absolute,
    ),
    Row(
        ("telemetry", "trace"),
        "off or on: a span for each request, whose id the server is given",
        read.choice(*_TRACE),
        tighten=_rank(*_TRACE),
    ),
    Row(
        ("telemetry", "listen"),
        "127.0.0.1:PORT or [::1]:PORT at which `mcpguard metrics` serves Prometheus",
        read.listener,
    ),
    Row(
        ("audit", "capture", "arguments"),
        "tools whose calls' arguments stand in the log, redacted and cut",
        read.glob,
        many=100,
        adds=True,
        tighten=_added,
    ),
    Row(
        ("audit", "capture", "results"),
        "tools whose results stand in the log, redacted and cut",
        read.glob,
        many=100,
        adds=True,
        tighten=_added,
    ),
    Row(
        ("audit", "evidence"),
        "off or on: each call's record holds what evidence of it needs (CapiscIO RFC-006)",
        read.choice(*_EVIDENCE),
        tighten=_rank(*_EVIDENCE),
    ),
    Row(
        ("audit", "receipts"),
        "off, on or required: whether commands leave a receipt, or do nothing without",
        read.choice(*_RECEIPTS),
        tighten=_rank(*_RECEIPTS),
    ),
    Row(
        ("store", "backend"),
        "memory, sqlite or redis: where limits and scores are shared",
        read.choice(*BACKENDS),
    ),
    Row(("store", "where"), "a file or address for it", read.place),
    Row(
        ("store", "on_loss"),
        "closed or local: what counts limits while the store is gone",
        read.word(OnLoss),
        tighten=_rank("local", "closed"),
    ),
)
"""Every key, in the order in which `config show` prints them."""

PER_SERVER: Final = (
    "tools", "limits", "gateway", "scan", "approvals", "rules", "requests", "trust",
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
