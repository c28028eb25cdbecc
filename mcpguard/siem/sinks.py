"""The one table of sinks, one entry of `audit.sinks`, and how a sink says what went wrong.

An entry says `name`, `to` and what that kind of sink takes; a key that would have no effect is an
error. `to` begins with the kind: file:///ABSOLUTE, stderr:, unix:///SOCKET, udp://HOST:PORT,
tcp://HOST:PORT, tls://HOST:PORT, https://HOST/PATH; http:// only to this machine itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path, PurePosixPath
from typing import Final, Protocol
from urllib.parse import SplitResult, urlsplit

from mcpguard.errors import McpguardError, UsageError
from mcpguard.private import regular
from mcpguard.siem.formats import FORMATS

__all__ = [
    "KEYS",
    "SINKS",
    "Out",
    "Sink",
    "SinkDownError",
    "SinkPartlyError",
    "SinkRefusedError",
    "Target",
    "lacking",
    "open_sink",
    "plain",
    "target_of",
]

ROTATE_SIZE: Final = 100 * 1024 * 1024
"""Bytes of a file after which the next one is begun, where nothing else is said."""

KEEP: Final = 5
"""Files that are kept beside the newest, where nothing else is said."""

_TLS: Final = frozenset(("ca", "cert", "key"))
_TOKEN: Final = frozenset(("token_env", "token_file"))
_FILE: Final = frozenset(("size", "keep"))

KEYS: Final = ("name", "to", "format", *sorted(_TLS), *sorted(_TOKEN), *sorted(_FILE))
"""Every key of an entry."""


@dataclass(frozen=True, slots=True)
class Sink:
    """A kind of sink. `keys`: what it takes beside name, to and format. `format`: where none is.

    `module`: holds `open_<kind>`. `syslog`: what is sent is framed as RFC 5424. `port`: it has one.
    `unsure`: a collector that ends may have taken a batch and lost it.
    """

    help: str
    module: str
    format: str
    keys: frozenset[str] = frozenset()
    syslog: bool = False
    port: int = 0
    unsure: bool = False


SINKS: Final[Mapping[str, Sink]] = {
    "file": Sink("a file, set aside by size", "files", "json", _FILE),
    "stderr": Sink("the session's own stderr", "files", "json"),
    "unix": Sink("a datagram socket of this machine", "sockets", "syslog", syslog=True),
    "udp": Sink("syslog, a datagram a record", "sockets", "syslog", syslog=True, port=514),
    "tcp": Sink(
        "syslog with octet counting", "sockets", "syslog", syslog=True, port=514, unsure=True
    ),
    "tls": Sink(
        "syslog over TLS (RFC 5425)", "sockets", "syslog", _TLS, syslog=True, port=6514, unsure=True
    ),
    "https": Sink("batches as POST requests", "web", "json", _TLS | _TOKEN, port=443),
    "http": Sink("the same without TLS, to this machine", "web", "json", _TOKEN, port=80),
}
"""Kind, as `to` begins. A new one: a row, and `open_<kind>` in its module."""


class SinkDownError(McpguardError):
    """Not delivered now; it is tried again. `delivered`: of the batch, from its beginning.

    `after`: seconds that the collector asked to wait.
    """

    def __init__(self, message: str, *, delivered: int = 0, after: float = 0.0) -> None:
        super().__init__(message)
        self.delivered = delivered
        self.after = after


class SinkRefusedError(McpguardError):
    """The collector never takes this batch, or this one record. `whole`: nor any part of it."""

    def __init__(self, message: str, *, whole: bool = False) -> None:
        super().__init__(message)
        self.whole = whole


class SinkPartlyError(McpguardError):
    """Delivered, but for so many records that the collector never takes; it says no more."""

    def __init__(self, message: str, rejected: int) -> None:
        super().__init__(message)
        self.rejected = rejected


class Out(Protocol):
    """An open sink, of one thread."""

    def send(self, batch: Sequence[bytes]) -> None:
        """Delivers, in order, as far as the protocol lets one know. Blocks, at most some seconds.

        Raises SinkDownError, SinkRefusedError and SinkPartlyError; what was sent before the second
        of them is nothing.
        """

    def close(self) -> None:
        """Ends it. Raises nothing."""


@dataclass(frozen=True, slots=True)
class Target:
    """One entry of `audit.sinks`, checked. `place`: a path or a path with query, by the kind."""

    name: str
    to: str
    kind: str
    format: str
    host: str = ""
    port: int = 0
    place: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""
    token_env: str = ""
    token_file: str = ""
    size: int = ROTATE_SIZE
    keep: int = KEEP


def target_of(given: Mapping[str, str | int]) -> Target:
    """The entry that says `given`. Raises UsageError for what cannot be or would have no effect."""
    name, to = str(given.get("name", "")), str(given.get("to", ""))
    parts = _split(to)
    kind = parts.scheme
    if kind not in SINKS:
        raise UsageError(
            f"{to!r} names no kind of sink", hint=f"begin it with one of {', '.join(SINKS)}"
        )
    sink = SINKS[kind]
    idle = [key for key in given if key not in {"name", "to", "format", *sink.keys}]
    if idle:
        raise UsageError(f"{idle[0]} has no effect on a sink {kind}", hint="leave it out")
    _check_pairs(given)
    host, port, place = _address(to, parts, sink)
    said = {key: given[key] for key in given if key not in ("name", "to", "format")}
    form = str(given.get("format", sink.format))
    if form not in FORMATS:
        raise UsageError(f"{form!r} is no format", hint=f"one of {', '.join(FORMATS)}")
    _check_format(kind, form)
    fields = {"host": host, "port": port, "place": place, **said}
    return Target(name, to, kind, form, **fields)  # type: ignore[arg-type]  # rows checked them


def _check_format(kind: str, form: str) -> None:
    row = FORMATS[form]
    if not row.needs:
        return
    if SINKS[kind].module != "web":
        raise UsageError(f"{form} goes over HTTP alone", hint="begin `to` with https://")
    from importlib.util import find_spec

    try:
        found = find_spec(row.needs)
    except ModuleNotFoundError:  # not even what it is in
        found = None
    if found is None:
        raise UsageError(
            f"the format {form} needs the packages of the extra `otel`, which are not installed",
            hint="install mcpguard-daemon[otel], or write otlp-json where logs are meant",
        )


def _check_pairs(given: Mapping[str, str | int]) -> None:
    if "token_env" in given and "token_file" in given:
        raise UsageError("two places for one token", hint="name token_env or token_file")
    if ("cert" in given) != ("key" in given):
        raise UsageError("a client's certificate needs its key", hint="name both cert and key")


def _split(to: str) -> SplitResult:
    try:
        parts = urlsplit(to)
        parts.port  # noqa: B018 - a port that is none raises here
    except ValueError as error:
        hint = "such as tls://HOST:6514 or file:///PATH"
        raise UsageError(f"{to!r} is no address: {error}", hint=hint) from None
    if parts.username is not None or parts.password is not None:
        raise UsageError("a secret does not belong into an address", hint="use token_env")
    return parts


def _address(to: str, parts: SplitResult, sink: Sink) -> tuple[str, int, str]:
    """Host, port and place."""
    if sink.port:
        if not parts.hostname:
            raise UsageError(f"{to!r} names no host", hint=f"{parts.scheme}://HOST:PORT")
        if parts.port == 0:
            hint = f"the collector's port, 1 to 65535; without one it is {sink.port}"
            raise UsageError(f"{to!r}: nobody listens on port 0", hint=hint)
        _check_http(to, parts)
        if sink.module != "web" and (parts.path.strip("/") or parts.query or parts.fragment):
            raise UsageError(
                f"{to!r} says more than host and port", hint=f"{parts.scheme}://HOST:PORT"
            )
        query = f"?{parts.query}" if parts.query else ""
        return parts.hostname, parts.port or sink.port, (parts.path or "/") + query
    if parts.netloc or parts.query or parts.fragment:
        raise UsageError(f"{to!r} is not of this machine", hint=f"{parts.scheme}:///PATH")
    if parts.scheme == "stderr":
        if parts.path:
            raise UsageError(f"{to!r} says more than stderr:", hint="write stderr: alone")
        return "", 0, ""
    if not PurePosixPath(parts.path).is_absolute() or parts.path == "/":
        raise UsageError(f"{to!r} is not an absolute path", hint=f"{parts.scheme}:///PATH")
    return "", 0, parts.path


def _check_http(to: str, parts: SplitResult) -> None:
    if parts.scheme == "http" and not _loopback(parts.hostname or ""):
        raise UsageError(f"{to!r} would send the log unencrypted", hint="use https://")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def lacking(target: Target, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What the entry names and is not there to be read now: its key, and the trouble in words."""
    for key in ("ca", "cert", "key", "token_file"):
        path = getattr(target, key)
        if path and (why := _unreadable(path)):
            yield key, f"{path} cannot be read: {why}"
    if target.token_env and not environ.get(target.token_env):
        yield "token_env", f"the environment variable {target.token_env} is not set"


def _unreadable(path: str) -> str:
    try:
        with regular(Path(path)):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def plain(target: Target) -> dict[str, str | int]:
    """The entry of that target: `target_of` makes the same of it."""
    keys = ("name", "to", "format", *sorted(SINKS[target.kind].keys))
    return {key: getattr(target, key) for key in keys if getattr(target, key) != ""}


def open_sink(target: Target) -> Out:
    """The sink of an entry. Connects when it first sends. Raises SinkDownError."""
    module = import_module(f"mcpguard.siem.{SINKS[target.kind].module}")
    made: Out = getattr(module, f"open_{target.kind}")(target)
    return made
