"""Evidence of calls (CapiscIO RFC-006): made of the log alone, and held against it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

from mcpguard.audit import AuditLog
from mcpguard.audit.record import changed
from mcpguard.audit.verify import read
from mcpguard.cli import main
from mcpguard.evidence.capture import Choice, Witness, params_hash
from mcpguard.evidence.invocation import CODES, EVENT, SCHEMA, Reader, compare
from mcpguard.model import Allowed, Json, JsonObject, Reason

UP = "host>server"
SETTINGS: JsonObject = {
    "evidence": True,
    "policy": "sha256:" + "a" * 64,
    "lock": "sha256:" + "b" * 64,
}
RFC_006 = jsonschema_rs.validator_for(
    {
        "type": "object",
        "required": [
            "event.name",
            "capiscio.agent.did",
            "capiscio.auth.level",
            "capiscio.target",
            "capiscio.policy_version",
            "capiscio.decision",
        ],
        "properties": {
            "event.name": {"const": "capiscio.tool_invocation"},
            "capiscio.agent.did": {"type": "string"},
            "capiscio.auth.level": {"enum": ["badge+envelope", "badge", "apikey", "anonymous"]},
            "capiscio.target": {"type": "string"},
            "capiscio.policy_version": {"type": "string"},
            "capiscio.decision": {"enum": ["ALLOW", "DENY"]},
            "capiscio.tool.params_hash": {"pattern": "^sha256:[A-Za-z0-9_-]{43}$"},
            "capiscio.deny_reason": {"type": "string"},
            "trust_level": {"type": "integer"},
        },
    }
)
"""What RFC-006, section 7.2, asks of a piece."""


def decided(decision: str, reason: str = "ok", stage: str = "surface", **more: str) -> JsonObject:
    return {
        "direction": UP,
        "method": "tools/call",
        "target": "write",
        "decision": decision,
        "stage": stage,
        "rule": f"{stage}.{reason}",
        "reason": reason,
        **more,
    }


Said = Allowed | JsonObject
RECORDS: list[tuple[Said, bytes]] = [
    (Allowed(UP, "initialize", ""), b""),
    (Allowed(UP, "tools/call", "write"), b'{"n":1.0}'),
    (Allowed("server>host", "tools/call", "write"), b""),
    (decided("deny", Reason.NOT_LOCKED), b'{"n":2}'),
    (decided("would_deny", Reason.TRUST_SCORE, "trust"), b""),
    (decided("deny", Reason.DUPLICATE_ID, "wire", target=""), b""),
    (decided("hold", Reason.WAITING, "gateway"), b""),
    (changed("control.policy", by="anna", glob="write", policy="{}"), b""),
    (Allowed(UP, "tools/call", "write"), b""),
    (changed("control.reload", by="anna", old="sha256:0", new="sha256:1"), b""),
    (decided("deny", Reason.RULE, "policy"), b'{"n":3}'),
]


def logged(path: Path, *, evidence: bool = True, facts: JsonObject | None = None) -> Path:
    """A log of one session, in which `RECORDS` were decided."""
    log = AuditLog.open(
        path,
        key=bytes(32),
        session="5e55",
        server="files",
        principal="local:default",
        clock=lambda: 1.5,
        defaults={"level": 1},
        facts=SETTINGS if facts is None else facts,
    )
    witness = Witness(log, arguments=Choice(()), evidence=evidence, patterns=lambda: None)
    for record in RECORDS:
        witness.write([record])
    log.close()
    return path


def pieces(path: Path) -> list[Any]:
    return list(Reader(path.name).read(read(path)))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return logged(tmp_path / "files.jsonl")


@pytest.mark.guarantee("evidence:derived")
def test_every_attempt_has_a_piece_and_each_names_its_record(log: Path) -> None:
    found = pieces(log)
    told = [
        (
            each["mcpguard.audit.seq"],
            each["capiscio.decision"],
            each.get("capiscio.deny_reason"),
            each.get("mcpguard.would_deny", False),
        )
        for each in found
    ]
    assert told == [
        (3, "ALLOW", None, False),
        (5, "DENY", "TOOL_NOT_FOUND", False),
        (6, "ALLOW", None, True),
        (7, "DENY", "TOOL_POLICY_DENIED", False),
        (10, "ALLOW", None, False),
        (12, "DENY", "TOOL_POLICY_DENIED", False),
    ]
    hashes = {record["seq"]: record["hash"] for record in read(log)}
    for each in found:
        assert each["mcpguard.audit.hash"] == hashes[each["mcpguard.audit.seq"]]
        assert [*RFC_006.iter_errors(each)] == []


def test_a_piece_holds_what_rfc_006_names_and_no_parameter(log: Path) -> None:
    assert pieces(log)[0] == {
        "schema": SCHEMA,
        "id": "5e55-3",
        "timestamp": "1970-01-01T00:00:01.500000Z",
        "event.name": EVENT,
        "capiscio.agent.did": "local:default",
        "capiscio.auth.level": "anonymous",
        "capiscio.target": "write",
        "capiscio.policy_version": SETTINGS["policy"],
        "capiscio.policy.decision_id": "5e55-3",
        "capiscio.decision": "ALLOW",
        "capiscio.tool.params_hash": params_hash({"n": 1}),
        "trust_level": 1,
        "server_origin": "files",
        "mcpguard.lock": SETTINGS["lock"],
        "mcpguard.audit.log": "files.jsonl",
        "mcpguard.audit.seq": 3,
        "mcpguard.audit.hash": next(r["hash"] for r in read(log) if r["seq"] == 3),
    }


def test_the_policy_version_follows_what_people_change(log: Path) -> None:
    versions = [each["capiscio.policy_version"] for each in pieces(log)]
    assert versions == [SETTINGS["policy"]] * 4 + [f"{SETTINGS['policy']}+9", "sha256:1"]


@pytest.mark.parametrize(
    ("evidence", "facts", "count"),
    [
        (False, {}, 0),
        (True, {}, 5),  # the start is not known any more: what has a hash was an attempt
        (False, SETTINGS, 6),
    ],
)
def test_where_it_was_not_switched_on_there_is_none(
    tmp_path: Path, evidence: bool, facts: JsonObject, count: int
) -> None:
    assert len(pieces(logged(tmp_path / "a.jsonl", evidence=evidence, facts=facts))) == count


@pytest.mark.parametrize("odd", [{}, [], None, 1])
def test_a_decision_that_is_no_text_is_none(log: Path, odd: Json) -> None:
    record = next(each for each in read(log) if each["seq"] == 3)
    assert list(Reader("a").read([{**record, "decision": odd}])) == []


def test_a_badge_is_told_by_its_level_alone(log: Path) -> None:
    record = next(each for each in read(log) if each["seq"] == 3)
    levels = {
        level: next(Reader("a").read([{**record, "level": level}]))["capiscio.auth.level"]
        for level in (0, 1, 2, 4)
    }
    assert levels == {0: "anonymous", 1: "anonymous", 2: "badge", 4: "badge"}
    assert set(CODES.values()) <= {
        "TOOL_NOT_FOUND",
        "TOOL_AUTH_MISSING",
        "TOOL_TRUST_INSUFFICIENT",
        "TOOL_SCOPE_INSUFFICIENT",
    }


Change = Callable[[Any], Any]
FORGERIES: dict[str, tuple[Change, str]] = {
    "decision": (lambda each: {**each, "capiscio.decision": "DENY"}, "capiscio.decision"),
    "hash": (
        lambda each: {**each, "capiscio.tool.params_hash": params_hash({"n": 2})},
        "capiscio.tool.params_hash",
    ),
    "more": (lambda each: {**each, "capiscio.badge.jti": "x"}, "capiscio.badge.jti"),
    "less": (lambda each: {k: v for k, v in each.items() if k != "timestamp"}, "timestamp"),
    "record": (lambda each: {**each, "mcpguard.audit.hash": "0" * 64}, "mcpguard.audit.hash"),
    "unknown": (lambda each: {**each, "id": "5e55-99"}, "there is no such call"),
    "nothing": (lambda _: 7, "there is no such call"),
}


@pytest.mark.guarantee("evidence:derived")
@pytest.mark.parametrize(("forge", "named"), FORGERIES.values(), ids=FORGERIES)
def test_a_piece_that_the_log_does_not_give_is_named(log: Path, forge: Change, named: str) -> None:
    found = pieces(log)
    assert compare(found, lambda: found, 9) == (len(found), len(found), 0, ())
    forged = [forge(each) if number == 0 else each for number, each in enumerate(found)]
    (told,) = compare(forged, lambda: found, 9).told
    again = told.replace("piece 1", "piece 2")
    assert compare(forged[:1] * 3, lambda: found, 2)[2:] == (3, (told, again))
    assert told.startswith("piece 1: ")
    assert named in told


@pytest.mark.guarantee("evidence:each-piece-once")
@pytest.mark.parametrize(
    ("order", "wrong"),
    [
        ([0, 1, 2, 3, 4, 5], []),
        ([1, 4], []),
        ([0, 1, 1, 2], [3]),
        ([0, 1, 2, 3, 4, 5, 0], [7]),
        ([0, 2, 1, 3], [3]),
        ([5, 0, 1], [2, 3]),
    ],
)
def test_a_piece_that_stands_twice_or_out_of_order_is_named(
    log: Path, order: list[int], wrong: list[int]
) -> None:
    found = pieces(log)
    given = [found[place] for place in order]
    told = compare(given, lambda: found, 9)
    assert (told.given, told.wrong) == (len(order), len(wrong))
    for number, text in zip(wrong, told.told, strict=True):
        seq = given[number - 1]["mcpguard.audit.seq"]
        assert text == f"piece {number}: record {seq} stands here again, or out of its order"


def test_the_command_writes_evidence_and_checks_it(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "evidence", str(log)]) == 0
    lines = capsys.readouterr().out
    assert [orjson.loads(line) for line in lines.splitlines()] == pieces(log)
    assert main(["audit", "evidence", str(log), "--format", "json", "--id", "5e55-5"]) == 0
    (one,) = orjson.loads(capsys.readouterr().out)
    assert one["mcpguard.audit.seq"] == 5
    kept = log.with_name("kept.jsonl")
    kept.write_text(lines)
    assert main(["audit", "evidence", str(log), "--check", str(kept)]) == 0
    assert "6 of the log's 6 pieces" in capsys.readouterr().out
    assert main(["audit", "evidence", str(log), "--format", "json"]) == 0
    shown = capsys.readouterr().out
    assert shown == orjson.dumps(pieces(log), option=orjson.OPT_INDENT_2).decode() + "\n"
    kept.write_text(shown)
    assert main(["audit", "evidence", str(log), "--check", str(kept)]) == 0
    capsys.readouterr()
    kept.write_bytes(orjson.dumps([{**one, "capiscio.target": "read"}]))
    assert main(["audit", "evidence", str(log), "--check", str(kept)]) == 1
    assert "piece 1: not what record 5 says: capiscio.target" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words", "code", "said"),
    [
        (lambda text: text, ["--id", "5e55-4"], 1, "no evidence 5e55-4"),
        (
            lambda text: re.sub(rb'"params_hash":"[^"]*",?', b"", text),
            ["--check", "k"],
            1,
            "line 3",
        ),
        (lambda _: b"", [], 2, "there is no evidence of a call"),
        (lambda _: b"x\n", [], 2, "is not an audit record"),
        (lambda text: text, ["--check", "none"], 2, "cannot be read"),
        (lambda text: text, ["--check", "bad"], 2, "not JSON"),
        (lambda text: text, ["--check", "twice"], 2, "not JSON"),
    ],
)
def test_what_cannot_be_had_is_an_error(
    log: Path,
    capsys: pytest.CaptureFixture[str],
    change: Change,
    *,
    words: list[str],
    code: int,
    said: str,
) -> None:
    log.with_name("k").write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in pieces(log)))
    log.with_name("bad").write_text("{")
    log.with_name("twice").write_text('{"capiscio.decision":"ALLOW","capiscio.decision":"DENY"}')
    log.write_bytes(change(log.read_bytes()))
    argv = [
        str(log.with_name(word)) if word in {"k", "none", "bad", "twice"} else word
        for word in words
    ]
    assert main(["audit", "evidence", str(log), *argv]) == code
    assert said in capsys.readouterr().err
