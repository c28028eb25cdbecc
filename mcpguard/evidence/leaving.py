"""The receipt of one run of a command, from its begin to its end. Imports nothing it may not need.

Where a receipt is `required`, nothing begins that could not leave one; where it is `on`, the
command does what it does, and says that there is none.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from mcpguard.errors import McpguardError
from mcpguard.model import JsonObject

__all__ = ["Leaving", "kind_of"]


class Leaving:
    """A receipt that will be left once.

    `facts`: members of its schema, such as `lockfile`. `chosen`: `audit.receipts`; `unknown` where
    the settings cannot be read, and then who wrote them may have required one.
    """

    def __init__(
        self, command: str, home: Callable[[], Path], clock: Callable[[], float], chosen: str = "on"
    ) -> None:
        """`home`: finds the data directory. `clock`: Unix seconds."""
        self.facts: JsonObject = {}
        self.chosen = chosen
        self._command, self._home, self._clock = command, home, clock
        self._begun = clock()
        self._done = False

    def begin(self, chosen: str) -> None:
        """The settings are known. Raises AuditError when one is required and cannot be written."""
        self.chosen = chosen
        if chosen == "required":
            from mcpguard.evidence.receiptlog import ready

            self._done = True  # where there is no place for one, none is tried at the end
            ready(self._home())
            self._done = False

    def left(
        self, code: int, kind: str = "", *, error: McpguardError | None = None, status: str = ""
    ) -> McpguardError | None:
        """Writes it, unless it was written; gives what hindered it.

        `code`: the exit code. `error`, or its `kind` in a word: what ended the command; the text of
        an error stays out, it may quote an argument or a server. `status`: if not as `code` says.
        """
        if self.chosen == "off" or self._done:
            return None
        self._done = True
        from mcpguard.evidence.receipt import Draft
        from mcpguard.evidence.receiptlog import append

        begun, ended = (datetime.fromtimestamp(each, UTC) for each in (self._begun, self._clock()))
        draft = Draft(self._command, begun)
        draft.facts = self.facts
        word = kind or (kind_of(error) if error is not None else "")
        try:
            append(self._home(), draft, draft.ended(code, ended, error=word, status=status), ended)
        except McpguardError as hindered:
            return hindered
        return None


def kind_of(error: McpguardError) -> str:
    """`unreachable` of an UnreachableError."""
    return type(error).__name__.removesuffix("Error").lower()
