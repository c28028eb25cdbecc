"""Waiting for what another process or thread does: for the thing itself, however long it takes."""

import os
import threading
import time
from collections.abc import Callable
from typing import Final

PATIENCE: Final = float(os.environ.get("TEST_PATIENCE", "120"))
"""Seconds after which a wait is taken for a hang. What is waited for takes milliseconds; on a
machine with much else to do it takes a hundred times as long, and that is no defect. TEST_PATIENCE
sets less, where hangs are made on purpose."""

LOOKS: Final = 0.02
"""Seconds between two looks."""


def until(true: Callable[[], object], why: str | Callable[[], str]) -> None:
    """Returns as soon as it is true; fails with `why` when it never is."""
    pause, end = threading.Event(), time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, why if isinstance(why, str) else why()
        pause.wait(LOOKS)
