"""Whatever names something across the wire but request ids: tokens, tasks, cursors, state."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Container
from typing import NamedTuple

import orjson

from mcpguard.model import Json, JsonObject, Reason, ServerRequest, Side, Subject
from mcpguard.proxy.pending import Entry, RefusedError, draw
from mcpguard.wire import exact
from mcpguard.wire.methods import (
    RELATED_TASK,
    REQUEST_KINDS,
    REQUESTS,
    SUBSCRIPTION_ID,
    Row,
)

__all__ = [
    "OWN_NAMES",
    "YES_OR_NO",
    "Aliases",
    "Continuations",
    "Questions",
    "Task",
    "Tokens",
    "agreed",
    "asked_of",
    "beside",
    "elicitations",
    "of_row",
    "subscription",
    "unnamed",
    "with_meta",
]

_ELICITATION = REQUESTS[Side.SERVER]["elicitation/create"]

_URL_ELICITATION_REQUIRED = -32042
"""MCP 2025-11-25: an error that carries elicitations."""

OWN_NAMES = frozenset({"progressToken", SUBSCRIPTION_ID})
"""`_meta` keys that hold ids of the side that writes them."""

MAX_TASKS = 1024
"""Tasks, cursors and continuations remembered in a session, each; the oldest go first."""


MAX_QUESTIONS = 64
"""Questions of our own that a session's user has not answered; the oldest go first."""

_TAKEN = (
    "the server gave the task of this request the id of another request's; it may have run, do not"
    " retry blindly"
)

OURS = "mcpguard:"
"""How our own states begin; a server's that begins so is the server's all the same."""

OUR_KEY = "mcpguard"
"""Under which our question stands in a result, and its answer in the repeated request."""

YES_OR_NO: JsonObject = {
    "type": "object",
    "properties": {"allow": {"type": "boolean", "title": "Allow this one call"}},
    "required": ["allow"],
}
"""The form of our own questions that the host shows its user."""


def agreed(answer: Json) -> bool:
    """Whether the host's user accepts, and says nothing but a plain yes."""
    if not isinstance(answer, dict) or answer.get("action") != "accept":
        return False
    content = answer.get("content")
    return isinstance(content, dict) and content.get("allow") is True


def beside(params: JsonObject) -> JsonObject | None:
    """What of a call's parameters is bound to an approval beside its arguments: `Call.more`."""
    return {key: params[key] for key in params if key in _BESIDE} or None


_BESIDE = frozenset({"inputResponses", "requestState", "task"})


def with_meta(body: JsonObject, key: str, value: Json) -> JsonObject:
    """`body` with one `_meta` entry replaced, or removed when `value` is None. Copies."""
    meta = body.get("_meta")
    rest = {k: v for k, v in meta.items() if k != key} if isinstance(meta, dict) else {}
    return {**body, "_meta": rest if value is None else {**rest, key: value}}


def unnamed(body: JsonObject, keys: frozenset[str] = OWN_NAMES) -> JsonObject:
    """`body` without the `_meta` entries `keys`; the same when it has none of them."""
    meta = body.get("_meta")
    if not isinstance(meta, dict) or meta.keys().isdisjoint(keys):
        return body
    return {**body, "_meta": {key: meta[key] for key in meta if key not in keys}}


def of_row(row: Row, params: JsonObject) -> JsonObject:
    """What of a server request's parameters the host is asked; a server is given no task."""
    return {key: params[key] for key in params if key in row.known and key != "task"}


def asked_of(one: Json) -> tuple[str, JsonObject]:
    """What a question inside an interrupted result asks: its method, and parameters of that."""
    question = one if isinstance(one, dict) else {}
    method, params = question.get("method"), question.get("params")
    name, given = method if isinstance(method, str) else "", params
    row = REQUESTS[Side.SERVER].get(name)
    known: JsonObject = given if isinstance(given, dict) else {}
    return name, known if row is None else of_row(row, known)


def elicitations(error: JsonObject) -> list[Json]:
    """What an error asks of the host's user."""
    data = error.get("data")
    asked = data.get("elicitations") if isinstance(data, dict) else None
    if error.get("code") != _URL_ELICITATION_REQUIRED or not isinstance(asked, list):
        return []
    return asked


class Tokens:
    """Progress tokens of one direction, by the value the other side knows."""

    def __init__(self, mint: Callable[[], int]) -> None:
        self._mint = mint
        self._entries: dict[Json, Entry] = {}

    def open(self, entry: Entry, given: Json) -> Json:
        """A token for the other side, of the same JSON type. Absent stays absent.

        Raises:
            RefusedError: no random token can be drawn.
        """
        if type(given) is int:
            token: Json = draw(self._mint, self._entries)
        elif isinstance(given, str):
            token = _unused(self._mint, self._entries)
        else:
            return None
        entry.token, entry.wire_token = given, token
        self._entries[token] = entry
        return token

    def find(self, token: Json) -> Entry | None:
        """The request that `token` belongs to."""
        return self._entries.get(token) if type(token) in (int, str) else None

    def close(self, entry: Entry) -> None:
        """Its request (or its task) has ended."""
        if entry.wire_token is not None:
            self._entries.pop(entry.wire_token, None)


def _unused(mint: Callable[[], int], taken: Container[Json], draws: int = 1) -> str:
    """A name of `draws` random numbers that is not in `taken`. Raises RefusedError."""
    name = "".join(f"{draw(mint, ()):x}" for _ in range(draws))
    if name in taken:
        raise RefusedError(Reason.RNG_FAILED, "the random source repeats itself")
    return name


class Task(NamedTuple):
    """A task that an allowed call made: its result is judged as that call's."""

    server_id: str
    host_id: str
    method: str
    target: str
    entry: Entry


class Aliases:
    """Server-made names the host may hold (task ids, list cursors), by an own, unguessable one.

    `forget` is told of the call whose task is forgotten.
    """

    def __init__(self, mint: Callable[[], int], forget: Callable[[Entry], None]) -> None:
        self._mint = mint
        self._forget = forget
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._by_server: dict[str, Task] = {}
        self._cursors: OrderedDict[str, str] = OrderedDict()

    def bind_task(self, server_id: str, entry: Entry, method: str, target: str) -> Task:
        """Remember that `server_id` came out of `entry`.

        Raises:
            RefusedError: it came out of a call of something else, or no name can be drawn.
        """
        known = self._by_server.get(server_id)
        if known is not None:
            if (known.method, known.target) != (method, target):
                raise RefusedError(Reason.DUPLICATE_ID, _TAKEN)
            return known
        task = Task(server_id, _unused(self._mint, self._tasks, 2), method, target, entry)
        self._tasks[task.host_id] = self._by_server[server_id] = task
        if len(self._tasks) > MAX_TASKS:
            _, oldest = self._tasks.popitem(last=False)
            del self._by_server[oldest.server_id]
            self._forget(oldest.entry)
        return task

    def task(self, host_id: Json) -> Task | None:
        """The task the host calls `host_id`."""
        return self._tasks.get(host_id) if isinstance(host_id, str) else None

    def served_task(self, server_id: Json) -> Task | None:
        """The task the server calls `server_id`."""
        return self._by_server.get(server_id) if isinstance(server_id, str) else None

    def hide_cursor(self, server_cursor: str) -> str:
        """A cursor for the host. Raises RefusedError."""
        cursor = _unused(self._mint, self._cursors)
        self._cursors[cursor] = server_cursor
        if len(self._cursors) > MAX_TASKS:
            self._cursors.popitem(last=False)
        return cursor

    def cursor(self, given: Json) -> str | None:
        """The server's cursor for one the host holds."""
        return self._cursors.get(given) if isinstance(given, str) else None

    def to_host(self, body: JsonObject) -> JsonObject | None:
        """`body` with the related task's id as the host knows it; None when it knows none."""
        meta = body.get("_meta")
        related = meta.get(RELATED_TASK) if isinstance(meta, dict) else None
        if related is None:
            return body
        task = self.served_task(related.get("taskId")) if isinstance(related, dict) else None
        return with_meta(body, RELATED_TASK, {"taskId": task.host_id}) if task else None

    def shown(self, body: JsonObject, keys: frozenset[str]) -> JsonObject:
        """`body` with no name in `_meta` that only the server knows, and without `keys` there."""
        body = unnamed(body, keys)
        known = self.to_host(body)
        return with_meta(body, RELATED_TASK, None) if known is None else known

    def question(self, one: Json, judged: Subject) -> Json:
        """The question `one` inside an interrupted result, as it was judged; see `asked_of`."""
        if not isinstance(judged, ServerRequest) or judged.method not in REQUEST_KINDS:
            return one
        made: JsonObject = {"method": judged.method}
        if isinstance(one, dict) and "params" in one:
            made["params"] = self.shown(judged.params, OWN_NAMES)
        return made

    def error(self, body: JsonObject) -> JsonObject:
        """A JSON-RPC error whose elicitations hold what those of a request may."""
        asked, data = elicitations(body), body.get("data")
        if not asked or not isinstance(data, dict):
            return body
        shown = [
            self.shown(of_row(_ELICITATION, one), OWN_NAMES) if isinstance(one, dict) else one
            for one in asked
        ]
        return {**body, "data": {**data, "elicitations": shown}}

    def to_server(self, body: JsonObject) -> JsonObject | None:
        """`body` with the related task's id as the server knows it; None when there is none."""
        meta = body.get("_meta")
        related = meta.get(RELATED_TASK) if isinstance(meta, dict) else None
        if related is None:
            return body
        task = self.task(related.get("taskId")) if isinstance(related, dict) else None
        return with_meta(body, RELATED_TASK, {"taskId": task.server_id}) if task else None


class Continuations:
    """Multi-round-trip state (2026-07-28): which answers a repeated request may carry."""

    def __init__(self) -> None:
        self._issued: OrderedDict[bytes, frozenset[str]] = OrderedDict()

    @staticmethod
    def bind(entry: Entry) -> None:
        """Note what a request asks for, before its parameters are forgotten."""
        asked = {key: entry.params.get(key) for key in ("name", "uri", "arguments", "task")}
        text = orjson.dumps([entry.row.name, asked], option=orjson.OPT_SORT_KEYS)
        entry.bound = hashlib.sha256(text).digest()

    @staticmethod
    def _key(entry: Entry, state: Json) -> bytes:
        return hashlib.sha256(entry.bound + exact.dumps_exact({"state": state})).digest()

    def issue(self, entry: Entry, result: JsonObject, keys: frozenset[str]) -> None:
        """The server asks for input under `keys` before it goes on with this very request."""
        self._issued[self._key(entry, result.get("requestState"))] = keys
        if len(self._issued) > MAX_TASKS:
            self._issued.popitem(last=False)

    def continues(self, entry: Entry) -> bool:
        """Whether a request that carries state or answers repeats one that was asked for them."""
        params = entry.params
        answers = params.get("inputResponses", {})
        issued = self._issued.get(self._key(entry, params.get("requestState")))
        return isinstance(answers, dict) and issued is not None and answers.keys() <= issued


class Questions:
    """mcpguard's own questions to a host's user inside an `input_required` result (2026-07-28).

    `mint` draws numbers; raising denies. `life`: seconds in which an answer counts.
    """

    def __init__(self, mint: Callable[[], int], life: float) -> None:
        self._mint, self._life = mint, life
        self._open: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    def ask(self, entry: Entry, question: JsonObject, now: float) -> JsonObject:
        """The result that asks about this very request. Raises RefusedError."""
        state = OURS + _unused(self._mint, self._open, 2)
        self._open[state] = entry.bound, now + self._life
        if len(self._open) > MAX_QUESTIONS:
            self._open.popitem(last=False)
        asked: JsonObject = {OUR_KEY: {"method": "elicitation/create", "params": question}}
        return {"resultType": "input_required", "inputRequests": asked, "requestState": state}

    def answered(self, entry: Entry, now: float) -> Json:
        """What the host's user answered to a question about this very request; None: nothing.

        Each question is answered once, and by nothing but its own answer.
        """
        state, answers = entry.params.get("requestState"), entry.params.get("inputResponses")
        if not isinstance(state, str) or not state.startswith(OURS):
            return None
        bound, until = self._open.pop(state, (b"", now))
        if bound != entry.bound or now >= until or not isinstance(answers, dict):
            return None
        return answers[OUR_KEY] if answers.keys() == {OUR_KEY} else None


def subscription(body: JsonObject) -> Json:
    """The id of the `subscriptions/listen` request a message belongs to, or None."""
    meta = body.get("_meta")
    return meta.get(SUBSCRIPTION_ID) if isinstance(meta, dict) else None
