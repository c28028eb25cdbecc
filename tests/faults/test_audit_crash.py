import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from mcpguard.audit.checkpoint import load_public
from mcpguard.audit.verify import VerifyReport, parts_of, read, verify
from mcpguard.errors import AuditError
from tests.unit.audit.logs import kept, opened, sign, signed, written

ROOT = Path(__file__).parents[2]
WRITER = Path(__file__).with_name("audit_writer.py")


@contextmanager
def writer(task: str, path: Path) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    command = [sys.executable, str(WRITER), task, str(path)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


@pytest.mark.guarantee("audit:killed-at-any-byte", "audit:torn-tail-marked")
def test_a_log_cut_at_any_byte_is_torn_at_most_and_the_next_session_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    lines = written(path, 3, "one")
    whole = b"".join(lines)
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        report = verify(path)
        assert report.intact, cut
        assert report.records == whole[:cut].count(b"\n")
        assert report.torn == (not whole[:cut].endswith(b"\n") and cut > 0)
        opened(path, "two").close()
        after = verify(path)
        assert after.intact, cut
        assert not after.torn
        assert after.records == report.records + 2
        assert path.read_bytes().startswith(b"".join(lines[: report.records]))


@pytest.mark.guarantee("audit:killed-at-any-byte")
def test_a_killed_writer_leaves_a_verifiable_log_with_all_it_had_flushed(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    chance = random.Random(1)
    before = 0
    for _ in range(6):
        with writer("endless", path) as (process, out):
            assert out.readline() == f"{path}\n"
            for _ in range(chance.randrange(60)):
                assert out.readline()
            process.kill()
            told = out.read().splitlines()
        report = verify(path)
        assert report.intact
        flushed = int(told[-1]) if told else 1
        assert report.records >= before + flushed
        before = report.records
    assert verify(path).sessions == 6
    opened(path, "last").close()
    assert verify(path).intact
    assert len(list(read(path))) == before + 2


def whole(path: Path) -> list[VerifyReport]:
    """Every part verified with the key, each going on from the one before."""
    (public,) = path.parent.glob("*.pub")
    keys = dict([load_public(public)])
    reports: list[VerifyReport] = []
    files = [part for part in parts_of(path) if part.exists()]
    for part in files:
        seam = reports[-1].seam if reports else None
        last = part == files[-1]
        reports.append(verify(part, keys=keys, seam=seam, last=last))
        assert reports[-1].intact, (part, reports[-1].problems)
    return reports


@pytest.mark.guarantee("audit:killed-at-any-byte", "audit:one-chain-across-files")
def test_a_writer_killed_while_it_signs_and_sets_aside_leaves_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    chance = random.Random(2)
    for _ in range(6):
        with writer("parts", path) as (process, out):
            assert out.readline() == f"{path}\n"
            for _ in range(chance.randrange(1, 30)):
                assert out.readline()
            process.kill()
            told = out.read().splitlines()
        reports = whole(path)
        assert sum(report.records for report in reports) >= int(told[-1] if told else 1)
    assert len(parts_of(path)) > 6
    last, keeper = kept(path, "last")
    sign(keeper)
    last.close(keeper.last)
    assert whole(path)[-1].intact


def before_both_names(path: Path, _part: Path, line: bytes) -> None:
    next_of(path).write_bytes(line)


def half_of_the_next_file(path: Path, _part: Path, line: bytes) -> None:
    next_of(path).write_bytes(line[:70])


def between_the_names(path: Path, part: Path, line: bytes) -> None:
    next_of(path).write_bytes(line)
    path.rename(part)


def an_empty_file(path: Path, part: Path, _line: bytes) -> None:
    path.rename(part)
    path.write_bytes(b"")


def a_torn_first_line(path: Path, part: Path, line: bytes) -> None:
    path.rename(part)
    path.write_bytes(line[:40])


STEPS = [
    before_both_names,
    half_of_the_next_file,
    between_the_names,
    an_empty_file,
    a_torn_first_line,
]
"""Where the holder of a log may die while it exchanges it."""


def next_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.next")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.guarantee("audit:one-chain-across-files")
def test_a_log_whose_holder_died_while_it_exchanged_it_goes_on(
    tmp_path: Path, step: Callable[[Path, Path, bytes], None]
) -> None:
    path = tmp_path / "audit.jsonl"
    signed(path, 3, "one")
    line = signed(tmp_path / "other" / "audit.jsonl", 1)[0]
    step(path, path.with_name("audit~000000000006.jsonl"), line)
    signed(path, 2, "two")
    reports = whole(path)
    assert sum(report.records for report in reports) in (11, 12)
    assert reports[-1].signed == reports[-1].start + reports[-1].records - 1


def test_a_pipe_in_the_place_of_a_part_is_an_error_and_no_wait(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    os.mkfifo(tmp_path / "audit~000000000009.jsonl")
    with pytest.raises(AuditError, match="not a regular file"):
        opened(path)


@pytest.mark.guarantee("audit:one-writer", "audit:one-chain-across-files")
def test_nobody_goes_on_with_a_part_whose_holder_lives(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with writer("hold", path) as (process, out):
        assert out.readline() == f"{path}\n"
        path.rename(path.with_name("audit~000000000001.jsonl"))
        beside = opened(path, "beside")
        assert beside.path == tmp_path / "audit.1.jsonl"
        beside.close()
        process.kill()
        process.wait()
    after = opened(path, "after")
    assert after.path == path
    after.close()
    assert next(iter(read(path)))["file"] == "audit~000000000001.jsonl"


@pytest.mark.guarantee("audit:one-writer")
def test_two_processes_never_share_a_log_and_a_killed_one_frees_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with writer("hold", path) as (process, out):
        assert out.readline() == f"{path}\n"
        beside = opened(path, "beside")
        assert beside.path == tmp_path / "audit.1.jsonl"
        process.kill()
        process.wait()
        after = opened(path, "after")
        assert after.path == path
        beside.close()
        after.close()
    assert verify(path).intact
    assert len(verify(path).unclosed) == 1
    assert verify(beside.path).intact
