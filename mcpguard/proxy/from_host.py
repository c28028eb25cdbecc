"""What the host sends: requests on their way to the server, answers to the server's, notices."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import orjson

from mcpguard.errors import WireError
from mcpguard.model import UP, Answer, Call, Decision, Era, Json, JsonObject, Reason, Side
from mcpguard.proxy import denial, eras
from mcpguard.proxy.actions import Feed, Role
from mcpguard.proxy.core import Core
from mcpguard.proxy.pending import NEVER, Entry, RefusedError, Waiting, has_span
from mcpguard.proxy.plain import PlainCalls
from mcpguard.proxy.translate import OWN_NAMES, beside, unnamed, with_meta
from mcpguard.wire.framing import Dropped
from mcpguard.wire.jsonrpc import (
    Id,
    Notification,
    Request,
    Response,
    encode_error,
    encode_notification,
    encode_request,
    encode_result,
    folds_onto,
    parse_host,
)
from mcpguard.wire.methods import (
    CLIENT_CAPABILITIES,
    LISTS,
    MODERN_VERSIONS,
    NOTIFICATIONS,
    PROTOCOL_VERSION,
    RELATED_TASK,
    REQUESTS,
    VERSIONS,
    Row,
    folding_key,
    reference_key,
)
from mcpguard.wire.recover import RequestIdFinder, WireIdFinder, answerable

if TYPE_CHECKING:
    from mcpguard.wire.tracing import Tracer

__all__ = ["HostSide"]

_ROWS = REQUESTS[Side.HOST]
_NOTICES = NOTIFICATIONS[Side.HOST]

_UNGATED = frozenset({"initialize", "server/discover", "ping"})
"""Requests that may come before anything else."""

_HANDSHAKES = frozenset({"initialize", "server/discover"})
"""They begin an era, whatever is stamped on them."""

_REFUSALS: dict[Reason, int] = {
    Reason.SATURATED: denial.SATURATED,
    Reason.RNG_FAILED: denial.INTERNAL,
}

_REFERENCE = frozenset({"type", "name", "uri"})
"""Keys of a completion's `ref`: what it is, and what names it."""

_FILTERS = frozenset({"toolsListChanged", "promptsListChanged", "resourcesListChanged"})
"""`subscriptions/listen` filters that name nothing."""


INITIALIZED_WAIT = 2.0
"""Seconds that requests sent before `notifications/initialized` are held for it."""


REMIND = 10.0
"""Seconds between two notes of progress to a host whose call waits for a person."""

STEP = 0.001
"""Progress of one note. It must grow, and the server's own, which follows, must be above it."""


class HostSide:
    """Handles every line from the host."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self._finder: RequestIdFinder | None = None
        self._early: Notification | None = None
        self._ids = WireIdFinder()
        short = PlainCalls(core, self._judged, self._any).feed
        self.feed: Feed = short if core.tracer is None else self._any
        """One line, or a piece of one that is over the limit; the time."""
        self._requests: dict[str, Callable[[Entry], None]] = {
            "initialize": self._initialize,
            "server/discover": self._discover,
            "ping": self._plain,
            "logging/setLevel": self._plain,
            "tasks/get": self._task,
            "tasks/result": self._task,
            "tasks/cancel": self._task,
            "tasks/list": self._tasks,
            "subscriptions/listen": self._listen,
            **dict.fromkeys(LISTS, self._list),
        }
        self._notices: dict[str, Callable[[Notification], None]] = {
            "notifications/initialized": self._initialized,
            "notifications/cancelled": self._cancelled,
            "notifications/progress": self._progress,
            "notifications/roots/list_changed": self._roots_changed,
        }

    def _any(self, item: bytes | Dropped, now: float) -> None:
        """Whatever is no plain call."""
        self.core.now = now
        if isinstance(item, Dropped):
            self._over_long(item)
            return
        try:
            message = parse_host(item)
        except WireError as error:
            self._unusable(item, error)
            return
        if message.dropped:
            self.core.note(UP, "", Reason.DROPPED_KEYS, "unknown keys beside the envelope", "note")
        if type(message) is Request:
            self._request(message, len(item))
        elif type(message) is Response:
            self._answer(message)
        elif type(message) is Notification:
            self._notice(message)

    # lines that are no messages

    def _over_long(self, piece: Dropped) -> None:
        if piece.first:
            self._finder = RequestIdFinder()
            self._ids = WireIdFinder()
            self.core.note(UP, "", Reason.OVER_LONG, "a line over the limit was dropped", "drop")
        self._fail_named(self._ids.feed(piece.data))
        if self._finder is not None:
            text = "Invalid Request: the line is longer than mcpguard passes on (8 MiB)"
            for given in self._finder.feed(piece.data):
                self._refuse(given, denial.INVALID_REQUEST, text)
        if piece.end:
            self._finder = None

    def _unusable(self, line: bytes, error: WireError) -> None:
        reason = Reason.EMPTY_LINE if not line.strip() else Reason(error.reason)
        asked: list[Id | float] = [] if error.request_id is None else [error.request_id]
        if not asked and reason is Reason.PARSE:  # what no parser reads may still name its ids
            asked += RequestIdFinder().feed(line)
        asked = asked or answerable(line)
        self.core.note(UP, "", reason, str(error), "deny" if asked else "drop")
        self._fail_named(WireIdFinder().feed(line))
        for each in asked:
            self._refuse(each, denial.INVALID_REQUEST, f"Invalid Request: {error}")

    def _fail_named(self, candidates: list[int]) -> None:
        """An answer that was dropped leaves no server hanging."""
        for wire_id in candidates:
            entry = self.core.asks.sent(wire_id)
            if entry is not None:
                self.core.close_ask(entry)
                if not entry.cancelled:
                    text = "the host's answer could not be read"
                    self.core.refuse_ask(entry, text)

    def _refuse(self, given: Id | float, code: int, text: str) -> None:
        """An error for the host; none when it would pass for the answer of a request in flight."""
        known = int(given) if type(given) is float and given.is_integer() else given
        if self.core.calls.given(known) is None:
            self.core.refuse(given, Side.HOST, code, text)

    # requests: taken up, held or begun

    def _request(self, message: Request, size: int) -> None:
        core, row = self.core, _ROWS.get(message.method)
        if row is None:
            text = "no such method from a host"
            core.note(UP, message.method, Reason.UNKNOWN_METHOD, text, "deny")
            self._refuse(message.id, denial.METHOD_NOT_FOUND, "Method not found")
            return
        if core.gone:
            core.note(UP, row.about(message.params), *core.ended_by, "deny")
            self._refuse(message.id, denial.INTERNAL, core.gone)
            return
        try:
            entry = core.calls.open(message.id, row, core.now)
        except RefusedError as error:
            self._not_taken_up(message, row, error)
            return
        entry.params = message.params
        entry.target = row.about(message.params)[1]
        if core.tracer is not None and not self._begin_span(core.tracer, entry):
            return
        if wrong := self._shape(entry):
            core.deny_wire(entry, Reason.ENVELOPE, denial.INVALID_PARAMS, wrong)
        elif not row.exists(modern=entry.modern) and row.name not in _HANDSHAKES:
            text = "Method not found"  # in the era of the request
            core.deny_wire(entry, Reason.UNKNOWN_METHOD, denial.METHOD_NOT_FOUND, text)
        elif (core.settled and not entry.modern) or self._may_begin(entry, size):
            self._begin(entry)

    def _begin_span(self, tracer: "Tracer", entry: Entry) -> bool:
        """Give the request its span; False when it was refused for want of one."""
        try:
            entry.span = tracer.begin(entry.params.get("_meta"), self.core.now)
        except Exception:  # noqa: BLE001 - whatever the random source raises denies
            text = "no random id can be drawn"
            self.core.deny_wire(entry, Reason.RNG_FAILED, _REFUSALS[Reason.RNG_FAILED], text)
            return False
        return True

    def _not_taken_up(self, message: Request, row: Row, error: RefusedError) -> None:
        """A second request under an id in flight gets no answer: it would pass for the first's."""
        duplicate = error.reason is Reason.DUPLICATE_ID
        about, what = row.about(message.params), "drop" if duplicate else "deny"
        self.core.note(UP, about, error.reason, str(error), what)
        if not duplicate:
            text = f"Blocked by mcpguard [wire.{error.reason}]: {error}."
            self.core.refuse(message.id, Side.HOST, _REFUSALS[error.reason], text)
        self.core.event("request.refused", reason=error.reason)

    def _shape(self, entry: Entry) -> str:
        """What is wrong with the parameters; fills in the entry's era."""
        row, params = entry.row, entry.params
        if not row.known.issuperset(params):
            if folding_key(row, params):
                return "Invalid params: a key differs from a known one by case"
            self.core.note(UP, entry.about, Reason.DROPPED_KEYS, "unknown parameters", "note")
            params = entry.params = {k: v for k, v in params.items() if k in row.known}
        meta = params.get("_meta")
        if meta is not None:
            if type(meta) is not dict or folding_key(row, params):
                return "Invalid params: _meta is not an object of known spelling"
            entry.modern = eras.is_enveloped(meta) and row.name != "initialize"
        if "arguments" in params and type(params["arguments"]) is not dict:
            return "Invalid params: arguments is not an object"
        return self._target(entry, row.target) if row.target else ""

    def _target(self, entry: Entry, key: str) -> str:
        """As `_shape`, for the parameter that names what the request is about."""
        value = entry.params.get(key)
        if type(value) is str and key != "ref":
            return ""
        if type(value) is dict and key == "ref":
            return self._reference(entry, value)
        return f"Invalid params: {key} is missing or not a string"

    @staticmethod
    def _reference(entry: Entry, ref: JsonObject) -> str:
        """As `_shape`, for a completion: `ref` names what is completed."""
        key = reference_key(ref)
        if any(folds_onto(other, _REFERENCE) for other in ref):
            return "Invalid params: a key of ref differs from a known one by case"
        value = ref.get(key)
        if not isinstance(value, str):
            return "Invalid params: ref is missing or not a string"
        entry.params = {**entry.params, "ref": {k: ref[k] for k in ("type", key) if k in ref}}
        return ""

    def _may_begin(self, entry: Entry, size: int) -> bool:
        """Whether the request can go on now; otherwise it is held or refused here."""
        core = self.core
        name = entry.row.name
        if entry.modern and not self._known_version(entry):
            return False
        if core.listings is None or name in _UNGATED:
            return True
        if entry.modern:
            self._start_modern(entry)
        elif (core.initialize is None or not core.listings.started) and not self._handshake(entry):
            return False
        if core.listings.ready or (core.listings.started and not entry.row.held):
            core.settle()
            return True
        self._hold(entry, size)
        return False

    def _known_version(self, entry: Entry) -> bool:
        meta = entry.params["_meta"]
        version = meta.get(PROTOCOL_VERSION) if isinstance(meta, dict) else None
        if version in MODERN_VERSIONS:
            return True
        reason, text = Reason.PROTOCOL_VERSION, "Unsupported protocol version"
        self.core.note(UP, entry.about, reason, text, "deny", span=self.core.ended(entry))
        self.core.close_call(entry)
        data: JsonObject = {"supported": [*sorted(VERSIONS)], "requested": version}
        error: JsonObject = {
            "code": denial.UNSUPPORTED_VERSION,
            "message": text,
            "data": data,
        }
        self.core.send(Side.HOST, encode_error(entry.given, error))
        return False

    def _start_modern(self, entry: Entry) -> None:
        core = self.core
        meta = entry.params["_meta"]
        if isinstance(meta, dict):
            core.envelope = eras.envelope(self._shown_meta(meta))
        core.start_listings(core.capabilities)

    def _handshake(self, entry: Entry) -> bool:
        """A legacy request needs an `initialize` before it; hosts may be early, not without."""
        core = self.core
        if core.initialize is None:
            text = "Session not initialized: send initialize first"
            core.deny_wire(entry, Reason.HANDSHAKE, denial.INVALID_REQUEST, text)
            return False
        if core.answered:
            core.start_listings(core.capabilities)
        return True

    def _hold(self, entry: Entry, size: int) -> None:
        core, limits = self.core, self.core.settings
        if len(core.held) >= limits.max_held or core.held_bytes + size > limits.max_held_bytes:
            text = "too many requests wait for the server's lists"
            core.deny_wire(entry, Reason.SATURATED, denial.SATURATED, text)
            return
        core.held.append((entry, size))
        core.held_bytes += size

    def release(self) -> None:
        """Take the held requests up again; those that still must wait are held again, in order."""
        core = self.core
        early, self._early = self._early, None
        if early is not None:
            self._initialized(early)
        if self._needs_initialized():
            return
        core.settle()
        waiting = list(core.held)
        core.held.clear()
        core.held_bytes = 0
        for entry, size in waiting:
            if entry.cancelled:
                core.close_call(entry)
            elif self._may_begin(entry, size):
                self._begin(entry)

    def waited_enough(self) -> bool:
        """Whether the host's `initialized` is taken as said: what it asked already is held."""
        core = self.core
        if not core.held or not self._needs_initialized():
            return False
        since = core.held[0][0].deadline - core.settings.timeout
        if core.now - since < INITIALIZED_WAIT:
            return False
        core.start_listings(core.capabilities)
        return True

    def _needs_initialized(self) -> bool:
        """Many servers refuse to list before the host's `initialized`, which may still come."""
        core = self.core
        started = core.listings is None or core.listings.started
        return core.answered and not core.initialized and not started

    def _begin(self, entry: Entry) -> None:
        self._requests.get(entry.row.name, self._call)(entry)

    # requests: by method

    def _call(self, entry: Entry) -> None:
        params = entry.params
        given = params if entry.row.target == "ref" else params.get("arguments", {})
        arguments: JsonObject = given if isinstance(given, dict) else {}
        if entry.modern:
            self.core.continuations.bind(entry)
            self.core.user_answered(entry)
        meta, more = params.get("_meta"), beside(entry.params)
        call = Call(entry.row.name, entry.target, arguments, meta=meta, more=more)
        decision = self.core.ask(entry, call)
        if decision is not None:
            self._settled(entry, call, decision)

    def _settled(self, entry: Entry, call: Call, decision: Decision) -> None:
        if "requestState" in entry.params or "inputResponses" in entry.params:
            decision = self._continued(entry, decision)
        self._judged(entry, call, decision)

    def resume(self) -> None:
        """Judge every call again that waits; go on with those that are decided."""
        for waiting in tuple(self.core.waits.values()):
            decision = self.core.ask_again(waiting)
            if decision is not None:
                self._settled(waiting.entry, waiting.call, decision)

    def remind(self) -> None:
        """Tell hosts that asked for progress that their calls still wait for a person."""
        core = self.core
        for wire_id, waiting in core.waits.items():
            due = waiting.since + (waiting.told + 1) * REMIND
            if waiting.wait.detail and core.now >= due:
                core.waits[wire_id] = waiting._replace(told=waiting.told + 1)
                self._progressed(waiting)

    def _progressed(self, waiting: Waiting) -> None:
        meta = waiting.entry.params.get("_meta")
        token = meta.get("progressToken") if isinstance(meta, dict) else None
        if type(token) in {str, int}:
            params: JsonObject = {
                "progressToken": token,
                "progress": (waiting.told + 1) * STEP,
                "message": f"mcpguard: {waiting.wait.detail}",
            }
            line = encode_notification("notifications/progress", params)
            self.core.send(Side.HOST, line)

    def _judged(self, entry: Entry, call: Call, decision: Decision) -> None:
        """Go on with what was judged, which the stages may have rewritten."""
        if decision.subject is not call and isinstance(decision.subject, Call):
            call = decision.subject
            whole = entry.row.target == "ref"  # a completion's arguments are all its parameters
            entry.params = (
                call.arguments if whole else {**entry.params, "arguments": call.arguments}
            )
        self._decided(entry, decision, call.arguments)

    def _continued(self, entry: Entry, decision: Decision) -> Decision:
        """A repeated request (2026-07-28) may only carry what the server asked for."""
        if not self.core.continuations.continues(entry):
            detail = "it continues a request the server never interrupted"
            subject = decision.subject
            return Decision(False, subject, "surface", Reason.UNKNOWN_STATE, detail)
        answers = entry.params.get("inputResponses")
        for answer in answers.values() if isinstance(answers, dict) else ():
            body: JsonObject = answer if isinstance(answer, dict) else {"value": answer}
            judged = self.core.judge(Answer(entry.row.name, body))
            if not judged.allowed:
                return judged
        return decision

    def _decided(self, entry: Entry, decision: Decision, arguments: JsonObject) -> None:
        core = self.core
        encoded = orjson.dumps(arguments) if arguments else b""
        denied = not decision.allowed and core.stops(decision)
        span = core.ended(entry) if denied else core.traced(entry)
        core.record(UP, entry.row.name, entry.target, decision, encoded, span=span)
        if denied:
            core.deny(entry, decision)
            said = denial.said_of(entry.row.name, entry.target, decision, core.lock)
            core.event("call.denied", "warning", **said)
            return
        self._forward(entry, entry.params)

    def _plain(self, entry: Entry) -> None:
        """A request that names no item: judged like every call, without arguments."""
        call = self._asked(entry)
        decision = self.core.ask(entry, call)
        if decision is not None:
            self._decided(entry, decision, {})

    @staticmethod
    def _asked(entry: Entry) -> Call:
        return Call(entry.row.name, entry.target, {}, meta=entry.params.get("_meta"))

    def _forward(self, entry: Entry, params: JsonObject) -> None:
        core = self.core
        meta = params.get("_meta")
        if meta is not None:
            try:
                translated = self._to_server(entry, params)
            except RefusedError as error:
                core.deny_wire(entry, error.reason, _REFUSALS[error.reason], str(error))
                return
            if translated is None:
                text = "Invalid params: no such task"
                core.deny_wire(entry, Reason.UNKNOWN_TASK, denial.INVALID_PARAMS, text)
                return
            params = translated
        if core.tracer is not None and has_span(entry):
            params = entry.span.carried(params)
        entry.sent = True
        line = encode_request(entry.wire_id, entry.row.name, params)
        core.send(Side.SERVER, line, Role.REQUEST, entry)
        entry.forget()

    def _to_server(self, entry: Entry, params: JsonObject) -> JsonObject | None:
        """`params` with every name in `_meta` as the server knows it."""
        meta = params["_meta"]
        if not isinstance(meta, dict):
            return None
        shown = self._shown_meta(meta)
        if not shown.keys().isdisjoint(OWN_NAMES):
            token = self.core.up_tokens.open(entry, shown.get("progressToken"))
            shown = {k: v for k, v in shown.items() if k not in OWN_NAMES}
            if token is not None:
                shown["progressToken"] = token
        params = {**params, "_meta": shown}
        return self.core.aliases.to_server(params) if RELATED_TASK in shown else params

    def _shown_meta(self, meta: JsonObject) -> JsonObject:
        if CLIENT_CAPABILITIES not in meta:
            return meta
        allowed = self.core.allowed_requests()
        capabilities = eras.client_capabilities(meta[CLIENT_CAPABILITIES], allowed)
        return {**meta, CLIENT_CAPABILITIES: capabilities}

    def _initialize(self, entry: Entry) -> None:
        core = self.core
        if core.initialize is not None:
            text = "Session already initialized"
            core.deny_wire(entry, Reason.HANDSHAKE, denial.INVALID_REQUEST, text)
            return
        core.initialize = entry
        given = entry.params.get("capabilities")
        core.elicits = isinstance(given, dict) and isinstance(given.get("elicitation"), dict)
        core.offered = eras.client_capabilities(given, core.allowed_requests())
        entry.params = {**entry.params, "capabilities": core.offered}
        self._plain(entry)

    def _discover(self, entry: Entry) -> None:
        core = self.core
        if core.lock is not None and core.lock.server.era is Era.LEGACY:
            text = "Method not found"  # the reviewed server has no server/discover; some exit on it
            core.deny_wire(entry, Reason.UNKNOWN_METHOD, denial.METHOD_NOT_FOUND, text)
            return
        self._plain(entry)

    def _list(self, entry: Entry) -> None:
        core = self.core
        if core.listings is None:
            self._plain(entry)
        elif entry.params.get("cursor") is not None:
            text = "Invalid params: unknown cursor"  # mcpguard's lists have one page
            core.deny_wire(entry, Reason.CURSOR, denial.INVALID_PARAMS, text)
        else:
            decision = core.judge(Call(entry.row.name, "", {}))
            denied = core.stops(decision)
            span = core.ended(entry) if denied else core.traced(entry)
            core.record(UP, entry.row.name, "", decision, span=span)
            if denied:
                core.deny(entry, decision)
                return
            core.listings.wait(LISTS[entry.row.name].kind, entry, core.now)

    def _task(self, entry: Entry) -> None:
        task = self.core.aliases.task(entry.params.get("taskId"))
        if task is None:
            text = "Invalid params: no such task"
            self.core.deny_wire(entry, Reason.UNKNOWN_TASK, denial.INVALID_PARAMS, text)
            return
        entry.target = task.target
        if entry.row.name == "tasks/result":
            entry.judged_as = (task.method, task.target)
        entry.params = {**entry.params, "taskId": task.server_id}
        self._plain(entry)

    def _tasks(self, entry: Entry) -> None:
        cursor = entry.params.get("cursor")
        if cursor is not None:
            known = self.core.aliases.cursor(cursor)
            if known is None:
                text = "Invalid params: unknown cursor"
                self.core.deny_wire(entry, Reason.CURSOR, denial.INVALID_PARAMS, text)
                return
            entry.params = {**entry.params, "cursor": known}
        self._plain(entry)

    def _listen(self, entry: Entry) -> None:
        given = entry.params.get("notifications")
        filters: JsonObject = given if isinstance(given, dict) else {}
        kept: JsonObject = {key: filters[key] for key in filters if key in _FILTERS}
        uris = filters.get("resourceSubscriptions")
        if isinstance(uris, list):
            kept["resourceSubscriptions"] = [uri for uri in uris if self._may_subscribe(uri)]
        entry.params = {**entry.params, "notifications": kept}
        entry.deadline = NEVER
        self._plain(entry)

    def _may_subscribe(self, uri: Json) -> bool:
        if not isinstance(uri, str):
            return False
        decision = self.core.judge(Call("resources/subscribe", uri, {}))
        self.core.record(UP, "subscriptions/listen", uri, decision)
        return not self.core.stops(decision)

    # notifications

    def _notice(self, message: Notification) -> None:
        row = _NOTICES.get(message.method)
        if row is None:
            text = "no such notification from a host"
            self.core.note(UP, message.method, Reason.UNKNOWN_METHOD, text, "drop")
            return
        if not message.params.keys() <= row.known:
            if folding_key(row, message.params):
                text = "a key differs from a known one by case"
                self.core.note(UP, message.method, Reason.ENVELOPE, text, "drop")
                return
            params: JsonObject = {k: v for k, v in message.params.items() if k in row.known}
            message = message._replace(params=params)
        self._notices[row.name](message)

    def _pass_notice(
        self, method: str, params: JsonObject, target: str = "", *, span: JsonObject | None = None
    ) -> None:
        if isinstance(params.get("_meta"), dict):
            params = unnamed(params)
            params = self.core.aliases.to_server(params) or with_meta(params, RELATED_TASK, None)
        self.core.note(UP, (method, target), Reason.OK, "", "allow", span=span)
        self.core.send(Side.SERVER, encode_notification(method, params), Role.NOTICE)

    def _drop_notice(self, method: str, reason: Reason, text: str) -> None:
        self.core.note(UP, method, reason, text, "drop")

    def _initialized(self, message: Notification) -> None:
        core = self.core
        if core.initialize is None or core.initialized:
            self._drop_notice(message.method, Reason.HANDSHAKE, "not after an initialize")
            return
        if not core.answered:  # a hasty host: passed on once the server has answered
            self._early = message
            return
        core.initialized = True
        self._pass_notice(message.method, message.params)
        core.start_listings(core.capabilities)
        self.release()

    def _cancelled(self, message: Notification) -> None:
        entry = self.core.calls.given(message.params.get("requestId"))
        if entry is None or entry.cancelled or entry is self.core.initialize:
            self._drop_notice(message.method, Reason.UNKNOWN_ID, "nothing of that id to cancel")
            return
        entry.cancelled = True
        self.core.up_tokens.close(entry)
        entry.deadline = min(entry.deadline, self.core.now + self.core.settings.timeout)
        span = self.core.ended(entry, apart=True)
        if not entry.sent:
            about, text = (message.method, entry.target), "cancelled before it was sent"
            self.core.note(UP, about, Reason.OK, text, "allow", span=span)
            if entry.wire_id in self.core.waits:
                self.core.close_call(entry)
            return
        cancelled: JsonObject = {**message.params, "requestId": entry.wire_id}
        self._pass_notice(message.method, cancelled, entry.target, span=span)

    def _progress(self, message: Notification) -> None:
        entry = self.core.down_tokens.find(message.params.get("progressToken"))
        if entry is None:
            self._drop_notice(message.method, Reason.UNKNOWN_TOKEN, "no request has this token")
            return
        self.core.asks.extend(entry, self.core.now)
        self._pass_notice(message.method, {**message.params, "progressToken": entry.token})

    def _roots_changed(self, message: Notification) -> None:
        if "roots" not in self.core.allowed_requests():
            self._drop_notice(message.method, Reason.REQUEST_KIND, "roots are not allowed")
            return
        self._pass_notice(message.method, message.params)

    # answers to the server's requests

    def _answer(self, message: Response) -> None:
        core = self.core
        entry = core.asks.sent(message.id)
        if entry is None:
            core.note(UP, "", Reason.UNKNOWN_ID, "an answer to no request", "drop")
            return
        core.close_ask(entry)
        if entry.internal:
            core.user_said(entry, message.result or {})
            self.resume()
            return
        if entry.cancelled:
            core.note(UP, entry.about, Reason.LATE_ANSWER, "the server cancelled it", "drop")
            return
        failed = message.result is None
        body = message.error if message.result is None else message.result
        decision = core.judge(Answer(entry.row.name, body or {}, failed))
        core.record(UP, entry.row.name, "", decision)
        if core.stops(decision):
            core.refuse(entry.given, Side.SERVER, denial.INTERNAL, "the answer was withheld")
            return
        subject = decision.subject
        body = subject.body if isinstance(subject, Answer) else {}
        if "_meta" in body:
            body = unnamed(body)
            body = core.aliases.to_server(body) or with_meta(body, RELATED_TASK, None)
        encode = encode_error if failed else encode_result
        core.send(Side.SERVER, encode(entry.given, body), Role.ANSWER, entry)
