"""Run an SDK client against a command, with a tee on the wire, and make two runs comparable.

What differs from run to run whatever stands between (ids that a program made up, clocks) is mapped;
nothing else is.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tests import tools
from tests.integration.scenarios import FORM, Real, Step

Json: TypeAlias = Any
Line: TypeAlias = dict[str, Any]
HERE = Path(__file__).parent
PYTHON_CLIENT = HERE / "clients" / "python_client.py"
TYPESCRIPT_CLIENT = HERE / "clients" / "typescript_client.cjs"
TEE = tools.FIXTURES / "servers" / "tee.py"
DEADLINE = 180.0
"""Seconds for a whole client run; a run takes 5 to 15."""


@dataclass(frozen=True)
class Client:
    """An SDK in one of its modes."""

    name: str
    program: tuple[str, ...]
    mode: str
    tasks: bool = False
    modern: bool = False


CLIENTS = {
    client.name: client
    for client in (
        Client("python-2-auto", (str(tools.SDK2_PYTHON), str(PYTHON_CLIENT)), "auto", modern=True),
        Client("python-2-legacy", (str(tools.SDK2_PYTHON), str(PYTHON_CLIENT)), "legacy"),
        Client("python-1", (str(tools.SDK1_PYTHON), str(PYTHON_CLIENT)), "session", tasks=True),
        Client("typescript-1", ("node", str(TYPESCRIPT_CLIENT)), "v1", tasks=True),
        Client("typescript-2", ("node", str(TYPESCRIPT_CLIENT)), "v2", modern=True),
    )
}


def put(value: Json, work: Path) -> Json:
    """`value` with WORK replaced by the working directory, everywhere."""
    return json.loads(json.dumps(value).replace("WORK", str(work)))


def environment(home: Path, extra: dict[str, str]) -> dict[str, str]:
    """What a desktop host would pass, with a home of its own."""
    home.mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "HOME": str(home), "NODE_MODULES": str(tools.NODE_MODULES), **extra}


@dataclass(frozen=True)
class Run:
    """One session: what the client program printed, and the raw lines on the wire."""

    printed: list[dict[str, Any]]
    wire: list[tuple[str, bytes]]
    stderr: str


def run_client(client: Client, base: Path, script: dict[str, Any], command: Sequence[str]) -> Run:
    """One session of `client` with `command`, in `base`."""
    wire, path = base / "wire.log", base / "script.json"
    wire.unlink(missing_ok=True)
    teed = [sys.executable, "-I", str(TEE), str(wire), "--", *command]
    path.write_text(json.dumps({**script, "mode": client.mode, "command": teed}), encoding="utf-8")
    done = subprocess.run(
        [*client.program, str(path)],
        capture_output=True,
        timeout=DEADLINE,
        check=False,
        cwd=base,
        env=environment(base / "home", {}),
    )
    printed = [json.loads(line) for line in done.stdout.split(b"\n") if line]
    talk = done.stderr.decode("utf-8", "replace")[-4000:]
    assert printed[-1:] == [{"end": True}], f"{printed[-2:]}\n{talk}"
    return Run(printed, list(read_wire(wire)), talk)


def read_wire(path: Path) -> Iterable[tuple[str, bytes]]:
    for line in path.read_bytes().split(b"\n")[:-1]:
        yield ("client" if line[:2] == b"> " else "server"), line[2:]


def fresh(base: Path, real: Real) -> Path:
    """A working directory as if nothing had happened in it."""
    work = base / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    real.prepare(work)
    return work


def script_for(real: Real, client: Client, work: Path, steps: Iterable[Step]) -> dict[str, Any]:
    home = {"HOME": str(work.parent / "home"), **real.env}
    script = {
        "env": home,
        "cwd": str(work),
        "roots": [work.as_uri()],
        "form": FORM,
        "steps": list(steps),
    }
    found: dict[str, Any] = put({**script, "log_level": "debug"} if client.modern else script, work)
    return found


# making two runs comparable

STAMPS: tuple[tuple[str, str], ...] = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", "<time>"),
    (r"\b\d{1,2}:\d\d:\d\d [AP]M\b", "<clock>"),
    (
        r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \w{3} \d\d \d{4} \d\d:\d\d:\d\d GMT[+-]\d{4} \([^)]*\)",
        "<date>",
    ),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uuid>"),
    (r"\b[0-9a-f]{32}\b", "<hex>"),
    (r'"requestState": "[^"]*"', '"requestState": "<state>"'),
)
"""Clocks, random ids and sealed states that the real servers put into their answers."""
TASK = re.compile(r'"taskId": ?"([^"]*)"')
RACES = re.compile(r"^progress |^exception Error$")
"""The TypeScript SDKs may hand an answer over before the progress that was read with it."""
BLOB = re.compile(r'"blob": ?"[A-Za-z0-9+/=]+"')
"""server-everything writes the clock into its base64 resources."""
SIMULATED = re.compile(r'"(data)": ?"[A-Za-z]+[- ]level[- ]message"')


def task_names(run: "Run") -> dict[str, str]:
    """The ids of a session's tasks, which servers and proxies make up, in order."""
    found = TASK.findall(b"\n".join(raw for _, raw in run.wire).decode())
    return {ident: f"task-{number}" for number, ident in enumerate(dict.fromkeys(found))}


def mapped(value: Json, names: dict[str, str]) -> Json:
    """`value` without clocks and random ids."""
    text = json.dumps(value, sort_keys=True)
    for ident, name in names.items():
        text = text.replace(ident, name)
    for pattern, name in STAMPS:
        text = re.sub(pattern, name, text)
    return json.loads(BLOB.sub('"blob": "<blob>"', text))


def simulated(line: dict[str, Any]) -> bool:
    """Tell server-everything's log messages of random level."""
    return bool(SIMULATED.search(json.dumps(line)))


def outcomes(run: Run) -> list[Any]:
    """What the program got for its own steps, in order."""
    names = task_names(run)
    return [mapped(line, names) for line in run.printed if "event" not in line]


def events(run: Run, client: Client) -> dict[str, list[Any]]:
    """What came unasked, in order for each method: two methods may cross on the way."""
    found: dict[str, list[Any]] = {}
    names = task_names(run)
    for line in run.printed:
        if "event" in line and not simulated(line):
            kind = f"{line['event']} {line['method']}"
            found.setdefault(kind, []).append(mapped(line["params"], names))
    racy = client.name.startswith("typescript")
    return {name: seen for name, seen in found.items() if not (racy and RACES.match(name))}


# the raw wire


@dataclass
class Wire:
    """A session's raw lines: what order is free is grouped, what is not stays in order."""

    asked: list[Line]
    answers: dict[str, Line]
    notices: dict[str, list[Line]]
    server_asked: list[Line]
    host_answers: list[Line]


def wire(run: Run) -> Wire:
    """The raw lines of `run`: keys, types and numbers as written; clocks and made-up ids mapped."""
    seen = Wire([], {}, {}, [], [])
    order: dict[str, int] = {}
    names = task_names(run)
    for side, raw in run.wire:
        line = mapped(json.loads(raw), names)
        identity = json.dumps(line.get("id"))
        if side == "client" and "method" in line:
            seen.asked.append(line)
        elif side == "client":
            seen.host_answers.append({**line, "id": order[identity]})
        elif "method" not in line:
            assert identity not in seen.answers, f"answered twice: {raw[:200]!r}"
            seen.answers[identity] = line
        elif "id" in line:
            order[identity] = len(order)
            seen.server_asked.append({**line, "id": order[identity]})
        elif not simulated(line):
            seen.notices.setdefault(line["method"], []).append(line)
    return seen


@dataclass
class View:
    """Everything that is compared of one session."""

    outcomes: list[Any]
    events: dict[str, list[Any]]
    wire: Wire


def view(run: Run, client: Client) -> View:
    return View(outcomes(run), events(run, client), wire(run))


def at_server(log: Path, left_out: Callable[[Line], bool]) -> tuple[list[Line], list[Line]]:
    """What a server was sent: requests and notices, and answers; ids in order of appearance."""
    ids: dict[str, str] = {}
    tokens: dict[str, str] = {}
    asked: list[Line] = []
    answers: list[Line] = []
    for side, raw in read_wire(log):
        line = json.loads(raw)
        if side == "server" or left_out(line):
            continue
        (asked if "method" in line else answers).append(renamed(line, ids, tokens))
    return asked, answers


def renamed(line: Line, ids: dict[str, str], tokens: dict[str, str]) -> Line:
    """`line` with the ids and tokens a client or a proxy chose named in order of appearance."""
    params = line.get("params", {})
    if "method" in line and "id" in line:
        line["id"] = ids.setdefault(json.dumps(line["id"]), f"id-{len(ids)}")
    if "requestId" in params:
        params["requestId"] = ids[json.dumps(params["requestId"])]
    if "progressToken" in params.get("_meta", {}):
        token = json.dumps(params["_meta"]["progressToken"])
        params["_meta"]["progressToken"] = tokens.setdefault(token, f"token-{len(tokens)}")
    found: Line = mapped(line, {})
    return found
