"""2026-07-28: a host's user is asked inside a result, and the call is repeated with the answer."""

import copy
from collections.abc import Callable

import orjson
import pytest

from mcpguard.approval.asking import Asking
from mcpguard.approval.queue import Queue
from mcpguard.model import Json, JsonObject, Side
from mcpguard.pipeline.gateway import GatewayStage
from mcpguard.pipeline.terms import GatewayPolicy
from mcpguard.proxy.core import MAX_WAIT
from mcpguard.proxy.translate import MAX_QUESTIONS
from mcpguard.wire.methods import CLIENT_CAPABILITIES
from tests.unit.proxy.play import (
    ENVELOPE,
    MODERN,
    Play,
    call,
    modern,
    text,
    usual,
)

ABLE: JsonObject = {**ENVELOPE, CLIENT_CAPABILITIES: {"elicitation": {}}}
SAY: JsonObject = {"text": "hello"}
TASK: JsonObject = {"ttl": 1}
YES: JsonObject = {"action": "accept", "content": {"allow": True}}
QUESTION: JsonObject = {
    "method": "elicitation/create",
    "params": {
        "message": "mcpguard: allow this one call of the tool echo?",
        "requestedSchema": {
            "type": "object",
            "properties": {"allow": {"type": "boolean", "title": "Allow this one call"}},
            "required": ["allow"],
        },
    },
}


def person(low_risk: str = "echo") -> Asking:
    """Whom a stage asks: no approver has a key, so the host's user alone can answer."""
    numbers = iter(range(10_000))
    queue = Queue("s", lambda *_: "", lambda size: next(numbers).to_bytes(size, "big"))
    return Asking(queue, lock="", low_risk=lambda tool: tool == low_risk, retry=600)


def asking(whom: Asking | None = None) -> Play:
    """A session in which `echo` needs approval."""
    policy, asks = GatewayPolicy(approve=("echo",)), whom or person()
    stage = GatewayStage(policy, MODERN, approve=asks.of("gateway"))
    return modern(decide=usual(MODERN, gateway=stage))


def asked(session: Play, given: int = 1, arguments: JsonObject = SAY, **more: Json) -> JsonObject:
    """The result that a call of `echo` gets."""
    session.host(call(given, "echo", arguments, _meta=ABLE, **more))
    (line,) = session.sends[Side.HOST]
    session.forget()
    answer = orjson.loads(line)
    assert answer["id"] == given
    result: JsonObject = answer["result"]
    return result


def repeated(
    session: Play,
    given: int,
    state: Json,
    answers: Json,
    arguments: JsonObject = SAY,
    **more: Json,
) -> Play:
    return session.host(
        call(
            given, "echo", arguments, _meta=ABLE, requestState=state, inputResponses=answers, **more
        )
    )


@pytest.mark.guarantee("proxy:asked-inside-a-result")
def test_a_plain_yes_lets_the_repeated_call_go_without_the_answer() -> None:
    session = asking()
    result = asked(session)
    state = f"mcpguard:{text(1)}{text(2)}"
    assert result == {
        "resultType": "input_required",
        "inputRequests": {"mcpguard": QUESTION},
        "requestState": state,
    }
    repeated(session, 2, state, {"mcpguard": YES})
    (line,) = session.sends[Side.SERVER]
    sent = orjson.loads(line)
    assert sent["params"]["arguments"] == SAY
    assert sent["params"].keys() == {"name", "arguments", "_meta"}


CHANGES: dict[str, Callable[[JsonObject], tuple[Json, Json, JsonObject]]] = {
    "no": lambda got: (got["requestState"], {"mcpguard": {"action": "decline"}}, SAY),
    "no answer": lambda got: (got["requestState"], {}, SAY),
    "an answer that is none": lambda got: (got["requestState"], {"mcpguard": 1}, SAY),
    "a yes in words": lambda got: (
        got["requestState"], {"mcpguard": {"action": "accept", "content": {"allow": "true"}}}, SAY,
    ),
    "a yes to nothing": lambda got: (got["requestState"], {"mcpguard": {"action": "accept"}}, SAY),
    "a yes among others": lambda got: (got["requestState"], {"mcpguard": YES, "more": YES}, SAY),
    "a yes under another name": lambda got: (got["requestState"], {"other": YES}, SAY),
    "a yes in a list": lambda got: (got["requestState"], [{"mcpguard": YES}], SAY),
    "other arguments": lambda got: (got["requestState"], {"mcpguard": YES}, {"text": "other"}),
    "another state": lambda got: (f"{got['requestState']}0", {"mcpguard": YES}, SAY),
    "a state of nobody": lambda _: ("mcpguard:", {"mcpguard": YES}, SAY),
    "a state that is no text": lambda _: (5, {"mcpguard": YES}, SAY),
    "no state": lambda _: (None, {"mcpguard": YES}, SAY),
}  # fmt: skip


@pytest.mark.guarantee("proxy:asked-inside-a-result")
@pytest.mark.parametrize("name", CHANGES)
def test_nothing_but_a_plain_yes_to_this_very_call_lets_it_go(name: str) -> None:
    session = asking()
    state, answers, arguments = CHANGES[name](copy.deepcopy(asked(session)))
    repeated(session, 2, state, answers, arguments)
    assert session.sends[Side.SERVER] == []


@pytest.mark.guarantee("approval:bound-to-the-call")
@pytest.mark.guarantee("proxy:asked-inside-a-result")
@pytest.mark.parametrize(
    ("shown", "again", "goes"),
    [
        (None, TASK, False),
        (TASK, None, False),
        (TASK, {"ttl": 2}, False),
        (TASK, TASK, True),
    ],
)
def test_a_yes_is_for_the_task_too_that_the_call_asks_for(
    shown: Json, again: Json, goes: bool
) -> None:
    session = asking()
    state = asked(session, task=shown)["requestState"]
    repeated(session, 2, state, {"mcpguard": YES}, task=again)
    assert len(session.sends[Side.SERVER]) == goes


@pytest.mark.guarantee("proxy:asked-inside-a-result")
@pytest.mark.parametrize("seconds", [MAX_WAIT, 0.0])
def test_a_yes_counts_once_and_for_a_while(seconds: float) -> None:
    session = asking()
    state = asked(session)["requestState"]
    session.after(seconds)
    for given in (2, 3):
        repeated(session, given, state, {"mcpguard": YES})
    went = len(session.sends[Side.SERVER])
    assert went == (0 if seconds else 1)


def test_only_low_risk_tools_of_hosts_that_can_ask_are_asked_about() -> None:
    other = asking(person("free")).host(call(1, "echo", SAY, _meta=ABLE))
    unable = asking().host(call(1, "echo", SAY, _meta=ENVELOPE))
    for session in (other, unable):
        assert all(lines == [] for lines in session.sends.values())
        assert session.session.held_calls  # it waits for an approver


@pytest.mark.parametrize(
    "more",
    [
        {"requestState": "theirs", "inputResponses": {"name": YES}},
        {"requestState": "theirs"},
        {"inputResponses": {"name": YES}},
    ],
)
def test_a_call_that_goes_on_with_what_the_server_asked_waits_for_an_approver(
    more: JsonObject,
) -> None:
    session = asking().host(call(1, "echo", SAY, _meta=ABLE, **more))
    assert all(lines == [] for lines in session.sends.values())
    assert session.session.held_calls


def test_questions_that_nobody_answers_are_few() -> None:
    whom, states = person(), []
    session = asking(whom)
    for given in range(MAX_QUESTIONS + 1):
        states.append(asked(session, given)["requestState"])
        whom.still(session.session.held_calls)
    repeated(session, 200, states[0], {"mcpguard": YES})
    assert session.sends[Side.SERVER] == []
    repeated(session, 201, states[1], {"mcpguard": YES})
    assert len(session.sends[Side.SERVER]) == 1


def noted(direction: str, what: str, reason: str, detail: str) -> JsonObject:
    return {
        "direction": direction,
        "method": "tools/call",
        "target": "echo",
        "decision": what,
        "stage": "wire",
        "rule": f"wire.{reason}",
        "reason": reason,
        "detail": detail,
    }


@pytest.mark.parametrize(
    ("answer", "said"), [(YES, "yes"), ({"action": "decline"}, "no"), (5, "no")]
)
def test_a_question_and_its_answer_are_recorded(answer: Json, said: str) -> None:
    session = asking().host(call(1, "echo", SAY, _meta=ABLE))
    told = "mcpguard asks the host's user"
    assert session.records == [noted("server>host", "note", "ok", told)]
    state = orjson.loads(session.sends[Side.HOST][0])["result"]["requestState"]
    repeated(session.forget(), 2, state, {"mcpguard": answer})
    assert session.records[0] == noted("host>server", "note", "ok", f"the host's user says {said}")


def test_a_question_that_cannot_be_asked_is_recorded_and_its_call_waits_for_an_approver() -> None:
    session = asking()
    session.ids.coming.append(5)
    session.then(lambda one: setattr(one.ids, "broken", True))
    session.host(call(1, "echo", SAY, _meta=ABLE)).quiet()
    text = "no random id can be drawn"
    assert session.records[0] == noted("server>host", "deny", "rng_failed", text)
    assert list(session.session.held_calls) == [5]


def test_a_question_ends_the_call_that_it_answers() -> None:
    session = asking()
    asked(session)
    session.idle()
    assert not session.session.held_calls
