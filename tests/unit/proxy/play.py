"""Plays: a session is fed lines and its whole answers are compared, byte by byte.

    opened().host({"id": 7, "method": "ping"}).sends_server({"id": wire(0), "method": "ping"})

Objects are written as compact JSON in the order of their keys, after `"jsonrpc": "2.0"`; bytes are
taken as they are. The clock is a number that a play moves; ids are drawn in order.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import orjson

from mcpguard.lock import lockfile
from mcpguard.lock.lockfile import Launch, Lockfile, Vary
from mcpguard.lock.surface import ServerFacts, collect
from mcpguard.model import (
    Allowed,
    Context,
    Decision,
    Era,
    Held,
    ItemKind,
    Json,
    JsonObject,
    Mode,
    Principal,
    Proof,
    RequestKind,
    Side,
    Subject,
    Wait,
)
from mcpguard.pipeline import Decide, NoRules, Stage, make_pipeline
from mcpguard.pipeline.gateway import GatewayStage
from mcpguard.pipeline.terms import GatewayPolicy
from mcpguard.pipeline.trust import TrustStage
from mcpguard.proxy.actions import Batch, Event, Passing, Stop
from mcpguard.proxy.denial import DenyStyle
from mcpguard.proxy.session import Session, SessionSettings
from mcpguard.trust.policy import PolicyTable
from mcpguard.wire.framing import Dropped
from mcpguard.wire.methods import CLIENT_CAPABILITIES, CLIENT_INFO, LISTS, PROTOCOL_VERSION

Line = Mapping[str, object] | bytes | Dropped


class Desktop:
    """The parties of an ordinary session: the user's own host, and nothing held against anybody."""

    caller = Principal("local:default", 1, proof=Proof.PROFILE)

    def held(self) -> Sequence[Held]:
        return [Held(1, 500), Held(1, 500)]


def usual(lock: Lockfile | None, **stages: Stage) -> Decide:
    """The pipeline of an operator who configured nothing but these `stages`."""
    own: dict[str, Stage] = {
        "trust": TrustStage(PolicyTable()),
        "policy": NoRules(),
        "gateway": GatewayStage(GatewayPolicy(), lock),
    }
    return make_pipeline(lock, {**own, **stages})


FIRST = 2**52
LATEST = "2025-11-25"

TOOLS: dict[str, JsonObject] = {
    "echo": {
        "name": "echo",
        "title": "Echo",
        "description": "Says it again.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "text": {"type": "string"},
                "deep": {"$ref": "#/$defs/deep"},
                "many": {"type": "array", "items": {"$ref": "#/$defs/deep"}},
            },
            "$defs": {"deep": {"type": "object", "properties": {"inner": {"type": "string"}}}},
            "required": ["text"],
        },
        "outputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
        "annotations": {"readOnlyHint": True},
        "icons": [{"src": "data:image/png;base64,AA=="}],
        "execution": {"taskSupport": "optional"},
        "_meta": {"ui": {"resourceUri": "ui://echo"}},
        "future": 1,
    },
    "free": {"name": "free", "description": "Takes anything.", "inputSchema": {"type": "object"}},
}
PROMPTS: dict[str, JsonObject] = {
    "greet": {
        "name": "greet",
        "description": "Greets.",
        "arguments": [{"name": "who", "description": "whom", "required": True}],
    }
}
RESOURCES: dict[str, JsonObject] = {
    "file:///notes": {"uri": "file:///notes", "name": "notes", "mimeType": "text/plain"}
}
TEMPLATES: dict[str, JsonObject] = {
    "log:///{day}": {"uriTemplate": "log:///{day}", "name": "day", "description": "One day."}
}
SURFACE: Mapping[ItemKind, Mapping[str, JsonObject]] = {
    ItemKind.TOOL: TOOLS,
    ItemKind.PROMPT: PROMPTS,
    ItemKind.RESOURCE: RESOURCES,
    ItemKind.TEMPLATE: TEMPLATES,
}
CAPABILITIES: JsonObject = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": True},
    "logging": {},
    "completions": {},
    "tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}},
}
SERVER_INFO: JsonObject = {"name": "sample", "version": "1.0"}
INSTRUCTIONS = "Be kind."

CLIENT: JsonObject = {"name": "host", "version": "9"}
NOTHING: JsonObject = {}
ENVELOPE: JsonObject = {
    PROTOCOL_VERSION: "2026-07-28",
    CLIENT_INFO: CLIENT,
    CLIENT_CAPABILITIES: {},
}

SAMPLE: JsonObject = {
    "messages": [{"role": "user", "content": {"type": "text", "text": "hi"}}],
    "maxTokens": 5,
}
ELICIT: JsonObject = {"message": "Name?", "requestedSchema": {"type": "object", "properties": {}}}

ORDER = (ItemKind.PROMPT, ItemKind.TEMPLATE, ItemKind.RESOURCE, ItemKind.TOOL)
"""How a session asks for its lists."""


def wire(number: int) -> int:
    """The id that is drawn at `number` (0 first)."""
    return FIRST + number


def text(number: int) -> str:
    """The string token that is drawn at `number`."""
    return f"{FIRST + number:x}"


def line(message: Mapping[str, object]) -> bytes:
    """`message` as a line without its newline."""
    return orjson.dumps({"jsonrpc": "2.0", **message})


def locked(
    items: Mapping[ItemKind, Mapping[str, JsonObject]] = SURFACE,
    *,
    era: Era = Era.LEGACY,
    requests: Iterable[RequestKind] = (),
    vary: Iterable[Vary] = (),
    capabilities: JsonObject = CAPABILITIES,
    instructions: str = INSTRUCTIONS,
) -> Lockfile:
    """The lockfile of `items`, written and read back."""
    facts = ServerFacts(era, LATEST, SERVER_INFO, instructions, capabilities)
    surface = collect(facts, {kind: tuple(named.values()) for kind, named in items.items()})
    lock = lockfile.from_surface(
        surface,
        name="sample",
        launch=Launch(("sample",), "", (), {}),
        requests=frozenset(requests),
        vary=tuple(vary),
    )
    return lockfile.parse(lockfile.render(lock), "mcp-lock.json")


class Ids:
    """Draws what is `coming`, then `FIRST`, `FIRST + 1`, ... unless it is broken."""

    def __init__(self) -> None:
        self.next = FIRST
        self.broken = False
        self.stuck = False
        self.coming: list[int] = []

    def __call__(self) -> int:
        if self.coming:
            return self.coming.pop(0)
        if self.broken:
            raise OSError("no entropy")
        drawn = self.next
        self.next += 0 if self.stuck else 1
        return drawn


def feed_host(session: Session, item: bytes | Dropped, now: float) -> None:
    """A line of the host; whatever is to be done is in the batch."""
    _into_batch(session, session.host(item, now))


def feed_server(session: Session, item: bytes | Dropped, now: float) -> None:
    """A line of the server, likewise."""
    _into_batch(session, session.server(item, now))


def _into_batch(session: Session, passing: Passing | None) -> None:
    if passing is not None:
        session.batch.add(passing)


class Play:
    """One session and what it has done since it was last looked at."""

    def __init__(
        self,
        lock: Lockfile | None,
        mode: Mode = Mode.ENFORCE,
        settings: SessionSettings | None = None,
        decide: Decide | None = None,
    ) -> None:
        self.lock = lock
        self.now = 1000.0
        self.ids = Ids()
        self.audit_fails = False
        self.session = Session(
            lock=lock,
            mode=mode,
            decide=decide or usual(lock),
            mint=self.ids,
            settings=settings or SessionSettings(parties=Desktop()),
            now=self.now,
        )
        self.sends: dict[Side, list[bytes]] = {Side.HOST: [], Side.SERVER: []}
        self.records: list[JsonObject] = []
        self.events: list[Event] = []
        self.stop: Stop | None = None

    # what happens

    def host(self, *lines: Line) -> Self:
        for each in lines:
            feed_host(self.session, _fed(each), self.now)
            self._commit()
        return self

    def server(self, *lines: Line) -> Self:
        for each in lines:
            feed_server(self.session, _fed(each), self.now)
            self._commit()
        return self

    def after(self, seconds: float) -> Self:
        """Time passes."""
        self.now += seconds
        return self

    def ticks(self, seconds: float = 0.0) -> Self:
        """Time passes, and the session hears of it."""
        self.now += seconds
        self.session.tick(self.now)
        return self._commit()

    def resumes(self) -> Self:
        """A person or a store has answered."""
        self.session.resume(self.now)
        return self._commit()

    def closes(self, side: Side) -> Self:
        self.session.closed(side, self.now)
        return self._commit()

    def unaudited(self) -> Self:
        """From now on no record can be written."""
        self.audit_fails = True
        return self

    def then(self, change: Callable[[Self], object]) -> Self:
        """Anything else, in the middle of a chain."""
        change(self)
        return self

    def _commit(self) -> Self:
        batch = self.session.take()
        if self.audit_fails:
            batch = self.session.withdraw(batch)
            assert batch.records == []
        self._keep(batch)
        return self

    def _keep(self, batch: Batch) -> None:
        for to, data, _, _ in batch.sends:
            assert data.endswith(b"\n")
            assert data.count(b"\n") == 1
            self.sends[to].append(data[:-1])
        for record, args in batch.records:
            told = record.fields() if isinstance(record, Allowed) else record
            self.records.append({**told, "args": args} if args else told)  # type: ignore[dict-item]
        self.events += batch.events
        self.stop = self.stop or batch.stop

    # what is expected

    def sends_host(self, *messages: Line) -> Self:
        return self._sends(Side.HOST, messages)

    def sends_server(self, *messages: Line) -> Self:
        return self._sends(Side.SERVER, messages)

    def _sends(self, side: Side, messages: tuple[Line, ...]) -> Self:
        wanted = [_fed(each) for each in messages]
        assert self.sends[side][: len(wanted)] == wanted
        del self.sends[side][: len(wanted)]
        return self

    def quiet(self) -> Self:
        """Nothing else was sent, to anybody."""
        assert self.sends == {Side.HOST: [], Side.SERVER: []}
        return self

    def drops(self, reason: str) -> Self:
        """Nothing was sent, and the log says why."""
        return self.quiet().recorded(decision="drop", reason=reason)

    def recorded(self, **fields: Json) -> Self:
        """The next record with these fields is there; it and those before it are done with."""
        for index, record in enumerate(self.records):
            if all(record.get(key) == value for key, value in fields.items()):
                del self.records[: index + 1]
                return self
        raise AssertionError(f"{fields} is not in {self.records}")

    def arguments(self) -> object:
        """The encoded arguments in the last record, of which the log keeps a digest."""
        return self.records[-1].get("args")

    def unrecorded(self) -> Self:
        """No record is left that nobody expected."""
        assert self.records == []
        return self

    def told(self, name: str, /, **fields: str | int) -> Self:
        for index, event in enumerate(self.events):
            if event.name == name and fields.items() <= event.fields.items():
                del self.events[: index + 1]
                return self
        raise AssertionError(f"{name} {fields} is not in {self.events}")

    def stops(self, code: int) -> Self:
        assert self.stop is not None
        assert self.stop.code == code
        return self

    def idle(self) -> Self:
        """Nothing is in flight, held or due."""
        assert not self.session.busy
        assert not self.session.waiting
        return self

    # common beginnings

    def initialize(self, capabilities: JsonObject | None = None, *, able: Json = NOTHING) -> Self:
        """The legacy handshake, up to the lists, which are asked for and not yet answered.

        `able`: what the host says that it can do.
        """
        given = self.ids.next
        params: JsonObject = {"protocolVersion": LATEST, "capabilities": able, "clientInfo": CLIENT}
        self.host({"id": "init", "method": "initialize", "params": params})
        self.server({"id": given, "result": handshake(capabilities or CAPABILITIES)})
        self.host({"method": "notifications/initialized"})
        return self.forget()

    def lists(
        self, items: Mapping[ItemKind, Mapping[str, JsonObject]] = SURFACE, first: int | None = None
    ) -> Self:
        """The server answers all four lists; `first` is the id of the first request."""
        given = wire(1) if first is None else first
        for number, kind in enumerate(ORDER):
            listed: list[Json] = [*items.get(kind, {}).values()]
            self.server({"id": given + number, "result": {kind.value: listed}})
        return self

    def forget(self) -> Self:
        """What was sent, recorded and told so far is not looked at."""
        for sent in self.sends.values():
            sent.clear()
        self.records.clear()
        self.events.clear()
        return self

    def renumber(self) -> Self:
        """The next id drawn is `wire(0)` again."""
        self.ids.next = FIRST
        return self


def _fed(item: Line) -> bytes | Dropped:
    return item if isinstance(item, bytes | Dropped) else line(item)


def handshake(capabilities: Json = CAPABILITIES, **changes: Json) -> JsonObject:
    """An `initialize` result of the sample server."""
    result: JsonObject = {
        "protocolVersion": LATEST,
        "capabilities": capabilities,
        "serverInfo": SERVER_INFO,
        "instructions": INSTRUCTIONS,
    }
    return {**result, **changes}


def play(
    lock: Lockfile | None = None,
    mode: Mode = Mode.ENFORCE,
    decide: Decide | None = None,
    **given: Any,  # noqa: ANN401 - fields of SessionSettings
) -> Play:
    """A session nobody has spoken in. `given`: fields of `SessionSettings`."""
    return Play(lock, mode, SessionSettings(**{"parties": Desktop(), **given}), decide)


LOCK = locked()


def opened(
    lock: Lockfile | None = LOCK,
    mode: Mode = Mode.ENFORCE,
    decide: Decide | None = None,
    live: Mapping[ItemKind, Mapping[str, JsonObject]] = SURFACE,
    able: Json = NOTHING,
    **given: Any,  # noqa: ANN401 - fields of SessionSettings
) -> Play:
    """A legacy session, verified; the next id drawn is `wire(0)`. `able`: see `initialize`."""
    begun = play(lock, mode, decide, **given).initialize(able=able)
    if lock is not None:
        begun.lists(live)
    return begun.forget().renumber()


def modern(
    lock: Lockfile | None = None,
    mode: Mode = Mode.ENFORCE,
    live: Mapping[ItemKind, Mapping[str, JsonObject]] = SURFACE,
    **given: Any,  # noqa: ANN401 - fields of SessionSettings
) -> Play:
    """A 2026-07-28 session, verified; the next id drawn is `wire(0)`."""
    begun = play(lock or MODERN, mode, **given)
    begun.host({"id": "first", "method": "tools/call", "params": called("free", _meta=ENVELOPE)})
    begun.lists(live)
    begun.server({"id": FIRST, "result": {"resultType": "complete", "content": []}})
    return begun.forget().renumber()


MODERN = locked(era=Era.DUAL)


def called(name: str, arguments: JsonObject | None = None, **more: Json) -> JsonObject:
    """Parameters of a `tools/call`."""
    params: JsonObject = {"name": name}
    if arguments is not None:
        params["arguments"] = arguments
    return params | more


def call(
    given: int | str, name: str = "free", arguments: JsonObject | None = None, **more: Json
) -> JsonObject:
    """A `tools/call` request."""
    return {"id": given, "method": "tools/call", "params": called(name, arguments, **more)}


def refused(given: float | str, code: int, message: str) -> JsonObject:
    """An error answer."""
    return {"id": given, "error": {"code": code, "message": message}}


def blocked(given: int | str, sentence: str) -> JsonObject:
    """A denial as a tool result."""
    content: list[Json] = [{"type": "text", "text": sentence}]
    return {"id": given, "result": {"content": content, "isError": True}}


LIST_METHODS = {row.kind: row.method for row in LISTS.values()}

ALL = locked(requests=list(RequestKind))
LIST_ROOTS: JsonObject = {"id": "s", "method": "roots/list"}
INITIALIZE: JsonObject = {
    "id": "init",
    "method": "initialize",
    "params": {"protocolVersion": LATEST, "capabilities": {}, "clientInfo": CLIENT},
}


def asked_to_initialize(session: Play) -> Play:
    return session.host(INITIALIZE).forget()


def judging(kind: type[Subject], into: list[Subject]) -> Decide:
    """The usual pipeline, which keeps the subjects of one kind."""
    pipeline = usual(ALL)

    def decide(subject: Subject, ctx: Context) -> Decision | Wait:
        if isinstance(subject, kind):
            into.append(subject)
        return pipeline(subject, ctx)

    return decide


__all__ = ["DenyStyle", "Play", "play"]
