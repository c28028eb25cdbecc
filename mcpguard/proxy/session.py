"""The session: one host, one server, everything between them. Sans-IO and clock-free."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import (
    DOWN,
    UP,
    Context,
    Decision,
    JsonObject,
    Mode,
    Reason,
    Side,
    Subject,
    Wait,
)
from mcpguard.proxy import denial
from mcpguard.proxy.actions import Batch, Feed, Role, Send, Stop
from mcpguard.proxy.core import Core, SessionSettings
from mcpguard.proxy.from_host import HostSide
from mcpguard.proxy.from_server import ServerSide
from mcpguard.proxy.pending import Entry
from mcpguard.wire.jsonrpc import encode_notification

__all__ = ["Session", "SessionSettings"]

_UNAUDITED = "Blocked by mcpguard [audit.unwritable]: the audit log cannot be written. "
_NOT_RUN = _UNAUDITED + "Nothing was run. Make room for the log or check its permissions."
_WITHHELD = "The request was executed and its result withheld; do not retry."
_EXECUTED = _UNAUDITED + _WITHHELD
_KILLED = "Blocked by mcpguard [wire.killed]: the session was ended by its operator. Do not retry."
_NOTHING_RUN = " Nothing was run."
_SENT = " The request had been sent to the server; what became of it is not known."
_CRASHED = "mcpguard itself failed, and its session has ended: its log says how. Start it again."


class _Ending(NamedTuple):
    """How a session ends before its time. `code`, `text`: of the answer to every open request."""

    event: str
    reason: Reason
    code: int
    text: str


_BY_HAND = _Ending("session.killed", Reason.KILLED, denial.DENIED, _KILLED)
_BY_DEFECT = _Ending("session.crashed", Reason.CRASHED, denial.INTERNAL, _CRASHED)


class Session:
    """Feed it lines and ticks, then `take` what is to be done.

    `decide` is the pipeline; `mint` draws wire ids (2**52 <= id < 2**53), and raising denies. Times
    are seconds of one monotonic clock. Not safe for use from several threads.
    """

    def __init__(
        self,
        *,
        lock: Lockfile | None,
        mode: Mode,
        decide: Callable[[Subject, Context], Decision | Wait],
        mint: Callable[[], int],
        settings: SessionSettings,
        now: float,
    ) -> None:
        self._core = Core(
            lock=lock, mode=mode, decide=decide, mint=mint, settings=settings, now=now
        )
        self._host = HostSide(self._core)
        self._ticked = now
        self.batch = self._core.batch
        """Everything to do since it was cleared or taken. Always the same object."""
        self.host: Feed = self._host.feed
        """A line of the host."""
        self._server = ServerSide(self._core, self._host.release)
        self.server: Feed = self._server.feed
        """A line of the server."""

    @property
    def busy(self) -> bool:
        """Whether something is in flight, held or due: then `tick` about once a second."""
        core = self._core
        listing = core.listings is not None and core.listings.busy
        return bool(len(core.calls) or len(core.asks) or listing or core.answers)

    @property
    def waiting(self) -> bool:
        """Whether a request of the host still has an answer to come."""
        calls = self._core.calls
        open_ = any(not entry.internal and not entry.cancelled for entry in calls)
        return open_ or bool(self._core.answers)

    def take(self) -> Batch:
        """`batch` as it is, and an empty one from now on."""
        batch, taken = self.batch, Batch()
        taken.records, batch.records = batch.records, taken.records
        taken.sends, batch.sends = batch.sends, taken.sends
        taken.events, batch.events = batch.events, taken.events
        taken.stop, batch.stop = batch.stop, None
        return taken

    @property
    def holding(self) -> bool:
        """Whether something waits for the stages to judge, or to judge again."""
        core = self._core
        return bool(core.waits) or bool(core.answers) or core.deferred

    @property
    def held_calls(self) -> Collection[int]:
        """Wire ids of the calls that wait for a person or a store."""
        return self._core.waits.keys()

    @property
    def now(self) -> float:
        """When the line came that was fed last."""
        return self._core.now

    def took(self) -> list[tuple[str, float]]:
        """The last tools that answered, and the seconds each took."""
        timeout = self._core.settings.timeout
        return [(tool, timeout + late) for tool, late in self._core.took]

    def resume(self, now: float) -> None:
        """A person or a store has answered: judge again what waits for it."""
        core = self._core
        core.now = now
        self._host.resume()
        self._server.resume()
        if core.deferred:
            core.start_listings(core.capabilities)
            self._host.release()

    def tick(self, now: float) -> None:
        """Deadlines: answers what waited too long, in both directions."""
        core = self._core
        core.now = now
        if core.waits:
            self._host.remind()
            self._host.resume()
        self._server.resume()
        self._pause(now)
        expired = core.calls.expired(now)
        for entry in expired:
            self._call_expired(entry)
        for entry in core.asks.expired(now):
            self._ask_expired(entry)
        ended = core.listings.tick(now) if core.listings is not None else []
        for outcome in ended:
            self._server.listed(outcome)
        if ended or expired or self._host.waited_enough():
            self._host.release()

    def _pause(self, now: float) -> None:
        """The host's requests do not age while the server waits for an answer of the host."""
        core, ticked = self._core, self._ticked
        self._ticked = now
        asked = [ask.deadline - core.settings.timeout for ask in core.asks if not ask.cancelled]
        if asked:
            core.calls.pause(max(0.0, now - max(ticked, min(asked))))

    def _call_expired(self, entry: Entry) -> None:
        core = self._core
        if entry.sent and not entry.cancelled:
            core.send(Side.SERVER, _cancellation(entry, "no answer in time"))
        what = "note" if entry.cancelled else "deny"  # a cancelled request need not be answered
        span = core.ended(entry)
        core.note(DOWN, entry.about, Reason.TIMEOUT, "no answer in time", what, span=span)
        text = f"mcpguard: the server did not answer in {core.settings.timeout:g} s"
        core.end_call(entry, denial.TIMED_OUT, text)

    def _ask_expired(self, entry: Entry) -> None:
        core = self._core
        core.note(UP, entry.about, Reason.TIMEOUT, "no answer in time", "deny")
        core.close_ask(entry)
        if entry.cancelled:
            return
        core.send(Side.HOST, _cancellation(entry, "no answer in time"))
        core.refuse_ask(entry, "the host did not answer in time")

    def closed(self, side: Side, now: float) -> None:
        """End of file from one side: nobody on the other is left waiting for it."""
        self._core.now = now
        self._core.count_drops()
        if side is Side.SERVER:
            self._server_gone()
        else:
            self._host_gone()

    def _server_gone(self) -> None:
        core = self._core
        if core.answers:
            core.settings.settle()
            self._server.resume()
        early = "" if core.heard else core.settings.early_exit
        text = " ".join(filter(None, ("mcpguard: the server ended before it answered.", early)))
        self._end_answers(Reason.SERVER_GONE, "the server ended", denial.INTERNAL, text)
        for entry in core.calls:
            what = "note" if entry.cancelled else "deny"  # nobody waits for its answer
            why, span = "the server ended", core.ended(entry)
            core.note(DOWN, entry.about, Reason.SERVER_GONE, why, what, span=span)
            core.end_call(entry, denial.INTERNAL, text)
        for entry in core.asks:
            core.close_ask(entry)
            core.send(Side.HOST, _cancellation(entry, "the server ended"))
        self._without_server(text)

    def _end_answers(self, reason: Reason, why: str, code: int, text: str) -> None:
        """Answers that a stage has not decided, or was deciding at a defect, are not given."""
        core = self._core
        entries = [held.entry for held in core.answers.values()]
        if core.answering is not None and core.answering not in entries:
            entries.append(core.answering)
        for entry in entries:
            what = "note" if entry.cancelled else "deny"
            core.note(DOWN, entry.about, reason, why, what, span=core.ended(entry))
            core.end_call(entry, code, text)
        core.answers.clear()
        core.answering = None

    def _without_server(self, text: str) -> None:
        """Nothing is held, listed or sent any more; whoever asks all the same is told `text`."""
        core = self._core
        core.gone = text
        core.settled = False
        core.held.clear()
        core.held_bytes = 0
        if core.listings is not None:
            core.listings.abandon()

    def _host_gone(self) -> None:
        core = self._core
        for entry in core.asks:
            core.close_ask(entry)
            core.refuse_ask(entry, "the host is gone")

    def kill(self, why: str, code: int, now: float) -> None:
        """A person ends the session: every request of the host is denied, in every mode.

        Nothing more goes to the server. `why` is recorded, `code` becomes the exit code.
        """
        self._core.count_drops()
        self._end(_BY_HAND, why, now)
        self._core.batch.stop = Stop(code, f"killed: {why}")

    def crash(self, why: str, now: float, lost: Batch) -> None:
        """A defect of ours: every request of the host that is open is denied, in every mode.

        `why` is recorded. `lost`: what was to be done when the defect was met. Of it only our own
        words go out; whose result it holds is told that it ran; its records are missed in the log.
        """
        core = self._core
        if lost.records:
            gap: JsonObject = {"event": "audit.gap", "withheld": len(lost.records), "detail": why}
            core.batch.records.append((gap, b""))
        core.batch.events += lost.events
        core.batch.sends += [send for send in lost.sends if send[2] is Role.OWN]
        of = {
            role: [each[3] for each in lost.sends if each[2] is role and each[3]] for role in Role
        }
        for entry in of[Role.REQUEST]:
            entry.sent = False
        for entry in of[Role.SERVER_REQUEST]:
            core.close_ask(entry)
        self._end(_BY_DEFECT, why, now)
        for entry in of[Role.RESULT]:
            if not entry.cancelled:
                core.note(DOWN, entry.about, Reason.CRASHED, why, "deny", span=core.ended(entry))
            core.end_call(entry, denial.INTERNAL, f"{_CRASHED} {_WITHHELD}")

    def _end(self, how: _Ending, why: str, now: float) -> None:
        core = self._core
        core.now = now
        core.batch.sends[:] = [send for send in core.batch.sends if send[0] is Side.HOST]
        core.batch.records.append(({"event": how.event, "detail": why}, b""))
        for entry in core.calls:
            text = how.text + (_SENT if entry.sent else _NOTHING_RUN)
            core.note(UP, entry.about, how.reason, why, "deny", span=core.ended(entry))
            core.end_call(entry, how.code, text)
        self._end_answers(how.reason, why, how.code, how.text + _SENT)
        for entry in core.asks:
            core.close_ask(entry)
            core.send(Side.HOST, _cancellation(entry, "the session was ended"))
        core.ended_by = how.reason, why
        self._without_server(how.text + _NOTHING_RUN)

    def withdraw(self, batch: Batch) -> Batch:
        """What to do instead, when the records of `batch` could not be written.

        Lines pass unrecorded where the operator chose that, and in audit-only, which is there to
        disturb nothing.
        """
        core = self._core
        core.event("audit.unwritable", "error")
        if core.mode is Mode.AUDIT_ONLY or core.settings.unrecorded:
            core.batch.sends += batch.sends
        else:
            for send in batch.sends:
                self._instead(send)
        core.batch.events += batch.events
        core.batch.stop = core.batch.stop or batch.stop
        return self.take()

    def _instead(self, send: Send) -> None:
        core, (_, _, role, entry) = self._core, send
        if role is Role.OWN:
            core.batch.sends.append(send)
        elif entry is None:  # a notice
            return
        elif role is Role.REQUEST:
            core.end_call(entry, denial.DENIED, _NOT_RUN)
        elif role is Role.RESULT:
            core.send(Side.HOST, denial.error_line(entry, denial.DENIED, _EXECUTED))
        elif role is Role.SERVER_REQUEST:
            core.close_ask(entry)
            core.refuse(entry.given, Side.SERVER, denial.INTERNAL, "not passed on")
        else:
            core.refuse(entry.given, Side.SERVER, denial.INTERNAL, "the answer was withheld")


def _cancellation(entry: Entry, why: str) -> bytes:
    params: JsonObject = {"requestId": entry.wire_id, "reason": f"mcpguard: {why}"}
    return encode_notification("notifications/cancelled", params)
