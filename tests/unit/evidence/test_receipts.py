"""Receipts: signed, chained, of the published schema; what was done to them is found and named."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.audit.checkpoint import Keys, Signer
from mcpguard.audit.key import SIGNING_KEY, load_or_create_key
from mcpguard.cli import main
from mcpguard.errors import AuditError, UnreachableError
from mcpguard.evidence.leaving import Leaving, kind_of
from mcpguard.evidence.receipt import (
    GENESIS,
    MAX_LINE,
    Draft,
    Head,
    Report,
    digest_of,
    examine,
    faults,
    line_of,
    read_head,
    read_line,
    schema_text,
    whole,
)
from mcpguard.evidence.receiptlog import HEAD, LOG, append, head_of, known_keys, lines_of, ready
from mcpguard.model import Json, JsonObject

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEY = "ghp_" + "aZ3kQ9xW7mB2nV5tR8yU1pL6sD4fG0hJcEoI"
FACTS: list[tuple[str, int, JsonObject]] = [
    ("lock", 0, {"lockfile": {"path": "mcp-lock.json", "sha256": "sha256:" + "0" * 64}}),
    ("check", 1, {"server": "files", "drift": {"critical": 1, "moderate": 0, "info": 2}}),
    ("run", 2, {"policy": {"preset": "baseline", "mode": "enforce"}}),
    ("trust block", 0, {"trust": {"kind": "tool", "name": "write"}}),
]


def left(home: Path, command: str = "check", code: int = 0, **facts: Json) -> JsonObject:
    draft = Draft(command, NOON)
    draft.facts = facts
    at = NOON + timedelta(seconds=2)
    return append(home, draft, draft.ended(code, at), at)


def filled(home: Path) -> Path:
    """The log of a data directory with five receipts: the key's, and `FACTS`."""
    for command, code, facts in FACTS:
        left(home, command, code, **facts)
    return home / LOG


def examined(path: Path, keys: Keys | None = None, known: tuple[int, str] | None = None) -> Report:
    lines, _ = lines_of(path)
    chosen = known_keys(path.parent) if keys is None else keys
    return examine(lines, chosen, head_of(path.parent), known)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return filled(tmp_path / "data")


# --- what is written -----------------------------------------------------------------------------


@pytest.mark.guarantee("evidence:receipts-chained")
def test_each_receipt_is_signed_and_names_the_one_before(log: Path) -> None:
    lines, torn = lines_of(log)
    receipts = [read_line(line) or {} for line in lines]
    assert [each["command"] for each in receipts] == ["audit key", *(each[0] for each in FACTS)]
    assert [each["previous"] for each in receipts] == [GENESIS, *map(digest_of, lines[:-1])]
    report = examined(log)
    assert (report.problems, torn, len(report.receipts)) == ((), 0, 5)
    assert report.head == f"5:{digest_of(lines[-1])}"
    nobody = {each.what for each in examined(log, keys={}).problems}
    assert nobody == {"changed", "forged"}


def test_every_receipt_is_of_the_published_schema(log: Path) -> None:
    schema = orjson.loads(schema_text())
    validator = jsonschema_rs.validator_for(schema)
    for receipt in examined(log).receipts:
        assert [*validator.iter_errors(receipt)] == []
    assert set(schema["required"]) <= set(schema["properties"])


@pytest.mark.parametrize(
    ("code", "status", "word"),
    [
        (0, "", "pass"),
        (1, "", "fail"),
        (2, "", "error"),
        (70, "", "error"),
        (130, "", "interrupted"),
        (143, "", "interrupted"),
        (1, "pass", "pass"),
        (77, "fail", "fail"),
    ],
)
def test_the_result_says_how_it_ended(code: int, status: str, word: str) -> None:
    body = Draft("run", NOON).ended(code, NOON, error="launch", status=status)
    assert body["result"] == {"status": word, "exit_code": code, "error": "launch"}


def test_an_error_is_named_by_its_kind_for_its_text_may_quote_anything(tmp_path: Path) -> None:
    leaving = Leaving("check", lambda: tmp_path, lambda: 5.0)
    error = UnreachableError(f"it said {KEY}", hint=KEY)
    assert leaving.left(2, error=error) is None
    assert leaving.left(0) is None  # once
    lines, _ = lines_of(tmp_path / LOG)
    assert KEY.encode() not in b"".join(lines)
    assert (read_line(lines[-1]) or {})["result"] == {
        "error": "unreachable",
        "exit_code": 2,
        "status": "error",
    }
    assert (len(lines), kind_of(error)) == (2, "unreachable")


@pytest.mark.guarantee("evidence:receipts-without-secrets")
@given(st.text(max_size=30), st.sampled_from(["", "x" * 600, "\ud800", "\x00\n"]))
def test_texts_are_short_and_hold_no_credential(before: str, after: str) -> None:
    draft = Draft("lock", NOON)
    draft.facts = {
        "server": f"{before} {KEY} {after}",
        "lockfile": {"path": f"/{before}/{KEY}", "sha256": None},
        "trust": {"fields": ["a"] * 100},
    }
    body = draft.ended(0, NOON)
    text = line_of(body)
    assert KEY.encode() not in text
    signed = {**body, "seq": 1, "previous": GENESIS, "signer": "", "signature": ""}
    assert set(faults(signed)) == {"/signer", "/signature"}
    assert len(text) < MAX_LINE


def test_the_largest_receipt_still_fits_a_line() -> None:
    draft = Draft("policy test", NOON)
    text = "\U0001f600" * 600
    hit: JsonObject = {"name": text, "decision": text, "calls": 1, "control_refs": ["MCP01"] * 16}
    file: JsonObject = {"path": text, "sha256": None}
    draft.facts = {"policy": {"rules_hit": [hit] * 99, "files": [file] * 99}}
    body = draft.ended(1, NOON)
    assert MAX_LINE > len(line_of(body)) > MAX_LINE // 2
    signed = {**body, "seq": 1, "previous": GENESIS, "signer": "", "signature": ""}
    assert set(faults(signed)) == {"/signer", "/signature"}


def test_what_follows_a_very_long_receipt_is_chained_to_it(log: Path) -> None:
    rows: list[Json] = ["\U0001f600" * 500] * 60
    left(log.parent, "trust policy", 0, trust={"kind": "tool", "name": "x", "fields": rows})
    left(log.parent)
    assert (examined(log).problems, len(examined(log).receipts)) == ((), 7)


def test_another_key_is_told_of_in_a_receipt_of_its_own(log: Path) -> None:
    (log.parent / SIGNING_KEY).unlink()
    left(log.parent)
    report = examined(log)
    assert report.problems == ()
    assert [each["command"] for each in report.receipts[-2:]] == ["audit key", "check"]
    before, now = report.receipts[0]["signer"], report.receipts[-1]["signer"]
    assert report.receipts[-2]["key"] == {"name": "audit", "id": now, "before": before}
    assert before != now


def test_commands_at_once_share_one_chain(log: Path) -> None:
    children = []
    for _ in range(4):
        child = os.fork()
        if not child:
            for _ in range(5):
                left(log.parent)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert (examined(log).problems, len(examined(log).receipts)) == ((), 25)


# --- what is done to it --------------------------------------------------------------------------

Lines = list[bytes]


def swapped(lines: Lines) -> Lines:
    return [lines[0], lines[2], lines[1], *lines[3:]]


@pytest.mark.parametrize("seq", [9, 10**6, 2**53 - 1])
def test_a_number_that_a_receipt_claims_costs_no_time(log: Path, seq: int) -> None:
    """Who has a key that counts chooses the number: only what the file holds is gone through."""
    signer = Signer(load_or_create_key(log.parent / SIGNING_KEY, "key that signs"), log.parent)
    last = read_line(lines_of(log)[0][-1]) or {}
    signer.named()
    body = {key: last[key] for key in last if key != "signature"}
    far = line_of(whole(body, seq, "sha256:" + "0" * 64, signer.key, signer.over))
    report = examine([*lines_of(log)[0], far], known_keys(log.parent), None)
    told = [(each.line, each.what, each.message) for each in report.problems if each.line]
    assert told == [(6, "removed", f"removed: receipts 6 to {seq - 1} before this line")]


TAMPERED: dict[str, tuple[Callable[[Lines], Lines], list[tuple[int, str, str]]]] = {
    "a no made a yes": (
        lambda x: [*x[:2], x[2].replace(b'"fail"', b'"pass"'), *x[3:]],
        [(3, "changed", "receipt 3: its signature is not of what it says")],
    ),
    "white space": (
        lambda x: [x[0], b" " + x[1], *x[2:]],
        [(2, "changed", "receipt 2: it is not what is written of a receipt")],
    ),
    "no text": (lambda x: [*x[:4], b"\xff\n"], [(0, "truncated", "receipt 5"), (5, "changed", "")]),
    "another's signature": (
        lambda x: [
            *x[:3],
            line_of({**(read_line(x[3]) or {}), "signature": (read_line(x[2]) or {})["signature"]}),
            x[4],
        ],
        [(4, "changed", "receipt 4")],
    ),
    "removed": (lambda x: [*x[:2], *x[3:]], [(3, "removed", "receipt 3 before this line")]),
    "removed two": (lambda x: [x[0], *x[3:]], [(2, "removed", "receipts 2 to 3")]),
    "removed first": (lambda x: x[1:], [(1, "removed", "receipt 1")]),
    "cut off": (lambda x: x[:-2], [(0, "truncated", "receipts 4 to 5 cut off the end")]),
    "all cut off": (lambda _: [], [(0, "truncated", "receipts 1 to 5")]),
    "moved": (swapped, [(3, "reordered", "receipt 2 stands here")]),
    "moved to the end": (
        lambda x: [x[0], *x[2:], x[1]],
        [(5, "reordered", "receipt 2 stands here")],
    ),
    "twice": (lambda x: [*x[:3], x[1], *x[3:]], [(4, "repeated", "receipt 2 stands here")]),
    "put in": (
        lambda x: [*x[:2], x[1].replace(b'"pass"', b'"fail"'), *x[2:]],
        [(3, "changed", "a line between two receipts")],
    ),
    "removed, another moved into the gap's place": (
        lambda x: [x[0], x[4], x[2]],
        [(2, "removed", "receipts 2 to 4 before"), (3, "reordered", "receipt 3 stands here")],
    ),
    "removed beside one that was moved": (
        lambda x: [x[0], x[4], x[3], x[1]],
        [
            (2, "removed", "receipt 3 before this line"),
            (3, "reordered", "receipt 4 stands here"),
            (4, "reordered", "receipt 2 stands here"),
        ],
    ),
    "removed and changed": (
        lambda x: [x[0], x[2].replace(b'"fail"', b'"pass"'), x[4]],
        [(2, "changed", "receipt 2"), (3, "removed", "receipts 3 to 4")],
    ),
}


@pytest.mark.guarantee("evidence:receipts-tamper")
@pytest.mark.parametrize(("tamper", "found"), TAMPERED.values(), ids=TAMPERED)
def test_what_was_done_to_the_log_is_found_and_named(
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tamper: Callable[[Lines], Lines],
    found: list[tuple[int, str, str]],
) -> None:
    log.write_bytes(b"".join(tamper(lines_of(log)[0])))
    problems = examined(log).problems
    assert [(each.line, each.what) for each in problems] == [each[:2] for each in found]
    for problem, (_, what, said) in zip(problems, found, strict=True):
        assert problem.message.startswith(f"{what}: ")
        assert said in problem.message
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(log.parent))
    assert main(["receipt", "verify"]) == 1
    assert problems[0].message in capsys.readouterr().out


def test_a_chain_that_another_log_goes_on_with_is_forked(log: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    (other / SIGNING_KEY).write_bytes((log.parent / SIGNING_KEY).read_bytes())
    (other / SIGNING_KEY).chmod(0o600)
    there, here = lines_of(filled(other))[0], lines_of(log)[0]
    log.write_bytes(b"".join([*here[:3], *there[3:]]))
    (log.parent / HEAD).write_bytes((other / HEAD).read_bytes())
    (problem,) = examined(log).problems
    assert problem == (4, "forked", "forked: receipt 4 follows another receipt 3")


HEADS: dict[str, tuple[Callable[[bytes], bytes | None], str]] = {
    "gone": (lambda _: None, "headless"),
    "no head": (lambda _: b"{}", "headless"),
    "another number": (lambda head: head.replace(b'"seq":5', b'"seq":4'), "forged"),
    "another key": (lambda head: head.replace(b'"ed25519:', b'"ed25519:0'), "forged"),
}


@pytest.mark.guarantee("evidence:receipts-tamper")
@pytest.mark.parametrize(("change", "what"), HEADS.values(), ids=HEADS)
def test_a_head_that_is_not_the_logs_is_found(
    log: Path, change: Callable[[bytes], bytes | None], what: str
) -> None:
    path = log.parent / HEAD
    head = change(path.read_bytes())
    path.unlink()
    if head is not None:
        path.write_bytes(head)
    assert [each.what for each in examined(log).problems] == [what]


def test_a_log_and_head_that_were_put_back_show_by_a_head_that_was_kept_elsewhere(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old, head = log.read_bytes(), (log.parent / HEAD).read_bytes()
    left(log.parent, "approver add", 0, key={"name": "mallory"})
    kept = examined(log).head
    log.write_bytes(old)
    (log.parent / HEAD).write_bytes(head)
    assert examined(log).problems == ()  # from here on nothing shows it
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(log.parent))
    assert main(["receipt", "verify", "--known", kept]) == 1
    assert "truncated: receipt 6 cut off the end" in capsys.readouterr().out
    assert main(["receipt", "verify", "--known", "5:sha256:0"]) == 1
    assert main(["receipt", "verify", "--known", "five"]) == 2


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_no_changed_byte_passes(number: int, flip: int) -> None:
    assert CHANGED is not None
    text, keys, head = CHANGED
    at = number % len(text)
    made = bytes([*text[:at], text[at] ^ flip, *text[at + 1 :]])
    lines = made[: made.rfind(b"\n") + 1].splitlines(keepends=True)
    assert examine(lines, keys, head).problems != ()


CHANGED: tuple[bytes, Keys, Head | None] | None = None


@pytest.fixture(autouse=True, scope="module")
def _changed(tmp_path_factory: pytest.TempPathFactory) -> None:
    global CHANGED  # noqa: PLW0603 - a property cannot take a fixture of one test
    log = filled(tmp_path_factory.mktemp("changed"))
    CHANGED = log.read_bytes(), known_keys(log.parent), head_of(log.parent)


# --- what cannot be written ----------------------------------------------------------------------


def cut_last(log: Path) -> None:
    log.write_bytes(b"".join(lines_of(log)[0][:-1]))


def another_last(log: Path) -> None:
    log.write_bytes(log.read_bytes() + b"{}\n")


def open_to_others(log: Path) -> None:
    log.chmod(0o644)


def headless(log: Path) -> None:
    (log.parent / HEAD).unlink()


def a_link(log: Path) -> None:
    log.rename(log.with_name("elsewhere"))
    log.symlink_to(log.with_name("elsewhere"))


def a_folder(log: Path) -> None:
    log.unlink()
    log.mkdir()


def a_pipe(log: Path) -> None:
    log.unlink()
    os.mkfifo(log, 0o600)


def a_short_key(log: Path) -> None:
    (log.parent / SIGNING_KEY).write_bytes(b"short")


@pytest.mark.parametrize(
    "damage",
    [cut_last, another_last, open_to_others, headless, a_link, a_folder, a_pipe, a_short_key],
)
def test_nothing_is_written_behind_what_is_not_the_end(
    log: Path, damage: Callable[[Path], None]
) -> None:
    damage(log)
    before = log.read_bytes() if log.is_file() else b""
    with pytest.raises(AuditError):
        ready(log.parent)
    with pytest.raises(AuditError):
        left(log.parent)
    assert (log.read_bytes() if log.is_file() else b"") == before


@pytest.mark.parametrize("room", [0, 300])
def test_what_there_is_no_room_for_is_not_written_in_part(log: Path, room: int) -> None:
    import resource

    before = log.read_bytes()
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + room, len(before) + room))
        code = 1
        try:
            left(log.parent)
        except AuditError:
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert log.read_bytes() == before
    left(log.parent)
    assert (examined(log).problems, len(examined(log).receipts)) == ((), 6)


def test_a_receipt_of_which_the_head_cannot_be_told_is_taken_back(log: Path) -> None:
    before = log.read_bytes()
    (log.parent / f".{HEAD}.{os.getpid()}").mkdir()
    with pytest.raises(AuditError):
        left(log.parent)
    assert (log.read_bytes(), examined(log).problems) == (before, ())


def test_a_pipe_in_its_place_is_refused_not_waited_for(log: Path) -> None:
    a_pipe(log)
    with pytest.raises(AuditError, match="not a regular file"):
        lines_of(log)


@pytest.mark.parametrize("torn", [b"{", b'{"seq":6,"previous":"sha', b"\0" * 40])
def test_what_a_killed_command_left_is_taken_off_by_the_next(log: Path, torn: bytes) -> None:
    with log.open("ab") as file:
        file.write(torn)
    assert (examined(log).problems, lines_of(log)[1]) == ((), len(torn))
    left(log.parent)
    assert (examined(log).problems, len(examined(log).receipts)) == ((), 6)


def test_a_command_killed_before_it_told_the_head_left_a_sound_log(log: Path) -> None:
    head = (log.parent / HEAD).read_bytes()
    left(log.parent)
    (log.parent / HEAD).write_bytes(head)
    assert examined(log).problems == ()
    left(log.parent)
    assert (examined(log).problems, len(examined(log).receipts)) == ((), 7)


def test_a_lock_that_nobody_lets_go_is_waited_for_and_named(log: Path) -> None:
    import fcntl

    with log.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(AuditError, match="another process has held it"):
            ready(log.parent, patience=0.02)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"seq":true}', b'{"seq":1,"hash":2}'])
def test_no_head_is_read_from_what_is_none(data: bytes) -> None:
    assert read_head(data) is None


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"[]\n", b"{}\n", b'{"previous":"","seq":0}\n', b'{"previous":"","seq":true}\n'],
)
def test_no_receipt_is_read_from_what_is_none(line: bytes) -> None:
    assert read_line(line) is None


def test_the_schema_refuses_what_does_not_belong_there(log: Path) -> None:
    receipt: dict[str, Any] = dict(examined(log).receipts[1])
    assert faults(receipt) == []
    wrong: list[JsonObject] = [
        {"env": "x"},
        {"args": []},
        {"command": "format"},
        {"previous": "x"},
        {"lockfile": {"path": "x", "sha256": "x"}},
        {"server": "x" * 513},
        {"result": {"status": "pass", "exit_code": 0, "error": "It said no"}},
    ]
    assert [bool(faults({**receipt, **each})) for each in wrong] == [True] * len(wrong)
