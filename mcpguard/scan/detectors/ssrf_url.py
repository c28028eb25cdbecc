"""Addresses of cloud metadata, and of this machine or network in disguise (SSRF)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from mcpguard.model import Severity
from mcpguard.scan.addresses import WEB, Address, Authority, Reach, authorities, look
from mcpguard.scan.needles import matches
from mcpguard.scan.sites import Detector, Role, Site, Span

__all__ = ["DETECTOR", "NEEDLES", "PATH_NEEDLES", "ROLES", "targets"]

NEEDLES = (
    r"[a-zA-Z]:[/\\\t\r\n0-9]",
    r"(?i)localhost|metadata|instance-data|localtest\.me|lvh\.me|(?:nip|sslip|xip)\.io",
    r"(?i)\.(?:internal|local|lan|intranet|corp|home\.arpa)\b",
    r"[0-9a-fA-F]\.[0-9xX]|::|\b0[xX]?[0-9a-fA-F]|\b[0-9]{8}",
    r"[\x{2460}-\x{24FF}\x{FF0E}\x{FF10}-\x{FF19}\x{3002}\x{FF61}\x{1D7CE}-\x{1D7FF}]",
    r"(?i)(?:%[0-9a-f]{2}){2}|%3[0-9].?\.",
)

PATH_NEEDLES = (
    r"\n[^:/\\\x1f]{2,}:",
    r"\x1f[^:/\\\n]{2,}:",
    r"\n[^:/\\\n]:(?:[/\\]{2}|[^/\\])|\n[pPsS]:",
)
"""A colon before any slash, where a path is asked for: how a text begins, behind the line end after
its name, that programs fetch which take a URL as well. The drive of a path has one letter; what
stands between two texts (`quiet`), or within a scheme and vanishes, makes none of one."""

ROLES = frozenset({Role.COMMAND, Role.PATH, Role.UNKNOWN, Role.URL})
"""Where `targets` looks for URLs."""

MOST = 500
"""URLs in one command or URL argument. More of them are not looked at but found."""

_TOO_MANY = "too many"
"""Stands for the scheme of a text with more URLs than that."""

_SCHEMES = frozenset(
    {_TOO_MANY, "dict", "expect", "gopher", "jar", "netdoc", "phar", "php", "tftp"}
)
"""Schemes that only requests smuggled through a server are made with."""

_CLOUD = frozenset({Reach.METADATA, Reach.LINK_LOCAL})
_URL = r"[A-Za-z][A-Za-z0-9+.\-]*:[/\\]+[^\s\"'<>|;)]+"
_ADDRESS = r"\b169\.254\.[0-9]+\.[0-9]+\b|\bmetadata\.google\.internal\b"


class Target(NamedTuple):
    """A URL or host in a text: where it stands, its scheme, and where it may lead."""

    start: int
    end: int
    scheme: str
    addresses: tuple[Address, ...]


def targets(text: str, site: Site) -> Iterator[Target]:
    """The URLs and hosts that `text` is used for; none of prose and other texts."""
    if site.role is Role.COMMAND:
        yield from _several(f"{_URL}|{_ADDRESS}", text, site)
    elif site.role is Role.URL or _USED_AS_URL[site.role](text):
        yield _target(text, 0)
        if site.role is Role.URL and len(text.split()) > 1:
            yield from _several(_URL, text, site)


def _several(pattern: str, text: str, site: Site) -> Iterator[Target]:
    for number, (start, end, *_) in enumerate(matches(pattern, text, site.meter)):
        if number == MOST:
            yield Target(0, len(text), _TOO_MANY, ())
            return
        yield _target(text[start:end], start)


def _one_url(text: str) -> bool:
    body = text.strip()
    scheme = body.partition(":")[0].strip(_AROUND)
    return scheme.isalnum() and len(scheme) > 1 and " " not in body and bool(authorities(body))


_AROUND = "\"'`<"


def _fetched(text: str) -> bool:
    """Whether programs that take a path or a URL would fetch `text`: not so `host:/a/path`."""
    scheme = next((each.scheme for each in authorities(text)), "")
    return scheme in WEB or (len(scheme) > 1 and "://" in text.replace("\\", "/"))


_USED_AS_URL: Mapping[Role, Callable[[str], bool]] = {
    Role.PATH: _fetched,
    Role.TEXT: lambda _: False,
    Role.UNKNOWN: _one_url,
    Role.WORD: lambda _: False,
}
"""The roles in which no text, or not every one, is a URL."""


def _target(text: str, at: int) -> Target:
    readings = authorities(text) or (Authority("", _bare(text.strip()), False),)
    found = ((look(host), tricky) for _, host, tricky in readings)
    addresses = tuple(
        address._replace(disguised=address.disguised or tricky)
        for address, tricky in found
        if address is not None
    )
    return Target(at, at + len(text), readings[0].scheme, addresses)


def _bare(text: str) -> str:
    """The host of `host`, `host:port`, `host/path`, `//host`, `user@host`, or bare IPv6."""
    body = text.replace("\\", "/").lstrip("/")
    end = min((at for at in map(body.find, "/?#") if at >= 0), default=len(body))
    host = body[:end].rpartition("@")[2]
    if host.startswith("[") or host.count(":") > 1:
        return host[: host.find("]") + 1] if host.startswith("[") else host
    return host.partition(":")[0]


def _spans(text: str, site: Site) -> Iterator[Span]:
    for target in targets(text, site):
        if target.scheme in _SCHEMES or any(map(_is_attack, target.addresses)):
            yield Span(target.start, target.end, "url")


def _is_attack(address: Address) -> bool:
    return address.reach in _CLOUD or (address.disguised and address.reach is not Reach.PUBLIC)


_DETECTOR = Detector(
    id="ssrf_url",
    finds="an address of cloud metadata, or a local one in disguise",
    severity=Severity.CRITICAL,
    reference="MCP05:2025",
    needles=NEEDLES,
    spans=_spans,
    roles=ROLES,
)
DETECTOR = replace(_DETECTOR, for_paths=replace(_DETECTOR, needles=PATH_NEEDLES))
