import hashlib
import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.audit.record import (
    BLANK,
    CONTROL,
    DOMAIN,
    GENESIS,
    MAX_DEPTH,
    MAX_KNOWN,
    MAX_LINE,
    Encoder,
    changed,
    link,
    recorded,
    seal,
)
from mcpguard.model import Allowed, Json, JsonObject

FRONT = ["v", "seq", "session", "ts", "server", "principal"]


def encoder(**defaults: Json) -> Encoder:
    return Encoder(session="s1", server="files", principal="local:me", defaults=defaults)


def parsed(body: bytes) -> JsonObject:
    record = orjson.loads(body + b"}")
    assert isinstance(record, dict)
    return record


@pytest.mark.guarantee("audit:decision-fields")
def test_a_decision_has_every_field_even_those_nobody_gave() -> None:
    record = parsed(encoder(mode="enforce").body(7, 0.0, {"decision": "deny", "extra": [1]}))
    assert list(record) == [*FRONT, *BLANK, "extra"]
    assert record == {
        **BLANK,
        "v": 1,
        "seq": 7,
        "session": "s1",
        "ts": "1970-01-01T00:00:00.000000Z",
        "server": "files",
        "principal": "local:me",
        "mode": "enforce",
        "decision": "deny",
        "extra": [1],
    }


@given(st.builds(Allowed, st.text(), st.text(), st.text()), st.floats())
def test_a_decision_met_before_is_written_as_it_was_the_first_time(
    told: Allowed, now: float
) -> None:
    one = encoder(mode="100%", server_note='"args_digest":""')
    written = one.body(1, now, told.fields(), b"blake2b-keyed:00")
    assert one.body(1, now, told, b"blake2b-keyed:00") == written
    assert one.body(1, now, told, b"blake2b-keyed:00") == written
    again = parsed(one.body(2, now, told, b"blake2b-keyed:01"))
    assert again == {**parsed(written), "seq": 2, "args_digest": "blake2b-keyed:01"}
    assert told in one.known


@pytest.mark.parametrize("target", ["\ud800", "x" * 2000])
def test_a_decision_that_is_odd_or_long_is_written_out_each_time(target: str) -> None:
    one = encoder()
    told = Allowed("host>server", "tools/call", target)
    assert one.body(1, 0.0, told) == one.body(1, 0.0, told) == one.body(1, 0.0, told.fields())
    assert one.known == {}


@pytest.mark.parametrize(("one", "other"), [(True, 1), (1, 1.0), (0, False)])
def test_equal_values_of_different_types_are_never_taken_for_each_other(
    one: Json, other: Json
) -> None:
    same = encoder()
    same.body(1, 0.0, {"score": one})
    assert type(parsed(same.body(2, 0.0, {"score": other}))["score"]) is type(other)


def test_decisions_that_a_peer_makes_up_are_not_all_remembered() -> None:
    one = encoder()
    for number in range(2 * MAX_KNOWN):
        told = Allowed("host>server", "tools/call", f"t{number}")
        assert parsed(one.body(1, 0.0, told))["target"] == f"t{number}"
    assert len(one.known) <= MAX_KNOWN


@pytest.mark.guarantee("audit:states-the-score")
def test_what_is_restated_stands_in_every_later_decision_even_one_met_before() -> None:
    one, told = encoder(level=1, score=500), Allowed("server>host", "tools/call", "t")

    def stated(what: JsonObject | Allowed) -> tuple[Json, Json]:
        record = parsed(one.body(1, 0.0, what))
        return record["level"], record["score"]

    decisions: list[JsonObject | Allowed] = [told, told, {"decision": "deny"}]
    assert [stated(what) for what in decisions] == [(1, 500)] * 3
    one.restate(3, 0)
    assert [stated(what) for what in decisions] == [(3, 0)] * 3
    one.restate(3, 0)
    assert told in one.known
    assert list(parsed(one.body(1, 0.0, {"event": "x"}))) == [*FRONT, "event"]


@pytest.mark.parametrize("event", CONTROL)
def test_what_a_person_changed_says_who_what_and_why(event: str) -> None:
    what = dict.fromkeys(CONTROL[event], "x")
    record = parsed(encoder().body(1, 0.0, changed(event, by="ann", key="k1", why="w", **what)))
    assert list(record) == [*FRONT, "event", "by", "key", "why", *CONTROL[event]]


@pytest.mark.parametrize(
    ("event", "what"),
    [
        ("control.block", {}),
        ("control.block", {"kind": "tool"}),
        ("control.block", {"kind": "tool", "name": "x", "more": ""}),
        ("control.unheard", {}),
        ("control.unheard", {"event": "x"}),
    ],
)
def test_a_change_with_other_fields_is_a_bug(event: str, what: dict[str, str]) -> None:
    with pytest.raises((ValueError, TypeError)):
        changed(event, by="ann", **what)


def test_an_event_holds_only_its_own_fields() -> None:
    assert list(parsed(encoder().body(1, 0.0, {"event": "session.end"}))) == [*FRONT, "event"]


@pytest.mark.parametrize("key", [*FRONT, "hash"])
def test_a_field_that_the_log_writes_itself_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=key):
        encoder().body(1, 0.0, {key: 1})


STAMPS = {
    0.0: "1970-01-01T00:00:00.000000Z",
    1_790_000_000.25: "2026-09-21T14:13:20.250000Z",
    1_790_000_000.999999: "2026-09-21T14:13:20.999999Z",
    951_782_400.0: "2000-02-29T00:00:00.000000Z",
    253_402_300_799.0: "9999-12-31T23:59:59.000000Z",
    253_402_300_800.0: "1970-01-01T00:00:00.000000Z",
    1e300: "1970-01-01T00:00:00.000000Z",
    math.inf: "1970-01-01T00:00:00.000000Z",
    -math.inf: "1970-01-01T00:00:00.000000Z",
    -5.0: "1970-01-01T00:00:00.000000Z",
}


@pytest.mark.parametrize(("now", "text"), STAMPS.items())
def test_time_is_written_in_utc_with_microseconds(now: float, text: str) -> None:
    assert encoder().stamp(now) == text


def test_a_clock_that_gives_no_number_reads_1970() -> None:
    assert encoder().stamp(math.nan) == "1970-01-01T00:00:00.000000Z"


def test_the_remembered_second_is_not_used_for_another() -> None:
    one = encoder()
    assert [one.stamp(now)[17:] for now in (1.5, 1.75, 2.0, 1.0)] == [
        "01.500000Z",
        "01.750000Z",
        "02.000000Z",
        "01.000000Z",
    ]


def test_a_line_is_its_body_and_the_hash_of_domain_previous_and_body() -> None:
    body = b'{"v":1,"seq":1'
    digest = link(GENESIS, body)
    assert digest == hashlib.sha256(DOMAIN + GENESIS + body).digest()
    assert seal(body, digest) == body + b',"hash":"' + digest.hex().encode() + b'"}\n'


ODD: dict[str, tuple[Json, Json]] = {
    "lone surrogate": ("a\ud800b", "a\ufffdb"),
    "surrogate pair in two halves": ("\ud83d\ude00", "\U0001f600"),
    "huge integer": (2**70, "71-bit integer"),
    "huge integer inside": ([{"n": -(2**90)}], [{"n": "91-bit integer"}]),
    "surrogate in a key": ({"\ud800": True}, {"\ufffd": True}),
    "nothing odd beside it": (["\ud800", 1, 2.5, None, False], ["\ufffd", 1, 2.5, None, False]),
}


@pytest.mark.parametrize(("given_", "kept"), ODD.values(), ids=ODD)
def test_what_json_cannot_say_is_written_as_words(given_: Json, kept: Json) -> None:
    assert parsed(encoder().body(1, 0.0, {"detail": given_}))["detail"] == kept


def test_nesting_beyond_what_json_writers_take_is_cut() -> None:
    deep: Json = []
    for _ in range(2000):
        deep = [deep]
    assert b"too deep to record" in encoder().body(1, 0.0, {"detail": deep})


@pytest.mark.parametrize("levels", [MAX_DEPTH - 2, MAX_DEPTH - 1, MAX_DEPTH + 1])
def test_what_is_written_is_read_and_nothing_deeper(levels: int) -> None:
    deep: Json = []
    for _ in range(levels):
        deep = [deep]
    line = encoder().body(1, 0.0, {"detail": deep}) + b"}"
    assert recorded(line)["seq"] == 1
    nested = b'{"seq":1,"detail":%b}' % (b"[" * levels + b"]" * levels)
    assert bool(recorded(nested)) == (levels < MAX_DEPTH)
    assert recorded(b'{"seq":1,"detail":"%b"}' % (b"[" * 999))["seq"] == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"target": "x" * 9_000_000},
        {"detail": ["y" * 1000] * 10_000},
        {"detail": {f"k{n}": ["\x00" * 600] * 60 for n in range(60)}},
        {f"{'k' * 600}{n}": "\x00" * 600 for n in range(500)},
    ],
    ids=["one text", "a list", "nested controls", "many fields"],
)
@pytest.mark.guarantee("audit:bounded-line")
def test_no_peer_can_make_a_line_longer_than_the_limit(fields: JsonObject) -> None:
    body = encoder().body(3, 0.0, fields)
    assert len(seal(body, GENESIS)) <= MAX_LINE
    record = parsed(body)
    assert record["seq"] == 3
    assert record["session"] == "s1"


def test_a_cut_text_says_how_much_is_missing() -> None:
    record = parsed(encoder().body(1, 0.0, {"target": "x" * 100_000}))
    assert record["target"] == "x" * 512 + "... (99488 more characters)"


values: st.SearchStrategy[Json] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
)


@given(values, st.floats())
def test_any_value_at_any_time_becomes_one_line_of_json(value: Json, now: float) -> None:
    body = encoder().body(1, now, {"detail": value})
    assert b"\n" not in body
    assert list(parsed(body))[:6] == FRONT
