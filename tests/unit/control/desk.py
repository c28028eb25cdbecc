"""A session for the tests that a person can look at and change: all of it in memory.

As a program it serves its control socket until its stdin ends:

    python desk.py DATA_DIR SESSION SERVER          the approvers of DATA_DIR count
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic

import anyio
import anyio.from_thread
import anyio.to_thread
import orjson

from mcpguard.control.operations import Check, Conversation, Signature, nobody_signs
from mcpguard.control.proof import proven
from mcpguard.control.socket import IDLE, Listener, serve
from mcpguard.errors import RefusalError, UsageError
from mcpguard.identity.keys import approvers, verifier
from mcpguard.model import JsonObject

KEY = "ed25519:ana"
CALL: JsonObject = {
    "ticket": "t1",
    "request": "r-0001",
    "server": "files",
    "tool": "delete_file",
    "principal": "local:default",
    "arguments": {"path": "/data/a\x1b[2J.txt"},
    "lock": "sha256:00",
    "why": "gateway.approve names it",
    "waiting": 3,
    "left": 42,
    "life": 600,
}
"""A call that waits for a person; its argument holds what a terminal would obey."""


def sign(verb: str, args: JsonObject, nonce: str) -> list[JsonObject]:
    """What stands for a signature in these tests: anybody can make it, over these three alone."""
    made = hashlib.sha256(orjson.dumps([verb, args, nonce], option=orjson.OPT_SORT_KEYS))
    return [{"key": KEY, "signature": made.hexdigest()}]


def check(
    verb: str, args: JsonObject, nonce: str, signatures: Sequence[Signature]
) -> Sequence[str]:
    """A `Check` of one approver whose signatures are those of `sign`."""
    (good,) = sign(verb, args, nonce)
    for each in signatures:
        if (each.key, each.signature) != (good["key"], good["signature"]):
            raise RefusalError("the signature is not that of an approver")
    return [each.key for each in signatures]


class Desk:
    """`mcpguard.control.operations.Operations`, and what was done, in `done`."""

    def __init__(self, session: str = "s1", server: str = "files") -> None:
        self.session = session
        self.server = server
        self.done: list[tuple[object, ...]] = []
        self.waiting: dict[str, JsonObject] = {"t1": CALL, "t2": {**CALL, "ticket": "t2"}}
        self.blocked: dict[tuple[str, str], str] = {}
        self.broken_config = False
        self.stuck = False
        self.would_deny = 0
        self.barred: JsonObject = {"caller": False, "server": False, "tools": []}
        self.killed = anyio.Event()

    async def status(self) -> JsonObject:
        if self.stuck:
            await anyio.sleep_forever()
        return {
            "session": self.session,
            "server": self.server,
            "pid": os.getpid(),
            "since": "2026-11-21T20:00:00Z",
            "lockfile": {"path": "/srv/mcp-lock.json", "digest": "sha256:00"},
            "mode": "enforce",
            "preset": "baseline",
            "principal": "local:default",
            "level": 1,
            "score": 510,
            "allowed": 12,
            "denied": 1,
            "would_deny": self.would_deny,
            "blocked": self.barred,
            "waiting": len(self.waiting),
            "audit_log": "/srv/audit.jsonl",
            "killed": self.killed.is_set(),
        }

    async def stats(self) -> JsonObject:
        raise ZeroDivisionError("a defect")

    async def pending(self) -> list[JsonObject]:
        keys = ("ticket", "server", "tool", "principal", "waiting", "left")
        return [{key: call[key] for key in keys} for call in self.waiting.values()]

    async def show(self, ticket: str) -> JsonObject:
        return self._call(ticket)

    def _call(self, ticket: str) -> JsonObject:
        if ticket not in self.waiting:
            raise RefusalError(f"no call {ticket} waits", hint="see: mcpguard approve list")
        return self.waiting[ticket]

    async def decide(
        self, ticket: str, yes: bool, approvers: Sequence[str], statement: JsonObject
    ) -> JsonObject:
        self._call(ticket)
        self.done.append(("decide", ticket, yes, tuple(approvers), statement))
        del self.waiting[ticket]
        return {"ticket": ticket, "answer": "yes" if yes else "no", "missing": 0}

    async def refuse_like(self, ticket: str) -> JsonObject:
        self._call(ticket)
        count = len(self.waiting)
        self.waiting.clear()
        self.done.append(("refuse_like", ticket))
        return {"refused": count}

    async def block(self, kind: str, name: str, why: str) -> JsonObject:
        self.blocked[kind, name] = why
        self.done.append(("block", kind, name, why))
        return {"kind": kind, "name": name}

    async def unblock(self, kind: str, name: str, approvers: Sequence[str]) -> JsonObject:
        if self.blocked.pop((kind, name), None) is None:
            raise RefusalError(f"the {kind} {name} is not blocked")
        self.done.append(("unblock", kind, name, tuple(approvers)))
        return {"kind": kind, "name": name}

    async def blocks(self) -> list[JsonObject]:
        return [{"kind": k, "name": n, "why": why} for (k, n), why in self.blocked.items()]

    async def set_policy(
        self, glob: str, fields: JsonObject, approvers: Sequence[str]
    ) -> JsonObject:
        if "min_trust" not in fields:
            raise UsageError("no such field")
        self.done.append(("set_policy", glob, fields, tuple(approvers)))
        return {"glob": glob}

    async def rule(self, statement: JsonObject, approvers: Sequence[str]) -> JsonObject:
        self.done.append(("rule", statement["glob"], statement["fields"], tuple(approvers)))
        return {"glob": statement["glob"], "here": True}

    async def counts(self) -> JsonObject:
        return {
            "calls": 12,
            "left": {"tool_calls": 88, "bytes_in": 9},
            "by_tool": {"read_file": {"calls": 12, "denied": 1}},
        }

    async def release(
        self, name: str, target: str, digest: str, approvers: Sequence[str]
    ) -> JsonObject:
        self.done.append(("release", name, target, digest, tuple(approvers)))
        return {"name": name, "seconds": 600}

    async def reset_budgets(self, approvers: Sequence[str]) -> JsonObject:
        self.done.append(("reset_budgets", tuple(approvers)))
        return {"calls": 100}

    async def reset_trust(
        self, kind: str, name: str, why: str, approvers: Sequence[str]
    ) -> JsonObject:
        self.done.append(("reset_trust", kind, name, why, tuple(approvers)))
        return {"score": 500}

    async def reload(self, approvers: Sequence[str]) -> JsonObject:
        if self.broken_config:
            raise RefusalError(
                "the old configuration stays: mcpguard.yaml:3:1: unknown key 'tols'",
                hint="did you mean tools?",
            )
        self.done.append(("reload", tuple(approvers)))
        return {"changed": ["trust.min_trust"]}

    async def kill(self, why: str) -> JsonObject:
        self.done.append(("kill", why))
        self.killed.set()
        return {"session": self.session}


LOOPS: Mapping[str, tuple[str, dict[str, bool]]] = {
    "asyncio": ("asyncio", {}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}
"""The loops a session can run in."""


def conversation(desk: Desk, check: Check, clock: Callable[[], float] = monotonic) -> Conversation:
    hello: JsonObject = {"session": desk.session, "server": desk.server, "pid": os.getpid()}
    return Conversation(desk, hello, check, clock)


@contextmanager
def served(
    data_dir: Path,
    desk: Desk,
    check: Check = nobody_signs,
    *,
    backend: str = "asyncio",
    idle: float = IDLE,
    told: Callable[[Exception], None] = print,
) -> Iterator[Listener]:
    """`desk` behind its socket, in the event loop of a thread."""
    listener = Listener(data_dir, desk.session)
    run = partial(serve, listener, lambda: conversation(desk, check).answer, told, idle=idle)
    name, options = LOOPS[backend]
    with anyio.from_thread.start_blocking_portal(name, options) as portal:
        future = portal.start_task_soon(run)
        try:
            yield listener
        finally:
            future.cancel()


async def main(data_dir: Path, session: str, server: str) -> None:
    desk = Desk(session, server)
    check_ = proven(session, verifier(approvers(data_dir / "approvers")))
    listener = Listener(data_dir, session)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve, listener, lambda: conversation(desk, check_).answer, print)
        sys.stdout.write("up\n")
        sys.stdout.flush()
        await anyio.to_thread.run_sync(sys.stdin.read)
        tasks.cancel_scope.cancel()
    sys.stdout.write(orjson.dumps(desk.done).decode() + "\n")


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), sys.argv[2], sys.argv[3])
