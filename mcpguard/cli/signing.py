"""Whose key signs, and the passphrase that opens it: from the terminal, or a file descriptor.

Never from an argument or a variable: every process of the same user can read those of another.
"""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click

from mcpguard.approval.statement import (
    MAX_LIFE,
    Answer,
    Operation,
    Statement,
    bound,
    envelope,
    make_signed,
    sign_operation,
)
from mcpguard.config.flags import APPROVERS, data_dir
from mcpguard.control.policies import Policy, signed
from mcpguard.errors import IdentityError, UsageError
from mcpguard.identity.keys import Signer, open_key, roster
from mcpguard.identity.roster import Approver, Roster
from mcpguard.identity.sealing import LONGEST, prepared
from mcpguard.model import JsonObject

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

__all__ = [
    "NO_APPROVER",
    "Phrases",
    "Signing",
    "chosen",
    "folder",
    "phrases",
    "signer_option",
    "unlock",
]

NO_APPROVER = "there is no approver key, so nothing can be signed"

MAX_LINE = 4 * LONGEST
"""Bytes of a passphrase that is piped in: UTF-8 has up to four for a character."""

_TERMINAL = Path("/dev/tty")

_Decorated = TypeVar("_Decorated", bound=Callable[..., object])


class Phrases:
    """Where passphrases come from: one line of a descriptor each, or the terminal."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def ask(self, what: str) -> str:
        """One passphrase. Raises UsageError when there is none to be had."""
        return _typed(what) if self._descriptor is None else _line(self._descriptor)

    def choose(self, what: str) -> str:
        """A new one, typed twice; refused at once when it is too short."""
        phrase = self.ask(what)
        prepared(phrase)
        if self._descriptor is None and phrase != self.ask("The same again"):
            raise UsageError("the two passphrases differ", hint="nothing was made: try again")
        return phrase


class _Descriptor(click.ParamType[Phrases]):
    name = "descriptor"

    @override
    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Phrases:
        text = str(value)
        if not (text.isascii() and text.isdigit() and len(text) < 8):  # noqa: PLR2004 - digits
            self.fail("it is a number such as 3, see: 3< FILE", param, ctx)
        return Phrases(int(text))


def phrases(command: _Decorated) -> _Decorated:
    """`--passphrase-fd N`, which a command gets as `said`, for programs that approve."""
    return click.option(
        "--passphrase-fd",
        "said",
        type=_Descriptor(),
        metavar="N",
        default=None,
        callback=lambda _, __, value: value or Phrases(None),
        help="Read passphrases from this descriptor, one a line, in the order of asking.",
    )(command)


def signer_option(command: _Decorated) -> _Decorated:
    """`--by NAME`, which a command gets as `by`, and `--passphrase-fd N`."""
    chosen = click.option(
        "--by", metavar="NAME", default=None, help="Who signs. Default: the only approver."
    )
    return chosen(phrases(command))


class Signing:
    """An opened key, and what is signed with it. `now`: the Unix second of a signature."""

    def __init__(self, signer: Signer, now: Callable[[], int] | None = None) -> None:
        self._signer = signer
        self._now = now or _now

    def operation(self, session: str, verb: str, args: JsonObject, nonce: str) -> list[JsonObject]:
        """The signatures of a request to a session. Raises UsageError for what has no such form."""
        said = Operation(session, nonce, verb, args)
        try:
            return [sign_operation(said, self._signer.key_id, self._signer.sign)]
        except ValueError as error:
            raise _unsignable(verb) from error

    def approval(self, session: str, shown: JsonObject, answer: Answer = Answer.YES) -> JsonObject:
        """The signed answer to the call in `shown`, a `texts.shown_value`: to what it shows.

        Raises UsageError when it is not whole, since nobody signs what he was not shown.
        """
        arguments, life = shown.get("arguments"), shown.get("life")
        texts = [shown.get(name) for name in ("request", "principal", "server", "tool", "lock")]
        if not (isinstance(arguments, dict) and type(life) is int and life > 0):
            raise _unsignable("the call")
        if not all(isinstance(each, str) for each in texts):
            raise _unsignable("the call")
        request, principal, server, tool, lock = map(str, texts)
        at = self._now()
        try:
            binding = bound(principal, server, tool, arguments, lock)
            said = Statement(session, request, binding, answer, at, at + min(life, MAX_LIFE))
            return envelope(make_signed(said, self._signer.key_id, self._signer.sign))
        except ValueError as error:
            raise _unsignable("the call") from error

    def policy(self, server: str, glob: str, fields: JsonObject, *, after: int = 0) -> Policy:
        """A policy of tools for all proxies, signed. `after`: Unix seconds it has to be later than.

        Raises UsageError.
        """
        made = Policy(server, glob, fields, max(self._now(), after + 1))
        try:
            return signed(made, self._signer.key_id, self._signer.sign)
        except ValueError as error:
            raise _unsignable("the policy") from error


def folder() -> Path:
    """Where this install keeps its approvers."""
    return data_dir() / APPROVERS


def unlock(said: Phrases, by: str | None = None, known: Roster | None = None) -> Signer:
    """The key of the approver `by`, or of the only one, opened by a passphrase.

    Raises IdentityError and UsageError.
    """
    place, name = folder(), chosen(by, known)
    return open_key(place, name, said.ask(f"Passphrase of {name}"))


def chosen(by: str | None, known: Roster | None = None) -> str:
    """Who signs: the approver `by`, or the only one. Raises IdentityError and UsageError."""
    return _chosen((roster(folder()) if known is None else known).approvers, by)


def _now() -> int:
    return int(datetime.now(UTC).timestamp())


def _unsignable(what: str) -> UsageError:
    return UsageError(
        f"{what} is not as a session of this version shows it, so it is not signed",
        hint="see what runs with: mcpguard approve list",
    )


def _chosen(among: tuple[Approver, ...], by: str | None) -> str:
    names = [each.name for each in among]
    if not names:
        raise IdentityError(NO_APPROVER, hint="make one with: mcpguard approver add NAME")
    if by is None and len(names) > 1:
        raise UsageError(
            "there is more than one approver", hint=f"name who signs with --by: {', '.join(names)}"
        )
    if by is not None and by not in names:
        raise UsageError(f"there is no approver {by!r}", hint=f"there are: {', '.join(names)}")
    return by or names[0]


def _typed(what: str) -> str:
    """Without echo, from the terminal itself: what is piped in must not answer for a person."""
    import getpass

    there = sys.stdin.isatty() if os.name == "nt" else _opens(_TERMINAL)
    if not there:
        raise UsageError(
            "there is no terminal to ask for a passphrase",
            hint="run it in one, or give a descriptor: --passphrase-fd 3 3< FILE",
        )
    return getpass.getpass(f"{what}: ")


def _opens(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDWR | getattr(os, "O_NOCTTY", 0)))
    except OSError:
        return False
    return True


def _line(descriptor: int) -> str:
    """Up to the next line end, and not a byte further: the rest is the next passphrase."""
    raw = b""
    try:
        while len(raw) <= MAX_LINE and (byte := os.read(descriptor, 1)) not in {b"", b"\n"}:
            raw += byte
        return raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"no passphrase can be read from descriptor {descriptor}: {_why(error)}",
            hint="open it for reading, with UTF-8 text: --passphrase-fd 3 3< FILE",
        ) from error


def _why(error: OSError | UnicodeDecodeError) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror)
