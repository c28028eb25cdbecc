import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.audit import AuditLog
from mcpguard.audit.fastpath import LONG_ARGS
from mcpguard.audit.logfile import CHECKED
from mcpguard.audit.record import link, seal
from mcpguard.audit.verify import read, verify
from mcpguard.errors import AuditError
from mcpguard.model import MAX_SEQ, JsonObject
from tests.unit.audit.logs import CALL, KEY, opened, ticking, write, written


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "audit.jsonl"


def records(path: Path) -> list[JsonObject]:
    return list(read(path))


@pytest.mark.guarantee("audit:private-file")
def test_the_log_and_its_directory_are_private(path: Path) -> None:
    opened(path).close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_session_begins_and_ends_with_records_of_its_own(path: Path) -> None:
    written(path, 2)
    start, *calls, end = records(path)
    assert (start["event"], start["lock"], start["seq"]) == ("session.start", "sha256:00", 1)
    assert [call["target"] for call in calls] == ["tool-s1-0", "tool-s1-1"]
    assert {call["mode"] for call in calls} == {"enforce"}
    assert (end["event"], end["records"], end["decisions"]) == ("session.end", 4, {"allow": 2})


@pytest.mark.guarantee("audit:written-before-sent")
def test_what_was_written_is_in_the_file_at_once(path: Path) -> None:
    log = opened(path)
    assert len(records(path)) == 1
    write(log, CALL)
    assert [record.get("decision") for record in records(path)] == [None, "allow"]
    log.close()


@pytest.mark.guarantee("audit:states-the-score")
def test_a_log_knows_its_last_number_and_states_what_it_is_told(path: Path) -> None:
    log = opened(path)
    assert log.seq == 1
    write(log, CALL, CALL)
    log.restate(2, 310)
    write(log, CALL)
    assert log.seq == 4
    log.close()
    stated = [(one["level"], one["score"]) for one in read(path) if "event" not in one]
    assert stated == [(1, 500), (1, 500), (2, 310)]


def test_writing_no_record_writes_nothing(path: Path) -> None:
    log = opened(path)
    size = path.stat().st_size
    write(log)
    assert path.stat().st_size == size
    log.close()


@pytest.mark.guarantee("audit:one-chain-across-sessions")
def test_a_new_session_chains_onto_the_last_line_of_the_one_before(path: Path) -> None:
    for session in ("one", "two", "three"):
        written(path, 3, session)
    report = verify(path)
    assert report.intact
    assert (report.records, report.sessions, report.unclosed) == (15, 3, ())
    assert [record["seq"] for record in records(path)] == list(range(1, 16))


@pytest.mark.guarantee("audit:clock-orders-nothing")
def test_a_clock_that_goes_back_or_stands_still_breaks_nothing(path: Path) -> None:
    for session, step in (("back", -3600.0), ("still", 0.0)):
        log = opened(path, session, ticking(step=step))
        for _ in range(5):
            write(log, CALL)
        log.close()
    assert verify(path).intact
    assert [record["seq"] for record in records(path)] == list(range(1, 15))


@pytest.mark.guarantee("audit:one-writer")
def test_a_second_session_at_the_same_time_takes_a_sibling(path: Path) -> None:
    first, second, third = (opened(path, name) for name in ("a", "b", "c"))
    assert [log.path.name for log in (first, second, third)] == [
        "audit.jsonl",
        "audit.1.jsonl",
        "audit.2.jsonl",
    ]
    assert records(second.path)[0]["skipped"] == [
        {"file": "audit.jsonl", "why": "held by another process"}
    ]
    for log in (first, second, third):
        write(log, CALL)
        log.close()
        assert verify(log.path).intact
    again = opened(path, "d")
    assert again.path == path
    again.close()


@pytest.mark.parametrize(
    "end", [b"nonsense\n", b"{}\n", b'{"seq":1,"hash":"00"}\n', b"x" * 3_000_000]
)
def test_a_log_whose_end_is_no_record_is_left_alone_and_a_sibling_taken(
    path: Path, end: bytes
) -> None:
    written(path, 2)
    with path.open("ab") as file:
        file.write(end)
    before = path.read_bytes()
    log = opened(path)
    log.close()
    assert log.path.name == "audit.1.jsonl"
    assert path.read_bytes() == before
    assert "damaged" in str(records(log.path)[0]["skipped"])
    assert log.origin.damaged.startswith("audit.jsonl: damaged: its ")


@pytest.mark.parametrize("seq", [0, -5, True, 10**11, MAX_SEQ, 2**53, 2**63, 2**64 - 1])
def test_nothing_goes_on_from_a_sealed_line_whose_number_no_log_reaches(
    path: Path, seq: int
) -> None:
    *_, last = written(path, 2)
    body = json.dumps({"v": 1, "seq": seq, "session": "s"})[:-1].encode()
    line = seal(body, link(bytes.fromhex(last[-67:-3].decode()), body))
    with path.open("ab") as file:
        file.write(line)
    log = opened(path)
    log.close()
    assert (log.path.name, records(log.path)[0]["seq"]) == ("audit.1.jsonl", 1)
    assert log.origin.damaged == "audit.jsonl: damaged: its last line is not a record"
    [problem] = verify(path).problems
    assert problem.what == "inserted"


@pytest.mark.parametrize("seq", [MAX_SEQ + 1, 2**53 - 1, 2**64 - 1])
def test_a_log_that_says_it_goes_on_from_where_no_log_reaches_is_read_as_any_other(
    path: Path, seq: int
) -> None:
    told = {"v": 1, "seq": seq, "event": "audit.continue", "previous": "00" * 32}
    body = json.dumps(told)[:-1].encode()
    path.parent.mkdir()
    path.write_bytes(seal(body, link(bytes(32), body)))
    report = verify(path)
    assert (report.start, [each.what for each in report.problems]) == (0, ["changed"])


@pytest.mark.parametrize(
    ("old", "new", "altered"),
    [
        (b"", b"", False),
        (b'"seq":2', b'"seq":7', True),
        (b'"server":"', b'"server":"x', True),
        (b',"hash":"', b',"hash":"zz', True),
    ],
)
def test_a_log_that_was_changed_is_gone_on_in_and_known(
    path: Path, old: bytes, new: bytes, altered: bool
) -> None:
    written(path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    changed = lines[1].replace(old, new)
    path.write_bytes(lines[0] + changed + b"".join(lines[2:]))
    log = opened(path, "later")
    log.close()
    assert (log.path, log.origin.altered, log.origin.damaged) == (path, altered, "")


def test_a_long_log_that_nobody_changed_is_none_that_was_changed(path: Path) -> None:
    size = len(written(path, 600)[-1])
    whole = path.read_bytes()
    assert len(whole) > CHECKED
    for more in range(size):  # so that the look at its end begins at each byte of a line
        path.write_bytes(whole)
        log = opened(path, "more")
        write(log, {**CALL, "target": "x" * more})
        log.close()
        log = opened(path, "later")
        log.close()
        assert (more, log.path, log.origin.altered) == (more, path, False)


@pytest.mark.guarantee("audit:torn-tail-marked")
def test_a_torn_tail_is_taken_off_and_written_into_the_next_opening_record(path: Path) -> None:
    lines = written(path, 3)
    torn = b'{"v":1,"seq":6,"session":"s1","ts":"20'
    path.write_bytes(b"".join(lines) + torn)
    assert verify(path).torn
    opened(path, "s2").close()
    start = records(path)[5]
    assert (start["event"], start["seq"]) == ("session.start", 6)
    assert (start["torn"], start["torn_text"]) == (len(torn), torn.decode())
    assert verify(path).intact
    assert not verify(path).torn


def directory(path: Path) -> None:
    path.mkdir(parents=True)


def pipe(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)


def under_a_file(path: Path) -> None:
    path.parent.write_bytes(b"")


@pytest.mark.parametrize("make", [directory, pipe, under_a_file])
def test_what_is_not_a_regular_file_is_refused_with_a_hint(
    path: Path, make: Callable[[Path], None]
) -> None:
    make(path)
    with pytest.raises(AuditError) as caught:
        opened(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_a_log_that_others_locked_sixty_four_times_is_refused(path: Path) -> None:
    logs = [opened(path) for _ in range(64)]
    with pytest.raises(AuditError, match="in use"):
        opened(path)
    for log in logs:
        log.close()


@pytest.mark.guarantee("audit:arguments-keyed")
@pytest.mark.parametrize(
    ("length", "kind"),
    [
        (22, "blake2b-keyed:"),
        (LONG_ARGS, "blake2b-keyed:"),
        (LONG_ARGS + 1, "blake2b-keyed-sha256:"),
    ],
)
def test_arguments_are_written_only_as_a_keyed_digest(path: Path, length: int, kind: str) -> None:
    secret = b'{"password":"hunter2"}'.rjust(length)
    log = opened(path)
    digest = log.args_digest(secret)
    log.write([(CALL, secret), ({**CALL, "args_digest": digest}, b"")])
    log.close()
    assert digest[:-64] == kind
    for told in (secret, hashlib.sha256(secret).digest()):
        assert digest[-64:] != hashlib.blake2b(told, digest_size=32).hexdigest()
        assert digest[-64:] != hashlib.blake2b(told, digest_size=32, key=KEY).hexdigest()
    assert [record.get("args_digest") for record in records(path)[1:3]] == [digest, digest]
    assert b"hunter2" not in path.read_bytes()
    assert "args" not in records(path)[1]


def test_arguments_that_nobody_encoded_are_not_written_either(path: Path) -> None:
    log = opened(path)
    with pytest.raises(ValueError, match="args"):
        write(log, CALL, {"args": "hunter2"})
    log.write([({"detail": b"hunter2"}, b"")])
    log.close()
    assert b"hunter2" not in path.read_bytes()
    assert records(path)[1]["detail"] == "bytes not recorded"
    assert records(path)[2]["decisions"] == {}
    assert verify(path).records == 3


@pytest.mark.guarantee("audit:arguments-keyed")
def test_another_install_gives_the_same_arguments_another_digest(tmp_path: Path) -> None:
    digests = []
    for number, key in enumerate((KEY, KEY, bytes(32))):
        log = AuditLog.open(
            tmp_path / f"{number}.jsonl",
            key=key,
            session="s",
            server="x",
            principal="p",
            clock=ticking(),
        )
        digests.append(log.args_digest(b"{}"))
        log.close()
    assert digests[0] == digests[1] != digests[2]


def test_closing_twice_is_closing_once_and_a_closed_log_takes_nothing(path: Path) -> None:
    log = opened(path)
    log.close()
    log.close()
    with pytest.raises(AuditError, match="closed"):
        write(log, CALL)
    assert [record["event"] for record in records(path)] == ["session.start", "session.end"]


def test_strict_and_grouped_durability_write_the_same_lines(tmp_path: Path) -> None:
    texts = []
    for durability in ("none", "grouped", "strict"):
        path = tmp_path / f"{durability}.jsonl"
        log = opened(path, durability=durability)
        for _ in range(600):
            write(log, CALL)
        log.close()
        texts.append(path.read_bytes())
    assert texts[0] == texts[1] == texts[2]


batches = st.lists(
    st.lists(st.dictionaries(st.text(max_size=5), st.text()), max_size=5), max_size=5
)


@given(batches)
def test_any_records_in_any_batches_are_an_intact_log(
    tmp_path_factory: pytest.TempPathFactory, given_: list[list[JsonObject]]
) -> None:
    path = tmp_path_factory.mktemp("log") / "audit.jsonl"
    log = opened(path)
    for batch in given_:
        write(log, *({f"x{key}": each for key, each in fields.items()} for fields in batch))
    log.close()
    report = verify(path)
    assert report.intact
    assert report.records == 2 + sum(map(len, given_))
