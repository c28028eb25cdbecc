"""What the pipeline is asked: every subject whole, and the state of each item."""

import pytest

from mcpguard.model import (
    Call,
    Context,
    Decision,
    Definition,
    ItemKind,
    Json,
    JsonObject,
    Reason,
    Result,
    SessionFacts,
    Subject,
    Wait,
)
from tests.unit.proxy.play import (
    ALL,
    ENVELOPE,
    LOCK,
    SURFACE,
    TOOLS,
    blocked,
    call,
    judging,
    opened,
    play,
    usual,
    wire,
)


def test_an_error_of_the_server_is_judged_as_one() -> None:
    judged: list[Subject] = []
    session = opened(ALL, decide=judging(Result, judged)).host(call(1))
    judged.clear()
    session.server({"id": wire(0), "error": {"code": 1, "message": "m"}})
    assert judged == [Result("tools/call", "free", {"code": 1, "message": "m"}, error=True)]


def test_a_pipeline_may_ask_for_the_state_of_any_item() -> None:
    facts: list[SessionFacts] = []

    def decide(subject: Subject, ctx: Context) -> Decision | Wait:
        facts.append(ctx.session)
        return pipeline(subject, ctx)

    pipeline = usual(LOCK)
    opened(decide=decide, live={**SURFACE, ItemKind.TOOL: {"echo": TOOLS["echo"]}}).host(call(1))
    states = {name: facts[-1].item_state(ItemKind.TOOL, name) for name in ("echo", "free", "exec")}
    assert states == {
        "echo": Reason.OK,
        "free": Reason.NOT_LISTED,
        "exec": Reason.NOT_LOCKED,
    }


@pytest.mark.guarantee("drift:quarantine-sticks")
def test_an_item_that_a_stage_refused_is_unusable_until_it_passes_again() -> None:
    refusing = True
    pipeline = usual(LOCK)

    def decide(subject: Subject, ctx: Context) -> Decision | Wait:
        if refusing and isinstance(subject, Definition) and subject.target == "free":
            return Decision(False, subject, "scan", Reason.STAGE_FAILED, "it cannot be read")
        return pipeline(subject, ctx)

    session = opened(decide=decide).host(call(1))
    sentence = (
        "Blocked by mcpguard [surface.stage_failed]: it is not usable. "
        "Find out more with: mcpguard check."
    )
    session.sends_host(blocked(1, sentence)).quiet()
    refusing = False
    tools: list[Json] = [*TOOLS.values()]
    session.host({"id": 2, "method": "tools/list"})
    session.server({"id": wire(2), "result": {"tools": tools}}).forget()
    session.host(call(3)).sends_server(call(wire(3))).quiet()


def test_before_the_first_call_stages_are_told_of_none() -> None:
    seen: list[tuple[float, int, Wait | None, bool | None]] = []
    pipeline = usual(LOCK)

    def decide(subject: Subject, ctx: Context) -> Decision | Wait:
        seen.append((ctx.live.now, ctx.live.call, ctx.live.again, ctx.live.said))
        return pipeline(subject, ctx)

    notice: JsonObject = {"method": "notifications/message", "params": {"level": "info"}}
    play(LOCK, decide=decide).server(notice)
    assert seen == [(1000.0, 0, None, None)]


BOUND: JsonObject = {"task": {"ttl": 5}, "requestState": "s", "inputResponses": {"a": 1}}


@pytest.mark.parametrize("keys", [[], ["task"], ["requestState", "inputResponses"], [*BOUND]])
def test_what_a_call_carries_beside_its_arguments_is_judged_with_it(keys: list[str]) -> None:
    judged: list[Subject] = []
    more = {key: BOUND[key] for key in keys}
    session = opened(decide=judging(Call, judged))
    judged.clear()
    session.host(call(1, "free", {"a": 1}, _meta=ENVELOPE, **more))
    expected = Call("tools/call", "free", {"a": 1}, meta=ENVELOPE, more=more or None)
    assert judged == [expected]


def test_an_error_of_the_server_for_a_list_is_judged_as_one_and_recorded() -> None:
    judged: list[Subject] = []
    session = opened(ALL, decide=judging(Result, judged)).host({"id": "l", "method": "tools/list"})
    judged.clear()
    session.forget().server({"id": wire(1), "error": {"code": 1, "message": "m"}})
    assert judged == [Result("tools/list", "", {"code": 1, "message": "m"}, error=True)]
    method, direction = "tools/list", "server>host"
    session.recorded(
        direction=direction, method=method, target="", decision="allow", outcome="error"
    )


def test_a_request_for_a_list_is_judged_as_a_call_of_nothing() -> None:
    judged: list[Subject] = []
    opened(ALL, decide=judging(Call, judged)).host({"id": 1, "method": "tools/list"})
    assert judged[-1] == Call("tools/list", "", {})
