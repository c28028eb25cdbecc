"""Which environment variables a server is given. An allowlist: nothing by wildcard but locales."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from mcpguard.errors import UsageError

__all__ = ["BASE", "base_environment", "is_code", "refuse_names", "server_environment", "withheld"]

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

CODE_PREFIXES = (
    "LD_", "DYLD_", "PYTHON",
    "BUNDLE_", "COMPLUS_", "CORECLR_", "COR_", "GIT_CONFIG", "LUA_CPATH", "LUA_INIT", "LUA_PATH",
    "NPM_CONFIG_", "PNPM_CONFIG_", "R_ENVIRON", "R_LIBS", "R_PROFILE", "TS_NODE_", "YARN_",
)  # fmt: skip
"""Name prefixes. Their values make a loader or an interpreter run code nobody reviewed."""

CODE_NAMES = frozenset(
    {
        "ASPNETCORE_HOSTINGSTARTUPASSEMBLIES",
        "BASH_ENV", "BROWSER", "BUN_INSPECT_PRELOAD", "BUN_OPTIONS", "CLASSPATH",
        "DOTNET_ADDITIONAL_DEPS", "DOTNET_GCNAME", "DOTNET_GCPATH",
        "DOTNET_SHARED_STORE", "DOTNET_STARTUP_HOOKS", "EDITOR", "ENV", "ERL_AFLAGS", "ERL_FLAGS",
        "ERL_LIBS", "ERL_ZFLAGS", "FPATH", "GCONV_PATH", "GEM_HOME", "GEM_PATH",
        "GIO_EXTRA_MODULES", "GIT_ASKPASS", "GIT_DIR", "GIT_EDITOR", "GIT_EXEC_PATH",
        "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_PROXY_COMMAND", "GIT_SEQUENCE_EDITOR", "GIT_SSH",
        "GIT_SSH_COMMAND", "GIT_TEMPLATE_DIR", "GOENV", "GOFLAGS", "GRADLE_OPTS", "GTK_MODULES",
        "JAVA_OPTS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "JULIA_DEPOT_PATH",
        "JULIA_LOAD_PATH", "LESSCLOSE", "LESSOPEN", "MANPAGER", "MAVEN_OPTS", "NODE_COMPILE_CACHE",
        "NODE_OPTIONS", "NODE_PATH", "NODE_REPL_EXTERNAL_MODULE", "OPENSSL_CONF", "OPENSSL_ENGINES",
        "OPENSSL_MODULES", "PAGER", "PERL5DB", "PERL5LIB", "PERL5OPT", "PERLLIB", "PHPRC",
        "PHP_INI_SCAN_DIR", "PIPX_DEFAULT_PYTHON", "PIP_CONFIG_FILE", "PROMPT_COMMAND", "PS4",
        "QT_PLUGIN_PATH", "RUBYGEMS_GEMDEPS", "RUBYLIB", "RUBYOPT", "RUSTC", "RUSTC_WRAPPER",
        "R_HOME", "SHELLOPTS", "SSH_ASKPASS", "SUDO_ASKPASS", "TCLLIBPATH", "TSX_TSCONFIG_PATH",
        "UV_CONFIG_FILE", "UV_ENV_FILE", "UV_PROJECT", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON",
        "UV_TOOL_DIR", "UV_WORKING_DIR", "UV_WORKING_DIRECTORY", "VISUAL", "ZDOTDIR",
        "_JAVA_OPTIONS",
    }
)  # fmt: skip
"""Names. Like `CODE_PREFIXES`, one by one; and what names a program or its settings."""


HARMLESS = frozenset(
    {
        "NPM_CONFIG_COLOR", "NPM_CONFIG_FUND", "NPM_CONFIG_LOGLEVEL", "NPM_CONFIG_PROGRESS",
        "NPM_CONFIG_UPDATE_NOTIFIER", "PYTHONDONTWRITEBYTECODE", "PYTHONFAULTHANDLER",
        "PYTHONHASHSEED", "PYTHONIOENCODING", "PYTHONNOUSERSITE", "PYTHONUNBUFFERED", "PYTHONUTF8",
    }
)  # fmt: skip
"""Names that begin as `CODE_PREFIXES` say, whose values run nothing."""


SHELL_NOISE = frozenset({"_", "COLUMNS", "LINES", "OLDPWD", "PWD", "SHLVL"})
"""Names. A shell sets them for itself; no server misses them."""


def is_code(name: str) -> bool:
    """Whether the value of the variable `name` is code, or says which code is run."""
    upper = name.upper()  # npm reads its own in any case, and Windows every variable
    if upper in HARMLESS:
        return False
    return upper in CODE_NAMES or upper.startswith(CODE_PREFIXES)


def refuse_names(names: Iterable[str]) -> None:
    """Raise UsageError for a name that is not one, or whose value would be unreviewed code."""
    for name in names:
        if not name or "=" in name or "\0" in name:
            raise UsageError(
                f"{name!r} is not the name of an environment variable",
                hint="give the name alone: --env API_KEY",
            )
        if is_code(name):
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

    Raises UsageError for a name whose value is code.
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


def withheld(environ: Mapping[str, str], given: Mapping[str, str]) -> list[str]:
    """The names in `environ` that a server which is `given` less may miss, in order."""
    return sorted(environ.keys() - given.keys() - SHELL_NOISE)


def _absolute(path: str) -> str:
    return os.pathsep.join(entry for entry in path.split(os.pathsep) if Path(entry).is_absolute())
