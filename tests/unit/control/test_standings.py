"""What proxies share of their scores: equal to the fold of their logs, whoever writes when."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.audit import AuditLog
from mcpguard.audit.record import changed as told_change
from mcpguard.audit.verify import read
from mcpguard.control import standings
from mcpguard.errors import StoreError
from mcpguard.model import Allowed, Json, JsonObject
from mcpguard.store import MAX_VALUE, Store
from mcpguard.store.memory import MemoryStore
from mcpguard.trust.account import CALLER, SERVER, Entry, Party
from mcpguard.trust.fold import check, fold, fold_all
from mcpguard.trust.score import DAY, Event, Standing, effective
from mcpguard.trust.shared import MAX_TAIL, WINDOW, Shared
from mcpguard.trust.watch import Watcher
from tests.unit.store.backends import NAMES, RedisServer, backend

FILES, ME = Party(SERVER, "files"), Party(CALLER, "local:default")
UP, DOWN = "host>server", "server>host"
ANSWERED = Allowed(DOWN, "tools/call", "read_file")
NOON = 1_790_000_000.0
Told = JsonObject | Allowed


def denied(reason: str, direction: str = DOWN, **fields: str) -> JsonObject:
    given: JsonObject = {"stage": "wire", "decision": "deny", "method": "tools/call"}
    return {**given, "direction": direction, "reason": reason, **fields}


DRIFT = denied("drifted", target="read_file")
FORGED = denied("unknown_id", decision="drop")
KINDS: Sequence[Told] = [
    ANSWERED,
    Allowed(UP, "tools/call", "read_file"),
    Allowed(DOWN, "prompts/get", "p"),
    {**ANSWERED.fields(), "outcome": "error"},
    {**ANSWERED.fields(), "stage": "policy", "reason": "redacted"},
    DRIFT,
    denied("drifted", target="other"),
    FORGED,
    denied("timeout"),
    denied("server_gone"),
    denied("rule", UP, stage="policy"),
    denied("injection", UP, stage="scan"),
    told_change("trust.reset", by="me", key="k1", why="reviewed", kind="server", name="files"),
    told_change("trust.reset", by="me", why="unsigned", kind="server", name="files"),
    told_change("control.block", by="me", kind="tool", name="rm"),
]


class Proxy:
    """A session as the daemon runs one: its log, what it watched, and what it could not publish."""

    def __init__(self, folder: Path, name: str, clock: list[float], lock: str = "sha256:1") -> None:
        self.clock = clock
        self.log = AuditLog.open(
            folder / f"{name}.jsonl",
            key=bytes(32),
            session=name,
            server="files",
            principal="local:default",
            clock=lambda: clock[0],
            durability="none",
            defaults={"mode": "enforce", "level": 1, "score": 500},
            facts={"lock": lock},
        )
        self.watcher = Watcher(
            session=name,
            server="files",
            principal="local:default",
            level=1,
            lock=lock,
            seq=self.log.seq,
            now=clock[0],
        )
        self.pending: list[Entry] = []

    def write(self, *told: Told) -> None:
        records = [(one, b"") for one in told]
        self.log.write(records)
        self.watcher.seen(records, self.log.seq, self.clock[0])

    def publish(self, store: Store) -> dict[Party, Standing]:
        self.pending += self.watcher.drain()
        found = standings.publish(store, self.pending, self.log.path.parent)
        self.pending.clear()
        return found


def logged(folder: Path) -> list[JsonObject]:
    return [record for file in sorted(folder.glob("*.jsonl")) for record in read(file)]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture(params=NAMES)
def store(request: pytest.FixtureRequest, server: RedisServer) -> Iterator[Store]:
    with backend(request.param, server) as made:
        yield made.store


@pytest.mark.guarantee("control:scores-are-the-fold")
def test_four_proxies_that_publish_at_once_share_the_fold_of_their_logs(
    store: Store, tmp_path: Path
) -> None:
    proxies = [Proxy(tmp_path, f"s{number}", [NOON + number / 7]) for number in range(4)]
    standings.load(store, [FILES, ME], tmp_path)

    def run(proxy: Proxy) -> None:
        for turn in range(12):
            proxy.clock[0] += 0.9
            proxy.write(*[ANSWERED] * 20)
            if turn % 4 == 3:
                proxy.write(
                    {**ANSWERED.fields(), "outcome": "error"}, denied("drifted", target="x")
                )
            proxy.publish(store)

    threads = [threading.Thread(target=run, args=(proxy,)) for proxy in proxies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    truth = fold(logged(tmp_path))
    assert standings.known(store) == truth
    assert (truth[FILES].events, truth[ME].events) == (4 * (240 + 3) + 1, 4 * 240)
    assert truth[FILES].score < 300


histories = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.lists(st.sampled_from(KINDS), min_size=1, max_size=2),
        st.booleans(),
    ),
    max_size=13,
)


@pytest.mark.guarantee("control:scores-are-the-fold")
@given(histories)
def test_whatever_is_published_late_within_the_window_is_the_fold(
    tmp_path_factory: pytest.TempPathFactory,
    history: list[tuple[int, list[Told], bool]],
) -> None:
    folder, store, clock = tmp_path_factory.mktemp("logs"), MemoryStore(), [NOON]
    proxies = [Proxy(folder, f"s{n}", clock, f"sha256:{n % 2}") for n in range(3)]
    standings.load(store, [FILES, ME], folder)
    for who, told, tells in history:
        for one in told:
            clock[0] += 1.05  # within a second, a session's plain calls have one place in the order
            proxies[who].write(one)
        if tells:
            proxies[who].publish(store)
    assert clock[0] - NOON < WINDOW / 1e6
    for proxy in reversed(proxies):
        proxy.publish(store)
    truth = fold(logged(folder))
    unmet = {party: Standing.new(1) for party in (FILES, ME) if party not in truth}
    assert standings.known(store) == truth | unmet
    assert standings.rebuild(store, folder) == fold(logged(folder))


@pytest.mark.guarantee("control:published-once")
def test_what_is_published_again_after_a_lost_answer_counts_once(
    store: Store, tmp_path: Path
) -> None:
    clock = [NOON]
    proxy = Proxy(tmp_path, "s1", clock)
    standings.load(store, [FILES, ME], tmp_path)
    proxy.write(ANSWERED, ANSWERED, FORGED)
    first = proxy.watcher.drain()
    once = standings.publish(store, first, tmp_path)
    assert standings.publish(store, first, tmp_path) == once
    clock[0] += 2
    proxy.write(ANSWERED)
    more = proxy.watcher.drain()
    standings.publish(store, [*first, *more], tmp_path)
    assert standings.known(store) == fold(logged(tmp_path))


@pytest.mark.guarantee("control:scores-are-the-fold")
def test_a_store_that_lost_everything_is_made_again_from_the_logs(tmp_path: Path) -> None:
    clock = [NOON]
    proxies = [Proxy(tmp_path, name, clock) for name in ("s1", "s2")]
    for proxy in proxies:
        proxy.write(ANSWERED, FORGED)
        proxy.publish(MemoryStore())
    emptied = MemoryStore()
    clock[0] += 1
    proxies[0].write(ANSWERED)
    proxies[0].publish(emptied)
    proxies[1].publish(emptied)
    assert standings.load(emptied, [FILES, ME], tmp_path) == fold(logged(tmp_path))


def test_whoever_no_log_names_begins_where_his_level_begins(tmp_path: Path) -> None:
    stranger = Party(CALLER, "did:key:z6Mk")
    found = standings.load(MemoryStore(), [FILES, ME, stranger], tmp_path / "none")
    assert found == {FILES: Standing.new(1), ME: Standing.new(1), stranger: Standing.new(0)}


@pytest.mark.guarantee("trust:verify-recomputes")
def test_a_live_log_that_restates_its_score_is_found_right(tmp_path: Path) -> None:
    clock, store = [NOON - NOON % DAY + DAY - 20.0], MemoryStore()
    one, other = (Proxy(tmp_path, name, clock) for name in ("s1", "s2"))
    standings.load(store, [FILES, ME], tmp_path)
    for turn in range(40):
        clock[0] += 1.0
        one.write(ANSWERED, *[DRIFT] * (turn == 9), Allowed(UP, "tools/call", f"t{turn}"))
        other.write(*[FORGED] * (turn == 29), ANSWERED)
        for proxy in (one, other):
            found = proxy.publish(store)
            held = effective(found[party].at(int(clock[0])).held for party in (FILES, ME))
            proxy.log.restate(1, held.score)
    stated, wrong = check(logged(tmp_path))
    assert (stated, wrong) == (40 * 3 + 2, None)
    scores = {record["score"] for record in logged(tmp_path) if "event" not in record}
    assert {500, 250} <= scores


def shared(folder: Path) -> JsonObject:
    clock = [NOON]
    proxy = Proxy(folder, "s1", clock)
    proxy.write(ANSWERED, DRIFT, FORGED)
    grown = fold_all(logged(folder))[FILES].with_entries(
        [Entry(FILES, int(NOON * 1e6), "s2", 4, Event.SUCCESS, "t", times=3)]
    )
    return grown.as_json()


def spoilt(value: Json) -> Iterator[Json]:
    """`value` with one thing in it of another kind, gone, added or out of its range."""
    others: list[Json] = [None, True, -(2**63), 2**63, "x" * 200, {}, [0] * 700]
    yield from others
    if isinstance(value, dict):
        for key in value:
            yield {name: child for name, child in value.items() if name != key}
            yield from ({**value, key: child} for child in spoilt(value[key]))
        yield {**value, "more": 0}
    elif isinstance(value, list):
        for place in range(len(value)):
            yield from (
                [*value[:place], each, *value[place + 1 :]] for each in spoilt(value[place])
            )


def refused(value: Json) -> bool:
    try:
        Shared.read(FILES, value)
    except StoreError:
        return True
    return False


@pytest.mark.guarantee("control:damaged-copy-refused")
def test_a_damaged_copy_is_an_error_and_never_a_score(tmp_path: Path) -> None:
    sound = shared(tmp_path)
    assert Shared.read(FILES, sound).as_json() == sound
    for wrong in spoilt(sound):
        if wrong != sound and not refused(wrong):
            assert isinstance(wrong, dict)
            assert (wrong["v"], wrong["standing"]) == (sound["v"], sound["standing"])


def test_a_flood_fits_a_stores_value_and_is_told_in_bounded_steps(tmp_path: Path) -> None:
    store, clock = MemoryStore(), [NOON]
    proxy = Proxy(tmp_path, "s" * 60, clock)
    standings.load(store, [FILES, ME], tmp_path)
    for number in range(3 * MAX_TAIL):
        clock[0] += 0.01
        proxy.write(
            denied("drifted", target=f"{number:0100}"),
            {**ANSWERED.fields(), "target": "é" * 99, "outcome": "error"},
        )
    proxy.write(*[FORGED] * 500)
    kept = proxy.watcher.drain()
    assert sum(entry.kind == Event.FORGERY for entry in kept) == 1
    standings.publish(store, kept, tmp_path)
    values = [orjson.dumps(held.value) for held in store.list("").values()]
    assert max(map(len, values)) < MAX_VALUE
    assert standings.known(store)[FILES].score == 0


def test_a_review_is_news_once_for_all_proxies(tmp_path: Path) -> None:
    store, clock = MemoryStore(), [NOON]
    standings.load(store, [FILES, ME], tmp_path)
    for number, lock in enumerate(["sha256:1", "sha256:1", "sha256:2", "sha256:2", "sha256:1"]):
        clock[0] += 1
        proxy = Proxy(tmp_path, f"s{number}", clock, lock)
        proxy.write(DRIFT)
        proxy.publish(store)
    assert standings.known(store) == fold(logged(tmp_path))
    kinds = [moved.event for moved in standings.known(store)[FILES].recent]
    assert kinds == [Event.DRIFT, Event.REVIEWED, Event.DRIFT]


def test_the_version_tells_whether_to_look_again(store: Store) -> None:
    version = store.version()
    assert standings.changed(store, version) is None
    standings.block(store, "tool", "rm", why="", by="me", at=1)
    assert standings.changed(store, version) == store.version()


@pytest.mark.guarantee("control:blocks-are-shared")
def test_what_is_blocked_is_blocked_for_every_proxy_until_it_is_unblocked(store: Store) -> None:
    standings.block(store, "principal", "local:x/y", why="left", by="ann", at=5)
    standings.block(store, "tool", "rm", why="a", by="ann", at=6)
    standings.block(store, "tool", "rm", why="b", by="bob", at=7)
    standings.block(store, "server", "files", why="", by="", at=8)
    assert standings.blocks(store) == standings.Blocks(
        {"local:x/y": standings.Block("ann", 5, "left")},
        {"rm": standings.Block("bob", 7, "b")},
        {"files": standings.Block("", 8, "")},
    )
    assert standings.unblock(store, "tool", "rm")
    assert not standings.unblock(store, "tool", "rm")
    assert standings.blocks(store).tools == {}


@pytest.mark.guarantee("control:blocks-are-shared")
@pytest.mark.parametrize("value", [None, 7, "x", [], ["me", "then", "why"], {"by": "me"}])
def test_a_block_that_cannot_be_read_still_blocks(value: Json) -> None:
    store = MemoryStore()
    store.put("block/tool/rm", value, 0)
    assert list(standings.blocks(store).tools) == ["rm"]


@pytest.mark.parametrize(("kind", "name"), [("room", "x"), ("", "x"), ("tool", ""), ("tool", "\0")])
def test_what_cannot_be_blocked_is_an_error(kind: str, name: str) -> None:
    with pytest.raises(StoreError):
        standings.block(MemoryStore(), kind, name, why="", by="", at=0)


def test_a_kind_of_block_that_is_not_known_is_an_error_and_not_overlooked() -> None:
    store = MemoryStore()
    store.put("block/moon/x", ["me", 1, ""], 0)
    with pytest.raises(StoreError, match="moon"):
        standings.blocks(store)


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("times", [1, 2, 60, 1000])
def test_an_event_many_times_is_that_event_so_often(event: Event, times: int) -> None:
    by_hand = Standing.new(1)
    for _ in range(times):
        by_hand = by_hand.after(event, int(NOON), "t")
    assert Standing.new(1).repeated(event, int(NOON), "t", times) == by_hand
