"""Records to standings: which record is which event, and the same from any way of reading them."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.audit.record import changed
from mcpguard.errors import AuditError
from mcpguard.model import JsonObject, Reason
from mcpguard.trust.fold import CALLER, SERVER, Fold, Party, check, fold, moment
from mcpguard.trust.score import DAILY_GAIN, Event, Standing

UP, DOWN = "host>server", "server>host"
FILES, ME = Party(SERVER, "files"), Party(CALLER, "local:default")


def record(**fields: str | int) -> JsonObject:
    """A decision's record as the log holds it, `second` of them after noon."""
    second = int(fields.pop("second", 0))
    return {
        "v": 1,
        "seq": 1,
        "session": "s1",
        "ts": f"2026-11-01T12:{second // 60:02}:{second % 60:02}.000000Z",
        "server": "files",
        "principal": "local:default",
        "level": 0,
        "score": 0,
        **fields,
    }


def answered(**fields: str | int) -> JsonObject:
    return record(direction=DOWN, method="tools/call", target="t", decision="allow", **fields)


def denied(reason: str, direction: str = DOWN, **fields: str | int) -> JsonObject:
    given: dict[str, str | int] = {"stage": "wire", "decision": "deny", "method": "tools/call"}
    return record(**{**given, "direction": direction, "reason": reason, **fields})


def forged(direction: str, **fields: str | int) -> JsonObject:
    """An answer to no request: the one record of an unknown id that names no method."""
    return denied("unknown_id", direction, decision="drop", method="", **fields)


def begun(lock: str, **fields: str | int) -> JsonObject:
    return record(event="session.start", lock=lock, **fields)


def events(*records: JsonObject) -> list[tuple[Party, Event]]:
    """What each record was, after those before it."""
    every = Fold()
    return [(seen.party, seen.event) for one in records for seen in every.take(one)]


BOTH = [(FILES, Event.SUCCESS), (ME, Event.SUCCESS)]
WHICH: dict[str, tuple[JsonObject, list[tuple[Party, Event]]]] = {
    "an answer": (answered(), BOTH),
    "an answer that was rewritten": (
        answered(stage="surface", reason="link_not_locked"),
        [(FILES, Event.PARTIAL), (ME, Event.SUCCESS)],
    ),
    "the tool's own error": (answered(outcome="tool_error"), []),
    "a JSON-RPC error": (answered(outcome="error"), [(FILES, Event.FAILURE)]),
    "a result that its schema does not permit": (
        answered(outcome="off_schema"),
        [(FILES, Event.FAILURE)],
    ),
    "an error that asks for a person": (answered(outcome="asked"), []),
    "a call on its way": (
        record(direction=UP, method="tools/call", target="t", decision="allow"),
        [],
    ),
    "another method's answer": (
        record(direction=DOWN, method="prompts/get", target="p", decision="allow"),
        [],
    ),
    "a time-out": (denied("timeout"), [(FILES, Event.TIMEOUT)]),
    "a time-out of a cancelled request": (denied("timeout", decision="note"), []),
    "a host that does not answer in time": (denied("timeout", UP), []),
    "a broken answer": (denied("parse"), [(FILES, Event.FAILURE)]),
    "a line nobody waits for": (denied("parse", decision="drop"), []),
    "a list that cannot be verified": (denied("unverified"), [(FILES, Event.FAILURE)]),
    "a result of an unknown kind": (denied("unknown_result_type"), [(FILES, Event.FAILURE)]),
    "a server that ended": (denied("server_gone"), [(FILES, Event.FAILURE)]),
    "a server that ended over a handshake": (denied("server_gone", method="initialize"), []),
    "a server that ended over what was cancelled": (denied("server_gone", decision="note"), []),
    "a request after it ended": (denied("server_gone", UP), []),
    "drift": (denied("drifted", target="t"), [(FILES, Event.DRIFT)]),
    "drift that a mode let pass": (
        denied("drifted", decision="would_deny"),
        [(FILES, Event.DRIFT)],
    ),
    "a doubled item": (denied("doubled"), [(FILES, Event.DRIFT)]),
    "a call of what drifted": (denied("drifted", UP), []),
    "contents of what is not locked": (denied("link_not_locked"), [(FILES, Event.EVASION)]),
    "an item that is not locked": (denied("not_locked"), []),
    "a kind of request that is not allowed": (denied("request_kind"), []),
    "a forged answer": (forged(DOWN), [(FILES, Event.FORGERY)]),
    "a forged answer of the host": (forged(UP), [(ME, Event.FORGERY)]),
    "a cancellation that the answer crossed": (
        denied("unknown_id", UP, decision="drop", method="notifications/cancelled"),
        [],
    ),
    "a server's cancellation that the answer crossed": (
        denied("unknown_id", decision="drop", method="notifications/cancelled"),
        [],
    ),
    "news of what the host has ended": (
        denied("unknown_id", decision="drop", method="notifications/resources/updated"),
        [],
    ),
    "an answer after a cancellation": (denied("late_answer", decision="drop"), []),
    "what the scanner found in a result": (
        denied("injection", stage="scan"),
        [(FILES, Event.SCANNER)],
    ),
    "what the scanner found in a call": (
        denied("injection", UP, stage="scan"),
        [(ME, Event.SCANNER)],
    ),
    "what a mode let pass of a call": (
        denied("injection", UP, stage="scan", decision="would_deny"),
        [(ME, Event.SCANNER)],
    ),
    "the end of a session": (record(event="session.end"), []),
    "a record of neither direction": (denied("drifted", "sideways"), []),
}


@pytest.mark.guarantee("trust:events")
@pytest.mark.parametrize(("one", "expected"), WHICH.values(), ids=WHICH)
def test_which_record_is_which_event(one: JsonObject, expected: list[tuple[Party, Event]]) -> None:
    assert events(one) == expected


@pytest.mark.guarantee("trust:crossing-is-no-forgery")
@pytest.mark.parametrize("direction", [UP, DOWN])
@pytest.mark.parametrize("notice", ["cancelled", "progress", "resources/updated"])
def test_a_notice_that_an_end_crossed_moves_nobody_and_is_no_late_answer(
    notice: str, direction: str
) -> None:
    crossed = denied("unknown_id", direction, decision="drop", method=f"notifications/{notice}")
    assert events(crossed, crossed) == []
    late = events(denied("timeout", direction, decision="note"), crossed, forged(direction))
    assert Event.FORGERY not in [event for _, event in late]


@pytest.mark.guarantee("trust:denials-move-nobody")
@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("stage", ["surface", "trust", "policy", "gateway", "wire"])
def test_an_ordinary_denial_of_the_host_moves_nobody(stage: str, reason: Reason) -> None:
    standings = fold([denied(reason, UP, stage=stage, seq=n) for n in range(9)])
    assert [standing.score for standing in standings.values()] == [500, 500]


def test_a_server_that_ends_counts_once_a_session() -> None:
    gone = [denied("server_gone", seq=n) for n in range(4)]
    again = [denied("server_gone", seq=n, session="s2") for n in range(4)]
    assert events(*gone, *again) == [(FILES, Event.FAILURE)] * 2


def test_a_server_that_ends_over_a_handshake_and_owed_more_counts() -> None:
    gone = [denied("server_gone", method=name) for name in ("initialize", "tools/list")]
    assert events(*gone) == [(FILES, Event.FAILURE)]


def test_drift_of_an_item_counts_once_until_somebody_reviews_it_anew() -> None:
    drift, other = denied("drifted", target="a"), denied("drifted", target="b")
    seen = events(begun("1"), drift, drift, begun("1"), drift, other, begun("2"), drift)
    assert [event for _, event in seen] == [
        Event.DRIFT,
        Event.DRIFT,
        Event.REVIEWED,
        Event.DRIFT,
    ]


def test_going_back_to_a_lockfile_is_no_new_review() -> None:
    locks = [begun(lock) for lock in ("1", "2", "1", "2", "", "1", "3")]
    assert events(*locks) == [(FILES, Event.REVIEWED)] * 2


def test_a_fallen_server_begins_anew_after_its_new_review() -> None:
    drift = [denied("drifted", target=name, seq=n) for n, name in enumerate("abc")]
    before = fold([begun("1", session="s0"), *drift])
    after = fold([begun("1", session="s0"), *drift, begun("2", second=9, session="s2")])
    assert (before[FILES].score, after[FILES].score) == (0, 500)


@pytest.mark.parametrize("direction", [UP, DOWN])
def test_one_late_answer_for_each_time_out_is_not_called_forged(direction: str) -> None:
    late, late_too = denied("timeout", direction), denied("timeout", direction, decision="note")
    wrong = forged(direction)
    seen = events(late, wrong, late_too, wrong, wrong)
    assert [event for _, event in seen].count(Event.FORGERY) == 1
    assert events(late, forged(direction, session="s2"))[-1][1] is Event.FORGERY


@pytest.mark.parametrize(
    ("principal", "level", "expected"),
    [
        ("local:default", 0, 1),
        ("local:default", 3, 3),
        ("did:key:z6Mk", 0, 1),
        ("did:key:z6Mk", 2, 2),
        ("did:key:z6Mk", 9, 1),
        ("did:web:a.example", 0, 0),
        ("did:web:a.example", 1, 1),
        ("did:web:a.example", 9, 0),
        ("", 0, 0),
    ],
)
def test_the_level_of_a_caller(principal: str, level: int, expected: int) -> None:
    standings = fold([record(principal=principal, level=level)])
    assert standings[Party(CALLER, principal)] == Standing.new(expected)


@pytest.mark.parametrize(("lock", "level"), [("sha256:1", 1), ("", 0)])
def test_the_level_of_a_server(lock: str, level: int) -> None:
    assert fold([begun(lock)]) == {FILES: Standing.new(level)}


def test_a_server_and_a_caller_of_one_name_are_two() -> None:
    standings = fold([answered(server="x", principal="x")])
    assert list(standings) == [Party(SERVER, "x"), Party(CALLER, "x")]


@pytest.mark.parametrize(
    "ts", ["", "yesterday", 7, "2026-11-01T12:00:00", "9999-12-31T23:59:59-23:59"]
)
def test_a_record_without_a_time_is_an_error(ts: object) -> None:
    with pytest.raises(AuditError, match="has no time"):
        fold([{**record(), "ts": ts if isinstance(ts, str) else 7}])


def test_the_moment_of_a_record_is_its_whole_second() -> None:
    assert moment({"ts": "1970-01-02T00:00:01.999999Z"}) == 86_401


kinds = st.sampled_from([one for one, _ in WHICH.values()] + [begun("1"), begun("2"), begun("")])
logs = st.lists(
    st.builds(
        lambda one, second, day, level, who: (one, second, day, level, who),
        kinds,
        st.integers(0, 50),
        st.integers(1, 25),
        st.integers(0, 4),
        st.sampled_from(["local:default", "did:web:a.example"]),
    ),
    max_size=30,
).map(
    lambda rows: [
        {
            **one,
            "seq": seq,
            "ts": f"2026-11-{day:02}T12:00:{second:02}.000000Z",
            "level": level,
            "principal": who,
        }
        for seq, (one, second, day, level, who) in enumerate(rows)
    ]
)


def of(session: str, log: list[JsonObject]) -> list[JsonObject]:
    return [{**one, "session": session} for one in log]


@pytest.mark.guarantee("trust:one-standing-from-many-logs")
@given(logs, logs, st.randoms(use_true_random=False))
def test_two_proxies_logs_give_one_standing_however_they_are_read(
    one: list[JsonObject], other: list[JsonObject], chance: object
) -> None:
    first, second = of("s1", one), of("s2", other)
    together = fold([*first, *second])
    assert fold([*second, *reversed(first)]) == together
    assert fold([*first, *second, *first]) == together


@pytest.mark.guarantee("trust:one-standing-from-many-logs")
@given(logs)
def test_counting_each_event_as_it_comes_is_folding_the_log(log: list[JsonObject]) -> None:
    enrolled = [
        {**one, "level": 1} for one in log if one.get("event") != "session.start" or one["lock"]
    ]
    every, by_hand = Fold(), dict[Party, Standing]()
    for one in sorted(enrolled, key=lambda one: (str(one["ts"]), one["seq"])):
        for party, event, at, about in every.take(one):
            standing = by_hand.get(party, Standing.new(1))
            by_hand[party] = standing.after(event, at, about)
    assert every.standings == fold(enrolled)
    assert every.standings == dict.fromkeys(every.standings, Standing.new(1)) | by_hand


def reset(name: str = "files", kind: str = "server", key: str = "k1", **fields: str) -> JsonObject:
    what = changed("trust.reset", by="ann", key=key, why="reviewed it", kind=kind, name=name)
    return record(**{name: str(value) for name, value in what.items()}, **fields)


@pytest.mark.guarantee("trust:signed-reset")
def test_a_signed_reset_begins_a_standing_anew_whoever_wrote_it_down() -> None:
    drift = [denied("drifted", target=name, seq=n) for n, name in enumerate("ab")]
    for server in ("files", "another"):
        anew = fold([*drift, reset(session="s2", server=server)])[FILES]
        assert (anew.score, set(anew.dimensions), anew.events) == (500, {500}, 3)
        assert (anew.recent[-1].delta, anew.recent[-1].about) == (500, "reviewed it")
    gained = [answered(seq=n) for n in range(9)]
    after = fold([*gained, reset("local:default", "caller", session="s2")])
    assert (after[ME].score, after[FILES].score, after[ME].gained) == (500, 550, DAILY_GAIN)


@pytest.mark.guarantee("trust:signed-reset")
@pytest.mark.parametrize(
    "other",
    [
        reset(key=""),
        reset(kind="tool"),
        reset(name="other"),
        {**reset(), "event": "control.reset"},
        {**reset(), "key": 7},
        {**answered(), **changed("control.unblock", by="a", key="k", kind="server", name="files")},
    ],
)
def test_no_other_change_of_a_person_moves_a_score(other: JsonObject) -> None:
    drift = [denied("drifted", target=name, seq=n) for n, name in enumerate("ab")]
    assert fold([*drift, {**other, "session": "s2"}])[FILES].score == 0


def stating(log: list[JsonObject]) -> list[JsonObject]:
    """The log of a proxy that states, in each decision, the score it held."""
    every, told = Fold(), list[JsonObject]()
    for one in sorted(log, key=lambda one: (str(one["ts"]), one["seq"])):
        if "event" not in one:
            parties = every.introduce(one)
            score = min(every.standings[party].at(moment(one)).score for party in parties)
            told.append({**one, "level": max(int(str(one["level"])), 1), "score": score})
        else:
            told.append(one)
        every.take(told[-1])
    return told


@pytest.mark.guarantee("trust:verify-recomputes")
@given(logs)
def test_a_log_that_states_what_it_gives_is_found_right(log: list[JsonObject]) -> None:
    told = stating([{**one, "level": 1} for one in log])
    stated, wrong = check(told)
    assert (stated, wrong) == (sum("event" not in one for one in log), None)


@pytest.mark.guarantee("trust:verify-recomputes")
def test_the_first_score_that_differs_is_named() -> None:
    calm = [answered(seq=n, second=20 * n) for n in range(4)]
    told = stating([{**one, "level": 1} for one in calm])
    told[2]["score"], told[3]["score"] = 799, 798
    stated, wrong = check(told)
    assert wrong is not None
    assert (stated, wrong.record["seq"], wrong.stated, wrong.computed) == (3, 2, 799, 520)


def test_a_score_may_be_a_few_seconds_behind_and_not_more() -> None:
    drift = denied("drifted", seq=1, session="other")
    for second, right in [(0, True), (10, True), (11, False), (900, False)]:
        one = answered(seq=2, second=second, level=1, score=500)
        assert (check([drift, one])[1] is None) is right
        assert check([drift, {**one, "score": 200}])[1] is None


def test_ten_thousand_calls_of_a_few_seconds_are_compared_in_a_few_seconds() -> None:
    began = process_time()
    calls = [answered(seq=n, second=n // 2_500, level=1, score=500) for n in range(10_000)]
    assert check(calls) == (10_000, None)
    assert process_time() - began < 8.0


def test_records_that_state_no_score_are_not_compared() -> None:
    assert check([answered(seq=n) for n in range(3)]) == (0, None)
    assert check([answered(score=True, level=1)]) == (0, None)
    stated, wrong = check([answered(level=1, score=0)])
    assert (stated, wrong is not None) == (1, True)


def test_a_day_of_calls_gains_no_more_than_its_bound() -> None:
    standings = fold([answered(seq=n, second=n) for n in range(60)])
    assert [one.score for one in standings.values()] == [500 + DAILY_GAIN] * 2
