"""Shell text where a word, a path or a URL is expected, and orders that nobody gives.

A shell tool's own `command` may pipe, chain and substitute. What is found there is what destroys a
machine or hands it over. Prose, code and Markdown are never looked at.
"""

from collections.abc import Iterator

from mcpguard.model import Severity
from mcpguard.scan.needles import compiled
from mcpguard.scan.sites import Detector, Role, Site, Span

__all__ = ["DETECTOR"]

_PROGRAMS = (
    "awk|base64|bash|busybox|cat|certutil|chmod|chown|cmd|cp|crontab|curl|dash|dd|del|dig|echo|env"
    "|eval|exec|find|format|id|ifconfig|iwr|kill|ksh|ls|mkfifo|mkfs|mv|nc|ncat|net|netcat|node"
    "|nohup|nslookup|perl|php|ping|pkill|powershell|printenv|printf|ps|pwd|pwsh|python3?|reboot|rm"
    "|ruby|sed|sh|shutdown|sleep|socat|ssh|sudo|tar|tee|telnet|touch|uname|useradd|wget|whoami|zsh"
)
_WORD_END = r"(?:[\s;|&<>)`#]|$|\$\{?IFS)"
_PROGRAM = rf"(?:/(?:usr/)?s?bin/)?(?:{_PROGRAMS})(?:\.exe)?{_WORD_END}"
_CHAINED = rf"(?:;|\|\|?|&&?|\n|\r)\s*{_PROGRAM}"
_SUBSTITUTED = r"\$\(\s*[\w/.]|`\s*[\w/.][^`]*`|\$\{?IFS\b|[<>]\(\s*\w"
_IN_URL = rf"(?:;|\||&&)\s+{_PROGRAM}|\$\(\s*[\w/.]|`[^`]+`|\$\{{?IFS\b"
_UNKNOWN = rf"^\S*\s*(?:;|\|\|?|&&?|\n)\s*{_PROGRAM}|^\$\([^)]*\)$"

_SHELL = r"(?:sudo\s+(?:-\S+\s+)*)?(?:/(?:usr/)?bin/)?(?:env\s+)?(?:ba|z|da|k|c|tc|fi)?sh\b"
_END = r"[\"']?\s*(?:$|[\s;&|)])"
_DISK = r"/dev/(?:sd|hd|vd|xvd|nvme|disk|mmcblk|mapper/)"
_SYSTEM = r"/(?:bin|boot|dev|etc|home|lib(?:64)?|opt|proc|root|sbin|sys|usr|var)"
_ORDERS = (
    rf"\b(?:curl|wget|fetch|base64|xxd|openssl|printf|echo)\b[^\n;]*\|\s*{_SHELL}",
    r"\b(?:curl|wget)\b[^\n;]*\|\s*(?:sudo\s+)?(?:python3?|perl|ruby|node|php)\s*-?\s*(?:$|[;&|\n])",
    rf"{_SHELL}\s+(?:-\w*c\s+)?[\"']?(?:\$\(|<\(|`)\s*(?:curl|wget|echo|base64)",
    r"\b(?:eval|source|\.)\s+[\"']?(?:\$\(|<\(|`)\s*(?:curl|wget|echo|base64|printf)",
    r"/dev/(?:tcp|udp)/",
    r"\b(?:nc|ncat|netcat)\b[^\n;|]*\s-\w*[ec]\w*\s+\S*(?:sh|cmd(?:\.exe)?|powershell)\b",
    r"\bmkfifo\b[^\n]*\b(?:nc|ncat|netcat|telnet|openssl)\b",
    r"\bsocat\b[^\n]*\b(?i:exec|system):",
    r":\s*\(\)\s*\{\s*:\s*\|\s*:",
    rf"\brm\s+(?:-\S+\s+)*(?:-\w*[rR]\w*|--recursive)\s+(?:-\S+\s+)*[\"']?(?:/|~|\$HOME|\$\{{HOME\}}|{_SYSTEM})/?(?:\*|\.)?{_END}",
    r"--no-preserve-root\b",
    r"\bmkfs(?:\.\w+)?\s+(?:-\S+\s+)*/dev/",
    rf"\bdd\b[^\n;|]*\bof={_DISK}",
    rf">\s*{_DISK}",
    rf"\b(?:shred|wipefs)\b[^\n;|]*\s{_DISK}",
    rf"\bch(?:mod|own)\s+(?:-\S+\s+)*-\w*R\w*\s+\S+\s+(?:/|{_SYSTEM})/?\*?{_END}",
    r">>?\s*(?:\S*authorized_keys|/etc/(?:passwd|shadow|sudoers|cron|ld\.so\.preload|profile))",
    r"\|\s*(?:sudo\s+)?tee\s+(?:-a\s+)?(?:\S*authorized_keys|/etc/(?:passwd|shadow|sudoers|cron))",
    r"(?i)\bpowershell(?:\.exe)?\b[^\n]*\s-e(?:nc|ncodedcommand|c)?\s+[a-z0-9+/=]{16}",
    r"(?i)\b(?:iex|invoke-expression)\b[^\n]*(?:downloadstring|invoke-webrequest|\biwr\b|\bcurl\b|net\.webclient)",
    r"(?i)(?:\biwr\b|\birm\b|invoke-webrequest|downloadstring)[^\n]*\|\s*(?:iex|invoke-expression)\b",
    r"(?i)\b(?:format(?:\.com)?\s+[c-z]:|del\s+(?:/\w\s+)*/s\s+(?:/\w\s+)*[c-z]:\\|rd\s+/s\s+(?:/q\s+)?[c-z]:\\(?:\s|$))",
    r"(?i)\bcertutil\b[^\n]*-urlcache\b",
    r"\bpython3?\s+-c\s+[\"'][^\n]*\bsocket\b[^\n]*\b(?:dup2|pty)\b",
)
"""What runs what was just fetched, opens a shell to elsewhere, or destroys disks and homes."""

_BY_ROLE = {
    Role.PATH: f"{_CHAINED}|{_SUBSTITUTED}",
    Role.WORD: f"{_CHAINED}|{_SUBSTITUTED}",
    Role.URL: _IN_URL,
    Role.UNKNOWN: _UNKNOWN,
    Role.COMMAND: "|".join(f"(?:{order})" for order in _ORDERS),
}
"""Role -> what is found there; prose and code are not here."""

_NEEDLES = (
    rf"(?:;|\||&|\n|\r)\s*{_PROGRAM}",
    _SUBSTITUTED,
    r"\$\(",
    *_ORDERS,
)


def _spans(text: str, site: Site) -> Iterator[Span]:
    if compiled(_BY_ROLE[site.role]).search(text.replace("\\\n", "")) is not None:
        yield Span(0, len(text), "shell")


DETECTOR = Detector(
    id="shell_injection",
    finds="shell text that does not belong there",
    severity=Severity.CRITICAL,
    reference="MCP05:2025",
    needles=_NEEDLES,
    spans=_spans,
    roles=frozenset(_BY_ROLE),
)
