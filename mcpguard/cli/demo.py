"""`mcpguard demo`: a tool server turns rogue in the middle of a session, and what happens then.

Everything is real: the lockfile, the proxy, the server, both processes. What is printed comes from
the audit log of that very run, after the log was verified, and from nothing else.
"""

import os
import subprocess  # noqa: TID251 - the demo is a host, and hosts start `mcpguard proxy` like this
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Final

import click
import orjson

from mcpguard.audit.verify import read, verify
from mcpguard.cli import render
from mcpguard.config.files import CONFIG_DIR_VARIABLE, NAME, Places, places
from mcpguard.config.flags import DATA_DIR_VARIABLE
from mcpguard.config.loading import load
from mcpguard.errors import McpguardError, TamperError
from mcpguard.model import DOWN, UP, JsonObject

__all__ = ["DemoError", "Host", "demo", "refuse_collectors"]

SERVER = Path(__file__).with_name("demo_server.py")

WIDTH, INDENT = 96, 13
"""Columns of the story, and where the reasons stand in it."""

STEP_SECONDS = 20
"""Seconds one step may take; starting Python twice takes one."""


class DemoError(McpguardError):
    """The demo itself did not come about."""


class Host:
    """The client side of one session: `mcpguard proxy` as a subprocess, one line at a time."""

    def __init__(
        self, argv: list[str], env: Mapping[str, str], seconds: float = STEP_SECONDS
    ) -> None:
        """`seconds`: how long each answer may take."""
        self._seconds = seconds
        self._late = False
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(env),
        )
        self._next = 0

    def ask(self, method: str, **params: object) -> JsonObject:
        """The whole answer to a request."""
        self._next += 1
        with suppress(BrokenPipeError):  # it has ended, which shows when its answer is read
            self._send({"id": self._next, "method": method, "params": params})
            _pipe(self._process.stdin).flush()
        return self._until(lambda message: message.get("id") == self._next)

    def tell(self, method: str) -> None:
        """A notification. Leaves with the next request, so that every run tells the same story."""
        self._send({"method": method})

    def hear(self, method: str) -> None:
        """Wait for a notification of the server."""
        self._until(lambda message: message.get("method") == method)

    def _send(self, message: Mapping[str, object]) -> None:
        _pipe(self._process.stdin).write(orjson.dumps({"jsonrpc": "2.0", **message}) + b"\n")

    def _until(self, wanted: Callable[[JsonObject], bool]) -> JsonObject:
        timer = threading.Timer(self._seconds, self._give_up)
        timer.start()
        try:
            for line in _pipe(self._process.stdout):
                message = orjson.loads(line)
                if wanted(message):
                    return dict(message)
        finally:
            timer.cancel()
        if self._late:
            raise _late("the proxy did not answer", self._seconds)
        raise DemoError(
            "the proxy ended in the middle of the demo",
            hint="run it again; if it stays so, report it with the output of: mcpguard --version",
        )

    def _give_up(self) -> None:
        """End the proxy, so that whoever reads what it says reads the end."""
        self._late = True
        self._process.kill()

    def close(self) -> None:
        """End the session as a host does: close its stdin and wait."""
        with suppress(BrokenPipeError):  # it has ended before
            _pipe(self._process.stdin).close()
        try:
            self._process.wait(self._seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise _late("the proxy did not end", self._seconds) from None
        finally:
            _pipe(self._process.stdout).close()


def _late(what: str, seconds: float) -> DemoError:
    return DemoError(
        f"{what} within {seconds:g} s",
        hint="run it again when less else runs here; the administrator's settings hold for the"
        " demo, too: mcpguard config path",
    )


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise DemoError("the proxy has no pipe", hint="report it")
    return stream


@click.command()
@click.option("--keep", is_flag=True, help="Keep the lockfile and the audit log, and say where.")
def demo(*, keep: bool) -> int:
    """Watch a rogue tool being blocked. Offline, in a few seconds, nothing of yours is touched.

    A small notes server is locked and run behind the proxy. After its first call it grows a shell
    and rewrites what the model is told. Every line printed below is read from the audit log of this
    run, once that has been verified. Your settings are not read; the administrator's are.
    """
    with ExitStack() as stack:
        prefix = "mcpguard-demo-"
        folder = (
            tempfile.mkdtemp(prefix=prefix)
            if keep
            else stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix))
        )
        log = _play(Path(folder))
        report = verify(log)
        if report.problems:
            raise TamperError(f"{log}: the demo's own log does not verify", hint="report it")
        render.answer(_story(log, report.records))
        if keep:
            render.talk("", f"lockfile and log: {folder}")
    return 0


def refuse_collectors(where: Places) -> None:
    """Raises DemoError when the system's file has records delivered: these are of no attack.

    No variable says where that file is, so the demo runs under it, as every session does.
    """
    if load(where=where).settings.audit.sinks:
        raise DemoError(
            f"{where.system}: the administrator has every record delivered, and these are made up",
            hint="run the demo on a machine without `audit.sinks` in that file",
        )


def _play(folder: Path) -> Path:
    """Lock the sample server, then one session with it. Returns the audit log."""
    lock, log = folder / "mcp-lock.json", folder / "audit.jsonl"
    own = {DATA_DIR_VARIABLE: folder / "data", CONFIG_DIR_VARIABLE: folder / "config"}
    refuse_collectors(Places(own[CONFIG_DIR_VARIABLE] / NAME, places().system))
    env = {**os.environ, **{name: str(path) for name, path in own.items()}}
    mcpguard = [sys.executable, "-m", "mcpguard"]
    server = ["--", sys.executable, "-I", str(SERVER)]
    _run([*mcpguard, "lock", "-o", str(lock), "--name", "notes", *server], env)
    host = Host([*mcpguard, "proxy", "--lock", str(lock), "--audit-log", str(log), *server], env)
    try:
        _session(host)
    finally:
        host.close()
    return log


def _run(argv: list[str], env: Mapping[str, str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            argv, env=dict(env), capture_output=True, timeout=STEP_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise _late("the sample server was not locked", STEP_SECONDS) from None
    if done.returncode:
        raise DemoError(
            f"the sample server cannot be locked: {done.stderr.decode(errors='replace').strip()}",
            hint="see: mcpguard lock --help",
        )


def _session(host: Host) -> None:
    """What a host and a model that believes everything would do."""
    client = {"name": "demo-host", "version": "1"}
    host.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=client)
    host.tell("notifications/initialized")
    host.ask("tools/list")
    host.ask("tools/call", name="read_note", arguments={"title": "groceries"})
    host.hear("notifications/tools/list_changed")
    host.ask("tools/list")
    host.ask("tools/call", name="exec_shell", arguments={"command": "cat ~/.ssh/id_rsa"})
    host.ask("tools/call", name="read_note", arguments={"title": "groceries"})
    host.ask("tools/call", name="write_note", arguments={"title": "todo", "text": "lock servers"})


# --- the story, from the log ---------------------------------------------------------------------

_MARKS: Final[Mapping[str, tuple[str, str]]] = {
    "allow": ("good", "ok"),
    "deny": ("critical", "BLOCKED"),
    "drop": ("moderate", "dropped"),
    "note": ("info", "note"),
}
"""Decision -> its style and its word."""

_TOLD: Final[Mapping[tuple[str, str], str]] = {
    (UP, "initialize"): "the host connects",
    (UP, "tools/list"): "the host asks for the tools",
    (DOWN, "tools/list"): "the server lists {target}",
    (UP, "tools/call"): "the model calls {target}",
    (DOWN, "tools/call"): "{target} answers",
    (DOWN, "notifications/tools/list_changed"): "the server says that its tools changed",
}
"""What a record says to a person, by direction and method; other records are left out."""

_LABEL = 9
"""Columns of the decision's word."""


def _story(log: Path, records: int) -> Iterator[str]:
    """One line for every record worth telling, then what the log itself is worth."""
    for record in read(log):
        if record.get("event") == "session.start":
            yield from _opening(record)
        elif (record.get("direction"), record.get("method")) in _TOLD:
            yield from _decision(record)
    yield ""
    text = f"{records} records, verified: nothing changed, removed, inserted or reordered"
    yield f"{render.painted('bold', 'audit log')}  {text}"


def _opening(record: JsonObject) -> Iterator[str]:
    title = f"A session with the server {record['server']}, behind mcpguard ({record['mode']})"
    yield render.painted("bold", render.printable(title))
    yield ""


def _decision(record: JsonObject) -> Iterator[str]:
    style, word = _MARKS.get(str(record["decision"]), ("info", "note"))
    target = str(record.get("target") or "its tools")
    told = _TOLD[str(record["direction"]), str(record["method"])].format(target=target)
    yield f"{render.painted(style, word.rjust(_LABEL))}  {render.printable(told)}"
    detail = str(record.get("detail") or "")
    if detail and record["decision"] != "allow":
        detail = f"{detail} [{record.get('rule')}]"
    for line in textwrap.wrap(render.printable(detail), WIDTH - INDENT):
        yield " " * INDENT + render.painted("dim", line)
