"""Kills writers of the audit log at random moments and compares what they left with what was done.

`python tests/faults/killing.py TASK KILLS`, from the repository: a JSON object of what was
counted, or the error and the folder in which it is to be seen. The tests do some; by hand it does
thousands.

writers  processes with a log and its keeper, which tell what they wrote when the write returned
proxies  whole `mcpguard proxy` sessions that enforce a lockfile, each before a server that tells
         what it executes

They are forked from this process, which has imported everything and runs no thread: a session is up
in some 20 ms, so that a thousand kills are not a thousand times the imports. Several run side by
side and want the same log, so that they stand in each other's way, too.
"""

import os
import random
import select
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import NoReturn

import orjson

from mcpguard.__main__ import main as command
from mcpguard.audit import AuditLog
from mcpguard.audit.checkpoint import Signer, load_public
from mcpguard.audit.keeper import Keeper, Rotation
from mcpguard.audit.key import DIGEST_KEY, load_or_create_key
from mcpguard.audit.logfile import is_part
from mcpguard.audit.verify import VerifyReport, parts_of, read, verify
from tests.unit.audit.logs import KEY, SEED

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

BESIDE = 4
"""Processes at the same time."""

EARLY = 0.2
"""Share of the moments that count from the start; the others, from the first that it told."""

PAUSE = 0.0003
"""Seconds between two looks."""

GO_ON = 5
"""Rounds in one folder: so often the next sessions go on with what killed ones left."""

IN_FLIGHT = 6
"""Calls whose answers have not come."""

WARM = (
    *("anyio._backends._asyncio", "anyio._core._signals", "anyio.to_thread", "uvloop", "re2"),
    *("mcpguard.daemon.run", "mcpguard.daemon.drivers", "mcpguard.daemon.engine", "yaml"),
    *("mcpguard.live.governor", "mcpguard.proxy.session", "mcpguard.control.socket"),
    *("mcpguard.config.loading", "mcpguard.config.layers", "mcpguard.policy.loading"),
    *("mcpguard.store.sqlite", "mcpguard.approval.shared", "mcpguard.identity.keys"),
    *("mcpguard.scan.threats.outputs", "cryptography.hazmat.primitives.serialization"),
)
"""What a session imports."""

SERVER = r"""
import posix, sys
told = posix.open(posix.environ[b"TOLD"], posix.O_WRONLY)
ANSWERS = {
    b"initialize": b'{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},'
                   b'"serverInfo":{"name":"till","version":"1"}}',
    b"tools/list": b'{"tools":[{"name":"pay","inputSchema":{"type":"object"}}]}',
    b"tools/call": b'{"content":[{"type":"text","text":"paid"}]}',
}
def behind(line, mark):
    return line.partition(mark)[2].lstrip(b'"').split(b'"')[0].split(b",")[0].split(b"}")[0]
for line in iter(sys.stdin.buffer.readline, b""):
    method = behind(line, b'"method":')
    if method == b"tools/call":
        posix.write(told, behind(line, b'"n":') + b"\n")
    if method in ANSWERS:
        answer = behind(line, b'"id":'), ANSWERS[method]
        posix.write(1, b'{"jsonrpc":"2.0","id":%b,"result":%b}\n' % answer)
"""
"""Says that it executes a call before it answers. It imports nothing, and so is up at once."""

HELLO = b"""{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",\
"capabilities":{},"clientInfo":{"name":"host","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
"""
PAY = b"""{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"pay","arguments":%b}}
"""


class Victim(ABC):
    """One process, from its start to what is known of it when it was killed."""

    span = 0.0
    """Seconds within which the moment is drawn."""

    def __init__(self, at: Path, chance: random.Random) -> None:
        self.at, self.chance = at, chance
        self.pid = os.fork()
        if not self.pid:
            leave(self.live)
        self.left = chance.random() * self.span
        self.since = time.monotonic() if chance.random() < EARLY else 0.0

    def due(self, now: float) -> bool:
        """Its moment has come: so long after its start, or after it began to work."""
        if self.works() and not self.since:
            self.since = now
        assert os.waitpid(self.pid, os.WNOHANG) == (0, 0), "it ended by itself"
        return bool(self.since) and now > self.since + self.left

    @abstractmethod
    def works(self) -> bool:
        """Whether it has told anything. What we do for it meanwhile, is done here, too."""

    @classmethod
    @abstractmethod
    def prepare(cls, base: Path) -> None:
        """Once, before the first."""

    @abstractmethod
    def live(self) -> None:
        """What it does until it is killed."""

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    @abstractmethod
    def gone(self) -> None:
        """Collects what it told."""


def leave(child: Callable[[], object]) -> NoReturn:
    """Nothing of ours runs on in a process that was forked."""
    try:
        child()
    except BaseException as error:  # noqa: BLE001 - as above
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    os._exit(1)


def drain(fd: int) -> bytes:
    """What comes up to the end of file."""
    data = b"".join(iter(lambda: os.read(fd, 65536), b""))
    os.close(fd)
    return data


def whole(path: Path, keys: Mapping[str, bytes]) -> list[VerifyReport]:
    """Every part verified with the key, each going on from the one before."""
    reports: list[VerifyReport] = []
    files = [part for part in parts_of(path) if part.exists()]
    for part in files:
        seam = reports[-1].seam if reports else None
        reports.append(verify(part, keys=keys, seam=seam, last=part == files[-1]))
        assert reports[-1].intact, (part, reports[-1].problems)
    return reports


def logs(at: Path) -> list[Path]:
    """The logs in `at`, each without its earlier parts, also where the last part is missing."""
    names = {each.with_name(f"{each.stem.partition('~')[0]}.jsonl") for each in at.glob("*.jsonl")}
    return sorted(each for each in names if not is_part(each))


# --- the log alone -------------------------------------------------------------------------------


class Writer(Victim):
    """Writes batches, signs and sets aside; tells its log and then what it has written to it."""

    span = 0.012

    @override
    @classmethod
    def prepare(cls, base: Path) -> None:
        import_module("cryptography.hazmat.primitives.serialization")

    def __init__(self, at: Path, chance: random.Random) -> None:
        self.reader, self.writer = os.pipe()
        self.strict = chance.random() < 0.5
        self.told = b""
        super().__init__(at, chance)
        os.close(self.writer)
        os.set_blocking(self.reader, False)

    @override
    def live(self) -> None:
        log = AuditLog.open(
            self.at / "audit.jsonl", key=KEY, session=f"w{os.getpid()}", server="till",
            principal="local:default", clock=time.time, tracked=True,
            durability="strict" if self.strict else "grouped",
        )  # fmt: skip
        keeper = Keeper(log, Signer(SEED, self.at), Rotation(size=6000))
        told = f"{log.path.name}\n".encode()
        while True:
            os.write(self.writer, told)
            size = log.seq % 5 + 1
            log.write([({"decision": "allow", "target": "x" * 40 * n}, b"n") for n in range(size)])
            told = b"%d\n" % log.seq
            if log.seq % 3 == 0:
                keeper.take()
                keeper.sign()
                keeper.commit()()

    @override
    def works(self) -> bool:
        with suppress(BlockingIOError):
            self.told += os.read(self.reader, 65536)
        return bool(self.told)

    @override
    def gone(self) -> None:
        self.told += drain(self.reader)


def check_writers(at: Path, victims: Sequence[Victim], seen: Counter[str]) -> None:
    keys = dict(map(load_public, at.glob("*.pub")))
    written = {}
    for log in logs(at):
        reports = whole(log, keys)
        written[log.name] = reports[-1].start + reports[-1].records
        seen["parts"] += len(reports)
        seen["torn"] += reports[-1].torn
    for victim in victims:
        assert isinstance(victim, Writer)
        seen["killed at work" if victim.told else "killed in the start"] += 1
        name, *numbers = victim.told.decode().split() or [""]
        for last in numbers[-1:]:
            assert written[name] >= int(last), (
                f"{name}: record {last} was written, and is not in it"
            )
    seen["records"] += sum(written.values())


# --- whole sessions ------------------------------------------------------------------------------


class Proxy(Victim):
    """A session, its host (we are that) and its server, which tells what it executes."""

    span = 0.1

    @override
    @classmethod
    def prepare(cls, base: Path) -> None:
        """A configuration that waits for the disk with every record, a server, and its lockfile."""
        for name in WARM:
            import_module(name)
        (base / "mcpguard.yaml").write_text("audit: {durability: strict}\n")
        (base / "server.py").write_text(SERVER)
        lock = ["lock", "-o", "lock.json", "--env", "TOLD", "--"]
        server = [sys.executable, "-IS", "server.py"]
        env = {**os.environ, "TOLD": os.devnull, "MCPGUARD_DATA_DIR": str(base / "lock")}
        made = [sys.executable, "-m", "mcpguard", *lock, *server]
        subprocess.run(made, check=True, cwd=base, env=env, capture_output=True)

    def __init__(self, at: Path, chance: random.Random) -> None:
        self.fifo = at / f"told{chance.getrandbits(40)}"
        os.mkfifo(self.fifo)
        self.told = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.input, self.to = os.pipe()
        self.back, self.output = os.pipe()
        self.sent = 0
        self.answers = b""
        super().__init__(at, chance)
        os.close(self.input)
        os.close(self.output)
        os.set_blocking(self.back, False)
        os.write(self.to, HELLO)

    @override
    def live(self) -> None:
        os.dup2(self.input, 0)
        os.dup2(self.output, 1)
        os.dup2(os.open(self.at / "stderr", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        os.closerange(3, 256)
        os.environ |= {
            "MCPGUARD_DATA_DIR": str(self.at),
            "MCPGUARD_CONFIG_DIR": str(self.at.parent),
        }
        os.environ["TOLD"] = str(self.fifo)
        os.chdir(self.at.parent)
        sys.argv = ["mcpguard", "proxy", "--lock", "lock.json"]
        command()

    @override
    def works(self) -> bool:
        """Some calls when it has answered `initialize`, and never many without their answers."""
        with suppress(BlockingIOError):
            self.answers += os.read(self.back, 65536)
        answered = self.answers.count(b"\n")
        for _ in range(self.chance.randrange(IN_FLIGHT) if answered else 0):
            if self.sent - answered >= IN_FLIGHT:
                break
            self.sent += 1
            call = PAY % (self.sent, b'{"n":%d}' % self.chance.getrandbits(48))
            os.write(self.to, call)
        return answered > 1

    @override
    def gone(self) -> None:
        os.close(self.to)
        os.set_blocking(self.back, True)
        self.answers += drain(self.back)
        os.set_blocking(self.told, True)
        self.executed = list(map(int, drain(self.told).split()))
        self.fifo.unlink()


def check_proxies(at: Path, victims: Sequence[Victim], seen: Counter[str]) -> None:
    """Every executed call has its record in one session, and every answer that came, one too."""
    sessions, keys = dict[str, Counter[str]](), dict(map(load_public, at.glob("*.pub")))
    for log in logs(at / "audit"):
        seen["torn"] += whole(log, keys)[-1].torn
        for record in read(log):
            session = sessions.setdefault(str(record["session"]), Counter())
            if record.get("method") == "tools/call" and record["decision"] == "allow":
                session[str(record["args_digest"])] += 1
    for victim in victims:
        assert isinstance(victim, Proxy)
        compare(victim, sessions, seen)


def compare(victim: Proxy, sessions: Mapping[str, Counter[str]], seen: Counter[str]) -> None:
    """The session of `victim` is the one that recorded what its server executed."""
    key = load_or_create_key(victim.at / DIGEST_KEY) if victim.executed else b""
    done = Counter(digest(key, b'{"n":%d}' % number) for number in victim.executed)
    mine = [session for session in sessions.values() if done & session]
    assert not done or len(mine) == 1, f"{len(mine)} sessions recorded what {victim.pid} executed"
    unrecorded = done - mine[0] if done else done
    assert not unrecorded, f"{unrecorded.total()} calls were executed without a record"
    answers = [
        orjson.loads(line) for line in victim.answers.splitlines(keepends=True) if line[-1] == 10
    ]
    given = [each for each in answers if each["id"]]
    assert all("result" in each for each in given)
    assert len(given) <= (mine[0][""] if done else 0), "an answer was passed on without a record"
    seen["executed"] += len(victim.executed)
    seen["answered"] += len(given)
    seen["recorded"] += mine[0].total() - mine[0][""] if done else 0
    seen["killed at work" if done else "killed in the start"] += 1


def digest(key: bytes, arguments: bytes) -> str:
    """What a record names these arguments by."""
    made = blake2b(arguments, digest_size=32, key=key, person=b"mcpguard args v1")
    return f"blake2b-keyed:{made.hexdigest()}"


TASKS: Mapping[str, tuple[type[Victim], Callable[[Path, Sequence[Victim], Counter[str]], None]]] = {
    "writers": (Writer, check_writers),
    "proxies": (Proxy, check_proxies),
}


def main(task: str, kills: int) -> None:
    victim, check = TASKS[task]
    base = Path(mkdtemp(prefix="mcpguard-killing-"))
    victim.prepare(base)
    chance, seen, began = random.Random(), Counter[str](), time.monotonic()
    for turn in range(-(-kills // BESIDE)):
        at = base / str(turn // GO_ON)
        at.mkdir(mode=0o700, exist_ok=True)
        killed = round_of(victim, at, chance)
        check(at, killed, seen)
        seen["kills"] += len(killed)
    rmtree(base)
    counted = {**seen, "seconds": round(time.monotonic() - began, 1)}
    sys.stdout.write(f"{orjson.dumps(counted).decode()}\n")


def round_of(victim: type[Victim], at: Path, chance: random.Random) -> Sequence[Victim]:
    """Starts several, kills each in its moment, collects what they told."""
    victims = [victim(at, chance) for _ in range(BESIDE)]
    alive = list(victims)
    while alive:
        for each in filter(lambda each: each.due(time.monotonic()), list(alive)):
            each.kill()
            alive.remove(each)
        select.select([], [], [], PAUSE)
    for each in victims:
        each.gone()
    return victims


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
