"""Real proxies at once, each with a host of its own, on one store: for tests of what they share."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson

from mcpguard.audit.verify import read
from mcpguard.model import JsonObject
from tests.faults.proxied import ROOT, Host
from tests.waiting import PATIENCE

SERVER: Final = (sys.executable, "-I", str(ROOT / "fixtures/servers/fleet.py"))
AT_ONCE = 48
"""Calls of one host that are in flight."""

DENIED = re.compile(r"Blocked by mcpguard \[([a-z._-]+)\]: (.*?)\. ")


def mcpguard(*words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "mcpguard", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def make_lock(folder: Path) -> Path:
    path = folder / "mcp-lock.json"
    made = mcpguard(
        "lock", "-o", str(path), "--env", "FLEET_LOG", "--", *SERVER, FLEET_LOG=str(folder / "seen")
    )
    assert made.returncode == 0, made.stderr
    return path


def message(**told: object) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", **told}) + b"\n"


def call(number: int, tool: str) -> bytes:
    return message(
        id=number, method="tools/call", params={"name": tool, "arguments": {"n": number}}
    )


@dataclass
class Answers:
    """What one host got: by id, in how many milliseconds it is not asked."""

    by_id: dict[int, JsonObject] = field(default_factory=dict)
    twice: int = 0

    def take(self, line: bytes) -> bool:
        found = orjson.loads(line)
        if "id" not in found or "method" in found:
            return False
        self.twice += found["id"] in self.by_id
        self.by_id[found["id"]] = found
        return True

    @property
    def denials(self) -> Counter[tuple[str, str]]:
        """By rule and sentence."""
        said = (_denial(found) for found in self.by_id.values())
        return Counter(each for each in said if each is not None)

    @property
    def allowed(self) -> set[int]:
        return {number for number, found in self.by_id.items() if _denial(found) is None}


def _denial(found: JsonObject) -> tuple[str, str] | None:
    match found:
        case {"result": {"isError": True, "content": [{"text": str(text)}]}}:
            denied = DENIED.match(text)
            return (denied[1], denied[2]) if denied else None
        case _:
            return None


class Proxy:
    """One proxy and its host. `seen`: what reached the server; `log`: the audit log."""

    def __init__(
        self, place: "Place", name: str, profile: str, *options: str, settings: str = ""
    ) -> None:
        config = place.folder / f"{name}.yaml"
        config.write_text(f"profile: {profile}\n{settings or place.settings}")
        self.name, self.profile = name, profile
        self.seen, self.log = place.folder / f"{name}.seen", place.logs / f"{name}.jsonl"
        self.said = place.folder / f"{name}.said"
        flags = (
            "--lock",
            place.lock,
            "--config",
            config,
            "--audit-log",
            self.log,
            "--log-format",
            "jsonl",
        )
        program = (sys.executable, "-m", "mcpguard", "proxy", *flags, *options)
        env = {"MCPGUARD_DATA_DIR": str(place.data), "FLEET_LOG": str(self.seen)}
        with self.said.open("ab") as talk:
            command = [*map(str, program), "--", *SERVER]
            self.host = Host(command, env=env, stderr=talk.fileno())
        self.answers = Answers()
        self.sent = 0

    def start(self) -> None:
        hello = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "host", "version": "1"},
        }
        self.host.send(message(id="start", method="initialize", params=hello))
        assert b'"fleet"' in self.host.line(PATIENCE), self.said.read_text()
        self.host.send(message(method="notifications/initialized"))

    def send(self, tools: Sequence[str]) -> None:
        begin, self.sent = self.sent, self.sent + len(tools)
        self.host.send(b"".join(call(begin + n, tool) for n, tool in enumerate(tools)))

    def until_answered(self, open_at_most: int = 0) -> None:
        while self.sent - len(self.answers.by_id) > open_at_most:
            line = self.host.line(PATIENCE)
            assert line, "the proxy ended"
            self.answers.take(line)

    def ask(self, *tools: str) -> "list[JsonObject]":
        """Each tool called, all at once; their answers in that order."""
        begin = self.sent
        self.send(tools)
        self.until_answered()
        return [self.answers.by_id[number] for number in range(begin, self.sent)]

    def load(self, tools: Sequence[str], step: Callable[[int], None] = lambda _: None) -> None:
        """Call them all, `AT_ONCE` at a time; `step` hears how many were sent."""
        for begin in range(0, len(tools), AT_ONCE // 4):
            self.until_answered(AT_ONCE * 3 // 4)
            self.send(tools[begin : begin + AT_ONCE // 4])
            step(self.sent)
        self.until_answered()

    def finish(self) -> tuple[int, float]:
        """The exit code, and the seconds it took."""
        self.host.end_input()
        return self.host.exit()

    def served(self) -> list[tuple[float, str, int]]:
        """Milliseconds, tool and number of every call that reached the server."""
        rows = [line.split() for line in self.seen.read_text().splitlines()]
        return [(float(at), tool, int(number)) for at, tool, number in rows]

    def events(self) -> Counter[str]:
        """What it said to people."""
        return Counter(orjson.loads(line)["event"] for line in self.said.read_bytes().splitlines())

    def records(self) -> list[JsonObject]:
        return list(read(self.log))


@dataclass
class Place:
    """Where proxies run. `settings`: of all of them."""

    folder: Path
    lock: Path
    settings: str

    def __post_init__(self) -> None:
        self.data, self.logs = self.folder / "data", self.folder / "logs"
        self.data.mkdir(mode=0o700)
        self.logs.mkdir()

    @contextmanager
    def proxies(self, *profiles: str, options: Sequence[str] = ()) -> "Iterator[list[Proxy]]":
        """One for each profile, ready to be called."""
        with ExitStack() as stack:
            made = [
                Proxy(self, f"p{number}", profile, *options)
                for number, profile in enumerate(profiles)
            ]
            for each in made:
                stack.enter_context(each.host)
            for each in made:
                each.start()
            yield made


def at_once(proxies: Sequence[Proxy], work: Callable[[Proxy], None]) -> None:
    """`work` for all of them, in a thread each."""
    with ThreadPoolExecutor(len(proxies)) as threads:
        for done in [threads.submit(work, each) for each in proxies]:
            done.result()
