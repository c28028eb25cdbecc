"""Whatever two peers do in whatever order: ids stay home, and every request ends exactly once."""

import sys
from collections import Counter
from typing import Any

import orjson
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mcpguard.model import ItemKind, JsonObject, Mode, RequestKind, Side
from tests.unit.proxy.play import SURFACE, Line, locked, opened

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

LOCK = locked(requests=list(RequestKind))
HOST_MARK, SERVER_MARK = "host-own-", "server-own-"
"""Beginnings of everything one side alone may know."""

CALLS: list[tuple[str, JsonObject]] = [
    ("ping", {}),
    ("tools/list", {}),
    ("resources/list", {}),
    ("tools/call", {"name": "free"}),
    ("tools/call", {"name": "free", "task": {}}),
    ("tools/call", {"name": "exec"}),
    ("tools/call", {"name": "echo", "arguments": {}}),
    ("prompts/get", {"name": "greet"}),
    ("no/such", {}),
]
ASKS = ["ping", "roots/list", "sampling/createMessage", "no/such"]
NOISE = [b"", b"noise", b"[]", b"{}", b'{"jsonrpc":"2.0","id":null,"result":{}}', b"\xff"]
picks = st.integers(0, 10_000)


class Peers(RuleBasedStateMachine):
    """A host and a server that know only what they were sent."""

    mode = Mode.ENFORCE

    def __init__(self) -> None:
        super().__init__()
        self.play = opened(LOCK, self.mode, timeout=60.0, max_pending=6)
        self.count = 0
        self.requests: list[str] = []
        self.cancelled: set[str] = set()
        self.asks: list[str] = []
        self.retracted: set[str] = set()
        self.at_server: list[JsonObject] = []
        self.at_host: list[JsonObject] = []
        self.answers: dict[Side, Counter[str]] = {Side.HOST: Counter(), Side.SERVER: Counter()}

    def own(self, mark: str) -> str:
        self.count += 1
        return f"{mark}{self.count}"

    def read(self) -> None:
        """Both peers read what they were sent."""
        for side, sends in self.play.sends.items():
            mark = SERVER_MARK if side is Side.HOST else HOST_MARK
            for data in sends:
                assert mark.encode() not in data
                self.note(side, orjson.loads(data))
            sends.clear()

    def note(self, side: Side, message: dict[str, Any]) -> None:
        if "method" not in message:
            self.answers[side][message["id"]] += 1
            return
        (self.at_host if side is Side.HOST else self.at_server).append(message)

    def host(self, *lines: Line) -> None:
        self.play.host(*lines)
        self.read()

    def server(self, *lines: Line) -> None:
        self.play.server(*lines)
        self.read()

    @rule(which=st.sampled_from(CALLS), token=st.booleans())
    def requests_something(self, which: tuple[str, JsonObject], token: bool) -> None:
        method, params = which
        given = self.own(HOST_MARK)
        if token:
            params = {**params, "_meta": {"progressToken": self.own(HOST_MARK)}}
        self.requests.append(given)
        self.host({"id": given, "method": method, "params": params})

    @precondition(lambda self: self.requests)
    @rule(pick=picks, again=st.booleans())
    def cancels_or_repeats(self, pick: int, again: bool) -> None:
        given = self.requests[pick % len(self.requests)]
        if again and not self.answers[Side.HOST][given] and given not in self.cancelled:
            self.host({"id": given, "method": "ping"})
        else:
            self.cancelled.add(given)
            self.host({"method": "notifications/cancelled", "params": {"requestId": given}})

    @precondition(lambda self: self.at_server)
    @rule(pick=picks, fails=st.booleans(), broken=st.booleans())
    def server_answers(self, pick: int, fails: bool, broken: bool) -> None:
        message: Any = self.at_server[pick % len(self.at_server)]
        if "id" not in message:
            return
        body: JsonObject = {"result": self.result(message)}
        if fails:
            body = {"error": {"code": -32000, "message": "no"}}
        if broken:
            body = {"result": 5}
        self.server({"id": message["id"], **body})

    def result(self, message: dict[str, Any]) -> JsonObject:
        kind = next((k for k in ItemKind if message["method"] == f"{k.value}/list"), None)
        if kind is not None:
            return {kind.value: [*SURFACE[kind].values()]}
        if "task" in message.get("params", {}):
            return {"task": {"taskId": self.own(SERVER_MARK), "status": "working"}}
        return {"content": []}

    @precondition(lambda self: self.at_server or self.at_host)
    @rule(pick=picks, by_host=st.booleans())
    def makes_progress(self, pick: int, by_host: bool) -> None:
        inbox: list[Any] = self.at_host if by_host else self.at_server
        tokens = [
            message["params"]["_meta"]["progressToken"]
            for message in inbox
            if "progressToken" in message.get("params", {}).get("_meta", {})
        ]
        if tokens:
            params = {"progressToken": tokens[pick % len(tokens)], "progress": 1}
            notice: JsonObject = {"method": "notifications/progress", "params": params}
            (self.host if by_host else self.server)(notice)

    @rule(method=st.sampled_from(ASKS), token=st.booleans())
    def server_asks(self, method: str, token: bool) -> None:
        given = self.own(SERVER_MARK)
        meta: JsonObject = {"_meta": {"progressToken": self.own(SERVER_MARK)}} if token else {}
        self.asks.append(given)
        self.server({"id": given, "method": method, "params": meta})

    @precondition(lambda self: self.asks)
    @rule(pick=picks)
    def server_retracts(self, pick: int) -> None:
        given = self.asks[pick % len(self.asks)]
        self.retracted.add(given)
        self.server({"method": "notifications/cancelled", "params": {"requestId": given}})

    @precondition(lambda self: self.at_host)
    @rule(pick=picks, broken=st.booleans())
    def host_answers(self, pick: int, broken: bool) -> None:
        message: Any = self.at_host[pick % len(self.at_host)]
        if "id" in message:
            self.host({"id": message["id"], "result": 5 if broken else {"roots": []}})

    @rule(method=st.sampled_from(["tools", "prompts", "resources"]))
    def list_changes(self, method: str) -> None:
        self.server({"method": f"notifications/{method}/list_changed"})

    @rule(noise=st.sampled_from(NOISE), by_host=st.booleans())
    def noise(self, noise: bytes, by_host: bool) -> None:
        (self.host if by_host else self.server)(noise)

    @rule(seconds=st.floats(0.0, 40.0))
    def time_passes(self, seconds: float) -> None:
        self.play.ticks(seconds)
        self.read()

    @rule()
    def log_fails_and_recovers(self) -> None:
        self.play.audit_fails = not self.play.audit_fails

    @invariant()
    def nobody_is_answered_twice(self) -> None:
        for counter in self.answers.values():
            assert max(counter.values(), default=0) <= 1

    @override
    def teardown(self) -> None:
        """The server dies: everybody has exactly one answer, and nothing is left."""
        self.play.closes(Side.HOST)
        self.read()
        self.play.closes(Side.SERVER)
        self.read()
        self.play.idle().ticks(10_000.0)
        self.read()
        self.nobody_is_answered_twice()
        answered = self.answers[Side.HOST]
        assert {one for one in self.requests if not answered[one]} <= self.cancelled
        refused = self.answers[Side.SERVER]
        assert {one for one in self.asks if not refused[one]} <= self.retracted


class WatchedPeers(Peers):
    """The same where nothing is blocked."""

    mode = Mode.AUDIT_ONLY


STEPS = settings(stateful_step_count=40)
Peers.TestCase.settings = STEPS
WatchedPeers.TestCase.settings = STEPS


worn = pytest.mark.guarantee("ids:answered-once")
TestPeers = worn(Peers.TestCase)
TestWatchedPeers = worn(WatchedPeers.TestCase)
