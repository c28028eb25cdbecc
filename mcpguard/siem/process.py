"""The process that delivers a session's audit log to a security team's tools (decision 0019).

It is started before the server, so that it is nobody's stray, and told which log once that is open.
It reads the log like anybody else: however slow a collector is, no message ever waits for it.
"""

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from mcpguard.siem.sinks import Target, plain

if TYPE_CHECKING:
    import subprocess

__all__ = ["STEERING", "Shipper", "steered"]


STEERING: Final = frozenset(
    (
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("SSLKEYLOGFILE", "OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES"),
    )
)
"""Environment variables that say whom TLS trusts, or who reads along. A host's entry sets them for
its server; whom the records go to is of the settings alone (`ca`)."""


def steered() -> dict[str, str]:
    """The environment of what delivers: ours, without what says whom TLS trusts."""
    return {name: value for name, value in os.environ.items() if name not in STEERING}


class Shipper:
    """A running `mcpguard audit ship --session`. It outlives the session by seconds at most."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", targets: Sequence[Target], host: str
    ) -> None:
        self._process = process
        self._targets = targets
        self._host = host

    @classmethod
    def start(cls, targets: Sequence[Target], host: str = "") -> "Shipper":
        """Starts it; `host`: see `shipping.Courier`. Raises OSError.

        Not in the working directory, and nothing is imported from there: it belongs to others.
        """
        import subprocess

        command = [sys.executable, "-P", "-m", "mcpguard", "audit", "ship", "--session"]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=None if _shares_stderr(targets) else subprocess.DEVNULL,
            cwd=os.sep,
            env=steered(),
            start_new_session=True,
        )
        return cls(process, targets, host)

    def deliver(self, log: Path) -> None:
        """Tell it which log."""
        order = {
            "log": str(log.absolute()),
            "sinks": [plain(each) for each in self._targets],
            "host": self._host,
            "tell": _shares_stderr(self._targets),
        }
        stdin = self._process.stdin
        with contextlib.suppress(OSError):  # it has ended: what waits is kept in the log
            if stdin is not None:
                stdin.write(orjson.dumps(order) + b"\n")
                stdin.flush()

    def end(self) -> None:
        """The session is over: it delivers what is left, and ends by itself. Does not wait."""
        stdin, self._process.stdin = self._process.stdin, None
        with contextlib.suppress(OSError):
            if stdin is not None:
                stdin.close()
        self._process.returncode = 0  # not ours to wait for: whoever is left takes it in


def _shares_stderr(targets: Sequence[Target]) -> bool:
    return any(each.kind == "stderr" for each in targets)
