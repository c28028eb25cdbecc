"""A process of its own that writes an audit log, for tests that kill it or take its disk away.

`python audit_writer.py TASK PATH`, one line on stdout for every step that the test waits for.
"""

import os
import re
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from time import time

import pytest

from mcpguard.audit import AuditLog
from mcpguard.audit.checkpoint import Signer
from mcpguard.audit.keeper import Keeper, Rotation
from mcpguard.audit.record import Record
from mcpguard.audit.verify import parts_of, read, verify
from mcpguard.errors import AuditError
from mcpguard.model import UP, Allowed
from tests.unit.audit.logs import SEED, pass_on

NOBODY = 65534

READ = Allowed(UP, "tools/call", "read")
BATCH: list[Record] = [({"decision": "allow", "target": "read_file"}, b"")] * 3


def opened(path: Path) -> AuditLog:
    return AuditLog.open(
        path,
        key=bytes(32),
        session=f"writer-{os.getpid()}",
        server="files",
        principal="local:default",
        clock=time,
    )


def tell(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def endless(path: Path) -> None:
    """Batches of growing and shrinking size until killed; tells how many records are written."""
    log = opened(path)
    told = 1
    tell(log.path)
    while True:
        sizes = range(told % 7 + 1)
        log.write([({"decision": "allow", "target": "x" * (size * 97)}, b"") for size in sizes])
        for _ in range(3):
            pass_on(log, READ, b"{}")
        told += len(sizes) + 3
        tell(told)


def parts(path: Path) -> None:
    """Signs and sets aside as often as it can until killed; tells how many records are written."""
    log, keeper = tracked(path)
    tell(log.path)
    while True:
        log.write([({"decision": "allow", "target": "x" * 97}, b"")] * 3)
        tell(log.seq)
        keep(keeper)


def tracked(path: Path) -> tuple[AuditLog, Keeper]:
    """A log whose parts are as small as two writes, and its keeper."""
    log = AuditLog.open(
        path,
        key=bytes(32),
        session=f"writer-{os.getpid()}",
        server="files",
        principal="local:default",
        clock=time,
        tracked=True,
    )
    return log, Keeper(log, Signer(SEED, path.parent), Rotation(size=3000))


def full_at_exchange(path: Path) -> None:
    """Sets the log aside on a disk without room for the next file, then on one that has more."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    log, keeper = tracked(path)
    for _ in range(2):
        keep(keeper)
    log.write([({"decision": "allow"}, b"")] * 20)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in (0, 50, 100):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, most))
        with pytest.raises(AuditError, match="cannot be exchanged"):
            log.exchange(path.with_name("audit~000000000099.jsonl"), {"event": "audit.continue"})
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    keep(keeper)
    log.close(keeper.last)
    tell(keeper.failure or "done")


def hold(path: Path) -> None:
    """Holds the log until stdin ends."""
    tell(opened(path).path)
    sys.stdin.read()


def full(path: Path) -> None:
    """Writes into a disk that is full at every possible byte of a record, then has room again."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    log = opened(path)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in range(0, 900, 7):
        size = path.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, most))
        refused(log, path, size, lambda: log.write(BATCH))
        refused(log, path, size, lambda: log.write(BATCH))
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        log.write([({"decision": "deny", "reason": "audit_unwritable"}, b"")])
    log.close()
    tell("done")


def full_short(path: Path) -> None:
    """The same of records that go the short way."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    log = opened(path)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    pass_on(log, READ)
    before = path.stat().st_size
    pass_on(log, READ)
    for room in range(0, path.stat().st_size - before, 7):
        while not pass_on(log, READ):
            pass
        size = path.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, most))
        refused(log, path, size, lambda: pass_on(log, READ))
        refused(log, path, size, lambda: pass_on(log, READ))
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        log.write([({"decision": "deny", "reason": "audit_unwritable"}, b"")])
    log.close()
    tell("done")


def refused(log: AuditLog, path: Path, size: int, attempt: Callable[[], object]) -> None:
    with pytest.raises(AuditError, match=re.escape(str(path))) as caught:
        attempt()
    assert caught.value.hint
    assert path.stat().st_size == size


FULL = r"No space left on device|only \d+ of \d+ bytes were written"
"""What a disk says that is full, or had room for some of it."""


def small_disk(path: Path) -> None:
    """Writes on a small disk of its own that is full again and again, at other bytes each time."""
    log, keeper = tracked(path)
    for turn in range(12):
        ballast = filled(path.with_name("ballast"))
        batch: list[Record] = [({"decision": "allow", "target": "x" * (turn * 97)}, b"")] * 3
        for _ in range(2):
            with pytest.raises(AuditError, match=FULL) as caught:
                write_on(log, batch)
            assert caught.value.hint
            assert path.stat().st_size == log.size
        aside = path.with_name("audit~000000000099.jsonl")
        with pytest.raises(AuditError, match="cannot be written, nor exchanged"):
            log.exchange(aside, {"event": "audit.continue"})
        ballast.unlink()
        log.write([({"decision": "deny", "reason": "audit_unwritable"}, b"")])
    ballast = filled(path.with_name("ballast"))
    keep(keeper)  # there is nothing to sign as yet
    with pytest.raises(AuditError, match="cannot be exchanged"):
        keep(keeper)
    ballast.unlink()
    log.close(keeper.last)
    reports = [verify(part) for part in parts_of(path)]
    gaps = [record["withheld"] for record in read(path) if record.get("event") == "audit.gap"]
    assert all(report.intact and not report.torn for report in reports), reports
    assert gaps[:12] == [6] * 12
    tell("done")


def write_on(log: AuditLog, batch: list[Record]) -> None:
    for _ in range(4096):
        log.write(batch)


def keep(keeper: Keeper) -> None:
    keeper.take()
    keeper.sign()
    keeper.commit()()


def filled(ballast: Path) -> Path:
    """A file that takes all the room there is."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(65536)):
            pass
    return ballast


def full_at_start(path: Path) -> None:
    """Opens a log on a disk that has room for half a record, then on one that has more."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, most))
    with pytest.raises(AuditError, match="cannot be written"):
        opened(path)
    assert path.stat().st_size == 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    log = opened(path)
    log.close()
    tell(log.path)


def forbidden(path: Path) -> None:
    """Opens a log in a directory that belongs to somebody else."""
    path.parent.chmod(0o500)
    if os.geteuid() == 0:
        os.setuid(NOBODY)
    with pytest.raises(AuditError) as caught:
        opened(path)
    tell(f"{caught.value.message} | {caught.value.hint}")


TASKS: Mapping[str, Callable[[Path], None]] = {
    "endless": endless,
    "hold": hold,
    "parts": parts,
    "full-at-exchange": full_at_exchange,
    "full": full,
    "full-short": full_short,
    "small-disk": small_disk,
    "full-at-start": full_at_start,
    "forbidden": forbidden,
}

if __name__ == "__main__":
    TASKS[sys.argv[1]](Path(sys.argv[2]))
