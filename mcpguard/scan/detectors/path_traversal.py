"""Paths that climb out of where they start, in any spelling; only where a path is asked for."""

from collections.abc import Iterator

from mcpguard.model import Severity
from mcpguard.scan.needles import matches
from mcpguard.scan.paths import LOOKALIKES, Spelling, decoded, pieces, read
from mcpguard.scan.sites import Detector, Role, Site, Span

__all__ = ["DETECTOR"]

_DOTS = r"\.\.[/\\;%]|[/\\]\.\."
_ENCODED = r"(?i)%(?:25)*(?:2e|2f|5c|c0|c1|e0|u00|00)"
_FOLDED = rf"[{LOOKALIKES}]|\x00"
_NEEDLES = (_DOTS, _ENCODED, _FOLDED)

_ARGUMENT = r"[^\s\"'=;|&<>()]*\.\.[^\s\"'=;|&<>()]*"

MOST = 500
"""Arguments with steps up in one command. More of them are not a command that anybody reads."""

FAR = 4
"""Steps up that no ordinary relative path has; `../../../packages` is one."""

_PRIVATE_NAMES = (
    ".aws .azure .bash_history .docker .env .git-credentials .gnupg .kube .netrc .npmrc .pgpass"
    " .ssh authorized_keys id_ecdsa id_ed25519 id_rsa passwd shadow sudoers"
)
_PRIVATE = frozenset(_PRIVATE_NAMES.split())
_SYSTEM_NAMES = "boot dev etc proc root sys var windows winnt system32"
_SYSTEM = frozenset(_SYSTEM_NAMES.split())
"""What is below the root of a machine: nobody climbs there from a project by accident."""


def _spans(text: str, site: Site) -> Iterator[Span]:
    if site.role is Role.COMMAND:
        for number, (start, end, *_) in enumerate(matches(_ARGUMENT, text, site.meter)):
            if number == MOST:
                yield Span(0, len(text), "path")
                return
            if _reaches(_climb(text[start:end])):
                yield Span(start, end, "path")
    elif _is_path(text, site.role) and _traverses(text):
        yield Span(0, len(text), "path")


def _is_path(text: str, role: Role) -> bool:
    """Whether `text` is used as a path: by its name, or by how it begins if one word."""
    if role in {Role.PATH, Role.URL}:
        return True
    if role is not Role.UNKNOWN or any(map(str.isspace, text)):
        return False
    return text.startswith(("../", "./", "/", "~", "..\\", ".\\", "%2e", "%2E", "file:"))


def _traverses(text: str) -> bool:
    found = read(text.strip(" \t"))
    if found.spelling is Spelling.CONTROL:
        return "\x00" in found.text
    if found.spelling is Spelling.ENCODED:
        return ".." in pieces(found.text)
    if found.spelling is Spelling.LONG:  # servers shorten `./` and `x/..` before they open it
        plain, _ = decoded(found.text)
        return _doubled(plain) or _reaches(_climb(plain))
    if found.spelling is not Spelling.PLAIN:
        return True
    return _doubled(found.text) or _reaches(_climb(found.text))


def _doubled(text: str) -> bool:
    """`....//`, which becomes `../` where a filter takes `../` out once; `..;/`."""
    return "....//" in text or "..../" in text or ".\\..\\..\\." in text or "..;/" in text


def _climb(text: str) -> tuple[int, bool, list[str]]:
    """Steps above the start, whether an absolute path came back to its root, and what is left."""
    _, colon, rest = text.partition("://")
    path = rest if colon else text
    absolute = path.startswith(("/", "\\")) or path[1:3] in {":\\", ":/"} or bool(colon)
    up, left, rooted = 0, list[str](), False
    for piece in pieces(path):
        if piece != "..":
            left.append(piece)
        elif left:
            left.pop()
            rooted = rooted or (absolute and not left)
        else:
            up += 1
    return up, rooted or (absolute and up > 0), left


def _reaches(climb: tuple[int, bool, list[str]]) -> bool:
    up, rooted, left = climb
    if rooted or up >= FAR:
        return True
    names = {piece.lower() for piece in left}
    return up > 0 and (bool(names & _PRIVATE) or (bool(left) and left[0].lower() in _SYSTEM))


DETECTOR = Detector(
    id="path_traversal",
    finds="a path that climbs out of where it starts",
    severity=Severity.CRITICAL,
    reference="MCP05:2025",
    needles=_NEEDLES,
    spans=_spans,
    roles=frozenset({Role.COMMAND, Role.PATH, Role.UNKNOWN, Role.URL}),
)
