"""The calls that wait: what lets one through, once, and everything that does not."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.approval.outcome import Asked, Became, Granted, Refusal, Refused, Row, Waiting
from mcpguard.approval.queue import HOST_USER, MAX_BYTES, MAX_OF_ONE, MAX_PENDING, Queue
from mcpguard.approval.statement import WITH_MORE, Answer, Binding, Flaw, Signed, bound
from mcpguard.identity.keys import verifier
from mcpguard.model import JsonObject
from tests.unit.approval.people import (
    ANNA,
    ARGUMENTS,
    BERT,
    CALL,
    CARL,
    COUNTING,
    EVE,
    LOCK,
    SESSION,
    UNIX,
    approver,
    call,
    said,
    source,
)

NO = Answer.NO


def queue(*, hold: int = 45, retry: int = 600, quorum: int = 1) -> Queue:
    return Queue(SESSION, COUNTING, source(), hold=hold, retry=retry, quorum=quorum)


def asked(
    one: Queue,
    now: float = 0.0,
    binding: Binding = CALL,
    *,
    token: str = "",
) -> Asked:
    return one.ask(binding, ARGUMENTS, now, token=token)


def held(one: Queue, now: float = 0.0, binding: Binding = CALL) -> Waiting:
    waiting = asked(one, now, binding)
    assert isinstance(waiting, Waiting)
    return waiting


def request(one: Queue, waiting: Waiting, now: float = 0.0) -> str:
    shown = one.show(waiting.ticket, now)
    assert shown is not None
    return shown.request


def unheld(one: Queue) -> Waiting:
    """A ticket whose call was told to come again at 45."""
    waiting = held(one)
    assert one.timed_out(45.0) == (waiting,)
    return waiting


def test_a_yes_lets_the_held_call_through_once() -> None:
    one = queue()
    waiting = held(one)
    outcome = one.answer(said(request(one, waiting)), 5.0, UNIX + 5)
    assert outcome == (Became.GRANTED_NOW, waiting.ticket, waiting.token, None)
    assert asked(one, 5.0, token=waiting.token) == Granted(waiting.ticket, ("anna",))
    assert one.pending(5.0) == ()
    assert isinstance(asked(one, 5.0), Waiting)
    assert isinstance(asked(one, 5.0, token=waiting.token), Waiting)


@pytest.mark.guarantee("approval:pending-never-runs")
def test_a_call_that_nobody_answered_does_not_go_however_often_it_asks() -> None:
    one = queue()
    waiting = held(one)
    for now in (0.0, 1.0, 44.0):
        assert asked(one, now, token=waiting.token) == waiting
    assert one.timed_out(44.9) == ()
    assert one.timed_out(45.0) == (waiting,)
    again = held(one, 50.0)
    assert again.ticket == waiting.ticket
    assert again.token != waiting.token


def test_a_yes_after_the_time_out_lets_one_identical_call_through() -> None:
    one = queue()
    waiting = unheld(one)
    outcome = one.answer(said(request(one, waiting, 60.0), at=60), 60.0, UNIX + 60)
    assert outcome == (Became.GRANTED_LATER, waiting.ticket, "", None)
    assert asked(one, 659.0) == Granted(waiting.ticket, ("anna",))
    assert isinstance(asked(one, 659.0), Waiting)


@pytest.mark.parametrize(("now", "goes"), [(659.0, True), (659.9, True), (660.0, False)])
@pytest.mark.guarantee("approval:expires")
def test_a_yes_that_is_not_used_ends_after_its_time_to_the_second(now: float, goes: bool) -> None:
    one = queue()
    waiting = unheld(one)
    one.answer(said(request(one, waiting, 60.0), at=60), 60.0, UNIX + 60)
    assert isinstance(asked(one, now), Granted) is goes


def test_a_yes_that_was_under_way_ends_when_it_says_so() -> None:
    one = queue()
    waiting = unheld(one)
    one.answer(said(request(one, waiting, 60.0), at=20), 60.0, UNIX + 60)
    assert isinstance(asked(one, 620.0), Waiting)


@pytest.mark.parametrize(("now", "open_"), [(644.9, True), (645.0, False)])
def test_a_ticket_that_nobody_answers_expires(now: float, open_: bool) -> None:
    one = queue()
    waiting = unheld(one)
    assert bool(one.pending(now)) is open_
    late = said("R" * 26 if not open_ else request(one, waiting, now), at=int(now))
    became = one.answer(late, now, UNIX + int(now)).became
    assert became is (Became.GRANTED_LATER if open_ else Became.UNKNOWN)


def test_what_has_expired_is_gone_whoever_asks_first() -> None:
    def expired() -> tuple[Queue, str, str]:
        one = queue()
        waiting = unheld(one)
        return one, waiting.ticket, request(one, waiting, 50.0)

    one, ticket, place = expired()
    assert one.answer(said(place, at=640), 645.0, UNIX + 645).became is Became.UNKNOWN
    one, ticket, _ = expired()
    assert one.refuse(ticket, 645.0).became is Became.UNKNOWN
    one, ticket, _ = expired()
    assert one.refuse_like(ticket, 645.0)[0].became is Became.UNKNOWN
    one, ticket, _ = expired()
    assert one.show(ticket, 645.0) is None
    one, ticket, _ = expired()
    assert one.part(645.0) == ()
    one, ticket, _ = expired()
    assert len(one.part(644.0)) == 1


OTHER_ARGUMENTS: JsonObject = {"path": "/srv/b", "mode": 1}
ELSEWHERE: dict[str, tuple[Binding, JsonObject]] = {
    "argument": (
        bound("local:default", "files", "delete_file", OTHER_ARGUMENTS, LOCK),
        OTHER_ARGUMENTS,
    ),
    "tool": (call(tool="read_file"), ARGUMENTS),
    "principal": (call(principal="local:other"), ARGUMENTS),
    "server": (call(server="mail"), ARGUMENTS),
    "lockfile": (call(lock="sha256:" + "2" * 64), ARGUMENTS),
    "no lockfile": (call(lock=""), ARGUMENTS),
}


@pytest.mark.parametrize("other", ELSEWHERE)
@pytest.mark.guarantee("approval:bound-to-the-call")
def test_a_yes_is_for_no_other_call(other: str) -> None:
    binding, arguments = ELSEWHERE[other]
    one = queue()
    waiting = unheld(one)
    one.answer(said(request(one, waiting, 60.0), at=60), 60.0, UNIX + 60)
    assert isinstance(one.ask(binding, arguments, 61.0), Waiting)
    assert isinstance(asked(one, 61.0), Granted)


@pytest.mark.parametrize("other", ELSEWHERE)
@pytest.mark.guarantee("approval:bound-to-the-call")
def test_a_call_that_changed_while_it_was_held_needs_another_yes(other: str) -> None:
    binding, arguments = ELSEWHERE[other]
    one = queue()
    waiting = held(one)
    one.answer(said(request(one, waiting)), 1.0, UNIX + 1)
    again = one.ask(binding, arguments, 1.0, token=waiting.token)
    assert isinstance(again, Waiting)
    assert again.ticket != waiting.ticket
    assert [row.ticket for row in one.pending(1.0)] == [again.ticket]


def test_what_is_shown_is_what_is_bound() -> None:
    one = queue()
    assert one.ask(CALL, OTHER_ARGUMENTS, 0.0) == Refused(Refusal.UNSHOWN)
    assert one.ask(CALL, {"a": "\ud800"}, 0.0) == Refused(Refusal.UNSHOWN)
    assert asked(one, binding=call(tool="t" * 1025)) == Refused(Refusal.UNSHOWN)
    assert asked(one, binding=call(tool="\ud800")) == Refused(Refusal.UNSHOWN)
    assert isinstance(asked(one, binding=call(tool="l\u00f6schen")), Waiting)
    waiting = held(one, 1.0)
    shown = one.show(waiting.ticket, 4.0)
    assert shown is not None
    assert (shown.arguments, shown.binding, shown.session) == (ARGUMENTS, CALL, SESSION)
    assert shown.row == Row(
        waiting.ticket, "files", "delete_file", "local:default", 3, 42, True, 0, 1
    )
    assert one.show("ZZZZZZ", 3.0) is None


# --- answers that do not count -------------------------------------------------------------------

FLAWED: dict[str, tuple[Callable[[str], Signed], Flaw]] = {
    "another session": (lambda at: said(at, session="other"), Flaw.OTHER_CALL),
    "another tool": (lambda at: said(at, binding=call(tool="read_file")), Flaw.OTHER_CALL),
    "another principal": (lambda at: said(at, binding=call(principal="x")), Flaw.OTHER_CALL),
    "other arguments": (lambda at: said(at, binding=call(arguments="x")), Flaw.OTHER_CALL),
    "another lockfile": (lambda at: said(at, binding=call(lock="")), Flaw.OTHER_CALL),
    "expired": (lambda at: said(at, life=5), Flaw.EXPIRED),
    "of the future": (lambda at: said(at, at=100), Flaw.FUTURE),
    "too long": (lambda at: said(at, life=601), Flaw.TOO_LONG),
    "a stranger's": (lambda at: said(at, EVE), Flaw.UNSIGNED),
    "under another's key": (lambda at: said(at, EVE)._replace(key=ANNA.key_id), Flaw.UNSIGNED),
    "a no made a yes": (
        lambda at: said(at)._replace(signature=said(at, answer=NO).signature),
        Flaw.UNSIGNED,
    ),
    "no signature": (lambda at: said(at)._replace(signature=b""), Flaw.UNSIGNED),
    "a stranger's no": (lambda at: said(at, EVE, NO), Flaw.UNSIGNED),
}


@pytest.mark.parametrize("case", FLAWED)
@pytest.mark.guarantee("approval:only-signed-answers")
def test_an_answer_that_does_not_count_changes_nothing(case: str) -> None:
    made, flaw = FLAWED[case]
    one = queue()
    waiting = held(one)
    before = one.pending(5.0)
    outcome = one.answer(made(request(one, waiting)), 5.0, UNIX + 5)
    assert outcome == (Became.FLAWED, waiting.ticket, "", flaw)
    assert one.pending(5.0) == before
    assert asked(one, 5.0, token=waiting.token) == waiting


@pytest.mark.guarantee("approval:single-use")
def test_a_yes_that_was_used_admits_nothing_when_it_is_sent_again() -> None:
    one = queue()
    waiting = held(one)
    yes = said(request(one, waiting))
    one.answer(yes, 1.0, UNIX + 1)
    assert isinstance(asked(one, 1.0, token=waiting.token), Granted)
    again = held(one, 2.0)
    assert one.answer(yes, 2.0, UNIX + 2).became is Became.UNKNOWN
    assert asked(one, 2.0, token=again.token) == again
    assert again.ticket != waiting.ticket


def test_a_yes_for_a_ticket_of_the_same_letters_is_not_for_this_asking() -> None:
    one = queue()
    waiting = held(one)
    yes = said(waiting.ticket + "0" * 20)
    assert one.answer(yes, 1.0, UNIX + 1) == (Became.UNKNOWN, waiting.ticket, "", None)


# --- several approvers ---------------------------------------------------------------------------


@pytest.mark.guarantee("approval:distinct-keys")
def test_a_quorum_is_of_distinct_keys() -> None:
    one = queue(quorum=2)
    waiting = held(one)
    yes = request(one, waiting)
    assert one.answer(said(yes), 1.0, UNIX + 1).became is Became.COUNTED
    assert one.answer(said(yes), 2.0, UNIX + 2).became is Became.AGAIN
    assert one.answer(said(yes, at=2), 2.0, UNIX + 2).became is Became.AGAIN
    assert asked(one, 2.0, token=waiting.token) == waiting
    assert one.pending(2.0)[0].yes == 1
    assert one.answer(said(yes, BERT), 3.0, UNIX + 3).became is Became.GRANTED_NOW
    assert one.answer(said(yes, CARL), 3.0, UNIX + 3).became is Became.AGAIN
    assert asked(one, 3.0, token=waiting.token) == Granted(waiting.ticket, ("anna", "bert"))


@pytest.mark.guarantee("approval:distinct-keys")
def test_a_quorum_of_none_is_one() -> None:
    one = queue(quorum=0)
    waiting = held(one)
    assert asked(one, 1.0, token=waiting.token) == waiting


def test_a_yes_that_has_expired_counts_for_no_quorum() -> None:
    one = queue(quorum=2)
    waiting = unheld(one)
    yes = request(one, waiting, 60.0)
    assert one.answer(said(yes, life=70), 60.0, UNIX + 60).became is Became.COUNTED
    assert one.answer(said(yes, BERT, at=60), 70.0, UNIX + 70).became is Became.COUNTED
    assert one.answer(said(yes, at=70), 71.0, UNIX + 71).became is Became.GRANTED_LATER


def test_a_quorum_that_began_is_kept_for_the_same_call_coming_back() -> None:
    one = queue(quorum=2)
    waiting = unheld(one)
    yes = request(one, waiting, 50.0)
    one.answer(said(yes), 50.0, UNIX + 50)
    again = held(one, 60.0)
    assert again.ticket == waiting.ticket
    assert one.answer(said(yes, BERT, at=61), 61.0, UNIX + 61).wake == again.token


def test_other_approvers_or_settings_begin_every_quorum_anew() -> None:
    one = queue(quorum=2)
    waiting = held(one)
    yes = request(one, waiting)
    one.answer(said(yes), 1.0, UNIX + 1)
    without_anna = verifier([approver("bert"), approver("carl")])
    one.change(without_anna, hold=45, retry=600, quorum=2)
    assert one.answer(said(yes, BERT), 2.0, UNIX + 2).became is Became.COUNTED
    assert one.answer(said(yes), 2.0, UNIX + 2).flaw is Flaw.UNSIGNED
    assert one.answer(said(yes, CARL), 2.0, UNIX + 2).became is Became.GRANTED_NOW
    one.change(COUNTING, hold=45, retry=600, quorum=1)
    assert asked(one, 2.0, token=waiting.token) == waiting
    assert one.timed_out(45.0) == (waiting,)
    again = said(yes, CARL, at=45)
    assert one.answer(again, 45.0, UNIX + 45).became is Became.GRANTED_LATER
    assert one.release(waiting.ticket) == (CALL, (again,))


def test_settings_that_change_hold_for_the_calls_that_come() -> None:
    one = queue()
    one.change(COUNTING, hold=5, retry=60, quorum=1)
    waiting = held(one)
    assert one.due() == 5.0
    assert one.timed_out(5.0) == (waiting,)
    shown = one.show(waiting.ticket, 6.0)
    assert shown is not None
    assert (shown.life, shown.row.left) == (60, 59.0)
    assert one.answer(said(shown.request, life=61), 6.0, UNIX + 6).flaw is Flaw.TOO_LONG


# --- no ------------------------------------------------------------------------------------------


@pytest.mark.guarantee("approval:one-no-ends-it")
def test_a_no_of_one_approver_ends_it_whatever_the_others_said() -> None:
    one = queue(quorum=2)
    waiting = held(one)
    yes = request(one, waiting)
    one.answer(said(yes), 1.0, UNIX + 1)
    outcome = one.answer(said(yes, BERT, NO), 2.0, UNIX + 2)
    assert outcome == (Became.REFUSED, waiting.ticket, waiting.token, None)
    assert one.answer(said(yes, CARL), 3.0, UNIX + 3).became is Became.UNKNOWN
    assert asked(one, 3.0, token=waiting.token) == Refused(Refusal.SAID_NO)


@pytest.mark.parametrize("granted", [False, True])
@pytest.mark.guarantee("approval:one-no-ends-it")
def test_a_no_takes_back_what_was_not_used(granted: bool) -> None:
    one = queue()
    waiting = unheld(one)
    if granted:
        one.answer(said(request(one, waiting, 50.0), at=50), 50.0, UNIX + 50)
    assert one.refuse(waiting.ticket, 51.0) == (Became.REFUSED, waiting.ticket, "", None)
    assert asked(one, 52.0) == Refused(Refusal.SAID_NO)
    assert asked(one, 650.9) == Refused(Refusal.SAID_NO)
    assert isinstance(asked(one, 52.0, call(tool="read_file")), Waiting)
    assert isinstance(asked(one, 651.0), Waiting)


def test_a_later_yes_counts_more_than_an_earlier_no_to_the_same_call() -> None:
    one = queue()
    first, second = held(one), held(one)
    one.timed_out(45.0)
    one.refuse(first.ticket, 50.0)
    assert asked(one, 51.0) == Refused(Refusal.SAID_NO)
    one.answer(said(request(one, second, 52.0), at=52), 52.0, UNIX + 52)
    assert asked(one, 53.0) == Granted(second.ticket, ("anna",))


def test_a_no_to_all_alike_is_for_that_tool_of_that_principal() -> None:
    one = queue()
    second: JsonObject = {"path": "/srv/b"}
    ticket = held(one).ticket
    like = one.ask(bound("local:default", "files", "delete_file", second, LOCK), second, 0.0)
    assert isinstance(like, Waiting)
    others = [
        held(one, 0.0, call(tool="read_file")).ticket,
        held(one, 0.0, call(principal="local:other")).ticket,
        held(one, 0.0, call(server="mail")).ticket,
    ]
    refused = one.refuse_like(ticket, 1.0)
    assert [(each.became, each.ticket) for each in refused] == [
        (Became.REFUSED, ticket),
        (Became.REFUSED, like.ticket),
    ]
    assert [row.ticket for row in one.pending(1.0)] == others
    assert one.refuse_like(ticket, 1.0) == ((Became.UNKNOWN, ticket, "", None),)
    assert one.refuse(ticket, 1.0).became is Became.UNKNOWN


def test_a_no_to_all_alike_is_for_calls_with_more_than_arguments_too() -> None:
    plain, more = call(tool="echo"), call(tool="echo" + WITH_MORE)
    for first, second in ((plain, more), (more, plain)):
        one = queue()
        ticket = held(one, 0.0, first).ticket
        held(one, 0.0, second)
        assert len(one.refuse_like(ticket, 1.0)) == 2
        assert one.pending(1.0) == ()


def test_noes_are_forgotten_the_oldest_first() -> None:
    one = queue()
    for number in range(MAX_PENDING + 1):
        one.refuse(held(one, 0.0, call(tool=f"t{number}")).ticket, 0.0)
    assert isinstance(asked(one, 1.0, call(tool="t0")), Waiting)
    assert asked(one, 1.0, call(tool="t1")) == Refused(Refusal.SAID_NO)


# --- several calls -------------------------------------------------------------------------------


@pytest.mark.guarantee("approval:single-use")
def test_of_identical_calls_each_needs_a_yes_of_its_own() -> None:
    one = queue()
    first, second = held(one, 0.0), held(one, 1.0)
    assert first.ticket != second.ticket
    outcome = one.answer(said(request(one, first, 2.0)), 2.0, UNIX + 2)
    assert outcome.wake == first.token
    assert asked(one, 2.0, token=second.token) == second
    third = held(one, 2.0)
    assert isinstance(asked(one, 2.0, token=first.token), Granted)
    assert asked(one, 2.0, token=third.token) == third
    assert [row.ticket for row in one.pending(2.0)] == [second.ticket, third.ticket]


@pytest.mark.guarantee("approval:single-use")
def test_two_yeses_that_wait_are_used_one_by_one() -> None:
    one = queue()
    calls = [held(one), held(one)]
    one.timed_out(45.0)
    for each in calls:
        one.answer(said(request(one, each, 50.0), at=50), 50.0, UNIX + 50)
    used = [asked(one, 51.0) for _ in range(3)]
    assert [isinstance(each, Granted) for each in used] == [True, True, False]
    assert [each.ticket for each in used[:2] if isinstance(each, Granted)] == [
        each.ticket for each in calls
    ]


@pytest.mark.guarantee("approval:cancelled-never-runs")
def test_a_call_that_was_taken_back_never_goes() -> None:
    for granted in (False, True):
        one = queue()
        waiting = held(one)
        yes = said(request(one, waiting))
        if granted:
            assert one.answer(yes, 1.0, UNIX + 1).wake == waiting.token
        one.cancel(waiting.token)
        assert one.answer(yes, 2.0, UNIX + 2).became is Became.UNKNOWN
        again = held(one, 2.0)
        assert asked(one, 2.0, token=again.token) == again
        one.cancel(waiting.token)
        one.cancel("")
        assert len(one.pending(2.0)) == 1


def test_a_late_cancellation_is_not_for_the_call_that_took_the_ticket_over() -> None:
    one = queue()
    waiting = unheld(one)
    again = held(one, 50.0)
    one.cancel(waiting.token)
    assert one.answer(said(request(one, again, 51.0), at=51), 51.0, UNIX + 51).wake == again.token


def test_the_next_time_out_is_known_beforehand() -> None:
    one = queue(hold=30)
    assert one.due() is None
    held(one, 1.0)
    waiting = held(one, 0.0)
    assert one.due() == 30.0
    one.answer(said(request(one, waiting), life=600), 1.0, UNIX + 1)
    assert one.due() == 31.0
    assert len(one.timed_out(31.0)) == 1
    assert one.due() == 600.0
    assert one.timed_out(600.0) == (waiting,)
    assert one.due() is None


def test_a_woken_call_that_does_not_ask_again_in_time_needs_another_yes() -> None:
    one = queue()
    waiting = held(one)
    one.answer(said(request(one, waiting), life=10), 1.0, UNIX + 1)
    assert asked(one, 10.0, token=waiting.token) == waiting
    again = said(request(one, waiting, 11.0), at=11)
    assert one.answer(again, 11.0, UNIX + 11).became is Became.GRANTED_NOW


# --- bounds --------------------------------------------------------------------------------------


def test_one_caller_cannot_fill_the_list_and_a_full_one_refuses_loudly() -> None:
    one = queue()
    for number in range(MAX_OF_ONE):
        held(one, 0.0, call(tool=f"t{number}"))
    assert asked(one, 0.0, call(tool="more")) == Refused(Refusal.CROWDED)
    for number in range(MAX_PENDING - MAX_OF_ONE):
        held(one, 0.0, call(principal=f"p{number}"))
    assert asked(one, 0.0, call(principal="other")) == Refused(Refusal.FULL)
    assert len(one.pending(0.0)) == MAX_PENDING
    one.timed_out(45.0)
    assert asked(one, 46.0, call(principal="other")) == Refused(Refusal.FULL)
    assert isinstance(asked(one, 46.0, call(tool="t0")), Waiting)
    assert isinstance(asked(one, 645.0, call(principal="other")), Waiting)


def test_what_is_kept_to_be_shown_is_bounded_over_all_calls() -> None:
    one = queue()
    half: JsonObject = {"text": "x" * (MAX_BYTES // 2 - 100)}
    big = bound("p", "s", "t", half, "")
    first = one.ask(big, half, 0.0)
    second = one.ask(big, half, 0.0)
    assert isinstance(first, Waiting)
    assert isinstance(second, Waiting)
    assert asked(one, 0.0) != Refused(Refusal.TOO_BIG)
    assert one.ask(big, half, 0.0) == Refused(Refusal.TOO_BIG)
    one.cancel(first.token)
    assert isinstance(one.ask(big, half, 0.0), Waiting)


def test_without_randomness_nobody_is_asked_and_nothing_goes() -> None:
    def broken(_: int) -> bytes:
        raise OSError

    for bad in (broken, lambda _: b"", bytes):
        one = Queue(SESSION, COUNTING, bad)
        answers = [asked(one), asked(one)]
        assert answers[1] == Refused(Refusal.NO_TICKET)


# --- without signatures, and across proxies ------------------------------------------------------


@pytest.mark.guarantee("approval:only-signed-answers")
def test_the_hosts_user_answers_for_low_risk_calls_only() -> None:
    one = queue(quorum=3)
    risky, low = held(one), held(one, 0.0, call(tool="read_file"))
    assert one.elicited(risky.token, Answer.YES, 1.0, low_risk=False).flaw is Flaw.UNSIGNED
    assert asked(one, 1.0, token=risky.token) == risky
    outcome = one.elicited(low.token, Answer.YES, 1.0, low_risk=True)
    assert outcome == (Became.GRANTED_NOW, low.ticket, low.token, None)
    assert one.release(low.ticket) is None
    used = asked(one, 1.0, call(tool="read_file"), token=low.token)
    assert used == Granted(low.ticket, (HOST_USER,))
    assert one.elicited(low.token, Answer.YES, 1.0, low_risk=True).became is Became.UNKNOWN
    assert one.elicited("", Answer.YES, 1.0, low_risk=True).became is Became.UNKNOWN
    assert one.elicited(risky.token, NO, 1.0, low_risk=False).became is Became.REFUSED


def test_an_elicited_yes_that_was_not_used_ends_with_the_call() -> None:
    one = queue()
    low = held(one)
    one.elicited(low.token, Answer.YES, 1.0, low_risk=True)
    assert one.timed_out(46.0) == (low,)
    assert isinstance(asked(one, 46.0), Waiting)


def test_a_grant_of_the_store_lets_the_held_call_through() -> None:
    one = queue()
    waiting = held(one)
    outcome = one.admit(waiting.token, ("anna", "bert"), 1.0)
    assert outcome == (Became.GRANTED_NOW, waiting.ticket, waiting.token, None)
    assert asked(one, 1.0, token=waiting.token) == Granted(waiting.ticket, ("anna", "bert"))
    assert one.admit(waiting.token, ("anna",), 1.0).became is Became.UNKNOWN


@pytest.mark.guarantee("approval:single-use")
def test_a_grant_that_left_for_the_store_is_here_no_more() -> None:
    one = queue(quorum=2)
    waiting = unheld(one)
    yes = request(one, waiting, 50.0)
    answers = (said(yes, at=50), said(yes, BERT, at=50))
    one.answer(answers[0], 50.0, UNIX + 50)
    assert one.release(waiting.ticket) is None
    one.answer(answers[1], 50.0, UNIX + 50)
    assert one.release(waiting.ticket) == (CALL, answers)
    assert one.release(waiting.ticket) is None
    assert isinstance(asked(one, 51.0), Waiting)


def test_a_grant_whose_call_waits_here_does_not_leave() -> None:
    one = queue()
    waiting = held(one)
    one.answer(said(request(one, waiting)), 1.0, UNIX + 1)
    assert one.release(waiting.ticket) is None


# --- whatever happens ----------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "again", "yes", "stranger", "no", "cancel", "tick", "elicit"]),
        st.integers(0, 3),
        st.integers(0, 40),
    ),
    max_size=40,
)


class Play:
    """A queue, and what happened: who said yes to what, and how many calls went."""

    def __init__(self, quorum: int) -> None:
        self.queue = queue(quorum=quorum, hold=20, retry=60)
        self.quorum = quorum
        self.yeses: set[tuple[str, str]] = set()
        self.tokens = [""]
        self.went = 0

    def step(self, what: str, which: int, now: int) -> None:
        token = self.tokens[-1 - which % len(self.tokens)]
        match what:
            case "ask":
                self.call("", now)
            case "again":
                self.call(token, now)
            case "cancel":
                self.queue.cancel(token)
            case "elicit":
                self.queue.elicited(token, Answer.YES, now, low_risk=bool(which % 2))
            case "tick":
                self.queue.timed_out(now)
            case _:
                self.person(what, which, now)

    def call(self, token: str, now: int) -> None:
        got = asked(self.queue, now, token=token)
        self.went += isinstance(got, Granted)
        if isinstance(got, Waiting):
            self.tokens.append(got.token)

    def person(self, what: str, which: int, now: int) -> None:
        rows = self.queue.pending(now)
        if not rows:
            return
        place = request(self.queue, Waiting(rows[which % len(rows)].ticket, ""), now)
        key = EVE if what == "stranger" else (ANNA, BERT, CARL, ANNA)[which]
        answer = NO if what == "no" else Answer.YES
        signed = said(place, key, answer, at=now, life=60)
        became = self.queue.answer(signed, now, UNIX + now).became
        if became not in {Became.FLAWED, Became.REFUSED}:
            self.yeses.add((place, key.key_id))

    def full(self) -> int:
        """How many requests have their quorum of distinct keys."""
        places = [place for place, _ in self.yeses]
        return sum(places.count(place) >= self.quorum for place in set(places))


@given(STEPS, st.integers(1, 2))
@pytest.mark.guarantee("approval:single-use")
def test_never_more_calls_go_than_quorums_said_yes(
    steps: list[tuple[str, int, int]], quorum: int
) -> None:
    play, now = Play(quorum), 0
    for what, which, passed in steps:
        now += passed
        play.step(what, which, now)
        assert play.went <= play.full()
