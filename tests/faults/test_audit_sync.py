"""Group commit: what becomes of it when its thread cannot begin, or ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mcpguard.audit.sync import Syncer
from tests.tools import ROOT
from tests.waiting import until

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override


class Dying(Syncer):
    """Asks the disk, and fails otherwise than a disk does, the first time."""

    __slots__ = ("died",)

    @override
    def _sync(self) -> None:
        if not hasattr(self, "died"):
            self.died = True
            raise MemoryError
        super()._sync()


@pytest.fixture
def fd(tmp_path: Path) -> int:
    return os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)


def test_a_thread_that_ends_says_so_and_another_begins(fd: int) -> None:
    syncer = Dying(fd)
    syncer.wrote(1)
    until(lambda: syncer.failure, "nobody says that it ended")
    assert (syncer.failure, syncer.pending) == ("MemoryError beside the session", False)
    syncer.failure = ""
    syncer.wrote(2)
    assert syncer.pending
    until(lambda: not syncer.pending, "no other began")
    assert syncer.running
    syncer.stop()
    assert not syncer.failure
    os.close(fd)


CANNOT_BEGIN = """
import os, resource, sys
from mcpguard.audit.sync import Syncer

fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
syncer = Syncer(fd)
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + (1 << 20), resource.RLIM_INFINITY))
syncer.wrote(1)
print(syncer.failure, syncer.pending, syncer.running)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
syncer.failure = ""
syncer.wrote(2)
print(syncer.failure, syncer.pending, syncer.running)
syncer.stop()
"""


def test_a_thread_that_cannot_begin_is_a_failure_and_is_tried_again(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CANNOT_BEGIN, str(tmp_path / "file")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == "can't start new thread False False\n True True\n"
