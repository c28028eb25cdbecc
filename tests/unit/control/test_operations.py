"""The table of verbs: what a request may say, who may widen, what a defect is answered with."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import anyio
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.control.operations import (
    MAX_ANSWER,
    NONCE_LIFE,
    VERBS,
    Check,
    Conversation,
    nobody_signs,
)
from mcpguard.model import Json, JsonObject
from tests.unit.control.desk import KEY, Desk, check, conversation, sign

WIDENING: dict[str, JsonObject] = {
    "decide": {"ticket": "t1", "yes": True},
    "unblock": {"kind": "tool", "name": "rm"},
    "set_policy": {"glob": "*", "fields": {"min_trust": 0}},
    "rule": {"policy": {"glob": "*", "fields": {"min_trust": 0}}},
    "reset_budgets": {},
    "reset_trust": {"kind": "server", "name": "files", "why": "reviewed again"},
    "reload": {},
    "release": {"name": "k3f9m2qr", "target": "read", "digest": "sha256:1"},
}
TIGHTENING: dict[str, JsonObject] = {
    "decide": {"ticket": "t1", "yes": False},
    "refuse_like": {"ticket": "t1"},
    "block": {"kind": "tool", "name": "rm", "why": "drill"},
    "kill": {"why": "drill"},
}


Told: TypeAlias = "dict[str, Any]"


class Talk:
    """A conversation with a `Desk`, in a loop that runs for each request."""

    def __init__(self, check: Check = nobody_signs) -> None:
        self.desk = Desk()
        self.desk.blocked["tool", "rm"] = "before"
        self.now = 0.0
        self.conversation: Conversation = conversation(self.desk, check, lambda: self.now)

    def raw(self, line: bytes) -> Told:
        told: Told = orjson.loads(anyio.run(self.conversation.answer, line))
        return told

    def ask(self, verb: str, args: Json = None, signatures: Json = None) -> Told:
        told = {"v": 1, "verb": verb, "args": args, "signatures": signatures}
        kept = {key: value for key, value in told.items() if value is not None}
        return self.raw(orjson.dumps(kept))

    def nonce(self) -> str:
        return str(self.ask("hello")["result"]["nonce"])

    def signed(self, verb: str, args: JsonObject) -> Told:
        return self.ask(verb, args, [*sign(verb, args, self.nonce())])


def kind(told: Told) -> str:
    assert told["ok"] is False
    assert told["error"]
    return str(told["kind"])


@pytest.mark.guarantee("control:widening-is-signed")
@pytest.mark.parametrize("verb", WIDENING)
def test_what_widens_is_refused_without_a_signature_and_done_with_one(verb: str) -> None:
    talk = Talk(check)
    assert kind(talk.ask(verb, WIDENING[verb])) == "refused"
    talk.nonce()
    assert kind(talk.ask(verb, WIDENING[verb])) == "refused"
    assert kind(talk.ask(verb, WIDENING[verb], [{"key": KEY, "signature": "AA"}])) == "refused"
    assert talk.desk.done == []
    assert talk.signed(verb, WIDENING[verb])["ok"]
    assert (len(talk.desk.done), (KEY,) in talk.desk.done[0]) == (1, True)


def test_every_verb_that_widens_is_in_the_tables_above() -> None:
    everything = {verb: WIDENING.get(verb, {}) for verb in VERBS}
    assert {verb for verb, row in VERBS.items() if row.widens(everything[verb])} == set(WIDENING)


@pytest.mark.parametrize("verb", TIGHTENING)
def test_what_tightens_needs_no_signature(verb: str) -> None:
    talk = Talk()
    assert talk.ask(verb, TIGHTENING[verb])["ok"]
    assert len(talk.desk.done) == 1


@pytest.mark.guarantee("control:widening-is-signed")
@pytest.mark.parametrize("verb", WIDENING)
def test_without_an_approver_key_nothing_widens_and_the_answer_says_how_to_make_one(
    verb: str,
) -> None:
    talk = Talk(nobody_signs)
    told = talk.signed(verb, WIDENING[verb])
    assert (kind(told), told["hint"]) == ("refused", "make one: mcpguard approver add NAME")
    assert talk.desk.done == []


@pytest.mark.guarantee("control:nonce-once")
def test_a_signed_request_counts_once_for_its_own_words_and_not_for_long() -> None:
    talk = Talk(check)
    args = WIDENING["unblock"]
    first: Json = [*sign("unblock", args, talk.nonce())]
    other: JsonObject = {"kind": "tool", "name": "other"}
    assert kind(talk.ask("unblock", other, first)) == "refused"
    assert kind(talk.ask("unblock", args, first)) == "refused"  # the nonce went with the first try
    again: Json = [*sign("unblock", args, talk.nonce())]
    assert talk.ask("unblock", args, again)["ok"]
    talk.desk.blocked["tool", "rm"] = "again"
    assert kind(talk.ask("unblock", args, again)) == "refused"
    late: Json = [*sign("unblock", args, talk.nonce())]
    talk.now += NONCE_LIFE
    assert kind(talk.ask("unblock", args, late)) == "refused"
    stolen: Json = [*sign("unblock", args, Talk(check).nonce())]
    talk.nonce()
    assert kind(talk.ask("unblock", args, stolen)) == "refused"
    assert [each[0] for each in talk.desk.done] == ["unblock"]


def test_nonces_differ_and_name_their_session() -> None:
    talk = Talk()
    nonces = {talk.nonce() for _ in range(20)}
    assert (len(nonces), {nonce.split(":")[0] for nonce in nonces}) == (20, {"s1"})


def raises(*_: object) -> Sequence[str]:
    raise ZeroDivisionError


def says_nobody(*_: object) -> Sequence[str]:
    return ()


@pytest.mark.guarantee("control:widening-is-signed")
@pytest.mark.parametrize("broken", [raises, says_nobody])
def test_a_check_that_fails_or_names_nobody_refuses(broken: Check) -> None:
    talk = Talk(broken)
    assert talk.signed("reload", {})["ok"] is False
    assert talk.desk.done == []


def test_an_approver_who_signs_twice_is_one_approver() -> None:
    def twice(*_: object) -> Sequence[str]:
        return [KEY, "ed25519:bo", KEY]

    talk = Talk(twice)
    assert talk.signed("reload", {})["ok"]
    assert talk.desk.done == [("reload", (KEY, "ed25519:bo"))]


ODD: list[tuple[bytes, str]] = [
    (b"", "one JSON object"),
    (b"[]", "is an object"),
    (b'{"v":1', "one JSON object"),
    (b"\xff\xfe", "one JSON object"),
    (b"[" * 60_000, "one JSON object"),
    (b'{"v":2,"verb":"status"}', "v: 1"),
    (b'{"v":true,"verb":"status"}', "v: 1"),
    (b'{"v":1.0,"verb":"status"}', "v: 1"),
    (b'{"verb":"status"}', "v: 1"),
    (b'{"v":1,"verb":"status","x":1}', "is an object"),
    (b'{"v":1,"verb":["status"]}', "has a verb"),
    (b'{"v":1,"verb":"status","args":[]}', "has a verb"),
    (b'{"v":1,"verb":"status","args":null}', "has a verb"),
    (b'{"v":1,"verb":"__class__"}', "no such verb"),
    (b'{"v":1,"verb":"status","args":{"x":1}}', "takes no argument 'x'"),
    (b'{"v":1,"verb":"hello","args":{"x":1}}', "takes no argument 'x'"),
    (b'{"v":1,"verb":"show"}', "ticket is missing"),
    (b'{"v":1,"verb":"show","args":{"ticket":1}}', "must be text"),
    (b'{"v":1,"verb":"show","args":{"ticket":""}}', "must be 1 to 64"),
    (b'{"v":1,"verb":"show","args":{"ticket":"%s"}}' % (b"t" * 65), "must be 1 to 64"),
    (b'{"v":1,"verb":"show","args":{"ticket":"a\\u001b"}}', "does not print"),
    (b'{"v":1,"verb":"show","args":{"ticket":"a\\u202e"}}', "does not print"),
    (b'{"v":1,"verb":"decide","args":{"ticket":"t1"}}', "yes is missing"),
    (b'{"v":1,"verb":"decide","args":{"ticket":"t1","yes":1}}', "true or false"),
    (b'{"v":1,"verb":"decide","args":{"ticket":"t1","yes":"no"}}', "true or false"),
    (b'{"v":1,"verb":"block","args":{"kind":"all","name":"x"}}', "one of principal, tool"),
    (b'{"v":1,"verb":"kill","args":{"why":"%s"}}' % (b"x" * 201), "must be 1 to 200"),
    (b'{"v":1,"verb":"set_policy","args":{"glob":"*","fields":[]}}', "an object"),
    (b'{"v":1,"verb":"status","signatures":{}}', "a list"),
    (b'{"v":1,"verb":"status","signatures":[1]}', "a signature is"),
    (b'{"v":1,"verb":"status","signatures":[{"key":"a"}]}', "a signature is"),
    (b'{"v":1,"verb":"status","signatures":[{"key":"a","signature":"b","c":1}]}', "a signature"),
]


@pytest.mark.parametrize(("line", "told"), ODD, ids=range(len(ODD)))
def test_a_request_that_is_not_understood_is_a_clear_error_and_nothing_happens(
    line: bytes, told: str
) -> None:
    talk = Talk(check)
    answer = talk.raw(line)
    assert (kind(answer), told in answer["error"]) == ("usage", True), answer
    assert talk.desk.done == []


SCALARS = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from([*VERBS, "hello", "nope", ""])


@pytest.mark.guarantee("control:widening-is-signed")
@given(NAMES | VALUES, VALUES | st.fixed_dictionaries({"ticket": st.just("t1"), "yes": VALUES}))
def test_whatever_is_asked_unsigned_is_answered_and_widens_nothing(verb: Json, args: Json) -> None:
    talk = Talk(check)
    talk.nonce()
    answer = talk.raw(orjson.dumps({"v": 1, "verb": verb, "args": args}))
    assert answer["ok"] is True or kind(answer) in {"usage", "refused", "failed"}
    widened = {"unblock", "set_policy", "rule", "reset_budgets", "reset_trust", "reload"}
    assert not any(each[0] in widened or each[2:3] == (True,) for each in talk.desk.done)


def test_a_defect_is_answered_without_its_inside_and_ends_nothing() -> None:
    talk = Talk()
    told = talk.ask("stats")
    assert told["error"] == "the session could not do it: ZeroDivisionError"
    assert kind(told) == "failed"
    assert talk.ask("blocks")["ok"]


def test_an_operation_that_hangs_is_given_up_and_one_answer_too_long_is_not_given() -> None:
    desk = Desk()
    desk.stuck = True
    stuck = Conversation(desk, {"session": "s1"}, nobody_signs, lambda: 0.0, limit=0.02)
    told = orjson.loads(anyio.run(stuck.answer, b'{"v":1,"verb":"status"}'))
    assert (kind(told), told["error"]) == ("failed", "status was not done within 0.02 seconds")
    talk = Talk()
    talk.desk.waiting["t1"] = {"ticket": "t1", "arguments": "x" * MAX_ANSWER}
    assert talk.ask("show", {"ticket": "t1"})["error"] == "the answer is too long to be given"


def test_a_reload_that_fails_says_that_the_old_configuration_stays() -> None:
    talk = Talk(check)
    talk.desk.broken_config = True
    told = talk.signed("reload", {})
    assert kind(told) == "refused"
    assert told["error"].startswith("the old configuration stays: mcpguard.yaml:3:1: ")
    assert told["hint"] == "did you mean tools?"
