"""The commands that speak with running sessions, run in the test itself, and who signs for them."""

import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import orjson
from click.testing import CliRunner, Result

from mcpguard.cli import mcpguard_group
from mcpguard.config.flags import STATE
from mcpguard.control import blocks
from mcpguard.control.policies import Policy
from mcpguard.model import JsonObject
from mcpguard.store import BACKENDS
from tests.unit.control import desk as desks
from tests.unit.control.desk import KEY
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[3]
NO_KEY = "make one with: mcpguard approver add NAME"


class Signer:
    """An approver at the keyboard: `asked` counts the passphrases typed."""

    def __init__(self) -> None:
        self.asked = 0
        self.shown: list[JsonObject] = []

    def __call__(self) -> "Signer":
        self.asked += 1
        return self

    def operation(
        self, session: str, verb: str, args: JsonObject, nonce: str
    ) -> Sequence[JsonObject]:
        assert nonce.startswith(session + ":")
        return desks.sign(verb, args, nonce)

    def approval(self, session: str, shown: JsonObject) -> JsonObject:
        self.shown.append(shown)
        return {"statement": {"session": session}, "key": KEY}

    def policy(self, server: str, glob: str, fields: JsonObject, *, after: int = 0) -> Policy:
        return Policy(server, glob, fields, after + 1, KEY, bytes(64))


def run(*words: str, given: str = "", obj: object = None) -> Result:
    command = mcpguard_group.get_command(click.Context(mcpguard_group), words[0])
    assert command is not None
    return CliRunner().invoke(command, words[1:], input=given, obj=obj, standalone_mode=False)


def code(result: Result) -> int:
    """As `mcpguard.cli.main` makes it."""
    error = result.exception
    if error is not None:
        return int(getattr(error, "exit_code", 1))
    return result.return_value if isinstance(result.return_value, int) else 0


def told(result: Result) -> Any:  # noqa: ANN401 - JSON
    assert result.exception is None, result.exception
    return orjson.loads(result.stdout)


def said(result: Result) -> tuple[str, str]:
    error = result.exception
    return getattr(error, "message", ""), getattr(error, "hint", "")


DOUBT = "warning: no running session"


def stored(data: Path) -> list[tuple[str, str, str]]:
    store = BACKENDS["sqlite"](str(data / STATE))
    every = [(each.kind, each.name, each.why) for each in blocks.every(store)]
    store.close()
    return every


@contextmanager
def session(data: Path, *words: str) -> Iterator[Callable[[], list[list[Any]]]]:
    """`desk.py` running; gives what ends it and says what was done in it."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = (sys.executable, str(ROOT / "tests/unit/control/desk.py"), str(data), *words)
    with subprocess.Popen(program, stdin=-1, stdout=-1, env=env) as process:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], PATIENCE)[0]
        assert process.stdout.readline() == b"up\n"

        def end() -> list[list[Any]]:
            out, _ = process.communicate(timeout=PATIENCE)
            done: list[list[Any]] = orjson.loads(out)
            return done

        try:
            yield end
        finally:
            process.kill()


PHRASE = "a passphrase of some length"
