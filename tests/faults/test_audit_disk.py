import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING

import pytest

from mcpguard.audit.chain import LOOK_SECONDS
from mcpguard.audit.sync import GROUP_RECORDS, Syncer
from mcpguard.audit.verify import VerifyReport, parts_of, read, verify
from mcpguard.errors import AuditError
from mcpguard.model import UP, Allowed
from tests.unit.audit.logs import CALL, NOON, opened, write
from tests.waiting import PATIENCE, until

if TYPE_CHECKING:
    from _typeshed import TraceFunction

ROOT = Path(__file__).parents[2]
READ = Allowed(UP, "tools/call", "read")
WRITER = Path(__file__).with_name("audit_writer.py")


def run(task: str, path: Path, *inside: str) -> str:
    """`inside`: a command that runs the one that is behind it."""
    done = subprocess.run(
        [*inside, sys.executable, str(WRITER), task, str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.guarantee("audit:short-write-undone", "audit:withheld-counted")
def test_a_full_disk_refuses_whole_batches_and_says_later_how_many_records(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    assert run("full", path) == "done\n"
    assert verify(path).intact
    gaps = [record for record in read(path) if record.get("event") == "audit.gap"]
    assert len(gaps) == len(range(0, 900, 7))
    assert {gap["withheld"] for gap in gaps} == {6}
    assert all(gap["detail"] for gap in gaps)
    assert not [record for record in read(path) if record.get("decision") == "allow"]


@pytest.mark.guarantee("audit:short-write-undone", "audit:withheld-counted")
def test_a_full_disk_refuses_records_of_the_short_way_too(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    assert run("full-short", path) == "done\n"
    assert verify(path).intact
    gaps = [record["withheld"] for record in read(path) if record.get("event") == "audit.gap"]
    assert len(gaps) > 50
    assert set(gaps) == {2}


MOUNT = 'mount -t tmpfs -o size=192k none "$0" && exec "$@"'
NAMESPACES = (("unshare", "--mount"), ("unshare", "--user", "--map-root-user", "--mount"))
"""A mount of one's own: root may, and where nobody forbids it, so may every user."""

SHARED = Path("/dev/shm")
MOST = 128 * 1024 * 1024
"""Bytes of a disk in memory that a test may fill: what a container has, not half of the memory."""


def on_a_small_disk(folder: Path) -> str:
    """What the task says on a disk that it may fill to the last byte."""
    for namespace in NAMESPACES:
        if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode == 0:
            mounted = [*namespace, "sh", "-c", MOUNT, str(folder)]
            return run("small-disk", folder / "audit.jsonl", *mounted)
    there = os.statvfs(SHARED) if SHARED.is_dir() else None
    if there is None or there.f_blocks * there.f_frsize > MOST:
        pytest.fail("no small disk: allow user namespaces, or make /dev/shm 64 MiB")
    with TemporaryDirectory(dir=SHARED) as small:
        return run("small-disk", Path(small) / "audit.jsonl")


@pytest.mark.guarantee("audit:short-write-undone", "audit:withheld-counted")
def test_a_disk_that_is_really_full_refuses_whole_batches_until_it_has_room(tmp_path: Path) -> None:
    assert on_a_small_disk(tmp_path) == "done\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.guarantee("audit:short-write-undone")
def test_a_session_that_cannot_write_its_first_record_does_not_begin(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    assert run("full-at-start", path) == f"{path}\n"
    assert verify(path).records == 2


@pytest.mark.guarantee("audit:one-chain-across-files")
def test_a_disk_without_room_for_the_next_file_leaves_the_log_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    assert run("full-at-exchange", path) == "done\n"
    reports: list[VerifyReport] = []
    for part in parts_of(path):
        reports.append(verify(part, seam=reports[-1].seam if reports else None))
    assert [report.intact for report in reports] == [True, True]


def test_a_directory_that_may_not_be_written_says_where_and_what_next(tmp_path: Path) -> None:
    path = tmp_path / "closed" / "audit.jsonl"
    path.parent.mkdir()
    told = run("forbidden", path)
    assert told == (
        f"{path}: the audit log cannot be opened: Permission denied | "
        "make the directory writable for this user, or name another --audit-log\n"
    )


def deleted(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 10)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def appended(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"{}\n")


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (deleted, "deleted or replaced"),
        (replaced, "deleted or replaced"),
        (cut, "somebody else changed"),
        (emptied, "somebody else changed"),
        (appended, "somebody else changed"),
    ],
)
@pytest.mark.guarantee("audit:never-into-nowhere")
def test_a_log_harmed_underneath_refuses_the_next_batch_and_every_one_after(
    tmp_path: Path, harm: Callable[[Path], None], why: str
) -> None:
    path = tmp_path / "audit.jsonl"
    log = opened(path)
    write(log, CALL)
    harm(path)
    left = path.read_bytes() if path.exists() else None
    for _ in range(3):
        with pytest.raises(AuditError, match=why) as caught:
            write(log, CALL)
        assert caught.value.hint
    with pytest.raises(AuditError, match=why):
        log.close()
    assert (path.read_bytes() if path.exists() else None) == left


@pytest.mark.parametrize("harm", [deleted, replaced, cut, appended])
@pytest.mark.guarantee("audit:never-into-nowhere")
def test_harm_is_noticed_once_the_clock_went_on_by_the_time_of_a_look_or_went_back(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    for late in (2 * LOOK_SECONDS, -LOOK_SECONDS):
        path = tmp_path / f"audit{late}.jsonl"
        now = [NOON]
        log = opened(path, clock=lambda: now[0])  # noqa: B023 - used within this turn
        log.write([(READ, b"")])
        harm(path)
        now[0] += late
        assert not log.allow(READ, b"")
        with pytest.raises(AuditError):
            write(log, CALL)
        with pytest.raises(AuditError):
            log.close()


@pytest.mark.guarantee("audit:never-into-nowhere")
def test_a_log_moved_away_is_noticed_and_moved_back_goes_on(tmp_path: Path) -> None:
    path, away = tmp_path / "audit.jsonl", tmp_path / "away.jsonl"
    log = opened(path)
    path.rename(away)
    with pytest.raises(AuditError, match="moved away"):
        write(log, CALL)
    path.write_bytes(b"")
    with pytest.raises(AuditError, match="moved away"):
        write(log, CALL)
    away.replace(path)
    write(log, CALL)
    log.close()
    assert verify(path).intact
    assert [record["withheld"] for record in read(path) if "withheld" in record] == [2]


def test_permissions_taken_from_the_open_file_do_not_stop_the_log(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = opened(path)
    path.chmod(0)
    write(log, CALL)
    log.close()
    path.chmod(0o600)
    assert verify(path).records == 3


@pytest.mark.guarantee("audit:failed-sync-refuses")
def test_a_disk_that_fails_beside_the_caller_is_told(tmp_path: Path) -> None:
    reader, pipe = os.pipe()
    syncer = Syncer(pipe)  # a pipe cannot be synced: a real error of the system
    syncer.wrote(1)
    give_up = monotonic() + 20
    while not syncer.failure:
        assert monotonic() < give_up
        os.sched_yield()
    syncer.stop()
    assert syncer.failure == "Invalid argument"
    os.close(reader)
    os.close(pipe)


@pytest.mark.guarantee("audit:failed-sync-refuses", "audit:withheld-counted")
def test_after_a_failed_sync_one_batch_is_refused_and_the_log_says_so(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = opened(path, durability="grouped")
    log.syncer.failure = "Input/output error"
    with pytest.raises(AuditError, match="the disk did not take earlier records") as caught:
        write(log, CALL)
    assert caught.value.hint == "check the disk"
    write(log, CALL)
    log.close()
    gap = list(read(path))[1]
    assert (gap["event"], gap["withheld"]) == ("audit.gap", 1)
    assert "Input/output error" in str(gap["detail"])
    assert verify(path).intact


def test_a_sync_that_begins_while_a_record_is_told_of_keeps_none_from_the_next(
    tmp_path: Path,
) -> None:
    with (tmp_path / "file").open("wb") as file:
        syncer = Syncer(file.fileno())

        def turn(frame: FrameType, event: str, _: object) -> "TraceFunction":
            """The thread has its turn behind the line that found a sync to come."""
            if event == "line" and frame.f_lineno > frame.f_code.co_firstlineno + 2:
                until(lambda: not syncer.pending, "the thread never asked the disk")
            return turn

        def traced(frame: FrameType, event: str, _: object) -> "TraceFunction | None":
            return turn if frame.f_code is Syncer.wrote.__code__ else None

        for seq in (1, 2, 3):
            syncer.wrote(seq)
            assert syncer.pending
            before = sys.gettrace()
            sys.settrace(traced)
            try:
                syncer.wrote(seq)
            finally:
                sys.settrace(before)
            until(lambda: not syncer.pending, "the disk is not asked any more")
        syncer.stop()


def test_the_thread_that_syncs_groups_ends_with_the_log(tmp_path: Path) -> None:
    log = opened(tmp_path / "audit.jsonl", durability="grouped")
    for _ in range(3 * GROUP_RECORDS):
        write(log, CALL)
    log.close()
    assert not log.syncer.running
