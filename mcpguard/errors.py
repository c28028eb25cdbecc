"""Every error mcpguard raises on purpose: what, where, what next. One tree, one exit code each."""

from typing import ClassVar

__all__ = [
    "AuditError",
    "ControlError",
    "HostError",
    "IdentityError",
    "KilledError",
    "LaunchError",
    "LockfileError",
    "McpguardError",
    "PolicyError",
    "RefusalError",
    "ScanError",
    "StoreError",
    "SurfaceError",
    "TamperError",
    "UnreachableError",
    "UsageError",
    "VaultError",
    "WireError",
]


class McpguardError(Exception):
    """Base of every deliberate error. `hint` is the next step for a person, or empty.

    It is a note too, so that a traceback shows it where no command line does. `exit_code`: 1 when
    the answer is no, 2 when it could not be found out.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if hint:
            self.add_note(f"next: {hint}")


class UsageError(McpguardError):
    """The command line or a setting cannot be understood."""


class ControlError(McpguardError):
    """A running session cannot be reached, or could not do what it was asked."""


class RefusalError(McpguardError):
    """A running session says no to what it was asked."""

    exit_code: ClassVar[int] = 1


class KilledError(McpguardError):
    """A person has turned the kill switch on: nothing starts."""

    exit_code: ClassVar[int] = 1


class HostError(McpguardError):
    """A host's configuration file cannot be read, understood or safely changed."""


class IdentityError(McpguardError):
    """A key cannot be made, kept, opened or relied on."""


class LockfileError(McpguardError):
    """The lockfile cannot be read, parsed or trusted."""


class PolicyError(McpguardError):
    """A configuration or policy text cannot be understood. `source:line:column` begins the message.

    `line` and `column` count from 1; 0 where the text as a whole is meant.
    """

    def __init__(self, source: str, line: int, column: int, what: str, *, hint: str = "") -> None:
        place = f"{source}:{line}:{column}" if line else source
        super().__init__(f"{place}: {what}", hint=hint)
        self.source = source
        self.line = line
        self.column = column
        self.what = what


class LaunchError(McpguardError):
    """The command to start is not the one that was reviewed."""

    exit_code: ClassVar[int] = 1


class UnreachableError(McpguardError):
    """The server could not be started or did not answer. Never means "passed"."""


class ScanError(McpguardError):
    """A value is too much to be looked through. Never means that nothing is in it: deny."""


class SurfaceError(McpguardError):
    """A server listed something that cannot be pinned (not an object, no name, doubled)."""


class AuditError(McpguardError):
    """The audit log cannot be opened, written or read."""


class StoreError(McpguardError):
    """The shared state cannot be opened, reached, read or written. Never means "allowed"."""


class VaultError(McpguardError):
    """What is kept sealed cannot be written, read or found."""


class TamperError(McpguardError):
    """An audit log is not what was written."""

    exit_code: ClassVar[int] = 1


class WireError(McpguardError):
    """A line from a peer is not an acceptable message. Never ends a session.

    `request_id` is the one to answer, when the line was a request whose id is usable.
    """

    def __init__(self, reason: str, message: str, *, request_id: int | str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.request_id = request_id
