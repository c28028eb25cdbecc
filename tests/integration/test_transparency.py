"""A session through the proxy, with everything locked and allowed, is the session without it.

Each SDK client runs the same steps twice against each server, once with the server itself and once
with `mcpguard proxy` in between, and both runs are compared whole: what the SDK's user sees, and
every raw line on the client's wire. DIFFERENCES lists everything that may differ, with the reason;
there is nothing else.
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from mcpguard.wire.methods import NOTIFICATIONS, REQUESTS
from tests.integration.host import Place
from tests.integration.scenarios import SERVERS, UNKNOWN_METHOD, Real, Step
from tests.integration.transcripts import (
    CLIENTS,
    TEE,
    Client,
    Line,
    Run,
    View,
    at_server,
    fresh,
    put,
    run_client,
    script_for,
    view,
)

ASKS = ("--allow-request", "roots", "--allow-request", "sampling", "--allow-request", "elicitation")


@dataclass
class Pair:
    """The same steps, direct and through the proxy."""

    direct: Run
    proxied: Run
    records: list[dict[str, Any]]


@dataclass
class Bench:
    """One server's working directory and lock, made at first use and shared by all clients."""

    base: Path
    servers: dict[str, Real] = field(default_factory=lambda: dict(SERVERS))
    locks: dict[str, Place] = field(default_factory=dict)
    pairs: dict[tuple[str, str], Pair] = field(default_factory=dict)

    def place(self, name: str) -> Place:
        if name not in self.locks:
            self.locks[name] = self._lock(name, self.servers[name])
        return self.locks[name]

    def _lock(self, name: str, real: Real) -> Place:
        base = self.base / name
        base.mkdir()
        work = fresh(base, real)
        place = Place(base, put(list(real.command), work), put(real.env, work))
        names = [word for variable in real.env for word in ("--env", variable)]
        done = place.mcpguard("lock", "-o", str(place.lock), *ASKS, *names, "--", *place.command)
        assert done.returncode == 0, done.stderr.decode()
        return place

    def run(self, name: str, client: Client, command: list[str]) -> Run:
        real, base = self.servers[name], self.base / name
        work = fresh(base, real)
        return run_client(
            client, base, script_for(real, client, work, steps(real, client)), command
        )

    def pair(self, name: str, client: Client) -> Pair:
        key = (name, client.name)
        if key not in self.pairs:
            place = self.place(name)
            place.audit.unlink(missing_ok=True)
            direct = self.run(name, client, list(place.command))
            proxied = self.run(name, client, place.proxy_command())
            self.pairs[key] = Pair(direct, proxied, place.records())
        return self.pairs[key]


def steps(real: Real, client: Client) -> Iterator[Step]:
    yield from real.settled
    yield from real.steps
    if client.tasks:
        yield from real.tasks
    if client.modern:
        yield from real.listens


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("transparency"))


PAIRS = [
    pytest.param(server, client, id=f"{client.name}-{server}")
    for server in SERVERS
    for client in CLIENTS.values()
]

# what may differ


def by_request(seen: View, wanted: Callable[[Line], bool]) -> Iterator[Line]:
    """The answers to the requests that are `wanted`."""
    for request in seen.wire.asked:
        answer = seen.wire.answers.get(json.dumps(request.get("id")))
        if "id" in request and wanted(request) and answer is not None:
            yield answer


def unknown_method(seen: View) -> None:
    for line in seen.outcomes:
        if line.get("step") == UNKNOWN_METHOD:
            line["error"].pop("data", None)
    for answer in by_request(seen, lambda request: request["method"] == UNKNOWN_METHOD["method"]):
        answer["error"].pop("data", None)


def invalid_arguments(seen: View) -> None:
    refused = [line for line in seen.outcomes if line.get("step", {}).get("invalid")]
    for line in refused:
        assert line["result"]["isError"]
        line["result"] = "refused"
    steps = [(line["step"]["name"], line["step"]["arguments"]) for line in refused]
    for answer in by_request(
        seen,
        lambda line: (
            (line["params"].get("name"), line["params"].get("arguments")) in steps
            if "params" in line
            else False
        ),
    ):
        answer["result"] = "refused"


def cancelled_progress(seen: View) -> None:
    cancelled = [
        line["params"]["requestId"]
        for line in seen.wire.asked
        if line["method"] == "notifications/cancelled"
    ]
    metas = [
        line["params"].get("_meta", {})
        for line in seen.wire.asked
        if line.get("id", "") in cancelled
    ]
    tokens = [meta["progressToken"] for meta in metas if "progressToken" in meta]
    if not tokens:
        return

    def kept(params: dict[str, Any]) -> bool:
        return params["progressToken"] not in tokens or params["progress"] == 1

    method = "notifications/progress"
    lines = seen.wire.notices[method]
    seen.wire.notices[method] = [line for line in lines if kept(line["params"])]
    told = f"notification {method}"
    if told in seen.events:
        seen.events[told] = [params for params in seen.events[told] if kept(params)]


def list_changed(seen: View) -> None:
    for table in (seen.events, seen.wire.notices):
        for name, lines in table.items():
            if name.endswith("/list_changed"):
                table[name] = [line for at, line in enumerate(lines) if line not in lines[:at]]


def early_status(seen: View) -> None:
    first = "Gathering sources..."
    for table in (seen.events, seen.wire.notices):
        for name, lines in table.items():
            if name.endswith("/tasks/status"):
                table[name] = [
                    line for line in lines if line.get("params", line)["statusMessage"] != first
                ]


@dataclass(frozen=True)
class Difference:
    """Something the proxy is allowed to change: why, and how both sides are made equal in it."""

    what: str
    why: str
    even_out: Callable[[View], None]


DIFFERENCES = (
    Difference(
        "the error of an unknown method has no `data`",
        "the proxy answers it itself; `data` of the Python SDK only repeats the name",
        unknown_method,
    ),
    Difference(
        "arguments that do not fit the reviewed schema are refused in mcpguard's words",
        "they never reach the server; both are a result with isError",
        invalid_arguments,
    ),
    Difference(
        "progress of a request that the host cancelled stops",
        "the host has given the token back; the TypeScript server goes on sending",
        cancelled_progress,
    ),
    Difference(
        "several list_changed in a row are one",
        "it is forwarded when the lists are verified again, at most four times a second",
        list_changed,
    ),
    Difference(
        "a task's status that is sent before the answer which makes the task is dropped",
        "no call is known yet that it could belong to",
        early_status,
    ),
)


def evened(run: Run, client: Client) -> View:
    seen = view(run, client)
    for difference in DIFFERENCES:
        difference.even_out(seen)
    return seen


@pytest.mark.guarantee("proxy:transparent")
@pytest.mark.parametrize(("server", "client"), PAIRS)
def test_a_session_through_the_proxy_is_the_session_without_it(
    bench: Bench, server: str, client: Client
) -> None:
    pair = bench.pair(server, client)
    direct, proxied = evened(pair.direct, client), evened(pair.proxied, client)
    assert proxied.outcomes == direct.outcomes
    assert proxied.events == direct.events
    assert vars(proxied.wire) == vars(direct.wire)
    assert pair.records


INNER = (
    ("python-1", "memory"),
    ("python-2-auto", "modern"),
    ("python-2-legacy", "filesystem"),
    ("typescript-2", "everything"),
)


@pytest.mark.guarantee("proxy:transparent")
@pytest.mark.parametrize(("client", "server"), INNER)
def test_the_server_is_sent_what_it_is_sent_without_the_proxy(
    bench: Bench, client: str, server: str
) -> None:
    """With a tee on the server's side; the proxy's own lists are left out."""
    log = bench.base / f"{server}-inner.log"
    teed = (sys.executable, "-I", str(TEE), "-", "--", *SERVERS[server].command)
    name = f"{server}-inner"
    env = {**SERVERS[server].env, "TEE_LOG": str(log)}
    bench.servers[name] = replace(SERVERS[server], command=teed, env=env)
    place = bench.place(name)
    sent = []
    for command in (list(place.command), place.proxy_command()):
        log.unlink(missing_ok=True)
        bench.run(name, CLIENTS[client], command)
        sent.append(at_server(log, not_for_the_server))
    (asked, answers), (proxied_asked, proxied_answers) = sent
    assert proxied_asked == asked
    assert [line["result"] for line in proxied_answers] == [line["result"] for line in answers]


def not_for_the_server(line: Line) -> bool:
    """Tell lists, and what the proxy answers: DIFFERENCES, and discovery of a legacy server."""
    steps = [step for real in SERVERS.values() for step in real.steps if step.get("invalid")]
    params = line.get("params", {})
    called = {"name": params.get("name"), "arguments": params.get("arguments")}
    method = line.get("method", "")
    if method.endswith("/list") or method in (UNKNOWN_METHOD["method"], "server/discover"):
        return True
    return any(called == {"name": step["name"], "arguments": step["arguments"]} for step in steps)


# every row of the method table

TABLE = {
    "tools/list": ("python-2-auto", "everything"),
    "tools/call": ("python-2-auto", "everything"),
    "prompts/list": ("python-2-auto", "everything"),
    "prompts/get": ("python-2-auto", "everything"),
    "resources/list": ("python-2-auto", "everything"),
    "resources/templates/list": ("python-2-auto", "everything"),
    "resources/read": ("python-2-auto", "everything"),
    "resources/subscribe": ("python-2-legacy", "everything"),
    "resources/unsubscribe": ("python-2-legacy", "everything"),
    "completion/complete": ("python-1", "everything"),
    "logging/setLevel": ("python-1", "everything"),
    "ping": ("python-1", "everything"),
    "initialize": ("python-1", "everything"),
    "notifications/initialized": ("python-1", "everything"),
    "notifications/cancelled": ("python-2-auto", "everything"),
    "notifications/roots/list_changed": ("typescript-1", "everything"),
    "tasks/get": ("typescript-1", "everything"),
    "tasks/result": ("typescript-1", "everything"),
    "tasks/list": ("python-1", "everything"),
    "tasks/cancel": ("python-1", "everything"),
    "server/discover": ("python-2-auto", "modern"),
    "subscriptions/listen": ("python-2-auto", "modern"),
    "notifications/progress": ("python-2-auto", "modern"),
    "notifications/message": ("python-2-auto", "modern"),
    "notifications/resources/updated": ("python-2-auto", "modern"),
    "notifications/tools/list_changed": ("python-2-auto", "modern"),
    "notifications/subscriptions/acknowledged": ("python-2-auto", "modern"),
    "notifications/tasks/status": ("python-1", "everything"),
    "roots/list": ("python-1", "everything"),
    "sampling/createMessage": ("python-1", "everything"),
    "elicitation/create": ("python-1", "everything"),
    "inputResponses": ("python-2-auto", "modern"),
}
"""Each method, and a pair that uses it; `inputResponses` is a multi-round-trip (2026-07-28)."""
ELSEWHERE = {
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/elicitation/complete",
}
"""Same code and shape as a row that is used; no real server sends them in a fixed session."""


def test_every_row_of_the_method_table_is_used_by_a_pair(bench: Bench) -> None:
    known = {name for table in (*REQUESTS.values(), *NOTIFICATIONS.values()) for name in table}
    assert known <= TABLE.keys() | ELSEWHERE
    for method, (client, server) in TABLE.items():
        pair = bench.pair(server, CLIENTS[client])
        lines = b"\n".join(raw for _, raw in pair.proxied.wire).decode()
        assert f'"{method}"' in lines, method
