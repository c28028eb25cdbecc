"""A session ends, its tickets stay: answered without a proxy, used by the next one, once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.approval.orphans import (
    MAX_LEFT,
    PREFIX,
    Left,
    answer_left,
    leave,
    left,
    left_of,
    refuse_left,
    sweep_left,
)
from mcpguard.approval.outcome import Became, Outcome, Parting, Waiting
from mcpguard.approval.queue import Queue
from mcpguard.approval.shared import Admitted, consume
from mcpguard.approval.statement import Answer, Flaw, Signed, bound
from mcpguard.approval.tickets import Spent
from mcpguard.model import Json, JsonObject
from mcpguard.store import ABSENT, Store
from mcpguard.store.memory import MemoryStore
from mcpguard.store.sqlite import SqliteStore
from tests.unit.approval.people import (
    ANNA,
    ARGUMENTS,
    BERT,
    CALL,
    COUNTING,
    EVE,
    LOCK,
    SESSION,
    UNIX,
    call,
    said,
    source,
)

NO = Answer.NO


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "d" / "s.db")
    yield made
    made.close()


def parted(arguments: JsonObject = ARGUMENTS, *, quorum: int = 1, yes: bool = False) -> Parting:
    """A session whose one call was told to come again, and that ends at 100."""
    one = Queue(SESSION, COUNTING, source(), quorum=quorum)
    binding = bound("local:default", "files", "delete_file", arguments, LOCK)
    waiting = one.ask(binding, arguments, 0.0)
    assert isinstance(waiting, Waiting)
    one.timed_out(45.0)
    if yes:
        shown = one.show(waiting.ticket, 45.0)
        assert shown is not None
        one.answer(said(shown.request, at=45), 45.0, UNIX + 45)
    (parting,) = one.part(100.0)
    assert one.pending(100.0) == ()
    return parting


def made(store: Store, *, quorum: int = 1, yes: bool = False) -> str:
    """The request of the one ticket that was left, at 100."""
    parting = parted(quorum=quorum, yes=yes)
    assert leave(store, parting, UNIX + 100)
    return parting.shown.request


def answered(store: Store, signed: Signed, now: int = 100, quorum: int = 1) -> Outcome:
    return answer_left(store, signed, COUNTING, quorum=quorum, now=UNIX + now)


def used(store: Store, now: int = 110, quorum: int = 1) -> Admitted | None:
    return consume(store, CALL, COUNTING, Spent(), quorum=quorum, now=UNIX + now, life=600)


def test_a_yes_without_a_proxy_lets_the_call_through_at_the_next_one(store: Store) -> None:
    request = made(store)
    (one,) = left(store, UNIX + 100)
    assert (one.ticket, one.session, one.binding) == (request[:6], SESSION, CALL)
    assert (one.arguments, one.until, one.life) == (ARGUMENTS, UNIX + 645, 600)
    assert one.value(UNIX + 101) == {
        "ticket": request[:6],
        "server": "files",
        "tool": "delete_file",
        "principal": "local:default",
        "left": 544,
        "held": False,
        "yes": 0,
        "session": SESSION,
        "request": request,
        "lock": LOCK,
        "life": 600,
        "arguments": ARGUMENTS,
    }
    assert used(store) is None
    yes = said(request, at=100)
    assert answered(store, yes) == Outcome(Became.GRANTED_LATER, request[:6])
    assert left(store, UNIX + 100) == ()
    assert used(store) == Admitted(request, ("anna",))
    assert used(store) is None
    assert answered(store, yes).became is Became.UNKNOWN
    assert used(store) is None


def test_only_what_was_told_to_come_again_and_not_allowed_is_left() -> None:
    one = Queue(SESSION, COUNTING, source())
    _, granted, _ = (
        one.ask(call(tool=tool), ARGUMENTS, 0.0) for tool in ("held", "granted", "told")
    )
    assert isinstance(granted, Waiting)
    one.timed_out(45.0)
    one.ask(call(tool="held"), ARGUMENTS, 50.0)
    shown = one.show(granted.ticket, 50.0)
    assert shown is not None
    one.answer(said(shown.request, binding=call(tool="granted")), 50.0, UNIX + 50)
    assert [each.shown.binding.tool for each in one.part(51.0)] == ["told"]
    assert one.part(51.0) == ()


@pytest.mark.guarantee("approval:distinct-keys")
def test_a_quorum_goes_on_where_it_was_and_is_of_distinct_keys(store: Store) -> None:
    request = made(store, quorum=3, yes=True)
    assert answered(store, said(request, at=100), quorum=3).became is Became.AGAIN
    assert answered(store, said(request, BERT, at=100), quorum=3).became is Became.COUNTED
    assert answered(store, said(request, BERT, at=101), quorum=3).became is Became.AGAIN
    assert used(store, quorum=3) is None
    assert answered(store, said(request, BERT, at=101), quorum=2).became is Became.AGAIN
    assert used(store, quorum=2) is None


def test_a_yes_that_expired_meanwhile_counts_no_more(store: Store) -> None:
    parting = parted(quorum=2, yes=True)
    old = said(parting.shown.request, at=45, life=60)
    assert leave(store, parting._replace(answers=(old,)), UNIX + 100)
    yes = said(parting.shown.request, BERT, at=104)
    assert answered(store, yes, 105, quorum=2).became is Became.COUNTED
    again = said(parting.shown.request, at=106)
    assert answered(store, again, 106, quorum=2).became is Became.GRANTED_LATER
    assert used(store, quorum=2) == Admitted(parting.shown.request, ("bert", "anna"))


def test_a_no_ends_it_signed_or_not(store: Store) -> None:
    request = made(store)
    assert answered(store, said(request, ANNA, NO, at=100)).became is Became.REFUSED
    assert answered(store, said(request, at=100)).became is Became.UNKNOWN
    assert made(store) == request
    assert refuse_left(store, request[:6])
    assert not refuse_left(store, request[:6])
    assert used(store) is None


FLAWED: dict[str, tuple[Callable[[str], Signed], Flaw]] = {
    "a stranger's": (lambda at: said(at, EVE, at=100), Flaw.UNSIGNED),
    "a stranger's no": (lambda at: said(at, EVE, NO, at=100), Flaw.UNSIGNED),
    "another session": (lambda at: said(at, at=100, session="x"), Flaw.OTHER_CALL),
    "another tool": (lambda at: said(at, at=100, binding=call(tool="x")), Flaw.OTHER_CALL),
    "expired": (lambda at: said(at, at=0, life=100), Flaw.EXPIRED),
    "of the future": (lambda at: said(at, at=200), Flaw.FUTURE),
    "too long": (lambda at: said(at, at=100, life=601), Flaw.TOO_LONG),
}


@pytest.mark.parametrize("case", FLAWED)
@pytest.mark.guarantee("approval:only-signed-answers")
def test_an_answer_that_does_not_count_changes_nothing(case: str) -> None:
    sign, flaw = FLAWED[case]
    store = MemoryStore()
    request = made(store)
    before = store.list("")
    assert answered(store, sign(request)) == Outcome(Became.FLAWED, request[:6], flaw=flaw)
    assert store.list("") == before


@pytest.mark.guarantee("approval:verified-again")
def test_answers_that_somebody_wrote_into_the_store_count_nothing() -> None:
    store = MemoryStore()
    parting = parted(quorum=2)
    request = parting.shown.request
    forged = said(request, EVE, at=100)._replace(key=BERT.key_id)
    assert leave(store, parting._replace(answers=(forged,)), UNIX + 100)
    assert answered(store, said(request, at=100), quorum=2).became is Became.COUNTED
    assert used(store, quorum=2) is None


def test_arguments_that_somebody_changed_are_shown_and_are_another_call() -> None:
    store = MemoryStore()
    request = made(store)
    found = store.get(PREFIX + request[:6])
    assert found is not None
    assert isinstance(found.value, dict)
    store.put(PREFIX + request[:6], {**found.value, "arguments": {}}, found.version)
    (one,) = left(store, UNIX + 100)
    assert one.arguments == {}
    assert answered(store, said(request, at=100)).flaw is Flaw.OTHER_CALL
    yes = said(request, at=100, binding=one.binding)
    assert answered(store, yes).became is Became.GRANTED_LATER
    assert used(store) is None


@pytest.mark.parametrize(("now", "there"), [(644, True), (645, False)])
def test_what_was_left_expires_and_is_swept(now: int, there: bool, store: Store) -> None:
    request = made(store)
    store.put(PREFIX + "x", [], ABSENT)
    store.put("other", 1, ABSENT)
    assert bool(left(store, UNIX + now)) is there
    became = answered(store, said(request, at=now), now).became
    assert became is (Became.GRANTED_LATER if there else Became.UNKNOWN)
    assert sweep_left(store, UNIX + now) == (1 if there else 2)
    assert "other" in store.list("")


def test_what_is_too_large_or_there_already_is_not_left() -> None:
    store = MemoryStore()
    assert not leave(store, parted({"text": "x" * 16_384}), UNIX)
    made(store)
    assert not leave(store, parted(), UNIX + 100)
    worst: JsonObject = {"text": "\x01" * 2_700}
    assert leave(MemoryStore(), parted(worst), UNIX)


def test_as_many_are_shown_as_a_person_reads() -> None:
    store = MemoryStore()
    request = made(store)
    found = store.get(PREFIX + request[:6])
    assert found is not None
    assert isinstance(found.value, dict)
    for number in range(MAX_LEFT + 5):
        other = f"{number:06}{request[6:]}"
        changed: JsonObject = {**found.value, "request": other, "until": UNIX + 700 - number}
        store.put(PREFIX + other[:6], changed, ABSENT)
    shown = left(store, UNIX + 100)
    assert len(shown) == MAX_LEFT
    assert shown[0].until == UNIX + 700 - MAX_LEFT - 4


LEAVES = st.none() | st.booleans() | st.integers(-1, 2) | st.text("aE/\ud800", max_size=5)
ANYTHING = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3), max_leaves=4)


@given(st.sampled_from([*Left._fields, "v", "more"]), ANYTHING)
def test_reading_anything_is_a_ticket_or_none(field: str, value: Json) -> None:
    store = MemoryStore()
    request = made(store)
    found = store.get(PREFIX + request[:6])
    assert found is not None
    assert isinstance(found.value, dict)
    read = left_of({**found.value, field: value})
    assert read is None or isinstance(read, Left)
    assert left_of(value) is None
