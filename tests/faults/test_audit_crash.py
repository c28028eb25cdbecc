import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from mcpguard.audit.verify import read, verify
from tests.unit.audit.logs import opened, written

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
    for _ in range(30):
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
    assert verify(path).sessions == 30
    opened(path, "last").close()
    assert verify(path).intact
    assert len(list(read(path))) == before + 2


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
