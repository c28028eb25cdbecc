"""What a path, a host or a command argument means, before it is compared with what is allowed.

An argument is resolved to every reading that some server may give it; a scope has to cover all of
them. What cannot be resolved is refused with a reason, never passed.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import NamedTuple, TypeAlias

from mcpguard.errors import UsageError
from mcpguard.scan.addresses import IP, Address, look
from mcpguard.scan.paths import Spelling, decoded, pieces, read

__all__ = [
    "Refused",
    "Resolution",
    "Resolved",
    "Resource",
    "Scope",
    "System",
    "covered",
    "resolve_host",
    "resolve_path",
]

MAX_SEGMENTS = 64
"""Segments of a scope's pattern: the comparison grows with them times the path's."""


class Resource(StrEnum):
    """What a scope is about."""

    FILESYSTEM = "filesystem"
    NETWORK = "network"
    COMMAND = "command"


ACTIONS = {
    Resource.FILESYSTEM: frozenset({"read", "write"}),
    Resource.NETWORK: frozenset({"connect"}),
    Resource.COMMAND: frozenset({"run"}),
}
"""What may be done with each."""

_EXAMPLES = {
    Resource.FILESYSTEM: "filesystem:/data/** x read",
    Resource.NETWORK: "network:*.example.org:443 x connect",
    Resource.COMMAND: "command:git x run",
}
"""A scope of each, as errors show it."""


class Resolved(NamedTuple):
    """One reading of an argument.

    `segments`: of the absolute path, the labels of the host, or the program; `ip` instead of labels
    for an address. `folds`: upper and lower case are one.
    """

    resource: Resource
    action: str
    segments: tuple[str, ...]
    port: int | None = None
    ip: IP | None = None
    folds: bool = False


class Refused(NamedTuple):
    """An argument that cannot be resolved, and why; holds none of its text."""

    reason: str


Resolution: TypeAlias = tuple[Resolved, ...] | Refused


class Scope(NamedTuple):
    """A permission, `RESOURCE:PATTERN x ACTION`.

    `filesystem:/data/** x read`: real paths, no symbolic links in them. `network:*.example.org x
    connect`, with `:443` for one port, `10.0.0.0/8` or `[2001:db8::]/32` for addresses.
    `command:git x run`. `*` is one whole segment (label, program), `**` any number of them, none
    too. A wildcard covers no punycode label (`xn--`), no address and no program with a slash.
    """

    resource: Resource
    action: str
    segments: tuple[str, ...]
    port: int | None = None
    network: IPv4Network | IPv6Network | None = None

    @classmethod
    def parse(cls, text: str, place: str = "scope") -> "Scope":
        """Read one scope.

        Raises:
            UsageError: it is not one; names `place`, where it is configured.
        """
        head, times, action = text.rpartition(" x ")
        name, colon, pattern = head.partition(":")
        if not times or not colon or not pattern:
            what = f"{place}: a scope is RESOURCE:PATTERN x ACTION"
            raise UsageError(what, hint=f"such as: {_EXAMPLES[Resource.FILESYSTEM]}")
        if name not in _PARSERS:
            what = f"{place}: the resource is one of {', '.join(_PARSERS)}, not {name[:100]!r}"
            raise UsageError(what, hint=f"such as: {_EXAMPLES[Resource.FILESYSTEM]}")
        resource = Resource(name)
        if action not in ACTIONS[resource]:
            known = ", ".join(sorted(ACTIONS[resource]))
            what = f"{place}: the action of {name} is one of {known}, not {action[:100]!r}"
            raise UsageError(what, hint=f"such as: {_EXAMPLES[resource]}")
        try:
            return _PARSERS[name](action, pattern)
        except ValueError as error:
            hint = f"such as: {_EXAMPLES[resource]}"
            raise UsageError(f"{place}: {error}", hint=hint) from error

    def covers(self, resolved: Resolved) -> bool:
        """Whether this scope permits one reading of an argument."""
        if (self.resource, self.action) != (resolved.resource, resolved.action):
            return False
        if self.port is not None and self.port != resolved.port:
            return False
        if resolved.ip is not None or self.network is not None:
            return _contains(self.network, resolved.ip)
        if not resolved.segments and self.resource is not Resource.FILESYSTEM:
            return False
        own, other = self.segments, resolved.segments
        if resolved.folds:
            own, other = _folded(own), _folded(other)
        return "" not in own + other and _match(own, other, _WILD[self.resource])


def covered(scopes: Iterable[Scope], resolution: Resolution) -> bool:
    """Whether every reading is covered by some scope. What was refused, or is nothing, is not."""
    scopes = tuple(scopes)
    if isinstance(resolution, Refused) or not resolution:
        return False
    return all(any(scope.covers(each) for scope in scopes) for each in resolution)


def _contains(network: IPv4Network | IPv6Network | None, ip: IP | None) -> bool:
    return (
        network is not None and ip is not None and ip.version == network.version and ip in network
    )


def _folded(segments: tuple[str, ...]) -> tuple[str, ...]:
    import unicodedata

    return tuple(unicodedata.normalize("NFC", each).casefold() for each in segments)


_WILD: dict[Resource, Callable[[str], bool]] = {
    Resource.FILESYSTEM: bool,
    Resource.NETWORK: lambda label: not label.startswith("xn--"),
    Resource.COMMAND: lambda program: "/" not in program,
}
"""What a wildcard covers."""


def _match(
    pattern: tuple[str, ...], segments: tuple[str, ...], wild: Callable[[str], bool]
) -> bool:
    """One pass with one place to go back to: at most len(pattern) * len(segments) steps."""
    at = row = 0
    star, mark = -1, 0
    while at < len(segments):
        if row < len(pattern) and pattern[row] == "**":
            star, mark, row = row, at, row + 1
        elif row < len(pattern) and _one(pattern[row], segments[at], wild):
            at, row = at + 1, row + 1
        elif star >= 0 and wild(segments[mark]):
            mark += 1
            at, row = mark, star + 1
        else:
            return False
    return all(each == "**" for each in pattern[row:])


def _one(pattern: str, segment: str, wild: Callable[[str], bool]) -> bool:
    return wild(segment) if pattern == "*" else pattern == segment


# Scopes


def _filesystem(action: str, pattern: str) -> Scope:
    drive = pattern[1:3] == ":/" and pattern[:1].isalpha()
    if not pattern.startswith("/") and not drive:
        raise ValueError("the path of a scope begins with / or a drive letter")
    parts = [] if pattern == "/" else pattern.removeprefix("/").split("/")
    for part in parts:
        if part in {"", ".", ".."} or "\\" in part or not part.isprintable():
            raise ValueError("the path of a scope has no empty segment, no . or .., no backslash")
    return Scope(Resource.FILESYSTEM, action, _segments(parts))


def _network(action: str, pattern: str) -> Scope:
    host, port = _split_port(pattern)
    network = _block(host)
    if network is not None:
        return Scope(Resource.NETWORK, action, (), port, network)
    labels = _segments(host.split("."))
    for label in labels:
        if label not in {"*", "**"} and not _label_ok(label):
            raise ValueError("the host of a scope is lower case, ASCII and without empty labels")
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        raise ValueError("the address of a scope is written plainly, such as 10.0.0.0/8")
    return Scope(Resource.NETWORK, action, labels, port)


def _block(host: str) -> IPv4Network | IPv6Network | None:
    head, bracket, tail = host.removeprefix("[").partition("]")
    try:
        return ip_network(head + tail if bracket else host)
    except ValueError:
        if "/" in host or ":" in host:
            raise ValueError("the address block of a scope is none, or has host bits set") from None
        return None


def _command(action: str, pattern: str) -> Scope:
    if not pattern.isprintable() or any(each in pattern for each in " \\'\"$`;|&<>()"):
        raise ValueError("the command of a scope is one program's name or absolute path")
    if "*" in pattern and pattern != "*":
        raise ValueError("a * stands for a whole program's name")
    if "/" in pattern and (pattern[0] != "/" or {"", ".", ".."} & set(pattern[1:].split("/"))):
        raise ValueError("the path of a scope's command is absolute, without empty segments or ..")
    return Scope(Resource.COMMAND, action, (pattern,))


_PARSERS: dict[str, Callable[[str, str], Scope]] = {
    "filesystem": _filesystem,
    "network": _network,
    "command": _command,
}


def _segments(parts: list[str]) -> tuple[str, ...]:
    if len(parts) > MAX_SEGMENTS:
        raise ValueError(f"a scope has at most {MAX_SEGMENTS} segments")
    if any("*" in part and part not in {"*", "**"} for part in parts):
        raise ValueError("* and ** stand for whole segments")
    return tuple(parts)


def _split_port(text: str) -> tuple[str, int | None]:
    """`host:port` apart; a bare IPv6 address has no port. Raises ValueError."""
    head, colon, tail = text.rpartition(":")
    if not colon or (":" in head and not head.endswith("]")) or "]" in tail or "/" in tail:
        return text, None
    if not (tail.isascii() and tail.isdigit() and len(tail) < 6 and 0 < int(tail) < 65536):  # noqa: PLR2004
        raise ValueError("a port is a number from 1 to 65535")
    return head, int(tail)


def _label_ok(label: str) -> bool:
    return bool(label) and len(label) <= 63 and set(label) <= _LABEL  # noqa: PLR2004 - RFC 1035


_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


# Hosts


_PORTS = {"ftp": 21, "http": 80, "https": 443, "sftp": 22, "ssh": 22, "ws": 80, "wss": 443}


def resolve_host(text: str, action: str = "connect") -> Resolution:
    """A URL, `host:port`, host or address, to labels or an IP address and a port.

    Refused: user-info, blanks, backslashes, escapes, letters beyond ASCII (look-alikes), octal
    address parts (read as decimal by some), empty labels, bad ports, anything that is no host.
    """
    try:
        scheme, host, port = _host_parts(text)
    except ValueError as error:
        return Refused(str(error))
    return _resolved_host(host.lower(), port or _PORTS.get(scheme.lower()), action)


def _host_parts(text: str) -> tuple[str, str, int | None]:
    """Scheme or nothing, host, port. Raises ValueError."""
    if not text.isascii():
        raise ValueError("the host has letters beyond ASCII; write its punycode form")
    if not text or any(each <= " " or each == "\x7f" for each in text):
        raise ValueError("the host has blanks or control characters, or is empty")
    scheme, slashes, rest = text.partition("://")
    if not slashes:
        scheme, rest = "", text
    elif not scheme.replace("+", "").isalnum() or rest.startswith("/"):
        raise ValueError("the URL has no host")
    authority = rest[: min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))]
    if "@" in authority or "\\" in text or "%" in authority:
        raise ValueError("the host has user-info, a backslash or escapes in it")
    host, port = _split_port(authority)
    if ":" in host and not host.startswith("[") and slashes:
        raise ValueError("an IPv6 address in a URL stands in brackets")
    return scheme, host, port


def _resolved_host(host: str, port: int | None, action: str) -> Resolution:
    address = look(host)
    if address is None:
        return Refused("it is not a host")
    if address.ip is not None and not _is_name(address):
        return _resolved_ip(
            host, address.name, Resolved(Resource.NETWORK, action, (), port, address.ip)
        )
    labels = tuple(host.removesuffix(".").split("."))
    if len(host) > 254 or not all(map(_label_ok, labels)):  # noqa: PLR2004 - RFC 1035, and the dot
        return Refused("it is not a host name")
    if labels[-1].isdigit() or labels[-1].startswith("0x"):
        return Refused("it ends like an address and is none")
    return (Resolved(Resource.NETWORK, action, labels, port),)


def _resolved_ip(host: str, name: str, resolved: Resolved) -> Resolution:
    if any(_is_octal(part) for part in host.split(".")):
        return Refused("an octal part of an address is read as decimal by some")
    if ":" in name and isinstance(resolved.ip, IPv4Address) and not _is_mapped(name):
        return Refused("an IPv6 address that goes through a translator to an IPv4 one")
    return (resolved,)


def _is_name(address: Address) -> bool:
    """`10.0.0.1.nip.io` holds an address, but is a name."""
    return address.name.rpartition(".")[2].isalpha()


def _is_mapped(name: str) -> bool:
    return IPv6Address(name).ipv4_mapped is not None


def _is_octal(part: str) -> bool:
    return len(part) > 1 and part.startswith("0") and part.isdigit()


# Paths


class System(NamedTuple):
    """What a path is resolved against; all of it comes from the caller, nothing is read here.

    `base`: absolute, where relative paths start; None: they are refused. `home`: absolute, for
    `~`; None: refused. `resolve`: an absolute path to the real one, symbolic links of what exists
    followed (`os.path.realpath`), None when it cannot be found out. `windows`: backslashes and
    drive letters. `folds`: the file system takes upper and lower case for one.
    """

    resolve: Callable[[str], str | None]
    base: str | None = None
    home: str | None = None
    windows: bool = False
    folds: bool = False


def resolve_path(text: str, action: str, system: System) -> Resolution:
    """A path or `file:` URL to the segments of the real files that it may name.

    Several readings: with and without percent-decoding, with and without blanks and quotes around
    it, and with `..` taken before and after symbolic links. Refused: control characters, encoded
    separators and dots, `~user`, variables, other URLs, other systems' spellings, and whatever
    `system.resolve` cannot tell.
    """
    try:
        plain = [_absolute(each, system) for each in _readings(text, system)]
        real = [_real(path, system) for each in plain for path in (_lexical(each), each)]
    except _RefusedError as error:
        return Refused(str(error))
    made = dict.fromkeys(real)
    return tuple(
        Resolved(
            Resource.FILESYSTEM, action, tuple(filter(None, each.split("/"))), folds=system.folds
        )
        for each in made
    )


class _RefusedError(ValueError):
    """Why a path cannot be resolved."""


def _readings(text: str, system: System) -> list[str]:
    """As it stands, and without the blanks and quotes around it that many a server takes off."""
    bare = text.strip(_BLANKS)
    if not bare:
        raise _RefusedError("the path is empty")
    trimmed = (text, bare, bare.strip("\"'`").strip(_BLANKS))
    found = [each for kind in dict.fromkeys(trimmed) for each in _decoded(kind, system)]
    return list(dict.fromkeys(found))


_BLANKS = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What strip() of Python takes off, and trim() of ECMAScript."""


def _decoded(text: str, system: System) -> list[str]:
    if not text:
        raise _RefusedError("the path is empty")
    scheme = text.partition(":")[0]
    if scheme.lower() == "file":
        return [_checked(_from_url(text), system)]
    if "://" in text:
        raise _RefusedError("it is a URL, not a path")
    found = read(text)
    if found.spelling is not Spelling.PLAIN:
        raise _RefusedError(f"the path has {found.spelling}")
    return [_checked(each, system) for each in dict.fromkeys((text, found.text))]


def _from_url(text: str) -> str:
    """RFC 8089: no host or localhost, no query, one level of encoding that hides no structure."""
    rest = text[len("file:") :]
    if "?" in rest or "#" in rest:
        raise _RefusedError("a file URL has no query and no fragment")
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host not in {"", "localhost"} or not slash:
            raise _RefusedError("the file URL names another host")
        rest = "/" + path
    if not rest.startswith("/"):
        raise _RefusedError("the file URL is not absolute")
    after, spelling = decoded(rest, 2)
    if spelling is Spelling.PLAIN:
        spelling = read(after).spelling
    if spelling is not Spelling.PLAIN:
        raise _RefusedError(f"the path has {spelling}")
    return after[1:] if after[2:4] in {":/", ":\\"} else after


def _checked(path: str, system: System) -> str:
    """The path with slashes, if its spelling is that of `system`."""
    if not system.windows:
        if "\\" in path or (path[1:2] == ":" and path[:1].isalpha()):
            raise _RefusedError("the path is spelt for Windows")
    else:
        path = path.replace("\\", "/")
        _windows_ok(path)
    if any(map(_is_variable, path.split("/"))):
        raise _RefusedError("the path has a variable in it")
    return path


def _is_variable(segment: str) -> bool:
    return segment.startswith("$") or (len(segment) > 2 and segment[0] == segment[-1] == "%")  # noqa: PLR2004


def _windows_ok(path: str) -> None:
    if path.startswith("//"):
        raise _RefusedError("the path names a network share or a device")
    head, tail = path[:2], path[2:] if path[1:2] == ":" else path
    if head[1:] == ":" and not tail.startswith("/"):
        raise _RefusedError("the path is relative to a drive")
    for segment in tail.split("/"):
        stem = segment.partition(".")[0].rstrip().lower()
        if segment not in {".", ".."} and segment != segment.rstrip(". "):
            raise _RefusedError("a name of the path ends with a full stop or a blank")
        if ":" in segment or stem in _DEVICES or set(segment) & _NEVER:
            raise _RefusedError("the path names a device or a stream, or has a wildcard")
        if "~" in segment.lstrip("~") and segment.partition("~")[2][:1].isdigit():
            raise _RefusedError("the path has a short name")


_DEVICES = frozenset(
    {"aux", "con", "conin$", "conout$", "nul", "prn"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"}
)
_NEVER = frozenset('<>"|?*')


def _absolute(path: str, system: System) -> str:
    if path.startswith("~"):
        user, _, rest = path.partition("/")
        if user != "~" or system.home is None:
            raise _RefusedError("the path begins with a home that is not known")
        return f"{system.home}/{rest}"
    if path.startswith("/") or path[1:3] == ":/":
        if system.windows and path.startswith("/"):
            raise _RefusedError("the path has no drive")
        return path
    if system.base is None:
        raise _RefusedError("the path is relative, and to nothing known")
    return f"{system.base}/{path}"


def _lexical(path: str) -> str:
    """`..` taken away with what stands before it, as most programs do; the root's is the root."""
    kept: list[str] = []
    drive = path[1:2] == ":"
    for piece in pieces(path):
        if piece != "..":
            kept.append(piece)
        elif len(kept) > drive:
            kept.pop()
    return ("" if drive else "/") + "/".join(kept)


def _real(path: str, system: System) -> str:
    real = system.resolve(path)
    if real is None:
        raise _RefusedError("where the path leads cannot be found out")
    real = real.replace("\\", "/") if system.windows else real
    whole = real[1:3] == ":/" if system.windows else real.startswith("/")
    if not whole or {".", ".."} & set(real.split("/")):
        raise _RefusedError("where the path leads cannot be found out")
    return real
