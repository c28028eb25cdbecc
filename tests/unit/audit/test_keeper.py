from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from mcpguard.audit.checkpoint import CHECKPOINT, CONTINUED, SET_ASIDE, load_public, read_checkpoint
from mcpguard.audit.keeper import CHECKPOINT_RECORDS, CHECKPOINT_SECONDS, Rotation
from mcpguard.audit.logfile import earlier_parts
from mcpguard.audit.merkle import Tree
from mcpguard.audit.record import GENESIS, SEAL_LENGTH, link, seal
from mcpguard.audit.verify import VerifyReport, parts_of, read, verify
from mcpguard.errors import AuditError
from mcpguard.model import JsonObject
from tests.unit.audit.logs import CALL, NOON, keep, kept, opened, sign, signed, write, written


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "audit.jsonl"


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def public(path: Path) -> dict[str, bytes]:
    (file,) = path.parent.glob("*.pub")
    return dict([load_public(file)])


def whole(path: Path) -> list[VerifyReport]:
    """Every part verified, each going on from the one before, with the key."""
    reports: list[VerifyReport] = []
    for part in parts_of(path):
        seam = reports[-1].seam if reports else None
        reports.append(verify(part, keys=public(path), seam=seam))
    return reports


def events(path: Path) -> list[str]:
    return [str(record.get("event", "call")) for record in read(path)]


@pytest.mark.guarantee("audit:signed-checkpoints")
def test_the_end_of_a_session_is_signed_with_everything_before_it(path: Path) -> None:
    lines = signed(path, 3)
    last = orjson.loads(lines[-1])
    assert (last["event"], last["size"], last["seq"]) == (CHECKPOINT, 5, 6)
    tree = Tree()
    tree.extend(b"".join(bytes.fromhex(orjson.loads(line)["hash"]) for line in lines[:-1]))
    assert last["root"] == tree.root.hex()
    found = read_checkpoint(last)
    assert found is not None
    assert found.signed_by(public(path))
    (report,) = whole(path)
    assert (report.intact, report.checkpoints, report.signed) == (True, 1, 5)
    assert report.signer == found.key


def test_a_key_and_its_public_half_are_this_users_alone(path: Path) -> None:
    signed(path)
    (file,) = path.parent.glob("audit-ed25519-*.pub")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes().startswith(b"-----BEGIN PUBLIC KEY-----\n")


@pytest.mark.guarantee("audit:signed-checkpoints")
def test_one_is_due_after_so_many_seconds_or_records_and_not_without_records(path: Path) -> None:
    clock = Clock()
    log, keeper = kept(path, clock=clock)
    assert keeper.due()  # what was there is read
    keep(keeper)
    assert not keeper.due()
    assert events(path) == ["session.start"]
    clock.now += CHECKPOINT_SECONDS
    keep(keeper)
    assert events(path) == ["session.start", CHECKPOINT]
    clock.now += 10 * CHECKPOINT_SECONDS
    assert not keeper.due()
    write(log, CALL)
    keep(keeper)
    assert events(path)[2:] == ["call", CHECKPOINT]
    write(log, *[CALL] * (CHECKPOINT_RECORDS - 1))
    assert not keeper.due()
    write(log, CALL)
    assert keeper.due()
    keep(keeper)
    clock.now -= 1
    write(log, CALL)
    assert keeper.due()  # a clock that went back
    log.close(keeper.last)
    (report,) = whole(path)
    assert (report.intact, report.checkpoints) == (True, 4)
    assert report.signed == report.records - 1


@pytest.mark.guarantee("audit:one-chain-across-sessions")
@pytest.mark.parametrize("before", [0, 1, 7, 3000, "unsigned", "long and unsigned", "killed"])
def test_a_later_session_signs_what_earlier_ones_left(path: Path, before: int | str) -> None:
    match before:
        case int():
            signed(path, before, "one")
        case "unsigned":
            written(path, 600, "one")
        case "long and unsigned":
            written(path, 3000, "one")
        case _:
            log, keeper = kept(path, "one")
            sign(keeper)
            write(log, CALL, CALL)
            log.close()
    log, keeper = kept(path, "two")
    keep(keeper)
    write(log, CALL)
    log.close(keeper.last)
    assert keeper.failure == ""
    (report,) = whole(path)
    assert report.intact
    assert report.signed == report.records - 1


@pytest.mark.parametrize("harm", [b"\xff\n", b"[\n", b"{}\n", b'["event":"audit.c"]\n'])
def test_a_log_that_was_damaged_before_is_not_signed_and_goes_on(path: Path, harm: bytes) -> None:
    lines = written(path, 1500)
    path.write_bytes(harm + b"".join(lines))
    log, keeper = kept(path, "two")
    sign(keeper)
    assert str(path) in keeper.failure
    write(log, CALL)
    log.close(keeper.last)
    assert orjson.loads(path.read_bytes().splitlines()[-1])["event"] == "session.end"


def test_a_session_too_short_to_read_a_long_log_says_so_and_the_next_one_signs(path: Path) -> None:
    written(path, 3000, "one")
    log, keeper = kept(path, "two")
    log.close(keeper.last)
    assert "too short" in keeper.failure
    assert events(path)[-1] == "session.end"


@pytest.mark.parametrize(
    "harm",
    [
        lambda key: key.write_bytes(b"nothing"),
        lambda key: key.mkdir(),
        lambda key: key.symlink_to(key.parent / "audit.jsonl"),
    ],
)
def test_a_public_key_that_cannot_be_published_is_told_and_nothing_else_is_lost(
    path: Path, harm: Callable[[Path], None]
) -> None:
    signed(path, 2)
    (file,) = path.parent.glob("*.pub")
    file.unlink()
    harm(file)
    log, keeper = kept(path, "two")
    sign(keeper)
    assert str(file) in keeper.failure
    assert not keeper.due()
    write(log, CALL)
    log.close(keeper.last)
    assert verify(path).intact
    assert events(path)[-1] == "session.end"


def rotated(path: Path, times: int, keep_parts: int = 0) -> None:
    clock = Clock()
    log, keeper = kept(path, clock=clock, rotation=Rotation(age=100, keep=keep_parts))
    keep(keeper)
    for _ in range(times):
        write(log, CALL, CALL)
        clock.now += 100
        keep(keeper)
    write(log, CALL)
    log.close(keeper.last)
    assert keeper.failure == ""


@pytest.mark.guarantee("audit:one-chain-across-files")
def test_a_log_that_is_set_aside_goes_on_in_a_new_file_of_the_same_chain(path: Path) -> None:
    rotated(path, 3)
    parts = earlier_parts(path)
    assert [part.name for part in parts] == [
        "audit~000000000005.jsonl",
        "audit~000000000010.jsonl",
        "audit~000000000015.jsonl",
    ]
    assert events(parts[0]) == ["session.start", "call", "call", CHECKPOINT, SET_ASIDE]
    assert events(parts[1]) == [CONTINUED, "call", "call", CHECKPOINT, SET_ASIDE]
    assert events(path) == [CONTINUED, "call", "session.end", CHECKPOINT]
    assert list(read(path))[-2]["decisions"] == {"allow": 7}
    seqs = [record["seq"] for part in parts_of(path) for record in read(part)]
    assert seqs == list(range(1, 20))
    reports = whole(path)
    assert all(report.intact for report in reports)
    assert [report.start for report in reports] == [0, 5, 10, 15]
    assert reports[-1].signed == 18
    assert {part.stat().st_mode & 0o777 for part in parts_of(path)} == {0o600}


@pytest.mark.guarantee("audit:one-chain-across-files")
def test_a_later_part_is_verified_alone_by_what_it_says_of_the_earlier_ones(path: Path) -> None:
    rotated(path, 2)
    alone = verify(path, keys=public(path))
    assert (alone.intact, alone.start, alone.rooted, alone.signed) == (True, 10, True, 13)


@pytest.mark.guarantee("audit:one-chain-across-files")
@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_part_that_is_gone_or_changed_shows_at_the_next(path: Path, gone: int) -> None:
    rotated(path, 3)
    part = earlier_parts(path)[gone]
    data = part.read_bytes()
    part.unlink()
    found = [(at, p.what) for at, report in enumerate(whole(path)) for p in report.problems]
    assert found == ([] if gone == 0 else [(gone, "removed")])
    part.write_bytes(data[: data.rindex(b"\n", 0, -1) + 1])
    found = [(at, p.what) for at, report in enumerate(whole(path)) for p in report.problems]
    assert found == [(gone + 1, "removed")]


@pytest.mark.guarantee("audit:one-chain-across-files")
def test_only_so_many_parts_are_kept_and_the_rest_is_still_signed(path: Path) -> None:
    rotated(path, 5, keep_parts=2)
    assert len(earlier_parts(path)) == 2
    reports = whole(path)
    assert all(report.intact and report.rooted for report in reports)
    assert (reports[0].start, reports[-1].signed) == (15, 28)
    log, keeper = kept(path, "two")
    log.close(keeper.last)
    assert keeper.failure == ""
    assert whole(path)[-1].signed == 31


def test_size_sets_aside_too(path: Path) -> None:
    log, keeper = kept(path, rotation=Rotation(size=10_000))
    for _ in range(100):
        write(log, CALL)
        keep(keeper)
    log.close(keeper.last)
    sizes = [part.stat().st_size for part in earlier_parts(path)]
    assert len(sizes) >= 3
    assert all(10_000 <= size < 13_000 for size in sizes)
    assert all(report.intact for report in whole(path))


def test_the_age_of_a_file_counts_from_its_first_record(path: Path) -> None:
    clock = Clock()
    opened(path, clock=clock).close()
    clock.now += 50
    log, keeper = kept(path, "two", clock=clock, rotation=Rotation(age=60))
    keep(keeper)
    assert not keeper.due()
    clock.now += 10
    keep(keeper)
    assert len(earlier_parts(path)) == 1
    log.close()


def test_a_name_that_is_taken_leaves_the_log_as_it_is(path: Path) -> None:
    clock = Clock()
    log, keeper = kept(path, clock=clock, rotation=Rotation(age=100))
    keep(keeper)
    path.with_name("audit~000000000003.jsonl").write_bytes(b"somebody's\n")
    clock.now += 100
    with pytest.raises(AuditError, match="is there already"):
        keep(keeper)
    write(log, CALL)
    log.close(keeper.last)
    assert path.with_name("audit~000000000003.jsonl").read_bytes() == b"somebody's\n"
    assert verify(path, keys=public(path)).intact


def test_an_anchor_is_the_newest_checkpoint_of_its_log(path: Path, tmp_path: Path) -> None:
    anchors = tmp_path / "anchors"
    anchors.mkdir()
    log, keeper = kept(path, anchors=anchors)
    sign(keeper)
    write(log, CALL)
    log.close(keeper.last)
    (file,) = anchors.iterdir()
    told: JsonObject = orjson.loads(file.read_bytes())
    assert (file.name, told["log"], told["size"]) == ("audit.jsonl.anchor", str(path), 4)
    found = read_checkpoint(told)
    assert found is not None
    assert verify(path, keys=public(path), anchor=found).intact


def test_anchors_without_their_folder_leave_the_log_unsigned_and_say_so(
    path: Path, tmp_path: Path
) -> None:
    log, keeper = kept(path, anchors=tmp_path / "none")
    sign(keeper)
    assert "No such file or directory" in keeper.failure
    log.close()


FORGED: dict[str, tuple[Callable[[JsonObject], object], str]] = {
    "a root": (lambda mark: mark.update(root="00" * 32), "no whole checkpoint"),
    "a signature": (lambda mark: mark.update(signature="AAAA" * 21 + "AA=="), "not that key's"),
    "no signature": (lambda mark: mark.update(signature=""), "no whole checkpoint"),
    "a size": (lambda mark: mark.update(size=12), "not that key's"),
    "a size that is a text": (lambda mark: mark.update(size="9"), "no whole checkpoint"),
    "a key": (lambda mark: mark.update(key="ed25519:0"), "no key that was given"),
    "fewer peaks": (lambda mark: mark.update(peaks=[]), "no whole checkpoint"),
}


@pytest.mark.parametrize(("forge", "why"), FORGED.values(), ids=FORGED)
@pytest.mark.guarantee("audit:signed-checkpoints")
def test_a_forged_checkpoint_is_named_with_what_is_wrong(
    path: Path, forge: Callable[[JsonObject], object], why: str
) -> None:
    lines = signed(path)
    mark = orjson.loads(lines[-1])
    previous = bytes.fromhex(orjson.loads(lines[-2])["hash"])
    del mark["hash"]
    forge(mark)
    forged = orjson.dumps(mark)[:-1] + lines[-1][-SEAL_LENGTH:]
    path.write_bytes(b"".join([*lines[:-1], *rechained([forged], previous)]))
    report = verify(path, keys=public(path))
    assert (report.signed, len(report.problems)) == (0, 1)
    assert why in report.problems[0].message


@pytest.mark.guarantee("audit:signed-checkpoints")
def test_a_log_computed_anew_around_its_checkpoints_is_not_the_one_they_sign(path: Path) -> None:
    lines = signed(path)
    lines[3] = lines[3].replace(b"tool-s1-2", b"tool-s1-9")
    path.write_bytes(b"".join(rechained(lines, GENESIS)))
    for keys in (None, public(path)):
        (problem,) = verify(path, keys=keys).problems
        assert (problem.line, problem.what) == (len(lines), "forged")
        assert "not one of the records before it" in problem.message


def rechained(lines: list[bytes], previous: bytes) -> list[bytes]:
    """`lines` with hashes that fit, from `previous` on."""
    made = []
    for line in lines:
        body = line[:-SEAL_LENGTH]
        previous = link(previous, body)
        made.append(seal(body, previous))
    return made


@pytest.mark.guarantee("audit:signed-checkpoints")
def test_a_forged_part_shows_nothing_with_checkpoints_that_others_signed(path: Path) -> None:
    """Their signatures are good, but nothing in the file says of which records they are."""
    rotated(path, 1)
    first, *rest = path.read_bytes().splitlines(keepends=True)
    record = orjson.loads(first)
    for key in ("size", "root", "peaks", "key", "signature", "hash"):
        del record[key]
    forged = [orjson.dumps(record)[:-1] + first[-SEAL_LENGTH:], *rest]
    forged[1] = forged[1].replace(b"read_file", b"read_none")
    path.write_bytes(b"".join(rechained(forged, bytes.fromhex(record["previous"]))))
    report = verify(path, keys=public(path))
    assert (report.intact, report.rooted, report.checkpoints, report.signed) == (True, False, 1, 0)


def test_a_first_record_that_claims_to_go_on_from_nothing_begins_a_log_like_any_other(
    path: Path,
) -> None:
    (line, *_) = signed(path)
    body = line[:-SEAL_LENGTH].replace(
        b'"session.start"', b'"audit.continue","previous":"%064d"' % 0
    )
    path.write_bytes(b"".join(rechained([body + line[-SEAL_LENGTH:]], bytes(32))))
    assert not verify(path).intact
