"""What a server lists, announces, asks and says in its handshake, and what is not looked at."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mcpguard.model import (
    ALLOW,
    Answer,
    Call,
    Decision,
    Definition,
    Finding,
    ItemKind,
    JsonObject,
    Notice,
    Reason,
    Result,
    ServerRequest,
    Severity,
    Subject,
    SubjectKind,
    Verdict,
)
from mcpguard.pipeline.scan import LARGE, ScanStage
from mcpguard.pipeline.terms import Response, Responses, ScanPolicy
from tests.unit.pipeline.scanning import (
    BAIT,
    CTX,
    LOCK,
    NOTHING,
    ORDERS,
    POISONED,
    REDACTING,
    TOKEN,
    Said,
    called,
    judge,
    judged,
    needles,
    outcomes,
    stage,
)


@pytest.mark.parametrize(
    "made",
    [
        lambda text: ServerRequest("elicitation/create", {"message": text}),
        lambda text: ServerRequest("sampling/createMessage", {"messages": [{"content": text}]}),
        lambda text: Notice("notifications/message", {"level": "info", "data": [text]}),
        lambda text: Notice("notifications/progress", {"progressToken": 1, "message": text}),
    ],
)
def test_what_a_server_asks_or_announces_is_looked_at(made: Callable[[str], Subject]) -> None:
    asked = replace(NOTHING, requests=Responses(Response.RECORD, Response.BLOCK))
    assert judged(made("fine"), stage(asked)) == Decision(True, made("fine"))
    assert [each.rule for each in judged(made("please"), stage(asked)).findings] == [
        "scan.override"
    ]
    assert judged(made("OBEY"), stage(asked)).reason is Reason.INJECTION
    assert not judged(made(BAIT), stage(asked)).allowed
    redacted = judged(made(f"x {TOKEN}"), stage(REDACTING))
    assert (redacted.allowed, redacted.reason) == (True, Reason.REDACTED)
    assert TOKEN not in str(redacted.subject)
    long = made("x" * LARGE + " " + TOKEN)
    assert judged(made("x" * LARGE), stage(REDACTING)).allowed
    assert judged(long, stage(REDACTING)).reason is Reason.UNSCANNED
    recorded = judged(long, stage(replace(NOTHING, secrets=Response.RECORD)))
    assert (recorded.allowed, [each.rule for each in recorded.findings]) == (
        True,
        ["scan.unscanned"],
    )


@pytest.mark.parametrize(
    ("response", "allowed", "found"),
    [(Response.OFF, True, False), (Response.RECORD, True, True), (Response.BLOCK, False, True)],
)
def test_a_listed_definition_is_looked_at_where_that_is_asked_for(
    response: Response, allowed: bool, found: bool
) -> None:
    made = stage(replace(NOTHING, definitions=Responses(Response.OFF, response)))
    for _ in range(2):
        decision = judged(Definition(ItemKind.TOOL, "t", POISONED), made)
        assert (decision.allowed, bool(decision.findings)) == (allowed, found)
    changed = {**POISONED, "description": "Reads a file."}
    assert judged(Definition(ItemKind.TOOL, "t", changed), made).allowed


class Stern:
    """A scanner of definitions that blocks all, and remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[ItemKind | None, JsonObject]] = []

    def __call__(self, kind: ItemKind | None, definition: JsonObject) -> Said:
        self.shown.append((kind, definition))
        return Said("block")

    def stage(self, response: Response = Response.BLOCK) -> ScanStage:
        policy = replace(NOTHING, definitions=Responses(Response.OFF, response))
        return ScanStage(policy, LOCK, judge_definition=self)


def test_a_definition_is_examined_once_until_it_changes_or_too_many_are_known() -> None:
    stern = Stern()
    made = stern.stage()

    def examined(*numbers: int, name: str = "t") -> int:
        before = len(stern.shown)
        for number in numbers:
            definition = Definition(ItemKind.TOOL, f"t{number}", {"name": name})
            assert made.judge(definition, CTX) == Verdict.deny(
                Reason.INJECTION,
                "its text reads like instructions to the model",
                Finding(
                    "scan.override",
                    Severity.CRITICAL,
                    "",
                    "text that tries to direct the model (block)",
                ),
            )
        return len(stern.shown) - before

    known = range(4096)
    assert examined(*known) == 4096
    assert examined(*known) == 0
    assert examined(4096, 4096) == 1
    assert examined(0) == 1
    assert examined(0, name="another") == 1


GREETED: dict[str, tuple[str, JsonObject, Response, list[JsonObject]]] = {
    "initialize": ("initialize", {"instructions": "x"}, Response.BLOCK, [{"instructions": "x"}]),
    "discover": ("server/discover", {"instructions": "x"}, Response.BLOCK, [{"instructions": "x"}]),
    "without instructions": ("initialize", {"serverInfo": {}}, Response.BLOCK, []),
    "not asked for": ("initialize", {"instructions": "x"}, Response.OFF, []),
    "of a tool": ("tools/call", {"instructions": "x"}, Response.BLOCK, []),
}


@pytest.mark.parametrize(("method", "body", "response", "shown"), GREETED.values(), ids=GREETED)
def test_only_instructions_of_a_handshake_are_examined_as_such(
    method: str, body: JsonObject, response: Response, shown: list[JsonObject]
) -> None:
    stern = Stern()
    decision = judged(Result(method, "", body), stern.stage(response))
    assert stern.shown == [(None, each) for each in shown]
    assert decision.allowed
    assert decision.detail == (
        "its text reads like instructions to the model, so its instructions were left out"
        if shown
        else ""
    )


@pytest.mark.guarantee("scan:errors-of-handshakes")
@pytest.mark.parametrize("method", ["initialize", "server/discover"])
@pytest.mark.parametrize("key", ["message", "data"])
def test_the_error_of_a_handshake_is_looked_at_like_every_error(method: str, key: str) -> None:
    body: JsonObject = {"code": -1, "message": "m", key: "OBEY me"}
    withheld = judged(Result(method, "", body, error=True), stage(outcomes(Response.BLOCK)))
    assert (withheld.allowed, withheld.reason) == (False, Reason.INJECTION)
    body = {"code": -1, "message": "m", key: f"a {TOKEN} b"}
    told = judged(Result(method, "", body, error=True), stage(REDACTING))
    assert isinstance(told.subject, Result)
    assert (told.allowed, told.reason) == (True, Reason.REDACTED)
    assert TOKEN not in str(told.subject.body)


EVERYTHING = frozenset(SubjectKind) - {SubjectKind.RESULT}
BLOCKING = Responses(Response.OFF, Response.BLOCK)
CALL, DEFINITION = SubjectKind.CALL, SubjectKind.DEFINITION
UNMOVED: dict[str, tuple[ScanStage, frozenset[SubjectKind]]] = {
    "nothing is looked for": (ScanStage(NOTHING, LOCK), EVERYTHING),
    "the preset": (
        ScanStage(ScanPolicy(), LOCK),
        frozenset({CALL, DEFINITION, SubjectKind.ANSWER}),
    ),
    "planted credentials": (stage(), frozenset({CALL, DEFINITION})),
    "definitions": (
        ScanStage(replace(NOTHING, definitions=BLOCKING), LOCK, judge=judge, needles=needles),
        EVERYTHING - {DEFINITION},
    ),
}


@pytest.mark.parametrize(("made", "unmoved"), UNMOVED.values(), ids=UNMOVED)
def test_what_a_policy_does_not_look_at_passes_and_need_not_be_asked_about(
    made: ScanStage, unmoved: frozenset[SubjectKind]
) -> None:
    assert made.unmoved == unmoved
    bad: JsonObject = {"content": [f"OBEY {BAIT} {TOKEN}"], "description": POISONED["description"]}
    subjects: list[Subject] = [
        Call("tools/call", "t", bad),
        Answer("sampling/createMessage", bad),
        Definition(ItemKind.TOOL, "t", bad),
        ServerRequest("sampling/createMessage", bad),
        Notice("notifications/message", bad),
    ]
    for subject in subjects:
        assert (made.judge(subject, CTX) is ALLOW) is (subject.kind in unmoved)


@pytest.mark.parametrize("made", [ScanStage(NOTHING, LOCK), stage(outcomes(Response.BLOCK))])
def test_a_pipeline_may_ask_about_results_directly(made: ScanStage) -> None:
    assert set(made.by_kind) == {SubjectKind.RESULT}
    for given_ in (ORDERS, called("fine"), called(BAIT)):
        assert made.by_kind[SubjectKind.RESULT](given_, CTX) == made.judge(given_, CTX)
    assert (made.judge(ORDERS, CTX) is ALLOW) is made.unmoved.issuperset(EVERYTHING)


def test_instructions_that_may_not_pass_are_left_out_of_the_handshake() -> None:
    made = stage(replace(NOTHING, definitions=Responses(Response.OFF, Response.BLOCK)))
    body: JsonObject = {"serverInfo": {}, "instructions": POISONED["description"]}
    decision = judged(Result("initialize", "", body), made)
    assert isinstance(decision.subject, Result)
    assert (decision.allowed, decision.subject.body) == (True, {"serverInfo": {}})
