"""Where a host name or an address leads, in any of the spellings that some resolver accepts.

`http://2130706433/`, `http://0x7f.1/`, `http://[::ffff:127.0.0.1]/`, `http://127。0。0。1/` and
`http://example.com@127.0.0.1/` all end on this machine (WHATWG URL section 3.5, inet_aton(3),
RFC 4291 section 2.5.5, RFC 6052).
"""

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote

__all__ = ["IP", "WEB", "Address", "Authority", "Reach", "authorities", "ipv4", "look"]

IP: TypeAlias = IPv4Address | IPv6Address

MAX_HOST = 512
"""Characters. DNS allows 253; escapes triple that at most for what is worth reading."""

MAX_NESTED = 4
"""Schemes before the one that has the host; `view-source:` and `jar:` stand once in practice."""


class Reach(StrEnum):
    """Where an address leads, as far as its spelling tells; no name is looked up."""

    METADATA = "metadata"
    LINK_LOCAL = "link-local"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    SPECIAL = "special"
    PUBLIC = "public"


class Address(NamedTuple):
    """A host that was read. `name`: lower case and plain. `disguised`: it was not written so."""

    name: str
    ip: IP | None
    reach: Reach
    disguised: bool


_METADATA_NAMES = frozenset(
    {
        "instance-data",
        "instance-data.ec2.internal",
        "metadata",
        "metadata.azure.internal",
        "metadata.goog",
        "metadata.google.internal",
        "metadata.packet.net",
        "metadata.tencentyun.com",
    }
)
_METADATA_ADDRESSES = (
    "169.254.169.254 169.254.170.2 169.254.170.23 169.254.0.23 100.100.100.200 168.63.129.16"
    " 192.0.0.192 fd00:ec2::254 fd00:ec2::23 fd20:ce::254"
)
_METADATA = frozenset(map(ip_address, _METADATA_ADDRESSES.split()))
"""Where cloud machines ask who they are, and get credentials: AWS (EC2, ECS, EKS), Google, Azure,
Alibaba, Tencent, Oracle."""

_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
_LOCAL_ENDS = (".localhost", ".localtest.me", ".lvh.me", ".localhost.localdomain")
_PRIVATE_ENDS = (".internal", ".local", ".lan", ".home.arpa", ".intranet", ".corp")
_EMBEDDING = (".nip.io", ".sslip.io", ".xip.io")
"""Public name services that answer with the address written in the name."""

_NAT64 = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
"""RFC 8215; its networks have 96 bits as a rule."""
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_COMPATIBLE = IPv6Network("::/96")

_V4 = {
    Reach.LOOPBACK: "0.0.0.0/8 127.0.0.0/8",
    Reach.LINK_LOCAL: "169.254.0.0/16",
    Reach.PRIVATE: (
        "10.0.0.0/8 100.64.0.0/10 172.16.0.0/12 192.0.0.0/24 192.168.0.0/16 198.18.0.0/15"
    ),
    Reach.SPECIAL: "192.0.2.0/24 192.88.99.0/24 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3",
}
"""The IANA special-purpose registry (RFC 6890), written out: what the standard library's
`is_private` says of it has changed between releases."""

_V6 = {
    Reach.LOOPBACK: "::/127",
    Reach.LINK_LOCAL: "fe80::/10",
    Reach.PRIVATE: "fc00::/7 fec0::/10",
    Reach.SPECIAL: "100::/64 2001::/23 2001:db8::/32 3fff::/20 5f00::/16 ff00::/8",
}

_RANGES_4 = sorted(
    (int(net.network_address), int(net.broadcast_address), reach)
    for reach, written in _V4.items()
    for net in map(IPv4Network, written.split())
)
_RANGES_6 = sorted(
    (int(net.network_address), int(net.broadcast_address), reach)
    for reach, written in _V6.items()
    for net in map(IPv6Network, written.split())
)


def look(host: str) -> Address | None:
    """Read a host without port or user-info, brackets allowed. None: it is no host at all."""
    if not host or len(host) > MAX_HOST:
        return None
    plain = _plain(host)
    name = plain.removesuffix(".").lower()
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    disguised = plain != host or plain.endswith(".")
    if ":" in bare:
        return _v6(bare, disguised)
    number = ipv4(bare)
    if number is not None:
        odd = disguised or str(number) != bare
        return Address(str(number), number, _reach(number), odd)
    if not bare or name.startswith("["):
        return None
    return _named(bare, disguised)


def _plain(host: str) -> str:
    """Percent-decoded twice, compatibility forms and other full stops folded (UTS 46)."""
    text = unquote(unquote(host)) if "%" in host else host
    if text.isascii():
        return text
    import unicodedata

    text = "".join(each for each in text if unicodedata.category(each) != "Cf")
    return unicodedata.normalize("NFKC", text).replace("\u3002", ".")


def _v6(text: str, disguised: bool) -> Address | None:
    try:
        address = IPv6Address(text.partition("%")[0])
    except ValueError:
        return None
    inner = _inside(address)
    if inner is not None:
        return Address(str(address), inner, _reach(inner), True)
    return Address(str(address), address, _reach(address), disguised)


def _inside(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for: mapped, 6to4, Teredo, NAT64, SIIT, ..."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    low = int(address) & 0xFFFFFFFF
    translated = any(address in each for each in (_NAT64, _NAT64_LOCAL, _TRANSLATED))
    if translated or (address in _COMPATIBLE and low > 1):
        return IPv4Address(low)
    return None


def ipv4(text: str) -> IPv4Address | None:
    """What inet_aton(3) reads: one to four parts, each decimal, octal (`0`) or hex (`0x`)."""
    parts = text.split(".")
    if len(parts) > 4 or not all(parts):  # noqa: PLR2004 - an address has four bytes
        return None
    numbers = [_part(part) for part in parts]
    total = 0
    for number in numbers[:-1]:
        if number is None or number > 255:  # noqa: PLR2004 - a byte
            return None
        total = total * 256 + number
    rest = 5 - len(parts)
    last = numbers[-1]
    if last is None or last >= 256**rest:
        return None
    return IPv4Address(total * 256**rest + last)


def _part(text: str) -> int | None:
    base, digits = 10, text
    if text.startswith("0x"):
        base, digits = 16, text[2:] or "0"
    elif len(text) > 1 and text.startswith("0"):
        base, digits = 8, text[1:]
    digits = digits.lstrip("0") or "0"
    if len(digits) > 16 or not set(digits) <= _DIGITS[base]:  # noqa: PLR2004 - 64 bits at least
        return None
    return int(digits, base)


_DIGITS = {8: set("01234567"), 10: set("0123456789"), 16: set("0123456789abcdef")}


def _reach(ip: IP) -> Reach:
    if ip in _METADATA:
        return Reach.METADATA
    number = int(ip)
    ranges = _RANGES_4 if isinstance(ip, IPv4Address) else _RANGES_6
    for first, last, reach in ranges:
        if first <= number <= last:
            return reach
    return Reach.PUBLIC


def _named(name: str, disguised: bool) -> Address:
    if name in _METADATA_NAMES:
        return Address(name, None, Reach.METADATA, disguised)
    if name in _LOCAL_NAMES:
        return Address(name, None, Reach.LOOPBACK, disguised)
    if name.endswith(_LOCAL_ENDS) or name in {"localtest.me", "lvh.me"}:
        return Address(name, None, Reach.LOOPBACK, disguised or name.endswith(".me"))
    embedded = _embedded(name)
    if embedded is not None:
        return Address(name, embedded, _reach(embedded), True)
    if name.endswith(_PRIVATE_ENDS):
        return Address(name, None, Reach.PRIVATE, disguised)
    return Address(name, None, Reach.PUBLIC, disguised)


def _embedded(name: str) -> IPv4Address | None:
    """The address in `10.0.0.1.nip.io`, `app-10-0-0-1.sslip.io`, `7f000001.nip.io`."""
    end = next((each for each in _EMBEDDING if name.endswith(each)), None)
    if end is None:
        return None
    words = name.removesuffix(end).replace("-", ".").split(".")
    for at in range(max(0, len(words) - 3)):
        found = ipv4(".".join(words[at : at + 4]))
        if found is not None:
            return found
    return ipv4("0x" + words[-1]) if len(words[-1]) == 8 else None  # noqa: PLR2004 - hex digits


class Authority(NamedTuple):
    """One reading of a URL. `tricky`: with user-info like a host, or as no browser writes it."""

    scheme: str
    host: str
    tricky: bool


def authorities(url: str) -> tuple[Authority, ...]:
    """What a URL's host is to browsers and, where a backslash makes them differ, to others.

    Browsers (WHATWG): blanks at the ends and tabs and line ends anywhere vanish, backslashes are
    slashes, any number of slashes will do, for web schemes none. To RFC 3986 a backslash is a
    letter, which makes it user-info where an @ follows. Quotes and angle brackets around it go, as
    with RFC 3986 appendix C, and in `jar:http://...`, `URL:http://...` the inner URL counts.
    Nothing: there is no authority.
    """
    trimmed = url.strip(_TRIMMED)
    text = trimmed.translate(_VANISHING)
    outer, scheme, rest = "", *_scheme(text)
    for _ in range(MAX_NESTED):
        inner, beyond = _scheme(rest)
        if scheme in WEB or not inner or not beyond.startswith(("/", "\\")):
            break
        outer, scheme, rest = outer or scheme, inner, beyond
    if not scheme or (scheme == "file" and rest.startswith("///")):
        return ()
    odd = text != trimmed or not rest.startswith("//") or rest.startswith("///")
    straight = rest.replace("\\", "/")
    if not straight.startswith("/") and scheme not in WEB:
        return ()
    readings = dict.fromkeys((straight.lstrip("/"), rest.lstrip("/\\")))
    return tuple(_authority(outer or scheme, each, odd or len(readings) > 1) for each in readings)


def _scheme(text: str) -> tuple[str, str]:
    """The scheme in lower case and what follows its colon; twice nothing when it is none."""
    scheme, colon, rest = text.partition(":")
    if not colon or not scheme.isascii() or not scheme.replace("+", "").replace("-", "").isalnum():
        return "", ""
    return scheme.lower(), rest


def _authority(scheme: str, body: str, odd: bool) -> Authority:
    end = min((at for at in map(body.find, "/?#") if at >= 0), default=len(body))
    user, _, host = body[:end].rpartition("@")
    return Authority(scheme, _without_port(host), odd or _like_a_host(user))


def _like_a_host(user: str) -> bool:
    """`example.com@127.0.0.1` deceives a reader; `postgres:secret@127.0.0.1` does not."""
    return not _PLAIN.issuperset(user.partition(":")[0]) or "@" in user


_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+")
_TRIMMED = "".join(map(chr, range(0x21))) + "\"'`<>"
WEB = frozenset({"ftp", "http", "https", "ws", "wss"})
"""The special schemes of WHATWG URL section 3.1 that have a host."""
_VANISHING = {ord(letter): None for letter in "\t\r\n"}


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[: host.find("]") + 1] or host
    return host.partition(":")[0]
