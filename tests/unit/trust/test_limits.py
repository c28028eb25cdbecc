import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.errors import UsageError
from mcpguard.model import Reason
from mcpguard.store.ledger import MAX_AMOUNT, Grant, Kind, Limit
from mcpguard.store.memory import MemoryStore
from mcpguard.trust.limits import (
    ALLOWED,
    BATCHES,
    MAX_FAILING,
    MAX_KEYS,
    NEEDS_UNITS,
    RECHECK,
    UNITS,
    Limiter,
    Limits,
    Taken,
    Want,
    ask,
    parse_rate,
)
from tests.unit.store.backends import Hands, Use, most_in_a_window

HOUR = parse_rate("100/hour")
MINUTE = parse_rate("6/minute")
USER = "local:default"


# --- rates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("100/hour", Limit(100, 3_600_000)),
        ("60/minute", Limit(60, 60_000)),
        ("5/second", Limit(5, 1_000)),
        ("1000/day", Limit(1000, 86_400_000)),
        ("007/second", Limit(7, 1_000)),
        (f"{MAX_AMOUNT}/day", Limit(MAX_AMOUNT, 86_400_000)),
    ],
)
def test_a_rate_is_an_amount_and_a_unit(text: str, limit: Limit) -> None:
    assert parse_rate(text) == limit
    assert parse_rate(text, Kind.BUCKET, 9) == limit._replace(kind=Kind.BUCKET, burst=9)


@pytest.mark.guarantee("limits:unknown-unit-refused")
@pytest.mark.parametrize(
    "text",
    [
        "100/fortnight", "100/hours", "100/Hour", "100/h", "100/", "100", "/hour", "", "hour/100",
        "100 / hour", " 100/hour", "100/hour ", "100/hour/2", "-1/hour", "+1/hour", "0/hour",
        "1.5/hour", "1e3/hour", "1_000/hour", "\u0661/hour", "²/hour", f"{MAX_AMOUNT + 1}/day",
        "9" * 5000 + "/hour", "100\n/hour", "100/hour\0", "unlimited",
    ],
)  # fmt: skip
def test_what_is_no_rate_is_refused_and_told_how_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match="is no rate") as caught:
        parse_rate(text)
    assert "100/hour" in caught.value.hint


@given(st.text())
def test_any_text_is_a_rate_or_refused(text: str) -> None:
    try:
        limit = parse_rate(text)
    except UsageError:
        return
    amount, unit = text.split("/")
    assert limit == Limit(int(amount), UNITS[unit])


@pytest.mark.parametrize(
    ("kind", "burst"), [(Kind.SLIDING, 5), (Kind.BUCKET, -1), (Kind.BUCKET, MAX_AMOUNT + 1)]
)
def test_a_burst_is_a_buckets_and_within_bounds(kind: Kind, burst: int) -> None:
    with pytest.raises(UsageError, match="burst"):
        parse_rate("5/second", kind, burst)


# --- one session and a store that answers at once ------------------------------------------------


@dataclass
class Proxy:
    """A session's limiter and its worker. `asked`: what the worker asked for, in order."""

    limits: Limits
    store: MemoryStore
    clock: Hands
    server: str = "files"
    asked: list[Want] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.limiter = Limiter(self.limits, self.server)

    @property
    def now(self) -> float:
        return self.clock.passed / 1000

    def work(self) -> list[Want]:
        wants = self.limiter.wanted(self.now)
        self.asked += wants
        for want in wants:
            self.limiter.granted(want, ask(self.store, want), self.now)
        return wants

    def take(
        self, tool: str = "read", principal: str = USER, size: int = 0, digest: bytes = b""
    ) -> Taken:
        """As the pipeline does it: a call that needs units waits for the worker, once."""
        taken = self.try_take(tool, principal, size, digest)
        if taken is NEEDS_UNITS:
            self.work()
            taken = self.try_take(tool, principal, size, digest)
        return taken

    def try_take(self, tool: str, principal: str, size: int = 0, digest: bytes = b"") -> Taken:
        return self.limiter.take(principal, tool, self.now, size, digest)

    def allowed(self, calls: Iterable[tuple[str, str]]) -> int:
        return sum(self.take(tool, principal) is ALLOWED for tool, principal in calls)


def shared(*limits: Limits) -> list[Proxy]:
    clock = Hands()
    store = MemoryStore(clock)
    return [Proxy(each, store, clock) for each in limits]


def alone(limits: Limits) -> Proxy:
    return shared(limits)[0]


def test_without_limits_everything_is_allowed_and_nobody_is_asked() -> None:
    proxy = alone(Limits())
    assert all(proxy.take(f"tool{number % 9}") is ALLOWED for number in range(100))
    assert (proxy.asked, proxy.limiter.hungry) == ([], False)


def test_the_worker_is_woken_once_when_something_is_to_be_asked() -> None:
    woken: list[bool] = []
    limiter = Limiter(Limits(tool=(HOUR,)), "files", lambda: woken.append(limiter.hungry))
    for _ in range(3):
        assert limiter.take(USER, "read", 0.0) is NEEDS_UNITS
    assert woken == [True]
    limiter.wanted(0.0)
    assert limiter.take_each([("rule/a", HOUR)], 0.0) is None
    assert woken == [True, True]


@pytest.mark.parametrize("kind", Kind)
def test_calls_are_allowed_up_to_the_limit_and_then_denied(kind: Kind) -> None:
    proxy = alone(Limits(principal=(parse_rate("20/hour", kind),)))
    taken = [proxy.take(f"tool{number % 3}") for number in range(25)]
    assert [each is ALLOWED for each in taken] == [True] * 20 + [False] * 5
    assert taken[-1] == (
        Reason.RATE_LIMIT,
        "the limit of 20 calls an hour by this principal is reached",
        False,
    )


LEVELS = {
    "tool": (Limits(tool=(MINUTE,)), "to this tool by this principal"),
    "tools": (Limits(tools={"read": (MINUTE,)}), "to this tool by this principal"),
    "principal": (Limits(principal=(MINUTE,)), "by this principal"),
    "server": (Limits(server=(MINUTE,)), "to this server"),
}
COUNTED_APART = {
    # whether another tool, another principal, another server has calls of its own
    "tool": (True, True, True),
    "tools": (True, True, True),
    "principal": (False, True, False),
    "server": (False, False, True),
}


@pytest.mark.parametrize("level", LEVELS)
def test_each_level_counts_what_it_says(level: str) -> None:
    limits, says = LEVELS[level]
    clock = Hands()
    store = MemoryStore(clock)
    here, there = Proxy(limits, store, clock), Proxy(limits, store, clock, "mail")
    assert here.allowed([("read", USER)] * 9) == 6
    assert says in here.take().detail
    here.limiter.give_back(here.now)
    other_tool = here.take("write") is ALLOWED
    other_principal = here.take("read", "did:key:z6Mk") is ALLOWED
    other_server = there.take() is ALLOWED
    assert (other_tool, other_principal, other_server) == COUNTED_APART[level]


@pytest.mark.guarantee("limits:identities-are-no-way-around")
def test_many_principals_do_not_get_more_out_of_a_server() -> None:
    proxy = alone(Limits(server=(HOUR,), principal=(parse_rate("5/hour"),)))
    assert proxy.allowed([("read", f"did:key:{number}") for number in range(300)]) == 100


@pytest.mark.guarantee("limits:all-or-nothing")
def test_a_call_that_one_limit_denies_consumes_nothing_of_the_others() -> None:
    limits = Limits(
        tools={"rare": (parse_rate("1/hour"),)}, principal=(parse_rate("8/hour"),), max_tool_calls=8
    )
    proxy = alone(limits)
    assert proxy.take("rare") is ALLOWED
    assert {proxy.take("rare").reason for _ in range(50)} == {Reason.RATE_LIMIT}
    assert proxy.allowed([("often", USER)] * 20) == 7


@pytest.mark.parametrize(
    ("first", "second"), [(("a/b", "c"), ("a", "b/c")), (("a%2Fb", "c"), ("a/b", "c"))]
)
def test_no_two_pairs_of_names_are_counted_as_one(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    proxy = alone(Limits(tool=(parse_rate("1/hour"),)))
    assert [proxy.take(tool, principal) for principal, tool in (first, second)] == [ALLOWED] * 2


def test_of_two_rates_with_one_window_the_lower_one_holds() -> None:
    for rates in (("9/hour", "4/hour"), ("4/hour", "9/hour")):
        proxy = alone(Limits(principal=tuple(map(parse_rate, rates))))
        assert proxy.allowed([("read", USER)] * 20) == 4


def test_several_rates_of_one_level_all_hold() -> None:
    proxy = alone(Limits(principal=(parse_rate("3/second"), parse_rate("5/hour"))))
    allowed = []
    for _ in range(4):
        allowed.append(proxy.allowed([("read", USER)] * 5))
        proxy.clock.go(1300)
        proxy.work()
    assert allowed == [3, 2, 0, 0]


def test_what_is_given_back_at_the_end_is_the_next_sessions() -> None:
    first, second = shared(*[Limits(principal=(parse_rate("8/day"),))] * 2)
    assert first.allowed([("read", USER)] * 3) == 3
    for want in first.limiter.give_back(first.now):
        assert ask(first.store, want) is None
    assert second.allowed([("read", USER)] * 9) == 5
    assert first.limiter.give_back(first.now) == []


# --- leases --------------------------------------------------------------------------------------


def test_an_ordinary_call_asks_nobody() -> None:
    proxy = alone(Limits(tool=(HOUR,), principal=(HOUR,), server=(HOUR,)))
    assert proxy.take() is ALLOWED
    asked = len(proxy.asked)
    batch = 100 // BATCHES
    for _ in range(batch - 1):
        assert proxy.limiter.take(USER, "read", proxy.now) is ALLOWED
    assert len(proxy.asked) == asked == 3
    assert proxy.limiter.take(USER, "read", proxy.now) is NEEDS_UNITS


def test_leases_are_asked_for_before_they_run_dry() -> None:
    proxy = alone(Limits(principal=(HOUR,)))
    assert proxy.take() is ALLOWED
    waited = 0
    for _ in range(99):
        if proxy.limiter.hungry:
            proxy.work()
        taken = proxy.limiter.take(USER, "read", proxy.now)
        waited += taken is not ALLOWED
    assert waited == 0
    assert len(proxy.asked) < 2 * BATCHES + 3


def test_what_is_wanted_is_asked_for_once() -> None:
    limiter = Limiter(Limits(principal=(HOUR,)), "files")
    assert [limiter.take(USER, "read", 1.0) for _ in range(3)] == [NEEDS_UNITS] * 3
    assert limiter.hungry
    [want] = limiter.wanted(1.0)
    assert (want.key, want.units, want.ttl) == (f"principal/{USER}/sliding/3600000/0", 12, 30_000)
    assert limiter.take(USER, "read", 1.0) is NEEDS_UNITS
    assert limiter.wanted(1.0) == []
    limiter.granted(want, Grant("lease", 2, want.ttl), 1.1)
    taken = [limiter.take(USER, "read", 1.1) for _ in range(3)]
    assert taken == [ALLOWED, ALLOWED, NEEDS_UNITS]


def test_a_crowd_of_waiting_calls_gets_units_for_all_of_them() -> None:
    proxy = alone(Limits(principal=(HOUR,)))
    assert [proxy.try_take("read", USER) for _ in range(30)] == [NEEDS_UNITS] * 30
    proxy.work()
    assert [proxy.try_take("read", USER) for _ in range(30)] == [ALLOWED] * 30


@pytest.mark.guarantee("limits:no-use-after-expiry", "limits:never-above-the-limit")
def test_a_lease_is_not_used_after_its_end_counted_from_the_asking() -> None:
    limiter = Limiter(Limits(principal=(HOUR,)), "files")
    assert limiter.take(USER, "read", 0.0) is NEEDS_UNITS
    [want] = limiter.wanted(10.0)
    limiter.granted(want, Grant("lease", 12, 5_000), 14.0)
    assert limiter.take(USER, "read", 14.9) is ALLOWED
    assert limiter.take(USER, "read", 15.0) is NEEDS_UNITS
    [again] = limiter.wanted(15.0)
    assert again.back == (("lease", 11),)


@pytest.mark.guarantee("limits:no-use-after-expiry")
def test_an_answer_that_comes_after_its_leases_end_is_given_back_whole() -> None:
    limiter = Limiter(Limits(principal=(HOUR,)), "files")
    limiter.take(USER, "read", 0.0)
    [want] = limiter.wanted(0.0)
    limiter.granted(want, Grant("lease", 12, 5_000), 60.0)
    assert limiter.take(USER, "read", 60.0) is NEEDS_UNITS
    assert [want.back for want in limiter.wanted(60.0)] == [(("lease", 12),)]


def test_idle_leases_are_given_back_before_they_expire_and_then_forgotten() -> None:
    proxy, other = shared(*[Limits(principal=(parse_rate("8/hour"),))] * 2)
    assert proxy.allowed([("read", USER)] * 2) == 2
    proxy.work()
    looks = 0
    while (due := proxy.limiter.due(proxy.now)) is not None:
        proxy.clock.go(max(1, round((due - proxy.now) * 1000) + 1))
        proxy.work()
        looks += 1
        assert looks < 9
    assert proxy.clock.passed < 60_000
    assert other.allowed([("read", USER)] * 9) == 6


def test_a_lease_in_use_is_renewed_before_it_ends() -> None:
    proxy = alone(Limits(principal=(parse_rate("80000/hour"),)))
    assert proxy.take() is ALLOWED
    for _ in range(200):
        proxy.clock.go(1_000)
        if (due := proxy.limiter.due(proxy.now)) is not None and due <= proxy.now + 1:
            proxy.work()
        assert proxy.try_take("read", USER) is ALLOWED


def test_a_reached_limit_is_asked_about_once_a_second_at_most() -> None:
    proxy = alone(Limits(principal=(parse_rate("2/hour"),)))
    assert proxy.allowed([("read", USER)] * 2) == 2
    before = len(proxy.asked)
    for _ in range(400):
        assert proxy.take().reason is Reason.RATE_LIMIT
        proxy.clock.go(10)
    asked = [want for want in proxy.asked[before:] if want.units]
    assert len(asked) <= 4 / RECHECK + 2


def test_units_come_back_a_window_and_a_lease_after_their_use() -> None:
    proxy = alone(Limits(principal=(parse_rate("6/minute"),)))
    assert proxy.allowed([("read", USER)] * 9) == 6
    proxy.work()
    proxy.clock.go(67_000)
    assert proxy.allowed([("read", USER)] * 9) == 6


@pytest.mark.guarantee("limits:lost-store-denies")
def test_a_lost_store_denies_what_no_lease_covers_until_it_is_back() -> None:
    proxy = alone(Limits(principal=(HOUR,)))
    assert proxy.take() is ALLOWED
    covered = 100 // BATCHES - 1
    for want in proxy.limiter.wanted(proxy.now):
        proxy.limiter.lost(want, proxy.now)
    taken = []
    for _ in range(50):
        each = proxy.try_take("read", USER)
        for want in proxy.limiter.wanted(proxy.now):
            proxy.limiter.lost(want, proxy.now)
        taken.append(each if each is not NEEDS_UNITS else proxy.try_take("read", USER))
    assert [each is ALLOWED for each in taken] == [True] * covered + [False] * (50 - covered)
    assert {each.reason for each in taken[covered:]} == {Reason.STORE_LOST}
    proxy.clock.go(round(RECHECK * 1000))
    assert proxy.take() is ALLOWED


def test_needing_units_is_no_permission() -> None:
    assert NEEDS_UNITS.wait
    assert NEEDS_UNITS.reason is not Reason.OK
    assert ALLOWED == (Reason.OK, "", False)


def test_identities_without_end_do_not_fill_the_memory() -> None:
    proxy = alone(Limits(principal=(HOUR,)))
    taken = [proxy.try_take("read", f"did:key:{number}") for number in range(MAX_KEYS + 50)]
    assert taken[:MAX_KEYS] == [NEEDS_UNITS] * MAX_KEYS
    assert {each.reason for each in taken[MAX_KEYS:]} == {Reason.SATURATED}
    proxy.work()
    for _ in range(4):
        proxy.clock.go(10_000)
        proxy.work()
    assert proxy.take("read", "did:key:new") is ALLOWED


def test_tools_without_end_do_not_fill_the_memory_without_limits() -> None:
    proxy = alone(Limits())
    assert {proxy.take(f"tool{number}") for number in range(2 * MAX_KEYS)} == {ALLOWED}


# --- budgets -------------------------------------------------------------------------------------


@pytest.mark.guarantee("limits:budget-ends")
def test_a_session_makes_as_many_calls_as_it_may() -> None:
    proxy = alone(Limits(max_tool_calls=7))
    taken = [proxy.take(f"tool{number % 3}", f"p{number % 2}") for number in range(12)]
    assert [each.reason for each in taken] == [Reason.OK] * 7 + [Reason.BUDGET] * 5
    assert "calls" in taken[-1].detail
    proxy.limiter.reset_budgets()
    assert proxy.allowed([("read", USER)] * 12) == 7


def test_a_session_sends_as_many_bytes_as_it_may() -> None:
    proxy = alone(Limits(max_bytes_in=100))
    sizes = [60, 60, 40, 1, 0]
    reasons = [proxy.take(size=size).reason for size in sizes]
    assert reasons == [Reason.OK, Reason.BUDGET, Reason.OK, Reason.BUDGET, Reason.OK]
    proxy.limiter.reset_budgets()
    assert proxy.take(size=100) is ALLOWED


def test_a_session_that_received_all_it_may_calls_no_more() -> None:
    proxy = alone(Limits(max_bytes_out=100))
    for size in (40, 59):
        assert proxy.take() is ALLOWED
        proxy.limiter.received(size)
    assert proxy.take() is ALLOWED
    proxy.limiter.received(500)
    taken = proxy.take()
    assert (taken.reason, "received" in taken.detail) == (Reason.BUDGET, True)
    proxy.limiter.reset_budgets()
    assert proxy.take() is ALLOWED


def test_a_budget_of_nothing_allows_nothing() -> None:
    for limits in (Limits(max_tool_calls=0), Limits(max_bytes_out=0)):
        assert alone(limits).take().reason is Reason.BUDGET


# --- the same failing call -----------------------------------------------------------------------

FAILING = Limits(failures=3, failure_window=60.0)


def fail(proxy: Proxy, times: int, digest: bytes = b"a", tool: str = "read") -> None:
    for _ in range(times):
        proxy.limiter.failed(USER, tool, digest, proxy.now)


@pytest.mark.guarantee("limits:repeated-failure-denied")
def test_the_same_failing_call_is_denied_after_so_many_times() -> None:
    proxy = alone(FAILING)
    for _ in range(3):
        assert proxy.take(digest=b"a") is ALLOWED
        fail(proxy, 1)
        proxy.clock.go(10_000)
    taken = proxy.take(digest=b"a")
    assert (taken.reason, taken.wait) == (Reason.REPEATED_FAILURE, False)
    assert proxy.take(digest=b"b") is ALLOWED
    assert proxy.take("write", digest=b"a") is ALLOWED
    assert proxy.take("read", "other", digest=b"a") is ALLOWED


def test_it_is_allowed_again_when_the_first_failure_is_old_enough() -> None:
    proxy = alone(FAILING)
    fail(proxy, 1)
    proxy.clock.go(20_000)
    fail(proxy, 2)
    proxy.clock.go(39_999)
    assert proxy.take(digest=b"a").reason is Reason.REPEATED_FAILURE
    proxy.clock.go(1)
    assert proxy.take(digest=b"a") is ALLOWED
    fail(proxy, 1)
    assert proxy.take(digest=b"a").reason is Reason.REPEATED_FAILURE


def test_a_success_in_between_begins_anew() -> None:
    proxy = alone(FAILING)
    fail(proxy, 2)
    proxy.limiter.succeeded(USER, "read", b"a")
    fail(proxy, 2)
    assert proxy.take(digest=b"a") is ALLOWED


def test_without_a_number_of_failures_none_is_remembered() -> None:
    proxy = alone(Limits())
    fail(proxy, 1000)
    assert proxy.take(digest=b"a") is ALLOWED


def test_the_latest_failing_calls_are_remembered_and_no_more() -> None:
    proxy = alone(FAILING)
    fail(proxy, 3, b"first")
    for number in range(MAX_FAILING - 1):
        fail(proxy, 1, b"%d" % number)
    assert proxy.take(digest=b"first").reason is Reason.REPEATED_FAILURE
    fail(proxy, 1, b"one more")
    assert proxy.take(digest=b"first") is ALLOWED


# --- the property --------------------------------------------------------------------------------

which = st.integers(0, 1)
step = st.one_of(
    st.tuples(st.just("calls"), which, st.integers(0, 39)),
    st.tuples(st.just("calls"), which, st.integers(0, 39)),
    st.tuples(st.just("work"), which, st.integers(0, 39)),
    st.tuples(st.just("ask"), which, st.just(0)),
    st.tuples(st.just("answer"), which, st.integers(0, 3)),
    st.tuples(st.just("lose"), which, st.integers(0, 3)),
    st.tuples(st.just("wait"), st.sampled_from([1, 40, 150, 400, 1300]), st.just(0)),
    st.tuples(st.just("end"), which, st.just(0)),
)
steps = st.lists(step, min_size=20, max_size=80)
rates = st.builds(
    Limit,
    amount=st.sampled_from([1, 2, 3, 9, 24]),
    window=st.sampled_from([300, 1000, 2500]),
    kind=st.sampled_from(Kind),
    burst=st.sampled_from([0, 0, 0, 2, 20]),
)
one, some = st.tuples(rates), st.lists(rates, max_size=2).map(tuple)
none: st.SearchStrategy[tuple[Limit, ...]] = st.just(())
levels = st.one_of(
    st.builds(Limits, tool=one, principal=none, server=none),
    st.builds(Limits, tool=none, principal=one, server=none),
    st.builds(Limits, tool=none, principal=none, server=one),
    st.builds(Limits, tool=some, principal=some, server=some),
)


class Fleet:
    """Two sessions on one store; questions and answers travel as long as they like."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.proxies = shared(*[limits] * 2)
        self.open: list[list[tuple[Want, Grant | None]]] = [[], []]
        self.uses: dict[tuple[str, ...], list[Use]] = {}

    def play(self, step: str, which: int, what: int) -> None:
        steps: dict[str, Callable[[int, int], None]] = {
            "calls": self.calls, "work": self.work, "ask": self.ask, "answer": self.answer,
            "lose": self.lose, "wait": self.wait, "end": self.end,
        }  # fmt: skip
        steps[step](which, what)

    def calls(self, which: int, what: int) -> None:
        """1 to 10 calls of one of two principals, of one of two tools."""
        proxy = self.proxies[which]
        for _ in range(what // 4 + 1):
            tool, principal = f"tool{what % 2}", f"p{what // 2 % 2}"
            if proxy.try_take(tool, principal) is ALLOWED:
                for names in (("tool", principal, tool), ("principal", principal), ("server",)):
                    self.uses.setdefault(names, []).append((proxy.clock.passed, 1))

    def work(self, which: int, what: int) -> None:
        """The worker comes while calls wait; they are then taken again."""
        self.calls(which, what)
        self.proxies[which].work()

    def ask(self, which: int, _: int) -> None:
        proxy = self.proxies[which]
        for want in proxy.limiter.wanted(proxy.now):
            self.open[which].append((want, ask(proxy.store, want)))

    def answer(self, which: int, what: int) -> None:
        if self.open[which]:
            want, grant = self.open[which].pop(what % len(self.open[which]))
            self.proxies[which].limiter.granted(want, grant, self.proxies[which].now)

    def lose(self, which: int, what: int) -> None:
        if self.open[which]:
            want, _ = self.open[which].pop(what % len(self.open[which]))
            self.proxies[which].limiter.lost(want, self.proxies[which].now)

    def wait(self, milliseconds: int, _: int) -> None:
        self.proxies[0].clock.go(milliseconds)

    def end(self, which: int, _: int) -> None:
        proxy = self.proxies[which]
        for want in proxy.limiter.give_back(proxy.now):
            ask(proxy.store, want)

    def fullest(self) -> float:
        levels = {
            "tool": self.limits.tool,
            "principal": self.limits.principal,
            "server": self.limits.server,
        }
        return max(
            (
                most_in_a_window(limit, uses)
                for names, uses in self.uses.items()
                for limit in levels[names[0]]
            ),
            default=0.0,
        )


@pytest.mark.guarantee("limits:never-above-the-limit")
@given(limits=levels, steps=steps)
def test_no_schedule_of_calls_questions_and_answers_exceeds_a_limit(
    limits: Limits, steps: list[tuple[str, int, int]]
) -> None:
    fleet = Fleet(limits)
    for step in steps:
        fleet.play(*step)
    assert fleet.fullest() <= 1, fleet.uses


def test_the_property_sees_what_is_over_a_limit() -> None:
    limit = Limit(3, 100)
    assert most_in_a_window(limit, [(0, 2), (99, 1)]) == 1
    assert most_in_a_window(limit, [(0, 2), (99, 2)]) > 1
    assert most_in_a_window(limit, [(0, 2), (100, 2)]) < 1
    bucket = Limit(3, 300, Kind.BUCKET)
    assert most_in_a_window(bucket, [(0, 3), (100, 1), (200, 1)]) == 1
    assert most_in_a_window(bucket, [(0, 3), (99, 1)]) > 1


def test_denials_say_nothing_that_a_peer_wrote() -> None:
    proxy = alone(Limits(tool=(parse_rate("1/hour"),)))
    proxy.take("<IMPORTANT>", "<principal>")
    taken = proxy.take("<IMPORTANT>", "<principal>")
    assert taken.reason is Reason.RATE_LIMIT
    assert not re.search("IMPORTANT|principal>", taken.detail)
