"""A queue as stages ask it: one answer for one call, whatever stages it needs a person for.

A stage's question is `asking.of("trust")(call, context)`, a `pipeline.trust.Approve`. A call that
was approved stays so while it is judged again, for a limit or by a later stage, as long as it is
the same call: its arguments may not have been rewritten. The session says which calls still wait;
what it no longer names was answered, taken back or sent, and is forgotten.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from mcpguard.approval.outcome import Granted, Refusal, Refused
from mcpguard.approval.queue import Queue
from mcpguard.approval.statement import WITH_MORE, Answer, Binding, bound
from mcpguard.approval.texts import (
    elicited_text,
    holding_text,
    refused_text,
    waiting_text,
)
from mcpguard.model import (
    APPROVED,
    Call,
    Context,
    Effect,
    Finding,
    JsonObject,
    Reason,
    Severity,
    Verdict,
    Wait,
)

__all__ = ["Asking"]

_TOOL = "tools/call"


@dataclass(frozen=True, slots=True)
class _Call:
    """`approved`: its yes is used up, for this binding. `over`: its sender has to come again.

    `detail`: what people hear of it while it waits.
    """

    binding: Binding
    ticket: str
    token: str
    detail: str = ""
    approved: Verdict | None = None
    over: bool = False


class Asking:
    """The calls of one session that a person is asked about.

    `lock`: the lockfile's digest, or empty. `low_risk`: whether the host's own user may approve a
    tool. `retry`: seconds, as the queue has it. `nobody`: why no approver can say yes; then only
    the host's own user can be asked. `brief`: a call's arguments in short, as that user may see
    them.
    """

    def __init__(
        self,
        queue: Queue,
        *,
        lock: str,
        low_risk: Callable[[str], bool],
        retry: int,
        nobody: str = "",
        brief: Callable[[JsonObject], str] = lambda _: "",
    ) -> None:
        self._queue = queue
        self._brief = brief
        self._lock = lock
        self._low_risk = low_risk
        self._retry = retry
        self._nobody = nobody
        self.calls: dict[int, _Call] = {}
        """By wire id: those that wait, or were allowed in this turn."""

    def of(self, stage: str) -> Callable[[Call, Context], Verdict | Wait]:
        """What the stage of that name asks."""

        def approve(call: Call, ctx: Context) -> Verdict | Wait:
            return self._ask(stage, call, ctx)

        return approve

    def change(self, *, low_risk: Callable[[str], bool], retry: int, nobody: str) -> None:
        """Other settings or approvers, for what is asked from now on."""
        self._low_risk = low_risk
        self._retry = retry
        self._nobody = nobody

    def over(self, now: float) -> bool:
        """Whether calls waited in vain until `now`; judged again, each is told what to do."""
        over = {waiting.token for waiting in self._queue.timed_out(now)}
        for wire_id, known in self.calls.items():
            if known.token in over:
                self.calls[wire_id] = _Call(known.binding, known.ticket, known.token, over=True)
        return bool(over)

    def still(self, waiting: Collection[int]) -> None:
        """The wire ids of the calls that still wait. The others' tickets are cancelled."""
        for wire_id in [each for each in self.calls if each not in waiting]:
            self._queue.cancel(self.calls.pop(wire_id).token)

    @property
    def held(self) -> Mapping[str, Binding]:
        """What waits: the queue's token -> what a yes is bound to."""
        return {each.token: each.binding for each in self._waiting()}

    @property
    def details(self) -> Mapping[str, str]:
        """What waits: the queue's token -> what people hear of it."""
        return {each.token: each.detail for each in self._waiting()}

    def _waiting(self) -> Iterator[_Call]:
        return (each for each in self.calls.values() if each.token and not each.over)

    def token(self, wire_id: int) -> str:
        """What the queue holds that call under, or empty."""
        known = self.calls.get(wire_id)
        return known.token if known else ""

    def _ask(self, stage: str, call: Call, ctx: Context) -> Verdict | Wait:
        wire_id = ctx.live.call
        name = call.target if call.method == _TOOL else f"{call.method} {call.target}"
        caller = ctx.parties.caller.id
        try:
            shown, bound_name = _shown(call, name)
            binding = bound(caller, ctx.server, bound_name, shown, self._lock)
        except ValueError:
            return Verdict.deny(Reason.APPROVAL, Refusal.UNSHOWN)
        low_risk = call.method == _TOOL and self._low_risk(call.target)
        known = self.calls.get(wire_id)
        if known is not None and known.binding == binding:
            found = self._known(known, name, ctx, low_risk=low_risk)
            if found is not None:
                return found
        if self._nobody and not low_risk:
            return Verdict.deny(Reason.APPROVAL, self._nobody)
        answer = self._queue.ask(
            binding,
            shown,
            ctx.live.now,
            token=known.token if known else "",
        )
        if isinstance(answer, Refused):
            return Verdict.deny(Reason.APPROVAL, _why(answer, name))
        if isinstance(answer, Granted):
            verdict = _approved(answer)
            self.calls[wire_id] = _Call(binding, answer.ticket, "", approved=verdict)
            return verdict
        detail = holding_text(name, answer.ticket)
        self.calls[wire_id] = _Call(binding, answer.ticket, answer.token, detail)
        question = elicited_text(name, self._brief(shown), answer.ticket) if low_risk else ""
        return Wait(stage, answer.token, detail, question)

    def _known(self, known: _Call, name: str, ctx: Context, *, low_risk: bool) -> Verdict | None:
        """What is known of a call that asked before; None: it has to ask again."""
        if known.approved is not None:
            return known.approved
        if known.over:
            return Verdict.deny(Reason.WAITING, waiting_text(name, known.ticket, self._retry))
        if ctx.live.said is not None:
            self._queue.elicited(known.token, _SAID[ctx.live.said], ctx.live.now, low_risk=low_risk)
        return None


_SAID = {True: Answer.YES, False: Answer.NO}


def _shown(call: Call, name: str) -> tuple[JsonObject, str]:
    """What a person sees of a call, and the name that a yes is for.

    Raises ValueError for a name that another call is bound by.
    """
    if name.endswith(WITH_MORE):
        raise ValueError(name)
    if call.more:
        return {"arguments": call.arguments, **call.more}, name + WITH_MORE
    return call.arguments, name


def _approved(granted: Granted) -> Verdict:
    """ALLOW, and who said so for the record."""
    told = f"approved by {', '.join(granted.by)}"
    return Verdict(Effect.ALLOW, findings=(Finding(APPROVED, Severity.INFO, granted.ticket, told),))


def _why(refused: Refused, name: str) -> str:
    return refused_text(name) if refused.why is Refusal.SAID_NO else refused.why.value
