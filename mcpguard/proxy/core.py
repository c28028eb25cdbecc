"""The state both directions of a session share, and the few things done with it."""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import (
    DOWN,
    NOBODY,
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
    Parties,
    Reason,
    RequestKind,
    Side,
    Subject,
    SubjectKind,
    Wait,
)
from mcpguard.proxy import actions, denial, eras
from mcpguard.proxy.actions import (
    FATES,
    SHOWN,
    Batch,
    Event,
    Role,
    held,
    list_fate,
    outcome_of,
    record_of,
)
from mcpguard.proxy.listing import BY_KIND, Listings, Outcome
from mcpguard.proxy.pending import (
    Entry,
    HeldAnswer,
    PendingTable,
    RefusedError,
    Waiting,
    end_span,
    has_span,
)
from mcpguard.proxy.translate import (
    YES_OR_NO,
    Aliases,
    Continuations,
    Questions,
    Tokens,
    agreed,
)
from mcpguard.wire.jsonrpc import (
    Id,
    encode_error,
    encode_notification,
    encode_request,
    encode_result,
)
from mcpguard.wire.methods import CLIENT_CAPABILITIES, REQUESTS, SERVER_INFO, About

if TYPE_CHECKING:
    from mcpguard.wire.tracing import Tracer

__all__ = [
    "BLOCKS",
    "SHOWN",
    "Core",
    "SessionSettings",
    "outcome_of",
    "record_of",
]

BLOCKS: dict[Mode, frozenset[SubjectKind]] = {
    Mode.ENFORCE: frozenset(SubjectKind),
    Mode.FILTER_ONLY: frozenset({SubjectKind.DEFINITION}),
    Mode.AUDIT_ONLY: frozenset(),
}
"""The mode table: which kinds of subjects a denial stops. Wire rules hold in every mode."""

MAX_DROPS = 100
"""Dropped lines a second, of one reason and direction, that get a record each."""

MAX_REPORTED = 100
"""Denied items of one listing that get a record each; the rest are counted. A server that lists ten
thousand new names a second must not fill the disk."""

MAX_TOOK = 4096
"""Calls whose times are remembered: two minutes of a busy session, for percentiles of each tool."""

MAX_WAIT = 300.0
"""Seconds. A call that no stage decides within this is denied; stages give up long before."""


ITEM_EVENTS = {
    Reason.DRIFTED: "item.drifted",
    Reason.DOUBLED: "item.doubled",
    Reason.NOT_LOCKED: "item.not_locked",
}
"""What is said of an item that is not let through, where it is not `item.denied`."""


def _always() -> bool:
    return True


def _nothing() -> None:
    """Nothing is done beside a session that was told of nobody who does."""


class SessionSettings(NamedTuple):
    """What the operator chose for a session."""

    deny_style: denial.DenyStyle = denial.DenyStyle.RESULT
    timeout: float = 3600.0
    """Seconds a request may stay unanswered; progress starts it again."""
    max_pending: int = 1024
    """Requests in flight in one direction."""
    max_held: int = 64
    """Requests held until the lists are verified."""
    max_held_bytes: int = 1024 * 1024
    """Bytes of their lines."""
    principal: str = "local"
    server: str = "server"
    parties: Parties = NOBODY
    """Who takes part, and how much each is trusted; asked at every call."""
    early_exit: str = ""
    """What to add when the server ends before it answered anything."""
    review: str = ""
    """What a person types to see what changed: said of drift to people, never on the wire."""
    settle: Callable[[], None] = _nothing
    """Ends what stages do beside the session, however long it takes: the server has gone, and its
    last answers are to be judged."""
    captured: Callable[[str], bool] | None = None
    """Of which tools the results go to the log with their records; None: of none."""
    unrecorded: bool = False
    """What cannot be recorded may pass all the same. In audit-only it always may."""
    ready: Callable[[], bool] = _always
    """Whether the stages can judge yet. Until they can, the server's lists are not asked for, so
    requests are held in their order."""
    tracer: "Tracer | None" = None
    """Gives each request of the host a span; None: what passes is not touched for it."""


_CONTINUED = frozenset({"requestState", "inputResponses"})


def _failure(outcome: Outcome) -> str:
    return "error" if outcome.failure else ""


class Core:
    """Tables, the verified lists, and the batch that is being filled."""

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
        self.lock = lock
        self.mode = mode
        self.settings = settings
        self.now = now
        self.batch = Batch()
        self.tracer = settings.tracer
        self.calls = PendingTable(settings.max_pending, settings.timeout, mint)
        self.asks = PendingTable(settings.max_pending, settings.timeout, mint)
        self.up_tokens = Tokens(mint)
        self.down_tokens = Tokens(mint)
        self.aliases = Aliases(mint, self.up_tokens.close)
        self.continuations = Continuations()
        self.questions = Questions(mint, MAX_WAIT)
        self.held: deque[tuple[Entry, int]] = deque()
        self.held_bytes = 0
        self.waits: dict[int, Waiting] = {}
        """By wire id: judged again until somebody decides."""
        self.answers: dict[int, HeldAnswer] = {}
        """By wire id, likewise."""
        self.took: deque[tuple[str, float]] = deque(maxlen=MAX_TOOK)
        """By tool: when the answer came, against the call's deadline; without its time limit the
        seconds that it took. Calls whose deadline moved are not among them."""
        self.answering: Entry | None = None
        """Whose answer is being judged or sent: it is in none of the tables."""
        self.call = 0
        self.again: Wait | None = None
        self.said: bool | None = None
        self.deferred = False
        """The lists are to be asked for as soon as the stages can judge."""
        self.elicits = False  # the host said that its user can be asked (legacy era, once for all)
        self.offered: JsonObject = {}  # what the server was told of the host, likewise
        self.initialize: Entry | None = None
        self.capabilities: Json = None
        self.answered = self.initialized = False
        self.settled = False
        """Every legacy request may begin, without a look at handshake, lists and server."""
        self.gone = ""
        self.ended_by = Reason.SERVER_GONE, "the server ended"
        """Why nothing is sent any more, for the record of what is asked all the same."""
        self.envelope: JsonObject = {}
        self.changed: dict[tuple[str, Json], JsonObject] = {}
        self.decide = decide
        """The pipeline itself. `judge` and `ask` say what its answers mean."""
        self._blocks = BLOCKS[mode]
        self._drops: dict[tuple[str, Reason], list[float]] = {}
        self._reported: dict[ItemKind, dict[str, Reason]] = {}
        self.listings = self._listings(lock)
        self.ctx = Context(
            settings.server, settings.principal, self.listings or self, self, settings.parties
        )

    def _listings(self, lock: Lockfile | None) -> Listings | None:
        if lock is None:
            return None
        shows_all = not self.blocks(SubjectKind.DEFINITION)
        return Listings(lock, self._judge_definition, self._ask_page, shows_all=shows_all)

    def _judge_definition(self, definition: Definition) -> Decision:
        return self.judge(definition)

    def item_state(self, kind: ItemKind, name: str) -> Reason:
        """`model.SessionFacts.item_state`."""
        return self.listings.item_state(kind, name) if self.listings else Reason.NO_LOCK

    # deciding and recording

    def judge(self, subject: Subject) -> Decision:
        """The pipeline's decision; what nobody can decide now is a denial."""
        return self.final(subject, self.decide(subject, self.ctx))

    def final(self, subject: Subject, decision: Decision | Wait) -> Decision:
        """What `decide` answered for `subject`, as `judge` gives it."""
        if decision is PASSED:
            return Decision(True, subject)
        if type(decision) is Decision:
            return decision
        detail = "nobody can answer in this session"
        return Decision(False, subject, decision.stage, Reason.STAGE_TIMEOUT, detail)

    def ask(self, entry: Entry, call: Call) -> Decision | None:
        """The pipeline's decision on what `entry` wants. None: it waits, and is judged again."""
        self.call = entry.wire_id
        return self.taken(entry, call, self.decide(call, self.ctx))

    def taken(self, entry: Entry, call: Call, decision: Decision | Wait) -> Decision | None:
        """What `decide` answered for `call`, as `ask` gives it."""
        if decision is PASSED:
            return Decision(True, call)
        if type(decision) is Decision:
            return decision
        assert isinstance(decision, Wait)  # noqa: S101 - what a pipeline answers
        return self._waits(Waiting(entry, call, decision, self.now))

    def ask_again(self, waiting: Waiting) -> Decision | None:
        """As `ask`, for a call that waited."""
        entry = waiting.entry
        self.call, self.again, self.said = entry.wire_id, waiting.wait, waiting.said
        decision = self.decide(waiting.call, self.ctx)
        self.again = self.said = None
        if isinstance(decision, Wait):
            return self._waits(waiting._replace(wait=decision), waiting.wait)
        self.unwait(entry)
        entry.deadline = self.now + self.settings.timeout
        return Decision(True, waiting.call) if decision is PASSED else decision

    def ask_answer(self, held: HeldAnswer) -> Decision | None:
        """The pipeline's decision on an answer, in every mode. None: it waits, to be asked again.

        Its request is in no table any more: whoever holds it sends it, or says why not.
        """
        wire_id = self.call = held.entry.wire_id
        decision = self.decide(held.result, self.ctx)
        self.answers.pop(wire_id, None)
        if not isinstance(decision, Wait):
            return self.final(held.result, decision)
        if self.now - held.since > MAX_WAIT:
            detail = "nobody decided in time"
            return Decision(False, held.result, decision.stage, Reason.STAGE_TIMEOUT, detail)
        self.answers[wire_id] = held
        return None

    def _waits(self, waiting: Waiting, before: Wait | None = None) -> Decision | None:
        """Keep `waiting`; its denial in a mode that holds up nothing, or when it took too long."""
        entry, call, wait = waiting.entry, waiting.call, waiting.wait
        detail = wait.detail or "it waits for a store"
        if not self.blocks(SubjectKind.CALL):
            return Decision(False, call, wait.stage, Reason.WAITING, detail)
        if self.now - waiting.since > MAX_WAIT:
            self.unwait(entry)
            return Decision(False, call, wait.stage, Reason.STAGE_TIMEOUT, "nobody decided in time")
        if wait.question and waiting.asked is None and waiting.said is None:
            if entry.said is not None:
                return self.ask_again(waiting._replace(said=entry.said))
            if entry.modern and self._asked_modern(entry, wait.question):
                return None
            if self.elicits and not entry.modern:
                waiting = waiting._replace(asked=self._question(entry, wait.question))
        self.waits[entry.wire_id] = waiting
        if wait.detail and wait != before:
            record = held(Allowed(UP, call.method, call.target[:SHOWN]), wait)
            record.update(self.traced(entry) or {})
            self.batch.records.append((record, b""))
        return None

    def _question(self, entry: Entry, text: str) -> Entry | None:
        """Ask the host's own user; None when no more requests can be opened."""
        row = REQUESTS[Side.SERVER]["elicitation/create"]
        try:
            asked = self.asks.open("", row, self.now, internal=True)
        except RefusedError as error:
            self.note(DOWN, (row.name, entry.target), error.reason, str(error), "deny")
            return None
        asked.sent, asked.target = True, entry.target
        params: JsonObject = {"message": text, "requestedSchema": YES_OR_NO}
        self.note(DOWN, asked.about, Reason.OK, "mcpguard asks the host's user", "note")
        self.send(Side.HOST, encode_request(asked.wire_id, row.name, params))
        return asked

    def _asked_modern(self, entry: Entry, text: str) -> bool:
        """Answer a call with a question to the host's user, who repeats it with the answer.

        Not one that goes on with what the server asked, nor of a host whose user cannot be asked.
        """
        params, meta = entry.params, entry.params.get("_meta")
        shown = meta.get(CLIENT_CAPABILITIES) if isinstance(meta, dict) else None
        able = isinstance(shown, dict) and isinstance(shown.get("elicitation"), dict)
        if not able or "requestState" in params or "inputResponses" in params:
            return False
        question: JsonObject = {"message": text, "requestedSchema": YES_OR_NO}
        try:
            result = self.questions.ask(entry, question, self.now)
        except RefusedError as error:
            self.note(DOWN, entry.about, error.reason, str(error), "deny")
            return False
        self.note(DOWN, entry.about, Reason.OK, "mcpguard asks the host's user", "note")
        self.close_call(entry)
        self.send(Side.HOST, encode_result(entry.given, result))
        return True

    def user_answered(self, entry: Entry) -> None:
        """A request that was repeated with the answer to our question goes on without it."""
        answer = self.questions.answered(entry, self.now)
        if answer is not None:
            entry.said = agreed(answer)
            entry.params = {key: entry.params[key] for key in entry.params if key not in _CONTINUED}
            said = "yes" if entry.said else "no"
            self.note(UP, entry.about, Reason.OK, f"the host's user says {said}", "note")

    def user_said(self, asked: Entry, answer: JsonObject) -> None:
        """What the host's user said to `_question`: nothing but a plain yes is one."""
        said = agreed(answer)
        for wire_id, waiting in self.waits.items():
            if waiting.asked is asked:
                self.waits[wire_id] = waiting._replace(said=said)
        self.note(UP, asked.about, Reason.OK, "yes" if said else "no", "note")

    def unwait(self, entry: Entry) -> None:
        """The call waits no more; a question about it is taken back."""
        waiting = self.waits.pop(entry.wire_id, None)
        asked = waiting.asked if waiting is not None else None
        if asked is not None and self.asks.sent(asked.wire_id) is asked:
            self.close_ask(asked)
            params: JsonObject = {"requestId": asked.wire_id, "reason": "mcpguard: it is decided"}
            self.send(Side.HOST, encode_notification("notifications/cancelled", params))

    def blocks(self, kind: SubjectKind) -> bool:
        """Whether this session's mode stops a denied subject of `kind`."""
        return kind in self._blocks

    def stops(self, decision: Decision) -> bool:
        """Whether `decision` stops its subject in this mode."""
        return not decision.allowed and decision.subject.kind in self._blocks

    def allowed_requests(self) -> frozenset[RequestKind]:
        """Server request kinds whose client capability the server may see."""
        if self.lock is None or not self.blocks(SubjectKind.SERVER_REQUEST):
            return frozenset(RequestKind)
        return self.lock.requests

    def record(
        self,
        direction: str,
        method: str,
        target: str,
        decision: Decision,
        args: bytes = b"",
        *,
        outcome: str = "",
        span: JsonObject | None = None,
    ) -> None:
        """One line of the audit log for a decided subject.

        `args`: a call's encoded arguments. `outcome`: see `outcome_of`. `span`: see `traced`.
        """
        allowed = Allowed(direction, method, target[:SHOWN])
        if not (decision.stage or outcome or decision.findings or span):
            self.batch.records.append((allowed, args))
            return
        record = record_of(allowed, decision, outcome, stops=self.stops(decision))
        record.update(span or {})
        said = denial.said_of(method, target, decision, self.lock)
        self.batch.events += actions.heard(direction, said, decision.findings)
        self.batch.records.append((record, args))

    def capture(self, method: str, target: str, line: bytes) -> None:
        """`line` is what the host gets of the result that was just recorded."""
        captured = self.settings.captured
        if captured is not None and method == "tools/call" and captured(target):
            record, _ = self.batch.records[-1]
            self.batch.records[-1] = record, line

    def note(
        self,
        direction: str,
        about: About | str,
        reason: Reason,
        detail: str,
        what: str,
        *,
        span: JsonObject | None = None,
    ) -> None:
        """One line of the audit log for a wire rule. `what`: drop | deny | would_deny | note."""
        if what == "drop" and not self.told(direction, reason):
            return
        method, target = (about, "") if isinstance(about, str) else about
        record: JsonObject = {
            "direction": direction,
            "method": method[:SHOWN],
            "target": target[:SHOWN],
            "decision": what,
            "stage": "wire",
            "rule": f"wire.{reason}",
            "reason": reason,
            "detail": detail[:SHOWN],
            **(span or {}),
        }
        self.batch.records.append((record, b""))

    def traced(self, entry: Entry) -> JsonObject | None:
        """What a record says of the span of a request that goes on; None where nobody traces."""
        return entry.span.told() if self.tracer is not None and has_span(entry) else None

    def ended(self, entry: Entry, *, apart: bool = False) -> JsonObject | None:
        """What that record says of it with which the request ends; of no other afterwards.

        `apart`: that record is about another method.
        """
        return end_span(entry, self.now, apart=apart) if self.tracer is not None else None

    def told(self, direction: str, reason: Reason) -> bool:
        """Whether a dropped line gets a record of its own; past `MAX_DROPS` a second it is counted.

        The count goes into the log with the next one that does, or at the end: a peer that floods
        with noise must not fill the disk.
        """
        drops = self._drops.setdefault((direction, reason), [self.now, 0])
        if self.now - drops[0] >= 1.0:
            self._count_drops(direction, reason)
            drops[0], drops[1] = self.now, 0
        drops[1] += 1
        return drops[1] <= MAX_DROPS

    def _count_drops(self, direction: str, reason: Reason) -> None:
        drops = self._drops[direction, reason]
        more = int(drops[1]) - MAX_DROPS
        drops[1] = 0
        if more > 0:
            self.note(direction, "", reason, f"{more} more lines were dropped in a second", "note")

    def count_drops(self) -> None:
        """Write down how many lines were dropped without a record of their own."""
        for direction, reason in self._drops:
            self._count_drops(direction, reason)

    def event(self, name: str, /, level: str = "warning", **fields: str | int) -> None:
        """Tell a person."""
        self.batch.events.append(Event(name, fields, level))

    # sending

    def send(
        self, to: Side, data: bytes, role: Role = Role.OWN, entry: Entry | None = None
    ) -> None:
        """One line, after the records before it."""
        self.batch.sends.append((to, data, role, entry))

    def refuse(self, given: Id | float, to: Side, code: int, message: str) -> None:
        """A JSON-RPC error for whoever asked."""
        self.send(to, encode_error(given, {"code": code, "message": message}))

    def timed(self, entry: Entry) -> None:
        """A call of a tool has its answer, now."""
        if entry.row.name == "tools/call" and entry.wire_token is None:
            self.took.append((entry.target, self.now - entry.deadline))

    def close_call(self, entry: Entry) -> None:
        """A host request has its answer; an `initialize` that ends here may be sent again."""
        self.calls.close(entry)
        self.up_tokens.close(entry)
        self.unwait(entry)
        if entry is self.initialize and not self.answered:
            self.forget_initialize()

    @property
    def heard(self) -> bool:
        """Whether the server has answered a handshake or its lists: it did not end at its start."""
        return self.capabilities is not None or (self.listings is not None and self.listings.ready)

    def settle(self) -> None:
        """The first lists may have ended, in a session that began with an `initialize`."""
        known = self.listings is not None and self.listings.ready
        self.settled = known and self.initialize is not None and not self.gone

    def forget_initialize(self) -> None:
        """The handshake failed: the host may try again, and must."""
        self.initialize = None
        self.settled = False

    def refuse_ask(self, entry: Entry, why: str) -> None:
        """An error for the server, not the host's answer. Our own questions have no asker."""
        if not entry.internal:
            self.refuse(entry.given, Side.SERVER, denial.INTERNAL, why)

    def close_ask(self, entry: Entry) -> None:
        """A server request has its answer."""
        self.asks.close(entry)
        self.down_tokens.close(entry)

    def end_call(self, entry: Entry, code: int, message: str) -> None:
        """Answer a host request with an error of our own, whatever becomes of the server's."""
        self.close_call(entry)
        if not entry.cancelled and not entry.internal:
            self.send(Side.HOST, denial.error_line(entry, code, message))
        entry.cancelled = True  # who holds it still (a queue, a listing) answers it no more

    def deny(self, entry: Entry, decision: Decision) -> None:
        """Answer a refused host request."""
        self.close_call(entry)
        self.send(Side.HOST, denial.denial(entry, decision, self.settings.deny_style))

    def withhold(self, entry: Entry, decision: Decision) -> None:
        """Answer a host request that ran, without its result, and say so."""
        entry.cancelled = True  # a defect later in the same line answers it no more
        said = denial.said_of(*(entry.judged_as or entry.about), decision, self.lock)
        self.event("result.withheld", "warning", **said)
        self.send(Side.HOST, denial.withheld(entry, decision, self.settings.deny_style))

    def deny_wire(self, entry: Entry, reason: Reason, code: int, message: str) -> None:
        """Answer a host request that breaks a wire rule (in every mode), and record it."""
        self.note(UP, entry.about, reason, message, "deny", span=self.ended(entry))
        self.end_call(entry, code, message)

    # lists

    def start_listings(self, capabilities: Json) -> None:
        """Verify what the server lists, once it can be asked."""
        if self.listings is None or self.listings.started:
            return
        self.deferred = not self.settings.ready()
        if not self.deferred:
            self.listings.start(self.now, capabilities)

    def _ask_page(self, kind: ItemKind, cursor: str, deadline: float) -> bool:
        row = REQUESTS[Side.HOST][BY_KIND[kind].method]
        try:
            entry = self.calls.open("", row, self.now, internal=True)
        except RefusedError as error:
            self.note(UP, row.name, error.reason, str(error), "deny")
            return False
        params: JsonObject = {"cursor": cursor} if cursor else {}
        if self.envelope:
            params["_meta"] = self.envelope
        entry.sent, entry.deadline = True, deadline
        self.send(Side.SERVER, encode_request(entry.wire_id, row.name, params))
        return True

    def listed(self, outcome: Outcome, answer_error: Callable[[Entry, JsonObject], None]) -> None:
        """A listing ended: record it, answer who waits for it, pass the change on.

        `answer_error` answers a request whose entry is closed with an error of the server's.
        """
        method = BY_KIND[outcome.kind].method
        self._report(outcome, method)
        if outcome.failure:
            self._listing_failed(outcome, method)
        if self.listings is not None:
            for entry in self.listings.take_waiters(outcome.kind):
                self.close_call(entry)
                if entry.cancelled:
                    continue
                if outcome.error is not None:
                    answer_error(entry, outcome.error)
                else:
                    self._answer_list(entry, outcome)
        self._forward_changes()

    def _listing_failed(self, outcome: Outcome, method: str) -> None:
        fate = list_fate(self.mode, verified=not outcome.blocked)
        text = f"the server's list cannot be verified: {outcome.failure}; its items {fate}"
        self.note(DOWN, method, Reason.UNVERIFIED, text, "deny")
        self.event("listing.failed", kind=outcome.kind, why=outcome.failure, fate=fate)

    def _report(self, outcome: Outcome, method: str) -> None:
        """Records denials that are news; the same list again adds one line."""
        known = self._reported.get(outcome.kind, {})
        now = {one.target: why.reason for one, why in outcome.decisions if not why.allowed}
        now |= dict.fromkeys(outcome.missing, Reason.NOT_LISTED)
        self._reported[outcome.kind] = {**known, **now} if outcome.failure else now
        denied = [
            (one, why)
            for one, why in outcome.decisions
            if not why.allowed and known.get(one.target) is not why.reason
        ]
        for definition, decision in denied[:MAX_REPORTED]:
            self._report_denied(definition, decision, method)
        gone = [name for name in outcome.missing if known.get(name) is not Reason.NOT_LISTED]
        for name in gone:
            self.note(DOWN, method, Reason.NOT_LISTED, f"{name} is locked, not listed", "note")
        offered = self.envelope.get(CLIENT_CAPABILITIES, self.offered)
        self.batch.events += actions.missed(outcome.kind, gone, eras.unoffered(offered))
        more = {
            f"{outcome.unnamed} items without a name": outcome.unnamed,
            f"{len(denied) - MAX_REPORTED} more items": len(denied) > MAX_REPORTED,
        }
        what = "deny" if self.blocks(SubjectKind.DEFINITION) else "would_deny"
        for text in filter(more.get, more):
            self.note(DOWN, method, Reason.NOT_LOCKED, text, what)
        if outcome.failure:
            return
        allowed = sum(decision.allowed for _, decision in outcome.decisions)
        text = f"{len(outcome.decisions)} listed, {allowed} as reviewed"
        self.note(DOWN, method, Reason.OK, text, "allow")

    def _report_denied(self, definition: Definition, decision: Decision, method: str) -> None:
        why = self._sentences(definition) or decision.detail
        told = Decision(False, definition, decision.stage, decision.reason, why, decision.findings)
        self.record(DOWN, method, definition.target, told)
        kind = definition.item.singular
        name = definition.target[:SHOWN]
        said = {"kind": kind, "name": name, "why": why[:SHOWN], "rule": decision.rule}
        if decision.reason is Reason.DRIFTED and self.settings.review:
            said["why"] += f"; see: {self.settings.review}"
        said["fate"] = FATES[self.mode]
        self.event(ITEM_EVENTS.get(decision.reason, "item.denied"), **said)

    def _sentences(self, definition: Definition) -> str:
        """What changed, in words; imported only when something did."""
        if self.lock is None or definition.doubled:
            return ""
        item = self.lock.item(definition.item, definition.target)
        if item is None:
            return ""
        from mcpguard.lock.drift import compare_item  # difflib stays unloaded until then

        findings = compare_item(definition.item, item, definition.definition, vary=self.lock.vary)
        return "; ".join(finding.message for finding in findings)

    def _answer_list(self, entry: Entry, outcome: Outcome) -> None:
        if self.listings is None:
            return
        if span := self.ended(entry):  # it is answered from what was verified, and recorded, before
            told: JsonObject = {"event": "request.ended", "method": entry.row.name}
            self.batch.records.append(({**told, "outcome": _failure(outcome), **span}, b""))
        if outcome.failure:
            text = f"mcpguard cannot verify this list: {outcome.failure}"
            line = denial.error_line(entry, denial.INTERNAL, text)
            self.send(Side.HOST, line, Role.RESULT, entry)
            return
        shown, meta = self.listings.list_for(outcome.kind)
        result: JsonObject = {BY_KIND[outcome.kind].key: shown}
        if entry.modern:
            result |= {"resultType": "complete", **eras.CACHE}
            result |= {"_meta": self._identity(meta)} if meta else {}
        self.send(Side.HOST, encode_result(entry.given, result), Role.RESULT, entry)

    def _identity(self, meta: JsonObject) -> JsonObject:
        if self.lock is None or not self.blocks(SubjectKind.DEFINITION):
            return meta
        return {SERVER_INFO: self.lock.server.server_info} if SERVER_INFO in meta else {}

    def _forward_changes(self) -> None:
        """`list_changed` goes on once what it announced has been verified."""
        if self.listings is None or self.listings.busy:
            return
        for (method, _), params in self.changed.items():
            self.send(Side.HOST, encode_notification(method, params), Role.NOTICE)
        self.changed.clear()
