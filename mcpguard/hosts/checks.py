"""What is wrong with an entry of a host's file, as far as the entry itself tells. Nothing is run.

A finding never quotes a value of `env`, an argument or an address: it names the variable or the
place, and what kind of secret is there. `RULES` is the table; a rule more is a row and a check.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from mcpguard.hosts.declared import Server
from mcpguard.hosts.known import ANY
from mcpguard.hosts.launchers import (
    Container,
    assigned,
    container,
    packages,
    program,
    script,
    unwrapped,
)
from mcpguard.hosts.lookalikes import meant
from mcpguard.model import Finding, Severity
from mcpguard.scan import BUDGET, DETECTORS, find

__all__ = ["RULES", "Facts", "Rule", "argument_secrets", "check", "shown"]

CRITICAL, MODERATE, INFO = Severity.CRITICAL, Severity.MODERATE, Severity.INFO


@dataclass(frozen=True, slots=True)
class Rule:
    """`sentence`: what it finds. `fix`: what to do. `reference`: of the OWASP MCP Top 10 (2025)."""

    sentence: str
    fix: str
    reference: str


RULES: Final[Mapping[str, Rule]] = {
    "config.unreadable": Rule(
        "An entry cannot be understood, so nothing is known of this server.",
        "Mend the entry; the host itself may ignore or misread it.",
        "MCP09:2025",
    ),
    "config.unpinned": Rule(
        "The server's package has no exact version: other code may run at the next start.",
        "Name an exact version (name@1.2.3, name==1.2.3), a commit or an image digest.",
        "MCP04:2025",
    ),
    "config.lookalike": Rule(
        "The package's name is nearly that of a well-known server: it may be somebody else's code.",
        "Compare the name letter by letter with the one in the server's documentation.",
        "MCP04:2025",
    ),
    "config.elsewhere": Rule(
        "The server's packages come from another place than the user's configuration says.",
        "Leave the index out, or have it reviewed: whoever runs it chooses the code.",
        "MCP04:2025",
    ),
    "config.secret": Rule(
        "A credential stands in the file in plain text.",
        "Have the host fill it in (${VAR}, ${input:...}) or keep it in the server's own store.",
        "MCP01:2025",
    ),
    "config.no_tls": Rule(
        "The server is reached over a network without encryption: anybody between can answer.",
        "Use https.",
        "MCP07:2025",
    ),
    "config.tls_off": Rule(
        "A variable turns the checking of certificates off.",
        "Take the variable out; add the missing authority instead.",
        "MCP07:2025",
    ),
    "config.shell": Rule(
        "A shell reads the command: more than one program may run, and it can be added to.",
        "Start the program itself, with its arguments as a list.",
        "MCP05:2025",
    ),
    "config.download": Rule(
        "The command downloads code and runs it at every start.",
        "Install the server once, at a version that was reviewed.",
        "MCP04:2025",
    ),
    "config.code": Rule(
        "The server's code stands in the command line itself.",
        "Put it into a file, and lock the server: the file's bytes are then checked.",
        "MCP05:2025",
    ),
    "config.root": Rule(
        "The server is started with the rights of the administrator.",
        "Start it as an ordinary user.",
        "MCP02:2025",
    ),
    "config.temporary": Rule(
        "The command or its code lies in a directory for temporary files.",
        "Install the server where others cannot write.",
        "MCP04:2025",
    ),
    "config.relative": Rule(
        "The command is looked for in whatever directory the host has open.",
        "Write its full path.",
        "MCP04:2025",
    ),
    "config.loader": Rule(
        "A variable makes the server's loader or interpreter run other code.",
        "Take the variable out, or have its value reviewed as code.",
        "MCP04:2025",
    ),
    "config.steered": Rule(
        "A variable steers the mcpguard that the entry starts: other settings, keys and log count.",
        "Take the variable out; what the server needs is set by `env`, behind `proxy ... --`.",
        "MCP02:2025",
    ),
    "config.container": Rule(
        "The container can reach out of itself.",
        "Leave out what the server does not need: privileges, the host's network, mounts.",
        "MCP02:2025",
    ),
    "config.whole_disk": Rule(
        "The server is given a whole disk or home directory.",
        "Name the directories that it needs.",
        "MCP02:2025",
    ),
    "config.unasked": Rule(
        "The host runs tools of this server without asking.",
        "Let the host ask, or list only tools that cannot harm.",
        "MCP02:2025",
    ),
    "config.writable": Rule(
        "Other users of this machine can change what is started.",
        "Take the right to write away from others (chmod o-w).",
        "MCP04:2025",
    ),
    "config.twice": Rule(
        "The same name stands for different programs in different files.",
        "Find out which one is meant: hosts and models tell servers by their names.",
        "MCP09:2025",
    ),
}
"""Rule -> what is said of it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a check must be told, because it is not in the entry.

    `temporary`: directories for temporary files. `home`: the user's. `shared`: others of a project
    write and read the file. `open_to_read`: other users may read it. `writable`: paths (the file
    itself, programs, scripts) that others may write. `loads_code`: whether a variable's value is
    code for a loader. `steered`: variables that steer the mcpguard which the entry starts.
    """

    temporary: tuple[str, ...] = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - looked for, not used
    home: str = ""
    shared: bool = False
    open_to_read: bool = False
    writable: tuple[str, ...] = ()
    loads_code: Callable[[str], bool] = field(default=lambda _: False)
    steered: tuple[str, ...] = ()


Found: TypeAlias = Iterator[tuple[str, Severity, str, str]]
"""Rule, severity, the key inside the entry, the sentence."""


def check(server: Server, facts: Facts) -> tuple[Finding, ...]:
    """Everything that is wrong with `server`, worst first. `where`: a pointer into the entry."""
    if server.problem:
        what = f"the entry cannot be understood: {server.problem}"
        return (Finding("config.unreadable", MODERATE, "", what),)
    unique = dict.fromkeys(one for each in _CHECKS for one in each(server, facts))
    found = [Finding(rule, severity, where, said) for rule, severity, where, said in unique]
    return tuple(sorted(found, key=lambda each: -each.severity.rank))


# --- the command ---------------------------------------------------------------------------------

_FETCHERS: Final = ("curl ", "wget ", "invoke-webrequest", "iwr ", "irm ", "fetch ")
_RUNNERS: Final = ("|", "iex", "invoke-expression", "eval", "bash <(", "sh <(", "$(")


def _command(server: Server, facts: Facts) -> Found:
    if not server.words:
        return
    words = unwrapped(server.words)
    said = script(words)
    if program(words) in {"sudo", "doas", "runas", "pkexec", "gsudo"}:
        yield "config.root", CRITICAL, "/command", f"{program(words)} starts it as administrator"
    if said is not None and said.by_shell:
        yield from _shell(said.program, said.text.lower())
    elif said is not None:
        what = f"{said.program} is given its code on the command line"
        yield "config.code", MODERATE, "/args", what
    if _relative(words[0]):
        yield "config.relative", MODERATE, "/command", "the command's path is a relative one"
    if any(_inside(word, facts.temporary) for word in (words[0], *_files(words))):
        what = "what is started lies in a directory for temporary files"
        yield "config.temporary", CRITICAL, "/command", what


def _shell(name: str, text: str) -> Found:
    if any(word in text for word in _FETCHERS) and any(word in text for word in _RUNNERS):
        yield "config.download", CRITICAL, "/args", f"{name} downloads code and runs it"
    else:
        yield "config.shell", MODERATE, "/command", f"{name} reads the command as a script"


def _relative(word: str) -> bool:
    return not word.startswith(("/", "~", "$", "%")) and "/" in word.replace("\\", "/")[:3]


def _files(words: Sequence[str]) -> list[str]:
    """The first argument that looks like a script: what an interpreter would run."""
    plain = [word for word in words[1:] if not word.startswith("-")][:1]
    return [word for word in plain if word.endswith(_SCRIPTS)]


_SCRIPTS: Final = (".py", ".js", ".mjs", ".cjs", ".ts", ".sh", ".rb", ".pl", ".php", ".jar", ".exe")


def _inside(path: str, directories: Sequence[str]) -> bool:
    plain = path.replace("\\", "/").lower()
    return any(
        plain.startswith(each.replace("\\", "/").rstrip("/").lower() + "/") for each in directories
    )


_INDEXES: Final = (
    "--registry", "--index-url", "--extra-index-url", "--default-index", "--index", "-i",
    "--find-links",
)  # fmt: skip
_INDEX_NAMES: Final = (
    "NPM_CONFIG_REGISTRY", "UV_INDEX", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "GOPROXY", "PIP_FIND_LINKS", "UV_FIND_LINKS",
)  # fmt: skip


def _packages(server: Server, _: Facts) -> Found:
    words = unwrapped(server.words)
    fetched = packages(words)
    for each in fetched:
        other = meant(each.said, each.launcher) if each.from_registry else ""
        if other:
            what = f"{each.launcher} fetches a package whose name is nearly {other}"
            yield "config.lookalike", MODERATE, "/args", what
    for each in fetched:
        if each.pinned:
            continue
        if each.from_registry:
            what = f"{each.launcher} fetches a package without an exact version"
        else:
            what = f"{each.launcher} fetches code from a repository or address without a commit"
        yield "config.unpinned", MODERATE, "/args", what
    if fetched and any(word.partition("=")[0] in _INDEXES for word in words):
        yield "config.elsewhere", MODERATE, "/args", "an argument names another package index"
    for where, name, _value in _set(server):
        if name.upper() in _INDEX_NAMES:
            what = f"the variable {name} names another package index"
            yield "config.elsewhere", MODERATE, where, what


def _set(server: Server) -> Iterator[tuple[str, str, str]]:
    """Where a variable is set for the server, its name and value: in the entry, or by the command.

    Of each name once: of two of them the command's counts.
    """
    behind = dict(assigned(server.words))
    for name, value in server.env.items():
        if name not in behind:
            yield f"/env/{_escaped(name)}", name, value
    for name, value in behind.items():
        yield "/args", name, value


_TLS_OFF: Final = {
    "NODE_TLS_REJECT_UNAUTHORIZED": ("0",),
    "PYTHONHTTPSVERIFY": ("0",),
    "GIT_SSL_NO_VERIFY": ("1", "true"),
    "NPM_CONFIG_STRICT_SSL": ("false",),
    "UV_INSECURE_HOST": (),
}


def _variables(server: Server, facts: Facts) -> Found:
    for where, name, value in _set(server):
        offs = _TLS_OFF.get(name.upper())
        if offs is not None and (not offs or value.lower() in offs):
            what = f"{name} turns the checking of certificates off"
            yield "config.tls_off", CRITICAL, where, what
        elif name.upper() not in _INDEX_NAMES and facts.loads_code(name):
            injects = name.upper().startswith(("LD_", "DYLD_"))
            severity = CRITICAL if injects else MODERATE
            yield "config.loader", severity, where, f"{name} has other code loaded"


def _disk(server: Server, facts: Facts) -> Found:
    whole = {"/", "~", "~/", "$HOME", "${HOME}", "%USERPROFILE%", "/home", "/Users", "C:\\", "C:/"}
    homes = {facts.home.rstrip("/\\")} - {""}
    for word in server.words[1:]:
        if word in whole or word.rstrip("/\\") in homes:
            what = "an argument is a whole disk or home directory"
            yield "config.whole_disk", MODERATE, "/args", what


# --- containers ----------------------------------------------------------------------------------

_REACH: Final[Mapping[tuple[str, str], Severity]] = {
    ("--privileged", ""): CRITICAL,
    ("--cap-add", "all"): CRITICAL,
    ("--cap-add", "sys_admin"): CRITICAL,
    ("--cap-add", "sys_ptrace"): CRITICAL,
    ("--cap-add", "sys_module"): CRITICAL,
    ("--pid", "host"): CRITICAL,
    ("--userns", "host"): MODERATE,
    ("--ipc", "host"): MODERATE,
    ("--network", "host"): MODERATE,
    ("--net", "host"): MODERATE,
    ("--security-opt", "seccomp=unconfined"): CRITICAL,
    ("--security-opt", "apparmor=unconfined"): CRITICAL,
}
_SOCKETS: Final = ("docker.sock", "containerd.sock", "podman.sock", "crio.sock")
_PRIVATE: Final = ("/etc", "/root", "/var/run", "/run", "/proc", "/sys", "/dev", "/boot", "/usr")
_KEYS: Final = (".ssh", ".aws", ".gnupg", ".kube", ".docker", ".config/gcloud")


def _containers(server: Server, facts: Facts) -> Found:
    told = container(unwrapped(server.words))
    if told is None:
        return
    if told.image and not told.pinned:
        what = "the container's image is not named by its digest"
        yield "config.unpinned", MODERATE, "/args", what
    for name, value in told.options:
        plain = value.lower().removeprefix("cap_") if name == "--cap-add" else value.lower()
        severity = _REACH.get((name, plain.removeprefix("true")))
        if severity is not None:
            shown = f"{name}={plain}" if plain else name
            yield "config.container", severity, "/args", f"the container is given {shown}"
    for source in _mounts(told):
        yield from _mount(source.replace("\\", "/"), facts)


def _mounts(told: Container) -> Iterator[str]:
    for name, value in told.options:
        if name in {"-v", "--volume"}:
            drive = value[:2] if value[:1].isalpha() and value[1:3] in {":/", ":\\"} else ""
            yield drive + value[len(drive) :].partition(":")[0]
        if name == "--mount":
            pairs = dict(part.partition("=")[::2] for part in value.split(","))
            yield pairs.get("source") or pairs.get("src") or ""


def _mount(source: str, facts: Facts) -> Found:
    bare = source.rstrip("/")
    homes = {"~", "$HOME", "${HOME}", "/home", "/Users", facts.home.rstrip("/")} - {""}
    if source and bare in {"", "C:", "/mnt/c", "/host"}:
        yield "config.container", CRITICAL, "/args", "the whole disk is mounted into the container"
    elif bare.endswith(_SOCKETS):
        what = "the container is given the engine's socket: it can start any other container"
        yield "config.container", CRITICAL, "/args", what
    elif bare in homes or bare in _PRIVATE or bare.endswith(_KEYS):
        what = "a directory of the system, of keys or a whole home is mounted into the container"
        yield "config.container", CRITICAL if bare.endswith(_KEYS) else MODERATE, "/args", what


# --- the network, secrets, the host --------------------------------------------------------------

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def _network(server: Server, _: Facts) -> Found:
    if not server.url:
        return
    try:
        split = urlsplit(server.url)
        host = (split.hostname or "").lower()
    except ValueError:
        yield "config.unreadable", MODERATE, "/url", "the address is not one"
        return
    if split.scheme.lower() in {"http", "ws"} and host not in _LOOPBACK:
        yield "config.no_tls", CRITICAL, "/url", f"it is reached by {split.scheme.lower()}"


_FILLED: Final = ("${", "$(", "{{", "<", "%")
_SECRET_DETECTORS: Final = (DETECTORS["secrets"],)


def _secrets(server: Server, facts: Facts) -> Found:
    if facts.shared:
        severity, who = CRITICAL, ", in a file that the project shares"
    elif facts.open_to_read:
        severity, who = MODERATE, ", and other users may read the file"
    else:
        severity, who = INFO, ""
    for name, value in server.env.items():
        for kind in _kinds(name, value):
            what = f"the variable {name} holds a credential ({kind}) in plain text{who}"
            yield "config.secret", severity, f"/env/{_escaped(name)}", what
    for name, value in server.headers.items():
        for kind in _kinds(name, value):
            what = f"the header {name} holds a credential ({kind}) in plain text{who}"
            yield "config.secret", severity, f"/headers/{_escaped(name)}", what
    for kind in _kinds("url", server.url):
        yield "config.secret", severity, "/url", f"the address holds a credential ({kind}){who}"
    visible = max(severity, MODERATE, key=lambda each: each.rank)
    for kind in argument_secrets(server.words):
        what = f"an argument holds a credential ({kind}): every program on this machine can see it"
        yield "config.secret", visible, "/args", what


def argument_secrets(words: Sequence[str]) -> Iterator[str]:
    """`--api-key VALUE`, `--token=VALUE`, and whatever looks like one by itself."""
    option = ""
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if equals and name.startswith("-"):
            yield from _kinds(name.lstrip("-"), value)
        else:
            yield from _kinds(option, word)
        option = word.lstrip("-") if word.startswith("--") and not equals else ""


def _kinds(name: str, value: str) -> list[str]:
    """The kinds of credentials in `value`, which has this name; none when it is to be filled in."""
    if any(mark in value for mark in _FILLED):
        return []
    said = {name or "value": value[:MAX_VALUE]}
    hits = find(dict(said), _SECRET_DETECTORS, budget=BUDGET)
    kinds = [hit.kind for hit in hits if not hit.key]
    kinds = [kind for kind in kinds if kind != "secret"] or kinds  # said more closely by another
    if not kinds and _named_secret(name) and _looks_random(value):
        kinds = ["secret"]
    return list(dict.fromkeys(kinds))


MAX_VALUE = 64 * 1024
"""Characters of one value that are looked through; a credential is shorter."""

_SECRET_ENDS: Final = (
    "KEY",
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PAT",
    "CREDENTIAL",
    "CREDENTIALS",
)
_PLACES: Final = ("PUBLIC_KEY", "KEY_FILE", "TOKEN_FILE", "SORT_KEY", "PRIMARY_KEY", "MAX_TOKEN")

SHORTEST = 12
"""Characters of a secret that is known by its name alone: `test` and `changeme` are shorter."""


def _named_secret(name: str) -> bool:
    upper = name.upper().replace("-", "_")
    return upper.rpartition("_")[2] in _SECRET_ENDS and not upper.endswith(_PLACES)


def _looks_random(value: str) -> bool:
    digits = sum(map(str.isdigit, value))
    plain = value.isascii() and not any(map(str.isspace, value)) and "/" not in value[:2]
    return len(value) >= SHORTEST and plain and digits > 1 and len(set(value)) > SHORTEST // 2


def _host(server: Server, facts: Facts) -> Found:
    if server.unasked:
        everything = ANY in server.unasked
        number = "all tools" if everything else f"{len(server.unasked)} tools"
        severity = MODERATE if everything else INFO
        yield "config.unasked", severity, "", f"the host runs {number} of it without asking"
    for name in facts.steered:
        what = f"{name} steers the mcpguard that the entry starts, not the server alone"
        where = f"/env/{_escaped(name)}" if name in server.env else "/args"
        yield "config.steered", CRITICAL, where, what
    for path in facts.writable:
        yield "config.writable", CRITICAL, "", f"other users can change {path}"


def shown(words: Sequence[str]) -> str:
    """A command for people: what would have to be quoted is, and a credential is not shown."""
    hidden: list[str] = []
    option = ""
    for word in words:
        name, equals, value = word.partition("=")
        behind = bool(equals) and word.startswith("-")
        secret = _kinds(name.lstrip("-"), value) if behind else _kinds(option, word)
        kept = shlex.quote(f"{name}=" if behind else "").strip("'")
        hidden.append(f"{kept}<{secret[0]}>" if secret else shlex.quote(word))
        option = word.lstrip("-") if word.startswith("--") and not equals else ""
    return " ".join(hidden)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


_CHECKS: Final[tuple[Callable[[Server, Facts], Found], ...]] = (
    _command, _packages, _variables, _disk, _containers, _network, _secrets, _host,
)  # fmt: skip
"""Every check; each is total."""
