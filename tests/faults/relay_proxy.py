"""A program: the drivers and the child of the real proxy around an engine that judges nothing.

    python relay_proxy.py CMD ARGS...

Lines pass both ways as they are. The engine counts requests and answers, so that "in flight"
means something. A host line `{"stop":N}` ends the session with exit code N, as an unknown protocol
version does; a host line `{"deny":N}` is answered with N bytes and never reaches the server. With
a folder in RELAY_CONTROL it has a control socket there, as session `relay`.
"""

import os
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from mcpguard.daemon import prelude
from mcpguard.daemon.child import spawn
from mcpguard.daemon.environment import base_environment
from mcpguard.daemon.flow import Sink, has_room, other
from mcpguard.daemon.log import Stderr
from mcpguard.model import JsonObject, Side
from mcpguard.wire.framing import Framer

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from mcpguard.daemon.drivers import Driver


class PassAll:
    """A `Relay` that passes every line."""

    def __init__(self) -> None:
        self.sinks = {Side.HOST: Sink(), Side.SERVER: Sink()}
        self.exit_code: int | None = None
        self.flying = 0
        self.framers = {Side.HOST: Framer(), Side.SERVER: Framer()}
        self.lines: dict[Side, deque[bytes]] = {Side.HOST: deque(), Side.SERVER: deque()}

    @property
    def busy(self) -> bool:
        return self.flying > 0

    @property
    def answering(self) -> bool:
        return self.flying > 0

    def feed(self, side: Side, chunk: bytes) -> bool | None:
        waiting, passed = self.lines[side], 0
        waiting.extend(line for line in self.framers[side].feed(chunk) if isinstance(line, bytes))
        usual = len(waiting) == 1
        while waiting and has_room(self.sinks, side) and self.exit_code is None:
            passed += self.line(side, waiting.popleft())
        return None if usual and passed else bool(waiting)

    def line(self, side: Side, line: bytes) -> bool:
        """Whether it has passed, and is written."""
        if line.startswith(b'{"stop"'):
            self.exit_code = orjson.loads(line)["stop"]
        elif line.startswith(b'{"deny"'):
            self.sinks[side].add(b"x" * orjson.loads(line)["deny"] + b"\n")
        else:
            if b'"id"' in line:
                self.flying += 1 if side is Side.HOST else -1
            return self.sinks[other(side)].add(line + b"\n")
        return False

    def waiting(self, side: Side) -> bool:
        return bool(self.lines[side]) and self.exit_code is None

    def tick(self) -> None:
        self.sinks[Side.HOST].add(b'{"tick":true}\n')

    def kill(self, why: str) -> None:
        self.sinks[Side.SERVER].close()
        self.sinks[Side.HOST].add(b'{"killed":%d}\n' % self.flying)
        self.exit_code, self.flying = 77, 0

    def closed(self, side: Side) -> None:
        if side is Side.SERVER and self.flying > 0:
            self.sinks[Side.HOST].add(b'{"gone":%d}\n' % self.flying)
            self.flying = 0


async def control(driver: "Driver") -> None:
    """A control socket beside the session, wired as the real proxy wires it."""
    from mcpguard.control.operations import nobody_signs
    from mcpguard.control.socket import attend
    from tests.unit.control.desk import Desk, conversation

    class Ending(Desk):
        @override
        async def kill(self, why: str) -> JsonObject:
            driver.kill(why)
            return {"session": self.session}

    desk = Ending("relay", "relay")

    def tell(error: Exception) -> None:
        sys.stderr.write(f"control: {error}\n")

    folder = Path(os.environ["RELAY_CONTROL"])
    await attend(folder, "relay", lambda: conversation(desk, nobody_signs).answer, tell)


def main(alarm: prelude.Alarm) -> int:
    child = spawn(sys.argv[1:], base_environment(os.environ))
    relay, driver = PassAll(), os.environ.get("MCPGUARD_DRIVER", "")
    if prelude.fits(driver):
        prelude.serve_while_importing(relay, child, alarm)
    from mcpguard.daemon import drivers

    beside = (control,) if "RELAY_CONTROL" in os.environ else ()
    return drivers.run(relay, child, Stderr(), alarm, driver=driver, beside=beside)


if __name__ == "__main__":
    with prelude.Alarm() as heard:
        code = main(heard)
    sys.stdout.flush()
    os._exit(code)
