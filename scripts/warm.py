"""A process that has pytest and the libraries loaded and forks for each run of it.

Started by scripts/mutants.py in a copy of the repository. A line on stdin is a JSON list: seconds,
then pytest's arguments; the answer on stdout is its exit code, or `TIMED_OUT`. mcpguard and its
tests are imported in the fork alone, so that each run sees the files as they are then. Output goes
to the file named by the first argument, the ids of tests that failed to that of the second.
"""

import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

TIMED_OUT = -1000
"""Stands for pytest's exit code when it was killed."""

LOADED = ("pytest", "hypothesis", "anyio", "anyio._backends._asyncio", "orjson", "jsonschema_rs")
"""What most tests need. A module that is missing is missed by the run that needs it."""

POLL = 0.01
"""Seconds between two looks at a run."""


class Failures:
    """A plugin of pytest that writes down which tests failed, a line each."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._path.write_text("", "utf-8")

    def pytest_runtest_logreport(self, report: "pytest.TestReport") -> None:
        if report.failed:
            with self._path.open("a", encoding="utf-8") as file:
                print(report.nodeid, file=file)


def main(log: str, failures: str) -> None:
    for name in LOADED:
        importlib.import_module(name)
    for line in sys.stdin:
        limit, *arguments = json.loads(line)
        print(forked(arguments, log, Failures(failures), limit), flush=True)


def forked(arguments: Sequence[str], log: str, failures: Failures, limit: float) -> int:
    """The exit code of pytest in a fork of this process, which leads a group of its own."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.setsid()
            redirect(log)
            import pytest

            code = int(pytest.main([*arguments], plugins=[failures]))
        except BaseException:  # noqa: BLE001 - it would go on in the parent's code
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return wait(child, time.monotonic() + limit)


def redirect(log: str) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for number, fd in ((0, null), (1, out), (2, out)):
        os.dup2(fd, number)


def wait(child: int, deadline: float) -> int:
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(POLL)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return TIMED_OUT


if __name__ == "__main__":
    main(*sys.argv[1:])
