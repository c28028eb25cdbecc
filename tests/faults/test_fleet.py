"""Four real proxies at once on one store: what they may do together, and what each log says."""

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from mcpguard.audit.verify import verify
from mcpguard.live import standings
from mcpguard.model import JsonObject
from mcpguard.store import BACKENDS
from mcpguard.store.ledger import Kind, Limit
from mcpguard.trust.fold import fold
from mcpguard.trust.limits import MAX_TTL, RECHECK
from tests.faults.fleet import AT_ONCE, Place, Proxy, at_once, make_lock, mcpguard
from tests.unit.store.backends import RedisServer, answering, most_in_a_window
from tests.waiting import PATIENCE

CALLS = 2_500
"""Of each of the four."""

TOOL, BUCKET = Limit(25, 1_000), Limit(20, 1_000, Kind.BUCKET, burst=10)
PRINCIPAL, SERVER, RULE = 400, 700, 30

LIMITS = f"""
limits:
  tools:
    read: [25/second]
    write: [{{rate: 20/second, burst: 10}}]
  principal: ["{PRINCIPAL}/minute"]
  server: ["{SERVER}/minute"]
rules:
  - {{name: few-searches, tools: [search], action: allow, limit: {RULE}/hour}}
"""
STORE = "store: {{backend: {}, where: '{}', on_loss: {}}}\n"
PROFILES = ("work", "work", "home", "home")
OF_PRINCIPAL = f"the limit of {PRINCIPAL} calls a minute by this principal is reached"
TEXTS = {
    OF_PRINCIPAL,
    "the limit of 25 calls a second to this tool by this principal is reached",
    "the limit of 20 calls a second to this tool by this principal is reached",
    f"the limit of {SERVER} calls a minute to this server is reached",
    f"the limit of {RULE}/hour is spent (rule few-searches)",
}
SLACK = 500.0
"""Milliseconds between deciding a call and the time its record or the server's line has, at most:
windows shorter by that much are never exceeded."""


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lock(tmp_path_factory.mktemp("fleet"))


@pytest.fixture
def server() -> Iterator[RedisServer]:
    server = RedisServer("--appendonly", "yes")
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, lock: Path, tmp_path: Path) -> Place:
    where = str(tmp_path / "data" / "state.db")
    if request.param == "redis":
        where = request.getfixturevalue("server").url
    return Place(tmp_path, lock, LIMITS + STORE.format(request.param, where, "closed"))


def day(calls: int) -> list[str]:
    """What one host asks for."""
    ordinary = [
        "read",
        "list",
        "read",
        "write",
        "read",
        "search",
        "write",
        "grumble",
        "read",
        "list",
    ]
    tools = (ordinary * (calls // len(ordinary) + 1))[: calls - 6]
    return ["sleep", "fail", "sleep", "fail", *tools, "fail", "list"]


def day_in_turn(proxy: Proxy, told: threading.Event) -> None:
    """A day's calls; those at home begin when one at work was `told` of their principal's limit.

    Begun together, they can spend the server's limit before either principal has met its own.
    """

    def step(_: int) -> None:
        if any(text == OF_PRINCIPAL for _, text in proxy.answers.denials):
            told.set()

    if proxy.profile == "home":
        assert told.wait(PATIENCE), "nobody was told of the limit of a principal"
    try:
        proxy.load(day(CALLS), step)
    finally:
        told.set()  # whoever fails says it at once


def counted(proxies: Sequence[Proxy]) -> int:
    """Units of the server's limit that were used: a call that a rule denies has used one, too."""
    denied = sum(
        count
        for each in proxies
        for (rule, _), count in each.answers.denials.items()
        if rule == "policy.rule"
    )
    return denied + sum(len(each.served()) for each in proxies)


def spend(proxy: Proxy, proxies: Sequence[Proxy]) -> None:
    """What the others gave back when they ended: calls until the server's limit is spent."""
    end = time.monotonic() + MAX_TTL  # a lease that was asked for at the end is given back then
    while counted(proxies) < SERVER and time.monotonic() < end:
        proxy.ask(*["list"] * AT_ONCE)


def decided(proxies: Sequence[Proxy], decision: str) -> list[JsonObject]:
    return [
        record
        for each in proxies
        for record in each.records()
        if record.get("direction") == "host>server"
        and record.get("method") == "tools/call"
        and record.get("decision") == decision
    ]


def milliseconds(record: JsonObject) -> float:
    return datetime.fromisoformat(str(record["ts"])).timestamp() * 1000


def fullest(records: Sequence[JsonObject], tool: str, profile: str, limit: Limit) -> float:
    """How much of `limit` its fullest window had."""
    uses = [
        (milliseconds(each), 1)
        for each in records
        if (each["target"], each["principal"]) == (tool, f"local:{profile}")
    ]
    shorter = Limit(limit.amount, limit.window - round(SLACK), limit.kind, limit.burst)
    return most_in_a_window(shorter if limit.kind is Kind.SLIDING else limit, uses, slack=SLACK)


def verified(place: Place, proxies: Sequence[Proxy]) -> None:
    """Every log is whole, and states the scores that all logs give."""
    logs = [str(each.log) for each in proxies]
    assert [verify(each.log).problems for each in proxies] == [()] * len(proxies)
    done = mcpguard("trust", "verify", *logs)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.guarantee("control:fleet-within-limits")
def test_ten_thousand_calls_through_four_proxies_exceed_no_limit_and_give_the_fold_of_their_logs(
    place: Place, request: pytest.FixtureRequest
) -> None:
    with place.proxies(*PROFILES, options=("--timeout", "4")) as proxies:
        at_once(proxies, partial(day_in_turn, told=threading.Event()))
        *others, last = proxies
        assert [each.finish()[0] for each in others] == [0] * 3
        spend(last, proxies)
        assert last.finish()[0] == 0
    # every call was answered once, and reached a server when its log says so and only then
    assert [(len(each.answers.by_id), each.answers.twice) for each in proxies] == [
        (each.sent, 0) for each in proxies
    ]
    records = decided(proxies, "allow")
    served = [(each.profile, tool) for each in proxies for _, tool, _ in each.served()]
    assert Counter(served) == Counter(
        (str(record["principal"]).removeprefix("local:"), record["target"]) for record in records
    )
    for each in proxies:
        assert {number for _, _, number in each.served()} <= each.answers.allowed
    # no limit was exceeded, each was reached, and of the server's no unit was lost: the whole run
    # is within a minute
    by_profile = Counter(profile for profile, _ in served)
    searches = Counter(profile for profile, tool in served if tool == "search")
    assert SERVER - 4 * SERVER // 8 <= len(served) <= counted(proxies) == SERVER
    assert max(by_profile.values()) <= PRINCIPAL
    assert RULE // 2 <= searches["work"] <= RULE
    assert searches["home"] <= RULE
    for profile in ("work", "home"):
        assert fullest(records, "read", profile, TOOL) <= 1
        assert fullest(records, "write", profile, BUCKET) <= 1
    # a denial says which limit
    denials = sum((each.answers.denials for each in proxies), Counter[tuple[str, str]]())
    assert {text for _, text in denials} >= TEXTS
    assert {rule for rule, _ in denials} == {"trust.rate_limit", "policy.rule"}
    verified(place, proxies)
    store = BACKENDS[request.node.callspec.params["place"]](place_of(place))
    truth = fold(record for each in proxies for record in each.records())
    held = standings.known(store)
    store.close()
    assert {party: one._replace(recent=()) for party, one in held.items()} == {
        party: one._replace(recent=()) for party, one in truth.items()
    }


def place_of(place: Place) -> str:
    return place.settings.rpartition("where: '")[2].partition("'")[0]


# --- a store that goes away ----------------------------------------------------------------------

LOST = ("trust.store_lost", "the store that counts a limit cannot be used")
UNREAD = ("trust.store_lost", "the store that says who is blocked cannot be read")
FEW = "limits: {tools: {read: [5/hour]}}\n"
TRIES = 5_000
"""Calls until one is allowed: a proxy answers one in less than a millisecond, and looks again
after a second or two."""


def until_allowed(proxy: Proxy, tool: str) -> None:
    for _ in range(TRIES):
        [answer] = proxy.ask(tool)
        if answer["id"] in proxy.answers.allowed:
            return
    raise AssertionError(f"{tool} is never allowed again: {proxy.answers.denials}")


def until_lost(proxy: Proxy, tool: str) -> None:
    """A proxy whose first look at the store came too late misses it at that."""
    for _ in range(TRIES):
        proxy.ask(tool)
        if not {LOST, UNREAD}.isdisjoint(proxy.answers.denials):
            return
    raise AssertionError(f"the store is not missed: {proxy.answers.denials}")


def loaded(
    proxy: Proxy, *, tools: Sequence[str], stepping: Proxy, step: Callable[[int], None]
) -> None:
    """Calls `tools`; `step` hears how far `stepping` is."""
    if proxy is stepping:
        proxy.load(tools, step)
    else:
        proxy.load(tools)


@pytest.mark.guarantee("control:fleet-store-lost")
def test_a_redis_killed_under_load_lets_nothing_above_a_limit_through(
    lock: Path, server: RedisServer, tmp_path: Path
) -> None:
    roomy = LIMITS.replace(f"{PRINCIPAL}/minute", "9000/minute").replace(f"{SERVER}/", "9000/")
    place = Place(tmp_path, lock, roomy + STORE.format("redis", server.url, "closed"))
    turns = {200: server.kill, 1_000: server.kill, 1_100: server.restart}

    def step(sent: int) -> None:
        for at in [at for at in turns if at <= sent]:
            turns.pop(at)()

    with place.proxies(*PROFILES) as proxies:
        first = proxies[0]
        tools = ["read", "search", "read", "write", "read"] * 125
        load = partial(loaded, tools=tools, stepping=first, step=step)
        at_once(proxies, load)
        for each in proxies:
            until_lost(each, "read")
        server.restart()
        at_once(proxies, load)
        assert not turns
        for each in proxies:
            until_allowed(each, "read")
        assert [each.finish()[0] for each in proxies] == [0] * 4
    assert [(len(each.answers.by_id), each.answers.twice) for each in proxies] == [
        (each.sent, 0) for each in proxies
    ]
    records = decided(proxies, "allow")
    assert len(records) == sum(len(each.served()) for each in proxies)
    searches = Counter(each["principal"] for each in records if each["target"] == "search")
    assert max(searches.values()) <= RULE
    for profile in ("work", "home"):
        assert fullest(records, "read", profile, TOOL) <= 1
        assert fullest(records, "write", profile, BUCKET) <= 1
    assert all(each.events()["store.back"] for each in proxies)
    verified(place, proxies)


@pytest.mark.guarantee("control:fleet-store-lost")
def test_a_redis_that_is_down_at_the_start_denies_every_tool_until_it_is_there(
    lock: Path, server: RedisServer, tmp_path: Path
) -> None:
    place = Place(tmp_path, lock, FEW + STORE.format("redis", server.url, "closed"))
    server.kill()
    with place.proxies("work") as [proxy]:
        proxy.ask("read", "list", "read")
        assert proxy.answers.denials == {UNREAD: 3}
        server.restart()
        until_allowed(proxy, "list")
        reads = [answer["id"] for answer in proxy.ask(*["read"] * 20)]
        assert len(proxy.answers.allowed.intersection(reads)) == 5
        assert proxy.finish()[0] == 0
    assert proxy.events()["store.lost"] == proxy.events()["store.back"] == 1


@pytest.mark.guarantee("control:fleet-store-lost")
def test_whoever_chose_so_counts_alone_when_the_store_is_down_at_the_start(
    lock: Path, server: RedisServer, tmp_path: Path
) -> None:
    place = Place(tmp_path, lock, FEW + STORE.format("redis", server.url, "local"))
    server.kill()
    with place.proxies("work", "work") as proxies:
        for each in proxies:
            each.ask(*["read"] * 20, "list")
            assert len(each.answers.allowed) == 5 + 1
            assert each.finish()[0] == 0


@pytest.fixture
def files(lock: Path, tmp_path: Path) -> Place:
    """A store in a file of its own."""
    where = tmp_path / "data" / "state.db"
    return Place(tmp_path, lock, FEW + STORE.format("sqlite", where, "closed"))


@contextmanager
def locked(place: Place) -> Iterator[None]:
    """Somebody else is writing into the file, and does not end."""
    with closing(sqlite3.connect(place.data / "state.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.guarantee("control:fleet-slow-store")
def test_a_locked_store_holds_up_only_what_needs_it_and_no_longer_than_that(files: Place) -> None:
    with files.proxies("work") as [proxy]:
        proxy.ask("list")
        with locked(files):
            proxy.send(["read"])
            proxy.send(["list"] * 200)
            proxy.until_answered(1)
            assert 1 not in proxy.answers.by_id
        proxy.until_answered()
        assert 1 in proxy.answers.allowed
        assert proxy.finish()[0] == 0


@pytest.mark.timed
@pytest.mark.guarantee("control:fleet-slow-store")
def test_only_the_first_call_waits_for_a_store_that_stays_locked(files: Place) -> None:
    with files.proxies("work") as [proxy]:
        proxy.ask("list")
        with locked(files):
            proxy.ask("read")
            begun = time.monotonic()
            proxy.ask(*["read"] * 20)
            for _ in range(3):
                while time.monotonic() - begun < RECHECK:
                    proxy.ask("list")
                proxy.ask("read")
                begun, seconds = time.monotonic(), time.monotonic() - begun
                assert seconds < RECHECK + 1, seconds
            assert proxy.answers.denials == {LOST: 24}
        until_allowed(proxy, "read")
        assert proxy.finish()[0] == 0


@pytest.mark.timed
@pytest.mark.guarantee("control:fleet-slow-store")
def test_a_session_with_a_locked_store_ends_in_time(files: Place) -> None:
    with files.proxies("work") as [proxy]:
        proxy.ask("list")
        with locked(files):
            proxy.send(["read", "list"])
            proxy.until_answered(1)
            code, seconds = proxy.finish()
    assert (code, seconds < 2.5) == (0, True), seconds
    assert verify(proxy.log).problems == ()


def test_a_store_that_is_deleted_denies_what_needs_it_and_nothing_else(files: Place) -> None:
    with files.proxies("work") as [proxy]:
        proxy.ask("list")
        for file in files.data.glob("state.db*"):
            file.unlink()
        proxy.ask("read", "list", "read")
        assert proxy.answers.denials == {LOST: 2}
        assert proxy.finish()[0] == 0


def test_a_file_that_is_no_store_denies_every_tool(files: Place) -> None:
    store = files.data / "state.db"
    store.write_bytes(b"no store at all" * 100)
    store.chmod(0o600)
    with files.proxies("work") as [proxy]:
        proxy.ask("read", "list")
        assert proxy.answers.denials == {UNREAD: 2}
        assert proxy.finish()[0] == 0


@pytest.mark.parametrize("answer", [b"+OK\r\n", b"*1\r\n" * 20_000], ids=["text", "too deep"])
@pytest.mark.parametrize(("on_loss", "denials"), [("closed", {UNREAD: 2}), ("local", {})])
def test_a_server_that_is_no_redis_is_a_store_that_is_lost(
    lock: Path, tmp_path: Path, answer: bytes, on_loss: str, denials: dict[tuple[str, str], int]
) -> None:
    with answering(answer, greets=False) as url:
        place = Place(tmp_path, lock, FEW + STORE.format("redis", url, on_loss))
        with place.proxies("work") as [proxy]:
            proxy.ask("read", "list")
            assert proxy.answers.denials == denials
            assert proxy.finish()[0] == 0
    assert proxy.events()["store.lost"] == 1
