"""The engine: records before effects, one write a turn, marks after every line."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest

from mcpguard.audit import AuditLog
from mcpguard.audit.verify import read, verify
from mcpguard.control.kill import KILLED
from mcpguard.daemon.engine import CRASHED, LINES_A_TURN, Engine, Governing, Recording
from mcpguard.daemon.flow import FAR_MARK
from mcpguard.daemon.log import Events
from mcpguard.daemon.run import minter
from mcpguard.errors import AuditError
from mcpguard.model import (
    Allowed,
    Context,
    Decision,
    JsonObject,
    Mode,
    Result,
    Side,
    Subject,
    Wait,
)
from mcpguard.pipeline import make_pipeline
from mcpguard.proxy.actions import Record
from mcpguard.proxy.session import Session, SessionSettings

Decide = Callable[[Subject, Context], Decision | Wait]

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t"}},
}

GREETING = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "s", "version": "1"},
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}

PASSING = make_pipeline(None)


class Heard:
    """What the engine said to people."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def event(self, name: str, level: str, fields: Mapping[str, object]) -> None:
        self.events.append(name)


class Play:
    """An engine around a session without a lockfile, with a real audit log."""

    def __init__(
        self,
        folder: Path,
        decide: Decide = PASSING,
        recording: Callable[[AuditLog], Recording] = lambda audit: audit,
        governing: Governing | None = None,
        heard: Events | None = None,
    ) -> None:
        self.heard = Heard()
        self.audit = AuditLog.open(
            folder / "audit.jsonl",
            key=b"k" * 32,
            session="s",
            server="echo",
            principal="local:test",
            clock=count(1.0).__next__,
            durability="none",
        )
        session = Session(
            lock=None,
            mode=Mode.AUDIT_ONLY,
            decide=decide,
            mint=minter(),
            settings=SessionSettings(),
            now=0.0,
        )
        self.engine = Engine(session, recording(self.audit), heard or self.heard, governing)

    def greet(self) -> None:
        """The server has answered the host's first request."""
        self.host(INITIALIZE)
        (asked,) = self.sent(Side.SERVER)
        answer = {"jsonrpc": "2.0", "id": asked["id"], "result": GREETING}
        self.engine.feed(Side.SERVER, orjson.dumps(answer) + b"\n")
        assert [each["id"] for each in self.sent(Side.HOST)] == [1]

    def host(self, *messages: Mapping[str, object]) -> bool | None:
        return self.engine.feed(Side.HOST, b"".join(orjson.dumps(m) + b"\n" for m in messages))

    def sent(self, side: Side) -> list[Any]:
        sink = self.engine.sinks[side]
        data = bytes(sink.next())
        sink.wrote(len(data))
        return [orjson.loads(line) for line in data.splitlines()]

    def records(self) -> list[Any]:
        return [r for r in read(self.audit.path) if "event" not in r]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    made = Play(tmp_path)
    yield made
    with contextlib.suppress(AuditError):  # one test spoils the log
        made.audit.close()


def call(number: int) -> dict[str, Any]:
    params = {"name": "echo", "arguments": {"secret": "swordfish"}}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


@pytest.mark.guarantee("audit:written-before-sent")
def test_a_line_is_recorded_and_then_sent_under_an_id_of_our_own(play: Play) -> None:
    assert play.host(INITIALIZE) is False
    (sent,) = play.sent(Side.SERVER)
    assert sent["method"] == "initialize"
    assert 2**52 <= sent["id"] < 2**53
    assert [record["method"] for record in play.records()] == ["initialize"]
    assert play.engine.busy
    assert play.engine.answering


@pytest.mark.guarantee("audit:written-before-sent")
def test_a_line_may_come_in_any_pieces(play: Play) -> None:
    data = orjson.dumps(INITIALIZE) + b"\n"
    for index in range(len(data)):
        assert not play.sent(Side.SERVER)
        play.engine.feed(Side.HOST, data[index : index + 1])
    assert len(play.sent(Side.SERVER)) == 1


@pytest.mark.guarantee("audit:arguments-keyed")
def test_arguments_are_in_the_log_as_a_keyed_digest_alone(play: Play) -> None:
    play.host(INITIALIZE, call(2))
    record = play.records()[-1]
    encoded = orjson.dumps(call(2)["params"]["arguments"])
    assert record["args_digest"] == play.audit.args_digest(encoded)
    assert "args" not in record
    assert b"swordfish" not in play.audit.path.read_bytes()


@pytest.mark.guarantee("audit:written-before-sent")
def test_every_line_of_a_turn_is_in_the_log_before_the_first_is_sent(play: Play) -> None:
    play.host(INITIALIZE, *[call(number) for number in range(2, 100)])
    assert len(play.sent(Side.SERVER)) == 99
    assert len(play.records()) == 99
    assert verify(play.audit.path).intact


@pytest.mark.guarantee("audit:unrecorded-denied")
def test_a_log_that_cannot_be_written_is_said_once_and_the_session_decides(play: Play) -> None:
    play.host(INITIALIZE)
    os.truncate(play.audit.path, 0)
    for number in (2, 3):
        play.host(call(number))
    assert play.heard.events.count("audit.unwritable") == 1
    # audit-only blocks nothing: what it could not record it still lets through
    assert len(play.sent(Side.SERVER)) == 3


@pytest.mark.guarantee("flow:fair-share")
def test_a_flood_is_handled_in_turns_so_that_the_other_side_has_its_own(play: Play) -> None:
    play.host(INITIALIZE)
    noise = b"\n" * (3 * LINES_A_TURN)
    assert play.engine.feed(Side.HOST, noise) is True
    assert play.engine.waiting(Side.HOST)
    assert not play.engine.waiting(Side.SERVER)
    assert play.engine.feed(Side.HOST, b"") is True
    assert play.engine.feed(Side.HOST, b"") is False
    assert not play.engine.waiting(Side.HOST)


@pytest.mark.guarantee("flow:bounded-memory")
def test_lines_wait_while_the_sink_they_would_fill_is_full(play: Play) -> None:
    play.host(INITIALIZE)
    play.engine.sinks[Side.HOST].add(b"x" * FAR_MARK)
    assert play.host(call(2), call(3)) is True
    assert [m["method"] for m in play.sent(Side.SERVER)] == ["initialize"]
    play.engine.sinks[Side.HOST].close()
    assert play.engine.feed(Side.HOST, b"") is False
    assert len(play.sent(Side.SERVER)) == 2


@pytest.mark.guarantee("pending:server-death-answers")
def test_the_death_of_the_server_answers_what_was_pending(play: Play) -> None:
    play.host(INITIALIZE)
    play.engine.closed(Side.SERVER)
    (answer,) = play.sent(Side.HOST)
    assert (answer["id"], answer["error"]["code"]) == (1, -32603)
    assert not play.engine.answering


def test_a_session_that_must_end_does_nothing_more(play: Play) -> None:
    play.engine.exit_code = 2
    assert play.host(INITIALIZE, call(9)) is False
    assert not play.engine.waiting(Side.HOST)
    assert play.sent(Side.SERVER) == play.sent(Side.HOST) == []


@pytest.mark.guarantee("session:killed")
def test_a_kill_denies_what_is_in_flight_and_nothing_more_goes_to_the_server(play: Play) -> None:
    play.host(INITIALIZE)  # still in the sink: the server never read it
    play.engine.kill("drill")
    (answer,) = play.sent(Side.HOST)
    assert (answer["id"], answer["error"]["code"]) == (1, -31001)
    assert play.engine.exit_code == KILLED
    play.engine.sinks[Side.SERVER].add(b"more")
    assert play.host(call(2)) is False
    play.engine.tick()
    play.engine.kill("again")
    assert play.sent(Side.SERVER) == play.sent(Side.HOST) == []
    assert [r["detail"] for r in read(play.audit.path) if r.get("event") == "session.killed"] == [
        "drill"
    ]
    assert play.heard.events == ["session.ended"]


@pytest.mark.guarantee("session:killed")
def test_a_kill_ends_a_session_whose_log_cannot_be_written(play: Play) -> None:
    play.host(INITIALIZE)
    os.truncate(play.audit.path, 0)
    play.engine.kill("drill")
    assert play.engine.exit_code == KILLED
    assert play.sent(Side.SERVER) == []


def defective(subject: Subject, ctx: Context) -> Decision | Wait:
    """A pipeline that fails at one tool."""
    if getattr(subject, "target", "") == "broken":
        raise ZeroDivisionError("a defect")
    return PASSING(subject, ctx)


@pytest.mark.guarantee("session:defect-is-told")
def test_a_defect_of_ours_is_answered_and_recorded_as_one(tmp_path: Path) -> None:
    play = Play(tmp_path, defective)
    broken = {**call(3), "params": {"name": "broken", "arguments": {}}}
    play.greet()
    play.host(INITIALIZED, call(2), broken, call(4), {"jsonrpc": "2.0", "id": 5, "method": "x/y"})
    answers = {each["id"]: each["error"] for each in play.sent(Side.HOST)}
    assert answers.keys() == {2, 3, 4, 5}
    assert {answers[each]["code"] for each in (2, 3, 4)} == {-32603}
    assert "mcpguard itself failed" in answers[2]["message"]
    assert "not known" in answers[2]["message"]
    assert all("Nothing was run" in answers[each]["message"] for each in (3, 4))
    assert "broken" not in str(play.sent(Side.SERVER))
    assert play.engine.exit_code == CRASHED
    play.engine.closed(Side.SERVER)
    assert play.sent(Side.HOST) == []
    crashed = [r["detail"] for r in read(play.audit.path) if r.get("event") == "session.crashed"]
    (how,) = crashed
    assert str(how).startswith("mcpguard itself failed: ZeroDivisionError at test_engine.py:")
    denied = [r["reason"] for r in play.records() if r["decision"] == "deny"]
    assert denied == ["crashed", "crashed", "crashed", "unknown_method"]
    assert play.heard.events == ["session.crashed"]
    play.audit.close()


def defective_at_results(subject: Subject, ctx: Context) -> Decision | Wait:
    """A pipeline that fails at the results of one tool."""
    return defective(subject, ctx) if isinstance(subject, Result) else PASSING(subject, ctx)


ERROR: JsonObject = {"error": {"code": -1, "message": "m"}}
ANSWERS: dict[str, JsonObject] = {
    "the short way": {"result": {"content": []}},
    "the long way": {"result": {"content": [], "_meta": {"a": 1}}},
    "an error": ERROR,
}


@pytest.mark.guarantee("session:defect-at-result")
@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_at_which_we_failed_is_recorded_and_the_host_hears_of_it(
    kind: str, tmp_path: Path
) -> None:
    play = Play(tmp_path, defective_at_results)
    play.greet()
    play.host(INITIALIZED, *({**call(0), "id": n, "params": {**CALLED, "name": n}} for n in NAMES))
    asked = {each["params"]["name"]: each["id"] for each in play.sent(Side.SERVER)[1:]}
    assert asked.keys() == set(NAMES)
    lines = [{"jsonrpc": "2.0", "id": asked[name], **ANSWERS[kind]} for name in NAMES]
    play.engine.feed(Side.SERVER, b"".join(orjson.dumps(each) + b"\n" for each in lines))
    answers = play.sent(Side.HOST)
    assert sorted(each["id"] for each in answers) == sorted(NAMES)
    (failed,) = [each for each in answers if each["id"] == "broken"]
    assert failed["error"]["code"] == -32603
    assert "mcpguard itself failed" in failed["error"]["message"]
    assert "not known" in failed["error"]["message"]
    denied = [r for r in play.records() if r["decision"] == "deny"]
    assert [(r["direction"], r["reason"]) for r in denied] == [
        ("host>server", "crashed"),
        ("server>host", "crashed"),
    ]
    assert play.engine.exit_code == CRASHED
    play.audit.close()


CALLED: JsonObject = {"arguments": {}}
NAMES = ("first", "broken", "last")


class Faulty:
    """A log with a defect at one method, which is no error that it knows of."""

    def __init__(self, audit: AuditLog) -> None:
        self.audit = audit

    def allow(self, told: Allowed, args: bytes) -> bool:
        return self.audit.allow(told, args)

    def write(self, records: Sequence[Record]) -> None:
        if any("x/broken" in str(told) for told, _ in records):
            raise ZeroDivisionError("a defect")
        self.audit.write(records)


@pytest.mark.guarantee("session:defect-is-told")
def test_a_line_that_meets_a_defect_again_takes_no_other_answer_with_it(tmp_path: Path) -> None:
    play = Play(tmp_path, defective, Faulty)
    broken = {**call(3), "params": {"name": "broken", "arguments": {}}}
    again = {"jsonrpc": "2.0", "id": 4, "method": "x/broken"}
    play.greet()
    play.host(INITIALIZED, call(2), broken, again, call(5), again, call(6))
    assert [each["id"] for each in play.sent(Side.HOST)] == [2, 3, 4, 5, 4, 6]
    assert [r.get("event") for r in read(play.audit.path)].count("session.crashed") == 1
    denied = [r["reason"] for r in play.records() if r["decision"] == "deny"]
    assert denied == ["crashed"] * 4
    assert play.heard.events == ["session.crashed"]
    play.audit.close()


class Defect:
    """Beside the messages: log, what is kept of them, what people hear. Fails at one of these."""

    def __init__(self) -> None:
        self.at = ""
        self.events: list[str] = []

    def meet(self, what: str) -> None:
        if self.at == what:
            raise ZeroDivisionError("a defect")

    def records(self, audit: AuditLog) -> Recording:
        self.log = audit
        return self

    def allow(self, told: Allowed, args: bytes) -> bool:
        return self.log.allow(told, args)

    def write(self, records: Sequence[Record]) -> None:
        self.meet("write")
        self.log.write(records)
        self.meet("written to")

    def written(self, records: Sequence[Record]) -> None:
        self.meet("written")

    def stir(self) -> None:
        self.meet("stir")

    def event(self, name: str, level: str, fields: Mapping[str, object]) -> None:
        self.meet("event")
        self.events.append(name)


def armed(folder: Path, at: str, sent: int) -> tuple[Play, Defect, list[Any]]:
    """A session with `sent` calls at the server, which from now on fails at `at`; those calls."""
    defect = Defect()
    play = Play(folder, PASSING, defect.records, defect, defect)
    play.greet()
    play.host(INITIALIZED, *[call(number) for number in range(2, 2 + sent)])
    asked = play.sent(Side.SERVER)[1:]
    defect.at = at
    if at == "event":
        os.truncate(play.audit.path, 0)
    return play, defect, asked


UNRECORDED = ("write", "written to", "written", "event")


@pytest.mark.guarantee("session:defect-in-record")
@pytest.mark.parametrize("at", UNRECORDED)
def test_requests_at_whose_record_we_failed_are_denied_and_never_run(
    at: str, tmp_path: Path
) -> None:
    play, _, _ = armed(tmp_path, at, 0)
    play.host(call(2), {"jsonrpc": "2.0", "id": 3, "method": "x/y"}, call(4))
    answers = {each["id"]: each["error"] for each in play.sent(Side.HOST)}
    assert {each: answers[each]["code"] for each in answers} == {2: -32603, 3: -32601, 4: -32603}
    assert all("Nothing was run" in answers[each]["message"] for each in (2, 4))
    assert play.sent(Side.SERVER) == []
    assert play.engine.exit_code == CRASHED
    with contextlib.suppress(AuditError):
        play.audit.close()


@pytest.mark.guarantee("session:defect-in-record")
@pytest.mark.parametrize("at", UNRECORDED)
def test_results_at_whose_record_we_failed_are_withheld_and_said_to_have_run(
    at: str, tmp_path: Path
) -> None:
    play, defect, asked = armed(tmp_path, at, 3)
    lines = [{"jsonrpc": "2.0", "id": each["id"], "result": {"content": []}} for each in asked]
    play.engine.feed(Side.SERVER, b"".join(orjson.dumps(each) + b"\n" for each in lines[:2]))
    answers = {each["id"]: each["error"] for each in play.sent(Side.HOST)}
    assert {each: answers[each]["code"] for each in answers} == dict.fromkeys((2, 3, 4), -32603)
    assert all("do not retry" in answers[each]["message"] for each in (2, 3))
    assert "not known" in answers[4]["message"]
    assert play.engine.exit_code == CRASHED
    assert "session.crashed" in (defect.events or ["session.crashed" if at == "event" else ""])
    with contextlib.suppress(AuditError):
        play.audit.close()


@pytest.mark.guarantee("session:defect-in-record")
def test_the_log_says_what_a_defect_kept_out_of_it(tmp_path: Path) -> None:
    play = Play(tmp_path, PASSING, Faulty)
    play.greet()
    play.host(call(2), {"jsonrpc": "2.0", "id": 3, "method": "x/broken"})
    told = [r for r in read(play.audit.path) if r.get("event") in ("audit.gap", "session.crashed")]
    assert [(each["event"], each.get("withheld")) for each in told] == [
        ("audit.gap", 2),
        ("session.crashed", None),
    ]
    assert {each["id"] for each in play.sent(Side.HOST)} == {2, 3}
    assert verify(play.audit.path).intact
    play.audit.close()


@pytest.mark.guarantee("session:defect-in-record")
def test_a_kill_whose_record_we_fail_at_answers_all_the_same(tmp_path: Path) -> None:
    play, _, _ = armed(tmp_path, "write", 2)
    play.engine.kill("drill")
    assert {each["id"] for each in play.sent(Side.HOST)} == {2, 3}
    assert play.engine.exit_code == CRASHED
    play.audit.close()


@pytest.mark.guarantee("session:defect-in-record")
def test_what_was_sent_before_a_defect_beside_the_messages_is_sent_once(tmp_path: Path) -> None:
    play, _, asked = armed(tmp_path, "stir", 1)
    line = {"jsonrpc": "2.0", "id": asked[0]["id"], "result": {"content": []}}
    play.engine.feed(Side.SERVER, orjson.dumps(line) + b"\n")
    assert play.sent(Side.HOST) == [{"jsonrpc": "2.0", "id": 2, "result": {"content": []}}]
    assert play.engine.exit_code == CRASHED
    play.audit.close()


@pytest.mark.guarantee("session:defect-is-told")
def test_what_waits_for_the_server_is_not_sent_after_a_defect(tmp_path: Path) -> None:
    play = Play(tmp_path, defective)
    play.greet()
    changed = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}
    play.host(INITIALIZED, changed)
    assert play.engine.sinks[Side.SERVER].size
    play.host({**call(3), "params": {"name": "broken", "arguments": {}}})
    play.host(changed)
    assert play.engine.sinks[Side.SERVER].closed
    assert play.sent(Side.SERVER) == []
    play.audit.close()


@pytest.mark.guarantee("session:defect-is-told")
def test_a_defect_ends_a_session_whose_log_cannot_be_written(tmp_path: Path) -> None:
    play = Play(tmp_path, lambda *_: 1 // 0)  # type: ignore[arg-type]
    os.truncate(play.audit.path, 0)
    play.host(INITIALIZE)
    assert play.engine.exit_code == CRASHED
    assert play.sent(Side.SERVER) == []
    with contextlib.suppress(AuditError):
        play.audit.close()


def test_a_tick_between_deadlines_sends_nothing(play: Play) -> None:
    play.host(INITIALIZE)
    play.sent(Side.SERVER)
    play.engine.tick()
    assert play.sent(Side.SERVER) == play.sent(Side.HOST) == []


@pytest.mark.guarantee("ids:unpredictable")
def test_wire_ids_have_one_length_and_do_not_repeat() -> None:
    mint = minter()
    ids = {mint() for _ in range(1000)}
    assert len(ids) == 1000
    assert {number.bit_length() for number in ids} == {53}
