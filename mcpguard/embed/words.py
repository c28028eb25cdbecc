"""What a program asks and is told: plain values, and who takes part in one call."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import Held, ItemKind, JsonObject, Parties, Principal, Reason, Wait

__all__ = ["Answer", "Approve", "Asked", "Capped", "Moment", "States"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What was decided.

    `allowed`: the program may go on. `arguments`: those of the call, exactly as they may be sent:
    a stage may have taken something out. `result`: likewise, of a call that was answered. `rule`,
    `reason`, `detail`: who denied it, or remarked on it, and why; without a remark empty and `ok`.
    `text`: the sentence for a model or a person; empty when it is allowed. `call`: which one of
    the guard with the id `session`.
    """

    allowed: bool
    tool: str
    arguments: JsonObject
    call: int
    session: str
    rule: str = ""
    reason: Reason = Reason.OK
    detail: str = ""
    text: str = ""
    result: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that needs a person: what an approval callback is asked about.

    `ticket`: its name for `mcpguard approve`. `why`: a sentence without full stop.
    """

    principal: str
    server: str
    tool: str
    arguments: JsonObject
    ticket: str
    why: str


Approve = Callable[[Asked], Awaitable[bool]]
"""Asks somebody. Nothing but True is a yes; what it raises denies the call, and so does silence."""


class Moment:
    """`model.Live` of one call."""

    __slots__ = ("again", "asked", "call", "failed", "now", "said")

    def __init__(self, call: int, now: float) -> None:
        self.call, self.now = call, now
        self.again: Wait | None = None
        self.said: bool | None = None
        self.asked = False
        """Its callback was begun."""
        self.failed = ""
        """What the callback raised."""


_SAID = "the caller, as the program says,"


class Capped:
    """The parties of a session, and what the program asserts of the caller beside them.

    The least of all that are held counts, so an assertion lowers a score and never raises one.
    """

    def __init__(self, parties: Parties, asserted: int) -> None:
        self._parties, self._asserted = parties, asserted

    @property
    def caller(self) -> Principal:
        """See `model.Parties`."""
        return self._parties.caller

    def held(self) -> Sequence[Held]:
        """See `model.Parties`."""
        return (*self._parties.held(), Held(self.caller.level, self._asserted, _SAID))


class States:
    """`model.SessionFacts` of a program's server.

    `listed`: what was found of each tool that the server lists; None: the program vouches that its
    tools are those of the lockfile.
    """

    def __init__(self, lock: Lockfile, listed: Mapping[str, Reason] | None) -> None:
        self._lock = lock
        self.listed = listed

    def item_state(self, kind: ItemKind, name: str) -> Reason:
        """See `model.SessionFacts`."""
        if self._lock.item(kind, name) is None:
            return Reason.NOT_LOCKED
        if kind is not ItemKind.TOOL or self.listed is None:
            return _VOUCHED
        return self.listed.get(name, Reason.NOT_LISTED)


_VOUCHED: Final = Reason.OK
