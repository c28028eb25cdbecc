"""What is read while a call waits: by a model and its user, and by whoever approves.

The model is told nothing of the arguments. Whoever approves sees all of them; the host's user, who
is asked about a low-risk call alone, sees them in short.
"""

from mcpguard.approval.outcome import Row, Shown
from mcpguard.model import JsonObject

__all__ = [
    "elicited_text",
    "holding_text",
    "nobody_text",
    "refused_text",
    "row_value",
    "shown_value",
    "span",
    "waiting_text",
]

MAX_SHOWN = 128
"""Characters of a tool's name. Reviewed names are shorter; the rest of one says nothing."""


def nobody_text(approvers: int, quorum: int) -> str:
    """Why no yes can come about, for a denial and for `approve yes`; empty when one can."""
    if approvers >= quorum:
        return ""
    few = f" ({quorum} have to agree, and there are {approvers})" if approvers else ""
    return f"nobody can approve here yet{few}; make a key first with: mcpguard approver add NAME"


def holding_text(tool: str, ticket: str) -> str:
    """What people hear of a call while it is held."""
    return (
        f"the tool {_name(tool)} waits for the approval of a person, ticket {ticket}:"
        f" mcpguard approve show {ticket}"
    )


def waiting_text(tool: str, ticket: str, retry: int) -> str:
    """The detail of the answer to a call that was held in vain. `retry`: seconds."""
    return (
        f"the tool {_name(tool)} waits for the approval of a person, ticket {ticket}. The user can"
        f" look at the call with `mcpguard approve show {ticket}` and allow it with"
        f" `mcpguard approve yes {ticket}` in a terminal. Then repeat exactly this call, once,"
        f" within {span(retry)}"
    )


def elicited_text(tool: str, arguments: str, ticket: str) -> str:
    """What the host's own user is asked about a low-risk call. `arguments`: in short, or empty."""
    asked = f"mcpguard: allow this one call of the tool {_name(tool)}?"
    if not arguments:
        return asked
    return f"{asked} Its arguments: {arguments} (whole: mcpguard approve show {ticket})"


def refused_text(tool: str) -> str:
    """The detail of the answer to a call that a person refused."""
    return f"a person refused exactly this call of the tool {_name(tool)}"


def row_value(row: Row) -> JsonObject:
    """A line of the list, as it is sent: times in whole seconds."""
    return {
        "ticket": row.ticket,
        "server": row.server,
        "tool": row.tool,
        "principal": row.principal,
        "waiting": int(row.age),
        "left": int(row.left),
        "held": row.held,
        "yes": row.yes,
        "quorum": row.quorum,
    }


def shown_value(shown: Shown) -> JsonObject:
    """A call in full, as it is sent, and what is to be signed of it beside the arguments."""
    return {
        **row_value(shown.row),
        "session": shown.session,
        "request": shown.request,
        "lock": shown.binding.lock,
        "life": shown.life,
        "arguments": shown.arguments,
    }


def span(seconds: int) -> str:
    """`10 minutes`, `90 seconds`: whole minutes as such."""
    if seconds >= 60 and not seconds % 60:  # noqa: PLR2004 - seconds of a minute
        return _counted(seconds // 60, "minute")
    return _counted(seconds, "second")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _name(tool: str) -> str:
    return "".join(char for char in tool if char.isprintable())[:MAX_SHOWN]
