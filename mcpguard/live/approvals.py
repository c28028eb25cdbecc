"""Where approvals meet the store: a yes that came too late for its call waits there, for a repeat.

The queue and the calls that ask it are the session's own. A yes that no call waits for any more is
left in the store, and used up from there by whichever proxy the identical call comes to. Only when
the store has none for a held call, or cannot be asked, are people told that it waits for them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from mcpguard.approval import orphans, shared
from mcpguard.approval.asking import Asking
from mcpguard.approval.outcome import Grant, Outcome, Parting, Row, Shown
from mcpguard.approval.queue import HOST_USER, Queue
from mcpguard.approval.statement import Binding, Signed
from mcpguard.approval.texts import nobody_text
from mcpguard.approval.tickets import SHORT, Spent
from mcpguard.config.settings import ApprovalSettings
from mcpguard.evidence.capture import brief
from mcpguard.identity.keys import verifier
from mcpguard.identity.roster import Approver
from mcpguard.live.worker import Job
from mcpguard.scan.patterns import Patterns
from mcpguard.store import Store
from mcpguard.trust.policy import Glob

__all__ = ["PROGRAM", "Approvals"]

PROGRAM = "the embedding program"
"""By whom a yes of its callback was given, in records."""


class Approvals:
    """The approvals of one session; a `worker.Sharer`. Its own thread only.

    `now`: the session's clock, monotonic seconds. `unix`: whole seconds since 1970. `source`: n
    random bytes. `approvers`: whose signatures count. `lock`: the lockfile's digest, or empty.
    `patterns`: what the operator has taken out of whatever is shown. `tell`: an event's name, and
    why.
    """

    def __init__(
        self,
        settings: ApprovalSettings,
        *,
        session: str,
        lock: str,
        approvers: Sequence[Approver],
        source: Callable[[int], bytes],
        now: Callable[[], float],
        unix: Callable[[], int],
        program: bool = False,
        patterns: Callable[[], Patterns | None] = lambda: None,
        tell: Callable[[str, str], None],
    ) -> None:
        self._settings, self._approvers = settings, tuple(approvers)
        self._program = program
        self._verify = verifier(approvers)
        self._now, self._unix, self._tell = now, unix, tell
        self._spent = Spent()
        self.queue = Queue(
            session,
            self._verify,
            source,
            spent=self._spent,
            hold=settings.hold,
            retry=settings.retry,
            quorum=settings.quorum,
            unsigned=PROGRAM if program else HOST_USER,
        )
        self.asking = Asking(
            self.queue,
            lock=lock,
            low_risk=self._unsigned(settings),
            retry=settings.retry,
            nobody=self.nobody,
            brief=lambda arguments: brief(arguments, patterns()),
        )
        self.leaving: list[Grant] = []
        """A yes each that the store is to keep."""
        self._looked: frozenset[str] = frozenset()
        self._said: frozenset[str] = frozenset()
        """Tokens of the held calls that people were told of."""
        self._lost = False

    def _unsigned(self, settings: ApprovalSettings) -> Callable[[str], bool]:
        """Of which tools a yes counts that nobody signed."""
        if self._program:
            return lambda _: settings.quorum == 1
        return _matching(settings.elicit)

    def change(self, settings: ApprovalSettings, approvers: Sequence[Approver]) -> None:
        """Other settings or approvers: if they differ, answers that wait to be used are void."""
        if (settings, tuple(approvers)) == (self._settings, self._approvers):
            return
        self._settings, self._approvers = settings, tuple(approvers)
        self._verify = verifier(approvers)
        self.queue.change(
            self._verify, hold=settings.hold, retry=settings.retry, quorum=settings.quorum
        )
        self.asking.change(
            low_risk=self._unsigned(settings), retry=settings.retry, nobody=self.nobody
        )

    @property
    def nobody(self) -> str:
        """Why no approver can say yes; empty when enough count."""
        return nobody_text(len(self._approvers), max(1, self._settings.quorum))

    def verify(self, key: str, text: bytes, signature: bytes) -> str:
        """Which approver signed `text`, of those who count now; empty: none of them."""
        return self._verify(key, text, signature)

    def pending(self) -> tuple[Row, ...]:
        """Every open ticket, the oldest first."""
        return self.queue.pending(self._now())

    def show(self, ticket: str) -> Shown | None:
        """One ticket in full."""
        return self.queue.show(ticket, self._now())

    def refusal(self, signed: Signed) -> Outcome | None:
        """Why an answer would count for nothing; None: it would count."""
        return self.queue.refusal(signed, self._now(), self._unix())

    def refuse(self, ticket: str) -> Outcome:
        """A no that nobody signed."""
        return self.queue.refuse(ticket, self._now())

    def recall(self, ticket: str) -> int:
        """Leave no yes to `ticket` in the store that is not there yet. How many."""
        kept = [each for each in self.leaving if _ticket(each) != ticket]
        gone, self.leaving = len(self.leaving) - len(kept), kept
        return gone

    def revoke(self, store: Store, ticket: str) -> bool:
        """Take back what the store holds of `ticket`, a yes or the asking. Blocks."""
        taken = shared.revoke(store, ticket, self._unix())
        return orphans.refuse_left(store, ticket) or bool(taken)

    def keep(self, held: Collection[int]) -> bool:
        """After each turn. `held`: wire ids of the calls that wait. Ends the others' tickets.

        Whether some waited in vain, and are to be judged again.
        """
        self.asking.still(held)
        waiting = self.asking.details
        if self._lost:
            self._say(waiting)
        due = self.queue.due()
        if due is None or self._now() < due:
            return False
        over = self.asking.over(self._now())
        left = self.asking.held
        self._say({token: why for token, why in waiting.items() if token not in left})
        return over

    def _say(self, waiting: Mapping[str, str]) -> None:
        """Tell people, once, of the held calls that need one of them. Token -> what they hear."""
        for token, detail in waiting.items():
            if token not in self._said:
                self._tell("call.waits", detail)
        self._said = self._said.union(waiting) & {*self.asking.held, *waiting}

    def answer(self, signed: Signed) -> Outcome:
        """A signed answer. A yes that came too late for its call is left in the store."""
        outcome = self.queue.answer(signed, self._now(), self._unix())
        grant = None if outcome.wake else self.queue.release(outcome.ticket)
        if grant is not None:
            self.leaving.append(grant)
        return outcome

    @property
    def urgent(self) -> bool:
        """A yes is to be left, or a call waits for which nobody has looked for one yet."""
        if self._lost:
            return False
        return bool(self.leaving) or not self._looked.issuperset(self.asking.held)

    def job(self) -> Job:
        """See `worker.Sharer`: leave what is to be left, use up what is there for a held call."""
        leaving, held, looked = tuple(self.leaving), dict(self.asking.held), self._consumed
        found: list[tuple[str, tuple[str, ...]]] = []

        def take() -> None:
            self._lost = False
            self.leaving = [each for each in self.leaving if each not in leaving]
            self._looked = frozenset(held)
            for token, by in found:
                self.queue.admit(token, by, self._now())
            needless = {token for token, _ in found}
            waiting = self.asking.details.items()
            self._say({at: why for at, why in waiting if at in held and at not in needless})

        def ask(store: Store) -> Callable[[], None]:
            for grant in leaving:
                shared.publish(store, grant)
            for token, binding in held.items():
                by = looked(store, binding)
                if by:
                    found.append((token, by))
            return take

        return ask

    def _consumed(self, store: Store, binding: Binding) -> tuple[str, ...]:
        """Use up a yes for exactly this call; who gave it, nobody if there is none. Blocks."""
        admitted = shared.consume(
            store,
            binding,
            self._verify,
            self._spent,
            quorum=self._settings.quorum,
            now=self._unix(),
            life=self._settings.retry,
        )
        return () if admitted is None else admitted.by

    def lost(self) -> None:
        """See `worker.Sharer`. A yes waits here until the store is back."""
        self._lost = True
        self._say(self.asking.details)

    def part(self) -> tuple[Parting, ...]:
        """The session ends: the tickets that senders were told of."""
        return self.queue.part(self._now())

    def leave(self, store: Store, partings: Sequence[Parting]) -> None:
        """Leave them in the store, where a person can answer them still. Blocks."""
        for parting in partings:
            orphans.leave(store, parting, self._unix())


def _ticket(grant: Grant) -> str:
    return grant.answers[0].statement.request[:SHORT]


def _matching(globs: Sequence[str]) -> Callable[[str], bool]:
    made = tuple(map(Glob, globs))
    return lambda tool: any(glob.matches(tool) for glob in made)
