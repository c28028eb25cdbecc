"""A host, its proxies and the people beside it, for tests of approvals and run-time changes.

The proxies and commands are real processes; the server writes every byte it gets into a file.
"""

import os
import queue
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson

from mcpguard.control import client
from tests.integration.host import INITIALIZE, RECORDER, Message, Session, ask, call, line
from tests.waiting import PATIENCE

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

ROOT = Path(__file__).parents[2]
CHECKPOINT = "audit.checkpoint"
PHRASE = "correct horse battery"


class Office:
    """A data directory, settings and a lockfile of their own, and what is done with them."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.seen = base / "seen"
        self.lock = base / "mcp-lock.json"
        self.config = base / "config" / "mcpguard.yaml"
        self.config.parent.mkdir(parents=True)
        self.data = base / "data"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(base),
            "PYTHONPATH": str(ROOT),
            "MCPGUARD_DATA_DIR": str(self.data),
            "MCPGUARD_CONFIG_DIR": str(self.config.parent),
            "RECORDER_LOG": str(self.seen),
        }

    def settings(self, text: str) -> None:
        self.config.write_text(text)

    def run(self, *args: str, said: Sequence[str] = (), code: int = 0, given: str = "y\n") -> str:
        """A command in another terminal; what it says on stdout. `said`: passphrases."""
        reading, writing = os.pipe()
        os.write(writing, "".join(f"{phrase}\n" for phrase in said).encode())
        os.close(writing)
        more = ("--passphrase-fd", str(reading)) if said else ()
        try:
            done = subprocess.run(
                (sys.executable, "-m", "mcpguard", *args, *more),
                cwd=self.base,
                env=self.env,
                input=given,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
                pass_fds=(reading,),
            )
        finally:
            os.close(reading)
        assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stdout + done.stderr

    def json(self, *args: str) -> Message:
        """What a command says with `--format json`."""
        told: Message = orjson.loads(self.run(*args, "--format", "json"))
        return told

    def signed(self, *args: str, by: str = "", code: int = 0) -> str:
        who = ("--by", by) if by else ()
        return self.run(*args, *who, said=[PHRASE], code=code)

    def make_lock(self, *options: str) -> None:
        locked = ("lock", "-o", str(self.lock), "--name", "files", "--env", "RECORDER_LOG")
        self.run(*locked, *options, "--", *RECORDER)

    @contextmanager
    def proxy(self, *options: str, lock: Path | None = None) -> Iterator["Desk"]:
        command = (sys.executable, "-m", "mcpguard", "proxy", "--lock", str(lock or self.lock))
        with Talking([*command, *options], self.base, self.env) as host:
            yield Desk(self, host)

    def received(self, word: str) -> int:
        """How many calls of a tool that say `word` reached a server."""
        lines = self.seen.read_bytes().splitlines() if self.seen.exists() else []
        return sum(b"tools/call" in each and word.encode() in each for each in lines)

    def waiting(self) -> list[Message]:
        told = self.json("approve", "list")
        rows: list[Message] = [row for one in told["sessions"] for row in one["waiting"]]
        return [*rows, *told["left"]]

    def events(self) -> list[Message]:
        """What happened but for decisions and checkpoints, as the audit logs have it."""
        logs = sorted((self.data / "audit").glob("*.jsonl"))
        records = [orjson.loads(each) for log in logs for each in log.read_bytes().splitlines()]
        return [one for one in records if one.get("event", CHECKPOINT) != CHECKPOINT]


class Talking(Session):
    """A session whose stderr is heard line by line, in `said`."""

    def __init__(self, command: Sequence[str], cwd: Path, env: dict[str, str]) -> None:
        self.said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        super().__init__(command, cwd, env)

    @override
    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        for found in iter(self.process.stderr.readline, b""):
            self.stderr += found
            self.said.put(found)


class Desk:
    """One running proxy, and its host's way to it."""

    def __init__(self, office: Office, host: "Talking") -> None:
        self.office, self.host = office, host
        self.session = ""
        self.calls = 0

    def start(self, **capabilities: object) -> "Desk":
        """The handshake, and the wait until the session can be asked for."""
        self.host.send(ask(0, "initialize", **{**INITIALIZE, "capabilities": capabilities}))
        self.host.answer(0)
        self.host.send(line(method="notifications/initialized"))
        self.session = self._socket().stem
        return self

    def _socket(self) -> Path:
        """The control socket, once it is there."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.host.exchange(ask("tick", "ping"), "tick")
            every = self.office.data.glob("run/[!.]*.sock")
            for each in every:
                with client.connected(self.office.data, each.stem) as asked:
                    if asked.hello()["pid"] == self.host.process.pid:
                        return each
        raise AssertionError(self.host.stderr.decode())

    def ask(self, ident: int, text: str, tool: str = "echo") -> None:
        self.host.send(call(ident, tool, text=text))

    def held(self, ident: int, text: str) -> str:
        """Send a call and wait until it waits; its ticket."""
        self.ask(ident, text)
        return self.ticket()

    def ticket(self) -> str:
        """Of the next call that waits, as stderr says it."""
        while True:
            said = self.host.said.get(timeout=PATIENCE)
            if b"approve show " in said:
                return said.decode().rpartition("approve show ")[2].strip()

    def says(self, text: str) -> str:
        """A call from end to end: the text of its answer."""
        self.calls += 1
        self.ask(1000 + self.calls, text)
        return self.answered(1000 + self.calls)

    def answered(self, ident: int) -> str:
        """The text of the answer to a call."""
        body = orjson.loads(self.host.answer(ident))
        text = str(body["result"]["content"][0]["text"])
        assert "store_lost" not in text, self.host.stderr.decode()
        return text
