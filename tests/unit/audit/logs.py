"""Real logs, written by the code under test, for every audit test."""

from collections.abc import Callable, Iterator
from pathlib import Path

from mcpguard.audit import AuditLog
from mcpguard.audit.chain import Durability
from mcpguard.audit.checkpoint import Signer
from mcpguard.audit.keeper import Keeper, Rotation
from mcpguard.model import Allowed, JsonObject

KEY = bytes(range(32))
SEED = bytes(reversed(range(32)))
"""The private key that signs."""

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
    *,
    tracked: bool = False,
    kind: type[AuditLog] = AuditLog,
) -> AuditLog:
    return kind.open(
        path,
        key=KEY,
        session=session,
        server="files",
        principal="local:default",
        clock=clock or ticking(),
        durability=durability,
        tracked=tracked,
        defaults={"mode": "enforce", "level": 1, "score": 500},
        facts={"lock": "sha256:00"},
    )


def write(log: AuditLog, *records: JsonObject) -> None:
    """Decisions without arguments, in one write."""
    log.write([(fields, b"") for fields in records])


def pass_on(log: AuditLog, told: Allowed, args: bytes = b"") -> bool:
    """The record of a line that passes, as a session writes it; whether it went the short way."""
    short = log.allow(told, args)
    if not short:
        log.write([(told, args)])
    return short


def written(path: Path, calls: int = 7, session: str = "s1") -> list[bytes]:
    """A session of `calls` decisions at the end of `path`; the lines of the whole file."""
    log = opened(path, session)
    for number in range(calls):
        write(log, {**CALL, "target": f"tool-{session}-{number}"})
    log.close()
    return path.read_bytes().splitlines(keepends=True)


def kept(
    path: Path,
    session: str = "s1",
    clock: Callable[[], float] | None = None,
    rotation: Rotation | None = None,
    anchors: Path | None = None,
) -> tuple[AuditLog, Keeper]:
    """A tracked log in `path`, and its keeper, who signs with the key of `PUBLIC`."""
    log = opened(path, session, clock, tracked=True)
    return log, Keeper(log, Signer(SEED, path.parent), rotation, anchors)


def keep(keeper: Keeper) -> None:
    """What a session does once a second, in one thread: nothing unless something is due."""
    if keeper.due():
        keeper.take()
        keeper.sign()
        keeper.commit()()


def sign(keeper: Keeper) -> None:
    """A checkpoint now, whether or not it is due."""
    for _ in range(2):  # the first time only what was there is read
        keeper.take()
        keeper.sign()
        keeper.commit()()


def signed(path: Path, calls: int = 7, session: str = "s1") -> list[bytes]:
    """`written`, signed at its end."""
    log, keeper = kept(path, session)
    for number in range(calls):
        write(log, {**CALL, "target": f"tool-{session}-{number}"})
    log.close(keeper.last)
    assert not keeper.failure
    return path.read_bytes().splitlines(keepends=True)
