"""The loads of scripts/bench, their targets, and the ratios that come of them. Standard library.

The peers take turns in an order that rotates; what is quoted is the median over the turns.
"""

import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

import environment
from measuring import BARE, GUARD, NAMES, PATIENCE, RELAY, Block, Load, Peer, block, resident

SMALL = 100
"""Bytes of text: an ordinary call."""

LATENCY = (
    Load("added_100B", "added latency, 100 B calls", SMALL, 0, 40, 50, 6),
    Load("added_10KB", "added latency, 10 KB each way", 10_000, 0, 10, 30),
    Load("added_1MB", "added latency, 1 MB each way", 1_000_000, 0, 10, 5, 10),
)
THROUGHPUT = (
    Load("in_flight_1", "calls a second, 1 in flight", SMALL, 1, 15, 300),
    Load("in_flight_8", "calls a second, 8 in flight", SMALL, 8, 15, 500),
    Load("in_flight_64", "calls a second, 64 in flight", SMALL, 64, 15, 1000, 0.06),
)
CPU_TARGET, COLD_TARGET, RSS_TARGET = 6, 12, 40
COLD_STARTS = 9


@dataclass(frozen=True)
class Row:
    """One line of the table. `ratio` is mcpguard's to the relay's, or what `says` names."""

    name: str
    says: str
    unit: str
    bare: float | None
    relay: float | None
    mcpguard: float | None
    ratio: float | None
    target: float | None
    at_least: bool = False


Round: TypeAlias = dict[str, Block]
"""One turn of every peer, by its name."""


WARM_UP = 1.0
"""Seconds of calls before anything is timed: mcpguard imports its event loop while it answers."""


def warm(peer: Peer) -> None:
    """Call `peer` until it has long since settled."""
    end = time.monotonic() + WARM_UP
    while time.monotonic() < end:
        block(peer, LATENCY[0])


def rotated(peers: Sequence[Peer], turn: int) -> list[Peer]:
    start = turn % len(peers)
    return [*peers[start:], *peers[:start]]


def rounds(peers: Sequence[Peer], load: Load) -> list[Round]:
    """The rounds of `load`, after one that warms up and is thrown away."""
    turns = [
        {peer.name: block(peer, load) for peer in rotated(peers, turn)}
        for turn in range(load.rounds + 1)
    ]
    return turns[1:]


def rows(load: Load, turns: list[Round]) -> list[Row]:
    """What one load says: throughput, or added latency and, for small calls, CPU."""
    if load.depth:
        return [throughput(load, turns)]
    return [latency(load, turns), cpu(turns)] if load.size == SMALL else [latency(load, turns)]


def latency(load: Load, turns: list[Round]) -> Row:
    """What the two proxies add to the median call; `bare` is that whole call."""
    bare = [turn[BARE].p50 for turn in turns]
    relay, guard = (
        median(turn[name].p50 - direct for turn, direct in zip(turns, bare, strict=True))
        for name in (RELAY, GUARD)
    )
    ratio = guard / relay if relay > 0 else None
    return Row(load.name, load.says, "us", median(bare), relay, guard, ratio, load.target)


def cpu(turns: list[Round]) -> Row:
    pairs = [(turn[RELAY].cpu, turn[GUARD].cpu) for turn in turns]
    known = [(relay, guard) for relay, guard in pairs if relay and guard]
    says, relay, guard, ratio = "CPU a call, 100 B calls", None, None, None
    if known:
        relay, guard = (median(values) for values in zip(*known, strict=True))
        ratio = median(guard / relay for relay, guard in known)
    return Row("cpu_100B", says, "us", None, relay, guard, ratio, CPU_TARGET)


def throughput(load: Load, turns: list[Round]) -> Row:
    bare, relay, guard = (median(turn[name].rate for turn in turns) for name in NAMES)
    ratio = median(turn[GUARD].rate / turn[RELAY].rate for turn in turns)
    return Row(load.name, load.says, "/s", bare, relay, guard, ratio, load.target, at_least=True)


def memory(peers: Sequence[Peer]) -> Row:
    """At the end of all calls. The target is in MiB, so the value stands for the ratio."""
    relay, guard = (resident(peer.proxy) if peer.proxy else None for peer in peers[1:])
    return Row("rss", "memory (RSS) of the proxy", "MiB", None, relay, guard, guard, RSS_TARGET)


def cold(peers: Sequence[Peer], starts: int) -> Row:
    """Spawn to the answer to `initialize`, against an interpreter that does nothing."""
    times: dict[str, list[float]] = {name: [] for name in (*NAMES, "pass")}
    for turn in range(starts + 1):
        signal.alarm(PATIENCE)
        for peer in rotated(peers, turn):
            began = time.perf_counter()
            peer.start()
            times[peer.name].append(time.perf_counter() - began)
            peer.close()
        began = time.perf_counter()
        subprocess.run([environment.python(), "-I", "-c", "pass"], check=True)
        times["pass"].append(time.perf_counter() - began)
    signal.alarm(0)
    bare, relay, guard, unit = (median(values[1:]) * 1000 for values in times.values())
    says = f"cold start, to `python -I -c pass` ({unit:.1f} ms)"
    return Row("cold", says, "ms", bare, relay, guard, guard / unit, COLD_TARGET)
