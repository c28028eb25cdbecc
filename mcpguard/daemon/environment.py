"""Which environment variables a server is given. An allowlist: nothing by wildcard but locales."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from mcpguard.errors import UsageError

__all__ = ["BASE", "base_environment", "refuse_names", "server_environment"]

BASE = frozenset(
    {
        "HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER",
        "LANG", "TZ", "TMPDIR",
        "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
        "http_proxy", "https_proxy", "no_proxy", "all_proxy",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "APPDATA", "COMSPEC", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PATHEXT",
        "PROCESSOR_ARCHITECTURE", "PROGRAMDATA", "PROGRAMFILES", "SYSTEMDRIVE", "SYSTEMROOT",
        "TEMP", "TMP", "USERNAME", "USERPROFILE", "WINDIR",
    }
)  # fmt: skip
"""Names. What the official SDKs pass on POSIX and Windows, and the proxy and CA variables."""

BASE_PREFIXES = ("LC_",)
"""Name prefixes. Locale categories."""

CODE_PREFIXES = ("LD_", "DYLD_", "PYTHON")
"""Name prefixes. Their values make a loader or an interpreter run code nobody reviewed."""

CODE_NAMES = frozenset(
    {
        "BASH_ENV", "BUN_OPTIONS", "CLASSPATH", "DOTNET_STARTUP_HOOKS", "ENV", "GCONV_PATH",
        "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "LUA_CPATH", "LUA_INIT", "LUA_PATH",
        "NODE_OPTIONS", "NODE_PATH", "PERL5DB", "PERL5LIB", "PERL5OPT", "PERLLIB", "PHPRC",
        "PHP_INI_SCAN_DIR", "RUBYLIB", "RUBYOPT", "SHELLOPTS", "_JAVA_OPTIONS",
    }
)  # fmt: skip
"""Names. Like `CODE_PREFIXES`, one by one."""


def refuse_names(names: Iterable[str]) -> None:
    """Raise UsageError for a name that is not one, or whose value would be unreviewed code."""
    for name in names:
        if not name or "=" in name or "\0" in name:
            raise UsageError(
                f"{name!r} is not the name of an environment variable",
                hint="give the name alone: --env API_KEY",
            )
        if name in CODE_NAMES or name.startswith(CODE_PREFIXES):
            raise UsageError(
                f"{name} is never passed to a server: its value is code that nobody reviewed",
                hint="set it in a script and lock the script, whose bytes are checked",
            )


def base_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of `environ` every server is given, without exported shell functions (`()...`).

    PATH keeps its absolute entries alone: another one means whatever directory the host has open.
    """
    return server_environment(environ, ())


def server_environment(environ: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The base part and the variables named by the lockfile, in the order that `environ` has them.

    Raises UsageError for a name of `CODE_NAMES` or `CODE_PREFIXES`.
    """
    names = tuple(names)
    refuse_names(names)
    named = BASE | {*names}
    passed = {
        name: _absolute(value) if name == "PATH" else value
        for name, value in environ.items()
        if (name in named or name.startswith(BASE_PREFIXES)) and not value.startswith("()")
    }
    # An empty PATH means the working directory too; without one, programs use the system's.
    return {name: value for name, value in passed.items() if value or name != "PATH"}


def _absolute(path: str) -> str:
    return os.pathsep.join(entry for entry in path.split(os.pathsep) if Path(entry).is_absolute())
