"""A whole session under noise from both sides: it answers, drops and records; it never breaks.

A failure says `seed N`; repeat it with `pytest tests/fuzz --hypothesis-seed=N`.
"""

import json
from random import Random

import orjson
import pytest

from mcpguard.audit.record import Encoder
from mcpguard.errors import WireError
from mcpguard.model import Json, JsonObject, Mode, RequestKind, Side
from mcpguard.proxy.actions import Batch
from mcpguard.proxy.denial import DenyStyle
from mcpguard.proxy.session import Session, SessionSettings
from mcpguard.wire.framing import Dropped
from mcpguard.wire.jsonrpc import Request, parse_server
from mcpguard.wire.methods import (
    CLIENT_CAPABILITIES,
    NOTIFICATIONS,
    PROTOCOL_VERSION,
    RELATED_TASK,
    REQUESTS,
    SUBSCRIPTION_ID,
)
from mcpguard.wire.recover import RequestIdFinder
from tests.fuzz import noise
from tests.unit.proxy.play import (
    CAPABILITIES,
    FIRST,
    SURFACE,
    Desktop,
    feed_host,
    feed_server,
    locked,
    usual,
)

STEPS = 60
"""Lines, ticks and other events of one session."""

HOST_IDS: tuple[Json, ...] = (0, "0", 1, 2, 3, "init", "a", -7, 2**53 - 1)
SERVER_IDS: tuple[Json, ...] = (0, "0", 5, "s", 9)
ITEMS = {kind: dict(named) for kind, named in SURFACE.items()}
NAMES: tuple[Json, ...] = ("echo", "free", "Echo", "greet", "ghost", 5, "", "\ud800")
URIS: tuple[Json, ...] = ("file:///notes", "log:///1", "log:///..", "x://y", None, "log:///{day}")
LOCKS = (
    None,
    locked(),
    locked(requests=tuple(RequestKind)),
    locked({}, requests=[RequestKind.SAMPLING]),
)


Members = tuple[tuple[str, Json], ...]


class Sitting:
    """One session, the noise that is fed to it, and what must hold for whatever comes out."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = Random(seed)
        self.lock = rng.choice(LOCKS)
        modes = tuple(Mode) if self.lock is not None else (Mode.AUDIT_ONLY,)
        self.mode = rng.choice(modes)
        self.now = 1000.0
        self.minted: list[int] = []
        self.asked: list[tuple[int, str]] = []
        self.opened: dict[str, int] = {}
        self.answered: dict[str, int] = {}
        self.server_given: set[str] = set()
        self.disk_full = False
        self.encoder = Encoder(session="s", server="x", principal="p", defaults={})
        settings = SessionSettings(
            deny_style=rng.choice(tuple(DenyStyle)),
            timeout=30.0,
            max_pending=rng.choice((3, 64)),
            parties=Desktop(),
        )
        self.session = Session(
            lock=self.lock,
            mode=self.mode,
            decide=usual(self.lock),
            mint=self.mint,
            settings=settings,
            now=self.now,
        )

    def mint(self) -> int:
        if self.rng.random() < 0.01:
            raise OSError("no entropy")
        self.minted.append(FIRST + len(self.minted))
        return self.minted[-1]

    # what goes in

    def run(self) -> None:
        if self.rng.random() < 0.8:
            self.handshake()
        for _ in range(STEPS):
            self.step()
        self.disk_full = False
        for side in (Side.SERVER, Side.HOST):
            self.session.closed(side, self.now)
            self.commit()
        self.now += 1000
        for _ in range(3):
            self.session.tick(self.now)
            self.commit()
        assert not self.session.waiting

    def handshake(self) -> None:
        params: JsonObject = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}}
        self.host({"id": "init", "method": "initialize", "params": params})
        if self.asked:
            self.server(self.answer(*self.asked[-1]))
        self.host({"method": "notifications/initialized"})
        for wire_id, method in tuple(self.asked):
            if method.endswith("/list") and self.rng.random() < 0.9:
                self.server(self.answer(wire_id, method))

    def step(self) -> None:
        chance = self.rng.random()
        if chance < 0.45:
            self.host(self.host_message())
        elif chance < 0.9:
            self.server(self.server_message())
        elif chance < 0.97:
            self.now += self.rng.choice((0.1, 1.0, 40.0))
            self.session.tick(self.now)
            self.commit()
        else:
            self.disk_full = not self.disk_full

    def host(self, message: JsonObject) -> None:
        line = self.line(message)
        for item in self.items(line):
            self.note_opened(line)
            feed_host(self.session, item, self.now)
            self.commit()

    def server(self, message: JsonObject) -> None:
        line = self.line(message)
        self.server_given |= server_ids(line)
        for item in self.items(line):
            feed_server(self.session, item, self.now)
            self.commit()

    def line(self, message: JsonObject) -> bytes:
        if self.rng.random() < 0.03:
            return noise.line(self.rng).replace(b"\n", b"")
        line = noise.written(self.rng, {"jsonrpc": "2.0", **message})
        damaged = noise.broken(self.rng, line) if self.rng.random() < 0.1 else line
        return damaged.replace(b"\n", b"")

    def items(self, line: bytes) -> list[bytes | Dropped]:
        if self.rng.random() < 0.95:
            return [line]
        cut = self.rng.randrange(len(line) + 1)
        return [Dropped(line[:cut], first=True, end=False), Dropped(line[cut:], False, True)]

    def note_opened(self, line: bytes) -> None:
        """Whatever a host wrote as an id may be answered; nothing else may."""
        for given in HOST_IDS:
            self.opened.setdefault(repr(given), 0)
        for match in json_ids(line):
            self.opened[match] = self.opened.get(match, 0) + 1

    # messages

    def host_message(self) -> JsonObject:
        rng = self.rng
        chance = rng.random()
        if chance < 0.15:
            return self.reply(rng.choice((*self.minted[-5:], *HOST_IDS)))
        if chance < 0.3:
            method = rng.choice((*NOTIFICATIONS[Side.HOST], "notifications/odd"))
            return {"method": method, "params": self.params()}
        method = rng.choice((*REQUESTS[Side.HOST], "tools/call", "tools/call", "odd"))
        if chance > 0.8:
            return {"id": rng.choice(HOST_IDS), "method": "tools/call", "params": self.good_call()}
        return {"id": rng.choice(HOST_IDS), "method": method, "params": self.params()}

    def server_message(self) -> JsonObject:
        rng = self.rng
        chance = rng.random()
        if chance < 0.5 and self.asked:
            return self.answer(*rng.choice(self.asked[-6:]))
        if chance < 0.6:
            return self.reply(rng.choice((*self.minted[-5:], *SERVER_IDS)))
        if chance < 0.8:
            method = rng.choice((*NOTIFICATIONS[Side.SERVER], "notifications/odd"))
            return {"method": method, "params": self.params()}
        method = rng.choice((*REQUESTS[Side.SERVER], "odd"))
        return {"id": rng.choice(SERVER_IDS), "method": method, "params": self.params()}

    def good_call(self) -> JsonObject:
        """A call that is allowed, with what may come beside it."""
        params: JsonObject = {"name": "free", "arguments": {"a": 1}}
        more: Members = (
            ("task", {"ttl": 1}),
            ("requestState", pick(self.rng, "s", {"a": "x"}, 1)),
            ("inputResponses", pick(self.rng, {"k": {}}, {}, {"k": 1})),
            ("_meta", {"progressToken": self.rng.choice(HOST_IDS)}),
        )
        return params | some(self.rng, more)

    def reply(self, given: Json) -> JsonObject:
        if self.rng.random() < 0.3:
            error: JsonObject = {"code": self.rng.choice((-32601, -32042, 2**70)), "message": "m"}
            error["data"] = {"elicitations": [self.params(), 1]}
            return {"id": given, "error": error}
        return {"id": given, "result": self.params()}

    def params(self) -> JsonObject:
        """Parameters and results alike: any of the known keys, rightly or wrongly filled."""
        rng = self.rng
        version: Json = rng.choice(("2026-07-28", "2025-11-25", "9"))
        ids: tuple[Json, ...] = (*HOST_IDS, *SERVER_IDS, *self.minted[-4:])
        meta: Members = (
            ("progressToken", rng.choice(ids)),
            (PROTOCOL_VERSION, version),
            (CLIENT_CAPABILITIES, pick(rng, {}, {"sampling": {}, "roots": {}}, 1)),
            (SUBSCRIPTION_ID, rng.choice(ids)),
            (RELATED_TASK, pick(rng, {"taskId": "t"}, None, 1)),
            ("Progresstoken", 1),
        )
        block: JsonObject = {"type": "resource_link", "uri": rng.choice(URIS)}
        kinds = ("ref/prompt", "ref/resource", 1)
        known: Members = (
            ("name", rng.choice(NAMES)),
            ("uri", rng.choice(URIS)),
            ("arguments", pick(rng, {"text": "x"}, {"Text": 1}, noise.mapping(rng), 1)),
            ("_meta", pick(rng, some(rng, meta), some(rng, meta), None, 1)),
            ("ref", {"type": rng.choice(kinds), "name": "greet", "uri": rng.choice(URIS)}),
            ("task", pick(rng, {}, {"taskId": "t", "ttl": 1}, 1)),
            ("taskId", rng.choice(("t", 1))),
            ("tasks", [{"taskId": "t"}, 1]),
            ("requestId", rng.choice(ids)),
            ("progressToken", rng.choice(ids)),
            ("cursor", rng.choice(("c", None))),
            ("nextCursor", rng.choice(("c", "d", 1))),
            ("notifications", pick(rng, {"toolsListChanged": True}, noise.mapping(rng), 1)),
            ("content", [block, noise.mapping(rng)]),
            ("messages", [{"role": "user", "content": block}]),
            ("contents", [{"uri": rng.choice(URIS)}]),
            ("resultType", rng.choice(("complete", "input_required", "odd"))),
            ("inputRequests", {"k": {"method": "roots/list", "params": {}}, "l": 1}),
            ("inputResponses", {"k": {}}),
            ("requestState", pick(rng, "s", "\ud800", 2**70, {"a": 1.5})),
            ("protocolVersion", version),
            ("capabilities", pick(rng, CAPABILITIES, noise.mapping(rng), 1)),
            ("instructions", pick(rng, "Be kind.", "Be evil.", 1)),
            ("elicitationId", rng.choice(("e", 1))),
            ("tools", [*ITEMS_LISTED["tools"], noise.mapping(rng)]),
            (rng.choice(noise.TEXTS), noise.value(rng)),
        )
        return some(rng, known)

    def answer(self, wire_id: int, method: str) -> JsonObject:
        """Mostly what a good server would say."""
        rng = self.rng
        if rng.random() < 0.2:
            return self.reply(wire_id)
        result: JsonObject = {}
        if method in {"initialize", "server/discover"}:
            result = {"protocolVersion": "2025-11-25", "capabilities": CAPABILITIES}
            result |= {"serverInfo": {"name": "sample"}, "supportedVersions": ["2026-07-28"]}
        elif method in LISTED:
            items = list(ITEMS_LISTED[LISTED[method]])
            if rng.random() < 0.2:
                items.append(rng.choice((*items, noise.mapping(rng))) if items else 1)
            result = {LISTED[method]: items}
        elif rng.random() < 0.2:
            states: tuple[Json, ...] = ("s", "\ud800", 2**70, 1e22, {"a": "\ud800"}, None)
            result = {"resultType": "input_required", "requestState": pick(rng, *states)}
            result["inputRequests"] = pick(rng, {}, {"k": {"method": "roots/list"}}, 1)
        elif rng.random() < 0.2:
            result = {"task": {"taskId": pick(rng, "t", "u", 1)}}
        else:
            result = self.params()
        return {"id": wire_id, "result": result}

    # what comes out

    def commit(self) -> None:
        batch = self.session.take()
        if self.disk_full and batch.records:
            batch = self.session.withdraw(batch)
            assert batch.records == []
        self.check(batch)

    def check(self, batch: Batch) -> None:
        for number, (fields, _) in enumerate(batch.records):
            self.encoder.body(number, 0.0, fields)
        for event in batch.events:
            assert all(
                type(each) in (str, int) or isinstance(each, str) for each in event.fields.values()
            )
        for to, data, _, _ in batch.sends:
            assert data.endswith(b"\n")
            assert data.count(b"\n") == 1
            message = json.loads(data)
            assert message["jsonrpc"] == "2.0"
            if to is Side.SERVER:
                self.to_server(message)
            else:
                self.to_host(message)

    def to_server(self, message: JsonObject) -> None:
        given, method = message.get("id"), message.get("method")
        if method is None:
            assert repr(given) in self.server_given, message
        elif "id" in message:
            assert given in self.minted, message
            assert method in REQUESTS[Side.HOST], message
            self.asked.append((int(str(given)), str(method)))
            self.held_to_the_lock(str(method), message.get("params", {}))
        else:
            assert method in NOTIFICATIONS[Side.HOST], message

    def held_to_the_lock(self, method: str, params: Json) -> None:
        if method != "tools/call" or self.mode is not Mode.ENFORCE:
            return
        assert isinstance(params, dict)
        tools = self.lock.items if self.lock else {}
        assert params["name"] in {name for named in tools.values() for name in named}, params
        assert params.keys() <= REQUESTS[Side.HOST][method].params | {"_meta"}

    def to_host(self, message: JsonObject) -> None:
        given, method = message.get("id"), message.get("method")
        if method is not None:
            known = REQUESTS if "id" in message else NOTIFICATIONS
            assert method in known[Side.SERVER], message
            assert "id" not in message or given in self.minted, message
            return
        key = repr(given)
        assert key in self.opened, message
        self.answered[key] = self.answered.get(key, 0) + 1
        assert self.answered[key] <= self.opened[key], (message, "answered twice")


LISTED = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
ITEMS_LISTED: dict[str, list[Json]] = {
    kind.value: list(named.values()) for kind, named in ITEMS.items()
}


def some(rng: Random, known: Members) -> JsonObject:
    """A few of `known`."""
    chance = rng.choice((0.1, 0.3, 0.6))
    return {key: value for key, value in known if rng.random() < chance}


def pick(rng: Random, *choices: Json) -> Json:
    return rng.choice(choices)


def server_ids(line: bytes) -> set[str]:
    """The id of a server's line, as it must come back to it."""
    try:
        message = parse_server(line)
    except WireError:
        return set()
    return {repr(message.id)} if isinstance(message, Request) else set()


def json_ids(line: bytes) -> set[str]:
    """The ids in a line, read the lenient way and as recovered: they differ when it holds two."""
    recovered = RequestIdFinder().feed(line)
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        value = {}
    read = {
        repr(each["id"])
        for each in (value if isinstance(value, list) else [value])
        if isinstance(each, dict) and "method" in each and type(each.get("id")) in (int, str, float)
    }
    return {*map(repr, recovered), *read}


@pytest.mark.guarantee("ids:host-ids-stay")
@pytest.mark.guarantee("parse:any-bytes")
def test_a_session_survives_anything_and_keeps_ids_apart(first: int) -> None:
    for seed in noise.seeds(first):
        try:
            Sitting(seed).run()
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
