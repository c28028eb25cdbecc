"""What proxies share of their scores: equal to the fold of their logs, whoever writes when."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.audit.record import changed as told_change
from mcpguard.errors import AuditError, StoreError
from mcpguard.live import standings
from mcpguard.model import Allowed, Json, JsonObject
from mcpguard.store import MAX_VALUE, Store
from mcpguard.store.memory import MemoryStore
from mcpguard.trust.account import CALLER, SERVER, Entry, Party
from mcpguard.trust.fold import check, fold, fold_all
from mcpguard.trust.score import DAY, Event, Standing, effective
from mcpguard.trust.shared import MAX_SEEN, MAX_TAIL, WINDOW, Shared
from tests.unit.live.proxies import ANSWERED, FILES, ME, Proxy, Told, logged
from tests.unit.store.backends import NAMES, RedisServer, backend

UP, DOWN = "host>server", "server>host"
NOON = 1_790_000_000.0


def denied(reason: str, direction: str = DOWN, **fields: str) -> JsonObject:
    given: JsonObject = {"stage": "wire", "decision": "deny", "method": "tools/call"}
    return {**given, "direction": direction, "reason": reason, **fields}


DRIFT = denied("drifted", target="read_file")
FORGED = denied("unknown_id", decision="drop", method="")
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
    assert standings.load(MemoryStore(), [FILES, ME], folder) == truth | unmet


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
    stranger, pinned = Party(CALLER, "did:web:a.example"), Party(CALLER, "did:key:z6Mk")
    found = standings.load(MemoryStore(), [FILES, ME, stranger, pinned], tmp_path / "none")
    assert found == {
        FILES: Standing.new(1),
        ME: Standing.new(1),
        stranger: Standing.new(0),
        pinned: Standing.new(1),
    }


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


@pytest.mark.parametrize("seq", [-5, 0, True, 2**63, 2**64 - 1])
def test_a_record_with_a_number_no_log_reaches_makes_no_damaged_copy(
    tmp_path: Path, seq: int
) -> None:
    proxy = Proxy(tmp_path, "s1", [NOON])
    proxy.write(ANSWERED)
    log = next(iter(tmp_path.glob("*.jsonl")))
    *_, last = log.read_bytes().splitlines()
    with log.open("ab") as file:
        file.write(orjson.dumps({**orjson.loads(last), "seq": seq, "session": "x"}) + b"\n")
    store = MemoryStore()
    assert standings.load(store, [FILES], tmp_path) == standings.load(store, [FILES], tmp_path)


@pytest.mark.guarantee("control:damaged-copy-refused")
def test_a_damaged_copy_is_an_error_and_never_a_score(tmp_path: Path) -> None:
    sound = shared(tmp_path)
    assert Shared.read(FILES, sound).as_json() == sound
    for wrong in spoilt(sound):
        if wrong != sound and not refused(wrong):
            assert isinstance(wrong, dict)
            assert (wrong["v"], wrong["standing"]) == (sound["v"], sound["standing"])


WRONG: list[tuple[int, Json]] = [
    *((0, each) for each in (5, -1)),
    *((1, each) for each in (800, -1, True, 300.0)),
    *((2, list[Json](each)) for each in ([500] * 4, [500] * 6, [1001, 500, 500, 500, 500])),
    *((3, -2), (4, 51), (4, -1), (5, 151), (5, -1), (6, -1), (6, "1")),
]


@pytest.mark.guarantee("control:damaged-copy-refused")
@pytest.mark.parametrize(("place", "wrong"), WRONG)
def test_a_standing_out_of_its_bounds_is_an_error(place: int, wrong: Json, tmp_path: Path) -> None:
    sound = shared(tmp_path)
    row = sound["standing"]
    assert isinstance(row, list)
    damaged = {**sound, "standing": [*row[:place], wrong, *row[place + 1 :]]}
    with pytest.raises(StoreError, match="its key 'standing/server/files' holds") as caught:
        Shared.read(FILES, damaged)
    assert "remove that key from the store" in caught.value.hint
    store = MemoryStore()
    store.put("standing/server/files", damaged, 0)
    with pytest.raises(StoreError):
        standings.load(store, [FILES], tmp_path)
    store.delete("standing/server/files", store.version())
    assert standings.load(store, [FILES], tmp_path) == {FILES: fold(logged(tmp_path))[FILES]}


NAMES_OF_A_FLOOD = {
    "control characters": "\0" * 90,
    "backslashes": "\\" * 100,
    "emoji": "\N{GRINNING FACE}" * 90,
    "half characters": "\ud800x" * 40,
    "letters": "é" * 99,
    "long": "t" * 400,
}


@pytest.mark.parametrize("name", NAMES_OF_A_FLOOD.values(), ids=NAMES_OF_A_FLOOD)
def test_a_flood_of_any_names_fits_a_stores_value_and_is_the_fold(
    name: str, tmp_path: Path
) -> None:
    store, clock = MemoryStore(), [NOON]
    proxies = [Proxy(tmp_path, f"{number:016x}", clock) for number in range(3)]
    standings.load(store, [FILES, ME], tmp_path)
    before = int(NOON * 1e6) - 1
    others = [
        Entry(FILES, before, f"other{number:011}", 10**9, "met") for number in range(MAX_SEEN)
    ]
    standings.publish(store, others, tmp_path)
    for number in range(2 * MAX_TAIL):
        clock[0] += 0.21
        proxies[number % 3].write(denied("drifted", target=f"{number:08}{name}"))
        proxies[number % 3].write({**ANSWERED.fields(), "target": name, "outcome": "error"})
        if number % 40 == 39:
            for each in proxies:
                each.publish(store)
    values = [orjson.dumps(held.value) for held in store.list("").values()]
    assert 30_000 < max(map(len, values)) < MAX_VALUE
    assert standings.known(store) == fold(logged(tmp_path)) | {ME: Standing.new(1)}


def test_a_flood_within_a_second_takes_one_place(tmp_path: Path) -> None:
    proxy = Proxy(tmp_path, "s1", [NOON])
    proxy.write(*[FORGED] * 500, *[denied("parse")] * 500, *[ANSWERED] * 500)
    kept = proxy.watcher.drain()
    assert [entry.times for entry in kept if entry.kind in set(Event)] == [500] * 4
    assert proxy.watcher.drain() == []


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


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("times", [1, 2, 60, 1000])
def test_an_event_many_times_is_that_event_so_often(event: Event, times: int) -> None:
    by_hand = Standing.new(1)
    for _ in range(times):
        by_hand = by_hand.after(event, int(NOON), "t")
    assert Standing.new(1).repeated(event, int(NOON), "t", times) == by_hand


@pytest.mark.guarantee("control:new-server-starts-at-once")
def test_of_whom_no_log_says_anything_no_log_is_read(tmp_path: Path) -> None:
    clock = [1_800_000_000.0]
    proxy = Proxy(tmp_path, "a", clock)
    proxy.write(*[ANSWERED] * 3)
    proxy.log.close()
    with (tmp_path / "a.jsonl").open("ab") as log:
        log.write(b"nothing that could be read\n")
    new = Party(SERVER, "another")
    store = MemoryStore()
    assert standings.load(store, [new], tmp_path)[new].score == 500
    with pytest.raises(AuditError):
        standings.load(store, [FILES], tmp_path)


def test_a_name_is_found_wherever_a_log_is_cut_into_chunks(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    Proxy(tmp_path, "a", [1_800_000_000.0]).log.close()
    begun = log.read_bytes()
    for before in range(standings.CHUNK - 12, standings.CHUNK + 2):
        log.write_bytes(begun.ljust(before) + b'"another"' + b" " * 20 + b"\n")
        with pytest.raises(AuditError):
            standings.load(MemoryStore(), [Party(SERVER, "another")], tmp_path)


def test_logs_whose_clock_was_set_back_are_folded_in_the_order_of_their_times(
    tmp_path: Path,
) -> None:
    clock = [1_800_000_000.0]
    one, other = Proxy(tmp_path, "a", clock), Proxy(tmp_path, "b", clock)
    for step in (5.0, 3.0, -9.0, 4.0):
        clock[0] += step
        one.write(ANSWERED, {**ANSWERED.fields(), "outcome": "error"})
        other.write(ANSWERED)
    assert standings.load(MemoryStore(), [FILES, ME], tmp_path) == fold(logged(tmp_path))


def test_what_lies_beside_the_logs_and_is_none_is_not_counted(tmp_path: Path) -> None:
    proxy = Proxy(tmp_path, "one", [NOON])
    proxy.write(DRIFT)
    (tmp_path / "notes.jsonl").write_text('{"a": 1}\n', "utf-8")
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "lost.jsonl").symlink_to(tmp_path / "nowhere")
    [standing] = standings.load(MemoryStore(), [FILES], tmp_path).values()
    assert standing.score < Standing.new(1).score
