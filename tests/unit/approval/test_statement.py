"""What is signed, read back: exactly that, or a reason."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.approval.outcome import Row, Shown
from mcpguard.approval.statement import (
    MAX_LIFE,
    SKEW,
    Answer,
    Flaw,
    Operation,
    Signed,
    Statement,
    arguments_digest,
    binding_digest,
    bound,
    envelope,
    fresh,
    opened,
    operation_payload,
    sign_operation,
    signers,
    statement_payload,
)
from mcpguard.approval.texts import refused_text, row_value, shown_value, span, waiting_text
from mcpguard.approval.tickets import LETTERS, SHORT, minted, typed
from mcpguard.model import Json, JsonObject
from tests.unit.approval.people import ANNA, BERT, CALL, COUNTING, EVE, SESSION, UNIX, said, source

YES = Statement(SESSION, "R" * 26, CALL, Answer.YES, UNIX, UNIX + 600)
STOP = Operation(SESSION, "N" * 26, "unblock", {"principal": "local:default"})


def test_the_signed_bytes_are_a_domain_and_every_field() -> None:
    assert statement_payload(YES) == (
        b"mcpguard approval v1\0"
        b'{"answer":"yes","arguments":"' + CALL.arguments.encode() + b'",'
        b'"at":1800000000,"lock":"sha256:' + b"1" * 64 + b'",'
        b'"principal":"local:default","request":"RRRRRRRRRRRRRRRRRRRRRRRRRR",'
        b'"server":"files","session":"3f9a","tool":"delete_file","until":1800000600}'
    )
    assert operation_payload(STOP) == (
        b"mcpguard operation v1\0"
        b'{"arguments":{"principal":"local:default"},'
        b'"nonce":"NNNNNNNNNNNNNNNNNNNNNNNNNN","session":"3f9a","verb":"unblock"}'
    )


def test_a_digest_of_arguments_is_of_their_values_and_of_nothing_else() -> None:
    one: JsonObject = {"a": [1, "x"], "b": {"c": None}}
    assert arguments_digest(one) == arguments_digest({"b": {"c": None}, "a": [1, "x"]})
    others: list[JsonObject] = [
        {"a": [1, "x"], "b": {}},
        {"a": [1, "x", None], "b": {"c": None}},
        {"a": ["1", "x"], "b": {"c": None}},
        {"a": [True, "x"], "b": {"c": None}},
        {"A": [1, "x"], "b": {"c": None}},
        {},
    ]
    digests = {arguments_digest(each) for each in [one, *others]}
    assert len(digests) == 7
    with pytest.raises(ValueError, match="non-UTF-8"):
        bound("p", "s", "t", {"a": "\ud800"}, "")


@pytest.mark.parametrize("field", CALL._fields)
@pytest.mark.guarantee("approval:bound-to-the-call")
def test_a_binding_is_another_one_when_any_field_is(field: str) -> None:
    other = CALL._replace(**{field: "other"})
    assert binding_digest(other) != binding_digest(CALL)
    assert statement_payload(YES._replace(binding=other)) != statement_payload(YES)


@pytest.mark.parametrize(
    ("at", "until", "now", "flaw"),
    [
        (0, 600, 0, None),
        (0, 600, 599, None),
        (0, 600, 600, Flaw.EXPIRED),
        (0, 600, 100_000, Flaw.EXPIRED),
        (SKEW, 600, 0, None),
        (SKEW + 1, 600, 0, Flaw.FUTURE),
        (0, 601, 0, Flaw.TOO_LONG),
        (600, 600, 599, Flaw.TOO_LONG),
        (600, 0, 0, Flaw.TOO_LONG),
    ],
)
@pytest.mark.guarantee("approval:expires")
def test_a_statement_counts_from_its_signing_until_before_its_end(
    at: int, until: int, now: int, flaw: Flaw | None
) -> None:
    assert fresh(YES._replace(at=UNIX + at, until=UNIX + until), UNIX + now, 600) is flaw


def test_no_statement_counts_for_longer_than_an_hour_whatever_is_configured() -> None:
    long = YES._replace(until=UNIX + MAX_LIFE + 1)
    assert fresh(long, UNIX, 10**6) is Flaw.TOO_LONG
    assert fresh(long._replace(until=UNIX + MAX_LIFE), UNIX, 10**6) is None


def test_what_was_sent_is_read_back_and_verifies() -> None:
    signed = said("R" * 26)
    read = opened(envelope(signed))
    assert isinstance(read, Signed)
    assert read == signed
    assert COUNTING(read.key, statement_payload(read.statement), read.signature) == "anna"


def test_a_signature_over_one_kind_of_statement_is_none_over_another() -> None:
    text = statement_payload(YES)
    assert not text.startswith(operation_payload(STOP).partition(b"\0")[0])
    assert COUNTING(ANNA.key_id, text, ANNA.sign(text.partition(b"\0")[2])) == ""


def changed(where: tuple[str, ...], value: Json) -> Callable[[JsonObject], Json]:
    def change(sent: JsonObject) -> Json:
        place: Json = sent
        for name in where[:-1]:
            assert isinstance(place, dict)
            place = place[name]
        assert isinstance(place, dict)
        place[where[-1]] = value
        return sent

    return change


MALFORMED: list[Callable[[JsonObject], Json]] = [
    lambda sent: {key: value for key, value in sent.items() if key != "key"},
    lambda _: None,
    lambda sent: [sent],
    changed(("extra",), 1),
    changed(("key",), None),
    changed(("key",), "\ud800"),
    changed(("key",), "k" * 1025),
    changed(("signature",), "AAAA"),
    changed(("signature",), "!" * 88),
    changed(("signature",), "\u00e9" * 88),
    changed(("signature",), 64),
    changed(("statement",), []),
    changed(("statement", "extra"), ""),
]
IN_A_STATEMENT: list[Callable[[JsonObject], Json]] = [
    changed(("statement", "answer"), "YES"),
    changed(("statement", "answer"), True),
    changed(("statement", "at"), True),
    changed(("statement", "at"), 1.5),
    changed(("statement", "at"), -1),
    changed(("statement", "until"), 2**53),
    changed(("statement", "until"), "1800000600"),
    changed(("statement", "tool"), None),
    changed(("statement", "principal"), "\udfff"),
    changed(("statement", "server"), "s" * 1025),
]


@pytest.mark.parametrize("change", MALFORMED + IN_A_STATEMENT)
def test_what_is_not_a_whole_statement_is_none(change: Callable[[JsonObject], Json]) -> None:
    assert opened(change(envelope(said("R" * 26)))) is Flaw.MALFORMED


STOP_BY_ANNA = sign_operation(STOP, ANNA.key_id, ANNA.sign)
STOP_BY_BERT = sign_operation(STOP, BERT.key_id, BERT.sign)
STOP_BY_EVE = sign_operation(STOP, EVE.key_id, EVE.sign)


def pairs(*sent: JsonObject) -> list[tuple[str, str]]:
    return [(str(each["key"]), str(each["signature"])) for each in sent]


@pytest.mark.parametrize(
    ("said_", "sent", "who"),
    [
        (STOP, pairs(STOP_BY_ANNA), (ANNA.key_id,)),
        (STOP, pairs(STOP_BY_ANNA, STOP_BY_BERT), (ANNA.key_id, BERT.key_id)),
        (STOP, pairs(STOP_BY_ANNA, STOP_BY_ANNA), (ANNA.key_id,)),
        (STOP, pairs(STOP_BY_ANNA, STOP_BY_EVE), ()),
        (STOP, pairs(STOP_BY_EVE), ()),
        (STOP, pairs({**STOP_BY_EVE, "key": ANNA.key_id}), ()),
        (STOP, [], ()),
        (STOP, [(ANNA.key_id, "!")], ()),
        (STOP, [(ANNA.key_id, "\u00e9")], ()),
        (STOP, [(ANNA.key_id, "")], ()),
        (STOP._replace(session="other"), pairs(STOP_BY_ANNA), ()),
        (STOP._replace(nonce="other"), pairs(STOP_BY_ANNA), ()),
        (STOP._replace(verb="reload"), pairs(STOP_BY_ANNA), ()),
        (STOP._replace(arguments={}), pairs(STOP_BY_ANNA), ()),
        (STOP._replace(arguments={"x": "\ud800"}), pairs(STOP_BY_ANNA), ()),
        (STOP._replace(nonce="\ud800"), pairs(STOP_BY_ANNA), ()),
    ],
)
@pytest.mark.guarantee("approval:operations-signed")
def test_an_operation_is_of_those_who_all_signed_exactly_it(
    said_: Operation, sent: list[tuple[str, str]], who: tuple[str, ...]
) -> None:
    assert signers(said_, sent, COUNTING) == who


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text("aE=/\ud800", max_size=9)
FIELDS = st.sampled_from(["statement", "key", "signature", "session", "at", "until", "x"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=8,
)


@given(VALUES)
def test_reading_anything_is_an_answer(value: Json) -> None:
    assert opened(value) is Flaw.MALFORMED


@given(st.sampled_from([*CALL._fields, "session", "request", "answer", "at", "until"]), VALUES)
@pytest.mark.guarantee("approval:bound-to-the-call")
def test_a_statement_with_another_value_anywhere_bears_no_signature(
    field: str, value: Json
) -> None:
    signed = said("R" * 26)
    read = opened(changed(("statement", field), value)(envelope(signed)))
    if isinstance(read, Signed) and read != signed:
        assert COUNTING(read.key, statement_payload(read.statement), read.signature) == ""


# --- tickets, texts ----------------------------------------------------------------------


def test_a_ticket_is_six_letters_that_are_not_mistaken_for_others() -> None:
    ids = [minted(source()) for _ in range(3)] + [minted(lambda length: b"\xff" * length)]
    assert len(ids[0]) == 26
    assert ids[0] == ids[1]
    assert set("".join(ids)) <= set(LETTERS)
    assert not set("ILOU") & set(LETTERS)
    assert (ids[3][:SHORT], len(LETTERS)) == ("ZZZZZZ", 32)
    with pytest.raises(ValueError, match="too little"):
        minted(lambda length: bytes(length - 1))


@pytest.mark.parametrize(
    ("text", "ticket"),
    [("K7019Q", "K7019Q"), (" k7-oi9q ", "K7019Q"), ("kl-OO-ll", "K10011"), ("", "")],
)
def test_a_ticket_is_read_as_it_was_meant(text: str, ticket: str) -> None:
    assert typed(text) == ticket


def test_the_texts_say_what_waits_and_what_to_do() -> None:
    assert waiting_text("delete_file", "K7019Q", 600) == (
        "the tool delete_file waits for the approval of a person, ticket K7019Q. The user can look"
        " at the call with `mcpguard approve show K7019Q` and allow it with `mcpguard approve yes"
        " K7019Q` in a terminal. Then repeat exactly this call, once, within 10 minutes"
    )
    assert refused_text("a\x1b\u202e" + "b" * 200).startswith(
        "a person refused this call of the tool a" + "b" * 127 + "."
    )


def test_whoever_approves_is_shown_all_of_it_in_whole_seconds() -> None:
    row = Row("K7019Q", "files", "delete_file", "local:default", 3.7, 41.3, True, 1, 2)
    listed = {
        "ticket": "K7019Q",
        "server": "files",
        "tool": "delete_file",
        "principal": "local:default",
        "waiting": 3,
        "left": 41,
        "held": True,
        "yes": 1,
        "quorum": 2,
    }
    assert row_value(row) == listed
    assert shown_value(Shown(row, SESSION, "K" * 26, CALL, {"path": "/srv/a"}, 600)) == {
        **listed,
        "session": SESSION,
        "request": "K" * 26,
        "lock": CALL.lock,
        "life": 600,
        "arguments": {"path": "/srv/a"},
    }


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (90, "90 seconds"), (0, "0 seconds")],
)
def test_a_span_is_whole_minutes_or_seconds(seconds: int, words: str) -> None:
    assert span(seconds) == words
