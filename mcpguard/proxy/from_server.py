"""What the server sends: answers, requests of its own, notifications. None of it is trusted."""

from collections.abc import Callable
from typing import TypeGuard

from mcpguard.errors import WireError
from mcpguard.model import (
    DOWN,
    Decision,
    Json,
    JsonObject,
    Notice,
    Reason,
    Result,
    ServerRequest,
    Side,
    SubjectKind,
)
from mcpguard.proxy import denial, eras
from mcpguard.proxy.actions import Feed, Role, Stop
from mcpguard.proxy.core import Core, outcome_of
from mcpguard.proxy.listing import Outcome
from mcpguard.proxy.pending import Entry, HeldAnswer, RefusedError
from mcpguard.proxy.plain import CONTINUING, CapturedAnswers, PlainAnswers
from mcpguard.proxy.translate import (
    Task,
    asked_of,
    elicitations,
    of_row,
    subscription,
    with_meta,
)
from mcpguard.wire.framing import MAX_LINE, Dropped
from mcpguard.wire.jsonrpc import (
    Notification,
    Request,
    Response,
    encode_error,
    encode_notification,
    encode_request,
    encode_result,
    parse_server,
)
from mcpguard.wire.methods import (
    LIST_CHANGED,
    LISTS,
    NOTIFICATIONS,
    REQUEST_KINDS,
    REQUESTS,
    SUBSCRIPTION_ID,
    VERSIONS,
)
from mcpguard.wire.recover import WireIdFinder

__all__ = ["ServerSide"]

_ROWS = REQUESTS[Side.SERVER]
_NOTICES = NOTIFICATIONS[Side.SERVER]

_ENDED = frozenset({"completed", "failed", "cancelled"})
"""Task states after which nothing more comes (MCP 2025-11-25)."""

_OF_TASK = frozenset(
    {"taskId", "status", "statusMessage", "createdAt", "lastUpdatedAt", "ttl", "pollInterval"}
    | {"_meta"}
)
_OF_TASKS = frozenset({"tasks", "nextCursor", "_meta"})
"""Members of a task and of a list of them (MCP 2025-11-25)."""

_TOKEN = frozenset({"progressToken"})
"""The `_meta` key that only requests have."""

_SUBSCRIPTION = frozenset({SUBSCRIPTION_ID})
"""The `_meta` key that no request has."""

MAX_NAME = 4096
"""Characters of a task or elicitation id of the server's; they are remembered for the session."""

MAX_ELICITATIONS = 1024
"""Elicitations announced by errors whose end is still passed on."""

_GARBLED = "the server's answer could not be read; the request may have run, do not retry blindly"

_GROWN = (
    "the result is longer than mcpguard passes on (8 MiB) with what stands in the place of what was"
    " taken out; the request ran, ask for less at once"
)


class ServerSide:
    """Handles every line from the server. `ready` is called when held requests may go on."""

    def __init__(self, core: Core, ready: Callable[[], None]) -> None:
        self.core = core
        self._ready = ready
        self._finder: WireIdFinder | None = None
        self._elicitations: set[str] = set()
        self._size = 0
        short = PlainAnswers(core, self._decided, self._any).feed
        self.feed: Feed = short if core.tracer is None else self._any
        """One line, or a piece of one that is over the limit; the time."""
        if core.settings.captured is not None:
            self.feed = CapturedAnswers(core, self.feed).feed
        self._results: dict[str, Callable[[Entry, JsonObject], JsonObject | None]] = {
            "initialize": self._handshake,
            "server/discover": self._handshake,
            "tasks/get": self._task,
            "tasks/cancel": self._task,
            "tasks/result": self._task_result,
            "tasks/list": self._tasks,
        }
        self._notices: dict[str, Callable[[Notification], JsonObject | None]] = {
            "notifications/cancelled": self._cancelled,
            "notifications/progress": self._progress,
            "notifications/resources/updated": lambda message: message.params,
            "notifications/subscriptions/acknowledged": self._acknowledged,
            "notifications/elicitation/complete": self._elicited,
            "notifications/tasks/status": self._task_status,
            "notifications/message": lambda message: message.params,
        }

    def _any(self, item: bytes | Dropped, now: float) -> None:
        """Whatever is no plain answer."""
        self.core.now = now
        if isinstance(item, Dropped):
            self._over_long(item)
            return
        self._size = len(item)
        try:
            message = parse_server(item)
        except WireError as error:
            self._unusable(item, error)
            return
        if message.exact:
            text = "numbers or characters only the exact parser keeps"
            self.core.note(DOWN, "", Reason.PARSER_FALLBACK, text, "note")
        if type(message) is Response:
            self._response(message)
        elif type(message) is Notification:
            self._notice(message)
        elif type(message) is Request:
            self._request(message)

    # lines that are no messages

    def _over_long(self, piece: Dropped) -> None:
        if piece.first:
            self._finder = WireIdFinder()
            self.core.note(DOWN, "", Reason.OVER_LONG, "a line over the limit was dropped", "drop")
            self.core.event("line.over_long", side="server")
        if self._finder is not None:
            text = "the server's answer is longer than mcpguard passes on (8 MiB)"
            self._fail_named(self._finder.feed(piece.data), text)
        if piece.end:
            self._finder = None

    def _unusable(self, line: bytes, error: WireError) -> None:
        reason = Reason.EMPTY_LINE if not line.strip() else Reason(error.reason)
        self.core.note(DOWN, "", reason, str(error), "drop")
        self._fail_named(WireIdFinder().feed(line), _GARBLED)

    def _fail_named(self, candidates: list[int], why: str) -> None:
        """Nobody waits for an answer that was dropped: whose id it held is told at once."""
        for wire_id in candidates:
            entry = self.core.calls.sent(wire_id)
            if entry is not None:
                self._broken(entry, why)

    def _broken(self, entry: Entry, why: str) -> None:
        core = self.core
        core.note(DOWN, entry.about, Reason.PARSE, why, "deny", span=core.ended(entry))
        if entry.internal:
            core.calls.close(entry)
            error: JsonObject = {"code": denial.INTERNAL, "message": why}
            self._page_refused(entry, error)
        else:
            begins = entry is core.initialize
            core.end_call(entry, denial.INTERNAL, f"mcpguard: {why}")
            if begins:
                self._ready()

    # answers

    def _response(self, message: Response) -> None:
        core = self.core
        entry = core.calls.sent(message.id)
        if entry is None:
            core.note(DOWN, "", Reason.UNKNOWN_ID, "an answer to no request in flight", "drop")
            return
        core.calls.close(entry)  # before anything is sent: a second answer finds nothing
        core.answering = entry
        self._answered(entry, message)
        core.answering = None

    def _answered(self, entry: Entry, message: Response) -> None:
        core, result = self.core, message.result
        if entry.cancelled:
            core.note(DOWN, entry.about, Reason.LATE_ANSWER, "the host cancelled it", "drop")
        elif entry.internal:
            self._page(entry, message)
        elif result is None:
            begins = entry is core.initialize
            core.close_call(entry)
            self._error(entry, message.error or {}, exact_form=message.exact)
            if begins:
                self._ready()
        else:
            self._result(entry, result, exact_form=message.exact)

    def _page(self, entry: Entry, message: Response) -> None:
        listings = self.core.listings
        if message.result is None or listings is None:
            self._page_refused(entry, _error_object(message.error or {}))
            return
        outcome = listings.page(LISTS[entry.row.name].kind, message.result, self._size)
        if outcome is not None:
            self.listed(outcome)
            self._ready()

    def _page_refused(self, entry: Entry, error: JsonObject) -> None:
        listings = self.core.listings
        outcome = listings.refused(LISTS[entry.row.name].kind, error) if listings else None
        if outcome is not None:
            self.listed(outcome)
            self._ready()

    def listed(self, outcome: Outcome) -> None:
        """A listing ended; the server's own error for it is an error like any other."""
        self.core.listed(outcome, self._error)

    def _result(self, entry: Entry, result: JsonObject, *, exact_form: bool) -> None:
        kind = result.get("resultType")
        complete = kind is None or kind == "complete"
        asked = "task" in entry.params
        makes_task = complete and asked and isinstance(result.get("task"), dict)
        if not makes_task:  # a task's progress goes on after this answer
            self.core.up_tokens.close(entry)
        if not complete:
            self._interrupted(entry, result, kind, exact_form=exact_form)
            return
        handle = self._made_task if makes_task else self._results.get(entry.row.name)
        try:
            body = handle(entry, result) if handle is not None else result
        except RefusedError as error:
            self._broken_after(entry, str(error), error.reason)
            return
        if body is None:
            return
        if "_meta" in body:
            body = self._named(entry, body)
        if not body.keys().isdisjoint(CONTINUING):
            body = {key: body[key] for key in body if key not in CONTINUING}
        if not makes_task and _is_task(body.get("task")):
            text = "a task that nobody asked for"
            self.core.note(DOWN, entry.about, Reason.DROPPED_KEYS, text, "note")
            body = {key: body[key] for key in body if key != "task"}
        self._judged(entry, body, exact_form=exact_form)
        if entry is self.core.initialize:
            self._ready()

    def _judged(self, entry: Entry, body: JsonObject, *, exact_form: bool) -> None:
        method, target = entry.judged_as or (entry.row.name, entry.target)
        self.core.timed(entry)
        self._ask_about(HeldAnswer(entry, Result(method, target, body), exact_form, self.core.now))

    def _ask_about(self, held: HeldAnswer) -> None:
        """Go on with an answer that is decided, now or when it is asked about again."""
        decision = self.core.ask_answer(held)
        if decision is None:
            return
        go_on = self._error_decided if held.result.error else self._decided
        go_on(held.entry, held.result.body, decision, held.exact_form)

    def resume(self) -> None:
        """Judge every answer again that waits; go on with those that are decided."""
        for held in tuple(self.core.answers.values()):
            self.core.answering = held.entry
            self._ask_about(held)
            self.core.answering = None

    def _decided(
        self, entry: Entry, body: JsonObject, decision: Decision, exact_form: bool
    ) -> None:
        """Go on with what was judged, which the stages may have rewritten."""
        core = self.core
        method, target = entry.judged_as or (entry.row.name, entry.target)
        span = core.ended(entry)
        core.record(DOWN, entry.row.name, target, decision, outcome=outcome_of(body), span=span)
        if core.stops(decision):
            core.withhold(entry, decision)
            return
        sent = decision.subject.body if isinstance(decision.subject, Result) else body
        line = encode_result(entry.given, sent, exact_form=exact_form)
        if sent is not body and len(line) > MAX_LINE:
            core.note(DOWN, (method, target), Reason.OVER_LONG, _GROWN, "deny")
            error = denial.error_line(entry, denial.INTERNAL, f"mcpguard: {_GROWN}")
            core.send(Side.HOST, error, Role.RESULT, entry)
            return
        core.capture(method, target, line)
        core.send(Side.HOST, line, Role.RESULT, entry)

    def _named(self, entry: Entry, body: JsonObject) -> JsonObject:
        """`_meta` with task and subscription ids as the host knows them."""
        core = self.core
        if subscription(body) is not None:
            body = with_meta(body, SUBSCRIPTION_ID, entry.given)
        if core.lock is not None and core.blocks(SubjectKind.DEFINITION):
            body = eras.introduced(body, core.lock)
        return core.aliases.shown(body, _TOKEN)

    def _error(self, entry: Entry, given: JsonObject, *, exact_form: bool = False) -> None:
        core = self.core
        body = _error_object(given)
        method, target = entry.judged_as or (entry.row.name, entry.target)
        result = Result(method, target, body, error=True)
        core.timed(entry)
        self._ask_about(HeldAnswer(entry, result, exact_form, core.now))

    def _error_decided(
        self, entry: Entry, body: JsonObject, decision: Decision, exact_form: bool
    ) -> None:
        core = self.core
        method, target = entry.judged_as or (entry.row.name, entry.target)
        asked = elicitations(body)
        answers = [self._ask("elicitation/create", one) for one in asked]
        decision = next((each for each in answers if not each.allowed), decision)
        outcome = "asked" if asked else "error"  # who asks for a person has not failed
        span = core.ended(entry)
        core.record(DOWN, entry.row.name, target, decision, outcome=outcome, span=span)
        if core.stops(decision):
            core.withhold(entry, decision)
            return
        self._expect(asked)
        body = decision.subject.body if isinstance(decision.subject, Result) else body
        line = encode_error(entry.given, core.aliases.error(body), exact_form=exact_form)
        core.capture(method, target, line)
        core.send(Side.HOST, line, Role.RESULT, entry)

    def _expect(self, asked: list[Json]) -> None:
        """The end of these elicitations may be announced to the host, which now knows of them."""
        for one in asked:
            known = len(self._elicitations) < MAX_ELICITATIONS
            if known and isinstance(one, dict) and _is_name(one.get("elicitationId")):
                self._elicitations.add(str(one["elicitationId"]))

    def _ask(self, method: str, params: Json) -> Decision:
        subject = ServerRequest(method, params if isinstance(params, dict) else {})
        if method not in REQUEST_KINDS:
            detail = "it asks the host for something unknown"
            return Decision(False, subject, "surface", Reason.REQUEST_KIND, detail)
        return self.core.judge(subject)

    def _interrupted(
        self, entry: Entry, result: JsonObject, kind: Json, *, exact_form: bool
    ) -> None:
        """A result that is not the end of its request (2026-07-28)."""
        core = self.core
        asked = result.get("inputRequests", {})
        may = entry.modern and "inputResponses" in entry.row.params  # it can be repeated with them
        if kind != "input_required" or not may or not isinstance(asked, dict):
            subject = Result(entry.row.name, entry.target, result)
            detail = "the server answered with a kind of result mcpguard does not know"
            unknown = Decision(False, subject, "wire", Reason.UNKNOWN_RESULT_TYPE, detail)
            stops = core.stops(unknown)
            span = core.ended(entry) if stops else core.traced(entry)
            core.record(DOWN, entry.row.name, entry.target, unknown, span=span)
            if stops:
                if entry is core.initialize:
                    core.forget_initialize()
                core.withhold(entry, unknown)
                self._ready()
            else:
                self._judged(entry, self._named(entry, result), exact_form=exact_form)
            return
        questions: JsonObject = {}
        for name, one in asked.items():
            method, params = asked_of(one)
            decision = self._ask(method, params)
            stops = core.stops(decision)
            span = core.ended(entry, apart=True) if stops else core.traced(entry)
            core.record(DOWN, method[:64], entry.target, decision, span=span)
            if stops:
                core.withhold(entry, decision)
                return
            questions[name] = core.aliases.question(one, decision.subject)
        core.continuations.issue(entry, result, frozenset(asked))
        known = ("resultType", "inputRequests", "requestState", "_meta")
        given = {**result, "inputRequests": questions} if "inputRequests" in result else result
        body: JsonObject = {key: given[key] for key in known if key in given}
        if "_meta" in body:
            body = self._named(entry, body)
        self._judged(entry, body, exact_form=exact_form)

    # answers, by method

    def _handshake(self, entry: Entry, result: JsonObject) -> JsonObject | None:
        core = self.core
        if entry is core.initialize:
            version = result.get("protocolVersion")
            if not isinstance(version, str) or version not in VERSIONS:
                self._stop(entry)
                return None
            core.answered = True
            core.envelope = {}  # a probe came first: this is a legacy session after all
        core.capabilities = result.get("capabilities", {})
        return result if core.lock is None else self._reviewed(result)

    def _stop(self, entry: Entry) -> None:
        text = "the server speaks a protocol version mcpguard does not know"
        span = self.core.ended(entry)
        self.core.note(DOWN, entry.about, Reason.PROTOCOL_VERSION, text, "deny", span=span)
        self.core.end_call(entry, denial.INTERNAL, f"mcpguard: {text}")
        self.core.event("session.version", "error")
        self.core.batch.stop = Stop(1, text)

    def _reviewed(self, result: JsonObject) -> JsonObject:
        core = self.core
        if core.lock is None:
            return result
        stops = core.blocks(SubjectKind.DEFINITION)
        for name in eras.drifted_facts(result, core.lock):
            what = "the reviewed value stands in its place" if stops else "it was passed on"
            text = f"the server's {name} changed since it was reviewed; {what}"
            core.note(DOWN, name, Reason.DRIFTED, text, "deny" if stops else "would_deny")
            core.event("server.drifted", what=name)
        return eras.rebuilt(result, core.lock) if stops else result

    def _made_task(self, entry: Entry, result: JsonObject) -> JsonObject | None:
        """A result that stands for a task, which gets a name for the host."""
        task = result["task"]
        server_id = task.get("taskId") if isinstance(task, dict) else None
        if not isinstance(task, dict) or not _is_name(server_id):
            self._broken_after(entry, "the server made a task without an id")
            return None
        bound = self.core.aliases.bind_task(server_id, entry, entry.row.name, entry.target)
        if bound.entry is not entry:  # the task's progress is its first call's
            self.core.up_tokens.close(entry)
        return {**result, "task": {**task, "taskId": bound.host_id}}

    def _broken_after(self, entry: Entry, why: str, reason: Reason = Reason.ENVELOPE) -> None:
        self.core.up_tokens.close(entry)
        self.core.note(DOWN, entry.about, reason, why, "deny", span=self.core.ended(entry))
        self.core.send(Side.HOST, denial.error_line(entry, denial.INTERNAL, f"mcpguard: {why}"))

    def _task(self, entry: Entry, result: JsonObject) -> JsonObject | None:
        bound = self.core.aliases.served_task(result.get("taskId"))
        if bound is None or bound.server_id != entry.params.get("taskId"):
            self._broken_after(entry, "the server answered about another task")
            return None
        self._ended(bound, result.get("status"))
        return {**self._known_of(entry, result, _OF_TASK), "taskId": bound.host_id}

    def _known_of(self, entry: Entry, given: JsonObject, names: frozenset[str]) -> JsonObject:
        """What no rule judges holds nothing but what MCP has there."""
        if given.keys() <= names:
            return given
        text = "members that a task does not have"
        self.core.note(DOWN, entry.about, Reason.DROPPED_KEYS, text, "note")
        return {key: given[key] for key in given if key in names}

    def _ended(self, task: Task, status: Json) -> None:
        """A task that has ended makes no more progress."""
        if isinstance(status, str) and status in _ENDED:
            self.core.up_tokens.close(task.entry)

    def _task_result(self, entry: Entry, result: JsonObject) -> JsonObject | None:
        bound = self.core.aliases.served_task(entry.params.get("taskId"))
        if bound is not None:
            self._ended(bound, "completed")
        return result

    def _tasks(self, entry: Entry, result: JsonObject) -> JsonObject | None:
        tasks = result.get("tasks")
        kept: list[Json] = []
        for task in tasks if isinstance(tasks, list) else ():
            bound = (
                self.core.aliases.served_task(task.get("taskId"))
                if isinstance(task, dict)
                else None
            )
            if bound is not None and isinstance(task, dict):
                known = self._known_of(entry, task, _OF_TASK)
                kept.append({**known, "taskId": bound.host_id})
        body: JsonObject = {**self._known_of(entry, result, _OF_TASKS), "tasks": kept}
        cursor = body.pop("nextCursor", None)
        if isinstance(cursor, str):
            body["nextCursor"] = self.core.aliases.hide_cursor(cursor)
        return body

    # requests

    def _request(self, message: Request) -> None:
        core = self.core
        row = _ROWS.get(message.method)
        if row is None:
            text = "no such method from a server"
            core.note(DOWN, message.method, Reason.UNKNOWN_METHOD, text, "deny")
            core.refuse(message.id, Side.SERVER, denial.METHOD_NOT_FOUND, "Method not found")
            return
        decision = core.judge(ServerRequest(row.name, of_row(row, message.params)))
        core.record(DOWN, row.name, "", decision)
        if core.stops(decision):  # what a host without this capability answers
            core.refuse(message.id, Side.SERVER, denial.METHOD_NOT_FOUND, "Method not found")
            core.event("request.denied", method=row.name, rule=decision.rule)
            return
        try:
            entry = core.asks.open(message.id, row, core.now)
        except RefusedError as error:
            self._not_asked(message, error)
            return
        entry.params = (
            decision.subject.params if isinstance(decision.subject, ServerRequest) else {}
        )
        try:
            body = self._to_host(entry, entry.params)
        except RefusedError as error:
            core.asks.close(entry)
            self._not_asked(message, error)
            return
        entry.sent = True
        entry.forget()
        line = encode_request(entry.wire_id, row.name, body, exact_form=message.exact)
        core.send(Side.HOST, line, Role.SERVER_REQUEST, entry)

    def _not_asked(self, message: Request, error: RefusedError) -> None:
        core = self.core
        duplicate = error.reason is Reason.DUPLICATE_ID
        core.note(DOWN, message.method, error.reason, str(error), "drop" if duplicate else "deny")
        if not duplicate:
            core.refuse(message.id, Side.SERVER, denial.INTERNAL, str(error))

    def _to_host(self, entry: Entry, params: JsonObject) -> JsonObject:
        meta = params.get("_meta")
        if not isinstance(meta, dict):
            return params
        if "progressToken" in meta:
            token = self.core.down_tokens.open(entry, meta["progressToken"])
            params = with_meta(params, "progressToken", token)
        return self.core.aliases.shown(params, _SUBSCRIPTION)

    # notifications

    def _notice(self, message: Notification) -> None:
        core = self.core
        row = _NOTICES.get(message.method)
        if row is None:
            text = "no such notification from a server"
            core.note(DOWN, message.method, Reason.UNKNOWN_METHOD, text, "drop")
            return
        known: JsonObject = {k: v for k, v in message.params.items() if k in row.known}
        translated = self._subscribed(message._replace(params=known))
        if translated is None:
            return
        message = message._replace(params=translated)
        if row.name in LIST_CHANGED:
            self._list_changed(message)
            return
        params = self._notices[row.name](message)
        if params is not None:
            self._pass_notice(row.name, params, exact_form=message.exact)

    def _pass_notice(self, method: str, params: JsonObject, *, exact_form: bool) -> None:
        core = self.core
        decision = core.judge(Notice(method, params))
        core.record(DOWN, method, "", decision)
        if core.stops(decision):
            return
        subject = decision.subject
        params = subject.params if isinstance(subject, Notice) else params
        line = encode_notification(
            method, core.aliases.shown(params, _TOKEN), exact_form=exact_form
        )
        core.send(Side.HOST, line, Role.NOTICE)

    def _drop(self, message: Notification, reason: Reason, text: str) -> None:
        self.core.note(DOWN, message.method, reason, text, "drop")

    def _list_changed(self, message: Notification) -> None:
        """Verified first, passed on afterwards (`Core.listed`)."""
        core, params = self.core, message.params
        if core.listings is None:
            self._pass_notice(message.method, params, exact_form=message.exact)
            return
        key = message.method, subscription(params)
        if key in core.changed:
            self._drop(message, Reason.SATURATED, "announced again before it was verified")
        else:
            decision = core.judge(Notice(message.method, params))
            stops = core.stops(decision)
            if not stops or core.told(DOWN, decision.reason):
                core.record(DOWN, message.method, "", decision)
            if not stops:
                core.changed[key] = core.aliases.shown(params, _TOKEN)
        for kind in LIST_CHANGED[message.method]:
            core.listings.doubt(kind, core.now)

    def _subscribed(self, message: Notification) -> JsonObject | None:
        """The parameters with the host's own id for the `subscriptions/listen` they belong to."""
        wire_id = subscription(message.params)
        if wire_id is None:
            return message.params
        entry = self.core.calls.sent(wire_id)
        if entry is None or entry.row.name != "subscriptions/listen":
            self._drop(message, Reason.UNKNOWN_ID, "no such subscription")
            return None
        return with_meta(message.params, SUBSCRIPTION_ID, entry.given)

    def _acknowledged(self, message: Notification) -> JsonObject | None:
        entry = self.core.calls.given(subscription(message.params))
        if entry is None:
            self._drop(message, Reason.UNKNOWN_ID, "no such subscription")
            return None
        given, asked = message.params.get("notifications"), entry.params.get("notifications")
        if not isinstance(given, dict):
            return message.params
        granted = _granted(given, asked if isinstance(asked, dict) else {})
        return {**message.params, "notifications": granted}

    def _cancelled(self, message: Notification) -> JsonObject | None:
        core = self.core
        given = message.params.get("requestId")
        asked = core.asks.given(given)
        if asked is not None and not asked.cancelled:
            asked.cancelled = True
            return {**message.params, "requestId": asked.wire_id}
        entry = core.calls.sent(given)
        if entry is not None and entry.row.name == "subscriptions/listen":
            core.close_call(entry)
            return {**message.params, "requestId": entry.given}
        self._drop(message, Reason.UNKNOWN_ID, "nothing of that id to cancel")
        return None

    def _progress(self, message: Notification) -> JsonObject | None:
        entry = self.core.up_tokens.find(message.params.get("progressToken"))
        if entry is None or entry.cancelled:
            self._drop(message, Reason.UNKNOWN_TOKEN, "no request has this token")
            return None
        self.core.calls.extend(entry, self.core.now)
        return {**message.params, "progressToken": entry.token}

    def _elicited(self, message: Notification) -> JsonObject | None:
        given = message.params.get("elicitationId")
        asked = (ask.params.get("elicitationId") for ask in self.core.asks)
        if isinstance(given, str) and (given in self._elicitations or given in asked):
            self._elicitations.discard(given)
            return message.params
        self._drop(message, Reason.UNKNOWN_ID, "no such elicitation")
        return None

    def _task_status(self, message: Notification) -> JsonObject | None:
        bound = self.core.aliases.served_task(message.params.get("taskId"))
        if bound is None:
            self._drop(message, Reason.UNKNOWN_TASK, "no such task")
            return None
        self._ended(bound, message.params.get("status"))
        return {**message.params, "taskId": bound.host_id}


def _granted(given: JsonObject, asked: JsonObject) -> JsonObject:
    """What a subscription was granted of what it asked for; of a list, the members in both."""
    granted: JsonObject = {}
    for key, value in given.items():
        wanted = asked.get(key)
        if isinstance(value, list) and isinstance(wanted, list):
            granted[key] = [one for one in value if one in wanted]
        elif key in asked:
            granted[key] = value
    return granted


def _is_task(value: Json) -> bool:
    return isinstance(value, dict) and "taskId" in value


def _is_name(value: Json) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= MAX_NAME


def _error_object(given: JsonObject) -> JsonObject:
    """A JSON-RPC error of known keys and types."""
    code, text = given.get("code"), given.get("message")
    error: JsonObject = {
        "code": code if type(code) is int else denial.INTERNAL,
        "message": text if isinstance(text, str) else "the server gave no message",
    }
    if "data" in given:
        error["data"] = given["data"]
    return error
