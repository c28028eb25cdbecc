"""A yes in the store: found by whoever the call comes back to, verified again, used once."""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.approval.outcome import Grant, Granted, Waiting
from mcpguard.approval.queue import Queue
from mcpguard.approval.shared import (
    MAX_ANSWERS,
    MAX_GRANTS,
    PREFIX,
    Admitted,
    consume,
    grant_key,
    grant_of,
    grant_value,
    publish,
    revoke,
    sweep,
)
from mcpguard.approval.statement import Answer, Binding, Flaw, Signed, Verify, binding_digest
from mcpguard.approval.tickets import MAX_SPENT, Spent
from mcpguard.errors import StoreError
from mcpguard.identity.keys import verifier
from mcpguard.model import Json
from mcpguard.store import ABSENT, Store, Value
from mcpguard.store.memory import MemoryStore
from mcpguard.store.sqlite import SqliteStore
from tests.unit.approval.people import (
    ANNA,
    ARGUMENTS,
    BERT,
    CALL,
    COUNTING,
    EVE,
    SESSION,
    UNIX,
    approver,
    call,
    said,
    source,
)
from tests.waiting import PATIENCE

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

R1, R2 = "A" * 26, "B" * 26


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "d" / "s.db")
    yield made
    made.close()


def grant(*answers: Signed) -> Grant:
    return Grant(CALL, answers)


def used(
    store: Store,
    binding: Binding = CALL,
    *,
    verify: Verify = COUNTING,
    spent: Spent | None = None,
    quorum: int = 1,
    now: int = 10,
) -> Admitted | None:
    mine = spent or Spent()
    return consume(store, binding, verify, mine, quorum=quorum, now=UNIX + now, life=600)


def test_a_grant_is_found_by_the_call_and_used_once(store: Store) -> None:
    assert used(store) is None
    assert publish(store, grant(said(R1)))
    assert not publish(store, grant(said(R1)))
    assert list(store.list(PREFIX)) == [f"grant/{binding_digest(CALL)}/{R1}"]
    assert used(store) == Admitted(R1, ("anna",))
    assert used(store) is None


def test_two_grants_are_used_one_by_one_the_older_first(store: Store) -> None:
    publish(store, grant(said(R2)))
    publish(store, grant(said(R1)))
    assert [used(store), used(store), used(store)] == [
        Admitted(R2, ("anna",)),
        Admitted(R1, ("anna",)),
        None,
    ]


@pytest.mark.parametrize("field", CALL._fields)
@pytest.mark.guarantee("approval:bound-to-the-call")
def test_a_grant_is_for_no_other_call(field: str, store: Store) -> None:
    other = call(**{field: "other"}) if field not in {"tool", "principal"} else CALL
    other = other._replace(**{field: "other"})
    publish(store, grant(said(R1)))
    assert used(store, other) is None
    # Nor when somebody moves it to where that call looks.
    store.put(grant_key(other, R1), grant_value(grant(said(R1))), ABSENT)
    assert used(store, other) is None
    assert used(store) == Admitted(R1, ("anna",))


NO = Answer.NO
WORTHLESS: dict[str, tuple[tuple[Signed, ...], int]] = {
    "a stranger's": ((said(R1, EVE),), 1),
    "under another's key": ((said(R1, EVE)._replace(key=ANNA.key_id),), 1),
    "a no": ((said(R1, ANNA, NO),), 1),
    "a no among yeses": ((said(R1), said(R1, BERT, NO)), 1),
    "a no made a yes": ((said(R1)._replace(signature=said(R1, ANNA, NO).signature),), 1),
    "expired": ((said(R1, life=10),), 1),
    "of the future": ((said(R1, at=100),), 1),
    "for too long": ((said(R1, life=601),), 1),
    "about another call": ((said(R1, binding=call(tool="x")),), 1),
    "of another asking": ((said(R2),), 1),
    "one key of two": ((said(R1),), 2),
    "one key twice": ((said(R1), said(R1, at=1)), 2),
    "two keys, one a stranger's": ((said(R1), said(R1, EVE)), 2),
    "two keys, of two askings": ((said(R1), said(R2, BERT)), 2),
    "two keys, one expired": ((said(R1), said(R1, BERT, life=10)), 2),
}


@pytest.mark.parametrize("case", WORTHLESS)
@pytest.mark.guarantee("approval:verified-again")
def test_a_grant_that_does_not_verify_here_admits_nothing(case: str) -> None:
    answers, quorum = WORTHLESS[case]
    store = MemoryStore()
    store.put(grant_key(CALL, R1), grant_value(grant(*answers)), ABSENT)
    assert used(store, quorum=quorum) is None
    whole = grant(said(R2), said(R2, BERT))
    publish(store, whole)
    assert used(store, quorum=quorum) == Admitted(R2, ("anna", "bert"))


@pytest.mark.parametrize(("now", "goes"), [(599, True), (600, False)])
@pytest.mark.guarantee("approval:expires")
def test_a_grant_ends_to_the_second(now: int, goes: bool) -> None:
    store = MemoryStore()
    publish(store, grant(said(R1)))
    assert (used(store, now=now) is not None) is goes


@pytest.mark.guarantee("approval:verified-again")
def test_a_grant_by_an_approver_who_was_removed_admits_nothing() -> None:
    store = MemoryStore()
    publish(store, grant(said(R1), said(R1, BERT)))
    without_anna = verifier([approver("bert")])
    assert used(store, verify=without_anna, quorum=2) is None
    assert used(store, verify=verifier([]), quorum=0) is None
    assert used(store, verify=without_anna) == Admitted(R1, ("bert",))


@pytest.mark.guarantee("approval:used-once-anywhere")
def test_a_used_grant_that_somebody_puts_back_admits_nothing_here() -> None:
    store, spent = MemoryStore(), Spent()
    publish(store, grant(said(R1)))
    copy = store.get(grant_key(CALL, R1))
    assert copy is not None
    assert used(store, spent=spent) is not None
    ended = store.get(grant_key(CALL, R1))
    assert ended is not None
    store.put(grant_key(CALL, R1), copy.value, ended.version)
    assert used(store, spent=spent) is None
    store.put(grant_key(CALL, R2), copy.value, ABSENT)
    assert used(store, spent=spent) is None
    assert used(store, spent=spent, now=599) is None


@pytest.mark.guarantee("approval:used-once-anywhere")
def test_an_answer_that_was_used_in_a_queue_admits_nothing_when_it_is_put_into_the_store() -> None:
    store, spent = MemoryStore(), Spent()
    one = Queue(SESSION, COUNTING, source(), spent=spent)
    waiting = one.ask(CALL, ARGUMENTS, 0.0)
    assert isinstance(waiting, Waiting)
    shown = one.show(waiting.ticket, 0.0)
    assert shown is not None
    yes = said(shown.request)
    one.answer(yes, 1.0, UNIX + 1)
    assert isinstance(one.ask(CALL, ARGUMENTS, 1.0, token=waiting.token), Granted)
    publish(store, grant(yes))
    assert used(store, spent=spent) is None
    assert used(store) == Admitted(shown.request, ("anna",))


def test_what_was_used_is_remembered_and_not_for_ever() -> None:
    spent = Spent()
    spent.add(R1)
    assert (spent.has(R1), spent.has(R2)) == (True, False)
    for number in range(MAX_SPENT):
        assert spent.has(R1)
        spent.add(str(number))
    assert spent.has(str(MAX_SPENT - 1))
    for number in range(MAX_SPENT):
        spent.add(f"x{number}")
    assert not spent.has(R1)


READ: threading.Barrier = threading.Barrier(6, timeout=PATIENCE)
"""Lets no thread go on from a listing before all of them have read."""


class ReadTogether(MemoryStore):
    @override
    def list(self, prefix: str) -> dict[str, Value]:
        rows = super().list(prefix)
        READ.wait()
        return rows


class ReadTogetherOnDisk(SqliteStore):
    @override
    def list(self, prefix: str) -> dict[str, Value]:
        rows = super().list(prefix)
        READ.wait()
        return rows


@pytest.mark.guarantee("approval:used-once-anywhere")
def test_of_many_threads_that_find_one_grant_one_uses_it(tmp_path: Path) -> None:
    """Each as a proxy of its own: a store, a memory of what it used. All have found it first."""
    path = tmp_path / "d" / "s.db"
    memory = ReadTogether()
    opening: list[Callable[[], Store]] = [lambda: memory, lambda: ReadTogetherOnDisk(path)]
    for opened in opening:
        stores = [opened() for _ in range(READ.parties)]
        publish(stores[0], grant(said(R1)))
        with ThreadPoolExecutor(len(stores)) as pool:
            got = list(pool.map(used, stores))
        assert sorted(got, key=bool) == [None] * 5 + [Admitted(R1, ("anna",))]
        for each in stores:
            each.close()


def test_a_no_takes_a_ticket_s_grants_back(store: Store) -> None:
    publish(store, grant(said(R1)))
    publish(store, grant(said(R2)))
    assert revoke(store, R1[:6], UNIX) == 1
    assert revoke(store, R1[:6], UNIX) == 0
    assert not publish(store, grant(said(R1)))
    assert used(store) == Admitted(R2, ("anna",))
    assert used(store) is None


def test_what_has_expired_or_is_no_grant_is_swept_and_nothing_else(store: Store) -> None:
    publish(store, grant(said(R1, life=60), said(R1, BERT, life=50)))
    publish(store, grant(said(R2)))
    store.put(f"{PREFIX}x/y", "nonsense", ABSENT)
    store.put("other", 1, ABSENT)
    assert sweep(store, UNIX + 59) == 1
    assert sweep(store, UNIX + 60) == 1
    assert list(store.list("")) == [grant_key(CALL, R2), "other"]


@pytest.mark.guarantee("approval:used-once-anywhere")
def test_a_grant_that_is_published_again_after_it_was_used_admits_nothing(store: Store) -> None:
    """Whoever did not hear from the store whether it was written does it once more."""
    assert publish(store, grant(said(R1)))
    assert not publish(store, grant(said(R1)))
    assert used(store) == Admitted(R1, ("anna",))
    assert not publish(store, grant(said(R1)))
    assert used(store) is None
    assert sweep(store, UNIX + 10 + 3600 + 29) == 0
    assert sweep(store, UNIX + 10 + 3600 + 30) == 1
    assert used(store) is None


def test_used_grants_do_not_hide_one_that_is_not() -> None:
    store = MemoryStore()
    for number in range(MAX_GRANTS + 1):
        publish(store, grant(said(f"{number:06}" + "A" * 20)))
        assert used(store) is not None
    publish(store, grant(said(R1)))
    assert used(store) == Admitted(R1, ("anna",))


def test_a_store_that_is_lost_admits_nothing(store: Store) -> None:
    store.close()
    uses: list[Callable[[], object]] = [
        lambda: used(store),
        lambda: publish(store, grant(said(R1))),
        lambda: revoke(store, "AAAAAA", UNIX),
        lambda: sweep(store, UNIX),
    ]
    for use in uses:
        with pytest.raises(StoreError):
            use()


ONE = grant_value(grant(said(R1)))
assert isinstance(ONE, dict)
LEAVES = st.none() | st.booleans() | st.integers(-1, 2) | st.text("aE=/", max_size=9)
VALUES = st.recursive(
    LEAVES | st.just(ONE["answers"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["v", "answers", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(VALUES)
def test_reading_anything_is_an_answer_and_admits_nothing_unsigned(value: Json) -> None:
    read = grant_of(value)
    assert isinstance(read, Flaw) or grant_value(Grant(CALL, read)) == ONE
    store = MemoryStore()
    store.put(grant_key(CALL, R2), value, ABSENT)
    assert used(store) is None


@pytest.mark.parametrize("number", [0, MAX_ANSWERS + 1])
def test_a_grant_of_no_answer_or_of_too_many_is_none(number: int) -> None:
    assert grant_of(grant_value(grant(*[said(R1)] * number))) is Flaw.MALFORMED
