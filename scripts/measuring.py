"""One turn of one peer for scripts/bench: calls, answers checked, CPU and memory. Standard library.

A peer is an MCP server on pipes: bare, behind the C relay, or behind `mcpguard proxy`.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import environment

PROC = Path("/proc")

BARE, RELAY, GUARD = NAMES = ("bare", "relay", "mcpguard")
CHUNK = 64 * 1024
"""Bytes a read: what a Linux pipe holds."""

PATIENCE = 120
"""Seconds one block may take on a loaded machine; it takes at most one or two."""


class BenchError(Exception):
    """A peer failed, or answered something else than what was asked."""


@dataclass(frozen=True)
class Load:
    """`rounds` blocks of `calls` each; `depth` in flight, 0: one at a time, each timed."""

    name: str
    says: str
    size: int
    depth: int
    rounds: int
    calls: int
    target: float | None = None


@dataclass(frozen=True)
class Block:
    """One turn of one peer: median call (us), CPU of the proxy a call (us), calls a second."""

    p50: float
    cpu: float | None
    rate: float


class Peer:
    """A server, bare or behind a proxy, and the ids that were sent to it and came back."""

    def __init__(self, name: str, command: Sequence[str | Path], work: Path) -> None:
        self.name, self.command, self.work = name, command, work
        self.sent, self.answered, self.rest = 0, 0, b""
        self.process: subprocess.Popen[bytes] | None = None
        self.proxy: list[int] = []

    def start(self) -> int:
        """Spawn it and wait for the answer to `initialize`. Gives its process id."""
        env = environment.clean_env(MCPGUARD_DATA_DIR=str(self.work / "data"))
        with (self.work / f"{self.name}.err").open("ab") as errors:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=env,
                cwd=self.work,
                bufsize=0,
            )
        assert process.stdin and process.stdout  # noqa: S101, PT018 - both are pipes
        self.process, self.rest = process, b""
        self.to, self.back = process.stdin.fileno(), process.stdout.fileno()
        me = {"name": "bench", "version": "1"}
        version = "2025-11-25"
        self.ask("initialize", protocolVersion=version, capabilities={}, clientInfo=me)
        return process.pid

    def open(self) -> None:
        """Start it for calls: list the tools, find the proxy's processes."""
        pid = self.start()
        self.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        tools = self.ask("tools/list")["result"]["tools"]
        if [tool["name"] for tool in tools] != ["echo"]:
            raise BenchError(f"{self.name}: listed {tools}")
        refused = "error" in self.ask("tools/call", name="not_locked", arguments={"text": "x"})
        if refused != (self.name == GUARD):
            raise BenchError(f"{self.name}: a tool that is not locked: refused is {refused}")
        self.proxy = [part for part in tree(pid) if executable(part) != "echo"]

    def close(self) -> None:
        """End of file; it ends by itself. Raises BenchError when it did not end well."""
        process, self.process = self.process, None
        if process is None:
            return
        process.communicate(timeout=PATIENCE)
        if process.returncode != 0:
            raise BenchError(f"{self.name}: exit code {process.returncode}\n{self.complaint()}")

    def kill(self) -> None:
        """For a run that has failed; the proxy's guardian ends the server."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate(timeout=PATIENCE)

    def complaint(self) -> str:
        return (self.work / f"{self.name}.err").read_text("utf-8", "replace")[-2000:]

    def ask(self, method: str, **params: object) -> dict[str, Any]:
        [(ident, line)] = self.lines(1, method, params)
        self.write(line)
        answer: dict[str, Any] = json.loads(self.read_line())
        if answer.get("id") != ident:
            raise BenchError(f"{self.name}: {method}: {answer}")
        self.answered += 1
        return answer

    def lines(self, count: int, method: str, params: object) -> list[tuple[int, bytes]]:
        """`count` requests with ids of their own, as the clients write them."""
        idents = range(self.sent + 1, self.sent + count + 1)
        self.sent += count
        body = json.dumps({"method": method, "params": params}, separators=(",", ":"))[1:]
        return [(n, f'{{"jsonrpc":"2.0","id":{n},{body}\n'.encode()) for n in idents]

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.to, view) :]

    def read(self) -> bytes:
        data = os.read(self.back, CHUNK)
        if not data:
            raise BenchError(f"{self.name} ended early\n{self.complaint()}")
        return data

    def read_line(self) -> bytes:
        parts = [self.rest]
        while b"\n" not in parts[-1]:
            parts.append(self.read())
        line, _, self.rest = b"".join(parts).partition(b"\n")
        return line

    def check(self, idents: list[int], answers: list[bytes], text: str) -> None:
        """Every id came back once, in any order, with the text that was sent."""
        came = [json.loads(line) for line in answers]
        content = [{"type": "text", "text": text}]
        wrong = [line for line in came if line.get("result", {}).get("content") != content]
        if wrong or sorted(line["id"] for line in came) != idents:
            raise BenchError(f"{self.name}: {len(wrong)} wrong answers, {str(wrong[:1])[:300]}")
        self.answered += len(came)


def tree(pid: int) -> Iterator[int]:
    """`pid` and its descendants; only `pid` where the system does not tell."""
    yield pid
    for task in PROC.glob(f"{pid}/task/*/children"):
        for child in task.read_text().split():
            yield from tree(int(child))


def executable(pid: int) -> str:
    link = PROC / str(pid) / "exe"
    return link.readlink().name if link.is_symlink() else ""


def cpu_time(pids: Sequence[int]) -> float | None:
    """Microseconds that `pids` have run, to the scheduler's nanosecond; None off Linux."""
    files = [path for pid in pids for path in PROC.glob(f"{pid}/task/*/schedstat")]
    return sum(int(path.read_text().split()[0]) for path in files) / 1000 if files else None


def resident(pids: Sequence[int]) -> float | None:
    """MiB resident in all `pids`; pages they share count for each. None off Linux."""
    files = [path for pid in pids for path in PROC.glob(f"{pid}/smaps_rollup")]
    lines = [line for path in files for line in path.read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Rss:")) / 1024 or None


def one_by_one(peer: Peer, lines: list[bytes]) -> tuple[list[float], list[bytes]]:
    """Send each line when the answer to the one before is there. Call times in us, and answers."""
    times, answers = [], []
    for line in lines:
        began = time.perf_counter_ns()
        peer.write(line)
        answers.append(peer.read_line())
        times.append((time.perf_counter_ns() - began) / 1000)
    return times, answers


def in_flight(peer: Peer, lines: list[bytes], depth: int) -> list[bytes]:
    """Keep `depth` lines unanswered; the answers."""
    sent, done, chunks = 0, 0, []
    while done < len(lines):
        upto = min(len(lines), done + depth)
        if upto > sent:
            peer.write(b"".join(lines[sent:upto]))
            sent = upto
        chunks.append(peer.read())
        done += chunks[-1].count(b"\n")
    return b"".join(chunks).splitlines()


def block(peer: Peer, load: Load) -> Block:
    """One turn of `peer`, its answers checked after the clock has stopped."""
    text = "x" * load.size
    asked = peer.lines(load.calls, "tools/call", {"name": "echo", "arguments": {"text": text}})
    lines = [line for _, line in asked]
    signal.alarm(PATIENCE)
    cpu, began, times = cpu_time(peer.proxy), time.perf_counter(), [0.0]
    if load.depth:
        answers = in_flight(peer, lines, load.depth)
    else:
        times, answers = one_by_one(peer, lines)
    took, spent = time.perf_counter() - began, cpu_time(peer.proxy)
    signal.alarm(0)
    peer.check([ident for ident, _ in asked], answers, text)
    used = None if cpu is None or spent is None else (spent - cpu) / load.calls
    return Block(median(times), used, load.calls / took)
