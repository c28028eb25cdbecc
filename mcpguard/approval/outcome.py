"""The words between a queue and those around it: what a call is told, what an answer did."""

from enum import StrEnum
from typing import NamedTuple, TypeAlias

from mcpguard.approval.statement import Binding, Flaw, Signed
from mcpguard.model import JsonObject

__all__ = [
    "Asked",
    "Became",
    "Grant",
    "Granted",
    "Outcome",
    "Parting",
    "Refusal",
    "Refused",
    "Row",
    "Shown",
    "Waiting",
]


class Refusal(StrEnum):
    """Why a call is refused without waiting. Each is a detail of a verdict."""

    FULL = "too many calls wait for an approval already"
    CROWDED = "too many calls of this caller wait for an approval already"
    TOO_BIG = "the arguments are too large to be shown to whoever approves"
    UNSHOWN = "what it is about cannot be shown exactly to whoever approves"
    NO_TICKET = "no ticket could be made for it"
    SAID_NO = "a person refused exactly this call a short time ago"


class Became(StrEnum):
    """What an answer did."""

    UNKNOWN = "no call waits under this ticket"
    FLAWED = "the answer does not count"
    COUNTED = "counted; more approvers have to say yes"
    AGAIN = "it was said already, and counts once"
    MEANWHILE = "somebody else answered at the same time: look at it again"
    GRANTED_NOW = "the call goes now"
    GRANTED_LATER = "the next identical call goes"
    REFUSED = "the call is refused"


class Granted(NamedTuple):
    """The call may go. `by`: the names of who said yes."""

    ticket: str
    by: tuple[str, ...]


class Refused(NamedTuple):
    """The call may not go."""

    why: Refusal


class Waiting(NamedTuple):
    """The call is held. `token`: what `cancel`, `ask` and the outcomes name it by."""

    ticket: str
    token: str


Asked: TypeAlias = Granted | Refused | Waiting
"""What `Queue.ask` says."""


class Outcome(NamedTuple):
    """What became of an answer. `wake`: the token of a held call that asks again now, or empty."""

    became: Became
    ticket: str
    wake: str = ""
    flaw: Flaw | None = None


class Grant(NamedTuple):
    """The signed answers that let one call through, as they leave for the shared store."""

    binding: Binding
    answers: tuple[Signed, ...]


class Row(NamedTuple):
    """A line of the list: `yes` of `quorum` approvers agreed.

    `left`: seconds until a held call is told to come again, else until the ticket expires.
    """

    ticket: str
    server: str
    tool: str
    principal: str
    age: float
    left: float
    held: bool
    yes: int
    quorum: int


class Shown(NamedTuple):
    """All that a person decides by, and what is to be signed. `life`: seconds a yes lasts."""

    row: Row
    session: str
    request: str
    binding: Binding
    arguments: JsonObject
    life: int


class Parting(NamedTuple):
    """A ticket that outlives its session (`orphans`), and the answers it has so far."""

    shown: Shown
    answers: tuple[Signed, ...]
