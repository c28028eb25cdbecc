"""The guard of one principal before one server: asks the stages, waits where they wait, records.

Everything happens on the loop of the program; what takes a store, a file or a person happens beside
it. A call that waited is judged again whole, as in a proxy.
"""

import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

import anyio
import orjson

from mcpguard.embed.words import Answer, Approve, Asked, Capped, Moment, States
from mcpguard.errors import AuditError, UsageError
from mcpguard.live.governor import Governor
from mcpguard.live.stages.recording import recording_of
from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import (
    DOWN,
    PASSED,
    UP,
    Allowed,
    Call,
    Context,
    Decision,
    Definition,
    ItemKind,
    Json,
    JsonObject,
    Mode,
    Reason,
    Result,
    Subject,
    Wait,
)
from mcpguard.proxy.actions import Record, held
from mcpguard.proxy.core import BLOCKS, MAX_WAIT, SHOWN, outcome_of, record_of
from mcpguard.proxy.denial import sentence
from mcpguard.trust.score import MAX_SCORE

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

__all__ = ["Guard"]

TICK = 0.5
"""Seconds between two looks whether a call has waited in vain."""

MAX_ARGUMENTS = 8 * 1024 * 1024
"""Bytes of a call's arguments, encoded: a proxy passes on no longer line."""

MAX_OPEN = 2048
"""Allowed calls whose results are awaited; the oldest is forgotten, and its result refused."""

_TOOL: Final = "tools/call"


class Guard:
    """Made by `open_guard`. Not safe for use from several threads.

    `principal`: on whose behalf the program calls. `session`: its id, in every record.
    """

    def __init__(
        self,
        governor: Governor,
        lock: Lockfile,
        approve: Approve | None,
        tell: Callable[[str, str], None],
    ) -> None:
        self.principal, self.session = governor.plan.principal, governor.session
        self._governor = governor
        self._approve, self._tell = approve, tell
        self._states = States(lock, None)
        self._numbers = count(1)
        self._waiting: dict[int, Moment] = {}
        self._open: dict[int, str] = {}
        """By number: the tools of the allowed calls whose results were not told yet."""
        self._changed = anyio.Event()
        self._blocks = BLOCKS[governor.plan.mode]
        self.killed = ""
        """Why nothing is allowed any more; empty: it is."""
        self._recording, self._captured = recording_of(governor.audit, lambda: governor.settings)
        governor.held = self._waiting.keys

    # what a program asks

    async def authorise(
        self, tool: str, arguments: Mapping[str, object], *, asserted: int | None = None
    ) -> Answer:
        """May the principal call `tool` with `arguments` (JSON)? The answer is recorded.

        Waits for a store or a person as long as a proxy would hold the call; cancelled, the call is
        taken back. `asserted`: 0-1000, a score that the program asserts. It is recorded as such,
        and counts where it is below what mcpguard itself observed. Raises UsageError for arguments
        that are no JSON object, and for a score off the scale.
        """
        if type(tool) is not str:
            raise UsageError("tool: it is no name", hint="give the tool's name as a text")
        call = Call(_TOOL, tool, _plain(arguments))
        if asserted is not None and not (type(asserted) is int and 0 <= asserted <= MAX_SCORE):
            raise UsageError(
                f"asserted: it is no score; one is 0 to {MAX_SCORE}",
                hint="give a whole number, or leave it out",
            )
        moment = Moment(next(self._numbers), time.monotonic())
        decision = await self._decided(call, moment, asserted)
        answer = self._told(call, moment.call, decision, asserted=asserted)
        if answer.allowed:
            self._open[answer.call] = tool
            if len(self._open) > MAX_OPEN:
                del self._open[next(iter(self._open))]
        return answer

    async def answered(
        self, answer: Answer, result: Mapping[str, object], *, error: bool = False
    ) -> Answer:
        """What the tool gave for an allowed call: may it be shown to whoever asked?

        `result`: a `CallToolResult`; with `error` a JSON-RPC error object. What a server does moves
        its score, so programs say it of every call that they made. `Answer.result` is what may be
        shown. Raises UsageError for one of no allowed call, told before, or that is no JSON object.
        """
        ours = answer.session == self.session and type(answer.call) is int
        if not ours or self._open.get(answer.call) != answer.tool:
            raise UsageError(
                f"{answer.tool}: no call that was allowed here waits for this result",
                hint="tell the result of each allowed call once, to the guard that allowed it",
            )
        subject = Result(_TOOL, answer.tool, _plain(result), error=error)
        del self._open[answer.call]
        moment = Moment(answer.call, time.monotonic())
        decision = await self._decided(subject, moment, None)
        outcome = "error" if error else outcome_of(subject.body)
        told = self._told(subject, answer.call, decision, outcome=outcome)
        shown = decision.subject.body if isinstance(decision.subject, Result) else subject.body
        return Answer(
            allowed=told.allowed,
            tool=answer.tool,
            arguments=answer.arguments,
            call=answer.call,
            session=self.session,
            rule=told.rule,
            reason=told.reason,
            detail=told.detail,
            text=told.text,
            result=shown if told.allowed else None,
        )

    def lists(self, tools: Iterable[Json]) -> dict[str, Reason]:
        """All definitions that the program's server lists: only those as reviewed may be called.

        Gives each name's state. Without this call the program vouches for them. An entry that is no
        object, or has no name, counts for nothing. Raises AuditError for what cannot be recorded
        and must be.
        """
        named = [(str(each.get("name", "")), each) for each in tools if isinstance(each, dict)]
        times = Counter(name for name, _ in named)
        found: dict[str, Reason] = {}
        for name, definition in named:
            subject = Definition(ItemKind.TOOL, name, definition, times[name] > 1)
            decision = self._judged(subject, Moment(next(self._numbers), time.monotonic()), None)
            if isinstance(decision, Wait):
                found[name] = Reason.UNVERIFIED
                continue
            found[name] = Reason.OK if not self._stops(decision) else decision.reason
            if decision.stage:
                self._record("tools/list", name, decision, DOWN)
        self._states.listed = found
        return dict(found)

    # what happens beside it

    def resume(self) -> None:
        """Something that calls wait for may have changed."""
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    def kill(self, why: str) -> None:
        """From now on nothing is allowed, not even what waits."""
        self.killed = self.killed or why
        self.resume()

    # deciding

    def _judged(self, subject: Subject, moment: Moment, asserted: int | None) -> Decision | Wait:
        governor = self._governor
        if self.killed:
            return Decision(False, subject, "wire", Reason.KILLED, "the session was ended")
        parties = governor.parties if asserted is None else Capped(governor.parties, asserted)
        plan = governor.plan
        context = Context(plan.name, plan.principal, self._states, moment, parties)
        decision = governor.decide(subject, context)
        return Decision(True, subject) if decision is PASSED else decision

    async def _decided(
        self, subject: Call | Result, moment: Moment, asserted: int | None
    ) -> Decision:
        decision = self._judged(subject, moment, asserted)
        if not isinstance(decision, Wait):
            return decision
        self._waiting[moment.call] = moment
        # What holds when the callback's own cancellation ends the waiting.
        decided = Decision(False, subject, "gateway", Reason.APPROVAL, "its approval was cancelled")
        try:
            async with anyio.create_task_group() as asking:
                decided = await self._waited(subject, moment, decision, asserted, asking)
                asking.cancel_scope.cancel()
        finally:
            del self._waiting[moment.call]
            self._governor.stir()  # a call that waits no more has no ticket
        return decided

    async def _waited(
        self,
        subject: Call | Result,
        moment: Moment,
        wait: Wait,
        asserted: int | None,
        asking: "TaskGroup",
    ) -> Decision:
        """The decision on what waits for `wait`. Its program is asked in `asking`."""
        since = moment.now
        while True:
            last = self._last_word(subject, moment, wait, since)
            if last is not None:
                return last
            self._hold(subject, moment, wait, asking)
            await self._change()
            moment.again, moment.now = wait, time.monotonic()
            decision = self._judged(subject, moment, asserted)
            if not isinstance(decision, Wait):
                return decision
            wait = decision

    def _last_word(
        self, subject: Subject, moment: Moment, wait: Wait, since: float
    ) -> Decision | None:
        """The denial of a call that waits no longer; None: it does."""
        if subject.kind not in self._blocks and isinstance(subject, Call):
            return Decision(False, subject, wait.stage, Reason.WAITING, wait.detail or _STORE)
        if moment.failed:
            detail = f"the program's approval raised {moment.failed}"
            return Decision(False, subject, wait.stage, Reason.APPROVAL, detail)
        if moment.now - since > MAX_WAIT:
            return Decision(False, subject, wait.stage, Reason.STAGE_TIMEOUT, _LATE)
        return None

    def _hold(
        self, subject: Call | Result, moment: Moment, wait: Wait, asking: "TaskGroup"
    ) -> None:
        """Record what is waited for, once; ask the program, once."""
        if wait.detail and wait != moment.again:
            self._note_wait(subject, wait)
        if wait.question and not moment.asked and self._approve and isinstance(subject, Call):
            moment.asked = True
            known = self._governor.approvals.asking.calls.get(moment.call)
            asked = Asked(
                self.principal,
                self._governor.plan.name,
                subject.target,
                _plain(subject.arguments),
                known.ticket if known else "",
                wait.detail,
            )
            asking.start_soon(self._ask, self._approve, asked, moment)

    def _note_wait(self, subject: Call | Result, wait: Wait) -> None:
        record = held(Allowed(UP, subject.method, subject.target[:SHOWN]), wait)
        try:
            self._write(record)
        except AuditError as error:  # the call itself is denied for it, when it is decided
            self._tell("audit.unwritable", error.message)

    async def _ask(self, approve: Approve, asked: Asked, moment: Moment) -> None:
        try:
            moment.said = (await _awaitable(approve(asked))) is True
        except Exception as error:  # noqa: BLE001 - whatever a callback raises is a denial
            moment.failed = type(error).__name__
            self._tell("approval.callback", _raised(error))
        self.resume()

    async def _change(self) -> None:
        """Until something has changed, or it is time to look."""
        changed = self._changed
        self._governor.stir()
        with anyio.move_on_after(TICK):
            await changed.wait()

    # telling

    def _stops(self, decision: Decision) -> bool:
        """Whether it may not go on. What is ended or unrecorded goes on in no mode."""
        if decision.allowed:
            return False
        return decision.subject.kind in self._blocks or decision.stage in _EVERY_MODE

    def _told(
        self,
        subject: Call | Result,
        call: int,
        decision: Decision,
        *,
        outcome: str = "",
        asserted: int | None = None,
    ) -> Answer:
        """The answer of `decision`, once it is recorded."""
        record = partial(self._record, _TOOL, subject.target, decision)
        try:
            if isinstance(subject, Call):
                record(UP, orjson.dumps(subject.arguments), asserted=asserted)
            else:
                record(DOWN, self._shown(decision), outcome=outcome)
        except AuditError as error:
            if not self._stops(decision):
                decision = Decision(False, subject, "audit", Reason.AUDIT_UNWRITABLE, _UNWRITTEN)
            self._tell("audit.unwritable", error.message)
        sent = decision.subject.arguments if isinstance(decision.subject, Call) else {}
        allowed = not self._stops(decision)
        return Answer(
            allowed=allowed,
            tool=subject.target,
            arguments=sent,
            call=call,
            session=self.session,
            rule=decision.rule,
            reason=decision.reason,
            detail=decision.detail,
            text="" if allowed else sentence(decision),
        )

    def _shown(self, decision: Decision) -> bytes:
        """What of a result goes on, where the log is to hold it."""
        result = decision.subject
        captured = self._captured
        if not isinstance(result, Result) or captured is None or self._stops(decision):
            return b""
        kind = "error" if result.error else "result"
        return orjson.dumps({kind: result.body}) if captured(result.target) else b""

    def _record(
        self,
        method: str,
        target: str,
        decision: Decision,
        direction: str,
        args: bytes = b"",
        *,
        outcome: str = "",
        asserted: int | None = None,
    ) -> None:
        allowed = Allowed(direction, method, target[:SHOWN])
        if not (decision.stage or outcome or decision.findings) and asserted is None:
            self._write(allowed, args)
            return
        record = record_of(allowed, decision, outcome, stops=self._stops(decision))
        if asserted is not None:
            record["asserted"] = asserted
        self._write(record, args)

    def _write(self, told: Allowed | JsonObject, args: bytes = b"") -> None:
        """Raises AuditError when it cannot be written and must be."""
        governor = self._governor
        if self._recording is None:
            return
        records: list[Record] = [(told, args)]
        try:
            self._recording.write(records)
            governor.written(records)
        except AuditError:
            lax = governor.settings.audit.on_failure == "continue"
            if governor.plan.mode is not Mode.AUDIT_ONLY and not lax:
                raise


_EVERY_MODE = frozenset({"wire", "audit"})
"""In whose place mcpguard itself denies."""

_UNWRITTEN = "the audit log cannot be written"
_STORE = "it waits for a store"
_LATE = "nobody decided in time"


def _awaitable(given: object) -> Awaitable[object]:
    """What a callback gave. Raises UsageError: it was called, and is no coroutine function."""
    if not isinstance(given, Awaitable):
        raise UsageError("approve gave nothing to await", hint="define it with `async def`")
    return given


def _raised(error: Exception) -> str:
    """Its class and the callback's line; of its text only ours, as it may hold arguments."""
    name = type(error).__name__
    if isinstance(error, UsageError):
        return f"{name}: {error.message}: {error.hint}"
    own = traceback.extract_tb(error.__traceback__)[1:2]  # 0 is where it was called
    return "".join([name, *(f" in {frame.filename}:{frame.lineno}" for frame in own)])


def _plain(value: object) -> JsonObject:
    """A copy, so that nothing is changed behind the answer. Raises UsageError."""
    try:
        encoded = orjson.dumps(dict(value) if isinstance(value, Mapping) else value)
        copied = orjson.loads(encoded)
    except (TypeError, ValueError) as error:
        raise UsageError(f"it is no JSON: {error}", hint="give an object of plain values") from None
    if not isinstance(copied, dict):
        raise UsageError("it is no JSON object", hint="give a mapping of names to values")
    if len(encoded) > MAX_ARGUMENTS:
        raise UsageError(f"it is {len(encoded)} bytes long, at most {MAX_ARGUMENTS} are judged")
    return copied
