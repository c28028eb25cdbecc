"""Real logs, written by the code under test, for every audit test."""

from collections.abc import Callable, Iterator
from pathlib import Path

from mcpguard.audit import AuditLog
from mcpguard.audit.chain import Durability
from mcpguard.model import JsonObject

KEY = bytes(range(32))
NOON = 1_790_000_000.25
CALL: JsonObject = {
    "direction": "host",
    "method": "tools/call",
    "target": "read_file",
    "decision": "allow",
    "stage": "surface",
    "reason": "ok",
}


def ticking(start: float = NOON, step: float = 0.5) -> Callable[[], float]:
    """A clock that goes on by `step` seconds at every look."""

    def times() -> Iterator[float]:
        now = start
        while True:
            yield now
            now += step

    return times().__next__


def opened(
    path: Path,
    session: str = "s1",
    clock: Callable[[], float] | None = None,
    durability: Durability = "none",
) -> AuditLog:
    return AuditLog.open(
        path,
        key=KEY,
        session=session,
        server="files",
        principal="local:default",
        clock=clock or ticking(),
        durability=durability,
        defaults={"mode": "enforce", "level": 1, "score": 500},
        facts={"lock": "sha256:00"},
    )


def write(log: AuditLog, *records: JsonObject) -> None:
    """Decisions without arguments, in one write."""
    log.write([(fields, b"") for fields in records])


def written(path: Path, calls: int = 7, session: str = "s1") -> list[bytes]:
    """A session of `calls` decisions at the end of `path`; the lines of the whole file."""
    log = opened(path, session)
    for number in range(calls):
        write(log, {**CALL, "target": f"tool-{session}-{number}"})
    log.close()
    return path.read_bytes().splitlines(keepends=True)
