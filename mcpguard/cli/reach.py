"""What the commands share that speak with running sessions: which ones, how, and who signs."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import click

from mcpguard.cli import render, signing
from mcpguard.cli.signing import Phrases, unlock
from mcpguard.config.flags import STATE, data_dir
from mcpguard.control import client
from mcpguard.control.client import Connection, Found
from mcpguard.control.policies import Policy
from mcpguard.errors import ControlError, McpguardError, StoreError
from mcpguard.model import Json, JsonObject
from mcpguard.store import BACKENDS, Store

__all__ = [
    "NOBODY",
    "SESSION",
    "Outcome",
    "Signing",
    "Unlock",
    "change",
    "chosen",
    "code_of",
    "each",
    "existing_store",
    "field",
    "home",
    "numbers",
    "open_store",
    "rows",
    "shown_json",
    "signed",
    "unlocking",
]

SESSION = click.option(
    "--session",
    default="",
    metavar="ID|SERVER",
    help="Only this session: its id, the id's beginning, or its server's name.",
)


NOBODY = "no session runs now; one that has just begun shows in a moment"
"""A session has its control socket a little after its server."""


class Signing(Protocol):
    """An approver who has typed the passphrase."""

    def operation(
        self, session: str, verb: str, args: JsonObject, nonce: str
    ) -> Sequence[JsonObject]:
        """Signatures of a request to a session, `{"key": id, "signature": base64}` each."""

    def approval(self, session: str, shown: JsonObject) -> JsonObject:
        """The signed statement that the call in `shown` may run, once. See `Operations.show`."""

    def policy(self, server: str, glob: str, fields: JsonObject, *, after: int = 0) -> Policy:
        """A signed policy of tools. See `signing.Signing.policy`."""


Unlock = Callable[[], Signing]
"""Asks for the passphrase. Raises IdentityError when there is no key, or it stays closed."""


def unlocking(context: click.Context, by: str | None, said: Phrases) -> Unlock:
    """Opens the key of the approver `by`; or who a caller put into the context signs."""
    given: object = context.obj
    return given if callable(given) else lambda: signing.Signing(unlock(said, by))


def signable(context: click.Context, by: str | None) -> None:
    """Before a question: raises what `unlocking` would after it, of who signs."""
    if not callable(context.obj):
        signing.chosen(by)


def home() -> Path:
    """The data directory."""
    return data_dir()


def open_store() -> Store:
    """The store that the user's settings name. Raises StoreError, PolicyError, UsageError."""
    backend, where = _place_of_store()
    if backend == "memory":
        raise StoreError(
            "the settings keep all state in memory, so sessions share none",
            hint="write store.backend: sqlite into mcpguard.yaml",
        )
    return BACKENDS[backend](where)


def existing_store() -> Store | None:
    """The same, but nothing is made: None where no session shared anything yet."""
    backend, where = _place_of_store()
    if backend == "memory":
        return None
    if backend == "sqlite":
        try:
            Path(where).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreError(
                f"{where}: the store cannot be looked at: {error.strerror}",
                hint="check the permissions of its folder",
            ) from error
    return BACKENDS[backend](where)


def _place_of_store() -> tuple[str, str]:
    from mcpguard.config.loading import load

    chosen = load().settings.store
    default = str(data_dir() / STATE) if chosen.backend == "sqlite" else ""
    return chosen.backend, chosen.where or default


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one session answered, or why it did not."""

    found: Found
    result: Json = None
    error: McpguardError | None = None


def chosen(wanted: str) -> list[Found]:
    """The sessions that run, or that `wanted` names. Raises ControlError when it names none."""
    found = client.find(home(), wanted)
    if wanted and not found:
        raise ControlError(
            f"no session {wanted!r} runs", hint="see what runs with: mcpguard status"
        )
    return found


def each(found: Iterable[Found], ask: Callable[[Connection], Json]) -> Iterator[Outcome]:
    """`ask` of every session, one after the other; what goes wrong with one stops no other."""
    for one in found:
        if one.problem:
            yield Outcome(one, error=ControlError(one.problem, hint=one.hint))
            continue
        try:
            with client.connected(home(), one.session) as line:
                yield Outcome(one, ask(line))
        except McpguardError as error:
            yield Outcome(one, error=error)


def signed(approver: Signing, line: Connection, verb: str, args: JsonObject) -> Json:
    """Asks for `verb`, signed. Raises what the session answers."""

    def sign(verb: str, args: JsonObject, nonce: str) -> Sequence[JsonObject]:
        return approver.operation(line.session, verb, args, nonce)

    return client.signed(line, verb, args, sign)


def change(ask: Unlock, wanted: str, verb: str, args: JsonObject) -> list[Outcome]:
    """A signed request to every chosen session; the passphrase is asked for once."""
    found = chosen(wanted)
    if not found:
        raise ControlError(NOBODY, hint="try again in a moment, or see: mcpguard status")
    approver = ask()
    return list(each(found, lambda line: signed(approver, line, verb, args)))


def code_of(outcomes: Iterable[Outcome]) -> int:
    """2 when a session could not be asked, 1 when one said no, 0."""
    return max((one.error.exit_code for one in outcomes if one.error is not None), default=0)


def shown_json(outcomes: Iterable[Outcome], key: str = "result") -> list[Json]:
    """One object a session: session, server, and the result or the error with its hint."""
    return [_outcome_json(one, key) for one in outcomes]


def _outcome_json(one: Outcome, key: str) -> JsonObject:
    told: JsonObject = {"session": one.found.session, "server": one.found.server}
    if one.error is None:
        return {**told, key: one.result}
    return {**told, "error": one.error.message, "hint": one.error.hint}


def rows(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """`table` in columns, two spaces between them; every cell printable."""
    cells = [[render.printable(cell) for cell in row] for row in table]
    wide = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(map(str.ljust, row, wide)).rstrip()


def field(told: "Json | Mapping[str, Json]", key: str, missing: str = "") -> str:
    """What `told` says under `key`, as printable text on one line."""
    value = told.get(key) if isinstance(told, Mapping) else None
    return missing if value is None else render.plain(value)


_MEASURED: Final = ("p50", "p95", "p99")


def numbers(told: Mapping[str, Json]) -> Iterator[str]:
    """What a session counted, for people: a line a number, then a table of its tools."""
    tables = ("by_tool", "latency_ms")
    for key, value in told.items():
        if key not in tables:
            yield f"  {render.printable(key)}: {_counted(value)}"
    yield from (f"  {line}" for line in _by_tool(*(_mapping(told.get(key)) for key in tables)))


def _mapping(told: Json) -> Mapping[str, Json]:
    return told if isinstance(told, dict) else {}


def _counted(value: Json) -> str:
    """Counts by name in words, anything else as it is."""
    if not isinstance(value, dict):
        return render.plain(value)
    told = (f"{render.plain(number)} {name.replace('_', ' ')}" for name, number in value.items())
    return render.printable(", ".join(told)) or "no limit"


def _by_tool(calls: Mapping[str, Json], took: Mapping[str, Json]) -> Iterator[str]:
    """A row a tool; how long it took in ms where that was measured; and what we add ourselves."""
    server, own = _mapping(took.get("server")), _mapping(took.get("own"))
    made = [
        (name, field(calls.get(name), "calls"), field(calls.get(name), "denied"),
         *_ranks(server.get(name)))
        for name in dict.fromkeys((*calls, *server))
    ]  # fmt: skip
    if own:
        made.append(("(mcpguard itself)", field(own, "calls"), "", *_ranks(own)))
    if not made:
        return
    head = ("TOOL", "CALLS", "DENIED", "P50 MS", "P95 MS", "P99 MS")
    wide = len(head) if took else len(head) - len(_MEASURED)
    yield from rows([each[:wide] for each in (head, *made)])


def _ranks(told: "Json | Mapping[str, Json]") -> Iterator[str]:
    return (field(told, rank, "-") for rank in _MEASURED)
