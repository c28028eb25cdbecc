"""Recorded calls: both forms of a record, what cannot be known, and limits by recorded time."""

from datetime import UTC
from zoneinfo import ZoneInfo

import orjson
import pytest

from mcpguard.errors import PolicyError
from mcpguard.model import Json, JsonObject
from mcpguard.policy.loading import load
from mcpguard.policy.replay import Record, Replayed, read_records, replay
from tests.unit.policy.facts import FACTS


def records(*entries: Json, zone: str = "UTC") -> list[Record]:
    lines = [orjson.dumps(entry) for entry in entries]
    return list(read_records(lines, "c.jsonl", FACTS, lambda _: ZoneInfo(zone)))


def replayed(policy: str, *entries: Json, zone: str = "UTC") -> list[Replayed]:
    rules = load(f"name: p\nrules:\n  - {policy}", "p.yaml")
    return list(replay(rules, records(*entries, zone=zone)))


def news(policy: str, *entries: Json) -> list[str]:
    return [each.new for each in replayed(policy, *entries)]


NO_BASH = "{name: x, action: deny, tools: [bash]}"


@pytest.mark.parametrize(
    ("entry", "new", "changed"),
    [
        ({"tool": "bash"}, "deny", None),
        ({"tool": "bash", "expected": "deny"}, "deny", False),
        ({"tool": "bash", "decision": "allow"}, "deny", True),
        ({"tool": "bash", "decision": "allow", "expected": "deny"}, "deny", False),
        ({"tool": "bash", "decision": "would_deny"}, "deny", False),
        ({"tool": "read", "expected": "allow"}, "none", False),
        ({"tool": "read", "expected": "none"}, "none", False),
        ({"tool": "read", "decision": "deny"}, "none", True),
        ({"tool": "bash", "method": "prompts/get", "expected": "deny"}, "none", True),
    ],
)
def test_a_call_is_compared_with_what_was_decided_or_expected(
    entry: Json, new: str, changed: bool | None
) -> None:
    (found,) = replayed(NO_BASH, entry)
    assert (found.new, found.changed) == (new, changed)


AUDITED: dict[str, Json] = {
    "v": 1,
    "seq": 4,
    "ts": "2026-11-18T23:30:00.000000Z",
    "server": "files",
    "principal": "local:desk",
    "level": 1,
    "score": 0,
    "direction": "host>server",
    "method": "tools/call",
    "target": "bash",
    "decision": "allow",
    "stage": "",
    "hash": "00",
}


def test_a_line_of_the_audit_log_is_a_call_without_arguments() -> None:
    (found,) = replayed(NO_BASH, AUDITED)
    assert (found.record.old, found.new, found.rule, found.changed) == ("allow", "deny", "x", True)


@pytest.mark.parametrize("when", ["call.arguments.a == 1", "call.bytes > 5"])
def test_what_a_rule_says_that_reads_arguments_is_not_known_from_the_audit_log(when: str) -> None:
    (found,) = replayed(f"{{name: x, action: deny, tools: [bash], when: {when}}}", AUDITED)
    assert (found.new, found.changed) == ("unknown", None)
    assert found.message == (
        "not known: x read arguments, which the log does not hold: "
        "audit.capture.arguments names tools whose it keeps"
    )
    (other,) = replayed(
        f"{{name: x, action: deny, tools: [bash], when: {when}}}", {**AUDITED, "target": "read"}
    )
    assert (other.new, other.changed) == ("none", False)


SHOWN: JsonObject = {
    "what": "arguments",
    "text": '{"a":1}',
    "size": 7,
    "cut": 0,
    "redacted": 0,
}


READS = "not known: x read arguments, "


@pytest.mark.guarantee("policy:replay-reads-captures")
@pytest.mark.parametrize(
    ("captured", "new", "why"),
    [
        (SHOWN, "deny", "the rule x denies it"),
        ({**SHOWN, "text": '{"a":2}'}, "none", ""),
        ({**SHOWN, "redacted": 2}, "unknown", READS + "of which 2 places were taken out"),
        ({**SHOWN, "cut": 9}, "unknown", READS + "of which the log holds only the beginning (9 "),
        ({**SHOWN, "unread": "why"}, "unknown", READS + "which were not captured: why"),
        ({**SHOWN, "text": "[1]"}, "unknown", READS + "and what was captured cannot be read"),
        ({**SHOWN, "text": "{"}, "unknown", READS + "and what was captured cannot be read"),
        ({**SHOWN, "what": "result"}, "unknown", READS + "which the log does not hold: audit.capt"),
    ],
)
def test_arguments_that_were_captured_whole_are_read(
    captured: JsonObject, new: str, why: str
) -> None:
    rule = "{name: x, action: deny, tools: [bash], when: call.arguments.a == 1}"
    (found,) = replayed(rule, {**AUDITED, "captured": captured})
    assert found.new == new
    assert found.message.startswith(why)


def test_what_another_stage_denied_stays_denied() -> None:
    denied = {**AUDITED, "decision": "deny", "stage": "surface"}
    (found,) = replayed("{name: x, action: allow}", denied)
    assert (found.new, found.changed) == ("deny", False)
    (own,) = replayed("{name: x, action: allow}", {**denied, "stage": "policy"})
    assert (own.new, own.changed) == ("allow", True)


@pytest.mark.parametrize(
    "changed",
    [
        {"direction": "server>host"},
        {"event": "session", "direction": ""},
        {"decision": "drop"},
        {"method": "ping"},
        {"stage": "wire"},
    ],
)
def test_other_lines_of_the_audit_log_are_passed_over(changed: dict[str, Json]) -> None:
    assert records({**AUDITED, **changed}) == []


def test_blank_lines_are_passed_over_and_lines_keep_their_numbers() -> None:
    lines = [b"\n", b'{"tool": "a"}\n', b"  \n", b'{"tool": "b"}']
    found = list(read_records(lines, "c", FACTS, lambda _: UTC))
    assert [(each.line, each.call.target) for each in found] == [(2, "a"), (4, "b")]


def test_a_record_says_who_when_and_of_what_tool() -> None:
    (found,) = records(
        {
            "tool": "t",
            "arguments": {"a": 1},
            "principal": {"id": "p", "level": 2, "score": 800, "capabilities": ["c"]},
            "trust": {"score": 300},
            "server": "s",
            "annotations": {"readOnlyHint": True},
            "tier": "T2_act",
            "at": "2026-11-18T23:30:00Z",
        },
        zone="Asia/Tokyo",
    )
    known = found.facts
    assert (known.principal, known.level, known.score, known.capabilities) == ("p", 2, 800, ("c",))
    assert (known.trust_level, known.trust_score) == (1, 300)
    assert (known.server, known.annotations, known.tier) == ("s", {"readOnlyHint": True}, "T2_act")
    assert (known.moment.hour, known.moment.weekday, known.moment.date) == (8, "thu", "2026-11-19")


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        (b"{", "c:1:1: not JSON", "one object a line"),
        (b"[]", "c:1:1: not a JSON object", "one object"),
        (b"\xff", "c:1:1: not JSON", ""),
        (b'{"tol": "a"}', "c:1:1: unknown key `'tol'`", "`tool`"),
        (b'{"tool": 7}', "c:1:1: `tool` is a text", ""),
        (b'{"tool": "a", "arguments": []}', "c:1:1: `arguments` is an object", ""),
        (b'{"method": "tools/cal"}', "no rule is ever about that `method`", "`tools/call`"),
        (b'{"tool": "a", "expected": "denied"}', "no such decision", "`deny`"),
        (b'{"tool": "a", "result": {}, "error": {}}', "a `result` or an `error`", "leave one out"),
        (b'{"tool": "a", "principal": {"level": true}}', "`level` is a whole number", ""),
        (b'{"tool": "a", "principal": {"capabilities": [1]}}', "a list of texts", ""),
        (b'{"tool": "a", "principal": 7}', "`principal` is an object", ""),
        (b'{"tool": "a", "at": "noon"}', "no time of RFC 3339", "2026-12-31"),
        (b'{"tool": "a", "at": "2026-01-01T10:00:00"}', "a time without its zone", "2026"),
        (b'{"tool": "a", "at": "0001-01-01T00:00:00+14:00"}', "no time of RFC 3339", ""),
    ],
)
def test_a_line_that_is_no_record_is_an_error_that_names_it(
    line: bytes, message: str, hint: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        list(read_records([line], "c", FACTS, lambda _: UTC))
    assert message in caught.value.message
    assert hint in caught.value.hint


def at(minute: int) -> Json:
    return {"tool": "a", "at": f"2026-11-18T10:{minute:02}:00Z"}


def test_limits_are_counted_by_recorded_time() -> None:
    limit = "{name: x, action: deny, limit: 2/minute}"
    assert news(limit, at(0), at(0), at(0), at(1), at(1), at(1)) == [
        *("none", "none", "deny"),
        *("none", "none", "deny"),
    ]
    timeless: list[Json] = [{"tool": "a"}] * 4
    assert news(limit, *timeless) == ["none", "none", "deny", "deny"]


def test_counts_of_the_session_grow_with_the_records() -> None:
    rule = "{name: x, action: deny, when: counts.tool >= 1 || counts.denied >= 1}"
    assert news(rule, {"tool": "a"}, {"tool": "b"}, {"tool": "a"}, {"tool": "c"}) == [
        *("none", "none", "deny", "deny"),
    ]


RESULT = "{name: x, action: ACTION, direction: result, when: result.text.contains('s')}"


@pytest.mark.parametrize(
    ("action", "entry", "new"),
    [
        ("deny", {"result": {"content": [{"type": "text", "text": "s"}]}}, "deny"),
        ("deny", {"result": {"content": []}}, "none"),
        ("deny", {"error": {"message": "s"}}, "deny"),
        ("warn", {"error": {"message": "s"}}, "none"),
        ("allow", {"error": {"message": "s"}}, "none"),
    ],
)
def test_a_recorded_result_is_judged_too(action: str, entry: dict[str, Json], new: str) -> None:
    (found,) = replayed(RESULT.replace("ACTION", action), {"tool": "a", **entry})
    assert (found.new, list(found.remarks)) == (new, ["x"] if action == "warn" else [])


def test_the_result_of_a_call_that_is_denied_is_not_asked_about() -> None:
    (found,) = replayed(
        NO_BASH
        + "\n  - "
        + RESULT.replace("ACTION", "redact, redact: [s]").replace("name: x", "name: y"),
        {"tool": "bash", "result": {"content": ["s"]}},
    )
    assert (found.new, found.rule) == ("deny", "x")
