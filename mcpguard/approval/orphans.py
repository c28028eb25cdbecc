"""Tickets whose session ended before a person answered: kept in the store, answered there.

The host was told to repeat the call within ten minutes of a yes, and a restarted host does so in
another session. So a session leaves its unanswered tickets behind, `waiting/TICKET`; a person's yes
to one becomes a grant (`shared`), which the next proxy finds. Their arguments are in the store for
that long, since nobody should approve what he cannot see; too large ones are not left.

What is shown is what is signed: the binding is computed from the arguments that were read, never
read itself. All functions that take a store block and raise StoreError.
"""

from typing import NamedTuple

from mcpguard.approval.outcome import Became, Grant, Outcome, Parting
from mcpguard.approval.shared import grant_of, grant_value, publish
from mcpguard.approval.statement import (
    Answer,
    Binding,
    Flaw,
    Signed,
    Verify,
    bound,
    clean,
    fresh,
    statement_payload,
)
from mcpguard.approval.tickets import SHORT
from mcpguard.model import Json, JsonObject
from mcpguard.store import ABSENT, MAX_VALUE, Store
from mcpguard.wire.canonical import canonical

__all__ = [
    "MAX_LEFT",
    "PREFIX",
    "Left",
    "answer_left",
    "leave",
    "left",
    "left_of",
    "refuse_left",
    "sweep_left",
]

PREFIX = "waiting/"
"""Of every ticket's key."""

MAX_LEFT = 64
"""Tickets shown of those that were left, the ones that expire first."""

_ROOM = MAX_VALUE // 4
"""Bytes of arguments: the answers and the escapes of JSON need room beside them."""


class Left(NamedTuple):
    """A ticket without its session. `until`: Unix seconds; `life`: seconds that a yes lasts."""

    session: str
    request: str
    principal: str
    server: str
    tool: str
    lock: str
    until: int
    life: int
    arguments: JsonObject
    answers: tuple[Signed, ...]

    @property
    def ticket(self) -> str:
        """What a person types."""
        return self.request[:SHORT]

    def value(self, now: int) -> JsonObject:
        """As `texts.shown_value` has it, for whoever approves; `now`: Unix seconds."""
        return {
            "ticket": self.ticket,
            "server": self.server,
            "tool": self.tool,
            "principal": self.principal,
            "left": self.until - now,
            "held": False,
            "yes": len(self.answers),
            "session": self.session,
            "request": self.request,
            "lock": self.lock,
            "life": self.life,
            "arguments": self.arguments,
        }

    @property
    def binding(self) -> Binding:
        """Of the arguments that are shown."""
        return bound(self.principal, self.server, self.tool, self.arguments, self.lock)


def leave(store: Store, parting: Parting, now: int) -> bool:
    """Keeps one ticket of a session that ends. False: its arguments are too large, or it is there.

    `now`: Unix seconds.
    """
    shown, binding = parting.shown, parting.shown.binding
    if len(canonical(shown.arguments)) > _ROOM:
        return False
    one = Left(
        shown.session,
        shown.request,
        binding.principal,
        binding.server,
        binding.tool,
        binding.lock,
        now + int(shown.row.left),
        shown.life,
        shown.arguments,
        parting.answers,
    )
    return store.put(PREFIX + one.ticket, _value(one), ABSENT) is not None


def left(store: Store, now: int) -> tuple[Left, ...]:
    """What was left and has not expired, the first to expire first."""
    read = [left_of(row.value) for row in store.list(PREFIX).values()]
    alive = [each for each in read if each is not None and now < each.until]
    return tuple(sorted(alive, key=lambda each: each.until)[:MAX_LEFT])


def answer_left(store: Store, signed: Signed, verify: Verify, *, quorum: int, now: int) -> Outcome:
    """A signed yes or no to a ticket that was left. Enough yeses make it a grant."""
    said = signed.statement
    ticket = said.request[:SHORT]
    found = store.get(PREFIX + ticket) if ticket.isalnum() else None
    one = left_of(found.value) if found else None
    if found is None or one is None or one.request != said.request or now >= one.until:
        return Outcome(Became.UNKNOWN, ticket)
    flaw = _flaw(one, signed, verify, now)
    if flaw is not None:
        return Outcome(Became.FLAWED, ticket, flaw=flaw)
    if said.answer is Answer.NO:
        done = store.delete(PREFIX + ticket, found.version)
        return Outcome(Became.REFUSED if done else Became.MEANWHILE, ticket)
    before = {each.key: each for each in one.answers if _flaw(one, each, verify, now) is None}
    if signed.key in before:
        return Outcome(Became.AGAIN, ticket)
    more = one._replace(answers=(*before.values(), signed))
    return Outcome(_counted(store, more, found.version, max(1, quorum)), ticket)


def _counted(store: Store, one: Left, version: int, quorum: int) -> Became:
    key = PREFIX + one.ticket
    if len(one.answers) < quorum:
        kept = store.put(key, _value(one), version)
        return Became.COUNTED if kept else Became.MEANWHILE
    # Deleted first: whoever is interrupted here has lost a yes, not doubled it.
    done = store.delete(key, version) and publish(store, Grant(one.binding, one.answers))
    return Became.GRANTED_LATER if done else Became.MEANWHILE


def refuse_left(store: Store, ticket: str) -> bool:
    """A no that nobody signed. False: there is no such ticket."""
    found = store.get(PREFIX + ticket)
    return found is not None and store.delete(PREFIX + ticket, found.version) is not None


def sweep_left(store: Store, now: int) -> int:
    """Deletes tickets that have expired or cannot be read. How many."""
    rows = [(key, row.version, left_of(row.value)) for key, row in store.list(PREFIX).items()]
    old = [(key, version) for key, version, one in rows if one is None or now >= one.until]
    return sum(store.delete(key, version) is not None for key, version in old)


def left_of(value: Json) -> Left | None:
    """A ticket as it was stored; None for anything else. Verifies no signature."""
    if not isinstance(value, dict) or set(value) != _KEYS or value["v"] != 1:
        return None
    texts = [value[name] for name in _TEXTS]
    until, life, arguments = value["until"], value["life"], value["arguments"]
    numbers = type(until) is int and type(life) is int
    answers = grant_of({"v": 1, "answers": value["answers"]}) if value["answers"] != [] else ()
    if not (numbers and isinstance(arguments, dict) and not isinstance(answers, Flaw)):
        return None
    if not all(isinstance(each, str) and clean(each) for each in texts):
        return None
    session, request, principal, server, tool, lock = map(str, texts)
    times = int(str(until)), int(str(life))
    try:
        bound(principal, server, tool, arguments, lock)
    except ValueError:
        return None
    return Left(session, request, principal, server, tool, lock, *times, arguments, answers)


_TEXTS = ("session", "request", "principal", "server", "tool", "lock")
_KEYS = frozenset((*Left._fields, "v"))


def _value(one: Left) -> Json:
    stored = grant_value(Grant(one.binding, one.answers))
    answers = stored["answers"] if isinstance(stored, dict) else []
    return {**one._asdict(), "answers": answers, "v": 1}


def _flaw(one: Left, signed: Signed, verify: Verify, now: int) -> Flaw | None:
    said = signed.statement
    if (said.session, said.request, said.binding) != (one.session, one.request, one.binding):
        return Flaw.OTHER_CALL
    flaw = fresh(said, now, one.life)
    if flaw is not None:
        return flaw
    named = verify(signed.key, statement_payload(said), signed.signature)
    return None if named else Flaw.UNSIGNED
