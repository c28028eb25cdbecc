"""A process of its own that writes an audit log and publishes what it saw, for tests of many.

`python publisher.py BACKEND PLACE FOLDER NAME TURNS`: a line on stdout when it is ready, then it
waits for one on stdin; a line for each turn that was published.
"""

import sys
from pathlib import Path
from time import time

from mcpguard.live import standings
from mcpguard.store import BACKENDS
from tests.faults.audit_writer import tell
from tests.unit.live.proxies import ANSWERED, FILES, ME, Proxy

FAILED = {**ANSWERED.fields(), "outcome": "error"}


def main(backend: str, place: str, folder: str, name: str, turns: str) -> None:
    store = BACKENDS[backend](place)
    clock = [time()]
    proxy = Proxy(Path(folder), name, clock)
    standings.load(store, [FILES, ME], Path(folder))
    tell("ready")
    sys.stdin.readline()
    for turn in range(int(turns)):
        clock[0] = time()
        proxy.write(*[ANSWERED] * 50)
        if turn % 10 == 9:
            proxy.write(FAILED)
        proxy.publish(store)
        tell(turn)


main(*sys.argv[1:])
