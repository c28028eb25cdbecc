"""A process that has pytest and the libraries loaded and forks for each run of it.

Started by scripts/mutants.py in a copy of the repository. A line on stdin is a JSON list: seconds,
then pytest's arguments; the answer on stdout is its exit code, or `TIMED_OUT`. mcpguard and its
tests are imported in the fork alone, so that each run sees the files as they are then. Output goes
to the file named by the one argument.
"""

import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence

TIMED_OUT = -1000
"""Stands for pytest's exit code when it was killed."""

LOADED = ("pytest", "hypothesis", "anyio", "anyio._backends._asyncio", "orjson", "jsonschema_rs")
"""What most tests need. A module that is missing is missed by the run that needs it."""

POLL = 0.01
"""Seconds between two looks at a run."""


def main(log: str) -> None:
    for name in LOADED:
        importlib.import_module(name)
    for line in sys.stdin:
        limit, *arguments = json.loads(line)
        print(forked(arguments, log, limit), flush=True)


def forked(arguments: Sequence[str], log: str, limit: float) -> int:
    """The exit code of pytest in a fork of this process, which leads a group of its own."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.setsid()
            redirect(log)
            import pytest

            code = int(pytest.main([*arguments]))
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
    main(sys.argv[1])
