"""A session through the proxy, with everything locked and allowed, is the session without it.

Each SDK client runs the same steps twice against each server, once with the server itself and once with `mcpguard proxy`
in between, and both runs are compared whole: what the SDK's user sees, and every raw line on the client's wire. DIFFERENCES
lists everything that may differ, with the reason; there is nothing else.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import tools
from tests.integration.host import Place
from tests.integration.scenarios import SERVERS, Real, Step
from tests.integration.transcripts import (
    CLIENTS,
    Client,
    Run,
    Wire,
    events,
    fresh,
    outcomes,
    put,
    run_client,
    script_for,
    wire,
)

ASKS = ("--allow-request", "roots", "--allow-request", "sampling", "--allow-request", "elicitation")


@dataclass
class Pair:
    """The same steps, direct and through the proxy."""

    direct: Run
    proxied: Run
    place: Place


@dataclass
class Bench:
    """One server's working directory and lock, made at first use and shared by all clients."""

    base: Path
    locks: dict[str, Place] = field(default_factory=dict)

    def place(self, name: str) -> Place:
        if name not in self.locks:
            self.locks[name] = self._lock(name, SERVERS[name])
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
        real, base = SERVERS[name], self.base / name
        work = fresh(base, real)
        return run_client(client, base, script_for(real, client, work, steps(real, client)), command)

    def pair(self, name: str, client: Client) -> Pair:
        place = self.place(name)
        place.audit.unlink(missing_ok=True)
        direct = self.run(name, client, list(place.command))
        return Pair(direct, self.run(name, client, place.proxy_command()), place)


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
