"""Where the queue of approvals meets the session: calls that ask, a store that remembers a yes.

The queue decides; this keeps it in step with the calls that really wait, and with the store, which
holds a yes that came after its call had been answered until that call is repeated, anywhere.
"""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from mcpguard.approval import orphans, shared
from mcpguard.approval.outcome import Grant, Granted, Outcome, Parting, Refused
from mcpguard.approval.queue import Queue
from mcpguard.approval.statement import Answer, Binding, Signed, bound
from mcpguard.approval.texts import NO_APPROVER, elicited_text, held_text, waiting_text
from mcpguard.approval.tickets import Spent
from mcpguard.config.settings import ApprovalSettings
from mcpguard.identity.keys import Approver, verifier
from mcpguard.model import (
    APPROVED,
    Call,
    Context,
    Effect,
    Finding,
    Reason,
    Severity,
    Verdict,
    Wait,
)
from mcpguard.store import Store
from mcpguard.trust.policy import Glob

__all__ = ["Approvals"]

MAX_ALLOWED = 1024
"""Calls that were approved and are remembered, as they may be judged once more before they go."""

_TOOL = "tools/call"


class _Asking(NamedTuple):
    """A call that waits. `token`: the queue's name for it."""

    token: str
    binding: Binding


class Approvals:
    """The approvals of one session. Its own thread only, but for `sync`.

    `approve` is what stages are given. `clock`: monotonic seconds; `unix`: whole seconds since
    1970. `approvers`: whose signatures count. `lock`: the lockfile's digest, or empty.
    """

    def __init__(
        self,
        settings: ApprovalSettings,
        *,
        session: str,
        server: str,
        lock: str,
        approvers: Sequence[Approver],
        source: Callable[[int], bytes],
        clock: Callable[[], float],
        unix: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._server, self._lock = server, lock
        self._anybody = bool(approvers)
        self._verify = verify = verifier(approvers)
        self._clock, self._unix = clock, unix
        self._spent = Spent()
        self.queue = Queue(
            session,
            verify,
            source,
            spent=self._spent,
            hold=settings.hold,
            retry=settings.retry,
            quorum=settings.quorum,
        )
        self._low_risk = tuple(map(Glob, settings.elicit))
        self._asking: dict[int, _Asking] = {}
        self._over: dict[int, str] = {}
        self._allowed: dict[int, Verdict] = {}
        self._leaving: list[Grant] = []
        self._looked: set[str] = set()

    # --- the calls' side -------------------------------------------------------------------------

    def approver(self, stage: str) -> Callable[[Call, Context], Verdict | Wait]:
        """What `stage` asks."""

        def approve(call: Call, ctx: Context) -> Verdict | Wait:
            return self._approve(stage, call, ctx)

        return approve

    def _approve(self, stage: str, call: Call, ctx: Context) -> Verdict | Wait:
        wire = ctx.live.call
        if wire in self._allowed:
            return self._allowed[wire]
        tool = call.target if call.method == _TOOL else f"{call.method} {call.target}"
        ticket = self._over.pop(wire, "")
        if ticket:
            return Verdict.deny(
                Reason.APPROVAL_AWAITED, waiting_text(tool, ticket, self._settings.retry)
            )
        binding = bound(ctx.parties.caller.id, self._server, tool, call.arguments, self._lock)
        before = self._asking.get(wire)
        if before is not None and ctx.live.said is not None:
            said = Answer.YES if ctx.live.said else Answer.NO
            self.queue.elicited(before.token, said, self._clock())
        low_risk = any(glob.matches(tool) for glob in self._low_risk)
        if not (low_risk or self._anybody):
            return Verdict.deny(Reason.APPROVAL, NO_APPROVER)
        asked = self.queue.ask(
            binding,
            call.arguments,
            self._clock(),
            token=before.token if before else "",
            low_risk=low_risk,
        )
        if isinstance(asked, Refused):
            self._asking.pop(wire, None)
            return Verdict.deny(Reason.APPROVAL, str(asked.why))
        if isinstance(asked, Granted):
            self._asking.pop(wire, None)
            return self._granted(wire, asked)
        self._asking[wire] = _Asking(asked.token, binding)
        question = elicited_text(tool) if low_risk else ""
        return Wait(stage, asked.ticket, held_text(tool, asked.ticket), question)

    def _granted(self, wire: int, asked: Granted) -> Verdict:
        by = ", ".join(asked.by)
        finding = Finding(APPROVED, Severity.INFO, asked.ticket, f"approved by {by}")
        verdict = Verdict(Effect.ALLOW, findings=(finding,))
        self._allowed[wire] = verdict
        if len(self._allowed) > MAX_ALLOWED:
            del self._allowed[next(iter(self._allowed))]
        return verdict

    def keep(self, held: Collection[int]) -> bool:
        """After each turn: `held` are the calls that still wait. True: some are to be judged again.

        A call that was cancelled, or ended in another way, is taken back.
        """
        for wire in [each for each in self._asking if each not in held]:
            self.queue.cancel(self._asking.pop(wire).token)
        due = self.queue.due()
        if due is None or self._clock() < due:
            return False
        by_token = {asking.token: wire for wire, asking in self._asking.items()}
        for waiting in self.queue.timed_out(self._clock()):
            wire = by_token.get(waiting.token)
            if wire is not None:
                del self._asking[wire]
                self._over[wire] = waiting.ticket
        return True

    # --- the people's side -----------------------------------------------------------------------

    def answer(self, signed: Signed) -> Outcome:
        """A signed answer. One that came too late for its call is left in the store."""
        outcome = self.queue.answer(signed, self._clock(), self._unix())
        if not outcome.wake:
            grant = self.queue.release(outcome.ticket)
            if grant is not None:
                self._leaving.append(grant)
        return outcome

    # --- the store's side ------------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Some call waits."""
        return bool(self._asking)

    @property
    def urgent(self) -> bool:
        """See `worker.Keeper`: a yes is to be left, or nobody has looked for one yet."""
        if self._leaving:
            return True
        return any(asking.token not in self._looked for asking in self._asking.values())

    def sync(self, store: Store) -> Callable[[], None]:
        """See `worker.Keeper`. In the worker's thread: reads what does not change meanwhile."""
        leaving = tuple(self._leaving)
        asking = tuple(self._asking.values())
        now, settings = self._unix(), self._settings
        for grant in leaving:
            shared.publish(store, grant)
        found: list[tuple[str, tuple[str, ...]]] = []
        for each in asking:
            admitted = shared.consume(
                store,
                each.binding,
                self._verify,
                self._spent,
                quorum=settings.quorum,
                now=now,
                life=settings.retry,
            )
            if admitted is not None:
                found.append((each.token, admitted.by))

        def take() -> None:
            del self._leaving[: len(leaving)]
            self._looked = {each.token for each in asking}
            for token, by in found:
                self.queue.admit(token, by, self._clock())

        return take

    def lost(self) -> None:
        """See `worker.Keeper`: a yes waits here until the store is back."""

    def part(self) -> tuple[Parting, ...]:
        """The session ends: what senders were told to come again for."""
        return self.queue.part(self._clock())

    def leave(self, store: Store, partings: tuple[Parting, ...]) -> None:
        """Leave `partings` in the store, for a person to answer there. Blocks."""
        for parting in partings:
            orphans.leave(store, parting, self._unix())
