"""What every store does alike: memory, SQLite, and Redis against a real server."""

import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcpguard.errors import StoreError
from mcpguard.model import Json
from mcpguard.store import ABSENT, MAX_COUNT, MAX_KEY, MAX_VALUE, Store
from mcpguard.store.ledger import MAX_AMOUNT, MAX_TTL, MAX_WINDOW, Grant, Kind, Limit
from tests.unit.store.backends import (
    NAMES,
    Backend,
    RedisServer,
    Use,
    backend,
    most_in_a_window,
    uses,
)

SLIDING = Limit(10, 40)
BUCKET = Limit(10, 40, Kind.BUCKET)
TTL = 8

by_kind = pytest.mark.parametrize("limit", [SLIDING, BUCKET], ids=["sliding", "bucket"])


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture(params=NAMES)
def made(request: pytest.FixtureRequest, server: RedisServer) -> Iterator[Backend]:
    with backend(request.param, server) as made:
        yield made


@pytest.fixture
def store(made: Backend) -> Store:
    return made.store


HOUR = Limit(10, 3_600_000)
HOUR_BUCKET = Limit(10, 3_600_000, Kind.BUCKET)
by_hour = pytest.mark.parametrize("limit", [HOUR, HOUR_BUCKET], ids=["sliding", "bucket"])


# --- leases --------------------------------------------------------------------------------------


@pytest.mark.guarantee("store:never-above-the-limit")
@by_hour
def test_units_are_granted_up_to_the_limit_and_then_none(store: Store, limit: Limit) -> None:
    grants = [store.take("k", limit, units, 1000) for units in (4, 4, 4, 1)]
    assert [grant.units for grant in grants] == [4, 4, 2, 0]
    assert [bool(grant.lease) for grant in grants] == [True, True, True, False]
    assert grants[3].retry > 0
    assert len({grant.lease for grant in grants[:3]}) == 3


@by_hour
def test_keys_are_counted_apart(store: Store, limit: Limit) -> None:
    assert [store.take(key, limit, 10, 1000).units for key in ("a", "b", "A", "a/b")] == [10] * 4


@by_hour
def test_unused_units_are_given_again_and_used_ones_are_not(store: Store, limit: Limit) -> None:
    lease = store.take("k", limit, 10, 1000).lease
    store.give_back("k", limit, lease, 7)
    assert store.take("k", limit, 10, 1000).units == 7


@pytest.mark.guarantee("store:given-back-once")
@by_hour
def test_a_lease_is_given_back_once(store: Store, limit: Limit) -> None:
    lease = store.take("k", limit, 6, 1000).lease
    for _ in range(3):
        store.give_back("k", limit, lease, 6)
    assert store.take("k", limit, MAX_AMOUNT, 1000).units == 10


@by_hour
def test_what_was_never_leased_cannot_be_given_back(store: Store, limit: Limit) -> None:
    store.give_back("k", limit, "nobody", 5)
    assert store.take("k", limit, 10, 1000).units == 10
    store.give_back("k", limit, "nobody", 5)
    assert store.take("k", limit, 1, 1000).units == 0


@by_hour
@pytest.mark.parametrize(("unused", "free"), [(99, 4), (4, 4), (0, 0), (-5, 0)])
def test_no_more_and_no_less_than_the_lease_comes_back(
    store: Store, limit: Limit, unused: int, free: int
) -> None:
    lease = store.take("k", limit, 4, 1000).lease
    store.take("k", limit, 6, 1000)
    store.give_back("k", limit, lease, unused)
    assert store.take("k", limit, 10, 1000).units == free


@pytest.mark.guarantee("store:expired-counts-on")
def test_an_expired_lease_counts_for_a_window_after_its_end(made: Backend) -> None:
    store, limit = made.store, Limit(10, 80)
    asked = made.now()  # before it is asked: a machine that pauses must not shorten the wait
    store.take("k", limit, 10, 40)
    while not store.take("k", limit, 1, 40).units:
        made.go(1)
    # Used in its last moment, a unit counts until then; the clocks count whole milliseconds.
    assert made.now() - asked > 40 + 80 - 3


def test_a_bucket_fills_again_only_from_the_end_of_a_lease(made: Backend) -> None:
    store, limit = made.store, Limit(4, 80, Kind.BUCKET)
    asked = made.now()  # before it is asked: a machine that pauses must not shorten the wait
    store.take("k", limit, 4, 40)
    while not store.take("k", limit, 1, 40).units:
        made.go(1)
    assert made.now() - asked > 40 + 80 / 4 - 3


@by_kind
def test_retry_says_when_to_ask_again(made: Backend, limit: Limit) -> None:
    store = made.store
    store.give_back("k", limit, store.take("k", limit, 10, TTL).lease, 0)
    grant, rounds = store.take("k", limit, 1, TTL), 0
    while not grant.units:
        assert 0 < grant.retry <= 42
        made.go(grant.retry + 1)
        grant, rounds = store.take("k", limit, 1, TTL), rounds + 1
    # Redis has the time of the machine: it may pass, all of it, before the first question.
    assert rounds == 1 or (rounds == 0 and made.name == "redis")


@by_kind
def test_all_units_come_back_in_the_end(made: Backend, limit: Limit) -> None:
    store = made.store
    for units in (3, 3, 3, 3):
        store.take("k", limit, units, TTL)
    made.go(limit.window + TTL + 4)
    assert store.take("k", limit, 10, TTL).units == 10


@by_hour
def test_a_lower_amount_counts_what_was_granted_under_a_higher_one(
    store: Store, limit: Limit
) -> None:
    store.take("k", limit, 6, 1000)
    assert store.take("k", limit._replace(amount=5), 1, 1000).units == 0
    assert store.take("k", limit._replace(amount=8), 9, 1000).units <= 2


def test_a_burst_is_the_size_of_the_bucket(store: Store) -> None:
    limit = Limit(2, 3_600_000, Kind.BUCKET, burst=7)
    assert [store.take("k", limit, 5, 1000).units for _ in range(3)] == [5, 2, 0]


@pytest.mark.parametrize("other", [HOUR._replace(window=1000), HOUR._replace(kind=Kind.BUCKET)])
def test_a_key_keeps_its_window_and_kind(store: Store, other: Limit) -> None:
    lease = store.take("k", HOUR, 10, 1000).lease
    with pytest.raises(StoreError, match="another window or kind"):
        store.take("k", other, 1, 1000)
    with pytest.raises(StoreError, match="another window or kind"):
        store.give_back("k", other, lease, 10)
    assert store.take("k", HOUR, 1, 1000).units == 0


@pytest.mark.parametrize(
    ("limit", "units", "ttl"),
    [
        (Limit(0, 1000), 1, 1),
        (Limit(-1, 1000), 1, 1),
        (Limit(MAX_AMOUNT + 1, 1000), 1, 1),
        (Limit(True, 1000), 1, 1),
        (Limit(1, 0), 1, 1),
        (Limit(1, MAX_WINDOW + 1), 1, 1),
        (Limit(1, 1000, Kind.BUCKET, burst=-1), 1, 1),
        (Limit(1, 1000, Kind.BUCKET, burst=MAX_AMOUNT + 1), 1, 1),
        (Limit(1, 1000), 0, 1),
        (Limit(1, 1000), -3, 1),
        (Limit(1, 1000), MAX_AMOUNT + 1, 1),
        (Limit(1, 1000), 1, 0),
        (Limit(1, 1000), 1, MAX_TTL + 1),
    ],
)
def test_numbers_beyond_the_exact_ones_are_refused(
    store: Store, limit: Limit, units: int, ttl: int
) -> None:
    with pytest.raises(StoreError, match="it must be 1 to"):
        store.take("k", limit, units, ttl)


@pytest.mark.parametrize("kind", Kind)
def test_the_largest_numbers_are_exact(store: Store, kind: Kind) -> None:
    limit = Limit(MAX_AMOUNT, MAX_WINDOW, kind)
    store.take("k", limit, MAX_AMOUNT - 1, MAX_TTL)
    assert [store.take("k", limit, 5, MAX_TTL).units for _ in range(2)] == [1, 0]


@pytest.mark.parametrize("key", ["", "x" * (MAX_KEY + 1), "a\0b", "\ud800"])
def test_keys_that_are_no_names_are_refused(store: Store, key: str) -> None:
    for use in (
        lambda: store.take(key, HOUR, 1, 1000),
        lambda: store.give_back(key, HOUR, "lease", 1),
        lambda: store.get(key),
        lambda: store.put(key, 1, ABSENT),
        lambda: store.delete(key, 1),
        lambda: store.add(key, 1),
        lambda: store.reset(key),
    ):
        with pytest.raises(StoreError, match="key"):
            use()


def test_any_other_text_is_a_key(store: Store) -> None:
    for key in (
        "%",
        "_",
        "*",
        "a:b",
        "l:x",
        "is",
        "\U0001f511",
        "' OR 1=1",
        "\x7f\n",
        "x" * MAX_KEY,
    ):
        assert store.take(key, HOUR, 99, 1000).units == 10
        assert store.put(key, key, ABSENT)
        assert store.add(key, 2) == 2
        assert store.list(key) == {key: store.get(key)}
        assert store.counts(key) == {key: 2}


# --- the property --------------------------------------------------------------------------------

which = st.integers(0, 9)
often = st.one_of(
    st.tuples(st.just("take"), st.integers(1, 9), st.integers(1, 12)),
    st.tuples(st.just("take"), st.just(9), st.integers(1, 40)),
    st.tuples(st.just("use"), which, st.integers(1, 8)),
    st.tuples(st.just("use all"), st.just(0), st.just(0)),
    st.tuples(st.just("back"), which, st.just(0)),
    st.tuples(st.just("pass"), st.integers(1, 12), st.just(0)),
    st.tuples(st.just("pass a window"), st.integers(-1, 1), st.just(0)),
    st.tuples(st.just("last moment"), which, st.just(0)),
)
seldom = st.one_of(
    st.tuples(st.just("wall"), st.integers(-90, 90), st.just(0)),
    st.tuples(st.just("reboot"), st.integers(0, 9_000), st.just(0)),
    st.tuples(st.just("open again"), st.just(0), st.just(0)),
)
steps = st.lists(st.one_of(often, often, often, often, seldom), min_size=15, max_size=60)
limits = st.builds(
    Limit,
    amount=st.integers(1, 9),
    window=st.integers(2, 24),
    kind=st.sampled_from(Kind),
    burst=st.sampled_from([0, 0, 0, 0, 1, 15]),
)


class Held:
    """A holder's side of a lease: used any time until it ends, whatever the store thinks."""

    def __init__(self, grant: Grant, asked: float) -> None:
        self.lease, self.left, self.end = grant.lease, grant.units, asked + grant.ttl


class Players:
    """Plays steps against a store and writes down only when units were used."""

    def __init__(self, made: Backend, limit: Limit) -> None:
        self.made, self.limit, self.store = made, limit, made.store
        self.held: list[Held] = []
        self.uses: list[Use] = []

    def play(self, step: str, first: int, second: int) -> None:
        {
            "take": self.take,
            "use": self.use,
            "use all": self.use_all,
            "pass a window": self.pass_a_window,
            "last moment": self.last_moment,
            "back": self.back,
            "pass": lambda ms, _: self.made.go(ms),
            "wall": self.wall,
            "reboot": self.reboot,
            "open again": self.open_again,
        }[step](first, second)

    def take(self, units: int, ttl: int) -> None:
        asked = self.made.now()
        grant = self.store.take("k", self.limit, units, ttl)
        assert grant.units <= units
        if grant.units:
            self.held.append(Held(grant, asked))

    def use(self, which: int, units: int) -> None:
        now = self.made.now()
        usable = [held for held in self.held if held.left and now < held.end]
        if usable:
            held = usable[which % len(usable)]
            used = min(units, held.left)
            held.left -= used
            self.uses.append((now, used))

    def use_all(self, _: int, __: int) -> None:
        for _held in self.held:
            self.use(0, MAX_AMOUNT)

    def pass_a_window(self, more: int, _: int) -> None:
        self.made.go(self.limit.window + more)

    def last_moment(self, which: int, _: int) -> None:
        """Uses all just before the end of a lease, when it is most harmful, and asks for more."""
        left = [held.end - self.made.now() for held in self.held if held.left]
        if left and (wait := left[which % len(left)]) > 1:
            self.made.go(int(wait) - 1)
            self.use_all(0, 0)
            self.made.go(2)
            self.take(MAX_AMOUNT, 12)

    def back(self, which: int, _: int) -> None:
        if self.held:
            held = self.held.pop(which % len(self.held))
            self.store.give_back("k", self.limit, held.lease, held.left)

    def wall(self, milliseconds: int, _: int) -> None:
        self.made.clock.wall += milliseconds * 1000

    def reboot(self, up: int, _: int) -> None:
        """Over a reboot the wall clock is all there is, so here it is not moved by hand then."""
        self.store.take("another", self.limit, 1, 1)
        self.made.clock.boot += "!"
        self.made.clock.up = up
        self.store.take("another", self.limit, 1, 1)

    def open_again(self, _: int, __: int) -> None:
        self.store = self.made.again()


@pytest.mark.guarantee("store:never-above-the-limit")
@pytest.mark.parametrize(("name", "part"), [("memory", 1), ("sqlite", 3), ("redis", 4)])
def test_no_interleaving_uses_more_than_the_limit_in_any_window(
    name: str, part: int, server: RedisServer
) -> None:
    @settings(max_examples=settings().max_examples // part)
    @given(limit=limits, steps=steps)
    def check(limit: Limit, steps: list[tuple[str, int, int]]) -> None:
        with backend(name, server) as made:
            players = Players(made, limit)
            for step in steps:
                players.play(*step)
            players.store.close()
            slack = 1.0 if name == "redis" else 0.0
            assert most_in_a_window(limit, players.uses, slack) <= 1, players.uses

    check()


# --- values --------------------------------------------------------------------------------------


@pytest.mark.guarantee("store:compare-and-set")
def test_a_value_is_put_only_over_the_version_that_was_seen(store: Store) -> None:
    first = store.put("score/a", {"score": 500}, ABSENT)
    assert first is not None
    assert store.put("score/a", 1, ABSENT) is None
    assert store.put("score/a", 1, first + 1) is None
    second = store.put("score/a", {"score": 480}, first)
    assert second is not None
    assert second > first
    assert store.put("score/a", 1, first) is None
    assert store.get("score/a") == ({"score": 480}, second)


def test_a_key_that_comes_again_has_a_version_never_seen_before(store: Store) -> None:
    first = store.put("block/a", 1, ABSENT)
    assert first is not None
    assert store.delete("block/a", ABSENT) is None
    assert store.delete("block/a", first + 1) is None
    gone = store.delete("block/a", first)
    assert store.delete("block/a", first) is None
    assert store.get("block/a") is None
    again = store.put("block/a", 1, ABSENT)
    assert gone is not None
    assert again is not None
    assert first < gone < again
    assert store.put("block/a", 2, first) is None


def test_a_list_has_the_keys_with_the_prefix_in_order(store: Store) -> None:
    keys = ["a/b", "a/a", "a%", "a_", "b", "ab", "a/é", "A/a"]
    versions = {key: store.put(key, [key], ABSENT) for key in keys}
    for prefix in ("", "a", "a/", "a%", "a_", "b", "zzz", "é"):
        found = store.list(prefix)
        assert list(found) == sorted(key for key in keys if key.startswith(prefix)), prefix
        assert all(value == ([key], versions[key]) for key, value in found.items())


def test_the_version_changes_with_puts_and_deletes_and_nothing_else(store: Store) -> None:
    seen = [store.version()]
    put = store.put("a", 1, ABSENT)
    assert put is not None
    seen.append(store.version())
    store.put("a", 2, ABSENT)
    store.delete("b", 4)
    store.take("k", HOUR, 1, 1000)
    store.add("c", 1)
    assert store.version() == seen[-1] == put
    store.delete("a", put)
    seen.append(store.version())
    assert seen == sorted(set(seen))


VALUES: tuple[Json, ...] = (
    None, True, 0, -(2**63), 2**53 + 1, 1.5, "", "é\U0001f511\0", [], {}, {"a": [{"b": None}]},
)  # fmt: skip


def test_a_value_comes_back_as_it_was_put(store: Store) -> None:
    for number, value in enumerate(VALUES):
        version = store.put(f"v/{number}", value, ABSENT)
        assert store.get(f"v/{number}") == (value, version)
    assert [value.value for value in store.list("v/").values()] == [
        VALUES[int(key)] for key in sorted(map(str, range(len(VALUES))))
    ]


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**65, "\ud800", "x" * MAX_VALUE, {1: 2}, b"x", (1, 2)]
)
def test_what_json_cannot_carry_is_refused(store: Store, value: Json) -> None:
    with pytest.raises(StoreError, match="value"):
        store.put("a", value, ABSENT)
    assert store.get("a") is None


# --- counters ------------------------------------------------------------------------------------


def test_counters_count_and_begin_again(store: Store) -> None:
    assert [store.add("calls/a", by) for by in (1, 0, 41)] == [1, 1, 42]
    store.add("calls/b", 7)
    store.add("bytes", 9)
    store.add("calls/c", 0)
    assert store.counts("calls/") == {"calls/a": 42, "calls/b": 7}
    assert (store.reset("calls/a"), store.reset("calls/a")) == (42, 0)
    assert store.counts("") == {"bytes": 9, "calls/b": 7}
    assert store.add("calls/a", 1) == 1


def test_a_budget_is_spent_to_its_end_and_not_over_it(store: Store) -> None:
    assert [store.add("budget", by, most=10) for by in (6, 5, 4, 1, 0)] == [6, None, 10, None, 10]
    assert store.add("budget", 1, most=20) == 11


def test_a_counter_stays_at_its_end_instead_of_beginning_again(store: Store) -> None:
    assert store.add("c", MAX_COUNT) == MAX_COUNT
    assert [store.add("c", 1), store.add("c", MAX_COUNT), store.add("c", 1, most=2**70)] == [
        None
    ] * 3
    assert store.counts("c") == {"c": MAX_COUNT}
    assert store.reset("c") == MAX_COUNT


@pytest.mark.parametrize("by", [-1, MAX_COUNT + 1])
def test_a_counter_does_not_go_down(store: Store, by: int) -> None:
    with pytest.raises(StoreError, match="cannot grow"):
        store.add("c", by)


# --- all of it -----------------------------------------------------------------------------------


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    for use in uses(store):
        with pytest.raises(StoreError, match="closed") as caught:
            use()
        assert caught.value.hint


def test_another_opening_sees_the_same_state(made: Backend) -> None:
    made.store.take("k", HOUR, 7, 1000)
    version = made.store.put("a", 1, ABSENT)
    made.store.add("c", 3)
    other = made.again()
    assert other.take("k", HOUR, 7, 1000).units == 3
    assert other.get("a") == (1, version)
    assert other.add("c", 1) == 4
    other.close()


def in_threads(work: Callable[[int], None]) -> None:
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - told to the test below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_threads_share_one_store(store: Store) -> None:
    limit = Limit(500, 3_600_000)
    granted: list[int] = []

    def work(number: int) -> None:
        for _ in range(25):
            granted.append(store.take("k", limit, 3, 1000).units)
            store.add("c", 2)
            while not put_one_more():
                continue

    def put_one_more() -> bool:
        seen = store.get("n")
        value, version = seen or (0, ABSENT)
        assert isinstance(value, int)
        return store.put("n", value + 1, version) is not None

    in_threads(work)
    assert sum(granted) == 500
    assert store.counts("c") == {"c": 400}
    seen = store.get("n")
    assert seen is not None
    assert seen.value == 200
