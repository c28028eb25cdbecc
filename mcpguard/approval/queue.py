"""The calls of one session that wait for a person. Sans-IO: times come in, nothing is read.

    ask -> Waiting      a ticket is open; the call is held under its token
    ask -> Granted      there was a yes for exactly this call; it is used up now
    ask -> Refused      it cannot be asked about, or a person said no

| ticket | its call | a yes | a no | then |
|---|---|---|---|---|
| pending | held, for `hold` s | wakes the call | wakes the call, refused | times out: unheld |
| pending | unheld, for `retry` s | admits the next identical call | ends it | expires |
| granted | woken, or unheld | changes nothing | ends it | expires `retry` s after the last yes |

A ticket is for one call. A second identical call at the same time opens a ticket of its own, and
waits for a yes of its own; an identical call after a time-out takes the oldest unheld ticket over.
A no holds for identical calls for `retry` s, so that a model that insists tires nobody.

`now` is monotonic seconds, `unix` whole seconds since 1970. Woken calls ask again with their token:
so a call is judged by what holds when it goes, and a yes is used up in one place.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from mcpguard.approval.outcome import (
    Asked,
    Became,
    Grant,
    Granted,
    Outcome,
    Parting,
    Refusal,
    Refused,
    Row,
    Shown,
    Waiting,
)
from mcpguard.approval.statement import (
    MAX_LIFE,
    Answer,
    Binding,
    Flaw,
    Signed,
    Verify,
    arguments_digest,
    binding_digest,
    clean,
    fresh,
    plain_tool,
    statement_payload,
)
from mcpguard.approval.tickets import SHORT, Spent, minted
from mcpguard.model import JsonObject
from mcpguard.wire.canonical import canonical

__all__ = ["HOST_USER", "MAX_BYTES", "MAX_OF_ONE", "MAX_PENDING", "Queue"]

MAX_PENDING = 64
"""Open tickets of a session. A person reads no longer list; more is refused, never hidden."""

MAX_OF_ONE = 16
"""Open tickets of one principal, so that none fills the list in which another's call waits."""

MAX_BYTES = 8 * 1024 * 1024
"""Bytes of arguments kept to be shown, over all tickets: one longest line's."""

HOST_USER = "the host's user"
"""By whom an elicited yes was given, in records: nobody proved to be it."""

_MINTING = 8
"""Tries for a ticket that no other has; with 64 open, two in a row do not happen by chance."""


@dataclass(slots=True)
class _Ticket:
    id: str
    request: str
    binding: Binding
    digest: str
    arguments: JsonObject
    size: int
    since: float
    token: str = ""
    """Of the call that is held now; empty: none is."""
    held_until: float = 0.0
    ends: float = 0.0
    turns: int = 0
    answers: dict[str, Signed] = field(default_factory=dict)
    by: dict[str, str] = field(default_factory=dict)
    granted: bool = False
    lent: bool = False
    """The yes is not in `answers`: it is for the held call alone."""

    def forget(self) -> None:
        """All answers so far count no more."""
        self.answers, self.by, self.granted, self.lent = {}, {}, False, False


class Queue:
    """The tickets of one session.

    `session`: its id, which every answer names. `hold`, `retry`: seconds; `quorum`: approvers; see
    `config.settings.ApprovalSettings`. `source`: n random bytes. `verify` decides whose signature
    an answer bears. `spent` is told what was used up, and shared with `shared.consume`, so that an
    answer used here counts no more when somebody puts it into the store. `unsigned`: who answered
    unsigned, in records. Not thread-safe.
    """

    def __init__(
        self,
        session: str,
        verify: Verify,
        source: Callable[[int], bytes],
        *,
        spent: Spent | None = None,
        hold: int = 45,
        retry: int = 600,
        quorum: int = 1,
        unsigned: str = HOST_USER,
    ) -> None:
        self._host_user = unsigned
        self._spent = spent or Spent()
        self._session = session
        self._verify = verify
        self._source = source
        self._hold = hold
        self._retry = min(retry, MAX_LIFE)
        self._quorum = max(1, quorum)
        self._tickets: dict[str, _Ticket] = {}
        self._refused: dict[str, float] = {}
        self._bytes = 0

    def change(self, verify: Verify, *, hold: int, retry: int, quorum: int) -> None:
        """Other approvers or settings: answers that were not used up yet count no more."""
        self._verify = verify
        self._hold = hold
        self._retry = min(retry, MAX_LIFE)
        self._quorum = max(1, quorum)
        for ticket in self._tickets.values():
            ticket.forget()

    # --- the call's side -------------------------------------------------------------------------

    def ask(
        self,
        binding: Binding,
        arguments: JsonObject,
        now: float,
        *,
        token: str = "",
    ) -> Asked:
        """May this call go? `arguments`: exactly what `binding` is of, to be shown.

        `token`: of the call that was woken and asks again.
        """
        size = _size(binding, arguments)
        if size is None:
            return Refused(Refusal.UNSHOWN)
        self._expire(now)
        digest = binding_digest(binding)
        mine = self._woken(token, digest)
        if mine is not None:
            return self._use(mine) if mine.granted else Waiting(mine.id, token)
        if now < self._refused.get(digest, now):
            return Refused(Refusal.SAID_NO)
        free = [each for each in self._tickets.values() if each.digest == digest and not each.token]
        granted = next((each for each in free if each.granted), None)
        if granted is not None:
            return self._use(granted)
        ticket = free[0] if free else self._opened(binding, digest, arguments, size, now)
        return ticket if isinstance(ticket, Refused) else self._held(ticket, now)

    def cancel(self, token: str) -> None:
        """The held call was taken back: its ticket is closed, a yes for it admits nothing."""
        ticket = self._by_token(token)
        if ticket is not None:
            self._close(ticket)

    def timed_out(self, now: float) -> tuple[Waiting, ...]:
        """Held calls whose time is up: their senders are told, their tickets stay open.

        A call that was woken and has not asked again in time is among them.
        """
        over = [each for each in self._tickets.values() if each.token and now >= _due(each)]
        told = tuple(Waiting(each.id, each.token) for each in over)
        for ticket in over:
            ticket.token = ""
        self._expire(now)
        return told

    def due(self) -> float | None:
        """When `timed_out` has something to say next, or None."""
        held = (each for each in self._tickets.values() if each.token)
        return min((_due(each) for each in held), default=None)

    def admit(self, token: str, by: tuple[str, ...], now: float) -> Outcome:
        """A grant of the shared store, given `by` these, was used up for this held call."""
        self._expire(now)
        ticket = self._by_token(token)
        return self._lend(ticket, by, now) if ticket else Outcome(Became.UNKNOWN, "")

    # --- the person's side -----------------------------------------------------------------------

    def pending(self, now: float) -> tuple[Row, ...]:
        """Every open ticket, the oldest first."""
        self._expire(now)
        return tuple(self._row(each, now) for each in self._tickets.values())

    def show(self, ticket: str, now: float) -> Shown | None:
        """One ticket in full. Whoever signs computes the digest of the arguments again."""
        self._expire(now)
        found = self._tickets.get(ticket)
        return self._shown(found, now) if found else None

    def answer(self, signed: Signed, now: float, unix: int) -> Outcome:
        """A signed yes or no, by an approver who counts and about this very asking."""
        self._expire(now)
        said = signed.statement
        wrong = self.refusal(signed, now, unix)
        ticket = self._tickets.get(said.request[:SHORT])
        if wrong is not None or ticket is None:
            return wrong or Outcome(Became.UNKNOWN, said.request[:SHORT])
        _, name = self._judged(ticket, signed, unix)
        if said.answer is Answer.NO:
            return self._refuse(ticket, now)
        self._drop_expired(ticket, unix)
        if ticket.granted or signed.key in ticket.answers:
            return Outcome(Became.AGAIN, ticket.id)
        ticket.answers[signed.key] = signed
        ticket.by[signed.key] = name
        return self._counted(ticket, now, unix)

    def refusal(self, signed: Signed, now: float, unix: int) -> Outcome | None:
        """Why `signed` would count for nothing; None: it would count. Answers nothing."""
        self._expire(now)
        said = signed.statement
        ticket = self._tickets.get(said.request[:SHORT])
        if ticket is None or ticket.request != said.request:
            return Outcome(Became.UNKNOWN, said.request[:SHORT])
        flaw, _ = self._judged(ticket, signed, unix)
        return None if flaw is None else Outcome(Became.FLAWED, ticket.id, flaw=flaw)

    def refuse(self, ticket: str, now: float) -> Outcome:
        """A no that nobody signed: it only tightens."""
        self._expire(now)
        found = self._tickets.get(ticket)
        return self._refuse(found, now) if found else Outcome(Became.UNKNOWN, ticket)

    def refuse_like(self, ticket: str, now: float) -> tuple[Outcome, ...]:
        """A no to every call of the same principal to the same tool as `ticket`'s."""
        self._expire(now)
        like = self._tickets.get(ticket)
        if like is None:
            return (Outcome(Became.UNKNOWN, ticket),)
        alike = [each for each in self._tickets.values() if _like(each) == _like(like)]
        return tuple(self._refuse(each, now) for each in alike)

    def elicited(self, token: str, answer: Answer, now: float, *, low_risk: bool) -> Outcome:
        """What the host's own user said of a held call.

        `low_risk`: whether that user may answer, by what holds now; else a yes does not count.
        """
        self._expire(now)
        ticket = self._by_token(token)
        if ticket is None:
            return Outcome(Became.UNKNOWN, "")
        if answer is Answer.NO:
            return self._refuse(ticket, now)
        if not low_risk:
            return Outcome(Became.FLAWED, ticket.id, flaw=Flaw.UNSIGNED)
        return self._lend(ticket, (self._host_user,), now)

    def release(self, ticket: str) -> Grant | None:
        """Takes a granted, unheld ticket out, for the shared store: then only that holds it.

        None when it is not one, or was not granted by signatures.
        """
        found = self._tickets.get(ticket)
        if found is None or not found.granted or found.token or found.lent:
            return None
        self._close(found)
        return Grant(found.binding, tuple(found.answers.values()))

    def part(self, now: float) -> tuple[Parting, ...]:
        """Ends the queue: what senders were told to come again for, and nobody has allowed yet.

        Granted tickets go with `release` before; a held call ends with its session.
        """
        self._expire(now)
        told = [each for each in self._tickets.values() if not (each.token or each.granted)]
        parted = tuple(
            Parting(self._shown(each, now), tuple(each.answers.values())) for each in told
        )
        for ticket in list(self._tickets.values()):
            self._close(ticket)
        return parted

    # --- inside ----------------------------------------------------------------------------------

    def _judged(self, ticket: _Ticket, signed: Signed, unix: int) -> tuple[Flaw | None, str]:
        said = signed.statement
        if said.session != self._session or said.binding != ticket.binding:
            return Flaw.OTHER_CALL, ""
        flaw = fresh(said, unix, self._retry)
        if flaw is not None:
            return flaw, ""
        name = self._verify(signed.key, statement_payload(said), signed.signature)
        return (None, name) if name else (Flaw.UNSIGNED, "")

    def _drop_expired(self, ticket: _Ticket, unix: int) -> None:
        for key in [k for k, each in ticket.answers.items() if unix >= each.statement.until]:
            del ticket.answers[key], ticket.by[key]

    def _counted(self, ticket: _Ticket, now: float, unix: int) -> Outcome:
        if len(ticket.answers) < self._quorum:
            return Outcome(Became.COUNTED, ticket.id)
        left = min(each.statement.until for each in ticket.answers.values()) - unix
        return self._grant(ticket, now + min(left, self._retry))

    def _grant(self, ticket: _Ticket, until: float) -> Outcome:
        ticket.granted = True
        ticket.ends = until
        self._refused.pop(ticket.digest, None)
        if ticket.token:
            return Outcome(Became.GRANTED_NOW, ticket.id, wake=ticket.token)
        return Outcome(Became.GRANTED_LATER, ticket.id)

    def _lend(self, ticket: _Ticket, by: tuple[str, ...], now: float) -> Outcome:
        """A yes for the held call alone: unused, it is gone with the call."""
        ticket.forget()
        ticket.by = {f"lent {at}": name for at, name in enumerate(by)}
        ticket.lent = True
        return self._grant(ticket, now + self._hold)

    def _refuse(self, ticket: _Ticket, now: float) -> Outcome:
        self._close(ticket)
        while len(self._refused) >= MAX_PENDING:
            del self._refused[next(iter(self._refused))]
        self._refused[ticket.digest] = now + self._retry
        return Outcome(Became.REFUSED, ticket.id, wake=ticket.token)

    def _use(self, ticket: _Ticket) -> Granted:
        self._spent.add(ticket.request)
        self._close(ticket)
        return Granted(ticket.id, tuple(ticket.by.values()))

    def _opened(
        self,
        binding: Binding,
        digest: str,
        arguments: JsonObject,
        size: int,
        now: float,
    ) -> _Ticket | Refused:
        why = self._no_room(binding.principal, size)
        if why is not None:
            return Refused(why)
        request = self._minted()
        if not request:
            return Refused(Refusal.NO_TICKET)
        ticket = _Ticket(request[:SHORT], request, binding, digest, arguments, size, now)
        self._tickets[ticket.id] = ticket
        self._bytes += size
        return ticket

    def _no_room(self, principal: str, size: int) -> Refusal | None:
        if len(self._tickets) >= MAX_PENDING:
            return Refusal.FULL
        own = sum(each.binding.principal == principal for each in self._tickets.values())
        if own >= MAX_OF_ONE:
            return Refusal.CROWDED
        return Refusal.TOO_BIG if self._bytes + size > MAX_BYTES else None

    def _minted(self) -> str:
        """A request id whose ticket is free, or empty: without randomness nobody is asked."""
        for _ in range(_MINTING):
            try:
                request = minted(self._source)
            except (OSError, ValueError, NotImplementedError):
                return ""
            if request[:SHORT] not in self._tickets:
                return request
        return ""

    def _held(self, ticket: _Ticket, now: float) -> Waiting:
        ticket.turns += 1
        ticket.token = f"{ticket.request}.{ticket.turns}"
        ticket.held_until = now + self._hold
        ticket.ends = ticket.held_until + self._retry
        return Waiting(ticket.id, ticket.token)

    def _woken(self, token: str, digest: str) -> _Ticket | None:
        """The ticket under which that call is held, if it still is the same call."""
        ticket = self._by_token(token)
        if ticket is not None and ticket.digest != digest:
            self._close(ticket)
            return None
        return ticket

    def _by_token(self, token: str) -> _Ticket | None:
        ticket = self._tickets.get(token[:SHORT])
        return ticket if ticket is not None and token and ticket.token == token else None

    def _expire(self, now: float) -> None:
        """Unheld tickets end by themselves; held ones when `timed_out` has told of them."""
        for ticket in [each for each in self._tickets.values() if now >= each.ends]:
            if not ticket.token:
                self._close(ticket)
            elif ticket.granted:
                ticket.forget()
        for digest in [each for each, until in self._refused.items() if now >= until]:
            del self._refused[digest]

    def _close(self, ticket: _Ticket) -> None:
        if self._tickets.pop(ticket.id, None) is not None:
            self._bytes -= ticket.size

    def _shown(self, ticket: _Ticket, now: float) -> Shown:
        row, life = self._row(ticket, now), self._retry
        return Shown(row, self._session, ticket.request, ticket.binding, ticket.arguments, life)

    def _row(self, ticket: _Ticket, now: float) -> Row:
        held = bool(ticket.token) and not ticket.granted
        return Row(
            ticket.id,
            ticket.binding.server,
            ticket.binding.tool,
            ticket.binding.principal,
            now - ticket.since,
            max(0.0, (ticket.held_until if held else ticket.ends) - now),
            bool(ticket.token),
            len(ticket.by),
            self._quorum,
        )


def _size(binding: Binding, arguments: JsonObject) -> int | None:
    """Bytes of the arguments' text, or None when it is not what the binding is of."""
    try:
        size = len(canonical(arguments))
        same = arguments_digest(arguments) == binding.arguments
    except ValueError:
        return None
    return size if same and all(map(clean, binding)) else None


def _due(ticket: _Ticket) -> float:
    return ticket.ends if ticket.granted else ticket.held_until


def _like(ticket: _Ticket) -> tuple[str, str, str]:
    return ticket.binding.principal, ticket.binding.server, plain_tool(ticket.binding)
